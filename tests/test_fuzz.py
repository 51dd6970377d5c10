"""Random Python programs, compiled and differentiated: see tests/fuzz. The long run is `python -m tests.fuzz`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lantern_jit.ir.core.graph import Function
from lantern_jit.ir.passes.step import Local

from .fuzz import combined, graphs, operations, passes, shifts
from .fuzz.arrays import ARRAYS
from .fuzz.check import check
from .fuzz.effects import EFFECTS
from .fuzz.expressions import seeded
from .fuzz.generate import program
from .fuzz.programs import PROGRAMS
from .fuzz.returns import RETURNS
from .fuzz.shrink import shrink
from .fuzz.worker import Worker
from .support import first

GROUPS, EACH = 20, 4
LONG = "derivative_of_a_derivative_with_arrays"  # to compile


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(seconds=6)
    yield worker
    worker.close()


@pytest.mark.parametrize("group", first(3, range(GROUPS)))
def test_programs_with_fixed_seeds(group: int, worker: Worker) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(group * EACH, group * EACH + EACH):
        source = program(seeded(seed), single=seed % 10 == 9)
        outcome = worker.check(source, quick=True)
        kinds[outcome.kind] += 1
        if outcome.failed:
            pytest.fail(f"program {seed}: {outcome}\n{shrink(source, worker.check, 100)}")
    assert kinds["ok"] >= EACH // 2, f"most programs should say something: {kinds}"


@settings(max_examples=8, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_programs_of_hypothesis(worker: Worker, data: st.DataObject) -> None:
    source = program(lambda n: data.draw(st.integers(0, n - 1)))
    outcome = worker.check(source, quick=True)
    assert not outcome.failed, f"{outcome}\n{source}"


@pytest.mark.parametrize("name", first(len(PROGRAMS) + len(ARRAYS) - 1, sorted([*PROGRAMS, *ARRAYS], key=lambda n: n == LONG)))
def test_programs_by_hand(name: str) -> None:
    outcome = check({**PROGRAMS, **ARRAYS}[name])
    assert outcome.kind == "ok", outcome


@pytest.mark.parametrize("name", [*EFFECTS, *RETURNS])
def test_effects_are_right_or_refused(name: str) -> None:
    outcome = check({**EFFECTS, **RETURNS}[name])
    assert outcome.kind in ("ok", "refused"), outcome


@pytest.mark.parametrize("seed", first(4, range(300, 310)))
def test_each_pass_alone(seed: int) -> None:
    found = passes.check(program(seeded(seed), single=seed % 10 == 9))
    assert not isinstance(found, str), found
    assert found, "some pass should have changed something"


@pytest.mark.parametrize("group", first(1, range(4)))
def test_each_pass_alone_on_random_graphs(group: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(20 * group, 20 * group + 20):
        found = graphs.check(seed)
        assert not isinstance(found, str), found
        counts += found
    assert counts.keys() >= {"share", "fuse", "fresh", "dead", "bounds", "blocks", "protect", "raise_loops"}


@pytest.mark.parametrize("seed", first(2, range(1000, 1005)))
def test_programs_that_shift(seed: int) -> None:
    found = shifts.check(seed)
    assert not isinstance(found, str), f"{found}\n{shifts.text(seed)}"
    assert found["ok"] + found["discarded"] == len(shifts.POINTS), found


@pytest.mark.parametrize("seed", first(2, range(2000, 2004)))
def test_programs_of_combinators(seed: int) -> None:
    found = combined.check(seed)
    assert not isinstance(found, str), f"{found}\n{combined.text(seed)}"
    assert found["ok"] + found["discarded"] == len(combined.POINTS), found


@pytest.mark.parametrize("seed", first(1, range(1000, 1003)))
def test_programs_of_operations(seed: int) -> None:
    found = operations.check(seed)
    assert not isinstance(found, str), f"{found}\n{operations.text(seed)}"
    assert found["ok"] + found["discarded"] == len(operations.POINTS), found


def swapped(f: Function) -> bool:
    """A pass that is wrong."""
    lets = [let for b in f.blocks.values() for let in b.lets if let.op == "sub"]
    for let in lets:
        let.args = let.args[::-1]
    return bool(lets)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swapped, r"swapped: .* is .* afterwards, at "),
        (lambda f: swapped(f) and False, "swapped changes the graph and does not say so"),
        (lambda f: bool([b.lets.clear() for b in f.blocks.values()]), "swapped: invariant 2 in `f`"),
    ],
)
def test_a_pass_that_is_wrong_is_found(change: Callable[[Function], bool], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PIPELINE", (Local("swapped", change),))
    found = passes.check("import numpy as np\n\n\ndef f(x):\n    return np.sin(x) - x * 2.0\n\n\nARGS = (0.5,)\n")
    assert isinstance(found, str)
    assert re.match(message, found), found


def test_the_check_finds_what_is_wrong() -> None:
    """A program that computes something else when it is traced fails the check."""
    text = "import lantern_jit as lj\n\n\ndef f(x):\n    return x * (1.0 if isinstance(x, float) else 2.0)\n\n\nARGS = (0.5,)\n"
    assert check(text).kind == "ok"
    outcome = check(text.replace("isinstance(x, float)", "'float' in object.__repr__(x)"))
    assert (outcome.kind, outcome.where) == ("wrong", "value")
