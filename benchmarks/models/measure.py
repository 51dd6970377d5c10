"""One training step of each network by all who are there: first the same losses, then times of the process's CPU, in turns, on one core."""

from __future__ import annotations

import functools
import importlib.util
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.agreement import DisagreementError, require_close
from benchmarks.arrays import on_one_core
from benchmarks.models import dynet_peer, jax_peer, programs, torch_peer
from benchmarks.timing import Batch, Effort, race

LANTERN, LOSSES = "lantern", 5
KINDS = ("rnn", "lstm", "tree", "images")
Step = Callable[[], float]


@dataclass
class ModelRow:
    """Seconds of a step (of the trees: of a tree) by side, the losses of the first steps, and seconds of lantern's first call."""

    name: str
    asked: tuple[tuple[str, float], ...]  # the most that lantern may take, beside a peer or the best of all
    seconds: dict[str, float] = field(default_factory=dict)
    losses: dict[str, list[float]] = field(default_factory=dict)
    cold: float | None = None
    warm: float | None = None
    agrees: bool = False
    notes: list[str] = field(default_factory=list)

    def ratios(self) -> list[tuple[str, float, float | None]]:
        """(beside whom, asked, measured)"""
        peers = {k: v for k, v in self.seconds.items() if k != LANTERN}
        found = []
        for beside, ratio in self.asked:
            theirs = min(peers.values(), default=None) if beside == BEST else peers.get(beside)
            found.append((beside, ratio, self.seconds[LANTERN] / theirs if theirs and LANTERN in self.seconds else None))
        return found


BEST = "the best"


@dataclass(frozen=True)
class Model:
    """`kind` is its name in programs.py and at the peers; `data()` is what lantern's step is given behind parameters and state."""

    name: str
    kind: str
    step: Callable[..., Any]
    state: Callable[[Any], Any]
    parameters: Callable[[], Any]
    data: Callable[..., tuple[Any, ...]]
    asked: tuple[tuple[str, float], ...]

    def lantern(self, jitted: Any, data: tuple[Any, ...], rate: float) -> Step:
        params = self.parameters()
        state = self.state(params)
        if self.kind == "tree":
            embeddings, trees = data
            return lambda: sum(float(jitted(params, state, embeddings, *t)) for t in trees)
        more = (np.random.default_rng(0), rate) if self.kind == "images" else ()
        return lambda: float(jitted(params, state, *data, *more))

    def peer(self, make: Callable[..., Step], data: tuple[Any, ...], rate: float) -> Step:
        return make(self.parameters(), *data, *((rate,) if self.kind == "images" else ()))

    def units(self, data: tuple[Any, ...]) -> int:
        return len(data[1]) if self.kind == "tree" else 1


def models(quick: bool) -> list[Model]:
    from lantern_jit import nn

    found = []
    for kind, gates, asked in (("rnn", 1, {1: 0.8, 20: 0.7}), ("lstm", 4, {1: 0.8, 20: 0.7, 256: 1.0})):
        for batch in (1, 20, 256):
            name, step = f"{kind.upper()}, B = {batch}", getattr(programs, f"{kind}_step")
            parameters = functools.partial(programs.character_parameters, gates)
            ratio = ((BEST, asked[batch]),) if batch in asked else ()
            found.append(Model(name, kind, step, nn.adagrad, parameters, functools.partial(programs.text, batch), ratio))
    trees = functools.partial(programs.forest, 5 if quick else 100)
    found.append(
        Model("TreeLSTM, a tree", "tree", programs.tree_step, nn.adagrad, programs.tree_parameters, trees, (("DyNet, autobatch", 0.6),))
    )
    asked_images = ("PyTorch eager", 0.8), ("JAX", 0.4)
    pictures = functools.partial(programs.pictures, 100)
    found.append(Model("images, B = 100", "images", programs.images_step, nn.momentum, programs.image_parameters, pictures, asked_images))
    return found


def peers() -> list[dict[str, dict[str, Callable[..., Step]]]]:
    """The makers of those that are installed."""
    found = []
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        found.append(torch_peer.makers(torch))
    if importlib.util.find_spec("jax"):
        import jax

        found.append(jax_peer.makers(jax))
    if importlib.util.find_spec("dynet"):
        found.append(dynet_peer.makers(dynet_peer.load()))
    return found


ALONE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}


def measure_models(with_peers: bool, quick: bool, effort: Effort, kinds: Sequence[str] = KINDS) -> list[ModelRow]:
    """One row for each model, measured in a process of its own on one core, in whose environment that stands when libraries are loaded."""
    before = dict(os.environ)
    os.environ.update(ALONE)
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), on_one_core) as pool:
            return pool.submit(_measure_here, with_peers, quick, effort, kinds).result()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _measure_here(with_peers: bool, quick: bool, effort: Effort, kinds: Sequence[str]) -> list[ModelRow]:
    there = peers() if with_peers else []
    return [_measure(model, there, effort) for model in models(quick) if model.kind in kinds]


def _measure(model: Model, there: Sequence[Any], effort: Effort) -> ModelRow:
    row, data = ModelRow(model.name, model.asked), model.data()
    try:
        jitted, row.cold, row.warm = _compiled(model, data)
        makers = {name: make for peer in there for name, make in peer.get(model.kind, {}).items()}
        sides = {LANTERN: functools.partial(model.lantern, jitted), **{n: functools.partial(model.peer, m) for n, m in makers.items()}}
        for name, make in sides.items():
            step = make(data, 0.0)
            row.losses[name] = [step() for _ in range(LOSSES)]
            require_close(f"{model.name}: losses of {name}", np.array(row.losses[name][:2]), np.array(row.losses[LANTERN][:2]), 2e-2)
        row.agrees = True
        times = race([cpu_batch(make(data, 0.5)) for make in sides.values()], effort)
        row.seconds = {name: t / model.units(data) for name, t in zip(sides, times, strict=True)}
    except DisagreementError as error:
        row.notes.append(str(error))
    except Exception as error:  # one model that fails must not hide the others
        row.notes.append(f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0]}")
    return row


def cpu_batch(step: Step) -> Batch:
    """What others do on the machine takes none of it."""

    def run(calls: int) -> float:
        start = time.process_time()
        for _ in range(calls):
            step()
        return time.process_time() - start

    return run


def _compiled(model: Model, data: tuple[Any, ...]) -> tuple[Any, float, float]:
    """The compiled step; CPU seconds until the first call has begun to run, with an empty folder of compiled code, and with what that left."""
    import lantern_jit as lj

    if model.kind == "tree":
        data = data[0], data[1][:1]
    times: list[float] = []
    before = os.environ.get("LANTERN_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LANTERN_CACHE_DIR"] = folder
        try:
            for _ in range(2):
                jitted = lj.jit(model.step)
                start = time.process_time()
                model.lantern(jitted, data, 0.5)()
                times.append(time.process_time() - start)
        finally:
            os.environ.pop("LANTERN_CACHE_DIR") if before is None else os.environ.update(LANTERN_CACHE_DIR=before)
    return jitted, times[0], times[1]


# ---- tables
def table(rows: Sequence[ModelRow]) -> str:
    from benchmarks.report import MARK, duration, ratio
    from benchmarks.report import table as aligned

    sides = list(dict.fromkeys(side for row in rows for side in row.seconds))
    body = []
    for row in rows:
        asked = "; ".join(
            f"{ratio(now)} of {who} (asked {most:g}) {MARK[None if now is None else now <= most]}" for who, most, now in row.ratios()
        )
        body.append(
            [
                row.name,
                *(duration(row.seconds.get(s)) for s in sides),
                duration(row.cold),
                duration(row.warm),
                asked if row.agrees else "FAIL",
            ]
        )
    losses = [[f"{row.name}, {side}", *(f"{x:.4f}" for x in found)] for row in rows for side, found in row.losses.items()]
    head = ["losses", *(f"step {i + 1}" for i in range(LOSSES))]
    return aligned(["a step", *sides, "compiled", "from disk", "asked"], body) + "\n\n" + aligned(head, losses)
