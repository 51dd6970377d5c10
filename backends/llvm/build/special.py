"""SciPy's C functions: scipy.special's, BLAS and LAPACK, through the capsules that scipy exports for Cython."""

from __future__ import annotations

import ctypes
import functools
import importlib
import re
from typing import Any

from ....ir.core.types import F64, I64, Scalar
from .symbols import make_symbol

PREFIX = "lantern_scipy_"
SPECIAL, ROUTINES = "scipy.special.cython_special", ("scipy.linalg.cython_blas", "scipy.linalg.cython_lapack")
RESULT = "double *"  # where one of several results goes
KINDS = {"double": F64, "long": I64, "Py_ssize_t": I64}  # of the arguments; I64 takes what is a whole number


@functools.cache
def symbol(name: str) -> str:
    """The symbol of a function of scipy.special that gives a double, or of a BLAS or LAPACK routine; makes it known to the loader."""
    found = _special(name)
    capsule = found[0] if found else next((c for c in (_capsules(module).get(name) for module in ROUTINES) if c is not None), None)
    if capsule is None:
        raise ImportError(f"this SciPy does not export {name}")
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = get_pointer(capsule, _signature(capsule))
    assert address
    make_symbol(PREFIX + name, address)
    return PREFIX + name


def arguments_of(name: str) -> tuple[tuple[Scalar, ...], list[str]]:
    """The types of the arguments of a function of scipy.special, and what is passed behind them."""
    found = _special(name)
    if found is None:
        raise ImportError(f"this SciPy does not export {name}")
    return found[1], found[2]


def _capsules(module: str) -> dict[str, Any]:
    return importlib.import_module(module).__pyx_capi__  # type: ignore[no-any-return]


def _signature(capsule: Any) -> bytes:
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return get_name(capsule) or b""


@functools.cache
def _special(name: str) -> tuple[Any, tuple[Scalar, ...], list[str]] | None:
    """A function of scipy.special, and its arguments: of one for several types the variant with the most doubles."""
    wanted, found = re.compile(rf"(__pyx_fuse_[0-9_]+)?{name}"), []
    for key, capsule in _capsules(SPECIAL).items():
        if wanted.fullmatch(key):
            head, _, args = _signature(capsule).decode().partition("(")
            given = [a.strip() for a in args.rstrip(")").split(",")]
            if head.strip() == "void" and RESULT in given and all(a in KINDS for a in given[: given.index(RESULT)]):
                end = given.index(RESULT)
                found.append((capsule, tuple(KINDS[a] for a in given[:end]), given[end:]))
                continue
            end = given.index("int __pyx_skip_dispatch") if "int __pyx_skip_dispatch" in given else len(given)
            if (
                head.strip() == "double" and all(a in KINDS for a in given[:end]) and len(given) - end in (1, 2)
            ):  # arguments by name are last
                found.append((capsule, tuple(KINDS[a] for a in given[:end]), ["i32 0", "ptr null"][: len(given) - end]))
    return max(found, key=lambda f: f[1].count(F64), default=None)
