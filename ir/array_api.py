"""NumPy's functions of whole arrays, for traced ones: FUNCTIONS, METHODS and PROPERTIES are what users find in README."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import arrays, errors, sizes, table, values
from .arrays import as_array, contiguous, elementwise, reduce, shape_of
from .types import BOOL, F32, F64, FROM_NUMPY, I32, I64, Scalar, is_float
from .values import Arrayed, Traced, to_type, truth
from .builder import user_site


def sum_(a, axis=None, dtype=None, out=None, keepdims=False):
    a = as_array(a)
    return reduce("sum", a, axis, keepdims)

def matmul(x, y):
    raise NotImplementedError

def ufunc_of_arrays(ufunc, method, fn, inputs, kwargs):
    if method == "__call__" and fn is not None and not kwargs:
        return elementwise(fn, *inputs, name=ufunc.__name__)
    return NotImplemented

FUNCTIONS = {np.sum: sum_}
METHODS = {"sum": sum_, "copy": lambda a: arrays.copied(a)}
PROPERTIES = {}
