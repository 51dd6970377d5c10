"""Equal operations are done once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.analysis import immediate_dominators, predecessors, reverse_postorder
from ...core.graph import Atom, Call, Const, Function, Let, Var, substitute
from ...core.kernel import made_with
from ...core.op import TABLE, written
from ...core.types import I64
from ...ops.memory import DIM
from ..sizes import Sizes
from .fold import look

Known = dict[Any, tuple[Atom, ...]]  # what operations give, by their keys; those that read memory apart from the others


def share(f: Function) -> bool:
    """One operation for equal ones in a block and in those that only it leads to. Stores and calls end what loads know. One atom for
    sizes of one dimension, in all that it dominates.

    fn f(%x: f64[n], %y: f64[n + 1], %i: i64) -> (f64, i64) {
    entry:
      %a: f64 = load(%x, %i)
      %b: f64 = load(%x, %i)
      %c: f64 = mul(%a, %b)
      %n: i64 = dim(%x) {axis=0}
      %m: i64 = dim(%y) {axis=0}
      %k: i64 = isub(%m, 1:i64)
      return %c, %k
    }
    ->
    fn f(%x: f64[n], %y: f64[n + 1], %i: i64) -> (f64, i64) {
    entry:
      %a: f64 = load(%x, %i)
      %c: f64 = mul(%a, %a)
      %n: i64 = dim(%x) {axis=0}
      %m: i64 = dim(%y) {axis=0}
      return %c, %n
    }
    """
    mapping: dict[Var, Atom] = {}
    changed = False
    pred = predecessors(f)
    sizes = Sizes(f) if any(TABLE[let.op].measures and let.outs for b in f.blocks.values() for let in b.lets) else None
    above = immediate_dominators(f) if sizes is not None else {}
    at_end: dict[str, tuple[Known, Known]] = {}
    for name in reverse_postorder(f):
        block = f.blocks[name]
        before = pred[name]
        known, loaded = _there(at_end, before, above.get(name))
        kept = []
        for let in block.lets:
            if mapping and any(a in mapping for a in let.args if isinstance(a, Var)):
                let.args = tuple(look(mapping, a) for a in let.args)
            if written(let):
                loaded = {}
            elif not TABLE[let.op].whole:
                key = _key(let, sizes)
                there = loaded if TABLE[key[0]].reads else known
                first = (Const(key[1], I64),) if isinstance(key[1], int) else there.setdefault(key, let.outs)
                if first is not let.outs:
                    mapping.update(zip(let.outs, first, strict=True))
                    changed = True
                    continue
            kept.append(let)
            if sizes is not None:
                for v, atoms in made_with(let):
                    for axis, n in enumerate(atoms):
                        known.setdefault((DIM.name, sizes.dim(v, axis)), (n,))
        block.lets = kept
        if isinstance(block.terminator, Call):
            loaded = {}
        at_end[name] = known, loaded
    if mapping:
        substitute(f.blocks.values(), mapping)
    return changed


def _key(let: Let, sizes: Sizes | None) -> tuple[Any, ...]:
    """Equal for operations that give the same. Sizes of one dimension are equal, whatever arrays they are sizes of."""
    if sizes is not None and let.outs and (d := sizes.of_size(let)) is not None:
        return DIM.name, d
    return let.op, tuple(a if isinstance(a, Var) else (a.type, repr(a.value)) for a in let.args), repr(let.attrs)


def _there(at_end: dict[str, tuple[Known, Known]], before: Sequence[str], above: str | None) -> tuple[Known, Known]:
    """What is known where a block begins that comes after these, and that `above` dominates."""
    if len(before) == 1:
        known, loaded = at_end[before[0]]
        return dict(known), dict(loaded)
    return _of_sizes(at_end[above][0]) if before and above is not None else {}, {}


def _of_sizes(known: Known) -> Known:
    """What may be used far from where it has been computed: sizes, which arrays keep beside them."""
    return {k: v for k, v in known.items() if TABLE[k[0]].measures}
