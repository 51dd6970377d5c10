"""What compiled code stands on: its own stack, an arena for arrays, and one way out for faults.

One region of address space per call under way, aligned to its size, so that any code finds its context by
masking the stack pointer:

    base: context | arena (arrays) grows up ->            <- stack grows down | top

`lantern_enter` switches to the region's stack; `lantern_abort` puts the caller's stack back from any depth. Frames of
compiled code own nothing, so leaving them all at once is safe, and no call has to check for errors.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import platform
import threading
from typing import Any

from ...ir import errors

SAVED_SP, LIMIT, ARENA, CODE, VALUES, SITE, HEAP, SPARE = 0, 8, 16, 24, 32, 56, 64, 72
CONTEXT_BYTES = 4096
RESULT_HEADER = 64  # bytes before the data of a result array: the link of the list at HEAP
MARGIN = 16 << 20  # between arena and stack: frames that do not check, and libm's
KEEP = 64 << 20  # what an idle region may keep of its stack and of its arena
MAX_BITS, MIN_BITS = 40, 26

_ASSEMBLY = r"""
.text
.globl lantern_enter
lantern_enter:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rdi, %rbx
  movq %rcx, %rsp
  movq %rdx, %rdi
  xorl %ebp, %ebp
  callq *%rsi
  movq (%rbx), %rsp
  xorl %eax, %eax
  jmp .Llantern_leave
.globl lantern_abort
lantern_abort:
  movq (%rdi), %rsp
  movl $$1, %eax
.Llantern_leave:
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  retq
""".replace("$$", "$")


def helpers(made: dict[str, Any], mask: int) -> str:
    """The helper functions that a module uses, as LLVM text."""
    context = f"""define internal ptr @lantern.context() alwaysinline nounwind {{
 %sp = call i64 @llvm.read_register.i64(metadata !0)
 %b = and i64 %sp, {mask}
 %p = inttoptr i64 %b to ptr
 ret ptr %p
}}"""
    return "\n".join(
        [
            context,
            *_HELPERS,
            '!0 = !{!"rsp"}',
            '!1 = !{!"branch_weights", i32 1000000, i32 1}',
            '!2 = !{!"branch_weights", i32 1, i32 1000000}',
        ]
    )


def _at(name: str, offset: int) -> str:
    return f" %{name} = getelementptr i8, ptr %c, i64 {offset}"


_HELPERS = [
    "declare i64 @llvm.read_register.i64(metadata)",
    "declare ptr @llvm.addressofreturnaddress.p0()",
    "declare void @lantern_abort(ptr) noreturn",
    "declare ptr @malloc(i64)",
    "declare void @free(ptr)",
    "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
    "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
    "declare {i64, i1} @llvm.umul.with.overflow.i64(i64, i64)",
    f"""define internal void @lantern.fail(i64 %code, i64 %site, i64 %x, i64 %y, i64 %z) noreturn noinline cold nounwind {{
 %c = call ptr @lantern.context()
{_at("pc", CODE)}
 store i64 %code, ptr %pc
{_at("px", VALUES)}
 store i64 %x, ptr %px
{_at("py", VALUES + 8)}
 store i64 %y, ptr %py
{_at("pz", VALUES + 16)}
 store i64 %z, ptr %pz
{_at("ps", SITE)}
 store i64 %site, ptr %ps
 call void @lantern_abort(ptr %c)
 unreachable
}}""",
    f"""define internal void @lantern.check_stack(i64 %site) alwaysinline nounwind {{
 %c = call ptr @lantern.context()
{_at("pl", LIMIT)}
 %limit = load i64, ptr %pl
 %sp = call i64 @llvm.read_register.i64(metadata !0)
 %over = icmp ult i64 %sp, %limit
 br i1 %over, label %bad, label %ok, !prof !2
bad:
 %ra = call ptr @llvm.addressofreturnaddress.p0()
 %rai = ptrtoint ptr %ra to i64
 %frame0 = sub i64 %rai, %sp
 %frame = add i64 %frame0, 8
 call void @lantern.fail(i64 2, i64 %site, i64 %frame, i64 %sp, i64 0)
 unreachable
ok:
 ret void
}}""",
    f"""define internal void @lantern.begin() alwaysinline nounwind {{
 %c = call ptr @lantern.context()
 %top = getelementptr i8, ptr %c, i64 {2 * CONTEXT_BYTES}
 call void @lantern.release(ptr %top)
 ret void
}}""",
    f"""define internal ptr @lantern.mark() alwaysinline nounwind {{
 %c = call ptr @lantern.context()
{_at("pt", ARENA)}
 %top = load ptr, ptr %pt
 ret ptr %top
}}""",
    f"""define internal void @lantern.release(ptr %top) alwaysinline nounwind {{
 %c = call ptr @lantern.context()
{_at("pt", ARENA)}
 store ptr %top, ptr %pt
{_at("pl", LIMIT)}
 %t = ptrtoint ptr %top to i64
 %l = add i64 %t, {MARGIN}
 store i64 %l, ptr %pl
 ret void
}}""",
    f"""define internal noalias ptr @lantern.alloc(i64 %n, i64 %size, i64 %site) noinline nounwind {{
 %m = call {{i64, i1}} @llvm.umul.with.overflow.i64(i64 %n, i64 %size)
 %bytes0 = extractvalue {{i64, i1}} %m, 0
 %o = extractvalue {{i64, i1}} %m, 1
 %huge = icmp ugt i64 %bytes0, 4611686018427387904
 %no = or i1 %o, %huge
 br i1 %no, label %bad, label %fits
fits:
 %bytes1 = add i64 %bytes0, 63
 %bytes = and i64 %bytes1, -64
 %c = call ptr @lantern.context()
{_at("pt", ARENA)}
 %top = load ptr, ptr %pt
 %ti = ptrtoint ptr %top to i64
 %new = add i64 %ti, %bytes
 %l = add i64 %new, {MARGIN}
 %sp = call i64 @llvm.read_register.i64(metadata !0)
 %over = icmp ugt i64 %l, %sp
 br i1 %over, label %bad, label %ok
bad:
 call void @lantern.fail(i64 7, i64 %site, i64 0, i64 0, i64 0)
 unreachable
ok:
 %np = inttoptr i64 %new to ptr
 store ptr %np, ptr %pt
{_at("pl", LIMIT)}
 store i64 %l, ptr %pl
 ret ptr %top
}}""",
    f"""define internal ptr @lantern.alloc_result(i64 %n, i64 %size, i64 %site) nounwind {{
 %m = call {{i64, i1}} @llvm.umul.with.overflow.i64(i64 %n, i64 %size)
 %bytes = extractvalue {{i64, i1}} %m, 0
 %o = extractvalue {{i64, i1}} %m, 1
 %huge = icmp ugt i64 %bytes, 4611686018427387904
 %no = or i1 %o, %huge
 br i1 %no, label %bad, label %fits
fits:
 %full = add i64 %bytes, {RESULT_HEADER}
 %c = call ptr @lantern.context()
{_at("psp", SPARE)}
 br label %look
look:
 %link = phi ptr [%psp, %fits], [%found, %other]
 %found = load ptr, ptr %link
 %none = icmp eq ptr %found, null
 br i1 %none, label %fresh, label %compare
compare:
 %pf = getelementptr i8, ptr %found, i64 8
 %have = load i64, ptr %pf
 %fitting = icmp eq i64 %have, %full
 br i1 %fitting, label %reuse, label %other
other:
 br label %look
reuse:
 %following = load ptr, ptr %found
 store ptr %following, ptr %link
 br label %ok
fresh:
 %new = call ptr @malloc(i64 %full)
 %null = icmp eq ptr %new, null
 br i1 %null, label %bad, label %ok
bad:
 call void @lantern.fail(i64 7, i64 %site, i64 0, i64 0, i64 0)
 unreachable
ok:
 %p = phi ptr [%found, %reuse], [%new, %fresh]
 %psize = getelementptr i8, ptr %p, i64 8
 store i64 %full, ptr %psize
{_at("ph", HEAP)}
 %head = load ptr, ptr %ph
 store ptr %head, ptr %p
 store ptr %p, ptr %ph
 %body = getelementptr i8, ptr %p, i64 {RESULT_HEADER}
 ret ptr %body
}}""",
    """define internal i64 @lantern.count(i64 %x, i64 %y, i64 %site) alwaysinline nounwind {
 %neg = icmp slt i64 %y, 0
 %m = call {i64, i1} @llvm.umul.with.overflow.i64(i64 %x, i64 %y)
 %p = extractvalue {i64, i1} %m, 0
 %o = extractvalue {i64, i1} %m, 1
 %bad = or i1 %neg, %o
 br i1 %bad, label %fail, label %ok, !prof !2
fail:
 call void @lantern.fail(i64 6, i64 %site, i64 %y, i64 0, i64 0)
 unreachable
ok:
 ret i64 %p
}""",
    """define internal i64 @lantern.ipow(i64 %x, i64 %n) nounwind {
entry:
 br label %head
head:
 %b = phi i64 [%x, %entry], [%b2, %step]
 %e = phi i64 [%n, %entry], [%e2, %step]
 %r = phi i64 [1, %entry], [%r2, %step]
 %done = icmp eq i64 %e, 0
 br i1 %done, label %out, label %step
step:
 %odd = and i64 %e, 1
 %is = icmp ne i64 %odd, 0
 %rb = mul i64 %r, %b
 %r2 = select i1 %is, i64 %rb, i64 %r
 %b2 = mul i64 %b, %b
 %e2 = lshr i64 %e, 1
 br label %head
out:
 ret i64 %r
}""",
    f"""define internal ptr @lantern.keep(ptr %data, i64 %bytes) nounwind {{
 %full = add i64 %bytes, 16
 %p = call ptr @malloc(i64 %full)
 %null = icmp eq ptr %p, null
 br i1 %null, label %bad, label %ok
bad:
 call void @lantern.fail(i64 7, i64 0, i64 0, i64 0, i64 0)
 unreachable
ok:
 %c = call ptr @lantern.context()
{_at("ph", HEAP)}
 %head = load ptr, ptr %ph
 store ptr %head, ptr %p
 store ptr %p, ptr %ph
 %body = getelementptr i8, ptr %p, i64 16
 call void @llvm.memcpy.p0.p0.i64(ptr %body, ptr %data, i64 %bytes, i1 false)
 ret ptr %p
}}""",
    f"""define internal ptr @lantern.bring_back(ptr %p, i64 %n, i64 %size) nounwind {{
 %q = call ptr @lantern.alloc(i64 %n, i64 %size, i64 0)
 %bytes = mul i64 %n, %size
 %body = getelementptr i8, ptr %p, i64 16
 call void @llvm.memcpy.p0.p0.i64(ptr %q, ptr %body, i64 %bytes, i1 false)
 %c = call ptr @lantern.context()
{_at("ph", HEAP)}
 %head = load ptr, ptr %ph
 %mine = icmp eq ptr %head, %p
 br i1 %mine, label %drop, label %done
drop:
 %next = load ptr, ptr %p
 store ptr %next, ptr %ph
 call void @free(ptr %p)
 br label %done
done:
 ret ptr %q
}}""",
]


class Region:
    """A stack and an arena for one call at a time."""

    def __init__(self, bits: int) -> None:
        size = 1 << bits
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
        libc = _libc()
        raw = libc.mmap(None, 2 * size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        if raw in (None, ctypes.c_void_p(-1).value):
            raise MemoryError
        self.base: int = (raw + size - 1) & ~(size - 1)
        if self.base > raw:
            libc.munmap(raw, self.base - raw)
        end = raw + 2 * size
        if end > self.base + size:
            libc.munmap(self.base + size, end - self.base - size)
        self.size = size
        libc.mprotect(self.base + CONTEXT_BYTES, 4096, 0)  # below the arena: nothing may run into the context
        self.top = self.base + size - 4096
        libc.madvise(self.base, size, 14)  # MADV_HUGEPAGE: first touch 37 -> 12 ns a step

    def heap(self) -> set[int]:
        """The blocks that a call has made outside of the region."""
        word = ctypes.c_uint64.from_address
        found, block = set(), word(self.base + HEAP).value
        while block:
            found.add(block)
            block = word(block).value
        return found

    def free_heap(self, keep: frozenset[int] = frozenset()) -> None:
        """Free those blocks, but for the ones in `keep`."""
        for block in self.heap() - keep:
            _libc().free(block)
        ctypes.c_uint64.from_address(self.base + HEAP).value = 0

    def trim(self) -> None:
        """Give back what a deep call has touched beyond KEEP."""
        vector = (ctypes.c_ubyte * 1)()
        libc = _libc()
        for probe in (self.base + self.size - KEEP - 4096, self.base + KEEP):
            if libc.mincore(probe, 4096, vector) == 0 and vector[0] & 1:
                libc.madvise(self.base + KEEP, self.size - 2 * KEEP, 4)  # MADV_DONTNEED


_LIBC: list[Any] = []


def _libc() -> Any:
    if not _LIBC:
        libc = ctypes.CDLL(None, use_errno=True)
        p, n, i = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        libc.mmap.restype, libc.mmap.argtypes = p, [p, n, i, i, i, ctypes.c_long]
        libc.munmap.argtypes, libc.mprotect.argtypes, libc.madvise.argtypes = [p, n], [p, n, i], [p, n, i]
        libc.mincore.argtypes, libc.free.argtypes = [p, n, p], [p]
        _LIBC.append(libc)
    return _LIBC[0]


def region_bits() -> int:
    """log2 of a region's size: the largest power of two within a third of this process's memory, so that a recursion
    without an end meets the region's limit before the machine's. LANTERN_STACK_GIB overrides."""
    chosen = os.environ.get("LANTERN_STACK_GIB")
    if chosen is not None:
        try:
            size = float(chosen) * 2**30
        except ValueError:
            raise errors.CompilationError(f"LANTERN_STACK_GIB={chosen!r}: give a number of GiB") from None
        return min(max(int(math.log2(max(size, 1.0))), MIN_BITS), MAX_BITS)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path) as f:
                memory = min(memory, int(f.read()))
        except (OSError, ValueError):
            continue
    return min(max(int(math.log2(memory / 3)), MIN_BITS), MAX_BITS)


class Spares:
    """Blocks of results that are no longer used, kept for the next call: fresh memory costs a page fault per 4 KiB. A
    block begins with a link and its size."""

    LIMIT = 64 << 20  # bytes

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.blocks: list[int] = []
        self.total = 0

    def put(self, block: int) -> None:
        size = ctypes.c_uint64.from_address(block + 8).value
        with self.lock:
            if self.total + size <= self.LIMIT:
                self.total += size
                self.blocks.append(block)
                return
        _libc().free(block)

    def lend(self, region: Region) -> None:
        """Hang all of them on a region for one call."""
        with self.lock:
            blocks, self.blocks, self.total = self.blocks, [], 0
        word, following = ctypes.c_uint64.from_address, 0
        for block in blocks:
            word(block).value = following
            following = block
        word(region.base + SPARE).value = following

    def take_back(self, region: Region) -> None:
        """What the call has not used."""
        word = ctypes.c_uint64.from_address
        block = word(region.base + SPARE).value
        word(region.base + SPARE).value = 0
        while block:
            following = word(block).value
            self.put(block)
            block = following


SPARES = Spares()


class Owner:
    """A block of malloc's that a NumPy array keeps alive."""

    __slots__ = ("__array_interface__", "block")

    def __init__(self, block: int, shape: tuple[int, ...], dtype: Any) -> None:
        self.block = block
        self.__array_interface__ = {
            "data": (block + RESULT_HEADER, False),
            "shape": shape,
            "typestr": dtype.str,
            "version": 3,
        }

    def __del__(self) -> None:
        SPARES.put(self.block)


class Runtime:
    """The process's regions and the two assembly functions; made when first needed."""

    def __init__(self) -> None:
        import llvmlite.binding as llvm

        if platform.machine() not in ("x86_64", "AMD64") or platform.system() != "Linux":
            raise errors.CompilationError(
                f"native code needs Linux on x86-64; this is {platform.system()} on {platform.machine()}. grad(f)(x) without jit runs on the interpreter"
            )
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        llvm.initialize_native_asmparser()
        self.lock = threading.Lock()
        self.idle: list[Region] = []
        self.bits = 0
        first = self._first_region()
        self.idle.append(first)
        self.mask = -(1 << self.bits)
        module = llvm.parse_assembly("\n".join(f'module asm "{line}"' for line in _ASSEMBLY.strip().splitlines()) + "\ndefine void @lantern_unused() {\n ret void\n}\n"
                                     "declare i32 @lantern_enter(ptr, ptr, ptr, ptr)\ndeclare void @lantern_abort(ptr)\n"
                                     "define ptr @lantern_enter_address() {\n ret ptr @lantern_enter\n}\ndefine ptr @lantern_abort_address() {\n ret ptr @lantern_abort\n}\n")  # fmt: skip
        machine = llvm.Target.from_default_triple().create_target_machine()
        module.triple = llvm.get_default_triple()
        self.engine = llvm.create_mcjit_compiler(module, machine)
        self.engine.finalize_object()
        address = ctypes.CFUNCTYPE(ctypes.c_void_p)
        enter = address(self.engine.get_function_address("lantern_enter_address"))()
        llvm.add_symbol("lantern_abort", address(self.engine.get_function_address("lantern_abort_address"))())
        p = ctypes.c_void_p
        self.enter = ctypes.CFUNCTYPE(ctypes.c_int, p, p, p, p)(enter)

    def _first_region(self) -> Region:
        """The largest region that this process may reserve."""
        for bits in range(region_bits(), MIN_BITS - 1, -1):
            try:
                region = Region(bits)
                self.bits = bits
                return region
            except MemoryError:
                continue
        raise errors.CompilationError(f"cannot reserve {1 << MIN_BITS >> 20} MiB of address space for the native stack")

    def acquire(self) -> Region:
        with self.lock:
            if self.idle:
                return self.idle.pop()
        return Region(self.bits)

    def give_back(self, region: Region, nanoseconds: int) -> None:
        """Done with `region` after a call of that length: only a long one can have touched much memory."""
        if nanoseconds > 1_000_000:
            region.trim()
        with self.lock:
            self.idle.append(region)


_RUNTIME: list[Runtime] = []
_LOCK = threading.Lock()


def runtime() -> Runtime:
    with _LOCK:
        if not _RUNTIME:
            _RUNTIME.append(Runtime())
        return _RUNTIME[0]
