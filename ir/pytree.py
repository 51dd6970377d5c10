"""Containers of values: tuples, lists, dicts, namedtuples and dataclasses, through optree.

Dataclasses are registered with optree when one is first met; their fields are their children.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import optree

_NAMESPACE = "lantern_jit"
_REGISTERED: set[type] = set()


def _register_dataclass(cls: type) -> None:
    names = tuple(f.name for f in dataclasses.fields(cls))

    def unflatten(_: Any, children: Iterable[Any]) -> Any:
        obj: Any = object.__new__(cls)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(obj, name, child)
        return obj

    optree.register_pytree_node(cls, lambda obj: (tuple(getattr(obj, n) for n in names), None, names), unflatten, namespace=_NAMESPACE)


def _visit(node: Any) -> bool:
    cls = type(node)
    if dataclasses.is_dataclass(node) and not isinstance(node, type) and cls not in _REGISTERED:
        _REGISTERED.add(cls)
        _register_dataclass(cls)
    return False


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """(leaves, structure). None is a leaf."""
    leaves, treedef = optree.tree_flatten(tree, is_leaf=_visit, none_is_leaf=True, namespace=_NAMESPACE)
    return leaves, treedef


def unflatten(treedef: Any, leaves: Iterable[Any]) -> Any:
    return optree.tree_unflatten(treedef, leaves)


def paths(tree: Any) -> list[str]:
    """A name for each leaf, such as `['rate'][0]`."""
    return [_path(p) for p in optree.tree_paths(tree, is_leaf=_visit, none_is_leaf=True, namespace=_NAMESPACE)]


def _path(path: tuple[Any, ...]) -> str:
    return "".join(f".{p}" if isinstance(p, str) and p.isidentifier() else f"[{p!r}]" for p in path)


def refill(old: Any, new: Any) -> Any:
    """Put the contents of `new` into the mutable container `old`, so that other references to it see them."""
    if type(old) is not type(new):
        return new
    if isinstance(old, list):
        old[:] = new
        return old
    if isinstance(old, dict):
        old.clear()
        old.update(new)
        return old
    if dataclasses.is_dataclass(old) and not isinstance(old, type) and not old.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        for f in dataclasses.fields(old):
            setattr(old, f.name, getattr(new, f.name))
        return old
    return new
