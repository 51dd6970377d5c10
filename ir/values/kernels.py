"""Whole-array operations, as kernels: one loop nest each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors, kernel
from ..core.builder import Builder, atom_of, current_builder
from ..core.graph import Let, Var
from ..core.graph import Return as GraphReturn
from ..core.kernel import Access, Gather, Index, Kernel, Result, Same
from ..core.sites import unsupported, user_site
from ..core.types import BOOL, F64, I32, I64, PARTS, Array, Scalar, element, is_complex, widened
from ..ops import table
from . import sizes, values, views
from .arrays import allocate
from .complexes.pairs import Complex, ComplexArray, to_complex
from .scalars import truth
from .sizes import Size
from .values import Arrayed, Traced, constant, dim_of, scalar_type, to_type
from .views import View, access, as_array, axes_of, base_of, places, shape_of, spec_of


@views.copied.define
def copied(a: Arrayed) -> Arrayed:
    return elementwise(lambda x: x, a, name="copy", dtype=a.type.dtype)  # type: ignore[no-any-return]


def whole(out: Var, shape: Sequence[Size]) -> Arrayed:
    """A new array of the current function."""
    made = Arrayed(out, current_builder())
    made.sizes = list(shape)
    made.fresh = True
    return made


def emit(
    name: str, space: Sequence[Size], inputs: Sequence[Any], fn: Callable[..., Any], results: Sequence[Result], dtypes: Sequence[Any] = ()
) -> list[Any]:
    """A kernel over `space`. `inputs` are Access, Index, traced scalars or plain numbers, and fn(*elements) gives a scalar
    for each of `results`. The values of those that are new: arrays and scalars. A complex input is a Complex of two, and a complex result is two."""
    builder = current_builder()
    trace = builder.trace
    given: list[Any] = []
    with trace.building(f"each.{name}") as inner:
        out = fn(*(_entered(x, inner, given) for x in inputs))
        out = list(out) if isinstance(out, tuple) else [out]
        values = [v if isinstance(v, Traced) else constant(v) for v in out]
        pairs = [_are_complex(v, d) for v, d in zip(values, [*dtypes, *[None] * len(values)], strict=False)]
        if any(pairs):
            values, results, dtypes = _in_parts(name, pairs, values, results, dtypes)
        kinds = [element(d) if d is not None else v.type for v, d in zip(values, [*dtypes, *[None] * len(values)], strict=False)]
        atoms = tuple(atom_of(convert(v, t), t, inner) for v, t in zip(values, kinds, strict=True))
        inner.terminate(GraphReturn(atoms))
        function = trace.functions[inner.name] = inner.finish(tuple(kinds))
    if inner.captures:
        raise errors.VerifyError(f"the elements of {name} use a value of the function around it")
    decoded: list[Any] = [Same(builder.use(x.atom, x.builder)) if isinstance(x, Traced) else x for x in given]
    outs: list[Any] = []
    for i, (r, t) in enumerate(zip(results, kinds, strict=True)):
        if r.into is None:
            dtype = dtypes[i] if i < len(dtypes) and dtypes[i] is not None else I64 if r.kind.startswith("arg") else t
            kept = list(range(len(space))) if r.kind == "map" else list(r.axes)
            r.out = builder.fresh(
                Array(dtype, tuple(dim_of(space[q]) for q in kept)) if kept else t if not r.kind.startswith("arg") else I64
            )
            outs.append(whole(r.out, [space[q] for q in kept]) if kept else Traced(r.out, builder))
    k = Kernel(function.name, [sizes.atom(n) for n in space], decoded, list(results), user_site(), {"fails": kernel.may_fail(function)})
    append(k.let())
    return _paired(outs, pairs) if any(pairs) else outs


def _entered(x: Any, inner: Builder, given: list[Any]) -> Any:
    """An input as the function of the kernel has it; what it is outside is added to `given`."""
    if isinstance(x, Complex):
        return Complex(*(_entered(p, inner, given) for p in (x.real, x.imag)))
    if isinstance(x, (Access, Gather)):
        base = x.base.type
        assert isinstance(base, Array)
        made = Traced(inner.parameter(element(base.dtype)), inner)
    elif isinstance(x, Index):
        made = Traced(inner.parameter(I64), inner)
    elif isinstance(x, Traced) and isinstance(x.atom, Var):
        made = Traced(inner.parameter(x.type), inner, x.weak)
    else:
        return x
    given.append(x)
    return made


def _are_complex(v: Traced, dtype: Any) -> bool:
    return is_complex(v.type if dtype is None else dtype)


def _in_parts(name: str, pairs: Sequence[bool], values: Sequence[Any], results: Sequence[Result], dtypes: Sequence[Any]) -> Any:
    """The results of a kernel with two for each complex one."""
    new: list[tuple[Any, Result, Any]] = []
    for i, (v, r) in enumerate(zip(values, results, strict=True)):
        dtype = dtypes[i] if i < len(dtypes) else None
        if not pairs[i]:
            new.append((v, r, dtype))
            continue
        if r.kind not in ("map", "sum"):
            unsupported(f"{name} of complex values, which NumPy orders by their real parts first,", "take real or absolute values")
        t = v.type if dtype is None else dtype
        z = to_complex(v, t)
        new += [(p, Result(r.kind, r.axes), PARTS[t]) for p in (z.real, z.imag)]
    return tuple(map(list, zip(*new, strict=True)))


def _paired(outs: Sequence[Any], pairs: Sequence[bool]) -> list[Any]:
    """The values of a kernel's results, two for each complex one, one by one."""
    it, found = iter(outs), []
    for pair in pairs:
        x = next(it)
        found.append(x if not pair else (ComplexArray if isinstance(x, Arrayed) else Complex)(x, next(it)))
    return found


def append(let: Let) -> None:
    builder = current_builder()
    if builder.current is None:
        builder.current = builder.new_block("dead")
    builder.trace.count()
    builder.current.lets.append(let)


def convert(v: Traced, t: Scalar) -> Any:
    """A scalar as NumPy's assignment converts it."""
    if v.type == t:
        return v
    return truth(v) if t == BOOL else to_type(v, t)


def elementwise(fn: Callable[..., Any], *args: Any, name: str = "map", dtype: Scalar | None = None) -> Any:
    """fn(*args) for each element, with NumPy's broadcasting. A tuple from fn gives a tuple of arrays."""
    operands = [as_array(a) for a in args]
    if not any(isinstance(a, Arrayed) for a in operands):
        return fn(*operands)
    if name not in COMPARISONS and _are_int32(operands):
        operands = [_as_int32(a) for a in operands]
    shape = sizes.broadcast([shape_of(a) for a in operands if isinstance(a, Arrayed)])
    inputs = [access(a, places(a, len(shape)), shape) if isinstance(a, Arrayed) else a for a in operands]
    count: list[Any] = []
    dtypes: list[Any] = []

    def body(*elements: Any) -> Any:
        out = fn(*elements)
        results = out if isinstance(out, tuple) else (out,)
        count.extend(Result("map") for _ in results)
        dtypes.extend(dtype or narrow(operands, v) for v in results)
        wrapped = tuple(table.wrap32(v) if t == I32 and dtype is None else v for v, t in zip(results, dtypes, strict=True))
        return wrapped if isinstance(out, tuple) else wrapped[0]

    outs = emit(name, shape, inputs, body, count, dtypes)
    return outs[0] if len(outs) == 1 else tuple(outs)


def elementwise_with_index(fn: Callable[..., Any], a: Any) -> Any:
    """fn(element, *index) for each element."""
    shape = shape_of(a)
    inputs = [access(a, list(range(len(shape))), shape), *(Index(q) for q in range(len(shape)))]
    (out,) = emit("indexed", shape, inputs, fn, [Result("map")], [a.type.dtype])
    return out


COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def narrow(operands: Sequence[Any], value: Any) -> Scalar | None:
    """i32 where NumPy's result is."""
    return I32 if isinstance(value, Traced) and value.type == I64 and _are_int32(operands) else None


def _are_int32(operands: Sequence[Any]) -> bool:
    """Are these integers and bools whose common dtype is int32, with Python's ints adapting to it?"""
    dtypes = {a.type.dtype for a in operands if isinstance(a, Arrayed)}
    return I32 in dtypes and dtypes <= {I32, BOOL} and all(isinstance(a, Arrayed) or _adapts(a) for a in operands)


def _adapts(a: Any) -> bool:
    if isinstance(a, np.integer):
        return widened(a.dtype) == I32
    found = scalar_type(a)
    return found is not None and (found[0] == BOOL or found == (I64, True))


def _as_int32(a: Any) -> Any:
    """A Python int that is to be one of 32 bits; OverflowError, as NumPy's, where it has more."""
    if isinstance(a, Traced):
        return Traced(table.fits32(a).atom, a.builder, True) if a.weak and a.type == I64 else a
    if isinstance(a, int) and not isinstance(a, bool) and not -(2**31) <= a < 2**31:
        raise errors.IntegerOverflowError(f"Python integer {a} out of bounds for int32 ({user_site()})")
    return a


def reduce(
    kind: str, a: Arrayed, axis: Any = None, keepdims: bool = False, fn: Callable[..., Any] = lambda x: x, dtype: Any = None, *more: Any
) -> Any:
    """Reduce fn(element) along axes; `kind` is 'sum', 'max', 'min', 'argmax' or 'argmin'. `more` are further arrays and
    scalars that fn takes an element of."""
    operands = [a, *map(as_array, more)]
    shape = sizes.broadcast([shape_of(x) for x in operands if isinstance(x, Arrayed)])
    gone = axes_of(axis, len(shape))
    kept = [q for q in range(len(shape)) if q not in gone]
    inputs = [access(x, places(x, len(shape)), shape) if isinstance(x, Arrayed) else x for x in operands]
    (out,) = emit(kind, shape, inputs, fn, [Result(kind, tuple(kept))], [dtype])
    return put_back(out, gone, len(shape), dtype) if keepdims else out


def put_back(out: Any, gone: Sequence[int], rank: int, dtype: Scalar | None = None) -> Any:
    """A reduced array with its reduced axes as axes of size 1."""
    if not isinstance(out, Arrayed):
        return filled(out, (1,) * rank, dtype)
    kept = [q for q in range(rank) if q not in gone]
    spec = [(kept[v] if v >= 0 else -1, s, t) for v, s, t in spec_of(out)]
    shape: list[Size] = [1] * rank
    for v, n in enumerate(shape_of(out)):
        shape[kept[v]] = n
    return View(base_of(out), spec, shape, out.owned)


@values.filled.define
def filled(value: Any, shape: Sequence[Size], dtype: Scalar | None = None) -> Arrayed:
    """A new array of one scalar."""
    t = dtype or (scalar_type(value) or (F64,))[0]
    return allocate(t, tuple(shape), convert(value, element(t)) if isinstance(value, Traced) else value)


def from_index(
    fn: Callable[..., Any], shape: Sequence[Size], name: str = "index", dtype: Scalar | None = None, extra: Sequence[Any] = ()
) -> Arrayed:
    """A new array of fn(*index, *extra)."""
    inputs = [*(Index(q) for q in range(len(shape))), *extra]
    (out,) = emit(name, list(shape), inputs, fn, [Result("map")], [dtype])
    return out  # type: ignore[no-any-return]
