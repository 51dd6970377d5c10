"""Realistic programs, compiled as their users first wrote them: values, gradients, and the users' objects afterwards."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .programs import cloth, control, gaussian_process, hmm, nbody, network, options, store, survey, tracking, trees

R = np.random.default_rng(0)


def numbers(x: Any) -> list[Any]:
    """The numbers of a structure, in order."""
    if isinstance(x, dict):
        return [n for k in sorted(x) for n in numbers(x[k])]
    if isinstance(x, (list, tuple)):
        return [n for item in x for n in numbers(item)]
    return [float(n) for n in np.ravel(x)] if not isinstance(x, str) and x is not None else [x]


def moved(x: Any, direction: Any, step: float) -> Any:
    if isinstance(x, dict):
        return {k: moved(v, direction, step) for k, v in sorted(x.items())}
    if isinstance(x, list):
        return [moved(v, direction, step) for v in x]
    return x + step * direction.normal(size=np.shape(x)) if isinstance(x, np.ndarray) else x + step * direction.normal()


def slope(f: Callable[..., float], args: Any, step: float) -> float:
    """Of f along a random direction of its first argument."""
    ends = [f(moved(copy.deepcopy(args[0]), np.random.default_rng(1), s), *args[1:]) for s in (step, -step)]
    return (ends[0] - ends[1]) / (2 * step)


def network_data() -> Any:
    x = R.normal(size=(6, 2))
    shapes = {"w1": (2, 3), "b1": (3,), "w2": (3, 2), "b2": (2,), "w3": (2, 1), "b3": (1,)}
    return {**{k: 0.5 * R.normal(size=s) for k, s in shapes.items()}, "rate": 0.1}, x, np.sin(x @ np.array([[1.0], [0.5]]))


def train_loss(params: Any, x: Any, y: Any) -> Any:
    best, history = network.train(params, x, y, epochs=3, batch=3)
    return history[-1] + 0.1 * best


POSITIONS = [(1.0, options.Option(100.0, 1.0), "formula"), (-2.0, options.Option(95.0, 0.5, "put", True), "tree")]


def book(market: Any) -> Any:
    return options.portfolio(options.Market(**market), POSITIONS, bump=0.01)


def knocked_out(market: Any, draws: Any) -> Any:
    return options.monte_carlo(options.Option(100.0, 1.0), options.Market(**market), draws, barrier=140.0)


def implied(target: float) -> Any:
    return options.implied_volatility(target, options.Option(100.0, 1.0), options.Market(100.0, 0.02, 0.2))


ENSEMBLE = trees.Ensemble(
    [
        trees.Split(0, 0.5, trees.Leaf(1.0), trees.Split(1, 0.2, trees.Leaf(-1.0), trees.Leaf(0.5), softness=0.3)),
        trees.Split(1, 0.0, trees.Leaf(0.2), trees.Leaf(0.7), 0.5),
    ]
)


def boosted(rows: Any, targets: Any) -> Any:
    return trees.loss(ENSEMBLE, rows, targets)


def sagging(stiffness: float, wind: Any) -> Any:
    lowest, middle, energy = cloth.sag(stiffness, wind, steps=12)
    return lowest + middle @ np.array([1.0, 2.0, 3.0]) + energy


def flown(mass: float, speed: float, t_end: float) -> Any:
    x, drift = nbody.mission(mass, speed, t_end)
    return x + 10.0 * drift


THETA = {"means": [-1.0, 0.5, 2.0], "log_sds": [0.0, -0.2, 0.1], "stay": 1.2}
YS = np.concatenate([R.normal(-1.0, 0.5, 6), R.normal(2.0, 0.7, 6)])
GAINS = {"kp": 0.8, "ki": 0.05, "kd": 0.3}
MARKET = {"spot": 100.0, "rate": 0.03, "volatility": 0.2}
SURVEY = {"weights": {"area": 9.0, "rooms": 20.0, "balcony": 30.0}, "intercept": 100.0, "towns": {"Ulm": 20.0, "Jena": -50.0}}
GP = np.log([1.0, 2.0, 0.8, 0.05]), np.linspace(0.0, 4.0, 9), np.sin(np.linspace(0.0, 8.0, 9))
DEMANDS = np.abs(R.normal(4.0, 2.0, 10))

SCANS = np.stack([np.array([[3.0 + 0.9 * t, 0.3], [2.5, 0.2 + 0.1 * t]]) for t in range(6)]) + R.normal(size=(6, 2, 2)) * 0.05
SCANS[2, 1] = np.nan
RADARS = [tracking.Radar((-3.0, 0.0)), tracking.Radar((2.0, -2.0))]


def tracked(params: Any) -> Any:
    return tracking.track(params, SCANS, RADARS)


PROGRAMS: dict[str, tuple[Callable[..., Any], Any, float]] = {
    "nbody": (flown, (0.01, 1.0, 0.3), 1e-5),
    "network": (train_loss, network_data(), 1e-5),
    "options": (book, (MARKET,), 1e-5),
    "paths": (knocked_out, (MARKET, R.normal(size=(4, 3))), 1e-5),
    "hmm": (hmm.loss, (THETA, YS), 1e-5),
    "control": (control.cost, (GAINS,), 1e-6),
    "trees": (boosted, (R.normal(size=(7, 2)), R.normal(size=7)), 1e-6),
    "cloth": (sagging, (60.0, np.array([0.3, 0.2, 0.1])), 1e-4),
    "gaussian_process": (gaussian_process.negative_log_likelihood, GP, 1e-5),
    "survey": (survey.objective, (SURVEY,), 1e-4),
    "tracking": (tracked, ({"speed_noise": 0.02, "turn_noise": 0.01, "scale": 1.2},), 1e-6),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_and_gradients(name: str) -> None:
    f, args, step = PROGRAMS[name]
    want = f(*copy.deepcopy(args))
    before = copy.deepcopy(args)
    ways = [lj.jit(lj.value_and_grad(f)), lj.value_and_grad(f)]
    expected = slope(f, args, step)
    for way in ways:
        value, g = way(*args)
        assert np.allclose(value, want, rtol=1e-9)
        along = np.array(numbers(moved(args[0], np.random.default_rng(1), 1.0))) - np.array(numbers(args[0]))
        assert np.allclose(np.dot(numbers(g), along), expected, rtol=1e-4, atol=1e-7)
    assert numbers(args) == numbers(before)


CALLS: dict[str, tuple[Callable[..., Any], Any]] = {
    "implied": (implied, (9.0,)),
    "control": (lambda gains: control.cost(gains, trace=True), (GAINS,)),
    "forecast": (gaussian_process.forecast, (*GP, np.array([0.3, 4.5]))),
    "store": (lambda settings, demands: store.cost_of("base", settings, demands), ({"level": 12.0}, DEMANDS)),
    "survey": (lambda w: survey.summary(survey.Model({"area": w}, 1.0, {})), (9.0,)),
}


@pytest.mark.parametrize("name", CALLS)
def test_values(name: str) -> None:
    f, args = CALLS[name]
    got, want = numbers(lj.jit(f)(*args)), numbers(f(*args))
    assert len(got) == len(want)
    assert np.allclose(got, want, rtol=1e-9)


def test_objects_stay_what_they_are() -> None:
    leaves = trees.leaves(ENSEMBLE.trees[0])
    inside, records = copy.deepcopy(ENSEMBLE.trees), copy.deepcopy(survey.RECORDS)
    lj.jit(lj.grad(boosted))(*PROGRAMS["trees"][1])
    lj.grad(survey.objective)(SURVEY)
    assert all(a is b for a, b in zip(leaves, trees.leaves(ENSEMBLE.trees[0]), strict=True))
    assert ENSEMBLE.trees == inside
    assert records == survey.RECORDS
    assert vars(cloth.Cloth)["gravity"].tolist() == [0.0, 0.0, -9.81]


def test_one_specialisation_for_every_number() -> None:
    jitted = lj.jit(hmm.loss)
    for n in (5, 7, 12):
        assert np.allclose(jitted(THETA, YS[:n]), hmm.loss(THETA, YS[:n]))
    assert len(jitted.specialisations) == 1


def test_errors_of_the_program_are_python_s() -> None:
    with pytest.raises(ValueError, match="unknown method 'guess'"):
        lj.jit(lambda m: options.price(POSITIONS[0][1], options.Market(m, 0.0, 0.2), "guess"))(100.0)
    with pytest.raises(KeyError, match="no activation 'swish'"):
        lj.jit(lambda x: network.Dense(np.eye(2), np.zeros(2), "swish")(x))(np.ones((1, 2)))
    with pytest.raises(ValueError, match="no policy lucky"):
        lj.jit(lambda d: store.cost_of("lucky", {}, d))(DEMANDS)
