"""Small data sets for the demonstration and the examples."""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def hudson_bay() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Pelts that the Hudson's Bay Company took in: snowshoe hares and Canada lynxes, 1900 to 1920.

    Returns `(years, hare, lynx)`, each of shape (21,): calendar years, and thousands of pelts for both species.
    """
    text = files(__name__).joinpath("hudson_bay.csv").read_text(encoding="utf-8")
    rows = [(float(row["year"]), float(row["hare"]), float(row["lynx"])) for row in csv.DictReader(text.splitlines())]
    years, hare, lynx = np.array(rows, dtype=np.float64).T.copy()  # a copy, so that each row is contiguous
    return years, hare, lynx
