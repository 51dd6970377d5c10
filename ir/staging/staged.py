"""Functions of the user's as functions of the graph: traced until their result type is a fixpoint, and called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..core import errors
from ..core.analysis import raises
from ..core.builder import Builder, Frame, Trace, current_builder
from ..core.dims import UNKNOWN
from ..core.faults import again
from ..core.graph import Atom, Call, Edge, Let
from ..core.graph import Return as GraphReturn
from ..core.sites import user_site
from ..core.types import BOOL, I64, Array, Scalar, Type, is_float
from ..objects.heap import State
from ..objects.structure import adopted, flatten
from ..ops import table
from ..ops.derivative import CHECKPOINT
from ..values import pytree
from ..values.values import Arrayed, Traced, dims_of, is_traced, resized, scalar_type
from ..values.views import settled
from .join import join_values
from .leaves import coerce, leaf_type, show
from .optional import returned
from .paths import DEAD, NO_SCOPE, Bottom, Return, Saved, here, open_block, require, run, run_sometimes
from .signatures import _code, _contents, _filled, _is_shaped, captured_by, outside_of

NEVER: Any = (None, ())  # the spec of a function whose every path ends in an exception, or in a call of such a one


class StagedFunction:
    """A function of the program. `spec` is its results' (structure, [(type, weak, owned)]) once known."""

    def __init__(self, trace: Trace, name: str) -> None:
        self.name = name
        self.spec: Any = None
        self.builder: Builder | None = None
        self.captured: Any = None
        self.called = False  # while its result was not known
        self.shifts = False  # to a reset outside of it: another one may give something else
        # What a `try` around takes of what it raises: its result is (value, number, values in each), of one of those raised, or 0.
        self.kinds = handled(trace)
        self.raised: list[tuple[Any, list[Any]]] = []


def handled(trace: Trace) -> tuple[type[BaseException], ...]:
    """The exceptions that a `try` around takes."""
    return tuple({k: None for b in trace.builders for f in b.frames if f.kind == "try" for k in f.kinds})


def _result(signal: Any, frame: Frame, label: str) -> Any:
    """The value of an inlined call, where its returns meet."""
    ends = frame.ends["return"]
    if signal is not DEAD:
        value = signal.value if isinstance(signal, Return) else None
        if not ends:
            return value
        ends.append((open_block(), here(value)))
    if not ends:
        raise Bottom
    return join_values(ends, f"the result of `{label}`", frame.since)


def enter(trace: Trace, raw: Any, frame: Frame, objects: State) -> list[tuple[Any, Any]]:
    """What a function's variables hold before its body is traced, when the objects hold this."""
    before = _contents(raw)
    declares = getattr(raw, "func", raw)
    if hasattr(declares, "__lantern_outer__"):
        trace.heap.enter(declares)
    frame.since = objects.clock
    return before


def stage(trace: Trace, key: Any, function: Callable[..., Any], raw: Any, args: Any, kwargs: Any) -> StagedFunction:
    """Trace a function on its own: again and again until its result type is a fixpoint if it calls itself, else once."""
    staged = trace.staged[key] = StagedFunction(trace, trace.name(function.__name__))
    known, functions = dict(trace.staged), dict(trace.functions)
    try:
        for _ in range(8):
            count = len(staged.raised)
            spec = _trace_round(trace, staged, function, raw, args, kwargs)
            if (spec == staged.spec and len(staged.raised) == count) or not staged.called:
                staged.spec = spec
                _forget_inner(trace, known, staged)
                staged.captured = captured_by(function, raw), outside_of(getattr(function, "__self__", None), args, kwargs)
                return staged
            staged.spec = spec
            trace.staged = dict(known)
            trace.functions = dict(functions)
    except BaseException:
        trace.staged.pop(key, None)
        raise
    raise errors.TypeMismatchError(
        f"the result type of `{function.__qualname__}` at {user_site()} is another one after each call: return values of one type on all paths"
    )


def waits(trace: Trace, but: StagedFunction | None = None) -> bool:
    """Is the result of a function that is being traced, another one than `but`, not known yet? What has no value for now may have one
    when it is: it is traced once more."""
    found = [s for s in trace.staged.values() if s is not but and s.spec is None and s.builder is not None and not s.builder.closed]
    for s in found:
        s.called = True
    return bool(found)


def _forget_inner(trace: Trace, known: dict[Any, Any], staged: StagedFunction) -> None:
    """Keep inner functions for later calls only where they use nothing of this one's variables."""
    for key, inner in list(trace.staged.items()):
        if key not in known and inner.builder is not None and inner.builder.captures:
            del trace.staged[key]


def _trace_round(trace: Trace, staged: StagedFunction, function: Any, raw: Any, args: Any, kwargs: Any) -> Any:
    leaves, tree = flatten((args, kwargs))
    with trace.building("scratch") as builder:
        builder.name = staged.name
        staged.builder = builder
        builder.code, shaped = _code(raw), _is_shaped(trace, raw)
        inside = [_parameter(builder, leaf, shaped) for leaf in leaves]
        new_args, new_kwargs = pytree.unflatten(tree, inside)
        frame = Frame("function", label=function.__qualname__)
        relay = Frame("try", NO_SCOPE, kinds=staged.kinds, label=function.__qualname__)
        builder.frames += [Frame("staged"), relay, frame] if staged.kinds else [Frame("staged"), frame]
        objects = trace.heap.save()
        before = enter(trace, raw, frame, objects)
        signal = run(run_sometimes, lambda: raw(*new_args, **new_kwargs))
        changed = any((c.cell_contents if _filled(c) else None) is not old for c, old in before)
        if changed or trace.heap.changed(objects, trace.heap.save(), frame.since):
            raise errors.UnsupportedOperationError(
                f"`{function.__qualname__}` is recursive, or checkpointed, and changes a list, a dict, an attribute or a variable of an enclosing function: pass the value "
                "as an argument and return it"
            )
        builder.frames.remove(frame)
        try:
            value = _told(signal, frame, relay, staged, function.__qualname__)
        except Bottom:
            if waits(trace, staged):
                raise
            if not raises(builder.blocks, trace.functions):
                raise errors.EndlessTraceError(
                    f"the recursion of `{function.__qualname__}` has no base case: every path of it calls it again ({user_site()}): return a value on one of them"
                ) from None
            spec, atoms = NEVER, tuple[Atom, ...]()
        else:
            spec, atoms = _spec(returned(value, since=frame.since), function, staged.spec)
            builder.terminate(GraphReturn(atoms), open_block())
        trace.functions[staged.name] = builder.finish(tuple(a.type for a in atoms))
        trace.register(staged.name, builder)
        return spec


def _told(signal: Any, frame: Frame, relay: Frame, staged: StagedFunction, label: str) -> Any:
    """The result; with the number of what is raised, where that is told."""
    leaving = relay.ends["raise"]
    if not staged.kinds:
        return _result(signal, frame, label)
    raised = [_number_of(state.error, staged) for _, state in leaving]
    nothing = tuple(tuple(map(_empty, given)) for _, given in staged.raised)
    try:
        value = _result(signal, frame, label)
        ends = [(open_block(), here((value, 0, nothing)))]
    except Bottom:
        if not leaving or waits(current_builder().trace, staged):
            raise
        value, ends = None, []
    for (block, state), i in zip(leaving, raised, strict=True):
        given = (*nothing[:i], tuple(_parts(state.error)[0]), *nothing[i + 1 :])
        ends.append((block, Saved(((_empty(value), i + 1, given),), state.heap)))
    return join_values(ends, f"the result of `{label}`", frame.since)


def _number_of(error: Any, staged: StagedFunction) -> int:
    """Which of the exceptions that the function raises it is, but for the values in it."""
    values, rest = _parts(error)
    for i, (other, _) in enumerate(staged.raised):
        if _parts(other)[1] == rest:
            return i
    staged.raised.append((error, values))
    return len(staged.raised) - 1


def _parts(error: Any) -> tuple[list[Any], Any]:
    """The traced values in an exception, and all else that makes it what it is."""
    leaves, tree = flatten(settled(_given(error)))
    rest = [None if is_traced(x) else (type(x), x if isinstance(x, (str, int, float)) else id(x)) for x in leaves]
    return [x for x in leaves if is_traced(x)], (getattr(error, "cls", type(error)), tree, rest)


def _given(error: Any) -> Any:
    """What an exception was made of, or is; `given` where that is traced (python/guarded.py)."""
    return (error.given, error.keywords) if hasattr(error, "given") else (error.args, vars(error))


def _with(error: Any, values: Sequence[Any]) -> Any:
    """An exception like it, with these values in it."""
    new, each = again(error), iter(values)
    leaves, tree = flatten(settled(_given(error)))
    given, keywords = pytree.unflatten(tree, [next(each) if is_traced(x) else x for x in leaves])
    if hasattr(error, "given"):
        new.given, new.keywords = given, keywords  # type: ignore[attr-defined]
    return new


def _empty(value: Any) -> Any:
    """Something of that type, where there is no value."""
    leaves, tree = flatten(settled(value))
    return pytree.unflatten(tree, [_nothing(x) if is_traced(x) else x for x in leaves])


def _nothing(x: Any) -> Any:
    if isinstance(x, Arrayed):
        return np.zeros((0,) * x.ndim, x.dtype)
    return False if x.type == BOOL else 0 if x.type == I64 else 0.0


def _parameter(builder: Builder, leaf: Any, shaped: bool) -> Any:
    if not is_traced(leaf):
        return leaf
    dims = dims_of(leaf) if shaped and isinstance(leaf, Arrayed) else ()
    known = {axis: d for axis, d in enumerate(dims) if isinstance(d, int)}
    var = builder.parameter(resized(leaf.type, known))
    builder.first[var] = leaf
    if isinstance(leaf, Traced):
        return Traced(var, builder, leaf.weak, leaf.given)
    if isinstance(leaf, Arrayed):
        made = Arrayed(var, builder, leaf.owned)
        made.joined, made.given = True, leaf.given
        return made
    return leaf


def _spec(value: Any, function: Any, before: Any) -> tuple[Any, tuple[Any, ...]]:
    """(structure, types) of a result, and its atoms; a known spec widens weak numbers."""
    leaves, tree = flatten(settled(value))
    kinds: list[Any] = []
    atoms = []
    for i, leaf in enumerate(leaves):
        t = leaf_type(leaf)
        if leaf is None:
            kinds.append((None, False, True))
            continue
        if t is None:
            raise errors.ArgumentTypeError(f"`{function.__qualname__}` is recursive, or checkpointed, and returns {show(leaf)}: return numbers, arrays and containers of them")  # fmt: skip
        found = scalar_type(leaf)
        weak = found is not None and found[1]
        owned = not isinstance(leaf, Arrayed) or leaf.owned
        if before is not None and before[0] == tree and isinstance(t, Scalar) and isinstance(before[1][i][0], Scalar):
            t, weak = before[1][i][0] if weak and t != before[1][i][0] and is_float(before[1][i][0]) else t, weak
        if isinstance(t, Array):  # what is known of the results of every call
            t = Array(t.dtype, tuple(d if isinstance(d, int) else UNKNOWN for d in dims_of(leaf)))
        kinds.append((t, weak, owned))
        atoms.append(coerce(leaf, t, open_block()))
    return (tree, tuple(kinds)), tuple(atoms)


def call_staged(trace: Trace, staged: StagedFunction, args: Any, kwargs: Any, checkpoint: bool = False) -> Any:
    """A call in the graph. Its block ends here; the results are the parameters of the next one. A checkpoint is an operation."""
    if staged.spec is None:
        staged.called = True
        raise Bottom
    builder = trace.builders[-1]
    leaves, _ = flatten((args, kwargs))
    block = open_block()
    atoms = tuple(builder.use(leaf.atom, leaf.builder) for leaf in leaves if is_traced(leaf))
    if staged.spec == NEVER:
        call_in_vain(trace, staged.name, atoms)
    tree, kinds = staged.spec
    after = block if checkpoint else builder.new_block("then")
    results = [None if t is None else builder.fresh(_of_a_call(t), "r") for t, _, _ in kinds]
    found = [r for r in results if r is not None]
    call: Any
    if checkpoint:
        call = Let(tuple(found), CHECKPOINT.name, atoms, {"f": staged.name}, user_site())
        block.lets.append(call)
    else:
        after.params.extend(found)
        call = Call(staged.name, atoms, Edge(after.name))
        builder.terminate(call, block)
        builder.enter(after)
    trace.record(builder, call, staged.name)
    values = [
        None if r is None else Traced(r, builder, w) if isinstance(t, Scalar) else _joined(Arrayed(r, builder, o))
        for r, (t, w, o) in zip(results, kinds, strict=True)
    ]
    found = adopted(pytree.unflatten(tree, values), trace.heap)
    if not staged.kinds:
        return found
    value, number, given = found
    for i, (error, _) in enumerate(staged.raised):
        require(table.ine(number, i + 1) if is_traced(number) else number != i + 1, _with(error, given[i]))
    return value


def call_in_vain(trace: Trace, name: str, atoms: tuple[Atom, ...]) -> NoReturn:
    """A call of a function that never returns: nothing comes after it."""
    builder, block = trace.builders[-1], open_block()
    node = Call(name, atoms, Edge(builder.new_block("then").name))
    builder.terminate(node, block)
    trace.record(builder, node, name)
    raise Bottom


def _of_a_call(t: Type) -> Type:
    return resized(t, {axis: d for axis, d in enumerate(t.dims) if isinstance(d, int)}) if isinstance(t, Array) else t


def _joined(a: Arrayed) -> Arrayed:
    a.joined = True
    return a
