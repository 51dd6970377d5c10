"""Calls of NumPy's functions that are seldom used, by family: test_names.py traces all of a family in one program.

Each is given the arrays of `given()`. Results of SMOOTH are differentiated by the float arrays.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.polynomial as P
from numpy.lib.stride_tricks import as_strided, sliding_window_view

Call = Callable[[Any], Any]


def given() -> dict[str, Any]:
    g = np.random.default_rng(3)
    x, v = g.normal(size=(3, 4)), g.normal(size=5)
    holes, gap = x.copy(), v.copy()
    holes[0, 1] = holes[2, 3] = gap[2] = np.nan
    return {
        "x": x, "y": g.normal(size=(3, 4)), "v": v, "w": g.uniform(0.5, 1.5, 5), "t": np.sort(g.normal(size=6)), "sq": g.normal(size=(3, 3)),
        "c": g.normal(size=4), "cube": g.normal(size=(2, 3, 4)), "s": 1.3, "nx": holes, "nv": gap, "one": np.array([2.5]), "e": np.zeros(0),
        "rep": np.array([1.0, 2.0, 2.0, np.nan, 1.0, np.nan]), "f4": v.astype(np.float32), "n": np.array([3, 1, 2, 3, 0, 5]), "k": 2,
        "m": g.integers(0, 3, (4, 2)), "i3": np.array([2, 0, 1]), "i4": np.array([3, 1, 2, 3, 0, 5], np.int32), "b": np.array([True, False, True, True, False]),
    }  # fmt: skip


def changed(a: Any, write: Callable[[Any], Any]) -> Any:
    """A copy of an array that `write` has written into."""
    a = a.copy()
    write(a)
    return a


VALUES: dict[str, list[Call]] = {
    "nans": [
        lambda d: (np.nansum(d.nx, axis=(0, 1), keepdims=True), np.nansum(d.n), np.nansum(d.e), np.nansum(d.b), np.nanprod(d.i4), np.nansum(d.nx, where=d.nx > 0)),
        lambda d: (np.nanmean(d.f4), np.nanmean(d.nx, axis=0, keepdims=True), np.nanvar(d.nx, axis=0, ddof=2), np.nanstd(d.n), np.nanmax(d.n), np.nanmax(d.nx, initial=0.5, axis=0)),
        lambda d: (np.nanargmax(d.nx, axis=1), np.nanargmin(d.nx), np.nancumsum(d.nx, axis=-1), np.nancumprod(d.n), np.nanmin(d.nx[:, :1] * np.nan, axis=0)),
        lambda d: (np.nanmedian(d.nx, axis=0, keepdims=True), np.nanquantile(d.nx, [0.2, 0.4], axis=(0, 1), keepdims=True), np.nanpercentile(d.nx, 40, axis=1, method="lower")),
    ],
    "quantiles": [
        lambda d: (np.percentile(d.n, 50, method="lower"), np.percentile(d.f4, [25, 50]), np.percentile(d.nv, 50), np.quantile(d.v, [[0.0], [1.0]]), np.quantile(d.i4, 0.5)),
        lambda d: [np.quantile(d.v, 0.3, method=how) for how in ("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen")],
        lambda d: [np.quantile(d.v, 0.3, method=how) for how in ("weibull", "median_unbiased", "normal_unbiased", "higher", "midpoint", "nearest")],
        lambda d: (np.quantile(d.x, [0.4, 0.5], axis=0, weights=np.abs(d.y), method="inverted_cdf"), np.nanquantile(d.nx, 0.4, axis=1, weights=np.abs(d.y), method="inverted_cdf")),
        lambda d: (np.cov(d.f4), np.cov(d.n, bias=True), np.cov(d.x, d.y, ddof=0), np.cov(d.x.T, rowvar=False, fweights=np.array([1, 2, 1, 3])), np.corrcoef(d.v)),
    ],
    "counting": [
        lambda d: (np.histogram(d.v, bins=d.k), np.histogram(d.v, bins="auto"), np.histogram(d.e, bins=3), np.histogram(d.n, bins=5), np.histogram(d.f4, bins=3, range=(-1, 1), density=True)),
        lambda d: (np.histogram(d.x, bins=d.t), np.histogram_bin_edges(d.v, 4), np.histogram2d(d.v, d.w, bins=(3, 4), range=[[-1, 1], [0, 2]]), np.histogramdd(d.x[:, :2], bins=2, density=True)),
        lambda d: (np.bincount(d.n), np.bincount(d.n[:0], minlength=3), np.bincount(d.i4, np.arange(6.0), 8), np.digitize(d.v, d.t[::-1]), np.digitize(d.s, [0.0, 1.0], right=True)),
        lambda d: (np.unique(d.rep), np.unique(d.rep, return_counts=True, equal_nan=False), np.unique(d.n, True, True, True), np.unique(d.m, axis=0, return_inverse=True), np.unique(d.e)),
        lambda d: (np.unique_counts(d.n), np.unique_inverse(d.m), np.unique_all(d.n), np.sort(np.unique_values(d.n)), np.isin(d.m, [1, 7]), np.isin(d.nv, d.nv, invert=True), np.isin(d.s, d.e)),
        lambda d: (np.intersect1d(d.n, d.i3, return_indices=True), np.union1d(d.n, d.v), np.setdiff1d(d.n, d.e), np.setdiff1d(d.n, d.i3, True), np.setxor1d(d.n, d.i3)),
        lambda d: (np.lexsort((d.v, d.n[:5], d.b)), np.lexsort(d.x), np.partition(d.v, 2)[2], d.v[np.argpartition(d.v, 2)][2], d.v[d.v.argpartition(1)[1]], changed(d.v, lambda q: q.partition(2))[2]),
    ],
    "places": [
        lambda d: (changed(d.v, lambda q: np.put(q, [0, 12], d.s, mode="clip")), changed(d.x, lambda q: np.put(q[:, 1:], [0, -1], [d.s, 2.0])), changed(d.n, lambda q: q.put([1, -1], [7, 8]))),
        lambda d: (changed(d.v, lambda q: np.place(q, q > 0, [1.0, d.s])), changed(d.n, lambda q: np.putmask(q, q > 1, 2.5)), changed(d.v, lambda q: np.putmask(q, q > 0, d.t))),
        lambda d: (changed(d.x, lambda q: np.copyto(q, d.c, where=q > 0)), changed(d.x.T, lambda q: np.fill_diagonal(q, d.v)), changed(np.zeros((6, 3)), lambda q: np.fill_diagonal(q, d.s, wrap=True))),
        lambda d: (changed(np.zeros((2, 2, 2)), lambda q: np.fill_diagonal(q, d.s)), np.extract(d.x > 0, d.y), np.choose(d.b.astype(int), [d.v, d.w]), (d.n % 2).choose([d.t, -d.t])),
        lambda d: (np.choose(np.array([0, 5, -1]), [d.i3, d.i3 * 2], mode="wrap"), np.compress([0, 1], d.x, axis=0), np.repeat(d.t, d.n), np.repeat(d.x, d.i3, axis=0), d.v.repeat(d.n[:5])),
        lambda d: (d.x[np.ix_(d.i3, d.x[0] > 0)], d.sq[np.tril_indices(d.k + 1, -1)], d.sq[np.triu_indices(d.k + 1)], d.sq[np.diag_indices(d.k + 1)], d.sq[np.diag_indices_from(d.sq)]),
        lambda d: (d.x[np.tril_indices_from(d.x, 1)], d.x[np.triu_indices_from(d.x)], np.unravel_index(np.argmax(d.x), d.x.shape), np.unravel_index(d.i3, (2, 2), order="F")),
        lambda d: (np.ravel_multi_index((d.i3, d.i3), (3, 2), mode="clip"), np.indices((d.k, 3)), np.indices((d.k, 2), sparse=True), np.mgrid[0 : d.k, 0:1:3j], np.ogrid[0 : d.s : 0.5, 1:3], np.mgrid[0 : d.s : 4j]),
        lambda d: (np.r_["0,2", d.v, d.w], np.r_["-1", d.x, d.y], np.r_["0,2,0", d.v, d.w], d.x.strides, d.x[::2, 1:].strides, d.v.view()[1]),
    ],
    "edits": [
        lambda d: (np.insert(d.n, 1, 2.7), np.insert(d.x, 1, d.i3, axis=1), np.insert(d.x, [1, 1, 3], d.s, axis=1), np.insert(d.v, d.b, d.s), np.insert(d.v, -d.k, d.w), np.insert(d.e, 0, d.s)),
        lambda d: (np.insert(d.v, slice(0, 3), d.s), np.delete(d.v, d.k), np.delete(d.v, []), np.delete(d.v, d.v > 0), np.delete(d.v, d.i3), np.delete(d.v, slice(-2, None)), np.delete(d.x, [0, 3], axis=1)),
        lambda d: (np.delete(d.v, slice(None, None, 2)), np.resize(d.v, (2, 7)), np.resize(d.e, 3), np.rollaxis(d.cube, 2), np.diagflat(d.x, 1), np.unstack(d.x, axis=1), np.trim_zeros(d.n, "f")),
        lambda d: (np.hsplit(d.x, 2), np.vsplit(d.x, 3), np.dsplit(d.cube, 2), np.roll(d.v, (1, 2)), np.cross(d.x[:, :2], d.y[:, :3]), np.einsum(d.x, [0, 1], d.y, [2, 1], [0, 2])),
        lambda d: (np.pad(d.n, (1, 2), mode="linear_ramp", end_values=9), np.pad(d.n, 2, mode="median"), np.pad(d.x, ((1, 2), (0, 3)), mode="mean", stat_length=((1, 2), (2, 2)))),
        lambda d: (np.pad(d.v, 11, mode="reflect", reflect_type="odd"), np.pad(d.v, 11, mode="symmetric", reflect_type="odd"), np.pad(d.one, 3, mode="symmetric"), np.pad(d.v, {0: (1, 2)})),
        lambda d: (np.pad(d.v, (1, 2), constant_values=(1, 2)), np.pad(d.v, 2, mode="minimum"), np.pad(d.v, 2, mode="maximum"), np.pad(d.v, 1, mode="empty")[1:-1]),
    ],
    "polynomials": [
        lambda d: (np.vander(d.n, 3), np.vander(d.e), np.vander(d.v, 0), np.polyadd(d.n, d.i3), np.polysub(d.i3, d.n), np.polymul(d.n, d.i3), np.polydiv(d.v, d.c[:3]), np.polydiv(d.c, d.v)),
        lambda d: (np.polyder(d.n, 2), np.polyint(d.n, 2, k=[1.0, 2.0]), np.poly(d.e), np.poly(d.n), np.roots([1.0, -3.0 * d.s, d.s]), np.polyfit(d.n, d.t, 1, cov=True), np.polyfit(d.v, np.stack([d.w, d.v], 1), 2, w=d.w)),
        lambda d: [(b[0](d.n, [1, 2, 3]), b[1](d.x, axis=1), b[2](d.c, 2, [1.0, d.s], lbnd=0.5, scl=2.0), b[3](d.c, d.v), b[4](d.c, 2), b[5](d.v, 2)) for b in SERIES],
        lambda d: [(b[6](d.v, d.w, d.x), b[7](d.v, d.w, d.x), b[8](d.v, d.w, (1, 2)), b[9](d.v, d.w, [0, 2]), b[10](d.c), b[11](d.v), b[12](d.v, d.c), b[13](d.c, d.v)) for b in SERIES],
        lambda d: [(c[0](d.c), c[1](d.c)) for c in CHANGES] + [P.polynomial.polyvalfromroots(d.x, d.c), P.polynomial.polydiv(d.v, d.c[:2])],
        lambda d: [(b[14](d.v, d.w, d.v, d.cube), b[15](d.v, d.w, d.v, d.cube), b[16](d.v, d.w, d.v, (1, 0, 2))) for b in SERIES[:2]],
    ],
    "sequences": [
        lambda d: (np.hanning(d.k + 3), np.hamming(d.k - 1), np.blackman(d.k + 4), np.bartlett(d.k + 3), np.kaiser(d.k + 3, d.s), np.hanning(5) * d.s, np.i0(d.v * 20)),
        lambda d: (np.logspace(0, d.s, 4), np.logspace(0, 3, d.k, base=2.0), np.geomspace(-1, -10 * d.s, 4), np.geomspace(d.s, 1000, 4, endpoint=False)),
        lambda d: (sliding_window_view(d.x, (2, 2)), sliding_window_view(d.n, d.k), as_strided(d.x, (2, 3, 2), (*d.x.strides, d.x.strides[1])), as_strided(d.v[1:], (2, 3), (8, 8))),
        lambda d: [(np.correlate(d.v, d.c[:3], how), np.correlate(d.c, d.v, how), np.correlate(d.c[:2], d.v, how)) for how in ("valid", "same", "full")],
        lambda d: (np.ediff1d(d.x, 7.0, [1.0]), np.unwrap(d.n, period=4), np.unwrap(d.x * 5, axis=0, discont=4.0), np.cumulative_sum(d.x, axis=1), np.cumulative_prod(d.n, include_initial=True)),
        lambda d: (np.gradient(d.x, d.i3 * 2.0 + d.i3**2, d.t[:4], edge_order=2), np.array(range(d.k)) + d.v[0], d.v + range(5), np.where(d.v > 0, range(5), 0), np.dot(d.v, range(5))),
    ],
    "elements": [
        lambda d: (np.frexp(d.v), np.frexp(d.f4), np.frexp(np.array([0.0, -8.0, np.inf, 1e-310, 1e308]) + 0 * d.s), np.modf(d.nv), np.modf(d.n), np.bitwise_count(d.n).astype(int)),
        lambda d: (np.spacing(np.array([0.0, -1.0, 1e308, 1e-310, np.inf]) + 0 * d.s), np.spacing(d.f4), np.nextafter(d.f4, np.float32(2.0)), np.nextafter(LIMITS + 0 * d.s, TOWARDS)),
        lambda d: (np.gcd(d.n, 6), np.gcd(d.k, 6), np.lcm(d.i4, d.i4[::-1]), np.gcd.reduce(d.n), np.ldexp(np.array([0.5, 1.0, 1e-300]) + 0 * d.s, np.array([1024, -1074, 1990])), np.logaddexp2(d.v, -d.v)),
        lambda d: (np.imag(d.v), np.conjugate(d.v), np.conj(d.n), np.angle(d.v, deg=True), np.iscomplex(d.v), np.isreal(d.v), np.real_if_close(d.v), np.isposinf(d.v / 0), np.isneginf(d.v / 0), np.fix(d.v)),
        lambda d: (np.maximum.accumulate(d.x, axis=1), np.add.reduceat(d.x, [0, 2, 1], axis=1), np.bitwise_and.reduce(d.n[:0]), np.logical_xor.reduce(d.b), np.fmin.reduce(d.nx), np.hypot.reduce(d.v)),
        lambda d: (changed(d.v, lambda q: np.multiply.at(q, [0, 0], d.s)), changed(d.x, lambda q: np.maximum.at(q, ([0, 1], [2, 2]), d.s)), changed(d.v, lambda q: np.negative.at(q, [0, 1]))),
        lambda d: (np.astype(d.v, np.float32), np.matrix_transpose(d.cube), np.matvec(d.cube, d.c), np.vecmat(d.v[:3], d.sq), np.asfortranarray(d.x), np.require(d.n, float, "C"), np.asarray_chkfinite(d.v), np.array_equiv(d.x, d.x[0])),
        lambda d: (np.array_equal(d.v, d.v[: d.n[1]]), np.array_equal(d.v, "a"), np.max(d.e, initial=d.s), changed(d.x, lambda q: setattr(q, "flat", d.v))),
    ],
    "calls": [
        lambda d: (np.apply_along_axis(lambda r: r / np.sum(r), 1, d.x), np.apply_along_axis(np.diff, 0, d.cube), np.apply_along_axis(np.max, 1, d.x), np.apply_over_axes(np.sum, d.cube, [0, 2])),
        lambda d: (np.piecewise(d.x, [d.x < -0.5, d.x > 0.5], [0, 1, lambda q: q + 0.5]), np.piecewise(d.v, [d.v > 0], [lambda q, a: q * a, lambda q, a: a], d.s)),
        lambda d: (np.vectorize(lambda q, r: q if q > r else r)(d.v[:, None], d.w), np.vectorize(lambda q, r: q @ r, signature="(n),(n)->()")(d.x, d.y)),
        lambda d: (np.fromfunction(lambda i, j: i * d.s + j, (3, 3)), np.fromiter((q * 2 for q in d.v), float), np.vectorize(lambda q: q * 2)(d.s)),
        lambda d: ([q * i[0] for i, q in np.ndenumerate(d.x)], [d.v[i] + j for i, j in np.ndindex(*d.x.shape)], [q + 1 for q in np.nditer(d.v)], np.array([r / np.sum(r) for r in d.x])),
    ],
}  # fmt: skip

LIMITS = np.array([0.0, -0.0, 1.0, -1.0, np.inf, np.nan, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308])
TOWARDS = np.array([1.0, -1.0, 0.0, -5.0, 0.0, 1.0, 0.0, 0.0, np.inf])
_BASES = {"polynomial": "poly", "chebyshev": "cheb", "legendre": "leg", "hermite": "herm", "hermite_e": "herme", "laguerre": "lag"}
_FUNCTIONS = (
    "val",
    "der",
    "int",
    "mul",
    "pow",
    "vander",
    "val2d",
    "grid2d",
    "vander2d",
    "fit",
    "mulx",
    "fromroots",
    "add",
    "sub",
    "val3d",
    "grid3d",
    "vander3d",
)
SERIES = [[getattr(getattr(P, module), prefix + name) for name in _FUNCTIONS] for module, prefix in _BASES.items()]
CHANGES = [[getattr(getattr(P, m), f"{p}2poly"), getattr(getattr(P, m), f"poly2{p}")] for m, p in _BASES.items() if p != "poly"]

SMOOTH: dict[str, list[Call]] = {
    "statistics": [
        lambda d: (np.nansum(d.nx * d.s, axis=0), np.nanprod(d.nx * d.s), np.nanmean(d.nx * d.s, axis=1), np.nanvar(d.nx * d.s, axis=1), np.nanstd(d.nx * d.s), np.nanmax(d.nx * d.s, axis=1)),
        lambda d: (np.nancumsum(d.nx * d.s, axis=1), np.nanmedian(d.nx * d.s, axis=1), np.quantile(d.x, [0.3, 0.6], axis=1), np.percentile(d.v, 30 * d.s, method="hazen"), np.cov(d.x, d.y)),
        lambda d: (np.corrcoef(d.x), np.cov(d.x, aweights=d.w[:4]), np.bincount(d.n, d.t), np.histogram(d.v, bins=[-3.0, 0.0, 3.0], weights=d.w)[0], np.unique(d.v * d.s)),
    ],
    "arranging": [
        lambda d: (changed(d.v, lambda q: np.put(q, [0, 2], d.w[:2])), changed(d.v, lambda q: np.place(q, q > 0, d.w)), changed(d.x, lambda q: np.copyto(q, d.c, where=q > 0)), np.choose(d.i3 % 2, [d.v[:3], d.w[:3]])),
        lambda d: (changed(d.sq, lambda q: np.fill_diagonal(q, d.s)), np.extract(d.x > 0, d.y), np.insert(d.v, [1, 3], d.w[:2]), np.insert(d.x, 1, d.c, axis=0), np.delete(d.x, 1, axis=1), np.resize(d.v, 8)),
        lambda d: (np.pad(d.v, 2, mode="linear_ramp"), np.pad(d.v, 2, mode="mean"), np.pad(d.v, 3, mode="reflect", reflect_type="odd"), np.repeat(d.t, d.n), np.diagflat(d.v), np.trim_zeros(d.v)),
        lambda d: (np.piecewise(d.v, [d.v > 0], [lambda q: q**2, lambda q: q**3]), np.apply_along_axis(lambda r: r / np.sum(r * r), 1, d.x), np.vectorize(lambda q: q * q if q > 0 else d.s * q)(d.v)),
    ],
    "sequences": [
        lambda d: (np.kaiser(6, d.s), np.i0(d.v), np.i0(d.w * 30) / np.i0(30.0), np.logspace(0, d.s, 4), np.geomspace(d.w[0], d.s, 4), np.logaddexp2(d.v, d.w), np.frexp(d.v)[0], np.modf(d.v)[0]),
        lambda d: (sliding_window_view(d.x, 2, axis=1), as_strided(d.v, (3, 3), (8, 8)), np.correlate(d.v, d.c, "same"), np.ediff1d(d.v), np.unwrap(d.v * 5), np.cumulative_prod(d.c), np.gradient(d.t**2, d.t, edge_order=2)),
        lambda d: (np.polyfit(d.v, d.w, 2), np.polydiv(d.v, d.c[:2])[0], np.poly(d.c), np.polyint(d.c), np.vander(d.c, 3), P.chebyshev.chebval(d.v, d.c), P.legendre.legmul(d.c, d.v), P.laguerre.lagvander(d.c, 3)),
        lambda d: (P.hermite.hermval(d.s, d.c), P.hermite_e.hermeint(d.c), P.polynomial.polyfromroots(d.c), np.maximum.accumulate(d.v), np.hypot.reduce(d.v), np.multiply.reduceat(d.v, [0, 2]), np.cross(d.x[:, :2], d.y[:, :2])),
    ],
}  # fmt: skip

POLYNOMIALS = [
    lambda c, v, s: np.stack([P.Polynomial(c).deriv()(v), P.Polynomial(c).integ(1, [s])(v), (2.0 * P.Polynomial(c) / s - P.Polynomial([1.0, 2.0]) ** 2)(v)]),
    lambda c, v, s: np.stack([P.Chebyshev(c, domain=[0, 2]).deriv()(v), (P.Legendre([1.0, s]) * P.Legendre(c))(v), P.Polynomial([1.0, 2.0, 3.0])(v)]),
    lambda c, v, s: np.stack([P.Polynomial.fit(v, v**2 + s, 2)(v), P.Chebyshev.fit(v, np.sin(v), 2)(v), P.Polynomial.fromroots(c)(v)]),
    lambda c, v, s: np.stack([np.poly1d(c).deriv()(v), (np.poly1d(c) * np.poly1d([1.0, 2.0]) + s)(v), np.poly1d([1.0, 2.0])(v)]),
]  # fmt: skip


def called() -> set[str]:
    """The names that are called here, as they stand behind `np.` or, of methods, with the point."""
    text = Path(__file__).read_text()
    found = set(re.findall(r"\b(?:np|P)\.([\w.]+)[(\[]", text)) | set(re.findall(r"(\.\w+)", text))
    found |= {"mgrid", "ogrid", "lib.stride_tricks.sliding_window_view", "lib.stride_tricks.as_strided"}
    series = {f"{m}.{p}{name}" for m, p in _BASES.items() for name in _FUNCTIONS}
    series |= {f"{m}.{name}" for m, p in _BASES.items() for name in (f"{p}2poly", f"poly2{p}")}
    return found | {f"polynomial.{name}" for name in series | {name for name in found if name.startswith(tuple(_BASES))}}
