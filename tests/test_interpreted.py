"""`lj.interpreted()`: a debugger stops in the user's functions, for nothing is compiled."""

from __future__ import annotations

import io
import pdb
import sys
import threading
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj


@lj.jit
def scaled(x, by=2.0):
    y = x * by
    return y


def test_a_jitted_function_is_its_python_function(capsys: pytest.CaptureFixture[str]) -> None:
    assert scaled(3.0) == 6.0  # compiled, and then entered without Python
    calls = scaled.specialisations[0].calls
    frames: list[Any] = []

    def watch(frame: Any, event: str, arg: Any) -> Any:
        if frame.f_code is scaled.__wrapped__.__code__ and event == "return":
            frames.append(dict(frame.f_locals))
        return watch

    with lj.interpreted():
        before = sys.gettrace()
        sys.settrace(watch)
        try:
            assert scaled(3.0) == 6.0
            assert scaled(np.array([1.0, 2.0]), by=3.0).tolist() == [3.0, 6.0]
        finally:
            sys.settrace(before)
    assert frames[0] == {"x": 3.0, "by": 2.0, "y": 6.0}
    assert len(frames) == 2
    assert scaled.specialisations[0].calls == calls
    assert scaled(3.0) == 6.0
    assert scaled.specialisations[0].calls == calls + 1
    assert len(scaled.specialisations) == 1


def stops(x):
    y = x * 3.0
    breakpoint()
    return y * y


def debugged(monkeypatch: pytest.MonkeyPatch, call: Any, commands: str) -> str:
    out = io.StringIO()

    class Pdb(pdb.Pdb):
        def __init__(self, **options: Any) -> None:
            super().__init__(stdin=io.StringIO(commands), stdout=out, readrc=False, nosigint=True, **options)
            self.use_rawinput = False

    monkeypatch.setattr(pdb, "Pdb", Pdb)
    monkeypatch.setattr(sys, "gettrace", sys.gettrace)
    before = sys.gettrace()
    try:
        call()
    finally:
        sys.settrace(before)
    return out.getvalue()


def test_breakpoint_stops_in_the_users_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(lj.errors.UnsupportedOperationError, match="stops for a person"):
        lj.jit(stops)(2.0)

    def call() -> None:
        with lj.interpreted():
            assert lj.grad(stops)(2.0) == 36.0

    found = debugged(monkeypatch, call, "w\np type(y).__name__\nc\n")
    assert "y = x * 3.0" in found or "test_interpreted.py" in found
    assert "stops()" in found
    assert "Traced" in found


def test_derivatives_and_other_threads() -> None:
    found: list[float] = []
    with lj.interpreted():
        assert lj.jit(lj.value_and_grad(lambda x: x * x))(3.0) == (9.0, 6.0)
        assert lj.vmap(lambda x: x + 1.0)(np.zeros(2)).tolist() == [1.0, 1.0]
        worker = threading.Thread(target=lambda: found.append(scaled(np.float64(4.0))))
        worker.start()
        worker.join()
        with lj.interpreted():
            assert scaled(1.0) == 2.0
        assert lj.scan(lambda c, x: (c + x, c), 0.0, np.ones(3))[0] == 3.0
    assert found == [8.0]
    assert scaled.specialisations[-1].calls > 0


def test_nor_does_compiled_code_take_containers_without_asking() -> None:
    seen: list[float] = []

    @lj.jit
    def f(p: Any) -> Any:
        return p["x"] * noted(p["n"])

    def noted(n: Any) -> Any:
        lj.callback(seen.append, None, n)
        return n

    p = {"x": 3.0, "n": 2.0}
    for _ in range(3):
        assert f(p) == 6.0
    assert seen == [2.0] * 3
    outside = threading.Thread(target=lambda: seen.append(f({"x": 4.0, "n": 5.0})))
    with lj.interpreted():
        frames: list[str] = []
        before = sys.gettrace()
        sys.settrace(lambda frame, event, arg: frames.append(frame.f_code.co_name))
        try:
            assert f(p) == 6.0
        finally:
            sys.settrace(before)
        assert "f" in frames
        outside.start()
        outside.join()
    assert f(p) == 6.0
    assert seen == [2.0] * 4 + [5.0, 20.0, 2.0]
