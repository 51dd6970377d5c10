"""Polynomial, Chebyshev, .. and np.poly1d with coefficients that the program computes: NumPy's classes, whose arithmetic of coefficients
is ours. They are values of the function that makes them: their coefficients may be results, the objects may not."""

from __future__ import annotations

import functools
import numbers
import types
from typing import Any

import numpy as np
import numpy.polynomial as polynomial

from ...core.sites import unsupported, user_site
from ...values.values import is_traced
from ...values.views import any_traced
from ..axes import atleast_1d
from ..common import float_array
from ..registry import find
from . import classic
from .series import BASES, Basis, _fit, _series

CLASSES = {c: b for c, b in zip((polynomial.Polynomial, polynomial.Chebyshev, polynomial.Legendre, polynomial.Hermite, polynomial.HermiteE,
                                 polynomial.Laguerre), BASES, strict=True)}  # fmt: skip


def called(function: Any, args: Any, kwargs: Any) -> Any:
    """A class of polynomials, an object of one, or a method of either, that is called with traced values."""
    if isinstance(function, type):
        return _with_our_arithmetic(function)(*args, **kwargs)
    owner = getattr(function, "__self__", function)
    if isinstance(owner, type):  # Polynomial.fit and its like
        return getattr(_with_our_arithmetic(owner), function.__name__)(*args, **kwargs)
    if isinstance(owner, _Ours):
        return function(*args, **kwargs)
    if type(owner) is np.poly1d:
        mine: Any = _Poly1d(owner.coeffs)
    else:
        kind: Any = type(owner)
        mine = _with_our_arithmetic(kind)(owner.coef, owner.domain, owner.window, owner.symbol)
    return getattr(mine, function.__name__)(*args, **kwargs) if isinstance(function, types.MethodType) else mine(*args, **kwargs)


class _Ours:
    """What the classes below have in common."""


@functools.cache
def _with_our_arithmetic(cls: type) -> Any:
    if cls is np.poly1d or issubclass(cls, _Ours):
        return _Poly1d if cls is np.poly1d else cls
    if cls not in CLASSES:
        unsupported(
            f"{cls.__name__} with traced coefficients", "use Polynomial, Chebyshev, Legendre, Hermite, HermiteE or Laguerre themselves"
        )
    basis = CLASSES[cls]
    names = {
        "_add": "add",
        "_sub": "sub",
        "_mul": "mul",
        "_pow": "pow",
        "_val": "val",
        "_int": "int",
        "_der": "der",
        "_fromroots": "fromroots",
    }
    own = {mine: staticmethod(_function(basis, name)) for mine, name in names.items()} | {"_fit": staticmethod(_fit(basis))}
    own |= {name: _reflected(cls, name) for name in ("__radd__", "__rsub__", "__rmul__")}
    return type(cls.__name__, (_Series, cls), own | {"__doc__": None, "__module__": __name__, "basis": basis, "plain": cls})


def _function(basis: Basis, name: str) -> Any:
    entry = find(f"np.polynomial.{basis.module}.{basis.prefix}{name}")
    assert entry is not None
    return entry.fn


def _reflected(cls: Any, name: str) -> Any:
    """NumPy's own: Python asks a subclass first if it says something of its own."""
    own = getattr(cls, name)

    def method(self: Any, other: Any) -> Any:
        return own(self, self._get_coefficients(other))

    return method


class _Series(_Ours):
    """Before a class of numpy.polynomial: what asks for arrays of NumPy there takes traced ones here."""

    basis: Basis
    plain: Any

    def __init__(self, coef: Any, domain: Any = None, window: Any = None, symbol: str = "x") -> None:
        self.coef: Any = _series(coef)
        if domain is not None:
            self.domain = float_array(domain) if any_traced(domain) else np.asarray(domain, float)
        if window is not None:
            self.window = np.asarray(window, float)
        self._symbol = symbol

    def _get_coefficients(self, other: Any) -> Any:
        if not isinstance(other, tuple(CLASSES)):
            return other
        if not isinstance(other, self.plain):
            raise TypeError(f"Polynomial types differ ({user_site()})")
        for name in ("domain", "window"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not theirs and (any_traced((mine, theirs)) or not np.all(mine == theirs)):
                raise TypeError(f"{name.capitalize()}s differ ({user_site()})")
        return other.coef

    def __truediv__(self, other: Any) -> Any:
        if not isinstance(other, numbers.Number) and not is_traced(other):
            raise TypeError(f"unsupported types for true division: a polynomial and {type(other).__name__} ({user_site()})")
        return type(self)(self.coef / other, self.domain, self.window, self._symbol)

    def __call__(self, arg: Any) -> Any:
        offset, scale = self.mapparms()
        return self._val(offset + scale * arg, self.coef)  # type: ignore[attr-defined]

    def mapparms(self) -> Any:
        (a, b), (c, d) = ((x[0], x[1]) for x in (self.domain, self.window))
        return (b * c - a * d) / (b - a), (d - c) / (b - a)

    def roots(self) -> Any:
        unsupported(
            "the roots of a polynomial with traced coefficients", "they may be complex: compute them outside, or by Newton's method"
        )

    @classmethod
    def fit(
        cls, x: Any, y: Any, deg: Any, domain: Any = None, rcond: Any = None, full: bool = False, w: Any = None, window: Any = None
    ) -> Any:
        x = float_array(x)
        window = cls.window if window is None else window
        if domain is None:
            low, high = np.min(x), np.max(x)
            low, high = np.where(low == high, low - 1.0, low), np.where(low == high, high + 1.0, high)
            domain = [low, high]
        elif isinstance(domain, list) and not domain:
            domain = cls.domain
        offset, scale = cls([0.0], domain, window).mapparms()
        found = cls._fit(offset + scale * x, y, deg, rcond, full, w)  # type: ignore[attr-defined]
        return (cls(found[0], domain, window), found[1]) if full else cls(found, domain, window)

    @classmethod
    def fromroots(cls, roots: Any, domain: Any = (), window: Any = None) -> Any:
        roots = _series(roots)
        domain = [np.min(roots), np.max(roots)] if domain is None else domain if len(domain) else cls.domain
        window = cls.window if window is None else window
        offset, scale = cls([0.0], domain, window).mapparms()
        n = classic.degree(roots, "fromroots()")
        return cls(cls._fromroots(offset + scale * roots) / scale**n, domain, window)  # type: ignore[attr-defined]

    domain: Any
    window: Any


class _Poly1d(_Ours, np.poly1d):
    """Its coefficients are all that it is given, leading zeros too."""

    def __init__(self, c_or_r: Any, r: bool = False, variable: Any = None) -> None:
        self.__dict__["coeffs"] = classic.poly(c_or_r) if r else atleast_1d(c_or_r)
        self._variable = "x" if variable is None else variable

    @property
    def order(self) -> int:
        return classic.degree(self.coeffs, "the order") - 1

    o = order

    def __call__(self, val: Any) -> Any:
        return np.polyval(self.coeffs, val)

    def _of(self, fn: Any, other: Any, turned: bool = False) -> Any:
        theirs = other.coeffs if isinstance(other, np.poly1d) else other
        return _Poly1d(fn(theirs, self.coeffs) if turned else fn(self.coeffs, theirs))

    def __neg__(self) -> Any:
        return _Poly1d(-self.coeffs)

    def __add__(self, other: Any) -> Any:
        return self._of(classic.polyadd, other)

    def __radd__(self, other: Any) -> Any:
        return self._of(classic.polyadd, other, True)

    def __sub__(self, other: Any) -> Any:
        return self._of(classic.polysub, other)

    def __rsub__(self, other: Any) -> Any:
        return self._of(classic.polysub, other, True)

    def __mul__(self, other: Any) -> Any:
        return self._of(classic.polymul, other)

    def __rmul__(self, other: Any) -> Any:
        return self._of(classic.polymul, other, True)

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, np.poly1d):
            quotient, rest = classic.polydiv(self.coeffs, other.coeffs)
            return _Poly1d(quotient), _Poly1d(rest)
        return _Poly1d(self.coeffs / other)

    def __pow__(self, val: Any) -> Any:
        found: Any = np.ones(1)
        for _ in range(val):
            found = classic.polymul(found, self.coeffs)
        return _Poly1d(found)

    def __getitem__(self, val: int) -> Any:
        return self.coeffs[self.order - val] if 0 <= val <= self.order else 0.0

    def deriv(self, m: Any = 1) -> Any:
        return _Poly1d(classic.polyder(self.coeffs, m))

    def integ(self, m: Any = 1, k: Any = 0) -> Any:
        return _Poly1d(classic.polyint(self.coeffs, m, k))
