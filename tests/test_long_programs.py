"""Long programs: expressions, chains of conditions and straight code of any length compile, and to the same values."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.values.pytree import flatten

from .support import both, close, first


def made(folder: Path, text: str) -> Any:
    """The function f of a module with this text; Python itself compiles a deep expression only with a higher limit."""
    path = folder / "generated.py"
    path.write_text("import math\nimport numpy as np\n" + text + "\n")
    spec = importlib.util.spec_from_file_location("generated", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.setrecursionlimit(limit)
    return module.f


def chain_of_elifs(n: int) -> str:
    arms = "".join(f"    elif x > {n - i}.5:\n        z = y * {i}\n" for i in range(1, n))
    return f"def f(x, y):\n    if x > 1e6:\n        return x\n{arms}    else:\n        return 3 * y\n    return z * x"


TERMS = {
    "sum": lambda n: "def f(x, y):\n    return " + " + ".join(f"x * y * {i}.5" for i in range(n)),
    "lambda": lambda n: "f = lambda x, y: " + " - ".join(f"x * y * {i}.5" for i in range(n)),
    "and": lambda n: "def f(x, y):\n    return x * (" + " and ".join(f"x < {i}.5" for i in range(1, n)) + ")",
    "or": lambda n: "def f(x, y):\n    return x * (" + " or ".join(f"x > {i}.5" for i in range(1, n)) + ")",
    "chain": lambda n: "def f(x, y):\n    return x * (" + " < ".join(["x"] + [f"{i}.5" for i in range(1, n)]) + ")",
    "elif": chain_of_elifs,
    "list": lambda n: "def f(x, y):\n    return sum([" + ", ".join(f"x * y * {i}" for i in range(n)) + "])",
    "methods": lambda n: "def f(x, y):\n    return (np.ones(3) * x * y)" + ".copy()" * n + ".sum()",
    "conditional": lambda n: "def f(x, y):\n    return " + "".join(f"x * {i} if y > {n - i} else " for i in range(min(n, 90))) + "x * y",
}


@pytest.mark.parametrize("kind", first(3, sorted(TERMS)))
def test_four_hundred_terms(kind: str, tmp_path: Path) -> None:
    f = made(tmp_path, TERMS[kind](400))
    for x in (0.3, 7.25, 1e7):
        close(both(f, x, 0.4)["native"], f(x, 0.4), rtol=1e-10)
    close(both(lj.grad(f), 7.25, 0.4)["native"], (f(7.25 + 1e-3, 0.4) - f(7.25 - 1e-3, 0.4)) / 2e-3, rtol=1e-6)


def test_five_thousand_terms(tmp_path: Path) -> None:
    f = made(tmp_path, TERMS["sum"](5_000))
    limit = sys.getrecursionlimit()
    if sys.version_info >= (3, 12):
        pytest.skip("Python itself does not compile so deep an expression")
    close(lj.jit(f)(0.3, 0.4), sum(0.3 * 0.4 * (i + 0.5) for i in range(5_000)), rtol=1e-10)
    assert sys.getrecursionlimit() == limit


def short_circuits(x: float, y: float, n: int, k: int) -> float:
    """Plain and traced operands in turn; what is not reached is not evaluated."""
    if k < 3 and x > 0 and k > 0 and y > 0 and n // k > 1:
        return x * y
    elif k == 0 or x > 2 or (k == 1 and n > 5) or x < n // k:
        z = x + y
    elif not (0 < x < y < k):
        z = x - y
    elif k == 2:
        return -x
    else:
        z = y
    return z * (x and y) + (y or x)


@pytest.mark.parametrize("k", [0, 1, 2, 3, 4])
def test_plain_and_traced_conditions_in_turn(k: int) -> None:
    for x, y, n in ((0.5, 1.5, 3), (-0.5, 1.5, 9), (2.5, 0.0, 2), (1.2, 1.4, 1), (0.0, 0.3, 4)):
        f = lj.jit(lambda x, y, n: short_circuits(x, y, n, k))
        close(f(x, y, n), short_circuits(x, y, n, k))
        close(lj.jit(lambda y, x=x, n=n: short_circuits(x, y, n, k), static_argnums=(1, 2))(y, x, n), short_circuits(x, y, n, k))


# ---- straight code: what is compiled as one function has a limited length
def straight(n: int) -> str:
    """n operations, in which late ones need early ones, in a function of an array, a number and a loop."""
    lines = ["def f(a, x):", "    v0 = math.sin(x)", "    v1 = a[0] * x"]
    for i in range(2, n):
        lines.append(f"    v{i} = " + (f"v{i // 2} * 0.5 + v{i - 1}", f"math.sin(v{i - 1} * v{i // 3})", f"v{i - 1} - a[1] * v0")[i % 3])
    lines.append(f"    for i in range(len(a)):\n        x = x + a[i] * v{n - 1} * v3")
    return "\n".join([*lines, f"    return x if x > 0 else v{n - 2} * x", ""])


def longest_function(f: Any, *args: Any) -> int:
    """The lines of the longest function of the optimised LLVM."""
    return max(text.count("\n") for text in lj.jit(f).inspect(*args).llvm_optimized.split("\ndefine ")[1:])


def gradient(folder: Path, n: int) -> Any:
    (folder / str(n)).mkdir()  # a file of its own: Python remembers the lines of each
    return lj.grad(made(folder / str(n), straight(n)), argnums=(0, 1))


def test_no_function_grows_with_the_program(tmp_path: Path) -> None:
    args = np.array([0.5, -0.25, 1.5]), 0.75
    shorter, longer = (longest_function(gradient(tmp_path, n), *args) for n in (1_000, 3_000))
    assert longer < 1.3 * shorter


def test_a_short_block_stays_whole(tmp_path: Path) -> None:
    args = np.array([0.5, -0.25, 1.5]), 0.75
    short, long = (lj.jit(gradient(tmp_path, n)).inspect(*args).cps.count(": piece;") for n in (100, 1_000))
    assert short == 0
    assert long >= 2


@pytest.mark.parametrize("piece", [1, 7, 50])
def test_pieces_do_not_change_derivatives(piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args, direction = (np.array([0.5, -0.25, 1.5]), 0.75), (np.array([1.0, 2.0, -1.0]), 0.5)
    f = made(tmp_path, straight(90))

    def derivatives() -> Any:
        gradient = lj.grad(f, argnums=(0, 1))
        return lj.jit(gradient)(*args), lj.jit(lambda a, x: lj.jvp(gradient, (a, x), direction))(*args)

    whole = derivatives()
    monkeypatch.setattr("lantern_jit.ir.diff.cps.PIECE", piece)
    for x, y in zip(flatten(derivatives())[0], flatten(whole)[0], strict=True):
        close(x, y, rtol=1e-12)
