"""reset and shift while they are traced.

The body of a reset is a function of the graph, which has the reset's prompt. A shift ends its block: the function that it is given
is traced as one of that prompt, too, and what this gives to its continuation are the parameters of the block that comes next. What
the continuation does is known only when all of the body is traced; until the type of its result is known, a call of it has no
value, as that of a recursion has none. So a body is traced again until these types are a fixpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ..core import errors
from ..core.analysis import raises
from ..core.builder import Builder, Frame, Trace, current_trace, keep
from ..core.graph import Atom, Call, Edge, Shift
from ..core.graph import Return as GraphReturn
from ..core.sites import user_site
from ..objects.heap import Heap
from ..staging.optional import returned
from ..staging.paths import Bottom, Return, open_block, run
from ..staging.staged import _result, waits
from .calls import call
from .given import Spec, atoms_of, described, grown_list, list_form, meet, own_buffers, parameters

MOST_ROUNDS = 10
ITS_LIFE = "it lives as long as the function that it is given to"
Given = dict[Any, Spec | None]
NEVER = Spec(None, (), False)  # of a reset whose every path raises, or shifts to one around it: it gives nothing

keep("resets", lambda trace: [])  # under way, the outermost first (Reset)
keep("prompts", lambda trace: {})  # the names of prompts in the graph
keep("turns", lambda trace: Counter(), mark=Counter, undo=lambda turns, was: (turns.clear(), turns.update(was)))  # of shifts, by line


class Prompt:
    """What a shift looks for: the nearest reset of its prompt. Its `name` is for people."""

    __lantern_leaf__ = True

    def __init__(self, name: str = "prompt") -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<prompt {self.name}>"


MAIN = Prompt("main")


class Reset:
    """A reset under way. `spec` is what it gives, once that is known; `given` what the continuations of its shifts take: those of one
    line in turn. `within`: the same of the resets in it, from which the next round begins; `lists`: what it gives where that are lists."""

    def __init__(
        self, trace: Trace, prompt: Prompt, spec: Spec | None, given: Given, within: dict[Any, tuple[Spec, Given]], lists: list[Any]
    ) -> None:
        self.prompt, self.spec, self.given, self.within = prompt, spec, dict(given), within
        self.lists, self.form = lists, list_form(lists)
        self.answers: list[Spec] = []  # what functions of its shifts give
        self.left = False  # by a shift to a reset around it
        self.depth = len(trace.builders)
        clean = "".join(c if c.isalnum() else "_" for c in prompt.name) or "prompt"
        known = trace.prompts
        if prompt not in known:
            known[prompt] = clean if clean not in known.values() else f"{clean}.{len(known)}"
        self.name: str = known[prompt]

    def answer(self, value: Any, heap: Heap) -> Any:
        """A value that it gives. Lists of several lengths are lists that grow; Bottom where that has only now been found."""
        if not isinstance(value, list):
            return value
        self.lists.append(tuple(list.__iter__(value)))
        if list_form(self.lists) != self.form:
            raise Bottom
        return value if self.form is None else grown_list(self.lists[-1], self.form, heap)


class Continuation:
    """What a shift gives to its function: a call of it is a call in the graph."""

    __lantern_transform__ = True
    __name__ = __qualname__ = "k"

    def __init__(self, trace: Trace, reset: Reset, spec: Spec | None) -> None:
        self.trace, self.reset, self.spec, self.name = trace, reset, spec, trace.name("k")
        self.inside: Builder | None = None  # the function of its shift, while that is traced

    def __call__(self, *values: Any) -> Any:
        """The rest of the reset, with these values of the shift: no value is None, several are a tuple."""
        trace = current_trace()
        if trace is not self.trace or self.inside not in trace.builders:
            raise errors.ContinuationError(
                f"a continuation is called at {user_site()}, where its shift has ended: {ITS_LIFE}, so call it there"
            )
        leaves, spec = described(values[0] if len(values) == 1 else values or None, trace.heap)
        self.spec = meet(self.spec, spec, "what a continuation is given")
        atoms = atoms_of(leaves, self.spec)
        if self.reset.spec is None:
            raise Bottom
        return _called(trace, self.name, atoms, self.reset.spec)


def _called(trace: Trace, name: str, atoms: tuple[Atom, ...], spec: Spec) -> Any:
    """A call in the graph, and what it gives; Bottom where it gives nothing."""
    builder = trace.builders[-1]
    block, after = open_block(), builder.new_block("then")
    node = Call(name, atoms, Edge(after.name))
    builder.terminate(node, block)
    if name in trace.functions:  # a continuation is not yet
        trace.record(builder, node, name)
    if spec is NEVER:
        raise Bottom
    builder.enter(after)
    return parameters(builder, after, spec)


def _function(trace: Trace, label: str, body: Callable[[], Any], reset: Reset) -> tuple[str, Spec | None]:
    """A function of the reset's prompt: its name, and what it gives, where a path of it does."""
    with trace.building(label) as builder:
        objects = trace.heap.save()
        frame = Frame("function", label=label, since=objects.clock)
        builder.frames += [Frame("staged"), frame]
        signal = run(lambda: Return(body()))
        if trace.heap.changed(objects, trace.heap.save(), frame.since):
            raise errors.UnsupportedOperationError(
                f"a function given to {label}() at {user_site()} changes a list, a dict, an attribute or a variable of an enclosing function: it may run "
                "never, once or often: return the value, or write into an array"
            )
        builder.frames.remove(frame)
        spec, atoms = reset.spec if reset.spec is not NEVER else None, None
        try:
            value = reset.answer(returned(_result(signal, frame, label)), trace.heap)
        except Bottom:
            found = None
        else:
            leaves, found = described(value, trace.heap, frame.since)
            if any(isinstance(x, Continuation) for x in leaves):
                raise errors.ContinuationError(
                    f"the function given to {label}() at {user_site()} returns a continuation: {ITS_LIFE}, so call it there and return what it gives"
                )
            spec = found = meet(spec, found, "what a reset gives")
            atoms = atoms_of(leaves, spec)
        if atoms is not None:
            builder.terminate(GraphReturn(atoms), open_block())
        function = builder.finish(spec.types if spec is not None else ())
        function.tag = reset.name
        trace.functions[builder.name] = function
        trace.register(builder.name, builder)
        return builder.name, found


def reset(body: Callable[[], Any], prompt: Prompt) -> Any:
    """body(), in which shifts to the prompt end."""
    trace = current_trace()
    assert trace is not None
    open_block()
    within: dict[Any, tuple[Spec, Given]] = {}
    lists: list[Any] = []
    around = trace.resets[-1].within if trace.resets else {}
    turn = _turn(trace, trace.resets[-1] if trace.resets else None)
    spec, given = around.get(turn, (None, {}))
    functions, staged = dict(trace.functions), dict(trace.staged)
    for _ in range(MOST_ROUNDS):
        trace.functions = dict(functions)
        trace.staged = {key: s for key, s in staged.items() if not (s.shifts and s.captured)}
        this = Reset(trace, prompt, spec, given, within, lists)
        trace.resets = [*trace.resets, this]
        try:
            name, found = _function(trace, "reset", lambda: call(body), this)
        finally:
            trace.resets = trace.resets[: trace.resets.index(this)]
        if list_form(lists) != this.form:
            spec, given = None, this.given
            continue
        for answer in this.answers:
            found = meet(found, answer, "what a reset gives")
        if found is None:
            if _waits(trace):
                raise Bottom
            if not this.left and not raises(trace.functions[name].blocks.values(), trace.functions):
                raise errors.EndlessTraceError(f"no path of the reset at {user_site()} gives a value: return one on some path")
            found = NEVER
        if found == spec and this.given == given:
            trace.staged, around[turn] = dict(staged), (found, given)
            return _called(trace, name, (), found)
        spec, given = found, this.given
    raise errors.TypeMismatchError(
        f"what the reset at {user_site()} gives is of another type after each call of a continuation: return values of one type"
    )


def _turn(trace: Trace, this: Reset | None) -> Any:
    """The line of the user's that is traced, and how often it has been come to in this round."""
    site = user_site()
    line = this, site.filename, site.line
    trace.turns[line] += 1
    return (*line[1:], trace.turns[line])


def _waits(trace: Trace) -> bool:
    """Is the result of a recursion, or of a reset, around here not known yet?"""
    return waits(trace) or any(r.spec is None for r in trace.resets)


def shift(function: Callable[[Any], Any], prompt: Prompt) -> Any:
    """What `function` gives to its continuation, each time that it calls it."""
    trace = current_trace()
    around = trace.resets if trace is not None else []
    at = next((i for i in reversed(range(len(around))) if around[i].prompt is prompt), None)
    if trace is None or at is None:
        raise errors.ContinuationError(
            f"the shift at {user_site()} has no reset of {prompt!r} around it: call it in the function that is given to reset()"
        )
    this, site = around[at], user_site()
    for inner in around[at + 1 :]:
        inner.left = True
    for s in trace.staged.values():
        s.shifts |= s.builder in trace.builders[this.depth + 1 :]
    open_block()
    turn = _turn(trace, this)
    k = Continuation(trace, this, this.given.get(turn))

    def body() -> Any:
        assert trace is not None
        k.inside = trace.builders[-1]
        return call(function, k)

    trace.resets = around[: at + 1]
    try:
        name, found = _function(trace, "shift", body, this)
    finally:
        trace.resets, k.inside = around, None
    this.given[turn] = k.spec
    if found is not None:
        this.answers.append(found)
    builder, block = trace.builders[-1], open_block()
    after = builder.new_block("rest")
    node = Shift(name, (), Edge(after.name), this.name, k.name, site)
    builder.terminate(node, block)
    trace.record(builder, node, name)
    if k.spec is None:
        raise Bottom  # nothing comes after it
    builder.enter(after)
    value = parameters(builder, after, k.spec, f"{site} is given it by the function of its shift, which has it too")
    own_buffers(builder)
    return value
