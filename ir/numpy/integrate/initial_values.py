"""Initial value problems: `scipy.integrate.solve_ivp` and `odeint`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...values.values import Arrayed, call, is_traced
from ...values.views import as_array
from ..common import astype, float_array, program
from ..creation import asarray
from ..registry import implements
from ..ufuncs import choose
from .runge_kutta import EPS, Event, Problem, pair, solved

MESSAGES = {
    0: "The solver successfully reached the end of the integration interval.",
    1: "A termination event occurred.",
    -1: "Required step size is less than spacing between numbers.",
}


@dataclass
class OdeResult:
    """What solve_ivp gives. With t_eval and no terminal event y has a column for each of these times, NaN for those that were not reached."""

    t: Any
    y: Any
    t_events: Any
    y_events: Any
    nfev: Any
    status: Any
    success: Any
    sol: Any = None
    njev: int = 0
    nlu: int = 0

    @property
    def message(self) -> str:
        if is_traced(self.status):
            unsupported("the message of solve_ivp's result in compiled code", "ask its status, or return it")
        return MESSAGES[int(self.status)]

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def _float(x: Any) -> Any:
    """A number as a float; of NumPy's arrays without axes, too."""
    return float_array(as_array(x)) if is_traced(x) else float(x)


@implements("scipy.integrate.solve_ivp", gives="python", runs=True)
def solve_ivp(
    fun: Any,
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Any = None,
    *,
    rtol: Any = 1e-3,
    atol: Any = 1e-6,
    first_step: Any = None,
    max_step: Any = math.inf,
) -> OdeResult:
    """By RK45, RK23 or DOP853, step by step as SciPy's. Derivatives go through the steps, whose sizes are held fixed."""
    name = method if isinstance(method, str) else getattr(method, "__name__", str(method))
    if name not in ("RK45", "RK23", "DOP853"):
        unsupported(f"solve_ivp with method={name!r} in compiled code", "use method='RK45', 'RK23' or 'DOP853', or call solve_ivp outside")
    if dense_output:
        unsupported("solve_ivp with dense_output=True in compiled code", "give the times as t_eval=")
    start, end = map(_float, t_span)
    given = [events] if callable(events) else list(events or ())
    found = [Event(_with(e, args), int(getattr(e, "terminal", None) or 0), float(getattr(e, "direction", 0) or 0)) for e in given]
    problem = _problem(_with(fun, args), name, start, end, rtol, atol, first_step, max_step, tuple(found))
    points = None if t_eval is None else _vector(t_eval, "`t_eval` must be 1-dimensional.")
    if points is not None:
        _check(points, start, end, problem.direction)
    y = _vector(y0, "`y0` must be 1-dimensional.")
    ts, ys, t_events, y_events, status, calls = solved(problem, start, y, points, not any(e.terminal for e in found))
    at, there = (list(t_events), list(y_events)) if given else (None, None)
    return OdeResult(ts, ys, at, there, calls, status, status >= 0)


def _problem(
    fun: Any, name: str, start: Any, end: Any, rtol: Any, atol: Any, first: Any, most: Any, events: tuple[Event, ...] = ()
) -> Problem:
    direction = choose(end >= start, 1.0, -1.0)
    rtol = max(rtol, 100 * EPS) if isinstance(rtol, (int, float)) else rtol
    rtol, atol = (float(x) if isinstance(x, (int, float)) else as_array(x) for x in (rtol, atol))
    return Problem(fun, pair(name), end, direction, rtol, atol, None if first is None else _float(first), _float(most), events)


def _with(fun: Callable[..., Any], args: Any) -> Callable[..., Any]:
    """A function of t and y with more arguments behind them."""
    if not args:
        return fun
    return lambda t, y: call(fun, t, y, *args)


def _vector(x: Any, message: str) -> Any:
    x = float_array(asarray(x))
    if not isinstance(x, Arrayed) or x.ndim != 1:
        raise ValueError(f"{message} ({user_site()})")
    return astype(x, float)


@program
def _check(points: Any, start: Any, end: Any, direction: Any) -> None:
    low, high = min(start, end), max(start, end)
    if np.any((points < low) | (points > high)):
        raise ValueError("Values in `t_eval` are not within `t_span`.")
    if np.any(np.diff(points) * direction <= 0):
        raise ValueError("Values in `t_eval` are not properly sorted.")


@implements("scipy.integrate.odeint", runs=True)
def odeint(
    func: Any, y0: Any, t: Any, args: Any = (), rtol: Any = None, atol: Any = None, h0: Any = 0.0, hmax: Any = 0.0, tfirst: bool = False
) -> Any:
    """By RK45 with odeint's tolerances, 1.49e-8 each: it is no stiff method, as LSODA may be."""
    fun = func if tfirst else lambda t, y, *more: call(func, y, t, *more)
    times = _vector(t, "the times of odeint must be a vector")
    start, end = times[0], times[-1]
    rtol, atol = (1.49012e-8 if x is None else x for x in (rtol, atol))
    first, most = (None if h0 == 0.0 else h0), (math.inf if hmax == 0.0 else hmax)
    problem = _problem(_with(fun, args), "RK45", start, end, rtol, atol, first, most)
    y = asarray(y0)
    y = _vector(y if isinstance(y, Arrayed) else [y], "Initial condition y0 must be one-dimensional.")
    return solved(problem, start, y, times, True)[1].T
