"""From what users call to what stands for it: NumPy's protocols, methods and attributes of traced values, operators of arrays.

All of it is looked up in the registry; the imports below fill it.
"""

from __future__ import annotations

import dataclasses
import importlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import current_trace
from ..core.sites import unsupported, user_site
from ..core.types import BOOL, NUMPY_DTYPES, is_complex, is_float, is_inexact
from ..ops import table
from ..staging.growing import growing
from ..values.complexes import functions as complex_functions
from ..values.kernels import elementwise, filled
from ..values.reshaping import expand
from ..values.scalars import zero_dimensional
from ..values.values import Arrayed, Traced, constant, is_traced
from ..values.views import any_traced, as_array
from ..values.writes import update
from . import axes, choosing, creation, differences, images, products, reductions, shaping, sorting, ufuncs  # noqa: F401
from .arguments import call, call_method, has_no_effect, into
from .common import astype, class_of, dtype_of, scalar_kind
from .fft import transform  # noqa: F401
from .linalg import functions  # noqa: F401
from .registry import LATE_CREATION, REGISTRY, REMEDIES, Entry, entry_of, family, find, instead_of, name_of, refuse
from .ufuncs import choose


# ---- functions
def call_function(func: Any, args: Any, kwargs: Any) -> Any:
    """A function of NumPy or SciPy that is no ufunc, with a traced value among its arguments."""
    entry = entry_of(func)
    if entry is None:
        refuse(name_of(func))
    out = call(func, entry.fn, args, kwargs)
    return out if entry.gives == "python" else zero_dimensional(out) if entry.gives == "array" else of_numpy(out)


def of_numpy(out: Any) -> Any:
    """The result of a NumPy function: its scalars are no Python numbers."""
    if isinstance(out, tuple):
        return type(out)(*map(of_numpy, out)) if hasattr(out, "_fields") else tuple(map(of_numpy, out))
    return out.weakly(False) if isinstance(out, Traced) and out.weak else out


def in_trace(plain: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy's that makes arrays: inside a trace they are the program's own and can be written to."""

    def fn(*args: Any, **kwargs: Any) -> Any:
        trace = current_trace()
        return call_function(plain, args, kwargs) if trace is not None and trace.builders else plain(*args, **kwargs)

    return fn


CREATION = {
    what: in_trace(what)
    for what in (*(e.what for e in REGISTRY.values() if e.creates), *(getattr(np, name.removeprefix("np.")) for name in LATE_CREATION))
}


# ---- ufuncs
def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc of NumPy or SciPy, or a method of one, with a traced value among its inputs."""
    name = name_of(ufunc) + (f".{method}" if method != "__call__" else "")
    if method == "outer":
        a, b = map(as_array, inputs)
        rank = len(np.shape(b)) if not isinstance(b, Arrayed) else b.ndim
        return ufunc(expand(a, range(a.ndim, a.ndim + rank)) if isinstance(a, Arrayed) else a, b, **kwargs)
    entry = find(name)
    if entry is None:
        if find(name_of(ufunc)) is None:
            refuse(name)
        found = family("calling.folding").folded(ufunc, method, inputs, kwargs)
        return found if kwargs.get("out") is None else into(kwargs["out"], found)
    given = {k: v for k, v in kwargs.items() if k not in ("casting", "order", "subok") or not has_no_effect(k, v)}
    if method != "__call__":
        return _method_of_ufunc(entry, method, inputs, given)
    out, mask = given.pop("out", None), given.pop("where", True)
    if mask is not True and out is None:
        unsupported(f"{name} with where= and without out=, whose other elements have no value,", "give out=, or use np.where")
    result = of_numpy(_elements(entry, _of_dtype(given.pop("dtype", None), inputs)))
    if given:
        unsupported(f"{name} with {', '.join(f'{k}=' for k in given)}", "leave it out")
    if out is None:
        return result
    if mask is not True:
        result = choose(as_array(mask), result, out[0] if isinstance(out, tuple) else out)
    return into(out, result)


def _elements(entry: Entry, inputs: tuple[Any, ...]) -> Any:
    """A ufunc of numbers, or of each element."""
    xs = list(map(as_array, inputs))
    if any(is_complex(scalar_kind(x)) for x in xs):
        entry = of_complex(entry)
    if entry.whole or not any(isinstance(x, Arrayed) for x in xs):
        return entry.fn(*xs)
    first = (lambda x, *rest: entry.fn(x if isinstance(x, Traced) else constant(x), *rest)) if len(xs) > 1 else entry.fn
    return elementwise(first, *xs, name=entry.name.rpartition(".")[2])


def of_complex(entry: Entry) -> Entry:
    """What computes a ufunc of complex operands."""
    name = entry.name.rpartition(".")[2]
    fn = complex_functions.function(name)
    if fn is not None:
        return dataclasses.replace(entry, fn=fn, whole=False)
    if entry.whole or name in _OF_ANY:
        return entry
    raise TypeError(f"ufunc {name!r} not supported for the input types: they are complex ({user_site()})")


_OF_ANY = ("logical_and", "logical_or", "logical_xor", "logical_not", "maximum", "minimum", "fmax", "fmin")


def _of_dtype(dtype: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Operands in the dtype that a ufunc is to compute in."""
    if dtype is None or dtype_of(dtype) == BOOL:
        return inputs
    t, given = dtype_of(dtype), [as_array(x) for x in inputs]
    for x in given:
        if not np.can_cast(NUMPY_DTYPES[scalar_kind(x)], NUMPY_DTYPES[t], "same_kind"):
            raise TypeError(f"Cannot cast ufunc input from {scalar_kind(x)} to {t} with casting rule 'same_kind' ({user_site()})")
    return tuple(astype(x, t) if is_traced(x) else NUMPY_DTYPES[t].type(x) for x in given)


def _method_of_ufunc(entry: Entry, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """.at as it is; .reduce and .accumulate run along the first axis where nothing else is said."""
    if method == "at":
        return entry.fn(*inputs)
    names = ("axis", "dtype", "out", "keepdims", "initial", "where")
    given = dict(zip(names, inputs[1:], strict=False)) | kwargs
    out = given.pop("out", None)
    found = call_method(entry, (inputs[0], given.pop("axis", 0)), given)
    return found if out is None else into(out, found)


# ---- from rewritten code
_DISPATCHED = type(np.mean)
INDEXED = {np.r_: "np.r_", np.c_: "np.c_", np.mgrid: "np.mgrid", np.ogrid: "np.ogrid"}  # what makes arrays of an index


def is_of_numpy(function: Any) -> bool:
    """Is this a function, a ufunc, a method of a ufunc, a scalar type of NumPy or what np.vectorize has made, whose array-likes may be lists
    of traced values?"""
    kind = type(function)
    if kind is np.ufunc or kind is _DISPATCHED or kind is np.vectorize:
        return True
    if kind is types.FunctionType:  # one that does not ask its arguments what to do
        return (function.__module__ or "").startswith("numpy") and (entry_of(function) is not None or name_of(function) in REMEDIES)
    if kind is type:
        return issubclass(function, np.generic) or function is np.poly1d
    return (kind is types.BuiltinMethodType and isinstance(function.__self__, np.ufunc)) or _is_of_polynomials(function)


def _is_of_polynomials(function: Any) -> bool:
    """Is it a class of polynomials, an object of one, or a method of either?"""
    owner = getattr(function, "__self__", function) if type(function) is types.MethodType else function
    cls = owner if isinstance(owner, type) else type(owner)
    return cls is np.poly1d or (cls.__module__ or "").startswith("numpy.polynomial.")


def index_joined(obj: Any, index: Any) -> Any:
    """np.r_[...] and their like."""
    return find(INDEXED[obj]).fn(index)  # type: ignore[union-attr]


def mentions_traced(x: Any) -> bool:
    """Is there a traced value in nested lists, tuples and dicts?"""
    if isinstance(x, (list, tuple)):
        return growing(x) is not None or any(map(mentions_traced, x))
    if isinstance(x, slice):
        return any(map(is_traced, (x.start, x.stop, x.step)))
    return any(map(mentions_traced, x.values())) if isinstance(x, dict) else is_traced(x)


def call_numpy(function: Any, args: Any, kwargs: Any) -> Any:
    """A function of NumPy's (`is_of_numpy`) that rewritten code calls with a traced value somewhere in its arguments."""
    if isinstance(function, np.vectorize):
        return family("calling.mapping").vectorized(function, args, kwargs)
    if _is_of_polynomials(function):
        return family("polynomials.objects").called(function, args, kwargs)
    if isinstance(function, np.ufunc):
        given, out = args[: function.nin], tuple(x for x in args[function.nin :] if x is not None)
        return call_ufunc(function, "__call__", given, dict(out=out, **kwargs) if out else kwargs)
    if isinstance(function, type):
        return creation.array(args[0], function) if args else function()
    if isinstance(function, types.BuiltinMethodType):
        return call_ufunc(function.__self__, function.__name__, args, kwargs)
    return call_function(function, args, kwargs)


def call_scipy(function: Any, args: Any, kwargs: Any) -> Any:
    """A function of SciPy, which does not ask its arguments what to do unless it is a ufunc; a class of its, an object or a method of one."""
    if isinstance(function, np.ufunc):
        return function(*args, **kwargs)
    owner = getattr(function, "__self__", function)
    if type(owner).__module__.startswith("scipy.stats."):  # a distribution, with its methods
        return importlib.import_module(".stats.objects", __package__).call(function, args, kwargs)
    if isinstance(function, types.MethodType):
        return _method_of_scipy(owner, function.__name__, args, kwargs)
    if not hasattr(function, "__name__"):
        return _method_of_scipy(function, "__call__", args, kwargs)
    if any_traced((args, kwargs)):
        return call_function(function, args, kwargs)
    try:
        return call_function(function, args, kwargs)
    except errors.UnsupportedOperationError as refusal:
        return _as_it_is(function, args, kwargs, refusal)


def _as_it_is(function: Any, args: Any, kwargs: Any, refusal: Exception) -> Any:
    """What is refused may run while tracing, as long as the functions that it is given know no traced value either."""
    try:
        return function(*args, **kwargs)
    except Exception as e:
        raise refusal from e


def _method_of_scipy(owner: Any, name: str, args: Any, kwargs: Any) -> Any:
    classes = [cls for cls in type(owner).__mro__ if cls.__module__.startswith("scipy.")]
    for cls in classes:
        find(name_of(cls))  # what is seldom used is loaded
        entry = REGISTRY.get(f"{name_of(cls)}.{name}")
        if entry is not None:
            return of_numpy(call(getattr(cls, name), entry.fn, (owner, *args), kwargs))
    refuse(f"{name_of(classes[0])}.{name}")


def runs_functions(function: Any) -> bool:
    """Is it a function of SciPy's that calls functions of the user's, and is known here?"""
    entry = entry_of(function) if isinstance(function, types.FunctionType) else None
    return entry is not None and entry.runs


# ---- methods and attributes
def method(name: str, a: Arrayed) -> Callable[..., Any]:
    """A bound method of a traced array."""
    return lambda *args, **kwargs: call_method(REGISTRY[f"ndarray.{name}"], (a, *args), kwargs)


def array_attribute(a: Arrayed, name: str) -> Any:
    """A method or property of a traced array."""
    entry = find(f"ndarray.{name}")
    if entry is not None:
        return entry.fn(a) if entry.attribute else method(name, a)
    if name.startswith("__") or not hasattr(np.ndarray, name):
        raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r} ({user_site()})")
    unsupported(f"ndarray.{name}", instead_of(f"ndarray.{name}"))


def scalar_attribute(x: Traced, name: str) -> Any:
    """A method or property of a traced scalar: what the array of this one element has, a scalar again where that has one element."""
    plain = {"T": x, "mT": x, "imag": 0.0, "size": 1, "itemsize": x.dtype.itemsize, "nbytes": x.dtype.itemsize}
    if name in plain and hasattr(np.float64, name):
        return plain[name]
    if name in ("transpose", "squeeze", "copy", "conj") or (name in ("sum", "mean", "max", "min", "prod") and is_inexact(x.type)):
        return lambda *args, **kwargs: x
    if name in ("round", "clip", "dot"):
        return lambda *args, **kwargs: call_function(getattr(np, name), (x, *args), kwargs)
    if name == "is_integer" and is_float(x.type):
        return lambda: table.logical_and(table.eq(table.trunc(x), x), table.isfinite(x))
    if name == "astype":
        return lambda dtype, *args, **kwargs: creation.array(x, dtype)
    entry = find(f"ndarray.{name}")
    if entry is not None and not entry.attribute and name not in ("fill", "sort", "diagonal", "trace", "swapaxes", "tolist"):
        return method(name, filled(x, (1,)))
    cls = class_of(x)
    if hasattr(cls, name) and not name.startswith("__"):
        unsupported(f"{cls.__name__}.{name}", "compute it from the number")
    raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r} ({user_site()})")


# ---- operators of arrays
_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "and": "&", "or": "|", "xor": "^",
            "lshift": "<<", "rshift": ">>"}  # fmt: skip


def _operators() -> dict[str, Callable[..., Any]]:
    """Those that are registered, with the operands the other way round, and in place."""
    found = {name.removeprefix("operator."): e.fn for name, e in REGISTRY.items() if name.startswith("operator.")}
    turned = {f"r{name}": lambda x, y, fn=found[name]: fn(y, x) for name in (*_SYMBOLS, "divmod", "matmul")}
    in_place = {f"i{name}": lambda x, y, fn=found[name], s=f"{s}=": update(x, fn, y, s) for name, s in _SYMBOLS.items()}
    return found | turned | in_place | {"imatmul": lambda x, y: x.__setitem__(Ellipsis, found["matmul"](x, y)) or x}


OPERATORS = _operators()


# ---- what traced values have of NumPy's
def _operator(name: str) -> Any:
    return lambda self, *args: OPERATORS[name](self, *args)


Arrayed.flat = property(  # type: ignore[attr-defined]
    lambda self: array_attribute(self, "flat"), lambda self, value: family("arranging.places").fill_flat(self, value)
)
for _name in OPERATORS:
    setattr(Arrayed, f"__{_name}__", _operator(_name))
_kinds: tuple[tuple[Any, Any], ...] = ((Traced, scalar_attribute), (Arrayed, array_attribute))
for _kind, _attribute in _kinds:
    _kind.__array_ufunc__ = lambda self, ufunc, method, *inputs, **kwargs: call_ufunc(ufunc, method, inputs, kwargs)
    _kind.__array_function__ = lambda self, func, types, args, kwargs: call_function(func, args, kwargs)
    _kind.__getattr__ = lambda self, name, _attribute=_attribute: _attribute(self, name)
