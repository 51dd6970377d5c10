"""Pieces of syntax trees."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable
from typing import Any, TypeVar

Node = TypeVar("Node", bound=ast.AST)
COMPARISONS = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne", ast.Is: "is_", ast.IsNot: "is_not",
    ast.In: "in_", ast.NotIn: "not_in",
}  # fmt: skip


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LEAVES = (ast.Name, ast.Constant)  # half of all nodes
_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def walk(*nodes: ast.AST, but: tuple[type[ast.AST], ...] = ()) -> list[ast.AST]:
    """These nodes and all below them, level by level; but not what is below those of some kinds. What has no fields, as a context or an operator, is
    left out unless it stands in a list. `ast.walk` takes five times as long, and a function is walked through several times."""
    found = list(nodes)
    for node in found:
        if type(node) not in LEAVES and not isinstance(node, but):
            found += parts(node)
    return found


_PLAIN = frozenset({"ctx", "op", "id", "attr", "kind", "type_comment", "is_async", "level", "conversion", "simple", "module", "rest"})


@functools.cache
def _below(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Those fields of a kind of nodes that may have nodes: all but names, numbers, contexts and operators."""
    return tuple(f for f in fields if f not in _PLAIN)


def parts(node: ast.AST) -> list[ast.AST]:
    """The nodes right below a node, but for those without fields that do not stand in a list."""
    found: list[ast.AST] = []
    for field in _below(node._fields):
        part = getattr(node, field, None)
        if type(part) is list:
            found += [p for p in part if isinstance(p, ast.AST)]
        elif isinstance(part, ast.AST) and part._fields:
            found.append(part)
    return found


_PLACE = ("lineno", "col_offset", "end_lineno", "end_col_offset")


def placed_as(new: Node, old: ast.AST) -> Node:
    """A new node in the place of an old one; those below it have none yet (`place`)."""
    if "lineno" in new._attributes:
        known = vars(old)
        vars(new).update({k: known[k] for k in _PLACE if k in known})
    return new


def place(root: Node) -> Node:
    """A tree in which each node without a place has that of the node above it. What `ast.fix_missing_locations` does, faster."""
    work: list[tuple[ast.AST, tuple[Any, ...]]] = [(root, (1, 0, 1, 0))]
    for node, above in work:
        here = above
        if "lineno" in node._attributes:
            known = vars(node)
            if known.get("end_col_offset") is None:
                for name, there in zip(_PLACE, above, strict=True):
                    if known.get(name) is None:
                        known[name] = there
            here = known["lineno"], known["col_offset"], known["end_lineno"], known["end_col_offset"]
        if type(node) not in LEAVES:
            for field in _below(node._fields):
                part = getattr(node, field, None)
                if type(part) is list:
                    work += [(p, here) for p in part if isinstance(p, ast.AST)]
                elif isinstance(part, ast.AST) and part._fields:
                    work.append((part, here))
    return root


def assigned_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that statements assign, nested functions left out."""
    assigned: set[str] = set()
    for node in walk(*nodes, but=_DEFINITIONS + _SCOPES):
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                assigned.add(node.id)
        elif isinstance(node, _DEFINITIONS):
            assigned.add(node.name)
        elif isinstance(node, _SCOPES):
            if not isinstance(node, ast.Lambda):
                assigned.update(child.target.id for child in walk(node) if isinstance(child, ast.NamedExpr))
        elif isinstance(node, ast.ExceptHandler) or type(node).__name__ in ("MatchAs", "MatchStar", "MatchMapping"):
            assigned.update(name for name in (getattr(node, "name", None), getattr(node, "rest", None)) if name is not None)
        elif isinstance(node, ast.alias):
            assigned.add((node.asname or node.name).split(".")[0])
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


_FUNCTIONS = (ast.FunctionDef, ast.Lambda, ast.ClassDef)


def own_nodes(body: Iterable[ast.AST]) -> list[ast.AST]:
    """The nodes of these that belong to the same function; of another one only the definition."""
    return walk(*body, but=_FUNCTIONS)


def inner_nodes(own: Iterable[ast.AST]) -> list[ast.AST]:
    """What belongs to the functions that are defined among the nodes of one."""
    return walk(*(part for n in own if isinstance(n, _FUNCTIONS) for part in parts(n)))
