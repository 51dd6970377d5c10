"""Where the time and the memory of a function go, and what to change, in words. Each sentence follows from the graph, or from how it is lowered."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..ir.core.analysis import find_loops
from ..ir.core.graph import Function, Let, Program, Site, Var
from ..ir.core.op import FORWARD, TABLE
from ..ir.core.types import Array, Scalar, carries_gradient, width
from ..ir.ops.memory import COPY
from .loops import LoopFacts, carried, loop_facts, trips
from .report import Explanation, Finding
from .stages import Stages, stages
from .words import Words, names, plain

SMALL = 12  # elements of an array that is kept in registers where its size is known (passes/registers)
SIDE_BY_SIDE = (
    "Where many such loops are independent of each other, lj.vmap over them, or an outer loop around them, takes sixteen side by side"
)
LLVM_SAYS = {
    "unsafe dependent memory operations": ("an iteration reads what one before it has written", SIDE_BY_SIDE),
    "cannot identify array bounds": (
        "where it reads or writes is not known before it runs",
        "Let counters alone decide where it reads and writes, or sort what it reads once, outside of it",
    ),
    "call instruction cannot be vectorized": (
        "it calls a function of a library, which takes one number at a time",
        "The functions of NumPy and of `math` have vector code; of scipy.special some have not",
    ),
}
FEW = 8  # iterations that may be unrolled without a word
REMEDIES = {
    "there are loops in it": "The inner loops keep less than it does: jit(f, checkpoint=\"sqrt\") keeps less of all of it, or put the inner loop into a function under lj.checkpoint",
    "it calls a function": "A function without recursion that is small is part of the loop: write it in place, or put the call under lj.checkpoint",
    "it works on whole arrays": "Write the inner operations element by element, or give jit(f, checkpoint=\"sqrt\"), which keeps the arrays of some iterations alone",
    "it may be left in the middle, by `break` or `return`": "Make its condition that of a `while` statement, or let it run on without effect, and it is replayed from a tape",
    "it carries an array from one iteration to the next": "Write into one array instead of making a new one, or give jit(f, checkpoint=\"sqrt\")",
    "it is a search, whose frames are cheaper than a tape": "Usually that is what one wants; lj.implicit or lj.fixed_point differentiates a solver without its iterations",
    "where it writes depends on more than its counters": "Write at places that the counters of the loops alone decide; under a condition a value that is computed before it, to an "
    "element that is read before it, of an array that the function has made (x = x.copy())",
    'checkpoint="recursion" asks for it': "Leave the option out",
}  # fmt: skip


def explain(name: str, specialisation: Any, family: int, policies: Mapping[str, str], leaves: Sequence[Any]) -> Explanation:
    """`family`: for how many values of its numbers the function has been compiled."""
    found: list[Finding] = []

    def look(done: str, program: Program) -> None:
        if done == "guards":  # forward mode is not expanded yet
            found.extend(_forward_runs(program, specialisation.where))

    made = stages(specialisation, look)
    facts = loop_facts(made, list(specialisation.where), policies)
    known = names(made.program, specialisation.where)
    found += [
        *_recursions(facts),
        *_numbers(specialisation, family),
        *_unrolled(made.program),
        *_copies(made.program, known),
        *_small_arrays(made.program, known, leaves, specialisation.where),
        *_python(made.program),
        *_vectors(made, facts),
    ]
    return Explanation(name, list(dict.fromkeys(found)), _head(name, facts))


def _head(name: str, facts: Sequence[LoopFacts]) -> str:
    loops, kernels = [x for x in facts if not x.code], [x for x in facts if x.code]
    kept = [f"{x.tape} bytes of each iteration of the loop in {_where(x.site)} ({x.trips})" for x in loops if x.tape]
    text = f"`{name}` has {_many(len(loops), 'loop')} and {_many(len(kernels), 'operation')} on whole arrays."
    return text + (f" For the way back it keeps {'; '.join(dict.fromkeys(kept))}." if kept else "")


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _where(site: Site | None) -> str:
    return f"line {site.line}" if site is not None else "a loop of the library's"


# ---- loops
def _recursions(facts: Sequence[LoopFacts]) -> Iterator[Finding]:
    for x in facts:
        if x.policy == "recursion":
            remedy = next((text for why, text in REMEDIES.items() if x.why_policy.startswith(why)), "")
            text = f"this loop ({x.trips}) runs backwards as a recursion, because {x.why_policy}: each iteration keeps a frame on the native stack"
            yield Finding("recursion", x.site, text, remedy)


def _vectors(made: Stages, facts: Sequence[LoopFacts]) -> Iterator[Finding]:
    """Innermost loops that are no vector code, for a reason that can be changed."""
    for x in facts:
        if x.width == 1 and x.loop is not None and x.policy != "recursion":
            f = made.program.functions[x.function]
            why, remedy = (x.why, SIDE_BY_SIDE) if carried(f, x.loop) else _of_llvm(x.said)
            if why and not any(n != x.loop.head and n in x.loop.blocks for n in find_loops(f)):
                yield Finding("sequential", x.site, f"this loop ({x.trips}) is no vector code: {why}", remedy)


def _of_llvm(said: Sequence[str]) -> tuple[str, str]:
    """What LLVM says of a loop, in words, and what to do about it; two empty strings if there is nothing to do."""
    found = [(f"{words} (LLVM says: {x})", remedy) for x in said for key, (words, remedy) in LLVM_SAYS.items() if key in x]
    return found[0] if found else ("", "")


def _python(program: Program) -> Iterator[Finding]:
    for f in program.functions.values():
        inside = {n for loop in find_loops(f).values() for n in loop.blocks}
        for name, b in f.blocks.items():
            for let in b.lets:
                if TABLE[let.op].effect == "host" and name in inside and let.site is not None and not let.site.asked:
                    yield Finding(
                        "python",
                        let.site,
                        "each iteration calls Python, which takes about a microsecond",
                        "Collect in an array what is to be shown, and show it after the loop",
                    )


# ---- what was fixed while tracing
def _numbers(s: Any, family: int) -> Iterator[Finding]:
    for need, n in s.numbers.items():
        text = (
            f"this is compiled for {s.spell(need)} = {n} alone, which Python needs here; each other value compiles again ({family} so far)"
        )
        what = (
            "a `for` over the array, or indices,"
            if need.axis is not None
            else "np.zeros(n), `for i in range(n)` or an operation on whole arrays"
        )
        yield Finding(
            "recompilation",
            s.why.get(need),
            text,
            f"Where Python does not unpack, multiply a list by it or pass it as a plain number, one program serves all: write {what} instead",
        )


def _unrolled(program: Program) -> Iterator[Finding]:
    for site, count, why in program.unrolled:
        if count > FEW:
            text = f"this loop was unrolled while tracing: its {count} iterations are so many copies of its body, because {why}"
            yield Finding(
                "unrolled",
                site,
                text,
                "Loop over a range or an array (np.array(items)), so that it is one loop in the program, which compiles faster",
            )


# ---- forward mode
def _forward_runs(program: Program, where: Sequence[str]) -> Iterator[Finding]:
    known = names(program, where)
    for f in program.functions.values():
        loops, words = find_loops(f), Words(f, known)
        for name, b in f.blocks.items():
            for let in b.lets:
                if TABLE[let.op].calls == FORWARD:
                    yield from _runs(program, f, let, [trips(f, loop, words) for loop in loops.values() if name in loop.blocks])


def _runs(program: Program, f: Function, let: Let, around: Sequence[str]) -> Iterator[Finding]:
    """Of a function with one float result, in several directions of an array, or again and again."""
    callee = program.functions[let.attrs["f"]]
    floats = [t for t in callee.results if carries_gradient(t)]
    tangents = let.args[let.attrs["own"] :]
    wide = max([width(t.type.dtype if isinstance(t.type, Array) else t.type) for t in tangents], default=1)
    arrays = [t for t in tangents if isinstance(t.type, Array)]
    if len(floats) != 1 or not isinstance(floats[0], Scalar) or not arrays or not (around or wide > 1):
        return
    often = f"once for each of {around[-1]} iterations" if around else f"in {wide} directions at once"
    inside = next((x.site for b in callee.blocks.values() for x in b.lets if x.site is not None and x.site.filename), None)
    name = f"`{inside.function}`" if inside is not None else "a function"
    text = f"{name}, which gives one number, is evaluated in forward mode {often}"
    remedy = "If all its derivatives are wanted, lj.grad or lj.jacrev finds them in one evaluation and its way back"
    yield Finding("forward", let.site or inside, text, remedy)


# ---- memory
def _copies(program: Program, known: Mapping[Var, str]) -> Iterator[Finding]:
    """Copies that the passes have made: what is differentiated writes into its arguments."""
    for f in program.functions.values():
        for b in f.blocks.values():
            for let in b.lets:
                if TABLE[let.op] is COPY and let.args[0] in f.params and (let.site is None or let.site.asked):
                    name = known.get(let.args[0], plain(let.args[0]))
                    site = next((x.site for blk in f.blocks.values() for x in blk.lets if let.out in x.args and x.site is not None), None)
                    text = f"`{name}` is copied at each call, because the function writes into it, and a derivative leaves its arguments as they are"
                    yield Finding("copy", site, text, "Write into an array that the function makes, or compute a new one instead")


def _small_arrays(program: Program, known: Mapping[Var, str], leaves: Sequence[Any], where: Sequence[str]) -> Iterator[Finding]:
    """Arrays of few elements that are in memory: their size, or an index of them, is not known."""
    sizes = _sizes(program, leaves)
    for f in program.functions.values():
        inside = {n for loop in find_loops(f).values() for n in loop.blocks}
        for let in (let for n in inside for let in f.blocks[n].lets):
            if TABLE[let.op].allocates and not TABLE[let.op].derivative and let.site is not None and let.site.filename:
                for o in let.outs:
                    found = _small(o.type, sizes)
                    if found is not None and carries_gradient(o.type):
                        yield _in_memory(let.site, *found, where)


def _in_memory(site: Site, elements: int, by: int, where: Sequence[str]) -> Finding:
    text = f"each iteration makes an array of {elements} elements in memory"
    if by >= 0:
        because, remedy = f"that `{where[by]}` has so few is not known to the program", "Unpack it (`a, b, c = x`), which fixes its size"
    else:
        because, remedy = "an index of it, or who else has it, is not known", "Index it by plain numbers"
    return Finding("small array", site, f"{text}: {because}", f"{remedy}: then its elements are numbers in registers")


def _sizes(program: Program, leaves: Sequence[Any]) -> dict[Any, tuple[int, int]]:
    """The symbols in the types of the entry's parameters: how much they are in this call, and of which argument."""
    found: dict[Any, tuple[int, int]] = {}
    for i, (p, x) in enumerate(zip(program.functions[program.entry].params, leaves, strict=False)):
        if isinstance(p.type, Array):
            found.update((d, (n, i)) for d, n in zip(p.type.dims, x.shape, strict=True) if not isinstance(d, int))
    return found


def _small(t: Any, sizes: Mapping[Any, tuple[int, int]]) -> tuple[int, int] | None:
    """(elements, the argument that decides, or -1) of the type of an array that is small in this call."""
    if not isinstance(t, Array) or not t.dims or not all(isinstance(d, int) or d in sizes for d in t.dims):
        return None
    n = math.prod(d if isinstance(d, int) else sizes[d][0] for d in t.dims)
    by = max([-1 if isinstance(d, int) else sizes[d][1] for d in t.dims])
    return (n, by) if 0 < n <= SMALL else None
