"""Lists, dicts and dataclasses of the caller's that a compiled function writes into.

A trace works on copies of its arguments' containers. What it has put into them is compared with a second copy when it ends; the new
items are further results of the program, and the caller's containers get them after each call, as in Python:

    def f(d): d["n"] = d["n"] + 1.0        a result more, and then: args[0]["n"] = it

What is put there and was an argument is the caller's own object. Containers whose length changes are refused.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ..core import errors
from .held import attributes

Path = tuple[Any, ...]  # from (args, kwargs) on: indices, keys, names of attributes
_MISSING = object()


@dataclass(frozen=True)
class Put:
    """An item of a container at `path`: the number of a further result, or where the caller's own object is."""

    path: Path
    key: Any
    value: int | Path


@dataclass
class Changed:
    """What a call gives that has put `values` into its arguments' containers."""

    value: Any
    values: Sequence[Any]
    puts: Sequence[Put]
    function: str

    def apply(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function's result, after the caller's containers have been written into."""
        roots = (args, kwargs)
        containers = [id(x) for _, x in _walk(roots, ()) if isinstance(x, (list, dict, deque)) or dataclasses.is_dataclass(x)]
        if len(set(containers)) < len(containers):
            raise errors.UnsupportedOperationError(
                f"`{self.function}` writes into a container that is in its arguments twice: compiled code takes the two for different ones. Give it once"
            )
        found = [(at(roots, p.path), self.values[p.value] if isinstance(p.value, int) else at(roots, p.value)) for p in self.puts]
        for p, (container, value) in zip(self.puts, found, strict=True):
            if isinstance(container, (list, dict, deque)):
                container[p.key] = value
            else:
                setattr(container, p.key, value)
        return self.value


def at(root: Any, path: Path) -> Any:
    """The object at a path."""
    for key in path:
        root = root[key] if isinstance(root, (tuple, list, dict, deque)) else getattr(root, key)
    return root


class Watched:
    """The arguments of a trace, `inside`, and an untouched copy of them."""

    def __init__(self, inside: Any, copy: Any, name: str) -> None:
        self.inside, self.copy, self.name = inside, copy, name
        self.places = {id(x): (path, x) for path, x in _walk(inside, ())}

    def puts(self) -> tuple[list[Put], list[Any]]:
        """What has been put into the containers, and the new values."""
        puts: list[Put] = []
        values: list[Any] = []
        for path, key, new in self._changes(self.copy, self.inside, ()):
            known = self.places.get(id(new))
            if known is None:
                values.append(new)
            puts.append(Put(path, key, len(values) - 1 if known is None else known[0]))
        return puts, values

    def _refuse_length(self, old: Any) -> NoReturn:
        raise errors.UnsupportedOperationError(
            f"`{self.name}` changes the length of a {type(old).__name__} that is, or is in, an argument: return the new one, and let the caller keep it"
        )

    def _changes(self, old: Any, new: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
        held: Any = list.__getitem__(new, 0) if isinstance(new, list) and list.__len__(new) == 1 else None
        if hasattr(type(held), "__lantern_grows__") and held.known is None:
            self._refuse_length(old)
        before, after = items(old), items(new)
        if before is None or after is None:
            return
        if before.keys() - after.keys() or (isinstance(old, (list, deque)) and len(before) != len(after)):
            self._refuse_length(old)
        for key, value in after.items():
            if hasattr(type(value), "as_result"):
                raise errors.UnsupportedOperationError(
                    f"`{self.name}` gives a dict that is, or is in, an argument a key on some paths only: give the dict all of its keys before the call"
                )
            was = before.get(key, _MISSING)
            known = self.places.get(id(value))
            if known is not None and known[0] == (*path, key):
                yield from self._changes(was, value, (*path, key))
            elif was is not value and not (isinstance(was, tuple) and isinstance(value, tuple) and _same(was, value)):
                yield path, key, value


def _same(old: Any, new: Any) -> bool:
    """Are two tuples made of the same objects?"""
    if isinstance(old, tuple) and isinstance(new, tuple):
        return len(old) == len(new) and all(map(_same, old, new))
    return old is new


def items(x: Any) -> dict[Any, Any] | None:
    """The items of a container, None for other objects."""
    if isinstance(x, (list, tuple, deque)):
        return dict(enumerate(x))
    if isinstance(x, dict):
        return dict(x)
    return attributes(x) if dataclasses.is_dataclass(x) and not isinstance(x, type) else None


def _walk(x: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """All objects in a structure, with their paths."""
    if path:
        yield path, x
    for key, value in (items(x) or {}).items():
        yield from _walk(value, (*path, key))
