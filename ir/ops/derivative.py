"""Derivatives of a function of the program, as operations.

y.., dx.. = pullback(x.., c..) {f, wrt, ct, cotangents}        a reverse pass: c are cotangents of the results `ct`
y.., ty.. = pushforward(x.., t..) {f, wrt, cotangents}         t are tangents of the parameters `wrt`, or, with {apart}, such for each of so many
                                                            directions; expanded into a call of the jvp
y.. = checkpoint(x..) {f, apart}                               a call of f, of which nothing but x is kept: on the way back f runs once more

`apart`: f writes into none of its arguments, and its results are new arrays (passes/explicit.py sees to it).
"""

from __future__ import annotations

from typing import Any

from ..core.op import FORWARD, PLAIN, REVERSE, Elsewhere, Op, Result, arrays, as_marked, register, sizes
from ..core.types import Array


def _gradients(let: Any) -> tuple[Result, ...]:
    """The function says the types of its own results; an adjoint has that of what it is taken for."""
    wrt = [let.args[i] for i in let.attrs["wrt"]]
    own: tuple[Result, ...] = (None,) * (len(let.outs) - len(wrt))
    return own + tuple((a.type.dtype, sizes(a)) if isinstance(a.type, Array) else (a.type, ()) for a in wrt)


def _derivative(name: str, owner: str, calls: str, shape: Any) -> Op:
    return register(Op(name, "*:*", None, Elsewhere(owner), reads=arrays, writes=(), aliases=(), allocates=True, fails=as_marked, cost="dear",
                       shape=shape, adjoint="own", effect="", calls=calls))  # fmt: skip


PULLBACK = _derivative("pullback", "forward over reverse", REVERSE, _gradients)
PUSHFORWARD = _derivative("pushforward", "replaced by a call of the jvp", FORWARD, lambda let: (None,) * len(let.outs))
CHECKPOINT = _derivative("checkpoint", "its function, once more in reverse", PLAIN, lambda let: (None,) * len(let.outs))
