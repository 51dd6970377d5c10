"""Statements about objects of a class, lists that grow, comprehensions, unpacking and arrays that a program captures."""

from __future__ import annotations

from .expressions import Expressions, Names

CLASSES = """

TABLE = np.linspace(-1.0, 1.0, 70)


class State:
    def __init__(self, a, b):
        self.a, self.b, self.log, self.last = a, b, [], None

    @property
    def size(self):
        return abs(self.a) + abs(self.b)

    def move(self, d):
        if self.last is not None and d > self.last:
            self.a = self.a * 0.5 + d
        else:
            self.b = math.sin(self.b + d)
        self.log.append(d)
        self.last = d
        return self.size

    def __add__(self, other):
        return State(self.a + other.a, 0.5 * (self.b - other.b))
"""


class Objects(Expressions):
    def objects(self, names: Names) -> list[str]:
        """Make an object, write its attributes, call its methods."""
        known = [x[:-2] for x in names.floats if x.endswith(".a") and x[:-2] in names.writable]
        if not known or self.chance(30):
            o = self.fresh("o")
            other = f" + State(0.3, {self.leaf(names)})" if self.chance(30) else ""
            made = [f"{o} = State({self.leaf(names)}, {self.squash(names)}){other}"]
            names.floats += [f"{o}.a", f"{o}.b"]
            names.writable.add(o)
            return made
        o, y = self.pick(known), self.fresh("y")
        form = self.source(6)
        if form < 2:
            moved = [f"{y} = {o}.move({self.squash(names)})"]
            names.floats.append(y)
            return moved
        if form == 2:
            names.floats.append(y)
            return [f"{y} = math.tanh({o}.size + sum({o}.log) + len({o}.log))"]
        return [
            self.pick(
                (
                    f"{o}.a = {self.squash(names)}",
                    f"{o}.b += {self.squash(names)}",
                    f"{o}.a, {o}.b = {o}.b, {o}.a",
                    f"{o}.move({self.leaf(names)})",
                )
            )
        ]

    def lists(self, names: Names) -> list[str]:
        """Make a list, let it grow and shrink, read it."""
        known = [x[:-4] for x in names.floats if x.endswith("[-1]") and x[:-4] in names.writable]
        if not known or self.chance(25):
            g, first = self.fresh("g"), self.leaf(names)
            names.floats.append(f"{g}[-1]")
            names.writable.add(g)
            return [f"{g} = [{first}]"]
        g, y = self.pick(known), self.fresh("y")
        form = self.source(7)
        if form < 3:
            return [f"{g}.append({self.squash(names)})"]
        if form == 3:
            return [f"if len({g}) > 1:", f"    {g}.pop({self.pick(('', '0'))})"]
        if form == 4:
            return [f"{g}[0] = {self.squash(names)}"]
        x = self.leaf(names)
        names.floats.append(y)
        read = self.pick((f"sum({g}) / len({g})", f"max({g}) - {g}[0]", f"np.array({g}).sum()", f"sum([v * {x} for v in {g}])"))
        return [f"{y} = math.tanh({read})"]

    def sequences(self, names: Names) -> list[str]:
        """Comprehensions, generators, unpacking; over local arrays and a captured one."""
        y, n = self.fresh("y"), f"1 + ({self.integer(names, 1)}) % 5"
        over = self.pick((f"TABLE[:{n}]", "TABLE", f"range({n})", f"TABLE[({self.integer(names, 1)}) % 60:][:4]"))
        x = self.leaf(names)
        names.floats.append(y)
        return [
            self.pick(
                (
                    f"{y} = sum(math.sin({x} * v) for v in {over}) / 70",
                    f"{y} = max([math.sin({x} + v) for v in {over}])",
                    f"{y} = math.tanh(sum([v * {x} for v in {over} if v > 0.2]))",
                    f"_, {y}, *_ = (math.sin({x} * v) for v in TABLE[3:7])",
                    f"{y} = {x} * TABLE[({self.integer(names, 1)}) % 70]",
                    f"{y} = min(*[{x}, *(v * {x} for v in TABLE[:3])])",
                )
            )
        ]


__all__ = ["CLASSES", "Objects"]
