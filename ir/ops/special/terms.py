"""Expressions: values of any algebra with operators, and the operations and special functions on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import table
from .rows import special


class Term:
    """A value with operators."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __add__(self, y: Any) -> Term:
        return Term(table.add(self.x, plain(y)))

    def __radd__(self, y: Any) -> Term:
        return Term(table.add(plain(y), self.x))

    def __sub__(self, y: Any) -> Term:
        return Term(table.sub(self.x, plain(y)))

    def __rsub__(self, y: Any) -> Term:
        return Term(table.sub(plain(y), self.x))

    def __mul__(self, y: Any) -> Term:
        return Term(table.mul(self.x, plain(y)))

    def __rmul__(self, y: Any) -> Term:
        return Term(table.mul(plain(y), self.x))

    def __truediv__(self, y: Any) -> Term:
        return Term(table.div(self.x, plain(y)))

    def __rtruediv__(self, y: Any) -> Term:
        return Term(table.div(plain(y), self.x))

    def __neg__(self) -> Term:
        return Term(table.neg(self.x))

    def __lt__(self, y: Any) -> Term:
        return Term(table.lt(self.x, plain(y)))

    def __gt__(self, y: Any) -> Term:
        return Term(table.gt(self.x, plain(y)))

    def __ge__(self, y: Any) -> Term:
        return Term(table.ge(self.x, plain(y)))

    def __and__(self, y: Any) -> Term:
        return Term(table.logical_and(self.x, plain(y)))

    def __or__(self, y: Any) -> Term:
        return Term(table.logical_or(self.x, plain(y)))

    def __invert__(self) -> Term:
        return Term(table.logical_xor(self.x, True))


def plain(x: Any) -> Any:
    return x.x if isinstance(x, Term) else x


def on_terms(f: Callable[..., Any]) -> Callable[..., Term]:
    """A function of values as one of terms."""
    return lambda *xs, **attrs: Term(f(*map(plain, xs), **attrs))


def of_terms(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is written in terms, on values."""
    return lambda *xs: plain(f(*map(Term, xs)))


class _Named:
    """S.jv(v, x): a special function of terms, by its name."""

    def __getattr__(self, name: str) -> Callable[..., Term]:
        return on_terms(special(name))


S: Any = _Named()
exp, expm1, log, log1p, sqrt, sin, cos, absolute, power = map(
    on_terms, (table.exp, table.expm1, table.log, table.log1p, table.sqrt, table.sin, table.cos, table.absolute, table.power)
)
sinh, cosh, asinh, acosh, hypot = map(on_terms, (table.sinh, table.cosh, table.asinh, table.acosh, table.hypot))
atan2, copysign = map(on_terms, (table.atan2, table.copysign))
select, eq, isnan, direction = map(on_terms, (table.select, table.eq, table.isnan, table.direction))
gaussian, erf, digamma, polygamma, gammaln = map(on_terms, (table.gaussian, table.erf, table.digamma, table.polygamma, table.gammaln))


def over(x: Term, y: Term) -> Term:
    """x / y; 0 where x is 0, whatever y is, and so are its derivatives by y."""
    return Term(table.over_power(plain(x), plain(y), n=1))


def trigamma(x: Term) -> Term:
    return polygamma(x, n=1)
