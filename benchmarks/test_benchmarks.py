"""The same cases under pytest-benchmark: `pytest benchmarks`, a group a program, C and lantern side by side.

A test fails if numbers disagree, never because of a time. C is called through ctypes here, about 1 us a call, which
matters for the tree alone; `python -m benchmarks` times C inside C.
"""

import ctypes
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks import floor
from benchmarks.agreement import check_lantern, check_lantern_without_floor, gradient_size
from benchmarks.cases import CASES, Case
from benchmarks.compile_time import CompileCase, compile_cases, compile_gradient, lantern_seconds, loader

pytest.importorskip("pytest_benchmark")
lj = pytest.importorskip("lantern_jit")

case_parameter = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


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
