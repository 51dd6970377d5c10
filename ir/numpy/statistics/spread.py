"""Covariances and correlations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import user_site
from ...core.types import F64
from ...values.values import Arrayed
from ...values.views import as_array, shape_of
from ..axes import atleast_2d, squeeze
from ..common import astype, float_array, real_only
from ..registry import implements
from ..shaping import concatenate


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: Any = True,
    bias: Any = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    if ddof is not None and ddof != int(ddof):
        raise ValueError(f"ddof must be integer ({user_site()})")
    real_only("np.cov", m, y)
    x = _variables(m, rowvar, dtype)
    if y is not None:
        x = concatenate([x, _variables(y, rowvar, dtype)])
    ddof = (0 if bias else 1) if ddof is None else ddof
    given = [float_array(as_array(w)) for w in (fweights, aweights) if w is not None]
    n = shape_of(x)[1]
    if not given:
        middle, weighted, free = np.mean(x, axis=1, keepdims=True), None, n - ddof
    else:
        weighted = given[0] if len(given) == 1 else given[0] * given[1]
        total = np.sum(weighted)
        middle = np.sum(x * weighted, axis=1, keepdims=True) / total
        lost = 1.0 if aweights is None else np.sum(weighted * given[-1]) / total
        free = total - ddof * lost if ddof else total
    apart = x - middle
    other = apart if weighted is None else apart * weighted
    found = (apart @ other.T) / (max(free, 0.0) if isinstance(free, int) else np.maximum(free, 0))
    return found if y is not None else squeeze(found)  # of two, there are two variables at least


def _variables(m: Any, rowvar: Any, dtype: Any) -> Arrayed:
    """A matrix with a row for each variable."""
    m = as_array(m)
    if len(shape_of(m)) > 2:
        raise ValueError(f"m has more than 2 dimensions ({user_site()})")
    x = atleast_2d(astype(as_array(m), F64 if dtype is None else dtype))
    return x if rowvar or len(shape_of(m)) < 2 else x.T  # type: ignore[no-any-return]


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: Any = True, *, dtype: Any = None) -> Any:
    c = cov(x, y, rowvar, dtype=dtype)
    if not isinstance(c, Arrayed):
        return c / c
    scale = np.sqrt(np.diagonal(c))
    return np.clip(c / scale[:, None] / scale[None, :], -1.0, 1.0)
