"""The mathematical functions: how exact, the same at every place of an array, and SIMD code for every CPU.

Errors are measured against mpmath in ulp: distances of neighbouring floats at the exact value.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import zlib
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

import lantern_jit as lj
from lantern_jit.backends.llvm.build import compile as llvm_compile
from lantern_jit.backends.llvm.build.compile import host_cpu
from lantern_jit.backends.llvm.emit.module import Emission
from lantern_jit.backends.llvm.maths import bodies as maths
from lantern_jit.backends.llvm.maths import vector_maths
from lantern_jit.backends.targets import named
from lantern_jit.backends.targets.target import Cpu
from lantern_jit.ir.core.types import F32, F64, Scalar

Floats = Any
Function = Callable[..., Any]
DTYPES: dict[Scalar, Any] = {F64: np.float64, F32: np.float32}
CPUS = {name: named(name) for name in ("x86-64-v2", "x86-64-v3", "x86-64-v4", "sapphirerapids", "znver4", "neoverse-v1", "apple-m1")}
PLAIN_X86 = CPUS["x86-64-v2"]
CALLS = {"call", "callq", "bl"}
PLAIN = host_cpu().target.cpu()  # what all CPUs of its target can do
HERE = {"plain": PLAIN, "host": host_cpu()} | (
    {"x86-64-v3": CPUS["x86-64-v3"]} if PLAIN.target is PLAIN_X86.target and host_cpu().fused else {}
)
PRECISION = 160  # bits of the exact values: more than enough beside 53

# name: NumPy's or SciPy's function, the exact one, largest error in ulp that is allowed for f64, for f32
EXACT: dict[str, tuple[Function, Function, float, float]] = {
    "exp": (np.exp, mpmath.exp, 1.1, 1.1),
    "exp2": (np.exp2, lambda x: mpmath.mpf(2) ** x, 1.3, 1.3),
    "expm1": (np.expm1, mpmath.expm1, 2.0, 2.0),
    "expit": (scipy.special.expit, lambda x: 1 / (1 + mpmath.exp(-x)), 2.2, 2.2),
    "tanh": (np.tanh, mpmath.tanh, 2.6, 2.6),
    "sinh": (np.sinh, mpmath.sinh, 2.4, 2.4),
    "cosh": (np.cosh, mpmath.cosh, 1.6, 1.6),
    "log": (np.log, mpmath.log, 0.8, 0.8),
    "log2": (np.log2, lambda x: mpmath.log(x) / mpmath.log(2), 0.9, 0.9),
    "log10": (np.log10, mpmath.log10, 0.9, 0.9),
    "log1p": (np.log1p, mpmath.log1p, 0.8, 0.8),
    "asinh": (np.arcsinh, mpmath.asinh, 1.6, 1.6),
    "acosh": (np.arccosh, mpmath.acosh, 2.0, 2.0),
    "atanh": (np.arctanh, mpmath.atanh, 1.7, 1.7),
    "cbrt": (np.cbrt, lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), 2.5, 1.2),  # a subnormal's is the C library's
    "sin": (np.sin, mpmath.sin, 2.2, 1.7),
    "cos": (np.cos, mpmath.cos, 2.2, 1.7),
    "tan": (np.tan, mpmath.tan, 3.0, 2.8),
    "atan": (np.arctan, mpmath.atan, 2.4, 2.4),
    "asin": (np.arcsin, mpmath.asin, 2.4, 2.4),
    "acos": (np.arccos, mpmath.acos, 1.4, 1.4),
    "erf": (scipy.special.erf, mpmath.erf, 1.8, 2.5),
    "erfc": (scipy.special.erfc, lambda x: mpmath.erfc(x) if abs(x) < 40 else mpmath.mpf(0 if x > 0 else 2), 3.0, 3.2),
    "pow": (np.power, mpmath.power, 1.2, 1.2),
    "hypot": (np.hypot, mpmath.hypot, 2.0, 2.0),
    "atan2": (np.arctan2, mpmath.atan2, 2.4, 2.4),
}


def public(name: str) -> Function:
    """The function of that name as a program: np.exp by its attribute, as users write it."""
    f = EXACT[name][0]
    return (lambda x, y: f(x, y)) if maths.BODIES[name][0] == 2 else (lambda x: f(x))


SLOPES = ("tanh_slope", "expit_slope")  # derivatives, whose errors tests/test_accuracy.py measures


def test_every_function_is_tested() -> None:
    assert {*EXACT, *SLOPES} == set(maths.BODIES)


@pytest.mark.parametrize("f", [np.tanh, scipy.special.expit], ids=["tanh", "expit"])
def test_a_slope_is_the_same_at_every_place(f: Function) -> None:
    """Beside elements that need the other formula, in remainders of loops, and alone."""
    x = np.random.default_rng(3).normal(size=41) * 3
    slopes = lj.jit(lj.grad(lambda x: np.sum(f(x))))
    whole, alone = slopes(x), lj.jit(lj.grad(lambda x: f(x)))
    assert [alone(v) for v in x] == list(whole)
    for n in range(1, 41):
        np.testing.assert_array_equal(slopes(x[:n]), whole[:n])


# ---- arguments
def arguments(name: str, t: Scalar) -> list[Floats]:
    """All over the domain of a function, and its edges: subnormal, near 0 and 1, around overflow and underflow, huge."""
    r = np.random.default_rng(zlib.crc32(name.encode()))
    info = np.finfo(DTYPES[t])
    least, most, top = float(info.smallest_subnormal), float(info.max), math.log(float(info.max))

    def sizes(a: float, b: float, n: int = 150) -> Floats:
        return np.exp(r.uniform(math.log(a), math.log(b), n))

    def even(a: float, b: float, n: int = 250) -> Floats:
        return r.uniform(a, b, n)

    one = 1.0 + r.choice([-1, 1], 100) * sizes(float(info.eps) / 2, 1e-3, 100)
    whole = {
        "exp": [even(-top * 1.06, top * 1.01), even(-1, 1)], "exp2": [even(-1080 if t == F64 else -151, 1024 if t == F64 else 128), even(-1, 1)],
        "expm1": [even(-40, top), even(-1, 1)], "expit": [even(-top * 1.04, 40), even(-4, 4)], "tanh": [even(0, 22), even(-1, 1)],
        "sinh": [even(-top - 0.7, top + 0.7), even(-2, 2)], "cosh": [even(-top - 0.7, top + 0.7), even(-2, 2)],
        "log": [sizes(least, most, 250), even(0.3, 3), one], "log1p": [even(-0.999, 3), sizes(1e-3, most)],
        "asinh": [sizes(1e-3, most), even(-3, 3)], "acosh": [1 + sizes(1e-6, 10), sizes(1.01, most), one], "atanh": [even(-1, 1), one],
        "cbrt": [sizes(least, most), even(-8, 8)], "sin": [even(-7, 7), sizes(1, 3e6), sizes(1e5, most, 60), np.arange(1, 200) * math.pi / 2],
        "atan": [even(-3, 3), sizes(1e-3, most)], "asin": [even(-1, 1), one], "erf": [even(-6.5, 6.5), even(-1, 1)],
        "erfc": [even(-7, 28 if t == F64 else 10.4), even(-1, 2)],
    }  # fmt: skip
    whole["log2"] = whole["log10"] = whole["log"]
    whole["cos"] = whole["tan"] = whole["sin"]
    whole["acos"] = whole["asin"]
    if maths.BODIES[name][0] == 2:
        x, y = two_arguments(name, sizes, even, one, least, most, top)
        return [x.astype(DTYPES[t]), y.astype(DTYPES[t])]
    edges = [
        0.0,
        least,
        float(info.tiny),
        float(info.tiny) * 0.7,
        0.5,
        1.0,
        math.sqrt(0.5),
        math.pi / 4,
        1e5,
        1e22,
        most,
        top,
        top + 0.69,
        top * 1.05,
    ]
    small = r.choice([-1, 1], 80) * sizes(4 * least, 1e-3, 80)
    x = np.concatenate([*whole[name], small, edges, np.negative(edges)])
    with np.errstate(over="ignore"):
        return [x[np.abs(x) <= most].astype(DTYPES[t])]


def two_arguments(name: str, sizes: Function, even: Function, one: Floats, least: float, most: float, top: float) -> tuple[Floats, Floats]:
    if name != "pow":
        x = np.concatenate([sizes(least, most), even(-3, 3), even(-1, 1)])
        y = np.concatenate([sizes(least, most) * np.resize([1, -1], 150), even(-3, 3), even(-1, 1) * x[-250:]])
        return x, y
    x = np.concatenate([sizes(least, most), even(0.5, 2), one, sizes(0.01, 100), -sizes(0.1, 10)])
    y = np.concatenate(
        [
            even(-2, 2, 150),
            even(-1, 1) * top / np.abs(np.log(x[150:400])),
            sizes(1, 1e10, 100),
            even(-150, 150, 150),
            np.rint(even(-30, 30, 150)),
        ]
    )
    return x, y


# ---- errors
def error_in_ulp(value: float, exact: Any, t: Scalar) -> float:
    """The distance of `value` from the exact one; beyond the largest float, infinity is right."""
    digits, lowest, most = (53, -1074, np.finfo(np.float64).max) if t == F64 else (24, -149, np.finfo(np.float32).max)
    ulp = mpmath.ldexp(1, max(mpmath.frexp(exact)[1] - digits, lowest)) if exact else mpmath.ldexp(1, lowest)
    if math.isinf(value):
        return 0.0 if abs(exact) > float(most) - ulp and (exact > 0) == (value > 0) else math.inf
    return math.inf if math.isnan(value) else float(abs(value - exact) / ulp)


def worst(name: str, t: Scalar, values: Floats, xs: list[Floats]) -> tuple[float, Any]:
    """The largest error and its argument."""
    found: tuple[float, Any] = (0.0, None)
    with mpmath.workprec(PRECISION):
        for value, args in zip(values.tolist(), zip(*(x.tolist() for x in xs), strict=True), strict=True):
            try:
                exact = EXACT[name][1](*map(mpmath.mpf, args))
            except (ZeroDivisionError, ValueError):
                continue  # at the edge of the domain: test_edges_are_those_of_c
            if isinstance(exact, mpmath.mpf) and mpmath.isfinite(exact):
                found = max(found, (error_in_ulp(value, exact, t), args), key=lambda pair: pair[0])
    return found


def compiled_for(name: str, t: Scalar, cpu: Cpu) -> Function:
    """The scalar function of the code for a CPU, on arrays, if this machine can run it."""
    one = "double" if t == F64 else "float"
    arity = maths.BODIES[name][0]
    given = ", ".join([f"{one} %a{i}" for i in range(arity)])
    loads = "\n".join(f" %p{i} = getelementptr {one}, ptr %x{i}, i64 %i\n %a{i} = load {one}, ptr %p{i}" for i in range(arity))
    loop = f"""
define void @run(ptr %x0, ptr %x1, ptr %y, i64 %n) {{
entry:
 br label %next
next:
 %i = phi i64 [0, %entry], [%i1, %next]
{loads}
 %z = call {one} @{vector_maths.symbol(name, t)}({given})
 %q = getelementptr {one}, ptr %y, i64 %i
 store {one} %z, ptr %q
 %i1 = add i64 %i, 1
 %more = icmp ult i64 %i1, %n
 br i1 %more, label %next, label %done
done:
 ret void
}}
"""
    target = llvm_compile.target_machine(cpu)
    module = llvm_compile.parse(vector_maths.module_text([(name, t)], cpu) + loop)
    llvm_compile.optimise(module, target, [], False)
    loaded = llvm_compile.load(bytes(target.emit_object(module)))
    p = ctypes.c_void_p
    function = ctypes.CFUNCTYPE(None, p, p, p, ctypes.c_int64)(loaded.address("run"))

    def run(*xs: Floats) -> Floats:
        assert loaded
        y = np.empty_like(xs[0])
        function(xs[0].ctypes.data, xs[-1].ctypes.data, y.ctypes.data, len(y))
        return y

    return run


@pytest.mark.parametrize("t", [F64, F32], ids=["f64", "f32"])
@pytest.mark.parametrize("name", EXACT)
def test_errors_in_ulp(name: str, t: Scalar) -> None:
    """Through the library on this CPU, and as made for CPUs with and without a fused multiply-add."""
    xs = arguments(name, t)
    allowed = EXACT[name][2 if t == F64 else 3]
    error, where = worst(name, t, lj.jit(public(name))(*xs), xs)
    assert error <= allowed, where
    if host_cpu().fused != PLAIN.fused:
        error, where = worst(name, t, compiled_for(name, t, PLAIN)(*xs), xs)
        assert error <= allowed, where


@pytest.mark.parametrize("cpu", HERE)
@pytest.mark.parametrize("t", [F64, F32], ids=["f64", "f32"])
@pytest.mark.parametrize("name", EXACT)
def test_edges_are_those_of_c(name: str, t: Scalar, cpu: str) -> None:
    """Zeros with their signs, infinities, NaN, arguments outside the domain, odd and even powers."""
    dtype = DTYPES[t]
    positive = [0.0, 5e-324 if t == F64 else 1e-45, 0.5, 1.0, 1.5, 2.0, 3.0, 2.0**53, 2.0**53 + 2, 1e22, math.inf, math.nan]
    edges = np.array([*positive, *np.negative(positive)], dtype)
    xs = [edges]
    if maths.BODIES[name][0] == 2:
        xs = [np.array(column, dtype) for column in zip(*itertools.product(edges, edges), strict=True)]
    got = compiled_for(name, t, HERE[cpu])(*xs)
    with np.errstate(all="ignore"):
        wanted = EXACT[name][0](*xs)
    special = ~np.isfinite(wanted) | (wanted == 0.0)
    for x in zip(got[special], wanted[special], *(x[special] for x in xs), strict=True):
        assert (math.isnan(x[0]) and math.isnan(x[1])) or (x[0] == x[1] and np.signbit(x[0]) == np.signbit(x[1])), x
    np.testing.assert_allclose(got[~special], wanted[~special], rtol=8 * np.finfo(dtype).eps, atol=2 * np.finfo(dtype).smallest_subnormal)


def test_powers_of_the_base_have_exact_logarithms() -> None:
    tens = np.array([float(f"1e{k}") for k in range(23)])
    assert lj.jit(lambda x: np.log10(x))(tens).tolist() == list(range(23))
    twos = np.ldexp(1.0, np.arange(-1074, 1024))
    assert lj.jit(lambda x: np.log2(x))(twos).tolist() == list(range(-1074, 1024))
    assert lj.jit(lambda x: np.exp2(x))(np.arange(-1074.0, 1024.0)).tolist() == twos.tolist()
    assert lj.jit(lambda x: np.cos(x) + np.exp(x) + np.cosh(x))(0.0) == 3.0


# ---- one value for one argument
def bits(x: Floats) -> list[int]:
    return np.ascontiguousarray(x).view(np.int64 if x.dtype == np.float64 else np.int32).tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("t", [F64, F32], ids=["f64", "f32"])
@pytest.mark.parametrize("name", EXACT)
def test_a_value_does_not_depend_on_its_place(name: str, t: Scalar) -> None:
    """Arrays of 1 to 40 elements, each place of them, a scalar in straight code, and every variant by itself."""
    everything = arguments(name, t)
    xs = [x[:: max(len(x) // 40, 1)][:40].copy() for x in everything]
    f = lj.jit(public(name))
    whole = bits(f(*xs))
    for n in range(1, 41):
        assert bits(f(*(x[40 - n :] for x in xs))) == whole[40 - n :], n
    assert [bits(np.asarray(f(*args), DTYPES[t]).reshape(1))[0] for args in zip(*xs, strict=True)] == whole
    straight = lj.jit(lambda *args: [f(*args[i::8]) for i in range(8)])
    packed = straight(*(x[i] for x in xs for i in range(8)))
    assert [bits(np.asarray(z, DTYPES[t]).reshape(1))[0] for z in packed] == whole[:8]
    assert bits(compiled_for(name, t, host_cpu())(*xs)) == whole


def test_a_value_in_a_loop_and_in_a_kernel() -> None:
    def loop(a: Floats) -> Floats:
        out = np.zeros(len(a))
        for i in range(len(a)):
            out[i] = math.sin(a[i]) * math.exp(-a[i])
        return out

    a = np.linspace(-3.0, 3.0, 37)
    assert bits(lj.jit(loop)(a)) == bits(lj.jit(lambda a: np.sin(a) * np.exp(-a))(a))


# ---- code for every CPU, not run
@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("t", [F64, F32], ids=["f64", "f32"])
@pytest.mark.parametrize("name", EXACT)
def test_loops_call_a_variant(name: str, t: Scalar, cpu: str) -> None:
    """The machine code of a whole-array program calls a variant for several elements, whatever width LLVM prefers."""
    xs = [np.ones(100, DTYPES[t])] * maths.BODIES[name][0]
    specialisation, _ = lj.jit(public(name))._dispatcher.lookup(tuple(xs), {})
    text = Emission(specialisation.program, CPUS[cpu], None, -(1 << 30)).run()
    assembly = llvm_compile.optimised_texts(text, CPUS[cpu])[1]
    called = {int(n) for n in vector_calls(assembly, vector_maths.symbol(name, t))}
    assert called, "no vector call"
    assert max(called) >= (2 if t == F64 else 4)


def vector_calls(assembly: str, scalar: str) -> list[str]:
    return [
        line.split(f"{scalar}.v")[1].split("@")[0].strip('"')
        for line in assembly.splitlines()
        if set(line.split()[:1]) & CALLS and f"{scalar}.v" in line
    ]


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("t", [F64, F32], ids=["f64", "f32"])
@pytest.mark.parametrize("name", [*EXACT, *SLOPES])
def test_variants_are_vector_code(name: str, t: Scalar, cpu: str) -> None:
    """The widest variant multiplies or adds whole registers, and calls no function but the C library's of the same name."""
    assembly = llvm_compile.optimised_texts(vector_maths.module_text([(name, t)], CPUS[cpu]), CPUS[cpu])[1]
    widest = vector_maths.symbol(name, t, vector_maths.lane_counts(t, CPUS[cpu])[-1])
    body = assembly.split(f"\n{widest}:" if f"\n{widest}:" in assembly else f'\n"{widest}":')[1].split(".cfi_endproc")[0]
    if CPUS[cpu].target is PLAIN_X86.target:
        registers = ({128: "%xmm", 256: "%ymm", 512: "%zmm"}[CPUS[cpu].register_bits],)
        arithmetic: tuple[str, ...] = ("mulp", "addp", "213p", "231p", "132p")
    else:
        registers, arithmetic = (".2d", ".4s"), ("fmul", "fadd", "fml")
    lines = [line for line in body.splitlines() if any(r in line for r in registers)]
    packed = [line for line in lines if any(s in line.split()[0] for s in arithmetic)]
    assert len(packed) >= 3
    calls = {line.split()[1].split("@")[0] for line in body.splitlines() if set(line.split()[:1]) & CALLS}
    assert calls <= {name, f"{name}f"}


def of_function(assembly: str, name: str) -> list[str]:
    """Its instructions."""
    lines = assembly.split(f'\n"{name}":' if f'\n"{name}":' in assembly else f"\n{name}:")[1].split(".Lfunc_end")[0].splitlines()
    return [line.strip() for line in lines if line.startswith("\t") and not line.startswith("\t.")]


@pytest.mark.parametrize("t", [F64, F32], ids=["f64", "f32"])
@pytest.mark.parametrize("cpu", ["neoverse-v1", "apple-m1"])
def test_constants_of_scalars_are_read(cpu: str, t: Scalar) -> None:
    """LLVM would put each together by up to five instructions there (movz, movk, fmov); a table gives two by one."""
    name = vector_maths.symbol("tanh", t)
    found = of_function(llvm_compile.optimised_texts(vector_maths.module_text([("tanh", t)], CPUS[cpu]), CPUS[cpu])[1], name)
    assert not [line for line in found if line.startswith("movk")]
    assert sum(line.startswith("ld") for line in found) <= 12
    assert len(found) <= 70


@pytest.mark.parametrize("cpu", ["neoverse-v1", "apple-m1"])
def test_functions_side_by_side_reduce_their_argument_once(cpu: str) -> None:
    """Their constants stand in one table: after inlining, what sin and cos of a number have in common is done once."""
    caller = """
define double @both(double %x) {
 %s = call double @maths.sin.f64(double %x)
 %c = call double @maths.cos.f64(double %x)
 %z = fadd double %s, %c
 ret double %z
}
"""
    text = vector_maths.module_text([("sin", F64), ("cos", F64)], CPUS[cpu], hidden=True)
    assembly = llvm_compile.optimised_texts(text + caller, CPUS[cpu])[1]
    both, one = of_function(assembly, "both"), of_function(assembly, "maths.sin.f64")
    assert not [line for line in both if line.startswith("bl\t") and "maths." in line]
    assert len(both) <= 1.75 * len(one)
