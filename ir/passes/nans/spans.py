"""What stands at a place of the user's source: the expression, and the variable that its statement assigns.

Python 3.11 and later know the expression of each instruction; before, it is the statement.
"""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterator

from ...core.graph import Site

LONGEST = 80  # characters of an expression that is shown


def source_line(site: Site) -> str:
    """The line, without what is around it; "" if there is no source."""
    return linecache.getline(site.filename, site.line).strip()


def expression(site: Site) -> str:
    """The expression of an operation, else its line."""
    found = None if site.span is None else _found(site.filename, site.span)
    text = ast.get_source_segment(_text(site.filename), found) if found is not None else None
    text = " ".join((text or source_line(site)).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def assigned(site: Site) -> str:
    """The variables that the statement at this place assigns, as they are written; "" if it assigns none."""
    names: list[str] = []
    for node in _statements(site.filename, site.line):
        targets = getattr(node, "targets", [node.target] if isinstance(node, (ast.AugAssign, ast.AnnAssign)) else [])
        names = [ast.unparse(t) for t in targets] or names
    return ", ".join(names)


def _text(filename: str) -> str:
    return "".join(linecache.getlines(filename))


@functools.lru_cache(maxsize=16)
def _parsed(filename: str, text: str) -> dict[int, list[ast.AST]]:
    """The nodes of a text by their first line, outer ones first."""
    found: dict[int, list[ast.AST]] = {}
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return {}
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            found.setdefault(node.lineno, []).append(node)
    return found


def _statements(filename: str, line: int) -> Iterator[ast.AST]:
    """The simple statements that a line is part of, outer ones first."""
    nodes = _parsed(filename, _text(filename))
    for first in range(line, max(line - 100, 0), -1):
        found = [n for n in nodes.get(first, ()) if isinstance(n, ast.stmt)]
        if found:
            yield from (n for n in found if (n.end_lineno or first) >= line)
            return


def _found(filename: str, span: tuple[int, ...]) -> ast.expr | None:
    """The expression at these lines and columns. A function is compiled without the space in front of it, so all may stand further to
    the right by the column of a function around it."""
    nodes = _parsed(filename, _text(filename))
    first, last, start, end = span
    shifts = {getattr(n, "col_offset", 0) for line in range(first, 0, -1) for n in nodes.get(line, ()) if isinstance(n, ast.FunctionDef)}
    for shift in sorted(shifts | {0}, reverse=True):
        for n in nodes.get(first, ()):
            place = (getattr(n, "end_lineno", 0), getattr(n, "col_offset", -1), getattr(n, "end_col_offset", -1))
            if isinstance(n, ast.expr) and place == (last, start + shift, end + shift):
                return n
    return None
