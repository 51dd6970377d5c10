"""What a function does to small changes, as a function: `vjp` and `linearize`.

Where one side has at most eight numbers the derivative is found by one evaluation together with the value, as so many rows (gradients of
results) or columns (tangents along arguments); to apply it is a sum of them, however often that is done. Else each time is an evaluation.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core import errors
from ...core.builder import current_builder
from ...core.sites import user_site
from ...core.types import Array, carries_gradient, lane_type
from ...objects.statics import is_static
from ...ops import table
from ...python import guarded, host
from ...python.random import refuse_generators
from ...values import pytree
from ...values.arrays import allocate, lift_array, opened_constants
from ...values.values import Arrayed, Traced
from ...values.views import settled
from .. import derivatives
from ..derivatives import all_differentiable, conjugated, like, zero
from . import blocks
from .blocks import dtype_of
from .jacobians import WHOLE, Jacobian, ask_if_small, lanes_of, size_of

ROWS, COLUMNS, AGAIN = "rows", "columns", "again"


@dataclass
class Linear:
    """The derivative of a function at a point: `parts` are its rows or columns, each a list of what it is for each number or array on
    the other side. `primals` and `value` say the shapes."""

    kind: str
    parts: list[list[Any]]
    primals: tuple[Any, ...]
    value: Any
    again: Any = None  # (sub, moment) where it is computed anew

    def pull(self, cotangent: Any) -> tuple[Any, ...]:
        """Cotangents of the primals."""
        leaves, structure = pytree.flatten(settled(self.value))
        given, tree = pytree.flatten(settled(conjugated(opened_constants(cotangent))))
        if tree != structure:
            raise errors.TypeMismatchError(
                f"the cotangent at {user_site()} has another structure than the result: give one cotangent for each number or array of it"
            )
        cs = [_given(like(c, y.type, "cotangent", y)) for c, y in zip(given, leaves, strict=True) if moves(y)]
        xs, structure = pytree.flatten(self.primals)
        own = [x for x in xs if not is_static(x)]
        found = iter(
            self.backwards(cs) if self.kind == AGAIN else self.applied(cs, [y for y in leaves if moves(y)], own, self.kind == ROWS)
        )
        return conjugated(pytree.unflatten(structure, [x if is_static(x) else next(found) for x in xs]))  # type: ignore[no-any-return]

    def push(self, *tangents: Any) -> Any:
        """The tangent of the value."""
        xs, structure = pytree.flatten(self.primals)
        given, other = pytree.flatten(settled(opened_constants(tangents)))
        if other != structure:
            raise errors.TypeMismatchError(
                f"the tangents at {user_site()} have another structure than the primals: give one tangent for each number or array"
            )
        ts = [_given(like(t, x.type, "tangent", x)) for t, x in zip(given, xs, strict=True) if not is_static(x)]
        leaves, tree = pytree.flatten(settled(self.value))
        own = [y for y in leaves if moves(y)]
        inputs = [x for x in xs if not is_static(x)]
        found = iter(self.forwards(ts) if self.kind == AGAIN else self.applied(ts, inputs, own, self.kind == COLUMNS))
        return pytree.unflatten(tree, [y if is_static(y) else next(found) if moves(y) else zero(y) for y in leaves])

    def applied(self, given: Sequence[Any], like_these: Sequence[Any], results: Sequence[Any], combines: bool) -> list[Any]:
        """The parts times numbers, added up; or else their products with what is given, one number each. What is given is like
        `like_these`, what is found like `results`."""
        if not given:  # of ints and bools there is no derivative
            return [zero(result) for result in results]
        if not combines:
            numbers = [_total([_inner(a, b) for a, b in zip(part, given, strict=True)]) for part in self.parts]
            return _assembled(numbers, results)
        factors = [n for g, x in zip(given, like_these, strict=True) for n in _numbers(g, size_of(x))]
        out = []
        for j, result in enumerate(results):
            out.append(_total([part[j] * blocks.as_dtype(n, dtype_of(result)) for part, n in zip(self.parts, factors, strict=True)]))
        return out

    def backwards(self, cs: Sequence[Any]) -> list[Any]:
        sub, moment = self.again
        with host.repeating(moment):
            return blocks.rows(sub, dict(zip((i for i, t in enumerate(sub.types) if carries_gradient(t)), cs, strict=True)), 1)[1]

    def forwards(self, ts: Sequence[Any]) -> list[Any]:
        sub, moment = self.again
        with host.repeating(moment):
            moved = blocks.columns(sub, dict(zip((p for p in sub.where if p >= 0), ts, strict=True)), 1)[1]
        return [t for t in moved if t is not None]


def lifted(tree: Any) -> Any:
    """A structure with each array from outside as a value of the trace."""
    leaves, structure = pytree.flatten(opened_constants(tree))
    return pytree.unflatten(structure, [lift_array(x) if isinstance(x, np.ndarray) and x.ndim else x for x in leaves])


def pullback_at(f: Callable[..., Any], primals: tuple[Any, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """What `vjp` gives as a function that is called once."""
    return linear(f, primals, "vjp", once=True)[0].pull


def linear(
    f: Callable[..., Any], primals: tuple[Any, ...], what: str, has_aux: bool = False, again: bool = False, once: bool = False
) -> tuple[Linear, Any]:
    """(the derivative of f, aux). The effects of f run once; not at all if this call is made `again`. It may be applied more than `once`."""
    new = differentiable(primals, what)
    found = Jacobian(f, new, has_aux, what == "linearize")
    value, aux = found.evaluated(again)
    results = [y for y in pytree.flatten(value)[0] if not is_static(y)]
    kind = AGAIN if again or once else _kind(found, results)
    if kind == AGAIN:
        return Linear(kind, [], new, value, (derivatives.trace_sub(found.value, new, {}, evaluated=True), found.moment)), aux
    if found.moment is None and not guarded.is_around():
        current_builder().rollback(found.before)
    sub = derivatives.trace_sub(f, new, {}, has_aux, evaluated=True)
    with host.repeating(found.moment):
        values, parts = _rows(sub, results) if kind == ROWS else _columns(sub, found.xs)
    if found.moment is None:
        value, aux = sub.whole(values) if has_aux else (sub.whole(values), None)
    return Linear(kind, parts, new, value), aux


def differentiable(primals: tuple[Any, ...], what: str) -> tuple[Any, ...]:
    """Arguments with respect to which `what` differentiates."""
    primals = opened_constants(settled(primals))
    refuse_generators(primals, f"an argument of {what}")
    return tuple(all_differentiable(x, f"argument {i} of {what}") for i, x in enumerate(primals))


def _kind(found: Jacobian, results: Sequence[Any]) -> str:
    """How it is best kept. Where it is differentiated itself there are no blocks."""
    ys = [y for y in results if moves(y)]
    if not found.inner:
        ask_if_small([*found.xs, *ys])
    rows, columns = (sum(map(size_of, side)) if all(isinstance(size_of(x), int) for x in side) else 0 for side in (ys, found.xs))
    most = 1 if found.inner else WHOLE
    order = ((COLUMNS, columns), (ROWS, rows)) if found.forward else ((ROWS, rows), (COLUMNS, columns))
    return next((kind for kind, n in order if 0 < n <= most), AGAIN)


def _rows(sub: Any, results: Sequence[Any]) -> tuple[list[Any], list[list[Any]]]:
    group = [(k, y) for k, y in enumerate(results) if moves(y)]
    starts, lanes = lanes_of(group)
    values, found = blocks.rows(sub, {k: blocks.units(y, range(size_of(y)), lanes, starts[k]) for k, y in group}, lanes)
    return values, _parts(found, lanes, sum(size_of(y) for _, y in group))


def _columns(sub: Any, xs: Sequence[Any]) -> tuple[list[Any], list[list[Any]]]:
    group = list(enumerate(xs))
    starts, lanes = lanes_of(group)
    params = [p for p in sub.where if p >= 0]
    values, found = blocks.columns(sub, {params[j]: blocks.units(x, range(size_of(x)), lanes, starts[j]) for j, x in group}, lanes)
    return values, _parts([t for t in found if t is not None], lanes, sum(map(size_of, xs)))


def _parts(found: Sequence[Any], lanes: int, n: int) -> list[list[Any]]:
    """What stands in each of n lanes."""
    if lanes == 1:
        return [list(found)]
    parts: list[list[Any]] = [[] for _ in range(n)]
    for block in found:
        matrix = blocks.numbers(block, lanes) if isinstance(block, Arrayed) else None
        for i, part in enumerate(parts):
            part.append(table.lane(block, i=i, to=lane_type(block.type)) if matrix is None else matrix[:, i].reshape(block.shape))
    return parts


def _given(atom: Any) -> Any:
    return Arrayed(atom, current_builder()) if isinstance(atom.type, Array) else Traced(atom, current_builder())


def moves(y: Any) -> bool:
    return not is_static(y) and carries_gradient(y.type)


def _numbers(x: Any, n: int) -> list[Any]:
    """All n numbers of an array, or the number."""
    if not isinstance(x, Arrayed):
        return [x]
    flat = x.reshape((n,))
    return [flat[i] for i in range(n)]


def _inner(a: Any, b: Any) -> Any:
    return (a * b).sum() if isinstance(a, Arrayed) else a * b


def _total(terms: Sequence[Any]) -> Any:
    return functools.reduce(operator.add, terms)


def _assembled(numbers: Sequence[Any], like_these: Sequence[Any]) -> list[Any]:
    """Numbers and small arrays from all of their numbers."""
    rest, out = iter(numbers), []
    for x in like_these:
        if not isinstance(x, Arrayed):
            out.append(blocks.as_dtype(next(rest), x.type))
            continue
        flat = allocate(x.type.dtype, (x.size,), 0)
        for i in range(x.size):
            flat[i] = next(rest)
        out.append(flat.reshape(x.shape))
    return out
