"""Primal code is direct: each continuation is a basic block, its parameters are phis, loops are loops.

loop4(%i: i64, %s: f64):          loop4:
  ...                               %i = phi i64 [0, %entry], [%v9, %body6]
  branch %c ? body6() : exit7()     br i1 %c, label %body6, label %exit7
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....ir.core.analysis import find_loops, reverse_postorder, unchanging_params
from ....ir.core.graph import Atom, Block, Branch, Call, Edge, Fail, Function, Jump, Let, Return, Var
from ....ir.core.op import TABLE
from ....ir.core.types import Array
from .code import SIZES, Code, flat_types, literal, struct_of
from .lets import EMIT, Operands, emit_let, product

GARBAGE = 1 << 18  # bytes that iterations may leave behind before what is alive moves down: half of a second cache
RECURSION = ".recursion"  # the function that calls itself, without what never changes


def allocates(let: Any) -> bool:
    """Does this operation make an array?"""
    op = TABLE[let.op]
    return op.whole and not op.aliases and any(isinstance(o.type, Array) or op.allocates for o in let.outs)


class Primal:
    """Emits one function."""

    def __init__(self, context: Any, f: Function) -> None:
        self.context, self.f = context, f
        self.code = Code(context.module)
        self.env: dict[Var, Operands] = {}
        self.incoming: dict[str, list[tuple[str, list[Operands]]]] = {name: [] for name in f.blocks}
        self.phi_at: dict[str, int] = {}
        self.loops = find_loops(f)
        self.marks: dict[str, str] = {}
        self.carrying: dict[str, str] = {}
        self.returned: set[Var] = set()
        self.unchanging: list[Var] = []
        self.plan()

    def plan(self) -> None:
        """What is to be done about memory."""
        self.carrying = {
            h: self.code.alloca("ptr") for h in self.loops if self.allocates(self.loops[h].blocks) and not self.frees_iteration(h)
        }
        self.returned = self.escaping()
        self.unchanging = unchanging_params(self.f)

    def run(self) -> None:
        f, code = self.f, self.code
        at = len(self.context.module.functions)
        self.context.module.functions.append("")
        params = []
        for i, p in enumerate(f.params):
            types = flat_types(p.type)
            names = self.names(i, p, len(types))
            if p not in self.unchanging:
                params += [f"{t} {n}" for t, n in zip(types, names, strict=True)]
            self.env[p] = names
            code.stable.update(names)
        if self.unchanging:
            params.append("ptr %record")
        if f.name in self.context.recursive:
            code.emit(f"call void @lantern.check_stack(i64 {self.context.function_site(f.name)})")
        self.entry_mark = code.let("call ptr @lantern.mark()") if self.frees_arrays() else None
        order = reverse_postorder(f)
        for name in order:
            for j, p in enumerate(f.blocks[name].params):
                self.env[p] = [f"%{_clean(name)}.p{j}.{k}" for k in range(len(flat_types(p.type)))]
        for name in order:
            self.block(f.blocks[name])
        self.insert_phis()
        self.context.module.functions[at] = code.text(self.head(params))
        if self.unchanging:
            self.context.module.functions.insert(at, self.outermost())

    def names(self, i: int, p: Var, n: int) -> list[str]:
        """Of a parameter's parts."""
        return [f"%a{i}.{j}" for j in range(n)]

    def head(self, params: list[str]) -> str:
        name = f"@p.{self.f.name}" if not self.unchanging else f"@p.{self.f.name}{RECURSION}"
        return f"define internal {self.typed()} {name}({', '.join(params)}) nounwind"

    def outermost(self) -> str:
        """@p.f of a recursion: what it never changes goes into a record, whose address is all that each call is given."""
        code, record_type = Code(self.context.module), struct_of([struct_of(flat_types(p.type)) for p in self.unchanging])
        record = code.alloca(record_type)
        params, rest = [], []
        for p in self.f.params:
            for j, (t, x) in enumerate(zip(flat_types(p.type), self.env[p], strict=True)):
                params.append(f"{t} {x}")
                if p in self.unchanging:
                    code.store(t, x, code.field(record_type, record, self.unchanging.index(p), j))
                else:
                    rest.append(params[-1])
        rt = self.result_type()
        call = f"call {self.typed()} @p.{self.f.name}{RECURSION}({', '.join([*rest, f'ptr {record}'])})"
        if rt == "void":
            code.emit(call)
            code.emit("ret void")
        else:
            code.emit(f"ret {rt} {code.let(call)}")
        return code.text(f"define internal {self.typed()} @p.{self.f.name}({', '.join(params)}) nounwind")

    def result_type(self) -> str:
        return struct_of([t for r in self.f.results for t in flat_types(r)])

    def typed(self) -> str:
        return self.context.module.typed([t for r in self.f.results for t in flat_types(r)])  # type: ignore[no-any-return]

    # ---- arrays: what a function or an iteration allocates is given back where nothing can refer to it
    def frees_arrays(self) -> bool:
        return self.allocates(self.f.blocks) and not any(isinstance(r, Array) for r in self.f.results)

    def allocates(self, names: Any) -> bool:
        blocks = [self.f.blocks[n] for n in names]
        if any(allocates(let) for b in blocks for let in b.lets):
            return True
        return any(isinstance(b.terminator, Call) and self.context.returns_arrays(b.terminator.function) for b in blocks)

    def frees_iteration(self, head: str) -> bool:
        return self.allocates(self.loops[head].blocks) and not any(isinstance(p.type, Array) for p in self.f.blocks[head].params)

    # ---- blocks
    def block(self, block: Block) -> None:
        code = self.code
        if block is not self.f.entry:
            code.place(_clean(block.name))
        self.phi_at[block.name] = len(code.lines)
        if block.name in self.loops and self.frees_iteration(block.name):
            self.marks[block.name] = code.let("call ptr @lantern.mark()")
        for let in block.lets:
            self.let(let)
        self.terminator(block)

    def escaping(self) -> set[Var]:
        """Arrays that the program's entry returns: they are made where Python can take them over without a copy."""
        if self.f.name != self.context.program.entry:
            return set()
        inside = {n for loop in self.loops.values() for n in loop.blocks}
        once = {o for n, b in self.f.blocks.items() if n not in inside for let in b.lets if allocates(let) for o in let.outs}
        same = {let.outs[o]: let.args[a] for b in self.f.blocks.values() for let in b.lets for o, a in TABLE[let.op].aliases}
        ends = [b.terminator for b in self.f.blocks.values() if isinstance(b.terminator, Return)]
        returned = {a for t in ends for a in t.args if isinstance(a.type, Array)}
        return {x for x in (*returned, *(same[a] for a in returned if a in same)) if x in once}

    def let(self, let: Let) -> None:
        self.code.escaping = self.returned
        self.code.allocator = "lantern.alloc_result" if any(o in self.returned for o in let.outs) else "lantern.alloc"
        self.env.update(zip(let.outs, emit_let(self.code, let, self.read), strict=True))

    def read(self, a: Atom) -> Operands:
        if a in self.unchanging:
            t = struct_of([struct_of(flat_types(p.type)) for p in self.unchanging])
            i = self.unchanging.index(a)
            return [self.code.load(part, self.code.field(t, "%record", i, j)) for j, part in enumerate(flat_types(a.type))]
        return self.env[a] if isinstance(a, Var) else [literal(a.value, a.type)]

    def terminator(self, block: Block) -> None:
        code, t = self.code, block.terminator
        if isinstance(t, Jump):
            self.jump(block, t.edge)
        elif isinstance(t, Branch):
            yes, no = code.new_label("yes"), code.new_label("no")
            rare = ", !prof !2" if t.rare else ""
            code.emit(f"br i1 {self.read(t.cond)[0]}, label %{yes}, label %{no}{rare}")
            code.place(yes)
            self.jump(block, t.then)
            code.place(no)
            self.jump(block, t.orelse)
        elif isinstance(t, Return):
            parts = [(ty, v) for a in t.args for ty, v in zip(flat_types(a.type), self.read(a), strict=True)]
            if self.entry_mark:
                code.emit(f"call void @lantern.release(ptr {self.entry_mark})")
            rt = struct_of([ty for ty, _ in parts])
            code.emit(f"ret {rt} {code.pack(rt, parts)}" if parts else "ret void")
        elif isinstance(t, Call):
            within = self.unchanging if t.function == self.f.name else []
            self.jump(block, t.then, call_function(self.context, code, t, self.read, within))
        elif isinstance(t, Fail):
            code.fail(t.kind, code.module.site(t.site or self.context.message_site(t)))

    def jump(self, block: Block, edge: Edge, results: list[Operands] | None = None) -> None:
        values = [*(results or []), *(self.read(a) for a in edge.args)]
        if edge.block in self.marks and block.name in self.loops[edge.block].blocks:
            self.code.emit(f"call void @lantern.release(ptr {self.marks[edge.block]})")
        if edge.block in self.carrying:
            if block.name in self.loops[edge.block].blocks:
                values = self.compacted(edge.block, values)
            else:
                self.code.store("ptr", self.code.let("call ptr @lantern.mark()"), self.carrying[edge.block])
        self.incoming[edge.block].append((self.code.label, values))
        self.code.emit(f"br label %{_clean(edge.block)}")

    def compacted(self, head: str, values: list[Operands]) -> list[Operands]:
        """The arrays that an iteration passes on, moved to where the loop began to allocate if what the iterations have
        left behind fills more than the cache: so the loop stays in the same memory."""
        code, out = self.code, list(values)
        start = code.load("ptr", self.carrying[head])
        arrays = [(values[j], p.type, j) for j, p in enumerate(self.f.blocks[head].params) if isinstance(p.type, Array)]

        for (_, _, j), moved in zip(arrays, compact(code, start, [(x, t) for x, t, _ in arrays], GARBAGE), strict=True):
            out[j] = moved
        return out

    def insert_phis(self) -> None:
        for name in sorted(self.phi_at, key=lambda n: -self.phi_at[n]):
            phis = []
            for j, p in enumerate(self.f.blocks[name].params):
                for k, t in enumerate(flat_types(p.type)):
                    arms = ", ".join(f"[{values[j][k]}, %{label}]" for label, values in self.incoming[name])
                    phis.append(f" {self.env[p][k]} = phi {t} {arms}")
            self.code.lines[self.phi_at[name] : self.phi_at[name]] = phis


def compact(code: Code, start: str, arrays: Sequence[tuple[Operands, Array]], garbage: int = 0) -> list[Operands]:
    """These arrays, moved to `start` in the arena, where it then ends, if there is anything else behind it. With some `garbage`: if
    there is more than that and as much again as they are."""
    live = "0"
    sizes = []
    for (_, *dims), t in arrays:
        n = code.let(f"mul i64 {product(code, dims)}, {SIZES[t.dtype]}")
        sizes.append(code.let(f"and i64 {code.let(f'add i64 {n}, 63')}, -64"))
        live = code.let(f"add i64 {live}, {sizes[-1]}")
    top = code.let("call ptr @lantern.mark()")
    used = code.let(f"sub i64 {code.let(f'ptrtoint ptr {top} to i64')}, {code.let(f'ptrtoint ptr {start} to i64')}")
    limit = code.let(f"add i64 {code.let(f'mul i64 {live}, 2')}, {garbage}") if garbage else live
    before, move, done = code.label, code.new_label("compact"), code.new_label("compacted")
    code.emit(f"br i1 {code.let(f'icmp ugt i64 {used}, {limit}')}, label %{move}, label %{done}")
    code.place(move)
    scratch = code.let(f"call ptr @lantern.alloc(i64 {live}, i64 1, i64 0)")
    end, moved = "0", []
    places: list[tuple[str, str]] = []
    for ((p, *_), _), bytes_ in zip(arrays, sizes, strict=True):
        inside = code.let(f"and i1 {code.let(f'icmp uge ptr {p}, {start}')}, {code.let(f'icmp ult ptr {p}, {top}')}")
        new, known = code.let(f"getelementptr i8, ptr {start}, i64 {end}"), "false"
        for old, target in places:
            same = code.let(f"icmp eq ptr {p}, {old}")
            new, known = code.let(f"select i1 {same}, ptr {target}, ptr {new}"), code.let(f"or i1 {known}, {same}")
        takes = code.let(f"and i1 {inside}, {code.let(f'xor i1 {known}, true')}")
        size = code.let(f"select i1 {takes}, i64 {bytes_}, i64 0")
        to = code.let(f"getelementptr i8, ptr {scratch}, i64 {end}")
        code.emit(f"call void @llvm.memcpy.p0.p0.i64(ptr {to}, ptr {p}, i64 {size}, i1 false)")
        places.append((p, new))
        moved.append(code.let(f"select i1 {inside}, ptr {new}, ptr {p}"))
        end = code.let(f"add i64 {end}, {size}")
    code.emit(f"call void @llvm.memcpy.p0.p0.i64(ptr {start}, ptr {scratch}, i64 {end}, i1 false)")
    code.emit(f"call void @lantern.release(ptr {code.let(f'getelementptr i8, ptr {start}, i64 {end}')})")
    after = code.label
    code.emit(f"br label %{done}")
    code.place(done)
    return [[code.let(f"phi ptr [{p}, %{before}], [{new}, %{after}]"), *dims] for ((p, *dims), _), new in zip(arrays, moved, strict=True)]


@EMIT.of("checkpoint")
def emit_checkpoint(code: Code, let: Let, read: Any, site: int) -> list[Operands]:
    """Forward it is a call. What it leaves behind beside its results goes, where that is much."""
    start = code.let("call ptr @lantern.mark()") if any(isinstance(o.type, Array) for o in let.outs) else ""
    found = call_function(code.module.context, code, Call(let.attrs["f"], let.args, Edge("")), read)
    return moved(code, start, let, found, 0 if let.attrs.get("compact") else GARBAGE) if start else found


def moved(code: Code, start: str, let: Let, outs: list[Operands], garbage: int = 0) -> list[Operands]:
    """The outs of a call, of which the arrays are compacted."""
    arrays = iter(compact(code, start, [(x, o.type) for o, x in zip(let.outs, outs, strict=True) if isinstance(o.type, Array)], garbage))
    return [next(arrays) if isinstance(o.type, Array) else x for o, x in zip(let.outs, outs, strict=True)]


def call_function(context: Any, code: Code, t: Call, read: Any, within: Sequence[Var] = ()) -> list[Operands]:
    """Call a primal function; the operands of each result. `within` are the parameters that a recursion, called by
    itself, has in its record."""
    callee = context.program.functions[t.function]
    name = context.primal(t.function) + (RECURSION if within else "")
    given = [a for a, p in zip(t.args, callee.params, strict=True) if p not in within]
    flat = [f"{ty} {v}" for a in given for ty, v in zip(flat_types(a.type), read(a)[: len(flat_types(a.type))], strict=True)]
    args = ", ".join([*flat, "ptr %record"] if within else flat)
    types = [flat_types(r) for r in callee.results]
    rt = struct_of([ty for ts in types for ty in ts])
    if rt == "void":
        code.emit(f"call void {name}({args})")
        return []
    call = f"call {code.module.typed([ty for ts in types for ty in ts])} {name}({args})"
    values = iter(code.unpack(rt, code.let(call), sum(map(len, types))))
    return [[next(values) for _ in ts] for ts in types]


def _clean(name: str) -> str:
    return f"b.{name}"
