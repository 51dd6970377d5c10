"""New arrays, and NumPy's as constants of the program."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Builder, Trace, atom_of, current_builder, keep
from ..core.graph import Const, Var
from ..core.op import literal
from ..core.sites import user_site
from ..core.types import CONVERT, I32, I64, NUMPY_DTYPES, PARTS, Array, Scalar, behaves_as_array, element, is_complex, widened
from ..ops import table
from . import pytree
from .complexes.pairs import ComplexArray, floats_of, of_pairs, to_complex
from .values import Arrayed, Traced, constant, dim_of, new_dim, scalar_type, to_type


def captured(trace: Trace, value: np.ndarray[Any, Any]) -> tuple[Var, Builder]:
    """A captured NumPy array: a hidden parameter of the outermost function."""
    root = trace.builders[0]
    entry = trace.constants.get(id(value))
    if entry is None:
        dtype = widened(value.dtype)
        if not behaves_as_array(type(value)):
            raise errors.ArgumentTypeError(
                f"a {type(value).__module__}.{type(value).__qualname__} at {user_site()} cannot be used in compiled code, for its operations are not "
                "those of a NumPy array: give np.asarray of it if you mean its elements"
            )
        if dtype is None:
            raise errors.ArgumentTypeError(f"an array of dtype {value.dtype} at {user_site()} cannot be used in compiled code: {CONVERT}")
        trace.captured.append(value)  # for as long as its id names it
        wide = value if value.dtype == NUMPY_DTYPES[dtype] else value.astype(NUMPY_DTYPES[dtype])
        if wide is not value or not value.flags.c_contiguous:  # a copy is what compiled code reads
            trace.reads.array(value)
        entry = trace.constants[id(value)] = (wide, root.fresh(Array(dtype, value.shape), "k"))
    return entry[1], root


def lift_array(value: np.ndarray[Any, Any]) -> Arrayed:
    """A concrete NumPy array used in traced code: a constant of the program, never written."""
    builder = current_builder()
    if value.dtype.kind == "c":
        _, floats = builder.trace.pairs.setdefault(id(value), (value, floats_of(value)))
        return of_pairs(lift_array(floats))  # type: ignore[no-any-return]
    var, root = captured(builder.trace, value)
    made = Arrayed(builder.use(var, root), builder, owned=False)  # type: ignore[arg-type]
    made.memory, made.sizes = var, list(value.shape)
    return made


def opened_constant(x: Any) -> Any:
    """A number or an array from outside; a complex one as a traced value, which has parts."""
    if isinstance(x, (complex, np.complexfloating)):
        return constant(x)
    return lift_array(x) if isinstance(x, np.ndarray) and x.dtype.kind == "c" and x.ndim else x


def opened_constants(tree: Any) -> Any:
    """A structure with each complex number or array from outside as a traced value."""
    leaves, treedef = pytree.flatten(tree)
    opened = list(map(opened_constant, leaves))
    return tree if all(a is b for a, b in zip(opened, leaves, strict=True)) else pytree.unflatten(treedef, opened)


def strong(value: Any, dtype: Scalar) -> Any:
    """A scalar as an element of that dtype: no Python number any more, whose type would adapt."""
    if not isinstance(value, Traced):
        return NUMPY_DTYPES[dtype].type(value)
    found = to_type(value, element(dtype))
    if is_complex(dtype):
        return found.weakly(False)
    if dtype == I32:
        found = table.wrap32(found)
    return Traced(found.atom, found.builder)


def allocate(dtype: Scalar, shape: Any, fill: Any, sized: bool = True) -> Arrayed:
    """A new array; `fill` is a scalar, or None for np.empty (which is filled with zeros all the same). One without axes is its
    element, as every array without axes is inside of a trace. One that is not `sized` is a placeholder: nothing may follow from its sizes."""
    builder = current_builder()
    sizes = list(shape) if isinstance(shape, (tuple, list)) else [shape]
    if not sizes:
        return strong(0 if fill is None else fill, dtype)  # type: ignore[no-any-return]
    if is_complex(dtype):
        z = to_complex(0 if fill is None else fill, dtype)
        return ComplexArray(*(allocate(PARTS[dtype], sizes, None if fill is None else part, sized) for part in (z.real, z.imag)))
    for n in sizes:
        if (scalar_type(n) or (None,))[0] != I64:
            raise errors.ArgumentTypeError(f"array sizes must be ints, not {n!r} ({user_site()})")
    atoms = tuple(atom_of(to_type(n, I64), I64, builder) for n in sizes)
    t = element(dtype)
    value = Const(literal(0, t), t) if fill is None else atom_of(to_type(fill, t), t, builder)
    (out,) = builder.emit(
        "alloc", (*atoms, value), (Array(dtype, tuple(dim_of(n) if sized else new_dim() for n in sizes)),), {}, user_site()
    )
    made = Arrayed(out, builder)
    made.fresh = True
    if sized:
        made.sizes = [n if isinstance(n, Traced) else int(n) for n in sizes]
    return made


keep("captured", lambda trace: [])  # arrays that are constants
keep("pairs", lambda trace: {})  # complex ones by their ids, with their memory as floats
