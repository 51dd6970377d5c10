"""Random programs about rows; more by `python -m tests.fuzz.rows FIRST LAST`."""

import pytest

from .fuzz.rows import run


@pytest.mark.parametrize("seed", range(5))
def test_random_program(seed: int) -> None:
    run(seed)
