"""Derivatives at trace time: `pullback` and `pushforward` operations on functions of the program.

    y, dx = pullback[f](x, dy)         reverse mode: dx = dy^T J
    y, ty = pushforward[f](x, tx)      forward mode: ty = J tx

Both are ordinary operations of the graph, so derivatives nest: jvp.py knows the derivative of `pullback`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Builder, Frame, current_builder, current_trace, keep
from ..core.faults import KINDS
from ..core.graph import Atom, Const, Fail
from ..core.graph import Return as GraphReturn
from ..core.sites import user_site
from ..core.types import BOOL, F64, I32, I64, Array, Scalar, Type, carries_gradient, describe, is_float, same_type, widened, with_article
from ..numpy.common import astype
from ..numpy.common import jvp as derivative_along
from ..objects import tables
from ..objects.heap import Heap, State, identical
from ..objects.statics import is_static
from ..objects.structure import adopted, flatten, leaves_of
from ..ops import table
from ..python import guarded, host
from ..python.random import refuse_generators
from ..staging.leaves import Undefined, coerce, describe_value, leaf_type, show
from ..staging.lists import made
from ..staging.optional import returned
from ..staging.paths import Bottom, Return, branch, heap_of, open_block, run
from ..staging.staged import _result, call_in_vain, waits
from ..values import pytree
from ..values.arrays import allocate, lift_array, opened_constants
from ..values.complexes.pairs import Complex, ComplexArray, is_complex_number
from ..values.values import Arrayed, Traced, constant, is_traced, scalar_type
from ..values.views import as_array, is_array, settled
from .arguments import Chosen, Owners, entered
from .calls import call

keep("differentiated", lambda trace: 0)  # how many functions under construction are
keep("promoted", lambda trace: [])  # what ints in arguments are floats, as they are differentiated: notes for errors


@dataclass
class Sub:
    """A function traced for differentiation: `leaves` are its traced arguments, `tree` its result's structure."""

    name: str
    leaves: list[Any]
    where: list[int]  # for each argument leaf its parameter, or -1 when it is static
    tree: Any
    types: tuple[Type, ...]  # of the results that are values of the graph
    static: list[Any]  # for each result leaf VALUE, or what else it is
    stands: dict[int, int] = field(default_factory=dict)  # leaves whose parameter is an array, in which they are this element
    moment: Any = None  # before an evaluation in its place, which has had its effects

    def whole(self, values: Iterable[Any]) -> Any:
        """The result of such values."""
        it = iter(values)
        found = pytree.unflatten(self.tree, [next(it) if x is VALUE else x for x in self.static])
        return adopted(found, current_builder().trace.heap, [id(x) for x in self.static])


VALUE = object()


def trace_sub(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    has_aux: bool = False,
    evaluated: bool = False,
    owners: Owners = None,
) -> Sub:
    """Trace f(*args) as a function of its own. Values of enclosing functions are captured. With has_aux it gives (value, aux). Where `owners` are
    given, numbers that stand in an array may go in by it (`entered`).
    What it raises and a `try` around handles is raised before, by an evaluation in its place: the caller's, or one that is added."""
    open_block()
    mark, before = current_builder().mark(), heap_of().save()
    sub = _trace_sub(f, args, kwargs, has_aux, owners)
    if not guarded.told_first(sub.name) or evaluated:
        return sub
    current_builder().rollback(mark)
    heap_of().restore(before)
    leaves, tree = pytree.flatten(settled((args, kwargs)))
    own_args, own_kwargs = pytree.unflatten(tree, [x.copy() if isinstance(x, Arrayed) else x for x in leaves])  # it may write into them
    _, moment = host.evaluated(lambda: call(f, *own_args, **own_kwargs))
    sub = _trace_sub(f, args, kwargs, has_aux, owners)
    sub.moment = moment
    guarded.told_first(sub.name)
    return sub


def _trace_sub(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], has_aux: bool, owners: Owners) -> Sub:
    trace = current_trace()
    assert trace is not None
    leaves, tree = pytree.flatten(settled((args, kwargs)))
    label = getattr(f, "__name__", "f").replace("<lambda>", "lambda")
    with trace.building(label) as builder:
        given, where, inside, stands = entered(builder, leaves, owners)
        objects = trace.heap.save()
        new_args, new_kwargs = trace.heap.adopt(made, pytree.unflatten(tree, inside))
        frame = Frame("function", label=label, since=objects.clock)
        builder.frames.append(frame)
        trace.differentiated += 1
        trace.apart.add(builder.name)
        try:
            signal = run(lambda: Return(call(f, *new_args, **new_kwargs)))
        finally:
            trace.differentiated -= 1
        try:
            value = _result(signal, frame, label)
        except Bottom:
            if waits(trace):
                raise
            found = None
        else:
            found = _finished(value, builder, objects, label, has_aux)
        types = found[1] if found is not None else ()
        trace.functions[builder.name] = builder.finish(types)
        trace.register(builder.name, builder)
    if found is None:  # it raises, and so does what differentiates it
        around = trace.builders[-1]
        call_in_vain(trace, builder.name, tuple(around.use(x.atom, x.builder) for x in given))
    return Sub(builder.name, given, where, *found, stands)


def _finished(value: Any, builder: Builder, objects: State, label: str, has_aux: bool) -> tuple[Any, tuple[Type, ...], list[Any]]:
    """The function returns this: `Sub.tree`, `types` and `static`."""
    value = opened_constants(returned(value, optional=False))
    _check_objects(builder.trace.heap, objects, builder, label)
    open_block()
    if has_aux and not (isinstance(value, tuple) and len(value) == 2):
        raise errors.NotDifferentiableError(f"has_aux=True needs `{label}` to return (value, aux), not {show(value)}")
    out, tree = flatten(settled(value)) if has_aux else pytree.flatten(settled(value))
    own = len(pytree.flatten(settled(value[0]))[0]) if has_aux else len(out)
    atoms, static = _results(out, own, label)
    builder.terminate(GraphReturn(atoms), open_block())
    return tree, tuple(a.type for a in atoms), static


def _results(out: list[Any], own: int, label: str) -> tuple[tuple[Atom, ...], list[Any]]:
    """The result leaves as atoms, and `Sub.static`. Behind the first `own` ones, beside the value, there may be anything."""
    atoms: list[Atom] = []
    static: list[Any] = []
    for i, leaf in enumerate(out):
        if isinstance(leaf, Undefined):
            leaf._raise()
        if isinstance(leaf, np.ndarray) and widened(leaf.dtype) is not None:  # a constant, say beside the value
            leaf = as_array(leaf)
        t = leaf_type(leaf)
        if t is None and i < own and not is_static(leaf):
            raise errors.ArgumentTypeError(f"`{label}` returns {show(leaf)} at {user_site()}: return numbers, "
                                           "arrays and containers of them")  # fmt: skip
        if t is None or (i >= own and not is_traced(leaf)):
            static.append(leaf)
        else:
            atoms.append(coerce(leaf, t, open_block()))
            static.append(VALUE)
    return tuple(atoms), static


def _check_objects(heap: Heap, before: State, builder: Builder, label: str) -> None:
    """A differentiated function is evaluated for its derivative: no object outside may hold one of its values afterwards."""
    for at, place in heap.older(before.clock):
        now = place.now()
        if identical(heap.of(before, at), now):
            continue
        for leaf in leaves_of(dict(now) if isinstance(now, dict) else now):
            if is_traced(leaf) and leaf.builder is not None and not builder.parent.inside(leaf.builder):  # type: ignore[union-attr]
                raise errors.UnsupportedOperationError(
                    f"`{label}` is differentiated at {user_site()} and puts one of its values into {place}: return the value as well (value_and_grad with has_aux=True), or "
                    "put back what was there before it returns"
                )


def emit(op: str, sub: Sub, extra: Sequence[Atom], types: Sequence[Type], attrs: dict[str, Any]) -> list[Any]:
    builder = current_builder()
    open_block()
    atoms = tuple(builder.use(x.atom, x.builder) for x in sub.leaves)
    full = {"f": sub.name, **attrs, "cotangents": len(extra), "own": len(atoms)}
    with host.repeating(sub.moment):
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
        raise errors.NotDifferentiableError(f"{what} is {_shown(leaf)}leave it out of argnums")
    if isinstance(leaf, Traced):
        return leaf if is_float(leaf.type) else table.convert(leaf, to=F64)
    return constant(leaf) if is_float(found[0]) else constant(float(leaf))


def _shown(leaf: Any) -> str:
    """What has no derivative, and for a user's class what would."""
    cls, floats = type(leaf), "derivatives are taken with respect to floats and float arrays, so "
    if is_traced(leaf) or cls.__module__.partition(".")[0] in ("builtins", "numpy"):
        return f"{show(leaf)}: {floats}"
    return f"{with_article(cls.__name__)}: {floats}make {cls.__name__} a dataclass, whose fields are differentiated, or "


def all_differentiable(argument: Any, what: str) -> Any:
    """An argument with its leaves made differentiable. Strings, None and the like inside of it stay what they are."""
    argument = settled(opened_constants(argument))
    leaves, tree = pytree.flatten(argument)
    if leaves and all(map(is_static, leaves)):
        differentiable(leaves[0], what)  # which says why not
    current_builder().trace.promoted += [
        f"an int at {path} of {what} is differentiated, so it is a float there: give what is a size or a count in another argument"
        for path, x in zip(pytree.leaf_names(argument), leaves, strict=True)
        if path and (scalar_type(x) or (None,))[0] == I64
    ]
    return pytree.unflatten(tree, [x if is_static(x) else differentiable(x, what) for x in leaves])


# ---- reverse mode
def value_and_grad(
    f: Callable[..., Any], argnums: Any, has_aux: bool, args: tuple[Any, ...], kwargs: dict[str, Any], holomorphic: bool = False
) -> tuple[Any, Any]:
    """(f(*args), gradients); with has_aux the value is (y, aux). `holomorphic`: f's value is complex, and it has a complex derivative."""
    if holomorphic:
        refuse_real(Chosen.of(f, argnums, args, kwargs, "grad").taken(args, kwargs), "argument")
        (_, value), found = value_and_grad(real_part_of(f, has_aux), argnums, True, args, kwargs)
        return value, found
    places = Chosen.of(f, argnums, args, kwargs, "grad")
    args, kwargs = opened_constants(settled(places.required(args, kwargs)))
    given = places.taken(args, kwargs)
    refuse_generators(tuple(given), "an argument of grad")
    new = [all_differentiable(x, f"{places.what(i)} of grad") for i, x in enumerate(given)]
    sub = trace_sub(f, *places.put(args, kwargs, new), has_aux, owners=places.owners(args, kwargs))
    _check_scalar(sub, has_aux, getattr(f, "__qualname__", "f"))
    moving = [i for i in places.leaves(args, kwargs) if sub.where[i] >= 0]
    wrt = [*dict.fromkeys(sub.where[i] for i in moving)]
    types = [*sub.types, *(sub.leaves[p].type for p in wrt)]
    outs = emit("pullback", sub, [Const(1.0, sub.types[0])], types, {"wrt": tuple(wrt), "ct": (0,)})
    of = dict(zip(wrt, outs[len(sub.types) :], strict=True))
    grads = (of[sub.where[i]] if i not in sub.stands else tables.element(of[sub.where[i]], sub.stands[i]) for i in moving)
    trees = [pytree.flatten(x) for x in given]
    result = [pytree.unflatten(tree, [x if is_static(x) else next(grads) for x in leaves]) for leaves, tree in trees]
    return sub.whole(outs[: len(sub.types)]), conjugated(places.given(result))


def conjugated(tree: Any) -> Any:
    """Of derivatives by the parts of complex numbers: (d/dx, d/dy) is d/dx - i d/dy, the derivative of a holomorphic function whose real part
    this is. So are they given, and so are cotangents taken."""
    return pytree.map_nodes(ComplexArray, np.conjugate, pytree.map_nodes(Complex, np.conjugate, tree))


def real_part_of(f: Callable[..., Any], has_aux: bool) -> Callable[..., Any]:
    """What f's derivative is found of where it is holomorphic; beside it what f gives."""

    def real(*args: Any, **kwargs: Any) -> Any:
        found = call(f, *args, **kwargs)
        value = found[0] if has_aux else found
        refuse_real(value, "result")
        return value.real, found

    real.__name__ = real.__qualname__ = getattr(f, "__name__", "f")
    return real


def refuse_real(tree: Any, what: str) -> None:
    """With holomorphic=True all of it is complex."""
    for x in pytree.flatten_above(tree, lambda x: isinstance(x, (Complex, Arrayed)))[0]:
        if not is_static(x) and not is_complex_number(x) and not (is_array(x) and np.issubdtype(x.dtype, np.complexfloating)):
            raise errors.NotDifferentiableError(
                f"holomorphic=True at {user_site()} is for functions of complex numbers with a complex result, and this {what} is {show(x)}: leave it out"
            )


def _check_scalar(sub: Sub, has_aux: bool, name: str) -> None:
    types = iter(sub.types)
    example = pytree.unflatten(sub.tree, [next(types) if x is VALUE else x for x in sub.static])
    example = example[0] if has_aux else example
    if not isinstance(example, Scalar):
        raise errors.NotDifferentiableError(
            f"grad needs a function with a scalar result, but `{name}` at {user_site()} returns {_words(example)}: use vjp, jacrev or jacfwd for such a function{_remedy(example)}"
        )
    if not is_float(example):
        raise errors.NotDifferentiableError(
            f"grad needs a function with a float result, but `{name}` returns {example}: integer and boolean results carry no gradient"
        )


def _words(example: Any) -> str:
    return f"a {describe(example)}" if isinstance(example, Array) else f"a {type(example).__name__}" if example is not None else "None"


def _remedy(example: Any) -> str:
    """What to write where a result is nearly a number."""
    if isinstance(example, Array):
        one = f"`y[{', '.join('0' * example.rank)}]`"
        return f", or return {one} where the result `y` has one element" + (
            "" if all(n == 1 for n in example.dims) else ", `np.sum(y)` for the sum of all"
        )
    if isinstance(example, tuple) and len(example) == 2 and isinstance(example[0], Scalar):
        return ", or has_aux=True if it is (value, aux)"
    return ", or return its one item" if isinstance(example, (tuple, list)) and len(example) == 1 else ""


def like(value: Any, t: Type, what: str, primal: Any = None) -> Atom:
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
        if isinstance(m, int) and isinstance(n, int) and m != n:
            raise KINDS["shape"].error(f"{message} ({user_site()})")
        same = table.ieq(m, n) if same is True else table.logical_and(same, table.ieq(m, n))
    if same is True:
        return
    good, bad = branch(same, "fits", "differs")
    current_builder().terminate(Fail("shape", message, user_site(message)), bad)
    current_builder().enter(good)


# ---- forward mode
@derivative_along.define
def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> tuple[Any, ...]:
    """(f(*primals), J tangents), and aux if it has that. Integer results have tangent 0."""
    refuse_generators(tuple(primals), "an argument of jvp")
    leaves, tree = pytree.flatten(opened_constants(settled(tuple(primals))))
    given, other = pytree.flatten(opened_constants(settled(tuple(tangents))))
    if tree != other:
        raise errors.TypeMismatchError(
            f"the tangents at {user_site()} have another structure than the primals: give one tangent for each number or array"
        )
    new, _ = pytree.flatten(tuple(all_differentiable(x, f"argument {i} of jvp") for i, x in enumerate(pytree.unflatten(tree, leaves))))
    sub = trace_sub(f, pytree.unflatten(tree, new), {}, has_aux)
    extra = [like(g, x.type, "tangent", x) for g, x in zip(given, new, strict=True) if not is_static(x)]
    moves = [not (isinstance(t, Const) and t.value == 0) for t in extra]
    moves = moves if any(moves) else [True] * len(extra)  # along an axis the others do not move: 0 * inf would be NaN
    active = [i for i, t in enumerate(sub.types) if carries_gradient(t)]
    types = [*sub.types, *(sub.types[i] for i in active)]
    wrt = tuple(p for p, m in zip([p for p in sub.where if p >= 0], moves, strict=True) if m)
    outs = emit("pushforward", sub, [t for t, m in zip(extra, moves, strict=True) if m], types, {"wrt": wrt})
    values, rest = outs[: len(sub.types)], iter(outs[len(sub.types) :])
    ts = [next(rest) if i in active else zero(v) for i, v in enumerate(values)]
    value, tangent = sub.whole(values), sub.whole(ts)
    return (value[0], tangent[0], value[1]) if has_aux else (value, tangent)


def zero(v: Any) -> Any:
    """The tangent of what has none."""
    return constant(0.0) if isinstance(v, Traced) else allocate(F64, v.shape, 0)
