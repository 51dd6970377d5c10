"""Reductions that leave NaNs out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.types import is_float, is_inexact
from ...values.views import as_array
from ..common import Axis, divided, float_array, real_only, require, scalar_kind
from ..reductions import all_, argmax, argmin, count_nonzero, cumprod, cumsum, max_, min_, prod, sum_
from ..registry import implements


def filled(a: Any, instead: Any) -> Any:
    """`a` with `instead` for its NaNs."""
    a = as_array(a)
    return np.where(np.isnan(a), instead, a) if is_inexact(scalar_kind(a)) else a


@implements(np.nansum)
def nansum(a: Any, axis: Axis = None, dtype: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True) -> Any:
    return sum_(filled(a, 0), axis, dtype, keepdims, initial, where)


@implements(np.nanprod)
def nanprod(a: Any, axis: Axis = None, dtype: Any = None, keepdims: Any = False, initial: Any = None, where: Any = True) -> Any:
    return prod(filled(a, 1), axis, dtype, keepdims, initial, where)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: Axis = None, dtype: Any = None) -> Any:
    return cumsum(filled(a, 0), axis, dtype)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: Axis = None, dtype: Any = None) -> Any:
    return cumprod(filled(a, 1), axis, dtype)


def _numbers(a: Any, axis: Axis, where: Any, keepdims: Any = False) -> Any:
    """How many elements are numbers."""
    return count_nonzero(np.logical_and(np.logical_not(np.isnan(a)), where), axis, keepdims=keepdims)


@implements(np.nanmean)
def nanmean(a: Any, axis: Axis = None, dtype: Any = None, keepdims: Any = False, *, where: Any = True) -> Any:
    a = float_array(a, dtype)
    return divided(sum_(filled(a, 0), axis, keepdims=keepdims, where=where), _numbers(a, axis, where, keepdims))


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    real_only("np.nanvar", a)
    a = float_array(a, dtype)
    middle = nanmean(a, axis, keepdims=True, where=where) if mean is None else mean
    apart = np.where(np.isnan(a), 0.0, filled(a, 0) - middle)
    free = _numbers(a, axis, where, keepdims) - (ddof if correction is None else correction)
    return divided(sum_(apart * apart, axis, keepdims=keepdims, where=where), np.where(free > 0, free, np.nan))


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    return np.sqrt(nanvar(a, axis, dtype, ddof, keepdims, where=where, mean=mean, correction=correction))


def _extreme(of: Callable[..., Any], least: float) -> Callable[..., Any]:
    def fn(a: Any, axis: Axis = None, keepdims: Any = False, initial: Any = None, where: Any = True) -> Any:
        found = of(filled(a, least), axis, keepdims, initial, where)
        a = as_array(a)
        if initial is not None or not is_float(scalar_kind(a)):
            return found
        return np.where(all_(np.isnan(a), axis, keepdims), np.nan, found)

    return fn


implements(np.nanmax)(_extreme(max_, -np.inf))
implements(np.nanmin)(_extreme(min_, np.inf))


def _position(of: Callable[..., Any], least: float) -> Callable[..., Any]:
    def fn(a: Any, axis: Axis = None, *, keepdims: Any = False) -> Any:
        a = as_array(a)
        if is_float(scalar_kind(a)):
            require(np.logical_not(all_(np.isnan(a), axis)), ValueError("All-NaN slice encountered"))
        return of(filled(a, least), axis, keepdims=keepdims)

    return fn


implements(np.nanargmax)(_position(argmax, -np.inf))
implements(np.nanargmin)(_position(argmin, np.inf))
