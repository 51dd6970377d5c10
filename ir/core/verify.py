"""Checks a program after each stage (in tests, and with LANTERN_VERIFY=1).

Invariants:
 1. every variable is bound once, and names are unique in a function;
 2. every use is dominated by its definition;
 3. edges go to blocks of the same function, and pass as many values as the target has parameters, of their types
    (for a call: results first, then the edge's values);
 4. the entry block has no parameters and no edge leads to it;
 5. operations are in the table, with arguments and result of the types that their signature says;
 6. calls and derivatives name functions of the program and pass what they take;
 7. a kernel names a function of one block of scalar operations, with a parameter for each input and a result for each of its
    results, of the types of the elements; what it reads at positions comes after the positions;
 8. returns agree with the function's result types; every block ends in a terminator;
 9. a `host` operation names a recipe of the program, and gives the values that this takes;
10. the function of a shift is of the shift's prompt, and gives what functions of that prompt around it give; a continuation is of one
    shift, and is called with what the block after the shift takes.
"""

from __future__ import annotations

from collections.abc import Iterable

from .analysis import dominators
from .errors import UnsupportedOperationError, VerifyError
from .graph import Block, Branch, Call, Function, Let, Program, Return, Shift, Var, defined_vars, edges, used_vars
from .kernel import Access, Gather, Index, Same, kernel_of
from .op import PLAIN, REVERSE, TABLE, Op, argument_types, read, result_type, written
from .types import BOOL, I64, Array, Type, element, same_type


def verify(program: Program) -> Program:
    """`program` itself; raises VerifyError naming the invariant that does not hold."""
    continuations = _continuations(program)
    for f in program.functions.values():
        _Verifier(program, f, continuations).run()
    return program


def _continuations(program: Program) -> dict[str, tuple[list[Type], list[Type]]]:
    """Of each continuation what it takes, and what it gives."""
    found: dict[str, tuple[list[Type], list[Type]]] = {}
    for f in program.functions.values():
        for t in (b.terminator for b in f.blocks.values()):
            if isinstance(t, Shift):
                if t.k in found or t.k in program.functions:
                    raise VerifyError(f"invariant 10 in `{f.name}`: there is another {t.k}")
                takes = f.blocks[t.then.block].params if t.then.block in f.blocks else []
                gives = program.functions[t.function].results if t.function in program.functions else ()
                found[t.k] = [p.type for p in takes[: len(takes) - len(t.then.args)]], list(gives)
    return found


def verify_scopes(program: Program) -> None:
    """Invariant 2 alone. Where tracing breaks it, a Python object was changed under a traced condition in a way that the
    trace did not see; raises UnsupportedOperationError."""
    for f in program.functions.values():
        if len(f.blocks) > 1:
            try:
                _Verifier(program, f).dominance()
            except VerifyError:
                raise UnsupportedOperationError(
                    f"`{f.name}` uses a value outside of the branch, loop or call that computed it, through a Python object (a list, a dict, an "
                    "attribute or a variable of an enclosing function) that was changed there: return the value instead of storing it"
                ) from None


class _Verifier:
    def __init__(self, program: Program, f: Function, continuations: dict[str, tuple[list[Type], list[Type]]] | None = None) -> None:
        self.program, self.f, self.continuations = program, f, continuations or {}

    def fail(self, number: int, what: str) -> None:
        raise VerifyError(f"invariant {number} in `{self.f.name}`: {what}")

    def run(self) -> None:
        self.bindings()
        for block in self.f.blocks.values():
            self.targets(block)
        self.dominance()
        for block in self.f.blocks.values():
            for let in block.lets:
                self.let(let)
            self.terminator(block)
        if self.f.entry.params:
            self.fail(4, "the entry block has parameters")

    def targets(self, block: Block) -> None:
        if block.terminator is None:
            self.fail(8, f"{block.name} has no end")
        for e in edges(block.terminator):
            if e.block not in self.f.blocks:
                self.fail(3, f"edge to {e.block}")

    def bindings(self) -> None:
        seen: set[Var] = set()
        names: set[str] = set()
        for v in [*self.f.params, *(v for b in self.f.blocks.values() for v in defined_vars(b))]:
            if v in seen or v.name in names:
                self.fail(1, f"{v} is bound twice")
            seen.add(v)
            names.add(v.name)

    def dominance(self) -> None:
        above = dominators(self.f)
        at_end = {name: set(defined_vars(b)) for name, b in self.f.blocks.items()}
        for name, block in self.f.blocks.items():
            if name not in above:
                continue
            visible = set(self.f.params) | {v for d in above[name] if d != name for v in at_end[d]} | set(block.params)
            for let in block.lets:
                self.visible((a for a in let.args if isinstance(a, Var)), visible, name)
                visible |= set(let.outs)
            self.visible(used_vars(type(block)(block.name, [], [], block.terminator)), visible, name)

    def visible(self, used: Iterable[Var], visible: set[Var], name: str) -> None:
        for v in used:
            if v not in visible:
                self.fail(2, f"{v} is used in {name}, where its definition does not dominate")

    def let(self, let: Let) -> None:
        op = TABLE.get(let.op)
        if op is None:
            self.fail(5, f"no operation {let.op!r}")
            return
        if op.scalar:
            types = [a.type for a in let.args]
            try:
                if argument_types(op, list(types)) != types or not same_type(result_type(op, list(types), let.attrs), let.out.type):
                    self.fail(5, f"types of {let.op}: {types} -> {let.out.type}")
            except TypeError as e:
                self.fail(5, str(e))
            return
        if op.derivative or op.calls == PLAIN:
            self.derivative(let)
        elif op.nest:
            self.kernel(let)
        elif op.effect == "host":
            self.host(let)
        self.memory(op, let)

    def memory(self, op: Op, let: Let) -> None:
        """What it reads and writes are arrays, and its results are what its shape rule says."""
        try:
            places = [a.type for a in (*read(let), *written(let))]
            rule = op.shape(let)
        except (AttributeError, AssertionError, IndexError, KeyError):
            self.fail(5, f"{let.op} of ({', '.join(str(a.type) for a in let.args)})")
            return
        fits = len(rule) == len(let.outs) and all(isinstance(t, Array) for t in places)
        for o, found in zip(let.outs, rule, strict=False):
            dtype, rank = (o.type.dtype, o.type.rank) if isinstance(o.type, Array) else (o.type, 0)
            fits &= found is None or (found[0] == dtype and len(found[1]) == rank)
        if not fits:
            self.fail(5, f"types of {let.op}: {[str(a.type) for a in let.args]} -> {[str(o.type) for o in let.outs]}")

    def kernel(self, let: Let) -> None:
        body = self.program.functions.get(let.attrs["f"])
        if body is None or len(body.blocks) != 1 or not isinstance(body.entry.terminator, Return):
            self.fail(7, f"a kernel of {let.attrs['f']}")
            return
        if any(not TABLE[x.op].scalar for x in body.entry.lets):
            self.fail(7, f"`{body.name}` is no scalar function")
        try:
            k = kernel_of(let)
        except (AssertionError, IndexError, StopIteration):
            self.fail(7, f"the arguments of a kernel of `{body.name}` are not those that it describes")
            return
        if k.args() != let.args or len(k.inputs) != len(body.params) or len(k.results) != len(body.results):
            self.fail(7, f"a kernel's arguments do not fit `{body.name}`")
        for i, (x, p) in enumerate(zip(k.inputs, body.params, strict=True)):
            if isinstance(x, Same):
                given: Type = x.atom.type
            elif isinstance(x, Index):
                given = I64
            else:
                given = element(x.base.type.dtype) if isinstance(x.base.type, Array) else x.base.type
                if isinstance(x, Gather) and (x.place >= i or body.params[x.place].type != I64):
                    self.fail(7, f"input {i} of a kernel reads at {x.place}")
            if given != p.type:
                self.fail(7, f"input {i} of a kernel is {given}, and `{body.name}` takes {p.type}")
        for r, t in zip(k.results, body.results, strict=True):
            if isinstance(r.start, Access):
                wrong = (
                    set(r.start.axes) - {-1, *r.axes} or not isinstance(r.start.base.type, Array) or element(r.start.base.type.dtype) != t
                )
            else:
                wrong = r.start is not None and r.start.atom.type != t
            if wrong:
                self.fail(7, f"what a kernel of `{body.name}` starts from is none")
            to = r.written or r.out
            if r.at is not None and body.params[r.at.place].type != I64:
                self.fail(7, f"a kernel adds at {r.at.place}")
            if to is not None and isinstance(to.type, Array) and not r.kind.startswith("arg") and element(to.type.dtype) != t:
                self.fail(7, f"a kernel writes {t} to {to.type}")

    def host(self, let: Let) -> None:
        i, types = let.attrs["recipe"], [a.type for a in let.args]
        if not -3 <= i < len(self.program.recipes):
            self.fail(9, f"there is no recipe {i}")
        wanted = self.program.recipes[i].types if i >= 0 else [I64] * (i == -2)
        if len(types) != len(wanted) or not all(map(same_type, types, wanted)):
            self.fail(9, f"recipe {i} takes {wanted}, not {types}")
        gives, found = self.program.recipes[i].gives if i >= 0 else (), [o.type for o in let.outs]
        if i >= 0 and (len(gives) != len(found) or not all(map(same_type, gives, found))):
            self.fail(9, f"recipe {i} gives {gives}, not {found}")

    def derivative(self, let: Let) -> None:
        callee = self.program.functions.get(let.attrs["f"])
        if callee is None:
            self.fail(6, f"{let.op} of unknown {let.attrs['f']}")
            return
        extra = let.attrs.get("cotangents", 0)
        self.passes(6, [a.type for a in let.args[: len(let.args) - extra]], [p.type for p in callee.params], f"{let.op} of {callee.name}")
        if TABLE[let.op].calls in (REVERSE, PLAIN):
            gives = [*callee.results, *(callee.params[i].type for i in let.attrs.get("wrt", ()))]
            self.passes(6, [o.type for o in let.outs], gives, f"{let.op} of {callee.name} gives what it does not: it")

    def shift(self, t: Shift) -> None:
        callee = self.program.functions.get(t.function)
        if callee is None:
            self.fail(6, f"shift of unknown {t.function}")
            return
        self.passes(6, [a.type for a in t.args], [p.type for p in callee.params], f"shift of {t.function}")
        if callee.tag != t.tag or (self.f.tag == t.tag and callee.results != self.f.results):
            self.fail(10, f"`{t.function}` is of {callee.tag or 'no prompt'} and gives {callee.results}")

    def passes(self, number: int, given: list[Type], wanted: list[Type], where: str) -> None:
        if len(given) != len(wanted) or not all(same_type(a, b) for a, b in zip(given, wanted, strict=True)):
            self.fail(number, f"{where} passes ({', '.join(map(str, given))}) for ({', '.join(map(str, wanted))})")

    def terminator(self, block: object) -> None:
        t = block.terminator  # type: ignore[attr-defined]
        if t is None:
            self.fail(8, f"{block.name} has no end")  # type: ignore[attr-defined]
        if isinstance(t, Branch) and t.cond.type != BOOL:
            self.fail(5, f"branch on {t.cond.type}")
        results: list[Type] = []
        if isinstance(t, Shift):
            self.shift(t)
            results = self.continuations[t.k][0]
        elif isinstance(t, Call) and t.function in self.continuations:
            takes, results = self.continuations[t.function]
            self.passes(10, [a.type for a in t.args], takes, f"call of {t.function}")
        elif isinstance(t, Call):
            callee = self.program.functions.get(t.function)
            if callee is None:
                self.fail(6, f"call of unknown {t.function}")
                return
            self.passes(6, [a.type for a in t.args], [p.type for p in callee.params], f"call of {t.function}")
            results = list(callee.results)
        if isinstance(t, Return):
            self.passes(8, [a.type for a in t.args], list(self.f.results), "return")
        for e in edges(t):
            target = self.f.blocks.get(e.block)
            if target is None or target is self.f.entry:
                self.fail(3 if target is None else 4, f"edge to {e.block}")
                return
            self.passes(3, results + [a.type for a in e.args], [p.type for p in target.params], f"edge to {e.block}")
