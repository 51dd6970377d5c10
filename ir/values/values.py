"""Traced values: what the user's code computes with while it is traced.

A `Traced` scalar overloads Python's operators, an `Arrayed` array overloads indexing, and both answer NumPy's
dispatch protocols, so that `x * 2`, `np.sin(x)` and `math.sin(x)` (through python_math.py) all add to the graph.

Promotion follows NumPy 2: a bare Python number is weak and takes the other operand's type.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..core import dims, errors
from ..core.builder import Builder, GraphValue, Operand, Trace, current_builder, keep, lifted
from ..core.dims import UNKNOWN, Dim
from ..core.graph import Atom, Const, Var
from ..core.op import literal
from ..core.port import Port
from ..core.sites import user_site
from ..core.types import (
    BOOL,
    C128,
    F64,
    I64,
    NUMPY_DTYPES,
    Array,
    Scalar,
    Type,
    describe,
    element,
    is_complex,
    is_float,
    widened,
    with_article,
)
from ..ops import table
from . import concrete

call = Port("calls a function of the user's")
getitem = Port("reads an array at an index")
setitem = Port("writes an array at an index")
filled = Port("makes an array of one value")
complexed = Port("makes a complex number of a number, in a type")


@dataclass(frozen=True)
class Given:
    """The class and the dtype of an argument where they are not those that its values have in the program."""

    kind: type
    dtype: np.dtype[Any]


class Traced(Operand):
    """A scalar that the compiled program will compute: Python's where it is `weak`, NumPy's otherwise. Its operators are in
    operators.py."""

    __slots__ = ("given",)
    __array_priority__ = 1000.0

    def __init__(self, atom: Atom, builder: Builder | None, weak: bool = False, given: Given | None = None) -> None:
        self.atom, self.builder, self.weak, self.given = atom, builder, weak, given

    @property
    def dtype(self) -> Any:
        return NUMPY_DTYPES[self.type] if self.given is None else self.given.dtype

    ndim, shape = 0, ()

    def __repr__(self) -> str:
        return with_article(describe(self.type))

    def __format__(self, spec: str) -> str:
        return repr(self)  # a message that is made while tracing

    # ---- what needs a concrete value
    def __bool__(self) -> bool:
        return bool(self._concrete("a Python `if`, `while`, `and`, `or` or `not`", "bool"))

    def __int__(self) -> int:
        return int(self._concrete("int()", "int"))

    def __index__(self) -> int:
        return operator.index(self._concrete("an index or a size of a Python object", "int"))

    def __float__(self) -> float:
        return float(self._concrete("a function that needs a Python float", "float"))

    def __complex__(self) -> complex:
        return complex(self._concrete("complex()", "complex"))

    def __iter__(self) -> NoReturn:
        raise TypeError(f"{self!r} is not iterable")

    def __hash__(self) -> int:
        return hash(self.as_key())

    def as_key(self) -> Any:
        """As a dict's key or in a set: by its value, so that it is found by no other."""
        found = concrete.number(self)
        if found is not None:
            return found
        raise errors.TracedConditionError(
            f"the key of a dict, or what is in a set, depends on the values of arguments at {user_site()}: only what a plain dict or set holds that the function has made "
            "itself need not be known before the program runs. Count in an array (`count[i] += 1`, np.bincount), find what differs with np.unique, compare with `==` or np.isin, "
            "or make the argument static: jit(f, static_argnums=...)"
        )

    def _concrete(self, what: str, kind: str) -> Any:
        """The number that this is in the call at hand, where sizes and int arguments alone decide it."""
        found = concrete.number(self)
        if found is not None:
            return found
        concrete.unroll(self)
        raise errors.TracedConditionError(
            f"{what} needs a concrete {kind} at {user_site()}, but the value depends on an argument of the compiled function. Where "
            "the source of a function is available, `if`, `while` and `for` are staged; here it is not (or the value goes to a library). "
            "Use lantern_jit.cond, while_loop or fori_loop, or make the argument static: jit(f, static_argnums=...)"
        )

    # ---- NumPy's protocols
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self._concrete("a NumPy array of concrete values", "float"), dtype)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    @property
    def real(self) -> Any:
        return self

    def conjugate(self) -> Any:
        return self

    def item(self) -> Any:
        """As the Python number that it is."""
        t = F64 if is_float(self.type) else self.type
        return to_type(self, t).weakly(True)

    def weakly(self, weak: bool) -> Any:
        """The same number, as Python's or as NumPy's."""
        return Traced(self.atom, self.builder, weak)

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if all(p is None or p is Ellipsis for p in parts):
            new = [p for p in parts if p is None]
            return filled(self, (1,) * len(new)) if new else self
        raise TypeError(f"{self!r} is not subscriptable: it has no axes ({user_site()})")

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        write_to_scalar()

    if TYPE_CHECKING:  # NumPy's attributes and methods: ir/numpy/dispatch.py

        def __getattr__(self, name: str) -> Any: ...


class Arrayed(GraphValue):
    """An array in the compiled program's memory. `sizes` are its sizes where they are known by name. `memory` is the
    variable that its memory was made with; `fresh` arrays were made in this trace, `joined` ones may be another one."""

    __slots__ = ("atom", "builder", "fresh", "given", "joined", "memory", "owned", "serial", "sizes")
    __array_priority__ = 1000.0

    def __init__(self, atom: Var, builder: Builder, owned: bool = True) -> None:
        self.atom, self.builder, self.owned = atom, builder, owned
        self.sizes: list[Any] | None = None
        self.given: Given | None = None
        self.fresh, self.joined, self.memory, self.serial = False, False, atom, next(_SERIAL)

    @property
    def type(self) -> Array:
        return self.atom.type  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return NUMPY_DTYPES[self.type.dtype] if self.given is None else self.given.dtype

    @property
    def ndim(self) -> int:
        return self.type.rank

    @property
    def shape(self) -> tuple[Any, ...]:
        if self.sizes is not None:
            return tuple(self.sizes)
        return tuple(dimension(self, axis) for axis in range(self.ndim))

    def __repr__(self) -> str:
        return with_article(describe(self.type))

    def _no_number(self) -> NoReturn:
        raise TypeError(
            f"only 0-dimensional arrays can be converted to Python scalars: {user_site()} takes {self!r} for a number; index it, as in x[0], or use x.item()"
        )

    __float__ = __int__ = __complex__ = __index__ = _no_number

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __getitem__(self, index: Any) -> Any:
        return load(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        store(self, index, value)

    def __len__(self) -> int:
        n = dimension(self, 0)
        found = concrete.number(n) if isinstance(n, Traced) else n
        if found is not None:
            return int(found)
        raise errors.TracedConditionError(f"len() of a traced array at {user_site()} is a traced int; where the function's source is not "
                                          "available write x.shape[0]")  # fmt: skip

    def __iter__(self) -> Any:
        n = self.shape[0]
        n = concrete.number(n, concrete.MOST_UNROLLED) if isinstance(n, Traced) else n
        if n is not None:
            return (self[i] for i in range(int(n)))  # each when it is asked for: it may have been written by then
        raise errors.TracedConditionError(f"a Python loop over a traced array at {user_site()} cannot be staged here (in a comprehension, or "
                                          "where the source is not available): write `for i in range(len(x))`")  # fmt: skip

    def __bool__(self) -> NoReturn:
        raise errors.TracedConditionError(f"the truth value of an array is ambiguous at {user_site()}: use a.any() or a.all()")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        what = f"an array that is computed at run time has no values yet to make a NumPy array of at {user_site()}"
        raise errors.TracedConditionError(
            f"{what}: use np.asarray in code whose source is available, or make it outside of the compiled function"
        )

    if TYPE_CHECKING:  # NumPy's attributes and methods: ir/numpy/dispatch.py

        def __getattr__(self, name: str) -> Any: ...


_SERIAL = itertools.count()


@lifted.define
def _lifted(builder: Builder, atom: Atom) -> Traced | Arrayed:
    """An atom as a value that code on traced values takes."""
    if isinstance(atom, Var):
        return Arrayed(atom, builder) if isinstance(atom.type, Array) else Traced(atom, builder)
    return Traced(atom, None)


def write_to_scalar() -> NoReturn:
    raise errors.UnsupportedOperationError(
        f"{user_site()} writes into an array without axes, which is a scalar inside of a compiled function: give the variable a new value instead"
    )


# ---- types of operands
def is_traced(value: Any) -> bool:
    return isinstance(value, (Traced, Arrayed))


def is_sequence(x: Any) -> bool:
    """Is it what NumPy takes for an array of its items: a list, a tuple, a range, in rewritten code too?"""
    return isinstance(x, (list, tuple, range)) or hasattr(type(x), "__lantern_array__")


def scalar_type(value: Any) -> tuple[Scalar, bool] | None:
    """(type, weak) of a scalar operand, or None when `value` is not one."""
    if isinstance(value, Traced):
        return value.type, value.weak
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.generic):
        found = widened(value.dtype)
        return (element(found), False) if found else None
    for python, t in ((bool, BOOL), (int, I64), (float, F64), (complex, C128)):
        if isinstance(value, python):
            return t, True
    return None


def to_type(value: Any, t: Scalar) -> Any:
    """`value` converted to `t`; a Python number becomes a literal of that type later."""
    if isinstance(value, Traced) and value.type == t:
        return value
    if is_complex(t) or isinstance(value, complex) or (isinstance(value, Traced) and is_complex(value.type)):
        return complexed(value, t)
    return table.convert(value, to=t) if isinstance(value, Traced) else literal(value, t)


def constant(value: Any) -> Traced:
    """A Python or NumPy number as a traced value."""
    found = scalar_type(value)
    assert found is not None
    if is_complex(found[0]):
        return complexed(value, found[0])  # type: ignore[no-any-return]
    return Traced(Const(literal(value, found[0]), found[0]), None, found[1])


# ---- arrays


def _here(array: Arrayed) -> Var:
    return current_builder().use(array.atom, array.builder)  # type: ignore[return-value]


# what is known of ints in a trace: the dimension of each variable, and of sizes, by (array, axis), that a type leaves open
keep("dims", lambda trace: {})
DEEPEST = 50  # how far an int is followed to the sizes that it is computed from


def dim_of(n: Any) -> Dim:
    """The dimension of a size, or of another int."""
    if not isinstance(n, Traced):
        return int(n)
    return _dim_of(n.atom, current_builder().trace, 0)


def _dim_of(a: Atom, trace: Trace, depth: int) -> Dim:
    if isinstance(a, Const):
        return int(a.value)
    found: Dim | None = trace.dims.get(a)
    if found is None:
        if a in trace.sums and depth < DEEPEST:
            rule, args = trace.sums[a]
            found = rule(*(_dim_of(x, trace, depth + 1) for x in args))
        if found is None or not dims.is_short(found):
            found = trace.symbols.int()
        trace.dims[a] = found
    return found


def new_dim() -> Dim:
    """Of a size that nothing is known of."""
    return current_builder().trace.symbols.size()


def resized(t: Type, known: Mapping[int, Dim] | None = None) -> Type:
    """A type of values that another call of a function may have: nothing is known of its sizes, but along these axes."""
    if not isinstance(t, Array):
        return t
    return Array(t.dtype, tuple(known[axis] if known and axis in known else new_dim() for axis in range(t.rank)))


def named(n: Traced, d: Dim) -> Traced:
    """`n`, which is known to be of this dimension from now on."""
    if isinstance(n.atom, Var):
        current_builder().trace.dims[n.atom] = d
    return n


def dims_of(array: Any) -> tuple[Dim, ...]:
    """The dimensions of an array, whose type may leave them open."""
    if isinstance(array, np.ndarray):
        return array.shape  # type: ignore[no-any-return]
    trace = current_builder().trace
    out = []
    for axis, d in enumerate(array.type.dims):
        if d == UNKNOWN:
            at = array.atom, axis
            d = trace.dims[at] = trace.dims.get(at) or trace.symbols.size()
        out.append(d)
    return tuple(out)


def dimension(array: Arrayed, axis: int) -> Any:
    """A size: an int where it is known."""
    if array.sizes is not None:
        return array.sizes[axis]
    d = dims_of(array)[axis]
    if isinstance(d, int):
        return d
    builder = current_builder()
    (out,) = builder.emit("dim", (_here(array),), (I64,), {"axis": axis})
    return named(Traced(out, builder, True), d)


def load(array: Arrayed, index: Any, checked: bool = True) -> Any:
    """array[index]. `checked=False` is for indices that a loop over the array itself makes."""
    return getitem(array, index, checked)


def store(array: Arrayed, index: Any, value: Any) -> None:
    """array[index] = value, converted to the array's dtype as NumPy does."""
    setitem(array, index, value)
