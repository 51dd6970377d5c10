"""The pullback that `vjp` gives outside of compiled code."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Any

import numpy as np

from ...core import errors
from ...python.host import Paused
from ...values import pytree
from . import linear
from .paused import EXCHANGE, Ended

_EXACT = tuple(map(np.dtype, ("float64", "float32", "int64", "int32", "bool")))  # compiled code reads these where they are

MOST = 64  # evaluations that have paused, each of which has a region's memory
_PAUSED: weakref.WeakSet[Any] = weakref.WeakSet()


class Pullback:
    """pull(cotangent). While calls are interpreted, each evaluates the function again; in compiled code its evaluation pauses, and a pull lets it
    go on, see paused.py. `first`, `pausing`, `anew` and `applied` are the functions to compile."""

    def __init__(self, first: Any, pausing: Any, anew: Any, applied: Any, primals: tuple[Any, ...]) -> None:
        self._first, self._pausing, self._anew, self._applied, self._primals = first, pausing, anew, applied, primals
        self._lock = threading.Lock()
        self._rest: Any = None  # of the evaluation that has paused
        self._used = False  # has a pull had one?
        leaves = pytree.flatten(primals)[0]
        self._pauses = all(x.dtype in _EXACT and x.flags.c_contiguous for x in leaves if isinstance(x, np.ndarray))
        found = first.tried(*primals) if self._pauses else (first(*primals),)
        self._interpreted = found is not None
        self.value, self.aux, self._how, self._parts = self._start() if found is None else found[0]
        self._leaves, self._tree = pytree.flatten(self.value)

    def __call__(self, cotangent: Any) -> Any:
        if self._how != linear.AGAIN:
            return self._applied("vjp", self._how, self._parts, self._primals, self.value, (cotangent,))
        given = self._fitting(cotangent) if self._pauses else None
        if given is None:
            return self._anew(self._primals, (cotangent,))
        found = self._anew.tried(self._primals, (cotangent,)) if self._interpreted else None
        if found is not None:
            return found[0]
        self._interpreted = False
        with self._lock:
            return self._pull(given, cotangent)

    def __repr__(self) -> str:
        return f"<pullback of {self._anew!r}>"

    def _start(self) -> tuple[Any, ...]:
        """Evaluate the function: up to where it pauses, if it does."""
        if len(_PAUSED) < MOST:
            try:
                found: tuple[Any, ...] = self._pausing.compiled(*self._primals)
            except Paused as e:
                self._rest = e.args[0]
                _PAUSED.add(self._rest)
                (value, aux), EXCHANGE.value = EXCHANGE.value, None
                return value, aux, linear.AGAIN, []
            except (errors.StackOverflowError, errors.ArrayMemoryError):
                pass  # it may do with less
            else:
                self._pauses = False
                return found
        return self._first(*self._primals)  # type: ignore[no-any-return]

    def _ready(self) -> bool:
        """Is there an evaluation that has paused? The second one is kept for further pulls, where there is memory for it."""
        if self._rest is None:
            self._start()
            if self._rest is not None and self._used:
                with contextlib.suppress(MemoryError):
                    self._rest.keep()
        return self._rest is not None

    def _pull(self, given: tuple[Any, ...], cotangent: Any) -> Any:
        """The way back."""
        while self._ready():
            rest, self._rest, self._used = self._rest, None, True
            EXCHANGE.cotangents = given
            try:
                rest.go_on()
            except Ended:
                found, EXCHANGE.found = EXCHANGE.found, None
                return found
            finally:
                EXCHANGE.cotangents = ()
                if rest.kept:
                    self._rest = rest
                else:
                    _PAUSED.discard(rest)
                    rest.release()
        return self._anew(self._primals, (cotangent,))

    def _fitting(self, cotangent: Any) -> tuple[Any, ...] | None:
        """The cotangents of floats, where all are just like the value; whatever else may be given, or is wrong, is seen by `anew`."""
        given, tree = pytree.flatten(cotangent)
        if tree != self._tree:
            return None
        found = []
        for c, y in zip(given, self._leaves, strict=True):
            if isinstance(y, np.ndarray):
                if type(c) is not np.ndarray or c.dtype != y.dtype or c.shape != y.shape:
                    return None
            elif type(c) is not type(y):
                return None
            if np.asarray(y).dtype.kind == "f":
                found.append(c)
        return tuple(found)
