"""Pieces of syntax trees."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from typing import Any

COMPARISONS = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne", ast.Is: "is_", ast.IsNot: "is_not",
    ast.In: "in_", ast.NotIn: "not_in",
}  # fmt: skip


def assigned_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that statements assign, nested functions left out."""
    assigned: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            assigned.add(node.name)
            return
        if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            if not isinstance(node, ast.Lambda):
                assigned.update(child.target.id for child in ast.walk(node) if isinstance(child, ast.NamedExpr))
            return
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            assigned.add(node.id)
        if isinstance(node, ast.ExceptHandler) or type(node).__name__ in ("MatchAs", "MatchStar", "MatchMapping"):
            assigned.update(name for name in (getattr(node, "name", None), getattr(node, "rest", None)) if name is not None)
        if isinstance(node, ast.alias):
            assigned.add((node.asname or node.name).split(".")[0])
        for child in ast.iter_child_nodes(node):
            visit(child)

    for n in nodes:
        visit(n)
    return assigned


def _arms(node: ast.If) -> tuple[list[ast.If], list[ast.stmt]]:
    """An `if` with its `elif`s, however many, and what the last `else` does."""
    arms = [node]
    while len(arms[-1].orelse) == 1 and isinstance(arms[-1].orelse[0], ast.If):
        arms.append(arms[-1].orelse[0])
    return arms, arms[-1].orelse


def _asked(test: ast.expr) -> None:
    """Of what stands in a test only the truth is asked: operands of `and` and `or` in it need no common type."""
    if isinstance(test, ast.BoolOp):
        test.asked = True  # type: ignore[attr-defined]
        for v in test.values:
            _asked(v)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        _asked(test.operand)


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _staging(attr: str) -> ast.Attribute:
    return ast.Attribute(_load("_ln"), attr, ast.Load())


def _call(attr: str, *args: ast.expr) -> ast.Call:
    return ast.Call(_staging(attr), list(args), [])


def _looped(items: ast.expr) -> ast.expr:
    """What a `for` goes through, rewritten: an iterator that is made there, of which nobody knows but the loop."""
    if isinstance(items, ast.Call) and ast.dump(items.func) == ast.dump(_staging("call")):
        function, *args = items.args
        if isinstance(function, ast.Name) and function.id in ("enumerate", "zip", "reversed"):
            items.func, items.args = _staging("looped"), [function, *map(_looped, args)]
    return items


def _thunk(body: ast.expr) -> ast.Lambda:
    """A function without arguments; the parameter that nobody gives it tells it from the user's lambdas."""
    args = _arguments("_ln_thunk")
    args.defaults = [ast.Constant(None)]
    return ast.Lambda(args, body)


def _arguments(*names: str) -> ast.arguments:
    return ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, [])


def _define(name: str, args: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    """A function definition; `type_params` is a field of it from Python 3.12 on."""
    fields: dict[str, Any] = {"type_params": []} if sys.version_info >= (3, 12) else {}
    return ast.FunctionDef(name=name, args=args, body=body, decorator_list=[], **fields)


def _class(name: str, body: list[ast.stmt]) -> ast.ClassDef:
    """A class around code, for the names with two underscores that Python changes there."""
    fields: dict[str, Any] = {"type_params": []} if sys.version_info >= (3, 12) else {}
    return ast.ClassDef(name=name, bases=[], keywords=[], body=body, decorator_list=[], **fields)


_IN_PLACE = {
    ast.Add: "iadd", ast.Sub: "isub", ast.Mult: "imul", ast.Div: "itruediv", ast.FloorDiv: "ifloordiv", ast.Mod: "imod",
    ast.Pow: "ipow", ast.BitAnd: "iand", ast.BitOr: "ior", ast.BitXor: "ixor", ast.LShift: "ilshift", ast.RShift: "irshift",
    ast.MatMult: "imatmul",
}  # fmt: skip


def _own_nodes_of(body: Iterable[ast.AST]) -> list[ast.AST]:
    return [n for b in body for n in _own_nodes(b)]


def _own_nodes(node: ast.AST) -> Iterable[ast.AST]:
    """The nodes under `node` that belong to the same function."""
    yield node
    if not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
        for child in ast.iter_child_nodes(node):
            yield from _own_nodes(child)
