"""Staged control flow: what the code that rewrite.py rewrites calls at trace time.

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

from ..core import errors
from ..core.graph import Atom, Block, Branch, Const, Edge, Fail
from ..core.types import BOOL, I64, Array, Scalar, same_type
from ..numpy.registry import AxisConcatenator, index_joined, mentions_traced
from ..ops import table
from ..python import guarded, host
from ..python.iterables import FEW, Staged, staged_iterable
from ..python.strings import one_of
from ..values import concrete
from ..values.arrays import settled
from ..values.builder import Builder, Frame, current_builder, current_trace, user_site
from ..values.sizes import add, mul
from ..values.sizes import same as same_size
from ..values.values import Arrayed, Traced, atom_of, is_traced, lift_array, load, logical_not, scalar_type, store, truth, write_to_scalar
from .growing import List, Room, described, grown, is_growing, known_before, started
from .heap import CONTAINERS, Place, State, identical
from .optional import Maybe, form_of, maybe, seeded, unassigned
from .state import (
    NO_SCOPE,
    Saved,
    Scope,
    Sharing,
    Undefined,
    at_the_end,
    coerce,
    common_type,
    describe_value,
    heap_of,
    is_view,
    join,
    join_values,
    leaf_type,
    merge_types,
    parameter,
    same_leaf,
    show,
)
from .structure import Shape, closed, opened, shape_of_contents

UNROLL_ALWAYS = 4  # what is known to be this short is unrolled at once
CANNOT_BE_STAGED = (errors.TracedConditionError, errors.TypeMismatchError, errors.UndefinedVariableError)


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
    frame.ends[kind].append((block, here(signal.value) if kind == "return" else frame.scope.save()))


def here(value: Any) -> Saved:
    """A value, and what the user's objects hold now."""
    return Saved((value,), heap_of().save())


def open_block() -> Block:
    builder = current_builder()
    if builder.current is None:
        builder.current = builder.new_block("dead")
    return builder.current


# ---- if
def if_(cond: Any, then: Callable[[], Any], orelse: Callable[[], Any], scope: Scope = NO_SCOPE, *later: Callable[[], Any]) -> Any:
    """`later`: test and body of each `elif`."""
    ends: list[Any] = []
    since = clock()
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
    join(ends, scope, since=since)
    return None


def clock() -> int:
    """When the construct begins that is traced now."""
    trace = current_trace()
    return trace.heap.clock if trace is not None else 0


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
    builder.trace.conditions.append(cond)
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
    before = heap_of().save()
    for block, arm in zip(branch(cond, "then", "else"), (then, orelse), strict=True):
        current_builder().enter(block)
        heap_of().restore(before)
        with suppress(Bottom):
            value = run_expression(arm)
            ends.append((open_block(), here(value)))
    if not ends:
        raise Bottom
    what = "the value of a conditional expression"

    def join_numbers(numbers: Sequence[int]) -> Any:
        return join_values([(block, type(s)((i,), s.heap)) for i, (block, s) in zip(numbers, ends, strict=True)], what, before.clock)

    text = one_of([s.values[0] for _, s in ends], join_numbers)
    return join_values(ends, what, before.clock) if text is None else text


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
    since = clock()
    what = "the value of a conditional expression"
    with _conditions() as under:
        for operand in rest:
            t = truth(x)
            if isinstance(t, Traced):
                yes, no = branch(t, "then", "else")
                ends.append((no if goes_on else yes, here((not goes_on) if x is t else x)))
                current_builder().enter(yes if goes_on else no)
                _enter_condition(None, under)
            elif bool(t) is not goes_on:
                break
            try:
                x = operand()
            except Bottom:
                if not ends:
                    raise
                return join_values(ends, what, since)
    if not ends:
        return x
    return join_values([*ends, (open_block(), here(x))], what, since)


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


def seen(x: Any) -> Any:
    """x, all of whose items Python is about to go through."""
    trace = current_trace()
    if trace is not None and trace.builders:
        trace.reads.contents(x)
        trace.reads.arrays((x,))
    return x


def getitem(obj: Any, index: Any) -> Any:
    """obj[index], where a captured NumPy array becomes a constant of the program."""
    if isinstance(obj, np.ndarray) and _mentions_traced(index):
        return lift_array(obj)[index]
    if isinstance(obj, AxisConcatenator) and mentions_traced(index):
        return index_joined(obj, index)
    if isinstance(obj, dict) and isinstance(index, Traced):
        index = plain_key(index)
    trace = current_trace()
    if trace is not None and isinstance(obj, (list, dict)):
        trace.reads.item(obj, index)
    elif trace is not None and isinstance(obj, np.ndarray):
        trace.reads.element(obj, index)
    return obj[index]


def plain_key(key: Traced) -> Any:
    """A traced number as a dict's key, by its value: it is found by no other."""
    return (bool if key.type == BOOL else int if key.type == I64 else float)(key)


def _mentions_traced(index: Any) -> bool:
    if isinstance(index, (tuple, list)):
        return any(map(_mentions_traced, index))
    return is_traced(index) or (isinstance(index, slice) and any(map(is_traced, (index.start, index.stop, index.step))))


def setitem(value: Any, obj: Any, index: Any) -> None:
    """obj[index] = value, evaluated in Python's order; compiled code never writes into an array it captured."""
    if current_trace() is not None:
        if isinstance(obj, CONTAINERS):
            heap_of().note(obj)
        elif isinstance(obj, np.ndarray) and (_mentions_traced(index) or is_traced(value)):
            store(lift_array(obj), index, value)
        elif isinstance(obj, np.generic):
            write_to_scalar()
    obj[index] = value


def delitem(obj: Any, index: Any) -> None:
    """del obj[index]"""
    if current_trace() is not None and isinstance(obj, CONTAINERS):
        heap_of().note(obj)
    del obj[index]


def setattr_(value: Any, obj: Any, name: str) -> None:
    """obj.name = value"""
    if current_trace() is not None and not isinstance(obj, Arrayed):
        heap_of().note(obj, name)
    setattr(obj, name, value)


def delattr_(obj: Any, name: str) -> None:
    """del obj.name"""
    if current_trace() is not None:
        heap_of().note(obj, name)
    delattr(obj, name)


def in_place(fn: Callable[[Any, Any], Any], old: Any, value: Any) -> Any:
    """old (op)= value, which may write into a container."""
    if isinstance(old, CONTAINERS) and current_trace() is not None:
        heap_of().note(old)
    return fn(old, value)


def made(x: Any) -> Any:
    """A list, dict or set that the program has just made."""
    trace = current_trace()
    if trace is None or not trace.builders:
        return x
    return trace.heap.made(List(x) if type(x) is list else x)


def spread(*parts: tuple[Any, bool]) -> Any:
    """[a, *b, ...]: (value, whether it is starred) for each."""
    out = made([])
    for value, starred in parts:
        if starred:
            out.extend(value)
        else:
            out.append(value)
    return out


# ---- assert, raise
def assert_(cond: Any, message: Callable[[], Any]) -> Any:
    cond = truth(cond)
    if not isinstance(cond, Traced):
        return None if cond else raise_(AssertionError(message()))
    guarded.raises(AssertionError)
    ok, bad = branch(cond, "holds", "fails")
    current_builder().enter(bad)
    text = message()
    if host.mentions_traced(text):
        host.raise_later(host.Deferred(AssertionError, (text,), {}))
    detail = "assertion failed" if text is None else str(text)
    current_builder().terminate(Fail("assertion", detail, user_site(detail)))
    current_builder().enter(ok)
    return None


def raise_(exception: Any, cause: Any = None) -> Any:
    """`raise`: at once where every path leads here, else when the compiled code gets here."""
    if isinstance(exception, type):
        exception = exception()
    if cause is not None:
        exception.__cause__ = cause
    trace = current_trace()
    if trace is None or not trace.builders:
        raise exception
    has_values = host.mentions_traced(exception.given if isinstance(exception, host.Deferred) else exception.args)
    if not has_values and not _is_staged(trace.builders):
        raise exception
    guarded.raises(exception.cls if isinstance(exception, host.Deferred) else type(exception))
    if has_values:
        host.raise_later(exception)
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
    later: Sequence[str] = (),
) -> Any:
    if current_trace() is None:
        return python_loop(_tests(test), lambda _: body(), orelse, scope)
    builder = current_builder()
    mark, before = builder.mark(), scope.save()
    first = truth(test())
    builder.rollback(mark)
    scope.restore(before)
    if isinstance(first, Traced):
        return staged_loop(test, body, orelse, scope, later)
    if forever:
        return staged_loop(test, body, orelse, scope, later)
    try:
        return python_loop(_tests(test), lambda _: body(), orelse, scope, stop_at_exit=True)
    except StagedExit:
        builder.rollback(mark)
        scope.restore(before)
    try:
        return staged_loop(test, body, orelse, scope, later)
    except CANNOT_BE_STAGED as reason:
        why = reason
    builder.rollback(mark)
    scope.restore(before)
    try:
        return python_loop(_tests(test), lambda _: body(), orelse, scope)
    except StagedExit:  # its condition comes to depend on the program's values: no other way is left
        raise why from None


def _tests(test: Callable[[], Any]) -> Any:
    while True:
        t = truth(test())
        if isinstance(t, Traced):
            raise StagedExit
        if not t:
            return
        yield None


def python_loop(
    items: Any,
    body: Callable[[Any], Any],
    orelse: Callable[[], Any] | None,
    scope: Scope,
    stop_at_exit: bool = False,
    why: str = "what it runs over, or its condition, is plain Python",
) -> Any:
    """A loop that runs now, as Python; the log says `why` where it is long. Exits under traced conditions wait until the loop has ended."""
    if current_trace() is None:
        return _plain_loop(items, body, orelse)
    seen(items)
    builder = current_builder()
    breaks: list[tuple[Block, Saved]] = []
    returns = next((f.ends["return"] for f in reversed(builder.frames) if f.kind == "function"), [])
    n_returns = len(returns)
    signal = None
    began = clock()
    for count, item in enumerate(items):
        if count == FEW:
            concrete.LOGGER.info("the loop at %s is unrolled, for more than %d iterations: %s", user_site(), FEW, why)
        frame, since = Frame("loop", scope), clock()
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
            join(ends, scope, since=since)
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
    join(breaks, scope, since=began)
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
    """A loop variable turned out to need another form than it entered with: the loop is traced again."""


@dataclass
class Loop:
    """A loop while it is traced. A *variable* is a name of the scope or a place that the loop writes; `forms` says, for a part of
    a variable, what it is inside of the loop where that is not what it entered as: a Type, or one of the words
    `parts` (an object is carried by its parts) and `settled` (a view is carried as an array)."""

    scope: Scope
    before: Saved
    later: Sequence[str]  # names that are read after the loop
    surely: bool  # it is known to run at least once
    forms: dict[Any, Any]
    trips: Any = None  # how often it runs at most, where that is known when it begins

    def __post_init__(self) -> None:
        self.builder, self.heap = current_builder(), heap_of()
        self.since = self.before.heap.clock
        self.heads: dict[Any, Any] = {}  # the parameters
        self.block: Block = self.builder.current or open_block()
        self.args: list[Atom] = []
        self.reserved: list[Any] = []  # buffers with room for all that the loop appends
        self.appended = len(self.builder.trace.appends)
        self.inside: dict[Any, Any] = {}  # each variable, at the loop's head
        self.parts: dict[Any, tuple[Shape, list[Any]]] = {}  # of what is carried by its parts, those at the loop's head
        self.sharing = Sharing(self.scope.names, self.scope.cells, self.heap)
        self.aliases: dict[int, int] = {}  # names that enter with the object of another name

    def _at_the_end(self, make: Callable[[], Any]) -> Any:
        """make(), computed at the end of the block that comes to the head."""
        value, self.block = at_the_end(self.block, make)
        return value

    # ---- the head
    def enter(self) -> Block:
        """Make the loop head; every number and array that the loop may assign becomes its parameter."""
        self.block = open_block()
        self.head = self.builder.new_block("loop")
        seen: dict[int, int] = {}
        for i, (name, value) in enumerate(zip(self.scope.names, self.before.values, strict=True)):
            first = seen.setdefault(id(value), i) if isinstance(value, CONTAINERS) and ("own", i) not in self.forms else i
            if first != i:
                self.aliases[i], self.inside[i] = first, self.inside[first]
            else:
                self.inside[i] = self._inside((i,), name, value, True)
        held = dict(self.before.heap.held)
        for at in dict.fromkeys(key[0] for key in self.forms if isinstance(key[0], tuple)):
            place = self.heap.places[at]
            self.sharing.parents.add(id(place.holder))
            now = self.heap.of(self.before.heap, at)
            if place.key is not None:
                held[at] = self._inside((at,), place.key, now, False)
            elif (at, "grow") in self.forms:
                held[at] = (self._items(at, now),)
            elif isinstance(now, dict):
                held[at] = {k: self._inside((at, k), "item", v, False) for k, v in now.items()}
            else:
                held[at] = tuple(self._inside((at, k), "item", v, False) for k, v in enumerate(now))
            self.inside[at] = held[at]
        self.builder.jump(self.head, tuple(self.args), self.block)
        self.builder.enter(self.head)
        self.heap.restore(State(self.since, held, self.heap.sealed, self.heap.gone | self.sharing.gone))
        self.scope.put(tuple(self.inside[i] for i in range(len(self.scope.names))))
        return self.head

    def _items(self, at: Any, now: Any) -> Any:
        """The items of a list that grows in the loop, at its head."""
        form, room = self.forms[at, "grow"], self.forms.get(("reserve", at))
        if not room:
            return self._inside((at, 0), "items", self._at_the_end(lambda: grown(now, *form)), True)
        more = mul(self.trips, room.appends)
        if is_growing(now):
            reserved = self._at_the_end(lambda: now[0].cast(form[1]).reserved(add(now[0].n, more), room.shapes))
        else:
            reserved = self._at_the_end(lambda: started(now, form[0], form[1], add(more, len(now)), room.shapes))
        self.forms.setdefault((at, 0, len(reserved.buffers)), I64)
        self.reserved += reserved.buffers
        return self._inside((at, 0), "items", reserved, False)

    def reserve(self, frame: Frame) -> None:
        """A loop whose count is known when it begins, and that is not left early, makes room for all that is appended in it: then the
        buffers do not change in it."""
        trace = self.builder.trace
        if self.trips is None or any(frame.ends["break"]):
            return
        known = dict(self.forms)
        for at, place in self.heap.older(self.since):
            events = [e for e in trace.appends[self.appended :] if e.items == at[0]]
            if not events or (at, "grow") not in self.forms or ("reserve", at) in self.forms or not isinstance(place.holder, List):
                continue
            shapes = known_before(events[0].shapes)
            mine = all(e.frame is frame for e in events) and shapes is not None
            self.forms["reserve", at] = Room(len(events), shapes) if mine and shapes is not None else None
            if mine:
                for key in [k for k in self.forms if k[:2] == (at, 0) or (k[0] == "sizes" and k[1][:2] == (at, 0))]:
                    del self.forms[key]  # of buffers that change
        if self.forms != known:
            raise Widen

    def _inside(self, key: Any, name: str, value: Any, assigned: bool) -> Any:
        """A part of a variable as it is at the head of the loop."""
        form = self.forms.get(key)
        if isinstance(form, tuple):
            value = self._at_the_end(lambda: seeded(*form[1:]) if form[0] is SURELY else maybe(value, form))
        if form == "settled":
            value = self._at_the_end(lambda: settled(value))
        parts = opened(value, self.heap, self.before.heap)
        if parts is not None and (*key, "grow") in self.forms:
            items = self._at_the_end(lambda: grown(parts[1], *self.forms[(*key, "grow")]))
            self.parts[key] = Shape(list, "growing"), [self._inside((*key, 0), name, items, True)]
            made = closed(*self.parts[key], self.heap)
            self.sharing.seal(made, self.sharing.of([value], [parts[1]]))
            return made
        if parts is not None:
            shape, children = parts
            if not (
                form == "parts" or (assigned and not shape.mutable) or any(k[: len(key)] == key and len(k) > len(key) for k in self.forms)
            ):
                return value
            shared = self.sharing.of([value], [children]) if shape.mutable else []
            new = [self._inside((*key, k), name, child, assigned) for k, child in enumerate(children)]
            if all(a is b for a, b in zip(new, children, strict=True)) and not shape.mutable:
                return value
            self.parts[key] = shape, new
            made = closed(shape, new, self.heap)
            if shape.mutable:
                self.sharing.seal(made, shared)
            return made
        t = form if isinstance(form, (Scalar, Array)) else leaf_type(value) if assigned and not isinstance(value, np.ndarray) else None
        if t is None:
            return value
        leaf: Any = 0 if isinstance(value, Undefined) else value  # never read: see _seed
        found = scalar_type(leaf)
        self.args.append(coerce(leaf, t, self.block))
        weak = found is not None and found[1] and ("strong", key) not in self.forms
        made = self.heads[key] = parameter(self.head, t, weak, [leaf], self.builder, name)
        if isinstance(made, Arrayed) and ("sizes", key) not in self.forms:
            made.sizes = list(leaf.shape)  # as long as no iteration changes them
        if form is not None and isinstance(made, Arrayed) and any(self.forms.get(key[:n]) == "settled" for n in range(1, len(key) + 1)):
            made.owned = False  # a write would have to reach what it was a view of
        return made

    # ---- the latch
    def close(self, latches: Sequence[tuple[Block, Saved]]) -> None:
        """Jump back from every latch; a changed form traces the loop again, or is an error that names the variable."""
        known = dict(self.forms)
        jumps = []
        for self.block, state in latches:
            args: dict[Any, Atom] = {}
            for i, name in enumerate(self.scope.names):
                if i in self.aliases:
                    if state.values[i] is not state.values[self.aliases[i]]:
                        self.forms["own", i] = True
                    continue
                self._latch((i,), name, self.inside[i], self.before.values[i], state.values[i], state.heap, args)
            for at, place in self.heap.older(self.since, self.scope.cells):
                self._latch_place(at, place, state, args)
            jumps.append((self.block, args))
        if self.forms != known:
            raise Widen
        for block, args in jumps:
            self.builder.jump(self.head, tuple(args[key] for key in self.heads), block)

    def _latch_place(self, at: Any, place: Place, state: Saved, args: dict[Any, Atom]) -> None:
        before, new = self.heap.of(self.before.heap, at), self.heap.of(state.heap, at)
        old = self.inside.get(at, before)
        if place.key is not None:
            self._latch((at,), place.key, old, before, new, state.heap, args)
            return
        if identical(old, new) and at not in self.inside:
            return
        x = place.holder
        if isinstance(x, List) and (len(old) != len(new) or is_growing(old) or is_growing(new)):
            self._latch_growth((at,), "items", old, before, new, state.heap, args)
            return
        if isinstance(x, set) or shape_of_contents(type(x), old, x) != shape_of_contents(type(x), new, x):
            raise errors.TypeMismatchError(
                f"{place} at {user_site()} changes in a staged loop from {_bare(before)!r} to {_bare(new)!r}: its structure must stay the same"
            )
        for k in old if isinstance(old, dict) else range(len(old)):
            self._latch((at, k), "item", old[k], before[k], new[k], state.heap, args)

    def _latch_growth(self, key: Any, name: str, old: Any, before: Any, new: Any, state: State, args: dict[Any, Atom]) -> None:
        """A list that comes back with another length than it had at the head."""
        if self.builder.trace.no_growth:
            raise errors.TypeMismatchError(f"a list grows in the loop at {user_site()}: give it its length before")
        form = described([before, old, new])
        if self.forms.get((*key, "grow")) != form:
            self.forms[(*key, "grow")] = form
            return
        items = self._at_the_end(lambda: grown(new, *form))
        self._latch((*key, 0), name, old[0], old[0], items, state, args)

    def _latch(self, key: Any, name: str, old: Any, before: Any, new: Any, state: State, args: dict[Any, Atom]) -> None:
        """One part of a variable comes back to the head, where it is `old`."""
        if key in self.heads and (new is None or type(new) is Maybe):
            self.forms[key] = form_of([self.heads[key], new], unassigned(new) if new is not None else None)
            return
        if key in self.heads:
            atom = self._atom(key, name, before, new)
            if atom is not None:
                args[key] = atom
            return
        form = self.forms.get(key)
        if isinstance(form, tuple):
            if form[0] is not SURELY:
                new = self._at_the_end(lambda: maybe(new, form))
            elif isinstance(new, Undefined):
                new._raise()
        elif (old is new and key not in self.parts) or isinstance(before, Undefined):
            return
        elif (
            any(x is None or type(x) is Maybe for x in (old, new))
            and not isinstance(new, Undefined)
            and not (type(old) is type(new) is Maybe)
        ):
            try:
                self.forms[key] = form_of([old, new], next((unassigned(x) for x in (old, new) if type(x) is Maybe), None))
                return
            except errors.TypeMismatchError:
                raise self._differs(name, before, new) from None
        view = is_view(old) or is_view(new)
        if view and self.forms.get(key) == "settled":
            new = self._at_the_end(lambda: settled(new))
        a, b = self.parts.get(key) or opened(old, self.heap, self.before.heap), opened(new, self.heap, state)
        if (
            isinstance(old, list)
            and isinstance(new, list)
            and a is not None
            and b is not None
            and (a[0].more != b[0].more or a[0].more == "growing")
        ):
            was = opened(before, self.heap, self.before.heap)
            self._latch_growth(key, name, a[1], was[1] if was is not None else (), b[1], state, args)
            return
        if a is not None and b is not None and a[0] == b[0]:
            was = opened(before, self.heap, self.before.heap)
            originals = was[1] if was is not None and was[0] == a[0] else a[1]
            if a[0].mutable and key not in self.parts:
                self.forms[key] = "parts"
                return
            for k, (x, y, z) in enumerate(zip(a[1], originals, b[1], strict=True)):
                self._latch((*key, k), name, x, y, z, state, args)
            return
        if a is None and b is None and same_leaf(old, new):
            return
        if (view or isinstance(old, np.ndarray)) and all(isinstance(v, (Arrayed, np.ndarray)) for v in (old, new)):
            if not view:
                merged = merge_types([old, new])
                if merged is not None:
                    self.forms[key] = merged[0]
                    return
            elif self.forms.get(key) != "settled":
                self.forms[key] = "settled"
                return
        if (
            a is None
            and b is None
            and leaf_type(old) is not None
            and (merged := merge_types([old, new])) is not None
            and key not in self.forms
        ):
            self.forms[key] = merged[0]
            return
        raise self._differs(name, before, new)

    def _differs(self, name: str, old: Any, new: Any) -> Exception:
        why = (
            "only numbers, arrays and containers of them can change in a staged loop"
            if type(old) is type(new)
            else "its structure must stay the same"
        )
        return errors.TypeMismatchError(f"loop variable `{name}` at {user_site()} changes from {show(old)} to {show(new)}: {why}")

    def _atom(self, key: Any, name: str, before: Any, new: Any) -> Atom | None:
        """What the latch passes for a parameter; None where the parameter must be of another form."""
        head = self.heads[key]
        if isinstance(new, Undefined):
            new._raise()
        if is_view(new):
            new = self._at_the_end(lambda: settled(new))
            self.forms[key] = "settled"
            if isinstance(head, Arrayed):
                head.owned = False
        merged = merge_types([head, new])
        if merged is None and leaf_type(new) is None:
            raise self._differs(name, before, new)
        if merged is None:
            raise errors.TypeMismatchError(
                f"loop variable `{name}` at {user_site()} changes its type from {describe_value(head)} to {describe_value(new)}; give it its final type before the loop"
            )
        found = scalar_type(new)
        if isinstance(head, Arrayed) and (
            not same_type(merged[0], head.type) or (head.sizes is not None and not all(map(same_size, head.sizes, new.shape)))
        ):
            self.forms[key], self.forms["sizes", key] = merged[0], True
            return None
        if isinstance(head, Traced) and (merged[0] != head.type or (head.weak and found is not None and not found[1])):
            self.forms[key], self.forms["strong", key] = merged[0], True
            return None
        return coerce(new, merged[0], self.block)

    def seed(self, latches: Sequence[tuple[Block, Saved]]) -> None:
        """A variable that the body assigns before it reads it (else the trace had failed) may be read after the loop: trace again
        with parameters for it. In a loop that is sure to run nobody sees its first value; in others it may not be there."""
        before = len(self.forms)
        for i, name in enumerate(self.scope.names):
            if name not in self.later or not isinstance(self.before.values[i], Undefined) or (i,) in self.forms:
                continue
            found = [state.values[i] for _, state in latches if not isinstance(state.values[i], Undefined)]
            if not found:
                continue
            with suppress(errors.TypeMismatchError):
                form = form_of(found, None if self.surely else name)
                self.forms[i,] = (SURELY, *form[1:]) if self.surely and len(found) == len(latches) else (name, *form[1:])
        if len(self.forms) > before:
            raise Widen


SURELY = object()


def _bare(held: Any) -> Any:
    return list(held) if isinstance(held, tuple) else held


def staged_loop(
    test: Callable[[], Any],
    body: Callable[[], Any],
    orelse: Callable[[], Any] | None,
    scope: Scope,
    later: Sequence[str] = (),
    surely: bool = False,
    trips: Any = None,
) -> Any:
    """A loop in the graph. Traced again with other forms of its variables until they are a fixpoint."""
    builder = current_builder()
    open_block()
    mark, before = builder.mark(), scope.save()
    forms: dict[Any, Any] = {}
    while True:
        postponed = builder.trace.postponed
        try:
            signal = _trace_loop(test, body, orelse, Loop(scope, before, later, surely, forms, trips))
            if builder.trace.postponed > postponed and not any(f.kind == "loop" and f.staged for f in builder.frames):
                raise errors.ArrayIndexError(f"list index out of range ({user_site()}): the list is empty")
            return signal
        except Widen:
            builder.rollback(mark)
            scope.restore(before)


def _trace_loop(test: Any, body: Any, orelse: Any, loop: Loop) -> Any:
    builder, scope = loop.builder, loop.scope
    loop.enter()
    frame = Frame("loop", scope, staged=True, since=loop.since)
    builder.frames.append(Frame("staged"))
    builder.frames.append(frame)
    for buffer in loop.reserved:
        builder.trace.roomy[buffer.variable] = frame
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
    loop.seed(latches)
    loop.close(latches)
    loop.reserve(frame)
    return _after_loop(exits, frame.ends["break"], latches, orelse, loop)


def _after_loop(exits: Any, breaks: Any, latches: Any, orelse: Any, loop: Loop) -> Any:
    """Continue after the loop: the else clause runs on the normal exit only."""
    builder, scope = loop.builder, loop.scope
    latch_states = [state for _, state in latches]
    exits = [(block, _poison(state, latch_states, scope)) for block, state in exits]
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
    join(ends, scope, "after", since=loop.since)
    return None


def _poison(state: Saved, latches: list[Saved], scope: Scope) -> Saved:
    """A variable first assigned in the body may be unassigned after the loop."""
    values = list(state.values)
    for i, name in enumerate(scope.names):
        if isinstance(state.values[i], Undefined) and any(not isinstance(s.values[i], Undefined) for s in latches):
            values[i] = Undefined(name, "it is assigned only inside a loop that may run zero times; assign it before the loop")
    return Saved(tuple(values), state.heap)


# ---- for
def for_(items: Any, body: Callable[[Any], Any], orelse: Callable[[], Any] | None, scope: Scope, later: Sequence[str] = ()) -> Any:
    """for target in items. `later`: variables that the code after the loop reads."""
    trace = current_trace()
    if trace is None:
        return python_loop(items, body, orelse, scope)
    staged = staged_iterable(items)
    trace.reads.contents(items)
    if staged is None or staged.flat:
        return python_loop(_limited(items), body, orelse, scope)
    staged.begin()
    body, orelse = _chosen(staged, body, scope), _ended(staged, orelse)
    if staged.known is not None and staged.known <= UNROLL_ALWAYS:
        return python_loop(staged.python(), body, orelse, scope)
    surely = bool(staged.known) and staged.keep is None
    builder = current_builder()
    open_block()
    mark, before = builder.mark(), scope.save()
    builder.trace.no_growth += staged.short
    try:
        return counted_loop(staged, body, orelse, scope, later, surely)
    except CANNOT_BE_STAGED as reason:
        builder.rollback(mark)
        scope.restore(before)
        items, why = staged.for_python(), str(reason)
        if items is None:
            raise
    finally:
        builder.trace.no_growth -= staged.short
    return python_loop(items, body, orelse, scope, why=why)


def _chosen(staged: Staged, body: Callable[[Any], Any], scope: Scope) -> Callable[[Any], Any]:
    """The body for elements as they come from `staged`, some of which may be left out."""
    keep, item = staged.keep, staged.item

    def on_item(x: Any) -> Any:
        return body(x if item is None else item(x))

    if keep is None:
        return body if item is None else on_item
    return lambda x: if_(keep(x), lambda: on_item(x), lambda: None, scope)


def _ended(staged: Staged, orelse: Callable[[], Any] | None) -> Callable[[], Any] | None:
    """What happens when there is no further element: the end of zip(strict=True), then the loop's own `else`."""
    ended = staged.ended
    if ended is None:
        return orelse

    def both() -> Any:
        signal = ended()
        return orelse() if signal is None and orelse is not None else signal

    return both


def for_over(items: Any, body: Callable[[Any], Any]) -> None:
    """for x in items: body(x)"""
    for_(items, lambda x: body(x), None, NO_SCOPE)


def _limited(items: Any) -> Any:
    if isinstance(items, (Traced, Arrayed)):
        raise TypeError(f"{items!r} cannot be looped over at {user_site()}")
    return items


def counted_loop(
    staged: Staged,
    body: Callable[[Any], Any],
    orelse: Callable[[], Any] | None,
    scope: Scope,
    later: Sequence[str] = (),
    surely: bool = False,
) -> Any:
    """for target in staged: a while loop over a hidden counter."""
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
        i, since = counter[0], clock()
        frame = next(f for f in reversed(current_builder().frames) if f.kind == "loop")
        signal = run(body, staged.element(i))
        if frame.ends["continue"]:  # the counter moves on from every path that continues
            if signal is None or signal is CONTINUE:
                frame.ends["continue"].append((open_block(), frame.scope.save()))
            elif signal is not DEAD:
                leave(signal)
            ends = list(frame.ends["continue"])
            frame.ends["continue"].clear()
            join(ends, inner, since=since)
            signal = None
        if signal is None or signal is CONTINUE:
            counter[0] = table.iadd(i, 1)
            return None
        return signal

    inner = Scope(("i", *scope.names), get, put)
    inner.cells = scope.cells
    return staged_loop(lambda: table.ilt(counter[0], limit), one, orelse, inner, later, surely, count)


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
