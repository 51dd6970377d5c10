"""The way back of a kernel is a kernel around the derivative of its scalar function, as a function of the program.

    %z = kernel(%n, %x, 0, 1, %y, 0, 1) {f='mul', inputs=(('a', 0), ('a', 0)), results=(('map',),)}

    fn mul.back(%x, %y, %g) -> (f64, f64) { .. return %g * %y, %g * %x }

    fn f.xx.1.back(%n, %x, %y, %z', %x', %y') -> () {
      kernel(%n, %x, 0, 1, %y, 0, 1, %z', 0, 1, %x', 0, 1, %y', 0, 1)
        {f='mul.back', inputs=(('a', 0), ('a', 0), ('a', 0)), results=(('add', 0), ('add', 0))}

An array that was written has its adjoint read and cleared, and its elements put back. Adjoints of scalars are the function's results.
Where values are kept for the way back there is a function for the way there, too: the kernel with more results. Such functions are run
in reverse passes; nobody differentiates them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.builder import Operand
from ..core.graph import Atom, Const, Function, Let, Program, Return, Var
from ..core.kernel import ONE, SMOOTH, SUMS, ZERO, Access, Gather, Result, Same, expensive, kernel_of, varied_results, varies
from ..core.op import TABLE
from ..core.types import Array, Scalar, Type, carries_gradient, element
from .scalars import Each, collect, prune, reverse, scalar_function
from .ways import Adjoint, Given, Input, Nests, Places


class KernelAdjoint:
    """Makes the functions of one kernel in one reverse function."""

    def __init__(self, program: Program, let: Let, activity: Any, name: str) -> None:
        self.program, self.activity, self.name = program, activity, name
        self.k = kernel_of(let)
        self.body = program.functions[self.k.f]
        has = activity.__contains__
        self.mask = [varies(x, has) and carries_gradient(p.type) for x, p in zip(self.k.inputs, self.body.params, strict=True)]
        smooth = varied_results(self.body, self.mask)
        self.live = [
            j
            for j, (s, r) in enumerate(zip(smooth, self.k.results, strict=True))
            if s and r.kind in SMOOTH and (r.into is not None or r.out in activity)
        ]
        self.groups = {self.term(i): x for i, x in enumerate(self.k.inputs) if self.mask[i] and isinstance(x, Access)}
        self.kept = self._heavy()
        self.mapped = self._mapped()
        self.f, self.takes, self.terms = self._pulled()

    # ---- what is kept
    def _heavy(self) -> list[Var]:
        """Values of the scalar function that are too dear to compute again, and that derivatives may read."""
        varied = {p for p, m in zip(self.body.params, self.mask, strict=True) if m}
        for x in self.body.entry.lets:
            if any(a in varied for a in x.args):
                varied.add(x.out)
        beside = {a for x in self.body.entry.lets if x.out in varied for a in (*x.args, x.out)}
        return [x.out for x in self.body.entry.lets if TABLE[x.op].cost == "heavy" and x.out in beside]

    def _mapped(self) -> dict[Var, Var]:
        """Values of dear operations that are the elements of a result."""
        made = {let.out: let for let in self.body.entry.lets}
        found: dict[Var, Var] = {}
        for r, a in zip(self.k.results, self.body.returned, strict=True):
            if r.kind == "map" and r.out is not None and a in made and a not in self.kept and TABLE[made[a].op].expensive:
                found[a] = r.out
        return found

    def reads(self) -> list[Var]:
        """The arrays whose elements the way back reads."""
        return [x.base for x in self.takes if isinstance(x, (Access, Gather))] + [v for v in self.mapped.values() if v in self.takes]

    def keeps_partials(self, firsts: set[Var]) -> bool:
        """Is this one sum of a dear function, all of whose active inputs are arrays whose adjoints it is the first to touch? Then the
        derivatives are written where the adjoints will be. (log-sum-exp: one exp instead of two.)"""
        k = self.k
        if len(k.results) != 1 or k.results[0].kind not in SUMS or not expensive(self.body):
            return False
        active = [x for x, m in zip(k.inputs, self.mask, strict=True) if m]
        return all(isinstance(x, Access) and x.base in firsts and sorted(x.axes) == list(range(len(k.sizes))) for x in active)

    # ---- scalar functions
    def term(self, i: int) -> Any:
        """Of an active input: equal for those whose terms go to one place."""
        x = self.k.inputs[i]
        if isinstance(x, Access):
            return "a", x.base, x.starts, x.steps, x.axes
        return ("s", x.atom) if isinstance(x, Same) else ("g", i)

    def _scalar(self, name: str, build: Callable[[Each], Sequence[Operand]]) -> tuple[Function, list[Any]]:
        """A scalar function, and what its parameters are."""
        f, takes = scalar_function(self.program, name, self.k.site, build)
        self.program.functions[name] = f
        return f, takes

    def _pulled(self) -> tuple[Function, list[Any], list[Any]]:
        """The derivative; what its parameters are (inputs, results for their cotangents, kept values, arrays that have the values), and
        the places of its results."""
        places: list[Any] = []

        def build(each: Each) -> list[Operand]:
            for x, p in zip(self.k.inputs, self.body.params, strict=True):
                each.param(p, p.type, x)
            gs = {j: each.param(j, self.body.results[j], self.k.results[j]) for j in self.live}
            for v in (*self.kept, *self.mapped):
                each.param(v, v.type, self.mapped.get(v, v))
            each.again(self.body)
            terms = self._rules(each, gs)
            places.extend(terms)
            return list(terms.values())

        f, takes = self._scalar(f"{self.name}.each", build)
        needed = [x.place for x, m in zip(self.k.inputs, self.mask, strict=True) if m and isinstance(x, Gather)]
        self.where = prune(f, takes, needed)
        return f, [self._moved(takes[i]) for i in self.where], places

    def _moved(self, x: Any) -> Any:
        """A position is the number of a parameter."""
        return Gather(x.base, self.where[x.place]) if isinstance(x, Gather) else x

    def _rules(self, each: Each, gs: dict[int, Operand]) -> dict[Any, Operand]:
        """The sum of the terms for each place."""
        found, terms = reverse(each, self.body, self.mask, gs), dict[Any, Operand]()
        with each.terms():
            for i, p in enumerate(self.body.params):
                if self.mask[i] and p in found:
                    collect(terms, self.term(i), found[p])
        return terms

    # ---- whole functions
    def make(self, places: Places, partial: bool) -> Adjoint:
        """`partial`: as `keeps_partials` says."""
        if partial:
            del self.program.functions[self.f.name]
            return self._by_partials(places)
        old = {j: r for j, r in enumerate(self.k.results) if r.kind == "into" and r.into is not None and places.undone(r.into.base)}
        there, given, number = self._there(places, old) if old or any(v in self.takes for v in self.kept) else (None, (), {})
        whole = Nests(self.k, places)
        before = {self.key(_into(r)): whole.param("kept", number[j], self._cell(_dtype(_into(r)))) for j, r in old.items()}
        inputs = [self._taken(whole, x, before, number) for x in self.takes]
        results, atoms = self._restored(whole, old, before, inputs)
        cleared = [r.into for r in self.k.results if r.into is not None and r.into.base in self.activity]
        firsts = {t for t, x in self.groups.items() if x.base in places.firsts}
        for x in cleared:
            if self.key(x) in self.terms and self._alone(x, places):
                firsts.add(self.key(x))  # it is cleared, and then added to
            else:
                results.append(Result("fresh", x.axes, whole.adjoint_of(x)))
                atoms.append(Const(-0.0, element(_dtype(x))))
        atoms += self.f.returned
        results += [self._added(whole, t, a, t in firsts) for t, a in zip(self.terms, self.f.results, strict=True)]
        for t, x in self.groups.items():
            if x.base in places.firsts and t not in self.terms:
                results.append(self._added(whole, t, None, True))
                atoms.append(Const(0.0, element(_dtype(x))))
        self.f.entry.terminator, self.f.results = Return(tuple(atoms)), tuple(a.type for a in atoms)
        if results:
            whole.kernel(self.f.name, inputs, results)
        name, back_given = whole.finish(self.program, f"{self.name}.back")
        return Adjoint(name, back_given, tuple(t[1] for t in self.terms if t[0] == "s"), there, given)

    def key(self, x: Access) -> Any:
        return "a", x.base, x.starts, x.steps, x.axes

    def _alone(self, x: Access, places: Places) -> bool:
        """Does one term go to this array?"""
        arrays = [t[1] if t[0] == "a" else self.k.inputs[t[1]].base for t in self.terms if t[0] != "s"]
        return list(map(places.root, arrays)).count(places.root(x.base)) == 1

    def _cell(self, t: Any) -> Type:
        """What keeps one value for each point: an array of the space, whatever its sizes are."""
        return Array(t, tuple(self.program.symbols.size() for _ in self.k.sizes)) if self.k.sizes else element(t)

    def _everywhere(self, v: Var) -> Input:
        """The element of such an array at each point."""
        n = len(self.k.sizes)
        return Access(v, (ZERO,) * n, (ONE,) * n, tuple(range(n))) if isinstance(v.type, Array) else Same(v)

    def _taken(self, whole: Nests, x: Any, before: dict[Any, Var], number: dict[Any, int]) -> Input:
        """What a parameter of the derivative is, as an input."""
        if isinstance(x, Result):
            if x.into is not None:
                return whole.adjoint_of(x.into)
            assert x.out is not None
            d = whole.adjoint(x.out)
            axes = x.axes if x.kind != "map" else tuple(range(len(self.k.sizes)))
            return Access(d, (ZERO,) * len(axes), (ONE,) * len(axes), axes) if isinstance(d.type, Array) else Same(d)
        if isinstance(x, Var):
            return self._everywhere(whole.value(x) if x in self.mapped.values() else whole.param("kept", number[x], self._cell(x.type)))
        if isinstance(x, Access) and self.key(x) in before:
            return self._everywhere(before[self.key(x)])
        return whole.input(x)

    def _restored(
        self, whole: Nests, old: dict[int, Result], before: dict[Any, Var], inputs: list[Input]
    ) -> tuple[list[Result], list[Atom]]:
        """What was overwritten is put back: by the same kernel, unless that reads the array under another name."""
        roots = {whole.places.root(_into(r).base) for r in old.values()}
        read = {
            whole.places.root(x.base)
            for x in self.takes
            if isinstance(x, (Access, Gather)) and not (isinstance(x, Access) and self.key(x) in before)
        }
        results = [Result("fresh", _into(r).axes, whole.input(r.into)) for r in old.values()]
        saved = [self._everywhere(before[self.key(_into(r))]) for r in old.values()]
        types = [element(_dtype(_into(r))) for r in old.values()]
        if roots & read:
            f, _ = self._scalar(f"{self.name}.old", lambda each: [each.param(i, t, None) for i, t in enumerate(types)])
            whole.kernel(f.name, saved, results)
            return [], []
        params = [Var(f"old{i}", t) for i, t in enumerate(types)]
        self.f.params += params
        inputs += saved
        return results, list(params)

    def _added(self, whole: Nests, term: Any, t: Type | None, first: bool) -> Result:
        """Where a term goes."""
        if term[0] == "s":
            assert t is not None
            return Result("sum", (), None, whole.new(t))
        if term[0] == "g":
            x = self.k.inputs[term[1]]
            place = self.where[x.place]
            return Result("at", (place,), at=Gather(whole.adjoint(x.base), place))
        x = self.groups[term]
        return Result("first" if first else "add", x.axes, whole.adjoint_of(x))

    def _there(self, places: Places, old: dict[int, Result]) -> tuple[str, tuple[Given, ...], dict[Any, int]]:
        """The kernel, which keeps values and what it overwrites; the numbers of these."""
        whole = Nests(self.k, places)
        kept = [v for v in self.kept if v in self.takes]

        def build(each: Each) -> list[Operand]:
            for x, p in zip(self.k.inputs, self.body.params, strict=True):
                each.param(p, p.type, x)
            results = each.again(self.body)
            before = [each.param(j, element(_dtype(_into(r))), r.into) for j, r in old.items()]
            return [*results, *map(each.value, kept), *before]

        f, takes = self._scalar(f"{self.name}.there.each", build)
        results = self._results(whole)
        for t in (*(v.type for v in kept), *(_dtype(_into(r)) for r in old.values())):
            results.append(Result("map" if self.k.sizes else "sum", (), None, whole.new(self._cell(t))))
        whole.kernel(f.name, map(whole.input, takes), results).attrs.update(self.k.extra)
        name, given = whole.finish(self.program, f"{self.name}.there")
        return name, given, {key: i for i, key in enumerate((*kept, *old))}

    def _results(self, whole: Nests) -> list[Result]:
        """The kernel's own results."""

        def one(r: Result) -> Result:
            out = whole.new(r.out.type) if r.out is not None else None
            return Result(r.kind, r.axes, whole.input(r.into) if r.into is not None else None, out, whole.input(r.start))

        return list(map(one, self.k.results))

    def _by_partials(self, places: Places) -> Adjoint:
        """There the derivatives are written where adjoints will be; on the way back they are multiplied by the sum's adjoint."""
        (r,) = self.k.results
        assert r.out is not None
        terms: dict[Any, Operand] = {}

        def there(each: Each) -> list[Operand]:
            for x, p in zip(self.k.inputs, self.body.params, strict=True):
                each.param(p, p.type, x)
            results = each.again(self.body)
            terms.update(self._rules(each, {0: Operand(Const(1.0, self.body.results[0]), None)}))
            zeros = {t: Operand(Const(0.0, element(_dtype(x))), None) for t, x in self.groups.items()}
            return [*results, *(terms.get(t, zeros[t]) for t in self.groups)]

        def back(each: Each) -> list[Operand]:
            g = each.param("g", self.body.results[0], r)
            out = []
            for t, x in self.groups.items():
                p = each.param(t, element(_dtype(x)), x)
                out.append(TABLE["mul"](g if g.type == p.type else TABLE["convert"](g, to=p.type), p))
            return out

        f, takes = self._scalar(f"{self.name}.there.each", there)
        whole = Nests(self.k, places)
        own = self._results(whole)
        own += [Result("fresh", x.axes, whole.adjoint_of(x)) for x in self.groups.values()]
        whole.kernel(f.name, map(whole.input, takes), own).attrs.update(self.k.extra)
        name, given = whole.finish(self.program, f"{self.name}.there")
        scale, _ = self._scalar(f"{self.name}.each", back)
        whole = Nests(self.k, places)
        adjoints = [whole.adjoint_of(x) for x in self.groups.values()]
        whole.kernel(scale.name, [self._taken(whole, r, {}, {}), *adjoints], [Result("first", x.axes, x) for x in adjoints])
        return Adjoint(*whole.finish(self.program, f"{self.name}.back"), (), name, given)


def _into(r: Result) -> Access:
    assert r.into is not None
    return r.into


def _dtype(x: Access | Gather) -> Scalar:
    assert isinstance(x.base.type, Array)
    return x.base.type.dtype
