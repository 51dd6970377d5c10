"""Calls at trace time: inlined, or staged when they recurse.

A call of a user's function runs its rewritten body in place. When a function is called again with arguments
of the same types while it is being traced, it is recursive: the trace goes back to the first such call and
traces the function on its own. (One that Python alone decides to call once more, since objects hold something else now, goes on being inlined.) Its result type is a fixpoint, base case first: until a type is known, a
recursive call has no value and the path that needs it is left out.

A recursion under a traced condition whose calls differ in plain numbers would be unrolled along every path: there these
numbers become traced at the first of the calls. Where the function needs one of them plain (it indexes a Python list),
it is unrolled all the same, so long as that ends. A recursion that only Python decides is always unrolled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Builder, Frame, Mark, Trace, current_trace, keep
from ..core.port import Port
from ..core.sites import user_site
from ..objects.heap import State
from ..objects.structure import flatten
from ..syntax import rewrite as syntax
from ..values import pytree
from ..values.values import call, constant, scalar_type
from .items.room import Widen
from .paths import DEAD, Bottom, Return, StagedExit, open_block, raise_later
from .signatures import Same, _check_effects, _code, _is_shaped, captured_by, outside_of, signature
from .staged import StagedFunction, _result, call_staged, enter, handled, stage

MAX_DEPTH = 150
MAX_UNROLLED = 3_000  # calls of a function under traced conditions that needs its numbers plain

generated = Port("makes what a call of a generator function gives, and runs nothing of it")
asking = Port("gives a function that cannot be rewritten builtins that answer for traced values")

keep("staged", lambda trace: {})
keep("active", lambda trace: [])
keep("unrolled", lambda trace: {})  # functions that cannot be staged (Unrolled)


class Recursion(Exception):
    """Unwinds to the first call of a function that turned out to be recursive. At these `positions` plain numbers change from call
    to call: if there are some, they become traced there; else the function is traced on its own."""

    def __init__(self, activation: Activation, positions: Collection[int] = ()) -> None:
        super().__init__()
        self.activation, self.positions = activation, positions


class Activation:
    """A call under way, inlined or traced on its own."""

    def __init__(self, key: Any, builder: Builder, code: Any) -> None:
        self.key, self.builder, self.code, self.depth = key, builder, code, len(builder.frames)
        self.objects: State | None = None  # what they held when it began

    def is_conditional(self, trace: Trace, loops: bool = False) -> bool:
        """Did a traced condition decide, since this call began, that the trace is here? With `loops`: or a loop in the graph?"""
        frames = self.builder.frames[self.depth :]
        for b in trace.builders[trace.builders.index(self.builder) + 1 :]:
            frames += b.frames
        return any(f.kind == "condition" or (loops and f.staged) or any(f.ends.values()) for f in frames)

    def has_written(self, trace: Trace) -> bool:
        """Has the user's code written to an object since this call began? If not, the same call does what this one does."""
        return self.objects is not None and trace.heap.changed(self.objects, trace.heap.save(), self.objects.clock)


class Unrolled:
    """A function that needs its numbers plain: why it could not be staged, and its calls so far."""

    def __init__(self, reason: Exception) -> None:
        self.reason, self.calls = reason, 0


def invoke(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a user's Python function with traced arguments."""
    trace = current_trace()
    if trace is not None:
        trace.reads.function(function)
    raw = syntax.convert(function)
    if raw is None:
        return asking(function)(*args, **kwargs)
    if getattr(getattr(raw, "func", raw), "__lantern_yields__", False):
        return generated(function, raw, args, kwargs)
    if trace is None or not trace.builders:
        signal = raw(*args, **kwargs)
        return signal.value if isinstance(signal, Return) else None
    itself, owner = _halves(function)
    key = (Same(itself), Same(owner), signature((args, kwargs), _is_shaped(trace, raw)))
    staged = _known(trace, key, function, raw, outside_of(owner, args, kwargs))
    if staged is not None:
        return call_staged(trace, staged, args, kwargs)
    running = next((a for a in trace.active if a.key == key), None)
    if running is not None and (running.is_conditional(trace, loops=True) or not running.has_written(trace)):
        raise Recursion(running)
    active = Activation(key, trace.builders[-1], _code(raw))
    _limit_depth(trace, function, active)
    value, wider = _undone(trace, active, lambda objects: _inline(trace, objects, function, raw, args, kwargs))
    if wider is None:
        return value
    if wider:
        return _widened(trace, key, lambda a: invoke(function, a[0], a[1]), (args, kwargs), wider)
    return call_staged(trace, stage(trace, key, function, raw, args, kwargs), args, kwargs)


def invoke_staged(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], checkpoint: bool = False) -> Any:
    """Call `function` as a function of its own in the graph, also where it does not recurse or has no source."""
    trace = current_trace()
    assert trace is not None
    trace.reads.function(function)
    raw = syntax.convert(function) or (lambda *a, **k: Return(call(function, *a, **k)))
    itself, owner = _halves(function)
    key = (Same(itself), ("apart", Same(owner)), signature((args, kwargs), _is_shaped(trace, raw)))
    named = function if hasattr(function, "__qualname__") else type(function)
    staged = _known(trace, key, function, raw, outside_of(owner, args, kwargs))
    if staged is None:
        active = Activation(key, trace.builders[-1], _code(raw))
        _limit_depth(trace, named, active)
        staged, wider = _undone(trace, active, lambda _: stage(trace, key, named, raw, args, kwargs))
        if wider is not None:
            return _widened(trace, key, lambda a: invoke_staged(function, a[0], a[1], checkpoint), (args, kwargs), wider)
    return call_staged(trace, staged, args, kwargs, checkpoint)


def _halves(function: Callable[..., Any]) -> tuple[Any, Any]:
    """A function, and the object whose method it is; the method is another object each time that it is asked for."""
    return getattr(function, "__func__", function), getattr(function, "__self__", None)


def _known(trace: Trace, key: Any, function: Any, raw: Any, outside: Any = ()) -> StagedFunction | None:
    """The function that has been traced on its own, if no variable that it uses, and nothing in the objects that it is given, has changed since."""
    staged: StagedFunction | None = trace.staged.get(key)
    known = staged is None or staged.captured is None
    if not known and (staged.captured != (captured_by(function, raw), outside) or not {*handled(trace)} <= {*staged.kinds}):  # type: ignore[union-attr]
        del trace.staged[key]
        return None
    return staged


def _limit_depth(trace: Trace, function: Callable[..., Any], active: Activation) -> None:
    key = active.key
    unrolled = trace.unrolled.get(key[:2])
    if unrolled is None:
        _widen(trace, key, lambda a: a.is_conditional(trace))
    else:
        unrolled.calls += 1
        if unrolled.calls > MAX_UNROLLED:
            raise unrolled.reason
    depth = sum(a.code == active.code for a in trace.active)  # of a closure there is one for each time that it is made
    if depth >= MAX_DEPTH:
        if unrolled is not None:
            raise unrolled.reason
        _widen(trace, key, lambda a: True)
        raise errors.EndlessTraceError(
            f"the recursion of `{function.__qualname__}` at {user_site()} does not end while it is traced ({depth} calls deep): it has no base "
            "case, or a plain Python argument changes in every call. Pass that argument as a traced value (an argument of the compiled function)"
        )


def _widen(trace: Trace, key: Any, wanted: Callable[[Activation], bool]) -> None:
    """`count(n - 1, k + 1)` with k = 0 at first: if only numbers differ between the calls under way, and of those that the
    first one was given some are plain, trace them."""
    first: Activation | None = None
    positions: set[int] = set()
    for a in reversed(trace.active):
        if a.key[:2] != key[:2] or a.key[2][0] != key[2][0]:
            continue
        differ = [(i, x, y) for i, (x, y) in enumerate(zip(a.key[2][1], key[2][1], strict=True)) if x != y]
        if not all(_is_number(x) and _is_number(y) for _, x, y in differ) or not wanted(a):
            break
        positions |= {i for i, x, _ in differ}
        first = a
    if first is not None:
        positions = {i for i in positions if first.key[2][1][i][0] != "traced"}
        if positions:
            raise Recursion(first, positions)


def _is_number(key: Any) -> bool:
    """Is it the key of a leaf that is a traced number or can become one?"""
    kind = key[0]
    if kind == "traced":
        return True
    if kind is int:
        return -(2**63) <= int(key[1]) < 2**63
    return kind is float or (isinstance(kind, type) and issubclass(kind, (np.integer, np.floating)) and scalar_type(kind(0)) is not None)


def _traced_at(positions: Collection[int], tree: Any) -> Any:
    """The same arguments, with traced values for the plain numbers at these leaves."""
    leaves, treedef = flatten(tree)
    return pytree.unflatten(treedef, [constant(x) if i in positions else x for i, x in enumerate(leaves)])


def _undone(trace: Trace, active: Activation, body: Callable[[State], Any]) -> tuple[Any, Collection[int] | None]:
    """What `body`, told what objects hold, gives during this call; or, where a Recursion unwinds to the call, its positions, and nothing is left of it."""
    builder = active.builder
    open_block()
    mark: Mark = builder.mark()
    depth = len(trace.builders)
    active.objects = objects = trace.heap.save()
    trace.active.append(active)
    try:
        return body(objects), None
    except BaseException as e:
        del builder.frames[active.depth :]
        if not isinstance(e, Recursion) or e.activation is not active:
            raise
        del trace.builders[depth:]
        builder.rollback(mark)
        trace.heap.restore(objects)
        return None, e.positions
    finally:
        del trace.active[trace.active.index(active) :]


def _inline(trace: Trace, objects: State, function: Callable[..., Any], raw: Any, args: Any, kwargs: Any) -> Any:
    builder = trace.builders[-1]
    frame = Frame("function", label=function.__qualname__)
    builder.frames.append(frame)
    before = enter(trace, raw, frame, objects)
    if function.__name__ == "__init__" and args and args[0] is trace.heap.blank:
        trace.heap.made(args[0])  # nobody else sees it yet: what is written into it need not be logged
    try:
        signal = raw(*args, **kwargs)
    except Exception as e:
        if not frame.ends["return"]:
            raise
        raise_later(e)
        signal = DEAD
    _check_effects(function, raw, before, builder)
    builder.frames.remove(frame)
    return _result(signal, frame, function.__qualname__)


def _widened(trace: Trace, key: Any, again: Callable[[Any], Any], given: tuple[Any, Any], positions: Collection[int]) -> Any:
    """The call, made by `again`, with traced numbers at these positions; as it is, where it needs them plain."""
    builder = trace.builders[-1]
    mark, depth = builder.mark(), len(trace.builders)
    staged, functions = dict(trace.staged), dict(trace.functions)
    objects = trace.heap.save()
    try:
        return again(_traced_at(positions, given))
    except (Recursion, Bottom, StagedExit, Widen):
        raise
    except Exception as reason:
        trace.unrolled[key[:2]] = Unrolled(reason)
    del trace.builders[depth:]
    builder.rollback(mark)
    trace.heap.restore(objects)
    trace.staged, trace.functions = staged, functions
    return again(given)
