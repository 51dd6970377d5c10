"""Places of the user's program in LLVM's text, as its debug information: the optimiser and the assembler carry them on.

 %t1 = fmul double %x, %y, !dbg !@3     ->     %t1 = fmul double %x, %y, !dbg !100007       !100007 = !DILocation(line: 3, scope: ..)

A line is the number of a place in `sites`, whatever file that is in. What an operation's own function does has none: inlined, it is at the place of its call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ....ir.core.graph import Site

FIRST = 100_000  # of the numbers of nodes
MARK = re.compile(r"!dbg !@(\d+)")


class Places:
    """The places of one module."""

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self.numbers: dict[tuple[str, int], int] = {}

    def number(self, site: Site) -> int:
        """From 1 on; the same for all of a line."""
        site = site.origin or site
        key = site.filename, site.line
        if key not in self.numbers:
            self.sites.append(site)
            self.numbers[key] = len(self.sites)
        return self.numbers[key]

    def mark(self, site: Site | None) -> str:
        """What stands behind an instruction."""
        return f", !dbg !@{self.number(site)}" if site is not None and site.filename else ""

    def written(self, text: str) -> str:
        """The module with its places as nodes."""
        head = [f"!{FIRST} = distinct !DICompileUnit(language: DW_LANG_C99, file: !{FIRST + 1}, producer: \"\", isOptimized: true, runtimeVersion: 0, "
                "emissionKind: LineTablesOnly)",
                f'!{FIRST + 1} = !DIFile(filename: "program", directory: "")', f"!{FIRST + 2} = !DISubroutineType(types: !{{}})",
                f"!llvm.dbg.cu = !{{!{FIRST}}}", f"!llvm.module.flags = !{{!{FIRST + 3}, !{FIRST + 4}}}",
                f'!{FIRST + 3} = !{{i32 2, !"Debug Info Version", i32 3}}', f'!{FIRST + 4} = !{{i32 7, !"Dwarf Version", i32 4}}']  # fmt: skip
        self.nodes = head
        self.next = FIRST + 5
        return "\n".join([*self.functions(text), *self.nodes, ""])

    def node(self, text: str) -> int:
        self.nodes.append(f"!{self.next} = {text}")
        self.next += 1
        return self.next - 1

    def functions(self, text: str) -> Iterator[str]:
        """The text, function by function."""
        inside: list[str] = []
        for line in text.split("\n"):
            if line.startswith("define ") or inside:
                inside.append(line)
                if line == "}":
                    yield from self.function(inside) if self.has_places(inside) else inside
                    inside = []
            else:
                yield line
        yield from inside

    def has_places(self, lines: list[str]) -> bool:
        """All functions of the program have, for what is inlined into one without loses them; those that many call have not."""
        return any("!dbg !@" in x for x in lines) or not re.search(r"@(op|lantern|maths)\.", lines[0])

    def function(self, lines: list[str]) -> Iterator[str]:
        """One with places. A call in it has a place, or no line."""
        found = re.search(r'@("[^"]*"|[\w.$-]+)\(', lines[0])
        name = found.group(1).strip('"') if found else "f"
        scope = self.node(f'distinct !DISubprogram(name: "{name}", scope: !{FIRST + 1}, file: !{FIRST + 1}, line: 0, type: !{FIRST + 2}, '
                          f"spFlags: DISPFlagDefinition, unit: !{FIRST})")  # fmt: skip
        nodes: dict[str, int] = {}

        def place(number: str) -> str:
            if number not in nodes:
                nodes[number] = self.node(f"!DILocation(line: {number}, scope: !{scope})")
            return f"!dbg !{nodes[number]}"

        yield f"{lines[0][: lines[0].rindex('{')]}!dbg !{scope} {{"
        for line in lines[1:]:
            if "!dbg !@" in line:
                yield MARK.sub(lambda m: place(m.group(1)), line)
            else:
                yield f"{line}, {place('0')}" if re.search(r"^\s*(%\S+ = )?(tail |musttail |notail )?call ", line) else line
