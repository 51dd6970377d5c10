"""Derivatives at trace time: `pullback` and `pushforward` operations on functions of the program.

    y, dx = pullback[f](x, dy)         reverse mode: dx = dy^T J
    y, ty = pushforward[f](x, tx)      forward mode: ty = J tx

Both are ordinary operations of the graph, so derivatives nest: jvp.py knows the derivative of `pullback`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Builder, Frame, current_builder, current_trace, keep
from ..core.graph import Atom, Const, Fail
from ..core.graph import Return as GraphReturn
from ..core.sites import user_site
from ..core.types import BOOL, F64, I32, I64, Array, Scalar, Type, carries_gradient, describe, is_float, same_type, widened, with_article
from ..numpy.common import astype
from ..objects.heap import Heap, State, identical
from ..objects.statics import is_static
from ..objects.structure import leaves_of
from ..ops import table
from ..python import host
from ..python.random import refuse_generators
from ..staging.leaves import Undefined, coerce, describe_value, leaf_type, show
from ..staging.lists import made
from ..staging.optional import returned
from ..staging.paths import Return, branch, open_block, run
from ..staging.staged import _result
from ..values import pytree
from ..values.arrays import allocate, lift_array
from ..values.values import Arrayed, Traced, constant, is_traced, scalar_type
from ..values.views import as_array, settled
from .calls import call

keep("differentiated", lambda trace: 0)  # how many functions under construction are


@dataclass
class Sub:
    """A function traced for differentiation: `leaves` are its traced arguments, `tree` its result's structure."""

    name: str
    leaves: list[Any]
    where: list[int]  # for each argument leaf its parameter, or -1 when it is static
    tree: Any
    types: tuple[Type, ...]
    static: list[Any]  # result leaves that are no values of the graph


def trace_sub(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sub:
    """Trace f(*args) as a function of its own. Values of enclosing functions are captured."""
    trace = current_trace()
    assert trace is not None
    leaves, tree = pytree.flatten(settled((args, kwargs)))
    label = getattr(f, "__name__", "f").replace("<lambda>", "lambda")
    with trace.building(label) as builder:
        where, inside = [], []
        for leaf in leaves:
            if is_traced(leaf):
                where.append(len(builder.params))
                var = builder.parameter(leaf.type)
                builder.given[var] = leaf
                inside.append(Traced(var, builder, leaf.weak) if isinstance(leaf, Traced) else Arrayed(var, builder))
                inside[-1].given = leaf.given
            else:
                where.append(-1)
                inside.append(leaf)
        objects = trace.heap.save()
        new_args, new_kwargs = trace.heap.adopt(made, pytree.unflatten(tree, inside))
        frame = Frame("function", label=label, since=objects.clock)
        builder.frames.append(frame)
        trace.differentiated += 1
        try:
            signal = run(lambda: Return(call(f, *new_args, **new_kwargs)))
        finally:
            trace.differentiated -= 1
        value = returned(_result(signal, frame, label), optional=False)
        _check_objects(trace.heap, objects, builder, label)
        open_block()
        out, out_tree = pytree.flatten(settled(value))
        atoms, types = [], []
        for leaf in out:
            if isinstance(leaf, Undefined):
                leaf._raise()
            if isinstance(leaf, np.ndarray) and widened(leaf.dtype) is not None:  # a constant, say beside the value
                leaf = as_array(leaf)
            t = leaf_type(leaf)
            if t is None:
                raise errors.ArgumentTypeError(f"`{label}` returns {show(leaf)} at {user_site()}: return numbers, "
                                               "arrays and containers of them")  # fmt: skip
            atoms.append(coerce(leaf, t, open_block()))
            types.append(t)
        builder.terminate(GraphReturn(tuple(atoms)), open_block())
        trace.functions[builder.name] = builder.finish(tuple(types))
        trace.register(builder.name, builder)
    return Sub(builder.name, [x for x in leaves if is_traced(x)], where, out_tree, tuple(types), out)


def _check_objects(heap: Heap, before: State, builder: Builder, label: str) -> None:
    """A differentiated function is evaluated for its derivative: no object outside may hold one of its values afterwards."""
    for at, place in heap.older(before.clock):
        now = place.now()
        if identical(heap.of(before, at), now):
            continue
        for leaf in leaves_of(dict(now) if isinstance(now, dict) else now):
            if is_traced(leaf) and leaf.builder is not None and not builder.parent.inside(leaf.builder):  # type: ignore[union-attr]
                raise errors.UnsupportedOperationError(
                    f"`{label}` is differentiated at {user_site()} and puts one of its values into {place}: return the value as well (value_and_grad with has_aux=True)"
                )


def emit(op: str, sub: Sub, extra: Sequence[Atom], types: Sequence[Type], attrs: dict[str, Any]) -> list[Any]:
    builder = current_builder()
    open_block()
    atoms = tuple(builder.use(x.atom, x.builder) for x in sub.leaves)
    full = {"f": sub.name, **attrs, "cotangents": len(extra), "own": len(atoms)}
    outs = builder.emit(op, (*atoms, *extra), tuple(types), full)
    assert builder.current is not None
    builder.trace.record(builder, builder.current.lets[-1], sub.name)
    return [Traced(v, builder) if isinstance(v.type, Scalar) else Arrayed(v, builder) for v in outs]


# ---- making arguments differentiable
def differentiable(leaf: Any, what: str) -> Any:
    """An argument leaf as a traced float or float array; ints are promoted."""
    if isinstance(leaf, np.ndarray) and leaf.ndim:
        leaf = lift_array(leaf.astype(np.float64) if leaf.dtype.kind in "iu" else leaf)
    if isinstance(leaf, Arrayed):
        if is_float(leaf.type.dtype):
            return leaf
        if leaf.type.dtype == BOOL:
            raise errors.NotDifferentiableError(
                f"{what} is an array of bools: there is no derivative with respect to it, so leave it out of argnums"
            )
        return astype(leaf, F64)
    found = scalar_type(leaf)
    if found is None or found[0] == BOOL:
        raise errors.NotDifferentiableError(
            f"{what} is {show(leaf)}: derivatives are taken with respect to floats and float arrays, so leave it out of argnums"
        )
    if isinstance(leaf, Traced):
        return leaf if is_float(leaf.type) else table.convert(leaf, to=F64)
    return constant(leaf) if is_float(found[0]) else constant(float(leaf))


def all_differentiable(argument: Any, what: str) -> Any:
    """An argument with its leaves made differentiable. Strings, None and the like inside of it stay what they are."""
    leaves, tree = pytree.flatten(argument)
    if leaves and all(map(is_static, leaves)):
        differentiable(leaves[0], what)  # which says why not
    return pytree.unflatten(tree, [x if is_static(x) else differentiable(x, what) for x in leaves])


def _normalise(argnums: Any, n: int) -> tuple[int, ...]:
    nums = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in nums:
        if not -n <= i < n:
            raise errors.ArgumentTypeError(
                f"argnums={argnums} names an argument that the call does not have: it has {n} positional arguments"
            )
    return tuple(i % n for i in nums)


# ---- reverse mode
def value_and_grad(f: Callable[..., Any], argnums: Any, has_aux: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """(f(*args), gradients); with has_aux the value is (y, aux)."""
    nums = _normalise(argnums, len(args))
    args = settled(args)
    new = list(args)
    for i in nums:
        refuse_generators(args[i], f"argument {i} of grad")
        new[i] = all_differentiable(args[i], f"argument {i} of grad")
    sub = trace_sub(f, tuple(new), kwargs)
    name = getattr(f, "__qualname__", "f")
    _check_scalar(sub, has_aux, name)
    wrt = _parameters_of(sub, args, kwargs, nums)
    types = [*sub.types, *(sub.leaves[p].type for p in wrt)]
    outs = emit("pullback", sub, [Const(1.0, sub.types[0])], types, {"wrt": tuple(wrt), "ct": (0,)})
    value = pytree.unflatten(sub.tree, outs[: len(sub.types)])
    grads = iter(outs[len(sub.types) :])
    trees = [pytree.flatten(args[i]) for i in nums]
    result = [pytree.unflatten(tree, [x if is_static(x) else next(grads) for x in leaves]) for leaves, tree in trees]
    return value, result[0] if isinstance(argnums, int) else tuple(result)


def _check_scalar(sub: Sub, has_aux: bool, name: str) -> None:
    example = pytree.unflatten(sub.tree, sub.types)
    if has_aux:
        if not isinstance(example, tuple) or len(example) != 2:
            raise errors.NotDifferentiableError(f"grad(has_aux=True) needs `{name}` to return (value, aux)")
        example = example[0]
    if not isinstance(example, Scalar):
        raise errors.NotDifferentiableError(
            f"grad needs a function with a scalar result, but `{name}` returns {pytree_words(example)}: use vjp, jacrev or jacfwd for such a function"
        )
    if not is_float(example):
        raise errors.NotDifferentiableError(
            f"grad needs a function with a float result, but `{name}` returns {example}: integer and boolean results carry no gradient"
        )


def pytree_words(example: Any) -> str:
    return f"a {describe(example)}" if isinstance(example, Array) else f"a {type(example).__name__}"


def _parameters_of(sub: Sub, args: tuple[Any, ...], kwargs: dict[str, Any], nums: tuple[int, ...]) -> list[int]:
    """The parameters of `sub` that are leaves of the arguments `nums`, in the order of `nums`."""
    starts, n = [], 0
    for a in args:
        starts.append(n)
        n += len(pytree.flatten(a)[0])
    return [sub.where[starts[i] + j] for i in nums for j, x in enumerate(pytree.flatten(args[i])[0]) if not is_static(x)]


def vjp(f: Callable[..., Any], primals: tuple[Any, ...], again: bool = False) -> tuple[Any, Callable[[Any], Any], Any]:
    """(f(*primals), pull, moment) with pull(cotangent) -> tuple of cotangents of primals. The effects of f run once, after that
    moment; not at all if this call is made `again`."""
    primals = settled(primals)
    refuse_generators(primals, "an argument of vjp")
    new = tuple(all_differentiable(x, f"argument {i} of vjp") for i, x in enumerate(primals))
    own = [pytree.unflatten(t, [x.copy() if isinstance(x, Arrayed) else x for x in ls]) for ls, t in map(pytree.flatten, new)]
    value, moment = host.evaluated(lambda: call(f, *own), again)  # f may write into its arguments

    def pull(cotangent: Any) -> Any:
        sub = trace_sub(f, new, {})
        given, tree = pytree.flatten(settled(cotangent))
        if tree != sub.tree:
            raise errors.TypeMismatchError(
                f"the cotangent at {user_site()} has another structure than the result: give one cotangent for each number or array of it"
            )
        ct = [i for i, t in enumerate(sub.types) if carries_gradient(t)]
        results, _ = pytree.flatten(settled(value))
        extra = [_like(given[i], sub.types[i], "cotangent", results[i]) for i in ct]
        wrt = [p for p in sub.where if p >= 0]
        types = [*sub.types, *(sub.leaves[p].type for p in wrt)]
        with host.repeating(moment):
            outs = emit("pullback", sub, extra, types, {"wrt": tuple(wrt), "ct": tuple(ct)})
        leaves, structure = pytree.flatten(new)
        pulled = iter(outs[len(sub.types) :])
        return pytree.unflatten(structure, [x if is_static(x) else next(pulled) for x in leaves])

    return value, pull, moment


def _like(value: Any, t: Type, what: str, primal: Any = None) -> Atom:
    """A tangent or cotangent as an atom of type `t`; an array must have the sizes of `primal`."""
    if isinstance(value, np.ndarray) and value.ndim:
        value = lift_array(value.astype(np.float64) if value.dtype.kind in "iu" else value)
    if isinstance(value, Arrayed) and value.type.dtype in (I64, I32):
        value = astype(value, F64)
    have = leaf_type(value)
    fits = isinstance(have, Scalar) if isinstance(t, Scalar) else have is not None and same_type(have, t)
    if not fits:
        raise errors.TypeMismatchError(
            f"a {what} of {describe_value(value)} at {user_site()} does not fit a value that is {with_article(describe(t))}: give one like it"
        )
    if isinstance(value, Arrayed) and isinstance(primal, Arrayed):
        same_shape(value, primal, f"the {what}'s shape differs from its value's")
    return coerce(value, t, open_block())


def same_shape(a: Arrayed, b: Arrayed, message: str) -> None:
    """Fault where the sizes of two arrays differ."""
    if a.atom is b.atom:
        return
    same: Any = True
    for m, n in zip(a.shape, b.shape, strict=True):
        same = table.ieq(m, n) if same is True else table.logical_and(same, table.ieq(m, n))
    if same is True:
        return
    good, bad = branch(same, "fits", "differs")
    current_builder().terminate(Fail("shape", message, user_site(message)), bad)
    current_builder().enter(good)


# ---- forward mode
def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """(f(*primals), J tangents). Integer results have tangent 0."""
    refuse_generators(tuple(primals), "an argument of jvp")
    leaves, tree = pytree.flatten(settled(tuple(primals)))
    given, other = pytree.flatten(settled(tuple(tangents)))
    if tree != other:
        raise errors.TypeMismatchError(
            f"the tangents at {user_site()} have another structure than the primals: give one tangent for each number or array"
        )
    new, _ = pytree.flatten(all_differentiable(pytree.unflatten(tree, leaves), "an argument of jvp"))
    sub = trace_sub(f, pytree.unflatten(tree, new), {})
    extra = [_like(g, x.type, "tangent", x) for g, x in zip(given, new, strict=True) if not is_static(x)]
    moves = [not (isinstance(t, Const) and t.value == 0) for t in extra]
    moves = moves if any(moves) else [True] * len(extra)  # along an axis the others do not move: 0 * inf would be NaN
    active = [i for i, t in enumerate(sub.types) if carries_gradient(t)]
    types = [*sub.types, *(sub.types[i] for i in active)]
    wrt = tuple(p for p, m in zip([p for p in sub.where if p >= 0], moves, strict=True) if m)
    outs = emit("pushforward", sub, [t for t, m in zip(extra, moves, strict=True) if m], types, {"wrt": wrt})
    values, rest = outs[: len(sub.types)], iter(outs[len(sub.types) :])
    ts = [next(rest) if i in active else _zero(v) for i, v in enumerate(values)]
    return pytree.unflatten(sub.tree, values), pytree.unflatten(sub.tree, ts)


def _zero(v: Any) -> Any:
    return constant(0.0) if isinstance(v, Traced) else allocate(F64, v.shape, 0)
