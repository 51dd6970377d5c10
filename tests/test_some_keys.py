"""Dicts that get keys on some paths only, or keys that the program chooses among words: counters, groups, tables by name."""

# ruff: noqa: B905  (as it is mostly written)
from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

from .support import check
from .test_bookkeeping import WAVE, equal


def counter(x: Any) -> Any:
    c: Counter[str] = Counter()
    for v in x:
        if v > 0.5:
            c["hi"] += 1
        elif v > -0.5:
            c["mid"] += 1
        else:
            c["lo"] += 1
    asked = "hi" in c, "zz" in c, c["zz"], c.get("lo"), c.get("lo", 7), len(c), bool(c)
    return c, list(c), list(c.values()), list(c.items()), c.most_common(), c.most_common(1)[0][0], max(c, key=c.get), sorted(c), asked  # type: ignore[arg-type]


def chosen_keys(x: Any) -> Any:
    totals, first, groups, counts = {}, {}, defaultdict(list), defaultdict(int)
    for i, v in enumerate(x):
        k = "hi" if v > 0.5 else "mid" if v > -0.5 else "lo"
        totals[k] = totals.get(k, 0.0) + v
        if k not in first:
            first[k] = i
        groups[k].append(v)
        counts[k] += 1
    shown = []
    for k, n in counts.items():
        shown.append((k, n, len(groups[k])))
    means = {k: sum(g) / len(g) for k, g in groups.items()}
    return totals, first, groups, dict(counts), shown, means, Counter("hi" if v > 0.5 else "lo" for v in x), sum(totals.values())


def nested(x: Any) -> Any:
    basket, seen = {}, {}
    for i in range(len(x)):
        item = "apple" if x[i] > 0.0 else "pear"
        if item in basket:
            basket[item]["n"] += 1
        else:
            basket[item] = {"n": 1, "first": i}
        seen.setdefault(item, []).append(x[i])
    for k in list(seen):
        seen[k].append(0.0)
    return basket, seen, [k for k in basket if basket[k]["n"] > 2]


def on_one_path(x: Any) -> Any:
    d = {"base": 1.0}
    if x[0] > 0.1:
        d["extra"] = x[1]
    else:
        d["other"] = 2.0
    if "extra" in d:
        d["base"] += d["extra"]
    gone = d.pop("base") if x[1] > 0.5 else 0.0
    again = d.copy()
    again.update(last=1.0)
    named = {n: v for n, v in zip("abcdef", x) if v > 0.5}
    maybe, gone_too = {}, {"k": 1.0, "l": 2.0}
    if x[2] > 0.5:
        maybe["it"] = 1
        del gone_too["k"]
    elif x[2] > 2.0:
        del gone_too["l"]
    asked = "yes" if maybe else "no", not maybe, [*maybe], len(gone_too), sorted(gone_too)
    return asked, gone_too, d, list(d), d.get("other", -1.0), gone, again, named, len(named)


def by_numbers(x: Any) -> Any:
    table, names = {}, {}
    for i in range(3):
        for j in range(3):
            if x[i] + x[j] > 0.0:
                table[i, j] = x[i] * x[j]
    alias = names
    for v in x:
        if v > 0.5:
            alias["n"] = 1
        if "n" in names and v < -0.5:
            del names["n"]
    had = names.get("n", 0)
    names["n"] = 5
    best = max(table, key=table.get) if table else None  # type: ignore[arg-type]
    return table, (0, 1) in table, best, [k[0] for k in table], names is alias, names, had


@pytest.mark.parametrize("f", [counter, chosen_keys, nested, on_one_path, by_numbers])
def test_keys_of_some_paths(f: Any) -> None:
    equal(f, WAVE[:7])
    equal(f, WAVE[3:10])
    equal(f, np.array([0.7, 0.6, 0.9]))


def test_long_loops_and_objects() -> None:
    class Stats:
        def __init__(self) -> None:
            self.counts: dict[str, int] = {}
            self.total = 0.0

        def add(self, k: str, v: Any) -> None:
            self.counts[k] = self.counts.get(k, 0) + 1
            self.total += v

    def f(x: Any) -> Any:
        s, words = Stats(), {"grow": 1.0, "keys": 2.0}
        for v in x:
            if v > 0.5:
                s.add("hi", v * v)
            elif v > 0.2:
                s.add("lo", 2 * v)
            words["grow"] += v
            words["keys"] *= 0.9
        return s.total * s.counts.get("hi", 1) + len(s.counts) * x[0] + words["grow"] * words["keys"]

    check(f, (WAVE[:9],), (np.tile(WAVE, 4),))


def test_what_such_a_dict_does_not_have() -> None:
    def f(x: float) -> Any:
        d: dict[str, float] = {}
        if x > 0.5:
            d["a"] = x
        return d["a"]

    run = lj.jit(f)
    assert run(0.75) == 0.75
    with pytest.raises(KeyError, match="a"):
        run(0.25)


def test_what_is_refused() -> None:
    def argument(x: float, d: dict[str, float]) -> float:
        if x > 0.5:
            d["b"] = x
        return x

    def whole(x: float, ask: Any) -> Any:
        d = {"a": 1.0}
        if x > 0.5:
            d["b"] = x
        return ask(d)

    def ordered(x: float) -> Any:
        d: Any = OrderedDict()
        if x > 0.5:
            d["b"] = x
        return d

    with pytest.raises(lj.errors.UnsupportedOperationError, match="give the dict all of its keys before the call"):
        lj.jit(argument)(0.75, {"a": 1.0})
    asks = [
        lambda d: d == {"a": 1.0},
        lambda d: d | {"c": 2.0},
        lambda d: {"c": 2.0, **d},
        lambda d: (lambda **k: k["b"])(**d),
        lambda d: max(1, 2, key=d.__eq__),
    ]
    for ask in asks:
        with pytest.raises(lj.errors.UnsupportedOperationError, match="on some paths only"):
            lj.jit(lambda x: whole(x, ask))(0.75)  # noqa: B023
    with pytest.raises(lj.errors.TypeMismatchError, match="a container must keep its structure"):
        lj.jit(ordered)(0.75)
