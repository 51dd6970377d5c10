"""Traced values: what the user's code computes with while it is traced.

A `Traced` scalar overloads Python's operators, an `Arrayed` array overloads indexing, and both answer NumPy's
dispatch protocols, so that `x * 2`, `np.sin(x)` and `math.sin(x)` (through staging.py) all add to the graph.

Promotion follows NumPy 2: a bare Python number is weak and takes the other operand's type.
"""

from __future__ import annotations

import itertools
import operator
import types
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..core import errors
from ..core.graph import Atom, Const, Var
from ..core.op import TABLE, Op, argument_types, literal, result_type
from ..core.types import (
    BOOL,
    F32,
    F64,
    I32,
    I64,
    NUMPY_DTYPES,
    Array,
    Scalar,
    Type,
    array_of,
    describe,
    element,
    is_float,
    widened,
    with_article,
)
from ..ops import table
from . import concrete
from .builder import Builder, current_builder, user_site


class GraphAlgebra:
    """Operations on traced values append to the function under construction."""

    @staticmethod
    def bind(op: Op, args: tuple[Any, ...], attrs: dict[str, Any]) -> Traced:
        builder = current_builder()
        given = [a.type if isinstance(a, Traced) else None for a in args]
        types = argument_types(op, given)  # type: ignore[arg-type]
        atoms = tuple(atom_of(a, t, builder) for a, t in zip(args, types, strict=True))
        out_type = result_type(op, types, attrs)  # type: ignore[arg-type]
        site = user_site() if op.may_fail else None
        (out,) = builder.emit(op.name, atoms, (out_type,), attrs, site)
        return Traced(out, builder, all(a.weak for a in args if isinstance(a, Traced)))


def atom_of(value: Any, t: Type, builder: Builder) -> Atom:
    """`value` (traced of type `t`, or a Python number) as an atom of `builder`'s function."""
    if isinstance(value, (Traced, Arrayed)):
        return builder.use(value.atom, value.builder)
    return Const(literal(value, t), t)


@dataclass(frozen=True)
class Given:
    """The class and the dtype of an argument where they are not those that its values have in the program."""

    kind: type
    dtype: np.dtype[Any]


class Traced:
    """A scalar that the compiled program will compute: Python's where it is `weak`, NumPy's otherwise."""

    __slots__ = ("atom", "builder", "given", "weak")
    algebra = GraphAlgebra
    __array_priority__ = 1000.0

    def __init__(self, atom: Atom, builder: Builder | None, weak: bool = False, given: Given | None = None) -> None:
        self.atom, self.builder, self.weak, self.given = atom, builder, weak, given

    @property
    def type(self) -> Scalar:
        return self.atom.type  # type: ignore[return-value]

    @property
    def dtype(self) -> Any:
        return NUMPY_DTYPES[self.type] if self.given is None else self.given.dtype

    ndim, shape = 0, ()

    def __repr__(self) -> str:
        return with_article(describe(self.type))

    def __format__(self, spec: str) -> str:
        return repr(self)  # a message that is made while tracing

    # ---- arithmetic
    def __add__(self, y: Any) -> Any:
        return arithmetic("add", self, y)

    def __radd__(self, y: Any) -> Any:
        return arithmetic("add", y, self)

    def __sub__(self, y: Any) -> Any:
        return arithmetic("sub", self, y)

    def __rsub__(self, y: Any) -> Any:
        return arithmetic("sub", y, self)

    def __mul__(self, y: Any) -> Any:
        return arithmetic("mul", self, y)

    def __rmul__(self, y: Any) -> Any:
        return arithmetic("mul", y, self)

    def __truediv__(self, y: Any) -> Any:
        return arithmetic("div", self, y)

    def __rtruediv__(self, y: Any) -> Any:
        return arithmetic("div", y, self)

    def __floordiv__(self, y: Any) -> Any:
        return arithmetic("floordiv", self, y)

    def __rfloordiv__(self, y: Any) -> Any:
        return arithmetic("floordiv", y, self)

    def __mod__(self, y: Any) -> Any:
        return arithmetic("mod", self, y)

    def __rmod__(self, y: Any) -> Any:
        return arithmetic("mod", y, self)

    def __pow__(self, y: Any) -> Any:
        return power(self, y)

    def __rpow__(self, y: Any) -> Any:
        return power(y, self)

    def __divmod__(self, y: Any) -> Any:
        return self // y, self % y

    def __rdivmod__(self, y: Any) -> Any:
        return y // self, y % self

    def __lt__(self, y: Any) -> Any:
        return compare("lt", self, y)

    def __le__(self, y: Any) -> Any:
        return compare("le", self, y)

    def __gt__(self, y: Any) -> Any:
        return compare("gt", self, y)

    def __ge__(self, y: Any) -> Any:
        return compare("ge", self, y)

    def __eq__(self, y: Any) -> Any:
        return compare("eq", self, y)

    def __ne__(self, y: Any) -> Any:
        return compare("ne", self, y)

    def __and__(self, y: Any) -> Any:
        return bitwise("and", self, y)

    def __rand__(self, y: Any) -> Any:
        return bitwise("and", y, self)

    def __or__(self, y: Any) -> Any:
        return bitwise("or", self, y)

    def __ror__(self, y: Any) -> Any:
        return bitwise("or", y, self)

    def __xor__(self, y: Any) -> Any:
        return bitwise("xor", self, y)

    def __rxor__(self, y: Any) -> Any:
        return bitwise("xor", y, self)

    def __lshift__(self, y: Any) -> Any:
        return table.ishl(*integers("<<", self, y))

    def __rlshift__(self, y: Any) -> Any:
        return table.ishl(*integers("<<", y, self))

    def __rshift__(self, y: Any) -> Any:
        return table.ishr(*integers(">>", self, y))

    def __rrshift__(self, y: Any) -> Any:
        return table.ishr(*integers(">>", y, self))

    def __invert__(self) -> Any:
        return logical_not(self) if self.type == BOOL else table.ixor(self, -1)

    def __pos__(self) -> Any:
        refuse_bools(self, "positive, the `+` operator,")
        return self if self.type != BOOL else to_type(self, I64)

    def __neg__(self) -> Any:
        refuse_bools(self, "negative, the `-` operator,")
        return table.neg(self) if is_float(self.type) else table.isub(0, to_type(self, I64))

    def __abs__(self) -> Any:
        return absolute(self)

    def __round__(self, ndigits: Any = None) -> Any:
        return round_half_even(self, ndigits)

    def __trunc__(self) -> Any:
        return to_integer(self)

    def __floor__(self) -> Any:
        return to_integer(table.floor(self) if is_float(self.type) else self)

    def __ceil__(self) -> Any:
        return to_integer(table.ceil(self) if is_float(self.type) else self)

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
        return id(self)

    def _concrete(self, what: str, kind: str) -> Any:
        """The number that this is in the call at hand, where sizes and int arguments alone decide it."""
        found = concrete.number(self)
        if found is not None:
            return found
        raise errors.TracedConditionError(
            f"{what} needs a concrete {kind} at {user_site()}, but the value depends on an argument of the compiled function. Where "
            "the source of a function is available, `if`, `while` and `for` are staged; here it is not (or the value goes to a library). "
            "Use lantern_jit.cond, while_loop or fori_loop, or make the argument static: jit(f, static_argnums=...)"
        )

    # ---- NumPy's protocols
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self._concrete("a NumPy array of concrete values", "float"), dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from ..numpy.dispatch import call_ufunc

        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from ..numpy.dispatch import call_function

        return call_function(func, args, kwargs)

    @property
    def real(self) -> Any:
        return self

    def conjugate(self) -> Any:
        return self

    def item(self) -> Any:
        """As the Python number that it is."""
        t = F64 if is_float(self.type) else self.type
        return Traced(to_type(self, t).atom, self.builder, True)

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if all(p is None or p is Ellipsis for p in parts):
            from .arrays import filled

            new = [p for p in parts if p is None]
            return filled(self, (1,) * len(new)) if new else self
        raise TypeError(f"{self!r} is not subscriptable: it has no axes ({user_site()})")

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        write_to_scalar()

    def __getattr__(self, name: str) -> Any:
        from ..numpy.dispatch import scalar_attribute

        return scalar_attribute(self, name)


class Arrayed:
    """An array in the compiled program's memory. `sizes` are its sizes where they are known by name. `memory` is the
    variable that its memory was made with; `fresh` arrays were made in this trace, `joined` ones may be another one."""

    __slots__ = ("blank", "builder", "fresh", "given", "joined", "memory", "owned", "serial", "sizes", "variable")
    __array_priority__ = 1000.0

    def __init__(self, atom: Var, builder: Builder, owned: bool = True) -> None:
        self.variable, self.builder, self.owned = atom, builder, owned
        self.blank: Any = None  # what has been written of a new array that nobody has read (arrays.Blank)
        self.sizes: list[Any] | None = None
        self.given: Given | None = None
        self.fresh, self.joined, self.memory, self.serial = False, False, atom, next(_SERIAL)

    @property
    def atom(self) -> Var:
        """The variable, for a use of its elements."""
        if self.blank is not None:
            self.blank.close(self)
        return self.variable

    @property
    def type(self) -> Array:
        return self.variable.type  # type: ignore[return-value]

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

    @property
    def size(self) -> Any:
        from .sizes import product

        return product(self.shape)

    def __repr__(self) -> str:
        return with_article(describe(self.type))

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
            return iter([self[i] for i in range(int(n))])
        raise errors.TracedConditionError(f"a Python loop over a traced array at {user_site()} cannot be staged here (in a comprehension, or "
                                          "where the source is not available): write `for i in range(len(x))`")  # fmt: skip

    def __bool__(self) -> NoReturn:
        raise errors.TracedConditionError(f"the truth value of an array is ambiguous at {user_site()}: use a.any() or a.all()")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise errors.TracedConditionError(
            f"an array that is computed at run time has no values yet to make a NumPy array of at {user_site()}: use np.asarray in code whose source is available, or make it outside of the compiled function"
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from ..numpy.dispatch import call_ufunc

        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from ..numpy.dispatch import call_function

        return call_function(func, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        from ..numpy.dispatch import array_attribute

        return array_attribute(self, name)


_SERIAL = itertools.count()


def write_to_scalar() -> NoReturn:
    raise errors.UnsupportedOperationError(
        f"{user_site()} writes into an array without axes, which is a scalar inside of a compiled function: give the variable a new value instead"
    )


def whole_array(name: str) -> NoReturn:
    raise errors.UnsupportedOperationError(f"{name} on a whole array at {user_site()} is not supported")


def _operator(name: str) -> Any:
    def method(self: Arrayed, *args: Any) -> Any:
        from ..numpy.dispatch import OPERATORS

        return OPERATORS[name](self, *args)

    return method


_BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift", "divmod")
for _name in (*_BINARY, "lt", "le", "gt", "ge", "eq", "ne", "neg", "pos", "abs", "invert"):
    setattr(Arrayed, f"__{_name}__", _operator(_name))
for _name in _BINARY:
    setattr(Arrayed, f"__r{_name}__", _operator("r" + _name))
    if _name != "divmod":
        setattr(Arrayed, f"__i{_name}__", _operator("i" + _name))
Arrayed.__hash__ = object.__hash__  # type: ignore[method-assign]


# ---- types of operands
def is_traced(value: Any) -> bool:
    return isinstance(value, (Traced, Arrayed))


def scalar_type(value: Any) -> tuple[Scalar, bool] | None:
    """(type, weak) of a scalar operand, or None when `value` is not one."""
    if isinstance(value, Traced):
        return value.type, value.weak
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.generic):
        found = widened(value.dtype)
        return (element(found), False) if found else None
    for python, t in ((bool, BOOL), (int, I64), (float, F64)):
        if isinstance(value, python):
            return t, True
    return None


def promote(what: str, *values: Any) -> tuple[Scalar, bool]:
    """NumPy 2's common type of scalar operands, bools counted as ints."""
    known = [operand(what, v) for v in values]
    weak = all(w for _, w in known)
    floats = [(t, w) for t, w in known if is_float(t)]
    if not floats:
        return I64, weak
    strong = [t for t, w in floats if not w]
    if any(t == F64 for t in strong) or not strong:
        only_weak_ints = all(w or is_float(t) for t, w in known)
        return F64, weak if not strong and only_weak_ints else False
    return (F64 if any(t == I64 and not w for t, w in known) else F32), False


def operand(what: str, value: Any) -> tuple[Scalar, bool]:
    found = scalar_type(value)
    if found is None:
        raise TypeError(f"unsupported operand for {what} at {user_site()}: {type(value).__name__}")
    return found


def to_type(value: Any, t: Scalar) -> Any:
    """`value` converted to `t`; a Python number becomes a literal of that type later."""
    if isinstance(value, Traced):
        return value if value.type == t else table.convert(value, to=t)
    return literal(value, t)


def constant(value: Any) -> Traced:
    """A Python or NumPy number as a traced value."""
    found = scalar_type(value)
    assert found is not None
    return Traced(Const(literal(value, found[0]), found[0]), None, found[1])


def arithmetic(name: str, x: Any, y: Any) -> Any:
    """x (op) y for add, sub, mul, div, floordiv, mod."""
    symbol = {"add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%", "fmod": "fmod"}[name]
    if not operands(x, y, symbol):
        return NotImplemented
    if has_array(x, y):
        return each(lambda a, b: arithmetic(name, a, b), x, y, name=name)
    if _bools(x, y) and not (_is_weak(x) and _is_weak(y)):
        return _of_bools(name, x, y)
    t, weak = promote(f"`{symbol}`", x, y)
    if t == I64 and name == "div":
        t = F64
    op = table.BINARY_FLOAT_TO_INT[name] if t == I64 else TABLE[name]
    return _weakly(op(*_typed(t, x, y)), weak)


def has_array(*xs: Any) -> bool:
    """Is one of the operands an array? (A 0-d array of NumPy is a scalar.)"""
    return any(isinstance(x, Arrayed) or (isinstance(x, np.ndarray) and x.ndim > 0) or isinstance(x, (list, tuple)) for x in xs)


def each(fn: Any, *operands: Any, name: str) -> Any:
    """fn for each element, with NumPy's broadcasting."""
    from .arrays import elementwise

    return elementwise(fn, *operands, name=name)


def _bools(x: Any, y: Any) -> bool:
    return all(isinstance(v, (bool, np.bool_)) or (isinstance(v, Traced) and v.type == BOOL) for v in (x, y))


def _is_weak(x: Any) -> bool:
    """Is this a Python number, and no NumPy scalar?"""
    found = scalar_type(x)
    return found is not None and found[1]


def refuse_bools(x: Any, what: str) -> None:
    """NumPy has no such operation on its bools; Python's are ints."""
    if x.type == BOOL and not x.weak:
        raise TypeError(f"numpy boolean {what} is not supported at {user_site()}: use ~ or logical_not, or convert with astype(int)")


def _of_bools(name: str, x: Any, y: Any) -> Any:
    """NumPy's arithmetic of its bools."""
    if name == "sub":
        raise TypeError(f"numpy boolean subtract, the `-` operator, is not supported at {user_site()}: use ^ or logical_xor")
    if name in ("add", "mul"):
        return TABLE["or" if name == "add" else "and"](x, y)
    x = to_type(x if isinstance(x, Traced) else constant(x), I64)
    return arithmetic(name, Traced(x.atom, x.builder), y)


def operands(x: Any, y: Any, symbol: str) -> bool:
    """Are both operands something this library can have an opinion on?"""
    known: tuple[Any, ...] = (np.ndarray, np.generic, bool, int, float)
    if isinstance(x, Arrayed) or isinstance(y, Arrayed):
        known += (list, tuple)  # which NumPy takes for arrays
    return all(is_traced(v) or isinstance(v, known) for v in (x, y))


def _typed(t: Scalar, *values: Any) -> list[Any]:
    """Operands of one type, at least one of them traced."""
    return [to_type(v, t) for v in values]


def _weakly(z: Traced, weak: bool) -> Traced:
    return Traced(z.atom, z.builder, weak)


def compare(name: str, x: Any, y: Any) -> Any:
    if not operands(x, y, name):
        return NotImplemented
    if has_array(x, y):
        return each(lambda a, b: compare(name, a, b), x, y, name=name)
    t, _ = promote(f"`{name}`", x, y)
    op = table.BINARY_FLOAT_TO_INT[name] if t == I64 else TABLE[name]
    return op(*_typed(t, x, y))


def bitwise(name: str, x: Any, y: Any) -> Any:
    if has_array(x, y):
        return each(lambda a, b: bitwise(name, a, b), x, y, name=name)
    kinds = [operand(f"`{name}`", v)[0] for v in (x, y)]
    if kinds == [BOOL, BOOL]:
        return TABLE[name](x, y)
    return TABLE[f"i{name}"](*integers(name, x, y))


def integers(what: str, x: Any, y: Any) -> list[Any]:
    if promote(f"`{what}`", x, y)[0] != I64:
        raise TypeError(f"`{what}` at {user_site()} needs ints, not floats")
    return _typed(I64, x, y)


def logical_not(x: Traced) -> Traced:
    return table.logical_xor(x, True)  # type: ignore[no-any-return]


def truth(value: Any) -> Any:
    """Python's bool(): traced scalars compare with zero, everything else is concrete."""
    if isinstance(value, Traced):
        if value.type == BOOL:
            return value
        return compare("ne", value, 0)
    own = getattr(type(value), "__lantern_truth__", None)
    if own is None and isinstance(getattr(type(value), "__bool__", None), types.FunctionType):  # of a user's class
        from ..trace.language import call

        return truth(call(types.MethodType(type(value).__bool__, value)))
    return bool(value) if own is None else own(value)


def power(x: Any, n: Any) -> Any:
    """x ** n: a small constant integer power is repeated multiplication, as NumPy's square is."""
    if not operands(x, n, "**"):
        return NotImplemented
    if has_array(x, n):
        return each(power, x, n, name="power")
    t, weak = promote("`**`", x, n)
    if (isinstance(n, (int, np.integer)) and not isinstance(n, bool)) or (isinstance(n, float) and n == int_or_none(n)):
        k = int(n)
        base_type, _ = operand("`**`", x)
        if k < 0 and isinstance(n, (int, np.integer)) and not is_float(base_type) and _in_kernel():
            raise errors.NegativePowerError(f"Integers to negative integer powers are not allowed: write x ** {float(k)} ({user_site()})")
        if is_float(base_type) and abs(k) <= 16:
            base = to_type(x, t)
            return _weakly(table.integer_power_of(base, n=k), weak) if k else constant_like(1.0, base)
        if t == I64 and k < 0:
            t = F64
    return _weakly((table.ipow if t == I64 else table.power)(*_typed(t, x, n)), weak)


def _in_kernel() -> bool:
    """Is this an element of an array? Scalars are Python's ints, whose negative powers are floats."""
    return current_builder().name.startswith("each")


def int_or_none(x: float) -> int | None:
    return int(x) if x == x and abs(x) < 2**31 and int(x) == x else None


def constant_like(value: float, like: Traced) -> Traced:
    return Traced(Const(literal(value, like.type), like.type), None, like.weak)


def absolute(x: Traced) -> Traced:
    if is_float(x.type):
        return table.absolute(x)  # type: ignore[no-any-return]
    if x.type == BOOL and not x.weak:
        return x
    x = to_type(x, I64)
    return table.select(table.ilt(x, 0), table.isub(0, x), x)  # type: ignore[no-any-return]


def to_integer(x: Traced) -> Traced:
    """Python's int(): towards zero; NaN and infinities raise."""
    found = table.to_integer(x) if is_float(x.type) else to_type(x, I64)
    return Traced(found.atom, found.builder, True)


def to_float(x: Traced) -> Traced:
    """Python's float()."""
    found = to_type(x, F64)
    return Traced(found.atom, found.builder, True)


def zero_dimensional(x: Any) -> Any:
    """A scalar that NumPy would give as an array without axes."""
    if isinstance(x, np.generic):
        x = constant(x)
    return Traced(x.atom, x.builder, False, Given(np.ndarray, NUMPY_DTYPES[x.type])) if isinstance(x, Traced) else x


def round_half_even(x: Traced, ndigits: Any) -> Traced:
    if isinstance(ndigits, Traced):
        ndigits = concrete.number(ndigits)
        if ndigits is not None:
            return round_half_even(x, ndigits)
        raise errors.TracedConditionError(f"the number of digits of round() at {user_site()} must be a plain int")
    if ndigits is None:
        return to_integer(table.rint(x) if is_float(x.type) else x)
    n = operator.index(ndigits)
    if not x.weak and x.type != BOOL:
        return round_numpy(x, n)
    if not is_float(x.type):
        return round_integer(to_type(x, I64), -n)
    if n > 323 or n < -308:
        return x if n > 0 else table.select(table.isfinite(x), table.copysign(0.0, x), x)
    if abs(n) > 22:
        raise errors.UnsupportedOperationError(
            f"round() to {n} digits at {user_site()} is not supported: use 22 at most, on either side of the point"
        )
    return table.round_decimal(x, n=n)  # type: ignore[no-any-return]


def round_numpy(x: Traced, n: int) -> Traced:
    """NumPy's rounding, of its own numbers: scaled by a float, rounded, scaled back."""
    refuse_bools(x, "round")
    if not is_float(x.type):
        return x if n >= 0 else table.to_integer(round_numpy(to_type(x, F64), n))
    if n == 0:
        return table.rint(x)  # type: ignore[no-any-return]
    there, back = (table.mul, table.div) if n > 0 else (table.div, table.mul)
    scale = 10.0 ** abs(n)
    return back(table.rint(there(x, scale)), scale)  # type: ignore[no-any-return]


def round_integer(x: Traced, digits: int) -> Traced:
    """x to a multiple of 10**digits, halves to the even one."""
    if digits <= 0:
        return x
    if digits > 19:
        return constant(0)
    if digits == 19:
        tens = table.select(table.igt(x, half := 5 * 10**18), constant(1), table.select(table.ilt(x, -half), constant(-1), constant(0)))
        return table.exact_mul(table.imul(tens, 10**10), 10**9)  # type: ignore[no-any-return]
    unit = 10**digits
    rest = table.ifmod(x, unit)
    near = table.isub(x, rest)
    odd = table.ine(table.imod(table.ifloordiv(near, unit), 2), 0)
    one = table.select(table.ilt(x, 0), constant(-unit), constant(unit))
    twice = absolute(table.imul(rest, 2))
    far = table.logical_or(table.igt(twice, unit), table.logical_and(table.ieq(twice, unit), odd))
    return table.exact_add(near, table.select(far, one, constant(0)))  # type: ignore[no-any-return]


# ---- arrays
def lift_array(value: np.ndarray[Any, Any]) -> Arrayed:
    """A concrete NumPy array used in traced code: a constant of the program, never written."""
    builder = current_builder()
    var, root = builder.trace.constant(value)
    made = Arrayed(builder.use(var, root), builder, owned=False)  # type: ignore[arg-type]
    made.memory, made.sizes = var, list(value.shape)
    return made


def _here(array: Arrayed) -> Var:
    return current_builder().use(array.variable, array.builder)  # type: ignore[return-value]


def dimension(array: Arrayed, axis: int) -> Any:
    """A size: an int where it is known."""
    if array.sizes is not None:
        return array.sizes[axis]
    builder = current_builder()
    (out,) = builder.emit("dim", (_here(array),), (I64,), {"axis": axis})
    builder.trace.keys[out] = ("dim", array.variable, axis)
    return Traced(out, builder, True)


def array_like(var: Any, builder: Builder, given: Arrayed, owned: bool = True) -> Arrayed:
    """A parameter that stands for an array: where sizes of that are known, so are its own."""
    made = Arrayed(var, builder, owned)
    if given.sizes is not None and not all(isinstance(n, Traced) for n in given.sizes):
        made.sizes = [dimension(made, axis) if isinstance(n, Traced) else n for axis, n in enumerate(given.sizes)]
    return made


def load(array: Arrayed, index: Any, checked: bool = True) -> Any:
    """array[index]. `checked=False` is for indices that a loop over the array itself makes."""
    from .arrays import getitem

    return getitem(array, index, checked)


def store(array: Arrayed, index: Any, value: Any) -> None:
    """array[index] = value, converted to the array's dtype as NumPy does."""
    from .arrays import setitem

    setitem(array, index, value)


def strong(value: Any, dtype: Scalar) -> Any:
    """A scalar as an element of that dtype: no Python number any more, whose type would adapt."""
    if not isinstance(value, Traced):
        return NUMPY_DTYPES[dtype].type(value)
    found = to_type(value, element(dtype))
    if dtype == I32:
        found = table.wrap32(found)
    return Traced(found.atom, found.builder)


def allocate(dtype: Scalar, shape: Any, fill: Any) -> Arrayed:
    """A new array; `fill` is a scalar, or None for np.empty (which is filled with zeros all the same). One without axes is its
    element, as every array without axes is inside of a trace."""
    builder = current_builder()
    sizes = list(shape) if isinstance(shape, (tuple, list)) else [shape]
    if not sizes:
        return strong(0 if fill is None else fill, dtype)  # type: ignore[no-any-return]
    for n in sizes:
        if (scalar_type(n) or (None,))[0] != I64:
            raise errors.ArgumentTypeError(f"array sizes must be ints, not {n!r} ({user_site()})")
    atoms = tuple(atom_of(to_type(n, I64), I64, builder) for n in sizes)
    t = element(dtype)
    value = Const(literal(0, t), t) if fill is None else atom_of(to_type(fill, t), t, builder)
    (out,) = builder.emit("alloc", (*atoms, value), (array_of(dtype, len(sizes)),), {}, user_site())
    made = Arrayed(out, builder)
    made.sizes, made.fresh = [n if isinstance(n, Traced) else int(n) for n in sizes], True
    return made
