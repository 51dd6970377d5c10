"""A likelihood over data in shards, with its gradient computed by the workers of a Dask cluster.

Each worker receives the compiled function by pickle, compiles it once (or finds it in the cache on disk), and returns
the value and gradient of its shard; SciPy's optimiser sees their sums. The model is a logistic regression.

Run `python -m lantern_jit.examples.sharded_likelihood` with `dask[distributed]` installed.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

import lantern_jit as lj

Floats = NDArray[np.float64]
Shard = tuple[Floats, Floats]  # features (n, d), labels of 0.0 and 1.0 (n,)


def loss(w: Floats, features: Floats, labels: Floats) -> float:
    """The negative log likelihood of a shard, in nats: the sum of log(1 + exp(z)) - y z over its rows, z = features @ w."""
    total = 0.0
    for i in range(len(labels)):
        z = 0.0
        for j in range(len(w)):
            z = z + features[i, j] * w[j]
        total = total + max(z, 0.0) + math.log1p(math.exp(-abs(z))) - labels[i] * z
    return total


loss_and_slope = lj.jit(lj.value_and_grad(loss))


def make_shards(count: int, rows: int, w: Floats, seed: int = 0) -> list[Shard]:
    """Data drawn from the model with parameters `w`."""
    random = np.random.default_rng(seed)
    shards = []
    for _ in range(count):
        x = random.normal(size=(rows, len(w)))
        y = (random.random(rows) < 1 / (1 + np.exp(-x @ w))).astype(np.float64)
        shards.append((x, y))
    return shards


def fit(client: Any, shards: Sequence[Shard], d: int) -> Floats:
    """The maximum likelihood parameters (d,). `client` is a `dask.distributed.Client`; the data goes out once."""
    remote = client.scatter(list(shards))

    def total(w: Floats) -> tuple[float, Floats]:
        futures = [client.submit(on_shard, w, shard, pure=False) for shard in remote]
        parts = client.gather(futures)
        return sum(value for value, _ in parts), np.sum([slope for _, slope in parts], axis=0)

    return np.asarray(minimize(total, np.zeros(d), jac=True, method="BFGS").x)


def on_shard(w: Floats, shard: Shard) -> tuple[float, Floats]:
    """What a worker does."""
    value, slope = loss_and_slope(w, *shard)
    return value, slope


def main() -> None:
    """Fit on two local worker processes, and print what was found."""
    distributed: Any = importlib.import_module("dask.distributed")
    true = np.array([1.0, -2.0, 0.5])
    shards = make_shards(8, 2_000, true)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        print("true   ", true)
        print("fitted ", fit(client, shards, len(true)).round(3))


if __name__ == "__main__":
    main()
