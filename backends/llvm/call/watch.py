"""What a trace has read, as words of memory that show a change.

A read becomes pairs (address, the 8 bytes that were there), which the dispatcher (runtime/calls.ll) compares before it enters a
program. They are in order: a later address is one of memory that exists as long as the earlier words are as they were. A table
of a dict's keys, say, is only looked into where the dict still has that table, and there the key is compared as well, so that
another table at the same place cannot deceive. A word that has changed proves nothing: the call goes to Python, which compares
values and, where only a table has moved, notes the new words. No version of a whole dict is looked at: any assignment to any
global would change it.

The layouts are those of CPython 3.10 to 3.13 on 64 bits with its global lock; `known` makes a trial of each kind of
read once. Where that fails, every call with reads is checked in Python.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import sysconfig
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ....ir.objects.held import MISSING
from ....ir.objects.places import Attribute, Cell, Contents, Elements, Field, Inherited, Item, Kind, Read, inherited
from ..runtime.layout import HEADER
from .process import runtime

Words = list[tuple[int, int]]

VERSION = sys.version_info[:2]
_USED, _KEYS, _VALUES = HEADER, HEADER + 16, HEADER + 24  # of a dict
_USABLE, _ENTRIES, _INDICES = (24, 32, 40) if VERSION == (3, 10) else (16, 24, 32)  # of a table of keys
_FIRST_VALUE = 8 if VERSION >= (3, 13) else 0  # of the values of a dict whose keys are shared
_MANAGED_DICT, _DICT = 1 << 4, -24  # a flag of classes since 3.11, and where their instances then have their dict
_VERSION_TAG = 384  # of a class
_SIZE, _ITEMS = HEADER, HEADER + 8  # of a list
_OF_SET = tuple(range(HEADER, HEADER + 32, 8))  # how many places were taken, how many are, their mask, the table of (key, hash)
_DESCRIBED, _OFFSET = HEADER + 24, 16  # of a slot's descriptor, and of what describes it
_MOST = 4096  # words: what has read more is checked in Python


class Moved(Exception):
    """Another thread has changed what was looked at."""


def word(address: int) -> int:
    """8 bytes of an object that is alive."""
    return ctypes.c_uint64.from_address(address).value


@functools.cache
def _native_read() -> Any:
    """It keeps the lock: between the comparison of words and the copy of what they lead to nothing happens."""
    p = ctypes.c_void_p
    return ctypes.PYFUNCTYPE(ctypes.c_int64, p, p, ctypes.c_int64, p)(runtime().loaded.address("lantern_read"))


def read(words: Words, address: int, n: int) -> list[int]:
    """n words of memory that exists as long as `words` are as they were; raises Moved where they are not."""
    out = (ctypes.c_uint64 * n)()
    if not _native_read()(table_of(words), address, 8 * n, out):
        raise Moved
    return list(out)


def table_of(words: Words) -> Any:
    return (ctypes.c_uint64 * (2 * len(words) + 1))(*(x for pair in words for x in pair), 0)


class Table:
    """The keys of a dict, where they lie."""

    def __init__(self, d: Any) -> None:
        self.d, self.keys, self.values = id(d), word(id(d) + _KEYS), word(id(d) + _VALUES)
        here = [(self.d + _KEYS, self.keys)]
        head = read(here, self.keys, 5)
        if VERSION == (3, 10):
            size = head[1]
            indices, general = size * (1 if size <= 0xFF else 2 if size <= 0xFFFF else 4), True
        else:
            indices, general = 1 << (head[1] >> 8 & 0xFF), head[1] >> 16 & 0xFF == 0
        self.step, self.key_at = (24, 8) if general else (16, 0)
        self.start = self.keys + _INDICES + indices
        n, self.usable = head[_ENTRIES // 8], head[_USABLE // 8]
        found = read([*here, (self.keys + 8, head[1])], self.start, n * self.step // 8)
        self.places = {key: i for i, key in enumerate(found[self.key_at // 8 :: self.step // 8]) if key}
        self.found = found[self.key_at // 8 + 1 :: self.step // 8]
        self.head = here
        if self.values:
            self.head = [*here, (self.d + _VALUES, self.values)]
            self.found = read(self.head, self.values + _FIRST_VALUE, n)

    def absent(self) -> Words:
        """Nothing has come into the table: each new entry takes one of those that it has left."""
        return [*self.head, (self.keys + _USABLE, self.usable)]

    def entry(self, key: Any) -> Words:
        i = self.places[id(key)]
        at = self.start + i * self.step + self.key_at
        value = self.values + _FIRST_VALUE + 8 * i if self.values else at + 8
        return [*self.head, (at, id(key)), (value, self.found[i])]


def item_words(d: Any, name: Any) -> Words:
    table = Table(d)
    if name in d:
        return table.entry(name if id(name) in table.places else next(k for k in d if k == name))
    same = [k for k in table.places if k == id(name)] if table.values else []
    return table.entry(name) if same else table.absent()


def contents_words(x: Any) -> Words | None:
    if len(x) > _MOST:
        return None
    if isinstance(x, list):
        head = [(id(x) + _SIZE, word(id(x) + _SIZE)), (id(x) + _ITEMS, word(id(x) + _ITEMS))]
        (_, n), (_, items) = head
        return [*head, *((items + 8 * i, value) for i, value in enumerate(read(head, items, n)))]
    if isinstance(x, set):
        head = [(id(x) + at, word(id(x) + at)) for at in _OF_SET]
        (_, mask), (_, keys) = head[-2:]
        return [*head, *((keys + 8 * i, value) for i, value in enumerate(read(head, keys, 2 * (mask + 1))))]
    if not isinstance(x, dict):
        return None  # a deque's blocks
    table = Table(x)
    return [(id(x) + _USED, len(x)), *table.absent(), *(w for key in x for w in table.entry(key))]


def elements_words(a: Any) -> Words | None:
    """The words that the elements lie in, which may hold other bytes, too."""
    if a.dtype.hasobject or a.nbytes > 8 * _MOST:
        return None
    at = np.array(a.__array_interface__["data"][0])
    for n, stride in zip(a.shape, a.strides, strict=True):
        at = np.add.outer(at, stride * np.arange(n))
    found = np.add.outer(at, [*range(0, a.itemsize, 8), a.itemsize - 1])
    return [(p, word(p)) for p in np.unique(found // 8 * 8).tolist()]


def attribute_words(obj: Any, name: str) -> Words | None:
    slot = inherited(type(obj), name)
    if isinstance(slot, types.MemberDescriptorType):
        at = id(obj) + word(word(id(slot) + _DESCRIBED) + _OFFSET)
        return [(at, word(at))]
    own, offset = getattr(obj, "__dict__", None), type(obj).__dictoffset__
    if type(own) is not dict:
        return None
    at = _DICT if VERSION > (3, 10) and type(obj).__flags__ & _MANAGED_DICT else offset
    if (at != _DICT and at < HEADER) or word(id(obj) + at) != id(own):
        return None
    return [(id(obj) + at, id(own)), *item_words(own, name)]


def class_words(cls: type, name: str) -> Words | None:
    """A class has a number, which is another after any change of it or its bases."""
    getattr(cls, name, None)  # a class that has been changed gets its new number when something is looked up
    tag = word(id(cls) + _VERSION_TAG)
    return [(id(cls) + _VERSION_TAG, tag)] if tag & 0xFFFFFFFF else None


def field_words(f: Any, name: str) -> Words | None:
    at = _fields().get(name)
    return [(id(f) + at, id(getattr(f, name)))] if at is not None and word(id(f) + at) == id(getattr(f, name)) else None


@functools.cache
def _fields() -> dict[str, int]:
    """Where functions keep what they are made of: found in two that differ in it."""

    def one(x: Any = 1.5, *, y: Any = 2.5) -> Any:
        return x, y

    def other(x: Any = 3.5, *, y: Any = 4.5) -> Any:
        return y, x

    found = {}
    for name in ("__code__", "__defaults__", "__kwdefaults__"):
        ends = range(HEADER, types.FunctionType.__basicsize__, 8)
        places = [{at for at in ends if word(id(f) + at) == id(getattr(f, name))} for f in (one, other)]
        if len(places[0] & places[1]) == 1:
            found[name] = next(iter(places[0] & places[1]))
    return found


def _item(r: Read) -> Words:
    """The dict's own key object is compared: it is kept alive, by being the read's."""
    own = sys.intern(r.name) if type(r.name) is str else r.name
    if r.name in r.holder and id(own) not in Table(r.holder).places:
        own = next(k for k in dict.keys(r.holder) if k == r.name)
    r.name = own
    return item_words(r.holder, own)


_WORDS: dict[type[Read], Callable[[Any], Words | None]] = {
    Item: _item,
    Cell: lambda r: [(id(r.holder) + HEADER, 0 if r.value is MISSING else id(r.value))],
    Field: lambda r: field_words(r.holder, r.name),
    Attribute: lambda r: attribute_words(r.holder, r.name),
    Inherited: lambda r: class_words(r.holder, r.name),
    Kind: lambda r: [(id(r.holder) + HEADER - 8, id(r.value))],
    Contents: lambda r: contents_words(r.holder),
    Elements: lambda r: elements_words(r.holder),
}


def words_of(reads: Iterable[Read]) -> Words | None:
    """The words of these reads, which hold; None where they cannot be told."""
    found: dict[tuple[int, int], None] = {}
    for r in reads:
        try:
            new = _WORDS[type(r)](r)
        except (Moved, KeyError, StopIteration):
            return None
        if new is None or not r.holds():
            return None
        found.update(dict.fromkeys(new))
        if len(found) > _MOST:
            return None
    return list(found)


class Watch:
    """The words of one program's reads, for the dispatcher: `cell` is the address of a pointer to them, ended by a zero."""

    def __init__(self, reads: list[Read]) -> None:
        end = functools.partial(_end, weakref.ref(self))
        self.reads, self.kept = reads, [r.kept(end) for r in reads]  # memory that words are of stays, or is no longer looked at
        self.tries = self.calls = 0  # that did not find the words; calls since
        self._cell = ctypes.c_void_p()
        self.cell = ctypes.addressof(self._cell)
        self.words: Words = []
        self.never()

    def _point(self, words: Words) -> None:
        table = table_of(words)
        self._cell.value, self._table = ctypes.addressof(table), table  # a thread in the dispatcher has the lock while it reads one

    def is_intact(self) -> bool:
        try:
            read(self.words, ctypes.addressof(_ZERO), 1)
        except Moved:
            return False
        return self._cell.value == ctypes.addressof(self._table) and len(self._table) > 2 * len(self.words)

    def never(self) -> None:
        """From now on no call gets through."""
        self._point([(ctypes.addressof(_ZERO), 1)])

    def release(self) -> None:
        """For good: nothing that was read need stay alive."""
        self.never()
        self.reads, self.kept, self.words = [], [], []

    def refresh(self) -> bool:
        """Note what is there now, for reads that hold. False where it cannot be watched, which is tried again after ever more calls."""
        if self.words and self.is_intact():
            return True
        self.calls += 1
        if self.calls < 1 << self.tries:
            return False
        words = words_of(self.reads) if not self.reads or known() else None
        self.tries, self.calls = (self.tries + 1 if words is None else 0), 0
        self.words = words or []
        if words is None:
            self.never()
        else:
            self._point(words)
        return words is not None


def _end(watch: weakref.ref[Watch], gone: Any) -> None:
    """An instance that was read is gone, and so are all programs that have read it."""
    if (w := watch()) is not None:
        w.never()


_ZERO = ctypes.c_uint64()


def _intact(words: Words) -> bool:
    return all(word(at) == value for at, value in words)


class _Trial:
    """Reads of each kind are made, and what they saw is changed."""

    common = 1.5

    def __init__(self) -> None:
        self.own, self.other = 1.5, 2.5


class _Slotted:
    __slots__ = ("own", "rest")
    own: float


def _trial() -> bool:
    """Does each kind of read show its change, and no other?"""
    if sys.implementation.name != "cpython" or not (3, 10) <= VERSION <= (3, 13) or sys.maxsize < 2**62:
        return False
    if sysconfig.get_config_var("Py_GIL_DISABLED") or HEADER != 16:
        return False
    general: dict[Any, Any] = {1: 1.5, "a": 2.5, (2, 3): 3.5}
    names = {f"name{i}": i + 0.5 for i in range(300)}
    del names["name7"]
    x, y, s, items = _Trial(), _Trial(), _Slotted(), [1.5, 2.5]
    s.own, members = 1.5, {1.5, 2.5}

    def f(a: Any = 1.5, *, b: Any = 2.5) -> Any:
        return x, a, b

    def g(a: Any = 1.5, *, b: Any = 3.5) -> Any:
        return a

    cell = (f.__closure__ or ())[0]
    trials: list[tuple[Read, Callable[[], Any], Callable[[], Any]]] = [
        (Item(general, "a"), lambda: general.update({1: 4.5}), lambda: general.update(a=9.5)),
        (Item(general, 1), lambda: general.update(a=4.5), lambda: general.update({1: 9.5})),
        (Item(general, "b"), lambda: general.update(a=5.5), lambda: general.update(b=9.5)),
        (Item(names, "name9"), lambda: names.update(name8=0.0), lambda: names.update(name9=0.0)),
        (Item(names, "name10"), lambda: names.update(name8=1.0), lambda: names.pop("name10")),
        (Item(names, "none"), lambda: names.update(name8=2.0), lambda: names.update(none=0.0)),
        (Attribute(x, "own"), lambda: setattr(x, "other", 3.5), lambda: setattr(x, "own", 3.5)),
        (Attribute(x, "own"), lambda: setattr(y, "own", 4.5), lambda: setattr(x, "__dict__", {"own": 3.5})),
        (Attribute(y, "common"), lambda: setattr(y, "own", 5.5), lambda: setattr(y, "common", 2.5)),
        (Attribute(s, "own"), lambda: setattr(s, "rest", 3.5), lambda: setattr(s, "own", 3.5)),
        (Inherited(_Trial, "common"), lambda: setattr(x, "own", 6.5), lambda: setattr(_Trial, "common", 2.5)),
        (Cell(cell, ""), lambda: f(), lambda: setattr(cell, "cell_contents", 2.5)),
        (Field(f, "__code__"), lambda: setattr(f, "__defaults__", (3.5,)), lambda: _recode(f, cell)),
        (Field(f, "__defaults__"), lambda: setattr(f, "__kwdefaults__", {"b": 4.5}), lambda: setattr(f, "__defaults__", (4.5,))),
        (Field(g, "__kwdefaults__"), lambda: setattr(g, "__defaults__", (4.5,)), lambda: setattr(g, "__kwdefaults__", {"b": 9.5})),
        (Contents(items, None), lambda: len(items), lambda: items.append(3.5)),
        (Contents(items, None), lambda: len(items), lambda: items.__setitem__(0, 3.5)),
        (Contents(general, None), lambda: len(general), lambda: general.pop("a")),
        (Contents(members, None), lambda: len(members), lambda: members.symmetric_difference_update({1.5, 3.5})),
        (Kind(y, None), lambda: setattr(y, "own", 7.5), lambda: setattr(y, "__class__", type("Sub", (_Trial,), {}))),
    ]
    for read, others, change in trials:
        words = _WORDS[type(read)](read)
        if not words or not _intact(words):
            return False
        others()
        if not _intact(words):
            return False
        change()
        if _intact(words):
            return False
    return True


def _recode(f: Any, cell: Any) -> None:
    def another(a: Any, *, b: Any) -> Any:
        return a, b, cell

    f.__code__ = another.__code__


@functools.cache
def known() -> bool:
    """Are the layouts as they are taken to be?"""
    try:
        return _trial()
    except Exception:  # whatever it is: they are others
        return False
