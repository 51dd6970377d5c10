"""For each elementwise row of the table: a sampler of its legal domain, NumPy's value, and how users write it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.special

Function = Callable[..., Any]
Interval = tuple[float, float]
LD = np.longdouble
ANY: Interval = (-3.0, 3.0)
POSITIVE: Interval = (0.1, 5.0)


@dataclass(frozen=True)
class Sample:
    """A row's reference, and the box its arguments are drawn from. `smooth` refuses points near a kink."""

    reference: Function
    box: tuple[Interval, ...]
    spellings: tuple[Function, ...] = ()
    smooth: Callable[..., bool] = lambda *xs: True
    attrs: dict[str, Any] = field(default_factory=dict)
    double: bool = False  # the reference is no better than double precision

    def points(self, name: str, n: int = 6) -> list[tuple[float, ...]]:
        """n points of the box, the same in every run; representable in float32."""
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        out: list[tuple[float, ...]] = []
        while len(out) < n:
            x = tuple(float(np.float32(rng.uniform(lo, hi))) for lo, hi in self.box)
            if self.smooth(*x):
                out.append(x)
        return out


def off_zero(*xs: float) -> bool:
    return all(abs(x) > 0.3 for x in xs)


def off_integer(x: float) -> bool:
    return abs(x - round(x)) > 0.05 and abs(x % 1.0 - 0.5) > 0.05


def off_quotient(x: float, y: float) -> bool:
    return off_zero(x, y) and off_integer(x / y) and abs(x / y - round(x / y)) * min(1.0, abs(y)) > 0.05


def _special(name: str) -> Function:
    return lambda *xs: getattr(scipy.special, name)(*(np.float64(x) for x in xs))


def _polygamma(x: Any) -> Any:
    return scipy.special.polygamma(1, np.float64(x))


def _expit(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def unary(name: str, box: Interval, *spellings: Function, **more: Any) -> Sample:
    return Sample(getattr(np, name), (box,), (getattr(np, name), *spellings), **more)


def binary(name: str, box: Interval, *spellings: Function, second: Interval | None = None, **more: Any) -> Sample:
    return Sample(getattr(np, name), (box, second or box), (getattr(np, name), *spellings), **more)


DIFFERENTIABLE: dict[str, Sample] = {
    "add": binary("add", ANY, lambda x, y: x + y),
    "sub": binary("subtract", ANY, lambda x, y: x - y),
    "mul": binary("multiply", ANY, lambda x, y: x * y),
    "div": binary("divide", ANY, lambda x, y: x / y, np.true_divide, smooth=off_zero),
    "neg": unary("negative", ANY, lambda x: -x),
    "mul_zero": Sample(lambda x, y: x * y, (ANY, ANY), smooth=off_zero),
    "over_power": Sample(lambda x, y: x / y**2, (ANY, ANY), smooth=off_zero, attrs={"n": 2}),
    "abs": unary("absolute", ANY, abs, np.fabs, math.fabs, smooth=off_zero),
    "copysign": binary("copysign", ANY, math.copysign, smooth=off_zero),
    "fmod": binary("fmod", ANY, math.fmod, smooth=off_quotient),
    "mod": binary("mod", ANY, lambda x, y: x % y, lambda x, y: divmod(x, y)[1], np.remainder, smooth=off_quotient),
    "sqrt": unary("sqrt", POSITIVE, math.sqrt, lambda x: x**0.5),
    "cbrt": unary("cbrt", ANY, *([math.cbrt] if hasattr(math, "cbrt") else []), smooth=off_zero),
    "root_squared": Sample(lambda x: x * 1.0, (POSITIVE,)),
    "hypot_squared": Sample(lambda x, y: x * x + y * y, (ANY, ANY)),
    "hypot": binary("hypot", ANY, math.hypot, smooth=off_zero),
    "pow": binary("power", POSITIVE, lambda x, y: x**y, math.pow, pow, np.float_power, second=ANY),
    "pow_slope": Sample(lambda x, y: x ** (y - 1) * (1 + y * np.log(x)), (POSITIVE, ANY), attrs={"k": 1, "n": 1}),
    "powi": Sample(lambda x: x**3, (ANY,), (lambda x: x**3, lambda x: np.power(x, 3.0)), off_zero, {"n": 3}),
    "exp": unary("exp", ANY, math.exp),
    "exp2": unary("exp2", ANY, lambda x: 2.0**x, *([math.exp2] if hasattr(math, "exp2") else [])),
    "expm1": unary("expm1", ANY, math.expm1),
    "log": unary("log", POSITIVE, math.log),
    "log2": unary("log2", POSITIVE, math.log2, lambda x: math.log(x, 2)),
    "log10": unary("log10", POSITIVE, math.log10, lambda x: math.log(x, 10.0)),
    "log1p": unary("log1p", (-0.8, 3.0), math.log1p),
    "logaddexp": binary("logaddexp", ANY),
    "sin": unary("sin", ANY, math.sin),
    "cos": unary("cos", ANY, math.cos),
    "tan": unary("tan", (-1.4, 1.4), math.tan),
    "asin": unary("arcsin", (-0.9, 0.9), math.asin),
    "acos": unary("arccos", (-0.9, 0.9), math.acos),
    "atan": unary("arctan", ANY, math.atan),
    "atan2": binary("arctan2", ANY, math.atan2, smooth=off_zero),
    "sinh": unary("sinh", ANY, math.sinh),
    "cosh": unary("cosh", ANY, math.cosh),
    "tanh": unary("tanh", ANY, math.tanh),
    "asinh": unary("arcsinh", ANY, math.asinh),
    "acosh": unary("arccosh", (1.2, 5.0), math.acosh),
    "atanh": unary("arctanh", (-0.8, 0.8), math.atanh),
    "erf": Sample(_special("erf"), (ANY,), (math.erf, scipy.special.erf), double=True),
    "erfc": Sample(_special("erfc"), (ANY,), (math.erfc, scipy.special.erfc), double=True),
    "gaussian": Sample(lambda x: np.exp(-x * x), (ANY,)),
    "expit": Sample(_expit, (ANY,), (scipy.special.expit,)),
    "gammaln": Sample(_special("gammaln"), ((1.0, 5.0),), (math.lgamma, scipy.special.gammaln), double=True),
    "gamma": Sample(_special("gamma"), ((0.5, 5.0),), (math.gamma, scipy.special.gamma), double=True),
    "digamma": Sample(_special("psi"), ((1.0, 5.0),), (scipy.special.psi, scipy.special.digamma), double=True),
    "special1": Sample(_special("erfcx"), ((-1.0, 3.0),), (scipy.special.erfcx,), attrs={"function": "erfcx"}, double=True),
    "special2": Sample(_special("gammainc"), ((1.0, 4.0), (0.5, 5.0)), (scipy.special.gammainc,), attrs={"function": "gammainc"}, double=True),
    "polygamma": Sample(_polygamma, ((1.0, 5.0),), attrs={"n": 1}, double=True),
}  # fmt: skip

# Results without a gradient: rounding, comparisons, tests.
FLAT: dict[str, Sample] = {
    "direction": Sample(lambda x: np.where(x >= 0, 1.0, -1.0) * 1.0, (ANY,), smooth=off_zero),
    "sign": unary("sign", ANY, smooth=off_zero),
    "floor": unary("floor", ANY, lambda x: math.floor(x) * 1.0, smooth=off_integer),
    "ceil": unary("ceil", ANY, lambda x: math.ceil(x) * 1.0, smooth=off_integer),
    "trunc": unary("trunc", ANY, lambda x: math.trunc(x) * 1.0, lambda x: int(x) * 1.0, smooth=off_integer),
    "rint": unary("rint", ANY, lambda x: round(x) * 1.0, np.round, smooth=off_integer),
    "floordiv": binary("floor_divide", ANY, lambda x, y: x // y, lambda x, y: divmod(x, y)[0], smooth=off_quotient),
    "eq": binary("equal", ANY, lambda x, y: x == y),
    "ne": binary("not_equal", ANY, lambda x, y: x != y),
    "lt": binary("less", ANY, lambda x, y: x < y),
    "le": binary("less_equal", ANY, lambda x, y: x <= y),
    "gt": binary("greater", ANY, lambda x, y: x > y),
    "ge": binary("greater_equal", ANY, lambda x, y: x >= y),
    "isnan": unary("isnan", ANY, math.isnan),
    "isinf": unary("isinf", ANY, math.isinf),
    "isfinite": unary("isfinite", ANY, math.isfinite),
    "signbit": unary("signbit", ANY),
    "to_integer": Sample(lambda x: np.int64(np.trunc(x)), (ANY,), (int, math.trunc)),
}  # fmt: skip

INTEGERS = (-7, -3, -1, 0, 1, 2, 5, 2**62, -(2**63), 2**63 - 1)


def _shift(f: Function) -> Function:
    return lambda x, y: f(np.int64(x), np.int64(y))


# (NumPy's value, the operator, which pairs are legal)
INTEGRAL: dict[str, tuple[Function, tuple[Function, ...], Callable[..., bool]]] = {
    "imax": (np.maximum, (), lambda x, y: True),
    "imin": (np.minimum, (), lambda x, y: True),
    "iadd": (np.add, (lambda x, y: x + y,), lambda x, y: True),
    "isub": (np.subtract, (lambda x, y: x - y,), lambda x, y: True),
    "imul": (np.multiply, (lambda x, y: x * y,), lambda x, y: True),
    "ifloordiv": (np.floor_divide, (lambda x, y: x // y, lambda x, y: divmod(x, y)[0]), lambda x, y: y != 0),
    "imod": (np.mod, (lambda x, y: x % y, lambda x, y: divmod(x, y)[1]), lambda x, y: y != 0),
    "ifmod": (np.fmod, (), lambda x, y: y != 0),
    "ipow": (np.power, (lambda x, y: x**y, pow), lambda x, y: y >= 0),
    "iand": (np.bitwise_and, (lambda x, y: x & y,), lambda x, y: True),
    "ior": (np.bitwise_or, (lambda x, y: x | y,), lambda x, y: True),
    "ixor": (np.bitwise_xor, (lambda x, y: x ^ y,), lambda x, y: True),
    "ishl": (np.left_shift, (lambda x, y: x << y,), lambda x, y: y >= 0),
    "ishr": (np.right_shift, (lambda x, y: x >> y,), lambda x, y: y >= 0),
    "ieq": (np.equal, (lambda x, y: x == y,), lambda x, y: True),
    "ine": (np.not_equal, (lambda x, y: x != y,), lambda x, y: True),
    "ilt": (np.less, (lambda x, y: x < y,), lambda x, y: True),
    "ile": (np.less_equal, (lambda x, y: x <= y,), lambda x, y: True),
    "igt": (np.greater, (lambda x, y: x > y,), lambda x, y: True),
    "ige": (np.greater_equal, (lambda x, y: x >= y,), lambda x, y: True),
}
LOGICAL: dict[str, Function] = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}

# Rows with a test of their own in test_operations.py; `gate` in test_guards.py; `carried` in test_loops_as_kernels.py; `fixed` in test_initial_values.py; those of sizes and indices in test_array_shapes.py.
OTHERS = {"tanh_slope", "expit_slope", "pow_log"}  # derivatives of tanh, expit and pow, tested with them
OTHERS |= {"round_decimal", "unsigned_div", "exact_add", "exact_sub", "exact_mul", "wrap32", "fits32", "order_of"}  # in test_scalars.py
OTHERS |= {"special3", "special4"}  # in test_special.py
OTHERS |= {
    "select",
    "gate",
    "fixed",
    "carried",
    "convert",
    "nonzero_step",
    "holds",
    "same_size",
    "equal_size",
    "broadcast_size",
    "check_index",
}
OTHERS |= {"lane", "in_lane", "lane_sum"}  # in test_tangents.py
OTHERS |= {"block", "any_lane"}  # in test_side_by_side.py
SAMPLED = {*DIFFERENTIABLE, *FLAT, *INTEGRAL, *LOGICAL, *OTHERS}

__all__ = ["DIFFERENTIABLE", "FLAT", "INTEGERS", "INTEGRAL", "LD", "LOGICAL", "SAMPLED", "Sample"]
