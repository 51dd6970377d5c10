"""vmap: a counted loop without carried state around a call, whose results are written where they belong.

    y = vmap(f)(x)          y = empty(n, ..);  for i in range(n): y[i] = f(x[i])

Each lane has its own control flow: no mask, and no lane waits for another. f is traced in the loop, once, with rows of its arguments as
views; what it gives says which arrays are made before the loop. Rows that f writes into are copied first, by tracing it again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.analysis import Aliases, called
from ..core.builder import Trace, current_builder, current_trace, keep
from ..core.graph import Block, Call, Jump, Program, Var, defined_vars, terminator_atoms
from ..core.op import PLAIN, TABLE, can_fail, written
from ..core.sites import user_site
from ..core.types import Array, Scalar
from ..numpy.creation import asarray
from ..objects.statics import is_static
from ..python.random import GeneratorValue
from ..staging.leaves import Undefined, leaf_type, show
from ..staging.lists import made
from ..staging.loops import each
from ..staging.optional import returned
from ..staging.paths import NO_SCOPE, Bottom, at_the_end, open_block, way_back
from ..values import pytree
from ..values.arrays import allocate, lift_array, opened_constants
from ..values.sizes import require_equal
from ..values.values import Arrayed
from ..values.views import View, as_array, base_of, settled
from .calls import call
from .outside import Outside

keep("lanes", lambda trace: [], mark=len, undo=lambda lanes, n: lanes.__delitem__(slice(n, None)))  # (blocks, results) of each vmap
keep("threads", lambda trace: 1)  # how many are asked for
ONE_FOR_ALL = "in_axes=None for what all lanes share"


def vmap(f: Callable[..., Any], in_axes: Any, out_axes: Any, threads: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """f of each lane of the arguments, with the results side by side."""
    trace = current_trace()
    assert trace is not None
    trace.threads = max(trace.threads, threads)
    lanes = Lanes(f, in_axes, out_axes, args, kwargs)
    open_block()
    copied: set[int] = set()
    while True:
        go_back = way_back(NO_SCOPE)
        lanes.begin(copied)
        each(lanes.n, lanes.lane)
        rows = lanes.end()
        if rows <= copied:
            return lanes.result()
        copied |= rows
        go_back()


class Lanes:
    """One vmap: its arguments, and its results while its loop is traced."""

    def __init__(self, f: Callable[..., Any], in_axes: Any, out_axes: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.f, self.out_axes = f, out_axes
        if isinstance(in_axes, (tuple, list)) and len(in_axes) != len(args):
            raise errors.ArgumentTypeError(
                f"vmap's in_axes={in_axes!r} names {len(in_axes)} arguments, and the call at {user_site()} has {len(args)} positional ones: give one for each"
            )
        given = [a if isinstance(in_axes, int) or in_axes is None else in_axes[i] for i, a in enumerate([in_axes] * len(args))]
        leaves, self.tree, paths = pytree.flatten_above(opened_constants((args, kwargs)), _is_whole)
        spread = spread_axes((tuple(given), dict.fromkeys(kwargs, 0)), paths, "in_axes")
        self.axes: list[int | None] = []
        self.leaves: list[Any] = []
        self.n: Any = None
        for leaf, axis, path in zip(leaves, spread, paths, strict=True):
            self.add(leaf, axis, f"argument {pytree.spell_path(path[1:])}")
        if self.n is None:
            raise errors.ArgumentTypeError(
                f"vmap at {user_site()} goes over no axis of its arguments: give an axis of one of them in in_axes"
            )

    def add(self, leaf: Any, axis: Any, what: str) -> None:
        """A leaf of the arguments, which lanes go over an axis of."""
        if axis is not None and isinstance(leaf, GeneratorValue):
            raise errors.ArgumentTypeError(
                f"{what} of vmap at {user_site()} is a random Generator, which has no axis: in_axes=None lets the lanes draw from it one after another, a list of "
                "generators (rng.spawn(n)) gives each its own"
            )
        if axis is None or is_static(leaf):
            self.leaves.append(leaf)
            self.axes.append(None)
            return
        if _are_generators(leaf):
            leaf = asarray([g.handle for g in leaf])
            self.size(leaf, 0, what)
            self.leaves.append(GeneratorValue(leaf))
            self.axes.append(0)
            return
        leaf = lift_array(leaf) if isinstance(leaf, np.ndarray) and leaf.ndim else leaf
        if not isinstance(leaf, Arrayed):
            raise errors.ArgumentTypeError(f"{what} of vmap at {user_site()} is {show(leaf)}, which has no axis {axis}: give {ONE_FOR_ALL}")
        if not -leaf.ndim <= axis < leaf.ndim:
            raise errors.AxisError(
                f"vmap at {user_site()} goes over axis {axis} of {what}, which has {leaf.ndim}: give an axis of it, or {ONE_FOR_ALL}"
            )
        self.size(leaf, axis % leaf.ndim, what)
        self.leaves.append(leaf)
        self.axes.append(axis % leaf.ndim)

    def size(self, leaf: Arrayed, axis: int, what: str) -> None:
        n = leaf.shape[axis]
        self.n = (
            n if self.n is None else require_equal(self.n, n, f"vmap goes over axes of different sizes, that of {what} and those before it")
        )

    # ---- the loop
    def begin(self, copied: set[int]) -> None:
        self.builder, self.copied = current_builder(), set(copied)
        self.before = open_block()
        self.first = len(self.builder.blocks)
        self.outs: list[Any] | None = None

    def lane(self, i: Any) -> None:
        """f of one lane; its results are written where they belong."""
        trace = self.builder.trace
        inside = [self.part(k, i) for k in range(len(self.leaves))]
        objects = trace.heap.save()
        args, kwargs = trace.heap.adopt(made, pytree.unflatten(self.tree, inside))
        value = returned(call(self.f, *args, **kwargs), optional=False)
        if trace.heap.changed(objects, trace.heap.save(), objects.clock):
            raise errors.UnsupportedOperationError(
                f"the function of vmap at {user_site()} changes a list, a dict, an attribute or a variable that all lanes share: return the value of each lane"
            )
        leaves, self.out_tree, paths = pytree.flatten_above(settled(value), lambda x: False)
        results = [result(x) for x in leaves]
        spread = spread_axes(self.out_axes, paths, "out_axes")
        where = [_place(x, a) for x, a in zip(results, spread, strict=True)]
        self.make(results, where)
        for out, x, axis in zip(self.outs or (), results, where, strict=True):
            if axis is not None and leaf_type(x) is not None:
                out[(*(slice(None),) * axis, i)] = x

    def part(self, k: int, i: Any) -> Any:
        """What a lane is given of a leaf."""
        x, axis = self.leaves[k], self.axes[k]
        if axis is None:
            return x
        if isinstance(x, GeneratorValue):
            return GeneratorValue(x.handle[i])
        row = x[(*(slice(None),) * axis, i)]
        return row.copy() if k in self.copied else row

    def make(self, results: Sequence[Any], where: Sequence[int | None]) -> None:
        """The arrays that the results are written into, before the loop."""
        shapes = [list(x.shape) if isinstance(x, Arrayed) else [] for x in results]
        outside = Outside(self.builder, self.blocks(), self.leaves)
        outs = []
        for x, shape, axis in zip(results, shapes, where, strict=True):
            t = leaf_type(x)
            if t is None:  # no value of the graph
                outs.append(x)
            elif axis is None:
                outs.append(outside.value(x))
            else:
                dtype = t.dtype if isinstance(t, Array) else t
                make = functools.partial(self.room, dtype, [functools.partial(outside.size, n) for n in shape], axis)
                outs.append(at_the_end(self.before, make)[0])
        self.outs = outs

    def room(self, dtype: Scalar, sizes: Sequence[Callable[[], Any]], axis: int) -> Any:
        shape = [size() for size in sizes]
        return allocate(dtype, [*shape[:axis], self.n, *shape[axis:]], 0)

    def blocks(self) -> list[Block]:
        """Those of the loop so far."""
        return self.builder.blocks[self.first :]

    def end(self) -> set[int]:
        """The loop is there: which of the leaves f writes into, or gives to functions that may."""
        if self.outs is None:
            raise Bottom
        blocks = [b for b in self.blocks() if b is not self.builder.current]
        self.hoist(blocks)
        results = [x.atom for x in self.outs if isinstance(x, Arrayed)]
        self.builder.trace.lanes.append((blocks, results))
        at_risk = {v for b in blocks for v in touched(b)}
        rows = [k for k, x in enumerate(self.leaves) if self.axes[k] is not None and isinstance(x, Arrayed) and x.ndim > 1]
        return {k for k in rows if self.builder.use(base_of(self.leaves[k]).atom, self.leaves[k].builder) in at_risk}

    def hoist(self, blocks: Sequence[Block]) -> None:
        """Sizes, and whether they fit together, are found out once for all lanes, where each lane asks and the answer is the same. (Also
        where there is no lane.)"""
        inside = {v for b in blocks for v in defined_vars(b)}
        at: Block | None = next(b for b in blocks if b.name == blocks[0].terminator.then.block)  # type: ignore[union-attr]
        while at is not None:
            for let in list(at.lets):
                op = TABLE[let.op]
                if (op.measures or (op.scalar and (not can_fail(let) or op.fits))) and not inside & set(let.args):
                    at.lets.remove(let)
                    self.before.lets.append(let)
                    inside -= set(let.outs)
            t = at.terminator
            at = next((b for b in blocks if isinstance(t, Jump) and b.name == t.edge.block and not b.params), None)

    def result(self) -> Any:
        trace = current_trace()
        assert trace is not None
        return trace.heap.adopt(made, pytree.unflatten(self.out_tree, self.outs or ()))


def touched(block: Block) -> list[Any]:
    """The arrays that a block writes, or gives to a function that may write them."""
    found = [v for let in block.lets for v in (let.args if TABLE[let.op].calls == PLAIN else written(let))]
    return found + (list(block.terminator.args) if isinstance(block.terminator, Call) else [])


def result(x: Any) -> Any:
    """A leaf of what a lane gives."""
    if isinstance(x, Undefined):
        x._raise()
    if isinstance(x, np.ndarray):
        x = as_array(x)
    if isinstance(x, GeneratorValue) or (leaf_type(x) is None and not is_static(x)):
        raise errors.ArgumentTypeError(
            f"the function of vmap at {user_site()} returns {show(x)}: return numbers, arrays and containers of them"
        )
    return x


def _place(x: Any, axis: Any) -> int | None:
    """Where the axis of lanes is in a result."""
    if axis is None or leaf_type(x) is None:
        return None
    rank = (x.ndim if isinstance(x, Arrayed) else 0) + 1
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise errors.AxisError(
            f"out_axes of vmap at {user_site()} has {axis!r} for a result that has {rank} axes with that of lanes: give one of them"
        )
    return axis % rank


def _is_whole(x: Any) -> bool:
    return isinstance(x, (View, GeneratorValue)) or _are_generators(x)


def _are_generators(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and len(x) > 0 and all(isinstance(g, GeneratorValue) for g in x)


def spread_axes(axes: Any, paths: Sequence[Sequence[Any]], what: str) -> list[Any]:
    """For the leaf at each path its axis: in `axes` an int or None stands for all that is in its place."""
    found, seen = [], set()
    for path in paths:
        here, used = axes, 0
        for k in path:
            if here is None or isinstance(here, int):
                break
            try:
                here = getattr(here, k) if isinstance(k, str) and not isinstance(here, dict) else here[k]
            except (LookupError, TypeError, AttributeError):
                here = object
                break
            used += 1
        if isinstance(here, (tuple, list, dict)) or here is object:
            raise errors.ArgumentTypeError(
                f"vmap's {what}={axes!r} does not have the structure of what it is for at {user_site()}, at {pytree.spell_path(path)}: give an int or None for each "
                "part, or one for all"
            )
        seen.add(tuple(path[:used]))
        found.append(here)
    given = pytree.flatten(axes)[0]
    if paths and len(given) > len(seen):
        raise errors.ArgumentTypeError(
            f"vmap's {what}={axes!r} has more parts than what it is for at {user_site()}: give an int or None for each"
        )
    return found


# ---- what all lanes share
def refuse_shared(trace: Trace, program: Program) -> None:
    """No lane may write into an array that others have too."""
    if not trace.lanes:
        return
    aliases = Aliases(program)
    homes = {id(b): f for f in program.functions.values() for b in f.blocks.values()}
    for blocks, results in trace.lanes:
        blocks = [b for b in blocks if id(b) in homes]
        inside = {v for b in blocks for v in defined_vars(b)}
        own = {aliases.root(v) for v in results}
        shared = {aliases.root(a) for b in blocks for a in _used(b) if isinstance(a, Var) and isinstance(a.type, Array) and a not in inside}
        for b in [*blocks, *_called(program, blocks)]:
            for let in b.lets:
                for v in written(let):
                    if aliases.root(v) in shared - own:
                        raise errors.UnsupportedOperationError(
                            f"the function of vmap writes at {let.site} into an array that all lanes share: copy it first (x = x.copy()), or return what each lane writes"
                        )


def _used(b: Block) -> list[Any]:
    return [a for let in b.lets for a in let.args] + list(terminator_atoms(b.terminator))


def _called(program: Program, blocks: Sequence[Block]) -> list[Block]:
    """The blocks of all functions that these call."""
    work = [b.terminator.function for b in blocks if isinstance(b.terminator, Call)]
    work += [let.attrs["f"] for b in blocks for let in b.lets if TABLE[let.op].calls == PLAIN]
    found: dict[str, None] = {}
    while work:
        name = work.pop()
        if name not in found and name in program.functions:
            found[name] = None
            work += called(program.functions[name])
    return [b for name in found for b in program.functions[name].blocks.values()]
