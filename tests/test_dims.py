"""Dimensions of array types: normal forms, what is known of sizes in loops, branches and calls, and that no more is known than is so."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lantern_jit as lj
from lantern_jit.ir.core import dims
from lantern_jit.ir.core.dims import Dim, parse

from .sized import WrongSize, check_sizes, looking
from .support import both

N, M = dims.symbol("n"), dims.symbol("m")


def test_equal_dimensions_are_equal() -> None:
    assert dims.add(dims.add(N, M), 1) == dims.add(1, dims.add(M, N))
    assert dims.mul(dims.add(N, 1), dims.sub(N, 1)) == dims.sub(dims.mul(N, N), 1)
    assert dims.sub(dims.add(N, 2), N) == 2
    assert dims.add(N, 0) == N != M
    assert dims.over(dims.mul(4, N), 2) == dims.mul(N, 2)
    assert dims.smaller(N, M) == dims.smaller(M, N)
    assert dims.smaller(N, N) == N


def test_what_is_known_not_to_be_negative() -> None:
    assert dims.nonnegative(dims.add(N, 1)) == dims.add(N, 1)
    assert dims.nonnegative(-3) == 0
    one_less = dims.sub(N, 1)
    assert dims.nonnegative(one_less) != one_less
    assert dims.nonnegative(dims.nonnegative(one_less)) == dims.nonnegative(one_less)
    assert dims.nonnegative(dims.symbol("int1")) != dims.symbol("int1")


POLYNOMIALS = st.recursive(
    st.one_of(st.integers(-5, 5), st.sampled_from([N, M, dims.symbol("int1"), dims.nonnegative(dims.sub(N, 3))])),
    lambda inner: st.builds(lambda f, a, b: f(a, b), st.sampled_from([dims.add, dims.sub, dims.mul, dims.smaller]), inner, inner),
    max_leaves=6,
)


def value(d: Dim, sizes: dict[str, int]) -> int:
    names = {"max": max, "min": min, "over": lambda a, b: a // b, **sizes}
    return int(eval(str(d), {"__builtins__": {}}, names))


@given(POLYNOMIALS, POLYNOMIALS, st.integers(0, 7), st.integers(0, 7), st.integers(-7, 7))
def test_arithmetic_is_that_of_numbers(a: Dim, b: Dim, n: int, m: int, i: int) -> None:
    sizes = {"n": n, "m": m, "int1": i}
    x, y = value(a, sizes), value(b, sizes)
    for f, want in ((dims.add, x + y), (dims.sub, x - y), (dims.mul, x * y), (dims.smaller, min(x, y))):
        assert value(f(a, b), sizes) == want
    assert value(dims.nonnegative(a), sizes) == max(x, 0)
    assert value(dims.over(a, 2), sizes) == x // 2
    bound = dims.least(a)
    assert bound is None or x >= bound


@given(POLYNOMIALS)
def test_the_text_parses_back(d: Dim) -> None:
    assert parse(str(d)) == d


@pytest.mark.parametrize("text", ["n +", "f(n)", "n / 2", "'n'"])
def test_what_is_no_dimension(text: str) -> None:
    with pytest.raises(ValueError, match="no dimension"):
        parse(text)


# ---- in traced programs
def graph(f: Any, *args: Any) -> str:
    return lj.jit(f).inspect(*args).graph


def types(f: Any, *args: Any) -> set[str]:
    return set(re.findall(r"(?:f64|i64|bool)\[[^\]]*\]", graph(f, *args)))


X, Y = np.arange(1.0, 5.0), np.arange(2.0, 6.0)


def test_sizes_follow_from_those_of_arguments() -> None:
    assert types(lambda x: x[1:] * 2.0, X) == {"f64[n]", "f64[max(n - 1, 0)]"}
    assert types(lambda x: np.concatenate([x, x, [1.0]]), X) >= {"f64[n]", "f64[2*n + 1]"}
    assert types(lambda x: np.zeros((len(x), 3)) + x[:, None], X) >= {"f64[n]", "f64[n, 3]"}


def test_a_check_stands_only_where_two_symbols_meet() -> None:
    assert "same_size" in graph(lambda x, y: x * y, X, Y)
    assert "same_size" not in graph(lambda x: x[1:] - x[:-1] ** 2, X)
    assert "same_size" not in graph(lambda x: np.concatenate([x, x[1:]]) * np.concatenate([x[1:], x]), X)


def carried(x: Any, n: int) -> Any:
    a, b, i = np.zeros(20), x * 1.0, 0
    while i < n:
        a = a + x[i]
        b = b * x
        i += 1
    return np.sum(a) + np.sum(b)


def test_sizes_survive_loops() -> None:
    text = graph(carried, X, 3)
    head = next(line for line in text.splitlines() if line.startswith("loop"))
    assert "f64[20]" in head
    assert "f64[n]" in head
    assert "same_size" not in text
    both(carried, X, 3)
    both(lj.grad(carried), X, 3)


def joined(x: Any, flag: bool) -> Any:
    a = np.array([1.0, 2.0]) if flag else np.array([x[0], 3.0])
    b = x * 2.0 if flag else x + 1.0
    return np.sum(a * a) + np.sum(b * x)


def test_sizes_survive_branches() -> None:
    text = graph(joined, X, True)
    assert "f64[2]" in text
    assert "same_size" not in text
    both(joined, X, True)
    both(lj.grad(joined), X, False)


def repeated(x: Any, a: Any, k: int) -> Any:
    return np.sum(a) + np.sum(x) if k == 0 else repeated(x * 1.5, a * 2.0, k - 1)


def test_a_recursion_serves_every_size() -> None:
    f = lj.jit(repeated)
    for a in (np.ones(2), np.ones(3)):
        assert f(X, a, 3) == repeated(X, a, 3)
    assert len(f.specialisations) == 1


def grows(x: Any, n: int) -> Any:
    out = x[:1] * 1.0
    for _ in range(n):
        out = np.concatenate([out, x])
    return out * out[::-1]


def test_what_changes_in_a_loop_is_not_known() -> None:
    both(grows, X, 5)
    head = next(line for line in graph(grows, X, 5).splitlines() if line.startswith("loop"))
    assert "f64[1]" not in head


def shorter(x: Any, n: int) -> Any:
    y = x * 1.0
    for _ in range(n):
        y = y[1:] * 2.0
    return y


def test_a_size_that_changes_in_a_loop_is_not_that_of_its_beginning() -> None:
    both(lambda x, n: np.sum(shorter(x, n) * x[n:]), X, 2)
    assert lj.jit(lambda x, n: len(shorter(x, n)))(X, 3) == 1
    with pytest.raises(lj.errors.BroadcastError):
        lj.jit(lambda x, n: np.sum(shorter(x, n) * x))(X, 2)


def halves(x: Any, k: int) -> Any:
    return x[::2] * 1.0 if k == 0 else halves(x[: len(x) - 1] * 1.0, k - 1)


def test_a_size_that_changes_from_call_to_call_is_not_that_of_the_first() -> None:
    both(lambda x, k: np.sum(halves(x, k)), X, 2)
    assert lj.jit(lambda x, k: len(halves(x, k)))(X, 2) == 1
    with pytest.raises(lj.errors.BroadcastError):
        lj.jit(lambda x, k: np.sum(halves(x, k) * halves(x, 0)))(np.ones(9), 4)


def grows_sometimes(x: Any) -> Any:
    a = x[:2] * 1.0
    for i in range(len(x)):
        if x[i] > 2.0:
            a = np.concatenate([a, x[i : i + 1]])
    return np.sum(a * a)


def test_what_changes_on_one_path_of_a_loop() -> None:
    both(grows_sometimes, X)
    both(lj.grad(grows_sometimes), X)


def unequal(x: Any, y: Any, k: int) -> Any:
    return np.sum(x * y) if k == 0 else unequal(y * 1.0, x[1:] * 1.0, k - 1)


def test_two_sizes_that_meet_are_compared_in_every_call() -> None:
    with pytest.raises(lj.errors.BroadcastError):
        lj.jit(unequal)(np.ones(5), np.ones(5), 3)
    with pytest.raises(lj.errors.BroadcastError):  # also where those of the first call are equal
        lj.jit(lambda x, k: unequal(x * 1.0, x * 2.0, k))(np.ones(5), 3)
    both(unequal, np.ones(6), np.ones(5), 1)


def solved(a: Any, b: Any, c: Any) -> Any:
    x, y = np.linalg.solve(a, b), np.linalg.solve(c, np.ones(len(c)))
    return np.sum(x) * np.sum(y)


def test_a_helper_knows_of_each_operation_which_sizes_are_equal() -> None:
    """Of a @ a.T both sizes are one, of a they are two: their helpers are two."""

    def sums(a: Any) -> Any:
        return np.sum(np.cumsum(a @ a.T, axis=0) ** 2) + np.sum(np.cumsum(a, axis=0) ** 2)

    tall = 0.3 * np.arange(6.0).reshape(3, 2) + np.eye(3, 2)
    lj.check_grads(sums, (tall,))
    names = re.findall(r"fn (pull\.cumsum\S*)\(", graph(lj.grad(sums), tall))
    assert sorted(n.split("f64.")[1][:3] for n in names) == ["n.m", "n.n"]


def test_one_helper_for_operations_of_several_sizes() -> None:
    a, c = np.eye(3) + 0.1, np.eye(2) + 0.2
    both(solved, a, np.ones(3), c)
    both(lj.grad(solved, (0, 2)), a, np.ones(3), c)
    with pytest.raises(lj.errors.LanternError):
        lj.jit(lj.grad(solved, (0, 2)))(a, np.ones(2), c)


PROGRAMS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "carried": (carried, (X, 3)),
    "joined": (joined, (X, True)),
    "repeated": (repeated, (X, np.ones(2), 2)),
    "grows": (grows, (X, 3)),
    "shorter": (shorter, (X, 2)),
    "halves": (halves, (np.ones(9), 3)),
    "sometimes": (grows_sometimes, (X,)),
    "solved": (solved, (np.eye(3) + 0.1, np.ones(3), np.eye(2) + 0.2)),
    "sorted": (lambda x: np.sum(np.sort(x) * np.argsort(x)[::-1]), (X,)),
    "masked": (lambda x: np.sum(x[x > 2.0] ** 2) + np.sum(np.repeat(x, 2)[1::3]), (X,)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_array_has_the_sizes_of_its_type(name: str) -> None:
    f, args = PROGRAMS[name]
    check_sizes(f, *args)
    check_sizes(lj.grad(lambda *a: np.sum(f(*a))), *args)


def test_a_wrong_type_is_found() -> None:
    s, leaves = lj.jit(carried)._dispatcher.lookup((X, 3), {})
    f = s.program.functions[s.program.entry]
    let = next(let for b in f.blocks.values() for let in b.lets if let.outs and "[20]" in str(let.out.type))
    object.__setattr__(let.out, "type", type(let.out.type)(let.out.type.dtype, (3,)))
    with looking(), pytest.raises(WrongSize, match="has the shape"):
        s.interpret(leaves)
