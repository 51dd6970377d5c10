"""A traceback shows the user's frames, and those alone."""

from __future__ import annotations

import ast
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit.ir.syntax.nodes import inner_nodes, own_nodes, place, walk

HERE = Path(__file__).name


def shown(f: Any, *args: Any) -> list[tuple[str, str]]:
    """(function, line of source) of each frame below this one."""
    try:
        f(*args)
    except Exception as e:
        frames = traceback.extract_tb(e.__traceback__)[1:]
        context = e.__context__
        assert context is None or context.__traceback__ is not None
        assert all(Path(x.filename).name == HERE or x.name == "__call__" for x in frames)
        return [(x.name, x.line or "") for x in frames if Path(x.filename).name == HERE]
    raise AssertionError("no error")


def helper(x: Any) -> Any:
    if x > 0:
        for _ in range(3):
            while x < 3:
                x = np.packbits(x)
    return x


def outer(x: Any) -> Any:
    y = x * 2
    return helper(y) if x < 5 else helper(x) + 1


def recursive(x: Any, n: int) -> Any:
    if n == 0:
        return np.packbits(x)
    return recursive(x, n - 1)


def chained(x: Any) -> Any:
    return x > 1 and np.packbits(x) and (lambda v: v)(x)


@pytest.mark.parametrize("wrap", [lj.jit, lambda f: lj.jit(lj.grad(f)), lj.grad, lambda f: lj.jit(lj.jit(f))])
def test_frames_of_a_failed_trace(wrap: Any) -> None:
    assert shown(wrap(outer), 1.0) == [("outer", "return helper(y) if x < 5 else helper(x) + 1"), ("helper", "x = np.packbits(x)")]
    assert shown(wrap(chained), 1.0) == [("chained", "return x > 1 and np.packbits(x) and (lambda v: v)(x)")]
    assert shown(wrap(lambda x: recursive(x, 2)), 1.0)[1:] == [
        ("recursive", "return recursive(x, n - 1)"), ("recursive", "return recursive(x, n - 1)"), ("recursive", "return np.packbits(x)")]  # fmt: skip


def test_errors_before_and_after_the_trace() -> None:
    assert shown(lj.jit(outer), {1}) == []
    assert shown(lj.jit(lambda x, i: x[i]), np.ones(3), 7) == []
    assert shown(lj.jit(lambda a, b: a + b), np.ones(3), np.ones(4)) == []


def test_jit_leaves_no_frame_of_its_own() -> None:
    with pytest.raises(lj.LanternError) as found:
        lj.jit(outer)(1.0)
    names = [x.name for x in traceback.extract_tb(found.value.__traceback__)]
    assert names == ["test_jit_leaves_no_frame_of_its_own", "outer", "helper"]
    assert f"{HERE}:" in str(found.value)
    assert "in helper" in str(found.value)


def test_the_users_own_exceptions_keep_their_chain() -> None:
    def fails(x: float) -> float:
        raise KeyError("mine") from ValueError("cause")

    with pytest.raises(KeyError, match="mine") as found:
        lj.jit(fails)(1.0)
    assert isinstance(found.value.__cause__, ValueError)


def test_all_frames_on_request() -> None:
    text = "import lantern_jit as lj\ndef f(x):\n    return x.nothing\nlj.jit(f)(1.0)\n"
    for setting, hidden in (("", True), ("full", False)):
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, env={**__import__("os").environ, "LANTERN_TRACEBACK": setting}
        )
        assert ("calls.py" in done.stderr) is not hidden
        assert "AttributeError: 'float' object has no attribute 'nothing'" in done.stderr
        assert "line 4, in <module>" in done.stderr


def described(tree: ast.AST) -> str:
    return ast.dump(tree, include_attributes=True)


@pytest.mark.parametrize("path", sorted(Path(lj.__file__).parent.glob("*.py")), ids=lambda p: p.name)
def test_new_nodes_stand_where_their_statement_does(path: Path) -> None:
    """The walks through syntax trees are the standard library's, but faster."""

    def stripped() -> ast.Module:
        """A tree in which every third node has no place, and every fifth no end."""
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for i, n in enumerate(ast.walk(tree)):
            if "lineno" in n._attributes and i % 3 == 0:
                del n.lineno, n.col_offset, n.end_lineno, n.end_col_offset  # type: ignore[attr-defined]
            elif "lineno" in n._attributes and i % 5 == 0:
                n.end_lineno = n.end_col_offset = None  # type: ignore[attr-defined]
        return tree

    assert described(place(stripped())) == described(ast.fix_missing_locations(stripped()))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lonely = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop)  # have no fields
    assert {n for n in walk(tree) if not isinstance(n, ast.cmpop)} == {n for n in ast.walk(tree) if not isinstance(n, (*lonely, ast.cmpop))}
    for f in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        own = own_nodes(f.body)
        assert {*own, *inner_nodes(own)} == set(walk(*f.body))


def test_a_function_far_down_in_its_file_has_its_lines(tmp_path: Path) -> None:
    source = (
        "\n" * 5000
        + "class Model:\n    def run(self, x):\n        if x > 0:\n            y = [1.0][\n                int(x)]\n        return y\n"
    )
    path = tmp_path / "far.py"
    path.write_text(source)
    names: dict[str, Any] = {}
    exec(compile(source, str(path), "exec"), names)
    run = names["Model"]().run
    with pytest.raises(IndexError, match=r"far\.py:500[45] in run"):
        lj.jit(lambda x: run(x))(1.0)
