"""Containers of values: tuples, lists, dicts, namedtuples and dataclasses, through optree.

Dataclasses are registered with optree when one is first met; their fields are their children.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import optree

_NAMESPACE = "lantern_jit"
_IN_ORDER = "lantern_jit.in_order"  # where a dict's keys stand in the order in which they were inserted
_RESULTS = "lantern_jit.results"  # where instances of users' classes are containers too
NAMESPACES = (_NAMESPACE, _IN_ORDER, _RESULTS)
_INSTANCES: set[type] = set()
_REGISTERED: set[type] = set()
_LOCK = threading.Lock()


def _register_dataclass(cls: type) -> None:
    names = tuple(f.name for f in dataclasses.fields(cls))

    def unflatten(_: Any, children: Iterable[Any]) -> Any:
        obj: Any = object.__new__(cls)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(obj, name, child)
        return obj

    for namespace in NAMESPACES:
        optree.register_pytree_node(cls, lambda obj: (tuple(getattr(obj, n) for n in names), None, names), unflatten, namespace=namespace)


def _visit(node: Any) -> bool:
    cls = type(node)
    if dataclasses.is_dataclass(node) and not isinstance(node, type) and cls not in _REGISTERED:
        with _LOCK:
            if cls not in _REGISTERED:
                _register_dataclass(cls)
                _REGISTERED.add(cls)
    return False


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """(leaves, structure). None is a leaf."""
    leaves, treedef = optree.tree_flatten(tree, is_leaf=_visit, none_is_leaf=True, namespace=_NAMESPACE)
    return leaves, treedef


def flatten_above(tree: Any, is_whole: Callable[[Any], bool]) -> tuple[list[Any], Any, list[tuple[Any, ...]]]:
    """(leaves, structure, path to each leaf), where also what `is_whole` is a leaf."""
    paths, leaves, treedef = optree.tree_flatten_with_path(
        tree, is_leaf=lambda x: _visit(x) or is_whole(x), none_is_leaf=True, namespace=_NAMESPACE
    )
    return leaves, treedef, paths


def flatten_in_order(tree: Any) -> tuple[list[Any], Any]:
    """As `flatten`, for arguments: the structure knows the order of a dict's keys, which a program can see."""
    leaves, treedef = optree.tree_flatten(tree, is_leaf=_visit, none_is_leaf=True, namespace=_IN_ORDER)
    return leaves, treedef


def flatten_results(tree: Any, is_made: Callable[[Any], bool], attributes: Callable[[Any], dict[str, Any]]) -> tuple[list[Any], Any]:
    """As `flatten`, where instances of users' classes for which `is_made` are containers of their attributes."""

    def flatten_instance(x: Any) -> Any:
        held = attributes(x)
        return tuple(held.values()), (type(x), tuple(held))

    def unflatten_instance(known: Any, children: Iterable[Any]) -> Any:
        cls, names = known
        made: Any = object.__new__(cls)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(made, name, child)
        return made

    def is_leaf(x: Any) -> bool:
        _visit(x)
        cls = type(x)
        if cls in _REGISTERED or not is_made(x):
            return cls in _INSTANCES  # one that was there before: it is itself
        with _LOCK:
            if cls not in _INSTANCES:
                optree.register_pytree_node(cls, flatten_instance, unflatten_instance, namespace=_RESULTS)
                _INSTANCES.add(cls)
        return False

    return optree.tree_flatten(tree, is_leaf=is_leaf, none_is_leaf=True, namespace=_RESULTS)


def unflatten(treedef: Any, leaves: Iterable[Any]) -> Any:
    return optree.tree_unflatten(treedef, leaves)


_FOREVER = optree.dict_insertion_ordered(True, namespace=_IN_ORDER)
_FOREVER.__enter__()


_NODES: dict[type, tuple[Any, Any]] = {}


def is_node(cls: type) -> bool:
    """Is it a container class of the library's own?"""
    return cls in _NODES


def one_level(x: Any) -> tuple[list[Any], Any]:
    """(children, what else it is) of such a container."""
    children, known, *_ = _NODES[type(x)][0](x)
    return list(children), known


def of_parts(cls: type, known: Any, children: Any) -> Any:
    return _NODES[cls][1](known, tuple(children))


def has_some_keys(x: Any) -> bool:
    """Is it a dict with keys that it has on some paths of the program only, or a set of which the program knows what is in it?"""
    if isinstance(x, (set, frozenset)):
        return len(x) == 1 and hasattr(type(next(iter(x))), "__lantern_queue__")
    return isinstance(x, dict) and hasattr(type(next(iter(dict.values(x)), None)), "as_result")


def register(cls: type, flatten_one: Any, unflatten_one: Any) -> None:
    """A class of the library's own as a container: `flatten_one` gives its parts, what else it is, and the parts' names if they have any."""
    _NODES[cls] = flatten_one, unflatten_one
    for namespace in NAMESPACES:
        optree.register_pytree_node(cls, flatten_one, unflatten_one, namespace=namespace)


def map_nodes(cls: type, fn: Any, tree: Any) -> Any:
    """`tree` with fn(x) for every x of a class in it."""

    def is_leaf(x: Any) -> bool:
        return _visit(x) or isinstance(x, cls)

    return optree.tree_map(lambda x: fn(x) if isinstance(x, cls) else x, tree, is_leaf=is_leaf, none_is_leaf=True, namespace=_NAMESPACE)


def argument_names(tree: Any) -> list[str]:
    """A name for each leaf of a call's arguments (of this structure), such as `1`, `x` or `0['rate'][2]`."""
    return [spell_path(p[1:]) for p in tree.paths()]


def types_of_keys(tree: Any) -> tuple[type, ...]:
    """What tells structures apart that are equal but for keys such as 1 and True; empty where all are strings and ints."""
    types = tuple(map(type, itertools.chain.from_iterable(tree.paths())))
    return () if _PLAIN.issuperset(types) else types


_PLAIN = {str, int}


def spell_path(path: Sequence[Any]) -> str:
    """Where a leaf is, in words. What has no name of its own is its container."""
    first, *rest = [k for k in path if k is not None] or ("the whole",)
    return f"{first}{''.join(f'.{k}' if isinstance(k, str) and k.isidentifier() else f'[{k!r}]' for k in rest)}"


def leaf_names(tree: Any) -> list[str]:
    """A name for each leaf of a container, such as `['rate'][2]`; of a leaf by itself it is empty."""
    paths = optree.tree_paths(tree, is_leaf=_visit, none_is_leaf=True, namespace=_NAMESPACE)
    return ["".join(f"[{k!r}]" for k in p) for p in paths]
