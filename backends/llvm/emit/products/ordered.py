"""Products of matrices whose sums are taken one term after another, as a loop takes them: no multiplication is joined with an addition.

Elements of C that lie side by side are the lanes of vectors, and some rows go along together, so that a sum need not wait for the one
before. Where the lanes do not lie side by side in the matrix that is read, some hundred terms of them are put so before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .....ir.core.types import F64, Scalar
from ..code import LLVM_TYPES, Code, literal
from ..lets import loop
from ..library import element_at

ROWS = 4  # go along together: as many sums as an addition takes cycles, or more
TERMS = 256  # are put side by side at a time: with the widest lanes 32 KiB
TURNED = 8  # a square of so many elements is turned in registers
PANELS = ("x", "xl", "xp", "nl", "y", "yr", "yp", "nr", "c", "cl", "cr", "k")  # parameters: X, Y and C with their strides and sizes, terms


def lanes(module: Any, t: Scalar) -> int:
    """How many elements one vector register has."""
    return max(2, module.cpu.register_bits // (64 if t == F64 else 32))  # type: ignore[no-any-return]


def multiply_in_order(code: Code, t: Scalar, pointers: Any, sizes: Any, ta: int, tb: int) -> None:
    """C = op(A) op(B), by a function of the module."""
    name = f"@lantern_gemm_ordered.{t}.{'t' if ta else 'n'}{'t' if tb else 'n'}"
    if name not in code.module.made:
        code.module.made[name] = True
        code.module.functions.append(_sides(code.module, name, t, ta, tb))
    code.emit(f"call void {name}({', '.join(f'ptr {p}' for p in pointers)}, {', '.join(f'i64 {n}' for n in sizes)})")


def sums_in_order(code: Code, t: Scalar, x: tuple[str, ...], y: tuple[str, ...], c: tuple[str, str, str], terms: str, fresh: bool) -> None:
    """C[i, j] = sum_p X[i, p] Y[j, p]; of X and Y where they are, the strides to the next i or j and to the next p, and how many i or j there
    are; of C the strides along i and j. Along one of i and p X is contiguous. Where C is not `fresh` its elements are what the sums begin with."""
    given = [f"{'ptr' if i in (0, 4, 8) else 'i64'} {v}" for i, v in enumerate((*x, *y, *c))]
    code.emit(f"call void {_panels(code.module, t)}({', '.join(given)}, i64 {terms}, i1 {'true' if fresh else 'false'})")


def _sides(module: Any, name: str, t: Scalar, ta: int, tb: int) -> str:
    """Columns are the lanes; rows, where these are enough and the columns are not."""
    code = Code(module)
    few = code.let(f"icmp slt i64 %n, {lanes(module, t)}")
    turned = code.let(f"and i1 {few}, {code.let('icmp sgt i64 %m, %n')}")
    a = ("%a", *(("1", "%m") if ta else ("%k", "1")), "%m")  # where it is, the strides to the next row and the next term, how many
    b = ("%b", *(("%k", "1") if tb else ("1", "%n")), "%n")
    code.emit(f"br i1 {turned}, label %rows, label %columns")
    for label, x, y, strides in (("rows", a, b, ("%n", "1")), ("columns", b, a, ("1", "%n"))):
        code.place(label)
        sums_in_order(code, t, x, y, ("%c", *strides), "%k", fresh=True)
        code.emit("ret void")
    pointers = ", ".join(f"ptr noalias %{x}" for x in "abc")
    return code.text(f"define internal void {name}({pointers}, i64 %m, i64 %n, i64 %k) noinline nounwind")


def _function(module: Any, name: str, params: str, write: Callable[[Code], None]) -> str:
    """A function of the module, of this name."""
    if name not in module.made:
        module.made[name] = True
        code = Code(module)
        write(code)
        code.emit("ret void")
        module.functions.append(code.text(f"define internal void {name}({params}) noinline nounwind"))
    return name


def _panels(module: Any, t: Scalar) -> str:
    """All lanes: two registers at a time; what is left one at a time, of which the last begins where it must to end with the others, and
    takes some sums again, if they begin with 0.0. Others one by one."""
    w = lanes(module, t)
    params = ", ".join(f"{'ptr noalias' if p in 'xyc' else 'i64'} %{p}" for p in PANELS)

    def write(code: Code) -> None:
        panel = code.alloca(f"[{TERMS * 2 * w} x {LLVM_TYPES[t]}]")
        direct = code.let("icmp eq i64 %xl, 1")

        def some(width: int, first: str) -> None:
            blocks = code.let(f"sdiv i64 {code.let(f'add i64 %k, {TERMS - 1}')}, {TERMS}")
            loop(code, code.let(f"call i64 @llvm.smax.i64(i64 {blocks}, i64 1)"), lambda s: block(width, first, s))

        def block(width: int, first: str, s: str) -> None:
            start = code.let(f"mul i64 {s}, {TERMS}")
            terms = code.let(f"call i64 @llvm.smin.i64(i64 {code.let(f'sub i64 %k, {start}')}, i64 {TERMS})")
            lane, term = code.let(f"mul i64 {first}, %xl"), code.let(f"mul i64 {start}, %xp")
            x, step = element_at(code, "%x", code.let(f"add i64 {lane}, {term}"), t), "%xp"
            if width > 1:
                packs = code.let(f"select i1 {direct}, i64 0, i64 1")
                loop(
                    code,
                    packs,
                    lambda _: code.emit(f"call void {_packed(module, t)}(ptr {panel}, ptr {x}, i64 %xl, i64 {width}, i64 {terms})"),
                )
                x, step = code.let(f"select i1 {direct}, ptr {x}, ptr {panel}"), code.let(f"select i1 {direct}, i64 %xp, i64 {width}")
            is_first = code.let(f"and i1 %fresh, {code.let(f'icmp eq i64 {s}, 0')}")
            whole = code.let(f"sdiv i64 %nr, {ROWS}")

            def rows(count: int, r: str) -> None:
                y = element_at(code, "%y", code.let(f"add i64 {code.let(f'mul i64 {r}, %yr')}, {code.let(f'mul i64 {start}, %yp')}"), t)
                c = element_at(code, "%c", code.let(f"add i64 {code.let(f'mul i64 {r}, %cr')}, {code.let(f'mul i64 {first}, %cl')}"), t)
                code.emit(
                    f"call void {_sums(module, t, width, count)}(ptr {x}, i64 {step}, ptr {y}, i64 %yr, i64 %yp, ptr {c}, i64 %cl, i64 %cr, "
                    f"i64 {terms}, i1 {is_first})"
                )

            loop(code, whole, lambda i: rows(ROWS, code.let(f"mul i64 {i}, {ROWS}")))
            done = code.let(f"mul i64 {whole}, {ROWS}")
            loop(code, code.let(f"sub i64 %nr, {done}"), lambda i: rows(1, code.let(f"add i64 {done}, {i}")))

        pairs = code.let(f"sdiv i64 %nl, {2 * w}")
        loop(code, pairs, lambda i: some(2 * w, code.let(f"mul i64 {i}, {2 * w}")))
        left = code.let(f"sub i64 %nl, {code.let(f'mul i64 {pairs}, {2 * w}')}")
        again = code.let(f"and i1 %fresh, {code.let(f'icmp sge i64 %nl, {w}')}")
        rounded = code.let(f"add i64 {left}, {code.let(f'select i1 {again}, i64 {w - 1}, i64 0')}")
        count = code.let(f"sdiv i64 {rounded}, {w}")
        last, begin = code.let(f"sub i64 %nl, {w}"), code.let(f"sub i64 %nl, {left}")

        def rest(i: str) -> None:
            at = code.let(f"add i64 {begin}, {code.let(f'mul i64 {i}, {w}')}")
            some(w, code.let(f"call i64 @llvm.smin.i64(i64 {at}, i64 {last})"))

        loop(code, count, rest)
        singles = code.let(f"sub i64 {left}, {code.let(f'mul i64 {count}, {w}')}")
        first = code.let(f"sub i64 %nl, {singles}")
        loop(code, singles, lambda i: some(1, code.let(f"add i64 {first}, {i}")))

    return _function(module, f"@lantern_ordered_panels.{t}", f"{params}, i1 %fresh", write)


def _sums(module: Any, t: Scalar, width: int, rows: int) -> str:
    """So many rows of so many lanes of C: the sums so far, unless these are the first terms, and the terms one after another."""
    ty = LLVM_TYPES[t]
    wide = f"<{width} x {ty}>" if width > 1 else ty
    params = "ptr noalias %x, i64 %xp, ptr noalias %y, i64 %yr, i64 %yp, ptr noalias %c, i64 %cl, i64 %cr, i64 %k, i1 %first"
    aligned = f", align {8 if t == F64 else 4}"

    def write(code: Code) -> None:
        cells = [code.alloca(wide) for _ in range(rows)]
        targets = [element_at(code, "%c", code.let(f"mul i64 %cr, {r}"), t) for r in range(rows)]
        for cell in cells:
            code.emit(f"store {wide} zeroinitializer, ptr {cell}" if width > 1 else f"store {ty} {literal(0.0, t)}, ptr {cell}")
        more, start = code.new_label("more"), code.new_label("start")
        code.emit(f"br i1 %first, label %{start}, label %{more}")
        code.place(more)
        for cell, p in zip(cells, targets, strict=True):
            code.emit(f"store {wide} {_gathered(code, t, width, p)}, ptr {cell}")
        code.emit(f"br label %{start}")
        code.place(start)

        def term(p: str) -> None:
            x = code.let(f"load {wide}, ptr {element_at(code, '%x', code.let(f'mul i64 {p}, %xp'), t)}{aligned}")
            at = code.let(f"mul i64 {p}, %yp")
            for r, cell in enumerate(cells):
                y = code.load(ty, element_at(code, "%y", code.let(f"add i64 {at}, {code.let(f'mul i64 %yr, {r}')}"), t))
                if width > 1:
                    one = code.let(f"insertelement {wide} poison, {ty} {y}, i64 0")
                    y = code.let(f"shufflevector {wide} {one}, {wide} poison, <{width} x i32> zeroinitializer")
                z, total = code.let(f"fmul {wide} {x}, {y}"), code.let(f"load {wide}, ptr {cell}")
                total = code.let(f"fadd {wide} {total}, {z}")
                code.emit(f"store {wide} {total}, ptr {cell}")

        loop(code, "%k", term)
        for cell, p in zip(cells, targets, strict=True):
            _scattered(code, t, width, p, code.let(f"load {wide}, ptr {cell}"))

    return _function(module, f"@lantern_ordered_sums.{t}.{width}x{rows}", params, write)


def _gathered(code: Code, t: Scalar, width: int, p: str) -> str:
    """Elements of C that are %cl apart."""
    ty, z = LLVM_TYPES[t], "poison"
    if width == 1:
        return code.load(ty, p)
    for i in range(width):
        v = code.load(ty, element_at(code, p, code.let(f"mul i64 %cl, {i}"), t))
        z = code.let(f"insertelement <{width} x {ty}> {z}, {ty} {v}, i64 {i}")
    return z


def _scattered(code: Code, t: Scalar, width: int, p: str, v: str) -> None:
    """They are written; side by side at once."""
    ty = LLVM_TYPES[t]
    if width == 1:
        code.store(ty, v, p)
        return
    near, far, done = code.new_label("near"), code.new_label("far"), code.new_label("done")
    code.emit(f"br i1 {code.let('icmp eq i64 %cl, 1')}, label %{near}, label %{far}")
    code.place(near)
    code.emit(f"store <{width} x {ty}> {v}, ptr {p}, align {8 if t == F64 else 4}")
    code.emit(f"br label %{done}")
    code.place(far)
    for i in range(width):
        code.store(ty, code.let(f"extractelement <{width} x {ty}> {v}, i64 {i}"), element_at(code, p, code.let(f"mul i64 %cl, {i}"), t))
    code.emit(f"br label %{done}")
    code.place(done)


def _packed(module: Any, t: Scalar) -> str:
    """`%n` rows of `%k` terms that are side by side, turned: term p of row l is at p n + l. A square of them at a time in registers."""
    side = min(TURNED, lanes(module, t))
    ty, aligned = LLVM_TYPES[t], f", align {8 if t == F64 else 4}"
    wide = f"<{side} x {ty}>"

    def write(code: Code) -> None:
        def band(b: str) -> None:
            l0 = code.let(f"mul i64 {b}, {side}")
            x, to = element_at(code, "%x", code.let(f"mul i64 {l0}, %xl"), t), element_at(code, "%to", l0, t)

            def square(s: str) -> None:
                p0 = code.let(f"mul i64 {s}, {side}")
                at = [element_at(code, x, code.let(f"add i64 {p0}, {code.let(f'mul i64 %xl, {i}')}"), t) for i in range(side)]
                for i, v in enumerate(_turned(code, wide, side, [code.let(f"load {wide}, ptr {p}{aligned}") for p in at])):
                    q = code.let(f"mul i64 {code.let(f'add i64 {p0}, {i}')}, %n")
                    code.emit(f"store {wide} {v}, ptr {element_at(code, to, q, t)}{aligned}")

            squares = code.let(f"sdiv i64 %k, {side}")
            loop(code, squares, square)
            done = code.let(f"mul i64 {squares}, {side}")

            def one(j: str) -> None:
                p = code.let(f"add i64 {done}, {j}")
                row = element_at(code, to, code.let(f"mul i64 {p}, %n"), t)
                for i in range(side):
                    v = code.load(ty, element_at(code, x, code.let(f"add i64 {p}, {code.let(f'mul i64 %xl, {i}')}"), t))
                    code.store(ty, v, element_at(code, row, str(i), t))

            loop(code, code.let(f"sub i64 %k, {done}"), one)

        loop(code, code.let(f"sdiv i64 %n, {side}"), band)

    return _function(module, f"@lantern_ordered_packed.{t}", "ptr noalias %to, ptr noalias %x, i64 %xl, i64 %n, i64 %k", write)


def _turned(code: Code, wide: str, side: int, rows: list[str]) -> list[str]:
    """The columns of a square whose rows these are: blocks of 1, 2, 4, .. elements beside the diagonal change places."""
    step = 1
    while step < side:
        found = list(rows)
        for i in range(side):
            if not i & step:
                low = [j if not j & step else side + (j ^ step) for j in range(side)]
                high = [(j ^ step) if not j & step else side + j for j in range(side)]
                for at, places in ((i, low), (i | step, high)):
                    mask = ", ".join(f"i32 {p}" for p in places)
                    found[at] = code.let(f"shufflevector {wide} {rows[i]}, {wide} {rows[i | step]}, <{side} x i32> <{mask}>")
        rows, step = found, 2 * step
    return rows
