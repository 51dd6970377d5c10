"""The part of the rewriter that statements and expressions share."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, NoReturn

from ..core import errors
from ..core.graph import line_of
from . import desugar
from .nodes import LEAVES, _arguments, _call, _define, _load, _staging, _thunk, assigned_names, inner_nodes, own_nodes, placed_as, walk


class Base(ast.NodeTransformer):
    """What is known of the function whose body is rewritten, and pieces that many constructs need."""

    def __init__(self, node: ast.FunctionDef | ast.Lambda, filename: str, name: str) -> None:
        self.filename, self.name = filename, name
        self.counter = 0
        body: Sequence[ast.AST] = node.body if isinstance(node, ast.FunctionDef) else [node.body]
        a = node.args
        self.first = next((x.arg for x in (*a.posonlyargs, *a.args)), None)
        self.params = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg)))}
        own = own_nodes(body)
        inner = inner_nodes(own)
        self.globals = sorted(_named(ast.Global, own))
        self.locals = (assigned_names(body) | self.params) - set(self.globals)
        self.outer, within = _named(ast.Nonlocal, own), _named(ast.Nonlocal, inner)
        self.shared = within & self.locals
        self.all_globals, self.all_outer = _named(ast.Global, own + inner), self.outer | within  # of functions inside, too
        self.gives = any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in own)  # is it a generator function?
        self.stated: set[str] = set()
        self.handling: list[str] = []  # the exceptions of the handlers that are being rewritten
        self.loads = [(n.id, n.lineno) for n in own + inner if type(n) is ast.Name and type(n.ctx) is ast.Load]

    def visit(self, node: ast.AST) -> Any:
        """What takes the place of a node. Half of all are names and constants, which stay as they are."""
        if type(node) in LEAVES:
            return node
        return getattr(self, f"visit_{type(node).__name__}", self.generic_visit)(node)

    # ---- helpers
    def _refuse(self, node: ast.AST, what: str, remedy: str) -> NoReturn:
        line = getattr(node, "lineno", 0)
        raise errors.UnsupportedSyntaxError(f"{what} cannot be compiled ({line_of(self.filename, line)} in {self.name}): {remedy}")

    def _names(self, nodes: Sequence[ast.AST]) -> list[str]:
        """The variables that a construct may assign."""
        assigned = assigned_names(nodes)
        if any(isinstance(x, ast.Call) for x in walk(*nodes)):
            assigned = assigned | self.shared
        assigned &= self.locals | self.outer
        self.stated |= assigned - self.outer
        return sorted(assigned)

    def _function(self, kind: str, settable: list[str], body: list[ast.stmt], *args: str) -> ast.FunctionDef:
        self.counter += 1
        prologue: list[ast.stmt] = [ast.Nonlocal(settable)] if settable else []
        if self.globals:
            prologue.append(ast.Global(list(self.globals)))
        body = body or [ast.Pass()]
        return _define(f"_ln_{kind}_{self.counter}", _arguments(*args), prologue + body)

    def _scope(self, names: list[str], *later: ast.expr) -> tuple[list[ast.stmt], ast.expr]:
        if not names:
            return [], _staging("NO_SCOPE")
        targets: list[ast.expr] = [ast.Name(n, ast.Store()) for n in names]
        put = self._function("set", names, [ast.Assign([ast.Tuple(targets, ast.Store())], _load("_ln_v"))], "_ln_v")
        get = _thunk(ast.Tuple([_load(n) for n in names], ast.Load()))
        labels = ast.Tuple([ast.Constant(n) for n in names], ast.Load())
        return [put], _call("Scope", labels, get, _load(put.name), *later)

    def _finish(self, node: ast.AST, statements: list[ast.stmt], call: ast.expr) -> list[ast.stmt]:
        out = [
            *statements,
            ast.Assign([ast.Name("_ln_r", ast.Store())], call),
            ast.If(ast.Compare(_load("_ln_r"), [ast.IsNot()], [ast.Constant(None)]), [ast.Return(_load("_ln_r"))], []),
        ]
        for new in out:
            self._locate(new, node)
            new.end_lineno, new.end_col_offset = new.lineno, new.col_offset  # an error in the header is not one in the last line
        return out

    def _header(self, new: Any, old: ast.AST) -> Any:
        """A new expression in the first line of a statement."""
        for child in walk(new):
            if "lineno" in child._attributes:
                placed_as(child, old)
                child.end_lineno, child.end_col_offset = child.lineno, child.col_offset  # type: ignore[attr-defined]
        return new

    def _locate(self, new: Any, old: ast.AST) -> Any:
        """Give a new node the old one's place; its new children inherit it when the whole function is done."""
        return placed_as(new, old)

    def body(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for s in statements:
            new = self.visit(s)
            out.extend(new if isinstance(new, list) else [new])
        return out

    def _fresh(self, kind: str = "part") -> str:
        """A variable of the rewritten function's own."""
        self.counter += 1
        name = f"_ln_{kind}_{self.counter}"
        self.locals.add(name)
        return name

    def _first(self, node: ast.expr | None) -> tuple[list[ast.stmt], ast.expr]:
        """What to do before an expression that is evaluated first in its statement, and the expression; both rewritten."""
        before, left = desugar.spread_out(node or ast.Constant(None), self._fresh)
        return self.body(before), self.visit(left)

    def _index(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Slice):
            parts = [self.visit(p) if p is not None else ast.Constant(None) for p in (node.lower, node.upper, node.step)]
            return ast.Call(_staging("slice"), parts, [])
        if isinstance(node, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.elts):
            return ast.Tuple([self._index(e) for e in node.elts], ast.Load())
        visited: ast.expr = self.visit(node)
        return visited


def _named(kind: type[ast.Global] | type[ast.Nonlocal], nodes: Sequence[ast.AST]) -> set[str]:
    """The names in statements of a kind."""
    return {x for n in nodes if type(n) is kind for x in n.names}
