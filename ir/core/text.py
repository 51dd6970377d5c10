"""The graph as text; parse.py reads it: parse(show(program)) is the same program.

fn f(%a1: f64, %a2: f64[?]) -> (f64) {
entry:
  %v3 = load(%a2, 0:i64) @ "model.py":7 "f"
  %v4 = mul(%a1, %v3)
  %v5 = gt(%v4, 1.0:f64)
  branch %v5 ? then6() : join7(%v4)
...

What is no text: large arrays that the program has captured, what `host` operations have Python do, exceptions of the user's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from .graph import Atom, Block, Branch, Call, Edge, Fail, Function, Jump, Let, Program, Return, Shift, Site, Terminator, Var
from .types import CODE, FROM_NUMPY, PTR, Array, Scalar, Struct

MOST_ELEMENTS = 64  # of a captured array that is spelled
KEEPS = "the entry keeps its arguments"
READ_ONLY = "the entry cannot write to "
PIECES = "the entry has its loops cut into pieces of "
THREADS = "the entry has its loops run by threads: "
NANS = "the entry raises where a NaN appears"


def show(program: Program) -> str:
    """The whole program: what is to know of the entry's arguments, the functions, the entry first, and the captured arrays."""
    head = f"{KEEPS}\n" if program.keeps else ""
    if program.read_only:
        head += f"{READ_ONLY}{', '.join(map(str, program.read_only))}\n"
    if program.pieces is not None:
        head += f"{PIECES}{program.pieces!r}\n"
    if program.threads > 1:
        head += f"{THREADS}{program.threads}\n"
    head += f"{NANS}\n" if program.nans else ""
    names = [program.entry, *(n for n in program.functions if n != program.entry)]
    types = show_types(program.functions.values())
    head += f"{types}\n" if types else ""
    text = head + "\n".join(show_function(program.functions[n]) for n in names)
    return "\n".join([text, *map(_constant, program.constants), ""]) if program.constants else text


def _constant(x: Any) -> str:
    t = Array(FROM_NUMPY[x.dtype], x.shape)
    return f"constant {t} = {x.tolist()!r}" if x.size <= MOST_ELEMENTS else f"constant {t}"


def show_types(functions: Iterable[Function]) -> str:
    """The types of memory that functions speak of, each after those of its fields."""
    found: dict[str, Struct] = {}

    def add(of: Any) -> None:
        if isinstance(of, Struct) and not of.is_pair and of.name not in found:
            for _, t in of.fields:
                add(t)
            found[of.name] = of

    for f in functions:
        for b in f.blocks.values():
            for of in (let.attrs.get("of") for let in b.lets):
                add(of)
    return "".join(f"type {s.name} = {{{', '.join(f'{n}: {t}' for n, t in s.fields)}}}\n" for s in found.values())


def show_anywhere(program: Program, names: list[str]) -> str:
    """These functions without what depends on where the source stands: the same text for the same program in another file."""
    return "\n".join(show_function(program.functions[n], sites=False) for n in names)


def show_function(f: Function, sites: bool = True) -> str:
    params = ", ".join(f"{p}: {p.type}" for p in f.params)
    marks = (f" of {f.tag}" if f.tag else "") + (f" inline={f.inline}" if f.inline else "")
    marks += f" parts={f.parts!r}" if f.parts else ""
    head = f"fn {f.name}({params}) -> ({', '.join(map(str, f.results))}){marks} {{"
    return "\n".join([head, *(line for b in f.blocks.values() for line in show_block(b, sites)), "}", ""])


def placed_lines(program: Program) -> Iterator[tuple[str, Site | None]]:
    """The functions of a program line by line without places, and the place of each; the end of a block is where its last operation is."""
    names = [program.entry, *(n for n in program.functions if n != program.entry)]
    for f in (program.functions[n] for n in names):
        yield show_function(Function(f.name, f.params, {}, f.results, f.tag, f.inline, f.parts)).split("\n")[0], None
        for b in f.blocks.values():
            label, *lets, end = show_block(b, sites=False)
            yield label, None
            site = None
            for text, let in zip(lets, b.lets, strict=True):
                site = let.site or site
                yield text.removesuffix(" @"), let.site
            yield end.removesuffix(" @"), site
        yield from (("}", None), ("", None))


def show_block(b: Block, sites: bool = True) -> list[str]:
    params = f"({', '.join(f'{p}: {p.type}' for p in b.params)})" if b.params else ""
    return [f"{b.name}{params}:", *(f"  {show_let(let, sites)}" for let in b.lets), f"  {show_terminator(b.terminator, sites)}"]


def show_atom(a: Atom) -> str:
    if isinstance(a, Var):
        return repr(a)
    return f"@{a.value}" if a.type == CODE else "null" if a.type == PTR else f"{a.value!r}:{a.type}"


def _atoms(atoms: tuple[Atom, ...]) -> str:
    return ", ".join(map(show_atom, atoms))


def show_let(let: Let, sites: bool = True) -> str:
    outs = ", ".join(f"{o}: {o.type}" for o in let.outs)
    given = let.attrs | {"contract": True} if let.contract else let.attrs
    attrs = (
        " {" + ", ".join(f"{k}={v if isinstance(v, (Scalar, Array, Struct)) else repr(v)}" for k, v in given.items()) + "}" if given else ""
    )
    return f"{outs + ' = ' if outs else ''}{let.op}({_atoms(let.args)}){attrs}{_site(let.site, sites)}"


def _site(site: Site | None, whole: bool) -> str:
    if site is None:
        return ""
    if not whole:
        return " @"
    detail = f" {json.dumps(site.detail)}" if site.detail else ""
    return f" @ {json.dumps(site.filename)}:{site.line} {json.dumps(site.function)}{detail}"


def _edge(e: Edge) -> str:
    return f"{e.block}({_atoms(e.args)})"


def show_terminator(t: Terminator | None, sites: bool = True) -> str:
    if isinstance(t, Jump):
        return f"jump {_edge(t.edge)}"
    if isinstance(t, Branch):
        return f"branch {show_atom(t.cond)} ? {_edge(t.then)} : {_edge(t.orelse)}{' rare' if t.rare else ''}"
    if isinstance(t, Shift):
        return f"shift {t.function}({_atoms(t.args)}) of {t.tag} as {t.k} then {_edge(t.then)}{_site(t.site, sites)}"
    if isinstance(t, Call):
        return f"call {t.function}({_atoms(t.args)}) then {_edge(t.then)}"
    if isinstance(t, Return):
        return f"return {_atoms(t.args)}"
    if isinstance(t, Fail):
        return f"fail {t.kind} {json.dumps(t.message)}{_site(t.site, sites)}"
    return "open"
