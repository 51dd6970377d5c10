"""The stages of a function as one HTML file, which needs no network."""

from __future__ import annotations

import html
import importlib.resources
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .loops import LoopFacts, loop_facts
from .picture import picture
from .stages import Line, Stages, stages
from .words import names

SHOWN = ("source", "graph", "closures", "LLVM", "assembly")
WHAT = {
    "source": "your program",
    "graph": "after all passes",
    "closures": "each operation and its continuation",
    "low-level graph": "reverse mode as functions that run forward",
    "LLVM, emitted": "before LLVM's passes",
    "LLVM": "after LLVM's passes",
    "assembly": "machine code",
}


def page(name: str, specialisation: Any, policies: Mapping[str, str], timings: Mapping[str, float], made: Stages | None = None) -> str:
    """The whole file."""
    made = made or stages(specialisation)
    where = list(specialisation.where)
    facts = loop_facts(made, where, policies)
    arguments = ", ".join(f"{k}: {v}" for k, v in specialisation.row().arguments.items())
    body = [
        f"<header><h1>{text(name)}</h1><p>{text(arguments)}</p></header>",
        _buttons(made),
        "<main>",
        *(_pane(title, lines) for title, lines in made.panes.items()),
        "</main>",
        *_loops([x for x in facts if not x.code]),
        *_kernels([x for x in facts if x.code]),
        *_pictures(made, where),
        _timings(timings, made),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{text(name)}: stages</title><style>{_file('page.css')}</style></head><body>{''.join(body)}<script>{_file('page.js')}</script></body></html>"
    )


def frame(whole: str) -> str:
    """The page in a cell of a notebook, whose styles are its own."""
    return f'<iframe srcdoc="{html.escape(whole)}" style="width:100%;height:720px;border:1px solid #8888" title="stages"></iframe>'


def text(x: object) -> str:
    return html.escape(str(x))


def _file(name: str) -> str:
    return (importlib.resources.files(__package__) / name).read_text(encoding="utf-8")


def _lines(lines: Iterable[Line]) -> str:
    return "".join(
        f'<div class="l" data-k="{line.place}">{text(line.text)}</div>' if line.place else f'<div class="l">{text(line.text)}</div>'
        for line in lines
    )


def _buttons(made: Stages) -> str:
    buttons = "".join(
        f'<button type="button" data-pane="{i}" aria-pressed="{str(title in SHOWN).lower()}">{text(title)}</button>'
        for i, title in enumerate(made.panes)
    )
    return f'<nav aria-label="stages">{buttons}<span class="hint">point at a line: what it came from, and what became of it. Click: it stays; Esc: it goes</span></nav>'


def _pane(title: str, lines: Sequence[Line]) -> str:
    hidden = "" if title in SHOWN else " hidden"
    return (
        f'<section class="pane"{hidden} aria-label="{text(title)}"><h2>{text(title)} <small>{text(WHAT.get(title, ""))}</small></h2>'
        f'<div class="code" tabindex="0">{_lines(lines)}</div></section>'
    )


def _table(heads: Sequence[str], rows: Iterable[tuple[int, Sequence[Any]]]) -> str:
    head = "".join(f"<th>{text(h)}</th>" for h in heads)
    body = "".join(f'<tr class="l" data-k="{place}">{"".join(f"<td>{text(x)}</td>" for x in row)}</tr>' for place, row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _at(x: LoopFacts) -> str:
    return f"line {x.site.line} in {x.site.function}" if x.site is not None else ""


def _vectors(x: LoopFacts) -> str:
    if not x.width:
        return ""
    text = f"yes, {x.width} numbers at once" if x.width > 1 else f"no: {x.why}"
    return text if not x.said or "LLVM says" in text else f"{text} (LLVM says: {'; '.join(x.said)})"


def _loops(facts: Sequence[LoopFacts]) -> list[str]:
    if not facts:
        return []
    rows = [
        (
            x.place,
            (
                f"{x.function}.{x.name}",
                _at(x),
                x.trips,
                f"{x.policy}{': ' + x.why_policy if x.why_policy else ''}" or "-",
                x.bytes,
                x.tape,
                _vectors(x),
            ),
        )
        for x in facts
    ]
    return [
        "<h2>Loops</h2>",
        _table(("loop", "where", "iterations", "backwards", "bytes an iteration: arrays", "tape", "vector code"), rows),
    ]


def _kernels(facts: Sequence[LoopFacts]) -> list[str]:
    if not facts:
        return []
    parts = [
        f'<article><h3 class="l" data-k="{x.place}">{text(x.name)} <small>{text(_at(x))}</small></h3><pre>{text(chr(10).join(x.code))}</pre>'
        f"<p>{text(x.trips)} points, {x.bytes} bytes of arrays a point; vector code: {text(_vectors(x) or 'unknown')}</p></article>"
        for x in facts
    ]
    return ["<h2>Kernels, as loop nests</h2>", f'<div class="cards">{"".join(parts)}</div>']


def _pictures(made: Stages, where: Sequence[str]) -> list[str]:
    if made.lowering is None or not made.lowering.closures:
        return []
    closures = made.lowering.closures[0]
    blocks = picture(closures, made.program.functions, names(made.program, where))
    shown = "".join(f'<div class="code picture">{_lines(Line(line, made.place(site)) for line, site in block)}</div>' for block in blocks)
    return [
        f"<h2>Calls and returns of {text(closures.reverse.name)}</h2>",
        "<p>Down: each operation calls the rest of the program. Up: it returns, and adds to the adjoints.</p>",
        f'<div class="cards">{shown}</div>',
    ]


def _timings(timings: Mapping[str, float], made: Stages) -> str:
    same = (
        "The assembly has the instructions of the code which runs."
        if made.alike
        else "With places LLVM has made other machine code than that which runs."
    )
    steps = ", ".join(f"{k} {v:.3f}" for k, v in sorted(timings.items(), key=lambda kv: -kv[1])[:12])
    return f"<footer><p>{text(same)}</p><p>Seconds: {text(steps)}</p></footer>"
