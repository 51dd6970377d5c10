"""Explicit Runge-Kutta pairs with SciPy's control of the step, as a traced program.

Formulas: E. Hairer, S. P. Norsett, G. Wanner, "Solving Ordinary Differential Equations I" (1993), II.4 (steps), II.6 (dense output); the
coefficients are SciPy's own. A derivative goes through the steps as they were taken: their sizes are held fixed, but for that of the last one, which
ends where the interval does. The time of an event is that of the interpolant, with the derivatives of the implicit function.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...ops import table
from ...values.values import call
from ..common import fixed, float_array, jvp, program
from ..creation import asarray

SAFETY, LEAST, MOST = 0.9, 0.2, 10.0
EPS = float(np.finfo(float).eps)


class Extra(NamedTuple):
    """Of DOP853: a third formula, whose difference corrects the error's estimate; more stages and weights for the dense output."""

    e: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    c: tuple[float, ...]
    d: tuple[tuple[float, ...], ...]


class Pair(NamedTuple):
    """Two formulas that share their stages: `e` is the difference of their weights, `p` the polynomials of the dense output."""

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]
    e: tuple[float, ...]
    p: tuple[tuple[float, ...], ...]
    exponent: float  # of the error, for the next step
    extra: Extra | None = None


class Problem(NamedTuple):
    """What is to be solved, and how: all that stays as it is."""

    fun: Callable[..., Any]
    pair: Pair
    end: Any
    direction: Any
    rtol: Any
    atol: Any
    first: Any  # the first step, if it is given
    most: Any  # the largest step
    events: Sequence[Event] = ()


class Event(NamedTuple):
    g: Callable[..., Any]
    terminal: int  # after so many it ends; 0: never
    direction: float


@functools.cache
def pair(name: str) -> Pair:
    """The coefficients of one of SciPy's methods."""
    of = getattr(importlib.import_module("scipy.integrate"), name)
    long = hasattr(of, "E3")
    a, p = _matrix(of.A), () if long else _matrix(of.P)
    b, c, e = (tuple(map(float, row)) for row in (of.B, of.C, of.E5 if long else of.E))
    extra = Extra(tuple(map(float, of.E3)), _matrix(of.A_EXTRA), tuple(map(float, of.C_EXTRA)), _matrix(of.D)) if long else None
    return Pair(a, b, c, e, p, -1.0 / (of.error_estimator_order + 1), extra)


def _matrix(m: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in m)


# ---- a step
def slope(fun: Callable[..., Any], t: Any, y: Any) -> Any:
    return float_array(asarray(call(fun, t, y)))


def dot(weights: Sequence[Any], ks: Sequence[Any]) -> Any:
    """The sum of weighted slopes; a plain weight of 0 has none."""
    terms = [k * w for w, k in zip(weights, ks, strict=False) if not (isinstance(w, float) and w == 0.0)]
    return functools.reduce(lambda x, y: x + y, terms)


def stages(problem: Problem, t: Any, y: Any, f: Any, h: Any) -> tuple[Any, list[Any]]:
    """(y at t + h, the slopes: f first, that at t + h last)"""
    ks = [f]
    for a, c in list(zip(problem.pair.a, problem.pair.c, strict=True))[1:]:
        ks.append(slope(problem.fun, t + c * h, y + dot(a[: len(ks)], ks) * h))
    new = y + h * dot(problem.pair.b, ks)
    return new, [*ks, slope(problem.fun, t + h, new)]


def dense(problem: Problem, t: Any, y: Any, h: Any, ks: Sequence[Any], new: Any) -> Any:
    """What the interpolant of a step from t, y is made of (Hairer, Norsett, Wanner, II.6, page 194)."""
    extra = problem.pair.extra
    if extra is None:
        return ks
    ks = list(ks)
    for a, c in zip(extra.a, extra.c, strict=True):
        ks.append(slope(problem.fun, t + c * h, y + dot(a[: len(ks)], ks) * h))
    last, change = ks[len(problem.pair.b)], new - y
    return [change, h * ks[0] - change, 2.0 * change - h * (last + ks[0]), *(h * dot(row, ks) for row in extra.d)]


def between(problem: Problem, at: Any, t: Any, y: Any, h: Any, ks: Sequence[Any]) -> Any:
    """The interpolant of a step from t, y."""
    x = (at - t) / h
    if problem.pair.extra is not None:
        found = 0.0 * y
        for i, k in enumerate(reversed(ks)):
            found = (found + k) * (x if i % 2 == 0 else 1.0 - x)
        return y + found
    weights = [x * functools.reduce(lambda p, q: p * x + q, row[::-1]) for row in problem.pair.p]
    return y + h * dot(weights, ks)


def norm(x: Any) -> Any:
    """The root of the mean square, as a number without a derivative."""
    return fixed(np.sqrt(np.mean(x * x)))


def scale(problem: Problem, *ys: Any) -> Any:
    return problem.atol + functools.reduce(np.maximum, [np.abs(y) for y in ys]) * problem.rtol


def error(problem: Problem, y: Any, new: Any, h: Any, ks: Sequence[Any]) -> Any:
    y, new, h, ks = fixed(y), fixed(new), fixed(h), [fixed(k) for k in ks]
    size, extra = scale(problem, y, new), problem.pair.extra
    if extra is None:
        return norm(dot(problem.pair.e, ks) * h / size)
    most, less = (np.sum((dot(e, ks) / size) ** 2) for e in (problem.pair.e, extra.e))
    under = most + 0.01 * less
    return np.where(under == 0.0, 0.0, abs(h) * most / np.sqrt(np.where(under == 0.0, 1.0, under) * len(y)))


@program
def first_step(problem: Any, t: Any, y: Any, f: Any) -> Any:
    """Hairer, Norsett, Wanner, II.4, page 169: from the slope and a guess of the second derivative."""
    t, y, f, end = fixed(t), fixed(y), fixed(f), fixed(problem.end)
    length = abs(end - t)
    size = scale(problem, y)
    d0, d1 = norm(y / size), norm(f / size)
    h0 = min(1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1, length)
    ahead = fixed(slope(problem.fun, t + h0 * problem.direction, y + h0 * problem.direction * f))
    d2 = norm((ahead - f) / size) / h0
    h1 = max(1e-6, h0 * 1e-3) if d1 <= 1e-15 and d2 <= 1e-15 else (0.01 / max(d1, d2)) ** -problem.pair.exponent
    return fixed(min(min(100 * h0, h1), min(length, problem.most)))


# ---- events
def crosses(event: Event, before: Any, after: Any) -> Any:
    """Has an event's function changed its sign in the direction that counts?"""
    up, down = (before <= 0) & (after >= 0), (before >= 0) & (after <= 0)
    return up if event.direction > 0 else down if event.direction < 0 else up | down


@program
def crossing(problem: Any, g: Any, t: Any, y: Any, h: Any, ks: Any) -> Any:
    """Where g(t, y(t)) is 0 in a step: by bisection, and two steps of Newton's, which do not move it, for its derivatives up to order 3."""
    low, high = fixed(t), fixed(t + h)
    sign = fixed(g(low, fixed(y)))
    while abs(high - low) > 4 * EPS * max(abs(low), abs(high)) and (low + high) / 2 != low and (low + high) / 2 != high:
        middle = (low + high) / 2
        here = fixed(g(middle, between(problem, middle, t, y, h, ks)))
        if (here >= 0) == (sign >= 0) and here != 0:
            low = middle
        else:
            high = middle
    at = (low + high) / 2
    for _ in range(2):
        value, change = rate(problem, g, at, t, y, h, ks)
        at = at - table.mul_zero(value - fixed(value), 1.0 / change)
    return at


def rate(problem: Problem, g: Any, at: Any, t: Any, y: Any, h: Any, ks: Any) -> Any:
    """g on the interpolant, and its derivative by time."""
    return jvp(lambda s: call(g, s, between(problem, s, t, y, h, ks)), (at,), (1.0,))


@program
def happened(problem: Any, hits: Any, counts: Any, t: Any, y: Any, h: Any, ks: Any, t_events: Any, y_events: Any) -> Any:
    """The events of a step, written into the lists: (how many of each there were so far, when the first terminal one was, was there one?)"""
    where, stop, ends = [], t + h, False
    for i, event in enumerate(problem.events):
        at = t + h
        if hits[i]:
            at = crossing(problem, event.g, t, y, h, ks)
            counts = replaced(counts, i, counts[i] + 1)
            if event.terminal and counts[i] >= event.terminal and problem.direction * (at - stop) <= 0:
                stop, ends = at, True
        where.append(at)
    for i, at in enumerate(where):
        if hits[i] and problem.direction * (at - stop) <= 0:
            t_events[i].append(at)
            y_events[i].append(between(problem, at, t, y, h, ks))
    return counts, stop, ends


@program
def interpolant(problem: Any, wanted: Any, t: Any, y: Any, h: Any, ks: Any, new: Any) -> Any:
    """(what the interpolant is made of, in a step where it is wanted; calls of fun)"""
    if problem.pair.extra is None:
        return ks, 0
    if wanted:
        return dense(problem, t, y, h, ks, new), 3
    return [0.0 * y for _ in range(7)], 0


# ---- the loop
@program
def solved(problem: Any, t: Any, y: Any, points: Any, reach: Any) -> Any:
    """(t, y, times of events, y there, status, calls of fun); y at `points`, or at all steps where they are None. With `reach` all points are
    reached, else there is an event that may end it."""
    f, direction = slope(problem.fun, t, y), problem.direction
    size, calls = (first_step(problem, t, y, f), 2) if problem.first is None else (fixed(problem.first), 1)
    ts, ys, done = [t], [y], 0
    out = np.full((0 if points is None else len(points), len(y)), np.nan)
    if points is not None:
        while done < len(points) and direction * (points[done] - t) <= 0:
            out[done] = y
            done += 1
    begun = points is not None and problem.pair.extra is not None and done > 0  # SciPy interpolates there, too, and counts
    signs = values_of(problem, t, y)
    counts, hits = tuple(0 for _ in problem.events), tuple(False for _ in problem.events)
    t_events: Any = tuple([] for _ in problem.events)
    y_events: Any = tuple([] for _ in problem.events)
    status, again = 0, False
    while status == 0 and direction * (t - problem.end) < 0:
        least = 10 * EPS * abs(fixed(t)) + 1e-322
        if not again:
            size = min(max(size, least), problem.most)
        if size < least:
            status = -1
        else:
            after = t + size * direction
            if direction * (after - problem.end) > 0:
                after = problem.end
            h = after - t
            new, ks = stages(problem, t, y, f, h)
            calls += len(ks) - 1
            wrong = error(problem, y, new, h, ks)
            size = fixed(abs(h))
            if wrong < 1:
                factor = MOST if wrong == 0 else min(MOST, SAFETY * wrong**problem.pair.exponent)
                size, again = size * (min(1.0, factor) if again else factor), False
                if problem.events:
                    here = values_of(problem, after, new)
                    hits, signs = tuple(crosses(e, p, q) for e, p, q in zip(problem.events, signs, here, strict=True)), here
                wanted = any(hits) or begun or (points is not None and done < len(points) and direction * (points[done] - after) <= 0)
                inside, more = interpolant(problem, wanted, t, y, h, ks, new)
                calls, begun = calls + more, False
                if problem.events:
                    seen = happened(problem, hits, counts, t, y, h, inside, t_events, y_events)
                    counts, stop = seen[0], seen[1]
                    if seen[2]:
                        status, after, new = 1, stop, between(problem, stop, t, y, h, inside)
                if points is None:
                    ts.append(after)
                    ys.append(new)
                else:
                    while done < len(points) and direction * (points[done] - after) <= 0:
                        out[done] = between(problem, points[done], t, y, h, inside)
                        done += 1
                t, y, f = after, new, ks[-1]
            else:
                size = size * max(LEAST, SAFETY * wrong**problem.pair.exponent)
                again = True
    found = tuple(np.array(x) for x in t_events), tuple(np.array(x) for x in y_events), status, calls
    if points is None:
        return np.array(ts), np.array(ys).T, *found
    return (points, out.T, *found) if reach else (points[:done], out[:done].T, *found)


def values_of(problem: Problem, t: Any, y: Any) -> tuple[Any, ...]:
    return tuple(call(e.g, t, y) for e in problem.events)


def replaced(xs: tuple[Any, ...], i: int, x: Any) -> tuple[Any, ...]:
    return (*xs[:i], x, *xs[i + 1 :])
