"""Machines without native code: calls work by the interpreter, with one warning, and the rest says what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .processes import start

MACHINES = """
import platform
platform.machine, platform.system, sys.platform = (lambda: MACHINE), (lambda: SYSTEM), PLATFORM
"""
PRELUDE = """
import ctypes, json, warnings
import numpy as np
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import lantern_jit as lj

    @lj.jit
    def f(x): return x * x

    g = lj.jit(lj.grad(f))
told = [[w.category.__name__, str(w.message), w.filename == __file__] for w in caught]
class Model:
    scale = 3.0
    def __init__(self): self.scale = 4.0
    @lj.jit
    def times(self, x): return 2.0 * x
def module_level(x, n=2):
    for _ in range(n): x = x + np.sum(np.exp(np.array([x, 0.0])))
    return x
"""


def elsewhere(tmp_path: Path, text: str, machine: str = "arm64", system: str = "Darwin", sys_platform: str = "darwin") -> Any:
    machines = MACHINES.replace("MACHINE", repr(machine)).replace("SYSTEM", repr(system)).replace("PLATFORM", repr(sys_platform))
    return printed(tmp_path, machines + PRELUDE + text)


def printed(tmp_path: Path, text: str) -> Any:
    return start("import sys\n" + text, tmp_path / "elsewhere.py", fresh=True, LANTERN_CACHE_DIR="").result()


@pytest.mark.parametrize(
    ("machine", "system", "sys_platform"), [("arm64", "Darwin", "darwin"), ("AMD64", "Windows", "win32"), ("riscv64", "Linux", "linux")]
)
def test_calls_are_interpreted_with_one_warning(tmp_path: Path, machine: str, system: str, sys_platform: str) -> None:
    values, told = elsewhere(
        tmp_path,
        """
h = lj.jit(module_level)
a = lj.jit(lambda xs, d: {"sum": np.sum(xs) * d["k"], "all": (xs * 2.0, True)})(np.arange(3.0), {"k": 2.0})
static = lj.jit(lambda x, n: x ** n, static_argnums=1)
p = lj.value_and_grad(h)(1.0)
print(json.dumps([[f(3.0), g(3.0), f(x=4.0), f(2), h(1.0, 0), h(1.0, n=0), p[0] == h(1.0), float(a["sum"]), a["all"][0].tolist(), a["all"][1],
                   static(2.0, 3), lj.jit(lj.grad(lj.grad(lambda x: x ** 3)))(2.0)], told]))
""",
        machine,
        system,
        sys_platform,
    )
    assert values == [9.0, 6.0, 16.0, 4, 1.0, 1.0, True, 6.0, [0.0, 2.0, 4.0], True, 8.0, 12.0]
    text = f"native code needs x86-64 Linux or AArch64 Linux and CPython; this is {system} on {machine}, cpython. "
    assert told == [["PlatformWarning", text + "Jitted functions run on the interpreter here, with the same results, slowly", True]]


def test_faults_methods_and_pickles(tmp_path: Path) -> None:
    found = elsewhere(
        tmp_path,
        """
import pickle
def failing(x):
    assert x > 0.0, "positive"
    return x
try: lj.jit(failing)(-1.0)
except AssertionError as e: fault = "positive" in str(e)
again = pickle.loads(pickle.dumps(lj.jit(module_level)))
bound = Model.times.__get__(2.0)
print(json.dumps([fault, again(1.0, 0), bound(4.0), repr(f), f.__name__]))
""",
    )
    assert found == [True, 1.0, 8.0, "<lantern_jit.jit of f>", "f"]


def test_what_is_missing_says_so(tmp_path: Path) -> None:
    found = elsewhere(
        tmp_path,
        """
out = []
for ask in (lambda: f.ctypes, lambda: f.address, lambda: lj.export(f, ["f64"], "f"), lambda: f.inspect(1.0).llvm, lambda: f.inspect(1.0).memory):
    try: ask()
    except lj.errors.CompilationError as e: out.append(str(e))
print(json.dumps([out, f(3.0), f.lower(2.0).run([2.0]), "mul" in f.inspect(1.0).graph, "mul" in f.inspect(1.0).after("simplify"), len(f.specialisations)]))
""",
    )
    text = "native code needs x86-64 Linux or AArch64 Linux and CPython; this is Darwin on arm64, cpython: calls work, by the interpreter; ctypes, address and export do not"
    missing = [
        "there is no stage 'llvm' here, where there are graph",
        "memory is measured of native code alone: use a function that is compiled to it",
    ]
    assert found == [[text] * 3 + missing, 9.0, 4.0, True, True, 1]


def test_where_llvm_does_not_load(tmp_path: Path) -> None:
    values, told = printed(
        tmp_path, "sys.modules['llvmlite'] = None" + PRELUDE + "print(json.dumps([[f(3.0), g(3.0), lj.grad(f)(3.0)], told]))"
    )
    assert values == [9.0, 6.0, 6.0]
    ((kind, text, here),) = told
    assert kind == "PlatformWarning"
    assert here
    assert text.startswith("native code needs llvmlite, which is not installed")


def test_a_broken_llvmlite_is_named(tmp_path: Path) -> None:
    package = tmp_path / "broken" / "llvmlite"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "binding.py").write_text("raise OSError('libllvmlite.so: file too short')")
    found = printed(
        tmp_path,
        f"sys.path.insert(0, {str(package.parent)!r})"
        """
import json
import lantern_jit as lj
try: lj.jit(lambda x: x)
except lj.errors.CompilationError as e: print(json.dumps(str(e)))
""",
    )
    assert found == (
        "llvmlite is installed, but does not load (libllvmlite.so: file too short): install it anew, or remove it, and calls run on the interpreter"
    )


def test_importing_does_not_load_llvm(tmp_path: Path) -> None:
    text = "\nimport json, lantern_jit\nprint(json.dumps([m for m in sys.modules if m.startswith(('llvmlite', 'scipy'))]))"
    assert printed(tmp_path, text) == []


def test_what_is_seldom_used_is_loaded_when_it_is_first_used(tmp_path: Path) -> None:
    text = """
import json, lantern_jit as lj, numpy as np
from lantern_jit.ir.numpy.registry import LATE
late = {f"lantern_jit.ir.numpy.{m}" for found in LATE.values() for m in found}
before = sorted(late & set(sys.modules))
value = lj.jit(lambda x: np.abs(np.fft.fft(x)))(np.array([1.0, 2.0, 4.0]))[0].round(9)
print(json.dumps([before, "lantern_jit.ir.numpy.fft.functions" in late & set(sys.modules), value]))
"""
    assert printed(tmp_path, text) == [[], True, 7.0]
