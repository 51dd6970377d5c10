"""Functions of this library in a pickle.

What pickle finds by its module's name stays a name. Lambdas, local functions and what a script or a notebook defines go by
value, through cloudpickle. A function by value is a code object, and a code object has no source: the lines of every code
object in the pickle go along, or else its loops and branches would be lost where nobody has the file.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from .inspection.public import Public
from .ir.syntax.sources import Source, carry, fingerprint, source_of

Sources = dict[Any, Source]


class Recipe(Public):
    """What is pickled as a call that makes it again."""

    __slots__ = ()

    def recipe(self) -> Any:
        """(function, arguments), whose first is a function that may have to go by value; or a name in its module."""
        raise NotImplementedError

    def __reduce__(self) -> Any:
        found = self.recipe()
        if isinstance(found, str):
            return found
        make, (f, *rest) = found
        if _pickles(f):
            return _made, (make, f, rest, _sources(f))
        try:
            data, sources = _by_value(f)
        except ImportError:
            return found  # and pickle says what is wrong with f
        return _made_from, (make, data, rest, sources)


def is_by_value(module: str) -> bool:
    """Does cloudpickle write what is defined there by value?"""
    cloudpickle = sys.modules.get("cloudpickle")
    return module == "__main__" or (cloudpickle is not None and module in cloudpickle.list_registry_pickle_by_value())


def _made(make: Callable[..., Any], f: Any, rest: list[Any], sources: Sources) -> Any:
    carry(sources)
    return make(f, *rest)


def _made_from(make: Callable[..., Any], data: bytes, rest: list[Any], sources: Sources) -> Any:
    return _made(make, pickle.loads(data), rest, sources)


def _pickles(f: Any) -> bool:
    """Can pickle write f by itself?"""
    try:
        _Pickler(_Nowhere()).dump(f)
    except Exception:
        return False
    return True


def _by_value(f: Any) -> tuple[bytes, Sources]:
    """f as cloudpickle writes it, and the sources of all code in it."""
    file = io.BytesIO()
    pickler = _pickler()(file)
    pickler.dump(f)
    return file.getvalue(), pickler.sources


def _sources(f: Any) -> Sources:
    """The sources of what cloudpickle would write by value of f, if it is cloudpickle that asks."""
    if "cloudpickle" not in sys.modules:
        return {}
    pickler = _pickler()(_Nowhere())
    pickler.code_only = True
    try:
        pickler.dump(f)
    except Exception:  # something in reach of f cannot be pickled: then pickle, which has written f, is the one that asks
        return {}
    return pickler.sources  # type: ignore[no-any-return]


class _Nowhere(io.RawIOBase):
    def write(self, data: Any) -> int:
        return len(data)


class _Pickler(pickle.Pickler):
    """Does not ask itself again at each function of this library that it meets."""

    def reducer_override(self, obj: Any) -> Any:
        return obj.recipe() if isinstance(obj, Recipe) else NotImplemented


@functools.cache
def _pickler() -> Any:
    """cloudpickle's pickler, which notes the source of each code object on its way; functions of this library share it."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        code_only = False  # is what it writes thrown away?

        def __init__(self, file: Any) -> None:
            super().__init__(file)
            self.sources: Sources = {}

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, Recipe):
                return obj.recipe()
            if isinstance(obj, types.CodeType):
                source = source_of(obj)
                if source is not None:
                    self.sources[fingerprint(obj)] = source
            if self.code_only and isinstance(obj, np.ndarray):
                return int, ()
            return super().reducer_override(obj)

    return Pickler
