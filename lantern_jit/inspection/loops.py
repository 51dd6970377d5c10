"""What there is to know of each loop: how often it runs, how it runs backwards, what it touches, whether it is vector code, and why not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..backends.llvm.build.remarks import reasons, vector_width
from ..ir.core.analysis import Loop, find_loops
from ..ir.core.graph import Branch, Call, Function, Let, Program, Site, Var, edges, used_vars
from ..ir.core.kernel import Access, kernel_of
from ..ir.core.op import TABLE
from ..ir.core.types import Array, is_float
from ..ir.diff.loops.policies import counter_of, inductions_of, is_special, latch_edge
from .stages import Line, Stages
from .words import Words, bytes_of, names, nest, plain


@dataclass
class LoopFacts:
    """`trips` in words; `bytes` of arrays that one iteration reads and writes, `tape` that it keeps for the way back; `width` of its vectors, 1 if it has none, 0 where that is
    not known; `why` it has none, and what LLVM `said`. `code`: a kernel as a loop nest."""

    function: str
    name: str
    site: Site | None
    place: int
    trips: str
    policy: str
    why_policy: str
    bytes: int
    tape: int
    width: int
    why: str
    code: list[str]
    let: Let | None = None
    loop: Loop | None = None
    said: list[str] = field(default_factory=list)


def loop_facts(stages: Stages, where: list[str], policies: Mapping[str, str]) -> list[LoopFacts]:
    """Of all loops and kernels, in the order of the program."""
    program, known = stages.program, names(stages.program, where)
    vectors = widths(stages.panes.get("LLVM", []))
    found = []
    for f in program.functions.values():
        words = Words(f, known, program)
        for head, loop in find_loops(f).items():
            found.append(_loop(stages, f, loop, words, {n: p for n, p in policies.items() if n.endswith(f".{head}")}, vectors))
        for b in f.blocks.values():
            found += [_kernel(stages, program, f, let, words, vectors) for let in b.lets if TABLE[let.op].nest]
    return found


def widths(lines: list[Line]) -> dict[int, int]:
    """The widest vectors of floats among the instructions of each place."""
    found: dict[int, int] = {}
    for line in lines:
        if line.place and (" = " in line.text or " store " in line.text):
            for n in re.findall(r"<(\d+) x (?:double|float)>", line.text):
                found[line.place] = max(found.get(line.place, 1), int(n))
    return found


def _loop(stages: Stages, f: Function, loop: Loop, words: Words, policies: Mapping[str, str], vectors: Mapping[int, int]) -> LoopFacts:
    inner = {n for head, other in find_loops(f).items() if head != loop.head and head in loop.blocks for n in other.blocks}
    lets = [let for n in loop.blocks if n not in inner for let in f.blocks[n].lets]
    sites = [let.site for let in f.blocks[loop.head].lets if let.site] or [let.site for let in lets if let.site]
    touched = [let for let in lets if TABLE[let.op].indexed]
    used = sum(bytes_of(let.args[0].type) for let in touched)
    places = {stages.place(let.site) for let in lets} - {0}
    said = _said(stages, places)
    width = max([vector_width(said), *(vectors.get(p, 1) for p in places)]) if "LLVM" in stages.panes else 0
    policy = ", ".join(sorted(set(policies.values())))
    site = sites[0] if sites else None
    why = "" if width > 1 else why_scalar(f, loop, said)
    return LoopFacts(
        f.name, loop.head, site, stages.place(site), trips(f, loop, words), policy, why_recursion(f, loop) if "recursion" in policy else "",
        used, tape(stages, f, loop.head) if policy not in ("", "recursion") else 0, width, why, [], None, loop, said,
    )  # fmt: skip


def tape(stages: Stages, f: Function, head: str) -> int:
    """The bytes that a replayed loop keeps of an iteration."""
    planned = stages.lowering.planned.items() if stages.lowering is not None else ()
    plans = [plans[head] for key, plans in planned if key[0] == f.name and head in plans]
    return max([sum(bytes_of(t) for _, t in plan.fields) for plan in plans], default=0)


def trips(f: Function, loop: Loop, words: Words) -> str:
    """How often it runs, if it counts."""
    found = counter_of(f, loop)
    if found is None:
        return "until its condition fails"
    counter, limit = found
    at = f.blocks[loop.head].params.index(counter)
    starts = [e.args[at] for b in f.blocks.values() if b.name not in loop.blocks for e in edges(b.terminator) if e.block == loop.head]
    start = words.atom(starts[0]) if len(starts) == 1 else "0"
    most = "at most " if exits(f, loop) > 1 else ""
    end = _length(words.atom(limit))
    if start.isdigit() and end.isdigit():
        return f"{most}{max(int(end) - int(start), 0)}"
    return most + (end if start == "0" else f"{end} - {start}")


def _length(text: str) -> str:
    """A range's length, which is never below 0 anyway."""
    inner = re.fullmatch(r"imax\((.*), 0\)", text)
    return (inner.group(1) if inner else text).replace(" + -", " - ")


def exits(f: Function, loop: Loop) -> int:
    """How many ways lead out of it."""
    return sum(e.block not in loop.blocks for n in loop.blocks for e in edges(f.blocks[n].terminator))


def carried(f: Function, loop: Loop) -> list[Var]:
    """The floats that an iteration needs of the one before, but for sums."""
    head, made = f.blocks[loop.head], {o: let for n in loop.blocks for let in f.blocks[n].lets for o in let.outs}
    counters = inductions_of(f, loop) if len(loop.latches) == 1 else {}
    uses = [a for n in loop.blocks for a in used_vars(f.blocks[n])]
    found = []
    for p, a in zip(head.params, latch_edge(f, loop).args if len(loop.latches) == 1 else (), strict=False):
        let = made.get(a) if isinstance(a, Var) else None
        is_sum = let is not None and TABLE[let.op].sums and p in let.args and uses.count(p) == 1
        if p not in counters and not isinstance(p.type, Array) and is_float(p.type) and a is not p and not is_sum:
            found.append(p)
    return found


def why_scalar(f: Function, loop: Loop, said: Sequence[str]) -> str:
    """Why a loop is no vector code, as far as its graph shows; else what LLVM said."""
    blocks = [f.blocks[n] for n in loop.blocks]
    calls = [b.terminator.function for b in blocks if isinstance(b.terminator, Call)]
    if calls:
        return f"it calls `{calls[0]}`"
    if any(n != loop.head and n in loop.blocks for n in find_loops(f)):
        return "there are loops in it"
    if exits(f, loop) > 1:
        return "it may be left in the middle"
    if counter_of(f, loop) is None:
        return "nobody knows before how often it runs"
    needed = carried(f, loop)
    if needed:
        return f"each iteration needs {', '.join(f'`{plain(v)}`' for v in needed)} of the one before"
    sums = [p for p in f.blocks[loop.head].params if not isinstance(p.type, Array) and is_float(p.type)]
    if sums:
        return f"the sum {', '.join(f'`{plain(v)}`' for v in sums)} is taken in the order of the program"
    return _llvm(said)


def why_recursion(f: Function, loop: Loop) -> str:
    """Why the way back of a loop is a recursion: what a replay cannot do (diff/loops/policies.py)."""
    blocks = [f.blocks[n] for n in loop.blocks]
    if any(n != loop.head and n in loop.blocks for n in find_loops(f)):
        return "there are loops in it"
    if any(isinstance(b.terminator, Call) for b in blocks):
        return "it calls a function"
    if exits(f, loop) > 1 or not isinstance(f.blocks[loop.head].terminator, Branch):
        return "it may be left in the middle, by `break` or `return`"
    whole = [let for b in blocks for let in b.lets if is_special(let)]
    if whole:
        return f"it works on whole arrays ({whole[0].op})"
    if any(isinstance(p.type, Array) for b in blocks for p in b.params):
        return "it carries an array from one iteration to the next"
    if counter_of(f, loop) is None:
        return "it is a search, whose frames are cheaper than a tape"
    if any(TABLE[let.op].indexed and TABLE[let.op].writes for b in blocks for let in b.lets):
        return "where it writes depends on more than its counters"
    return 'checkpoint="recursion" asks for it'


def _kernel(stages: Stages, program: Program, f: Function, let: Let, words: Words, vectors: Mapping[int, int]) -> LoopFacts:
    k = kernel_of(let)
    body = program.functions[k.f]
    bases = [x.base.type for x in k.inputs if isinstance(x, Access)]
    bases += [r.into.base.type for r in k.results if r.into is not None] + [r.out.type for r in k.results if r.out is not None]
    used = sum(bytes_of(t) for t in bases if isinstance(t, Array))
    places = {stages.place(x.site) for x in (let, *body.entry.lets)} - {0}
    said = _said(stages, places)
    width = max([vector_width(said), *(vectors.get(p, 1) for p in places)]) if "LLVM" in stages.panes else 0
    why = "" if width > 1 else _why_scalar_kernel(let, said)
    space = " * ".join(words.atom(n) for n in k.sizes) or "1"
    return LoopFacts(
        f.name, k.f, let.site, stages.place(let.site), space, "kernel", "", used, 0, width, why, nest(program, let, words), let, None, said
    )  # fmt: skip


def _why_scalar_kernel(let: Let, said: Sequence[str]) -> str:
    k = kernel_of(let)
    if let.attrs.get("fails"):
        return "it may fail"
    if any(r.kind == "ordered" for r in k.results):
        return "its sum is taken in the order of the program"
    if not said and not any(isinstance(n, Var) for n in k.sizes):
        return "it is so small that it is written out"
    return _llvm(said)


# ---- what LLVM says
def _said(stages: Stages, places: set[int]) -> list[str]:
    """Of the loops of these places."""
    return reasons([x for p in sorted(places) for x in stages.said.get(p, ())])


def _llvm(said: Sequence[str]) -> str:
    return f"LLVM says: {'; '.join(said)}" if said else "LLVM has found no loop here, or no profit"
