"""Replay and chunks: a differentiated loop as two real loops.

    S @r.f.loop4(inputs, k, kenv, records)
      forward    the primal loop; each iteration writes an entry to the tape
      last       @r.f.loop4.last: the head once more, in reverse form, leaving the loop: the rest of the program
      backward   for each entry, last first: undo the stores, then @r.f.loop4.iter, the body in reverse form

The body's reverse code is the same as under recursion, but where it would go on to the next iteration it reads the
adjoint at hand from `at_hand`. For chunks (policies.py) the pieces before the last one run forward without a tape, and
again with it when their turn comes. Everything below is inlined into one function; LLVM may vectorise both loops. What
the program itself computes keeps its order; the adjoint of a value from outside the loop is a sum over iterations whose
order nobody has written down, so LLVM may choose it.
"""

from __future__ import annotations

from typing import Any

from .....ir.core.graph import Atom, Let, Var
from .....ir.core.types import BOOL, Scalar
from .....ir.diff.coverage import Cover
from .....ir.diff.cps import WHOLE, Closure, Continuation
from .....ir.diff.policies import CHUNK, TAPE_LIMIT, Plan, is_address
from .....ir.ops.memory import codes
from .....ir.ops.memory import quiet as quiet_codes
from ..code import LLVM_TYPES, MEMORY_TYPES, NEGATIVE_ZERO, Code, flat_types, literal, struct_of
from ..lets import Operands, element_pointer, emit_let, fill_zero_outside, read_element, write_element
from .function import ReverseFunction
from .iteration import Iteration, Last, at_hand_type
from .tape import Forward, Tape, key_of


class Replay:
    """Emits the function of a loop's head under the policies replay and chunks."""

    def __init__(self, parent: ReverseFunction, block: Continuation, plan: Plan, chunks: bool, checkpoint: Any) -> None:
        self.parent, self.block, self.plan, self.context = parent, block, plan, parent.context
        self.f = parent.rev.function
        self.chunks, self.tape = chunks and bool(plan.fields), Tape(plan)
        self.length = checkpoint if isinstance(checkpoint, int) else None
        self.code = Code(parent.context.module)
        self.inputs: dict[Var, Operands] = {}
        self.head = self.f.blocks[plan.head]
        self.active = [p for p in block.params if parent.is_active_scalar(p)]
        self.invariant = [v for v in block.by_value if parent.is_active_scalar(v)]
        self.inside = at_hand_type(parent, block)

    def run(self) -> None:
        code, functions = self.code, self.context.module.functions
        at = len(functions)
        functions.append("")
        shape = Last(self.parent, self.block, self.plan)
        params, names = shape.signature()
        self.pointers = shape.pointers
        self.inputs = {v: names[v] for v in self.block.inputs}
        if WHOLE in self.block.nest:
            self.inputs.update(self.unchanging())
        self.hand = code.alloca(self.inside)
        self.sums = {v: code.alloca(LLVM_TYPES[v.type]) for v in self.invariant}
        code.emit(f"call void @lantern.check_stack(i64 {self.context.function_site(self.f.name)})")
        mark = code.let("call ptr @lantern.mark()") if self.plan.fields else None
        for cover in self.parent.rev.covers.values():
            if cover.head == self.plan.head:
                self.zero_outside(cover)
        self.emit_loops()
        if mark:
            code.emit(f"call void @lantern.release(ptr {mark})")
        vs, rt = self.parent.returned(self.block)
        parts = []
        for v in vs:
            t = LLVM_TYPES[v.type]
            p = code.field(self.inside, self.hand, self.active.index(v)) if v in self.active else self.sums[v]
            parts.append((t, code.load(t, p)))
        code.emit(f"ret {rt} {code.pack(rt, parts)}" if parts else "ret void")
        functions[at] = code.text(
            f"define internal {self.parent.context.module.convention(len(vs))} {rt} {shape.parent.block_name(self.block.name)}({', '.join(params)}) nounwind"
        )
        shape.run()
        for name in self.parent.closures.blocks:
            if name in self.plan.loop.blocks:
                Iteration(self.parent, self.parent.closures.blocks[name], self.plan, self.tape).run()

    def unchanging(self) -> dict[Var, Operands]:
        """What the loop may need of a recursion's record."""
        t, found = self.parent.whole_type(), {}
        for i, v in enumerate(self.parent.closures.records[WHOLE]):
            parts, one = self.parent.flat(v), isinstance(v.type, Scalar) and v not in self.parent.activity
            found[v] = [self.code.load(part, self.code.field(t, f"%e.{WHOLE}", *([i] if one else [i, j]))) for j, part in enumerate(parts)]
        return found

    def zero_outside(self, cover: Cover) -> None:
        """Zeros for the adjoint elements that the loop does not write."""
        start, limit, offset = (
            self.inputs[a][0] if isinstance(a, Var) else literal(a.value, a.type) for a in (cover.start, cover.limit, cover.offset)
        )
        first, end = (self.code.let(f"add i64 {i}, {offset}") for i in (start, limit))
        values = self.inputs[cover.array]
        fill_zero_outside(self.code, values[-1], values[1], first, end, cover.array.type.dtype)  # type: ignore[union-attr]

    # ---- the loops
    def start(self) -> list[Operands]:
        return [self.inputs[p] for p in self.block.params]

    def emit_loops(self) -> None:
        if self.chunks:
            self.emit_chunks()
        else:
            tape = self.make_tape() if self.plan.fields else None
            state, n = Forward(self.f, self.plan, self.inputs, self.code, self.tape, "forward").run(self.start(), tape, None, "turn")
            self.last(state)
            self.backward(n, tape, self.start())

    def iterations(self) -> str:
        """The number of iterations of a counted loop, from its inputs."""
        assert self.plan.counter is not None
        counter, limit = self.plan.counter
        a = self.inputs[counter][0]
        b = self.inputs[limit][0] if isinstance(limit, Var) else literal(limit.value, limit.type)
        n = self.code.let(f"sub i64 {b}, {a}")
        return self.code.let(f"select i1 {self.code.let(f'icmp sgt i64 {b}, {a}')}, i64 {n}, i64 0")

    def make_tape(self) -> Any:
        """A tape for all iterations: allocated at once where their number is known, else it grows."""
        code = self.code
        if self.plan.counter is not None:
            base = code.let(f"call ptr @lantern.alloc(i64 {self.iterations()}, i64 {self.tape.size}, i64 0)")
            return lambda n: code.let(f"getelementptr inbounds {self.tape.type}, ptr {base}, i64 {n}")
        base = code.let("call ptr @lantern.mark()")

        def grow(n: str) -> str:
            low = code.let(f"and i64 {n}, 1023")
            full = code.let(f"icmp eq i64 {low}, 0")
            more, go = code.new_label("more"), code.new_label("go")
            code.emit(f"br i1 {full}, label %{more}, label %{go}, !prof !2")
            code.place(more)
            code.let(f"call ptr @lantern.alloc(i64 1024, i64 {self.tape.size}, i64 0)")
            code.emit(f"br label %{go}")
            code.place(go)
            return code.let(f"getelementptr inbounds {self.tape.type}, ptr {base}, i64 {n}")

        def pointer(n: str) -> str:
            return grow(n) if code.label.startswith("into") else code.let(f"getelementptr inbounds {self.tape.type}, ptr {base}, i64 {n}")

        return pointer

    def last(self, state: list[Operands]) -> None:
        """Leave the loop with its final state: the rest of the program runs, and the adjoints come back."""
        code = self.code
        returned = self.call(".last", state, [])
        for i, p in enumerate(self.active):
            code.store(LLVM_TYPES[p.type], returned[p], code.field(self.inside, self.hand, i))
        for v in self.invariant:
            code.store(LLVM_TYPES[v.type], returned[v], self.sums[v])

    def call(self, variant: str, state: list[Operands], extra: list[str]) -> dict[Var, str]:
        code = self.code
        args = []
        for v, x in zip(self.block.params, state, strict=True):
            args += [f"{t} {o}" for t, o in zip(self.parent.flat(v), x, strict=True)]
        for v in self.block.by_value:
            args += [f"{t} {o}" for t, o in zip(self.parent.flat(v), self.inputs[v], strict=True)]
        args += [f"ptr %{x}" for x in self.pointers] + [f"ptr {x}" for x in extra]
        vs, rt = self.parent.returned(self.block)
        call = f"call {self.parent.context.module.convention(len(vs))} {rt} {self.parent.block_name(self.block.name)}{variant}({', '.join(args)})"
        if not vs:
            code.emit(call)
            return {}
        return dict(zip(vs, code.unpack(rt, code.let(call), len(vs)), strict=True))

    def backward(self, n: str, tape: Any, start: list[Operands]) -> None:
        """for m in n-1 .. 0: one iteration in reverse."""
        code = self.code
        head, inside, after = code.new_label("back"), code.new_label("iteration"), code.new_label("done")
        before = code.label
        code.emit(f"br label %{head}")
        code.place(head)
        m, following = code.fresh(), code.fresh()
        at = len(code.lines)
        more = code.let(f"icmp sgt i64 {m}, 0")
        code.emit(f"br i1 {more}, label %{inside}, label %{after}")
        code.place(inside)
        code.emit(f"{following} = add nsw i64 {m}, -1")
        entry = tape(following) if tape is not None else "null"
        state = [[self.state_value(p, following, entry, x)] for p, x in zip(self.block.params, start, strict=True)]
        self.undo(state, entry)
        returned = self.call(".iter", state, [self.hand, entry])
        for i, p in enumerate(self.active):
            code.store(LLVM_TYPES[p.type], returned[p], code.field(self.inside, self.hand, i))
        for v in self.invariant:
            t = LLVM_TYPES[v.type]
            code.store(t, code.let(f"fadd contract reassoc {t} {code.load(t, self.sums[v])}, {returned[v]}"), self.sums[v])
        code.lines.insert(at, f" {m} = phi i64 [{n}, %{before}], [{following}, %{code.label}]")
        code.emit(f"br label %{head}")
        code.place(after)

    def state_value(self, p: Var, m: str, entry: str, start: Operands) -> str:
        """A head parameter in iteration m: from the tape, computed, or nothing that anybody reads."""
        code = self.code
        if p in self.plan.inductions:
            step = self.plan.inductions[p]
            by = m if step == 1 else code.let(f"mul i64 {m}, {step}")
            return by if start[0] == "0" else code.let(f"add nsw i64 {start[0]}, {by}")
        if key_of(p) in self.tape.index:
            return self.tape.load(code, entry, p, p.type)
        assert isinstance(p.type, Scalar)
        return literal(0, p.type)

    def undo(self, state: list[Operands], entry: str) -> None:
        """Put back what the iteration's stores overwrote, last first."""
        if not self.plan.stores:
            return
        code = self.code
        env: dict[Var, Operands] = {**self.inputs, **dict(zip(self.block.params, state, strict=True))}

        def read(a: Atom) -> Operands:
            return env[a] if isinstance(a, Var) else [literal(a.value, a.type)]

        places = []
        for name in self.parent.closures.blocks:
            if name not in self.plan.loop.blocks:
                continue
            for let in self.f.blocks[name].lets:
                if is_address(let) and all(not isinstance(a, Var) or a in env for a in let.args):
                    env.update(zip(let.outs, emit_let(code, let, read), strict=True))
                elif let in self.plan.stores:
                    quiet = Let(let.outs, let.op, let.args, {**let.attrs, "index": quiet_codes(codes(let))})
                    places.append((let, element_pointer(code, quiet, read, 0)[0]))
        for let, p in reversed(places):
            dtype = let.args[-1].type
            write_element(code, p, self.tape.load(code, entry, let, dtype), dtype)

    # ---- chunks
    def emit_chunks(self) -> None:
        """All pieces but the last without a tape; then last piece, rest of the program, and back piece by piece."""
        code = self.code
        n = self.iterations()
        if self.length is None:
            short = code.let(f"icmp sle i64 {n}, {TAPE_LIMIT // self.tape.size}")
            length = code.let(f"select i1 {short}, i64 {code.let(f'add i64 {n}, 1')}, i64 {CHUNK}")
        else:
            length = str(self.length)
        whole = code.let(f"sdiv i64 {n}, {length}")
        exact = code.let(f"icmp eq i64 {code.let(f'mul i64 {whole}, {length}')}, {n}")
        some = code.let(f"icmp sgt i64 {whole}, 0")
        less = code.let(f"and i1 {exact}, {some}")
        pieces = code.let(f"sub i64 {whole}, {code.let(f'zext i1 {less} to i64')}")  # before the last one
        states = struct_of([MEMORY_TYPES[p.type] for p in self.block.params])
        bytes_each = 8 * len(self.block.params)
        kept = code.let(f"call ptr @lantern.alloc(i64 {pieces}, i64 {bytes_each}, i64 0)")
        count = code.let(f"select i1 {code.let(f'icmp slt i64 {n}, {length}')}, i64 {n}, i64 {length}")
        base = code.let(f"call ptr @lantern.alloc(i64 {count}, i64 {self.tape.size}, i64 0)")
        self.segments(kept, states, pieces, length, code.let(f"sub i64 {n}, {code.let(f'mul i64 {pieces}, {length}')}"), base)

    def keep_state(self, kept: str, states: str, c: str, state: list[Operands]) -> None:
        p = self.code.let(f"getelementptr inbounds {states}, ptr {kept}, i64 {c}")
        for i, (v, x) in enumerate(zip(self.block.params, state, strict=True)):
            write_element(self.code, self.code.field(states, p, i), x[0], v.type)

    def segments(self, kept: str, states: str, pieces: str, length: str, rest: str, base: str) -> None:
        """One loop over pieces. On the way there each piece's state is kept, and its tape is not used; the last piece goes
        on to the rest of the program; then the pieces run again, last first, and back."""
        code = self.code

        def entry(m: str) -> str:
            return code.let(f"getelementptr inbounds {self.tape.type}, ptr {base}, i64 {m}")

        ahead0 = code.let(f"icmp sgt i64 {pieces}, 0")
        count0 = code.let(f"select i1 {ahead0}, i64 {length}, i64 {rest}")
        head, there, here, leave, back, on, finish = (
            code.new_label(x) for x in ("segment", "ahead", "arrived", "leave", "way_back", "on", "finish")
        )
        before = code.label
        code.emit(f"br label %{head}")
        code.place(head)
        at = len(code.lines)
        c, count, ahead = code.fresh(), code.fresh(), code.fresh()
        begin = [[code.fresh()] for _ in self.block.params]
        end, _ = Forward(self.f, self.plan, self.inputs, code, self.tape, "forward").run(begin, entry, count, "turn")
        code.emit(f"br i1 {ahead}, label %{there}, label %{here}")
        code.place(there)
        self.keep_state(kept, states, c, begin)
        c_up = code.let(f"add nsw i64 {c}, 1")
        more = code.let(f"icmp slt i64 {c_up}, {pieces}")
        count_up = code.let(f"select i1 {more}, i64 {length}, i64 {rest}")
        code.emit(f"br label %{head}")
        code.place(here)
        code.emit(f"br i1 {code.let(f'icmp eq i64 {c}, {pieces}')}, label %{leave}, label %{back}")
        code.place(leave)
        self.last(end)
        code.emit(f"br label %{back}")
        code.place(back)
        self.backward(count, entry, begin)
        code.emit(f"br i1 {code.let(f'icmp eq i64 {c}, 0')}, label %{finish}, label %{on}")
        code.place(on)
        c_down = code.let(f"add nsw i64 {c}, -1")
        p = code.let(f"getelementptr inbounds {states}, ptr {kept}, i64 {c_down}")
        loaded = [read_element(code, code.field(states, p, i), v.type) for i, v in enumerate(self.block.params)]
        code.emit(f"br label %{head}")
        phis = [("i64", c, "0", c_up, c_down), ("i64", count, count0, count_up, length), ("i1", ahead, ahead0, more, "false")]
        for v, x, first, y, z in zip(self.block.params, begin, self.start(), end, loaded, strict=True):
            phis.append((LLVM_TYPES[v.type], x[0], first[0], y[0], z))
        code.lines[at:at] = [f" {x} = phi {t} [{a}, %{before}], [{b}, %{there}], [{d}, %{on}]" for t, x, a, b, d in phis]
        code.place(finish)


__all__ = ["BOOL", "NEGATIVE_ZERO", "Closure", "Replay", "flat_types"]
