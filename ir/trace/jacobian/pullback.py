"""The pullback that `vjp` gives outside of compiled code."""

from __future__ import annotations

import contextlib
import pickle
import threading
import weakref
from typing import Any

import numpy as np

from ...core import errors
from ...core.sites import is_stepping
from ...python import host
from ...python.host import Paused
from ...values import pytree
from . import linear
from .paused import EXCHANGE, Ended
from .point import Point

_EXACT = tuple(map(np.dtype, ("float64", "float32", "int64", "int32", "bool")))  # compiled code reads these where they are

MOST = 64  # evaluations that have paused, each of which has a region's memory
_PAUSED: weakref.WeakSet[Any] = weakref.WeakSet()


class Pullback:
    """pull(cotangent). While calls are interpreted, each evaluates the function again; in compiled code its evaluation pauses, and a pull lets it
    go on, see paused.py. `first`, `pausing`, `anew` and `applied` are the functions to compile. Whatever is evaluated a second time is so at the
    same point, see point.py."""

    def __init__(self, first: Any, pausing: Any, anew: Any, applied: Any, primals: tuple[Any, ...]) -> None:
        self._pausing, self._anew, self._applied, self._primals = pausing, anew, applied, primals
        self._point = Point("vjp", first.bound(*primals), anew, primals)
        self._bound: Any = None  # the evaluation that pauses
        self._lock = threading.RLock()
        self._pulling = False
        self._rest: Any = None  # of the evaluation that has paused
        self._used = False  # has a pull had one?
        leaves = pytree.flatten(primals)[0]
        self._pauses = all(x.dtype in _EXACT and x.flags.c_contiguous for x in leaves if isinstance(x, np.ndarray))
        found = self._point.first("tried") if self._pauses else (self._point.first("evaluate"),)
        self._interpreted = found is not None
        self.value, self.aux, self._how, self._parts = self._start() if found is None else found[0]
        self._leaves, self._tree = pytree.flatten(self.value)
        if self._how != linear.AGAIN:
            self._point.forget()
        elif self._rest is None:
            self._point.keep((self.value,))

    def __call__(self, cotangent: Any) -> Any:
        if self._how != linear.AGAIN:
            return self._applied("vjp", self._how, self._parts, self._primals, self.value, (cotangent,))
        given = self._fitting(cotangent) if self._pauses else None
        if given is None or is_stepping():
            return self._point.again((cotangent,))
        found = self._point.again((cotangent,), "tried") if self._interpreted else None
        if found is not None:
            return found[0]
        self._interpreted = False
        self._point.check()
        with self._lock:
            if self._pulling:  # a signal's handler, or whatever else Python does meanwhile
                return self._point.again((cotangent,))
            self._pulling = True
            try:
                return self._pull(given, cotangent)
            finally:
                self._pulling = False

    def __repr__(self) -> str:
        return f"<pullback of {self._anew!r}>"

    def __deepcopy__(self, memo: Any) -> Pullback:
        return self.__copy__()

    def __copy__(self) -> Pullback:
        """As of any function: what has paused goes on for one."""
        return self

    def __reduce__(self) -> Any:
        raise pickle.PicklingError("a pullback of vjp cannot be pickled, its evaluation is in this process: call vjp where it is needed")

    def _start(self) -> tuple[Any, ...]:
        """Evaluate the function: up to where it pauses, if it does."""
        if len(_PAUSED) < MOST:
            try:
                if self._bound is None:
                    self._bound = self._pausing.bound(*self._primals)
                with host.hearing(self._point.heard):
                    found: tuple[Any, ...] = self._bound.call("run")
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
        return self._point.first("evaluate")  # type: ignore[no-any-return]

    def _ready(self) -> bool:
        """Is there an evaluation that has paused? The second one is kept for further pulls, where there is memory for it."""
        if self._rest is None and (self._bound is not None or self._point.holds):
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
        return self._point.again((cotangent,))

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
