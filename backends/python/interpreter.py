"""The reference interpreter: the paper in Python. Reverse mode is callbacks; there is no tape.

    def mul(x, y, k):  z = x * y;  dz = k(z);  dx += dz * y;  dy += dz * x

`Primal` runs a function. `Callbacks` runs its reverse pass: an operation computes, calls its continuation `k`
(the rest of the program), reads its adjoint back and adds to the adjoints of its arguments. A jump passes values
down and brings adjoints back; a store is undone when its continuation returns. Python's own call stack is the
only record of the forward pass.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ir.core import errors, faults
from ...ir.core.graph import Atom, Block, Call, Const, Edge, Fail, Function, Jump, Let, Program, Return, Var
from ...ir.core.kernel import varies
from ...ir.core.machine import Fault
from ...ir.core.op import FORWARD, REVERSE, TABLE, Stage, written
from ...ir.core.types import NUMPY_DTYPES, Array, Scalar, carries_gradient
from ...ir.diff.close import closed
from ...ir.diff.cps import has_adjoint
from ...ir.diff.reverse import Reverse, Reverses, adjoint_of_pullback
from ...ir.diff.rules import library_function, pull_function
from ...ir.python import host, random
from .kernels import Run, scalar

MAX_DEPTH = 400_000


class Ref:
    """An array and its adjoint (made when first asked for: a symbolic zero until then)."""

    __slots__ = ("adjoint_", "value")

    def __init__(self, value: np.ndarray[Any, Any], adjoint: np.ndarray[Any, Any] | None = None) -> None:
        self.value, self.adjoint_ = value, adjoint

    @property
    def adjoint(self) -> np.ndarray[Any, Any]:
        if self.adjoint_ is None:
            self.adjoint_ = np.zeros_like(self.value)
        return self.adjoint_


def literal(c: Const) -> Any:
    """A constant as a value of the scalar machine."""
    return c.value if c.type.name == "bool" else NUMPY_DTYPES[c.type].type(c.value)  # type: ignore[union-attr, index]


def element(let: Let, ref: Ref, index: Sequence[Any]) -> tuple[int, ...]:
    """A checked, non-negative index."""
    out = []
    for axis, (i, n) in enumerate(zip(index, ref.value.shape, strict=True)):
        i = int(i)
        if not -n <= i < n:
            raise faults.make_error(faults.KINDS["index"], let.site, (i, n, axis))
        out.append(i + n if i < 0 else i)
    return tuple(out)


class Exhausted(Exception):
    """A run has done as many operations as it was allowed."""


VALUES = Stage(
    "interpretation", lambda op: op.body is None and op.program is None and not op.nest and op.calls != FORWARD
)  # (primal, let, values) -> outs


class Primal:
    """Runs functions forward. `left` is how many operations it may do, those of reverse passes included."""

    def __init__(self, program: Program, left: float = math.inf) -> None:
        self.program, self.left = program, left
        self.reverses: Reverses = program.reverses

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Exhausted

    def call(self, name: str, args: Sequence[Any]) -> list[Any]:
        f = self.program.functions[name]
        env: dict[Var, Any] = dict(zip(f.params, args, strict=True))
        block = f.entry
        values: list[Any] = []
        while True:
            env.update(zip(block.params, values, strict=True))
            for let in block.lets:
                self.let(let, env)
            t = block.terminator
            if isinstance(t, Return):
                return [self.read(env, a) for a in t.args]
            block, values = self.step(f, t, env)

    def step(self, f: Function, t: Any, env: dict[Var, Any]) -> tuple[Block, list[Any]]:
        self.spend()
        if isinstance(t, Fail):
            raise faults.make_error(faults.KINDS[t.kind], t.site)
        results: list[Any] = []
        if isinstance(t, Call):
            results = self.call(t.function, [self.read(env, a) for a in t.args])
        edge: Edge = t.edge if isinstance(t, Jump) else t.then if isinstance(t, Call) or self.read(env, t.cond) else t.orelse
        return f.blocks[edge.block], results + [self.read(env, a) for a in edge.args]

    @staticmethod
    def read(env: dict[Var, Any], a: Atom) -> Any:
        return env[a] if isinstance(a, Var) else literal(a)

    def let(self, let: Let, env: dict[Var, Any]) -> None:
        self.spend()
        if TABLE[let.op].nest:
            outs = self.kernel(let, Run(let, lambda a: self.read(env, a)))
        else:
            outs = self.compute(let, [self.read(env, a) for a in let.args])
        env.update(zip(let.outs, outs, strict=True))

    def kernel(self, let: Let, run: Run) -> list[Any]:
        try:
            return run.forward(lambda args: self.call(run.k.f, args), Ref)
        except errors.LanternError as e:
            raise faults.at_site(e, let.site) from None

    def compute(self, let: Let, xs: list[Any]) -> list[Any]:
        """The values of everything but a kernel."""
        op = TABLE[let.op]
        if not op.scalar:
            one = array_op if op.body is not None else by_program if op.program is not None else VALUES[let.op]
            return one(self, let, xs)
        try:
            return [op.body(op.machine, *xs, **let.attrs)]
        except Fault as fault:
            raise faults.make_error(faults.KINDS[fault.kind], let.site, fault.values) from None

    @VALUES.of("load")
    def load(self, let: Let, xs: list[Any]) -> list[Any]:
        return [scalar(xs[0].value[element(let, xs[0], xs[1:])])]

    @VALUES.of("store")
    def store(self, let: Let, xs: list[Any]) -> list[Any]:
        xs[0].value[element(let, xs[0], xs[1:-1])] = xs[-1]
        return []

    @VALUES.of("dim")
    def dim(self, let: Let, xs: list[Any]) -> list[Any]:
        return [np.int64(xs[0].value.shape[let.attrs["axis"]])]

    @VALUES.of("copy")
    def copy(self, let: Let, xs: list[Any]) -> list[Any]:
        return [Ref(xs[0].value.copy())]

    @VALUES.of("host")
    def host(self, let: Let, xs: list[Any]) -> list[Any]:
        number = host.perform(self.program, let.attrs["recipe"], [x.value.copy() if isinstance(x, Ref) else x for x in xs])
        return [np.int64(number) for _ in let.outs]

    @VALUES.of("draw")
    def draw(self, let: Let, xs: list[Any]) -> list[Any]:
        made = random.draw(let.attrs["kind"], let.out.type, *xs)
        return [Ref(made) if isinstance(made, np.ndarray) else made]

    @VALUES.of("pullback")
    def pullback(self, let: Let, xs: list[Any]) -> list[Any]:
        """y and dx of `y, dx = pullback[f](x, c)`: one reverse pass."""
        rev = self.reverses.of_pullback(let)
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

        adjoints = Callbacks(self, rev).run(args, k)
        return results + [
            Ref(args[i].adjoint) if isinstance(args[i], Ref) else _typed(adjoints[i], rev.function.params[i].type) for i in let.attrs["wrt"]
        ]


@VALUES.of("check_range")
def check_range(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    """Raise, if the loop from start to limit runs at all, with the first index that is out of bounds."""
    ref, first, end, start, limit = xs
    n = ref.value.shape[let.attrs["axis"]]
    inside = end <= n if let.attrs["moves"] else -n <= first < n
    if limit > start and not inside:
        culprit = max(int(first), n) if let.attrs["moves"] else int(first)
        raise faults.make_error(faults.KINDS["index"], let.site, (culprit, n, let.attrs["axis"]))
    return []


@VALUES.of("alloc")
def allocate(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    t = let.out.type
    assert isinstance(t, Array)
    shape = tuple(int(n) for n in xs[:-1])
    if any(n < 0 for n in shape):
        raise faults.make_error(faults.KINDS["size"], let.site, (min(shape), 0, 0))
    try:
        return [Ref(np.full(shape, xs[-1], NUMPY_DTYPES[t.dtype]))]
    except (MemoryError, ValueError):
        raise faults.make_error(
            faults.KINDS["memory"], let.site, (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20, 0, 0)
        ) from None


@VALUES.of("reshape")
def reshaped(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    """The same memory in another shape, and so its adjoint."""
    shape = tuple(int(n) for n in xs[1:])
    return [Ref(xs[0].value.reshape(shape), None if xs[0].adjoint_ is None else xs[0].adjoint.reshape(shape))]


def by_program(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    """An operation whose value is a traced program."""
    return primal.call(library_function(primal.program, let), xs)


def array_op(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    """An operation whose row has its value by NumPy and SciPy."""
    given = [x.value if isinstance(x, Ref) else x for x in xs]
    try:
        outs = TABLE[let.op].body(*given, **{k: v for k, v in let.attrs.items() if k != "fails"})
    except (np.linalg.LinAlgError, Fault) as e:
        kind, values = (e.kind, e.values) if isinstance(e, Fault) else ("linalg", (0, 0, 0))
        raise faults.make_error(faults.KINDS[kind], let.site, values) from None
    out: list[Any] = []
    for z, o in zip(outs, let.outs, strict=True):
        out.append(Ref(np.ascontiguousarray(z, NUMPY_DTYPES[o.type.dtype])) if isinstance(o.type, Array) else NUMPY_DTYPES[o.type].type(z))
    return out


def _typed(x: Any, t: Any) -> Any:
    return NUMPY_DTYPES[t].type(x)


Continuation = Callable[[list[Any]], list[Any]]
CONTINUED = Stage("reverse mode in Python", lambda op: False)  # operations that call their continuation themselves
ADJOINTS = Stage("reverse mode in Python", lambda op: op.adjoint == "own" and op.calls != FORWARD and op.name not in CONTINUED)


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
        moment = host.running().mark() if op.calls == REVERSE and host.has_effects(self.primal.program, let.attrs["f"]) else None
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
            return Callbacks(self.primal, inner).run(args, lambda _: [_typed(c, t) for c, t in zip(cotangents, body.results, strict=True)])

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
            Ref(d) if isinstance(d, np.ndarray) else _typed(d, o.type)
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
        (ADJOINTS[let.op] if adjoint == "own" else BY_ADJOINT[adjoint])(self, let, ds, zs, xs, moment)

    def nothing(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """It does not depend on anything."""

    def by_rule(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        terms = TABLE[let.op].rule(_typed(ds[0], let.out.type), zs[0], *xs, **let.attrs)
        for a, term in zip(let.args, terms, strict=True):
            if term is not None:
                self.add(a, term)

    @ADJOINTS.of("load")
    def load(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        xs[0].adjoint[element(let, xs[0], xs[1:])] += ds[0]

    @ADJOINTS.of("copy")
    def copy(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        if let.args[0] in self.rev.activity:
            xs[0].adjoint[...] += ds[0]

    @ADJOINTS.of("alloc")
    def alloc(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        self.add(let.args[-1], ds[0].sum())

    @ADJOINTS.of("reshape")
    def reshape(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """The adjoint is shared."""

    def add(self, a: Atom, d: Any) -> None:
        if a in self.rev.activity:
            self.adj[a] = self.adj[a] + d  # type: ignore[index]

    @ADJOINTS.of("gemm")
    def gemm(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """Z = X Y of X = op(A), Y = op(B): dX += dZ Y^T; dY += X^T dZ"""
        turns = let.attrs["ta"], let.attrs["tb"]
        x, y = (np.swapaxes(v.value, -1, -2) if turn else v.value for v, turn in zip(xs, turns, strict=True))
        found = np.matmul(ds[0], np.swapaxes(y, -1, -2)), np.matmul(np.swapaxes(x, -1, -2), ds[0])
        for a, v, d, turn in zip(let.args, xs, found, turns, strict=True):
            if a in self.rev.activity:
                v.adjoint[...] += np.swapaxes(d, -1, -2) if turn else d

    @ADJOINTS.of("pullback")
    def pullback(self, let: Let, ds: list[Any], zs: list[Any], xs: list[Any], moment: int | None) -> None:
        """The adjoint of a pullback is a pullback of its function's jvp, which evaluates it again."""
        adjoint, floats, given = adjoint_of_pullback(self.primal.program, let, self.rev.activity)
        n = len(xs) - let.attrs["cotangents"]
        results = len(let.outs) - len(let.attrs["wrt"])
        values = [
            Ref(d) if isinstance(d, np.ndarray) else _typed(d, o.type) if carries_gradient(o.type) else d
            for d, o in zip(ds, let.outs, strict=True)
        ]
        v = dict(zip(let.attrs["wrt"], values[results:], strict=True))
        args = [*xs[:n], *(v[i] for i in sorted(v)), *(values[i] for i in given), *xs[n:]]
        if moment is not None:
            host.running().again(moment)
        outs = self.primal.pullback(adjoint, args)
        if moment is not None:
            host.running().done()
        total = len(outs) - len(adjoint.attrs["wrt"])
        for i, d in zip(adjoint.attrs["wrt"], outs[total:], strict=True):
            self.add_value(let.args[i], xs[i], d)
        for c, r in zip(range(n, len(xs)), let.attrs["ct"], strict=True):
            self.add_value(let.args[c], xs[c], outs[results + floats.index(r)])

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


# ---- the entry
def run(program: Program, args: Sequence[Any], allowance: float = math.inf) -> tuple[list[Any], float]:
    """Run the program's entry: its results, and how much is left of the operations that it was allowed. Where these do not
    suffice, Exhausted. `args`: NumPy scalars, bools and arrays, one for each parameter but the constants; arrays are written into
    where the program does."""
    program = closed(program)
    values = [Ref(x) if isinstance(x, np.ndarray) else x for x in (*args, *program.constants)]
    out: list[Any] = []
    failure: list[BaseException] = []
    primal = Primal(program, allowance)

    def work() -> None:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(MAX_DEPTH)
        try:
            generators = [x for x in args if isinstance(x, np.random.Generator)]
            with np.errstate(all="ignore"), host.call(host.Running(generators)):
                out.extend(primal.call(program.entry, values))
        except RecursionError as e:
            if isinstance(e, errors.LanternError):
                failure.append(e)
            else:
                failure.append(errors.StackOverflowError(
                    f"the reference interpreter's limit of {MAX_DEPTH:,} nested Python calls is reached in `{program.entry}`: use jit, which has a native stack"
                ))  # fmt: skip
        except BaseException as e:
            failure.append(e)
        finally:
            sys.setrecursionlimit(limit)

    size = threading.stack_size(512 << 20)
    try:
        thread = threading.Thread(target=work, name="lantern-interpreter")
        thread.start()
    finally:
        threading.stack_size(size)
    thread.join()
    if failure:
        raise failure[0]
    return own_results(out, [v.value for v in values if isinstance(v, Ref)]), primal.left


def own_results(out: Sequence[Any], arrays: list[Any]) -> list[Any]:
    """The results' values: none of its arrays is the memory of an argument or of another result."""
    results = []
    for v in out:
        if isinstance(v, Ref):
            v = v.value.copy() if any(np.may_share_memory(v.value, x) for x in arrays) else v.value
            arrays.append(v)
        results.append(v)
    return results


__all__ = ["Callbacks", "Exhausted", "Primal", "Ref", "Scalar", "run"]
