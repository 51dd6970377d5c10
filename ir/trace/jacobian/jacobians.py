"""Jacobians, by products with them: columns by forward mode, rows by reverse passes, up to eight for each evaluation.

The function is one of numbers and arrays in containers, to such. Its numbers and small arrays share blocks; a larger array, or one whose
size is not known, has a loop of blocks of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...core import errors
from ...core.builder import current_builder
from ...core.sites import user_site
from ...core.types import WIDTHS, carries_gradient, wide
from ...objects.statics import is_static
from ...python import guarded, host
from ...python.random import refuse_generators
from ...staging.leaves import leaf_type, show
from ...staging.loops import each
from ...staging.paths import open_block
from ...values import concrete, pytree, sizes
from ...values.arrays import allocate, lift_array, opened_constants
from ...values.complexes.pairs import Complex, ComplexArray, complex_of
from ...values.values import Arrayed, Traced, constant, is_traced
from ...values.views import settled
from .. import derivatives
from ..arguments import Chosen
from ..calls import call
from . import blocks
from .blocks import dtype_of

WHOLE = WIDTHS[-1]
Leaf = tuple[int, Any]  # which one, and its value


def jacobian(
    f: Callable[..., Any],
    argnums: Any,
    has_aux: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    forward: bool,
    holomorphic: bool = False,
) -> tuple[Any, Any]:
    """(J, aux): for each number or array y of the result, with the structure of the chosen arguments, arrays of the shapes
    (*shape of y, *shape of x). Of a complex y or x one derivative is what is left of two, and of both that of a holomorphic function."""
    what = "jacfwd" if forward else "jacrev"
    places = Chosen.of(f, argnums, args, kwargs, what)
    args, kwargs = opened_constants(settled(places.required(args, kwargs)))
    given = places.taken(args, kwargs)
    refuse_generators(tuple(given), f"an argument of {what}")
    new = [derivatives.all_differentiable(x, f"{places.what(i)} of {what}") for i, x in enumerate(given)]
    if holomorphic:
        derivatives.refuse_real(given, "argument")
    return Jacobian(lambda *xs: _called(f, places.put(args, kwargs, xs)), new, has_aux, forward).found(places, holomorphic)


def _called(f: Callable[..., Any], given: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
    args, kwargs = given
    return call(f, *args, **kwargs)


class Jacobian:
    """That of g, a function of the chosen arguments alone."""

    def __init__(self, g: Callable[..., Any], new: Sequence[Any], has_aux: bool, forward: bool) -> None:
        self.g, self.new, self.has_aux, self.forward = g, new, has_aux, forward
        self.inner = current_builder().trace.differentiated > 0  # then a block is one column: there are no blocks of blocks
        self.xs = [x for x in pytree.flatten(tuple(new))[0] if not is_static(x)]
        self.out: dict[tuple[int, int], Any] = {}  # by result and argument

    def found(self, places: Chosen, holomorphic: bool) -> tuple[Any, Any]:
        """(J, aux), with the structure that these arguments are asked for in."""
        if self.forward and not self.inner:
            ask_if_small(self.xs)
        y, aux = self.evaluated()
        leaves, tree = pytree.flatten(y)
        values = [y for y in leaves if not is_static(y)]
        if not self.forward and not self.inner:
            ask_if_small(values)
        if (
            self.moment is None
            and not self.has_aux
            and not guarded.is_around()
            and all(isinstance(n, int) for y in values for n in shape_of(y))
        ):
            current_builder().rollback(self.before)  # its sizes were all that was to be found
        self.sub = derivatives.trace_sub(self.value, tuple(self.new), {}, evaluated=True)
        floats = [(k, y) for k, y in enumerate(values) if carries_gradient(y.type)]
        xs = list(enumerate(self.xs))
        if self.forward and not (self.apart(xs)[1] and len(floats) == 1 and isinstance(floats[0][1], Traced)):
            self.columns(xs, floats)
        elif xs:
            self.rows(floats)
        if holomorphic:
            derivatives.refuse_real(y, "result")
        rest = iter(range(len(values)))
        wholes, tree, _ = pytree.flatten_above(y, lambda x: isinstance(x, (Complex, ComplexArray)))
        return pytree.unflatten(tree, [self.of_result(y, rest, places, holomorphic) for y in wholes]), aux

    def of_result(self, y: Any, numbers: Iterator[int], places: Chosen, holomorphic: bool) -> Any:
        """What there is of a result for each argument: of a complex one the derivatives of its parts, as one."""
        if is_static(y):
            return y
        parts = [y.real, y.imag] if isinstance(y, (Complex, ComplexArray)) else [y]
        found = [self.like_x(next(numbers), part, places) for part in parts]
        return derivatives.conjugated(found[0]) if len(found) == 1 else _paired(found[0], found[1], holomorphic)

    def value(self, *xs: Any) -> Any:
        return call(self.g, *xs)[0] if self.has_aux else call(self.g, *xs)

    def evaluated(self, again: bool = False) -> tuple[Any, Any]:
        """(f(*args), aux), from `before` on; its effects are had after the `moment`, or not at all where it is evaluated `again`."""
        open_block()
        self.before = current_builder().mark()
        own = [pytree.unflatten(t, [x.copy() if isinstance(x, Arrayed) else x for x in ls]) for ls, t in map(pytree.flatten, self.new)]
        y, self.moment = host.evaluated(lambda: call(self.g, *own), again)  # it may write into its arguments
        aux = None
        if self.has_aux:
            if not (isinstance(y, tuple) and len(y) == 2):
                raise errors.NotDifferentiableError(
                    f"has_aux=True needs a function that returns (value, aux), not {show(y)} ({user_site()})"
                )
            y, aux = y
        leaves, tree = pytree.flatten(settled(opened_constants(y)))
        return pytree.unflatten(tree, list(map(_result, leaves))), aux

    def like_x(self, k: int, y: Any, places: Chosen) -> Any:
        """What there is of the k-th result for each argument."""
        numbers = iter(range(len(self.xs)))
        found = []
        for x in self.new:
            leaves, tree = pytree.flatten(x)
            found.append(pytree.unflatten(tree, [v if is_static(v) else self.part(k, y, next(numbers)) for v in leaves]))
        return places.given(found)

    def part(self, k: int, y: Any, j: int) -> Any:
        x = self.xs[j]
        if (k, j) in self.out:
            return self.out[k, j]
        return allocate(dtype_of(x), (*shape_of(y), *shape_of(x)), 0) if shape_of(y) or shape_of(x) else constant(0.0)

    def put(self, k: int, y: Any, j: int, matrix: Any) -> None:
        """d y / d x from a matrix of numbers, or from the one number."""
        whole, dtype = (*shape_of(y), *shape_of(self.xs[j])), dtype_of(self.xs[j])
        if isinstance(matrix, Arrayed):
            self.out[k, j] = blocks.as_dtype(matrix.reshape(whole) if whole else matrix[0, 0], dtype)
        else:
            value = blocks.as_dtype(matrix, dtype)
            self.out[k, j] = allocate(dtype, whole, value) if whole else value

    # ---- forward
    def columns(self, xs: list[Leaf], ys: list[Leaf]) -> None:
        small, large = self.apart(xs)
        for group in small:
            self.group_of_columns(group, ys)
        for j, x in large:
            self.loop_of_columns(j, x, ys)

    def apart(self, leaves: list[Leaf]) -> tuple[list[list[Leaf]], list[Leaf]]:
        """Those that share a block, and those that have loops."""
        groups: list[list[Leaf]] = []
        large = []
        room = 0
        for k, x in leaves:
            n = 1 if isinstance(x, Traced) else x.size
            if not isinstance(n, int) or n > WHOLE or (self.inner and isinstance(x, Arrayed)) or n == 0:
                large.append((k, x))
                continue
            if n > room:
                groups.append([])
                room = 1 if self.inner else WHOLE
            groups[-1].append((k, x))
            room -= n
        return groups, large

    def group_of_columns(self, group: list[Leaf], ys: list[Leaf]) -> None:
        starts, lanes = lanes_of(group)
        with host.repeating(self.moment):
            moving = {self.parameter(j): blocks.units(x, range(size_of(x)), lanes, starts[j]) for j, x in group}
            moved = blocks.columns(self.sub, moving, lanes)[1]
        for k, y in ys:
            if lanes == 1:
                ((j, _),) = group
                self.put(k, y, j, moved[k])
                continue
            found = blocks.numbers(moved[k], lanes)
            for j, x in group:
                self.put(k, y, j, found[:, starts[j] : starts[j] + size_of(x)])

    def loop_of_columns(self, j: int, x: Arrayed, ys: list[Leaf]) -> None:
        """A block of them for each evaluation of f; the last block may go on with the last column."""
        n = x.size
        lanes = 1 if self.inner else blocks.width_for(n) if isinstance(n, int) else WHOLE
        count = sizes.floordiv(sizes.add(n, lanes - 1), lanes)
        outs = {k: allocate(wide(dtype_of(y), lanes), (size_of(y), count), 0) for k, y in ys}

        def block(b: Any) -> None:
            at = [sizes.smaller(sizes.add(sizes.mul(b, lanes), i), sizes.sub(n, 1)) for i in range(lanes)]
            with host.repeating(self.moment):
                moved = blocks.columns(self.sub, {self.parameter(j): blocks.units(x, at, lanes)}, lanes)[1]
            for k, y in ys:
                _copy(outs[k], moved[k], size_of(y), column=b)

        each(count, block)
        for k, y in ys:
            self.put(k, y, j, blocks.as_numbers(outs[k], lanes)[:, :n])

    def parameter(self, j: int) -> int:
        return [p for p in self.sub.where if p >= 0][j]

    # ---- reverse
    def rows(self, ys: list[Leaf]) -> None:
        small, large = self.apart(ys)
        for group in small:
            self.group_of_rows(group)
        for k, y in large:
            self.loop_of_rows(k, y)

    def pulled(self, cotangents: dict[int, Any], lanes: int) -> list[Any]:
        """Adjoints of all arguments, or blocks of them."""
        with host.repeating(self.moment):
            return blocks.rows(self.sub, cotangents, lanes)[1]

    def group_of_rows(self, group: list[Leaf]) -> None:
        starts, lanes = lanes_of(group)
        found = self.pulled({k: blocks.units(y, range(size_of(y)), lanes, starts[k]) for k, y in group}, lanes)
        for j, d in enumerate(found):
            if lanes == 1:
                ((k, y),) = group
                self.put(k, y, j, d)
                continue
            matrix = blocks.numbers(d, lanes)
            for k, y in group:
                self.put(k, y, j, matrix[:, starts[k] : starts[k] + size_of(y)].T)

    def loop_of_rows(self, k: int, y: Arrayed) -> None:
        """A block of them for each reverse pass; the last block may go on with the last row."""
        m = y.size
        lanes = 1 if self.inner else blocks.width_for(m) if isinstance(m, int) else WHOLE
        count = sizes.floordiv(sizes.add(m, lanes - 1), lanes)
        outs = [allocate(dtype_of(x), (m, size_of(x)), 0) for x in self.xs]

        def block(b: Any) -> None:
            at = [sizes.smaller(sizes.add(sizes.mul(b, lanes), i), sizes.sub(m, 1)) for i in range(lanes)]
            for out, d, x in zip(outs, self.pulled({k: blocks.units(y, at, lanes)}, lanes), self.xs, strict=True):
                found = blocks.numbers(d, lanes)
                for lane, i in enumerate(at):
                    _copy(out, found[:, lane], size_of(x), row=i)

        each(count, block)
        for j, out in enumerate(outs):
            self.put(k, y, j, out)


def _paired(real: Any, imag: Any, holomorphic: bool) -> Any:
    """The derivative of a complex result, from those of its parts: by a real argument, or by a complex one of a holomorphic function."""

    def is_one(x: Any) -> bool:
        return isinstance(x, (Complex, ComplexArray))

    (us, tree, _), (vs, _, _) = (pytree.flatten_above(d, is_one) for d in (real, imag))
    if not holomorphic and any(map(is_one, us)):
        raise errors.NotDifferentiableError(
            f"a complex result at {user_site()} has no one derivative by a complex argument: give holomorphic=True if the function is that, or "
            "differentiate the real and the imaginary part"
        )
    found = [u if is_static(u) else _one(*((d.real if is_one(d) else d) for d in (u, v))) for u, v in zip(us, vs, strict=True)]
    return pytree.unflatten(tree, found)


def _one(real: Any, imag: Any) -> Any:
    return ComplexArray(real, imag) if isinstance(real, Arrayed) else complex_of(real, imag)


def ask_if_small(leaves: Sequence[Any]) -> None:
    """Arrays that fit into one block have a program for their size."""
    for x in leaves:
        if isinstance(x, Arrayed) and is_traced(x.size):
            concrete.small(x.size, WHOLE)


def _copy(out: Arrayed, values: Any, n: Any, row: Any = None, column: Any = None) -> None:
    """Write a row, or a column, of a matrix."""
    flat = values.reshape((n,)) if isinstance(values, Arrayed) else None
    each(n, lambda i: out.__setitem__((i, column) if row is None else (row, i), values if flat is None else flat[i]))


def _result(y: Any) -> Any:
    """A result leaf as a traced value."""
    if is_static(y) or isinstance(y, (Traced, Arrayed)):
        return y
    if isinstance(y, np.ndarray) and y.ndim:
        return lift_array(y)
    t = leaf_type(y)
    if t is None:
        raise errors.ArgumentTypeError(
            f"derivatives are taken at {user_site()} of a function that returns {show(y)}: return numbers, arrays and containers of them"
        )
    return constant(y)


def lanes_of(group: list[Leaf]) -> tuple[dict[int, int], int]:
    """The first lane of each, and how many lanes there are."""
    starts, n = {}, 0
    for k, x in group:
        starts[k] = n
        n += size_of(x)
    return starts, blocks.width_for(n)


def shape_of(x: Any) -> tuple[Any, ...]:
    return tuple(x.shape) if isinstance(x, Arrayed) else ()


def size_of(x: Any) -> Any:
    return x.size if isinstance(x, Arrayed) else 1
