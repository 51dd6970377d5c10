"""Builds functions while the user's code runs, and can take steps back.

A `Trace` is one run of the tracer: a program in the making and a stack of `Builder`s, one for each function
under construction. A builder appends Lets to its current block. A variable of an enclosing function is
captured: it becomes one more parameter here and one more argument at every call.

`mark` and `rollback` undo everything since a point: loops are traced again when a type turns out wider, and
inlined calls when they turn out to be recursive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from . import errors
from .analysis import drop_unreachable
from .dims import Names
from .graph import Atom, Block, Call, Const, Edge, Function, Jump, Let, Program, Site, Terminator, Var
from .op import TABLE, Op, argument_types, literal, result_type
from .port import Port
from .sites import is_located, located_site, user_site
from .types import LANE, Scalar, Type

MAX_OPERATIONS = 500_000


@dataclass(eq=False)
class Frame:
    """A place that signals go to: a loop (break, continue), a function (return) or a `try` whose handlers take these `kinds` of exceptions
    (raise). Ends are (block, value). Or what they pass on their way: a condition, or a `finally`, whose statements `last` runs."""

    kind: str
    scope: Any = None
    ends: dict[str, list[tuple[Block, Any]]] = field(default_factory=lambda: {"break": [], "continue": [], "return": [], "raise": []})
    kinds: tuple[type[BaseException], ...] = ()
    label: str = ""
    staged: bool = False  # a loop in the graph
    since: int = 0  # of a function, a loop: when it began, by the clock of the heap
    viewed: list[Any] = field(default_factory=list)  # of a loop: memory of which it carries copies, where Python has views
    last: Any = None


@dataclass
class Mark:
    blocks: int
    block: Block | None
    lets: int
    ends: list[tuple[list[Any], int]]
    frames: int
    calls: int
    kept: list[tuple[Callable[[Any, Any], None], Any, Any]]  # what upper rooms take back: (how, what they keep, how it was)


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
        self.sites: dict[str, tuple[Site, bool]] | None = None  # if somebody asks: the condition under which a block is come to
        self.frames: list[Frame] = []
        self.calls: list[tuple[Call, Any]] = []  # (call, StagedFunction): arguments for captures are added at the end
        self.closed, self.counter = False, 0
        self.current: Block | None = self.new_block("entry")

    def catcher(self, kind: type[BaseException]) -> Frame | None:
        """The `try` of this function whose handlers take such an exception where the trace is."""
        return next((f for f in reversed(self.frames) if f.kind == "try" and issubclass(kind, f.kinds)), None)

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
        if self.trace.trying and TABLE[op].may_fail:
            tried(self, Let((), op, args, attrs or {}, site))
        if self.current is None:
            self.current = self.new_block("dead")
        self.trace.count()
        outs = tuple(self.fresh(t) for t in types)
        let = Let(outs, op, args, attrs or {}, located_site() if site is None and self.trace.located else site)
        self.current.lets.append(let)
        self.made.update(dict.fromkeys(outs, let))
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
        return self is owner or (self.parent is not None and self.parent.inside(owner))

    # ---- taking steps back
    def mark(self) -> Mark:
        ends = [(lst, len(lst)) for frame in self.frames for lst in frame.ends.values()]
        lets = len(self.current.lets) if self.current else 0
        kept = [(k.undo, it := getattr(self.trace, name), k.mark(it)) for name, k in KEPT.items() if k.mark and k.undo]
        return Mark(len(self.blocks), self.current, lets, ends, len(self.frames), len(self.calls), kept)

    def rollback(self, mark: Mark) -> None:
        del self.blocks[mark.blocks :]
        for lst, n in mark.ends:
            del lst[n:]
        del self.frames[mark.frames :]
        del self.calls[mark.calls :]
        for undo, it, was in mark.kept:
            undo(it, was)
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


class Kept(NamedTuple):
    """Something of an upper room that lives as long as a trace."""

    make: Callable[[Trace], Any]
    check: Callable[[Any], None] | None  # before the program is made
    end: Callable[[Any], None] | None  # when the trace has ended, for whatever reason
    mark: Callable[[Any], Any] | None  # how it is now, for a step back
    undo: Callable[[Any, Any], None] | None  # as it was


KEPT: dict[str, Kept] = {}


def keep(name: str, make: Callable[[Trace], Any], check: Any = None, end: Any = None, mark: Any = None, undo: Any = None) -> None:
    """From now on each trace has this attribute."""
    if name in KEPT:
        raise ValueError(f"a trace keeps {name!r} already")
    KEPT[name] = Kept(make, check, end, mark, undo)


class Trace:
    """One run of the tracer; with a `program` one that adds functions to it. `optimistic`: sizes that a program combines
    are taken for equal where nothing says that one is 1 (arrays.py)."""

    def __init__(self, program: Program | None = None, optimistic: bool = True) -> None:
        self.functions: dict[str, Function] = program.functions if program is not None else {}
        self.optimistic, self.located = optimistic, is_located()
        self.ran_as_python: list[tuple[Site, int, str]] = []  # loops that ran as Python: where, how often, why; only of a trace with places
        self.symbols = program.symbols if program is not None else Names()
        self.sums: dict[Var, tuple[Callable[..., Any], tuple[Atom, ...]]] = {}  # how integers are computed whose dimension follows
        self.builders: list[Builder] = []
        self.constants: dict[int, tuple[Any, Var]] = {}
        self.recipes: list[Any] = program.recipes if program is not None else []
        self.builders_of: dict[str, Builder] = {}
        self.records: list[tuple[Builder, Any, str]] = []  # (caller, Call or Let, callee)
        self.owners: dict[Var, Builder] = {}  # of captured variables
        self.entries: list[Function] = []
        self.operations = self.trying = 0  # so many `try` statements are around
        self.names: dict[str, int] = {}
        for name, kept in KEPT.items():
            setattr(self, name, kept.make(self))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What `keep` has named."""

        def __setattr__(self, name: str, value: Any) -> None: ...

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
        for name, kept in KEPT.items():
            if kept.check is not None:
                kept.check(getattr(self, name))
        self.pass_captures()
        entry.params.extend(var for _, var in self.constants.values())
        constants = [value for value, _ in self.constants.values()]
        return Program(
            {entry.name: entry, **self.functions}, entry.name, constants, self.recipes, symbols=self.symbols, unrolled=self.ran_as_python
        )

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


_STATE = _State()


def current_trace() -> Trace | None:
    """The trace under way in this thread, if any."""
    return _STATE.trace


def building() -> bool:
    """Is a function under construction in this thread?"""
    return _STATE.trace is not None and bool(_STATE.trace.builders)


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
        for name, kept in KEPT.items():
            if kept.end is not None:
                kept.end(getattr(_STATE.trace, name))
        _STATE.trace = before


class GraphValue:
    """An atom, and the function that it is of (None for a constant)."""

    __slots__ = ()
    atom: Any
    builder: Any


class GraphAlgebra:
    """Operations on operands append to the function under construction."""

    @staticmethod
    def bind(op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        builder, operands = current_builder(), [a for a in args if isinstance(a, Operand)]
        if any(a.type in LANE for a in operands):
            args = spread(op, args)
        types = argument_types(op, [a.type if isinstance(a, Operand) else None for a in args])
        atoms = tuple(atom_of(a, t, builder) for a, t in zip(args, types, strict=True))
        out_type = result_type(op, types, attrs)  # type: ignore[arg-type]
        site = user_site() if op.may_fail or op.placed else None
        (out,) = builder.emit(op.name, atoms, (out_type,), attrs, site)
        if op.dim is not None:
            builder.trace.sums[out] = op.dim, atoms
        return type(operands[0])(out, builder, all(a.weak for a in operands))


def spread(op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Beside a block of lanes a number stands in each of them."""
    wides = {k: a.type for k, a in zip(op.signature, args, strict=False) if getattr(a, "type", None) in LANE}
    pairs = zip(op.signature, args, strict=False)
    return tuple(TABLE["convert"](a, to=wides[k]) if k in wides and getattr(a, "type", wides[k]) not in LANE else a for k, a in pairs)


class Operand(GraphValue):
    """A scalar. `weak` ones adapt to the type of others, as Python numbers do."""

    __slots__ = ("atom", "builder", "weak")
    algebra = GraphAlgebra

    def __init__(self, atom: Atom, builder: Builder | None, weak: bool = False) -> None:
        self.atom, self.builder, self.weak = atom, builder, weak

    @property
    def type(self) -> Scalar:
        return self.atom.type  # type: ignore[no-any-return]

    @staticmethod
    def constant(c: Const) -> Operand:
        """A number beside it."""
        return Operand(c, None)


def atom_of(value: Any, t: Type, builder: Builder) -> Atom:
    """`value` (of the graph and of type `t`, or a Python number) as an atom of `builder`'s function."""
    if isinstance(value, GraphValue):
        return builder.use(value.atom, value.builder)
    return Const(literal(value, t), t)


lifted = Port("makes a traced value, of a builder, of an atom")
tried = Port("leaves for a handler, before an operation in a `try` that would raise")
raises_unless = Port(
    "raises an exception that a `try` around handles, if one does, where the condition that a function makes does not hold"
)
