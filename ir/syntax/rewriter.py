"""The rewriter: statements and expressions whose meaning depends on traced values become calls of `_ln`."""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from typing import Any, NoReturn

from ..core import errors
from ..syntax import desugar
from .nodes import (
    _IN_PLACE,
    COMPARISONS,
    _arguments,
    _arms,
    _asked,
    _call,
    _define,
    _load,
    _own_nodes,
    _own_nodes_of,
    _staging,
    _thunk,
    assigned_names,
)

pass


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


REMEDIES: dict[type[ast.AST], tuple[str, str]] = {
    ast.Yield: ("a generator (yield)", "write a loop that returns its result, or store into an array"),
    ast.YieldFrom: ("a generator (yield from)", "write a loop that returns its result, or store into an array"),
    ast.Await: ("await", "compiled functions are synchronous"),
    ast.AsyncFor: ("async for", "compiled functions are synchronous"),
    ast.AsyncWith: ("async with", "compiled functions are synchronous"),
    ast.AsyncFunctionDef: ("async def", "compiled functions are synchronous"),
    ast.ClassDef: ("class", "define the class outside of the compiled function"),
}


def rewrite_function(node: ast.FunctionDef, filename: str) -> ast.FunctionDef:
    """The rewritten function: its body returns signals."""
    rewriter = Rewriter(node, filename, node.name)
    body = rewriter.body(node.body)
    fresh = sorted(rewriter.stated - rewriter.params)
    prologue: list[ast.stmt] = [n for n in body if isinstance(n, (ast.Nonlocal, ast.Global))]
    body = [n for n in body if not isinstance(n, (ast.Nonlocal, ast.Global))]
    prologue += [ast.Assign([ast.Name(n, ast.Store())], _call("Undefined", ast.Constant(n))) for n in fresh]
    return ast.copy_location(_define(node.name, node.args, prologue + body), node)
