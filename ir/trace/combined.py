"""Loops as functions: what `while_loop`, `fori_loop`, `scan`, `map` and `associative_scan` add to the program.

    carry, ys = scan(f, init, xs)         carry = init;  y = empty(n)
                                          for i in range(n):  carry, y[i] = f(carry, x[i])         for each leaf x of xs, y of ys

They are the loops that a `for` or `while` statement makes; only that what is carried keeps its types is checked here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import building, current_builder
from ..core.sites import user_site
from ..core.types import BOOL, I64, NUMPY_DTYPES, Array, Scalar, describe
from ..objects.structure import opened
from ..ops import table
from ..python.for_loops import loop_value
from ..python.iterables import on_ints, staged_range
from ..staging.branches import if_, ifexp
from ..staging.growing import growing
from ..staging.items.region import Region
from ..staging.kinds import LEAF, Skeleton, filled, skeleton
from ..staging.leaves import common_type
from ..staging.paths import NO_SCOPE, heap_of, open_block, way_back
from ..values import sizes
from ..values.arrays import allocate, lift_array
from ..values.kernels import whole
from ..values.values import Arrayed, Traced, constant, dim_of, is_traced, load, scalar_type, to_type
from ..values.views import contiguous, is_array
from .calls import call


# ---- structures
def leaf_names(bones: Skeleton, name: str) -> Iterator[str]:
    """A name for each leaf of a structure that is called `name`."""
    if bones == LEAF:
        yield name
        return
    shape, parts = bones
    keys = shape.more[0] if issubclass(shape.kind, dict) else shape.more if isinstance(shape.more, tuple) else range(len(parts))
    fields = getattr(shape.kind, "_fields", None) or (keys if not issubclass(shape.kind, (dict, list, tuple)) else None)
    for i, (key, part) in enumerate(zip(keys if isinstance(keys, (tuple, range)) else range(len(parts)), parts, strict=False)):
        yield from leaf_names(part, f"{name}.{fields[i]}" if fields is not None else f"{name}[{key!r}]")


def _flatten(tree: Any) -> tuple[list[Any], Skeleton]:
    leaves: list[Any] = []
    return leaves, skeleton(tree, leaves)


def _rebuilt(bones: Skeleton, leaves: Sequence[Any]) -> Any:
    return filled(bones, iter(leaves), heap_of())


def _words(x: Any) -> str:
    """A leaf's type in a user's words."""
    if is_array(x):
        return f"{_dtype(x).name} of shape {sizes.show(x.shape)}"
    found = scalar_type(x)
    return "None" if x is None else describe(found[0]) if found is not None else type(x).__name__


# ---- what is carried keeps its types
def kept(who: str, name: str, old: Any, new: Any) -> Any:
    """`new`, which takes the place of `old`; a leaf of another type or shape is refused."""
    (before, bones), (after, found) = _flatten(old), _flatten(new)
    if found != bones:
        raise errors.TypeMismatchError(
            f"{who} at {user_site()}: {name} goes in as {_shown(old)} and comes out as {_shown(new)}: keep its structure"
        )
    leaves = [_leaf(who, *three) for three in zip(leaf_names(bones, name), before, after, strict=True)]
    return new if all(a is b for a, b in zip(leaves, after, strict=True)) else _rebuilt(found, leaves)


def _shown(x: Any) -> str:
    if isinstance(x, (Arrayed, Traced, np.ndarray)) or scalar_type(x) is not None or x is None:
        return _words(x)
    found = opened(x)
    if found is None:
        return type(x).__name__
    parts = [f"({words})" if opened(y) is not None and " of " in words else words for y in found[1] for words in [_shown(y)]]
    return f"{found[0].kind.__name__.lower()} of {', '.join(parts) or 'nothing'}"


def _leaf(who: str, name: str, old: Any, new: Any) -> Any:
    kinds = scalar_type(old), scalar_type(new)
    arrays = [is_array(old), is_array(new)]
    if not any(arrays) and None in kinds and (old is None) == (new is None):
        return new  # no numbers: the loop says what it thinks of them
    remedy = ""
    if all(arrays):
        if building():
            old, new = (x if isinstance(x, Arrayed) else lift_array(x) for x in (old, new))
        if _dtype(old) == _dtype(new) and old.ndim == new.ndim and not _differ(old, new):
            return _of_sizes(who, name, old, new)
        if _dtype(old) != _dtype(new):
            remedy = f": write .astype(np.{_dtype(old).name}) in the function, or give the initial value the dtype that comes out"
    elif not any(arrays) and None not in kinds:
        (t, weak), (u, _) = kinds  # type: ignore[misc]
        merged = common_type(kinds)  # type: ignore[arg-type]
        if merged is not None and (weak or merged[0] == t):
            return new
        if t != u:
            remedy = f": write np.{NUMPY_DTYPES[t].name}(..) in the function, or give the initial value the type that comes out"
    raise errors.TypeMismatchError(
        f"{who} at {user_site()}: {name} goes in as {_words(old)} and comes out as {_words(new)}{remedy or ': what is carried keeps its shape'}"
    )


def _dtype(x: Any) -> Any:
    return NUMPY_DTYPES[x.type.dtype] if isinstance(x, Arrayed) else x.dtype


def _differ(a: Any, b: Any) -> bool:
    return any(sizes.is_known(n) and sizes.is_known(m) and sizes.plain(n) != sizes.plain(m) for n, m in zip(a.shape, b.shape, strict=True))


def _of_sizes(who: str, name: str, a: Any, b: Any) -> Any:
    """`b`, whose sizes are those of `a`, or the program fails."""
    if a.shape == b.shape if isinstance(a, np.ndarray) else all(map(sizes.same, a.shape, b.shape)):
        return b
    new = [
        sizes.require_equal(n, m, f"{who}: {name} changes its shape, which what is carried keeps")
        for n, m in zip(a.shape, b.shape, strict=True)
    ]
    base, builder = contiguous(b), current_builder()
    t = Array(b.type.dtype, tuple(map(dim_of, a.shape)))
    (out,) = builder.emit("reshape", (builder.use(base.atom, base.builder), *map(sizes.atom, a.shape)), (t,), {"fails": False}, user_site())
    made = whole(out, new)
    made.owned, made.fresh, made.serial, made.joined, made.memory = base.owned, base.fresh, base.serial, base.joined, base.memory
    return made


def _widened(old: Any, new: Any) -> Any:
    """The initial value as it is carried, where a Python number comes back as one of another type."""
    (before, bones), (after, _) = _flatten(old), _flatten(new)
    leaves = [_adapted(x, y) for x, y in zip(before, after, strict=True)]
    return old if all(x is y for x, y in zip(leaves, before, strict=True)) else _rebuilt(bones, leaves)


def _adapted(x: Any, y: Any) -> Any:
    kinds = scalar_type(x), scalar_type(y)
    merged = common_type(kinds) if None not in kinds else None  # type: ignore[arg-type]
    if merged is None or merged == kinds[0]:
        return x
    made = to_type(x, merged[0])
    if isinstance(made, Traced):
        return Traced(made.atom, made.builder, merged[1])
    return made if merged[1] else NUMPY_DTYPES[merged[0]].type(made)


# ---- conditions
def predicate(who: str, pred: Any, numbers: bool) -> Any:
    """A condition: one bool, or a number that is not 0 where `numbers` may be given."""
    found = scalar_type(pred)
    if found is not None and (numbers or found[0] == BOOL):
        return pred
    remedy = "write any() or all() of it" if is_array(pred) else "compare it with something, as in x > 0"
    raise TypeError(f"{who} at {user_site()} needs one bool, not {_shown(pred)}: {remedy}")


def integer(who: str, what: str, n: Any) -> Any:
    found = scalar_type(n)
    if found is None or found[0] != I64:
        raise TypeError(f"{who} at {user_site()} needs an int for {what}, not {_shown(n)}")
    return n


def chosen(index: Any, branches: Sequence[Callable[..., Any]], args: Sequence[Any]) -> Any:
    """branches[index](*args), the index clamped: by halves."""
    if len(branches) == 1:
        return call(branches[0], *args)
    if not is_traced(index):
        return call(branches[min(max(int(index), 0), len(branches) - 1)], *args)
    half = len(branches) // 2
    low, high = branches[:half], branches[half:]
    return ifexp(index < half, lambda: chosen(index, low, args), lambda: chosen(index - half, high, args))


# ---- loops
def repeated(who: str, name: str, test: Callable[[Any], Any], body: Callable[..., Any], init: Any, counted: Any = None) -> Any:
    """loop_value, of a state that keeps its types."""
    return loop_value(test, lambda *args: kept(who, name, args[-1], body(*args)), init, counted)


class Elements:
    """What a loop over containers of arrays goes over: how many elements, and the i-th."""

    def __init__(self, who: str, xs: Any, length: Any = None, axis: int = 0, what: str = "xs") -> None:
        leaves, self.bones = _flatten(xs)
        self.axis = axis
        names = list(leaf_names(self.bones, what))
        self.arrays = [None if x is None else self._array(who, x, name) for x, name in zip(leaves, names, strict=True)]
        n, first = (None, "") if length is None else (integer(who, "length", length), "length")
        for a, name in zip(self.arrays, names, strict=True):
            if a is not None:
                m = a.shape[axis]
                n = m if n is None else sizes.require_equal(n, m, f"{who}: {first} and {name} are not of one length")
                first = first or name
        if n is None:
            raise TypeError(f"{who} at {user_site()} does not know how often: give {what} arrays, or length=")
        self.n = sizes.plain(n)

    def _array(self, who: str, x: Any, name: str) -> Arrayed:
        if isinstance(x, np.ndarray) and x.ndim:
            x = lift_array(x)
        if not isinstance(x, Arrayed) or not -x.ndim <= self.axis < x.ndim:
            found = growing(x)
            if found is not None:
                return self._array(who, found.stacked(), name)
            raise TypeError(
                f"{who} at {user_site()} goes over axis {self.axis} of arrays, and {name} is {_words(x)}: give an array (np.array of a list or a range)"
            )
        return x

    def __getitem__(self, i: Any) -> Any:
        return _rebuilt(self.bones, [None if a is None else self._element(a, i) for a in self.arrays])

    def _element(self, a: Arrayed, i: Any) -> Any:
        axis = self.axis % a.ndim
        return load(a, i, checked=False) if axis == 0 else load(a, (*[slice(None)] * axis, i), checked=False)


def scan(f: Callable[..., Any], init: Any, xs: Any, length: Any, reverse: bool, unroll: Any) -> Any:
    elements = Elements("scan()", xs, length)
    n = elements.n

    def step(c: Any, i: Any) -> tuple[Any, Any]:
        out = call(f, c, elements[i])
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError(
                f"the function of scan() at {user_site()} gives (carry, y), not {_shown(out)}: write `return carry, None` for no y"
            )
        return out

    example, init = _look(step, init)
    room = _Room("scan()", "y", example, n)

    def at(i: Any, c: Any) -> Any:
        j = on_ints(table.isub, operator.sub, sizes.sub(n, 1), i) if reverse else i
        new, y = step(c, j)
        new = kept("scan()", "carry", c, new)
        room.put(j, y)
        return new

    return _run(n, at, init, unroll), room.stacked()


def _run(n: Any, at: Callable[[Any, Any], Any], init: Any, unroll: Any) -> Any:
    """at(n - 1, .. at(0, init)), `unroll` iterations of the loop as one."""
    if unroll is True or (isinstance(unroll, int) and not isinstance(n, Traced) and unroll >= n):
        if isinstance(n, Traced):
            raise errors.TracedConditionError(f"unroll=True at {user_site()} needs a length that is known while tracing: give an int")
        for i in range(n):
            init = at(i, init)
        return init
    k = 1 if unroll is False or unroll is None else int(integer("scan()", "unroll", unroll))
    if k < 1:
        raise ValueError(f"unroll={unroll} at {user_site()}: give 1 or more")
    if k == 1:
        return loop_value(lambda s: True, at, init, staged_range(n))

    def several(b: Any, c: Any) -> Any:
        for r in range(k):
            c = at(on_ints(table.iadd, operator.add, on_ints(table.imul, operator.mul, b, k), r), c)
        return c

    blocks = sizes.floordiv(n, k)
    init = loop_value(lambda s: True, several, init, staged_range(blocks))
    return loop_value(lambda s: True, at, init, staged_range(sizes.mul(blocks, k), n))


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool, axis: int) -> Any:
    who = "associative_scan()"
    elements = Elements(who, elems, None, axis, "elems")
    n = elements.n
    out = [None if a is None else allocate(a.type.dtype, a.shape, None) for a in elements.arrays]

    def put(j: Any, x: Any) -> Any:
        for to, leaf in zip(out, _flatten(x)[0], strict=True):
            if to is not None:
                to[(*[slice(None)] * (elements.axis % to.ndim), j)] = leaf
        return x

    def fill() -> None:
        last = sizes.sub(n, 1)
        first = _rebuilt(elements.bones, [x.copy() if isinstance(x, Arrayed) else x for x in _flatten(elements[last if reverse else 0])[0]])
        put(last if reverse else 0, first)

        def at(i: Any, c: Any) -> Any:
            j = on_ints(table.isub, operator.sub, last, i) if reverse else i
            return put(j, kept(who, "elems", c, call(fn, c, elements[j])))

        loop_value(lambda s: True, at, first, staged_range(1, n))

    if_(on_ints(table.igt, operator.gt, n, 0), fill, lambda: None, NO_SCOPE)
    return _rebuilt(elements.bones, out)


# ---- results of all iterations
def _look(step: Callable[[Any, Any], tuple[Any, Any]], init: Any) -> tuple[list[Any], Any]:
    """For each leaf of y its dtype (None: it is None) and sizes, behind its structure; and the initial value as it is carried. Nothing of
    the step that this takes is left in the program."""
    while True:
        open_block()
        builder = current_builder()
        mark, go_back = builder.mark(), way_back(NO_SCOPE)
        new, y = step(init, constant(0))
        kept("scan()", "carry", init, new)
        leaves, bones = _flatten(y)
        found = [(None, ()) if x is None else _described(x) for x in leaves]
        here = Region(builder, mark, "a y of scan()")
        later = [(t, [n if isinstance(n, int) else here.outside(n) for n in shape]) for t, shape in found]
        go_back()
        wide = _widened(init, new)
        if wide is init:
            return [bones, *((t, [n if isinstance(n, int) else n() for n in shape]) for t, shape in later)], init
        init = wide


def _described(y: Any) -> tuple[Scalar, list[Any]]:
    """The dtype and the sizes of an array that holds such leaves."""
    if isinstance(y, np.ndarray) and y.ndim:
        y = lift_array(y)
    if isinstance(y, Arrayed):
        return y.type.dtype, [sizes.plain(n) for n in y.shape]
    found = scalar_type(y)
    if found is None:
        raise errors.TypeMismatchError(
            f"a y of scan() at {user_site()} is a {type(y).__name__}: give numbers, arrays, None and containers of them"
        )
    return found[0], []


class _Room:
    """Arrays for the ys of n iterations."""

    def __init__(self, who: str, name: str, example: list[Any], n: Any) -> None:
        self.who, (self.bones, *kinds) = who, example
        self.names = list(leaf_names(self.bones, name))
        self.arrays = [None if t is None else allocate(t, (n, *shape), None) for t, shape in kinds]

    def put(self, i: Any, y: Any) -> None:
        leaves, bones = _flatten(y)
        if bones != self.bones:
            raise errors.TypeMismatchError(
                f"{self.who} at {user_site()}: y is of another structure in another iteration: keep its structure"
            )
        for a, x, name in zip(self.arrays, leaves, self.names, strict=True):
            if a is not None:
                for n, m in zip(a.shape[1:], getattr(x, "shape", ()), strict=True):
                    sizes.require_equal(n, m, f"{self.who}: {name} changes its shape, which is one for all iterations")
                a[i] = x

    def stacked(self) -> Any:
        return _rebuilt(self.bones, self.arrays)


__all__ = ["Elements", "associative_scan", "chosen", "integer", "kept", "predicate", "repeated", "scan"]
