"""The reference interpreter, which looks at every array: does it have the sizes that its type says?

A symbol takes its number from the array that it is first met in, in each call and whenever that array is made anew; wherever else it
stands, and in polynomials, the numbers must agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import lantern_jit as lj
from lantern_jit.backends.python import interpreter
from lantern_jit.backends.python.interpreter import Primal, Ref
from lantern_jit.ir.core.dims import Applied, Dim, Poly, Symbol
from lantern_jit.ir.core.graph import Var
from lantern_jit.ir.core.types import Array

Binder = tuple[Var, int]


class WrongSize(Exception):
    """An array does not have the sizes that its type says."""


class Numbers:
    """The symbols' numbers in one call."""

    def __init__(self) -> None:
        self.known: dict[Symbol, tuple[int, Binder]] = {}

    def value(self, d: Dim) -> int | None:
        """None where a symbol has no number yet."""
        if isinstance(d, int):
            return d
        assert isinstance(d, Poly)
        total = 0
        for factors, product in d.terms:
            for f in factors:
                n = self.factor(f)
                if n is None:
                    return None
                product *= n
            total += product
        return total

    def factor(self, f: Symbol | Applied) -> int | None:
        if isinstance(f, Symbol):
            return self.known[f][0] if f in self.known else None
        args = [self.value(a) for a in f.args]
        if None in args:
            return None
        return {"max": max, "min": min, "over": lambda a, b: a // b}[f.name](*args)  # type: ignore[no-any-return, operator]

    def look(self, v: Var, x: Any) -> None:
        if not isinstance(v.type, Array) or not isinstance(x, Ref):
            return
        for axis, (d, n) in enumerate(zip(v.type.dims, x.value.shape, strict=True)):
            if isinstance(d, str):
                continue
            bare = (
                d.terms[0][0][0] if isinstance(d, Poly) and len(d.terms) == 1 and d.terms[0][1] == 1 and len(d.terms[0][0]) == 1 else None
            )
            if isinstance(bare, Symbol) and self.known.get(bare, (0, (v, axis)))[1] == (v, axis):
                self.known[bare] = n, (v, axis)
            elif (wanted := self.value(d)) is not None and wanted != n:
                raise WrongSize(f"%{v.name} of type {v.type} has the shape {x.value.shape}, for {d} is {wanted}")


class Env(dict[Var, Any]):
    """Variables of one call; each array is looked at when it comes in."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        self.numbers = Numbers()
        self.update(*args)

    def update(self, *args: Any) -> None:  # type: ignore[override]
        for v, x in args[0]:
            self.numbers.look(v, x)
            self[v] = x


class Sized(Primal):
    looked = 0  # calls that have been looked at

    def call(self, name: str, args: Sequence[Any]) -> list[Any]:
        Sized.looked += 1
        return super().call(name, args)

    def environment(self, pairs: Any) -> dict[Var, Any]:
        return Env(pairs)


@contextmanager
def looking() -> Iterator[None]:
    before = interpreter.Primal
    interpreter.Primal = Sized  # type: ignore[misc]
    try:
        yield
    finally:
        interpreter.Primal = before  # type: ignore[misc]


def check_sizes(f: Any, *args: Any) -> None:
    """Interpret a jitted function for these arguments; WrongSize where a type says what is not so."""
    specialisation, leaves = lj.jit(f)._dispatcher.lookup(args, {})
    before = Sized.looked
    with looking():
        specialisation.interpret(leaves)
    assert Sized.looked > before
