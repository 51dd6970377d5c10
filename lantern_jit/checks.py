"""`check_grads`: derivatives against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .ir.core import errors
from .ir.values import pytree
from .jitted import jit
from .transforms import grad, jvp


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = ("fwd", "rev"),
    rtol: float = 1e-4,
    atol: float = 1e-6,
    seed: int = 0,
) -> None:
    """Compare derivatives of `f` (one float result) at `args` with central differences, along a random direction.

    args: floats, float arrays and containers of them; every one is differentiated.
    order: 1 checks the gradient, 2 also the gradient of its directional derivative, and so on.
    modes: "fwd" checks jvp, "rev" checks grad, each natively compiled.

    Raises GradientCheckError that gives both numbers. The step is (machine epsilon)^(1/3), the error of a central
    difference is then about (machine epsilon)^(2/3) of the scale (Nocedal and Wright, Numerical Optimization, 8.1).

    >>> import lantern_jit as lj
    >>> lj.check_grads(lambda x, y: x * y * y, (2.0, 3.0), order=2)
    """
    if order < 1:
        raise ValueError(f"order={order}: give 1 or more")
    args = tuple(args)
    rng = np.random.default_rng(seed)
    direction = _map(lambda x: rng.normal(size=np.shape(x)) if np.ndim(x) else float(rng.normal()), args)
    step = np.finfo(np.float64).eps ** (1 / 3) * max(1.0, *(float(np.max(np.abs(x), initial=0.0)) for x in pytree.flatten(args)[0]))
    native = jit(f)
    difference = (native(*_move(args, direction, step)) - native(*_move(args, direction, -step))) / (2 * step)
    if "fwd" in modes:
        _compare("jvp", jit(lambda p, t: jvp(f, p, t)[1])(args, direction), difference, rtol, atol)
    if "rev" in modes:
        gradient = jit(grad(f, tuple(range(len(args)))))(*args)
        _compare("grad", _dot(gradient, direction), difference, rtol, atol)
    if order > 1:
        check_grads(lambda *p: jvp(f, p, direction)[1], args, order - 1, modes, rtol, atol, seed + 1)


def _map(fn: Callable[[Any], Any], tree: Any) -> Any:
    leaves, treedef = pytree.flatten(tree)
    return pytree.unflatten(treedef, [fn(x) for x in leaves])


def _move(args: Any, direction: Any, step: float) -> Any:
    leaves, treedef = pytree.flatten(args)
    return pytree.unflatten(treedef, [x + step * d for x, d in zip(leaves, pytree.flatten(direction)[0], strict=True)])


def _dot(a: Any, b: Any) -> float:
    return sum(float(np.sum(np.asarray(x) * np.asarray(y))) for x, y in zip(pytree.flatten(a)[0], pytree.flatten(b)[0], strict=True))


def _compare(mode: str, got: float, difference: float, rtol: float, atol: float) -> None:
    if not np.isclose(got, difference, rtol=rtol, atol=atol):
        raise errors.GradientCheckError(f"{mode} gives {got!r} along a direction where central differences give {difference!r}")
