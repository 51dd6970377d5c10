"""Statements that are others in disguise: `match`, and `:=` in what a condition decides. Syntax trees in, syntax trees out."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import Any

from .nodes import place, placed_as, walk

Path = Callable[[], ast.expr]  # makes an expression anew: a tree is rewritten once


def _load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _ask(attr: str, *args: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(_load("_ln"), attr, ast.Load()), list(args), [])


def _again(node: ast.expr) -> Path:
    text = ast.unparse(node)
    return lambda: placed_as(ast.parse(text, mode="eval").body, node)


# ---- match
def match_statement(node: Any, subject: str) -> list[ast.stmt]:
    """The cases of a `match`, whose subject is in a variable, as if, elif and else."""
    orelse: list[ast.stmt] = []
    for case in reversed(node.cases):
        tests, names = pattern(case.pattern, lambda: _load(subject))
        if case.guard is not None:
            tests.append(_Substitute(names).visit(case.guard))
        bind: list[ast.stmt] = [ast.Assign([ast.Name(name, ast.Store())], path()) for name, path in names.items()]
        body = [*bind, *case.body]
        orelse = [ast.If(_all(tests), body, orelse)] if tests else body
        for statement in orelse:
            place(placed_as(statement, case.pattern))
        orelse = orelse or [placed_as(ast.Pass(), node)]
    return orelse


def _all(tests: list[ast.expr]) -> ast.expr:
    return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests)


def pattern(p: Any, at: Path) -> tuple[list[ast.expr], dict[str, Path]]:
    """What must hold of the value `at` for a pattern to fit, in this order; and the names that it gives to its parts."""
    return _PATTERNS[type(p).__name__](p, at)  # type: ignore[no-any-return]


def _parts(*pairs: tuple[Any, Path]) -> tuple[list[ast.expr], dict[str, Path]]:
    tests: list[ast.expr] = []
    names: dict[str, Path] = {}
    for p, at in pairs:
        more, inner = pattern(p, at)
        tests += more
        names.update(inner)
    return tests, names


def _value(p: Any, at: Path) -> Any:
    return [ast.Compare(at(), [ast.Eq()], [p.value])], {}


def _singleton(p: Any, at: Path) -> Any:
    none = p.value is None
    return [ast.Compare(at(), [ast.Is()], [ast.Constant(None)]) if none else _ask("match_bool", at(), ast.Constant(p.value))], {}


def _item(at: Path, index: ast.expr) -> Path:
    return lambda: ast.Subscript(at(), index, ast.Load())


def _sequence(p: Any, at: Path) -> Any:
    star = next((i for i, q in enumerate(p.patterns) if type(q).__name__ == "MatchStar"), None)
    n = len(p.patterns)
    test = _ask("match_sequence", at(), ast.Constant(n if star is None else n - 1), ast.Constant(star is not None))
    pairs = [(q, _item(at, _index(i if star is None or i < star else i - n))) for i, q in enumerate(p.patterns) if i != star]
    tests, names = _parts(*pairs)
    if star is not None and p.patterns[star].name is not None:
        names[p.patterns[star].name] = lambda: _ask("match_rest", at(), ast.Constant(star), ast.Constant(n - 1 - star))
    return [test, *tests], names


def _index(i: int) -> ast.expr:
    return ast.Constant(i) if i >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-i))


def _mapping(p: Any, at: Path) -> Any:
    keys = [_again(k) for k in p.keys]
    test = _ask("match_mapping", at(), *(k() for k in keys))
    tests, names = _parts(*((q, lambda k=k: ast.Subscript(at(), k(), ast.Load())) for k, q in zip(keys, p.patterns, strict=True)))
    if p.rest is not None:
        names[p.rest] = lambda: _ask("match_others", at(), *(k() for k in keys))
    return [test, *tests], names


def _class(p: Any, at: Path) -> Any:
    cls = _again(p.cls)
    test = _ask("match_class", at(), cls(), ast.Constant(len(p.patterns)), *map(ast.Constant, p.kwd_attrs))
    by_place = [(q, lambda i=i: _ask("match_argument", at(), cls(), ast.Constant(i))) for i, q in enumerate(p.patterns)]
    by_name = [(q, lambda a=a: ast.Attribute(at(), a, ast.Load())) for a, q in zip(p.kwd_attrs, p.kwd_patterns, strict=True)]
    tests, names = _parts(*by_place, *by_name)
    return [test, *tests], names


def _capture(p: Any, at: Path) -> Any:
    tests, names = pattern(p.pattern, at) if p.pattern is not None else ([], {})
    return tests, ({**names, p.name: at} if p.name is not None else names)


def _either(p: Any, at: Path) -> Any:
    tests = [pattern(q, at)[0] for q in p.patterns]

    def named(name: str) -> ast.expr:
        found = [pattern(q, at) for q in p.patterns]
        out = found[-1][1][name]()
        for need, names in reversed(found[:-1]):
            out = ast.IfExp(_all(need), names[name](), out) if need else names[name]()
        return out

    names = {name: (lambda name=name: named(name)) for name in pattern(p.patterns[0], at)[1]}
    return ([ast.BoolOp(ast.Or(), list(map(_all, tests)))] if all(tests) else []), names


_PATTERNS: dict[str, Callable[[Any, Path], Any]] = {
    "MatchValue": _value, "MatchSingleton": _singleton, "MatchSequence": _sequence, "MatchMapping": _mapping, "MatchClass": _class, "MatchAs": _capture,
    "MatchOr": _either,
}  # fmt: skip


class _Substitute(ast.NodeTransformer):
    """A guard reads the parts themselves: its names are bound when it holds."""

    def __init__(self, names: dict[str, Path]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> Any:
        return placed_as(self.names[node.id](), node) if node.id in self.names and isinstance(node.ctx, ast.Load) else node


# ---- a, *b = x
def unpacking(node: ast.Assign) -> ast.Assign:
    """`a, *b, c = x` as `a, b, c = _ln.unpacked(x, 1, 1)`, and `a, b = x` as `a, b = _ln.unpacked(x, 2, None)`."""
    target = node.targets[0]
    if len(node.targets) > 1 or not isinstance(target, (ast.Tuple, ast.List)) or isinstance(node.value, (ast.Tuple, ast.List)):
        return node
    star = next((i for i, e in enumerate(target.elts) if isinstance(e, ast.Starred)), None)
    n = len(target.elts)
    places = [ast.Constant(n if star is None else star), ast.Constant(None if star is None else n - 1 - star)]
    elts = [e.value if isinstance(e, ast.Starred) else e for e in target.elts]
    made = ast.Assign([placed_as(ast.Tuple(elts, ast.Store()), target)], placed_as(_ask("unpacked", node.value, *places), node.value))
    return place(placed_as(made, node))


# ---- :=
def has_walrus(*nodes: ast.AST) -> bool:
    return any(isinstance(child, ast.NamedExpr) for child in walk(*nodes))


def branches(test: ast.expr, then: list[ast.stmt], orelse: list[ast.stmt]) -> list[ast.stmt] | None:
    """`if` with a test in which a condition decides over a `:=`: one `if` for each operand, so that what it assigns is there where
    it is read. None for other tests."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return branches(test.operand, orelse or [ast.Pass()], then)
    if not isinstance(test, ast.BoolOp) or not has_walrus(*test.values[1:]):
        return None
    rest = test.values[1] if len(test.values) == 2 else placed_as(ast.BoolOp(test.op, test.values[1:]), test)
    both = isinstance(test.op, ast.And)
    inner_then, inner_else = (then, copy.deepcopy(orelse)) if both else (copy.deepcopy(then), orelse)
    inner = branches(rest, inner_then, inner_else) or [ast.If(rest, inner_then, inner_else)]
    out: list[ast.stmt] = [ast.If(test.values[0], inner, orelse) if both else ast.If(test.values[0], then, inner)]
    for statement in (*inner, *out):
        place(placed_as(statement, test))
    return out


def loop(node: ast.While) -> ast.While:
    """`while a and (b := ..): ..` is left in its body, where b is read."""
    test = node.test
    if node.orelse or not isinstance(test, ast.BoolOp) or not isinstance(test.op, ast.And) or not has_walrus(*test.values[1:]):
        return node
    rest = test.values[1] if len(test.values) == 2 else placed_as(ast.BoolOp(test.op, test.values[1:]), test)
    inner = branches(rest, node.body, [ast.Break()]) or [ast.If(rest, node.body, [ast.Break()])]
    for statement in inner:
        place(placed_as(statement, test))
    return placed_as(ast.While(test.values[0], inner, []), node)


def spread_out(node: ast.expr, fresh: Callable[[], str]) -> tuple[list[ast.stmt], ast.expr]:
    """Statements before an expression, and what is left of it, such that no `:=` stands where a condition decides. Only what is
    evaluated first can be done before the rest."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        before, node.operand = spread_out(node.operand, fresh)
        return before, node
    decides = (isinstance(node, ast.BoolOp) and has_walrus(*node.values[1:])) or (
        isinstance(node, ast.IfExp) and has_walrus(node.body, node.orelse)
    )
    if not decides:
        return [], node
    name = fresh()

    def assign(value: ast.expr) -> list[ast.stmt]:
        before, value = spread_out(value, fresh)
        return [*before, ast.Assign([ast.Name(name, ast.Store())], value)]

    if isinstance(node, ast.BoolOp):
        out = assign(node.values[0])
        inner = out
        for value in node.values[1:]:
            test = _load(name) if isinstance(node.op, ast.And) else ast.UnaryOp(ast.Not(), _load(name))
            then = assign(value)
            inner.append(ast.If(test, then, []))
            inner = then
    else:
        assert isinstance(node, ast.IfExp)
        out, test = spread_out(node.test, fresh)
        out.append(ast.If(test, assign(node.body), assign(node.orelse)))
    for statement in out:
        place(placed_as(statement, node))
    return out, placed_as(_load(name), node)
