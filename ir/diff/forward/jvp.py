"""Forward mode, graph to graph: every active variable gets a tangent.

    z = mul(x, y)      ->      z = mul(x, y);  tz = add(mul(tx, y), mul(ty, x))

`jvp(f)` takes f's parameters and a tangent for each active one, and returns f's results and a tangent for each
float result. In several directions a tangent is a block of numbers, one for each (lanes.py). Of `pullback`: forward_over_reverse.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...core import errors, sites
from ...core.analysis import Aliases, references, reverse_postorder
from ...core.builder import Builder, Operand, Trace, tracing
from ...core.graph import Atom, Block, Branch, Call, Const, Edge, Fail, Function, Jump, Let, Program, Return, Var
from ...core.op import PLAIN, REVERSE, TABLE, Stage, written
from ...core.types import I64, Array, Type, carries_gradient, wide, width
from ...ops.effects import AGAIN, DONE, MARK, has_effects, no_derivative
from ...ops.memory import codes, quiet
from ...passes.simplify import SIMPLIFY
from ..activity import Activity, has_operations, is_scalar, moving
from ..rules import wanted_term, zeros
from .expand import expand
from .kernels import kernel
from .lanes import has_blocks, one_by_one, reachable, whole_tangents
from .linear import has_tangents

MAX_ORDER = 8  # of derivatives: each doubles the program
MAX_OPERATIONS = 20_000  # of a function that is differentiated a further time, where this has been done before


def jvp_name(
    program: Program, name: str, mask: Sequence[bool], lanes: int = 1, paired: bool = False, apart: int = 1, dual: bool = False
) -> str:
    """The name of `name`'s jvp in so many directions, with tangents for the parameters in `mask`; made when first asked for. `paired`:
    of a function that has blocks itself, each lane of which moves in its own direction alone. `apart`: so many directions, each with
    tangents of its own. `dual`: its pullback is to be the derivative of the function's pullback, also where operations of the user's have
    rules that are the gradients of nothing."""
    marks = "".join("x" if m else "o" for m in mask) + ("" if lanes == 1 else f".{lanes}") + (".paired" if paired else "")
    dual = dual and any(map(has_operations, reachable(program, name)))
    marks += ("" if apart == 1 else f".by{apart}") + (".dual" if dual else "")
    new = f"jvp.{marks}.{name}"
    if new not in program.functions:
        if new.count("jvp.") > MAX_ORDER or (
            new.count("jvp.") > 3 and sum(len(x.lets) for x in program.functions[name].blocks.values()) > MAX_OPERATIONS
        ):
            shown = [part for part in name.split(".") if not part.isdigit()][-1].strip("_")
            raise errors.EndlessTraceError(
                f"`{shown}` needs derivatives of order {new.count('jvp.')} and more: does a recursion differentiate itself? The number of derivatives must "
                "be known when it is traced (make the count of its steps static)"
            )
        program.functions[new] = Function(new, [], {})  # a recursive function asks for itself
        expand(program, name, jvp_name)
        if lanes > 1 and not paired and has_blocks(program, name):
            one_by_one(program, name, jvp_name(program, name, mask, dual=dual), mask, lanes, new)
            return new
        with tracing(program) as trace:
            f = program.functions[new] = _Forward(
                program, program.functions[name], tuple(mask), lanes, paired, new, trace, apart, dual
            ).run()
        SIMPLIFY.on([f])  # before it may be differentiated again
    return new


OWN = ("own", "function")
TANGENTS = Stage(
    "forward mode",
    lambda op: op.adjoint in OWN and op.jvp is None and not op.nest and not op.early and not op.closing and op.calls != PLAIN,
)


class _Forward:
    def __init__(
        self,
        program: Program,
        f: Function,
        mask: tuple[bool, ...],
        lanes: int,
        paired: bool,
        name: str,
        trace: Trace,
        apart: int,
        dual: bool,
    ) -> None:
        self.program, self.f, self.mask, self.lanes, self.paired, self.dual = program, f, mask, lanes, paired, dual
        aliases = Aliases(program, f if is_scalar(f) else None)
        self.activity: Activity = moving(f, mask, aliases, lambda let: has_tangents(program, let, dual))
        self.builder = Builder(trace, name, None)
        trace.builders.append(self.builder)
        self.builder.blocks.clear()
        self.values: dict[Var, Var] = {}
        self.directions: list[dict[Var, Atom]] = [{} for _ in range(apart)]
        self.tangents = self.directions[0]  # in the direction at hand
        self.blocks: dict[str, Block] = {}
        self.moment: tuple[Var, ...] = ()  # before the operation at hand, if its tangent repeats its effects

    def run(self) -> Function:
        b, f = self.builder, self.f
        self.values.update((p, b.parameter(p.type, p.name + ".")) for p in f.params)
        moving = [p for p, m in zip(f.params, self.mask, strict=True) if m]
        for _ in self.each():
            self.tangents.update((p, b.parameter(self.of(p.type), "t." + p.name + ".")) for p in moving)
        for name, block in f.blocks.items():
            new = self.blocks[name] = Block(name)
            b.blocks.append(new)
            self.values.update((p, b.fresh(p.type, p.name + ".")) for p in block.params)
            new.params = [self.values[p] for p in block.params]
        for name, block in f.blocks.items():
            self.tangent_params(name, block)
        for name in reverse_postorder(f):
            b.current = self.blocks[name]
            for _ in self.each() if b.current is b.blocks[0] else ():  # arrays without a tangent that may be one of those with one
                self.tangents.update((p, self.zeros(self.values[p])) for p in f.params if p in self.activity and p not in self.tangents)
            for let in f.blocks[name].lets:
                self.let(let)
            self.terminator(f.blocks[name])
        return b.finish((*f.results, *(self.of(t) for _ in self.directions for t in f.results if carries_gradient(t))))

    def each(self) -> Iterator[None]:
        """One direction after another is at hand."""
        for tangents in self.directions:
            self.tangents = tangents
            yield
        self.tangents = self.directions[0]

    def tangent_params(self, name: str, block: Block) -> None:
        """Tangents of block parameters; after a call, tangents of its results come between results and values."""
        results, tangents = self._result_params(name), []
        for _ in self.each():
            for p in [*results, *(p for p in block.params if p not in results)]:
                if p in self.activity or (p in results and carries_gradient(p.type) and self._after_active_call(name)):
                    t = self.builder.fresh(self.of(p.type), "t." + p.name + ".")
                    self.tangents[p] = t
                    tangents.append((p, t))
        head = [self.values[p] for p in results] + [t for p, t in tangents if p in results]
        rest = [p for p in block.params if p not in results]
        self.blocks[name].params = head + [self.values[p] for p in rest] + [t for p, t in tangents if p not in results]

    def _caller(self, name: str) -> Call | None:
        for block in self.f.blocks.values():
            t = block.terminator
            if isinstance(t, Call) and t.then.block == name:
                return t
        return None

    def _result_params(self, name: str) -> list[Var]:
        call = self._caller(name)
        params = self.f.blocks[name].params
        return params[: len(params) - len(call.then.args)] if call else []

    def _after_active_call(self, name: str) -> bool:
        call = self._caller(name)
        return call is not None and any(a in self.activity for a in call.args)

    def of(self, t: Type) -> Type:
        """The type of a tangent."""
        return t if self.paired and width(t) > 1 else wide(t, self.lanes)

    def jvp_of(self, name: str, mask: Sequence[bool]) -> str:
        return jvp_name(self.program, name, mask, self.lanes, self.paired, len(self.directions), self.dual)

    # ---- values
    def atom(self, a: Atom) -> Atom:
        return self.values[a] if isinstance(a, Var) else a

    def tangent(self, a: Atom) -> Atom:
        """The tangent of `a`: its variable, or a zero that is made here."""
        if isinstance(a, Var) and a in self.tangents:
            return self.tangents[a]
        return self.nowhere(a)

    def zeros(self, array: Atom) -> Var:
        return zeros(self.builder, array, self.of(array.type))

    def nowhere(self, a: Atom) -> Atom:
        """A tangent of zero."""
        return self.zeros(self.atom(a)) if isinstance(a.type, Array) else Const(0.0, self.of(a.type))

    def value(self, a: Atom) -> Operand:
        return Operand(self.atom(a), self.builder)

    # ---- operations
    def let(self, let: Let) -> None:
        op = TABLE[let.op]
        active = any(v in self.activity for v in (*let.outs, *written(let)))
        if active and op.nest:
            kernel(self, let)
            return
        if active and op.calls == PLAIN:
            self.called(let)
            return
        attrs = dict(let.attrs)
        if "order" in attrs and any(v in self.activity for v in let.outs):
            attrs["order"] += 1  # what is done with it from here on is a derivative of a derivative
        self.moment = moment = self.builder.emit("host", (), (I64,), {"recipe": MARK}) if active and self.repeats(let) else ()
        outs = self.builder.emit(let.op, tuple(map(self.atom, let.args)), tuple(o.type for o in let.outs), attrs, let.site)
        self.values.update(zip(let.outs, outs, strict=True))
        if active:
            for _ in self.each():
                if moment:
                    self.builder.emit("host", moment, (), {"recipe": AGAIN})
                (TANGENTS[let.op] if let.op in TANGENTS else BY_ADJOINT[op.adjoint])(self, let)
                if moment:
                    self.builder.emit("host", (), (), {"recipe": DONE})

    def called(self, let: Let) -> None:
        """The same of the function's jvp: the value is no other operation."""
        name = self.jvp_of(let.attrs["f"], [a in self.activity for a in let.args])
        args = (*map(self.atom, let.args), *self.passed(let.args))
        floats = [o for o in let.outs if carries_gradient(o.type)]
        types = (*(o.type for o in let.outs), *(self.of(o.type) for _ in self.directions for o in floats))
        outs = self.builder.emit(let.op, args, types, {**let.attrs, "f": name}, let.site)
        self.values.update(zip(let.outs, outs, strict=False))
        rest = iter(outs[len(let.outs) :])
        for _ in self.each():
            self.tangents.update((o, next(rest)) for o in floats)

    def passed(self, args: Sequence[Atom]) -> list[Atom]:
        return [self.tangent(a) for _ in self.each() for a in args if a in self.activity]

    def repeats(self, let: Let) -> bool:
        """Does its tangent evaluate a function with effects again?"""
        return TABLE[let.op].calls == REVERSE and has_effects(self.program, let.attrs["f"])

    def nothing(self, let: Let) -> None:
        """What a `zero` operation gives has tangents where it is in memory that has some."""
        self.tangents.update((o, self.zeros(self.values[o])) for o in let.outs if o in self.activity)

    def by_rule(self, let: Let) -> None:
        with sites.placed(self.builder.current, let.site):
            self.tangents[let.out] = self.elementwise(let)

    def elementwise(self, let: Let) -> Atom:
        rule, tangent = TABLE[let.op].rule, TABLE[let.op].tangent
        assert callable(rule)
        z, xs = self.value(let.out), [self.value(a) for a in let.args]
        if tangent is not None:
            ts = [Operand(self.tangent(a), self.builder) for a in let.args if carries_gradient(a.type)]
            return tangent(*ts, *xs, **let.attrs).atom  # type: ignore[no-any-return]
        total, t = None, self.of(let.out.type)
        for i, a in enumerate(let.args):
            if a in self.activity:
                d = Operand(self.tangent(a), self.builder)
                term = d if self.paired and width(a.type) < width(let.out.type) else wanted_term(rule(d, z, *xs, **let.attrs)[i], let.site)
                if term is not None:
                    term = term if term.type == t else TABLE["convert"](term, to=t)  # a conversion between float types
                    total = term if total is None else TABLE["add"](total, term)
        return total.atom if total is not None else Const(0.0, t)

    @TANGENTS.of("load")
    def load(self, let: Let) -> None:
        args = (self.tangents[let.args[0]], *map(self.atom, let.args[1:]))  # type: ignore[index]
        self.emit("load", let, args, {"index": quiet(codes(let))})

    @TANGENTS.of("store")
    def store(self, let: Let) -> None:
        args = (self.tangent(let.args[0]), *map(self.atom, let.args[1:-1]), self.tangent(let.args[-1]))
        self.builder.emit("store", args, (), {"index": quiet(codes(let))}, let.site)

    @TANGENTS.of("alloc")
    def alloc(self, let: Let) -> None:
        args = (*map(self.atom, let.args[:-1]), self.tangent(let.args[-1]))
        self.emit("alloc", let, args, {})

    @TANGENTS.of("copy")
    def copy(self, let: Let) -> None:
        self.emit("copy", let, (self.tangent(let.args[0]),), {})

    @TANGENTS.of("reshape", "part", "take")
    def linear(self, let: Let) -> None:
        args = (self.tangents[let.args[0]], *map(self.atom, let.args[1:]))  # type: ignore[index]
        self.emit(let.op, let, args, dict(let.attrs))

    def emit(self, op: str, let: Let, args: tuple[Atom, ...], attrs: dict[str, Any]) -> None:
        """The tangent of what an operation gives."""
        (self.tangents[let.out],) = self.builder.emit(op, args, (self.of(let.out.type),), attrs, let.site)

    @TANGENTS.of("callback")
    def callback(self, let: Let) -> None:
        no_derivative(let)

    @TANGENTS.of("hold")
    def hold(self, let: Let) -> None:
        args = tuple(self.tangent(a) if carries_gradient(a.type) else self.atom(a) for a in let.args)
        attrs = {"site": "t." + let.attrs["site"]}
        (self.tangents[let.out],) = self.builder.emit("hold", args, (let.out.type,), attrs, let.site)

    @TANGENTS.of("held")
    def held(self, let: Let) -> None:
        attrs = {"site": "t." + let.attrs["site"]}
        outs = self.builder.emit("held", (self.tangent(let.args[0]),), tuple(o.type for o in let.outs), attrs, let.site)
        self.tangents.update((o, t) for o, t in zip(let.outs, outs, strict=True) if o in self.activity)

    # ---- terminators
    def edge(self, e: Edge) -> Edge:
        target = self.f.blocks[e.block]
        params = target.params[len(target.params) - len(e.args) :]
        tangents = [self.tangent(a) for _ in self.each() for p, a in zip(params, e.args, strict=True) if p in self.activity]
        return Edge(e.block, (*map(self.atom, e.args), *tangents))

    def terminator(self, block: Block) -> None:
        t, new = block.terminator, self.builder.current
        assert new is not None
        if isinstance(t, Jump):
            new.terminator = Jump(self.edge(t.edge))
        elif isinstance(t, Branch):
            new.terminator = Branch(self.atom(t.cond), self.edge(t.then), self.edge(t.orelse))
        elif isinstance(t, Return):
            tangents = [self.tangent(a) for _ in self.each() for a in t.args if carries_gradient(a.type)]
            new.terminator = Return((*map(self.atom, t.args), *tangents))
        elif isinstance(t, Call):
            mask = [a in self.activity for a in t.args]
            args = tuple(map(self.atom, t.args))
            if any(mask):
                name = self.jvp_of(t.function, mask)
                new.terminator = Call(name, (*args, *self.passed(t.args)), self.edge(t.then))
            else:
                new.terminator = Call(t.function, args, self.edge(t.then))
        elif isinstance(t, Fail):
            new.terminator = Fail(t.kind, t.message, t.site)


BY_ADJOINT = {"rule": _Forward.by_rule, "zero": _Forward.nothing} | dict.fromkeys(("pullback", "own", "function"), whole_tangents)


def expand_all(program: Program) -> bool:
    """Forward mode: `pushforward` in a function reachable from the entry is a call of the function's jvp, which is made here.

    fn f(%x: f64, %t: f64) -> (f64) {
    entry:
      %y: f64, %d: f64 = pushforward(%x, %t) {f='g', wrt=(0,), cotangents=1}
      return %d
    }

    fn g(%a: f64) -> (f64) {
    entry:
      %b: f64 = sin(%a)
      return %b
    }
    ->
    fn f(%x: f64, %t: f64) -> (f64) {
    entry:
      call jvp.x.g(%x, %t) then entry.then1()
    entry.then1(%y: f64, %d: f64):
      return %d
    }

    fn g(%a: f64) -> (f64) {
    entry:
      %b: f64 = sin(%a)
      return %b
    }

    fn jvp.x.g(%a.2: f64, %t.a.3: f64) -> (f64, f64) {
    entry:
      %v4: f64 = sin(%a.2)
      %v5: f64 = cos(%a.2)
      %v6: f64 = mul(%t.a.3, %v5)
      return %v4, %v6
    }
    """
    seen: set[str] = set()
    work = [program.entry]
    expanded = False
    while work:
        name = work.pop()
        if name in seen:
            continue
        seen.add(name)
        expanded |= expand(program, name, jvp_name)
        work.extend(references(program.functions[name]))
    return expanded
