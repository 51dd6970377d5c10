"""An operation of the user's on scalars is a scalar operation with a rule, where its second half runs straight and is linear.

    z = custom(y, x, r) {f}        ->        z = ruled(y, x, r) {f'}        f'(x, r, z, dz) = dx

Then kernels, replayed loops and whatever else knows of rules have it as one of their own. Where the halves of an operation on arrays are
elementwise, it is such an operation in a kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...core.analysis import find_loops
from ...core.builder import Operand
from ...core.dims import UNKNOWN
from ...core.graph import Atom, Block, Branch, Const, Function, Jump, Let, Program, Return, Var, edges, same_atom, substitute
from ...core.kernel import ONE, ZERO, Access, Kernel, Result, Same, kernel_of
from ...core.op import BACKWARDS, TABLE, can_fail
from ...core.types import I64, Array, Scalar, carries_gradient, element
from ...ops import table
from ...ops.custom import RULED, around, follow, kept, own, values
from ...ops.memory import DIM
from ...passes.delimited.outline import Names, clone
from ...passes.simplify import SIMPLIFY
from .jvp import TANGENTS, jvp_name
from .lanes import each_lane
from .linear import linear_in

MOST_OPERATIONS = 64  # of a second half with branches, both sides of which are computed


def scalar_rules(program: Program) -> bool:
    """Replace `custom` where it may be.

    fn f(%x: f64, %y: f64) -> (f64) {
    entry:
      %z: f64 = custom(%y, %x) {f='sine.back', own=1, kept=0}
      return %z
    }

    fn sine.back(%x: f64, %z: f64, %d: f64) -> (f64) {
    entry:
      %c: f64 = cos(%x)
      %dx: f64 = mul(%d, %c)
      return %dx
    }
    ->
    fn f(%x: f64, %y: f64) -> (f64) {
    entry:
      %z: f64 = ruled(%y, %x) {f='sine.back.rule', own=1, kept=0, uses=((), (1,))}
      return %z
    }

    fn sine.back(%x: f64, %z: f64, %d: f64) -> (f64) {
    entry:
      %c: f64 = cos(%x)
      %dx: f64 = mul(%d, %c)
      return %dx
    }

    fn sine.back.rule(%x: f64, %z: f64, %d: f64) -> (f64) {
    entry:
      %c: f64 = cos(%x)
      %dx: f64 = mul(%d, %c)
      return %dx
    }
    """
    changed = False
    for f in list(program.functions.values()):
        for block in f.blocks.values():
            lets: list[Let] = []
            for let in block.lets:
                found = _ruled(program, let) if TABLE[let.op].calls == BACKWARDS and not TABLE[let.op].scalar else None
                lets += [let] if found is None else found
                changed |= found is not None
            block.lets = lets
    return changed


def _ruled(program: Program, let: Let) -> list[Let] | None:
    back = program.functions[let.attrs["f"]]
    if "forward" in let.attrs:
        return None
    atoms = (*values(let), *own(let), *kept(let))
    if all(isinstance(a.type, Scalar) for a in atoms):
        return _scalars(program, let, back, let.outs, values(let), own(let), kept(let), around(let))
    if around(let) or not all(isinstance(o.type, Array) for o in let.outs):
        return None
    each = _each(program, back, let)
    return None if each is None else _kernel(program, let, each)


def _scalars(program: Program, let: Let, back: Function, outs: Sequence[Var], ys: Sequence[Atom], xs: Sequence[Atom], rs: Sequence[Atom],
             cs: Sequence[Atom]) -> list[Let] | None:  # fmt: skip
    """`outs` of these scalars by the rule of `back`."""
    back = straight(back)  # type: ignore[assignment]
    if back is None or not linear_in(program, back, back.params[len(back.params) - len(outs) :]):
        return None
    floats, ints = [a for a in xs if carries_gradient(a.type)], [a for a in xs if not carries_gradient(a.type)]
    found = []
    for j, (z, y) in enumerate(zip(outs, ys, strict=True)):
        rule = _rule(program, back, len(xs), len(outs), j)
        if rule is None:
            return None
        args = (y, *floats, *ints, *rs, *cs)
        attrs = {"f": rule.name, "own": len(floats), "kept": len(ints) + len(rs), "uses": uses(rule, len(floats), len(args))}
        found.append(Let((z,), RULED.name, args, attrs, let.site))
    return found


# ---- operations on arrays, element by element
def _each(program: Program, back: Function, let: Let) -> Function | None:
    """The function of the elements, where `back` is one kernel over all of them, and of the numbers that are the same everywhere."""
    name = f"{back.name}.each"
    if name in program.functions:
        return program.functions[name]
    kernels = [kernel_of(x) for x in back.entry.lets if TABLE[x.op].nest]
    others = [x for x in back.entry.lets if not TABLE[x.op].nest]
    if len(back.blocks) > 1 or len(kernels) > 1 or not all(TABLE[x.op].measures and x.outs for x in others):
        return None
    space = back.params[-1].type
    if not isinstance(space, Array) or UNKNOWN in space.dims:
        return None
    elements = {p: Var(p.name, element(p.type.dtype) if isinstance(p.type, Array) else p.type) for p in back.params}
    if not all(p.type.dims == space.dims for p in back.params if isinstance(p.type, Array)):
        return None
    known: dict[Any, Atom] = dict(elements)
    lets: list[Let] = []
    for k in kernels:
        f = clone(program.functions[k.f], {k.f: k.f})
        inner = [_element(x, elements, space.rank) for x in k.inputs]
        if None in inner or any(r.out is None or r.kind not in ("map", "sum") or r.axes for r in k.results):
            return None
        substitute(f.blocks.values(), dict(zip(f.params, inner, strict=True)))  # type: ignore[arg-type]
        lets += f.entry.lets
        known.update((r.out, a) for r, a in zip(k.results, f.returned, strict=True) if r.out is not None)
    floats = [p for p in back.params[: let.attrs["own"]] if carries_gradient(p.type)]
    returned = back.returned
    if not all(a in known and a.type == p.type for a, p in zip(returned, floats, strict=True)):
        return None
    if any(isinstance(p.type, Scalar) and a in elements for a, p in zip(returned, floats, strict=True)):
        return None
    results = tuple(known[a] for a in returned)
    made = Function(name, list(elements.values()), {"entry": Block("entry", [], lets, Return(results))}, tuple(a.type for a in results))
    program.functions[name] = made
    return made


def _element(x: Any, elements: dict[Var, Var], rank: int) -> Atom | None:
    """What an input of a kernel over all elements is at one of them."""
    if isinstance(x, Same):
        return elements.get(x.atom) if isinstance(x.atom, Var) else x.atom
    if not isinstance(x, Access) or x.axes != tuple(range(rank)) or any(a != ZERO for a in x.starts) or any(a != ONE for a in x.steps):
        return None
    return elements.get(x.base)


def _kernel(program: Program, let: Let, each: Function) -> list[Let] | None:
    """The operation as a kernel around one of scalars."""
    m, n, first = len(let.outs), let.attrs["own"], let.args[0]
    assert isinstance(first.type, Array)
    name = f"{each.name}.values"
    if name not in program.functions:
        params = [Var(f"a{i}", element(a.type.dtype) if isinstance(a.type, Array) else a.type) for i, a in enumerate(let.args)]
        outs = [Var(f"z{j}", p.type) for j, p in enumerate(params[:m])]
        lets = _scalars(program, let, each, outs, params[:m], params[m : m + n], params[m + n :], ())
        if lets is None:
            return None
        body = Block("entry", [], lets, Return(tuple(outs)))
        program.functions[name] = Function(name, params, {"entry": body}, tuple(o.type for o in outs))
    rank = first.type.rank
    sizes = [Var(f"{let.out.name}.n{i}", I64) for i in range(rank)]
    inputs = [Access(a, (ZERO,) * rank, (ONE,) * rank, tuple(range(rank))) if isinstance(a.type, Array) else Same(a) for a in let.args]  # type: ignore[arg-type]
    made = Kernel(name, list(sizes), list(inputs), [Result("map", (), None, o) for o in let.outs], let.site, {"fails": False})
    return [*(Let((v,), DIM.name, (first,), {"axis": i}) for i, v in enumerate(sizes)), made.let()]


# ---- the rule
def straight(f: Function) -> Function | None:
    """The function as scalar operations one after another, none of which can fail: both sides of a branch, and what is chosen of them."""
    lets = [x for b in f.blocks.values() for x in b.lets]
    if not all(TABLE[x.op].scalar and not can_fail(x) for x in lets) or find_loops(f):
        return None
    if not all(isinstance(b.terminator, (Return, Jump, Branch)) for b in f.blocks.values()):
        return None
    return f if len(f.blocks) == 1 else _Straight(f).made


class _Straight:
    def __init__(self, f: Function) -> None:
        self.f, self.names, self.lets = f, Names(), list[Let]()
        results = self.run(f.entry, {p: p for p in f.params})
        body = Block("entry", [], self.lets, Return(tuple(results or ())))
        self.made = None if results is None else Function(f.name, f.params, {"entry": body}, f.results)

    def run(self, block: Block, env: dict[Var, Atom]) -> list[Atom] | None:
        """What is returned, from this block on."""

        def look(a: Atom) -> Atom:
            return env[a] if isinstance(a, Var) else a

        for x in block.lets:
            self.lets.append(Let((self.names.var(x.out),), x.op, tuple(map(look, x.args)), x.attrs, x.site))
            env[x.out] = self.lets[-1].out
        t = block.terminator
        if len(self.lets) > MOST_OPERATIONS:
            return None
        if isinstance(t, Return):
            return list(map(look, t.args))
        sides = []
        for e in edges(t):
            target = self.f.blocks[e.block]
            sides.append(self.run(target, {**env, **dict(zip(target.params, map(look, e.args), strict=True))}))
        if None in sides or len(sides) == 1:
            return sides[0] if len(sides) == 1 else None
        assert isinstance(t, Branch)
        return [self.chosen(look(t.cond), a, b) for a, b in zip(*sides, strict=True)]

    def chosen(self, c: Atom, a: Atom, b: Atom) -> Atom:
        if same_atom(a, b):
            return a
        self.lets.append(Let((Var(self.names.new("way"), a.type),), table.select.name, (c, a, b), {"where": True}))
        return self.lets[-1].out


def _rule(program: Program, back: Function, n: int, m: int, j: int) -> Function | None:
    """The function of one of m results, for n arguments. None if it reads another one, which would have to be there before."""
    name = f"{back.name}.rule{j if m > 1 else ''}"
    if name in program.functions:
        return program.functions[name]
    q = len(back.params) - n - 2 * m
    f = clone(back, {back.name: name})
    xs, zs, rs, ds = f.params[:n], f.params[n : n + m], f.params[n + m : n + m + q], f.params[n + m + q :]
    substitute(f.blocks.values(), {d: Const(0.0, d.type) for k, d in enumerate(ds) if k != j})
    SIMPLIFY.on([f])
    if any(z in _read(f) for k, z in enumerate(zs) if k != j):
        return None
    floats = [x for x in xs if carries_gradient(x.type)]
    f.params = [*floats, *(x for x in xs if x not in floats), *rs, zs[j], ds[j]]
    program.functions[name] = f
    return f


def _read(f: Function) -> set[Atom]:
    return {*(a for x in f.entry.lets for a in x.args), *f.returned}


def uses(f: Function, n: int, count: int) -> tuple[tuple[int, ...], ...]:
    """What the terms of `count` arguments read, of which n have one: numbers of arguments, -1 for the result."""
    made = {x.out: x for x in f.entry.lets}
    places = {p: -1 if i == len(f.params) - 2 else i + 1 for i, p in enumerate(f.params[:-1])}

    def reads(a: Atom) -> Iterator[int]:
        work, seen = [a], set[Atom]()
        while work:
            v = work.pop()
            if v in places:
                yield places[v]
            elif v in made and v not in seen:
                seen.add(v)
                work += made[v].args

    return ((), *(tuple(sorted(set(reads(a)))) for a in f.returned[:n]), *[()] * (count - 1 - n))


# ---- forward mode
@TANGENTS.of("ruled")
def ruled(forward: Any, let: Let) -> None:
    if forward.lanes == 1:
        ruled_tangents(forward, let)
    else:
        each_lane(forward, let, ruled_tangents)


def ruled_tangents(forward: Any, let: Let) -> None:
    """tz = ruled(ty, x, tx, r, z, tr): the value by the rule, which is its own transpose; the rule as custom.py says."""
    program, active = forward.program, forward.activity
    rule, z = program.functions[let.attrs["f"]], Operand(forward.values[let.out], forward.builder)
    xs, rs = [forward.atom(a) for a in own(let)], [forward.atom(a) for a in kept(let)]
    moves = [a in active for a in own(let)], [a in active for a in kept(let)]
    txs, trs = ([forward.tangent(a) for a, m in zip(of(let), mask, strict=True) if m] for of, mask in zip((own, kept), moves, strict=True))
    total = _by_rule(forward, rule, let, z, [*xs, *rs], [i for i, m in enumerate(moves[0]) if m], txs)
    if not forward.dual:
        forward.tangents[let.out] = total
        return
    name = _derived(program, rule, *moves)
    args = (total, *xs, *txs, *rs, z.atom, *trs, *map(forward.atom, around(let)))
    attrs: dict[str, Any] = {"f": name, "own": len(xs) + len(txs), "kept": len(rs) + 1 + len(trs)}
    attrs["uses"] = uses(program.functions[name], attrs["own"], len(args))
    (forward.tangents[let.out],) = forward.builder.emit(RULED.name, args, (let.out.type,), attrs, let.site)


def _by_rule(forward: Any, rule: Function, let: Let, z: Operand, given: Sequence[Atom], moving: Sequence[int], txs: Sequence[Atom]) -> Atom:
    total: Any = None
    operands = [Operand(a, forward.builder) for a in given]
    for i, t in zip(moving, txs, strict=True):
        d = Operand(t, forward.builder)
        d = d if d.type == z.type else TABLE["convert"](d, to=z.type)
        term = follow(d, z, z, *operands, f=rule, own=let.attrs["own"], kept=let.attrs["kept"])[1 + i]
        term = term if term.type == z.type else TABLE["convert"](term, to=z.type)
        total = term if total is None else TABLE["add"](total, term)
    return total.atom  # type: ignore[no-any-return]


def _derived(program: Program, rule: Function, xs: list[bool], rs: list[bool]) -> str:
    inner = program.functions[jvp_name(program, rule.name, [*xs, *rs, True, False])]
    name = f"ruled.{inner.name}"
    if name not in program.functions:
        f = clone(inner, {inner.name: name})
        n, q = len(xs), len(rs)
        own, kept, (z, d), ts = f.params[:n], f.params[n : n + q], f.params[n + q : n + q + 2], f.params[n + q + 2 :]
        f.params = [*own, *ts[: sum(xs)], *kept, z, *ts[sum(xs) : -1], ts[-1], d]
        values, tangents = f.returned[:n], f.returned[n:]
        f.entry.terminator = Return((*tangents, *(p for p, m in zip(values, xs, strict=True) if m)))
        f.results = tuple(a.type for a in f.returned)
        program.functions[name] = f
    return name
