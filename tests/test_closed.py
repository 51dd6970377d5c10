"""A closed program: emission, interpretation and loading from the cache add no function."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.core.errors import LanternError
from lantern_jit.ir.core.graph import Closed
from lantern_jit.ir.core.parse import parse
from lantern_jit.ir.core.text import show
from lantern_jit.ir.diff.close import close, closed
from lantern_jit.ir.diff.forward.jvp import jvp_name

from .support import close as near

A = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
V = np.array([0.3, -1.0, 2.0])


def cholesky(a: Any, v: Any) -> Any:
    return np.log(np.diagonal(np.linalg.cholesky(a))).sum() + (v * v).sum()


def solve(a: Any, v: Any) -> Any:
    return (np.linalg.solve(a, v) * v).sum()


def eigenvalues(a: Any, v: Any) -> Any:
    return (np.linalg.eigh(a)[0] ** 2 * v).sum()


def sorted_(a: Any, v: Any) -> Any:
    return (np.sort(v) * a[0]).sum()


def product(a: Any, v: Any) -> Any:
    return np.sin(a @ v).sum()


def twice(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, v: lj.grad(lambda v: (lj.grad(f, 1)(a, v) ** 2).sum())(v)


def hvp(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, v: lj.hvp(lambda v: f(a, v), (v,), (np.cos(v),))


PROGRAMS: dict[str, Callable[..., Any]] = {
    **{f"grad_{f.__name__}": lj.grad(f, (0, 1)) for f in (cholesky, solve, eigenvalues, sorted_, product)},
    **{f"twice_{f.__name__}": twice(f) for f in (solve, product, sorted_)},
    **{f"hvp_{f.__name__}": hvp(f) for f in (cholesky, solve, product)},
    "three_times": lambda a, v: lj.grad(lambda x: lj.grad(lambda y: lj.grad(lambda z: (np.exp(a @ v * z)).sum())(y))(x))(0.2),
}


def functions(name: str) -> tuple[list[str], list[str], list[str]]:
    """The functions of a program before it runs, after it has been interpreted, and after it has been called natively."""
    s, leaves = lj.jit(PROGRAMS[name])._dispatcher.lookup((A, V), {})
    before = list(s.program.functions)
    interpreted = s.interpret(leaves)
    after = list(s.program.functions)
    near(s.run(leaves), interpreted, 1e-9, 1e-9)
    return before, after, list(s.program.functions)


@pytest.mark.parametrize("name", PROGRAMS)
def test_nobody_adds_a_function(name: str) -> None:
    before, interpreted, native = functions(name)
    assert before == interpreted == native


def test_nor_does_a_process_that_finds_the_code_on_disk(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANTERN_CACHE_DIR", str(tmp_path))
    script = (
        "from lantern_jit.backends.llvm.emit import module\n"
        "from tests.test_closed import PROGRAMS, functions\n"
        "run, emitted = module.Emission.run, []\n"
        "module.Emission.run = lambda self: emitted.append(self) or run(self)\n"
        "print([functions(name) for name in ('grad_cholesky', 'twice_solve', 'hvp_product')], len(emitted))\n"
    )
    cold, warm = (subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout for _ in range(2))
    found, emitted = cold.rsplit(" ", 1)
    assert int(emitted) == 3
    assert warm == f"{found} 0\n"


def test_adjoints_of_library_operations_are_functions_of_the_program() -> None:
    s, _ = lj.jit(PROGRAMS["grad_cholesky"])._dispatcher.lookup((A, V), {})
    assert [name for name in s.program.functions if name.startswith("pull.cholesky")]


def test_what_nobody_needs_goes() -> None:
    program = parse("fn f(%x: f64) -> (f64) {\nentry:\n  return %x\n}\n\nfn g(%x: f64) -> (f64) {\nentry:\n  return %x\n}\n")
    assert close(program)
    assert list(program.functions) == ["f"]


def test_a_closed_program_takes_no_function() -> None:
    text = "fn f(%x: f64) -> (f64) {\nentry:\n  %y: f64 = sin(%x)\n  return %y\n}\n"
    open_ = parse(text)
    program = closed(open_)
    assert isinstance(program.functions, Closed)
    assert closed(program) is program
    assert show(open_) == text
    with pytest.raises(LanternError, match=r"the program is closed, and `jvp.x.f` is none of its functions"):
        jvp_name(program, "f", [True])
