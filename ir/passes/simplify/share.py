"""Equal operations are done once."""

from __future__ import annotations

from typing import Any

from ...core.analysis import predecessors, reverse_postorder
from ...core.dims import UNKNOWN
from ...core.graph import Atom, Call, Function, Let, Var, substitute
from ...core.op import TABLE, written
from ...core.types import Array
from .fold import look


def share(f: Function) -> bool:
    """One operation for equal ones in a block and in those that only it leads to. Stores and calls end what loads know.

    fn f(%x: f64[?], %i: i64) -> (f64) {
    entry:
      %a: f64 = load(%x, %i)
      %b: f64 = load(%x, %i)
      %c: f64 = mul(%a, %b)
      return %c
    }
    ->
    fn f(%x: f64[?], %i: i64) -> (f64) {
    entry:
      %a: f64 = load(%x, %i)
      %c: f64 = mul(%a, %a)
      return %c
    }
    """
    mapping: dict[Var, Atom] = {}
    changed = False
    pred = predecessors(f)
    at_end: dict[str, dict[Any, Let]] = {}
    for name in reverse_postorder(f):
        block = f.blocks[name]
        before = pred[name]
        known = dict(at_end[before[0]]) if len(before) == 1 else {}
        kept = []
        for let in block.lets:
            if mapping and any(a in mapping for a in let.args if isinstance(a, Var)):
                let.args = tuple(look(mapping, a) for a in let.args)
            if written(let):
                known = _unread(known)
            elif not TABLE[let.op].whole:
                key = _key(let)
                first = known.setdefault(key, let)
                if first is not let:
                    mapping.update(zip(let.outs, first.outs, strict=True))
                    changed = True
                    continue
            kept.append(let)
        block.lets = kept
        if isinstance(block.terminator, Call):
            known = _unread(known)
        at_end[name] = known
    if mapping:
        substitute(f.blocks.values(), mapping)
    return changed


def _key(let: Let) -> tuple[Any, ...]:
    """Equal for operations that give the same. Sizes of one dimension are equal, whatever arrays they are sizes of."""
    if TABLE[let.op].measures and let.outs:
        t = let.args[0].type
        assert isinstance(t, Array)
        if (d := t.dims[let.attrs["axis"]]) != UNKNOWN:
            return let.op, d
    return let.op, tuple(a if isinstance(a, Var) else (a.type, repr(a.value)) for a in let.args), repr(let.attrs)


def _unread(known: dict[Any, Let]) -> dict[Any, Let]:
    """What is known after memory has been written to."""
    return {k: v for k, v in known.items() if not TABLE[k[0]].reads}
