"""Which programs a call tries in native code.

`Entries` fills the table of a NativeCallable. Other arguments than leaves by position go through a `Nested`: it knows the containers, the keywords and the
configuration of one structure, takes the leaves out of them without a look at what these are, and tries its table, which compares types as for
arguments that are leaves.
"""

from __future__ import annotations

import dataclasses
import operator
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import optree

from ....ir.objects import statics, tables
from ....ir.objects.reads import hold
from ....ir.values.complexes.pairs import floats_of
from ...base import Executable
from ..build.lock import COMPILING
from .callable import NativeCallable

if TYPE_CHECKING:
    from .watch import Watch

Gather = Callable[[Any, list[Any]], bool]  # appends the leaves of an argument, which has to be of a structure: is it?
Fixed = Mapping[int | str, Any]  # arguments that are compiled in, by position or by name
DECLINED: Any = object()


class Entries:
    """Programs of one callable, the newest first, each as long as what its trace has read is so."""

    MOST = 8  # others are found in a dict

    def __init__(self, callable: NativeCallable) -> None:
        self.callable = weakref.ref(callable)  # which this goes with, at once
        self.direct: list[tuple[Any, Watch]] = []
        self.retired: list[Any] = []  # what an older table, which a call under way may still read, names

    def add(self, executable: Executable, reads: list[Any]) -> None:
        """From now on this program is tried first. It comes here again where what it has read has only moved. (Code lives as long as this object
        refers to it.)"""
        from .watch import Watch  # where llvmlite loads

        with COMPILING:  # no lock of its own, which another thread might hold when this one forks
            known = [watch for n, watch in self.direct if n is executable]
            if known:
                known[0].refresh()
                return
            full = len(self.direct) >= self.MOST
            stale = [pair for pair in self.direct if not hold(pair[1].reads)] if full else []
            if full and not stale:
                return
            watch = Watch(reads)
            watch.refresh()
            for gone in stale[-1:]:
                self.direct.remove(gone)
                self.retired.append(gone[0])
                gone[1].release()
            self.direct = [(executable, watch), *self.direct]
            self.start()

    def start(self) -> None:
        self._set([(n.direct, watch.cell) for n, watch in self.direct])

    def stop(self) -> None:
        """Until it starts again, Python is asked first."""
        self._set([])

    def _set(self, entries: list[Any]) -> None:
        callable = self.callable()
        if callable is not None:
            callable.set_entries(entries)


class Nested(NativeCallable):
    """Programs for the leaves of arguments of one structure."""

    def __init__(self, dispatcher: int | None, structure: Structure) -> None:
        super().__init__(dispatcher)
        self.structure, self.entries = structure, Entries(self)

    def tried(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a call; DECLINED where the structure is another, or no program is for such leaves."""
        leaves: list[Any] = []
        return self(*leaves) if self.structure.gather(args, kwargs, leaves) else DECLINED

    def slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return DECLINED


class Structure:
    """Of a call's arguments: containers with their keys, keywords, and what is part of the signature by its value or by what object it is. Where it
    `packs`, long lists of numbers come in as arrays (ir/objects/tables.py)."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], fixed: Fixed, packs: bool) -> None:
        self.keys: list[Any] = []  # of what is part of the signature
        self.packs = packs
        self._n, self._args = len(args), _within([self._of_value(x) if i in fixed else self._of(x) for i, x in enumerate(args)])
        named = [self._of_value(x) if k in fixed else self._of(x) for k, x in kwargs.items()]
        self._kwargs = self._of_dict([*kwargs], named) if named else None

    def gather(self, args: tuple[Any, ...], kwargs: dict[str, Any], out: list[Any]) -> bool:
        """Appends the leaves of arguments that are of this structure: are they?"""
        if len(args) != self._n or not self._args(args, out):
            return False
        return not kwargs if self._kwargs is None else self._kwargs(kwargs, out)

    def finds(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]) -> bool:
        """Are these the leaves that it finds? In the place of one there may be a container of a kind that it does not know, and which no leaf is of."""
        found: list[Any] = []
        return self.gather(args, kwargs, found) and list(map(type, found)) == list(map(type, leaves))

    def is_gone(self) -> bool:
        """Has an object that it asks for been collected?"""
        return any(map(statics.is_dead, self.keys))

    def _of(self, x: Any) -> Gather | None:
        """None of what is taken for a leaf."""
        kind = type(x)
        if kind is dict:
            return self._of_dict([*x], list(map(self._of, x.values())))
        if self.packs and kind in (tuple, list) and len(x) >= tables.LONG and (rows := self._of_rows(kind, x)) is not None:
            return rows
        if kind in (tuple, list) or optree.is_namedtuple_class(kind):
            return self._of_sequence(kind, list(map(self._of, x)))
        if dataclasses.is_dataclass(kind):
            return self._of_fields(kind, [f.name for f in dataclasses.fields(x)], x)
        if isinstance(x, (complex, np.complexfloating)):
            return _parts(kind)
        if isinstance(x, np.ndarray) and x.dtype.kind == "c" and x.ndim:
            return _floats(kind)
        return self._of_value(x) if statics.is_static(x) else None

    def _of_value(self, x: Any) -> Gather:
        key = statics.key(x)
        self.keys.append(key)
        if isinstance(x, str):
            return lambda y, out: y is x or (type(y) is type(x) and y == x)
        if isinstance(key, statics.Identity):
            return lambda y, out: key.is_of(y)
        return lambda y, out: statics.key(y) == key

    def _of_dict(self, keys: list[Any], inside: list[Gather | None]) -> Gather:
        types, n, within = list(map(type, keys)), len(keys), _within(inside)

        def are_equal(x: dict[Any, Any]) -> bool:
            """1 and True are other keys: a program sees their types."""
            return list(map(type, x)) == types and list(x) == keys

        def gather(x: Any, out: list[Any]) -> bool:
            return type(x) is dict and len(x) == n and (all(map(operator.is_, x, keys)) or are_equal(x)) and within(x.values(), out)

        return gather

    def _of_sequence(self, kind: type[Any], inside: list[Gather | None]) -> Gather:
        n, within = len(inside), _within(inside)
        return lambda x, out: type(x) is kind and len(x) == n and within(x, out)

    def _of_rows(self, kind: type[Any], x: Any) -> Gather | None:
        """Of many items like the first one, which hold numbers of the same types."""
        numbers: list[Any] = []
        n, first = len(x), self._of(x[0])
        if not (first or _take)(x[0], numbers) or not numbers:
            return None
        m, within = len(numbers), _within([first] * n)

        def gather(x: Any, out: list[Any]) -> bool:
            found: list[Any] = []
            if type(x) is not kind or len(x) != n or not within(x, found) or len(found) != m * n:
                return False
            columns = [tables.array(found[j::m], type(number)) for j, number in enumerate(numbers)]
            out += columns
            return all(c is not None for c in columns)

        return gather if gather(x, []) else None

    def _of_fields(self, kind: type[Any], names: list[str], x: Any) -> Gather:
        inside = [self._of(getattr(x, name)) for name in names]
        if not inside:
            return lambda x, out: type(x) is kind
        get, within, one = operator.attrgetter(*names), _within(inside), len(names) == 1
        return lambda x, out: type(x) is kind and within((get(x),) if one else get(x), out)


def _take(x: Any, out: list[Any]) -> bool:
    out.append(x)
    return True


def _parts(kind: type[Any]) -> Gather:
    def gather(x: Any, out: list[Any]) -> bool:
        if type(x) is not kind:
            return False
        out += (x.real, x.imag)
        return True

    return gather


def _floats(kind: type[Any]) -> Gather:
    def gather(x: Any, out: list[Any]) -> bool:
        if type(x) is not kind or x.dtype.kind != "c" or not x.ndim:
            return False
        out.append(floats_of(x))
        return True

    return gather


def _within(inside: list[Gather | None]) -> Gather:
    """Of children, of which each is a leaf or of a structure."""
    if not any(inside):

        def all_leaves(children: Any, out: list[Any]) -> bool:
            out += children
            return True

        return all_leaves

    def gather(children: Any, out: list[Any]) -> bool:
        for child, of in zip(children, inside, strict=True):
            if of is None:
                out.append(child)
            elif not of(child, out):
                return False
        return True

    return gather
