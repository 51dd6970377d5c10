"""The scalar machine of the reference interpreter: NumPy scalars.

LLVM's machine (backends/llvm/emit/machine.py) has the same methods. Values are np.float64, np.float32, np.int64
and bool, so that rounding, NaN and overflow are those of NumPy in every type.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import LanternError
from .faults import KINDS, make_error
from .graph import Site
from .types import BOOL, F32, F64, LANE, MASK, NUMPY_DTYPES, SIDE, Scalar

SPLITTERS = {F64: 2.0**27 + 1, F32: 2.0**12 + 1}

_NUMPY_NAMES = {
    "fabs": "fabs", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh", "atan2": "arctan2", "pow": "power",
}  # fmt: skip


class PythonMachine:
    """Scalar instructions on NumPy scalars."""

    def arithmetic(self, name: str, *xs: Any) -> Any:
        x = xs[0]
        if name == "neg":
            return -x
        y = xs[1]
        if name == "div":
            return np.true_divide(x, y)
        return {"add": np.add, "sub": np.subtract, "mul": np.multiply}[name](x, y)

    def integer(self, name: str, x: Any, y: Any) -> Any:
        fn: Any = {
            "add": np.add, "sub": np.subtract, "mul": np.multiply, "floordiv": np.floor_divide, "mod": np.mod,
            "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "shl": np.left_shift,
            "shr": np.right_shift, "fmod": np.fmod, "udiv": lambda x, y: np.int64(np.uint64(int(x) % 2**64 // (int(y) % 2**64))),
        }[name]  # fmt: skip
        return fn(np.int64(x), np.int64(y))

    def integer_exact(self, name: str, x: Any, y: Any) -> tuple[Any, bool]:
        """(x (op) y, whether it fits)"""
        z = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}[name](int(x), int(y))
        return np.int64((z + 2**63) % 2**64 - 2**63), -(2**63) <= z < 2**63

    def integer_power(self, x: Any, n: Any) -> Any:
        return np.power(np.int64(x), np.int64(n))

    def bits(self, x: Any) -> Any:
        """The bits of a float64 as an integer."""
        return np.float64(x).view(np.int64)

    def round_decimal(self, x: Any, n: int) -> Any:
        return type(x)(round(float(x), n))

    def logical(self, name: str, x: Any, y: Any) -> Any:
        if np.ndim(x) or np.ndim(y):
            return {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}[name](x, y)
        return {"and": x and y, "or": x or y, "xor": bool(x) != bool(y)}[name]

    def compare(self, name: str, x: Any, y: Any) -> Any:
        fn = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}
        z = fn[name](x, y)
        return z if np.ndim(z) else bool(z)

    def select(self, c: Any, x: Any, y: Any) -> Any:
        return np.where(c, x, y) if np.ndim(c) else x if c else y

    def instruction(self, name: str, *xs: Any) -> Any:
        """sqrt, fabs, floor, ceil, trunc, rint, copysign: one instruction on most machines."""
        return getattr(np, name)(*xs)

    def libm(self, name: str, *xs: Any) -> Any:
        return self.special(name, *xs) if name in ("erf", "erfc", "expit") else getattr(np, _NUMPY_NAMES.get(name, name))(*xs)

    def slope(self, name: str, x: Any, z: Any) -> Any:
        """The derivative of z = tanh(x) or expit(x), to the last digits where z saturates."""
        e = np.exp(-np.abs(x + x if name == "tanh" else x))
        return self.constant(4 if name == "tanh" else 1, x) * e / ((1 + e) * (1 + e))

    def special(self, name: str, *xs: Any) -> Any:
        """A function of scipy.special; `airy.2` is the third result of one that has several."""
        import scipy.special

        name, _, part = name.partition(".")
        function, given = getattr(scipy.special, name), list(xs)
        doubles = "d" * len(xs) + "->d"
        if not any(t.startswith(doubles) for t in getattr(function, "types", [doubles])):  # whole numbers are ints of its own
            kinds = next(t for t in function.types if t.endswith("->d") and t.count("d") == len(xs))
            given = [np.int64(x) if k != "d" else x for x, k in zip(xs, kinds, strict=False)]
        z = function(*given)[int(part)] if part else function(*given)
        return z.astype(xs[-1].dtype) if np.ndim(z) else type(xs[-1])(z)  # a number before it may be a plain one

    def apart(self, name: str, value: Any, *xs: Any) -> Any:
        """value(*xs), of a length that is worth a function of its own; in float64."""
        return type(xs[-1])(value(*map(np.float64, xs)))

    def check(self, ok: Any, kind: str, *values: Any) -> None:
        """Raise the fault `kind` unless `ok`."""
        if not ok:
            raise Fault(kind, *map(int, values))

    def refuse(self, bad: Any, kind: str, site: Site, floats: Sequence[Any]) -> None:
        """Raise the fault `kind` at a place if `bad`, in any lane; it says these floats, up to three."""
        if np.any(bad):
            given = [float(np.ravel(x)[0]) for x in floats if np.size(x) == 1]
            raise make_error(KINDS[kind], site, struct.unpack("3q", struct.pack("3d", *[*given, 0.0, 0.0, 0.0][:3])))

    def convert(self, x: Any, to: Scalar) -> Any:
        return number(x, to)

    def lane(self, x: Any, i: int) -> Any:
        return x[i]

    def in_lane(self, x: Any, i: int, to: Scalar) -> Any:
        z = number(0.0, to)
        z[i] = x
        return z

    def block(self, xs: Any, to: Scalar) -> Any:
        return np.array(xs, bool if to == MASK else NUMPY_DTYPES[LANE[to][0]])

    def any_lane(self, x: Any) -> Any:
        return bool(np.any(x))

    def lane_sum(self, x: Any) -> Any:
        return x.sum()

    def constant(self, value: float, like: Any) -> Any:
        return np.full(like.shape, value, like.dtype) if np.ndim(like) else type(like)(value)

    def splitter(self, like: Any) -> Any:
        """Multiplied by it, a number of this type splits into two halves of its digits (Dekker, 1971)."""
        return self.constant(SPLITTERS[F32 if like.dtype == np.float32 else F64], like)


def number(x: Any, t: Scalar) -> Any:
    """A number as a value of this machine."""
    if t in LANE:
        return np.full(LANE[t][1], x, NUMPY_DTYPES[LANE[t][0]])
    if t == MASK:
        return np.full(SIDE, x, bool)
    return bool(x) if t == BOOL else NUMPY_DTYPES[t].type(x)


class Fault(LanternError):
    """A check of the Python machine that did not hold; the interpreter adds the site."""

    def __init__(self, kind: str, *values: int) -> None:
        super().__init__(KINDS[kind].message)
        self.kind, self.values = kind, (*values, 0, 0, 0)[:3]


PYTHON = PythonMachine()
