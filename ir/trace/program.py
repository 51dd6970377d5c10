"""From a Python function and argument types to a program."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core import errors
from ..core.analysis import drop_unused, raises
from ..core.builder import Builder, Frame, Trace, tracing
from ..core.dims import UNKNOWN
from ..core.graph import Program
from ..core.graph import Return as GraphReturn
from ..core.types import (
    BOOL,
    COMPLEX,
    CONVERT,
    F64,
    I64,
    NUMPY_DTYPES,
    Array,
    Scalar,
    Type,
    array_of,
    behaves_as_array,
    describe,
    element,
    is_generator,
    widened,
    with_article,
)
from ..core.verify import verify_scopes
from ..objects import tables
from ..objects.containers import Put, Watched
from ..objects.heap import Heap, identical
from ..objects.held import MISSING
from ..objects.places import Read
from ..objects.structure import flatten, is_object, leaves_of
from ..python.random import refuse_results, watched
from ..staging.leaves import Undefined, coerce, leaf_type, same_leaf, show
from ..staging.lists import made
from ..staging.optional import returned
from ..staging.paths import Bottom, Return, open_block, run
from ..staging.staged import _result
from ..values.arrays import opened_constants
from ..values.concrete import UNDECIDED, Numbers, decide
from ..values.values import Arrayed, Given, Traced, new_dim
from ..values.views import View, shape_of
from ..values.writes import at_the_border
from . import delimited  # noqa: F401  # what a trace knows of prompts
from .calls import call
from .case import USUAL, Case
from .vmap import refuse_shared


@dataclass(frozen=True)
class Abstract:
    """What is known of an argument leaf when tracing: its type, whether it is a weak Python number, and what it was when it
    came if that is something else."""

    type: Type
    weak: bool = False
    given: Given | None = None
    pairs: bool = False  # an array of floats whose last axis, of 2, holds complex numbers

    @property
    def words(self) -> str:
        """What a user calls it."""
        if not self.pairs:
            return describe(self.type)
        assert isinstance(self.type, Array)
        return describe(array_of(COMPLEX[self.type.dtype], self.type.rank - 1))


@dataclass
class Traceable:
    """A traced function: the program, and the structure of its result. `static` results are no graph values. Where it has `puts`
    for its arguments' containers, the result is a pair of the function's own and of what is put there (containers.py)."""

    program: Program
    tree: Any
    results: list[Any]  # for each result leaf its type, or None and then the value in `static`
    static: list[Any]
    reads: list[Read]  # what it found outside
    puts: list[Put] = field(default_factory=list)


def abstract(x: Any, where: str) -> Abstract:
    """The abstract value of an argument leaf; raises ArgumentTypeError for what native code cannot take."""
    for python, t in ((bool, BOOL), (int, I64), (float, F64)):
        if type(x) is python:
            return Abstract(t, True)
    if is_generator(x):
        return Abstract(I64)  # its number, see random.py
    if isinstance(x, complex) or getattr(getattr(x, "dtype", None), "kind", "") == "c":
        raise errors.ArgumentTypeError(
            f"{where} is {show(x)}, of complex numbers: a jitted function takes those of 64 and 128 bits; else give the real and the imaginary part"
        )
    if isinstance(x, np.generic):
        scalar = widened(x.dtype)
        if scalar is None and x.dtype == np.uint64:  # one number can be looked at: it fits, or the call raises
            scalar = I64
        if scalar is not None:
            return Abstract(element(scalar), False, _given(x, element(scalar)))
        raise errors.ArgumentTypeError(f"{where} is a scalar of dtype {x.dtype}: {CONVERT}")
    if isinstance(x, np.ndarray) and not behaves_as_array(type(x)):
        raise errors.ArgumentTypeError(
            f"{where} is a {type(x).__module__}.{type(x).__qualname__}, whose operations are not those of a NumPy array: give np.asarray of it if you mean its elements"
        )
    if isinstance(x, np.ndarray):
        dtype = widened(x.dtype)
        if dtype is not None:
            return Abstract(array_of(dtype, x.ndim) if x.ndim else element(dtype), False, _given(x, dtype))
        raise errors.ArgumentTypeError(f"{where} is an array of dtype {x.dtype}: {CONVERT}")
    if hasattr(x, "__array__"):
        raise errors.ArgumentTypeError(
            f"{where} is {with_article(type(x).__qualname__)} of {type(x).__module__.split('.')[0]}: give np.asarray of it"
        )
    raise errors.ArgumentTypeError(
        f"{where} is {show(x)}: compiled functions take floats, ints, bools, NumPy arrays, strings, None, enums, functions, objects of your own classes, and "
        "containers of them; give its numbers or arrays as arguments, or mark it with static_argnums if it is configuration that can be hashed"
    )


def of_pairs(a: Abstract) -> Abstract:
    """An array that holds complex numbers."""
    assert isinstance(a.type, Array)
    return replace(a, type=Array(a.type.dtype, (*a.type.dims[:-1], 2)), pairs=True)


def _given(x: Any, t: Scalar) -> Given | None:
    """What an argument is, if it is not an array with axes or a NumPy scalar of type `t`. Its dtype remembers which one its
    values have: new arrays of that dtype have it too."""
    own = NUMPY_DTYPES[t]
    if (x.dtype == own and x.dtype.isnative and x.ndim) or type(x) is own.type:
        return None
    return Given(type(x), own if x.dtype == own else np.dtype(x.dtype, metadata={"lantern_jit": t.name}))


def trace_program(
    f: Callable[..., Any],
    leaves: Sequence[Abstract],
    rebuild: Callable[[list[Any]], tuple[Any, Any]],
    name: str,
    optimistic: bool = True,
    numbers: Numbers | None = None,
    in_place: bool = False,
    case: Case = USUAL,
) -> Traceable:
    """Trace f. `rebuild(leaves)` gives (args, kwargs) from argument leaves; `optimistic` see builder.Trace, `in_place`: the
    program may write into its caller's arrays. `numbers`: those of the arguments; where `asked` is not empty afterwards, the program is not for use, and is to be
    traced again with them."""
    with tracing(None, optimistic) as trace, trace.building(name) as builder, _deciding(trace):
        trace.numbers = numbers
        inside = _parts(case, _arguments(leaves, builder, numbers))
        args, kwargs = trace.heap.adopt(made, rebuild(inside))
        containers = Watched((args, kwargs), rebuild(inside) if in_place else (args, kwargs), name)
        frame = Frame("function", label=name, since=trace.heap.clock)
        builder.frames.append(frame)
        try:
            with watched(name):
                signal = run(lambda: Return(call(f, *args, **kwargs)))
        except RecursionError as e:
            if isinstance(e, errors.LanternError):
                raise
            raise errors.EndlessTraceError(
                f"`{name}` recurses deeper than Python can while it is traced: a plain Python argument changes in every call. Pass that argument as a "
                "traced value (an argument of the compiled function)"
            ) from None
        except (TypeError, IndexError) as e:
            e.__dict__.setdefault("__notes__", []).extend(dict.fromkeys(trace.promoted))
            raise
        try:
            value = _result(signal, frame, name)
        except Bottom:
            if not raises(builder.blocks, trace.functions):
                raise errors.EndlessTraceError(f"`{name}` never returns: every path loops for ever") from None
            value = None  # every path raises
        open_block()
        refuse_results(value, name)
        _check_objects(trace.heap, name)
        puts, values = containers.puts()
        out, tree = flatten(at_the_border(opened_constants(tables.gathered(returned((value, values) if puts else value)))))
        out = list(map(trace.reads.result, out))
        types = [leaf_type(x) if not isinstance(x, np.ndarray) else None for x in out]
        _check_results(out, types, name)
        block = open_block()
        atoms = tuple(coerce(x, t, block) for x, t in zip(out, types, strict=True) if t is not None and _is_value(x))
        builder.terminate(GraphReturn(atoms), block)
        function = builder.finish(tuple(a.type for a in atoms))
        program = trace.program(function)
        program.threads = trace.threads
        refuse_shared(trace, program)
        if trace.prompts:
            drop_unused(program)  # some call continuations that are no more
        reads = trace.reads.settle()
    verify_scopes(program)
    program.keeps, program.read_only = not in_place, case.read_only
    return Traceable(program, tree, [t if _is_value(x) else None for x, t in zip(out, types, strict=True)], out, reads, puts)


def _check_objects(heap: Heap, name: str) -> None:
    """A write to an object that outlives the call would have to happen at each call; it is refused by name. Except: a plain
    value where nothing or None was is how Python code caches what it computes once; it stays, as after a plain call."""
    for place in heap.places.values():
        now, was = place.now(), place.original
        if place.birth or identical(now, was) or (place.key is not None and same_leaf(was, now)):
            continue
        if place.key is not None and (was is MISSING or was is None) and not any(map(_is_value, leaves_of(now))):
            heap.cached.append(place)
            continue
        raise errors.UnsupportedOperationError(
            f"`{name}` changes {place}, which outlives the call (from {_shown(was)} to {_shown(now)}): compiled code writes into no object of its "
            "caller. Return the new value, and let the caller keep it, or put back what was there before it returns"
        )


def _shown(held: Any) -> str:
    if isinstance(held, tuple):
        held = list(held)
    return f"{held!r:.60}"


def _arguments(leaves: Sequence[Abstract], builder: Builder, numbers: Numbers | None) -> list[Any]:
    """The argument leaves as traced values. Where numbers are fixed, a leaf is plain, or has known sizes."""
    fixed = dict(numbers.fixed) if numbers is not None else {}
    inside: list[Any] = []
    for i, a in enumerate(leaves):
        if isinstance(a.type, Scalar):
            inside.append(Traced(builder.parameter(a.type), builder, a.weak))
        else:
            dims = tuple(fixed[i, axis] if (i, axis) in fixed else new_dim() if d == UNKNOWN else d for axis, d in enumerate(a.type.dims))
            inside.append(Arrayed(builder.parameter(Array(a.type.dtype, dims)), builder))
        inside[-1].given = a.given
    for (leaf, axis), n in fixed.items():
        if axis is None:
            inside[leaf] = n
    return inside


@contextmanager
def _deciding(trace: Trace) -> Iterator[None]:
    """Where paths do not fit together, sizes and arguments that decide between them are asked for."""
    try:
        yield
    except UNDECIDED as e:
        if trace.numbers is not None and not trace.numbers.asked:
            decide(trace, e)
        raise


def _is_value(x: Any) -> bool:
    return isinstance(x, (Traced, Arrayed))


def _check_results(out: list[Any], types: list[Any], name: str) -> None:
    for x, t in zip(out, types, strict=True):
        if isinstance(x, Undefined):
            x._raise()
        if t is None and not isinstance(x, (np.ndarray, str, enum.Enum, type(None))) and not is_object(x):
            why = "; a gradient has what its argument has, so give functions in another argument" if callable(x) and "(" in name else ""
            raise errors.ArgumentTypeError(
                f"`{name}` returns {show(x)}: compiled functions return numbers, arrays and containers of them{why}"
            )


def _parts(case: Case, inside: list[Any]) -> list[Any]:
    """The leaves as the function is to see them."""
    n = len(inside) - case.numbers
    out, numbers = inside[:n], iter(inside[n:])
    for axis, leaves in case.groups:
        base = inside[leaves[0]]
        for i, start, size in zip(leaves, numbers, numbers, strict=False):
            spec = [(k, start if k == axis else 0, 1) for k in range(base.ndim)]
            out[i] = View(base, spec, [size if k == axis else n for k, n in enumerate(shape_of(base))])
    return out
