"""The first NaN raises: behind each operation that can make one stands a row that looks (ops/nans.py).

    %y = log(%x) @ 7           ->       %x.n0 = sound(%x)         backwards: is the derivative of `log(x)` NaN?
                                        %y.n1 = log(%x.n0)
                                        %y = sound(%y.n1, %x.n0)  is it NaN, and %x is not? Backwards: what comes back from its uses?

A NaN appears where no operand is one, so that missing values among the arguments go through. What only the arm of a choice needs
(`np.where`, an `if` that became one) is looked at where that arm is chosen, and a NaN that is replaced by `np.where(np.isnan(y), ..)` is none. It is the last
pass but for `close`, so the program is what it would be without; library operations are looked at whole, their derivatives in the
functions that `close` has made.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from ...core.graph import Atom, Block, Const, Function, Let, Program, Return, Site, Var, terminator_atoms
from ...core.kernel import SUMS
from ...core.op import TABLE, written
from ...core.types import carries_gradient, is_float
from ...ops.nans import sound, sound_arrays
from .spans import assigned, expression

Sides = frozenset[tuple[Var, bool]]  # conditions, and what they must be
Place = tuple[str, int, str, str, str]


def find_nans(program: Program) -> bool:
    """A row that looks for a NaN behind each operation that may make one.

    the entry raises where a NaN appears
    fn f(%x: f64) -> (f64) {
    entry:
      %y: f64 = log(%x) @ "model.py":2 "f"
      return %y
    }
    ->
    the entry raises where a NaN appears
    fn f(%x: f64) -> (f64) {
    entry:
      %x.n1: f64 = sound(%x, %x) {at=1, place=('model.py', 2, 'f', '', 'NaN in the derivative of `log`'), whens=()} @ "model.py":2 "f"
      %y.n2: f64 = log(%x.n1) @ "model.py":2 "f"
      %y: f64 = sound(%y.n2, %x.n1) {at=3, place=('model.py', 2, 'f', 'NaN in `log`: log({0})', 'NaN in the adjoint of `log`: its uses give infinite ones of both signs'), whens=()} @ "model.py":2 "f"
      sound_arrays(%y) {made=1, place=('model.py', 2, 'f', 'the result is NaN, and no operation that was looked at has made one of numbers: is there a NaN among the arguments?', '')}
      return %y
    }
    """
    if not program.nans:
        return False
    numbers = itertools.count(1)
    before = _size(program)
    for f in program.functions.values():
        _Function(program, f, numbers).run()
    _let_kernels_fail(program)
    return _size(program) > before


def find_nans_behind(program: Program, before: Iterable[str]) -> None:
    """The same of functions that the closed program has for derivatives, but for those in `before`: whole arrays are looked at."""
    for name, f in program.functions.items():
        if name not in before:
            for block in f.blocks.values():
                block.lets = [x for let in block.lets for x in (let, *_whole(program, let, True))]
    _let_kernels_fail(program)


def _size(program: Program) -> int:
    return sum(len(b.lets) for f in program.functions.values() for b in f.blocks.values())


def _let_kernels_fail(program: Program) -> None:
    """Kernels whose scalar functions look for NaNs may fail."""
    fail = {f.name for f in program.functions.values() if any(TABLE[let.op] is sound for b in f.blocks.values() for let in b.lets)}
    for f in program.functions.values():
        for block in f.blocks.values():
            for let in block.lets:
                if TABLE[let.op].nest and let.attrs["f"] in fail:
                    let.attrs = {**let.attrs, "fails": True}


def can_make_one(let: Let) -> bool:
    """Is this an operation on numbers at a place of the program, whose value may be NaN though none of them is?"""
    op = TABLE[let.op]
    return op.scalar and let.site is not None and is_float(let.out.type) and not op.chooses and any(is_float(a.type) for a in let.args)


class _Function:
    """One function; `numbers` tell its rows apart."""

    def __init__(self, program: Program, f: Function, numbers: Iterator[int]) -> None:
        self.program, self.f, self.numbers = program, f, numbers
        self.home = {o: b.name for b in f.blocks.values() for let in b.lets for o in let.outs}

    def run(self) -> None:
        for block in self.f.blocks.values():
            self.block(block)
        if self.f.name == self.program.entry:
            for block in self.f.blocks.values():
                if isinstance(block.terminator, Return):
                    block.lets += self.results(block.terminator)

    def results(self, t: Return) -> list[Let]:
        """Some NaNs are made where nothing looks, others come in."""
        made = [a for a in dict.fromkeys(t.args) if isinstance(a, Var) and carries_gradient(a.type)]
        text = "the result is NaN, and no operation that was looked at has made one of numbers: is there a NaN among the arguments?"
        site = next((let.site for b in self.f.blocks.values() for let in b.lets if let.site), None) or Site("", 0, self.f.name)
        return [_look(made, [], (site.filename, site.line, self.f.name, text, ""))] if made else []

    # ---- a block
    def block(self, block: Block) -> None:
        self.sides = self.choices(block)
        self.here: set[Var] = set()
        self.later: list[tuple[Sides, Let]] = []
        self.out: list[Let] = []
        for let in block.lets:
            if can_make_one(let):
                self.scalar(let)
            else:
                self.out += [let, *_whole(self.program, let, False)]
            self.here.update(let.outs)
            for sides, row in [x for x in self.later if self.known(x[0])]:
                self.later.remove((sides, row))
                self.out.append(row)
        block.lets = self.out

    def known(self, sides: Sides) -> bool:
        return all(c in self.here or self.home.get(c) != self.current for c, _ in sides)

    def choices(self, block: Block) -> dict[Var, Sides]:
        """Of the numbers of a block the conditions under which what is made of them goes on."""
        self.current = block.name
        found: dict[Var, Sides | None] = {}
        elsewhere = {a for b in self.f.blocks.values() if b is not block for let in b.lets for a in let.args if a in self.home}
        ends = {a for b in self.f.blocks.values() for a in terminator_atoms(b.terminator)}

        def use(a: Atom, sides: Sides) -> None:
            if isinstance(a, Var):
                before = found.get(a)
                found[a] = sides if before is None else before & sides

        for a in (*elsewhere, *ends):
            use(a, frozenset())
        for let in reversed(block.lets):
            op = TABLE[let.op]
            beyond = [found.get(o) for o in let.outs]
            mine = frozenset.intersection(*(s for s in beyond if s is not None)) if any(s is not None for s in beyond) else frozenset()
            for i, a in enumerate(let.args):
                if op.chooses and i and isinstance(let.args[0], Var):
                    use(a, mine | {(let.args[0], i == 1)})
                elif not op.scalar or any(is_float(o.type) for o in let.outs):
                    use(a, mine)
        return {v: s for v, s in found.items() if s}

    # ---- an operation
    def scalar(self, let: Let) -> None:
        op, sides = TABLE[let.op], self.sides.get(let.out, frozenset())
        texts = _texts(let)
        if not op.steady and op.differentiable and self.known(sides):
            inputs = {a: self.looked(let, a, [a], ("", texts[1]), sides) for a in let.args if isinstance(a, Var) and is_float(a.type)}
            self.out += inputs.values()
            let.args = tuple(inputs[a].out if a in inputs else a for a in let.args)
        z = let.out
        let.outs = (Var(f"{z.name}.n{next(self.numbers)}", z.type),)
        self.out.append(let)
        floats = [a for a in let.args if is_float(a.type)]
        row = self.looked(let, let.out, floats, (texts[0], texts[2]), sides)
        row.outs = (z,)
        if self.known(sides):
            self.out.append(row)
        else:  # the value goes on, and is looked at when it is known whether that matters
            row.outs = (Var(f"{z.name}.n{next(self.numbers)}", z.type),)
            let.outs = (z,)
            row.args = (z, *row.args[1:])
            self.later.append((sides, row))

    def looked(self, let: Let, z: Atom, xs: list[Atom], texts: tuple[str, str], sides: Sides) -> Let:
        """z, looked at."""
        number, site = next(self.numbers), let.site
        assert site is not None
        order = sorted(sides, key=lambda side: side[0].name)
        place = (site.filename, site.line, site.function, *texts)
        attrs = {"at": number, "place": place, "whens": tuple(when for _, when in order)}
        args = (z, *(xs or [Const(0.0, z.type)]), *(c for c, _ in order))
        name = z.name if isinstance(z, Var) else "c"
        return Let((Var(f"{name}.n{number}", z.type),), sound.name, args, attrs, site)


def _texts(let: Let) -> tuple[str, str, str]:
    """What to say of a NaN in a value, in a derivative, and in what comes back from a value's uses."""
    site = let.site
    assert site is not None
    derived = site.origin is not None or let.contract
    shown = f"`{expression(site.origin or site) or let.op}`".replace("{", "{{").replace("}", "}}")
    variable = assigned(site.origin or site).replace("{", "{{").replace("}", "}}")
    whose = f", for `{variable}`" if variable else ""
    numbers = [a for a in let.args if is_float(a.type)]
    applied = f": {let.op}({', '.join(f'{{{i}}}' for i in range(len(numbers)))})" if 0 < len(numbers) <= 3 else ""
    what = "the derivative of " if derived else ""
    return (
        f"NaN in {what}{shown}{whose}{applied}",
        f"NaN in the derivative of {shown}{whose}",
        f"NaN in the adjoint of {shown}{whose}: its uses give infinite ones of both signs",
    )


def _whole(program: Program, let: Let, derived: bool) -> list[Let]:
    """What looks at the arrays that an operation of a library makes or writes, and at the sums of a kernel."""
    op, site = TABLE[let.op], let.site
    if not op.whole or op.effect or op.derivative or site is None or (op.calls and not op.nest):
        return []
    derived |= site.origin is not None
    if op.nest and not derived:
        kinds = [r for r in let.attrs["results"] if r[0] not in ("into", "add", "at", "first", "fresh", "drop")]
        made: list[Var] = [o for o, r in zip(let.outs, kinds, strict=False) if r[0] in SUMS]
    else:
        made = [*let.outs, *(() if op.nest else written(let))] if op.cost == "heavy" else []
    made = [v for v in made if carries_gradient(v.type)]
    given = [a for a in dict.fromkeys(let.args) if isinstance(a, Var) and carries_gradient(a.type) and a not in made]
    if not made:
        return []
    shown = f"`{expression(site.origin or site) or let.op}`".replace("{", "{{").replace("}", "}}")
    variable = assigned(site.origin or site)
    whose = f", for `{variable}`".replace("{", "{{").replace("}", "}}") if variable else ""
    text = f"NaN in {'the derivative of ' if derived else ''}{shown}{whose}"
    return [_look(made, given, (site.filename, site.line, site.function, text, ""))]


def _look(made: list[Var], given: list[Var], place: Place) -> Let:
    return Let((), sound_arrays.name, (*made, *given), {"made": len(made), "place": place})
