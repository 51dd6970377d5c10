"""The registry of names: which function of this room stands for which of NumPy's and SciPy's.

A function says so where it is defined, and README's table, the dispatcher (dispatch.py), the errors and the tests read it here:

    @implements(np.sum, method="sum", reduce_of=np.add)
    def sum_(a, axis=None, ...):

NumPy's things are named by themselves. SciPy's are named by strings, since SciPy is imported by whoever uses it, and so is what
has no name of its own: "np.r_", "ndarray.T". What is seldom used is in modules that are imported when a name of theirs is first
looked for (LATE); `find` and `every` look there too. Rows of operations and their rules are no part of that: all of them are known
before anything is compiled.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import numpy as np

from ..core import errors
from ..core.sites import unsupported

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True, eq=False)
class Entry:
    """`name` is what users write: np.sum, np.add.reduce, ndarray.T, scipy.linalg.solve; operator.add for `+`."""

    name: str
    fn: Function
    what: Any = None  # NumPy's own, where it is not given by its name alone; of a method the function with its arguments
    gives: str = "numpy"  # a result without axes is: a scalar of "numpy", one of "python", an "array"
    whole: bool = False  # of a ufunc: `fn` takes arrays as they are, not an element of each
    attribute: bool = False  # of arrays: what is there without a call
    creates: bool = False  # NumPy's own would make an array of plain numbers, which is none of the program
    refused: bool = False  # it is there to say what to use instead
    runs: bool = False  # it calls functions of the user's, which may know traced values though none is among its arguments


REGISTRY: dict[str, Entry] = {}
LATE: dict[str, list[str]] = {  # by what stands before a name's last dot: modules of this room, in the order in which they are asked
    "np.fft": ["fft.functions"],
    "np.linalg": ["linalg.factors", "linalg.others"],
    "scipy.integrate": ["integrate.quadrature", "integrate.initial_values"],
    "scipy.interpolate": ["integrate.interpolation"],
    "scipy.ndimage": ["signal.images"],
    "scipy.optimize": ["integrate.roots", "integrate.solvers"],
    "scipy.signal": ["signal.convolutions", "signal.filters"],
    "scipy.linalg": ["linalg.factors", "linalg.matrices", "linalg.equations", "linalg.functions_of_matrices", "linalg.others"],
    "np.lib.stride_tricks": ["sequences.views"],
    **{
        f"np.polynomial.{basis}": ["polynomials.series"]
        for basis in ("polynomial", "chebyshev", "legendre", "hermite", "hermite_e", "laguerre")
    },
    "scipy.spatial.distance": ["linalg.distances"],
    "scipy.special": ["special.functions", "special.bessel", "special.complexes"],
    "scipy.stats": [
        "stats.continuous",
        "stats.discrete",
        "stats.multivariate",
        "stats.samples",
        "stats.further",
        "stats.rarer",
        "stats.ranks",
    ],
}
# Of np and of arrays: the names that such a module implements. `+` says that what has the name makes an array (Entry.creates).
FAMILIES: dict[str, str] = {
    "statistics.nans": "np.nansum np.nanprod np.nancumsum np.nancumprod np.nanmean np.nanvar np.nanstd np.nanmax np.nanmin np.nanargmax np.nanargmin",
    "statistics.quantiles": "np.quantile np.percentile np.nanquantile np.nanpercentile np.nanmedian",
    "statistics.spread": "np.cov np.corrcoef",
    "statistics.counting": "np.bincount np.digitize np.histogram np.histogram_bin_edges np.histogramdd np.histogram2d",
    "statistics.sets": "np.unique np.unique_values np.unique_counts np.unique_inverse np.unique_all np.isin np.intersect1d np.union1d "
    "np.setdiff1d np.setxor1d",
    "arranging.places": "np.put ndarray.put np.place np.putmask np.copyto np.fill_diagonal np.extract np.choose ndarray.choose",
    "arranging.grids": "+np.indices np.ix_ np.mgrid np.ogrid np.diag_indices np.diag_indices_from np.tril_indices np.triu_indices "
    "np.tril_indices_from np.triu_indices_from np.unravel_index np.ravel_multi_index",
    "arranging.edits": "np.insert np.delete np.resize np.rollaxis np.diagflat np.unstack np.hsplit np.vsplit np.dsplit np.trim_zeros",
    "arranging.padding": "np.pad",
    "polynomials.classic": "np.vander np.polyfit np.polyadd np.polysub np.polymul np.polydiv np.polyder np.polyint np.poly np.roots",
    "sequences.windows": "+np.hanning +np.hamming +np.blackman +np.bartlett +np.kaiser np.i0 +np.logspace +np.geomspace",
    "sequences.views": "ndarray.strides",
    "sequences.steps": "np.correlate np.ediff1d np.unwrap np.cumulative_sum np.cumulative_prod",
    "elements.parts": "np.frexp np.modf np.spacing np.nextafter np.logaddexp2 np.gcd np.lcm np.bitwise_count",
    "elements.real": "np.imag np.conjugate np.real_if_close np.iscomplex np.isreal np.angle np.isposinf np.isneginf np.fix",
    "calling.mapping": "np.apply_along_axis np.apply_over_axes np.piecewise +np.fromfunction +np.fromiter",
}
LATE |= {name.lstrip("+"): [module] for module, names in FAMILIES.items() for name in names.split()}
LATE_CREATION = [name[1:] for names in FAMILIES.values() for name in names.split() if name.startswith("+")]


def implements(
    *named: Any, method: str = "", attribute: str = "", operator: str = "", reduce_of: Any = None, accumulate_of: Any = None, **facts: Any
) -> Callable[[F], F]:
    """The decorated function is NumPy's or SciPy's of these names, a method or an attribute of arrays, an operator between them,
    a ufunc's `.reduce` or `.accumulate`. `facts` are fields of Entry."""
    names = {name_of(x): x for x in named}
    names |= {f"ndarray.{method}": next(iter(named), None)} if method else {}
    names |= {f"ndarray.{attribute}": None} if attribute else {}
    names |= {f"operator.{operator}": None} if operator else {}
    names |= {f"{name_of(u)}.{how}": None for u, how in ((reduce_of, "reduce"), (accumulate_of, "accumulate")) if u is not None}

    def add(fn: F) -> F:
        for name, what in names.items():
            if name in REGISTRY:
                raise ValueError(f"{name} is implemented twice")
            REGISTRY[name] = Entry(name, fn, None if isinstance(what, str) else what, attribute=name == f"ndarray.{attribute}", **facts)
        return fn

    return add


def newer(name: str) -> Any:
    """NumPy's function of this name, which the oldest NumPy that is supported has not: the name alone there."""
    return getattr(np, name, f"np.{name}")


@functools.cache
def name_of(what: Any) -> str:
    """The name that users write for a function or ufunc of NumPy or SciPy."""
    if isinstance(what, str):
        return what
    if isinstance(what, np.ufunc):
        return f"{'np' if isinstance(getattr(np, what.__name__, None), np.ufunc) else 'scipy.special'}.{what.__name__}"  # np.i0 is none
    module = (getattr(what, "__module__", None) or "numpy").split(".")
    if module[0] == "scipy":
        module = module[: 3 if module[:3] == ["scipy", "spatial", "distance"] else 2]  # the rest is private
    return ".".join(("np" if module[0] == "numpy" else module[0], *module[1:], getattr(what, "__name__", "")))


def find(name: str) -> Entry | None:
    """The entry of a name, from a module that is loaded for it where there is one."""
    return next((e for e in (REGISTRY.get(name) for _ in _loading(name, name.rpartition(".")[0])) if e is not None), None)


def _loading(*places: str) -> Iterator[None]:
    """One step for what is there, and one for each module that is loaded."""
    yield
    for module in (m for place in places for m in LATE.get(place, ())):
        family(module)
        yield


def family(module: str) -> Any:
    """A module of this room, which is loaded when it is first used."""
    return importlib.import_module(f".{module}", __package__)


def every() -> dict[str, Entry]:
    """All there is."""
    for package in LATE:
        list(_loading(package))
    return REGISTRY


def entry_of(what: Any) -> Entry | None:
    return find(name_of(what))


def function(what: Any) -> Function:
    """What stands for a function that is known to be registered."""
    entry = entry_of(what)
    assert entry is not None, name_of(what)
    return entry.fn


def ufunc(name: str) -> Function:
    """What computes an element of a ufunc of NumPy, or of scipy.special."""
    return function(f"np.{name}" if isinstance(getattr(np, name, None), np.ufunc) else f"scipy.special.{name}")


# What makes no sense in compiled code, and what to do.
_REMEDIES = {
    "read and write files outside of the compiled function, or in a function that lantern_jit.callback calls": "np.save np.savez np.savez_compressed "
    "np.savetxt np.load np.loadtxt np.genfromtxt np.fromfile np.fromregex np.memmap ndarray.tofile ndarray.dump ndarray.dumps",
    "print the array, write it into an f-string, or give it to a function that lantern_jit.callback calls": "np.array2string np.array_repr np.array_str "
    "np.format_float_positional np.format_float_scientific np.base_repr np.binary_repr np.info",
    "compiled code has numbers and no bytes of them: use astype, or do it outside of the compiled function": "np.frombuffer np.fromstring np.packbits "
    "np.unpackbits ndarray.tobytes ndarray.byteswap ndarray.getfield ndarray.setfield ndarray.data ndarray.ctypes",
    "what is in the memory of another array is not told: ask outside of the compiled function": "np.shares_memory np.may_share_memory ndarray.base "
    "ndarray.flags ndarray.setflags ndarray.device ndarray.to_device",
    "an array keeps its size: make a new one by np.resize or np.concatenate": "ndarray.resize",
    "use an array of two axes": "np.asmatrix np.bmat np.matrix",
    "its results are Python objects: use np.vectorize": "np.frompyfunc",
    "what it gives for negative numbers is complex: use the function of np, of numbers that it is real for": "np.lib.scimath.sqrt np.lib.scimath.log "
    "np.lib.scimath.log2 np.lib.scimath.log10 np.lib.scimath.power np.lib.scimath.arccos np.lib.scimath.arcsin np.lib.scimath.arctanh np.lib.scimath.logn",
    "make it outside of the compiled function where its elements are constants (A @ x is supported); else add them into an array, np.add.at(a, (rows, columns), "
    "values), and use np.linalg.solve": "scipy.sparse.coo_matrix scipy.sparse.coo_array scipy.sparse.csr_matrix scipy.sparse.csr_array scipy.sparse.csc_matrix "
    "scipy.sparse.csc_array scipy.sparse.lil_matrix scipy.sparse.diags scipy.sparse.diags_array scipy.sparse.spdiags scipy.sparse.block_diag scipy.sparse.kron "
    "scipy.sparse.linalg.spsolve scipy.sparse.linalg.cg scipy.sparse.linalg.splu scipy.sparse.linalg.factorized",
    "dates are no numbers of compiled code: make numbers of them outside": "np.isnat np.busday_count np.busday_offset np.is_busday np.datetime_as_string",
}
REMEDIES = {name: remedy for remedy, names in _REMEDIES.items() for name in names.split()}


def refuse(name: str) -> NoReturn:
    name = "np.frompyfunc" if name.endswith(" (vectorized)") else name
    unsupported(f"{name} of traced values", instead_of(name))


def instead_of(name: str) -> str:
    """What to do instead of what this is."""
    return REMEDIES.get(name) or near(name)


def near(name: str) -> str:
    """What to use instead: the supported names that are most like it."""
    package, _, last = name.partition(".")[0], *name.rpartition(".")[1:]
    known = {n.rpartition(".")[2]: n for n in every() if n.startswith(f"{package}.") and n.rpartition(".")[0] not in REGISTRY}
    return errors.instead(last, known, known.__getitem__)


# ---- README's table
ROWS = {
    "creation": "creation", "reductions": "reductions", "products": "products", "axes": "shapes", "shaping": "shapes", "choosing": "choosing",
    "sorting": "choosing", "differences": "differences", "ufuncs": "elementwise",
    "questions": "questions", "nans": "statistics", "quantiles": "statistics", "spread": "statistics", "counting": "counting, sets",
    "sets": "counting, sets", "places": "places, grids", "grids": "places, grids", "edits": "shapes", "padding": "shapes", "classic": "polynomials",
    "windows": "sequences", "steps": "differences", "parts": "elementwise", "real": "elementwise", "mapping": "calls of functions",
}  # fmt: skip


SERIES = {"polynomial": "poly", "chebyshev": "cheb", "legendre": "leg", "hermite": "herm", "hermite_e": "herme", "laguerre": "lag"}
_OF_POWERS = ("polydiv", "polyvalfromroots")  # of that basis alone


def _row(entry: Entry) -> str:
    part, _, _ = entry.name.rpartition(".")
    if part.startswith("np.polynomial."):
        return "`np.polynomial`"
    if part == "ndarray":
        return "attributes" if entry.attribute else "methods"
    return ROWS.get(entry.fn.__module__.rpartition(".")[2], "elementwise") if part == "np" else f"`{part}`"


def table() -> str:
    """The registered names as the table that README shows."""
    rows: dict[str, set[str]] = {}
    shown = (e for e in every().values() if not e.refused and e.name.rpartition(".")[0] not in {"operator", *REGISTRY})
    for entry in shown:
        part, _, name = entry.name.rpartition(".")
        prefix = SERIES.get(part.rpartition(".")[2], "") if part.startswith("np.polynomial.") else ""
        rows.setdefault(_row(entry), set()).add(
            name.replace(prefix, "*") if prefix and name.startswith((prefix, "poly2")) and name not in _OF_POWERS else name
        )
    packages = sorted(row for row in rows if row.startswith("`"))
    order = [*dict.fromkeys(ROWS.values()), *packages, "methods", "attributes"]
    return "\n".join(f"| {row} | {_listed(rows[row])} |" for row in order)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}`" for n in sorted(names))
