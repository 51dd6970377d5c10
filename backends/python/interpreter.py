"""The reference interpreter: a program run by Python (forward.py), and backwards by callbacks (callbacks.py)."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...ir.core import errors
from ...ir.core.graph import Program
from ...ir.diff.close import closed
from ...ir.diff.forward import custom  # noqa: F401  # derivatives of operations of the user's
from ...ir.python import host
from ..base import Exhausted
from .callbacks import ADJOINTS, Callbacks
from .forward import VALUES, Primal, Ref
from .low import Lowered

MAX_DEPTH = 400_000


def run(program: Program, args: Sequence[Any], allowance: float = math.inf) -> tuple[list[Any], float]:
    """Run the program's entry: its results, and how much is left of the operations that it was allowed. Where these do not
    suffice, Exhausted. `args`: NumPy scalars, bools and arrays, one for each parameter but the constants; arrays are written into
    where the program does."""
    program = closed(program)
    generators = [x for x in args if isinstance(x, np.random.Generator)]
    numbers = iter(range(len(generators)))
    values = [_value(x, numbers) for x in (*args, *program.constants)]
    out: list[Any] = []
    failure: list[BaseException] = []
    this = host.begun(generators)
    primal = Primal(program, allowance)

    def work() -> None:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(MAX_DEPTH)
        try:
            with np.errstate(all="ignore"), host.call(this):
                out.extend(primal.call(program.entry, values))
        except RecursionError as e:
            if isinstance(e, errors.LanternError):
                failure.append(e)
            else:
                failure.append(errors.StackOverflowError(
                    f"the reference interpreter's limit of {MAX_DEPTH:,} nested Python calls is reached in `{program.entry}`: use jit, which has a native stack"
                ))  # fmt: skip
        except BaseException as e:
            failure.append(e)
        finally:
            sys.setrecursionlimit(limit)

    size = threading.stack_size(512 << 20)
    try:
        thread = threading.Thread(target=work, name="lantern-interpreter")
        thread.start()
    finally:
        threading.stack_size(size)
    thread.join()
    if failure:
        raise failure[0]
    return own_results(out, [v.value for v in values if isinstance(v, Ref)]), primal.left


def _value(x: Any, numbers: Iterator[int]) -> Any:
    """An argument as the program has it: a generator is its number among those of the call."""
    return Ref(x) if isinstance(x, np.ndarray) else np.int64(next(numbers)) if isinstance(x, np.random.Generator) else x


def own_results(out: Sequence[Any], arrays: list[Any]) -> list[Any]:
    """The results' values: none of its arrays is the memory of an argument or of another result."""
    results = []
    for v in out:
        if isinstance(v, Ref):
            v = v.value.copy() if any(np.may_share_memory(v.value, x) for x in arrays) else v.value
            arrays.append(v)
        results.append(v)
    return results


for stage in (VALUES, ADJOINTS):  # each row has what it needs here
    stage.check()
__all__ = ["Callbacks", "Exhausted", "Lowered", "Primal", "Ref", "run"]
