"""Result dtypes and values beside NumPy's: each function with each pair of dtypes, one program a pair.

A result may be wider where NumPy's is of 8 or 16 bits, and a scalar of int32 is an int64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lantern_jit as lj
from lantern_jit import errors

from .support import both, interpret

VALUES: dict[str, Any] = {
    "bool": np.array([True, False, True]), "int32": np.array([3, -2, 7], np.int32), "int64": np.array([2, 5, -3]), "float32": np.array([0.5, 1.5, -2.5], np.float32),
    "float64": np.array([1.25, -0.5, 3.0]), "python int": 3, "python float": 2.5, "python bool": True, "np.bool_": np.bool_(True), "np.int64": np.int64(4), "np.float32": np.float32(1.5),
}  # fmt: skip
WIDER = {np.dtype("i1"): np.dtype("i8"), np.dtype("f2"): np.dtype("f8")}


def _numpy(name: str) -> Callable[..., Any]:
    return lambda *xs: getattr(np, name)(*xs)


def _updated(x: Any, y: Any, update: Callable[[Any, Any], Any]) -> Any:
    z = np.copy(x)
    update(z, y)
    return z


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    **{n: _numpy(n) for n in (
        "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "fmod", "power", "float_power", "greater", "equal", "less_equal", "logical_and", "logical_xor",
        "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "maximum", "minimum", "fmax", "hypot", "logaddexp", "arctan2", "copysign", "heaviside", "ldexp",
        "outer", "dot", "inner", "kron", "append", "isclose")},
    "+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y, "/": lambda x, y: x / y, "//": lambda x, y: x // y, "%": lambda x, y: x % y, "**": lambda x, y: x**y,
    "&": lambda x, y: x & y, "|": lambda x, y: x | y, "^": lambda x, y: x ^ y, "<": lambda x, y: x < y, "==": lambda x, y: x == y,
    "where": lambda x, y: np.where(np.array([True, False, True]), x, y), "hstack": lambda x, y: np.hstack([x, y]), "stack of pairs": lambda x, y: np.array([x + x, x]),
}  # fmt: skip
IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "+=": lambda x, y: _updated(x, y, lambda z, y: z.__iadd__(y)), "-=": lambda x, y: _updated(x, y, lambda z, y: z.__isub__(y)), "*=": lambda x, y: _updated(x, y, lambda z, y: z.__imul__(y)),
    "/=": lambda x, y: _updated(x, y, lambda z, y: z.__itruediv__(y)), "|=": lambda x, y: _updated(x, y, lambda z, y: z.__ior__(y)), "[...] =": lambda x, y: _updated(x, y, lambda z, y: z.__setitem__(..., y)),
}  # fmt: skip
UNARY: dict[str, Callable[[Any], Any]] = {
    **{n: _numpy(n) for n in (
        "negative", "positive", "absolute", "fabs", "sign", "square", "logical_not", "invert", "sqrt", "exp", "arctan", "floor", "ceil", "trunc", "rint", "signbit", "isnan", "isfinite",
        "deg2rad", "sum", "prod", "mean", "var", "std", "max", "min", "argmax", "any", "all", "count_nonzero", "ptp", "cumsum", "cumprod", "median", "sort", "argsort", "diff", "ones_like",
        "zeros_like", "copy", "ravel", "flip", "nan_to_num", "round", "reciprocal", "sinc")},
    "-": lambda x: -x, "~": lambda x: ~x, "abs": lambda x: abs(x), "**2": lambda x: x**2, "**0": lambda x: x**0, "**0.5": lambda x: abs(x) ** 0.5, "sum keepdims": lambda x: np.sum(x, keepdims=True),
    "max keepdims": lambda x: np.max(x, keepdims=True), "astype int32": lambda x: x.astype(np.int32), "astype bool": lambda x: x.astype(bool), "linspace": lambda x: np.linspace(x[0] + 1, x[1] + 1, 4),
    "sum as float32": lambda x: np.sum(x, dtype=np.float32), "add.accumulate": lambda x: np.add.accumulate(x), "round(-1)": lambda x: np.round(x, -1), "of elements": lambda x: x[0] + x[2], "times": lambda x: x[0] * x[2],
}  # fmt: skip


def compare(functions: dict[str, Callable[..., Any]], *args: Any) -> None:
    """All functions that NumPy has for these arguments are one program; the others are refused."""
    expected, refused = {}, []
    with np.errstate(all="ignore"):
        for name, f in functions.items():
            try:
                expected[name] = f(*args)
            except TypeError:
                refused.append(name)
    assert expected
    for mode, found in both(lambda *args: [functions[name](*args) for name in expected], *args).items():
        for (name, wanted), x in zip(expected.items(), found, strict=True):
            what = f"{mode} {name}: {x!r} beside {wanted!r}"
            dtype = WIDER.get(np.asarray(wanted).dtype, np.asarray(wanted).dtype)
            narrow = np.ndim(wanted) == 0 and dtype == np.int32
            assert np.asarray(x).dtype == (np.int64 if narrow else dtype), what
            tolerance = 2e-3 if np.asarray(wanted).dtype == np.float16 else 1e-6 if dtype == np.float32 else 1e-12
            np.testing.assert_allclose(np.asarray(x), np.asarray(wanted), tolerance, 1e-12, err_msg=what)
    for name in refused:
        with pytest.raises(TypeError):
            interpret(functions[name], *args)


@pytest.mark.parametrize("y", VALUES)
@pytest.mark.parametrize("x", VALUES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_pairs(x: str, y: str) -> None:
    a, b = VALUES[x], VALUES[y]
    if np.ndim(a) == np.ndim(b) == 0:
        pytest.skip("two scalars are Python's or NumPy's own")
    zero, powers, whole = not np.all(b), np.any(np.asarray(b) < 0), np.asarray(b).dtype.kind in "biu"
    left_out = [
        n for n in ("floor_divide", "remainder", "fmod", "//", "%") if zero and whole and np.asarray(a).dtype.kind in "biu"
    ]  # raises here
    left_out += [n for n in ("power", "**", "left_shift", "right_shift") if powers]
    compare({n: f for n, f in BINARY.items() if n not in left_out}, a, b)
    if np.ndim(a):
        compare({n: f for n, f in IN_PLACE.items()}, a, b)


@pytest.mark.parametrize("x", [n for n, v in VALUES.items() if np.ndim(v)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_one_array(x: str) -> None:
    left_out = ["round", "reciprocal"] if x == "bool" else []
    if np.lib.NumpyVersion(np.__version__) < "2.1.0":  # which made floats of ints there
        left_out += ["floor", "ceil", "trunc"]
    compare({n: f for n, f in UNARY.items() if n not in left_out}, VALUES[x])


def test_bools_of_numpy_and_of_python() -> None:
    t = np.bool_(True)
    for found in both(lambda a, b, x: (a + b, a * b, a + True, a | b, ~a, abs(a), (x[0] > 0) + (x[1] > 0)), t, t, np.ones(2)).values():
        assert found == (True, True, True, True, False, True, True)
        assert all(isinstance(v, bool) for v in found)
    for found in both(lambda a, b, x: (a + b, a * b, -a, a - b, +a, (x > 0.0) + (x > 1.0)), True, True, 2.0).values():
        assert found == (2, 1, -1, 0, 1, 2)
        assert not any(isinstance(v, bool) for v in found)
    for f in (lambda a: -a, lambda a: +a, lambda a: a - a, np.sign):
        with pytest.raises(TypeError, match=r"numpy boolean|not supported"):
            lj.jit(f)(t)


def test_powers_of_bools() -> None:
    b = np.array([True, False, True])
    functions: list[Any] = [
        lambda b: b**3,
        lambda b: np.power(b, 2),
        lambda b: b ** np.array([0, 1, 2], np.int32),
        lambda b: 2**b,
        lambda b: b**2.0,
    ]
    for f in [*functions, lambda b: b**2, lambda b: b**b, np.square]:
        found, wanted = lj.jit(f)(b), f(b)
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == (wanted.dtype if f in functions else np.int64)  # where NumPy's is an int8


def test_spectra_of_single_precision() -> None:
    def f(x: Any) -> Any:
        z = np.fft.fft(x)
        return z, np.fft.rfft(x, norm="ortho"), np.fft.ifft(z), np.fft.irfft(z, 4), np.abs(z), np.fft.fft(z * 2.0)

    x = np.arange(6.0, dtype=np.float32)
    for found, wanted in zip(lj.jit(f)(x), f(x), strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


ACCUMULATED: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda x, t: np.sum(x, dtype=t),
    "sum along": lambda x, t: np.sum(x.reshape(2, 3), axis=0, dtype=t, keepdims=True),
    "sum from": lambda x, t: np.sum(x, dtype=t, initial=0),
    "sum of some": lambda x, t: np.sum(x, dtype=t, where=np.array([True, False] * 3)),
    "prod": lambda x, t: np.prod(x, dtype=t),
    "mean": lambda x, t: np.mean(x, dtype=t),
    "mean along": lambda x, t: x.reshape(2, 3).mean(axis=1, dtype=t),
    "cumsum": lambda x, t: np.cumsum(x, dtype=t),
    "cumsum along": lambda x, t: np.cumsum(x.reshape(2, 3), axis=0, dtype=t),
    "cumprod": lambda x, t: np.cumprod(x, dtype=t),
    "arange": lambda x, t: np.arange(len(x), dtype=t),
    "arange of constants": lambda x, t: np.arange(5, dtype=t),
    "linspace": lambda x, t: np.linspace(0, 10, 5, dtype=t),
    "linspace of values": lambda x, t: np.linspace(x[1] * 1.0, 9, 4, dtype=t),
}


@pytest.mark.parametrize("name", ACCUMULATED)
def test_what_is_added_up_in_another_dtype(name: str) -> None:
    """Sums of bools are bools where dtype= says so, and means of whole numbers are cut to one."""
    f = ACCUMULATED[name]
    arrays: list[Any] = [np.array([0.0, 2.5, -3.0, 0.0, 1.0, 4.0]), np.array([0, 2, -3, 0, 1, 4]), np.array([0, 1, 0, 0, 1, 1], bool)]
    for x in arrays:
        for t in (float, int, bool, np.float32, np.int32):
            if t is bool and ("arange" in name or "linspace" in name):
                continue
            wanted = f(x, t)
            for mode, found in both(lambda x, t=t: f(x, t), x).items():
                narrow = np.ndim(wanted) == 0 and t is np.int32
                assert np.asarray(found).dtype == (np.int64 if narrow else wanted.dtype), (mode, t)
                np.testing.assert_allclose(np.asarray(found), wanted, rtol=1e-6, err_msg=f"{mode} {t}")
        for t in (np.int8, np.uint16, np.float16):
            with pytest.raises(errors.ArgumentTypeError, match="not supported"):
                lj.jit(lambda x, t=t: f(x, t))(x)


def test_a_variance_of_whole_numbers_is_refused() -> None:
    with pytest.raises(errors.UnsupportedOperationError, match="use a dtype of floats"):
        lj.jit(lambda x: np.var(x, dtype=int))(np.arange(5))


STARTED: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: np.sum(x, initial=1.5),
    "sum along": lambda x: np.sum(x.reshape(2, 3), axis=1, initial=2.5, keepdims=True),
    "prod": lambda x: np.prod(x, initial=1.5),
    "max": lambda x: np.max(x, initial=3.7),
    "min": lambda x: np.min(x, initial=-2.5),
    "max of some": lambda x: np.max(x.reshape(3, 2), axis=0, initial=0.5, where=np.array([True, False])),
    "add.reduce": lambda x: np.add.reduce(x, initial=1.5),
    "maximum.reduce": lambda x: np.maximum.reduce(x, initial=1.5),
}


@pytest.mark.parametrize("name", STARTED)
def test_a_reduction_begins_in_its_own_dtype(name: str) -> None:
    """NumPy makes an int of an initial 1.5 where ints are added up, and True where bools are."""
    f = STARTED[name]
    for x in (np.array([0, 2, -3, 0, 1, 4]), np.array([0, 1, 0, 0, 1, 1], bool), np.array([0.5, 2, -3, 0, 1, 4], np.float32)):
        wanted = f(x)
        for mode, found in both(f, x).items():
            assert np.asarray(found).dtype == np.asarray(wanted).dtype, (mode, x.dtype)
            np.testing.assert_allclose(found, wanted, rtol=1e-6, err_msg=f"{mode} {x.dtype}")


def test_windows_of_bools_and_spaces_of_complex_numbers() -> None:
    b, c = np.array([True, False, True, True]), np.array([True, True, False])
    z, w = np.array([1 + 2j, 3 - 1j, 0.5j]), np.array([2 - 1j, 1j, 4.0 + 0j])
    rows: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (lambda b, c: np.convolve(b, c), (b, c)),
        (lambda b, c: np.correlate(b, c, "full"), (b, c)),
        (lambda z, w: np.linalg.vecdot(z, w), (z, w)),
        (lambda z, w: np.linspace(z[0], w[0], 4), (z, w)),
        (lambda z, w: np.linspace(z, w, 3, endpoint=False), (z, w)),
        (lambda z, w: np.linspace(z.real, w.real, 3, dtype=complex), (z, w)),
        (lambda z, w: np.var(z, dtype=complex) + np.std(w, dtype=complex), (z, w)),
    ]
    for f, args in rows:
        if "vecdot" in f.__code__.co_names and not hasattr(np.linalg, "vecdot"):
            continue
        wanted = f(*args)
        for mode, found in both(f, *args).items():
            assert np.asarray(found).dtype == np.asarray(wanted).dtype, mode
            np.testing.assert_allclose(found, wanted, rtol=1e-12, err_msg=mode)


def test_matrices_of_numpy_are_refused() -> None:
    for f in (np.bmat, np.asmatrix, lambda x: np.bmat([[x, x]])):
        with pytest.raises(errors.UnsupportedOperationError, match="use an array of two axes"):
            lj.jit(lambda x, f=f: f(x))(np.ones((2, 2)))


def test_ufuncs_of_kinds_that_numpy_joins() -> None:
    b, i, z = np.array([True, False]), np.array([4, -6]), np.array([1.0 + 2.0j, 2.0])
    rows: list[tuple[Any, ...]] = [
        (lambda b: np.conj(b) + np.conj(b), b),  # 2, not True
        (lambda b, i: np.gcd(b, i) + np.lcm(i, b), b, i),
        (lambda z, i: np.float_power(z, i), z, i),
        (lambda i, z: np.float_power(i, z), i, z),
        (lambda z: np.float_power(z, 0.5), z.astype(np.complex64)),
        (lambda c, x: c**x, 1.5 + 1.0j, np.array([1.0, 2.0, -0.5], np.float32)),
        (lambda x, z: x**z, 0.5, z.astype(np.complex64)),
        (lambda n, z: n**z, 2, z.astype(np.complex64)),
    ]
    for f, *args in rows:
        wanted = f(*args)
        for mode, found in both(f, *args).items():
            assert found.dtype == WIDER.get(wanted.dtype, wanted.dtype), mode
            np.testing.assert_allclose(found, wanted, rtol=1e-6 if wanted.dtype == np.complex64 else 1e-12, err_msg=mode)
    refused: list[tuple[Any, ...]] = [
        (lambda z, i: np.gcd(z, i), z, i), (lambda z, i: np.lcm(i, z), z, i), (lambda x: np.bitwise_count(x), np.ones(2)), (lambda z: np.bitwise_count(z), z),
    ]  # fmt: skip
    for f, *args in refused:
        with pytest.raises(TypeError, match=r"did not contain a loop|not supported for the input types"):
            lj.jit(f)(*args)


def test_spaces_have_the_type_of_what_is_no_python_number() -> None:
    x = np.array([1.5, 2.5], np.float32)
    rows: list[Callable[[Any], Any]] = [
        lambda x: np.linspace(x[0], 3, 3), lambda x: np.linspace(0.0, x, 3), lambda x: np.linspace(x[0], np.float64(3.0), 3),
        lambda x: np.linspace(x[0].astype(int), 3, 3), lambda x: np.logspace(x[0], 3, 3), lambda x: np.geomspace(x[0], 3.0, 3),
    ]  # fmt: skip
    for f in rows:
        wanted = f(x)
        for mode, found in both(f, x).items():
            assert found.dtype == wanted.dtype, mode
            np.testing.assert_allclose(found, wanted, rtol=1e-6, err_msg=mode)
