"""filter(), generator expressions, and generator functions.

A call of a generator function is gone through from inside: its body runs, as part of the loop over it, and each `yield` runs the loop's own
body. Variables that this assigns are carried through the generator's loops and branches as those of a closure are. What leaves the loop, a
`break` or a `return`, leaves the generator with it.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Builder, Frame, building, current_builder, current_trace, keep
from ..core.sites import unsupported, user_site
from ..ops import table
from ..staging.branches import and_
from ..staging.functions import generated
from ..staging.growing import growing
from ..staging.items.along import Backwards
from ..staging.join import join, join_values
from ..staging.paths import (
    CONTINUE,
    DEAD,
    NO_SCOPE,
    Body,
    Return,
    Scope,
    Thunk,
    clock,
    falls_through,
    heap_of,
    here,
    leave,
    open_block,
    run,
    run_sometimes,
    way_back,
)
from ..staging.staged import _result, enter
from ..staging.stores import gone_through
from ..syntax.rewrite import assigned_outside, raw_of
from ..values import concrete
from ..values.scalars import truth
from ..values.values import call
from .containers.rows import staged_container
from .containers.steps import made, step
from .for_loops import for_
from .iterables import Staged, on_ints, staged_iterable
from .raising import raise_


def staged_filter(function: Any, items: Any) -> Any:
    def keep(x: Any) -> Any:
        return truth(x if function is None else call(function, x))

    items = _taken(items)
    source = staged_source(items)
    return filter(keep, items) if source is None else _chosen(source, keep, None, "filter()")


def staged_source(items: Any) -> Staged | None:
    """`items` for a filter or a generator, which need no i-th element: Python containers too."""
    trace = current_trace()
    if trace is None or not trace.builders:
        return None
    found = staged_iterable(items)
    if found is None and isinstance(items, (list, tuple, dict, set, frozenset)):
        elements = tuple(list.__iter__(items) if isinstance(items, list) else items)
        found = staged_container(lambda: items, elements)
    return None if found is not None and found.flat else found


_PASSED: Any = (
    zip,
    enumerate,
    map,
    reversed,
    collections.deque,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
    type(reversed([])),
    Backwards,
)


def _taken(items: Any) -> Any:
    """What an iterator of Python's over its containers gives, unless it is endless; other iterables as they are."""
    if not building() or not isinstance(items, _PASSED) or growing(items) is not None:
        return items
    found = list(itertools.islice(items, concrete.MOST_UNROLLED + 1))
    return found if len(found) <= concrete.MOST_UNROLLED else itertools.chain(found, items)


def _chosen(source: Staged, keep: Any, item: Any, what: str, flat: bool = False) -> Staged:
    source.begin()
    if source.item is not None:
        given, then, of_given = source.item, item, keep
        item = given if then is None else lambda x: then(given(x))
        keep = None if of_given is None else lambda x: of_given(given(x))
    if source.keep is not None:
        first, second = source.keep, keep
        keep = first if second is None else lambda x: _both(first(x), lambda: second(x))
    return dataclasses.replace(
        source, what=what, plain=False, of_plain=source.plain, once=True, keep=keep, item=item, flat=flat, spent=False
    )


def each_of(source: Staged, item: Callable[[Any], Any], what: str) -> Staged:
    """item(x) for the elements of a filter or a generator."""
    return _chosen(source, None, item, what)


def _both(first: Any, second: Callable[[], Any]) -> Any:
    return and_(first, second)


def generator(items: Any, item: Callable[[Any], Any], keep: Callable[[Any], Any] | None, flat: bool) -> Any:
    """A generator expression: item(x) for x in items if keep(x); `flat` where item(x) is a generator expression itself."""
    return made(_generator(items, item, keep, flat))


def _generator(items: Any, item: Callable[[Any], Any], keep: Callable[[Any], Any] | None, flat: bool) -> Any:
    items = _taken(gone_through(items))
    source = staged_source(items)
    trace = current_trace()
    if trace is not None:
        trace.reads.contents(items)
        if (source is None or source.plain) and isinstance(items, np.ndarray) and len(items) <= 64:  # it may be unrolled
            trace.reads.array(items)
    if source is None:
        return _python_generator(items, item, keep, flat)
    if keep is None and not flat and source.indexed:
        source.begin()
        return Staged(
            source.count,
            lambda i: item(source.element(i)),
            source.known,
            lambda: (item(x) for x in source.python()),
            "a generator",
            of_plain=source.plain or source.of_plain,
            once=True,
            ended=source.ended,
            shown=source.shown,
            held=source.held,
            follows=source.follows,
        )
    return _chosen(source, keep, item, "a generator", flat)


def _python_generator(items: Any, item: Callable[[Any], Any], keep: Callable[[Any], Any] | None, flat: bool) -> Iterator[Any]:
    for x in items:
        if keep is None or keep(x):
            if flat:
                yield from item(x)
            else:
                yield item(x)


# ---- generator functions
MOST_NESTED = 30


class Consumer:
    """A loop over a generator while the generator runs. Its frames in the builder begin at `depth`."""

    def __init__(self, builder: Builder, frame: Frame, body: Body) -> None:
        self.builder, self.frame, self.body, self.depth = builder, frame, body, len(builder.frames)


keep("consumers", lambda trace: [])  # of the generators that run, but for those that wait for the body of their loop
keep("generating", lambda trace: 0)  # how many run


@generated.define
def generator_call(function: Callable[..., Any], raw: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Staged:
    """What function(*args, **kwargs) gives."""

    def drive(body: Body, orelse: Thunk | None, scope: Scope, own: Any, kind: str = "loop") -> Any:
        return _driven(function, lambda: raw(*args, **kwargs), raw, body, orelse, Frame(kind, scope), own)

    def nothing() -> Any:
        raise AssertionError("a generator has no number of elements")

    sees, what = (function, raw, args, *kwargs.values()), f"the generator {function.__qualname__}()"
    return Staged(nothing, lambda i: nothing(), what=what, once=True, drive=drive, sees=sees)


def _driven(function: Callable[..., Any], run_it: Thunk, raw: Any, body: Body, orelse: Thunk | None, loop: Frame, own: Any) -> Any:
    """for x in generator: body(x). `own` is the function that assigns the loop's variables. The frame of a `with` gets no signals."""
    trace, builder, scope = current_trace(), current_builder(), loop.scope
    assert trace is not None
    if trace.generating >= MOST_NESTED:
        raise errors.EndlessTraceError(
            f"the generator `{function.__qualname__}` at {user_site()} goes through itself, {MOST_NESTED} times and more: under a condition that is known "
            "when compiled code runs that does not end: write a recursive function"
        )
    open_block()
    heap, names = trace.heap, {*assigned_outside(own.__code__)} & {*scope.names} if scope.names else ()
    cells = [(own.__closure__[own.__code__.co_freevars.index(name)], name) for name in sorted(names)]
    for cell, name in cells:
        if (id(cell), name) not in heap.places and not heap.birth(cell):
            heap.made(cell)  # of a function that runs in this trace
    began, objects = clock(), heap.save()
    for cell, name in cells:
        heap.note(cell, name)
    builder.frames.append(loop)
    frame = Frame("function", label=function.__qualname__)
    trace.consumers.append(Consumer(builder, loop, body))
    builder.frames.append(frame)
    enter(trace, raw, frame, objects)
    trace.generating += 1
    try:
        signal = run(run_sometimes, run_it, waiting=lambda: bool(frame.ends["return"] or loop.ends["break"]))
    finally:
        trace.generating -= 1
        trace.consumers.pop()
        del builder.frames[builder.frames.index(loop) :]
    ends, signal = frame.ends["return"], DEAD if signal is DEAD else None
    if ends:
        if signal is None:
            ends.append((open_block(), here(None)))
        join_values(ends, f"the end of `{function.__qualname__}`", frame.since)
        signal = None
    if signal is None and orelse is not None:
        signal = run(orelse)
    breaks = loop.ends["break"]
    if not breaks:
        return signal
    falls_through(signal, breaks, scope)
    join(breaks, scope, since=began)
    return None


def yield_(value: Any) -> Any:
    """Run the body of the loop over the generator that is running."""
    trace, builder = current_trace(), current_builder()
    if trace is None or not trace.consumers or trace.consumers[-1].builder is not builder:
        raise errors.UnsupportedSyntaxError(
            f"the `yield` at {user_site()} is in a function that is traced on its own, as a checkpointed one is: return a list"
        )
    consumer = trace.consumers[-1]
    of_with = consumer.frame.kind == "with"
    hidden = [  # no signal of the body is for these, but what that of a `with` raises comes up here
        f for f in builder.frames[consumer.depth :] if f.kind in ("function", "loop") or (f.kind == "try" and not of_with)
    ]
    if of_with and any(f.kind == "loop" for f in hidden):
        unsupported("the `yield` of a context in a loop", "write one `yield`, outside of loops")
    trace.consumers.pop()
    kinds, since, continues = [f.kind for f in hidden], clock(), consumer.frame.ends["continue"]
    for f in hidden:
        f.kind = "generator"
    try:
        signal = run(run_sometimes, consumer.body, value)
        if signal is not None and signal is not DEAD and (of_with or signal is not CONTINUE):
            leave(signal)
            signal = DEAD
    finally:
        for f, kind in zip(hidden, kinds, strict=True):
            f.kind = kind
        trace.consumers.append(consumer)
    if continues:
        ends = [*continues]
        continues.clear()
        if signal is not DEAD:
            ends.append((open_block(), consumer.frame.scope.save()))
        join(ends, consumer.frame.scope, since=since)
        return None
    return DEAD if signal is DEAD else None


def yielding(function: Any) -> Any:
    """A function defined inside of rewritten code is a generator function."""
    raw_of(function).__lantern_yields__ = True
    return function


def counting(start: Any) -> Callable[[Any], Any]:
    """What makes (i, x) of elements x of a generator."""
    cell = types.CellType(start)
    trace = current_trace()
    assert trace is not None
    trace.heap.made(cell)

    def counted(x: Any) -> Any:
        i = cell.cell_contents
        trace.heap.note(cell, "the place in enumerate()")
        cell.cell_contents = on_ints(table.iadd, operator.add, i, 1)
        return i, x

    return counted


# ---- the first element
def next_(items: Any, /, *default: Any) -> Any:
    """next(). Of a generator whose elements the program chooses it is the first: a search that ends there."""
    step(items)
    if not building() or not isinstance(items, Staged) or items.begun is not None or items.keep is None or items.drive is not None:
        return next(items, *default)
    open_block()
    go_back, spent = way_back(NO_SCOPE), items.spent
    try:
        return next(items, *default)
    except errors.TracedConditionError:
        go_back()
        items.begun, items.spent = None, spent
    builder = current_builder()
    frame = Frame("function", label="next()")
    frame.since = heap_of().clock
    builder.frames.append(frame)
    try:
        signal = for_(items, lambda x: Return(x), lambda: _without_elements(*default), NO_SCOPE)
    finally:
        builder.frames.remove(frame)
    items.begun = _advanced(items.what)
    return _result(signal, frame, "next()")


def _without_elements(*default: Any) -> Any:
    return Return(default[0]) if default else raise_(StopIteration())


def iter_(items: Any, /, *sentinel: Any) -> Any:
    """iter(): of a list that grows it has the elements that are there when it is gone through."""
    if growing(items) is None or sentinel:
        return iter(items, *sentinel)

    def now() -> Any:
        return growing(items)

    found = staged_iterable(items)
    assert found is not None
    return dataclasses.replace(found, count=lambda: now().n, element=lambda i: now().item(i, checked=False), known=None, once=True)


def _advanced(what: str) -> Iterator[Any]:
    unsupported(f"an element of {what} after next() has taken one that the program chooses", "make a list of it first")
    yield


REPLACED: dict[Any, Callable[..., Any]] = {next: next_, iter: iter_}
