"""A point at which a function has been evaluated, and at which its derivative is evaluated again, whatever has become of what it reads outside.

Numbers stand in its program: that of back then runs. Elements of arrays are read when it runs, so a change is refused. What Python's
functions have given (callbacks, draws of np.random) is heard once more.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ...core import errors
from ...core.builder import building
from ...core.sites import user_site
from ...objects.reads import hold
from ...python import host


class Point:
    """Of a function that `what` differentiates. `bound` is its evaluation, `anew` the transform that evaluates it and applies its derivative to
    changes; `primals` are its arguments."""

    def __init__(self, what: str, bound: Any, anew: Any, primals: tuple[Any, ...]) -> None:
        self._what, self._bound, self._anew, self._primals = what, bound, anew, primals
        self._reads, self._arrays = bound.reads, [(x, x.copy()) for x in bound.arrays]
        self.heard: list[Any] = []
        self._early: Any = None  # (`anew` as it was bound then, to which changes)

    def first(self, how: str) -> Any:
        """Evaluate it."""
        with host.hearing(self.heard):
            return self._bound.call(how)

    def keep(self, changes: Any) -> None:
        """Make the program for such changes now: later there may be other things outside."""
        try:
            self._early = self._anew.bound(self._primals, changes), changes
        except Exception:
            return  # so does the first call of it: there is nothing to keep

    def forget(self) -> None:
        """Nothing is evaluated again."""
        self._bound, self._reads, self._arrays = None, [], []

    @property
    def holds(self) -> bool:
        """Would the function be traced to the same program now?"""
        return hold(self._reads)

    def check(self) -> None:
        """Refuse arrays that have changed."""
        for x, was in self._arrays:
            if x.tobytes() != was.tobytes():
                raise errors.NotDifferentiableError(
                    f"an array of shape {x.shape} that `{self._name}` reads from outside has been written into since {self._what} evaluated it, and its "
                    f"derivative there is not known any more: pass it as an argument, of which {self._what} keeps a copy, or call {self._what} again"
                )

    def again(self, changes: Any, how: str = "evaluate") -> Any:
        """The derivative, applied to changes."""
        self.check()
        if building():
            return self._traced(changes)
        bound = self._anew.bound(self._primals, changes) if self.holds else self._as_it_was(changes)
        with host.hearing(list(self.heard)):
            return bound.call(how)

    def _traced(self, changes: Any) -> Any:
        """As a part of traced code."""
        if self.heard:
            raise errors.UnsupportedOperationError(
                f"`{self._name}` has been evaluated outside of compiled code, with random draws or callbacks that its derivative at {user_site()} would have to "
                f"repeat: call {self._what} inside of the compiled function"
            )
        if not self.holds:
            self._refuse(f"and at {user_site()} it would be traced again")
        return self._anew(self._primals, changes)

    def _as_it_was(self, changes: Any) -> Any:
        """The program that was made at the time."""
        early, like = self._early or (None, None)
        bound = early and self._anew.again(early, (self._primals, changes), (self._primals, like))
        if bound is None:
            which = "a cotangent that is not like the value" if self._what == "vjp" else "a tangent that is not like the primal"
            self._refuse(f"and for {which} it would be traced again")
        return bound

    def _refuse(self, why: str) -> NoReturn:
        raise errors.NotDifferentiableError(
            f"what `{self._name}` reads from outside has changed since {self._what} evaluated it, {why}: call {self._what} again, or pass what changes as an "
            "argument"
        )

    @property
    def _name(self) -> str:
        return str(self._anew.__wrapped__.__name__) if hasattr(self._anew.__wrapped__, "__name__") else repr(self._anew.__wrapped__)
