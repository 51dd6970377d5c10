"""The list of passes, and what happens between them: printing, verifying, measuring."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import pipeline
from lantern_jit.command.cli import main
from lantern_jit.ir.core.graph import Let, Program, Var
from lantern_jit.ir.core.parse import parse
from lantern_jit.ir.core.text import show
from lantern_jit.ir.core.types import F64
from lantern_jit.ir.core.verify import verify
from lantern_jit.ir.passes.step import Local, Repeat, Then, Whole
from lantern_jit.pipeline import PASSES, PIPELINE

SINGLE = [name for name, one in PASSES.items() if not isinstance(one, Repeat)]
X = np.linspace(0.1, 0.9, 5)


def loss(x: Any) -> Any:
    y = np.sin(x)
    return np.sum(y * y)


def test_the_list() -> None:
    """As a newcomer reads it aloud."""
    spoken = [step.first.name if isinstance(step, Then) else step.name for step in PIPELINE]
    assert spoken == [
        "continuations",
        "operations",
        "protect",
        "forbid",
        "explicit",
        "simplify",
        "forward_only",
        "fuse",
        "simplify",
        "scalar_rules",
        "raise_loops",
        "contractions",
        "registers",
        "pieces",
        "guards",
        "jvp",
        "parts",
        "side_by_side",
        "inactive",
        "nans",
        "close",
    ]


@pytest.mark.parametrize("name", SINGLE)
def test_what_a_pass_says_of_itself_is_so(name: str) -> None:
    """The graph in its docstring becomes the one below it."""
    one = PASSES[name]
    assert isinstance(one, (Local, Whole))
    lines = inspect.cleandoc(one.change.__doc__ or "").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(("fn ", "the entry ")))
    before, after = "\n".join(lines[start:]).split("\n->\n")
    program = verify(parse(before))
    assert one.run(program)
    assert show(verify(program)).split() == after.split()


def test_a_pass_is_printed_after_it_has_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LANTERN_DUMP", "after:fuse, graph,after:forbid")
    lj.jit(loss).lower(X)
    said = capsys.readouterr().err
    assert said.startswith("# forbid finds nothing to do\n# after fuse\nfn loss(")
    fused, graph = said[said.index("fn loss(") :].split("fn loss(")[1:]
    assert fused.count(" kernel(") == 1
    assert verify(parse("fn loss(" + graph)).entry == "loss"


def test_no_such_stage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LANTERN_DUMP", "graph,after:fusion")
    known = r"there are graph, cps, lowered, llvm, and after:NAME for NAME in continuations, operations, protect, forbid, explicit, simplify, fold, .*, forward_only, fuse, scalar_rules, .*, guards, jvp, parts, side_by_side, inactive, nans, close$"
    with pytest.raises(ValueError, match=r"^LANTERN_DUMP: there is no stage 'after:fusion'; " + known):
        lj.jit(loss)(X)
    monkeypatch.delenv("LANTERN_DUMP")
    with pytest.raises(ValueError, match=r"^inspect: there is no stage 'after:fusion'; "):
        lj.jit(loss).inspect(X).after("fusion")
    assert main(["inspect", f"{__file__}:half", "1.0", "--stage", "after:fusion"]) == 2
    assert "--stage: there is no stage 'after:fusion'; there are graph, " in capsys.readouterr().err


def half(x: float) -> float:
    return x * 0.5 * 1.0


def test_a_look_between_passes(capsys: pytest.CaptureFixture[str]) -> None:
    found = lj.jit(loss).inspect(X)
    kernels = {name: found.after(name).count(" kernel(") for name in ("protect", "simplify", "fuse", "jvp")}
    assert kernels == {"protect": 3, "simplify": 1, "fuse": 1, "jvp": 1}  # each as it leaves the graph the last time
    assert found.after("close") == found.graph
    assert main(["inspect", f"{__file__}:half", "1.0", "--stage", "after:protect"]) == 0
    assert capsys.readouterr().out.count(" mul(") == 2
    assert main(["inspect", f"{__file__}:half", "1.0", "--stage", "after:fold"]) == 0
    assert capsys.readouterr().out.count(" mul(") == 1


def test_the_time_of_each_pass() -> None:
    timings = lj.jit(loss).inspect(X).timings
    assert {"trace", "all", *PASSES} <= {*timings}
    assert timings["simplify"] >= timings["fold"] + timings["share"] > 0
    assert timings["all"] > timings["trace"] + timings["simplify"] + timings["fuse"]


def test_what_a_pass_breaks_is_found_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    says = True

    def breaks(program: Program) -> bool:
        program.functions[program.entry].entry.lets.insert(0, Let((Var("new", F64),), "neg", (Var("nowhere", F64),)))
        return says

    monkeypatch.setattr(pipeline, "PIPELINE", (Whole("breaks", breaks),))
    monkeypatch.setenv("LANTERN_VERIFY", "1")
    for answer in (True, False):  # whether it says that it has changed something
        says = answer
        with pytest.raises(lj.errors.VerifyError, match="invariant 2"):
            lj.jit(half)(1.0)
    monkeypatch.delenv("LANTERN_VERIFY")
    with pytest.raises(KeyError):
        lj.jit(half)(1.0)


def test_rounds() -> None:
    """A function is left out of the rounds once none of the passes has changed it."""
    log: list[str] = []

    def once(f: Any) -> bool:
        log.append(f.name)
        return f.name == "g" and log.count("g") < 3

    program = parse("fn f() -> () {\nentry:\n  return\n}\nfn g() -> () {\nentry:\n  return\n}\n")
    Repeat("rounds", (Local("once", once),), (Local("last", lambda f: False),)).run(program)
    assert log == ["f", "g", "g", "g"]
