"""Operations on whole arrays that are no kernels: BLAS, LAPACK, gathering, sorting. One row each."""

from __future__ import annotations

from typing import Any

from .graph import Let

ARRAY_OPS: dict[str, Any] = {}


def array_tangents(forward: Any, let: Let) -> None:
    raise NotImplementedError

def pull_function(program, let, wanted):
    raise NotImplementedError
