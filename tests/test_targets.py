"""The .ll files and the facts of a target that stand in them."""

from __future__ import annotations

import itertools
import re
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from lantern_jit.backends.llvm.build import cache
from lantern_jit.backends.llvm.build.compile import host_cpu, optimise, optimised_texts, parse, target_machine
from lantern_jit.backends.llvm.build.platforms import native_target
from lantern_jit.backends.llvm.runtime import layout, modules
from lantern_jit.backends.targets import AARCH64_LINUX, TARGETS, here
from lantern_jit.backends.targets.target import Target

FILES = {path.name: path.read_text(encoding="utf-8") for path in Path(modules.__file__).parent.glob("*.ll")}


def all_helpers(target: Target) -> str:
    names = [name for name in modules.functions_of(FILES["support.ll"]) if name.startswith("lantern.")]
    return modules.helpers(target, " ".join(f"@{name}(" for name in names), -(1 << 30))


TEXTS: dict[str, tuple[set[str], Callable[[Target], str]]] = {
    "support": ({"support.ll"}, all_helpers),
    "shared": ({"support.ll"}, lambda target: modules.shared(target, -(1 << 30))),
    "library": ({"regions.ll"}, lambda target: modules.regions(target, 30, hidden=True)),
    "process": ({"regions.ll", "signals.ll", "threads.ll", "calls.ll"}, modules.process),
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
@pytest.mark.parametrize("name", TEXTS)
def test_llvm_reads_each_file_for_each_target(name: str, target: Target) -> None:
    files, make = TEXTS[name]
    text = make(target)
    assert "@{" not in text
    module = parse(f'target triple = "{target.triple}"\ntarget datalayout = "{target.data_layout}"\n{text}')
    defined = {f.name for f in module.functions if not f.is_declaration}
    clock = {target.ticks} if target.ticks in modules.functions_of(target.clock) and name not in ("support", "shared") else set()
    wanted = {f for file in files for f in modules.functions_of(FILES[file])}
    if name == "shared":
        exported = {f.name for f in module.functions if not f.is_declaration and f.linkage == llvm.Linkage.external}
        assert exported == set(modules.called(target))
        assert defined <= wanted
    else:
        assert defined - clock == wanted


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_a_program_of_a_process_declares_what_is_called(target: Target) -> None:
    names = modules.called(target)
    assert {"lantern.fail", "lantern.alloc", "lantern.new_block"} <= set(names)
    text = modules.helpers(target, " ".join(f"@{name}(" for name in names), -(1 << 30), alone=False)
    module = parse(f'target triple = "{target.triple}"\ntarget datalayout = "{target.data_layout}"\n{text}')
    assert {f.name for f in module.functions if not f.is_declaration} == set()
    assert {f.name for f in module.functions} >= set(names)


def test_no_file_is_left_out() -> None:
    assert {path.name for path in cache.sources()} >= {*FILES, "linux.py", "x86_64_linux.py", "aarch64_linux.py"}
    assert set().union(*(files for files, _ in TEXTS.values())) == FILES.keys()


@pytest.mark.parametrize("file", FILES)
def test_each_function_says_what_it_does(file: str) -> None:
    lines = FILES[file].splitlines()
    assert [x for before, x in itertools.pairwise(lines) if x.startswith("define") and not before.startswith("; ")] == []


@pytest.mark.parametrize(("constants", "wrong"), [({"PAGE": 1}, "SIZE"), ({"PAGE": 1, "SIZE": 2, "OTHER": 3}, "OTHER")])
def test_a_constant_that_is_missing_or_left_over(constants: dict[str, int], wrong: str) -> None:
    with pytest.raises(KeyError, match=wrong):
        modules.filled("store i64 @{PAGE}, ptr @{SIZE}", constants)


def test_what_a_file_says_depends_on_the_target_alone() -> None:
    target = native_target()
    other = replace(target, memory=replace(target.memory, page=1 << 16), stack_pointer="sp", cache_line=128)
    assert "i64 65536, i32 0" in modules.regions(other)
    assert layout.arena_start(other) == 2 << 16
    text = all_helpers(other)
    assert '!{!"sp"}' in text
    assert "and i64 %bytes1, -128" in text
    assert modules.regions(target) == modules.regions(replace(target))


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_the_target_is_as_llvm_has_it(target: Target) -> None:
    for name, _ in target.cpus:
        machine = target_machine(target.cpu(name))
        assert (machine.triple, str(machine.target_data)) == (target.triple, target.data_layout)
    assert 8 * target.pointer_bytes == 64
    assert max(layout.CONTEXT.values()) + 8 <= target.memory.page


@pytest.mark.parametrize(
    ("function", "pairs"),
    [
        ("lantern_take", {"ldar", "ldaxr"}),
        ("lantern_give", {"stlr"}),
        ("lantern_new_block", {"ldaxr"}),
        ("lantern_drop_block", {"stlxr"}),
        ("lantern_watch", {"stlr"}),
        ("lantern_on_signal", {"ldar"}),
        ("lantern_parallel", {"stlr"}),
        ("lantern_worker", {"stlr"}),
    ],
)
def test_what_threads_hand_over_is_ordered(function: str, pairs: set[str]) -> None:
    """Where a CPU may reorder memory, one side releases and the other acquires; a plain store or exchange would do on x86-64."""
    text = re.sub("^module asm .*", "", modules.process(AARCH64_LINUX), flags=re.MULTILINE)  # which LLVM reads for its own machine alone
    assembly = optimised_texts(text, AARCH64_LINUX.cpu())[1]
    body = assembly.split(f"\n{function}:")[1].split(".cfi_endproc")[0]
    assert pairs <= {line.split()[0] for line in body.splitlines() if line.strip()}


def test_this_machine_is_one_of_them() -> None:
    assert native_target() is here()
    assert native_target().memory.page % resource.getpagesize() == 0
    assert host_cpu().target is native_target()


LOOP = """define void @loop(ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %n, i64 %m) {
entry:
  br label %body
body:
  %i = phi i64 [0, %entry], [%j, %body]
  %k = mul i64 %i, %m
  %pa = getelementptr double, ptr %a, i64 %k
  %pb = getelementptr double, ptr %b, i64 %i
  %pc = getelementptr float, ptr %c, i64 %i
  %x = load double, ptr %pa
  %y = load double, ptr %pb
  %f = load float, ptr %pc
  %w = fpext float %f to double
  %z = fdiv double %x, %y
  %s = fadd double %z, %w
  store double %s, ptr %pb
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %n
  br i1 %more, label %body, label %done
done:
  ret void
}
"""


SIDE_BY_SIDE = "".join(f"  %v{i + 1} = fadd <4 x double> %v{i}, %v{i}\n" for i in range(16))  # tangents, say, which a pass has put there
WIDE = LOOP.replace("  %j =", "  %v0 = load <4 x double>, ptr %pa\n" + SIDE_BY_SIDE + "  store <4 x double> %v16, ptr %pa\n  %j =")


def assembled(target: Target, option: str, text: str) -> str:
    """The loop as LLVM compiles it with an option of the process."""
    machine, module = target_machine(target.cpu()), parse(text)
    llvm.set_option("test", option)
    try:
        optimise(module, machine, [], False)
        return str(machine.emit_assembly(module))
    finally:
        llvm.set_option("test", "-disable-lsr=false")


@pytest.mark.parametrize("text", [LOOP, WIDE], ids=["scalars", "vectors"])
@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_loops_are_reduced_where_it_pays_and_nothing_of_it_is_left(target: Target, text: str) -> None:
    usual, without = assembled(target, "-disable-lsr=false", text), assembled(target, "-disable-lsr=true", text)
    assert usual != without
    assert optimised_texts(text, target.cpu())[1] == (usual if target.features.strength_reduction or text == WIDE else without)
    assert assembled(target, "-enable-lsr-phielim=true", text) == usual  # as other libraries that have LLVM in this process find it
