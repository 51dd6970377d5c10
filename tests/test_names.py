"""NumPy's names that are seldom used, against NumPy: values, dtypes and shapes; derivatives of order 1 and 2 against differences."""

from __future__ import annotations

import subprocess
import sys
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.numpy import registry

from .name_calls import POLYNOMIALS, SMOOTH, VALUES, given
from .support import first


def leaves(x: Any) -> list[Any]:
    return [y for part in x for y in leaves(part)] if isinstance(x, (list, tuple)) else [x]


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    def f(arrays: Any) -> Any:
        d = SimpleNamespace(**arrays)
        return [call(d) for call in VALUES[name]]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = f(given())
    for i, (found, expected) in enumerate(zip(lj.jit(f)(given()), wanted, strict=True)):
        pairs = list(zip(leaves(found), leaves(expected), strict=True))
        for j, (x, y) in enumerate(pairs):
            where = f"call {i}, result {j}"
            assert np.shape(x) == np.shape(y), where
            assert np.ndim(y) == 0 or x.dtype == y.dtype, where
            close = 1e-6 if getattr(y, "dtype", None) == np.float32 else 1e-10
            np.testing.assert_allclose(np.asarray(x, float), np.asarray(y, float), rtol=close, atol=close, err_msg=where)


FLOATS = ("x", "y", "v", "w", "t", "sq", "c", "s")


CASES = [f"{name} {order}" for order in (1, 2) for name in SMOOTH]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("case", first(3, CASES))
def test_derivatives(case: str) -> None:
    name, order = case.split()
    arrays = given()
    wanted = leaves([call(SimpleNamespace(**arrays)) for call in SMOOTH[name]])
    weights = [np.random.default_rng(i).normal(size=np.shape(y)) for i, y in enumerate(wanted)]
    rng = np.random.default_rng(7)
    moves = {k: rng.normal(size=np.shape(arrays[k])) for k in FLOATS}

    def total(floats: Any) -> Any:
        found = leaves([call(SimpleNamespace(**{**arrays, **floats})) for call in SMOOTH[name]])
        return sum(np.sum(w * y) for w, y in zip(weights, found, strict=True))

    def slope(floats: Any) -> Any:
        return lj.jvp(total, (floats,), (moves,))[1]

    def moved(h: float) -> Any:
        return {k: arrays[k] + h * m for k, m in moves.items()}

    point, h = moved(0.0), 1e-6
    gradient = lj.jit(lj.grad(total))
    if order == "1":
        slopes, expected = gradient(point), (total(moved(h)) - total(moved(-h))) / (2 * h)
        np.testing.assert_allclose(sum(np.sum(moves[k] * slopes[k]) for k in FLOATS), expected, rtol=1e-6)
        return
    second, up, down = lj.jit(lj.grad(slope))(point), gradient(moved(h)), gradient(moved(-h))
    for k in FLOATS:
        np.testing.assert_allclose(second[k], (up[k] - down[k]) / (2 * h), rtol=2e-5, atol=2e-4, err_msg=k)


@pytest.mark.parametrize("f", POLYNOMIALS)
def test_objects_of_polynomials(f: Any) -> None:
    d = given()
    args = d["c"], d["v"], d["s"]
    np.testing.assert_allclose(lj.jit(f)(*args), f(*args), rtol=1e-11)


def test_a_generator_draws_what_numpy_draws() -> None:
    def f(g: Any, n: int, x: Any, m: Any, s: float) -> Any:
        chosen = g.choice(n, 4), g.choice(x, (2, 2), p=np.full(5, 0.2)), g.permutation(n), g.permutation(x), g.permutation(m, axis=1)
        y, z = x.copy(), m.copy()
        g.shuffle(y)
        g.shuffle(z)
        drawn = g.laplace(s, 2.0, 3), g.gumbel(s), g.logistic(size=2), g.triangular(0.0, s, 3.0, 4), g.lognormal(s, 0.5), g.rayleigh(s, 3)
        more = g.weibull(s), g.pareto(x + 1.0), g.power(s), g.multivariate_normal(x[:2], np.eye(2) * s, 3, method="cholesky"), g.random()
        return *chosen, y, z, *drawn, *more

    def args() -> Any:
        return np.random.default_rng(3), 9, np.arange(5.0), np.arange(12.0).reshape(3, 4), 1.3

    for x, y in zip(lj.jit(f)(*args()), f(*args()), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-14, atol=1e-15)


# ---- what is refused, and what fails as NumPy's
V = np.array([0.5, -1.0, 2.0])


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: np.nanargmax(x * np.nan), ValueError, "All-NaN slice encountered"),
        (lambda x: np.percentile(x, 100.0 + x[2]), ValueError, r"Percentiles must be in the range \[0, 100\]"),
        (lambda x: np.histogram(x, bins=x), ValueError, "`bins` must increase monotonically"),
        (lambda x: np.histogram(x / 0.0), ValueError, "the range of a histogram is not finite"),
        (lambda x: np.digitize(x, x), ValueError, "bins must be monotonically increasing or decreasing"),
        (lambda x: np.bincount(x.astype(int)), ValueError, "must have no negative elements"),
        (lambda x: np.repeat(x, x.astype(int)), ValueError, "repeats may not contain negative values"),
        (lambda x: np.choose(x.astype(int), [x, x]), ValueError, "invalid entry in choice array"),
        (lambda x: np.unravel_index(int(x[2]) * 3, (2, 2)), ValueError, "out of bounds for array with shape"),
        (lambda x: np.insert(x, 5, 1.0), IndexError, "is out of bounds for axis 0"),
        (lambda x: np.correlate(x[:0], x), ValueError, "a cannot be empty"),
        (lambda x: np.copyto(np.zeros(3, int), x), TypeError, "Cannot cast array data from .*float64.* to .*int64.*same_kind"),
        (lambda x: np.save("f", x), lj.errors.UnsupportedOperationError, r"np\.save of traced values at .* read and write files outside"),
        (lambda x: x.tobytes(), lj.errors.UnsupportedOperationError, r"ndarray\.tobytes at .* no bytes of them: use astype"),
        (lambda x: np.frompyfunc(abs, 1, 1)(x), lj.errors.UnsupportedOperationError, "results are Python objects: use np.vectorize"),
        (lambda x: np.vectorize(lambda a: (a, a))(x), lj.errors.UnsupportedOperationError, "gives several values .* in a loop"),
        (lambda x: max((x[0], 1.0), (x[1],)), lj.errors.UnsupportedOperationError, r"tuples of unequal lengths at .*key="),
        (lambda x: np.polynomial.Polynomial(x).roots(), lj.errors.UnsupportedOperationError, "the roots of a polynomial .* may be complex"),
    ],
)
def test_errors(f: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        lj.jit(f)(V.copy())


def test_families_are_loaded_when_a_name_of_theirs_is_used() -> None:
    code = "import lantern_jit, sys; print(sorted(m for m in sys.modules if m.endswith(FAMILIES)))".replace(
        "FAMILIES", repr(tuple(f"ir.numpy.{m}" for m in registry.FAMILIES))
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_family_implements_the_names_that_it_is_loaded_for() -> None:
    for module, names in registry.FAMILIES.items():
        registry.family(module)
        for name in names.split():
            entry = registry.REGISTRY[name.lstrip("+")]
            assert entry.fn.__module__.endswith(f"ir.numpy.{module}"), name
            assert entry.creates == name.startswith("+")
