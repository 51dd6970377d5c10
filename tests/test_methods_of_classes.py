"""What Python asks of a user's class is code like other code: setters, items, `in`, abs, len, float; what a defaultdict makes is the program's own."""

import functools
import math
import operator
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import both, check


class Level:
    """A number that stays between 0 and 1, and says when it had to."""

    def __init__(self, v: Any) -> None:
        self._v, self.clipped = 0.0, False
        self.v = v

    @property
    def v(self) -> Any:
        return self._v

    @v.setter
    def v(self, x: Any) -> None:
        if x > 1:
            self._v, self.clipped = 1.0, True
        else:
            self._v = x

    def __abs__(self) -> Any:
        return self._v if self._v > 0 else -self._v

    def __float__(self) -> float:
        return self._v * 1.0  # type: ignore[no-any-return]


class Padded:
    """An array with zeros around it."""

    def __init__(self, n: int) -> None:
        self.data = np.zeros(n)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: Any) -> Any:
        if i < 0 or i >= len(self.data):
            return 0.0
        return self.data[i]

    def __setitem__(self, i: Any, value: Any) -> None:
        if 0 <= i < len(self.data):
            self.data[i] = value

    def __contains__(self, x: Any) -> bool:
        return 0 < x < len(self.data)  # type: ignore[no-any-return]


class Positive:
    def __init__(self) -> None:
        self.k = 1.0

    def __setattr__(self, name: str, value: Any) -> None:
        if value < 0:
            value = 0.0
        object.__setattr__(self, name, value)


def setter(x: float) -> Any:
    level = Level(0.5)
    level.v = x
    level.v += 0.25
    return level.v * x + abs(level) + float(level) + (10.0 if level.clipped else 0.0)


def items(x: float) -> Any:
    row = Padded(5)
    for i in range(-1, 7):
        row[i] = x * i + row[i - 1]
    return row.data.sum() + row[9] + len(row) + (100.0 if x in row else 0.0) + (1000.0 if x not in row else 0.0)


def attributes(x: float) -> Any:
    p = Positive()
    p.k = x - 1
    p.k -= 0.5
    return p.k * x


@pytest.mark.parametrize("f", [setter, items, attributes], ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [0.3, 0.9, 3.0, -0.4])
def test_methods_that_python_calls(f: Any, x: float) -> None:
    assert math.isclose(lj.jit(f)(x), f(x), rel_tol=1e-14)
    slope = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
    for g in (lj.grad(f), lj.jit(lj.grad(f))):
        assert math.isclose(g(x), slope, rel_tol=1e-6, abs_tol=1e-9)


def test_what_a_default_makes() -> None:
    def f(a: float, b: float) -> Any:
        groups: Any = defaultdict(list)
        sums: Any = defaultdict(float)
        means: Any = defaultdict(lambda: [0.0, 0])
        for i, v in enumerate((a, b, a * b)):
            groups[i % 2].append(v)
            sums["later" if i else "first"] += v
            means[i % 2][0] += v
            means[i % 2][1] += 1
        return sum(groups[0]) * 2 + sum(groups[1]), dict(sums), {k: v[0] / v[1] for k, v in means.items()}, len(groups[7])

    assert lj.jit(f)(2.0, 3.0) == f(2.0, 3.0)
    assert lj.jit(lj.grad(lambda a, b: f(a, b)[0], argnums=(0, 1)))(2.0, 3.0) == (8.0, 5.0)


def test_the_callers_own_is_left_alone() -> None:
    table: Any = defaultdict(list)
    with pytest.raises(lj.LanternError, match="changes a defaultdict"):
        lj.jit(lambda x: x + len(table["new"]))(1.0)
    assert not table


def test_a_list_that_grows_is_an_index() -> None:
    def f(x: Any, t: float) -> Any:
        keep = [i for i in range(len(x)) if x[i] > t]
        y = x * 1.0
        y[keep] += 2.0
        return (x[keep] ** 2).sum() + (y**2).sum() + len(keep) + (5.0 if 2 in keep else 0.0)

    def solved(K: Any, b: Any, n: int) -> Any:
        free = [d for d in range(n) if d not in (0, 2)]
        return np.linalg.solve(K[np.ix_(free, free)], b[free])

    x = np.array([0.3, -0.7, 1.1, 2.0])
    for t in (0.0, 1.5, 9.0, -9.0):
        assert np.isclose(lj.jit(f)(x, t), f(x, t), rtol=1e-14)
        want = np.where(x > t, 2 * x + 2 * (x + 2), 2 * x)
        assert np.allclose(lj.grad(f)(x, t), want)
        assert np.allclose(lj.jit(lj.grad(f))(x, t), want)
    K, b = np.eye(5) * 2 + 0.1, np.arange(5.0)
    assert np.allclose(lj.jit(solved)(K, b, 5), solved(K, b, 5))


# ---- descriptors
class Bounded:
    """An attribute that stays above a limit."""

    def __init__(self, low: float) -> None:
        self.low = low

    def __set_name__(self, owner: Any, name: str) -> None:
        self.name = "_" + name

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return getattr(obj, self.name) if obj.counted > 1.0 else 2.0 * getattr(obj, self.name)

    def __set__(self, obj: Any, value: Any) -> None:
        setattr(obj, self.name, max(value, self.low))
        if value < self.low:
            obj.counted += 1.0


class Default:
    """What an instance has before it has its own."""

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return obj.counted * 3.0 if obj.counted > 0.0 else 0.5


class Tank:
    level, drain = Bounded(0.1), Default()

    def __init__(self, level: Any) -> None:
        self.counted = 0.0
        self.level = level

    @functools.cached_property
    def weight(self) -> Any:
        self.counted += 1.0
        return float(self.level) * 2.0 if self.level > 0.3 else float(self.level)


def emptied(x: Any) -> Any:
    tank = Tank(x)
    s = tank.drain * x
    for _ in range(4):
        tank.level = tank.level - 0.3 * x
        s = s + tank.level * tank.drain
    tank.drain = x * x
    return s + tank.drain + tank.weight * tank.weight + tank.counted


def test_descriptors_and_cached_properties() -> None:
    check(emptied, (1.1,), (0.4,))


def test_a_cached_property_of_an_object_outside() -> None:
    class Model:
        def __init__(self, k: float) -> None:
            self.k, self.asked = k, []

        @functools.cached_property
        def twice(self) -> float:
            return 2.0 * self.k if self.k > 1.0 else self.k

    model = Model(3.0)
    f = lj.jit(lambda x: model.twice * x + model.twice)
    assert f(2.0) == 18.0
    assert vars(model)["twice"] == 6.0  # as Python leaves it
    model.twice = 5.0
    assert f(2.0) == 15.0


class Scaled:
    """Something that can be called, and has an opinion of what is equal to it."""

    def __init__(self, by: Any) -> None:
        self.by = by

    def __eq__(self, other: Any) -> Any:
        return self.by == other.by

    def __call__(self, x: Any) -> Any:
        return self.by * x


def test_what_can_be_called_is_compared_with_nothing() -> None:
    """It was asked whether it is equal to functions of Python's."""

    def f(x: Any) -> Any:
        g = Scaled(x)
        return g(3.0) + sum(map(g, [1.0, x])) + max([1.0, x], key=g)

    for found in both(f, 2.0).values():
        assert found == f(2.0)
    assert lj.jit(lj.grad(f))(2.0) == 9.0


@pytest.mark.parametrize("x", [2.0, 3.0])
def test_unequal_is_not_equal_where_nothing_else_is_said(x: float) -> None:
    def f(x: Any) -> Any:
        return Scaled(x) != Scaled(2.0), 1.0 if Scaled(2.0) != Scaled(x) else 0.0

    for found in both(f, x).values():
        assert found == f(x)


class Length:
    """Compared, gone through and added by methods that no code but Python's own calls."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __lt__(self, other: "Length") -> Any:
        return math.fabs(self.x) < math.fabs(other.x)

    def __add__(self, other: Any) -> Any:
        return Length(math.sqrt(self.x**2 + other.x**2))

    def __radd__(self, other: Any) -> Any:
        return self if other == 0 else NotImplemented

    def __pow__(self, k: Any) -> Any:
        return math.exp(self.x) ** k

    def __iter__(self) -> Any:
        return iter([math.exp(self.x), math.sin(self.x)])

    def __reversed__(self) -> Any:
        return iter([math.sin(self.x), math.exp(self.x)])


class Power:
    """Whose items are a list that grows."""

    def __init__(self, x: Any, n: Any) -> None:
        self.items: list[Any] = []
        for i in range(12):
            if i < n:
                self.items.append(x**i)

    def __iter__(self) -> Any:
        return iter(self.items)


def test_methods_that_python_calls_are_rewritten() -> None:
    def ordered(x: Any) -> Any:
        found = [Length(3.0 * x), Length(-2.0 * x), Length(x * x)]
        best, least = max(found), min(found)
        a, b, c = sorted(found)
        found.sort(reverse=True)
        return best.x + 2 * least.x + 3 * a.x * b.x + 5 * c.x + 7 * found[0].x

    def compared(x: Any) -> Any:
        def by_difference(a: Any, b: Any) -> Any:
            if a[0] > b[0]:
                return 1
            return -1 if a[0] < b[0] else 0

        (a, _), (b, _) = sorted([(x, 1), (1.2 * x * x, 2)], key=functools.cmp_to_key(by_difference))
        return a + 10 * b

    def added(x: Any) -> Any:
        found = [Length(x), Length(2.0 * x), Length(3.0)]
        return sum(found).x + functools.reduce(operator.add, found).x + pow(found[0], 2) + operator.pow(found[1], 2)

    def gone_through(x: Any) -> Any:
        v = Length(x)
        a, b = v
        total = a * 2 + b
        for i, y in enumerate(v):
            total += (i + 1) * y
        for y, z in zip(v, [3.0, 4.0], strict=True):
            total += y * z
        more = [1.0, *v]
        more.extend(v)
        return (
            total
            + sum(v)
            + max(*v)
            + sum([y * y for y in v])
            + list(v)[1]
            + next(reversed(v)) * 5
            + list(reversed(v))[1]
            + more[3] * 9
            + len(more)
        )

    def of_a_growing_list(x: Any, n: Any) -> Any:
        p, total = Power(x, n), 0.0
        for y in p:
            total += y
        return total + sum(p) + sum([y * y for y in p]) + max(p) + list(p)[1] + functools.reduce(lambda a, c: a * x + c, p, 0.0)

    for f in (ordered, compared, added, gone_through):
        check(f, (1.5,), (0.4,))
    check(of_a_growing_list, (0.7, 4), (1.2, 7))


class Polynomial:
    def __init__(self, coef: Any) -> None:
        self.coef = list(coef)

    def __len__(self) -> int:
        return len(self.coef)

    def __getitem__(self, i: int) -> Any:
        return self.coef[i] if i < len(self.coef) else 0.0

    def __iter__(self) -> Any:
        return iter(self.coef)

    def __add__(self, other: Any) -> Any:
        return Polynomial([self[i] + other[i] for i in range(max(len(self), len(other)))])

    def __mul__(self, other: Any) -> Any:
        out = [0.0] * (len(self) + len(other) - 1)
        for i, a in enumerate(self):
            for j, b in enumerate(other):
                out[i + j] += a * b
        return Polynomial(out)


def test_polynomials_of_a_recurrence() -> None:
    def f(x: Any, n: Any) -> Any:
        p, q = Polynomial([1.0]), Polynomial([0.0, x])
        for _ in range(1, n):
            p, q = q, (Polynomial([0.0, 1.0]) * q) + p
        return sum(q) + q[1] * x

    check(f, (0.7, 5), (1.2, 3), order=1)
