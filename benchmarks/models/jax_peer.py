"""The same networks in JAX: a step is compiled, and given its parameters and state to keep."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from benchmarks.models.programs import CLIP

Step = Callable[[], float]


def makers(jax: Any) -> dict[str, dict[str, Callable[..., Step]]]:
    """By network, and what it is called there: (params, data) -> step. No trees: JAX has no recursion."""
    jnp, lax, sigmoid = jax.numpy, jax.lax, jax.nn.sigmoid

    def entropy(logits: Any, labels: Any) -> Any:
        return jax.nn.logsumexp(logits, axis=1) - logits[jnp.arange(len(labels)), labels]

    def predicted(p: Any, hs: Any, following: Any) -> Any:
        return jnp.sum(entropy(hs.reshape(-1, hs.shape[2]) @ p["out"] + p["c"], following.reshape(-1)))

    def rnn(p: Any, letters: Any, following: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = jnp.tanh(x + h @ p["u"])
            return h, h

        zeros = jnp.zeros((letters.shape[1], p["u"].shape[0]), jnp.float32)
        return predicted(p, lax.scan(step, zeros, p["in"][letters] + p["b"])[1], following)

    def lstm(p: Any, letters: Any, following: Any) -> Any:
        n = p["u"].shape[0]

        def step(state: Any, x: Any) -> Any:
            h, c = state
            gates = x + h @ p["u"]
            i, f, o = (sigmoid(gates[:, k * n : (k + 1) * n]) for k in range(3))
            c = f * c + i * jnp.tanh(gates[:, 3 * n :])
            h = o * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((letters.shape[1], n), jnp.float32)
        return predicted(p, lax.scan(step, (zeros, zeros), p["in"][letters] + p["b"])[1], following)

    def images(p: Any, x: Any, labels: Any, key: Any, rate: float) -> Any:
        def layer(x: Any, k: Any, b: Any) -> Any:
            y = lax.conv_general_dilated(x, k, (1, 1), "VALID") + b[:, None, None]
            return jax.nn.relu(lax.reduce_window(y, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"))

        y = layer(layer(x, p["k1"], p["b1"]), p["k2"], p["b2"]).reshape(len(x), 320)
        y = jax.nn.relu(y @ p["w1"] + p["c1"])
        y = jnp.where(jax.random.uniform(key, y.shape) < rate, 0.0, y / (1 - rate))
        return jnp.mean(entropy(y @ p["w2"] + p["c2"], labels))

    def characters(loss: Any, params: Any, *data: Any) -> Step:
        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def step(p: Any, s: Any, *data: Any) -> Any:
            value, slopes = jax.value_and_grad(loss)(p, *data)
            g = {k: jnp.clip(v, -CLIP, CLIP) for k, v in slopes.items()}
            s = {k: s[k] + g[k] * g[k] for k in p}
            return value, {k: p[k] - 0.1 * g[k] / (jnp.sqrt(s[k]) + 1e-8) for k in p}, s

        return kept(step, params, data)

    def kept(step: Any, params: Any, data: Any) -> Step:
        p = {k: jnp.array(v) for k, v in params.items()}
        s = {k: jnp.zeros_like(v) for k, v in p.items()}
        given = [jnp.asarray(a) for a in data]

        def run() -> float:
            nonlocal p, s
            value, p, s = step(p, s, *given)
            return float(value)

        return run

    def pictures(params: Any, x: Any, labels: Any, rate: float) -> Step:
        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def step(p: Any, s: Any, x: Any, labels: Any, key: Any) -> Any:
            s, key = {**s}, s.pop("key")
            key, own = jax.random.split(key)
            value, g = jax.value_and_grad(images)(p, x, labels, own, rate)
            s = {k: 0.5 * s[k] + g[k] for k in p}
            return value, {k: p[k] - 0.01 * s[k] for k in p}, {**s, "key": key}

        p = {k: jnp.array(v) for k, v in params.items()}
        s = {**{k: jnp.zeros_like(v) for k, v in p.items()}, "key": jax.random.key(0)}
        given = jnp.asarray(x), jnp.asarray(labels)

        def run() -> float:
            nonlocal p, s
            value, p, s = step(p, s, *given, None)
            return float(value)

        return run

    return {
        "rnn": {"JAX": functools.partial(characters, rnn)},
        "lstm": {"JAX": functools.partial(characters, lstm)},
        "images": {"JAX": pictures},
    }
