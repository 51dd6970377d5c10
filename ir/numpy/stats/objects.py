"""scipy.stats' distributions, frozen or not, in the user's hand: which of ours each is. They are known by name; scipy.stats is not imported here."""

from __future__ import annotations

from typing import Any

from .. import registry
from .scheme import Continuous, Discrete


def continuous(name: str, shapes: str = "", **given: Any) -> None:
    register(name, Continuous(name, shapes, given))


def discrete(name: str, shapes: str = "", **given: Any) -> None:
    register(name, Discrete(name, shapes, given))


def register(name: str, distribution: Any) -> None:
    """What stands for a distribution has its methods by name, as `method` gives them."""
    registry.implements(f"scipy.stats.{name}")(distribution)


def find(name: str) -> Any:
    """The distribution of that name."""
    entry = registry.find(f"scipy.stats.{name}")
    return entry.fn if entry is not None and hasattr(entry.fn, "method") else registry.refuse(f"scipy.stats.{name}")


class Frozen:
    """A distribution with its parameters, some of which are traced."""

    def __init__(self, distribution: Any, args: Any, kwargs: Any) -> None:
        self.distribution, self.args, self.kwargs = distribution, args, kwargs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        method = self.distribution.method(name)
        takes_x = name not in ("mean", "var", "std", "median", "entropy", "support", "stats", "cov", "mode")
        return lambda *x, **given: method(*(x if takes_x else ()), *self.args, **self.kwargs, **given)


def name_of(owner: Any) -> str:
    """Of a distribution of SciPy: what it calls itself, or the name of its class."""
    found = getattr(owner, "name", None) or type(owner).__name__
    return str(found).removesuffix("_gen").removesuffix("_frozen")


def call(function: Any, args: Any, kwargs: Any) -> Any:
    """A distribution with parameters, or a method of one, frozen or not."""
    owner = getattr(function, "__self__", None)
    if owner is None:
        return Frozen(find(name_of(function)), args, kwargs)
    name = function.__name__
    if name == "__call__":
        return Frozen(find(name_of(owner)), args, kwargs)
    if hasattr(owner, "dist") and hasattr(owner, "kwds"):
        return getattr(Frozen(find(name_of(owner.dist)), owner.args, owner.kwds), name)(*args, **kwargs)
    if type(owner).__name__.endswith("_frozen"):
        found = find(name_of(owner))
        return found.method(name)(*args, **found.thawed(owner), **kwargs)
    return find(name_of(owner)).method(name)(*args, **kwargs)
