"""Checks a lowered program (with LANTERN_VERIFY=1, and in tests), besides what core/verify.py checks of every function:

1. no derivative is left;
2. `get` and `put` agree with the type of the place that they name;
3. a call names a function of the program and passes what it takes; the address of a function is of one of the program;
4. a cell stands at the top of its function's first block, and its address is not returned;
5. a function that is always inlined stands behind those that call it or name it, unless it is an operation.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import VerifyError
from ..core.graph import Const, Function, Let, Program, Return, Var, terminator_atoms
from ..core.op import TABLE
from ..core.types import CODE, Struct, element, same_type
from ..core.verify import verify
from ..ops.low import CALL, CELL, GET, PUT
from .low import LowProgram


def verify_lowered(program: Program, low: LowProgram) -> None:
    """Raises VerifyError naming the invariant that does not hold. `program` is all of its functions."""
    verify(program)
    order = {name: i for i, name in enumerate([*low.operations, *low.functions])}
    for f in program.functions.values():
        _Check(program, low, f, order).run()


class _Check:
    def __init__(self, program: Program, low: LowProgram, f: Function, order: dict[str, int]) -> None:
        self.program, self.low, self.f, self.order = program, low, f, order

    def need(self, ok: bool, number: int, what: str) -> None:
        if not ok:
            raise VerifyError(f"invariant {number} of lowered programs in `{self.f.name}`: {what}")

    def run(self) -> None:
        runs = self.f.name in self.low.all
        for block in self.f.blocks.values():
            top = block is self.f.entry
            for let in block.lets:
                op = TABLE[let.op]
                self.need(not (runs and op.derivative), 1, f"{let.op} of {let.attrs.get('f')}")
                self.need(op is not CELL or top, 4, f"{let.outs} is not at the top")
                top = top and op is CELL
                if op is GET or op is PUT:
                    self.place(let)
                if op is CALL:
                    self.call(let)
                for a in let.args:
                    self.named(a)
            for a in terminator_atoms(block.terminator):
                self.named(a)
            if isinstance(block.terminator, Return):
                cells = {o for b in self.f.blocks.values() for x in b.lets if TABLE[x.op] is CELL for o in x.outs}
                self.need(
                    not cells.intersection(a for a in block.terminator.args if isinstance(a, Var)), 4, "the address of a cell is returned"
                )

    def place(self, let: Let) -> None:
        of, path = let.attrs["of"], let.attrs["path"]
        try:
            t: Any = of.at(path) if isinstance(of, Struct) else element(of)
        except (KeyError, AttributeError):
            self.need(False, 2, f"{of} has no field {'.'.join(path)}")
        v = let.out if TABLE[let.op] is GET else let.args[0]
        self.need(not isinstance(t, Struct) and same_type(t, v.type), 2, f"{v} is {v.type}, and {of}.{'.'.join(path)} is {t}")

    def call(self, let: Let) -> None:
        f = self.program.functions.get(let.attrs["f"])
        self.need(f is not None, 3, f"there is no function {let.attrs['f']}")
        assert f is not None
        given, takes = [a.type for a in let.args], [p.type for p in f.params]
        gives, wanted = list(f.results), [o.type for o in let.outs]
        fits = len(given) == len(takes) and len(gives) == len(wanted) and all(map(same_type, [*given, *gives], [*takes, *wanted]))
        self.need(fits, 3, f"`{f.name}` takes {takes} and gives {gives}, not {given} and {wanted}")
        self.behind(f)

    def named(self, a: Any) -> None:
        if isinstance(a, Const) and a.type == CODE:
            self.need(a.value in self.program.functions, 3, f"there is no function {a.value}")
            self.behind(self.program.functions[a.value])

    def behind(self, f: Function) -> None:
        late = f.inline != "always" or f.name in self.low.operations or self.f.name not in self.order
        self.need(
            late or self.order[f.name] > self.order[self.f.name] or self.f.name in self.low.operations, 5, f"`{f.name}` stands before it"
        )
