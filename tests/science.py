"""scipy.linalg, signal, ndimage, interpolate, integrate and numpy.linalg, a program for each family: what test_science.py walks through.

A case names the functions that it covers, as tests/array_rows.py does. Its arguments are differentiated, but for those that are `fixed`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate as sg
import scipy.interpolate as si
import scipy.linalg as sl
import scipy.ndimage as nd
import scipy.signal as ss
import scipy.spatial.distance as sd


@dataclass
class Case:
    covers: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    fixed: tuple[int, ...] = ()
    symmetric: bool = False  # it reads a triangle: directions are symmetric, too
    native: bool = False  # it has code of its own in the back end

    @property
    def name(self) -> str:
        return self.covers.split()[0]


CASES: list[Case] = []


def case(covers: str, f: Callable[..., Any], *args: Any, **facts: Any) -> None:
    CASES.append(Case(covers, f, args, **facts))


rng = np.random.default_rng(0)
n = 4
a, b, v, w = rng.normal(size=(n, n)), rng.normal(size=(n, n)), rng.normal(size=n), rng.normal(size=(6, 3))
s, sym = a @ a.T + n * np.eye(n), b + b.T
bands, right = rng.normal(size=(4, 7)) + np.array([[0.0], [5.0], [0.0], [0.0]]), rng.normal(size=(7, 2))
real = b @ np.diag([1, 2, 3.5, 5.0]) @ np.linalg.inv(b)
upper = np.triu(a) + np.diag([1, 3, 5, 7.0])

# ---- factors
case("linalg.lu", lambda a, w: (sl.lu(a), sl.lu(w), sl.lu(w.T, permute_l=True), sl.lu(w, p_indices=True)), a, w, native=True)
case(
    "linalg.lu_factor linalg.lu_solve",
    lambda a, b, w: (sl.lu_factor(w), sl.lu_factor(w.T), sl.lu_solve(sl.lu_factor(a), b), sl.lu_solve(sl.lu_factor(a), b[0], 1)),
    a,
    b,
    w,
    native=True,
)
case("linalg.ldl", lambda a, s: (sl.ldl(s), sl.ldl(a)), np.tril(sym) + np.tril(sym, -1).T, s, symmetric=True, native=True)
case(
    "linalg.qr",
    lambda a, w: (np.linalg.qr(w, "complete"), np.linalg.qr(w.T), np.linalg.qr(w, "r"), sl.qr(w.T, mode="economic"), sl.qr(a)),
    a,
    w,
)
case(
    "linalg.svd linalg.svdvals",
    lambda w: (np.linalg.svd(w, full_matrices=True).S, np.linalg.svd(w.T).S, np.linalg.svdvals(w), sl.svd(w, full_matrices=False)[1]),
    w,
    native=True,
)
case("linalg.eig linalg.eigvals", lambda a: (np.linalg.eigvals(a), np.abs(np.linalg.eig(a)[1])), real, native=True)
case(
    "linalg.cond linalg.matrix_rank linalg.pinv linalg.lstsq",
    lambda a, b: (
        np.linalg.cond(a),
        np.linalg.cond(a, -2),
        np.linalg.cond(a, 1),
        np.linalg.matrix_rank(a[:2]),
        np.linalg.pinv(np.stack([a[:2], b[:2]])),
        sl.pinv(a[:, :2]),
        sl.lstsq(a, b)[0],
    ),
    a,
    b,
)

# ---- equations
case(
    "linalg.solve_banded linalg.solveh_banded",
    lambda ab, b: (
        sl.solve_banded((2, 1), ab, b),
        sl.solve_banded((2, 1), ab, b[:, 0]),
        sl.solveh_banded(ab[:2], b),
        sl.solveh_banded(ab[1:3], b, lower=True),
    ),
    bands,
    right,
    native=True,
)
case(
    "linalg.solve_toeplitz linalg.matmul_toeplitz linalg.solve_circulant",
    lambda c, r, b: (sl.solve_toeplitz((c, r), b), sl.solve_toeplitz(c, b[:, 0]), sl.matmul_toeplitz((c, r), b), sl.solve_circulant(c, b)),
    v + np.array([5.0, 0, 0, 0]),
    v + 0.3 + np.array([5.0, 0, 0, 0]),
    b,
)
case(
    "linalg.solve_sylvester linalg.solve_continuous_lyapunov linalg.solve_discrete_lyapunov",
    lambda a, b, w: (
        sl.solve_sylvester(a, w.T @ w, b[:, :3]),
        sl.solve_continuous_lyapunov(a, b),
        sl.solve_discrete_lyapunov(a, b),
        sl.solve_discrete_lyapunov(a, b, method="bilinear"),
    ),
    a,
    b,
    w,
    native=True,
)
case(
    "linalg.solve linalg.eigvalsh linalg.polar linalg.orthogonal_procrustes linalg.khatri_rao",
    lambda s, u, b: (
        sl.solve(s, b, assume_a="pos"),
        sl.solve(s, b, assume_a="sym", lower=True),
        sl.solve(u, b, transposed=True),
        sl.solve(u, b, assume_a="upper triangular"),
        sl.eigvalsh(s),
        sl.polar(u),
        sl.polar(u, "left"),
        sl.orthogonal_procrustes(u, b),
        sl.khatri_rao(u, b),
    ),
    s,
    upper,
    b,
)
case(
    "linalg.tensorinv linalg.tensorsolve",
    lambda x, y: (np.linalg.tensorinv(x, ind=1), np.linalg.tensorsolve(x.reshape(2, 3, 6), y)),
    rng.normal(size=(6, 2, 3)),
    rng.normal(size=(2, 3)),
)
case(
    "linalg.outer linalg.matmul linalg.matrix_transpose linalg.tensordot linalg.diagonal linalg.trace linalg.cross linalg.vecdot linalg.matrix_norm"
    " linalg.vector_norm",
    lambda x, y: (
        np.linalg.outer(x[0], y[0]),
        np.linalg.matmul(x, y.T),
        np.linalg.matrix_transpose(x),
        np.linalg.tensordot(x, y),
        np.linalg.diagonal(x, offset=1),
        np.linalg.trace(x),
        np.linalg.cross(x, y),
        np.linalg.vecdot(x, y, axis=0),
        np.linalg.matrix_norm(x),
        np.linalg.matrix_norm(x, ord=1, keepdims=True),
        np.linalg.vector_norm(x),
        np.linalg.vector_norm(x, axis=1, keepdims=True, ord=3),
        np.linalg.vector_norm(x, keepdims=True),
    ),
    rng.normal(size=(4, 3)),
    rng.normal(size=(4, 3)),
)

# ---- matrices
case(
    "linalg.block_diag linalg.toeplitz linalg.hankel linalg.circulant linalg.companion linalg.leslie linalg.fiedler linalg.convolution_matrix",
    lambda v, a, w: (
        sl.block_diag(a, w, v),
        sl.toeplitz(v),
        sl.toeplitz(v, w[:, 0]),
        sl.hankel(v),
        sl.hankel(v, w[:, 1]),
        sl.circulant(v),
        sl.companion(v),
        sl.leslie(v, v[1:]),
        sl.fiedler(v),
        *(sl.convolution_matrix(v, 6, mode) for mode in ("full", "same", "valid")),
    ),
    v,
    a,
    w,
)
case(
    "linalg.expm linalg.expm_frechet linalg.cosm linalg.sinm linalg.tanm linalg.coshm linalg.sinhm linalg.tanhm",
    lambda a, b: (
        *(sl.expm(a), sl.expm(b * 5.0), sl.expm(np.stack([a, a * 0.1]))),
        *(sl.expm_frechet(a, b), sl.cosm(a), sl.sinm(a), sl.tanm(a), sl.coshm(a), sl.sinhm(a), sl.tanhm(a)),
    ),
    a,
    b,
)
case(
    "linalg.sqrtm linalg.logm linalg.fractional_matrix_power",
    lambda a, s: (sl.sqrtm(s), sl.sqrtm(s + 0.3 * a), sl.logm(s), sl.logm(s + 0.3 * a), sl.fractional_matrix_power(s, 0.3)),
    a,
    s,
    native=True,
)

# ---- signals
MODES = ("full", "same", "valid")
x, y, e, X, W = rng.normal(size=12), rng.normal(size=5), rng.normal(size=4), rng.normal(size=(5, 6)), rng.normal(size=(3, 3))
V = rng.normal(size=(2, 4))
numerator, denominator = ss.butter(3, 0.3)
sections = ss.butter(4, 0.3, output="sos")
case(
    "signal.convolve signal.correlate signal.fftconvolve signal.oaconvolve",
    lambda x, y, e: [f(p, q, m) for f in (ss.convolve, ss.correlate, ss.fftconvolve) for p, q in ((x, y), (e, x)) for m in MODES],
    x,
    y,
    e,
)
case(
    "signal.convolve2d signal.correlate2d",
    lambda X, V: [
        f(X, V, m, ends) for f in (ss.convolve2d, ss.correlate2d) for m, ends in zip(MODES, ("fill", "wrap", "symm"), strict=True)
    ],
    X,
    V,
)
case(
    "signal.lfilter signal.lfilter_zi",
    lambda x, b, a, X: (ss.lfilter(b, a, x), ss.lfilter(b, [1.0], X, axis=0), ss.lfilter(b, a, x, zi=ss.lfilter_zi(b, a) * x[0])),
    x,
    numerator,
    denominator,
    X,
)
case(
    "signal.filtfilt signal.sosfilt signal.sosfilt_zi signal.sosfiltfilt",
    lambda x, X, b, a: (
        ss.filtfilt(b, a, x, padlen=3),
        ss.filtfilt(b, a, X, axis=0, padlen=2, padtype="even"),
        ss.sosfilt(sections, X, axis=0),
        ss.sosfilt(sections, x, zi=ss.sosfilt_zi(sections) * x[0]),
        ss.sosfiltfilt(sections, np.concatenate([x, x])),
    ),
    x,
    X,
    numerator,
    denominator,
)
case(
    "signal.detrend signal.chirp signal.sawtooth signal.square signal.savgol_filter",
    lambda x, X: (
        ss.detrend(x),
        ss.detrend(X, axis=0),
        ss.detrend(X, type="constant"),
        ss.chirp(np.abs(x), 1.0, 2.0, 3.0),
        ss.sawtooth(x),
        ss.sawtooth(x, 0.5),
        ss.square(x),
        ss.savgol_filter(x, 5, 2),
        ss.savgol_filter(X, 3, 2, deriv=1, delta=0.5, axis=0),
        ss.savgol_filter(x, 7, 3, mode="nearest"),
    ),
    x,
    X,
)

# ---- images
ENDS = ("reflect", "constant", "nearest", "mirror", "wrap")
case(
    "ndimage.correlate1d ndimage.convolve1d ndimage.correlate ndimage.convolve",
    lambda X, e, V: [
        *(nd.correlate1d(X, e, mode=m, cval=1.5) for m in ENDS),
        nd.convolve1d(X, e, axis=0, origin=1),
        nd.correlate(X, V, mode="constant", origin=(0, 1)),
        nd.convolve(X, V, mode="wrap", origin=(-1, 0)),
    ],
    X,
    e,
    V,
)
case(
    "ndimage.gaussian_filter ndimage.gaussian_filter1d ndimage.uniform_filter ndimage.uniform_filter1d ndimage.sobel ndimage.prewitt ndimage.laplace"
    " ndimage.gaussian_laplace ndimage.gaussian_gradient_magnitude",
    lambda X, sigma: (
        nd.gaussian_filter(X, (0.7, 1.2), order=(0, 1), mode="wrap"),
        nd.gaussian_filter1d(X, sigma[0], order=2, radius=3),
        nd.uniform_filter(X, (2, 3), mode="mirror"),
        nd.sobel(X),
        nd.prewitt(X, axis=0),
        nd.laplace(X),
        nd.gaussian_laplace(X, 0.5),
        nd.gaussian_gradient_magnitude(X, 0.5),
    ),
    X,
    np.array([0.8]),
)
case(
    "ndimage.maximum_filter ndimage.minimum_filter ndimage.maximum_filter1d ndimage.minimum_filter1d ndimage.center_of_mass",
    lambda X: (
        nd.maximum_filter(X, 3),
        nd.minimum_filter(X, (2, 3), mode="wrap"),
        nd.maximum_filter1d(X, 3, axis=0, mode="constant", cval=0.1),
        nd.minimum_filter1d(X, 2),
        nd.center_of_mass(X + 3.0),
    ),
    X,
)
case(
    "ndimage.map_coordinates ndimage.shift ndimage.zoom ndimage.affine_transform",
    lambda X, C, M: (
        *(nd.map_coordinates(X, C, order=1, mode=m, cval=0.7) for m in ENDS),
        nd.map_coordinates(X, C, order=0, mode="reflect"),
        nd.shift(X, (0.3, -1.2), order=1),
        nd.zoom(X, (0.6, 2), order=1),
        nd.affine_transform(X, M, offset=(0.37, 0.21), order=1),
    ),
    X,
    rng.uniform(-3, 8, size=(2, 9)),
    np.array([[0.9, 0.2], [-0.1, 0.8]]),
)

# ---- integrals
x, y, Y, Z = np.sort(rng.uniform(0, 5, 7)) + np.arange(7), rng.normal(size=7), rng.normal(size=(7, 3)), rng.normal(size=(3, 7))
at, inside = rng.uniform(0.5, 10, 5), rng.uniform(x[0], x[-1], 5)
case(
    "integrate.trapezoid integrate.cumulative_trapezoid integrate.simpson integrate.cumulative_simpson integrate.fixed_quad",
    lambda y, x, Y, Z: (
        sg.trapezoid(y, x),
        sg.trapezoid(Y, dx=0.3, axis=0),
        sg.cumulative_trapezoid(y, x),
        sg.cumulative_trapezoid(Z, dx=0.1, initial=0),
        sg.simpson(y, x),
        sg.simpson(y[:6], x[:6]),
        sg.simpson(Y[:4], axis=0),
        sg.cumulative_simpson(y, x=x),
        sg.cumulative_simpson(Z[:, :6], dx=0.1, initial=1.0),
        sg.fixed_quad(lambda t: np.sin(t) * y[0], 0.0, y[1] + 2, n=6)[0],
    ),
    y,
    x,
    Y,
    Z,
)

# ---- interpolants, made outside and inside
SPLINE, ROWS, SHAPED, LINE = si.CubicSpline(x, y), si.CubicSpline(x, Z, axis=1), si.PchipInterpolator(x, Y), si.interp1d(x, y)
GRID, BSPLINE = (
    si.RegularGridInterpolator((np.array([0.0, 1, 2.5, 4]), np.array([-1.0, 0, 2])), rng.normal(size=(4, 3))),
    si.make_interp_spline(x, y),
)
case(
    "interpolate.PPoly.__call__ interpolate.PPoly.integrate interpolate.BSpline.__call__ interpolate.interp1d.__call__"
    " interpolate.RegularGridInterpolator.__call__",
    lambda v, inside: (
        SPLINE(v),
        SPLINE(v[0], 1),
        SPLINE.derivative()(v),
        ROWS(v),
        SHAPED(v.reshape(1, 5)),
        SPLINE.integrate(v[0], v[1]),
        GRID(np.stack([v * 0.3, v * 0.1], -1)),
        GRID((v * 0.3, v * 0.1)),
        LINE(inside),
        BSPLINE(v),
    ),
    at,
    inside,
)
case(
    "interpolate.CubicSpline interpolate.PchipInterpolator interpolate.Akima1DInterpolator interpolate.CubicHermiteSpline interpolate.PPoly",
    lambda x, y, Y, v: (
        si.CubicSpline(x, Y)(v),
        si.CubicSpline(x, y, bc_type="natural")(v, 1),
        si.CubicSpline(x, y, bc_type="clamped").c,
        si.CubicSpline(x, y, bc_type=((1, 0.3), (2, 0.5)))(v),
        si.CubicSpline(x[:3], y[:3]).integrate(1.0, 4.0),
        si.CubicSpline(x[:2], y[:2]).derivative()(v),
        si.PchipInterpolator(x, Y)(v),
        si.Akima1DInterpolator(x, y)(inside),
        si.CubicHermiteSpline(x, y, y * 0.5)(v),
        si.PPoly(Y[:3], x[:4])(v),
    ),
    x,
    y,
    Y,
    at,
)
case(
    "interpolate.interp1d interpolate.RegularGridInterpolator interpolate.interpn",
    lambda x, y, Z, G, p: (
        si.interp1d(x, Z)(p[0] + 5.0),
        si.interp1d(x, y, fill_value="extrapolate")(p[0] + 10),
        si.interp1d(x, y, bounds_error=False, fill_value=(1.0, 2.0))(p[0] - 4),
        si.interp1d(x, y, kind="cubic")(p[0] + 5.0),
        si.RegularGridInterpolator(GRID.grid, G)(p),
        si.interpn(GRID.grid, G[..., 0], p, method="nearest"),
        si.interpn(GRID.grid, G, p + 2, bounds_error=False, fill_value=None),
    ),
    x,
    y,
    Z,
    rng.normal(size=(4, 3, 2)),
    rng.uniform(0.1, 1.9, (6, 2)),
)

# ---- scipy.spatial.distance
rows, others, spread = (
    np.sin(np.arange(12.0) ** 2).reshape(4, 3) + 0.1,
    np.cos(np.arange(9.0) ** 2).reshape(3, 3) + 0.05,
    np.array([1.0, 2.0, 0.5]),
)
METRICS = [
    "euclidean",
    "sqeuclidean",
    "cityblock",
    "chebyshev",
    "cosine",
    "correlation",
    "braycurtis",
    "canberra",
    "seuclidean",
    "mahalanobis",
]
case(
    "spatial.distance.cdist spatial.distance.pdist spatial.distance.squareform",
    lambda X, Y, w: (
        [sd.cdist(X, Y, m) for m in METRICS],
        [sd.pdist(X, m) for m in METRICS[:-1]],
        sd.squareform(sd.pdist(X)),
        sd.squareform(sd.cdist(X, X, "sqeuclidean")),
        [sd.cdist(X, Y, m, w=w) for m in METRICS[:3]],
        sd.cdist(X, Y, "minkowski", p=3, w=w),
        sd.pdist(X, "seuclidean", V=w),
        sd.pdist(X, "mahalanobis", VI=np.diag(w)),
    ),
    rows,
    others,
    spread,
)
case(
    " ".join(f"spatial.distance.{m}" for m in (*METRICS, "minkowski")),
    lambda u, v, w: (
        [getattr(sd, m)(u, v) for m in METRICS[:-2]],
        sd.minkowski(u, v, 3),
        sd.seuclidean(u, v, w),
        sd.mahalanobis(u, v, np.diag(w)),
    ),
    rows[0],
    others[1],
    spread,
)
