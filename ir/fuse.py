"""Fusion: a kernel whose array only other kernels read becomes part of them.

    %y = kernel(%n, %x ..) {f='each_sin'}             %s = kernel(%n, %x ..) {f='each_sin_sum', results=(('sum',),)}
    %s = kernel(%n, %y ..) {f='each_sum', sum}   ->

The reader's access to the array is composed with the maker's accesses: x read at s + t * p, where p = start + step * i,
is x read at (s + t * start) + (t * step) * i. What is computed again for several readers must be cheap; an expensive
array with several readers is made by its first one on the way, so that it is read once less.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from .activity import Aliases
from .graph import Atom, Block, Const, Function, Let, Program, Return, Var, substitute, terminator_atoms
from .kernel import ZERO, Access, Gather, Index, Kernel, Result, Same, expensive, kernel_of, same_element, written
from .types import I64

CHEAP = 4  # operations that may be computed again for each reader
REPEATED = 2  # for each element of a reader that goes over the array many times
LARGEST = 200  # operations of a kernel


def fuse(program: Program) -> None:
    """Fuse the kernels of every function in place."""
    kernels = any(let.op == "kernel" for f in program.functions.values() for b in f.blocks.values() for let in b.lets)
    if not kernels:
        return
    aliases = Aliases(program)
    for f in list(program.functions.values()):
        _Fusion(program, f, aliases).run()
    drop_unused(program)


def drop_unused(program: Program) -> None:
    """Functions that nothing refers to any more."""
    from .jvp import references

    seen: set[str] = set()
    work = [program.entry]
    while work:
        name = work.pop()
        if name not in seen:
            seen.add(name)
            work += references(program.functions[name])
    for name in [n for n in program.functions if n not in seen]:
        del program.functions[name]


def known_sizes(f: Function) -> bool:
    """dim(z) of a new array is the size that it was made with."""
    shapes: dict[Var, tuple[Atom, ...]] = {}
    mapping: dict[Var, Atom] = {}
    for b in f.blocks.values():
        for let in b.lets:
            if let.op == "alloc":
                shapes[let.out] = let.args[:-1]
            elif let.op == "reshape":
                shapes[let.out] = let.args[1:]
            elif let.op == "kernel":
                k = kernel_of(let)
                for r in k.results:
                    if r.out is not None:
                        shapes[r.out] = tuple(k.sizes if r.kind == "map" else [k.sizes[q] for q in r.axes])
    for b in f.blocks.values():
        kept = []
        for let in b.lets:
            if let.op == "dim" and let.args[0] in shapes:
                mapping[let.out] = shapes[let.args[0]][let.attrs["axis"]]
            else:
                kept.append(let)
        b.lets = kept
    if mapping:
        substitute(f.blocks.values(), mapping)
    return bool(mapping)


class _Fusion:
    def __init__(self, program: Program, f: Function, aliases: Aliases) -> None:
        self.program, self.f, self.aliases = program, f, aliases
        names = [v.name for b in f.blocks.values() for let in b.lets for v in let.outs]
        self.counter = max([int(name[3:]) for name in names if name.startswith("at.") and name[3:].isdigit()], default=0)

    def run(self) -> None:
        known_sizes(self.f)
        for block in self.f.blocks.values():
            while self.one(block):
                pass

    def one(self, block: Block) -> bool:
        """Fuse one pair, if there is one."""
        uses = Counter(a for b in self.f.blocks.values() for let in b.lets for a in set(let.args) if isinstance(a, Var))
        uses.update(a for b in self.f.blocks.values() for a in set(terminator_atoms(b.terminator)) if isinstance(a, Var))
        made = {let.out: i for i, let in enumerate(block.lets) if let.op == "kernel" and self.can_be_part(let)}
        if not made:
            return False
        readers: dict[Var, list[int]] = {}
        for i, let in enumerate(block.lets):
            for a in dict.fromkeys(let.args):
                if a in made:
                    readers.setdefault(a, []).append(i)
        for v, at in made.items():
            here = readers.get(v, [])
            if here and self.fuse(block, at, here, uses[v] == len(here)):
                return True
        return False

    def can_be_part(self, let: Let) -> bool:
        results = let.attrs["results"]
        return results == (("map",),) and not let.attrs.get("fails") and len(let.outs) == 1

    def fuse(self, block: Block, at: int, here: list[int], all_here: bool) -> bool:
        maker = block.lets[at]
        body = self.program.functions[maker.attrs["f"]]
        cost = len(body.entry.lets)
        dear = expensive(body)
        lets = [block.lets[i] for i in here]
        only_kernels = all(let.op == "kernel" and maker.out not in written(let) and not _gathers(let, maker.out) for let in lets)
        if all_here and only_kernels and (len(here) == 1 or (not dear and cost <= CHEAP)):
            if all(self.allowed(block, at, i, dear, cost) for i in here):
                for i in reversed(here):
                    block.lets[i : i + 1] = self.joined(maker, block.lets[i], False)
                del block.lets[at]
                return True
            return False
        first = block.lets[here[0]]
        if (
            first.op == "kernel"
            and not _gathers(first, maker.out)
            and self.same_space(maker, first)
            and self.allowed(block, at, here[0], dear, cost)
        ):
            block.lets[here[0] : here[0] + 1] = self.joined(maker, first, True)
            del block.lets[at]
            return True
        return False

    def accesses(self, let: Let, v: Var) -> list[Access]:
        return [x for x in kernel_of(let).inputs if isinstance(x, Access) and x.base is v]

    def same_space(self, maker: Let, reader: Let) -> bool:
        """Does the reader read exactly the element that the maker makes, at each point?"""
        k, m = kernel_of(reader), kernel_of(maker)
        if [_name(n) for n in k.sizes] != [_name(n) for n in m.sizes] or maker.out in written(reader):
            return False
        whole = tuple(range(len(m.sizes)))
        return all(
            x.axes == whole and all(map(_is_zero, x.starts)) and all(map(_is_one, x.steps)) for x in self.accesses(reader, maker.out)
        )

    def allowed(self, block: Block, at: int, i: int, dear: bool, cost: int) -> bool:
        """May the maker's work move into the reader at i?"""
        maker, reader = block.lets[at], block.lets[i]
        m, k = kernel_of(maker), kernel_of(reader)
        if cost + len(self.program.functions[k.f].entry.lets) > LARGEST:
            return False
        roots = {self.aliases.root(x.base) for x in m.inputs if isinstance(x, (Access, Gather))}
        for let in block.lets[at + 1 : i]:
            if any(self.aliases.root(v) in roots for v in written(let)):
                return False
        into = [r.into for r in k.results if r.into is not None]
        positions = any(r.kind.startswith("arg") for r in k.results)
        for x in self.accesses(reader, maker.out):
            repeated = set(range(len(k.sizes))) - set(x.axes)
            if repeated and not all(_is_one(k.sizes[q]) for q in repeated) and (dear or cost > REPEATED):
                return False
            if into and any(self.aliases.root(d.base) in roots for d in into):
                if any(isinstance(y, Gather) for y in m.inputs):
                    return False
                composed = [self.compose(y, x, []) for y in m.inputs if isinstance(y, Access)]
                for y in composed:
                    for d in into:
                        if self.aliases.root(d.base) is self.aliases.root(y.base) and not same_element(y, d, _name):
                            return False
        return not positions or not dear

    # ---- putting two kernels together
    def joined(self, maker: Let, reader: Let, keep: bool) -> list[Let]:
        """The Lets that do what both did: integer arithmetic for places, and one kernel."""
        m, k = kernel_of(maker), kernel_of(reader)
        inner, outer = self.program.functions[m.f], self.program.functions[k.f]
        lets: list[Let] = []
        build = _Body(f"{k.f}.{m.f}" if len(k.f) < 40 else k.f, self.program)
        subst: dict[Var, Atom] = {}
        produced: dict[Any, Atom] = {}
        for x, p in zip(k.inputs, outer.params, strict=True):
            if isinstance(x, Access) and x.base is maker.out:
                key = (tuple(map(_name, x.starts)), tuple(map(_name, x.steps)), x.axes)
                if key not in produced:
                    produced[key] = self.inline(m, inner, x, build, lets)
                subst[p] = produced[key]
            else:
                subst[p] = build.input(build.moved(x, outer, subst), p)
        values = build.copy(outer, subst)
        results = list(k.results)
        if keep:
            results.append(Result("map", (), None, maker.out))
            values.append(next(iter(produced.values())))
        f = build.finish(values)
        extra = {**k.extra, "fails": bool(k.extra.get("fails"))}
        return [*lets, Kernel(f.name, k.sizes, build.inputs, results, reader.site or maker.site, extra).let()]

    def inline(self, m: Kernel, inner: Function, x: Access, build: _Body, lets: list[Let]) -> Atom:
        """The maker's value where the reader reads it."""
        subst: dict[Var, Atom] = {}
        for y, p in zip(m.inputs, inner.params, strict=True):
            if isinstance(y, Access):
                subst[p] = build.input(self.compose(y, x, lets), p)
            elif isinstance(y, Index):
                q, start, step = x.axes[y.axis], x.starts[y.axis], x.steps[y.axis]
                value = build.input(Index(q), p) if q >= 0 else ZERO
                value = build.integer("imul", value, build.constant(step, p))
                subst[p] = build.integer("iadd", value, build.constant(start, p))
            else:
                subst[p] = build.input(build.moved(y, inner, subst), p)
        return build.copy(inner, subst)[0]

    def compose(self, y: Access, x: Access, lets: list[Let]) -> Access:
        starts, steps, axes = [], [], []
        for s, t, p in zip(y.starts, y.steps, y.axes, strict=True):
            if p < 0:
                starts.append(s)
                steps.append(t)
                axes.append(-1)
                continue
            starts.append(self.integer(lets, "iadd", s, self.integer(lets, "imul", t, x.starts[p])))
            axes.append(x.axes[p])
            steps.append(self.integer(lets, "imul", t, x.steps[p]) if x.axes[p] >= 0 else ZERO)
        return Access(y.base, tuple(starts), tuple(steps), tuple(axes))

    def integer(self, lets: list[Let], op: str, a: Atom, b: Atom) -> Atom:
        found = folded(op, a, b)
        if found is not None:
            return found
        for let in lets:
            if let.op == op and let.args == (a, b):
                return let.out
        self.counter += 1
        out = Var(f"at.{self.counter}", I64)
        lets.append(Let((out,), op, (a, b)))
        return out


def folded(op: str, a: Atom, b: Atom) -> Atom | None:
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(a.value + b.value if op == "iadd" else a.value * b.value, I64)
    for x, y in ((a, b), (b, a)):
        if op == "iadd" and _is_zero(x):
            return y
        if op == "imul" and (_is_one(x) or _is_zero(x)):
            return y if _is_one(x) else ZERO
    return None


class _Body:
    """A scalar function under construction, and its inputs."""

    def __init__(self, name: str, program: Program) -> None:
        base, n = name, 1
        while name in program.functions:
            n += 1
            name = f"{base}.{n}"
        self.f = Function(name, [], {"entry": Block("entry")})
        program.functions[name] = self.f
        self.inputs: list[Any] = []
        self.known: dict[Any, Var] = {}
        self.counter = 0

    def fresh(self, t: Any) -> Var:
        self.counter += 1
        return Var(f"v{self.counter}", t)

    def input(self, x: Any, like: Var) -> Var:
        key = _input_key(x)
        if key not in self.known:
            self.known[key] = self.fresh(like.type)
            self.f.params.append(self.known[key])
            self.inputs.append(x)
        return self.known[key]

    def moved(self, x: Any, f: Function, subst: dict[Var, Atom]) -> Any:
        """An input as one of this function: a position is one of its parameters."""
        return Gather(x.base, self.f.params.index(subst[f.params[x.place]])) if isinstance(x, Gather) else x  # type: ignore[arg-type]

    def constant(self, a: Atom, like: Var) -> Atom:
        return a if isinstance(a, Const) else self.input(Same(a), like)

    def integer(self, op: str, a: Atom, b: Atom) -> Atom:
        found = folded(op, a, b)
        if found is None:
            found = self.fresh(I64)
            self.f.entry.lets.append(Let((found,), op, (a, b)))
        return found

    def copy(self, f: Function, subst: dict[Var, Atom]) -> list[Atom]:
        """f's operations with these values for its parameters; its results."""
        mapping: dict[Var, Atom] = dict(subst)

        def look(a: Atom) -> Atom:
            return mapping[a] if isinstance(a, Var) else a

        for let in f.entry.lets:
            outs = tuple(self.fresh(o.type) for o in let.outs)
            self.f.entry.lets.append(Let(outs, let.op, tuple(map(look, let.args)), dict(let.attrs), let.site))
            mapping.update(zip(let.outs, outs, strict=True))
        return [look(a) for a in f.entry.terminator.args]  # type: ignore[union-attr]

    def finish(self, values: list[Atom]) -> Function:
        from .simplify import simplify_function

        self.f.entry.terminator = Return(tuple(values))
        self.f.results = tuple(a.type for a in values)
        simplify_function(self.f)
        return self.f


def _input_key(x: Any) -> Any:
    if isinstance(x, Access):
        return x.base, tuple(map(_name, x.starts)), tuple(map(_name, x.steps)), x.axes
    if isinstance(x, Gather):
        return "g", x.base, x.place
    return ("s", _name(x.atom)) if isinstance(x, Same) else ("i", x.axis)


def _gathers(let: Let, v: Var) -> bool:
    """Does a kernel gather from `v`, or by positions that stand in it?"""
    inputs = kernel_of(let).inputs
    places = {x.place for x in inputs if isinstance(x, Gather)}
    return any((isinstance(x, Gather) and x.base is v) or (i in places and getattr(x, "base", None) is v) for i, x in enumerate(inputs))


def _name(a: Atom) -> Any:
    return a if isinstance(a, Var) else (a.type, repr(a.value))


def _is_zero(a: Atom) -> bool:
    return isinstance(a, Const) and a.value == 0


def _is_one(a: Atom) -> bool:
    return isinstance(a, Const) and a.value == 1
