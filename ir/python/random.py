"""Random numbers: a numpy.random.Generator that is an argument draws in compiled code what it draws in plain Python.

    z = draw(%g, n) {kind='normal'}           %g: the generator; z is n standard normal numbers, or one

A draw moves the generator on, so it runs where it stands and once; what is made of standard draws (normal(mu, sigma) is
mu + sigma * z, as NumPy computes it) is ordinary arithmetic, and has its derivatives. Native code calls the functions that
NumPy itself calls (backends/llvm/emit/host.py), the interpreter the generator. A generator that the function makes by
np.random.default_rng is made when the program gets there. np.random's own draws are callbacks (trace/callback.py). What is drawn from
elsewhere while a function is traced would be one number for ever: it is refused, and so are clocks.
"""

from __future__ import annotations

import functools
import math
import operator
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from ..core import errors
from ..core.builder import atom_of, current_builder
from ..core.sites import unsupported, user_site
from ..core.types import BOOL, F32, F64, I64, NUMPY_DTYPES, Array, Scalar, Type, is_generator, loaded
from ..numpy.common import astype
from ..numpy.creation import asarray
from ..numpy.registry import family
from ..ops import table
from ..values import pytree
from ..values.kernels import whole
from ..values.scalars import logical_not, to_float
from ..values.sizes import broadcast
from ..values.values import Arrayed, Traced, dim_of, scalar_type, to_type
from . import host
from .raising import raise_

KINDS = {"uniform": "random", "normal": "standard_normal", "exponential": "standard_exponential", "bounded": "integers"}


def refuse_generators(tree: Any, what: str) -> None:
    """No derivative is taken with respect to a generator."""
    message = f"{what} has a random Generator in it at %s: close over it, as in lambda x: f(x, rng)"
    _refuse_generators(tree, lambda: errors.NotDifferentiableError(message % user_site()))


def refuse_results(tree: Any, name: str) -> None:
    """The caller has its generator: it is not given back."""
    message = f"`{name}` returns a random Generator: it moves on in place, leave it out of the result"
    _refuse_generators(tree, lambda: errors.ArgumentTypeError(message))


def _refuse_generators(tree: Any, error: Callable[[], Exception]) -> None:
    def refuse(x: Any) -> NoReturn:
        raise error()

    pytree.map_nodes(GeneratorValue, refuse, tree)


def wrapped(x: Any, leaf: Any) -> Any:
    """A traced argument, as the user's code sees it; `leaf` is the argument itself."""
    return GeneratorValue(x) if is_generator(leaf) else x


def draw(kind: str, t: Type, generator: Any, *args: Any) -> Any:
    """The value of a `draw`, by NumPy."""
    dtype = NUMPY_DTYPES[t.dtype if isinstance(t, Array) else t]
    if kind == "bounded":
        low, span, *sizes = map(int, args)
        made = generator.integers(low, low + span % 2**64, sizes or None, endpoint=True)
    else:
        made = getattr(generator, KINDS[kind])(tuple(map(int, args)) or None, dtype=dtype)
    return made if isinstance(t, Array) else dtype.type(made)


# ---- a generator in traced code
class GeneratorValue:
    """A generator that compiled code is given, by a number that only backends understand."""

    __slots__ = ("handle",)

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # to isinstance it is the user's
        return np.random.Generator

    def __repr__(self) -> str:
        return "<traced Generator>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made_of_them = family("calling.draws").METHODS
        if name in made_of_them:
            return functools.partial(made_of_them[name], self)
        raise errors.UnsupportedOperationError(
            f"Generator.{name} at {user_site()} is not supported in compiled code: there are {', '.join((*METHODS, *made_of_them))}; draw other numbers outside and "
            "pass them as an argument"
        )

    # ---- the standard draws
    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._standard("uniform", size, dtype, out)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._standard("normal", size, dtype, out)

    def standard_exponential(self, size: Any = None, dtype: Any = np.float64, method: str = "zig", out: Any = None) -> Any:
        if method != "zig":
            unsupported(f"standard_exponential(method={method!r})", "leave it out")
        return self._standard("exponential", size, dtype, out)

    def _standard(self, kind: str, size: Any, dtype: Any, out: Any) -> Any:
        if out is not None:
            unsupported("a draw into out=", "write x[:] = rng.random(len(x)) and the like")
        found = np.dtype(dtype)
        if found not in (np.float64, np.float32):
            raise TypeError(f"Unsupported dtype {found!r} for {KINDS[kind]}")
        return self._draw(kind, F64 if found == np.float64 else F32, size)

    def _draw(self, kind: str, t: Scalar, size: Any, *args: Any) -> Any:
        """One number as NumPy gives it, a Python float or a NumPy int; or an array of them."""
        sizes = _sizes(size)
        builder = current_builder()
        handle = builder.use(self.handle.atom, self.handle.builder)
        atoms = [atom_of(to_type(n, I64), I64, builder) for n in (*args, *(sizes or ()))]
        out_type: Type = t if sizes is None else Array(t, tuple(map(dim_of, sizes)))
        builder.trace.effects += 1
        (out,) = builder.emit("draw", (handle, *atoms), (out_type,), {"kind": kind}, user_site())
        if sizes is not None:
            return whole(out, sizes)
        one = Traced(out, builder, t == F64)
        return to_float(one) if t == F32 else one

    # ---- what is made of them
    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        loc, scale = _float(loc), _float(scale)
        _refuse(_negative(scale), "normal", 0.0, -1.0)
        return loc + scale * self._like("normal", size, loc, scale)

    def exponential(self, scale: Any = 1.0, size: Any = None) -> Any:
        scale = _float(scale)
        _refuse(_negative(scale), "exponential", -1.0)
        return scale * self._like("exponential", size, scale)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        low, high = _float(low), _float(high)
        span = high - low
        _refuse(_any(_not_finite(span)), "uniform", 0.0, math.inf)
        _refuse(_negative(span), "uniform", 1.0, 0.0)
        return low + span * self._like("uniform", size, low, high)

    parameter = staticmethod(lambda x: _float(x))

    def standard(self, kind: str, size: Any, *parameters: Any) -> Any:
        """For what is made of it: the same as an array's element."""
        found = self._like(kind, size, *parameters)
        return Traced(found.atom, found.builder) if isinstance(found, Traced) else found

    def _like(self, kind: str, size: Any, *parameters: Any) -> Any:
        """Standard draws of this size, or of that of the parameters together."""
        shapes = [x.shape for x in parameters if getattr(x, "shape", ())]
        if size is None and not shapes:
            return self._draw(kind, F64, None)
        if size is None:
            return self._draw(kind, F64, tuple(broadcast(shapes)))
        sizes = _sizes(size) or ()
        if any(len(s) > len(sizes) for s in shapes):
            raise ValueError(f"size= at {user_site()} has fewer axes than the parameters of the distribution")
        return self._draw(kind, F64, sizes)

    def integers(self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64, endpoint: bool = False) -> Any:
        if np.dtype(dtype) != np.int64:
            unsupported(f"integers(dtype={dtype!r})", "int64 is; convert what is drawn")
        one = high is None
        low, high = (0, low) if one else (low, high)
        for x in (low, high):
            if (scalar_type(x) or (None,))[0] != I64:
                unsupported(f"integers() of {x!r:.40}", "it takes ints; draw in a loop where the bounds are an array")
        empty = low > high if endpoint else low >= high
        _refuse(empty, "integers", *((-1,) if one and endpoint else (0,) if one else (1, 0)), endpoint=endpoint)
        span = _minus(_minus(high, low), 0 if endpoint else 1)
        return self._draw("bounded", I64, size, low, span)


# ---- generators that the function makes
def is_maker(function: Any) -> bool:
    """Is it np.random.default_rng?"""
    found = loaded("numpy.random", "default_rng")
    return found is not None and function is found.default_rng


def begun(seed: Any = None) -> Any:
    """np.random.default_rng(seed) each time that compiled code gets here."""
    if isinstance(seed, np.random.Generator):
        return seed
    parts = seed if isinstance(seed, (list, tuple)) else [seed]
    for n in parts:
        if isinstance(n, (Traced, Arrayed)) and (n.type.dtype if isinstance(n, Arrayed) else n.type) != I64:
            raise TypeError(f"the seed of default_rng() at {user_site()} is made of ints, not {n!r:.40}")
    atoms, gives, attrs = host.recipe(
        _begin, (seed,), {}, gives=(I64,), checked=lambda found, sizes: [np.int64(found)], inside=True, anew=True
    )
    builder = current_builder()
    (out,) = builder.emit("host", atoms, gives, attrs, user_site())
    return GeneratorValue(Traced(out, builder))


def _begin(seed: Any) -> int:
    """A new one each time, also where the program evaluates something again: from the same seed it draws the same."""
    now = host.running()
    if seed is None:
        seed = now.hear(lambda: np.random.SeedSequence().entropy)
    return now.hold(np.random.default_rng(seed))


METHODS = ("random", "standard_normal", "normal", "uniform", "integers", "exponential", "standard_exponential")
pytree.register(GeneratorValue, lambda g: ((g.handle,), None), lambda _, children: GeneratorValue(*children))


def _minus(x: Any, y: Any) -> Any:
    """x - y as C's: a span may be larger than an int."""
    if isinstance(x, Traced) or isinstance(y, Traced):
        return table.isub(to_type(x, I64), to_type(y, I64))
    return (int(x) - int(y) + 2**63) % 2**64 - 2**63


def _sizes(size: Any) -> list[Any] | None:
    if size is None:
        return None
    sizes = list(size) if isinstance(size, (tuple, list)) else [size]
    for n in sizes:
        if (scalar_type(n) or (None,))[0] != I64:
            raise TypeError(f"a size must be an int, not {n!r:.40} ({user_site()})")
    return [n if isinstance(n, Traced) else operator.index(n) for n in sizes]


def _float(x: Any) -> Any:
    """A parameter as NumPy takes it: a Python float, or an array of float64."""
    if (isinstance(x, np.ndarray) and x.ndim) or isinstance(x, (list, tuple)):
        x = asarray(x)
    if isinstance(x, Arrayed):
        return x if x.type.dtype == F64 else astype(x, F64)
    return to_float(x) if isinstance(x, Traced) else float(x)


def _not_finite(x: Any) -> Any:
    return np.logical_not(np.isfinite(x))


def _any(x: Any) -> Any:
    return np.any(x) if getattr(x, "shape", ()) else x


def _negative(x: Any) -> Any:
    """Has it, or some element of it, a minus sign? (NumPy refuses -0.0 too, and takes NaN.)"""
    return _any(np.logical_and(np.copysign(1.0, x) < 0.0, x == x))


def _refuse(bad: Any, method: str, *example: Any, **keywords: Any) -> None:
    """Where `bad` is true, raise what NumPy raises for the example."""
    if bad is False or (not isinstance(bad, Traced) and not bad):
        return
    try:
        getattr(np.random.default_rng(0), method)(*example, **keywords)
    except (ValueError, OverflowError) as e:
        found = e
    else:
        return  # this NumPy takes it
    if not isinstance(bad, Traced):
        raise_(found)
        raise found
    builder = current_builder()
    good = atom_of(logical_not(bad), BOOL, builder)
    builder.emit("holds", (good,), (BOOL,), {}, user_site(str(found), found))


# ---- what is refused
_CLOCKS = {
    ("time", name + tail) for name in ("time", "perf_counter", "monotonic", "process_time", "thread_time") for tail in ("", "_ns")
} | {("time", name) for name in ("localtime", "gmtime", "ctime", "strftime", "clock_gettime")} | {
    ("datetime", name) for name in ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")
}  # fmt: skip
_SOURCES = {("posix", "urandom"), ("posix", "getrandom"), ("uuid", "uuid1"), ("uuid", "uuid4"), ("secrets", "token_bytes"), ("secrets", "token_hex"),
            ("secrets", "token_urlsafe"), ("secrets", "randbelow")}  # fmt: skip


def check_source(function: Any) -> None:
    """Refuse a call whose result would be another one each time, and is not in compiled code."""
    owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    numpy, python = loaded("numpy.random", "get_state"), loaded("random", "getstate")
    place = (getattr(function, "__module__", None) or "", name)
    if isinstance(owner, type):
        place = (owner.__module__, f"{owner.__qualname__}.{name}")
    if numpy is not None and issubclass(type(owner), (numpy.Generator, numpy.RandomState)):
        _refuse_draw(f"np.random.{name}" if issubclass(type(owner), numpy.RandomState) else f"{name}() of a Generator that is no argument")
    if python is not None and issubclass(type(owner), python.Random):
        _refuse_draw(f"random.{name}")
    if isinstance(function, type) and (
        (python is not None and issubclass(function, python.Random))
        or (numpy is not None and issubclass(function, (numpy.Generator, numpy.RandomState, numpy.BitGenerator)))
    ):
        _refuse_draw(f"{function.__name__}(), a source of random numbers,")
    if place in _SOURCES or (name == "rvs" and owner is not None and type(owner).__module__.startswith("scipy.stats")):
        _refuse_draw(f"{place[1]}(), a source of random numbers,")
    if place in _CLOCKS:
        raise errors.UnsupportedOperationError(
            f"{'.'.join(place)} at {user_site()} is a clock, and would be read once, while the function is traced: read the time outside and pass it as "
            "an argument"
        )


def _refuse_draw(what: str) -> NoReturn:
    raise errors.UnsupportedOperationError(
        f"{what} at {user_site()} would draw once, while the function is traced, and be one number for ever: pass a numpy.random.Generator "
        "(np.random.default_rng()) as an argument and draw from that, make one in the function (rng = np.random.default_rng(seed)), or pass the random numbers"
    )


@contextmanager
def watched(name: str) -> Iterator[None]:
    """Notice draws from the global sources that code without source makes meanwhile."""
    before = _global_states()
    yield
    if all(a is None or a == b for a, b in zip(before, _global_states(), strict=True)):  # None: it has been loaded meanwhile
        return
    text = (
        f"`{name}` draws random numbers from a global source (np.random, random) while it is traced, in code whose source is not available: they would "
        "be the same for ever. Pass a numpy.random.Generator or the random numbers as an argument"
    )
    if threading.active_count() > 1:  # it may have been another thread
        warnings.warn(text, RuntimeWarning, stacklevel=2)
        return
    raise errors.UnsupportedOperationError(text)


def _global_states() -> Sequence[Any]:
    numpy, python = loaded("numpy.random", "get_state"), loaded("random", "getstate")
    found: list[Any] = [None, None]
    if numpy is not None:
        state = numpy.get_state(legacy=False)
        found[0] = [v.tobytes() if isinstance(v, np.ndarray) else v for v in (*state["state"].values(), state.get("has_gauss"))]
    if python is not None:
        found[1] = python.getstate()
    return found
