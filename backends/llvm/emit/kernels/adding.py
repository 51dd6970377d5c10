"""Kernels that add to arrays: what adjoints are made of.

Terms for elements that do not move along the innermost axes are summed up in registers. Where two results add to one array at
different places (`x[1:] - x[:-1]` backwards), their terms go through buffers of `STRIP` elements, so that each loop adds at one place
and is a vector loop.
"""

from __future__ import annotations

from collections.abc import Callable

from .....ir.core.graph import Var
from .....ir.core.kernel import ADDS, Access, Result
from .....ir.core.types import Array, Scalar
from ..code import LLVM_TYPES, MEMORY_TYPES, NEGATIVE_ZERO, Code, Module, in_lanes
from ..lets import Operands, loop
from .forward import Forward
from .nest import plus, times

STRIP = 256  # elements of a buffer of terms: 2 KiB, in the first cache
HERE = 2  # buffers of a kernel that are added by loops of its own


class Adding(Forward):
    """A kernel with results that are added."""

    def run(self, new: Callable[[Var, str], str]) -> list[Operands]:
        self.prepare()
        self.ends: list[tuple[Result, str, str]] = []
        adds = {i: r for i, r in enumerate(self.k.results) if r.kind in ADDS}
        self.buffers = {i: self.code.alloca(f"[{STRIP} x {self.term_type(r)}]") for i, r in self.conflicts(adds).items()}
        self.sums = {
            i: (self.code.alloca(self.term_type(r)), self.level(r.into))
            for i, r in adds.items()
            if r.into is not None and i not in self.buffers and self.level(r.into) < self.rank
        }
        return super().run(new)

    @staticmethod
    def dtype(r: Result) -> Scalar:
        assert r.written is not None
        assert isinstance(r.written.type, Array)
        return r.written.type.dtype

    def term_type(self, r: Result) -> str:
        return LLVM_TYPES[self.dtype(r)]

    def level(self, x: Access) -> int:
        """How many of the loops an access moves along, from the outermost to the last that matters."""
        return max([d + 1 for d, q in enumerate(self.order) if self.moves(x, q)], default=0)

    def conflicts(self, adds: dict[int, Result]) -> dict[int, Result]:
        """Those that add to an array to which another one adds as well, at other places, in the innermost loop."""
        if not self.rank or self.unrolled:
            return {}
        inner = {i: r for i, r in adds.items() if r.at is not None or self.moves(r.into, self.order[-1])}  # type: ignore[arg-type]
        roots = [self.root(r.written) for r in inner.values()]  # type: ignore[arg-type]
        return {i: r for i, r in inner.items() if r.into is not None and roots.count(self.root(r.into.base)) > 1}

    # ---- around the loops
    def open(self, depth: int) -> None:
        super().open(depth)
        for i, (cell, level) in self.sums.items():
            if depth == level:
                self.code.store(self.term_type(self.k.results[i]), NEGATIVE_ZERO, cell)

    def close(self, depth: int) -> None:
        super().close(depth)
        for i, (cell, level) in self.sums.items():
            if depth == level:
                r = self.k.results[i]
                assert r.into is not None
                total = self.code.load(self.term_type(r), cell)
                p = self.element(self.data(r.into), self.offset(r.into, self.order[:depth]), self.dtype(r))
                if depth == 0 and self.split is not None:
                    self.ends.append((r, p, total))
                else:
                    self.add(r, p, total)

    # ---- parts: what does not move is added when all are there
    def joins(self) -> list[Callable[[str, str], str]]:
        def join(r: Result) -> Callable[[str, str], str]:
            return lambda a, x: self.code.let(f"fadd {self.term_type(r)} {a}, {x}")

        return [*super().joins(), *(one for r, _, _ in self.ends for one in (join(r), lambda a, _: a))]

    def added(self) -> list[tuple[str, str]]:
        return [x for r, p, total in self.ends for x in ((self.term_type(r), total), ("ptr", p))]

    def finish(self, returned: list[tuple[str, str]], values: list[str]) -> list[tuple[str, str]]:
        rest = values[len(returned) :]
        for (r, _, _), total, p in zip(self.ends, rest[::2], rest[1::2], strict=True):
            self.add(r, p, total)
        return super().finish(returned, values)

    def loops(self, depth: int, before: Callable[[int], None], inside: Callable[[], None], after: Callable[[int], None]) -> None:
        if not self.buffers or depth != self.rank - 1:
            super().loops(depth, before, inside, after)
            return
        if depth == 0:
            self.prepare()
        before(depth)
        self.strip_mined(lambda: super(Adding, self).loops(self.rank, before, inside, after))
        after(depth)

    def strip_mined(self, inside: Callable[[], None]) -> None:
        """The innermost loop in strips: terms to buffers, then each buffer to its array."""
        code, q = self.code, self.order[-1]
        start, n = self.span(q)
        strips = code.let(f"sdiv i64 {code.let(f'add nsw i64 {n}, {STRIP - 1}')}, {STRIP}")

        def strip(s: str) -> None:
            first = code.let(f"mul nsw i64 {s}, {STRIP}")
            rest = code.let(f"sub nsw i64 {n}, {first}")
            first = plus(code, start, first)
            count = code.let(f"call i64 @llvm.smin.i64(i64 {rest}, i64 {STRIP})")

            def one(j: str) -> None:
                self.index[q], self.within = code.let(f"add nsw i64 {first}, {j}"), j
                inside()

            loop(code, count, one)
            for i, buffer in self.buffers.items():
                self.index[q] = first
                self.add_terms(self.k.results[i], buffer, count)

        loop(code, strips, strip)
        self.index[q] = "0"

    def add_terms(self, r: Result, buffer: str, n: str) -> None:
        """Add a buffer from where the indices are on: here, or, where there are many, by a function, for each loop costs LLVM some milliseconds."""
        assert r.into is not None
        to, dtype, stride = self.data(r.into), self.dtype(r), self.place(r.into)[1][self.order[-1]]
        to = self.element(to, self.offset(r.into), dtype)
        if len(self.buffers) > HERE:
            self.code.emit(f"call void {terms_function(self.code.module, dtype, r.kind)}(ptr {to}, i64 {stride}, ptr {buffer}, i64 {n})")
        else:
            loop(self.code, n, lambda j: add_term(self.code, dtype, r.kind, to, times(self.code, j, stride), buffer, j))

    # ---- one point
    def put(self, i: int, r: Result, v: str, env: dict[Var, str]) -> None:
        if r.kind not in ADDS:
            super().put(i, r, v, env)
        elif r.at is not None:
            self.add(r, self.element(self.data(r.at), env[self.body.params[r.at.place]], self.dtype(r)), v)
        elif i in self.buffers:
            self.code.store(self.term_type(r), v, self.element(self.buffers[i], self.within, self.dtype(r)))
        elif i in self.sums:
            self.sum(self.term_type(r), self.sums[i][0], v, "reassoc contract")
        else:
            assert r.into is not None
            self.add(r, self.element(self.data(r.into), self.offset(r.into), self.dtype(r)), v)

    def add(self, r: Result, p: str, v: str) -> None:
        add(self.code, self.term_type(r), r.kind, p, v)

    def sum(self, t: str, p: str, v: str, flags: str) -> None:
        accumulate(self.code, t, p, v, flags)


def add(code: Code, t: str, kind: str, p: str, v: str) -> None:
    """Add a term to what is there, or be the first that is added there."""
    if kind == "first":  # plus 0.0, as if it had been added
        code.store(t, code.let(f"fadd {t} {v}, {in_lanes(t, '0.0')}"), p)
    else:
        accumulate(code, t, p, v, "contract")


def accumulate(code: Code, t: str, p: str, v: str, flags: str) -> None:
    code.store(t, code.let(f"fadd {flags} {t} {code.load(t, p)}, {v}"), p)


def add_term(code: Code, dtype: Scalar, kind: str, to: str, at: str, terms: str, j: str) -> None:
    t = LLVM_TYPES[dtype]
    p, term = (code.let(f"getelementptr inbounds {MEMORY_TYPES[dtype]}, ptr {x}, i64 {i}") for x, i in ((to, at), (terms, j)))
    add(code, t, kind, p, code.load(t, term))


def terms_function(module: Module, dtype: Scalar, kind: str) -> str:
    """The function of a module that adds a buffer of terms to elements that are `stride` apart; a loop of its own for those that lie side by side."""
    name, code = f"@lantern_terms.{kind}.{dtype}", Code(module)
    near, far = code.new_label("near"), code.new_label("far")
    code.emit(f"br i1 {code.let('icmp eq i64 %stride, 1')}, label %{near}, label %{far}")
    for label, stride in ((near, "1"), (far, "%stride")):
        code.place(label)
        loop(code, "%n", lambda j, s=stride: add_term(code, dtype, kind, "%to", times(code, j, s), "%terms", j))  # type: ignore[misc]
        code.emit("ret void")
    head = f"define internal void {name}(ptr noalias %to, i64 %stride, ptr noalias %terms, i64 %n) noinline nounwind"
    return module.once(name, code.text(head))
