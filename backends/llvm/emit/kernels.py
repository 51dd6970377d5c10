"""Kernels in LLVM: a function forward and one backward for each, with the loop nest inside.

    void @kernel.N(ptr noalias x, ptr noalias z, i64 n, ..)               for i: for j: z[i, j] = f(x[..], ..)
    S    @kernel.N.back(ptr noalias x, dx, dz, i64 n, .., scalars)        for i: for j: dx[..] += df(..) dz[i, j]

Everything that a kernel needs comes as a parameter, so that LLVM knows which pointers are apart (`noalias`): data and
adjoints of arrays of different alias classes. The loop backwards runs the scalar function again and its operations'
rules in reverse; what was an output can be read instead of computed. Adjoints of scalars and of elements that do not
move along the innermost axis are summed up in registers. Where two inputs read one array at different places
(`x[1:] - x[:-1]`), their terms go through buffers of `STRIP` elements, so that each loop adds at one place.

A sum may be taken in any order, as NumPy's is; LLVM uses vectors for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ....ir.core.graph import Atom, Const, Let, Var
from ....ir.core.kernel import SMOOTH, Access, Gather, Kernel, Result, Same, expensive, kernel_of, varied_results, varies
from ....ir.core.op import TABLE, written
from ....ir.core.types import BOOL, F64, I32, Array, Scalar, Type, carries_gradient, element, is_float
from .code import LLVM_TYPES, MEMORY_TYPES, NEGATIVE_ZERO, Code, literal, struct_of
from .lets import EMIT, Operands, allocate, copy_data, count, emit_scalar, loop, product, read_element, tiny_array, write_element
from .machine import LLVMMachine, Value

STRIP = 256  # elements of a buffer of adjoint terms: 2 KiB, in the first cache


class Outside:
    """The parameters of a function that is being made: each operand of the caller that it uses, once."""

    def __init__(self, code: Code, inline: bool) -> None:
        self.code, self.inline = code, inline
        self.names: dict[tuple[str, str], str] = {}
        self.roots: dict[str, Any] = {}  # of pointers: what they may alias

    def use(self, t: str, operand: str, root: Any = None) -> str:
        if self.inline or not operand.startswith("%"):
            return operand
        key = (t, operand)
        if key not in self.names:
            self.names[key] = f"%o{len(self.names)}"
            self.roots[operand] = root
        return self.names[key]

    def params(self) -> str:
        out = []
        for (t, operand), name in self.names.items():
            root = self.roots[operand]
            alone = t == "ptr" and root is not None and [r for r in self.roots.values() if r == root] == [root]
            out.append(f"{t}{' noalias' if alone else ''} {name}")
        return ", ".join(out)

    def args(self) -> str:
        return ", ".join(f"{t} {operand}" for t, operand in self.names)


TINY = 32  # points of a space of known size that is not worth a loop: its code is written out, with everything in registers
TINY_OPERATIONS = 128


def is_tiny(k: Kernel, body: Any) -> bool:
    """Is a kernel's space of known size and small?"""
    if not all(isinstance(n, Const) for n in k.sizes):
        return False
    n = math.prod(s.value for s in k.sizes)  # type: ignore[union-attr]
    return n <= TINY and n * len(body.entry.lets) <= TINY_OPERATIONS


def times(code: Code, x: str, y: str) -> str:
    if x == "0" or y == "0":
        return "0"
    if x.isdigit() and y.isdigit():
        return str(int(x) * int(y))
    if x == "1" or y == "1":
        return y if x == "1" else x
    return code.let(f"mul nsw i64 {x}, {y}")


def plus(code: Code, x: str, y: str) -> str:
    if x == "0" or y == "0":
        return y if x == "0" else x
    if x.isdigit() and y.isdigit():
        return str(int(x) + int(y))
    return code.let(f"add nsw i64 {x}, {y}")


class Nest:
    """The loop nest of one kernel in one direction, inside of its own function."""

    def __init__(self, context: Any, let: Let, read: Any, outer: Code, site: int) -> None:
        self.context, self.let, self.read, self.outer, self.site = context, let, read, outer, site
        self.k: Kernel = kernel_of(let)
        self.body = context.program.functions[self.k.f]
        self.unrolled = is_tiny(self.k, self.body)
        self.code = outer if self.unrolled else Code(context.module)
        self.outside = Outside(outer, self.unrolled)
        self.rank = len(self.k.sizes)
        self.sizes = [self.integer(n) for n in self.k.sizes]
        self.offsets: dict[int, tuple[str, list[str]]] = {}  # of an access: where it starts, and its stride along each axis
        self.index: list[str] = []
        self.order = self.loop_order()
        self.kept: dict[Var, str] = {}  # values of the scalar function that are kept in memory: their buffers

    def loop_order(self) -> list[int]:
        """The axes from the outermost loop to the innermost. A position needs all candidates of one output in a row."""
        for r in self.k.results:
            if r.kind.startswith("arg"):
                return [*r.axes, *(q for q in range(self.rank) if q not in r.axes)]
        return list(range(self.rank))

    def integer(self, a: Atom) -> str:
        return self.outside.use("i64", self.read(a)[0])

    def pointer(self, operand: str, root: Any) -> str:
        return self.outside.use("ptr", operand, root)

    def root(self, v: Var) -> Any:
        return self.context.aliases.root(v)

    # ---- places
    def place(self, x: Access) -> tuple[str, list[str]]:
        """(offset of the first element, stride along each axis of the space), once for each access."""
        if id(x) not in self.offsets:
            code, t = self.code, x.base.type
            assert isinstance(t, Array)
            dims = [self.outside.use("i64", d) for d in self.read(x.base)[1 : 1 + t.rank]]
            natural = ["1"] * t.rank
            for j in reversed(range(t.rank - 1)):
                natural[j] = times(code, natural[j + 1], dims[j + 1])
            start = "0"
            strides = ["0"] * self.rank
            for j, (s, step, q) in enumerate(zip(x.starts, x.steps, x.axes, strict=True)):
                start = plus(code, start, times(code, self.integer(s), natural[j]))
                if q >= 0:
                    strides[q] = plus(code, strides[q], times(code, self.integer(step), natural[j]))
            self.offsets[id(x)] = start, strides
        return self.offsets[id(x)]

    def offset(self, x: Access, axes: list[int] | None = None) -> str:
        """The offset of the element at the current indices of these axes (of all)."""
        start, strides = self.place(x)
        for q in self.order if axes is None else axes:
            if strides[q] != "0":
                start = plus(self.code, start, times(self.code, self.index[q], strides[q]))
        return start

    def moves(self, x: Access, q: int) -> bool:
        return self.place(x)[1][q] != "0"

    def linear(self, axes: Any) -> str:
        """The row-major index over some axes."""
        offset = "0"
        for q in axes:
            offset = plus(self.code, times(self.code, offset, self.sizes[q]), self.index[q])
        return offset

    def element(self, pointer: str, offset: str, dtype: Type) -> str:
        return self.code.let(f"getelementptr inbounds {MEMORY_TYPES[dtype]}, ptr {pointer}, i64 {offset}")

    def data(self, x: Access | Gather) -> str:
        return self.pointer(self.read(x.base)[0], ("data", self.root(x.base)))

    # ---- the scalar function
    def inputs(self) -> dict[Var, str]:
        env: dict[Var, str] = {}
        seen: dict[Any, str] = {}
        for x, p in zip(self.k.inputs, self.body.params, strict=True):
            if isinstance(x, Access):
                key = (x.base, x.starts, x.steps, x.axes)
                if key not in seen:
                    seen[key] = read_element(self.code, self.element(self.data(x), self.offset(x), x.base.type.dtype), x.base.type.dtype)  # type: ignore[union-attr]
                env[p] = seen[key]
            elif isinstance(x, Same):
                env[p] = self.scalar(x.atom)
            elif isinstance(x, Gather):
                t = x.base.type.dtype  # type: ignore[union-attr]
                env[p] = read_element(self.code, self.element(self.data(x), env[self.body.params[x.place]], t), t)
            else:
                env[p] = self.index[x.axis]
        return env

    def scalar(self, a: Atom) -> str:
        return self.outside.use(LLVM_TYPES[a.type], self.read(a)[0])

    def value(self, env: dict[Var, str], a: Atom) -> str:
        return env[a] if isinstance(a, Var) else literal(a.value, a.type)

    def run_body(self, env: dict[Var, str], skip: Any = ()) -> list[str]:
        for let in self.body.entry.lets:
            if let.out not in skip:
                env[let.out] = emit_scalar(self.code, let, [self.value(env, a) for a in let.args], self.site)
        return [self.value(env, a) for a in self.body.entry.terminator.args]

    def kept_element(self, v: Var) -> str:
        return self.element(self.pointer(self.kept[v], ("kept", v)), self.linear(range(self.rank)), v.type)

    # ---- loops
    def prepare(self) -> None:
        """What the loops use is computed before them."""
        self.index = ["0"] * self.rank
        for x in [*self.k.inputs, *(r.into for r in self.k.results)]:
            if isinstance(x, Access):
                self.place(x)

    def loops(self, depth: int, before: Callable[[int], None], inside: Callable[[], None], after: Callable[[int], None]) -> None:
        """The loops from `depth` on; before(d) and after(d) stand around the loop of depth d."""
        if depth == 0:
            self.prepare()
        before(depth)
        if depth == self.rank:
            inside()
        else:
            q = self.order[depth]

            def body(i: str) -> None:
                self.index[q] = i
                self.loops(depth + 1, before, inside, after)

            self.repeat(self.sizes[q], body)
            self.index[q] = "0"
        after(depth)

    def repeat(self, n: str, body: Callable[[str], None]) -> None:
        """for i in range(n): body(i)"""
        if self.unrolled:
            for i in range(int(n)):
                body(str(i))
        else:
            loop(self.code, n, body)

    def function(self, name: str, returned: list[tuple[str, str]]) -> list[str]:
        """End the function, call it, and give what it returns."""
        if self.unrolled:
            return [v for _, v in returned]
        t = struct_of([x for x, _ in returned])
        self.code.emit(f"ret {t} {self.code.pack(t, returned)}" if returned else "ret void")
        self.context.module.functions.append(self.code.text(f"define internal {t} {name}({self.outside.params()}) nounwind"))
        call = f"call {t} {name}({self.outside.args()})"
        if not returned:
            self.outer.emit(call)
            return []
        return self.outer.unpack(t, self.outer.let(call), len(returned))


def is_prefix(order: list[int], axes: Any) -> bool:
    """Are these axes the outermost loops?"""
    return set(order[: len(axes)]) == set(axes)


IDENTITY = {"sum": 0.0, "max": float("-inf"), "min": float("inf"), "argmax": float("-inf"), "argmin": float("inf")}


def identity(kind: str, t: Scalar) -> str:
    if is_float(t):
        return literal(IDENTITY[kind], t)
    if t == BOOL:
        return {"sum": "false", "max": "false", "min": "true", "argmax": "false", "argmin": "true"}[kind]
    bits = 31 if t == I32 else 63
    return {"sum": "0"}.get(kind) or str(-(2**bits) if kind.endswith("max") else 2**bits - 1)


class Forward(Nest):
    """The kernel itself."""

    def run(self, new: Callable[[Var, str], str]) -> list[Operands]:
        """The operands of the outs; new(variable, count) allocates."""
        self.made: dict[int, list[str]] = {}  # result number: data and sizes, outside
        for i, r in enumerate(self.k.results):
            if r.out is not None and isinstance(r.out.type, Array):
                axes = list(range(self.rank)) if r.kind == "map" else list(r.axes)
                dims = [self.read(self.k.sizes[q])[0] for q in axes]
                n = count(self.outer, dims, self.site) if r.out not in self.context.tiny else ""
                self.made[i] = [new(r.out, n), *dims]
        self.cells: dict[int, list[str]] = {}
        self.filled: set[int] = set()
        code = self.code
        self.start()
        self.loops(0, self.open, self.point, self.close)
        scalars = [(i, r) for i, r in enumerate(self.k.results) if r.out is not None and i not in self.made]
        returned = []
        for i, r in scalars:
            t = LLVM_TYPES[r.out.type]  # type: ignore[union-attr]
            returned.append((t, code.load(t, self.cells[i][-1])))
        back = self.function(f"@kernel.{self.context.unique()}", returned)
        found = dict(zip((i for i, _ in scalars), back, strict=True))
        return [self.made[i] if i in self.made else [found[i]] for i, r in enumerate(self.k.results) if r.out is not None]

    def result_type(self, i: int) -> Scalar:
        t = self.body.results[i]
        assert isinstance(t, Scalar)
        return t

    def start(self) -> None:
        """Memory that loops accumulate in, filled before them."""
        for i, r in enumerate(self.k.results):
            if r.out is None or r.kind == "map":
                continue
            if is_prefix(self.order, r.axes):
                t = LLVM_TYPES[self.result_type(i)]
                self.cells[i] = [
                    self.code.alloca(t),
                    *([self.code.alloca("i64"), self.code.alloca("i64")] if r.kind.startswith("arg") else []),
                ]
            else:
                n = "1"
                for q in r.axes:
                    n = times(self.code, n, self.sizes[q])
                p, dtype = self.target(i), r.out.type.dtype  # type: ignore[union-attr]
                first = identity(r.kind, dtype)
                self.repeat(n, lambda j, p=p, d=dtype, v=first: write_element(self.code, self.element(p, j, d), v, d))  # type: ignore[misc]

    def target(self, i: int) -> str:
        return self.pointer(self.made[i][0], ("new", i))

    def open(self, depth: int) -> None:
        for i, r in enumerate(self.k.results):
            if i in self.cells and depth == len(r.axes):
                t = self.result_type(i)
                self.code.store(LLVM_TYPES[t], identity(r.kind, t), self.cells[i][0])
                for cell in self.cells[i][1:]:
                    self.code.store("i64", "0", cell)

    def close(self, depth: int) -> None:
        for i, r in enumerate(self.k.results):
            if i in self.cells and i in self.made and depth == len(r.axes):
                dtype = r.out.type.dtype  # type: ignore[union-attr]
                t = LLVM_TYPES[element(dtype)]
                write_element(
                    self.code, self.element(self.target(i), self.linear(r.axes), dtype), self.code.load(t, self.cells[i][-1]), dtype
                )

    def finish_point(self, env: dict[Var, str]) -> None:
        """What else is to be done at a point."""

    def point(self) -> None:
        code = self.code
        env = self.inputs()
        values = self.run_body(env)
        for kept in self.kept:
            code.store(LLVM_TYPES[kept.type], env[kept], self.kept_element(kept))
        for i, (r, v) in enumerate(zip(self.k.results, values, strict=True)):
            if r.into is not None:
                dtype = r.into.base.type.dtype  # type: ignore[union-attr]
                write_element(code, self.element(self.data(r.into), self.offset(r.into), dtype), v, dtype)
            elif r.kind == "map":
                dtype = r.out.type.dtype  # type: ignore[union-attr]
                write_element(code, self.element(self.target(i), self.linear(range(self.rank)), dtype), v, dtype)
            elif r.kind.startswith("arg"):
                self.position(i, r, v)
            elif r.kind != "drop":
                t = self.result_type(i)
                if i in self.cells:
                    p = self.cells[i][0]
                    code.store(LLVM_TYPES[t], self.combine(r.kind, t, code.load(LLVM_TYPES[t], p), v), p)
                else:
                    dtype = r.out.type.dtype  # type: ignore[union-attr]
                    p = self.element(self.target(i), self.linear(r.axes), dtype)
                    write_element(code, p, self.combine(r.kind, t, read_element(code, p, dtype), v), dtype)
        self.finish_point(env)

    def combine(self, kind: str, t: Scalar, a: str, x: str) -> str:
        code, ty = self.code, LLVM_TYPES[t]
        if kind == "sum":
            return (
                code.let(f"fadd reassoc contract {ty} {a}, {x}")
                if is_float(t)
                else code.let(f"{'or' if t == BOOL else 'add'} {ty} {a}, {x}")
            )
        if is_float(t):
            name = f"llvm.{'maximum' if kind == 'max' else 'minimum'}.{'f64' if t == F64 else 'f32'}"
            code.module.declare(name, f"declare {ty} @{name}({ty}, {ty})")
            return code.let(f"call {ty} @{name}({ty} {a}, {ty} {x})")
        better = code.let(f"icmp {('u' if t == BOOL else 's')}{'gt' if kind == 'max' else 'lt'} {ty} {x}, {a}")
        return code.let(f"select i1 {better}, {ty} {x}, {ty} {a}")

    def position(self, i: int, r: Result, v: str) -> None:
        """The first of the best, or of the NaNs. Cells: best value, how many were seen, position."""
        code, t = self.code, self.result_type(i)
        ty = LLVM_TYPES[t]
        best_cell, count_cell, at_cell = self.cells[i]
        best, n = code.load(ty, best_cell), code.load("i64", count_cell)
        first = code.let(f"icmp eq i64 {n}, 0")
        if is_float(t):
            wins = code.let(f"fcmp {'ogt' if r.kind == 'argmax' else 'olt'} {ty} {v}, {best}")
            nan, old = code.let(f"fcmp uno {ty} {v}, 0.0"), code.let(f"fcmp ord {ty} {best}, 0.0")
            wins = code.let(f"or i1 {wins}, {code.let(f'and i1 {nan}, {old}')}")
        else:
            wins = code.let(f"icmp {'u' if t == BOOL else 's'}{'gt' if r.kind == 'argmax' else 'lt'} {ty} {v}, {best}")
        wins = code.let(f"or i1 {first}, {wins}")
        code.store(ty, code.let(f"select i1 {wins}, {ty} {v}, {ty} {best}"), best_cell)
        code.store("i64", code.let(f"select i1 {wins}, i64 {n}, i64 {code.load('i64', at_cell)}"), at_cell)
        code.store("i64", code.let(f"add i64 {n}, 1"), count_cell)


class Differentiated(Nest):
    """What both directions know of a kernel's derivative."""

    activity: Any

    def find_active(self) -> None:
        self.mask = [self.is_active(x) and carries_gradient(p.type) for x, p in zip(self.k.inputs, self.body.params, strict=True)]
        smooth = varied_results(self.body, self.mask)
        self.live = [s and (r.out is None or r.out in self.activity) for s, r in zip(smooth, self.k.results, strict=True)]
        self.varied = self.find_varied()
        self.groups = self.group()

    def is_active(self, x: Any) -> bool:
        a = x.base if isinstance(x, (Access, Gather)) else x.atom if isinstance(x, Same) else None
        return a is not None and a in self.activity

    def find_varied(self) -> set[Var]:
        found = {p for p, m in zip(self.body.params, self.mask, strict=True) if m}
        for let in self.body.entry.lets:
            if TABLE[let.op].differentiable and carries_gradient(let.out.type) and any(a in found for a in let.args):
                found.add(let.out)
        return found

    def key(self, x: Access) -> Any:
        return x.base, x.starts, x.steps, x.axes

    def group(self) -> dict[Any, Access]:
        """The active array inputs; equal ones are one."""
        return {self.key(x): x for x, m in zip(self.k.inputs, self.mask, strict=True) if m and isinstance(x, Access)}

    def adjoint(self, x: Access | Gather) -> str:
        return self.pointer(self.read(x.base)[-1], ("adjoint", self.root(x.base)))

    def adjoints_of_inputs(self, env: dict[Var, str], cotangents: list[str | None]) -> dict[Var, Any]:
        """The terms of the scalar function's parameters, by its operations' rules in reverse."""
        machine = LLVMMachine(self.code, self.site, contract=True)
        terms: dict[Var, Any] = {}
        results = self.body.entry.terminator.args
        for a, c in zip(results, cotangents, strict=True):
            if c is not None and a in self.varied:
                self.collect(terms, a, Value(machine, c, a.type))
        for let in reversed(self.body.entry.lets):
            if let.out in terms and let.out in self.varied:
                g = terms[let.out]
                xs = [Value(machine, self.value(env, a), a.type) for a in let.args]
                out = TABLE[let.op].rule(g, Value(machine, env[let.out], let.out.type), *xs, **let.attrs)
                for a, term in zip(let.args, out, strict=True):
                    if term is not None and a in self.varied:
                        self.collect(terms, a, term)
        return terms

    @staticmethod
    def collect(terms: dict[Var, Any], a: Any, term: Any) -> None:
        terms[a] = term if a not in terms else TABLE["add"](terms[a], term)


class Backward(Differentiated):
    """The way back of a kernel."""

    def __init__(self, context: Any, let: Let, read: Any, outer: Code, site: int, activity: Any, firsts: Any = ()) -> None:
        super().__init__(context, let, read, outer, site)
        self.activity = activity
        self.firsts = firsts  # arrays whose adjoints are written here first, and not added to

    def run(self, outs: dict[Var, Operands], given: dict[Var, str], old: dict[int, str]) -> dict[Var, str]:
        """`outs` are the operands of the outs, adjoint last for arrays; `given` the adjoints of scalar outs; `old` the saved
        elements of written arrays by result. The adjoints of scalar inputs."""
        self.outs, self.given, self.old = outs, given, old
        self.prepare()
        self.find_active()
        code = self.code
        self.sums: dict[Any, str] = {}
        for x, m in zip(self.k.inputs, self.mask, strict=True):
            if m and isinstance(x, Same) and x.atom not in self.sums:
                t = LLVM_TYPES[x.atom.type]
                self.sums[x.atom] = code.alloca(t)
                code.store(t, NEGATIVE_ZERO, self.sums[x.atom])
        self.strips = self.conflicts()
        self.buffers = {key: code.alloca(f"[{STRIP} x {LLVM_TYPES[self.groups[key].base.type.dtype]}]") for key in self.strips}  # type: ignore[union-attr]
        self.accumulators = {
            key: code.alloca(LLVM_TYPES[x.base.type.dtype])  # type: ignore[union-attr]
            for key, x in self.groups.items()
            if key not in self.buffers and self.level(x) < self.rank
        }
        self.held: dict[int, str] = {}
        self.loops(0, self.open, self.point, self.close)
        returned = [(LLVM_TYPES[a.type], code.load(LLVM_TYPES[a.type], p)) for a, p in self.sums.items()]
        back = self.function(f"@kernel.{self.context.unique()}.back", returned)
        return dict(zip(self.sums, back, strict=True))

    def level(self, x: Access) -> int:
        """How many of the loops an access moves along, from the outermost to the last that matters."""
        return max([d + 1 for d, q in enumerate(self.order) if self.moves(x, q)], default=0)

    def conflicts(self) -> list[Any]:
        """Inputs that add to an array that another one adds to as well, at other places, in the innermost loop."""
        if not self.rank or self.unrolled:
            return []
        inner = [(key, self.root(x.base)) for key, x in self.groups.items() if self.moves(x, self.order[-1])]
        roots = [root for _, root in inner]
        roots += [self.root(x.base) for x, m in zip(self.k.inputs, self.mask, strict=True) if m and isinstance(x, Gather)]
        return [key for key, root in inner if roots.count(root) > 1]

    # ---- around the loops
    def open(self, depth: int) -> None:
        code = self.code
        for key, cell in self.accumulators.items():
            x = self.groups[key]
            if depth == self.level(x):
                code.store(LLVM_TYPES[x.base.type.dtype], NEGATIVE_ZERO, cell)  # type: ignore[union-attr]
        for i, r in enumerate(self.k.results):
            if self.live[i] and r.kind == "sum" and is_prefix(self.order, r.axes) and depth == len(r.axes):
                self.held[i] = self.cotangent_of_sum(i, r)

    def cotangent_of_sum(self, i: int, r: Result) -> str:
        assert r.out is not None
        if not isinstance(r.out.type, Array):
            return self.outside.use(LLVM_TYPES[r.out.type], self.given.get(r.out, literal(0.0, r.out.type)))
        t = r.out.type.dtype
        return self.code.load(LLVM_TYPES[t], self.element(self.pointer(self.outs[r.out][-1], ("dout", i)), self.linear(r.axes), t))

    def close(self, depth: int) -> None:
        for key, cell in self.accumulators.items():
            x = self.groups[key]
            if depth == self.level(x):
                t = x.base.type.dtype  # type: ignore[union-attr]
                self.add_to_array(
                    x, self.element(self.adjoint(x), self.offset(x, self.order[:depth]), t), self.code.load(LLVM_TYPES[t], cell)
                )

    def add_to_array(self, x: Access, p: str, term: str) -> None:
        t = x.base.type.dtype  # type: ignore[union-attr]
        if x.base in self.firsts:  # plus 0.0, as if it had been added
            self.code.store(LLVM_TYPES[t], self.code.let(f"fadd {LLVM_TYPES[t]} {term}, 0.0"), p)
        else:
            self.add(p, t, term)

    def add(self, p: str, t: Type, term: str, flags: str = "contract") -> None:
        ty = LLVM_TYPES[t]
        self.code.store(ty, self.code.let(f"fadd {flags} {ty} {self.code.load(ty, p)}, {term}"), p)

    def loops(self, depth: int, before: Any, inside: Any, after: Any) -> None:
        if not self.buffers or depth != self.rank - 1:
            super().loops(depth, before, inside, after)
            return
        if depth == 0:
            self.prepare()
        before(depth)
        self.strip_mined(lambda: super(Backward, self).loops(self.rank, before, inside, after))
        after(depth)

    def strip_mined(self, inside: Callable[[], None]) -> None:
        """The innermost loop in strips: terms to buffers, then each buffer to its array."""
        code, q = self.code, self.order[-1]
        n = self.sizes[q]
        strips = code.let(f"sdiv i64 {code.let(f'add nsw i64 {n}, {STRIP - 1}')}, {STRIP}")

        def strip(s: str) -> None:
            first = code.let(f"mul nsw i64 {s}, {STRIP}")
            rest = code.let(f"sub nsw i64 {n}, {first}")
            count = code.let(f"call i64 @llvm.smin.i64(i64 {rest}, i64 {STRIP})")

            def one(j: str) -> None:
                self.index[q], self.within = code.let(f"add nsw i64 {first}, {j}"), j
                inside()

            loop(code, count, one)
            for key in self.strips:
                x = self.groups[key]
                t = x.base.type.dtype  # type: ignore[union-attr]

                def spill(j: str, x: Access = x, t: Any = t, key: Any = key) -> None:
                    self.index[q] = code.let(f"add nsw i64 {first}, {j}")
                    term = code.load(LLVM_TYPES[t], self.element(self.buffers[key], j, t))
                    self.add(self.element(self.adjoint(x), self.offset(x), t), t, term)

                loop(code, count, spill)

        loop(code, strips, strip)
        self.index[q] = "0"

    # ---- one point
    def point(self) -> None:
        code = self.code
        cotangents = [self.cotangent(i, r) for i, r in enumerate(self.k.results)]
        for i, r in enumerate(self.k.results):
            if i in self.old and r.into is not None:
                t = r.into.base.type.dtype  # type: ignore[union-attr]
                saved = self.pointer(self.old[i], ("old", i))
                v = code.load(MEMORY_TYPES[t], self.element(saved, self.linear(range(self.rank)), t))
                code.store(MEMORY_TYPES[t], v, self.element(self.data(r.into), self.offset(r.into), t))
        env = self.env = self.inputs()
        skip = self.read_back(env)
        self.run_body(env, skip)
        self.scatter(self.adjoints_of_inputs(env, cotangents))

    def cotangent(self, i: int, r: Result) -> str | None:
        if r.kind not in SMOOTH:
            return None
        code = self.code
        if r.into is not None:
            if r.into.base not in self.activity:
                return None
            t = r.into.base.type.dtype  # type: ignore[union-attr]
            p = self.element(self.adjoint(r.into), self.offset(r.into), t)
            d = code.load(LLVM_TYPES[t], p)
            code.store(LLVM_TYPES[t], NEGATIVE_ZERO, p)
            return d if self.live[i] else None
        if not self.live[i]:
            return None
        if i in self.held:
            return self.held[i]
        assert r.out is not None
        if r.kind == "sum":
            return self.cotangent_of_sum(i, r)
        t = r.out.type.dtype  # type: ignore[union-attr]
        return code.load(LLVM_TYPES[t], self.element(self.pointer(self.outs[r.out][-1], ("dout", i)), self.linear(range(self.rank)), t))

    def read_back(self, env: dict[Var, str]) -> set[Var]:
        """Results of expensive operations that are in memory need not be computed again."""
        skip: set[Var] = set(self.kept)
        env.update({v: self.code.load(LLVM_TYPES[v.type], self.kept_element(v)) for v in self.kept})
        made = {let.out: let for let in self.body.entry.lets}
        for i, (r, a) in enumerate(zip(self.k.results, self.body.entry.terminator.args, strict=True)):
            if r.kind == "map" and isinstance(a, Var) and a in made and a not in skip and TABLE[made[a].op].expensive:
                assert r.out is not None
                assert isinstance(r.out.type, Array)
                t = r.out.type.dtype
                env[a] = read_element(
                    self.code, self.element(self.pointer(self.outs[r.out][0], ("out", i)), self.linear(range(self.rank)), t), t
                )
                skip.add(a)
        return skip

    def scatter(self, terms: dict[Var, Any]) -> None:
        totals: dict[Any, Any] = {}
        for x, p, m in zip(self.k.inputs, self.body.params, self.mask, strict=True):
            if m and p in terms:
                if isinstance(x, Gather):
                    t = x.base.type.dtype  # type: ignore[union-attr]
                    self.add(self.element(self.adjoint(x), self.env[self.body.params[x.place]], t), t, terms[p].name)
                    continue
                key = self.key(x) if isinstance(x, Access) else x.atom  # type: ignore[union-attr]
                totals[key] = terms[p] if key not in totals else TABLE["add"](totals[key], terms[p])
        for key, term in totals.items():
            if key in self.sums:
                self.add(self.sums[key], key.type, term.name, "reassoc contract")
                continue
            x = self.groups[key]
            t = x.base.type.dtype  # type: ignore[union-attr]
            if key in self.buffers:
                self.code.store(LLVM_TYPES[t], term.name, self.element(self.buffers[key], self.within, t))
            elif key in self.accumulators:
                self.add(self.accumulators[key], t, term.name, "reassoc contract")
            else:
                self.add_to_array(x, self.element(self.adjoint(x), self.offset(x), t), term.name)
        for key, x in self.groups.items():
            if x.base in self.firsts and key not in totals and key not in self.accumulators:
                t = x.base.type.dtype  # type: ignore[union-attr]
                self.add_to_array(x, self.element(self.adjoint(x), self.offset(x), t), literal(0.0, t))
        for key in self.buffers:
            if key not in totals:
                t = self.groups[key].base.type.dtype  # type: ignore[union-attr]
                self.code.store(LLVM_TYPES[t], NEGATIVE_ZERO, self.element(self.buffers[key], self.within, t))


class ForwardWithPartials(Forward, Differentiated):
    """Sums of an expensive function of arrays whose adjoints it is the first to touch on the way back: their derivatives are
    written where the adjoints will be, to be multiplied by the sum's adjoint later. (log-sum-exp: one exp instead of two.)"""

    def __init__(self, context: Any, let: Let, read: Any, outer: Code, site: int, activity: Any) -> None:
        super().__init__(context, let, read, outer, site)
        self.activity = activity
        self.find_active()

    def finish_point(self, env: dict[Var, str]) -> None:
        one = [literal(1.0, t) if live else None for t, live in zip(self.body.results, self.live, strict=True)]
        terms = self.adjoints_of_inputs(env, one)
        for key, x in self.groups.items():
            t = x.base.type.dtype  # type: ignore[union-attr]
            found = [
                terms[p]
                for y, p in zip(self.k.inputs, self.body.params, strict=True)
                if isinstance(y, Access) and self.key(y) == key and p in terms
            ]
            total = found[0].name if found else literal(0.0, t)
            for other in found[1:]:
                total = self.code.let(f"fadd contract {LLVM_TYPES[t]} {total}, {other.name}")
            self.code.store(LLVM_TYPES[t], total, self.element(self.adjoint(x), self.offset(x), t))


class Scaling(Differentiated):
    """The way back of such a kernel: adjoint *= adjoint of the sum."""

    def __init__(self, context: Any, let: Let, read: Any, outer: Code, site: int, activity: Any) -> None:
        super().__init__(context, let, read, outer, site)
        self.activity = activity
        self.find_active()

    def run(self, outs: dict[Var, Operands], given: dict[Var, str]) -> None:
        (r,) = self.k.results
        assert r.out is not None

        def point() -> None:
            assert r.out is not None
            if isinstance(r.out.type, Array):
                s = r.out.type.dtype
                d = self.code.load(LLVM_TYPES[s], self.element(self.pointer(outs[r.out][-1], ("dout", 0)), self.linear(r.axes), s))
            else:
                d = self.outside.use(LLVM_TYPES[r.out.type], given.get(r.out, literal(0.0, r.out.type)))
            machine = LLVMMachine(self.code, self.site, contract=True)
            g = Value(machine, d, element(r.out.type.dtype) if isinstance(r.out.type, Array) else r.out.type)
            for x in self.groups.values():
                t = x.base.type.dtype  # type: ignore[union-attr]
                p = self.element(self.adjoint(x), self.offset(x), t)
                partial = Value(machine, self.code.load(LLVM_TYPES[t], p), t)
                z = TABLE["mul"](g if g.type == t else TABLE["convert"](g, to=t), partial)
                self.code.store(LLVM_TYPES[t], self.code.let(f"fadd {LLVM_TYPES[t]} {z.name}, 0.0"), p)

        self.loops(0, lambda d: None, point, lambda d: None)
        self.function(f"@kernel.{self.context.unique()}.scale", [])


def keeps_partials(context: Any, let: Let, activity: Any, firsts: set[Var]) -> bool:
    """Is this kernel one sum of an expensive function, all of whose active inputs are arrays whose adjoints it writes first?"""
    k = kernel_of(let)
    body = context.program.functions[k.f]
    if len(k.results) != 1 or k.results[0].kind != "sum" or not expensive(body):
        return False
    for x, p in zip(k.inputs, body.params, strict=True):
        active = carries_gradient(p.type) and varies(x, activity.__contains__)
        if active and (not isinstance(x, Access) or x.base not in firsts or sorted(x.axes) != list(range(len(k.sizes)))):
            return False
    return True


# ---- what the emitters call
def heavy_values(context: Any, code: Code, let: Let, read: Any, activity: Any) -> dict[Var, str]:
    """Buffers for the values of a kernel's scalar function that are kept for the way back."""
    k = kernel_of(let)
    body = context.program.functions[k.f]
    varied = {p for x, p in zip(k.inputs, body.params, strict=True) if varies(x, activity.__contains__)}
    for x in body.entry.lets:
        if any(a in varied for a in x.args):
            varied.add(x.out)
    beside = {a for x in body.entry.lets if x.out in varied for a in (*x.args, x.out)}
    found = [x.out for x in body.entry.lets if TABLE[x.op].cost == "heavy" and x.out in beside]
    n = product(code, [read(s)[0] for s in k.sizes]) if found else ""
    return {v: allocate(code, n, v.type, 0) for v in found}


def emit_kernel(code: Code, let: Let, read: Any, partials: Any = None, kept: Any = None) -> list[Operands]:
    """A kernel; `partials` is the activity if it is to write derivatives where adjoints will be."""
    context, site = code.module.context, code.module.site(let.site)

    def new(v: Var, n: str) -> str:
        if v in context.tiny:
            return tiny_array(context, code, v)
        code.allocator = "lantern.alloc_result" if v in code.escaping else "lantern.alloc"
        return allocate(code, n, v.type.dtype, site)  # type: ignore[union-attr]

    if partials is not None:
        return ForwardWithPartials(context, let, read, code, site, partials).run(new)
    run = Forward(context, let, read, code, site)
    run.kept = kept or {}
    return run.run(new)


EMIT["kernel"] = lambda code, let, read, site: emit_kernel(code, let, read)


def save_elements(context: Any, code: Code, let: Let, read: Any, needed: Any) -> dict[int, str]:
    """Copies of the elements that a kernel is about to write, by result, of arrays whose values the way back needs."""
    k = kernel_of(let)
    saved = {}
    for i, r in enumerate(k.results):
        if r.kind == "into" and r.into is not None and (needed is None or context.aliases.root(r.into.base) in needed):
            n = product(code, [read(s)[0] for s in k.sizes])
            saved[i] = allocate(code, n, r.into.base.type.dtype, 0)  # type: ignore[union-attr]
    if saved:
        Saver(context, let, read, code, 0).run(saved, False)
    return saved


def save_written(context: Any, code: Code, let: Let, read: Any, needed: Any) -> Callable[[Code], None]:
    """Save what an operation is about to write; gives what puts it back."""
    if TABLE[let.op].nest:
        saved = save_elements(context, code, let, read, needed)
        return lambda code: Saver(context, let, read, code, 0).run(saved, True) if saved else None
    copies = [_copied(code, v, read) for v in written(let)]

    def restore(code: Code) -> None:
        for data, copy, n, t in copies:
            copy_data(code, data, copy, n, t)

    return restore


def _copied(code: Code, v: Var, read: Any) -> tuple[str, str, str, Scalar]:
    """(an array's data, a copy, the number of its elements, their type)"""
    assert isinstance(v.type, Array)
    data, *dims = read(v)[: 1 + v.type.rank]
    n = product(code, dims)
    copy = allocate(code, n, v.type.dtype, 0)
    copy_data(code, copy, data, n, v.type.dtype)
    return data, copy, n, v.type.dtype


class Saver(Nest):
    """Copies the elements that a kernel writes to buffers, or back."""

    def run(self, buffers: dict[int, str], back: bool) -> None:
        def point() -> None:
            for i, buffer in buffers.items():
                x = self.k.results[i].into
                assert x is not None
                t = x.base.type.dtype  # type: ignore[union-attr]
                here = self.element(self.data(x), self.offset(x), t)
                there = self.element(self.pointer(buffer, ("old", i)), self.linear(range(self.rank)), t)
                source, target = (there, here) if back else (here, there)
                self.code.store(MEMORY_TYPES[t], self.code.load(MEMORY_TYPES[t], source), target)

        self.loops(0, lambda d: None, point, lambda d: None)
        self.function(f"@kernel.{self.context.unique()}.{'restore' if back else 'save'}", [])


__all__ = ["Backward", "Forward", "Scaling", "emit_kernel", "heavy_values", "keeps_partials", "save_elements", "save_written"]
