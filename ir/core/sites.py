"""Places of the user's code, for errors."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import numpy as np
import optree

from . import errors
from .graph import Site

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

FRONT = (
    "checks",
    "combinators",
    "continuations",
    "dispatcher",
    "jitted",
    "pipeline",
    "specialisation",
    "transforms",
)  # modules of the front

_LIBRARY = (
    *(os.path.join(_ROOT, part + os.sep) for part in ("ir", "backends", "operations")),
    *(os.path.join(_ROOT, f"{name}.py") for name in FRONT),
    *(os.path.dirname(module.__file__ or "") + os.sep for module in (np, optree)),
    functools.__file__,
)


class _State(threading.local):
    derived: tuple[Site | None] | None = None  # the place of the operation whose rule runs


_STATE = _State()


@contextmanager
def derived_from(site: Site | None) -> Iterator[None]:
    """What is made meanwhile is part of an operation's derivative or program: it fails at that operation's place, whoever
    asks for it and when."""
    before, _STATE.derived = _STATE.derived, (site,)
    try:
        yield
    finally:
        _STATE.derived = before


def user_site(detail: str = "", exception: Exception | None = None) -> Site:
    """The innermost line of the user's code on the Python stack; what happens there, or the exception that is raised."""
    if _STATE.derived is not None:
        (site,) = _STATE.derived
        origin = site and (site.origin or site)
        return Site(site.filename, site.line, site.function, detail, exception, origin) if site else Site("", 0, "", detail, exception)
    frame = sys._getframe(1)
    while frame is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return Site("?", 0, "?", detail, exception)
    return Site(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, detail, exception)


def unsupported(what: str, remedy: str) -> NoReturn:
    raise errors.UnsupportedOperationError(f"{what} at {user_site()} is not supported: {remedy}")


def is_library(filename: str) -> bool:
    """Is this file part of lantern_jit's own machinery (and not a user's program, or the demo)?"""
    return filename.startswith(_LIBRARY)
