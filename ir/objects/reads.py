"""What a trace has read outside of itself, and whether it is still so.

A compiled program is right as long as all of its reads (`places.py`) hold: globals, variables of enclosing functions, functions' code
and defaults, attributes of objects and of their classes, items and contents of containers, the elements of arrays that NumPy has worked
with while tracing. The places that the trace has written, and the objects that it has made, are no reads.

Not noted are: attributes of modules that are no user's code, builtins, what code that is not rewritten reads, and what an
object of a type written in C keeps inside, but for containers.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.builder import current_trace, keep
from ..core.types import NUMPY_DTYPES
from ..syntax.rewrite import NOT_USER_CODE, raw_of
from ..values.arrays import lift_array
from ..values.concrete import is_own, own, place
from ..values.kernels import copied
from .heap import Heap
from .held import CONTAINERS, MISSING
from .names import global_names
from .places import Attribute, Cell, Contents, Elements, Field, Inherited, Item, Kind, Read, inherited

_EAGER = 64  # items: a list as short is noted whole when it is found, whatever is done with it
_HEAP_TYPE = 1 << 9  # of a class's flags: made by a class statement, its attributes can change


class Reads:
    """The reads of one trace."""

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self.found: dict[Any, Read] = {}
        self.functions: set[int] = set()
        self.fresh: dict[int, tuple[Any, list[Any], Any]] = {}  # arrays that the trace has made, under what, and where
        self.alive: list[Any] = []  # as long as their ids name them

    def add(self, kind: type[Read], holder: Any, name: Any = None) -> None:
        """Note a place, unless the trace has made or written what is in it."""
        key = kind, id(holder), name
        if key not in self.found and not self.heap.birth(holder) and not self.is_written(holder, name):
            self.alive.append(holder)
            read = self.found[key] = kind(holder, name)
            self.list_found(read.value)

    def is_written(self, holder: Any, name: Any) -> bool:
        places = self.heap.places
        return bool(places) and ((id(holder), name) in places or (id(holder), None) in places)

    def list_found(self, x: Any) -> None:
        if isinstance(x, list) and len(x) <= _EAGER:
            self.contents(x)

    # ---- functions
    def function(self, f: Any) -> None:
        """A user's function is called: its code, and all the globals and variables that this names. Of this library's own nothing is noted."""
        if isinstance(f, types.MethodType):
            self.method(f.__func__, f.__self__)
        f = getattr(f, "__func__", f)
        if id(f) in self.functions or not isinstance(f, types.FunctionType) or raw_of(f) is not None or not is_users(f.__module__ or ""):
            return
        self.functions.add(id(f))
        self.add(Field, f, "__code__")
        if f.__defaults__:
            self.add(Field, f, "__defaults__")
            for x in f.__defaults__:
                self.list_found(x)
        if f.__kwdefaults__:
            self.add(Field, f, "__kwdefaults__")
            for name in f.__kwdefaults__:
                self.add(Item, f.__kwdefaults__, name)
        for name in global_names(f.__code__):
            self.add(Item, f.__globals__, name)
        for cell in f.__closure__ or ():
            self.add(Cell, cell, "")

    def method(self, f: Any, obj: Any) -> None:
        """A function is called as a method of `obj`, whoever has looked it up: an operator, `with`, super(). Where it stands in the class."""
        cls = obj if isinstance(obj, type) else type(obj)
        name, bases = getattr(f, "__name__", ""), cls.__mro__[:-1] if is_users(cls.__module__ or "") else ()
        place = next((i for i, b in enumerate(bases) if getattr(found := b.__dict__.get(name), "__func__", found) is f), None)
        if place is not None:  # else it is no attribute of the class, or one of another name
            self.kind(obj)
            for base in bases[: place + 1]:
                self.add(Inherited, base, name)

    def kind(self, obj: Any) -> None:
        """The class of `obj` is asked for: that of a user's object can be changed."""
        cls = type(obj)
        if cls.__flags__ & _HEAP_TYPE and is_users(cls.__module__ or "") and not isinstance(obj, type):
            self.add(Kind, obj)

    # ---- attributes
    def attribute(self, obj: Any, name: str) -> Any:
        """obj.name is about to be read. What a user's class has under that name."""
        cls = type(obj)
        if cls is types.ModuleType:
            if is_users(obj.__name__):
                self.add(Item, obj.__dict__, name)
        elif isinstance(obj, type):
            if obj.__flags__ & _HEAP_TYPE and is_users(obj.__module__ or ""):
                self.add(Inherited, obj, name)
        elif cls is types.FunctionType:
            self.add(Attribute, obj, name)
        elif is_users(cls.__module__ or ""):
            found = inherited(cls, name)
            self.kind(obj)
            if cls.__flags__ & _HEAP_TYPE:
                self.add(Inherited, cls, name)
            if isinstance(found, types.MemberDescriptorType) or (hasattr(obj, "__dict__") and not hasattr(type(found), "__set__")):
                self.add(Attribute, obj, name)
            return found
        return MISSING

    # ---- containers, arrays
    def item(self, obj: Any, key: Any) -> None:
        """obj[key] is about to be read."""
        if isinstance(obj, dict) and isinstance(key, (str, int, tuple)):
            self.add(Item, obj, key)
        else:
            self.contents(obj)

    def contents(self, x: Any) -> None:
        """Code that is not rewritten is about to look at all that `x` holds."""
        if isinstance(x, CONTAINERS) and not hasattr(type(x), "__lantern_queue__"):  # one of the program
            if (Contents, id(x), None) not in self.found and not self.heap.birth(x):
                self.add(Contents, x)
                self.every(dict.values(x) if isinstance(x, dict) else x)
        elif isinstance(x, tuple):
            self.every(x)

    def every(self, items: Iterable[Any]) -> None:
        for x in items:
            self.contents(x)

    def array(self, x: Any) -> None:
        """NumPy is about to look at the elements of an array, which then are constants; unless the trace has made it."""
        if not isinstance(x, np.ndarray) or not x.size or id(_root(x)) in self.fresh:
            return
        face = x.__array_interface__
        key = Elements, face["data"][0], (x.shape, x.strides, x.dtype)
        if key not in self.found:
            self.alive.append(x)
            self.found[key] = Elements(x, None)

    def element(self, x: Any, index: Any) -> None:
        """x[index] is about to be read, where the index is plain."""
        if type(index) is int or (type(index) is tuple and all(type(i) is int for i in index)):
            try:
                self.array(x[(*index, ...) if type(index) is tuple else (index, ...)])
            except IndexError:
                return
        elif not _is_basic(index):
            self.array(x)
            self.arrays(index if isinstance(index, tuple) else (index,))

    def arrays(self, items: Iterable[Any]) -> None:
        for x in list.__iter__(items) if isinstance(items, list) else items:  # one that grows holds buffers of the program's own
            if isinstance(x, np.ndarray):
                self.array(x)
            elif isinstance(x, (list, tuple)):
                self.arrays(x)

    def made_array(self, x: Any, names: int = 0) -> Any:
        """An array that NumPy has made while tracing is no read, if nobody else refers to it. `names`: of callers, for it."""
        if isinstance(x, np.ndarray):
            root = _root(x)
            mine = names + _ON_STACKS * (names + 1) + 2  # a name here, and the argument of getrefcount
            if root.base is None and sys.getrefcount(x) <= mine + (root is x) and (root is x or sys.getrefcount(root) <= 3):
                if is_own(here := place()) and x.ndim and x.dtype.kind in "biufc":
                    return copied(lift_array(x))
                self.fresh[id(root)] = root, _around(), here
        return x

    def made_here(self, x: Any) -> bool:
        """Has the trace made this array of constants, and that under all conditions and in all loops that it is in now, and has the program
        not read it yet?"""
        root, around, _ = self.fresh.get(id(_root(x)), (None, [], None))
        if root is None or any(_root(v) is root for v in current_trace().captured):  # type: ignore[union-attr]
            return False
        return all(any(f is g for g in around) for f in _around())

    def result(self, x: Any) -> Any:
        """A result of the program: an array of constants that the trace has made is another one in each call."""
        mine = isinstance(x, np.ndarray) and id(_root(x)) in self.fresh and x.ndim > 0 and x.dtype in NUMPY_DTYPES.values()
        return copied(lift_array(x)) if mine else x

    def wanted(self, x: Any) -> None:
        """The program is to write into this array of constants. If the trace has made it, it can be made the program's own."""
        if id(_root(x)) in self.fresh:
            own(self.fresh[id(_root(x))][2])

    # ---- the end
    def settle(self) -> list[Read]:
        """All reads. A lazy cache that the trace has filled holds from now on what it holds now."""
        for cache in self.heap.cached:
            for kind in (Attribute, Item, Cell):
                read = self.found.get((kind, id(cache.holder), cache.key))
                if read is not None:
                    read.value = read.now()
        out = [r for r in self.found.values() if not self.heap.birth(r.holder)]
        self.alive, self.found, self.fresh = [], {}, {}
        return out


_ON_STACKS = sys.version_info < (3, 11)  # does a caller keep what it gives a function?


def _around() -> list[Any]:
    """The functions, staged loops and traced conditions that are traced now."""
    trace = current_trace()
    builders = trace.builders if trace is not None else ()
    return [f for b in builders for f in (b, *(f for f in b.frames if f.kind in ("condition", "staged")))]


def _root(x: Any) -> Any:
    """The array whose memory it is."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def _is_basic(index: Any) -> bool:
    """Does it give a view? What that says is looked at when it is used."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(i, (int, slice, np.integer, type(None), type(Ellipsis))) for i in parts)


@functools.lru_cache(maxsize=4096)
def is_users(module: str) -> bool:
    """Is a module a user's, so that what it and its classes have may change?"""
    first = module.split(".")[0]
    return first not in NOT_USER_CODE and first not in sys.builtin_module_names and first != __name__.split(".")[0]


def hold(reads: Iterable[Read]) -> bool:
    """Is all that a trace has read still so?"""
    return all(r.holds() for r in reads)


keep("reads", lambda trace: Reads(trace.heap))  # what has been found outside
