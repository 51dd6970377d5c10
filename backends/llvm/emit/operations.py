"""Operations in reverse mode: functions that take a continuation pointer.

    void @op.mul.f64.aa(ptr x, ptr y, ptr z, ptr k, ptr frame)
      1 compute   z = x * y
      2 cell      dz = -0.0
      3 call      k(frame)
      4 read      g = dz
      5 add       dx += g * y;  dy += g * x

This file is the only owner of these five steps. An argument without an adjoint comes by value; one with an adjoint
is a pointer to {value, adjoint}. All are `alwaysinline`: LLVM collapses a chain of them into straight code.
"""

from __future__ import annotations

from typing import Any

from ....ir.core.graph import Let
from ....ir.core.op import TABLE
from ....ir.core.types import Scalar, Type
from .code import LLVM_TYPES, NEGATIVE_ZERO, Code, in_lanes
from .machine import LLVMMachine, Value

ATTRIBUTES = "alwaysinline nounwind"


def pair(t: Type) -> str:
    return f"{{{LLVM_TYPES[t]}, {LLVM_TYPES[t]}}}"


def accumulate(code: Code, t: str, p: str, term: str) -> None:
    """*p += term"""
    code.store(t, code.let(f"fadd contract {t} {code.load(t, p)}, {term}"), p)


def call_continuation(code: Code) -> None:
    code.emit("call void %k(ptr %frame)")


def elementwise_function(module: Any, let: Let, active: list[bool]) -> str:
    """The op function for a row of the table, and which of its arguments have adjoints."""
    pattern = "".join("a" if a else "c" for a in active)
    kinds = ".".join(str(a.type) for a in let.args)
    attrs = "".join(f".{k}.{v}" for k, v in let.attrs.items())
    name = f"@op.{let.op}.{kinds}.{pattern}{attrs}".replace("-", "m")
    if name not in module.made:
        module.made[name] = True
        module.operations.append(_elementwise_text(module, name, let, active))
    return name


def _elementwise_text(module: Any, name: str, let: Let, active: list[bool]) -> str:
    code = Code(module)
    machine = LLVMMachine(code)
    params, xs = [], []
    for i, (a, is_active) in enumerate(zip(let.args, active, strict=True)):
        t = LLVM_TYPES[a.type]
        params.append(f"ptr %x{i}" if is_active else f"{t} %x{i}")
        v = code.load(t, f"%x{i}") if is_active else f"%x{i}"
        xs.append(Value(machine, v, a.type))
    op, scalar = TABLE[let.op], let.out.type
    assert isinstance(scalar, Scalar)
    ty = LLVM_TYPES[scalar]
    z = op.body(machine, *xs, **let.attrs)  # 1
    code.store(ty, z.name, "%z")
    dz = code.field(pair(scalar), "%z", 1)
    code.store(ty, NEGATIVE_ZERO, dz)  # 2
    call_continuation(code)  # 3
    sums = LLVMMachine(code, contract=True)
    g = Value(sums, code.load(ty, dz), scalar)  # 4
    terms = op.rule(g, sums.given(z), *map(sums.given, xs), **let.attrs)
    for i, (a, term) in enumerate(zip(let.args, terms, strict=True)):  # 5
        if active[i] and term is not None:
            accumulate(code, LLVM_TYPES[a.type], code.field(pair(a.type), f"%x{i}", 1), term.name)
    code.emit("ret void")
    return code.text(f"define internal void {name}({', '.join([*params, 'ptr %z', 'ptr %k', 'ptr %frame'])}) {ATTRIBUTES}")


def kept_function(module: Any, let: Let, active: list[bool], partials: tuple[int, ...]) -> str:
    """An operation that has run before: its result and derivatives come from a tape. dx += dz * partial;
    where no derivative was kept, the rule needs the result alone."""
    pattern = "".join("p" if i in partials else "a" if a else "c" for i, a in enumerate(active))
    attrs = "".join(f".{k}.{v}" for k, v in let.attrs.items())
    name = f"@op.{let.op}.{let.out.type}.{pattern}{attrs}.kept".replace("-", "m")
    if name in module.made:
        return name
    module.made[name] = True
    code = Code(module)
    machine = LLVMMachine(code, contract=True)
    t = let.out.type
    assert isinstance(t, Scalar)
    ty = LLVM_TYPES[t]
    code.store(ty, "%kept", "%z")  # 1
    dz = code.field(pair(t), "%z", 1)
    code.store(ty, NEGATIVE_ZERO, dz)  # 2
    call_continuation(code)  # 3
    g = Value(machine, code.load(ty, dz), t)  # 4
    nothing = [machine.literal(0, a.type) for a in let.args]
    terms = TABLE[let.op].rule(g, Value(machine, "%kept", t), *nothing, **let.attrs)
    for i, a in enumerate(let.args):  # 5
        if active[i]:
            at = LLVM_TYPES[a.type]
            term = TABLE["mul"](g, Value(machine, f"%p{i}", a.type)) if i in partials else terms[i]
            if term is not None:
                accumulate(code, at, code.field(pair(a.type), f"%x{i}", 1), term.name)
    code.emit("ret void")
    params = [f"ptr %x{i}" for i, a in enumerate(active) if a] + [f"{ty} %kept"]
    params += [f"{LLVM_TYPES[let.args[i].type]} %p{i}" for i in partials]
    module.operations.append(
        code.text(f"define internal void {name}({', '.join([*params, 'ptr %z', 'ptr %k', 'ptr %frame'])}) {ATTRIBUTES}")
    )
    return name


def load_function(module: Any, t: Type, first: bool = False) -> str:
    """z = *p; k; *dp += dz. The first to touch a fresh adjoint stores it, plus 0.0 as if it had been added."""
    name, ty = f"@op.load.{t}{'.first' if first else ''}", LLVM_TYPES[t]
    if name not in module.made:
        module.made[name] = True
        code = Code(module)
        code.store(ty, code.load(ty, "%p"), "%z")  # 1
        dz = code.field(pair(t), "%z", 1)
        code.store(ty, NEGATIVE_ZERO, dz)  # 2
        call_continuation(code)  # 3
        if first:
            code.store(ty, code.let(f"fadd {ty} {code.load(ty, dz)}, {in_lanes(ty, '0.0')}"), "%dp")  # 4, 5
        else:
            accumulate(code, ty, "%dp", code.load(ty, dz))  # 4, 5
        code.emit("ret void")
        module.operations.append(code.text(f"define internal void {name}(ptr %p, ptr %dp, ptr %z, ptr %k, ptr %frame) {ATTRIBUTES}"))
    return name


def store_function(module: Any, t: Type, active: bool) -> str:
    """A reversible store: old = *p; *p = v; k; dv += *dp; *dp = 0; *p = old. Its cell is the array's own."""
    name, ty = f"@op.store.{t}.{'a' if active else 'c'}", LLVM_TYPES[t]
    if name not in module.made:
        module.made[name] = True
        code = Code(module)
        old = code.load(ty, "%p")
        v = code.load(ty, "%v") if active else "%v"
        code.store(ty, v, "%p")  # 1, 2
        call_continuation(code)  # 3
        if active:
            accumulate(code, ty, code.field(pair(t), "%v", 1), code.load(ty, "%dp"))  # 4, 5
        code.store(ty, NEGATIVE_ZERO, "%dp")
        code.store(ty, old, "%p")
        code.emit("ret void")
        v_type = "ptr" if active else ty
        module.operations.append(code.text(f"define internal void {name}(ptr %p, ptr %dp, {v_type} %v, ptr %k, ptr %frame) {ATTRIBUTES}"))
    return name


def silent_store_function(module: Any, t: Type, active: bool) -> str:
    """The way back of a store that has been undone already: k; dv += *dp; *dp = 0."""
    name, ty = f"@op.store.{t}.{'a' if active else 'c'}.silent", LLVM_TYPES[t]
    if name not in module.made:
        module.made[name] = True
        code = Code(module)
        call_continuation(code)
        if active:
            accumulate(code, ty, code.field(pair(t), "%v", 1), code.load(ty, "%dp"))
        code.store(ty, NEGATIVE_ZERO, "%dp")
        code.emit("ret void")
        v_type = "ptr" if active else ty
        module.operations.append(code.text(f"define internal void {name}(ptr %dp, {v_type} %v, ptr %k, ptr %frame) {ATTRIBUTES}"))
    return name
