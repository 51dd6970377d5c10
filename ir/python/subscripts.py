"""x[i], and writes there."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from ..core.builder import building, current_trace
from ..numpy.dispatch import INDEXED, index_joined, mentions_traced
from ..objects.heap import CONTAINERS
from ..staging.growing import growing
from ..staging.paths import heap_of
from ..staging.stores import method_of
from ..values.arrays import lift_array
from ..values.values import Traced, call, is_traced, store, write_to_scalar

_MAKERS = set(map(type, INDEXED))


def getitem(obj: Any, index: Any) -> Any:
    """obj[index], where a captured NumPy array becomes a constant of the program."""
    index = index if isinstance(obj, CONTAINERS) else _plain_lists(index)
    if isinstance(obj, np.ndarray) and mentions_traced(index):
        return lift_array(obj)[index]
    if type(obj) in _MAKERS and (mentions_traced(index) or current_trace() is not None):
        return index_joined(obj, index)
    if (own := method_of(obj, "__getitem__")) is not None:
        return call(own, index)
    if isinstance(obj, dict) and isinstance(index, Traced):
        index = index.as_key()
    trace = current_trace()
    if isinstance(obj, collections.defaultdict) and building() and index not in obj and obj.default_factory is not None:
        made = call(obj.default_factory)
        heap_of().note(obj)
        dict.__setitem__(obj, index, made)
    if trace is not None and isinstance(obj, (list, dict)):
        trace.reads.item(obj, index)
    elif trace is not None and isinstance(obj, np.ndarray):
        trace.reads.element(obj, index)
    return obj[index]


def _plain_lists(index: Any) -> Any:
    """An index of an array, with arrays for lists that grow."""
    if isinstance(index, tuple):
        return tuple(map(_plain_lists, index))
    g = growing(index)
    return index if g is None else g.stacked()


def setitem(value: Any, obj: Any, index: Any) -> None:
    """obj[index] = value, evaluated in Python's order; compiled code never writes into an array it captured."""
    if current_trace() is not None:
        if (own := method_of(obj, "__setitem__")) is not None:
            call(own, index, value)
            return
        index = index if isinstance(obj, CONTAINERS) else _plain_lists(index)
        if isinstance(obj, CONTAINERS):
            heap_of().note(obj)
        elif isinstance(obj, np.ndarray) and (mentions_traced(index) or is_traced(value)):
            store(lift_array(obj), index, value)
        elif isinstance(obj, np.generic):
            write_to_scalar()
    obj[index] = value
