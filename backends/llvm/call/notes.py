"""What is kept beside machine code: where its sites are in the program, whichever file that stands in, and which loops have parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....ir.core.graph import Program, Site


def graph_sites(program: Program, names: Sequence[str]) -> list[Site]:
    """All sites in these functions, in the order in which they are written."""
    blocks = [b for name in names for b in program.functions[name].blocks.values()]
    nodes = [n for b in blocks for n in (*b.lets, b.terminator)]
    sites = [getattr(n, "site", None) for n in nodes]
    return [s for s in sites if s is not None]


def places(mine: Sequence[Site], sites: Sequence[Site | None]) -> list[Any] | None:
    """Sites of the code as parts of the program, whichever file that stands in: the number of one of `mine`; that and a
    detail, for what was derived from it; or a name and a detail, where there is no place. None if it cannot be said."""
    numbers = {id(s): i for i, s in enumerate(mine)}
    out: list[Any] = []
    for s in sites:
        if s is None or id(s) in numbers:
            out.append(None if s is None else numbers[id(s)])
        elif id(s.origin) in numbers:
            out.append([numbers[id(s.origin)], s.detail])
        elif not s.filename and s.exception is None:
            out.append([s.function, s.detail])
        else:
            return None
    return out


def placed(mine: Sequence[Site], x: Any) -> Site | None:
    """The site that `places` has written as `x`."""
    if x is None or isinstance(x, int):
        return None if x is None else mine[x]
    where, detail = x
    if isinstance(where, str):
        return Site("", 0, where, detail)
    origin = mine[where]
    return Site(origin.filename, origin.line, origin.function, detail, None, origin)


def sound(notes: dict[str, Any], n: int) -> bool:
    """Are these notes on the code of a program with n sites?"""

    def number(x: Any) -> bool:
        return type(x) is int and 0 <= x < n

    def site(x: Any) -> bool:
        pair = isinstance(x, list) and len(x) == 2 and (number(x[0]) or isinstance(x[0], str)) and isinstance(x[1], str)
        return x is None or number(x) or pair

    policies, parallel, needs, sites = (notes.get(k) for k in ("policies", "parallel", "needs", "sites"))
    return (
        isinstance(policies, dict)
        and all(isinstance(v, str) for v in policies.values())
        and isinstance(needs, list)
        and all(isinstance(v, str) for v in needs)
        and isinstance(sites, list)
        and all(map(site, sites))
        and isinstance(parallel, dict)
        and all(isinstance(x, (list, tuple)) and len(x) == 2 and type(x[1]) is int and 0 <= x[1] < len(sites) for x in parallel.values())
    )


def loops(program: Program) -> dict[str, str]:
    """Which loops that are no kernels have parts that several threads run, and why the others have none."""
    run = {f.name: f for f in program.functions.values() if f.parts}
    sites = {name: next((let.site for b in f.blocks.values() for let in b.lets if let.site), None) for name, f in run.items()}
    found = {name.removesuffix(".part"): shown("parts of its iterations", site) for name, site in sites.items()}
    return found | {name: shown(why, site) for name, (why, site) in program.whole.items()}


def shown(what: str, site: Site | None) -> str:
    return f"{what} ({site})" if site is not None else what
