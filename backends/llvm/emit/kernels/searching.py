"""Searches for the position of the best: the first of the largest, or of the smallest, along a kernel's innermost axis.

An element that is compared with the best so far waits for the comparison before it: 25 cycles, where position and NaNs are looked after at
the same time. So the axis is taken in strips, each of which is walked through twice, by loops that LLVM makes vectors of:

    what is the best of the strip, and is there a NaN?
    where is it?                                        only if it is better than what there was before

Elements that are computed are put into a buffer by the first loop, and read by the second. A short axis is walked through once.

Where what lies side by side in memory belongs to different positions (the best of each column), so many searches go on side by side.
"""

from __future__ import annotations

from collections.abc import Callable

from .....ir.core.kernel import Access, Result
from .....ir.core.types import BOOL, F64, I32, Scalar, is_float
from ..code import LLVM_TYPES, literal
from ..lets import loop
from .nest import STRIP, Nest

SHORT = 24  # elements: two loops of vectors would take as long as one without

GREATEST = ("max", "argmax", "argmost")


def extreme(kind: str, t: Scalar) -> str:
    """What every other number is better than."""
    least = kind in GREATEST
    if is_float(t):
        return literal(float("-inf") if least else float("inf"), t)
    if t == BOOL:
        return "false" if least else "true"
    bits = 31 if t == I32 else 63
    return str(-(2**bits) if least else 2**bits - 1)


class Searching(Nest):
    """The part of a kernel's loops that looks for positions. Cells: the best, how many were seen, the position."""

    cells: dict[int, list[str]]
    sought = 0  # which result is the position

    def result_type(self, i: int) -> Scalar:
        t = self.body.results[i]
        assert isinstance(t, Scalar)
        return t

    def searches(self) -> bool:
        """Is it one search, and along the innermost axis? Beside it there may be arrays of all elements."""
        found = [i for i, r in enumerate(self.k.results) if r.kind.startswith("arg")]
        if len(found) != 1 or any(r.kind != "map" for i, r in enumerate(self.k.results) if i not in found):
            return False
        self.sought = found[0]
        return not self.unrolled and len(self.k.results[self.sought].axes) < self.rank and self.result_type(self.sought) != BOOL

    def loops(self, depth: int, before: Callable[[int], None], inside: Callable[[], None], after: Callable[[int], None]) -> None:
        if depth == 0 and self.crosses():
            self.prepare()
            self.cross(list(self.k.results[self.sought].axes[:-1]))
            return
        if depth != self.rank - 1 or not self.searches():
            super().loops(depth, before, inside, after)
            return
        if depth == 0:
            self.prepare()
        before(depth)
        self.search()
        after(depth)

    def search(self) -> None:
        code, n = self.code, self.sizes[self.order[-1]]
        if n.isdigit():
            (self.short if int(n) < SHORT else self.long)(n)
        else:
            is_short = code.let(f"icmp slt i64 {n}, {SHORT}")
            loop(code, code.let(f"zext i1 {is_short} to i64"), lambda _: self.short(n))
            strips = code.let(f"add nsw i64 {n}, {STRIP - 1}")
            strips = code.let(f"sdiv i64 {strips}, {STRIP}")
            self.strips(n, code.let(f"select i1 {is_short}, i64 0, i64 {strips}"))
        self.index[self.order[-1]] = "0"

    def long(self, n: str) -> None:
        self.strips(n, str(-(-int(n) // STRIP)))

    # ---- a short axis
    def short(self, n: str) -> None:
        """One after the other; once more where there is a NaN before which there was none."""
        code, (best_cell, count_cell, at_cell), t = self.code, self.cells[self.sought], self.result_type(self.sought)
        ty, old, before = LLVM_TYPES[t], code.load(LLVM_TYPES[t], best_cell), code.load("i64", count_cell)
        unknown = code.alloca("i64")
        code.store("i64", "0", unknown)

        def one(j: str) -> None:
            v, best = self.visited(j), code.load(ty, best_cell)
            wins = self.better(self.k.results[self.sought].kind, t, v, best)
            code.store(ty, code.let(f"select i1 {wins}, {ty} {v}, {ty} {best}"), best_cell)
            at = code.let(f"add nsw i64 {before}, {j}")
            code.store("i64", code.let(f"select i1 {wins}, i64 {at}, i64 {code.load('i64', at_cell)}"), at_cell)
            if self.stops(t):
                self.mark(t, v, unknown)

        loop(code, n, one)
        if self.stops(t):
            nan = self.first_nan(t, old, unknown)
            self.locate(nan, n, before, lambda j: code.let(f"fcmp uno {ty} {self.element_at(j)}, 0.0"))
            self.keep(nan, literal(float("nan"), t))
        code.store("i64", code.let(f"add nsw i64 {before}, {n}"), count_cell)

    def stops(self, t: Scalar) -> bool:
        """Is the first NaN what is looked for? Where there is a start it is not better than anything."""
        return is_float(t) and self.k.results[self.sought].start is None

    def mark(self, t: Scalar, v: str, unknown: str) -> None:
        is_nan = self.code.let(f"fcmp uno {LLVM_TYPES[t]} {v}, 0.0")
        self.code.store("i64", self.code.let(f"select i1 {is_nan}, i64 1, i64 {self.code.load('i64', unknown)}"), unknown)

    def first_nan(self, t: Scalar, old: str, unknown: str) -> str:
        """Are there NaNs, and was there none before?"""
        code = self.code
        seen = code.let(f"icmp ne i64 {code.load('i64', unknown)}, 0")
        return code.let(f"select i1 {seen}, i1 {code.let(f'fcmp ord {LLVM_TYPES[t]} {old}, 0.0')}, i1 false")

    def keep(self, wins: str, v: str) -> None:
        ty, best_cell = LLVM_TYPES[self.result_type(self.sought)], self.cells[self.sought][0]
        self.code.store(ty, self.code.let(f"select i1 {wins}, {ty} {v}, {ty} {self.code.load(ty, best_cell)}"), best_cell)

    def locate(self, wins: str, n: str, before: str, hit: Callable[[str], str]) -> None:
        """If it `wins`, the first of n elements that is a hit is where the best is."""
        code, at_cell, place = self.code, self.cells[self.sought][2], self.code.alloca("i64")
        code.store("i64", n, place)

        def one(j: str) -> None:
            here, least = code.let(f"select i1 {hit(j)}, i64 {j}, i64 {n}"), code.load("i64", place)
            code.store("i64", code.let(f"select i1 {code.let(f'icmp slt i64 {here}, {least}')}, i64 {here}, i64 {least}"), place)

        loop(code, code.let(f"select i1 {wins}, i64 {n}, i64 0"), one)
        at = code.let(f"add nsw i64 {before}, {code.load('i64', place)}")
        code.store("i64", code.let(f"select i1 {wins}, i64 {at}, i64 {code.load('i64', at_cell)}"), at_cell)

    def element_at(self, j: str) -> str:
        """What is compared, at an index of the innermost axis."""
        self.index[self.order[-1]] = j
        env, wanted = self.inputs(), self.body.returned[self.sought]
        return env[wanted] if wanted in env else self.run_body(env)[self.sought]

    def visited(self, j: str) -> str:
        """The same, at the only visit of a point: what the kernel has to do there is done."""
        self.index[self.order[-1]] = j
        return self.all_of_it()

    def all_of_it(self) -> str:
        found = self.run_body(self.inputs())
        for i, (r, v) in enumerate(zip(self.k.results, found, strict=True)):
            if r.kind == "map":
                self.write(i, v)
        return found[self.sought]

    def better(self, kind: str, t: Scalar, v: str, best: str) -> str:
        order = "gt" if kind in GREATEST else "lt"
        sign = "fcmp o" if is_float(t) else "icmp u" if t == BOOL else "icmp s"
        return self.code.let(f"{sign}{order} {LLVM_TYPES[t]} {v}, {best}")

    # ---- a long one
    def strips(self, n: str, strips: str) -> None:
        code = self.code
        loop(code, strips, lambda s: self.strip(n, code.let(f"mul nsw i64 {s}, {STRIP}")))

    def strip(self, n: str, first: str) -> None:
        code, (best_cell, count_cell, _), t = self.code, self.cells[self.sought], self.result_type(self.sought)
        kind, ty = self.k.results[self.sought].kind, LLVM_TYPES[t]
        left = code.let(f"sub nsw i64 {n}, {first}")
        m = code.let(f"select i1 {code.let(f'icmp slt i64 {left}, {STRIP}')}, i64 {left}, i64 {STRIP}")
        old, before, own, unknown = code.load(ty, best_cell), code.load("i64", count_cell), code.alloca(ty), code.alloca("i64")
        code.store(ty, extreme(kind, t), own)
        code.store("i64", "0", unknown)
        buffer = None if self.is_read() else code.alloca(f"[{STRIP} x {ty}]")

        def look(j: str) -> None:
            v = self.visited(code.let(f"add nsw i64 {first}, {j}"))
            if buffer is not None:
                code.store(ty, v, code.let(f"getelementptr inbounds {ty}, ptr {buffer}, i64 {j}"))
            if self.stops(t):
                self.mark(t, v, unknown)
            code.store(ty, self.extreme_of(kind, t, v, code.load(ty, own)), own)

        def read(j: str) -> str:
            if buffer is None:
                return self.element_at(code.let(f"add nsw i64 {first}, {j}"))
            return code.load(ty, code.let(f"getelementptr inbounds {ty}, ptr {buffer}, i64 {j}"))

        loop(code, m, look)
        found = code.load(ty, own)  # poison where there is a NaN: a `select` alone may look at it
        wins, nan, same = self.better(kind, t, found, old), "false", "fcmp oeq" if is_float(t) else "icmp eq"
        if self.stops(t):
            nan = self.first_nan(t, old, unknown)
            clean = code.let(f"icmp eq i64 {code.load('i64', unknown)}, 0")
            wins = code.let(f"select i1 {clean}, i1 {wins}, i1 false")
            self.locate(nan, m, before, lambda j: code.let(f"fcmp uno {ty} {read(j)}, 0.0"))
            self.keep(nan, literal(float("nan"), t))
        self.locate(wins, m, before, lambda j: code.let(f"{same} {ty} {read(j)}, {found}"))
        self.keep(wins, found)
        code.store("i64", code.let(f"add nsw i64 {before}, {m}"), count_cell)

    def is_read(self) -> bool:
        """Is what is compared an element that is there, and costs nothing to read again?"""
        inputs = dict(zip(self.body.params, self.k.inputs, strict=True))
        return not self.body.entry.lets and isinstance(inputs.get(self.body.returned[0]), Access)

    def extreme_of(self, kind: str, t: Scalar, v: str, w: str) -> str:
        """The better of two; of a NaN and a number the number. Without NaNs it does not matter in which order many are taken, nor which of two zeros is kept."""
        code, ty = self.code, LLVM_TYPES[t]
        if is_float(t) and not self.stops(t):
            name = f"llvm.{'maximum' if kind in GREATEST else 'minimum'}num.{'f64' if t == F64 else 'f32'}"
            code.module.declare(name, f"declare {ty} @{name}({ty}, {ty})")
            return code.let(f"call nsz {ty} @{name}({ty} {v}, {ty} {w})")
        if is_float(t):
            order = "ogt" if kind in GREATEST else "olt"
            return code.let(f"select nnan nsz i1 {code.let(f'fcmp nnan nsz {order} {ty} {v}, {w}')}, {ty} {v}, {ty} {w}")
        return code.let(f"select i1 {self.better(kind, t, v, w)}, {ty} {v}, {ty} {w}")

    # ---- side by side
    def crosses(self) -> bool:
        """Do elements lie side by side that belong to different positions, and not those that are compared?"""
        if not self.searches() or not self.k.results[self.sought].axes:
            return False
        self.prepare()
        strides = [self.place(x)[1] for x in self.k.inputs if isinstance(x, Access)]
        compared, apart = self.order[-1], self.k.results[self.sought].axes[-1]
        return any(x[apart] == "1" for x in strides) and all(x[compared] != "1" for x in strides)

    def cross(self, outer: list[int]) -> None:
        """For each index of the outer axes, strips of the last axis of the result."""
        if outer:

            def one(i: str) -> None:
                self.index[outer[0]] = i
                self.cross(outer[1:])

            self.along(outer[0], one)
            self.index[outer[0]] = "0"
            return
        code, (first, n) = self.code, self.span(self.k.results[self.sought].axes[-1])
        strips = code.let(f"sdiv i64 {code.let(f'add nsw i64 {n}, {STRIP - 1}')}, {STRIP}")

        def strip(s: str) -> None:
            done = code.let(f"mul nsw i64 {s}, {STRIP}")
            left = code.let(f"sub nsw i64 {n}, {done}")
            m = code.let(f"select i1 {code.let(f'icmp slt i64 {left}, {STRIP}')}, i64 {left}, i64 {STRIP}")
            self.columns(code.let(f"add nsw i64 {first}, {done}"), m)

        loop(code, strips, strip)

    def columns(self, first: str, m: str) -> None:
        """So many searches at once, from this index of the last axis on."""
        code, r, t = self.code, self.k.results[self.sought], self.result_type(self.sought)
        ty, axis = LLVM_TYPES[t], r.axes[-1]
        best, at, count = code.alloca(f"[{STRIP} x {ty}]"), code.alloca(f"[{STRIP} x i64]"), code.alloca("i64")

        def each(body: Callable[[str, str], None]) -> None:
            def one(j: str) -> None:
                self.index[axis] = code.let(f"add nsw i64 {first}, {j}")
                places = ((ty, best), ("i64", at))
                body(*(code.let(f"getelementptr inbounds {x}, ptr {p}, i64 {j}") for x, p in places))

            loop(code, m, one)
            self.index[axis] = "0"

        def start(p: str, q: str) -> None:
            code.store(ty, self.first(r, t), p)
            code.store("i64", "0" if r.start is None else "-1", q)

        def compare(p: str, q: str) -> None:
            v = self.all_of_it()
            old, n = code.load(ty, p), code.load("i64", count)
            wins = self.or_first_nan(r, t, self.better(r.kind, t, v, old), v, old)
            code.store(ty, code.let(f"select i1 {wins}, {ty} {v}, {ty} {old}"), p)
            code.store("i64", code.let(f"select i1 {wins}, i64 {n}, i64 {code.load('i64', q)}"), q)

        def walk(axes: list[int]) -> None:
            if axes:

                def one(i: str) -> None:
                    self.index[axes[0]] = i
                    walk(axes[1:])

                self.along(axes[0], one)
                self.index[axes[0]] = "0"
            else:
                each(compare)
                code.store("i64", code.let(f"add nsw i64 {code.load('i64', count)}, 1"), count)

        code.store("i64", "0", count)
        each(start)
        walk(self.order[len(r.axes) :])
        each(lambda _, q: self.write(self.sought, code.load("i64", q)))

    def or_first_nan(self, r: Result, t: Scalar, wins: str, v: str, best: str) -> str:
        """Does it win, or is it the first NaN where that is looked for?"""
        if r.start is not None or not is_float(t):
            return wins
        code, ty = self.code, LLVM_TYPES[t]
        both = code.let(f"and i1 {code.let(f'fcmp uno {ty} {v}, 0.0')}, {code.let(f'fcmp ord {ty} {best}, 0.0')}")
        return code.let(f"or i1 {wins}, {both}")

    # ---- what reductions have in common
    def first(self, r: Result, t: Scalar) -> str:
        """What a result starts from, at the indices of its axes."""
        raise NotImplementedError

    def write(self, i: int, v: str) -> None:
        """A new array's element at the indices of its axes."""
        raise NotImplementedError
