"""scipy.optimize's solvers of one equation in one number.

The root is found with everything held fixed: in an interval by bisection, to the last bit whatever tolerance is asked for, else by Newton's method
or the secant's. Two steps of Newton's, which do not move it, give its derivatives up to order 3: those of the implicit function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.sites import unsupported
from ...ops import table
from ...values.values import call
from ..common import fixed, jvp, program
from ..registry import implements

CLOSE = float(np.finfo(float).eps)


@program
def bracketed(f: Any, a: Any, b: Any) -> Any:
    low, high = fixed(1.0 * a), fixed(1.0 * b)
    at_low, at_high = fixed(f(low)), fixed(f(high))
    if np.isnan(at_low) or np.isnan(at_high):
        raise ValueError("The function value at an end of the interval is NaN; solver cannot continue.")
    if at_low == 0:
        return low
    if at_high == 0:
        return high
    if (at_low > 0) == (at_high > 0):
        raise ValueError("f(a) and f(b) must have different signs")
    while abs(high - low) > CLOSE * max(abs(low), abs(high)) and (low + high) / 2 != low and (low + high) / 2 != high:
        middle = (low + high) / 2
        here = fixed(f(middle))
        if here == 0:
            return middle
        if (here > 0) == (at_low > 0):
            low = middle
        else:
            high = middle
    return (low + high) / 2


@program
def stepped(f: Any, slope: Any, at: Any, tol: Any, rtol: Any, most: Any) -> Any:
    x = fixed(1.0 * at)
    for _ in range(most):
        here = fixed(f(x))
        if here == 0:
            return x
        by = fixed(slope(x))
        if by == 0:
            raise RuntimeError("Derivative was zero: Newton's method does not go on from there")
        following = x - here / by
        if abs(following - x) <= tol + rtol * abs(following):
            return following
        x = following
    raise RuntimeError("Newton's method failed to converge")


@program
def by_secants(f: Any, at: Any, second: Any, tol: Any, rtol: Any, most: Any) -> Any:
    x, y = fixed(1.0 * at), fixed(1.0 * second)
    at_x, at_y = fixed(f(x)), fixed(f(y))
    for _ in range(most):
        if at_y == 0:
            return y
        if at_x == at_y:
            raise RuntimeError("The secant is level: its method does not go on from there")
        following = y - at_y * (y - x) / (at_y - at_x)
        if abs(following - y) <= tol + rtol * abs(following):
            return following
        x, at_x, y, at_y = y, at_y, following, fixed(f(following))
    raise RuntimeError("The secant method failed to converge")


def differentiated(f: Callable[[Any], Any], root: Any) -> Any:
    """The root, which is a fixed number, with its derivatives by what f depends on."""
    for _ in range(2):
        value, slope = jvp(f, (root,), (1.0,))
        root = root - table.mul_zero(value - fixed(value), 1.0 / slope)
    return root


def _of_one(f: Any, args: Any, full_output: Any) -> Callable[[Any], Any]:
    if full_output is not False:
        unsupported("full_output= of a solver in compiled code", "leave it out")
    more = args if isinstance(args, tuple) else (args,)
    return lambda x: call(f, x, *more)


def _in_interval(
    f: Any,
    a: Any,
    b: Any,
    args: Any = (),
    xtol: Any = 2e-12,
    rtol: Any = 4 * CLOSE,
    maxiter: Any = 100,
    full_output: Any = False,
    disp: Any = True,
) -> Any:
    g = _of_one(f, args, full_output)
    return differentiated(g, bracketed(g, a, b))


for _name in ("brentq", "brenth", "bisect", "ridder"):
    implements(f"scipy.optimize.{_name}", gives="python", runs=True)(_in_interval)


@implements("scipy.optimize.newton", gives="python", runs=True)
def newton(
    func: Any, x0: Any, fprime: Any = None, args: Any = (), tol: Any = 1.48e-8, maxiter: Any = 50, fprime2: Any = None, x1: Any = None,
    rtol: Any = 0.0, full_output: Any = False, disp: Any = True,
) -> Any:  # fmt: skip
    if np.ndim(x0) or fprime2 is not None or disp is not True:
        unsupported(
            "newton() of an array, with fprime2= or with disp=False, in compiled code",
            "find one root of a number, or use lantern_jit.implicit",
        )
    g = _of_one(func, args, full_output)
    if fprime is not None:
        return differentiated(g, stepped(g, _of_one(fprime, args, False), x0, tol, rtol, maxiter))
    if x1 is None:
        x1 = x0 * (1.0 + 1e-4) + np.where(x0 >= 0, 1e-4, -1e-4)
    return differentiated(g, by_secants(g, x0, x1, tol, rtol, maxiter))
