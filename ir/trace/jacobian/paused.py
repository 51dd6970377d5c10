"""A pullback whose forward pass stays: `vjp` outside of compiled code, where there is much to do.

    y = f(*primals)
    host(%y) {recipe=0}             tells Python the value, and pauses: here the call ends for its caller
    dy = callback() {recipe=1}      goes on: Python gives the cotangent
    ...                             the way back
    host(%dx) {recipe=2}            tells Python the cotangents of the primals, and ends by an exception

Between the two lies a continuation, held by Python: the frames and the arrays that the forward pass has left for the way back. It is the
reverse pass of an operation in callback form, whose way back asks for the cotangent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ...core.builder import current_builder
from ...core.sites import user_site
from ...core.types import F32, is_complex
from ...objects.structure import is_object
from ...python.host import recipe
from ...staging.paths import open_block
from ...values import pytree, sizes
from ...values.complexes.pairs import Complex, ComplexArray
from ...values.kernels import whole
from ...values.values import Arrayed, Traced, constant
from ...values.views import settled
from .. import derivatives
from ..callback import Results
from ..derivatives import conjugated
from ..operations import operation
from . import blocks
from .jacobians import Jacobian
from .linear import AGAIN, differentiable, linear, moves


class _Exchange(threading.local):
    """What a call and its caller tell one another, in this thread."""

    value: Any = None  # (value, aux)
    cotangents: Any = ()  # of the value's floats and arrays of floats
    found: Any = None  # the cotangents of the primals


EXCHANGE = _Exchange()


class Ended(Exception):
    """The way back is over: EXCHANGE.found is what it has found."""


def pausing(f: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool) -> tuple[Any, ...]:
    """(value, aux, kind, parts) as of `linear`; where the pullback evaluates f again for each cotangent, the call pauses before it returns."""
    builder = current_builder()
    open_block()
    before = builder.mark()
    found, aux = linear(f, primals, "vjp", has_aux)
    if found.kind != AGAIN or found.again[1] is not None or not _plain((found.primals, found.value, aux)) or _has_complex(found.value):
        return found.value, aux, found.kind, found.parts
    builder.rollback(before)
    new = differentiable(primals, "vjp")

    def asked(*xs: Any) -> Any:
        return _asked(f, xs, has_aux)

    asked.__name__, asked.__lantern_transform__ = getattr(f, "__name__", "f"), True  # type: ignore[attr-defined]
    sub = derivatives.trace_sub(asked, new, {})
    adjoints = iter(blocks.rows(sub, {0: constant(1.0)}, 1)[1])
    leaves, tree = pytree.flatten(new)
    _tell(_end, conjugated(pytree.unflatten(tree, [next(adjoints) if isinstance(x, (Traced, Arrayed)) else x for x in leaves])))
    return None, None, AGAIN, []


def _plain(tree: Any) -> bool:
    """Can Python be told all of it?"""
    leaves = pytree.flatten(tree)[0]
    return not any(is_object(x) or (isinstance(x, (Traced, Arrayed)) and is_complex(x.type)) for x in leaves)


def _has_complex(tree: Any) -> bool:
    """Has it a number, or an array, of two parts? Its cotangent comes as one."""
    return any(
        isinstance(x, (Complex, ComplexArray)) for x in pytree.flatten_above(tree, lambda x: isinstance(x, (Complex, ComplexArray)))[0]
    )


def _asked(f: Callable[..., Any], xs: tuple[Any, ...], has_aux: bool) -> Any:
    """A number whose adjoint, backwards, makes Python be asked for that of f(*xs)."""
    value, aux = Jacobian(f, xs, has_aux, False).evaluated()
    _tell(_begin, (value, aux), pauses=True)

    def ask(*ys_and_k: Any) -> Any:
        *ys, k = ys_and_k
        k(0.0)
        given = _given(ys)
        return given[0] if len(ys) == 1 else given

    ask.__lantern_transform__ = True  # type: ignore[attr-defined]
    return operation(ask, tuple(y for y in pytree.flatten(value)[0] if moves(y)), {})


def _tell(action: Callable[..., Any], what: Any, pauses: bool = False) -> None:
    """Numbers as the objects that compiled functions return."""
    leaves, tree = pytree.flatten(settled(what))
    what = pytree.unflatten(tree, [Traced(x.atom, x.builder, x.type != F32) if isinstance(x, Traced) else x for x in leaves])
    current_builder().emit("host", *recipe(action, (what,), {}, repeats=True, pauses=pauses), user_site())


def _given(ys: list[Any]) -> tuple[Any, ...]:
    """The cotangents of these, from Python."""
    results = Results(tuple(ys), "the cotangent")
    builder = current_builder()
    atoms = [sizes.atom(n) for _, _, shape in results.wanted for n in shape or ()]
    outs = builder.emit(
        "callback",
        *recipe(_cotangents, (), {}, repeats=True, sizes=atoms, gives=results.types(), checked=results.checked, anew=True),
        user_site("vjp"),
    )
    return tuple(Traced(v, builder) if shape is None else whole(v, shape) for v, (_, _, shape) in zip(outs, results.wanted, strict=True))


def _begin(what: Any) -> None:
    EXCHANGE.value = what


def _cotangents() -> Any:
    return EXCHANGE.cotangents


def _end(what: Any) -> None:
    EXCHANGE.found = what
    raise Ended
