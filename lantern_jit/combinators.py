"""Control flow as functions, for code without source."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from .ir.python.iterables import staged_range
from .ir.staging.branches import ifexp
from .ir.staging.effects import without_effects
from .ir.staging.functions import invoke_staged
from .ir.trace import combined
from .ir.trace.language import call
from .transforms import Transformed, in_trace, vmap


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """`true_fun(*operands) if pred else false_fun(*operands)`; only one of them runs.

    Parameters
    ----------
    pred : bool or number
        One; 0 is false. Arrays and containers are refused.
    true_fun, false_fun : callable
        Both give the same type.
    *operands : any
        Their arguments.

    Returns
    -------
    any
        What the one gives.

    Raises
    ------
    TypeMismatchError
        Where they give two types.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.jit(lambda x: lj.cond(x > 0, lambda v: v * 2, lambda v: -v, x))(-3.0)
    3.0
    """
    pred = combined.predicate("cond()", pred, numbers=True)
    return without_effects(
        (true_fun, false_fun), lambda: ifexp(pred, lambda: call(true_fun, *operands), lambda: call(false_fun, *operands))
    )


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`, with index clamped to the range of branches.

    Parameters
    ----------
    index : int
        A float is refused.
    branches : sequence of callable
        All give the same type.
    *operands : any
        Their arguments.

    Returns
    -------
    any
        What the chosen one gives.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.jit(lambda i, x: lj.switch(i, [lambda v: v, lambda v: v * v], x))(1, 3.0)
    9.0
    """
    branches = list(branches)
    if not branches:
        raise ValueError("switch() needs at least one branch")
    index = combined.integer("switch()", "the index", index)
    return without_effects(branches, lambda: combined.chosen(index, branches, operands))


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """`while cond_fun(state): state = body_fun(state)`.

    Parameters
    ----------
    cond_fun : callable
        Gives a bool.
    body_fun : callable
        Gives the next state, of the same structure, types and shapes.
    init_val : any
        The first state.

    Returns
    -------
    any
        The last state.

    Raises
    ------
    TypeMismatchError
        Where the state changes its type; the message says which leaf.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.jit(lambda x: lj.while_loop(lambda v: v < 100.0, lambda v: v * 2, x))(3.0)
    192.0
    """

    def test(state: Any) -> Any:
        return combined.predicate("while_loop(): its condition", call(cond_fun, state), numbers=False)

    return without_effects(
        (cond_fun, body_fun), lambda: combined.repeated("while_loop()", "the state", test, lambda s: call(body_fun, s), init_val)
    )


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """`for i in range(lower, upper): state = body_fun(i, state)`.

    Parameters
    ----------
    lower, upper : int
        The range.
    body_fun : callable
        Of i and the state, to the next state, of the same structure, types and shapes.
    init_val : any
        The first state.

    Returns
    -------
    any
        The last state.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.jit(lambda n: lj.fori_loop(0, n, lambda i, s: s + i, 0))(5)
    10
    """
    steps = staged_range(combined.integer("fori_loop()", "lower", lower), combined.integer("fori_loop()", "upper", upper))
    return without_effects(
        (body_fun,),
        lambda: combined.repeated("fori_loop()", "the state", lambda s: True, lambda i, s: call(body_fun, i, s), init_val, steps),
    )


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any = None, length: Any = None, reverse: bool = False, unroll: int | bool = 1
) -> tuple[Any, Any]:
    """`for x in xs: carry, y = f(carry, x)`: the last carry, and all the ys.

    Parameters
    ----------
    f : callable
        Of the carry and an element, to the next carry, of the same structure, types and shapes, and a number, an array, None or a container of
        them.
    init : any
        The first carry.
    xs : array or container of arrays, optional
        Of one length along the first axis; f is given an element, or a container of elements. None: f is given None, `length` times.
    length : int, optional
        How often; needed without xs.
    reverse : bool, default False
        The last x comes first; the ys stand where their xs do.
    unroll : int or bool, default 1
        So many iterations of the loop as one; True for all, if their number is known.

    Returns
    -------
    carry : any
        The last one.
    ys : any
        One array for each number or array of y; the first axis counts.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> lj.jit(lambda xs: lj.scan(lambda c, x: (c + x, c), 0.0, xs))(np.array([1.0, 2.0, 3.0]))
    (6.0, array([0., 1., 3.]))
    >>> lj.scan(lambda c, x: (c * x["a"], {"c": c, "b": -x["b"]}), 1.0, {"a": np.array([2.0, 3.0]), "b": np.eye(2)}, reverse=True)
    (6.0, {'c': array([3., 1.]), 'b': array([[-1., -0.],
           [-0., -1.]])})
    """
    if in_trace():
        return without_effects((f,), lambda: combined.scan(f, init, xs, length, reverse, unroll))  # type: ignore[no-any-return]
    staged = Transformed(f, "scan", lambda c, v: scan(f, c, v, length, reverse, unroll), options=(length, reverse, unroll))
    return staged(init, xs)  # type: ignore[no-any-return]


def map(f: Callable[[Any], Any], xs: Any, batch_size: int | None = None) -> Any:
    """The results of f for each element of xs, as `scan` collects them.

    Parameters
    ----------
    f : callable
        Of an element, or a container of elements.
    xs : array or container of arrays
        Of one length along the first axis.
    batch_size : int, optional
        1 or more: elements are computed side by side, as by `vmap`. How many that are is the library's business here: lanes take a loop's memory.

    Returns
    -------
    any
        One array for each number or array of the result.

    Raises
    ------
    ValueError
        For a batch_size below 1.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> lj.jit(lambda xs: lj.map(lambda x: x * x, xs))(np.array([1.0, 2.0, 3.0]))
    array([1., 4., 9.])
    """
    if batch_size is not None:
        if isinstance(batch_size, bool) or operator.index(batch_size) < 1:
            raise ValueError(f"batch_size={batch_size!r} of map(): give an int of 1 or more")
        return vmap(f)(xs)
    if in_trace():
        return without_effects((f,), lambda: combined.scan(lambda c, x: (c, call(f, x)), (), xs, None, False, 1))[1]
    return Transformed(f, "map", lambda v: map(f, v), options=())(xs)


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The running results of `fn(so far, element)` along an axis of elems.

    Parameters
    ----------
    fn : callable
        Any function of two elements, without the axis, that gives one of the same type. It is called once for each element, in order, so that it
        need not be associative, and may branch.
    elems : array or container of arrays
        Of one length along the axis.
    reverse : bool, default False
        From the end.
    axis : int, default 0
        Along which.

    Returns
    -------
    any
        Like elems.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> lj.associative_scan(lambda a, b: a * b, np.array([1.0, 2.0, 3.0, 4.0]))
    array([ 1.,  2.,  6., 24.])
    """
    if in_trace():
        return without_effects((fn,), lambda: combined.associative_scan(fn, elems, reverse, axis))
    return Transformed(fn, "associative_scan", lambda v: associative_scan(fn, v, reverse, axis), options=(reverse, axis))(elems)


def fun(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is staged on its own instead of being inlined where it is called.

    Parameters
    ----------
    f : callable
        Any function.

    Returns
    -------
    callable
        The same, for recursion in code whose source is not available, and to keep large programs small.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> square = lj.fun(lambda x: x * x)
    >>> lj.jit(lambda x: square(x) + square(x + 1))(2.0)
    13.0
    """

    @functools.wraps(f)
    def staged(*args: Any, **kwargs: Any) -> Any:
        return invoke_staged(f, args, kwargs) if in_trace() else f(*args, **kwargs)

    staged.__lantern_transform__ = staged.__lantern_optionals__ = True  # type: ignore[attr-defined]
    return staged


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of which a derivative keeps nothing but its arguments: on the way back it runs once more.

    What it prints is printed once, and what it draws is drawn once: running again, it is silent and sees the same numbers.

    Parameters
    ----------
    f : callable
        It may write into arrays, as long as no two of those that it is given may be parts of one; not into objects.

    Returns
    -------
    callable
        f; without a derivative nothing else happens.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> step = lj.checkpoint(lambda x: np.sin(x) * np.exp(-x * x))
    >>> lj.jit(lj.grad(lambda x: np.sum(step(step(x)))))(np.zeros(3))
    array([1., 1., 1.])
    """

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        return invoke_staged(f, args, kwargs, checkpoint=True) if in_trace() else f(*args, **kwargs)

    checkpointed.__lantern_transform__ = checkpointed.__lantern_optionals__ = True  # type: ignore[attr-defined]
    return checkpointed
