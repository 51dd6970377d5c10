"""A traceback shows the user's frames, and those alone."""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

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
