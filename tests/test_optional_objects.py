"""Objects that may be None: what their classes say in Python is rewritten like other code, whatever asks for it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import Function, check


class Item:
    """Of which each method looks at a part that may be None, too."""

    def __init__(self, a: Any, b: Any = None) -> None:
        self.a, self.b = a, b

    def __add__(self, other: Any) -> Any:
        return (self.a if self.b is None else 3.0 * self.b) + other

    def __radd__(self, other: Any) -> Any:
        return (self.a if self.b is None else 4.0 * self.b) + other

    def __neg__(self) -> Any:
        return self.a if self.b is None else 7.0 * self.b

    def __invert__(self) -> Any:
        return self.a if self.b is None else 9.0 * self.b

    def __delitem__(self, i: int) -> None:
        self.a = i * self.a if self.a > 1.0 else self.a * self.a

    def __len__(self) -> int:
        return 1 if self.b is None else 2

    def __call__(self, y: Any) -> Any:
        return y if self.b is None else y * self.b

    def __getitem__(self, i: int) -> Any:
        return self.a if self.b is None else self.b * i

    def __setitem__(self, i: int, v: Any) -> None:
        self.a = v if self.b is None else i * v

    def __iadd__(self, other: Any) -> Item:
        self.a = other if self.b is None else 2.0 * other
        return self

    def __iter__(self) -> Iterator[Any]:
        yield self.a
        if self.b is not None:
            yield self.b

    def __contains__(self, k: int) -> bool:
        return k == 3 if self.b is None else k == 4

    def __float__(self) -> float:
        return 1.5 if self.b is None else 2.5

    def __bool__(self) -> bool:
        return self.b is None

    def __abs__(self) -> Any:
        return self.a if self.b is None else self.b

    def __enter__(self) -> Any:
        return self.a if self.b is None else self.b * 5.0

    def __exit__(self, *error: object) -> None:
        return None

    @property
    def both(self) -> Any:
        return self.a if self.b is None else self.a * self.b


def written(v: Any, x: Any) -> Any:
    v[3] = x
    return v.a


def added(v: Any, x: Any) -> Any:
    v += x
    return v.a


def removed(v: Any, x: Any) -> Any:
    del v[3]
    return v.a


def opened(v: Any, x: Any) -> Any:
    with v as found:
        return found


def gone_through(v: Any, x: Any) -> Any:
    s = 0.0
    for k, e in enumerate(v):
        s += (k + 1.0) * e
    for e in v:
        s = s * 0.5 + e
    a, *rest = v
    return s + a * len(rest) + sum([e * x for e in v]) + max(v) + (x if any(e > 0.7 for e in v) else 2 * x)


ASKED: list[Function] = [
    lambda v, x: (v + x) * (x + v) + operator.add(v, x),
    lambda v, x: -v * abs(v) + v.both,
    lambda v, x: len(v) * x + float(v) * x + (x if v else 3 * x) + (x * x if not v else x),
    lambda v, x: v(x) + v[3] * x,
    lambda v, x: (x if 3 in v else 2 * x) + (5 * x if 4 not in v else 7 * x),
    lambda v, x: ~v * x,
    written,
    removed,
    added,
    opened,
    gone_through,
]


@pytest.mark.parametrize("ask", ASKED)
def test_what_an_object_that_may_be_none_says(ask: Function) -> None:
    def f(x: float) -> Any:
        v = None
        if x > 0:
            v = Item(x)
        if x > 1 and v is not None:
            v.b = x * 0.6
        return 0.5 * x if v is None else ask(v, x)

    check(f, (0.5,), (1.5,), (-0.5,))


class Tree:
    def __init__(self, key: Any) -> None:
        self.key = key
        self.left: Tree | None = None
        self.right: Tree | None = None

    def insert(self, key: Any) -> None:
        if key < self.key:
            if self.left is None:
                self.left = Tree(key)
            else:
                self.left.insert(key)
        elif self.right is None:
            self.right = Tree(key)
        else:
            self.right.insert(key)

    def __iter__(self) -> Iterator[Any]:
        if self.left is not None:
            yield from self.left
        yield self.key
        if self.right is not None:
            yield from self.right


def in_order(x: Any) -> Any:
    tree = Tree(x[0])
    for v in x[1:]:  # the tree is another one after each: unrolled, for the size of the call
        tree.insert(v)
    s = 0.0
    for k, v in enumerate(tree):
        s = s * 0.5 + (k + 1.0) * np.sin(v)
    return s


def test_a_tree_of_what_the_program_compares() -> None:
    for points in ([0.5, 0.2, 0.9], [0.5, 0.4, 0.1], [0.1, 0.2, 0.3]):
        x = np.array(points)
        found = lj.jit(lj.value_and_grad(in_order))(x)
        order = np.argsort(x)
        weights = np.array([1.0, 2.0, 3.0]) * 0.5 ** np.arange(2, -1, -1)
        expected = np.zeros(3)
        expected[order] = weights * np.cos(x[order])
        np.testing.assert_allclose(found[0], weights @ np.sin(x[order]), rtol=1e-14)
        np.testing.assert_allclose(found[1], expected, rtol=1e-14)


def test_iterables_by_turns_that_look_at_what_may_be_none_are_refused() -> None:
    def f(x: float) -> Any:
        v = Item(x)
        if x > 1:
            v.b = x
        return sum(a * b for a, b in zip(v, [1.0, 2.0], strict=False))

    with pytest.raises(lj.LanternError, match="can be gone through by a `for` statement"):
        lj.jit(f)(0.5)


def places(x: float) -> Any:
    k = None
    for i, v in enumerate([0.5, 1.5, 2.5]):
        if x > v:
            k = i
    a = np.array([x, 2.0 * x, 3.0 * x])
    a[k] = a[k] * x
    return a @ [1.0, 2.0, 3.0] + [x, x * x, 1.0][k]


def keys(x: float) -> Any:
    d = {"a": x, "b": 2.0 * x}
    k = None
    if x > 0.6:
        k = "b"
    if x > 2:
        k = "a"
    d[k] = d[k] * x
    return d["a"] * 10.0 + d["b"]


@pytest.mark.parametrize("f", [places, keys])
def test_indices_and_keys_that_may_be_none(f: Function) -> None:
    check(f, (1.7,), (2.7,))


def test_indices_and_keys_that_are_none() -> None:
    with pytest.raises(lj.errors.UnsupportedOperationError, match="begin with one that is there"):
        lj.jit(places)(0.1)
    with pytest.raises(KeyError):
        lj.jit(keys)(0.1)


class Labelled:
    def __init__(self, b: Any) -> None:
        self.b = b

    def __eq__(self, other: object) -> bool:
        return self.b is None if isinstance(other, int) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


def test_what_is_not_equal_where_a_class_says_what_is_equal() -> None:
    def f(x: float) -> Any:
        chosen = [Labelled(None), Labelled(x)][int(x)]
        return (x if chosen != 3 else 2.0 * x) + (3.0 * x * x if chosen == 3 else 5.0 * x)

    check(f, (0.5,), (1.5,))
