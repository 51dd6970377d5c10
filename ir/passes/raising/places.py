"""Where the iterations of a loop touch memory: their accesses with the loop's axis in front, and whether they meet."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core import dims
from ...core.analysis import Aliases
from ...core.dims import Dim
from ...core.graph import Atom, Const, Function, Let, Program, Var
from ...core.kernel import ONE, ZERO, Access
from ...core.op import RING, TABLE
from ...core.types import I32, I64, Array
from ...ops.table import iadd, imax, imul, isub
from ..apart import Apart
from ..bodies import is_one, is_zero, name_of
from ..simplify.bounds import Facts

LAST = -1  # the kernel of what no kernel in the body does
BY_RING = {"+": iadd, "-": isub, "*": imul}


class SequentialError(Exception):
    """An iteration may need what another one does."""


@dataclass(eq=False)
class Sum:
    """A sum that a loop carries: from `start`, an iteration adds `term`; or the kernel in the body that gives `total` does. Or the
    greatest or the least of a start and the terms."""

    param: Var
    start: Atom
    term: Atom | None = None
    total: Var | None = None
    kind: str = "ordered"


@dataclass(eq=False)
class Counted:
    """A counted loop: how it is called, its counter, its range, what changes in it, what an iteration does."""

    name: str
    counter: Var
    first: Atom
    limit: Atom
    inside: set[Atom]
    lets: list[Let]
    sums: list[Sum]


@dataclass(frozen=True)
class Touch:
    """Elements of an array that an operation of the body touches, and which: places are equal where their keys are. `rows` are the axes along
    which each iteration has an index of its own, with this index."""

    base: Var
    key: object
    user: int
    rows: frozenset[object] = frozenset()


@dataclass(eq=False)
class Places:
    """The integers that are computed before a loop, and the elements that its iterations touch."""

    program: Program
    f: Function
    facts: Facts
    aliases: Aliases
    loop: Counted
    before: list[Let] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inside = self.loop.inside
        self.places: dict[Atom, tuple[Atom, Atom]] = {self.loop.counter: (self.loop.first, ONE)}
        self.arrays: dict[Atom, Var] = {}  # of all iterations
        self.lengths: dict[Atom, Sequence[Atom]] = {}  # of an iteration's
        self.written: dict[object, tuple[Access, Atom, Let, int]] = {}
        self.touched: dict[Var, list[Touch]] = {}  # by alias class
        self.added: dict[Var, int] = {}  # alias classes to elements of which all iterations add, and by which operation
        self.size = self.count()

    def count(self) -> Atom:
        first, limit = self.loop.first, self.loop.limit
        of = self.facts.sizes.of
        n = self.integer("-", limit, first)
        if isinstance(n, Const):
            self.dim: Dim = max(n.value, 0)
            return Const(self.dim, I64)
        self.dim = dims.sub(of(limit), of(first))
        least = dims.least(self.dim)
        if least is None or least < 0:
            self.dim = dims.nonnegative(self.dim)
            n = self.computed_before(imax.name, n, ZERO, "count")
        return n

    def integer(self, ring: str, a: Atom, b: Atom) -> Atom:
        """Computed before the loop."""
        if isinstance(a, Const) and isinstance(b, Const):
            return Const(RING[ring](a.value, b.value), I64)
        if (ring in "+-" and is_zero(b)) or (ring == "*" and is_one(b)):
            return a
        if (ring == "+" and is_zero(a)) or (ring == "*" and is_one(a)):
            return b
        if ring == "*" and (is_zero(a) or is_zero(b)):
            return ZERO
        return self.computed_before(BY_RING[ring].name, a, b, f"at{len(self.before)}")

    def computed_before(self, op: str, a: Atom, b: Atom, stem: str) -> Atom:
        key = op, name_of(a), name_of(b)
        known = next((let.out for let in self.before if (let.op, *map(name_of, let.args)) == key), None)
        if known is None:
            known = Var(f"{self.loop.name}.{stem}", I64)
            self.before.append(Let((known,), op, (a, b)))
        return known

    def follow(self, let: Let) -> None:
        """An index that is computed from the counter."""
        x, y = (self.places.get(a) if a in self.inside else (a, ZERO) for a in let.args)
        if x is None or y is None:
            return
        ring = TABLE[let.op].ring
        if ring in "+-":
            self.places[let.out] = self.integer(ring, x[0], y[0]), self.integer(ring, x[1], y[1])
        elif is_zero(x[1]) or is_zero(y[1]):
            still, moves = (x, y) if is_zero(x[1]) else (y, x)
            self.places[let.out] = self.integer("*", moves[0], still[0]), self.integer("*", moves[1], still[0])

    # ---- accesses
    def access(self, x: Access, user: int) -> Access:
        """With the loop's axis in front: what does not move with the axes so far may move with it. A row of an array of all iterations."""
        assert isinstance(x.base.type, Array)
        row = self.arrays.get(x.base)
        if (row is None and x.base in self.inside) or x.base.type.dtype == I32 or any(t in self.inside for t in x.steps):
            raise SequentialError
        starts, steps, axes = ([], [], []) if row is None else ([ZERO], [ONE], [0])  # type: tuple[list[Atom], list[Atom], list[int]]
        for s, t, q in zip(x.starts, x.steps, x.axes, strict=True):
            place = self.places.get(s) if s in self.inside else (s, ZERO)
            if place is None or (q >= 0 and not is_zero(place[1])):
                raise SequentialError
            starts.append(place[0])
            steps.append(t if q >= 0 else place[1])
            axes.append(q + 1 if q >= 0 else -1 if is_zero(place[1]) else 0)
        new = Access(x.base if row is None else row, tuple(starts), tuple(steps), tuple(axes))
        self.touch(Touch(new.base, key(new), user, _rows(new)))
        return new

    def touch(self, there: Touch) -> None:
        self.touched.setdefault(self.aliases.root(there.base), []).append(there)

    def write(self, x: Access, value: Atom, let: Let, stage: int) -> None:
        if not any(q == 0 and isinstance(t, Const) and t.value for q, t in zip(x.axes, x.steps, strict=True)):
            raise SequentialError  # it may be the same element each time
        _, _, before, other = self.written.get(key(x), (x, value, let, stage))
        if other != stage:
            raise SequentialError
        self.written[key(x)] = x, value, before, stage

    @functools.cached_property
    def different(self) -> Apart:
        return Apart(self.f, self.aliases)

    def apart(self) -> None:
        """Iterations touch no element that another one writes, and each kernel finds what the operations before it have left."""
        if any(t.user != by for root, by in self.added.items() for t in self.touched[root]):
            raise SequentialError
        for x, _, let, stage in self.written.values():
            found = [t for t in self.touched[self.aliases.root(x.base)] if t.base is x.base or not self.different(t.base, x.base)]
            kernels = all(t.user != LAST and TABLE[self.loop.lets[t.user].op].nest for t in found)
            if not frozenset.intersection(*(t.rows for t in found)) if kernels else any(_may_meet(t.key, key(x)) for t in found):
                raise SequentialError
            at = self.loop.lets.index(let)
            if not kernels and (stage != LAST or any(t.user > at and TABLE[self.loop.lets[t.user].op].nest for t in found)):
                raise SequentialError


def key(x: Access) -> object:
    return x.base, tuple(map(name_of, x.starts)), tuple(map(name_of, x.steps)), x.axes


def _may_meet(a: Any, b: Any) -> bool:
    """Of two places that are not the same: may they be one in some iterations? `v[i, 0]` and `v[i, 1]` are not."""
    if a == b:
        return False
    if not isinstance(a, tuple) or a[0] is not b[0]:
        return True
    numbers = (isinstance(s, tuple) and isinstance(t, tuple) and s != t for s, t in zip(a[1], b[1], strict=True))
    return not any(differ and q < 0 and p < 0 for differ, q, p in zip(numbers, a[3], b[3], strict=True))


def _rows(x: Access) -> frozenset[object]:
    """With one axis for an index, the same index of the same array is another one in each iteration; of another shape of it, it is not."""
    places = enumerate(zip(x.starts, x.steps, x.axes, strict=True))
    return frozenset((x.base, j, name_of(s), name_of(t)) for j, (s, t, q) in places if q == 0 and isinstance(t, Const) and t.value)
