"""One of several objects, lists, texts or functions, which the program chooses: it is that one, and a write through the choice reaches it."""

from __future__ import annotations

import copy
import dataclasses
import enum
import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import Runner, both, check, close


class Account:
    def __init__(self, balance: Any, rate: float) -> None:
        self.balance, self.rate, self.log, self.flow = balance, rate, [], np.zeros(2)

    @property
    def worth(self) -> Any:
        return self.balance * (1 + self.rate)

    @worth.setter
    def worth(self, value: Any) -> None:
        self.balance = value / (1 + self.rate)

    def pay(self, amount: Any) -> Account:
        self.balance += amount
        self.log.append(amount)
        return self

    def __add__(self, other: Account) -> Any:
        return self.balance + other.balance

    def __call__(self, x: Any) -> Any:
        return self.balance * x


class Savings(Account):
    def __call__(self, x: Any) -> Any:
        return self.balance * x + 1

    @property
    def worth(self) -> Any:
        return self.balance * 2

    @worth.setter
    def worth(self, value: Any) -> None:
        self.balance = value / 2

    def pay(self, amount: Any) -> Account:
        self.balance += 2 * amount
        return self


def accounts(x: Any, n: int = 3) -> list[Account]:
    return [Account(x[i], 0.1 * i) for i in range(n)]


def total(found: list[Account]) -> Any:
    return sum((i + 1) * a.balance**2 for i, a in enumerate(found))


def by_number(x: Any) -> Any:
    found = accounts(x)
    for k in range(3):
        i = np.argmin(np.array([a.balance for a in found]))
        found[i].pay(x[k] * 0.1)
    return total(found)


def by_key(x: Any) -> Any:
    found = accounts(x)
    for k in range(4):
        least = min(found, key=lambda a: a.balance)
        least.balance += 0.1 * x[k]
    return total(found)


def by_a_search(x: Any) -> Any:
    found = accounts(x)
    for k in range(2):
        best = None
        for a in found:
            if a.log and a.log[-1] > 0.05:
                continue
            if best is None or a.balance < best.balance:
                best = a
        if best is not None:
            best.pay(0.07 * x[k])
    return total(found) + sum(len(a.log) for a in found)


def by_a_condition(x: Any) -> Any:
    one, other = Account(x[0], 0.1), Savings(x[1], 0.2)
    chosen = one if x[2] > 0.5 else other
    chosen.pay(x[3]).worth += 1.0
    last = other if x[3] > 0.9 else one
    return (chosen + last) + chosen(x[0]) + last(x[1]) + one.balance * other.balance + (1.0 if isinstance(chosen, Savings) else 0.0)


def by_a_function(x: Any) -> Any:
    found = accounts(x, 4)

    def richer(than: Any) -> Any:
        for a in found:
            if a.balance > than:
                return a
        return None

    out = 0.0
    for than in (0.2, 0.5, 0.8, 5.0):
        a = richer(than * x[0] * 2)
        if a is not None:
            a.balance -= 0.1
            out += a.balance * a.rate
        else:
            out += 1.0
    return out + total(found)


def in_a_while(x: Any) -> Any:
    found, k = accounts(x), 0
    best = found[0]
    while best.balance < 3.0:
        best.pay(0.47 * x[k % 5])
        best = min(found, key=lambda a: a.balance)
        k += 1
    return total(found)


def two_that_change_places(x: Any) -> Any:
    now, then = Account(x[0], 1.0), Account(x[1], 2.0)
    first, second = now, then
    for k in range(30):
        now.balance += 0.01 * x[2] * k
        if now.balance > then.balance:
            now, then = then, now
    return first.balance * x[0] + second.balance * x[1]


def sorted_ones(x: Any) -> Any:
    found = accounts(x, 4)
    order = sorted(found, key=lambda a: -a.balance)
    order[0].balance *= 0.5
    order[-1].balance += 1.0
    return total(found)


def taken_out(x: Any) -> Any:
    found, out = accounts(x), 0.0
    while found:
        a = min(found, key=lambda a: a.balance)
        out = out * 0.5 + a.balance * (a.rate + 1) + found.index(a)
        found.remove(a)
    return out


def already_done(x: Any) -> Any:
    found, done, out = accounts(x), [], 0.0
    for _ in range(3):
        best = None
        for a in found:
            if a in done:
                continue
            if best is None or a.balance < best.balance:
                best = a
        done.append(best)
        out = out * 0.5 + best.balance * best.rate
    return out


def as_keys(x: Any) -> Any:
    found = accounts(x)
    visits = {a: 0 for a in found}
    for _ in range(3):
        a = min(found, key=lambda a: a.balance)
        visits[a] += 1
        a.balance += 0.4
    return sum(a.balance * visits[a] for a in found)


def arrays_in_them(x: Any) -> Any:
    found = accounts(x)
    for k in range(4):
        a = max(found, key=lambda a: a.balance)
        a.flow += np.array([x[k], 1.0])
        a.flow[0] += 0.5
        a.flow = a.flow * 1.1
        a.balance -= 0.3
    return sum(np.sum(a.flow**2) * (i + 1) for i, a in enumerate(found))


def lists_in_them(x: Any) -> Any:
    found = accounts(x)
    for k in range(3):
        max(found, key=lambda a: a.balance).pay(-0.3 * x[k])
    return sum(len(a.log) * a.balance + sum(a.log) for a in found)


def lists_of_lists(x: Any) -> Any:
    bins: list[list[Any]] = [[], [], []]
    for v in x:
        bins[int(v * 3) % 3].append(v)
    last = bins[int(x[0] * 3) % 3]
    last += [x[1]]
    last[0] = last[0] * 2
    return (
        sum((i + 1) * sum(b) * len(b) for i, b in enumerate(bins)) + np.sum(np.array(last)) + (v := 1.0) * len([v for v in last if v > 0.5])
    )


def a_dict_of_lists(x: Any) -> Any:
    groups: dict[str, list[Any]] = {"low": [], "high": []}
    for v in x:
        groups["low" if v < 0.6 else "high"].append(v)
    return sum(v * v for v in groups["low"]) + np.sum(np.array(groups["high"])) * len(groups["high"])


def counted(x: Any) -> Any:
    number, amount = {"low": 0, "mid": 0, "high": 0}, {"low": 0.0, "mid": 0.0, "high": 0.0}
    for v in x:
        kind = "low" if v < 0.4 else "high" if v > 0.8 else "mid"
        number[kind] += 1
        amount[kind] += v * v
    return sum(amount[kind] / max(number[kind], 1) for kind in number)


def a_table_of_transitions(x: Any) -> Any:
    table, state, out = [[0.9, 0.1], [0.4, 0.6]], 0, 0.0
    for v in x:
        new = 1 if v > 0.5 else 0
        out += np.log(table[state][new] * v)
        state = new
    return out + (1.0, 2.0, x[1])[state] * x[2]


class Node:
    def __init__(self, key: Any, left: Any = None, right: Any = None) -> None:
        self.key, self.left, self.right, self.visits = key, left, right, 0


def a_tree(x: Any) -> Any:
    root = Node(0.5, Node(0.25, Node(0.1), Node(0.3)), Node(0.75, None, Node(0.9)))
    out = 0.0
    for k in range(2):
        node = root
        while node is not None:
            node.visits += 1
            out += abs(x[k] - node.key)
            node = node.left if x[k] < node.key else node.right
    return out + root.left.visits * x[0] + root.right.visits * x[1]


def a_linked_list(x: Any) -> Any:
    first = Node(x[0], Node(x[1], Node(x[2], Node(x[3]))))
    node, out = first, 0.0
    while node is not None and out < 1.5:
        out += node.key
        node.key = node.key * 2
        node = node.left
    node = first
    while node is not None:
        out += node.key**2
        node = node.left
    return out


class Phase(enum.Enum):
    COLD = 1
    HOT = 2
    OFF = 3


def phases(x: Any) -> Any:
    phase, t, out = Phase.COLD, x[0], 0.0
    for _ in range(40):
        if phase is Phase.COLD:
            if t < 0.3:
                phase = Phase.HOT
        elif phase is Phase.HOT:
            if t > 0.9:
                phase = Phase.OFF
        elif phase == Phase.OFF and t < 0.7:
            phase = Phase.COLD
        t += {Phase.COLD: -x[1], Phase.HOT: x[2], Phase.OFF: -x[3]}[phase] * 0.101
        out += phase.value * t
    return out * 0.1


def a_text_in_a_while(x: Any) -> Any:
    state, n, v = "start", 0, x[0]
    while state != "end":
        if state == "start":
            state = "run"
        elif state == "run":
            v = v * 0.7 + 0.01 * x[1]
            if v < 0.1:
                state = "cool"
        else:
            v += x[2] * 0.1
            if v > 0.2:
                state = "end"
        n += 1
        if n > 100:
            break
    return v * n


@dataclass
class Particle:
    position: Any
    mass: float
    hits: int = 0
    seen: list[Any] = field(default_factory=list)


def particles(x: Any) -> Any:
    found = [Particle(np.array([x[i], x[i + 1]]), 1.0 + i) for i in range(3)]
    for _ in range(3):
        p = max(found, key=lambda p: p.position[0] - 0.3 * p.mass * p.hits)
        p.position = p.position + np.array([0.1, x[3]])
        p.hits += 1
        p.seen.append(p.position[1])
    return sum(np.sum(p.position**2) * p.mass + sum(p.seen) for p in found)


PROGRAMS = [
    by_number, by_key, by_a_search, by_a_condition, by_a_function, in_a_while, two_that_change_places, sorted_ones, taken_out, already_done,
    as_keys, arrays_in_them, lists_in_them, lists_of_lists, a_dict_of_lists, counted, a_table_of_transitions, a_tree, a_linked_list, phases,
    a_text_in_a_while, particles,
]  # fmt: skip
POINTS = [
    np.array([0.517, 1.55, 0.31, 0.72, 0.93]),
    np.array([0.649, 0.815, 0.703, 0.645, 0.524]),
    np.array([0.746, 0.538, 0.992, 1.06, 0.48]),
]


def agree(f: Any, points: list[Any]) -> None:
    """Python, the interpreter and native code, and differences so short that they pass no jump."""
    v = np.array([0.3, -0.7, 0.5, 0.2, -0.4])
    run = Runner(lambda x: (f(x), lj.grad(f)(x), lj.jvp(lj.grad(f), (x,), (v,))[1]))
    for x in points:
        h = 1e-6
        slopes = np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(5)])
        for value, gradient, product in run(x).values():
            close(value, f(x))
            close(gradient, slopes, 1e-5, 1e-5)
            beside = [run.jitted(x + d * v)[1] for d in (1e-5, -1e-5)]
            close(product, (beside[0] - beside[1]) / 2e-5, 1e-3, 1e-3)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_derivatives(f: Any) -> None:
    agree(f, POINTS)


@pytest.mark.parametrize("f", [by_key, lists_of_lists, particles], ids=lambda f: f.__name__)
def test_float32(f: Any) -> None:
    x = POINTS[0]
    close(lj.jit(lj.grad(f))(np.float32(x)), np.float32(lj.jit(lj.grad(f))(x)), 1e-4, 1e-4)


# ---- which one it is
ONE, OTHER, THIRD = Account(1.0, 0.1), Account(2.0, 0.2), Account(3.0, 0.3)
QUESTIONS = {
    "is": lambda y: y is ONE,
    "is not": lambda y: y is not OTHER,
    "==": lambda y: y == ONE,
    "!=": lambda y: OTHER != y,  # noqa: SIM300
    "in": lambda y: y in [THIRD, ONE],
    "itself": lambda y: y is y and y == y,
    "truth": bool,
    "None": lambda y: y is None,
    "type": lambda y: type(y) is Account,
    "key": lambda y: {ONE: 1.0, THIRD: 2.0}.get(y, 3.0) == 1.0,
    "hasattr": lambda y: hasattr(y, "rate") and not hasattr(y, "nothing"),
    "index": lambda y: [THIRD, ONE, OTHER].index(y) == 1,
    "count": lambda y: [THIRD, ONE, ONE].count(y) == 2,
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_which_of_two_it_is(ask: Any) -> None:
    def f(x: float) -> Any:
        y = ONE if x > 2 else OTHER
        return x * (2.0 if ask(y) else 3.0)

    for x in (1.0, 3.0):
        close(both(f, x), dict.fromkeys(("interpreter", "native"), f(x)))


def test_an_object_that_was_there_before_is_returned_as_itself() -> None:
    def f(x: float) -> Any:
        return ONE if x > 2 else OTHER

    assert lj.jit(f)(3.0) is ONE
    assert lj.jit(f)(1.0) is OTHER


def test_an_object_that_outlives_the_call_is_not_written() -> None:
    def f(x: float) -> Any:
        y = ONE if x > 2 else OTHER
        y.balance += x
        return y.balance

    with pytest.raises(errors.UnsupportedOperationError, match="outlives the call"):
        lj.jit(f)(1.0)
    assert (ONE.balance, OTHER.balance) == (1.0, 2.0)


def test_two_names_are_one_object() -> None:
    def f(x: Any) -> Any:
        found = accounts(x)
        a, b = found[int(x[3] * 3) % 3], found[int(x[4] * 3) % 3]
        a.balance = 5.0 * x[0]
        b.balance = b.balance + a.balance
        a.log.append(1.0)
        b.log.append(2.0)
        return total(found) + 10 * (a is b) + a.balance + sum(a.log) + len(b.log)

    for x in (*POINTS, np.array([0.5, 0.6, 0.7, 0.1, 0.2])):
        close(both(f, x), dict.fromkeys(("interpreter", "native"), f(x)))


def test_an_attribute_that_not_all_have() -> None:
    def f(x: float) -> Any:
        a, b = Account(x, 0.1), Node(x)
        y = a if x > 2 else b
        return y.balance * x

    compiled = lj.jit(f)
    close(compiled(3.0), 9.0)
    with pytest.raises(AttributeError, match="'Node' object has no attribute 'balance'"):
        compiled(1.0)


def test_an_index_out_of_range() -> None:
    def f(x: float, i: int) -> Any:
        return [Account(x, 0.1), Account(2 * x, 0.2)][i].balance

    close([lj.jit(f)(1.0, 1), lj.jit(f)(1.0, -2)], [2.0, 1.0])
    with pytest.raises(IndexError):
        lj.jit(f)(1.0, 2)


def test_a_set_of_what_is_chosen() -> None:
    def f(x: float) -> Any:
        s = {ONE if x > 2 else OTHER, ONE}
        return len(s), ONE in s, OTHER in s

    run = lj.jit(f)
    assert [run(1.0), run(3.0)] == [(2, True, True), (1, True, False)]


def test_a_hash_is_refused_with_a_remedy() -> None:
    def f(x: float) -> Any:
        return len(frozenset([ONE if x > 2 else OTHER]))

    with pytest.raises(errors.UnsupportedOperationError, match="compare it with each"):
        lj.jit(f)(1.0)


def test_under_vmap_and_in_a_function_of_its_own() -> None:
    def lane(v: Any) -> Any:
        return [lambda z: z * z, lambda z: z + 1, np.sin][int(v * 3) % 3](v)

    def recursive(x: Any) -> Any:
        found = accounts(x)

        def go(a: Any, n: Any) -> Any:
            return a.balance if n <= 0 else a.balance * 0.5 + go(a, n - 1)

        first = go(found[int(x[0] * 3) % 3], int(x[1] * 3) + 2)
        found[0].balance += 1.0
        return first + go(found[int(x[0] * 3) % 3], int(x[1] * 3) + 2)

    x = POINTS[0]
    close(lj.jit(lj.vmap(lane))(x), np.array([lane(v) for v in x]))
    agree(recursive, POINTS)


# ---- what is easily done to another object than the one that is meant
class Plain:
    rank = 1.0

    def __init__(self, a: Any, r: float = 1.0) -> None:
        self.a, self.r = a, r

    @classmethod
    def order(cls) -> float:
        return cls.rank

    def add(self, x: Any) -> Plain:
        self.a += x
        return self

    def again(self) -> Plain:
        return self.__class__(self.a, self.r)

    @property
    def product(self) -> Any:
        return self.a * self.r


class Derived(Plain):
    rank = 5.0

    def __init__(self, a: Any, r: float = 2.0) -> None:
        super().__init__(a, r)

    def add(self, x: Any) -> Plain:
        super().add(2 * x)
        return self

    @property
    def product(self) -> Any:
        return super().product + 1


@dataclass(frozen=True)
class Fixed:
    x: Any
    y: Any


def one_of_two(x: Any) -> tuple[Any, list[Any]]:
    found = [Derived(x[0]), Derived(x[1])]
    return found[int(x[2] * 2) % 2], found


def twice_in_a_list(x: Any) -> Any:
    a, b = Plain(x[0]), Plain(x[1])
    found = [a, a, b]
    k = int(x[2] * 3) % 3
    found[k].a += 1.0
    found[k].add(x[2])
    return a.a * 3 + b.a


def class_methods(x: Any) -> Any:
    found = [Plain(x[0]), Derived(x[1]), Plain(x[2])]
    return found[int(x[2] * 3) % 3].order() * x[0]


def says_super(x: Any) -> Any:
    chosen, found = one_of_two(x)
    chosen.add(x[0])
    return sum(c.a * c.r for c in found) + chosen.product


def made_of_its_class(x: Any) -> Any:
    chosen, found = one_of_two(x)
    new = chosen.again()
    new.a += 1
    return new.a * new.r + sum(c.a for c in found) + (1.0 if chosen.__class__ is Derived else 0.0)


def copies(x: Any) -> Any:
    chosen, found = one_of_two(x)
    shallow, deep = copy.copy(chosen), copy.deepcopy(chosen)
    shallow.a += 1
    deep.a *= 2
    return shallow.a + deep.a + sum(c.a for c in found)


def replaced(x: Any) -> Any:
    one, other = Fixed(x[0], x[1]), Fixed(x[1], x[2])
    chosen = one if x[2] > 0.5 else other
    new = dataclasses.replace(chosen, x=chosen.x + 1)
    return new.x * new.y + sum(dataclasses.astuple(chosen)) + dataclasses.asdict(chosen)["y"]


def identities(x: Any) -> Any:
    one, other = Plain(x[0]), Plain(x[1])
    chosen = one if x[2] > 0.5 else other
    return x[0] if id(chosen) == id(one) else x[1]


def among_arguments(x: Any) -> Any:
    one, other, third = Plain(x[0]), Plain(x[1]), Plain(x[2])
    chosen = one if x[2] > 0.5 else other
    max(chosen, third, key=lambda p: p.a).a *= 2
    functools.reduce(lambda p, q: p if p.a > q.a else q, [one, other, third]).a += 1
    return one.a + 2 * other.a + 3 * third.a


@pytest.mark.parametrize(
    "f",
    [twice_in_a_list, class_methods, says_super, made_of_its_class, copies, replaced, identities, among_arguments],
    ids=lambda f: f.__name__,
)
def test_it_is_that_object_and_no_other(f: Any) -> None:
    slopes = lj.jit(lj.grad(f))
    h = 1e-6
    for x in (np.array([0.31, 0.9, 0.2]), np.array([0.75, 0.4, 0.6]), np.array([0.45, 0.8, 0.9])):
        close(both(f, x), dict.fromkeys(("interpreter", "native"), f(x)))
        close(slopes(x), np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(3)]), 1e-6, 1e-7)


NARROW = tuple(np.float32(i) / np.float32(3) for i in range(10))


def test_a_table_keeps_its_dtype() -> None:
    def f(x: Any) -> Any:
        return NARROW[int(x * 10)] * x

    x = np.float32(0.45)
    assert type(lj.jit(f)(x)) is type(f(x)) is np.float32
    assert lj.jit(f)(x) == f(x)


def test_an_argument_may_be_a_new_key() -> None:
    def f(x: Any, n: int) -> Any:
        d = {0: 1.0}
        d[n] = x
        d[n + 1] = d.get(n, 0.0) * 2
        return sum(v * (k + 1) for k, v in d.items()) + len(d)

    for n in (0, 3):
        assert lj.jit(f)(2.5, n) == f(2.5, n)


# ---- the last two of what a loop makes, the first of which others see
def last_two_lists(x: Any) -> Any:
    old, new = [x, 0.0], [2.0 * x, 1.0]
    for i in range(5):
        new[1] = new[1] + old[0] * i
        old, new = new, [new[0] * 0.9 + old[1], old[0]]
        old[0] = old[0] * x
    return new[0] + 10.0 * new[1] + old[1]


def last_two_dicts(x: Any) -> Any:
    first = {"a": x, "b": 0.0}

    def step(now: Any, c: Any) -> Any:
        return {"a": now["a"] * c, "b": now["b"] + now["a"] ** 2}

    old = first
    new = step(old, 0.9)
    while new["b"] < 4.0:
        between = {k: 4.0 / 3.0 * new[k] - old[k] / 3.0 for k in new}
        old, new = new, step(between, 0.95)
    return new["a"] + old["b"] * first["a"]


def test_the_last_two_of_what_a_loop_makes() -> None:
    check(last_two_lists, (0.7,), (1.1,))
    check(last_two_dicts, (0.7,), (1.1,), (2.5,))


def test_which_array_it_is_that_was_chosen_is_not_known() -> None:
    def by_a_condition(a: Any, b: Any, x: float) -> Any:
        c = a if x > 0 else b
        return 1.0 if c is a else 2.0

    def by_a_loop(a: Any, b: Any, n: int) -> Any:
        for _ in range(n):
            a, b = b, a
        return 1.0 if a is b else 2.0

    def known(a: Any, b: Any, x: float) -> Any:
        c = a
        d = b * 1.0
        return c is a, c is b, d is b, c is not a, c is None

    arrays = np.ones(3), np.zeros(3)
    for f, last in ((by_a_condition, 1.0), (by_a_loop, 3)):
        with pytest.raises(lj.errors.UnsupportedOperationError, match=r"which array it is that .* has chosen.*: give each a number"):
            lj.jit(f)(*arrays, last)
    assert lj.jit(known)(*arrays, 1.0) == (True, False, False, False, False)


@dataclasses.dataclass
class Counted:
    a: Any


def test_an_object_of_before_or_one_of_the_iteration_comes_back() -> None:
    """At the head it may be the one that `kept` is, too: a write to either is refused, where it was lost."""

    def written(x: Any) -> Any:
        kept, it = Counted(x[0]), Counted(x[2])
        for v in x:
            it.a *= 0.8
            it = kept if v > 0 else Counted(0.3)
        return kept.a + it.a

    def other_written(x: Any) -> Any:
        kept, it, total = Counted(x[0]), Counted(x[2]), 0.0
        for v in x:
            kept.a *= 0.9
            total += it.a
            it = kept if v > 0 else Counted(v)
        return kept.a + it.a + total

    def in_a_list(x: Any) -> Any:
        kept = Counted(x[0])
        both_of = [kept, Counted(x[2])]
        for i, _ in enumerate(x):
            for o in both_of:
                o.a *= 0.9
            both_of[-1] = Counted(0.3)
            if i % 2 == 0:
                both_of[-1] = kept
        return kept.a + both_of[-1].a

    def read(x: Any) -> Any:
        kept, it, total = Counted(x[0]), Counted(x[2]), 0.0
        for v in x:
            total += it.a * v
            it = kept if v > 0 else Counted(0.3 * v)
        return kept.a + it.a + total

    def best(x: Any) -> Any:
        found = Counted(x[0])
        for v in x:
            new = Counted(found.a * 0.5 + v)
            found = new if new.a > found.a else found
        return found.a

    x = np.array([1.0, -1.0, 2.0, -0.5, 0.3])
    for f in (written, other_written, in_a_list):
        with pytest.raises(lj.errors.UnsupportedOperationError, match="makes one Counted stand for several objects"):
            lj.jit(f)(x)
    for f in (read, best):
        check(f, (x,))


@dataclasses.dataclass
class Linked:
    key: Any
    next: Any = None


def both_keys(p: Any, q: Any) -> Any:
    return (0.0 if p is None else p.key) + 10 * (0.0 if q is None else q.key)


def test_a_write_through_one_of_two_objects_that_may_not_be_there() -> None:
    """What is there, if it is, is seen by the variable that it is in."""

    def variables(x: Any) -> Any:
        p = q = None
        if x[0] > 0:
            p = Linked(x[0])
        if x[1] > 0:
            q = Linked(x[1])
        node = p if x[2] > 0 else q
        node.key *= 7.0  # type: ignore[union-attr]
        return both_keys(p, q)

    def attributes(x: Any) -> Any:
        root = None
        if x[0] > 0:
            root = Linked(x[0])
            if x[1] > 0:
                root.next = Linked(x[1])
        if root is not None:
            node = root
            if root.next is not None and x[2] > 0:
                node = root.next
            node.key *= 7.0
        return both_keys(root, root.next)  # type: ignore[union-attr]

    for f in (variables, attributes):
        for x in ([1.0, 2.0, 3.0], [1.0, 2.0, -3.0]):
            check(f, (np.array(x),))


@dataclasses.dataclass
class Pair:
    p: Any
    q: Any


def test_two_places_hold_one_object_on_one_path() -> None:
    """It is one there: a write through the one shows in the other."""

    def attribute(x: Any) -> Any:
        h = Pair(Counted(1.0), Counted(2.0))
        if x > 0:
            h.p = h.q
        h.p.a = 7.0 * x
        return h.p.a + 10 * h.q.a

    def item(x: Any) -> Any:
        found = [[1.0], [2.0]]
        if x > 0:
            found[0] = found[1]
        found[0][0] = 7.0 * x
        return found[0][0] + 10 * found[1][0]

    def growing(x: Any) -> Any:
        d = {"a": [1.0], "b": [2.0]}
        if x > 0:
            d["a"] = d["b"]
        d["a"].append(x)
        return sum(d["a"]) + 10 * sum(d["b"])

    def of_two_holders(x: Any) -> Any:
        g, h = Pair(Counted(1.0), Counted(2.0)), Pair(Counted(3.0), Counted(4.0))
        if x > 0:
            g.p = h.p
            h.q = Counted(9.0)
        g.p.a = 7.0 * x
        return g.p.a + 10 * h.p.a + 100 * h.q.a

    def variable_and_place(x: Any) -> Any:
        h, c = Pair(Counted(1.0), Counted(2.0)), Counted(3.0)
        v = h.p
        if x > 0:
            v = h.q
            h.p = c
        v.a = 7.0 * x
        return h.p.a + 10 * h.q.a + 100 * c.a

    def in_turn(x: Any) -> Any:
        found = [[1.0], [2.0], [3.0]]
        for i in range(3):
            if x > i:
                found[i] = found[0]
            found[0][0] += 7.0 * x
        return found[0][0] + 10 * found[1][0] + 100 * found[2][0]

    def exchanged(x: Any) -> Any:
        h = Pair(Counted(1.0), Counted(2.0))
        if x > 0:
            h.p, h.q = h.q, h.p
        h.p.a = 7.0 * x
        return h.p.a + 10 * h.q.a

    for f in (attribute, item, growing, of_two_holders, variable_and_place, in_turn, exchanged):
        check(f, (1.5,), (-1.5,))

    def tuple_and_place(x: Any) -> Any:
        h = Pair(Counted(1.0), Counted(2.0))
        t = (h.p, h.q)
        if x > 0:
            h.p = Counted(5.0)
            t = (h.q, h.p)
        t[0].a = 7.0 * x
        return h.p.a + 10 * h.q.a

    try:
        check(tuple_and_place, (1.5,), (-1.5,))
    except errors.UnsupportedOperationError as e:
        assert "stand for several objects" in str(e)  # noqa: PT017


def test_rows_change_places_of_which_the_program_decides_one() -> None:
    def eliminated(m: Any, b: Any) -> Any:
        a = [list(row) for row in m]
        n, sign = len(a), 1.0
        for k in range(n):
            p = max(range(k, n), key=lambda i: abs(a[i][k]))
            if p != k:
                a[k], a[p] = a[p], a[k]
                sign = -sign
            for i in range(k + 1, n):
                f = a[i][k] / a[k][k]
                for j in range(k, n):
                    a[i][j] -= f * a[k][j]
        return sign * a[0][0] * a[1][1] * a[2][2] * b

    def objects(x: Any, p: Any) -> Any:
        found = [Counted(x), Counted(2.0), Counted(3.0 * x)]
        found[0], found[p] = found[p], found[0]
        found[0].a += 10.0
        return found[0].a + 2 * found[1].a + 3 * found[2].a

    m = np.array([[0.1, 2.0, -1.0], [1.5, 0.3, 0.7], [-2.0, 1.0, 0.5]])
    check(eliminated, (m, 1.3), (m[::-1].copy(), 0.7), order=1)
    assert np.isclose(lj.jit(eliminated)(m, 1.0), np.linalg.det(m))
    for p in (0, 1, 2, -1):
        check(objects, (1.5, p))


def test_two_variables_of_a_loop_may_be_one_object_where_it_begins_again() -> None:
    """A write to either was lost in the other."""

    def sometimes(x: Any, n: Any) -> Any:
        d, e = Counted(5.0), Counted(8.0)
        for i in range(n):
            d.a += x
            if i % 2:
                e = d
            if i % 3 == 0:
                d = Counted(d.a)
        return e.a + 100 * d.a

    def by_an_inner_loop(x: Any, n: Any) -> Any:
        d, e = Counted(5.0), Counted(8.0)
        for i in range(n):
            d.a += x
            for _ in range(n - i - 2):
                e = d
            if x > 5:
                d = Counted(d.a)
            d.a += x
        return e.a + 100 * d.a

    def in_a_dict(x: Any, n: Any) -> Any:  # which did not end
        b = Counted(5.0)
        d, found = {"y": b}, [Counted(8.0), b]
        for _ in range(n):
            for _ in range(n):
                found[0] = d["y"]
            found[1] = d["y"]
            d["y"] = Counted(9.0 * x)
        return found[0].a + found[1].a + d["y"].a

    for f in (sometimes, by_an_inner_loop):
        with pytest.raises(lj.errors.UnsupportedOperationError, match="makes one Counted stand for several objects"):
            lj.jit(f)(1.5, 7)
    check(in_a_dict, (1.5, 7))
