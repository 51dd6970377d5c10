"""Types of graph values: scalars, and arrays of them with a list of dimensions.

What the dimensions say is known of every value of the type (dims.py); a program reads a size by `dim`. Two array types have one
representation when dtype and rank agree, so that one compiled function serves every size.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from .dims import UNKNOWN, Dim


@dataclass(frozen=True)
class Scalar:
    """A scalar type: `f64`, `f32`, `i64` or `bool`. Arrays may hold `i32` too: its elements are i64 once they are read."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Array:
    """A contiguous row-major array of `dtype` with the dimensions `dims`; a reference to memory."""

    dtype: Scalar
    dims: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        return len(self.dims)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.dims))}]"


Type = Union[Scalar, Array]

F64, F32, I64, BOOL = Scalar("f64"), Scalar("f32"), Scalar("i64"), Scalar("bool")
I32 = Scalar("i32")  # of array elements only
PTR, CODE = Scalar("ptr"), Scalar("code")  # addresses of memory and of functions, below derivatives only
WIDTHS = (2, 4, 8)  # of blocks of lanes
SIDE = 16  # the width of blocks that are not the tangents of one value, but values of loop iterations that run side by side
LANES = {(t, n): Scalar(f"{t}x{n}") for t in (F64, F32) for n in (*WIDTHS, SIDE)}  # floats side by side
LANE = {wide: (t, n) for (t, n), wide in LANES.items()}
MASK = Scalar(f"boolx{SIDE}")  # what a comparison of such values gives
SCALARS = {t.name: t for t in (F64, F32, I64, BOOL, I32, *LANE, MASK)}
NUMPY_DTYPES: dict[Scalar, np.dtype[Any]] = {F64: np.dtype("f8"), F32: np.dtype("f4"), I64: np.dtype("i8"), BOOL: np.dtype("?"),
                                              I32: np.dtype("i4")}  # fmt: skip
PARTS = {Scalar("c128"): F64, Scalar("c64"): F32}  # complex numbers, which a trace alone knows: in a graph they are their parts
C128, C64 = PARTS
COMPLEX = {part: t for t, part in PARTS.items()}
NUMPY_DTYPES |= {C128: np.dtype("c16"), C64: np.dtype("c8")}
FROM_NUMPY = {dtype: t for t, dtype in NUMPY_DTYPES.items()}
NUMPY_DTYPES.update((wide, np.dtype((NUMPY_DTYPES[t], (n,)))) for wide, (t, n) in LANE.items())
WIDER = {np.dtype(d): t for t, ds in ((I32, ("i1", "i2", "u1", "u2")), (I64, ("u4",)), (F32, ("f2",))) for d in ds}

CONVERT = "convert it to float64, float32, complex128, complex64, int64, int32 or bool"


def widened(dtype: np.dtype[Any]) -> Scalar | None:
    """The type that values of a NumPy dtype from outside have in a program: the smallest that holds each of them exactly."""
    native = dtype.newbyteorder("=")
    return FROM_NUMPY.get(native) or WIDER.get(native)


def behaves_as_array(cls: Any) -> bool:
    """Does a subclass of ndarray compute as ndarray does? np.matrix, masked arrays and arrays with units do not."""
    return bool(cls.__mul__ is np.ndarray.__mul__ and cls.__array_ufunc__ is np.ndarray.__array_ufunc__)


def array_of(dtype: Scalar, rank: int) -> Array:
    """A type of a signature: of rank-`rank` arrays of any size."""
    return Array(dtype, (UNKNOWN,) * rank)


def element(dtype: Scalar) -> Scalar:
    """The type of an element of an array of `dtype` once it is read."""
    return I64 if dtype == I32 else dtype


def loaded(module: str, name: str) -> Any:
    """A module that has been loaded, so far that it has this name; else None. (NumPy loads numpy.random when it is first asked for.)"""
    found = sys.modules.get(module)
    return found if hasattr(found, name) else None


def is_generator(x: Any) -> bool:
    """Is it a numpy.random.Generator?"""
    module = loaded("numpy.random", "Generator")
    return module is not None and issubclass(type(x), module.Generator)


def is_float(t: Type) -> bool:
    """Is `t` f64 or f32, or a block of them?"""
    return t is F64 or t is F32 or t in (F64, F32) or t in LANE


def is_complex(t: Type) -> bool:
    """Is `t` c128 or c64?"""
    return t in PARTS


def is_inexact(t: Type) -> bool:
    """Is it a type of floats, or of complex numbers?"""
    return is_float(t) or t in PARTS


def width(t: Type) -> int:
    """How many lanes does a value have?"""
    found = LANE.get(t.dtype if isinstance(t, Array) else t)
    return 1 if found is None else found[1]


def lane_type(t: Scalar) -> Scalar:
    """The type of one lane."""
    return LANE[t][0] if t in LANE else t


def wide(t: Any, n: int) -> Any:
    """The type of n tangents of a value side by side."""
    if isinstance(t, Array):
        return Array(wide(t.dtype, n), t.dims)
    return t if n == 1 else LANES[t, n]


def carries_gradient(t: Type) -> bool:
    """Can a value of type `t` have a tangent or an adjoint?"""
    return is_float(t.dtype if isinstance(t, Array) else t)


def same_type(a: Type, b: Type) -> bool:
    """Do values of types `a` and `b` have one representation?"""
    if isinstance(a, Array) and isinstance(b, Array):
        return a.dtype == b.dtype and a.rank == b.rank
    return a == b


def with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def describe(t: Type) -> str:
    """`t` in a user's words, for error messages."""
    words = {"f64": "float", "f32": "float32", "i64": "int", "bool": "bool", "c128": "complex", "c64": "complex64"}
    if isinstance(t, Array):
        return f"{t.rank}-d array of {NUMPY_DTYPES[t.dtype].name}"
    return words[t.name]


# ---- types of memory: what stands at an address
@dataclass(frozen=True)
class Struct:
    """Fields by name, each a scalar, an array (its address and sizes) or a Struct."""

    name: str
    fields: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        return self.name

    @property
    def is_pair(self) -> bool:
        """A value and its adjoint, which has no name of its own."""
        return self.name.endswith("'")

    @functools.cached_property
    def numbers(self) -> dict[str, int]:
        return {n: i for i, (n, _) in enumerate(self.fields)}

    def at(self, path: Sequence[str]) -> Any:
        """The type of a field."""
        t: Any = self
        for name in path:
            t = t.fields[t.numbers[name]][1]
        return t

    def __hash__(self) -> int:
        return hash(self.name)


@functools.cache
def pair(t: Type) -> Struct:
    """A value and its adjoint."""
    assert isinstance(t, Scalar)
    return Struct(f"{t}'", (("v", t), ("d", t)))
