"""Statements about what the program chooses: objects, lists, texts, functions and keys."""

from __future__ import annotations

from .expressions import Expressions, Names


class Chosen(Expressions):
    def team(self, names: Names) -> list[str]:
        """Make some objects; choose one of them, change it, and read it or all of them."""
        known = [x[:-5] for x in names.floats if x.endswith("[0].a") and x[:-5] in names.writable]
        if not known or self.chance(20):
            t = self.fresh("t")
            made = [f"State({self.leaf(names)}, {self.squash(names)})" for _ in range(2 + self.source(2))]
            names.floats += [f"{t}[0].a", f"{t}[1].b"]
            names.writable.add(t)
            return [f"{t} = [{', '.join(made)}]"]
        t, c, y = self.pick(known), self.fresh("c"), self.fresh("y")
        x, number = self.leaf(names), self.integer(names, 1)
        choose = self.pick(
            (
                f"{c} = {t}[({number}) % len({t})]",
                f"{c} = min({t}, key=lambda s: math.sin(s.a + {x}))",
                f"{c} = {t}[0] if {self.condition(names)} else {t}[1]",
                f"{c} = sorted({t}, key=lambda s: s.b - {x} * s.a)[0]",
                f"{c} = next((s for s in {t} if s.a > {x}), {t}[-1])",
            )
        )
        change = self.pick(
            (
                f"{c}.a = {self.squash(names)}",
                f"{c}.b += {self.squash(names)}",
                f"{c}.a, {c}.b = {c}.b, {c}.a",
                f"{c}.move({x})",
                f"{c}.log.append({x})",
                f"{t}[0].a = {t}[0].a * 0.5 + {c}.b",
            )
        )
        read = self.pick(
            (
                f"math.tanh({c}.size + {c}.a)",
                f"math.tanh(sum(s.a * (i + 1) for i, s in enumerate({t})))",
                f"math.sin({c}.b + ({t}.index({c}) if {c} is not {t}[0] else 0.5))",
                f"math.tanh(sum({c}.log) + len({t}[0].log))",
                f"math.sin(({c} + {t}[1]).a)",
            )
        )
        names.floats.append(y)
        return [choose, change, f"{y} = {read}"]

    def texts(self, names: Names) -> list[str]:
        """A text, a function or a key that the program chooses, perhaps again in a loop."""
        m, y, x = self.fresh("m"), self.fresh("y"), self.leaf(names)
        lines = self.text(names, m, y, x)
        names.floats.append(y)
        return lines

    def text(self, names: Names, m: str, y: str, x: str) -> list[str]:
        form = self.source(5)
        if form == 0:
            table = f'{{"low": {self.leaf(names)}, "mid": {self.squash(names)}, "high": {x}}}'
            return [f'{m} = "low" if {self.condition(names)} else "high" if {self.condition(names)} else "mid"', f"{y} = {table}[{m}]"]
        if form == 1:
            return [f"{m} = {self.pick(('math.sin', 'math.cos'))} if {self.condition(names)} else math.tanh", f"{y} = {m}({x})"]
        if form == 2:
            d = self.fresh("d")
            held = f"{{0: {self.leaf(names)}, 1: {x}, 2: 0.3}}"
            key = f"({self.integer(names, 1)}) % 3"
            return [
                f"{d} = {held}",
                f"{d}[{key}] += {self.squash(names)}",
                f"{y} = {d}[({self.integer(names, 1)}) % 3] + {d}.get({key}, 0.0)",
            ]
        if form == 3:
            q = self.fresh("q")
            number = f"({self.integer(names, 1)}) % 2"
            grown = f"{q}[{number}].append({self.squash(names)})"
            return [f"{q} = [[{x}], [{self.leaf(names)}]]", grown, f"{y} = math.tanh(sum({q}[0]) - sum({q}[1]) * len({q}[{number}]))"]
        i = self.fresh("i")
        return [
            f'{m}, {y} = "a", {x}',
            f"for {i} in range({self.pick(('3', '12', '40'))}):",
            f'    if {m} == "a":',
            f"        {y} = 0.7 * {y} + {self.squash(names)}",
            f'        {m} = "b" if {y} > 0.3171 else {m}',
            f'    elif {m} in ("b", "d"):',
            f"        {y} = {y} - 0.25 * {self.leaf(names)}",
            f'        {m} = "c" if {y} < {x} else "a"',
            "    else:",
            f'        {y}, {m} = math.sin({y} + 0.1 * {i}), "d"',
        ]


__all__ = ["Chosen"]
