"""The library's own mathematical functions for scalars and vectors, compiled once for a machine.

A program calls `maths.exp.f64`; an attribute of the declaration names its variants for 2, 4 and 8 lanes, and LLVM's
vectorisers take the one that they want. The code of a function is an object file of its own, kept in the cache, loaded
when a program first needs it. It is not part of each program: a body has 20 to 100 operations, and a program may have
thousands of calls.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence

from ....ir.core.types import F32, F64, Scalar
from ...targets.target import Cpu
from ..build import cache
from ..build.compile import Loaded, host_cpu, load, object_file
from ..build.lock import compiling
from ..build.symbols import make_symbol
from .bodies import BODIES, body
from .lane_text import Constants, LaneText
from .lanes import LaneMachine, Lanes

PREFIX = "maths."
PURE = "nounwind willreturn memory(none)"
INLINED = 250  # the cost up to which LLVM inlines a function, by itself
_TYPES = {"f64": F64, "f32": F32}
_LOADED: dict[str, Loaded] = {}


def lane_counts(t: Scalar, cpu: Cpu) -> list[int]:
    """Vectors up to the CPU's widest register, from 2 lanes on: a loop over float32 and float64 has equal counts of both."""
    most = cpu.register_bits // (64 if t == F64 else 32)
    return [n for n in (2, 4, 8, 16) if n <= most]


def symbol(name: str, t: Scalar, lanes: int = 1) -> str:
    return f"{PREFIX}{name}.{'f64' if t == F64 else 'f32'}{f'.v{lanes}' if lanes > 1 else ''}"


def is_variant(name: str) -> bool:
    return name.startswith(PREFIX) and name.count(".") == 3


def declarations(name: str, t: Scalar, cpu: Cpu) -> dict[str, str]:
    """The scalar function, whose attribute names the variants, and the variants."""
    arity, scalar, one = BODIES[name][0], symbol(name, t), "double" if t == F64 else "float"
    counts = lane_counts(t, cpu)
    variants = ",".join(f"_ZGV_LLVM_N{n}{'v' * arity}_{scalar}({symbol(name, t, n)})" for n in counts)
    found = {scalar: f'declare {one} @{scalar}({", ".join([one] * arity)}) {PURE} "vector-function-abi-variant"="{variants}"'}
    for n in counts:
        v = f"<{n} x {one}>"
        found[symbol(name, t, n)] = f"declare {v} @{symbol(name, t, n)}({', '.join([v] * arity)}) {PURE}"
    return found


def module_text(functions: Sequence[tuple[str, Scalar]], cpu: Cpu, hidden: bool = False) -> str:
    """A module that defines functions with their variants."""
    table = Constants(f"{symbol(*functions[0])}.constants") if cpu.target.features.constant_tables and functions else None
    declared: dict[str, str] = {}
    texts = [_function(name, t, n, cpu, hidden, declared, table) for name, t in functions for n in (1, *lane_counts(t, cpu))]
    return "\n".join(
        [
            *declared.values(),
            table.text() if table else "",
            *texts,
            '!0 = !{!"branch_weights", i32 1, i32 1000000}',
            '!1 = !{!"branch_weights", i32 1000000, i32 1}',
            "!2 = !{}\n",
        ]
    )


def _function(name: str, t: Scalar, lanes: int, cpu: Cpu, hidden: bool, declared: dict[str, str], table: Constants | None) -> str:
    m = LaneMachine(t, lanes, cpu.fused, cpu.scale, LaneText(table))
    xs = [Lanes(m, f"%x{i}", "f") for i in range(BODIES[name][0])]
    result = body(m, name, xs)
    declared.update(m.text.declared)
    v, loads = m.type("f"), m.text.loads.values()
    head = f"define {'hidden ' if hidden else ''}{v} @{symbol(name, t, lanes)}({', '.join(f'{v} {x.name}' for x in xs)}) nounwind"
    if loads:  # to the inliner as if the constants were parts of instructions, which cost nothing
        head += f' "function-inline-threshold"="{INLINED + 5 * len(loads)}"'
    return "\n".join([head + " {", "entry:", *loads, *m.text.lines, f" ret {v} {result.name}", "}"])


def functions_of(names: Iterable[str]) -> list[tuple[str, Scalar]]:
    """The functions that symbols belong to."""
    found = sorted({tuple(n.split(".")[1:3]) for n in names if n.startswith(PREFIX)})
    return [(name, _TYPES[t]) for name, t in found]


@compiling
def provide(names: Iterable[str]) -> None:
    """Make known to the linker what code that uses these symbols calls of here."""
    for name, t in functions_of(names):
        if symbol(name, t) not in _LOADED:
            _LOADED[symbol(name, t)] = _loaded(name, t)


def _loaded(name: str, t: Scalar) -> Loaded:
    cpu = host_cpu()
    text = module_text([(name, t)], cpu)
    key = cache.key("maths", text)
    found = cache.read(key)
    code = found[1] if found else object_file(text)[0]
    if not found:
        cache.write(key, {}, code)
    loaded = load(code)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(loaded.tracker))  # programs that call it may run until the process ends
    for lanes in (1, *lane_counts(t, cpu)):
        make_symbol(symbol(name, t, lanes), loaded.address(symbol(name, t, lanes)))
    return loaded
