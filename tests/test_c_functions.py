"""Compiled functions for callers in C: ctypes, SciPy's LowLevelCallable, Numba, and shared libraries without Python."""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import LowLevelCallable, integrate, special

import lantern_jit as lj

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="no C compiler")


def bell(x: float) -> float:
    return math.exp(-x * x)


def weighted(x: float, a: Any) -> Any:
    s = 0.0
    for i in range(len(a)):
        s += x * a[i] * a[i]
    return s


def nth(a: Any, i: int) -> Any:
    return a[i]


def down(n: int, x: float) -> float:
    return x if n <= 0 else down(n - 1, x * 0.5) + 1.0


def endless(n: int, x: float) -> float:
    return endless(n + 1, x) * 0.5 + x if n > -1 else x


# ---- in this process
def test_scalars_by_value() -> None:
    f = lj.jit(bell)
    assert f.ctypes(0.5) == bell(0.5)
    assert f.address == ctypes.cast(f.ctypes, ctypes.c_void_p).value
    slope = lj.jit(lj.grad(bell))
    assert slope.ctypes(0.5) == pytest.approx(-2 * 0.5 * bell(0.5))


def test_every_scalar_type() -> None:
    both = lj.jit(lambda x, n, b: x * n if b else x)
    c = both.lower(np.float32(2), 3, True)
    assert c.prototype == "float f(float x0, int64_t x1, bool x2)"
    assert (c.ctypes(1.5, 3, True), c.ctypes(1.5, 3, False)) == (4.5, 1.5)
    assert lj.jit(lambda n: n + 1).lower(1).ctypes(2**62) == 2**62 + 1
    positive = lj.jit(lambda x: x > 0).lower(1.0)
    assert (positive.ctypes(2.0), positive.ctypes(-2.0)) == (True, False)


def test_arrays_are_pointers_and_sizes() -> None:
    a = np.arange(4.0)
    c = lj.jit(weighted).lower(2.0, a)
    assert c.prototype == "double f(double x0, const double *x1, int64_t x1_n0)"
    assert c.ctypes(2.0, a, 4) == 28.0
    assert c.ctypes(2.0, a, 2) == 2.0


def test_array_results_go_to_buffers() -> None:
    a, out = np.arange(4.0), np.full(4, np.nan)
    gradient = lj.jit(lj.grad(weighted, 1)).lower(2.0, a)
    assert gradient.prototype == "int32_t f(double x0, const double *x1, int64_t x1_n0, double *result0, int64_t result0_n0)"
    assert gradient.ctypes(2.0, a, 4, out, 4) == 0
    np.testing.assert_array_equal(out, 4 * a)
    with pytest.raises(lj.errors.LanternError, match="a result has size 4, and its buffer 3"):
        gradient.ctypes(2.0, a, 4, out, 3)
    assert gradient.ctypes(2.0, a, 4, out, 4) == 0


def test_captured_arrays() -> None:
    table = np.array([1.0, 10.0, 100.0])
    look = lj.jit(lambda x, i: x * table[i])
    assert look.lower(1.0, 0).ctypes(2.0, 2) == 200.0


def test_faults_raise_from_ctypes_and_are_nan_elsewhere() -> None:
    a = np.arange(3.0)
    c = lj.jit(nth).lower(a, 0)
    with pytest.raises(IndexError, match="index 7 is out of bounds for axis 0 with size 3"):
        c.ctypes(a, 3, 7)
    assert c.ctypes(a, 3, 2) == 2.0
    plain = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(c.address)
    assert math.isnan(plain(a.ctypes.data, 3, 7))
    assert plain(a.ctypes.data, 3, 1) == 1.0
    assert math.isnan(plain(a.ctypes.data, 3, 7))
    assert c.ctypes(a, 3, 0) == 0.0  # the fault before was another caller's
    assert math.isnan(c.ctypes(np.array([math.nan]), 1, 0))


def test_which_signature() -> None:
    f = lj.jit(lambda x: x + x)
    assert (f(1), f(1.5)) == (2, 3.0)
    with pytest.raises(TypeError, match=r"compiled for 2 signatures: choose one with .lower"):
        _ = f.ctypes
    assert f.lower(1).ctypes(5) == 10


def test_low_level_callable() -> None:
    value, error = integrate.quad(LowLevelCallable(lj.jit(bell).ctypes), -8.0, 8.0)
    assert value == pytest.approx(math.sqrt(math.pi), abs=max(error, 1e-12))


def test_from_numba() -> None:
    numba = pytest.importorskip("numba")
    c = lj.jit(bell).ctypes

    @numba.njit  # type: ignore[untyped-decorator]
    def total(n: int) -> float:
        s = 0.0
        for i in range(n):
            s += c(0.1 * i)
        return s

    assert total(20) == pytest.approx(sum(bell(0.1 * i) for i in range(20)))


def test_many_threads_without_the_lock() -> None:
    """ctypes lets go of the GIL: every thread is on a native stack of its own."""
    c = lj.jit(down).lower(1, 1.0).ctypes
    expected = down(400, 1.0)
    found: list[float] = []
    threads = [threading.Thread(target=lambda: found.extend(c(400, 1.0) for _ in range(200))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [expected] * 1600


# ---- as a library
def build_and_run(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """The generated example, compiled with every warning an error, and what it prints."""
    example = folder / f"{name}_example"
    command = ["cc", "-Wall", "-Wextra", "-Werror", f"{example}.c", "-o", str(example), f"-L{folder}", f"-l{name}", "-Wl,-rpath,$ORIGIN"]
    subprocess.run(command, check=True, capture_output=True)
    return subprocess.run([str(example)], check=False, capture_output=True, text=True, env={})


def numbers(text: str) -> list[float]:
    return [float(x) for x in text.split()]


@needs_compiler
def test_export_of_a_gradient(tmp_path: Path) -> None:
    a = np.array([0.25, 0.5, 0.75])
    out = lj.export(lj.value_and_grad(weighted, 1), [2.0, a], "weighted", tmp_path)
    assert out.prototype in out.header.read_text()
    value, slope = lj.value_and_grad(weighted, 1)(2.0, a)
    assert numbers(build_and_run(tmp_path, "weighted").stdout) == [value, *slope]


@needs_compiler
@pytest.mark.parametrize(
    ("types", "f"),
    [
        ([float], bell),
        (["f32"], bell),
        (["f64", "i64[:]"], lambda x, n: x * n[0] + n[len(n) - 1]),
        (["f32[:, :]", bool], lambda a, b: a[1, 2] if b else a[0, 0]),
        ([(float, {"k": float})], lambda p: p[0] * p[1]["k"]),
    ],
    ids=["float", "f32", "ints", "matrix", "containers"],
)
def test_export_of_types(tmp_path: Path, types: list[Any], f: Any) -> None:
    lj.export(f, types, "it", tmp_path)
    done = build_and_run(tmp_path, "it")
    assert done.returncode == 0, done.stderr
    values = {
        "float": 0.5, "f32": np.float32(0.5), "f64": 0.5, "i64[:]": np.array([1, 0, 1]), bool: True, float: 0.5,
        "f32[:, :]": (np.arange(1, 10).reshape(3, 3) / 4).astype(np.float32),
    }  # fmt: skip
    args = [(0.5, {"k": 0.5}) if isinstance(t, tuple) else values[t] for t in types]
    assert numbers(done.stdout) == [pytest.approx(float(lj.jit(f)(*args)), rel=1e-7)]


@needs_compiler
def test_an_exported_library_reports_errors_and_goes_on(tmp_path: Path) -> None:
    def picky(a: Any, i: int) -> Any:
        if i == 2:
            raise ValueError("two is not allowed")
        return a[i]

    out = lj.export(picky, ["f64[:]", 1], "picky", tmp_path)
    f = ctypes.CDLL(str(out.library)).picky
    a, result, message = np.arange(1.0, 4.0), ctypes.c_double(), ctypes.create_string_buffer(200)

    def call(i: int) -> tuple[int, float, str]:
        pointer, n = ctypes.c_void_p(a.ctypes.data), ctypes.c_int64(3)
        status = f(pointer, n, ctypes.c_int64(i), ctypes.byref(result), message, ctypes.c_int64(200))
        return status, result.value, message.value.decode()

    assert call(1)[:2] == (0, 2.0)
    status, _, text = call(9)
    assert status == 1
    assert text.startswith("index 9 is out of bounds for axis 0 with size 3  [")
    assert "in picky" in text
    status, _, text = call(2)
    assert status == 10
    assert "two is not allowed" in text
    assert call(0)[:2] == (0, 1.0)
    assert f(ctypes.c_void_p(a.ctypes.data), ctypes.c_int64(3), ctypes.c_int64(9), ctypes.byref(result), None, ctypes.c_int64(0)) == 1


@needs_compiler
def test_an_exported_recursion_without_an_end(tmp_path: Path) -> None:
    out = lj.export(endless, [int, float], "endless", tmp_path, stack_mib=64)
    f = ctypes.CDLL(str(out.library)).endless
    result, message = ctypes.c_double(), ctypes.create_string_buffer(300)
    for _ in range(3):
        assert f(ctypes.c_int64(0), ctypes.c_double(1.0), ctypes.byref(result), message, ctypes.c_int64(300)) == 2
        assert message.value.decode().startswith("the native stack of 64 MiB ended in `endless` after about ")


@needs_compiler
def test_an_exported_library_shows_one_function_and_needs_no_python(tmp_path: Path) -> None:
    out = lj.export(lj.grad(down, 1), [int, float], "down", tmp_path)
    if shutil.which("nm") is None:
        pytest.skip("no nm")
    shown = subprocess.run(["nm", "-D", "--defined-only", str(out.library)], check=True, capture_output=True, text=True).stdout
    assert [line.split()[-1] for line in shown.splitlines()] == ["down"]
    needed = subprocess.run(["nm", "-D", "--undefined-only", str(out.library)], check=True, capture_output=True, text=True).stdout
    assert "Py" not in needed


@needs_compiler
def test_export_of_int32_arrays(tmp_path: Path) -> None:
    n = np.array([3, -1, 2**31 - 1], np.int32)
    out = lj.export(lambda n, k: np.sum(n) * k, [n, np.int32], "total", tmp_path)
    assert out.prototype.startswith("int32_t total(const int32_t *x0, int64_t x0_n0, int64_t x1, int64_t *result0")
    assert numbers(build_and_run(tmp_path, "total").stdout) == [2.0 * (2 + 2**31 - 1)]
    lj.export(lambda n: n + n, ["i32[:]"], "doubled", tmp_path)
    assert numbers(build_and_run(tmp_path, "doubled").stdout) == [2.0, 0.0, 2.0]


def scaled(a: Any, b: Any) -> Any:
    return np.sum(np.tanh(a @ b))


PRODUCTS: dict[str, tuple[Any, tuple[tuple[int, ...], ...]]] = {
    "small": (scaled, ((3, 4), (4, 2))),
    "large": (scaled, ((31, 40), (40, 17))),
    "transposed": (lambda a, b: scaled(a.T, b.T), ((40, 31), (17, 40))),
    "slopes": (lj.grad(scaled, (0, 1)), ((31, 41), (41, 17))),
    "slopes of transposed": (lj.grad(lambda a, b: scaled(a.T, b.T), (0, 1)), ((40, 31), (17, 40))),
    "of a vector": (lambda a, b: a @ b, ((90, 61), (61,))),
    "empty": (lambda a, b: a @ b + 1.0, ((3, 0), (0, 5))),
}


@needs_compiler
@pytest.mark.parametrize(
    ("kind", "dtype"), [*((k, np.float64) for k in PRODUCTS), ("large", np.float32), ("slopes of transposed", np.float32)]
)
def test_export_of_products_without_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, dtype: Any) -> None:
    monkeypatch.setenv("LANTERN_BLAS", "-lnobody-has-this")
    f, shapes = PRODUCTS[kind]
    g = np.random.default_rng(1)
    args = [g.normal(size=s).astype(dtype) for s in shapes]
    assert lj.export(f, args, "product", tmp_path).blas == ""
    found = numbers(build_and_run(tmp_path, "product").stdout)
    wanted = f(*args)
    flat = np.concatenate([np.ravel(x) for x in (wanted if isinstance(wanted, tuple) else (wanted,))])
    tolerance = 1e-12 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(found, flat, rtol=tolerance, atol=tolerance)


OUR_LAPACK = """
void dgemm_(void) { __builtin_trap(); }
void dgetrf_(int *m, int *n, double *a, int *lda, int *p, int *info) { p[0] = 1; p[1] = 2; *info = 0; }
void dgetrs_(char *t, int *n, int *k, double *a, int *lda, int *p, double *b, int *ldb, int *info) {
    double d = a[0] * a[3] - a[1] * a[2], right = *t == 'T' ? a[1] : a[2], left = *t == 'T' ? a[2] : a[1];
    for (int j = 0; j < *k; j++) {
        double x = b[j * *ldb], y = b[j * *ldb + 1];
        b[j * *ldb] = (a[3] * x - right * y) / d;
        b[j * *ldb + 1] = (a[0] * y - left * x) / d;
    }
    *info = 0;
}
"""


@needs_compiler
def test_export_with_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A LAPACK of two routines, which solves systems of two equations."""
    (tmp_path / "lapack.c").write_text(OUR_LAPACK)
    subprocess.run(["cc", "-shared", "-fPIC", str(tmp_path / "lapack.c"), "-o", str(tmp_path / "libour.so")], check=True)
    monkeypatch.setenv("LANTERN_BLAS", f"-L{tmp_path} -lour -Wl,-rpath,{tmp_path}")
    a, b = np.array([[3.0, 1.0], [2.0, 5.0]]), np.array([1.0, -2.0])
    f = lj.grad(lambda a, b: np.sum(np.linalg.solve(a, b) ** 2), (0, 1))
    out = lj.export(f, [a, b], "solution", tmp_path)
    assert out.blas == f"-L{tmp_path} -lour -Wl,-rpath,{tmp_path}"
    assert out.blas in out.header.read_text()
    found = numbers(build_and_run(tmp_path, "solution").stdout)
    np.testing.assert_allclose(found, np.concatenate([np.ravel(x) for x in f(a, b)]), rtol=1e-12)


@needs_compiler
def test_export_of_linear_algebra_without_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANTERN_BLAS", "-lnobody-has-this")
    message = r"`inverse` uses dgetrf, dgetrs of LAPACK and BLAS, and none was found: install .*libopenblas-dev"
    with pytest.raises(lj.errors.CompilationError, match=message):
        lj.export(np.linalg.inv, ["f64[:, :]"], "inverse", tmp_path)
    assert list(tmp_path.iterdir()) == []


NAMES = """int double while restrict bool true nullptr typeof class namespace template and main printf malloc sin exp y0 read remove stdin
errno size_t int64_t uint_fast8_t NULL NAN assert _Bool _x __x message result0 x1 x1_n0 status c m lantern_take 1x é"""


@pytest.mark.parametrize("name", ["", "a b", "a-b", "a\n", *NAMES.split()])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"a function of C cannot be called .*: this .* Choose another name"):
        lj.export(bell, [float], name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [None, 3, b"f", ["f"]])
def test_names_that_are_no_strings(tmp_path: Path, name: Any) -> None:
    with pytest.raises(TypeError, match="this is no string"):
        lj.export(bell, [float], name, tmp_path)


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ("f64", "give a list with one entry for each argument"), (None, "give a list with one entry"),
        ([], "types has 0 entries, and `it` is called as it"), ([float, float], "types has 2 entries"),
        (["i32"], r'only arrays have elements of this type \("i32\[:\]"\)'), (["f64[3]"], "write f64, f32, i64 or bool"),
        (["f64[:"], "write f64"), (["complex"], "write f64"), ([complex], "give float, int, bool"), ([np.complex128], "give float, int, bool"),
        ([str], "give float, int"), ([np.dtype("c16")], "give float, int"), ([object()], "type 0 of `it` is"), ([1j], "type 0 of `it` is"),
        ([None], "one entry for each argument"),
    ],
)  # fmt: skip
def test_types_that_are_refused(tmp_path: Path, types: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        lj.export(bell, types, "it", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"export\(\) takes a function, not int 3"):
        lj.export(3, [float], "three", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r'write f64, f32, i64 or bool, for arrays as in "f64\[:\]"'):
        lj.export(bell, ["f65"], "bell", tmp_path)
    with pytest.raises(ValueError, match="stack_mib=1"):
        lj.export(bell, [float], "bell", tmp_path, stack_mib=1)
    with pytest.raises(lj.errors.UnsupportedOperationError, match=r"uses gammaln, psi of scipy.special"):
        lj.export(lj.grad(lambda x: special.gammaln(x)), [float], "slope", tmp_path)
    with pytest.raises(TypeError, match="give example values instead of types"):
        lj.export(lambda a, i: (a[i], np.zeros(3)), ["f64[:]", 77], "sizes", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_linker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", str(tmp_path / "nothing"))
    with pytest.raises(lj.errors.CompilationError, match="cannot run"):
        lj.export(bell, [float], "bell", tmp_path)
