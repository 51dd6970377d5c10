"""Products of scipy.sparse's matrices, which are constants, with arrays of the program."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ...core.builder import current_trace, keep
from ...core.sites import unsupported
from ...values.views import any_traced, as_array, shape_of
from ..creation import zeros

keep("coordinates", lambda trace: {})  # of the matrices that products have been taken of


def operated(name: str, x: Any, y: Any) -> Any:
    """x (op) y where one of them is a sparse matrix and the other is traced; NotImplemented for others."""
    module = sys.modules.get("scipy.sparse")
    if module is None or current_trace() is None or not (module.issparse(x) or module.issparse(y)) or not any_traced((x, y)):
        return NotImplemented
    a, b, turned = (x, y, False) if module.issparse(x) else (y, x, True)
    if (
        not isinstance(b, (list, tuple))
        and np.ndim(b) in (1, 2)
        and (name == "matmul" or (name == "mul" and isinstance(a, module.spmatrix)))
    ):
        b = as_array(b)
        return _product(a.T, b.T).T if turned else _product(a, b)
    return unsupported(
        f"`{name}` of a scipy.sparse matrix and a traced value",
        "take its product with an array, A @ x, and scale that; or compute with A.toarray()",
    )


def _product(a: Any, b: Any) -> Any:
    """a @ b, added up in the order in which the matrix holds its elements."""
    if shape_of(b)[0] != a.shape[1]:
        raise ValueError(f"dimension mismatch: {a.shape[1]} columns and {shape_of(b)[0]} rows")
    trace = current_trace()
    assert trace is not None
    trace.reads.arrays([v for v in vars(a).values() if isinstance(v, np.ndarray)])
    _, coo = trace.coordinates.setdefault(id(a), (a, a.tocoo()))
    values = coo.data if b.ndim == 1 else coo.data[:, None]
    out = zeros([a.shape[0], *shape_of(b)[1:]], np.result_type(a.dtype, b.dtype))
    np.add.at(out, np.asarray(coo.row, np.int64), values * b[np.asarray(coo.col, np.int64)])
    return out
