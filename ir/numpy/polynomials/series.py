"""numpy.polynomial: series of powers, Chebyshev, Legendre, Hermite and Laguerre polynomials, with coefficients from degree 0 up.

Each basis is P[n + 1] = (a x + b) P[n] - c P[n - 1] with (a, b, c) for each n. What is linear in the coefficients, and no more than
that, is a product with a matrix that NumPy makes of the unit vectors: their number is part of the program.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.sites import user_site
from ...core.types import is_inexact
from ...values.reshaping import expand
from ...values.values import Arrayed
from ...values.views import as_array, shape_of
from ..axes import atleast_1d, moveaxis
from ..common import arrayed, astype, float_array
from ..creation import ones, zeros
from ..registry import implements
from ..shaping import concatenate
from .classic import degree, fitted


@dataclass(frozen=True)
class Basis:
    """`prefix` of the names of its functions, the module that they are in, its recurrence and P[1] as (factor of x, constant)."""

    prefix: str
    module: str
    step: Callable[[int], tuple[float, float, float]]
    first: tuple[float, float] = (1.0, 0.0)

    def numpy(self, name: str) -> Any:
        return getattr(importlib.import_module(f"numpy.polynomial.{self.module}"), f"{self.prefix}{name}")


POWER = Basis("poly", "polynomial", lambda n: (1.0, 0.0, 0.0))
BASES = [
    POWER,
    Basis("cheb", "chebyshev", lambda n: (2.0, 0.0, 1.0)),
    Basis("leg", "legendre", lambda n: ((2 * n + 1) / (n + 1), 0.0, n / (n + 1))),
    Basis("herm", "hermite", lambda n: (2.0, 0.0, 2.0 * n), (2.0, 0.0)),
    Basis("herme", "hermite_e", lambda n: (1.0, 0.0, float(n))),
    Basis("lag", "laguerre", lambda n: (-1 / (n + 1), (2 * n + 1) / (n + 1), n / (n + 1)), (-1.0, 1.0)),
]


def _name(basis: Basis, name: str) -> str:
    return f"np.polynomial.{basis.module}.{basis.prefix}{name}"


def _series(c: Any) -> Arrayed:
    c = atleast_1d(c)
    return c if is_inexact(c.type.dtype) else astype(c, float)


# ---- values
def _value(basis: Basis, x: Any, c: Arrayed) -> Any:
    """The sum of c[n] P[n](x) by Clenshaw's recurrence, from the last coefficient down."""
    n = degree(c, f"{basis.prefix}val")
    zero = 0.0 * x
    before: Any = zero
    total: Any = c[n - 1] + zero
    for k in range(n - 2, 0, -1):
        a, b, _ = basis.step(k)
        _, _, down = basis.step(k + 1)
        x_part = a * x if a != 1.0 else x
        product = (x_part + b if b else x_part) * total
        before, total = total, c[k] + product - down * before if down else c[k] + product
    if n == 1:
        return total
    _, _, down = basis.step(1)
    a, b = basis.first
    product = ((a * x if a != 1.0 else x) + b if b else (a * x if a != 1.0 else x)) * total
    return c[0] + product - down * before if down else c[0] + product


def _values(basis: Basis) -> Callable[..., Any]:
    def val(x: Any, c: Any, tensor: bool = True) -> Any:
        x, c = as_array(x), _series(c)
        if tensor and isinstance(x, Arrayed):
            c = expand(c, range(c.ndim, c.ndim + x.ndim))
        return _value(basis, x, c)

    return val


def _on_points(basis: Basis, count: int) -> Callable[..., Any]:
    def of(c: Any, *points: Any) -> Any:
        points = tuple(map(as_array, points))
        val = _values(basis)
        c = val(points[0], c)
        for p in points[1:]:
            c = val(p, c, tensor=False)
        return c

    return (lambda x, y, c: of(c, x, y)) if count == 2 else (lambda x, y, z, c: of(c, x, y, z))


def _on_grids(basis: Basis, count: int) -> Callable[..., Any]:
    def of(c: Any, *lines: Any) -> Any:
        for x in lines:
            c = _values(basis)(x, c)
        return c

    return (lambda x, y, c: of(c, x, y)) if count == 2 else (lambda x, y, z, c: of(c, x, y, z))


def _vander(basis: Basis) -> Callable[..., Any]:
    def vander(x: Any, deg: int) -> Any:
        if deg < 0:
            raise ValueError(f"deg must be non-negative ({user_site()})")
        x = float_array(x)
        x = x if isinstance(x, Arrayed) else arrayed(x)
        a, b = basis.first
        columns = [x * 0.0 + 1.0, a * x + b]
        for n in range(1, int(deg)):
            a, b, down = basis.step(n)
            columns.append((a * x + b) * columns[-1] - down * columns[-2])
        return moveaxis(np.stack(columns[: int(deg) + 1]), 0, -1)

    return vander


def _vander_of(basis: Basis, count: int) -> Callable[..., Any]:
    def of(deg: Any, *points: Any) -> Any:
        degrees = [int(d) for d in deg]
        if len(degrees) != count:
            raise ValueError(f"Expected {count} dimensions of sample points, got {len(degrees)} ({user_site()})")
        found: Any = None
        for p, d in zip(points, degrees, strict=True):
            v = _vander(basis)(p, d)
            found = v if found is None else (found[..., :, None] * v[..., None, :]).reshape(*shape_of(v)[:-1], -1)
        return found

    return (lambda x, y, deg: of(deg, x, y)) if count == 2 else (lambda x, y, z, deg: of(deg, x, y, z))


# ---- what is linear in the coefficients
def _linear(basis: Basis, name: str, c: Any, axis: int, *args: Any, **kwargs: Any) -> Any:
    c = moveaxis(_series(c), axis, 0)
    n = degree(c, f"{basis.prefix}{name}")
    matrix = np.stack([np.atleast_1d(_padded(basis.numpy(name)(unit, *args, **kwargs), n + 8 * 2)) for unit in np.eye(n)], axis=1)
    size = len(np.atleast_1d(basis.numpy(name)(np.ones(n), *args, **kwargs)))
    return moveaxis(np.tensordot(matrix[:size], c, 1), 0, axis)


def _padded(c: Any, n: int) -> Any:
    return np.concatenate([c, np.zeros(max(n - len(c), 0))])


def _derivative(basis: Basis) -> Callable[..., Any]:
    return lambda c, m=1, scl=1, axis=0: _scaled(_linear(basis, "der", c, axis, m), scl, m)


def _scaled(c: Any, scl: Any, m: int) -> Any:
    return c if not isinstance(scl, Arrayed) and type(scl) in (int, float) and scl == 1 else c * scl**m


def _integral(basis: Basis) -> Callable[..., Any]:
    def integral(c: Any, m: int = 1, k: Any = (), lbnd: Any = 0, scl: Any = 1, axis: int = 0) -> Any:
        if m < 0:
            raise ValueError(f"The order of integration must be non-negative ({user_site()})")
        constants = list(k) if isinstance(k, (list, tuple, Arrayed)) else [k]
        if len(constants) > m:
            raise ValueError(f"Too many integration constants ({user_site()})")
        c = moveaxis(_series(c), axis, 0)
        for i in range(m):
            c = _scaled(_linear(basis, "int", c, 0), scl, 1)
            at = _value(basis, as_array(lbnd) * 1.0, c)
            c = concatenate([(c[0] + ((constants[i] if i < len(constants) else 0.0) - at))[None], c[1:]])
        return moveaxis(c, 0, axis)

    return integral


# ---- arithmetic
def _sum(fn: Any) -> Callable[..., Any]:
    def add(c1: Any, c2: Any) -> Any:
        x, y = _series(c1), _series(c2)
        n, m = degree(x, "a sum"), degree(y, "a sum")
        x, y = (concatenate([v, zeros(max(n, m) - k, v.dtype)]) if k < max(n, m) else v for v, k in ((x, n), (y, m)))
        return fn(x, y)

    return add


def _product(basis: Basis) -> Callable[..., Any]:
    def mul(c1: Any, c2: Any) -> Any:
        x, y = _series(c1), _series(c2)
        if basis is POWER:
            return np.convolve(x, y)
        n, m = degree(x, "a product"), degree(y, "a product")
        products = [[_padded(basis.numpy("mul")(p, q), n + m - 1) for q in np.eye(m)] for p in np.eye(n)]
        return np.einsum("ijk,i,j->k", np.array(products), x, y)

    return mul


def _power(basis: Basis) -> Callable[..., Any]:
    def power(c: Any, pow: int, maxpower: Any = None) -> Any:  # NumPy's
        if pow < 0 or pow != int(pow):
            raise ValueError(f"Power must be a non-negative integer. ({user_site()})")
        found: Any = ones(1)
        for _ in range(int(pow)):
            found = _product(basis)(found, c)
        return found

    return power


def _from_roots(basis: Basis) -> Callable[..., Any]:
    def from_roots(roots: Any) -> Any:
        roots = _series(roots)
        found: Any = ones(1, roots.dtype)
        for i in range(degree(roots, "a product of roots")):
            zero = zeros(1, roots.dtype)
            found = concatenate([zero, found]) - concatenate([found * roots[i], zero])
        return found if basis is POWER else _from_powers(basis)(found)

    return from_roots


def _times_x(basis: Basis) -> Callable[..., Any]:
    return lambda c: _linear(basis, "mulx", c, 0)


def _changed(basis: Basis, name: str, c: Any) -> Any:
    """Coefficients of another basis: a product with what NumPy's function makes of each unit vector."""
    c = _series(c)
    n = degree(c, "a change of basis")
    fn = getattr(importlib.import_module(f"numpy.polynomial.{basis.module}"), name)
    return np.stack([_padded(fn(unit), n) for unit in np.eye(n)], axis=1) @ c


def _from_powers(basis: Basis) -> Callable[..., Any]:
    return lambda pol: _changed(basis, f"poly2{basis.prefix}", pol)


def _to_powers(basis: Basis) -> Callable[..., Any]:
    return lambda c: _changed(basis, f"{basis.prefix}2poly", c)


def _fit(basis: Basis) -> Callable[..., Any]:
    def fit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None) -> Any:
        x, y = float_array(x), float_array(y)
        if not isinstance(x, Arrayed) or x.ndim != 1:
            raise TypeError(f"expected 1D vector for x ({user_site()})")
        degrees = sorted(int(d) for d in deg) if isinstance(deg, (list, tuple, np.ndarray)) else list(range(int(deg) + 1))
        columns = _vander(basis)(x, degrees[-1])
        all_of_them = degrees == list(range(degrees[-1] + 1))
        _, found, rest, rank, singular, rcond, _ = fitted(columns if all_of_them else columns[:, degrees], y, w, rcond)
        if not all_of_them:
            out = zeros((degrees[-1] + 1, *shape_of(found)[1:]), found.dtype)
            out[np.array(degrees)] = found
            found = out
        return (found, [rest, rank, singular, rcond]) if full else found

    return fit


for _b in BASES:
    for _suffix, _make in (("val", _values), ("vander", _vander), ("der", _derivative), ("int", _integral), ("mul", _product), ("pow", _power),
                           ("fromroots", _from_roots), ("fit", _fit)):  # fmt: skip
        implements(_name(_b, _suffix))(_make(_b))
    for _count in (2, 3):
        implements(_name(_b, f"val{_count}d"))(_on_points(_b, _count))
        implements(_name(_b, f"grid{_count}d"))(_on_grids(_b, _count))
        implements(_name(_b, f"vander{_count}d"))(_vander_of(_b, _count))
    implements(_name(_b, "add"))(_sum(np.add))
    implements(_name(_b, "sub"))(_sum(np.subtract))
    implements(_name(_b, "mulx"))(_times_x(_b))
    if _b is not POWER:
        implements(f"np.polynomial.{_b.module}.poly2{_b.prefix}")(_from_powers(_b))
        implements(f"np.polynomial.{_b.module}.{_b.prefix}2poly")(_to_powers(_b))


@implements("np.polynomial.polynomial.polydiv")
def polydiv(c1: Any, c2: Any) -> Any:
    quotient, rest = np.polydiv(_series(c1)[::-1], _series(c2)[::-1])
    return quotient[::-1], rest[::-1]


@implements("np.polynomial.polynomial.polyvalfromroots")
def polyvalfromroots(x: Any, r: Any, tensor: bool = True) -> Any:
    x, r = as_array(x), _series(r)
    if isinstance(x, Arrayed) and tensor:
        r = expand(r, range(r.ndim, r.ndim + x.ndim))
    return np.prod(x - r, axis=0)
