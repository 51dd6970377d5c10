"""A typed program, which mypy --strict and pyright check. Where a line ends in `type: ignore`, they are to refuse it: both complain of one that is
not needed. tests/test_typing.py runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import lantern_jit as lj

Vector = npt.NDArray[np.float64]


def loss(w: Vector, rate: float, steps: int = 3) -> float:
    total = 0.0
    for _ in range(steps):
        total += rate * float(np.sum(w * w))
    return total


def with_aux(x: float, y: float) -> tuple[float, str]:
    return x * y, "aux"


@lj.jit
def scaled(x: float, by: int = 2) -> float:
    return x * by


@lj.jit(nans="raise", threads=1)
def looked(x: float) -> float:
    return x * x


class Model:
    rate = 2.0

    @lj.jit
    def energy(self, x: float) -> float:
        return self.rate * x * x


def program() -> list[Any]:
    w = np.array([1.0, 2.0])
    number: float = scaled(3.0, by=4)
    energy: float = Model().energy(3.0)
    gradient: Vector = lj.grad(loss)(w, 0.5)
    by_rate: float = lj.grad(loss, 1)(w, 0.5)
    both: tuple[Vector, float] = lj.jit(lj.grad(loss, (0, 1)))(w, 0.5)
    value, slope = lj.jit(lj.value_and_grad(loss))(w, 0.5, steps=2)
    there: tuple[float, str] = lj.grad(with_aux, has_aux=True)(2.0, 3.0)
    y, pull = lj.vjp(lambda a: a * a, 3.0)
    back: tuple[float] = pull(1.0)
    out, moved = lj.jvp(looked, (2.0,), (1.0,))
    matrix = lj.hessian(loss)(w, 0.5)
    last, _ = lj.scan(lambda c, x: (c + x, None), 0.0, w)
    rooted: float = lj.while_loop(lambda x: x < 10.0, lambda x: x * 2.0, 1.0)
    chosen: float = lj.cond(number > 3.0, lambda a: a, lambda a: -a, number)
    kept: float = lj.checkpoint(with_aux)(2.0, 3.0)[0] + lj.stop_gradient(1.0)
    again = scaled.inspect(1.0).graph + str(scaled.explain(1.0)) + repr(scaled.specialisations)
    return [
        number,
        energy,
        gradient,
        by_rate,
        both,
        value + 0.0,
        slope.sum(),
        there,
        y,
        back,
        out + moved,
        matrix,
        last,
        rooted,
        chosen,
        kept,
        again,
    ]


if TYPE_CHECKING:  # all of this is wrong
    scaled("three")  # type: ignore[arg-type]
    scaled(1.0, 2, 3)  # type: ignore[call-arg]
    scaled(1.0, times=2)  # type: ignore[call-arg]
    text: str = scaled(1.0)  # type: ignore[assignment]
    lj.jit(loss)("w", 0.5)  # type: ignore[arg-type]
    lj.jit(loss, nans="ignore")  # type: ignore[call-overload]
    lj.jit(loss, threds=2)  # type: ignore[call-overload]
    lj.grad(loss)(0.5)  # type: ignore[call-arg, arg-type]
    words: str = lj.grad(loss, 1)(np.ones(2), 0.5)  # type: ignore[assignment]
    pair: float = lj.value_and_grad(loss)(np.ones(2), 0.5)  # type: ignore[assignment]
    lj.grad(np.ones(2))  # type: ignore[call-overload]
    lj.jacfwd(loss)(np.ones(2))  # type: ignore[call-arg]
    lj.hessian(loss, argnums=1.5)  # type: ignore[arg-type]
    lj.stop_gradient(1.0).upper()  # type: ignore[attr-defined]
    print(lj.nothing_of_this_name)  # type: ignore[attr-defined]
