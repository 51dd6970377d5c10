"""Calls leave nothing behind: no memory, no Python objects, no references. Each program runs in a process of its own."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

from .processes import start

MIB = 2**20

PRELUDE = """
import gc, json, math, os, sys, tracemalloc
import numpy as np
import lantern_jit as lj

def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def growth(run, times, before=None):
    # bytes of the process and blocks of Python's allocator that `times` calls leave, after a warm-up
    run(before or max(times // 20, 50))
    gc.collect()
    blocks, size = sys.getallocatedblocks(), resident()
    run(times)
    gc.collect()
    return [resident() - size, sys.getallocatedblocks() - blocks]

def filled(x, n):
    out = np.zeros(n)
    for i in range(n):
        out[i] = x * i
    return out
"""


def program(tmp_path: Path, text: str, **environment: str) -> Any:
    environment = {"LANTERN_CACHE_DIR": os.environ["LANTERN_CACHE_DIR"], **environment}
    return start(PRELUDE + textwrap.dedent(text), tmp_path / "program.py", **environment).result()


def test_the_measure_measures(tmp_path: Path) -> None:
    """What these tests look for would be seen: 4 MiB kept, 1,000 objects kept."""
    found = program(
        tmp_path,
        """
        kept = []
        def big(n):
            for _ in range(n):
                kept.append(np.ones(2**17))
        def small(n):
            kept.extend([float(k)] for k in range(n))
        print(json.dumps([growth(big, 4, 1), growth(small, 1000)]))
        """,
    )
    assert found[0][0] > 3.9 * MIB
    assert found[1][1] > 1990


def test_a_million_calls(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        """
        f, g = lj.jit(lambda x: x * 2.0 + 1.0), lj.jit(lj.grad(lambda x, n: x**n))
        def run(n):
            for _ in range(n):
                f(1.5)
        def gradients(n):
            for _ in range(n):
                g(1.5, 3)
        print(json.dumps([growth(run, 1_000_000), growth(gradients, 100_000), f(1.5), g(2.0, 3)]))
        """,
    )
    for grown, blocks in found[:2]:
        assert grown < 2 * MIB
        assert blocks < 20
    assert found[2:] == [4.0, 12.0]


def test_results(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        """
        f = lj.jit(filled)
        def small(n):
            for _ in range(n):
                f(2.0, 8)
        def large(n):
            for _ in range(n):
                f(2.0, 2**17)
        def of_changing_sizes(n):
            for k in range(n):
                f(2.0, 4000 + 37 * (k % 400))
        out = {"small": growth(small, 200_000), "large": growth(large, 2000), "of changing sizes": growth(of_changing_sizes, 5000)}
        kept = [f(1.0, 2**17) for _ in range(20)]
        del kept
        out["kept and given back"] = growth(large, 500)
        print(json.dumps(out))
        """,
    )
    for name, (grown, blocks) in found.items():
        assert grown < 2 * MIB * (4 if "changing" in name else 1), name  # malloc's fragments
        assert blocks < 20, name


def test_results_of_all_structures(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        """
        from typing import NamedTuple
        from dataclasses import dataclass
        class Pair(NamedTuple):
            a: object
            b: object
        @dataclass
        class Body:
            x: object
            v: object
        fs = {
            "tuple": lambda x: (x, (x > 1, 3, np.float32(2) * x), ()),
            "list": lambda x: [x, [x, None]],
            "dict": lambda x: {"a": x, "b": {"c": "text", 3: x}},
            "namedtuple": lambda x: Pair(x, Pair(None, [x])),
            "dataclass": lambda x: Body(x, (filled(x, 3), "text")),
            "arrays": lambda x: (filled(x, 3), filled(x, 0), {"k": filled(x, 4)}),
            "nothing": lambda x: None,
        }
        out = {}
        for name, f in fs.items():
            g = lj.jit(f)
            def run(n):
                for _ in range(n):
                    g(1.5)
            out[name] = growth(run, 4000)
        print(json.dumps(out))
        """,
    )
    for name, (grown, blocks) in found.items():
        assert grown < 2 * MIB, name
        assert blocks < 20, name


def test_arguments_of_all_forms(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        """
        f, a = lj.jit(lambda x, **k: 1.0), np.arange(2000.0).reshape(40, 50)
        calls = {
            "containers": lambda: f({"a": 1.0, "b": [2.0, (3, None)]}),
            "keywords": lambda: f(1.0, y=2.0, z=a),
            "strided": lambda: f(a[::2, ::3]),
            "Fortran": lambda: f(np.asfortranarray(a)),
            "big-endian": lambda: f(a.astype(">f8")),
            "read-only": lambda: f(np.broadcast_to(a[0], (3, 50))),
            "scalars": lambda: f(np.int32(3)),
            "zero-dimensional": lambda: f(np.array(2.0)),
            "large ints": lambda: f(2**62),
        }
        static = lj.jit(lambda x, s: x, static_argnums=1)
        calls["static"] = lambda: static(1.0, "text")
        out = {}
        for name, call in calls.items():
            def run(n):
                for _ in range(n):
                    call()
            out[name] = growth(run, 3000)
        print(json.dumps(out))
        """,
    )
    for name, (grown, blocks) in found.items():
        assert grown < 2 * MIB, name
        assert blocks < 500, name  # one call in ten, and none of them in the long run


def test_exceptions(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        """
        class Own(Exception):
            pass
        def checked(a, i, x):
            out = filled(x, 100)
            if x < 0:
                raise Own("negative", 3)
            return out[1] + a[i]
        f, a = lj.jit(checked), np.ones(3)
        def failing(*args):
            def run(n):
                for _ in range(n):
                    try:
                        f(*args)
                    except (IndexError, Own):
                        continue
                    raise SystemExit("no error")
            return run
        def refused(n):
            for _ in range(n):
                for args in (("text", 1, 1.0), (a, 2**70, 1.0), (a, 1)):
                    try:
                        f(*args)
                    except (TypeError, OverflowError):
                        continue
                    raise SystemExit("no error")
        large = lj.jit(lambda x, n: filled(x, n)[n])
        def with_large_arrays(n):
            for _ in range(n):
                try:
                    large(1.0, 2**17)
                except IndexError:
                    continue
        out = {"index": growth(failing(a, 7, 1.0), 100_000), "own": growth(failing(a, 1, -1.0), 30_000), "refused": growth(refused, 1000)}
        out["large"] = growth(with_large_arrays, 1000)
        print(json.dumps(out))
        """,
    )
    for name, (grown, blocks) in found.items():
        assert grown < 2 * MIB, name
        assert blocks < (20 if name != "refused" else 1000), name


def test_more_specialisations_than_native_entries(tmp_path: Path) -> None:
    """25 kinds of arguments take turns, so that each call finds its entry in the slow way."""
    found = program(
        tmp_path,
        """
        values = [2.0, 3, True, np.float32(2), np.float64(2.5)]
        pairs = [(x, y) for x in values for y in values]
        f = lj.jit(lambda x, y: x * y)
        def run(n):
            for _ in range(n):
                for x, y in pairs:
                    f(x, y)
        print(json.dumps(growth(run, 1600, before=800)))  # caches of the first calls are full then
        """,
    )
    grown, blocks = found
    assert grown < 2 * MIB
    assert blocks < 1000  # Python's own are some 80; one for each call would be 20,000


def test_functions_that_are_thrown_away(tmp_path: Path) -> None:
    """Code and what was known while tracing go with the function."""
    found = program(
        tmp_path,
        """
        def run(n):
            for k in range(n):
                assert lj.jit(lambda x: x * 2.0 + k % 3)(1.0) == 2.0 + k % 3
        print(json.dumps(growth(run, 100)))
        """,
    )
    grown, blocks = found
    assert grown < 8 * MIB
    assert blocks < 100 * 5


def test_tracemalloc_sees_nothing(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        """
        f, g, h = lj.jit(filled), lj.jit(lambda v: {"a": v["a"] * 2, "b": [None, v["b"]]}), lj.jit(lambda a: a[3])
        a = np.ones(3)
        def run(n):
            for k in range(n):
                f(2.0, 8)
                f(2.0, 10_000)
                g({"a": 1.0, "b": a})
                try:
                    h(a)
                except IndexError:
                    pass
        run(200)
        tracemalloc.start()
        run(200)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        run(3000)
        gc.collect()
        print(json.dumps(tracemalloc.get_traced_memory()[0] - before))
        """,
    )
    assert found < 50_000  # 16 bytes in each of the 3,000 rounds would be as much


def test_references(tmp_path: Path) -> None:
    """Arguments, statics and the singletons have as many references after many calls as before."""
    found = program(
        tmp_path,
        """
        x, n, text, a, big = 1234567.5, 123456789, "a text that nobody else has", np.ones(3), np.ones(50_000)
        inside, flags = [2.5, a], (np.bool_(True), np.float32(2), np.int64(7))
        f = lj.jit(lambda x, n, b, a, inside, flags, big: (x, n, b, None, x > 0, x < 0, a, text, {text: inside}, flags, [], (), big, 2.5))
        g, h = lj.jit(lambda a: a[3]), lj.jit(lambda x, s: (x, s, s), static_argnums=1)
        objects = {"None": None, "True": True, "False": False, "x": x, "n": n, "text": text, "a": a, "inside": inside, "big": big, "f": f, "g": g,
                   "flags": flags, "flag": flags[0], "number": flags[1], "IndexError": lj.errors.ArrayIndexError, "float64": np.float64,
                   "ndarray": np.ndarray, "dtype": np.dtype(float), "empty": ()}

        def run(times):
            for _ in range(times):
                f(x, n, True, a, inside, flags, big)
                f(x, n, False, a[::-1], inside=inside, flags=flags, big=big)
                h(x, text)
                try:
                    g(a)
                except IndexError:
                    pass
                try:
                    f(x, text, None, a, inside, flags, big)
                except lj.LanternError:
                    pass

        run(20)
        gc.collect()
        before = {k: sys.getrefcount(v) for k, v in objects.items()}
        run(500)
        gc.collect()
        print(json.dumps({k: sys.getrefcount(v) - before[k] for k, v in objects.items()}))
        """,
    )
    assert {k: v for k, v in found.items() if abs(v) > 100} == {}  # caches and the collector may move some


def test_a_result_outlives_its_function_and_dies_with_its_last_view(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        """
        import weakref
        f = lj.jit(filled)
        out = f(1.0, 2**20)
        alive, view = weakref.ref(out), out[10:20]
        del f, out
        gc.collect()
        kept = alive() is not None and view.tolist() == list(np.arange(10.0, 20.0))
        del view
        gone = alive() is None
        def run(n):
            for _ in range(n):
                lj.jit(filled)(1.0, 2**17)
        print(json.dumps([kept, gone, growth(run, 20)]))
        """,
    )
    assert found[:2] == [True, True]
    assert found[2][0] < 8 * MIB


def test_threads_that_come_and_go(tmp_path: Path) -> None:
    found = program(
        tmp_path,
        """
        import threading
        f = lj.jit(filled, nogil=True)
        f(1.0, 10)
        def run(n):
            for _ in range(n):
                threads = [threading.Thread(target=f, args=(1.0, 50_000)) for _ in range(4)]
                [t.start() for t in threads]
                [t.join() for t in threads]
        print(json.dumps(growth(run, 200)))
        """,
    )
    grown, blocks = found
    assert grown < 16 * MIB
    assert blocks < 100
