"""Which specialisation of a function a call goes to."""

from __future__ import annotations

import inspect
import logging
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends.base import Options
from .backends.llvm.build.lock import COMPILING
from .inspection.debugging import is_interpreted
from .inspection.reasons import kinds, reason, shortened
from .inspection.table import Table
from .ir.core import errors
from .ir.core.types import FROM_NUMPY
from .ir.objects import statics, tables
from .ir.python.random import wrapped
from .ir.trace.program import abstract, of_pairs
from .ir.trace.tracebacks import hide
from .ir.values import pytree
from .ir.values.complexes import pairs as complexes
from .patience import LOGGER

if TYPE_CHECKING:
    from .specialisation import Family, Specialisation


@dataclass(frozen=True)
class Bound:
    """A program and the leaves of a call of it."""

    specialisation: Specialisation
    leaves: list[Any]

    def call(self, how: str) -> Any:
        """As "run" or "evaluate" or "tried" of `Specialisation` do; where calls are interpreted, so."""
        try:
            if is_interpreted():
                found = self.specialisation.interpret(self.leaves)
                return (found,) if how == "tried" else found
            return getattr(self.specialisation, how)(self.leaves)
        except BaseException as e:
            raise hide(e)  # noqa: B904  # itself

    @property
    def reads(self) -> list[Any]:
        """What the program has read outside, and whose change makes another one of it."""
        return self.specialisation.traced.reads

    @property
    def arrays(self) -> list[Any]:
        """The arrays outside whose elements it reads when it runs."""
        return self.specialisation.program.constants


class Dispatcher:
    """Specialisations of one function by argument types, and by the numbers that Python needs. `static` are the positions and
    the names of arguments that are compiled in as they are."""

    def __init__(self, f: Callable[..., Any], name: str, static: tuple[int | str, ...] = (), options: Options | None = None) -> None:
        self.f, self.name, self.static = f, name, static
        self.options = options or Options()
        self.made: dict[Any, Family] = {}

    def only(self) -> Specialisation:
        """The one specialisation that there is. If there is none yet, all parameters are taken for floats."""
        families = [f for f in self.made.values() if len(f)]
        found = [s for f in families for s in f if s.holds()] or [s for f in families for s in list(f)[-1:]]
        if len(found) > 1:
            raise TypeError(f"`{self.name}` is compiled for {len(found)} signatures: choose one with .lower(*args)")
        if found and not found[0].holds():
            with COMPILING:
                families[0].add(found[0].again())
            return self.only()
        if found:
            return found[0]
        try:
            parameters = inspect.signature(self.f).parameters.values()
        except (TypeError, ValueError):
            raise TypeError(f"the parameters of `{self.name}` are not known: choose types with .lower(*args)") from None
        needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        return self.lookup(tuple(0.5 for _ in needed), {})[0]

    def all(self) -> list[Specialisation]:
        """Every specialisation, in the order in which their types came up."""
        return [s for family in list(self.made.values()) for s in family]

    def table(self) -> Table:
        """What has been compiled, as `f.specialisations` shows it."""
        return Table([s.row() for s in self.all()])

    def fixed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int | str, Any]:
        """The arguments that are compiled in, by position or by name."""
        return {
            (i if isinstance(i, str) else i % len(args)): kwargs[i] if isinstance(i, str) else args[i]
            for i in self.static
            if (i in kwargs if isinstance(i, str) else -len(args) <= i < len(args))
        }

    def lookup(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Specialisation, list[Any]]:
        """The specialisation for these arguments, and their leaves."""
        fixed = self.fixed(args, kwargs)
        dynamic = without(fixed, args, kwargs) if fixed else (args, kwargs)
        leaves, tree = pytree.flatten_in_order(dynamic)
        try:
            plain = tuple((i, statics.key(v)) for i, v in fixed.items())
            key = (tree, tuple(_leaf_key(x) for x in leaves), plain, pytree.types_of_keys(tree))
            family = self.made.get(key)
        except TypeError:
            raise TypeError(f"a static argument of `{self.name}` cannot be hashed: {list(fixed.values())!r}") from None
        whole = leaves
        if family is None or family.splits:
            leaves, tree = split(leaves, tree, family is None or family.packs)
        values = [x for x in leaves if not statics.is_static(x)]
        found = family.find(values) if family is not None else None
        if found is None:
            with COMPILING:
                from .specialisation import Family  # with the passes and what stands behind them

                family = self.made.get(key) or Family()
                found = family.find(values)
                if found is None:
                    self.made = {k: f for k, f in self.made.items() if not statics.is_dead(k[1:])}
                    if LOGGER.isEnabledFor(logging.INFO):
                        self._say(key, whole)
                    try:
                        found = self._specialise(leaves, tree, fixed)
                    except errors.LanternError:  # a number in a long list is needed while tracing, say
                        leaves, plain_tree = split(whole, key[0], False)
                        if plain_tree == tree:
                            raise
                        tree, values = plain_tree, [x for x in leaves if not statics.is_static(x)]
                        family = Family(packs=False, gone=[*family.gone, *family])  # the others take arrays
                        found = self._specialise(leaves, tree, fixed)
                    family.add(found)
                    family.splits = tree is not key[0]
                    self.made[key] = family
        assert family is not None
        found.packs = family.packs
        return found, values

    def again(self, bound: Bound, args: tuple[Any, ...], like: tuple[Any, ...]) -> Bound | None:
        """The program that was found for arguments `like` these, whatever has changed outside since then; None if these are of other types
        or sizes."""
        (leaves, tree), (others, same) = (pytree.flatten_in_order((x, {})) for x in (args, like))
        if (tree, pytree.types_of_keys(tree)) != (same, pytree.types_of_keys(same)) or [(_leaf_key(x), np.shape(x)) for x in leaves] != [
            (_leaf_key(x), np.shape(x)) for x in others
        ]:
            return None
        leaves, _ = split(leaves, tree, bound.specialisation.packs)
        return Bound(bound.specialisation, [x for x in leaves if not statics.is_static(x)])

    def _say(self, key: Any, leaves: list[Any]) -> None:
        """Tell the log what is compiled, and why again."""
        names = [spelled(w, self.f) for w in pytree.argument_names(key[0])]
        why = reason(key, self.made, names, leaves, lambda s, need: s.spell(need))
        LOGGER.info("`%s` is compiled for (%s): %s", self.name, ", ".join(shortened(kinds(names, leaves))), why)

    def _specialise(self, leaves: list[Any], tree: Any, fixed: dict[int | str, Any]) -> Specialisation:
        from .specialisation import Specialisation

        where = pytree.argument_names(tree)
        pairs = complexes.pairs_in(tree)
        given = [(x, spelled(w, self.f)) for x, w in zip(leaves, where, strict=True) if not statics.is_static(x)]
        signature = [abstract(x, f"argument `{w}` of `{self.name}`") for x, w in given]
        are_pairs = [i in pairs for i, x in enumerate(leaves) if not statics.is_static(x)]
        signature = [of_pairs(a) if pair else a for a, pair in zip(signature, are_pairs, strict=True)]
        constant = [statics.holder(x) if statics.is_static(x) else None for x in leaves]
        held = {i: statics.holder(x) for i, x in fixed.items()}

        def rebuild(inside: list[Any]) -> tuple[Any, Any]:
            it = map(wrapped, inside, [x for x, _ in given])
            new_args, new_kwargs = tables.opened(pytree.unflatten(tree, [next(it) if c is None else c() for c in constant]))
            args = tuple(held[i]() if i in held else a for i, a in enumerate(new_args))
            return args, {k: held[k]() if k in held else a for k, a in new_kwargs.items()}

        made = Specialisation(self.f, signature, rebuild, self.name, self.options, [x for x, _ in given], [w for _, w in given])
        plain = {w: x for x, w in zip(leaves, where, strict=True) if statics.is_static(x)} | {str(i): x for i, x in fixed.items()}
        made.constants = {spelled(w, self.f): f"{x!r:.40}" for w, x in plain.items()}
        return made


def without(fixed: dict[int | str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with None in the places of those that are compiled in."""
    return tuple(None if i in fixed else a for i, a in enumerate(args)), {k: None if k in fixed else a for k, a in kwargs.items()}


def spelled(where: str, f: Any) -> str:
    """A leaf of the arguments, as pytree.argument_names has it, with a parameter's name for its position."""
    digits = where[: len(where) - len(where.lstrip("0123456789"))]
    if not digits:
        return where
    try:
        parameters = [p.name for p in inspect.signature(f).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        parameters = []
    name = parameters[int(digits)] if int(digits) < len(parameters) else f"argument {digits}"
    return name + where[len(digits) :]


def split(leaves: list[Any], tree: Any, packs: bool = True) -> tuple[list[Any], Any]:
    """The leaves and the structure of arguments, a complex one as the container of its parts, and long lists of numbers as arrays; these very ones where there
    are none."""
    parts = list(map(complexes.split, leaves))
    if not all(map(operator.is_, parts, leaves)):
        leaves, tree = pytree.flatten_in_order(pytree.unflatten(tree, parts))
    packed = tables.packed(leaves, tree) if packs and len(leaves) > tables.MANY else None
    return (leaves, tree) if packed is None else pytree.flatten_in_order(packed)


def _leaf_key(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return FROM_NUMPY.get(x.dtype) or x.dtype, x.ndim, type(x)
    return statics.key(x) if statics.is_static(x) else type(x)
