"""`check_grads`: derivatives against central differences, and native code against the interpreter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .backends.base import Exhausted
from .ir.core import errors
from .ir.ops.effects import has_effects
from .ir.staging.kinds import skeleton
from .ir.trace.combined import leaf_names
from .ir.trace.language import call
from .ir.values import pytree
from .ir.values.complexes import pairs as complexes
from .ir.values.writes import at_the_border
from .jitted import jit
from .transforms import jvp, vjp

MODES = {"fwd": "jvp", "rev": "vjp"}
MOST_ELEMENTS = 50  # of a leaf, each of which is looked at by itself where something is wrong
INTERPRETED = 200_000  # operations at most


class _Precision(NamedTuple):
    eps: float
    rtol: float
    atol: float

    @property
    def step(self) -> float:
        return float(self.eps ** (1 / 3))


PRECISIONS = {np.float64: _Precision(2.0**-52, 1e-4, 1e-6), np.float32: _Precision(2.0**-23, 2e-2, 2e-3)}


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    modes: str | Sequence[str] = ("fwd", "rev"),
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> None:
    """Compare derivatives of f with central differences, along a random direction.

    Each derivative is compiled, and compared with what the interpreter gives, too, unless that takes long. The step is
    (machine epsilon)^(1/3), the error of a central difference is then about (machine epsilon)^(2/3) of the scale (Nocedal and Wright,
    Numerical Optimization, 8.1).

    Parameters
    ----------
    f : callable
        Gives floats, arrays and containers of them; other results are left out. Complex numbers are their real and imaginary parts.
    args : sequence
        Any that f takes; floats, arrays of floats and those in containers are differentiated.
    order : int, default 1
        1 checks the derivatives, 2 also the derivatives of these, and so on.
    modes : str or sequence of str, default ("fwd", "rev")
        "fwd" checks jvp, "rev" checks vjp. At order 2 each is checked of each.
    rtol, atol : float, optional
        1e-4 and 1e-6; 2e-2 and 2e-3 where f computes with float32.
    seed : int, default 0
        Of the directions.

    Returns
    -------
    None
        If all is well.

    Raises
    ------
    GradientCheckError
        Says which result, which argument and which element is wrong, and both numbers.

    Examples
    --------
    >>> import lantern_jit as lj
    >>> lj.check_grads(lambda x, y: x * y * y, (2.0, 3.0), order=2)
    >>> lj.check_grads(lambda p, n: {"sum": p["a"] + n, "rest": [p["b"] ** n]}, ({"a": 1.0, "b": 2.0}, 3), modes="rev")
    """
    if order < 1:
        raise ValueError(f"order={order}: give 1 or more")
    chosen = (modes,) if isinstance(modes, str) else tuple(modes)
    if not chosen or set(chosen) - set(MODES):
        raise ValueError(f"modes={modes!r}: give 'fwd', 'rev' or both")
    args = complexes.split_in(tuple(args))
    leaves, tree = pytree.flatten(tuple(args))
    places = [i for i, x in enumerate(leaves) if _is_float(x)]
    if not places:
        raise TypeError("check_grads() is given no float and no array of floats to differentiate")
    names = ["argument " + name.replace("[", "", 1).replace("]", "", 1) for name in pytree.leaf_names(tuple(args))]
    results: list[str] = []
    flat = _of_floats(f, tree, places, len(leaves), results)
    xs = tuple(leaves[i] for i in places)
    rest = tuple(x for i, x in enumerate(leaves) if i not in places)
    precision = PRECISIONS[np.float32 if any(_dtype(x) == np.float32 for x in xs) else np.float64]
    precision = precision._replace(rtol=precision.rtol if rtol is None else rtol, atol=precision.atol if atol is None else atol)
    _Check(flat, xs, rest, [names[i] for i in places], results, precision, np.random.default_rng(seed), ()).run(order, chosen)


def _of_floats(f: Any, tree: Any, places: Sequence[int], n: int, names: list[str]) -> Callable[[Any, Any], Any]:
    """A function of the leaves of f's arguments at these places, and of the others, that gives the floats that f gives; `names` becomes theirs."""

    def flat(xs: Sequence[Any], rest: Sequence[Any]) -> tuple[Any, ...]:
        others, floats = iter(rest), dict(zip(places, xs, strict=True))
        out: list[Any] = []
        given = pytree.unflatten(tree, [floats[i] if i in floats else next(others) for i in range(n)])
        bones = skeleton(at_the_border(call(f, *given)), out)
        names[:] = [name for name, y in zip(leaf_names(bones, "the result"), out, strict=True) if _is_float(y)]
        return tuple(y for y in out if _is_float(y))

    return flat


def _is_float(x: Any) -> bool:
    return getattr(x, "dtype", np.dtype(type(x)) if type(x) in (float, int, bool) else np.dtype(object)).kind == "f"


def _dtype(x: Any) -> Any:
    return x.dtype if hasattr(x, "dtype") else np.dtype(np.float64)


class _Check:
    """Derivatives of flat(xs, rest). `above`: what has been differentiated to come to it."""

    def __init__(
        self, flat: Any, xs: Any, rest: Any, names: list[str], results: list[str], precision: _Precision, rng: Any, above: tuple[str, ...]
    ) -> None:
        self.flat, self.xs, self.rest, self.names, self.results = flat, xs, rest, names, results
        self.precision, self.rng, self.above = precision, rng, above
        self.native = jit(lambda xs, rest: flat(xs, rest))
        scale = max(1.0, *(float(np.max(np.abs(x), initial=0.0)) for x in xs))
        self.step = precision.step * scale
        self.forward = jit(lambda xs, ts, rest: jvp(lambda *p: flat(p, rest), xs, ts)[1])
        self.reverse = jit(lambda xs, cts, rest: vjp(lambda *p: flat(p, rest), *xs)[1](cts))

    def run(self, order: int, modes: Sequence[str]) -> None:
        values = self.native(self.xs, self.rest)
        if not values:
            raise TypeError("check_grads(): the function gives no float and no array of floats")
        directions = tuple(map(self.random, self.xs))
        weights = tuple(map(self.random, values))
        self.compare(modes, directions, weights, True)
        if order == 1:
            return
        if "fwd" in modes:
            self.deeper("jvp", lambda xs, rest: jvp(lambda *p: self.flat(p, rest), tuple(xs), directions)[1], self.results).run(
                order - 1, modes
            )
        if "rev" in modes:
            adjoints = [f"the adjoint of {name}" for name in self.names]
            self.deeper("vjp", lambda xs, rest: vjp(lambda *p: self.flat(p, rest), *xs)[1](weights), adjoints).run(order - 1, modes)

    def deeper(self, what: str, flat: Any, results: list[str]) -> _Check:
        return _Check(flat, self.xs, self.rest, self.names, results, self.precision, self.rng, (*self.above, what))

    def random(self, x: Any) -> Any:
        made = self.rng.normal(size=np.shape(x)).astype(_dtype(x))
        return made if np.ndim(x) else type(x)(made) if isinstance(x, (float, np.generic)) else made

    # ---- along one direction
    def compare(self, modes: Sequence[str], directions: Any, weights: Any, wholly: bool, of: str = "") -> None:
        differences = self.differences(directions)
        if "fwd" in modes:
            found = self.both(self.forward, (self.xs, directions, self.rest), self.results, "jvp")
            for name, got, want in zip(self.results, found, differences, strict=True):
                self.elements("jvp", name, got, want, wholly, directions, weights, of)
        if "rev" in modes:
            found = self.both(self.reverse, (self.xs, weights, self.rest), [f"the adjoint of {name}" for name in self.names], "vjp")
            got = _terms(found, directions)
            want = _terms(differences, weights)
            scale = max(float(np.max(np.abs(t), initial=0.0)) for t in (*got, *want))
            a, b = (math.fsum(float(np.sum(t)) for t in terms) for terms in (got, want))
            if not abs(a - b) <= self.precision.atol + self.precision.rtol * max(abs(b), scale):
                if wholly:
                    self.each(("rev",), directions, weights)
                raise self.wrong("vjp", f" summed over {_listed(self.results)}", a, b, of)

    def elements(self, mode: str, name: str, got: Any, want: Any, wholly: bool, directions: Any, weights: Any, of: str) -> None:
        got, want = np.asarray(got), np.asarray(want)
        close = np.isclose(
            got, want, self.precision.rtol, self.precision.atol + self.precision.rtol * 1e-2 * np.max(np.abs(want), initial=0.0)
        )
        if np.all(close):
            return
        if wholly:
            self.each(("fwd",), directions, weights)
        i = tuple(int(k) for k in np.argwhere(~close)[0]) if close.ndim else ()
        place = f"[{', '.join(map(str, i))}]" if i else ""
        raise self.wrong(mode, f" for {name}{place}", float(got[i]), float(want[i]), of)

    def each(self, modes: Sequence[str], directions: Any, weights: Any) -> None:
        """The same in the direction of each argument, and of each of its elements, alone: which is it?"""
        still = [np.zeros_like(d)[()] if np.ndim(d) else type(d)(0) for d in directions]
        for k, (name, d) in enumerate(zip(self.names, directions, strict=True)):
            if not np.ndim(d):
                self.compare(modes, (*still[:k], type(d)(1), *still[k + 1 :]), weights, False, name)
                continue
            for i in list(np.ndindex(d.shape))[:MOST_ELEMENTS]:
                unit = np.zeros_like(d)
                unit[i] = 1
                self.compare(modes, (*still[:k], unit, *still[k + 1 :]), weights, False, f"{name}[{', '.join(map(str, i))}]")

    def differences(self, directions: Any) -> list[Any]:
        high, low = (
            self.native(tuple(_moved(x, d, h) for x, d in zip(self.xs, directions, strict=True)), self.rest)
            for h in (self.step, -self.step)
        )
        return [(np.asarray(a, np.float64) - np.asarray(b, np.float64)) / (2 * self.step) for a, b in zip(high, low, strict=True)]

    def both(self, function: Any, args: Any, names: Sequence[str], what: str) -> Any:
        """What native code gives; the interpreter gives the same."""
        found = function(*args)
        made, leaves = function._dispatcher.lookup(args, {})
        if has_effects(made.program, made.program.entry):
            return found
        try:
            wanted = made._interpreted.call_within(leaves, INTERPRETED)[0]
        except Exhausted:
            return found
        tolerance = 1e4 * self.precision.eps
        for name, a, b in zip(names, found, wanted, strict=True):
            a, b = np.atleast_1d(a), np.atleast_1d(b)
            near = np.isclose(a, b, tolerance, tolerance * max(1.0, float(np.max(np.abs(b), initial=0.0))), equal_nan=True)
            if not near.all():
                i = tuple(np.argwhere(~near)[0])
                where = f"[{', '.join(map(str, i))}]" if a.size > 1 else ""
                raise errors.GradientCheckError(
                    f"{self.told(what)} for {name} is {a[i]!r:.80} in native code, and {b[i]!r:.80} on the interpreter{where and f', at {where}'}"
                )
        return found

    def told(self, mode: str) -> str:
        return " of ".join([mode, *reversed(self.above)])

    def wrong(self, mode: str, what: str, got: float, want: float, of: str) -> Exception:
        along = f"in the direction of {of}" if of else "along a direction"
        return errors.GradientCheckError(f"{self.told(mode)} gives {got!r}{what} {along} where central differences give {want!r}")


def _moved(x: Any, d: Any, h: float) -> Any:
    return x + np.asarray(h, _dtype(x)) * d if np.ndim(x) else type(x)(x + h * d)


def _terms(xs: Any, ys: Any) -> list[Any]:
    return [np.asarray(x, np.float64) * np.asarray(y, np.float64) for x, y in zip(xs, ys, strict=True)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
