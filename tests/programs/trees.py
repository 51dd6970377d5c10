"""Trees: boosted regression trees with soft splits, and a formula as a tree of objects."""

import math
from dataclasses import dataclass


@dataclass
class Leaf:
    value: float


@dataclass
class Split:
    feature: int
    threshold: float
    left: object
    right: object
    softness: float | None = None


def predict(node, x):
    if isinstance(node, Leaf):
        return node.value
    if node.softness is None:
        if x[node.feature] < node.threshold:
            return predict(node.left, x)
        return predict(node.right, x)
    p = 1.0 / (1.0 + math.exp((x[node.feature] - node.threshold) / node.softness))
    return p * predict(node.left, x) + (1.0 - p) * predict(node.right, x)


def depth(node):
    return 0 if isinstance(node, Leaf) else 1 + max(depth(node.left), depth(node.right))


def leaves(node):
    if isinstance(node, Leaf):
        return [node]
    return leaves(node.left) + leaves(node.right)


class Ensemble:
    def __init__(self, trees, rate=0.3, base=0.0):
        self.trees = trees
        self.rate = rate
        self.base = base

    def __len__(self):
        return len(self.trees)

    def __call__(self, x):
        return self.base + self.rate * sum(predict(t, x) for t in self.trees)

    def regularisation(self):
        return sum(leaf.value**2 for tree in self.trees for leaf in leaves(tree)) / len(self)


class Expr:
    def __add__(self, other):
        return Binary("+", self, wrap(other))

    def __radd__(self, other):
        return Binary("+", wrap(other), self)

    def __mul__(self, other):
        return Binary("*", self, wrap(other))

    __rmul__ = __mul__

    def __pow__(self, n):
        return Binary("**", self, Const(n))


class Const(Expr):
    def __init__(self, value):
        self.value = value

    def evaluate(self, env):
        return self.value


class Var(Expr):
    def __init__(self, name):
        self.name = name

    def evaluate(self, env):
        if self.name not in env:
            raise NameError(f"variable {self.name!r} has no value; there are {sorted(env)}")
        return env[self.name]


class Call(Expr):
    FUNCTIONS = {"sin": math.sin, "exp": math.exp, "abs": abs}

    def __init__(self, function, argument):
        self.function, self.argument = function, argument

    def evaluate(self, env):
        return self.FUNCTIONS[self.function](self.argument.evaluate(env))


class Binary(Expr):
    def __init__(self, op, left, right):
        self.op, self.left, self.right = op, left, right

    def evaluate(self, env):
        a, b = self.left.evaluate(env), self.right.evaluate(env)
        if self.op == "+":
            return a + b
        elif self.op == "*":
            return a * b
        elif self.op == "**":
            return a**b
        raise ValueError(f"unknown operator {self.op}")


def wrap(x):
    return x if isinstance(x, Expr) else Const(x)


def features(x):
    """Made of formulas, as a user wrote them in a file."""
    u, v = Var("u"), Var("v")
    formulas = [u * v + 1.0, Call("sin", 2.0 * u) + v**2, Call("exp", Call("abs", u) * -0.5)]
    env = dict(zip(("u", "v"), x))
    return [f.evaluate(env) for f in formulas]


def loss(ensemble, rows, targets):
    total, worst = 0.0, -math.inf
    for row, y in zip(rows, targets):
        error = abs(ensemble(features(row)) - y)
        total += error**2 if error < 1.0 else 2.0 * error - 1.0
        worst = max(worst, error)
    return total / len(rows) + 0.1 * worst + 0.01 * ensemble.regularisation()
