"""Random programs of the fuzzer: source text of a module with a function `f` and a tuple `ARGS` to call it with."""

from __future__ import annotations

from .expressions import ArrayName, Expressions, FunctionName, Names, Source

HEADER = "import math\n\nimport numpy as np\n\nimport lantern_jit as lj\n"


def indent(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


class Statements(Expressions):
    def __init__(self, source: Source, single: bool = False) -> None:
        super().__init__(source, single)
        self.counter = 0
        self.budget = 5
        self.dtype = ", np.float32" if single else ""

    def fresh(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}{self.counter}"

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
            self.container,
            self.leave,
        )
        deep = (
            self.branch,
            self.branch,
            self.for_loop,
            self.for_loop,
            self.while_loop,
            self.create,
            self.function,
            self.recursion,
            self.alias,
        )
        table = plain + deep if self.budget > 0 and names.depth < 5 else plain
        return self.pick(table)(names) or self.assign(names)

    # ---- simple statements
    def target(self, names: Names) -> str:
        """A float variable to assign: often an old one."""
        old = [x for x in names.floats if x in names.assignable]
        if old and not self.chance(25):
            return self.pick(old)
        name = self.fresh("s")
        names.floats.append(name)
        names.assignable.add(name)
        return name

    def assign(self, names: Names) -> list[str]:
        value = self.squash(names)
        if self.chance(8):
            value = self.pick(("0", "1", "0.0", self.leaf(names)))
            if value in "01" and self.single:
                value += ".0"
        if self.chance(5) and (pairs := self.callable(names, "pair")):
            f = self.pick(pairs)
            args = ", ".join(self.argument(k, names, 1) for k in f.parameters)
            return [f"{self.target(names)}, {self.target(names)} = {f.name}({args})"]
        return [f"{self.target(names)} = {value}"]

    def augment(self, names: Names) -> list[str]:
        old = [x for x in names.floats if x in names.assignable]
        if not old:
            return []
        return [f"{self.pick(old)} {self.step(names)}"]

    def step(self, names: Names) -> str:
        e = self.real(names, 2)
        return self.pick((f"+= 0.1 * math.sin({e})", f"-= 0.2 * math.tanh({e})", f"*= math.cos({e})", f"/= 1.2 + ({e}) ** 2"))

    def write(self, names: Names) -> list[str]:
        arrays = [a for a in names.arrays if a.name in names.writable]
        if not arrays:
            return []
        a = self.pick(arrays)
        left = self.index(a, names)
        if self.chance(10):
            right = self.index(a, names)
            return [f"{left}, {right} = {right}, {left}"]
        return [f"{left} = {self.squash(names)}" if self.chance(50) else f"{left} {self.step(names)}"]

    def integers(self, names: Names) -> list[str]:
        old = [x for x in names.ints if x in names.assignable]
        if old and not self.chance(30):
            name = self.pick(old)
            if self.chance(40):
                return [f"{name} {self.pick(('+= 1', '-= 2', '//= 2', '%= 4'))}"]
        else:
            name = self.fresh("k")
        line = f"{name} = {self.pick((f'({self.integer(names, 2)}) % 7', '0', f'{self.integer(names, 1)} // 3 % 50'))}"
        if name not in names.ints:
            names.ints.append(name)
            names.assignable.add(name)
        return [line]

    def swap(self, names: Names) -> list[str]:
        old = [x for x in names.floats if x in names.assignable]
        if len(old) < 2:
            return []
        x, y = self.pick(old), self.pick(old)
        return [f"{x}, {y} = {y}, {self.pick((x, self.squash(names)))}"] if x != y else []

    def flag(self, names: Names) -> list[str]:
        old = [x for x in names.bools if x in names.assignable]
        value = self.pick((self.truth(names), "False", "True"))
        if old and self.chance(70):
            return [f"{self.pick(old)} = {value}"]
        name = self.fresh("c")
        names.bools.append(name)
        names.assignable.add(name)
        return [f"{name} = {value}"]

    def container(self, names: Names) -> list[str]:
        kind = self.source(5)
        pairs = [p for p in names.pairs if p in names.assignable]
        lists = [p for p in names.writable if p in names.pairs]
        dicts = [d for d in names.dicts if d in names.writable]
        if kind == 0 and pairs:
            p = self.pick(sorted(pairs))
            value = f"[{self.squash(names)}, {p}[0]]" if p in lists else f"({p}[1], {self.squash(names)})"
            return [f"{p} = {value}"]
        if kind == 1 and lists:
            return [f"{self.pick(sorted(lists))}[{self.source(2)}] = {self.squash(names)}"]
        if kind == 2 and dicts:
            return [f'{self.pick(sorted(dicts))}["{self.pick("pq")}"] {self.step(names)}']
        name = self.fresh("t")
        e, d = self.squash(names, 1), self.squash(names, 1)
        form = self.source(3)
        (names.dicts if form == 2 else names.pairs).append(name)
        names.assignable.add(name)
        if form:
            names.writable.add(name)
        return [f"{name} = " + (f"({e}, {d})", f"[{e}, {d}]", f'{{"p": {e}, "q": {d}}}')[form]]

    def leave(self, names: Names) -> list[str]:
        """return, break or continue; mostly under a condition."""
        options = ["return"] + ["break", "continue"] * 2 * bool(names.loops)
        word = self.pick(options)
        line = f"return {self.outcome(names)}" if word == "return" else word
        if names.depth == 0 or self.chance(75):
            return [f"if {self.condition(names)}:", f"    {line}"]
        return [line]

    def outcome(self, names: Names) -> str:
        return self.squash(names) if names.result == "float" else f"{self.squash(names)}, {self.leaf(names)}"

    # ---- branches and loops
    def branch(self, names: Names) -> list[str]:
        test = self.condition(names)
        if self.chance(5):
            name = self.fresh("w")
            test = f"({name} := {self.squash(names)}) > 0.177"
            names.floats.append(name)
        out = [f"if {test}:", *indent(self.block(names.inner(), 3))]
        if self.chance(30):
            out += [f"elif {self.condition(names)}:", *indent(self.block(names.inner(), 2))]
        if self.chance(60):
            out += ["else:", *indent(self.block(names.inner(), 3))]
        return out

    def for_loop(self, names: Names) -> list[str]:
        header, inner = self.iteration(names)
        out = [f"for {header}:", *indent(self.block(inner, 4))]
        return out + self.loop_else(names)

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

    # ---- arrays
    def create(self, names: Names) -> list[str]:
        name = self.fresh("b")
        size = self.pick(("3", "4", *(f"(abs({x}) % 4 + 2)" for x in names.ints if x not in names.assignable)))
        names.writable.add(name)
        kind = self.source(6)
        if kind < 4:
            names.arrays.append(ArrayName(name, (f"len({name})",) if kind == 3 else (size,)))
            return [f"{name} = np.zeros({size}{self.dtype})" if kind else f"{name} = np.full({size}, {self.constant()}{self.dtype})"]
        if kind == 4 and not self.single:
            items = [self.squash(names, 1), self.leaf(names), "0.5"]
            names.arrays.append(ArrayName(name, ("3",)))
            return [f"{name} = np.array([{', '.join(items)}])"]
        names.arrays.append(ArrayName(name, ("2", size)))
        return [f"{name} = np.zeros((2, {size}){self.dtype})"]

    def alias(self, names: Names) -> list[str]:
        """A second name, a copy or a swap of two local arrays of one size."""
        local = [a for a in names.arrays if a.name in names.writable]
        if not local:
            return []
        a = self.pick(local)
        same = [b for b in local if b.sizes == a.sizes and b.name != a.name]
        if same and self.chance(50):
            b = self.pick(same)
            return [f"{a.name}, {b.name} = {b.name}, {a.name}"] if {a.name, b.name} <= names.assignable else []
        name = self.fresh("b")
        other = self.pick(same).name if same else a.name
        names.arrays.append(ArrayName(name, a.sizes))
        names.writable.add(name)
        names.assignable |= {name, a.name} if names.loops == 0 else set()
        return [f"{name} = {self.pick((f'{a.name}.copy()', a.name, f'{a.name} if {self.condition(names)} else {other}'))}"]

    # ---- functions
    def function(self, names: Names) -> list[str]:
        """A local function or lambda over the variables in scope."""
        inner, header, new = self.signature(names)
        if self.chance(30):
            new = FunctionName(new.name, new.parameters)
            out = [f"{new.name} = lambda {header}: {self.real(inner, 2)}"]
        else:
            cells = [x for x in names.floats if x in names.assignable]
            state = []
            if cells and self.chance(15):
                cell = self.pick(cells)
                state = [f"    nonlocal {cell}", f"    {cell} = {self.squash(inner)}"]
            body = self.block(inner, 3) if self.budget > 0 else []
            out = [f"def {new.name}({header}):", *state, *indent([*body, f"return {self.outcome(inner)}"])]
        names.functions.append(new)
        return out

    def signature(self, names: Names) -> tuple[Names, str, FunctionName]:
        kinds = ("float", *(self.pick(("float", "int", "array", "buffer")) for _ in range(self.source(3))))
        inner = names.inner(assignable=set(), loops=0, result="pair" if self.chance(12) else "float")
        inner.writable = {b for b in inner.writable if self.chance(50)}
        self.names_of = []
        for kind in kinds:
            self.names_of.append(self.declare(inner, kind))
        new = FunctionName(self.fresh("h"), kinds, inner.result, inner.result == "float")
        return inner, ", ".join(self.names_of), new

    def declare(self, names: Names, kind: str) -> str:
        name = self.fresh({"float": "p", "array": "q", "buffer": "q"}.get(kind, "j"))
        if kind == "float":
            names.floats.append(name)
        elif kind in ("array", "buffer"):
            names.arrays.append(ArrayName(name, (f"len({name})",)))
        else:
            names.ints.append(name)
        if kind == "buffer":
            names.writable.add(name)
        elif kind in ("float", "int"):
            names.assignable.add(name)
        return name

    def recursion(self, names: Names) -> list[str]:
        """One recursive function or two that call each other; the depth parameter falls in every call."""
        count = 2 if self.chance(25) else 1
        kinds = ("float", "depth", *(self.pick(("float", "array", "buffer")) for _ in range(self.source(2))))
        made = [FunctionName(self.fresh("r"), kinds) for _ in range(count)]
        out: list[str] = []
        for k, new in enumerate(made):
            inner = names.inner(assignable=set(), loops=0, result="float")
            inner.writable = {b for b in inner.writable if self.chance(50)}
            params = [self.declare(inner, kind) for kind in kinds]
            base = [f"if {params[1]} <= 0:", f"    return {self.squash(inner)}"]
            body = self.block(inner, 2) if self.budget > 0 else []
            called = made[(k + 1) % count].name
            again = f"{called}({', '.join([self.squash(inner, 1), f'{params[1]} - 1', *params[2:]])})"
            end = self.pick(
                (
                    f"return {again}",
                    f"return math.sin({again}) + {self.leaf(inner)}",
                    f"return {self.leaf(inner)} * {again} + 0.5 * {again}",
                )
            )
            out += [f"def {new.name}({', '.join(params)}):", *indent([*base, *body, end])]
        names.functions += made
        return out


def program(source: Source, single: bool = False) -> str:
    """The text of a whole program."""
    g = Statements(source, single)
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
