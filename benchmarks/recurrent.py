"""`python -m benchmarks.recurrent`: recurrent networks, sums in loops and k-means; gradients beside their own programs, and beside JAX's where it is
installed, on one core. A gradient of a network is followed by a step along it.

Before timing: values are NumPy's, and all results JAX's where it has the program.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import arrays
from benchmarks.agreement import require_close
from benchmarks.timing import FULL, python_batch, race

Floats = Any
STEPS, HIDDEN, VOCABULARY = 20, 50, 26


# ---- the programs
def lstm(rows: Floats, w: Floats, b: Floats, v: Floats, c0: Floats, letters: Any, following: Any) -> Any:
    """The loss of predicting the next letter; `rows` has the product of each letter with the input weights."""
    batch, n = letters.shape[1], w.shape[0]
    h = c = np.zeros((batch, n), w.dtype)
    each, loss = np.arange(batch), w.dtype.type(0)
    for t in range(letters.shape[0]):
        gates = rows[letters[t]] + h @ w + b
        i, f, o = (1 / (1 + np.exp(-gates[:, k * n : (k + 1) * n])) for k in range(3))
        c = f * c + i * np.tanh(gates[:, 3 * n :])
        h = o * np.tanh(c)
        y = h @ v + c0
        largest = np.max(y, axis=1)
        loss = loss + np.sum(largest + np.log(np.sum(np.exp(y - largest[:, None]), axis=1)) - y[each, following[t]])
    return loss


def k_means(centres: Floats, points: Floats) -> Any:
    d = points[:, None, :] - centres
    return np.sum(np.min(np.sum(d * d, axis=2), axis=1))


def jax_programs(jax: Any) -> dict[str, Callable[..., Any]]:
    jnp, sigmoid = jax.numpy, jax.nn.sigmoid

    def lstm(rows: Any, w: Any, b: Any, v: Any, c0: Any, letters: Any, following: Any) -> Any:
        n, each = w.shape[0], jnp.arange(letters.shape[1])

        def step(state: Any, now: Any) -> Any:
            (h, c, loss), (letter, next_one) = state, now
            gates = rows[letter] + h @ w + b
            i, f, o = (sigmoid(gates[:, k * n : (k + 1) * n]) for k in range(3))
            c = f * c + i * jnp.tanh(gates[:, 3 * n :])
            h = o * jnp.tanh(c)
            y = h @ v + c0
            return (h, c, loss + jnp.sum(jax.scipy.special.logsumexp(y, axis=1) - y[each, next_one])), None

        zeros = jnp.zeros((letters.shape[1], n), w.dtype)
        return jax.lax.scan(step, (zeros, zeros, jnp.zeros((), w.dtype)), (letters, following))[0][2]

    def k_means(centres: Any, points: Any) -> Any:
        d = points[:, None, :] - centres
        return jnp.sum(jnp.min(jnp.sum(d * d, axis=2), axis=1))

    return {**arrays.jax_programs(jax), "lstm": lstm, "k_means": k_means}


# ---- the cases
@dataclass(frozen=True)
class Case:
    """`how`: what is timed: the gradient, with a step along it, or with the Hessian times ones. `asked` beside JAX, or beside its own program."""

    name: str
    program: Callable[..., Any]
    argnums: tuple[int, ...]
    arguments: tuple[Any, ...]
    how: str
    asked: str


def cases() -> list[Case]:
    g = np.random.default_rng(0)

    def normal(*shape: int, dtype: Any = np.float64, scale: float = 0.1) -> Any:
        return (scale * g.normal(size=shape)).astype(dtype)

    def network(batch: int, dtype: Any) -> tuple[Any, ...]:
        n, m = HIDDEN, VOCABULARY
        weights = (normal(*s, dtype=dtype) for s in ((m, 4 * n), (n, 4 * n), (4 * n,), (n, m), (m,)))
        return (*weights, g.integers(0, m, (STEPS, batch)), g.integers(0, m, (STEPS, batch)))

    def simple(batch: tuple[int, ...], dtype: Any) -> tuple[Any, ...]:
        n = HIDDEN
        small = (normal(*s, dtype=dtype) for s in ((n, n), (n, n), (n,)))
        return (*small, normal(STEPS, *batch, n, dtype=dtype, scale=1.0), np.zeros((*batch, n), dtype))

    f32, f64 = np.float32, np.float64
    made = [Case("LSTM, B = 20, f32", lstm, (0, 1, 2, 3, 4), network(20, f32), "step", "JAX <= 0.7")]
    for batch, dtype, asked in (((20,), f32, 0.6), ((20,), f64, 0.6), ((1,), f64, 0.8), ((), f64, 0.8)):
        name = f"RNN, B = {batch[0] if batch else 'none'}, {np.dtype(dtype).name}"
        made.append(Case(name, arrays.rnn, (0, 1, 2), simple(batch, dtype), "step", f"JAX <= {asked}"))
    made.append(Case("least squares by a loop", arrays.least_squares, (0,), arrays._squares(g, False), "gradient", "own <= 1.2"))
    made.append(Case("RK4, 100 steps", arrays.rk4, (0, 1), arrays._two(g, False), "gradient", "own <= 3"))
    for k, n, asked in ((10, 10_000, 0.7), (100, 1_000, 1.0)):
        made.append(Case(f"k-means, {k} centres", k_means, (0,), (normal(k, 8), normal(n, 8)), "hessian", f"JAX <= {asked}"))
    return made


def timed(case: Case, transforms: Any) -> Callable[..., Any]:
    """What is timed, by lantern or by JAX: both have these transforms."""
    gradient = transforms.value_and_grad(case.program, case.argnums)
    if case.how == "gradient":
        return gradient  # type: ignore[no-any-return]

    def step(*args: Any) -> Any:
        value, slopes = gradient(*args)
        return value, tuple(args[i] - 0.01 * d for i, d in zip(case.argnums, slopes, strict=True))

    def hessian(x: Any, *rest: Any) -> Any:
        return transforms.jvp(lambda x: transforms.grad(case.program)(x, *rest), (x,), (x * 0 + 1,))

    return step if case.how == "step" else hessian


def measure(case: Case, jax: Any) -> str:
    import lantern_jit as lj

    tolerance = 1e-8 if case.arguments[0].dtype == np.float64 else 1e-4
    primal, ours = lj.jit(case.program), lj.jit(timed(case, lj))
    require_close(f"{case.name}: NumPy", arrays.flat(primal(*case.arguments)), arrays.flat(case.program(*case.arguments)), tolerance)
    thunks = [lambda: primal(*case.arguments), lambda: ours(*case.arguments)]
    if jax is not None and case.program.__name__ in jax_programs(jax):
        other = Case(case.name, jax_programs(jax)[case.program.__name__], case.argnums, (), case.how, "")
        compiled, given = jax.jit(timed(other, jax)), [jax.numpy.asarray(a) for a in case.arguments]
        for mine, its in zip(ours(*case.arguments), compiled(*given), strict=True):
            require_close(f"{case.name}: JAX", arrays.flat(mine), arrays.flat(its), 100 * tolerance)
        thunks.append(lambda: jax.block_until_ready(compiled(*given)))
    own, mine, *its = race([python_batch(t, ()) for t in thunks], FULL)
    beside = f"{mine / its[0]:9.2f}" if its else "        -"
    return f"{case.name:28} {own * 1e6:9.1f} {mine * 1e6:9.1f} {mine / own:9.2f} {beside}  {case.asked}"


def measure_all() -> None:
    try:
        import jax

        jax.config.update("jax_enable_x64", True)
    except ImportError:
        jax = None
    print(f"{'':28} {'own, us':>9} {'this, us':>9} {'/ own':>9} {'/ JAX':>9}  asked")
    for case in cases():
        print(measure(case, jax), flush=True)


def main() -> None:
    """In a process of its own on one core."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), arrays.on_one_core) as pool:
        pool.submit(measure_all).result()


if __name__ == "__main__":
    main()
