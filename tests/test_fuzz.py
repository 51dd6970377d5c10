"""Random Python programs, compiled and differentiated: see tests/fuzz. The long run is `python -m tests.fuzz`."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .fuzz.check import check
from .fuzz.expressions import seeded
from .fuzz.generate import program
from .fuzz.shrink import shrink

GROUPS, EACH = 20, 8


@pytest.mark.parametrize("group", range(GROUPS))
def test_programs_with_fixed_seeds(group: int) -> None:
    for seed in range(group * EACH, group * EACH + EACH):
        source = program(seeded(seed), single=seed % 10 == 9)
        outcome = check(source)
        if outcome.failed:
            pytest.fail(f"program {seed}: {outcome}\n{shrink(source, check, 100)}")


@settings(max_examples=40, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_programs_of_hypothesis(data: st.DataObject) -> None:
    source = program(lambda n: data.draw(st.integers(0, n - 1)))
    outcome = check(source)
    assert not outcome.failed, f"{outcome}\n{source}"


def test_most_programs_say_something() -> None:
    """The generator's programs run in plain Python; a broken one would test nothing."""
    texts = [program(seeded(seed)) for seed in range(100)]
    assert len(set(texts)) == len(texts)
    kinds = [check(text, seconds=5).kind for text in texts[:12]]
    assert kinds.count("ok") >= 8, kinds
