"""One thread at a time traces, compiles and loads: LLVM's global state serves one. A fork waits for it, so that the child
finds the compiler in order."""

from __future__ import annotations

import os
import threading

COMPILING = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=COMPILING.acquire, after_in_parent=COMPILING.release, after_in_child=COMPILING.release)
