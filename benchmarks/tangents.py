"""Many derivatives at once: Jacobians and Hessians beside one evaluation of what they are of, one directional derivative, and JAX's.

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
STEPS = 10_000
COLUMNS = ("lantern", "own primal", "one direction", "JAX")


# ---- the programs, of NumPy or of JAX's (`np`)
def turned(a: Any, b: Any, c: Any, np: Any) -> Any:
    """The rotation by three angles, as rows."""
    ca, sa, cb, sb, cc, sc = np.cos(a), np.sin(a), np.cos(b), np.sin(b), np.cos(c), np.sin(c)
    return (
        (ca * cb, ca * sb * sc - sa * cc, ca * sb * cc + sa * sc),
        (sa * cb, sa * sb * sc + ca * cc, sa * sb * cc - ca * sc),
        (-sb, cb * sc, cb * cc),
    )


def product(a: Any, b: Any) -> Any:
    return tuple(tuple(a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j] for j in range(3)) for i in range(3))


def hand(x: Any, np: Any) -> Any:
    """Where the 20 joints of a hand are, from 26 angles: three of the wrist, three of the forearm, four of each finger."""
    base, out = product(turned(x[0], x[1], x[2], np), turned(x[3], x[4], x[5], np)), []
    for finger in range(5):
        a, place = base, (0.1 * finger, 0.2, 0.3)
        for joint in range(4):
            angle = x[6 + 4 * finger + joint]
            a = product(a, turned(angle, 0.3 * angle, 0.1 * joint + 0.2 * angle, np))
            bone = (0.3, 0.1, 0.05 * joint + 0.01)
            place = tuple(place[i] + a[i][0] * bone[0] + a[i][1] * bone[1] + a[i][2] * bone[2] for i in range(3))
            out += place
    return np.array(out)


def lorenz(x: Floats) -> Any:
    """The state after many steps, from a start and three parameters."""
    u, v, w, s, r, b = x[0], x[1], x[2], x[3], x[4], x[5]
    for _ in range(STEPS):
        u, v, w = u + 1e-4 * (s * (v - u)), v + 1e-4 * (u * (r - w) - v), w + 1e-4 * (u * v - b * w)
    return np.array([u, v, w])


def pendulum(x: Floats) -> Any:
    """The energy of a pendulum after a thousand steps, from its start, its length and its drag."""
    angle, speed = x[0], x[1]
    for _ in range(STEPS // 10):
        angle, speed = angle + 1e-3 * speed, speed - 1e-3 * (np.sin(angle) / x[2] + x[3] * speed)
    return 0.5 * speed * speed - np.cos(angle) / x[2]


def jax_programs(jax: Any) -> dict[str, Callable[..., Any]]:
    def carried(step: Any, state: Any, n: int) -> Any:
        return jax.lax.scan(lambda state, _: (step(*state), None), state, None, length=n)[0]

    def lorenz(x: Any) -> Any:
        s, r, b = x[3], x[4], x[5]

        def step(u: Any, v: Any, w: Any) -> Any:
            return u + 1e-4 * (s * (v - u)), v + 1e-4 * (u * (r - w) - v), w + 1e-4 * (u * v - b * w)

        return jax.numpy.array(carried(step, (x[0], x[1], x[2]), STEPS))

    def pendulum(x: Any) -> Any:
        def step(angle: Any, speed: Any) -> Any:
            return angle + 1e-3 * speed, speed - 1e-3 * (jax.numpy.sin(angle) / x[2] + x[3] * speed)

        angle, speed = carried(step, (x[0], x[1]), STEPS // 10)
        return 0.5 * speed * speed - jax.numpy.cos(angle) / x[2]

    return {"hand": lambda x: hand(x, jax.numpy), "lorenz": lorenz, "pendulum": pendulum}


# ---- the cases
@dataclass(frozen=True)
class TangentCase:
    """`transform` names what is taken of a program at x; `asked` as in `ArrayCase`."""

    name: str
    key: str
    program: Callable[[Floats], Any]
    transform: str
    x: tuple[float, ...]
    asked: tuple[tuple[str, float], ...]


CASES: tuple[TangentCase, ...] = (
    TangentCase(
        "tangents-hand", "hand", lambda x: hand(x, np), "jacfwd", tuple(np.linspace(-0.5, 0.6, 26)), (("own primal", 8.0), ("JAX", 0.5))
    ),
    TangentCase("tangents-lorenz", "lorenz", lorenz, "jacfwd", (1.0, 2.0, 3.0, 10.0, 28.0, 8 / 3), (("one direction", 1.2),)),
    TangentCase("tangents-pendulum", "pendulum", pendulum, "hessian", (1.0, 0.5, 0.8, 0.1), (("one direction", 1.2),)),
)


def measure_tangents(names: list[str], with_peers: bool, effort: Effort) -> list[ArrayRow]:
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


def _measure(lj: Any, jax: Any, case: TangentCase, effort: Effort) -> ArrayRow:
    row, x, f = ArrayRow(case.name), np.array(case.x), case.program
    found, primal = lj.jit(getattr(lj, case.transform)(f)), lj.jit(f)
    one = lj.jit(lambda x, t: lj.jvp(f, (x,), (t,))[1] if case.transform == "jacfwd" else lj.hvp(f, (x,), (t,)))
    try:
        _check(case, found(x), np.stack([one(x, t) for t in np.eye(x.size)], -1), lj.jit(lj.grad(f)) if case.transform == "hessian" else f)
        thunks = {"lantern": lambda: found(x), "own primal": lambda: primal(x), "one direction": lambda: one(x, x)}
        if jax is not None:
            compiled, given = jax.jit(getattr(jax, case.transform)(jax_programs(jax)[case.key])), jax.numpy.asarray(x)
            require_close(f"{case.name}: JAX", compiled(given), found(x), 1e-8)
            thunks["JAX"] = lambda: jax.block_until_ready(compiled(given))
        row.agrees = True
        row.seconds = dict(zip(thunks, race([python_batch(t, ()) for t in thunks.values()], effort), strict=True))
    except DisagreementError as error:
        row.notes.append(str(error))
    for beside, ratio in case.asked:
        theirs = row.seconds.get(beside)
        row.asked.append((case.transform, beside, ratio, row.seconds["lantern"] / theirs if theirs else None))
    return row


def _check(case: TangentCase, found: Floats, columns: Floats, f: Callable[..., Any]) -> None:
    """The columns are those of single directions, and f's central differences along one."""
    require_close(f"{case.name}: in blocks and one by one", found, columns, 1e-10)
    x, t, h = np.array(case.x), np.random.default_rng(0).normal(size=len(case.x)), 1e-6
    require_close(f"{case.name}: derivatives and differences", found @ t, (f(x + h * t) - f(x - h * t)) / (2 * h), 1e-5)
