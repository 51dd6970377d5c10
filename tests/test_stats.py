"""scipy.stats in compiled code against SciPy: distributions at and between the edges of their support, and statistics of samples."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.stats as st

import lantern_jit as lj
from lantern_jit.ir.numpy.stats import objects

from .support import both, first
from .test_special import relative, slope

DISTRIBUTIONS: dict[str, tuple[float, ...]] = {
    "norm": (), "t": (3.5,), "gamma": (2.2,), "beta": (2.0, 3.5), "f": (4.0, 9.0), "lognorm": (0.7,), "laplace": (), "truncnorm": (-0.7, 1.5),
    "poisson": (2.5,), "binom": (7, 0.3), "nbinom": (3, 0.4), "uniform": (),
    "chi2": (3.0,), "expon": (), "cauchy": (), "logistic": (), "halfnorm": (), "halfcauchy": (), "halflogistic": (), "weibull_min": (1.7,), "weibull_max": (1.7,),
    "pareto": (3.0,), "lomax": (3.0,), "gumbel_r": (), "gumbel_l": (), "rayleigh": (), "maxwell": (), "chi": (3.0,), "invgamma": (3.0,),
    "truncexpon": (2.0,), "loguniform": (0.5, 3.0), "triang": (0.3,), "powerlaw": (2.5,), "arcsine": (), "cosine": (), "anglit": (), "semicircular": (),
    "bradford": (2.0,), "johnsonsb": (0.4, 1.2), "skewnorm": (1.5,), "vonmises": (2.0,), "gennorm": (1.7,), "hypsecant": (), "johnsonsu": (0.4, 1.2),
    "dweibull": (1.4,), "dgamma": (2.2,), "loggamma": (1.4,), "moyal": (), "laplace_asymmetric": (1.4,), "invgauss": (0.8,), "wald": (), "fisk": (3.0,),
    "burr12": (2.0, 3.0), "gompertz": (0.8,), "betaprime": (2.0, 3.5), "rice": (1.2,), "nakagami": (1.5,), "levy": (), "exponweib": (1.3, 1.6),
    "reciprocal": (0.5, 3.0), "gengamma": (1.4, 1.7), "halfgennorm": (1.7,), "exponnorm": (1.5,), "genlogistic": (1.3,), "burr": (2.0, 1.5),
    "loglaplace": (3.0,), "foldnorm": (0.8,), "foldcauchy": (0.8,), "skewcauchy": (0.4,), "gibrat": (), "norminvgauss": (1.5, 0.4), "ncx2": (3.5, 1.2),
    "rdist": (2.5,), "vonmises_line": (2.0,), "genpareto": (0.2,), "genextreme": (0.2,), "bernoulli": (0.3,), "geom": (0.3,), "hypergeom": (20, 7, 12), "betabinom": (7, 2.0, 3.0),
    "betanbinom": (7, 2.0, 3.0), "erlang": (2,), "logser": (0.6,), "zipf": (3.5,), "randint": (2, 9), "dlaplace": (0.8,),
}  # fmt: skip
NAMES = [name for name in DISTRIBUTIONS if hasattr(st, name)]  # an older SciPy has fewer
METHODS = ("cdf", "logcdf", "sf", "logsf", "ppf", "isf", "mean", "var", "std", "median", "entropy")


def is_discrete(name: str) -> bool:
    return hasattr(getattr(st, name), "pmf")


def parameters(name: str) -> tuple[float, ...]:
    """Its shapes, and where it is."""
    return (*map(float, DISTRIBUTIONS[name]), *((1.0,) if is_discrete(name) else (0.3, 1.7)))


def known(name: str) -> list[str]:
    both = ("pmf", "logpmf") if is_discrete(name) else ("pdf", "logpdf")
    ours = objects.find(name)
    return [*both, *(m for m in METHODS if ours.knows(m) and not (is_discrete(name) and m in ("ppf", "isf", "median")))]


def points(name: str) -> Any:
    d, loc = getattr(st, name), 1.0 if is_discrete(name) else 0.3
    inside = d.ppf(np.array([0.001, 0.05, 0.3, 0.6, 0.95]), *parameters(name))
    return np.concatenate([inside, [-np.inf, np.inf, np.nan, loc, loc - 100.0, loc + 1.0, loc + 0.4]])


Q = np.array([-0.1, 0.0, 0.02, 0.3, 0.5, 0.9, 1.0, np.nan])


@pytest.mark.filterwarnings("ignore:The shape parameter of the erlang:RuntimeWarning")
@pytest.mark.parametrize("names", first(1, [NAMES[i : i + 12] for i in range(0, len(NAMES), 12)]))
def test_values(names: list[str]) -> None:
    """Outside of the support, at its ends and for parameters out of range, too."""
    methods = {name: known(name) for name in names}

    def program(xs: Any, shapes: Any, q: Any) -> Any:
        out = {}
        for name in names:
            d = getattr(st, name)
            for m in methods[name]:
                given = (q,) if m in ("ppf", "isf") else (xs[name],) if m not in METHODS[6:] else ()
                out[name, m] = getattr(d, m)(*given, *shapes[name])
            out[name, "nowhere"] = getattr(d, methods[name][1])(xs[name], *(-s - 0.5 for s in shapes[name]))
        return out

    args = {name: points(name) for name in names}, {name: parameters(name) for name in names}, Q
    with np.errstate(all="ignore"):
        expected, found = program(*args), lj.jit(program)(*args)
    for key, z in expected.items():
        f, e = np.asarray(found[key]), np.asarray(z)
        assert f.dtype == e.dtype, key
        assert f.shape == e.shape, key
        infinite = np.isinf(args[0][key[0]]) if f.shape == args[0][key[0]].shape else np.zeros(f.shape, bool)
        excused = (infinite & np.isnan(e)) | (np.isneginf(e) & (f < -700.0))  # SciPy's is inf - inf, or the logarithm of what underflows
        assert ((relative(f, e) < 1e-9) | excused).all(), (key, f, e)


ROUGH = ("triang", "laplace", "uniform", "semicircular", "arcsine", "levy", "truncexpon", "ncx2")  # or of parameters without a derivative
SMOOTH = [n for n in NAMES if not is_discrete(n) and n not in ROUGH]


@pytest.mark.filterwarnings("ignore:The shape parameter of the erlang:RuntimeWarning")
@pytest.mark.parametrize("names", first(1, [SMOOTH[i::8] for i in range(8)]))
def test_derivatives(names: list[str]) -> None:
    """Of order 1 and 2, along the number and all parameters at once."""
    inside = {name: getattr(st, name).ppf(np.array([0.2, 0.45, 0.8]), *parameters(name)) for name in names}
    functions = [(n, m) for n in names for m in ("logpdf", "cdf", "sf") if m in known(n)]

    def along(name: str, m: str, h: Any, x: Any) -> Any:
        return getattr(getattr(st, name), m)(x + 0.1 * h, *(p + 0.03 * (i + 1.0) * h for i, p in enumerate(parameters(name))))

    def program(xs: Any) -> Any:
        def at(h: Any) -> Any:
            return [along(n, m, h, xs[n]) for n, m in functions]

        return lj.jvp(lambda h: lj.jvp(at, (h,), (1.0,))[1], (0.0,), (1.0,))

    ones, twos = lj.jit(program)(inside)
    for (n, m), one, two in zip(functions, ones, twos, strict=True):
        x = inside[n]
        np.testing.assert_allclose(one, slope(lambda h, n=n, m=m, x=x: along(n, m, h, x), 0.02), rtol=1e-5, atol=1e-7, err_msg=f"{n} {m}")
        twice = slope(lambda k, n=n, m=m, x=x: slope(lambda h: along(n, m, h + k, x), 0.02), 0.02)
        np.testing.assert_allclose(two, twice, rtol=1e-3, atol=1e-5, err_msg=f"{n} {m}")


def test_frozen_ones_broadcasting_and_names() -> None:
    x, mu = np.array([[0.3], [1.2]]), np.array([0.0, 0.5, 1.0])
    outside = st.gamma(2.0, scale=1.5)

    def program(x: Any, mu: Any, s: Any) -> Any:
        d = st.norm(mu, scale=s)
        low, high = st.t(df=s + 3.0, loc=mu).interval(0.9)
        total = 0.0
        for i in range(len(mu)):
            total += st.norm.logpdf(x[0, 0], loc=mu[i], scale=s) + outside.logpdf(s)
        return (
            d.logpdf(x),
            d.mean(),
            low,
            high,
            st.beta.pdf(0.3, a=s, b=mu + 1.0),
            st.norm.sf(s),
            outside.cdf(x),
            st.expon.support(),
            total,
            st.binom.pmf(k=2, n=5, p=s / 3),
        )

    expected = program(x, mu, 1.3)
    for mode, found in both(program, x, mu, 1.3).items():
        for f, e in zip(found, expected, strict=True):
            for a, b in zip(f, e, strict=True) if isinstance(e, tuple) else ((f, e),):
                assert np.shape(a) == np.shape(b), mode
                np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=mode)
    single = lj.jit(lambda x: (st.norm.logpdf(x), st.gamma.cdf(x, x)))(x.astype(np.float32))
    assert all(z.dtype == np.float64 for z in single)  # as SciPy's
    back = lj.jit(lj.grad(lambda m: np.sum(lj.vmap(lambda y: st.t.logpdf(y, 3.0 + m, m, m))(mu))))(1.3)
    assert back == pytest.approx(slope(lambda h: st.t.logpdf(mu, 4.3 + h, 1.3 + h, 1.3 + h).sum(), 1e-3), rel=1e-8)


def test_what_is_refused() -> None:
    for f, message in (
        (lambda x: st.norm.logpdf(x, 0.0, 1.0, 2.0), "scipy.stats.norm.logpdf: too many"),
        (lambda x: st.vonmises.cdf(x, 1.0), "scipy.stats.vonmises.cdf"),
        (lambda x: st.norm.fit(x), "scipy.stats.norm.fit"),
        (lambda x: st.studentized_range.pdf(x, 3, 10), "scipy.stats.studentized_range of traced values"),
        (lambda x: st.weightedtau(x, x), "scipy.stats.weightedtau of traced values"),
    ):
        with pytest.raises((lj.errors.UnsupportedOperationError, TypeError), match=message):
            lj.jit(f)(np.array([0.5, 1.5]))


rng = np.random.default_rng(4)
A = rng.normal(size=(3, 3))
C, M, X = A @ A.T + np.eye(3), rng.normal(size=3), rng.normal(size=(5, 3))
FROZEN = st.multivariate_normal(M, C)


def several(X: Any, m: Any, C: Any, alpha: Any, p: Any, s: Any) -> Any:
    mv, W = st.multivariate_normal, C + 0.5 * np.eye(3)
    return [
        mv.logpdf(X, m, C), mv.logpdf(X[0], m, C), mv.pdf(X, m, C), mv.logpdf(X[0], m, s), mv.logpdf(X, mean=m, cov=alpha), mv(m, C).logpdf(X),
        FROZEN.logpdf(X), mv.logpdf(X[:, 0], s, s), mv.logpdf(s, 0.5 * s, s), mv.entropy(m, C), st.multivariate_t.logpdf(X, m, C, s),
        st.dirichlet.logpdf(p, alpha), st.dirichlet.entropy(alpha), st.dirichlet.mean(alpha), st.dirichlet.var(alpha),
        st.multinomial.logpmf(np.array([2.0, 1.0, 4.0]), 7, p), st.multinomial.pmf(np.array([[2.0, 1.0, 3.0]]), 7, p),
        st.wishart.logpdf(W, s + 4.0, C), st.wishart(s + 4.0, C).logpdf(np.stack([W, C], -1)), st.invwishart.logpdf(W, s + 4.0, C),
        st.matrix_normal.logpdf(X[:3], W, C, W),
    ]  # fmt: skip


def test_vectors_and_matrices() -> None:
    args = X, M, C, np.array([1.2, 2.0, 3.5]), np.array([0.2, 0.3, 0.5]), 1.3
    for i, (f, e) in enumerate(zip(lj.jit(several)(*args), several(*args), strict=True)):
        assert np.shape(f) == np.shape(e) or i == 16, i  # SciPy has no axis for one point
        np.testing.assert_allclose(np.squeeze(f), e, rtol=1e-11, err_msg=str(i))
    lower = np.tril(rng.normal(size=(3, 3)))

    def along(h: Any) -> Any:
        d = C + h * (lower + lower.T)
        return (
            st.multivariate_normal.logpdf(X, M + h, d).sum()
            + st.wishart.logpdf(d, 5.0 + h, C)
            + st.multivariate_t.logpdf(X, M, d, 3.0 + h).sum()
        )

    assert lj.jit(lj.grad(along))(0.0) == pytest.approx(slope(along, 1e-3), rel=1e-8)


def samples(X: Any, q: Any, p: Any, c: float) -> Any:
    a = np.abs(X)
    lr = st.linregress(q, p)
    return [
        st.zscore(X), st.zscore(X, axis=1, ddof=1), st.zmap(X, a), st.gmean(a), st.gmean(np.abs(q), weights=np.abs(p)), st.hmean(a, axis=1), st.pmean(a, 2.5),
        st.skew(X), st.skew(q, bias=False), st.kurtosis(X, axis=None), st.kurtosis(q, fisher=False, bias=False), st.moment(X, 3), st.sem(X), st.variation(X),
        st.gstd(a), st.entropy(a), st.entropy(np.abs(q), np.abs(p), base=2), st.median_abs_deviation(X), st.boxcox_llf(c, np.abs(q)), *lr, lr.intercept_stderr,
        *st.pearsonr(q, p), st.pearsonr(q, p).statistic, *st.ttest_1samp(q, c), *st.ttest_ind(q, p), *st.ttest_ind(q, p, equal_var=False),
        st.iqr(X), st.tmean(X), st.tvar(q), st.tstd(X), st.circmean(X), st.circmean(X, 180.0, -180.0, axis=0), st.circvar(q), st.circstd(q), *st.jarque_bera(q),
        *st.f_oneway(q, p, X[:, 2]), *st.ttest_rel(q, p, alternative="less"), *st.chisquare(np.abs(q)), *st.chisquare(np.array([16.0, 18.0, 16.0]), np.array([15.0, 19.0, 16.0])),
    ]  # fmt: skip


def test_samples() -> None:
    q, p = X[:, 0], X[:, 1]
    for i, (f, e) in enumerate(zip(lj.jit(samples)(X, q, p, 0.4), samples(X, q, p, 0.4), strict=True)):
        assert np.shape(f) == np.shape(e), i
        np.testing.assert_allclose(f, e, rtol=1e-10, err_msg=str(i))

    def fit(h: Any) -> Any:
        lr = st.linregress(q + h * p, p + h)
        return lr.slope + lr.pvalue + lr.stderr + st.skew(q + h * p) + st.pearsonr(q + h, p * p + h * q).pvalue

    assert lj.jit(lj.grad(fit))(0.1) == pytest.approx(slope(lambda h: fit(0.1 + h), 1e-3), rel=1e-7)


def ranked(x: Any, n: Any, u: Any, v: Any) -> Any:
    """Of a matrix of floats and one of ints, each with ties; and of two vectors without."""
    return [
        [st.rankdata(x, way, axis=1) for way in ("average", "min", "max", "dense", "ordinal")],
        [
            st.rankdata(x),
            st.rankdata(n, axis=0),
            *st.spearmanr(x),
            *st.spearmanr(x[:, :2], axis=1),
            *st.spearmanr(u, v, alternative="less"),
        ],
        [*st.kendalltau(x, n), *st.kendalltau(x[0], n[0], variant="c"), *st.kendalltau(u, v, alternative="less"), *st.kendalltau(u, 0 * u)],
        [*st.pearsonr(u, v, alternative="greater"), *st.pearsonr(u, v, alternative="less"), *st.kendalltau(u, v, alternative="greater")],
        [*st.mode(x), *st.mode(n, axis=1, keepdims=True), *st.mode(n, axis=None, keepdims=True)],
        [st.trim_mean(x, 0.2), st.trim_mean(n, 0.3, axis=1), st.trim_mean(x, 0.0, axis=None)],
    ]


def alike(found: Any, wanted: Any, what: str) -> None:
    if isinstance(wanted, list):
        for k, (f, w) in enumerate(zip(found, wanted, strict=True)):
            alike(f, w, f"{what} {k}")
        return
    f, w = np.asarray(found), np.asarray(wanted)
    assert f.dtype == w.dtype, what
    assert f.shape == w.shape, what
    np.testing.assert_allclose(f, w, rtol=1e-11, atol=1e-12, err_msg=what)


def test_ranks_modes_and_trimmed_means() -> None:
    g = np.random.default_rng(0)
    x, n, u, v = g.normal(size=(5, 6)).round(1), g.integers(0, 4, size=(5, 6)), g.normal(size=20), g.normal(size=20)
    x[1, 2] = x[1, 3] = x[1, 5]
    x[0] = x[1]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is constant
        expected = ranked(x, n, u, v)
    for mode, found in both(ranked, x, n, u, v).items():
        alike(found, expected, mode)
    missing = np.where(x == x[0, 0], np.nan, x)
    for found, wanted in zip(*(f(missing) for f in (lj.jit(with_nans), with_nans)), strict=True):
        np.testing.assert_array_equal(found, wanted)
    tau = lj.jit(lambda u, v: st.kendalltau(u, v))
    for n in (2, 4, 33, 34):  # of 34 SciPy's p-value is the normal distribution's, unless nearly all pairs are in one order
        u, v = g.normal(size=n), g.normal(size=n)
        for other in (v, u):
            alike([*tau(u, other)], [*st.kendalltau(u, other)], f"{n}")


def with_nans(x: Any) -> Any:
    return st.rankdata(x, axis=1), *st.mode(x), *st.kendalltau(x[0], x[2]), st.spearmanr(x[0], x[2]).statistic


def test_derivatives_of_ranks_modes_and_trimmed_means() -> None:
    """Ranks are constants; what is chosen has its own derivative, of equals the first."""
    g = np.random.default_rng(1)
    lj.check_grads(lambda x: (st.mode(x, axis=1).mode ** 2, st.trim_mean(x**2, 0.2), st.rankdata(x) * x.ravel()), (g.normal(size=(5, 6)),))
    u, v = g.normal(size=7), g.normal(size=7)
    assert (
        lj.jit(lj.grad(lambda u: st.spearmanr(u, v).statistic + st.kendalltau(u, v).pvalue + st.rankdata(u).sum()))(u).tolist() == [0.0] * 7
    )
    assert lj.jit(lj.grad(lambda x: st.mode(x).mode))(np.array([3.0, 1.0, 2.0, 1.0])).tolist() == [0.0, 1.0, 0.0, 0.0]
    back = lj.jit(lj.grad(lambda h: st.pearsonr(u + h * v, v - h, alternative="less").pvalue))(0.1)
    assert back == pytest.approx(slope(lambda h: st.pearsonr(u + (0.1 + h) * v, v - 0.1 - h, alternative="less").pvalue, 1e-3), rel=1e-8)


def test_errors_of_ranks_are_scipys() -> None:
    x = np.array([0.5, np.nan, 0.5, 2.0])
    for f, message in (
        (lambda x: st.trim_mean(x, 0.8), "Proportion too big"),
        (lambda x: st.rankdata(x, "first"), "unknown method"),
        (lambda x: st.rankdata(x, "min"), "the ranks of NaNs, of which method='min' would make floats: leave NaNs out"),
        (lambda x: st.kendalltau(x, x, method="exact"), "Ties found, exact method cannot be used"),
    ):
        with pytest.raises(ValueError, match=message):
            lj.jit(f)(x)
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"scipy\.stats\.rankdata with nan_policy= .*: leave it out"):
        lj.jit(lambda x: st.rankdata(x, nan_policy="omit"))(x)
