"""check_grads: what it differentiates, and what it says where a derivative is wrong."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import checks, errors

Pair = namedtuple("Pair", "a b")


def of_containers(p: Any, n: int, mode: str, nothing: None) -> Any:
    total = lj.scan(lambda c, v: (np.sin(c + v), c), p["c"], p["b"])[0]
    return {"u": [p["w"] @ p["b"], Pair(np.sin(p["c"]) * n, n)], "v": nothing if mode == "none" else total, "mask": p["b"] > 1}


CONTAINERS = ({"w": np.array([[0.3, 1.2, -0.4], [0.8, 0.1, 0.5]]), "b": np.arange(3.0), "c": 0.3}, 3, "none", None)


@pytest.mark.parametrize("modes", ["fwd", "rev", ("fwd", "rev")])
@pytest.mark.parametrize("mode", ["none", "all"])
def test_containers_in_arguments_and_results(modes: Any, mode: str) -> None:
    lj.check_grads(of_containers, (*CONTAINERS[:2], mode, None), order=2, modes=modes)


def test_precisions_and_orders() -> None:
    lj.check_grads(lambda x: np.sum(np.tanh(x) * x), (np.linspace(0.1, 1, 4, dtype=np.float32),), order=2)
    lj.check_grads(lambda x: x**3, (np.float32(1.5),), order=3)
    lj.check_grads(lambda x, y: x * np.exp(y), (1.0, 2.0), order=3)
    with pytest.raises(errors.GradientCheckError):
        lj.check_grads(np.exp, (1.0,), rtol=1e-14, atol=0.0)


# What a central difference says at a kink, or a jump, is not what a derivative is: these are "wrong" at one known place.
WRONG: list[tuple[Any, Any, Any, str]] = [
    (lambda x, y: (y, abs(x) * y), (0.0, 2.0), "fwd", r"jvp gives 2\.0 for the result\[1\] in the direction of argument 0 where central differences give 0\.0"),
    (lambda x: {"s": np.where(x["a"] > 1, 2 * x["a"], x["a"])}, ({"a": np.array([0.5, 1.0, 3.0])},), "fwd",
     r"jvp gives 1\.0 for the result\['s'\]\[1\] in the direction of argument 0\['a'\]\[1\] where"),
    (lambda x, y: abs(x) * y, (0.0, 2.0), "rev", r"vjp gives .* summed over the result in the direction of argument 0 where central differences give -?0\.0"),
    (lambda x: [np.floor(x["a"]), x["b"]], ({"a": np.array([[0.5, 1.0]]), "b": 1.0},), "rev",
     r"vjp gives .* summed over the result\[0\], the result\[1\] in the direction of argument 0\['a'\]\[0, 1\]"),
    (lambda x: abs(x) * x, (0.0,), ("fwd", "rev"), ""),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(WRONG)))
def test_it_says_which_is_wrong(i: int) -> None:
    f, args, modes, text = WRONG[i]
    if not text:
        lj.check_grads(f, args, modes=modes)  # smooth to first order
        with pytest.raises(errors.GradientCheckError, match=r"jvp of jvp gives .* for the result in the direction of argument 0"):
            lj.check_grads(f, args, order=2, modes="fwd")
        with pytest.raises(errors.GradientCheckError, match=r"vjp of vjp gives .* summed over the adjoint of argument 0 in the direction"):
            lj.check_grads(f, args, order=2, modes="rev")
        return
    with pytest.raises(errors.GradientCheckError, match=text):
        lj.check_grads(f, args, modes=modes)


def test_native_code_is_compared_with_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    of = checks.jit

    class Off:
        def __init__(self, made: Any) -> None:
            self.made, self._dispatcher = made, made._dispatcher

        def __call__(self, *args: Any) -> Any:
            out = self.made(*args)
            return (out[0] * 1.001, *out[1:]) if len(args) == 3 else out

    monkeypatch.setattr(checks, "jit", lambda f: Off(of(f)))
    with pytest.raises(errors.GradientCheckError, match=r"jvp for the result is .* in native code, and .* on the interpreter"):
        lj.check_grads(lambda x: x * x, (3.0,))
    with pytest.raises(errors.GradientCheckError, match=r"on the interpreter, at \[1\]$"):
        lj.check_grads(lambda x: x * x, (np.array([0.0, 3.0]),))


def test_what_cannot_be_checked_is_said() -> None:
    with pytest.raises(TypeError, match="no float and no array of floats to differentiate"):
        lj.check_grads(lambda x: x, (1,))
    with pytest.raises(TypeError, match="gives no float"):
        lj.check_grads(lambda x: int(x), (1.0,))
    for modes in ("both", (), ("fwd", "reverse")):
        with pytest.raises(ValueError, match="give 'fwd', 'rev' or both"):
            lj.check_grads(lambda x: x, (1.0,), modes=modes)
    with pytest.raises(ValueError, match="order=0"):
        lj.check_grads(lambda x: x, (1.0,), order=0)
