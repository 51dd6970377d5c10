"""Makes a failing program smaller: deletes statements, unwraps blocks, replaces expressions by parts of themselves."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator

from .check import Outcome

Undo = Callable[[], None]
BLOCKS = ("body", "orelse")


def cause(outcome: Outcome) -> tuple[str, ...]:
    """What two failures of one bug have in common."""
    if outcome.kind == "wrong":
        return "wrong", outcome.where, outcome.detail.split(":")[0]
    if outcome.kind in ("error", "refused"):
        last = re.search(r"\(\S+:\S+\)$", outcome.detail)
        text = re.sub(r"`\w+`|\S*(fuzz_program|%)\S*|\b\d+\b|in \w+", "_", outcome.detail.split("\n")[0])
        return outcome.kind, outcome.where, text[:110], last[0] if last else ""
    return outcome.kind, outcome.where


def edits(tree: ast.AST) -> Iterator[Undo]:
    """Changes `tree` in place in one way after another; each yields how to take it back."""
    for node in list(ast.walk(tree)):
        for name in BLOCKS:
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield from block_edits(node, name, block)
        yield from parameter_edits(node)
    for node in list(ast.walk(tree)):
        for name, value in list(ast.iter_fields(node)):
            if isinstance(value, ast.expr):
                for new in smaller(value):
                    setattr(node, name, new)
                    yield lambda n=node, k=name, v=value: setattr(n, k, v)  # type: ignore[misc]
            elif isinstance(value, list):
                for i, item in enumerate(value):
                    for new in smaller(item) if isinstance(item, ast.expr) else ():
                        value[i] = new
                        yield lambda v=value, i=i, x=item: v.__setitem__(i, x)  # type: ignore[misc]


def block_edits(node: ast.AST, name: str, block: list[ast.stmt]) -> Iterator[Undo]:
    old = list(block)

    def undo() -> None:
        block[:] = old

    if name == "orelse" and old and isinstance(node, (ast.If, ast.For, ast.While)):
        block[:] = []
        yield undo
    for i, s in enumerate(old):
        inner = [getattr(s, b) for b in BLOCKS if isinstance(getattr(s, b, None), list)]
        for replacement in ([], *inner):
            block[:] = (old[:i] + replacement + old[i + 1 :]) or [ast.Pass()]
            yield undo


def parameter_edits(node: ast.AST) -> Iterator[Undo]:
    """The k-th parameter of `f` and of ARGS; of another function, see the call's arguments."""
    if not isinstance(node, ast.Module):
        return
    f = next((s for s in node.body if isinstance(s, ast.FunctionDef) and s.name == "f"), None)
    values = next((s.value for s in node.body if isinstance(s, ast.Assign) and ast.unparse(s.targets[0]) == "ARGS"), None)
    if f is None or not isinstance(values, ast.Tuple):
        return
    params, args = list(f.args.args), list(values.elts)

    def undo() -> None:
        f.args.args[:], values.elts[:] = params, args

    for k in range(min(len(params), len(args))):
        del f.args.args[k], values.elts[k]
        yield undo


def smaller(e: ast.expr) -> Iterator[ast.expr]:
    """Simpler expressions to try in the place of `e`."""
    if isinstance(e, (ast.Call, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.BoolOp, ast.Subscript, ast.Compare)):
        yield from (child for child in ast.walk(e) if isinstance(child, ast.expr) and child is not e and not isinstance(child, ast.Lambda))
        yield from (ast.Constant(v) for v in (1.0, 1, True))
    if isinstance(e, ast.BoolOp) and len(e.values) > 2:
        yield ast.BoolOp(e.op, e.values[:2])
    if isinstance(e, (ast.Tuple, ast.List)) and len(e.elts) > 1 and isinstance(e.ctx, ast.Load):
        yield from (type(e)([*e.elts[:i], *e.elts[i + 1 :]], ast.Load()) for i in range(len(e.elts)))
    if isinstance(e, ast.Constant) and isinstance(e.value, (int, float)) and not isinstance(e.value, bool):
        yield from (ast.Constant(type(e.value)(v)) for v in (0, 1, 0.5, 2) if abs(v) <= abs(e.value) and len(repr(v)) <= len(repr(e.value)))


def weight(source: str) -> tuple[int, int, int]:
    tree = ast.parse(source)
    return sum(1 for _ in ast.walk(tree)), len(source), sum(map(ord, source))


def shrink(source: str, check: Callable[[str], Outcome], tries: int = 600) -> str:
    """The smallest program found that fails in the same way."""
    wanted = cause(check(source))
    best, skip, seen = ast.unparse(ast.parse(source)), 0, {source}
    warnings.simplefilter("ignore", SyntaxWarning)
    while tries > 0:
        for k, candidate in candidates(best):
            if k < skip or candidate in seen or weight(candidate) >= weight(best):
                continue
            seen.add(candidate)
            tries -= 1
            if cause(check(candidate)) == wanted:
                best, skip = candidate, k
                break
            if tries <= 0:
                break
        else:
            if skip == 0:
                break
            skip = 0
    return best


def candidates(source: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(source)
    for k, undo in enumerate(edits(tree)):
        try:
            text = ast.unparse(ast.fix_missing_locations(tree))
            compile(text, "?", "exec")
        except (SyntaxError, ValueError, TypeError):
            text = ""
        undo()
        if text:
            yield k, text
