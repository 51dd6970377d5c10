"""Values of a graph under construction, with which operations can be called: `add(x, y)` appends to the function."""

from __future__ import annotations

from typing import Any

from .builder import Builder, current_builder
from .graph import Atom, Const
from .op import Op, argument_types, literal, result_type
from .sites import user_site
from .types import Scalar, Type


class GraphValue:
    """An atom, and the function that it is of (None for a constant)."""

    __slots__ = ()
    atom: Any
    builder: Any


class GraphAlgebra:
    """Operations on operands append to the function under construction."""

    @staticmethod
    def bind(op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        builder = current_builder()
        operands = [a for a in args if isinstance(a, Operand)]
        types = argument_types(op, [a.type if isinstance(a, Operand) else None for a in args])
        atoms = tuple(atom_of(a, t, builder) for a, t in zip(args, types, strict=True))
        out_type = result_type(op, types, attrs)  # type: ignore[arg-type]
        site = user_site() if op.may_fail else None
        (out,) = builder.emit(op.name, atoms, (out_type,), attrs, site)
        return type(operands[0])(out, builder, all(a.weak for a in operands))


class Operand(GraphValue):
    """A scalar. `weak` ones adapt to the type of others, as Python numbers do."""

    __slots__ = ("atom", "builder", "weak")
    algebra = GraphAlgebra

    def __init__(self, atom: Atom, builder: Builder | None, weak: bool = False) -> None:
        self.atom, self.builder, self.weak = atom, builder, weak

    @property
    def type(self) -> Scalar:
        return self.atom.type  # type: ignore[no-any-return]


def atom_of(value: Any, t: Type, builder: Builder) -> Atom:
    """`value` (of the graph and of type `t`, or a Python number) as an atom of `builder`'s function."""
    if isinstance(value, GraphValue):
        return builder.use(value.atom, value.builder)
    return Const(literal(value, t), t)
