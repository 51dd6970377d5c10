"""Operations in callback form while they are traced: y = f(x, k), where k(y) is all that follows, and gives the adjoint of y.

The whole of f is one function of the graph, in which the call of k is an operation, `resume`. Control flow around it is blocks, as
everywhere; that every path calls k once is seen there. passes/delimited/operations.py cuts the function at k.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Builder, Trace, current_trace
from ..core.dims import UNKNOWN, Dim, made_of, symbols
from ..core.graph import Function, Return, Site, edges
from ..core.op import TABLE
from ..core.sites import user_site
from ..core.types import Array, Scalar, Type, carries_gradient, describe, is_float, with_article
from ..numpy.common import astype
from ..objects.structure import adopted
from ..ops import table
from ..ops.custom import OPERATION, RESUME
from ..staging.leaves import coerce, describe_value, leaf_type
from ..staging.paths import open_block
from ..values import pytree
from ..values.arrays import allocate, lift_array, opened_constants
from ..values.values import Arrayed, Traced, dims_of, is_traced, resized
from ..values.views import settled
from .calls import call
from .derivatives import Sub, conjugated, emit, same_shape, trace_sub
from .given import Spec, atoms_of, described, meet

MOST_ROUNDS = 4
MOST_NESTED = 40  # operations inside of operations


class Rest:
    """What an operation is given for the rest of the program."""

    __lantern_transform__ = True
    __name__ = __qualname__ = "k"

    def __init__(self, label: str, spec: Spec | None, whole: bool) -> None:
        """`whole`: an argument without an adjoint has zeros."""
        self.label, self.spec, self.whole = label, spec, whole
        self.inside: Builder | None = None  # the operation's function, while that is traced
        self.given: set[tuple[Type, ...]] = set()
        self.dims: list[list[tuple[Dim, ...]]] = []  # of the values that it is given, in each place
        self.still: list[int] = []  # the arguments, as leaves, that have no adjoint
        self.named: list[int] = []  # those of them that are given by name, and may have none

    def __call__(self, *values: Any) -> Any:
        """The adjoint of a value, or a tuple of those of several."""
        trace = current_trace()
        if self.inside is None or trace is None or trace.builders[-1] is not self.inside:
            raise errors.ContinuationError(
                f"k of the operation `{self.label}` is called at {user_site()}, in a function of its own or after the operation has ended: "
                f"call it in `{self.label}` itself, once on each path"
            )
        if not values:
            raise errors.ArgumentTypeError(f"k of the operation `{self.label}` is given nothing at {user_site()}: write dy = k(y)")
        leaves, spec = described(settled(values[0] if len(values) == 1 else values), trace.heap)
        self.spec = meet(self.spec, spec, f"what k of the operation `{self.label}` is given")
        atoms = atoms_of(leaves, self.spec)
        self.given.add(self.spec.types)
        kinds = zip(leaves, self.spec.kinds, strict=True)
        self.dims.append([dims_of(x) if isinstance(k.type, Array) else () for x, k in kinds if k.type is not None])
        floats = [a.type for a in atoms if carries_gradient(a.type)]
        found = iter(self.inside.emit(RESUME.name, atoms, tuple(floats), {}, user_site()))
        cotangents = [_of(next(found), self.inside) if k.type is not None and carries_gradient(k.type) else 0.0 for k in self.spec.kinds]
        return adopted(conjugated(pytree.unflatten(spec.tree, cotangents)), trace.heap)


def _of(v: Any, builder: Builder) -> Any:
    return Traced(v, builder) if isinstance(v.type, Scalar) else Arrayed(v, builder)


def operation(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], rule: Callable[..., Any] | None = None) -> Any:
    """f(*args, k, **kwargs) up to k; what k is given. Backwards, what f gives then are the adjoints of `args`. rule(*args, *tangents), if
    there is one, gives the tangents of what k is given."""
    trace = current_trace()
    assert trace is not None
    args, kwargs = opened_constants(settled((args, kwargs)))
    label = getattr(f, "__name__", "operation").replace("<lambda>", "lambda")
    k = Rest(label, None, rule is not None)
    for _ in range(MOST_ROUNDS):
        sub = _traced(trace, f, args, kwargs, k)
        assert k.spec is not None
        if k.given == {k.spec.types}:
            attrs: dict[str, Any] = {"still": tuple(sub.where[i] for i in k.still), "named": tuple(sub.where[i] for i in k.named)}
            if rule is not None:
                attrs["forward"] = _tangents(trace, rule, args, k)
            return _values(sub, k, attrs)
        del trace.functions[sub.name]  # what k is given has another type in another place: a type that suits all
        k = Rest(label, k.spec, rule is not None)
    raise errors.TypeMismatchError(
        f"k of the operation `{label}` is given values of other types again and again: give it values of one type"
    )


def _traced(trace: Trace, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], k: Rest) -> Sub:
    sites: dict[str, tuple[Site, bool]] = {}

    def body(*own: Any, **more: Any) -> Any:
        k.inside = trace.builders[-1]
        k.inside.sites = sites
        before = trace.heap.save()
        try:
            found = call(f, *own, k, **more)
        finally:
            k.inside = None
        if trace.heap.changed(before, trace.heap.save(), before.clock):
            raise errors.UnsupportedOperationError(
                f"the operation `{k.label}` changes a list, a dict, an attribute or a variable of an enclosing function: give the value to k"
            )
        k.still, k.named = [], _floats(own, more)
        return _adjoints(conjugated(opened_constants(found)), own, k)

    body.__name__, body.__lantern_transform__ = k.label, True  # type: ignore[attr-defined]
    nested = sum(b.sites is not None for b in trace.builders)
    if nested > MOST_NESTED:
        raise errors.EndlessTraceError(f"the operation `{k.label}` calls itself without end: call a function from it that is no operation")
    sub = trace_sub(body, args, kwargs)
    _check_paths(trace.functions[sub.name], k.label, sites)
    return sub


def _values(sub: Sub, k: Rest, attrs: dict[str, Any]) -> Any:
    spec = k.spec
    assert spec is not None
    outside = {s for x in sub.leaves if isinstance(x, Arrayed) for d in x.type.dims if d != UNKNOWN for s in symbols(d)}
    types = [
        resized(t, {i: next(iter(found)) for i, found in enumerate(map(set, zip(*dims, strict=True))) if _is_said(found, outside)})
        for t, dims in zip(spec.types, zip(*k.dims, strict=True), strict=True)
    ]
    outs = iter(emit(OPERATION.name, sub, (), types, attrs))
    current_trace().builders[-1].current.lets[-1].site = user_site()  # type: ignore[union-attr]
    leaves = []
    for kind in spec.kinds:
        if kind.type is None:
            assert kind.same is not None
            leaves.append(kind.same.value)
            continue
        leaves.append(next(outs))
        if isinstance(leaves[-1], Traced):
            leaves[-1].weak = kind.weak
    return adopted(pytree.unflatten(spec.tree, leaves), current_trace().heap)  # type: ignore[union-attr]


def _is_said(found: set[Any], outside: Container[Any]) -> bool:
    """Is it one dimension wherever k is called, and do the arguments say what it is?"""
    return len(found) == 1 and all(made_of(d, outside) for d in found)


def _tangents(trace: Trace, rule: Callable[..., Any], args: tuple[Any, ...], k: Rest) -> str:
    """The rule of forward mode as a function of the graph, of the leaves of `args` and of the tangents of those that are floats."""
    leaves, tree = pytree.flatten(args)
    floats = [x for x in leaves if is_differentiable(x)]
    assert k.spec is not None
    wanted = [kind.type for kind in k.spec.kinds if kind.type is not None and carries_gradient(kind.type)]
    if k.named:
        raise errors.UnsupportedOperationError(
            f"the operation `{k.label}` has a rule for forward mode: give it all its arguments by position"
        )

    def body(own: Any, moved: Any) -> Any:
        known = iter(moved)
        tangents = pytree.unflatten(tree, [next(known) if is_differentiable(x) else 0.0 for x in leaves])
        given, _ = pytree.flatten(settled(call(rule, *own, *tangents)))
        if len(given) == len(k.spec.kinds):  # type: ignore[union-attr]
            given = [t for t, kind in zip(given, k.spec.kinds, strict=True) if kind.type is not None and carries_gradient(kind.type)]  # type: ignore[union-attr]
        if len(given) != len(wanted):
            raise errors.TypeMismatchError(
                f"the rule of the operation `{k.label}` gives {len(given)} tangents, and the operation {len(wanted)} values: return one for each"
            )
        return tuple(
            _fitting(t, w, f"the tangent of value {i} of the operation `{k.label}`", "value")
            for i, (t, w) in enumerate(zip(given, wanted, strict=True))
        )

    body.__name__, body.__lantern_transform__ = f"{k.label}.jvp", True  # type: ignore[attr-defined]
    return trace_sub(body, (args, tuple(zero_like(x) for x in floats)), {}).name


# ---- the adjoints that it gives
def _adjoints(found: Any, args: tuple[Any, ...], k: Rest) -> tuple[Any, ...]:
    """One for each float of the arguments, in order, but for those that have none."""
    label = k.label
    names = [f"d{i}" for i in range(len(args))]
    if len(args) == 1:
        parts: Sequence[Any] = (found,)
    elif not isinstance(found, (tuple, list)) or len(found) != len(args):
        got = f"{len(found)} values" if isinstance(found, (tuple, list)) else describe_value(found)
        raise errors.TypeMismatchError(
            f"the operation `{label}` has {len(args)} arguments and returns {got}: expected one adjoint for each argument, None where there is none: "
            f"write return {', '.join(names)}"
        )
    else:
        parts = found
    out: list[Any] = []
    for i, (a, d) in enumerate(zip(args, parts, strict=True)):
        out += _adjoint(a, d, i, label)
    if k.whole:
        leaves = pytree.flatten(args)[0]
        out = [zero_like(leaves[i]) if d is None else d for i, d in zip(_floats((), args), out, strict=True)]
    k.still += [i for i, d in zip(_floats((), args), out, strict=True) if d is None]
    return tuple(d for d in out if d is not None)


def _floats(before: Any, args: Any) -> list[int]:
    """The places of the floats among the leaves of arguments that stand behind others."""
    n = len(pytree.flatten(before)[0])
    return [n + i for i, x in enumerate(pytree.flatten(args)[0]) if is_differentiable(x)]


def _adjoint(a: Any, d: Any, i: int, label: str) -> list[Any]:
    """Those of one argument, as leaves."""
    leaves, tree = pytree.flatten(a)
    wanted = list(map(is_differentiable, leaves))
    given, other = pytree.flatten(settled(d)) if d is not None else ([None] * len(leaves), tree)
    if other != tree and any(wanted) and _marked(other) != _marked(tree):  # a list is as good as one of the trace
        raise errors.TypeMismatchError(
            f"the adjoint of argument {i} of the operation `{label}` has another structure than the argument: expected {_shown(tree)}, "
            f"got {_shown(other)}: return one number or array for each in it"
        )
    return [_like(x, g, i, label) for x, g, w in zip(leaves, given, wanted, strict=False) if w]


def _marked(tree: Any) -> Any:
    return pytree.unflatten(tree, ["*"] * tree.num_leaves)


def _shown(tree: Any) -> str:
    return str(_marked(tree)).replace("'*'", "*")


def _like(x: Any, d: Any, i: int, label: str) -> Any:
    """The adjoint of a leaf: of its type and its sizes; None if it has none."""
    if d is None:
        return None
    what = f"the adjoint of argument {i} of the operation `{label}`"
    d = _fitting(d, x.type, what, "argument")
    if isinstance(x, Arrayed):
        same_shape(d, x, f"{what} differs from it in shape: return an array of its shape")
    return d


def _fitting(d: Any, t: Type, what: str, of: str) -> Any:
    """An adjoint or a tangent as a value of that type."""
    if isinstance(d, np.ndarray) and d.ndim:
        d = lift_array(d)
    have = leaf_type(d)
    fits = isinstance(have, Scalar) if isinstance(t, Scalar) else isinstance(have, Array) and have.rank == t.rank
    if not fits:
        remedy = "sum it over the elements" if isinstance(t, Scalar) and isinstance(have, Array) else "return an array of its shape"
        raise errors.TypeMismatchError(
            f"{what} is of another shape than the {of}: expected {with_article(describe(t))}, got {describe_value(d)}: "
            f"{remedy if have is not None else 'return a number or an array'}"
        )
    if isinstance(t, Array):
        return d if d.type.dtype == t.dtype else astype(d, t.dtype)
    if isinstance(d, Traced) and is_float(d.type) and d.type != t:
        return table.convert(d, to=t)
    return Traced(coerce(d, t, open_block()), None if not isinstance(d, Traced) else current_trace().builders[-1])  # type: ignore[union-attr]


def is_differentiable(x: Any) -> bool:
    """Is this leaf a number or an array that has derivatives?"""
    return is_traced(x) and carries_gradient(x.type)


def zero_like(x: Any) -> Any:
    """Zeros of its type and sizes."""
    return allocate(x.type.dtype, x.shape, 0) if isinstance(x, Arrayed) else Traced(coerce(0.0, x.type, open_block()), None)


# ---- the paths
def _check_paths(f: Function, label: str, sites: dict[str, tuple[Site, bool]]) -> None:
    """k is called once on every path that returns."""
    calls = [let.site for b in f.blocks.values() for let in b.lets if TABLE[let.op].resumes]
    if not calls:
        raise errors.ContinuationError(f"the operation `{label}` never calls k: write dy = k(y), and return the adjoints of its arguments")
    work: list[tuple[str, Site | None, tuple[str, ...]]] = [(f.entry.name, None, ())]
    seen: set[tuple[str, bool]] = set()
    while work:
        name, called, path = work.pop()
        if (name, called is not None) in seen:
            continue
        seen.add((name, called is not None))
        block = f.blocks[name]
        for let in block.lets:
            if TABLE[let.op].resumes:
                if called is not None:
                    where = "in a loop" if let.site == called else f"after {called}"
                    raise errors.ContinuationError(
                        f"the operation `{label}` calls k again at {let.site}, {where}{_path(path, sites)}: it is called once on each path, so "
                        "choose the value first and call k(value) behind the branches and loops"
                    )
                called = let.site or Site("", 0, "")
        if isinstance(block.terminator, Return) and called is None:
            raise errors.ContinuationError(
                f"the operation `{label}` returns without a call of k{_path(path, sites)}: call k(value) on this path, too, and return the adjoints"
            )
        work += [(e.block, called, (*path, e.block)) for e in edges(block.terminator)]


def _path(path: Sequence[str], sites: dict[str, tuple[Site, bool]]) -> str:
    """Which path that is, by the conditions on it."""
    said = list(dict.fromkeys(f"the condition at {site} is {str(truth).lower()}" for site, truth in (sites[n] for n in path if n in sites)))
    return f", on the path where {' and '.join(said)}" if said else ""
