"""A long compilation says so, once, while it is under way."""

from __future__ import annotations

import gc
import logging
import re
import threading
import time
from typing import Any

import pytest

import lantern_jit as lj
from lantern_jit import patience as progress
from lantern_jit import pipeline, specialisation
from lantern_jit.ir.passes.step import Whole


def test_a_long_compilation_says_where_it_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    during: list[int] = []

    def slow(program: Any) -> bool:
        time.sleep(0.3)
        during.append(len(caplog.records))
        return False

    monkeypatch.setattr(pipeline, "PIPELINE", (Whole("fuse", slow),))

    def twice(x: float) -> float:
        return x + x

    with caplog.at_level(logging.WARNING, "lantern_jit"):
        assert lj.jit(twice)(1.5) == 3.0
    assert during == [1]
    (record,) = caplog.records
    assert record.name == "lantern_jit"
    assert re.fullmatch(r"`[\w.<>]*twice` is still being compiled after 0\.\d s, now in (tracing|fuse)", record.getMessage())


def test_stages_count_together_and_leave_no_thread(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.3)
    of = progress.Progress("f")
    with caplog.at_level(logging.WARNING, "lantern_jit"):
        for stage in ("tracing", "fusion"):
            with of.stage(stage):
                time.sleep(0.2)
        with of.stage("code generation"):
            time.sleep(0.4)
    assert [r.getMessage() for r in caplog.records] == ["`f` is still being compiled after 0.3 s, now in fusion"]
    assert not [t for t in threading.enumerate() if t.name == "lantern-progress"]


def test_a_short_compilation_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "lantern_jit"):
        assert lj.jit(lambda x: x * 2.0)(1.5) == 3.0
    assert not caplog.records


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_of_garbage_is_as_it_was(enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It rests while a function is traced: syntax trees and graphs are many objects, and none of them is garbage."""
    seen, trace = [], specialisation.trace_program

    def looks(*args: Any) -> Any:
        seen.append(gc.isenabled())
        return trace(*args)

    def fails(x: float) -> float:
        raise ZeroDivisionError(x)

    monkeypatch.setattr(specialisation, "trace_program", looks)
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        assert lj.jit(lj.grad(lambda x: x * x))(3.0) == 6.0
        assert gc.isenabled() is enabled
        with pytest.raises(ZeroDivisionError):
            lj.jit(fails)(3.0)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
    assert seen
    assert not any(seen)


def test_many_arguments_are_said_to_take_long(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    edges = {i: [i, 0.5 * i] for i in range(150)}  # of a long list there would be arrays
    with caplog.at_level(logging.INFO, logger="lantern_jit"):
        assert lj.jit(lambda edges: edges[3][1] * edges[4][0])(edges) == 6.0
    texts = [r.getMessage() for r in caplog.records]
    assert any("each of the 300 numbers and arrays in its arguments" in text and "as arrays" in text for text in texts)
    assert "edges[7][1]: float, .. and 284 more): it has not been called before" in texts[0]
    assert len(texts[0]) < 600
