"""Memory, calls by address and the arena: what reverse mode is made of once it is a function that runs forward (ir/lower).

`of` is a type of memory (a `Struct`, or a scalar's or array's type), `path` the names of fields in it.
"""

from __future__ import annotations

from typing import Any

from ..core.op import Op, Result, Zero, register
from ..core.types import I64, PTR

WHY = Zero("it is below derivatives")


def low(name: str, shape: Any, **facts: Any) -> Op:
    common: dict[str, Any] = {"reads": (), "writes": (), "aliases": (), "allocates": False, "fails": False, "cost": "cheap", "adjoint": "zero",
                              "effect": ""}  # fmt: skip
    return register(Op(name, "*:*", None, WHY, shape=shape, **{**common, **facts}))


def address(let: Any) -> tuple[Result, ...]:
    return ((PTR, ()),)


def given(let: Any) -> tuple[Result, ...]:
    """The Let says what it gives."""
    return (None,) * len(let.outs)


CELL = low("cell", address)  # room for one `of` in this function's frame, until it returns
FIELD = low("field", address)  # the address of a field, to be passed on
AT = low("at", address)  # the n-th `of` from there
GET = low("get", given)  # what is there
PUT = low("put", given)
CALL = low("call", given, fails=True)  # call the function `f`: what follows is the way back
CALLK = low("callk", given, fails=True)  # the same of the function at an address
ROOM = low("room", address, fails=True)  # for n `of` in the arena
PUSH = low("push", address, fails=True)  # entries of a tape, which ends where the arena does: the fields of `of`
NEXT = low("next", address)  # the entry after an entry `of`
TOP = low("top", address)  # the tape's end
POP = low("pop", address)  # the entry `of` that ends there, and where the tape ends without it
MARK = low("mark", address)  # the arena's top
RELEASE = low("release", given)  # the arena's top is there again
CLEAR = low("clear", given)  # zeros in n `of` from there
DATA = low("data", address)  # where the elements of an array are
LIKE = low("like", given, aliases=((0, 0),))  # the array of these elements and of another one's sizes
OFFSET = low("offset", lambda let: ((I64, ()),), fails=True)  # how far from there one of them is, by letters as in a load
ZEROS = low(
    "zeros", address, fails=True, allocates=True
)  # the elements of a new array as large as another one; not `fill`ed where all will be written
ACCUMULATE = low("accumulate", given)  # the elements there += those of an array
KEEP = low("keep", given, fails=True)  # a copy of an array outside of the arena
BRING_BACK = low("bring_back", given, fails=True)  # and in it again
CHECK_STACK = low("check_stack", given, fails=True)  # is there room for a call of `f`?
SUM = low("sum", given)  # of two floats, in an order that nobody has written down
SPARE = low("spare", address)  # the first of `count` addresses that is not among the others
OVER = low("over", lambda let: ((I64, ()),))  # quotient of two counts
