"""`export`: a compiled function as a shared library with a C header and an example, for use without Python."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends.base import Options
from .backends.llvm.build.platforms import native_target
from .backends.targets import named
from .ir.core.faults import KINDS
from .ir.core.types import BOOL, F32, F64, FROM_NUMPY, I32, I64, NUMPY_DTYPES, SCALARS, Array, Type, array_of, element, is_complex
from .ir.trace.program import Abstract, abstract
from .ir.values import pytree
from .leaves import misfit

if TYPE_CHECKING:
    from .specialisation import Specialisation

_ALIASES = {"float64": F64, "float32": F32, "int64": I64, "int32": I32, **SCALARS}
_PRINT: dict[Any, str] = {F64: "%.17g", F32: "%.9g", I64: "%lld", I32: "%d", BOOL: "%d"}


@dataclass(frozen=True)
class Exported:
    """The files that `export` has written, and the C function's declaration."""

    library: Path
    header: Path
    example: Path
    prototype: str
    blas: str  # what the library was linked with for matrix products and LAPACK, if it was


def export(
    f: Callable[..., Any],
    types: Sequence[Any],
    name: str,
    folder: str | Path = ".",
    *,
    checkpoint: Any = None,
    stack_mib: int = 1024,
    target: str | None = None,
) -> Exported:
    """Write lib<name>.so, <name>.h and <name>_example.c.

    The C function takes scalars by value, and an array as a pointer and its sizes (row by row), const unless `f` writes into it. Results go to
    buffers that the caller gives with their sizes. It returns 0, or a status with a message. It may be called from many threads. The machine code
    is for Linux.

    Matrix products and linear algebra are linked with the system's BLAS and LAPACK (LANTERN_BLAS gives the linker's arguments for another);
    without one, products are loops of the library's own.

    Parameters
    ----------
    f : callable
        Any function that `jit` takes, such as `grad(f)`; a jitted function is exported as what it wraps.
    types : sequence
        One entry for each argument: `float`, `int`, `bool`, a name such as "f64", "f32", "i64", "bool", "f64[:]" or "f32[:, :]" for
        arrays ("i32[:]" too), or an example value; or a container of them, whose leaves are arguments of their own in C.
    name : str
        Of the C function and the files.
    folder : str or Path, default "."
        Where they go.
    checkpoint : optional
        As in `jit`.
    stack_mib : int, default 1024
        MiB of address space for the native stack and local arrays of one call; rounded up to a power of two.
    target : str, optional
        A CPU such as "x86-64-v3" or "neoverse-v1", or "aarch64-linux-gnu" or "x86_64-linux-gnu" for all of a kind, whose C compiler then
        links the library (aarch64-linux-gnu-gcc, say); the kind of CPU of this machine unless given.

    Returns
    -------
    Exported
        The files, and the C prototype.

    Raises
    ------
    CompilationError
        Where no C compiler is there to link the library, or no LAPACK for what needs it.

    Examples
    --------
    >>> import lantern_jit as lj, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lj.export(lj.grad(lambda x: x * x), [float], "slope", folder).prototype
    'int32_t slope(double x0, double *result0, char *message, int64_t message_size)'
    """
    native = native_target()
    from .backends.llvm.build.compile import host_cpu
    from .backends.llvm.call.library import Library

    cpu = host_cpu() if target is None else named(target)

    _check(f, types, name, stack_mib)
    leaves, tree = pytree.flatten(tuple(types))
    signature = [_signature(x, f"type {i} of `{name}`") for i, x in enumerate(leaves)]
    function = getattr(f, "__wrapped__", f) if type(f).__name__ == "Jitted" else f
    options = Options(checkpoint, in_place=not getattr(function, "__lantern_transform__", False))
    from .specialisation import Specialisation  # with the passes and what stands behind them

    specialisation = Specialisation(function, signature, lambda inside: (pytree.unflatten(tree, inside), {}), name, options)
    specialisation.for_c()
    values = [_example(x, a) for x, a in zip(leaves, signature, strict=True)]
    expected = _expected(specialisation, values)
    bits = 20 + math.ceil(math.log2(stack_mib))
    library = Library(specialisation.program, cpu, checkpoint, name, bits, specialisation.written.leaves)
    where, prototype = Path(folder), library.call.prototype()
    compiler = "cc" if cpu.target == native else cpu.target.linking.cross_compiler
    file = where / cpu.target.linking.file.format(name)
    blas = " ".join(library.link(file))
    out = Exported(file, where / f"{name}.h", where / f"{name}_example.c", prototype, blas)
    out.header.write_text(_header(name, prototype, blas))
    out.example.write_text(_example_program(name, specialisation, values, expected, compiler))
    return out


def _check(f: Any, types: Any, name: Any, stack_mib: Any) -> None:
    """Refuse what cannot be exported so."""
    from .backends.llvm.call.c_names import refusal

    why = refusal(name)
    if why:
        kind = ValueError if isinstance(name, str) else TypeError
        raise kind(f"a function of C cannot be called {name!r}: this {why}. Choose another name")
    if not callable(f):
        raise TypeError(f"export() takes a function, not {type(f).__name__} {f!r}")
    if not isinstance(types, (list, tuple)) or any(x is None for x in pytree.flatten(tuple(types))[0]):
        raise TypeError(f'types={types!r}: give a list with one entry for each argument of `{name}`, as in [float, "f64[:]"]')
    if type(stack_mib) is not int or not 64 <= stack_mib <= 1 << 20:
        raise ValueError(f"stack_mib={stack_mib!r}: give a whole number of MiB from 64 to {1 << 20}")
    wrong = misfit(f, types)
    if wrong is not None:
        raise TypeError(f"types has {len(types)} entries, and `{name}` is called as {name}{wrong[0]}: {wrong[1]}")


def _signature(x: Any, where: str) -> Abstract:
    """The type that an entry of `types` names."""
    for python, t in ((bool, BOOL), (int, I64), (float, F64)):
        if x is python:
            return Abstract(t, True)
    if isinstance(x, str):
        found = re.fullmatch(r"\s*(\w+)\s*(?:\[\s*(:(?:\s*,\s*:)*)\s*\])?\s*", x)
        dtype = _ALIASES.get(found[1]) if found else None
        if found is None or dtype is None:
            raise TypeError(f'{where} is {x!r}: write f64, f32, i64 or bool, for arrays as in "f64[:]" and "f64[:, :]"')
        if dtype == I32 and not found[2]:
            raise TypeError(f'{where} is {x!r}: only arrays have elements of this type ("i32[:]"); a number is an "i64"')
        return Abstract(array_of(dtype, found[2].count(":"))) if found[2] else Abstract(dtype, dtype != F32)
    if isinstance(x, (type, np.dtype)):
        dtype = {d.type: t for d, t in FROM_NUMPY.items()}.get(x if isinstance(x, type) else x.type)
        if dtype is None or is_complex(dtype):
            raise TypeError(f"{where} is {x!r}: give float, int, bool, a name such as 'f64[:]', or an example value")
        return Abstract(element(dtype))
    return abstract(x, where)


def _example(x: Any, a: Abstract) -> Any:
    """A value of the type: the one given, or a made one."""
    if not isinstance(x, (type, str, np.dtype)):
        return x
    if isinstance(a.type, Array):
        shape = (3,) * a.type.rank
        numbers: Any = np.arange(1, 1 + math.prod(shape)).reshape(shape)
        if a.type.dtype in (F64, F32):  # matrices that can be factorised
            numbers = numbers / 4 + (4 * np.eye(3) if a.type.rank > 1 else 0)
        return (numbers if a.type.dtype in (F64, F32) else numbers % 2).astype(NUMPY_DTYPES[a.type.dtype])
    return {F64: 0.5, F32: np.float32(0.5), I64: 2, BOOL: True}[a.type]


def _expected(specialisation: Specialisation, values: list[Any]) -> list[Any] | None:
    """The results at the example's values; None where they are an error."""
    try:
        result = specialisation.run([x.copy() if i in specialisation.written.leaves else x for i, x in enumerate(values)])
    except Exception:
        if any(isinstance(t, Array) for t in specialisation.traced.results):
            raise TypeError(
                f"the sizes of the results of `{specialisation.name}` are not known, as it fails for {values!r}: give example values instead of types"
            ) from None
        return None
    flat, _ = pytree.flatten(result)
    return [x for x, t in zip(flat, specialisation.traced.results, strict=True) if t is not None]


def _header(name: str, prototype: str, blas: str) -> str:
    messages = {kind.code: kind.message.format("N", "N", "N", detail="the error of the source") for kind in KINDS.values()}
    statuses = "\n".join(f"   {code:3d}  {message}" for code, message in messages.items())
    guard = f"{name.upper()}_H"
    needs = f" It was linked with {blas}." if blas else ""
    return f"""/* Written by lantern_jit. Link with -l{name}.{needs}

   Scalars come by value, an array as a pointer and its sizes, row by row; one that is not const is written into. Results go to the buffers result0, ...: one
   element for a scalar, an array of the sizes given. Returns 0, or a status and a message of at most message_size bytes
   in `message`, which may be NULL:
{statuses}
   101  a result's sizes are not those of its buffer
   102  no address space for the native stack
   103  an argument that is written into overlaps with another one
   The function may be called from many threads at once. */
#ifndef {guard}
#define {guard}
#include <stdbool.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {{
#endif
{prototype};
#ifdef __cplusplus
}}
#endif
#endif
"""


def _example_program(name: str, s: Specialisation, values: list[Any], expected: list[Any] | None, compiler: str) -> str:
    """A C program that calls the function and prints its results and the arrays that it has written into, one number a line."""
    lines, args, printing = [], [], []
    for i, (x, t) in enumerate(zip(values, s.types, strict=True)):
        if isinstance(t, Array):
            lines.append(_array_line(f"x{i}", t, np.shape(x), x, i in s.written.leaves))
            args += [f"x{i}", *map(str, np.shape(x))]
        else:
            args.append(_number(x, t))
    types = [t for t in s.traced.results if t is not None]
    for r, t in enumerate(types):
        if isinstance(t, Array):
            assert expected is not None
            lines.append(_array_line(f"result{r}", t, expected[r].shape, None, True))
            args += [f"result{r}", *map(str, expected[r].shape)]
            printing.append(_print_array(f"result{r}", t, expected[r].size))
        else:
            lines.append(f"    {_c(t)} result{r};")
            args.append(f"&result{r}")
            printing.append(f'    printf("{_PRINT[t]}\\n", {_printed(t, f"result{r}")});')
    for i in s.written.leaves:
        printing.append(_print_array(f"x{i}", s.types[i], np.size(values[i])))
    body = "\n".join([*lines, "    char message[512];", f"    int status = {name}({', '.join([*args, 'message', 'sizeof message'])});"])
    check = f'    if (status != 0) {{\n        fprintf(stderr, "{name}: %s (status %d)\\n", message, status);\n        return 1;\n    }}'
    build = f"{compiler} {name}_example.c -o {name}_example -L. -l{name} -Wl,-rpath,'$ORIGIN'"
    shown = "\n".join([body, check, *printing])
    return f'/* {build} && ./{name}_example */\n#include <stdio.h>\n#include "{name}.h"\n\nint main(void) {{\n{shown}\n    return 0;\n}}\n'


def _print_array(name: str, t: Any, n: int) -> str:
    return f'    for (int i = 0; i < {n}; i++) printf("{_PRINT[t.dtype]}\\n", {_printed(t.dtype, f"{name}[i]")});'


def _array_line(name: str, t: Array, shape: tuple[int, ...], values: Any, written: bool) -> str:
    n = max(math.prod(shape), 1)
    numbers = "" if values is None else f" = {{{', '.join(_number(v, t.dtype) for v in np.ravel(values)) or '0'}}}"
    return f"    {'' if written else 'const '}{_c(t.dtype)} {name}[{n}]{numbers};"


def _c(t: Type) -> str:
    from .backends.llvm.call.c_call import C_TYPES

    return C_TYPES[t]


def _number(x: Any, t: Type) -> str:
    if t in (F64, F32):
        v = float(x)
        return repr(v) if math.isfinite(v) else "NAN" if v != v else "INFINITY" if v > 0 else "-INFINITY"
    return str(int(x))


def _printed(t: Type, x: str) -> str:
    return f"(long long){x}" if t == I64 else x
