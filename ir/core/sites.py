"""Places of the user's code, for errors."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import numpy as np
import optree

from . import errors
from .graph import Block, Site

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
    *(os.path.join(_ROOT, part + os.sep) for part in ("ir", "backends", "inspection", "operations")),
    *(os.path.join(_ROOT, f"{name}.py") for name in FRONT),
    *(os.path.dirname(module.__file__ or "") + os.sep for module in (np, optree)),
    functools.__file__,
)


class _State(threading.local):
    derived: tuple[Site | None] | None = None  # the place of the operation whose rule runs
    located = False  # has every operation a place, down to the expression?
    stepping = 0  # may a debugger stop here?


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


@contextmanager
def located(on: bool = True) -> Iterator[None]:
    """Traces that begin meanwhile give each operation a place, down to the expression, whether it may fail or not."""
    before, _STATE.located = _STATE.located, on
    try:
        yield
    finally:
        _STATE.located = before


@contextmanager
def placed(block: Block | None, site: Site | None) -> Iterator[None]:
    """What is added to a block meanwhile is derived from the operation at a place, if each operation has one."""
    start = len(block.lets) if block is not None else 0
    yield
    if block is not None and site is not None:
        derived = dataclasses.replace(site, origin=site.origin or site, asked=True)
        for let in block.lets[start:]:
            let.site = let.site or derived


@contextmanager
def stepping() -> Iterator[None]:
    """Nothing is compiled in this thread meanwhile, so that a debugger may stop in the user's code."""
    _STATE.stepping += 1
    try:
        yield
    finally:
        _STATE.stepping -= 1


def is_stepping() -> bool:
    return _STATE.stepping > 0


def is_located() -> bool:
    return _STATE.located


@functools.lru_cache(maxsize=256)
def _spans(code: types.CodeType) -> list[tuple[int | None, ...]]:
    """Where each instruction's expression stands; Python 3.10 does not know."""
    return list(code.co_positions()) if hasattr(code, "co_positions") else []


def located_site() -> Site | None:
    """The place of any operation: none where the trace, and not the user's function, makes it."""
    if _STATE.derived is not None:
        return dataclasses.replace(user_site(), asked=True)
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and is_library(frame.f_code.co_filename):
        if frame.f_code.co_name == "trace_program":
            return None
        frame = frame.f_back
    return dataclasses.replace(user_site(), asked=True) if frame is not None else None


def _span(frame: types.FrameType) -> tuple[int, ...] | None:
    spans, at = _spans(frame.f_code), frame.f_lasti // 2
    found = spans[at] if at < len(spans) else (None,)
    return found if None not in found else None  # type: ignore[return-value]


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
    span = _span(frame) if _STATE.located else None
    return Site(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, detail, exception, span=span)


def unsupported(what: str, remedy: str) -> NoReturn:
    raise errors.UnsupportedOperationError(f"{what} at {user_site()} is not supported: {remedy}")


def is_library(filename: str) -> bool:
    """Is this file part of lantern_jit's own machinery (and not a user's program, or the demo)?"""
    return filename.startswith(_LIBRARY)
