"""Operations of the user's own: a function of the graph that goes on with `resume` where the user's calls its continuation.

y.. = operation(x.., captured..) {f, own, still, named}    f: x..  ->  ..; dy.. = resume(y..); ..; return dx..
dy.. = resume(y..)                                         in f: y goes to the rest of the program, and its adjoint comes back
z.. = custom(x.., y.., r.., c..) {f, own, kept}    z is y; backwards dx.. = f(x.., z.., r.., dz..)

passes/delimited/operations.py cuts the first into what stands before `resume`, put in its place, and the third, whose f is what stands behind it;
the r are what this needs from before. No derivative flows to y and r: f says what there is. The arguments in `still` have no adjoint, and are
none of the x then. The c are floats of the function around the operation, and arguments by name: they may have no derivative.
"""

from __future__ import annotations

from typing import Any

from ..core.op import BACKWARDS, CUT, Elsewhere, Op, Result, arrays, register, sizes
from ..core.types import Array


def _row(name: str, owner: str, **facts: Any) -> Op:
    return register(Op(name, "*:*", None, Elsewhere(owner), writes=(), aliases=(), allocates=True, fails=facts.pop("fails", True),
                       cost="dear", effect="", **facts))  # fmt: skip


def _unknown(let: Any) -> tuple[Result, ...]:
    return (None,) * len(let.outs)


def _values(let: Any) -> tuple[Result, ...]:
    """They are like what they are made of."""
    return tuple((y.type.dtype, sizes(y)) if isinstance(y.type, Array) else (y.type, ()) for y in values(let))


def own(let: Any) -> Any:
    """The x of a `custom`."""
    return let.args[: let.attrs["own"]]


def values(let: Any) -> Any:
    """Its y."""
    start = let.attrs["own"]
    return let.args[start : start + len(let.outs)]


def kept(let: Any) -> Any:
    """Its r."""
    start = let.attrs["own"] + len(let.outs)
    return let.args[start : start + let.attrs["kept"]]


def around(let: Any) -> Any:
    """Its c."""
    return let.args[let.attrs["own"] + len(let.outs) + let.attrs["kept"] :]


OPERATION = _row("operation", "cut before", reads=arrays, shape=_unknown, adjoint="own", calls=CUT)
RESUME = _row("resume", "cut before", reads=arrays, shape=_unknown, adjoint="own", resumes=True)
CUSTOM = _row("custom", "a function of the program, the user's", fails=False, reads=arrays, shape=_values, adjoint="function", calls=BACKWARDS,
              late=True, flows=own)  # fmt: skip
