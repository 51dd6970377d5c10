"""Native-speed gradients of ordinary Python code: loops, branches, recursion and array updates.

>>> import lantern_jit as lj
>>> def power(x, n):
...     y = 1.0
...     for _ in range(n):
...         y = y * x
...     return y
>>> lj.jit(lj.grad(power))(2.0, 5)
80.0
"""

import importlib
from typing import Any

from . import errors
from .checks import check_grads
from .combinators import associative_scan, checkpoint, cond, fori_loop, fun, scan, switch, while_loop
from .combinators import map as map  # not in __all__: it would hide Python's from who imports all
from .continuations import prompt, reset, shift
from .errors import LanternError
from .export import export
from .inspection.debugging import interpreted
from .ir.trace.callback import callback
from .ir.trace.progress import progress
from .jitted import jit
from .operations.callback import op
from .operations.rules import clip_gradient, custom_jvp, custom_vjp, fixed_point, implicit, stop_gradient
from .sparse.api import sparse_hessian, sparse_jacobian, sparsity
from .transforms import grad, hessian, hvp, jacfwd, jacobian, jacrev, jvp, linearize, value_and_grad, vjp, vmap

__version__ = "0.1.0"


def __dir__() -> list[str]:
    """The public names, without the modules behind them."""
    return sorted([*__all__, "map", "nn", "__all__", "__doc__", "__name__", "__version__"])


__all__ = [
    "LanternError", "associative_scan", "callback", "check_grads", "checkpoint", "clip_gradient", "cond", "custom_jvp", "custom_vjp",
    "errors", "export", "fixed_point", "fori_loop", "fun", "grad", "hessian", "hvp", "implicit", "interpreted", "jacfwd", "jacobian", "jacrev", "jit",
    "jvp", "linearize", "op", "progress", "prompt", "reset", "scan", "shift", "sparse_hessian", "sparse_jacobian", "sparsity",
    "stop_gradient", "switch", "value_and_grad", "vjp", "vmap", "while_loop",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """`lj.nn` is imported when it is first used."""
    if name == "nn":
        return importlib.import_module(".nn", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
