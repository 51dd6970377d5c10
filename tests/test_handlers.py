"""`try`, `except`, `else`, `finally` and `contextlib.suppress` around what compiled code raises when it runs: like Python, in both back ends and in
derivatives. Exceptions are paths of the program, so writes, objects and derivatives are those of the path that is taken."""

import contextlib
import copy
import math
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors


class Bad(Exception):
    def __init__(self, v: float, why: str = "bad") -> None:
        super().__init__(why)
        self.v, self.why = v, why


class Worse(Bad):
    pass


def check(x: float) -> float:
    if x < 0:
        raise Bad(x)
    if x > 10:
        raise Worse(x, "worse")
    return math.sqrt(x)


# ---- linear algebra
GOOD, INDEFINITE = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.0, 2.0], [2.0, 1.0]])
SINGULAR, RIGHT = np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([1.0, 3.0])


def cholesky(a: Any, s: float) -> Any:
    try:
        factor = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return 3.0 * s
    return np.sum(factor * factor * factor) * s


def solve_or_least_squares(a: Any, b: Any) -> Any:
    try:
        x = np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        x = np.sum(a, axis=0) * b
    return x @ x


def inverse(a: Any, b: Any) -> Any:
    try:
        y = np.linalg.inv(a) @ b
    except np.linalg.LinAlgError as e:
        y = b * 3.0 if "Singular" in str(e) else b * 4.0
    else:
        y = y * 2
    finally:
        b = b + 1
    return y @ b


def jitter(a: Any, j: float) -> Any:
    for k in range(10):  # noqa: B007
        try:
            factor = np.linalg.cholesky(a + j * np.eye(2))
            break
        except np.linalg.LinAlgError:
            j = max(2 * j, 0.3)
    else:
        raise ValueError("never")
    return np.sum(factor) * j + k


def jitter_until(a: Any, j: float) -> Any:
    while True:
        try:
            return np.sum(np.linalg.cholesky(a + j * np.eye(2)))
        except np.linalg.LinAlgError:
            j = max(2 * j, 0.3)


def eigenvalues(a: Any, s: float) -> Any:
    try:
        return np.sum(np.linalg.eigvalsh(a)) * s
    except np.linalg.LinAlgError:
        return -s


# ---- exceptions of the program's own
def own(x: float) -> float:
    try:
        return check(x)
    except Worse as e:
        return e.v * 3 + len(e.why)
    except Bad as e:
        return e.v * 2 + len(e.why)


def again(x: float) -> float:
    try:
        try:
            return check(x)
        except Bad:
            raise
    except Worse:
        return 7.0 * x
    except Bad:
        return 8.0 * x


def another(x: float) -> float:
    try:
        try:
            return check(x)
        except Bad as e:
            raise ValueError("v") from e
    except ValueError as e:
        return 7.0 * len(str(e)) * x


def chosen(x: float) -> float:
    try:
        raise Bad(x) if x > 0 else KeyError("k")
    except Bad as e:
        return e.v
    except KeyError:
        return 2.0 * x


def with_values(x: float) -> float:
    try:
        if x < 0:
            raise ValueError("negative", x)
        return x
    except ValueError as e:
        return e.args[1] * 2


def asserted(x: float) -> float:
    try:
        assert x > 0, "neg"
        return x * 2
    except AssertionError:
        return x * 3


def through_calls_and_loops(x: float) -> float:
    def a(v: float) -> float:
        for i in range(3):
            if v * i > 4:
                raise Bad(float(i))
        return v

    def b(v: float) -> float:
        t, k = 0.0, 0
        while k < 5:
            try:
                t += a(v + k)
            except KeyError:
                t = 0.0
            k += 1
        return t

    try:
        return b(x)
    except Bad as e:
        return x * e.v


def with_finally(x: Any) -> float:
    done = np.zeros(1)

    def inner(v: float) -> float:
        try:
            return check(v)
        finally:
            done[0] += 1.0

    s = 0.0
    for v in x:
        try:
            s += inner(v)
        except Bad as e:
            s -= e.v
    return s + done[0]


def in_every_way(x: Any) -> float:
    s = 0.0
    for i in range(len(x)):
        try:
            if x[i] < 0:
                raise Bad(x[i], "neg")
            if x[i] > 5:
                raise KeyError("big")
            s += x[i]
        except Bad as e:
            s -= e.v * len(str(e))
            continue
        except KeyError:
            break
        else:
            s += 0.5
        finally:
            s += 0.25
    return s


# ---- what Python raises
def divide(a: float, b: float) -> float:
    s = 0.0
    try:
        s += 1.0
        s += a / b
        s += b / a
    except ZeroDivisionError:
        s *= 10.0
    return s


def newton(x: float) -> float:
    for _ in range(50):
        try:
            d = (x * x - 2.0) / (2 * x)
        except ZeroDivisionError:
            x = 1.0
            continue
        x -= d
        if abs(d) < 1e-12:
            break
    else:
        raise RuntimeError("no")
    return x


def ints(a: int, b: int) -> float:
    try:
        return float(a // b + a % b)
    except ZeroDivisionError:
        return -1.0


def to_int(x: float) -> float:
    try:
        return float(int(x)) + x
    except ValueError:
        return -1.0
    except OverflowError:
        return -2.0


def of_math(x: float) -> float:
    try:
        a = math.log(x)
    except ValueError:
        a = -5.0 * x
    try:
        c = math.exp(x)
    except OverflowError:
        c = 77.0
    try:
        d = math.gamma(x)
    except ValueError:
        d = 1.0
    except OverflowError:
        d = 2.0
    try:
        g = x**-2
    except ZeroDivisionError:
        g = 5.0
    try:
        h = math.asin(x)
    except ValueError:
        h = 6.0
    return a + c + d + g + h


def roots(x: Any) -> float:
    s, bad = 0.0, 0
    for v in x:
        try:
            s += math.sqrt(v)
        except ValueError:
            bad += 1
            continue
        s += 1.0
    return s + bad


def until_it_fails(x: float) -> float:
    n = 0
    try:
        while True:
            x = math.sqrt(x) - 0.5
            n += 1
    except ValueError:
        return n + x


def suppressed(x: float) -> float:
    y = 0.0
    with contextlib.suppress(ValueError, KeyError):
        y = x
        y = math.sqrt(x)
        y += 1.0
    return y


def suppressed_loop(x: Any) -> float:
    s = 0.0
    for v in x:
        with contextlib.suppress(ValueError), contextlib.nullcontext(2.0) as two:
            s += two * math.sqrt(v)
            if s > 100:
                return s
    return s


# ---- elements and keys
def element(x: Any, i: int) -> Any:
    try:
        return x[i] * x[0] + x[i]
    except IndexError:
        return -x[1]


def stores(x: Any, i: int) -> Any:
    y = x.copy()
    try:
        y[0] = 5.0
        y[i] = 7.0 * x[1]
        y[1] = 9.0
    except IndexError:
        y[2] += 1.0
    return np.sum(y * np.arange(4.0))


def gathered(x: Any, i: Any) -> Any:
    try:
        return np.sum(x[i] * x[0])
    except IndexError:
        return -x[1]


def rows(x: Any, i: Any) -> Any:
    m = x.reshape(2, 2)
    try:
        return np.sum(m[i] * x[0])
    except IndexError:
        return -x[1]


def everything(x: Any, i: Any) -> Any:
    try:
        return np.sum(np.roll(x, 1) * x) + x[i][0] / x[0]
    except Exception:
        return x[3]


def of_a_list(x: float, i: int) -> float:
    v = [x, 2 * x, 3 * x]
    try:
        return v[i]
    except IndexError:
        return 0.5 * x


def popped(x: Any) -> Any:
    found = []
    for v in x:
        if v > 0:
            found.append(v)
    try:
        return found.pop()
    except IndexError:
        return -x[0]


def keys(x: Any, k: float) -> float:
    d = {"a": 1.0, "b": 2.0}
    s = 0.0
    for v in x:
        try:
            key = "a" if v > 1 else "b" if v < 0 else "c"
            s += d[key] * v + k
        except KeyError:
            s += 100.0 * v
    return s


def known_while_traced(x: float) -> float:
    try:
        y = {"a": x}["b"] if x < 0 else x * x
    except KeyError:
        y = 3.0 * x
    return y


# ---- objects, lists, generators
class Account:
    def __init__(self) -> None:
        self.n, self.errors = 0.0, 0

    def add(self, v: float) -> None:
        self.n += 1
        if v < 0:
            raise Bad(v)
        self.n += v


def objects(x: Any) -> float:
    a = Account()
    for v in x:
        try:
            a.add(v)
        except Bad as e:
            a.errors += 1
            a.n += e.v * 0.5
    return a.n + a.errors


def log(x: float) -> float:
    log = []
    try:
        log.append(x)
        log.append(math.sqrt(x))
        log.append(x * 2)
    except ValueError:
        log.append(-1.0)
    return sum(log) + len(log)


def numbers(x: Any) -> Any:
    for v in x:
        try:
            yield math.sqrt(v)
        except ValueError:
            yield -v


def generated(x: Any) -> float:
    return sum(numbers(x))


def raising(x: Any) -> Any:
    for v in x:
        if v < 0:
            raise Bad(v)
        yield v


def around_a_generator(x: Any) -> float:
    s = 0.0
    try:
        for v in raising(x):
            s += v
    except Bad:
        s = -s
    return s


def quiet(x: Any) -> Any:
    for v in x:
        try:
            yield v
        except Bad:
            yield 100.0


def a_generator_is_told_nothing(x: Any) -> float:
    s = 0.0
    try:
        for v in quiet(x):
            if v < 0:
                raise Bad(v)
            s += v
    except Bad:
        s = -s
    return s


def functions(x: float) -> float:
    def safe(f: Any, v: float, d: float) -> float:
        try:
            return f(v)
        except (ValueError, ZeroDivisionError):
            return d * v

    return safe(math.log, x, -1.0) + safe(lambda t: 1 / t, x, 9.0) + safe(math.sqrt, x, 3.0)


def recursive(n: int, x: float) -> float:
    if n == 0:
        return 0.0
    try:
        y = math.sqrt(x)
    except ValueError:
        y = 0.5 * x
    return y + recursive(n - 1, x - 1.0)


def inner_gradient(x: float) -> float:
    def f(y: float) -> float:
        try:
            return math.sqrt(y)
        except ValueError:
            return y * 3

    return lj.grad(f)(x)


# ---- functions that are compiled as functions of their own
def recursion(n: int, x: float) -> float:
    if n == 0:
        if x < 0:
            raise Bad(1.0, "negative")
        return x
    if x > 100:
        raise Worse(2.0, "large")
    return recursion(n - 1, x * 0.5) + 1.0


def around_a_recursion(n: int, x: float) -> float:
    try:
        return recursion(n, x)
    except Worse as e:
        return x * e.v
    except Bad as e:
        return -5.0 * x * len(e.why)


def falling(n: int, x: float) -> float:
    return x if n == 0 else math.sqrt(falling(n - 1, x - 1.0))


def around_a_recursion_of_math(n: int, x: float) -> float:
    try:
        return falling(n, x)
    except ValueError:
        return -5.0 * x


def subset(i: int, left: int, w: Any) -> int:
    if left == 0:
        return 0
    if i == len(w) or left < 0:
        raise KeyError("none")
    try:
        return 1 + subset(i + 1, left - w[i], w)
    except KeyError:
        return subset(i + 1, left, w)


def backtracking(left: int, w: Any) -> int:
    try:
        return subset(0, left, w)
    except KeyError:
        return -1


def tree(t: Any, x: float) -> float:
    if t is None:
        return x
    left, v, right = t
    if v * x < 0:
        raise Bad(0.0, "sign")
    return tree(left, x * v) + tree(right, x + v)


def around_a_tree(x: float) -> float:
    try:
        return tree(((None, 2.0, (None, 1.0, None)), 3.0, (None, 0.5, None)), x)
    except Bad:
        return 0.25 * x


def of_arrays(n: int, x: Any) -> Any:
    if n == 0:
        return x * 2
    if x[0] > 5:
        raise KeyError("a")
    return of_arrays(n - 1, x + 1.0)


def around_arrays(n: int, x: Any) -> Any:
    try:
        return np.sum(of_arrays(n, x))
    except KeyError:
        return -x[1]


def even(n: int, x: float) -> float:
    return x if n == 0 else odd(n - 1, x * 1.5)


def odd(n: int, x: float) -> float:
    if n == 0:
        raise KeyError("odd")
    return even(n - 1, x)


def around_two(n: int, x: float) -> float:
    s = 0.0
    for i in range(n):
        try:
            s += even(i, x)
        except KeyError:
            s -= x * x
    return s


def handles_itself(n: int, x: float) -> float:
    try:
        if n == 0:
            raise KeyError("zero")
        return handles_itself(n - 1, x) + x
    except KeyError:
        if n == 2:
            return 10.0 * x
        raise


def around_one_that_handles(n: int, x: float) -> float:
    try:
        return handles_itself(n, x)
    except KeyError:
        return 7.0 * x


def with_a_value(n: int, x: float) -> float:
    if n == 0:
        raise Bad(x * x, "end")
    if x > 50:
        raise Worse(x)
    return with_a_value(n - 1, x * 0.5) if x > 0.1 else x


def around_a_value(n: int, x: float) -> float:
    try:
        return with_a_value(n, x)
    except Worse as e:
        return e.v * 3
    except Bad as e:
        return e.v + len(e.why)


def positive(x: float) -> float:
    if x < 0:
        raise KeyError("negative")
    return x * x * math.sin(x)


def checkpointed(x: float) -> float:
    try:
        return lj.checkpoint(positive)(x)
    except KeyError:
        return 5.0 * x


def around_elements(x: Any, i: Any) -> Any:
    try:
        return np.sum(np.vectorize(lambda v: v // i)(x))
    except ZeroDivisionError:
        return 0


MIXED, RISING = np.array([1.5, -2.0, 4.0, 6.5, 3.0]), np.array([0.5, 1.0, 2.0, 3.0])
CASES: list[tuple[Any, list[tuple[Any, ...]]]] = [
    (cholesky, [(GOOD, 2.0), (INDEFINITE, 2.0)]),
    (solve_or_least_squares, [(GOOD, RIGHT)]),
    (inverse, [(GOOD, RIGHT)]),
    (jitter, [(GOOD, 0.25), (INDEFINITE, 0.3)]),
    (jitter_until, [(GOOD, 0.25), (INDEFINITE, 0.3)]),
    (eigenvalues, [(GOOD, 2.0)]),
    *((f, [(4.0,), (-1.5,), (11.0,)]) for f in (own, again, another)),
    *((f, [(3.0,), (-3.0,)]) for f in (chosen, with_values, asserted, suppressed, known_while_traced, log, functions)),
    (through_calls_and_loops, [(1.0,), (-9.0,)]),
    *((f, [(MIXED,), (RISING,)]) for f in (
        with_finally, in_every_way, roots, suppressed_loop, objects, generated, around_a_generator, a_generator_is_told_nothing)),
    (divide, [(1.0, 2.0), (2.0, 0.0)]),
    (newton, [(0.0,), (3.0,)]),
    (ints, [(7, 2), (7, 0), (-7, 2)]),
    (to_int, [(2.5,), (math.nan,), (math.inf,)]),
    (of_math, [(0.5,), (-0.5,), (200.5,), (0.0,), (-2.0,), (750.0,)]),
    (until_it_fails, [(1.6,)]),
    *((f, [(RISING, 2), (RISING, 5), (RISING, -4), (RISING, -5)]) for f in (element, stores)),
    *((f, [(RISING, np.array(i)) for i in ([1, 0], [1, 7], [-1, 0], [-9, 0])]) for f in (gathered, rows, everything)),
    (of_a_list, [(2.0, 1), (2.0, 3), (2.0, -3)]),
    (popped, [(MIXED,), (-RISING,)]),
    (keys, [(MIXED, 0.3)]),
    (recursive, [(5, 2.5)]),
    (around_a_recursion, [(3, 2.0), (3, -2.0), (3, 200.0), (500, 3.0)]),
    (around_a_recursion_of_math, [(3, 2.0), (3, 60.0), (40, 60.0)]),
    (backtracking, [(n, np.array([3, 5, 2, 2])) for n in (7, 1, 12)]),
    (around_a_tree, [(1.0,), (-1.0,)]),
    (around_arrays, [(3, RISING), (7, RISING)]),
    (around_two, [(6, 0.5)]),
    (around_one_that_handles, [(1, 2.0), (2, 2.0), (5, 2.0)]),
    (around_a_value, [(3, 2.0), (3, 0.3), (3, 70.0), (40, 2.0)]),
    (checkpointed, [(4.0,), (-3.0,)]),
    (around_elements, [(np.arange(3), 2), (np.arange(3), 0)]),
    (inner_gradient, [(4.0,), (-4.0,)]),
]  # fmt: skip
EACH = [(f, args) for f, each in CASES for args in each]
NAMES = [f"{f.__name__}-{i}" for f, each in CASES for i in range(len(each))]


def run(f: Any, args: Any) -> Any:
    return f(*copy.deepcopy(args))


@pytest.mark.parametrize(("f", "args"), EACH, ids=NAMES)
def test_values(f: Any, args: Any) -> None:
    with np.errstate(all="ignore"):
        want = run(f, args)
    for options in ({}, {"backend": "python"}):
        assert run(lj.jit(f, **options), args) == pytest.approx(want, rel=1e-12, nan_ok=True), options


def _moved(f: Any, args: Any) -> int | None:
    """The argument that a derivative is taken by: its values are smooth there."""
    place = next((i for i, a in enumerate(args) if isinstance(a, float) or (isinstance(a, np.ndarray) and a.dtype.kind == "f")), None)
    jumps = f is to_int or (f in (newton, of_math) and args[0] in (0.0, -2.0, 750.0))
    return None if jumps else place


SMOOTH = [
    pytest.param(f, args, dtype, id=f"{name}-{np.dtype(dtype)}")
    for (f, args), name in zip(EACH, NAMES, strict=True)
    for dtype in (np.float64, np.float32)
    if (i := _moved(f, args)) is not None and (dtype is np.float64 or isinstance(args[i], np.ndarray))  # numbers of Python have 64 bits
]


@pytest.mark.parametrize(("f", "args", "dtype"), SMOOTH)
def test_first_derivatives(f: Any, args: Any, dtype: Any) -> None:
    place = _moved(f, args)
    assert place is not None
    x = np.array(args[place], np.float64)

    def at(x: Any) -> float:
        return float(run(f, _put(args, place, x)))

    slope = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1e-6 * max(1.0, abs(x[i]))
        slope[i] = (at(x + step) - at(x - step)) / (2 * step[i])
    given = _put(args, place, x.astype(dtype))
    for options in ({}, {"backend": "python"}):
        found = run(lj.jit(lj.grad(f, place), **options), given)
        tolerance = 1e-5 if dtype == np.float64 else 1e-3
        assert np.asarray(found) == pytest.approx(slope, rel=tolerance, abs=tolerance * max(1.0, float(np.max(np.abs(slope))))), options


def _put(args: Any, place: int, x: Any) -> list[Any]:
    return [(x if x.ndim else float(x)) if i == place else a for i, a in enumerate(args)]


@pytest.mark.parametrize(
    ("f", "x"), [(own, 4.0), (own, -1.5), (again, 4.0), (suppressed, 3.0), (divide, None), (functions, 2.0), (inner_gradient, 4.0)]
)
def test_second_derivatives(f: Any, x: Any) -> None:
    g = (lambda x: divide(x, x * x)) if x is None else f
    x = 1.5 if x is None else x
    eps = 1e-4
    want = (g(x + eps) - 2 * g(x) + g(x - eps)) / eps**2
    for options in ({}, {"backend": "python"}):
        assert lj.jit(lj.grad(lj.grad(g)), **options)(x) == pytest.approx(want, rel=1e-4, abs=1e-5)
        assert lj.jit(lj.jvp, **options)(lj.grad(g), (x,), (1.0,))[1] == pytest.approx(want, rel=1e-4, abs=1e-5)


def test_hessian_of_a_factorisation() -> None:
    f = lambda s: cholesky(GOOD * s[0] + np.eye(2) * s[1] ** 2, s[1])  # noqa: E731
    x, eps = np.array([1.5, 2.0]), 1e-4
    found = lj.jit(lj.hessian(f))(x)
    for i in range(2):
        for j in range(2):
            a, b = np.eye(2)[i] * eps, np.eye(2)[j] * eps
            want = (f(x + a + b) - f(x + a - b) - f(x - a + b) + f(x - a - b)) / (4 * eps**2)
            assert found[i, j] == pytest.approx(want, rel=1e-5, abs=1e-5)
    assert np.array_equal(lj.jit(lj.hessian(f))(np.array([-20.0, 1.0])), np.zeros((2, 2)))


def test_singular_matrices() -> None:
    for f in (solve_or_least_squares, inverse):
        for options in ({}, {"backend": "python"}):
            assert lj.jit(f, **options)(SINGULAR, RIGHT) == pytest.approx(f(SINGULAR, RIGHT), rel=1e-12)
        direction = np.array([[1.0, 2.0], [2.0, 4.0]])  # along which they stay singular
        eps = 1e-6
        want = (f(SINGULAR + eps * direction, RIGHT) - f(SINGULAR - eps * direction, RIGHT)) / (2 * eps)
        assert np.sum(lj.jit(lj.grad(f))(SINGULAR, RIGHT) * direction) == pytest.approx(want, rel=1e-6)


def test_lanes_take_their_own_paths() -> None:
    x = np.stack([GOOD, INDEFINITE, 2 * GOOD])
    found = lj.jit(lj.vmap(cholesky, in_axes=(0, None)))(x, 2.0)
    assert found == pytest.approx([cholesky(a, 2.0) for a in x], rel=1e-12)
    slopes = lj.jit(lj.vmap(lj.grad(cholesky), in_axes=(0, None)))(x, 2.0)
    for a, g in zip(x, slopes, strict=True):
        assert g == pytest.approx(lj.grad(cholesky)(a, 2.0), rel=1e-12)
    assert lj.jit(lj.vmap(own))(np.array([4.0, -1.0, 12.0])) == pytest.approx([own(4.0), own(-1.0), own(12.0)], rel=1e-12)


def test_no_derivative_goes_where_there_is_none() -> None:
    """The root of a negative number is asked for its NaN, and nothing else."""
    assert lj.jit(lj.grad(roots))(np.array([4.0, -2.0, 1.0])).tolist() == [0.25, 0.0, 0.5]
    assert lj.jit(lj.grad(suppressed))(-3.0) == 1.0


def test_checkpoints_and_forward_mode() -> None:
    for a in (GOOD, INDEFINITE):
        g = lj.jit(lj.grad(lambda a: lj.checkpoint(cholesky)(a, 2.0)))(a)
        assert g == pytest.approx(lj.grad(cholesky)(a, 2.0), rel=1e-12)
        _, slope = lj.jit(lj.jvp)(lambda a: cholesky(a, 2.0), (a,), (np.eye(2),))
        assert slope == pytest.approx(np.trace(g), rel=1e-12)


# ---- derivatives in a `try`
def descent(t: float, a: Any, n: int) -> Any:
    def loss(t: float) -> Any:
        return np.sum(np.log(np.diag(np.linalg.cholesky(a * t)))) + t * t

    for _ in range(n):
        try:
            _, g = lj.value_and_grad(loss)(t)
        except np.linalg.LinAlgError:
            t = 1.0
            continue
        t = t - 2.0 * g
    return t


def test_an_optimiser_that_starts_again() -> None:
    def want(t: float, n: int) -> float:
        for _ in range(n):
            t = 1.0 if t <= 0 else t - 2.0 * (1.0 / t + 2.0 * t)
        return t

    for n in (1, 2, 3, 6):
        for options in ({}, {"backend": "python"}):
            assert lj.jit(descent, **options)(1.5, GOOD, n) == pytest.approx(want(1.5, n), rel=1e-12)


@pytest.mark.parametrize("transform", ["grad", "jacfwd", "jacrev", "hessian", "grad of grad", "jvp", "vjp", "linearize", "vmap of grad"])
def test_every_transform_tells_a_handler(transform: str) -> None:
    def f(y: Any) -> Any:
        if y[0] < 0:
            raise KeyError("k")
        return np.sum(y**3) * y[0]

    def g(x: Any) -> Any:
        try:
            if transform == "grad of grad":
                return np.sum(lj.grad(lambda z: np.sum(lj.grad(f)(z) ** 2))(x))
            if transform == "jvp":
                return lj.jvp(f, (x,), (x,))[1]
            if transform == "vjp":
                return np.sum(lj.vjp(f, x)[1](2.0)[0])
            if transform == "linearize":
                return lj.linearize(f, x)[1](x)
            if transform == "vmap of grad":
                return np.sum(lj.vmap(lj.grad(lambda v: f(np.stack([v, 2 * v]))))(x))
            return np.sum(getattr(lj, transform)(f)(x))
        except KeyError:
            return 7.0

    x = np.array([0.5, 0.75])
    p, q = x  # f = (p**3 + q**3) p
    first, second = 4 * p**3 + q**3, 3 * q**2 * p
    hessian = [12 * p**2, 3 * q**2, 6 * q * p]
    wants = {"vjp": 2 * (first + second), "hessian": hessian[0] + 2 * hessian[1] + hessian[2], "vmap of grad": float(np.sum(36 * x**3))}
    wants |= dict.fromkeys(("grad", "jacfwd", "jacrev"), first + second) | dict.fromkeys(("jvp", "linearize"), first * p + second * q)
    wants["grad of grad"] = 2 * first * (hessian[0] + hessian[1]) + 2 * second * (hessian[1] + hessian[2])
    for options in ({}, {"backend": "python"}):
        assert lj.jit(g, **options)(x) == pytest.approx(wants[transform], rel=1e-12)
        assert lj.jit(g, **options)(-x) == 7.0


def test_what_is_differentiated_in_a_try_has_its_effects_once(capsys: pytest.CaptureFixture[str]) -> None:
    def g(x: float) -> float:
        def f(y: float) -> float:
            print("f", y)
            if y < 0:
                raise KeyError("k")
            return y * y

        try:
            return lj.grad(f)(x)
        except KeyError:
            return 5.0

    h = lj.jit(g)
    assert (h(2.0), h(-2.0)) == (4.0, 5.0)
    assert capsys.readouterr().out == "f 2.0\nf -2.0\n"


# ---- effects
def test_writes_are_those_of_the_path() -> None:
    def f(w: Any, o: Any, x: float) -> Any:
        try:
            o["n"] += 1.0
            w[0] = 1.0
            w[1] = math.sqrt(x)
            o["v"] = w[1]
        except ValueError:
            w[2] = 5.0
            o["err"] += 1.0
        return np.sum(w)

    for x in (4.0, -4.0):
        both = [(np.zeros(3), {"n": 0.0, "v": 0.0, "err": 0.0}) for _ in range(3)]
        values = [g(w, o, x) for g, (w, o) in zip((f, lj.jit(f), lj.jit(f, backend="python")), both, strict=True)]
        assert values[0] == values[1] == values[2]
        for w, o in both[1:]:
            assert np.array_equal(w, both[0][0])
            assert o == both[0][1]


def test_what_is_not_handled_is_raised() -> None:
    def f(x: float, w: Any) -> float:
        try:
            y = check(x)
        except KeyError:
            y = 1.0
        finally:
            w[0] = 7.0
        return y

    w = np.zeros(1)
    with pytest.raises(Worse) as found:
        lj.jit(f)(12.0, w)
    assert (found.value.v, found.value.why, w[0]) == (12.0, "worse", 7.0)

    def g(x: float) -> float:
        try:
            return math.sqrt(x)
        except ValueError as e:
            raise RuntimeError("no root") from e

    assert lj.jit(g)(4.0) == 2.0
    with pytest.raises(RuntimeError, match="no root") as again:
        lj.jit(g)(-4.0)
    assert isinstance(again.value.__cause__, ValueError)


def test_a_variable_that_the_handler_leaves_unassigned() -> None:
    def f(x: float) -> float:
        try:
            if x > 3:
                raise Bad(x)
            z = x
        except Bad:
            pass
        return z

    assert lj.jit(f)(1.0) == 1.0
    with pytest.raises(UnboundLocalError, match="z"):
        lj.jit(f)(5.0)


def test_texts_of_exceptions() -> None:
    def f(x: float) -> str:
        try:
            raise ValueError(f"large: {x}")
        except ValueError as e:
            return f"[{e}]"

    assert lj.jit(f)(7.0) == "[large: 7.0]"

    def g(x: float) -> str:
        try:
            raise ValueError("negative", x)
        except ValueError as e:
            return str(e)

    with pytest.raises(errors.UnsupportedOperationError, match=r"text of a ValueError with traced values in it at .*e\.args"):
        lj.jit(g)(1.0)


# ---- what it costs
def test_what_is_not_handled_is_not_tested() -> None:
    def f(x: Any, i: int) -> Any:
        try:
            return math.sqrt(x[i]) / x[0]
        except KeyError:
            return 0.0

    def g(x: Any, i: int) -> Any:
        return math.sqrt(x[i]) / x[0]

    x = np.ones(3)
    lines = [lj.jit(h).inspect(x, 1).graph.count("\n") for h in (f, g)]
    assert lines[0] == lines[1]


def test_bounds_that_are_known_need_no_handler() -> None:
    def f(x: Any) -> Any:
        s = 0.0
        for i in range(len(x)):
            try:
                s += x[i]
            except IndexError:
                s = -1.0
        return s

    assert lj.jit(f)(np.arange(4.0)) == 6.0
    assert "branch" not in lj.jit(f).inspect(np.ones(3)).graph  # it is a sum


# ---- what cannot be told
def around_a_program(a: Any) -> Any:
    try:
        return np.sum(np.linalg.pinv(a))
    except np.linalg.LinAlgError:
        return 0.0


def around_a_callback(x: float) -> float:
    try:
        return lj.callback(lambda v: v, float, x)
    except ValueError:
        return 0.0


def test_what_a_handler_cannot_be_told() -> None:
    with pytest.raises(
        errors.UnsupportedSyntaxError,
        match=r"in around_a_callback handles exceptions.*those of `<lambda>`, called back.*outside of the `try`",
    ):
        lj.jit(around_a_callback)(1.0)
    with pytest.raises(errors.UnsupportedSyntaxError, match=r"in around_a_program handles LinAlgError.*`pinv` raises.*with `if` before"):
        lj.jit(around_a_program)(GOOD)


def test_a_finally_of_a_path_that_ends_changes_nothing_elsewhere() -> None:
    def f(p: float, n: int) -> float:
        for i in range(n):
            try:
                if i > 5:
                    raise Bad(p)
                assert i < 7
            finally:
                p *= 2.0
        return p

    for options in ({}, {"backend": "python"}):
        assert lj.jit(f, **options)(1.5, 3) == 12.0
        with pytest.raises(Bad):
            lj.jit(f, **options)(1.5, 7)
    assert lj.jit(lj.grad(f))(1.5, 3) == 8.0


def test_a_finally_that_raises_itself() -> None:
    def f(x: float, y: float) -> float:
        try:
            try:
                x = check(x)
            finally:
                x = x + 1.0 / y
        except ZeroDivisionError:
            return 5.0 * x
        except Bad as e:
            return e.v
        return x

    for args in ((4.0, 2.0), (4.0, 0.0), (-4.0, 2.0), (-4.0, 0.0)):
        for options in ({}, {"backend": "python"}):
            assert lj.jit(f, **options)(*args) == f(*args), args


def test_a_handler_may_write_into_what_the_library_raises() -> None:
    def f(x: float) -> float:
        try:
            return math.sqrt(x)
        except ValueError as e:
            e.extra = 2.0 * x  # type: ignore[attr-defined]
            return e.extra  # type: ignore[attr-defined,no-any-return]

    g = lj.jit(f)
    assert [g(x) for x in (4.0, -3.0, -3.0)] == [2.0, -6.0, -6.0]
    assert lj.jit(lj.grad(f))(-3.0) == 2.0
    for x in (4.0, -3.0):
        assert lj.jit(lambda x: f(x) + f(-x))(x) == f(x) + f(-x)
