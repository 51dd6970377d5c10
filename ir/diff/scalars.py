"""Scalar functions that kernels run, made by derivative rules: a function of one block, backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.builder import Builder, Operand, tracing
from ..core.graph import Atom, Function, Program, Return, Site, Var
from ..core.kernel import Gather
from ..core.op import TABLE
from ..core.sites import derived_from
from ..core.types import carries_gradient
from ..passes.simplify import SIMPLIFY
from .activity import Activity, check_around
from .rules import rule_terms


class Each:
    """A scalar function under construction, and what each of its parameters is."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.takes: list[Any] = []
        self.env: dict[Any, Operand] = {}

    def param(self, key: Any, t: Any, takes: Any) -> Operand:
        self.takes.append(takes)
        self.env[key] = Operand(self.builder.parameter(t), self.builder)
        return self.env[key]

    def value(self, a: Atom) -> Operand:
        return self.env[a] if isinstance(a, Var) else Operand(a, None)

    def again(self, body: Function) -> list[Operand]:
        """The operations of a scalar function, but those whose values are parameters; its results."""
        for let in body.entry.lets:
            if let.out not in self.env:
                (out,) = self.builder.emit(let.op, tuple(self.value(a).atom for a in let.args), (let.out.type,), dict(let.attrs), let.site)
                self.env[let.out] = Operand(out, self.builder)
        return [self.value(a) for a in body.returned]

    @contextmanager
    def terms(self) -> Iterator[None]:
        """The operations that are added here are terms of adjoints."""
        assert self.builder.current is not None
        start = len(self.builder.current.lets)
        yield
        for let in self.builder.current.lets[start:]:
            let.contract = True


def scalar_function(
    program: Program, name: str, site: Site | None, build: Callable[[Each], Sequence[Operand]]
) -> tuple[Function, list[Any]]:
    """The function whose results `build` gives, and what its parameters are."""
    with tracing(program) as trace, derived_from(site), trace.building("each") as b:
        each = Each(b)
        atoms = tuple(x.atom for x in build(each))
        b.terminate(Return(atoms))
        f = b.finish(tuple(a.type for a in atoms))
    f.name = name
    SIMPLIFY.on([f])
    return f, each.takes


def reverse(each: Each, body: Function, mask: Sequence[bool], gs: dict[int, Operand]) -> dict[Any, Operand]:
    """The rules of a scalar function's operations in reverse, from the cotangents of its results; `mask` marks its active parameters.
    The adjoints of its variables."""
    varied = {p for p, m in zip(body.params, mask, strict=True) if m}
    for let in body.entry.lets:
        if TABLE[let.op].differentiable and carries_gradient(let.out.type) and any(a in varied for a in let.args):
            varied.add(let.out)
    check_around(body, Activity(varied))
    found: dict[Any, Operand] = {}
    with each.terms():
        for j, g in gs.items():
            if body.returned[j] in varied:
                collect(found, body.returned[j], g)
        for let in reversed(body.entry.lets):
            if let.out in found and let.out in varied:
                wanted = [a in varied for a in let.args]
                terms = rule_terms(each.builder.trace.functions, let, wanted, found[let.out], each.env[let.out], *map(each.value, let.args))
                for a, term in zip(let.args, terms, strict=True):
                    if term is not None:
                        collect(found, a, term)
    return found


def collect(terms: dict[Any, Operand], key: Any, term: Any) -> None:
    terms[key] = term if key not in terms else TABLE["add"](terms[key], term)


def prune(f: Function, takes: list[Any], needed: Iterable[int]) -> dict[int, int]:
    """Drop the parameters that nothing reads and no position needs; of those that stay the old and the new number."""
    used = {a for let in f.entry.lets for a in let.args} | set(f.returned)
    keep = {i for i, p in enumerate(f.params) if p in used}
    keep |= {takes[i].place for i in keep if isinstance(takes[i], Gather)} | set(needed)
    f.params = [p for i, p in enumerate(f.params) if i in keep]
    return {i: n for n, i in enumerate(sorted(keep))}
