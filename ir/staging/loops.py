"""Staged loops, and loops that run while they are traced."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Frame, atom_of, current_builder, current_trace
from ..core.graph import Block, Const
from ..core.sites import user_site
from ..core.types import I64
from ..ops import table
from ..values import concrete
from ..values.scalars import truth
from ..values.values import Traced
from ..values.writes import Refused
from .items.room import Widen
from .join import join
from .leaves import Undefined, endless_chain
from .loop import Loop
from .paths import (
    BREAK,
    CONTINUE,
    DEAD,
    NO_SCOPE,
    Body,
    Saved,
    Scope,
    StagedExit,
    Thunk,
    branch,
    clock,
    falls_through,
    leave,
    open_block,
    run,
    run_sometimes,
    run_staged,
    way_back,
)
from .stores import seen

SHORT = 32  # iterations, at most, that are unrolled rather than that Python's containers are indexed in a loop
MOST_ROUNDS = 100  # in which a loop is traced
MOST_DEEPER = 7  # of them, one after another, in which parts of parts are found to change: a tree that grows doubles each time
UNROLL_ALWAYS = 4  # what is known to be this short is unrolled at once

CANNOT_BE_STAGED = (errors.TracedConditionError, errors.TypeMismatchError, errors.UndefinedVariableError, Refused)


def while_(test: Thunk, body: Thunk, orelse: Thunk | None, scope: Scope, forever: bool = False, later: Sequence[str] = ()) -> Any:
    if current_trace() is None:
        return python_loop(_tests(test), lambda _: body(), orelse, scope)
    go_back = way_back(scope)
    first = truth(test())
    go_back()
    if isinstance(first, Traced):
        return staged_loop(test, body, orelse, scope, later)
    place, builder = concrete.place(), current_builder()
    numbers = builder.trace.numbers
    short = numbers is not None and place in numbers.unrolled
    try:
        return python_loop(
            _tests(test), lambda _: body(), orelse, scope, most=math.inf if short else UNROLL_ALWAYS if forever else concrete.LONG
        )
    except StagedExit:
        go_back()
    before = len(builder.blocks)
    try:
        found = staged_loop(test, body, orelse, scope, later)
        builder.trace.counted.update({p: place for block in builder.blocks[before:] for p in block.params})
        return found
    except CANNOT_BE_STAGED as reason:
        why = reason
    go_back()
    try:
        return python_loop(_tests(test), lambda _: body(), orelse, scope, most=concrete.MOST_UNROLLED if forever else None)
    except StagedExit:  # its condition, or its exit, comes to depend on the program's values: no other way is left
        raise why from None


def _tests(test: Thunk) -> Any:
    while True:
        t = truth(test())
        if isinstance(t, Traced):
            raise StagedExit
        if not t:
            return
        yield None


def python_loop(
    items: Any,
    body: Body,
    orelse: Thunk | None,
    scope: Scope,
    most: float | None = None,
    why: str = "what it runs over, or its condition, is plain Python",
) -> Any:
    """A loop that runs now, as Python; the log says `why` where it is long. Exits under traced conditions wait until the loop has
    ended. `most`: StagedExit where there are such, or after so many iterations that add to the program."""
    if current_trace() is None:
        return _plain_loop(items, body, orelse)
    seen(items)
    builder = current_builder()
    breaks: list[tuple[Block, Saved]] = []
    outside = [f.ends["return"] if f.kind == "function" else f.ends["raise"] for f in builder.frames if f.kind in ("function", "try")]
    waited = [*map(len, outside)]
    signal = None
    began, count, operations = clock(), -1, builder.trace.operations
    for count, item in enumerate(items):
        if count == most and builder.trace.operations > operations:
            raise StagedExit
        if count == concrete.LONG:
            concrete.LOGGER.info("the loop at %s is unrolled, for more than %d iterations: %s", user_site(), concrete.LONG, why)
        frame, since = Frame("loop", scope), clock()
        builder.frames.append(frame)
        waiting = [breaks, *frame.ends.values()]
        signal = run(run_sometimes, body, item, waiting=functools.partial(any, waiting))
        del builder.frames[builder.frames.index(frame) :]
        breaks += frame.ends["break"]
        ends = frame.ends["continue"]
        if ends:
            if signal is None or signal is CONTINUE:
                ends.append((open_block(), scope.save()))
                signal = None
            elif signal is not DEAD:
                builder.frames.append(Frame("loop", scope))
                leave(signal)
                breaks += builder.frames.pop().ends["break"]
            join(ends, scope, since=since)
            signal = None
        if most is not None and (breaks or [*map(len, outside)] != waited):
            raise StagedExit
        if signal is not None and signal is not CONTINUE:
            break
        signal = None
    if builder.trace.located and builder.trace.operations > operations:
        builder.trace.ran_as_python.append((user_site(), count + 1, why))
    if signal is BREAK:
        signal = None
    elif signal is None and orelse is not None:
        signal = run(orelse)
    if not breaks:
        return signal
    falls_through(signal, breaks, scope)
    join(breaks, scope, since=began)
    return None


def _plain_loop(items: Any, body: Body, orelse: Thunk | None) -> Any:
    for item in items:
        signal = body(item)
        if signal is BREAK:
            return None
        if signal is not None and signal is not CONTINUE:
            return signal
    return orelse() if orelse is not None else None


def staged_loop(
    test: Thunk, body: Thunk, orelse: Thunk | None, scope: Scope, later: Sequence[str] = (), surely: bool = False, trips: Any = None
) -> Any:
    """A loop in the graph. Traced again with other forms of its variables until they are a fixpoint."""
    builder = current_builder()
    open_block()
    mark, before = builder.mark(), scope.save()
    forms: dict[Any, Any] = {}
    viewed: list[Any] = []
    rounds = depth = deeper = 0
    while True:
        postponed = builder.trace.postponed
        try:
            signal = _trace_loop(test, body, orelse, Loop(scope, before, later, surely, forms, viewed, trips))
            if builder.trace.postponed == postponed or any(f.kind == "loop" and f.staged for f in builder.frames):
                return signal
            builder.rollback(mark)
            scope.restore(before)
            builder.trace.none_later = True  # the lists that are too short do not become longer
            try:
                return _trace_loop(test, body, orelse, Loop(scope, before, later, surely, forms, viewed, trips))
            finally:
                builder.trace.none_later = False
        except Widen:
            builder.rollback(mark)
            scope.restore(before)
            depth, before_it = max(map(len, forms)), depth
            deeper = deeper + 1 if depth > before_it else 0
            if deeper > MOST_DEEPER:
                raise endless_chain() from None
            if (rounds := rounds + 1) > MOST_ROUNDS:
                raise errors.TypeMismatchError(
                    f"the loop at {user_site()} makes a function, or another object, that is a new one each time that the loop is traced, and carries it into its next "
                    "iteration: define it outside of the loop"
                ) from None


def _trace_loop(test: Any, body: Any, orelse: Any, loop: Loop) -> Any:
    builder, scope = loop.builder, loop.scope
    loop.enter()
    frame = Frame("loop", scope, staged=True, since=loop.since, viewed=loop.viewed)
    builder.frames.append(Frame("staged"))
    builder.frames.append(frame)
    for buffer in loop.reserved:
        builder.trace.roomy[buffer.atom] = frame
    cond = truth(test())
    exits: list[tuple[Block, Saved]] = []
    if isinstance(cond, Traced):
        inside, outside = branch(cond, "body", "exit")
        exits = [(outside, scope.save())]
        builder.enter(inside)
    signal = run(run_sometimes, body)
    del builder.frames[builder.frames.index(frame) - 1 :]
    latches = frame.ends["continue"]
    falls_through(signal, frame.ends["break"] if signal is BREAK else latches, scope, CONTINUE, BREAK)
    loop.close(latches, frame)
    return _after_loop(exits, frame.ends["break"], latches, orelse, loop)


def _after_loop(exits: Any, breaks: Any, latches: Any, orelse: Any, loop: Loop) -> Any:
    """Continue after the loop: the else clause runs on the normal exit only."""
    builder, scope = loop.builder, loop.scope
    latch_states = [state for _, state in latches]
    exits = [(block, _poison(state, latch_states, scope)) for block, state in exits]
    if exits and orelse is not None:
        builder.enter(exits[0][0])
        scope.restore(exits[0][1])
        exits = []
        falls_through(run_staged(orelse, scope), exits, scope)
    ends = exits + breaks
    if not ends:
        return DEAD
    join(ends, scope, "after", since=loop.since)
    return None


def _poison(state: Saved, latches: list[Saved], scope: Scope) -> Saved:
    """A variable first assigned in the body may be unassigned after the loop."""
    values = list(state.values)
    for i, name in enumerate(scope.names):
        if isinstance(state.values[i], Undefined) and any(not isinstance(s.values[i], Undefined) for s in latches):
            values[i] = Undefined(name, "it is assigned only inside a loop that may run zero times; assign it before the loop")
    return Saved(tuple(values), state.heap)


def counted_loop(
    count: Any, element: Body, body: Body, orelse: Thunk | None, scope: Scope, later: Sequence[str] = (), surely: bool = False
) -> Any:
    """for target in element(0), .. element(count - 1): a while loop over a hidden counter. A count that is a function is asked for before
    each element."""
    counter: list[Any] = [0]
    moving = not isinstance(count, (int, np.integer, Traced))
    before = None if moving else _limit(count)

    def get() -> tuple[Any, ...]:
        return (counter[0], *scope.get())

    def put(values: Any) -> None:
        counter[0] = values[0]
        scope.put(values[1:])

    def one() -> Any:
        i, since = counter[0], clock()
        if isinstance(count, int) and count <= SHORT:
            current_builder().trace.counters.add(i.atom)
        frame = next(f for f in reversed(current_builder().frames) if f.kind == "loop")
        signal = run(body, element(i))
        if frame.ends["continue"]:  # the counter moves on from every path that continues
            falls_through(signal, frame.ends["continue"], frame.scope, CONTINUE)
            ends = list(frame.ends["continue"])
            frame.ends["continue"].clear()
            join(ends, inner, since=since)
            signal = None
        if signal is None or signal is CONTINUE:
            counter[0] = table.iadd(i, 1)
            return None
        return signal

    if isinstance(count, Traced):
        current_builder().trace.counts.append(count)
    inner = Scope(("i", *scope.names), get, put)
    inner.cells = scope.cells
    test = lambda: table.ilt(counter[0], _limit(count()) if moving else before)  # noqa: E731
    return staged_loop(test, one, orelse, inner, later, surely, None if moving else count)


def _limit(count: Any) -> Any:
    n = atom_of(count, I64, current_builder()) if isinstance(count, Traced) else Const(int(count), I64)
    return Traced(n, current_builder()) if not isinstance(n, Const) else Traced(n, None)


def each(count: Any, body: Callable[[Any], None], scope: Any = NO_SCOPE) -> None:
    """A staged loop for i in range(count)."""
    counted_loop(count, lambda i: i, body, None, scope)


def each_index(shape: Sequence[Any], body: Callable[[tuple[Any, ...]], None], prefix: tuple[Any, ...] = ()) -> None:
    """A staged loop over all index tuples of `shape`."""
    if not shape:
        body(prefix)
    else:
        each(shape[0], lambda i: each_index(shape[1:], body, (*prefix, i)))
