"""sum, prod, max, min, any, all, reduce: one value of many elements."""

from __future__ import annotations

import builtins
import functools
import math
import operator
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import building
from ..core.sites import user_site
from ..core.types import BOOL, is_float
from ..numpy.common import scalar_kind
from ..numpy.creation import asarray
from ..numpy.ufuncs import choose
from ..staging.branches import not_, short_circuit
from ..staging.stores import method_of
from ..values.operators import arithmetic
from ..values.scalars import truth
from ..values.values import Arrayed, Traced, call, is_traced, scalar_type
from ..values.views import settled
from .for_loops import _each, _look, _require_not, _require_one, _rest, _source, _variables
from .iterables import Staged, as_array, staged_iterable

ABSENT: Any = object()


def sum_(iterable: Any, /, start: Any = 0) -> Any:
    staged, items = _source(iterable)
    if staged is not None:
        return _folded(staged, operator.add, start)
    items = list(items) if building() else items
    if building() and any(method_of(x, "__add__") or method_of(x, "__radd__") for x in items):
        return functools.reduce(functools.partial(call, operator.add), items, start)
    return builtins.sum(items, start)


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
    staged = staged_iterable(sequence) if building() else None
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
    return choose(np.isfinite(cells["low"]), total + (cells["low"] + cells["lowest"]), total)


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


def _spread(name: str, fewer: int, root: bool) -> Callable[..., Any]:
    """statistics.variance and those like it, of floats: the squares of what is left by the mean, divided by so many fewer than there are."""

    def fn(data: Any, center: Any = None) -> Any:
        staged, items = _source(data)
        items = items if staged is not None else list(items)
        if staged is None and not any(map(is_traced, (center, *items))):
            return getattr(statistics, name)(items, center)
        count = len(items) if staged is None else staged.count()
        _require_not(count <= fewer, statistics.StatisticsError(f"{name} requires at least {('one data point', 'two data points')[fewer]}"))
        values = asarray(list(items) if staged is None else as_array(staged))
        if not is_float(scalar_kind(values)):
            raise errors.UnsupportedOperationError(f"statistics.{name}() at {user_site()} takes floats: use np.var, or np.std")
        left = values - (fsum(values) / count if center is None else center)
        found = arithmetic("div", fsum(left * left), count - fewer)
        return np.sqrt(found) if root else found

    return fn


SPREADS = {
    getattr(statistics, name): _spread(name, fewer, root)
    for name, fewer, root in (("variance", 1, False), ("stdev", 1, True), ("pvariance", 0, False), ("pstdev", 0, True))
}


def _decides(wanted: bool) -> Callable[[Any], Any]:
    """any() and all(): is there an element whose truth is `wanted`?"""

    def fn(iterable: Any, /) -> Any:
        staged, items = _source(iterable)
        if staged is not None and not (staged.short and staged.indexed and not isinstance(items, Arrayed)):
            return _search(staged, wanted)
        return _one_by_one(iter(items), wanted)

    return fn


any_, all_ = _decides(True), _decides(False)


def _one_by_one(items: Iterator[Any], wanted: bool) -> Any:
    """The same of what Python goes through: an element is asked for where those before it have not decided."""
    more = True

    def take() -> Any:
        nonlocal more
        for x in items:
            return pythons_bool(x)
        more = False
        return not wanted

    def operands() -> Iterator[Callable[[], Any]]:
        while more:
            yield take

    return pythons_bool(short_circuit(not wanted, operands(), not wanted))


def _search(staged: Staged, wanted: bool) -> Any:
    """Is there an element whose truth is `wanted`? Those after it are not looked at. The answer is that truth, or the other."""
    cells, scope = _variables(answer=not wanted)
    _each(staged, lambda x: cells.update(answer=pythons_bool(x)), scope, lambda: cells["answer"] if wanted else not_(cells["answer"]))
    return pythons_bool(cells["answer"])


def pythons_bool(x: Any) -> Any:
    t = truth(x)
    return Traced(t.atom, t.builder, True) if isinstance(t, Traced) else t
