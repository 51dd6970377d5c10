"""What `lantern-jit demo` shows: a predator-prey model fitted to pelt counts, in the terminal and as a picture.

The model, its loss and the fit are those of `lantern_jit.examples.lotka_volterra`; this module presents them: the
estimates, a chart in text, the picture, and what a gradient costs beside the usual way to get one.
"""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import lantern_jit as lj

from ..data import hudson_bay
from ..examples import lotka_volterra as model
from ..ir.core.errors import LanternError

FloatArray = npt.NDArray[np.float64]
Loss = Callable[[FloatArray, FloatArray, FloatArray], float]

WIDTH = 72  # columns of the chart, its axis labels included
HEIGHT = 17  # rows of the chart between its axes
MARGIN = 4  # columns left of the plot: two digits, a blank, the axis


class MissingExtraError(LanternError, ImportError):
    """A package is missing that only an optional extra of lantern_jit brings."""


class Glyphs(NamedTuple):
    """The characters of the chart: a curve and a mark for each species, and the unit of microseconds."""

    curves: str
    marks: str
    micro: str


UNICODE = Glyphs("·-", "●▲", "µs")
ASCII = Glyphs(".-", "ox", "us")


def run(output: str) -> None:
    """Fit the model, print all there is to say about it, and write the picture to the path `output` (PNG)."""
    if importlib.util.find_spec("matplotlib") is None:  # said before the work, not after it
        raise MissingExtraError("the picture needs matplotlib: pip install 'lantern_jit[demo]'")
    years, hare, lynx = hudson_bay()
    glyphs = glyphs_for(getattr(sys.stdout, "encoding", None))
    print(f"Lotka-Volterra fitted to {len(years)} years of pelts (thousands), by maximum likelihood\n")
    start = time.perf_counter()
    theta, covariance = model.fit(hare, lynx)
    duration = time.perf_counter() - start
    print(model.table(theta, covariance))
    steepest = np.abs(lj.jit(lj.grad(model.loss))(theta, hare, lynx)).max()
    print(f"\nCompiled, fitted and differentiated twice in {duration:.2f} s; steepest slope left: {steepest:.0e}\n")
    fitted = lj.jit(model.populations)(theta, len(years) - 1)
    print(chart(years, fitted, (hare, lynx), glyphs))
    print(costs(theta, hare, lynx, glyphs))
    model.picture(output, theta, years, hare, lynx)
    print(f"The picture is in {output}")


def glyphs_for(encoding: str | None) -> Glyphs:
    """The Unicode glyphs where `encoding` has them, plain ASCII elsewhere."""
    try:
        "".join(UNICODE).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def chart(years: FloatArray, curves: tuple[FloatArray, FloatArray], counts: tuple[FloatArray, FloatArray], glyphs: Glyphs) -> str:
    """Both species over the years as text: fitted curves and counted marks.

    `years` and each of `counts` have shape (n,), thousands of pelts; each of `curves` samples the same span evenly.
    """
    top = 20.0 * math.ceil(max(array.max() for array in (*curves, *counts)) / 20.0)  # a label stands at every 20
    columns = WIDTH - MARGIN
    cells = [[" "] * columns for _ in range(HEIGHT)]

    def row(value: float) -> int:
        return HEIGHT - 1 - round(float(value / top) * (HEIGHT - 1))

    for curve, glyph in zip(curves, glyphs.curves, strict=True):
        # A column spans several samples: filling from the lowest to the highest leaves no gap where it is steep.
        for column, samples in enumerate(np.array_split(curve, columns)):
            for i in range(row(samples.max()), row(samples.min()) + 1):
                cells[i][column] = glyph
    span = years[-1] - years[0]
    for numbers, glyph in zip(counts, glyphs.marks, strict=True):
        for year, number in zip(years, numbers, strict=True):
            cells[row(number)][round((year - years[0]) / span * (columns - 1))] = glyph

    labels = {row(value): f"{value:2.0f} +" for value in np.arange(0.0, top + 1.0, 20.0)}
    lines = [labels.get(i, "   |") + "".join(line).rstrip() for i, line in enumerate(cells)]
    return "\n".join([*lines, year_labels(years, columns), legend(glyphs), ""])


def year_labels(years: FloatArray, columns: int) -> str:
    """The line under the chart: every fifth year, centred under its column where there is room."""
    line = [" "] * WIDTH
    for year in years[::5]:
        column = MARGIN + round((year - years[0]) / (years[-1] - years[0]) * (columns - 1))
        start = min(max(column - 2, 0), WIDTH - 4)
        line[start : start + 4] = f"{year:4.0f}"
    return "".join(line)


def legend(glyphs: Glyphs) -> str:
    """Which character is which."""
    names = zip(("hares", "lynxes"), glyphs.marks, glyphs.curves, strict=True)
    return " " * MARGIN + "     ".join(f"{name}: {mark} counted  {curve} fitted" for name, mark, curve in names)


def costs(theta: FloatArray, hare: FloatArray, lynx: FloatArray, glyphs: Glyphs) -> str:
    """The time of one gradient at `theta`, shape (n,), beside central differences of the same loss."""
    native, gradient = lj.jit(model.loss), lj.jit(lj.grad(model.loss))
    ways: list[tuple[str, Callable[[], object]]] = [
        ("lantern_jit, native gradient", lambda: gradient(theta, hare, lynx)),
        ("central differences, native loss", lambda: central_differences(native, theta, hare, lynx)),
        ("central differences, plain Python", lambda: central_differences(model.loss, theta, hare, lynx)),
    ]
    times = fastest([call for _, call in ways])
    lines = [f"Time per gradient ({len(theta)} slopes)"]
    for (name, _), duration in zip(ways, times, strict=True):
        lines.append(f"  {name:33}  {1e6 * duration:10.1f} {glyphs.micro}  {duration / times[0]:8.1f} x")
    return "\n".join([*lines, ""])


def central_differences(loss: Loss, theta: FloatArray, hare: FloatArray, lynx: FloatArray) -> FloatArray:
    """The gradient, shape (n,), from two evaluations of the loss for every one of the n entries of `theta`."""
    slopes = np.zeros_like(theta)
    for i in range(len(theta)):
        width = np.finfo(np.float64).eps ** (1 / 3) * max(1.0, abs(theta[i]))  # least rounding and truncation together
        above, below = theta.copy(), theta.copy()
        above[i] += width
        below[i] -= width
        slopes[i] = (loss(above, hare, lynx) - loss(below, hare, lynx)) / (above[i] - below[i])
    return slopes


def fastest(calls: Sequence[Callable[[], object]], rounds: int = 7, batch: float = 0.04) -> list[float]:
    """Seconds a call takes: the least over several batches, which other work on the machine disturbed least.

    The batches, of about `batch` seconds, take turns, so that a busy moment does not fall on one of the calls alone.
    """
    repeats = []
    for call in calls:
        call()  # compiles, so that what follows does not
        repeats.append(max(1, int(batch / max(elapsed(call, 1), 1e-7))))
    least = [math.inf] * len(calls)
    for _ in range(rounds):
        for i, (call, number) in enumerate(zip(calls, repeats, strict=True)):
            least[i] = min(least[i], elapsed(call, number) / number)
    return least


def elapsed(call: Callable[[], object], number: int) -> float:
    """Seconds that `number` calls take."""
    start = time.perf_counter()
    for _ in range(number):
        call()
    return time.perf_counter() - start
