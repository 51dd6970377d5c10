"""What the back end makes of a program: operations as calls with continuations, loop policies, checks, packages."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.core.parse import parse

from .support import close

ROOT = Path(__file__).parent.parent
Function = Callable[..., Any]


def llvm_functions(text: str) -> dict[str, str]:
    """The body of each function defined in LLVM text, by name."""
    return {m[1]: m[2] for m in re.finditer(r"^define [^\n]*?@([\w.]+)\([^\n]*\{\n(.*?)^\}", text, re.S | re.M)}


def operation_calls(text: str) -> list[tuple[str, str]]:
    """(operation, continuation) of each call of an @op function."""
    return re.findall(r"call void @op\.(\w+)[\w.]*\([^)]*ptr (@[\w.]+|%\w+), ptr %frame\)", text)


# ---- operations in continuation-passing style
def straight(x: float, y: float) -> float:
    return math.sin(x) * y + x / y


def branch(x: float, y: float) -> float:
    if x > 0.0:
        return math.sin(x) * y
    return y


def power(x: float, n: int) -> float:
    if n == 0:
        return 1.0
    return x * power(x, n - 1)


def newton(a: float) -> float:
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


def inactive(x: float, y: float) -> float:
    return math.exp(y) * x + math.cos(y)


COUNTS: list[tuple[Function, Any, tuple[Any, ...], dict[str, int]]] = [
    (straight, (0, 1), (1.0, 2.0), {"sin": 1, "mul": 1, "div": 1, "add": 1}),
    (straight, 0, (1.0, 2.0), {"sin": 1, "mul": 1, "div": 1, "add": 1}),
    (straight, 1, (1.0, 2.0), {"mul": 1, "div": 1, "add": 1}),
    (branch, 0, (1.0, 2.0), {"sin": 1, "mul": 1}),
    (power, 0, (1.0, 2), {"mul": 1}),
    (newton, 0, (2.0,), {"div": 1, "add": 1, "mul": 1}),
    (inactive, 0, (1.0, 2.0), {"mul": 1, "add": 1}),
]


@pytest.mark.parametrize(("f", "argnums", "args", "expected"), COUNTS)
def test_each_operation_of_a_reverse_pass_takes_a_continuation(f: Function, argnums: Any, args: Any, expected: dict[str, int]) -> None:
    llvm = lj.jit(lj.grad(f, argnums), checkpoint="recursion").inspect(*args).llvm
    calls = operation_calls(llvm)
    assert len(calls) == llvm.count("call void @op.")
    found: dict[str, int] = {}
    for op, continuation in calls:
        found[op] = found.get(op, 0) + 1
        assert re.fullmatch(r"@r\.[\w.]+\.k\d+", continuation)
        assert f"define internal void {continuation}(ptr %frame" in llvm
    assert len({k for _, k in calls}) == len(calls)  # each has a continuation of its own
    assert found == expected


@pytest.mark.parametrize(("f", "argnums", "args", "expected"), COUNTS)
def test_an_operation_calls_its_continuation_once(f: Function, argnums: Any, args: Any, expected: dict[str, int]) -> None:
    llvm = lj.jit(lj.grad(f, argnums)).inspect(*args).llvm
    operations = {name: body for name, body in llvm_functions(llvm).items() if name.startswith("op.")}
    assert operations
    for body in operations.values():
        assert body.count("call void %k(ptr %frame)") == 1
    assert set(re.findall(r"define [^\n]*@op\.[\w.]+\([^\n]*\{", llvm)) == set(
        re.findall(r"define [^\n]*@op\.[^\n]*alwaysinline[^\n]*\{", llvm)
    )


@pytest.mark.parametrize("f", [straight, branch, newton, power])
def test_primal_code_has_no_continuations(f: Function) -> None:
    args = (2.0,) if f is newton else (2.0, 3)
    primal = lj.jit(f).inspect(*args).llvm
    assert "@op." not in primal
    assert "@r." not in primal
    assert "%k" not in primal
    both = llvm_functions(lj.jit(lambda *a: (f(*a), lj.grad(f)(*a))).inspect(*args).llvm)
    bodies = {name: body for name, body in both.items() if name.startswith("p.")}
    assert bodies
    for body in bodies.values():
        assert "@op." not in body
        assert "call void %k" not in body


def test_optimisation_collapses_the_chain() -> None:
    optimised = lj.jit(lj.grad(straight)).inspect(1.0, 2.0).llvm_optimized
    assert "@op." not in optimised
    assert not re.search(r"call [^\n]*@r\.", optimised)


# ---- loop policies
def lorenz(s: float, n: int) -> float:
    x, y, z = 1.0, 1.0, 1.0
    for _ in range(n):
        dx, dy, dz = s * (y - x), x * (28.0 - z) - y, x * y - 2.6 * z
        x, y, z = x + 0.001 * dx, y + 0.001 * dy, z + 0.001 * dz
    return x


def with_break(x: float, n: int) -> float:
    s = x
    for _ in range(n):
        s = s * x
        if s > 10:
            break
    return s


def newton_sine(a: float) -> float:
    x = a
    while abs(math.sin(x) - 0.3) > 1e-12:
        x = x - (math.sin(x) - 0.3) / math.cos(x)
    return x


def with_store(x: float, n: int) -> float:
    a = np.zeros(n)
    a[0] = x
    for i in range(1, n):
        a[i] = a[i - 1] * x
    return a[n - 1]


def nested(x: float, n: int) -> float:
    s = x
    for i in range(n):
        for _ in range(i):
            s = s * x * 0.5 + 1
    return s


def calls_inside(x: float, n: int) -> float:
    s = x
    for i in range(n):
        s = s + power(x, i)
    return s


R, P, C, T = "recursion", "replay", "chunks", "tape"
POLICIES: list[tuple[Function, tuple[Any, ...], dict[Any, list[str]]]] = [
    (lorenz, (10.0, 30), {None: [C], "recursion": [R], "replay": [P], 7: [C]}),
    (with_break, (1.1, 30), {None: [R], "recursion": [R], "replay": [R], 7: [R, R]}),
    (newton_sine, (1.0,), {None: [R], "recursion": [R], "replay": [P], 7: [P]}),
    (with_store, (0.9, 30), {None: [P], "recursion": [R], "replay": [P], 7: [R, P]}),
    (nested, (0.9, 9), {None: [R, C], "recursion": [R, R], "replay": [T, T], 7: [R, R, C]}),
    (calls_inside, (0.9, 9), {None: [T, T], "recursion": [R], "replay": [T, T], 7: [R, T, T]}),
]


@pytest.mark.parametrize(("f", "args", "expected"), POLICIES, ids=[p[0].__name__ for p in POLICIES])
def test_loop_policies(f: Function, args: tuple[Any, ...], expected: dict[Any, list[str]]) -> None:
    reference = lj.grad(f)(*args)
    for checkpoint, policies in expected.items():
        gradient = lj.jit(lj.grad(f), checkpoint=checkpoint)
        found = gradient.inspect(*args).policies
        assert list(found.values()) == policies, f"checkpoint={checkpoint!r}"
        assert all(f".{f.__name__}." in f".{k}" and ("loop" in k or v == T) for k, v in found.items() if "power" not in k)
        close(gradient(*args), reference, 1e-10, 1e-10, f"checkpoint={checkpoint!r}")


def test_a_primal_loop_has_no_policy() -> None:
    assert lj.jit(lorenz).inspect(10.0, 5).policies == {}


# ---- bounds and branches
def summed(a: Any, b: Any, n: int) -> float:
    s = 0.0
    for i in range(1, n):
        s = s + a[i] * a[i - 1] + b[0, i]
    return s


def summed_until(a: Any, n: int) -> float:
    s = 0.0
    for i in range(n):
        if s > 2:
            break
        s = s + a[i]
    return s


def letters(graph: str) -> list[str]:
    return sorted(re.findall(r"load\([^)]*\)(?: \{index='(\w+)'\})?", graph))


def test_checks_leave_counted_loops() -> None:
    graph = lj.jit(summed).inspect(np.ones(9), np.ones((2, 9)), 9).graph
    block = parse(graph).functions["summed"].blocks
    ranges = [let for b in block.values() for let in b.lets if let.op == "check_range"]
    assert sorted(let.attrs["axis"] for let in ranges) in ([0, 0, 0, 1], [0, 0, 1])
    body = next(b for name, b in block.items() if name.startswith("body"))
    assert not any(let.op == "check_range" for let in body.lets)
    assert letters(graph).count("u") >= 1
    assert "uu" in letters(graph)


def test_checks_stay_in_loops_that_break() -> None:
    graph = lj.jit(summed_until).inspect(np.ones(9), 9).graph
    assert "check_range" not in graph
    assert letters(graph) == ["p"]  # checked, and known not to be negative
    assert lj.jit(summed_until)(np.ones(3), 9) == 3.0  # leaves before the bad index


def test_an_empty_loop_checks_nothing() -> None:
    assert lj.jit(summed)(np.ones(0), np.ones((1, 0)), -5) == 0.0


def blocks(f: Function, *args: Any) -> int:
    program = parse(lj.jit(f).inspect(*args).graph)
    return len(program.functions[program.entry].blocks)


def cheap(x: float) -> float:
    y = -x
    if x > 0:
        y = abs(x) + 2
    return y * y


def dear(x: float) -> float:
    y = -x
    if x > 0:
        y = math.sin(x)
    return y * y


def guarded(a: Any, i: int) -> float:
    return a[i] if i < len(a) else 0.0


def test_cheap_branches_become_selects() -> None:
    assert blocks(cheap, 1.0) == 1
    assert "select(" in lj.jit(cheap).inspect(1.0).graph
    assert blocks(dear, 1.0) > 1
    assert blocks(guarded, np.ones(2), 0) > 1
    for x in (2.0, -2.0):
        assert lj.jit(cheap)(x) == cheap(x)
        assert lj.jit(lj.grad(cheap))(x) == lj.grad(cheap)(x)


# ---- stages and packages
def test_inspect_gives_every_stage() -> None:
    found = lj.jit(lj.grad(newton)).inspect(2.0)
    for stage, sign in {
        "graph": "pullback(",
        "cps": "reverse newton.x",
        "lowered": "%z: ptr, %k: code, %frame: ptr) -> () inline=always {",
        "llvm": "@op.",
        "llvm_optimized": "define",
        "asm": "\tret",
    }.items():
        assert sign in getattr(found, stage), stage
    assert found.timings["all"] > 0
    assert all(t >= 0 for t in found.timings.values())
    assert lj.jit(newton).inspect(2.0).graph.startswith("fn newton(")


def test_every_folder_is_in_the_package_list() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    listed = set(re.findall(r'"([\w.]+)"', re.search(r"^packages = \[(.*?)\]", text, re.S | re.M)[1]))  # type: ignore[index]
    tops = {"ir": "lantern_jit.ir", "backends": "lantern_jit.backends", "examples": "lantern_jit.examples", "lantern_jit": "lantern_jit"}
    found = set()
    for top, package in tops.items():
        for path in [ROOT / top, *(ROOT / top).rglob("*")]:
            if path.is_dir() and not path.is_symlink() and any(path.glob("*.py")) and "gallery" not in path.parts:  # scripts
                found.add(".".join([package, *path.relative_to(ROOT / top).parts]))
                assert (path / "__init__.py").exists()
    assert found == listed
    folders = dict(re.findall(r'^"([\w.]+)" = "([\w/]+)"$', text, re.M))
    assert all((ROOT / folders[p]).is_dir() for p in listed if p in folders)
