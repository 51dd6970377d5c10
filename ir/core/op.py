"""What an operation is. The rows themselves are in table.py, one operation in one place.

A row gives a name, a signature, a body and a derivative rule:

    sin = elementwise("sin", "F:F", lambda m, x: m.libm("sin", x), lambda d, z, x: (d * cos(x),))

The body is written once against an abstract scalar machine `m`; the interpreter and LLVM both run it.
The rule returns one term for each argument, *linear in d*. A scalar linear map is its own transpose, so the
one rule serves both modes: tangents by `tz = sum_i rule_i(tx_i)`, adjoints by `dx_i += rule_i(dz)`.

Operations are callable on values of any algebra: traced values add to a graph, LLVM values emit
instructions, plain numbers compute. Rules and bodies are therefore ordinary arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import IntegerOverflowError
from .types import BOOL, F32, F64, I64, Scalar, Type, is_float

Rule = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True)
class Zero:
    """A derivative that is zero wherever it exists, and why. The result carries no gradient at all."""

    why: str


@dataclass(frozen=True)
class Elsewhere:
    """A derivative that no scalar rule can express, and who owns it."""

    owner: str


@dataclass(frozen=True, eq=False)
class Op:
    """One operation. `signature` is ARGS:RESULT with F any float, I i64, B bool, T any scalar, `*` special."""

    name: str
    signature: str
    body: Callable[..., Any]
    rule: Rule | Zero | Elsewhere
    tangent: Callable[..., Any] | None = None  # the result's tangent from the arguments' (None: zero), where a sum of terms will not do
    squared: Any = None  # the operation that is its square and is smooth where it is not itself
    machine: Any = None
    speculate: bool = False  # may run on a path not taken: cheap and cannot fail
    steady: bool = False  # its derivative is finite whatever its arguments are: 0 * derivative is 0
    may_fail: bool = False  # can raise at run time, so that it may not be dropped or moved
    expensive: bool = False  # a call into libm or more: better kept than computed again
    effect: str = ""  # what it does besides its result: "host" calls Python, "draw" moves a generator on; never run again by a replay

    @property
    def arity(self) -> int:
        return self.signature.index(":")

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        for a in args:
            algebra = getattr(a, "algebra", None)
            if algebra is not None:
                return algebra.bind(self, args, attrs)
        return self.body(self.machine, *args, **attrs)

    @property
    def differentiable(self) -> bool:
        """Does a gradient flow through this operation?"""
        return not isinstance(self.rule, Zero)


TABLE: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Add a row. A missing rule or a name used twice is an error at import, never a silent zero gradient."""
    if op.name in TABLE:
        raise ValueError(f"operation {op.name!r} is in the table twice")
    if not isinstance(op.rule, (Zero, Elsewhere)) and not callable(op.rule):
        raise ValueError(f"operation {op.name!r} has no derivative rule and does not say why")
    TABLE[op.name] = op
    return op


def elementwise(
    name: str, signature: str, body: Callable[..., Any], rule: Any = None, tangent: Any = None, squared: Any = None, **flags: Any
) -> Op:
    """A row for a scalar operation. Only an operation whose result is no float may leave out the rule."""
    from .machine import PYTHON

    if rule is None and signature[-1] in "IB":
        rule = Zero("the result is not a float")
    return register(Op(name, signature, body, rule, tangent, squared, PYTHON, **flags))


def result_type(op: Op, types: list[Type | None], attrs: dict[str, Any]) -> Type:
    """The result's type; raises TypeError when `types` break the signature. None is a bare Python number."""
    result = op.signature[-1]
    if result == ">":
        return attrs["to"]  # type: ignore[no-any-return]
    return {"I": I64, "B": BOOL}.get(result) or argument_types(op, types)[op.signature.index(result)]


def argument_types(op: Op, types: list[Type | None]) -> list[Type]:
    """The full argument types, where None (a bare Python number) takes the type that the others need."""
    kinds = op.signature[: op.arity]
    if len(kinds) != len(types):
        raise TypeError(f"{op.name} takes {len(kinds)} arguments, not {len(types)}")
    generic: dict[str, Type] = {}
    for kind, t in zip(kinds, types, strict=True):
        if t is None or kind in "IB":
            if t is not None and t != (I64 if kind == "I" else BOOL):
                raise TypeError(f"{op.name} needs {kind} where it has {t}")
            continue
        if (kind == "F" and not is_float(t)) or not isinstance(t, Scalar) or generic.setdefault(kind, t) != t:
            raise TypeError(f"{op.name}{op.signature} does not take ({', '.join(map(str, types))})")
    generic.setdefault("F", F64)
    generic.setdefault("T", F64)
    return [{"I": I64, "B": BOOL}.get(k) or generic[k] for k in kinds]


def literal(value: Any, t: Type) -> Any:
    """A Python literal of type `t`."""
    if is_float(t):
        return float(value)
    if t == BOOL:
        return bool(value)
    if not -(2**63) <= int(value) < 2**63:
        raise IntegerOverflowError(f"{value} does not fit in 64 bits, which an int has in compiled code: write it as a float")
    return int(value)


__all__ = [
    "F32",
    "F64",
    "TABLE",
    "Elsewhere",
    "Op",
    "Rule",
    "Zero",
    "argument_types",
    "elementwise",
    "literal",
    "register",
    "result_type",
]
