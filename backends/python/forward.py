"""Functions of the graph, run forward on NumPy's scalars and arrays."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...ir.core import errors, faults
from ...ir.core.graph import Atom, Block, Call, Const, Edge, Fail, Function, Jump, Let, Program, Return, Var
from ...ir.core.machine import Fault, number
from ...ir.core.op import TABLE, Stage
from ...ir.core.types import CODE, NUMPY_DTYPES, PTR, Array
from ...ir.diff.reverse import Reverses
from ...ir.diff.rules import library_function
from ...ir.ops.memory import codes
from ...ir.ops.records import places
from ...ir.python import host, random
from ..base import Exhausted
from .kernels import Run, nothing, scalar


class Ref:
    """An array and its adjoint (made when first asked for: a symbolic zero until then)."""

    __slots__ = ("adjoint_", "held", "value")

    def __init__(self, value: np.ndarray[Any, Any], adjoint: np.ndarray[Any, Any] | None = None, held: Sequence[Any] = ()) -> None:
        """`held`: what is in a record."""
        self.value, self.adjoint_, self.held = value, adjoint, held

    @property
    def adjoint(self) -> np.ndarray[Any, Any]:
        if self.adjoint_ is None:
            self.adjoint_ = np.zeros_like(self.value)
        return self.adjoint_


def literal(c: Const) -> Any:
    """A constant as a value of the scalar machine."""
    return c.value if c.type in (PTR, CODE) else number(c.value, c.type)  # type: ignore[arg-type]


def element(let: Let, ref: Ref, index: Sequence[Any]) -> tuple[int, ...]:
    """A checked, non-negative index. What its letters promise is checked, too."""
    out = []
    for axis, (i, n, letter) in enumerate(zip(index, ref.value.shape[: len(index)], codes(let), strict=True)):
        i = int(i)
        if (i < 0 and letter in "pu") or (not -n <= i < n and letter in "wu"):
            raise AssertionError(f"the index {i} of {n} elements is not as {let} says")
        if not -n <= i < n:
            raise faults.make_error(faults.KINDS["index"], let.site, (i, n, axis))
        out.append(i + n if i < 0 else i)
    return tuple(out)


VALUES = Stage(
    "interpretation", lambda op: op.body is None and op.program is None and not op.nest and not op.early, late=True
)  # (primal, let, values) -> outs


class Primal:
    """Runs functions forward. `left` is how many operations it may do, those of reverse passes included."""

    def __init__(self, program: Program, left: float = math.inf) -> None:
        self.program, self.left = program, left
        self.reverses: Reverses = program.reverses
        self.tape: list[dict[Any, Any]] = []  # of what is lowered (low.py)

    def spend(self, operations: int = 1) -> None:
        self.left -= operations
        if self.left < 0:
            raise Exhausted

    def environment(self, pairs: Iterable[tuple[Var, Any]]) -> dict[Var, Any]:
        """What the variables of a call are. Those of loops change."""
        return dict(pairs)

    def call(self, name: str, args: Sequence[Any]) -> list[Any]:
        f = self.program.functions[name]
        env = self.environment(zip(f.params, args, strict=True))
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
        self.spend(math.prod(run.sizes))  # for each point one, beside what its function does
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

    @VALUES.of("checkpoint")
    def checkpoint(self, let: Let, xs: list[Any]) -> list[Any]:
        return self.call(let.attrs["f"], xs)

    @VALUES.of("host")
    def host(self, let: Let, xs: list[Any]) -> list[Any]:
        found = host.perform(self.program, let.attrs["recipe"], [x.value.copy() if isinstance(x, Ref) else x for x in xs])
        return found or [np.int64(0) for _ in let.outs]

    @VALUES.of("callback")
    def callback(self, let: Let, xs: list[Any]) -> list[Any]:
        return [Ref(x.copy()) if isinstance(x, np.ndarray) else x for x in self.host(let, xs)]

    @VALUES.of("draw")
    def draw(self, let: Let, xs: list[Any]) -> list[Any]:
        made = random.draw(let.attrs["kind"], let.out.type, host.running().generators[xs[0]], *xs[1:])
        return [Ref(made) if isinstance(made, np.ndarray) else made]


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
        value = xs[-1] if let.attrs.get("fill", True) else nothing(NUMPY_DTYPES[t.dtype])
        return [Ref(np.full(shape, value, NUMPY_DTYPES[t.dtype]))]
    except (MemoryError, ValueError):
        raise faults.make_error(
            faults.KINDS["memory"], let.site, (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20, 0, 0)
        ) from None


@VALUES.of("reshape")
def reshaped(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    """The same memory in another shape, and so its adjoint."""
    shape = (*map(int, xs[1:]), *NUMPY_DTYPES[let.out.type.dtype].shape)  # type: ignore[union-attr]
    return [Ref(xs[0].value.reshape(shape), None if xs[0].adjoint_ is None else xs[0].adjoint.reshape(shape))]


@VALUES.of("part")
def part(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    """Some rows, in the same memory, and of the adjoint."""
    x, some = xs[0], slice(int(xs[1]), int(xs[1]) + int(xs[2]))
    return [Ref(x.value[some], None if x.adjoint_ is None else x.adjoint[some])]


@VALUES.of("weight")
def weight(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [xs[0]]


@VALUES.of("custom")
def custom(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [Ref(y.value.copy()) if isinstance(y, Ref) else y for y in xs[: len(let.outs)]]


@VALUES.of("hold")
def hold(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return [Ref(np.zeros(places(let.args)[-1]), None, xs)]


@VALUES.of("held")
def held(primal: Primal, let: Let, xs: list[Any]) -> list[Any]:
    return list(xs[0].held[: len(let.outs)])


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


def typed(x: Any, t: Any) -> Any:
    return number(x, t)
