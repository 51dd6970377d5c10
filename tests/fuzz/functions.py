"""Random functions of the fuzzer: local ones over captured variables, lambdas, and recursion."""

from __future__ import annotations

from .expressions import ArrayName, FunctionName, Names
from .whole import WholeArrays


def indent(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


class Functions(WholeArrays):
    def block(self, names: Names, most: int = 4) -> list[str]:
        raise NotImplementedError

    def function(self, names: Names) -> list[str]:
        """A local function or lambda over the variables in scope, and a call of it."""
        kinds = ("float", *(self.pick(KINDS) for _ in range(self.source(3))))
        inner = self.inside(names)
        inner.result = "pair" if self.chance(12) else "float"
        header, kinds = self.parameters(inner, kinds)
        new = FunctionName(self.fresh("h"), kinds, inner.result, inner.result == "float")
        if self.chance(30):
            new = FunctionName(new.name, kinds)
            out = [f"{new.name} = lambda {header}: {self.real(inner, 2)}"]
        else:
            first = self.nonlocal_(names, inner, 40)
            body = self.block(inner, 3) if self.budget > 0 else []
            lines = [*first, *body, f"return {self.outcome(inner)}"]
            out = [f"def {new.name}({header}):", *indent(lines)]
        names.functions.append(new)
        return out + self.call_statement(names)

    def inside(self, names: Names) -> Names:
        """The names in a function's body: it may write into what is outside, but assigns no variable."""
        inner = names.inner(assignable=set(), loops=0, result="float", handled=names.handled if self.chance(30) else ())
        containers = {*names.pairs, *names.dicts} if not self.effects else set()
        inner.writable = {b for b in sorted(inner.writable) if self.chance(50) and b not in containers}
        return inner

    def nonlocal_(self, names: Names, inner: Names, percent: int) -> list[str]:
        """Variables of the function around that this one assigns."""
        cells = [x for x in (*names.floats, *names.ints, *names.bools) if x in names.assignable and x not in inner.assignable]
        if not cells or not self.effects or not self.chance(percent):
            return []
        cell = self.pick(cells)
        inner.assignable.add(cell)
        return [f"nonlocal {cell}"]

    def parameters(self, names: Names, kinds: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """(their text, their kinds): the last float may have a default value."""
        params = [self.declare(names, kind) for kind in kinds]
        texts = list(params)
        if len(kinds) > 1 and kinds[-1] == "float" and self.chance(40):
            texts[-1] += f"={self.constant()}"
            kinds = (*kinds[:-1], f"{params[-1]}=")
        return ", ".join(texts), kinds

    def declare(self, names: Names, kind: str) -> str:
        name = self.fresh({"float": "p", "array": "q", "buffer": "q", "function": "g"}.get(kind, "j"))
        if kind == "float":
            names.floats.append(name)
        elif kind == "function":
            names.functions.append(FunctionName(name, ("float",)))
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
        """One recursive function or two that call each other, and a call; the depth parameter falls in every call."""
        count = 2 if self.chance(25) else 1
        kinds = ("float", "depth", *(self.pick(("float", "array", "buffer")) for _ in range(self.source(2))))
        made = [FunctionName(self.fresh("r"), kinds) for _ in range(count)]
        out: list[str] = []
        for k, new in enumerate(made):
            inner = self.inside(names)
            params = [self.declare(inner, kind) for kind in kinds]
            base = [*self.nonlocal_(names, inner, 10), f"if {params[1]} <= 0:", f"    return {self.squash(inner)}"]
            body = self.block(inner, 2) if self.budget > 0 else []
            called = made[(k + 1) % count].name
            again = f"{called}({', '.join([self.squash(inner, 1), f'{params[1]} - 1', *params[2:]])})"
            forms = (
                f"return {again}",
                f"return math.sin({again}) + {self.leaf(inner)}",
                f"return {self.leaf(inner)} * {again} + 0.5 * {again}",
            )
            lines = [*base, *body, self.pick(forms)]
            out += [f"def {new.name}({', '.join(params)}):", *indent(lines)]
        names.functions += made
        return out + self.call_statement(names)

    def call_statement(self, names: Names) -> list[str]:
        """A call of one of the last functions, where the program has variables."""
        functions = self.callable(names, "float")[-3:]
        if not functions or not names.floats:
            return []
        f = functions[-1 - self.source(len(functions))]
        value = self.application(f, names, 2)
        return [f"{self.target(names)} = math.sin({value})"]


KINDS = ("float", "int", "float", "array", "buffer", "function")
