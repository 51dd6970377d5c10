"""Convolutions: for each image, and group of its channels, what the kernel sees as the columns of a matrix, and a product.

The matrix is made anew for each image, in one place in memory, also on the way back: it stays in the cache, and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .....ir.core.graph import Let
from .....ir.core.types import F32, Scalar
from ..code import LLVM_TYPES, Code
from ..lets import Operands, fill_zero, loop, product
from ..library import Routines, element_at, emits
from .matrices import multiply

VECTOR = 32  # bytes that are moved at once along a row
SIZES = ("b", "c", "h", "w", "o", "p", "q", "i", "j")  # images, channels, their shape, outs, the kernel's shape, its places


@emits("conv")
def emit_conv(lib: Routines) -> list[Operands]:
    code, let = lib.code, lib.let
    (x, b, _, *shape), (w, o, _, *kernel) = (lib.read(a) for a in let.args)
    places = [_places(code, n, k, s, d) for n, k, s, d in zip(shape, kernel, let.attrs["strides"], let.attrs["dilation"], strict=True)]
    n = product(code, [b, o, *places])
    y = lib.new(let.out, n)
    fill_zero(code, y, n, lib.t)
    _call(lib, "conv", (x, w, y), lib.read(let.args[0])[1:], (w, o, *lib.read(let.args[1])[2:]), places)
    return [[y, b, o, *places]]


@emits("conv_input")
def emit_conv_input(lib: Routines) -> list[Operands]:
    d, w, x = (lib.read(a) for a in lib.let.args)
    _call(lib, "conv_input", (d[0], w[0], x[0]), x[1:5], w, d[3:5])
    return []


@emits("conv_weight")
def emit_conv_weight(lib: Routines) -> list[Operands]:
    x, d, w = (lib.read(a) for a in lib.let.args)
    _call(lib, "conv_weight", (x[0], d[0], w[0]), x[1:5], w, d[3:5])
    return []


def _places(code: Code, n: str, k: str, stride: int, dilation: int) -> str:
    """At how many places a kernel of k elements is, along an axis of n."""
    span = code.let(f"mul i64 {code.let(f'sub i64 {k}, 1')}, {dilation}")
    rest = code.let(f"sub i64 {code.let(f'sub i64 {n}, {span}')}, 1")
    some = code.let(f"add i64 {code.let(f'sdiv i64 {rest}, {stride}')}, 1")
    return code.let(f"select i1 {code.let(f'icmp slt i64 {rest}, 0')}, i64 0, i64 {some}")


def _call(lib: Routines, what: str, arrays: Any, images: Any, weights: Any, places: Any) -> None:
    """By a function of the module, which is given room for the matrix of one image."""
    code, attrs = lib.code, lib.let.attrs
    key = "_".join(map(str, (*attrs["strides"], *attrs["dilation"], attrs["groups"])))
    name = f"@lantern_{what}.{lib.t}.{key}"
    if name not in code.module.made:
        code.module.made[name] = True
        code.module.functions.append(TEXTS[what](_Convolution(code.module, lib.t, lib.let), name))
    room = lib.new(None, product(code, [weights[2], *weights[3:5], *places]))
    sizes = (images[0], weights[2], *images[2:4], weights[1], *weights[3:5], *places)
    code.emit(f"call void {name}({', '.join(f'ptr {p}' for p in (*arrays, room))}, {', '.join(f'i64 {n}' for n in sizes)})")


class _Convolution:
    """The code of a function of three arrays and room for a matrix."""

    def __init__(self, module: Any, t: Scalar, let: Let) -> None:
        self.module, self.t, self.ty = module, t, LLVM_TYPES[t]
        (self.down, self.right), (self.far, self.wide), self.groups = (let.attrs[k] for k in ("strides", "dilation", "groups"))
        self.code = code = Code(module)
        self.image = product(code, ["%c", "%h", "%w"])
        self.kernel, self.places = product(code, ["%c", "%p", "%q"]), product(code, ["%i", "%j"])
        self.outs = code.let(f"sdiv i64 %o, {self.groups}")
        self.d, self.weights = product(code, [self.outs, self.places]), product(code, [self.outs, self.kernel])

    def text(self, name: str, arrays: str, body: Callable[[str, str, str], None]) -> str:
        """body(image, weights, outs) for each group of each image."""
        code = self.code

        def one(n: str) -> None:
            g = code.let(f"srem i64 {n}, {self.groups}") if self.groups > 1 else "0"
            x, w, d = (
                element_at(code, p, code.let(f"mul i64 {i}, {size}"), self.t)
                for p, i, size in (("%x", n, self.image), ("%weights", g, self.weights), ("%d", n, self.d))
            )
            body(x, w, d)

        loop(code, code.let(f"mul i64 %b, {self.groups}"), one)
        code.emit("ret void")
        pointers = ", ".join(f"ptr noalias %{p}" for p in (*arrays.split(), "room"))
        return code.text(f"define internal void {name}({pointers}, {', '.join(f'i64 %{s}' for s in SIZES)}) noinline nounwind")

    def columns(self, x: str, back: bool = False) -> None:
        """The matrix of an image: row (c, p, q) has what element (p, q) of the kernel sees of channel c; `back`: its rows are added to that."""
        code, name = self.code, f"@lantern_columns{'_back' if back else ''}.{self.t}.{self.down}_{self.right}_{self.far}_{self.wide}"
        if name not in self.module.made:
            self.module.made[name] = True
            self.module.functions.append(_columns_text(self, name, back))
        code.emit(f"call void {name}(ptr {x}, ptr %room, {', '.join(f'i64 %{s}' for s in SIZES)})")


def _conv_text(c: _Convolution, name: str) -> str:
    def body(x: str, w: str, d: str) -> None:
        c.columns(x)
        multiply(c.code, c.t, (w, "%room", d), (c.outs, c.places, c.kernel), 0, 0, "1")

    return c.text(name, "x weights d", body)


def _input_text(c: _Convolution, name: str) -> str:
    def body(x: str, w: str, d: str) -> None:
        fill_zero(c.code, "%room", product(c.code, [c.kernel, c.places]), c.t)
        multiply(c.code, c.t, (w, d, "%room"), (c.kernel, c.places, c.outs), 1, 0, "1")
        c.columns(x, back=True)

    return c.text(name, "d weights x", body)


def _weight_text(c: _Convolution, name: str) -> str:
    def body(x: str, w: str, d: str) -> None:
        c.columns(x)
        multiply(c.code, c.t, (d, "%room", w), (c.outs, c.kernel, c.places), 0, 1, "1")

    return c.text(name, "x d weights", body)


TEXTS = {"conv": _conv_text, "conv_input": _input_text, "conv_weight": _weight_text}


def _columns_text(c: _Convolution, name: str, back: bool) -> str:
    code = Code(c.module)
    rows = product(code, ["%c", "%p", "%q"])

    def one(r: str) -> None:
        q, above = code.let(f"srem i64 {r}, %q"), code.let(f"sdiv i64 {r}, %q")
        p, channel = code.let(f"srem i64 {above}, %p"), code.let(f"sdiv i64 {above}, %p")
        top = code.let(f"add i64 {code.let(f'mul i64 {channel}, %h')}, {code.let(f'mul i64 {p}, {c.far}')}")
        left, first = code.let(f"mul i64 {q}, {c.wide}"), code.let(f"mul i64 {r}, %i")

        def row(i: str) -> None:
            line = code.let(f"add i64 {top}, {code.let(f'mul i64 {i}, {c.down}')}")
            start = code.let(f"add i64 {code.let(f'mul i64 {line}, %w')}, {left}")
            seen = element_at(code, "%room", code.let(f"mul i64 {code.let(f'add i64 {first}, {i}')}, %j"), c.t)
            _move_row(code, element_at(code, "%x", start, c.t), seen, c.right, c.t, back)

        loop(code, "%i", row)

    loop(code, rows, one)
    code.emit("ret void")
    return code.text(
        f"define internal void {name}(ptr noalias %x, ptr noalias %room, {', '.join(f'i64 %{s}' for s in SIZES)}) noinline nounwind"
    )


def _move_row(code: Code, image: str, seen: str, step: int, t: Scalar, back: bool) -> None:
    """seen[j] = image[j step], or backwards image[j step] += seen[j]"""
    lanes = VECTOR // (4 if t == F32 else 8) if step == 1 else 1
    wide = f"<{lanes} x {LLVM_TYPES[t]}>" if lanes > 1 else LLVM_TYPES[t]
    aligned = f"align {4 if t == F32 else 8}"

    def move(j: str, ty: str) -> None:
        p, q = element_at(code, image, code.let(f"mul i64 {j}, {step}") if step > 1 else j, t), element_at(code, seen, j, t)
        if back:
            old, d = (code.let(f"load {ty}, ptr {x}, {aligned}") for x in (p, q))
            code.emit(f"store {ty} {code.let(f'fadd {ty} {old}, {d}')}, ptr {p}, {aligned}")
        else:
            code.emit(f"store {ty} {code.let(f'load {ty}, ptr {p}, {aligned}')}, ptr {q}, {aligned}")

    chunks = code.let(f"sdiv i64 %j, {lanes}")
    loop(code, chunks, lambda k: move(code.let(f"mul i64 {k}, {lanes}"), wide))
    if lanes > 1:
        done = code.let(f"mul i64 {chunks}, {lanes}")
        loop(code, code.let(f"sub i64 %j, {done}"), lambda k: move(code.let(f"add i64 {done}, {k}"), LLVM_TYPES[t]))


__all__ = ["VECTOR"]
