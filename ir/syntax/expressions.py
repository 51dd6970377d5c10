"""Expressions whose meaning depends on traced values, as calls of `_ln`."""

from __future__ import annotations

import ast
import copy
from typing import Any

from .base import Base
from .nodes import _IN_PLACE, COMPARISONS, _arguments, _asked, _call, _load, _staging, _thunk, walk


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Tuple) and all(map(_is_constant, node.elts)))


class Expressions(Base):
    """Each visit gives the expression that takes an expression's place."""

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

    def visit_Starred(self, node: ast.Starred) -> Any:
        super().generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = _call("seen", node.value)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        super().generic_visit(node)
        node.iter = _call("seen", node.iter)
        return node

    def visit_Dict(self, node: ast.Dict) -> Any:
        plain = all(k is None or _is_constant(k) for k in node.keys) or None in node.keys
        super().generic_visit(node)
        node.values = [_call("seen", v) if k is None else v for k, v in zip(node.keys, node.values, strict=True)]
        if plain:
            return self._locate(_call("made", node), node)
        pairs: list[ast.expr] = [ast.Tuple([k, v], ast.Load()) for k, v in zip(node.keys, node.values, strict=True) if k is not None]
        return self._locate(_call("dict_of", ast.Tuple(pairs, ast.Load())), node)

    def visit_Set(self, node: ast.Set) -> Any:
        plain = all(map(_is_constant, node.elts)) or any(isinstance(x, ast.Starred) for x in node.elts)
        super().generic_visit(node)
        return self._locate(_call("made", node if plain else _call("set_display", *node.elts)), node)

    def visit_SetComp(self, node: ast.SetComp) -> Any:
        if any(isinstance(n, ast.Lambda) for n in walk(node.elt)):  # which share the variable
            super().generic_visit(node)
            return self._locate(_call("made", node), node)
        items: Any = self.visit_GeneratorExp(ast.GeneratorExp(node.elt, node.generators))
        if isinstance(items, ast.Call):
            return self._locate(_call("made", _call("set_of", items)), node)
        node.elt, node.generators = items.elt, items.generators
        return self._locate(_call("made", node), node)

    def visit_DictComp(self, node: ast.DictComp) -> Any:
        pair = ast.Tuple([node.key, node.value], ast.Load())
        if not any(isinstance(n, ast.Lambda) for n in walk(pair)):  # which share the variable
            items: Any = self.visit_GeneratorExp(ast.GeneratorExp(pair, node.generators))
            if isinstance(items, ast.Call):
                return self._locate(_call("dict_of", items), node)
            (node.key, node.value), node.generators = items.elt.elts, items.generators
            return self._locate(_call("made", node), node)
        super().generic_visit(node)
        return self._locate(_call("made", node), node)

    def visit_ListComp(self, node: ast.ListComp) -> Any:
        if any(isinstance(n, ast.Lambda) for n in walk(node.elt)):  # which share the variable
            super().generic_visit(node)
            return self._locate(_call("made", node), node)
        items = self.visit_GeneratorExp(ast.GeneratorExp(node.elt, node.generators))
        if isinstance(items, ast.Call):
            return self._locate(_call("listed", items), node)
        node.elt, node.generators = items.elt, items.generators
        return self._locate(_call("made", node), node)

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
            for child in walk(n):
                if isinstance(child, ast.NamedExpr):
                    self._refuse(child, "`:=` inside a conditional expression, `and` or `or`", "assign on a line of its own")

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> Any:
        """What it does to one element, as functions; sum() and the like then run over the elements as a loop does."""
        inner = [n for n in walk(node) if isinstance(n, (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await))]
        if inner or any(g.is_async for g in node.generators):
            super().generic_visit(node)
            for g in node.generators:
                g.ifs = [_call("known", test) for test in g.ifs]
            return node
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
        if isinstance(operand, ast.Constant):
            node.operand = operand
            return node
        name = {ast.USub: "neg", ast.UAdd: "pos"}.get(type(node.op), "invert")
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
        for k in node.keywords:
            if k.arg is None:
                k.value = _call("seen", k.value)
        if len(node.args) == 1 and isinstance(node.args[0], ast.Starred) and all(k.arg for k in node.keywords):
            return self._locate(
                ast.Call(_staging("spread_out"), [func, self.visit(node.args[0].value)], [self.visit(k) for k in node.keywords]), node
            )
        new = ast.Call(_staging("call"), [func, *map(self.visit, node.args)], [self.visit(k) for k in node.keywords])
        return self._locate(new, node)
