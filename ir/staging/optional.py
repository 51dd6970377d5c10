"""Values that may not be there: None on one path and a value on another, or a variable that a loop assigns if it runs at all.

A `Maybe` is a value and whether it is there. `x is None` asks that; whatever else is done with it needs the value, and raises
what Python raises where there is none.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.builder import current_builder
from ..core.graph import Const
from ..core.op import literal
from ..core.port import Port
from ..core.sites import unsupported
from ..core.types import BOOL, element
from ..objects.choice import Candidates, Choice, among, birth, candidates_of, is_choice, is_chosen, one_of, resolved, union
from ..objects.structure import closed, opened
from ..ops import table
from ..values import pytree
from ..values.arrays import allocate
from ..values.kernels import copied
from ..values.scalars import logical_not, truth
from ..values.values import Arrayed, Traced, call, constant, is_traced
from .growing import _heap, described, growing
from .items.members import plain_result
from .kinds import LEAF, Kind, Skeleton, all_candidates, blank, filled, optional
from .leaves import Undefined
from .lists import List
from .paths import require
from .stores import setattr_

Form = tuple[Any, Skeleton, tuple[Kind, ...]]  # what is there otherwise (NOTHING or a variable's name), and the structure of the value
NOTHING = None


and_ = Port("stages `and`")


@optional.define
def _class() -> type:
    return Maybe


class Maybe:
    """`value` where `there`; else None, or (`name` given) a variable that is not assigned."""

    __lantern_leaf__ = True

    def __init__(self, there: Any, value: Any, name: str | None) -> None:
        object.__setattr__(self, "_state", (there, value, name))

    def __repr__(self) -> str:
        _, value, name = object.__getattribute__(self, "_state")
        return f"{value!r} or {'nothing' if name else 'None'}"

    def __lantern_truth__(self) -> Any:
        there, value, name = object.__getattribute__(self, "_state")
        if name is not None:
            return truth(needed(self))
        return and_(there, lambda: truth(value))

    def __lantern_among__(self) -> tuple[Any, ...]:
        return (value_of(self),)

    def __lantern_needed__(self) -> Any:
        return needed(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__lantern"):
            raise AttributeError(name)
        return getattr(holder(self, name), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr_(value, needed(self), name)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*map(needed, inputs), **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return func(*map(needed, args), **kwargs)

    def __eq__(self, other: Any) -> Any:
        if other is not None and any(isinstance(_state(x)[1], (Arrayed, np.ndarray)) for x in (self, other)):
            return call(operator.eq, needed(self), needed(other))
        return _alike(self, other, functools.partial(call, operator.eq))

    def __ne__(self, other: Any) -> Any:
        same = self == other
        return np.logical_not(same) if is_traced(same) else not same

    __hash__ = None  # type: ignore[assignment]


def _forward(name: str, reflected: bool = False) -> Any:
    fn = getattr(operator, name)

    def method(self: Maybe, *others: Any) -> Any:
        mine, rest = needed(self), [needed(x) for x in others]
        return fn(*rest, mine) if reflected else fn(mine, *rest)

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift"):
    setattr(Maybe, f"__{_name}__", _forward(_name))
    setattr(Maybe, f"__r{_name}__", _forward(_name, True))
for _name, _of in (("and", "and_"), ("or", "or_"), ("xor", "xor")):
    setattr(Maybe, f"__{_name}__", _forward(_of))
    setattr(Maybe, f"__r{_name}__", _forward(_of, True))
for _name in ("lt", "le", "gt", "ge", "neg", "pos", "invert", "abs", "getitem", "setitem"):
    setattr(Maybe, f"__{_name}__", _forward(_name))
for _name, _python in {"iter": iter, "len": len, "float": float, "int": int, "index": operator.index, "bool": bool, "next": next}.items():
    setattr(Maybe, f"__{_name}__", lambda self, _python=_python: _python(needed(self)))
Maybe.__call__ = lambda self, *args, **kwargs: needed(self)(*args, **kwargs)  # type: ignore[method-assign]


def needed(x: Any, what: Exception | None = None) -> Any:
    """The value; where there is none the compiled program fails here, with `what` where it is None that is there."""
    if type(x) is not Maybe:
        return x
    there, value, name = object.__getattribute__(x, "_state")
    error = what if name is None and what is not None else _failure(name)
    if not isinstance(there, Traced):
        if there:
            return value
        raise error
    require(there, error)
    return value


def holder(x: Any, name: str) -> Any:
    """The value, of which an attribute is asked for."""
    return x if type(x) is not Maybe else needed(x, AttributeError(f"'NoneType' object has no attribute '{name}'"))


def _failure(name: str | None) -> Exception:
    if name is None:
        return TypeError("unsupported operation on None, where a value was expected")
    return UnboundLocalError(f"cannot access local variable '{name}' where it is not associated with a value")


def unassigned(m: Maybe) -> str | None:
    """The name of the variable that is not assigned where there is no value."""
    return object.__getattribute__(m, "_state")[2]  # type: ignore[no-any-return]


def is_(x: Any, y: Any) -> Any:
    """x is y"""
    for a, b in ((x, y), (y, x)):
        if isinstance(a, Undefined):
            a._raise()
        if type(a) is Maybe:
            return _alike(a, b, is_)
        if is_choice(a):
            return is_chosen(a, b)
        if isinstance(a, Traced) and isinstance(b, bool):  # there is one True and one False
            return False if not a.weak or a.type != BOOL else a if b else logical_not(a)
    return x is y or told_apart(x, y)


def told_apart(x: Any, *others: Any) -> bool:
    """False: x is none of the others. Refused where it cannot be known, as both have come to stand for several objects."""
    heap = _heap()
    if heap is not None and id(x) in heap.sealed and any(y is not x and type(y) is type(x) and id(y) in heap.sealed for y in others):
        unsupported(
            f"which {type(x).__name__} it is that a traced condition or a loop has chosen,", "give each a number, and compare these"
        )
    if isinstance(x, Arrayed) and any(_may_be(x, y) for y in others):
        unsupported("which array it is that a traced condition or a loop has chosen,", "give each a number, and compare these")
    return False


def _may_be(x: Arrayed, y: Any) -> bool:
    """Two arrays of which one is known to be that of some path."""
    chosen = any(getattr(part, "joined", False) for a in (x, y) for part in getattr(a, "planes", (a,)))  # a view is known
    return isinstance(y, Arrayed) and y is not x and chosen and (x.type.dtype, x.ndim) == (y.type.dtype, y.ndim)


def _state(x: Any) -> tuple[Any, Any]:
    """(whether a value is there, the value)"""
    if type(x) is not Maybe:
        return x is not None, x
    there, value, name = object.__getattribute__(x, "_state")
    return (there, value) if name is None else (True, needed(x))


def _alike(x: Any, y: Any, same: Callable[[Any, Any], Any]) -> Any:
    """Whether x and y are both None, or values that are the `same`."""
    (m, value), (n, other) = _state(x), _state(y)
    both = and_(m, lambda: and_(n, lambda: same(value, other)))
    neither = and_(_not(m), lambda: _not(n))
    return both if neither is False else neither if both is False else True if both is True else table.logical_or(both, neither)


def _not(x: Any) -> Any:
    return logical_not(x) if isinstance(x, Traced) else not x


def form_of(values: Sequence[Any], name: str | None) -> Form:
    """The form of a Maybe that holds each of these values; TypeMismatchError if there is none."""
    found = []
    for v in values:
        if type(v) is Maybe:
            found.append([object.__getattribute__(v, "_state")[1]])
        elif v is not None and not isinstance(v, Undefined):
            found.append([v])
    bones, kinds = described(found)
    return name, bones, kinds


def maybe(value: Any, form: Form) -> Any:
    """A value, None or an unassigned variable as a Maybe of that form."""
    name, bones, kinds = form
    if bones is not LEAF and isinstance(bones[0].more, Candidates) and value is not None and not isinstance(value, Undefined):
        value = numbered(value, union([one_of(0, bones[0].more), value_of(value)]))
    if type(value) is Maybe:
        return value
    if value is None or isinstance(value, Undefined):
        return Maybe(constant(False), seeded(bones, kinds), name)
    return Maybe(constant(True), value, name)


def value_of(x: Any) -> Any:
    """What is there, if something is."""
    return object.__getattribute__(x, "_state")[1] if type(x) is Maybe else x


def _refuse_made(candidates: Candidates) -> None:
    heap = _heap()
    if heap is not None and any(birth(x, heap) for x in candidates.objects):
        unsupported(
            "a list as a result whose length and objects the program decides", "return numbers and arrays of them, or the objects' numbers"
        )


def is_there(x: Any) -> Any:
    return object.__getattribute__(x, "_state")[0] if type(x) is Maybe else x is not None


def numbered(x: Any, candidates: Candidates) -> Any:
    """One of the objects as a Choice among them all; what is None remains so."""
    if type(x) is Maybe:
        there, value, name = object.__getattribute__(x, "_state")
        return Maybe(there, among(value, candidates), name)
    return x if x is None or isinstance(x, Undefined) else among(x, candidates)


def seeded(bones: Skeleton, kinds: Sequence[Kind]) -> Any:
    """A value of that structure that nobody sees."""
    trace = current_builder().trace
    return filled(bones, iter(map(_blank, kinds)), trace.heap)


@blank.define
def _blank(k: Kind) -> Any:
    if k.dtype is None:
        return k.value
    if k.rank:
        return allocate(k.dtype, (0,) * k.rank, 0, sized=False)
    t = element(k.dtype)
    return Traced(Const(literal(0, t), t), None, k.weak)


def returned(value: Any, optional: bool = True, since: int = 0) -> Any:
    """A result with its lists as Python's own where they do not grow, and, unless it may be `optional`, with a value in it. Which of
    several objects it is stays open where all of them were there by the time `since`; of others it is one with the same parts."""
    if type(value) is Maybe:
        there, held, name = object.__getattribute__(value, "_state")
        if name is not None or not optional:
            return returned(needed(value), optional, since)
        new = returned(held, optional, since)
        return value if new is held else Maybe(there, new, name)
    if type(value) is Choice:
        heap = _heap()
        old = heap is not None and all(birth(x, heap) <= since for x in candidates_of(value))
        return value if old else returned(resolved(value), optional, since)
    if (at_the_end := getattr(type(value), "__lantern_returned__", None)) is not None:
        at_the_end(value)
    if isinstance(value, List):
        if (g := growing(value)) is not None:
            for known in all_candidates(g.bones):
                _refuse_made(known)
        return value if growing(value) is not None else [returned(x, optional, since) for x in value]
    if type(value) is set and not pytree.has_some_keys(value):
        return plain_result(value, lambda x: returned(x, optional, since))
    if pytree.has_some_keys(value):
        return next(iter(dict.values(value) if isinstance(value, dict) else value)).as_result(value, lambda x: returned(x, optional, since))
    if hasattr(type(value), "__lantern_queue__"):
        return type(value).around(returned(value.items, optional, since), value.maxlen)
    if isinstance(value, Arrayed) and pytree.is_node(type(value)):
        return copied(value)
    found = opened(value) if not pytree.is_node(type(value)) else None
    if found is None:
        return value
    shape, parts = found
    new = [returned(x, optional, since) for x in parts]
    return value if all(a is b for a, b in zip(new, parts, strict=True)) else closed(shape, new, _heap())


def _flatten(m: Maybe) -> Any:
    there, value, name = object.__getattribute__(m, "_state")
    return (there, value), name


def _unflatten(name: Any, children: Any) -> Any:
    there, value = children
    if isinstance(there, (bool, np.bool_)) and not is_traced(there):
        return value if there else None
    return Maybe(there, value, name)


pytree.register(Maybe, _flatten, _unflatten)
