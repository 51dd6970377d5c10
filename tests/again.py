"""reset and shift in plain Python: a continuation runs the body of its reset again, where each shift gives what it gave before.

A shift goes through all resets between it and its own; each of them notes what it has given, for each may be run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAIN = object()


class TooLong(Exception):
    """More shifts than a test has time for."""


class Captured(BaseException):
    """On the way from a shift to its reset."""

    def __init__(self, of: Under, g: Callable[[Any], Any]) -> None:
        super().__init__()
        self.of, self.g, self.before = of, g, list(of.seen)


class Under:
    """A reset under way: what its shifts are to give, and what they have given."""

    def __init__(self, tag: Any, answers: list[Any]) -> None:
        self.tag, self.answers, self.seen = tag, list(answers), list[Any]()


class Again:
    """What a program finds in place of lantern_jit. `left` is how many shifts it may do."""

    def __init__(self, left: int = 20_000) -> None:
        self.under: list[Under] = []
        self.left = left

    def prompt(self, name: str = "") -> object:
        return object()

    def reset(self, f: Callable[[], Any], tag: Any = MAIN) -> Any:
        return self.run(f, tag, [])

    def run(self, f: Callable[[], Any], tag: Any, answers: list[Any]) -> Any:
        this, depth = Under(tag, answers), len(self.under)
        self.under.append(this)
        try:
            return f()
        except Captured as c:
            if c.of is not this:
                raise
            g, before = c.g, c.before
        finally:
            del self.under[depth:]
        return self.run(lambda: g(lambda v: self.run(f, tag, [*before, v])), tag, [])

    def shift(self, g: Callable[[Any], Any], tag: Any = MAIN) -> Any:
        self.left -= 1
        if self.left < 0:
            raise TooLong
        at = max(i for i, u in enumerate(self.under) if u.tag is tag)
        through = self.under[at:]
        known = next((u for u in reversed(through) if len(u.seen) < len(u.answers)), None)
        if known is None:
            raise Captured(through[0], g)
        value = known.answers[len(known.seen)]
        for u in through:
            u.seen.append(value)
        return value
