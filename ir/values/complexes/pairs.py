"""Complex numbers while tracing: a pair of real traced values, so that no graph, pass or derivative knows of them.

A `Complex` scalar has two floats. A `ComplexArray` has two arrays of floats, its planes: those of a new array are arrays of their own; those of
an argument, or of a captured array, are views of NumPy's memory, an array with a last axis of 2 whose every other element is real. So a write goes
where NumPy's does, and `.real` and `.imag` are views to write through. Views of complex arrays are views (views.py) whose base is one: what reads or writes
elements asks for their planes (`plane`), and so does a kernel, whose operand is then two.

Both are containers of their parts (pytree.py): joins, loops, calls, containers and derivatives carry those. Arguments and results of
a program cross its border as `Interleaved`, in NumPy's memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ...core import errors
from ...core.port import Port
from ...core.sites import unsupported, user_site
from ...core.types import COMPLEX, F32, F64, PARTS, Array, Scalar, Type, is_complex
from .. import pytree
from ..values import Arrayed, Traced, complexed, constant, dims_of, scalar_type, to_type

absolute = Port("the absolute value of a complex number")
of_pairs = Port("makes a complex array of an array of pairs of floats, in its memory")


class Complex(Traced):
    """real + 1j * imag: two traced floats of one type. Its operators are in functions.py."""

    __slots__ = ("parts",)

    def __init__(self, real: Any, imag: Any) -> None:
        self.parts, self.builder, self.given = (real, imag), None, None

    real = property(lambda z: z.parts[0])
    imag = property(lambda z: z.parts[1])

    @property
    def atom(self) -> Any:
        return unsupported("this operation of complex values", "take their real and imaginary parts")

    @property
    def weak(self) -> bool:  # type: ignore[override]
        return bool(self.real.weak and self.imag.weak)

    def __neg__(self) -> Any:
        return Complex(-self.real, -self.imag)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return absolute(self).weakly(self.weak)

    @property
    def type(self) -> Scalar:
        return COMPLEX[self.real.type]

    def weakly(self, weak: bool) -> Any:
        return Complex(self.real.weakly(weak), self.imag.weakly(weak))

    def item(self) -> Any:
        return Complex(self.real.item(), self.imag.item())

    def conjugate(self) -> Any:
        return Complex(self.real, -self.imag)

    conj = conjugate

    def _concrete(self, what: str, kind: str) -> Any:
        raise errors.TracedConditionError(
            f"{what} needs a concrete {kind} at {user_site()}, and a complex value is computed by the program"
        )

    def _no_real(self, *args: Any) -> NoReturn:
        raise TypeError(f"can't convert complex to a real number at {user_site()}: take its real part, .real")

    __float__ = __int__ = __index__ = _no_real


def _base_of(part: Arrayed) -> Any:
    return part.base if hasattr(type(part), "base") else part


class ComplexArray(Arrayed):
    """A whole complex array: its real and its imaginary part, arrays of one shape and dtype, which may be views."""

    __slots__ = ("planes",)

    def __init__(self, real: Any, imag: Any) -> None:
        self.planes = real, imag
        self.given = None

    @property
    def atom(self) -> Any:
        return unsupported("this operation of complex arrays", "take their real and imaginary parts")

    @property
    def type(self) -> Array:
        return Array(COMPLEX[self.planes[0].type.dtype], dims_of(self.planes[0]))

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.planes[0].shape  # type: ignore[no-any-return]

    ndim = property(lambda a: a.planes[0].ndim)
    sizes = property(lambda a: list(a.shape))
    builder = property(lambda a: a.planes[0].builder)
    fresh = property(lambda a: False)
    joined = property(lambda a: True)
    memory = property(lambda a: _base_of(a.planes[0]).memory)
    serial = property(lambda a: a.planes[0].serial)

    @property
    def owned(self) -> bool:
        return all(p.owned and _base_of(p).owned for p in self.planes)

    @owned.setter
    def owned(self, owned: bool) -> None:
        for p in self.planes:
            p.owned = owned


class Interleaved:
    """A complex array at the border of a program: `floats`, its memory, has a last axis of 2."""

    __slots__ = ("floats",)

    def __init__(self, floats: Any) -> None:
        self.floats = floats


def is_complex_number(x: Any) -> bool:
    """Python's, NumPy's or a traced one?"""
    return isinstance(x, (complex, np.complexfloating, Complex)) or (isinstance(x, np.ndarray) and x.ndim == 0 and x.dtype.kind == "c")


def kind_of(x: Any) -> Type | None:
    """The type of a number, or of an array's elements, if it is traced."""
    return x.type.dtype if isinstance(x, Arrayed) else x.type if isinstance(x, Traced) else None


def is_complex_array(x: Any) -> bool:
    return isinstance(x, Arrayed) and is_complex(x.type.dtype)


def complex_of(real: Any, imag: Any) -> Complex:
    """The complex number of two real ones, in the wider of their float types."""
    kinds = [scalar_type(x) or (F64, False) for x in (real, imag)]
    strong = [t for t, w in kinds if not w]
    t = F32 if F32 in strong and all(s == F32 for s in strong) else F64
    weak = all(w for _, w in kinds)
    return Complex(*(to_type(x if isinstance(x, Traced) else constant(x), t).weakly(weak) for x in (real, imag)))


@complexed.define
def to_complex(value: Any, t: Scalar) -> Any:
    """A number in a complex type; one that is complex has no other."""
    if not is_complex(t):
        raise TypeError(f"can't convert complex to {t} at {user_site()}: take the real part, .real")
    if isinstance(value, np.ndarray):
        value = value[()]
    part, weak = PARTS[t], (scalar_type(value) or (t, False))[1]
    real, imag = (value.real, value.imag) if is_complex_number(value) else (value, 0.0)
    found = [to_type(x if isinstance(x, Traced) else constant(float(x) if is_complex_number(value) else x), part) for x in (real, imag)]
    return Complex(*(x.weakly(weak) for x in found))


# ---- as containers
def _of_parts(cls: Any) -> Callable[[Any, Any], Any]:
    def of_parts(_: Any, parts: Any) -> Any:
        """What the parts are parts of: those of a lane are numbers, and those of all lanes arrays. Outside of a trace it is NumPy's or Python's."""
        real, imag = parts
        if isinstance(real, (Arrayed, Traced)):
            return (ComplexArray if isinstance(real, Arrayed) else Complex)(real, imag)
        if isinstance(real, np.ndarray):
            out = np.empty(real.shape, np.result_type(real, 1j))
            out.real, out.imag = real, imag
            return out
        if type(real) in CLASSES and type(imag) in CLASSES:
            return CLASSES[type(real)](complex(real, imag))
        return cls(real, imag)

    return of_parts


def _interleaved(_: Any, children: Any) -> Any:
    (floats,) = children
    if isinstance(floats, Arrayed):
        return of_pairs(floats)
    return floats.view(np.result_type(floats, 1j))[..., 0] if isinstance(floats, np.ndarray) else Interleaved(floats)


CLASSES: dict[Any, Any] = {float: complex, np.float64: np.complex128, np.float32: np.complex64}
_NAMES = ("real", "imag")
pytree.register(Complex, lambda z: ((z.real, z.imag), None, _NAMES), _of_parts(Complex))
pytree.register(ComplexArray, lambda a: (a.planes, None, _NAMES), _of_parts(ComplexArray))
pytree.register(Interleaved, lambda a: ((a.floats,), None, (None,)), _interleaved)


# ---- arguments
def split(x: Any) -> Any:
    """A leaf of arguments: a complex one as the container of its parts that the program takes."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "c" and x.dtype.itemsize <= 16:
        return Interleaved(floats_of(x)) if x.ndim else split(x[()])
    if isinstance(x, (complex, np.complex128, np.complex64)):
        return Complex(x.real, x.imag)
    return x


def split_in(tree: Any) -> Any:
    """A structure with each complex leaf so."""
    leaves, treedef = pytree.flatten(tree)
    return pytree.unflatten(treedef, map(split, leaves))


def pairs_in(tree: Any) -> set[int]:
    """Which leaves of a structure are the memory of complex arrays?"""
    found: set[int] = set()
    pytree.map_nodes(Interleaved, lambda z: found.add(z.floats), pytree.unflatten(tree, range(tree.num_leaves)))
    return found


def floats_of(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The memory of a complex array as floats, with a last axis of 2."""
    return x[..., None].view(x.real.dtype)
