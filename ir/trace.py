"""From a Python function and argument types to a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import errors, pytree
from .arrays import settled
from .builder import Frame, tracing
from .functions import _result
from .graph import Fail, Program
from .graph import Return as GraphReturn
from .language import call
from .protect import USUAL, Case, forbid, protect
from .staging import Bottom, Return, open_block, run
from .state import coerce, describe_value, leaf_type
from .types import BOOL, CONVERT, F32, F64, I64, Array, Scalar, Type, array_of, element, widened
from .values import Arrayed, Traced
from .verify import verify_scopes


@dataclass(frozen=True)
class Abstract:
    """What is known of an argument leaf when tracing: its type, and whether it is a weak Python number."""

    type: Type
    weak: bool = False


@dataclass
class Traceable:
    """A traced function: the program, and the structure of its result. `static` results are no graph values."""

    program: Program
    tree: Any
    results: list[Any]  # for each result leaf its type, or None and then the value in `static`
    static: list[Any]


def abstract(x: Any, where: str) -> Abstract:
    """The abstract value of an argument leaf; raises ArgumentTypeError for what native code cannot take."""
    for python, t in ((bool, BOOL), (int, I64), (float, F64)):
        if type(x) is python:
            return Abstract(t, True)
    if isinstance(x, np.generic):
        scalar = widened(x.dtype)
        if scalar is not None:
            return Abstract(element(scalar))
        if x.dtype == np.uint64:  # one number can be looked at: it fits, or the call raises
            return Abstract(I64)
        raise errors.ArgumentTypeError(f"{where} is a scalar of dtype {x.dtype}: {CONVERT}")
    if isinstance(x, np.ndarray) and not _behaves_as_array(type(x)):
        raise errors.ArgumentTypeError(
            f"{where} is a {type(x).__module__}.{type(x).__qualname__}, whose operations are not those of a NumPy array: give np.asarray of it if you mean its elements"
        )
    if isinstance(x, np.ndarray):
        dtype = widened(x.dtype)
        if dtype is not None:
            return Abstract(array_of(dtype, x.ndim)) if x.ndim else Abstract(element(dtype))
        raise errors.ArgumentTypeError(f"{where} is an array of dtype {x.dtype}: {CONVERT}")
    raise errors.ArgumentTypeError(
        f"{where} is {describe_value(x)} {x!r:.60}: compiled functions take floats, ints, bools, NumPy arrays and containers of them; mark other arguments with static_argnums"
    )


def _behaves_as_array(cls: Any) -> bool:
    """Does a subclass of ndarray compute as ndarray does? np.matrix, masked arrays and arrays with units do not."""
    return bool(cls.__mul__ is np.ndarray.__mul__ and cls.__array_ufunc__ is np.ndarray.__array_ufunc__)


def trace_program(
    f: Callable[..., Any],
    leaves: Sequence[Abstract],
    rebuild: Callable[[list[Any]], tuple[Any, Any]],
    name: str,
    optimistic: bool = True,
    in_place: bool = False,
    case: Case = USUAL,
) -> Traceable:
    """Trace f. `rebuild(leaves)` gives (args, kwargs) from argument leaves; `optimistic` see builder.Trace, `in_place` and `case`
    protect.py."""
    with tracing(None, optimistic) as trace, trace.building(name) as builder:
        inside: list[Any] = []
        for a in leaves:
            var = builder.parameter(a.type)
            inside.append(Traced(var, builder, a.weak) if isinstance(a.type, Scalar) else Arrayed(var, builder))
        args, kwargs = rebuild(case.parts(inside))
        frame = Frame("function", label=name)
        builder.frames.append(frame)
        try:
            signal = run(lambda: Return(call(f, *args, **kwargs)))
        except RecursionError as e:
            if isinstance(e, errors.LanternError):
                raise
            raise errors.EndlessTraceError(
                f"`{name}` recurses deeper than Python can while it is traced: a plain Python argument changes in every call. Pass that argument as a "
                "traced value (an argument of the compiled function)"
            ) from None
        try:
            value = _result(signal, frame, name)
        except Bottom:
            if not any(isinstance(b.terminator, Fail) for b in builder.blocks):
                raise errors.EndlessTraceError(f"`{name}` never returns: every path loops for ever") from None
            value = None  # every path raises
        open_block()
        out, tree = pytree.flatten(settled(value))
        types = [leaf_type(x) if not isinstance(x, np.ndarray) else None for x in out]
        _check_results(out, types, name)
        block = open_block()
        atoms = tuple(coerce(x, t, block) for x, t in zip(out, types, strict=True) if t is not None and _is_value(x))
        builder.terminate(GraphReturn(atoms), block)
        function = builder.finish(tuple(a.type for a in atoms))
        program = trace.program(function)
    verify_scopes(program)
    protect(program, in_place)
    forbid(program, case.read_only)
    return Traceable(program, tree, [t if _is_value(x) else None for x, t in zip(out, types, strict=True)], out)


def _is_value(x: Any) -> bool:
    return isinstance(x, (Traced, Arrayed))


def _check_results(out: list[Any], types: list[Any], name: str) -> None:
    from .state import Undefined

    for x, t in zip(out, types, strict=True):
        if isinstance(x, Undefined):
            x._raise()
        if t is None and not isinstance(x, (np.ndarray, str, type(None))):
            raise errors.ArgumentTypeError(
                f"`{name}` returns {describe_value(x)} {x!r:.60}: compiled functions return numbers, arrays and containers of them"
            )


__all__ = ["F32", "Abstract", "Array", "Traceable", "abstract", "trace_program"]
