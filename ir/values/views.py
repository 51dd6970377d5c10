"""Arrays while tracing: what an array is a view of.

An `Arrayed` (values.py) is a contiguous array in the program's memory. A `View` names some of another array's elements:
where axis j of the array is read at start_j + step_j * i, for i along one of the view's axes. Slices, integer indices,
new axes, transpositions and broadcasts make views; nothing is computed or copied. Every operation on views becomes a
kernel (kernel.py) that reads the elements in place.

What a trace makes here is one kernel for each operation the user wrote; fuse.py joins them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import errors
from ..core.builder import current_builder
from ..core.graph import Var
from ..core.kernel import Access
from ..core.port import Port
from ..core.sites import user_site
from ..core.types import Array
from . import pytree, sizes, values
from .arrays import lift_array
from .complexes.pairs import Complex, ComplexArray, is_complex_array, of_pairs
from .sizes import Size
from .values import Arrayed, Traced, dim_of, is_traced

copied = Port("copies an array's elements into a new one")
array_of_items = Port("makes an array of a list or a tuple")


class View(Arrayed):
    """Some elements of a whole array. For each axis of the array `spec` has (axis of the view or -1, start, step)."""

    __slots__ = ("base", "spec")

    def __init__(self, base: Arrayed, spec: Sequence[tuple[int, Size, Size]], shape: Sequence[Size], owned: bool | None = None) -> None:
        self.base, self.spec = base, tuple(spec)
        self.sizes: list[Any] = list(shape)
        self.given = None
        self.builder = base.builder
        self.owned = base.owned if owned is None else owned
        self.serial = base.serial

    @property
    def atom(self) -> Var:
        """As an array of its own: a copy."""
        return contiguous(self).atom  # type: ignore[no-any-return]

    @property
    def type(self) -> Array:
        return Array(self.base.type.dtype, tuple(map(dim_of, self.sizes)))


def _flatten_view(v: View) -> Any:
    """A view is carried by what it is made of, so that it stays a view of the array that it is a part of."""
    numbers = [x for _, start, _ in v.spec for x in (start,)] + [t for _, _, t in v.spec if isinstance(t, Traced)] + list(v.sizes)
    steps = tuple((axis, None if isinstance(t, Traced) else t) for axis, _, t in v.spec)
    return (v.base, *numbers), (steps, len(v.sizes), v.owned)


def _unflatten_view(known: Any, children: Any) -> View:
    steps, rank, owned = known
    base, *numbers = children
    starts, rest = numbers[: len(steps)], numbers[len(steps) :]
    moving = iter(rest[: len(rest) - rank])
    spec = [(axis, start, next(moving) if t is None else t) for (axis, t), start in zip(steps, starts, strict=True)]
    if not isinstance(base.planes[0] if isinstance(base, ComplexArray) else base, Arrayed):  # looked at without its values
        base = _Nobody()
    return View(base, spec, rest[len(rest) - rank :], owned)


class _Nobody(Arrayed):
    def __init__(self) -> None:
        self.builder, self.owned, self.serial = None, False, 0


def any_traced(tree: Any) -> bool:
    """Is there a traced value in a structure?"""
    return any(map(is_traced, pytree.flatten(tree)[0]))


def settled(tree: Any, viewed: list[Any] | None = None) -> Any:
    """A structure of values with every view in it as an array of its own. `viewed` takes the memory that they are views of."""

    def copy(v: View) -> Any:
        if viewed is not None:
            viewed.append(v.base.memory)
        return copied(v)

    return pytree.map_nodes(View, copy, tree)


def base_of(a: Arrayed) -> Arrayed:
    return a.base if isinstance(a, View) else a


def spec_of(a: Arrayed) -> tuple[tuple[int, Size, Size], ...]:
    return a.spec if isinstance(a, View) else tuple((j, 0, 1) for j in range(a.ndim))


def shape_of(a: Any) -> list[Size]:
    return list(a.shape) if isinstance(a, (Arrayed, np.ndarray)) else []


def renewed(a: Arrayed) -> Arrayed:
    """The array itself as another object: where NumPy gives a view of all of it, which is not (`is`) the array."""
    if isinstance(a, ComplexArray):
        return ComplexArray(*a.planes)
    made = View(a.base, a.spec, a.sizes, a.owned) if isinstance(a, View) else Arrayed(a.atom, a.builder, a.owned)
    made.given = a.given
    if not isinstance(a, View):
        made.sizes, made.fresh, made.joined, made.memory, made.serial = a.sizes, a.fresh, a.joined, a.memory, a.serial
    return made


def is_array(x: Any) -> bool:
    return isinstance(x, Arrayed) or (isinstance(x, np.ndarray) and x.ndim > 0)


def as_array(x: Any) -> Any:
    """An operand: an array or a scalar. Lists, tuples and ranges become arrays."""
    if isinstance(x, np.ndarray):
        return lift_array(x) if x.ndim else x[()]
    return array_of_items(x) if values.is_sequence(x) else x


def contiguous(a: Any) -> Arrayed:
    """`a` as a whole array: itself, or a copy."""
    return copied(a) if isinstance(a, View) else a  # type: ignore[no-any-return]


def access(a: Arrayed, places: Sequence[int], space: Sequence[Size]) -> Any:
    """How a kernel over `space` reads `a`, whose axis v runs along axis places[v] of the space (-1: it is 1 long): an Access, or a
    Complex of two."""
    if is_complex_array(a):
        return Complex(*(access(plane(a, k), places, space) for k in (0, 1)))
    builder = current_builder()
    base, shape = base_of(a), shape_of(a)
    moves = [0 if q < 0 else sizes.follows(n, space[q]) for q, n in zip(places, shape, strict=True)]
    starts, steps, axes = [], [], []
    for v, start, step in spec_of(a):
        move = moves[v] if v >= 0 else 0
        still = v < 0 or (sizes.is_known(move) and sizes.plain(move) == 0)
        starts.append(sizes.atom(start))
        steps.append(sizes.atom(0 if still else sizes.mul(step, move)))
        axes.append(-1 if still else places[v])
    var = builder.use(base.atom, base.builder)
    assert isinstance(var, Var)
    return Access(var, tuple(starts), tuple(steps), tuple(axes))


def places(a: Any, rank: int) -> list[int]:
    """Trailing axes belong together."""
    return [rank - len(shape_of(a)) + v for v in range(len(shape_of(a)))]


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes that an `axis=` argument names, in order."""
    if axis is None:
        return tuple(range(rank))
    out = []
    for a in axis if isinstance(axis, (tuple, list)) else (axis,):
        if isinstance(a, Traced) and sizes.needed(a) is None:
            raise errors.TracedConditionError(f"axis= at {user_site()} must be a plain int")
        a = int(a)
        if not -rank <= a < rank:
            raise errors.AxisError(f"axis {a} is out of bounds for array of dimension {rank} ({user_site()})")
        out.append(a % rank)
    if len(set(out)) != len(out):
        raise ValueError(f"duplicate value in 'axis' ({user_site()})")
    return tuple(sorted(out))


def with_axes(a: Arrayed, order: Sequence[int]) -> Arrayed:
    """The view whose axis v is axis order[v] of `a`."""
    shape = shape_of(a)
    at = {old: new for new, old in enumerate(order)}
    return View(base_of(a), [(at[v] if v >= 0 else -1, s, t) for v, s, t in spec_of(a)], [shape[i] for i in order], a.owned)


# ---- complex arrays
def plane(a: Arrayed, k: int) -> Arrayed:
    """The real (0) or the imaginary part (1) of a complex array, as a view of it."""
    base = base_of(a)
    assert isinstance(base, ComplexArray)
    p = base.planes[k]
    if a is base:
        return p  # type: ignore[no-any-return]
    if not isinstance(p, View):
        return View(p, a.spec, shape_of(a), a.owned)
    spec = []
    for v, start, step in p.spec:
        own, first, stride = a.spec[v] if v >= 0 else (-1, 0, 0)
        spec.append((own, sizes.add(start, sizes.mul(first, step)), sizes.mul(stride, step)))
    return View(p.base, spec, shape_of(a), a.owned and p.owned)


def part(x: Any, k: int) -> Any:
    """The same of any operand; a real one has zeros for its imaginary part."""
    if is_complex_array(x):
        return plane(x, k)
    if isinstance(x, (Complex, complex, np.complexfloating)):
        return x.imag if k else x.real
    return 0.0 if k else x


@of_pairs.define
def of_floats(floats: Arrayed) -> ComplexArray:
    own, shape = list(spec_of(floats)), shape_of(floats)
    assert not isinstance(floats, View)
    return ComplexArray(*(View(floats, [*own[:-1], (-1, k, 0)], shape[:-1]) for k in (0, 1)))


def floats_in(a: Arrayed) -> Arrayed | None:
    """The array of pairs that a whole complex array is, if it is one."""
    if not isinstance(a, ComplexArray) or not all(isinstance(p, View) for p in a.planes):
        return None
    (x, y), rank = a.planes, a.ndim
    plain = all(
        len(p.spec) == rank + 1
        and all(axis == j and sizes.is_just(start, 0) and sizes.is_just(step, 1) for j, (axis, start, step) in enumerate(p.spec[:-1]))
        and p.spec[-1][0] == -1 and sizes.is_just(p.spec[-1][1], k)
        for k, p in enumerate(a.planes)
    )  # fmt: skip
    return x.base if plain and x.base is y.base and all(map(sizes.same, a.shape, shape_of(x.base)[:-1])) else None


def by_planes(fn: Any, a: Any, *more: Any) -> Any:
    """fn of the real parts and of the imaginary parts, of an operation that treats them alike: it chooses, or is linear."""
    real, imag = (fn(part(a, k), *(part(x, k) for x in more)) for k in (0, 1))
    return ComplexArray(real, imag) if isinstance(real, Arrayed) else Complex(real, imag)


pytree.register(View, _flatten_view, _unflatten_view)
