"""Forward mode of kernels."""

from __future__ import annotations

from typing import Any

from ...core.graph import Let, Var
from ...core.kernel import SMOOTH, SUMS, Access, Gather, Kernel, Result, Same, kernel_of, varies
from ...core.types import carries_gradient


def kernel(forward: Any, let: Let) -> None:
    """One kernel for values and tangents."""
    k, active = kernel_of(let), forward.activity.__contains__
    body = forward.program.functions[k.f]
    mask = [varies(x, active) and carries_gradient(p.type) for x, p in zip(k.inputs, body.params, strict=True)]
    new: list[Any] = [_input(forward, x) for x in k.inputs]
    new += [_input(forward, x, True) for _ in forward.each() for x, m in zip(k.inputs, mask, strict=True) if m]
    results = [
        Result(r.kind, r.axes, _access(forward, r.into) if r.into else None, _out(forward, r.out), _input(forward, r.start))
        for r in k.results
    ]
    floats = [r for r, t in zip(k.results, body.results, strict=True) if carries_gradient(t)]
    results += [_moved(forward, r) for _ in forward.each() for r in floats]
    made = Kernel(forward.jvp_of(k.f, mask), [forward.atom(n) for n in k.sizes], new, results, let.site, k.extra)
    assert forward.builder.current is not None
    forward.builder.current.lets.append(made.let())


def _moved(forward: Any, r: Result) -> Result:
    """Where the tangent of a kernel's result goes."""
    there = r.into.base if r.into else r.out
    if r.kind not in SMOOTH or there is None or there not in forward.activity:
        return Result("drop")
    if r.into is not None:
        return Result(r.kind, r.axes, _access(forward, r.into, True))
    forward.tangents[there] = out = forward.builder.fresh(forward.of(there.type))
    return Result("sum" if r.kind in SUMS else r.kind, r.axes, None, out)


def _out(forward: Any, out: Var | None) -> Var | None:
    if out is not None:
        forward.values[out] = forward.builder.fresh(out.type)
        return forward.values[out]  # type: ignore[no-any-return]
    return None


def _input(forward: Any, x: Any, tangent: bool = False) -> Any:
    if isinstance(x, Access):
        return _access(forward, x, tangent)
    if isinstance(x, Gather):
        return Gather(forward.tangent(x.base) if tangent else forward.atom(x.base), x.place)
    return Same(forward.tangent(x.atom) if tangent else forward.atom(x.atom)) if isinstance(x, Same) else x


def _access(forward: Any, x: Access, tangent: bool = False) -> Access:
    base = forward.tangent(x.base) if tangent else forward.atom(x.base)
    return Access(base, tuple(map(forward.atom, x.starts)), tuple(map(forward.atom, x.steps)), x.axes)
