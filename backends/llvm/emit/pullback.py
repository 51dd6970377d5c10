"""`y, dx = pullback[f](x, c)` in code that runs forward: one reverse pass, started here.

The last continuation `k` of the pass is a function made for this place. It keeps the results, and returns their
cotangents: that is where the way back begins.
"""

from __future__ import annotations

from typing import Any

from ....ir.core.graph import Let
from ....ir.core.types import Array, Scalar, carries_gradient
from .code import LLVM_TYPES, NEGATIVE_ZERO, SIZES, Code, flat_types, struct_of
from .lets import EMIT, Operands, Read, allocate, fill_zero, loop, product


def adjoint_struct(types: list[Any]) -> tuple[str, int]:
    """(struct, count) of the scalar adjoints that a continuation of values of `types` returns."""
    parts = [LLVM_TYPES[t] for t in types if isinstance(t, Scalar) and carries_gradient(t)]
    return struct_of(parts), len(parts)


def continuation_params(types: list[Any]) -> list[str]:
    """The LLVM parameter types of a continuation after its environment; arrays with an adjoint where they can have one."""
    return [p for t in types for p in flat_types(t, carries_gradient(t))]


def emit_pullback(code: Code, let: Let, read: Read) -> list[Operands]:
    context = code.module.context
    rev = context.of_pullback(let)
    f = rev.function
    own = len(f.params)
    cotangents = {r: read(a) for r, a in zip(let.attrs["ct"], let.args[own:], strict=True)}
    env_type, slots, env = environment(code, f, cotangents)
    args, adjoints = _arguments(context, code, rev, let, read)
    mark = code.let("call ptr @lantern.mark()")
    k = last_continuation(context, f, env_type, slots)
    returned = context.call_reverse(code, rev, args, k, env)
    code.emit(f"call void @lantern.release(ptr {mark})")
    last_first = [_result(code, f.results[r], r, env_type, env, slots) for r in reversed(range(len(f.results)))]
    outs = last_first[::-1]
    for i in let.attrs["wrt"]:
        outs.append(adjoints[i] if i in adjoints else [returned[i]])
    return outs


EMIT["pullback"] = lambda code, let, read, site: emit_pullback(code, let, read)


def environment(
    code: Code, f: Any, cotangents: dict[int, Operands], keeps: bool = True
) -> tuple[str, dict[tuple[str, int, int], int], str]:
    """(type, slots, address) of the record that the last continuation is given: cotangents to hand out, and, if it `keeps`
    them, places for the results."""
    types: list[str] = []
    slots: dict[tuple[str, int, int], int] = {}
    for r, t in enumerate(f.results):
        for j, part in enumerate(flat_types(t) if keeps else ()):
            slots["r", r, j] = len(types)
            types.append(part)
        if r in cotangents:
            for j, part in enumerate(flat_types(t)):
                slots["c", r, j] = len(types)
                types.append(part)
    env_type = struct_of(types or ["i64"])
    env = code.alloca(env_type)
    for (kind, r, j), i in slots.items():
        if kind == "c":
            code.store(flat_types(f.results[r])[j], cotangents[r][j], code.field(env_type, env, i))
    return env_type, slots, env


def _arguments(context: Any, code: Code, rev: Any, let: Let, read: Read) -> tuple[list[Operands], dict[int, Operands]]:
    """The arguments, with fresh zero adjoints for arrays that are differentiated."""
    args, adjoints = [], {}
    for i, (p, a) in enumerate(zip(rev.function.params, let.args, strict=False)):
        values = read(a)[: len(flat_types(p.type))]
        if isinstance(p.type, Array) and rev.mask[i]:
            n = product(code, values[1:])
            d = allocate(code, n, p.type.dtype, 0)
            if all(cover.array is not p for cover in rev.covers.values()) and all(array is not p for _, array in rev.firsts):
                fill_zero(code, d, n, p.type.dtype)
            adjoints[i] = [d, *values[1:]]
            values = [*values, d]
        args.append(values)
    return args, adjoints


def last_continuation(context: Any, f: Any, env_type: str, slots: dict[tuple[str, int, int], int]) -> str:
    """define S @k(ptr env, results): keep the results that have a place, return the cotangents."""
    module = context.module
    name = f"@k.{context.unique()}.{f.name}"
    code = Code(module)
    rt, n = adjoint_struct(list(f.results))
    params, returned = ["ptr %env"], []
    for r, t in enumerate(f.results):
        names = [f"%r{r}.{j}" for j in range(len(flat_types(t, carries_gradient(t))))]
        params += [f"{ty} {x}" for ty, x in zip(flat_types(t, carries_gradient(t)), names, strict=True)]
        has_cotangent = ("c", r, 0) in slots
        if isinstance(t, Array):
            _keep_array(code, t, r, names, env_type, slots, has_cotangent)
        else:
            if ("r", r, 0) in slots:
                code.store(LLVM_TYPES[t], names[0], code.field(env_type, "%env", slots["r", r, 0]))
            if carries_gradient(t):
                c = code.load(LLVM_TYPES[t], code.field(env_type, "%env", slots["c", r, 0])) if has_cotangent else NEGATIVE_ZERO
                returned.append((LLVM_TYPES[t], c))
    code.emit(f"ret {rt} {code.pack(rt, returned)}" if returned else "ret void")
    module.functions.append(code.text(f"define internal {module.convention(n)} {rt} {name}({', '.join(params)}) nounwind"))
    return name


def _keep_array(
    code: Code,
    t: Array,
    r: int,
    names: list[str],
    env_type: str,
    slots: dict[tuple[str, int, int], int],
    has_cotangent: bool,
) -> None:
    """Copy a result array out of the arena, and add its cotangent to its adjoint."""
    n = product(code, names[1 : 1 + t.rank])
    if ("r", r, 0) in slots:
        kept = code.let(f"call ptr @lantern.keep(ptr {names[0]}, i64 {code.let(f'mul i64 {n}, {SIZES[t.dtype]}')})")
        for j, v in enumerate([kept, *names[1 : 1 + t.rank]]):
            code.store("ptr" if j == 0 else "i64", v, code.field(env_type, "%env", slots["r", r, j]))
    if has_cotangent and carries_gradient(t):
        c = code.load("ptr", code.field(env_type, "%env", slots["c", r, 0]))
        add_arrays(code, names[-1], c, n, LLVM_TYPES[t.dtype])


def add_arrays(code: Code, target: str, source: str, n: str, t: str) -> None:
    """target[:] += source[:]"""

    def one(i: str) -> None:
        p, q = (code.let(f"getelementptr {t}, ptr {x}, i64 {i}") for x in (target, source))
        code.store(t, code.let(f"fadd contract {t} {code.load(t, p)}, {code.load(t, q)}"), p)

    loop(code, n, one)


def _result(code: Code, t: Any, r: int, env_type: str, env: str, slots: dict[tuple[str, int, int], int]) -> Operands:
    values = [code.load(part, code.field(env_type, env, slots["r", r, j])) for j, part in enumerate(flat_types(t))]
    if isinstance(t, Array):
        n = product(code, values[1:])
        values[0] = code.let(f"call ptr @lantern.bring_back(ptr {values[0]}, i64 {n}, i64 {SIZES[t.dtype]})")
    return values
