"""Operations in callback form are cut at the call of their continuation.

What stands before it is put in the place of the operation: it is ordinary code, which is simplified and fused with its surroundings.
What stands behind is a function of its own, which `custom` has for the way back; it takes what it needs from before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...core import errors
from ...core.analysis import Aliases, drop_unreachable, live_in, references
from ...core.dims import UNKNOWN
from ...core.graph import (
    Atom,
    Block,
    Branch,
    Call,
    Const,
    Edge,
    Function,
    Jump,
    Let,
    Program,
    Return,
    Terminator,
    Var,
    edges,
    passed,
    substitute,
)
from ...core.op import CUT, TABLE, written
from ...core.types import BOOL, I32, I64, Array, Type, carries_gradient, element
from ...ops import table
from ...ops.custom import CUSTOM
from ...ops.memory import ALLOC, COPY
from .outline import Names, inline, outline, rest_of

ZERO = Const(0, I64)


def operations(program: Program) -> bool:
    """Cut all of them.

    fn f(%x: f64) -> (f64) {
    entry:
      %y: f64 = operation(%x) {f='twice', still=(), named=(), cotangents=0, own=1}
      return %y
    }

    fn twice(%a: f64) -> (f64) {
    entry:
      %s: f64 = sin(%a)
      %d: f64 = resume(%s)
      %da: f64 = mul(%d, 2.0:f64)
      return %da
    }
    ->
    fn f(%x: f64) -> (f64) {
    entry:
      %s.k7: f64 = sin(%x)
      jump entry.k5(%s.k7)
    entry.k5(%y.k6: f64):
      %y: f64 = custom(%y.k6, %x) {f='twice.back', own=1, kept=0}
      return %y
    }

    fn twice.back(%a.k2: f64, %z.k3: f64, %d.k4: f64) -> (f64) {
    entry:
      %da: f64 = mul(%d.k4, 2.0:f64)
      return %da
    }
    """
    whole = {let.attrs["f"] for f in program.functions.values() for b in f.blocks.values() for let in b.lets if _is_whole(let)}
    if not whole:
        return False
    names, cut = Names(), dict[str, _Cut]()
    work = [f for name, f in program.functions.items() if name not in whole]
    while work:
        f = work.pop()
        blocks = list(f.blocks.values())
        while blocks:
            block = blocks.pop()
            i = next((i for i, let in enumerate(block.lets) if _is_whole(let)), None)
            if i is None:
                continue
            name = block.lets[i].attrs["f"]
            once = name not in cut  # the symbols of its sizes are of one copy
            if once:
                cut[name] = _cut(program, block.lets[i], names)
                work.append(cut[name].back)
            blocks += _put_in(program, f, block, i, cut[name], names, once)
    for name in whole:
        del program.functions[name]
    return True


def _is_whole(let: Let) -> bool:
    return TABLE[let.op].calls == CUT


@dataclass
class _Cut:
    """The halves of an operation. `first` gives what k is given, and `kept` that `back` needs besides; `own` are the places of those of its
    parameters that have an adjoint, `around` that are floats of the function around it."""

    first: Function
    back: Function
    kept: int
    own: list[int]
    around: list[int]


def _put_in(program: Program, f: Function, block: Block, i: int, cut: _Cut, names: Names, once: bool) -> list[Block]:
    """The first half in the place of the operation, and a `custom` behind it; the blocks that are new or changed."""
    let = block.lets[i]
    rest = Block(names.new(block.name), [], block.lets[i + 1 :], block.terminator)
    given = [Var(names.new(o.name), o.type) if carries_gradient(o.type) or isinstance(o.type, Array) else o for o in let.outs]
    kept = [Var(names.new("kept"), t) for t in cut.first.results[len(let.outs) :]]
    rest.params = [*given, *kept]
    outs = tuple(o for o in let.outs if carries_gradient(o.type))
    ys = [g for g in given if carries_gradient(g.type)]
    pairs = [(o, g) for o, g in zip(let.outs, given, strict=True) if o is not g and not carries_gradient(o.type)]
    rest.lets[:0] = [Let((o,), COPY.name, (g,), {}, let.site) for o, g in pairs]  # integers: memory of their own, too
    if outs:
        args = (*ys, *(let.args[j] for j in cut.own), *kept, *(let.args[j] for j in cut.around))
        attrs: dict[str, Any] = {"f": cut.back.name, "own": len(cut.own), "kept": cut.kept}
        if "forward" in let.attrs:
            attrs |= {"forward": _forward(program, let), "covers": (len(cut.own), len(outs))}
        rest.lets.insert(0, Let(outs, CUSTOM.name, args, attrs, let.site))
    del block.lets[i:]
    block.terminator = Call(cut.first.name, let.args, Edge(rest.name))
    f.blocks[rest.name] = rest
    return [*inline(f, block, cut.first, names, once), rest]


def _forward(program: Program, let: Let) -> str:
    """The function of the user's rule for forward mode."""
    f = program.functions[let.attrs["forward"]]
    own = f.params[: let.attrs["own"]]
    if len(f.params) != len(own) + sum(carries_gradient(p.type) for p in own):
        raise errors.UnsupportedOperationError(
            f"the rule for forward mode of the operation at {let.site} uses a value of the function around it: make it an argument of the operation"
        )
    _check_writes(program, f, f.params, let, "an array that it is given, in its rule for forward mode")
    return f.name


# ---- the cut
def _cut(program: Program, let: Let, names: Names) -> _Cut:
    f, count = program.functions[let.attrs["f"]], let.attrs["own"]
    named = let.attrs["named"]
    own = [i for i in range(count) if i not in (*let.attrs["still"], *named)]
    xs = [f.params[i] for i in own]
    _check_writes(program, f, f.params, let, "an array that it is given, or one of the function around it")
    paths = _split(f, names)
    live = live_in(f)
    halves = [outline(f, rest_of(f, tail, live[tail]), live, f"{f.name}.back{j}", names) for j, (_, _, tail) in enumerate(paths)]
    floats = [o.type for o in paths[0][1].outs]
    for half in halves:
        _own_cotangents(program, half, len(floats))
        _check_writes(program, half, half.params, let, "an array that it has not made behind k")
    slots: dict[Var, None] = {}  # what some half needs from before
    needs = []
    for (_, resume, tail), half in zip(paths, halves, strict=True):
        ys = [a for a in resume.args if carries_gradient(a.type)]
        params = dict(zip(live[tail], half.params[len(floats) :], strict=True))
        needs.append((ys, params))
        slots.update((v, None) for v in params if v not in xs and v not in ys)
    back = _back(f, xs, needs, halves, list(slots), names)
    program.functions[back.name] = back
    for j, (block, resume, _) in enumerate(paths):
        path = [Const(j, I64)] if len(paths) > 1 else []
        rest = [v if v in needs[j][1] or v in f.params else _nothing(block, v, names) for v in slots]
        block.terminator = Return((*resume.args, *path, *rest))
    drop_unreachable(f)
    several = len(paths) > 1
    types = [_open(a.type) if several else a.type for a in paths[0][1].args]
    kept = [*([I64] if several else []), *(_open(v.type) if several else v.type for v in slots)]
    first = Function(f"{f.name}.first", f.params, f.blocks, (*types, *kept))
    read = _read(first, len(paths[0][1].args))
    around = [i for i, p in enumerate(f.params) if (i >= count or i in named) and carries_gradient(p.type) and p in read]
    return _Cut(first, back, len(kept), own, around)


def _read(f: Function, n: int) -> set[Var]:
    """What the first n results may be computed from."""
    made = {o: let for b in f.blocks.values() for let in b.lets for o in let.outs}
    gives: dict[Var, list[Atom]] = {}
    work: list[Atom] = []
    for b in f.blocks.values():
        t = b.terminator
        work += [a for let in b.lets if written(let) for a in let.args]
        work += t.args[:n] if isinstance(t, Return) else t.args if isinstance(t, Call) else ()
        for e in edges(t):
            for p, a in passed(t, e, f.blocks[e.block]):
                gives.setdefault(p, []).append(a)
    found: set[Var] = set()
    while work:
        v = work.pop()
        if isinstance(v, Var) and v not in found:
            found.add(v)
            work += made[v].args if v in made else gives.get(v, ())
    return found


def _split(f: Function, names: Names) -> list[tuple[Block, Let, str]]:
    """Each block that ends where k is called, the call, and the block that comes behind."""
    found = []
    for block in list(f.blocks.values()):
        i = next((i for i, let in enumerate(block.lets) if TABLE[let.op].resumes), None)
        if i is not None:
            let = block.lets[i]
            tail = Block(names.new(block.name), list(let.outs), block.lets[i + 1 :], block.terminator)
            f.blocks[tail.name] = tail
            del block.lets[i:]
            block.terminator = Jump(Edge(tail.name))  # until what is live there is known
            found.append((block, let, tail.name))
    return found


def _back(f: Function, own: list[Var], needs: Sequence[tuple[list[Atom], dict[Var, Var]]], halves: Sequence[Function], slots: list[Var], names: Names) -> Function:  # fmt: skip
    """The function of the way back, of (x.., z.., kept.., dz..). `needs`: of each half what k is given, and what its parameters are."""
    several = len(halves) > 1
    ys = needs[0][0]

    def new(name: str, t: Type) -> Var:
        return Var(names.new(name), _open(t) if several else t)

    xs, zs = [new(p.name, p.type) for p in own], [new("z", a.type) for a in ys]
    rs, ds = [new(v.name, v.type) for v in slots], [new("d", a.type) for a in ys]
    path = [Var(names.new("path"), I64)] if several else []

    def args(j: int) -> list[Var]:
        mine, params = needs[j]
        known: dict[Any, Var] = dict(zip(slots, rs, strict=True))
        known.update((y, z) for y, z in reversed(list(zip(mine, zs, strict=True))) if isinstance(y, Var))
        known.update(zip(own, xs, strict=True))
        return [*ds, *(known[v] for v in params)]

    params, name = [*xs, *zs, *path, *rs, *ds], f"{f.name}.back"
    if not several:
        (half,) = halves
        substitute(half.blocks.values(), dict(zip(half.params, args(0), strict=True)))
        return Function(name, params, half.blocks, f.results)
    blocks: list[Block] = []
    for j, half in enumerate(halves):
        results = [Var(names.new("r"), t) for t in f.results]
        go = Block(f"path{j}", [], [], Call(half.name, tuple(args(j)), Edge(f"end{j}")))
        blocks += [go, Block(f"end{j}", results, [], Return(tuple(results)))]
    tests: list[Block] = []
    for j in range(len(halves) - 1):
        here = Var(names.new("here"), BOOL)
        other = f"path{j + 1}" if j + 2 == len(halves) else f"test{j + 1}"
        end: Terminator = Branch(here, Edge(f"path{j}"), Edge(other))
        tests.append(Block(f"test{j}" if j else "entry", [], [Let((here,), table.ieq.name, (path[0], Const(j, I64)))], end))
    made = Function(name, params, {b.name: b for b in (*tests, *blocks)}, f.results)
    for j, half in enumerate(halves):
        inline(made, made.blocks[f"path{j}"], half, names, once=True)
    return made


def _open(t: Type) -> Type:
    """Of arrays that differ from path to path."""
    return Array(t.dtype, (UNKNOWN,) * t.rank) if isinstance(t, Array) else t


def _nothing(block: Block, v: Var, names: Names) -> Atom:
    """On a path that has no such value nobody reads it."""
    if isinstance(v.type, Array):
        out = Var(names.new("none"), Array(v.type.dtype, (0,) * v.type.rank))
        block.lets.append(Let((out,), ALLOC.name, (*(ZERO,) * v.type.rank, _zero(element(v.type.dtype)))))
        return out
    return _zero(v.type)


def _zero(t: Type) -> Const:
    return Const(0 if t in (I64, I32) else False if t == BOOL else 0.0, t)


# ---- writes
def _own_cotangents(program: Program, half: Function, n: int) -> None:
    """The adjoints that k gives are memory of the program: where they are written to, that is a copy."""
    aliases = _aliases(program, half)
    mapping = {p: Var(f"{p.name}.own", p.type) for p in half.params[:n] if isinstance(p.type, Array) and aliases.is_written(p)}
    substitute(half.blocks.values(), dict(mapping))
    half.entry.lets[:0] = [Let((v,), COPY.name, (p,)) for p, v in mapping.items()]


def _check_writes(program: Program, f: Function, params: Sequence[Var], let: Let, what: str) -> None:
    aliases = _aliases(program, f)
    if any(isinstance(p.type, Array) and aliases.is_written(p) for p in params):
        label = let.attrs["f"].split(".")[0]
        raise errors.UnsupportedOperationError(
            f"the operation `{label}` ({let.site}) writes into {what}: its halves run at other times, so write into a copy and give that to k"
        )


def _aliases(program: Program, f: Function) -> Aliases:
    found, work = {f.name: f}, [f]
    while work:
        for name in references(work.pop()):
            if name not in found:
                found[name] = program.functions[name]
                work.append(found[name])
    return Aliases(Program(found, f.name))
