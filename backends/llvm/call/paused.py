"""A call that has paused: its region keeps its frames and arrays, to go on from there, once or often.

Once is to let it go on. To do so again, all that was in use is put back first, at the same addresses: the arena from its start to its top, the
stack from where it has paused to its own, and the context.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any

from ..runtime import layout
from .process import Runtime


class Rest:
    """What is left of a call on this region, of a program whose `fault` says how it has ended. What it reads, the arguments, has to stay as long."""

    def __init__(self, runtime: Runtime, fault: Callable[[int], Any], region: int) -> None:
        self.runtime, self.fault, self.region = runtime, fault, region
        self.copies: list[tuple[int, bytes]] = []
        self.moved = False  # since it has paused
        self.release = weakref.finalize(self, _release, runtime, region)
        self.release.atexit = False

    def keep(self) -> None:
        """From now on it can go on again and again."""
        start = self.region + layout.arena_start(self.runtime.target)
        arena, stack, top = (self._word(name) for name in ("ARENA", "PAUSED_SP", "TOP"))
        parts = [(self.region, layout.CONTEXT_BYTES), (start, arena - start), (stack, top - stack)]
        self.copies = [(at, bytes((ctypes.c_char * n).from_address(at))) for at, n in parts]

    @property
    def kept(self) -> bool:
        return bool(self.copies)

    def go_on(self) -> None:
        """To its end, which is an exception of a function of Python's: that is raised. Else a signal, whose handler raises nothing, has ended it."""
        if self.moved:  # all is as it was when it paused
            for at, copy in self.copies:
                ctypes.memmove(at, copy, len(copy))
        self.moved = True
        proceed = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(self.runtime.loaded.address("lantern_proceed"))
        if proceed(self.region) == 0:
            raise RuntimeError("a call that has paused came to an end of which nobody is told: please report this as a bug of lantern_jit")
        self.fault(self.region)

    def _word(self, name: str) -> int:
        return ctypes.c_int64.from_address(self.region + layout.CONTEXT[name]).value


def _release(runtime: Runtime, region: int) -> None:
    p: Any = ctypes.c_void_p
    for name in ("lantern_free_blocks", "lantern_trim", "lantern_give"):
        ctypes.CFUNCTYPE(None, p)(runtime.loaded.address(name))(region)
