"""Index checks: what is known of each index (and of comparisons), and checks that one test before a loop can make.

    loop(%i): .. %v = load(%x, %i)            check_range(%x, 0, %n) {axis=0}
                                       ->     loop(%i): .. %v = load(%x, %i) {index='u'}

In a counted loop that leaves only at its head, an access that every iteration makes, at an index that moves by one or
not at all, is in bounds exactly if it is in bounds for the first and the last iteration. If it is not, the loop is
sure to fail, so it may fail before it starts.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...core import dims
from ...core.analysis import Loop, dominators, find_loops, predecessors
from ...core.dims import Dim, Symbol
from ...core.graph import Atom, Block, Branch, Call, Const, Edge, Function, Jump, Let, Var, edges, substitute
from ...core.kernel import made_with
from ...core.op import RING, TABLE, Op, can_fail
from ...core.types import BOOL, I64
from ...ops.memory import CHECK_RANGE, codes
from ...ops.table import check_index, iadd, ilt, imax, select
from ..sizes import Sizes
from .known import compared, comparisons, letter_of, set_letters, taken

MOST_COUNTERS = 4  # of an index


class Facts:
    """Lower bounds of integers, found from constants, sizes and counters; both ends of those that counters and sizes make up."""

    def __init__(self, f: Function) -> None:
        self.made = {o: let for b in f.blocks.values() for let in b.lets for o in let.outs}
        self.loops = find_loops(f)
        self.owner = {p: name for name in self.loops for p in f.blocks[name].params}
        self.f = f
        self.pred = predecessors(f)
        self.cache: dict[Atom, int | None] = {}
        self.sizes = Sizes(f)
        self.counters = {Symbol(str(p)): (p, limit, loop) for loop in self.loops.values() for p, limit in _below(f, loop, self.made)}

    def incoming(self, p: Var) -> tuple[list[Atom], list[Atom]]:
        """(values on entry, values from latches) of a head's parameter."""
        head = self.owner[p]
        i = self.f.blocks[head].params.index(p)
        entry: list[Atom] = []
        latch: list[Atom] = []
        for name in dict.fromkeys(self.pred[head]):
            for e in edges(self.f.blocks[name].terminator):
                if e.block == head:
                    (latch if name in self.loops[head].blocks else entry).append(e.args[i])
        return entry, latch

    def step(self, p: Var) -> int | None:
        """The constant that a head's parameter grows by."""
        steps = set()
        for a in self.incoming(p)[1]:
            let = self.made.get(a) if isinstance(a, Var) else None
            if let is None or TABLE[let.op].ring != "+" or let.args[0] is not p or not isinstance(let.args[1], Const):
                return None
            steps.add(let.args[1].value)
        return steps.pop() if len(steps) == 1 else None

    def lower(self, a: Atom) -> int | None:
        """A number that `a` is never below, if one is known. Counters do not overflow: their limit is an int."""
        if isinstance(a, Const):
            return int(a.value)
        if a not in self.cache:
            self.cache[a] = None
            self.cache[a] = self._lower(a)
        return self.cache[a]

    def _lower(self, a: Var) -> int | None:
        if a in self.owner:
            step = self.step(a)
            if step is None or step < 0:
                return None
            lows = [self.lower(x) for x in self.incoming(a)[0]]
            return None if any(b is None for b in lows) else min(lows)  # type: ignore[type-var]
        let = self.made.get(a)
        if let is None:
            return None
        op = TABLE[let.op]
        if op.measures:
            return 0
        if op.ring:
            x, y = self.lower(let.args[0]), self.lower(let.args[1])
            if x is None or y is None:
                return None
            if op.ring == "+":
                return x + y
            if op.ring == "-":
                return x - y if isinstance(let.args[1], Const) else None
            return x * y if x >= 0 and y >= 0 else None
        return None

    def span(self, a: Atom, block: str) -> tuple[Dim, Dim] | None:
        """The smallest and the largest that `a` can be in a block, if its counters are at one of their ends there."""
        low = high = self.sizes.of(a)
        for _ in range(MOST_COUNTERS):
            found = next((s for s in dims.symbols(low) | dims.symbols(high) if s in self.counters), None)
            if found is None:
                return low, high
            p, limit, loop = self.counters[found]
            first = self.lower(p)
            if first is None or block not in loop.blocks or block == loop.head:
                return None
            last = dims.sub(dims.positive(self.sizes.of(limit)) if first >= 0 else self.sizes.of(limit), 1)
            at_low, at_high = dims.at_end(low, found, first, last), dims.at_end(high, found, last, first)
            if at_low is None or at_high is None:
                return None
            low, high = at_low, at_high
        return None

    def is_natural(self, a: Atom, block: str) -> bool:
        low = self.lower(a)
        if low is not None and low >= 0:
            return True
        span = self.span(a, block)
        return span is not None and dims.is_natural(span[0])

    def is_inside(self, a: Atom, n: Dim, block: str) -> bool:
        """Is it an index of n elements, none from their end?"""
        span = self.span(a, block)
        return span is not None and dims.is_natural(dims.sub(dims.sub(n, 1), span[1])) and self.is_natural(a, block)


def _below(f: Function, loop: Loop, made: dict[Var, Let]) -> list[tuple[Var, Atom]]:
    """The parameter of a loop's head that is less than an atom in the rest of the loop, and that atom."""
    head = f.blocks[loop.head]
    t = head.terminator
    if isinstance(t, Branch) and t.then.block in loop.blocks and t.orelse.block not in loop.blocks:
        let = made.get(t.cond) if isinstance(t.cond, Var) else None
        if let is not None and TABLE[let.op].less and let.args[0] in head.params:
            return [(let.args[0], let.args[1])]
    return []


def bounds(f: Function) -> bool:
    """Mark indices that are not negative, and move checks out of counted loops.

    fn f(%x: f64[?], %n: i64) -> (f64) {
    entry:
      jump loop(0:i64, 0.0:f64)
    loop(%i: i64, %s: f64):
      %c: bool = ilt(%i, %n)
      branch %c ? body() : exit()
    body:
      %v: f64 = load(%x, %i)
      %t: f64 = add(%s, %v)
      %j: i64 = iadd(%i, 1:i64)
      jump loop(%j, %t)
    exit:
      return %s
    }
    ->
    fn f(%x: f64[?], %n: i64) -> (f64) {
    entry:
      check_range(%x, 0:i64, %n, 0:i64, %n) {axis=0, moves=True}
      jump loop(0:i64, 0.0:f64)
    loop(%i: i64, %s: f64):
      %c: bool = ilt(%i, %n)
      branch %c ? body() : exit()
    body:
      %v: f64 = load(%x, %i) {index='u'}
      %t: f64 = add(%s, %v)
      %j: i64 = iadd(%i, 1:i64)
      jump loop(%j, %t)
    exit:
      return %s
    }
    """
    changed = taken(f)
    accesses = [(name, let) for name, b in f.blocks.items() for let in b.lets if TABLE[let.op].indexed]
    checks = [(b, let) for b in f.blocks.values() for let in b.lets if TABLE[let.op].bounded]
    ranges = any(TABLE[let.op].ranged for b in f.blocks.values() for let in b.lets)
    compares = comparisons(f)
    if not checks and not ranges and not compares and not any(x in "cpw" for _, let in accesses for x in codes(let)):
        return changed
    facts = Facts(f)
    changed |= compared(f, compares, facts)
    for block, let in checks:
        i, n = let.args
        if facts.is_inside(i, facts.sizes.of(n), block.name):
            block.lets.remove(let)
            substitute(f.blocks.values(), {let.out: i})
            changed = True
    for name, let in accesses:
        new = "".join(letter_of(facts, x, a, let, axis, name) for axis, (x, a) in enumerate(zip(codes(let), let.args[1:], strict=False)))
        changed |= set_letters(let, new)
    inner_first = sorted(facts.loops.values(), key=lambda loop: len(loop.blocks))
    for loop in inner_first:
        changed |= _hoist(f, loop, facts)
    return changed


def counted(f: Function, loop: Loop, facts: Facts) -> tuple[Var, Atom] | None:
    """(counter, limit) of a loop that leaves only at its head, when counter reaches limit; step 1."""
    head = f.blocks[loop.head]
    t = head.terminator
    if not isinstance(t, Branch) or t.then.block not in loop.blocks or t.orelse.block in loop.blocks:
        return None
    for name in loop.blocks:
        block = f.blocks[name]
        out = edges(block.terminator)
        if not out or (name != loop.head and any(e.block not in loop.blocks for e in out)):
            return None
    inside = {v for name in loop.blocks for b in (f.blocks[name],) for v in [*b.params, *(o for let in b.lets for o in let.outs)]}
    let = facts.made.get(t.cond) if isinstance(t.cond, Var) else None
    if let is None or not TABLE[let.op].less or let.args[1] in inside:
        return None
    counter = let.args[0]
    if counter not in head.params or facts.step(counter) != 1:
        return None
    return counter, let.args[1]


def _hoist(f: Function, loop: Loop, facts: Facts) -> bool:
    found = counted(f, loop, facts)
    outside = [n for n in facts.pred[loop.head] if n not in loop.blocks]
    if found is None or len(outside) != 1:
        return False
    counter, limit = found
    entry, _ = facts.incoming(counter)
    lets: list[Let] = []
    inside = {v for name in loop.blocks for v in [*f.blocks[name].params, *(o for let in f.blocks[name].lets for o in let.outs)]}
    latch = loop.latches[0]
    always = dominators(f)[latch] & loop.blocks.keys() if len(loop.latches) == 1 else {loop.head}
    changed = False
    if any(can_fail(let) and not _is_check(let) for name in loop.blocks for let in f.blocks[name].lets):
        return False  # another fault, or an effect, may come first
    if any(isinstance(f.blocks[name].terminator, Call) for name in loop.blocks):
        return False
    for name in loop.blocks:
        if name not in always or name == loop.head:
            continue
        span = _Range(loop.head, counter, entry[0], limit, inside, facts)
        for let in list(f.blocks[name].lets):
            if TABLE[let.op].indexed and let.args[0] not in inside:
                changed |= _hoist_access(f, let, span, lets)
            elif TABLE[let.op].indexed:
                changed |= _hoist_index(let, span, lets)
            elif TABLE[let.op].bounded and _hoist_number(let, span, lets, name):
                f.blocks[name].lets.remove(let)
                substitute(f.blocks.values(), {let.out: let.args[0]})
                changed = True
            elif TABLE[let.op].ranged and _hoist_range(let, span, lets, name):
                f.blocks[name].lets.remove(let)
                changed = True
    if lets:
        preheader(f, f.blocks[outside[0]], loop.head).lets.extend(lets)
    return changed


def _is_check(let: Let) -> bool:
    """Can it fail by an index alone?"""
    return TABLE[let.op].indexed or TABLE[let.op].measures or TABLE[let.op].bounded


def preheader(f: Function, before: Block, head: str) -> Block:
    """The block that does nothing but enter the loop: `before`, or one put on its edge."""
    if isinstance(before.terminator, Jump):
        return before
    edge = next(e for e in edges(before.terminator) if e.block == head)
    name = f"{head}.enter"
    while name in f.blocks:
        name += "_"
    block = f.blocks[name] = Block(name, [], [], Jump(Edge(head, edge.args)))
    edge.block, edge.args = name, ()
    return block


class _Range:
    """First and last value of an index over a loop."""

    def __init__(self, head: str, counter: Var, start: Atom, limit: Atom, inside: set[Var], facts: Facts) -> None:
        self.head, self.counter, self.start, self.limit, self.inside, self.facts = (head, counter, start, limit, inside, facts)

    def still(self, a: Atom, lets: list[Let], name: str) -> Atom:
        """`a`, computed by `lets` if it is the same in every iteration."""
        let = self.facts.made.get(a) if a in self.inside else None
        if let is None or not (TABLE[let.op].scalar or TABLE[let.op].measures) or can_fail(let):
            return a
        args = tuple(self.still(x, lets, f"{name}.{i}") for i, x in enumerate(let.args))
        if any(x in self.inside for x in args):
            return a
        out = Var(name, a.type)
        lets.append(Let((out,), let.op, args, let.attrs))
        return out

    def ends(self, a: Atom, lets: list[Let], new: Sequence[str]) -> tuple[Atom, Atom] | None:
        """(first, one past the last) of index `a`, computed by `lets`; None if it moves in another way."""
        if a not in self.inside:
            return a, a
        if a is self.counter:
            return self.start, self.limit
        let = self.facts.made.get(a) if isinstance(a, Var) else None
        op = TABLE[let.op] if let is not None else None
        if let is None or op is None or op.ring not in ("+", "-"):
            return None
        x, y = let.args
        if x is self.counter and y not in self.inside:
            return tuple(_compute(op, e, y, lets, new[i]) for i, e in enumerate((self.start, self.limit)))  # type: ignore[return-value]
        if op.commutes and y is self.counter and x not in self.inside:
            return tuple(_compute(op, x, e, lets, new[i]) for i, e in enumerate((self.start, self.limit)))  # type: ignore[return-value]
        return None


def _compute(op: Op, x: Atom, y: Atom, lets: list[Let], name: str) -> Atom:
    if isinstance(x, Const) and isinstance(y, Const):
        return Const(RING[op.ring](x.value, y.value), I64)
    out = Var(name, I64)
    lets.append(Let((out,), op.name, (x, y)))
    return out


def _stem(span: _Range, lets: list[Let], *axis: int) -> str:
    """What the names of new variables begin with; there may be some of another time that this loop was looked at."""
    stem = ".".join(map(str, (span.head, len(lets), *axis)))
    while any(v.name.startswith(f"{stem}.") for v in span.facts.made):
        stem += "x"
    return stem


def _hoist_range(let: Let, span: _Range, lets: list[Let], block: str) -> bool:
    """The check of an inner loop's accesses, if it is the same each time, or moves with this loop alone: it is made once, if both loops run."""
    array, *ints = let.args
    extra: list[Let] = []
    stem = _stem(span, lets)
    first, end, start, limit = (span.still(a, extra, f"{stem}.{i}") for i, a in enumerate(ints))
    moves = let.attrs["moves"]
    if array in span.inside or start in span.inside or limit in span.inside or (moves and (first in span.inside or end in span.inside)):
        return False
    if first in span.inside:
        ends = span.ends(first, extra, (f"{stem}.first", f"{stem}.end"))
        if ends is None or not span.facts.is_natural(first, block):
            return False
        (first, end), moves = ends, True
    # it runs if this loop does: from `start` to where the inner one ends, else to nowhere
    runs, until = Var(f"{stem}.runs", BOOL), Var(f"{stem}.until", I64)
    lets += [*extra, Let((runs,), ilt.name, (span.start, span.limit)), Let((until,), select.name, (runs, limit, start))]
    lets.append(Let((), CHECK_RANGE.name, (array, first, end, start, until), {**let.attrs, "moves": moves}, let.site))
    return True


def _hoist_number(let: Let, span: _Range, lets: list[Let], block: str) -> bool:
    """The check of a number that moves with the loop, and is an index of an array from outside of it."""
    i, n = let.args
    made = span.facts.made.get(n) if isinstance(n, Var) else None
    if made is None or not TABLE[made.op].measures or made.args[0] in span.inside or made.attrs["axis"] != let.attrs["axis"]:
        return False
    stem, extra = _stem(span, lets), list[Let]()
    ends = span.ends(i, extra, (f"{stem}.first", f"{stem}.end")) if i in span.inside and span.facts.is_natural(i, block) else None
    if ends is not None:
        args = (made.args[0], *ends, span.start, span.limit)
        lets += [*extra, Let((), CHECK_RANGE.name, args, {"axis": let.attrs["axis"], "moves": True}, let.site)]
    return ends is not None


def _hoist_index(let: Let, span: _Range, lets: list[Let]) -> bool:
    """The check of an index that is the same in every iteration, of an array that is made in each with the same size."""
    letters = list(codes(let))
    made = span.facts.made.get(let.args[0])  # type: ignore[arg-type]
    sizes = next((n for o, n in made_with(made) if o is let.args[0]), None) if made is not None else None
    for axis, (letter, *atoms) in enumerate(zip(letters, let.args[1:], sizes or (), strict=False)):
        stem, extra = _stem(span, lets, axis), list[Let]()
        i, n = (span.still(a, extra, f"{stem}.{j}") for j, a in enumerate(atoms))
        if letter not in "cp" or i in span.inside or n in span.inside:
            continue
        lets += extra
        runs, (enough, size, place) = Var(f"{stem}.runs", BOOL), (Var(f"{stem}.{x}", I64) for x in ("enough", "size", "place"))
        lets.append(Let((runs,), ilt.name, (span.start, span.limit)))
        lets.append(Let((enough,), imax.name, (n, _compute(iadd, i, Const(1, I64), lets, f"{stem}.end"))))
        lets.append(Let((size,), select.name, (runs, n, enough)))
        lets.append(Let((place,), check_index.name, (i, size), {"axis": axis}, let.site))
        letters[axis] = "w" if letter == "c" else "u"
    return set_letters(let, "".join(letters))


def _hoist_access(f: Function, let: Let, span: _Range, lets: list[Let]) -> bool:
    letters = codes(let)
    new = list(letters)
    for axis, (letter, a) in enumerate(zip(letters, let.args[1:], strict=False)):
        moves = a in span.inside
        if letter not in "cp" or (moves and letter == "c"):
            continue
        stem, extra = _stem(span, lets, axis), list[Let]()
        ends = span.ends(a, extra, (f"{stem}.first", f"{stem}.end"))
        if ends is None:
            continue
        lets += extra
        args = (let.args[0], ends[0], ends[1], span.start, span.limit)
        lets.append(Let((), CHECK_RANGE.name, args, {"axis": axis, "moves": moves}, let.site))
        new[axis] = "w" if letter == "c" else "u"
    return set_letters(let, "".join(new))
