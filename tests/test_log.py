"""The logger `lantern_jit` says what is compiled, for what, why again, how long that took, and what was on disk already."""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

pytestmark = pytest.mark.optimised

FACTOR = 2.0


def scaled(x, n):
    return np.sum(x) * n * FACTOR


def logged(caplog: Any, call: Any) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.INFO, "lantern_jit"):
        call()
    return [text for r in caplog.records if "is still being compiled" not in (text := r.getMessage())]  # a slow machine says so, too


def test_each_compilation_and_why(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    f = lj.jit(scaled)
    first, done = logged(caplog, lambda: f(np.ones(3), 2))
    assert first == "`scaled` is compiled for (x: 1-d array of float64, n: int): it has not been called before"
    number = r"\d+\.\d{3}"
    assert re.match(rf"`scaled` is compiled: {number} s, of these tracing {number}, .*optimise {number}", done)
    assert logged(caplog, lambda: f(np.ones(4), 3)) == []
    assert logged(caplog, lambda: f(np.ones(4), 3.0))[0].endswith("n: float): new is n: float")
    assert logged(caplog, lambda: f(np.ones((2, 2), np.float32), 3))[0].endswith(": new is x: 2-d array of float32")
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert logged(caplog, lambda: f(np.ones(3), 2))[0].endswith(": what it has read outside of its arguments has changed")
    again = lj.jit(scaled)
    assert "as it was kept on disk" in logged(caplog, lambda: again(np.ones(3), 2))[1]


def test_numbers_structures_and_static_arguments(caplog: pytest.LogCaptureFixture) -> None:
    f = lj.jit(lambda x, k: [x] * k)
    f(1.0, 2)
    assert logged(caplog, lambda: f(1.0, 3))[0].endswith(": it has been compiled for other k")
    g = lj.jit(lambda d: d["a"])
    g({"a": 1.0})
    assert logged(caplog, lambda: g({"a": 1.0, "b": 2}))[0].endswith("(d.a: float, d.b: int): its arguments have another structure")
    h = lj.jit(lambda x, k: x * k, static_argnames="k")
    h(1.0, k=2)
    assert logged(caplog, lambda: h(1.0, k=3))[0].endswith("(x: float): new is static argument k")
    with pytest.raises(TypeError, match="argument `x` of"):
        logged(caplog, lambda: lj.jit(lambda x: x)(np.array(["a"])))
