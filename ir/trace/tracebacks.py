"""Tracebacks as the user's program has them: frames of this library and of NumPy are left out, and a statement that rewrite.py
has made a function of is a line of its function. LANTERN_TRACEBACK=full in the environment shows all."""

from __future__ import annotations

import os
import types

from ..core.builder import current_trace
from ..core.sites import is_library
from ..syntax.rewrite import PIECES


def hide(e: BaseException) -> BaseException:
    """`e`, without this library's frames where it leaves the library."""
    if os.environ.get("LANTERN_TRACEBACK") != "full" and current_trace() is None:
        _hide(e, set())
    return e


def _hide(e: BaseException, seen: set[int]) -> bool:
    """Does a frame of the user's remain? What was handled before is told only where it is the user's."""
    seen.add(id(e))
    e.__traceback__ = _filtered(e.__traceback__)
    if e.__cause__ is not None and id(e.__cause__) not in seen:
        _hide(e.__cause__, seen)
    if e.__context__ is not None and id(e.__context__) not in seen and not _hide(e.__context__, seen):
        e.__context__ = None
    return e.__traceback__ is not None


def _filtered(tb: types.TracebackType | None) -> types.TracebackType | None:
    kept: list[types.TracebackType] = []
    while tb is not None:
        code = tb.tb_frame.f_code
        if not is_library(code.co_filename):
            if code in PIECES and kept and _place(kept[-1]) == _place(tb):
                kept.pop()
            kept.append(tb)
        tb = tb.tb_next
    out: types.TracebackType | None = None
    for entry in reversed(kept):
        out = types.TracebackType(out, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return out


def _place(tb: types.TracebackType) -> tuple[str, str]:
    return tb.tb_frame.f_code.co_filename, tb.tb_frame.f_code.co_name
