"""A machine for bodies of mathematical functions (bodies.py): its values are one float or integer, or vectors of them.

A body is written once and emitted for one lane and for several. Every width runs the same operations in the same order,
and nothing is contracted behind the body's back: a result does not depend on the place that its argument has in an array.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from ....ir.core.types import F32, F64, Scalar
from ..build.constants import literal
from .lane_text import LaneText


class Lanes:
    """An operand: `kind` is "f" (floats), "i" (integers of the same width) or "b" (truth values)."""

    __slots__ = ("kind", "machine", "name")

    def __init__(self, machine: LaneMachine, name: str, kind: str) -> None:
        self.machine, self.name, self.kind = machine, name, kind

    def _binary(self, floats: str, integers: str, other: Any, swapped: bool = False) -> Lanes:
        m, instruction = self.machine, {"f": floats, "i": integers, "b": integers}[self.kind]
        y = m.operand(other, self.kind)
        first, second = (y, self) if swapped else (self, y)
        return m.let(f"{instruction} {m.type(self.kind)} {first.name}, {second.name}", self.kind)

    def __add__(self, y: Any) -> Lanes:
        return self._binary("fadd", "add", y)

    def __sub__(self, y: Any) -> Lanes:
        return self._binary("fsub", "sub", y)

    def __mul__(self, y: Any) -> Lanes:
        return self._binary("fmul", "mul", y)

    def __truediv__(self, y: Any) -> Lanes:
        return self._binary("fdiv", "", y)

    def __radd__(self, y: Any) -> Lanes:
        return self._binary("fadd", "add", y, swapped=True)

    def __rsub__(self, y: Any) -> Lanes:
        return self._binary("fsub", "sub", y, swapped=True)

    def __rmul__(self, y: Any) -> Lanes:
        return self._binary("fmul", "mul", y, swapped=True)

    def __rtruediv__(self, y: Any) -> Lanes:
        return self._binary("fdiv", "", y, swapped=True)

    def __and__(self, y: Any) -> Lanes:
        return self._binary("", "and", y)

    def __or__(self, y: Any) -> Lanes:
        return self._binary("", "or", y)

    def __xor__(self, y: Any) -> Lanes:
        return self._binary("", "xor", y)

    def __lshift__(self, y: int) -> Lanes:
        return self._binary("", "shl", y)

    def __rshift__(self, y: int) -> Lanes:
        """Zeros come in."""
        return self._binary("", "lshr", y)

    def __neg__(self) -> Lanes:
        return self.machine.let(f"fneg {self.machine.type('f')} {self.name}", "f")

    def __invert__(self) -> Lanes:
        return self ^ True

    def _compare(self, floats: str, y: Any) -> Lanes:
        """Ordered: false where an operand is not a number. Integers: equality alone."""
        m, other = self.machine, self.machine.operand(y, self.kind)
        instruction = f"fcmp {floats}" if self.kind == "f" else {"oeq": "icmp eq", "une": "icmp ne"}[floats]
        return m.let(f"{instruction} {m.type(self.kind)} {self.name}, {other.name}", "b")

    def __lt__(self, y: Any) -> Lanes:
        return self._compare("olt", y)

    def __le__(self, y: Any) -> Lanes:
        return self._compare("ole", y)

    def __gt__(self, y: Any) -> Lanes:
        return self._compare("ogt", y)

    def __ge__(self, y: Any) -> Lanes:
        return self._compare("oge", y)

    def equals(self, y: Any) -> Lanes:
        return self._compare("oeq", y)

    def differs(self, y: Any) -> Lanes:
        return self._compare("une", y)


class LaneMachine:
    """Emits instructions for `lanes` floats of a type. `fused`: has the CPU a fused multiply-add? `scaling`: LLVM's name
    of an instruction for x * 2**k, in the form of AVX-512's, if there is one."""

    def __init__(self, t: Scalar, lanes: int, fused: bool, scaling: str, text: LaneText | None = None, short: bool = False) -> None:
        self.float, self.lanes, self.fused, self.scaling, self.short = t, lanes, fused, scaling, short or t == F32
        self.text = text or LaneText()
        self.bits, self.fraction, self.bias = (64, 52, 1023) if t == F64 else (32, 23, 127)
        self.double = t == F64

    def wide(self) -> LaneMachine:
        """The machine of as many float64 lanes, with polynomials that are enough for float32 results."""
        return LaneMachine(F64, self.lanes, self.fused, self.scaling, self.text, short=True)

    def type(self, kind: str) -> str:
        one = {"f": "double" if self.double else "float", "i": f"i{self.bits}", "b": "i1"}[kind]
        return one if self.lanes == 1 else f"<{self.lanes} x {one}>"

    def let(self, text: str, kind: str) -> Lanes:
        return Lanes(self, self.text.let(text), kind)

    def operand(self, x: Any, kind: str) -> Lanes:
        """`x`, which may be a number, as an operand."""
        if isinstance(x, Lanes):
            return x
        one = {"f": "double" if self.double else "float", "i": f"i{self.bits}", "b": "i1"}[kind]
        number = literal(x, self.float) if kind == "f" else str(x).lower()
        text = number if self.lanes == 1 else f"splat ({one} {number})"
        if kind == "f":
            text = self.text.constant(self.type(kind), text, x, self.lanes * self.bits // 8)
        return Lanes(self, text, kind)

    def constant(self, x: float) -> Lanes:
        return self.operand(x, "f")

    def _intrinsic(self, name: str, *xs: Lanes) -> Lanes:
        one, t = f"f{self.bits}", self.type("f")
        symbol = f"llvm.{name}.{one if self.lanes == 1 else f'v{self.lanes}{one}'}"
        self.text.declare(symbol, f"declare {t} @{symbol}({', '.join(t for _ in xs)})")
        return self.let(f"call {t} @{symbol}({', '.join(f'{t} {x.name}' for x in xs)})", "f")

    # ---- arithmetic
    def fma(self, x: Any, y: Any, z: Any) -> Lanes:
        """x * y + z; rounded once where the CPU has the instruction. The C function would cost 20 times as much."""
        x, y, z = (self.operand(v, "f") for v in (x, y, z))
        return self._intrinsic("fma", x, y, z) if self.fused else x * y + z

    def product(self, x: Any, y: Any) -> tuple[Lanes, Lanes]:
        """x * y as a sum of two floats; without the fused instruction by halves of the factors (Dekker)."""
        x, y = self.operand(x, "f"), self.operand(y, "f")
        p = x * y
        if self.fused:
            return p, self.fma(x, y, -p)
        (a, b), (c, d) = self._halves(x), self._halves(y)
        return p, ((a * c - p) + a * d + b * c) + b * d

    def _halves(self, x: Lanes) -> tuple[Lanes, Lanes]:
        high = self.from_bits(self.to_bits(x) & -(1 << (27 if self.double else 12)))
        return high, x - high

    def total(self, x: Any, y: Any) -> tuple[Lanes, Lanes]:
        """x + y as a sum of two floats; |x| >= |y| or x = 0."""
        x = self.operand(x, "f")
        s = x + y
        return s, y - (s - x)

    def polynomial(self, x: Lanes, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Lanes:
        """Pairs, pairs of pairs, and so on (Estrin): the chain of dependent operations is short."""
        terms: list[Any] = list(coefficients[self.short])
        while len(terms) > 1:
            pairs = [self.fma(b, x, a) for a, b in zip(terms[::2], terms[1::2], strict=False)]
            terms = pairs + terms[len(pairs) * 2 :]
            if len(terms) > 1:
                x = x * x
        return self.operand(terms[0], "f")

    def led_polynomial(self, x: Lanes, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Lanes:
        """A polynomial most of whose value is its first term, which is added last and rounded once."""
        first = coefficients[self.short][0]
        return self.fma(x, self.polynomial(x, (coefficients[0][1:], coefficients[1][1:])), first)

    def sqrt(self, x: Lanes) -> Lanes:
        return self._intrinsic("sqrt", x)

    def abs(self, x: Lanes) -> Lanes:
        return self._intrinsic("fabs", x)

    def with_sign(self, x: Lanes, y: Lanes) -> Lanes:
        return self._intrinsic("copysign", x, y)

    # ---- choice
    def select(self, c: Lanes, x: Any, y: Any) -> Lanes:
        kind = next((v.kind for v in (x, y) if isinstance(v, Lanes)), "f")
        x, y, t = self.operand(x, kind), self.operand(y, kind), self.type(kind)
        return self.let(f"select {self.type('b')} {c.name}, {t} {x.name}, {t} {y.name}", kind)

    def at_most(self, x: Lanes, top: Any) -> Lanes:
        """The less of both; x where it is not a number."""
        return self.select(x > top, top, x)

    def at_least(self, x: Lanes, low: Any) -> Lanes:
        return self.select(x < low, low, x)

    # ---- bits and integers
    def to_bits(self, x: Lanes) -> Lanes:
        return self.let(f"bitcast {self.type('f')} {x.name} to {self.type('i')}", "i")

    def from_bits(self, x: Lanes) -> Lanes:
        return self.let(f"bitcast {self.type('i')} {x.name} to {self.type('f')}", "f")

    @property
    def shift(self) -> float:
        """x + shift - shift is x rounded to an integer, for |x| < 2**50 (2**21), and the low bits of x + shift are that integer's."""
        return 1.5 * 2.0**self.fraction

    @property
    def shift_bits(self) -> int:
        as_float, as_integer = ("<d", "<q") if self.double else ("<f", "<i")
        return int(struct.unpack(as_integer, struct.pack(as_float, self.shift))[0])

    def to_float(self, i: Lanes) -> Lanes:
        """A small integer as a float: SSE and AVX2 have no instruction for 64 bits."""
        return self.from_bits(i + self.shift_bits) - self.shift

    def power_of_two(self, i: Lanes) -> Lanes:
        """2**i from the low bits of an integer; the others leave at the top."""
        return self.from_bits((i << self.fraction) + (self.bias << self.fraction))

    def scale(self, x: Lanes, shifted: Lanes, in_range: bool = False) -> Lanes:
        """x * 2**k, rounded once, for k = shifted - shift, |k| < 2,000 (250). Where there is no instruction two factors, or
        one if 2**k is in range."""
        if self.scaling:
            return self._scale(x, shifted - self.shift)
        if in_range:
            return x * self.power_of_two(self.to_bits(shifted))
        half = self.fma(shifted - self.shift, 0.5, self.shift)
        i = self.to_bits(half)
        return x * self.power_of_two(i) * self.power_of_two(self.to_bits(shifted) - i)

    def _scale(self, x: Lanes, k: Lanes) -> Lanes:
        """The instruction takes whole registers: lanes that are more than one go in parts, fewer are widened."""
        least, most = 128 // self.bits, 512 // self.bits
        lanes = min(max(self.lanes, least), most)
        parts = [[x.name], [k.name]] if lanes == self.lanes else [self._resized(v, lanes) for v in (x, k)]
        made = [self._scale_register(a, b, lanes) for a, b in zip(*parts, strict=True)]
        return Lanes(self, made[0] if lanes == self.lanes else self._joined(made, lanes), "f")

    def _scale_register(self, x: str, k: str, lanes: int) -> str:
        width, one = lanes * self.bits, "double" if self.double else "float"
        t, mask = f"<{lanes} x {one}>", f"i{max(lanes, 8)}"
        symbol = f"{self.scaling}.{'pd' if self.double else 'ps'}.{width}"
        rounding = (", i32", ", i32 4") if width == 512 else ("", "")
        self.text.declare(symbol, f"declare {t} @{symbol}({t}, {t}, {t}, {mask}{rounding[0]})")
        return self.text.let(f"call {t} @{symbol}({t} {x}, {t} {k}, {t} zeroinitializer, {mask} -1{rounding[1]})")

    def _resized(self, x: Lanes, lanes: int) -> list[str]:
        """Registers of `lanes` floats that hold x."""
        t, one = self.type("f"), "double" if self.double else "float"
        if self.lanes == 1:
            return [self.text.let(f"insertelement <{lanes} x {one}> zeroinitializer, {t} {x.name}, i32 0")]
        parts = []
        for start in range(0, self.lanes, lanes):
            places = ", ".join(f"i32 {min(start + i, self.lanes - 1)}" for i in range(lanes))
            parts.append(self.text.let(f"shufflevector {t} {x.name}, {t} poison, <{lanes} x i32> <{places}>"))
        return parts

    def _joined(self, parts: list[str], lanes: int) -> str:
        t = f"<{lanes} x {'double' if self.double else 'float'}>"
        if self.lanes == 1:
            return self.text.let(f"extractelement {t} {parts[0]}, i32 0")
        second = parts[1] if len(parts) > 1 else "poison"
        places = ", ".join(f"i32 {i}" for i in range(self.lanes))
        return self.text.let(f"shufflevector {t} {parts[0]}, {t} {second}, <{self.lanes} x i32> <{places}>")

    # ---- other precisions, rare lanes
    def widen(self, x: Lanes) -> Lanes:
        wide = self.wide()
        return wide.let(f"fpext {self.type('f')} {x.name} to {wide.type('f')}", "f")

    def narrow(self, x: Lanes) -> Lanes:
        return self.let(f"fptrunc {x.machine.type('f')} {x.name} to {self.type('f')}", "f")

    def elsewhere(self, far: Lanes, function: str, z: Lanes, *xs: Lanes) -> Lanes:
        """z, but the C library's function of xs in the lanes that are `far`: a branch that is hardly ever taken."""
        symbol, one = (function, "double") if self.double else (f"{function}f", "float")
        self.text.declare(symbol, f"declare {one} @{symbol}({', '.join(one for _ in xs)}) nounwind willreturn memory(none)")
        return self.let(self._rare(symbol, far, z, xs), "f")

    def where_any(self, far: Lanes, z: Lanes, make: Callable[[], Lanes]) -> Lanes:
        """z, but what `make` computes in the lanes that are `far`; not computed where none is."""
        n, before, some = self.text.fresh(), self.text.label, far.name
        if self.lanes > 1:
            mask = self.text.let(f"bitcast <{self.lanes} x i1> {far.name} to i{self.lanes}")
            some = self.text.let(f"icmp ne i{self.lanes} {mask}, 0")
        self.text.lines.append(f" br i1 {some}, label %some.{n}, label %done.{n}")
        self.text.place(f"some.{n}")
        new, end = self.select(far, make(), z), self.text.label
        self.text.lines.append(f" br label %done.{n}")
        self.text.place(f"done.{n}")
        return self.let(f"phi {self.type('f')} [{z.name}, %{before}], [{new.name}, %{end}]", "f")

    def _rare(self, symbol: str, far: Lanes, z: Lanes, xs: tuple[Lanes, ...]) -> str:
        """A phi of z and of what the C function makes of it: for vectors a loop over the lanes."""
        t, one, n, before, count = self.type("f"), "double" if self.double else "float", self.text.fresh(), self.text.label, self.lanes
        if count == 1:
            self.text.lines.append(f" br i1 {far.name}, label %rare.{n}, label %done.{n}, !prof !0")
            self.text.place(f"rare.{n}")
            made = self.text.let(f"call {one} @{symbol}({', '.join(f'{one} {x.name}' for x in xs)})")
            self.text.lines.append(f" br label %done.{n}")
            self.text.place(f"done.{n}")
            return f"phi {t} [{z.name}, %{before}], [{made}, %rare.{n}]"
        mask = self.text.let(f"bitcast <{count} x i1> {far.name} to i{count}")
        none = self.text.let(f"icmp eq i{count} {mask}, 0")
        self.text.lines.append(f" br i1 {none}, label %done.{n}, label %rare.{n}, !prof !1")
        self.text.place(f"rare.{n}")
        self.text.lines += [
            f" %i.{n} = phi i32 [0, %{before}], [%i1.{n}, %next.{n}]",
            f" %z.{n} = phi {t} [{z.name}, %{before}], [%z1.{n}, %next.{n}]",
            f" %bit.{n} = extractelement <{count} x i1> {far.name}, i32 %i.{n}",
            f" br i1 %bit.{n}, label %lane.{n}, label %next.{n}",
        ]
        self.text.place(f"lane.{n}")
        operands = [f"{one} {self.text.let(f'extractelement {t} {x.name}, i32 %i.{n}')}" for x in xs]
        value = self.text.let(f"call {one} @{symbol}({', '.join(operands)})")
        new = self.text.let(f"insertelement {t} %z.{n}, {one} {value}, i32 %i.{n}")
        self.text.lines.append(f" br label %next.{n}")
        self.text.place(f"next.{n}")
        self.text.lines += [
            f" %z1.{n} = phi {t} [%z.{n}, %rare.{n}], [{new}, %lane.{n}]",
            f" %i1.{n} = add i32 %i.{n}, 1",
            f" %more.{n} = icmp ult i32 %i1.{n}, {count}",
            f" br i1 %more.{n}, label %rare.{n}, label %done.{n}",
        ]
        self.text.place(f"done.{n}")
        return f"phi {t} [{z.name}, %{before}], [%z1.{n}, %next.{n}]"


def own(m: LaneMachine, values: tuple[Any, Any]) -> Any:
    """Of (f64's, f32's) that of this machine's type."""
    return values[0 if m.double else 1]
