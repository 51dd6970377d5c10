"""Effects in compiled code (ir/python/host.py, ir/python/random.py): calls of Python, and draws from a NumPy generator.

    call void @lantern.host(ptr %record, i64 recipe, i64 site, ptr %slots)      slots: the values, 8 bytes each

leaves the region's stack for the caller's, where Python may run, and comes back; `lantern_host` (process.py) finds `called`
below, which takes the GIL, reads the slots and does what the recipe says. An exception waits until the fault that it ends in
has left compiled code. A draw calls the C functions behind numpy.random.Generator, whose lock the caller of the program holds.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ....ir.core import errors
from ....ir.core.graph import Let, Program
from ....ir.core.op import REVERSE, TABLE
from ....ir.core.types import BOOL, F32, F64, I64, NUMPY_DTYPES, Array, Scalar, Type, is_generator
from ....ir.python import host
from ..build import symbols
from .code import LLVM_TYPES, Code, flat_types
from .lets import EMIT, Operands, Read, allocate, count

_NAMES = {"uniform": "random_standard_uniform", "normal": "random_standard_normal", "exponential": "random_standard_exponential"}
_BOUNDED = "random_bounded_uint64_fill"
_FAILED: dict[int, BaseException] = {}  # by region, until its fault is raised
_SCALARS: dict[Type, Any] = {F64: ctypes.c_double, F32: ctypes.c_float, I64: ctypes.c_int64, BOOL: ctypes.c_bool}
_LIBRARY: list[ctypes.CDLL] = []


# ---- emission
def _refuse(let: Let) -> None:
    raise errors.UnsupportedOperationError(
        f"printing and random draws need Python and NumPy, and an exported library runs without ({let.site}): take them out"
    )


@EMIT.of("host")
def emit_host(code: Code, let: Let, read: Read, site: int) -> list[Operands]:
    context, recipe = code.module.context, let.attrs["recipe"]
    if not context.python:
        if recipe < 0 or not context.program.recipes[recipe].repeats:
            _refuse(let)
        return []  # the exception that follows says as much as can be said without values
    at = 0
    n = sum(len(flat_types(a.type)) for a in let.args)
    slots = code.alloca(f"[{max(n, 1)} x i64]")
    for a in let.args:
        for t, x in zip(flat_types(a.type), read(a), strict=False):
            if t == "i1":
                t, x = "i64", code.let(f"zext i1 {x} to i64")
            code.store(t, x, code.let(f"getelementptr i64, ptr {slots}, i64 {at}"))
            at += 1
    code.emit(f"call void @lantern.host(ptr @lantern.record, i64 {recipe}, i64 {code.module.site(let.site)}, ptr {slots})")
    return [[code.load("i64", slots)] for _ in let.outs]


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
    name = _NAMES[kind] + ("_f" if dtype == F32 else "")
    ty = LLVM_TYPES[dtype]
    code.emit("call void @lantern.busy()")
    z = code.let(f"call {ty} {code.module.declare(name, f'declare {ty} @{name}(ptr)')}(ptr {generator})")
    code.emit("call void @lantern.ready()")
    return [[z]]


def _call(code: Code, kind: str, dtype: Scalar, generator: str, bounds: Sequence[str], n: str, out: str) -> None:
    """Fill n places. A Ctrl-C waits meanwhile: the generator's state would be neither the old one nor the new one."""
    if kind == "bounded":
        name, types = _BOUNDED, "ptr, i64, i64, i64, i1 zeroext, ptr"
        args = f"ptr {generator}, i64 {bounds[0]}, i64 {bounds[1]}, i64 {n}, i1 zeroext false, ptr {out}"
    else:
        name, types = _NAMES[kind] + "_fill" + ("_f" if dtype == F32 else ""), "ptr, i64, ptr"
        args = f"ptr {generator}, i64 {n}, ptr {out}"
    function = code.module.declare(name, f"declare void @{name}({types})")
    code.emit("call void @lantern.busy()")
    code.emit(f"call void {function}({args})")
    code.emit("call void @lantern.ready()")


def provide(names: Sequence[str]) -> None:
    """Make NumPy's functions known, if these are among them."""
    if not _LIBRARY and any(n == _BOUNDED or n.startswith(tuple(_NAMES.values())) for n in names):
        _LIBRARY.append(ctypes.CDLL(np.random._generator.__file__))
        symbols.add_library(_LIBRARY[0])


# ---- calls of Python
def _called(fault: Any, recipe: int, slots: int, region: int) -> int:
    """What compiled code calls: 0, or 1 after an exception."""
    try:
        program = fault.__self__.program
        result = host.perform(program, recipe, _values(_types(program, recipe), slots))
        ctypes.c_int64.from_address(slots).value = result
    except BaseException as e:
        _FAILED[region] = e
        return 1
    return 0


called = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.py_object, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64)(_called)


def failure(region: int) -> BaseException:
    """The exception that has ended a call."""
    return _FAILED.pop(region)


def _types(program: Program, recipe: int) -> list[Type]:
    return program.recipes[recipe].types if recipe >= 0 else [I64] if recipe == host.AGAIN else []


def _values(types: Sequence[Type], slots: int) -> list[Any]:
    out: list[Any] = []
    for t in types:
        if isinstance(t, Array):
            data, *shape = (ctypes.c_int64.from_address(slots + 8 * i).value for i in range(1 + t.rank))
            out.append(_array(data, tuple(shape), NUMPY_DTYPES[t.dtype]))
            slots += 8 * (1 + t.rank)
            continue
        out.append(_SCALARS[t].from_address(slots).value)
        slots += 8
    return out


def _array(data: int, shape: tuple[int, ...], dtype: Any) -> Any:
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return np.frombuffer(ctypes.string_at(data, size), dtype).reshape(shape).copy() if size else np.empty(shape, dtype)


# ---- calls of a program that draws
def draws(program: Program) -> bool:
    """Does a call of it have to hold generators, or to remember anything?"""
    functions = program.functions.values()
    lets = [let for f in functions for b in f.blocks.values() for let in b.lets if TABLE[let.op].effect]
    return any(TABLE[let.op].effect == "draw" or let.attrs["recipe"] < 0 for let in lets) or (bool(lets) and _nested(program))


def _nested(program: Program) -> bool:
    """May there be derivatives of derivatives, which evaluate functions again?"""
    return sum(TABLE[let.op].calls == REVERSE for f in program.functions.values() for b in f.blocks.values() for let in b.lets) > 1


def handle(generator: Any) -> Any:
    """What compiled code is given of a generator: the address of its functions."""
    return np.int64(generator.bit_generator.ctypes.bit_generator.value)


@contextmanager
def drawing(args: Sequence[Any]) -> Iterator[None]:
    """A call with these arguments: its generators are locked, in one order for all threads."""
    generators = [x for x in args if is_generator(x)]
    locks = {id(lock): lock for lock in (g.bit_generator.lock for g in generators)}
    taken = [locks[i] for i in sorted(locks)]
    for lock in taken:
        lock.acquire()
    try:
        with host.call(host.Running(generators)):
            yield
    finally:
        for lock in taken:
            lock.release()
