"""Where a function's source is, and which definition in it is the function's."""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import linecache
import textwrap
import types
from dataclasses import dataclass
from typing import Any, Union

from ..core import errors
from .nodes import place, walk

Definition = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda]


def _named(code: types.CodeType, name: str) -> types.CodeType:
    return next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name)


@dataclass(frozen=True)
class Source:
    """Whole statements of a file, from `line` on: all that is needed of it to compile a function that stands in them."""

    filename: str
    line: int
    text: str


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
    for n in walk(tree):
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            functions.append((n, _first_line(n)))
        if isinstance(n, ast.ClassDef):  # the innermost comes last
            for inside in walk(n):
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
        before = "\n" * (shift + found.lineno - 1)  # so many lines are above it
        node = ast.parse(before + textwrap.dedent(_lines(text, found.lineno, found.end_lineno or found.lineno))).body[0]
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
    around = ast.arguments([], [ast.arg(name) for name in code.co_freevars], None, [], [], None, [])
    for n in candidates:
        if isinstance(n, ast.Lambda):
            expr = place(ast.Expression(ast.Lambda(around, n)))  # what it closes over is around it, as there
            outer = next(c for c in compile(expr, "?", "eval").co_consts if isinstance(c, types.CodeType))
            made = next(c for c in outer.co_consts if isinstance(c, types.CodeType))
            if fingerprint(made)[2:] == fingerprint(code)[2:]:  # 1 and 1.0, 0.0 and -0.0 are equal constants
                return [n]
    return []


def _covers(node: Any, spot: tuple[int, int]) -> bool:
    bodies = node if isinstance(node, list) else [node]
    start = (bodies[0].lineno, bodies[0].col_offset)
    end = (bodies[-1].end_lineno, bodies[-1].end_col_offset)
    return start <= spot < end


_CARRIED: dict[Any, Source] = {}  # what pickles have brought, by the fingerprint of a code object
