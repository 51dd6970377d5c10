"""
Ridge penalties tuned on validation data
========================================

A regression with a penalty *for each feature* has as many hyper-parameters as features: too many for a grid. The weights minimise the
training loss, the penalties the validation loss of those weights. `implicit` differentiates the minimiser without
looking into the solver: by what the weights satisfy, that the training loss has no slope there.
"""

import sys
import time

import numpy as np
from scipy.optimize import minimize

import lantern_jit as lj


def training_slope(w, log_penalty, x, y):
    """Of |x w - y|^2 / 2n + sum(penalty w^2) / 2 by w."""
    return x.T @ (x @ w - y) / len(y) + np.exp(log_penalty) * w


def conjugate_gradients(log_penalty, x, y):
    """The w without a slope. How the loop finds it is nobody's business."""
    w = np.zeros(x.shape[1])
    r = -training_slope(w, log_penalty, x, y)
    p, rr = r, np.sum(r * r)
    while rr > 1e-24:
        ap = x.T @ (x @ p) / len(y) + np.exp(log_penalty) * p
        step = rr / np.sum(p * ap)
        w, r = w + step * p, r - step * ap
        new = np.sum(r * r)
        p, rr = r + new / rr * p, new
    return w


ridge = lj.implicit(conjugate_gradients, training_slope)


def validation(log_penalty, x, y, new_x, new_y):
    return np.mean((new_x @ ridge(log_penalty, x, y) - new_y) ** 2)


# %%
# A peer: the normal equations by `np.linalg.solve`, whose derivative the library knows.


def direct(log_penalty, x, y, new_x, new_y):
    w = np.linalg.solve(x.T @ x / len(y) + np.diag(np.exp(log_penalty)), x.T @ y / len(y))
    return np.mean((new_x @ w - new_y) ** 2)


def main(features=40, n=60, rounds=100, seed=0):
    rng = np.random.default_rng(seed)
    true = np.where(np.arange(features) < features // 4, rng.normal(size=features), 0.0)

    def draw(count):
        x = rng.normal(size=(count, features))
        return x, x @ true + rng.normal(size=count)

    data, test = (*draw(n), *draw(n)), draw(100 * n)
    objective, peer, start = lj.jit(lj.value_and_grad(validation)), lj.jit(lj.value_and_grad(direct)), np.full(features, -2.0)
    (value, slope), (_, other_slope) = objective(start, *data), peer(start, *data)
    print(f"gradients: {np.max(np.abs(slope - other_slope)):.1e} from that through np.linalg.solve")
    begin = time.perf_counter()
    fit = minimize(objective, start, args=data, jac=True, method="L-BFGS-B", bounds=[(-6.0, 6.0)] * features, options={"maxiter": rounds})
    seconds = time.perf_counter() - begin
    one = min((validation(np.full(features, p), *data), p) for p in np.linspace(-6, 3, 10))[1]
    losses = {}
    for name, penalty in (("one penalty, by a grid", np.full(features, one)), ("a penalty each", fit.x)):
        losses[name] = validation(penalty, *data[:2], *test)
        print(f"{name}: loss of {100 * n} further points {losses[name]:.3f}; noise alone is 1")
    print(f"{fit.nfev} gradients in {seconds:.2f} s")
    difference = np.max(np.abs(slope - other_slope))
    return {"penalty": fit.x, "true": true, "before": value, "after": fit.fun, "difference": difference, "losses": losses}


def picture(found):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(np.abs(found["true"]), found["penalty"], "o")
    axes.set(xlabel="true weight, absolute", ylabel="log of the penalty that was found")
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)
