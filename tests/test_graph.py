"""The graph: its text, its verifier, its table of operations and its simplifier."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors
from lantern_jit.backends.python import interpreter
from lantern_jit.ir.core.graph import Program
from lantern_jit.ir.core.op import TABLE, Zero, elementwise
from lantern_jit.ir.core.parse import parse
from lantern_jit.ir.core.text import show
from lantern_jit.ir.core.verify import verify
from lantern_jit.ir.ops.table import add, div, mul
from lantern_jit.ir.passes.simplify import SIMPLIFY

from .support import both, close

ROOT = Path(__file__).parent.parent
Function = Callable[..., Any]


# ---- text
def branches(x: float, n: int) -> float:
    if x > 0 and n > 2:
        return math.sin(x)
    return x if n == 0 else -x * 1e-300


def loops(a: Any, n: int) -> float:
    s = 0.0
    for i in range(n):
        for j in range(i):
            if a[i] > a[j]:
                continue
            s = s + a[i] * a[j]
        if s > 100:
            break
    return s


def recursion(x: float, n: int) -> Any:
    if n == 0:
        return x, 1
    y, k = recursion(x * 1.5, n - 1)
    return y * x, k + n


def arrays(a: Any, n: int) -> Any:
    b = np.zeros((n, 2))
    c = a.copy()
    for i in range(n):
        b[i, 1] = a[i]
        c[i] = b[i, 1] + b[i, 0]
    return b, c


def faults(x: float, n: int) -> float:
    assert n > -100, 'a "quoted", (odd) @ text: {x=1} %v = mul -> \n line'
    if n == 77:
        raise ValueError("say \\ 'it' } @ \"x\":1")
    return x * int(x) // n + n % 3


def constants(x: float) -> float:
    return np.where(x > 1, math.inf, x) * 1e-310 + np.array([1.5, -0.0])[int(x)] + (math.nan if x > 5 else -math.inf * 0 * x)


A = np.array([0.3, 0.9, 0.4, 0.2])
PROGRAMS: list[tuple[Function, tuple[Any, ...]]] = [
    (branches, (0.5, 3)),
    (lj.grad(branches), (0.5, 3)),
    (loops, (A, 4)),
    (lj.grad(loops), (A, 4)),
    (recursion, (0.5, 3)),
    (lambda x, n: lj.vjp(lambda v: recursion(v, n), x)[1]((1.0, 0)), (0.5, 3)),
    (arrays, (A, 3)),
    (lambda a, t: lj.jvp(lambda v: arrays(v, 3)[1], (a,), (t,)), (A, A * 2)),
    (faults, (2.5, 4)),
    (constants, (0.5,)),
    (lj.grad(lj.grad(lambda x: x**5 * np.exp(x))), (0.5,)),
    (lj.hessian(lambda w: w[0] * w[1] ** 3), (A,)),
    (lambda x, n: (x < 1, n << 2, np.float32(2) * x, x // 3, n ^ 5), (np.float32(0.5), 6)),
    (lambda d: {"b": d["a"][0] + 1, "c": (d["a"][1] > 0,)}, ({"a": (1, 2.0)},)),
]


@pytest.mark.parametrize(("f", "args"), PROGRAMS)
def test_text_round_trip(f: Function, args: tuple[Any, ...]) -> None:
    specialisation, leaves = lj.jit(f)._dispatcher.lookup(args, {})
    program = specialisation.program
    text = show(program)
    again = parse(text)
    assert show(again) == text
    verify(again)
    again.constants = program.constants
    machine = [x if isinstance(x, np.ndarray) else np.asarray(x)[()] for x in leaves]
    close(interpreter.run(again, machine)[0], interpreter.run(program, machine)[0], 0, 0)


@pytest.mark.parametrize(
    "text", ["nonsense", "fn f() -> () {\nentry:\n  jump\n}", "fn f() -> () {\nentry:\n  %x = sin(\n}", "fn f() -> () {\n(:\n}"]
)
def test_text_that_is_no_program(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d+: expected"):
        parse(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mul(%a, %a)", "mul(%a %a)", "line 3: expected `,`, not ' %a)'  [%b: f64 = mul(%a %a)]"),
        ("mul(%a, %a)", "mul(%a, %q)", "line 3: expected a variable that is bound in this function, not 'q)'  [%b: f64 = mul(%a, %q)]"),
        (
            "1.0:f64)",
            "1.0:f16)",
            "line 4: expected a type, one of f64, f32, i64, bool, i32, f64x2, f64x4, f64x8, f64x16, f32x2, f32x4, f32x8, f32x16, boolx16, not 'f16)'  [%c: bool = gt(%b, 1.0:f16)]",
        ),
        (" : two(%b)", "", "line 5: expected `:`, not ''  [branch %c ? one()]"),
        ("  return %p\n", "", "line 8: expected the end of two (jump, branch, call, shift, return, fail), not ''"),
        ("wrt=(0,)", "wrt=(0,", "line 14: expected a Python literal, not '(0,"),
        ("return %d\n", "return %d\n  return %d\n", "line 16: expected a block: entry has ended, not 'return %d'"),
        ("fn g(%a: f64)", "fn g(a: f64)", "line 12: expected `%`, not 'a: f64) -> (f64) {'  [fn g(a: f64) -> (f64) {]"),
    ],
)
def test_a_syntax_error_says_where_and_what(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        parse(GOOD.replace(old, new, 1))


def test_what_stands_around_the_functions() -> None:
    """Facts of the entry's arguments, and captured arrays: small ones are spelled, others are given to the parser."""
    text = """the entry keeps its arguments
the entry cannot write to 0, 2
fn f() -> () {
entry:
  return
}

constant f64[2, 2] = [[1.5, -0.0], [inf, nan]]
constant i32[0] = []
constant bool[100]
"""
    large = np.zeros(100, bool)
    program = parse(text.replace("fn f", "# a remark\nfn f"), [None, None, large])
    assert (program.keeps, program.read_only) == (True, (0, 2))
    assert np.array_equal(program.constants[0], [[1.5, -0.0], [math.inf, math.nan]], equal_nan=True)
    assert program.constants[1].dtype == np.int32
    assert program.constants[2] is large
    assert [line.rstrip() for line in show(program).splitlines()] == text.splitlines()
    with pytest.raises(ValueError, match=r"^line 10: expected `= \[..\]`: the values of this array are not in the text"):
        parse(text)


# ---- the verifier
GOOD = """fn f(%a: f64, %n: i64) -> (f64) {
entry:
  %b: f64 = mul(%a, %a)
  %c: bool = gt(%b, 1.0:f64)
  branch %c ? one() : two(%b)
one:
  call g(%a) then two()
two(%p: f64):
  return %p
}

fn g(%a: f64) -> (f64) {
entry:
  %v: f64, %d: f64 = pullback(%a, 1.0:f64) {f='h', wrt=(0,), ct=(0,), cotangents=1, own=1}
  return %d
}

fn h(%a: f64) -> (f64) {
entry:
  return %a
}
"""

BROKEN = [
    (1, "%c: bool = gt", "%b: f64 = add(%a, %a)\n  %c: bool = gt"),
    (1, "two(%p: f64):\n", "two(%p: f64):\n  %p: f64 = add(%a, %a)\n"),
    (2, "call g(%a) then two()", "%z: f64 = neg(%y)\n  %y: f64 = neg(%a)\n  call g(%a) then two()"),
    (2, "return %p", "%u: f64 = neg(%w)\n  return %u\nthree:\n  %w: f64 = neg(%a)\n  return %w"),
    (3, "two(%b)", "two()"),
    (3, "two(%b)", "two(%n)"),
    (3, "call g(%a) then two()", "call g(%a) then two(%a)"),
    (4, "entry:\n  %b", "entry(%e: f64):\n  %b"),
    (5, "mul(%a, %a)", "mull(%a, %a)"),
    (5, "mul(%a, %a)", "mul(%a, %n)"),
    (5, "mul(%a, %a)", "mul(%a)"),
    (5, "%b: f64 = mul", "%b: f32 = mul"),
    (5, "branch %c", "branch %a"),
    (5, "%b: f64 = mul(%a, %a)", "%b: f64 = load(%a, %n)"),
    (6, "call g(%a)", "call missing(%a)"),
    (6, "call g(%a)", "call g(%n)"),
    (6, "call g(%a)", "call g()"),
    (6, "f='h'", "f='missing'"),
    (6, "pullback(%a, 1.0:f64)", "pullback(1:i64, 1.0:f64)"),
    (8, "return %p", "return %n"),
    (8, "return %p", "return"),
]


def test_the_good_program_is_good() -> None:
    assert verify(parse(GOOD)).entry == "f"


@pytest.mark.parametrize(("invariant", "old", "new"), BROKEN)
def test_broken_invariants(invariant: int, old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(errors.VerifyError, match=f"^invariant {invariant} in `[fg]`: "):
        verify(parse(GOOD.replace(old, new, 1)))


KERNEL = """fn f(%x: f64[?], %i: i64[?], %n: i64, %a: f64) -> (f64) {
entry:
  %z: f64[?], %s: f64 = kernel(%n, %x, 0:i64, 1:i64, %a, %i, 0:i64, 1:i64, %x) {f='one', rank=1, inputs=(('a', 0), ('s',), ('a', 0), ('g', 2)), results=(('map',), ('sum',)), fails=False}
  return %s
}

fn one(%v1: f64, %v2: f64, %v3: i64, %v4: f64) -> (f64, f64) {
entry:
  %v5: f64 = mul(%v1, %v2)
  %v6: f64 = add(%v5, %v4)
  return %v6, %v5
}
"""
BROKEN_KERNELS = [
    ("f='one'", "f='two'"),
    ("%v5: f64 = mul(%v1, %v2)", "%v5: f64 = load(%v1, %v3)"),
    ("('s',), ", ""),
    ("results=(('map',), ('sum',))", "results=(('map',), ('sum',), ('drop',))"),
    ("('g', 2)", "('g', 1)"),
    ("('g', 2)", "('g', 3)"),
    ("%z: f64[?]", "%z: i64[?]"),
    ("%x, 0:i64, 1:i64, %a", "%i, 0:i64, 1:i64, %a"),
]


def test_a_kernel_as_text() -> None:
    program = verify(parse(KERNEL))
    assert show(program) == KERNEL


@pytest.mark.parametrize(("old", "new"), BROKEN_KERNELS)
def test_broken_kernels(old: str, new: str) -> None:
    assert old in KERNEL
    with pytest.raises(errors.VerifyError, match=r"^invariant [57] in `f"):
        verify(parse(KERNEL.replace(old, new, 1)))


def test_an_edge_to_nowhere() -> None:
    with pytest.raises(errors.VerifyError, match="invariant 3 in `f`: edge to nowhere"):
        verify(parse(GOOD.replace("two(%b)", "nowhere(%b)", 1)))


def test_an_edge_to_the_entry_and_a_block_without_an_end() -> None:
    with pytest.raises(errors.VerifyError, match="invariant 4"):
        verify(parse("fn f() -> () {\nentry:\n  jump next()\nnext:\n  jump entry()\n}\n"))
    program = parse(GOOD)
    program.functions["f"].blocks["two"].terminator = None
    with pytest.raises(errors.VerifyError, match="invariant 8"):
        verify(program)


# ---- the table
@pytest.fixture
def table() -> Iterator[None]:
    before = set(TABLE)
    yield
    for name in set(TABLE) - before:
        del TABLE[name]


@pytest.mark.usefixtures("table")
def test_a_new_operation() -> None:
    softsign = elementwise(
        "softsign_of_test",
        "F:F",
        lambda m, x: div(x, add(1.0, m.instruction("fabs", x))),
        lambda d, z, x: (mul(d, mul(div(z, x), div(z, x))),),
    )

    def f(x: float, n: int) -> float:
        for _ in range(n):
            x = softsign(x) * 3.0
        return x

    def derivatives(x: float, n: int) -> Any:
        return f(x, n), lj.grad(f)(x, n), lj.grad(lj.grad(f))(x, n), lj.jvp(softsign, (x,), (1.0,))[1]

    # f = a x / (1 + b x) with a = 3^n, b = (3^n - 1) / 2
    for x, n in ((0.7, 5), (2.0, 40), (0.1, 1)):
        a, b = 3.0**n, (3.0**n - 1) / 2
        exact = a * x / (1 + b * x), a / (1 + b * x) ** 2, -2 * a * b / (1 + b * x) ** 3, 1 / (1 + x) ** 2
        for mode, out in both(derivatives, x, n).items():
            close(out, exact, 1e-9, 1e-30, mode)
    lj.check_grads(lambda x: f(x, 3), (0.4,), order=2)


@pytest.mark.usefixtures("table")
def test_rows_that_are_refused() -> None:
    with pytest.raises(ValueError, match="operation 'no_rule' has no derivative rule and does not say why"):
        elementwise("no_rule", "F:F", lambda m, x: x)
    with pytest.raises(ValueError, match="operation 'sin' is in the table twice"):
        elementwise("sin", "F:F", lambda m, x: x, lambda d, z, x: (d,))
    assert "no_rule" not in TABLE
    assert isinstance(elementwise("an_int", "F:I", lambda m, x: x).rule, Zero)


# ---- the simplifier
def simplified(body: str, params: str = "%x: f64, %n: i64, %c: bool", results: str = "f64") -> Program:
    program = parse(f"fn f({params}) -> ({results}) {{\nentry:\n{body}\n}}\n")
    SIMPLIFY.run(verify(program))
    return verify(program)


def lines(program: Program) -> list[str]:
    return [line.strip() for line in show(program).splitlines()[2:-1]]


FOLDED = [
    ("%a: f64 = mul(2.0:f64, 3.0:f64)\n%b: f64 = add(%a, %x)\nreturn %b", ["%b: f64 = add(6.0:f64, %x)", "return %b"]),
    ("%a: f64 = mul(%x, 1.0:f64)\n%b: f64 = mul(1.0:f64, %a)\nreturn %b", ["return %x"]),
    ("%a: f64 = add(%x, 0.0:f64)\nreturn %a", ["%a: f64 = add(%x, 0.0:f64)", "return %a"]),  # -0.0 + 0.0 is 0.0
    ("%a: f64 = mul(%x, 0.0:f64)\nreturn %a", ["%a: f64 = mul(%x, 0.0:f64)", "return %a"]),  # infinities
    ("%a: f64 = sin(%x)\n%b: f64 = mul(%a, %a)\nreturn %x", ["return %x"]),
    ("%a: bool = ilt(1:i64, 2:i64)\nbranch %a ? t() : e()\nt:\nreturn %x\ne:\n%s: f64 = sin(%x)\nreturn %s", ["return %x"]),
    ("jump a(%x)\na(%p: f64):\njump b(%p)\nb(%q: f64):\nreturn %q", ["return %x"]),
    ("branch %c ? t() : e()\nt:\njump j(%x)\ne:\njump j(%x)\nj(%p: f64):\nreturn %p", ["return %x"]),
]


@pytest.mark.parametrize(("body", "expected"), FOLDED)
def test_simplified(body: str, expected: list[str]) -> None:
    indented = "\n".join(line if line.endswith(":") else f"  {line}" for line in body.splitlines())
    assert lines(simplified(indented)) == expected


def test_what_may_fail_is_not_dead() -> None:
    def f(x: float, n: int) -> float:
        n // 0 if n > 5 else n % n
        return x

    with pytest.raises(ZeroDivisionError):
        lj.jit(f)(1.0, 0)
    assert lj.jit(f)(1.0, 3) == 1.0
