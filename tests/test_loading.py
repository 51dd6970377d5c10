"""Machine code in a process's memory: wherever there is room for it, and no longer than it is needed."""

from __future__ import annotations

import ctypes
import gc
import os
from pathlib import Path

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.backends.llvm.build import compile as compiler
from lantern_jit.backends.llvm.build import symbols

from .processes import start

PROCESSES = 12  # by hand with 200

FAR = """
import ctypes, mmap, random, sys
import numpy as np

libc = ctypes.CDLL(None)
libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
rng = random.Random(SEED)
PAGE, GIB = 4096, 1 << 30

def reserve(size, at=None):
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000 | (0x100000 if at else 0)  # no memory; there or nowhere
    got = libc.mmap(at, size, 0, flags, -1, 0)
    assert got not in (None, 2**64 - 1) or at
    return got

def scatter():
    # close all gaps but the large ones below, then leave some of a page or two, gigabytes apart
    with open("/proc/self/maps") as f:
        ends = [[int(x, 16) for x in line.split()[0].split("-")] for line in f]
    for (_, low), (high, _) in zip(ends, ends[1:]):
        if low < high < 2**47 and high - low < 64 * GIB:
            reserve(high - low, low)
    for _ in range(16):
        at = reserve(6 * GIB)
        libc.munmap(at + PAGE * rng.randrange(6 * GIB // PAGE - 2), PAGE * rng.choice((1, 1, 2)))

import lantern_jit as lj
scatter()

def series(x, n):
    s, t = 0.0, 1.0
    for i in range(n):
        t = t * x / (i + 1.0)
        s = s + t
    return s

def worth(x, n):
    a = np.linspace(0.0, x, n)
    return np.sum(np.exp(np.sin(a) * 0.5) + a ** 3)

expected = lj.grad(series)(1.5, 6), lj.grad(worth)(1.5, 6)
for _ in range(4):
    scatter()
    got = lj.jit(lj.grad(series))(1.5, 6), lj.jit(lj.grad(worth))(1.5, 6)
    assert np.allclose(got, expected, rtol=1e-13), (got, expected)
    assert lj.jit(lambda x: x * x + 1.0).ctypes(3.0) == 10.0
print("1")
"""


def test_no_layout_of_the_memory_ends_the_process(tmp_path: Path) -> None:
    cache = {"LANTERN_CACHE_DIR": os.environ["LANTERN_CACHE_DIR"]}
    for first in range(0, PROCESSES, 2):
        pair = [start(FAR.replace("SEED", str(k)), tmp_path / f"far{k}.py", **cache) for k in (first, first + 1)]
        assert [p.result() for p in pair] == [1, 1]


CODE = """
@lantern.record = global [8 x i64] zeroinitializer
declare double @sin(double)
define double @call(double %x) {
 %y = call double @sin(double %x)
 ret double %y
}"""


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_code_that_nothing_refers_to_is_freed() -> None:
    code = compiler.object_file(CODE)[0]
    kept = [compiler.load(code) for _ in range(70)]

    def load_many() -> None:
        for k in range(1000):
            loaded = compiler.load(code)
            assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(loaded.address("call"))(0.5 + k) == np.sin(0.5 + k)

    load_many()
    before = _resident()
    load_many()
    load_many()
    assert _resident() - before < 4e6  # what LLVM keeps of an object would be 20 MB, the code itself 40
    assert all(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(x.address("call"))(0.5) == np.sin(0.5) for x in kept)


def test_a_function_that_dies_while_another_thread_compiles_is_freed_later() -> None:
    import threading

    from lantern_jit.backends.llvm.build.lock import COMPILING

    loaded, entered, leave = compiler.load(compiler.object_file(CODE)[0]), threading.Event(), threading.Event()
    tracker = loaded.tracker

    def compiles() -> None:
        with COMPILING:
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=compiles)
    thread.start()
    entered.wait(10)
    del loaded
    gc.collect()
    assert not tracker.closed
    leave.set()
    thread.join()
    assert lj.jit(lambda x: x * 17.25)(2.0) == 34.5
    assert tracker.closed


def test_an_object_says_what_it_has_and_needs() -> None:
    assert tuple(map(sorted, symbols.of_object(compiler.object_file(CODE)[0]))) == (["call", "lantern.record"], ["sin"])


def test_a_name_that_no_library_has() -> None:
    code = compiler.object_file(CODE.replace("@sin", "@nobody_has_this"))[0]
    with pytest.raises(lj.errors.CompilationError, match="compiled code calls nobody_has_this, which no library of this process has"):
        compiler.load(code)


def test_bytes_that_are_no_object_file() -> None:
    code = compiler.object_file(CODE)[0]
    for bad in (b"", b"\x7fELF\x02\x01", code[:100], code[: len(code) - 200], b"MZ" + code[2:]):
        with pytest.raises(lj.errors.CompilationError, match=r"object file|cannot load compiled code"):
            compiler.load(bad)
