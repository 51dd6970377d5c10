"""Random graphs, as text: what passes see of memory more often than traced programs show it to them. Arrays are written in whole and in
parts, read back, made anew, copied, seen under two names; kernels read what kernels make. Part of `python -m tests.fuzz --graphs N`."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace

from lantern_jit.ir.core.parse import parse

from ..between import arguments
from .check import Wrong
from .passes import Between

BODIES = {
    "same": "fn same(%a: f64) -> (f64) {\nentry:\n  return %a\n}",
    "twice": "fn twice(%a: f64) -> (f64) {\nentry:\n  %b: f64 = add(%a, %a)\n  return %b\n}",
    "sines": "fn sines(%a: f64) -> (f64) {\nentry:\n  %b: f64 = sin(%a)\n  return %b\n}",
    "plus": "fn plus(%a: f64, %b: f64) -> (f64) {\nentry:\n  %c: f64 = add(%a, %b)\n  return %c\n}",
    "times": "fn times(%a: f64, %b: f64) -> (f64) {\nentry:\n  %s: f64 = sin(%b)\n  %c: f64 = mul(%a, %s)\n  return %c\n}",
    "sink": "fn sink(%x: f64[n], %a: f64) -> (f64) {\nentry:\n  %o: f64 = load(%x, 1:i64)\n  store(%x, 1:i64, %a)\n  return %o\n}",
}
INPUTS = {"same": 1, "twice": 1, "sines": 1, "plus": 2, "times": 2}
SCALARS = {"add": 2, "mul": 2, "sub": 2, "sin": 1, "neg": 1, "tanh": 1}


@dataclass
class Known:
    """What may be used at a place: names of scalars, of indices, of arrays by their dimension, and of the atoms that dimensions have."""

    scalars: list[str]
    indices: list[str]
    arrays: dict[str, str]
    sizes: dict[str, str] = field(default_factory=dict)

    def inner(self) -> Known:
        return replace(self, scalars=[*self.scalars], indices=[*self.indices], arrays={**self.arrays}, sizes={**self.sizes})


class Graph:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.blocks: list[list[str]] = [["entry:"]]
        self.count = 0

    def text(self) -> str:
        known = Known(["%a", "%b"], ["%i"], {"%x": "n", "%y": "n", "%z": "m"})
        for _ in range(self.rng.randint(2, 4)):
            self.run(known, self.rng.randint(2, 5))
            self.rng.choice((self.branch, self.loop, self.each, self.sums, self.sums, self.rows, self.call))(known)
        self.run(known, 4)
        results = [self.scalar(known) for _ in range(2)] + [self.array(known)]
        self.put(f"return {', '.join(results)}")
        types = f"f64, f64, f64[{known.arrays[results[2]]}]"
        head = f"fn f(%x: f64[n], %y: f64[n], %z: f64[m], %a: f64, %b: f64, %i: i64, %c: bool) -> ({types}) {{"
        used = [
            body for name, body in BODIES.items() if any(f"'{name}'" in line or f"call {name}(" in line for b in self.blocks for line in b)
        ]
        return "\n\n".join([f"{head}\n" + "\n".join(line for b in self.blocks for line in b) + "\n}", *used]) + "\n"

    def put(self, line: str) -> None:
        self.blocks[-1].append("  " + line)

    def name(self, stem: str = "v") -> str:
        self.count += 1
        return f"%{stem}{self.count}"

    def block(self, name: str, params: str = "") -> None:
        self.blocks.append([f"{name}({params}):" if params else f"{name}:"])

    # ---- what there is
    def scalar(self, known: Known) -> str:
        return self.rng.choice([*known.scalars[-4:], *known.scalars, "1.5:f64"])

    def array(self, known: Known, dim: str = "") -> str:
        found = [v for v, d in known.arrays.items() if d == dim or not dim]
        return self.rng.choice([*found[-2:], *found])

    def index(self, known: Known) -> str:
        return self.rng.choice([*known.indices, "0:i64", "1:i64", "2:i64"])

    def size(self, known: Known, dim: str) -> str:
        """An atom that is the dimension: one that is there, or measured anew."""
        if dim not in known.sizes or self.rng.random() < 0.5:
            known.sizes[dim] = self.name("d")
            self.put(f"{known.sizes[dim]}: i64 = dim({self.array(known, dim)}) {{axis=0}}")
        return known.sizes[dim]

    # ---- statements
    def run(self, known: Known, most: int) -> None:
        for _ in range(most):
            kinds = (self.compute, self.load, self.load, self.store, self.store, self.alloc, self.made, self.made, self.into, self.into,
                     self.part, self.part, self.total, self.copy, self.alias, self.update, self.step)  # fmt: skip
            self.rng.choice(kinds)(known)

    def compute(self, known: Known) -> None:
        op = self.rng.choice(list(SCALARS))
        v = self.name()
        self.put(f"{v}: f64 = {op}({', '.join(self.scalar(known) for _ in range(SCALARS[op]))})")
        known.scalars.append(v)

    def load(self, known: Known, of: str = "") -> None:
        v = self.name()
        i = self.index(known)
        self.put(f"{v}: f64 = load({of or self.array(known)}, {i}){self.letter(i)}")
        known.scalars.append(v)

    def store(self, known: Known) -> None:
        i = self.index(known)
        self.put(f"store({self.array(known)}, {i}, {self.scalar(known)}){self.letter(i)}")

    def letter(self, i: str) -> str:
        """A constant is in bounds, and needs no check."""
        return " {index='u'}" if i.endswith(":i64") and self.rng.random() < 0.5 else ""

    def alloc(self, known: Known) -> None:
        dim = known.arrays[self.array(known)]
        v, n = self.name("w"), self.size(known, dim)
        if dim in ("n", "m") and self.rng.random() < 0.3:
            more = self.name("d")
            self.put(f"{more}: i64 = iadd({n}, 1:i64)")
            n, dim = more, f"{dim} + 1"
            known.sizes[dim] = n
        self.put(f"{v}: f64[{dim}] = alloc({n}, {self.rng.choice(('0.0:f64', self.scalar(known)))})")
        known.arrays[v] = dim
        for _ in range(self.rng.randrange(3)):
            self.rng.choice((self.into, self.front, self.rest, self.part, self.load))(known, v)

    def front(self, known: Known, target: str) -> None:
        self.put(f"store({target}, {self.rng.choice('001')}:i64, {self.scalar(known)})")

    def rest(self, known: Known, target: str) -> None:
        """All behind the first element, or behind the second."""
        start = self.rng.choice("112")
        n, less, none = self.size(known, known.arrays[target]), self.name("d"), self.name("d")
        self.put(f"{less}: i64 = isub({n}, {start}:i64)")
        self.put(f"{none}: i64 = imax({less}, 0:i64)")
        self.put(
            f"kernel({none}, {self.scalar(known)}, {target}, {start}:i64, 1:i64) {{f='twice', rank=1, inputs=(('s',),), results=(('into', 0),)}}"
        )

    def kernel(self, known: Known, dim: str, result: str, tail: str = "") -> str:
        f = self.rng.choice(list(INPUTS))
        inputs = "".join(f", {self.array(known, dim)}, 0:i64, 1:i64" for _ in range(INPUTS[f]))
        described = ", ".join(["('a', 0)"] * INPUTS[f]) + ("," if INPUTS[f] == 1 else "")
        return f"kernel({self.size(known, dim)}{inputs}{tail}) {{f='{f}', rank=1, inputs=({described}), results=({result},)}}"

    def made(self, known: Known) -> None:
        dim = known.arrays[self.array(known)]
        v = self.name("w")
        self.put(f"{v}: f64[{dim}] = {self.kernel(known, dim, repr(('map',)))}")
        known.arrays[v] = dim

    def total(self, known: Known) -> None:
        v = self.name()
        self.put(f"{v}: f64 = {self.kernel(known, known.arrays[self.array(known)], repr(('sum',)))}")
        known.scalars.append(v)

    def into(self, known: Known, target: str = "") -> None:
        """The whole of an array; what is read of itself is read where it is written."""
        target = target or self.array(known)
        self.put(self.kernel(known, known.arrays[target], repr(("into", 0)), f", {target}, 0:i64, 1:i64"))

    def part(self, known: Known, target: str = "") -> None:
        """All but one element, from another array's."""
        target = target or self.array(known)
        dim, f = known.arrays[target], self.rng.choice([f for f, n in INPUTS.items() if n == 1])
        n = self.size(known, dim)
        less = self.name("d")
        self.put(f"{less}: i64 = isub({n}, 1:i64)")
        apart = [v for v, d in known.arrays.items() if d == dim and v[1] in "xyzw" and v != target and not self.may_alias(v, target)]
        if not apart:
            return
        source, start, at = self.rng.choice(apart), self.rng.choice("01"), self.rng.choice("01")
        self.put(
            f"kernel({less}, {source}, {start}:i64, 1:i64, {target}, {at}:i64, 1:i64) "
            f"{{f='{f}', rank=1, inputs=(('a', 0),), results=(('into', 0),)}}"
        )

    def may_alias(self, a: str, b: str) -> bool:
        """Arrays that were made by a kernel or a copy are their own; another name for one is `%r..`, and a choice of two `%q..`."""
        return a[1] in "rq" or b[1] in "rq"

    def update(self, known: Known) -> None:
        """x[i] = x[i] (op) .., with something between the load and the store."""
        x, i, old, new = self.array(known), self.index(known), self.name(), self.name()
        letter = self.letter(i)
        self.put(f"{old}: f64 = load({x}, {i}){letter}")
        self.rng.choice((self.store, self.load, self.compute, self.into))(known)
        self.put(f"{new}: f64 = {self.rng.choice(('add', 'mul'))}({old}, {self.scalar(known)})")
        self.put(f"store({x}, {i}, {new}){letter}")

    def step(self, known: Known, i: str = "") -> None:
        """An index beside another one; where it counts from the end it is in bounds, too."""
        v = self.name("i")
        self.put(f"{v}: i64 = isub({i or self.index(known)}, {self.rng.choice('123')}:i64)")
        known.indices += [v, v]

    def copy(self, known: Known) -> None:
        old, v = self.array(known), self.name("w")
        self.put(f"{v}: f64[{known.arrays[old]}] = copy({old})")
        known.arrays[v] = known.arrays[old]

    def alias(self, known: Known) -> None:
        old, v = self.array(known), self.name("r")
        dim = known.arrays[old]
        self.put(f"{v}: f64[{dim}] = reshape({old}, {self.size(known, dim)})")
        known.arrays[v] = dim

    # ---- control flow
    def branch(self, known: Known) -> None:
        self.count += 1
        k = self.count
        dim = known.arrays[self.array(known)]
        self.put(f"branch %c ? yes{k}() : no{k}()")
        for side in ("yes", "no"):
            self.block(f"{side}{k}")
            inner = known.inner()
            self.run(inner, self.rng.randint(1, 4))
            self.put(f"jump on{k}({self.scalar(inner)}, {self.array(inner, dim)})")
        s, q = self.name(), self.name("q")
        self.block(f"on{k}", f"{s}: f64, {q}: f64[{dim}]")
        known.scalars.append(s)
        known.arrays[q] = dim

    def loop(self, known: Known) -> None:
        self.count += 1
        k = self.count
        i, s, more, following = (self.name(stem) for stem in "ivbi")
        self.put(f"jump loop{k}(0:i64, {self.scalar(known)})")
        self.block(f"loop{k}", f"{i}: i64, {s}: f64")
        self.put(f"{more}: bool = ilt({i}, {self.rng.choice('123')}:i64)")
        self.put(f"branch {more} ? body{k}() : exit{k}()")
        self.block(f"body{k}")
        inner = known.inner()
        inner.indices += [i, i, i]
        inner.scalars.append(s)
        if self.rng.random() < 0.3:
            self.step(inner, i)
            self.load(inner)
        self.run(inner, self.rng.randint(2, 5))
        self.put(f"{following}: i64 = iadd({i}, 1:i64)")
        self.put(f"jump loop{k}({following}, {self.scalar(inner)})")
        self.block(f"exit{k}")
        known.scalars.append(s)

    def each(self, known: Known) -> None:
        """A loop that carries nothing, over arrays of one size: a kernel, if its iterations do not meet."""
        self.count += 1
        k, dim = self.count, known.arrays[self.array(known)]
        n, i, more, following = self.size(known, dim), *(self.name(stem) for stem in "ibi")
        start, target = self.rng.choice("00015"), ""
        if self.rng.random() < 0.5:
            target = self.name("w")
            self.put(f"{target}: f64[{dim}] = alloc({n}, 0.0:f64)")
            known.arrays[target] = dim
        self.put(f"jump each{k}({start}:i64)")
        self.block(f"each{k}", f"{i}: i64")
        self.put(f"{more}: bool = ilt({i}, {n})")
        self.put(f"branch {more} ? one{k}() : all{k}()")
        self.block(f"one{k}")
        inner = known.inner()
        indices = [i, i, i, *(self.beside(i, n) for _ in range(self.rng.randrange(2)))]
        for _ in range(self.rng.randint(1, 3)):
            v = self.name()
            self.put(f"{v}: f64 = load({self.array(known, dim)}, {self.rng.choice(indices)})")
            inner.scalars.append(v)
            if self.rng.random() < 0.3:
                inner.scalars.append(self.name())
                self.put(f"{inner.scalars[-1]}: f64 = convert({self.rng.choice(indices)}) {{to=f64}}")
            if self.rng.random() < 0.6:
                self.compute(inner)
            if self.rng.random() < 0.8:
                to, at = target or self.array(known, dim), self.rng.choice([*indices, *indices, "0:i64"])
                self.put(f"store({to}, {at}, {self.scalar(inner)})")
        self.put(f"{following}: i64 = iadd({i}, 1:i64)")
        self.put(f"jump each{k}({following})")
        self.block(f"all{k}")
        if self.rng.random() < 0.3:
            known.scalars.append(self.name())
            self.put(f"{known.scalars[-1]}: f64 = convert({i}) {{to=f64}}")

    def sums(self, known: Known) -> None:
        """A loop that carries a sum, and the greatest or the least of what it has met."""
        self.count += 1
        k, dim = self.count, known.arrays[self.array(known)]
        n, i, s, m, more, following = self.size(known, dim), *(self.name(stem) for stem in "ivvbi")
        first, second = (self.rng.choice(("0.0:f64", self.scalar(known))) for _ in range(2))
        self.put(f"jump sum{k}({self.rng.choice('0001')}:i64, {first}, {second})")
        self.block(f"sum{k}", f"{i}: i64, {s}: f64, {m}: f64")
        self.put(f"{more}: bool = ilt({i}, {n})")
        self.put(f"branch {more} ? add{k}() : out{k}()")
        self.block(f"add{k}")
        inner = known.inner()
        for _ in range(self.rng.randint(1, 2)):
            self.load_at(inner, self.array(known, dim), i)
            self.compute(inner)
        if self.rng.random() < 0.3:
            self.put(f"store({self.array(known, dim)}, {i}, {self.scalar(inner)})")
        total = self.added(inner, s)
        best = self.rng.choice((m, m, self.best(inner, m)))
        self.put(f"{following}: i64 = iadd({i}, 1:i64)")
        self.put(f"jump sum{k}({following}, {total}, {best})")
        self.block(f"out{k}")
        known.scalars += [s, m]

    def load_at(self, known: Known, array: str, i: str) -> None:
        known.scalars.append(self.name())
        self.put(f"{known.scalars[-1]}: f64 = load({array}, {i})")

    def added(self, known: Known, s: str) -> str:
        """What a sum is after an iteration."""
        term, total = self.scalar(known), self.name()
        kind = self.rng.randrange(5)
        self.put(f"{total}: f64 = " + (f"sub({s}, {term})" if kind == 0 else f"add({', '.join((s, term) if kind < 4 else (term, s))})"))
        if self.rng.random() < 0.3:
            c, chosen = self.name("b"), self.name()
            self.put(f"{c}: bool = lt({self.scalar(known)}, {self.scalar(known)})")
            self.put(f"{chosen}: f64 = select({c}, {', '.join(self.rng.sample((total, s), 2))}) {{where=True}}")
            return chosen
        return total

    def best(self, known: Known, m: str) -> str:
        x, c, out = self.scalar(known), self.name("b"), self.name()
        self.put(f"{c}: bool = {self.rng.choice(('lt', 'gt'))}({', '.join(self.rng.sample((x, m), 2))})")
        self.put(f"{out}: f64 = select({c}, {x}, {m}) {{where=True}}")
        return out

    def rows(self, known: Known) -> None:
        """A loop around a loop with a sum; what that comes to is stored, or summed up itself."""
        self.count += 1
        k, one, two = self.count, known.arrays[self.array(known)], known.arrays[self.array(known)]
        n, m = self.size(known, one), self.size(known, two)
        i, j, s, t, out = (self.name(stem) for stem in "iivvv")
        counts, target = [self.name(stem) for stem in "bibi"], self.name("w")
        self.put(f"{target}: f64[{one}] = alloc({n}, 0.0:f64)")
        self.put(f"jump row{k}(0:i64, {self.scalar(known)})")
        self.block(f"row{k}", f"{i}: i64, {t}: f64")
        self.put(f"{counts[0]}: bool = ilt({i}, {n})")
        self.put(f"branch {counts[0]} ? start{k}() : last{k}()")
        self.block(f"start{k}")
        inner = known.inner()
        self.load_at(inner, self.array(known, one), i)
        self.compute(inner)
        through = self.rng.random() < 0.3
        self.put(f"jump column{k}(0:i64, {t if through else self.rng.choice(('0.0:f64', self.scalar(inner)))})")
        self.block(f"column{k}", f"{j}: i64, {s}: f64")
        self.put(f"{counts[2]}: bool = ilt({j}, {m})")
        self.put(f"branch {counts[2]} ? each{k}() : end{k}()")
        self.block(f"each{k}")
        deep = inner.inner()
        self.load_at(deep, self.array(known, two), j)
        self.compute(deep)
        total = self.rng.choice((self.added, self.added, self.best))(deep, s)
        self.put(f"{counts[3]}: i64 = iadd({j}, 1:i64)")
        self.put(f"jump column{k}({counts[3]}, {total})")
        self.block(f"end{k}")
        inner.scalars += [s, s, s]
        self.compute(inner)
        if self.rng.random() < 0.6:
            self.put(f"store({target}, {i}, {self.scalar(inner)})")
        following = s if through else self.rng.choice((t, self.added(inner, t), self.best(inner, t)))
        self.put(f"{counts[1]}: i64 = iadd({i}, 1:i64)")
        self.put(f"jump row{k}({counts[1]}, {following})")
        self.block(f"last{k}")
        self.put(f"{out}: f64 = add({t}, 0.5:f64)")
        known.scalars += [t, out]
        known.arrays[target] = one

    def beside(self, i: str, n: str) -> str:
        """The counter's neighbour, or the element as far from the end."""
        v, last = self.name("i"), self.name("i")
        kind = self.rng.randrange(3)
        if kind == 2:
            self.put(f"{last}: i64 = isub({n}, {self.rng.choice('111122')}:i64)")
        self.put(f"{v}: i64 = " + (f"isub({last}, {i})" if kind == 2 else f"{('iadd', 'isub')[kind]}({i}, 1:i64)"))
        return v

    def call(self, known: Known) -> None:
        self.count += 1
        k, s, x = self.count, self.name(), self.array(known, "n")
        before, after = self.name(), self.name()
        self.put(f"{before}: f64 = load({x}, 1:i64)")
        self.put(f"call sink({x}, {self.scalar(known)}) then after{k}()")
        self.block(f"after{k}", f"{s}: f64")
        self.put(f"{after}: f64 = load({x}, 1:i64)")
        known.scalars += [before, s, after]


def differentiated(text: str) -> str:
    """The same with an entry that gives the results and the gradient in all floats."""
    params, results = text[len("fn f(") :].split(") {", 1)[0].split(") -> (")
    names, array = [p.split(":")[0] for p in params.split(", ")], results.split(", ")[2]
    floats = "%gx: f64[n], %gy: f64[n], %gz: f64[m], %ga: f64, %gb: f64"
    types = ", ".join(part.split(": ")[1] for part in floats.split(", %"))
    return (
        f"fn g({params}, %u: f64, %v: f64, %w: {array}) -> ({results}, {types}) {{\nentry:\n"
        f"  %r: f64, %s: f64, %t: {array}, {floats} = pullback({', '.join(names)}, %u, %v, %w) "
        "{f='f', wrt=(0, 1, 2, 3, 4), ct=(0, 1, 2), cotangents=3}\n"
        f"  return %r, %s, %t, %gx, %gy, %gz, %ga, %gb\n}}\n\n{text}"
    )


def check(seed: int) -> Counter[str] | str:
    """How often each pass has changed the graph of this number, and every third one's gradient, or in words what is wrong."""
    text = Graph(seed).text()
    program = parse(differentiated(text) if seed % 3 == 0 else text)
    rng = random.Random(seed)
    try:
        return Between(program, [arguments(program, rng) for _ in range(3)]).run()
    except Wrong as e:
        return str(e)


__all__ = ["Graph", "check"]
