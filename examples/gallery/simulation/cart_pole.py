"""
Model predictive control of a cart and a pole
=============================================

A pole hangs from a cart. To swing it up and keep it there the controller looks ahead: it simulates the next second and a half, follows the
gradient of the cost by all forces of that time, applies the first force, and plans again from where the cart really is. The planner, gradient and
descent included, is one compiled function.
"""

import math
import sys
import time

import numpy as np

import lantern_jit as lj

STEP, LIMIT = 0.03, 15.0


def accelerations(angle, spin, force):
    """Of the cart and of the pole (0: it stands). The cart has 1 kg, the pole 0.1 kg at 0.5 m."""
    sine, cosine = math.sin(angle), math.cos(angle)
    push = (force + 0.05 * spin**2 * sine) / 1.1
    turn = (9.81 * sine - cosine * push) / (0.5 * (4.0 / 3.0 - 0.1 * cosine**2 / 1.1))
    return push - 0.05 * turn * cosine / 1.1, turn


def move(state, force):
    """The state STEP seconds later: place and speed of the cart, angle and spin of the pole."""
    x, v, angle, spin = state
    push, turn = accelerations(angle, spin, force)
    v, spin = v + STEP * push, spin + STEP * turn
    return x + STEP * v, v, angle + STEP * spin, spin


def cost(plan, state):
    total = 0.0
    for force in plan:
        state = move(state, LIMIT * math.tanh(force))
        x, v, angle, spin = state
        total += 10.0 * (1.0 - math.cos(angle)) + x**2 + 0.1 * v**2 + 0.1 * spin**2 + 0.05 * force**2
    return total / len(plan)


# %%
# The planner: steps of Adam (Kingma and Ba, 2015) from the last plan, moved on by one.


def improve(plan, state, rounds):
    m, s = np.zeros_like(plan), np.zeros_like(plan)
    for i in range(rounds):
        g = lj.grad(cost)(plan, state)
        m = 0.9 * m + 0.1 * g
        s = 0.99 * s + 0.01 * g**2
        plan = plan - 0.05 * (m / (1 - 0.9 ** (i + 1))) / (np.sqrt(s / (1 - 0.99 ** (i + 1))) + 1e-8)
    return plan


@lj.jit
def control(state, plan, steps, rounds, noise):
    """Run the real cart, which is pushed about by `noise`: the states, and the forces that were applied."""
    states, forces = np.zeros((steps, 4)), np.zeros(steps)
    for t in range(steps):
        plan = improve(plan, state, rounds)
        forces[t] = LIMIT * math.tanh(plan[0])
        state = move(state, forces[t] + noise[t])
        states[t] = state
        plan = np.append(plan[1:], 0.0)
    return states, forces


def main(steps=200, horizon=50, rounds=40, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=steps)
    noise[3 * steps // 4] = 30.0  # somebody pushes
    start = time.perf_counter()
    states, forces = control((0.0, 0.0, math.pi, 0.0), 0.1 * rng.normal(size=horizon), steps, rounds, noise)
    seconds = time.perf_counter() - start
    up = np.cos(states[:, 2])
    print(f"{steps} plans of {rounds} gradients in {seconds:.2f} s, compilation included: {steps * STEP:.1f} s of the cart's time")
    print(f"stands at the end: {up[-1]:.4f} (1 is upright); first above 0.95 after {STEP * np.argmax(up > 0.95):.2f} s")
    return {"states": states, "forces": forces, "up": up, "seconds": seconds}


def picture(found):
    import matplotlib.pyplot as plt

    figure, (top, below) = plt.subplots(2, 1, figsize=(8, 5), sharex=True, layout="constrained")
    times = STEP * np.arange(len(found["forces"]))
    top.plot(times, found["up"], label="height of the pole")
    top.plot(times, found["states"][:, 0], label="place of the cart (m)")
    top.legend()
    below.step(times, found["forces"])
    below.set(xlabel="time (s)", ylabel="force (N)")
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)
