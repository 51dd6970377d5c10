"""Calls of Python from compiled code: `callback(f, result, *args)`.

    z = lj.callback(f, float, y)           %z: f64 = callback(%y) {recipe=0}
    x = lj.callback(g, x)                  %x: f64[n] = callback(%n) {recipe=1}         the sizes of what g gives stand last

It is a recipe of host.py that gives something. Reverse mode and checkpoints evaluate functions again; then such a call gives what it gave.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import building, current_builder
from ..core.sites import user_site
from ..core.types import BOOL, F64, FROM_NUMPY, I32, I64, NUMPY_DTYPES, Array, Scalar, Type, is_complex, loaded
from ..objects.held import CONTAINERS
from ..objects.structure import is_object, leaves_of
from ..python import guarded
from ..python.host import recipe
from ..python.random import GeneratorValue
from ..staging.paths import Return, heap_of
from ..syntax.rewrite import assigned_outside, raw_of
from ..values import pytree, sizes
from ..values.arrays import allocate
from ..values.kernels import whole
from ..values.values import Arrayed, Traced, dim_of, is_traced, scalar_type
from ..values.views import any_traced

_PYTHON: dict[Any, Scalar] = {float: F64, int: I64, bool: BOOL}


class Results:
    """What a callback is to give: the structure, and for each leaf its dtype and sizes. `names` are the leaves', for messages."""

    def __init__(self, spec: Any, who: str) -> None:
        self.who = who
        leaves, self.tree = pytree.flatten(spec)
        self.names = pytree.leaf_names(spec)
        self.leaves = [None if x is None else self._leaf(x, name) for x, name in zip(leaves, self.names, strict=True)]

    def _leaf(self, x: Any, name: str) -> tuple[Scalar, bool, tuple[Any, ...] | None]:
        """(dtype, is it a Python number, shape or None for a number)"""
        if isinstance(x, type) and x in _PYTHON:
            return _PYTHON[x], True, None
        if isinstance(x, (Traced, bool, int, float)) and not isinstance(x, np.generic):
            t, weak = scalar_type(x)  # type: ignore[misc]
            return t, weak, None
        if isinstance(x, Arrayed):
            return x.type.dtype, False, tuple(x.shape)
        try:
            by_name = isinstance(x, (type, np.dtype))
            dtype = np.dtype(x if by_name else x.dtype)
            shape = () if by_name else tuple(x.shape)
        except (AttributeError, TypeError):
            dtype, shape = None, ()
        found = FROM_NUMPY.get(dtype) if dtype is not None else None
        if found is None or is_complex(found) or any((scalar_type(n) or (None,))[0] != I64 for n in shape):
            raise TypeError(
                f"the result of callback() at {user_site()}{self._at(name)} is said to be {x!r:.60}: give float, int or bool, an example (a number, or an "
                "array such as np.empty((n, 3))), or anything with a .shape and a .dtype of float64, float32, int64, int32 or bool"
            )
        return (found if shape or found != I32 else I64), False, shape or None

    @staticmethod
    def _at(name: str) -> str:
        return f", leaf {name}," if name else ""

    @property
    def wanted(self) -> list[tuple[Scalar, bool, tuple[Any, ...] | None]]:
        return [x for x in self.leaves if x is not None]

    def types(self) -> tuple[Type, ...]:
        return tuple(t if shape is None else Array(t, tuple(map(dim_of, shape))) for t, _, shape in self.wanted)

    def checked(self, found: Any, given: Sequence[int]) -> list[Any]:
        """What the function has given, as the program takes it."""
        leaves, tree = pytree.flatten(found)
        if tree != self.tree:
            raise self._wrong(f"a result of another structure, {found!r:.60}")
        out = []
        left = list(given)
        for x, spec, name in zip(leaves, self.leaves, self.names, strict=True):
            if spec is None:
                continue
            t, _, shape = spec
            n = len(shape or ())
            out.append(self._fitting(x, t, None if shape is None else tuple(left[:n]), name))
            del left[:n]
        return out

    def _fitting(self, x: Any, t: Scalar, shape: tuple[int, ...] | None, name: str) -> Any:
        try:
            made = np.asarray(x)
        except Exception:
            made = np.asarray(None)
        dtype = NUMPY_DTYPES[t]
        python = type(x) in (float, int) and dtype.kind == "f"
        if (
            made.dtype.kind not in "biuf"
            or (made.dtype.kind == "b") != (dtype.kind == "b")
            or not (python or np.can_cast(made.dtype, dtype))
        ):
            raise self._wrong(f"{_described(x, made)}", name, dtype, shape)
        if made.shape != (shape or ()):
            raise self._wrong(f"{_described(x, made)}", name, dtype, shape)
        return made.astype(dtype) if shape is not None else dtype.type(made[()])

    def _wrong(self, what: str, name: str = "", dtype: Any = None, shape: Any = None) -> Exception:
        said = (
            f" where {dtype.name}{'' if shape is None else f' of shape {shape}'} is announced"
            if dtype is not None
            else " than is announced"
        )
        return errors.TypeMismatchError(
            f"{self.who} gives{' for ' + name if name else ''} {what}{said}: change what it returns, or the `result` of callback()"
        )


def _described(x: Any, made: Any) -> str:
    if made.dtype.kind not in "biuf":
        return f"a {type(x).__name__}"
    return f"{made.dtype.name} of shape {made.shape}" if made.ndim else made.dtype.name


def callback(f: Callable[..., Any], result: Any, *args: Any, **kwargs: Any) -> Any:
    """`f(*args, **kwargs)`, called by Python each time that compiled code gets here.

    It happens in order with everything else that the program does, once for each time that plain Python would run it, also where nobody
    reads the result: what a derivative or a checkpoint evaluates again is given what f gave. Its exceptions reach the caller of the compiled
    function. A call costs some microseconds.

    Parameters
    ----------
    f : callable
        Any. It is given Python's objects: numbers, and copies of arrays. It may call compiled functions.
    result : type, example, container of them, or None
        What f gives: `float`, `int`, `bool`, an example (a number, `x`, `np.empty((n, 3))`), anything with a shape and a dtype. None: what f gives is not
        looked at.
    *args, **kwargs : any
        For f.

    Returns
    -------
    any
        What f gives, as `result` says.

    Raises
    ------
    TypeMismatchError
        Where f gives something else.
    NotDifferentiableError
        Where a result that is differentiated depends on it: wrap it in an `op`.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> def look_up(n):
    ...     return {0: 1.5, 1: 2.5}[n]
    >>> lj.jit(lambda x, n: x * lj.callback(look_up, float, n))(2.0, 1)
    5.0
    >>> lj.jit(lj.grad(lambda x, n: x * lj.callback(look_up, float, n)))(2.0, 1)
    2.5
    """
    if building():
        return _staged(f, result, args, kwargs)
    found = f(*args, **kwargs)
    return None if result is None else _plain(f, result, found)


callback.__lantern_transform__ = True  # type: ignore[attr-defined]


def _staged(f: Callable[..., Any], result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Add to the program: f(*args, **kwargs), called by Python whenever the program gets here."""
    name = _name(f)
    site = user_site(name)
    spec = None if result is None else Results(result, f"`{name}`, called back at {user_site()},")
    wanted = spec.wanted if spec is not None else []
    atoms = [sizes.atom(n) for _, _, shape in wanted for n in shape or ()]
    f = _own(f, {})
    guarded.calls_back(name)
    _refuse_arguments((args, kwargs), name)
    if not wanted:
        current_builder().emit("host", *recipe(f, args, kwargs), site)
        return result
    assert spec is not None
    builder = current_builder()
    outs = iter(builder.emit("callback", *recipe(f, args, kwargs, False, atoms, spec.types(), spec.checked), site))
    leaves: list[Any] = []
    for leaf in spec.leaves:
        if leaf is None:
            leaves.append(None)
        else:
            leaves.append(Traced(next(outs), builder, leaf[1]) if leaf[2] is None else whole(next(outs), leaf[2]))
    return pytree.unflatten(spec.tree, leaves)


def _refuse_arguments(tree: Any, name: str) -> None:
    for x in pytree.flatten(tree)[0]:
        if is_object(x) and any(map(is_traced, leaves_of(x))):
            raise errors.UnsupportedOperationError(
                f"`{name}`, called back at {user_site()}, is given a {type(x).__qualname__} with traced values: give it the values, or a tuple or dict of them"
            )

    def refuse(x: Any) -> None:
        raise errors.UnsupportedOperationError(
            f"`{name}`, called back at {user_site()}, is given a random Generator of the program: draw in compiled code and give it what is drawn"
        )

    pytree.map_nodes(GeneratorValue, refuse, tree)


def _plain(f: Any, result: Any, found: Any) -> Any:
    """What it has given, in plain Python: as compiled code takes it."""
    spec = Results(result, f"`{_name(f)}`, called back at {user_site()},")
    made = iter(spec.checked(found, [n for _, _, shape in spec.wanted for n in shape or ()]))
    weak = {F64: float, I64: int, BOOL: bool}
    leaves = [None if x is None else weak[x[0]](next(made)) if x[1] else next(made) for x in spec.leaves]
    return pytree.unflatten(spec.tree, leaves)


def _name(f: Any) -> str:
    return getattr(f, "__qualname__", type(f).__name__)


# ---- functions that the program itself defines
def _own(f: Any, known: dict[int, Any]) -> Any:
    """The function as it is now, for what it finds in the variables around it may be something else when it is called. Nothing of
    that may be traced, or be changed by it."""
    if isinstance(f, functools.partial):
        _refuse_traced((f.args, f.keywords), f.func, "an argument that functools.partial binds")
        return functools.partial(_own(f.func, known), *f.args, **f.keywords)
    for x in (f, getattr(f, "__self__", None)):
        if is_object(x) and any(map(is_traced, leaves_of(x))):
            _refuse_traced(leaves_of(x), f, "an attribute of its object")
    if not isinstance(f, types.FunctionType):
        return f
    body = raw_of(f, "body") or f
    _refuse_traced((body.__defaults__, body.__kwdefaults__), f, "a default")
    for name, cell in zip(body.__code__.co_freevars, body.__closure__ or (), strict=True):
        _refuse_traced(_content(cell), f, f"the variable `{name}`")
    if body is f or id(f) in known:
        return known.get(id(f), f)
    return _copied(f, body, known)


def _copied(f: Any, body: types.FunctionType, known: dict[int, Any]) -> Any:
    """A function that rewritten code has defined, with variables of its own."""
    written = assigned_outside(body.__code__)
    if written:
        raise errors.UnsupportedOperationError(
            f"`{f.__name__}`, called back at {user_site()}, assigns `{written[0]}`, a variable of the compiled function: let it return the value"
        )
    cells = tuple(types.CellType() for _ in body.__closure__ or ())
    copy = types.FunctionType(body.__code__, body.__globals__, f.__name__, body.__defaults__, cells)
    copy.__kwdefaults__ = body.__kwdefaults__

    def function(*args: Any, **kwargs: Any) -> Any:
        out = copy(*args, **kwargs)
        return out.value if isinstance(out, Return) else None

    known[id(f)] = copy if f.__name__ == "<lambda>" else functools.wraps(f)(function)
    for name, cell, old in zip(body.__code__.co_freevars, cells, body.__closure__ or (), strict=True):
        content = _content(old)
        if isinstance(content, CONTAINERS) and heap_of().birth(content):
            raise errors.UnsupportedOperationError(
                f"`{f.__name__}`, called back at {user_site()}, uses `{name}`, a {type(content).__name__.lower()} that the compiled function has made: give it as an "
                "argument, and let the function return what it changes"
            )
        if content is not _EMPTY:
            cell.cell_contents = _own(content, known)
    return known[id(f)]


_EMPTY = object()


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _EMPTY


def _refuse_traced(x: Any, f: Any, what: str) -> None:
    if any_traced(x):
        raise errors.UnsupportedOperationError(
            f"`{getattr(f, '__name__', type(f).__name__)}`, called back at {user_site()}, uses a traced value, {what}, which is there only while the function is "
            "traced: give it as an argument, as in lj.callback(f, result, x)"
        )


# ---- draws from np.random's own functions, and from a RandomState that a function closes over: what is made of standard ones is arithmetic
_STANDARD = {"uniform": "random_sample", "normal": "standard_normal"}


class StateValue(GeneratorValue):
    """A numpy.random.RandomState in traced code."""

    __slots__ = ("state",)

    def __init__(self, state: Any) -> None:
        super().__init__(None)
        self.state = state

    def _draw(self, kind: str, t: Any, size: Any, *args: Any) -> Any:
        draw = getattr(self.state, _STANDARD[kind])
        if size is None:
            return callback(_number, float, draw)
        sizes = tuple(size) if isinstance(size, (tuple, list)) else (size,)
        return callback(_array, allocate(F64, sizes, None), draw, *sizes)

    def rand(self, *dims: Any) -> Any:
        return self._draw("uniform", F64, dims or None)

    def randn(self, *dims: Any) -> Any:
        return self._draw("normal", F64, dims or None)

    def random_sample(self, size: Any = None) -> Any:
        return self._draw("uniform", F64, size)

    random = ranf = sample = random_sample  # type: ignore[assignment]

    def standard_normal(self, size: Any = None) -> Any:  # type: ignore[override]
        return self._draw("normal", F64, size)


def _number(draw: Callable[[], float]) -> float:
    return float(draw())


def _array(draw: Callable[[Any], Any], *sizes: int) -> Any:
    return draw(sizes)


NAMES = {"rand", "randn", "random_sample", "random", "ranf", "sample", "standard_normal", "normal", "uniform"}


def drawing(function: Any) -> Callable[..., Any] | None:
    """What draws in traced code instead of a method of a RandomState."""
    owner, numpy = getattr(function, "__self__", None), loaded("numpy.random", "get_state")
    name = getattr(function, "__name__", "")
    if numpy is None or not issubclass(type(owner), numpy.RandomState) or name not in NAMES:
        return None
    return functools.partial(getattr(StateValue(owner), name))
