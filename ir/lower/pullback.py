"""`y, dx = pullback[f](x, c)` in code that runs forward: one reverse pass, started here.

The last continuation `k` of the pass is a function made for this place. It keeps the results, and returns their
cotangents: that is where the way back begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.graph import Atom, Let, Var
from ..core.types import PTR, Array, Scalar, Struct, carries_gradient
from .function import types_of, zeros_like
from .low import Body, Place, code, minus_zero


def result_types(t: Any) -> list[Any]:
    """What a continuation is given for a result; an array has an adjoint where it can have one."""
    return types_of(t, carries_gradient(t))


def lower_pullback(context: Any, body: Body, let: Let, args: Sequence[Atom]) -> list[Atom]:
    """The outs of a pullback of these arguments."""
    rev = context.of_pullback(let)
    f = rev.function
    own = len(f.params)
    cotangents = dict(zip(let.attrs["ct"], args[own:], strict=True))
    if context.on_tape(rev):
        passed, adjoints = _arguments(body, rev, args)
        known, back = there_and_back(body, rev, passed, cotangents)
        return [*known, *(adjoints[i] if i in adjoints else back[i] for i in let.attrs["wrt"])]
    env_type, env = _environment(context, body, f.results, cotangents)
    passed, adjoints = _arguments(body, rev, args)
    mark = body.let("mark", [], PTR)
    k = f"k.{context.low.unique()}.{f.name}"
    active = active_scalars(rev)
    found = body.call(context.reverse(rev), [*passed, code(k), env], [f.params[i].type for i in active])
    returned = dict(zip(active, found, strict=True))
    body.emit("release", [mark])
    results = {r: _result(body, t, Place(env, env_type, (f"r{r}",))) for r, t in reversed(list(enumerate(f.results)))}  # last first
    _last_continuation(context, k, f, env_type, cotangents)
    return [*(results[r] for r in range(len(f.results))), *(adjoints[i] if i in adjoints else returned[i] for i in let.attrs["wrt"])]


def there_and_back(body: Body, rev: Any, passed: Sequence[Atom], cotangents: dict[int, Atom]) -> tuple[list[Atom], dict[int, Atom]]:
    """A function on a tape: its results, and the adjoints of its scalars by position."""
    f, parts = rev.function, iter(passed)
    values = [
        next(parts) if isinstance(p.type, Scalar) or not m else (next(parts), next(parts))[0]
        for p, m in zip(f.params, rev.mask, strict=True)
    ]
    start = body.let("mark", [], PTR)
    results = body.call(f"t.{rev.name}", values, f.results)
    top = body.let("top", [], PTR)
    back = [cotangents.get(r, minus_zero(t)) for r, t in enumerate(f.results) if carries_gradient(t)]
    active = active_scalars(rev)
    *found, _ = body.call(f"b.{rev.name}", [*passed, *back, top], [*(f.params[i].type for i in active), PTR])
    body.emit("release", [start])
    return list(results), dict(zip(active, found, strict=True))


def active_scalars(rev: Any) -> list[int]:
    """The parameters whose adjoints a function in reverse returns."""
    return [i for i, (p, m) in enumerate(zip(rev.function.params, rev.mask, strict=True)) if m and isinstance(p.type, Scalar)]


def once_more(context: Any, body: Body, rev: Any, args: Sequence[Atom], cotangents: dict[int, Atom]) -> dict[int, Atom]:
    """A call of a function in reverse, whose results nobody needs: they have these adjoints. It adds to those of its arrays, and gives
    those of its scalars by position."""
    f = rev.function
    if context.on_tape(rev):
        return there_and_back(body, rev, args, cotangents)[1]
    env_type, env = _environment(context, body, (), cotangents)
    k = f"k.{context.low.unique()}.{f.name}"
    active = active_scalars(rev)
    found = body.call(context.reverse(rev), [*args, code(k), env], [f.params[i].type for i in active])
    _last_continuation(context, k, f, env_type, cotangents)
    return dict(zip(active, found, strict=True))


def _environment(context: Any, body: Body, kept: Sequence[Any], cotangents: dict[int, Atom]) -> tuple[Struct, Atom]:
    """What the last continuation is given: cotangents to hand out, and places for the results."""
    fields = [(f"r{r}", t) for r, t in enumerate(kept)] + [(f"c{r}", a.type) for r, a in cotangents.items()]
    env_type = Struct(f"env.{context.low.unique()}", tuple(fields))
    env = body.cell(env_type, "env")
    for r, a in cotangents.items():
        body.put(a, Place(env, env_type, (f"c{r}",)))
    return env_type, env


def _arguments(body: Body, rev: Any, args: Sequence[Atom]) -> tuple[list[Atom], dict[int, Atom]]:
    """The arguments, with new zero adjoints for arrays that are differentiated."""
    passed: list[Atom] = []
    adjoints: dict[int, Atom] = {}
    for i, (p, a) in enumerate(zip(rev.function.params, args, strict=False)):
        passed.append(a)
        if isinstance(p.type, Array) and rev.mask[i]:
            first = any(cover.array is p for cover in rev.covers.values()) or any(array is p for _, array in rev.firsts)
            d = zeros_like(body, a, not first)
            adjoints[i] = body.let("like", [d, a], a.type)
            passed.append(d)
    return passed, adjoints


def _last_continuation(context: Any, name: str, f: Any, env_type: Struct, cotangents: dict[int, Atom]) -> None:
    """k(env, results): keep the results that have a place, return the cotangents."""
    env = Var("env", PTR)
    given = [[Var(f"r{r}" + (".d" if j else ""), t) for j, t in enumerate(result_types(ty))] for r, ty in enumerate(f.results)]
    floats = [t for t in f.results if isinstance(t, Scalar) and carries_gradient(t)]
    body = Body(context.low, name, [env, *(x for r in given for x in r)], floats)
    returned: list[Atom] = []
    for r, t in enumerate(f.results):
        x, place = given[r][0], Place(env, env_type, (f"r{r}",))
        if f"r{r}" in env_type.numbers:
            body.put(body.let("keep", [x], t) if isinstance(t, Array) else x, place)
        if isinstance(t, Array):
            if r in cotangents and carries_gradient(t):
                add_arrays(context, body, given[r][1], body.get(Place(env, env_type, (f"c{r}",))))
        elif carries_gradient(t):
            returned.append(body.get(Place(env, env_type, (f"c{r}",))) if r in cotangents else minus_zero(t))
    body.ret(*returned)


def add_arrays(context: Any, body: Body, to: Atom, d: Atom) -> None:
    """The elements at an address += those of an array."""
    body.emit("accumulate", [to, d])


def _result(body: Body, t: Any, place: Place) -> Atom:
    x = body.get(place)
    return body.let("bring_back", [x], t) if isinstance(t, Array) else x
