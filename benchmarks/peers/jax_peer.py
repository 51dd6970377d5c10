"""JAX on the CPU in float64: loops as lax.scan, arrays whole.

It has no reverse mode through while_loop, so no kepler, and no recursion, so no tree.
"""

import importlib
from collections.abc import Callable
from typing import Any

from benchmarks.cases import Arguments, Case
from benchmarks.peers.base import Call, Peer, Thunk

jax: Any = importlib.import_module("jax")  # optional, and untyped
jnp: Any = importlib.import_module("jax.numpy")


def lorenz(x: Any, y: Any, z: Any, sigma: Any, rho: Any, beta: Any, n: int) -> Any:
    """The program of that name."""

    def step(state: Any, _: Any) -> Any:
        x, y, z = state
        dx, dy, dz = sigma * (y - x), x * (rho - z) - y, x * y - beta * z
        return (x + 1e-4 * dx, y + 1e-4 * dy, z + 1e-4 * dz), None

    return jax.lax.scan(step, (x, y, z), length=n)[0][0]


def chain(masses: int) -> Callable[..., Any]:
    """The program of that name, with the masses' positions and speeds in two arrays."""

    def program(k: Any, c: Any, p2: Any, n: int) -> Any:
        def step(state: Any, _: Any) -> Any:
            q, v = state
            wall = jnp.pad(q, 1)
            a = k * (wall[:-2] - 2.0 * q + wall[2:]) - c * v - jnp.sin(q)
            return (q + 1e-3 * v, v + 1e-3 * a), None

        start = (p2 + 0.1 * jnp.arange(masses), jnp.zeros(masses))
        return jax.lax.scan(step, start, length=n)[0][0][0]

    return program


def softdtw(a: Any, b: Any, gamma: Any) -> Any:
    """The program of that name: a scan over rows, and in it a scan over the row's cells."""

    def softmin(values: Any) -> Any:
        return -gamma * jax.nn.logsumexp(-values / gamma)

    def next_row(above: Any, element: Any) -> Any:
        def next_cell(left: Any, cell: Any) -> Any:
            corner, up, other = cell
            value = (element - other) ** 2 + softmin(jnp.stack([corner, up, left]))
            return value, value

        cells = jax.lax.scan(next_cell, jnp.asarray(1e6), (above[:-1], above[1:], b))[1]
        return jnp.concatenate([jnp.array([1e6]), cells]), None

    first = jnp.full(len(b) + 1, 1e6).at[0].set(0.0)
    return jax.lax.scan(next_row, first, a)[0][-1]


def wave_gradient() -> Call:
    """The gradient of wave, finished when it returns."""
    compiled = jax.jit(jax.grad(lambda x: jnp.sin(x) * x))
    return lambda x: compiled(x).block_until_ready()


def rosenbrock_value_and_gradient() -> Call:
    """Rosenbrock's function on the whole array, and its gradient, finished when they return."""

    def rosenbrock(x: Any) -> Any:
        u, v = x[1:] - x[:-1] * x[:-1], 1.0 - x[:-1]
        return jnp.sum(100.0 * u * u + v * v)

    compiled = jax.jit(jax.value_and_grad(rosenbrock))

    def call(x: Any) -> Any:
        value, gradient = compiled(x)
        return value.block_until_ready(), gradient.block_until_ready()

    return call


CALLS: dict[str, Callable[[], Call]] = {"wave": wave_gradient, "rosenbrock": rosenbrock_value_and_gradient}
PROGRAMS: dict[str, Callable[..., Any]] = {
    "lorenz": lorenz,
    "chain4": chain(4),
    "chain8": chain(8),
    "chain16": chain(16),
    "squares": lambda x: jnp.sum(x * x),
    "dot": jnp.dot,
    "logsumexp": jax.nn.logsumexp,
    "softdtw": softdtw,
    "logdet": lambda a: jnp.linalg.slogdet(a)[1],
}


class Jax:
    """JAX as a peer."""

    name = "JAX"
    version = jax.__version__
    small_only: frozenset[str] = frozenset()

    def primal(self, case: Case, arguments: Arguments) -> Thunk | None:
        """The program under jit."""
        return self._ready(case, arguments, lambda function: function)

    def gradient(self, case: Case, arguments: Arguments) -> Thunk | None:
        """Its gradient under jit."""
        return self._ready(case, arguments, lambda function: jax.grad(function, argnums=case.argnums))

    def call(self, symbol: str) -> Call | None:
        """The derivative under jit, of a Python float or a NumPy array, as JAX arrays."""
        return CALLS[symbol]()

    def _ready(self, case: Case, arguments: Arguments, transform: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Thunk | None:
        if case.symbol not in PROGRAMS:
            return None
        steps = tuple(i for i, argument in enumerate(arguments) if isinstance(argument, int))
        compiled = jax.jit(transform(PROGRAMS[case.symbol]), static_argnums=steps)
        moved = [a if isinstance(a, int) else jnp.asarray(a) for a in arguments]
        return lambda: jax.block_until_ready(compiled(*moved))


def compile_gradient(function: Callable[..., Any], arguments: Arguments, argnums: tuple[int, ...]) -> None:
    """Trace and compile the gradient, without running it."""
    steps = tuple(i for i, argument in enumerate(arguments) if isinstance(argument, int))
    jax.jit(jax.grad(function, argnums=argnums), static_argnums=steps).lower(*arguments).compile()


def connect() -> Peer:
    """JAX in float64 on the CPU."""
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    return Jax()
