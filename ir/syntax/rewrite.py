"""Rewrites a Python function so that its control flow calls the names of trace/language.py.

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
import __future__

import ast
import dis
import functools
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

from ..core import errors
from .nodes import _arguments, _call, _class, _define, _load, place, placed_as, walk
from .rewriter import REMEDIES, Rewriter, rewritten_function
from .sources import _named, find_source

DEEP_LIMIT, DEEP_STACK = 100_000, 256 << 20  # Python calls and bytes, to rewrite what is nested deeply
NOT_USER_CODE = ("numpy", "scipy", "math", "operator", "functools", "itertools", "builtins", "typing", "collections", "optree", "dataclasses",
                  "inspect", "warnings", "copy", "cmath", "random", "abc", "logging", "io", "time")  # fmt: skip
LANGUAGE: list[Any] = []  # the module of the names that rewritten code uses, as `_ln`: trace/language.py
if hasattr(ast, "TryStar"):
    REMEDIES[ast.TryStar] = ("try/except*", "use `try` and `except`")


# ---- from a function object to its rewritten one
_CONVERTED: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


FRONTS: set[types.CodeType] = set()  # of the functions that stand for those defined inside of rewritten code


def raw_of(function: Any, name: str = "raw") -> Any:
    """What a function stands for that rewritten code has defined; None for others. It is in its closure, for functools.wraps copies attributes.
    `body` is what was defined, `raw` its form that gives a signal."""
    if type(function) is not types.FunctionType or function.__code__ not in FRONTS:
        return None
    return function.__closure__[function.__code__.co_freevars.index(name)].cell_contents  # type: ignore[index]


def convert(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The rewritten function (its result is a signal), or None where there is no source to rewrite."""
    raw = raw_of(function)
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
    node, filename = find_source(function)
    _mangle(node, function.__qualname__)
    if isinstance(node, ast.Lambda):
        rewriter = Rewriter(node, filename, "<lambda>")
        value = _call("Return", rewriter.visit(node.body))
        rewritten = placed_as(_define("_ln_lambda", node.args, [ast.Return(value)]), node)
    else:
        rewritten, rewriter = rewritten_function(node, filename)
        rewritten.decorator_list = []
    rewritten.args.defaults = [ast.Constant(None) for _ in rewritten.args.defaults]
    rewritten.args.kw_defaults = [ast.Constant(None) if d else None for d in rewritten.args.kw_defaults]
    rewritten.returns = None
    rewritten.name = "_ln_rewritten"  # not its own: that name must stay a global or a cell in the body
    for a in walk(rewritten.args):
        if isinstance(a, ast.arg):
            a.annotation = None
    free = [*function.__code__.co_freevars, "_ln"]
    factory = _define("_ln_factory", _arguments(*free), [rewritten, ast.Return(_load(rewritten.name))])
    place(placed_as(factory, node))
    owner = getattr(node, "owner", None)
    whole: list[ast.stmt] = [factory] if owner is None else [place(placed_as(_class(owner, [factory]), node))]
    module = compile(ast.Module(whole, []), filename, "exec", dont_inherit=True, flags=_future_flags(function))
    outer = module if owner is None else _named(module, owner)
    code = _as_piece(_named(_named(outer, "_ln_factory"), rewritten.name), function.__code__)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    cells["_ln"] = types.CellType(LANGUAGE[0])
    closure = tuple(cells[name] for name in code.co_freevars)
    raw = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    raw.__kwdefaults__, raw.__qualname__ = function.__kwdefaults__, function.__qualname__
    raw.__lantern_yields__ = rewriter.gives  # type: ignore[attr-defined]
    raw.__lantern_outer__ = sorted(rewriter.all_outer & set(code.co_freevars))  # type: ignore[attr-defined]
    raw.__lantern_globals__ = sorted(rewriter.all_globals)  # type: ignore[attr-defined]
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
    for n in walk(node):
        if isinstance(n, ast.Attribute) and n.attr.startswith("__") and not n.attr.endswith("__"):
            n.attr = prefix + n.attr


def _future_flags(function: types.FunctionType) -> int:
    return function.__code__.co_flags & __future__.annotations.compiler_flag
