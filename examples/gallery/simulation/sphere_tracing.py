"""
Sphere tracing, backwards
=========================

A scene is a function: the distance from a point to the nearest thing. A ray goes on by that distance until there is none left
(Hart, 1996); the slope of the function is the surface's normal. To find a scene from its picture, the picture is differentiated: through the
normals, which are gradients themselves, and through a `while` loop of its own length for each pixel.
"""

import math
import sys
import time

import numpy as np

import lantern_jit as lj


def balls(p, scene):
    """The distance from p to two balls that melt together. scene: place and radius of both, (2, 4)."""
    x, y, z = p
    total = 0.0
    for ball in scene:
        d = math.sqrt((x - ball[0]) ** 2 + (y - ball[1]) ** 2 + (z - ball[2]) ** 2) - ball[3]
        total += math.exp(-8.0 * d)
    return -math.log(total + 1e-30) / 8.0


def shade(normal):
    x, y, z = normal
    return max(0.0, (0.5 * x + 0.7 * y - 0.5 * z) / math.sqrt(x * x + y * y + z * z))


def trace(u, v, scene):
    """The brightness seen in the direction (u, v) from (0, 0, -4). Where a ray just misses a ball it sees some of it: soft edges have slopes."""
    size = math.sqrt(u * u + v * v + 1.0)
    dx, dy, dz = u / size, v / size, 1.0 / size
    t, missed = 0.0, 1.0
    while t < 20.0:
        p = t * dx, t * dy, t * dz - 4.0
        to_balls, to_floor = balls(p, scene), p[1] + 1.0
        missed = min(missed, to_balls)
        if min(to_balls, to_floor) < 1e-6:
            break
        t += min(to_balls, to_floor)
    if to_balls < 1e-6:
        return shade(lj.grad(balls)(p, scene))
    behind = 0.6 * math.exp(-0.05 * t) if t < 20.0 else 0.1 + 0.3 * v  # the floor, or the sky
    return behind + (0.3 - behind) * math.exp(-missed / 0.05)


def render(scene, n):
    picture = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            picture[i, j] = trace(1.2 * (j + 0.5) / n - 0.6, 0.6 - 1.2 * (i + 0.5) / n, scene)
    return picture


def loss(scene, seen):
    return np.mean((render(scene, len(seen)) - seen) ** 2)


# %%
# Adam's steps, smaller and smaller.


def main(n=48, rounds=120):
    true = np.array([[-0.5, -0.2, 0.2, 0.7], [0.6, 0.1, 0.0, 0.5]])
    seen = lj.jit(render)(true, n)
    scene = true + np.array([[0.1, 0.12, 0.1, -0.08], [-0.1, -0.05, 0.1, 0.08]])
    first, objective, history = scene, lj.jit(lj.value_and_grad(loss)), []
    start = time.perf_counter()
    mean, square = np.zeros_like(scene), np.zeros_like(scene)
    for i in range(rounds):
        value, slope = objective(scene, seen)
        mean, square = 0.8 * mean + 0.2 * slope, 0.95 * square + 0.05 * slope**2
        scene = scene - 0.01 * 0.97**i * (mean / (1 - 0.8 ** (i + 1))) / np.sqrt(square / (1 - 0.95 ** (i + 1)))
        history.append(value)
    seconds = time.perf_counter() - start
    print(f"loss {history[0]:.2e} -> {history[-1]:.2e} in {rounds} steps of {n} x {n} rays, {seconds:.2f} s with compilation")
    print(f"off by {np.abs(first - true).max():.3f} -> {np.abs(scene - true).max():.4f}")
    pictures = [seen, *(lj.jit(render)(s, n) for s in (first, scene))]
    return {"history": history, "scene": scene, "true": true, "pictures": pictures, "first": first}


def picture(found):
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
    for axes, image, title in zip(panels, found["pictures"], ("seen", "first guess", "found"), strict=True):
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        axes.set(title=title, xticks=[], yticks=[])
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)
