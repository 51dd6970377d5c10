"""Dimensions of array types: ints, and polynomials over symbols in normal form, so that equal ones are `==`.

    f64[n, 2*n + 1]        n is a size that a parameter brings
    f64[max(n - 1, 0)]     what is no polynomial is a symbol of its own, known by its arguments

A symbol stands for one number in each call of a function (in each iteration, where it is a loop's). Those that are named int1, int2, .., or by a variable, %i, are any ints, all
others are sizes, which are not negative.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Union

MOST_TERMS = 8
UNKNOWN = "?"  # the dimension of a signature's types, which serve every size


@dataclass(frozen=True)
class Symbol:
    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def least(self) -> int | None:
        """A lower bound."""
        return None if re.fullmatch(r"int\d+|%.*", self.name) else 0


@dataclass(frozen=True)
class Applied:
    """max, min or // of dimensions."""

    name: str
    args: tuple[Dim, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.args))})"

    @property
    def least(self) -> int | None:
        bounds = [least(a) for a in self.args]
        if self.name == "max":
            return max((b for b in bounds if b is not None), default=None)
        if self.name == "min":
            return min(bounds) if None not in bounds else None  # type: ignore[type-var]
        return 0 if bounds[0] is not None and bounds[0] >= 0 else None


@dataclass(frozen=True)
class Poly:
    """A sum of products: (factors, coefficient) for each, in order. One without factors is the constant."""

    terms: tuple[tuple[tuple[Symbol | Applied, ...], int], ...]

    def __str__(self) -> str:
        out = ""
        for factors, c in self.terms:
            text = "*".join([*([str(abs(c))] if abs(c) != 1 or not factors else []), *map(str, factors)])
            out += (f" {'-' if c < 0 else '+'} " if out else "-" if c < 0 else "") + text
        return out


Dim = Union[int, Poly, str]  # a str is UNKNOWN


def symbol(name: str) -> Dim:
    return Poly((((Symbol(name),), 1),))


def _terms(d: Dim) -> dict[tuple[Symbol | Applied, ...], int]:
    assert not isinstance(d, str), "an unknown dimension has no value"
    return dict(d.terms) if isinstance(d, Poly) else {(): d}


def _normal(terms: dict[tuple[Symbol | Applied, ...], int]) -> Dim:
    found = {f: c for f, c in terms.items() if c}
    if not any(found):
        return found.get((), 0)
    return Poly(tuple(sorted(found.items(), key=lambda t: (-len(t[0]), list(map(str, t[0]))))))


def add(a: Dim, b: Dim) -> Dim:
    terms = _terms(a)
    for f, c in _terms(b).items():
        terms[f] = terms.get(f, 0) + c
    return _normal(terms)


def mul(a: Dim, b: Dim) -> Dim:
    terms: dict[tuple[Symbol | Applied, ...], int] = {}
    for f, c in _terms(a).items():
        for g, e in _terms(b).items():
            h = tuple(sorted((*f, *g), key=str))
            terms[h] = terms.get(h, 0) + c * e
    return _normal(terms)


def sub(a: Dim, b: Dim) -> Dim:
    return add(a, mul(b, -1))


def product(dims: Iterable[Dim]) -> Dim:
    n: Dim = 1
    for d in dims:
        n = mul(n, d)
    return n


def least(d: Dim) -> int | None:
    """A lower bound, if one is known."""
    total = 0
    for factors, c in _terms(d).items():
        bounds = [f.least for f in factors]
        if factors and (c < 0 or any(b is None or b < 0 for b in bounds)):
            return None
        for b in bounds:
            c *= b  # type: ignore[operator]
        total += c
    return total


def symbols(d: Dim) -> set[Symbol]:
    """The symbols that its terms are products of."""
    return {f for factors in _terms(d) for f in factors if isinstance(f, Symbol)}


def slope(d: Dim, s: Symbol) -> Dim | None:
    """What d grows by where s grows by 1, if that does not depend on s."""
    found: dict[tuple[Symbol | Applied, ...], int] = {}
    for factors, c in _terms(d).items():
        rest = [f for f in factors if f != s]
        if len(factors) - len(rest) > 1 or any(_holds(f, s) for f in rest):
            return None
        if len(rest) < len(factors):
            found[tuple(rest)] = c
    return _normal(found)


def _holds(f: Symbol | Applied, s: Symbol) -> bool:
    return f == s or (isinstance(f, Applied) and any(_holds(g, s) for a in f.args for factors in _terms(a) for g in factors))


def made_of(d: Dim, known: Container[Symbol]) -> bool:
    """Are these all the symbols that it has?"""
    if not isinstance(d, Poly):
        return d != UNKNOWN
    factors = [f for factors, _ in d.terms for f in factors]
    return all(f in known if isinstance(f, Symbol) else all(made_of(a, known) for a in f.args) for f in factors)


def put(d: Dim, s: Symbol, value: Dim) -> Dim:
    """d with `value` for s, in which it has a slope."""
    grows = slope(d, s)
    assert grows is not None
    return add(d, mul(grows, sub(value, symbol(s.name))))


def is_short(d: Dim) -> bool:
    """Is it worth following? Products of sums grow."""
    return isinstance(d, int) or len(_terms(d)) <= MOST_TERMS


def is_natural(d: Dim) -> bool:
    """Is it known not to be negative?"""
    bound = least(d)
    return bound is not None and bound >= 0


def _apply(op: str, *args: Dim) -> Dim:
    return Poly((((Applied(op, args),), 1),))


def nonnegative(d: Dim) -> Dim:
    """max(d, 0)"""
    if isinstance(d, int):
        return max(d, 0)
    return d if is_natural(d) else _apply("max", d, 0)


def positive(d: Dim) -> Dim:
    """What d is where it is positive: max(d, 0) is d."""
    if isinstance(d, Poly) and len(d.terms) == 1 and d.terms[0][1] == 1 and len(d.terms[0][0]) == 1:
        (f,) = d.terms[0][0]
        if isinstance(f, Applied) and f.name == "max":
            return f.args[0]
    return d


def smaller(a: Dim, b: Dim) -> Dim:
    """min(a, b)"""
    if a == b:
        return a
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    return _apply("min", *sorted((a, b), key=str))


def over(d: Dim, c: int) -> Dim:
    """d // c"""
    if isinstance(d, int):
        return d // c
    if all(k % c == 0 for k in _terms(d).values()):
        return _normal({f: k // c for f, k in _terms(d).items()})
    return _apply("over", d, c)


_FUNCTIONS: dict[str, Callable[..., Dim]] = {"max": lambda d, zero: _apply("max", d, zero), "min": smaller, "over": over}


def parse(text: str) -> Dim:
    """A dimension from its text."""
    if text == UNKNOWN:
        return UNKNOWN

    def value(node: ast.expr) -> Dim:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.Name):
            return symbol(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return mul(value(node.operand), -1)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
            return _FUNCTIONS[node.func.id](*map(value, node.args))
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        raise ValueError(f"{text!r} is no dimension")

    try:
        return value(ast.parse(text, mode="eval").body)
    except SyntaxError:
        raise ValueError(f"{text!r} is no dimension") from None


_OPERATORS: dict[type, Callable[[Dim, Dim], Dim]] = {ast.Add: add, ast.Sub: sub, ast.Mult: mul}


class Names:
    """Gives symbols that a program does not have yet: n, m, k, l, p, q, r, s, then n1, m1, .. for sizes, int1, .. for other ints."""

    LETTERS = "nmklpqrs"

    def __init__(self) -> None:
        self.sizes = self.ints = 0

    def size(self) -> Dim:
        turn, i = divmod(self.sizes, len(self.LETTERS))
        self.sizes += 1
        return symbol(self.LETTERS[i] + (str(turn) if turn else ""))

    def int(self) -> Dim:
        self.ints += 1
        return symbol(f"int{self.ints}")

    def reserve(self, text: str) -> None:
        """The symbols of this dimension are taken."""
        for name, number in re.findall(r"([A-Za-z_]+)(\d*)", text):
            turn = int(number or 0)
            self.ints = max(self.ints, turn if name == "int" else 0)
            if name in self.LETTERS:
                self.sizes = max(self.sizes, turn * len(self.LETTERS) + self.LETTERS.index(name) + 1)


def at_end(d: Dim, s: Symbol, if_it_grows: Dim, if_it_falls: Dim) -> Dim | None:
    """What d comes to where a symbol is at an end of its range: at one if d grows with it, else at the other; None if it does neither."""
    grows = slope(d, s)
    if grows is None:
        return None
    if is_natural(grows):
        return put(d, s, if_it_grows)
    return put(d, s, if_it_falls) if is_natural(mul(grows, -1)) else None
