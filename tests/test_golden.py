"""Golden cases: tests/golden/<pass>/NAME.txt has a graph, a line `->`, and the graph as the pass leaves it; its first line says what
there is to learn from it. `pytest --update-golden` writes the second part anew. In `cps` the second part is the closures."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from lantern_jit.backends.python.forward import Ref
from lantern_jit.ir.core.graph import Closed, Program
from lantern_jit.ir.core.parse import parse
from lantern_jit.ir.core.text import show
from lantern_jit.ir.core.verify import verify
from lantern_jit.ir.diff.close import closed
from lantern_jit.ir.diff.cps import show_closures, to_closures
from lantern_jit.ir.diff.loops.policies import choose, plan_loops
from lantern_jit.ir.diff.reverse import Reverses
from lantern_jit.ir.lower.lower import as_program, lower
from lantern_jit.pipeline import PASSES

from .between import arguments, outcome, same
from .continuing import Continuing

pytestmark = pytest.mark.every

FOLDER = Path(__file__).parent / "golden"
CASES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.txt"))
RUNS = 20


def parts(name: str) -> tuple[str, str, str]:
    """(what it teaches, before, after)"""
    lines = (FOLDER / name).read_text().splitlines()
    at = lines.index("->")
    return lines[0], "\n".join(lines[1:at]) + "\n", "\n".join(lines[at + 1 :]) + "\n"


def closures(program: Program) -> str:
    """The reverse function of the entry in all its parameters, and how its loops keep what they compute."""
    f = program.functions[program.entry]
    rev = Reverses(program).get(f.name, [True] * len(f.params))
    found = to_closures(rev)
    plans = plan_loops(f, rev.activity)
    policies = [f"  -- {head}: {choose(plans.get(head), None)}" for head in found.loops]
    return show_closures(found) + "".join(f"{line}\n" for line in policies)


def continued(program: Program, calls: list[list[object]]) -> list[list[object]]:
    """What a graph with shifts or operations gives as it stands."""
    given = [[Ref(x.copy()) if isinstance(x, np.ndarray) else x for x in args] for args in calls]
    found = [Continuing(program).call(program.entry, args) for args in given]
    return [[x.value if isinstance(x, Ref) else x for x in results] for results in found]


def changed(name: str, before: str) -> str:
    program = verify(parse(before))
    folder = name.split("/")[0]
    if folder == "cps":
        return closures(program)
    if folder == "lowered":
        program = closed(program)
        return show(verify(as_program(program, lower(program))))
    text = show(program)
    did = PASSES[folder].run(program)
    after = show(verify(program))
    assert did == (after != text), "a pass says whether it has changed anything"
    return after


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, request: pytest.FixtureRequest) -> None:
    lesson, before, after = parts(name)
    found = "\n".join(line.rstrip() for line in changed(name, before).splitlines()) + "\n"
    if request.config.getoption("--update-golden"):
        (FOLDER / name).write_text(f"{lesson}\n{before}->\n{found}")
    else:
        assert found == after
    assert lesson.startswith("# ")


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("cps/")])
def test_both_forms_compute_the_same(name: str) -> None:
    _, before, after = parts(name)
    one, other = parse(before), parse(after)
    if name.startswith("lowered/"):
        other.functions = Closed(other.functions)
    other_order = name.startswith("lowered/") or ("'sum'" in before and "gemm(" in after)
    rtol = 1e-9 if "pushforward(" in before or other_order else 0.0  # reverse mode, other zeros
    rng = random.Random(name)
    calls = [arguments(one, rng) for _ in range(RUNS)]
    if "  shift " in before or " operation(" in before:
        assert "pullback(" in before or same(continued(one, calls), [outcome(other, args)[0] for args in calls])
        return
    for args in calls:
        assert same(outcome(one, args), outcome(other, args), rtol), args


def test_each_pass_has_cases() -> None:
    few = ("simplify", "squares", "updates", "forbid")
    counts = {name: len(list((FOLDER / name).glob("*.txt"))) for name in (*PASSES, "cps", "lowered")}
    assert not [name for name, n in counts.items() if n < (4 if name in few else 8)]
