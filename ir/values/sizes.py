"""Sizes of arrays while tracing: Python ints where they are known, traced ints elsewhere.

Each has a dimension (dims.py), which says how it follows from the sizes of arguments: two sizes with one dimension are equal
(`x[1:]` and `x[:-1]` both have max(n - 1, 0) elements).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import dims, errors
from ..core.builder import atom_of, current_builder
from ..core.faults import KINDS
from ..core.graph import Atom, Const
from ..core.op import literal
from ..core.sites import user_site
from ..core.types import I64
from ..ops import table
from . import concrete, sizes
from .values import Arrayed, Traced, dim_of, named, to_type

Size = Any  # int | Traced


def same(a: Size, b: Size) -> bool:
    return dim_of(a) == dim_of(b)


def is_known(n: Size) -> bool:
    return not isinstance(n, Traced) or isinstance(n.atom, Const)


def plain(n: Size) -> Size:
    """A known size as an int."""
    return int(n.atom.value) if isinstance(n, Traced) and isinstance(n.atom, Const) else n


def needed(n: Size) -> int | None:
    """A size, or another int, as the number that Python needs; None where it depends on what the program computes."""
    found = concrete.number(n) if not is_known(n) else plain(n)
    return None if found is None else int(found)


def atom(n: Size) -> Atom:
    return atom_of(to_type(n, I64), I64, current_builder())


def add(n: Size, c: Size) -> Size:
    """n + c"""
    total = dims.add(dim_of(n), dim_of(c))
    if isinstance(total, int):
        return total
    if is_known(n):
        n, c = c, n
    if is_known(c) and plain(c) == 0:
        return n
    return named(table.iadd(n, plain(c)), total)


def sub(n: Size, c: Size) -> Size:
    if is_known(c):
        return add(n, -plain(c))
    rest = dims.sub(dim_of(n), dim_of(c))
    return rest if isinstance(rest, int) else named(table.isub(*_both(n, c)), rest)


def _both(a: Size, b: Size) -> tuple[Any, Any]:
    return to_type(a, I64), to_type(b, I64)


def mul(n: Size, c: Size) -> Size:
    whole = dims.mul(dim_of(n), dim_of(c))
    if isinstance(whole, int):
        return whole
    if is_known(n):
        n, c = c, n
    if is_known(c) and plain(c) == 1:
        return n
    return named(table.imul(n, to_type(c, I64)), whole)


def floordiv(n: Size, c: int) -> Size:
    part = dims.over(dim_of(n), c)
    if isinstance(part, int):
        return part
    return n if c == 1 else named(table.ifloordiv(n, c), part)


def nonnegative(n: Size) -> Size:
    """max(n, 0)"""
    d = dims.nonnegative(dim_of(n))
    if isinstance(d, int):
        return d
    return n if d == dim_of(n) else named(table.imax(n, 0), d)


def smaller(n: Size, c: Size) -> Size:
    d = dims.smaller(dim_of(n), dim_of(c))
    if isinstance(d, int):
        return d
    if same(n, c):
        return n
    return named(table.imin(*_both(n, c)), d)


def product(sizes: Sequence[Size]) -> Size:
    n: Size = 1
    for s in sizes:
        n = mul(n, s)
    return n


def show(sizes: Sequence[Size]) -> str:
    """A shape in NumPy's words, with letters for what is not known."""
    parts = [str(plain(n)) if is_known(n) else "?" for n in sizes]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def require_equal(a: Size, b: Size, what: str, kind: str = "mismatch") -> Size:
    """`a`, where `b` is the same; else an error now if both are known, or when the program runs."""
    if same(a, b):
        return a
    if is_known(a) and is_known(b):
        raise KINDS[kind].error(f"{what}: sizes {plain(a)} and {plain(b)} ({user_site()})")
    _check("equal_size", a, b, what, {"kind": kind})
    return a if is_known(a) else b if is_known(b) else a


def _check(op: str, a: Size, b: Size, what: str, attrs: Any = None) -> Traced:
    builder = current_builder()
    (out,) = builder.emit(op, (atom(a), atom(b)), (I64,), attrs or {}, user_site(what))
    return Traced(out, builder)


def broadcast(shapes: Sequence[Sequence[Size]]) -> list[Size]:
    """NumPy's common shape. Sizes that are not known to be 1 are taken for equal in an optimistic trace, with a check;
    else the one that is 1 gives way when the program runs."""
    rank = max(map(len, shapes), default=0)
    out: list[Size] = []
    for axis in range(rank):
        n: Size = 1
        for shape in shapes:
            i = axis - rank + len(shape)
            if i >= 0:
                n = _common(n, shape[i], shapes)
        out.append(n)
    return out


def _common(n: Size, m: Size, shapes: Sequence[Sequence[Size]]) -> Size:
    if same(n, m) or (is_known(m) and plain(m) == 1):
        return n
    if is_known(n) and plain(n) == 1:
        return m
    if is_known(n) and is_known(m):
        raise errors.ArrayShapeError(f"operands could not be broadcast together with shapes {' '.join(map(show, shapes))} ({user_site()})")
    if current_builder().trace.optimistic:
        if is_known(n) or is_known(m):
            concrete.agree(n, m)
        _check("same_size", n, m, "")
        return n if is_known(n) else m if is_known(m) else n
    return _check("broadcast_size", n, m, "")


def follows(n: Size, common: Size) -> Any:
    """How an axis of size n moves in one of the common size: 1, 0 where it is 1, or a traced choice of them."""
    if is_known(n) and plain(n) == 1:
        return 0 if not (is_known(common) and plain(common) == 1) else 1
    if same(n, common) or current_builder().trace.optimistic:
        return 1
    x, y = _both(n, common)
    return table.select(table.ieq(x, y), _one(), 0)


def _one() -> Traced:
    return Traced(Const(1, I64), None)


def is_just(n: Size, value: int) -> bool:
    return sizes.is_known(n) and sizes.plain(n) == value


def lifted(*values: Any) -> list[Traced]:
    return [v if isinstance(v, Traced) else Traced(Const(literal(v, I64), I64), None) for v in values]


Arrayed.size = property(lambda a: product(a.shape))  # type: ignore[attr-defined]
