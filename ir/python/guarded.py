"""`try` while tracing.

What fails while a function is traced is handled as Python does it. What compiled code may raise when it runs leaves for the handler
as a path of the program: a `raise` under a traced condition does, and before each operation whose row says what it `raises` its
condition is tested. That goes through loops and through calls that are traced in place, and runs each `finally` on its way. A
recursion gives the number of what it raises beside its value (staging/staged.py), and what is differentiated is evaluated before, where
its handlers are told. The limits of compiled code (memory, ints of 64 bits, sizes that do not fit), the refusals of this library, and
its own ways of going back pass through every handler.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ..core import errors
from ..core.analysis import called, named
from ..core.builder import Builder, Frame, current_builder, current_trace, keep, lifted, raises_unless, tried
from ..core.faults import again, for_handlers, is_own
from ..core.graph import Call, Const, Fail, Function, Let
from ..core.op import TABLE
from ..core.sites import user_site
from ..core.types import BOOL
from ..staging.join import join
from ..staging.paths import DEAD, Raised, Scope, Thunk, clock, falls_through, heap_of, open_block, raise_later, require, run, run_staged
from ..staging.staged import handled as kinds_around
from ..values.values import Traced, call, dimension

Kinds = tuple[type[BaseException], ...]
Handler = Callable[[Any], Any]

keep("handled", lambda trace: [], check=lambda found: _check(found))  # what the bodies of `try` statements call (Handled)
keep("apart", lambda trace: set())  # functions that are differentiated
keep("told", lambda trace: set())  # functions that are evaluated before, where a `try` is told what they raise


@dataclass
class Handled:
    """What is called in a `try` at `site` whose handlers take these kinds of exceptions."""

    site: Any
    kinds: Kinds
    names: list[str]
    functions: dict[str, Function]
    told: set[str]


class Deferred(Exception):
    """An exception whose arguments are traced: it is made when it is raised."""

    def __init__(self, cls: type[BaseException], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__(*args)
        self.cls, self.given, self.keywords = cls, args, kwargs

    def __str__(self) -> str:
        return f"{', '.join(str.__str__(x) if isinstance(x, str) else repr(x) for x in self.given)}"


def class_of(e: Any) -> type[BaseException]:
    return e.cls if isinstance(e, Deferred) else type(e)


def made(e: Any) -> Any:
    """The exception as a handler sees it."""
    if not isinstance(e, Deferred):
        return e
    exception = e.cls.__new__(e.cls, *e.given, **e.keywords)
    heap_of().made(exception)  # nobody else sees it
    if e.cls.__init__ not in (BaseException.__init__, Exception.__init__):
        call(e.cls.__init__, exception, *e.given, **e.keywords)
    return exception


def is_exception(function: Any) -> bool:
    return isinstance(function, type) and issubclass(function, BaseException)


def _flat(kinds: Any) -> Kinds:
    return tuple(k for kind in kinds for k in _flat(kind)) if isinstance(kinds, tuple) else (kinds,)


def try_(body: Thunk, handlers: Sequence[tuple[Thunk, Handler, bool]], orelse: Thunk, scope: Scope) -> Any:
    """`try`. A handler has the classes that it takes, a body, and whether that looks at the exception."""
    trace = current_trace()
    if trace is None or not trace.builders:
        return _try_now(body, handlers, orelse)
    return _Try([(_flat(kinds()), handler, looks) for kinds, handler, looks in handlers], scope).run(body, orelse)


def _try_now(body: Thunk, handlers: Any, orelse: Thunk) -> Any:
    try:
        signal = body()
    except BaseException as e:
        for kinds, handler, _ in handlers:
            if isinstance(e, _flat(kinds())):
                return handler(e)
        raise
    return orelse() if signal is None else signal


class _Try:
    """A `try` while it is traced. What leaves its body under traced conditions waits in a frame, as what leaves a loop does."""

    def __init__(self, arms: Sequence[tuple[Kinds, Handler, bool]], scope: Scope) -> None:
        self.arms, self.scope, self.builder, self.site = arms, scope, current_builder(), user_site()
        self.frame = Frame("try", scope, kinds=tuple(k for kinds, *_ in arms for k in kinds), since=clock(), label=str(self.site))
        self.leaving = self.frame.ends["raise"]

    def run(self, body: Thunk, orelse: Thunk) -> Any:
        try:
            signal = self.watched(body)
        except BaseException as e:
            if is_own(e) or not (self.leaving or isinstance(e, self.frame.kinds)):
                raise
            if not self.leaving:
                return next(handler for kinds, handler, _ in self.arms if isinstance(e, kinds))(e)
            signal = self.left(e)
        if self.leaving:
            return self.staged(signal, orelse)
        return run(orelse) if signal is None else signal

    def watched(self, body: Thunk) -> Any:
        """Trace the body, and note what it calls."""
        builder, block = self.builder, open_block()
        blocks, lets, depth = len(builder.blocks), len(block.lets), len(builder.frames)
        builder.frames.append(self.frame)
        builder.trace.trying += 1
        try:
            return run(body)
        finally:
            del builder.frames[depth:]
            builder.trace.trying -= 1
            new = builder.blocks[blocks:]
            names = [
                name for let in (*block.lets[lets:], *(let for b in new for let in b.lets)) if TABLE[let.op].calls for name in named(let)
            ]
            names += [b.terminator.function for b in (block, *new) if isinstance(b.terminator, Call)]
            builder.trace.handled.append(Handled(self.site, self.frame.kinds, names, builder.trace.functions, builder.trace.told))

    def left(self, e: BaseException) -> Any:
        """An exception that has come up now, where others may have left before."""
        if isinstance(e, self.frame.kinds):
            saved = self.scope.save()
            self.leaving.append((open_block(), Raised(saved.values, saved.heap, e)))
        elif isinstance(e, Exception):
            raise_later(e)
        else:
            raise e
        self.builder.current = None
        return DEAD

    def staged(self, signal: Any, orelse: Thunk) -> Any:
        """Some paths have left the body: what runs from here on does so under a traced condition."""
        ends: list[Any] = []
        falls_through(run_staged(orelse, self.scope) if signal is None else signal, ends, self.scope)
        waiting = list(self.leaving)
        for kinds, handler, looks in self.arms:
            mine = [end for end in waiting if issubclass(class_of(end[1].error), kinds)]
            waiting = [end for end in waiting if end not in mine]
            for group in _alike(mine) if looks else [mine] if mine else []:
                join(group, self.scope, "handler", since=self.frame.since)
                arm = functools.partial(self.handle, handler, group[0][1].error, looks)
                falls_through(run_staged(arm, self.scope), ends, self.scope)
        if not ends:
            return DEAD
        join(ends, self.scope, since=self.frame.since)
        return None

    def handle(self, handler: Handler, error: Any, looks: bool) -> Any:
        return handler(made(error) if looks else error)


def _alike(ends: list[Any]) -> list[list[Any]]:
    """Those together that leave by exceptions which nobody can tell apart."""
    groups: list[list[Any]] = []
    for end in ends:
        e = end[1].error
        for group in groups:
            if _are_alike(e, group[0][1].error):
                group.append(end)
                break
        else:
            groups.append([end])
    return groups


def _are_alike(x: BaseException, y: BaseException) -> bool:
    parts = [(*e.args, *vars(e).values()) for e in (x, y)]
    if x is y or type(x) is not type(y) or len(parts[0]) != len(parts[1]) or [*vars(x)] != [*vars(y)]:
        return x is y
    return all(a is b or (type(a) is type(b) and type(a) in (str, int, float, bool) and a == b) for a, b in zip(*parts, strict=True))


class _Asked:
    """A machine that hears what the body of a row checks, and does nothing else."""

    def __init__(self, site: Any) -> None:
        self.site, self.found = site, list[tuple[BaseException, Any]]()

    def check(self, holds: Any, kind: str, *values: Any) -> None:
        error = for_handlers(kind, self.site)
        if error is not None:
            self.found.append((error, lambda at: holds))

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **attrs: (None, None)


def _raised(let: Let, args: Sequence[Any] | None = None) -> Sequence[tuple[BaseException, Any]]:
    """What an operation raises that a handler may take, and what tells whether it does: for these arguments."""
    op = TABLE[let.op]
    if op.raises is not None:
        return op.raises(let)
    if not op.scalar or not op.may_fail:
        return ()
    asked = _Asked(let.site)
    op.body(asked, *([1] * op.arity if args is None else args), **let.attrs)
    return asked.found


class At:
    """An operation that is to be traced, for what its row says of how it may raise (`Op.raises`)."""

    def __init__(self, builder: Builder, let: Let) -> None:
        self.builder, self.let = builder, let
        self.args = [a.value if isinstance(a, Const) else lifted(builder, a) for a in let.args]

    def size(self, i: int, axis: int) -> Any:
        """How many elements an array argument has along an axis."""
        return dimension(self.args[i], axis)

    def succeeds(self) -> Any:
        """Does it work out? A library is asked, by doing it."""
        attrs = {**self.let.attrs, "op": self.let.op}
        (out,) = self.builder.emit("succeeds", self.let.args, (BOOL,), attrs, self.let.site)
        return Traced(out, self.builder)


@tried.define
def _tried(builder: Builder, let: Let) -> None:
    at = At(builder, let)
    for error, sound in _raised(let, at.args):
        frame = builder.catcher(type(error))
        if sound is None:
            around = next((f for f in builder.frames if f.kind == "try" and _meet(type(error), f.kinds)), None)
            if around is not None:
                _refuse(around.label, type(error).__name__, f"what `{let.op}` raises while it runs", "test what it needs with `if` before")
        elif frame is not None:
            require(sound(at), error)  # type: ignore[arg-type]


@raises_unless.define
def _raises_unless(error: Exception, holds: Callable[[], Any]) -> None:
    """What Python raises and compiled code else does not: in a `try`, and in what is called there. (What is differentiated has NaN there.)"""
    trace = current_trace()
    for b in reversed(trace.builders if trace is not None else ()):
        if b.catcher(type(error)) is not None:
            require(holds(), again(error))  # type: ignore[arg-type]
            return
        if b.name in trace.apart:  # type: ignore[union-attr]
            return


def _meet(kind: type[BaseException], kinds: Kinds) -> bool:
    """May an exception of this class, or one that is below it, be taken?"""
    return any(issubclass(kind, k) or issubclass(k, kind) for k in kinds)


def calls_back(name: str) -> None:
    """Python is called in compiled code, which cannot tell a handler what is raised there."""
    trace = current_trace()
    around = next((f for b in (trace.builders if trace is not None else ()) for f in b.frames if f.kind == "try"), None)
    if around is not None:
        _refuse(around.label, "exceptions", f"those of `{name}`, called back at {user_site()}",
                f"call it outside of the `try`, or handle them in `{name}` and return a value that says so")  # fmt: skip


def _check(found: list[Handled]) -> None:
    """No function that is called in a `try` raises what that would handle."""
    for h in found:
        for f, kind, site in _raised_by(h.functions, h.names, h.told):
            if issubclass(kind, h.kinds):
                what = (
                    "the elements of an array" if f.name.startswith("each") else f"`{f.name}`, which is traced on its own as recursions are"
                )
                _refuse(h.site, kind.__name__, f"that of {what}{f' ({site})' if site is not None else ''}",
                        "test what may fail with `if` before, or return a value that says so")  # fmt: skip


def is_around() -> bool:
    """Is there a `try` around what is traced now?"""
    trace = current_trace()
    return trace is not None and trace.trying > 0


def told_first(name: str) -> bool:
    """Does a function of the program raise what a `try` around handles? Who calls it to differentiate it can tell nobody; so it is evaluated
    before, where the `try` is told, and raises nothing then."""
    trace = current_trace()
    assert trace is not None
    kinds = kinds_around(trace)
    found = bool(kinds) and any(issubclass(kind, kinds) for _, kind, _ in _raised_by(trace.functions, [name], trace.told))
    if found:
        trace.told.add(name)
    return found


def _raised_by(functions: dict[str, Function], names: Sequence[str], told: set[str]) -> Iterator[tuple[Function, type[BaseException], Any]]:
    """What these functions, and those that they call, raise, and where; but for those whose callers have been told."""
    seen, work = {*names, *told}, [name for name in dict.fromkeys(names) if name not in told]
    while work:
        f = functions.get(work.pop())
        if f is not None:
            yield from ((f, kind, site) for kind, site in _raised_in(f))
            new = [name for name in called(f) if name not in seen]
            seen.update(new)
            work += new


def _raised_in(f: Function) -> Iterator[tuple[type[BaseException], Any]]:
    for block in f.blocks.values():
        for let in block.lets:
            yield from ((type(e), let.site) for e, _ in _raised(let))
        if isinstance(block.terminator, Fail):
            exception = AssertionError() if block.terminator.kind == "assertion" else getattr(block.terminator.site, "exception", None)
            if exception is not None:
                yield class_of(exception), block.terminator.site


def _refuse(site: Any, kind: str, what: str, remedy: str) -> NoReturn:
    raise errors.UnsupportedSyntaxError(f"`try/except` at {site} handles {kind}, but it cannot handle {what}: {remedy}") from None


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
