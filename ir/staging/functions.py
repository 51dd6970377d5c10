"""Calls at trace time: inlined, or staged when they recurse.

A call of a user's function runs its rewritten body in place. When a function is called again with arguments
of the same types while it is being traced, it is recursive: the trace goes back to the first such call and
traces the function on its own. Its result type is a fixpoint, base case first: until a type is known, a
recursive call has no value and the path that needs it is left out.

A recursion under a traced condition whose calls differ in plain numbers would be unrolled along every path: there these
numbers become traced at the first of the calls. Where the function needs one of them plain (it indexes a Python list),
it is unrolled all the same, so long as that ends. A recursion that only Python decides is always unrolled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import Builder, Frame, Mark, Trace, current_trace, keep
from ..core.graph import Call, Edge
from ..core.graph import Return as GraphReturn
from ..core.port import Port
from ..core.sites import user_site
from ..core.types import Scalar, is_float
from ..syntax import rewrite as syntax
from ..values import pytree
from ..values.values import Arrayed, Traced, array_like, constant, is_traced, scalar_type
from ..values.views import settled
from .join import join_values
from .leaves import coerce, leaf_type, show
from .loop import Widen
from .optional import returned
from .paths import DEAD, Bottom, Return, StagedExit, here, leave, open_block, run
from .structure import adopted, flatten

MAX_DEPTH = 150
MAX_UNROLLED = 3_000  # calls of a function under traced conditions that needs its numbers plain

asking = Port("gives a function that cannot be rewritten builtins that answer for traced values")

keep("staged", lambda trace: {})
keep("active", lambda trace: [])
keep("unrolled", lambda trace: {})  # functions that cannot be staged (Unrolled)


class Recursion(Exception):
    """Unwinds to the first call of a function that turned out to be recursive."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation = activation


class Widening(Exception):
    """Unwinds to the first call of a recursion in which plain numbers change from call to call: there they become traced."""

    def __init__(self, activation: Activation, positions: set[int]) -> None:
        super().__init__()
        self.activation, self.positions = activation, positions


class Activation:
    """A call under way; `staged` once the function is traced on its own."""

    def __init__(self, key: Any, builder: Builder, code: Any) -> None:
        self.key, self.builder, self.code = key, builder, code
        self.staged: StagedFunction | None = None
        self.frame: Any = None

    def is_conditional(self, trace: Trace) -> bool:
        """Did a traced condition decide, since this call began, that the trace is here?"""
        frames = [*self.builder.frames[self.builder.frames.index(self.frame) :]]
        for b in trace.builders[trace.builders.index(self.builder) + 1 :]:
            frames += b.frames
        return any(f.kind == "condition" or any(f.ends.values()) for f in frames)


class Unrolled:
    """A function that needs its numbers plain: why it could not be staged, and its calls so far."""

    def __init__(self, reason: Exception) -> None:
        self.reason, self.calls = reason, 0


class StagedFunction:
    """A function of the program. `spec` is its results' (structure, [(type, weak, owned)]) once known."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.spec: Any = None
        self.builder: Builder | None = None
        self.captured: Any = None


def signature(tree: Any, shaped: bool = False) -> Any:
    """What must agree for two calls to be one staged function: types of traced leaves, values of the rest, and known sizes of
    arrays where Python needs them (`shaped`)."""
    leaves, treedef = flatten(tree)
    sizes = tuple(_known_sizes(leaf) for leaf in leaves) if shaped else ()
    return treedef, tuple(_leaf_key(leaf) for leaf in leaves), sizes


def _known_sizes(leaf: Any) -> Any:
    return tuple(n if isinstance(n, int) else None for n in leaf.sizes) if isinstance(leaf, Arrayed) and leaf.sizes is not None else None


def _is_shaped(trace: Trace, raw: Any) -> bool:
    """Does Python need sizes of this function's arrays?"""
    return trace.numbers is not None and _code(raw) in trace.numbers.shaped


def _code(raw: Any) -> Any:
    return getattr(raw, "func", raw).__code__


def _leaf_key(leaf: Any) -> Any:
    if isinstance(leaf, Traced):
        return "traced", leaf.type, leaf.weak, leaf.given
    if isinstance(leaf, Arrayed):
        return "array", leaf.type, leaf.owned, leaf.given
    if isinstance(leaf, (bool, int, float, str, np.generic)):
        return type(leaf), str(leaf)
    return "object", Same(leaf)


class Same:
    """An object as a key, by identity; keeps it alive, so that no later object has its id."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _contents(raw: Any) -> list[tuple[Any, Any]]:
    """The cells that a function captures, and what is in them."""
    return [(c, c.cell_contents if _filled(c) else None) for c in _closure(raw)]


def _check_effects(function: Any, raw: Any, before: list[tuple[Any, Any]], builder: Builder) -> None:
    """A function that assigns a variable of an enclosing function may do so under a traced condition only where that
    condition's construct knows the variable: else the other path would see the assignment too."""
    changed = [
        (c, name) for (c, old), name in zip(before, _names(raw), strict=False) if (c.cell_contents if _filled(c) else None) is not old
    ]
    changed = [(c, name) for c, name in changed if (id(c), name) not in builder.trace.heap.places]  # those are carried like other objects
    if not changed:
        return
    owner, depth = getattr(function, "__lantern_depth__", (builder, 0))
    for frame in builder.frames[depth if owner is builder else 0 :]:
        if frame.kind not in ("condition", "loop"):
            continue
        for c, name in changed:
            if frame.kind == "condition" and (frame.scope is None or id(c) not in frame.scope.cells):
                raise errors.UnsupportedOperationError(
                    f"`{function.__qualname__}` at {user_site()} assigns `{name}` of an enclosing function under a traced condition or in an "
                    "expression: return the value instead, and assign it in an `if` statement"
                )
            if frame.kind == "loop" and frame.staged and (frame.scope is None or id(c) not in frame.scope.cells):
                raise errors.UnsupportedOperationError(
                    f"`{function.__qualname__}` at {user_site()} assigns `{name}` of an enclosing function in a staged loop: return the value instead"
                )


def _names(raw: Any) -> tuple[str, ...]:
    return getattr(raw, "func", raw).__code__.co_freevars  # type: ignore[no-any-return]


def _closure(function: Any) -> tuple[Any, ...]:
    """The cells of a function, or of the method that a partial binds."""
    return getattr(getattr(function, "func", function), "__closure__", None) or ()


def captured(function: Any, seen: set[int]) -> Any:
    """What the variables that a function captures are now."""
    if id(function) in seen:
        return None
    seen.add(id(function))
    out: list[Any] = []
    for cell in _closure(function):
        try:
            value = cell.cell_contents
        except ValueError:
            out.append(None)
            continue
        raw = getattr(value, "__lantern_raw__", None)
        if raw is not None:
            out.append((Same(value), captured(raw, seen)))
            continue
        leaves, tree = pytree.flatten(value)
        out.append((tree, tuple((Same(x.atom) if hasattr(x.atom, "name") else x.atom) if is_traced(x) else _leaf_key(x) for x in leaves)))
    return tuple(out)


def invoke(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a user's Python function with traced arguments."""
    trace = current_trace()
    if trace is not None:
        trace.reads.function(function)
    raw = syntax.convert(function)
    if raw is None:
        return asking(function)(*args, **kwargs)
    if trace is None or not trace.builders:
        signal = raw(*args, **kwargs)
        return signal.value if isinstance(signal, Return) else None
    key = (
        Same(getattr(function, "__func__", function)),
        Same(getattr(function, "__self__", None)),
        signature((args, kwargs), _is_shaped(trace, raw)),
    )
    staged = trace.staged.get(key)
    if staged is not None and staged.captured is not None and staged.captured != captured(raw, set()):
        del trace.staged[key]  # a variable that it uses has changed since
        staged = None
    if staged is not None:
        return call_staged(trace, staged, args, kwargs)
    running = next((a for a in trace.active if a.key == key), None)
    if running is not None:
        raise Recursion(running)
    _limit_depth(trace, function, key)
    return _inline(trace, key, function, raw, args, kwargs)


def invoke_staged(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `function` as a function of its own in the graph, also where it does not recurse or has no source."""
    trace = current_trace()
    assert trace is not None
    trace.reads.function(function)
    raw = syntax.convert(function) or (lambda *a, **k: Return(asking(function)(*a, **k)))
    key = (Same(function), None, signature((args, kwargs), _is_shaped(trace, raw)))
    staged = trace.staged.get(key)
    if staged is not None and staged.captured is not None and staged.captured != captured(raw, set()):
        staged = None
    if staged is None:
        staged = stage(trace, key, function, raw, args, kwargs)
    return call_staged(trace, staged, args, kwargs)


def _limit_depth(trace: Trace, function: Callable[..., Any], key: Any) -> None:
    unrolled = trace.unrolled.get(key[:2])
    if unrolled is None:
        _widen(trace, key, lambda a: a.is_conditional(trace))
    else:
        unrolled.calls += 1
        if unrolled.calls > MAX_UNROLLED:
            raise unrolled.reason
    depth = sum(a.code is function.__code__ for a in trace.active)
    if depth >= MAX_DEPTH:
        if unrolled is not None:
            raise unrolled.reason
        _widen(trace, key, lambda a: True)
        raise errors.EndlessTraceError(
            f"the recursion of `{function.__qualname__}` at {user_site()} does not end while it is traced ({depth} calls deep): it has no base "
            "case, or a plain Python argument changes in every call. Pass that argument as a traced value (an argument of the compiled function)"
        )


def _widen(trace: Trace, key: Any, wanted: Callable[[Activation], bool]) -> None:
    """`count(n - 1, k + 1)` with k = 0 at first: if only numbers differ between the calls under way, and of those that the
    first one was given some are plain, trace them."""
    first: Activation | None = None
    positions: set[int] = set()
    for a in reversed(trace.active):
        if a.key[:2] != key[:2] or a.key[2][0] != key[2][0]:
            continue
        differ = [(i, x, y) for i, (x, y) in enumerate(zip(a.key[2][1], key[2][1], strict=True)) if x != y]
        if not all(_is_number(x) and _is_number(y) for _, x, y in differ) or not wanted(a):
            break
        positions |= {i for i, x, _ in differ}
        first = a
    if first is not None:
        positions = {i for i in positions if first.key[2][1][i][0] != "traced"}
        if positions:
            raise Widening(first, positions)


def _is_number(key: Any) -> bool:
    """Is it the key of a leaf that is a traced number or can become one?"""
    kind = key[0]
    if kind == "traced":
        return True
    if kind is int:
        return -(2**63) <= int(key[1]) < 2**63
    return kind is float or (isinstance(kind, type) and issubclass(kind, (np.integer, np.floating)) and scalar_type(kind(0)) is not None)


def _traced_at(positions: set[int], tree: Any) -> Any:
    """The same arguments, with traced values for the plain numbers at these leaves."""
    leaves, treedef = flatten(tree)
    return pytree.unflatten(treedef, [constant(x) if i in positions else x for i, x in enumerate(leaves)])


def _inline(trace: Trace, key: Any, function: Callable[..., Any], raw: Any, args: Any, kwargs: Any) -> Any:
    builder = trace.builders[-1]
    open_block()
    mark: Mark = builder.mark()
    depth = len(trace.builders)
    active = Activation(key, builder, function.__code__)
    trace.active.append(active)
    frame = Frame("function", label=function.__qualname__)
    builder.frames.append(frame)
    before, objects = _contents(raw), trace.heap.save()
    declares = getattr(raw, "func", raw)
    if hasattr(declares, "__lantern_outer__"):
        trace.heap.enter(declares)
    frame.since = objects.clock
    active.frame = frame
    if function.__name__ == "__init__" and args and args[0] is trace.heap.blank:
        trace.heap.made(args[0])  # nobody else sees it yet: what is written into it need not be logged
    wider: set[int] = set()
    try:
        signal = raw(*args, **kwargs)
        _check_effects(function, raw, before, builder)
        builder.frames.remove(frame)
        return _result(signal, frame, function.__qualname__)
    except Recursion as recursion:
        if recursion.activation is not active:
            raise
        del trace.builders[depth:]
        builder.rollback(mark)
        trace.heap.restore(objects)
    except Widening as widening:
        if widening.activation is not active:
            raise
        del trace.builders[depth:]
        builder.rollback(mark)
        trace.heap.restore(objects)
        wider = widening.positions
    finally:
        del trace.active[trace.active.index(active) :]
        if frame in builder.frames:
            del builder.frames[builder.frames.index(frame) :]
    if wider:
        return _widened(trace, key, function, args, kwargs, wider)
    staged = stage(trace, key, function, raw, args, kwargs)
    return call_staged(trace, staged, args, kwargs)


def _widened(trace: Trace, key: Any, function: Callable[..., Any], args: Any, kwargs: Any, positions: set[int]) -> Any:
    """The call with traced numbers at these positions; as it is, where it needs them plain."""
    builder = trace.builders[-1]
    mark, depth = builder.mark(), len(trace.builders)
    staged, functions = dict(trace.staged), dict(trace.functions)
    objects = trace.heap.save()
    try:
        return invoke(function, *_traced_at(positions, (args, kwargs)))
    except (Recursion, Widening, Bottom, StagedExit, Widen):
        raise
    except Exception as reason:
        trace.unrolled[key[:2]] = Unrolled(reason)
    del trace.builders[depth:]
    builder.rollback(mark)
    trace.heap.restore(objects)
    trace.staged, trace.functions = staged, functions
    return invoke(function, args, kwargs)


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


def stage(trace: Trace, key: Any, function: Callable[..., Any], raw: Any, args: Any, kwargs: Any) -> StagedFunction:
    """Trace a recursive function on its own, again and again until its result type is a fixpoint."""
    staged = trace.staged[key] = StagedFunction(trace.name(function.__name__))
    known, functions = dict(trace.staged), dict(trace.functions)
    try:
        for _ in range(8):
            spec = _trace_round(trace, staged, function, raw, args, kwargs)
            if spec == staged.spec:
                _forget_inner(trace, known, staged)
                staged.captured = captured(raw, set())
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
        builder.frames.append(Frame("staged"))
        builder.frames.append(frame)
        before, objects = _contents(raw), trace.heap.save()
        declares = getattr(raw, "func", raw)
        if hasattr(declares, "__lantern_outer__"):
            trace.heap.enter(declares)
        frame.since = objects.clock
        signal = run(lambda: raw(*new_args, **new_kwargs))
        changed = any((c.cell_contents if _filled(c) else None) is not old for c, old in before)
        if changed or trace.heap.changed(objects, trace.heap.save(), frame.since):
            raise errors.UnsupportedOperationError(
                f"`{function.__qualname__}` is recursive and changes a list, a dict, an attribute or a variable of an enclosing function: pass the value "
                "as an argument and return it"
            )
        builder.frames.remove(frame)
        try:
            value = _result(signal, frame, function.__qualname__)
        except Bottom:
            if any(s is not staged and s.spec is None and s.builder is not None and not s.builder.closed for s in trace.staged.values()):
                raise
            raise errors.EndlessTraceError(
                f"the recursion of `{function.__qualname__}` has no base case: every path of it calls it again ({user_site()}): return a value on one of them"
            ) from None
        spec, atoms = _spec(value, function, staged.spec)
        builder.terminate(GraphReturn(atoms), open_block())
        trace.functions[staged.name] = builder.finish(tuple(t for t, _, _ in spec[1] if t is not None))
        trace.register(staged.name, builder)
        return spec


def _filled(cell: Any) -> bool:
    try:
        return bool(cell.cell_contents is not None)
    except ValueError:
        return False


def _parameter(builder: Builder, leaf: Any, shaped: bool) -> Any:
    if not is_traced(leaf):
        return leaf
    var = builder.parameter(leaf.type)
    builder.first[var] = leaf
    if isinstance(leaf, Traced):
        return Traced(var, builder, leaf.weak, leaf.given)
    if isinstance(leaf, Arrayed):
        made = array_like(var, builder, leaf, leaf.owned) if shaped else Arrayed(var, builder, leaf.owned)
        made.joined, made.given = True, leaf.given
        return made
    return leaf


def _spec(value: Any, function: Any, before: Any) -> tuple[Any, tuple[Any, ...]]:
    """(structure, types) of a result, and its atoms; a known spec widens weak numbers."""
    leaves, tree = flatten(settled(returned(value, optional=True)))
    kinds: list[Any] = []
    atoms = []
    for i, leaf in enumerate(leaves):
        t = leaf_type(leaf)
        if leaf is None:
            kinds.append((None, False, True))
            continue
        if t is None:
            raise errors.ArgumentTypeError(f"`{function.__qualname__}` is recursive and returns {show(leaf)}: return numbers, arrays and containers of them")  # fmt: skip
        found = scalar_type(leaf)
        weak = found is not None and found[1]
        owned = not isinstance(leaf, Arrayed) or leaf.owned
        if before is not None and before[0] == tree and isinstance(t, Scalar) and isinstance(before[1][i][0], Scalar):
            t, weak = before[1][i][0] if weak and t != before[1][i][0] and is_float(before[1][i][0]) else t, weak
        kinds.append((t, weak, owned))
        atoms.append(coerce(leaf, t, open_block()))
    return (tree, tuple(kinds)), tuple(atoms)


def call_staged(trace: Trace, staged: StagedFunction, args: Any, kwargs: Any) -> Any:
    """A call in the graph. Its block ends here; the results are the parameters of the next one."""
    if staged.spec is None:
        raise Bottom
    builder = trace.builders[-1]
    leaves, _ = flatten((args, kwargs))
    block = open_block()
    atoms = tuple(builder.use(leaf.atom, leaf.builder) for leaf in leaves if is_traced(leaf))
    tree, kinds = staged.spec
    after = builder.new_block("then")
    results = [None if t is None else builder.fresh(t, "r") for t, _, _ in kinds]
    after.params.extend(r for r in results if r is not None)
    call = Call(staged.name, atoms, Edge(after.name))
    builder.terminate(call, block)
    trace.record(builder, call, staged.name)
    builder.enter(after)
    values = [
        None if r is None else Traced(r, builder, w) if isinstance(t, Scalar) else _joined(Arrayed(r, builder, o))
        for r, (t, w, o) in zip(results, kinds, strict=True)
    ]
    return adopted(pytree.unflatten(tree, values), trace.heap)


def _joined(a: Arrayed) -> Arrayed:
    a.joined = True
    return a


__all__ = ["DEAD", "invoke", "invoke_staged", "leave", "signature", "stage"]
