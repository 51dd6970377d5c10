"""Write backends/llvm/maths/coefficients.py: the polynomials of the mathematical functions, `python tools/maths_coefficients.py`.

Each is the interpolant at Chebyshev's points of an interval, in 60 digits, rounded to the precision that it is for. It is
within a small factor of the best one, and the degree is the least whose error is a small part of an ulp.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as mp

mp.mp.dps = 60
LN2 = mp.log(2)


def over(f: Callable[[Any], Any], at_zero: Any) -> Callable[[Any], Any]:
    """`f`, with the limit at 0 given."""
    return lambda u: mp.mpf(at_zero) if abs(u) < mp.mpf("1e-25") else f(u)


def root(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`f` of the square root."""
    return lambda u: f(mp.sqrt(u))


HALF = LN2 / 2 * mp.mpf("1.0001")
LOG = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * mp.mpf("1.0001")
ATAN = mp.sqrt(2) - 1 + mp.mpf("1e-4")
# name: function, from, to, terms for f64, terms for f32
TABLE: dict[str, tuple[Callable[[Any], Any], Any, Any, int, int]] = {
    # (exp(r) - 1 - r) / r^2
    "EXP": (over(lambda r: (mp.expm1(r) - r) / r**2, 0.5), -HALF, HALF, 10, 5),
    # (2^r - 1) / r
    "EXP2": (over(lambda r: mp.expm1(r * LN2) / r, LN2), mp.mpf("-0.5001"), mp.mpf("0.5001"), 12, 7),
    # (atanh(s) / s - 1) * 2 / s^2, of s^2
    "LOG": (over(root(lambda s: (mp.atanh(s) / s - 1) * 2 / s**2), mp.mpf(2) / 3), 0, LOG**2, 7, 4),
    # the same without its first term, divided by s^2
    "POWER": (over(root(lambda s: ((mp.atanh(s) / s - 1) * 2 / s**2 - mp.mpf(2) / 3) / s**2), mp.mpf(2) / 5), 0, LOG**2, 8, 4),
    # (sin(r) / r - 1) / r^2, of r^2: half a period, a quarter
    "SIN": (over(root(lambda r: (mp.sin(r) / r - 1) / r**2), mp.mpf(-1) / 6), 0, mp.mpf("1.58") ** 2, 8, 5),
    "SIN_SHORT": (over(root(lambda r: (mp.sin(r) / r - 1) / r**2), mp.mpf(-1) / 6), 0, mp.mpf("0.79") ** 2, 6, 3),
    # (cos(r) - 1 + r^2 / 2) / r^4, of r^2
    "COS_SHORT": (over(root(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4), mp.mpf(1) / 24), 0, mp.mpf("0.79") ** 2, 6, 3),
    # (atan(t) / t - 1) / t^2, of t^2
    "ATAN": (over(root(lambda t: (mp.atan(t) / t - 1) / t**2), mp.mpf(-1) / 3), 0, ATAN**2, 11, 5),
    # (asin(s) / s - 1) / s^2, of s^2
    "ASIN": (over(root(lambda s: (mp.asin(s) / s - 1) / s**2), mp.mpf(1) / 6), 0, mp.mpf("0.2501"), 13, 6),
    # erf(x) / x, of x^2
    "ERF": (over(root(lambda x: mp.erf(x) / x), 2 / mp.sqrt(mp.pi)), 0, 1, 13, 7),
    # (1 + 2 a) exp(a^2) erfc(a), of (a - 4) / (a + 4), for a from 0.45 to 28
    "ERFCX": (lambda w: (lambda a: (1 + 2 * a) * mp.exp(a * a) * mp.erfc(a))(4 * (1 + w) / (1 - w)), mp.mpf(-0.8), mp.mpf(0.75), 21, 12),
    # a first value of the cube root, from 1 to 8
    "CBRT": (lambda m: mp.cbrt(m), mp.mpf("0.999"), mp.mpf("8.001"), 5, 6),
}  # fmt: skip

# name: value, bits of each part for f64, for f32; the last part has all bits of the type
PARTS: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...]]] = {
    "LN2": (LN2, (41, 53), (15, 24)),
    "LOG10_2": (mp.log10(2), (41, 53), (15, 24)),
    "INVERSE_LN2": (1 / LN2, (53, 53), (24, 24)),
    "INVERSE_LN10": (1 / mp.log(10), (53, 53), (24, 24)),
    "PI": (mp.pi, (53, 53, 53), (24, 24, 24)),
    "PI_SHORT": (mp.pi, (30, 30, 30, 53), (24, 24, 24)),  # products with an integer below 2**22 are exact
    "TWO_THIRDS": (mp.mpf(2) / 3, (53, 53), (24, 24)),
}


def parts(x: Any, bits: tuple[int, ...]) -> list[float]:
    """x as a sum of floats with so many bits each."""
    found = []
    for n in bits:
        step = mp.mpf(2) ** (mp.floor(mp.log(abs(x), 2)) + 1 - n)
        found.append(float(mp.nint(x / step) * step))
        x -= found[-1]
    return found


def interpolant(f: Callable[[Any], Any], a: Any, b: Any, terms: int) -> list[Any]:
    """The coefficients, lowest first, of the polynomial through `f` at `terms` Chebyshev points: Newton's form, expanded."""
    xs = [(a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * terms)) for i in range(terms)]
    differences = [f(x) for x in xs]
    for level in range(1, terms):
        for i in range(terms - 1, level - 1, -1):
            differences[i] = (differences[i] - differences[i - 1]) / (xs[i] - xs[i - level])
    coefficients = [differences[-1]]
    for d, x in zip(differences[-2::-1], xs[-2::-1], strict=True):
        shifted = [mp.mpf(0), *coefficients]
        coefficients = [s - x * c for s, c in zip(shifted, [*coefficients, mp.mpf(0)], strict=True)]
        coefficients[0] += d
    return coefficients


def error(f: Callable[[Any], Any], a: Any, b: Any, coefficients: list[Any]) -> float:
    """The largest difference at 200 points."""
    points = [a + (b - a) * mp.mpf(i) / 199 for i in range(200)]
    return max(float(abs(mp.polyval(coefficients[::-1], x) - f(x))) for x in points)


def rounded(x: Any, single: bool) -> float:
    return float(struct.unpack("<f", struct.pack("<f", float(x)))[0]) if single else float(x)


def main() -> None:
    lines = [
        '"""The mathematical functions\' polynomials, lowest term first: for f64, for f32. Made by tools/maths_coefficients.py."""',
        "",
    ]
    for name, (f, a, b, *terms) in TABLE.items():
        lines.append(f"{name} = (")
        for n, single in zip(terms, (False, True), strict=True):
            exact = interpolant(f, mp.mpf(a), mp.mpf(b), n)
            print(f"{name:10s} {'f32' if single else 'f64'} {n:3d} terms, error {error(f, mp.mpf(a), mp.mpf(b), exact):.1e}")
            lines += ["    (", *(f"        {rounded(c, single)!r}," for c in exact), "    ),"]
        lines.append(")")
    for name, (value, *bits) in PARTS.items():
        lines += [f"{name} = (", *(f"    ({', '.join(map(repr, parts(value, b)))})," for b in bits), ")"]
    target = Path(__file__).resolve().parent.parent / "backends" / "llvm" / "coefficients.py"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
