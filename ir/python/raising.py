"""`assert`, `raise` and `with`.

A `with` on an object of a user's class calls its `__exit__` as a `finally` would. One on what a generator function gives by `contextlib.contextmanager` runs
that function, and its own body at the `yield`: what the body raises comes up there.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..core.builder import Builder, current_builder, current_trace
from ..core.errors import LanternError, UnsupportedSyntaxError
from ..core.graph import Fail
from ..core.sites import is_library, user_site
from ..objects.choice import is_choice, state_of
from ..objects.reads import is_users
from ..ops import table
from ..staging.branches import if_
from ..staging.optional import needed
from ..staging.paths import DEAD, Raise, Scope, branch, leave, open_block, raise_here, restore, run_finally
from ..values.scalars import truth
from ..values.values import Traced, call
from ..values.views import any_traced
from . import host
from .guarded import Deferred, Finally, class_of, try_


def assert_(cond: Any, message: Callable[[], Any]) -> Any:
    cond = truth(cond)
    if not isinstance(cond, Traced):
        return None if cond else raise_(AssertionError() if (text := message()) is None else AssertionError(text))
    ok, bad = branch(cond, "holds", "fails")
    current_builder().enter(bad)
    _not_held(message())
    current_builder().enter(ok)
    return None


def _not_held(text: Any) -> None:
    builder = current_builder()
    if builder.catcher(AssertionError) is not None:
        raise_(Deferred(AssertionError, (text,), {}) if any_traced(text) else AssertionError() if text is None else AssertionError(text))
        return
    before = run_finally()
    if any_traced(text):
        raise_later(Deferred(AssertionError, (text,), {}))
    detail = "assertion failed" if text is None else str(text)
    open_block()
    builder.terminate(Fail("assertion", detail, user_site(detail)))
    restore(before)


def raise_(exception: Any, cause: Any = None) -> Any:
    """`raise`: at once where every path leads here, else when the compiled code gets here."""
    if isinstance(exception, type):
        exception = exception()
    if is_choice(exception):
        return _raise_one(*state_of(exception), cause)
    if cause is not None:
        exception.__cause__ = cause
    trace = current_trace()
    if trace is None or not trace.builders:
        raise exception
    has_values = any_traced(exception.given if isinstance(exception, Deferred) else exception.args)
    if not has_values and not _is_staged(trace.builders):
        raise exception
    kind = class_of(exception)
    open_block()
    frame = current_builder().catcher(kind)
    if frame is not None:
        leave(Raise(exception, frame))
        return DEAD
    before = run_finally()
    if has_values:
        raise_later(exception)
    site = user_site(str(exception), exception)
    open_block()
    current_builder().terminate(Fail("raise", str(exception), site))
    restore(before)
    return DEAD


def _raise_one(index: Any, exceptions: Sequence[Any], cause: Any, first: int = 0) -> Any:
    """One of several, which the program chooses."""
    if len(exceptions) == 1:
        return raise_(exceptions[0], cause)
    others = functools.partial(_raise_one, index, exceptions[1:], cause, first + 1)
    return if_(table.ieq(index, first), lambda: raise_(exceptions[0], cause), others)


@raise_here.define
def _raise_later(e: Exception) -> None:
    """An exception that came up while what runs here under a traced condition was traced; a note says where."""
    last = e.__traceback__
    at = None
    while last is not None:
        code = last.tb_frame.f_code
        at = f"at {code.co_filename}:{last.tb_lineno} in {code.co_name}" if not is_library(code.co_filename) else at
        last = last.tb_next
    if at is not None and not isinstance(e, LanternError):
        e.__dict__.setdefault("__notes__", []).append(at)
    raise_(e.with_traceback(None))


def _is_staged(builders: Sequence[Builder]) -> bool:
    """May the compiled program go another way than here?"""
    for b in builders:
        if b.current is not b.blocks[0] or any(f.kind in ("condition", "staged") or any(f.ends.values()) for f in b.frames):
            return True
    return False


def raise_later(exception: BaseException) -> None:
    """Add to the program: make the exception, and leave by it."""
    cls, args, kwargs = type(exception), exception.args, {}
    if isinstance(exception, Deferred):
        cls, args, kwargs = exception.cls, exception.given, exception.keywords
    attributes = {k: v for k, v in vars(exception).items() if k not in ("cls", "given", "keywords")}
    host.at_run_time(_raise_now, (cls, args, kwargs, attributes, exception.__cause__, exception.__suppress_context__), {}, repeats=True)


def _raise_now(cls: Any, args: Any, kwargs: Any, attributes: dict[str, Any], cause: Any, suppress: bool) -> NoReturn:
    exception = cls(*args, **kwargs)
    vars(exception).update(attributes)
    exception.__cause__, exception.__suppress_context__ = cause, suppress
    raise exception


# ---- with
def with_(manager: Any, body: Callable[[Any], Any], scope: Scope) -> Any:
    """A `with` on one context, whose body is given what that gives."""
    trace = current_trace()
    if trace is None or not trace.builders:
        with manager as given:
            return body(given)
    manager = needed(manager)
    if isinstance(manager, contextlib.suppress):
        kinds = manager._exceptions  # type: ignore[attr-defined]
        return try_(lambda: body(None), [(lambda: kinds, lambda _: None, False)], lambda: None, scope)
    if type(manager) is contextlib._GeneratorContextManager and is_users(manager.func.__module__ or ""):
        return _through(call(manager.func, *manager.args, **manager.kwds), body, scope)
    if is_users(type(manager).__module__ or "") and hasattr(type(manager), "__exit__"):
        return _of_object(manager, body, scope)
    with _harmless(manager) as given:
        return body(given)


def _through(generator: Any, body: Callable[[Any], Any], scope: Scope) -> Any:
    """The body runs where the generator function yields."""
    reached: list[Any] = []

    def inside(given: Any) -> Any:
        reached.append(given)
        return body(given)

    signal = generator.drive(inside, None, scope, body, "with")
    if not reached:
        raise_(RuntimeError("generator didn't yield"))
    return signal


def _of_object(manager: Any, body: Callable[[Any], Any], scope: Scope) -> Any:
    leaving = manager.__exit__
    if _looks_at_what_is_raised(leaving):
        _refuse_context(manager, "its __exit__ looks at what the body raises: write `try`, `except` and `finally` instead")

    def last() -> Any:
        found = call(leaving, None, None, None)
        if found is not None and found is not False:
            _refuse_context(manager, "its __exit__ gives a value, by which it may take what the body raises: let it return nothing")

    given = call(manager.__enter__)
    with Finally(last, scope):
        return body(given)


def _looks_at_what_is_raised(function: Any) -> bool:
    """Does an `__exit__` read one of its parameters but the first?"""
    raw = getattr(function, "__func__", function)
    if not isinstance(raw, types.FunctionType):
        return True
    code = raw.__code__
    several = bool(code.co_flags & 4) + bool(code.co_flags & 8)  # *args, **kwargs
    names = {*code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount + several]}

    def read(i: dis.Instruction) -> bool:
        return i.opname.startswith("LOAD") and bool(names & ({*i.argval} if isinstance(i.argval, tuple) else {i.argval}))

    return any(map(read, dis.get_instructions(code)))


def _refuse_context(manager: Any, remedy: str) -> NoReturn:
    raise UnsupportedSyntaxError(f"`with` on a {type(manager).__name__} at {user_site()} cannot be compiled: {remedy}")


def _harmless(manager: Any) -> Any:
    """The context of a `with`, if compiled code may ignore it."""
    if isinstance(manager, (contextlib.nullcontext, warnings.catch_warnings)):
        return manager
    if isinstance(manager, np.errstate):
        if not {"raise", "call"} & {getattr(manager, name, None) for name in ("_all", "_divide", "_over", "_under", "_invalid")}:
            return manager
        remedy = "compiled code does not look at floating-point errors: test the result with np.isfinite"
        raise UnsupportedSyntaxError(f"`with np.errstate(..)` that raises at {user_site()} cannot be compiled: {remedy}")
    _refuse_context(manager, "open the context outside of the compiled function")
