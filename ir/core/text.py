"""The graph as text, and back: parse(show(program)) is the same program.

fn f(%a1: f64, %a2: f64[?]) -> (f64) {
entry:
  %v3 = load(%a2, 0:i64) @ "model.py":7 "f"
  %v4 = mul(%a1, %v3)
  %v5 = gt(%v4, 1.0:f64)
  branch %v5 ? then6() : join7(%v4)
...
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from .dims import parse as parse_dim
from .graph import Atom, Block, Branch, Call, Const, Edge, Fail, Function, Jump, Let, Program, Return, Site, Terminator, Var
from .types import BOOL, SCALARS, Array, Scalar, Type, is_float

_TYPE = re.compile(r"(f64|f32|i64|bool|i32)(?:\[([^\]]*)\])?")


# ---- printing
def show(program: Program) -> str:
    """The whole program, the entry first."""
    names = [program.entry, *(n for n in program.functions if n != program.entry)]
    return "\n".join(show_function(program.functions[n]) for n in names)


def show_anywhere(program: Program, names: list[str]) -> str:
    """These functions without what depends on where the source stands: the same text for the same program in another file."""
    return "\n".join(show_function(program.functions[n], sites=False) for n in names)


def show_function(f: Function, sites: bool = True) -> str:
    params = ", ".join(f"{p}: {p.type}" for p in f.params)
    head = f"fn {f.name}({params}) -> ({', '.join(map(str, f.results))}) {{"
    return "\n".join([head, *(line for b in f.blocks.values() for line in show_block(b, sites)), "}", ""])


def show_block(b: Block, sites: bool = True) -> list[str]:
    params = f"({', '.join(f'{p}: {p.type}' for p in b.params)})" if b.params else ""
    return [f"{b.name}{params}:", *(f"  {show_let(let, sites)}" for let in b.lets), f"  {show_terminator(b.terminator, sites)}"]


def show_atom(a: Atom) -> str:
    return repr(a) if isinstance(a, Var) else f"{a.value!r}:{a.type}"


def _atoms(atoms: tuple[Atom, ...]) -> str:
    return ", ".join(map(show_atom, atoms))


def show_let(let: Let, sites: bool = True) -> str:
    outs = ", ".join(f"{o}: {o.type}" for o in let.outs)
    attrs = (
        " {" + ", ".join(f"{k}={v if isinstance(v, (Scalar, Array)) else repr(v)}" for k, v in let.attrs.items()) + "}" if let.attrs else ""
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
        return f"branch {show_atom(t.cond)} ? {_edge(t.then)} : {_edge(t.orelse)}"
    if isinstance(t, Call):
        return f"call {t.function}({_atoms(t.args)}) then {_edge(t.then)}"
    if isinstance(t, Return):
        return f"return {_atoms(t.args)}"
    if isinstance(t, Fail):
        return f"fail {t.kind} {json.dumps(t.message)}{_site(t.site, sites)}"
    return "open"


# ---- parsing
def parse(text: str) -> Program:
    """The program that `show` printed. Raises ValueError at a line it does not understand."""
    functions: dict[str, Function] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip():
            continue
        m = re.fullmatch(r"fn ([\w.]+)\((.*)\) -> \((.*)\) \{", line)
        if not m:
            raise ValueError(f"expected a function: {line!r}")
        body = []
        for inner in lines:
            if inner == "}":
                break
            body.append(inner)
        f = _Parser().function(m, body)
        functions[f.name] = f
    return Program(functions, next(iter(functions)))


class _Parser:
    def __init__(self) -> None:
        self.vars: dict[str, Var] = {}

    def function(self, head: re.Match[str], lines: list[str]) -> Function:
        params = self.declare(head[2])
        results = tuple(_type(m) for m in _TYPE.finditer(head[3]))
        f = Function(head[1], params, {}, results)
        pending: list[tuple[Block, str]] = []
        block = Block("")
        for line in lines:  # bind all variables first: a use may stand before its definition
            if not line.startswith(" "):
                m = re.fullmatch(r"([\w.]+)(?:\((.*)\))?:", line)
                if not m:
                    raise ValueError(f"expected a block: {line!r}")
                block = f.blocks[m[1]] = Block(m[1], self.declare(m[2] or ""))
            else:
                pending.append((block, line.strip()))
                left = re.match(r"(%[^=(]*) = \w", line.strip())
                if left:
                    self.declare(left[1])
        for block, line in pending:
            self.line(block, line)
        return f

    def declare(self, text: str) -> list[Var]:
        out = []
        for m in re.finditer(r"%([\w.]+): (" + _TYPE.pattern + ")", text):
            out.append(self.vars.setdefault(m[1], Var(m[1], _type(_TYPE.match(m[2])))))
        return out

    def line(self, block: Block, line: str) -> None:
        site, line = _parse_site(line)
        if line.startswith("jump "):
            block.terminator = Jump(self.edge(line[5:]))
        elif line.startswith("branch "):
            m = _match(r"branch (\S+) \? (.*\)) : (.*\))", line)
            block.terminator = Branch(self.atom(m[1]), self.edge(m[2]), self.edge(m[3]))
        elif line.startswith("call "):
            m = _match(r"call ([\w.]+)\((.*)\) then (.*)", line)
            block.terminator = Call(m[1], self.atoms(m[2]), self.edge(m[3]))
        elif line == "return" or line.startswith("return "):
            block.terminator = Return(self.atoms(line[7:]))
        elif line.startswith("fail "):
            m = _match(r"fail (\w+) (\".*\")", line)
            block.terminator = Fail(m[1], json.loads(m[2]), site)
        else:
            m = _match(r"(?:(%.*?) = )?(\w+)\((.*?)\)(?: \{(.*)\})?", line)
            block.lets.append(Let(tuple(self.declare(m[1] or "")), m[2], self.atoms(m[3]), _attrs(m[4] or ""), site))

    def edge(self, text: str) -> Edge:
        m = _match(r"([\w.]+)\((.*)\)", text)
        return Edge(m[1], self.atoms(m[2]))

    def atoms(self, text: str) -> tuple[Atom, ...]:
        return tuple(self.atom(a) for a in text.split(", ") if a)

    def atom(self, text: str) -> Atom:
        if text.startswith("%"):
            return self.vars[text[1:]]
        value, _, t = text.rpartition(":")
        kind = SCALARS[t]
        return Const(float(value) if is_float(kind) else value == "True" if kind == BOOL else int(value), kind)


def _match(pattern: str, line: str) -> re.Match[str]:
    m = re.fullmatch(pattern, line)
    if not m:
        raise ValueError(f"cannot parse: {line!r}")
    return m


def _type(m: re.Match[str] | None) -> Type:
    if m is None:
        raise ValueError("expected a type")
    scalar = SCALARS[m[1]]
    if m[2] is None:
        return scalar
    return Array(scalar, tuple(map(parse_dim, _top_level(m[2]))))


def _attrs(text: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for part in _top_level(text):
        name, _, value = part.partition("=")
        out[name] = SCALARS[value] if value in SCALARS else ast.literal_eval(value)
    return out


def _top_level(text: str) -> list[str]:
    """The parts between commas that stand in no brackets or quotes."""
    parts, depth, quoted = [""], 0, False
    for c in text:
        quoted ^= c == "'"
        depth += (c in "([") - (c in ")]") if not quoted else 0
        if c == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts if p.strip()]


def _parse_site(line: str) -> tuple[Site | None, str]:
    string = r"\"(?:[^\"\\]|\\.)*\""
    m = re.search(rf" @ ({string}):(\d+) ({string})(?: ({string}))?$", line)
    if not m:
        return None, line
    return Site(json.loads(m[1]), int(m[2]), json.loads(m[3]), json.loads(m[4]) if m[4] else ""), line[: m.start()]
