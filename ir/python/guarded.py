"""`try`, `with` and `match` while tracing.

A `try` runs as Python: what fails while the function is traced is handled as it is written. What could fail when compiled code
runs is not seen by a handler, and so is refused inside of a `try` that would handle it. The refusals of this library, and its
own ways of going back, pass through every handler.
"""

from __future__ import annotations

import collections.abc
import contextlib
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Frame, current_trace, keep
from ..core.faults import AT_RUN_TIME, is_own
from ..core.sites import user_site
from ..staging.branches import and_
from ..staging.optional import is_, needed
from ..staging.paths import Scope
from ..values.values import Traced
from .questions import hasattr_, isinstance_, type_of

Kinds = tuple[type[BaseException], ...]

keep("guarding", lambda trace: [])  # each `try` whose body is traced (Guarding)


def _flat(kinds: Any) -> Kinds:
    return tuple(k for kind in kinds for k in _flat(kind)) if isinstance(kinds, tuple) else (kinds,)


def handled(kinds: Any) -> Any:
    """The classes of an `except`, for the exception under way."""
    e = sys.exc_info()[1]
    return () if e is not None and current_trace() is not None and is_own(e) else kinds


class Guarding:
    """The body of a `try` whose handlers take these classes."""

    def __init__(self, kinds: Callable[[], Any], suppress: bool = False) -> None:
        self.kinds, self.suppress = _flat(kinds()), suppress
        self.site = user_site()

    def __enter__(self) -> None:
        self.trace = current_trace()
        if self.trace is not None and self.trace.builders:
            self.operations = self.trace.operations
            self.trace.guarding.append(self)
        else:
            self.trace = None

    def __exit__(self, kind: Any, e: Any, traceback: Any) -> bool:
        if self.trace is not None:
            self.trace.guarding.remove(self)
        if e is not None and (is_own(e) or not issubclass(kind, self.kinds)):
            return False
        if self.trace is not None and e is None and self.trace.operations != self.operations:
            found = [r for r in AT_RUN_TIME if issubclass(r, self.kinds)]
            if found:
                self.refuse(f"computes what may fail when compiled code runs (`{found[0].__name__}` cannot be handled there)",
                            "test the condition with `if` before the operation that may fail")  # fmt: skip
        return e is not None and self.suppress

    def refuse(self, what: str, remedy: str) -> None:
        construct = "with contextlib.suppress" if self.suppress else "try/except"
        raise errors.UnsupportedSyntaxError(f"`{construct}` at {self.site} {what}: {remedy}") from None


class Finally:
    """The body of a `try` with a `finally`, whose statements `last` runs: on all paths that leave it, see `leave`; here on the one that is traced now."""

    def __init__(self, last: Callable[[], Any], scope: Scope) -> None:
        self.last, self.scope = last, scope

    def __enter__(self) -> None:
        trace = current_trace()
        self.frames = trace.builders[-1].frames if trace is not None and trace.builders else []
        self.frame = Frame("finally", self.scope, last=self.last)
        self.frames.append(self.frame)

    def __exit__(self, kind: Any, e: Any, traceback: Any) -> None:
        if self.frame in self.frames:
            del self.frames[self.frames.index(self.frame) :]
        if e is None or not is_own(e):
            self.last()


def raises(kind: type[BaseException]) -> None:
    """A `raise` or an `assert` that compiled code may come to."""
    trace = current_trace()
    for g in trace.guarding if trace is not None else ():
        if issubclass(kind, g.kinds):
            g.refuse(f"handles {kind.__name__}, which is raised there under a condition that is known at run time only",
                     "return a value that says so instead")  # fmt: skip


def context(manager: Any) -> Any:
    """The context of a `with`, if compiled code may ignore it."""
    trace = current_trace()
    if trace is None or not trace.builders or isinstance(manager, (contextlib.nullcontext, warnings.catch_warnings)):
        return manager
    if isinstance(manager, contextlib.suppress):
        return Guarding(lambda: manager._exceptions, True)  # type: ignore[attr-defined]
    if isinstance(manager, np.errstate):
        if not {"raise", "call"} & {getattr(manager, name, None) for name in ("_all", "_divide", "_over", "_under", "_invalid")}:
            return manager
        remedy = "compiled code does not look at floating-point errors: test the result with np.isfinite"
        raise errors.UnsupportedSyntaxError(f"`with np.errstate(..)` that raises at {user_site()} cannot be compiled: {remedy}")
    raise errors.UnsupportedSyntaxError(
        f"`with` on a {type(manager).__name__} at {user_site()} cannot be compiled: open the context outside of the compiled function"
    )


# ---- match
match_bool = is_  # is x the constant True or False?


def match_sequence(x: Any, n: int, more: bool) -> bool:
    cls = type_of(needed(x))
    if not issubclass(cls, collections.abc.Sequence) or issubclass(cls, (str, bytes, bytearray)):
        return False
    return len(x) >= n if more else len(x) == n


def match_rest(x: Any, start: int, behind: int) -> list[Any]:
    return list(x[start : len(x) - behind])


def match_mapping(x: Any, *keys: Any) -> bool:
    return issubclass(type_of(needed(x)), collections.abc.Mapping) and all(k in x for k in keys)


def match_others(x: Any, *keys: Any) -> dict[Any, Any]:
    return {k: v for k, v in x.items() if k not in keys}


_THEMSELVES = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)


def _has_argument(x: Any, cls: Any, i: int) -> bool:
    names = getattr(cls, "__match_args__", ())
    if issubclass(cls, _THEMSELVES) and not names and i == 0:
        return True
    if i >= len(names):
        raise TypeError(f"{cls.__name__}() accepts {len(names)} positional sub-patterns ({i + 1} given)")
    return bool(hasattr_(x, names[i]))


def match_class(x: Any, cls: Any, places: int, *names: str) -> Any:
    found = isinstance_(x, cls)
    if isinstance(found, Traced):  # of what may be None
        return found if not places and not names else and_(found, lambda: match_class(needed(x), cls, places, *names))
    if not found:
        return False
    return all(_has_argument(x, cls, i) for i in range(places)) and all(hasattr_(x, name) for name in names)


def match_argument(x: Any, cls: Any, i: int) -> Any:
    x = needed(x)
    names = getattr(cls, "__match_args__", ())
    return getattr(x, names[i]) if names else x
