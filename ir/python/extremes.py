"""max and min."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from ..core import errors
from ..core.builder import building
from ..core.sites import unsupported, user_site
from ..core.types import BOOL, Scalar, is_float
from ..numpy.ufuncs import choose
from ..objects.choice import among, is_choice, is_whole, one_of, state_of, union
from ..objects.held import CONTAINERS
from ..ops import table
from ..staging.branches import if_, ifexp, not_, or_
from ..staging.leaves import leaf_type
from ..values import pytree
from ..values.scalars import truth
from ..values.values import Arrayed, Traced, call, dimension, load
from ..values.views import base_of, settled
from .folds import ABSENT
from .for_loops import _each, _is_empty, _key_of, _look, _require_not, _require_one, _rest, _source, _variables
from .iterables import Staged, _ints


def _extreme(better: Callable[[Any, Any], Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """Python's min and max: the first of equals wins, and whatever is compared with a NaN loses."""
    name = plain.__name__

    def fn(*args: Any, key: Any = None, default: Any = ABSENT) -> Any:
        if len(args) == 1 and isinstance(args[0], Traced):
            raise TypeError(f"{args[0]!r} is not iterable")
        staged, items = _source(args[0], key) if len(args) == 1 else (None, args)
        if staged is not None and not (staged.short and staged.keep is None and not isinstance(items, Arrayed)):
            return _best_of(staged, items, better, key, default, name)
        items = list(items)
        if not items or not building():
            more = {} if default is ABSENT else {"default": default}
            return plain(*((items,) if len(args) == 1 else args), key=key, **more)
        return _best(items, better, key)

    return fn


def _before(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`compare`, < or >, as rewritten code does it: of tuples, and of what a user's class says."""
    return functools.partial(call, compare)


def _best(items: list[Any], better: Callable[[Any, Any], Any], key: Any) -> Any:
    best, top = items[0], _key_of(key, items[0])
    for x in items[1:]:
        k = _key_of(key, x)
        wins = truth(better(k, top))
        top = _either(wins, k, top)
        best = _either(wins, x, best) if key is not None else top
    return best


def _either(first: Any, x: Any, y: Any) -> Any:
    if not isinstance(first, Traced):
        return x if first else y
    if isinstance(x, tuple) and isinstance(y, tuple) and len(x) != len(y):
        unsupported("max() or min() of tuples of unequal lengths", "make them equally long, or compare what decides: key=lambda t: t[0]")
    if all(is_whole(v) or is_choice(v) or isinstance(v, CONTAINERS) for v in (x, y)):
        known = union([x, y])
        return one_of(table.select(first, *_ints(*(state_of(among(v, known))[0] for v in (x, y)))), known)
    scalars = all(not isinstance(v, Arrayed) and leaf_type(v) is not None for v in (x, y))
    return choose(first, x, y) if scalars else ifexp(first, lambda: x, lambda: y)


def _best_of(staged: Staged, items: Any, better: Callable[[Any, Any], Any], key: Any, default: Any, name: str) -> Any:
    none = ValueError(f"{name}() iterable argument is empty" if sys.version_info >= (3, 12) else f"{name}() arg is an empty sequence")
    if not staged.indexed:
        return _best_chosen(staged, better, key, default, none)

    def best() -> Any:
        return _place_of_best(items, better) if _is_vector(items) and key is None else _best_in_loop(staged, better, key)

    if default is ABSENT:
        _require_one(staged, none)
        return best()
    return ifexp(_is_empty(staged), lambda: default, best)


def _is_vector(items: Any) -> bool:
    return isinstance(items, Arrayed) and items.ndim == 1


def _place_of_best(x: Arrayed, better: Callable[[Any, Any], Any]) -> Any:
    """The loop finds the place; the element there is read once, and its derivative goes there."""
    cells, scope = _variables(at=0)

    def one(i: Any) -> None:
        value, top = load(x, i, checked=False), load(x, cells["at"], checked=False)
        cells.update(at=choose(better(value, top), i, cells["at"]))

    n = dimension(x, 0)
    _each(Staged(lambda: n, lambda i: i, n if isinstance(n, int) else None, lambda: range(n)), one, scope)
    return load(x, cells["at"], checked=False)


def _best_in_loop(staged: Staged, better: Callable[[Any, Any], Any], key: Any) -> Any:
    first = staged.element(0)
    _hold(first)
    first = settled(first)
    cells, scope = _variables(best=first, top=_key_of(key, first))

    def one(x: Any) -> None:
        x = settled(x)
        k = _key_of(key, x)
        if_(better(k, cells["top"]), lambda: cells.update(best=x, top=k), lambda: None, scope)

    staged.begin()
    _each(_rest(staged), one, scope)
    return cells["best"]


def _best_chosen(staged: Staged, better: Callable[[Any, Any], Any], key: Any, default: Any, none: Exception) -> Any:
    """Of elements that are chosen: which one is the first, the loop finds out."""
    if staged.known == 0:
        if default is ABSENT:
            _require_one(staged, none)
        return default
    seed = _look(lambda: _first_chosen(staged))
    cells, scope = _variables(found=False, best=_zero_like(seed), top=_zero_like(_look(lambda: _key_of(key, seed))))

    def one(x: Any) -> None:
        k = _key_of(key, x)
        first = or_(not_(cells["found"]), lambda: better(k, cells["top"]))
        if_(first, lambda: cells.update(found=True, best=x, top=k), lambda: None, scope)

    _each(staged, one, scope)
    if default is not ABSENT:
        return ifexp(cells["found"], lambda: cells["best"], lambda: default)
    _require_not(not_(cells["found"]), none)
    return cells["best"]


def _first_chosen(staged: Staged) -> Any:
    raw = staged.element(0) if staged.known is None else next(iter(staged.python()))
    x = raw if staged.item is None else staged.item(raw)
    return _first_chosen(x) if staged.flat else x


def _zero_like(tree: Any) -> Any:
    leaves, structure = pytree.flatten(tree)
    kinds = [leaf_type(x) for x in leaves]
    if not all(isinstance(t, Scalar) for t in kinds):
        raise errors.UnsupportedOperationError(f"max() and min() at {user_site()} choose among numbers and tuples of them")
    zeros = [False if t == BOOL else 0.0 if t is not None and is_float(t) else 0 for t in kinds]
    typed = [z if not isinstance(x, Traced) or x.weak else x.dtype.type(z) for x, z in zip(leaves, zeros, strict=True)]
    return pytree.unflatten(structure, typed)


def _hold(tree: Any) -> None:
    """Copies stand for these arrays from now on: a later write to them would have to show there, and is refused."""
    for x in [tree] if isinstance(tree, Arrayed) else pytree.flatten(tree)[0]:
        if isinstance(x, Arrayed):
            x.owned = base_of(x).owned = False
