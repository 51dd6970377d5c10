"""Paths of a traced function: where a construct goes, and the open blocks that wait for one another.

Each construct looks at its condition: a plain Python value runs as Python, a traced one is staged into blocks.
A statement body is a function; it returns None when it falls through, or a signal: BREAK, CONTINUE,
`Return(value)`, or DEAD when no path falls through. A signal under a traced condition becomes a jump: the
open block waits in its loop's or function's `Frame` until the target is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..core.builder import Frame, atom_of, current_builder, current_trace
from ..core.faults import is_of_tracing
from ..core.graph import Block, Branch, Edge
from ..core.port import Port
from ..core.sites import user_site
from ..core.types import BOOL
from ..objects.heap import Heap, State
from ..values.values import Traced

Thunk = Callable[[], Any]  # a test, an arm, a body without a target
Body = Callable[[Any], Any]


@dataclass
class Saved:
    """The variables of a scope at one point, and what the user's objects hold there."""

    values: tuple[Any, ...]
    heap: State


def heap_of() -> Heap:
    """The log of the trace under way."""
    trace = current_trace()
    assert trace is not None
    return trace.heap  # type: ignore[no-any-return]


class Scope:
    """Access to the variables `names` of the function that is being traced: those that a construct may assign; `later` are read after it."""

    def __init__(
        self, names: Sequence[str], get: Callable[[], tuple[Any, ...]], put: Callable[[Any], None], later: Sequence[str] = ()
    ) -> None:
        self.names, self.get, self.put, self.later = tuple(names), get, put, later
        self.cells = frozenset(id(c) for c in getattr(put, "__closure__", None) or ())

    def save(self) -> Saved:
        return Saved(self.get(), heap_of().save())

    def restore(self, saved: Saved) -> None:
        heap_of().restore(saved.heap)
        self.put(saved.values)


NO_SCOPE = Scope((), lambda: (), lambda _: None)


def at_the_end(block: Block, make: Thunk) -> tuple[Any, Block]:
    """make(), computed at the end of that block, and the block where that ends."""
    builder = current_builder()
    before, builder.current = builder.current, block
    try:
        value = make()
        assert builder.current is not None
        return value, builder.current
    finally:
        builder.current = before


class Signal:
    def __init__(self, name: str) -> None:
        self.name = name


BREAK, CONTINUE, DEAD = Signal("break"), Signal("continue"), Signal("dead")


@dataclass
class Return:
    value: Any


@dataclass
class Raise:
    """An exception on its way to the `try` of this frame."""

    error: Any
    frame: Frame


@dataclass
class Raised(Saved):
    """The variables and objects where a path leaves for a handler, and what it is left by."""

    error: Any


class Bottom(Exception):
    """Raised inside an expression that never has a value: a call whose result type is not known yet."""


class StagedExit(Exception):
    """A loop with a plain Python condition is left under a traced one: it must be staged."""


def run(body: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Trace a body; its signal, with DEAD for a path that never continues."""
    try:
        return body(*args, **kwargs)
    except Bottom:
        return DEAD


def leave(signal: Any) -> None:
    """End the current block by a signal: it waits in the frame that the signal goes to. Each `finally` on the way runs on this path alone."""
    builder = current_builder()
    if signal is DEAD or builder.current is None:
        builder.current = None
        return
    if isinstance(signal, Raise):
        kind, frame = "raise", signal.frame
    else:
        kind = "return" if isinstance(signal, Return) else signal.name
        wanted = "function" if kind == "return" else "loop"
        frame = next(f for f in reversed(builder.frames) if f.kind == wanted)
    before = run_finally(builder.frames.index(frame) + 1)
    block, builder.current = builder.current, None
    if block is not None:
        frame.ends[kind].append((block, here(signal.value) if kind == "return" else _left(frame.scope, signal)))
    restore(before)


def restore(before: Sequence[tuple[Scope, Saved]]) -> None:
    """The variables and objects as they were before each `finally` ran, for the other paths."""
    for scope, saved in reversed(before):
        scope.restore(saved)


def run_finally(depth: int = 0) -> list[tuple[Scope, Saved]]:
    """Run each `finally` of the frames from there on, the last one first, on a path that leaves them; gives what they found."""
    builder = current_builder()
    frames, whole = builder.frames, list(builder.frames)
    before: list[tuple[Scope, Saved]] = []
    for i in range(len(whole) - 1, depth - 1, -1):
        if whole[i].kind == "finally" and builder.current is not None:
            before.append((whole[i].scope, whole[i].scope.save()))
            del frames[i:]  # what leaves it comes by no `finally` that has run
            if run_staged(whole[i].last, whole[i].scope) is DEAD:
                builder.current = None
    frames[:] = whole
    return before


def _left(scope: Scope, signal: Any) -> Saved:
    saved = scope.save()
    return Raised(saved.values, saved.heap, signal.error) if isinstance(signal, Raise) else saved


def here(value: Any) -> Saved:
    """A value, and what the user's objects hold now."""
    return Saved((value,), heap_of().save())


def open_block() -> Block:
    builder = current_builder()
    if builder.current is None:
        builder.current = builder.new_block("dead")
    return builder.current


def clock() -> int:
    """When the construct begins that is traced now."""
    trace = current_trace()
    return trace.heap.clock if trace is not None else 0


@contextmanager
def _conditions() -> Iterator[list[Frame]]:
    """Ends what `_enter_condition` begins: the rest of a construct runs under a traced condition."""
    under: list[Frame] = []
    trace = current_trace()
    frames = trace.builders[-1].frames if trace is not None and trace.builders else []
    depth = len(frames)
    try:
        yield under
    finally:
        if under:
            del frames[depth:]


def _enter_condition(scope: Scope | None, under: list[Frame]) -> None:
    if not under:
        under.append(Frame("condition", scope, since=clock()))
        current_builder().frames.append(under[0])


def branch(cond: Traced, *names: str) -> tuple[Block, Block]:
    """End the current block in a branch to two new blocks."""
    builder = current_builder()
    builder.trace.conditions.append(cond)
    c = atom_of(cond, BOOL, builder)
    open_block()
    yes, no = builder.new_block(names[0]), builder.new_block(names[1])
    builder.terminate(Branch(c, Edge(yes.name), Edge(no.name)))
    if builder.sites is not None:
        builder.sites.update({yes.name: (user_site(), True), no.name: (user_site(), False)})
    return yes, no


def require(cond: Any, error: Exception) -> None:
    """The program raises the error here where the condition does not hold."""
    if not isinstance(cond, Traced):
        if not cond:
            raise error
        return
    heap_of().made(error)  # a handler may write into it
    ok, bad = branch(cond, "there", "nothing")
    current_builder().enter(bad)
    raise_here(error)
    current_builder().enter(ok)


raise_here = Port("stages an exception: the compiled program raises it when it gets here")


def run_staged(body: Callable[..., Any], scope: Scope) -> Any:
    """`run` under a traced condition."""
    return run(run_expression, body, scope)


def run_expression(arm: Thunk, scope: Scope | None = None) -> Any:
    """Trace what runs under a traced condition: a `raise` there is staged."""
    frames = current_builder().frames
    depth = len(frames)
    frames.append(Frame("condition", scope, since=clock()))
    try:
        return run_sometimes(arm)
    finally:
        del frames[depth:]


def run_sometimes(body: Callable[..., Any], *args: Any, waiting: Callable[[], bool] = lambda: True) -> Any:
    """Trace what the program may never come to, as paths are `waiting` to go on elsewhere: what it raises there is raised by the
    compiled program, if that does come to it."""
    try:
        return body(*args)
    except Exception as e:
        if not waiting():
            raise
        raise_later(e)
    raise Bottom


def raise_later(e: Exception) -> None:
    """Stage what was raised; what is the trace's own goes on."""
    if is_of_tracing(e):
        raise e
    raise_here(e)


def falls_through(signal: Any, ends: list[Any], scope: Scope, *through: Any) -> bool:
    """A body has ended by this signal: its block waits among `ends` where that is None, or one of `through`; else it leaves."""
    if signal is not None and signal not in through:
        leave(signal)
        return False
    ends.append((open_block(), scope.save()))
    return True


def way_back(scope: Scope) -> Callable[[], None]:
    """What undoes all that has been added to the program since."""
    builder = current_builder()
    mark, before = builder.mark(), scope.save()

    def go() -> None:
        builder.rollback(mark)
        scope.restore(before)

    return go
