"""The scalar machine that emits LLVM instructions: the same methods as lantern_jit.ir.core.machine.

No fast-math: the program's own operations are IEEE operations, so that values are NumPy's to the last bit where NumPy's are
made of + - * / and sqrt. The terms of adjoint sums may be contracted: a multiply and an add are one fused instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....ir.core.graph import Site
from ....ir.core.machine import SPLITTERS
from ....ir.core.op import Op, argument_types, result_type
from ....ir.core.op import literal as python_literal
from ....ir.core.types import BOOL, F32, F64, I64, LANE, MASK, SIDE, Scalar, Type, is_float, lane_type, width
from ..build.special import RESULT, arguments_of, symbol
from ..maths import vector_maths
from ..maths.bodies import BODIES
from ..maths.vector_maths import PURE
from .code import LLVM_TYPES, Code, literal

_FLOAT = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "neg": "fneg"}
_FCMP = {"eq": "oeq", "ne": "une", "lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge"}
_ICMP = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}
_INTEGER = {"add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor"}


class Value:
    """An LLVM operand with its graph type; operations on it emit instructions."""

    __slots__ = ("algebra", "name", "type")

    def __init__(self, machine: LLVMMachine, name: str, type: Type) -> None:
        self.algebra, self.name, self.type = machine, name, type


class LLVMMachine:
    """Emits into `code`; `site` names the user's line for faults; `contract` is for derivative rules, whose terms are summed up."""

    def __init__(self, code: Code, site: int = 0, contract: bool = False) -> None:
        self.code, self.site = code, site
        self.flags = " contract" if contract else ""
        self.exact = LLVMMachine(code, site) if contract else self

    def given(self, x: Value) -> Value:
        """A value of another machine as this one's."""
        return Value(self, x.name, x.type)

    # ---- the algebra: an operation's body runs on this machine
    def bind(self, op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Value:
        types = argument_types(op, [a.type if isinstance(a, Value) else None for a in args])
        values = [a if isinstance(a, Value) else self.literal(a, t) for a, t in zip(args, types, strict=True)]
        if op.expensive and self.exact is not self:  # a function has the same value wherever it is called
            return self.given(op.body(self.exact, *map(self.exact.given, values), **attrs))
        return op.body(self, *values, **attrs)  # type: ignore[no-any-return]

    def literal(self, value: Any, t: Type) -> Value:
        return Value(self, literal(python_literal(value, t), t), t)

    def _let(self, text: str, t: Type) -> Value:
        return Value(self, self.code.let(text), t)

    def _ty(self, x: Value) -> str:
        return LLVM_TYPES[x.type]

    # ---- instructions
    def arithmetic(self, name: str, *xs: Value) -> Value:
        operands = ", ".join(x.name for x in xs)
        flags = " contract" if 1 < width(xs[0].type) < SIDE else self.flags  # tangents are terms of sums
        return self._let(f"{_FLOAT[name]}{flags} {self._ty(xs[0])} {operands}", xs[0].type)

    def integer(self, name: str, x: Value, y: Value) -> Value:
        if name in _INTEGER:
            return self._let(f"{_INTEGER[name]} i64 {x.name}, {y.name}", I64)
        if name in ("shl", "shr"):
            return self._shift(name, x, y)
        if name == "udiv":
            return self._let(f"udiv i64 {x.name}, {y.name}", I64)
        return self._divide(name, x, y)

    def _shift(self, name: str, x: Value, y: Value) -> Value:
        """NumPy's shifts: by 64 and more everything leaves."""
        far = self.code.let(f"icmp ugt i64 {y.name}, 63")
        by = self.code.let(f"select i1 {far}, i64 63, i64 {y.name}")
        shifted = self.code.let(f"{'shl' if name == 'shl' else 'ashr'} i64 {x.name}, {by}")
        if name == "shr":
            return Value(self, shifted, I64)
        return self._let(f"select i1 {far}, i64 0, i64 {shifted}", I64)

    def _divide(self, name: str, x: Value, y: Value) -> Value:
        """Floor division and its remainder, or C's remainder; y is not 0. y = -1 is kept from the divider, which traps on overflow."""
        let = self.code.let
        minus = let(f"icmp eq i64 {y.name}, -1")
        safe = let(f"select i1 {minus}, i64 1, i64 {y.name}")
        q, r = let(f"sdiv i64 {x.name}, {safe}"), let(f"srem i64 {x.name}, {safe}")
        if name == "fmod":
            return Value(self, r, I64)
        signs = let(f"xor i64 {r}, {safe}")
        differ = let(f"icmp slt i64 {signs}, 0")
        inexact = let(f"icmp ne i64 {r}, 0")
        adjust = let(f"and i1 {differ}, {inexact}")
        if name == "mod":
            fixed = let(f"add i64 {r}, {safe}")
            m = let(f"select i1 {adjust}, i64 {fixed}, i64 {r}")
            return self._let(f"select i1 {minus}, i64 0, i64 {m}", I64)
        less = let(f"sub i64 {q}, 1")
        f = let(f"select i1 {adjust}, i64 {less}, i64 {q}")
        negated = let(f"sub i64 0, {x.name}")
        return self._let(f"select i1 {minus}, i64 {negated}, i64 {f}", I64)

    def integer_exact(self, name: str, x: Value, y: Value) -> tuple[Value, Value]:
        """(x (op) y, whether it fits)"""
        function = f"llvm.s{name}.with.overflow.i64"
        self.code.module.declare(function, f"declare {{i64, i1}} @{function}(i64, i64)")
        both = self.code.let(f"call {{i64, i1}} @{function}(i64 {x.name}, i64 {y.name})")
        over = self.code.let(f"extractvalue {{i64, i1}} {both}, 1")
        return self._let(f"extractvalue {{i64, i1}} {both}, 0", I64), self._let(f"xor i1 {over}, true", BOOL)

    def integer_power(self, x: Value, n: Value) -> Value:
        self.code.module.made["lantern.ipow"] = True
        return self._let(f"call i64 @lantern.ipow(i64 {x.name}, i64 {n.name})", I64)

    def bits(self, x: Value) -> Value:
        return self._let(f"bitcast double {x.name} to i64", I64)

    def round_decimal(self, x: Value, n: int) -> Value:
        """Python's round(x, n): the multiple of 10**-n nearest to x, of two the even one. With s = 10**|n|, which is exact, p = x * s
        (or x / s) is off by an e that an fma gives exactly. rint(p) is right unless p is a half and e says on which side the number
        lies. From 2**53 on neighbouring doubles are further apart than the multiples, and x is the nearest to its own."""
        let, s = self.code.let, literal(10.0 ** abs(n), F64)
        for name, arity in (("fma", 3), ("rint", 1), ("fabs", 1)):
            self.code.module.declare(f"llvm.{name}.f64", f"declare double @llvm.{name}.f64({', '.join(['double'] * arity)})")
        p = let(f"{'fmul' if n >= 0 else 'fdiv'} double {x.name}, {s}")
        minus = let(f"fneg double {p}")
        a, b, c = (x.name, s, minus) if n >= 0 else (minus, s, x.name)
        e = let(f"call double @llvm.fma.f64(double {a}, double {b}, double {c})")
        r = let(f"call double @llvm.rint.f64(double {p})")
        d = let(f"fsub double {p}, {r}")
        for half, side, one in ((0.5, "ogt", 1.0), (-0.5, "olt", -1.0)):
            tie, beyond = let(f"fcmp oeq double {d}, {literal(half, F64)}"), let(f"fcmp {side} double {e}, {literal(0.0, F64)}")
            moved = let(f"fadd double {r}, {literal(one, F64)}")
            r = let(f"select i1 {let(f'and i1 {tie}, {beyond}')}, double {moved}, double {r}")
        y = let(f"{'fdiv' if n >= 0 else 'fmul'} double {r}, {s}")
        small = let(f"fcmp olt double {let(f'call double @llvm.fabs.f64(double {p})')}, {literal(2.0**53, F64)}")
        return self._let(f"select i1 {small}, double {y}, double {x.name}", F64)

    def logical(self, name: str, x: Value, y: Value) -> Value:
        x, y = self._alike(x, y)
        return self._let(f"{name} {self._ty(x)} {x.name}, {y.name}", x.type)

    def _alike(self, *xs: Value) -> Sequence[Value]:
        """Truth values beside a mask as masks."""
        if all(x.type != MASK for x in xs) or all(x.type == MASK for x in xs):
            return xs
        return [x if x.type == MASK else self._everywhere(x, MASK, SIDE) for x in xs]

    def compare(self, name: str, x: Value, y: Value) -> Value:
        if is_float(x.type):
            return self._let(f"fcmp {_FCMP[name]} {self._ty(x)} {x.name}, {y.name}", BOOL if width(x.type) == 1 else MASK)
        return self._let(f"icmp {_ICMP[name]} {self._ty(x)} {x.name}, {y.name}", BOOL)

    def select(self, c: Value, x: Value, y: Value) -> Value:
        t = self._ty(x)
        if x.type in (BOOL, MASK):
            x, y = self._alike(x, y, *([c] if c.type == MASK else []))[:2]
            t = self._ty(x)
        return self._let(f"select {self._ty(c)} {c.name}, {t} {x.name}, {t} {y.name}", x.type)

    def instruction(self, name: str, *xs: Value) -> Value:
        t = self._ty(xs[0])
        suffix = xs[0].type.name if width(xs[0].type) == 1 else f"v{width(xs[0].type)}{lane_type(xs[0].type)}"  # type: ignore[arg-type, union-attr]
        self.code.module.declare(f"llvm.{name}.{suffix}", f"declare {t} @llvm.{name}.{suffix}({', '.join(t for _ in xs)})")
        return self._let(f"call {t} @llvm.{name}.{suffix}({', '.join(f'{t} {x.name}' for x in xs)})", xs[0].type)

    def libm(self, name: str, *xs: Value) -> Value:
        """A mathematical function: the library's own, of which LLVM may use a SIMD variant, or else the C library's."""
        if xs[0].type in LANE:
            return self._by_lanes(name, xs)
        t = self._ty(xs[0])
        if name in BODIES:
            symbol = vector_maths.symbol(name, xs[0].type)  # type: ignore[arg-type]
            if symbol not in self.code.module.declared:
                self.code.module.declared.update(vector_maths.declarations(name, xs[0].type, self.code.module.cpu))  # type: ignore[arg-type]
        else:
            symbol = name + ("" if xs[0].type == F64 else "f")
            self.code.module.declare(symbol, f"declare {t} @{symbol}({', '.join(t for _ in xs)}) {PURE}")
        return self._let(f"call {t} @{symbol}({', '.join(f'{t} {x.name}' for x in xs)}) {PURE}", xs[0].type)

    def _by_lanes(self, name: str, xs: Sequence[Value]) -> Value:
        """A mathematical function of blocks: of as many lanes at a time as the CPU's registers have, or of one."""
        lane, n = LANE[xs[0].type]  # type: ignore[index]
        if name not in BODIES:
            return self.block([self.libm(name, *(self.lane(x, i) for x in xs)) for i in range(n)], xs[0].type)  # type: ignore[arg-type]
        self.code.module.declared.update(vector_maths.declarations(name, lane, self.code.module.cpu))
        m = vector_maths.lane_counts(lane, self.code.module.cpu)[-1]
        whole, part, found = self._ty(xs[0]), f"<{m} x {LLVM_TYPES[lane]}>", []
        for first in range(0, n, m):
            places = ", ".join(f"i32 {first + i}" for i in range(m))
            parts = [self.code.let(f"shufflevector {whole} {x.name}, {whole} poison, <{m} x i32> <{places}>") for x in xs]
            args = ", ".join(f"{part} {p}" for p in parts)
            found.append(self.code.let(f"call {part} @{vector_maths.symbol(name, lane, m)}({args}) {PURE}"))
        while len(found) > 1:
            places = ", ".join(f"i32 {i}" for i in range(2 * m))
            joined = [f"shufflevector <{m} x {LLVM_TYPES[lane]}> {a}, <{m} x {LLVM_TYPES[lane]}> {b}, <{2 * m} x i32> <{places}>"
                      for a, b in zip(found[::2], found[1::2], strict=True)]  # fmt: skip
            found, m = list(map(self.code.let, joined)), 2 * m
        return Value(self, found[0], xs[0].type)

    def slope(self, name: str, x: Value, z: Value) -> Value:
        return self.libm(f"{name}_slope", x, z)

    def special(self, name: str, *xs: Value) -> Value:
        """A function of scipy.special, by its C pointer; float32 goes through float64."""
        if xs[0].type in LANE:
            return self.block([self.special(name, *(self.lane(x, i) for x in xs)) for i in range(width(xs[0].type))], xs[0].type)
        name, _, part = name.partition(".")
        s, (kinds, more) = symbol(name), arguments_of(name)
        wide = [self.convert(self.convert(x, F64), k) for x, k in zip(xs, kinds, strict=True)]
        places = [self.code.alloca("double") for m in more if m == RESULT]
        more = [f"ptr {p}" for p in places] or more
        types = [*(LLVM_TYPES[k] for k in kinds), *(a.split()[0] for a in more)]
        given = ", ".join([*(f"{self._ty(x)} {x.name}" for x in wide), *more])
        if part:
            self.code.module.declare(s, f"declare void @{s}({', '.join(types)}) nounwind willreturn memory(argmem: write)")
            self.code.emit(f"call void @{s}({given})")
            z = Value(self, self.code.load("double", places[int(part)]), F64)
        else:
            self.code.module.declare(s, f"declare double @{s}({', '.join(types)}) nounwind willreturn memory(none)")
            z = self._let(f"call double @{s}({given}) {PURE}", F64)
        return self.convert(z, F32) if xs[0].type == F32 else z

    def apart(self, name: str, value: Callable[..., Value], *xs: Value) -> Value:
        """A long value: a function of the module, in float64."""
        if xs[-1].type in LANE:
            return self.block([self.apart(name, value, *(self.lane(x, i) for x in xs)) for i in range(width(xs[-1].type))], xs[-1].type)
        module, symbol = self.code.module, f"lantern.special.{name}"
        if symbol not in module.made:
            code = Code(module)
            inner = LLVMMachine(code)
            params = [Value(inner, f"%x{i}", F64) for i in range(len(xs))]
            code.emit(f"ret double {value(*params).name}")
            module.made[symbol] = code.text(
                f"define internal double @{symbol}({', '.join(f'double {p.name}' for p in params)}) noinline {PURE}"
            )
            module.functions.append(module.made[symbol])
        z = self._let(f"call double @{symbol}({', '.join(f'double {self.convert(x, F64).name}' for x in xs)}) {PURE}", F64)
        return self.convert(z, xs[-1].type)  # type: ignore[arg-type]

    def check(self, ok: Value, kind: str, *values: Any) -> None:
        if ok.name != "true":
            self.code.check(ok.name, kind, self.site, *(v.name if isinstance(v, Value) else str(v) for v in values))

    def refuse(self, bad: Value, kind: str, site: Site, floats: Sequence[Value]) -> None:
        """A fault at a place of its own if `bad`, in any lane; it says these numbers, up to three."""
        ok = self.code.let(f"xor i1 {(self.any_lane(bad) if bad.type == MASK else bad).name}, true")
        given = [self.convert(x, F64).name for x in floats if x.type in (F64, F32)][:3]
        bits = [self.code.let(f"bitcast double {x} to i64") for x in given]
        self.code.check(ok, kind, self.code.module.site(site), *bits)

    def convert(self, x: Value, to: Scalar) -> Value:
        if x.type == to:
            return x
        source, target = LLVM_TYPES[x.type], LLVM_TYPES[to]
        if to in LANE and x.type not in LANE:
            return self._everywhere(self.convert(x, LANE[to][0]), to, LANE[to][1])
        if to == BOOL:
            return self._let(f"fcmp une {source} {x.name}, 0.0" if is_float(x.type) else f"icmp ne i64 {x.name}, 0", BOOL)
        if is_float(x.type) and is_float(to):
            return self._let(f"{'fpext' if LANE.get(to, (to,))[0] == F64 else 'fptrunc'} {source} {x.name} to {target}", to)
        if is_float(x.type):
            return self._let(f"fptosi {source} {x.name} to i64", I64)
        unsigned = x.type == BOOL
        cast = ("uitofp" if unsigned else "sitofp") if is_float(to) else "zext"
        return self._let(f"{cast} {source} {x.name} to {target}", to)

    def _everywhere(self, x: Value, to: Scalar, n: int) -> Value:
        """A number in all lanes of a block."""
        target = LLVM_TYPES[to]
        first = self.code.let(f"insertelement {target} poison, {self._ty(x)} {x.name}, i64 0")
        return self._let(f"shufflevector {target} {first}, {target} poison, <{n} x i32> zeroinitializer", to)

    def block(self, xs: Sequence[Value], to: Scalar) -> Value:
        z = "poison"
        for i, x in enumerate(xs):
            z = self.code.let(f"insertelement {LLVM_TYPES[to]} {z}, {self._ty(x)} {x.name}, i64 {i}")
        return Value(self, z, to)

    def any_lane(self, x: Value) -> Value:
        bits = self.code.let(f"bitcast {self._ty(x)} {x.name} to i{SIDE}")
        return self._let(f"icmp ne i{SIDE} {bits}, 0", BOOL)

    def lane(self, x: Value, i: int) -> Value:
        return self._let(f"extractelement {self._ty(x)} {x.name}, i64 {i}", LANE[x.type][0])  # type: ignore[index]

    def in_lane(self, x: Value, i: int, to: Scalar) -> Value:
        return self._let(f"insertelement {LLVM_TYPES[to]} zeroinitializer, {self._ty(x)} {x.name}, i64 {i}", to)

    def lane_sum(self, x: Value) -> Value:
        t, (lane, n) = self._ty(x), LANE[x.type]  # type: ignore[index]
        name = f"llvm.vector.reduce.fadd.v{n}{lane}"
        self.code.module.declare(name, f"declare {LLVM_TYPES[lane]} @{name}({LLVM_TYPES[lane]}, {t})")
        return self._let(f"call reassoc {LLVM_TYPES[lane]} @{name}({LLVM_TYPES[lane]} {literal(-0.0, lane)}, {t} {x.name})", lane)

    def constant(self, value: float, like: Value) -> Value:
        return self.literal(value, like.type)

    def splitter(self, like: Value) -> Value:
        return self.literal(SPLITTERS[lane_type(like.type)], like.type)  # type: ignore[arg-type]


__all__ = ["LLVMMachine", "Value", "result_type"]
