"""Random graphs of arrays of a few elements, which go through loops, branches and calls under one name or two, are written where they
are, and are wanted whole now and then. Part of `python -m tests.fuzz --small N`."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace

from lantern_jit.ir.core.parse import parse

from ..between import SIZE, arguments
from .check import Wrong
from .passes import Between

BODIES = """
fn twice(%a: f64) -> (f64) {
entry:
  %b: f64 = add(%a, %a)
  return %b
}

fn plus(%a: f64, %b: f64) -> (f64) {
entry:
  %s: f64 = sin(%b)
  %c: f64 = add(%a, %s)
  return %c
}

fn same(%a: f64) -> (f64) {
entry:
  return %a
}
"""
INPUTS = {"twice": 1, "plus": 2, "same": 1}
SIZES = (1, 2, 3, 4)


@dataclass
class Known:
    """Names that may be used at a place: of scalars, of arrays with their sizes (and of those that are known to be apart)."""

    scalars: list[str]
    arrays: dict[str, int]
    indices: list[str] = field(default_factory=list)

    def inner(self) -> Known:
        return replace(self, scalars=[*self.scalars], arrays={**self.arrays}, indices=[*self.indices])


@dataclass
class Signature:
    name: str
    sizes: list[int]  # of its arrays
    results: list[int]
    deep: bool


class Graph:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.count = 0
        self.lines: list[str] = []
        self.functions: list[Signature] = []
        self.whole = self.rng.choice((0.0, 0.0, 0.1))  # how often an array is wanted whole
        self.stores = self.rng.choice((0, 1, 4))

    def text(self) -> str:
        made = [self.function() for _ in range(self.rng.randint(0, 2))]
        return "\n".join([self.entry(), *made, BODIES])

    def entry(self) -> str:
        self.lines = []
        known = Known(["%a", "%b"], {})
        for _ in range(3):
            self.make(known)
        if self.rng.random() < 0.5:  # the caller's, of a size that nobody knows here
            known.arrays["%x"] = SIZE
        for _ in range(self.rng.randint(2, 4)):
            self.statements(known, 4)
            self.control(known)
        self.statements(known, 4)
        size, results = self.rng.choice(list(known.arrays.values())), [self.scalar(known), self.scalar(known)]
        self.put(f"return {', '.join([*results, self.array(known, size)])}")
        self.result = f"f64[{size}]"
        head = f"fn f(%x: f64[n], %a: f64, %b: f64, %c: bool) -> (f64, f64, {self.result}) {{"
        return "\n".join([head, "entry:", *self.lines, "}", ""])

    def function(self) -> str:
        """One that takes arrays and gives some back: its own, or those that it was given."""
        self.lines = []
        name = f"g{len(self.functions)}"
        sizes, results = ([self.rng.choice(SIZES) for _ in range(n)] for n in (self.rng.randint(1, 3), self.rng.randrange(3)))
        deep = self.rng.random() < 0.5
        found = Signature(name, sizes, results, deep)
        ps = [self.name("p") for _ in sizes]
        params = ["%n: i64", "%c: bool", "%a: f64", *(f"{p}: {self.type(n)}" for p, n in zip(ps, sizes, strict=True))]
        known = Known(["%a"], dict(zip(ps, sizes, strict=True)))
        self.statements(known, 3)
        if deep:
            more, less = self.name("b"), self.name("i")
            self.put(f"{more}: bool = ilt(0:i64, %n)")
            self.put(f"branch {more} ? deep() : flat()")
            self.block("deep")
            inner = known.inner()
            self.statements(inner, 3)
            self.put(f"{less}: i64 = isub(%n, 1:i64)")
            self.call(inner, found, less)
            self.statements(inner, 3)
            self.end(inner, results)
            self.block("flat")
        elif self.rng.random() < 0.5:
            self.control(known)
        self.statements(known, 3)
        self.end(known, results)
        self.functions.append(found)
        head = f"fn {name}({', '.join(params)}) -> (f64{''.join(f', {self.type(n)}' for n in results)}) {{"
        return "\n".join([head, "entry:", *self.lines, "}", ""])

    def end(self, known: Known, results: list[int]) -> None:
        self.put(f"return {', '.join([self.scalar(known), *(self.array(known, n) for n in results)])}")

    def type(self, size: int) -> str:
        return self.rng.choice((f"f64[{size}]", "f64[?]"))

    # ---- text
    def put(self, line: str) -> None:
        self.lines.append("  " + line)

    def name(self, stem: str = "v") -> str:
        self.count += 1
        return f"%{stem}{self.count}"

    def block(self, name: str, params: str = "") -> None:
        self.lines.append(f"{name}({params}):" if params else f"{name}:")

    # ---- what there is
    def scalar(self, known: Known) -> str:
        return self.rng.choice([*known.scalars[-4:], *known.scalars, "1.5:f64"])

    def array(self, known: Known, size: int = 0) -> str:
        found = [v for v, n in known.arrays.items() if n == size or not size]
        return self.rng.choice([*found[-2:], *found]) if found else self.make(known, size)

    # ---- statements
    def statements(self, known: Known, most: int) -> None:
        kinds = [self.compute, self.load, self.load, self.make, self.kernel, self.kernel, self.total, self.copy, self.alias,
                 *[self.store] * self.stores, *[self.into] * min(self.stores, 1), *[self.part] * min(self.stores, 1)]  # fmt: skip
        for _ in range(self.rng.randint(1, most)):
            self.rng.choice(kinds)(known)
        if self.rng.random() < self.whole:
            self.wanted(known)

    def compute(self, known: Known) -> None:
        v, op = self.name(), self.rng.choice(("add", "mul", "sin", "tanh"))
        args = [self.scalar(known) for _ in range(1 if op in ("sin", "tanh") else 2)]
        self.put(f"{v}: f64 = {op}({', '.join(args)})")
        known.scalars.append(v)

    def make(self, known: Known, size: int = 0) -> str:
        n = size or self.rng.choice(SIZES)
        v = self.name("w")
        self.put(f"{v}: f64[{n}] = alloc({n}:i64, {self.scalar(known)})")
        if self.rng.random() < 0.5:
            self.put(f"store({v}, {self.rng.randrange(n)}:i64, {self.scalar(known)})")
        known.arrays[v] = n
        return v

    def load(self, known: Known) -> None:
        x, v = self.array(known), self.name()
        at = self.rng.choice([str(self.rng.randrange(-known.arrays[x], known.arrays[x]))] * 9 + [str(known.arrays[x])] * (self.whole > 0))
        i = self.rng.choice(known.indices) if known.indices and self.rng.random() < self.whole else f"{at}:i64"
        self.put(f"{v}: f64 = load({x}, {i})")
        known.scalars.append(v)

    def store(self, known: Known) -> None:
        x = self.array(known)
        i = self.rng.choice(known.indices) if known.indices and self.rng.random() < self.whole else None
        self.put(f"store({x}, {i or f'{self.rng.randrange(known.arrays[x])}:i64'}, {self.scalar(known)})")

    def inputs(self, known: Known, f: str, n: int) -> str:
        return "".join(f", {self.array(known, n)}, 0:i64, 1:i64" for _ in range(INPUTS[f]))

    def described(self, f: str, result: str) -> str:
        return f"{{f='{f}', rank=1, inputs=({''.join(chr(40) + chr(39) + 'a' + chr(39) + ', 0), ' for _ in range(INPUTS[f]))}), results=({result},), fails=False}}"

    def kernel(self, known: Known) -> None:
        f, v, n = self.rng.choice(list(INPUTS)), self.name("w"), known.arrays[self.array(known)]
        self.put(f"{v}: f64[{n}] = kernel({n}:i64{self.inputs(known, f, n)}) {self.described(f, repr(('map',)))}")
        known.arrays[v] = n

    def total(self, known: Known) -> None:
        f, v, n = self.rng.choice(list(INPUTS)), self.name(), known.arrays[self.array(known)]
        self.put(f"{v}: f64 = kernel({n}:i64{self.inputs(known, f, n)}) {self.described(f, repr(('sum',)))}")
        known.scalars.append(v)

    def into(self, known: Known) -> None:
        """The whole of an array; what is read is read where it is written."""
        x = self.array(known)
        f, n = self.rng.choice(list(INPUTS)), known.arrays[x]
        self.put(f"kernel({n}:i64{self.inputs(known, f, n)}, {x}, 0:i64, 1:i64) {self.described(f, repr(('into', 0)))}")

    def part(self, known: Known) -> None:
        """Some elements of an array, of a number."""
        x = self.array(known)
        n = known.arrays[x]
        self.put(
            f"kernel({max(n - 1, 1)}:i64, {self.scalar(known)}, {x}, {min(n - 1, 1)}:i64, 1:i64) "
            "{f='twice', rank=1, inputs=(('s',),), results=(('into', 0),), fails=False}"
        )

    def copy(self, known: Known) -> None:
        old, v = self.array(known), self.name("w")
        self.put(f"{v}: f64[{known.arrays[old]}] = copy({old})")
        known.arrays[v] = known.arrays[old]

    def alias(self, known: Known) -> None:
        old, v = self.array(known), self.name("r")
        self.put(f"{v}: f64[{known.arrays[old]}] = reshape({old}, {known.arrays[old]}:i64)")
        known.arrays[v] = known.arrays[old]

    def wanted(self, known: Known) -> None:
        """What only an array in memory can do."""
        x, v = self.array(known), self.name("w")
        self.put(f"{v}: f64[{known.arrays[x]}] = cumsum({x}) {{reverse=0}}")
        known.arrays[v] = known.arrays[x]

    # ---- control flow
    def control(self, known: Known) -> None:
        kinds = [self.branch, self.loop, self.loop, *([self.called] * 2 if self.functions else [])]
        self.rng.choice(kinds)(known)

    def branch(self, known: Known) -> None:
        self.count += 1
        k, sizes = self.count, [self.rng.choice(list(known.arrays.values())) for _ in range(self.rng.randint(1, 2))]
        self.put(f"branch %c ? yes{k}() : no{k}()")
        for side in ("yes", "no"):
            self.block(f"{side}{k}")
            inner = known.inner()
            self.statements(inner, 4)
            self.put(f"jump on{k}({', '.join([self.scalar(inner), *(self.array(inner, n) for n in sizes)])})")
        s, qs = self.name(), [self.name("q") for _ in sizes]
        self.block(f"on{k}", ", ".join([f"{s}: f64", *(f"{q}: {self.type(n)}" for q, n in zip(qs, sizes, strict=True))]))
        known.scalars.append(s)
        known.arrays.update(zip(qs, sizes, strict=True))

    def loop(self, known: Known) -> None:
        """It carries arrays, and may swap them."""
        self.count += 1
        k, sizes = self.count, [self.rng.choice(list(known.arrays.values())) for _ in range(self.rng.randint(1, 3))]
        i, s, more, following = (self.name(stem) for stem in "ivbi")
        qs = [self.name("q") for _ in sizes]
        self.put(f"jump loop{k}({', '.join(['0:i64', self.scalar(known), *(self.array(known, n) for n in sizes)])})")
        self.block(f"loop{k}", ", ".join([f"{i}: i64", f"{s}: f64", *(f"{q}: {self.type(n)}" for q, n in zip(qs, sizes, strict=True))]))
        self.put(f"{more}: bool = ilt({i}, {self.rng.choice('0123')}:i64)")
        self.put(f"branch {more} ? body{k}() : exit{k}()")
        known.arrays.update(zip(qs, sizes, strict=True))
        known.scalars.append(s)
        self.block(f"body{k}")
        inner = known.inner()
        inner.indices.append(i)
        self.statements(inner, 5)
        if self.rng.random() < 0.3:
            self.control(inner)
        self.put(f"{following}: i64 = iadd({i}, 1:i64)")
        self.put(f"jump loop{k}({', '.join([following, self.scalar(inner), *(self.array(inner, n) for n in sizes)])})")
        self.block(f"exit{k}")

    def called(self, known: Known) -> None:
        self.call(known, self.rng.choice(self.functions), f"{self.rng.randrange(3)}:i64")

    def call(self, known: Known, callee: Signature, n: str) -> None:
        self.count += 1
        args = [
            n,
            self.rng.choice(("%c", "true:bool" if False else "%c")),
            self.scalar(known),
            *(self.array(known, m) for m in callee.sizes),
        ]
        s, qs = self.name(), [self.name("q") for _ in callee.results]
        self.put(f"call {callee.name}({', '.join(args)}) then back{self.count}()")
        self.block(
            f"back{self.count}", ", ".join([f"{s}: f64", *(f"{q}: {self.type(m)}" for q, m in zip(qs, callee.results, strict=True))])
        )
        known.scalars.append(s)
        known.arrays.update(zip(qs, callee.results, strict=True))


def differentiated(graph: Graph, text: str) -> str:
    """The same with an entry that gives the results and the gradient in all floats."""
    return (
        f"fn e(%x: f64[n], %a: f64, %b: f64, %c: bool, %u: f64, %v: f64) -> (f64, f64, f64[n], f64, f64) {{\nentry:\n"
        f"  %r: f64, %s: f64, %t: {graph.result}, %gx: f64[n], %ga: f64, %gb: f64 = pullback(%x, %a, %b, %c, %u, %v) "
        "{f='f', wrt=(0, 1, 2), ct=(0, 1), cotangents=2}\n"
        f"  return %r, %s, %gx, %ga, %gb\n}}\n\n{text}"
    )


def check(seed: int) -> Counter[str] | str:
    """How often each pass has changed the graph of this number, and every third one's gradient, or in words what is wrong."""
    graph = Graph(seed)
    text = graph.text()
    program = parse(differentiated(graph, text) if seed % 3 == 0 else text)
    rng = random.Random(seed)
    try:
        return Between(program, [arguments(program, rng) for _ in range(3)]).run()
    except Wrong as e:
        return str(e)


__all__ = ["Graph", "check"]
