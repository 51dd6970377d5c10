"""What an operation is. The rows themselves are in ir/ops, one operation in one place.

A row gives a name, a signature, a body and a derivative rule:

    sin = elementwise("sin", "F:F", lambda m, x: m.libm("sin", x), lambda d, z, x: (d * cos(x),))

The body is written once against an abstract scalar machine `m`; the interpreter and LLVM both run it.
The rule returns one term for each argument, *linear in d*. A scalar linear map is its own transpose, so the
one rule serves both modes: tangents by `tz = sum_i rule_i(tx_i)`, adjoints by `dx_i += rule_i(dz)`. A term that is dear
may be a function without arguments that gives it, one that nobody knows is `Unknown`: both are looked at where they are wanted.

Operations are callable on values of any algebra: traced values add to a graph, LLVM values emit
instructions, plain numbers compute. Rules and bodies are therefore ordinary arithmetic.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .errors import IntegerOverflowError, LanternError
from .machine import PYTHON
from .types import BOOL, F64, I64, MASK, SIDE, Array, Scalar, Type, is_float, width

Rule = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True)
class Zero:
    """A derivative that is zero wherever it exists, and why. The result carries no gradient at all."""

    why: str


@dataclass(frozen=True)
class Elsewhere:
    """A derivative that no scalar rule can express, and who owns it."""

    owner: str


@dataclass(frozen=True)
class Unknown:
    """The term of a rule for an argument by which nobody knows the derivative, and what of."""

    what: str


class Size(NamedTuple):
    """The size of an array along an axis, where no atom of the graph is that number."""

    array: Any
    axis: int


Places = Any  # () or numbers of arguments, or a function of the Let that gives the arguments
Result = Any  # of a shape rule: (dtype, sizes): atoms, `Size`s, or None where the operation finds them; None: known elsewhere
FACTS = ("reads", "writes", "aliases", "allocates", "fails", "cost", "shape", "adjoint", "effect")
COSTS = ("cheap", "dear", "heavy")
ADJOINTS = ("rule", "zero", "pullback", "function", "own")
NEST, REVERSE, FORWARD, PLAIN, CUT, BACKWARDS = "nest", "reverse", "forward", "plain", "cut", "backwards"
RING = {"+": operator.add, "-": operator.sub, "*": operator.mul}


@dataclass(frozen=True, eq=False)
class Op:
    """One operation. `signature` is ARGS:RESULT with F any float, I i64, B bool, T any scalar, `*` special.

    Facts that every row says (FACTS): passes ask them and never know an operation by its name.
      reads, writes  the arguments whose elements it reads or writes
      aliases        pairs (result, argument) that are the same memory
      allocates      its array results are new memory
      fails          may it raise at run time, so that it may not be dropped or moved: a bool, or a function of the Let
      raises         what of that a handler of the program's may take, as a function of the Let: pairs of an exception and
                     a function that tells, as traced code (At), whether it does not come up; None where nothing can tell.
                     The bodies of rows that have none say it by what they check
      cost           cheap; dear: better kept than computed again, where that costs no memory; heavy: better kept in memory
      shape          the types of its results, as a function of the Let: a `Result` for each
      adjoint        how its derivative is written: by `rule`; zero; pullback: `jvp` and `vjp` are traced; function:
                     of the program, made by ir/diff/ways.py; own: each stage has its own
      effect         what it does besides: "host" calls Python, "draw" moves a generator on; never run again by a replay
    """

    name: str
    signature: str
    body: Any  # the value: scalar code on a machine, or of arrays NumPy's; None: each stage has its own
    rule: Any
    tangent: Callable[..., Any] | None = None  # the result's tangent from the arguments' (None: zero), where a sum of terms will not do
    squared: Any = None  # the operation that is its square and is smooth where it is not itself
    machine: Any = None
    speculate: bool = False  # may run on a path not taken: cheap and cannot fail
    steady: bool = False  # its derivative is finite whatever its arguments are: 0 * derivative is 0
    reads: Places = None
    writes: Places = None
    aliases: Any = None
    allocates: Any = None
    fails: Any = None
    cost: Any = None
    shape: Any = None
    adjoint: Any = None
    effect: Any = None
    raises: Callable[[Any], Sequence[tuple[BaseException, Any]]] | None = None
    # ---- of scalars
    neutral: Any = None  # the number that leaves the other argument as it is: on the right, and on the left where it `commutes`
    absorbing: Any = None  # the number that leaves nothing of the other one
    commutes: bool = False
    folds: Callable[[Any], Any] | None = None  # the atom that a Let's result is known to be
    square: Callable[[Any], bool] | None = None  # is a Let the square of its first argument?
    ring: str = ""  # which arithmetic of integers it is: a key of RING
    orders: str = ""  # is the first number less (<), or greater (>), than the second?
    less: bool = False  # is the first integer less than the second?
    multiplies: bool = False  # it is the product of two floats
    sums: str = ""  # it adds (+) its second argument to its first, or takes it away (-)
    chooses: bool = False  # it is its second argument where the first is true, else its third
    continues: bool = False  # its first argument is a sum that has begun with its second
    gates: bool = False  # it is its second argument; backwards nothing goes through but where the first is `when`
    placed: bool = False  # it keeps its place in the user's code, since its derivative may be refused
    dim: Callable[..., Any] | None = None  # the dimension of its result from those of its arguments; None where it has none
    equates: bool = False  # it is its first argument, and fails unless the second is equal
    bounded: bool = False  # it is its first argument where that is an index of so many elements as the second says
    fits: bool = False  # it is a size, and fails where two sizes do not go together
    optimistic: bool = False  # it fails where sizes broadcast that the trace has taken for equal
    # ---- of arrays
    indexed: bool = False  # of one element: the index stands behind the array, with a letter for each part (memory.codes)
    ranged: bool = (
        False  # it checks the range of an index of its array: from the second to before the third, if the fourth is below the last
    )
    measures: bool = False  # it reads a size and no element
    calls: str = ""  # how it uses the function of the program that `f` names: PLAIN it calls it, NEST in a loop nest, REVERSE or FORWARD its derivative, BACKWARDS it calls it on the way back, CUT when it is in two
    late: bool = False  # its code touches adjoints on the way back alone
    fills: bool = False  # it makes an array of one value, its last argument
    matrices: bool = False  # it is the product of two matrices, transposed where `ta` and `tb` say so
    registers: bool = False  # its code keeps a small new array in registers
    record: str = ""  # "made": its result holds its arguments; "opened": its results are what such a result of the same `site` holds
    resumes: bool = False  # the rest of the program runs here: it takes values, and gives their adjoints
    rereads: bool | tuple[int, ...] = True  # its way back may read elements of its arguments and results; of these arguments alone
    weighted: str = ""  # it is a matrix product, and so is the operation of this name, which leaves its part of a gradient for later
    closing: bool = False  # it is made when the program is closed: there is no forward mode of it
    flows: Callable[[Any], Any] | None = None  # the arguments of a Let that a derivative goes to, where that is not all
    linear: tuple[int, ...] = ()  # the arguments in each of which it is linear while the others stay as they are
    unread: bool = False  # its vjp is to know which results nobody reads: their cotangents are None
    jvp: Callable[..., Any] | None = None
    vjp: Callable[..., Any] | None = None
    program: Callable[..., Any] | None = None  # its value as traced code, where nothing else has it
    # ---- what follows from these
    scalar: bool = field(init=False)  # pure, of scalars alone
    whole: bool = field(init=False)  # of whole arrays, or an effect, or a derivative
    nest: bool = field(init=False)
    derivative: bool = field(init=False)
    early: bool = field(init=False)  # another operation has taken its place before it would run
    may_fail: bool = field(init=False)
    expensive: bool = field(init=False)

    def __post_init__(self) -> None:
        scalar = self.signature != "*:*"
        found = {"scalar": scalar, "whole": not scalar and not self.indexed and not self.measures, "nest": self.calls == NEST,
                 "derivative": self.calls in (REVERSE, FORWARD), "early": self.calls in (FORWARD, CUT) or self.resumes,
                 "may_fail": self.fails is not False, "expensive": self.cost != "cheap"}  # fmt: skip
        for name, value in found.items():
            object.__setattr__(self, name, value)

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

    def can_fail(self, let: Any) -> bool:
        """May this one raise?"""
        return bool(self.fails(let)) if callable(self.fails) else self.fails


TABLE: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Add a row. A missing fact or rule, or a name used twice, is an error at import, never a silent zero gradient."""
    if op.name in TABLE:
        raise ValueError(f"operation {op.name!r} is in the table twice")
    if not isinstance(op.rule, (Zero, Elsewhere)) and not callable(op.rule):
        raise ValueError(f"operation {op.name!r} has no derivative rule and does not say why")
    for fact in FACTS:
        if getattr(op, fact) is None:
            raise ValueError(f"the row of operation {op.name!r} does not say `{fact}`")
    if op.cost not in COSTS or op.adjoint not in ADJOINTS:
        raise ValueError(f"operation {op.name!r}: cost is one of {COSTS}, adjoint one of {ADJOINTS}")
    if op.adjoint == "pullback" and (op.jvp is None or op.vjp is None):
        raise ValueError(f"operation {op.name!r} has no derivative and does not say why")
    TABLE[op.name] = op
    return op


def elementwise(
    name: str,
    signature: str,
    body: Callable[..., Any],
    rule: Any = None,
    tangent: Any = None,
    squared: Any = None,
    fails: bool = False,
    cost: str = "cheap",
    **facts: Any,
) -> Op:
    """A row for a scalar operation: it touches no memory. Only an operation whose result is no float may leave out the rule."""
    if rule is None and signature[-1] in "IB":
        rule = Zero("the result is not a float")
    adjoint = "zero" if isinstance(rule, Zero) else "rule"
    return register(Op(name, signature, body, rule, tangent, squared, PYTHON, reads=(), writes=(), aliases=(), allocates=False, fails=fails,
                       cost=cost, shape=scalar_shape, adjoint=adjoint, effect="", **facts))  # fmt: skip


# ---- shape rules
def scalar_shape(let: Any) -> tuple[Result, ...]:
    return tuple((o.type, ()) for o in let.outs)


def nothing(let: Any) -> tuple[Result, ...]:
    return ()


def sizes(array: Any) -> tuple[Size, ...]:
    return tuple(Size(array, i) for i in range(array.type.rank))


def like(place: int) -> Callable[[Any], tuple[Result, ...]]:
    """One result, of the type and the sizes of an argument."""
    return lambda let: ((let.args[place].type.dtype, sizes(let.args[place])),)


# ---- what a Let does, from its row
def written(let: Any) -> list[Any]:
    """The arrays that an operation writes to."""
    return _arguments(let, TABLE[let.op].writes)


def read(let: Any) -> list[Any]:
    """The arrays whose elements it reads."""
    return _arguments(let, TABLE[let.op].reads)


def flowing(let: Any) -> Any:
    """The arguments that a derivative goes to."""
    flows = TABLE[let.op].flows
    return let.args if flows is None else flows(let)


def _arguments(let: Any, places: Places) -> list[Any]:
    if not places:
        return []
    return [let.args[i] for i in places] if type(places) is tuple else places(let)


def arrays(let: Any) -> list[Any]:
    """All arrays among the arguments, for `reads` and `writes`."""
    return [a for a in let.args if isinstance(a.type, Array)]


def as_marked(let: Any) -> bool:
    """For `fails`: what the Let says, else that it may."""
    return bool(let.attrs.get("fails", True))


def can_fail(let: Any) -> bool:
    """May this operation raise?"""
    fails = TABLE[let.op].fails
    return fails if fails is True or fails is False else bool(fails(let))


STAGES: list[Stage] = []
OWN: set[str] = set()  # the operations of the library itself


def seal() -> None:
    """All rows are in the table: every stage so far knows what to do for each of them."""
    OWN.update(() if OWN else TABLE)
    for stage in STAGES:
        if not stage.late:
            stage.check()


class Stage(dict[str, Any]):
    """What one stage does for each operation, by its name: filled by a decorator at the definitions. `needs` says which rows
    must be in it; what the others have in common is found from their facts. One of a back end is `late`: it is loaded when it is
    first used, and is checked then."""

    def __init__(self, what: str, needs: Callable[[Op], bool], late: bool = False) -> None:
        super().__init__()
        self.what, self.needs, self.late = what, needs, late
        STAGES.append(self)

    def of(self, *names: str) -> Callable[[Any], Any]:
        """The decorated function is what the stage does for these."""

        def enter(function: Any) -> Any:
            self.update(dict.fromkeys(names, function))
            return function

        return enter

    def check(self) -> None:
        """Refuse to go on without something for an operation, or with something for none."""
        wrong = [n for n, op in TABLE.items() if self.needs(op) and n not in self] + [n for n in self if n not in TABLE]
        if wrong:
            raise ValueError(f"{self.what}: nothing for {', '.join(wrong)}")

    def __missing__(self, name: str) -> Any:
        raise LanternError(f"{self.what} does not know the operation `{name}`")


def result_type(op: Op, types: list[Type | None], attrs: dict[str, Any]) -> Type:
    """The result's type; raises TypeError when `types` break the signature. None is a bare Python number."""
    result = op.signature[-1]
    if result == ">":
        return attrs["to"]  # type: ignore[no-any-return]
    if result == "B" and any(width(t) == SIDE or t == MASK for t in types if t is not None):
        return MASK
    return {"I": I64, "B": BOOL}.get(result) or argument_types(op, types)[op.signature.index(result)]


def argument_types(op: Op, types: list[Type | None]) -> list[Type]:
    """The full argument types, where None (a bare Python number) takes the type that the others need."""
    kinds = op.signature[: op.arity]
    if kinds[1:] == "*":  # and any others
        if not is_float(types[0] or F64):
            raise TypeError(f"{op.name}{op.signature} does not take ({', '.join(map(str, types))})")
        return [t or F64 for t in types]
    if len(kinds) != len(types):
        raise TypeError(f"{op.name} takes {len(kinds)} arguments, not {len(types)}")
    generic: dict[str, Type] = {}
    for kind, t in zip(kinds, types, strict=True):
        if t is None or kind in "IB":
            if t is not None and t != (I64 if kind == "I" else BOOL) and (kind == "I" or t != MASK):
                if kind == "I" and is_float(t):
                    raise TypeError("'float' object cannot be interpreted as an integer")
                raise TypeError(f"{op.name} needs {kind} where it has {t}")
            continue
        if (kind == "F" and not is_float(t)) or not isinstance(t, Scalar) or generic.setdefault(kind, t) != t:
            raise TypeError(f"{op.name}{op.signature} does not take ({', '.join(map(str, types))})")
    generic.setdefault("F", F64)
    generic.setdefault("T", F64)
    return [MASK if k == "B" and t == MASK else {"I": I64, "B": BOOL}.get(k) or generic[k] for k, t in zip(kinds, types, strict=True)]


def literal(value: Any, t: Type) -> Any:
    """A Python literal of type `t`."""
    if is_float(t):
        return float(value)
    if t == BOOL:
        return bool(value)
    if not -(2**63) <= int(value) < 2**63:
        raise IntegerOverflowError(f"{value} does not fit in 64 bits, which an int has in compiled code: write it as a float")
    return int(value)
