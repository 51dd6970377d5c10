"""The public functions. Each works in three places: inside traced code it adds to the graph; called with plain
values it runs on the reference interpreter; under `jit` it is native code."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import pickle
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .backends.llvm.build.lock import COMPILING
from .backends.llvm.build.platforms import TARGET, WHY
from .backends.llvm.call.callable import NativeCallable
from .ir.core import errors
from .ir.core.builder import current_builder, current_trace
from .ir.core.sites import user_site
from .ir.python.for_loops import loop_value
from .ir.staging.branches import ifexp
from .ir.staging.effects import without_effects
from .ir.trace import derivatives
from .ir.trace.containers import Changed
from .ir.trace.language import call
from .ir.trace.tracebacks import hide
from .ir.values.reads import hold
from .pickling import Recipe, is_by_value
from .pipeline import Dispatcher, Inspection, Memory, Options, Specialisation
from .sharing import identity, shared
from .specialisations import Table

POLICIES = (None, "recursion", "replay")


def _in_trace() -> bool:
    trace = current_trace()
    return trace is not None and bool(trace.builders)


class Transformed(Recipe):
    """A function made from a function. Outside a trace it is interpreted at first, see `Specialisation.evaluate`."""

    __lantern_transform__ = True

    def __init__(self, f: Callable[..., Any], kind: str, staged: Callable[..., Any], recipe: Any = None, options: Any = None) -> None:
        """`recipe` is (function, arguments) that make the same again, for pickle. Of the same kind, function and `options` (if
        there are any), all are one."""
        if not callable(f):
            raise TypeError(f"{kind}() takes a function, not {type(f).__name__} {f!r}")
        functools.update_wrapper(self, f, updated=())
        self.__name__ = f"{kind}({getattr(f, '__name__', type(f).__name__)})"
        self._staged, self._recipe = staged, recipe
        self._same_as = None if options is None else (kind, f, options)

    @functools.cached_property
    def _dispatcher(self) -> Dispatcher:
        make = functools.partial(Dispatcher, self, self.__name__)
        return make() if self._same_as is None else shared(*self._same_as, make)

    @property
    def __lantern_identity__(self) -> Any:
        if self._same_as is None:
            return None
        kind, f, options = self._same_as
        code, *rest = identity(f)
        return (kind, options, code), *rest

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _in_trace():
            return self._staged(*args, **kwargs)
        try:
            specialisation, leaves = self._dispatcher.lookup(args, kwargs)
            return specialisation.evaluate(leaves)
        except BaseException as e:
            raise hide(e)  # noqa: B904  # itself

    @property
    def specialisations(self) -> Table:
        """What it has been traced for, see `Jitted.specialisations`."""
        return self._dispatcher.table()

    def recipe(self) -> Any:
        if self._recipe is None:
            raise pickle.PicklingError(f"{self!r} cannot be pickled")
        return self._recipe

    def __repr__(self) -> str:
        return f"<lantern_jit.{self.__name__}>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)


class Jitted(NativeCallable, Recipe):
    """A function compiled to native code for each new combination of argument types."""

    __lantern_transform__ = True
    MOST_ENTRIES = 8  # specialisations that are tried in native code; others are found in a dict

    def __init__(self, f: Callable[..., Any], static: tuple[int | str, ...], options: Options) -> None:
        super().__init__(dispatcher())
        functools.update_wrapper(self, f, updated=())
        self.__wrapped__ = f
        self._name = getattr(f, "__name__", type(f).__name__)
        self._dispatcher = Dispatcher(f, self._name, static, dataclasses.replace(options, in_place=not isinstance(f, Transformed)))
        self._direct: list[tuple[Any, Any]] = []  # (program, Watch)
        self._retired: list[Any] = []  # what an older table, which a call under way may still read, names

    def slow_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call that no compiled entry takes: inside a trace, with containers, static or keyword arguments, or new types."""
        if _in_trace():
            return call(self.__wrapped__, *args, **kwargs)
        specialisation, leaves = self._dispatcher.lookup(args, kwargs)
        found = self._run(specialisation, leaves, args, kwargs)
        return found.apply(args, kwargs) if type(found) is Changed else found

    def _run(self, specialisation: Specialisation, leaves: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if TARGET is None:
            return specialisation.interpret(leaves)
        native = specialisation.native
        exact = specialisation.is_exact and not native.draws
        if exact and not kwargs and len(leaves) == len(args) and all(x is y for x, y in zip(args, leaves, strict=True)):
            self._dispatch_to(native, specialisation.traced.reads)
        return native.entry(*leaves)

    def _dispatch_to(self, native: Any, reads: list[Any]) -> None:
        """From now on the dispatcher tries this program first, as long as what its trace has read is so. It comes here again
        where that has only moved. (Code lives as long as this object refers to it.)"""
        from .backends.llvm.call.watch import Watch

        with COMPILING:  # no lock of its own, which another thread might hold when this one forks
            known = [watch for n, watch in self._direct if n is native]
            if known:
                known[0].refresh()
                return
            full = len(self._direct) >= self.MOST_ENTRIES
            stale = [pair for pair in self._direct if not hold(pair[1].reads)] if full else []
            if (full and not stale) or self._dispatcher.static:
                return
            watch = Watch(reads)
            if not watch.refresh():
                return
            for gone in stale[-1:]:
                self._direct.remove(gone)
                self._retired.append(gone[0])
                gone[1].release()
            self._direct = [(native, watch), *self._direct]
            self.set_entries([(n.address, watch.cell) for n, watch in self._direct])

    def lower(self, *args: Any, **kwargs: Any) -> Specialisation:
        """Trace and compile for these arguments without calling."""
        specialisation, _ = self._dispatcher.lookup(args, kwargs)
        _ = specialisation.native
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

    def inspect(self, *args: Any, **kwargs: Any) -> Inspection:
        """Every stage for these arguments as text: `.graph .cps .llvm .llvm_optimized .asm`."""
        from .ir.core.text import show

        with COMPILING:
            s = self.lower(*args, **kwargs)
            n = s.native
            optimized, asm = n.texts()
            llvm, cps = n.llvm, n.cps
        leaves = [x.copy() if i in s.written.leaves else x for i, x in enumerate(self._dispatcher.lookup(args, kwargs)[1])]

        def measure() -> Memory:
            return Memory(*n.runtime.peak(lambda: s.native.entry(*leaves)))

        return Inspection(show(s.program), cps, llvm, optimized, asm, n.policies, n.timings, measure)

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
) -> Any:
    """Compile `f` to native code, once for each combination of argument types.

    Arguments are floats, ints, bools, NumPy arrays (float64, float32, int64, bool; any size) and tuples, lists,
    dicts, namedtuples and dataclasses of them; so are results. Arrays are written into where `f` does. A
    numpy.random.Generator is an argument too, and moves on where `f` draws.

    static_argnums: positions of arguments that are Python values fixed at compile time (hashable).
    static_argnames: names of such arguments, however a call passes them.
    checkpoint: how differentiated loops keep their intermediate values. None chooses by structure and length.
        "recursion": each iteration is a native call; its frame keeps everything. "replay": the loop runs forward
        saving its state, and backward iteration by iteration, where its structure allows. An int n: replay, and
        beyond n iterations recompute chunks of n, so that memory is (state / n) a step.
    nogil: whether calls let other Python threads run. None: a function with loops does if its last call was long
        (about 20 us, where letting go of the lock costs under 1%). True and False fix it.

    Raises LanternError and its kinds, see `lantern_jit.errors`.

    >>> import lantern_jit as lj
    >>> f = lj.jit(lambda x: x * x if x > 0 else 0.0)
    >>> f(3.0)
    9.0
    """
    nums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    if not (checkpoint in POLICIES or (isinstance(checkpoint, int) and not isinstance(checkpoint, bool) and checkpoint > 0)):
        raise ValueError(f'checkpoint={checkpoint!r}: give None, "recursion", "replay" or a positive chunk length')
    if f is None:
        return functools.partial(jit, static_argnums=static_argnums, static_argnames=static_argnames, checkpoint=checkpoint, nogil=nogil)
    if isinstance(f, (classmethod, staticmethod)):
        return type(f)(jit(f.__func__, static_argnums=static_argnums, static_argnames=static_argnames, checkpoint=checkpoint, nogil=nogil))
    if isinstance(f, property) and f.fget is not None:
        getter = jit(f.fget, static_argnums=static_argnums, static_argnames=static_argnames, checkpoint=checkpoint, nogil=nogil)
        return property(getter, f.fset, f.fdel, f.__doc__)
    if not callable(f):
        raise TypeError(f"jit() takes a function, not {type(f).__name__} {f!r}")
    return Jitted(f, _static(f, nums, names) if names else nums, Options(checkpoint, nogil))


def _static(f: Callable[..., Any], nums: tuple[int, ...], names: tuple[str, ...]) -> tuple[int | str, ...]:
    """Static arguments by position and by name: what is named may be passed either way."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = [inspect.Parameter("_", inspect.Parameter.VAR_KEYWORD)]
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    unknown = [n for n in names if n not in [p.name for p in parameters]]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(
            f"static_argnames={unknown[0]!r} names no parameter of `{getattr(f, '__name__', f)}`, which has {', '.join(p.name for p in parameters)}"
        )
    return (*nums, *(positional.index(n) for n in names if n in positional), *names)


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Transformed:
    """A function that gives `(f(*args), gradient)`.

    argnums: which positional arguments to differentiate; an int gives one gradient, a sequence a tuple. Each
        gradient has its argument's structure; ints are promoted to float64.
    has_aux: `f` returns `(value, aux)`; so does the first result.

    Raises NotDifferentiableError unless f's value is one float.

    >>> import lantern_jit as lj
    >>> lj.value_and_grad(lambda x, y: x * y)(3.0, 4.0)
    (12.0, 4.0)
    """
    nums = argnums if isinstance(argnums, int) else tuple(argnums)
    return Transformed(
        f,
        "value_and_grad",
        lambda *args, **kwargs: derivatives.value_and_grad(f, nums, has_aux, args, kwargs),
        (value_and_grad, (f, nums, has_aux)),
        (nums, has_aux),
    )


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Transformed:
    """The gradient of a function with one float result, by reverse mode. Arguments as in `value_and_grad`.

    With has_aux the result is `(gradient, aux)`.

    >>> import lantern_jit as lj
    >>> lj.grad(lambda x: x ** 3)(2.0)
    12.0
    >>> lj.grad(lj.grad(lambda x: x ** 3))(2.0)
    12.0
    """
    nums = argnums if isinstance(argnums, int) else tuple(argnums)

    def staged(*args: Any, **kwargs: Any) -> Any:
        value, gradient = derivatives.value_and_grad(f, nums, has_aux, args, kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return Transformed(f, "grad", staged, (grad, (f, nums, has_aux)), (nums, has_aux))


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """(f(*primals), J tangents): the directional derivative, by forward mode.

    >>> import lantern_jit as lj
    >>> lj.jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 0.0))
    (12.0, 4.0)
    """
    return Transformed(f, "jvp", lambda p, t: derivatives.jvp(f, p, t), options=())(tuple(primals), tuple(tangents))  # type: ignore[no-any-return]


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any]]:
    """(f(*primals), pull), where pull(cotangent) gives a tuple of cotangents of the primals.

    >>> import lantern_jit as lj
    >>> y, pull = lj.vjp(lambda x: (x * x, 3.0 * x), 2.0)
    >>> pull((1.0, 10.0))
    (34.0,)
    """
    if _in_trace():
        return derivatives.vjp(f, primals)[:2]
    value = Transformed(f, "vjp", lambda *p: derivatives.vjp(f, p)[0], options="value")(*primals)
    pull = Transformed(f, "vjp", lambda p, c: derivatives.vjp(f, p, again=True)[1](c), options="pull")
    return value, lambda cotangent: pull(primals, cotangent)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of f (one float result) at `primals` times `tangents`: forward over reverse.

    Gives a value like the primal for one primal, else a tuple.

    >>> import lantern_jit as lj
    >>> lj.hvp(lambda x: x ** 3, (2.0,), (1.0,))
    12.0
    """
    nums: Any = 0 if len(primals) == 1 else tuple(range(len(primals)))

    def staged(p: Any, t: Any) -> Any:
        return derivatives.jvp(grad(f, nums), p, t)[1]

    return Transformed(f, "hvp", staged, options=nums)(tuple(primals), tuple(tangents))


def jacfwd(f: Callable[..., Any]) -> Transformed:
    """The Jacobian of f (one float or float array to the same), column by column by forward mode.

    The result's shape is (*shape of f(x), *shape of x).

    >>> import lantern_jit as lj, numpy as np
    >>> lj.jacfwd(lambda x: x[0] * x[1])(np.array([3.0, 4.0]))
    array([4., 3.])
    """
    return Transformed(f, "jacfwd", lambda x, *rest: derivatives.jacobian(_bind(f, rest), x, True), (jacfwd, (f,)), ())


def jacrev(f: Callable[..., Any]) -> Transformed:
    """The Jacobian of f, row by row by reverse mode. See `jacfwd`."""
    return Transformed(f, "jacrev", lambda x, *rest: derivatives.jacobian(_bind(f, rest), x, False), (jacrev, (f,)), ())


def hessian(f: Callable[..., Any]) -> Transformed:
    """The Hessian of f (one float result) in its first argument: shape (*shape of x, *shape of x).

    >>> import lantern_jit as lj, numpy as np
    >>> lj.hessian(lambda x: x[0] * x[0] * x[1])(np.array([3.0, 4.0]))
    array([[8., 6.],
           [6., 0.]])
    """
    return Transformed(f, "hessian", lambda x, *rest: derivatives.jacobian(grad(_bind(f, rest)), x, True), (hessian, (f,)), ())


def _bind(f: Callable[..., Any], rest: tuple[Any, ...]) -> Callable[..., Any]:
    return functools.partial(_last_first, f, rest) if rest else f


def _last_first(f: Callable[..., Any], rest: tuple[Any, ...], x: Any) -> Any:
    return call(f, x, *rest)


# ---- combinators, for code without source
def cond(pred: Any, then: Callable[..., Any], orelse: Callable[..., Any], *args: Any) -> Any:
    """then(*args) if pred else orelse(*args); only one of them runs. Both give the same type.

    >>> import lantern_jit as lj
    >>> lj.jit(lambda x: lj.cond(x > 0, lambda v: v * 2, lambda v: -v, x))(-3.0)
    3.0
    """
    return without_effects((then, orelse), lambda: ifexp(pred, lambda: call(then, *args), lambda: call(orelse, *args)))


def switch(index: Any, branches: Sequence[Callable[..., Any]], *args: Any) -> Any:
    """branches[index](*args), with index clamped to the range of branches.

    >>> import lantern_jit as lj
    >>> lj.jit(lambda i, x: lj.switch(i, [lambda v: v, lambda v: v * v], x))(1, 3.0)
    9.0
    """
    if not branches:
        raise ValueError("switch() needs at least one branch")
    if len(branches) == 1:
        return call(branches[0], *args)
    return ifexp(index <= 0, lambda: call(branches[0], *args), lambda: switch(index - 1, branches[1:], *args))


def while_loop(test: Callable[[Any], Any], body: Callable[[Any], Any], init: Any) -> Any:
    """state = init; while test(state): state = body(state). The state's structure and types stay the same.

    >>> import lantern_jit as lj
    >>> lj.jit(lambda x: lj.while_loop(lambda v: v < 100.0, lambda v: v * 2, x))(3.0)
    192.0
    """
    return without_effects((test, body), lambda: loop_value(lambda s: call(test, s), lambda s: call(body, s), init))


def fori_loop(lower: Any, upper: Any, body: Callable[[Any, Any], Any], init: Any) -> Any:
    """state = init; for i in range(lower, upper): state = body(i, state).

    >>> import lantern_jit as lj
    >>> lj.jit(lambda n: lj.fori_loop(0, n, lambda i, s: s + i, 0))(5)
    10
    """
    from .ir.python.iterables import staged_range

    steps = staged_range(lower, upper)
    return without_effects((body,), lambda: loop_value(lambda s: True, lambda i, s: call(body, i, s), init, steps))


def scan(body: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any) -> tuple[Any, Any]:
    """carry = init; for x in xs: carry, y = body(carry, x). Gives (carry, array of the ys).

    xs: a one-dimensional array; each y is a scalar.

    >>> import lantern_jit as lj, numpy as np
    >>> lj.jit(lambda xs: lj.scan(lambda c, x: (c + x, c), 0.0, xs))(np.array([1.0, 2.0, 3.0]))
    (6.0, array([0., 1., 3.]))
    """
    from .ir.core.types import Scalar
    from .ir.python.iterables import staged_range
    from .ir.staging.leaves import leaf_type
    from .ir.values.values import Arrayed, allocate, lift_array

    if not _in_trace():
        return Transformed(body, "scan", lambda c, v: scan(body, c, v))(init, xs)  # type: ignore[no-any-return]
    array = xs if isinstance(xs, Arrayed) else lift_array(xs)
    kind: list[Any] = []

    def probe(i: Any, c: Any) -> Any:
        c, y = call(body, c, array[i])
        kind.append(leaf_type(y))
        return c

    builder = current_builder()
    mark = builder.mark()
    loop_value(lambda s: True, probe, init, staged_range(array.shape[0]))
    builder.rollback(mark)
    if not isinstance(kind[-1], Scalar):
        raise errors.UnsupportedOperationError(
            f"scan() at {user_site()} collects one scalar y a step: store other results into arrays of your own"
        )
    out = allocate(kind[-1], array.shape[0], 0)

    def step(i: Any, c: Any) -> Any:
        c, out[i] = call(body, c, array[i])
        return c

    return loop_value(lambda s: True, step, init, staged_range(array.shape[0])), out


def fun(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is staged on its own instead of being inlined where it is called, for recursion in code
    whose source is not available, and to keep large programs small.

    >>> import lantern_jit as lj
    >>> square = lj.fun(lambda x: x * x)
    >>> lj.jit(lambda x: square(x) + square(x + 1))(2.0)
    13.0
    """
    from .ir.staging.functions import invoke_staged

    @functools.wraps(f)
    def staged(*args: Any, **kwargs: Any) -> Any:
        return invoke_staged(f, args, kwargs) if _in_trace() else f(*args, **kwargs)

    staged.__lantern_transform__ = True  # type: ignore[attr-defined]
    return staged
