"""`interpreted()`: functions run as the Python that they are, where a debugger can stop in them."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..backends.llvm.call.entries import Entries
from ..ir.core.sites import is_stepping, stepping

_LOCK = threading.Lock()
_UNDER_WAY = [0]  # blocks of all threads


def is_interpreted() -> bool:
    """Is this in such a block of this thread?"""
    return bool(_UNDER_WAY[0]) and is_stepping()


def may_enter() -> bool:
    """May native code take calls without asking?"""
    return not _UNDER_WAY[0]


@contextmanager
def interpreted() -> Iterator[None]:
    """In this block, and in this thread, nothing is compiled and no compiled code runs.

    A jitted function is the Python function that it is of: breakpoints stop in it, its variables are numbers and arrays, prints print. What
    needs a trace, derivatives and `vmap` among it, is traced at each call, where breakpoints stop, too, but variables stand for numbers; then
    the graph is interpreted. `pdb`, `breakpoint()` and the debuggers of editors work.

    Returns
    -------
    context manager
        For a `with` statement.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> seen = []
    >>> f = lj.jit(lambda x: seen.append(x) or x * x)
    >>> with lj.interpreted():
    ...     f(3.0), seen
    (9.0, [3.0])
    """
    with _LOCK:
        _UNDER_WAY[0] += 1
        if _UNDER_WAY[0] == 1:
            for entries in _tables():
                entries.stop()
    try:
        with stepping():
            yield
    finally:
        with _LOCK:
            _UNDER_WAY[0] -= 1
            if not _UNDER_WAY[0]:
                for entries in _tables():
                    entries.start()


def _tables() -> list[Entries]:
    """Those of all jitted functions that there are."""
    return [x for x in gc.get_objects() if type(x) is Entries]
