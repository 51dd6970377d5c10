"""The types of the public names: calls keep the signature of the function that they are of. tests/test_typing.py holds it beside the functions."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

import numpy as np
from typing_extensions import Self, TypeVarTuple, Unpack

from . import errors as errors
from . import nn as nn
from .errors import LanternError as LanternError
from .export import Exported
from .inspection.report import Explanation, Inspection
from .inspection.table import Table
from .ir.trace.delimited import Prompt
from .operations.callback import Operation
from .sparse.derivatives import Sparse
from .specialisation import Specialisation

__version__: str
__all__: list[str]

_P = ParamSpec("_P")
_Ts = TypeVarTuple("_Ts")
_R = TypeVar("_R")
_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_X = TypeVar("_X")
_Y = TypeVar("_Y")
_F = TypeVar("_F", bound=Callable[..., Any])
_Float = TypeVar("_Float", bound=float | np.floating[Any])
_Argnums = int | str | Sequence[int | str]

class _Function(Generic[_P, _R]):
    __name__: str
    __wrapped__: Callable[_P, _R]
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self: _Function[Concatenate[_A, _X_P], _R], instance: _A, owner: Any = None) -> Callable[_X_P, _R]: ...
    @property
    def specialisations(self) -> Table: ...

_X_P = ParamSpec("_X_P")

class _Jitted(_Function[_P, _R]):
    def lower(self, *args: Any, **kwargs: Any) -> Specialisation: ...
    def inspect(self, *args: Any, target: str | None = None, **kwargs: Any) -> Inspection: ...
    def explain(self, *args: _P.args, **kwargs: _P.kwargs) -> Explanation: ...
    @property
    def ctypes(self) -> Any: ...
    @property
    def address(self) -> int: ...

class _Jit:
    def __call__(self, f: Callable[_P, _R], /) -> _Jitted[_P, _R]: ...

# ---- compiling
@overload
def jit(
    f: Callable[_P, _R],
    *,
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    checkpoint: int | Literal["recursion", "replay", "sqrt", "log"] | None = None,
    nogil: bool | None = None,
    backend: str | None = None,
    memory: int | None = None,
    threads: int = 1,
    nans: Literal["raise"] | None = None,
) -> _Jitted[_P, _R]: ...
@overload
def jit(
    f: None = None,
    *,
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    checkpoint: int | Literal["recursion", "replay", "sqrt", "log"] | None = None,
    nogil: bool | None = None,
    backend: str | None = None,
    memory: int | None = None,
    threads: int = 1,
    nans: Literal["raise"] | None = None,
) -> _Jit: ...
def export(
    f: Callable[..., Any],
    types: Sequence[Any],
    name: str,
    folder: str | Path = ".",
    *,
    checkpoint: int | Literal["recursion", "replay", "sqrt", "log"] | None = None,
    stack_mib: int = 1024,
    target: str | None = None,
) -> Exported: ...
def interpreted() -> _Interpreted: ...

class _Interpreted:
    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> None: ...

# ---- derivatives: a gradient is of the type of its argument
@overload
def grad(
    f: Callable[Concatenate[_A, _P], _Float], argnums: Literal[0] = 0, has_aux: Literal[False] = False, holomorphic: Literal[False] = False
) -> _Function[Concatenate[_A, _P], _A]: ...
@overload
def grad(
    f: Callable[Concatenate[_A, _P], tuple[_Float, _X]],
    argnums: Literal[0] = 0,
    *,
    has_aux: Literal[True],
    holomorphic: Literal[False] = False,
) -> _Function[Concatenate[_A, _P], tuple[_A, _X]]: ...
@overload
def grad(
    f: Callable[Concatenate[_A, _B, _P], _Float], argnums: Literal[1], has_aux: Literal[False] = False, holomorphic: Literal[False] = False
) -> _Function[Concatenate[_A, _B, _P], _B]: ...
@overload
def grad(
    f: Callable[Concatenate[_A, _B, _P], _Float],
    argnums: tuple[Literal[0], Literal[1]],
    has_aux: Literal[False] = False,
    holomorphic: Literal[False] = False,
) -> _Function[Concatenate[_A, _B, _P], tuple[_A, _B]]: ...
@overload
def grad(
    f: Callable[_P, _Float | tuple[_Float, Any]], argnums: _Argnums = 0, has_aux: bool = False, holomorphic: Literal[False] = False
) -> _Function[_P, Any]: ...
@overload
def grad(f: Callable[_P, Any], argnums: _Argnums = 0, has_aux: bool = False, *, holomorphic: Literal[True]) -> _Function[_P, Any]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[_A, _P], _Float], argnums: Literal[0] = 0, has_aux: Literal[False] = False, holomorphic: Literal[False] = False
) -> _Function[Concatenate[_A, _P], tuple[_Float, _A]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[_A, _P], tuple[_Float, _X]],
    argnums: Literal[0] = 0,
    *,
    has_aux: Literal[True],
    holomorphic: Literal[False] = False,
) -> _Function[Concatenate[_A, _P], tuple[tuple[_Float, _X], _A]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[_A, _B, _P], _Float], argnums: Literal[1], has_aux: Literal[False] = False, holomorphic: Literal[False] = False
) -> _Function[Concatenate[_A, _B, _P], tuple[_Float, _B]]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[_A, _B, _P], _Float],
    argnums: tuple[Literal[0], Literal[1]],
    has_aux: Literal[False] = False,
    holomorphic: Literal[False] = False,
) -> _Function[Concatenate[_A, _B, _P], tuple[_Float, tuple[_A, _B]]]: ...
@overload
def value_and_grad(
    f: Callable[_P, _Float | tuple[_Float, Any]], argnums: _Argnums = 0, has_aux: bool = False, holomorphic: Literal[False] = False
) -> _Function[_P, Any]: ...
@overload
def value_and_grad(
    f: Callable[_P, Any], argnums: _Argnums = 0, has_aux: bool = False, *, holomorphic: Literal[True]
) -> _Function[_P, Any]: ...
def jacfwd(f: Callable[_P, Any], argnums: _Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> _Function[_P, Any]: ...
def jacrev(f: Callable[_P, Any], argnums: _Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> _Function[_P, Any]: ...
def jacobian(f: Callable[_P, Any], argnums: _Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> _Function[_P, Any]: ...
def hessian(f: Callable[_P, Any], argnums: _Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> _Function[_P, Any]: ...
@overload
def jvp(f: Callable[..., _R], primals: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[False] = False) -> tuple[_R, _R]: ...
@overload
def jvp(f: Callable[..., tuple[_R, _X]], primals: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[True]) -> tuple[_R, _R, _X]: ...
@overload
def vjp(
    f: Callable[[Unpack[_Ts]], _R], *primals: Unpack[_Ts], has_aux: Literal[False] = False
) -> tuple[_R, Callable[[_R], tuple[Unpack[_Ts]]]]: ...
@overload
def vjp(
    f: Callable[[Unpack[_Ts]], tuple[_R, _X]], *primals: Unpack[_Ts], has_aux: Literal[True]
) -> tuple[_R, Callable[[_R], tuple[Unpack[_Ts]]], _X]: ...
@overload
def linearize(
    f: Callable[[Unpack[_Ts]], _R], *primals: Unpack[_Ts], has_aux: Literal[False] = False
) -> tuple[_R, Callable[[Unpack[_Ts]], _R]]: ...
@overload
def linearize(
    f: Callable[[Unpack[_Ts]], tuple[_R, _X]], *primals: Unpack[_Ts], has_aux: Literal[True]
) -> tuple[_R, Callable[[Unpack[_Ts]], _R], _X]: ...
def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any: ...
def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, threads: int = 1) -> _Function[..., Any]: ...
def sparsity(f: Callable[..., Any], argnums: int | str = 0) -> Sparse: ...
def sparse_jacobian(f: Callable[..., Any], argnums: int | str = 0) -> Sparse: ...
def sparse_hessian(f: Callable[..., Any], argnums: int | str = 0) -> Sparse: ...
def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    modes: str | Sequence[str] = ("fwd", "rev"),
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> None: ...

# ---- loops and branches as functions
def cond(pred: Any, true_fun: Callable[[Unpack[_Ts]], _R], false_fun: Callable[[Unpack[_Ts]], _R], *operands: Unpack[_Ts]) -> _R: ...
def switch(index: Any, branches: Sequence[Callable[[Unpack[_Ts]], _R]], *operands: Unpack[_Ts]) -> _R: ...
def while_loop(cond_fun: Callable[[_C], Any], body_fun: Callable[[_C], _C], init_val: _C) -> _C: ...
def fori_loop(lower: int, upper: int, body_fun: Callable[[int, _C], _C], init_val: _C) -> _C: ...
def scan(
    f: Callable[[_C, Any], tuple[_C, Any]],
    init: _C,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[_C, Any]: ...
def map(f: Callable[[Any], Any], xs: Any, batch_size: int | None = None) -> Any: ...
def associative_scan(fn: Callable[[_C, _C], _C], elems: Any, reverse: bool = False, axis: int = 0) -> Any: ...
def fun(f: Callable[_P, _R]) -> Callable[_P, _R]: ...
def checkpoint(f: Callable[_P, _R]) -> Callable[_P, _R]: ...
def progress(items: Iterable[_X], desc: str = "", total: int | None = None, file: Any = None) -> Iterable[_X]: ...
@overload
def callback(f: Callable[..., _X], result: type[_X], *args: Any, **kwargs: Any) -> _X: ...
@overload
def callback(f: Callable[..., Any], result: Any, *args: Any, **kwargs: Any) -> Any: ...

# ---- continuations, and operations of one's own
def prompt(name: str = "prompt") -> Prompt: ...
def reset(f: Callable[[], _R], tag: Prompt | None = None) -> _R: ...
def shift(g: Callable[[Callable[..., Any]], Any], tag: Prompt | None = None) -> Any: ...
def op(f: Callable[..., Any]) -> Operation: ...

class _Ruled(Generic[_P, _R]):
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...

class custom_vjp(_Ruled[_P, _R]):
    def __init__(
        self,
        fun: Callable[_P, _R],
        fwd: Callable[..., tuple[_R, Any]] | None = None,
        bwd: Callable[..., Any] | None = None,
        nondiff_argnums: int | Sequence[int] = (),
        nondiff_argnames: str | Sequence[str] = (),
    ) -> None: ...
    def defvjp(self, fwd: Callable[..., tuple[_R, Any]], bwd: Callable[..., Any]) -> None: ...

class custom_jvp(_Ruled[_P, _R]):
    def __init__(
        self, fun: Callable[_P, _R], nondiff_argnums: int | Sequence[int] = (), nondiff_argnames: str | Sequence[str] = ()
    ) -> None: ...
    def defjvp(self, jvp: _F) -> _F: ...
    def defjvps(self, *jvps: Callable[..., Any] | None) -> None: ...

def stop_gradient(x: _X) -> _X: ...
def clip_gradient(x: _X, lo: Any, hi: Any) -> _X: ...
def implicit(solve: Callable[_P, _R], residual: Callable[..., Any]) -> Callable[_P, _R]: ...
def fixed_point(f: Callable[..., _Y], x0: _Y, *args: Any, xtol: float = 1e-12, maxiter: int = 1000) -> _Y: ...
