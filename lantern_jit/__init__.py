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

from . import errors
from .checks import check_grads
from .combinators import checkpoint, cond, fori_loop, fun, scan, switch, while_loop
from .continuations import prompt, reset, shift
from .errors import LanternError
from .export import export
from .jitted import jit
from .transforms import grad, hessian, hvp, jacfwd, jacrev, jvp, value_and_grad, vjp, vmap

__version__ = "0.1.0"
__all__ = [
    "LanternError", "check_grads", "checkpoint", "cond", "errors", "export", "fori_loop", "fun", "grad", "hessian", "hvp", "jacfwd", "jacrev", "jit", "jvp", "prompt", "reset", "scan",
    "shift", "switch", "value_and_grad", "vjp", "vmap", "while_loop",
]  # fmt: skip
