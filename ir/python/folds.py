"""sum, prod, max, min, any, all, reduce: one value of many elements."""

from __future__ import annotations

import builtins
import dataclasses
import functools
import itertools
import math
import operator
import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import current_builder, current_trace
from ..core.sites import user_site
from ..core.types import BOOL, Scalar, is_float
from ..numpy import dispatch as numpy_api
from ..ops import table
from ..staging.branches import and_, if_, ifexp, not_, or_
from ..staging.leaves import leaf_type
from ..staging.paths import BREAK, DEAD, NO_SCOPE, Bottom, Scope, open_block
from ..values import concrete, pytree
from ..values.operators import arithmetic
from ..values.values import Arrayed, Traced, call, dimension, is_traced, load, scalar_type, truth
from ..values.views import base_of, settled
from .for_loops import for_
from .iterables import Staged, staged_iterable
from .raising import raise_

pass


ABSENT: Any = object()


def _building() -> bool:
    trace = current_trace()
    return trace is not None and bool(trace.builders)


def _source(items: Any, key: Any = None) -> tuple[Staged | None, Any]:
    """(the loop in the graph that goes over `items`, or None where Python does, items). What a generator computes of plain numbers
    alone, and a key of them, is found out now: it may be the size of an array."""
    staged = staged_iterable(items) if _building() else None
    if staged is None:
        return None, items
    if staged.of_plain or (staged.plain and key is not None):
        found = _plain_elements(staged, key)
        return (staged, items) if found is None else (None, found)
    return (None, items) if staged.plain else (staged, items)


def _plain_elements(staged: Staged, key: Any) -> list[Any] | None:
    """The elements, where neither they nor their keys are traced; else nothing has happened."""
    builder = current_builder()
    open_block()
    mark, before = builder.mark(), NO_SCOPE.save()
    out: list[Any] = []
    try:
        for x in itertools.islice(staged.elements(), concrete.MOST_UNROLLED + 1):
            if _any_traced(x) or (key is not None and _any_traced(_key_of(key, x))):
                break
            out.append(x)
        else:
            if len(out) <= concrete.MOST_UNROLLED:
                staged.begin()
                return out
    except errors.TracedConditionError:
        pass
    builder.rollback(mark)
    NO_SCOPE.restore(before)
    return None


def _any_traced(tree: Any) -> bool:
    return is_traced(tree) or (isinstance(tree, (tuple, list, dict)) and any(map(is_traced, pytree.flatten(tree)[0])))


def _variables(**values: Any) -> tuple[dict[str, Any], Scope]:
    return values, Scope(tuple(values), lambda: tuple(values.values()), lambda new: values.update(zip(tuple(values), new, strict=True)))


def _each(items: Any, body: Callable[[Any], None], scope: Scope, stop: Callable[[], Any] | None = None) -> None:
    """body(x) for each element, until `stop()`."""

    def one(x: Any) -> Any:
        body(x)
        return None if stop is None else if_(stop(), lambda: BREAK, lambda: None, scope)

    staged = staged_iterable(items)
    if staged is None:
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

    def refuse(i: Any) -> Any:
        return operator.index(i)

    return dataclasses.replace(staged, element=refuse, spent=False)


def _look(make: Callable[[], Any]) -> Any:
    """What make() gives, with nothing of it left in the graph."""
    builder = current_builder()
    open_block()
    mark, before = builder.mark(), NO_SCOPE.save()
    value = make()
    builder.rollback(mark)
    NO_SCOPE.restore(before)
    return value


def _rest(staged: Staged) -> Staged:
    """All but the first element, where there is one."""
    n = staged.count()
    less = table.isub(n, 1) if isinstance(n, Traced) else n - 1

    def element(i: Any) -> Any:
        return staged.element(table.iadd(i, 1) if isinstance(i, Traced) else i + 1)

    known = None if staged.known is None else staged.known - 1
    return dataclasses.replace(
        staged, count=lambda: less, element=element, known=known, python=lambda: itertools.islice(staged.python(), 1, None), spent=False
    )


def _is_empty(staged: Staged) -> Any:
    n = staged.count()
    return table.ieq(n, 0) if isinstance(n, Traced) else n == 0


def _require_one(staged: Staged, exception: Exception) -> None:
    _require_not(_is_empty(staged), exception)


def _require_not(wrong: Any, exception: Exception) -> None:
    """In an expression: where it is sure to fail, it has no value."""
    if if_(wrong, lambda: raise_(exception), lambda: None, NO_SCOPE) is DEAD:
        raise Bottom


def sum_(iterable: Any, /, start: Any = 0) -> Any:
    staged, items = _source(iterable)
    return builtins.sum(items, start) if staged is None else _folded(staged, operator.add, start)


def prod(iterable: Any, /, *, start: Any = 1) -> Any:
    staged, items = _source(iterable)
    if staged is None:
        items = list(items)
        return math.prod(items, start=start) if not any(map(is_traced, [start, *items])) else functools.reduce(operator.mul, items, start)
    return _folded(staged, operator.mul, start)


def _folded(staged: Staged, step: Callable[[Any, Any], Any], start: Any) -> Any:
    """((start step x0) step x1) ..: where the elements are arrays, the first one is apart, for it decides the shape."""
    if staged.known == 0:
        return start
    if staged.indexed and not staged.short:
        first = _look(lambda: step(start, staged.element(0)))
        if isinstance(first, Arrayed) and not isinstance(start, Arrayed):
            none = ValueError(f"a sum of arrays at {user_site()} has no element: its shape is not known")
            _require_one(staged, none)
            start, staged = step(start, staged.element(0)), _rest(staged)
        elif isinstance(first, Traced) and type(start) is int:
            start = start if not is_float(first.type) else float(start) if first.weak else first.dtype.type(start)
    cells, scope = _variables(total=start)
    _each(staged, lambda x: cells.update(total=step(cells["total"], x)), scope)
    return cells["total"]


def reduce(function: Any, sequence: Any, /, initial: Any = ABSENT) -> Any:
    staged = staged_iterable(sequence) if _building() else None
    none = TypeError("reduce() of empty iterable with no initial value")
    if staged is None or (staged.short and staged.indexed):
        items = iter(sequence)
        if initial is ABSENT:
            initial = next(items, ABSENT)
        if initial is ABSENT:
            raise none
        for x in items:
            initial = call(function, initial, x)
        return initial
    if initial is ABSENT:
        _need_places(staged, "functools.reduce() without an initial value")
        _require_one(staged, none)
        initial, staged = staged.element(0), _rest(staged)
    cells, scope = _variables(total=settled(initial))
    _each(staged, lambda x: cells.update(total=settled(call(function, cells["total"], x))), scope)
    return cells["total"]


def _need_places(staged: Staged, what: str) -> None:
    if not staged.indexed:
        raise errors.TracedConditionError(
            f"{what} at {user_site()} needs to know which of the elements of {staged.what} is the first: choose them from an array with a mask"
        )


def fsum(seq: Any, /) -> Any:
    """math.fsum in three times the precision of a float: the errors of a running sum, and the errors of their sum, are summed up."""
    staged, items = _source(seq)
    items = items if staged is not None else list(items)
    if staged is None and not any(map(is_traced, items)):
        return math.fsum(items)
    cells, scope = _variables(total=0.0, low=0.0, lowest=0.0)

    def add(x: Any) -> None:
        total, error = _two_sum(cells["total"], x)
        low, lower = _two_sum(cells["low"], error)
        cells.update(total=total, low=low, lowest=cells["lowest"] + lower)

    _each(items, add, scope)
    total = cells["total"]
    return numpy_api.where(np.isfinite(cells["low"]), total + (cells["low"] + cells["lowest"]), total)


def _two_sum(x: Any, y: Any) -> tuple[Any, Any]:
    """x + y rounded, and what was rounded off."""
    z = x + y
    part = z - x
    return z, (x - (z - part)) + (y - part)


def mean(data: Any) -> Any:
    """statistics.mean and fmean of floats."""
    staged, items = _source(data)
    items = items if staged is not None else list(items)
    if staged is None and not any(map(is_traced, items)):
        return statistics.mean(items)
    if staged is not None:
        _need_places(staged, "statistics.mean()")
        _require_one(staged, statistics.StatisticsError("mean requires at least one data point"))
    first = items[0] if staged is None else _look(lambda: staged.element(0))
    if not is_float((scalar_type(first) or (BOOL,))[0]):
        raise errors.UnsupportedOperationError(f"statistics.mean() at {user_site()} takes floats: write sum(x) / len(x)")
    return arithmetic("div", fsum(items), len(items) if staged is None else staged.count())


def _extreme(better: Callable[[Any, Any], Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """Python's min and max: the first of equals wins, and whatever is compared with a NaN loses."""
    name = plain.__name__

    def fn(*args: Any, key: Any = None, default: Any = ABSENT) -> Any:
        if len(args) == 1 and isinstance(args[0], Traced):
            raise TypeError(f"{args[0]!r} is not iterable")
        staged, items = _source(args[0], key) if len(args) == 1 else (None, args)
        if staged is not None and not (staged.short and staged.keep is None and not isinstance(items, Arrayed)):
            return _best_of(staged, items, better, key, default, name)
        items = list(items)
        if not items or not _building():
            more = {} if default is ABSENT else {"default": default}
            return plain(*((items,) if len(args) == 1 else args), key=key, **more)
        return _best(items, better, key)

    return fn


def _before(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`compare`, < or >, also of tuples."""

    def fn(x: Any, y: Any) -> Any:
        if not (isinstance(x, tuple) and isinstance(y, tuple)) or not (_any_traced(x) or _any_traced(y)):
            return compare(x, y)
        if not x or not y:
            return compare(len(x), len(y))
        return or_(fn(x[0], y[0]), lambda: and_(x[0] == y[0], lambda: fn(x[1:], y[1:])))

    return fn


def _key_of(key: Any, x: Any) -> Any:
    return x if key is None else call(key, x)


def _best(items: list[Any], better: Callable[[Any, Any], Any], key: Any) -> Any:
    best, top = items[0], _key_of(key, items[0])
    for x in items[1:]:
        k = _key_of(key, x)
        wins = truth(better(k, top))
        top = _either(wins, k, top)
        best = _either(wins, x, best) if key is not None else top
    return best


def _either(first: Any, x: Any, y: Any) -> Any:
    if not isinstance(first, Traced):
        return x if first else y
    scalars = all(not isinstance(v, Arrayed) and leaf_type(v) is not None for v in (x, y))
    return numpy_api.where(first, x, y) if scalars else ifexp(first, lambda: x, lambda: y)


def _best_of(staged: Staged, items: Any, better: Callable[[Any, Any], Any], key: Any, default: Any, name: str) -> Any:
    none = ValueError(f"{name}() iterable argument is empty" if sys.version_info >= (3, 12) else f"{name}() arg is an empty sequence")
    if not staged.indexed:
        return _best_chosen(staged, better, key, default, none)

    def best() -> Any:
        return _place_of_best(items, better) if _is_vector(items) and key is None else _best_in_loop(staged, better, key)

    if default is ABSENT:
        _require_one(staged, none)
        return best()
    return ifexp(_is_empty(staged), lambda: default, best)


def _is_vector(items: Any) -> bool:
    return isinstance(items, Arrayed) and items.ndim == 1


def _place_of_best(x: Arrayed, better: Callable[[Any, Any], Any]) -> Any:
    """The loop finds the place; the element there is read once, and its derivative goes there."""
    cells, scope = _variables(at=0)

    def one(i: Any) -> None:
        value, top = load(x, i, checked=False), load(x, cells["at"], checked=False)
        cells.update(at=numpy_api.where(better(value, top), i, cells["at"]))

    n = dimension(x, 0)
    _each(Staged(lambda: n, lambda i: i, n if isinstance(n, int) else None, lambda: range(n)), one, scope)
    return load(x, cells["at"], checked=False)


def _best_in_loop(staged: Staged, better: Callable[[Any, Any], Any], key: Any) -> Any:
    first = staged.element(0)
    _hold(first)
    first = settled(first)
    cells, scope = _variables(best=first, top=_key_of(key, first))

    def one(x: Any) -> None:
        x = settled(x)
        k = _key_of(key, x)
        if_(better(k, cells["top"]), lambda: cells.update(best=x, top=k), lambda: None, scope)

    staged.begin()
    _each(_rest(staged), one, scope)
    return cells["best"]


def _best_chosen(staged: Staged, better: Callable[[Any, Any], Any], key: Any, default: Any, none: Exception) -> Any:
    """Of elements that are chosen: which one is the first, the loop finds out."""
    if staged.known == 0:
        if default is ABSENT:
            _require_one(staged, none)
        return default
    seed = _look(lambda: _first_chosen(staged))
    cells, scope = _variables(found=False, best=_zero_like(seed), top=_zero_like(_look(lambda: _key_of(key, seed))))

    def one(x: Any) -> None:
        k = _key_of(key, x)
        first = or_(not_(cells["found"]), lambda: better(k, cells["top"]))
        if_(first, lambda: cells.update(found=True, best=x, top=k), lambda: None, scope)

    _each(staged, one, scope)
    if default is not ABSENT:
        return ifexp(cells["found"], lambda: cells["best"], lambda: default)
    _require_not(not_(cells["found"]), none)
    return cells["best"]


def _first_chosen(staged: Staged) -> Any:
    raw = staged.element(0) if staged.known is None else next(iter(staged.python()))
    x = raw if staged.item is None else staged.item(raw)
    return _first_chosen(x) if staged.flat else x


def _zero_like(tree: Any) -> Any:
    leaves, structure = pytree.flatten(tree)
    kinds = [leaf_type(x) for x in leaves]
    if not all(isinstance(t, Scalar) for t in kinds):
        raise errors.UnsupportedOperationError(f"max() and min() at {user_site()} choose among numbers and tuples of them")
    zeros = [False if t == BOOL else 0.0 if t is not None and is_float(t) else 0 for t in kinds]
    typed = [z if not isinstance(x, Traced) or x.weak else x.dtype.type(z) for x, z in zip(leaves, zeros, strict=True)]
    return pytree.unflatten(structure, typed)


def any_(iterable: Any, /) -> Any:
    staged, items = _source(iterable)
    if staged is None or (staged.short and staged.indexed and not isinstance(items, Arrayed)):
        found: Any = False
        for x in items:
            found = or_(_pythons_bool(found), lambda x=x: _pythons_bool(x))  # type: ignore[misc]
        return found
    return _search(staged, True)


def all_(iterable: Any, /) -> Any:
    staged, items = _source(iterable)
    if staged is None or (staged.short and staged.indexed and not isinstance(items, Arrayed)):
        good: Any = True
        for x in items:
            good = and_(_pythons_bool(good), lambda x=x: _pythons_bool(x))  # type: ignore[misc]
        return good
    return _search(staged, False)


def _search(staged: Staged, wanted: bool) -> Any:
    """Is there an element whose truth is `wanted`? Those after it are not looked at. The answer is that truth, or the other."""
    cells, scope = _variables(answer=not wanted)
    _each(staged, lambda x: cells.update(answer=_pythons_bool(x)), scope, lambda: cells["answer"] if wanted else not_(cells["answer"]))
    return _pythons_bool(cells["answer"])


def _pythons_bool(x: Any) -> Any:
    t = truth(x)
    return Traced(t.atom, t.builder, True) if isinstance(t, Traced) else t


def _hold(tree: Any) -> None:
    """Copies stand for these arrays from now on: a later write to them would have to show there, and is refused."""
    for x in [tree] if isinstance(tree, Arrayed) else pytree.flatten(tree)[0]:
        if isinstance(x, Arrayed):
            x.owned = base_of(x).owned = False
