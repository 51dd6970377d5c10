"""One thread at a time traces, compiles and loads: LLVM's global state serves one. A fork waits for it, so that the child
finds the compiler in order."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
COMPILING = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=COMPILING.acquire, after_in_parent=COMPILING.release, after_in_child=COMPILING.release)


def compiling(f: F) -> F:
    """`f` under the lock, and so is the end of its local objects: llvmlite has a lock of its own, which a thread that
    frees a module holds for a moment."""

    @functools.wraps(f)
    def locked(*args: Any, **kwargs: Any) -> Any:
        with COMPILING:
            return f(*args, **kwargs)

    return locked  # type: ignore[return-value]
