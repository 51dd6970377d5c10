"""The loop nest of a kernel, as a function of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .....ir.core.graph import Atom, Const, Let, Var
from .....ir.core.kernel import Access, Gather, Kernel, Same, kernel_of
from .....ir.core.types import Array, Type
from ..code import LLVM_TYPES, MEMORY_TYPES, Code, literal, struct_of
from ..lets import emit_scalar, loop, read_element
from .parts import Parts, axis


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

    def start(self, operand: str) -> str:
        """Where an access begins along an axis: a parameter as well where it is a number, so that kernels of other rows are the same function.
        Of one that is called with one number alone, LLVM knows it again."""
        if self.inline or operand == "0":
            return operand
        self.roots.setdefault(operand, None)
        return self.names.setdefault(("i64", operand), f"%o{len(self.names)}")

    def params(self) -> str:
        out = []
        for (t, operand), name in self.names.items():
            root = self.roots[operand]
            alone = t == "ptr" and root is not None and [r for r in self.roots.values() if r == root] == [root]
            out.append(f"{t}{' noalias' if alone else ''} {name}")
        return ", ".join(out)

    def args(self) -> str:
        return ", ".join(f"{t} {operand}" for t, operand in self.names)


STRIP = 256  # points that are handled together: a buffer of 2 KiB is in the first cache
TINY = 32  # points of a space of known size that is not worth a loop: its code is written out, with everything in registers
TINY_OPERATIONS = 128
INLINED = 40  # lines of a kernel that LLVM may inline: a call costs as much as a few points
OFTEN = 4  # calls of one that it may inline
MANY = 48  # calls of kernels in one module that it may: making vectors of a loop takes it longer, the longer the function around is
INLINE, APART = "nounwind", "noinline nounwind alignstack(64)"


def apart(functions: list[str], uses: Mapping[str, int]) -> list[str]:
    """Functions of a module, of which the kernels with so many `uses` that are long, or called often, stay functions of their own."""
    out, left = [], MANY
    for text in functions:
        head, _, _ = text.partition("\n")
        calls = uses.get(head[head.find("@") : head.find("(", head.find("@"))], 0)
        if not calls or calls > min(left, OFTEN) or text.count("\n") > INLINED:
            text = text.replace(f") {INLINE} {{", f") {APART} {{", 1) if calls else text
        else:
            left -= calls
        out.append(text)
    return out


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
        self.code.at(let.site)
        self.rank = len(self.k.sizes)
        self.sizes = [self.integer(n) for n in self.k.sizes]
        self.offsets: dict[int, tuple[str, list[str]]] = {}  # of an access: where it starts, and its stride along each axis
        self.index: list[str] = []
        self.order = self.loop_order()
        # the axis that parts are of, or why there are none; results for which parts have arrays of their own
        self.split, self.whole, self.met = axis(self) if context.threads > 1 else (None, "", [])

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
                start = plus(code, start, times(code, self.outside.start(self.read(s)[0]), natural[j]))
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
                    seen[key] = self.read_input(x)
                env[p] = seen[key]
            elif isinstance(x, Same):
                env[p] = self.scalar(x.atom)
            elif isinstance(x, Gather):
                t = x.base.type.dtype  # type: ignore[union-attr]
                env[p] = read_element(self.code, self.element(self.data(x), env[self.body.params[x.place]], t), t)
            else:
                env[p] = self.index[x.axis]
        return env

    def read_input(self, x: Access) -> str:
        t = x.base.type.dtype  # type: ignore[union-attr]
        return read_element(self.code, self.element(self.data(x), self.offset(x), t), t)

    def scalar(self, a: Atom) -> str:
        return self.outside.use(LLVM_TYPES[a.type], self.read(a)[0])

    def value(self, env: dict[Var, str], a: Atom) -> str:
        return env[a] if isinstance(a, Var) else literal(a.value, a.type)

    def run_body(self, env: dict[Var, str]) -> list[str]:
        for let in self.body.entry.lets:
            self.code.at(let.site or self.let.site)
            env[let.out] = emit_scalar(self.code, let, [self.value(env, a) for a in let.args], self.site)
        return [self.value(env, a) for a in self.body.returned]

    # ---- loops
    def prepare(self) -> None:
        """What the loops use is computed before them."""
        self.index = ["0"] * self.rank
        for x in [*self.k.inputs, *(x for r in self.k.results for x in (r.into, r.start))]:
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

            self.along(q, body)
            self.index[q] = "0"
        after(depth)

    def along(self, q: int, body: Callable[[str], None]) -> None:
        """The loop along an axis: all of it, or what a part has."""
        first, n = self.span(q)
        self.repeat(n, body if first == "0" else lambda i: body(self.code.let(f"add nsw i64 {first}, {i}")))

    def span(self, q: int) -> tuple[str, str]:
        """The first index along an axis, and how many there are."""
        return ("%first", "%length") if q == self.split else ("0", self.sizes[q])

    def repeat(self, n: str, body: Callable[[str], None]) -> None:
        """for i in range(n): body(i)"""
        if self.unrolled:
            for i in range(int(n)):
                body(str(i))
        else:
            loop(self.code, n, body)

    def function(self, name: str, returned: list[tuple[str, str]]) -> list[str]:
        """End the function, call it, and give what it returns."""
        if self.context.threads > 1:
            self.context.parallel[name[1:]] = (f"parts of axis {self.split}" if self.split is not None else self.whole, self.site)
        if self.unrolled:
            return [v for _, v in returned]
        if self.split is not None:
            joins = self.joins()
            types = Parts(self, name, [*returned, *self.added()], joins).emit(lambda values: self.finish(returned, values))
        else:
            types = [x for x, _ in returned]
            t = struct_of(types)
            self.code.emit(f"ret {t} {self.code.pack(t, returned)}" if returned else "ret void")
            head = f"define internal {self.code.module.typed(types)} {name}({self.outside.params()}) {INLINE}"
            name = self.context.module.once(name, self.code.text(head))
            self.context.module.uses[name] += 1
        call = f"call {self.code.module.typed(types)} {name}({self.outside.args()})"
        if not returned:
            self.outer.emit(call)
            return []
        return self.outer.unpack(struct_of(types), self.outer.let(call), len(returned))

    # ---- parts
    def joins(self) -> list[Callable[[str, str], str]]:
        """How what two parts give becomes one, for each value."""
        raise NotImplementedError

    def added(self) -> list[tuple[str, str]]:
        """What a part gives beside what the kernel returns."""
        return []

    def finish(self, returned: list[tuple[str, str]], values: list[str]) -> list[tuple[str, str]]:
        """What the kernel returns."""
        return [(t, v) for (t, _), v in zip(returned, values, strict=False)]


def is_prefix(order: list[int], axes: Any) -> bool:
    """Are these axes the outermost loops?"""
    return set(order[: len(axes)]) == set(axes)
