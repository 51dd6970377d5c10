"""The program's own operations are IEEE operations: values are NumPy's and Python's to the last bit where they are made of
+ - * / sqrt and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lantern_jit as lj

from .support import both, same


def test_products_cancel() -> None:
    for found in both(lambda x, y: (x * x - y * y, np.sqrt(x * x - y * y), x * y - y * x), 0.3, 0.3).values():
        assert found == (0.0, 0.0, 0.0)
    assert np.all(lj.jit(lambda x: x * x - x * x)(np.linspace(0.1, 0.9, 33)) == 0.0)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_loop_keeps_the_order_and_roundings(kind: type) -> None:
    def step(x: Any, y: Any, n: int) -> Any:
        for _ in range(n):
            x, y = x * y - x / (y * y + x), np.sqrt(x * x + y * y) - x * y
            if x * x - y * y < 0:
                x = x + y * x
        return x, y

    with np.errstate(all="ignore"):
        for n in (1, 2, 3, 10):
            want = step(kind(0.7), kind(1.3), n)
            found = lj.jit(step)(kind(0.7), kind(1.3), n)
            np.testing.assert_array_equal(found, want)


@st.composite
def expressions(draw: Any, names: tuple[str, ...] = ("x", "y", "z")) -> str:
    """Straight code: assignments of binary operations, roots of squares and choices."""
    lines, known = [], list(names)
    for i in range(draw(st.integers(2, 12))):
        a, b, c = (draw(st.sampled_from(known)) for _ in range(3))
        form = draw(st.sampled_from(["{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / {b}", "{a} * {b} + {c}", "{a} * {b} - {c} * {a}",
                                     "np.sqrt({a} * {a} + {b} * {b})", "np.where({a} < {b}, {a} * {c}, {b} - {c})", "0.1 * {a} - {b} * 3.0"]))  # fmt: skip
        lines.append(f"    v{i} = {form.format(a=a, b=b, c=c)}")
        known.append(f"v{i}")
    return f"def f({', '.join(names)}):\n" + "\n".join(lines) + f"\n    return {', '.join(known[-2:])}\n"


def program(text: str) -> Callable[..., Any]:
    space: dict[str, Any] = {"np": np}
    exec(compile(text, "<program>", "exec"), space)
    return space["f"]  # type: ignore[no-any-return]


@settings(max_examples=40, deadline=None)
@given(expressions(), st.integers(0, 2**31))
def test_values_of_random_programs_are_numpys(text: str, seed: int) -> None:
    f = program(text)
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=19) * 10.0 ** rng.integers(-3, 4) for _ in range(3)]
    with np.errstate(all="ignore"):
        same(lj.jit(f)(*arrays), f(*arrays), text)
        singles = [a.astype(np.float32) for a in arrays]
        same(lj.jit(f)(*singles), f(*singles), text)
        numbers = [a[0] for a in arrays]
        assert repr(tuple(map(float, lj.jit(f)(*map(float, numbers))))) == repr(tuple(map(float, f(*numbers))))
