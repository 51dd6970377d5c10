"""Iterators of which next() takes elements while a function is traced: each once, in the order of the program, or it is refused.

An iterator is no value of the program: what it has given is gone. So a loop in which next() takes from one that was there before is unrolled,
and what would be traced a second time, or belongs to a condition, is an error.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, NamedTuple

from ...core import errors
from ...core.builder import current_trace, keep
from ...core.sites import unsupported, user_site
from ...staging.items.along import Backwards
from ...staging.paths import clock
from ..iterables import Staged


class Step(NamedTuple):
    """next() has taken an element of an iterator that was made then."""

    born: int
    site: Any


def _taken_back(steps: list[Step], was: tuple[int, int]) -> None:
    n, then = was
    lost = [s for s in steps[n:] if s.born <= then]
    if lost:
        site = lost[0].site
        del steps[n:]
        unsupported(
            f"next() at {site} of an iterator that was made before the loop, condition or expression around it,",
            "make a list of it, and count the place yourself",
        )


keep("iterators", lambda trace: {})  # those that were made, and when
keep("steps", lambda trace: [], mark=lambda steps: (len(steps), clock()), undo=_taken_back)


def made(x: Any) -> Any:
    """An iterator that the program has just made."""
    trace = current_trace()
    if trace is not None and trace.builders and isinstance(x, (Iterator, Staged)):
        trace.heap.clock += 1
        trace.iterators[id(x)] = x, trace.heap.clock
    return x


def step(x: Any) -> None:
    """next() is about to take an element of this one."""
    trace = current_trace()
    if trace is None or not trace.builders or not _is_of_python(x):
        return
    _, born = trace.iterators.get(id(x), (x, 0))
    frames = [(f, i > 0 and f is b.frames[0]) for i, b in enumerate(trace.builders) for f in b.frames]  # with the function's own
    if any(born <= f.since and (f.staged or f.kind in ("condition", "staged") or (f.kind == "function" and own)) for f, own in frames):
        raise errors.TracedConditionError(
            f"next() at {user_site()} takes an element under a traced condition, or in a loop of the program, of an iterator that was made before: "
            "which one that is only the program knows. Make a list of it, and count the place yourself"
        )
    trace.steps.append(Step(born, user_site()))


def _is_of_python(x: Any) -> bool:
    if isinstance(x, Staged):
        return x.drive is None and x.keep is None
    return isinstance(x, (types.GeneratorType, Backwards)) or (isinstance(x, Iterator) and type(x).__module__ in ("builtins", "itertools"))
