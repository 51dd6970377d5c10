"""Writes into arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Builder, Trace, atom_of, current_builder, current_trace, keep
from ..core.graph import Block, Var
from ..core.kernel import Access, Result, same_element
from ..core.sites import user_site
from ..core.types import BOOL, I32, I64, PARTS, Scalar, element, is_complex, is_float, is_inexact
from ..ops import table
from . import pytree, sizes
from .arrays import allocate
from .complexes.pairs import Interleaved, is_complex_array
from .indexing import _int, basic
from .kernels import _as_int32, copied, elementwise, emit
from .reshaping import drop, fit
from .scalars import to_integer, truth
from .sizes import Size
from .values import Arrayed, Traced, dim_of, scalar_type, to_type
from .views import View, access, as_array, base_of, floats_in, of_floats, part, places, plane, shape_of

# ---- memory of which there are copies in the place of views
# A view that meets an array, and whose elements do not lie together, becomes a copy. From then on what it is a view of is not written: neither behind
# that nor, in a loop, before it, for the next iteration comes behind it.
keep(
    "copied", lambda trace: {}, mark=dict, undo=lambda now, was: (now.clear(), now.update(was))
)  # memory of which there are copies in the place of views, and who made these
keep("met", lambda trace: {})  # memory of what comes from several paths, and that which it may be
keep("stored", lambda trace: [], mark=len, undo=lambda now, was: now.__delitem__(slice(was, None)))  # memory that has been written


class Refused(errors.UnsupportedOperationError):
    """A write that would have to be seen by others, which a loop carries as copies. A loop that runs while it is traced carries nothing."""


def met(made: Any, values: Iterable[Any]) -> None:
    """An array that paths meet with is one of these, as is one that comes back to the head of a loop."""
    if isinstance(made, Arrayed) and (trace := current_trace()) is not None:
        trace.met.setdefault(made.memory, set()).update(base_of(v).memory for v in values if isinstance(v, Arrayed))


def _may_be(trace: Trace, memory: Var) -> set[Var]:
    """What this memory may be."""
    found, work = {memory}, [memory]
    while work:
        new = trace.met.get(work.pop(), set()) - found
        found |= new
        work += new
    return found


def noted(trace: Trace, memory: Var) -> str | None:
    """This memory is to be written; who has copied it, if someone has."""
    trace.stored.append(memory)
    mine = _may_be(trace, memory) if trace.copied else set()
    return next((who for m, who in trace.copied.items() if mine & _may_be(trace, m)), None)


def begun(trace: Trace) -> tuple[int, int]:
    """What `overtaken` asks for, when a loop begins."""
    return len(trace.copied), len(trace.stored)


def refuse_overtaken(builder: Builder, since: tuple[int, int], head: Block, carried: Iterable[Any], viewed: Sequence[Var]) -> None:
    """The next iteration of a loop must not write what this one has copied. What its blocks make is anew in each, but for what comes back to its head."""
    trace = builder.trace
    copies = [*[*trace.copied][since[0] :], *viewed]
    if not copies or not trace.stored[since[1] :]:
        return
    heads = [h.memory for h in carried if isinstance(h, Arrayed)]
    blocks = builder.blocks[builder.blocks.index(head) :]
    fresh = {v for block in blocks for v in (*block.params, *(o for let in block.lets for o in let.outs))}.difference(heads)
    back = [(h, _may_be(trace, h)) for h in heads]
    for mine in (_may_be(trace, m) for m in {*trace.stored[since[1] :]}):
        for of in (_may_be(trace, copy) for copy in copies):
            if (mine & of) - fresh or any(h in mine and held & of for h, held in back):
                raise Refused(
                    f"the loop at {user_site()} writes to an array, before it makes a view of it which meets an array of its own: copy the view where it "
                    "is made (v = v.copy())"
                )


# ---- stores
def check_owned(a: Arrayed) -> None:
    base = base_of(a)
    if not a.owned or not base.owned:
        _want_own(base)
        if base.joined:
            raise Refused(
                f"{user_site()} writes to an array that on some paths is a captured array, or a view whose elements do not lie together, and on others an "
                "array of its own: copy it where it is made (v = v.copy())"
            )
        raise errors.UnsupportedOperationError(
            f"{user_site()} writes to a captured array, which compiled code never changes (or to a reshaped or repeated view): pass it as an argument, "
            "or copy it first (x = x.copy())"
        )
    if any(v is base.memory for frame in current_builder().frames for v in frame.viewed):
        raise Refused(
            f"{user_site()} writes to an array, and the loop around it has a variable that is a view of this array at first and an array of its own "
            "later: copy the view before the loop (v = v.copy())"
        )
    copied = noted(current_builder().trace, base.memory)
    if copied is not None:
        raise Refused(
            f"{user_site()} writes to an array that {copied}, may be a view of, and that was copied there: copy the view where it is made (v = v.copy())"
        )


def _want_own(base: Arrayed) -> None:
    """A constant is to be written, or what one has become at the head of a loop or after a condition: those that the trace has made itself can be
    made the program's own."""
    trace = current_builder().trace
    for value in trace.captured:
        if base.joined or trace.constants[id(value)][1] is base.memory:
            trace.reads.wanted(value)


def store(a: Arrayed, parts: Sequence[Any], value: Any, checked: bool = True) -> None:
    """One element; of a whole array not `checked` if the place is known to be there."""
    builder = current_builder()
    base = base_of(a)
    attrs: dict[str, Any] = {}
    if not isinstance(a, View):
        index, attrs = [_int(p) for p in parts], {} if checked else {"index": "u" * len(parts)}
    else:
        index, attrs = [start for _, start, _ in basic(a, parts).spec], {"index": "u" * len(a.spec)}
    var = builder.use(base.atom, base.builder)
    v = stored(value, base.type.dtype)
    t = element(base.type.dtype)
    if base.type.dtype == I32:  # NumPy takes the element's number, of whatever dtype
        v = table.fits32(v) if isinstance(v, Traced) else _as_int32(int(v))
    atoms = [atom_of(to_type(i, I64), I64, builder) for i in index]
    builder.emit("store", (var, *atoms, atom_of(v, t, builder)), (), attrs, user_site())


def stored(value: Any, dtype: Scalar) -> Any:
    """A scalar as an element of that dtype; a float that no integer can hold raises."""
    found = scalar_type(value)
    if found is None:
        raise TypeError(f"unsupported operand for item assignment at {user_site()}: {type(value).__name__}")
    if dtype == BOOL:
        return truth(value)
    if is_complex(found[0]) or is_complex(dtype):
        return to_type(value, element(dtype))
    if is_float(found[0]) and not is_float(dtype):
        value = to_integer(value) if isinstance(value, Traced) else int(value)
        value = table.fits32(value) if dtype == I32 and isinstance(value, Traced) else value
    if dtype == I32:
        value = _as_int32(value)
    return to_type(value, element(dtype))


def may_alias(a: Arrayed, b: Arrayed) -> bool:
    """Could two arrays be one? Arrays that were just made are only known by their own names."""
    x, y = base_of(a), base_of(b)
    if x.memory is y.memory:
        return True
    if x.fresh and y.fresh:
        return False
    if x.fresh or y.fresh:
        new, old = (x, y) if x.fresh else (y, x)
        return new.serial < old.serial and old.joined
    return x.joined or y.joined


def assign(target: Arrayed, value: Any) -> None:
    """target[...] = value"""
    value = as_array(value)
    shape, own = shape_of(target), shape_of(value)
    if isinstance(value, Arrayed) and len(own) > len(shape):
        value = drop(value, range(len(own) - len(shape)))
        own = shape_of(value)
    for n, m in zip(own[::-1], shape[::-1], strict=False):
        fit(n, m, own, shape)
    dtype = target.type.dtype
    if is_complex(dtype):
        _assign_parts([plane(target, k) for k in (0, 1)], [part(value, k) for k in (0, 1)], shape)
        return
    if dtype == I32 and not isinstance(value, Arrayed):  # NumPy takes the number of a scalar, of whatever dtype
        value = (
            Traced(value.atom, value.builder, True)
            if isinstance(value, Traced)
            else _as_int32(value.item() if isinstance(value, np.generic) else value)
        )
    write(target, lambda v: stored(v, dtype), value, reads=False)


def _assign_parts(planes: Sequence[Arrayed], values: Sequence[Any], shape: Sequence[Size]) -> None:
    """Both parts of a complex array, by one kernel."""
    check_owned(planes[0])
    places_of = [access(p, list(range(len(shape))), shape) for p in planes]
    given = []
    for x in values:
        apart = x
        for p, into in zip(planes, places_of, strict=True):
            apart = _apart(apart, p, into, shape) if isinstance(apart, Arrayed) else apart
        given.append(access(apart, places(apart, len(shape)), shape) if isinstance(apart, Arrayed) else apart)
    dtype = planes[0].type.dtype
    emit("write", shape, given, lambda *xs: tuple(stored(x, dtype) for x in xs), [Result("into", (), p) for p in places_of], [dtype] * 2)


def interleaved(a: Arrayed) -> Interleaved:
    """A complex array in NumPy's memory, as a result."""
    floats = floats_in(a)
    if floats is None:
        floats = allocate(PARTS[a.type.dtype], (*shape_of(a), 2), None)
        assign(of_floats(floats), a)
    return Interleaved(floats)


def at_the_border(tree: Any) -> Any:
    """A result with its complex arrays in NumPy's memory, and its views as arrays of their own."""
    return pytree.map_nodes(Arrayed, lambda a: interleaved(a) if is_complex_array(a) else copied(a) if isinstance(a, View) else a, tree)


def write(target: Arrayed, fn: Callable[..., Any], *operands: Any, reads: bool = True) -> None:
    """target[...] = fn(*operands) for each element, with the old element before them if `reads`; operands that may overlap
    with the target are copied first."""
    check_owned(target)
    if is_complex_array(target):  # its parts one after the other, of values that have been found before
        assign(target, elementwise(fn, *([target] if reads else []), *operands, name="write", dtype=target.type.dtype))
        return
    shape = shape_of(target)
    into = access(target, list(range(len(shape))), shape)
    given = [_read_apart(x, target, into, shape) if isinstance(x, Arrayed) else x for x in operands]
    inputs = [into, *given] if reads else given
    emit("write", shape, inputs, fn, [Result("into", (), into)], [target.type.dtype])


def _read_apart(x: Arrayed, target: Arrayed, into: Access, shape: Sequence[Size]) -> Access:
    """How a write to `into` over `shape` reads the operand `x`: in place where that is another array, or where each point reads
    the very element that it writes (same_element); everything else may have been written before it is read, and is copied first."""
    return access(_apart(x, target, into, shape), places(x, len(shape)), shape)  # type: ignore[no-any-return]


def _apart(x: Arrayed, target: Arrayed, into: Access, shape: Sequence[Size]) -> Arrayed:
    if not may_alias(x, target) or same_element(access(x, places(x, len(shape)), shape), into, _known):
        return x
    return copied(x)


def _known(a: Any) -> Any:
    """Equal for atoms of a place that are known to be equal."""
    return dim_of(Traced(a, None))


def update(target: Arrayed, fn: Callable[..., Any], value: Any, symbol: str) -> Arrayed:
    """target (op)= value"""
    value = as_array(value)
    own = shape_of(value)
    shape = shape_of(target)
    if len(own) > len(shape):
        raise errors.ArrayShapeError(
            f"non-broadcastable output operand with shape {sizes.show(shape)} doesn't match the broadcast shape {sizes.show(own)} ({user_site()})"
        )
    for n, m in zip(own[::-1], shape[::-1], strict=False):
        fit(n, m, own, shape)
    dtype = target.type.dtype
    if dtype == I32 and not isinstance(value, Arrayed):
        value = _as_int32(value)

    def one(x: Any, v: Any) -> Any:
        z = fn(x, v)
        if (
            (is_float(z.type) and not is_inexact(dtype))
            or (is_complex(z.type) and not is_complex(dtype))
            or (dtype == BOOL and z.type != BOOL)
        ):
            raise TypeError(
                f"Cannot cast the result of `{symbol}` from {z.dtype} to {target.dtype} with casting rule 'same_kind' ({user_site()})"
            )
        return z

    write(target, one, value)
    return target
