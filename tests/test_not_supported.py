"""What the documents say is not supported: each with an error that names the construct and the line, and says what to write."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

pytestmark = pytest.mark.every

HERE = "test_not_supported.py"


class Thing:
    def __init__(self) -> None:
        self.n = 0.0


OUTSIDE, OTHER = Thing(), Thing()


def rank_depends(x: float) -> Any:
    return np.zeros(3) if x > 0 else np.zeros((3, 3))


def generator_function(x: float) -> Any:
    yield x


async def coroutine(x: float) -> Any:
    return x


def local_class(x: float) -> Any:
    class Inner:
        pass

    return Inner, x


def guarded(x: float) -> Any:
    try:
        return lj.callback(math.sqrt, float, x)
    except ValueError:
        return 0.0


def context(x: float) -> Any:
    with np.printoptions(precision=3):
        return x


def random_outside(x: float) -> Any:
    return x + np.random.gamma(2.0)


def clock(x: float) -> Any:
    return x + time.time()


def keys_depend(x: float) -> Any:
    d = {"a": x}
    d[int(x)] = x
    return d["a"]


def outlives(x: float) -> Any:
    OUTSIDE.n = x
    return x


def chosen(x: float) -> Any:
    thing = OUTSIDE if x > 0 else OTHER
    thing.n = 1.0
    return x


def appended_then_written(x: float) -> Any:
    v, out = np.zeros(2), []
    for i in range(int(x)):
        v[0] = i
        out.append(v)
    return len(out)


def items_of_two_structures(x: float) -> Any:
    out: list[Any] = []
    for i in range(int(x)):
        if i > x:
            out.append((x, i))
        else:
            out.append(x)
    return len(out)


def distinct(x: float) -> Any:  # in an order that nobody knows while tracing
    found = set()
    for i in range(3):
        found.add(x * i)
    return [v for v in found]


def evaluated(x: float) -> Any:
    if x > 0:
        return eval("x * 2")
    return x


REFUSED: list[tuple[Any, Any, str]] = [
    (rank_depends, 1.0, "on one path and"),
    (generator_function, 1.0, "generator"),
    (coroutine, 1.0, "async"),
    (local_class, 1.0, "class"),
    (guarded, 1.0, "try"),
    (context, 1.0, "with"),
    (random_outside, 1.0, "numpy.random.Generator"),
    (clock, 1.0, "argument"),
    (evaluated, 1.0, "eval() of the variables around it"),
    (lambda x: eval("x * 2"), 1.0, "eval() of the variables around it"),
    (distinct, 0.0, "use sorted(s)"),
    (keys_depend, 1.0, "use one dict for each"),
    (outlives, 1.0, "attribute `n` of a Thing, which outlives the call"),
    (chosen, 1.0, "outlives the call"),
    (appended_then_written, 100.0, "copy"),
    (items_of_two_structures, 100.0, "grows under traced control flow"),
]


@pytest.mark.parametrize(("f", "x", "words"), REFUSED, ids=[f.__name__ for f, _, _ in REFUSED])
def test_refused_with_a_remedy(f: Any, x: Any, words: str) -> None:
    for g in (f, lj.grad(f)):
        with pytest.raises(errors.LanternError) as found:
            lj.jit(g)(x)
        message = str(found.value)
        assert words in message or g is not f
        assert HERE in message or f.__name__ in message or "argument" in message
    assert OUTSIDE.n == OTHER.n == 0.0
