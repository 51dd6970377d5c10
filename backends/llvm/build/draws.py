"""NumPy's C functions that draw random numbers, by what they draw."""

from __future__ import annotations

NAMES = {"uniform": "random_standard_uniform", "normal": "random_standard_normal", "exponential": "random_standard_exponential"}
BOUNDED = "random_bounded_uint64_fill"


def is_draw(name: str) -> bool:
    """Is this one of NumPy's functions that draw?"""
    return name == BOUNDED or name.startswith(tuple(NAMES.values()))
