"""A kernel on the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .....ir.core.graph import Let, Var
from .....ir.core.kernel import SMOOTH, SUMS, Access, Gather, Result, Same, expensive, kernel_of, varied_results, varies
from .....ir.core.op import TABLE
from .....ir.core.types import Array, Type, carries_gradient, element
from ..code import LLVM_TYPES, MEMORY_TYPES, NEGATIVE_ZERO, Code, literal
from ..lets import Operands, loop, read_element
from ..machine import LLVMMachine, Value
from .forward import Forward
from .nest import STRIP, Nest, is_prefix


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
            if self.live[i] and r.kind in SUMS and is_prefix(self.order, r.axes) and depth == len(r.axes):
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
        if r.kind in SUMS:
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
    if len(k.results) != 1 or k.results[0].kind not in SUMS or not expensive(body):
        return False
    for x, p in zip(k.inputs, body.params, strict=True):
        active = carries_gradient(p.type) and varies(x, activity.__contains__)
        if active and (not isinstance(x, Access) or x.base not in firsts or sorted(x.axes) != list(range(len(k.sizes)))):
            return False
    return True
