"""Rewrites a Python function so that its control flow calls staging.py.

    if c:                 def _ln_then(): nonlocal y; y = 1.0
        y = 1.0           def _ln_else(): nonlocal y; y = x
    else:          ->     def _ln_set(_ln_v): nonlocal y; (y,) = _ln_v
        y = x             _ln_r = _ln.if_(c, _ln_then, _ln_else, _ln.Scope(('y',), lambda: (y,), _ln_set))
                          if _ln_r is not None: return _ln_r

`return v` becomes `return _ln.Return(v)`, break and continue return signals, calls go through `_ln.call`, and
`and`, `or`, `not`, conditional expressions, chained comparisons and subscripts through their staging functions.
Closures share the original's cells and line numbers stay, so tracebacks show the user's lines.
"""

from __future__ import annotations

import ast
import copy
import dis
import functools
import inspect
import linecache
import operator
import sys
import textwrap
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Union

from ..core import errors
from . import desugar

DEEP_LIMIT, DEEP_STACK = 100_000, 256 << 20  # Python calls and bytes, to rewrite what is nested deeply
NOT_USER_CODE = ("numpy", "scipy", "math", "operator", "functools", "itertools", "builtins", "typing", "collections", "optree", "dataclasses",
                  "inspect", "warnings", "copy", "cmath", "random", "abc", "logging", "io", "time")  # fmt: skip
Definition = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda]
COMPARISONS = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne", ast.Is: "is_", ast.IsNot: "is_not",
    ast.In: "in_", ast.NotIn: "not_in",
}  # fmt: skip
REMEDIES: dict[type[ast.AST], tuple[str, str]] = {
    ast.Yield: ("a generator (yield)", "write a loop that returns its result, or store into an array"),
    ast.YieldFrom: ("a generator (yield from)", "write a loop that returns its result, or store into an array"),
    ast.Await: ("await", "compiled functions are synchronous"),
    ast.AsyncFor: ("async for", "compiled functions are synchronous"),
    ast.AsyncWith: ("async with", "compiled functions are synchronous"),
    ast.AsyncFunctionDef: ("async def", "compiled functions are synchronous"),
    ast.ClassDef: ("class", "define the class outside of the compiled function"),
}
if hasattr(ast, "TryStar"):
    REMEDIES[ast.TryStar] = ("try/except*", "use `try` and `except`")


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


class Rewriter(ast.NodeTransformer):
    """Rewrites one function body; nested functions get a Rewriter of their own."""

    def __init__(self, node: ast.FunctionDef | ast.Lambda, filename: str, name: str) -> None:
        self.filename, self.name = filename, name
        self.counter = 0
        body = node.body if isinstance(node, ast.FunctionDef) else []
        a = node.args
        self.first = next((x.arg for x in (*a.posonlyargs, *a.args)), None)
        self.params = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg)))}
        self.globals = sorted({x for n in _own_nodes_of(body) if isinstance(n, ast.Global) for x in n.names})
        self.locals = (assigned_names(body) | self.params) - set(self.globals)
        inner = [n for b in body for n in ast.walk(b)]
        own = set(_own_nodes_of(body))
        self.outer = {x for n in own if isinstance(n, ast.Nonlocal) for x in n.names}
        self.shared = {x for n in inner if isinstance(n, ast.Nonlocal) and n not in own for x in n.names} & self.locals
        self.stated: set[str] = set()
        self.handling: list[str] = []  # the exceptions of the handlers that are being rewritten
        self.loads = [(n.id, n.lineno) for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]

    # ---- helpers
    def _refuse(self, node: ast.AST, what: str, remedy: str) -> NoReturn:
        line = getattr(node, "lineno", 0)
        raise errors.UnsupportedSyntaxError(f"{what} cannot be compiled ({self.filename}:{line} in {self.name}): {remedy}")

    def _names(self, nodes: Sequence[ast.AST]) -> list[str]:
        """The variables that a construct may assign."""
        assigned = assigned_names(nodes)
        if any(isinstance(x, ast.Call) for n in nodes for x in ast.walk(n)):
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

    def _scope(self, names: list[str]) -> tuple[list[ast.stmt], ast.expr]:
        if not names:
            return [], _staging("NO_SCOPE")
        targets: list[ast.expr] = [ast.Name(n, ast.Store()) for n in names]
        put = self._function("set", names, [ast.Assign([ast.Tuple(targets, ast.Store())], _load("_ln_v"))], "_ln_v")
        get = _thunk(ast.Tuple([_load(n) for n in names], ast.Load()))
        labels = ast.Tuple([ast.Constant(n) for n in names], ast.Load())
        return [put], _call("Scope", labels, get, _load(put.name))

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
        for child in ast.walk(new):
            if "lineno" in child._attributes:
                ast.copy_location(child, old)
                child.end_lineno, child.end_col_offset = child.lineno, child.col_offset  # type: ignore[attr-defined]
        return new

    def _locate(self, new: Any, old: ast.AST) -> Any:
        """Give a new node the old one's place; its new children inherit it when the whole function is done."""
        return ast.copy_location(new, old)

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

    # ---- statements
    def visit_If(self, node: ast.If) -> Any:
        arms, last = _arms(node)
        for arm in arms:
            _asked(arm.test)
            split = desugar.branches(arm.test, arm.body, arm.orelse)
            if split is not None:
                if arm is node:
                    return self.body(split)
                arms[arms.index(arm) - 1].orelse = split
                arms, last = _arms(node)
                break
        names = self._names([*(a.test for a in arms[1:]), *(s for a in arms for s in a.body), *last])
        before, test = self._first(node.test)
        out: list[ast.stmt] = [self._function("then", names, self.body(node.body))]
        later: list[ast.expr] = []
        for arm in arms[1:]:
            first, value = self._first(arm.test)
            cond = self._function("test", names, [*first, self._locate(ast.Return(value), arm.test)])
            then = self._function("then", names, self.body(arm.body))
            out += [cond, then]
            later += [_load(cond.name), _load(then.name)]
        out.append(self._function("else", names, self.body(last)))
        put, scope = self._scope(names)
        then_first, orelse = out[0], out[-1]
        assert isinstance(then_first, ast.FunctionDef)
        assert isinstance(orelse, ast.FunctionDef)
        call = _call("if_", test, _load(then_first.name), _load(orelse.name), scope, *later)
        return [*before, *self._finish(node, [*out, *put], call)]

    def visit_While(self, node: ast.While) -> Any:
        _asked(node.test)
        node = desugar.loop(node)
        names = self._names([node.test, *node.body, *node.orelse])
        forever = isinstance(node.test, ast.Constant) and bool(node.test.value)
        before, value = self._first(node.test)
        test = self._function("test", names, [*before, ast.Return(value)])
        body = self._function("body", names, self.body(node.body))
        put, scope = self._scope(names)
        orelse, names_else = self._orelse(node, names)
        call = _call("while_", _load(test.name), _load(body.name), names_else, scope, ast.Constant(forever), self._later(node, names))
        return self._finish(node, [test, body, *orelse, *put], call)

    def visit_For(self, node: ast.For) -> Any:
        names = self._names([node.target, *node.body, *node.orelse])
        items = self.visit(node.iter)
        later_stores: list[ast.stmt] = []
        bind = ast.Assign([self._target(node.target, later_stores)], _load("_ln_item"))
        body = self._function("body", names, [bind, *later_stores, *self.body(node.body)], "_ln_item")
        put, scope = self._scope(names)
        orelse, names_else = self._orelse(node, names)
        call = _call("for_", items, _load(body.name), names_else, scope, self._later(node, names))
        return self._finish(node, [body, *orelse, *put], call)

    def _later(self, node: ast.For | ast.While, names: list[str]) -> ast.expr:
        """Those of the names that are read after a loop."""
        end = node.end_lineno or node.lineno
        found = sorted({name for name, line in self.loads if line > end and name in names})
        return ast.Tuple([ast.Constant(n) for n in found], ast.Load())

    def _orelse(self, node: ast.For | ast.While, names: list[str]) -> tuple[list[ast.stmt], ast.expr]:
        if not node.orelse:
            return [], ast.Constant(None)
        orelse = self._function("orelse", names, self.body(node.orelse))
        return [orelse], _load(orelse.name)

    def visit_Return(self, node: ast.Return) -> Any:
        before, value = self._first(node.value)
        return [*before, self._locate(ast.Return(_call("Return", value)), node)]

    def visit_Break(self, node: ast.Break) -> Any:
        return self._locate(ast.Return(_staging("BREAK")), node)

    def visit_Continue(self, node: ast.Continue) -> Any:
        return self._locate(ast.Return(_staging("CONTINUE")), node)

    def visit_Assert(self, node: ast.Assert) -> Any:
        message = _thunk(self.visit(node.msg) if node.msg else ast.Constant(None))
        return self._finish(node, [], _call("assert_", self.visit(node.test), message))

    def visit_Raise(self, node: ast.Raise) -> Any:
        if node.exc is None and self.handling:
            return self._finish(node, [], _call("raise_", _load(self.handling[-1])))
        if node.exc is None:
            self._refuse(node, "a bare `raise`", "name the exception")
        cause = [self.visit(node.cause)] if node.cause is not None else []
        return self._finish(node, [], _call("raise_", self.visit(node.exc), *cause))

    def visit_Delete(self, node: ast.Delete) -> Any:
        """A deleted variable is one that is not assigned: its cell must stay readable."""
        out: list[ast.stmt] = []
        for t in node.targets:
            if isinstance(t, ast.Name):
                out.append(ast.Assign([ast.Name(t.id, ast.Store())], _call("Undefined", ast.Constant(t.id))))
            else:
                what = ast.Constant(t.attr) if isinstance(t, ast.Attribute) else self._index(t.slice)  # type: ignore[attr-defined]
                out.append(ast.Expr(_call("delattr_" if isinstance(t, ast.Attribute) else "delitem", self.visit(t.value), what)))  # type: ignore[attr-defined]
        return [self._locate(s, node) for s in out]

    def visit_Expr(self, node: ast.Expr) -> Any:
        before, node.value = self._first(node.value)
        return [*before, node]

    def visit_Try(self, node: ast.Try) -> Any:
        """Python's own, around a body that is watched (guarded.py)."""
        for statement in node.finalbody:
            for child in _own_nodes(statement):
                if isinstance(child, (ast.Return, ast.Break, ast.Continue)):
                    self._refuse(child, f"`{type(child).__name__.lower()}` in a `finally`", "leave the function after the `finally`")
        kinds = [h.type if h.type is not None else _staging("BaseException") for h in node.handlers]
        again = ast.Tuple([copy.deepcopy(k) for k in kinds], ast.Load())
        node.body = self.body(node.body)
        if kinds:
            watch = ast.withitem(self._header(_call("Guarding", _thunk(self.visit(again))), node))
            node.body = [self._locate(ast.With([watch], node.body), node)]
        for handler, kind in zip(node.handlers, kinds, strict=True):
            name = self._fresh("error")
            self.handling.append(name)
            bind: list[ast.stmt] = [ast.Assign([ast.Name(handler.name, ast.Store())], _load(name))] if handler.name else []
            handler.type, handler.name, handler.body = _call("handled", self.visit(kind)), name, [*bind, *self.body(handler.body)]
            self.handling.pop()
        node.orelse, node.finalbody = self.body(node.orelse), self.body(node.finalbody)
        return node

    def visit_With(self, node: ast.With) -> Any:
        for item in node.items:
            if item.optional_vars is not None and not isinstance(item.optional_vars, ast.Name):
                self._refuse(node, "`with .. as` with a target that is no name", "give it a name, and assign its parts afterwards")
            item.context_expr = self._header(_call("context", self.visit(item.context_expr)), node)
        node.body = self.body(node.body)
        return node

    def visit_Match(self, node: Any) -> Any:
        subject = self._fresh("match")
        first: ast.stmt = self._locate(ast.Assign([ast.Name(subject, ast.Store())], self.visit(node.subject)), node)
        return [first, *self.body(desugar.match_statement(node, subject))]

    def visit_Assign(self, node: ast.Assign) -> Any:
        before, value = self._first(node.value)
        if len(node.targets) == 1 and isinstance(node.targets[0], (ast.Subscript, ast.Attribute)):
            return [*before, self._locate(self._store(node.targets[0], value), node)]
        later: list[ast.stmt] = []
        unpacked = any(isinstance(t, (ast.Tuple, ast.List)) for t in node.targets) and not isinstance(value, (ast.Tuple, ast.List))
        node.value = _call("seen", value) if unpacked else value
        node.targets = [self._target(t, later) for t in node.targets]
        return [*before, *(self._locate(s, node) for s in (node, *later))]

    def _store(self, t: Any, value: ast.expr) -> ast.stmt:
        """A write into an object, in Python's order: value, object, index."""
        if isinstance(t, ast.Attribute):
            return ast.Expr(_call("setattr_", value, self.visit(t.value), ast.Constant(t.attr)))
        return ast.Expr(_call("setitem", value, self.visit(t.value), self._index(t.slice)))

    def _index(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Slice):
            parts = [self.visit(p) if p is not None else ast.Constant(None) for p in (node.lower, node.upper, node.step)]
            return ast.Call(_staging("slice"), parts, [])
        if isinstance(node, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.elts):
            return ast.Tuple([self._index(e) for e in node.elts], ast.Load())
        visited: ast.expr = self.visit(node)
        return visited

    def _target(self, t: Any, later: list[ast.stmt]) -> Any:
        """A target of names only; what goes into objects is stored afterwards, from left to right."""
        if isinstance(t, (ast.Tuple, ast.List)):
            t.elts = [self._target(e, later) for e in t.elts]
        elif isinstance(t, ast.Starred):
            t.value = self._target(t.value, later)
        elif isinstance(t, (ast.Subscript, ast.Attribute)):
            self.counter += 1
            name = f"_ln_part_{self.counter}"
            later.append(self._store(t, _load(name)))
            return ast.Name(name, ast.Store())
        return t

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return self._locate(ast.Pass(), node)
        return self.visit_Assign(self._locate(ast.Assign([node.target], node.value), node))

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """In Python's order: object, index, old value, new value."""
        value = self.visit(node.value)
        t = node.target
        fn = ast.Attribute(_staging("operator"), _IN_PLACE[type(node.op)], ast.Load())
        if isinstance(t, ast.Name):
            return self._locate(ast.Assign([t], _call("in_place", fn, _load(t.id), value)), node)
        statements: list[ast.stmt] = [ast.Assign([ast.Name("_ln_object", ast.Store())], self.visit(t.value))]
        if isinstance(t, ast.Subscript):
            statements.append(ast.Assign([ast.Name("_ln_index", ast.Store())], self._index(t.slice)))
            new = _call("in_place", fn, _call("getitem", _load("_ln_object"), _load("_ln_index")), value)
            statements.append(ast.Expr(_call("setitem", new, _load("_ln_object"), _load("_ln_index"))))
        else:
            old = _call("attribute", _load("_ln_object"), ast.Constant(t.attr))
            statements.append(ast.Expr(_call("setattr_", _call("in_place", fn, old, value), _load("_ln_object"), ast.Constant(t.attr))))
        return [self._locate(s, node) for s in statements]

    def visit_List(self, node: ast.List) -> Any:
        super().generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        if any(isinstance(e, ast.Starred) for e in node.elts):
            parts = [
                ast.Tuple([e.value if isinstance(e, ast.Starred) else e, ast.Constant(isinstance(e, ast.Starred))], ast.Load())
                for e in node.elts
            ]
            return self._locate(_call("spread", *parts), node)
        return self._locate(_call("made", node), node)

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        super().generic_visit(node)
        node.iter = _call("seen", node.iter)
        return node

    def visit_Dict(self, node: ast.Dict) -> Any:
        super().generic_visit(node)
        return self._locate(_call("made", node), node)

    visit_Set = visit_DictComp = visit_SetComp = visit_Dict  # type: ignore[assignment]

    def visit_ListComp(self, node: ast.ListComp) -> Any:
        if any(isinstance(n, ast.Lambda) for n in ast.walk(node.elt)):  # which share the variable
            super().generic_visit(node)
            return self._locate(_call("made", node), node)
        items = self.visit_GeneratorExp(ast.GeneratorExp(node.elt, node.generators))
        if isinstance(items, ast.Call):
            return self._locate(_call("listed", items), node)
        node.elt, node.generators = items.elt, items.generators
        return self._locate(_call("made", node), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        a = node.args
        a.defaults = [self.visit(d) for d in a.defaults]
        a.kw_defaults = [self.visit(d) if d else None for d in a.kw_defaults]
        inner = rewrite_function(node, self.filename)
        inner.decorator_list = [*node.decorator_list, _staging("local")]
        return self._locate(inner, node)

    def generic_visit(self, node: ast.AST) -> Any:
        if type(node) in REMEDIES:
            self._refuse(node, f"`{REMEDIES[type(node)][0]}`", REMEDIES[type(node)][1])
        return super().generic_visit(node)

    # ---- expressions
    def visit_Lambda(self, node: ast.Lambda) -> Any:
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        node.args.kw_defaults = [self.visit(d) if d else None for d in node.args.kw_defaults]
        node.body = self.visit(node.body)
        return self._locate(_call("local", node), node)

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        self._no_walrus(node.body, node.orelse)
        _asked(node.test)
        arms = _thunk(self.visit(node.body)), _thunk(self.visit(node.orelse))
        return self._locate(_call("ifexp", self.visit(node.test), *arms), node)

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        self._no_walrus(*node.values[1:])
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        asked = getattr(node, "asked", False)
        first, *rest = (_call("truth", self.visit(v)) if asked else self.visit(v) for v in node.values)
        return self._locate(_call(name, first, *map(_thunk, rest)), node)

    def _no_walrus(self, *nodes: ast.expr) -> None:
        for n in nodes:
            for child in ast.walk(n):
                if isinstance(child, ast.NamedExpr):
                    self._refuse(child, "`:=` inside a conditional expression, `and` or `or`", "assign on a line of its own")

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> Any:
        """What it does to one element, as functions; sum() and the like then run over the elements as a loop does."""
        inner = [n for n in ast.walk(node) if isinstance(n, (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await))]
        if inner or any(g.is_async for g in node.generators):
            return super().generic_visit(node)
        first, *rest = node.generators
        items = self.visit(first.iter)
        keep: ast.expr = ast.Constant(None)
        if first.ifs:
            conditions = [self.visit(c) for c in first.ifs]
            keep = self._of_item(
                first.target, conditions[0] if len(conditions) == 1 else _call("and_", conditions[0], *map(_thunk, conditions[1:]))
            )
        body = self.visit_GeneratorExp(ast.GeneratorExp(node.elt, rest)) if rest else self.visit(node.elt)
        return self._locate(_call("generator", items, self._of_item(first.target, body), keep, ast.Constant(bool(rest))), node)

    def _of_item(self, target: ast.expr, value: ast.expr) -> ast.expr:
        """lambda item: value, where `target` is assigned the item: [value for target in (item,)][0]."""
        one = ast.comprehension(copy.deepcopy(target), ast.Tuple([_load("_ln_item")], ast.Load()), [], 0)
        listed = ast.Subscript(ast.ListComp(value, [one]), ast.Constant(0), ast.Load())
        return ast.Lambda(_arguments("_ln_item"), listed)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Not):
            _asked(node.operand)
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return self._locate(_call("not_", operand), node)
        if isinstance(node.op, ast.Invert) or isinstance(operand, ast.Constant):
            node.operand = operand
            return node
        name = "neg" if isinstance(node.op, ast.USub) else "pos"
        return self._locate(_call("unary", ast.Attribute(_staging("operator"), name, ast.Load()), ast.Constant(name), operand), node)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        name = _IN_PLACE[type(node.op)][1:]
        fn = (
            ast.Attribute(_staging("operator"), {"and": "and_", "or": "or_"}.get(name, name), ast.Load())
            if name != "mod"
            else _staging("remainder")
        )
        return self._locate(_call("binary", fn, ast.Constant(name), self.visit(node.left), self.visit(node.right)), node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            found = _call("contains", self.visit(node.left), self.visit(node.comparators[0]))
            return self._locate(found if isinstance(node.ops[0], ast.In) else _call("not_", found), node)
        if len(node.ops) == 1:
            name = COMPARISONS[type(node.ops[0])]
            if isinstance(node.ops[0], (ast.Is, ast.IsNot)):
                same = _call("is_", self.visit(node.left), self.visit(node.comparators[0]))
                return self._locate(same if isinstance(node.ops[0], ast.Is) else _call("not_", same), node)
            fn = ast.Attribute(_staging("operator"), name, ast.Load())
            return self._locate(_call("binary", fn, ast.Constant(name), self.visit(node.left), self.visit(node.comparators[0])), node)
        rest: list[ast.expr] = []
        for op, right in zip(node.ops, node.comparators, strict=True):
            fn = ast.Attribute(_staging("comparisons"), COMPARISONS[type(op)], ast.Load())
            rest += [ast.Tuple([fn, _thunk(self.visit(right))], ast.Load())]
        return self._locate(_call("chain", self.visit(node.left), *rest), node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        if node.attr == "__class__" and isinstance(node.ctx, ast.Load):
            return self._locate(_call("type_", self.visit(node.value)), node)
        node.value = self.visit(node.value)
        return self._locate(_call("attribute", node.value, ast.Constant(node.attr)), node) if isinstance(node.ctx, ast.Load) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> Any:
        parts: list[ast.expr] = []
        for v in node.values:
            if isinstance(v, ast.FormattedValue):
                spec = self.visit(v.format_spec) if v.format_spec else ast.Constant("")
                parts.append(ast.Tuple([self.visit(v.value), ast.Constant(v.conversion), spec], ast.Load()))
            else:
                parts.append(v)
        return self._locate(_call("fstring", *parts), node)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        if not isinstance(node.ctx, ast.Load):
            return super().generic_visit(node)
        return self._locate(_call("getitem", self.visit(node.value), self._index(node.slice)), node)

    def visit_Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id in ("super", "locals", "globals", "vars"):
            if node.func.id == "super" and not node.args and self.first is not None:  # which looks at its caller's frame
                node.args = [_load("__class__"), _load(self.first)]
            return super().generic_visit(node)
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and node.func.value.id == "_ln":
            node.args = [self.visit(a) for a in node.args]
            return node  # a question of desugar.py's
        func = self.visit(node.func)
        new = ast.Call(_staging("call"), [func, *map(self.visit, node.args)], [self.visit(k) for k in node.keywords])
        return self._locate(new, node)


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


def rewrite_function(node: ast.FunctionDef, filename: str) -> ast.FunctionDef:
    """The rewritten function: its body returns signals."""
    rewriter = Rewriter(node, filename, node.name)
    body = rewriter.body(node.body)
    fresh = sorted(rewriter.stated - rewriter.params)
    prologue: list[ast.stmt] = [n for n in body if isinstance(n, (ast.Nonlocal, ast.Global))]
    body = [n for n in body if not isinstance(n, (ast.Nonlocal, ast.Global))]
    prologue += [ast.Assign([ast.Name(n, ast.Store())], _call("Undefined", ast.Constant(n))) for n in fresh]
    return ast.copy_location(_define(node.name, node.args, prologue + body), node)


# ---- from a function object to its rewritten one
_CONVERTED: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def convert(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The rewritten function (its result is a signal), or None where there is no source to rewrite."""
    raw = getattr(function, "__lantern_raw__", None)
    if raw is not None:
        return raw  # type: ignore[no-any-return]
    if isinstance(function, types.MethodType):
        inner = convert(function.__func__)
        return functools.partial(inner, function.__self__) if inner else None
    if not isinstance(function, types.FunctionType):
        return None
    try:
        parts = (function.__code__, function.__defaults__, function.__kwdefaults__)
        found = _CONVERTED.get(function)
        if found is None or any(a is not b for a, b in zip(found[0], parts, strict=True)):
            found = _CONVERTED[function] = parts, _converted(function)
    except OSError:
        return None
    return found[1]  # type: ignore[no-any-return]


def _converted(function: types.FunctionType) -> Any:
    """The rewritten function. One expression of thousands of terms is a tree as deep: it gets a stack of its own."""
    try:
        return _convert_code(function)
    except RecursionError:
        pass
    try:
        return on_deep_stack(lambda: _convert_code(function))
    except (RecursionError, MemoryError):
        raise errors.UnsupportedSyntaxError(
            f"an expression of `{function.__qualname__}` ({function.__code__.co_filename}:{function.__code__.co_firstlineno}) is nested more deeply "
            "than Python's own compiler can follow: compute it in several statements, or in a loop"
        ) from None


def on_deep_stack(work: Callable[[], Any]) -> Any:
    """work() in a thread where it may recurse deeply."""
    out: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            out.append(work())
        except BaseException as e:
            failure.append(e)

    limit, size = sys.getrecursionlimit(), threading.stack_size(DEEP_STACK)
    try:
        thread = threading.Thread(target=run, name="lantern-rewriter")
        sys.setrecursionlimit(max(limit, DEEP_LIMIT))
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
    if failure:
        raise failure[0]
    return out[0]


def _convert_code(function: types.FunctionType) -> Any:
    from ..trace import language

    node, filename = find_source(function)
    _mangle(node, function.__qualname__)
    if isinstance(node, ast.Lambda):
        rewriter = Rewriter(node, filename, "<lambda>")
        value = _call("Return", rewriter.visit(node.body))
        rewritten = ast.copy_location(_define("_ln_lambda", node.args, [ast.Return(value)]), node)
    else:
        rewritten = rewrite_function(node, filename)
        rewritten.decorator_list = []
    rewritten.args.defaults = [ast.Constant(None) for _ in rewritten.args.defaults]
    rewritten.args.kw_defaults = [ast.Constant(None) if d else None for d in rewritten.args.kw_defaults]
    rewritten.returns = None
    rewritten.name = "_ln_rewritten"  # not its own: that name must stay a global or a cell in the body
    for a in ast.walk(rewritten.args):
        if isinstance(a, ast.arg):
            a.annotation = None
    free = [*function.__code__.co_freevars, "_ln"]
    factory = _define("_ln_factory", _arguments(*free), [rewritten, ast.Return(_load(rewritten.name))])
    ast.fix_missing_locations(ast.copy_location(factory, node))
    owner = getattr(node, "owner", None)
    whole: list[ast.stmt] = [factory] if owner is None else [ast.fix_missing_locations(ast.copy_location(_class(owner, [factory]), node))]
    module = compile(ast.Module(whole, []), filename, "exec", dont_inherit=True, flags=_future_flags(function))
    outer = module if owner is None else _named(module, owner)
    code = _as_piece(_named(_named(outer, "_ln_factory"), rewritten.name), function.__code__)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells["_ln"] = types.CellType(language)
    closure = tuple(cells[name] for name in code.co_freevars)
    raw = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    raw.__kwdefaults__, raw.__qualname__ = function.__kwdefaults__, function.__qualname__
    declared = [n for n in ast.walk(node) if isinstance(n, (ast.Nonlocal, ast.Global))]
    raw.__lantern_outer__ = sorted({x for n in declared if isinstance(n, ast.Nonlocal) for x in n.names} & set(code.co_freevars))  # type: ignore[attr-defined]
    raw.__lantern_globals__ = sorted({x for n in declared if isinstance(n, ast.Global) for x in n.names})  # type: ignore[attr-defined]
    return raw


PIECES: weakref.WeakSet[types.CodeType] = weakref.WeakSet()  # code that was made of a part of a function


def _as_piece(code: types.CodeType, function: types.CodeType) -> types.CodeType:
    """Code under the name of the function that it is a part of, for tracebacks; so are its own parts."""
    names = {"co_name": function.co_name}
    if hasattr(function, "co_qualname"):
        names["co_qualname"] = function.co_qualname
    parts = []
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            made = c.co_name.startswith("_ln_") or c.co_varnames[:1] == ("_ln_thunk",)
            c = _as_piece(c, function if made else c)
            if made:
                PIECES.add(c)
        parts.append(c)
    return code.replace(co_consts=tuple(parts), **names)  # type: ignore[arg-type]


@functools.lru_cache(maxsize=4096)
def assigned_outside(code: types.CodeType) -> tuple[str, ...]:
    """The variables of enclosing functions that a function, or one inside of it, assigns."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname in ("STORE_DEREF", "DELETE_DEREF")}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            found |= set(assigned_outside(inner))
    return tuple(sorted(found & set(code.co_freevars)))


def _mangle(node: ast.AST, qualname: str) -> None:
    """In a method `__name` is `_Class__name`."""
    outer = qualname.split(".")[:-1]
    if not outer or outer[-1] == "<locals>":
        return
    prefix = "_" + outer[-1].lstrip("_")
    for n in ast.walk(node):
        if isinstance(n, ast.Attribute) and n.attr.startswith("__") and not n.attr.endswith("__"):
            n.attr = prefix + n.attr


def _future_flags(function: types.FunctionType) -> int:
    import __future__

    return function.__code__.co_flags & __future__.annotations.compiler_flag


def _named(code: types.CodeType, name: str) -> types.CodeType:
    return next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name)


@dataclass(frozen=True)
class Source:
    """Whole statements of a file, from `line` on: all that is needed of it to compile a function that stands in them."""

    filename: str
    line: int
    text: str


_CARRIED: dict[Any, Source] = {}  # what pickles have brought, by the fingerprint of a code object


def carry(sources: dict[Any, Source]) -> None:
    """From now on functions with these code objects have these sources, whatever files there are."""
    _CARRIED.update(sources)


def fingerprint(code: types.CodeType) -> Any:
    """What is the same of a code object in all processes. The name of its file is not: cloudpickle replaces it."""

    def constant(value: Any) -> Any:
        if isinstance(value, types.CodeType):
            return fingerprint(value)
        if isinstance(value, (tuple, frozenset)):
            parts = [constant(v) for v in value]
            return type(value).__name__, *(parts if isinstance(value, tuple) else sorted(parts, key=repr))
        return repr(value)

    constants = tuple(map(constant, code.co_consts))
    return code.co_name, code.co_firstlineno, code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants


def source_of(code: types.CodeType) -> Source | None:
    """The outermost statement in which a function's code stands; None if its source is not available."""
    try:
        filename, text, shift = _text(code, None)
        nodes, statements = _parse(filename, text)
        node = _find(code, nodes, shift)
    except OSError:
        return None
    first, last = next((a, b) for a, b in statements if a <= node.lineno <= b)
    return Source(filename, first + shift, _lines(text, first, last))


def _lines(text: str, first: int, last: int) -> str:
    """Lines as Python counts them: no form feed ends one."""
    return "\n".join(text.split("\n")[first - 1 : last]) + "\n"


@functools.lru_cache(maxsize=256)
def _parse(filename: str, text: str) -> tuple[list[tuple[Definition, int]], list[tuple[int, int]]]:
    """All functions in a text, each with its first line; the first and the last line of statements that share no line."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        raise OSError("the source cannot be parsed") from None
    functions: list[tuple[Definition, int]] = []
    for n in ast.walk(tree):
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            functions.append((n, _first_line(n)))
        if isinstance(n, ast.ClassDef):  # the innermost comes last
            for inside in ast.walk(n):
                inside.owner = n.name  # type: ignore[attr-defined]
    statements: list[tuple[int, int]] = []
    for s in tree.body:
        first, last = _first_line(s), s.end_lineno or s.lineno
        if statements and first <= statements[-1][1]:
            first, _ = statements.pop()
        statements.append((first, last))
    return functions, statements


def _first_line(node: Any) -> int:
    lines: list[int] = [node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]
    return min(lines)


def _text(code: types.CodeType, namespace: Any) -> tuple[str, str, int]:
    """The file of a function, its text, and how many lines of the file are missing before that; raises OSError."""
    carried = _CARRIED.get(fingerprint(code)) if _CARRIED else None
    if carried is not None:
        return carried.filename, "\n" * (carried.line - 1) + carried.text, 0
    lines = linecache.getlines(code.co_filename, namespace)
    if lines:
        return code.co_filename, "".join(lines), 0
    try:
        return code.co_filename, textwrap.dedent(inspect.getsource(code)), code.co_firstlineno - 1
    except (OSError, TypeError):
        raise OSError(f"no source for {code!r}") from None


def _find(code: types.CodeType, nodes: list[tuple[Definition, int]], shift: int) -> Definition:
    """The definition that a code object was made from; raises OSError."""
    candidates = [n for n, line in nodes if line + shift == code.co_firstlineno and _name(n) == code.co_name]
    candidates = [n for n in candidates if _parameters(n) == code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]]
    if len(candidates) > 1:
        candidates = _by_position(candidates, code) or candidates[:0]
    if not candidates:
        raise OSError(f"no source for {code!r}")
    return candidates[0]


def find_source(function: types.FunctionType) -> tuple[ast.FunctionDef | ast.Lambda, str]:
    """The syntax tree of `function` and the file it stands in; raises OSError where the source is not available."""
    code = function.__code__
    filename, text, shift = _text(code, function.__globals__)
    try:
        found = _find(code, _parse(filename, text)[0], shift)
        current = _is_source(found, code)
    except OSError:
        current = False
    if not current:  # a module that has been loaded again
        linecache.checkcache(code.co_filename)
        filename, text, shift = _text(code, function.__globals__)
        found = _find(code, _parse(filename, text)[0], shift)
    if isinstance(found, ast.AsyncFunctionDef):
        raise errors.UnsupportedSyntaxError(f"`async def` cannot be compiled ({filename}:{code.co_firstlineno} in {code.co_name}): "
                                            "compiled functions are synchronous")  # fmt: skip
    return _private_copy(found, text, shift), filename


def _is_source(node: Definition, code: types.CodeType) -> bool:
    """Has this definition the constants and names of a code object? Its file may have been written and loaded again since."""

    def inside(c: types.CodeType) -> tuple[set[str], set[str]]:
        names = {*c.co_names, *c.co_varnames, *c.co_freevars, *c.co_cellvars}
        constants: set[str] = set()
        for x in c.co_consts:
            if isinstance(x, types.CodeType):
                more = inside(x)
                names, constants = names | more[0], constants | more[1]
            else:
                constants.add(repr(x))
        return names, constants

    tree: Any = ast.Expression(node) if isinstance(node, ast.Lambda) else ast.Module([node], [])
    try:
        made = compile(tree, "?", "eval" if isinstance(node, ast.Lambda) else "exec", dont_inherit=True)
    except SyntaxError:  # it does not stand alone: `nonlocal`
        return True
    (names, constants), (others, more) = inside(code), inside(_named(made, code.co_name))
    return constants == more and names - {"__class__"} == others - {"__class__"}


def _private_copy(found: ast.FunctionDef | ast.Lambda, text: str, shift: int) -> ast.FunctionDef | ast.Lambda:
    """A tree that may be changed. Parsing again is ten times faster than a deep copy."""
    node: Any
    try:
        if isinstance(found, ast.Lambda):
            raise SyntaxError
        node = ast.parse(textwrap.dedent(_lines(text, found.lineno, found.end_lineno or found.lineno))).body[0]
        shift += found.lineno - 1
    except SyntaxError:  # a lambda, or lines that do not stand alone
        node = copy.deepcopy(found)
    if shift:
        ast.increment_lineno(node, shift)
    node.owner = getattr(found, "owner", None)
    return node  # type: ignore[no-any-return]


def _name(node: Any) -> str:
    return getattr(node, "name", "<lambda>")


def _parameters(node: Any) -> tuple[str, ...]:
    a = node.args
    return tuple(x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs))


def _by_position(candidates: list[Any], code: types.CodeType) -> list[Any]:
    """Tell lambdas on one line apart by their columns (Python 3.11), else by their bytecode."""
    if hasattr(code, "co_positions"):
        spots = [(line, col) for line, _, col, _ in code.co_positions() if line is not None and col]
        inside = [n for n in candidates if spots and all(_covers(n.body if isinstance(n, ast.Lambda) else n, s) for s in spots)]
        if inside:
            return inside[-1:]
    for n in candidates:
        expr = ast.Expression(n) if isinstance(n, ast.Lambda) else None
        if expr is not None:
            made = next(c for c in compile(expr, "?", "eval").co_consts if isinstance(c, types.CodeType))
            if fingerprint(made)[2:] == fingerprint(code)[2:]:  # 1 and 1.0, 0.0 and -0.0 are equal constants
                return [n]
    return []


def _covers(node: Any, spot: tuple[int, int]) -> bool:
    bodies = node if isinstance(node, list) else [node]
    start = (bodies[0].lineno, bodies[0].col_offset)
    end = (bodies[-1].end_lineno, bodies[-1].end_col_offset)
    return start <= spot < end


class Comparisons:
    """The comparison functions of a chain."""

    lt, le, gt, ge, eq, ne = operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne

    @staticmethod
    def is_(x: Any, y: Any) -> Any:
        from ..staging.optional import is_

        return is_(x, y)

    @staticmethod
    def is_not(x: Any, y: Any) -> Any:
        from ..staging.optional import is_
        from ..staging.staging import not_

        return not_(is_(x, y))

    @staticmethod
    def in_(x: Any, y: Any) -> bool:
        return x in y

    @staticmethod
    def not_in(x: Any, y: Any) -> bool:
        return x not in y
