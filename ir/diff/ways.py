"""The way back of an operation that no scalar rule differentiates is a function of the program, which adds to adjoints in place.

    %z = gemm(%a, %b) {ta=0, tb=0}       ->       fn f.xx.1.back(%z', %b, %a', %a, %b') -> () {
                                                    gemm_add(%z', %b, %a') {ta=0, tb=1}
                                                    gemm_add(%a, %z', %b') {ta=1, tb=0}
                                                    return
                                                  }

It is given values and adjoints, and gives the adjoints of scalars. Where something is kept for it, there is a function for the way there,
too, which runs the operation. Such functions run in reverse passes; nobody differentiates them. Kernels have theirs in adjoint.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.graph import Atom, Block, Branch, Call, Const, Edge, Function, Jump, Let, Program, Return, Terminator, Var
from ..core.kernel import ONE, ZERO, Access, Gather, Kernel, Result, Same
from ..core.op import TABLE, Stage, written
from ..core.types import BOOL, I64, Array, Scalar, Type, carries_gradient, element
from ..ops.custom import kept, own
from ..ops.effects import no_derivative
from .rules import pull_function

Given = tuple[str, Any]  # what a parameter is: ("value", atom), ("adjoint", variable) or ("kept", number)
Input = Any  # Access, Same, Index or Gather


@dataclass
class Adjoint:
    """How an operation runs in reverse mode. `back` adds to the adjoints of arrays, and gives those of the scalars in `returned`.
    `there` gives the operation's outs, and behind them what is kept; where it is None, the operation itself runs."""

    back: str
    given: tuple[Given, ...]
    returned: tuple[Var, ...]
    there: str | None = None
    there_given: tuple[Given, ...] = ()


@dataclass
class Places:
    """What is known of the arrays around an operation: those whose adjoints it writes first, and whether what it writes is to be put
    back. `root` is equal for arrays that may be the same memory; `known_as(given, parameter)` is told of each array that a function made
    here is given, `join` of two names of one."""

    firsts: set[Var]
    undone: Callable[[Var], bool]
    root: Callable[[Var], Var]
    known_as: Callable[[Given, Var], None]
    join: Callable[[Var, Var], None]


class Whole:
    """A function of whole arrays under construction; its parameters are what they are first asked for."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.params: dict[Given, Var] = {}
        self.blocks = [Block("entry")]
        self.outs: list[Var] = []
        self.counter = 0

    # ---- parameters
    def param(self, what: str, key: Any, t: Type) -> Var:
        if (what, key) not in self.params:
            self.params[what, key] = v = Var({"value": "", "adjoint": "d."}.get(what, "kept.") + getattr(key, "name", str(key)), t)
            if isinstance(t, Array):
                self.places.known_as((what, key), v)
        return self.params[what, key]

    def value(self, a: Atom) -> Any:
        return a if isinstance(a, Const) else self.param("value", a, a.type)

    def adjoint(self, v: Any) -> Var:
        return self.param("adjoint", v, v.type)

    def access(self, x: Access, base: Var) -> Access:
        return Access(base, tuple(map(self.value, x.starts)), tuple(map(self.value, x.steps)), x.axes)

    def adjoint_of(self, x: Access) -> Access:
        return self.access(x, self.adjoint(x.base))

    def input(self, x: Input) -> Input:
        if isinstance(x, Access):
            return self.access(x, self.value(x.base))
        if isinstance(x, Gather):
            return Gather(self.value(x.base), x.place)
        return Same(self.value(x.atom)) if isinstance(x, Same) else x

    # ---- what it does
    def fresh(self, t: Type) -> Var:
        self.counter += 1
        return Var(f"new.{self.counter}", t)

    def new(self, t: Type) -> Var:
        """One more result."""
        self.outs.append(self.fresh(t))
        return self.outs[-1]

    def let(self, let: Let) -> None:
        self.blocks[-1].lets.append(let)

    def emit(self, op: str, args: Sequence[Atom], types: Sequence[Type], **attrs: Any) -> list[Var]:
        outs = [self.fresh(t) for t in types]
        self.let(Let(tuple(outs), op, tuple(args), attrs))
        for out, arg in TABLE[op].aliases:
            self.places.join(outs[out], args[arg])
        return outs

    def integer(self, op: str, *args: Atom) -> Var:
        return self.emit(op, args, [I64])[0]

    def block(self, params: Sequence[Var] = ()) -> Block:
        self.blocks.append(Block(f"b{len(self.blocks)}", list(params)))
        return self.blocks[-1]

    def end(self, t: Terminator) -> None:
        self.blocks[-1].terminator = t

    def call(self, f: Function, args: Sequence[Atom]) -> list[Var]:
        results = [self.fresh(t) for t in f.results]
        self.end(Call(f.name, tuple(args), Edge(f"b{len(self.blocks)}")))
        self.block(results)
        return results

    def finish(self, program: Program, name: str) -> tuple[str, tuple[Given, ...]]:
        self.end(Return(tuple(self.outs)))
        blocks = {b.name: b for b in self.blocks}
        program.functions[name] = Function(name, list(self.params.values()), blocks, tuple(v.type for v in self.outs))
        return name, tuple(self.params)


class Nests(Whole):
    """Such a function of kernels over one space."""

    def __init__(self, k: Kernel, places: Places) -> None:
        super().__init__(places)
        self.k = k

    def kernel(self, f: str, inputs: Iterable[Input], results: Iterable[Result]) -> Let:
        made = Kernel(f, [self.value(n) for n in self.k.sizes], list(inputs), list(results), self.k.site, {"fails": False})
        self.let(made.let())
        return self.blocks[-1].lets[-1]


# ---- other operations
class WholeAdjoint(Whole):
    """The way back of one operation."""

    def __init__(self, program: Program, let: Let, activity: Any, places: Places) -> None:
        super().__init__(places)
        self.program, self.source, self.activity = program, let, activity
        self.returned: list[Var] = []
        self.kept: list[Callable[[WholeAdjoint], Var]] = []  # what the way there adds to its results

    def count(self, v: Var) -> Var:
        """The number of elements."""
        assert isinstance(v.type, Array)
        n, *more = (self.emit("dim", [v], [I64], axis=i)[0] for i in range(v.type.rank))
        for m in more:
            n = self.integer("imul", n, m)
        return n

    def flat(self, v: Var, n: Var) -> Var:
        """An array of n elements as a row."""
        t = v.type
        assert isinstance(t, Array)
        return v if t.rank == 1 else self.emit("reshape", [v, n], [Array(t.dtype, (self.program.symbols.size(),))], fails=False)[0]

    def matrix(self, v: Var) -> Var:
        """A row as a matrix of one."""
        t = v.type
        assert isinstance(t, Array)
        if t.rank > 1:
            return v
        (n,) = self.emit("dim", [v], [I64], axis=0)
        return self.emit("reshape", [v, ONE, n], [Array(t.dtype, (1, *t.dims))], fails=False)[0]

    def kernel(self, n: Atom, inputs: Sequence[Input], t: Scalar, result: Result) -> None:
        """A kernel whose result is the last of its inputs. Those before are positions."""
        name = last(self.program, len(inputs), t)
        self.let(Kernel(name, [n], list(inputs), [result], self.source.site, {"fails": False}).let())

    def row(self, v: Var) -> Var:
        return v if v.type.rank == 1 else self.flat(v, self.count(v))  # type: ignore[union-attr]

    def move(self, to: Var, d: Var, kind: str) -> None:
        n = self.count(to)
        self.kernel(n, [_row(self.flat(d, n))], element(dtype_of(to)), Result(kind, (0,), _row(self.flat(to, n))))

    def add(self, to: Var, d: Var) -> None:
        """to[...] += d"""
        self.move(to, d, "add")

    def put(self, to: Var, x: Var) -> None:
        """to[...] = x"""
        self.move(to, x, "fresh")

    def sum(self, v: Var, of: Var) -> None:
        """The adjoint of a scalar."""
        n = self.count(of)
        self.kernel(n, [_row(self.flat(of, n))], element(dtype_of(of)), Result("sum", (), None, self.new(v.type)))
        self.returned.append(v)

    def term(self, a: Var, d: Var) -> None:
        """d is to be added to the adjoint of an argument."""
        if isinstance(a.type, Array):
            self.add(self.adjoint(a), d)
        else:
            self.outs.append(d)
            self.returned.append(a)

    def keep(self, t: Type, what: Callable[[WholeAdjoint], Var]) -> Var:
        """A value that the way there keeps; `what` adds to that."""
        self.kept.append(what)
        return self.param("kept", len(self.kept) - 1, t)

    def before(self, v: Var) -> Var:
        """What a written array was before."""
        return self.keep(v.type, lambda there: there.emit("copy", [there.value(v)], [v.type], fails=False)[0])

    def make(self, name: str) -> Adjoint:
        let = self.source
        (BACK[let.op] if TABLE[let.op].adjoint == "function" else traced)(self, let)
        back, given = self.finish(self.program, f"{name}.back")
        there = self.there(f"{name}.there") if self.kept else (None, ())
        return Adjoint(back, given, tuple(self.returned), *there)

    def there(self, name: str) -> tuple[str, tuple[Given, ...]]:
        """What is kept, and the operation."""
        let, way = self.source, WholeAdjoint(self.program, self.source, self.activity, self.places)
        kept = [what(way) for what in self.kept]
        outs = [way.new(o.type) for o in let.outs]
        way.let(Let(tuple(outs), let.op, tuple(map(way.value, let.args)), let.attrs, let.site))
        way.outs += kept
        return way.finish(self.program, name)


def last(program: Program, count: int, t: Scalar) -> str:
    """The scalar function that is the last of so many parameters; the others are positions."""
    name = f"last.{count}.{t}"
    if name not in program.functions:
        x = [*(Var(f"i{i}", I64) for i in range(count - 1)), Var("x", t)]
        program.functions[name] = Function(name, x, {"entry": Block("entry", [], [], Return((x[-1],)))}, (t,))
    return name


def _row(v: Var) -> Access:
    return Access(v, (ZERO,), (ONE,), (0,))


def dtype_of(v: Var) -> Scalar:
    assert isinstance(v.type, Array)
    return v.type.dtype


BACK = Stage("the way back", lambda op: op.adjoint == "function" and not op.nest)  # by operation: (the function, let)


@BACK.of("copy")
def copy(way: WholeAdjoint, let: Let) -> None:
    if let.args[0] in way.activity:
        way.add(way.adjoint(let.args[0]), way.adjoint(let.out))


@BACK.of("alloc")
def alloc(way: WholeAdjoint, let: Let) -> None:
    if let.args[-1] in way.activity:
        way.sum(let.args[-1], way.adjoint(let.out))  # type: ignore[arg-type]


@BACK.of("custom")
def custom(way: WholeAdjoint, let: Let) -> None:
    """The user's function of the way back."""
    cotangents = [way.adjoint(o) for o in let.outs]
    given = [*map(way.value, (*own(let), *let.outs, *kept(let))), *cotangents]
    found = iter(way.call(way.program.functions[let.attrs["f"]], given))
    for a in (a for a in own(let) if carries_gradient(a.type)):
        d = next(found)
        if a in way.activity:
            way.term(a, d)


@BACK.of("callback")
def callback(way: WholeAdjoint, let: Let) -> None:
    no_derivative(let)


@BACK.of("gemm")
def gemm(way: WholeAdjoint, let: Let) -> None:
    """Z = X Y of X = op(A), Y = op(B): dX += dZ Y^T; dY += X^T dZ"""
    for i in range(2):
        if let.args[i] in way.activity:
            product_adjoint(way, let, i)


def product_adjoint(way: WholeAdjoint, let: Let, i: int, later: Sequence[Var] = ()) -> None:
    """Of argument i of a matrix product, or as rows that are multiplied `later`. A row is a matrix of one."""
    (a, b), ta, tb, d = let.args[:2], let.attrs["ta"], let.attrs["tb"], way.matrix(way.adjoint(let.out))

    def add(x: Var, y: Var, ta: int, tb: int) -> None:
        to = way.matrix(way.adjoint(let.args[i]))
        way.emit("gemm_later" if later else "gemm_add", [x, y, *later, to], [], ta=ta, tb=tb, fails=False)

    if i == 0:
        add(*((way.value(b), d, tb, 1) if ta else (d, way.value(b), 0, 1 - tb)))
    else:
        x = way.matrix(way.value(a))
        add(*((d, x, 1, ta) if tb else (x, d, 1 - ta, 0)))


@BACK.of("conv")
def conv(way: WholeAdjoint, let: Let) -> None:
    """Of a convolution, which is linear in images and in weights."""
    (x, w), d, attrs = let.args, way.adjoint(let.out), {**let.attrs, "fails": False}
    if x in way.activity:
        way.emit("conv_input", [d, way.value(w), way.adjoint(x)], [], **attrs)
    if w in way.activity:
        way.emit("conv_weight", [way.value(x), d, way.adjoint(w)], [], **attrs)


@BACK.of("take")
def take(way: WholeAdjoint, let: Let) -> None:
    x, index = let.args
    if x in way.activity:
        way.emit("take_add", [way.adjoint(let.out), way.value(index), way.adjoint(x)], [], fails=False)


@BACK.of("scatter")
def scatter(way: WholeAdjoint, let: Let) -> None:
    """From the last write to the first, since of several writes to one place the last took effect: x[i] = what it was before all of
    them; dv += dx[i]; dx[i] = 0 where x[i] was replaced."""
    x, index, v = let.args
    t = dtype_of(x)  # type: ignore[arg-type]

    def elements(there: WholeAdjoint) -> Var:
        n = there.count(there.value(index))
        places, row = there.flat(there.value(index), n), there.row(there.value(x))
        out = there.fresh(Array(t, (there.program.symbols.size(),)))
        there.kernel(n, [_row(places), Gather(row, 0)], element(t), Result("map", (), None, out))
        return out

    old = way.keep(Array(t, (way.program.symbols.size(),)), elements)
    n = way.count(way.value(index))
    places, row = way.flat(way.value(index), n), way.row(way.value(x))
    flows = x in way.activity
    dx = way.row(way.adjoint(x)) if flows else row
    dv = way.flat(way.adjoint(v), n) if flows and v in way.activity else None
    j = way.fresh(I64)
    way.end(Jump(Edge(f"b{len(way.blocks)}", (n,))))
    head = way.block([j])
    more = way.emit("igt", [j, ZERO], [BOOL])[0]
    way.end(Branch(more, Edge(f"b{len(way.blocks)}"), Edge(f"b{len(way.blocks) + 1}")))
    way.block()
    i = way.integer("isub", j, ONE)
    (at,) = way.emit("load", [places, i], [I64], index="u")
    way.emit("store", [row, at, *way.emit("load", [old, i], [element(t)], index="u")], [], index="u")
    if dv is not None:
        (d,), (before,) = way.emit("load", [dx, at], [element(t)], index="u"), way.emit("load", [dv, i], [element(t)], index="u")
        way.emit("store", [dv, i, *way.emit("add", [before, d], [element(t)])], [], index="u")
    if flows and not let.attrs["add"]:
        way.emit("store", [dx, at, Const(-0.0, element(t))], [], index="u")
    way.end(Jump(Edge(head.name, (i,))))
    way.block()


def traced(way: WholeAdjoint, let: Let) -> None:
    """An operation whose rule is traced code. What it writes is put back first, and gets the adjoints of before in place."""
    targets = written(let)
    for v in targets:
        way.put(way.value(v), way.before(v))
    wanted = [a in way.activity for a in let.args]
    if not any(wanted):
        return
    cotangents = [way.adjoint(v) for v in (*let.outs, *targets) if carries_gradient(v.type)]
    pull = way.program.functions[pull_function(way.program, let, wanted)]
    found = way.call(pull, [*map(way.value, (*let.args, *let.outs)), *cotangents])
    for a, d in zip([a for a, w in zip(let.args, wanted, strict=True) if w], found, strict=True):
        if a in targets:
            way.put(way.adjoint(a), d)
        else:
            way.term(a, d)  # type: ignore[arg-type]
