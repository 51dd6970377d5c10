"""The programs of examples/gallery, small: a fact that each claims, and its gradient against central differences of the plain program."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.values import pytree

GALLERY = Path(__file__).parent.parent / "examples" / "gallery"
PROGRAMS = sorted(str(path.relative_to(GALLERY)) for path in GALLERY.rglob("*.py"))


def program(name: str) -> ModuleType:
    """A file of the gallery, which is no package, as a module."""
    key = f"gallery_{Path(name).stem}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, GALLERY / name)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[key] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[key])
    return sys.modules[key]


def differs(f: Any, *args: Any, h: float = 1e-5) -> float:
    """How far the slope of f by its first argument, along some direction, is from the central difference of the plain function, relatively."""
    value, gradient = lj.jit(lj.value_and_grad(f))(*args)
    leaves, tree = pytree.flatten(args[0])
    rng = np.random.default_rng(3)
    along = [rng.uniform(0.5, 1.5, np.shape(x)) for x in leaves]

    def at(step: float) -> float:
        moved = [np.asarray(x) + step * v for x, v in zip(leaves, along, strict=True)]
        moved = [x if x.shape else float(x) for x in moved]
        return float(f(pytree.unflatten(tree, moved), *args[1:]))

    assert math.isclose(at(0.0), value, rel_tol=1e-9), "the compiled value is not that of Python"
    slope = sum(float(np.sum(g * v)) for g, v in zip(pytree.flatten(gradient)[0], along, strict=True))
    expected = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    return abs(slope - expected) / max(abs(expected), 1e-3)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_can_be_read(name: str) -> None:
    lines = (GALLERY / name).read_text().splitlines()
    assert 40 <= len(lines) <= 150
    assert lines[0] == '"""'
    assert lines[2] == "=" * len(lines[1]), "a title, as sphinx-gallery reads it"
    assert any(line.startswith("# %%") for line in lines)
    assert hasattr(program(name), "main")
    assert hasattr(program(name), "picture")


def test_a_program_runs_as_a_script_and_draws(tmp_path: Path) -> None:
    """In a process of its own, in which nothing but the program imports the library."""
    picture = tmp_path / "picture.png"
    script = [sys.executable, str(GALLERY / "simulation" / "cart_pole.py"), str(picture)]
    done = subprocess.run(script, capture_output=True, text=True, check=False, env={**os.environ, "MPLBACKEND": "agg"})
    assert done.returncode == 0, done.stderr
    assert "stands at the end" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


# ---- statistics
def test_nuts() -> None:
    m = program("statistics/nuts.py")
    found = m.main(warm=300, draws=2000)
    mean, spread = m.exact()
    assert abs(np.mean(found["draws"][:, 0]) - mean) < 0.6
    assert abs(np.mean(np.exp(found["draws"][:, 1])) - spread) < 0.8
    assert differs(m.log_density, np.linspace(-1.0, 1.0, 10)) < 1e-8


def test_kalman() -> None:
    m = program("statistics/kalman.py")
    found = m.main(days=100)
    assert np.isnan(found["seen"]).any()
    assert np.all(np.abs(found["theta"] - np.log(m.TRUE)) < 4 * found["error"])
    assert np.mean(np.abs(found["filtered"][:, 0] - found["level"]) < 3 * found["filtered"][:, 1]) > 0.9
    assert differs(m.loss, np.array([0.1, -0.5, 0.2]), found["seen"]) < 1e-7


def test_hmm() -> None:
    m = program("statistics/hmm.py")
    found = m.main(n=300, steps=20)
    assert np.max(np.abs(found["states"] - found["peer"])) < 1e-9
    assert np.all(np.diff(found["history"]) > -1e-9), "a step of Baum-Welch never loses"
    assert differs(m.likelihood_of_rolls, *(np.log(x) for x in (np.array([0.4, 0.6]), m.MOVE, m.EMIT)), m.simulate(40)[1]) < 1e-7


def test_em() -> None:
    m = program("statistics/em.py")
    found = m.main(n=30, components=4, steps=15)
    assert found["after"] < found["before"]
    data = m.simulate(20), m.simulate(20, seed=1), found["mean"], 10
    assert differs(m.held_out, np.array([-1.0, 0.5, -2.0]), *data) < 1e-6


def test_exact_inference() -> None:
    m = program("statistics/exact_inference.py")
    found = m.main(days=12, steps=50)
    assert math.isclose(found["given"], 0.284171835, abs_tol=1e-8)  # Russell and Norvig
    assert math.isclose(
        -m.loss(np.log(found["theta"] / (1 - found["theta"])), found["faulty"]), np.log(m.by_hand(found["theta"], found["faulty"]))
    )
    assert differs(m.loss, np.array([-1.0, -2.0, 0.5]), found["faulty"][4:]) < 1e-7


# ---- simulation
def test_american_option() -> None:
    m = program("simulation/american_option.py")
    found = m.main(steps=60, names=("price", "vanna"), shares=2)
    assert found["american"]["price"] > found["tree"]["price"] + 0.5, "waiting has a price"
    for name, error in (("price", 2e-3), ("vanna", 0.1)):
        assert math.isclose(found["tree"][name], found["formula"][name], rel_tol=error)
    assert differs(m.put, 95.0, *m.CASE[1:], 12, True) < 1e-7
    assert differs(m.FORMULA["gamma"], *m.CASE) < 1e-6  # of order 3


@pytest.mark.more
@pytest.mark.parametrize(("greek", "next_one"), [("delta", "gamma"), ("gamma", "speed")])
def test_greeks_of_the_american_option(greek: str, next_one: str) -> None:
    m = program("simulation/american_option.py")
    below, above = (m.TREE[greek](95.0 + h, *m.CASE[1:], 30, True) for h in (-1e-4, 1e-4))
    assert math.isclose(m.TREE[next_one](*m.CASE, 30, True), (above - below) / 2e-4, rel_tol=1e-5)


def test_epidemic() -> None:
    m = program("simulation/epidemic.py")
    found = m.main(weeks=10, tol=1e-6)
    assert np.max(np.abs(found["theta"] / found["true"] - 1)) < 0.3
    assert found["error"] < 1e-4
    total = lambda theta: np.sum(m.log_cases(theta, 3, 1e-3))  # noqa: E731
    assert differs(total, np.log(found["true"]), h=1e-6) < 1e-5


def test_cart_pole() -> None:
    m = program("simulation/cart_pole.py")
    found = m.main(steps=60, horizon=40, rounds=30)
    assert np.max(found["up"]) > 0.9, "the pole is up"
    assert differs(m.cost, np.linspace(-0.5, 0.5, 20), (0.1, -0.2, 2.5, 0.3)) < 1e-8


def test_cloth() -> None:
    m = program("simulation/cloth.py")
    found = m.main(n=5, steps=120, rounds=8)
    assert found["history"][-1] < 0.7 * found["history"][0]
    assert differs(m.loss, np.array([3.0, 0.1, 0.5]), found["start"], 0.2, 120) < 1e-6


def test_sphere_tracing() -> None:
    m = program("simulation/sphere_tracing.py")
    found = m.main(n=12, rounds=40)
    assert found["history"][-1] < 0.3 * found["history"][0]
    pixel = lambda scene: m.trace(-0.1, 0.0, scene) + m.trace(0.15, 0.05, scene)  # noqa: E731
    assert differs(pixel, found["true"]) < 1e-6


def test_wave() -> None:
    m = program("simulation/wave.py")
    found = m.main(n=16, steps=60, rounds=6)
    assert found["same"] < 1e-12
    assert found["misfits"][-1] < 0.2 * found["misfits"][0]
    assert differs(m.misfit, found["first"], found["shots"][:1], found["records"][:1]) < 1e-6


# ---- learning
def test_bilevel() -> None:
    m = program("learning/bilevel.py")
    found = m.main(features=8, n=20, rounds=20)
    assert found["difference"] < 1e-9
    assert found["after"] < found["before"]
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(10, 3)), rng.normal(size=10)
    assert differs(m.validation, np.array([-1.0, 0.0, 1.0]), x, y, x[::-1] + 0.1, y[::-1]) < 1e-6


def test_ctc() -> None:
    m = program("learning/ctc.py")
    found = m.main(count=6, length=3, rounds=15)
    logits, labels, exact = found["small"]
    assert math.isclose(m.ctc_loss(logits, labels), exact, rel_tol=1e-12)
    assert found["history"][-1] < 0.3 * found["history"][0]
    assert differs(m.ctc_loss, np.random.default_rng(1).normal(size=(7, 4)), np.array([2, 2, 1])) < 1e-7


def test_character_rnn() -> None:
    m = program("learning/character_rnn.py")
    found = m.main(n=4000, hidden=16, unroll=10)
    for name in ("RNN", "LSTM"):
        assert found[name][-100:].mean() < 0.85 * np.log(m.LETTERS)
    text, _ = m.markov_text(6)
    state = (np.linspace(-1, 1, 4), np.linspace(1, -1, 4))
    assert differs(lambda w: m.loss(w, state[:1], text, m.rnn)[0], m.weights(4, 1)) < 1e-7
    assert differs(lambda w: m.loss(w, state, text, m.lstm)[0], m.weights(4, 4)) < 1e-7


def test_tree_lstm() -> None:
    m = program("learning/tree_lstm.py")
    found = m.main(count=40, words=8, epochs=4, hidden=12, embedding=8)
    assert found["difference"] < 1e-12
    assert found["history"][-1] < 0.5 * found["history"][0]
    assert differs(m.loss, m.weights(3, 2), m.flatten(found["trees"][0])) < 1e-6


def test_convnet() -> None:
    m = program("learning/convnet.py")
    found = m.main(n=200, test=50, batch=20, epochs=2)
    assert found["history"][-1] < 0.9 * found["history"][0]
    image = np.random.default_rng(1).normal(size=(2, 3, 7, 7))
    layer = lambda w: np.sum(np.sin(m.pool(m.convolve(image, w["kernel"], w["bias"]))))  # noqa: E731
    assert differs(layer, {"kernel": image[:, :, :2, 2:6].copy(), "bias": np.array([0.1, -0.2])}) < 1e-6


@pytest.mark.more
def test_the_whole_convnet() -> None:
    m = program("learning/convnet.py")
    images, digits = m.draw_digits(2)
    f = lambda w: m.loss(w, images.astype(np.float64), digits, np.full((2, 50), 2.0))  # noqa: E731
    assert differs(f, m.weights(dtype=np.float64), h=1e-6) < 1e-5
