"""solve_ivp and odeint in compiled code: SciPy's steps, events, derivatives through the steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import odeint, quad, solve_ivp
from scipy.optimize import brentq, fsolve, minimize, toms748

import lantern_jit as lj

P = np.array([1.5, 1.0, 3.0, 1.0])


def prey(t: float, z: Any, a: float, b: float, c: float, d: float) -> list[float]:
    x, y = z
    return [a * x - b * x * y, -c * y + d * x * y]


def test_the_steps_are_scipys() -> None:
    def f(p: Any) -> Any:
        s = solve_ivp(lambda t, z: prey(t, z, *p), (0, 15), [10.0, 5.0], rtol=1e-6)
        return s.t, s.y, s.nfev, s.status, s.success

    got, expected = lj.jit(f)(P), f(P)
    for x, y in zip(got, expected, strict=True):
        assert np.shape(x) == np.shape(y)
        np.testing.assert_allclose(x, y, rtol=1e-7)


def test_at_times_backwards_by_the_other_pair_and_with_bounds_of_the_step() -> None:
    def f(k: Any) -> Any:
        return solve_ivp(
            lambda t, y, k: -k * y + np.sin(t),
            (3.0, 0.0),
            [1.0, 2.0],
            "RK23",
            np.linspace(3, 0, 7),
            args=(k,),
            max_step=0.3,
            first_step=0.1,
        )

    got, expected = lj.jit(f)(0.7), f(0.7)
    np.testing.assert_allclose(got.y, expected.y, rtol=1e-12)
    np.testing.assert_array_equal(got.t, expected.t)
    assert (got.nfev, got["status"], got.t_events, got.message) == (expected.nfev, 0, None, expected.message)


def waves(t: float, y: Any, a: float) -> Any:
    return np.array([a * y[0] - y[0] * y[1], -y[1] + 0.7 * y[0] * y[1] + 0.1 * np.sin(t)])


def above_one(t: float, y: Any, a: float) -> Any:
    return y[0] - 1.0


def of_order_8(a: float, y: Any) -> Any:
    """At times, back in time, at all steps with events; and how often the function was called: the interpolant takes three times more."""
    times = np.linspace(0, 9, 13)
    there = solve_ivp(waves, (0, 9), y, "DOP853", times, args=(a,), rtol=1e-8, atol=1e-10)
    back = solve_ivp(waves, (9, 0), y, "DOP853", times[::-1], args=(a,), rtol=1e-7, max_step=1.5, first_step=0.1)
    events = solve_ivp(waves, (0, 9), y, "DOP853", args=(a,), events=above_one, rtol=1e-6)
    return [(s.t, s.y, s.nfev, s.status) for s in (there, back, events)], events.t_events, events.y_events


def test_by_the_pair_of_order_8() -> None:
    args = 1.1, np.array([1.5, 0.7])
    got, expected = lj.jit(of_order_8)(*args), of_order_8(*args)
    for (t, y, calls, status), (*wanted, w_calls, w_status) in zip(got[0], expected[0], strict=True):
        np.testing.assert_allclose(t, wanted[0], rtol=1e-7)  # differences of slopes are the steps' sizes: they lose half of the digits
        np.testing.assert_allclose(y, wanted[1], rtol=1e-7)
        assert (calls, status) == (w_calls, w_status)
    for k in (1, 2):
        np.testing.assert_allclose(got[k][0], expected[k][0], rtol=1e-10)


def test_gradients_by_the_pair_of_order_8() -> None:
    """y' = -k y: its end, at a tolerance at which the steps hardly matter, and by the interpolant the time when y is 1."""

    def f(k: Any) -> Any:
        return solve_ivp(lambda t, y: -k * y, (0, 2), [3.0], "DOP853", rtol=1e-11, atol=1e-12).y[0, -1]

    def stop(t: Any, y: Any) -> Any:
        return y[0] - 1.0

    def when(k: Any) -> Any:
        return solve_ivp(lambda t, y: -k * y, (0, 9), [3.0], "DOP853", events=stop, rtol=1e-11, atol=1e-12).t_events[0][0]

    k = 0.7
    exact = 3.0 * math.exp(-2 * k)
    found = lj.jit(lambda k: (f(k), lj.grad(f)(k), lj.jvp(lambda k: lj.jvp(f, (k,), (1.0,))[1], (k,), (1.0,))[1], lj.grad(when)(k)))(k)
    np.testing.assert_allclose(found, (exact, -2 * exact, 4 * exact, -math.log(3.0) / k**2), rtol=1e-8)


def test_gradients_go_through_the_steps() -> None:
    """y' = -k y, and the gradient by k at a tolerance at which the steps hardly matter."""

    def f(k: Any, start: Any, end: Any, y: Any) -> Any:
        return solve_ivp(lambda t, y: -k * y + t, (start, end), [y], rtol=1e-10, atol=1e-12).y[0, -1]

    def exact(k: float, start: float, end: float, y: float) -> float:
        particular = lambda t: t / k - 1 / k**2  # noqa: E731
        return particular(end) + (y - particular(start)) * math.exp(-k * (end - start))

    args, h = (0.7, 0.5, 2.0, 3.0), 1e-6
    found = lj.jit(lambda *xs: (lj.grad(f, (0, 1, 2, 3))(*xs), lj.grad(lambda k: lj.grad(f)(k, *xs[1:]))(xs[0])))(*args)
    for i, g in enumerate(found[0]):
        up, down = (exact(*(x + s * h * (i == j) for j, x in enumerate(args))) for s in (1, -1))
        assert abs(g - (up - down) / (2 * h)) < 1e-7
    h = 1e-4
    assert abs(found[1] - (exact(0.7 + h, *args[1:]) - 2 * exact(*args) + exact(0.7 - h, *args[1:])) / h**2) < 1e-5


def ground(t: float, y: Any) -> Any:
    return y[0]


def top(t: float, y: Any) -> Any:
    return y[1]


ground.terminal, ground.direction = True, -1  # type: ignore[attr-defined]


def thrown(v: Any, g: Any, *events: Any) -> Any:
    return solve_ivp(lambda t, y: [y[1], -g], (0, 100.0), [0.0, v], events=events, rtol=1e-9, atol=1e-9)


def test_events() -> None:
    got, expected = lj.jit(lambda v, g: thrown(v, g, ground, top))(10.0, 9.81), thrown(10.0, 9.81, ground, top)
    for name in ("t", "y", "status", "nfev"):
        np.testing.assert_allclose(got[name], expected[name], atol=1e-12)
    for x, y in zip((*got.t_events, *got.y_events), (*expected.t_events, *expected.y_events), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-12)
    assert got.message == expected.message


def flight(v: Any, g: Any) -> Any:
    return thrown(v, g, ground).t_events[0][0]


def test_derivatives_of_the_time_of_an_event() -> None:
    np.testing.assert_allclose(lj.jit(lj.grad(flight, (0, 1)))(10.0, 9.81), (2 / 9.81, -20 / 9.81**2), rtol=1e-9)


@pytest.mark.more
def test_second_derivatives_of_the_time_of_an_event() -> None:
    found = lj.jit(lj.grad(lambda v, g: lj.grad(flight, 1)(v, g), (0, 1)))(10.0, 9.81)
    np.testing.assert_allclose(found, (-2 / 9.81**2, 40 / 9.81**3), rtol=1e-9)


def test_odeint() -> None:
    def f(k: Any, t: Any) -> Any:
        return odeint(lambda y, t, k: [y[1], -k * np.sin(y[0])], [1.0, 0.0], t, args=(k,))

    t = np.linspace(0, 6, 20)
    np.testing.assert_allclose(lj.jit(f)(2.0, t), f(2.0, t), atol=2e-6)


def test_what_fails_is_told() -> None:
    def f(y: Any) -> Any:
        s = solve_ivp(lambda t, y: y * y, (0.0, 2.0), [y], t_eval=np.linspace(0, 2, 6))
        return s.success, s.status, s.y

    success, status, y = lj.jit(f)(1.0)  # infinite at 1
    assert (success, status) == (False, -1)
    assert np.isnan(y[0]).tolist() == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (
            lambda k: solve_ivp(lambda t, y: -k * y, (0, 1), [1.0], method="BDF"),
            "method='BDF' in compiled code .*use method='RK45', 'RK23' or 'DOP853'",
        ),
        (lambda k: solve_ivp(lambda t, y: -k * y, (0, 1), [1.0], dense_output=True), "dense_output=True in compiled code .*t_eval="),
        (lambda k: quad(lambda x: k * x, 0, 1), "scipy.integrate.quad in compiled code at .*fixed_quad"),
        (lambda k: fsolve(lambda x: x * x - k, [1.0])[0], "scipy.optimize.fsolve in compiled code at .*lantern_jit.implicit"),
        (lambda k: toms748(lambda x: x * x - k, 0, 3, xtol=1e-9), "scipy.optimize.toms748 in compiled code at .*lantern_jit.implicit"),
        (lambda k: minimize(lambda x: np.sum((x - k) ** 2), [0.0]), "scipy.optimize.minimize in compiled code at .*lantern_jit.implicit"),
    ],
)
def test_refusals_say_what_to_write(f: Any, message: str) -> None:
    with pytest.raises(lj.errors.UnsupportedOperationError, match=message):
        lj.jit(f)(2.0)


def test_what_knows_no_traced_value_runs_while_tracing() -> None:
    root = lj.jit(lambda x: x * brentq(lambda v: v * v - 2.0, 0, 3))(1.0)
    area = lj.jit(lambda x: x * quad(lambda v: v, 0, 2)[0])(1.0)
    assert (round(root, 12), area) == (round(2**0.5, 12), 2.0)


def test_times_outside_are_refused() -> None:
    with pytest.raises(ValueError, match="Values in `t_eval` are not within `t_span`"):
        lj.jit(lambda t: solve_ivp(lambda t, y: -y, (0, 1), [1.0], t_eval=t).y)(np.array([0.5, 1.5]))
