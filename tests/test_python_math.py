"""Python's math module: every function is right, in value, type and gradient, or refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both, numeric_gradient

PLAIN = [0.3, 0.75, 0.9]
POINTS: dict[str, list[tuple[Any, ...]]] = {
    **{name: [(x,) for x in PLAIN] for name in dir(math) if not name.startswith("_") and callable(getattr(math, name))},
    "acosh": [(1.5,), (40.0,)], "lgamma": [(0.5,), (7.25,), (-2.5,)], "gamma": [(0.5,), (7.25,), (-2.5,)],
    "floor": [(1.5,), (-1.5,), (3,), (True,)], "ceil": [(1.5,), (-1.5,), (3,)], "trunc": [(1.5,), (-1.5,), (3,)],
    "log": [(0.3,), (7,), (8.0, 2.0), (8.0, 2), (2, 0.5)], "pow": [(2.0, 3.0), (0.5, -1.5), (2, 10)], "atan2": [(1.0, -2.0), (-1, 3)],
    "hypot": [(3.0, 4.0), (3.0,), (1.0, -2.0, 3.0), (1, 2, 3, 4.0), (1e200, 1e200, 1e200)], "fmod": [(7.5, 2.0), (-7.5, 2.0), (7, 3)],
    "copysign": [(1.5, -2.0), (-1.5, 0.0), (3, -1)], "ldexp": [(1.5, 3), (1.5, -1074), (5e-324, 1100), (1.5, -1060), (1.75, -1073), (3, 2)],
    "remainder": [(7.5, 2.0), (5.0, 2.0), (7.0, 2.0), (-5.0, 2.0), (1e17, 3.3), (1.0, math.inf), (0.3, 0.1)],
    "modf": [(1.75,), (-1.75,), (math.inf,), (-0.25,), (3,)], "fsum": [([0.1] * 10,), ([1e16, 1.0, -1e16],), ([1, 2.5],), ([math.inf, 1.0],)],
    "prod": [([1.5, 2, 3.0],), ([2, 3],), ((1.5, 2.5),)], "sumprod": [([1.5, 2.0], [3.0, 4.0])], "dist": [((1.0, 2.0, 3.0), (0.5, 1.0, 1.5)), ([1, 2], [3, 4.0])],
    "frexp": [(6.5,), (-0.3,), (0.0,), (5e-324,), (1e300,), (math.inf,), (math.nan,), (3,)], "ulp": [(1.5,), (-3.0,), (0.0,), (1e300,), (1e-310,), (math.inf,), (math.nan,), (3,)],
    "nextafter": [(1.5, 2.0), (1.5, -math.inf), (0.0, 1.0), (2.0, 1.0), (2.0, 2.0), (1e308, math.inf), (math.nan, 1.0), (3, 4)],
    "isclose": [(1.0, 1.0 + 1e-10), (1.0, 1.1), (math.inf, math.inf), (math.inf, 1.0), (0.0, 1e-12), (math.nan, math.nan), (-math.inf, math.inf)],
    "isnan": [(math.nan,), (1.0,), (3,)], "isinf": [(math.inf,), (1.0,)], "isfinite": [(math.inf,), (1.0,)],
    "gcd": [(12, 18), (0, 5), (-12, 8), (2**62, 6), (12,), (12, 18, 8)], "lcm": [(4, 6), (0, 3), (-4, 6), (4, 6, 10)],
    "isqrt": [(0,), (15,), (16,), (17,), (2**62,), (2**63 - 1,), (3037000499**2 - 1,), (3037000499**2,)], "factorial": [(0,), (1,), (7,), (20,)],
    "comb": [(10, 3), (10, 7), (52, 5), (3, 5), (61, 30)], "perm": [(10, 3), (5,), (3, 5), (7, 7)],
}  # fmt: skip
JUMPS: dict[str, list[tuple[Any, ...]]] = {
    "copysign": [(-1.5, 0.0)],
    "modf": [(3,)],
    "remainder": [(5.0, 2.0), (7.0, 2.0), (-5.0, 2.0)],
    "frexp": [(0.0,), (5e-324,)],
}
REFUSED = ("fma",)
SMOOTH = [name for name in POINTS if name not in ("floor", "ceil", "trunc", "isnan", "isinf", "isfinite", "isclose", "gcd", "lcm", "isqrt", "factorial", "comb",
                                                   "perm", *REFUSED)]  # fmt: skip


def test_each_function_has_a_row() -> None:
    missing = [name for name in dir(math) if not name.startswith("_") and callable(getattr(math, name)) and not POINTS.get(name)]
    assert missing == []


@pytest.mark.parametrize("name", [n for n in POINTS if n not in REFUSED])
def test_values_and_types(name: str) -> None:
    python = getattr(math, name, None)
    if python is None:
        pytest.skip("a later Python's")
    for args in POINTS[name]:
        wanted = python(*args)
        for found in both(lambda *args: python(*args), *args).values():
            assert type(found) is type(wanted)
            if isinstance(wanted, (float, tuple)):
                np.testing.assert_allclose(found, wanted, rtol=1e-14 if name in ("gamma", "lgamma") else 2e-15)
            else:
                assert found == wanted
        assert lj.jit(lambda *args: type(python(*args)).__name__)(*args) == type(wanted).__name__


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients(name: str) -> None:
    python = getattr(math, name, None)
    if python is None:
        pytest.skip("a later Python's")
    for args in POINTS[name]:
        leaves = np.array([v for a in args for v in (a if isinstance(a, (list, tuple)) else [a])], float)
        if not np.all(np.isfinite(leaves)) or np.max(np.abs(leaves)) > 1e9 or name == "ldexp" or args in JUMPS.get(name, []):
            continue

        def f(x: Any, args: Any = args) -> Any:
            out = python(*again(x, args))
            return out[0] if isinstance(out, tuple) else out * 1.0

        np.testing.assert_allclose(
            lj.jit(lj.grad(f))(list(leaves)), numeric_gradient(f, [list(leaves)], (0,), 1e-5)[0], rtol=2e-6, atol=1e-6
        )


def again(x: list[Any], args: tuple[Any, ...]) -> list[Any]:
    """Numbers in the structure of `args`."""
    out, at = [], 0
    for a in args:
        n = len(a) if isinstance(a, (list, tuple)) else 1
        out.append(x[at : at + n] if isinstance(a, (list, tuple)) else x[at])
        at += n
    return out


def test_ldexp_scales_its_derivative() -> None:
    assert lj.jit(lj.grad(lambda x, n: math.ldexp(x, n)))(1.5, 4) == 16.0


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    if not hasattr(math, name):
        pytest.skip("a later Python's")
    with pytest.raises(
        errors.UnsupportedOperationError, match=rf"math\.{name} of traced values at \S*test_python_math\.py:\d+ in .* is not supported: \w+"
    ):
        lj.jit(lambda *args: getattr(math, name)(*args))(1.5, 1.5, 1.5)


WRONG: list[tuple[Callable[..., Any], tuple[Any, ...], type[BaseException], str]] = [
    (lambda x: math.gcd(x, 2), (1.5,), TypeError, r"math\.gcd at \S+:\d+ in <lambda> takes ints, not a float: convert it with int"),
    (lambda n: math.factorial(n), (-1,), ValueError, "factorial.. not defined for negative values"),
    (lambda n: math.factorial(n), (21,), OverflowError, "does not fit in 64 bits"),
    (lambda n: math.comb(n, 2), (-1,), ValueError, "n must be a non-negative integer"),
    (lambda n: math.isqrt(n), (-1,), ValueError, "isqrt.. argument must be nonnegative"),
    (lambda x: math.sin(x), (np.ones(2),), TypeError, r"math\.sin at \S+:\d+ in <lambda> takes a number, not a 1-d array of float64: use NumPy's"),
    (lambda x: math.dist((x, 1.0), (1.0,)), (1.5,), ValueError, "both points must have the same number of dimensions"),
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(WRONG)))
def test_wrong_arguments(at: int) -> None:
    f, args, error, words = WRONG[at]
    with pytest.raises(error, match=words):
        lj.jit(f)(*args)
    with pytest.raises(error):
        f(*args) if error is not OverflowError else lj.jit(f)(*args)
