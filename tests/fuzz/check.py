"""What must hold for a program: the compiled value, gradients of first and second order, the text form of its graph."""

from __future__ import annotations

import linecache
import re
import signal
import time
import traceback
import types
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import lantern_jit as lj
from lantern_jit.ir.core.parse import parse
from lantern_jit.ir.core.text import show

from ..lowered import lowered
from ..sized import WrongSize, check_sizes
from .plain import load, rounding

STEP = 2e-5
LARGE = 1e4  # gradients above it are left out: the program amplifies rounding errors
SLOW = 0.2  # seconds a program may take in plain Python
FAILURES = ("wrong", "error", "crash", "hang")
CHECKPOINTS = ("recursion", "replay", 3, "sqrt", "log")
REFUSALS = (
    lj.errors.UnsupportedSyntaxError, lj.errors.UnsupportedOperationError, lj.errors.TracedConditionError, lj.errors.TypeMismatchError,
    lj.errors.UndefinedVariableError, lj.errors.EndlessTraceError, lj.errors.NotDifferentiableError, lj.errors.ArgumentTypeError,
)  # fmt: skip


class Discard(Exception):
    """The program says nothing: it fails in plain Python, overflows, or has a kink at this point."""


class Wrong(Exception):
    """A property does not hold."""


class Timeout(BaseException):
    """A program took too long; no `except Exception` may swallow it."""


@dataclass(frozen=True)
class Outcome:
    """`kind` is ok, discard, slow, refused (by an error of the library) or one of FAILURES; `where` is the property."""

    kind: str
    where: str = ""
    detail: str = ""

    @property
    def failed(self) -> bool:
        return self.kind in FAILURES


def copies(args: Sequence[Any]) -> list[Any]:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def is_float(x: Any) -> bool:
    return isinstance(x, (float, np.floating)) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")


def flat(values: Any) -> Any:
    return np.concatenate([np.atleast_1d(np.asarray(v, float)).ravel() for v in values]) if len(values) else np.zeros(0)


class Checker:
    """The properties of one program, in the order of `PROPERTIES`."""

    def __init__(self, module: types.ModuleType, quick: int | None = None) -> None:
        self.quick = quick  # None: everything; else a number that chooses among the properties of high cost
        self.module, self.f, self.args = module, module.f, module.ARGS
        f, args = self.f, self.args
        self.nums = tuple(i for i, a in enumerate(args) if is_float(a))
        self.single = any(np.asarray(args[i]).dtype == np.float32 for i in self.nums)
        self.rtol = 2e-3 if self.single else 1e-8
        self.jitted = lj.jit(f)
        self.gradient = lj.jit(lj.grad(f, self.nums))
        self.scale = 1.0

    # ---- tools
    def point(self, direction: Any = None, step: float = 0.0) -> list[Any]:
        """The arguments, moved by step * direction."""
        args, k = copies(self.args), 0
        for i in self.nums:
            n = np.size(args[i])
            if direction is not None:
                moved = np.asarray(args[i], float) + step * np.reshape(direction[k : k + n], np.shape(args[i]))
                args[i] = moved if isinstance(args[i], np.ndarray) else float(moved)
            k += n
        return args

    def size(self) -> int:
        return sum(np.size(self.args[i]) for i in self.nums)

    def directions(self) -> Any:
        rng = np.random.default_rng(self.size())
        return rng.uniform(0.5, 1.0, self.size()) * rng.choice([-1.0, 1.0], self.size())

    def call(self, f: Callable[..., Any], args: Sequence[Any], afterwards: Sequence[Any] | None = None) -> Any:
        """f(*args). The arguments are then what `afterwards` says, or as they were."""
        given = copies(args)
        z = f(*given)
        for a, b, w in zip(args, given, afterwards or args, strict=True):
            same = np.allclose(b, w, self.rtol, self.rtol, equal_nan=True) if afterwards else np.array_equal(b, w)
            if isinstance(a, np.ndarray) and not same:
                raise Wrong(f"the argument {a!r} is {b!r} after the call, not {w!r}")
        return z

    def same(self, got: Any, wanted: Any, what: str, rtol: float = 0.0, atol: float = 0.0) -> None:
        got, wanted = flat(got), flat(wanted)
        close = np.abs(got - wanted) <= (rtol or self.rtol) * np.maximum(self.scale, np.abs(wanted)) + atol
        if not np.all(close | (got == wanted)):
            raise Wrong(f"{what}: {got.tolist()} against {wanted.tolist()}")

    def differences(self, f: Callable[..., Any], direction: Any, steps: Sequence[float] = (STEP, STEP / 2)) -> tuple[Any, Any]:
        """(the derivative of f along `direction`, its error): central differences, of two steps, that must agree."""
        coarse, fine = ((flat(f(self.point(direction, h))) - flat(f(self.point(direction, -h)))) / (2 * h) for h in steps)
        error = np.abs(coarse - fine)
        value = fine + (fine - coarse) / 3
        if not np.all(error < 1e-4 * np.maximum(1.0, np.abs(fine))):
            raise Discard("differences of two steps disagree")
        return value, 20 * error + 3e-7 * np.maximum(self.scale, np.abs(value))

    # ---- properties
    def value(self) -> None:
        """jit(f)(*args) == f(*args)"""
        try:
            began = time.perf_counter()
            afterwards = self.point()
            wanted = self.f(*afterwards)
            if time.perf_counter() - began > SLOW:
                raise Discard("slow")
            start, *moved = [self.f(*self.point(self.directions(), h)) for h in (0.0, 1e-12, -1e-12)]
            for seed in (1, 2):
                with rounding(self.module, seed):
                    moved.append(start + 1e3 * (self.f(*self.point(self.directions(), 0.0)) - start))
        except (lj.LanternError, Discard):
            raise
        except Exception as e:
            raise Discard(f"plain Python: {e!r}") from e
        if not np.all(np.isfinite([wanted, *moved])) or abs(wanted) > LARGE:
            raise Discard("not finite")
        if any(abs(m - start) > 1e-12 * LARGE for m in moved):
            raise Discard("sensitive")
        self.scale = max(1.0, max(abs(m - start) for m in moved) / 1e-12)
        self.same([self.call(self.jitted, self.args, afterwards)], [wanted], "jit against Python", rtol=0.0 if self.single else 1e-9)

    def grad(self) -> None:
        """jit(grad(f)) == grad(f) on the interpreter"""
        native = self.call(self.gradient, self.args)
        self.g = flat(native)
        if np.any(np.abs(self.g) > LARGE) or not np.all(np.isfinite(self.g)):
            interpreted = flat(self.call(lj.grad(self.f, self.nums), self.args))
            if np.array_equal(np.isfinite(interpreted), np.isfinite(self.g)):
                raise Discard("a large gradient")
        self.scale = max(self.scale, float(np.max(np.abs(self.g))))
        self.same(self.call(lj.grad(self.f, self.nums), self.args), native, "grad, interpreter against native")
        again = lowered(lambda: self.call(lj.grad(self.f, self.nums), self.args))
        if again is not None:
            self.same(again, native, "grad, lowered and interpreted against native")

    def grad_differences(self) -> None:
        """jit(grad(f)) == central differences of f"""
        if self.single:
            f64 = lj.jit(lj.grad(self.f, self.nums))(*self.point(np.zeros(self.size())))
            return self.same([self.g], f64, "gradient in float32 against float64", rtol=5e-3)
        for k in range(self.size()):
            e = np.eye(self.size())[k]
            value, error = self.differences(lambda args: [self.jitted(*args)], e)
            self.same([self.g[k]], value, f"gradient {k} against differences", atol=error)
        return None

    def tangents(self, v: Any) -> tuple[Any, ...]:
        out, k = [], 0
        for i in self.nums:
            a = np.asarray(self.args[i])
            t = np.reshape(v[k : k + a.size], a.shape).astype(a.dtype)
            out.append(t if isinstance(self.args[i], np.ndarray) else type(self.args[i])(t))
            k += a.size
        return tuple(out)

    def floats_only(self, f: Any = None) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """f of its float arguments, and those."""
        f, args, nums = f or self.f, self.args, self.nums

        def bound(*floats: Any) -> Any:
            full = list(args)
            for i, x in zip(nums, floats, strict=True):
                full[i] = x
            return f(*full)

        return bound, tuple(copies([args[i] for i in nums]))

    def jvp(self) -> None:
        """jvp(f) along v == grad(f) . v, on the interpreter and native"""
        bound, floats = self.floats_only()
        v = self.directions()
        wanted = float(np.dot(self.g, v))
        self.same([lj.jvp(bound, floats, self.tangents(v))[1]], [wanted], "jvp against gradient")
        native = lj.jit(lambda p, t: lj.jvp(bound, p, t))
        self.same([native(floats, self.tangents(v))[1]], [wanted], "native jvp against gradient")

    def hvp(self) -> None:
        """hvp(f, v) == differences of jit(grad(f)) along v, on the interpreter and native"""
        bound, floats = self.floats_only()
        v = self.directions()
        native = lj.jit(lambda p, t: lj.hvp(bound, p, t))
        got = native(floats, self.tangents(v))
        h = flat(got if len(floats) > 1 else [got])
        if np.any(np.abs(h) > LARGE) or not np.all(np.isfinite(h)):
            raise Discard("a large second derivative")
        self.scale = max(self.scale, float(np.max(np.abs(h))))
        other = lj.hvp(bound, floats, self.tangents(v))
        self.same(other if len(floats) > 1 else [other], [h], "hvp, interpreter against native")
        again = lowered(lambda: lj.hvp(bound, floats, self.tangents(v)))
        if again is not None:
            self.same(again if len(floats) > 1 else [again], [h], "hvp, lowered and interpreted against native")
        if not self.single:
            value, error = self.differences(lambda args: self.gradient(*args), v)
            self.same([h], value, "hvp against differences", atol=error)

    def second(self) -> None:
        """jit(grad(grad(f))) in the first float == differences"""
        if self.single:
            return
        k = self.nums[0]
        first = lj.grad(self.f, k)
        if isinstance(self.args[k], np.ndarray):
            return
        got = self.call(lj.jit(lj.grad(first, k)), self.args)
        e = np.eye(self.size())[0]
        value, error = self.differences(lambda args: [self.gradient(*args)[0]], e)
        self.same([got], value, "grad(grad(f)) against differences", atol=error)

    def text(self) -> None:
        """parse(show(p)) is p, for f and its gradient"""
        for f in (self.jitted, self.gradient):
            program = f.lower(*self.args).program
            s = show(program)
            if show(parse(s, program.constants, program.recipes)) != s:
                raise Wrong("parse(show(p)) prints another text than show(p)")

    def sizes(self) -> None:
        """every array has the sizes that its type says, in f and in its gradient"""
        for f in (self.f, lj.grad(self.f, self.nums)):
            try:
                check_sizes(f, *copies(self.args))
            except WrongSize as e:
                raise Wrong(str(e)) from None

    def checkpoint(self) -> None:
        """every loop policy gives the same gradient"""
        for policy in CHECKPOINTS if self.quick is None else [CHECKPOINTS[self.quick % len(CHECKPOINTS)]]:
            got = self.call(lj.jit(lj.grad(self.f, self.nums), checkpoint=policy), self.args)
            self.same(got, [self.g], f"gradient with checkpoint={policy!r} against the default")

    def checkpointed(self) -> None:
        """the same with a checkpoint at each call of the program's own functions, orders 1 and 2"""
        source = "".join(linecache.getlines(self.module.__file__ or ""))
        other = re.sub(r"(?<!def )(?<![\w.])([hr]\d+)\(", r"lj.checkpoint(\1)(", source)
        if other == source:
            return
        f = load(other).f
        try:
            got = self.call(lj.jit(lj.grad(f, self.nums)), self.args)
        except REFUSALS:
            return  # it changes variables, or arrays that may be one another
        self.same(got, [self.g], "gradient with checkpoints against the one without")
        if self.quick is None:
            (one, floats), v = self.floats_only(f), self.directions()
            twice = [lj.jit(lambda p, t, g=g: lj.hvp(g, p, t))(floats, self.tangents(v)) for g in (one, self.floats_only()[0])]
            self.same(*([h if len(floats) > 1 else [h] for h in twice]), "hvp with checkpoints against the one without")


SECOND_ORDER = ("hvp", "second")
PROPERTIES = ("value", "text", "sizes", "grad", "grad_differences", "checkpoint", "jvp", "hvp", "second", "checkpointed")


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise Timeout

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def check(source: str, seconds: float = 20.0, quick: bool = False) -> Outcome:
    """Try the properties one after another; the first that fails is the outcome. `quick` leaves out about half of the
    compilations, others for each program."""
    where, chosen = "load", zlib.crc32(source.encode())
    properties = [p for p in PROPERTIES if not quick or p != SECOND_ORDER[chosen % 2]]
    try:
        with warnings.catch_warnings(), alarm(seconds), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            checker = Checker(load(source), chosen if quick else None)
            for where in properties:
                getattr(checker, where)()
    except Timeout:
        return Outcome("slow", where)
    except Discard as e:
        return Outcome("discard", where, str(e))
    except Wrong as e:
        return Outcome("wrong", where, str(e))
    except REFUSALS as e:
        return Outcome("refused", where, f"{type(e).__name__}: {e}")
    except Exception as e:
        last = traceback.extract_tb(e.__traceback__)[-1]
        return Outcome("error", where, f"{type(e).__name__}: {e} ({last.filename.rsplit('/', 1)[-1]}:{last.name})")
    return Outcome("ok")


__all__ = ["FAILURES", "PROPERTIES", "Outcome", "check", "load"]
