"""Text made of traced values: f-strings, `%`, str.format, str() and what is made of those.

A `Text` remembers how it is made. It is a container of the values in it, like a tuple, so that it can be carried, printed,
raised or returned like them; where the values are known it is an ordinary string. What Python would have to know of its
characters while tracing is refused.
"""

from __future__ import annotations

import dataclasses
import operator
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..core import errors
from ..core.sites import unsupported, user_site
from ..objects import choice
from ..objects.structure import is_object, leaves_of
from ..staging.chosen import pick
from ..staging.growing import growing
from ..staging.lists import made
from ..staging.optional import returned
from ..staging.stores import seen
from ..values import pytree
from ..values.scalars import logical_not
from ..values.values import call, is_traced
from ..values.views import any_traced, settled

_CONVERSIONS: dict[int, Callable[[Any], Any]] = {-1: lambda x: x, ord("s"): str, ord("r"): repr, ord("a"): ascii}
METHODS = ("capitalize", "center", "expandtabs", "format", "join", "ljust", "lower", "lstrip", "removeprefix", "removesuffix", "replace",
           "rjust", "rstrip", "strip", "swapcase", "title", "upper", "zfill", "casefold")  # fmt: skip


@dataclass(frozen=True)
class Pieces:
    """An f-string's: literal text, and conversions where a value and its format come."""

    parts: tuple[str | int, ...]

    @property
    def template(self) -> str:
        return "".join(p if isinstance(p, str) else "{}" for p in self.parts)

    def __call__(self, *children: Any) -> str:
        it = iter(children)
        return "".join(p if isinstance(p, str) else format(_CONVERSIONS[p](next(it)), next(it)) for p in self.parts)


@dataclass(frozen=True)
class Method:
    """A method of str."""

    name: str

    def __call__(self, text: Any, args: Any, kwargs: Any) -> str:
        return getattr(str, self.name)(text, *args, **kwargs)  # type: ignore[no-any-return]


def percent(template: Any, args: Any) -> str:
    return template % args  # type: ignore[no-any-return]


def joined(a: Any, b: Any) -> str:
    return a + b  # type: ignore[no-any-return]


class Text(str):
    """make(*children), where some value in `children` is traced."""

    make: Callable[..., str]
    children: tuple[Any, ...]

    def __new__(cls, make: Callable[..., str], children: tuple[Any, ...]) -> Text:
        out = super().__new__(cls, make.template if isinstance(make, Pieces) else "{}")  # for people who read the graph
        out.make, out.children = make, children
        return out

    def __add__(self, other: Any) -> Any:
        return Text(joined, (self, other)) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return Text(joined, (other, self)) if isinstance(other, str) else NotImplemented

    def __mod__(self, args: Any) -> Any:
        return Text(percent, (self, args))

    def __mul__(self, n: Any) -> Any:
        return Text(str.__mul__, (self, n))

    __rmul__ = __mul__

    def is_(self, text: str) -> Any:
        """Is it that text? Known where it is one of several plain ones."""
        return self._of_each(lambda option: option == text)

    def _of_each(self, ask: Callable[[str], Any]) -> Any:
        """What is asked of each of several plain strings, of which it is one."""
        if not choice.is_choice(self):
            self._unknown()
        index, options = choice.state_of(self)
        return pick.pick(index, [ask(o) for o in options])

    def __eq__(self, other: Any) -> Any:
        if not isinstance(other, str):
            return False
        return self._of_each(lambda option: other.is_(option) if isinstance(other, Text) else option == other)

    def __ne__(self, other: Any) -> Any:
        same = self == other
        return logical_not(same) if is_traced(same) else not same

    def _compared(self, compare: Callable[[str, str], Any], other: Any) -> Any:
        if not isinstance(other, str):
            return NotImplemented
        return self._of_each(lambda o: other._of_each(lambda p: compare(o, p)) if isinstance(other, Text) else compare(o, other))

    def __lt__(self, other: Any) -> Any:
        return self._compared(operator.lt, other)

    def __le__(self, other: Any) -> Any:
        return self._compared(operator.le, other)

    def __gt__(self, other: Any) -> Any:
        return self._compared(operator.gt, other)

    def __ge__(self, other: Any) -> Any:
        return self._compared(operator.ge, other)

    def __len__(self) -> Any:
        return self._of_each(len)

    def __getitem__(self, i: Any) -> Any:
        return self._of_each(lambda option: option[i])

    def __contains__(self, part: Any) -> Any:
        return self._of_each(lambda option: part in option)

    def __lantern_truth__(self) -> Any:
        return self._of_each(bool)

    def _unknown(self, *args: Any) -> NoReturn:
        raise errors.TracedConditionError(
            f"the characters of a text that is made of traced values are needed at {user_site()}: compare or look at the values themselves"
        )

    __iter__ = __hash__ = __bool__ = _unknown


Text.__name__ = "text of traced values"  # in messages


def _again(make: Callable[..., str], children: tuple[Any, ...]) -> str:
    """The text, if all of its values are known."""
    return make(*children) if all(map(_is_known, children)) else Text(make, children)


def _is_known(x: Any) -> bool:
    """Is this a value, and not something that stands for one?"""
    if isinstance(x, (tuple, list)):
        return growing(x) is None and all(map(_is_known, x))
    if isinstance(x, dict):
        return all(map(_is_known, x.values()))
    return not isinstance(x, Text) and not type(x).__module__.startswith(("lantern_jit", "optree")) and not any_traced(x)


pytree.register(Text, lambda t: (t.children, t.make), _again)


@choice.text_of.define
def one_text(index: Any, options: choice.Candidates) -> str:
    """The one of several plain strings that has this number."""
    return Text(options, (index,))


def fstring(*parts: Any) -> str:
    """An f-string in rewritten code; parts are text or (value, conversion, format)."""
    fields = [p if isinstance(p, str) else (*_field(p[0], p[1]), p[2]) for p in parts]
    literal = tuple(p if isinstance(p, str) else p[0] for p in fields)
    return _made(Pieces(literal), tuple(x for p in fields if not isinstance(p, str) for x in p[1:]))


def _field(x: Any, conversion: int) -> tuple[int, Any]:
    """(conversion, value): none is left for what has been converted already."""
    made = shown(x, conversion)
    return (conversion, x) if made is x else (-1, made)


def _made(make: Callable[..., str], children: tuple[Any, ...]) -> str:
    return Text(make, settled(returned(children))) if any_traced(children) else make(*children)


def remainder(a: Any, b: Any) -> Any:
    """a % b in rewritten code."""
    if isinstance(a, str):
        args = tuple(map(shown, b)) if type(b) is tuple else b if isinstance(b, dict) else shown(b)
        return _made(percent, (a, args))
    return a % b


def method(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A method of a string, in rewritten code."""
    text, name = function.__self__, function.__name__
    if name == "join" and args and not isinstance(args[0], (list, tuple, str)):
        args = (_all_of(args[0]),)
    given = (tuple(map(shown, args)), {k: shown(v) for k, v in kwargs.items()})
    if not any_traced((text, given)):
        return function(*map(seen, args), **kwargs)
    if choice.is_choice(text) and not any_traced(given):
        return text._of_each(lambda option: getattr(option, name)(*args, **kwargs))
    if name not in METHODS:
        raise errors.TracedConditionError(
            f"str.{name} of a text that is made of traced values at {user_site()} needs its characters: compare or look at the values themselves"
        )
    return Text(Method(name), (text, *given))


def _all_of(items: Any) -> Any:
    """What is joined, in a list."""
    if not hasattr(items, "indexed"):
        return list(items)
    found = made([])
    found.extend(items)
    return found


def str_(*args: Any, **kwargs: Any) -> Any:
    """str() in rewritten code."""
    if len(args) != 1 or kwargs:
        return str(*args, **kwargs)
    return fstring((args[0], ord("s"), ""))


def repr_(x: Any) -> Any:
    return fstring((x, ord("r"), ""))


def format_(x: Any, spec: str = "") -> Any:
    return fstring((x, -1, spec))


def shown(x: Any, conversion: int = -1) -> Any:
    """`x` as it is to be shown: the text that its class, if it is a user's, makes of it, else itself."""
    cls = type(x)
    if isinstance(x, BaseException) and any_traced(x.args):
        return _of_exception(x, conversion)
    if isinstance(x, (str, int, float, tuple, list, dict, np.ndarray, np.generic, type(None), type)) or is_traced(x):
        return x
    if pytree.is_node(cls) or not is_object(x) or not any(map(is_traced, leaves_of(x))):
        return x
    for name in ("__repr__",) if conversion == ord("r") else ("__str__", "__repr__"):
        found = next(vars(c)[name] for c in cls.__mro__ if name in vars(c))
        if isinstance(found, types.FunctionType):
            return x if dataclasses.is_dataclass(x) and hasattr(found, "__wrapped__") else call(types.MethodType(found, x))
        if found is not object.__str__:
            break
    if dataclasses.is_dataclass(x):
        return x
    raise errors.UnsupportedOperationError(
        f"text of a {cls.__qualname__}, which has traced values in it, at {user_site()}: give the class a __repr__, or show the values themselves"
    )


def _of_exception(e: BaseException, conversion: int) -> Any:
    found = next(vars(c)["__str__"] for c in type(e).__mro__ if "__str__" in vars(c))
    if conversion != ord("r") and isinstance(found, types.FunctionType):
        return call(types.MethodType(found, e))
    if conversion != ord("r") and found is BaseException.__str__ and len(e.args) == 1:
        return fstring((e.args[0], ord("s"), ""))
    raise errors.UnsupportedOperationError(
        f"text of a {type(e).__name__} with traced values in it at {user_site()}: show the values themselves (e.args)"
    )


# ---- code in strings
def _of_the_frame(function: Callable[..., Any], least: int) -> Callable[..., Any]:
    """One of Python's that looks at the variables of its caller unless it has `least` arguments: those of the rewritten function are others."""

    def replaced(*args: Any, **kwargs: Any) -> Any:
        if len(args) + len(kwargs) < least:
            unsupported(
                f"{function.__name__}() of the variables around it", "write the code itself, or give it the names that it needs in a dict"
            )
        return function(*args, **kwargs)

    return replaced


REPLACED: dict[Any, Callable[..., Any]] = {
    **{str: str_, repr: repr_, format: format_, eval: _of_the_frame(eval, 2), exec: _of_the_frame(exec, 2), dir: _of_the_frame(dir, 1)},
}
