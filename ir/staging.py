"""Staged control flow: what the code that syntax.py rewrites calls at trace time.

Each construct looks at its condition: a plain Python value runs as Python, a traced one is staged into blocks.
A statement body is a function; it returns None when it falls through, or a signal: BREAK, CONTINUE,
`Return(value)`, or DEAD when no path falls through. A signal under a traced condition becomes a jump: the
open block waits in its loop's or function's `Frame` until the target is made.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import errors, pytree, table
from .builder import Builder, Frame, current_builder, current_trace, user_site
from .graph import Atom, Block, Branch, Const, Edge, Fail
from .iterables import Staged, staged_iterable
from .sizes import same as same_size
from .state import (
    NO_SCOPE,
    Saved,
    Scope,
    Undefined,
    coerce,
    common_type,
    describe_value,
    join,
    join_values,
    leaf_type,
    merge_types,
    parameter,
    same_leaf,
)
from .types import BOOL, I64, Type
from .numpy_api import AxisConcatenator, index_joined, mentions_traced
from .values import Arrayed, Traced, atom_of, is_traced, lift_array, load, logical_not, scalar_type, store, truth, write_to_scalar

UNROLL_ALWAYS = 4  # a range known to be this short is unrolled at once
UNROLL_ON_FAILURE = 64  # and this short, when its body cannot be staged (it indexes or grows a list)


class Signal:
    def __init__(self, name: str) -> None:
        self.name = name


BREAK, CONTINUE, DEAD = Signal("break"), Signal("continue"), Signal("dead")


@dataclass
class Return:
    value: Any


class Bottom(Exception):
    """Raised inside an expression that never has a value: a call whose result type is not known yet."""


class StagedExit(Exception):
    """A loop with a plain Python condition is left under a traced one: it must be staged."""


def run(body: Callable[..., Any], *args: Any) -> Any:
    """Trace a body; its signal, with DEAD for a path that never continues."""
    try:
        return body(*args)
    except Bottom:
        return DEAD


def leave(signal: Any) -> None:
    """End the current block by a signal: it waits in the frame that the signal goes to."""
    builder = current_builder()
    block, builder.current = builder.current, None
    if signal is DEAD or block is None:
        return
    kind = "return" if isinstance(signal, Return) else signal.name
    wanted = "function" if kind == "return" else "loop"
    frame = next(f for f in reversed(builder.frames) if f.kind == wanted)
    frame.ends[kind].append((block, signal.value if kind == "return" else frame.scope.save()))
    if kind == "return" and frame.watch is not None:
        frame.effects.append(frame.watch())


def open_block() -> Block:
    builder = current_builder()
    if builder.current is None:
        builder.current = builder.new_block("dead")
    return builder.current


# ---- if
def if_(cond: Any, then: Callable[[], Any], orelse: Callable[[], Any], scope: Scope = NO_SCOPE, *later: Callable[[], Any]) -> Any:
    """`later`: test and body of each `elif`."""
    ends: list[Any] = []
    with _conditions() as under:
        signal = _arms(truth(cond), then, orelse, scope, later, ends, under)
        if not under:
            return signal
        if signal is None:
            ends.append((open_block(), scope.save()))
        else:
            leave(signal)
    if not ends:
        return DEAD
    join(ends, scope)
    return None


def _arms(cond: Any, then: Any, orelse: Any, scope: Scope, later: Sequence[Any], ends: list[Any], under: list[Frame]) -> Any:
    """Run arm after arm; the signal of the last one that runs. `ends`: where those before it fall through."""
    for i in range(0, len(later) + 1, 2):
        if isinstance(cond, Traced):
            before = scope.save()
            yes, no = branch(cond, "then", "else")
            builder = current_builder()
            builder.enter(yes)
            scope.restore(before)
            signal = run_staged(then, scope)
            if signal is None:
                ends.append((open_block(), scope.save()))
            else:
                leave(signal)
            builder.enter(no)
            scope.restore(before)
            _enter_condition(scope, under)
        elif cond:
            return run(then) if under else then()
        if i == len(later):
            return run(orelse) if under else orelse()
        test, then = later[i : i + 2]
        try:
            cond = truth(test())
        except Bottom:
            if under:
                return DEAD
            raise
    return None


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
        under.append(Frame("condition", scope))
        current_builder().frames.append(under[0])


def branch(cond: Traced, *names: str) -> tuple[Block, Block]:
    """End the current block in a branch to two new blocks."""
    builder = current_builder()
    c = atom_of(cond, BOOL, builder)
    open_block()
    yes, no = builder.new_block(names[0]), builder.new_block(names[1])
    builder.terminate(Branch(c, Edge(yes.name), Edge(no.name)))
    return yes, no


def run_staged(body: Callable[..., Any], scope: Scope) -> Any:
    """`run` under a traced condition: there a `raise` is staged."""
    builder = current_builder()
    builder.frames.append(Frame("condition", scope))
    depth = len(builder.frames)
    try:
        return run(body)
    finally:
        del builder.frames[depth - 1 :]


# ---- expressions
def ifexp(cond: Any, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
    cond = truth(cond)
    if not isinstance(cond, Traced):
        return then() if cond else orelse()
    ends = []
    for block, arm in zip(branch(cond, "then", "else"), (then, orelse), strict=True):
        current_builder().enter(block)
        with suppress(Bottom):
            value = run_expression(arm)
            ends.append((open_block(), value))
    if not ends:
        raise Bottom
    return join_values(ends, "the value of a conditional expression")


def run_expression(arm: Callable[[], Any]) -> Any:
    builder = current_builder()
    builder.frames.append(Frame("condition"))
    depth = len(builder.frames)
    try:
        return arm()
    finally:
        del builder.frames[depth - 1 :]


def and_(x: Any, *rest: Callable[[], Any]) -> Any:
    return _short_circuit(x, rest, True)


def or_(x: Any, *rest: Callable[[], Any]) -> Any:
    return _short_circuit(x, rest, False)


def _short_circuit(x: Any, rest: Sequence[Callable[[], Any]], goes_on: bool) -> Any:
    """Operand after operand, as long as their truth is `goes_on`."""
    ends: list[Any] = []
    with _conditions() as under:
        for operand in rest:
            t = truth(x)
            if isinstance(t, Traced):
                yes, no = branch(t, "then", "else")
                ends.append((no if goes_on else yes, (not goes_on) if x is t else x))
                current_builder().enter(yes if goes_on else no)
                _enter_condition(None, under)
            elif bool(t) is not goes_on:
                break
            try:
                x = operand()
            except Bottom:
                if not ends:
                    raise
                return join_values(ends, "the value of a conditional expression")
    if not ends:
        return x
    return join_values([*ends, (open_block(), x)], "the value of a conditional expression")


def not_(x: Any) -> Any:
    t = truth(x)
    return logical_not(t) if isinstance(t, Traced) else not t


def chain(first: Any, *rest: Any) -> Any:
    """a < b < c: rest is (compare, thunk of b), (compare, thunk of c), ...; each operand is evaluated once."""
    left = first

    def step(compare: Callable[[Any, Any], Any], operand: Callable[[], Any]) -> Any:
        nonlocal left
        before, left = left, operand()
        return compare(before, left)

    return and_(step(*rest[0]), *(functools.partial(step, *pair) for pair in rest[1:]))


def getitem(obj: Any, index: Any) -> Any:
    """obj[index], where a captured NumPy array becomes a constant of the program."""
    if isinstance(obj, np.ndarray) and _mentions_traced(index):
        return lift_array(obj)[index]
    if isinstance(obj, AxisConcatenator) and mentions_traced(index):
        return index_joined(obj, index)
    return obj[index]


def _mentions_traced(index: Any) -> bool:
    return any(map(is_traced, index)) if isinstance(index, tuple) else is_traced(index)


def setitem(value: Any, obj: Any, index: Any) -> None:
    """obj[index] = value, evaluated in Python's order; compiled code never writes into an array it captured."""
    if isinstance(obj, np.ndarray) and current_trace() is not None and (_mentions_traced(index) or is_traced(value)):
        store(lift_array(obj), index, value)
    if isinstance(obj, np.generic) and current_trace() is not None:
        write_to_scalar()
    obj[index] = value


# ---- assert, raise
def assert_(cond: Any, message: Callable[[], Any]) -> Any:
    cond = truth(cond)
    if not isinstance(cond, Traced):
        return None if cond else raise_(AssertionError(message()))
    ok, bad = branch(cond, "holds", "fails")
    text = message()
    detail = "assertion failed" if text is None else str(text)
    current_builder().terminate(Fail("assertion", detail, user_site(detail)), bad)
    current_builder().enter(ok)
    return None


def raise_(exception: Any, cause: Any = None) -> Any:
    """`raise`: at once where every path leads here, else when the compiled code gets here."""
    if isinstance(exception, type):
        exception = exception()
    if cause is not None:
        exception.__cause__ = cause
    trace = current_trace()
    if trace is None or not trace.builders or not _is_staged(trace.builders):
        raise exception
    site = user_site(str(exception))
    site = type(site)(site.filename, site.line, site.function, site.detail, exception)
    open_block()
    current_builder().terminate(Fail("raise", str(exception), site))
    return DEAD


def _is_staged(builders: Sequence[Builder]) -> bool:
    """May the compiled program go another way than here?"""
    for b in builders:
        if b.current is not b.blocks[0] or any(f.kind in ("condition", "staged") or any(f.ends.values()) for f in b.frames):
            return True
    return False


# ---- while
def while_(
    test: Callable[[], Any],
    body: Callable[[], Any],
    orelse: Callable[[], Any] | None,
    scope: Scope,
    forever: bool = False,
) -> Any:
    if current_trace() is None:
        return python_loop(_tests(test), lambda _: body(), orelse, scope)
    builder = current_builder()
    mark, before = builder.mark(), scope.save()
    first = truth(test())
    builder.rollback(mark)
    scope.restore(before)
    if isinstance(first, Traced):
        return staged_loop(test, body, orelse, scope)
    if forever:
        return staged_loop(test, body, orelse, scope)
    try:
        return python_loop(_tests(test), lambda _: body(), orelse, scope, stop_at_exit=True)
    except StagedExit:
        builder.rollback(mark)
        scope.restore(before)
    with suppress(errors.TracedConditionError, errors.TypeMismatchError, errors.UndefinedVariableError):
        return staged_loop(test, body, orelse, scope)
    builder.rollback(mark)
    scope.restore(before)
    return python_loop(_tests(test), lambda _: body(), orelse, scope)


def _tests(test: Callable[[], Any]) -> Any:
    while True:
        t = truth(test())
        if isinstance(t, Traced):
            raise StagedExit
        if not t:
            return
        yield None


def python_loop(items: Any, body: Callable[[Any], Any], orelse: Callable[[], Any] | None, scope: Scope, stop_at_exit: bool = False) -> Any:
    """A loop that runs now, as Python. Exits under traced conditions wait until the loop has ended."""
    if current_trace() is None:
        return _plain_loop(items, body, orelse)
    builder = current_builder()
    breaks: list[tuple[Block, Saved]] = []
    returns = next((f.ends["return"] for f in reversed(builder.frames) if f.kind == "function"), [])
    n_returns = len(returns)
    signal = None
    for item in items:
        frame = Frame("loop", scope)
        builder.frames.append(frame)
        signal = run(body, item)
        builder.frames.remove(frame)
        breaks += frame.ends["break"]
        ends = frame.ends["continue"]
        if ends:
            if signal is None or signal is CONTINUE:
                ends.append((open_block(), scope.save()))
                signal = None
            elif signal is not DEAD:
                leave_later = signal
                builder.frames.append(Frame("loop", scope))
                leave(leave_later)
                breaks += builder.frames.pop().ends["break"]
            join(ends, scope)
            signal = None
        if stop_at_exit and (breaks or len(returns) > n_returns):
            raise StagedExit
        if signal is not None and signal is not CONTINUE:
            break
        signal = None
    if signal is BREAK:
        signal = None
    elif signal is None and orelse is not None:
        signal = run(orelse)
    if not breaks:
        return signal
    if signal is None:
        breaks.append((open_block(), scope.save()))
    else:
        leave(signal)
    join(breaks, scope)
    return None


def _plain_loop(items: Any, body: Callable[[Any], Any], orelse: Callable[[], Any] | None) -> Any:
    for item in items:
        signal = body(item)
        if signal is BREAK:
            return None
        if signal is not None and signal is not CONTINUE:
            return signal
    return orelse() if orelse is not None else None


# ---- staged loops
class Widen(Exception):
    """A loop variable turned out to have a wider type than it entered with."""


def staged_loop(
    test: Callable[[], Any], body: Callable[[], Any], orelse: Callable[[], Any] | None, scope: Scope, surely: Sequence[str] = ()
) -> Any:
    """A loop in the graph. Traced again with wider types until they are a fixpoint."""
    builder = current_builder()
    open_block()
    mark, before = builder.mark(), scope.save()
    wider: dict[tuple[int, int], Type] = {}
    while True:
        try:
            return _trace_loop(test, body, orelse, scope, before, wider, surely)
        except Widen:
            builder.rollback(mark)
            scope.restore(before)


def _enter_loop(scope: Scope, before: Saved, wider: dict[tuple[int, int], Type]) -> tuple[Block, dict[tuple[int, int], Any]]:
    """Make the loop head; every number and array that the loop may assign becomes its parameter."""
    builder = current_builder()
    entry = open_block()
    head = builder.new_block("loop")
    args: list[Atom] = []
    heads: dict[tuple[int, int], Any] = {}
    inside: list[list[Any]] = []
    for i, leaves in enumerate(before.leaves):
        fresh = list(leaves)
        for j, leaf in enumerate(leaves):
            t = wider.get((i, j)) or leaf_type(leaf)
            if t is None:
                continue
            if isinstance(leaf, Undefined):
                leaf = 0  # never read: see _seed
            found = scalar_type(leaf)
            args.append(coerce(leaf, t, entry))
            weak = found is not None and found[1] and (i, j) not in wider
            fresh[j] = heads[i, j] = parameter(head, t, weak, [leaf], builder, scope.names[i])
            if isinstance(leaf, Arrayed) and (i, j) not in wider:
                fresh[j].sizes = list(leaf.shape)  # as long as no iteration changes them
        inside.append(fresh)
    builder.jump(head, tuple(args), entry)
    builder.enter(head)
    scope.restore(Saved(before.values, inside, before.trees))
    return head, heads


def _trace_loop(
    test: Any, body: Any, orelse: Any, scope: Scope, before: Saved, wider: dict[tuple[int, int], Type], surely: Sequence[str]
) -> Any:
    builder = current_builder()
    head, heads = _enter_loop(scope, before, wider)
    frame = Frame("loop", scope, staged=True)
    builder.frames.append(Frame("staged"))
    builder.frames.append(frame)
    cond = truth(test())
    exits: list[tuple[Block, Saved]] = []
    if isinstance(cond, Traced):
        inside, outside = branch(cond, "body", "exit")
        exits = [(outside, scope.save())]
        builder.enter(inside)
    signal = run(body)
    builder.frames.remove(frame)
    builder.frames.pop()
    latches = frame.ends["continue"]
    if signal is None or signal is CONTINUE:
        latches.append((open_block(), scope.save()))
    elif signal is BREAK:
        frame.ends["break"].append((open_block(), scope.save()))
    else:
        leave(signal)
    _seed(latches, scope, before, wider, surely)
    _close_loop(head, heads, latches, scope, before, wider)
    return _after_loop(exits, frame.ends["break"], latches, orelse, scope, before)


def _seed(latches: Any, scope: Scope, before: Saved, wider: dict[tuple[int, int], Type], surely: Sequence[str]) -> None:
    """A number that the body assigns before it reads it (else the trace had failed), in a loop that is sure to run, is
    known after the loop: trace again with a parameter for it, whose first value nobody sees."""
    for i, name in enumerate(scope.names):
        if name in surely and isinstance(before.values[i], Undefined) and (i, 0) not in wider:
            found = [scalar_type(state.values[i]) for _, state in latches]
            if found and found[0] is not None and all(f == found[0] for f in found):
                wider[i, 0] = found[0][0]
                raise Widen


def _close_loop(
    head: Block,
    heads: dict[tuple[int, int], Any],
    latches: Any,
    scope: Scope,
    before: Saved,
    wider: dict[tuple[int, int], Type],
) -> None:
    """Jump back from every latch; a changed type widens the loop or is an error that names the variable."""
    for block, state in latches:
        args = []
        for i, name in enumerate(scope.names):
            if state.trees[i] != before.trees[i]:
                if isinstance(before.values[i], Undefined):
                    continue
                raise errors.TypeMismatchError(
                    f"loop variable `{name}` at {user_site()} changes from {before.values[i]!r} to {state.values[i]!r}: its structure must stay the same"
                    + (
                        " (where a view and an array meet, make the view an array with .copy())"
                        if "view" in repr((before.values[i], state.values[i]))
                        else ""
                    )
                )
            for j, (old, new) in enumerate(zip(before.leaves[i], state.leaves[i], strict=True)):
                if (i, j) in heads:
                    args.append(_latch_atom(name, heads[i, j], new, block, (i, j), wider))
                elif not isinstance(old, Undefined) and not same_leaf(old, new):
                    raise errors.TypeMismatchError(
                        f"loop variable `{name}` at {user_site()} changes from {describe_value(old)} {old!r} to {describe_value(new)} {new!r}: "
                        "only numbers and arrays can change in a staged loop"
                    )
        current_builder().jump(head, tuple(args), block)


def _latch_atom(name: str, head: Any, new: Any, block: Block, key: tuple[int, int], wider: dict[tuple[int, int], Type]) -> Atom:
    if isinstance(new, Undefined):
        new._raise()
    merged = merge_types([head, new])
    if merged is None:
        raise errors.TypeMismatchError(
            f"loop variable `{name}` at {user_site()} changes its type from {describe_value(head)} to {describe_value(new)}; give it its final type before the loop"
        )
    found = scalar_type(new)
    if isinstance(head, Arrayed) and head.sizes is not None and not all(map(same_size, head.sizes, new.shape)):
        wider[key] = merged[0]
        raise Widen
    if isinstance(head, Traced) and (merged[0] != head.type or (head.weak and found is not None and not found[1])):
        wider[key] = merged[0]
        raise Widen
    return coerce(new, merged[0], block)


def _after_loop(exits: Any, breaks: Any, latches: Any, orelse: Any, scope: Scope, before: Saved) -> Any:
    """Continue after the loop: the else clause runs on the normal exit only."""
    builder = current_builder()
    latch_states = [state for _, state in latches]
    exits = [(block, _poison(state, latch_states, scope, before)) for block, state in exits]
    if exits and orelse is not None:
        builder.enter(exits[0][0])
        scope.restore(exits[0][1])
        signal = run_staged(orelse, scope)
        if signal is None:
            exits = [(open_block(), scope.save())]
        else:
            leave(signal)
            exits = []
    ends = exits + breaks
    if not ends:
        return DEAD
    join(ends, scope, "after")
    return None


def _poison(state: Saved, latches: list[Saved], scope: Scope, before: Saved) -> Saved:
    """A variable first assigned in the body may be unassigned after the loop."""
    values = list(state.values)
    leaves, trees = list(state.leaves), list(state.trees)
    for i, name in enumerate(scope.names):
        assigned = any(not isinstance(s.values[i], Undefined) for s in latches)
        if isinstance(state.values[i], Undefined) and assigned:
            why = "it is assigned only inside a loop that may run zero times; assign it before the loop"
            values[i] = Undefined(name, why)
            leaves[i], trees[i] = pytree.flatten(values[i])
    return Saved(tuple(values), leaves, trees)


# ---- for
def for_(items: Any, body: Callable[[Any], Any], orelse: Callable[[], Any] | None, scope: Scope, later: Sequence[str] = ()) -> Any:
    """for target in items. `later`: variables that the code after the loop reads."""
    trace = current_trace()
    if trace is None:
        return python_loop(items, body, orelse, scope)
    staged = staged_iterable(items)
    if staged is None:
        return python_loop(_limited(items), body, orelse, scope)
    if staged.known is not None and staged.known <= UNROLL_ALWAYS:
        return python_loop(staged.python(), body, orelse, scope)
    surely = later if staged.known else ()
    if staged.known is None or staged.known > UNROLL_ON_FAILURE:
        return counted_loop(staged, body, orelse, scope, surely)
    builder = current_builder()
    open_block()
    mark, before = builder.mark(), scope.save()
    try:
        return counted_loop(staged, body, orelse, scope, surely)
    except (errors.TracedConditionError, errors.TypeMismatchError, errors.UndefinedVariableError):
        builder.rollback(mark)
        scope.restore(before)
        return python_loop(staged.python(), body, orelse, scope)


def _limited(items: Any) -> Any:
    if isinstance(items, (Traced, Arrayed)):
        raise TypeError(f"{items!r} cannot be looped over at {user_site()}")
    return items


def counted_loop(
    staged: Staged, body: Callable[[Any], Any], orelse: Callable[[], Any] | None, scope: Scope, surely: Sequence[str] = ()
) -> Any:
    """for target in staged: a while loop over a hidden counter. `surely`: variables that are assigned when it ends."""
    counter: list[Any] = [0]
    count = staged.count()
    n = atom_of(count, I64, current_builder()) if isinstance(count, Traced) else Const(int(count), I64)
    limit = Traced(n, current_builder()) if not isinstance(n, Const) else Traced(n, None)

    def get() -> tuple[Any, ...]:
        return (counter[0], *scope.get())

    def put(values: Any) -> None:
        counter[0] = values[0]
        scope.put(values[1:])

    def one() -> Any:
        i = counter[0]
        frame = next(f for f in reversed(current_builder().frames) if f.kind == "loop")
        signal = run(body, staged.element(i))
        if frame.ends["continue"]:  # the counter moves on from every path that continues
            if signal is None or signal is CONTINUE:
                frame.ends["continue"].append((open_block(), frame.scope.save()))
            elif signal is not DEAD:
                leave(signal)
            ends = list(frame.ends["continue"])
            frame.ends["continue"].clear()
            join(ends, inner)
            signal = None
        if signal is None or signal is CONTINUE:
            counter[0] = table.iadd(i, 1)
            return None
        return signal

    inner = Scope(("i", *scope.names), get, put, ("i", *scope.assigned))
    inner.cells = scope.cells
    return staged_loop(lambda: table.ilt(counter[0], limit), one, orelse, inner, surely)


# ---- combinators share the machinery
def cond_value(pred: Any, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
    return ifexp(pred, then, orelse)


def loop_value(test: Callable[[Any], Any], body: Callable[..., Any], init: Any, counted: Any = None) -> Any:
    """while test(state): state = body(state), for a state of any structure."""
    cell = [init]
    scope = Scope(("state",), lambda: (cell[0],), lambda v: cell.__setitem__(0, v[0]))

    def step(*args: Any) -> None:
        cell[0] = body(*args, cell[0])

    if counted is not None:
        for_(counted, step, None, scope)
    else:
        while_(lambda: test(cell[0]), step, None, scope)
    return cell[0]


__all__ = [
    "BREAK", "CONTINUE", "DEAD", "Bottom", "Builder", "Return", "Scope", "Undefined", "and_", "assert_", "chain", "common_type", "for_", "getitem",
    "if_", "ifexp", "load", "not_", "or_", "raise_", "setitem", "while_",
]  # fmt: skip
