"""Random simple statements of the fuzzer: assignments to variables, elements and containers, and new arrays."""

from __future__ import annotations

from .expressions import ArrayName, Expressions, Names, Source


class SimpleStatements(Expressions):
    def __init__(self, source: Source, single: bool = False) -> None:
        super().__init__(source, single)
        self.counter = 0
        self.effects = False  # may functions change variables and containers around them?
        self.budget = 5
        self.dtype = ", np.float32" if single else ""

    def fresh(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}{self.counter}"

    # ---- variables
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
            value = self.application(f, names, 1)
            return [f"{self.target(names)}, {self.target(names)} = {value}"]
        if self.chance(4):
            return [f"{self.target(names)} = {self.target(names)} = {value}"]
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

    def table(self, names: Names) -> list[str]:
        """A local array of ints, or a write into one."""
        old = [t for t in names.tables if t in names.writable]
        if old and self.chance(70):
            left = f"{self.pick(old)}[{self.subscript('4', names)}]"
            return [f"{left} {self.pick((f'= ({self.integer(names, 1)}) % 9', '+= 1', '-= 2'))}"]
        name = self.fresh("z")
        names.tables.append(name)
        names.writable.add(name)
        return [f"{name} = np.{self.pick(('zeros(4, int)', 'ones(4, dtype=np.int64)', 'array([1, 3, -2, 5])'))}"]

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
