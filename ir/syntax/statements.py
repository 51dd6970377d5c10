"""Statements whose meaning depends on traced values, as calls of `_ln`."""

from __future__ import annotations

import ast
from typing import Any

from . import desugar
from .base import Base
from .nodes import _IN_PLACE, _arms, _asked, _call, _load, _looped, _staging, _thunk, own_nodes, place


class Statements(Base):
    """Each visit gives the statements that take a statement's place."""

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
        put, scope = self._scope(names, self._later(node, names))
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
        items = _looped(self.visit(node.iter))
        later_stores: list[ast.stmt] = []
        bind = ast.Assign([self._target(node.target, later_stores)], _load("_ln_item"))
        body = self._function("body", names, [bind, *later_stores, *self.body(node.body)], "_ln_item")
        put, scope = self._scope(names)
        orelse, names_else = self._orelse(node, names)
        call = _call("for_", items, _load(body.name), names_else, scope, self._later(node, names))
        return self._finish(node, [body, *orelse, *put], call)

    def _later(self, node: ast.stmt, names: list[str]) -> ast.expr:
        """Those of the names that are read after a statement."""
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
        if isinstance(node.exc, ast.IfExp):
            raises: list[list[ast.stmt]] = [[self._locate(ast.Raise(e, node.cause), node)] for e in (node.exc.body, node.exc.orelse)]
            return self.visit(self._locate(ast.If(node.exc.test, *raises), node))
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
        given = node.value
        if isinstance(given, ast.Yield):
            return self._finish(node, [], _call("yield_", self.visit(given.value or ast.Constant(None))))
        if isinstance(given, ast.YieldFrom):
            item = self._fresh("item")
            each = ast.For(ast.Name(item, ast.Store()), given.value, [ast.Expr(ast.Yield(_load(item)))], [])
            return self.visit(place(self._locate(each, node)))
        before, node.value = self._first(node.value)
        return [*before, node]

    def visit_Try(self, node: ast.Try) -> Any:
        """Body, handlers and `else` are functions; so are the statements of a `finally`, for all paths that leave."""
        inside = self._handled(node) if node.handlers else self.body([*node.body, *node.orelse])
        if not node.finalbody:
            return inside
        for child in own_nodes(node.finalbody):
            if isinstance(child, (ast.Return, ast.Break, ast.Continue)):
                self._refuse(child, f"`{type(child).__name__.lower()}` in a `finally`", "leave the function after the `finally`")
        names = self._names(node.finalbody)
        last = self._function("finally", names, self.body(node.finalbody))
        put, scope = self._scope(names)
        watch = ast.withitem(self._header(_call("Finally", _load(last.name), scope), node))
        return [*(self._locate(s, node) for s in (last, *put)), self._locate(ast.With([watch], inside), node)]

    def _handled(self, node: ast.Try) -> list[ast.stmt]:
        names = self._names([*node.body, *node.handlers, *node.orelse])
        body, orelse = self._function("try", names, self.body(node.body)), self._function("else", names, self.body(node.orelse))
        arms: list[ast.stmt] = []
        handlers: list[ast.expr] = []
        for h in node.handlers:
            name = self._fresh("error")
            looks = h.name is not None or any(isinstance(n, ast.Raise) and n.exc is None for n in own_nodes(h.body))
            bind: list[ast.stmt] = [ast.Assign([ast.Name(h.name, ast.Store())], _load(name))] if h.name else []
            self.handling.append(name)
            arm = self._function("handler", names, [*bind, *self.body(h.body)], name)
            self.handling.pop()
            kinds = self.visit(h.type) if h.type is not None else _staging("BaseException")
            handlers.append(ast.Tuple([_thunk(kinds), _load(arm.name), ast.Constant(looks)], ast.Load()))
            arms.append(arm)
        put, scope = self._scope(names, self._later(node, names))
        call = _call("try_", _load(body.name), ast.Tuple(handlers, ast.Load()), _load(orelse.name), scope)
        return self._finish(node, [body, *arms, orelse, *put], call)

    def visit_With(self, node: ast.With) -> Any:
        """Its body is a function, of what the context gives."""
        item, *rest = node.items
        if item.optional_vars is not None and not isinstance(item.optional_vars, ast.Name):
            self._refuse(node, "`with .. as` with a target that is no name", "give it a name, and assign its parts afterwards")
        inner: list[ast.stmt] = [self._locate(ast.With(rest, node.body), node)] if rest else node.body
        targets: list[ast.AST] = [] if item.optional_vars is None else [item.optional_vars]
        names = self._names([*targets, *inner])
        bind: list[ast.stmt] = [] if item.optional_vars is None else [ast.Assign([item.optional_vars], _load("_ln_item"))]
        body = self._function("with", names, [*bind, *self.body(inner)], "_ln_item")
        put, scope = self._scope(names, self._later(node, names))
        return self._finish(node, [body, *put], _call("with_", self.visit(item.context_expr), _load(body.name), scope))

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

    def _target(self, t: Any, later: list[ast.stmt]) -> Any:
        """A target of names only; what goes into objects, and names that come after such, are stored afterwards, from left to right."""
        if isinstance(t, (ast.Tuple, ast.List)):
            t.elts = [self._target(e, later) for e in t.elts]
        elif isinstance(t, ast.Starred):
            t.value = self._target(t.value, later)
        elif isinstance(t, (ast.Subscript, ast.Attribute)) or later:
            self.counter += 1
            name = f"_ln_part_{self.counter}"
            later.append(ast.Assign([t], _load(name)) if isinstance(t, ast.Name) else self._store(t, _load(name)))
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
