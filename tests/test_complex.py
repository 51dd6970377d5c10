"""Complex numbers: values against NumPy, where they go, and their derivatives."""

from __future__ import annotations

import cmath
import pickle
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both, close

RNG = np.random.default_rng(5)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


def same(found: Any, wanted: Any, what: str = "") -> None:
    """Value, dtype and shape."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for k, w in wanted.items():
            same(found[k], w, f"{what}{k} ")
        return
    if isinstance(wanted, (tuple, list)):
        assert type(found) is type(wanted)
        for k, (f, w) in enumerate(zip(found, wanted, strict=True)):
            same(f, w, f"{what}{k} ")
        return
    f, w = np.asarray(found), np.asarray(wanted)
    assert f.shape == w.shape, what
    assert f.dtype == w.dtype or not w.ndim, what
    tolerance = 1e-5 if w.dtype in (np.complex64, np.float32) else 1e-11
    np.testing.assert_allclose(f, w, rtol=tolerance, atol=tolerance, err_msg=what)


def agrees(f: Any, *args: Any) -> None:
    """Interpreted and compiled it is what it is in plain Python, and writes what that writes."""
    own = [x.copy() if isinstance(x, np.ndarray) else x for x in args]
    wanted = f(*own)
    for found in both(f, *args).values():
        same(found, wanted)
    given = [x.copy() if isinstance(x, np.ndarray) else x for x in args]
    lj.jit(f)(*given)
    same(given, own)


# ---- values
UNARY = ("exp", "expm1", "exp2", "log", "log2", "log10", "log1p", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan",
         "arcsinh", "arccosh", "arctanh", "square", "reciprocal", "absolute", "conjugate", "negative", "positive", "isnan", "isinf", "isfinite",
         "angle", "real", "imag", "sign", "round", "isreal")  # fmt: skip


def test_functions_of_a_number_are_numpys() -> None:
    """With signed zeros on both sides of the cuts, and far out."""

    def f(z: Any) -> Any:
        return {name: getattr(np, name)(z) for name in UNARY}

    points = [complex(x, y) for x in (-2.5, -0.6, 0.4, 1.7) for y in (-1.2, -0.0, 0.0, 0.7)] + [
        1 + 1e-9j,
        25 - 3j,
        -30 + 0.5j,
        1e-12j,
        1e200 + 1e200j,
    ]
    with np.errstate(all="ignore"):
        z = np.array(points)
        wanted = f(z)
        for found in (lj.jit(f)(z), lj.jit(f, backend="python")(z)):
            for name in UNARY:
                same(np.asarray(found[name])[:-1], np.asarray(wanted[name])[:-1], name)
            assert found["absolute"][-1] == wanted["absolute"][-1]
        single = lj.jit(f, backend="python")(z[:16].astype(np.complex64))
        assert {name: x.dtype for name, x in single.items()} == {name: x.dtype for name, x in f(z[:16].astype(np.complex64)).items()}


def of_arrays(A: Any, B: Any, v: Any, x: Any, H: Any) -> Any:
    L = np.linalg
    return {
        "@": (A @ B, A @ v, v @ x, x @ A, A @ A.real, np.dot(v, v), A.dot(v), np.vdot(v, A[1]), np.vecdot(A, B[:, :4]), np.inner(v, x)),
        "products": (np.outer(v, x), np.kron(A[:2, :2], A[2:, 2:]), np.tensordot(A, B, 1), np.convolve(v, x), np.cross(v[:3], v[1:]),
                     np.einsum("ij,jk->ik", A, B), np.einsum("i,ij,j->", v.conj(), A, v), L.multi_dot([A, A, B]), np.multiply.outer(v, x)),
        "linalg": (L.solve(A, B), L.solve(A, v), L.solve(A.real, v), L.inv(A), L.det(A), *L.slogdet(A), L.cholesky(H), L.eigvalsh(H), L.norm(A),
                   L.norm(v, 1), L.norm(A, axis=0), L.matrix_power(A, 3), L.solve(np.stack([A, H]), v[:, None])),
        "reductions": (A.sum(0), A.mean(), A.var(), A.std(axis=1), A.prod(axis=0), np.cumsum(A, 1), np.cumprod(v), np.trace(A), np.diff(v),
                       np.sum(v, where=x > 0), np.add.reduce(v), np.average(v, weights=abs(x)), np.count_nonzero(v), np.any(v), np.all(A)),
        "shapes": (A.T.conj(), A.reshape(2, 8), A.ravel(), A.flatten(), A.swapaxes(0, 1), A[::-1, 1:], A[[0, 2]], A[x > 0], np.roll(v, 1), np.flip(v),
                   np.tile(v, 2), np.repeat(v, 2), np.pad(v, 1), np.diag(A), np.tril(A), np.rot90(A), np.take(v, [1, 2]), np.split(v, 2)[0],
                   np.concatenate([v, x]), np.stack([v, v * 2]), np.vstack([v, x]), np.broadcast_to(v, (2, 4)), np.meshgrid(v, x)[0]),
        "creation": (np.zeros(3, complex), np.ones_like(A), np.full(3, 1j), np.eye(3, dtype=complex), np.array([v[0], 2, x[1]]), np.array([1j, 2.0]),
                     A.astype(np.complex64), v.copy(), np.zeros_like(v, np.complex64), np.linspace(0, 1, 5) * 1j),
        "choice": (np.where(x > 0, v, 0), np.where(x > 0, x, 1j), np.isclose(A, A + 1e-9), np.allclose(A, A), A == A.T, A != A, v < v[1],
                   np.array_equal(A, A), np.nan_to_num(v), np.logical_and(v, x), np.nonzero(v)[0], np.iscomplex(v)),
        "powers": (np.power(v, 2.5), v**x, x**v, 2**v, v**-2, v**3, v**0, v**0.5, v**1j, np.round(A, 2)),
        "arithmetic": (v + 1, 1 - v, v * x, v / x, x / v, 2j / v, v / 3, -v, abs(v), v.real * v.imag, v * np.float32(2), v * 1),
    }  # fmt: skip


A, B, V, X = normal(4, 4), normal(4, 5), normal(4), RNG.normal(size=4)
MATRICES = A, B, V, X, A @ A.conj().T + np.eye(4)


def test_functions_of_arrays_are_numpys() -> None:
    same(lj.jit(of_arrays, backend="python")(*MATRICES), of_arrays(*MATRICES))


@pytest.mark.more
def test_functions_of_arrays_are_numpys_in_native_code() -> None:
    same(lj.jit(of_arrays)(*MATRICES), of_arrays(*MATRICES))


def ordered(x: Any, y: Any) -> Any:
    m, s = np.stack([x, y]), np.sort(x)
    return {
        "two": (np.maximum(x, y), np.minimum(x, y), np.fmax(x, y), np.fmin(x, y), np.clip(x, -0.5j, 1 + 0.5j), np.maximum(x, x.real)),
        "one of all": (np.max(x), x.min(), np.argmax(x), np.argmin(x), np.maximum.reduce(x), np.max(x, initial=0.5j), np.ptp(x), np.nanmax(x)),
        "along": (np.max(m, axis=0), np.argmin(m, axis=1), np.min(m, axis=1, keepdims=True), np.min(m, where=m.real > 0, initial=2), np.maximum.accumulate(x)),
        "sorted": (s, np.sort(m, axis=0), np.sort_complex(x.real), np.partition(x, 2)[2], x[np.argsort(x)], np.lexsort((x,)), np.median(x)),
        "searched": (np.searchsorted(s, y), np.searchsorted(s, y, side="right"), np.unique(x[~np.isnan(x)])),
    }  # fmt: skip


def test_their_order_is_numpys() -> None:
    """By real parts, then by imaginary ones. NaNs win in max and min, lose in fmax and fmin, and are sorted last: those of the real part behind others."""
    nan = np.nan
    points = [
        0,
        1,
        1j,
        -1,
        1 - 1j,
        complex(1, -np.inf),
        complex(np.inf, 0),
        2,
        nan,
        complex(1, nan),
        complex(nan, 1),
        complex(0, nan),
        complex(nan, nan),
    ]
    g = np.random.default_rng(0)
    for found in (lj.jit(ordered, backend="python"), lj.jit(ordered)):
        for known in (6, 8, 13, 13, 13):
            x, y = (np.array([points[i] for i in g.integers(0, known, 7)], complex) for _ in range(2))
            with np.errstate(all="ignore"):
                same(found(x, y), ordered(x, y))
    z = lj.jit(lambda z: (np.max(z), np.sort(z), np.argmin(z)))(np.array(points[1:4], np.complex64))
    same(z, (np.complex64(1), np.array([-1, 1j, 1], np.complex64), np.int64(2)))


def test_derivatives_through_their_order() -> None:
    def loss(z: Any, w: Any) -> Any:
        a = np.maximum(z, w) ** 2 + np.fmin(z, 2 * w)
        most = np.max(np.stack([z, w]), axis=0)
        return (
            (abs(np.sort(a) * np.arange(4)) ** 2).sum() + abs(most[1] * np.min(w) + np.median(z)) ** 2 + abs(np.ptp(w)) ** 2 * np.argmax(z)
        )

    z, w = normal(4), normal(4)
    lj.check_grads(loss, (z, w), order=2)
    # of equals the first, and of equal real parts the one with the greater imaginary part
    found = lj.jit(lj.grad(lambda z: (np.max(z) * (1 + 2j)).real))(np.array([1, 1 + 1j, 1 + 1j, -5]))
    same(found, np.array([0, 1 + 2j, 0, 0]))
    for back in both(lambda z: lj.vjp(np.max, z)[1](0.3 + 0.7j)[0], 0.3 - 0.2j).values():
        np.testing.assert_allclose(back, 0.3 + 0.7j)


def test_dtypes_are_numpys() -> None:
    def f(z: Any, x: Any, n: Any, w: complex) -> Any:
        return (
            z + x,
            z * n,
            z * w,
            z * 1.5,
            z * 1j,
            z.real,
            abs(z),
            x * 1j,
            x * w,
            n * 1j,
            z / n,
            z**2,
            z.sum(),
            z.mean(),
            np.exp(z),
            z[0] * x[0],
        )

    n, x, z = np.arange(1, 4), np.arange(1.0, 4.0), normal(3)
    for args in ((z, x.astype("f4"), n, 2j), (z.astype("c8"), x.astype("f4"), n.astype("i4"), 2j), (z.astype("c8"), x, n, 1 + 2j)):
        same(lj.jit(f)(*args), f(*args))


def test_cmath_and_complex() -> None:
    def f(z: complex, x: float) -> Any:
        r, phi = cmath.polar(z)
        return (
            cmath.exp(z), cmath.log(z), cmath.log(z, 3), cmath.sqrt(x - 5), cmath.phase(z), cmath.rect(r, phi), cmath.tanh(z), cmath.acos(x + 2), complex(x, 2),
            complex(z, x), complex(x), z.real, z.imag, z.conjugate(), abs(z), isinstance(z, complex), z == z.conjugate(), cmath.isclose(z, z + 1e-12), bool(z), r,
            sum([z, x, 1]),
        )  # fmt: skip

    agrees(f, 1.5 - 2j, 0.25)
    assert [type(x) for x in lj.jit(lambda z: (z, z.real, abs(z)))(1j)] == [complex, float, float]
    assert type(lj.jit(lambda z: z * z)(np.complex64(1j))) is np.complex64


# ---- where they go
def test_writes_go_where_numpys_go() -> None:
    def f(z: Any, m: Any) -> Any:
        w, row = z[1:], m[0]
        w[0] = 5
        z *= 2j
        z[::2] += 1
        z.real[0] = 7
        z.imag[:] = z.real
        z.real = z.imag * 2
        z.imag += 1
        z[1:] = z[:-1]
        z[abs(z) > 20] = 1j
        z[[0, 2]] = [1 + 1j, 3]
        np.add.at(z, np.array([1, 1]), 1 + 1j)
        row[...] = row[::-1] * m[1, 0]
        m.T[1] -= 3j
        flat = m.reshape(-1)
        flat[0] = 9
        for i in range(len(z)):
            z[i] = z[i] * z[i - 1] + i
        return w, z.sum(), m.T, flat.real

    z, m = normal(6), normal(2, 3)
    agrees(f, z, m)
    agrees(f, normal(12)[::2], np.asfortranarray(m))
    agrees(f, z.astype(np.complex64), m)
    z.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        lj.jit(lambda z: z.__setitem__(0, 1j))(z)


CAPTURED, NUMBER = normal(3), 2 - 1j


def test_control_flow_carries_them() -> None:
    def power(z: Any, n: int) -> Any:
        return 1 if n == 0 else z * power(z, n - 1)

    def f(z: Any, w: complex, x: float) -> Any:
        total, last, found = 0, 0.0, []
        for i in range(len(z)):
            total = total + z[i] * w if z[i].real > 0 else total - 1
            last = z[i]
            found.append(z[i] * CAPTURED[i % 3])
        k, pair = 0, {"a": w, "b": [z, x]}
        while abs(w) < 50:
            w, k = w * w + NUMBER, k + 1
            pair = {"a": w, "b": [pair["b"][0] * 1j, x]}
        some, rows = [], []
        for i in range(len(z)):
            if z[i].real > 0.1:
                some.append(z[i] * w)
            rows.append(z * i)
        listed = np.array(some).sum(), np.stack(rows)
        a = z if x > 0 else z[::-1] * 2
        b = x if x > 0 else 2j
        return total, last, found, k, pair, a, b, power(w, 3), [c for c in z[:2]], CAPTURED * x, len(z), z.dtype == complex, listed

    for x in (1.0, -1.0):
        agrees(f, normal(5), 1 + 0.5j, x)


def test_arrays_of_any_layout_containers_vmap_and_pickles() -> None:
    def f(p: dict[str, Any]) -> Any:
        return {"t": p["z"].T @ p["w"], "s": p["n"] * p["z"].sum()}

    z = normal(3, 4)
    for p in (
        {"z": z, "w": normal(3), "n": 2j},
        {"z": z[::-1, ::2], "w": normal(6)[::2], "n": np.complex64(1j)},
        {"z": z.astype(">c16"), "w": z[:, 0], "n": 2},
    ):
        same(lj.jit(f)(p), f(p))
    same(lj.vmap(lambda a, b: a * b + b.sum(), in_axes=(0, None))(z, z[0]), z * z[0] + z[0].sum())
    same(lj.vmap(lambda a: (lj.grad(lambda b: abs(b) ** 2)(a), a * 1j))(z[0]), (2 * z[0].conj(), z[0] * 1j))
    again = pickle.loads(pickle.dumps(lj.jit(_doubled)))
    same(again(z), z * 2j)
    compiled = lj.jit(f)
    compiled({"z": z, "w": z[:, 0], "n": 2})
    assert "2-d array of complex128" in compiled.specialisations[0].arguments.values()


def _doubled(z: Any) -> Any:
    return z * 2j


ERRORS: dict[str, Any] = {
    "not supported between instances of 'complex'": (TypeError, lambda z: complex(z[0]) < 1j),
    "can't convert complex": (TypeError, lambda z: float(z[0])),
    "not supported for the input types": (TypeError, lambda z: np.floor(z)),
    "`%` is not supported for complex numbers": (TypeError, lambda z: z % 2),
    "with casting rule 'same_kind'": (TypeError, lambda z: np.ones(3).__iadd__(z)),
    "grad needs a function with a scalar result": (errors.NotDifferentiableError, lambda z: lj.grad(lambda z: z[0] * z[1])(z)),
    "holomorphic=True": (errors.NotDifferentiableError, lambda z: lj.jacfwd(lambda z: z * z)(z)),
    "leave it out": (errors.NotDifferentiableError, lambda z: lj.grad(lambda x: x * 1j, holomorphic=True)(1.0)),
    "of complex values": (errors.UnsupportedOperationError, lambda z: np.quantile(z, 0.5)),
}


@pytest.mark.parametrize("words", ERRORS)
def test_errors_are_numpys_or_say_what_to_do(words: str) -> None:
    error, f = ERRORS[words]
    with pytest.raises(error, match=words):
        lj.jit(f)(normal(3))


# ---- derivatives
def test_the_gradient_by_z_is_that_of_the_parts() -> None:
    """dL/dx - i dL/dy, in every form."""

    def loss(z: Any, w: complex, x: Any) -> Any:
        return (abs(np.exp(z) * w + x) ** 2).sum() + (z[0] * w).imag

    args = normal(3), 0.5 - 1j, RNG.normal(size=3)
    found = lj.jit(lj.grad(loss, (0, 1, 2)))(*args)
    h = 1e-6

    def difference(k: int, d: Any) -> Any:
        moved = [[a + s * h * d if i == k else a for i, a in enumerate(args)] for s in (1, -1)]
        return (loss(*moved[0]) - loss(*moved[1])) / (2 * h)

    wanted = [difference(0, e) - 1j * difference(0, 1j * e) for e in np.eye(3)]
    np.testing.assert_allclose(found[0], wanted, rtol=1e-6)
    np.testing.assert_allclose(found[1], difference(1, 1) - 1j * difference(1, 1j), rtol=1e-6)
    np.testing.assert_allclose(found[2], [difference(2, e) for e in np.eye(3)], rtol=1e-6)
    assert found[2].dtype == np.float64
    for name in ("interpreter", "lowered"):
        same(both(lj.grad(loss, (0, 1, 2)), *args)[name], found)
    single = lj.grad(loss)(args[0].astype(np.complex64), np.complex64(args[1]), args[2].astype(np.float32))
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, found[0], rtol=1e-4)


def test_conventions() -> None:
    f, z, c = (lambda z: z**3 * np.conj(z)), 1.5 - 0.5j, 0.3 + 2j
    # the derivatives by z and by its conjugate
    a, b = 3 * z**2 * z.conjugate(), z**3
    y, push = lj.jvp(f, (z,), (c,))
    np.testing.assert_allclose([y, push], [f(z), a * c + b * np.conj(c)])
    y, pull = lj.vjp(f, z)
    np.testing.assert_allclose(pull(c)[0], c * a + np.conj(c * b), rtol=1e-12)
    y, along = lj.linearize(f, z)
    np.testing.assert_allclose(along(c), push)
    g, v = (lambda z: z**2 * z[0]), normal(3)
    wanted = np.diag(2 * v * v[0]) + np.outer(v**2, [1, 0, 0])
    for make in (lj.jacfwd, lj.jacrev):
        np.testing.assert_allclose(make(g, holomorphic=True)(v), wanted, atol=1e-12)
        np.testing.assert_allclose(make(lambda x: x**2 * v)(v.real), np.diag(2 * v.real * v), atol=1e-12)
    np.testing.assert_allclose(lj.jacrev(lambda z: (z * v).real)(v), np.diag(v), atol=1e-12)
    np.testing.assert_allclose(lj.hessian(lambda z: (z**3).sum(), holomorphic=True)(v), np.diag(6 * v), atol=1e-12)
    np.testing.assert_allclose(lj.grad(lj.grad(np.sin, holomorphic=True), holomorphic=True)(z), -np.sin(z))
    (value, aux), d = lj.value_and_grad(lambda z: (z * z, z.real), has_aux=True, holomorphic=True)(z)
    np.testing.assert_allclose([value, aux, d], [z * z, z.real, 2 * z])


def test_rules_of_a_users_own_follow_them() -> None:
    @lj.custom_jvp
    def cube(z: Any) -> Any:
        return z**3

    cube.defjvps(lambda dz, out, z: 3 * z**2 * dz)

    @lj.custom_vjp
    def square(z: Any) -> Any:
        return z * z

    square.defvjp(lambda z: (z * z, z), lambda z, c: (2 * z * c,))

    def loss(f: Any, g: Any, z: Any) -> Any:
        return (abs(f(z) + 1j * g(z)) ** 2).sum()

    z = normal(2)
    found = lj.jit(lambda z: lj.grad(lambda z: loss(cube, square, z))(z))(z)
    np.testing.assert_allclose(found, lj.grad(lambda z: loss(lambda z: z**3, lambda z: z * z, z))(z), rtol=1e-12)
    np.testing.assert_allclose(lj.jvp(cube, (z,), (1j * z,))[1], 3j * z**3)


HOLOMORPHIC = {
    "exp": np.exp, "log": lambda z: 1 / z, "sqrt": lambda z: 0.5 / np.sqrt(z), "sin": np.cos, "cos": lambda z: -np.sin(z), "tan": lambda z: 1 / np.cos(z) ** 2,
    "sinh": np.cosh, "cosh": np.sinh, "tanh": lambda z: 1 / np.cosh(z) ** 2, "arcsin": lambda z: 1 / np.sqrt(1 - z * z), "arctan": lambda z: 1 / (1 + z * z),
    "arccos": lambda z: -1 / np.sqrt(1 - z * z), "arcsinh": lambda z: 1 / np.sqrt(1 + z * z), "arctanh": lambda z: 1 / (1 - z * z),
    "arccosh": lambda z: 1 / (np.sqrt(z - 1) * np.sqrt(z + 1)), "reciprocal": lambda z: -1 / z**2, "log1p": lambda z: 1 / (1 + z), "expm1": np.exp,
    "log10": lambda z: 1 / (z * np.log(10)), "square": lambda z: 2 * z,
}  # fmt: skip


def test_derivatives_of_functions_of_a_number() -> None:
    """By the identity of a holomorphic function's derivative, also on cuts and axes."""
    points = np.array([0.7 + 0.4j, -0.8 - 1.1j, 0.3 + 0j, -0.4 - 0.9j, 25 + 1j, 0.5j, 3 - 0.2j])

    def f(z: Any, t: Any) -> Any:
        return {name: lj.jvp(getattr(np, name), (z,), (t,))[1] for name in HOLOMORPHIC}

    direction = normal(len(points))
    same(lj.jit(f)(points, direction), {name: d(points) * direction for name, d in HOLOMORPHIC.items()})


def test_derivatives_of_programs() -> None:
    def f(z: Any, w: complex) -> Any:
        out = z.copy()
        for i in range(1, len(z)):
            out[i] = np.tanh(out[i - 1] * w) / z[i] if z[i].real > 0 else out[i - 1] ** 2
        out[0] *= w
        return out.sum() * np.vdot(out, z), abs(out), out.imag[1:]

    lj.check_grads(f, (normal(3), 0.5 + 1j), order=2, modes="fwd")


@pytest.mark.more
def test_derivatives_of_linear_algebra() -> None:
    lj.check_grads(
        lambda a, b: (np.linalg.solve(a, b), np.linalg.det(a), np.linalg.eigvalsh(a @ a.conj().T)), (A[:2, :2], B[:2, :1]), modes="rev"
    )


# ---- spectra
def test_spectra_are_numpys() -> None:
    def f(x: Any, z: Any, y: Any) -> Any:
        F = np.fft
        return {
            "one": (F.fft(z), F.ifft(z, axis=0), F.rfft(x), F.irfft(z), F.irfft(z, n=9), F.hfft(z, n=7), F.hfft(z), F.ihfft(x, norm="ortho"),
                    F.fft(y[:5], n=9), F.fft(z, n=3, axis=1), F.irfft(F.rfft(y)), F.ihfft(y, n=7)),
            "more": (F.fft2(z), F.ifft2(z), F.rfft2(x), F.irfft2(z, norm="ortho"), F.fftn(x, s=(3, 8), axes=(0, 1)), F.rfftn(x), F.irfftn(z, s=(4, 9), axes=(0, 1)),
                     F.ifftn(z, axes=(0,), norm="forward")),
            "shifts": (F.fftshift(z), F.ifftshift(x, axes=1), F.fftfreq(x.shape[1], 0.5), F.rfftfreq(x.shape[1])),
            "single": (F.fft(z.astype(np.complex64)), F.rfft(x.astype(np.float32)), F.irfft(z.astype(np.complex64))),
        }  # fmt: skip

    x = RNG.normal(size=(4, 6))
    z, y = normal(4, 6), RNG.normal(size=12)
    same(lj.jit(f, backend="python")(x, z, y), f(x, z, y))
    with pytest.raises(ValueError, match="Invalid number of FFT data points"):
        lj.jit(lambda z: np.fft.fft(z, n=0))(z)
    with pytest.raises(ValueError, match="Shape and axes have different lengths"):
        lj.jit(lambda z: np.fft.fftn(z, s=(1, 2), axes=(0,)))(z)


def test_derivatives_of_spectra() -> None:
    lj.check_grads(
        lambda x, z: (np.fft.irfft(np.fft.rfft(x) * z[:3]), np.fft.fft2(z[None] * x[:2, None]), np.fft.hfft(z)),
        (RNG.normal(size=4), normal(3)),
        1,
    )


# ---- two programs
def test_a_filter_of_a_ladder_network() -> None:
    """A low-pass of inductors in series and capacitors in parallel between two resistors: the error in its passband, by its components."""
    frequencies, resistance = np.linspace(0.05, 2.0, 40), 1.0

    def transfer(values: Any, omega: Any) -> Any:
        """By products of the chain matrices of its parts."""
        a, b, c, d = np.ones_like(omega) + 0j, np.zeros_like(omega) + 0j, np.zeros_like(omega) + 0j, np.ones_like(omega) + 0j
        for i in range(len(values)):
            s = 1j * omega * values[i]
            if i % 2 == 0:
                b, d = a * s + b, c * s + d
            else:
                a, c = a + b * s, c + d * s
        return 2 * resistance / (a * resistance + b + c * resistance**2 + d * resistance)

    def error(values: Any, omega: Any) -> Any:
        gain = abs(transfer(values, omega))
        wanted = np.where(omega < 1.0, 1.0, 0.0)
        return (np.where(omega < 1.0, 1.0, 0.3) * (gain - wanted) ** 2).mean()

    butterworth = 2 * np.sin((2 * np.arange(1, 6) - 1) * np.pi / 10)
    np.testing.assert_allclose(abs(lj.jit(transfer)(butterworth, frequencies)), 1 / np.sqrt(1 + frequencies**10), rtol=1e-12)
    step = lj.jit(lj.value_and_grad(error))
    start, found = step(butterworth, frequencies)
    h = 1e-6
    wanted = [(error(butterworth + h * e, frequencies) - error(butterworth - h * e, frequencies)) / (2 * h) for e in np.eye(5)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)
    values = butterworth
    for _ in range(50):
        values = values - 0.5 * step(values, frequencies)[1]
    assert step(values, frequencies)[0] < start


def test_a_quantum_circuit_of_four_qubits() -> None:
    """Rotations of each qubit and a ring of controlled flips, twice: the energy of a chain of spins, and its gradient, against shifts of
    each parameter by pi / 2, which are exact."""
    n = 4

    def apply(state: Any, gate: Any, qubit: int) -> Any:
        moved = np.moveaxis(np.tensordot(gate, state, axes=([1], [qubit])), 0, qubit)
        return moved

    def flipped(state: Any, control: int, target: int) -> Any:
        parts = np.moveaxis(state, (control, target), (0, 1))
        return np.moveaxis(np.stack([parts[0], parts[1][::-1]]), (0, 1), (control, target))

    def energy(angles: Any) -> Any:
        state = np.zeros((2,) * n, complex)
        state[0, 0, 0, 0] = 1
        for layer in range(2):
            for q in range(n):
                a, b = angles[layer, q, 0] / 2, angles[layer, q, 1] / 2
                ry = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
                rz = np.array([[np.exp(-1j * b), 0], [0, np.exp(1j * b)]])
                state = apply(state, rz @ ry, q)
            for q in range(n):
                state = flipped(state, q, (q + 1) % n)
        probabilities = abs(state) ** 2
        sign = np.array([1.0, -1.0])
        chain = np.einsum("abcd,a,b->", probabilities, sign, sign) + np.einsum("abcd,b,c->", probabilities, sign, sign)
        flips = sum(np.vdot(state, np.flip(state, q)).real for q in range(n))
        return chain + 0.7 * flips

    angles = np.random.default_rng(1).uniform(-np.pi, np.pi, (2, n, 2))
    compiled = lj.jit(energy)
    value, found = lj.jit(lj.value_and_grad(energy))(angles)
    np.testing.assert_allclose([value, compiled(angles)], energy(angles), rtol=1e-12)
    shifts = np.zeros_like(angles)
    for i in np.ndindex(angles.shape):
        shift = np.zeros_like(angles)
        shift[i] = np.pi / 2
        shifts[i] = (compiled(angles + shift) - compiled(angles - shift)) / 2
    np.testing.assert_allclose(found, shifts, rtol=1e-10, atol=1e-12)


def test_places_of_complex_arrays_are_written() -> None:
    def f(x: Any, i: Any) -> Any:
        z, c = x * 1j, np.array([1.0, 2.0, 3.0]) * (1.0 + 2.0j)
        np.multiply.at(z, i, z)
        c[0] = z[1]
        return z, c

    x, i = np.array([1.0, 2.0, 3.0]), np.array([0, 2, 0])
    for found in both(f, x, i).values():
        close(found, f(x, i))
