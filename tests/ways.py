"""The reference interpreter, which runs backwards by the functions of the program that native code runs, and not by its own code for
each operation. Adjoints that need no zeros begin as NaN."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from lantern_jit.backends.python import callbacks
from lantern_jit.backends.python.callbacks import Callbacks, Continuation
from lantern_jit.backends.python.forward import Primal, Ref, typed
from lantern_jit.ir.core.graph import Let
from lantern_jit.ir.core.op import TABLE
from lantern_jit.ir.core.types import Array
from lantern_jit.ir.diff.reverse import Reverse


class ByFunctions(Callbacks):
    ran = 0  # functions that have run operations backwards

    @staticmethod
    def starting(primal: Primal, let: Let) -> Reverse:
        rev = primal.reverses.of_pullback(let)
        return primal.reverses.starts.get(rev.name, rev)

    def run(self, args: Sequence[Any], k: Continuation) -> list[Any]:
        if self.rev.memory is not None:
            for p in {v for _, v in self.rev.firsts}:
                args[self.f.params.index(p)].adjoint[...] = np.nan
        return super().run(args, k)

    def operation(self, let: Let, k: Callable[[], None]) -> None:
        adjoint = self.rev.memory.adjoints.get(let) if self.rev.memory is not None else None
        if adjoint is None:
            super().operation(let, k)
            return
        ByFunctions.ran += 1
        before = [(o, self.env.get(o), self.adj.get(o)) for o in let.outs]
        kept: list[Any] = []

        def given(what: str, x: Any) -> Any:
            if what == "kept":
                return kept[x]
            if what == "value":
                return self.primal.read(self.env, x)
            return Ref(self.env[x].adjoint) if isinstance(x.type, Array) else typed(self.adj[x], x.type)

        def call(name: str, gives: Any) -> list[Any]:
            return self.primal.call(name, [given(*each) for each in gives])

        if adjoint.there is not None:
            outs = call(adjoint.there, adjoint.there_given)
        elif TABLE[let.op].nest:
            outs = self.primal.kernel(let, callbacks.Run(let, lambda a: self.primal.read(self.env, a)))
        else:
            outs = self.primal.compute(let, [self.primal.read(self.env, a) for a in let.args])
        kept += outs[len(let.outs) :]
        for o, z in zip(let.outs, outs, strict=False):
            self.env[o], self.adj[o] = z, 0.0
            if o in self.rev.memory.covered:
                z.adjoint[...] = np.nan
        k()
        for v, d in zip(adjoint.returned, call(adjoint.back, adjoint.given), strict=True):
            self.add(v, d)
        for o, v, d in before:
            self.env[o], self.adj[o] = v, d


def by_functions(interpret: Callable[[], Any]) -> Any:
    """What this gives on that interpreter; None where no function has run an operation."""
    before = ByFunctions.ran
    with installed():
        found = interpret()
    return found if ByFunctions.ran > before else None


@contextmanager
def installed() -> Iterator[None]:
    callbacks.Callbacks = ByFunctions  # type: ignore[misc]
    try:
        yield
    finally:
        callbacks.Callbacks = Callbacks  # type: ignore[misc]
