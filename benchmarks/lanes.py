"""vmap: a function for many lanes at once, beside JAX's vmap and beside the same loop over lanes written by hand.

Each is measured in a process of its own on one core, as whole-array programs are.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.agreement import DisagreementError, require_close
from benchmarks.arrays import ArrayRow, on_one_core
from benchmarks.timing import Effort, python_batch, race

Floats = Any
STEPS = 100
COLUMNS = ("lantern", "lane by lane", "JAX")


# ---- the programs, of one lane
def loss(w: Floats, x: Floats, y: Any) -> Any:
    return np.log1p(np.exp(-y * np.dot(w, x)))


def lorenz(x: Any, y: Any, z: Any) -> Any:
    for _ in range(STEPS):
        dx, dy, dz = 10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z
        x, y, z = x + 0.01 * dx, y + 0.01 * dy, z + 0.01 * dz
    return x + y + z


def root(a: Any) -> Any:
    x = a
    while abs(x * x - a) > 1e-12 * a:
        x = 0.5 * (x + a / x)
    return x


def wave(x: Floats) -> Any:
    return np.sum(np.sin(x) * x[0]) * np.exp(-np.sum(x * x))


def jax_programs(jax: Any) -> dict[str, Callable[..., Any]]:
    jnp = jax.numpy

    def step(s: Any, _: Any) -> Any:
        x, y, z = s
        dx, dy, dz = 10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z
        return (x + 0.01 * dx, y + 0.01 * dy, z + 0.01 * dz), None

    return {
        "loss": lambda w, x, y: jnp.log1p(jnp.exp(-y * jnp.dot(w, x))),
        "lorenz": lambda x, y, z: sum(jax.lax.scan(step, (x, y, z), None, length=STEPS)[0]),
        "root": lambda a: jax.lax.while_loop(lambda x: jnp.abs(x * x - a) > 1e-12 * a, lambda x: 0.5 * (x + a / x), a),
        "wave": lambda x: jnp.sum(jnp.sin(x) * x[0]) * jnp.exp(-jnp.sum(x * x)),
    }


def lane_by_lane(lj: Any, f: Callable[..., Any], axes: tuple[Any, ...], n: int, shape: tuple[int, ...]) -> Callable[..., Any]:
    """The loop that a user would write."""

    def run(*args: Any) -> Any:
        out = np.zeros((n, *shape))
        for i in range(n):
            out[i] = f(*[x if a is None else x[i] for x, a in zip(args, axes, strict=True)])
        return out

    return lj.jit(run)  # type: ignore[no-any-return]


# ---- the cases
@dataclass(frozen=True)
class LaneCase:
    """`transform` is what is taken of the program in each lane, "" for itself; `asked`: at most so many of JAX's times."""

    name: str
    key: str
    program: Callable[..., Any]
    transform: str
    arguments: Callable[[Any], tuple[Any, ...]]  # of a random generator
    asked: float
    axes: tuple[Any, ...] = (0,)


def _examples(rng: Any) -> tuple[Any, ...]:
    return rng.normal(size=20), rng.normal(size=(1000, 20)), np.sign(rng.normal(size=1000))


def _starts(rng: Any) -> tuple[Any, ...]:
    return tuple(rng.normal(size=(3, 1000)))


def _one_slow(rng: Any) -> tuple[Any, ...]:
    return (np.concatenate([rng.uniform(0.5, 2.0, size=999), [1e300]]),)


CASES: tuple[LaneCase, ...] = (
    LaneCase("lanes-examples", "loss", loss, "grad", _examples, 0.8, (None, 0, 0)),
    LaneCase("lanes-lorenz", "lorenz", lorenz, "", _starts, 0.8, (0, 0, 0)),
    LaneCase("lanes-lorenz-gradient", "lorenz", lorenz, "grad", _starts, 0.6, (0, 0, 0)),
    LaneCase("lanes-newton", "root", root, "", lambda rng: (rng.uniform(0.1, 1e6, size=1000),), 1.2),
    LaneCase("lanes-newton-one-slow", "root", root, "", _one_slow, 0.05),
    LaneCase("lanes-hessians", "wave", wave, "hessian", lambda rng: (rng.normal(size=(100, 4)),), 0.8),
)


def measure_lanes(names: list[str], with_peers: bool, effort: Effort) -> list[ArrayRow]:
    """One row for each case."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), on_one_core) as pool:
        return pool.submit(measure_here, names, with_peers, effort).result()


def measure_here(names: list[str], with_peers: bool, effort: Effort) -> list[ArrayRow]:
    """Numbers are checked first, then all run in turns."""
    import lantern_jit as lj

    jax: Any = None
    if with_peers:
        try:
            import jax

            jax.config.update("jax_enable_x64", True)
        except ImportError:
            pass
    return [_measure(lj, jax, case, effort) for case in CASES if case.name in names]


def _measure(lj: Any, jax: Any, case: LaneCase, effort: Effort) -> ArrayRow:
    row, args = ArrayRow(case.name), case.arguments(np.random.default_rng(0))
    in_lane = getattr(lj, case.transform)(case.program) if case.transform else case.program
    found = lj.jit(lj.vmap(in_lane, in_axes=case.axes))
    try:
        value = found(*args)
        by_hand = lane_by_lane(lj, in_lane, case.axes, len(value), value.shape[1:])
        require_close(f"{case.name}: at once and lane by lane", by_hand(*args), value, 1e-12)
        thunks = {"lantern": lambda: found(*args), "lane by lane": lambda: by_hand(*args)}
        if jax is not None:
            program = jax_programs(jax)[case.key]
            compiled = jax.jit(jax.vmap(getattr(jax, case.transform)(program) if case.transform else program, in_axes=case.axes))
            given = tuple(map(jax.numpy.asarray, args))
            require_close(f"{case.name}: JAX", compiled(*given), value, 1e-8)
            thunks["JAX"] = lambda: jax.block_until_ready(compiled(*given))
        row.agrees = True
        row.seconds = dict(zip(thunks, race([python_batch(t, ()) for t in thunks.values()], effort), strict=True))
    except DisagreementError as error:
        row.notes.append(str(error))
    theirs = row.seconds.get("JAX")
    row.asked.append((case.transform or "value", "JAX", case.asked, row.seconds["lantern"] / theirs if theirs else None))
    return row
