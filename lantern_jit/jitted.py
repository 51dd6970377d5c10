"""`jit`: functions compiled to native code."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import operator
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .backends.base import Options
from .backends.choice import chosen
from .backends.llvm.build.lock import COMPILING
from .backends.llvm.build.platforms import TARGET, WHY, native_target
from .backends.llvm.call.callable import NativeCallable
from .backends.llvm.call.entries import DECLINED, Entries, Nested, Structure
from .backends.targets import named
from .dispatcher import Dispatcher
from .inspection.debugging import is_interpreted, may_enter
from .inspection.report import Explanation, Inspection, Memory
from .inspection.table import Table
from .ir.core import errors
from .ir.core.text import show
from .ir.objects.containers import Changed
from .ir.trace.language import call
from .pickling import Recipe, is_by_value
from .transforms import Transformed, in_trace

if TYPE_CHECKING:
    from .specialisation import Specialisation

POLICIES = (None, "recursion", "replay", "sqrt", "log")


class Jitted(NativeCallable, Recipe):
    """A function compiled to native code for each new combination of argument types."""

    __lantern_transform__ = __lantern_optionals__ = True
    _public = ("address", "ctypes", "explain", "inspect", "lower", "specialisations")
    MOST_STRUCTURES = 4  # of arguments that are tried in native code; others are flattened

    def __init__(self, f: Callable[..., Any], static: tuple[int | str, ...], options: Options) -> None:
        super().__init__(dispatcher())
        functools.update_wrapper(self, f, updated=())
        self.__wrapped__ = f
        self._name = getattr(f, "__name__", type(f).__name__)
        self._dispatcher = Dispatcher(f, self._name, static, dataclasses.replace(options, in_place=not isinstance(f, Transformed)))
        self._entries = Entries(self)
        self._nested: tuple[Nested, ...] = ()

    def slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call that no compiled entry takes: inside a trace, with containers, static or keyword arguments, or new types."""
        if in_trace():
            return call(self.__wrapped__, *args, **kwargs)
        if is_interpreted():
            return self.__wrapped__(*args, **kwargs)
        found = DECLINED
        for nested in self._nested:
            found = nested.tried(args, kwargs)
            if found is not DECLINED:
                break
        if found is DECLINED:
            specialisation, leaves = self._dispatcher.lookup(args, kwargs)
            found = self._run(specialisation, leaves, args, kwargs)
        return found.apply(args, kwargs) if type(found) is Changed else found

    def _run(self, specialisation: Specialisation, leaves: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        executable = specialisation.executable
        if specialisation.is_exact and executable.direct is not None and may_enter():
            entries = self._entries_for(args, kwargs, leaves)
            if entries is not None:
                entries.add(executable, specialisation.traced.reads)
        return executable.call(leaves)

    def _entries_for(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]) -> Entries | None:
        """The table that is tried first for such arguments, if there can be one."""
        fixed = self._dispatcher.fixed(args, kwargs)
        if not kwargs and not fixed and len(leaves) == len(args) and all(map(operator.is_, args, leaves)):
            return self._entries
        found = next((n for n in self._nested if n.structure.finds(args, kwargs, leaves)), None)
        if found is None:
            self._nested = tuple(n for n in self._nested if not n.structure.is_gone())
            for packs in (False, True) if len(self._nested) < self.MOST_STRUCTURES else ():
                structure = Structure(args, kwargs, fixed, packs)
                if structure.finds(args, kwargs, leaves):
                    found = Nested(dispatcher(), structure)
                    self._nested = (*self._nested, found)
                    break
        return found and found.entries

    def lower(self, *args: Any, **kwargs: Any) -> Specialisation:
        """Trace and compile for these arguments without calling."""
        specialisation, _ = self._dispatcher.lookup(args, kwargs)
        _ = specialisation.executable
        return specialisation

    @property
    def specialisations(self) -> Table:
        """What has been compiled so far: argument types, the sizes and arguments that Python needed as numbers, seconds, calls.

        >>> import lantern_jit as lj
        >>> f = lj.jit(lambda x, n: [x] * n)
        >>> f(1.5, 2), f(1.5, 3)
        ([1.5, 1.5], [1.5, 1.5, 1.5])
        >>> [(row.arguments, row.numbers, row.calls) for row in f.specialisations]
        [({'x': 'float', 'n': 'int'}, {'n': 2}, 1), ({'x': 'float', 'n': 'int'}, {'n': 3}, 1)]
        """
        return self._dispatcher.table()

    def inspect(self, *args: Any, target: str | None = None, **kwargs: Any) -> Inspection:
        """Every stage for these arguments as text: `.graph .cps .llvm .llvm_optimized .asm`, and `.after(NAME)` a pass;
        `.save("page.html")` writes them side by side. The code is for this CPU, or for another: `target` is a name such as aarch64-linux-gnu, neoverse-v1 or x86-64-v3."""
        with COMPILING:
            s = self.lower(*args, **kwargs)
            made = s.executable
            texts = made.made_for(named(target)) if target is not None else {stage: made.text(stage) for stage in made.stages}
        leaves = [x.copy() if i in s.written.leaves else x for i, x in enumerate(self._dispatcher.lookup(args, kwargs)[1])]

        def measure() -> Memory:
            return Memory(*made.peak(lambda: s.run(leaves)))

        timings = {**s.timings, **made.timings, "all": s.timings["all"] + made.timings["all"]}
        return Inspection(show(s.program), texts, dict(made.policies), dict(made.parallel), timings, s.after, measure, self._name, s)

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """Where the time and the memory of a call with these arguments go, and what to change: printed it is a text, and it is a sequence of
        findings, each with a `kind`, a `site`, a `text` and a `remedy`.

        >>> import lantern_jit as lj
        >>> f = lj.jit(lambda x, n: [x] * n)
        >>> [finding.kind for finding in f.explain(2.0, 3)]
        ['recompilation']
        """
        from .inspection.explain import explain

        looked = self.inspect(*args, **kwargs)
        s, leaves = self._dispatcher.lookup(args, kwargs)
        family = next(len(f) for f in self._dispatcher.made.values() if s in list(f))
        return explain(self._name, s, family, looked.policies, leaves)

    def recipe(self) -> Any:
        """By name where a module has this very object, else the function with its options."""
        module, name = getattr(self, "__module__", None), getattr(self, "__qualname__", None)
        if isinstance(module, str) and _find(module, name) is self and not is_by_value(module):
            return name
        return _jitted, (self.__wrapped__, self._dispatcher.static, self._dispatcher.options)

    @property
    def ctypes(self) -> Any:
        """This function for C, as a ctypes function: `Specialisation.ctypes` of the one signature it has been called or
        lowered for, or of floats if there is none. For scipy.LowLevelCallable, Numba and foreign code.

        >>> import lantern_jit as lj
        >>> lj.jit(lambda x: x * x).ctypes(3.0)
        9.0
        """
        return self._dispatcher.only().ctypes

    @property
    def address(self) -> int:
        """The address of `ctypes` as an int; valid as long as this function lives."""
        return self._dispatcher.only().address

    def __repr__(self) -> str:
        return f"<lantern_jit.jit of {self._name}>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)


def _find(module: Any, name: Any) -> Any:
    """The object of that qualified name in a module, or None."""
    found = sys.modules.get(module) if isinstance(module, str) else None
    for part in name.split(".") if isinstance(name, str) else []:
        found = getattr(found, part, None)
    return found


def _jitted(f: Callable[..., Any], static: tuple[int | str, ...], options: Options) -> Jitted:
    return Jitted(f, static, options)


def dispatcher() -> int | None:
    """The address of the function that all native calls go through; None, with a warning the first time, where there is no
    native code."""
    if TARGET is None:
        if not _WARNED:
            _WARNED.append(True)
            warnings.warn(
                f"{WHY}. Jitted functions run on the interpreter here, with the same results, slowly", errors.PlatformWarning, stacklevel=4
            )
        return None
    with COMPILING:  # which a fork waits for: the child of a thread that imports would wait for ever
        native_target()
        from .backends.llvm.call.process import runtime

        return runtime().dispatcher


_WARNED: list[bool] = []


def jit(
    f: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    checkpoint: Any = None,
    nogil: bool | None = None,
    backend: str | None = None,
    memory: int | None = None,
    threads: int = 1,
    nans: str | None = None,
) -> Any:
    """Compile `f` to native code, once for each combination of argument types.

    Arrays are written into where `f` does. A numpy.random.Generator is an argument too, and moves on where `f` draws.
    `inspect(..).parallel` says which loops are run by several threads, and why others are not.

    Parameters
    ----------
    f : callable, optional
        Without it, `jit(..)` is a decorator. Arguments are floats, ints, bools, complex numbers, NumPy arrays of them and of int32 (any rank and size), and tuples,
        lists, dicts, namedtuples and dataclasses of them; so are results.
    static_argnums, static_argnames : int, str, or sequence of them, default ()
        Positions and names of arguments that are Python values fixed at compile time (hashable).
    checkpoint : int or str, optional
        How differentiated loops keep their intermediate values. None chooses by structure and length; where a call runs out of memory, its loops are
        cut as by "sqrt", then as by "log". An int n: pieces of n iterations, which run again on the way back, so that memory is that of one
        piece, and of the loop's state (with its adjoint) between pieces. "sqrt": pieces of the square root of what is left. "log": halves of
        halves, so that n iterations keep log2(n) states and are run log2(n) / 2 times more. "recursion": each iteration is a native call; its
        frame keeps everything. "replay": the loop runs forward saving its state, and backward iteration by iteration, where its structure allows.
    nogil : bool, optional
        Whether calls let other Python threads run. None: a function with loops does if its last call was long (about 20 us, where letting
        go of the lock costs under 1%).
    backend : str, optional
        What runs the program. None: machine code by LLVM ("llvm") where there is any, else the interpreter ("python").
    memory : int, optional
        The bytes that one call may use for what it keeps, at most those of the native stack, which is the default.
    threads : int, default 1
        How many threads run loops whose iterations need nothing of each other, where there is enough to do. Sums are taken part by part: they round
        otherwise than with one thread, and all alike with any number above. Two or more of them write more into the caller's arrays before an
        error than one does.
    nans : str, optional
        "raise" looks for NaNs, in values and in derivatives: NotANumberError names the line, the expression and the variable where the first one
        appears, that is where no operand is one. It makes code several times slower. None: nothing is looked at.

    Returns
    -------
    Jitted
        A function of f's arguments, with `inspect`, `explain`, `lower`, `specialisations`, `ctypes` and `address`.

    Raises
    ------
    LanternError
        And its kinds, see `lantern_jit.errors`.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> f = lj.jit(lambda x: x * x if x > 0 else 0.0)
    >>> f(3.0)
    9.0
    """
    nums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    options = _checked(Options(checkpoint, nogil, backend=backend, memory=memory, threads=threads, nans=nans))
    given = {"checkpoint": checkpoint, "nogil": nogil, "backend": backend, "memory": memory, "threads": threads, "nans": nans}
    again: Any = functools.partial(jit, static_argnums=static_argnums, static_argnames=static_argnames, **given)
    if f is None:
        return again
    if isinstance(f, (classmethod, staticmethod)):
        return type(f)(again(f.__func__))
    if isinstance(f, property) and f.fget is not None:
        return property(again(f.fget), f.fset, f.fdel, f.__doc__)
    if not callable(f):
        raise TypeError(f"jit() takes a function, not {type(f).__name__} {f!r}")
    return Jitted(f, _static(f, nums, names) if names or nums else (), options)


def _checked(options: Options) -> Options:
    """These options; ValueError if one is none."""
    checkpoint, memory, threads = options.checkpoint, options.memory, options.threads
    if not (checkpoint in POLICIES or (isinstance(checkpoint, int) and not isinstance(checkpoint, bool) and checkpoint > 0)):
        raise ValueError(f'checkpoint={checkpoint!r}: give None, "recursion", "replay", "sqrt", "log" or a positive chunk length')
    if memory is not None and (not isinstance(memory, int) or memory <= 0):
        raise ValueError(f"memory={memory!r}: give a positive number of bytes")
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise ValueError(f"threads={threads!r}: give a positive number of threads")
    if options.nans not in (None, "raise"):
        raise ValueError(f'nans={options.nans!r}: give "raise", or None')
    chosen(options.backend)  # or an error
    return options


def _static(f: Callable[..., Any], nums: tuple[int, ...], names: tuple[str, ...]) -> tuple[int | str, ...]:
    """Static arguments by position and by name: what is named may be passed either way."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = [inspect.Parameter("_", kind) for kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)]
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    unknown = [n for n in names if n not in [p.name for p in parameters]]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(
            f"static_argnames={unknown[0]!r} names no parameter of `{getattr(f, '__name__', f)}`, which has {', '.join(p.name for p in parameters)}"
        )
    n, open_end = len(positional), any(p.kind is p.VAR_POSITIONAL for p in parameters)
    for i in nums:
        if not open_end and not -n <= i < n:
            raise ValueError(f"static_argnums={i} names no argument of `{getattr(f, '__name__', f)}`, which has {n} by position")
    return (*nums, *(positional.index(n) for n in names if n in positional), *names)
