"""Products of whole arrays: `@`, einsum and their relatives, as one kernel or as BLAS."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.kernel import Result
from ..core.sites import user_site
from ..core.types import F32, F64, I32, is_float, is_inexact
from ..ops.library import rules
from ..values import operators, reshaping, sizes
from ..values.complexes.pairs import ComplexArray, is_complex_array
from ..values.kernels import emit
from ..values.library import bind
from ..values.operators import arithmetic
from ..values.reshaping import drop, expand, spread
from ..values.values import Arrayed
from ..values.views import View, access, as_array, plane, shape_of, with_axes
from .axes import broadcast_arrays, conjugate, diagonal, moveaxis, ravel
from .common import astype, axis_of, common_dtype, items_of, scalar_kind
from .creation import array
from .reductions import sum_
from .registry import implements, newer
from .shaping import stack

Values = Sequence[Any]
SMALL = 32  # multiplications of matrices of known sizes, written out as scalar code


def contract(out: str, *operands: tuple[Any, str]) -> Any:
    """One kernel: the sum of products over the letters that are not in `out`."""
    space: dict[str, Any] = {}
    for a, letters in operands:
        for n, c in zip(shape_of(a), letters, strict=True):
            if c not in space or (sizes.is_known(space[c]) and sizes.plain(space[c]) == 1):
                space[c] = n
            elif not (sizes.is_known(n) and sizes.plain(n) == 1):
                space[c] = sizes.require_equal(space[c], n, "operands of a product do not fit together")
    letters = "".join(space)
    order = [*out, *(c for c in letters if c not in out)]
    order = loop_order(out, order, operands)
    shape = [space[c] for c in order]
    inputs = [access(a, [order.index(c) for c in ls], shape) if isinstance(a, Arrayed) else a for a, ls in operands]

    dtype = I32 if all(isinstance(a, Arrayed) and a.type.dtype == I32 for a, _ in operands) else None
    kept = Result("sum", tuple(sorted(order.index(c) for c in out)))
    (result,) = emit("product", shape, inputs, lambda *xs: functools.reduce(_times, xs), [kept], [dtype] if out else [])
    now = [c for c in order if c in out]
    if isinstance(result, Arrayed) and now != list(out):
        result = with_axes(result, [now.index(c) for c in out])
    return result


def _times(x: Any, y: Any) -> Any:
    return operators._of_bools("mul", x, y) if operators._bools(x, y) else arithmetic("mul", x, y)


def stretched(operands: Sequence[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """Axes of size 1 as wide as the others of the same letter."""
    common: dict[str, Any] = {}
    for a, letters in operands:
        for n, c in zip(shape_of(a), letters, strict=True):
            (common[c],) = sizes.broadcast([[common[c]], [n]]) if c in common else (n,)
    wide = [[common[c] for c in letters] for _, letters in operands]
    return [(a if all(map(sizes.same, shape_of(a), w)) else spread(a, w), letters) for (a, letters), w in zip(operands, wide, strict=True)]


def loop_order(out: str, order: list[str], operands: Any) -> list[str]:
    """The loops of a product: the innermost runs along the last axis of as many operands as can be."""
    votes = {c: sum(letters[-1:] == c for _, letters in operands) + (out[-1:] == c) * 0.5 for c in order}
    last = max(order, key=lambda c: (votes[c], order.index(c)), default=None)
    return [c for c in order if c != last] + [c for c in order if c == last]


@implements(np.matmul, operator="matmul", whole=True)
def matmul(x: Any, y: Any) -> Any:
    """`@`: of vectors, matrices, and stacks of them."""
    x, y = as_array(x), as_array(y)
    if not (isinstance(x, Arrayed) and isinstance(y, Arrayed)):
        raise ValueError(f"matmul: Input operand does not have enough dimensions ({user_site()})")
    s, t = shape_of(x), shape_of(y)
    sizes.require_equal(s[-1], t[-2 if y.ndim > 1 else 0], f"matmul: the inner sizes of `@` differ, {sizes.show(s)} and {sizes.show(t)}")
    if x.ndim > 1 and y.ndim > 1:
        return stacked_product(x, y)
    stack = "abcdefg"[: max(x.ndim, y.ndim, 2) - 2]
    rows, columns = ("k" if x.ndim == 1 else stack + "ik"), ("k" if y.ndim == 1 else stack + "kj")
    return contract((rows + columns).replace("k", ""), (x, rows), (y, columns))


def stacked_product(x: Arrayed, y: Arrayed) -> Any:
    if is_complex_array(x) or is_complex_array(y):
        return _complex_product(x, y)
    if not (is_float(x.type.dtype) and is_float(y.type.dtype)):
        rank = max(x.ndim, y.ndim) - 2
        letters = "abcdefgh"[:rank]
        both = [(x, letters[rank - x.ndim + 2 :] + "ik"), (y, letters[rank - y.ndim + 2 :] + "kj")]
        return contract(letters + "ij", *stretched(both))
    t = F64 if F64 in (x.type.dtype, y.type.dtype) else F32
    x, y = (a if a.type.dtype == t else astype(a, t) for a in (x, y))
    if x.ndim == y.ndim == 2 and all(map(sizes.is_known, (*shape_of(x), *shape_of(y)))):
        m, k, n = (int(sizes.plain(s)) for s in (*shape_of(x), shape_of(y)[1]))
        if m * k * n <= SMALL:
            return contract("ij", (x, "ik"), (y, "kj"))
    stack = sizes.broadcast([shape_of(x)[:-2], shape_of(y)[:-2]])
    (x, tx), (y, ty) = (_matrices(a, stack) for a in (x, y))
    return gemm(x, y, tx, ty)


def _complex_product(x: Arrayed, y: Arrayed) -> Any:
    """By products of real matrices."""
    if all(map(sizes.is_known, (*shape_of(x)[-2:], shape_of(y)[-1]))) and x.ndim == y.ndim == 2:
        m, k, n = (int(sizes.plain(s)) for s in (*shape_of(x), shape_of(y)[1]))
        if m * k * n <= SMALL:
            return contract("ij", (x, "ik"), (y, "kj"))
    a, b = ([plane(v, k) for k in (0, 1)] if is_complex_array(v) else [v] for v in (x, y))
    if len(a) == len(b) == 2:
        return ComplexArray(matmul(a[0], b[0]) - matmul(a[1], b[1]), matmul(a[0], b[1]) + matmul(a[1], b[0]))
    return astype(ComplexArray(*(matmul(p, q) for p in a for q in b)), common_dtype([x, y]))


def _matrices(a: Arrayed, stack: Sequence[Any]) -> tuple[Arrayed, int]:
    """A whole array of matrices, and whether each is transposed: a transposed view needs no copy."""
    if a.ndim - 2 != len(stack) or not all(map(sizes.same, shape_of(a)[:-2], stack)):
        a = spread(a, [*stack, *shape_of(a)[-2:]])
    if isinstance(a, View):
        n = a.ndim
        whole = [*range(n - 2), n - 1, n - 2]
        turned = [v for v, _, _ in a.spec] == whole and all(sizes.same(s, 0) and sizes.same(t, 1) for _, s, t in a.spec)
        if turned and all(sizes.same(p, q) for p, q in zip([a.sizes[v] for v in whole], shape_of(a.base), strict=True)):
            return a.base, 1
        return reshaping.in_place(a), 0
    return a, 0


@implements(np.dot, method="dot")
def dot(a: Any, b: Any, out: Any = None) -> Any:
    return _product(a, b, lambda x, y: matmul(x, y) if x.ndim <= 2 and y.ndim <= 2 else tensordot(x, y, (-1, -2 if y.ndim > 1 else -1)))


def _product(x: Any, y: Any, of_arrays: Callable[[Any, Any], Any]) -> Any:
    """A product with a scalar, which is an array of its own dtype here: Python's numbers do not adapt."""
    x, y = as_array(x), as_array(y)
    if isinstance(x, Arrayed) and isinstance(y, Arrayed):
        return of_arrays(x, y)
    return arithmetic("mul", *(v if isinstance(v, Arrayed) else array(v) for v in (x, y)))


implements(np.outer)(lambda x, y: arithmetic("mul", expand(ravel(x), (1,)), expand(ravel(y), (0,))))
implements(np.vdot)(lambda x, y: matmul(ravel(conjugate(x)), ravel(y)))
implements(np.vecdot, whole=True)(lambda x, y: sum_(conjugate(x) * as_array(y), -1))


@implements(np.trace, method="trace")
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    return sum_(diagonal(a, offset, axis1, axis2), -1, dtype)


@implements(np.kron)
def kron(x: Any, y: Any) -> Any:
    return _product(x, y, _blocks)


def _blocks(x: Arrayed, y: Arrayed) -> Any:
    rank = max(x.ndim, y.ndim)
    x, y = expand(x, range(rank - x.ndim)), expand(y, range(rank - y.ndim))
    z = arithmetic("mul", expand(x, range(1, 2 * rank, 2)), expand(y, range(0, 2 * rank, 2)))
    return reshaping.reshape(z, [sizes.mul(m, n) for m, n in zip(shape_of(x), shape_of(y), strict=True)])


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = as_array(a), as_array(b)
    pairs = (range(-int(axes), 0), range(int(axes))) if isinstance(axes, (int, np.integer)) else map(items_of, axes)
    left, right = ([axis_of(q, x.ndim) for q in which] for which, x in zip(pairs, (a, b), strict=True))
    if len(left) != len(right):
        raise errors.ArrayShapeError(f"shape-mismatch for sum ({user_site()})")
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    first = [next(letters) for _ in range(a.ndim)]
    second = [first[left[right.index(q)]] if q in right else next(letters) for q in range(b.ndim)]
    result = [c for q, c in enumerate(first) if q not in left] + [c for q, c in enumerate(second) if q not in right]
    return einsum(f"{''.join(first)},{''.join(second)}->{''.join(result)}", a, b)


implements(np.inner)(lambda x, y: _product(x, y, lambda x, y: tensordot(x, y, (-1, -1))))


@implements(newer("matvec"), whole=True)
def matvec(x1: Any, x2: Any) -> Any:
    return drop(matmul(x1, expand(as_array(x2), (as_array(x2).ndim,))), [max(as_array(x1).ndim, as_array(x2).ndim + 1) - 1])


@implements(newer("vecmat"), whole=True)
def vecmat(x1: Any, x2: Any) -> Any:
    return drop(matmul(expand(conjugate(x1), (as_array(x1).ndim - 1,)), x2), [max(as_array(x1).ndim + 1, as_array(x2).ndim) - 2])


@implements(np.einsum)
def einsum(subscripts: Any, *operands: Any, dtype: Any = None) -> Any:
    """Einstein's sums. Two operands become a matrix product where they are one; more are taken two at a time."""
    if not isinstance(subscripts, str):
        subscripts, operands = _with_letters([subscripts, *operands])
    if dtype is not None:
        given, operands = operands, tuple(array(x, dtype) for x in operands)
        if not all(np.can_cast(array(x).dtype, dtype, "safe") for x in given):
            raise TypeError(f"an operand could not be cast to {np.dtype(dtype)!r} according to the rule 'safe' ({user_site()})")
    terms, result = _subscripts(subscripts.replace(" ", ""), [as_array(x) for x in operands])
    parts = stretched([_no_repeats(x, s) for x, s in zip(map(as_array, operands), terms, strict=True)])
    while len(parts) > 1:
        (a, s), (b, t), *rest = parts
        if rest and any(len(set(u)) == len({c for _, t in parts for c in t}) for _, u in parts):  # all letters stand in one operand
            return contract(result, *parts)
        later = set(result).union(*(set(u) for _, u in rest))
        target = "".join(c for c in dict.fromkeys(s + t) if c in later) if rest else result
        parts = [(pair(a, s, b, t, target), target), *rest]
    a, s = parts[0]
    if sorted(s) != sorted(result):
        return contract(result, (a, s))
    return a if s == result else with_axes(a, [s.index(c) for c in result])


def _with_letters(parts: list[Any]) -> tuple[str, tuple[Any, ...]]:
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) as "AB,BC->AC" and (a, b)."""
    result = [parts[-1]] if len(parts) % 2 else []
    lists = [*parts[1 : len(parts) - len(result) : 2], *result]
    texts = ["".join("..." if i is Ellipsis else "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[i] for i in x) for x in lists]
    n = len(parts) // 2
    return ",".join(texts[:n]) + "".join(f"->{t}" for t in texts[n:]), tuple(parts[: 2 * n : 2])


def _subscripts(text: str, operands: list[Any]) -> tuple[list[str], str]:
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {len(terms)} subscripts for {len(operands)} operands ({user_site()})")
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in text]
    wide = max((len(shape_of(x)) - len(t.replace("...", "")) for x, t in zip(operands, terms, strict=True) if "..." in t), default=0)
    dots = "".join(spare[:wide])
    out = []
    for x, t in zip(operands, terms, strict=True):
        n = len(shape_of(x)) - len(t.replace("...", ""))
        t = t.replace("...", dots[wide - n :] if n else "")
        if len(t) != len(shape_of(x)):
            raise ValueError(f"einsum: operand has {len(shape_of(x))} axes but subscripts {t!r} ({user_site()})")
        out.append(t)
    if not arrow:
        every = "".join(out)
        result = dots + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in dots))
    else:
        result = result.replace("...", dots)
        for c in result:
            if result.count(c) > 1:
                raise ValueError(f"einsum: output subscript {c!r} is there several times ({user_site()})")
            if not any(c in t for t in out):
                raise ValueError(f"einsum: output subscript {c!r} is in no operand ({user_site()})")
    return out, result


def _no_repeats(a: Any, s: str) -> tuple[Any, str]:
    """'ii' is the diagonal."""
    for c in dict.fromkeys(s):
        while s.count(c) > 1:
            i = s.index(c)
            j = s.index(c, i + 1)
            sizes.require_equal(shape_of(a)[i], shape_of(a)[j], f"dimensions in operand for collapsing index {c!r} don't match")
            a = diagonal(a, 0, i, j)
            s = s[:i] + s[i + 1 : j] + s[j + 1 :] + c
    return a, s


def pair(a: Any, s: str, b: Any, t: str, result: str) -> Any:
    stack = [c for c in s if c in t and c in result]
    summed = [c for c in s if c in t and c not in result]
    left, right = [c for c in s if c not in t], [c for c in t if c not in s]
    alone = [c for c in (*left, *right) if c not in result]
    floats = is_inexact(scalar_kind(a)) and is_inexact(scalar_kind(b))
    if not summed or not left or not right or alone or not floats:
        return contract(result, (a, s), (b, t))
    x = with_axes(a, [s.index(c) for c in (*stack, *left, *summed)])
    y = with_axes(b, [t.index(c) for c in (*stack, *summed, *right)])
    n, m, k = len(stack), len(left), len(summed)
    rows, columns = shape_of(x)[: n + m], shape_of(y)[n + k :]
    z = matmul(_grouped(x, [n, m, k]), _grouped(y, [n, k, len(right)]))
    z = reshaping.reshape(z, [*rows, *columns])
    now = [*stack, *left, *right]
    return z if now == list(result) else with_axes(z, [now.index(c) for c in result])


def _grouped(a: Arrayed, counts: Sequence[int]) -> Arrayed:
    """So many axes at a time joined into one, and none for none of a stack; as it is where each is one."""
    if counts[0] <= 1 and all(n == 1 for n in counts[1:]):
        return a
    ends = list(itertools.accumulate(counts, initial=0))
    groups = [shape_of(a)[i:j] for i, j in itertools.pairwise(ends)]
    return reshaping.reshape(a, [sizes.product(g) for g in groups[not counts[0] :]])  # type: ignore[no-any-return]


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = moveaxis(a, axisa, 0), moveaxis(b, axisb, 0)
    flat = [sizes.needed(shape_of(v)[0]) == 2 for v in (x, y)]
    for v, two in zip((x, y), flat, strict=True):
        sizes.require_equal(
            shape_of(v)[0], 2 if two else 3, "incompatible dimensions for cross product (dimension must be 2 or 3): sizes differ"
        )
    z = x[0] * y[1] - x[1] * y[0]
    if all(flat):
        return z
    p, q = (0.0 if two else v[2] for v, two in zip((x, y), flat, strict=True))
    return moveaxis(stack(broadcast_arrays(x[1] * q - p * y[1], p * y[0] - x[0] * q, z)), 0, axisc)


# ---- of BLAS
def gemm(a: Any, b: Any, ta: int = 0, tb: int = 0) -> Any:
    """op(a) @ op(b) for whole arrays of the same rank and the same stack sizes."""
    x, y = list(a.shape), list(b.shape)
    m, k = (x[-1], x[-2]) if ta else (x[-2], x[-1])
    k2, n = (y[-1], y[-2]) if tb else (y[-2], y[-1])
    sizes.require_equal(k, k2, "matmul: the inner sizes of the matrices differ")
    (out,) = bind("gemm", (a, b), [(a.type.dtype, (*x[:-2], m, n))], fails=False, ta=int(ta), tb=int(tb))
    return out


def add_up(*terms: Any) -> Any:
    """The sum of those that are there."""
    return functools.reduce(operator.add, [t for t in terms if t is not None])


def _gemm_jvp(attrs: Any, args: Values, outs: Values, tangents: Values) -> tuple[Any, ...]:
    (a, b), (ta, tb) = args, tangents
    flags = attrs["ta"], attrs["tb"]
    return (add_up(gemm(ta, b, *flags) if ta is not None else None, gemm(a, tb, *flags) if tb is not None else None),)


rules("gemm", jvp=_gemm_jvp)
