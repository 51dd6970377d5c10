"""What distributions of numbers have in common: location and scale, the support, arguments out of range, and what follows from what is given.

A distribution is written as functions of numbers in standard form, by the names of SciPy's methods, or numbers in their place. `low` and
`high` are the support, `valid` says which shapes there are (else the positive ones); NaN stands for what SciPy gives NaN for.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.sites import unsupported
from ...values.kernels import elementwise
from ...values.values import Traced
from ...values.views import as_array
from ..special.elements import floats

Function = Callable[..., Any]


class Distribution:
    """`given` are the functions, of a number and `shapes`, or of shapes alone."""

    density, log_density = "pdf", "logpdf"
    places: tuple[str, ...] = ("loc", "scale")

    def __init__(self, name: str, shapes: str, given: dict[str, Any]) -> None:
        self.name, self.shapes, self.given = name, shapes.split(), given

    def own(self, name: str) -> Function | None:
        """What is given."""
        found = self.given.get(name)
        return found if callable(found) or found is None else lambda *shapes: found

    def method(self, name: str) -> Function:
        """A method as SciPy has it: of x, where it takes one, the shapes, and where they are, in their order or by name."""
        first = (self.density, self.log_density, "cdf", "logcdf", "sf", "logsf", "ppf", "isf", "interval")
        known = {**dict.fromkeys(first, True), **dict.fromkeys(("mean", "var", "std", "median", "entropy", "support", "stats"), False)}
        if name not in known or (name in ("ppf", "isf", "interval", "median") and not self.has_quantiles()):
            unsupported(f"scipy.stats.{self.name}.{name}", f"{self.name} has {', '.join(n for n in known if self.knows(n))}")
        order = (*(("x",) if known[name] else ()), *self.shapes, *self.places)
        parameters = [inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=self.default(p)) for p in order]
        signature = inspect.Signature(parameters)

        def run(*args: Any, **kwargs: Any) -> Any:
            kwargs = {("x" if known[name] and k in ("k", "q", "confidence") else k): v for k, v in kwargs.items()}
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as e:
                raise TypeError(f"scipy.stats.{self.name}.{name}: {e}") from None
            bound.apply_defaults()
            return self.compute(name, list(bound.arguments.values()))

        return run

    def default(self, parameter: str) -> Any:
        return (
            {"loc": 0.0, "scale": 1.0}.get(parameter, inspect.Parameter.empty) if parameter not in self.shapes else inspect.Parameter.empty
        )

    def has_quantiles(self) -> bool:
        return self.own("ppf") is not None

    def knows(self, name: str) -> bool:
        """Is it there, or follows from what is?"""
        given = {
            "interval": "ppf",
            "isf": "ppf",
            "median": "ppf",
            "std": "var",
            "logcdf": "cdf",
            "logsf": "cdf",
            "sf": "cdf",
            "stats": "var",
        }
        return self.own(given.get(name, name)) is not None or name in (self.density, self.log_density, "support")

    def compute(self, name: str, args: list[Any]) -> Any:
        if name == "interval":
            return tuple(self.compute("ppf", [p, *args[1:]]) for p in ((1.0 - args[0]) / 2.0, (1.0 + args[0]) / 2.0))
        if name == "median":
            return self.compute("ppf", [0.5, *args])
        if name == "stats":
            return self.compute("mean", args), self.compute("var", args)
        if name == "std":
            return np.sqrt(self.compute("var", args))
        if name == "support":
            return tuple(self.each(getattr(self, end), args) for end in ("lower", "upper"))
        if not self.knows(name):
            unsupported(f"scipy.stats.{self.name}.{name}", "it is no known function of the parameters here")
        return self.each(getattr(self, name), args)

    def each(self, function: Function, args: list[Any]) -> Any:
        """Of each element: all numbers are float64, as SciPy's are."""

        def element(*xs: Any) -> Any:
            return floats(self.name, function, True)(*xs, np.float64(0.0))

        return elementwise(element, *map(as_array, args), name=self.name)

    # ---- of numbers: x, shapes, loc, scale, and a float64 for the type
    def parts(self, args: Any) -> tuple[Any, Any, Any]:
        n = len(self.shapes)
        loc, *scale = args[n:-1]
        return args[:n], loc, scale[0] if scale else None

    def allowed(self, shapes: Any, scale: Any) -> Any:
        """Are the parameters in range? Numbers that are none are not."""
        valid = self.own("valid")
        found = valid(*shapes) if valid is not None and shapes else True
        for s in shapes if valid is None else ():
            found = (s > 0.0) & found
        return found if scale is None or plainly(scale, 1.0) else (scale > 0.0) & found

    def end(self, which: str, shapes: Any) -> Any:
        own = self.own(which)
        return own(*shapes) if own is not None else -math.inf if which == "low" else math.inf

    def lower(self, *args: Any) -> Any:
        return self.placed(self.end("low", self.parts(args)[0]), args)

    def upper(self, *args: Any) -> Any:
        return self.placed(self.end("high", self.parts(args)[0]), args)

    def placed(self, z: Any, args: Any) -> Any:
        """A number in standard form where the distribution is; NaN where there is none."""
        shapes, loc, scale = self.parts(args)
        z = z if scale is None or plainly(scale, 1.0) else z * scale
        return self.known(z if plainly(loc, 0.0) else z + loc, shapes, scale)

    def known(self, z: Any, shapes: Any, scale: Any, *xs: Any) -> Any:
        ok = self.allowed(shapes, scale)
        for x in xs:
            ok = (x == x) & ok
        return z if ok is True else np.where(ok, z, math.nan)

    def standard(self, x: Any, loc: Any, scale: Any) -> Any:
        y = x if plainly(loc, 0.0) else x - loc
        return y if scale is None or plainly(scale, 1.0) else y / scale

    def mean(self, *args: Any) -> Any:
        return self.placed(self.own("mean")(*self.parts(args)[0]), args)  # type: ignore[misc]

    def var(self, *args: Any) -> Any:
        shapes, _, scale = self.parts(args)
        v = self.own("var")(*shapes)  # type: ignore[misc]
        return self.known(v if scale is None or plainly(scale, 1.0) else v * scale * scale, shapes, scale)

    def entropy(self, *args: Any) -> Any:
        shapes, _, scale = self.parts(args)
        h = self.own("entropy")(*shapes)  # type: ignore[misc]
        return self.known(h if scale is None or plainly(scale, 1.0) else h + np.log(scale), shapes, scale)

    # ---- distribution functions
    def tail(self, x: Any, args: Any, inside: Function, below: float, above: float) -> Any:
        """A function of numbers in the support, and what it is below and above."""
        shapes, loc, scale = self.parts(args)
        y = self.step(self.standard(x, loc, scale))
        low, high = self.end("low", shapes), self.end("high", shapes)
        z = np.where(self.before(y, low), below, np.where(y >= high, above, inside(y, *shapes)))  # an end may be infinite
        return self.known(z, shapes, scale, x)

    def step(self, y: Any) -> Any:
        return y

    def before(self, y: Any, low: Any) -> Any:
        return y <= low

    def cdf(self, x: Any, *args: Any) -> Any:
        own, other = self.own("cdf"), self.own("sf")
        return self.tail(x, args, own or (lambda y, *shapes: 1.0 - other(y, *shapes)), 0.0, 1.0)  # type: ignore[misc]

    def sf(self, x: Any, *args: Any) -> Any:
        own, other = self.own("sf"), self.own("cdf")
        return self.tail(x, args, own or (lambda y, *shapes: 1.0 - other(y, *shapes)), 1.0, 0.0)  # type: ignore[misc]

    def logcdf(self, x: Any, *args: Any) -> Any:
        own = self.own("logcdf")
        return np.log(self.cdf(x, *args)) if own is None else self.tail(x, args, own, -math.inf, 0.0)

    def logsf(self, x: Any, *args: Any) -> Any:
        own = self.own("logsf")
        return np.log(self.sf(x, *args)) if own is None else self.tail(x, args, own, 0.0, -math.inf)

    def quantile(self, q: Any, args: Any, inside: Function, ends: tuple[str, str]) -> Any:
        shapes, _, scale = self.parts(args)
        first, last = (self.end(end, shapes) for end in ends)
        z = np.where(q == 0.0, first, np.where(q == 1.0, last, inside(q, *shapes)))
        ok = self.known(self.placed(z, args), shapes, scale, q)
        return np.where((q >= 0.0) & (q <= 1.0), ok, math.nan)

    def ppf(self, q: Any, *args: Any) -> Any:
        return self.quantile(q, args, self.own("ppf"), ("low", "high"))  # type: ignore[arg-type]

    def isf(self, q: Any, *args: Any) -> Any:
        own, other = self.own("isf"), self.own("ppf")
        return self.quantile(q, args, own or (lambda q, *shapes: other(1.0 - q, *shapes)), ("high", "low"))  # type: ignore[misc]

    # ---- densities
    def logarithm(self, y: Any, shapes: Any) -> Any:
        own = self.own(self.log_density)
        return np.log(self.own(self.density)(y, *shapes)) if own is None else own(y, *shapes)  # type: ignore[misc]

    def value(self, y: Any, shapes: Any) -> Any:
        own = self.own(self.density)
        return np.exp(self.own(self.log_density)(y, *shapes)) if own is None else own(y, *shapes)  # type: ignore[misc]


def plainly(x: Any, value: float) -> bool:
    """Is it this number, known while tracing?"""
    number = x.atom.value if isinstance(x, Traced) and hasattr(x.atom, "value") else x
    return isinstance(number, (int, float)) and number == value


class Continuous(Distribution):
    def logpdf(self, x: Any, *args: Any) -> Any:
        shapes, loc, scale = self.parts(args)
        y = self.standard(x, loc, scale)
        z = self.logarithm(y, shapes)
        return self.supported(z if plainly(scale, 1.0) else z - np.log(scale), -math.inf, x, y, shapes, scale)

    def pdf(self, x: Any, *args: Any) -> Any:
        shapes, loc, scale = self.parts(args)
        y = self.standard(x, loc, scale)
        z = self.value(y, shapes)
        return self.supported(z if plainly(scale, 1.0) else z / scale, 0.0, x, y, shapes, scale)

    def supported(self, z: Any, outside: float, x: Any, y: Any, shapes: Any, scale: Any) -> Any:
        low, high = self.end("low", shapes), self.end("high", shapes)
        z = z if plainly(low, -math.inf) else np.where(y >= low, z, outside)
        z = z if plainly(high, math.inf) else np.where(y <= high, z, outside)
        return self.known(z, shapes, scale, x)


class Discrete(Distribution):
    density, log_density = "pmf", "logpmf"
    places = ("loc",)

    def logpmf(self, x: Any, *args: Any) -> Any:
        return self.supported(self.logarithm, -math.inf, x, args)

    def pmf(self, x: Any, *args: Any) -> Any:
        return self.supported(self.value, 0.0, x, args)

    def supported(self, function: Function, outside: float, x: Any, args: Any) -> Any:
        shapes, loc, scale = self.parts(args)
        y = self.standard(x, loc, scale)
        low, high = self.end("low", shapes), self.end("high", shapes)
        inside = (y >= low) & (y == np.floor(y))
        z = np.where(inside if plainly(high, math.inf) else (y <= high) & inside, function(y, shapes), outside)
        return self.known(z, shapes, scale, x)

    def step(self, y: Any) -> Any:
        return np.floor(y)

    def before(self, y: Any, low: Any) -> Any:
        return y < low
