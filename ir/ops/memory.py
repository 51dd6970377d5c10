"""Arrays in memory: their sizes, their elements, new ones, and the same memory in another shape.

    part(x, i, n)          the n rows of x from row i on, which are there: the same memory
    weight(w, p, q, n)     w itself. On the way back the products of rows that `gemm_weight` has left in p and q, n[0] of them, are added to
                           its adjoint

A load or store has a letter for each index: `c` check it, and a negative one counts from the end; `p` check it, it is not
negative; `w` it is in bounds but may be negative; `u` it is in bounds and not negative (passes/simplify/bounds.py finds them).
"""

from __future__ import annotations

from typing import Any

from ..core.graph import Const
from ..core.op import Elsewhere, Op, Result, Zero, as_marked, like, nothing, register, sizes
from ..core.types import I64, Array, element, lane_type
from .table import iadd, ilt, logical_and, logical_xor, select

DEFAULT = "c"


def codes(let: Any) -> str:
    """The letters of a load's or store's indices."""
    array = let.args[0].type
    assert isinstance(array, Array)
    return let.attrs.get("index", DEFAULT * array.rank)  # type: ignore[no-any-return]


def quiet(letters: str) -> str:
    """The letters of the same access once it has been checked."""
    return letters.replace("c", "w").replace("p", "u")


def _unchecked(let: Any) -> bool:
    return any(x in "cp" for x in codes(let))


def within(i: Any, n: Any) -> Any:
    """Is it an index of so many elements, from the front or from the end?"""
    j = select(ilt(i, 0), iadd(i, n), i)
    return logical_and(logical_xor(ilt(j, 0), True), ilt(j, n))


def _outside(let: Any) -> Any:
    return [
        (IndexError(f"index is out of bounds for axis {axis}"), lambda at, axis=axis: within(at.args[1 + axis], at.size(0, axis)))
        for axis, letter in enumerate(codes(let))
        if letter in "cp"
    ]


def _made(let: Any) -> tuple[Result, ...]:
    dtype, value = let.out.type.dtype, let.args[-1].type
    return ((dtype if element(dtype) == value else value, let.args[:-1]),)


def _reshaped(let: Any) -> tuple[Result, ...]:
    """Of the same elements; blocks of lanes may come apart or together."""
    old, new = let.args[0].type.dtype, let.out.type.dtype
    return ((new if lane_type(old) == lane_type(new) else old, let.args[1:]),)


def _part(let: Any) -> tuple[Result, ...]:
    """So many rows of an array."""
    return ((let.args[0].type.dtype, (let.args[2], *sizes(let.args[0])[1:])),)


def memory(name: str, rule: Any, **facts: Any) -> Op:
    return register(Op(name, "*:*", None, rule, effect="", cost=facts.pop("cost", "cheap"), **facts))


def _known_size(let: Any) -> Const | None:
    d = let.args[0].type.dims[let.attrs["axis"]]
    return Const(d, I64) if isinstance(d, int) else None


DIM = memory("dim", Zero("a size is an integer"), reads=(), writes=(), aliases=(), allocates=False, fails=False, adjoint="zero",
             shape=lambda let: ((I64, ()),), measures=True, late=True, rereads=False, folds=_known_size)  # fmt: skip
CHECK_RANGE = memory("check_range", Zero("it has no result"), reads=(), writes=(), aliases=(), allocates=False, fails=as_marked, adjoint="zero",
                     shape=nothing, measures=True, ranged=True)  # fmt: skip
LOAD = memory("load", Elsewhere("an adjoint is added to an element"), reads=(0,), writes=(), aliases=(), allocates=False, fails=_unchecked,
              raises=lambda let: _outside(let), adjoint="own", shape=lambda let: ((element(let.args[0].type.dtype), ()),), indexed=True)  # fmt: skip
STORE = memory("store", Elsewhere("a reversible store"), reads=(), writes=(0,), aliases=(), allocates=False, fails=_unchecked,
               raises=lambda let: _outside(let), adjoint="own", shape=nothing, indexed=True, late=True)  # fmt: skip
ALLOC = memory("alloc", Elsewhere("the sum of the elements' adjoints"), reads=(), writes=(), aliases=(), allocates=True, fails=as_marked, cost="dear",
               adjoint="function", shape=_made, late=True, fills=True, registers=True, rereads=False)  # fmt: skip
COPY = memory("copy", Elsewhere("adjoints are added"), reads=(0,), writes=(), aliases=(), allocates=True, fails=as_marked, cost="dear",
              adjoint="function", shape=like(0), late=True, rereads=False, linear=(0,))  # fmt: skip
RESHAPE = memory("reshape", Elsewhere("the same memory, and so the same adjoints"), reads=(), writes=(), aliases=((0, 0),), allocates=False,
                 fails=as_marked, adjoint="own", shape=_reshaped, rereads=False)  # fmt: skip
PART = memory("part", Elsewhere("a part of the adjoint"), reads=(), writes=(), aliases=((0, 0),), allocates=False, fails=False, adjoint="own",
              shape=_part, rereads=False, linear=(0,))  # fmt: skip
WEIGHT = memory("weight", Elsewhere("rows that were gathered are multiplied"), reads=(), writes=(), aliases=((0, 0),), allocates=False,
                fails=False, adjoint="function", shape=like(0), rereads=False, closing=True)  # fmt: skip
