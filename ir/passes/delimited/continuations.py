"""shift and reset become functions and calls.

A shift ends a block: its function g may call the rest of what the nearest function of its prompt does, as k. The rest is cut out
as a function that takes what it needs; g, and whoever else calls k, takes that too and passes it on. Nothing is left but
functions and calls, so continuations are differentiated, compiled and exported like all else. k is called never, once, often.

1. What is live after each shift is found once.
2. Each shift becomes a call of g, with what is live then; each call of k, wherever it stands, a call of the rest.
3. Only then are the rests cut out. Where a rest comes to a shift there is a call: a loop has become a recursion.

A function that shifts to a prompt outside of itself is first put into its caller, so that a shift stands in a function of its
prompt. Its copies have rests of their own, and so their functions g have copies, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ...core import errors
from ...core.analysis import Aliases, call_graph_cycles, drop_unreachable, drop_unused, live_in, references, shifts
from ...core.graph import Block, Call, Edge, Function, Program, Return, Shift, Var
from ...core.op import TABLE
from ...core.types import Array
from .outline import Names, clone, inline, outline, rest_of
from .recursions import Recursions


def continuations(program: Program) -> bool:
    """Make a function of the rest of each shift, and calls of shifts.

    fn f(%p: f64, %x: f64) -> (f64) of main {
    entry:
      shift g(%p) of main as k then rest()
    rest(%v: f64):
      %y: f64 = mul(%v, %x)
      return %y
    }

    fn g(%q: f64) -> (f64) of main {
    entry:
      call k(%q) then next()
    next(%a: f64):
      call k(0.5:f64) then last()
    last(%b: f64):
      %c: f64 = add(%a, %b)
      return %c
    }
    ->
    fn f(%p: f64, %x: f64) -> (f64) {
    entry:
      call k(%p, %x) then next.k4()
    done.k2(%answer.k3: f64):
      return %answer.k3
    next.k4(%a.k6: f64):
      call k(0.5:f64, %x) then last.k5()
    last.k5(%b.k7: f64):
      %c.k8: f64 = add(%a.k6, %b.k7)
      jump done.k2(%c.k8)
    }

    fn k(%v: f64, %x: f64) -> (f64) {
    entry:
      %y: f64 = mul(%v, %x)
      return %y
    }
    """
    made = {name for name, f in program.functions.items() if f.tag}
    if not made:
        return False
    _Pass(program, made).run()
    return True


class _Pass:
    """`made`: functions of a prompt. A function is settled when all shifts left in it are to a prompt outside of it."""

    def __init__(self, program: Program, made: set[str]) -> None:
        self.program, self.functions, self.made = program, program.functions, made
        self.names = Names()
        self.recursions = Recursions(program, self.names)
        self.settled: set[str] = set()
        self.going: list[str] = []

    def run(self) -> None:
        drop_unused(self.program)
        for name in list(self.functions):
            self.settle(name)
        self.recursions.finish()
        drop_unused(self.program)
        for f in self.functions.values():
            if shift := open_shift(f):
                raise errors.ContinuationError(
                    f"the shift to `{shift.tag}` at {shift.site} reaches no reset of that prompt: there is none around it, or a recursion between them goes through "
                    "other resets: make a loop of the recursion, or put the reset into it"
                )
            f.tag = ""
        self.refuse_records()
        self.inline_single()

    def settle(self, name: str) -> None:
        if name in self.settled or name in self.going or name not in self.functions:
            return
        tag = self.functions[name].tag
        group = [name] if tag else self.recursion(name, lambda n: not self.functions[n].tag and n not in self.settled)
        self.going += group
        for callee in [c for n in group for c in references(self.functions[n])]:
            self.settle(callee)
        for n in group:
            self.refuse_derivatives(self.functions[n])
            self.put_in(n, group)
        if not tag:
            self.convert(group)
        for n in group:
            self.finish(n)
            if any(map(open_shift, self.functions.values())):
                for below in self.below(n):
                    self.put_in(below)  # functions of shifts call what has just been made
                self.put_in(n)
        self.going = [n for n in self.going if n not in group]
        self.settled.update(group)

    def finish(self, name: str) -> None:
        self.put_in(name)
        for k in self.resolve(self.functions[name]):
            self.settle(k)

    def finish_recursion(self, name: str) -> None:
        """Where a loop shifts to several prompts, those of the inner one have made a recursion of it."""
        group = self.recursion(name, lambda n: n in self.settled)
        self.convert(group)
        for n in group if name in self.recursions.sites else ():
            self.finish(n)

    def recursion(self, name: str, goes_on: Callable[[str], bool]) -> list[str]:
        """A function and those that it calls and that call it, through such functions."""

        def reached(start: str) -> set[str]:
            found: set[str] = set()
            work = [start]
            while work:
                new = [c for c in references(self.functions[work.pop()]) if c in self.functions and c not in found and goes_on(c)]
                found.update(new)
                work += new
            return found

        return [name, *sorted(n for n in reached(name) if n != name and name in reached(n))]

    def convert(self, group: list[str]) -> None:
        """A recursion that shifts to a prompt outside of it is given its continuation when it runs."""
        found = [t for n in group for t in shifts(self.functions[n])]
        if not found or not any(c in group for n in group for c in references(self.functions[n])):
            return
        if len({t.tag for t in found}) > 1:
            raise errors.UnsupportedOperationError(
                f"the recursion of `{group[0]}` shifts to `{found[0].tag}` at {found[0].site} and to `{found[-1].tag}` at {found[-1].site}, which are both "
                "outside of it: put one of the resets inside of it, or make a loop of it"
            )
        self.recursions.convert(group, found[0])
        self.made.update(group)

    def refuse_derivatives(self, f: Function) -> None:
        for let in (let for b in f.blocks.values() for let in b.lets if TABLE[let.op].calls):
            g = self.functions.get(let.attrs["f"])
            if g is not None and (shift := open_shift(g)):
                raise errors.UnsupportedOperationError(
                    f"the function that is differentiated here shifts to `{shift.tag}` at {shift.site}, whose reset is outside of the derivative: a continuation "
                    "cannot hold half of a derivative: put the reset into the function that is differentiated"
                )

    def below(self, name: str) -> list[str]:
        """What a function calls, and what that calls, the innermost first."""
        order: list[str] = []
        seen = set(self.going)
        stack = [(name, references(self.functions[name]))]
        while stack:
            caller, rest = stack[-1]
            if not rest:
                stack.pop()
                order.append(caller)
            elif (callee := rest.pop()) in self.functions and callee not in seen:
                seen.add(callee)
                stack.append((callee, references(self.functions[callee])))
        return order[:-1]

    # ---- functions that shift to a prompt outside of them
    def put_in(self, name: str, besides: Sequence[str] = ()) -> None:
        """Put functions that shift to a prompt outside of them where this one calls them."""
        f = self.functions[name]
        work = list(f.blocks.values())
        while work:
            block = work.pop()
            call = block.terminator
            if not isinstance(call, Call) or isinstance(call, Shift) or call.function not in self.functions or call.function in besides:
                continue
            if call.function in self.recursions.sites:
                self.recursions.shifted(f, block, call)
                continue
            shift = open_shift(self.functions[call.function])
            if shift is None:
                continue
            if call.function in (*self.going, name):
                continue  # it is looked at again when that is settled
            if self.is_recursive(call.function):
                self.finish_recursion(call.function)
                work += [block] if call.function in self.recursions.sites else []
                continue
            made = inline(f, block, self.functions[call.function], self.names, once=False)
            for new in made:
                if isinstance(new.terminator, Shift):
                    self.separate(new.terminator)
            work += made
        drop_unreachable(f)

    def is_recursive(self, name: str) -> bool:
        return name in call_graph_cycles({n: set(references(f)) for n, f in self.functions.items()})

    def callers(self) -> dict[str, list[str]]:
        """Of each function and continuation those that call or differentiate it."""
        found: dict[str, list[str]] = {}
        for n, f in self.functions.items():
            for c in references(f):
                found.setdefault(c, []).append(n)
        return found

    def users(self, k: str, callers: dict[str, list[str]]) -> list[str]:
        """The functions that call k, and those that call or differentiate them: all but the one that shifts."""
        found: dict[str, None] = {}
        work = [k]
        while work:
            for n in callers.get(work.pop(), ()):
                if n not in found and not any(t.k == k for t in shifts(self.functions[n])):
                    found[n] = None
                    work.append(n)
        return list(found)

    def separate(self, t: Shift) -> None:
        """A copy of a shift has a rest of its own: so have the functions that call it."""
        if not t.k:
            return  # a record
        users = self.users(t.k, self.callers())
        self.refuse_in_rests(t.k, users, t)
        renamed = {n: self.names.new(n) for n in (*users, t.k)}
        for n in list(renamed)[:-1]:
            copy = self.functions[renamed[n]] = clone(self.functions[n], renamed)
            self.settled.add(copy.name)
            if copy.tag:
                self.made.add(copy.name)
            for other in shifts(copy):
                if other.k not in renamed.values():
                    self.separate(other)
        t.function, t.k = renamed.get(t.function, t.function), renamed[t.k]

    # ---- shifts of a function's own prompt
    def resolve(self, f: Function) -> list[str]:
        """Calls for the shifts to f's prompt; the rests that these call."""
        sites = [(b, t) for b in f.blocks.values() for t in [b.terminator] if isinstance(t, Shift) and t.tag == f.tag]
        live, made, callers = live_in(f), [], self.callers() if sites else {}
        rests = [rest_of(f, t.then.block, live[t.then.block]) for _, t in sites]
        for (block, t), rest in zip(sites, rests, strict=True):
            params, captured = f.blocks[rest.start].params, rest.captured
            needs = [*t.then.args, *captured]
            if t.k:
                k, users = t.k, self.users(t.k, callers)
                self.refuse_in_rests(k, users, t)
                self.give(k, users, [*params[len(params) - len(t.then.args) :], *captured])
            else:
                k, record = self.recursions.hold(block, t, needs)
                users, needs = [t.function], [record]
            done = self.names.new("done")
            answers = tuple(Var(self.names.new("answer"), r) for r in f.results)
            f.blocks[done] = Block(done, list(answers), [], Return(answers))
            live[done] = []
            block.terminator = Call(t.function, (*t.args, *(needs if t.function in users else ())), Edge(done))
            if users:
                made.append((k, rest))
        for k, rest in made:
            self.functions[k] = outline(f, rest, live, k, self.names)
            self.made.add(k)
            for t in shifts(self.functions[k]):
                self.separate(t)
        drop_unreachable(f)
        return [k for k, _ in reversed(made)]  # those that come last first: the others call them

    def refuse_in_rests(self, k: str, users: list[str], t: Shift) -> None:
        if any(n in self.recursions.rests or n in self.recursions.sites for n in users):
            raise errors.UnsupportedOperationError(
                f"the continuation of the shift at {t.site} is called by a recursion that shifts itself to a reset outside of it: call it where the recursion has "
                "returned"
            )

    def refuse_records(self) -> None:
        """What a record holds is reached by no derivative that begins behind it."""
        if not self.recursions.rests:
            return
        aliases = Aliases(self.program)
        for let in (let for f in self.functions.values() for b in f.blocks.values() for let in b.lets if TABLE[let.op].derivative):
            if any(isinstance(a.type, Array) and aliases.is_record(a) for a in let.args):
                raise errors.UnsupportedOperationError(
                    f"a continuation that goes on in the callers of a recursion (`{next(iter(self.recursions.sites))}`) is differentiated: differentiate the whole reset, "
                    "or make a loop of the recursion"
                )

    def give(self, k: str, users: list[str], captured: list[Var]) -> None:
        """Those that call k take what is live at its shift, and pass it on."""
        extra = {n: [self.names.var(v) for v in captured] for n in users}
        for n, own in extra.items():
            f = self.functions[n]
            f.params = [*f.params, *own]
            for block in f.blocks.values():
                t = block.terminator
                if isinstance(t, Call) and (t.function == k or t.function in extra):
                    t.args = (*t.args, *own)
                for let in block.lets:
                    if TABLE[let.op].derivative and let.attrs["f"] in extra:
                        at = len(let.args) - let.attrs["cotangents"]
                        let.args = (*let.args[:at], *own, *let.args[at:])

    # ---- afterwards
    def inline_single(self) -> None:
        """A function of these that one place calls is put there: a continuation that is called once costs nothing."""
        count = Counter(n for f in self.functions.values() for n in references(f))
        differentiated = {
            let.attrs["f"] for f in self.functions.values() for b in f.blocks.values() for let in b.lets if TABLE[let.op].calls
        }
        single = {n for n in self.made if n in self.functions and count[n] == 1 and n not in differentiated and n != self.program.entry}
        for name in list(self.functions):
            if name not in self.functions:
                continue
            f = self.functions[name]
            work = list(f.blocks.values())
            while work:
                block = work.pop()
                t = block.terminator
                if isinstance(t, Call) and t.function in single and t.function != name:
                    work += inline(f, block, self.functions.pop(t.function), self.names, once=True)
            drop_unreachable(f)


def open_shift(f: Function) -> Shift | None:
    """A shift to a prompt outside of f, once f is settled."""
    return next(iter(shifts(f)), None)
