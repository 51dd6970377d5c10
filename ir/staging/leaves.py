"""Numbers and arrays where paths meet: their common type, and the parameter that they become."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..core import errors
from ..core.builder import Builder, atom_of, current_builder
from ..core.dims import Dim
from ..core.graph import Atom, Block
from ..core.sites import user_site
from ..core.types import BOOL, F32, F64, I64, NUMPY_DTYPES, Array, Scalar, Type, describe, is_float, same_type
from ..values import pytree
from ..values.arrays import lift_array
from ..values.complexes.pairs import Complex, is_complex_array, is_complex_number
from ..values.operators import arithmetic
from ..values.values import Arrayed, Traced, constant, dims_of, new_dim, scalar_type, to_type
from ..values.writes import met
from .paths import branch, open_block, run_expression


def in_words(name: str) -> str:
    """A variable as an error calls it: those that rewriting makes have no name of the user's."""
    return "what an expression with `:=` gives" if name.startswith("_ln_") else f"variable `{name}`"


class Undefined:
    """The value of a variable that is not assigned on every path that leads here."""

    __lantern_leaf__ = True

    def __init__(
        self, name: str, why: str = "it is used before it is assigned", error: type[errors.LanternError] = errors.UndefinedVariableError
    ) -> None:
        object.__setattr__(self, "_why", (name, why, error))

    def _raise(self, *args: Any, **kwargs: Any) -> NoReturn:
        name, why, error = object.__getattribute__(self, "_why")
        raise error(f"{in_words(name)} at {user_site()}: {why}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        self._raise()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = __rpow__ = _raise
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __abs__ = __bool__ = _raise
    __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __setitem__ = __call__ = __array__ = __array_ufunc__ = _raise
    __eq__ = __ne__ = __hash__ = __contains__ = __repr__ = __str__ = __format__ = _raise


def is_unassigned(x: Undefined) -> bool:
    """Is it a variable without a value, and not one of two types?"""
    return object.__getattribute__(x, "_why")[2] is errors.UndefinedVariableError


def common_type(kinds: Sequence[tuple[Scalar, bool]]) -> tuple[Scalar, bool] | None:
    """The one type that scalars of (type, weak) can share, or None: as wide as one of them. Weak numbers adapt."""
    types = {t for t, _ in kinds}
    weak = all(w for _, w in kinds)
    if len(types) == 1:
        return types.pop(), weak
    if BOOL in types:
        return None
    strong = {t for t, w in kinds if not w}
    target = F64 if len(strong) != 1 else strong.pop()
    if target == I64:  # and a Python float
        target = F64
    return (target, weak) if target in (F64, F32) else None


def leaf_type(value: Any) -> Type | None:
    """The type of a leaf that can be a block parameter."""
    if isinstance(value, Arrayed):
        return value.type
    found = scalar_type(value) if not isinstance(value, enum.Enum) else None
    return found[0] if found else None


def same_leaf(a: Any, b: Any) -> bool:
    """Are two leaves one value, so that no parameter is needed?"""
    if a is b:
        return True
    if is_view(a) or is_view(b) or isinstance(a, Complex) or pytree.is_node(type(a)):
        return False
    if isinstance(a, Arrayed) and type(a) is type(b):
        return a.atom is b.atom
    if isinstance(a, Traced) and type(a) is type(b):
        return a.atom is b.atom or (not hasattr(a.atom, "name") and a.atom == b.atom)
    plain = (bool, int, float, str, np.generic)
    return isinstance(a, plain) and type(a) is type(b) and (a == b or (a != a and b != b)) and str(a) == str(b)


def merge_types(values: Sequence[Any]) -> tuple[Type, bool] | None:
    """The common type of leaves that meet, or None."""
    if all(isinstance(v, Arrayed) or (isinstance(v, np.ndarray) and v.ndim) for v in values):
        lifted = [v if isinstance(v, Arrayed) else lift_array(v) for v in values]
        if all(same_type(v.type, lifted[0].type) for v in lifted):
            return Array(lifted[0].type.dtype, common_dims(lifted)), False
        dtypes = {v.type.dtype for v in lifted}
        if len({v.ndim for v in lifted}) > 1 or BOOL in dtypes:
            return None
        wide = I64 if not any(is_float(t) for t in dtypes) else F64  # float32 and an int are float64, as NumPy says
        return Array(wide, common_dims(lifted)), False
    kinds = [scalar_type(v) for v in values]
    if any(k is None for k in kinds):
        return None
    return common_type(kinds)  # type: ignore[arg-type]


def common_dims(arrays: Sequence[Any]) -> tuple[Dim, ...]:
    """The dimensions of one of these arrays; new ones where they differ."""
    return tuple(column[0] if all(d == column[0] for d in column) else new_dim() for column in zip(*map(dims_of, arrays), strict=True))


def coerce(value: Any, t: Type, block: Block) -> Atom:
    """`value` as an atom of type `t`, computed at the end of `block`."""
    builder = current_builder()
    before, builder.current = builder.current, block
    try:
        if isinstance(value, np.ndarray):
            value = lift_array(value) if value.ndim else value[()]
        if isinstance(value, Arrayed) and isinstance(t, Array) and not same_type(value.type, t):
            value = value.astype(NUMPY_DTYPES[t.dtype])
        return atom_of(to_type(value, t) if isinstance(t, Scalar) else value, t, builder)
    finally:
        builder.current = before


def parameter(block: Block, t: Type, weak: bool, sources: Sequence[Any], builder: Builder, name: str = "p") -> Any:
    """A new parameter of `block`, as a traced value."""
    clean = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    var = builder.fresh(t, f"{clean}." if clean and clean[-1].isdigit() else clean or "p")
    block.params.append(var)
    if isinstance(t, Scalar):
        return Traced(var, builder, weak)
    made = Arrayed(var, builder, all(isinstance(s, Arrayed) and s.owned and same_type(s.type, t) for s in sources))
    made.joined = True
    met(made, sources)
    return made


def describe_value(value: Any) -> str:
    """A value's type in a user's words."""
    if isinstance(value, (Traced, Arrayed)):
        return describe(value.type)
    found = scalar_type(value)
    return describe(found[0]) if found else ("None" if value is None else ("list" if isinstance(value, list) else type(value).__name__))


def differs(values: Sequence[Any]) -> str:
    kinds = list(dict.fromkeys(describe_value(v) for v in values))
    if kinds == ["function"]:
        return "it is one of several functions, of which a call that is over has made one, with values of its own: choose the values, and make the function of those"
    if len(kinds) == 1:
        return f"it is {kinds[0]} of one structure on one path and of another structure on another"
    return f"it is {' on one path and '.join(kinds)} on another"


def bare(held: Any) -> Any:
    """What a container holds, as a message shows it."""
    return list(held) if isinstance(held, tuple) else held


def show(value: Any) -> str:
    """A value for a message: its type, and what it is where that is known."""
    if isinstance(value, (Traced, Arrayed)) or value is None:
        return repr(value)
    return f"{describe_value(value)} {value!r:.60}"


def one_is_complex(values: Sequence[Any]) -> bool:
    """Are these numbers, or arrays, of which some are complex and others real?"""
    if all(isinstance(v, Arrayed) or (isinstance(v, np.ndarray) and v.ndim) for v in values):
        kinds = {is_complex_array(v) or getattr(v, "dtype", None) in (np.complex128, np.complex64) for v in values}
    elif all(not isinstance(v, Arrayed) and scalar_type(v) is not None for v in values):
        kinds = set(map(is_complex_number, values))
    else:
        return False
    return len(kinds) == 2


def as_complex(x: Any) -> Any:
    """A number or an array as a complex one, which is new."""
    return arithmetic("add", x if isinstance(x, (Traced, Arrayed)) else lift_array(x) if isinstance(x, np.ndarray) else constant(x), 0j)


def is_view(value: Any) -> bool:
    return isinstance(value, Arrayed) and pytree.is_node(type(value))


def either(cond: Traced, then: Callable[[], Any], orelse: Callable[[], Any], what: str = "the value of a conditional expression") -> Any:
    """One of two arrays of one type. The paths make them, and change nothing else."""
    ends: list[tuple[Block, Any]] = []
    for block, arm in zip(branch(cond, "then", "else"), (then, orelse), strict=True):
        current_builder().enter(block)
        value = run_expression(arm)
        ends.append((open_block(), value))
    builder, values = current_builder(), [v for _, v in ends]
    target = builder.new_block("join")
    args: list[tuple[Atom, ...]]
    if values[0] is values[1]:
        made, args = values[0], [(), ()]
    else:
        t = Array(values[0].type.dtype, common_dims(values))
        args = [(coerce(v, t, block),) for block, v in ends]
        made = parameter(target, t, False, values, builder, what)
    for (block, _), a in zip(ends, args, strict=True):
        builder.jump(target, a, block)
    builder.enter(target)
    return made


def endless_chain() -> errors.TypeMismatchError:
    return errors.TypeMismatchError(
        f"the objects in a loop at {user_site()} refer to one another in a chain that is longer after each iteration: its length must be "
        "known while the function is traced. Keep its parts in a list, or in arrays, and refer to them by their numbers"
    )
