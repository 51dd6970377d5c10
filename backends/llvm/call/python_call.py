"""The entry that Python calls: a vectorcall function for one signature, which all programs of that signature share.

    ptr @call(ptr self, ptr args, i64 nargsf, ptr kwnames, ptr record)

checks that each argument has exactly the type it was compiled for, reads floats and array pointers in place, runs the
program on a region's stack, and builds the result from CPython's and NumPy's own functions. It returns 1, which no
object is, where the arguments are others: the dispatcher (runtime/calls.ll) then asks the next specialisation, at last Python.
What it needs to know of the process and of the program is in the record, which is filled when the program is loaded.

It is a module of its own because it is a quarter of the machine code of a small program, and often there already.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from ....ir.core.graph import Program
from ....ir.core.types import BOOL, F32, F64, I32, I64, Array, Scalar, Type
from ....ir.values.concrete import Need
from ...base import Shape
from ..build.compile import Loaded, load, object_file, quick
from ..build.lock import compiling
from ..emit.code import LLVM_TYPES, SIZES, Code
from ..emit.lets import disjoint, loop, product
from ..runtime.layout import CALLS, ENTRY, FINISH, FIXED, HEADER, NUMPY_READABLE, NUMPY_WRITABLE, SERVICE

_LOADED: weakref.WeakValueDictionary[tuple[str, bool], Loaded] = weakref.WeakValueDictionary()  # by text, and whether it is optimised
MISMATCH = "inttoptr (i64 1 to ptr)"
_METADATA = """declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
!1 = !{!"branch_weights", i32 1000000, i32 1}
!2 = !{!"branch_weights", i32 1, i32 1000000}
"""
MANY = 40  # arguments or results are handled one after another, more of them in a loop
FEW_PAIRS = 6  # of arrays are compared one after another, more of them by a loop

_TYPES = {F64: "float64_type", F32: "float32_type", I64: "int64_type", BOOL: "bool_type"}
_DESCRS = {F64: "float64_descr", F32: "float32_descr", I64: "int64_descr", BOOL: "bool_descr", I32: "int32_descr"}
TYPE_NUMBERS = {F64: 12, F32: 11, I64: 7, BOOL: 0, I32: 5}  # NumPy's


class PythonCall:
    """Emits @call for programs like this one. `weak[i]` says that argument i is a Python number and not NumPy's; `numbers` are the sizes
    and arguments that the program is for; arguments in `written` are arrays that it writes into."""

    def __init__(
        self, module: Any, program: Program, weak: list[bool], shape: Shape, numbers: dict[Need, Any], written: Sequence[int] = ()
    ) -> None:
        f = program.functions[program.entry]
        n = len(program.constants)
        self.params = [p.type for p in f.params][: len(f.params) - n]
        self.constants = [p.type for p in f.params][len(f.params) - n :]
        self.results, self.weak, self.shape, self.numbers = list(f.results), weak, shape, numbers
        self.code, self.tables = Code(module), list[str]()
        self.constants_at = FIXED + len(shape.fixed)
        self.written = list(written)
        self.bounds_at = self.constants_at + sum(_slots(t) for t in self.constants)
        self.record_size = self.bounds_at + (2 * len(self.constants) if written else 0)

    # ---- small things
    def service(self, name: str) -> str:
        p = self.code.let(f"getelementptr ptr, ptr %services, i64 {SERVICE[name]}")
        return self.code.load("ptr", p)

    def call(self, name: str, returned: str, args: str) -> str:
        if returned == "void":
            self.code.emit(f"call void {self.service(name)}({args})")
            return ""
        return self.code.let(f"call {returned} {self.service(name)}({args})")

    def record(self, t: str, i: int) -> str:
        return self.code.load(t, self.code.let(f"getelementptr i64, ptr %record, i64 {i}"))

    def at(self, p: str, offset: int) -> str:
        return self.code.let(f"getelementptr i8, ptr {p}, i64 {offset}")

    def require(self, ok: str) -> None:
        good = self.code.new_label("good")
        self.code.emit(f"br i1 {ok}, label %{good}, label %mismatch, !prof !1")
        self.code.place(good)

    # ---- the function
    def text(self) -> str:
        code = self.code
        total = sum(map(_slots, [*self.params, *self.constants, *self.results]))
        slots = code.alloca(f"[{max(total, 1)} x i64]")
        leaves = code.alloca(f"[{max(len(self.results), 1)} x ptr]")
        code.emit("%services = load ptr, ptr %record")
        self.require(code.let("icmp eq ptr %names, null"))
        n = code.let("and i64 %nargsf, 9223372036854775807")
        self.require(code.let(f"icmp eq i64 {n}, {len(self.params)}"))
        at = sum(map(_slots, self.params))
        self.arguments(slots)
        self.compare(slots)
        self.apart(slots)
        for j in range(sum(map(_slots, self.constants))):
            self.slot_store(slots, at + j, "i64", self.record("i64", self.constants_at + j))
        self.count()
        region = self.call("run", "ptr", f"ptr %record, ptr {self.record('ptr', ENTRY)}, ptr {slots}")
        good = code.new_label("done")
        code.emit(f"br i1 {code.let(f'icmp ule ptr {region}, {MISMATCH}')}, label %unfinished, label %{good}, !prof !2")
        code.place(good)
        outs = self.objects(region, slots, at + sum(map(_slots, self.constants)), leaves)
        if any(isinstance(t, Array) for t in self.results):
            self.call("free_blocks", "void", f"ptr {region}")
        self.call("give", "void", f"ptr {region}")
        code.emit(f"ret ptr {self.assemble(outs, leaves)}")
        code.place("broken")
        self.call("discard", "void", f"ptr {leaves}, i64 {len(self.results)}")
        self.call("free_blocks", "void", f"ptr {region}")
        self.call("give", "void", f"ptr {region}")
        code.emit("ret ptr null")
        code.place("unfinished")
        code.emit(f"ret ptr {region}")
        code.place("mismatch")
        code.emit(f"ret ptr {MISMATCH}")
        head = "define ptr @call(ptr %self, ptr %args, i64 %nargsf, ptr %names, ptr %record) nounwind"
        return "\n".join([*self.tables, code.text(head)]) + _METADATA

    def slot_store(self, slots: str, i: int, t: str, v: str) -> None:
        self.code.store(t, v, self.code.let(f"getelementptr i64, ptr {slots}, i64 {i}"))

    def each(self, kinds: Sequence[Any], sizes: Sequence[int], one: Callable[[Any, str, str], None]) -> None:
        """one(kind, i, the first of its slots) for each of these values: a loop where they are many, with a table of what each is."""
        code, starts = self.code, list(itertools.accumulate(sizes, initial=0))[:-1]
        if len(kinds) < MANY:
            for i, (kind, at) in enumerate(zip(kinds, starts, strict=True)):
                one(kind, str(i), str(at))
            return
        different = list(dict.fromkeys(kinds))
        places = self.table(starts)
        chosen = self.table([different.index(k) for k in kinds])

        def body(i: str) -> None:
            at = code.load("i64", code.let(f"getelementptr i64, ptr {places}, i64 {i}"))
            k = code.load("i64", code.let(f"getelementptr i64, ptr {chosen}, i64 {i}"))
            labels, after = [code.new_label("kind") for _ in different], code.new_label("next")
            code.emit(f"switch i64 {k}, label %{labels[0]} [{' '.join(f'i64 {j}, label %{x}' for j, x in enumerate(labels))}]")
            for kind, label in zip(different, labels, strict=True):
                code.place(label)
                one(kind, i, at)
                code.emit(f"br label %{after}")
            code.place(after)

        loop(code, str(len(kinds)), body)

    def table(self, numbers: Sequence[int]) -> str:
        name = f"@lantern.table.{len(self.tables)}"
        self.tables.append(f"{name} = internal constant [{len(numbers)} x i64] [{', '.join(f'i64 {n}' for n in numbers)}]")
        return name

    def count(self) -> None:
        """One call more, for the table of specialisations."""
        p = self.code.let(f"getelementptr i64, ptr %record, i64 {CALLS}")
        self.code.store("i64", self.code.let(f"add i64 {self.code.load('i64', p)}, 1"), p)

    # ---- arguments
    def compare(self, slots: str) -> None:
        """Arguments whose numbers the program is for have these: they are in their slots, the value or data first, then sizes."""
        starts = list(itertools.accumulate(map(_slots, self.params), initial=0))
        for need, n in self.numbers.items():
            place = starts[need.leaf] + (0 if need.axis is None else 1 + need.axis)
            found = self.code.load("i64", self.code.let(f"getelementptr i64, ptr {slots}, i64 {place}"))
            self.require(self.code.let(f"icmp eq i64 {found}, {int(n)}"))

    def arguments(self, slots: str) -> None:
        """All arguments into their slots."""

        def one(kind: tuple[Type, bool, bool], i: str, at: str) -> None:
            x = self.code.load("ptr", self.code.let(f"getelementptr ptr, ptr %args, i64 {i}"))
            self.argument(x, *kind, self.code.let(f"getelementptr i64, ptr {slots}, i64 {at}"))

        kinds = [(t, self.weak[i], i in self.written) for i, t in enumerate(self.params)]
        self.each(kinds, list(map(_slots, self.params)), one)

    def argument(self, x: str, t: Type, weak: bool, written: bool, slot: str) -> None:
        """An argument into the slots from this one on."""
        code = self.code
        if isinstance(t, Array):
            self.array(x, t, written, slot)
        elif weak and t == BOOL:
            yes = code.let(f"icmp eq ptr {x}, {self.service('true')}")
            no = code.let(f"icmp eq ptr {x}, {self.service('false')}")
            self.require(code.let(f"or i1 {yes}, {no}"))
            code.store("i64", code.let(f"zext i1 {yes} to i64"), slot)
        elif weak and t == I64:
            self.has_type(x, "python_int")
            overflow = code.alloca("i32")
            v = self.call("PyLong_AsLongLongAndOverflow", "i64", f"ptr {x}, ptr {overflow}")
            self.require(code.let(f"icmp eq i32 {code.load('i32', overflow)}, 0"))
            code.store("i64", v, slot)
        else:
            self.has_type(x, "python_float" if weak else _TYPES[t])
            p = self.at(x, HEADER)
            if t == BOOL:
                code.store("i64", code.let(f"zext i8 {code.load('i8', p)} to i64"), slot)
            else:
                code.store(LLVM_TYPES[t], code.load(LLVM_TYPES[t], p), slot)

    def has_type(self, x: str, name: str) -> None:
        t = self.code.load("ptr", self.at(x, HEADER - 8))
        self.require(self.code.let(f"icmp eq ptr {t}, {self.service(name)}"))

    def array(self, x: str, t: Array, written: bool, slot: str) -> None:
        """An exact ndarray of the right dtype and rank, contiguous and aligned, and writeable if it is written."""
        code = self.code
        assert isinstance(t.dtype, Scalar)
        self.has_type(x, "array_type")
        self.require(code.let(f"icmp eq i32 {code.load('i32', self.at(x, HEADER + 8))}, {t.rank}"))
        self.require(code.let(f"icmp eq ptr {code.load('ptr', self.at(x, HEADER + 40))}, {self.service(_DESCRS[t.dtype])}"))
        wanted = NUMPY_WRITABLE if written else NUMPY_READABLE
        flags = code.let(f"and i32 {code.load('i32', self.at(x, HEADER + 48))}, {wanted}")
        self.require(code.let(f"icmp eq i32 {flags}, {wanted}"))
        code.store("ptr", code.load("ptr", self.at(x, HEADER)), slot)
        dims = code.load("ptr", self.at(x, HEADER + 16))
        for d in range(t.rank):
            self.slot_store(slot, 1 + d, "i64", code.load("i64", code.let(f"getelementptr i64, ptr {dims}, i64 {d}")))

    def apart(self, slots: str) -> None:
        """An array that is written shares no memory with another argument, or with an array that the function captures."""
        starts = list(itertools.accumulate(map(_slots, self.params), initial=0))

        def argument(i: int) -> tuple[str, str]:
            t = self.params[i]
            assert isinstance(t, Array)
            places = [self.code.let(f"getelementptr i64, ptr {slots}, i64 {starts[i] + d}") for d in range(1 + t.rank)]
            data, *sizes = [self.code.load("i64", p) for p in places]
            n = self.code.let(f"mul i64 {product(self.code, sizes)}, {SIZES[t.dtype]}")
            return data, self.code.let(f"add i64 {data}, {n}")

        arrays = [i for i, t in enumerate(self.params) if isinstance(t, Array)]
        if not self.written or len(arrays) + len(self.constants) < 2:
            return
        spans = [argument(i) for i in (*self.written, *(i for i in arrays if i not in self.written))]
        for k in range(len(self.constants)):
            spans.append((self.record("i64", self.bounds_at + 2 * k), self.record("i64", self.bounds_at + 2 * k + 1)))
        pairs = [(i, j) for i in range(len(self.written)) for j in range(i + 1, len(spans))]
        if len(pairs) <= FEW_PAIRS:
            for i, j in pairs:
                self.require(disjoint(self.code, spans[i], spans[j]))
        else:
            self.require(self.all_apart(spans))

    def all_apart(self, spans: list[tuple[str, str]]) -> str:
        """The same by a loop over pairs, since many of them are much code: of the written ones, which come first, and all that follow."""
        code, n = self.code, len(spans)
        memory, fits = code.alloca(f"[{2 * n} x i64]"), code.alloca("i64")

        def place(i: str) -> str:
            return code.let(f"getelementptr i64, ptr {memory}, i64 {i}")

        def span(i: str) -> tuple[str, str]:
            first = code.let(f"mul i64 {i}, 2")
            return code.load("i64", place(first)), code.load("i64", place(code.let(f"add i64 {first}, 1")))

        for i, ends in enumerate(spans):
            for k, end in enumerate(ends):
                code.store("i64", end, place(str(2 * i + k)))
        code.store("i64", "1", fits)

        def one(i: str) -> None:
            mine, after = span(i), code.let(f"add i64 {i}, 1")

            def other(j: str) -> None:
                apart = disjoint(code, mine, span(code.let(f"add i64 {after}, {j}")))
                code.store("i64", code.let(f"select i1 {apart}, i64 {code.load('i64', fits)}, i64 0"), fits)

            loop(code, code.let(f"sub i64 {n}, {after}"), other)

        loop(code, str(len(self.written)), one)
        return code.let(f"icmp eq i64 {code.load('i64', fits)}, 1")

    def python(self, place: int, argument: str) -> str:
        """Call a function of the record with one argument."""
        function = self.record("ptr", place)
        return self.call("PyObject_CallFunctionObjArgs", "ptr (ptr, ...)", f"ptr {function}, ptr {argument}, ptr null")

    # ---- results
    def objects(self, region: str, slots: str, at: int, leaves: str) -> list[str]:
        """A Python object for each result, kept in `leaves` in case that a later one fails."""
        code = self.code
        code.emit(f"call void @llvm.memset.p0.i64(ptr {leaves}, i8 0, i64 {8 * max(len(self.results), 1)}, i1 false)")
        first = code.let(f"getelementptr i64, ptr {slots}, i64 {at}")
        outs: list[str] = []

        def one(t: Type, i: str, at: str) -> None:
            x = self.object(code.let(f"getelementptr i64, ptr {first}, i64 {at}"), t, region)
            code.store("ptr", x, code.let(f"getelementptr ptr, ptr {leaves}, i64 {i}"))
            good = code.new_label("made")
            code.emit(f"br i1 {code.let(f'icmp eq ptr {x}, null')}, label %broken, label %{good}, !prof !2")
            code.place(good)
            outs.append(x)

        self.each(self.results, list(map(_slots, self.results)), one)
        if len(self.results) >= MANY:
            return [code.load("ptr", code.let(f"getelementptr ptr, ptr {leaves}, i64 {i}")) for i in range(len(self.results))]
        return outs

    def object(self, p: str, t: Type, region: str) -> str:
        code = self.code
        if isinstance(t, Array):
            assert isinstance(t.dtype, Scalar)
            data, dims = code.load("ptr", p), self.at(p, 8)
            n = "1"
            for d in range(t.rank):
                n = code.let(f"mul i64 {n}, {code.load('i64', code.let(f'getelementptr i64, ptr {dims}, i64 {d}'))}")
            args = f"ptr {region}, ptr {data}, i32 {t.rank}, ptr {dims}, i64 {n}, i32 {TYPE_NUMBERS[t.dtype]}, i64 {SIZES[t.dtype]}"
            return self.call("to_numpy", "ptr", args)
        if t == F64:
            return self.call("PyFloat_FromDouble", "ptr", f"double {code.load('double', p)}")
        if t == I64:
            return self.call("PyLong_FromLongLong", "ptr", f"i64 {code.load('i64', p)}")
        if t == F32:
            return self.call("PyArray_Scalar", "ptr", f"ptr {p}, ptr {self.service('float32_descr')}, ptr null")
        return self.call("PyBool_FromLong", "ptr", f"i64 {code.load('i64', p)}")

    def assemble(self, outs: list[str], leaves: str) -> str:
        if self.shape.node != "leaves":
            return self.node(self.shape.node, outs)
        parts = [self.leaf(node, outs) for node in self.shape.leaves]
        whole = self.tuple(parts)
        r = self.python(FINISH, whole)
        self.call("Py_DecRef", "void", f"ptr {whole}")
        return r

    def leaf(self, node: Any, outs: list[str]) -> str:
        if isinstance(node, int):
            return outs[node]
        x = self.record("ptr", FIXED + node[1])
        self.call("Py_IncRef", "void", f"ptr {x}")
        return x

    def tuple(self, parts: list[str], kind: str = "Tuple") -> str:
        x = self.made(self.call(f"Py{kind}_New", "ptr", f"i64 {len(parts)}"))
        for i, part in enumerate(parts):
            self.call(f"Py{kind}_SetItem", "i32", f"ptr {x}, i64 {i}, ptr {part}")
        return x

    def made(self, x: str) -> str:
        """Out of memory for a container: its leaves are lost with it, which is the least of the process's troubles."""
        good = self.code.new_label("made")
        self.code.emit(f"br i1 {self.code.let(f'icmp eq ptr {x}, null')}, label %unfinished, label %{good}, !prof !2")
        self.code.place(good)
        return x

    def node(self, node: Any, outs: list[str]) -> str:
        if not isinstance(node, tuple) or node[0] == "static":
            return self.leaf(node, outs)
        kind, children, *keys = node
        parts = [self.node(c, outs) for c in children]
        if kind in ("Tuple", "List"):
            return self.tuple(parts, kind)
        x = self.made(self.call("PyDict_New", "ptr", ""))
        for key, part in zip(keys[0], parts, strict=True):
            k = self.record("ptr", FIXED + key)
            self.call("PyDict_SetItem", "i32", f"ptr {x}, ptr {k}, ptr {part}")
            self.call("Py_DecRef", "void", f"ptr {part}")
        return x


@compiling
def loaded(text: str, kept: bytes = b"") -> Loaded:
    """The code of such a module, which goes with the last program that has it. It may have been `kept` on disk, with such a program."""
    key = text, not quick()
    found = _LOADED.get(key)
    if found is None:
        code = kept or object_file(*key)[0]
        found = _LOADED[key] = load(code)
        found.code = code
    return found


def _slots(t: Type) -> int:
    return 1 + t.rank if isinstance(t, Array) else 1
