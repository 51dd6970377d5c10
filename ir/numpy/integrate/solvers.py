"""Those of scipy.optimize's solvers that run outside, where compiled functions are their arguments; inside compiled code they are refused."""

from __future__ import annotations

from .quadrature import refused

refused(
    "write its iteration as a loop and wrap it in lantern_jit.implicit(solve, residual), which gives its derivatives; lantern_jit.fixed_point iterates itself",
    *(f"scipy.optimize.{f}" for f in ("toms748", "root", "root_scalar", "fsolve", "fixed_point")),
)
refused(
    "call it outside with compiled functions, or solve where the gradient is 0: lantern_jit.implicit(solve, gradient)",
    *(
        f"scipy.optimize.{f}"
        for f in ("minimize", "minimize_scalar", "least_squares", "leastsq", "curve_fit", "fmin", "fmin_bfgs", "fmin_l_bfgs_b")
    ),
)
