"""Graphs in the user's words: variables by their names, sizes by their arrays, expressions as they are written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..ir.core.graph import Atom, Call, Const, Function, Let, Program, Var
from ..ir.core.kernel import Access, Gather, Index, Kernel, Same, kernel_of
from ..ir.core.op import TABLE
from ..ir.core.types import Array, element
from ..ir.passes.nans.spans import assigned

SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "iadd": "+", "isub": "-", "imul": "*", "lt": "<", "gt": ">", "le": "<=", "ge": ">=",
         "ilt": "<", "igt": ">", "ile": "<=", "ige": ">=", "ifloordiv": "//", "imod": "%", "and": "and", "or": "or"}  # fmt: skip
BYTES = {"f64": 8, "f32": 4, "i64": 8, "i32": 4, "bool": 1}


def plain(v: Var) -> str:
    """The name of a variable without the numbers that tell it from others; of what has no name the whole."""
    found = re.sub(r"(\.n?\d+|\d+)+$", "", v.name)
    return v.name if found.split(".")[-1] in ("", "a", "v", "e", "new") else found.removeprefix("t.")


def names(program: Program, where: Sequence[str]) -> dict[Var, str]:
    """The user's names of the parameters of all functions: `where` are those of the entry's."""
    entry = program.functions[program.entry]
    found: dict[Var, str] = dict(zip(entry.params, where, strict=False))
    work = [entry.name]
    seen = set(work)
    while work:
        f = program.functions[work.pop()]
        for b in f.blocks.values():
            calls = [(let.attrs["f"], let.args) for let in b.lets if TABLE[let.op].calls and not TABLE[let.op].nest and "f" in let.attrs]
            calls += [(b.terminator.function, b.terminator.args)] if isinstance(b.terminator, Call) else []
            for name, args in calls:
                if name in program.functions and name not in seen:
                    seen.add(name)
                    work.append(name)
                    for p, a in zip(program.functions[name].params, args, strict=False):
                        if isinstance(a, Var):
                            found.setdefault(p, found.get(a, plain(a)))
    return found


class Words:
    """What the variables of one function are called. What a function of a way back is given has the names of the function that it is of."""

    def __init__(self, f: Function, known: Mapping[Var, str], program: Program | None = None) -> None:
        self.known = dict(known)
        for g in program.functions.values() if program is not None else ():
            if f.name.startswith(f"{g.name}."):
                names = {p.name: known[p] for p in g.params if p in known}
                self.known |= {p: names[p.name] for p in f.params if p.name in names and p not in known}
                self.known |= {p: f"d{names[p.name[2:]]}" for p in f.params if p.name.startswith("d.") and p.name[2:] in names}
        self.made: dict[Var, Let] = {o: let for b in f.blocks.values() for let in b.lets for o in let.outs}

    def atom(self, a: Atom, depth: int = 4) -> str:
        """A number, an argument's name, a size, or the expression that it is."""
        if isinstance(a, Const):
            return number(a.value)
        if a in self.known:
            return self.known[a]
        let = self.made.get(a)
        if let is None or depth == 0:
            return plain(a)
        if TABLE[let.op].measures:
            base = self.atom(let.args[0], 1)
            return f"len({base})" if let.attrs["axis"] == 0 else f"{base}.shape[{let.attrs['axis']}]"
        if TABLE[let.op].scalar and let.args:
            return spelled(let.op, [self.atom(x, depth - 1) for x in let.args], let.attrs)
        return plain(a)


def number(x: Any) -> str:
    return f"{x:g}" if isinstance(x, float) and math.isfinite(x) else repr(x)


def spelled(op: str, args: Sequence[str], attrs: Mapping[str, Any]) -> str:
    """An operation of numbers as Python writes it."""
    if op in SIGNS and len(args) == 2:
        return f"{_bracketed(args[0])} {SIGNS[op]} {_bracketed(args[1])}"
    if op == "neg":
        return f"-{_bracketed(args[0])}"
    if op == "powi":
        return f"{_bracketed(args[0])}**{attrs['n']}"
    if op in ("gate", "carried", "sound", "convert"):  # they are one of their arguments
        return args[1] if op == "gate" else args[0]
    if op == "select":
        return f"({args[1]} if {args[0]} else {args[2]})"
    return f"{op}({', '.join(args)})"


def _bracketed(x: str) -> str:
    return f"({x})" if " " in x and not x.endswith(")") else x


# ---- kernels as loop nests
def nest(program: Program, let: Let, words: Words) -> list[str]:
    """A kernel as the loops that it is."""
    k = kernel_of(let)
    body = program.functions[k.f]
    indices = [chr(ord("i") + q) for q in range(len(k.sizes))]
    env: dict[Var, str] = {}
    for x, p in zip(k.inputs, body.params, strict=True):
        env[p] = _input(x, k, indices, words, env, body)
    lines: list[str] = []
    uses = [a for each in body.entry.lets for a in each.args] + list(body.returned)
    for each in body.entry.lets:
        text = spelled(each.op, [env[a] if isinstance(a, Var) else number(a.value) for a in each.args], each.attrs)
        if uses.count(each.out) > 1 and len(text) > 6:
            lines.append(f"{each.out.name} = {text}")
            text = each.out.name
        env[each.out] = text
    for r, a in zip(k.results, body.returned, strict=True):
        value = env[a] if isinstance(a, Var) else number(a.value)
        if r.kind != "drop":
            gathered = env[body.params[r.at.place]] if r.at is not None else ""
            lines.append(_result(r, value, k, indices, words, gathered))
    loops = [f"{'    ' * q}for {i} in range({words.atom(n)}):" for q, (i, n) in enumerate(zip(indices, k.sizes, strict=True))]
    return [*loops, *(f"{'    ' * len(indices)}{line}" for line in lines)]


def _index(x: Access, indices: Sequence[str], words: Words) -> str:
    parts = []
    for s, t, q in zip(x.starts, x.steps, x.axes, strict=True):
        start, step = words.atom(s), words.atom(t)
        moving = "" if q < 0 or step == "0" else indices[q] if step == "1" else f"{step} * {indices[q]}"
        parts.append(start if not moving else moving if start == "0" else f"{start} + {moving}")
    return ", ".join(parts)


def _input(x: Any, k: Kernel, indices: Sequence[str], words: Words, env: Mapping[Var, str], body: Function) -> str:
    if isinstance(x, Access):
        return f"{words.atom(x.base, 1)}[{_index(x, indices, words)}]"
    if isinstance(x, Gather):
        return f"{words.atom(x.base, 1)}[{env[body.params[x.place]]}]"
    return words.atom(x.atom) if isinstance(x, Same) else indices[x.axis] if isinstance(x, Index) else "?"


def _result(r: Any, value: str, k: Kernel, indices: Sequence[str], words: Words, gathered: str) -> str:
    if r.at is not None:
        return f"{words.atom(r.at.base, 1)}[{gathered}] += {value}"
    if r.into is not None:
        sign = "+=" if r.kind == "add" else "="
        return f"{words.atom(r.into.base, 1)}[{_index(r.into, indices, words)}] {sign} {value}"
    variable = assigned(k.site) if k.site is not None and k.site.filename else ""
    out = "?" if r.out is None else words.known.get(r.out) or (variable if variable.isidentifier() else plain(r.out))
    kept = indices if r.kind == "map" else [indices[q] for q in r.axes]
    to = f"{out}[{', '.join(kept)}]" if kept else out
    if r.kind == "map":
        return f"{to} = {value}"
    if r.kind in ("sum", "ordered"):
        return f"{to} += {value}" + ("   # in this order" if r.kind == "ordered" else "")
    return f"{to} = {r.kind.removesuffix('most').removesuffix('least') if r.kind.startswith('arg') else r.kind}({to}, {value})"


def bytes_of(t: Any) -> int:
    """Of a number, or of an element of an array."""
    return BYTES.get(str(element(t.dtype if isinstance(t, Array) else t)), 8)
