"""What a checkpointed function does to its arguments: it is to run a second time as if for the first.

The operation `checkpoint` has a function that writes into none of its arguments, and whose results are new arrays. So what it
writes are copies, which are among its results and are written back where it is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..core import errors
from ..core.analysis import Aliases, called
from ..core.graph import Atom, Block, Call, Edge, Function, Let, Program, Return, Var, defined_vars, substitute
from ..core.kernel import ONE, ZERO, Access, Kernel, Result
from ..core.op import PLAIN, TABLE
from ..core.types import I64, Array, Scalar, element
from ..ops.memory import COPY, DIM
from .apart import Apart


def explicit(program: Program) -> bool:
    """Put copies around what is not so.

    fn f(%x: f64[n]) -> (f64) {
    entry:
      %y: f64 = checkpoint(%x) {f='g'}
      return %y
    }

    fn g(%a: f64[m]) -> (f64) {
    entry:
      store(%a, 0:i64, 1.0:f64)
      return 2.0:f64
    }
    ->
    fn f(%x: f64[n]) -> (f64) {
    entry:
      %y: f64, %x.written: f64[n] = checkpoint(%x) {f='g.apart', apart=True}
      %x.0: i64 = dim(%x) {axis=0}
      kernel(%x.0, %x.written, 0:i64, 1:i64, %x, 0:i64, 1:i64) {f='same.f64', rank=1, inputs=(('a', 0),), results=(('into', 0),), fails=False}
      return %y
    }

    fn g(%a: f64[m]) -> (f64) {
    entry:
      store(%a, 0:i64, 1.0:f64)
      return 2.0:f64
    }

    fn g.apart(%a: f64[m]) -> (f64, f64[m]) {
    entry:
      %a.copy: f64[m] = copy(%a)
      call g(%a.copy) then done()
    done(%r0: f64):
      return %r0, %a.copy
    }

    fn same.f64(%a: f64) -> (f64) {
    entry:
      return %a
    }
    """
    changed, wrappers = False, {}  # type: tuple[bool, dict[Any, str]]
    for f in list(program.functions.values()):
        for block in f.blocks.values():
            for let in list(block.lets):
                if TABLE[let.op].calls == PLAIN and not let.attrs.get("apart"):
                    _Explicit(program, f, block, let, wrappers).run()
                    changed = True
    return changed


class _Explicit:
    """One checkpoint."""

    def __init__(self, program: Program, f: Function, block: Block, let: Let, wrappers: dict[Any, str]) -> None:
        self.program, self.f, self.block, self.let, self.wrappers = program, f, block, let, wrappers
        self.callee = program.functions[let.attrs["f"]]
        self.aliases = Aliases(program)
        self.own = Aliases(Program(dict(_reachable(program, self.callee.name)), self.callee.name))
        self.fresh = Fresh(f)

    def run(self) -> None:
        let, params = self.let, self.callee.params
        first = {a: i for i, a in reversed(list(enumerate(let.args))) if isinstance(a.type, Array)}  # an array that is given twice is one
        places = [first.get(a, i) for i, a in enumerate(let.args)]
        written = {places[i] for i, p in enumerate(params) if isinstance(p.type, Array) and self.own.is_written(p)}
        for i in written:
            self.check_written(i)
        known = [self.known(r, places) for r in range(len(let.outs))]
        new = [r for r, k in enumerate(known) if k is None and isinstance(let.outs[r].type, Array)]
        copied = {r for r in new if self.may_be_known(r, new)}
        if written or copied or any(k is not None for k in known) or places != list(range(len(places))):
            self.replace(places, sorted(written), known, copied)
        let.attrs = {**let.attrs, "apart": True}

    def check_written(self, i: int) -> None:
        """No other argument is the memory of one that is written."""
        apart = Apart(self.f, self.aliases)
        for a in self.let.args:
            if isinstance(a.type, Array) and a is not self.let.args[i] and not apart(self.let.args[i], a):
                self.refuse("writes into an array which may be another of its arguments, too")

    def refuse(self, what: str) -> None:
        raise errors.UnsupportedOperationError(
            f"the checkpointed function `{self.callee.name}` {what} ({self.let.site}): it is to run again as if for the first time, so let it return new arrays"
        )

    # ---- its results
    def returned(self, r: int) -> list[Atom]:
        return [b.terminator.args[r] for b in self.callee.blocks.values() if isinstance(b.terminator, Return)]

    def known(self, r: int, places: list[int]) -> Var | None:
        """The array that a result is sure to be: an argument, or an earlier result."""
        if not isinstance(self.let.outs[r].type, Array):
            return None
        found = self.returned(r)
        for i, p in enumerate(self.callee.params):
            if found and all(a is p for a in found):
                return self.let.args[places[i]]  # type: ignore[return-value]
        return next((self.let.outs[q] for q in range(r) if found and self.returned(q) == found), None)

    def may_be_known(self, r: int, new: list[int]) -> bool:
        """Need it be copied to be a new array? Whoever writes into one that may be another sees whether it is."""
        roots = {self.own.root(a) for a in self.returned(r)}
        others: list[tuple[Atom, Atom]] = [
            (a, p) for a, p in zip(self.let.args, self.callee.params, strict=True) if isinstance(p.type, Array)
        ]
        others += [(self.let.outs[q], a) for q in new if q != r for a in self.returned(q)]
        found = [a for a, inner in others if self.own.root(inner) in roots]
        if found and any(map(self.aliases.is_written, (self.let.outs[r], *found))):
            self.refuse("returns an array that may be one of its arguments, or another result, and is written")
        return bool(found)

    # ---- the function around it
    def replace(self, places: list[int], written: list[int], known: list[Var | None], copied: set[int]) -> None:
        let, args = self.let, self.let.args
        new = [r for r, k in enumerate(known) if k is None]
        own = [i for i, place in enumerate(places) if i == place]
        key = self.callee.name, *map(tuple, (places, written, new, sorted(copied)))
        if key not in self.wrappers:
            self.wrappers[key] = self.wrapper(places, own, written, new, copied)
        outs = [self.fresh(f"{args[i].name}.written", args[i].type) for i in written]  # type: ignore[union-attr]
        substitute(self.f.blocks.values(), {let.outs[r]: k for r, k in enumerate(known) if k is not None})
        let.outs = (*(let.outs[r] for r in new), *outs)
        let.args, let.attrs = tuple(args[i] for i in own), {**let.attrs, "f": self.wrappers[key]}
        at = self.block.lets.index(let) + 1
        self.block.lets[at:at] = [
            one for i, out in zip(written, outs, strict=True) for one in write_back(self.program, self.fresh, args[i], out, let.site)
        ]

    def wrapper(self, places: list[int], own: list[int], written: list[int], new: list[int], copied: set[int]) -> str:
        params = self.callee.params
        copies = {i: Var(f"{params[i].name}.copy", params[i].type) for i in written}
        results = [Var(f"r{r}", t) for r, t in enumerate(self.callee.results)]
        last = {r: Var(f"r{r}.copy", results[r].type) for r in copied}
        entry = Block("entry", [], [Let((c,), COPY.name, (params[i],)) for i, c in copies.items()])
        entry.terminator = Call(self.callee.name, tuple(copies.get(i, params[i]) for i in places), Edge("done"))
        done = Block("done", results, [Let((c,), COPY.name, (results[r],)) for r, c in last.items()])
        done.terminator = Return((*(last.get(r, results[r]) for r in new), *copies.values()))
        types = tuple(a.type for a in done.terminator.args)
        name = unused(self.program, f"{self.callee.name}.apart")
        self.program.functions[name] = Function(name, [params[i] for i in own], {"entry": entry, "done": done}, types)
        return name


class Fresh:
    """Makes variables whose names a function does not have yet."""

    def __init__(self, f: Function) -> None:
        self.names = {v.name for v in (*f.params, *(v for b in f.blocks.values() for v in defined_vars(b)))}

    def __call__(self, name: str, t: Any) -> Var:
        while name in self.names:
            name += "_"
        self.names.add(name)
        return Var(name, t)


def write_back(program: Program, fresh: Fresh, array: Any, new: Var, site: Any) -> list[Let]:
    """array[...] = new"""
    t = array.type
    sizes = [fresh(f"{array.name}.{axis}", I64) for axis in range(t.rank)]
    dims = [Let((n,), DIM.name, (array,), {"axis": axis}) for axis, n in enumerate(sizes)]
    every = (ZERO,) * t.rank, (ONE,) * t.rank, tuple(range(t.rank))
    f = _identity(program, element(t.dtype))
    return [*dims, Kernel(f, [*sizes], [Access(new, *every)], [Result("into", (), Access(array, *every))], site, {"fails": False}).let()]


def _identity(program: Program, t: Scalar) -> str:
    name = f"same.{t}"
    if name not in program.functions:
        a = Var("a", t)
        program.functions[name] = Function(name, [a], {"entry": Block("entry", [], [], Return((a,)))}, (t,))
    return name


def unused(program: Program, name: str) -> str:
    while name in program.functions:
        name += "_"
    return name


def _reachable(program: Program, name: str) -> Iterator[tuple[str, Function]]:
    """What a function calls, itself included."""
    seen, work = {name}, [name]
    while work:
        f = program.functions[work.pop()]
        yield f.name, f
        new = [g for g in called(f) if g not in seen]
        seen.update(new)
        work += new
