"""What reverse mode needs to know of each function before it runs or is emitted.

A `Reverse` is one function with one choice of active parameters: its active variables, and the functions it
needs in turn. Both the interpreter and the LLVM emitter work from these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.analysis import Aliases
from ..core.graph import Call, Function, Let, Program, Var
from ..core.types import carries_gradient
from .activity import Activity, active
from .forward.forward_over_reverse import differentiated

Key = tuple[str, tuple[bool, ...], tuple[bool, ...]]


@dataclass
class Reverse:
    """`mask` marks the active parameters, `results` the results that have an adjoint. `covers` are the loads that write
    an adjoint first (loops/coverage.py): their arrays' adjoints come here without zeros."""

    function: Function
    mask: tuple[bool, ...]
    activity: Activity
    results: tuple[bool, ...]
    name: str
    covers: dict[Let, Any] = field(default_factory=dict)
    firsts: dict[tuple[Let, Any], bool] = field(default_factory=dict)  # kernels that do the same, each with its parameter
    memory: Any = None  # what is known of its arrays, from when the program is closed (memory.py)


class Reverses:
    """All reverse functions of a program, made when first asked for."""

    def __init__(self, program: Program) -> None:
        """Of the program as it is: a function that is added later may join arrays that are apart now."""
        self.program = program
        self.made: dict[Key, Reverse] = {}
        self.aliases = Aliases(program)
        self.starts: dict[str, Reverse] = {}  # by name: what a reverse pass starts with, where that is not the function itself
        self._adjoints: dict[Var, Var] = {}

    def adjoint_class(self, v: Var) -> Var:
        """Stands for the adjoints of the arrays that may be the same memory as v."""
        root = self.aliases.root(v)
        return self._adjoints.setdefault(root, Var("d", root.type))

    def get(self, name: str, mask: Sequence[bool], wanted: Sequence[bool] | None = None) -> Reverse:
        """`wanted` marks the results that have a cotangent, None all of them: the others' is a zero that nothing multiplies."""
        f = self.program.functions[name]
        full = tuple(bool(m) and carries_gradient(p.type) for m, p in zip(mask, f.params, strict=True))
        smooth = tuple(carries_gradient(t) for t in f.results)
        results = smooth if wanted is None else tuple(bool(w) and s for w, s in zip(wanted, smooth, strict=True))
        key = (name, full, results)
        if key not in self.made:
            marks = "".join("x" if m else "o" for m in full)
            if results != smooth:
                marks += "." + "".join("x" if m else "o" for m in results)
            activity = active(f, full, self.aliases, results)
            self.made[key] = Reverse(f, full, activity, results, f"{name}.{marks}")
        return self.made[key]

    def of_pullback(self, let: Let) -> Reverse:
        f = self.program.functions[let.attrs["f"]]
        return self.get(
            f.name, [i in let.attrs["wrt"] for i in range(len(f.params))], [r in let.attrs["ct"] for r in range(len(f.results))]
        )

    def of_checkpoint(self, rev: Reverse, let: Let) -> Reverse:
        """Its function on the way back."""
        return self.get(let.attrs["f"], [a in rev.activity for a in let.args], [o in rev.activity for o in let.outs])

    def of_call(self, rev: Reverse, call: Call) -> Reverse:
        results = rev.function.blocks[call.then.block].params[: len(self.program.functions[call.function].results)]
        return self.get(call.function, [a in rev.activity for a in call.args], [r in rev.activity for r in results])


def adjoint_of_pullback(program: Program, let: Let, activity: Activity) -> tuple[Let, list[int], list[int]]:
    """The backward pass of `y, dx = pullback[g](x, c)` as one Let to run on the way back.

    With cotangents dy of y and v of dx it is pullback[F](x, v; cotangents dy of y, c of ty) for F = jvp g:
    the adjoints of x, of t (not needed: that is dx again), and ty = J v, the adjoint of c.
    The Let has no arguments: they are (x.., v of the mask.., dy.., c..). Besides: the results that are floats, in the order of
    their tangents among the outs, and those of them that have a dy.
    """
    g = program.functions[let.attrs["f"]]
    name, _, own = differentiated(program, let, [False] * len(let.args), dual=False)
    floats = [i for i, t in enumerate(g.results) if carries_gradient(t)]
    given = [i for i in floats if let.outs[i] in activity]
    wrt = tuple(i for i in range(own) if let.args[i] in activity)
    types = [*g.results, *(g.results[i] for i in floats), *(g.params[p].type for p in wrt)]
    outs = tuple(Var(f"adj{i}", t) for i, t in enumerate(types))
    ct = (*given, *(len(g.results) + floats.index(r) for r in let.attrs["ct"]))
    attrs = {"f": name, "wrt": wrt, "ct": ct, "cotangents": len(ct)}
    return Let(outs, "pullback", (), attrs), floats, given
