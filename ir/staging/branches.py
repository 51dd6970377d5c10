"""Staged branches: `if`, conditional expressions, `and`, `or`, `not`, comparisons in a chain."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from ..core.builder import Frame, current_builder
from ..values.scalars import logical_not, truth
from ..values.values import Traced
from . import optional
from .join import join, join_values
from .paths import (
    DEAD,
    NO_SCOPE,
    Bottom,
    Scope,
    Thunk,
    _conditions,
    _enter_condition,
    branch,
    clock,
    falls_through,
    heap_of,
    here,
    open_block,
    run,
    run_expression,
    run_sometimes,
    run_staged,
)


def if_(cond: Any, then: Thunk, orelse: Thunk, scope: Scope = NO_SCOPE, *later: Thunk) -> Any:
    """`later`: test and body of each `elif`."""
    ends: list[Any] = []
    since = clock()
    with _conditions() as under:
        signal = _arms(truth(cond), then, orelse, scope, later, ends, under)
        if not under:
            return signal
        falls_through(signal, ends, scope)
    if not ends:
        return DEAD
    join(ends, scope, since=since)
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
            falls_through(run_staged(then, scope), ends, scope)
            builder.enter(no)
            scope.restore(before)
            _enter_condition(scope, under)
        elif cond:
            return run(run_sometimes, then) if under else then()
        if i == len(later):
            return run(run_sometimes, orelse) if under else orelse()
        test, then = later[i : i + 2]
        try:
            cond = truth(run_sometimes(test, waiting=lambda: bool(under)))
        except Bottom:
            if under:
                return DEAD
            raise
    return None


def ifexp(cond: Any, then: Thunk, orelse: Thunk) -> Any:
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
    return join_values(ends, what, before.clock)


@optional.and_.define
def and_(x: Any, *rest: Thunk) -> Any:
    return short_circuit(x, rest, True)


def or_(x: Any, *rest: Thunk) -> Any:
    return short_circuit(x, rest, False)


def short_circuit(x: Any, rest: Iterable[Thunk], goes_on: bool) -> Any:
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
                x = run_sometimes(operand, waiting=lambda: bool(ends))
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

    def step(compare: Callable[[Any, Any], Any], operand: Thunk) -> Any:
        nonlocal left
        before, left = left, operand()
        return compare(before, left)

    return and_(step(*rest[0]), *(functools.partial(step, *pair) for pair in rest[1:]))
