"""Why a function is compiled once more: which part of its signature is new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..ir.core.errors import ArgumentTypeError
from ..ir.core.types import describe
from ..ir.objects.statics import is_static
from ..ir.trace.program import abstract

Key = tuple[Any, tuple[Any, ...], tuple[Any, ...], tuple[type, ...]]  # structure, types of leaves, static arguments, types of keys


def kinds(names: Sequence[str], leaves: Sequence[Any]) -> list[str]:
    """Each leaf with its type, or as it is."""
    return [f"{n}: {_kind(x)}" for n, x in zip(names, leaves, strict=True) if x is not None]


def shortened(words: Sequence[str], most: int = 16) -> list[str]:
    """The first of many, and how many more there are."""
    return [*words] if len(words) <= most else [*words[:most], f".. and {len(words) - most} more"]


def _kind(x: Any) -> str:
    if is_static(x):
        return f"{x!r:.40}"
    try:
        return describe(abstract(x, "").type)
    except ArgumentTypeError:  # it is about to be refused
        return type(x).__name__


def reason(key: Key, made: Mapping[Key, Any], names: Sequence[str], leaves: Sequence[Any], spell: Callable[[Any, Any], str]) -> str:
    """In words. `made` are the families of specialisations by key; `spell` names a number that one is for."""
    if not made:
        return "it has not been called before"
    family = made.get(key)
    if family is not None and len(family):
        last = list(family)[-1]
        if not last.numbers or any(not s.holds() for s in family):
            return "what it has read outside of its arguments has changed"
        return "it has been compiled for other " + ", ".join(dict.fromkeys(spell(last, need) for need in last.numbers))
    alike = [k for k in made if (k[0], k[3]) == (key[0], key[3])]
    if not alike:
        return "its arguments have another structure"
    fewest = min(alike, key=lambda k: sum(a != b for a, b in zip((*k[1], *k[2]), (*key[1], *key[2]), strict=False)))
    new = [text for n, x, a, b in zip(names, leaves, fewest[1], key[1], strict=True) for text in kinds([n], [x]) if a != b]
    new += [f"static argument {i}" for (i, a), (_, b) in zip(fewest[2], key[2], strict=False) if a != b]
    return f"new is {', '.join(shortened(new)) or 'a static argument'}"
