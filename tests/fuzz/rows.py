"""Random programs about rows: read in place, gathered, overwritten after they have been read, multiplied by matrices, and summed up in loops.

python -m tests.fuzz.rows FIRST LAST: these seeds.
"""

from __future__ import annotations

import linecache
import random
import sys
from typing import Any

import numpy as np

from tests.support import check

ROWS, COLUMNS = 4, 3
INDICES = ("t", "t % 3", "-1", "at[t]", "at[t] - 4", "1", "-t - 1")


class Rows:
    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)

    def row(self) -> str:
        return f"x[{self.r.choice(INDICES)}]"

    def vector(self, depth: int = 1) -> str:
        """An expression with COLUMNS elements."""
        if depth == 0:
            return self.r.choice((self.row(), self.row(), "h", "y[t]", "s"))
        v = self.vector(depth - 1)
        return self.r.choice(
            (
                f"np.tanh({v})",
                f"{v} @ w",
                f"w @ ({v})",
                f"({v}) * 0.5 + {self.vector(0)}",
                f"({v} + h) @ w.T",
                f"np.sin({v}) * {self.row()}",
                v,
            )
        )

    def matrix(self) -> str:
        """An expression with COLUMNS columns."""
        a = self.r.choice(
            ("x[at]", "x[at[::2]]", "x[1:3]", "x[t : t + 2]", "x[at - 4]", "y[:2]", "blocks[t % 2]", "x[np.array([t, 0, t])]")
        )
        return self.r.choice((a, f"{a} @ w", f"({a} @ w.T) * 0.5", f"np.cos({a})", f"(w @ {a}.T).T"))

    def statement(self) -> list[str]:
        i = self.r.choice(INDICES)
        return self.r.choice(
            (
                [f"h = np.tanh({self.vector(2)})"],
                [f"h = np.tanh({self.vector(2)})"],
                [f"x[{i}] = 0.5 * {self.vector()}"],
                [f"r = {self.row()}", f"x[{i}] = 0.3 * {self.vector()}", "total += r @ h"],  # a view: it is what is there now
                [f"taken = {self.matrix()}", f"x[{i}] *= 0.7", "total += np.sum(np.sin(taken))"],  # a copy, or a view
                [f"total += np.sum(np.sin({self.matrix()}))"],
                [f"s = s + {self.vector()}"],
                [f"s = s - 0.1 * {self.vector()}"],
                [f"y[t] = {self.vector()}"],
                [f"y[{i}] = {self.vector()}"],
                ["w[t % 3] = 0.9 * w[t % 3]"],
                [f"total += np.tanh({self.row()}[1]) * h[0]"],
                ["x[at] = 0.8 * x[at]"],
            )
        )

    def body(self, least: int, most: int) -> list[str]:
        return [line for _ in range(self.r.randint(least, most)) for line in self.statement()]

    def text(self) -> str:
        inner = []
        if self.r.random() < 0.3:
            inner = ["for _ in range(2):", *(f"    {line}" for line in self.body(1, 2))]
        if self.r.random() < 0.3:
            inner += ["if total > 0.1:", *(f"    {line}" for line in self.body(1, 2))]
        lines = [
            "x, w = x * 1.0, w * 1.0" if self.r.random() < 0.7 else "x = x.copy()\nw = w.copy()",
            "blocks = x.reshape(2, 2, 3)" if self.r.random() < 0.5 else "blocks = (x * 1.0).reshape(2, 2, 3)",
            "y = np.zeros((4, 3))",
            "s = np.zeros(3)",
            "total = 0.0",
            "for t in range(3):",
            *(f"    {line}" for line in [*self.body(2, 4), *inner, *self.body(0, 2)]),
            "return total + np.sum(np.sin(y)) + np.sum(s * h) + np.sum(np.cos(x) @ w)",
        ]
        body = "".join(f"    {line}\n" for part in lines for line in part.split("\n"))
        return f"import numpy as np\n\n\ndef f(x, w, h, at):\n{body}"


def run(seed: int) -> None:
    """Values, gradients and second derivatives in all ways."""
    text, name = Rows(seed).text(), f"rows_{seed}.py"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    module: dict[str, Any] = {"__name__": "rows"}
    exec(compile(text, name, "exec"), module)
    g = np.random.default_rng(seed)
    args = 0.7 * g.normal(size=(ROWS, COLUMNS)), 0.5 * g.normal(size=(COLUMNS, COLUMNS)), g.normal(size=COLUMNS), np.array([2, 0, 2])
    try:
        check(module["f"], args, argnums=(0, 1, 2), order=1 + (seed % 3 == 0), rtol=1e-5)
    except Exception:
        print(text, file=sys.stderr)
        raise


if __name__ == "__main__":
    for seed in range(*map(int, sys.argv[1:3])):
        run(seed)
        print(seed, flush=True)
