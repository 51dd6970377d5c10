"""Operations as straight LLVM code. One place for arithmetic, element access and arrays; other files of this folder enter the rest into EMIT."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ....ir.core.graph import Atom, Const, Let
from ....ir.core.op import TABLE, Op, Stage
from ....ir.core.types import BOOL, I32, Array, Scalar, Type, element
from ....ir.ops.custom import values
from ....ir.ops.memory import codes
from ....ir.ops.nans import site_of
from .code import LLVM_TYPES, MEMORY_TYPES, SIZES, Code, literal
from .machine import LLVMMachine, Value

Operands = list[str]
Read = Callable[[Atom], Operands]


def emit_scalar(code: Code, let: Let, args: Sequence[str], site: int) -> str:
    """An elementwise operation: its body, run on the LLVM machine."""
    machine, op = LLVMMachine(code, site, let.contract), TABLE[let.op]
    values = tuple(Value(machine, x, a.type) for x, a in zip(args, let.args, strict=True))
    z = machine.bind(op, values, let.attrs) if let.contract else op.body(machine, *values, **let.attrs)
    return z.name


def element_offset(
    code: Code, array: Array, dims: Sequence[str], index: Sequence[str], atoms: Sequence[Atom], letters: str, site: int
) -> str:
    """The row-major offset of an element. `letters` says what is to be done about each index (lantern_jit.ir.passes.bounds)."""
    offset = "0"
    for axis, (i, n, atom) in enumerate(zip(index, dims, atoms, strict=True)):
        if letters[axis] in "cw":
            i = _wrapped(code, i, n, atom)
        if letters[axis] in "cp" and not (i.isdigit() and n.isdigit() and int(i) < int(n)):  # seen here, and not by a pass of LLVM's
            ok = code.let(f"icmp ult i64 {i}, {n}")
            code.check(ok, "index", site, index[axis], n, str(axis))
        offset = i if axis == 0 else code.let(f"add nsw i64 {code.let(f'mul nsw i64 {offset}, {n}')}, {i}")
    return offset


def _wrapped(code: Code, i: str, n: str, atom: Atom) -> str:
    """A negative index counts from the end."""
    if isinstance(atom, Const):
        return code.let(f"add i64 {n}, {i}") if atom.value < 0 else i
    negative = code.let(f"icmp slt i64 {i}, 0")
    from_end = code.let(f"add i64 {i}, {n}")
    return code.let(f"select i1 {negative}, i64 {from_end}, i64 {i}")


def element_pointer(code: Code, let: Let, read: Read, site: int) -> tuple[str, str, str]:
    """(pointer to the element, its offset, LLVM type in memory) of a load or store."""
    array = let.args[0].type
    assert isinstance(array, Array)
    index_atoms = let.args[1 : 1 + array.rank]
    data, *rest = read(let.args[0])
    index = [read(a)[0] for a in index_atoms]
    offset = element_offset(code, array, rest[: array.rank], index, index_atoms, codes(let), site)
    t = MEMORY_TYPES[array.dtype]
    return code.let(f"getelementptr inbounds {t}, ptr {data}, i64 {offset}"), offset, t


def read_element(code: Code, p: str, dtype: Type) -> str:
    v = code.load(MEMORY_TYPES[dtype], p)
    if dtype == I32:
        return code.let(f"sext i32 {v} to i64")
    return code.let(f"icmp ne i8 {v}, 0") if dtype == BOOL else v


def write_element(code: Code, p: str, v: str, dtype: Type) -> None:
    code.store(MEMORY_TYPES[dtype], in_memory(code, v, dtype), p)


def in_memory(code: Code, v: str, dtype: Type) -> str:
    """A scalar as an array element."""
    if dtype == I32:
        return code.let(f"trunc i64 {v} to i32")
    return code.let(f"zext i1 {v} to i8") if dtype == BOOL else v


def count(code: Code, dims: Sequence[str], site: int) -> str:
    """The number of elements; a negative or absurd size is a fault."""
    n = "1"
    for d in dims:
        n = code.let(f"call i64 @lantern.count(i64 {n}, i64 {d}, i64 {site})")
    return n


def product(code: Code, dims: Sequence[str]) -> str:
    """The number of elements of an array that exists."""
    n = "1"
    for d in dims:
        n = d if n == "1" else code.let(f"mul nsw i64 {n}, {d}")
    return n


def disjoint(code: Code, x: tuple[str, str], y: tuple[str, str]) -> str:
    """Do two spans of memory, each from its first byte to the one after its last, have no byte in common?"""
    start = code.let(f"select i1 {code.let(f'icmp ugt i64 {x[0]}, {y[0]}')}, i64 {x[0]}, i64 {y[0]}")
    end = code.let(f"select i1 {code.let(f'icmp ult i64 {x[1]}, {y[1]}')}, i64 {x[1]}, i64 {y[1]}")
    return code.let(f"icmp uge i64 {start}, {end}")


def allocate(code: Code, n: str, dtype: Scalar, site: int) -> str:
    return code.let(f"call ptr @{code.allocator}(i64 {n}, i64 {SIZES[dtype]}, i64 {site})")


def fill_zero(code: Code, p: str, n: str, dtype: Scalar) -> None:
    size = code.let(f"mul i64 {n}, {SIZES[dtype]}")
    code.emit(f"call void @llvm.memset.p0.i64(ptr {p}, i8 0, i64 {size}, i1 false)")


def copy_data(code: Code, target: str, source: str, n: str, dtype: Scalar) -> None:
    size = code.let(f"mul i64 {n}, {SIZES[dtype]}")
    code.emit(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")


def fill(code: Code, p: str, n: str, value: str, atom: Atom, dtype: Scalar) -> None:
    """Fill with a value; zeros by memset."""
    if hasattr(atom, "value") and literal(atom.value, dtype) in (literal(0, dtype),):
        fill_zero(code, p, n, dtype)
        return
    value = in_memory(code, value, dtype)
    loop(
        code,
        n,
        lambda i: code.store(MEMORY_TYPES[dtype], value, code.let(f"getelementptr {MEMORY_TYPES[dtype]}, ptr {p}, i64 {i}")),
    )


def loop(code: Code, n: str, body: Callable[[str], Any]) -> None:
    """for i in range(n): body(i). `body` is straight code."""
    head, inside, after = code.new_label("for"), code.new_label("do"), code.new_label("done")
    before = code.label
    code.emit(f"br label %{head}")
    code.place(head)
    i = code.fresh()
    at = len(code.lines)
    c = code.let(f"icmp slt i64 {i}, {n}")
    code.emit(f"br i1 {c}, label %{inside}, label %{after}")
    code.place(inside)
    body(i)
    following = code.let(f"add nsw i64 {i}, 1")
    latch = code.label
    code.emit(f"br label %{head}")
    code.lines.insert(at, f" {i} = phi i64 [0, %{before}], [{following}, %{latch}]")
    code.place(after)


def _has_own_code(op: Op) -> bool:
    return not op.scalar and op.program is None and not op.derivative and not op.early


EMIT = Stage("LLVM emission", _has_own_code, late=True)  # by operation: (code, let, read, site) -> the operands of its outs


def emit_let(code: Code, let: Let, read: Read) -> list[Operands]:
    """Any operation: the operands of its outs."""
    op = TABLE[let.op]
    code.at(let.site)
    site = code.module.site(let.site) if not op.derivative else 0  # places are numbered in the order of the operations
    if op.scalar:
        return [[emit_scalar(code, let, [read(a)[0] for a in let.args], site)]]
    return emit_whole(code, let, read, site)


def emit_whole(code: Code, let: Let, read: Read, site: int = 0) -> list[Operands]:
    """An operation that is not scalar; those on whole arrays number their own place."""
    if TABLE[let.op].program is not None:
        return code.module.context.emit_program(code, let, read)  # type: ignore[no-any-return]
    return EMIT[let.op](code, let, read, site)  # type: ignore[no-any-return]


@EMIT.of("load")
def emit_load(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    p, _, _ = element_pointer(code, let, read, site)
    return [[read_element(code, p, let.args[0].type.dtype)]]  # type: ignore[union-attr]


@EMIT.of("store")
def emit_store(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    p, _, _ = element_pointer(code, let, read, site)
    write_element(code, p, read(let.args[-1])[0], let.args[0].type.dtype)  # type: ignore[union-attr]
    return []


@EMIT.of("check_range")
def check_range(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    """Fault, if the loop from start to limit runs at all, with the first index that is out of bounds."""
    first, end, start, limit = (read(a)[0] for a in let.args[1:])
    n = read(let.args[0])[1 + let.attrs["axis"]]
    empty = code.let(f"icmp sle i64 {limit}, {start}")
    if let.attrs["moves"]:
        fits = code.let(f"icmp sle i64 {end}, {n}")
        late = code.let(f"icmp sgt i64 {n}, {first}")
        culprit = code.let(f"select i1 {late}, i64 {n}, i64 {first}")
    else:
        fits = code.let(f"icmp ult i64 {_wrapped(code, first, n, let.args[1])}, {n}")
        culprit = first
    code.check(code.let(f"or i1 {empty}, {fits}"), "index", site, culprit, n, str(let.attrs["axis"]))
    return []


@EMIT.of("dim")
def emit_dim(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [[read(let.args[0])[1 + let.attrs["axis"]]]]


@EMIT.of("reshape")
def emit_reshape(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [[read(let.args[0])[0], *(read(a)[0] for a in let.args[1:])]]


@EMIT.of("part")
def emit_part(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    t = let.out.type
    assert isinstance(t, Array)
    (data, *dims), (start,), (n,) = (read(a) for a in let.args)
    offset = code.let(f"mul nsw i64 {start}, {product(code, dims[1:])}")
    return [[code.let(f"getelementptr {MEMORY_TYPES[t.dtype]}, ptr {data}, i64 {offset}"), n, *dims[1:]]]


@EMIT.of("weight")
def emit_weight(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [read(let.args[0])]


@EMIT.of("alloc")
def emit_alloc(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    t = let.out.type
    assert isinstance(t, Array)
    dims = [read(a)[0] for a in let.args[:-1]]
    if let.out in code.module.context.tiny:
        p, value = tiny_array(code.module.context, code, let.out), in_memory(code, read(let.args[-1])[0], t.dtype)
        for i in range(math.prod(a.value for a in let.args[:-1])):  # type: ignore[union-attr]
            code.store(MEMORY_TYPES[t.dtype], value, code.let(f"getelementptr {MEMORY_TYPES[t.dtype]}, ptr {p}, i64 {i}"))
        return [[p, *dims]]
    n = count(code, dims, site)
    p = allocate(code, n, t.dtype, site)
    if let.attrs.get("fill", True):
        fill(code, p, n, read(let.args[-1])[0], let.args[-1], t.dtype)
    return [[p, *dims]]


def tiny_array(context: Any, code: Code, v: Any) -> str:
    """Room for a small array of known size that no other block sees: LLVM keeps it in registers."""
    return code.alloca(f"[{context.tiny[v]} x {MEMORY_TYPES[v.type.dtype]}]")


@EMIT.of("sound_arrays")
def emit_sound_arrays(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    """A fault if there is a NaN among the elements that were made, and none among the others."""
    made, given = let.args[: let.attrs["made"]], let.args[let.attrs["made"] :]
    cells = [code.alloca("i8"), code.alloca("i8")]
    for cell, arrays in zip(cells, (made, given), strict=True):
        code.store("i8", "0", cell)
        for a in arrays:
            _find_nan(code, a, read(a), cell)
    seen, before = (code.let(f"icmp ne i8 {code.load('i8', cell)}, 0") for cell in cells)
    ok = code.let(f"or i1 {code.let(f'xor i1 {seen}, true')}, {before}")
    code.check(ok, "nan", code.module.site(site_of(let.attrs["place"])))
    return []


def _find_nan(code: Code, a: Atom, value: Operands, cell: str) -> None:
    """Add 1 to a bit if there is a NaN in an array or a number."""
    t = LLVM_TYPES[element(a.type.dtype if isinstance(a.type, Array) else a.type)]

    def one(x: str) -> None:
        found = code.let(f"zext i1 {code.let(f'fcmp uno {t} {x}, 0.0')} to i8")
        code.store("i8", code.let(f"or i8 {code.load('i8', cell)}, {found}"), cell)

    if isinstance(a.type, Array):
        loop(code, product(code, value[1:]), lambda i: one(code.load(t, code.let(f"getelementptr {t}, ptr {value[0]}, i64 {i}"))))
    else:
        one(value[0])


@EMIT.of("custom")
def emit_custom(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    return [_copied(code, y.type, read(y), site) if isinstance(y.type, Array) else read(y) for y in values(let)]


@EMIT.of("copy")
def emit_copy(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    t = let.out.type
    assert isinstance(t, Array)
    return [_copied(code, t, read(let.args[0]), site)]


def _copied(code: Code, t: Array, array: Operands, site: int) -> Operands:
    source, *dims = array[: 1 + t.rank]
    n = product(code, dims)
    p = allocate(code, n, t.dtype, site)
    copy_data(code, p, source, n, t.dtype)
    return [p, *dims]


__all__ = [
    "EMIT",
    "LLVM_TYPES",
    "Operands",
    "Read",
    "allocate",
    "copy_data",
    "element_pointer",
    "emit_let",
    "emit_whole",
    "fill_zero",
    "loop",
    "product",
]
