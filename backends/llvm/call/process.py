"""The process's part of compiled code, loaded: its addresses, its regions, and the table of services."""

from __future__ import annotations

import atexit
import ctypes
import math
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ....ir.core import errors
from ..build import cache
from ..build.compile import Loaded, load, object_file
from ..build.lock import COMPILING
from ..build.platforms import native_target
from ..build.symbols import make_symbol
from ..runtime import layout, modules
from .effects import called

MAX_BITS, MIN_BITS = 40, 26
SHARES = 128  # regions that fit into what `ulimit -v` leaves: calls at the same time, and mapping one takes twice its size
_METH_FASTCALL = 0x80
_NUMPY_API = {"PyArray_New": 93, "PyArray_SetBaseObject": 282, "PyArray_Scalar": 60}  # places in NumPy's table of functions
_SYMBOLS = (
    "lantern_abort", "lantern_new_block", "lantern_drop_block", "lantern_take", "lantern_give", "lantern_enter", "lantern_free_blocks",
    "lantern_trim", "lantern_host", "lantern_parallel", "lantern_start", "lantern_again", "lantern_go_on", "lantern_pause",
    "lantern_ended",
)  # fmt: skip
_ENTRIES = {"run": "lantern_run", "give": "lantern_give", "to_numpy": "lantern_to_numpy", "free_blocks": "lantern_free_blocks",
            "discard": "lantern_discard"}  # fmt: skip


def region_bits() -> int:
    """log2 of a region's size: the largest power of two within a third of this process's memory, so that a recursion
    without an end meets the region's limit before the machine's, and within a share of the address space that a limit
    leaves, so that a pool of threads has room. LANTERN_STACK_GIB overrides."""
    chosen = os.environ.get("LANTERN_STACK_GIB")
    if chosen is not None:
        try:
            size = float(chosen) * 2**30
        except ValueError:
            raise errors.CompilationError(f"LANTERN_STACK_GIB={chosen!r}: give a number of GiB") from None
        return min(max(int(math.log2(max(size, 1.0))), MIN_BITS), MAX_BITS)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in native_target().memory.limit_files:
        try:
            with open(path) as f:
                memory = min(memory, int(f.read()))
        except (OSError, ValueError):
            continue
    return min(max(int(math.log2(min(memory / 3, max(_address_space() / SHARES, 1)))), MIN_BITS), MAX_BITS)


def _address_space() -> float:
    """Bytes that this process may still map."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return math.inf
    with open(native_target().memory.mapped_file) as f:
        return limit - int(f.read().split()[0]) * resource.getpagesize()


class _Method(ctypes.Structure):
    """A PyMethodDef."""

    _fields_ = [("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)]


def _codes(texts: list[str]) -> list[bytes]:
    """The code of the process's parts."""
    key = cache.key("process", *texts)
    found = cache.read_all(key, len(texts))
    codes = found[1] if found else [object_file(text)[0] for text in texts]
    if not found:
        cache.write_all(key, {}, codes)
    return codes


def _kept(code: bytes) -> Loaded:
    """Code of the process, which outlives the interpreter's own end."""
    loaded = load(code)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(loaded.tracker))
    return loaded


class Runtime:
    """Made when first needed, and never unmade: a signal handler and the destructors of results are part of it."""

    def __init__(self) -> None:
        self.target = native_target()
        wanted = region_bits()
        codes = _codes([modules.process(self.target), modules.shared(self.target, -(1 << wanted))])
        self.loaded = _kept(codes[0])
        self.bits = self._first_region(wanted)
        self.mask = -(1 << self.bits)
        self.size = 1 << self.bits
        for name in _SYMBOLS:
            make_symbol(name, self.loaded.address(name))
        self.helpers = _kept(codes[1] if self.bits == wanted else object_file(modules.shared(self.target, self.mask))[0])
        for name in modules.called(self.target):
            make_symbol(name, self.helpers.address(name))
        self.dispatcher = self.loaded.address("lantern_vectorcall")
        self.loaded.word("lantern_table_offset").value = layout.TABLE_OFFSET
        self.services = self.loaded.address("lantern_services")
        self._fill_services()
        self.loaded.word("lantern_called").value = ctypes.cast(called, ctypes.c_void_p).value
        self.main_thread = self.loaded.word("lantern_main_thread")
        self._notice_main_thread()
        self._notice_handlers()
        os.register_at_fork(after_in_child=self._after_fork)
        atexit.register(ctypes.CFUNCTYPE(None)(self.loaded.address("lantern_join")))

    def _after_fork(self) -> None:
        self._notice_main_thread()
        ctypes.CFUNCTYPE(None)(self.loaded.address("lantern_forked"))()

    def _notice_main_thread(self) -> None:
        self.main_thread.value = threading.main_thread().ident

    def _notice_handlers(self) -> None:
        """Find the one C function that CPython has as the handler of all signals, and be told of calls of signal.signal."""
        action = (ctypes.c_char * self.target.signals.action_bytes)()
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)) and ctypes.CDLL(None).sigaction(int(number), None, action) == 0:
                self.loaded.word("lantern_python_handler").value = ctypes.c_int64.from_buffer(action).value
                break
        method = ctypes.POINTER(_Method).from_address(id(sys.modules["_signal"].signal) + object.__basicsize__).contents
        if method.name == b"signal" and method.flags == _METH_FASTCALL:
            self.loaded.word("lantern_set_signal").value = method.function
            method.function = self.loaded.address("lantern_signal")

    def _first_region(self, most: int) -> int:
        """log2 of the size of the largest region that this process may reserve."""
        p = ctypes.c_void_p
        take = ctypes.CFUNCTYPE(p)(self.loaded.address("lantern_take"))
        give = ctypes.CFUNCTYPE(None, p)(self.loaded.address("lantern_give"))
        for bits in range(most, MIN_BITS - 1, -1):
            self.loaded.word("lantern_bits").value = bits
            region = take()
            if region:
                give(region)
                return bits
        raise errors.CompilationError(f"cannot reserve {1 << MIN_BITS >> 20} MiB of address space for the native stack")

    def _fill_services(self) -> None:
        get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))
        table = (ctypes.c_void_p * 400).from_address(get_pointer(np._core._multiarray_umath._ARRAY_API, None))  # type: ignore[attr-defined]
        objects: dict[str, Any] = {
            "float64_type": np.float64, "float32_type": np.float32, "int64_type": np.int64, "bool_type": np.bool_,
            "python_float": float, "python_int": int, "array_type": np.ndarray, "true": True, "false": False,
            "float64_descr": np.dtype(np.float64), "float32_descr": np.dtype(np.float32), "int64_descr": np.dtype(np.int64), "int32_descr": np.dtype(np.int32),
            "bool_descr": np.dtype(np.bool_), "slow": sys.intern("_slow"),
            "getsignal": sys.modules["_signal"].getsignal, "sigint": int(signal.SIGINT), "default_int_handler": signal.default_int_handler,
        }  # fmt: skip
        self._kept = objects
        for i, name in enumerate(layout.SERVICES):
            if name in objects:
                value: Any = id(objects[name])
            elif name in _ENTRIES:
                value = self.loaded.address(_ENTRIES[name])
            elif name in _NUMPY_API:
                value = table[_NUMPY_API[name]]
            else:
                value = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
            ctypes.c_void_p.from_address(self.services + 8 * i).value = value

    def room(self, memory: int | None) -> int:
        """The bytes of a region in which a call has so much memory; 0: all of it."""
        page = self.target.memory.page
        room = self.size if memory is None else -(-(layout.arena_start(self.target) + memory + layout.MARGIN) // page) * page
        return room if room < self.size - page else 0

    def peak(self, call: Callable[[], Any], room: int = 0) -> tuple[int, int]:
        """Run `call`, which has so much of a region; (bytes of native stack, bytes of arrays) that it has touched, in whole pages."""
        p, n = ctypes.c_void_p, ctypes.c_size_t
        libc = ctypes.CDLL(None)
        keep, memory, start = self.loaded.word("lantern_keep"), self.target.memory, layout.arena_start(self.target)
        page = resource.getpagesize()  # which may be less than the target's
        with COMPILING:
            region = ctypes.CFUNCTYPE(p)(self.loaded.address("lantern_take"))()
            ctypes.CFUNCTYPE(None, p)(self.loaded.address("lantern_give"))(region)
            before, keep.value = keep.value, self.size
            try:
                for advice in (memory.unneeded, memory.small_pages):  # but for the context at the start
                    libc.madvise(p(region + start), n(self.size - start), advice)
                call()
                pages = (ctypes.c_ubyte * (self.size // page))()
                for first in range(0, self.size, 1 << 22):  # one call fails where a page may not be read
                    view = (ctypes.c_ubyte * ((1 << 22) // page)).from_buffer(pages, first // page)
                    libc.mincore(p(region + first), n(1 << 22), view)
            finally:
                keep.value = before
                libc.madvise(p(region), n(self.size), memory.huge_pages)
                self._trim(region)
        touched = np.frombuffer(bytes(pages), np.uint8)[start // page :] & 1
        half = ((room or self.size) - start) // 2 // page
        return int(touched[half:].sum()) * page, int(touched[:half].sum()) * page

    def _trim(self, region: int) -> None:
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.loaded.address("lantern_trim"))(region)

    def regions(self) -> list[int]:
        """The addresses of all regions."""
        n = self.loaded.word("lantern_count").value
        word = ctypes.c_void_p.from_address
        return [a for i in range(min(n, layout.SLOTS)) if (a := word(self.loaded.address("lantern_all") + 8 * i).value)]


_RUNTIME: list[Runtime] = []


def runtime() -> Runtime:
    with COMPILING:
        if not _RUNTIME:
            _RUNTIME.append(Runtime())
        return _RUNTIME[0]
