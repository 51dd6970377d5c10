"""The paper in Python: reverse mode is callbacks, and there is no tape.

    def mul(x, y, k):  z = x * y;  dz = k(z);  dx += dz * y;  dy += dz * x

`Primal` (forward.py) runs a function. `Callbacks` runs its reverse pass: an operation computes, calls its continuation `k`
(the rest of the program), reads its adjoint back and adds to the adjoints of its arguments. A jump passes values
down and brings adjoints back; a store is undone when its continuation returns. Python's own call stack is the
only record of the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ir.core import faults
from ...ir.core.graph import Atom, Block, Call, Edge, Fail, Jump, Let, Return, Var
from ...ir.core.kernel import varies
from ...ir.core.op import PLAIN, REVERSE, TABLE, Stage, written
from ...ir.core.types import Array, carries_gradient, is_float
from ...ir.diff.cps import has_adjoint
from ...ir.diff.reverse import Reverse, adjoint_of_pullback
from ...ir.diff.rules import pull_function, rule_terms
from ...ir.ops import effects, images
from ...ir.ops.records import places
from ...ir.python import host
from .forward import VALUES, Primal, Ref, array_op, element, typed
from .kernels import Run

Continuation = Callable[[list[Any]], list[Any]]
CONTINUED = Stage("reverse mode in Python", lambda op: False, late=True)  # operations that call their continuation themselves
OWN = ("own", "function")
ADJOINTS = Stage("reverse mode in Python", lambda op: op.adjoint in OWN and not op.early and op.name not in CONTINUED, late=True)


class Callbacks:
    """One call of one function in reverse mode. `env` and `adj` hold its variables; a binding made on the way
    down is taken back on the way up, so that loops may bind a variable again and again."""

    def __init__(self, primal: Primal, rev: Reverse) -> None:
        self.primal, self.rev, self.f = primal, rev, rev.function
        self.env: dict[Var, Any] = {}
        self.adj: dict[Var, Any] = {}

    def run(self, args: Sequence[Any], k: Continuation) -> list[Any]:
        """The adjoints of the parameters (0.0 for arrays: theirs is in memory)."""
        self.k = k
        for p, a in zip(self.f.params, args, strict=True):
            self.env[p], self.adj[p] = a, 0.0
        self.block(self.f.entry, [])
        return [self.adj[p] for p in self.f.params]

    # ---- continuations
    def block(self, block: Block, values: list[Any]) -> list[Any]:
        """Pass values to a block; its parameters' adjoints come back."""
        before = [(p, self.env.get(p), self.adj.get(p)) for p in block.params]
        for p, v in zip(block.params, values, strict=True):
            self.env[p], self.adj[p] = v, 0.0
        self.rest(block, 0)
        adjoints = [self.adj[p] for p in block.params]
        for p, v, d in before:
            self.env[p], self.adj[p] = v, d
        return adjoints

    def rest(self, block: Block, i: int) -> None:
        """The continuation at operation `i` of `block`."""
        bound: list[Any] = []
        copies: list[Any] = []
        while i < len(block.lets) and not self.is_active(block.lets[i]):
            let = block.lets[i]
            bound.append((let, [self.env.get(o) for o in let.outs], self.undo(let)))
            old = [] if TABLE[let.op].indexed else self.saved(let)
            copies.append(old)
            self.primal.let(let, self.env)
            i += 1
        if i < len(block.lets):
            self.operation(block.lets[i], lambda: self.rest(block, i + 1))
        else:
            self.terminator(block.terminator)
        for (let, old, undo), before in zip(reversed(bound), reversed(copies), strict=True):
            for ref, value in before:
                ref.value[...] = value
            self.env.update(zip(let.outs, old, strict=True))
            if undo is not None:
                undo[0].value[undo[1]] = undo[2]

    def is_active(self, let: Let) -> bool:
        return has_adjoint(let, self.rev.activity)

    def saved(self, let: Let) -> list[tuple[Ref, Any]]:
        """The arrays that an operation is about to write to, and copies."""
        return [(ref, ref.value.copy()) for ref in map(self.env.__getitem__, written(let))]

    def undo(self, let: Let) -> Any:
        """What a store is about to overwrite."""
        if not (TABLE[let.op].indexed and TABLE[let.op].writes):
            return None
        ref, *index = (self.primal.read(self.env, a) for a in let.args[:-1])
        at = element(let, ref, index)
        return ref, at, ref.value[at]

    # ---- an operation calls its continuation
    def operation(self, let: Let, k: Callable[[], None]) -> None:
        """The five steps: 1 compute, 2 fresh cell, 3 call k, 4 read back, 5 accumulate."""
        self.primal.spend()
        xs = [self.primal.read(self.env, a) for a in let.args]
        before = [(o, self.env.get(o), self.adj.get(o)) for o in let.outs]
        op = TABLE[let.op]
        own = CONTINUED.get(let.op)
        if own is not None:
            own(self, let, xs, k)
            return
        for place in (place for _, place in op.aliases if isinstance(xs[place], Ref)):
            _ = xs[place].adjoint  # shared with the result
        old = self.saved(let)
        runs_again = op.calls in (REVERSE, PLAIN) and effects.has_effects(self.primal.program, let.attrs["f"])
        moment = host.running().mark() if runs_again else None
        zs = self.primal.compute(let, xs)  # 1
        for o, z in zip(let.outs, zs, strict=True):
            self.env[o], self.adj[o] = z, 0.0  # 2
        k()  # 3
        ds = [z.adjoint if isinstance(z, Ref) else self.adj[o] for o, z in zip(let.outs, zs, strict=True)]  # 4
        for ref, value in old:
            ref.value[...] = value
        self.accumulate(let, ds, zs, xs, moment)  # 5
        for o, v, d in before:
            self.env[o], self.adj[o] = v, d

    @CONTINUED.of("store")
    def store(self, let: Let, xs: list[Any], k: Callable[[], None]) -> None:
        ref, at, old = self.undo(let)
        ref.value[at] = xs[-1]  # 1; 2: the cell is the array's own, and zero
        k()  # 3
        self.add(let.args[-1], ref.adjoint[at])  # 4, 5
        ref.adjoint[at] = 0.0
        ref.value[at] = old

    @CONTINUED.of("kernel")
    def kernel(self, let: Let, xs: list[Any], k: Callable[[], None]) -> None:
        run = Run(let, lambda a: self.primal.read(self.env, a))
        before = [(o, self.env.get(o), self.adj.get(o)) for o in let.outs]
        old = run.saved()
        for o, z in zip(let.outs, self.primal.kernel(let, run), strict=True):
            self.env[o], self.adj[o] = z, 0.0
        k()
        adjoints = {o: self.env[o].adjoint if isinstance(self.env[o], Ref) else self.adj[o] for o in let.outs if o in self.rev.activity}
        body = self.primal.program.functions[run.k.f]
        active = self.rev.activity.__contains__
        wanted = [r.into is not None or (r.out is not None and r.out in self.rev.activity) for r in run.k.results]
        inner = self.primal.reverses.get(body.name, [varies(x, active) for x in run.k.inputs], wanted)

        def pull(args: list[Any], cotangents: list[Any]) -> list[Any]:
            return Callbacks(self.primal, inner).run(args, lambda _: [typed(c, t) for c, t in zip(cotangents, body.results, strict=True)])

        run.backward(pull, active, adjoints, self.add, old)
        for o, v, d in before:
            self.env[o], self.adj[o] = v, d

    @CONTINUED.of("scatter")
    def scatter(self, let: Let, xs: list[Any], k: Callable[[], None]) -> None:
        x, index, v = xs
        before = x.value.copy()
        array_op(self.primal, let, xs)
        k()
        x.value[...] = before
        for at, i in reversed(list(zip(index.value.ravel(), np.ndindex(*index.value.shape), strict=True))):
            if let.args[2] in self.rev.activity:
                v.adjoint[i] += x.adjoint[at]
            if not let.attrs["add"]:
                x.adjoint[at] = 0.0

    def traced(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """Its rule is a function of the program, which gives what is to be added, and of what was written the adjoint itself."""
        wanted, targets = [a in self.rev.activity for a in let.args], written(let)
        name = pull_function(self.primal.program, let, wanted)
        values = [
            Ref(d) if isinstance(d, np.ndarray) and isinstance(o.type, Array) else typed(d, o.type)
            for d, o in zip(ds, let.outs, strict=True)
            if carries_gradient(o.type)
        ]
        values += [Ref(self.env[v].adjoint.copy()) for v in targets if carries_gradient(v.type)]
        back = iter(self.primal.call(name, [*xs, *zs, *values]))
        for a, x, w in zip(let.args, xs, wanted, strict=True):
            if w and a in targets:
                x.adjoint[...] = next(back).value
            elif w:
                self.add_value(a, x, next(back))

    def accumulate(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        adjoint = TABLE[let.op].adjoint
        (ADJOINTS[let.op] if adjoint in OWN else BY_ADJOINT[adjoint])(self, let, ds, zs, xs, moment)

    def nothing(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """It does not depend on anything."""

    def by_rule(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        wanted = [a in self.rev.activity for a in let.args]
        terms = rule_terms(self.primal.program.functions, let, wanted, typed(ds[0], let.out.type), zs[0], *xs)
        for a, term in zip(let.args, terms, strict=True):
            if term is not None:
                self.add(a, term)

    @ADJOINTS.of("hold")
    def hold(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        for a, at in zip(let.args, places(let.args), strict=False):
            if is_float(a.type):
                self.add(a, typed(ds[0][at], a.type))

    @ADJOINTS.of("held")
    def held(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        for o, d, at in zip(let.outs, ds, places(let.outs), strict=False):
            if is_float(o.type):
                xs[0].adjoint[at] += d

    @ADJOINTS.of("load")
    def load(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        xs[0].adjoint[element(let, xs[0], xs[1:])] += ds[0]

    @ADJOINTS.of("copy")
    def copy(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        if let.args[0] in self.rev.activity:
            xs[0].adjoint[...] += ds[0]

    @ADJOINTS.of("alloc")
    def alloc(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        assert isinstance(let.out.type, Array)
        self.add(let.args[-1], ds[0].sum(axis=tuple(range(let.out.type.rank))))  # not over the lanes of a block

    @ADJOINTS.of("reshape", "part", "weight")
    def shared(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """The adjoint is shared."""

    @ADJOINTS.of("take")
    def take(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        if let.args[0] in self.rev.activity:
            np.add.at(xs[0].adjoint, xs[1].value, ds[0])

    @ADJOINTS.of("conv")
    def conv(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        attrs = {name: let.attrs[name] for name in ("strides", "dilation", "groups")}
        if let.args[0] in self.rev.activity:
            images.conv_input(ds[0], xs[1].value, xs[0].adjoint, **attrs)
        if let.args[1] in self.rev.activity:
            images.conv_weight(xs[0].value, ds[0], xs[1].adjoint, **attrs)

    @ADJOINTS.of("custom")
    def custom(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """The user's function of the way back."""
        n, m = len(zs), len(zs) + let.attrs["own"]
        cotangents = [
            Ref(d) if isinstance(d, np.ndarray) and isinstance(o.type, Array) else typed(d, o.type)
            for d, o in zip(ds, let.outs, strict=True)
        ]
        back = iter(self.primal.call(let.attrs["f"], [*xs[n:m], *zs, *xs[m : m + let.attrs["kept"]], *cotangents]))
        for a, x in zip(let.args[n:m], xs[n:m], strict=True):
            if carries_gradient(a.type):
                self.add_value(a, x, next(back))

    def add(self, a: Atom, d: Any) -> None:
        if a in self.rev.activity:
            self.adj[a] = self.adj[a] + d  # type: ignore[index]

    @ADJOINTS.of("gemm", "gemm_weight")
    def gemm(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """Z = X Y of X = op(A), Y = op(B): dX += dZ Y^T; dY += X^T dZ"""
        turns = let.attrs["ta"], let.attrs["tb"]
        x, y = (np.swapaxes(np.atleast_2d(v.value), -1, -2) if turn else np.atleast_2d(v.value) for v, turn in zip(xs, turns, strict=False))
        d = np.atleast_2d(ds[0])
        found = np.matmul(d, np.swapaxes(y, -1, -2)), np.matmul(np.swapaxes(x, -1, -2), d)
        for a, v, term, turn in zip(let.args, xs, found, turns, strict=False):
            if a in self.rev.activity:
                v.adjoint[...] += (np.swapaxes(term, -1, -2) if turn else term).reshape(v.value.shape)

    @ADJOINTS.of("pullback")
    def pullback(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """The adjoint of a pullback is a pullback of its function's jvp, which evaluates it again."""
        adjoint, floats, given = adjoint_of_pullback(self.primal.program, let, self.rev.activity)
        n = len(xs) - let.attrs["cotangents"]
        results = len(let.outs) - len(let.attrs["wrt"])
        values = [
            Ref(d) if isinstance(d, np.ndarray) and isinstance(o.type, Array) else typed(d, o.type) if carries_gradient(o.type) else d
            for d, o in zip(ds, let.outs, strict=True)
        ]
        v = dict(zip(let.attrs["wrt"], values[results:], strict=True))
        args = [*xs[:n], *(v[i] for i in sorted(v)), *(values[i] for i in given), *xs[n:]]
        if moment is not None:
            host.running().again(moment)
        outs = pullback(self.primal, adjoint, args)
        if moment is not None:
            host.running().done()
        total = len(outs) - len(adjoint.attrs["wrt"])
        for i, d in zip(adjoint.attrs["wrt"], outs[total:], strict=True):
            self.add_value(let.args[i], xs[i], d)
        for c, r in zip(range(n, len(xs)), let.attrs["ct"], strict=True):
            self.add_value(let.args[c], xs[c], outs[results + floats.index(r)])

    @ADJOINTS.of("callback")
    def callback(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        effects.no_derivative(let)

    @ADJOINTS.of("checkpoint")
    def checkpoint(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """Its function once more, and at once back."""

        def k(values: list[Any]) -> list[Any]:
            for v, d in zip(values, ds, strict=True):
                if isinstance(v, Ref) and isinstance(d, np.ndarray):
                    v.adjoint[...] += d
            return [0.0 if isinstance(v, Ref) or not carries_gradient(o.type) else d for v, d, o in zip(values, ds, let.outs, strict=True)]

        if moment is not None:
            host.running().again(moment)
        adjoints = Callbacks(self.primal, self.primal.reverses.of_checkpoint(self.rev, let)).run(xs, k)
        if moment is not None:
            host.running().done()
        for a, d in zip(let.args, adjoints, strict=True):
            self.add(a, d)

    def add_value(self, a: Atom, x: Any, d: Any) -> None:
        if a in self.rev.activity:
            if isinstance(x, Ref):
                x.adjoint[...] += d.value
            else:
                self.add(a, d)

    # ---- the ends of blocks
    def terminator(self, t: Any) -> None:
        if isinstance(t, Fail):
            raise faults.make_error(faults.KINDS[t.kind], t.site)
        read = self.primal.read
        if isinstance(t, Return):
            for a, d in zip(t.args, self.k([read(self.env, a) for a in t.args]), strict=True):
                self.add(a, d)
        elif isinstance(t, Call):
            args = [read(self.env, a) for a in t.args]
            callee = self.primal.reverses.of_call(self.rev, t)

            def after(results: list[Any]) -> list[Any]:
                return self.pass_on(t.then, results)[: len(results)]

            for a, d in zip(t.args, Callbacks(self.primal, callee).run(args, after), strict=True):
                self.add(a, d)
        else:
            self.pass_on(t.edge if isinstance(t, Jump) else t.then if read(self.env, t.cond) else t.orelse, [])

    def pass_on(self, edge: Edge, results: list[Any]) -> list[Any]:
        """Jump along `edge`, and add the adjoints that come back to what was passed."""
        self.primal.spend()
        values = [self.primal.read(self.env, a) for a in edge.args]
        adjoints = self.block(self.f.blocks[edge.block], results + values)
        for a, d in zip(edge.args, adjoints[len(results) :], strict=True):
            self.add(a, d)
        return adjoints


BY_ADJOINT = {"rule": Callbacks.by_rule, "zero": Callbacks.nothing, "pullback": Callbacks.traced}


@VALUES.of("pullback")
def pullback(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    """y and dx of `y, dx = pullback[f](x, c)`: one reverse pass."""
    rev = primal.reverses.of_pullback(let)
    n = len(xs) - let.attrs["cotangents"]
    cotangents = dict(zip(let.attrs["ct"], xs[n:], strict=True))
    args = [Ref(x.value, np.zeros_like(x.value)) if i in let.attrs["wrt"] and isinstance(x, Ref) else x for i, x in enumerate(xs[:n])]
    results: list[Any] = []

    def k(values: list[Any]) -> list[Any]:
        out = []
        for i, v in enumerate(values):
            results.append(Ref(v.value.copy()) if isinstance(v, Ref) else v)
            c = cotangents.get(i)
            if isinstance(v, Ref) and c is not None:
                v.adjoint[...] += c.value
            out.append(0.0 if c is None or isinstance(v, Ref) else c)
        return out

    adjoints = Callbacks(primal, rev).run(args, k)
    return results + [
        Ref(args[i].adjoint) if isinstance(args[i], Ref) else typed(adjoints[i], rev.function.params[i].type) for i in let.attrs["wrt"]
    ]
