"""Random programs of the fuzzer: source text of a module with a function `f` and a tuple `ARGS` to call it with."""

from __future__ import annotations

import re

from .expressions import ArrayName, Names, Source
from .functions import indent
from .handlers import Handlers
from .objects import CLASSES, Objects

HEADER = "import math\n\nimport numpy as np\n\nimport lantern_jit as lj\n" + CLASSES


class Statements(Handlers, Objects):
    def block(self, names: Names, most: int = 4) -> list[str]:
        """Statements; the last one may leave the block."""
        out: list[str] = []
        for _ in range(1 + self.source(most)):
            self.budget -= 1
            out += self.statement(names)
            if out[-1].lstrip().split(" ")[0] in ("return", "break", "continue") and not out[-1].startswith(" "):
                break
        return out

    def statement(self, names: Names) -> list[str]:
        plain = (
            self.assign,
            self.assign,
            self.augment,
            self.write,
            self.integers,
            self.swap,
            self.flag,
            self.whole,
            self.whole,
            self.container,
            self.objects,
            self.lists,
            self.sequences,
            self.team,
            self.texts,
            self.leave,
            self.trouble,
        )
        deep = (
            self.branch,
            self.branch,
            self.for_loop,
            self.for_loop,
            self.sums,
            self.sums,
            self.while_loop,
            self.create,
            self.table,
            self.function,
            self.recursion,
            self.call_statement,
            self.alias,
            self.generated,
            self.handled,
        )
        table = plain + deep if self.budget > 0 and names.depth < 5 else plain
        return self.pick(table)(names) or self.assign(names)

    # ---- branches and loops
    def branch(self, names: Names) -> list[str]:
        test = self.condition(names)
        if self.chance(5):
            name = self.fresh("w")
            test = f"({name} := {self.squash(names)}) > 0.177"
            names.floats.append(name)
        arms = [self.block(names.inner(), 3)]
        heads = [f"if {test}:"]
        if self.chance(30):
            heads.append(f"elif {self.condition(names)}:")
            arms.append(self.block(names.inner(), 2))
        if self.chance(60):
            heads.append("else:")
            arms.append(self.block(names.inner(), 3))
            if self.chance(20):
                self.define(names, arms)
        return [line for head, arm in zip(heads, arms, strict=True) for line in (head, *indent(arm))]

    def define(self, names: Names, arms: list[list[str]]) -> None:
        """A variable that every arm assigns first is known after the branch."""
        new = self.fresh("s")
        for arm in arms:
            arm.insert(0, f"{new} = {self.squash(names, 1)}")
        names.floats.append(new)
        names.assignable.add(new)

    def for_loop(self, names: Names) -> list[str]:
        header, inner = self.iteration(names)
        leak = []
        if self.chance(15) and re.search(r"range\([36]\)$|in \(", header):
            new = self.fresh("s")  # known after a loop that surely runs
            leak = [f"{new} = {self.squash(inner)}"]
            inner.floats.append(new)
        out = [f"for {header}:", *indent([*leak, *self.block(inner, 4)]), *self.loop_else(names)]
        if leak:
            names.floats.append(new)
        return out

    def sums(self, names: Names) -> list[str]:
        """A loop over an array that does nothing but add up, or look for the greatest; perhaps one in another."""
        vectors = [a.name for a in names.arrays if len(a.sizes) == 1]
        if not vectors or names.loops > 1:
            return []
        total, best = self.fresh("s"), self.fresh("s")
        x, y = self.pick(vectors), self.pick(vectors)
        inner = names.inner(loops=names.loops + 2)
        body = [*self.met(inner, x), *self.added(inner, total, best)]
        if self.chance(50):
            row, deep = self.fresh("s"), inner.inner()
            first = [f"{row} = {self.pick(('0.0', self.leaf(inner)))}", *body[:1]]
            inside = [*self.met(deep, y), *self.added(deep, row, best)]
            inner.floats.append(row)
            body = [*first, f"for {deep.ints[-1]} in range(len({y})):", *indent(inside), *self.added(inner, total, best)]
        first = [f"{total} = {self.pick(('0.0', self.leaf(names)))}", f"{best} = {self.leaf(names)}"]
        head = f"for {inner.ints[-1]} in range({self.pick(('', '1, '))}len({x})):"
        names.floats += [total, best]
        return [*first, head, *indent(body)]

    def met(self, names: Names, array: str) -> list[str]:
        """The element of an array at a counter."""
        names.ints.append(self.fresh("i"))
        names.floats.append(self.fresh("v"))
        return [f"{names.floats[-1]} = {array}[{names.ints[-1]}]"]

    def added(self, names: Names, total: str, best: str) -> list[str]:
        out = [f"{total} {self.pick(('+=', '+=', '-='))} {self.squash(names)}"]
        if self.chance(30):
            out = [f"if {self.condition(names)}:", *indent(out)]
        if self.chance(30):
            e = self.leaf(names)
            out += self.pick(([f"{best} = max({best}, {e})"], [f"{best} = min({best}, {e})"], [f"if {e} < {best}:", f"    {best} = {e}"]))
        return out

    def loop_else(self, names: Names) -> list[str]:
        return ["else:", *indent(self.block(names.inner(), 2))] if self.chance(15) else []

    def iteration(self, names: Names) -> tuple[str, Names]:
        inner = names.inner(loops=names.loops + 1)
        i, kind = self.fresh("i"), self.source(16)
        bound = self.pick(
            (
                f"({self.integer(names, 1)}) % {self.pick('567')}",
                self.pick(names.ints or ["3"]),
                "3",
                "6",
                f"{self.integer(names, 1)}",
            )
        )
        if names.loops:
            bound = f"min({bound}, 5)"
        if kind < 11:
            inner.ints.append(i)
            if kind < 5:
                return f"{i} in range({bound})", inner
            step = self.pick(("2", "3", f"1 + ({self.integer(names, 0)}) % 3"))
            down = self.pick(("-1", "-2", f"-1 - ({self.integer(names, 0)}) % 2"))
            forms = (
                f"range(1, {bound})",
                f"range(0, {bound}, {step})",
                f"range({bound}, 0, {down})",
                f"range({bound}, -1, -1)",
                f"reversed(range({bound}))",
            )
            return f"{i} in {self.pick(forms)}", inner
        vectors = self.vectors(names, False)
        value = self.fresh("v")
        inner.floats.append(value)
        if kind < 13 and vectors:
            if self.chance(50):
                return f"{value} in {self.pick(vectors)}", inner
            inner.ints.append(i)
            return f"{i}, {value} in enumerate({self.pick(vectors)})", inner
        if kind == 13 and vectors:
            other = self.fresh("v")
            inner.floats.append(other)
            return f"{value}, {other} in zip({self.pick(vectors)}, {self.pick(vectors)})", inner
        if kind == 14 and vectors:
            return f"{value} in [math.sin({self.leaf(names)} * z) for z in (0.5, {self.leaf(names)})]", inner
        return f"{value} in ({self.leaf(names)}, {self.leaf(names)}, {self.squash(names, 1)})", inner

    def generated(self, names: Names) -> list[str]:
        """A generator function, which may see and change what is around it, and a loop over a call of it, which sees and changes the same."""
        inner = self.inside(names)
        header, _ = self.parameters(inner, ("float", "int"))
        value, count = header.split("=")[0].split(", ")
        own = inner.inner(loops=inner.loops + 1)
        own.ints.append(self.fresh("i"))
        given = f"yield {self.squash(own)}"
        body = [
            *self.block(own, 1),
            f"{value} = {self.squash(own)}",
            *([f"if {self.condition(own)}:", f"    {given}"] if self.chance(40) else [given]),
        ]
        lines = [*self.nonlocal_(names, inner, 30), f"for {own.ints[-1]} in range(({count}) % 5):", *indent(body)]
        if self.chance(50):
            lines += [*self.block(inner.inner(), 1), f"yield {self.squash(inner)}"]
        name = self.fresh("y")
        out = [f"def {name}({header}):", *indent(lines)]
        call = f"{name}({self.leaf(names)}, {self.integer(names, 1)})"
        if self.chance(25) and names.floats:
            form = self.pick(("sum({})", "len(list({}))", "sum(t * t for t in {})", "max([0.0, *{}])"))
            return [*out, f"{self.target(names)} = math.sin({form.format(call)})"]
        loop, item = names.inner(loops=names.loops + 1), self.fresh("v")
        loop.floats.append(item)
        header = f"{item} in {call}"
        if self.chance(25):
            loop.ints.append(self.fresh("i"))
            header = f"{loop.ints[-1]}, {item} in enumerate({call})"
        return [*out, f"for {header}:", *indent(self.block(loop, 3)), *self.loop_else(names)]

    def while_loop(self, names: Names) -> list[str]:
        fuel = self.fresh("m")
        inner = names.inner(loops=names.loops + 1)
        inner.ints.append(fuel)
        start = self.pick(("4", "9", f"({self.integer(names, 1)}) % 6", f"1 + ({self.integer(names, 0)}) % 4"))
        body = self.block(inner, 4)
        if self.chance(25):
            head, stop = "while True:", [f"if {fuel} <= 0{self.pick(('', f' or {self.truth(names)}'))}:", "    break"]
        else:
            head, stop = (
                f"while {fuel} > 0{self.pick(('', f' and {self.truth(names)}', f' and ({self.truth(names)})'))}:",
                [],
            )
        return [
            f"{fuel} = {start}",
            head,
            *indent([*stop, f"{fuel} -= 1", *body]),
            *([] if stop else self.loop_else(names)),
        ]


def program(source: Source, single: bool = False, effects: bool = True) -> str:
    """The text of a whole program."""
    g = Statements(source, single)
    g.effects = g.chance(25) and effects
    g.grads *= not g.effects  # a derivative of a function that changes its surroundings says nothing
    names = Names()
    helpers: list[str] = []
    for _ in range(g.source(3)):
        outside = Names(functions=list(names.functions), arrays=[])
        helpers += ["", "", *(g.recursion(outside) if g.chance(30) else g.function(outside))]
        names.functions = outside.functions
    args, params = [], []
    for kind in ["float", *(g.pick(("float", "int", "array", "float", "int")) for _ in range(g.source(5)))]:
        size = 1 + g.source(4)
        name = g.declare(names, kind)
        params.append(name)
        numbers = [f"{(g.source(2001) - 1000) / 800:.3f}" for _ in range(size)]
        if kind == "array":
            names.arrays[-1] = ArrayName(name, (str(size),)) if g.chance(60) else names.arrays[-1]
            args.append(f"np.array([{', '.join(numbers)}]{g.dtype})")
        else:
            number = f"np.float32({numbers[0]})" if single else numbers[0]
            args.append(number if kind == "float" else str(g.source(9) - 1))
    g.budget = g.pick((3, 5, 7, 10, 14))
    body = g.block(names, 7)
    if not body[-1].startswith("return"):
        body.append(f"return {' + '.join([g.squash(names), *(x for x in names.floats if x in names.assignable)][:4])}")
    text = [*helpers, "", "", f"def f({', '.join(params)}):", *indent(body), "", "", f"ARGS = ({', '.join(args)},)"]
    return HEADER + "\n".join(text) + "\n"
