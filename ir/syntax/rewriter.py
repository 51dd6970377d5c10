"""The rewriter: statements and expressions whose meaning depends on traced values become calls of `_ln`."""

from __future__ import annotations

import ast
from typing import Any

from .desugar import unpacking
from .expressions import Expressions
from .nodes import _call, _define, _staging, placed_as
from .statements import Statements


class Rewriter(Statements, Expressions):
    """Rewrites one function body; nested functions get a Rewriter of their own."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.decorator_list = [_call("decorating", self.visit(d)) for d in node.decorator_list]
        a = node.args
        a.defaults = [self.visit(d) for d in a.defaults]
        a.kw_defaults = [self.visit(d) if d else None for d in a.kw_defaults]
        inner, known = rewritten_function(node, self.filename)
        yields = [_staging("yielding")] if known.gives else []
        inner.decorator_list = [*node.decorator_list, *yields, _staging("local")]
        return self._locate(inner, node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        return super().visit_Assign(unpacking(node))

    def generic_visit(self, node: ast.AST) -> Any:
        if type(node) in REMEDIES:
            what, remedy = REMEDIES[type(node)]
            self._refuse(node, what if "`" in what else f"`{what}`", remedy)
        return super().generic_visit(node)

    # ---- expressions
    def visit_Lambda(self, node: ast.Lambda) -> Any:
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        node.args.kw_defaults = [self.visit(d) if d else None for d in node.args.kw_defaults]
        node.body = self.visit(node.body)
        return self._locate(_call("local", node), node)


REMEDIES: dict[type[ast.AST], tuple[str, str]] = {
    ast.Yield: ("the value of a `yield`", "write `yield x` as a statement of its own, and give the generator what it needs as arguments"),
    ast.YieldFrom: ("the value of a `yield from`", "write `yield from x` as a statement of its own"),
    ast.Await: ("await", "compiled functions are synchronous"),
    ast.AsyncFor: ("async for", "compiled functions are synchronous"),
    ast.AsyncWith: ("async with", "compiled functions are synchronous"),
    ast.AsyncFunctionDef: ("async def", "compiled functions are synchronous"),
    ast.ClassDef: ("class", "define the class outside of the compiled function"),
}


def rewritten_function(node: ast.FunctionDef, filename: str) -> tuple[ast.FunctionDef, Rewriter]:
    """The function, whose body returns signals, and what is known of it."""
    rewriter = Rewriter(node, filename, node.name)
    body = rewriter.body(node.body)
    fresh = sorted(rewriter.stated - rewriter.params)
    prologue: list[ast.stmt] = [n for n in body if isinstance(n, (ast.Nonlocal, ast.Global))]
    body = [n for n in body if not isinstance(n, (ast.Nonlocal, ast.Global))]
    prologue += [ast.Assign([ast.Name(n, ast.Store())], _call("Undefined", ast.Constant(n))) for n in fresh]
    return placed_as(_define(node.name, node.args, prologue + body), node), rewriter
