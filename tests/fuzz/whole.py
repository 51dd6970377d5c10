"""Random whole-array expressions and statements of the fuzzer: elementwise chains, views, writes, masks, reductions."""

from __future__ import annotations

from .expressions import ArrayName, Names
from .simple import SimpleStatements


class WholeArrays(SimpleStatements):
    def elements(self, a: str, names: Names, depth: int = 2) -> str:
        """An array expression of a's shape, of bounded values."""
        if depth <= 0:
            return self.pick((a, a, f"np.ones_like({a})"))
        e = self.elements(a, names, depth - 1)
        kind = self.source(12)
        if kind < 3:
            return f"np.{self.pick(('sin', 'tanh', 'cos', 'arctan'))}({e})"
        if kind < 6:
            return f"({e} {self.pick('+-*')} {self.pick((self.elements(a, names, depth - 1), self.squash(names, 0)))})"
        if kind == 6:
            return f"np.where({self.mask(a, names)}, {e}, {self.pick((a, '0.25'))})"
        if kind == 7:
            return f"({e} / (1.5 + np.cos({a})))"
        if kind == 8:
            return f"np.{self.pick(('maximum', 'minimum'))}({e}, {self.squash(names, 0)})"
        if kind == 9:
            return f"({e})[::-1]"
        if kind == 10:
            return f"np.concatenate([({e})[1:], ({e})[:1]])"
        return f"np.cumsum({e})" if self.chance(50) else f"(0.5 * {e}) ** 2"

    def mask(self, a: str, names: Names) -> str:
        return f"{a} {self.pick('<>')} {self.pick(('0.137', '-0.211', '0.713'))}"

    def reduction(self, names: Names) -> str | None:
        """A float of one array."""
        vectors = self.vectors(names, False)
        if not vectors:
            return None
        e = self.elements(self.pick(vectors), names, self.source(3))
        return self.pick(
            (
                "np.sum({})", "np.sum({})", "np.mean({})", "np.max({})", "np.min({})", "np.sqrt(1.0 + np.sum(({}) ** 2))", "np.prod(np.cos({}))",
                "np.log(np.sum(np.exp({})))", "np.var({})", "(lambda w: w @ w)({})",
            )
        ).format(f"np.sin({e})")  # fmt: skip

    def real(self, names: Names, depth: int = 2) -> str:
        if self.chance(8):
            found = self.reduction(names)
            if found is not None:
                return found
        return super().real(names, depth)

    def whole(self, names: Names) -> list[str]:
        """A statement that makes or writes an array as a whole."""
        readable, writable = self.vectors(names, False), self.vectors(names, True)
        kind = self.source(9)
        if kind < 2 and readable:
            name, a = self.fresh("w"), self.pick(readable)
            names.arrays.append(ArrayName(name, (f"len({name})",)))
            names.writable.add(name)
            return [f"{name} = 1.0 * ({self.elements(a, names)})"]
        if not writable:
            return []
        a = self.pick(writable)
        if kind == 2:
            return [f"{a}[1:] = 0.7 * np.sin({a}[:-1]) + {self.squash(names, 0)}"]
        if kind == 3:
            return [f"{a}[{self.mask(a, names)}] {self.pick(('= 0.3', '*= 0.5', '+= 0.1'))}"]
        if kind == 4:
            return [f"{a} {self.pick(('+=', '-=', '*='))} {self.pick(('0.1 * ', ''))}np.sin({self.elements(a, names, 1)})"]
        if kind == 5:
            view = self.fresh("z")
            return [
                f"{view} = {a}[{self.pick(('::-1', '1:', ':-1', '::2', '...'))}]",
                f"{view} *= {self.squash(names, 0)}",
                f"{view} += 0.125",
            ]
        if kind == 6:
            return [f"np.add.at({a}, np.array([0, -1, 0]), {self.squash(names, 0)})"]
        if kind == 7:
            return [f"{a}[...] = np.sort(np.sin({a} + 0.1 * np.arange(len({a}))))"]
        return [f"{a}[:] = {self.pick((f'np.tanh({a}) * {self.squash(names, 0)}', f'{self.squash(names, 0)}'))}"]
