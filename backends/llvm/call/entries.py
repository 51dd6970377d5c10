"""Which programs a call tries in native code.

`Entries` fills the table of a NativeCallable. Arguments in tuples, lists and dicts go through a `Nested`: it knows the containers of one structure,
takes the leaves out of them without a look at what these are, and tries its table, which compares types as for arguments that are leaves.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ....ir.objects.reads import hold
from ...base import Executable
from ..build.lock import COMPILING
from .callable import NativeCallable

if TYPE_CHECKING:
    from .watch import Watch

Gather = Callable[[Any, list[Any]], bool]  # appends the leaves of a container, which has to be of a structure: is it?
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
    """Programs for the leaves of arguments in containers of one structure."""

    def __init__(self, dispatcher: int | None, gather: Gather) -> None:
        super().__init__(dispatcher)
        self.gather, self.entries = gather, Entries(self)

    def tried(self, args: tuple[Any, ...]) -> Any:
        """The result of a call; DECLINED where the structure is another, or no program is for such leaves."""
        leaves: list[Any] = []
        return self(*leaves) if self.gather(args, leaves) else DECLINED

    def is_for(self, args: tuple[Any, ...], leaves: list[Any]) -> bool:
        return finds(self.gather, args, leaves)

    def slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return DECLINED


def finds(gather: Gather, args: tuple[Any, ...], leaves: list[Any]) -> bool:
    """Are these the leaves that it finds? In the place of one there may be a container, which is none."""
    found: list[Any] = []
    return gather(args, found) and list(map(id, found)) == list(map(id, leaves))


def gatherer(args: tuple[Any, ...], leaves: list[Any]) -> Gather | None:
    """What finds the leaves of arguments with the structure of these; None where there are others in it than tuples, lists and dicts."""
    gather = _gather(args)
    return gather if gather is not None and finds(gather, args, leaves) else None


def _gather(x: Any) -> Gather | None:
    """Of a container; None of what is a leaf, or holds what is none."""
    if type(x) is dict:
        return _of_dict([*x], [_gather(v) for v in x.values()])
    return _of_sequence(type(x), len(x), [_gather(v) for v in x]) if type(x) in (tuple, list) else None


def _of_dict(keys: list[Any], inside: list[Gather | None]) -> Gather:
    types, n = list(map(type, keys)), len(keys)

    def are_equal(x: dict[Any, Any]) -> bool:
        """1 and True are other keys: a program sees their types."""
        return list(map(type, x)) == types and list(x) == keys

    def gather(x: Any, out: list[Any]) -> bool:
        return type(x) is dict and len(x) == n and (all(map(operator.is_, x, keys)) or are_equal(x)) and within(x.values(), out)

    within = _within(inside)
    return gather


def _of_sequence(kind: type[Any], n: int, inside: list[Gather | None]) -> Gather:
    def gather(x: Any, out: list[Any]) -> bool:
        return type(x) is kind and len(x) == n and within(x, out)

    within = _within(inside)
    return gather


def _within(inside: list[Gather | None]) -> Gather:
    """Of children, of which each is a leaf or a container."""
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
