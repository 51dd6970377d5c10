"""Which arguments of a call a transform is about, and how they go into the function that it is of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core import errors
from ..core.builder import Builder
from ..objects import tables
from ..staging.optional import needed
from ..values import pytree
from ..values.values import Arrayed, Traced, is_traced


@dataclass(frozen=True)
class Chosen:
    """Arguments by position, and by name where a call passes them so. `one`: an argument, and no tuple of them."""

    places: tuple[int | str, ...]
    one: bool

    @staticmethod
    def of(f: Callable[..., Any], argnums: Any, args: Sequence[Any], kwargs: dict[str, Any], what: str) -> Chosen:
        """What `argnums` names: an int, the name of a parameter, or a sequence of them."""
        one = isinstance(argnums, (int, str))
        places = [_place(f, n, argnums, args, kwargs, what) for n in ((argnums,) if one else argnums)]
        return Chosen(tuple(places), one)

    def taken(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        """Them, in the order of argnums."""
        return [kwargs[p] if isinstance(p, str) else args[p] for p in self.places]

    def required(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """All arguments, with a value in each of them; others may be None."""
        return self.put(args, kwargs, list(map(needed, self.taken(args, kwargs))))

    def put(self, args: Sequence[Any], kwargs: dict[str, Any], new: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """All arguments, with new ones in their places."""
        named, at = dict(kwargs), list(args)
        for p, x in zip(self.places, new, strict=True):
            if isinstance(p, str):
                named[p] = x
            else:
                at[p] = x
        return tuple(at), named

    def leaves(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[int]:
        """The positions of their leaves among all."""
        owners = self.owners(args, kwargs)
        return [i for p in self.places for i, owner in enumerate(owners) if owner == p]

    def owners(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[int | str | None]:
        """For each leaf of all arguments the one of them that it is of, if it is of one."""

        def marked(place: int | str, x: Any) -> Any:
            return [place] * len(pytree.flatten(x)[0])

        found, _ = pytree.flatten(([marked(i, x) for i, x in enumerate(args)], {k: marked(k, x) for k, x in kwargs.items()}))
        return [owner if owner in self.places else None for owner in found]

    def what(self, i: int) -> str:
        """The i-th of them in words."""
        p = self.places[i]
        return f"argument `{p}`" if isinstance(p, str) else f"argument {p}"

    def given(self, found: Sequence[Any]) -> Any:
        """What there is for each of them, as argnums asks for it."""
        return found[0] if self.one else tuple(found)


def _place(f: Callable[..., Any], n: Any, argnums: Any, args: Sequence[Any], kwargs: dict[str, Any], what: str) -> int | str:
    if not isinstance(n, str):
        if not -len(args) <= n < len(args):
            raise errors.ArgumentTypeError(
                f"argnums={argnums} names an argument that the call does not have: it has {len(args)} positional arguments"
            )
        return int(n) % len(args)
    if n in kwargs:
        return n
    try:
        parameters = inspect.signature(f).parameters
    except (TypeError, ValueError):  # some builtins have none
        parameters = {}  # type: ignore[assignment]
    positional = [p.name for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if n in positional[: len(args)]:
        return positional.index(n)
    name = getattr(f, "__qualname__", "f")
    if n in parameters:
        raise errors.ArgumentTypeError(f"{what} of `{name}` is to be with respect to `{n}`, which the call does not give: pass it")
    raise errors.ArgumentTypeError(f"argnums={argnums!r} names no parameter of `{name}`, which has {', '.join(parameters) or 'none'}")


Owners = Sequence[Any] | None  # for each leaf the argument by which derivatives are taken that it is of, or None


def entered(builder: Builder, leaves: Sequence[Any], owners: Owners) -> tuple[list[Any], list[int], list[Any], dict[int, int]]:
    """(what the parameters are given; for each leaf its parameter, or -1 where it is static; the leaves as they are inside; for each that stands in an
    array which is its parameter, which element it is). Without `owners` each has a parameter of its own."""
    given: list[Any] = []
    where: list[int] = []
    inside: list[Any] = []
    places: dict[int, tuple[int, Any, int]] = {}

    def parameter(x: Any) -> Any:
        var = builder.parameter(x.type)
        builder.given[var] = x
        given.append(x)
        made = Traced(var, builder, x.weak) if isinstance(x, Traced) else Arrayed(var, builder)
        made.given = x.given
        return made

    for array, at in tables.standing(leaves, owners) if owners is not None else ():
        n, own = len(given), parameter(array)
        places.update((i, (n, own, k)) for i, k in at.items())
    for i, leaf in enumerate(leaves):
        if i in places:
            n, own, k = places[i]
            where.append(n)
            inside.append(tables.element(own, k))
        elif is_traced(leaf):
            where.append(len(given))
            inside.append(parameter(leaf))
        else:
            where.append(-1)
            inside.append(leaf)
    return given, where, inside, {i: k for i, (_, _, k) in places.items()}
