"""The relative accuracy of scalar derivatives, on dense samples of their domains, against mpmath with 60 digits.

The table gives the most units in the last place that a derivative may be away from the true one, also where the function
itself saturates, overflows or is about to. float32 is compared with a bound twice as large in its own units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import lantern_jit as lj

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp.clone() if hasattr(mpmath.mp, "clone") else mpmath.mp
mp.dps = 60
Row = tuple[Callable[..., Any], Callable[..., Any], float, float, float]  # f, f', from, to, units

# fmt: off
TABLE: dict[str, Row] = {
    "sqrt": (np.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), 0, 1e300, 2),
    "cbrt": (np.cbrt, lambda x: 1 / (3 * mp.cbrt(abs(x)) ** 2), -1e100, 1e100, 7),
    "exp": (np.exp, mp.exp, -700, 700, 4),
    "exp2": (np.exp2, lambda x: mp.log(2) * mp.mpf(2) ** x, -1000, 1000, 4),
    "expm1": (np.expm1, mp.exp, -700, 700, 4),
    "log": (np.log, lambda x: 1 / x, 0, 1e300, 1),
    "log2": (np.log2, lambda x: 1 / (x * mp.log(2)), 0, 1e300, 2),
    "log10": (np.log10, lambda x: 1 / (x * mp.log(10)), 0, 1e300, 2.5),
    "log1p": (np.log1p, lambda x: 1 / (1 + x), -1, 1e300, 2),
    "sin": (np.sin, mp.cos, -1e3, 1e3, 4),
    "cos": (np.cos, lambda x: -mp.sin(x), -1e3, 1e3, 4),
    "tan": (np.tan, lambda x: 1 / mp.cos(x) ** 2, -1e3, 1e3, 10),
    "arcsin": (np.arcsin, lambda x: 1 / mp.sqrt(1 - x * x), -1, 1, 3),
    "arccos": (np.arccos, lambda x: -1 / mp.sqrt(1 - x * x), -1, 1, 3),
    "arctan": (np.arctan, lambda x: 1 / (1 + x * x), -1e150, 1e150, 2.5),
    "sinh": (np.sinh, mp.cosh, -700, 700, 4),
    "cosh": (np.cosh, mp.sinh, -700, 700, 4),
    "tanh": (np.tanh, lambda x: 1 / mp.cosh(x) ** 2, -300, 300, 7),
    "tanh'": (lj.grad(np.tanh), lambda x: -2 * mp.sinh(x) / mp.cosh(x) ** 3, -200, 200, 12),
    "arcsinh": (np.arcsinh, lambda x: 1 / mp.sqrt(1 + x * x), -1e300, 1e300, 3),
    "arccosh": (np.arccosh, lambda x: 1 / (mp.sqrt(x - 1) * mp.sqrt(x + 1)), 1, 1e300, 4),
    "arctanh": (np.arctanh, lambda x: 1 / (1 - x * x), -1, 1, 3),
    "erf": (scipy.special.erf, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), -26, 26, 7),
    "erfc": (scipy.special.erfc, lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x), -26, 26, 7),
    "expit": (scipy.special.expit, lambda x: mp.exp(-abs(x)) / (1 + mp.exp(-abs(x))) ** 2, -700, 700, 7),
    "psi": (scipy.special.psi, lambda x: mp.polygamma(1, x), -20, 1e5, 20),
    "psi'": (lj.grad(scipy.special.psi), lambda x: mp.polygamma(2, x), 0, 1e5, 60),
}  # fmt: skip
# fmt: on
SAMPLES = 150
BORDERS = {"tanh": [12.0, 20.0], "expm1": [-40.0], "arccosh": [1e160, 1e300], "tanh'": [1e-8, 1e-300]}


def samples(low: float, high: float, rng: np.random.Generator) -> Any:
    """Points of all magnitudes, and evenly spread ones."""
    top = max(abs(low), abs(high))
    wide = 10.0 ** rng.uniform(-18, np.log10(top), SAMPLES) * rng.choice([-1.0, 1.0], SAMPLES)
    near = rng.uniform(max(low, -30.0), min(high, 30.0), SAMPLES)
    xs = np.concatenate([wide, near])
    return xs[(xs > low) & (xs < high)]


def units(found: float, x: float, true: Callable[..., Any], kind: type) -> float:
    """How many units in the last place of `kind` a derivative is away. Results outside of the normal range are left out."""
    want = true(mp.mpf(float(x)))
    with np.errstate(over="ignore"):
        nearest = kind(want)
    if not np.finfo(kind).tiny < abs(nearest) < np.finfo(kind).max:
        return 0.0
    assert np.isfinite(found), f"{found} at {x}"
    return float(abs(mp.mpf(float(found)) - want) / mp.mpf(float(np.spacing(abs(nearest)))))


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("name", TABLE)
def test_units_in_the_last_place(name: str, kind: type) -> None:
    f, true, low, high, bound = TABLE[name]
    if kind is np.float32:
        low, high, bound = max(low, -80.0), min(high, 80.0), 2 * bound
    xs = np.concatenate([samples(low, high, np.random.default_rng(5)), BORDERS.get(name, []) if kind is np.float64 else []]).astype(kind)
    xs = xs[(xs > low) & (xs < high)]
    slope = lj.jit(lj.grad(f))
    found = [slope(x) for x in xs] if name.endswith("'") else lj.jit(lj.grad(lambda x: np.sum(f(x))))(xs)
    worst = max((units(d, x, true, kind), x) for d, x in zip(found, xs, strict=True))
    assert worst[0] <= bound, f"{worst[0]:.1f} units at {worst[1]!r}"
