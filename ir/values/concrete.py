"""Numbers that Python itself needs while a function is traced, and the sizes and arguments that they come from.

A `Need` is (argument leaf, axis), a size of an array, or (argument leaf, None), the value of an int or a bool. Where Python asks a
traced number for its value, `number` walks back through the operations that made it. If they lead to sizes, int and bool
arguments alone, the value follows from those of the call at hand: the trace notes what has been asked for, goes on with the value,
and is made again with these numbers as constants of the program (specialisation.py), which then serves no others. What leads to a
computed value cannot be known: the caller raises.

    def f(x):                                x: f64[n], and in this call n is 2
        a, b = x                             asks for dim(x, 0): traced again, for arrays of size 2
        return a * np.sum(x)

A step back of the builder takes back what was asked for since: what an attempt needs that fails is not needed.

A `while` on a plain condition that is staged because it is long makes values of plain numbers that it changes. Where Python needs one of
those the trace is made again with that loop unrolled.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core import errors
from ..core.builder import Builder, Trace, current_trace, keep
from ..core.graph import Atom, Const, Let, Site, Var
from ..core.machine import Fault
from ..core.op import TABLE, Size
from ..core.sites import is_library, user_site
from ..core.types import BOOL, I64, NUMPY_DTYPES, Array, Type, is_generator

LOGGER = logging.getLogger("lantern_jit")
MOST_UNROLLED = 4_096  # iterations of Python's over something traced
LONG = 64  # iterations whose unrolling is logged
DEEPEST = 500  # operations between a number and what it comes from


# Errors of paths that do not fit together: what decides between them may be a number.
UNDECIDED = (errors.TypeMismatchError, errors.UndefinedVariableError, errors.TracedConditionError, errors.EndlessTraceError)


class Need(NamedTuple):
    """A number of the signature: the size of an array argument along an axis, or an argument itself."""

    leaf: int
    axis: int | None = None


class Numbers:
    """The numbers of a call's arguments: `at_hand` are their values, `fixed` those that the program is made for, `asked` those
    that a trace has asked for besides, and where."""

    def __init__(self, at_hand: Sequence[Any] = ()) -> None:
        self.at_hand = at_hand  # for each leaf the shape of an array, the value of an int or a bool, else None
        self.fixed: dict[Need, Any] = {}
        self.asked: dict[Need, Site] = {}
        self.shaped: set[Any] = set()  # code of staged functions: Python needs sizes of their arrays, or asks
        self.reshaped = False  # such a one was found, or a loop that is to be unrolled, or an array that is to be the program's own
        self.unrolled: set[tuple[str, int]] = set()  # loops whose numbers Python needs
        self.own: set[tuple[str, int]] = set()  # where arrays of constants are made that the program writes: they are its own there
        self.sized = False  # has a loop been staged for its size alone, which is short enough to be unrolled?
        self.unrolls = False  # are such loops unrolled?
        self.undecided: Exception | None = None  # the first error for which `decide` has asked

    @property
    def is_asking(self) -> bool:
        """Is the trace to be made again?"""
        return bool(self.asked) or self.reshaped

    def unroll(self) -> bool:
        """The trace has failed. Is it to be made again, for what was staged for its size alone?"""
        again = self.sized and not self.unrolls
        self.unrolls |= again
        return again

    def value(self, need: Need) -> Any:
        """The number in this call, None where it has none."""
        found = self.at_hand[need.leaf] if need.leaf < len(self.at_hand) else None
        return found[need.axis] if found is not None and need.axis is not None else found

    def fits(self, at_hand: Sequence[Any]) -> bool:
        """Does a call with these numbers have the fixed ones?"""
        here = Numbers(at_hand)
        return all(here.value(need) == n for need, n in self.fixed.items())

    def fix(self) -> dict[Need, Site]:
        """What was asked for is fixed from now on."""
        asked, self.asked, self.reshaped = self.asked, {}, False
        self.fixed.update({need: self.value(need) for need in asked})
        return asked


def _forget(numbers: Numbers | None, asked: int) -> None:
    for need in list(numbers.asked)[asked:] if numbers is not None else ():
        del numbers.asked[need]  # type: ignore[union-attr]


# of the arguments, where they may become constants; and the conditions that have been staged
keep("numbers", lambda trace: None, mark=lambda numbers: 0 if numbers is None else len(numbers.asked), undo=_forget)
keep("conditions", lambda trace: [])
keep("counts", lambda trace: [])  # of iterations of loops that have been staged
keep("counters", lambda trace: set())  # of loops that are so short that they are unrolled where Python needs one
keep("counted", lambda trace: {})  # what the blocks of loops are given that are staged for their length: by variable the loop's place


def at_hand(x: Any, t: Type, weak: bool) -> Any:
    """What there is to know of an argument leaf of a type: a shape, an int, a bool, or None."""
    if isinstance(t, Array):
        return np.shape(x)
    if t == BOOL:
        return bool(x) if weak else np.bool_(x)
    if t == I64 and not is_generator(x) and -(2**63) <= int(x) < 2**63:
        return int(x) if weak else np.int64(x)
    return None


def number(value: Any, most: int | None = None) -> Any:
    """The number that `value` is in the call at hand, because Python needs it; None if it depends on what the program computes.
    `most`: as a count of Python's iterations it may not be larger."""
    trace = current_trace()
    if trace is None or trace.numbers is None:
        return None
    origin = _Origin(trace)
    found = origin.of(value)
    if found is None or not origin.is_sound():
        return None
    if most is not None and int(found) > most:
        trace.numbers.asked.clear()  # no number helps
        trace.numbers.reshaped = False
        raise errors.EndlessTraceError(
            f"{int(found):,} iterations of Python's own at {user_site()} would be unrolled, and {most:,} are the most: write a `for` statement "
            "that indexes arrays and no lists, or an operation on whole arrays"
        )
    _ask(trace, origin.needs)
    trace.numbers.reshaped |= bool(origin.through - trace.numbers.shaped)
    trace.numbers.shaped |= origin.through
    if isinstance(found, bool):
        return found if value.weak else np.bool_(found)
    return found.item() if value.weak else found


def place() -> tuple[str, int]:
    """Where in the user's code a loop is."""
    site = user_site()
    return site.filename, site.line


def unroll(value: Any) -> None:
    """Python needs this number, and gets none: if it comes from loops that are staged for their length alone, they are not the next time."""
    trace = current_trace()
    if trace is None or trace.numbers is None:
        return
    origin = _Origin(trace)
    origin.of(value)
    loops = {trace.counted[v] for v in origin.given if v in trace.counted} - trace.numbers.unrolled
    trace.numbers.unrolled |= loops
    trace.numbers.reshaped |= bool(loops)


def own(where: tuple[str, int]) -> None:
    """An array is written that NumPy has made of constants there: the next time it is one of the program's own."""
    trace = current_trace()
    if trace is not None and trace.numbers is not None:
        trace.numbers.reshaped |= where not in trace.numbers.own
        trace.numbers.own.add(where)


def is_own(where: tuple[str, int]) -> bool:
    trace = current_trace()
    return trace is not None and trace.numbers is not None and where in trace.numbers.own


def may_stage(trace: Trace) -> bool:
    """May a loop that can be unrolled be staged for its size? Only where the trace can be made again, with that loop unrolled."""
    return trace.numbers is not None and not trace.numbers.unrolls


def small(value: Any, most: int) -> int | None:
    """The number that `value` is in the call at hand if it is no larger than `most`: the program is made for it then. Else None: it
    serves others, too."""
    trace = current_trace()
    if trace is None or trace.numbers is None:
        return None
    found = _Origin(trace).of(value)
    asked = number(value) if found is not None and found <= most else None
    return None if asked is None else int(asked)


def of_short_loops(value: Any) -> bool:
    """Does a number come from the counters of short loops and numbers of the arguments alone? It is known where the loops are unrolled."""
    trace = current_trace()
    if trace is None or trace.numbers is None or not trace.counters:
        return False
    origin = _Origin(trace)
    origin.known.update(dict.fromkeys(trace.counters, 0))
    return origin.of(value) is not None


def agree(n: Any, m: Any) -> None:
    """A size that has to agree with a fixed one is a number like it: an array of size 1 there is another program."""
    trace = current_trace()
    if trace is not None and trace.numbers is not None and trace.numbers.fixed:
        for size in (n, m):
            if hasattr(size, "atom"):
                number(size)


def decide(trace: Trace, error: Exception) -> None:
    """Two paths do not fit together: ask for what decides between them, where that is numbers of arguments. All bools at once;
    then the int, then the size, that decided last, or, where a variable changes what it is made of, that a loop has run over."""
    assert trace.numbers is not None
    found: list[set[Need]] = []
    unknown: set[Var] = set()
    counts = trace.counts if isinstance(error, errors.TypeMismatchError) else []
    for cond in (*reversed(trace.conditions), *reversed(counts)):
        origin = _Origin(trace, unknown)
        if origin.of(cond) is not None and not origin.through and origin.needs - trace.numbers.fixed.keys():
            found.append(origin.needs)
    params = trace.builders[0].params

    def bools(needs: Iterable[Need]) -> bool:
        return all(params[n.leaf].type == BOOL for n in needs)

    flags: set[Need] = set().union(*filter(bools, found))
    values = next((needs for needs in found if all(n.axis is None for n in needs)), set())
    _ask(trace, flags or values or next(iter(found), set()), _site_of(error))
    trace.numbers.undecided = trace.numbers.undecided or error


def _site_of(error: Exception) -> Site:
    """The innermost line of the user's that an error has come through."""
    found, tb = Site("?", 0, "?"), error.__traceback__
    while tb is not None:
        code = tb.tb_frame.f_code
        if not is_library(code.co_filename):
            found = Site(code.co_filename, tb.tb_lineno, code.co_name)
        tb = tb.tb_next
    return found


def _ask(trace: Trace, needs: set[Need], site: Site | None = None) -> None:
    assert trace.numbers is not None
    for need in sorted(needs - trace.numbers.fixed.keys(), key=repr):
        trace.numbers.asked.setdefault(need, site or user_site())


# ---- where a number comes from
class _Origin:
    """Walks back from traced values; what a staged function is given, from its first call. `needs` are the numbers of the arguments that they were made of."""

    def __init__(self, trace: Trace, unknown: set[Var] | None = None) -> None:
        """`unknown`: what is known to need more, from other walks; this one adds to them."""
        self.trace, self.numbers = trace, trace.numbers
        self.unknown: set[Var] = set() if unknown is None else unknown
        self.needs: set[Need] = set()
        self.known: dict[Var, Any] = {}
        self.through: set[Any] = set()  # code of functions that may be called again with other values
        self.given: set[Var] = set()  # what blocks are given, where walks end

    def is_sound(self) -> bool:
        """May the value be used? What another call of a function may give otherwise serves only a trace that is made again."""
        again = self.needs - self.numbers.fixed.keys() or self.through - self.numbers.shaped
        return not self.through or bool(again)

    def of(self, value: Any, depth: int = 0) -> Any:
        """The value in the call at hand, as the scalar machine has it; None if more than sizes, ints and bools decide it."""
        return self.atom(value.atom, value.builder, depth)

    def atom(self, atom: Atom, builder: Builder | None, depth: int) -> Any:
        if isinstance(atom, Const):
            return _literal(atom.value, atom.type)
        if atom in self.known:
            return self.known[atom]
        found = self.variable(atom, builder, depth) if builder is not None and depth < DEEPEST and atom not in self.unknown else None
        if found is None:
            self.unknown.add(atom)
        else:
            self.known[atom] = found
        return found

    def variable(self, var: Var, builder: Builder, depth: int) -> Any:
        outer = self.outside(var, builder)
        if outer is not None:
            return self.atom(*outer, depth + 1)
        if var in builder.params:
            return self.argument(Need(builder.params.index(var)), builder)
        let = builder.made.get(var)
        if let is not None and TABLE[let.op].measures:
            assert isinstance(let.args[0], Var)
            return self.size(let.args[0], let.attrs["axis"], builder, depth + 1)
        if let is None:
            self.given.add(var)
            return None
        if not TABLE[let.op].scalar:
            return None
        values = []
        for a in let.args:
            values.append(self.atom(a, builder, depth + 1))
            if values[-1] is None:
                return None
        return _computed(let, values)

    def outside(self, var: Var, builder: Builder) -> tuple[Atom, Builder | None] | None:
        """What a variable of an inner function is in the function around it: what it captures, or what it was given."""
        for outer, inner in builder.captures.items():
            if inner is var:
                return outer, self.trace.owners[outer]
        given = builder.given.get(var)
        if given is None and var in builder.first:
            given = builder.first[var]
            self.through.add(builder.code)
        return (given.atom, given.builder) if given is not None else None

    def argument(self, need: Need, builder: Builder) -> Any:
        """A number of a parameter of the program itself; those of its functions are not known."""
        found = self.numbers.value(need) if builder is self.trace.builders[0] else None
        if found is None or isinstance(found, tuple):
            return None
        self.needs.add(need)
        return bool(found) if isinstance(found, (bool, np.bool_)) else np.int64(found)

    def size(self, array: Var, axis: int, builder: Builder, depth: int) -> Any:
        """The size of an array along an axis."""
        d = array.type.dims[axis]  # type: ignore[union-attr]
        if isinstance(d, int):
            return np.int64(d)
        given = builder.given.get(array)
        if given is None and array in builder.first:
            given = builder.first[array]
            self.through.add(builder.code)
        if given is not None and given.sizes is not None:
            n = given.sizes[axis]
            return self.of(n, depth) if hasattr(n, "atom") else np.int64(n)
        outer = self.outside(array, builder)
        if outer is not None:
            assert isinstance(outer[0], Var)
            assert outer[1] is not None
            return self.size(outer[0], axis, outer[1], depth + 1)
        if array in builder.params:
            return self.argument(Need(builder.params.index(array), axis), builder)
        let = builder.made.get(array)
        found = TABLE[let.op].shape(let)[let.outs.index(array)] if let is not None else None
        n = found[1][axis] if found is not None else None
        if isinstance(n, Size):
            return self.size(n.array, n.axis, builder, depth + 1)
        return self.atom(n, builder, depth + 1) if n is not None else None


def _literal(value: Any, t: Type) -> Any:
    return bool(value) if t == BOOL else NUMPY_DTYPES[t].type(value)  # type: ignore[index]


def _computed(let: Let, values: list[Any]) -> Any:
    op = TABLE[let.op]
    try:
        with np.errstate(all="ignore"):
            return op.body(op.machine, *values, **let.attrs)
    except Fault:
        return _literal(0, let.out.type)  # with these numbers as constants it is Python that raises
