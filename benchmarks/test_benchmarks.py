"""The same cases under pytest-benchmark: `pytest benchmarks`, a group a program, C and lantern side by side.

A test fails if numbers disagree, never because of a time. C is called through ctypes here, about 1 us a call, which
matters for the tree alone; `python -m benchmarks` times C inside C.
"""

import ctypes
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import __main__ as program
from benchmarks import floor, report
from benchmarks.agreement import check_lantern, check_lantern_without_floor, gradient_size, require_close
from benchmarks.calls import CALL_CASES, LANTERN, C, CallCase, CallRow, c_contestant, lantern_contestant, measure_call
from benchmarks.cases import CASES, Case
from benchmarks.compile_time import CompileCase, compile_cases, compile_gradient, lantern_seconds, loader
from benchmarks.peers import Peer, available
from benchmarks.starts import measure_starts
from benchmarks.timing import QUICK

pytest.importorskip("pytest_benchmark")
lj = pytest.importorskip("lantern_jit")

case_parameter = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
call_parameter = pytest.mark.parametrize("case", CALL_CASES, ids=lambda case: case.symbol)


def c_floor() -> floor.Floor:
    """The C floor, or a skip that says why not."""
    try:
        return floor.load()
    except floor.FloorMissingError as error:
        pytest.skip(str(error))


@case_parameter
def test_c(case: Case, benchmark: Any) -> None:
    """The hand-written gradient."""
    benchmark.group = case.name
    arguments = case.full()
    inputs, out = floor.inputs_of(arguments), np.empty(gradient_size(case, arguments))
    function = c_floor().library[f"{case.symbol}_gradient"]
    benchmark(function, ctypes.byref(inputs), ctypes.c_void_p(out.ctypes.data))


@case_parameter
def test_lantern(case: Case, benchmark: Any) -> None:
    """Lantern's gradient, after a check against C, or against plain Python where there is no C."""
    benchmark.group = case.name
    arguments = case.full()
    primal = lj.jit(case.program)
    gradient: Callable[..., Any] = lj.jit(lj.grad(case.program, argnums=case.argnums))
    try:
        check_lantern(case, floor.load(), primal, gradient, case.small())
    except floor.FloorMissingError:
        check_lantern_without_floor(case, primal, gradient)
    benchmark(gradient, *arguments)


@pytest.mark.parametrize("case", compile_cases(quick=False), ids=lambda case: case.name)
def test_compile_time(case: CompileCase, benchmark: Any) -> None:
    """Trace and compile, after a check against central differences."""
    benchmark.group = f"compile {case.name}"
    with loader() as files:
        lantern_seconds(lj, replace(case, repeats=1), files)
        benchmark.pedantic(compile_gradient, setup=lambda: ((lj, files.load(case), case), {}), rounds=case.repeats, iterations=1)


@call_parameter
def test_call_c(case: CallCase, benchmark: Any) -> None:
    """One call of C through ctypes, after a check against lantern."""
    benchmark.group = f"call {case.name}"
    c, lantern = c_contestant(case, c_floor()), lantern_contestant(case, lj)
    require_close(f"{case.name}: C and lantern", c.numbers(), lantern.numbers(), 1e-10)
    benchmark(c.function, *c.arguments)


@call_parameter
def test_call_lantern(case: CallCase, benchmark: Any) -> None:
    """One call of lantern, after a check against plain Python."""
    benchmark.group = f"call {case.name}"
    lantern = lantern_contestant(case, lj)
    benchmark(lantern.function, *lantern.arguments)


@call_parameter
def test_a_call_gives_floats_and_new_arrays(case: CallCase) -> None:
    """So that the calls compared do the same."""
    native = lantern_contestant(case, lj).function
    if isinstance(case.argument, float):
        assert type(native(case.argument)) is float
        return
    (value, first), (_, second) = native(case.argument), native(case.argument)
    assert type(value) is float
    assert type(first) is np.ndarray
    assert not np.shares_memory(first, second)


@call_parameter
def test_everyone_gives_the_same_numbers(case: CallCase) -> None:
    """C and each peer that is installed: who does not is left out of the race, and a note says so."""
    peers = available()[0]
    row = measure_call(case, lj, c_floor(), peers, None, QUICK)
    assert row.agrees
    assert row.notes == []
    assert set(row.seconds) == {LANTERN, C} | {peer.name for peer in peers if peer.call(case.symbol)}


class WrongPeer:
    """A peer whose numbers are wrong."""

    name, version = "Wrong", "0"
    small_only: frozenset[str] = frozenset()

    def primal(self, case: Case, arguments: Any) -> None:
        """Nothing."""

    def gradient(self, case: Case, arguments: Any) -> None:
        """Nothing."""

    def call(self, symbol: str) -> Callable[[Any], Any]:
        """As many numbers as are wanted, all of them wrong."""
        return lambda x: 0.0 if isinstance(x, float) else (0.0, 0.0 * x)


@call_parameter
def test_wrong_numbers_are_not_timed(case: CallCase) -> None:
    """They become a note."""
    wrong: Peer = WrongPeer()
    row = measure_call(case, lj, None, [wrong], None, QUICK)
    assert set(row.seconds) == {LANTERN}
    assert row.notes == ["Wrong: DisagreementError: Wrong and lantern: relative difference 1.00e+00, allowed 1e-10"]


def test_marks_of_calls() -> None:
    """A call passes that is quick enough and no slower than the peer named; what was not timed is not held against it."""
    row = CallRow("call", 500e-9, ("Numba",), {LANTERN: 400e-9, "Numba": 800e-9})
    assert row.passed
    assert not replace(row, seconds={LANTERN: 400e-9, "Numba": 300e-9}).passed
    assert not replace(row, seconds={LANTERN: 600e-9, "Numba": 800e-9}).passed
    assert replace(row, seconds={LANTERN: 400e-9, C: 300e-9}).passed
    assert replace(row, asked=None).passed is None
    assert report.call_table([row], ["Numba"]).splitlines()[2].split() == (
        ["call", "800", "ns", "400", "ns", "500", "ns,", "<=", "Numba", "pass", "0.50x"]
    )


def test_fresh_processes() -> None:
    """The import leaves scipy alone; a cold and a warm cache give the same numbers, and the warm one is used."""
    rows = measure_starts(quick=True)
    assert [row.note for row in rows] == ["", "", ""]
    assert all(row.lantern is not None and row.lantern > 0.0 for row in rows)


def test_the_calls_section(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It prints a row a case and three of fresh processes, and writes the same as JSON."""
    file = tmp_path / "results.json"
    assert program.main(["--quick", "--only", "calls", "--no-peers", "--json", str(file)]) == 0
    printed = capsys.readouterr().out.splitlines()
    results = json.loads(file.read_text())
    assert [row["name"] for row in results["calls"]] == [case.name for case in CALL_CASES]
    assert len(results["starts"]) == 3
    for row in (*results["calls"], *results["starts"]):
        assert sum(line.startswith(row["name"]) for line in printed) == 1
    assert not results["run"]
    assert not results["compile"]


def test_whole_array_programs_agree() -> None:
    """At small sizes, with NumPy, central differences, C where there is one, and the peers that are installed."""
    from benchmarks import arrays

    rows = arrays.measure_here([case.name for case in arrays.CASES], True, True, QUICK)
    assert [row.name for row in rows] == [case.name for case in arrays.CASES]
    assert [row.notes for row in rows if not row.agrees] == []


def test_lanes_agree() -> None:
    """With a loop over lanes, and JAX where it is installed."""
    from benchmarks import lanes

    rows = lanes.measure_here([case.name for case in lanes.CASES], True, QUICK)
    assert [row.notes for row in rows if not row.agrees] == []
    assert len(rows) == len(lanes.CASES)


def test_jacobians_and_hessians_agree() -> None:
    """With single directions, central differences, and JAX where it is installed."""
    from benchmarks import tangents

    rows = tangents.measure_here([case.name for case in tangents.CASES], True, QUICK)
    assert [row.notes for row in rows if not row.agrees] == []
    assert len(rows) == len(tangents.CASES)
