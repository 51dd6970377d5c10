"""What a program does with a Choice: attributes, methods, operators, questions, writes."""

from __future__ import annotations

import functools
import inspect
import operator
import types
from collections.abc import Callable
from typing import Any

from ...core.sites import is_library, unsupported
from ...objects.choice import Choice, as_number, attribute_of_chosen, is_choice, is_chosen, operation_of_chosen, state_of
from ...objects.held import MISSING, attribute_of, of_the_class
from ...objects.structure import is_object
from ...values.scalars import logical_not, truth
from ...values.values import Traced, call
from ..optional import is_
from ..paths import require
from ..stores import announced, attribute, method_of, setattr_
from . import containers
from .pick import each, each_kind, is_container, is_one_of, pick, written


@attribute_of_chosen.define
def read(x: Choice, name: str) -> Any:
    """x.name"""
    index, objects = state_of(x)
    if not isinstance(index, Traced):
        return attribute(objects[index], name)
    if is_container(x):
        return containers.attribute_of(x, name)
    found = [_of_class(c, name) for c in objects]
    if any(isinstance(f, classmethod) for f in found) and len(set(map(type, objects))) > 1:
        return functools.partial(_method, x, name)
    if all(isinstance(f, (types.FunctionType, property, classmethod, staticmethod)) for f in found):
        if any(f is not found[0] for f in found):
            if all(isinstance(f, property) for f in found):
                return each_kind(x, lambda c: id(_of_class(c, name)), lambda part: attribute(part, name))
            return functools.partial(_method, x, name)
        if isinstance(found[0], types.FunctionType):
            return functools.partial(_method if _needs_itself(found[0]) else found[0], x, *([name] if _needs_itself(found[0]) else []))
        if isinstance(found[0], property) and _needs_itself(found[0].fget):
            return each(x, lambda c: attribute(c, name))
        return call(found[0].fget, x) if isinstance(found[0], property) else attribute(objects[0], name)
    held = [_held(c, name) for c in objects]
    there = [h is not MISSING for h in held]
    if not all(there):
        missing = next(type(c).__name__ for c, h in zip(objects, held, strict=True) if h is MISSING)
        error = AttributeError(f"'{missing}' object has no attribute '{name}'")
        if not any(there):
            raise error
        require(pick(index, there), error)
        some = next(h for h in held if h is not MISSING)
        held = [some if h is MISSING else h for h in held]
    return pick(index, held)


def _needs_itself(function: Any) -> bool:
    """Does a method say super(), which Python asks for the object itself?"""
    return "__class__" in getattr(getattr(function, "__code__", None), "co_freevars", ())


def _of_class(x: Any, name: str) -> Any:
    """What its class has under that name, where the object itself has nothing there."""
    return inspect.getattr_static(type(x), name, MISSING) if attribute_of(x, name) is MISSING else MISSING


def _held(x: Any, name: str) -> Any:
    try:
        return attribute(x, name)
    except AttributeError:
        return MISSING


def _method(x: Choice, name: str, *args: Any, **kwargs: Any) -> Any:
    """Objects whose classes have other methods of that name: each has its own."""
    found = [_of_class(c, name) for c in state_of(x)[1]]
    if any(isinstance(f, types.FunctionType) and _needs_itself(f) for f in found):
        return each(x, lambda c: call(attribute(c, name), *args, **kwargs))
    return each_kind(
        x,
        lambda c: (id(_of_class(c, name)), isinstance(_of_class(c, name), classmethod) and type(c)),
        lambda part: call(attribute(part, name), *args, **kwargs),
    )


def write(x: Choice, name: str, value: Any) -> None:
    """x.name = value: the attribute of each object is what it was, or that."""
    index, objects = state_of(x)
    if not isinstance(index, Traced):
        setattr_(value, objects[index], name)
        return
    if any(isinstance(_of_class(c, name), property) or method_of(c, "__setattr__") is not None for c in objects):
        each_kind(x, lambda c: (id(_of_class(c, name)), id(type(c).__setattr__)), lambda part: _write_by_setter(part, name, value))
        return
    old = [attribute_of(c, name) for c in objects]
    old = [of_the_class(c, name) if v is MISSING else v for c, v in zip(objects, old, strict=True)]
    new = written(index, old, value)
    if new is None:
        each(x, lambda c: setattr_(value, c, name))
        return
    for c, v in zip(objects, new, strict=True):
        announced(c, name)
        setattr(c, name, v)


def _write_by_setter(x: Any, name: str, value: Any) -> None:
    """The same for objects whose class says in Python what that does."""
    of_class = _of_class(state_of(x)[1][0] if type(x) is Choice else x, name)
    if type(x) is Choice and isinstance(of_class, property) and of_class.fset is not None:
        call(of_class.fset, x, value)
    elif type(x) is Choice:
        each(x, lambda c: setattr_(value, c, name))
    else:
        setattr_(value, x, name)


@operation_of_chosen.define
def operation(x: Choice, name: str, *args: Any, **kwargs: Any) -> Any:
    """What Python does by a method with two underscores."""
    if name == "__setattr__":
        return write(x, *args)
    if name == "__call__":
        return each_kind(x, _called, lambda part: _call(part, args, kwargs))
    if is_container(x):
        return containers.operation(x, name, args)
    if name == "__lantern_truth__":
        return _truth(x)
    if (number := as_number(x)) is not x:
        return getattr(number, name)(*map(as_number, args))
    _, objects = state_of(x)
    found = [getattr(type(c), name, None) for c in objects]
    if name in ("__eq__", "__ne__") and all(f in (object.__eq__, object.__ne__) for f in (*found, *(type(c).__eq__ for c in objects))):
        same = is_(x, args[0])
        return same if name == "__eq__" else logical_not(same) if isinstance(same, Traced) else not same
    if any(f is None for f in found):
        if len(args) == 1 and not name.endswith("item__"):
            return NotImplemented
        unsupported(
            f"{name.strip('_')}() of one of several objects that a traced condition has chosen, not all of which have it,",
            "ask isinstance() before",
        )
    if all(f is found[0] for f in found) and isinstance(found[0], types.FunctionType):
        return call(found[0], x, *args)
    return each(x, lambda c: _do(c, name, args))


_OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor")
_BINARY = {f"__{name.strip('_')}__": getattr(operator, name) for name in _OPERATORS}


def _do(x: Any, name: str, args: Any) -> Any:
    """The same of one of the objects."""
    own = getattr(type(x), name)
    if isinstance(own, types.FunctionType):
        return call(types.MethodType(own, x), *args)
    if name in _BINARY:
        return call(_BINARY[name], x, *args)
    reflected = _BINARY.get(f"__{name[3:]}")
    return getattr(x, name)(*args) if reflected is None else call(reflected, *args, x)


def _called(x: Any) -> Any:
    """Objects for which this is equal are called together."""
    own = getattr(type(x), "__call__", None)  # noqa: B004  # the method itself is needed
    return id(own) if is_object(x) and isinstance(own, types.FunctionType) and not is_library(own.__code__.co_filename) else id(x)


def _call(x: Any, args: Any, kwargs: Any) -> Any:
    if type(x) is Choice:
        objects = state_of(x)[1]
        return call(type(objects[0]).__call__, x, *args, **kwargs) if is_object(objects[0]) else call(objects[0], *args, **kwargs)
    return call(x, *args, **kwargs)


def _truth(x: Choice) -> Any:
    if (number := as_number(x)) is not x:
        return truth(number)

    def asks(c: Any) -> bool:
        return any(getattr(type(c), name, None) is not None for name in ("__bool__", "__len__"))

    return each(x, truth) if any(map(asks, state_of(x)[1])) else True


@is_chosen.define
def same(x: Any, y: Any) -> Any:
    """x is y, where one of them is a Choice."""
    if not is_choice(x):
        x, y = y, x
    if not is_choice(y):
        return is_one_of(x, lambda c: c is y)
    return each(x, lambda c: is_one_of(y, lambda d: c is d))


def answer(x: Any, ask: Callable[[Any], Any]) -> Any:
    """The answer to a question about the object, which is plain of each."""
    return is_one_of(x, lambda c: bool(ask(c)))
