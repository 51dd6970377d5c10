"""Functions made from functions: gradients, Jacobians, directional derivatives. Each works in three places: inside traced code it
adds to the graph; called with plain values it runs on the reference interpreter; under `jit` it is native code."""

from __future__ import annotations

import functools
import pickle
import types
from collections.abc import Callable, Sequence
from typing import Any

from .dispatcher import Dispatcher
from .ir.core.builder import current_trace
from .ir.trace import derivatives
from .ir.trace.jacobians import jacobian
from .ir.trace.language import call
from .ir.trace.tracebacks import hide
from .ir.trace.vmap import vmap as batched
from .ir.values import pytree
from .pickling import Recipe
from .sharing import identity, shared
from .table import Table


def in_trace() -> bool:
    trace = current_trace()
    return trace is not None and bool(trace.builders)


class Transformed(Recipe):
    """A function made from a function. Outside a trace it is interpreted at first, see `Specialisation.evaluate`."""

    __lantern_transform__ = True

    def __init__(self, f: Callable[..., Any], kind: str, staged: Callable[..., Any], recipe: Any = None, options: Any = None) -> None:
        """`recipe` is (function, arguments) that make the same again, for pickle. Of the same kind, function and `options` (if
        there are any), all are one."""
        if not callable(f):
            raise TypeError(f"{kind}() takes a function, not {type(f).__name__} {f!r}")
        functools.update_wrapper(self, f, updated=())
        self.__name__ = f"{kind}({getattr(f, '__name__', type(f).__name__)})"
        self._staged, self._recipe = staged, recipe
        self._same_as = None if options is None else (kind, f, options)

    @functools.cached_property
    def _dispatcher(self) -> Dispatcher:
        make = functools.partial(Dispatcher, self, self.__name__)
        return make() if self._same_as is None else shared(*self._same_as, make)

    @property
    def __lantern_identity__(self) -> Any:
        if self._same_as is None:
            return None
        kind, f, options = self._same_as
        code, *rest = identity(f)
        return (kind, options, code), *rest

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if in_trace():
            return self._staged(*args, **kwargs)
        try:
            specialisation, leaves = self._dispatcher.lookup(args, kwargs)
            return specialisation.evaluate(leaves)
        except BaseException as e:
            raise hide(e)  # noqa: B904  # itself

    @property
    def specialisations(self) -> Table:
        """What it has been traced for, see `Jitted.specialisations`."""
        return self._dispatcher.table()

    def recipe(self) -> Any:
        if self._recipe is None:
            raise pickle.PicklingError(f"{self!r} cannot be pickled")
        return self._recipe

    def __repr__(self) -> str:
        return f"<lantern_jit.{self.__name__}>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Transformed:
    """A function that gives `(f(*args), gradient)`.

    argnums: which positional arguments to differentiate; an int gives one gradient, a sequence a tuple. Each
        gradient has its argument's structure; ints are promoted to float64.
    has_aux: `f` returns `(value, aux)`; so does the first result.

    Raises NotDifferentiableError unless f's value is one float.

    >>> import lantern_jit as lj
    >>> lj.value_and_grad(lambda x, y: x * y)(3.0, 4.0)
    (12.0, 4.0)
    """
    nums = argnums if isinstance(argnums, int) else tuple(argnums)
    return Transformed(
        f,
        "value_and_grad",
        lambda *args, **kwargs: derivatives.value_and_grad(f, nums, has_aux, args, kwargs),
        (value_and_grad, (f, nums, has_aux)),
        (nums, has_aux),
    )


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Transformed:
    """The gradient of a function with one float result, by reverse mode. Arguments as in `value_and_grad`.

    With has_aux the result is `(gradient, aux)`.

    >>> import lantern_jit as lj
    >>> lj.grad(lambda x: x ** 3)(2.0)
    12.0
    >>> lj.grad(lj.grad(lambda x: x ** 3))(2.0)
    12.0
    """
    nums = argnums if isinstance(argnums, int) else tuple(argnums)

    def staged(*args: Any, **kwargs: Any) -> Any:
        value, gradient = derivatives.value_and_grad(f, nums, has_aux, args, kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return Transformed(f, "grad", staged, (grad, (f, nums, has_aux)), (nums, has_aux))


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """(f(*primals), J tangents): the directional derivative, by forward mode.

    >>> import lantern_jit as lj
    >>> lj.jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 0.0))
    (12.0, 4.0)
    """
    return Transformed(f, "jvp", lambda p, t: derivatives.jvp(f, p, t), options=())(tuple(primals), tuple(tangents))  # type: ignore[no-any-return]


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any]]:
    """(f(*primals), pull), where pull(cotangent) gives a tuple of cotangents of the primals.

    >>> import lantern_jit as lj
    >>> y, pull = lj.vjp(lambda x: (x * x, 3.0 * x), 2.0)
    >>> pull((1.0, 10.0))
    (34.0,)
    """
    if in_trace():
        return derivatives.vjp(f, primals)[:2]
    value = Transformed(f, "vjp", lambda *p: derivatives.vjp(f, p)[0], options="value")(*primals)
    pull = Transformed(f, "vjp", lambda p, c: derivatives.vjp(f, p, again=True)[1](c), options="pull")
    return value, lambda cotangent: pull(primals, cotangent)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of f (one float result) at `primals` times `tangents`: forward over reverse.

    Gives a value like the primal for one primal, else a tuple.

    >>> import lantern_jit as lj
    >>> lj.hvp(lambda x: x ** 3, (2.0,), (1.0,))
    12.0
    """
    nums: Any = 0 if len(primals) == 1 else tuple(range(len(primals)))

    def staged(p: Any, t: Any) -> Any:
        return derivatives.jvp(grad(f, nums), p, t)[1]

    return Transformed(f, "hvp", staged, options=nums)(tuple(primals), tuple(tangents))


def jacfwd(f: Callable[..., Any]) -> Transformed:
    """The Jacobian of f (one float or float array to the same) by forward mode: f is evaluated once for eight columns.

    The result's shape is (*shape of f(x), *shape of x). Under `jit` an x of at most eight elements has a program for its size.

    >>> import lantern_jit as lj, numpy as np
    >>> lj.jacfwd(lambda x: x[0] * x[1])(np.array([3.0, 4.0]))
    array([4., 3.])
    """
    return Transformed(f, "jacfwd", lambda x, *rest: jacobian(_bind(f, rest), x, True), (jacfwd, (f,)), ())


def jacrev(f: Callable[..., Any]) -> Transformed:
    """The Jacobian of f, row by row by reverse mode. See `jacfwd`."""
    return Transformed(f, "jacrev", lambda x, *rest: jacobian(_bind(f, rest), x, False), (jacrev, (f,)), ())


def hessian(f: Callable[..., Any]) -> Transformed:
    """The Hessian of f (one float result) in its first argument: shape (*shape of x, *shape of x). One reverse pass for eight columns,
    where f is made of scalars, elementwise code and control flow; linear algebra goes column by column.

    >>> import lantern_jit as lj, numpy as np
    >>> lj.hessian(lambda x: x[0] * x[0] * x[1])(np.array([3.0, 4.0]))
    array([[8., 6.],
           [6., 0.]])
    """
    return Transformed(f, "hessian", lambda x, *rest: jacobian(grad(_bind(f, rest)), x, True), (hessian, (f,)), ())


def _bind(f: Callable[..., Any], rest: tuple[Any, ...]) -> Callable[..., Any]:
    return functools.partial(_last_first, f, rest) if rest else f


def _last_first(f: Callable[..., Any], rest: tuple[Any, ...], x: Any) -> Any:
    return call(f, x, *rest)


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Transformed:
    """A function of arrays of arguments, which gives arrays of results: those of f for each lane.

    in_axes: the axis of each positional argument that lanes go over, an int, or None for what all lanes share; in containers one
        for each part, or one for all. Keyword arguments go by axis 0.
    out_axes: where the axis of lanes is in a result.

    Each lane has its own control flow: loops run as long as its own values say. f may write into arrays that it makes and into its
    rows, which are its own then, and not into what all lanes share. From one random Generator the lanes draw one after another.

    >>> import lantern_jit as lj, numpy as np
    >>> lj.vmap(lambda a, x: a * x[0] + x[1], in_axes=(None, 0))(2.0, np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([ 4., 10.])
    """
    options = tuple((tuple(leaves), tree) for leaves, tree in map(pytree.flatten, (in_axes, out_axes)))
    return Transformed(
        f, "vmap", lambda *args, **kwargs: batched(f, in_axes, out_axes, args, kwargs), (vmap, (f, in_axes, out_axes)), options
    )
