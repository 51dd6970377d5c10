"""Functions made from functions: gradients, Jacobians, directional derivatives. Each works in three places: inside traced code it
adds to the graph; called with plain values it runs on the reference interpreter; under `jit` it is native code."""

from __future__ import annotations

import functools
import itertools
import pickle
import types
from collections.abc import Callable, Sequence
from typing import Any, Union

import numpy as np

from .dispatcher import Bound, Dispatcher
from .inspection.debugging import is_interpreted
from .inspection.table import Table
from .ir.core import errors
from .ir.core.builder import current_trace
from .ir.trace import derivatives
from .ir.trace.jacobian import jacobians, linear, paused
from .ir.trace.jacobian.point import Point
from .ir.trace.jacobian.pullback import Pullback
from .ir.trace.tracebacks import hide
from .ir.trace.vmap import vmap as batched
from .ir.values import pytree
from .pickling import Recipe
from .sharing import identity, shared


def in_trace() -> bool:
    trace = current_trace()
    return trace is not None and bool(trace.builders)


_MAY_BE_NONE = ("value_and_grad", "grad", "jacfwd", "jacrev", "hessian")  # what they do not differentiate by


class Transformed(Recipe):
    """A function made from a function. Outside a trace it is interpreted at first, see `Specialisation.evaluate`."""

    __lantern_transform__ = True
    _public = ("specialisations",)

    def __init__(self, f: Callable[..., Any], kind: str, staged: Callable[..., Any], recipe: Any = None, options: Any = None) -> None:
        """`recipe` is (function, arguments) that make the same again, for pickle. Of the same kind, function and `options` (if
        there are any), all are one."""
        if not callable(f):
            raise TypeError(f"{kind}() takes a function, not {type(f).__name__} {f!r}")
        functools.update_wrapper(self, f, updated=())
        self.__name__ = f"{kind}({getattr(f, '__name__', type(f).__name__)})"
        self._staged, self._recipe = staged, recipe
        self.__lantern_optionals__ = kind in _MAY_BE_NONE
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
            return self._bound(args, kwargs).call("evaluate")
        except BaseException as e:
            raise hide(e)  # noqa: B904  # itself

    def bound(self, *args: Any) -> Bound:
        """The program for these arguments, with them."""
        try:
            return self._bound(args, {})
        except BaseException as e:
            raise hide(e)  # noqa: B904  # itself

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        return Bound(*(Dispatcher(self, self.__name__) if is_interpreted() else self._dispatcher).lookup(args, kwargs))

    def again(self, bound: Bound, args: tuple[Any, ...], like: tuple[Any, ...]) -> Bound | None:
        """See `Dispatcher.again`."""
        return self._dispatcher.again(bound, args, like)

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


Argnums = Union[int, str, Sequence[Union[int, str]]]


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Transformed:
    """A function that gives `(f(*args), gradient)`, by one pass of reverse mode.

    Parameters
    ----------
    f : callable
        Gives one float. Its arguments are floats, float arrays of any shape, containers of them, and whatever else `jit` takes.
    argnums : int, str, or sequence of them, default 0
        Which arguments to differentiate, by position (from the end if negative) or by the parameter's name, which also finds one that a
        call passes by keyword. One gives one gradient, a sequence a tuple.
    has_aux : bool, default False
        `f` returns `(value, aux)`; so does the first result. aux is anything that the trace knows: numbers and arrays, also of the
        program, strings, None, objects, containers of them.
    holomorphic : bool, default False
        f is a function of complex numbers with a complex value and a complex derivative, which is given. Else the gradient by a complex
        z = x + iy is dL/dx - i dL/dy.

    Returns
    -------
    callable
        Of f's arguments. Each gradient has its argument's structure, shapes and dtypes; ints are promoted to float64; None and strings stay.

    Raises
    ------
    NotDifferentiableError
        Unless f's value is one float, and for an argument of bools.
    ArgumentTypeError
        Where argnums names no argument of the call.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.value_and_grad(lambda x, y: x * y)(3.0, 4.0)
    (12.0, 4.0)
    >>> lj.value_and_grad(lambda x, rate: x * rate, argnums=("rate", 0))(3.0, rate=4.0)
    (12.0, (3.0, 4.0))
    """
    nums = _nums(argnums)
    return Transformed(
        f,
        "value_and_grad",
        lambda *args, **kwargs: derivatives.value_and_grad(f, nums, has_aux, args, kwargs, holomorphic),
        (value_and_grad, (f, nums, has_aux, holomorphic)),
        (nums, has_aux, holomorphic),
    )


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Transformed:
    """The gradient of a function with one float result, by reverse mode.

    Parameters
    ----------
    f, argnums, has_aux, holomorphic
        As in `value_and_grad`.

    Returns
    -------
    callable
        It gives the gradient; with has_aux `(gradient, aux)`.

    Raises
    ------
    NotDifferentiableError, ArgumentTypeError
        As `value_and_grad`.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.grad(lambda x: x ** 3)(2.0)
    12.0
    >>> lj.grad(lj.grad(lambda x: x ** 3))(2.0)
    12.0
    >>> lj.grad(lambda z: abs(z) ** 2)(1 + 2j), lj.grad(lambda z: z ** 2, holomorphic=True)(1 + 1j)
    ((2-4j), (2+2j))
    """
    nums = _nums(argnums)

    def staged(*args: Any, **kwargs: Any) -> Any:
        value, gradient = derivatives.value_and_grad(f, nums, has_aux, args, kwargs, holomorphic)
        return (gradient, value[1]) if has_aux else gradient

    return Transformed(f, "grad", staged, (grad, (f, nums, has_aux, holomorphic)), (nums, has_aux, holomorphic))


def _nums(argnums: Argnums) -> Any:
    if isinstance(argnums, (int, str)):
        return argnums
    try:
        return tuple(argnums)
    except TypeError:
        raise TypeError(f"argnums={argnums!r}: give an int, the name of a parameter, or a sequence of them") from None


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple[Any, ...]:
    """`(f(*primals), J tangents)`: the directional derivative, by forward mode.

    Parameters
    ----------
    f : callable
        Gives floats, arrays, containers of them.
    primals, tangents : sequence
        The arguments, and their changes: a tangent has the structure, shapes and float types of its primal.
    has_aux : bool, default False
        f returns `(value, aux)`, and aux comes third.

    Returns
    -------
    value : any
        What f gives.
    tangent : any
        In the structure and shapes of the value; 0.0 for ints and bools.

    Raises
    ------
    TypeMismatchError, ArrayShapeError
        Where tangents do not fit.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 0.0))
    (12.0, 4.0)
    """
    given = _several("jvp", "primals", primals), _several("jvp", "tangents", tangents)
    return Transformed(f, "jvp", lambda p, t: derivatives.jvp(f, p, t, has_aux), options=has_aux)(*given)  # type: ignore[no-any-return]


def _several(who: str, name: str, given: Sequence[Any]) -> tuple[Any, ...]:
    """Arguments that are given as a sequence."""
    if isinstance(given, (tuple, list)):
        return tuple(given)
    raise errors.ArgumentTypeError(
        f"the {name} of {who} are a sequence with one for each argument, not {type(given).__name__}: write ({'x' if name == 'primals' else 't'},)"
    )


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """`(f(*primals), pull)`, where pull goes from cotangents of the value to those of the primals.

    f is evaluated now, and pull goes the way back alone. Where the value, or the primals, are at most eight numbers all in all, that is to
    add up rows (or columns) that have been found together. Else what the forward pass leaves for the way back stays in memory as long as pull
    does. The first pull uses it up; a second one evaluates f once more and keeps a copy, which serves all further ones. Only what is
    interpreted, as it is short, and functions with effects or with complex numbers, are evaluated again for each pull, at the same point:
    what f reads from outside is what it was, draws and callbacks give what they gave.

    Parameters
    ----------
    f : callable
        Gives floats, arrays, containers of them.
    *primals : any
        Its arguments.
    has_aux : bool, default False
        f returns `(value, aux)`, and aux comes third.

    Returns
    -------
    value : any
        What f gives.
    pull : callable
        pull(cotangent), of the structure and shapes of the value, gives a tuple with one for each primal.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> y, pull = lj.vjp(lambda x: (x * x, 3.0 * x), 2.0)
    >>> pull((1.0, 10.0))
    (34.0,)
    """
    return _linear(f, primals, "vjp", has_aux)


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """`(f(*primals), push)`, where `push(*tangents)` gives the tangent of the value.

    Where the primals, or the value, are at most eight numbers all in all, f is evaluated once, now; else each push evaluates it once more.

    Parameters
    ----------
    f, *primals, has_aux
        As in `vjp`.

    Returns
    -------
    value : any
        What f gives.
    push : callable
        Its arguments are like the primals, its result is like the value.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> y, push = lj.linearize(lambda x: x * x, 3.0)
    >>> y, push(1.0), push(2.0)
    (9.0, 6.0, 12.0)
    """
    return _linear(f, primals, "linearize", has_aux)


def _linear(f: Callable[..., Any], primals: tuple[Any, ...], kind: str, has_aux: bool) -> tuple[Any, ...]:
    if in_trace():
        found, aux = linear.linear(f, primals, kind, has_aux)
        return (found.value, found.pull if kind == "vjp" else found.push, *((aux,) if has_aux else ()))

    def first(*p: Any) -> Any:
        found, aux = linear.linear(f, p, kind, has_aux)
        return found.value, aux, found.kind, found.parts

    def again(p: Any, changes: Any) -> Any:
        found, _ = linear.linear(f, p, kind, has_aux, again=True)
        return found.pull(*changes) if kind == "vjp" else found.push(*changes)

    def pausing(*p: Any) -> Any:
        return paused.pausing(f, p, has_aux)

    def made(name: str, function: Callable[..., Any]) -> Transformed:
        return Transformed(f, kind, function, options=(name, has_aux))

    leaves, tree = pytree.flatten(primals)
    own = pytree.unflatten(tree, [x.copy() if isinstance(x, np.ndarray) else x for x in leaves])  # the caller may write into them
    anew = made("again", again)
    if kind == "vjp":
        pull = Pullback(made("value", first), made("pausing", pausing), anew, _APPLIED, own)
        return (pull.value, pull, *((pull.aux,) if has_aux else ()))
    point = Point(kind, made("value", first).bound(*own), anew, own)
    value, aux, how, parts = point.first("evaluate")
    if how == linear.AGAIN:
        point.keep(own)
    else:
        point.forget()

    def push(*tangents: Any) -> Any:
        return point.again(tangents) if how == linear.AGAIN else _APPLIED(kind, how, parts, own, value, tangents)

    return (value, push, *((aux,) if has_aux else ()))


def _applied(kind: str, how: str, parts: Any, primals: Any, value: Any, changes: Any) -> Any:
    parts, primals, value = linear.lifted((parts, primals, value))
    found = linear.Linear(how, parts, tuple(map(derivatives.all_differentiable, primals, itertools.repeat(kind))), value)
    return found.pull(*changes) if kind == "vjp" else found.push(*changes)


_APPLIED = Transformed(_applied, "linear", _applied)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The Hessian of f (one float result) at `primals` times `tangents`.

    Forward over reverse (Pearlmutter, "Fast Exact Multiplication by the Hessian", 1994).

    Parameters
    ----------
    f, primals, tangents, has_aux
        As in `jvp`.

    Returns
    -------
    any
        A value like the primal for one primal, else a tuple; with has_aux, where f returns (value, aux), a pair of that and aux.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.hvp(lambda x: x ** 3, (2.0,), (1.0,))
    12.0
    """
    given = _several("hvp", "primals", primals), _several("hvp", "tangents", tangents)
    nums: Any = 0 if len(primals) == 1 else tuple(range(len(primals)))

    def staged(p: Any, t: Any) -> Any:
        _, *found = derivatives.jvp(grad(f, nums, has_aux), p, t, has_aux)
        return tuple(found) if has_aux else found[0]

    return Transformed(f, "hvp", staged, options=(nums, has_aux))(*given)


def jacfwd(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Transformed:
    """The Jacobian of f by forward mode: f is evaluated once for eight columns.

    Under `jit` an x of at most eight elements has a program for its size.

    Parameters
    ----------
    f : callable
        Of floats, float arrays (ints are promoted) and containers of them, to the same.
    argnums, has_aux
        As in `value_and_grad`; with has_aux the result is (Jacobian, aux).
    holomorphic : bool, default False
        A complex y has a complex derivative by a real x; by a complex x it has one if f is holomorphic.

    Returns
    -------
    callable
        For each number or array y of f's result, in its structure, stands what a gradient would be, with an array of the shape
        `(*y.shape, *x.shape)` and the dtype of x for each number or array x.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> lj.jacfwd(lambda x: x[0] * x[1])(np.array([3.0, 4.0]))
    array([4., 3.])
    >>> lj.jacfwd(lambda x, y: {"a": x * y, "b": x}, argnums=(0, 1))(3.0, 4.0)
    {'a': (4.0, 3.0), 'b': (1.0, 0.0)}
    """
    return _jacobian(f, argnums, has_aux, jacfwd, holomorphic)


def jacrev(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Transformed:
    """The Jacobian of f by reverse mode: eight rows for each forward and reverse pass.

    Parameters
    ----------
    f, argnums, has_aux, holomorphic
        As in `jacfwd`.

    Returns
    -------
    callable
        As of `jacfwd`.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> lj.jacrev(lambda x: np.array([x[0] * x[1], x[1]]))(np.array([3.0, 4.0]))
    array([[4., 3.],
           [0., 1.]])
    """
    return _jacobian(f, argnums, has_aux, jacrev, holomorphic)


jacobian = jacrev


def _jacobian(f: Callable[..., Any], argnums: Argnums, has_aux: bool, make: Any, holomorphic: bool) -> Transformed:
    nums = _nums(argnums)

    def staged(*args: Any, **kwargs: Any) -> Any:
        found, aux = jacobians.jacobian(f, nums, has_aux, args, kwargs, make is jacfwd, holomorphic)
        return (found, aux) if has_aux else found

    return Transformed(f, make.__name__, staged, (make, (f, nums, has_aux, holomorphic)), (nums, has_aux, holomorphic))


def hessian(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Transformed:
    """The second derivatives of f, as `jacfwd` of `jacrev`.

    One reverse pass for eight columns, where f is made of scalars, elementwise code and control flow; linear algebra goes column by column.

    Parameters
    ----------
    f, argnums, has_aux, holomorphic
        As in `jacfwd`.

    Returns
    -------
    callable
        For one float result, and one array x, the shape is `(*x.shape, *x.shape)`; in general y, x, x as in `jacfwd`.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> lj.hessian(lambda x: x[0] * x[0] * x[1])(np.array([3.0, 4.0]))
    array([[8., 6.],
           [6., 0.]])
    """
    nums = _nums(argnums)
    staged = jacfwd(jacrev(f, nums, has_aux, holomorphic), nums, has_aux, holomorphic)._staged
    return Transformed(f, "hessian", staged, (hessian, (f, nums, has_aux, holomorphic)), (nums, has_aux, holomorphic))


def _axes(name: str, leaves: Sequence[Any]) -> tuple[Any, ...]:
    for x in leaves:
        if not (x is None or (isinstance(x, int) and not isinstance(x, bool))):
            raise errors.ArgumentTypeError(f"vmap's {name} has {x!r}: an axis is an int, or None")
    return tuple(leaves)


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, threads: int = 1) -> Transformed:
    """A function of arrays of arguments, which gives arrays of results: those of f for each lane.

    Each lane has its own control flow: loops run as long as its own values say. f may write into arrays that it makes and into its
    rows, which are its own then, and not into what all lanes share. From one random Generator the lanes draw one after another.

    Parameters
    ----------
    f : callable
        The function of one lane.
    in_axes : int, None or container, default 0
        The axis of each positional argument that lanes go over, or None for what all lanes share; in containers one for each part, or
        one for all. Keyword arguments go by axis 0.
    out_axes : int, None or container, default 0
        Where the axis of lanes is in a result.
    threads : int, default 1
        How many threads run lanes, where there is enough to do. The whole program that the call is compiled in has its loops run by so many,
        as `jit(.., threads=n)` asks for; lanes that print or draw go one after another.

    Returns
    -------
    callable
        Of f's arguments with one axis more.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> lj.vmap(lambda a, x: a * x[0] + x[1], in_axes=(None, 0))(2.0, np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([ 4., 10.])
    """
    options = tuple(
        (_axes(name, leaves), tree)
        for name, (leaves, tree) in zip(("in_axes", "out_axes"), map(pytree.flatten, (in_axes, out_axes)), strict=True)
    )
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise ValueError(f"threads={threads!r}: give a positive number of threads")

    def staged(*args: Any, **kwargs: Any) -> Any:
        return batched(f, in_axes, out_axes, threads, args, kwargs)

    return Transformed(f, "vmap", staged, (vmap, (f, in_axes, out_axes, threads)), (*options, threads))
