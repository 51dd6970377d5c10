"""What a control-flow construct carries: the variables it may assign, saved, restored and joined.

Where paths meet, a variable that differs becomes a block parameter of the paths' common type. A variable that
some path leaves unassigned, or in another type, is poisoned: using it raises an error that says so.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from . import errors, pytree
from .builder import Builder, current_builder, user_site
from .graph import Atom, Block
from .types import BOOL, F32, F64, I64, Scalar, Type, describe, is_float, same_type
from .values import Arrayed, Traced, atom_of, lift_array, scalar_type, to_type


class Undefined:
    """The value of a variable that is not assigned on every path that leads here."""

    def __init__(
        self,
        name: str,
        why: str = "it is used before it is assigned",
        error: type[errors.LanternError] = errors.UndefinedVariableError,
    ) -> None:
        object.__setattr__(self, "_why", (name, why, error))

    def _raise(self, *args: Any, **kwargs: Any) -> NoReturn:
        name, why, error = object.__getattribute__(self, "_why")
        raise error(f"variable `{name}` at {user_site()}: {why}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        self._raise()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = __rpow__ = _raise
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __abs__ = __bool__ = _raise
    __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __setitem__ = __call__ = __array__ = __array_ufunc__ = _raise


@dataclass
class Saved:
    """The variables of a scope at one point: per variable its object, leaves and structure."""

    values: tuple[Any, ...]
    leaves: list[list[Any]]
    trees: list[Any]


def contents(value: Any) -> Any:
    """What may change inside of an object that a variable refers to: a container's items, an object's attributes."""
    if isinstance(value, (list, dict)) or dataclasses.is_dataclass(value):
        return value
    if _has_attributes(value):
        return dict(vars(value))
    return None


def put_back(value: Any, inside: Any) -> Any:
    if _has_attributes(value) and not dataclasses.is_dataclass(value):
        vars(value).clear()
        vars(value).update(inside)
        return value
    return pytree.refill(value, inside) if isinstance(value, (list, dict)) or dataclasses.is_dataclass(value) else value


def _has_attributes(value: Any) -> bool:
    plain = (type, types.FunctionType, types.ModuleType, types.MethodType, Undefined, BaseException)
    return hasattr(value, "__dict__") and not isinstance(value, plain) and not hasattr(type(value), "__lantern_transform__")


class Scope:
    """Access to the variables `names` of the function that is being traced."""

    def __init__(
        self, names: Sequence[str], get: Callable[[], tuple[Any, ...]], put: Callable[[Any], None], assigned: Sequence[str] | None = None
    ) -> None:
        self.names, self.get, self.put = tuple(names), get, put
        self.assigned = self.names if assigned is None else tuple(assigned)
        self.cells = frozenset(id(c) for c in getattr(put, "__closure__", None) or ())

    def save(self) -> Saved:
        values = self.get()
        flat = [pytree.flatten(v if name in self.assigned else contents(v)) for name, v in zip(self.names, values, strict=True)]
        return Saved(values, [leaves for leaves, _ in flat], [tree for _, tree in flat])

    def restore(self, saved: Saved) -> None:
        fresh = [pytree.unflatten(t, ls) for t, ls in zip(saved.trees, saved.leaves, strict=True)]
        # a variable that is assigned gets an object of its own; one whose object is changed in place keeps it
        pairs = zip(self.names, saved.values, fresh, strict=True)
        self.put(tuple(new if name in self.assigned else put_back(old, new) for name, old, new in pairs))


NO_SCOPE = Scope((), lambda: (), lambda _: None)


def common_type(kinds: Sequence[tuple[Scalar, bool]]) -> tuple[Scalar, bool] | None:
    """The one type that scalars of (type, weak) can share without loss, or None. Weak numbers adapt."""
    types = {t for t, _ in kinds}
    weak = all(w for _, w in kinds)
    if len(types) == 1:
        return types.pop(), weak
    if BOOL in types:
        return None
    strong = {t for t, w in kinds if not w}
    if len(strong) > 1:
        return None
    target = strong.pop() if strong else F64
    if target == I64 and any(is_float(t) for t in types):
        return None
    return (target, weak) if target in (F64, F32) else None


def leaf_type(value: Any) -> Type | None:
    """The type of a leaf that can be a block parameter."""
    if isinstance(value, Arrayed):
        return value.type
    found = scalar_type(value)
    return found[0] if found else None


def same_leaf(a: Any, b: Any) -> bool:
    """Are two leaves one value, so that no parameter is needed?"""
    if a is b:
        return True
    if isinstance(a, (Traced, Arrayed)) and type(a) is type(b):
        return a.atom is b.atom or (isinstance(a, Traced) and not hasattr(a.atom, "name") and a.atom == b.atom)
    plain = (bool, int, float, str, np.generic)
    return isinstance(a, plain) and type(a) is type(b) and (a == b or (a != a and b != b)) and str(a) == str(b)


def merge_types(values: Sequence[Any]) -> tuple[Type, bool] | None:
    """The common type of leaves that meet, or None."""
    if all(isinstance(v, Arrayed) or (isinstance(v, np.ndarray) and v.ndim) for v in values):
        lifted = [v if isinstance(v, Arrayed) else lift_array(v) for v in values]
        return (lifted[0].type, False) if all(same_type(v.type, lifted[0].type) for v in lifted) else None
    kinds = [scalar_type(v) for v in values]
    if any(k is None for k in kinds):
        return None
    return common_type(kinds)  # type: ignore[arg-type]


def coerce(value: Any, t: Type, block: Block) -> Atom:
    """`value` as an atom of type `t`, computed at the end of `block`."""
    builder = current_builder()
    before, builder.current = builder.current, block
    try:
        if isinstance(value, np.ndarray):
            value = lift_array(value) if value.ndim else value[()]
        if isinstance(t, Scalar):
            value = to_type(value, t)
        return atom_of(value, t, builder)
    finally:
        builder.current = before


def parameter(block: Block, t: Type, weak: bool, sources: Sequence[Any], builder: Builder, name: str = "p") -> Any:
    """A new parameter of `block`, as a traced value."""
    clean = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    var = builder.fresh(t, f"{clean}." if clean and clean[-1].isdigit() else clean or "p")
    block.params.append(var)
    if isinstance(t, Scalar):
        return Traced(var, builder, weak)
    made = Arrayed(var, builder, all(isinstance(s, Arrayed) and s.owned for s in sources))
    made.joined = True
    return made


def join_leaves(name: str, values: list[Any], blocks: list[Block], target: Block, args: list[list[Atom]]) -> Any:
    """One leaf where paths meet: `values[i]` arrives from `blocks[i]`; args[i] collects what it passes."""
    if all(same_leaf(v, values[0]) for v in values):
        return values[0]
    if any(isinstance(v, Undefined) for v in values):
        return Undefined(name, "it is not assigned on every path that leads here; assign it before the branch or loop")
    merged = merge_types(values)
    if merged is None:
        return Undefined(
            name,
            f"it is {' on one path and '.join(dict.fromkeys(describe_value(v) for v in values))} on another",
            errors.TypeMismatchError,
        )
    t, weak = merged
    for arg, value, block in zip(args, values, blocks, strict=True):
        arg.append(coerce(value, t, block))
    made = parameter(target, t, weak, values, current_builder(), name)
    if len({getattr(v, "given", None) for v in values}) == 1:
        made.given = getattr(values[0], "given", None)
    if isinstance(made, Arrayed):
        made.sizes = common_sizes(values)
    return made


def common_sizes(values: Sequence[Any]) -> list[Any] | None:
    """The sizes of arrays that meet, where they are the same values."""
    shapes = [v.sizes if isinstance(v, Arrayed) else list(v.shape) for v in values]
    if any(s is None for s in shapes):
        return None
    return shapes[0] if all(_same_size(n, s[i]) for s in shapes for i, n in enumerate(shapes[0])) else None  # type: ignore[arg-type, index]


def _same_size(n: Any, m: Any) -> bool:
    return (n.atom is m.atom) if isinstance(n, Traced) and isinstance(m, Traced) else type(n) is type(m) and bool(n == m)


def describe_value(value: Any) -> str:
    """A value's type in a user's words."""
    if isinstance(value, (Traced, Arrayed)):
        return describe(value.type)
    found = scalar_type(value)
    return describe(found[0]) if found else ("None" if value is None else type(value).__name__)


def show(value: Any) -> str:
    """A value for a message: its type, and what it is where that is known."""
    if isinstance(value, (Traced, Arrayed)) or value is None:
        return repr(value)
    return f"{describe_value(value)} {value!r:.60}"


def join(ends: list[tuple[Block, Saved]], scope: Scope, name: str = "join") -> None:
    """Continue where several open blocks meet, each with its own state of `scope`."""
    builder = current_builder()
    if len(ends) == 1:
        builder.enter(ends[0][0])
        scope.restore(ends[0][1])
        return
    target = builder.new_block(name)
    args: list[list[Atom]] = [[] for _ in ends]
    blocks = [block for block, _ in ends]
    states = [state for _, state in ends]
    leaves, trees, values = [], [], []
    for i, variable in enumerate(scope.names):
        objects = [s.values[i] for s in states]
        tree = states[0].trees[i]
        if all(s.trees[i] == tree for s in states):
            columns = zip(*(s.leaves[i] for s in states), strict=True)
            leaves.append([join_leaves(variable, list(column), blocks, target, args) for column in columns])
        else:
            unset = any(isinstance(o, Undefined) for o in objects)
            if variable not in scope.assigned:
                raise errors.TypeMismatchError(
                    f"`{variable}` at {user_site()} is changed to {' on one path and '.join(repr(list(s.leaves[i])) for s in states)} on another: a container "
                    "must keep its structure under a traced condition"
                )
            why = (
                "it is not assigned on every path that leads here; assign it before the branch or loop"
                if unset
                else f"it is {' on one path and '.join(dict.fromkeys(describe_value(o) for o in objects))} on another, of different structure"
            )
            poison = Undefined(variable, why, errors.UndefinedVariableError if unset else errors.TypeMismatchError)
            flat, tree = pytree.flatten(poison)
            leaves.append(flat)
            objects = [poison]
        trees.append(tree)
        values.append(objects[0] if all(o is objects[0] for o in objects) else None)
    for block, arg in zip(blocks, args, strict=True):
        builder.jump(target, tuple(arg), block)
    builder.enter(target)
    scope.restore(Saved(tuple(values), leaves, trees))


def _settled_in_blocks(ends: list[tuple[Block, Any]]) -> list[tuple[list[Any], Any]]:
    """Values with their views as arrays of their own, each made where it comes from."""
    from .arrays import settled

    builder = current_builder()
    before, out = builder.current, []
    for block, value in ends:
        builder.current = block
        out.append(pytree.flatten(settled(value)))
    builder.current = before
    return out


def join_values(ends: list[tuple[Block, Any]], what: str) -> Any:
    """Values (of any structure) where several open blocks meet; disagreement is an error that prints both."""
    builder = current_builder()
    if len(ends) == 1:
        builder.enter(ends[0][0])
        return ends[0][1]
    flat = [pytree.flatten(value) for _, value in ends]
    if any(tree != flat[0][1] for _, tree in flat):
        flat = _settled_in_blocks(ends)
    if any(tree != flat[0][1] for _, tree in flat):
        other = next(value for (_, value), (_, tree) in zip(ends, flat, strict=True) if tree != flat[0][1])
        raise errors.TypeMismatchError(f"{what} at {user_site()} is {show(ends[0][1])} on one path and "
                                       f"{show(other)} on another: return values of one type and structure on all paths")  # fmt: skip
    target = builder.new_block("join")
    args: list[list[Atom]] = [[] for _ in ends]
    blocks = [block for block, _ in ends]
    leaves = []
    for column in zip(*(ls for ls, _ in flat), strict=True):
        leaf = join_leaves("result", list(column), blocks, target, args)
        if isinstance(leaf, Undefined):
            kinds = list(dict.fromkeys(describe_value(v) for v in column))
            raise errors.TypeMismatchError(
                f"{what} at {user_site()} is {kinds[0]} on one path and {kinds[-1]} on another: both must have one type"
            )
        leaves.append(leaf)
    for block, arg in zip(blocks, args, strict=True):
        builder.jump(target, tuple(arg), block)
    builder.enter(target)
    return pytree.unflatten(flat[0][1], leaves)
