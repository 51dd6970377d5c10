"""The `for` statement."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..core import errors
from ..core.builder import Builder, Mark, building, current_builder, current_trace, keep
from ..core.op import FORWARD, REVERSE, TABLE
from ..core.sites import user_site
from ..ops import table
from ..staging import lists
from ..staging.branches import if_
from ..staging.chosen.pick import plain
from ..staging.growing import Grows, growing
from ..staging.items.region import added
from ..staging.items.room import Longer
from ..staging.loops import CANNOT_BE_STAGED, UNROLL_ALWAYS, counted_loop, python_loop, while_
from ..staging.paths import BREAK, CONTINUE, DEAD, NO_SCOPE, Body, Bottom, Scope, Thunk, open_block, way_back
from ..staging.stores import gone_through
from ..values import concrete, pytree
from ..values.values import Arrayed, Traced, call, scalar_type
from ..values.views import any_traced
from .containers import foreseen, rows
from .iterables import Staged, numbers_of, on_ints, staged_iterable, staged_range
from .raising import raise_


def for_(items: Any, body: Body, orelse: Thunk | None, scope: Scope, later: Sequence[str] = ()) -> Any:
    """for target in items. `later`: variables that the code after the loop reads."""
    trace, head = current_trace(), items
    items, many = rows.taken(items)
    if trace is None:
        return python_loop(items, body, orelse, scope)
    items = gone_through(plain(items))
    staged = staged_iterable(items)
    trace.reads.contents(items)
    if staged is None or staged.flat:
        loop: Any = functools.partial(_over_python, items) if many is None else functools.partial(_over_many, many)
        again: Any = functools.partial(rows.following, head)
    else:
        staged.begin()
        loop, again = functools.partial(_over_staged, staged), lambda: staged

    def one_by_one(found: Staged) -> Any:
        return counted_loop(found.count, found.element, _chosen(found, body, scope), _ended(found, orelse), scope, later)

    return rows.followed(lambda: loop(body, orelse, scope, later), again, one_by_one, scope)


def _over_python(items: Any, body: Body, orelse: Thunk | None, scope: Scope, later: Sequence[str]) -> Any:
    return python_loop(_limited(items), body, orelse, scope)


def _over_staged(staged: Staged, body: Body, orelse: Thunk | None, scope: Scope, later: Sequence[str]) -> Any:
    trace = current_trace()
    assert trace is not None
    if staged.held is not None and staged.shown is None and not staged.short and rows.may_be(trace):
        return _over_many(staged, _chosen(staged, body, scope), _ended(staged, orelse), scope, later)
    if staged.drive is not None:
        return staged.drive(_chosen(staged, body, scope), _ended(staged, orelse), scope, body)
    if staged.shown is not None:
        return _in_blocks(staged, body, orelse, scope, later)
    body, orelse = _chosen(staged, body, scope), _ended(staged, orelse)
    open_block()
    go_back = way_back(scope)
    if staged.known is not None and staged.known <= UNROLL_ALWAYS:
        try:
            return python_loop(_measured(staged), body, orelse, scope)
        except TooLarge:
            go_back()
    try:
        return _counted(staged, body, orelse, scope, later)
    except CANNOT_BE_STAGED as reason:
        go_back()
        trace.unlike.add(concrete.place())
        items, why = staged.for_python(), str(reason)
        if items is None:
            raise
    return python_loop(items, body, orelse, scope, why=why)


def _over_many(staged: Staged, body: Body, orelse: Thunk | None, scope: Scope, later: Sequence[str]) -> Any:
    """A loop over many elements of Python's: staged if it is too large a program unrolled, and they are alike. Where
    the body changes what it goes through, or is no smaller so, it is unrolled all the same."""
    builder, known = current_builder(), staged.known or 0
    open_block()
    go_back, mark, unrolled, steps = way_back(scope), builder.mark(), 0, len(builder.trace.steps)

    def first() -> Iterator[Any]:
        nonlocal unrolled
        for i, x in enumerate(staged.python()):
            if i == 1 and len(builder.trace.steps) == steps:
                unrolled = known * (_lets(builder, mark) + LETS_OF_A_BLOCK * (len(builder.blocks) - mark.blocks))
                if unrolled > MOST_LETS_OF_MANY:
                    raise TooLarge
            yield x

    try:
        return python_loop(first(), body, orelse, scope)
    except TooLarge:
        go_back()
    builder.trace.numbers.sized = True
    try:
        signal = _counted(staged, body, orelse, scope, later)
        if _lets(builder, mark) < unrolled and staged.held is not None and staged.held():
            return signal
    except (*CANNOT_BE_STAGED, errors.UnsupportedOperationError):
        pass
    go_back()
    builder.trace.unlike.add(concrete.place())
    return python_loop(staged.python(), body, orelse, scope, why="its elements, or what is done with them, are unlike")


MOST_LETS_OF_MANY = 1000  # of loops over Python's containers, which are a large program else
MOST_UNROLLED_LETS = 2000
MOST_LETS = 600  # of loops in which lists grow rather, where a trace may be made again if that does not succeed
MOST_LETS_OF_FEW = 750  # of loops of so few iterations that they are unrolled at once
LETS_OF_A_DERIVATIVE, LETS_OF_A_KERNEL, LETS_OF_A_BLOCK = 100, 5, 10  # about

keep("unlike", lambda trace: set())  # where loops are whose iterations are too unlike to be staged


class TooLarge(Exception):
    """A loop of very few iterations is too large a program when it is unrolled."""


def _measured(staged: Staged) -> Iterator[Any]:
    """The elements for Python. TooLarge where the first one shows that all of them are too much."""
    builder = current_builder()
    mark, steps = builder.mark(), len(builder.trace.steps)
    for i, x in enumerate(staged.python()):
        if i == 1 and len(builder.trace.steps) == steps and _is_too_large(staged, builder, mark):
            builder.trace.numbers.sized = True
            raise TooLarge
        yield x


def _is_too_large(staged: Staged, builder: Builder, mark: Mark) -> bool:
    """Is it better staged, after one iteration?"""
    may_be = staged.known is not None and staged.indexed and not staged.once and concrete.may_stage(builder.trace)
    return may_be and staged.known * _lets(builder, mark) > MOST_LETS_OF_FEW and concrete.place() not in builder.trace.unlike  # type: ignore[operator]


def _counted(staged: Staged, body: Body, orelse: Thunk | None, scope: Scope, later: Sequence[str]) -> Any:
    """A loop in the graph. A list does not grow in a short one, which is unrolled rather: unless that is too large a program."""
    surely = bool(staged.known) and staged.keep is None
    builder = current_builder()
    go_back, mark, refused = way_back(scope), builder.mark(), builder.trace.no_growth
    builder.trace.no_growth += staged.short
    try:
        return counted_loop(staged.count(), staged.element, body, orelse, scope, later, surely)
    except Grows as reason:
        longer = isinstance(reason, Longer) and concrete.may_stage(builder.trace)
        few = staged.known is not None and staged.known <= UNROLL_ALWAYS and not longer
        if refused or staged.known is None or few or staged.known * _lets(builder, mark) < (MOST_LETS if longer else MOST_UNROLLED_LETS):
            raise
        if longer:
            builder.trace.numbers.sized = True
        go_back()
        builder.trace.no_growth = 0
        try:
            return counted_loop(staged.count(), staged.element, body, orelse, scope, later, surely)
        except errors.UnsupportedOperationError:  # of a list that grows
            raise reason from None
    finally:
        builder.trace.no_growth = refused


def _lets(builder: Builder, mark: Mark) -> int:
    """How large what has been added since is."""
    sizes = {"": 1, REVERSE: LETS_OF_A_DERIVATIVE, FORWARD: LETS_OF_A_DERIVATIVE}
    return sum(sizes.get(TABLE[let.op].calls, LETS_OF_A_KERNEL) for let in added(builder, mark))


MOVES = 128  # of a bar, at most


def _in_blocks(staged: Staged, body: Body, orelse: Thunk | None, scope: Scope, later: Sequence[str]) -> Any:
    """A loop that shows how far it is: blocks of iterations, after each of which its bar moves."""
    shown, n = staged.shown, staged.count()
    every = on_ints(table.iadd, operator.add, on_ints(table.ifloordiv, operator.floordiv, n, MOVES), 1)

    def block(start: Any) -> Any:
        stop = on_ints(table.imin, min, on_ints(table.iadd, operator.add, start, every), n)
        signal = for_(_part(staged, start, stop), body, lambda: moved(stop), scope, later)
        return BREAK if signal is None else signal

    def moved(place: Any) -> Any:
        shown.move(place)
        return CONTINUE

    signal = for_(staged_range(0, n, every), block, _ended(staged, orelse), scope, later)
    if signal is None:
        shown.close()
    return signal


def _part(staged: Staged, start: Any, stop: Any) -> Staged:
    """The elements from start to before stop."""
    n = on_ints(table.isub, operator.sub, stop, start)
    known = None if isinstance(n, Traced) else n
    facts: dict[str, Any] = {
        "count": lambda: n,
        "element": lambda i: staged.element(on_ints(table.iadd, operator.add, start, i)),
        "python": lambda: (staged.element(i) for i in range(start, stop)),
    }
    return dataclasses.replace(staged, **facts, known=known, once=False, spent=False, ended=None, shown=None, follows=False)


def _chosen(staged: Staged, body: Body, scope: Scope) -> Body:
    """The body for elements as they come from `staged`, some of which may be left out."""
    keep, item = staged.keep, staged.item

    def on_item(x: Any) -> Any:
        return body(x if item is None else item(x))

    if keep is None:
        return body if item is None else on_item
    return lambda x: if_(keep(x), lambda: on_item(x), lambda: None, scope)


def _ended(staged: Staged, orelse: Thunk | None) -> Thunk | None:
    """What happens when there is no further element: the end of zip(strict=True), then the loop's own `else`."""
    ended = staged.ended
    if ended is None:
        return orelse

    def both() -> Any:
        signal = ended()
        return orelse() if signal is None and orelse is not None else signal

    return both


@lists.for_over.define
def for_over(items: Any, body: Body) -> None:
    """for x in items: body(x)"""
    for_(items, lambda x: body(x), None, NO_SCOPE)


def _limited(items: Any) -> Any:
    if isinstance(items, (Traced, Arrayed)):
        raise TypeError(f"{items!r} cannot be looped over at {user_site()}")
    return items


def loop_value(test: Body, body: Callable[..., Any], init: Any, counted: Any = None) -> Any:
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


def _source(items: Any, key: Any = None) -> tuple[Staged | None, Any]:
    """(the loop in the graph that goes over `items`, or None where Python does, items). What a generator computes of plain numbers
    alone, and a key of them, is found out now: it may be the size of an array."""
    items = plain(items)
    staged = staged_iterable(items) if building() else None
    if staged is None:
        return None, items
    if staged.drive is not None:
        return _source(_values(staged), key)
    if staged.of_plain or (staged.plain and key is not None):
        found = _plain_elements(staged, key)
        return (staged, items) if found is None else (None, found)
    return (None, items) if staged.plain else (staged, items)


def _values(staged: Staged) -> Any:
    """A list of what a generator gives, of arrays what they hold then."""
    out = lists.made([])
    for_(staged, lambda x: out.append(pytree.map_nodes(Arrayed, lambda a: a.copy(), x)), None, NO_SCOPE)
    return out


@numbers_of.define
def _numbers_of(staged: Staged) -> Iterator[Any] | None:
    """The elements of a generator, where they are numbers, and it changes nothing that others see."""
    trace, builder = current_trace(), current_builder()
    assert trace is not None
    open_block()
    before, mark = trace.heap.save(), builder.mark()
    found = _values(dataclasses.replace(staged, keep=None, item=None, flat=False, spent=False))
    changed = trace.heap.changed(before, trace.heap.save(), before.clock) or foreseen.has_effects(builder, mark)
    numbers = growing(found) is None and all(scalar_type(x) is not None for x in pytree.flatten(list(found))[0])
    return foreseen.while_unchanged(list(found), foreseen.Seen(staged.sees), staged.what) if numbers and not changed else None


def _plain_elements(staged: Staged, key: Any) -> list[Any] | None:
    """The elements, where neither they nor their keys are traced; else nothing has happened."""
    open_block()
    go_back = way_back(NO_SCOPE)
    out: list[Any] = []
    try:
        for x in itertools.islice(staged.elements(), concrete.MOST_UNROLLED + 1):
            if any_traced(x) or (key is not None and any_traced(_key_of(key, x))):
                break
            out.append(x)
        else:
            if len(out) <= concrete.MOST_UNROLLED:
                staged.begin()
                return out
    except errors.TracedConditionError:
        pass
    go_back()
    return None


def _variables(**values: Any) -> tuple[dict[str, Any], Scope]:
    return values, Scope(tuple(values), lambda: tuple(values.values()), lambda new: values.update(zip(tuple(values), new, strict=True)))


def _each(items: Any, body: Callable[[Any], None], scope: Scope, stop: Thunk | None = None) -> None:
    """body(x) for each element, until `stop()`."""

    def one(x: Any) -> Any:
        body(x)
        return None if stop is None else if_(stop(), lambda: BREAK, lambda: None, scope)

    staged = staged_iterable(items)
    if staged is not None and staged.drive is not None and scope is not NO_SCOPE:
        _each(_values(staged), body, scope, stop)
    elif staged is None:
        for_(items, one, None, scope)
    elif staged.flat:
        keep, item = staged.keep, staged.item or (lambda x: x)

        def inner(raw: Any) -> Any:
            _each(item(raw), body, scope, stop)
            return None if stop is None else if_(stop(), lambda: BREAK, lambda: None, scope)

        outer = dataclasses.replace(staged, flat=False, item=None, keep=None)
        outer = _python_only(outer) if staged.short else outer
        for_(outer, inner if keep is None else lambda raw: if_(keep(raw), lambda: inner(raw), lambda: None, scope), None, scope)
        staged.begin()
    elif staged.short and not isinstance(items, Arrayed):
        staged.begin()
        for_(staged.elements() if staged.keep is None else _python_only(staged), one, None, scope)
    else:
        for_(staged, one, None, scope)


def _python_only(staged: Staged) -> Staged:
    """The same, whose place no loop can be traced for: it is unrolled, and elements are left out under traced conditions."""
    return dataclasses.replace(staged, element=operator.index, spent=False)


def _look(make: Thunk) -> Any:
    """What make() gives, with nothing of it left in the graph."""
    open_block()
    go_back = way_back(NO_SCOPE)
    value = make()
    go_back()
    return value


def _rest(staged: Staged) -> Staged:
    """All but the first element, where there is one."""
    less = on_ints(table.isub, operator.sub, staged.count(), 1)
    facts: dict[str, Any] = {
        "count": lambda: less,
        "element": lambda i: staged.element(on_ints(table.iadd, operator.add, i, 1)),
        "known": staged.known and staged.known - 1,
    }
    return dataclasses.replace(staged, **facts, python=lambda: itertools.islice(staged.python(), 1, None), spent=False, follows=False)


def _is_empty(staged: Staged) -> Any:
    return on_ints(table.ieq, operator.eq, staged.count(), 0)


def _require_one(staged: Staged, exception: Exception) -> None:
    _require_not(_is_empty(staged), exception)


def _require_not(wrong: Any, exception: Exception) -> None:
    """In an expression: where it is sure to fail, it has no value."""
    if if_(wrong, lambda: raise_(exception), lambda: None, NO_SCOPE) is DEAD:
        raise Bottom


def _key_of(key: Any, x: Any) -> Any:
    return x if key is None else call(key, x)
