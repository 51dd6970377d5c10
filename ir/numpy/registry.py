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


REGISTRY: dict[str, Entry] = {}
LATE: dict[str, list[str]] = {  # by what stands before a name's last dot: modules of this room, in the order in which they are asked
    "np.fft": ["fft.functions"],
    "scipy.special": ["special.functions", "special.bessel"],
    "scipy.stats": ["stats.continuous", "stats.discrete", "stats.multivariate", "stats.samples", "stats.further"],
}


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


@functools.cache
def name_of(what: Any) -> str:
    """The name that users write for a function or ufunc of NumPy or SciPy."""
    if isinstance(what, str):
        return what
    if isinstance(what, np.ufunc):
        return f"{'np' if isinstance(getattr(np, what.__name__, None), np.ufunc) else 'scipy.special'}.{what.__name__}"  # np.i0 is none
    module = (getattr(what, "__module__", None) or "numpy").split(".")
    if module[0] == "scipy":
        module = module[:2]  # the rest is private
    return ".".join(("np" if module[0] == "numpy" else module[0], *module[1:], getattr(what, "__name__", "")))


def find(name: str) -> Entry | None:
    """The entry of a name, from a module that is loaded for it where there is one."""
    return next((e for e in (REGISTRY.get(name) for _ in _loading(name.rpartition(".")[0])) if e is not None), None)


def _loading(package: str) -> Iterator[None]:
    """One step for what is there, and one for each module that is loaded."""
    yield
    for module in LATE.get(package, ()):
        importlib.import_module(f".{module}", __package__)
        yield


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


def refuse(name: str) -> NoReturn:
    unsupported(f"{name} of traced values", near(name))


def near(name: str) -> str:
    """What to use instead: the supported names that are most like it."""
    package, _, last = name.partition(".")[0], *name.rpartition(".")[1:]
    known = {n.rpartition(".")[2]: n for n in every() if n.startswith(f"{package}.") and n.rpartition(".")[0] not in REGISTRY}
    return errors.instead(last, known, known.__getitem__)


# ---- README's table
ROWS = {
    "creation": "creation", "reductions": "reductions", "products": "products", "axes": "shapes", "shaping": "shapes", "choosing": "choosing",
    "sorting": "choosing", "differences": "differences", "ufuncs": "elementwise",
    "questions": "questions",
}  # fmt: skip


def _row(entry: Entry) -> str:
    part, _, _ = entry.name.rpartition(".")
    if part == "ndarray":
        return "attributes" if entry.attribute else "methods"
    return ROWS.get(entry.fn.__module__.rpartition(".")[2], "elementwise") if part == "np" else f"`{part}`"


def table() -> str:
    """The registered names as the table that README shows."""
    rows: dict[str, set[str]] = {}
    shown = (e for e in every().values() if not e.refused and e.name.rpartition(".")[0] not in {"operator", *REGISTRY})
    for entry in shown:
        rows.setdefault(_row(entry), set()).add(entry.name.rpartition(".")[2])
    packages = sorted(row for row in rows if row.startswith("`"))
    order = [*dict.fromkeys(ROWS.values()), *packages, "methods", "attributes"]
    return "\n".join(f"| {row} | {_listed(rows[row])} |" for row in order)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}`" for n in sorted(names))
