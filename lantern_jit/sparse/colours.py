"""Columns in groups, so that in each row of a pattern at most one of a group has an entry: a sum of them tells them apart.

Curtis, Powell and Reid, "On the estimation of sparse Jacobian matrices" (1974); the greedy algorithm is SciPy's own, of
`least_squares` and `solve_ivp`. A symmetric matrix is read on either side of its diagonal: columns with many entries have groups of their
own, which give their rows, too, so that these count in no other group (Powell and Toint, 1979).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.optimize._numdiff import group_columns


class Groups(NamedTuple):
    of: Any  # the group of each column
    alone: Any  # is it one of those with a group of their own?


def columns(pattern: Any) -> tuple[Groups, int]:
    """(groups, how many)"""
    of, count = _grouped(pattern)
    return Groups(of, np.zeros(len(of), bool)), count


def _grouped(pattern: Any) -> tuple[Any, int]:
    """The better one of two orders: as the columns stand, and those with most entries first."""
    n = pattern.shape[1]
    if n == 0:
        return np.zeros(0, np.int64), 0
    matrix = sp.csc_array(pattern, dtype=np.int8)
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    degrees = np.diff(matrix.indptr)
    found = [group_columns(matrix, order) for order in (np.arange(n), np.argsort(-degrees, kind="stable"))]
    best = min(found, key=lambda of: of.max(initial=0))
    return best.astype(np.int64), int(best.max(initial=-1)) + 1


def symmetric(pattern: Any) -> tuple[Groups, int]:
    """(groups, how many) of a symmetric pattern."""
    n = pattern.shape[0]
    degrees = np.diff(pattern.indptr)
    order = np.argsort(-degrees, kind="stable")
    best, count = columns(pattern)
    k = 1
    while k < n and degrees[order[k - 1]] > 2 and k < count:
        alone = np.zeros(n, bool)
        alone[order[:k]] = True
        rest = np.flatnonzero(~alone)
        of, others = _grouped(pattern[rest][:, rest])
        if others + k < count:
            groups = np.zeros(n, np.int64)
            groups[rest], groups[order[:k]] = of, others + np.arange(k)
            best, count = Groups(groups, alone), others + k
        k *= 2
    return best, count


def oriented(rows: Any, cols: Any, groups: Groups) -> tuple[Any, Any]:
    """For entries of a symmetric matrix the (row, column) that each is read at."""
    swap = groups.alone[rows] & ~groups.alone[cols]
    return np.where(swap, cols, rows), np.where(swap, rows, cols)
