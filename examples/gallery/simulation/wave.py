"""
A wave equation inverted, with checkpoints
==========================================

Waves from a few shots on the ground run through rock and are heard in a tunnel deep below. How fast is the rock, where? The gradient of the misfit by the
speed at each point needs all steps of the wave again, backwards: with `checkpoint="sqrt"` it keeps some twenty of them and
computes the rest again. Nothing else in the program says so.
"""

import sys
import time

import numpy as np
from scipy.optimize import minimize

import lantern_jit as lj


def listen(speed, shot, steps):
    """What is heard at each step in each place of the tunnel, after a shot at (2, shot). At three borders the wave is damped."""
    n, m = speed.shape
    old, now, heard = np.zeros((n, m)), np.zeros((n, m)), np.zeros((steps, m))
    damp = np.ones((n, m))
    for i in range(8):
        damp[n - 1 - i, :] *= 0.92 + 0.01 * i
        damp[:, i] *= 0.92 + 0.01 * i
        damp[:, m - 1 - i] *= 0.92 + 0.01 * i
    for t in range(steps):
        bend = np.zeros((n, m))
        bend[1:-1, 1:-1] = now[2:, 1:-1] + now[:-2, 1:-1] + now[1:-1, 2:] + now[1:-1, :-2] - 4.0 * now[1:-1, 1:-1]
        new = (2.0 * now - old + speed**2 * bend) * damp
        pulse = (0.15 * (t - 16.0)) ** 2
        new[2, shot] += (1.0 - 2.0 * pulse) * np.exp(-pulse)
        old, now = now * damp, new
        heard[t] = now[n - 10]
    return heard


# %%
# The misfit of all shots, and its gradient: half of what a geophysicist needs.


def misfit(speed, shots, records):
    total = 0.0
    for i in range(len(shots)):
        heard = listen(speed, shots[i], records.shape[1])
        total += np.sum((heard - records[i]) ** 2)
    return 0.5 * total


def record(speed, shots, steps):
    return np.stack([listen(speed, shot, steps) for shot in shots])


def main(n=40, steps=160, rounds=30):
    depth, along = np.mgrid[0:n, 0 : 2 * n]
    first = 0.3 + 0.2 * depth / n
    true = first + 0.06 * np.exp(-((depth - 0.45 * n) ** 2 + (along - n) ** 2) / (0.15 * n) ** 2)
    shots = np.linspace(0.15 * 2 * n, 0.85 * 2 * n, 6).astype(int)
    records = lj.jit(record)(true, shots, steps)
    gradient = lj.jit(lj.value_and_grad(misfit), checkpoint="sqrt")

    def objective(flat):
        value, slope = gradient(flat.reshape(n, 2 * n), shots, records)
        slope[:5] = 0.0  # the surface is known
        return value, slope.ravel()

    start = time.perf_counter()
    fit = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", bounds=[(0.1, 0.7)] * (2 * n * n), options={"maxiter": rounds})
    seconds = time.perf_counter() - start
    found = fit.x.reshape(n, 2 * n)
    before, after = (np.sqrt(np.mean((x - true) ** 2)) for x in (first, found))
    misfits = gradient(first, shots, records)[0], fit.fun
    print(f"misfit {misfits[0]:.3f} -> {misfits[1]:.5f} in {fit.nfev} gradients, {seconds:.1f} s with compilation")
    print(f"error of the speed {before:.4f} -> {after:.4f}")
    whole = lj.jit(lj.value_and_grad(misfit))
    for name, f in (("whole", whole), ("checkpoints", gradient)):
        memory = f.inspect(first, shots, records).memory
        print(f"{name}: {(memory.stack + memory.arrays) / 2**20:.1f} MiB")
    same = np.max(np.abs(whole(first, shots, records)[1] - gradient(first, shots, records)[1]))
    return {"first": first, "true": true, "found": found, "shots": shots, "records": records, "misfits": misfits, "same": same}


def picture(found):
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 2, figsize=(9, 5), layout="constrained")
    for axes, name in zip(panels.flat, ("true", "first", "found"), strict=False):
        axes.imshow(found[name], vmin=0.3, vmax=0.5)
        axes.set(title=f"speed: {name}")
    panels[1, 1].imshow(found["records"][2], aspect="auto", cmap="gray", vmin=-0.3, vmax=0.3)
    panels[1, 1].set(title="heard", xlabel="place", ylabel="time")
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)
