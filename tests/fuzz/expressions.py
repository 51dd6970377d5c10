"""Random expressions of the fuzzer: floats, ints and bools over the names in scope, all smooth or well apart from kinks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

T = TypeVar("T")
Source = Callable[[int], int]  # n -> an int in range(n); 0 is the simplest choice


def seeded(seed: int) -> Source:
    return random.Random(seed).randrange


@dataclass(frozen=True)
class ArrayName:
    """A one- or two-dimensional float array: its name and the text of its sizes."""

    name: str
    sizes: tuple[str, ...]


@dataclass(frozen=True)
class FunctionName:
    """A function to call: its name and for each parameter "float" or "int" ("depth": a small int)."""

    name: str
    parameters: tuple[str, ...]
    result: str = "float"
    differentiable: bool = True


@dataclass
class Names:
    """What a statement can see. `assignable` holds the variables of the function that the statement belongs to."""

    floats: list[str] = field(default_factory=list)
    ints: list[str] = field(default_factory=list)
    bools: list[str] = field(default_factory=list)
    arrays: list[ArrayName] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    pairs: list[str] = field(default_factory=list)
    dicts: list[str] = field(default_factory=list)
    functions: list[FunctionName] = field(default_factory=list)
    assignable: set[str] = field(default_factory=set)
    writable: set[str] = field(default_factory=set)
    loops: int = 0
    depth: int = 0
    result: str = "float"
    handled: tuple[str, ...] = ()  # exceptions that a `try` around takes

    def inner(self, **changes: object) -> Names:
        """A copy for a block inside: what it adds is not seen after it."""
        lists = {k: list(getattr(self, k)) for k in ("floats", "ints", "bools", "arrays", "tables", "pairs", "dicts", "functions")}
        both = {"assignable": set(self.assignable), "writable": set(self.writable), "depth": self.depth + 1}
        return replace(self, **{**lists, **both, **changes})  # type: ignore[arg-type]


class Expressions:
    def __init__(self, source: Source, single: bool = False) -> None:
        self.source = source
        self.single = single
        self.grads = 2  # nested derivatives are slow in plain Python: a few a program

    # ---- choosing
    def pick(self, items: Sequence[T]) -> T:
        return items[self.source(len(items))]

    def chance(self, percent: int) -> bool:
        return self.source(100) >= 100 - percent

    def constant(self) -> str:
        return self.pick(("0.5", "1.0", "0.3", "-0.7", "1.3", "0.25", "-0.4", "2.0"))

    # ---- floats
    def leaf(self, names: Names) -> str:
        options: list[str] = [self.pick(names.floats)] * 5 if names.floats else []
        options.append(self.constant())
        if names.arrays:
            options += [self.element(names)] * 2
        if names.pairs:
            options.append(f"{self.pick(names.pairs)}[{self.source(2)}]")
        if names.dicts:
            options.append(f'{self.pick(names.dicts)}["{self.pick("pq")}"]')
        return self.pick(options)

    def element(self, names: Names) -> str:
        return self.index(self.pick(names.arrays), names)

    def index(self, array: ArrayName, names: Names) -> str:
        return f"{array.name}[{', '.join(self.subscript(s, names) for s in array.sizes)}]"

    def subscript(self, size: str, names: Names) -> str:
        e = self.integer(names, 1)
        kind = self.source(8)
        if kind == 6 and size.isdigit():
            return self.pick(("0", "-1"))
        return f"-1 - ({e}) % {size}" if kind == 7 else f"({e}) % {size}"

    def real(self, names: Names, depth: int = 2) -> str:
        if depth <= 0 or self.chance(15):
            return self.leaf(names)
        e, d = self.real(names, depth - 1), self.real(names, depth - 1)
        kind = self.source(26)
        if kind < 4:
            return f"({e} {self.pick('+-*')} {d})"
        if kind < 8:
            return f"({e} {self.pick('*+-')} {self.leaf(names)})"
        if kind < 13:
            return self.unary(e)
        if kind == 13:
            return f"({e} / (1.5 + math.cos({d})))"
        if kind == 14:
            return f"((1.5 + math.sin({e})) ** {self.pick((d, '2', '-1', '0.5', '3'))})"
        if kind == 15:
            return f"({e} ** {self.pick(('2', '3'))})"
        if kind < 18:
            return f"({e} if {self.condition(names, depth - 1)} else {d})"
        if kind == 18:
            return f"np.where({self.truth(names, depth - 1)}, {e}, {d})"
        if kind == 19:
            return f"{self.pick(('min', 'max', 'np.maximum', 'np.minimum'))}({e}, {d})"
        if kind == 20:
            return f"{self.pick(('np.hypot', 'math.hypot', 'math.atan2', 'np.arctan2', 'np.logaddexp'))}({e}, 2.1 + math.sin({d}))"
        if kind == 21 and not self.single:
            return f"({e} * {self.pick(('({})', 'float({})'))})".format(self.integer(names, depth - 1))
        if kind == 22:
            return self.pick((f"({e} % 1.7)", f"abs({e})", f"-{e}", f"np.clip({e}, -0.9, 0.8)", f"(1.0 - {e})"))
        return self.call(names, depth) or self.unary(e)

    def unary(self, e: str) -> str:
        return self.pick((
            "math.sin({})", "math.cos({})", "math.tanh({})", "np.sin({})", "np.tanh({})", "math.exp(math.sin({}))", "np.exp(-abs({}))",
            "math.sqrt(1.3 + math.sin({}))", "math.log(2.0 + math.sin({}))", "np.arctan({})", "math.log1p(math.cos({}) ** 2)", "np.square(np.sin({}))",
        )).format(e)  # fmt: skip

    def squash(self, names: Names, depth: int = 2) -> str:
        """An expression of bounded value, whatever its variables are."""
        form = self.pick(("math.sin({})", "np.tanh({})", "math.cos({})", "0.8 * math.tanh({}) + 0.1"))
        return form.format(self.real(names, depth))

    def call(self, names: Names, depth: int) -> str | None:
        """A call of a function in scope that gives one float, or of its derivative."""
        functions = self.callable(names, "float")
        if not functions:
            return None
        f = self.pick(functions)
        if f.parameters[:1] == ("float",) and f.differentiable and self.grads and self.chance(15):
            self.grads -= 1
            text = self.application(f, names, depth - 1)
            form = self.pick(("math.sin(lj.grad({})({}", "math.tanh(lj.value_and_grad({})({}"))
            close = ")" if "sin" in form else "[1])"
            return form.format(f.name, text[len(f.name) + 1 :]) + close
        return self.application(f, names, depth - 1)

    def application(self, f: FunctionName, names: Names, depth: int) -> str:
        """f(...); an argument that has a default value may be left out."""
        args = [self.argument(kind, names, depth) for kind in f.parameters]
        return f"{f.name}({', '.join(a for a in args if a)})"

    def callable(self, names: Names, result: str) -> list[FunctionName]:
        """The functions in scope that there are arguments for."""
        vectors = {"array": self.vectors(names, False), "buffer": self.vectors(names, True)}
        return [f for f in names.functions if f.result == result and all(vectors.get(k, True) for k in f.parameters)]

    def argument(self, kind: str, names: Names, depth: int) -> str:
        if kind == "float":
            return self.real(names, depth)
        if kind == "int":
            return self.integer(names, depth)
        if kind.endswith("="):
            return self.pick(("", f"{kind}{self.real(names, depth)}"))
        if kind == "function":
            known = [f.name for f in names.functions if f.parameters == ("float",) and f.result == "float"]
            return self.pick([*known * 3, "math.sin", "np.tanh", f"lambda z: {self.leaf(names)} * math.cos(z)"])
        if kind == "depth":
            return f"({self.integer(names, 1)}) % {self.pick('345')}"
        return self.pick(self.vectors(names, kind == "buffer"))

    def vectors(self, names: Names, writable: bool) -> list[str]:
        return [a.name for a in names.arrays if len(a.sizes) == 1 and (a.name in names.writable or not writable)]

    # ---- ints and bools
    def integer(self, names: Names, depth: int = 1) -> str:
        if depth <= 0 or self.chance(30):
            tables = [f"{t}[{self.integer(names, 0)} % 4]" for t in names.tables[-1:]] if depth > 0 else []
            return self.pick((names.ints or ["1"]) * 2 + [str(self.source(6) - 2), *tables])
        i, j = self.integer(names, depth - 1), self.integer(names, depth - 1)
        kind = self.source(12)
        if kind < 4:
            return f"({i} {self.pick('+-*')} {j})"
        if kind < 6:
            return f"({i} {self.pick(('%', '//'))} {self.pick(('2', '3', '5', '-3', '-2'))})"
        if kind == 6:
            return f"({i} if {self.condition(names, 0)} else {j})"
        if kind == 7:
            return f"{self.pick(('min', 'max'))}({i}, {j})"
        if kind == 8:
            return self.pick(
                (
                    f"abs({i})",
                    f"-({i})",
                    f"({i} & 3)",
                    f"({i} | 1)",
                    f"({i} ^ {j})",
                    f"({i} << 1)",
                    f"({i} >> 1)",
                    f"~({i})",
                )
            )
        if kind == 9:
            return self.pick(("int({})", "math.floor({})")).format(f"3.0 * math.sin({self.real(names, 0)})")
        if kind == 10:
            return f"({i} {self.pick(('or', 'and'))} {j})"
        return f"({i} + 1)"

    def truth(self, names: Names, depth: int = 1) -> str:
        """A bool."""
        kind = self.source(13)
        if kind < 4 or depth < 0:
            return f"{self.integer(names, 0)} {self.pick(('<', '>', '<=', '>=', '==', '!='))} {self.integer(names, 0)}"
        if kind == 4 and names.bools:
            return self.pick(names.bools)
        if kind < 7:
            return f"{self.real(names, depth)} {self.pick('<>')} {self.pick(('0.137', '-0.211', '0.713'))}"
        if kind < 9:
            return f"{self.integer(names, 0)} {self.pick(('<', '<='))} {self.integer(names, 1)} {self.pick(('<', '!=', '<='))} {self.integer(names, 0)}"
        if kind == 9:
            return f"not ({self.truth(names, depth - 1)})"
        if kind == 10:
            return f"-0.611 < {self.real(names, depth)} < 0.523"
        word = self.pick((" and ", " or "))
        return f"({word.join(f'({self.truth(names, depth - 1)})' for _ in range(2 + self.source(2)))})"

    def condition(self, names: Names, depth: int = 1) -> str:
        """A bool, or a number for its truth."""
        return self.integer(names, 1) if self.chance(12) else self.truth(names, depth)
