"""scipy.spatial.distance: distances between the rows of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.sites import unsupported, user_site
from ...values import sizes
from ...values.views import as_array, shape_of
from ..common import float_array
from ..creation import zeros
from ..registry import implements
from .functions import inv, norm


def _cosine(x: Any, y: Any) -> Any:
    return 1.0 - np.sum(x * y, -1) / (norm(x, axis=-1) * norm(y, axis=-1))


def _correlation(x: Any, y: Any) -> Any:
    return _cosine(x - np.mean(x, -1, keepdims=True), y - np.mean(y, -1, keepdims=True))


def _canberra(x: Any, y: Any) -> Any:
    over, under = np.abs(x - y), np.abs(x) + np.abs(y)
    return np.sum(np.where(under == 0.0, 0.0, over / np.where(under == 0.0, 1.0, under)), -1)


_OF_ROWS: dict[str, Callable[[Any, Any], Any]] = {  # of vectors along the last axis
    "euclidean": lambda x, y: np.sqrt(np.sum((x - y) ** 2, -1)),
    "sqeuclidean": lambda x, y: np.sum((x - y) ** 2, -1),
    "cityblock": lambda x, y: np.sum(np.abs(x - y), -1),
    "chebyshev": lambda x, y: np.max(np.abs(x - y), -1),
    "cosine": _cosine,
    "correlation": _correlation,
    "braycurtis": lambda x, y: np.sum(np.abs(x - y), -1) / np.sum(np.abs(x + y), -1),
    "canberra": _canberra,
}
_ALSO = {"l2": "euclidean", "sqeuclid": "sqeuclidean", "manhattan": "cityblock", "l1": "cityblock", "cheb": "chebyshev"}


def _metric(name: Any, rows: Callable[[], Any], p: Any, w: Any, V: Any, VI: Any) -> Callable[[Any, Any], Any]:
    """A distance of vectors along the last axis. `rows`: all that there are, of which variances are taken."""
    if not isinstance(name, str):
        unsupported("scipy.spatial.distance with a function as metric", "write the loop over pairs")
    name = _ALSO.get(name.lower(), name.lower())
    if w is not None and name not in ("minkowski", "euclidean", "sqeuclidean", "cityblock"):
        unsupported(f"scipy.spatial.distance's {name} with w=", "scale the vectors before")
    if name == "minkowski":
        return lambda x, y: np.sum((1.0 if w is None else w) * np.abs(x - y) ** p, -1) ** (1.0 / p)
    if name == "seuclidean":
        scale = np.var(rows(), 0, ddof=1) if V is None else as_array(V)
        return lambda x, y: np.sqrt(np.sum((x - y) ** 2 / scale, -1))
    if name == "mahalanobis":
        inverse = inv(np.cov(rows().T)) if VI is None else as_array(VI)
        return lambda x, y: np.sqrt(np.sum(((x - y) @ inverse) * (x - y), -1))
    if name not in _OF_ROWS:
        unsupported(
            f"scipy.spatial.distance's metric {name!r}", f"one of {', '.join([*_OF_ROWS, 'minkowski', 'seuclidean', 'mahalanobis'])}"
        )
    if w is None:
        return _OF_ROWS[name]
    weights = as_array(w) ** (1.0 if name == "cityblock" else 0.5)
    return lambda x, y: _OF_ROWS[name](weights * x, weights * y)


def _matrix(x: Any, name: str) -> Any:
    x = float_array(as_array(x))
    if x.ndim != 2:
        raise ValueError(f"{name} must be a 2-dimensional array. ({user_site()})")
    return x if x.dtype == np.float64 else x.astype(np.float64)


@implements("scipy.spatial.distance.cdist")
def cdist(
    XA: Any, XB: Any, metric: Any = "euclidean", *, p: Any = 2.0, w: Any = None, V: Any = None, VI: Any = None, out: Any = None
) -> Any:
    XA, XB = _matrix(XA, "XA"), _matrix(XB, "XB")
    distance = _metric(metric, lambda: np.concatenate([XA, XB]), p, w, V, VI)
    return distance(XA[:, None, :], XB[None, :, :])


@implements("scipy.spatial.distance.pdist")
def pdist(X: Any, metric: Any = "euclidean", *, p: Any = 2.0, w: Any = None, V: Any = None, VI: Any = None, out: Any = None) -> Any:
    X = _matrix(X, "X")
    i, j = np.triu_indices(_number(shape_of(X)[0], "pdist"), 1)
    return _metric(metric, lambda: X, p, w, V, VI)(X[i], X[j])


def _number(n: Any, name: str) -> int:
    found = sizes.needed(n)
    if found is None:
        unsupported(f"{name} of an unknown number of points", "use cdist")
    return found


@implements("scipy.spatial.distance.squareform")
def squareform(X: Any, force: Any = "no", checks: Any = True) -> Any:
    X = as_array(X)
    if force not in ("no", "tomatrix", "tovector"):
        raise ValueError(f"force must be no, tomatrix or tovector ({user_site()})")
    if X.ndim == 1 and force != "tovector":
        m = _number(shape_of(X)[0], "squareform")
        n = round(0.5 + (0.25 + 2 * m) ** 0.5)
        if n * (n - 1) // 2 != m:
            raise ValueError(
                f"Incompatible vector size. It must be a binomial coefficient n choose 2 for some integer n >= 2. ({user_site()})"
            )
        made = zeros([n, n], X.dtype)
        places = np.triu_indices(n, 1)
        made[places] = X
        return made + made.T
    if X.ndim != 2 or force == "tomatrix":
        raise ValueError(f"squareform takes a vector, or a matrix ({user_site()})")
    return X[np.triu_indices(_number(shape_of(X)[0], "squareform"), 1)]


def _of_two(name: str) -> None:
    metric = _OF_ROWS[name]
    implements(f"scipy.spatial.distance.{name}")(lambda u, v: metric(float_array(as_array(u)), float_array(as_array(v))))


for _name in _OF_ROWS:
    _of_two(_name)


@implements("scipy.spatial.distance.minkowski")
def minkowski(u: Any, v: Any, p: Any = 2) -> Any:
    return _metric("minkowski", lambda: None, p, None, None, None)(float_array(as_array(u)), float_array(as_array(v)))


@implements("scipy.spatial.distance.mahalanobis")
def mahalanobis(u: Any, v: Any, VI: Any) -> Any:
    return _metric("mahalanobis", lambda: None, 2.0, None, None, VI)(float_array(as_array(u)), float_array(as_array(v)))


@implements("scipy.spatial.distance.seuclidean")
def seuclidean(u: Any, v: Any, V: Any) -> Any:
    return _metric("seuclidean", lambda: None, 2.0, None, V, None)(float_array(as_array(u)), float_array(as_array(v)))
