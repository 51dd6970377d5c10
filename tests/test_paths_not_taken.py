"""What a path would raise, or leave unassigned, concerns the calls that take it, and no others."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj

Function = Callable[..., Any]
PAIR, TABLE, NOTHING = [1.0, 2.0], {"a": 1.0}, None


class Bare:
    pass


def item(x: float) -> float:
    if x > 5:
        return PAIR[7] * x
    return PAIR[1] * x


def key(x: float) -> float:
    return TABLE["b"] if x > 5 else x


def attribute(x: float) -> float:
    y = x
    if x > 5:
        y *= Bare().missing  # type: ignore[attr-defined]
    return y


def arithmetic(x: float) -> float:
    y = x
    if x <= 5:
        y = y * 2
    elif x <= 10:
        y = y + NOTHING
    return y


def name(x: float) -> float:
    if x <= 5:
        return x
    return unknown_name(x)  # type: ignore[name-defined, no-any-return]  # noqa: F821


def division(x: float) -> float:
    return x * (1 // 0) if x > 5 else x


def unpacked(x: float) -> float:
    if x > 5:
        a, b = (1.0, 2.0, 3.0)
        return a + b
    return x


def popped(x: float) -> float:
    kept: list[float] = []
    if x > 5:
        kept.pop()
    return x


def operand(x: float) -> bool:
    return (x > 5 and PAIR[9] > 0) or x > 2


def in_elif(x: float) -> float:
    if x < 2:
        return x
    elif TABLE["c"] > x:
        return 2 * x
    return x


def unrolled(x: float) -> float:
    total = 0.0
    for i in range(3):
        if x < i:
            break
        total += PAIR[i] * x
    return total


def after_a_return(x: float) -> float:
    if x <= 5:
        return x
    y = x
    for v in (1.0, None):
        y += v  # type: ignore[operator]
    return y


def in_a_loop(x: float) -> float:
    y, n = x, int(x) - 5
    for _ in range(n):
        y += TABLE["b"]
    return y


def deep(x: float) -> float:
    if x > 7:
        return [][0] * x  # type: ignore[no-any-return]
    return x if x < 1 else deep(x - 1) * 1.5


def helped(x: float) -> float:
    return _helper(x) * 2.0


def _helper(x: float) -> float:
    if x > 5:
        return x * 2.0
    return TABLE["b"] * x


def helped_deeply(x: float, n: int = 3) -> float:
    return _helper(x) if n == 0 else helped_deeply(x, n - 1)


SOME: list[Function] = [
    item,
    key,
    attribute,
    arithmetic,
    name,
    division,
    unpacked,
    popped,
    operand,
    in_elif,
    unrolled,
    after_a_return,
    in_a_loop,
    deep,
    helped,
    helped_deeply,
]


@pytest.mark.parametrize("f", SOME, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [1.5, 7.5])
def test_an_exception_belongs_to_its_path(f: Function, x: float) -> None:
    wanted: Any = None
    try:
        want = f(x)
    except Exception as e:
        wanted = e
    if wanted is not None:
        with pytest.raises(type(wanted)) as found:
            lj.jit(f)(x)
        assert str(found.value) == str(wanted) or (f is popped and "index" in str(found.value))
        with pytest.raises(type(wanted)):
            lj.jit(lj.grad(lambda x: f(x) * 1.0))(x)
        return
    assert lj.jit(f)(x) == want
    slope = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6 if f is not operand else 0.0
    for g in (lj.grad(lambda x: f(x) * 1.0), lj.jit(lj.grad(lambda x: f(x) * 1.0))):
        assert math.isclose(g(x), slope, rel_tol=1e-6, abs_tol=1e-9)


def test_the_note_says_where_it_is_raised() -> None:
    with pytest.raises(KeyError) as found:
        lj.jit(key)(7.0)
    assert any("test_paths_not_taken.py" in note and "in key" in note for note in getattr(found.value, "__notes__", []))


def test_objects_are_as_they_were_on_the_other_path() -> None:
    def f(x: float) -> Any:
        kept = [1.0]
        if x > 5:
            kept[0] = 2.0
            kept[4] = 3.0
        return kept[0] * x

    assert lj.jit(f)(1.0) == 1.0
    with pytest.raises(IndexError):
        lj.jit(f)(6.0)


def test_what_a_handler_takes_on_the_way_that_is_left() -> None:
    def f(x: float) -> Any:
        try:
            if x > 5:
                return x
            y = TABLE["b"]
        except KeyError:
            y = -x
        return y

    assert (lj.jit(f)(1.0), lj.jit(f)(6.0)) == (-1.0, 6.0)


# ---- variables
def twice(x: float) -> float:
    if x > 0:
        y = x * x
    z = 1.0
    if x > 0:
        z += y
    return z


def differences(xs: Any) -> Any:
    total = 0.0
    for i in range(len(xs)):
        if i > 0:
            d = xs[i] - xs[i - 1]
        total += xs[i]
        if i > 0:
            total += d * d
    return total


def arrays(xs: Any) -> Any:
    if xs.sum() > 0:
        tail = xs[1:] * 2
        both = (xs[0], tail)
    return both[0] + (both[1] * tail).sum() if xs.sum() > 0 else xs.sum()


@pytest.mark.parametrize("f", [twice, differences, arrays], ids=lambda f: f.__name__)
def test_a_variable_that_one_path_assigns(f: Function) -> None:
    for x in (1.5, -1.5) if f is twice else (np.array([0.5, -0.25, 2.0]), np.array([-0.5, 0.25, -2.0])):
        assert np.allclose(lj.jit(f)(x), f(x), rtol=1e-14)
        d = 1e-6 * (np.array([1.0, 2.0, -1.0]) if f is not twice else 1.0)
        slope = (f(x + d) - f(x - d)) / 2
        for g in (lj.grad(f), lj.jit(lj.grad(f))):
            assert np.isclose(np.sum(g(x) * d), slope, rtol=1e-6)
    second = lj.jit(lj.hessian(twice))(1.5)
    assert second == 2.0


def test_reading_it_where_it_is_not_assigned() -> None:
    def f(x: float) -> float:
        if x > 0:
            y = 1.0
        return y * x

    assert lj.jit(f)(2.0) == 2.0
    with pytest.raises(UnboundLocalError, match="cannot access local variable 'y' where it is not associated with a value"):
        lj.jit(f)(-2.0)


def test_another_variable_of_that_name_is_no_variable_of_two_objects() -> None:
    class Box:
        def __init__(self) -> None:
            self.v = 1.0

    def f(x: float) -> float:
        a, b = Box(), Box()
        if x > 0:
            o = a
            o.v = 2.0 * x
        o = b
        o.v = 3.0 + x
        return a.v + 10 * b.v

    assert (lj.jit(f)(1.0), lj.jit(f)(-1.0)) == (f(1.0), f(-1.0)) == (42.0, 21.0)


# ---- a plain condition that holds for long
def integrate(x: float) -> Any:
    t, k, seen = 0.0, 0, []
    while t < 2.0:
        x = x + 0.01 * math.sin(x) if x < 3 else x
        t += 0.005
        k += 1
        seen.append(x)
    return x, t, k, max(seen)


def test_a_long_loop_of_a_plain_condition_is_staged() -> None:
    assert lj.jit(integrate)(0.5) == integrate(0.5)
    assert len(lj.jit(integrate).inspect(0.5).graph.splitlines()) < 120
    slope = (integrate(0.5 + 1e-6)[0] - integrate(0.5 - 1e-6)[0]) / 2e-6
    for g in (lj.grad(lambda x: integrate(x)[0]), lj.jit(lj.grad(lambda x: integrate(x)[0]))):
        assert math.isclose(g(0.5), slope, rel_tol=1e-6)


def test_what_needs_its_number_is_unrolled() -> None:
    def f(x: float) -> Any:
        k, table = 0, {i: 0.5 * i for i in range(100)}
        while k < 100:
            x = x + table[k]
            k += 1
        return x

    assert lj.jit(f)(1.0) == f(1.0)


def test_plain_loops_stay_plain() -> None:
    def f(x: float) -> Any:
        k, names = 0, []
        while k < 100:
            names.append(f"n{k}")
            k += 1
        return x * len(names) + len(names[k - 1])

    assert lj.jit(f)(1.0) == 103.0


def counted(x: Any, list_of: bool) -> Any:
    k = 0
    while k < 100:
        x = x * 1.01
        k += 1
    if list_of:
        parts = (0.0,) * (k + 1)
        return x + parts[-1] + sum(parts)
    return x * k


@pytest.mark.parametrize("list_of", [False, True])
def test_a_long_while_is_unrolled_where_python_needs_its_count(list_of: bool) -> None:
    f = lj.jit(counted, static_argnames="list_of")
    np.testing.assert_allclose(f(2.0, list_of), counted(2.0, list_of), rtol=1e-14)
    slope = lj.jit(lj.grad(lambda x: counted(x, list_of)))(2.0)
    np.testing.assert_allclose(slope, counted(1.0, list_of), rtol=1e-14)
    products = f.inspect(2.0, list_of).graph.count(" = mul(")
    assert products == 100 if list_of else products < 4


def test_an_error_behind_a_long_while_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """A number that is not the loop's does not unroll it."""

    def f(x: Any, n: int) -> Any:
        k = 0
        while k < 1000:
            x = np.sin(x)
            k += 1
        for _ in range(n):
            x = x + 1.0
        return (1.0,) * int(x)

    with caplog.at_level("DEBUG", "lantern_jit"):
        with pytest.raises(lj.errors.TracedConditionError, match=r"int\(\)|an index or a size"):
            lj.jit(f)(2.0, 3)
        assert "traced again" not in caplog.text
        lj.jit(lambda x: counted(x, True))(2.0)
        assert "traced again" in caplog.text


# ---- functions of the program whose every path raises
def chosen(x: np.ndarray, kind: str) -> Any:
    total = 0.0
    for i in range(len(x)):
        if x[i] < 0:
            raise ValueError(f"number {i} is negative")
        total += x[i]
    if kind == "sum":
        return total
    raise NotImplementedError(kind)


def to_zero(n: int, x: float) -> float:
    if n <= 0:
        raise ValueError("at zero")
    return to_zero(n - 1, 2.0 * x)


WAYS: dict[str, Callable[[Function], Function]] = {
    "grad": lj.grad,
    "hessian": lj.hessian,
    "jvp": lambda f: lambda x: lj.jvp(f, (x,), (x,)),
    "vjp": lambda f: lambda x: lj.vjp(f, x)[0],
    "checkpoint": lj.checkpoint,
    "grad of checkpoint": lambda f: lj.grad(lj.checkpoint(f)),
    "reset": lambda f: lambda x: lj.reset(lambda: f(x)),
    "vmap": lambda f: lambda x: lj.vmap(lambda _: f(x))(x),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("first", "exception", "words"), [(1.0, NotImplementedError, "mean"), (-1.0, ValueError, "number 0 is negative")])
def test_all_paths_raise(way: str, first: float, exception: type[Exception], words: str) -> None:
    def f(x: np.ndarray) -> Any:
        return chosen(x, "mean")

    for g in (lj.jit(WAYS[way](f)), lj.jit(WAYS[way](f), backend="python")):
        with pytest.raises(exception, match=words):
            g(np.array([first, 2.0]))


@pytest.mark.parametrize("way", ["grad", "checkpoint", "grad of checkpoint", "reset"])
def test_a_path_to_what_only_raises(way: str) -> None:
    def f(x: np.ndarray) -> Any:
        return 3.0 * x[0] if x[1] > 0 else 2.0 * np.sum(WAYS[way](lambda x: chosen(x, "mean"))(x))

    for backend in ("llvm", "python"):
        for g, right in ((lj.jit(f, backend=backend), 6.0), (lj.jit(lj.grad(f), backend=backend), [3.0, 0.0])):
            np.testing.assert_array_equal(g(np.array([2.0, 1.0])), right)
            with pytest.raises(ValueError, match="number 1 is negative"):
                g(np.array([2.0, -1.0]))


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: lj.grad(f, 1)])
def test_a_recursion_that_ends_in_an_exception(wrap: Any) -> None:
    for n in (0, 3):
        with pytest.raises(ValueError, match="at zero"):
            lj.jit(wrap(to_zero))(n, 1.0)
