"""What can go wrong while compiled code runs: one table for the interpreter and native code.

A fault is a kind (a row here), a site in the user's source, and up to three integers.
"""

from __future__ import annotations

import struct
import types
from collections.abc import Sequence
from dataclasses import dataclass

from . import errors
from .graph import Site


@dataclass(frozen=True)
class Kind:
    code: int
    error: type[errors.LanternError]
    message: str

    def text(self, values: Sequence[int], detail: str) -> str:
        return self.message.format(*values, detail=detail)


class OfFloats(Kind):
    """A kind whose `detail` says where the three floats stand in it."""

    def text(self, values: Sequence[int], detail: str) -> str:
        return detail.format(*(f"{x:g}" for x in struct.unpack("3d", struct.pack("3q", *values))))


_ROWS: list[tuple[str, type[errors.LanternError], str]] = [
    ("index", errors.ArrayIndexError, "index {0} is out of bounds for axis {2} with size {1}"),
    ("stack", errors.StackOverflowError,
     "the native stack of {0} MiB ended in `{detail}` after about {1} nested calls of {2} bytes each"),
    ("division", errors.ZeroDivideError, "integer division or modulo by zero"),
    ("power", errors.NegativePowerError, "integers to negative integer powers are not integers: write float(x) ** n"),
    ("conversion", errors.ConversionError, "cannot convert a float that is NaN, infinite or beyond 64 bits to int"),
    ("size", errors.ArrayShapeError, "an array size is negative or too large: {0}"),
    ("memory", errors.ArrayMemoryError, "the arrays of one call do not fit in the {0} MiB set aside for them"),
    ("shape", errors.ArrayShapeError, "{detail}"),
    ("assertion", errors.StagedAssertionError, "{detail}"),
    ("raise", errors.LanternError, "{detail}"),
    ("step", errors.ArgumentTypeError, "range() step must not be zero"),
    ("mismatch", errors.ArrayShapeError, "{detail}: sizes {0} and {1}"),
    ("mask", errors.ArrayIndexError, "{detail}: sizes {0} and {1}"),
    ("square", errors.LinAlgError, "{detail}: sizes {0} and {1}"),
    ("broadcast", errors.BroadcastError, "operands could not be broadcast together: sizes {0} and {1}"),
    ("sizes", errors.ArrayShapeError, "operands could not be broadcast together: sizes {0} and {1}"),
    ("linalg", errors.LinAlgError, "{detail}"),
    ("interrupt", errors.LanternError, "interrupted"),  # by Ctrl-C; native code only, where it ends in KeyboardInterrupt
    ("overflow", errors.IntegerOverflowError, "an int does not fit in 64 bits, which it has in compiled code: compute with floats"),
    ("int32", errors.IntegerOverflowError, "Python integer {0} out of bounds for int32"),
    ("host", errors.LanternError, "an exception of Python's"),  # that was raised in a call from compiled code; native code only
]  # fmt: skip

KINDS = {name: Kind(code + 1, error, message) for code, (name, error, message) in enumerate(_ROWS)}
KINDS["nan"] = OfFloats(len(KINDS) + 1, errors.NotANumberError, "{detail}")
BY_CODE = {kind.code: kind for kind in KINDS.values()}


# What Python raises in their place, for handlers; of the rest none is told.
FOR_HANDLERS: dict[str, Exception] = {
    "division": ZeroDivisionError("integer division or modulo by zero"),
    "index": IndexError("index is out of bounds"),
    "step": ValueError("range() arg 3 must not be zero"),
}

ENDLESS = 1_000_000  # nested calls: so many are rarely meant


def stack_advice(mib: int, calls: int, limited: bool = False) -> str:
    """What to do about a native stack of so much that has ended: a recursion is blamed if it was as deep as one without an end. `limited`:
    a call may not have all of it."""
    blame = ": is there a recursion without a base case? Else " if calls >= ENDLESS else ". "
    if limited:
        return f"{blame}jit(f, memory=...) sets how much that is, of {mib} MiB; for a long differentiated loop, jit(f, checkpoint=...) needs less"
    return (
        f"{blame}LANTERN_STACK_GIB={max(2 * mib / 1024, 1):g} in the environment of a new process gives more; "
        "for a long differentiated loop, jit(f, checkpoint=...) needs less"
    )


def for_handlers(kind: str, site: Site | None) -> BaseException | None:
    """What a handler of the program's is given for such a fault."""
    found = FOR_HANDLERS.get(kind) if kind != "raise" else site.exception if site is not None else None
    return again(found) if found is not None else None


def make_error(kind: Kind, site: Site | None, values: Sequence[int] = (0, 0, 0), advice: str = "") -> BaseException:
    """The exception for a fault, in the user's language; for a staged `raise`, the user's own."""
    if site is not None and site.exception is not None:
        return again(site.exception)
    detail = site.detail if site else ""
    text = kind.text(values, detail) + advice
    e = kind.error(f"{text}  [{site}]" if site else text)
    if isinstance(e, errors.BroadcastError):
        e.sizes = tuple(values[:2])
    return e


def at_site(e: errors.LanternError, site: Site | None) -> errors.LanternError:
    """A fault of a kernel's scalar function, at the kernel's place in the user's code."""
    return e if site is None or "  [" in str(e) else type(e)(f"{e}  [{site}]")


def again(e: BaseException) -> BaseException:
    """A new exception like `e`, without its traceback: with what Python's own classes keep beside `args`, SystemExit its code, OSError its filename."""
    new = type(e).__new__(type(e), *e.args)
    new.args = e.args
    for cls in type(e).__mro__:
        for name in (n for n, x in vars(cls).items() if isinstance(x, types.MemberDescriptorType)):
            if (kept := getattr(e, name, None)) is not None:
                setattr(new, name, kept)
    new.__dict__.update(e.__dict__)
    new.__cause__, new.__suppress_context__ = e.__cause__, e.__suppress_context__
    return new


_AS_PYTHON = (errors.ArrayIndexError, errors.AxisError, errors.ArrayShapeError, errors.LinAlgError, errors.ZeroDivideError, errors.NegativePowerError,
              errors.IntegerOverflowError, errors.ConversionError, errors.StagedAssertionError)  # fmt: skip
_TRACED = (
    "Traced",
    "Arrayed",
    "View",
    "Complex",
    "ComplexArray",
    "Maybe",
    "Choice",
    "List",
    "Undefined",
)  # classes of values while tracing
_OWN = errors.__name__.removesuffix("core.errors")  # the modules of the library's exceptions


def is_own(e: BaseException) -> bool:
    """Is it an exception of the library itself, a refusal or a way of going back, which no program handles?"""
    return (type(e).__module__.startswith(_OWN) and not isinstance(e, _AS_PYTHON)) or not isinstance(e, Exception)


def is_of_tracing(e: BaseException) -> bool:
    """Would it not have come up without a trace: one of the library's own, the end of Python's stack, or what code without source
    raises because it knows no traced values?"""
    if isinstance(e, (TypeError, AttributeError)) and any(f"'{name}'" in str(e) for name in _TRACED):
        return True
    return is_own(e) or isinstance(e, (RecursionError, MemoryError))
