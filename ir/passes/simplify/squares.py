"""The square of a root is smooth where the root is not."""

from __future__ import annotations

from ...core.graph import Function
from ...core.op import TABLE


def squares(f: Function) -> bool:
    """The same value, and a derivative where the root has none: at 0.

    fn f(%x: f64) -> (f64) {
    entry:
      %z: f64 = sqrt(%x)
      %y: f64 = mul(%z, %z)
      return %y
    }
    ->
    fn f(%x: f64) -> (f64) {
    entry:
      %z: f64 = sqrt(%x)
      %y: f64 = root_squared(%x)
      return %y
    }
    """
    made = {let.out: let for b in f.blocks.values() for let in b.lets if len(let.outs) == 1 and TABLE[let.op].squared}
    changed = False
    for b in f.blocks.values() if made else ():
        for let in b.lets:
            x = let.args[0] if let.args else None
            is_square = TABLE[let.op].square
            if x in made and is_square is not None and is_square(let):
                maker = made[x]
                let.op, let.args, let.attrs = TABLE[maker.op].squared.name, maker.args, {}
                changed = True
    return changed
