"""Builds functions while the user's code runs, and can take steps back.

A `Trace` is one run of the tracer: a program in the making and a stack of `Builder`s, one for each function
under construction. A builder appends Lets to its current block. A variable of an enclosing function is
captured: it becomes one more parameter here and one more argument at every call.

`mark` and `rollback` undo everything since a point: loops are traced again when a type turns out wider, and
inlined calls when they turn out to be recursive.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optree

from ..core import errors
from ..core.graph import Atom, Block, Call, Const, Edge, Function, Jump, Let, Program, Site, Terminator, Var
from ..core.types import CONVERT, NUMPY_DTYPES, Type, array_of, behaves_as_array, widened
from ..staging.heap import Heap
from ..staging.reads import Reads

MAX_OPERATIONS = 500_000
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LIBRARY = (
    *(
        os.path.join(_ROOT, part)
        for part in (
            "ir" + os.sep,
            "backends" + os.sep,
            "checks.py",
            "combinators.py",
            "dispatcher.py",
            "jitted.py",
            "pipeline.py",
            "specialisation.py",
            "transforms.py",
        )
    ),
    *(os.path.dirname(module.__file__ or "") + os.sep for module in (np, optree)),
    functools.__file__,
)


@dataclass(eq=False)
class Frame:
    """A place that signals go to: a loop (break, continue) or a function (return). Ends are (block, value)."""

    kind: str
    scope: Any = None
    ends: dict[str, list[tuple[Block, Any]]] = field(default_factory=lambda: {"break": [], "continue": [], "return": []})
    label: str = ""
    staged: bool = False  # a loop in the graph
    since: int = 0  # of a function, a loop: when it began, by the clock of the heap


@dataclass
class Mark:
    blocks: int
    block: Block | None
    lets: int
    ends: list[tuple[list[Any], int]]
    frames: int
    calls: int
    asked: int  # numbers that Python has asked for (concrete.py)


class Builder:
    """One function under construction."""

    def __init__(self, trace: Trace, name: str, parent: Builder | None) -> None:
        self.trace, self.name, self.parent = trace, name, parent
        self.params: list[Var] = []
        self.blocks: list[Block] = []
        self.captures: dict[Var, Var] = {}
        self.made: dict[Var, Let] = {}  # by the operation that makes it
        self.given: dict[Var, Any] = {}  # of the parameters of a function that is called once: the values given
        self.first: dict[Var, Any] = {}  # of one that may be called again: the values of the first call
        self.code: Any = None  # of such a function
        self.frames: list[Frame] = []
        self.calls: list[tuple[Call, Any]] = []  # (call, StagedFunction): arguments for captures are added at the end
        self.closed = False
        self.counter = 0
        self.current: Block | None = self.new_block("entry")

    # ---- names, blocks
    def fresh(self, type: Type, name: str = "v") -> Var:
        self.counter += 1
        return Var(f"{name}{self.counter}", type)

    def parameter(self, type: Type, name: str = "a") -> Var:
        var = self.fresh(type, name)
        self.params.append(var)
        return var

    def new_block(self, name: str) -> Block:
        self.counter += 1
        block = Block(f"{name}{self.counter}" if self.blocks else name)
        self.blocks.append(block)
        return block

    def enter(self, block: Block) -> None:
        self.current = block

    def terminate(self, terminator: Terminator, block: Block | None = None) -> None:
        """End `block` (default: the current one) with `terminator`."""
        target = block or self.current
        assert target is not None
        assert target.terminator is None
        target.terminator = terminator
        if target is self.current:
            self.current = None

    def jump(self, target: Block, args: tuple[Atom, ...] = (), block: Block | None = None) -> None:
        self.terminate(Jump(Edge(target.name, args)), block)

    def emit(self, op: str, args: tuple[Atom, ...], types: tuple[Type, ...], attrs: dict[str, Any] | None = None,
             site: Site | None = None) -> tuple[Var, ...]:  # fmt: skip
        """Append `outs = op(args)`; the outs are new variables of `types`."""
        if self.current is None:
            self.current = self.new_block("dead")
        self.trace.count()
        outs = tuple(self.fresh(t) for t in types)
        let = Let(outs, op, args, attrs or {}, site)
        self.current.lets.append(let)
        for out in outs:
            self.made[out] = let
        return outs

    # ---- values of enclosing functions
    def use(self, atom: Atom, owner: Builder | None) -> Atom:
        """`atom` of `owner` as seen from this function: itself, or a parameter that captures it."""
        if owner is self or isinstance(atom, Const):
            return atom
        if owner is None or not self.inside(owner) or (owner.closed and not self.closed):
            raise errors.EscapedTracerError(
                f"a traced value of `{owner.name if owner else '?'}` is used after its trace has ended. Such values live only "
                "while their function is traced: return the value instead of keeping it in a global, a list or an attribute"
            )
        assert isinstance(atom, Var)
        if atom not in self.captures:
            self.captures[atom] = self.fresh(atom.type, "c")
            self.trace.owners[atom] = owner
        return self.captures[atom]

    def inside(self, owner: Builder) -> bool:
        builder: Builder | None = self
        while builder is not None and builder is not owner:
            builder = builder.parent
        return builder is owner

    # ---- taking steps back
    def mark(self) -> Mark:
        ends = [(lst, len(lst)) for frame in self.frames for lst in frame.ends.values()]
        lets = len(self.current.lets) if self.current else 0
        asked = len(self.trace.numbers.asked) if self.trace.numbers is not None else 0
        return Mark(len(self.blocks), self.current, lets, ends, len(self.frames), len(self.calls), asked)

    def rollback(self, mark: Mark) -> None:
        del self.blocks[mark.blocks :]
        for lst, n in mark.ends:
            del lst[n:]
        del self.frames[mark.frames :]
        del self.calls[mark.calls :]
        if self.trace.numbers is not None:
            for need in list(self.trace.numbers.asked)[mark.asked :]:
                del self.trace.numbers.asked[need]
        self.current = mark.block
        if mark.block is not None:
            del mark.block.lets[mark.lets :]
            mark.block.terminator = None

    def finish(self, results: tuple[Type, ...]) -> Function:
        """The finished function: parameters first, then one parameter for each captured variable."""
        self.closed = True
        for block in self.blocks:
            if block.terminator is None:  # nothing jumps here, or an endless path ends here
                block.terminator = Jump(Edge(block.name, tuple(block.params)))
        function = Function(self.name, [*self.params, *self.captures.values()], {b.name: b for b in self.blocks}, results)
        drop_unreachable(function)
        return function


class Trace:
    """One run of the tracer; with a `program` one that adds functions to it. `optimistic`: sizes that a program combines
    are taken for equal where nothing says that one is 1 (arrays.py)."""

    def __init__(self, program: Program | None = None, optimistic: bool = True) -> None:
        self.functions: dict[str, Function] = program.functions if program is not None else {}
        self.optimistic = optimistic
        self.heap = Heap()  # what has been written into the user's objects
        self.reads = Reads(self.heap)  # what has been found outside
        self.no_growth = 0  # loops that are unrolled rather than that a list grows in them
        self.appends: list[Any] = []  # to lists that grow (growing.Append)
        self.roomy: dict[Var, Frame] = {}  # buffers that have room for all that a loop appends
        self.postponed = 0  # reads of lists that are still empty
        self.numbers: Any = None  # of the arguments, where they may become constants (concrete.Numbers)
        self.conditions: list[Any] = []  # that have been staged
        self.blanks: list[Any] = []  # new arrays that are written before they are read (arrays.Blank)
        self.keys: dict[Var, Any] = {}  # what is known of sizes: equal keys are equal sizes
        self.staged: dict[Any, Any] = {}
        self.active: list[Any] = []
        self.unrolled: dict[Any, Any] = {}  # functions that cannot be staged (functions.Unrolled)
        self.builders: list[Builder] = []
        self.constants: dict[int, tuple[Any, Var]] = {}
        self.captured: list[Any] = []
        self.recipes: list[Any] = program.recipes if program is not None else []
        self.effects = 0  # operations that a second evaluation must not repeat
        self.builders_of: dict[str, Builder] = {}
        self.records: list[tuple[Builder, Any, str]] = []  # (caller, Call or Let, callee)
        self.owners: dict[Var, Builder] = {}  # of captured variables
        self.entries: list[Function] = []
        self.operations = 0
        self.guarding: list[Any] = []  # each `try` whose body is traced (guarded.Guarding)
        self.names: dict[str, int] = {}

    def name(self, base: str) -> str:
        """A function name not used before in this program."""
        base = "".join(c if c.isalnum() or c == "_" else "_" for c in base) or "f"
        while True:
            n = self.names[base] = self.names.get(base, 0) + 1
            new = base if n == 1 else f"{base}.{n}"
            if new not in self.functions:
                return new

    def count(self) -> None:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            raise errors.EndlessTraceError(
                f"the trace has passed {MAX_OPERATIONS:,} operations at {user_site()}: a Python loop or recursion that does not depend "
                "on traced values is being unrolled. Make its condition depend on a traced value, or use range() for its count"
            )

    def constant(self, value: np.ndarray[Any, Any]) -> tuple[Var, Builder]:
        """A captured NumPy array: a hidden parameter of the outermost function."""
        root = self.builders[0]
        entry = self.constants.get(id(value))
        if entry is None:
            dtype = widened(value.dtype)
            if not behaves_as_array(type(value)):
                raise errors.ArgumentTypeError(
                    f"a {type(value).__module__}.{type(value).__qualname__} at {user_site()} cannot be used in compiled code, for its operations are not "
                    "those of a NumPy array: give np.asarray of it if you mean its elements"
                )
            if dtype is None:
                raise errors.ArgumentTypeError(
                    f"an array of dtype {value.dtype} at {user_site()} cannot be used in compiled code: {CONVERT}"
                )
            self.captured.append(value)  # for as long as its id names it
            wide = value if value.dtype == NUMPY_DTYPES[dtype] else value.astype(NUMPY_DTYPES[dtype])
            if wide is not value or not value.flags.c_contiguous:  # a copy is what compiled code reads
                self.reads.array(value)
            entry = self.constants[id(value)] = (wide, root.fresh(array_of(dtype, value.ndim), "k"))
        return entry[1], root

    def register(self, name: str, builder: Builder) -> None:
        self.builders_of[name] = builder

    def record(self, caller: Builder, node: Any, callee: str) -> None:
        """`node` calls `callee`: it will pass what the callee captures, once that is known."""
        self.records.append((caller, node, callee))

    def pass_captures(self) -> None:
        """Give every call the values its callee captures. A caller may come to capture them itself: a fixpoint."""
        live = {id(let) for f in self.all_functions() for b in f.blocks.values() for let in (*b.lets, b.terminator)}
        todo = [[caller, node, self.builders_of[callee], 0] for caller, node, callee in self.records if id(node) in live]
        changed = True
        while changed:
            changed = False
            for item in todo:
                caller, node, callee, done = item
                captured = list(callee.captures)[done:]
                if captured:
                    changed = True
                    item[3] = done + len(captured)
                    at = len(node.args) - getattr(node, "attrs", {}).get("cotangents", 0)
                    atoms = tuple(caller.use(v, self.owners[v]) for v in captured)
                    node.args = (*node.args[:at], *atoms, *node.args[at:])
        for name, builder in self.builders_of.items():
            if name in self.functions:
                self.functions[name].params = [*builder.params, *builder.captures.values()]

    def all_functions(self) -> list[Function]:
        return [*self.functions.values(), *self.entries]

    def program(self, entry: Function) -> Program:
        self.entries.append(entry)
        for blank in self.blanks:
            blank.check()
        self.pass_captures()
        entry.params.extend(var for _, var in self.constants.values())
        constants = [value for value, _ in self.constants.values()]
        return Program({entry.name: entry, **self.functions}, entry.name, constants, self.recipes)

    @contextmanager
    def building(self, name: str) -> Iterator[Builder]:
        builder = Builder(self, self.name(name), self.builders[-1] if self.builders else None)
        self.builders.append(builder)
        try:
            yield builder
        finally:
            self.builders.pop()
            builder.closed = True


class _State(threading.local):
    trace: Trace | None = None
    derived: tuple[Site | None] | None = None  # the place of the operation whose rule runs


_STATE = _State()


def current_trace() -> Trace | None:
    """The trace under way in this thread, if any."""
    return _STATE.trace


def current_builder() -> Builder:
    """The function under construction in this thread."""
    trace = _STATE.trace
    if trace is None or not trace.builders:
        raise errors.EscapedTracerError(
            f"a traced value is used outside of any trace at {user_site()}. Such values live only while their function is traced: return the "
            "value instead of keeping it in a global, a list or an attribute"
        )
    return trace.builders[-1]


@contextmanager
def tracing(program: Program | None = None, optimistic: bool = True) -> Iterator[Trace]:
    """Start a trace in this thread; nested traces are independent."""
    before, _STATE.trace = _STATE.trace, Trace(program, optimistic)
    try:
        yield _STATE.trace
    finally:
        for builder in _STATE.trace.builders:
            builder.closed = True
        _STATE.trace.heap.undo()
        _STATE.trace = before


@contextmanager
def derived_from(site: Site | None) -> Iterator[None]:
    """What is made meanwhile is part of an operation's derivative or program: it fails at that operation's place, whoever
    asks for it and when."""
    before, _STATE.derived = _STATE.derived, (site,)
    try:
        yield
    finally:
        _STATE.derived = before


def user_site(detail: str = "") -> Site:
    """The innermost line of the user's code on the Python stack."""
    if _STATE.derived is not None:
        (site,) = _STATE.derived
        return Site("", 0, "", detail) if site is None else Site(site.filename, site.line, site.function, detail, None, site.origin or site)
    frame = sys._getframe(1)
    while frame is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return Site("?", 0, "?", detail)
    return Site(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, detail)


def is_library(filename: str) -> bool:
    """Is this file part of lantern_jit's own machinery (and not a user's program, or the demo)?"""
    return filename.startswith(_LIBRARY)


Heap.is_library = staticmethod(is_library)


def drop_unreachable(function: Function) -> None:
    """Remove blocks that no path from the entry reaches."""
    from ..core.graph import edges

    seen, work = set(), [function.entry.name]
    while work:
        name = work.pop()
        if name not in seen:
            seen.add(name)
            work.extend(e.block for e in edges(function.blocks[name].terminator))
    function.blocks = {n: b for n, b in function.blocks.items() if n in seen}
