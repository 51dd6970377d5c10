"""Python objects whose call goes straight to machine code.

`NativeCallable` is a heap type made through CPython's own `PyType_FromSpec`. After the object's head come two pointers:
its vectorcall function, which is the dispatcher (lantern_vectorcall, runtime/calls.ll), and a table of the functions that it tries in turn, each with
the cell of its guards (watch.py) and the record of its program (python_call.py), ended by null. When all of them decline, the dispatcher calls `slow_call(args, kwargs)` of the object.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ....ir.trace.tracebacks import hide
from ...base import Direct
from ..build.platforms import TARGET
from ..runtime.layout import HEADER, TABLE_OFFSET


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("value", ctypes.c_void_p)]


class _Member(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]


_TP_CALL, _TP_MEMBERS = 50, 72  # numbers of CPython's stable ABI
_T_PYSSIZET, _READONLY = 19, 1
_DEFAULT, _BASETYPE, _HAVE_VECTORCALL = 1 << 18, 1 << 10, 1 << 11
_FLAGS_OFFSET = 168  # of tp_flags in a type object
_KEEP: list[Any] = []  # what the type refers to


def _make_type() -> Any:
    members = (_Member * 2)(_Member(b"__vectorcalloffset__", _T_PYSSIZET, HEADER, _READONLY, None), _Member())
    call = ctypes.cast(ctypes.pythonapi.PyVectorcall_Call, ctypes.c_void_p).value
    slots = (_Slot * 3)(_Slot(_TP_CALL, call), _Slot(_TP_MEMBERS, ctypes.addressof(members)), _Slot(0, None))
    spec = _Spec(b"lantern_jit.backends.llvm.call.callable.NativeCallable", HEADER + 16, 0, _DEFAULT | _BASETYPE | _HAVE_VECTORCALL, slots)
    _KEEP.extend((members, slots, spec))
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(("PyType_FromSpec", ctypes.pythonapi))
    return make(ctypes.addressof(spec))


class _Plain:
    """The same for Python, where there is no native code: no entries, each call is `slow_call`."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.slow_call(args, kwargs)  # type: ignore[attr-defined]
        except BaseException as e:
            raise hide(e)  # noqa: B904  # itself


_Base: Any = _make_type() if TARGET is not None else _Plain


def _mark_vectorcall(cls: type) -> None:
    """Before 3.12 a class does not inherit the flag from its base, and every call would make a tuple. The flag is set in
    the type object itself if its flags are found where all those versions have them."""
    flags = ctypes.c_ulong.from_address(id(cls) + _FLAGS_OFFSET)
    if not cls.__flags__ & _HAVE_VECTORCALL and flags.value == cls.__flags__:
        flags.value |= _HAVE_VECTORCALL
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))


class NativeCallable(_Base):  # type: ignore[misc]
    """A callable with a table of machine code entries."""

    __slots__ = ("__dict__", "__weakref__", "_tables")

    if TYPE_CHECKING:  # at run time a method of this name would take the place of the vectorcall function

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __init_subclass__(cls) -> None:
        if TARGET is not None:
            _mark_vectorcall(cls)

    def __init__(self, dispatcher: int | None) -> None:
        """`dispatcher` is the address of the vectorcall function, None where there is no native code."""
        self._tables: list[Any] = []
        if dispatcher is None:
            return
        self.set_entries([])
        ctypes.c_void_p.from_address(id(self) + HEADER).value = dispatcher

    def set_entries(self, entries: Sequence[tuple[Direct, int]]) -> None:
        """The entries to try, in this order: a function and its program's record, and the address of a pointer to its guards. Tables that
        a call under way may still read stay alive with the object."""
        table = (ctypes.c_void_p * (3 * len(entries) + 1))(
            *(x for (function, record), cell in entries for x in (function, cell, record)), None
        )
        self._tables.append(table)
        ctypes.c_void_p.from_address(id(self) + TABLE_OFFSET).value = ctypes.addressof(table)

    def _slow(self, *args: Any, **kwargs: Any) -> Any:
        """What the dispatcher calls last, by this name. It leaves this frame out of an exception's traceback."""
        try:
            return self.slow_call(args, kwargs)
        except BaseException as e:
            raise hide(e)  # noqa: B904  # itself

    def slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The call when no entry takes these arguments."""
        raise NotImplementedError


if TARGET is not None:
    _mark_vectorcall(NativeCallable)
