"""Operations of the user's own: a function of the graph that goes on with `resume` where the user's calls its continuation.

y.. = operation(x.., captured..) {f, own, still, named}     f: x..  ->  ..; dy.. = resume(y..); ..; return dx..
dy.. = resume(y..)                                         in f: y goes to the rest of the program, and its adjoint comes back
z.. = custom(y.., x.., r.., c..) {f, own, kept}           z is y; backwards dx.. = f(x.., z.., r.., dz..)
z = ruled(y, x.., r.., c..) {f, own, kept, uses}           the same of scalars, of an f that is linear in dz and runs straight: f(x.., r.., z, dz)

passes/delimited/operations.py cuts the first into what stands before `resume`, put in its place, and the third, whose f is what stands behind it;
the r are what this needs from before. No derivative flows to y and r: f says what there is. The arguments in `still` have no adjoint, and are
none of the x then. The c are floats of the function around the operation, and arguments by name, that the y are made of: they may have no derivative.
`uses`: what the term of each argument of `ruled` reads, as numbers of arguments, -1 for z.
"""

from __future__ import annotations

from typing import Any

from ..core.graph import Const, Function
from ..core.machine import number
from ..core.op import BACKWARDS, CUT, TABLE, Elsewhere, Op, Result, arrays, elementwise, register, sizes
from ..core.types import Array


def _row(name: str, owner: str, **facts: Any) -> Op:
    return register(Op(name, "*:*", None, Elsewhere(owner), writes=(), aliases=(), allocates=True, fails=facts.pop("fails", True),
                       cost="dear", effect="", **facts))  # fmt: skip


def _unknown(let: Any) -> tuple[Result, ...]:
    return (None,) * len(let.outs)


def _values(let: Any) -> tuple[Result, ...]:
    """They are like what they are made of."""
    return tuple((y.type.dtype, sizes(y)) if isinstance(y.type, Array) else (y.type, ()) for y in values(let))


def values(let: Any) -> Any:
    """The y."""
    return let.args[: len(let.outs)]


def own(let: Any) -> Any:
    """The x."""
    return let.args[len(let.outs) : len(let.outs) + let.attrs["own"]]


def kept(let: Any) -> Any:
    """The r."""
    start = len(let.outs) + let.attrs["own"]
    return let.args[start : start + let.attrs["kept"]]


def around(let: Any) -> Any:
    """The c."""
    return let.args[len(let.outs) + let.attrs["own"] + let.attrs["kept"] :]


def follow(d: Any, z: Any, *args: Any, f: Function, own: int, kept: int, **attrs: Any) -> tuple[Any, ...]:
    """The terms of `ruled`: its function, run on what d is."""
    env: dict[Any, Any] = dict(zip(f.params, (*args[1 : 1 + own + kept], z, d), strict=True))

    def look(a: Any) -> Any:
        if not isinstance(a, Const):
            return env[a]
        return d.constant(a) if hasattr(d, "constant") else number(a.value, a.type)  # type: ignore[arg-type]

    for let in f.entry.lets:
        env[let.out] = TABLE[let.op](*map(look, let.args), **let.attrs)
    return (None, *map(look, f.returned), *(None,) * (len(args) - 1 - own))


OPERATION = _row("operation", "cut before", reads=arrays, shape=_unknown, adjoint="own", calls=CUT)
RESUME = _row("resume", "cut before", reads=arrays, shape=_unknown, adjoint="own", resumes=True)
CUSTOM = _row("custom", "a function of the program, the user's", fails=False, reads=arrays, shape=_values, adjoint="function", calls=BACKWARDS,
              late=True, flows=own)  # fmt: skip
RULED = elementwise("ruled", "F*:F", lambda m, y, *args, **attrs: y, follow, speculate=True, calls=BACKWARDS, flows=own)
