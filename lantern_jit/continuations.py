"""Delimited continuations: a function can be given the rest of what the program does, and call it never, once, often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .ir.trace import delimited
from .ir.trace.delimited import MAIN, Prompt
from .transforms import Transformed, in_trace


def prompt(name: str = "prompt") -> Prompt:
    """A new prompt: `shift(g, tag=p)` finds the nearest `reset(f, tag=p)`, also through resets of other prompts.

    >>> import lantern_jit as lj
    >>> outer = lj.prompt("outer")
    >>> lj.reset(lambda: 1.0 + lj.reset(lambda: 2.0 * lj.shift(lambda k: 5.0, tag=outer)), tag=outer)
    5.0
    """
    return Prompt(name)


def reset(f: Callable[[], Any], tag: Prompt | None = None) -> Any:
    """f(), in which a `shift` captures the rest of f, and no more.

    Everything that f, the functions of its shifts and the rests give is of one type. f may change no list, dict, attribute or
    variable outside of it, for it may run never, once or often; it may write into arrays.

    >>> import lantern_jit as lj
    >>> lj.reset(lambda: 1.0 + lj.shift(lambda k: k(2.0) * k(3.0)))
    12.0
    """
    mark = MAIN if tag is None else tag
    if in_trace():
        return delimited.reset(f, mark)
    return Transformed(f, "reset", lambda: delimited.reset(f, mark), options=mark)()


def shift(g: Callable[[Any], Any], tag: Prompt | None = None) -> Any:
    """What g gives to k, where g(k) takes the place of the rest of the nearest `reset`: k(v) is what that rest gives when the shift
    has given v. g may call k never, once or often, in branches, loops and functions, and may differentiate it; not later.

    What k is given is of one type in all calls. Lists, dicts, objects and variables that the rest changes are for each call of k
    what they were at the shift. An array is memory: what k writes stays written, for the next call of k and for g; copy it
    after the shift where each is to have its own.

    >>> import lantern_jit as lj
    >>> def choose(p):
    ...     return lj.shift(lambda k: p * k(1.0) + (1.0 - p) * k(0.0))
    >>> lj.jit(lambda p: lj.reset(lambda: 3.0 * choose(p) + choose(p) * choose(p)))(0.5)
    1.75
    """
    return delimited.shift(g, MAIN if tag is None else tag)


_OWN: tuple[Any, ...] = (prompt, reset, shift)
for _f in _OWN:
    _f.__lantern_transform__ = True
