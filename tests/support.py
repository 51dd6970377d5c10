"""What the tests share: one program in every mode, and finite differences of plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.core.op import OWN, STAGES, TABLE
from lantern_jit.ir.objects.containers import Changed
from lantern_jit.ir.values import pytree

from .lowered import lowered

Function = Callable[..., Any]


def first(n: int, values: Iterable[Any]) -> list[Any]:
    """Parameters of a test, of which those after n are run with `--all` alone."""
    return [v if i < n else pytest.param(v, marks=pytest.mark.more) for i, v in enumerate(values)]


def but(seldom: Iterable[int], values: Iterable[Any]) -> list[Any]:
    """Parameters of a test, of which those in these places take long, and are run with `--all` alone."""
    long = set(seldom)
    return [pytest.param(v, marks=pytest.mark.more) if i in long else v for i, v in enumerate(values)]


# ---- one program in every mode
def interpret(f: Function, *args: Any, **kwargs: Any) -> Any:
    """f(*args) on the reference interpreter."""
    specialisation, leaves = lj.jit(f)._dispatcher.lookup(args, kwargs)
    return result(specialisation.interpret(leaves), args, kwargs)


def result(found: Any, args: Any, kwargs: Any = None) -> Any:
    """The result of a call that has written into its arguments' containers if it does."""
    return found.apply(args, kwargs or {}) if isinstance(found, Changed) else found


def in_both(interpreted: Function, native: Function, arrays: Any) -> dict[str, Any]:
    """The results of both, and of the interpreter after lowering, where that runs anything backwards; `arrays` are the
    arguments, into which all write the same. Afterwards they are as before."""
    given = [x for x in pytree.flatten(arrays)[0] if isinstance(x, np.ndarray)]
    before = [x.copy() for x in given]
    out, after = {}, []
    for name, run in (("interpreter", interpreted), ("native", native), ("lowered", lambda: lowered(interpreted))):
        found = run()
        if found is not None or name != "lowered":
            out[name] = found
        after.append([x.copy() for x in given])
        for x, old in zip(given, before, strict=True):
            if not np.array_equal(x, old):
                x[...] = old
        close(after[-1], after[0], 1e-10, 1e-10, f"what the interpreter and {name} have written")
    return out


def both(f: Function, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """f(*args) on the interpreter and in native code, with the same arguments; they are left as they were."""
    return in_both(lambda: interpret(f, *again(args), **again(kwargs)), lambda: lj.jit(f)(*again(args), **again(kwargs)), (args, kwargs))


def again(tree: Any) -> Any:
    """The same leaves in new containers."""
    leaves, structure = pytree.flatten_in_order(tree)
    return pytree.unflatten(structure, leaves)


@dataclass
class Runner:
    """A function traced and compiled once, to be run both ways at many arguments of the same types."""

    f: Function

    def __post_init__(self) -> None:
        self.jitted = lj.jit(self.f)

    def __call__(self, *args: Any) -> dict[str, Any]:
        specialisation, leaves = self.jitted._dispatcher.lookup(args, {})
        return in_both(lambda: result(specialisation.interpret(leaves), again(args)), lambda: self.jitted(*again(args)), args)


def specialisations(jitted: Any) -> int:
    """How many times a jitted function has been traced."""
    return len(jitted._dispatcher.all())


# ---- comparison
def close(actual: Any, expected: Any, rtol: float = 1e-12, atol: float = 1e-12, what: str = "") -> None:
    """Two trees of numbers agree: same structure, same NaNs and infinities, close values."""
    flat, tree = pytree.flatten(actual)
    wanted, other = pytree.flatten(expected)
    assert tree == other, f"{what}: structure {tree} is not {other}"
    for i, (x, y) in enumerate(zip(flat, wanted, strict=True)):
        assert np.shape(x) == np.shape(y), f"{what}: shape {np.shape(x)} is not {np.shape(y)} at leaf {i}"
        if isinstance(y, (str, type(None))):
            assert x == y
        else:
            message = f"{what}, leaf {i} of {expected!r:.200}"
            kind = np.complex128 if np.iscomplexobj(x) or np.iscomplexobj(y) else np.float64
            np.testing.assert_allclose(np.asarray(x, kind), np.asarray(y, kind), rtol, atol, err_msg=message)


def same(actual: Any, expected: Any, what: str = "") -> None:
    """Two trees are the same to the last bit, sign of zero included, and so are their Python types."""
    flat, tree = pytree.flatten(actual)
    wanted, other = pytree.flatten(expected)
    assert tree == other, f"{what}: structure {tree} is not {other}"
    for x, y in zip(flat, wanted, strict=True):
        assert type(x) is type(y), f"{what}: {x!r} is of type {type(x)}, not {type(y)}"
        np.testing.assert_array_equal(x, y, err_msg=what)
        if isinstance(y, (float, np.floating)):
            assert np.signbit(x) == np.signbit(y) or y != y, f"{what}: {x!r} and {y!r} differ in sign"


def copied(tree: Any) -> Any:
    """A copy of `tree` with arrays of its own."""
    leaves, structure = pytree.flatten(tree)
    return pytree.unflatten(structure, [x.copy() if isinstance(x, np.ndarray) else x for x in leaves])


# ---- finite differences of plain Python
def _moved(leaf: Any, at: tuple[int, ...], h: float) -> Any:
    if not isinstance(leaf, np.ndarray):
        return leaf + h
    leaf = leaf.astype(np.float64)
    leaf[at] += h
    return leaf


def _slope(f: Callable[[float], float], h: float) -> float:
    return float(8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def numeric_gradient(f: Function, args: Sequence[Any], argnums: Sequence[int], h: float = 1e-3) -> tuple[Any, ...]:
    """d f / d args[i] for i in argnums by central differences of order 4; f is called on copies."""
    out = []
    for i in argnums:
        leaves, tree = pytree.flatten(args[i])
        slopes = []
        for j, leaf in enumerate(leaves):

            def along(h: float, at: tuple[int, ...], i: int = i, j: int = j, leaves: Any = leaves, tree: Any = tree) -> float:
                new = [_moved(x, at, h) if k == j else x for k, x in enumerate(leaves)]
                moved = [pytree.unflatten(tree, new) if k == i else a for k, a in enumerate(args)]
                return float(f(*copied(moved)))

            g = np.zeros(np.shape(leaf))
            for at in np.ndindex(np.shape(leaf)):
                g[at] = _slope(lambda h, at=at, along=along: along(h, at), h)  # type: ignore[misc]
            slopes.append(g if g.shape or isinstance(leaf, np.ndarray) else float(g))
        out.append(pytree.unflatten(tree, slopes))
    return tuple(out)


def _direction(tree: Any) -> Any:
    leaves, structure = pytree.flatten(tree)
    rng = np.random.default_rng(7)
    return pytree.unflatten(structure, [rng.uniform(0.5, 1.5, np.shape(x)) if np.ndim(x) else float(rng.uniform(0.5, 1.5)) for x in leaves])


def _shift(tree: Any, direction: Any, h: float) -> Any:
    leaves, structure = pytree.flatten(tree)
    return pytree.unflatten(structure, [x + h * d for x, d in zip(leaves, pytree.flatten(direction)[0], strict=True)])


# ---- the whole check
def check(f: Function, *points: Sequence[Any], argnums: Sequence[int] = (0,), order: int = 2, rtol: float = 1e-7) -> None:
    """Plain Python, the interpreter and native code agree on f, its gradient and (order 2) a Hessian-vector product.

    points: argument tuples of the same types. One compilation: value, gradient and product are one program's results.
    """
    nums = tuple(argnums)

    def program(args: Any, tangents: Any) -> Any:
        def of(*chosen: Any) -> Any:
            full = list(args)
            for k, x in zip(nums, chosen, strict=True):
                full[k] = x
            return f(*full)

        chosen = tuple([args[k] for k in nums])
        gradient = lj.grad(f, nums)(*args) if order else None
        product = lj.jvp(lj.grad(of, tuple(range(len(nums)))), chosen, tangents)[1] if order > 1 else None
        return f(*args), gradient, product  # f comes last: it may write into its arguments

    run = Runner(program)
    for args in points:
        before = copied(args)
        direction = _direction(tuple(args[k] for k in nums))
        found = run(tuple(args), direction)
        close(args, before, 0, 0, "the caller's arguments")
        _check_first(f, args, nums, found, order, rtol)
        if order > 1:
            _check_second(run, args, nums, direction, found, rtol)


def _check_first(f: Function, args: Any, nums: tuple[int, ...], found: dict[str, Any], order: int, rtol: float) -> None:
    plain = f(*copied(args))
    numeric = numeric_gradient(f, args, nums) if order else None
    for mode, out in found.items():
        close(out[0], plain, what=f"{mode} value at {args}")
        if order:
            close(out[1], numeric, rtol, rtol, f"{mode} gradient at {args}")
            close(out[:2], found["interpreter"][:2], 1e-10, 1e-10, f"{mode} beside the interpreter at {args}")


def _check_second(run: Runner, args: Any, nums: Any, direction: Any, found: Any, rtol: float, h: float = 1e-3) -> None:
    def gradient(step: float) -> Any:
        full = list(args)
        for k, x in zip(nums, _shift(tuple(args[k] for k in nums), direction, step), strict=True):
            full[k] = x
        return run.jitted(copied(tuple(full)), direction)[1]

    gs = [pytree.flatten(gradient(s * h))[0] for s in (1, -1, 2, -2)]
    numeric = [(8 * (a - b) - (c - d)) / (12 * h) for a, b, c, d in zip(*gs, strict=True)]
    for mode, out in found.items():
        close(pytree.flatten(out[2])[0], numeric, rtol * 10, rtol * 10, f"{mode} second derivative at {args}")


__all__ = [
    "Function",
    "Runner",
    "both",
    "check",
    "close",
    "copied",
    "in_both",
    "interpret",
    "numeric_gradient",
    "same",
    "specialisations",
]


def withdraw_rows() -> None:
    """Leave the table with the library's own operations alone."""
    for name in TABLE.keys() - OWN:
        for rows in (TABLE, *STAGES):
            rows.pop(name, None)
