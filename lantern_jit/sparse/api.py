"""`sparsity`, `sparse_jacobian` and `sparse_hessian`. SciPy's sparse matrices are loaded when one of them is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .derivatives import Sparse


def sparsity(f: Callable[..., Any], argnums: int | str = 0) -> Sparse:
    """A function of f's arguments that gives the pattern of its Jacobian.

    The graph of f is run on sets of columns. Sizes, the values of ints and bools, and loops over them are followed exactly, also where
    elements are written one by one. It holds for all values of the floats: where control flow or an index depends on them, all that may
    happen is in it. Matrix products are exact, factorisations dense, zeros that arithmetic happens to give are not seen.

    Parameters
    ----------
    f : callable
        From one float array (of any shape, read in its order) or float to the same.
    argnums : int or str, default 0
        That argument.

    Returns
    -------
    callable
        Gives a `scipy.sparse.csr_array` of bools of the shape (numbers of the result, numbers of the argument).

    Raises
    ------
    UnsupportedOperationError
        Where the size of an array depends on floats.
    ArrayMemoryError
        Where the pattern is dense, and too large.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> lj.sparsity(lambda x: x[1:] * x[:-1])(np.zeros(3)).toarray().astype(int)
    array([[1, 1, 0],
           [0, 1, 1]])
    """
    return _sparse(f, argnums, "sparsity")


def sparse_jacobian(f: Callable[..., Any], argnums: int | str = 0) -> Sparse:
    """A function of f's arguments that gives its Jacobian as a sparse matrix.

    Columns that share no row are added up (Curtis, Powell and Reid, 1974), and eight such groups are one evaluation of f with a block of
    tangents. The pattern and the groups are found once for each combination of sizes, ints and bools.

    Parameters
    ----------
    f, argnums
        As in `sparsity`.

    Returns
    -------
    callable
        Gives a `scipy.sparse.csr_array` with the pattern of `sparsity(f)`, and the dtype of the argument.

    Raises
    ------
    UnsupportedOperationError, ArrayMemoryError
        As `sparsity`.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> lj.sparse_jacobian(lambda x: x[1:] * x[:-1])(np.array([1.0, 2.0, 3.0])).toarray()
    array([[2., 1., 0.],
           [0., 3., 2.]])
    """
    return _sparse(f, argnums, "sparse_jacobian")


def sparse_hessian(f: Callable[..., Any], argnums: int | str = 0) -> Sparse:
    """A function of f's arguments that gives its second derivatives as a sparse matrix.

    An entry is where two columns meet in an operation that is not linear in both; columns with many entries give their rows, too (Powell
    and Toint, 1979).

    Parameters
    ----------
    f : callable
        From one float array, or a float, to one float.
    argnums : int or str, default 0
        That argument.

    Returns
    -------
    callable
        Gives a symmetric `scipy.sparse.csr_array`.

    Raises
    ------
    UnsupportedOperationError, ArrayMemoryError
        As `sparsity`.

    Examples
    --------
    >>> import lantern_jit as lj, numpy as np
    >>> lj.sparse_hessian(lambda x: np.sum(x[1:] * x[:-1]))(np.zeros(3)).toarray()
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """
    return _sparse(f, argnums, "sparse_hessian")


def _sparse(f: Callable[..., Any], argnums: int | str, kind: str) -> Sparse:
    from .derivatives import Sparse

    return Sparse(f, argnums, kind)
