"""scipy.special: derivatives of Bessel functions, and spherical ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.sites import unsupported
from ...values.values import Traced
from ..registry import implements
from .elements import S, each


def _known(n: Any, name: str) -> int:
    if isinstance(n, Traced):
        unsupported(f"scipy.special.{name} of a number of derivatives that the program computes", "give a plain int")
    return int(n)


def _derivatives(name: str, signs: tuple[float, float]) -> None:
    """jvp, .. of jv, ..: the n-th derivative, by the two neighbours in order."""
    function = getattr(S, name)

    def derived(v: Any, z: Any, n: int) -> Any:
        if n == 0:
            return function(v, z)
        return 0.5 * (signs[0] * derived(v - 1.0, z, n - 1) + signs[1] * derived(v + 1.0, z, n - 1))

    def run(v: Any, z: Any, n: int = 1) -> Any:
        count = _known(n, f"{name}p")
        return each(f"{name}p", lambda v, z: derived(v, z, count))(v, z)

    implements(f"scipy.special.{name}p")(run)


def _spherical(name: str, signs: tuple[float, float]) -> None:
    function = getattr(S, name)

    def derived(n: Any, z: Any) -> Any:
        below = np.where(n > 0.0, signs[0] * n * function(np.abs(n - 1.0), z), 0.0)
        return (below + signs[1] * (n + 1.0) * function(n + 1.0, z)) / (2.0 * n + 1.0)

    implements(f"scipy.special.{name}")(lambda n, z, derivative=False: each(name, derived if derivative else function)(n, z))


_SIGNS = {"j": (1.0, -1.0), "y": (1.0, -1.0), "i": (1.0, 1.0), "k": (-1.0, -1.0)}
for _letter, _pair in _SIGNS.items():
    _derivatives(f"{_letter}v", _pair)
    _spherical(f"spherical_{_letter}n", _pair)


@implements("scipy.special.diric")
def diric(x: Any, n: Any) -> Any:
    """sin(n x / 2) / (n sin(x / 2)), of a whole number n."""
    return each("diric", _diric)(x, n)


def _diric(x: Any, n: Any) -> Any:
    half = np.sin(0.5 * x)
    turn = np.abs(half) < 1e-9
    edge = np.where(np.mod((n - 1.0) * np.rint(x / (2 * np.pi)), 2.0) == 0.0, 1.0, -1.0)
    z = np.where(turn, edge, np.sin(0.5 * n * x) / (n * np.where(turn, 1.0, half)))
    return np.where((n > 0.0) & (n == np.floor(n)), z, np.nan)
