"""Delimited continuations: a function can be given the rest of what the program does, and call it never, once, often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .backends.base import Options
from .dispatcher import Dispatcher
from .ir.core.errors import UnsupportedOperationError
from .ir.objects.held import attribute_of
from .ir.trace import delimited
from .ir.trace.delimited import MAIN, Prompt
from .ir.trace.tracebacks import hide
from .transforms import Transformed, in_trace


def prompt(name: str = "prompt") -> Prompt:
    """A new prompt: `shift(g, tag=p)` finds the nearest `reset(f, tag=p)`, also through resets of other prompts.

    Parameters
    ----------
    name : str, default "prompt"
        For messages.

    Returns
    -------
    Prompt
        Different from all others.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> outer = lj.prompt("outer")
    >>> lj.reset(lambda: 1.0 + lj.reset(lambda: 2.0 * lj.shift(lambda k: 5.0, tag=outer)), tag=outer)
    5.0
    """
    return Prompt(name)


def reset(f: Callable[[], Any], tag: Prompt | None = None) -> Any:
    """f(), in which a `shift` captures the rest of f, and no more.

    Parameters
    ----------
    f : callable
        Without arguments. Everything that f, the functions of its shifts and the rests give is of one type. f may change no list, dict, attribute or
        variable outside of it, for it may run never, once or often; it may write into arrays.
    tag : Prompt, optional
        Of the shifts that end here.

    Returns
    -------
    any
        What f gives, or what the function of a shift gives.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.reset(lambda: 1.0 + lj.shift(lambda k: k(2.0) * k(3.0)))
    12.0
    """
    mark = MAIN if tag is None else tag
    if in_trace():
        return delimited.reset(f, mark)
    try:
        return Transformed(f, "reset", lambda: delimited.reset(f, mark), options=mark)()
    except UnsupportedOperationError:
        cells = _cells_of_arrays(f, set())
        if not cells:
            raise
    return _writing(f, mark, cells)


def _cells_of_arrays(f: Any, seen: set[int]) -> list[Any]:
    """The variables of enclosing functions that hold arrays, which f and the functions that it knows may write into."""
    found = []
    for cell in getattr(f, "__closure__", None) or ():
        if id(cell) not in seen:
            seen.add(id(cell))
            held = attribute_of(cell, "")
            found += [cell] if isinstance(held, np.ndarray) and held.ndim else _cells_of_arrays(held, seen)
    return found


def _writing(f: Callable[[], Any], mark: Prompt, cells: list[Any]) -> Any:
    """The same where f may write into arrays that it has from outside of compiled code: while it is traced they are arguments."""
    arrays = {id(c.cell_contents): c.cell_contents for c in cells}

    def traced(*inside: Any) -> Any:
        known = dict(zip(arrays, inside, strict=True))
        before = [c.cell_contents for c in cells]
        try:
            for cell, held in zip(cells, before, strict=True):
                cell.cell_contents = known[id(held)]
            return delimited.reset(f, mark)
        finally:
            for cell, held in zip(cells, before, strict=True):
                cell.cell_contents = held

    traced.__lantern_transform__ = True  # type: ignore[attr-defined]
    try:
        made, leaves = Dispatcher(traced, "reset", options=Options(in_place=True)).lookup(tuple(arrays.values()), {})
        return made.run(leaves)
    except BaseException as e:
        raise hide(e)  # noqa: B904  # itself


def shift(g: Callable[[Any], Any], tag: Prompt | None = None) -> Any:
    """What g gives to k, where g(k) takes the place of the rest of the nearest `reset`.

    Lists, dicts, objects and variables that the rest changes are for each call of k what they were at the shift. An array is memory:
    what k writes stays written, for the next call of k and for g; copy it after the shift where each is to have its own.

    Parameters
    ----------
    g : callable
        Of k: k(v) is what the rest gives when the shift has given v. g may call k never, once or often, in branches, loops and functions, and may
        differentiate it; not later. What k is given is of one type in all calls.
    tag : Prompt, optional
        Of the reset that is meant.

    Returns
    -------
    any
        What k is given.

    Raises
    ------
    ContinuationError
        Without a reset, and where k is called when g has ended.

    Examples
    --------
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
