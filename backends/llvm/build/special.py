"""SciPy's C functions: scipy.special's, BLAS and LAPACK, through the capsules that scipy exports for Cython."""

from __future__ import annotations

import ctypes
import functools
import importlib

from .symbols import make_symbol

PREFIX = "lantern_scipy_"
MODULES = ("scipy.special.cython_special", "scipy.linalg.cython_blas", "scipy.linalg.cython_lapack")


@functools.cache
def symbol(name: str) -> str:
    """The symbol of a scipy.special function double -> double, or of a BLAS or LAPACK routine; makes it known to the
    loader."""
    capsule = None
    for module in MODULES:
        table = importlib.import_module(module).__pyx_capi__
        capsule = table.get(name) or table.get(f"__pyx_fuse_1{name}")  # the second of a function for complex and double numbers
        if capsule is not None:
            break
    if capsule is None:
        raise ImportError(f"this SciPy does not export {name}")
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = get_pointer(capsule, get_name(capsule))
    make_symbol(PREFIX + name, address)
    return PREFIX + name
