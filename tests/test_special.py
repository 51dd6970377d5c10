"""scipy.special in compiled code against SciPy: values, dtypes and derivatives in few programs of many functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special as sc

import lantern_jit as lj
from lantern_jit.ir.ops.special.rows import special

from .support import both, first

P, X = np.array([0.05, 0.3, 0.5, 0.77, 0.95]), np.array([-3.0, -0.7, 0.1, 0.4, 2.5])
Y, U, N = np.array([0.2, 0.6, 1.1, 2.3, 7.0]), np.array([-0.8, -0.05, 0.02, 0.2, 0.6]), np.array([0.0, 1.0, 2.0, 3.0, 5.0])
ARGS = {
    "X": "ndtr log_ndtr erfcx erfi dawsn j0 j1 i0 i1 i0e i1e cosm1 wrightomega log_expit exp10 exprel expit erf erfc softplus",
    "Y": "psi loggamma gammaln gamma rgamma y0 y1 k0 k1 k0e k1e expi exp1 spence entr",
    "P": "ndtri erfcinv logit ellipkm1",
    "U": "erfinv ellipk ellipe",
    "YY": "xlogy rel_entr kl_div beta betaln poch gammainc gammaincc yv jve yve iv ive kv kve struve modstruve chdtr chdtrc agm zeta_",
    "YX": "stdtr powm1 huber pseudo_huber boxcox boxcox1p hyp0f1",
    "YP": "gammaincinv gammainccinv stdtrit chdtri",
    "YU": "xlog1py",
    "XU": "owens_t",
    "XP": "ellipkinc ellipeinc",
    "ZY": "jv binom",
    "UU": "inv_boxcox inv_boxcox1p",
    "YYP": "betainc betaincc betaincinv betainccinv gdtr gdtrc gdtrix fdtri",
    "YYY": "fdtr fdtrc radian hyp1f1_",
    "NY": "yn kn expn pdtr pdtrc",
    "NX": "eval_legendre eval_chebyt eval_chebyu eval_laguerre",
    "NYX": "eval_gegenbauer eval_genlaguerre",
    "KX": "eval_hermite eval_hermitenorm",
    "NMP": "nbdtr nbdtrc",
    "NLP": "bdtr bdtrc",
}
VALUES = {"X": X, "Y": Y, "P": P, "U": U, "N": N, "M": N + 2.0, "Z": Y + 2.5, "K": N.astype(int), "L": N.astype(int) + 2}
ALIASES: dict[str, Callable[..., Any]] = {"zeta_": lambda x, q: sc.zeta(x + 1.5, q), "hyp1f1_": lambda a, b, x: sc.hyp1f1(a, b + 0.5, x)}


def has(name: str) -> bool:
    """Does this SciPy have it?"""
    return name in ALIASES or hasattr(sc, name)


CASES = {name: tuple(VALUES[k] for k in kinds) for kinds, names in ARGS.items() for name in names.split() if has(name)}
FUNCTIONS = {name: ALIASES.get(name) or getattr(sc, name) for name in CASES}
FIXED = {
    name: sum(k in "NMKL" for k in kinds) for kinds, names in ARGS.items() for name in names.split()
}  # leading arguments that are whole numbers
FIXED |= dict.fromkeys(("jv", "yv", "jve", "yve", "iv", "ive", "struve", "modstruve", "hyp0f1", "eval_gegenbauer", "eval_genlaguerre"), 1)
FIXED |= {"hyp1f1_": 2, "eval_gegenbauer": 2, "eval_genlaguerre": 2}  # and those by which no derivative is known


def relative(found: Any, expected: Any) -> Any:
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(all="ignore"):
        return np.where(same, 0.0, np.abs(found - expected) / np.maximum(np.abs(expected), 1e-3))


@pytest.mark.parametrize("names", first(1, [list(CASES)[::2], list(CASES)[1::2]]))
def test_values(names: list[str]) -> None:
    """In double precision to some units in the last place; of arrays, of dtypes as SciPy's."""

    def program(cases: Any) -> Any:
        return {name: FUNCTIONS[name](*cases[name]) for name in names}

    with np.errstate(all="ignore"):
        expected = program(CASES)
    for mode, found in both(program, CASES).items():
        for name, z in expected.items():
            assert found[name].dtype == z.dtype, (mode, name)
            assert relative(found[name], z).max() < 2e-13, (mode, name, found[name], z)


def moved(name: str, xs: Any, h: float) -> Any:
    """A function along the arguments by which it has derivatives, each by its own measure."""
    return FUNCTIONS[name](*(x if i < FIXED[name] else x + h * (1.0 + i) * 0.1 for i, x in enumerate(xs)))


def slope(f: Callable[[float], Any], h: float) -> Any:
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


SMOOTH = [n for n in CASES if n not in ("huber", "kn", "yn", "i0e", "i1e")]


@pytest.mark.parametrize("names", first(1, [SMOOTH[i::8] for i in range(8)]))
def test_derivatives(names: list[str]) -> None:
    """Of order 1 and 2, along all arguments at once, and of order 1 in reverse mode."""

    def along(h: Any, cases: Any) -> Any:
        return {name: moved(name, cases[name], h) for name in names}

    def program(cases: Any) -> Any:
        def tangent(h: Any) -> Any:
            return lj.jvp(lambda h: along(h, cases), (h,), (1.0,))[1]

        back = lj.grad(lambda h: sum(np.sum(z) for z in along(h, cases).values()))
        return lj.jvp(tangent, (0.0,), (1.0,)), back(0.0)

    (ones, twos), back = lj.jit(program)({name: CASES[name] for name in names})
    total = sum(np.sum(ones[name]) for name in names)
    assert abs(back - total) < 1e-11 * sum(np.sum(np.abs(ones[name])) for name in names)
    for name in names:
        xs = CASES[name]
        assert relative(ones[name], slope(lambda h, n=name, xs=xs: moved(n, xs, h), 4e-3)).max() < 2e-5, (name, ones[name])
        twice = slope(lambda k, n=name, xs=xs: slope(lambda h: moved(n, xs, h + k), 5e-3), 5e-3)
        assert relative(twos[name], twice).max() < 1e-3, (name, twos[name], twice)


# ---- derivatives by parameters, to the last digits
def gamma_lower(a: Any, x: float) -> Any:
    return mpmath.gammainc(a, 0, x, regularized=True)


POINTS = {
    "gamma": [(1.0, 0.999), (0.3, 0.9), (0.01, 0.5), (2.0, 1e-6), (5.0, 5.1), (50.0, 20.0), (500.0, 520.0), (0.5, 30.0)],
    "beta": [
        (0.5, 0.5, 0.2),
        (2.0, 3.0, 0.45),
        (5.0, 0.01, 0.9),
        (20.0, 30.0, 0.5),
        (1000.0, 3.0, 0.99),
        (0.1, 50.0, 0.001),
        (3.0, 4.0, 1e-8),
    ],
    "kv": [(0.5, 1.0), (10.0, 0.1), (1.5, 1e-5), (50.0, 2.0), (3.0, 500.0)],
}
MEASURED: list[tuple[str, str, Callable[..., Any], tuple[int, ...]]] = [
    *(("gamma", f"gamma_by_{n}", gamma_lower, (n, 0)) for n in (1, 2)),
    *(("beta", f"beta_by_{'a' * i + 'b' * j}", lambda a, b, x: mpmath.betainc(a, b, 0, x, regularized=True), (i, j, 0))
      for i, j in ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))),
    *(("kv", f"kv_by_{n}", mpmath.besselk, (n, 0)) for n in (1, 2)),
]  # fmt: skip


def test_derivatives_by_parameters_to_the_last_digits() -> None:
    def program(points: Any) -> Any:
        return {name: [special(name)(*p) for p in points[kind]] for kind, name, _, _ in MEASURED}

    found = lj.jit(program)(POINTS)
    with mpmath.workdps(30):
        for kind, name, f, orders in MEASURED:
            for z, p in zip(found[name], POINTS[kind], strict=True):
                exact = mpmath.diff(f, tuple(map(mpmath.mpf, p)), orders)
                assert abs(z - exact) < 1e-10 * abs(exact), (name, p, z, exact)


def test_edges() -> None:
    """Of domains: as SciPy's, NaN and infinities included."""
    inf, nan = np.inf, np.nan
    edge = np.array([-inf, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 1e300, inf, nan])
    ones = "ndtr log_ndtr ndtri erfinv erfcinv erfcx logit log_expit expit entr exprel loggamma rgamma gammasgn j0 i0e k0 exp1 spence ellipk ellipe"
    twos = "xlogy xlog1py rel_entr kl_div betaln gammainc gammaincc stdtr pdtr huber pseudo_huber kv"

    def program(x: Any) -> Any:
        pairs = x[:, None], x[None, :]
        return {n: getattr(sc, n)(x) for n in ones.split()} | {n: getattr(sc, n)(*pairs) for n in twos.split()}

    with np.errstate(all="ignore"):
        expected, found = program(edge), lj.jit(program)(edge)
    for name, z in expected.items():
        wrong = relative(found[name], z) > 1e-13
        assert not wrong.any(), (name, edge, found[name], z)


@pytest.mark.parametrize("name", ["xlogy", "rel_entr", "kl_div"])
def test_what_is_nothing_times_a_logarithm_has_no_derivatives(name: str) -> None:
    """Of a count of zero, as in a deviance: y log(y / mu) with y = 0 is 0 for every mu, though the logarithm is of 0."""
    f, counts = getattr(sc, name), np.array([0.0, 2.0, 0.0])

    def program(mu: Any) -> Any:
        return np.sum(f(counts, counts / mu))

    mu, v = np.array([0.5, 1.5, 3.0]), np.array([1.0, -0.3, 0.7])
    first, second = {"xlogy": (-2.0 / 1.5, 2.0 / 1.5**2), "rel_entr": (2.0 / 1.5, -2.0 / 1.5**2)}.get(
        name, (2.0 / 1.5 - 2.0 / 1.5**2, 4.0 / 1.5**3 - 2.0 / 1.5**2)
    )
    for mode, (g, h, p) in both(lambda mu: (lj.grad(program)(mu), lj.hessian(program)(mu), lj.hvp(program, (mu,), (v,))), mu).items():
        np.testing.assert_allclose(g, [0.0, first, 0.0], rtol=1e-12, err_msg=mode)
        np.testing.assert_allclose(h, np.diag([0.0, second, 0.0]), rtol=1e-12, err_msg=mode)
        np.testing.assert_allclose(p, [0.0, -0.3 * second, 0.0], rtol=1e-12, err_msg=mode)


def test_functions_that_are_no_ufuncs() -> None:
    n, k, a = np.array([5.0, 7.0, 3.0]), np.array([2.0, 0.0, 4.0]), np.array([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]])
    x = np.array([0.7, 1.5, 3.2])

    def program(n: Any, k: Any, a: Any, x: Any) -> Any:
        return [
            sc.comb(n, k), sc.comb(n, k, repetition=True), sc.perm(n, k), sc.factorial(n), sc.polygamma(2, x), sc.polygamma(k, x), sc.multigammaln(x + 3.0, 3),
            sc.zeta(x + 1.0), sc.zeta(-x), sc.zeta(x + 1.0, n), sc.zetac(x + 1.0), sc.jvp(1.5, x), sc.yvp(1, x, 2), sc.ivp(k, x), sc.kvp(k, x), sc.sinc(x),
            sc.spherical_jn(k, x), sc.spherical_yn(2, x, derivative=True), sc.spherical_in(1, x), sc.spherical_kn(k, x, True), sc.diric(x, 5),
            sc.logsumexp(a, axis=1), sc.logsumexp(a, b=a, axis=0, return_sign=True), sc.logsumexp(a, keepdims=True), sc.softmax(a, axis=0), sc.log_softmax(a),
            sc.log1p(x), sc.expm1(x), sc.round(x), sc.airy(x), sc.sici(x), sc.shichi(x), sc.fresnel(x), sc.ellipj(x, 0.4), sc.ber(x), sc.keip(x),
            sc.elliprf(x, n, 0.5), sc.elliprj(x, n, 0.5, 2.0), sc.chndtr(x, 2.5, n), sc.voigt_profile(x, 1.0, n),
        ]  # fmt: skip

    with np.errstate(all="ignore"):
        expected = program(n, k.astype(int), a, x)
    for i, (found, z) in enumerate(zip(lj.jit(program)(n, k.astype(int), a, x), expected, strict=True)):
        for f, e in zip(found, z, strict=True) if isinstance(z, tuple) else ((found, z),):
            assert np.shape(f) == np.shape(e), i
            np.testing.assert_allclose(f, e, rtol=1e-12, atol=1e-14, err_msg=str(i))


def test_functions_with_several_results() -> None:
    """Each has a derivative of its own."""

    def program(x: Any) -> Any:
        parts = *sc.airy(x), *sc.sici(x), *sc.shichi(x), *sc.fresnel(x), *sc.ellipj(x, 0.4), sc.ber(x), sc.keip(x), sc.chndtr(x, 2.5, x)
        return sum(np.sum(z) * (i + 1.0) for i, z in enumerate(parts))

    x = np.array([0.3, 1.7])
    v = np.array([0.6, -1.1])
    for mode, (one, two) in both(lambda x, v: (lj.grad(program)(x) @ v, lj.hvp(program, (x,), (v,)) @ v), x, v).items():
        assert one == pytest.approx(slope(lambda h: program(x + h * v), 1e-3), rel=1e-9), mode
        assert two == pytest.approx(slope(lambda k: slope(lambda h: program(x + (h + k) * v), 4e-3), 4e-3), rel=1e-6), mode


def test_single_precision_loops_and_lanes() -> None:
    x = np.array([0.3, 0.8, 1.9, 2.4], np.float32)

    def program(x: Any) -> Any:
        total = np.zeros(len(x), np.float32)
        for i in range(len(x)):
            total[i] = sc.gammainc(x[i], x[0]) + sc.ndtri(x[i] / 3) + sc.jv(2, x[i])
        return total, lj.vmap(lambda y: sc.kv(y, y) + sc.xlogy(y, y))(x), lj.grad(lambda y: np.sum(sc.betainc(y, y, np.float32(0.3))))(x)

    expected = sc.gammainc(x, x[0]) + sc.ndtri(x / 3) + sc.jv(2, x), sc.kv(x, x) + sc.xlogy(x, x)
    wide = x.astype(float)
    third = slope(lambda h: sc.betainc(wide + h, wide + h, 0.3), 1e-3)
    for mode, found in both(program, x).items():
        for f, e in zip(found, (*expected, third), strict=True):
            assert f.dtype == np.float32, mode
            np.testing.assert_allclose(f, e, rtol=3e-5, atol=1e-5, err_msg=mode)


def test_what_is_refused() -> None:
    with pytest.raises(
        lj.errors.NotDifferentiableError, match=r"derivative of scipy.special.jv by its order v, at .*test_special.py:\d+ .* is not known"
    ):
        lj.jit(lj.grad(lambda v: sc.jv(v, 2.0)))(1.5)
    for transform in (lj.grad, lj.jacfwd):
        with pytest.raises(lj.errors.NotDifferentiableError, match="hyp1f1 by a parameter"):
            transform(lambda a: np.sum(sc.hyp1f1(a, 2.0, np.array([0.5, 1.0]))))(1.5)
    with pytest.raises(lj.errors.UnsupportedOperationError, match="comb with exact=True"):
        lj.jit(lambda n: sc.comb(n, 2, exact=True))(5)
    assert lj.jit(lj.grad(lambda x: sc.jv(lj.stop_gradient(x), x)))(2.0) == pytest.approx((sc.jv(1, 2.0) - sc.jv(3, 2.0)) / 2)


def test_an_exported_library_does_without_scipy(tmp_path: Any) -> None:
    """What is made of the library's own functions can be exported, what is SciPy's cannot."""
    lj.export(lambda x: sc.ndtr(x) + sc.xlogy(x, x) + sc.log_expit(x), (float,), "own", tmp_path)
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"kv of scipy\.special, which an exported library cannot"):
        lj.export(lambda x: sc.kv(1.0, x), (float,), "theirs", tmp_path)


def test_values_of_the_rest() -> None:
    def program(x: Any, y: Any, p: Any, u: Any, n: Any) -> Any:
        kelvin = [f(y) for f in (sc.ber, sc.bei, sc.ker, sc.kei, sc.berp, sc.beip, sc.kerp, sc.keip)]
        degrees = [f(100.0 * p) for f in (sc.sindg, sc.cosdg, sc.tandg, sc.cotdg)]
        carlson = [sc.elliprc(y, p), sc.elliprd(y, p, 2.0), sc.elliprg(y, p, 2.0), sc.elliprf(y, p, 2.0), sc.elliprj(y, p, 2.0, 0.5)]
        gauss = [sc.hyp2f1(0.5, 1.2, 2.3, u), sc.hyperu(0.7, 1.5, y), sc.eval_jacobi(n, 0.5, 1.5, u), sc.tklmbda(x, 0.3)]
        return [*kelvin, *degrees, *carlson, *gauss, sc.ndtri_exp(-y), sc.nctdtr(4.0, 0.5, x), sc.kolmogorov(y)]

    given = (X, Y, P, U, N)
    for found, expected in zip(lj.jit(program)(*given), program(*given), strict=True):
        assert relative(found, expected).max() < 1e-12


# ---- of complex values
BRANCH = -0.36787944117144233  # where branches of Lambert's W meet; SciPy's iteration ends there in NaN
REAL = np.array([-3.0, -0.5, -0.3678, -0.2, -1e-9, 0.0, 1e-300, 0.3, 1.0, 4.0, 1e9, 1e308, np.inf, -np.inf, np.nan])
COMPLEX = np.array([1j, -2 - 3j, -0.3679 + 1e-5j, -0.3679 - 1e-5j, 0.1 - 0.1j, -5e3 + 1e2j, complex(-3, -0.0), 1e200j, -1e-9 - 1e-9j, 0j])


def test_lambert_w() -> None:
    """On all branches; what is real of real numbers has no imaginary part."""

    def program(x: Any, z: Any) -> Any:
        of_all = [sc.lambertw(a, k) for a in (x, z) for k in (-2, -1, 0, 1, 5)]
        return (
            *of_all,
            sc.lambertw(x[:, None], np.array([0, -1])),
            sc.lambertw(x[:5].astype(np.float32)),
            sc.lambertw(z[0], 1),
            sc.lambertw(2),
        )

    with np.errstate(all="ignore"):
        expected = program(REAL, COMPLEX)
    for mode, found in both(program, REAL, COMPLEX).items():
        for k, (f, e) in enumerate(zip(found, expected, strict=True)):
            assert np.shape(f) == np.shape(e), (mode, k)
            assert f.dtype == e.dtype if np.ndim(e) else type(f) is complex, (mode, k)
            for f_part, e_part in ((np.real(f), np.real(e)), (np.imag(f), np.imag(e))):
                assert relative(f_part, e_part).max() < 1e-9, (mode, k, f, e)  # SciPy stops at 1e-8
    points = np.array([0.5, 3e4, -0.2, -1e-7, 2 - 1j, -0.36787 + 1e-6j])
    with mpmath.workdps(30):
        for branch in (0, -1, 1):
            for z, f in zip(points, lj.jit(lambda z, k=branch: sc.lambertw(z, k))(points), strict=True):
                exact = complex(mpmath.lambertw(mpmath.mpmathify(z), branch))
                assert abs(f - exact) < 2e-13 * abs(exact), (z, branch, f, exact)
    at_branch = lj.jit(lambda x: (sc.lambertw(x), sc.lambertw(x, -1)))(BRANCH)
    np.testing.assert_allclose(at_branch, [-1.0, -1.0], atol=3e-8)


def test_derivatives_of_lambert_w() -> None:
    lj.check_grads(lambda x: (sc.lambertw(x).real, sc.lambertw(x - 1.0).imag), (np.array([0.5, -0.2, 3.0, 0.0]),))
    lj.check_grads(lambda x: (sc.lambertw(x, -1).real, sc.lambertw(0.1 * x, -1)), (np.array([-0.2, -0.1]),))
    lj.check_grads(lambda z: sc.lambertw(z) * sc.lambertw(z, 2), (np.array([1j, 1 - 2j, -2.0 + 0.5j]),))
    # W = z - z**2 + 3 / 2 z**3 - ..
    first_, second = lj.grad(lambda x: sc.lambertw(x).real), lj.grad(lj.grad(lambda x: sc.lambertw(x).real))
    third = lj.grad(lj.grad(lj.grad(sc.lambertw, holomorphic=True), holomorphic=True), holomorphic=True)
    for mode, found in both(lambda x: (first_(x), second(x), third(x + 0j)), 0.0).items():
        np.testing.assert_allclose(found, (1.0, -2.0, 9.0), rtol=1e-13, err_msg=mode)
    with pytest.raises(lj.errors.NotDifferentiableError, match="by its branch k"):
        lj.jit(lj.grad(lambda k: sc.lambertw(2.0, k).real))(1.0)


def test_hankel_functions() -> None:
    v, x = np.array([0.0, 1.0, 0.5, 1.5, -0.5, 2.0, 3.0, 2.25]), np.array([0.3, 1.0, 2.0, 5.0, 7.5, 30.0, 100.0, 0.01])
    functions = sc.hankel1, sc.hankel2, sc.hankel1e, sc.hankel2e

    def program(v: Any, x: Any) -> Any:
        single = sc.hankel1(v.astype(np.float32), x.astype(np.float32))
        return [f(v, y) for f in functions for y in (x, -x)], single, sc.hankel2(2, x), [f(2, np.nan) for f in functions]

    expected = program(v, x)
    for mode, found in both(program, v, x).items():
        for f, e in zip(found[0], expected[0], strict=True):
            np.testing.assert_allclose(f, e, rtol=1e-13, err_msg=mode)
        assert found[1].dtype == np.complex64
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)
        np.testing.assert_allclose(found[2], expected[2], rtol=1e-13)
        assert np.all(np.isnan(found[3]))
    lj.check_grads(lambda x: [f(1, x) * f(0.5, x) for f in functions], (np.array([0.7, -1.5]),))
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"hankel1 of complex values .*: give it real ones"):
        lj.jit(lambda z: sc.hankel1(0, z))(1j)
