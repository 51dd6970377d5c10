"""What an element of a mathematical function costs: lantern's SIMD code beside NumPy's, or SciPy's, in both precisions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special

from benchmarks.timing import Effort, python_batch, race

ELEMENTS = 4096  # they stay in the first cache
ASKED = 2.0  # times NumPy's
TOLERANCE = 8.0  # in units of the type's precision, relative


@dataclass(frozen=True)
class FunctionRow:
    """Nanoseconds an element."""

    name: str
    dtype: str
    lantern: float
    numpy: float
    error: float

    @property
    def ratio(self) -> float:
        """How many times NumPy's time."""
        return self.lantern / self.numpy

    @property
    def agrees(self) -> bool:
        """Whether the values are NumPy's, but for the last bits."""
        return self.error <= TOLERANCE


# name: the function, where its arguments come from; a second argument is the first backwards
FUNCTIONS: dict[str, tuple[Callable[..., Any], float, float]] = {
    "exp": (np.exp, -8, 8), "log": (np.log, 0.01, 50), "sin": (np.sin, -10, 10), "cos": (np.cos, -10, 10), "tan": (np.tan, -1.5, 1.5),
    "tanh": (np.tanh, -3, 3), "sinh": (np.sinh, -5, 5), "cosh": (np.cosh, -5, 5), "expm1": (np.expm1, -3, 3), "log1p": (np.log1p, -0.9, 9),
    "arctan": (np.arctan, -5, 5), "erf": (scipy.special.erf, -3, 3), "expit": (scipy.special.expit, -9, 9), "power": (np.power, 0.1, 9),
    "exp2": (np.exp2, -8, 8), "log2": (np.log2, 0.1, 9), "log10": (np.log10, 0.1, 9), "arcsin": (np.arcsin, -1, 1),
    "arccos": (np.arccos, -1, 1), "arctan2": (np.arctan2, -4, 4), "arcsinh": (np.arcsinh, -9, 9), "arccosh": (np.arccosh, 1, 9),
    "arctanh": (np.arctanh, -0.99, 0.99), "cbrt": (np.cbrt, -9, 9), "erfc": (scipy.special.erfc, -3, 3), "hypot": (np.hypot, -3, 3),
}  # fmt: skip
OF_TWO = ("power", "arctan2", "hypot")


def measure_functions(lj: Any, effort: Effort) -> list[FunctionRow]:
    """All functions, both precisions."""
    return [_measure(lj, name, dtype, effort) for name in FUNCTIONS for dtype in (np.float64, np.float32)]


def _measure(lj: Any, name: str, dtype: Any, effort: Effort) -> FunctionRow:
    f, low, high = FUNCTIONS[name]
    x = np.random.default_rng(0).uniform(low, high, ELEMENTS).astype(dtype)
    arguments = (x, x[::-1].copy()) if name in OF_TWO else (x,)
    compiled = lj.jit((lambda x, y: f(x, y)) if name in OF_TWO else (lambda x: f(x)))
    ours, theirs = compiled(*arguments), f(*arguments)
    error = float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-3)) / np.finfo(dtype).eps)
    seconds = race([python_batch(g, arguments) for g in (compiled, f)], effort)
    lantern, numpy = (s / ELEMENTS * 1e9 for s in seconds)
    return FunctionRow(name, np.dtype(dtype).name, lantern, numpy, error)
