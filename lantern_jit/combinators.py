"""Control flow as functions, for code without source."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .ir.core import errors
from .ir.core.builder import current_builder
from .ir.core.sites import user_site
from .ir.core.types import Scalar
from .ir.python.for_loops import loop_value
from .ir.python.iterables import staged_range
from .ir.staging.branches import ifexp
from .ir.staging.effects import without_effects
from .ir.staging.functions import invoke_staged
from .ir.staging.leaves import leaf_type
from .ir.trace.language import call
from .ir.values.arrays import allocate, lift_array
from .ir.values.values import Arrayed
from .transforms import Transformed, in_trace


def cond(pred: Any, then: Callable[..., Any], orelse: Callable[..., Any], *args: Any) -> Any:
    """then(*args) if pred else orelse(*args); only one of them runs. Both give the same type.

    >>> import lantern_jit as lj
    >>> lj.jit(lambda x: lj.cond(x > 0, lambda v: v * 2, lambda v: -v, x))(-3.0)
    3.0
    """
    return without_effects((then, orelse), lambda: ifexp(pred, lambda: call(then, *args), lambda: call(orelse, *args)))


def switch(index: Any, branches: Sequence[Callable[..., Any]], *args: Any) -> Any:
    """branches[index](*args), with index clamped to the range of branches.

    >>> import lantern_jit as lj
    >>> lj.jit(lambda i, x: lj.switch(i, [lambda v: v, lambda v: v * v], x))(1, 3.0)
    9.0
    """
    if not branches:
        raise ValueError("switch() needs at least one branch")
    if len(branches) == 1:
        return call(branches[0], *args)
    return ifexp(index <= 0, lambda: call(branches[0], *args), lambda: switch(index - 1, branches[1:], *args))


def while_loop(test: Callable[[Any], Any], body: Callable[[Any], Any], init: Any) -> Any:
    """state = init; while test(state): state = body(state). The state's structure and types stay the same.

    >>> import lantern_jit as lj
    >>> lj.jit(lambda x: lj.while_loop(lambda v: v < 100.0, lambda v: v * 2, x))(3.0)
    192.0
    """
    return without_effects((test, body), lambda: loop_value(lambda s: call(test, s), lambda s: call(body, s), init))


def fori_loop(lower: Any, upper: Any, body: Callable[[Any, Any], Any], init: Any) -> Any:
    """state = init; for i in range(lower, upper): state = body(i, state).

    >>> import lantern_jit as lj
    >>> lj.jit(lambda n: lj.fori_loop(0, n, lambda i, s: s + i, 0))(5)
    10
    """
    steps = staged_range(lower, upper)
    return without_effects((body,), lambda: loop_value(lambda s: True, lambda i, s: call(body, i, s), init, steps))


def scan(body: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any) -> tuple[Any, Any]:
    """carry = init; for x in xs: carry, y = body(carry, x). Gives (carry, array of the ys).

    xs: a one-dimensional array; each y is a scalar.

    >>> import lantern_jit as lj, numpy as np
    >>> lj.jit(lambda xs: lj.scan(lambda c, x: (c + x, c), 0.0, xs))(np.array([1.0, 2.0, 3.0]))
    (6.0, array([0., 1., 3.]))
    """
    if not in_trace():
        return Transformed(body, "scan", lambda c, v: scan(body, c, v))(init, xs)  # type: ignore[no-any-return]
    array = xs if isinstance(xs, Arrayed) else lift_array(xs)
    kind: list[Any] = []

    def probe(i: Any, c: Any) -> Any:
        c, y = call(body, c, array[i])
        kind.append(leaf_type(y))
        return c

    builder = current_builder()
    mark = builder.mark()
    loop_value(lambda s: True, probe, init, staged_range(array.shape[0]))
    builder.rollback(mark)
    if not isinstance(kind[-1], Scalar):
        raise errors.UnsupportedOperationError(
            f"scan() at {user_site()} collects one scalar y a step: store other results into arrays of your own"
        )
    out = allocate(kind[-1], array.shape[0], 0)

    def step(i: Any, c: Any) -> Any:
        c, out[i] = call(body, c, array[i])
        return c

    return loop_value(lambda s: True, step, init, staged_range(array.shape[0])), out


def fun(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is staged on its own instead of being inlined where it is called, for recursion in code
    whose source is not available, and to keep large programs small.

    >>> import lantern_jit as lj
    >>> square = lj.fun(lambda x: x * x)
    >>> lj.jit(lambda x: square(x) + square(x + 1))(2.0)
    13.0
    """

    @functools.wraps(f)
    def staged(*args: Any, **kwargs: Any) -> Any:
        return invoke_staged(f, args, kwargs) if in_trace() else f(*args, **kwargs)

    staged.__lantern_transform__ = True  # type: ignore[attr-defined]
    return staged


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of which a derivative keeps nothing but its arguments: on the way back it runs once more. Without a derivative it
    is f. What it prints is printed once, and what it draws is drawn once: running again, it is silent and sees the same numbers.

    It may write into arrays, as long as no two of those that it is given may be parts of one; not into objects.

    >>> import lantern_jit as lj, numpy as np
    >>> step = lj.checkpoint(lambda x: np.sin(x) * np.exp(-x * x))
    >>> lj.jit(lj.grad(lambda x: np.sum(step(step(x)))))(np.zeros(3))
    array([1., 1., 1.])
    """

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        return invoke_staged(f, args, kwargs, checkpoint=True) if in_trace() else f(*args, **kwargs)

    checkpointed.__lantern_transform__ = True  # type: ignore[attr-defined]
    return checkpointed
