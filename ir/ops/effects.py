"""What Python does while compiled code runs (python/host.py), and draws from a generator (python/random.py)."""

from __future__ import annotations

from typing import Any, NoReturn

from ..core import errors
from ..core.analysis import references
from ..core.graph import Let, Program
from ..core.op import TABLE, Elsewhere, Op, Result, Zero, arrays, as_marked, register
from ..core.types import I64, Array


def _drawn(let: Any) -> tuple[Result, ...]:
    """Behind the generator, and the bounds where it has some, stand the sizes of the array."""
    t = let.out.type
    return ((t.dtype, let.args[3 if let.attrs["kind"] == "bounded" else 1 :]) if isinstance(t, Array) else (t, ()),)


def _given(let: Any) -> tuple[Result, ...]:
    """Behind what the function is given stand the sizes of the arrays that it gives."""
    out: list[Result] = []
    at = len(let.args) - sum(o.type.rank for o in let.outs if isinstance(o.type, Array))
    for t in (o.type for o in let.outs):
        n = t.rank if isinstance(t, Array) else 0
        out.append((t.dtype if isinstance(t, Array) else t, let.args[at : at + n]))
        at += n
    return tuple(out)


HOST = register(Op("host", "*:*", None, Zero("it has no result but a number of its own"), reads=arrays, writes=(), aliases=(), allocates=False,
                   fails=as_marked, cost="dear", shape=lambda let: ((I64, ()),) * len(let.outs), adjoint="zero", effect="host"))  # fmt: skip
CALLBACK = register(Op("callback", "*:*", None, Elsewhere("nobody knows it: who wants one wraps the call in an operation with a rule"),
                       reads=arrays, writes=(), aliases=(), allocates=True, fails=as_marked, cost="heavy", shape=_given, adjoint="function",
                       effect="host"))  # fmt: skip
DRAW = register(Op("draw", "*:*", None, Zero("a standard draw depends on nothing"), reads=(), writes=(), aliases=(), allocates=True,
                   fails=as_marked, cost="dear", shape=_drawn, adjoint="zero", effect="draw"))  # fmt: skip

DRAWN_BY = {
    "uniform": "random_standard_uniform",
    "normal": "random_standard_normal",
    "exponential": "random_standard_exponential",
}  # NumPy's functions
BOUNDED = "random_bounded_uint64_fill"
MARK, AGAIN, DONE = -1, -2, -3  # recipes that every program has


def has_effects(program: Program, name: str) -> bool:
    """May calling this function have an effect that a second evaluation must not repeat?"""
    seen, work = set(), [name]
    while work:
        name = work.pop()
        if name not in seen and name in program.functions:  # a continuation is none yet, and the rest of its shift's function
            seen.add(name)
            f = program.functions[name]
            if any(is_effect(let, program) for b in f.blocks.values() for let in b.lets):
                return True
            work += references(f)
    return False


def is_effect(let: Let, program: Program) -> bool:
    if not TABLE[let.op].effect:
        return False
    index = let.attrs.get("recipe", -1)
    return index < 0 or not program.recipes[index].repeats


def no_derivative(let: Let) -> NoReturn:
    """Refuse to differentiate a call of Python."""
    raise errors.NotDifferentiableError(
        f"callback() of `{let.site.detail if let.site else ''}` at {let.site} has no derivative, and a result depends on it: give it one by lj.op or a custom "
        "rule around the call, or give it lj.stop_gradient(x) for each argument x that is differentiated"
    )


def is_draw(name: str) -> bool:
    """Is this one of NumPy's functions that draw?"""
    return name == BOUNDED or name.startswith(tuple(DRAWN_BY.values()))
