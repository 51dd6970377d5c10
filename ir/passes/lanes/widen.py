"""Code for several iterations at once: floats that differ are blocks of lanes, ints that differ are one for each lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.dims import UNKNOWN
from ...core.graph import Atom, Block, Branch, Call, Const, Edge, Fail, Function, Jump, Let, Return, Terminator, Var, passed
from ...core.kernel import ONE, ZERO, Access, Gather, Kernel, Result, Same, kernel_of
from ...core.op import REVERSE, TABLE, can_fail
from ...core.types import BOOL, F32, F64, I64, LANES, MASK, SIDE, Array, width
from ...ops.memory import DIM
from ...ops.table import any_lane, convert, lane, select
from ...ops.table import block as blocked
from .varied import MixedError, Varied

Known = Any  # what a variable of the old code is in the new one: an atom, or an int for each lane


def widened(t: Any) -> Any:
    """The type of a value that differs."""
    if isinstance(t, Array):
        if t.dtype == BOOL:  # of masks there are no arrays
            raise MixedError
        return Array(widened(t.dtype), t.dims)
    if t == BOOL:
        return MASK
    if t not in (F64, F32):
        raise MixedError
    return LANES[t, SIDE]


class Widen:
    """Copies of blocks in which what differs between iterations is wide."""

    def __init__(self, clones: Any, varied: Varied, names: set[str], env: dict[Var, Known]) -> None:
        self.clones, self.varied, self.names, self.env = clones, varied, names, env
        self.lets: list[Let] = []
        self.name = ""  # of the block that is copied

    # ---- variables
    def var(self, name: str, t: Any) -> Var:
        new, n = name, 1
        while new in self.names:
            new, n = f"{name}.{n}", n + 1
        self.names.add(new)
        return Var(new, t)

    def copy_of(self, v: Var) -> Var:
        """A variable of the new code for one of the old."""
        t = v.type
        if isinstance(t, Array):  # a loop's own symbol is of that loop alone
            t = Array(t.dtype, tuple(UNKNOWN if "%" in str(d) else d for d in t.dims))
        new = self.env[v] = self.var(v.name, widened(t) if self.varied.has(v) else t)
        return new

    def emit(self, op: str, args: Sequence[Atom], t: Any, site: Any = None, **attrs: Any) -> Var:
        out = self.var("w", t)
        self.lets.append(Let((out,), op, tuple(args), attrs, site))
        return out

    def plain(self, a: Atom) -> Any:
        """A value that is the same in all lanes."""
        found = self.env.get(a, a) if isinstance(a, Var) else a
        if self.varied.has(a) or isinstance(found, tuple):
            raise MixedError
        return found

    def wide(self, a: Atom) -> Atom:
        """A float, a truth value or an array for all lanes."""
        if isinstance(a, Const):
            return Const(a.value, widened(a.type))
        found = self.env.get(a, a)
        if isinstance(found, tuple):
            raise MixedError
        if self.varied.has(a):
            return found  # type: ignore[no-any-return]
        if isinstance(a.type, Array):
            return self.spread(found, a.type)
        return found if a.type == BOOL else self.emit(convert.name, [found], widened(a.type), to=widened(a.type))

    def here(self, a: Atom) -> Any:
        """A value as it is: wide where it differs."""
        return self.wide(a) if self.varied.has(a) else self.plain(a)

    def each(self, a: Atom) -> list[Atom]:
        """A value in each lane."""
        found = self.env.get(a, a) if isinstance(a, Var) else a
        if isinstance(found, tuple):
            return list(found)
        if not self.varied.has(a):
            return [found] * SIDE
        if a.type not in (F64, F32):
            raise MixedError
        return [self.emit(lane.name, [found], a.type, i=i, to=a.type) for i in range(SIDE)]

    def together(self, out: Var, parts: Sequence[Atom]) -> None:
        """A variable of the old code, from what it is in each lane."""
        if out.type in (F64, F32):
            self.lets.append(Let((self.copy_of(out),), blocked.name, tuple(parts), {"to": widened(out.type)}))
        else:
            self.env[out] = tuple(parts)

    def spread(self, array: Atom, t: Array) -> Var:
        """A new array with the same elements in all lanes."""
        new = Array(widened(t.dtype), t.dims)
        name = self.clones.spreading(t.dtype)
        dims = [self.emit(DIM.name, [array], I64, axis=i) for i in range(t.rank)]
        places = tuple(range(t.rank))
        out = self.var("w", new)
        k = Kernel(name, list(dims), [Access(array, (ZERO,) * t.rank, (ONE,) * t.rank, places)], [Result("map", (), None, out)])  # type: ignore[arg-type]
        self.lets.append(k.let())
        return out

    # ---- operations
    def let(self, let: Let) -> None:
        op = TABLE[let.op]
        if any(width(a.type) > 1 or a.type == MASK for a in (*let.args, *let.outs)):
            raise MixedError  # blocks of blocks
        if op.nest:
            self.kernel(let)
        elif op.indexed:
            self.element(let, bool(op.writes))
        elif not self.varied.any((*let.args, *let.outs)) or op.measures:
            args = tuple(self.here(a) if isinstance(a.type, Array) else self.plain(a) for a in let.args)
            self.lets.append(Let(tuple(map(self.copy_of, let.outs)), let.op, args, dict(let.attrs), let.site, let.contract))
        elif op.scalar:
            self.scalar(let)
        elif op.calls == REVERSE:
            self.pullback(let)
        elif op.fills:
            *dims, value = let.args
            self.lets.append(Let((self.copy_of(let.out),), let.op, (*map(self.plain, dims), self.wide(value)), dict(let.attrs), let.site))
        elif op.aliases or (op.cost == "dear" and not op.calls and len(let.args) == 1 and op.rule is not None and op.adjoint == "function"):
            args = (self.wide(let.args[0]), *map(self.plain, let.args[1:]))
            self.lets.append(Let((self.copy_of(let.out),), let.op, args, dict(let.attrs), let.site))
        else:
            raise MixedError

    def scalar(self, let: Let) -> None:
        """An operation on numbers: of blocks, or of the ints of each lane."""
        op, kinds = TABLE[let.op], TABLE[let.op].signature[: TABLE[let.op].arity]
        if any(isinstance(self.env.get(a), tuple) for a in let.args if isinstance(a, Var)):
            if any(self.varied.has(a) and not isinstance(self.env.get(a), tuple) for a in let.args):  # type: ignore[arg-type]
                raise MixedError
            parts = []
            for args in zip(*map(self.each, let.args), strict=True):
                parts.append(self.emit(let.op, args, let.out.type, let.site, **let.attrs))
            self.together(let.out, parts)
            return
        if can_fail(let) or op.calls or op.signature[-1] == "I" or let.out.type == I64:
            raise MixedError
        atoms = [self.wide(a) if k in "FT" or self.varied.has(a) else self.plain(a) for k, a in zip(kinds, let.args, strict=True)]
        attrs = dict(let.attrs)
        if op.signature[-1] == ">":
            attrs["to"] = widened(attrs["to"])
        self.lets.append(Let((self.copy_of(let.out),), let.op, tuple(atoms), attrs, let.site, let.contract))

    def element(self, let: Let, writes: bool) -> None:
        """A load or a store. Where its place differs it is one for each lane."""
        base, places = let.args[0], let.args[1 : 1 + let.args[0].type.rank]  # type: ignore[union-attr]
        if self.varied.has(base) or not self.varied.any(let.args):
            args = [self.here(base), *map(self.plain, places)]
            if writes:
                args.append(self.wide(let.args[-1]) if self.varied.has(base) else self.plain(let.args[-1]))
            self.lets.append(Let(tuple(map(self.copy_of, let.outs)), let.op, tuple(args), dict(let.attrs), let.site))
            return
        if writes and not self.varied.is_apart(base):
            raise MixedError
        parts: list[Atom] = []
        for rest in zip(*map(self.each, let.args[1:]), strict=True):
            new = Let(tuple(self.var("w", o.type) for o in let.outs), let.op, (self.plain(base), *rest), dict(let.attrs), let.site)
            self.lets.append(new)
            parts += new.outs
        if not writes:
            self.together(let.out, parts)

    def pullback(self, let: Let) -> None:
        mask, n = self.varied.mask(let), let.attrs.get("cotangents", 0)
        own, cotangents = let.args[: len(let.args) - n], let.args[len(let.args) - n :]
        args = [self.wide(a) if m else self.plain(a) for a, m in zip(own, mask, strict=True)] + [self.wide(c) for c in cotangents]
        attrs = {**let.attrs, "f": self.clones.differentiated(let.attrs["f"], mask)}
        self.lets.append(Let(tuple(map(self.copy_of, let.outs)), let.op, tuple(args), attrs, let.site))

    # ---- kernels
    def kernel(self, let: Let) -> None:
        k = kernel_of(let)
        if not self.varied.any((*let.args, *(o for o in let.outs))):
            self.lets.append(Let(tuple(map(self.copy_of, let.outs)), let.op, tuple(map(self.plain, let.args)), dict(let.attrs), let.site))
            return
        inner = self.clones.program.functions[k.f]
        body = Scalar(self.clones, self.varied, inner)
        inputs: list[Any] = []
        for x, p in zip(k.inputs, inner.params, strict=True):
            inputs += self.input(x, p, body)
        for one in inner.entry.lets:
            body.let(one)
        results: list[Result] = []
        for r, value in zip(k.results, inner.returned, strict=True):
            results += self.result(r, value, body)
        name = body.finish(k.f)
        made = Kernel(name, [self.plain(n) for n in k.sizes], inputs, results, k.site, k.extra)
        self.lets.append(made.let())

    def input(self, x: Any, p: Var, body: Scalar) -> list[Any]:
        """What takes the place of an input, a parameter of the kernel's function."""
        if isinstance(x, Access) and self.varied.any((*x.starts, *x.steps)):
            lanes = self.accesses(x)
            body.lanes(p, len(lanes))
            return lanes
        if isinstance(x, Access):
            body.param(p, self.varied.has(x.base))
            return [self.access(x)]
        if isinstance(x, Same):
            body.param(p, self.varied.has(x.atom))
            return [Same(self.here(x.atom))]
        if isinstance(x, Gather):
            place = body.place(x.place)
            body.param(p, self.varied.has(x.base))
            return [Gather(self.here(x.base), place)]
        body.param(p, False)
        return [x]

    def access(self, x: Access) -> Access:
        return Access(self.here(x.base), tuple(map(self.plain, x.starts)), tuple(map(self.plain, x.steps)), x.axes)

    def accesses(self, x: Access) -> list[Access]:
        """One for each lane of an array that all share."""
        base = self.plain(x.base)
        starts = list(zip(*map(self.each, x.starts), strict=True))
        return [Access(base, s, tuple(map(self.plain, x.steps)), x.axes) for s in starts]

    def result(self, r: Result, value: Atom, body: Scalar) -> list[Result]:
        if r.into is not None and r.kind in ("into", "fresh"):
            if self.varied.any((*r.into.starts, *r.into.steps)):
                if not self.varied.is_apart(r.into.base):
                    raise MixedError
                body.results += body.each(value)
                return [Result(r.kind, r.axes, x) for x in self.accesses(r.into)]
            body.results.append(body.wide(value) if self.varied.has(r.into.base) else body.plain(value))
            return [Result(r.kind, r.axes, self.access(r.into))]
        if r.out is None or r.kind not in ("map", "sum", "ordered"):
            raise MixedError
        start: Any = None
        if isinstance(r.start, Access):
            if not self.varied.has(r.start.base):
                raise MixedError
            start = self.access(r.start)
        elif r.start is not None:
            start = Same(self.wide(r.start.atom))
        body.results.append(body.wide(value))
        return [Result(r.kind, r.axes, None, self.copy_of(r.out), start)]

    # ---- blocks
    def block(self, old: Block, new: Block, renamed: dict[str, str], f: Function) -> None:
        """Fill in a block; its parameters are there."""
        self.lets, self.name = new.lets, old.name
        for let in old.lets:
            self.let(let)
        new.terminator = self.end(old.terminator, renamed, f)

    def edge(self, t: Any, e: Edge, renamed: dict[str, str], f: Function) -> Edge:
        head = f.blocks[e.block]
        if self.varied.waits(e.block) and self.name in self.varied.harmless[e.block].blocks:
            going = self.env[head.terminator.cond]  # type: ignore[union-attr, index]
            pairs = passed(t, e, head)
            stays = [self.emit(select.name, [going, self.wide(a), self.env[p]], self.env[p].type, where=True) for p, a in pairs]
            return Edge(renamed[e.block], tuple(stays))
        args = [self.wide(a) if self.varied.has(p) else self.plain(a) for p, a in passed(t, e, f.blocks[e.block])]
        return Edge(renamed[e.block], tuple(args))

    def end(self, t: Any, renamed: dict[str, str], f: Function) -> Terminator:
        if isinstance(t, Jump):
            return Jump(self.edge(t, t.edge, renamed, f))
        if isinstance(t, Branch):
            waits = self.varied.waits(self.name)
            cond = self.emit(any_lane.name, [self.wide(t.cond)], BOOL, to=BOOL) if waits else self.plain(t.cond)
            return Branch(cond, self.edge(t, t.then, renamed, f), self.edge(t, t.orelse, renamed, f), t.rare)
        if type(t) is Call:
            mask = tuple(map(self.varied.has, t.args))
            name = self.clones.called(t.function, mask) if any(mask) else t.function
            return Call(name, tuple(map(self.here, t.args)), self.edge(t, t.then, renamed, f))
        if isinstance(t, Fail):
            return t
        raise MixedError


class Scalar(Widen):
    """A kernel's function."""

    def __init__(self, clones: Any, around: Varied, old: Function) -> None:
        self.old, self.params, self.places, self.results = old, [], {}, []  # type: ignore[var-annotated]
        super().__init__(clones, Varied(around.aliases, old, [], (), set(), around.flags), set(), {})

    def param(self, p: Var, differs: bool) -> None:
        if differs:
            self.varied.values.add(p)
        self.places[self.old.params.index(p)] = len(self.params)
        self.params.append(self.copy_of(p))

    def lanes(self, p: Var, n: int) -> None:
        """A parameter that each lane has one for."""
        self.varied.values.add(p)
        parts = [self.var(p.name, p.type) for _ in range(n)]
        self.params += parts
        self.together(p, parts)
        if p.type not in (F64, F32):
            raise MixedError

    def place(self, i: int) -> int:
        if i not in self.places or self.varied.has(self.old.params[i]):
            raise MixedError
        return int(self.places[i])

    def let(self, let: Let) -> None:
        if self.varied.any(let.args):
            self.varied.values.update(let.outs)
        super().let(let)

    def finish(self, name: str) -> str:
        new = str(self.clones.name(name))
        entry = Block("entry", [], self.lets, Return(tuple(self.results)))
        self.clones.made[new] = Function(new, self.params, {"entry": entry}, tuple(a.type for a in self.results))
        return new
