"""Code for machines of another kind: as assembly, and as libraries, which an emulator runs where there is one."""

from __future__ import annotations

import math
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.backends.llvm.build.compile import optimised_texts
from lantern_jit.backends.llvm.build.platforms import native_target
from lantern_jit.backends.targets import TARGETS, named
from lantern_jit.backends.targets.target import Target

OTHERS = [t for t in TARGETS if t is not native_target()]
ARITHMETIC = {"x86-64": "mulsd", "x86-64-v3": "vmulsd", "x86-64-v4": "vmulsd", "generic": "fmul", "neoverse-v1": "fmul", "apple-m1": "fmul"}


@pytest.mark.parametrize("cpu", ARITHMETIC)
def test_assembly_for_another_cpu(cpu: str) -> None:
    f = lj.jit(lambda x: x * x + 1.0)
    found, here = f.inspect(3.0, target=cpu), f.inspect(3.0)
    assert ARITHMETIC[cpu] in found.asm
    assert (found.graph, found.cps) == (here.graph, here.cps)
    assert f(3.0) == 10.0


def test_each_cpu_has_its_own_vectors() -> None:
    """Sixteen lanes of float32 for AVX-512, four for NEON."""
    f, x = lj.jit(lambda x: np.exp(x)), np.ones(9, np.float32)
    lanes = {cpu: ".f32.v16" in f.inspect(x, target=cpu).llvm for cpu in ("x86-64-v4", "x86-64-v3", "neoverse-v1")}
    assert lanes == {"x86-64-v4": True, "x86-64-v3": False, "neoverse-v1": False}
    assert "maths.exp.f32.v4" in f.inspect(x, target="neoverse-v1").asm


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_as_many_adjoints_come_back_in_registers_as_it_says(target: Target) -> None:
    """One float more goes through memory, or the stack of x87, unless the target has another convention for so many."""

    def stored(n: int, convention: str) -> bool:
        t = f"{{{', '.join(['double'] * n)}}}"
        lines = [f" %s{i} = insertvalue {t} {f'%s{i - 1}' if i else 'poison'}, double {i}.5, {i}" for i in range(n)]
        assembly = optimised_texts("\n".join([f"define {convention} {t} @f() {{", *lines, f" ret {t} %s{n - 1}", "}"]), target.cpu())[1]
        return any("[x8" in line or "(%rdi)" in line or "(%rax)" in line or "\tfld" in line for line in assembly.splitlines())

    assert [stored(target.floats_returned, ""), stored(target.floats_returned + 1, "")] == [False, True]
    if target.wide_convention:
        assert not stored(target.floats_returned + 1, target.wide_convention)


def test_nothing_comes_back_on_the_stack_of_x87() -> None:
    """Its floats may be loaded into registers that the instruction cannot name (LLVM 22, AVX-512)."""

    def numbers(n: int, x: float) -> Any:  # a call that is not written out
        if n == 0:
            return x, 2.0 * x, 3.0 * x, n
        a, b, c, _ = numbers(n - 1, x * 1.5)
        return b, c, a * x, n

    def sums(n: int, x: float) -> Any:
        a = np.arange(8.0) * x
        return np.sum(a * n) + np.sum(np.sin(a)) + np.sum(a * a) + np.sum(np.exp(a))

    for f in (lambda n, x: numbers(n, x)[0], lj.grad(lambda n, x: numbers(n, x)[0] * x, argnums=1), lj.grad(sums, 1)):
        found = lj.jit(f).inspect(3, 1.5, target="x86-64-v4")
        assert not re.search(r"\tf(ld|stp)", found.asm)
    assert lj.jit(lambda n, x: numbers(n, x)[:3])(3, 1.5) == numbers(3, 1.5)[:3]


@pytest.mark.parametrize("name", ["aarch64", "", "pentium"])
def test_names_that_nobody_has(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"there is no such target or CPU here, use one of x86_64-linux-gnu, aarch64-linux-gnu, x86-64, x86-64-v2"
    ):
        lj.jit(lambda x: x).inspect(1.0, target=name)


def test_an_interpreted_function_has_none() -> None:
    with pytest.raises(lj.errors.CompilationError, match="there is code for other targets of native code alone"):
        lj.jit(lambda x: x, backend="python").inspect(1.0, target="neoverse-v1")


# ---- libraries
def emulated(target: Target) -> list[str]:
    """The command before a program of another machine's."""
    if target is native_target() or platform.machine() in target.machines:
        return []
    machine = target.machines[0]
    emulator = shutil.which(f"qemu-{machine}-static") or shutil.which(f"qemu-{machine}")
    if emulator is None or shutil.which(target.linking.cross_compiler) is None:
        pytest.skip(f"there is no {target.linking.cross_compiler}, or no qemu-{machine}")
    return [emulator, "-L", f"/usr/{target.short_triple}"]


def program(a: Any, x: float) -> Any:
    s = 0.0
    for i in range(len(a)):
        s += math.sin(a[i] * x) * a[i]
    return s + np.sum(np.exp(a @ np.outer(a, a)))


def deep(n: int, x: float) -> float:
    return x if n <= 0 else deep(n - 1, x * 0.5) + 1.0


def built(folder: Path, name: str, compiler: str) -> Path:
    example = folder / f"{name}_example"
    command = [
        compiler,
        "-Wall",
        "-Wextra",
        "-Werror",
        f"{example}.c",
        "-o",
        str(example),
        f"-L{folder}",
        f"-l{name}",
        "-Wl,-rpath,$ORIGIN",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return example


@pytest.mark.parametrize("target", OTHERS, ids=lambda t: t.name)
def test_a_library_for_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    """Loops, mathematical functions, products without BLAS, and a stack of its own: the same numbers as here."""
    emulator = emulated(target)
    monkeypatch.setenv("LANTERN_BLAS", "-lnobody-has-this")
    a = np.linspace(-0.5, 0.75, 7)
    out = lj.export(lj.value_and_grad(program, (0, 1)), [a, 1.5], "program", tmp_path, target=target.short_triple)
    value, (slopes, slope) = lj.value_and_grad(program, (0, 1))(a, 1.5)
    assert target.linking.cross_compiler in out.example.read_text()
    example = built(tmp_path, "program", target.linking.cross_compiler)
    done = subprocess.run([*emulator, str(example)], capture_output=True, text=True, check=True)
    np.testing.assert_allclose([float(x) for x in done.stdout.split()], [value, *slopes, slope], rtol=1e-13)


@pytest.mark.parametrize("target", OTHERS, ids=lambda t: t.name)
@pytest.mark.parametrize(("depth", "message"), [(100_000, ""), (100_000_000, "the native stack of 256 MiB ended in `deep` after about")])
def test_a_recursion_on_another_machine(tmp_path: Path, target: Target, depth: int, message: str) -> None:
    emulator = emulated(target)
    lj.export(lj.grad(deep, 1), [3, 1.5], "deep", tmp_path, stack_mib=256, target=target.short_triple)
    source = tmp_path / "deep_example.c"
    source.write_text(source.read_text().replace("deep(3,", f"deep({depth},"))
    example = built(tmp_path, "deep", target.linking.cross_compiler)
    done = subprocess.run([*emulator, str(example)], capture_output=True, text=True, check=False)
    assert done.returncode == bool(message)
    assert message in done.stderr


def test_a_library_for_any_machine_of_this_kind(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    lj.export(lj.grad(program, 1), [np.ones(3), 1.5], "program", tmp_path, target=native_target().short_triple)
    done = subprocess.run([str(built(tmp_path, "program", "cc"))], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(lj.grad(program, 1)(np.ones(3), 1.5), rel=1e-13)


@pytest.mark.parametrize("target", OTHERS, ids=lambda t: t.name)
def test_without_a_cross_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(lj.errors.CompilationError, match=f"none was found: install {target.linking.cross_compiler}"):
        lj.export(lj.grad(deep, 1), [3, 1.5], "deep", tmp_path, target=target.short_triple)
    assert named(target.short_triple).target is target
