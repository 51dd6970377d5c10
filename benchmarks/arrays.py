"""Whole-array NumPy programs, their gradients timed beside C where there is a floor, and beside JAX and PyTorch.

The programs are what users write. JAX and PyTorch run their own idiom of each (`lax.scan` for loops, eager tensors).
All run on one core: the measuring process is a new one, tied to a core before NumPy, JAX and PyTorch are loaded in it, so that
none of them starts threads elsewhere.
"""

import ctypes
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special

from benchmarks import spellings
from benchmarks.agreement import DisagreementError, require_close
from benchmarks.timing import Effort, python_batch, race

Floats = Any


# ---- the programs
def logsumexp(x: Floats) -> Any:
    return scipy.special.logsumexp(x)


def least_squares(x: Floats, t: Floats, s: Floats) -> Any:
    """Powers by a loop."""
    y = np.zeros_like(t)
    power = np.ones_like(t)
    for j in range(x.shape[0]):
        y = y + x[j] * power
        power = power * t
    r = s - y
    return 0.5 * np.sum(r * r)


def least_squares_powers(x: Floats, t: Floats, s: Floats) -> Any:
    """Powers by NumPy."""
    r = s - (t[:, None] ** np.arange(x.shape[0])) @ x
    return 0.5 * np.sum(r * r)


def rk4(x: Floats, y: Floats) -> Any:
    def rates(y: Floats) -> Floats:
        d = np.empty_like(y)
        d[0] = x[0]
        d[1:] = x[1:] * y[:-1]
        return d

    h = 0.01
    for _ in range(100):
        k1 = rates(y)
        k2 = rates(y + h / 2 * k1)
        k3 = rates(y + h / 2 * k2)
        k4 = rates(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.sum(y * y)


ROWS, COLUMNS = np.tril_indices(10, -1)


def mixture(alphas: Floats, means: Floats, icf: Floats, x: Floats) -> Any:
    """The log posterior of a Gaussian mixture, up to constants."""
    d = means.shape[1]
    logs = icf[:, :d]
    q = np.zeros((icf.shape[0], d, d))
    for i in range(d):
        q[:, i, i] = np.exp(icf[:, i])
    q[:, ROWS, COLUMNS] = icf[:, d:]
    z = np.einsum("kij,nkj->nki", q, x[:, None, :] - means)
    main = alphas + np.sum(logs, axis=1) - 0.5 * np.sum(z * z, axis=2)
    prior = 0.5 * np.sum(np.exp(2 * logs)) + 0.5 * np.sum(icf[:, d:] ** 2) - np.sum(logs)
    return np.sum(scipy.special.logsumexp(main, axis=1)) - x.shape[0] * scipy.special.logsumexp(alphas) + prior


def rnn(w: Floats, u: Floats, b: Floats, xs: Floats, h: Floats) -> Any:
    for t in range(xs.shape[0]):
        h = np.tanh(xs[t] @ w + h @ u + b)
    return np.sum(h * h)


def rosenbrock(x: Floats) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def gaussian_process(theta: Floats, x: Floats, y: Floats) -> Any:
    """The log likelihood, up to constants, of a squared exponential kernel."""
    d = x[:, None, :] - x[None, :, :]
    k = np.exp(theta[0] - 0.5 * np.exp(-2 * theta[1]) * np.sum(d * d, axis=2)) + np.exp(theta[2]) * np.eye(x.shape[0])
    low = np.linalg.cholesky(k)
    a = scipy.linalg.solve_triangular(low, y, lower=True)
    return -0.5 * np.sum(a * a) - np.sum(np.log(np.diag(low)))


# ---- JAX's and PyTorch's idioms
def jax_programs(jax: Any) -> dict[str, Callable[..., Any]]:
    jnp = jax.numpy

    def least_squares(x: Any, t: Any, s: Any) -> Any:
        def step(state: Any, c: Any) -> Any:
            y, power = state
            return (y + c * power, power * t), None

        (y, _), _ = jax.lax.scan(step, (jnp.zeros_like(t), jnp.ones_like(t)), x)
        return 0.5 * jnp.sum((s - y) ** 2)

    def least_squares_powers(x: Any, t: Any, s: Any) -> Any:
        r = s - (t[:, None] ** jnp.arange(x.shape[0])) @ x
        return 0.5 * jnp.sum(r * r)

    def rk4(x: Any, y: Any) -> Any:
        def rates(y: Any) -> Any:
            return jnp.concatenate([x[:1], x[1:] * y[:-1]])

        def step(y: Any, _: Any) -> Any:
            h = 0.01
            k1 = rates(y)
            k2 = rates(y + h / 2 * k1)
            k3 = rates(y + h / 2 * k2)
            k4 = rates(y + h * k3)
            return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

        y, _ = jax.lax.scan(step, y, None, length=100)
        return jnp.sum(y * y)

    def mixture(alphas: Any, means: Any, icf: Any, x: Any) -> Any:
        d = means.shape[1]
        logs = icf[:, :d]
        q = jax.vmap(lambda row: jnp.zeros((d, d)).at[(ROWS, COLUMNS)].set(row[d:]) + jnp.diag(jnp.exp(row[:d])))(icf)
        z = jnp.einsum("kij,nkj->nki", q, x[:, None, :] - means)
        main = alphas + jnp.sum(logs, axis=1) - 0.5 * jnp.sum(z * z, axis=2)
        prior = 0.5 * jnp.sum(jnp.exp(2 * logs)) + 0.5 * jnp.sum(icf[:, d:] ** 2) - jnp.sum(logs)
        lse = jax.scipy.special.logsumexp
        return jnp.sum(lse(main, axis=1)) - x.shape[0] * lse(alphas) + prior

    def rnn(w: Any, u: Any, b: Any, xs: Any, h: Any) -> Any:
        h, _ = jax.lax.scan(lambda h, x: (jnp.tanh(x @ w + h @ u + b), None), h, xs)
        return jnp.sum(h * h)

    def rosenbrock(x: Any) -> Any:
        return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    def gaussian_process(theta: Any, x: Any, y: Any) -> Any:
        d = x[:, None, :] - x[None, :, :]
        k = jnp.exp(theta[0] - 0.5 * jnp.exp(-2 * theta[1]) * jnp.sum(d * d, axis=2)) + jnp.exp(theta[2]) * jnp.eye(x.shape[0])
        low = jnp.linalg.cholesky(k)
        a = jax.scipy.linalg.solve_triangular(low, y, lower=True)
        return -0.5 * jnp.sum(a * a) - jnp.sum(jnp.log(jnp.diag(low)))

    return {
        "logsumexp": jax.scipy.special.logsumexp, "least_squares": least_squares, "least_squares_powers": least_squares_powers, "rk4": rk4,
        "mixture": mixture, "rnn": rnn, "rosenbrock": rosenbrock, "gaussian_process": gaussian_process,
    }  # fmt: skip


def torch_programs(torch: Any) -> dict[str, Callable[..., Any]]:
    def rnn(w: Any, u: Any, b: Any, xs: Any, h: Any) -> Any:
        for t in range(xs.shape[0]):
            h = torch.tanh(xs[t] @ w + h @ u + b)
        return torch.sum(h * h)

    return {"rnn": rnn, "logsumexp": lambda x: torch.logsumexp(x, 0)}


# ---- the cases
@dataclass(frozen=True)
class ArrayCase:
    """`asked`: what is asked of the gradient's time, as ("JAX", 0.8) or ("C primal", 1.3); `asked_primal` of the program's."""

    name: str
    program: Callable[..., Any]
    argnums: tuple[int, ...]
    make: Callable[[np.random.Generator, bool], tuple[Any, ...]]
    asked: tuple[tuple[str, float], ...]
    asked_primal: tuple[tuple[str, float], ...] = ()
    c: str = ""
    by_arrays: Callable[..., Any] | None = None  # the same program, where it is spelled by loops

    @property
    def key(self) -> str:
        return self.program.__name__


def _gp(n: int) -> Callable[..., Any]:
    def make(g: np.random.Generator, quick: bool) -> tuple[Any, ...]:
        size = 12 if quick else n
        return np.array([0.1, 0.2, -1.0]), g.normal(size=(size, 3)), g.normal(size=size)

    return make


def _rnn(batch: tuple[int, ...]) -> Callable[..., Any]:
    def make(g: np.random.Generator, quick: bool) -> tuple[Any, ...]:
        n = 8 if quick else 50
        return (
            0.1 * g.normal(size=(n, n)),
            0.1 * g.normal(size=(n, n)),
            0.1 * g.normal(size=n),
            g.normal(size=(20, *batch, n)),
            np.zeros((*batch, n)),
        )

    return make


def _squares(g: np.random.Generator, quick: bool) -> tuple[Any, ...]:
    n, m = (64, 9) if quick else (4096, 128)
    return 0.1 * g.normal(size=m), g.uniform(-1.0, 1.0, n), g.normal(size=n)


def _normal(n: int) -> Callable[..., Any]:
    return lambda g, quick: (g.normal(size=min(n, 500) if quick else n),)


def _matrices(g: np.random.Generator, quick: bool) -> tuple[Any, ...]:
    n = 20 if quick else 200
    return g.normal(size=(n, n)), g.normal(size=(n, n))


def _vector(g: np.random.Generator, quick: bool) -> tuple[Any, ...]:
    n = 20 if quick else 500
    return g.normal(size=(n, n)), g.normal(size=n)


def _mixture(g: np.random.Generator, quick: bool) -> tuple[Any, ...]:
    d, k, n = 10, 5, 20 if quick else 1000
    return g.normal(size=k), g.normal(size=(k, d)), 0.3 * g.normal(size=(k, d + d * (d - 1) // 2)), g.normal(size=(n, d))


def _two(g: np.random.Generator, quick: bool) -> tuple[Any, ...]:
    n = 40 if quick else 10_000
    return g.normal(size=n), g.normal(size=n)


def _many(g: np.random.Generator, quick: bool) -> tuple[Any, ...]:
    n = 40 if quick else 1_000_000
    return g.normal(size=n), g.normal(size=n)


def _clusters(g: np.random.Generator, quick: bool) -> tuple[Any, ...]:
    return g.normal(size=(40 if quick else 10_000, 8)), g.normal(size=(10, 8))


BY_ARRAYS = (("by arrays", 1.2),)
CASES = (
    ArrayCase("array-logsumexp", logsumexp, (0,), _normal(640_000), (("JAX", 0.8),)),
    ArrayCase("array-least-squares", least_squares, (0,), _squares, (("C primal", 1.3),), c="least_squares"),
    ArrayCase("array-least-squares-powers", least_squares_powers, (0,), _squares, (("C primal", 1.3),), c="least_squares_powers"),
    ArrayCase("array-rk4", rk4, (0, 1), _two, (("own primal", 3.0),), (("C primal", 1.1),), c="rk4"),
    ArrayCase("array-mixture", mixture, (0, 1, 2), _mixture, (("C gradient", 0.6), ("JAX", 0.9)), c="mixture"),
    ArrayCase("array-rnn-1", rnn, (0, 1, 2), _rnn(()), (("PyTorch", 0.25), ("JAX", 0.8))),
    ArrayCase("array-rnn-20", rnn, (0, 1, 2), _rnn((20,)), (("PyTorch", 0.5), ("JAX", 0.8))),
    ArrayCase("array-rosenbrock-10", rosenbrock, (0,), _normal(10), (("JAX", 0.5),)),
    ArrayCase("array-rosenbrock-1e3", rosenbrock, (0,), _normal(1000), (("JAX", 0.9),)),
    ArrayCase("array-rosenbrock-1e6", rosenbrock, (0,), _normal(1_000_000), (("JAX", 0.9),)),
    ArrayCase("array-gp-50", gaussian_process, (0,), _gp(50), (("JAX", 0.9),)),
    ArrayCase("array-gp-500", gaussian_process, (0,), _gp(500), (("JAX", 0.9),)),
    ArrayCase("loops-dot", spellings.dot, (0, 1), _two, BY_ARRAYS, by_arrays=spellings.dot_by_arrays),
    ArrayCase("loops-dot-1e6", spellings.dot, (0, 1), _many, BY_ARRAYS, by_arrays=spellings.dot_by_arrays),
    ArrayCase("loops-mapped", spellings.mapped, (0,), _normal(10_000), BY_ARRAYS, by_arrays=spellings.mapped_by_arrays),
    ArrayCase("loops-k-means", spellings.k_means, (0, 1), _clusters, BY_ARRAYS, by_arrays=spellings.k_means_by_arrays),
    ArrayCase("loops-product", spellings.product, (0, 1), _matrices, BY_ARRAYS, by_arrays=spellings.product_by_arrays),
    ArrayCase("loops-vector", spellings.matrix_by_vector, (0, 1), _vector, BY_ARRAYS, by_arrays=spellings.matrix_by_vector_by_arrays),
    ArrayCase("loops-mixture", spellings.mixture, (0, 1, 2), _mixture, BY_ARRAYS, by_arrays=mixture),
)


@dataclass
class ArrayRow:
    """Seconds a call: `seconds` of "lantern", "own primal", "C primal", "C gradient", "JAX", "PyTorch"; what was asked."""

    name: str
    seconds: dict[str, float] = field(default_factory=dict)
    asked: list[tuple[str, str, float, float | None]] = field(default_factory=list)  # of what, beside, asked ratio, ratio
    notes: list[str] = field(default_factory=list)
    agrees: bool = False


def c_functions(library: Any, case: ArrayCase, arguments: tuple[Any, ...]) -> dict[str, Callable[[], Any]]:
    """The case's C functions as thunks: value, or flat gradient."""
    if not case.c:
        return {}
    p = ctypes.c_void_p
    arrays = [a.ctypes.data_as(p) for a in arguments]
    sizes = [ctypes.c_int64(n) for n in _c_sizes(case, arguments)]
    if case.c == "mixture":
        f = library.mixture_gradient
        f.restype = ctypes.c_double
        out = [np.empty_like(a) for a in arguments[:3]]

        def gradient() -> Any:
            f(*arrays, *sizes, *(o.ctypes.data_as(p) for o in out))
            return tuple(out)

        return {"C gradient": gradient}
    f = getattr(library, case.c)
    f.restype = ctypes.c_double
    return {"C primal": lambda: f(*arrays, *sizes)}


def _c_sizes(case: ArrayCase, arguments: tuple[Any, ...]) -> tuple[int, ...]:
    if case.c == "mixture":
        return arguments[3].shape[0], arguments[3].shape[1], arguments[0].shape[0]
    if case.c == "rk4":
        return len(arguments[0]), 100
    return len(arguments[1]), len(arguments[0])


def flat(result: Any) -> Any:
    parts = result if isinstance(result, (tuple, list)) else (result,)
    return np.concatenate([np.ravel(np.asarray(part, np.float64)) for part in parts])


def measure_arrays(names: list[str], with_peers: bool, quick: bool, effort: Effort) -> list[ArrayRow]:
    """One row for each case, measured in a process of its own on one core."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, on_one_core) as pool:
        return pool.submit(measure_here, names, with_peers, quick, effort).result()


def on_one_core() -> None:
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def measure_here(names: list[str], with_peers: bool, quick: bool, effort: Effort) -> list[ArrayRow]:
    """Numbers are checked first, then all run in turns."""
    import lantern_jit as lj
    from benchmarks import floor

    try:
        c: Any = floor.load()
    except floor.FloorMissingError:
        c = None
    peers = _peers() if with_peers else {}
    return [_measure(lj, c, case, peers, quick, effort) for case in CASES if case.name in names]


def _peers() -> dict[str, Any]:
    found: dict[str, Any] = {}
    try:
        import jax

        jax.config.update("jax_enable_x64", True)
        found["JAX"] = jax, jax_programs(jax)
    except ImportError:
        pass
    try:
        import torch

        torch.set_num_threads(1)
        found["PyTorch"] = torch, torch_programs(torch)
    except ImportError:
        pass
    return found


def _measure(lj: Any, floor: Any, case: ArrayCase, peers: dict[str, Any], quick: bool, effort: Effort) -> ArrayRow:
    row = ArrayRow(case.name)
    arguments = case.make(np.random.default_rng(0), quick)
    try:
        primal, gradient = lj.jit(case.program), lj.jit(lj.grad(case.program, case.argnums))
        value, slopes = primal(*arguments), gradient(*arguments)
        require_close(f"{case.name}: lantern and NumPy", flat(value), flat(case.program(*arguments)), 1e-9)
        _check_gradient(case, arguments, slopes)
        thunks: dict[str, Callable[[], Any]] = {"lantern": lambda: gradient(*arguments), "own primal": lambda: primal(*arguments)}
        if case.by_arrays is not None:
            other = lj.jit(lj.grad(case.by_arrays, case.argnums))
            require_close(f"{case.name}: by arrays", flat(other(*arguments)), flat(slopes), 1e-9)
            thunks["by arrays"] = lambda: other(*arguments)
        if floor is not None:
            for name, thunk in c_functions(floor.library, case, arguments).items():
                require_close(f"{case.name}: {name}", flat(thunk()), flat(slopes if "gradient" in name else value), 1e-8)
                thunks[name] = thunk
        for name, thunk in _peer_thunks(case, peers, arguments).items():
            require_close(f"{case.name}: {name}", flat(thunk()), flat(slopes), 1e-7)
            thunks[name] = thunk
        row.agrees = True
        times = race([python_batch(t, ()) for t in thunks.values()], effort)
        row.seconds = dict(zip(thunks, times, strict=True))
    except DisagreementError as error:
        row.notes.append(str(error))
    except Exception as error:  # one program that fails must not hide the others
        row.notes.append(f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}")
    mine = row.seconds.get
    for what, asked in (("lantern", case.asked), ("own primal", case.asked_primal)):
        for beside, ratio in asked:
            ours, theirs = mine(what), mine(beside)
            row.asked.append(("gradient" if what == "lantern" else "primal", beside, ratio, ours / theirs if ours and theirs else None))
    return row


def _check_gradient(case: ArrayCase, arguments: tuple[Any, ...], slopes: Any) -> None:
    """Along one direction, by central differences."""
    g = np.random.default_rng(1)
    h = 1e-6
    steps = {i: g.normal(size=arguments[i].shape) for i in case.argnums}

    def at(sign: float) -> Any:
        return case.program(*(a + sign * h * steps[i] if i in steps else a for i, a in enumerate(arguments)))

    parts = slopes if isinstance(slopes, tuple) else (slopes,)
    ours = sum(float(np.sum(s * steps[i])) for s, i in zip(parts, case.argnums, strict=True))
    require_close(f"{case.name}: gradient and differences", np.array([ours]), np.array([(at(1.0) - at(-1.0)) / (2 * h)]), 1e-4)


def _peer_thunks(case: ArrayCase, peers: dict[str, Any], arguments: tuple[Any, ...]) -> dict[str, Callable[[], Any]]:
    out: dict[str, Callable[[], Any]] = {}
    if "JAX" in peers and case.key in peers["JAX"][1] and case.by_arrays is None:
        jax, programs = peers["JAX"]
        compiled = jax.jit(jax.grad(programs[case.key], case.argnums))
        given = [jax.numpy.asarray(a) for a in arguments]
        out["JAX"] = lambda: jax.block_until_ready(compiled(*given))
    if "PyTorch" in peers and case.by_arrays is None and case.key in peers["PyTorch"][1]:
        torch, programs = peers["PyTorch"]
        tensors = [torch.tensor(a, requires_grad=i in case.argnums) for i, a in enumerate(arguments)]

        def eager() -> Any:
            return torch.autograd.grad(programs[case.key](*tensors), [tensors[i] for i in case.argnums])

        out["PyTorch"] = eager
    return out
