"""The order of objects, of which a user's `__lt__` or a function for `functools.cmp_to_key` says which one is less."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from ...staging.stores import method_of
from ...values.scalars import truth
from ...values.values import Traced, call


class Compared:
    """What `functools.cmp_to_key` makes of x."""

    def __init__(self, compare: Any, x: Any) -> None:
        self.compare, self.x = compare, x

    def __lt__(self, other: Compared) -> Any:
        return truth(call(self.compare, self.x, other.x) < 0)


class _Undecided(Exception):
    pass


class _Decided:
    """An object for Python to sort. Raises _Undecided where the program decides."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __lt__(self, other: _Decided) -> bool:
        less = _less(self.x, other.x)
        if isinstance(less, Traced):
            raise _Undecided
        return bool(less)


def _less(x: Any, y: Any) -> Any:
    return x < y if isinstance(x, Compared) else truth(call(operator.lt, x, y))


def says_which_is_less(x: Any) -> bool:
    return isinstance(x, Compared) or method_of(x, "__lt__") is not None or method_of(x, "__gt__") is not None


def decided(keys: Sequence[Any], reverse: bool) -> list[int] | None:
    """The places of such objects in their order; None where the program decides."""
    try:
        return sorted(range(len(keys)), key=lambda i: _Decided(keys[i]), reverse=reverse)
    except _Undecided:
        return None


def ranks(keys: Sequence[Any]) -> list[Any]:
    """Numbers in the order of such objects: of each how many are less."""
    return [sum(_less(x, y) * 1 for x in keys if x is not y) for y in keys]


REPLACED: dict[Any, Callable[..., Any]] = {functools.cmp_to_key: lambda mycmp: functools.partial(Compared, mycmp)}
