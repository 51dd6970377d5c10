"""A back end that prints C: for programs of scalars, without derivatives, compiled by the machine's compiler and loaded by ctypes.

What it takes of the library is what `lantern_jit.backends.base` promises, the graph, and the bodies of operations, which run on a
machine that prints expressions.

    f64 f(f64 x)            ->  static int f_f(double v0, double *r0) {
        y = mul x x                 double v1;
        return y                    v1 = v0 * v0;
                                    *r0 = v1; return 0; }
"""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lantern_jit import errors
from lantern_jit.backends.base import Interface, Options
from lantern_jit.backends.targets.target import Target
from lantern_jit.backends.values import ByValues
from lantern_jit.ir.core import faults
from lantern_jit.ir.core.graph import Atom, Block, Branch, Call, Const, Edge, Fail, Function, Jump, Let, Program, Return, Site, Var
from lantern_jit.ir.core.op import TABLE, argument_types
from lantern_jit.ir.core.types import BOOL, F32, F64, I64, NUMPY_DTYPES, Scalar, Type

TYPES: dict[Any, str] = {F64: "double", F32: "float", I64: "int64_t", BOOL: "bool"}
CTYPES: dict[Any, Any] = {F64: ctypes.c_double, F32: ctypes.c_float, I64: ctypes.c_int64, BOOL: ctypes.c_bool}
PRELUDE = """#include <math.h>
#include <stdbool.h>
#include <stdint.h>
static int64_t fault[5]; /* kind, number of the place, values */
static int failed(int64_t kind, int64_t site, int64_t x, int64_t y, int64_t z) {
  fault[0] = kind; fault[1] = site; fault[2] = x; fault[3] = y; fault[4] = z; return 1;
}
static int64_t mod(int64_t x, int64_t y) { int64_t r = y == -1 ? 0 : x % y; return r != 0 && (r < 0) != (y < 0) ? r + y : r; }
static int64_t floordiv(int64_t x, int64_t y) { return y == -1 ? -x : x / y - (x % y != 0 && (x % y < 0) != (y < 0)); }
static int64_t power(int64_t x, int64_t n) { int64_t z = 1; for (; n; n >>= 1, x *= x) if (n & 1) z *= x; return z; }
"""
INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "and": "&", "or": "|", "xor": "^"}
COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Value:
    """An operand of C: bodies of operations make others of it."""

    def __init__(self, machine: CMachine, name: str, type: Type) -> None:
        self.algebra, self.name, self.type = machine, name, type


class CMachine:
    """The scalar machine that prints C: each instruction is an assignment to a new variable."""

    def __init__(self, function: CFunction, site: Site | None) -> None:
        self.function, self.site = function, site

    def bind(self, op: Any, args: tuple[Any, ...], attrs: dict[str, Any]) -> Value:
        types = argument_types(op, [a.type if isinstance(a, Value) else None for a in args])
        values = [a if isinstance(a, Value) else Value(self, literal(a, t), t) for a, t in zip(args, types, strict=True)]
        return op.body(self, *values, **attrs)  # type: ignore[no-any-return]

    def let(self, text: str, t: Type) -> Value:
        return Value(self, self.function.let(text, t), t)

    def arithmetic(self, name: str, *xs: Value) -> Value:
        return self.let(f"-{xs[0].name}" if name == "neg" else f" {INFIX[name]} ".join(x.name for x in xs), xs[0].type)

    def integer(self, name: str, x: Value, y: Value) -> Value:
        return self.let(f"{x.name} {INFIX[name]} {y.name}" if name in INFIX else f"{name}({x.name}, {y.name})", I64)

    def integer_exact(self, name: str, x: Value, y: Value) -> tuple[Value, Value]:
        z = self.let("0", I64)
        over = self.let(f"__builtin_{name}_overflow({x.name}, {y.name}, &{z.name})", BOOL)
        return z, self.let(f"!{over.name}", BOOL)

    def integer_power(self, x: Value, n: Value) -> Value:
        return self.let(f"power({x.name}, {n.name})", I64)

    def logical(self, name: str, x: Value, y: Value) -> Value:
        return self.let(f"{x.name} {INFIX[name]} {y.name}", BOOL)

    def compare(self, name: str, x: Value, y: Value) -> Value:
        return self.let(f"{x.name} {COMPARE[name]} {y.name}", BOOL)

    def select(self, c: Value, x: Value, y: Value) -> Value:
        return self.let(f"{c.name} ? {x.name} : {y.name}", x.type)

    def instruction(self, name: str, *xs: Value) -> Value:
        return self.libm(name, *xs)

    def libm(self, name: str, *xs: Value) -> Value:
        return self.let(f"{name}{'f' if xs[0].type == F32 else ''}({', '.join(x.name for x in xs)})", xs[0].type)

    def check(self, ok: Value, kind: str, *values: Any) -> None:
        self.function.fail_if(f"!{ok.name}", kind, self.site, [v.name if isinstance(v, Value) else str(v) for v in values])

    def convert(self, x: Value, to: Scalar) -> Value:
        return self.let(f"({TYPES[to]}){x.name}", to)

    def constant(self, value: float, like: Value) -> Value:
        return Value(self, literal(value, like.type), like.type)


def literal(value: Any, t: Type) -> str:
    if t in (F64, F32):
        number = float(value).hex() if math.isfinite(value) else "NAN" if value != value else "INFINITY" if value > 0 else "-INFINITY"
        return f"({TYPES[t]}){number}"
    return str(int(value)) if t == BOOL else f"(int64_t)(-{-int(value) - 1}LL - 1)" if value < 0 else f"(int64_t){int(value)}LL"


class CFunction:
    """The C function of a function of the graph: it returns 0, and its results by pointers, or 1 after a fault."""

    def __init__(self, f: Function, sites: list[Site | None]) -> None:
        self.f, self.sites = f, sites
        self.names: dict[Var, str] = {}
        self.variables: list[str] = []
        self.lines: list[str] = []

    def head(self) -> str:
        results = [f"{c_type(t)} *r{i}" for i, t in enumerate(self.f.results)]
        params = [f"{c_type(p.type)} {self.name(p, False)}" for p in self.f.params]
        return f"static int f_{mangled(self.f.name)}({', '.join([*params, *results]) or 'void'})"

    def text(self) -> str:
        head = self.head()
        for block in self.f.blocks.values():
            self.block(block)
        return "\n".join([head + " {", *self.variables, *self.lines, "}", ""])

    def name(self, v: Var, declared: bool = True) -> str:
        if v not in self.names:
            self.names[v] = f"v{len(self.names)}"
            if declared:
                self.variables.append(f"  {c_type(v.type)} {self.names[v]};")
        return self.names[v]

    def let(self, text: str, t: Type) -> str:
        name = f"t{len(self.lines)}"
        self.variables.append(f"  {c_type(t)} {name};")
        self.lines.append(f"  {name} = {text};")
        return name

    def read(self, a: Atom) -> str:
        return literal(a.value, a.type) if isinstance(a, Const) else self.name(a)

    def fail_if(self, condition: str, kind: str, site: Site | None, values: Sequence[str] = ()) -> None:
        self.sites.append(site)
        given = ", ".join([str(faults.KINDS[kind].code), str(len(self.sites) - 1), *[*values, "0", "0", "0"][:3]])
        self.lines.append(f"  if ({condition}) return failed({given});")

    def block(self, block: Block) -> None:
        self.lines.append(f" {label(block.name)}:;")
        for let in block.lets:
            self.operation(let)
        t = block.terminator
        if isinstance(t, Return):
            self.lines += [f"  *r{i} = {self.read(a)};" for i, a in enumerate(t.args)] + ["  return 0;"]
        elif isinstance(t, Fail):
            self.fail_if("1", t.kind, t.site)
        elif isinstance(t, Branch):
            self.lines.append(f"  if ({self.read(t.cond)}) {{")
            self.jump(t.then)
            self.lines.append("  }")
            self.jump(t.orelse)
        elif isinstance(t, Call):
            outs = [self.name(p) for p in self.f.blocks[t.then.block].params[: -len(t.then.args) or None]]
            given = ", ".join([*map(self.read, t.args), *(f"&{x}" for x in outs)])
            self.lines.append(f"  if (f_{mangled(t.function)}({given})) return 1;")
            self.jump(t.then, len(outs))
        elif isinstance(t, Jump):
            self.jump(t.edge)

    def operation(self, let: Let) -> None:
        op = TABLE[let.op]
        if "*" in op.signature or op.effect or any(not isinstance(v.type, Scalar) for v in let.outs):
            raise errors.UnsupportedOperationError(f"the C back end has no `{let.op}` ({let.site}): use scalars and no derivatives")
        machine = CMachine(self, let.site)
        z = op.body(machine, *(Value(machine, self.read(a), a.type) for a in let.args), **let.attrs)
        self.lines.append(f"  {self.name(let.out)} = {z.name};")

    def jump(self, edge: Edge, first: int = 0) -> None:
        """Through new variables: a block's parameters may be passed to itself in another order."""
        params = self.f.blocks[edge.block].params[first:]
        passed = [self.let(self.read(a), p.type) for p, a in zip(params, edge.args, strict=True)]
        self.lines += [f"  {self.name(p)} = {x};" for p, x in zip(params, passed, strict=True)]
        self.lines.append(f"  goto {label(edge.block)};")


def c_type(t: Type) -> str:
    if t not in TYPES:
        raise errors.UnsupportedOperationError(f"the C back end has no {t}: use scalars")
    return TYPES[t]


def mangled(name: str) -> str:
    return "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in name)


def label(block: str) -> str:
    return f"b_{mangled(block)}"


def printed(program: Program, sites: list[Site | None]) -> str:
    """The whole program; its entry is `entry`."""
    functions = [CFunction(f, sites) for f in program.functions.values()]
    texts = [f.text() for f in functions]
    (entry,) = (f for f in functions if f.f.name == program.entry)
    head = entry.head().replace(f"static int f_{mangled(program.entry)}", "int entry")
    args = ", ".join([*(f"v{i}" for i in range(len(entry.f.params))), *(f"r{i}" for i in range(len(entry.f.results)))])
    body = f"{head} {{ return f_{mangled(program.entry)}({args}); }}\nint64_t *faults(void) {{ return fault; }}\n"
    return "\n".join([PRELUDE, *(f.head() + ";" for f in functions), *texts, body])


def compiler() -> str | None:
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def built(text: str) -> ctypes.CDLL:
    cc = compiler()
    assert cc is not None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "program.c", Path(folder) / "program.so"
        source.write_text(text)
        flags = ["-O1", "-fwrapv", "-ffp-contract=off", "-shared", "-fPIC", "-w"]
        subprocess.run([cc, *flags, "-o", str(library), str(source), "-lm"], check=True, capture_output=True)
        return ctypes.CDLL(str(library))


class CBackend:
    name = "c"

    def compile(self, program: Program, target: Target | None, interface: Interface, options: Options) -> ByValues:
        sites: list[Site | None] = []
        text = printed(program, sites)
        library, f = built(text), program.functions[program.entry]
        library.faults.restype = ctypes.POINTER(ctypes.c_int64)
        library.entry.argtypes = [*(CTYPES[p.type] for p in f.params), *(ctypes.POINTER(CTYPES[t]) for t in f.results)]

        def run(values: list[Any]) -> list[Any]:
            results = [CTYPES[t]() for t in f.results]
            given: Iterator[Any] = (x.item() if hasattr(x, "item") else x for x in values)
            if library.entry(*given, *map(ctypes.byref, results)):
                kind, site, *numbers = library.faults()[:5]
                raise faults.make_error(faults.BY_CODE[kind], sites[site], numbers)
            return [r.value if t == BOOL else NUMPY_DTYPES[t].type(r.value) for r, t in zip(results, f.results, strict=True)]

        return ByValues(interface, run, {"c": text})
