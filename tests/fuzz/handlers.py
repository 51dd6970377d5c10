"""`try` statements, and statements in them that raise where the program says so."""

from __future__ import annotations

from .chosen import Chosen
from .expressions import Names
from .functions import Functions, indent

KINDS = ("ValueError", "KeyError", "IndexError", "ZeroDivisionError", "AssertionError")
WHOLE = {"Exception": KINDS, "LookupError": ("KeyError", "IndexError"), "ArithmeticError": ("ZeroDivisionError",)}


class Handlers(Functions, Chosen):
    def handled(self, names: Names) -> list[str]:
        """A `try`; some of what it takes is raised in its body."""
        taken = [self.pick((*KINDS, *KINDS, *WHOLE)) for _ in range(1 + self.source(2))]
        around = tuple(k for t in taken for k in WHOLE.get(t, (t,)))
        body = names.inner(handled=(*names.handled, *around))
        lines = ["try:", *indent([*self.trouble(body), *self.block(body, 3), *(self.trouble(body) if self.chance(40) else [])])]
        for kind in dict.fromkeys(taken):
            inside, e, head = names.inner(), self.fresh("e"), f"except {kind}:"
            first: list[str] = []
            if self.chance(30) and inside.floats:
                head = f"except {kind} as {e}:"
                first = [f"{self.target(inside)} = math.sin({self.leaf(inside)}) * len({e}.args)"]
            lines += [head, *indent([*first, *self.block(inside, 2)])]
        if self.chance(25):
            lines += ["else:", *indent(self.block(names.inner(), 2))]
        if self.chance(25):
            lines += ["finally:", *indent(self.augment(names) or self.assign(names))]
        return lines

    def trouble(self, names: Names) -> list[str]:
        """What raises under some condition, where a handler is around."""
        kind = self.pick(names.handled) if names.handled else ""
        y, x = self.fresh("y"), self.leaf(names)
        arrays = self.vectors(names, False)
        index = self.integer(names, 1)
        if kind == "IndexError" and arrays:
            out = [f"{y} = {self.pick(arrays)}[{index}]"]
        elif kind == "ZeroDivisionError":
            out = [self.pick((f"{y} = {x} / (({index}) % 3)", f"{y} = float(7 // (({index}) % 3))"))]
        elif kind == "ValueError" and self.chance(50):
            out = [f"{y} = math.{self.pick(('sqrt', 'log', 'asin'))}({x} + 0.217)"]
        elif kind == "KeyError" and self.chance(50):
            out = [f"{y} = {{0: {x}, 1: {self.leaf(names)}}}[({index}) % 3]"]
        elif kind == "AssertionError":
            return [f"assert {self.condition(names)}"]
        elif kind:
            return [f"if {self.condition(names)}:", f'    raise {kind}("{kind[0]}")']
        else:
            return []
        names.floats.append(y)
        return out
