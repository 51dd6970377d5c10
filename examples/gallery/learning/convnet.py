"""
A convolutional network for digits
==================================

Two convolutions of 5 x 5 to ten and to twenty channels, each with a pooling of 2 x 2, and two layers 320-50-10 with a dropout between them: the network of
"Demystifying Differentiable Programming" (Wang and others, 2019), in NumPy. A convolution is a sum over the 25 places of its
kernel. The digits, 28 x 28 pixels like MNIST's, are drawn here: strokes that are turned, stretched and moved, with noise.
"""

import itertools
import sys
import time

import numpy as np

import lantern_jit as lj

STROKES = [  # the corners of each digit's lines, in a box of 1 x 2
    [(0, 0), (1, 0), (1, 2), (0, 2), (0, 0)],
    [(0.2, 0.4), (0.6, 0), (0.6, 2)],
    [(0, 0.3), (0.5, 0), (1, 0.4), (0, 2), (1, 2)],
    [(0, 0), (1, 0), (0.4, 0.9), (1, 1.4), (0.5, 2), (0, 1.7)],
    [(0.8, 2), (0.8, 0), (0, 1.3), (1, 1.3)],
    [(1, 0), (0, 0), (0, 0.9), (1, 1), (0.9, 2), (0, 2)],
    [(0.8, 0), (0, 1), (0, 2), (1, 2), (1, 1.1), (0, 1.1)],
    [(0, 0), (1, 0), (0.4, 2)],
    [(0.5, 1), (0, 0.5), (0.5, 0), (1, 0.5), (0, 1.5), (0.5, 2), (1, 1.5), (0.5, 1)],
    [(1, 0.9), (0, 0.9), (0, 0), (1, 0), (1, 1), (0.8, 2)],
]


def draw_digits(n, seed=0):
    """n images (n, 1, 28, 28) of the digits 0 to 9, and which they are."""
    rng = np.random.default_rng(seed)
    digits, pixels = rng.integers(0, 10, n), np.stack(np.meshgrid(np.arange(28.0), np.arange(28.0)), axis=-1)
    images = np.zeros((n, 1, 28, 28), dtype=np.float32)
    for image, digit in zip(images, digits, strict=True):
        turn, size = rng.normal(0, 0.2), rng.uniform(6, 9)
        matrix = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * rng.uniform(0.8, 1.2, 2)
        points = (np.array(STROKES[digit]) - [0.5, 1.0]) @ matrix.T + 14 + rng.normal(0, 1, 2)
        distance = np.full((28, 28), np.inf)
        for a, b in itertools.pairwise(points):
            along = np.clip((pixels - a) @ (b - a) / np.sum((b - a) ** 2), 0, 1)
            distance = np.minimum(distance, np.linalg.norm(pixels - a - along[..., None] * (b - a), axis=-1))
        image[0] = np.exp(-((distance / 1.2) ** 2)) + rng.normal(0, 0.1, (28, 28))
    return images, digits


# %%
# The layers.


def convolve(x, kernel, bias):
    """(n, c, h, w) and (o, c, a, b) to (n, o, h - a + 1, w - b + 1)."""
    n, _, h, w = x.shape
    o, _, a, b = kernel.shape
    out = np.zeros((n, o, h - a + 1, w - b + 1), dtype=x.dtype) + bias[:, None, None]
    for i in range(a):
        for j in range(b):
            out += np.einsum("nchw,oc->nohw", x[:, :, i : i + h - a + 1, j : j + w - b + 1], kernel[:, :, i, j])
    return out


def pool(x):
    """The greatest of each 2 x 2."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))


def logits(w, x, kept):
    x = np.maximum(pool(convolve(x, w["conv1"], w["bias1"])), 0.0)
    x = np.maximum(pool(convolve(x, w["conv2"], w["bias2"])), 0.0)
    x = np.maximum(x.reshape(len(x), -1) @ w["dense1"] + w["bias3"], 0.0)
    return (x * kept) @ w["dense2"] + w["bias4"]


def loss(w, x, digits, kept):
    z = logits(w, x, kept)
    top = z.max(axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(z - top), axis=1)) + top[:, 0] - z[np.arange(len(z)), digits])


@lj.jit
def step(w, speed, x, digits, rng):
    """One step of descent with momentum, in place, and the loss."""
    kept = (rng.random((len(x), 50)) < 0.5) * np.float32(2.0)
    value, slopes = lj.value_and_grad(loss)(w, x, digits, kept.astype(np.float32))
    for name in w:
        speed[name] *= 0.9
        speed[name] -= 0.02 * slopes[name]
        w[name] += speed[name]
    return value


@lj.jit
def guess(w, x):
    return np.argmax(logits(w, x, np.float32(1.0)), axis=1)


def weights(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    shapes = {"conv1": (10, 1, 5, 5), "conv2": (20, 10, 5, 5), "dense1": (320, 50), "dense2": (50, 10)}
    w = {name: rng.normal(size=s) * np.sqrt(2 / (np.prod(s[1:]) if len(s) > 2 else s[0])) for name, s in shapes.items()}
    w |= {f"bias{i + 1}": np.zeros(n) for i, n in enumerate((10, 20, 50, 10))}
    return {name: x.astype(dtype) for name, x in w.items()}


def main(n=3000, test=1000, batch=100, epochs=3, seed=0):
    images, digits = draw_digits(n, seed)
    others, which = draw_digits(test, seed + 1)
    w, rng, history = weights(), np.random.default_rng(seed), []
    speed = {name: np.zeros_like(x) for name, x in w.items()}
    start = time.perf_counter()
    for _ in range(epochs):
        order = rng.permutation(n)
        for i in range(0, n, batch):
            chosen = order[i : i + batch]
            history.append(step(w, speed, images[chosen], digits[chosen], rng))
    seconds = time.perf_counter() - start
    right = np.mean(guess(w, others) == which)
    print(f"loss {history[0]:.3f} -> {np.mean(history[-10:]):.3f}, {1e3 * seconds / len(history):.1f} ms a step with compilation")
    print(f"{100 * right:.1f} % of {test} other digits are read right")
    return {"history": history, "right": right, "weights": w, "images": others, "guesses": guess(w, others)}


def picture(found):
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(3, 6, figsize=(8, 4.5), layout="constrained")
    for axes, image, digit in zip(panels.flat, found["images"], found["guesses"], strict=False):
        axes.imshow(image[0], cmap="gray_r")
        axes.set(title=str(digit), xticks=[], yticks=[])
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)
