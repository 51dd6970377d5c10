"""The rows of the table: what they must say, who may know an operation by its name, and rows that are added at run time."""

from __future__ import annotations

import ast
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.backends.llvm.emit.lets import Operands, allocate
from lantern_jit.backends.llvm.emit.library import Routines, emits
from lantern_jit.ir.core.errors import LanternError
from lantern_jit.ir.core.op import FACTS, STAGES, TABLE, Op, Stage, like, nothing, register, seal
from lantern_jit.ir.core.types import I64
from lantern_jit.ir.ops import library
from lantern_jit.ir.ops.library import row
from lantern_jit.ir.ops.table import absolute, add, div, elementwise, mul
from lantern_jit.ir.values.library import bind

from .support import both, close, withdraw_rows

ROOT = pathlib.Path(lj.__file__).resolve().parents[1]
ASKING = ("ir/core", "ir/passes", "ir/diff", "backends/llvm/emit", "backends/python", "backends/llvm/call")  # facts, and not names


@pytest.fixture(autouse=True)
def _table() -> Iterator[None]:
    """The table with the library's own rows alone."""
    yield
    withdraw_rows()


# ---- what a row must say
def test_no_pass_knows_an_operation_by_its_name() -> None:
    found = []
    for path in (p for folder in ASKING for p in sorted((ROOT / folder).glob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            compared = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            made_up = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr" and isinstance(node.args[1], ast.JoinedStr)
            if made_up or any(isinstance(x, ast.Attribute) and x.attr == "op" for x in compared):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    assert not found


@pytest.mark.parametrize("fact", FACTS)
def test_a_row_without_a_fact_is_refused(fact: str) -> None:
    facts = {f.name: getattr(TABLE["copy"], f.name) for f in dataclasses.fields(Op) if f.init}
    with pytest.raises(ValueError, match=f"the row of operation 'copied' does not say `{fact}`"):
        register(Op(**{**facts, "name": "copied", fact: None}))
    assert "copied" not in TABLE


def test_a_row_of_traced_rules_has_both() -> None:
    with pytest.raises(ValueError, match="'half' has no derivative and does not say why"):
        row("half", lambda x: (x / 2,), jvp=lambda attrs, args, outs, ts: (ts[0] / 2,), shape=like(0))


def test_a_row_whose_code_is_nowhere_is_refused() -> None:
    library.awaited("half", lambda x: (x / 2,), shape=like(0))
    with pytest.raises(ValueError, match="'half' has no derivative and does not say why"):
        seal()
    library.AWAITED.clear()


def test_a_stage_has_something_for_each_row() -> None:
    stage = Stage("a stage of a test", lambda op: op.indexed)
    assert STAGES.pop() is stage
    stage.of("load")(print)
    with pytest.raises(ValueError, match="a stage of a test: nothing for store"):
        stage.check()
    with pytest.raises(LanternError, match="a stage of a test does not know the operation `store`"):
        stage["store"]


# ---- rows of one's own
def gives(expected: Any, f: Any, *args: Any) -> None:
    """In native code and on the interpreter."""
    for mode, found in both(f, *args).items():
        close(found, expected, what=mode)


def test_a_new_scalar_operation() -> None:
    softsign = elementwise(
        "softsign",
        "F:F",
        lambda m, x: div(x, add(1.0, absolute(x))),
        lambda d, z, x: (div(d, mul(add(1.0, absolute(x)), add(1.0, absolute(x)))),),
    )
    for x in (-1.5, 0.5):
        gives(x / (1 + abs(x)), softsign, x)
        gives((1 + abs(x)) ** -2, lj.grad(softsign), x)
        gives(-2 * np.sign(x) * (1 + abs(x)) ** -3, lj.grad(lj.grad(softsign)), x)


def test_a_new_operation_with_memory() -> None:
    """x += a y in place: d is the adjoint of the x after it, and goes on to the x before it as it is."""

    def write(x: Any, a: Any, y: Any) -> tuple[()]:
        x[...] = x + a * y
        return ()

    def tangent(attrs: Any, args: Any, outs: Any, tangents: Any) -> tuple[()]:
        (_, a, y), (tx, ta, ty) = args, tangents
        for factor, vector in ((ta, y), (a, ty)):
            if factor is not None and vector is not None:
                bind("axpy", (tx, factor, vector), [], fails=False)
        return ()

    row("axpy", None, tangent, lambda attrs, args, outs, ds, wanted: (ds[0], (ds[0] * args[2]).sum(), args[1] * ds[0]), write,
        shape=nothing, writes=(0,))  # fmt: skip

    def f(a: Any, y: Any) -> Any:
        x = np.sin(y)
        bind("axpy", (x, a, y), [], fails=False)
        bind("axpy", (x, a, y * y), [], fails=False)
        return (x * x).sum()

    a, y, v = 0.7, np.array([0.3, -1.2, 2.0]), np.array([1.0, 0.5, -2.0])
    x, slope, bend = np.sin(y) + a * (y + y * y), np.cos(y) + a * (1 + 2 * y), -np.sin(y) + 2 * a
    gives((x * x).sum(), f, a, y)
    gives(((2 * x * (y + y * y)).sum(), 2 * x * slope), lj.grad(f, (0, 1)), a, y)
    gives((2 * (y + y * y) ** 2).sum(), lj.grad(lj.grad(f)), a, y)
    gives(2 * (slope**2 + x * bend) * v, lambda a, y, v: lj.hvp(lambda y: f(a, y), (y,), (v,)), a, y, v)


def test_a_new_operation_of_lapack() -> None:
    row(
        "inverse",
        lambda a: (np.linalg.inv(a),),
        lambda attrs, args, outs, ts: (-(outs[0] @ ts[0] @ outs[0]),),
        lambda attrs, args, outs, ds, wanted: (-(outs[0].T @ ds[0] @ outs[0].T),),
        shape=like(0),
    )

    @emits("inverse")
    def emit(lib: Routines) -> list[Operands]:
        (_, n, _), out, info = lib.matrix(0), lib.copy_of(0, lib.let.out), lib.info()
        pivots = allocate(lib.code, n, I64, lib.site)
        lib.library("getrf", ("i", n), ("i", n), out, ("i", n), pivots, info)
        lib.check(info)
        lib.work(lambda room, length: lib.library("getri", ("i", n), out, ("i", n), pivots, room, length, info))
        return [[out, n, n]]

    def f(a: Any, c: Any) -> Any:
        (x,) = bind("inverse", (a,), [(a.type.dtype, tuple(a.shape))])
        return (x * c).sum()

    rng = np.random.default_rng(5)
    a, c, v = rng.normal(size=(3, 3)) + 3 * np.eye(3), rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    x = np.linalg.inv(a)
    g = -x.T @ c @ x.T
    gives((x * c).sum(), f, a, c)
    gives(g, lj.grad(f), a, c)
    gives(-(x.T @ v.T @ g + g @ v.T @ x.T), lambda a, c, v: lj.hvp(lambda a: f(a, c), (a,), (v,)), a, c, v)


def test_code_of_others_operations_is_not_kept() -> None:
    """What a row does is not in the key of the cache: under one name, two rows."""
    found = []
    for factor in (2.0, 3.0):
        op = elementwise("scaled_by_a_test", "F:F", lambda m, x, c=factor: mul(c, x), lambda d, z, x, c=factor: (mul(c, d),))
        found.append(lj.jit(lambda x, op=op: op(x) + op(x) * 0.0)(1.0))
        del TABLE["scaled_by_a_test"]
    assert found == [2.0, 3.0]
