"""Jacobians and Hessians as sparse matrices: the pattern, its columns in groups, and one block of tangents for each eight groups."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..inspection.public import Public
from ..ir.core import errors
from ..ir.core.analysis import find_loops, references
from ..ir.core.types import Array, is_float, is_generator
from ..ir.objects.statics import is_static
from ..ir.trace.arguments import Chosen
from ..ir.trace.jacobian import compressed
from ..ir.trace.language import call
from ..ir.values import pytree
from ..jitted import jit
from ..specialisation import Specialisation
from ..transforms import Argnums, Transformed, in_trace
from . import colours
from .pattern import Run
from .sets import NONE, Pairs, Sets
from .values import UNKNOWN, Cells, Ref

KEPT = 16  # patterns of one function


class _Argument:
    """Stands for the argument that derivatives are taken with respect to."""


@dataclass
class Plan:
    """A pattern, and how its entries are found: `take` are their positions among all that the compressed function gives."""

    program: Any
    pattern: Any
    groups: int = 0
    seeds: Any = None
    take: Any = None
    run: Any = None


class Sparse(Public):
    """A function that gives a sparse matrix: the pattern, or derivatives with it."""

    def __init__(self, f: Callable[..., Any], argnums: Argnums, kind: str) -> None:
        if not callable(f):
            raise TypeError(f"{kind}() takes a function, not {type(f).__name__} {f!r}")
        if not isinstance(argnums, (int, str)):
            raise TypeError(f"{kind}() takes one argument: argnums={argnums!r} is no int and no name")
        functools.update_wrapper(self, f, updated=())
        self.__name__ = f"{kind}({getattr(f, '__name__', type(f).__name__)})"
        self.f, self.argnums, self.kind, self.second = f, argnums, kind, kind == "sparse_hessian"
        self._plain = Transformed(f, kind, lambda *args, **kwargs: call(f, *args, **kwargs), options=())
        self._plans: dict[Any, Plan] = {}

    def __repr__(self) -> str:
        return f"<lantern_jit.{self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if in_trace():
            raise errors.UnsupportedOperationError(
                f"{self.kind} gives a SciPy matrix, which compiled code does not know: call it outside, or take jacfwd"
            )
        chosen = Chosen.of(self.f, self.argnums, args, kwargs, self.kind)
        args, kwargs = chosen.put(args, kwargs, [_floats(chosen.taken(args, kwargs)[0], self.kind)])
        plan = self.plan(chosen, args, kwargs)
        if self.kind == "sparsity":
            return plan.pattern.copy()
        if plan.run is None:
            self._compress(plan, np.asarray(chosen.taken(args, kwargs)[0]))
        data = plan.run(plan.pattern.shape[0], plan.take, *plan.seeds, *args, **kwargs)
        return sp.csr_array((data, plan.pattern.indices, plan.pattern.indptr), shape=plan.pattern.shape)

    def plan(self, chosen: Chosen, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Plan:
        """The pattern for these arguments: it depends on sizes, and on the values of ints and bools."""
        specialisation, leaves = self._plain._dispatcher.lookup(args, kwargs)
        key = tuple(map(_key, leaves))
        found = self._plans.get(key)
        if found is None or found.program is not specialisation.program:
            marked = pytree.flatten_in_order(chosen.put(args, kwargs, [_Argument()]))[0]
            which = next(
                i for i, x in enumerate(x for x in marked if isinstance(x, _Argument) or not is_static(x)) if isinstance(x, _Argument)
            )
            found = Plan(specialisation.program, pattern(specialisation, leaves, which, self.second))
            self._plans.pop(key, None)
            self._plans[key] = found
            for old in list(self._plans)[:-KEPT]:
                del self._plans[old]
        return found

    def _compress(self, plan: Plan, x: Any) -> None:
        """Put columns into groups, and say for each entry where it is found; x is the argument."""
        (m, n), indptr, cols = plan.pattern.shape, plan.pattern.indptr, plan.pattern.indices
        rows = np.repeat(np.arange(m), np.diff(indptr))
        groups, plan.groups = colours.symmetric(plan.pattern) if self.second else colours.columns(plan.pattern)
        if self.second:
            rows, cols = colours.oriented(rows, cols, groups)
        apart = is_straight(plan.program)
        width = compressed.at_once(plan.groups, apart)
        count = max(plan.groups, 1) if apart else -(-max(plan.groups, 1) // width) * width
        seeds = np.zeros((count, n), x.dtype)
        seeds[groups.of, np.arange(n)] = 1
        blocks, lanes = np.divmod(groups.of[cols], width)
        if apart:
            take, plan.seeds = groups.of[cols] * m + rows, [s.reshape(x.shape or (1,)) for s in seeds]
        else:
            take, plan.seeds = (
                (blocks * m + rows) * width + lanes,
                [np.ascontiguousarray(seeds[i : i + width].T) for i in range(0, count, width)],
            )
        plan.take = take.astype(np.int32 if take.max(initial=0) < 2**31 else np.int64)
        how = functools.partial(compressed.evaluated, self.f, self.argnums, self.second, apart, len(plan.seeds))
        plan.run = jit(Transformed(self.f, self.kind, how))
        for shared in (plan.pattern.indices, plan.pattern.indptr):  # of all results
            shared.flags.writeable = False


def is_straight(program: Any) -> bool:
    """Does a program have no loop and no recursion, but kernels?"""
    done: set[str] = set()

    def walk(name: str, above: frozenset[str]) -> bool:
        if name in above:
            return False
        if name in done:
            return True
        f = program.functions[name]
        found = not find_loops(f) and all(walk(n, above | {name}) for n in references(f))
        done.add(name)
        return found

    return walk(program.entry, frozenset())


def _floats(x: Any, kind: str) -> Any:
    """The argument as a float or an array of floats."""
    if isinstance(x, (bool, np.bool_)) or (isinstance(x, np.ndarray) and x.dtype.kind == "b"):
        raise errors.NotDifferentiableError(f"{kind} takes derivatives with respect to floats, not bools")
    if isinstance(x, np.ndarray) and x.dtype.kind in "iuf":
        return x if x.dtype.kind == "f" else x.astype(np.float64)
    if isinstance(x, (int, float, np.integer, np.floating)):
        return x if isinstance(x, (float, np.floating)) else float(x)
    raise errors.UnsupportedOperationError(f"{kind} takes one float or float array, not a {type(x).__name__}: put its parts into one array")


def _key(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype.str, x.tobytes() if x.dtype.kind in "iub" else None
    return type(x) if isinstance(x, (float, np.floating)) or is_generator(x) else (type(x), x)


def pattern(specialisation: Specialisation, leaves: list[Any], which: int, second: bool) -> Any:
    """The pattern of a traced function's Jacobian, or Hessian, with respect to one of its arguments."""
    program, name = specialisation.program, specialisation.name
    results = specialisation.traced.results
    if (
        len(results) != 1
        or results[0] is None
        or not is_float(getattr(results[0], "dtype", results[0]))
        or not specialisation.traced.tree.is_leaf()
    ):
        raise errors.NotDifferentiableError(f"`{name}` is to return one float or float array: put its parts into one array")
    if second and isinstance(results[0], Array):
        raise errors.NotDifferentiableError(f"`{name}` is to return one float, not an array of them")
    sets = Sets(int(np.size(leaves[which])))
    pairs = Pairs(sets) if second else None
    run = Run(program, sets, pairs)
    values = [_value(sets, x, i == which) for i, x in enumerate(leaves)]
    values += [Ref((Cells(sets, x.size, NONE, x.reshape(-1)),), x.shape) for x in program.constants]
    found = run.call(program.entry, values)
    if found is None:
        raise errors.EndlessTraceError(f"`{name}` never returns")
    if pairs is not None:
        total = pairs.matrix()
    elif isinstance(found[0], Ref):
        n = int(np.prod(list(map(run.size, found[0].shape))))
        total = sets.table(run.at(found[0], np.arange(n))[0], n)
    else:
        total = sets.table(found[0] if isinstance(found[0], frozenset) else NONE, 1)
    total = sp.csr_array(total, dtype=bool)
    total.sum_duplicates()
    if max(total.nnz, *total.shape) < 2**31:
        total.indices, total.indptr = total.indices.astype(np.int32), total.indptr.astype(np.int32)
    return total


def _value(sets: Sets, x: Any, chosen: bool) -> Any:
    """An argument, as it is known."""
    if isinstance(x, np.ndarray) and x.ndim:
        found = sp.eye_array(x.size, dtype=bool, format="csr") if chosen else NONE
        return Ref((Cells(sets, x.size, found, x.reshape(-1).copy() if x.dtype.kind in "iub" else None),), x.shape)
    if isinstance(x, (float, np.floating)) or (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        return frozenset([0]) if chosen else NONE
    if is_generator(x):
        return UNKNOWN
    return bool(x) if np.asarray(x).dtype == bool else np.int64(x)
