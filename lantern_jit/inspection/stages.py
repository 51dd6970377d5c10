"""The stages of a function line by line, and the line of the user's program that each comes from."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..backends.llvm.build.places import Places
from ..backends.llvm.build.remarks import remarks
from ..ir.core.graph import Program, Site, cell_of
from ..ir.core.text import placed_lines
from ..ir.diff.cps import closure_lines
from ..ir.lower.lower import Lowering, as_program

HIDDEN = re.compile(r"\s+\.(cfi_\w+|loc|file|p2align|ident|addrsig\w*)\b|\.L(tmp|func_begin|func_end|debug\w*)\d*:")


class Line(NamedTuple):
    """`place`: a number from 1 on, which all lines share that come from one line of the source; 0: none."""

    text: str
    place: int


@dataclass
class Stages:
    """`panes` by name, in their order; `sites[i]` is the place i + 1; `program` has a place for each operation. `alike`: is the machine
    code, which was made once more with places, the same as that which runs?
    `said`: what LLVM says of the loops of each place."""

    program: Program
    sites: list[Site]
    panes: dict[str, list[Line]]
    alike: bool
    lowering: Lowering | None = None
    said: dict[int, list[str]] = field(default_factory=dict)

    def place(self, site: Site | None) -> int:
        """The number of a place, 0 if no stage has it."""
        site = site and (site.origin or site)
        return next((i for i, s in enumerate(self.sites, 1) if site and (s.filename, s.line) == (site.filename, site.line)), 0)


def stages(specialisation: Any, after: Callable[[str, Program], None] = lambda name, program: None) -> Stages:
    """All stages of a specialisation, which is traced once more for them; `after` is told which pass has run."""
    program, places, made = specialisation.placed(after), Places(), specialisation.executable

    def numbered(lines: Iterable[tuple[str, Site | None]]) -> list[Line]:
        return [Line(text.split(' @ "')[0], places.number(site) if site is not None and site.filename else 0) for text, site in lines]

    panes = {"graph": numbered(placed_lines(program))}
    if not hasattr(made, "placed"):
        return Stages(program, places.sites, {"source": source(places.sites), **panes}, True)
    lowering, llvm, optimised, assembly = made.placed(program, places)
    panes["closures"] = numbered(line for c in lowering.closures for line in (*closure_lines(c), ("", None)))
    panes["low-level graph"] = numbered(placed_lines(as_program(program, lowering.low)))
    panes["LLVM, emitted"], panes["LLVM"], panes["assembly"] = of_llvm(llvm), of_llvm(optimised), of_assembly(assembly)
    alike = _instructions(panes["assembly"]) == _instructions(of_assembly(made.text("asm")))
    return Stages(program, places.sites, {"source": source(places.sites), **panes}, alike, lowering, remarks(llvm))


def _instructions(lines: list[Line]) -> list[str]:
    """Instructions, with labels of no number. Of those that make a frame LLVM moves some for AArch64 where no debugger is to be told, so
    their order does not count."""
    return sorted(re.sub(r"\.L\w+", ".L", line.text) for line in lines)


# ---- the source
def source(sites: list[Site]) -> list[Line]:
    """The functions that the places stand in, of each file in its order."""
    out: list[Line] = []
    number = {(s.filename, s.line): i for i, s in enumerate(sites, 1)}
    for file in dict.fromkeys(s.filename for s in sites):
        text = linecache.getlines(file)
        lines = {s.line for s in sites if s.filename == file}
        shown = sorted({n for first, last in _around("".join(text), lines) for n in range(first, last + 1)})
        out.append(Line(f"# {cell_of(file) or file}", 0))
        before = 0
        for n in shown:
            if before and n > before + 1:
                out.append(Line("", 0))
            before = n
            out.append(Line(f"{n:4}  {text[n - 1].rstrip() if n <= len(text) else ''}", number.get((file, n), 0)))
    return out


def _around(text: str, lines: set[int]) -> Iterator[tuple[int, int]]:
    """The first and the last line of the outermost functions with these lines in them; the lines themselves where there is none."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        tree = ast.Module([], [])
    spans = [(n.lineno, n.end_lineno or n.lineno) for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda))]
    for line in sorted(lines):
        yield max([s for s in spans if s[0] <= line <= s[1]], key=lambda s: s[1] - s[0], default=(line, line))


# ---- LLVM and assembly
def of_llvm(text: str) -> list[Line]:
    """Functions without what says where they come from."""
    found = {m.group(1): int(m.group(2)) for m in re.finditer(r"^!(\d+) = (?:distinct )?!DILocation\(line: (\d+)", text, re.M)}
    out = []
    for line in text.split("\n"):
        if line.startswith(("!", "; ModuleID", "source_filename")):
            continue
        at = re.search(r", !dbg !(\d+)", line)
        out.append(Line(re.sub(r",? !dbg !\d+", "", line), found.get(at.group(1), 0) if at else 0))
    return out


def of_assembly(text: str) -> list[Line]:
    """Instructions, each at the last `.loc`."""
    out, place, debug = [], 0, False
    for line in text.split("\n"):
        if line.startswith("\t.section"):
            debug = ".debug" in line
        at = re.match(r"\s+\.loc\s+\d+\s+(\d+)", line)
        if at:
            place = int(at.group(1))
        elif re.match(r"\w[\w.$]*:", line):
            place = 0
        if not debug and not HIDDEN.match(line) and line.strip():
            out.append(Line(line.expandtabs(8), place if line.startswith("\t") and not line.startswith("\t.") else 0))
    return out
