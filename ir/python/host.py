"""Effects that need Python while compiled code runs: printing, logging, exceptions made of values.

    print("step", i, y)                  host(%i, %y) {recipe=0}              recipe 0: print("step", <0: int>, <1: float64>)
    z = lj.callback(f, float, y)         %z = callback(%y) {recipe=1}         recipe 1: f(<0: float64>) -> f64

The operation's arguments are the traced values in the call; its `Recipe`, which is kept beside the program, is the rest.
Whoever runs the program gives the values to `perform`, which calls Python's own function with them: what it prints, raises
or returns is what plain Python would. An operation runs once for each time that the program's line does: where a derivative
evaluates a function again, `mark`, `again` and `done` bracket that, and meanwhile printing is silent and generators
(random.py) repeat what they drew.
"""

from __future__ import annotations

import enum
import io
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import building, current_builder, keep
from ..core.graph import Atom, Program
from ..core.sites import is_library, is_stepping, user_site
from ..core.types import BOOL, I64, NUMPY_DTYPES, Array, Type
from ..objects.structure import is_object, leaves_of
from ..ops.effects import AGAIN, DONE, MARK
from ..staging.leaves import Undefined
from ..staging.optional import returned
from ..staging.paths import open_block
from ..values import pytree
from ..values.values import Arrayed, Traced, is_traced
from ..values.views import contiguous, settled
from .strings import shown

keep("effects", lambda trace: 0)  # operations that a second evaluation must not repeat


# ---- one call of a program
@dataclass
class Running:
    """A call under way: its generators, and what it has to remember of them. `silent` counts evaluations that repeat an earlier one;
    `heard` is what Python's functions have given since the first mark, of which such an evaluation has come to `place`."""

    generators: list[Any] = field(default_factory=list)
    handle: Callable[[Any], int] | None = None  # what compiled code knows a generator by; None: its place among them
    silent: int = 0
    marks: list[Any] = field(default_factory=list)
    waiting: list[Any] = field(default_factory=list)
    heard: list[Any] = field(default_factory=list)
    place: int = 0
    bars: dict[int, Any] = field(default_factory=dict)  # that show how far its loops are

    def hold(self, generator: Any) -> int:
        """What the program knows this further generator by."""
        self.generators.append(generator)
        return len(self.generators) - 1 if self.handle is None else self.handle(generator)

    def moment(self) -> Any:
        return [g.bit_generator.state for g in self.generators], self.place

    def restore(self, moment: Any) -> None:
        states, self.place = moment
        for g, state in zip(self.generators, states, strict=False):
            g.bit_generator.state = state

    def mark(self) -> int:
        """A number for this moment, to come back to."""
        self.marks.append(self.moment())
        return len(self.marks) - 1

    def again(self, mark: int) -> None:
        """What ran since the mark runs again."""
        self.silent += 1
        self.waiting.append(self.moment())
        self.restore(self.marks[mark])

    def done(self) -> None:
        self.silent -= 1
        self.restore(self.waiting.pop())

    def hear(self, ask: Callable[[], Any]) -> Any:
        """What a function of Python's gives: what it gave, where this call repeats an earlier one of the same program's run."""
        if self.silent and self.place < len(self.heard):
            found = self.heard[self.place]
        else:
            found = ask()
            if not self.marks:
                return found
            self.heard.append(found)
        self.place += 1
        return found


class _Here(threading.local):
    running: Running | None = None
    heard: list[Any] | None = None


_HERE = _Here()


def running() -> Running:
    """The call that is under way in this thread."""
    if _HERE.running is None:
        _HERE.running = Running()
    return _HERE.running


@contextmanager
def call(this: Running) -> Iterator[Running]:
    """`this` is the call under way."""
    before, _HERE.running = _HERE.running, this
    try:
        yield this
    finally:
        _HERE.running = before
        for bar in this.bars.values():
            bar.close()


def begun(generators: list[Any], handle: Callable[[Any], int] | None = None) -> Running:
    """For a call that begins in this thread."""
    heard, _HERE.heard = _HERE.heard, None
    return Running(generators, handle, heard=[] if heard is None else heard)


@contextmanager
def hearing(heard: list[Any]) -> Iterator[None]:
    """The call that begins meanwhile hears this where it repeats an earlier one, and adds to it."""
    before, _HERE.heard = _HERE.heard, heard
    try:
        yield
    finally:
        _HERE.heard = before


# ---- recipes
@dataclass(frozen=True)
class _Hole:
    """The place of a run-time value in a recipe, and what makes it the object that it is in plain Python."""

    index: int
    convert: Callable[[Any], Any]


@dataclass(eq=False)
class Recipe:
    """A call of a Python function, with holes for run-time values of `types`. `repeats`: also where it repeats an earlier one.
    `gives`: the types of its results, of which `checked` makes what the program takes, given the sizes of arrays. `inside`: the action
    is about the program's run; it is `anew` where that is evaluated again, instead of what it has given before. The call `pauses` after it."""

    action: Callable[..., Any]
    leaves: list[Any]
    tree: Any
    types: list[Type]
    repeats: bool
    gives: tuple[Type, ...] = ()
    checked: Callable[[Any, Sequence[int]], list[Any]] | None = None
    inside: bool = False
    anew: bool = False
    pauses: bool = False

    def run(self, values: Sequence[Any]) -> list[Any]:
        now = running()
        if self.checked is not None:
            return self.ask(values) if self.anew else now.hear(lambda: self.ask(values))
        if self.repeats or not now.silent:
            self.ask(values)
        return []

    def ask(self, values: Sequence[Any]) -> list[Any]:
        """Call it. What runs meanwhile is no part of the program's run."""
        filled = [x.convert(values[x.index]) if type(x) is _Hole else x for x in self.leaves]
        args, kwargs = pytree.unflatten(self.tree, filled)
        before = _HERE.running
        _HERE.running, _HERE.heard = before if self.inside else None, None
        try:
            found = self.action(*args, **kwargs)
        finally:
            _HERE.running = before
        sizes = sum(t.rank for t in self.gives if isinstance(t, Array))
        return [] if self.checked is None else self.checked(found, [int(n) for n in values[len(values) - sizes :]])


def _python(t: Type, weak: bool) -> Callable[[Any], Any]:
    """What makes a run-time value the object that it is in plain Python."""
    if isinstance(t, Array):
        return lambda x: x
    if weak:
        return bool if t == BOOL else int if t == I64 else float
    return NUMPY_DTYPES[t].type


class Paused(Exception):
    """A call has come to a recipe that `pauses`, in compiled code: args[0], which belongs to the back end, is what is left of it."""


def perform(program: Program, index: int, values: Sequence[Any]) -> list[Any]:
    """Run a recipe of the program; its results."""
    if index >= 0:
        return program.recipes[index].run(values)  # type: ignore[no-any-return]
    if index == MARK:
        return [np.int64(running().mark())]
    if index == AGAIN:
        running().again(int(values[0]))
    else:
        running().done()
    return []


def at_run_time(action: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], repeats: bool = False) -> None:
    """Add the call `action(*args, **kwargs)` to the program under construction."""
    made = recipe(action, args, kwargs, repeats)
    current_builder().emit("host", *made, user_site())


def recipe(
    action: Callable[..., Any],
    args: Any,
    kwargs: Any,
    repeats: bool = False,
    sizes: Sequence[Atom] = (),
    gives: Any = (),
    checked: Any = None,
    inside: bool = False,
    anew: bool = False,
    pauses: bool = False,
) -> tuple[tuple[Atom, ...], tuple[Type, ...], dict[str, Any]]:
    """A recipe of that call; the arguments, types of results and attributes of the operation that runs it."""
    builder = current_builder()
    leaves, tree = pytree.flatten(settled(returned((args, kwargs))))
    atoms: list[Any] = []
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, Undefined):
            leaf._raise()
        if is_object(leaf) and any(map(is_traced, leaves_of(leaf))):
            raise errors.UnsupportedOperationError(
                f"a {type(leaf).__qualname__} with traced values inside of a container, which {action.__name__} at {user_site()} would show, is not "
                "supported: show the object by itself, or its values"
            )
        if isinstance(leaf, (Traced, Arrayed)):
            leaf = contiguous(leaf) if isinstance(leaf, Arrayed) else leaf
            leaves[i] = _Hole(len(atoms), _python(leaf.type, isinstance(leaf, Traced) and leaf.weak))
            atoms.append(builder.use(leaf.atom, leaf.builder))
    open_block()
    recipes = builder.trace.recipes
    builder.trace.effects += not repeats
    atoms += sizes
    recipes.append(Recipe(action, leaves, tree, [a.type for a in atoms], repeats, gives, checked, inside, anew, pauses))
    return tuple(atoms), gives, {"recipe": len(recipes) - 1}


# ---- evaluations that repeat an earlier one


def evaluated(run: Callable[[], Any], again: bool = False) -> tuple[Any, Any]:
    """run(), and the moment before it, for `repeating`: None if nothing in this trace has effects. `again`: an earlier call
    has had its effects."""
    builder, block = current_builder(), open_block()
    (out,) = builder.emit("host", (), (I64,), {"recipe": MARK})
    if again:
        builder.emit("host", (out,), (), {"recipe": AGAIN})
    made = block.lets[-1 - again :]
    value = run()
    if builder.trace.effects:
        if again:
            builder.emit("host", (), (), {"recipe": DONE})
        return value, Traced(out, builder)
    block.lets = [let for let in block.lets if let not in made]
    return value, None


@contextmanager
def repeating(moment: Any) -> Iterator[None]:
    """What is added meanwhile evaluates again what ran since that moment."""
    if moment is None:
        yield
        return
    builder = current_builder()
    builder.emit("host", (builder.use(moment.atom, moment.builder),), (), {"recipe": AGAIN})
    yield
    current_builder().emit("host", (), (), {"recipe": DONE})


# ---- what rewritten code calls
def print_(*args: Any, sep: Any = " ", end: Any = "\n", file: Any = None, flush: Any = False) -> None:
    """Python's print: at once, or whenever the program gets here."""
    if not building():
        print(*args, sep=sep, end=end, file=file, flush=flush)
        return
    for x in (*args, sep, end):
        _refuse_placeholder(x)
    at_run_time(_print, tuple(map(shown, args)), {"sep": sep, "end": end, "file": _Stream.of(file), "flush": flush})


class _Stream(enum.Enum):
    """sys.stdout or sys.stderr, whatever it is then."""

    STDOUT = "stdout"
    STDERR = "stderr"

    @classmethod
    def of(cls, file: Any) -> Any:
        """A file, or what stands for it."""
        return next((s for s in cls if file is not None and file is getattr(sys, s.value)), file)


def _print(*args: Any, file: Any, **kwargs: Any) -> None:
    print(*args, file=_now(file), **kwargs)


def _now(file: Any) -> Any:
    return getattr(sys, file.value) if type(file) is _Stream else file


def _refuse_placeholder(x: Any) -> None:
    """Text that code out of reach has made of a traced value says nothing."""
    if type(x) is str and "<traced " in x:
        raise errors.UnsupportedOperationError(
            f"print at {user_site()} is given text that was made of a traced value where the function's source is not available: print the value itself"
        )


_LOGGING = {"debug", "info", "warning", "warn", "error", "critical", "fatal", "exception", "log"}


def is_effect(function: Any) -> bool:
    """Is this a function of Python's that compiled code calls each time it gets here?"""
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if isinstance(owner, (logging.Logger, logging.LoggerAdapter)) or (owner is None and getattr(function, "__module__", "") == "logging"):
        return name in _LOGGING
    if isinstance(owner, io.IOBase):
        return name in ("write", "writelines", "flush")
    return function is time.sleep or function is warnings.warn


def later(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A call of such a function."""
    owner = _Stream.of(getattr(function, "__self__", None))
    if type(owner) is _Stream:
        at_run_time(_write, (owner, function.__name__, *map(shown, args)), {})
    else:
        at_run_time(function, tuple(map(shown, args)), {k: shown(v) for k, v in kwargs.items()})


def _write(stream: _Stream, name: str, *args: Any) -> None:
    getattr(_now(stream), name)(*args)


def _stop() -> Any:
    """The debugger, in the frame of the user's code that asks for it; it steps over the library's."""
    if sys.breakpointhook is not sys.__breakpointhook__:
        return sys.breakpointhook()
    import pdb

    frame = sys._getframe(1)
    while is_library(frame.f_code.co_filename) and frame.f_back is not None:
        frame = frame.f_back
    return pdb.Pdb(skip=["lantern_jit.*", "numpy.*"]).set_trace(frame)


def refused(name: str, remedy: str) -> Callable[..., Any]:
    def fn(*args: Any, **kwargs: Any) -> Any:
        if name == "breakpoint()" and is_stepping():
            return _stop()
        raise errors.UnsupportedOperationError(f"{name} at {user_site()} stops for a person, which compiled code cannot: {remedy}")

    return fn


REPLACED: dict[Any, Callable[..., Any]] = {
    print: print_,
    breakpoint: refused("breakpoint()", "take it out, or call the function without jit"),
    input: refused("input()", "ask before the call and pass the answer as an argument"),
}
