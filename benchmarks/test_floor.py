"""The C floor is right: its results are plain Python's, its gradients the central differences of its results."""

import pytest

from benchmarks import floor
from benchmarks.agreement import check_floor
from benchmarks.cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_floor_agrees_with_plain_python_and_central_differences(case: Case) -> None:
    """At the small size, as agreement.check_floor says."""
    try:
        c = floor.load()
    except floor.FloorMissingError as error:
        pytest.skip(str(error))
    check_floor(case, c)
