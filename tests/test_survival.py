"""What must not break the process: depth, length, threads and many calls. Each program runs in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PRELUDE = """
import math, os, sys, threading
import numpy as np
import lantern_jit as lj

def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def geometric(x, n):
    if n == 0:
        return 1.0
    return 1.0 + x * geometric(x, n - 1)

def endless(x, n):
    return 0.5 * endless(x + 1.0, n + 1) if n >= 0 else x

def lorenz(s, n):
    x, y, z = 1.0, 1.0, 1.0
    for _ in range(n):
        dx, dy, dz = s * (y - x), x * (28.0 - z) - y, x * y - 2.6 * z
        x += 1e-7 * dx
        y += 1e-7 * dy
        z += 1e-7 * dz
    return x
"""


def survives(tmp_path: Path, program: str, timeout: float = 60, **environment: str) -> str:
    """What `program` prints, after PRELUDE, in a process of its own."""
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + textwrap.dedent(program))
    env = {k: v for k, v in os.environ.items() if not k.startswith("LANTERN_") or k == "LANTERN_CACHE_DIR"}
    env = {**env, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, str(path)], env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_a_recursion_a_million_deep(tmp_path: Path) -> None:
    survives(
        tmp_path,
        """
        x, n = 0.5, 1_000_000
        assert lj.jit(geometric)(x, n) == 2.0
        assert abs(lj.jit(lj.grad(geometric))(x, n) - 4.0) < 1e-9
        """,
    )


def test_an_endless_recursion(tmp_path: Path) -> None:
    survives(
        tmp_path,
        """
        import re
        for run in (lj.jit(endless), lj.jit(lj.grad(endless))):
            for _ in range(2):
                try:
                    run(1.0, 0)
                except lj.errors.StackOverflowError as e:
                    assert isinstance(e, RecursionError)
                    assert "the native stack of 1024 MiB ended in `endless`" in str(e), e
                    depth = int(re.search(r"after about (\\d+) nested calls", str(e))[1])
                    assert 100_000 < depth < 2**27, depth
                    assert re.search(r"nested calls of \\d+ bytes each: is there a recursion without a base case\\? Else", str(e)), e
                    assert "LANTERN_STACK_GIB=2 in the environment of a new process gives more" in str(e), e
                else:
                    raise SystemExit("no error")
            assert math.isclose(lj.jit(lj.grad(geometric))(0.5, 100), lj.grad(geometric)(0.5, 100), rel_tol=1e-14)
        """,
        LANTERN_STACK_GIB="1",
    )


def test_a_stack_that_ends_in_a_recursion_with_large_frames(tmp_path: Path) -> None:
    """It may have an end, so nobody is blamed; what is missing is memory."""
    survives(
        tmp_path,
        """
        import re
        def wide(x, n):
            if n == 0:
                return x
            a, b, c, d, e = x + 1.0, x * 2.0, x * x, x - 3.0, x / 7.0
            y = wide(x * 0.5, n - 1)
            f, g, h, i, j = y + a, y * b, y * c, y - d, y / (1.0 + e * e)
            z = wide(y * 0.25, 0)
            return a * f + b * g + c * h + d * i + e * j + z
        try:
            lj.jit(lj.grad(wide))(0.5, 900_000)
        except lj.errors.StackOverflowError as e:
            found = re.search(r"the native stack of 64 MiB ended in `wide` after about (\\d+) nested calls of (\\d+) bytes each\\. (.*)", str(e))
            assert found, e
            depth, frame = int(found[1]), int(found[2])
            assert depth < 900_000 and 16e6 < depth * frame <= 64 << 20, e
            assert found[3].startswith("LANTERN_STACK_GIB=1 in the environment of a new process gives more; for a long"), e
            assert "base case" not in str(e)
        else:
            raise SystemExit("no error")
        """,
        LANTERN_STACK_GIB="0.0625",
    )


POOL = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (GIB << 30, GIB << 30))
f, problems, gate = lj.jit(lj.grad(geometric), nogil=True), [], threading.Barrier(THREADS)
def work():
    try:
        gate.wait()
        for _ in range(20):
            assert abs(f(0.5, 20_000) - 4.0) < 1e-9
    except BaseException as e:
        problems.append(repr(e))
threads = [threading.Thread(target=work) for _ in range(THREADS)]
[t.start() for t in threads]
[t.join() for t in threads]
assert not problems, problems
"""


@pytest.mark.parametrize(("gib", "threads"), [(4, 4), (4, 16), (24, 64)])
def test_a_pool_of_threads_in_little_address_space(tmp_path: Path, gib: int, threads: int) -> None:
    survives(tmp_path, POOL.replace("GIB", str(gib)).replace("THREADS", str(threads)), OPENBLAS_NUM_THREADS="1")


def test_no_address_space_for_another_stack(tmp_path: Path) -> None:
    survives(
        tmp_path,
        """
        native = lj.jit(geometric).lower(0.5, 10).executable
        try:
            native.fault(0)
        except lj.errors.StackOverflowError as e:
            text = ("no address space for another native stack of 1024 MiB, of which each call under way has one: "
                    "LANTERN_STACK_GIB=0.5 in the environment of a new process makes them smaller")
            assert str(e) == text, e
        else:
            raise SystemExit("no error")
        """,
        LANTERN_STACK_GIB="1",
    )


def test_an_endless_differentiated_loop(tmp_path: Path) -> None:
    survives(
        tmp_path,
        """
        def f(x, n):
            i = 0
            while i >= 0:
                x = x * 1.0000001
                i = i + 1
                if i < n:
                    continue
                if x < 0:
                    break
            return x
        try:
            lj.jit(lj.grad(f), checkpoint="recursion")(1.0, 2**62)
        except lj.errors.StackOverflowError as e:
            assert "`f`" in str(e), e
        assert abs(lj.jit(lj.grad(geometric))(0.5, 1000) - 4.0) < 1e-9
        """,
        LANTERN_STACK_GIB="0.25",
    )


def test_ten_million_iterations(tmp_path: Path) -> None:
    survives(
        tmp_path,
        """
        def leaves_early(x, n):
            s, i = x, 0
            while True:
                s = s * 0.9999999
                if s < 0.0:
                    break
                s = s + 1e-7 * x
                i += 1
                if i >= n:
                    break
            return s

        n = 10_000_000
        counted, early = lj.jit(lj.grad(lorenz)), lj.jit(lj.grad(leaves_early))
        assert list(counted.inspect(10.0, 1).policies.values()) == ["chunks"]
        assert list(early.inspect(10.0, 1).policies.values()) == ["recursion"]
        forward = lj.jit(lambda s, n: lj.jvp(lambda v: lorenz(v, n), (s,), (1.0,))[1])
        assert math.isclose(counted(10.0, n), forward(10.0, n), rel_tol=1e-7)
        q = 0.9999999
        exact = q**n + 1e-7 * (1 - q**n) / (1 - q)
        assert math.isclose(early(10.0, n), exact, rel_tol=1e-6), (early(10.0, n), exact)
        """,
        timeout=100,
    )


def test_a_long_counted_gradient_needs_few_bytes_a_step(tmp_path: Path) -> None:
    out = survives(
        tmp_path,
        """
        import ctypes
        from lantern_jit.backends.llvm.call.process import runtime
        size = runtime().size
        runtime().loaded.word("lantern_keep").value = size  # nothing is given back

        def touched():
            total = 0
            for base in runtime().regions():
                pages = (ctypes.c_ubyte * (size // 4096))()
                for start in range(0, size, 1 << 22):  # one call fails where a page may not be read
                    view = (ctypes.c_ubyte * 1024).from_buffer(pages, start // 4096)
                    ctypes.CDLL(None).mincore(ctypes.c_void_p(base + start), ctypes.c_size_t(1 << 22), view)
                total += 4096 * sum(b & 1 for b in bytes(pages))
            return total

        n = 1_000_000
        lj.jit(lj.grad(lorenz))(10.0, n)
        print(touched() / n)
        lj.jit(lj.grad(lorenz), checkpoint="recursion")(10.0, n)
        print(touched() / n)
        """,
        LANTERN_STACK_GIB="1",
    )
    chunks, recursion = map(float, out.split())
    assert chunks < 16
    assert recursion > 48  # three carried numbers, their adjoints and a return address: the measure measures


THREADS = """
def series(x, n):
    s, t = 0.0, 1.0
    for i in range(n):
        t = t * x / (i + 1.0)
        s = s + t
    return s

def kinds():
    return [lj.jit(geometric), lj.jit(lj.grad(geometric)), lj.jit(lj.grad(series)), lj.jit(lambda x, n: np.full(n, x)),
            lj.grad(lambda x, n: x ** 3)]
shared, problems, gate = kinds(), [], threading.Barrier(8)

def work(k):
    try:
        gate.wait()
        own = kinds()
        for r in range(30):
            x, n = 0.1 + 0.05 * k, 20 + r
            for fs in (shared, own):
                assert abs(fs[0](x, 200) - 1 / (1 - x)) < 1e-9
                assert abs(fs[1](x, 200) - 1 / (1 - x) ** 2) < 1e-9
                assert abs(fs[2](x, n) - math.exp(x)) < 1e-9
                a = fs[3](x, 10_000 + n)
                assert a.shape == (10_000 + n,) and (a == x).all()
                assert abs(fs[4](x, n) - 3 * x * x) < 1e-12
                try:
                    fs[3](x, -1 - k)
                except lj.errors.ArrayShapeError as e:
                    assert str(-1 - k) in str(e), e
                else:
                    raise AssertionError("no error")
    except BaseException as e:
        problems.append(repr(e))

threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
assert not problems, problems
"""


def test_threads(tmp_path: Path) -> None:
    survives(tmp_path, THREADS, timeout=120, LANTERN_STACK_GIB="1")


def test_memory_does_not_grow(tmp_path: Path) -> None:
    survives(
        tmp_path,
        """
        def squares(x, n):
            out = np.zeros(n)
            for i in range(n):
                out[i] = x * i
            return out, out.copy()

        def fails(x, n):
            out, _ = squares(x, n)
            return out[n]

        gradient = lambda a: lj.grad(lambda v: v[0] * v[len(v) - 1])(a)
        arrays, failing, differentiated = lj.jit(squares), lj.jit(fails), lj.jit(gradient)
        big = np.ones(50_000)

        def round(k):
            for n in (50, 50_000):
                for _ in range(k):
                    a, b = arrays(2.0, n)
                    assert a[n - 1] == b[n - 1] == 2.0 * (n - 1)
                    differentiated(big[:n])
                    try:
                        failing(2.0, n)
                    except IndexError:
                        continue
                    raise SystemExit("no error")

        round(100)
        before = resident()
        round(1000)  # 2,000 calls of each; without freeing, 400 MB a kind
        assert resident() - before < 24e6, (resident() - before) / 1e6
        """,
        LANTERN_STACK_GIB="1",
    )


DEEP = """  # of the stack and of the tape 64 MiB each are kept
f = lj.jit(lj.grad(geometric))
f(0.5, 10)
before = resident()
f(0.5, DEPTH)
assert resident() - before < 140e6, (resident() - before) / 1e6
"""


def test_memory_comes_back_after_a_deep_call(tmp_path: Path) -> None:
    survives(tmp_path, DEEP.replace("DEPTH", "5_000_000"), LANTERN_STACK_GIB="1")


def test_memory_comes_back_after_a_call_deeper_than_half_of_the_region(tmp_path: Path) -> None:
    survives(tmp_path, DEEP.replace("DEPTH", "10_000_000"), LANTERN_STACK_GIB="1")


def test_deep_calls_in_a_row_keep_their_pages_and_give_them_back_later(tmp_path: Path) -> None:
    survives(
        tmp_path,
        """
        import resource, time
        f = lj.jit(lj.grad(geometric))
        f(0.5, 10)
        before = resident()
        f(0.5, 3_000_000)
        assert resident() - before < 100e6, (resident() - before) / 1e6
        f(0.5, 3_000_000)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        f(0.5, 3_000_000)
        more = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        time.sleep(2.5)
        f(0.5, 10)  # short, and yet the region is looked at
        print(more)
        assert more < 200, more
        assert resident() - before < 100e6, (resident() - before) / 1e6
        """,
        LANTERN_STACK_GIB="1",
    )
