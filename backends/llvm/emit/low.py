"""What reverse mode is lowered to (ir/lower): memory, calls by address, the arena. One entry for each row of ir/ops/low.py."""

from __future__ import annotations

import functools
from typing import Any

from ....ir.core.graph import Let, Var
from ....ir.core.types import Array, Struct, element
from .code import LLVM_TYPES, MEMORY_TYPES, NEGATIVE_ZERO, SIZES, Code, Module, flat_types, struct_of
from .lets import EMIT, Operands, Read, allocate, element_offset, fill_zero, loop, product, read_element, write_element
from .primal import Primal

LONG = 8  # fields of a type


# ---- types of memory
def memory_type(module: Module, of: Any) -> str:
    """The LLVM type of what stands at an address. A long one has a name, since it is mentioned often."""
    if isinstance(of, Array):
        return struct_of(flat_types(of))
    if not isinstance(of, Struct):
        return LLVM_TYPES[of]
    if of.name not in module.made:
        t = struct_of([memory_type(module, t) for _, t in of.fields] or ["i64"])
        module.made[of.name] = module.named_type(of.name, t) if len(of.fields) > LONG else t
    return module.made[of.name]  # type: ignore[no-any-return]


def size_of(of: Any) -> tuple[int, int]:
    """(bytes, alignment) of a type of memory."""
    if isinstance(of, Array):
        return 8 * (1 + of.rank), 8
    if not isinstance(of, Struct):
        n = SIZES.get(of, 8)
        return n, n
    end, widest = 0, 1
    for _, t in of.fields:
        n, alignment = size_of(t)
        end = -(-end // alignment) * alignment + n
        widest = max(widest, alignment)
    return -(-end // widest) * widest, widest


def address(code: Code, p: str, of: Any, path: tuple[str, ...], *rest: int) -> str:
    """The address of a field. Of what is there from the start it is computed once, at the top."""
    key = (p, path, rest)
    known = code.addresses.get(key)
    if known is not None:
        return known
    indices, t = [], of
    for name in path:
        indices.append(t.numbers[name])
        t = t.at((name,))
    indices += rest
    if not indices:
        return p
    text = f"getelementptr inbounds {memory_type(code.module, of)}, ptr {p}, i32 0, " + ", ".join(f"i32 {i}" for i in indices)
    if p not in code.stable:
        return code.let(text)
    name = code.addresses[key] = code.fresh()
    code.allocas.append(f" {name} = {text}")
    return name


@EMIT.of("cell")
def cell(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    p = f"%{let.out.name}"
    code.allocas.append(f" {p} = alloca {memory_type(code.module, let.attrs['of'])}")
    code.stable.add(p)
    return [[p]]


@EMIT.of("field")
def field(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [[address(code, read(let.args[0])[0], let.attrs["of"], let.attrs["path"])]]


@EMIT.of("at")
def at(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    of = let.attrs["of"]
    t = memory_type(code.module, of) if isinstance(of, Struct) else MEMORY_TYPES[of]
    return [[code.let(f"getelementptr inbounds {t}, ptr {read(let.args[0])[0]}, i64 {read(let.args[1])[0]}")]]


@EMIT.of("get")
def get(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    p, of, path, t = read(let.args[0])[0], let.attrs["of"], let.attrs["path"], let.out.type
    if not isinstance(of, Struct):
        return [[read_element(code, p, of)]]
    if isinstance(t, Array):
        return [[code.load(part, address(code, p, of, path, j)) for j, part in enumerate(flat_types(t))]]
    return [[code.load(LLVM_TYPES[t], address(code, p, of, path))]]


@EMIT.of("put")
def put(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    (v, p), of, path = let.args, let.attrs["of"], let.attrs["path"]
    xs, where = read(v), read(p)[0]
    if not isinstance(of, Struct):
        write_element(code, where, xs[0], of)
    elif isinstance(v.type, Array):
        for j, (part, x) in enumerate(zip(flat_types(v.type), xs, strict=True)):
            code.store(part, x, address(code, where, of, path, j))
    else:
        code.store(LLVM_TYPES[v.type], xs[0], address(code, where, of, path))
    return []


# ---- calls
def _call(code: Code, target: str, args: list[str], let: Let) -> list[Operands]:
    types = [flat_types(o.type) for o in let.outs]
    flat = [t for ts in types for t in ts]
    rt, text = struct_of(flat), f"call {code.module.typed(flat)} {target}({', '.join(args)})"
    if not let.outs:
        code.emit(text)
        return []
    values = iter(code.unpack(rt, code.let(text), sum(map(len, types))))
    return [[next(values) for _ in ts] for ts in types]


def _flat(args: Any, read: Read) -> list[str]:
    return [f"{t} {x}" for a in args for t, x in zip(flat_types(a.type), read(a), strict=True)]


@EMIT.of("call")
def call(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    name, context = let.attrs["f"], code.module.context
    low = name in context.low.operations or name in context.low.functions
    return _call(code, context.low_function(name) if low else context.primal(name), _flat(let.args, read), let)


@EMIT.of("callk")
def callk(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return _call(code, read(let.args[0])[0], _flat(let.args[1:], read), let)


# ---- the arena
@EMIT.of("room")
def room(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [[code.let(f"call ptr @lantern.alloc(i64 {read(let.args[0])[0]}, i64 {size_of(let.attrs['of'])[0]}, i64 0)")]]


def _words(of: Any) -> int:
    """The bytes of an entry of a tape."""
    return -(-size_of(of)[0] // 8) * 8


@EMIT.of("push")
def push(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [[code.let(f"call ptr @lantern.push(i64 {sum(_words(t) for _, t in let.attrs['of'].fields)})")]]


@EMIT.of("next")
def following(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [[code.let(f"getelementptr i8, ptr {read(let.args[0])[0]}, i64 {_words(let.attrs['of'])}")]]


@EMIT.of("pop")
def pop(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [[code.let(f"getelementptr i8, ptr {read(let.args[0])[0]}, i64 -{_words(let.attrs['of'])}")]]


@EMIT.of("mark", "top")
def mark(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [[code.let("call ptr @lantern.mark()")]]


@EMIT.of("release")
def release(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    code.emit(f"call void @lantern.release(ptr {read(let.args[0])[0]})")
    return []


@EMIT.of("check_stack")
def check_stack(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    code.emit(f"call void @lantern.check_stack(i64 {code.module.context.function_site(let.attrs['name'])})")
    return []


# ---- arrays
@EMIT.of("clear")
def clear(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    fill_zero(code, read(let.args[0])[0], read(let.args[1])[0], let.attrs["of"])
    return []


@EMIT.of("data")
def data(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [[read(let.args[0])[0]]]


@EMIT.of("like")
def like(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [[read(let.args[0])[0], *read(let.args[1])[1:]]]


@EMIT.of("offset")
def offset(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    array, *index = let.args
    assert isinstance(array.type, Array)
    return [[element_offset(code, array.type, read(array)[1:], [read(a)[0] for a in index], index, let.attrs["index"], site)]]


@EMIT.of("zeros")
def zeros(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    x = let.args[0]
    assert isinstance(x.type, Array)
    t, tiny = x.type.dtype, let.attrs["tiny"]
    if tiny:
        p = code.alloca(f"[{tiny} x {LLVM_TYPES[t]}]")
        for i in range(tiny):
            code.store(LLVM_TYPES[t], NEGATIVE_ZERO, code.let(f"getelementptr {LLVM_TYPES[t]}, ptr {p}, i64 {i}"))
        return [[p]]
    n = product(code, read(x)[1:])
    p = allocate(code, n, t, 0)
    if let.attrs["fill"]:
        fill_zero(code, p, n, t)
    return [[p]]


@EMIT.of("accumulate")
def accumulate(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    d = let.args[1]
    assert isinstance(d.type, Array)
    t, target, (source, *dims) = LLVM_TYPES[element(d.type.dtype)], read(let.args[0])[0], read(d)

    def one(i: str) -> None:
        p, q = (code.let(f"getelementptr {t}, ptr {x}, i64 {i}") for x in (target, source))
        code.store(t, code.let(f"fadd contract {t} {code.load(t, p)}, {code.load(t, q)}"), p)

    loop(code, product(code, dims), one)
    return []


@EMIT.of("keep")
def keep(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    t = let.out.type
    assert isinstance(t, Array)
    p, *dims = read(let.args[0])
    size = code.let(f"mul i64 {product(code, dims)}, {SIZES[t.dtype]}")
    return [[code.let(f"call ptr @lantern.keep(ptr {p}, i64 {size})"), *dims]]


@EMIT.of("bring_back")
def bring_back(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    t = let.out.type
    assert isinstance(t, Array)
    p, *dims = read(let.args[0])
    return [[code.let(f"call ptr @lantern.bring_back(ptr {p}, i64 {product(code, dims)}, i64 {SIZES[t.dtype]})"), *dims]]


# ---- numbers
@EMIT.of("sum")
def total(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    x, y = (read(a)[0] for a in let.args)
    return [[code.let(f"fadd contract reassoc {LLVM_TYPES[let.out.type]} {x}, {y}")]]


@EMIT.of("spare")
def spare(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    addresses = [read(a)[0] for a in let.args]
    n = let.attrs["count"]
    chosen = addresses[n - 1]
    for x in reversed(addresses[: n - 1]):
        taken = [code.let(f"icmp eq ptr {x}, {other}") for other in addresses[n:]]
        some = functools.reduce(lambda a, b: code.let(f"or i1 {a}, {b}"), taken)
        chosen = code.let(f"select i1 {some}, ptr {chosen}, ptr {x}")
    return [[chosen]]


@EMIT.of("over")
def over(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    x, y = (read(a)[0] for a in let.args)
    return [[code.let(f"sdiv i64 {x}, {y}")]]


class Low(Primal):
    """A function that reverse mode was lowered to: whatever it does about memory is written in it."""

    def plan(self) -> None:
        self.carrying, self.returned, self.unchanging = {}, set(), []

    def frees_arrays(self) -> bool:
        return False

    def frees_iteration(self, head: str) -> bool:
        return False

    def head(self, params: list[str]) -> str:
        inline = {"always": "alwaysinline", "never": "noinline"}.get(self.f.inline, "")
        return " ".join(x for x in ("define internal", self.typed(), f"@{self.f.name}({', '.join(params)})", inline, "nounwind") if x)

    def names(self, i: int, p: Var, n: int) -> list[str]:
        """As in the graph; what emission names itself is a `t` with a number."""
        name = f"%{p.name}_" if p.name[0] == "t" and p.name[1:].isdigit() else f"%{p.name}"
        return [name] if n == 1 else [f"{name}.{j}" for j in range(n)]
