"""Which arguments of a scalar operation interact: where a term of its rule, which is linear in d, depends on another argument, the second
derivative with respect to both may be other than zero.

    mul: (d y, d x)      y in the term of x: x and y interact
    add: (d, d)          nothing does: its second derivative is zero
    exp: (d z,)          z is of x: x with itself
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from ..ir.core.op import TABLE, Op, Unknown
from ..ir.core.types import F64


class _Algebra:
    @staticmethod
    def bind(op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        marks = [a.marks for a in args if isinstance(a, _Marked)]
        return _Marked(frozenset().union(*marks) if op.differentiable or op.signature[-1] == "B" else frozenset())


class _Marked:
    """A number of which is known what it depends on."""

    algebra = _Algebra
    type = F64

    def __init__(self, marks: frozenset[int]) -> None:
        self.marks = marks


def interactions(op: Op, attrs: dict[str, Any]) -> frozenset[tuple[int, int]]:
    """Pairs of arguments. Of a rule that is more than arithmetic all that there are."""
    return _found(op.name, tuple(sorted(attrs.items(), key=lambda item: item[0])))


@functools.lru_cache(maxsize=1024)
def _found(name: str, attrs: Any) -> frozenset[tuple[int, int]]:
    op = TABLE[name]
    floats = [i for i, kind in enumerate(op.signature[: op.arity]) if kind in "FT"]
    xs = [_Marked(frozenset([i]) if i in floats else frozenset()) for i in range(op.arity)]
    try:
        terms = op.rule(_Marked(frozenset()), _Marked(frozenset(floats)), *xs, **dict(attrs))
    except (TypeError, AttributeError):
        return frozenset((i, j) for i in floats for j in floats)
    return frozenset((i, j) for i, term in enumerate(terms) for j in _marks(term, floats))


def _marks(term: Any, floats: list[int]) -> Iterable[int]:
    """What a term depends on: all, where it is made by code of its own, or not known."""
    if callable(term) or isinstance(term, Unknown):
        return floats
    return term.marks if isinstance(term, _Marked) else ()
