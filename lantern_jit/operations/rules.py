"""Rules of derivatives that are made of operations in callback form."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..inspection.public import Public
from ..ir.core.builder import current_trace
from ..ir.core.errors import LanternError, TypeMismatchError
from ..ir.python.for_loops import loop_value
from ..ir.staging.leaves import show
from ..ir.trace.derivatives import conjugated
from ..ir.trace.jacobian.jacobians import jacobian
from ..ir.trace.jacobian.linear import pullback_at
from ..ir.trace.language import call
from ..ir.trace.operations import is_differentiable, operation, zero_like
from ..ir.values import pytree
from ..ir.values.views import settled
from ..transforms import in_trace


class _Ruled(Public):
    """A function with a rule of its own for derivatives."""

    __lantern_transform__ = True
    __name__: str
    __qualname__: str
    remedy = ""

    def __init__(self, f: Callable[..., Any], nondiff_argnums: int | Sequence[int], nondiff_argnames: str | Sequence[str]) -> None:
        functools.update_wrapper(self, f, updated=())
        self.function = f
        names = (nondiff_argnames,) if isinstance(nondiff_argnames, str) else tuple(nondiff_argnames)
        places = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        self.nondiff = (*places, *(self.place(name) for name in names))
        self.under_way: dict[
            Any, tuple[Any, tuple[Any, ...], Any]
        ] = {}  # rules that run: in which trace, of what, the value if it is known

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            given = inspect.signature(self.function).bind(*args, **kwargs)
            given.apply_defaults()
            args = given.args
        if not in_trace():
            return self.function(*args)
        inner = next((r for r in reversed(list(self.under_way.values())) if r[0] is current_trace()), None)
        if inner is not None:  # a rule that calls the function means its value
            known = inner[2] is not None and len(args) == len(inner[1]) and all(a is b for a, b in zip(args, inner[1], strict=True))
            return inner[2] if known else call(self.function, *args)
        if not self.has_rule():
            raise LanternError(f"`{self.__name__}` has no rule yet: {self.remedy}")
        free = [i for i in range(len(args)) if i not in self.nondiff]
        fixed = [args[i] for i in sorted(self.nondiff)]

        def body(*given: Any) -> Any:
            *own, k = given
            known = dict(zip(free, own, strict=True))
            return self.run(tuple(known.get(i, a) for i, a in enumerate(args)), tuple(own), fixed, k)

        return operation(_named(body, self.__name__), tuple(args[i] for i in free), {})

    def place(self, name: str) -> int:
        """The position of the parameter of that name."""
        parameters = list(inspect.signature(self.function).parameters)
        if name not in parameters:
            raise TypeError(f"nondiff_argnames={name!r} names no parameter of `{self.__name__}`, which has {', '.join(parameters)}")
        return parameters.index(name)

    def follow(self, rule: Any, args: tuple[Any, ...], value: Any, *given: Any) -> Any:
        """rule(*given), for these arguments of the function, of which the value may be known."""
        key = object()
        self.under_way[key] = current_trace(), args, value
        try:
            return call(rule, *given)
        finally:
            del self.under_way[key]

    def pair(self, found: Any, rule: str, what: str) -> tuple[Any, Any]:
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise TypeMismatchError(f"the {rule} of `{self.__name__}` gives {show(found)}: it returns a pair, {what}")
        return found[0], found[1]

    def has_rule(self) -> bool:
        raise NotImplementedError

    def run(self, args: tuple[Any, ...], own: tuple[Any, ...], fixed: list[Any], k: Callable[[Any], Any]) -> Any:
        """The operation of all `args`, of which `own` are differentiated and `fixed` are not; the adjoints of `own`."""
        raise NotImplementedError

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __reduce__(self) -> str:
        return self.__qualname__  # it is pickled by its name, as functions are

    def __repr__(self) -> str:
        return f"<lantern_jit.{type(self).__name__} {self.__name__}>"


def _named(body: Callable[..., Any], name: str) -> Callable[..., Any]:
    body.__name__, body.__lantern_transform__ = name, True  # type: ignore[attr-defined]
    return body


def _one_or_all(found: Any, own: tuple[Any, ...]) -> Any:
    """The adjoints as an operation returns them, from a tuple."""
    return found[0] if len(own) == 1 and isinstance(found, (tuple, list)) and len(found) == 1 else found


class custom_vjp(_Ruled):  # it is a decorator
    """A function whose way back is the user's.

    Parameters
    ----------
    fun : callable
        The function.
    fwd : callable, optional
        Of the arguments, to the value and what `bwd` needs; or later, by `defvjp(fwd, bwd)`.
    bwd : callable, optional
        Of residuals and the cotangent of the value, to a tuple of adjoints.
    nondiff_argnums, nondiff_argnames : int, str, or sequence of them, default ()
        Positions and names of arguments that have none: they come first in `bwd`.

    Examples
    --------
    >>> import lantern_jit as lj, math
    >>> @lj.custom_vjp
    ... def f(x, y):
    ...     return math.sin(x) * y
    >>> f.defvjp(lambda x, y: (f(x, y), (math.cos(x), math.sin(x), y)), lambda r, d: (r[0] * r[2] * d, r[1] * d))
    >>> lj.jit(lj.grad(f))(0.0, 3.0)
    3.0
    """

    remedy = "write f.defvjp(fwd, bwd)"

    def __init__(
        self,
        fun: Callable[..., Any],
        fwd: Callable[..., Any] | None = None,
        bwd: Callable[..., Any] | None = None,
        nondiff_argnums: int | Sequence[int] = (),
        nondiff_argnames: str | Sequence[str] = (),
    ) -> None:
        super().__init__(fun, nondiff_argnums, nondiff_argnames)
        self.forward, self.backward = fwd, bwd

    _public = ("defvjp",)

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Say what it does forward, and on the way back."""
        self.forward, self.backward = fwd, bwd

    def has_rule(self) -> bool:
        return self.forward is not None and self.backward is not None

    def run(self, args: tuple[Any, ...], own: tuple[Any, ...], fixed: list[Any], k: Callable[[Any], Any]) -> Any:
        found = self.follow(self.forward, args, None, *args)
        y, residuals = self.pair(found, "fwd", "(value, residuals)")
        return _one_or_all(call(self.backward, *fixed, residuals, k(y)), own)


class custom_jvp(_Ruled):
    """A function whose derivative is the user's in forward mode; reverse mode is the transpose of that.

    Parameters
    ----------
    fun : callable
        The function. `defjvp(rule)` says the rule: of primals and tangents, to the value and its tangent, which is linear in the tangents;
        or `defjvps(rule, ..)` one for each argument.
    nondiff_argnums, nondiff_argnames : int, str, or sequence of them, default ()
        Positions and names of arguments without a derivative: they come first in the rule.

    Examples
    --------
    >>> import lantern_jit as lj, math
    >>> @lj.custom_jvp
    ... def f(x):
    ...     return math.sin(x)
    >>> @f.defjvp
    ... def rule(primals, tangents):
    ...     return math.sin(primals[0]), math.cos(primals[0]) * tangents[0]
    >>> lj.jit(lj.grad(f))(0.0)
    1.0
    """

    remedy = "write f.defjvp(rule)"

    def __init__(
        self, fun: Callable[..., Any], nondiff_argnums: int | Sequence[int] = (), nondiff_argnames: str | Sequence[str] = ()
    ) -> None:
        super().__init__(fun, nondiff_argnums, nondiff_argnames)
        self.rule: Callable[..., Any] | None = None

    _public = ("defjvp", "defjvps")

    def defjvp(self, jvp: Callable[..., Any]) -> Callable[..., Any]:
        """Say what it gives for primals and tangents."""
        self.rule = jvp
        return jvp

    def defjvps(self, *jvps: Callable[..., Any] | None) -> None:
        """Say for each argument what it adds to the tangent: `jvp(tangent, value, *primals)`, or None where it adds nothing.

        >>> import lantern_jit as lj
        >>> @lj.custom_jvp
        ... def product(x, y):
        ...     return x * y
        >>> product.defjvps(lambda t, value, x, y: t * y, None)
        >>> lj.jit(lj.grad(product))(2.0, 3.0)
        3.0
        """

        def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
            if len(jvps) != len(primals):
                raise TypeError(f"defjvps of `{self.__name__}` has {len(jvps)} rules, which is called with {len(primals)} arguments")
            value = self(*primals)
            leaves, tree = pytree.flatten(value)
            total: list[Any] = [0.0 * x for x in leaves]
            for jvp, tangent in zip(jvps, tangents, strict=True):
                if jvp is not None:
                    total = [a + b for a, b in zip(total, pytree.flatten(call(jvp, tangent, value, *primals))[0], strict=True)]
            return value, pytree.unflatten(tree, total)

        self.rule = _named(rule, self.__name__)

    def has_rule(self) -> bool:
        return self.rule is not None

    def like(self, tangent: Any, value: Any) -> Any:
        """The tangent, if it has the structure of the value, and arrays where that has them."""
        (have, tree), (want, other) = pytree.flatten(settled(tangent)), pytree.flatten(settled(value))
        if tree != other or any(is_differentiable(y) and np.ndim(t) != np.ndim(y) for t, y in zip(have, want, strict=True)):
            raise TypeMismatchError(
                f"the rule of `{self.__name__}` gives a tangent that is {show(tangent)}, for a value that is {show(value)}: return one like the value"
            )
        return tangent

    def run(self, args: tuple[Any, ...], own: tuple[Any, ...], fixed: list[Any], k: Callable[[Any], Any]) -> Any:
        y = call(self.function, *args)
        dy = k(y)
        leaves, tree = pytree.flatten(own)
        moving = [i for i, x in enumerate(leaves) if is_differentiable(x)]

        def tangent(*moved: Any) -> Any:
            known = dict(zip(moving, moved, strict=True))
            tangents = pytree.unflatten(tree, [known.get(i, 0.0) for i in range(len(leaves))])
            _, found = self.pair(self.follow(self.rule, args, y, *fixed, own, tangents), "rule", "(value, tangent)")
            return self.like(found, y)

        found = dict(zip(moving, pullback_at(_named(tangent, self.__name__), tuple(zero_like(leaves[i]) for i in moving))(dy), strict=True))
        return _one_or_all(conjugated(pytree.unflatten(tree, [found.get(i) for i in range(len(leaves))])), own)


def stop_gradient(x: Any) -> Any:
    """x, through which no derivative flows.

    Parameters
    ----------
    x : number, array or container of them
        Any value.

    Returns
    -------
    any
        The same value.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.jit(lj.grad(lambda x: lj.stop_gradient(x) * x))(3.0)
    3.0
    """

    def body(x: Any, k: Any) -> Any:
        k(x)

    return operation(_named(body, "stop_gradient"), (x,), {}) if in_trace() else x


def clip_gradient(x: Any, lo: Any, hi: Any) -> Any:
    """x, whose adjoint is kept between lo and hi, element by element.

    Parameters
    ----------
    x : number, array or container of them
        Any value.
    lo, hi : float or array
        The least and the greatest adjoint.

    Returns
    -------
    any
        The same value.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.jit(lj.grad(lambda x: lj.clip_gradient(x, -1.0, 1.0) ** 2))(3.0)
    1.0
    """

    def body(x: Any, lo: Any, hi: Any, k: Any) -> Any:
        leaves, tree = pytree.flatten(k(x))
        return pytree.unflatten(tree, [call(np.clip, d, lo, hi) for d in leaves]), None, None

    return operation(_named(body, "clip_gradient"), (x, lo, hi), {}) if in_trace() else x


def implicit(solve: Callable[..., Any], residual: Callable[..., Any]) -> Callable[..., Any]:
    """`y = solve(*args)`, where `residual(y, *args)` is 0, with the derivative of the implicit function.

    Parameters
    ----------
    solve : callable
        Gives a number or an array. It is not differentiated, and may be any iteration.
    residual : callable
        Of y and the arguments, to a number or an array like y.

    Returns
    -------
    callable
        solve, with that derivative.

    Raises
    ------
    LinAlgError
        On the way back, where the residual's Jacobian in y is singular.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> def newton(a):
    ...     y = 1.0
    ...     while abs(y * y - a) > 1e-12:
    ...         y = 0.5 * (y + a / y)
    ...     return y
    >>> root = lj.implicit(newton, lambda y, a: y * y - a)
    >>> round(lj.jit(lj.grad(root))(4.0), 12)
    0.25
    """

    def body(*given: Any) -> Any:
        *args, k = given
        y = call(solve, *args)
        dy = k(y)
        leaves, tree = pytree.flatten(tuple(args))
        moving = [i for i, x in enumerate(leaves) if is_differentiable(x)]

        def at(*moved: Any) -> Any:
            known = dict(zip(moving, moved, strict=True))
            return call(residual, y, *pytree.unflatten(tree, [known.get(i, x) for i, x in enumerate(leaves)]))

        pull = pullback_at(_named(at, "residual"), tuple(leaves[i] for i in moving))
        found = dict(zip(moving, pull(-_solved(lambda v: call(residual, v, *args), y, dy)), strict=True))
        return _one_or_all(pytree.unflatten(tree, [found.get(i) for i in range(len(leaves))]), tuple(args))

    @functools.wraps(solve)
    def solved(*args: Any) -> Any:
        return operation(_named(body, getattr(solve, "__name__", "implicit")), args, {}) if in_trace() else solve(*args)

    solved.__lantern_transform__ = True  # type: ignore[attr-defined]
    return solved


def _solved(residual: Callable[[Any], Any], y: Any, dy: Any) -> Any:
    """w of which J^T w = dy, with the residual's Jacobian in y."""
    shape = getattr(y, "shape", ())
    if not shape:
        return dy / jacobian(_named(residual, "residual"), 0, False, (y,), {}, True)[0]

    def flat(v: Any) -> Any:
        return residual(v.reshape(shape)).reshape(-1)

    j = jacobian(_named(flat, "residual"), 0, False, (y.reshape(-1),), {}, True)[0]
    return call(np.linalg.solve, j.T, dy.reshape(-1)).reshape(shape)


def fixed_point(f: Callable[..., Any], x0: Any, *args: Any, xtol: float = 1e-12, maxiter: int = 1000) -> Any:
    """`x = f(x, *args)`, by iteration from x0, with the derivative of the implicit function.

    Parameters
    ----------
    f : callable
        Of x and the arguments, to a number or an array like x.
    x0 : float or array
        The start, which has no derivative.
    *args : any
        Arguments that have one.
    xtol : float, default 1e-12
        Ends where no element moves by more.
    maxiter : int, default 1000
        Ends after so many.

    Returns
    -------
    float or array
        The last x.

    Examples
    --------
    >>> import lantern_jit as lj, math
    >>> round(lj.jit(lambda a: lj.fixed_point(lambda x, a: math.cos(a * x), 0.5, a))(1.0), 10)
    0.7390851332
    """

    def solve(x: Any, *args: Any) -> Any:
        x = call(f, x, *args)

        def more(state: Any) -> Any:
            x, before, i = state
            return (call(np.max, call(np.abs, x - before)) > xtol) & (i < maxiter)

        def step(state: Any) -> Any:
            x, _, i = state
            return call(f, x, *args), x, i + 1

        state = (call(f, x, *args), x, 2)
        if in_trace():
            return loop_value(more, step, state)[0]
        while more(state):
            state = step(state)
        return state[0]

    def residual(x: Any, _: Any, *args: Any) -> Any:
        return x - call(f, x, *args)

    return implicit(_named(solve, "fixed_point"), _named(residual, "residual"))(x0, *args)


_OWN: tuple[Any, ...] = (stop_gradient, clip_gradient, implicit, fixed_point)
for _f in _OWN:
    _f.__lantern_transform__ = True
