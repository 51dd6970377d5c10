"""Effects in compiled code (ir/python/host.py, ir/python/random.py): calls of Python, and draws from a NumPy generator.

    call void @lantern.host(ptr %record, i64 recipe, i64 site, ptr %slots)      slots: the values, 8 bytes each, and where to put arrays;
                                                                                then the results that are numbers

leaves the region's stack for the caller's, where Python may run, and comes back; `lantern_host` (calls.ll) calls `called` of
call/effects.py, which takes the GIL, reads the slots and does what the recipe says. An exception waits until the fault that it
ends in has left compiled code. Where the recipe pauses, the call does (call/paused.py). A draw calls the C functions behind
numpy.random.Generator, whose lock the caller of the program holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from ....ir.core import errors
from ....ir.core.graph import Let
from ....ir.core.op import TABLE
from ....ir.core.types import F32, Array, Scalar
from ....ir.ops.effects import BOUNDED, CALLBACK, DRAWN_BY
from .code import LLVM_TYPES, Code, flat_types
from .jobs import region
from .lets import EMIT, Operands, Read, allocate, count, read_element


# ---- emission
def _refuse(let: Let) -> None:
    mine = TABLE[let.op] is CALLBACK and let.site is not None
    what = f"callback() of `{let.site.detail}` needs" if mine else "printing and random draws need"  # type: ignore[union-attr]
    raise errors.UnsupportedOperationError(
        f"{what} Python and NumPy, and an exported library runs without ({let.site}): take {'it' if mine else 'them'} out"
    )


@EMIT.of("host", "callback")
def emit_host(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    context, recipe = code.module.context, let.attrs["recipe"]
    if not context.python:
        if recipe < 0 or not context.program.recipes[recipe].repeats:
            _refuse(let)
        return []  # the exception that follows says as much as can be said without values
    results = _results(code, let, read)
    given = [(t, x) for a in let.args for t, x in zip(flat_types(a.type), read(a), strict=False)]
    given += [("ptr", x[0]) for x in results if x]
    slots = code.alloca(f"[{max(len(given), len(results), 1)} x i64]")
    for i, (t, x) in enumerate(given):
        if t == "i1":
            t, x = "i64", code.let(f"zext i1 {x} to i64")
        code.store(t, x, code.let(f"getelementptr i64, ptr {slots}, i64 {i}"))
    code.emit(f"call void @lantern.host(ptr @lantern.record, i64 {recipe}, i64 {code.module.site(let.site)}, ptr {slots})")
    if recipe >= 0 and context.program.recipes[recipe].pauses:
        code.emit(f"call void {code.module.declare('lantern_pause', 'declare void @lantern_pause(ptr)')}(ptr {region(code)})")
    place = 0
    for o, operands in zip(let.outs, results, strict=True):
        if not operands:
            operands.append(read_element(code, code.let(f"getelementptr i64, ptr {slots}, i64 {place}") if place else slots, o.type))
            place += 1
    return results


def _results(code: Code, let: Let, read: Read) -> list[Operands]:
    """The operands of the outs: new arrays; those of numbers are empty."""
    out: list[Operands] = [[] for _ in let.outs]
    for o, x, (dtype, atoms) in zip(let.outs, out, TABLE[let.op].shape(let), strict=True):
        if isinstance(o.type, Array):
            sizes, site = [read(a)[0] for a in atoms], code.module.site(let.site)
            x += [allocate(code, count(code, sizes, site), dtype, site), *sizes]
    return out


@EMIT.of("draw")
def emit_draw(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    if not code.module.context.python:
        _refuse(let)
    kind, t = let.attrs["kind"], let.out.type
    dtype = t.dtype if isinstance(t, Array) else t
    assert isinstance(dtype, Scalar)
    generator = code.let(f"inttoptr i64 {read(let.args[0])[0]} to ptr")
    bounds, sizes = ([read(a)[0] for a in part] for part in (let.args[1:3], let.args[3:]))
    if kind != "bounded":
        bounds, sizes = [], [*bounds, *sizes]
    if isinstance(t, Array):
        site = code.module.site(let.site)
        n = count(code, sizes, site)
        out = allocate(code, n, dtype, site)
        _call(code, kind, dtype, generator, bounds, n, out)
        return [[out, *sizes]]
    if kind == "bounded":
        out = code.alloca("i64")
        _call(code, kind, dtype, generator, bounds, "1", out)
        return [[code.load("i64", out)]]
    name = DRAWN_BY[kind] + ("_f" if dtype == F32 else "")
    ty = LLVM_TYPES[dtype]
    code.emit("call void @lantern.busy()")
    z = code.let(f"call {ty} {code.module.declare(name, f'declare {ty} @{name}(ptr)')}(ptr {generator})")
    code.emit("call void @lantern.ready()")
    return [[z]]


def _call(code: Code, kind: str, dtype: Scalar, generator: str, bounds: Sequence[str], n: str, out: str) -> None:
    """Fill n places. A Ctrl-C waits meanwhile: the generator's state would be neither the old one nor the new one."""
    if kind == "bounded":
        name, extension = BOUNDED, code.module.target.bool_extension
        types = f"ptr, i64, i64, i64, i1 {extension}, ptr"
        args = f"ptr {generator}, i64 {bounds[0]}, i64 {bounds[1]}, i64 {n}, i1 {extension}false, ptr {out}"
    else:
        name, types = DRAWN_BY[kind] + "_fill" + ("_f" if dtype == F32 else ""), "ptr, i64, ptr"
        args = f"ptr {generator}, i64 {n}, ptr {out}"
    function = code.module.declare(name, f"declare void @{name}({types})")
    code.emit("call void @lantern.busy()")
    code.emit(f"call void {function}({args})")
    code.emit("call void @lantern.ready()")
