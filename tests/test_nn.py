"""lantern_jit.nn: values beside NumPy's and by hand, derivatives of both orders, and steps that update in place."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.signal
import scipy.special

import lantern_jit as lj
from benchmarks.models import programs
from lantern_jit import nn

from .support import both, check, close, first

G = np.random.default_rng(7)


def normal(*shape: int, dtype: Any = np.float64) -> Any:
    return G.normal(size=shape).astype(dtype)


# ---- values, by other means
def convolved(x: Any, w: Any, strides: tuple[int, int], dilation: tuple[int, int], groups: int) -> Any:
    """One output at a time, by SciPy."""
    wide = np.zeros((*w.shape[:2], *((n - 1) * d + 1 for n, d in zip(w.shape[2:], dilation, strict=True))), w.dtype)
    wide[:, :, :: dilation[0], :: dilation[1]] = w
    per, outs = x.shape[1] // groups, len(w) // groups
    found = [
        [sum(scipy.signal.correlate2d(image[o // outs * per + c], wide[o, c], "valid") for c in range(per)) for o in range(len(w))]
        for image in x
    ]
    return np.array(found)[:, :, :: strides[0], :: strides[1]]


@pytest.mark.parametrize(
    ("images", "kernels", "strides", "dilation", "groups"),
    [
        ((2, 3, 6, 21), (4, 3, 3, 2), (1, 1), (1, 1), 1),
        ((2, 4, 7, 9), (4, 2, 3, 2), (2, 1), (1, 2), 2),
        ((1, 2, 5, 20), (2, 1, 1, 3), (1, 2), (2, 1), 2),
    ],
)
def test_convolutions(images: Any, kernels: Any, strides: Any, dilation: Any, groups: int) -> None:
    def f(x: Any, w: Any) -> Any:
        return nn.conv(x, w, None, strides, "valid", dilation, groups)

    x, w = normal(*images), normal(*kernels)
    for name, y in both(f, x, w).items():
        close(y, convolved(x, w, strides, dilation, groups), 1e-10, 1e-10, name)
    close(f(x, w), convolved(x, w, strides, dilation, groups), 1e-10, 1e-10)
    check(lambda x, w: np.sum(np.sin(f(x, w))), (x, w), argnums=(0, 1), order=2 if groups == 1 else 1)
    narrow = lj.jit(lj.grad(lambda x, w: np.sum(np.sin(f(x, w))), argnums=(0, 1)))
    for a, b in zip(narrow(x.astype(np.float32), w.astype(np.float32)), narrow(x, w), strict=True):
        assert a.dtype == np.float32
        close(a, b, 1e-4, 1e-4)


def test_padding() -> None:
    x, w, b = normal(2, 2, 5, 6), normal(3, 2, 3, 2), normal(3)
    line, kernel = normal(1, 2, 7), normal(3, 2, 3)

    def f(x: Any, w: Any, b: Any, line: Any, kernel: Any) -> Any:
        return [
            nn.conv(x, w, b, padding="same"), nn.conv(x, w, b, 2, "same"), nn.conv(x, w, b, padding=1), nn.conv(x, w, b, padding=((2, 0), 1)),
            nn.conv1d(line, kernel, b), nn.conv1d(line, kernel, padding="same"), nn.conv1d(line, kernel, padding=(2, 1), stride=2),
            nn.max_pool(x, 2), nn.max_pool(x, (2, 3), 1), nn.max_pool(x, 3, 2, "same"), nn.avg_pool(x), nn.avg_pool(x, 3, 2, 1),
        ]  # fmt: skip

    def valid(x: Any, *around: Any) -> Any:
        return convolved(np.pad(x, ((0, 0), (0, 0), *around)), w, (1, 1), (1, 1), 1) + b[:, None, None]

    flat = convolved(np.pad(line, ((0, 0), (0, 0), (1, 1)))[:, :, None], kernel[:, :, None], (1, 1), (1, 1), 1)[:, :, 0]
    more = convolved(np.pad(line, ((0, 0), (0, 0), (2, 1)))[:, :, None], kernel[:, :, None], (1, 2), (1, 1), 1)[:, :, 0]
    low, zero = (np.pad(x, ((0, 0), (0, 0), (1, 1), around), constant_values=v) for v, around in ((-np.inf, (0, 1)), (0.0, (1, 1))))
    expected = [
        valid(x, (1, 1), (0, 1)), valid(x, (1, 1), (0, 0))[:, :, ::2, ::2], valid(x, (1, 1), (1, 1)), valid(x, (2, 0), (1, 1)),
        flat[:, :, 1:-1] + b[:, None], flat, more,
        x[:, :, :4].reshape(2, 2, 2, 2, 3, 2).max(axis=(3, 5)), np.maximum.reduce([x[:, :, p : p + 4, q : q + 4] for p in range(2) for q in range(3)]),
        np.maximum.reduce([low[:, :, p : p + 5 : 2, q : q + 5 : 2] for p in range(3) for q in range(3)]),
        x[:, :, :4].reshape(2, 2, 2, 2, 3, 2).mean(axis=(3, 5)),
        sum(zero[:, :, p : p + 5 : 2, q : q + 6 : 2][:, :, :3, :3] for p in range(3) for q in range(3)) / 9,
    ]  # fmt: skip
    for found in (lj.jit(f)(x, w, b, line, kernel), f(x, w, b, line, kernel)):
        for i, (y, wanted) in enumerate(zip(found, expected, strict=True)):
            close(y, wanted, 1e-10, 1e-10, str(i))


def functions(x: Any, index: Any, weights: Any, training: bool) -> dict[str, Any]:
    """Of (n, 3, 2) numbers, most of what has no parameters of its own."""
    n = len(x)
    logits = x.reshape(n, 6)
    normed, mean, variance = nn.batch_norm(x, weights, weights - 1, weights * 2, weights**2, training)
    return {
        "relu": nn.relu(x), "leaky": nn.leaky_relu(x), "elu": nn.elu(x), "gelu": nn.gelu(x), "tanh": nn.gelu(x, approximate=True),
        "sigmoid": nn.sigmoid(x), "silu": nn.silu(x), "softplus": nn.softplus(x), "softmax": nn.softmax(x), "log_softmax": nn.log_softmax(x, axis=1),
        "ints": nn.cross_entropy(logits, index), "many": nn.cross_entropy(x, index[:, None] % 2 + np.zeros(3, int)),
        "one": nn.cross_entropy(logits[0], index[0]), "parts": nn.cross_entropy(logits, nn.softmax(logits[::-1])),
        "binary": nn.binary_cross_entropy(logits, (logits > 0.3).astype(x.dtype)), "norm": normed, "mean": mean, "variance": variance,
        "layer": nn.layer_norm(x, weights[:2], weights[1:]), "layers": nn.layer_norm(x, axes=(-2, -1)), "rows": nn.embedding(logits, index % n),
    }  # fmt: skip


def expected(x: Any, index: Any, weights: Any, training: bool) -> dict[str, Any]:
    n, s = len(x), scipy.special
    logits, phi = x.reshape(n, 6), s.ndtr(x)
    sp = np.log1p(np.exp(x))
    mean, variance = (x.mean(axis=(0, 2)), x.var(axis=(0, 2))) if training else (weights * 2, weights**2)
    wide = weights[:, None]
    d, parts = x - x.mean(axis=-1, keepdims=True), s.softmax(logits, axis=1)
    e = x - x.mean(axis=(1, 2), keepdims=True)
    logs = s.log_softmax(logits, axis=1)
    return {
        "relu": np.where(x > 0, x, 0), "leaky": np.where(x > 0, x, 0.01 * x), "elu": np.where(x > 0, x, np.exp(x) - 1), "gelu": x * phi,
        "tanh": x * s.expit(1.5957691216057308 * (x + 0.044715 * x**3)), "sigmoid": s.expit(x), "silu": x * s.expit(x), "softplus": sp,
        "softmax": s.softmax(x, axis=-1), "log_softmax": s.log_softmax(x, axis=1), "ints": -logs[np.arange(n), index],
        "many": -np.take_along_axis(s.log_softmax(x, axis=-1), (index[:, None] % 2 + np.zeros(3, int))[..., None], -1)[..., 0],
        "one": -logs[0, index[0]], "parts": -np.sum(parts[::-1] * logs, axis=1),
        "binary": -np.log(np.where(logits > 0.3, s.expit(logits), s.expit(-logits))),
        "norm": (x - mean[:, None]) / np.sqrt(variance[:, None] + 1e-5) * wide + wide - 1,
        "mean": 0.9 * 2 * weights + 0.1 * mean if training else 2 * weights,
        "variance": 0.9 * weights**2 + 0.1 * x.var(axis=(0, 2), ddof=1) if training else weights**2,
        "layer": d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-5) * weights[:2] + weights[1:],
        "layers": e / np.sqrt((e * e).mean(axis=(1, 2), keepdims=True) + 1e-5), "rows": logits[index % n],
    }  # fmt: skip


def test_functions_without_parameters() -> None:
    x, index, weights = normal(4, 3, 2), np.array([5, 0, 3, 3]), 1 + 0.1 * normal(3)
    for f in (functions, lj.jit(functions, static_argnames="training")):
        close(f(x, index, weights, training=True), expected(x, index, weights, True), 1e-9, 1e-9)
        wanted = expected(x, index, weights, False)
        for name, y in f(x.astype(np.float32), index, weights.astype(np.float32), training=False).items():
            assert y.dtype == np.float32, name
            close(y, wanted[name], 2e-5, 2e-5, name)


@pytest.mark.parametrize("order", first(1, (1, 2)))
def test_derivatives_of_functions_without_parameters(order: int) -> None:
    index, c = np.array([5, 0]), {k: normal(*np.shape(v)) for k, v in functions(normal(2, 3, 2), np.array([5, 0]), normal(3), True).items()}

    def f(x: Any, weights: Any) -> Any:
        found = functions(x, index, weights, training=True)
        return sum(np.sum(c[name] * found[name]) for name in found)

    lj.check_grads(f, (normal(2, 3, 2), 1 + 0.1 * normal(3)), order=order)


# ---- sequences
def alignments(log_probs: Any, labels: Any, blank: int) -> float:
    """The same by all alignments, one after another."""
    steps, classes = log_probs.shape
    total = 0.0
    for path in itertools.product(range(classes), repeat=steps):
        merged = [k for i, k in enumerate(path) if k != blank and (i == 0 or path[i - 1] != k)]
        if merged == list(labels):
            total += np.exp(sum(log_probs[t, k] for t, k in enumerate(path)))
    return -np.log(total)


def test_connectionist_temporal_classification() -> None:
    def f(logits: Any, labels: Any) -> Any:
        return nn.ctc_loss(nn.log_softmax(logits), labels, blank=1)

    logits, jitted = normal(5, 3), lj.jit(f)
    for labels in ([0], [0, 2], [2, 2], [0, 0, 2], []):
        wanted = alignments(scipy.special.log_softmax(logits, axis=1), labels, 1)
        for g in (f, jitted):
            assert np.isclose(g(logits, np.array(labels, int)), wanted)
    lj.check_grads(lambda x: f(x, np.array([2, 2, 0])), (logits,), order=1)
    assert jitted(logits, np.array([2, 2, 2, 2])) > 1e29
    assert lj.jit(lj.grad(f))(logits.astype(np.float32), np.array([0, 2])).dtype == np.float32


def weights(gates: int, bias: str = "b") -> dict[str, Any]:
    return {"w": normal(2, 3 * gates), "u": 0.3 * normal(3, 3 * gates), **{name: normal(3 * gates) for name in bias}}


def recurrent(xs: Any, h: Any, c: Any, simple: Any, long: Any, gated: Any) -> Any:
    return nn.rnn(xs, h, simple), nn.lstm(xs, h, c, long), nn.gru(xs, h, gated)


def step_by_step(xs: Any, h: Any, c: Any, simple: Any, long: Any, gated: Any) -> Any:
    h1 = h2 = h3 = h
    found: Any = [], [], []
    for x in xs:
        h1, (h2, c), h3 = nn.rnn_cell(x, h1, simple), nn.lstm_cell(x, h2, c, long), nn.gru_cell(x, h3, gated)
        for states, now in zip(found, (h1, h2, h3), strict=True):
            states.append(now)
    r, s, t = map(np.array, found)
    return (r, h1), (s, h2, c), (t, h3)


@pytest.mark.parametrize("batch", first(1, [(4,), ()]))
def test_recurrent_networks(batch: tuple[int, ...]) -> None:
    args = normal(3, *batch, 2), normal(*batch, 3), normal(*batch, 3), weights(1), weights(4), weights(3, "bc")
    x, h, _, _, _, p = args
    r, z, _ = np.split(scipy.special.expit(x[0] @ p["w"] + p["b"] + h @ p["u"] + p["c"]), 3, axis=-1)
    candidate = np.tanh((x[0] @ p["w"] + p["b"])[..., 6:] + r * (h @ p["u"] + p["c"])[..., 6:])
    close(step_by_step(*args)[2][0][0], (1 - z) * candidate + z * h, 1e-10, 1e-10)
    for f in (recurrent, lj.jit(recurrent)):
        close(f(*args), step_by_step(*args), 1e-10, 1e-10)

    def loss(*args: Any) -> Any:
        return sum(np.sum(np.sin(y)) for results in recurrent(*args) for y in results)

    lj.check_grads(loss, args, order=1, modes="rev")


# ---- weights and steps
def test_initial_weights() -> None:
    def f(rng: Any) -> Any:
        return [
            make(rng, shape, np.float32)
            for make, shape in (
                (nn.glorot_uniform, (30, 50)),
                (nn.glorot_normal, (30, 50)),
                (nn.he_uniform, (50, 3, 5, 5)),
                (nn.he_normal, (50, 3, 5, 5)),
            )
        ]

    found = f(np.random.default_rng(0))
    for w, variance in zip(found, (2 / 80, 2 / 80, 2 / 75, 2 / 75), strict=True):
        assert w.dtype == np.float32
        assert abs(w.var() / variance - 1) < 0.1
    for w, same in zip(found, lj.jit(f)(np.random.default_rng(0)), strict=True):
        close(w, same, 1e-6, 1e-6)
    with pytest.raises(ValueError, match="weights of shape \\(3,\\) have no fan: give a shape of at least two axes"):
        nn.he_normal(np.random.default_rng(0), (3,))


def steps(params: Any, slopes: Any, states: Any) -> Any:
    """One of each optimiser, on parameters of its own."""
    clipped, norm = nn.clip_by_norm(slopes, 1.0)
    nn.sgd_step(params[0], clipped, 0.1)
    nn.momentum_step(params[1], slopes, states[1], 0.1)
    nn.momentum_step(params[2], slopes, states[2], 0.1, nesterov=True)
    nn.adagrad_step(params[3], slopes, states[3], 0.1)
    nn.rmsprop_step(params[4], slopes, states[4], 0.1)
    nn.adam_step(params[5], slopes, states[5], 0.1)
    nn.adamw_step(params[6], slopes, states[6], 0.1)
    return norm


def by_hand(w: Any, g: Any, n: int, norm: float) -> list[Any]:
    """The parameter after n steps with the same slope."""
    out = [w - n * 0.1 * g / norm]
    v = np.cumsum(0.9 ** np.arange(n))
    out += [w - 0.1 * g * v.sum(), w - 0.1 * g * (1 + 0.9 * v).sum(), w - 0.1 * np.sign(g) * sum(1 / np.sqrt(np.arange(1, n + 1)))]
    out += [w - 0.1 * np.sign(g) * sum(1 / np.sqrt(1 - 0.99 ** np.arange(1, n + 1))), w - n * 0.1 * np.sign(g)]
    decayed = w
    for _ in range(n):
        decayed = decayed - 0.1 * np.sign(g) - 0.001 * decayed
    return [*out, decayed]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_optimisers(dtype: Any) -> None:
    def make() -> Any:
        return {"w": np.array([1.0, 2.0], dtype), "more": [np.ones((2, 1), dtype)]}

    slopes = {"w": np.array([3.0, -4.0], dtype), "more": [np.full((2, 1), 6.0, dtype)]}
    norm = (9 + 16 + 72) ** 0.5
    initial = (lambda p: {}, nn.momentum, nn.momentum, nn.adagrad, nn.rmsprop, nn.adam, nn.adam)
    for f in (steps, lj.jit(steps)):
        params = [make() for _ in initial]
        states = [make_state(p) for make_state, p in zip(initial, params, strict=True)]
        held = params[5]["w"]
        for _ in range(3):
            assert np.isclose(f(params, slopes, states), norm)
        assert params[5]["w"] is held
        for i, (p, w, m) in enumerate(zip(params, by_hand(make()["w"], slopes["w"], 3, norm), by_hand(1.0, 6.0, 3, norm), strict=True)):
            assert p["w"].dtype == dtype
            close(p["w"], w, 1e-5, 1e-5, str(i))
            close(p["more"][0], np.full((2, 1), m), 1e-5, 1e-5, str(i))


def test_l_bfgs() -> None:
    def f(p: Any, a: Any) -> Any:
        x = np.concatenate((p["x"], p["y"].reshape(-1)))
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (a - x[:-1]) ** 2)

    start = {"x": np.zeros(2), "y": np.full((2, 1), -0.5)}
    for minimise in (nn.lbfgs, lj.jit(nn.lbfgs, static_argnums=0)):
        found, value = minimise(f, start, 1.0)
        assert value < 1e-12
        close(found, {"x": np.ones(2), "y": np.ones((2, 1))}, 1e-6, 1e-6)


def test_a_network_is_trained_in_one_step() -> None:
    """The same losses as without jit, dropped elements among them; gradients of examples by vmap add up to that of all."""
    rng = np.random.default_rng(3)
    params = {"k": nn.he_normal(rng, (2, 1, 3, 3)), "b": np.zeros(2), "w": nn.glorot_uniform(rng, (18, 3)), "c": np.zeros(3)}
    x, labels = normal(6, 1, 8, 8), np.array([0, 1, 2, 0, 1, 2])

    def loss(p: Any, x: Any, labels: Any, rng: Any) -> Any:
        y = nn.relu(nn.max_pool(nn.conv(x, p["k"], p["b"]))).reshape(len(x), 18)
        return np.sum(nn.cross_entropy((nn.dropout(y, 0.2, rng) if rng is not None else y) @ p["w"] + p["c"], labels))

    def step(p: Any, state: Any, x: Any, labels: Any, rng: Any) -> Any:
        value, slopes = lj.value_and_grad(loss)(p, x, labels, rng)
        nn.adagrad_step(p, slopes, state, 0.1)
        return value

    losses = []
    for f in (step, lj.jit(step)):
        p, rng = {k: v.copy() for k, v in params.items()}, np.random.default_rng(4)
        state = nn.adagrad(p)
        losses.append([f(p, state, x, labels, rng) for _ in range(12)])
    close(losses[1], losses[0], 1e-9, 1e-9)
    assert losses[0][-1] < 0.3 * losses[0][0]
    each = lj.jit(lj.vmap(lambda x, k: lj.grad(loss)(params, x[None], k[None], None)))(x, labels)
    close({k: v.sum(axis=0) for k, v in each.items()}, lj.jit(lj.grad(loss))(params, x, labels, None), 1e-9, 1e-9)


# ---- what is refused
@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x, w: nn.conv(x, w[:, :1]), ValueError, "the channels of images are not those of kernels, times the groups: sizes 2 and 1"),
        (
            lambda x, w: nn.conv(x[0], w),
            ValueError,
            r"conv takes images \(n, c, h, w\) and kernels \(o, c, p, q\), not arrays of 3 and 4 axes",
        ),
        (lambda x, w: nn.conv(x, w.astype(np.float32)), TypeError, "of one dtype, not float64 and float32: convert one of them"),
        (lambda x, w: nn.conv(x, w, strides=0), ValueError, "strides is 0: give a positive int"),
        (lambda x, w: nn.conv(x, w, padding="full"), ValueError, "padding is 'full': give"),
        (lambda x, w: nn.conv(x[:, :, :2], w), ValueError, "the kernel is larger than the image: pad it"),
        (lambda x, w: nn.max_pool(x, 9), ValueError, "the window is larger than the image: pad it"),
        (lambda x, w: nn.cross_entropy(x, np.zeros(3, int)), ValueError, "logits of 4 axes take labels of one axis less"),
        (lambda x, w: nn.cross_entropy(x[0, 0], np.array([0, 1, 2, 3, 9])), IndexError, "index 9 is out of bounds"),
        (lambda x, w: nn.sgd_step({"w": 1.0}, {"w": 1.0}, 0.1), TypeError, "which cannot be updated in place: make it an array"),
        (lambda x, w: nn.sgd_step({"w": w}, [], 0.1), ValueError, "parameters, slopes and state have 1, 0 arrays"),
    ],
)
def test_what_is_refused(f: Any, error: Any, message: str) -> None:
    x, w = normal(1, 2, 5, 6), normal(3, 2, 3, 3)
    for g in (f, lj.jit(f)):
        with pytest.raises(error, match=message):
            g(x, w)


def test_it_is_loaded_when_it_is_used() -> None:
    assert lj.nn is nn
    with pytest.raises(AttributeError, match="module 'lantern_jit' has no attribute 'nnn'"):
        _ = lj.nnn  # type: ignore[attr-defined]


# ---- the networks of the benchmarks
def test_gradients_of_the_networks_that_are_measured() -> None:
    """In float64, at small sizes, by differences."""
    g = np.random.default_rng(0)

    def wide(params: Any, scale: float = 1.0) -> Any:
        return {k: v.astype(float) * scale for k, v in params.items()}

    small = {"in": normal(4, 3), "u": normal(3, 3), "b": normal(3), "out": normal(3, 4), "c": normal(4)}
    letters, following = g.integers(0, 4, (3, 2)), g.integers(0, 4, (3, 2))
    lj.check_grads(lambda p: programs.rnn(p, letters, following), (small,), order=1, modes="rev")
    grown = programs.make_tree(g, 4, np.array([-1.0, 1.0]))
    embeddings = normal(2, 3)
    params = wide(programs.tree_parameters(2, 3, 3), 2.0)
    grown = (*grown[:3], grown[3] % 3, grown[4])
    lj.check_grads(lambda p: programs.tree(p, embeddings, *grown), (params,), order=1, modes="rev")
    assert np.isclose(lj.jit(programs.tree)(params, embeddings, *grown), programs.tree(params, embeddings, *grown))
