"""What a function asks of objects, classes and containers outside of it, in whatever way: a change of the answer is seen at the next call."""

from __future__ import annotations

import operator
import types
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import close


class Part:
    rate = 2.0

    def scaled(self, x: Any) -> Any:
        return x * self.rate

    def __call__(self, x: Any) -> Any:
        return x * 5.0

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> float:
        return i * 2.0

    def __iter__(self) -> Any:
        return iter([1.0, 2.0])

    def __add__(self, x: Any) -> Any:
        return x * 4.0

    def __float__(self) -> float:
        return 2.5

    def __contains__(self, x: Any) -> bool:
        return True

    def __enter__(self) -> float:
        return 3.0

    def __exit__(self, *info: Any) -> None:
        return None


class Middle(Part):
    def scaled(self, x: Any) -> Any:
        return super().scaled(x) + 1.0


class Last(Middle):
    def scaled(self, x: Any) -> Any:
        return super().scaled(x) * 2.0


def by_with(m: Any, x: Any) -> Any:
    with m.part as factor:
        return factor * x


def tenth(*items: Any, **more: Any) -> Any:
    return items[70] + len(items) + sum(more.values())


def rest_of(m: Any, x: Any) -> Any:
    _, *rest = m.long
    return rest[69] * x


def grown(m: Any, x: Any) -> Any:
    found = [x]
    found += m.long
    return found[71] * x


def on(cls: type, name: str, value: Any) -> Callable[[Any], Any]:
    return lambda m: setattr(cls, name, value)


def put(where: str, key: Any, value: Any) -> Callable[[Any], Any]:
    return lambda m: operator.setitem(getattr(m, where), key, value)


Case = tuple[Callable[[Any, Any], Any], Callable[[Any], Any]]


def longer(m: Any) -> None:
    m.long.append(1.0)


CASES: dict[str, Case] = {
    "super()": (lambda m, x: m.last.scaled(x), on(Part, "scaled", lambda self, x: x * 9.0)),
    "super(), a method between": (lambda m, x: m.last.scaled(x), on(Middle, "scaled", lambda self, x: x * 3.0)),
    "call": (lambda m, x: m.part(x), on(Part, "__call__", lambda self, x: x * 6.0)),
    "len": (lambda m, x: len(m.part) * x, on(Part, "__len__", lambda self: 8)),
    "item": (lambda m, x: m.part[3] * x, on(Part, "__getitem__", lambda self, i: i * 3.0)),
    "sum": (lambda m, x: sum(m.part) * x, on(Part, "__iter__", lambda self: iter([5.0]))),
    "comprehension": (lambda m, x: sum([y * x for y in m.part]), on(Part, "__iter__", lambda self: iter([5.0]))),
    "operator": (lambda m, x: m.part + x, on(Part, "__add__", lambda self, x: x * 44.0)),
    "float": (lambda m, x: float(m.part) * x, on(Part, "__float__", lambda self: 9.5)),
    "in": (lambda m, x: x * (3.0 if 2 in m.part else 4.0), on(Part, "__contains__", lambda self, x: False)),
    "with": (by_with, on(Part, "__enter__", lambda self: 7.0)),
    "hasattr": (lambda m, x: x * (2.0 if hasattr(m.part, "mark") else 3.0), on(Part, "mark", 1.0)),
    "hasattr, of the object": (lambda m, x: x * (2.0 if hasattr(m.part, "mark") else 3.0), lambda m: setattr(m.part, "mark", 1.0)),
    "isinstance": (lambda m, x: x * (2.0 if isinstance(m.part, Middle) else 3.0), lambda m: setattr(m.part, "__class__", Middle)),
    "type()": (lambda m, x: x * (2.0 if type(m.part) is Middle else 3.0), lambda m: setattr(m.part, "__class__", Middle)),
    "attrgetter": (lambda m, x: operator.attrgetter("part.rate")(m) * x, on(Part, "rate", 99.0)),
    "itemgetter": (lambda m, x: sum(operator.itemgetter(0, 70)(m.long)) * x, put("long", 70, 5.0)),
    "methodcaller": (lambda m, x: operator.methodcaller("scaled", x)(m.part), on(Part, "scaled", lambda self, x: x * 77.0)),
    "methodcaller, a keyword": (lambda m, x: operator.methodcaller("scaled", x=x)(m.part), on(Part, "scaled", lambda self, x: x * 77.0)),
    "keywords": (lambda m, x: (lambda a, b=2.0: a * b * x)(**m.config), put("config", "a", 5.0)),
    "keywords, one more": (lambda m, x: (lambda a, b=2.0: a * b * x)(**m.config), put("config", "b", 5.0)),
    "{**d}": (lambda m, x: sum({**m.config, "x": x}.values()), put("config", "b", 5.0)),
    "d | e": (lambda m, x: sum((m.config | {"x": x}).values()), put("config", "b", 5.0)),
    "d == e": (lambda m, x: x * (2.0 if m.config == {"a": 1.0} else 3.0), put("config", "a", 5.0)),
    "if d": (lambda m, x: 2.0 * x if m.config else 3.0 * x, lambda m: m.config.clear()),
    "f(*l)": (lambda m, x: tenth(*m.long) * x, put("long", 70, 3.0)),
    "f(*l), longer": (lambda m, x: tenth(*m.long) * x, longer),
    "f(x, *l, **d)": (lambda m, x: tenth(x, *m.long, **m.config) * x, put("long", 69, 3.0)),
    "(x, *l)": (lambda m, x: sum((x, *m.long)), put("long", 70, 3.0)),
    "[x, *l]": (lambda m, x: sum([x, *m.long]), longer),
    "a, *b = l": (rest_of, put("long", 70, 3.0)),
    "l + m": (lambda m, x: sum(m.long + m.rows[0]) * x, longer),
    "l * 2": (lambda m, x: sum(m.long * 2) * x, put("long", 70, 3.0)),
    "l += m": (grown, put("long", 70, 3.0)),
    "l == m": (lambda m, x: x * (2.0 if m.long == [1.0] * 80 else 3.0), put("long", 70, 3.0)),
    "array * l": (lambda m, x: (np.ones(80) * m.long)[70] * x, put("long", 70, 3.0)),
    "any": (lambda m, x: x * (2.0 if any(y > 2.0 for y in m.long) else 3.0), put("long", 70, 3.0)),
    "rows": (lambda m, x: sum(sum(r) for r in m.rows) * x, lambda m: m.rows.pop()),
    "str.join": (lambda m, x: len("".join(m.words)) * x, put("words", 70, "longer")),
    "x in set": (lambda m, x: x * (2.0 if "b" in m.names else 3.0), lambda m: m.names.add("b")),
    "len(set)": (lambda m, x: x * len(m.names), lambda m: m.names.add("b")),
    "set, swapped": (lambda m, x: x * (2.0 if "b" in m.names else 3.0), lambda m: (m.names.clear(), m.names.add("b"))),
    "set | set": (lambda m, x: x * len(m.names | {"c"}), lambda m: m.names.add("b")),
    "if set": (lambda m, x: 2.0 * x if m.names else 3.0 * x, lambda m: m.names.clear()),
    "sum(set)": (lambda m, x: x * sum(m.numbers), lambda m: m.numbers.add(4.0)),
    "deque": (lambda m, x: x * m.queue[0], lambda m: m.queue.appendleft(4.0)),
    "deque, an item": (lambda m, x: x * sum(m.queue), put("queue", 1, 4.0)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_change_of_an_object_is_seen(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    f, change = case
    for cls in (Part, Middle, Last):
        for name, value in [*vars(cls).items()]:
            if not name.startswith("__") or isinstance(value, types.FunctionType):
                monkeypatch.setattr(cls, name, value)  # put back at the end
    m = types.SimpleNamespace(
        part=Part(), last=Last(), config={"a": 1.0}, long=[1.0] * 80, rows=[[1.0, 2.0] for _ in range(80)], words=["a"] * 80,
        names={"a"}, numbers={1.0, 2.0}, queue=deque([1.0, 2.0]),
    )  # fmt: skip
    value, both = lj.jit(lambda x: f(m, x)), lj.jit(lj.value_and_grad(lambda x: f(m, x)))
    before = f(m, 1.5)
    for _ in range(2):
        close(value(1.5), before)
        close(both(1.5)[0], before)
    change(m)
    try:
        after, slope = f(m, 1.5), (f(m, 1.5 + 1e-5) - f(m, 1.5 - 1e-5)) / 2e-5
        assert after != before
        close(value(1.5), after)
        close(both(1.5), (after, slope), 1e-6)
    finally:
        Part.__dict__.get("mark") is None or delattr(Part, "mark")
