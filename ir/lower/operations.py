"""Operations in reverse mode: functions that take a continuation pointer.

    fn op.mul.f64.f64.aa(%x0: ptr, %x1: ptr, %z: ptr, %k: code, %frame: ptr) -> ()
      1 compute   z = x * y
      2 cell      dz = -0.0
      3 call      k(frame)
      4 read      g = dz
      5 add       dx += g * y;  dy += g * x

This file is the only owner of these five steps. An argument without an adjoint comes by value; one with an adjoint
is an address of {value, adjoint}. All are inlined: a back end collapses a chain of them into straight code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.graph import Const, Let, Var
from ..core.op import TABLE
from ..core.types import CODE, PTR, Type, pair
from ..diff.rules import rule_terms
from .low import Body, LowProgram, Place, Value, minus_zero

K, FRAME = "k", "frame"


def operation(program: LowProgram, name: str, params: Sequence[tuple[str, Any]]) -> tuple[Body, dict[str, Var]] | None:
    """A function to be filled; None if it is there already. The continuation and its frame are the last parameters."""
    if name in program.operations:
        return None
    given = {n: Var(n, t) for n, t in (*params, (K, CODE), (FRAME, PTR))}
    body = Body(program, name, list(given.values()), (), "always", True)
    body.shared = True
    return body, given


def go_on(body: Body, given: dict[str, Var]) -> None:
    body.emit("callk", [given[K], given[FRAME]])


def value_of(p: Var, t: Type) -> Place:
    return Place(p, pair(t), ("v",))


def adjoint_of(p: Var, t: Type) -> Place:
    return Place(p, pair(t), ("d",))


def by_rule(program: LowProgram, let: Let, active: Sequence[bool]) -> str:
    """The function of a row of the table, for such arguments."""
    pattern = "".join("a" if a else "c" for a in active)
    kinds = ".".join(str(a.type) for a in let.args)
    name = f"op.{let.op}.{kinds}.{pattern}{_attrs(let)}".replace("-", "m")
    started = operation(
        program, name, [*((f"x{i}", PTR if a else x.type) for i, (x, a) in enumerate(zip(let.args, active, strict=True))), ("z", PTR)]
    )
    if started is None:
        return name
    body, given = started
    t = let.out.type
    xs = [
        body.get(value_of(given[f"x{i}"], x.type)) if a else given[f"x{i}"] for i, (x, a) in enumerate(zip(let.args, active, strict=True))
    ]
    z = body.let(let.op, xs, t, **let.attrs)  # 1
    body.put(z, value_of(given["z"], t))
    body.put(minus_zero(t), adjoint_of(given["z"], t))  # 2
    go_on(body, given)  # 3
    g = Value(body, body.get(adjoint_of(given["z"], t)))  # 4
    terms = rule_terms(program.sources, let, active, g, Value(body, z), *(Value(body, x) for x in xs))
    for i, (x, term) in enumerate(zip(let.args, terms, strict=True)):  # 5
        if term is not None:
            body.accumulate(adjoint_of(given[f"x{i}"], x.type), term.atom)
    body.ret()
    return name


def kept(program: LowProgram, let: Let, active: Sequence[bool], partials: Sequence[int]) -> str:
    """The same of an operation that has run before: its result and derivatives come from a tape. dx += dz * partial; where no
    derivative was kept, the rule needs the result alone."""
    pattern = "".join("p" if i in partials else "a" if a else "c" for i, a in enumerate(active))
    name = f"op.{let.op}.{let.out.type}.{pattern}{_attrs(let)}.kept".replace("-", "m")
    t = let.out.type
    params: list[tuple[str, Any]] = [(f"x{i}", PTR) for i, a in enumerate(active) if a]
    started = operation(program, name, [*params, ("kept", t), *((f"p{i}", let.args[i].type) for i in partials), ("z", PTR)])
    if started is None:
        return name
    body, given = started
    body.put(given["kept"], value_of(given["z"], t))  # 1
    body.put(minus_zero(t), adjoint_of(given["z"], t))  # 2
    go_on(body, given)  # 3
    g = Value(body, body.get(adjoint_of(given["z"], t)))  # 4
    nothing, by_rule = [Value(body, zero_of(a.type)) for a in let.args], [a and i not in partials for i, a in enumerate(active)]
    terms = rule_terms(program.sources, let, by_rule, g, Value(body, given["kept"]), *nothing)
    for i, a in enumerate(let.args):  # 5
        if active[i]:
            term = TABLE["mul"](g, Value(body, given[f"p{i}"])) if i in partials else terms[i]
            if term is not None:
                body.accumulate(adjoint_of(given[f"x{i}"], a.type), term.atom)
    body.ret()
    return name


def load(program: LowProgram, t: Type, first: bool = False) -> str:
    """z = *p; k; *dp += dz. The first to touch a fresh adjoint writes it, plus 0.0 as if it had been added."""
    name = f"op.load.{t}{'.first' if first else ''}"
    started = operation(program, name, [("p", PTR), ("dp", PTR), ("z", PTR)])
    if started is None:
        return name
    body, given = started
    body.put(body.get(Place(given["p"], t)), value_of(given["z"], t))  # 1
    body.put(minus_zero(t), adjoint_of(given["z"], t))  # 2
    go_on(body, given)  # 3
    d = body.get(adjoint_of(given["z"], t))  # 4
    if first:
        body.put(body.let("add", [d, Const(0.0, t)], t), Place(given["dp"], t))
    else:
        body.accumulate(Place(given["dp"], t), d)  # 5
    body.ret()
    return name


def store(program: LowProgram, t: Type, active: bool) -> str:
    """A reversible store: old = *p; *p = v; k; dv += *dp; *dp = 0; *p = old. Its cell is the array's own."""
    name = f"op.store.{t}.{'a' if active else 'c'}"
    started = operation(program, name, [("p", PTR), ("dp", PTR), ("v", PTR if active else t)])
    if started is None:
        return name
    body, given = started
    old = body.get(Place(given["p"], t))
    body.put(body.get(value_of(given["v"], t)) if active else given["v"], Place(given["p"], t))  # 1, 2
    go_on(body, given)  # 3
    take_back(body, given, t, active)
    body.put(old, Place(given["p"], t))
    body.ret()
    return name


def silent_store(program: LowProgram, t: Type, active: bool) -> str:
    """The way back of a store that has been undone already: k; dv += *dp; *dp = 0."""
    name = f"op.store.{t}.{'a' if active else 'c'}.silent"
    started = operation(program, name, [("dp", PTR), ("v", PTR if active else t)])
    if started is None:
        return name
    body, given = started
    go_on(body, given)
    take_back(body, given, t, active)
    body.ret()
    return name


def take_back(body: Body, given: dict[str, Var], t: Type, active: bool) -> None:
    if active:
        body.accumulate(adjoint_of(given["v"], t), body.get(Place(given["dp"], t)))  # 4, 5
    body.put(minus_zero(t), Place(given["dp"], t))


def zero_of(t: Any) -> Const:
    """Of a type, where nobody reads it."""
    return Const({"i64": 0, "bool": False}.get(t.name, 0.0), t)


def _attrs(let: Let) -> str:
    return "".join(f".{k}.{v}" for k, v in let.attrs.items() if type(v) is not tuple)
