"""How far a loop is, shown while compiled code runs: `for i in progress(range(n))`, and tqdm's bars.

    for i in tqdm(range(n), desc="fit"):         bar = tqdm(None, desc="fit", total=n)
        body                                     for start in range(0, n, every):
                                                     for i in range(start, min(start + every, n)):  body
                                                     bar.update(..)

So the loop inside is as fast, and as differentiable, as without a bar, which moves some hundred times. It is Python's, made and told by
recipes (host.py); those that are left open by a `break` are closed when the call ends.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.builder import building, current_builder
from ..core.sites import unsupported, user_site
from ..core.types import I64
from ..python.host import recipe, running
from ..python.iterables import Staged, staged_iterable, staged_length, staged_range
from ..values.values import Traced

_NUMBERS = itertools.count()
_METHODS = ("set_description", "set_description_str", "set_postfix", "set_postfix_str", "refresh")


# ---- what Python does when the program gets there
def _open(make: Callable[..., Any], args: Any, kwargs: Any) -> int:
    number = next(_NUMBERS)
    running().bars[number] = make(*args, **kwargs)
    return number


def _move(number: int, place: int) -> None:
    bar = running().bars.get(number)
    if bar is not None:
        bar.update(place - bar.n)


def _close(number: int) -> None:
    bar = running().bars.pop(number, None)
    if bar is not None:
        bar.close()


def _tell(number: int, name: str, args: Any, kwargs: Any) -> None:
    bar = running().bars.get(number)
    if bar is not None:
        getattr(bar, name)(*args, **kwargs)


class Bar:
    """A line of text on stderr. What loops need of a bar is what it has, as tqdm's have it."""

    PATIENCE = 0.1  # seconds between two

    def __init__(self, total: int, desc: str = "", file: Any = None) -> None:
        self.n, self.total, self.desc, self.file = 0, total, desc, file
        self.began, self.shown = time.monotonic(), -self.PATIENCE

    def update(self, n: int) -> None:
        self.n += n
        now = time.monotonic() - self.began
        if now - self.shown >= self.PATIENCE or self.n >= self.total:
            self.shown = now
            left = f"{now * (self.total - self.n) / self.n:.0f} s left" if self.n else ""
            self._write(
                f"\r{self.desc}{': ' * bool(self.desc)}{100 * self.n // max(self.total, 1):3d} % of {self.total}, {now:.0f} s, {left}  "
            )

    def close(self) -> None:
        self._write("\n")

    def _write(self, text: str) -> None:
        print(text, end="", file=self.file or sys.stderr, flush=True)


# ---- while tracing
class Shown:
    """A bar of the program's."""

    def __init__(self, make: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        made = recipe(_open, (make, args, kwargs), {}, gives=(I64,), checked=lambda found, _: [np.int64(found)], inside=True)
        (out,) = current_builder().emit("callback", *made, user_site("a bar"))
        self.number = Traced(out, current_builder(), True)

    def _later(self, action: Callable[..., Any], *args: Any) -> None:
        current_builder().emit("host", *recipe(action, (self.number, *args), {}, inside=True), user_site())

    def move(self, place: Any) -> None:
        self._later(_move, place)

    def close(self) -> None:
        self._later(_close)

    def tell(self, name: str, args: Any, kwargs: Any) -> None:
        self._later(_tell, name, args, kwargs)


@dataclass
class Watched(Staged):
    """What `tqdm(range(n))` is in compiled code."""

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS and "shown" in self.__dict__:
            return lambda *args, **kwargs: self.shown.tell(name, args, kwargs)
        raise AttributeError(name)

    __iter__ = Staged.__iter__


def shows(function: Any) -> bool:
    """Is this one of tqdm's bars?"""
    module = getattr(function, "__module__", None)
    return (
        isinstance(module, str) and module.partition(".")[0] == "tqdm" and getattr(function, "__name__", "").startswith(("tqdm", "trange"))
    )


def of_tqdm(make: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """tqdm(items, ..) or trange(n, ..)"""
    if make.__name__.startswith("trange"):
        return of_tqdm(type(make(0, disable=True)), (staged_range(*args),), kwargs)
    items, *rest = args if args else (kwargs.pop("iterable", None),)
    if items is None:
        unsupported("a bar that is moved by hand", "write `for x in tqdm(items)`, or call functions that move it by lj.callback")
    total = rest[1] if len(rest) > 1 else kwargs.get("total")
    return _watched(items, make, lambda n: ((None, *rest), kwargs if total is not None else {**kwargs, "total": n}))


def _watched(items: Any, make: Callable[..., Any], given: Callable[[Any], tuple[Any, Any]]) -> Any:
    staged = staged_iterable(items)
    if staged is None:
        n = len(items) if hasattr(items, "__len__") else None
        return _unrolled(items, Shown(make, *given(n)))
    if staged.flat:
        unsupported("a bar around a generator of several loops", "put it around what the outer one goes over")
    facts = {name: getattr(staged, name) for name in Staged.__dataclass_fields__}
    return Watched(**{**facts, "shown": Shown(make, *given(staged_length(staged) if not staged.once else staged.count()))})


def _unrolled(items: Iterable[Any], shown: Shown) -> Iterator[Any]:
    for i, x in enumerate(items, 1):
        yield x
        shown.move(i)
    shown.close()


def progress(items: Iterable[Any], desc: str = "", total: int | None = None, file: Any = None) -> Any:
    """items, for a `for` statement that shows how far it is.

    In compiled code the line changes about a hundred times, and the loop stays what it is without it; in derivatives it shows the way
    forward. tqdm's bars are understood likewise.

    Parameters
    ----------
    items : iterable
        A range, an array, whatever a loop goes over.
    desc : str, default ""
        Stands before the numbers.
    total : int, optional
        How many items, where that cannot be asked.
    file : file, optional
        Where the line goes; stderr unless given.

    Returns
    -------
    iterable
        The same items.

    Examples
    --------
    >>> import lantern_jit as lj, io
    >>> def total(n, out):
    ...     s = 0
    ...     for i in lj.progress(range(n), "adding", file=out):
    ...         s += i
    ...     return s
    >>> out = io.StringIO()
    >>> lj.jit(lambda n: total(n, out))(1000), out.getvalue().count("adding")
    (499500, 2)
    """
    if building():
        return _watched(items, Bar, lambda n: ((n if total is None else total, desc, file), {}))
    n = len(items) if total is None and hasattr(items, "__len__") else total  # type: ignore[arg-type]
    if n is None:
        raise TypeError(f"progress() of a {type(items).__name__} at {user_site()}: give total=, the number of items")
    return _plain(items, Bar(n, desc, file))


progress.__lantern_transform__ = True  # type: ignore[attr-defined]


def _plain(items: Iterable[Any], bar: Bar) -> Iterator[Any]:
    try:
        for x in items:
            yield x
            bar.update(1)
    finally:
        bar.close()


__all__ = ["Bar", "Shown", "Watched", "of_tqdm", "progress", "shows"]
