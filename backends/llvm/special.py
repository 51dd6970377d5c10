"""scipy.special's functions as C pointers, through the capsules of scipy.special.cython_special."""

from __future__ import annotations

import ctypes
import functools

PREFIX = "lantern_scipy_"


@functools.cache
def symbol(name: str) -> str:
    """The LLVM symbol of a scipy.special function double -> double; makes it known to the linker."""
    import llvmlite.binding as llvm
    import scipy.special.cython_special as special

    table = special.__pyx_capi__
    capsule = table.get(name) or table[f"__pyx_fuse_1{name}"]  # the second of a function for complex and double numbers
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = get_pointer(capsule, get_name(capsule))
    llvm.add_symbol(PREFIX + name, address)
    return PREFIX + name
