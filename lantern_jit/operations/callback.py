"""Operations of the user's own, in callback form, and the rules of derivatives that are made of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..inspection.public import Public
from ..ir.core import errors
from ..ir.trace.operations import operation
from ..transforms import in_trace


class _Resumed(BaseException):
    """A plain call of an operation has come to its k."""

    def __init__(self, k: Any, value: Any) -> None:
        super().__init__()
        self.k, self.value = k, value


class Operation(Public):
    """What `op` makes of a function."""

    _public = ("jvp",)

    __lantern_transform__ = True
    __name__: str
    __qualname__: str

    def __init__(self, f: Callable[..., Any]) -> None:
        functools.update_wrapper(self, f, updated=())
        self.function = f
        self.names = _parameters(f)
        self.rule: Callable[..., Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given, more = self._bound(args, kwargs)
        return operation(self.function, given, more, self.rule) if in_trace() else self._plain(given, more)

    def jvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Say what forward mode is to do: rule(*arguments, *tangents) gives the tangent of the value, or a tuple of those of several. Without
        it that is the transpose of what stands behind k, where that is linear, else the derivative of what stands before.

        >>> import lantern_jit as lj
        >>> @lj.op
        ... def square(x, k):
        ...     return 2.0 * x * k(x * x)
        >>> @square.jvp
        ... def rule(x, t):
        ...     return 2.0 * x * t
        >>> lj.jit(lambda x: lj.jvp(square, (x,), (1.0,)))(3.0)
        (9.0, 6.0)
        """
        self.rule = rule
        return rule

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments by position, as k comes behind them."""
        if not kwargs and len(args) == len(self.names):
            return args, kwargs
        given = inspect.signature(self.function).bind_partial(*args, **kwargs)
        given.apply_defaults()
        missing = [n for n in self.names if n not in given.arguments]
        if missing or len(args) > len(self.names):
            raise TypeError(
                f"the operation `{self.__name__}` takes ({', '.join(self.names)}), and other arguments by name: k is given by the library"
            )
        return tuple(given.arguments[n] for n in self.names), {n: x for n, x in given.arguments.items() if n not in self.names}

    def _plain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of plain Python: what k is given."""

        def k(*values: Any) -> Any:
            raise _Resumed(k, values[0] if len(values) == 1 else values)

        try:
            self.function(*args, k, **kwargs)
        except _Resumed as e:
            if e.k is k:
                return e.value
            raise
        raise errors.ContinuationError(f"the operation `{self.__name__}` returns without a call of k: write dy = k(y) on every path")

    def __reduce__(self) -> str:
        return self.__qualname__  # it is pickled by its name, as functions are

    def __repr__(self) -> str:
        return f"<lantern_jit.op {self.__name__}>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


def _parameters(f: Callable[..., Any]) -> list[str]:
    """The names of the arguments in front of k, which is the last one without a default."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in inspect.signature(f).parameters.values() if p.kind in kinds and p.default is p.empty]
    if len(names) < 2:
        raise TypeError(
            f"op() takes a function of one argument or more and k, such as def f(x, k): dy = k(y); return dx; it is given {f!r}"
        )
    return names[:-1]


def op(f: Callable[..., Any]) -> Operation:
    """An operation in callback form: a value and its derivative in one function.

    Parameters
    ----------
    f : callable
        Of its arguments and k. `k(y)` stands for all that follows, forward and back: y is what a call gives, and what `k` gives is the adjoint
        of y. f returns the adjoint of its argument, or a tuple with one for each, None where there is none. Every path calls k once.

    Returns
    -------
    Operation
        A function of the arguments before k. Its `.jvp` is a decorator for a rule of forward mode.

    Raises
    ------
    NotDifferentiableError
        Where a path calls k not once, or the adjoints do not fit the arguments.

    Examples
    --------
    >>> import math
    >>> import lantern_jit as lj
    >>> @lj.op
    ... def softplus(x, k):
    ...     dy = k(math.log1p(math.exp(-abs(x))) + max(x, 0.0))
    ...     return dy / (1.0 + math.exp(-x))
    >>> lj.jit(lj.grad(softplus))(0.0)
    0.5
    """
    return Operation(f)


op.__lantern_transform__ = True  # type: ignore[attr-defined]
