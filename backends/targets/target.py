"""What back ends have to know of a machine and its system, as a value: a new target is one more of these, in a file of its own.

Two instances have been written: x86-64 Linux, which runs on machines, and AArch64 Linux, which has run by emulation alone. What is known to
differ elsewhere, none of which has been run:

- macOS: names in assembly begin with an underscore, there is no `.hidden` and no ELF (symbols.py reads Mach-O there); memory
  for code is mapped with MAP_JIT and is either written or run, one thread at a time; other numbers for mmap, madvise and
  signals, another ucontext and another struct sigaction; libraries are linked by other flags. On AArch64 pages have 16 KiB and lines of the
  cache 128 bytes, x18 is the system's, bools are extended by who passes them, and what stands for `...` is passed in memory.
- Windows: VirtualAlloc for mmap, whose reserved memory has to be committed; no signals of POSIX, so that a Ctrl-C comes in
  another thread; another calling convention, with more registers to save; a stack that is not the system's has to be told
  to the thread (the bounds in its TEB), and unwinding by SEH wants a description of each function that moves the stack pointer.
- None of them has glibc's libmvec. Nothing here needs it: the vector functions are the library's own (llvm/maths).
- A shadow stack (CET, GCS) would have to be cut when a call is left by lantern_abort.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Memory:
    """How the system maps memory: arguments of mmap, mprotect and madvise."""

    page: int  # bytes of the largest pages that the system may have: the guard below a stack, and the unit in which memory is laid out
    read_write: int
    no_access: int
    map_flags: int  # private, without a file, and without reserving swap space
    unneeded: int  # advice: the contents may go
    huge_pages: int  # advice: large pages, please
    small_pages: int  # advice: no large pages
    limit_files: tuple[str, ...]  # each may hold the bytes that this process may use
    mapped_file: str  # its first word is the number of pages that this process has mapped


@dataclass(frozen=True)
class Signals:
    """How the system delivers signals: numbers, and offsets in what a handler is given."""

    interrupt: int  # the number of SIGINT
    count: int  # numbers are below it
    never: tuple[int, ...]  # faults of the machine and what cannot be caught: not asked for
    action_bytes: int  # of a struct sigaction, whose first word is the handler
    action_flags: int  # the offset of its flags
    with_info: int  # the flag of handlers that take three arguments
    sent: int  # offset in siginfo_t of how a signal was sent
    to_thread: int  # there: to one thread, by pthread_kill
    block: int  # arguments of pthread_sigmask
    unblock: int
    mask: int
    set_bytes: int  # of a sigset_t, whose bit n - 1 is signal n's
    stack_pointer: int  # offset in ucontext_t
    program_counter: int
    first_argument: int  # of a function: the register that holds it


@dataclass(frozen=True)
class Features:
    """What a CPU may have, as LLVM names it."""

    fused: str  # fused multiply-add; "" if every CPU has it
    scale: tuple[str, ...]  # all that the multiplication by a power of two needs
    scale_intrinsic: str  # its name but for the form and width of the operands
    register_bits: tuple[tuple[str, int], ...]  # width of vector registers, the widest first; "" is every CPU
    constant_tables: bool  # does LLVM put constants together in registers where reading them from memory is quicker?
    strength_reduction: bool  # are loops shorter where LLVM makes pointers of their own of addresses? Not where an address may be a sum

    def has_fused(self, features: str) -> bool:
        return _has(features, self.fused)

    def has_scale(self, features: str) -> bool:
        return bool(self.scale) and all(_has(features, name) for name in self.scale)

    def width(self, features: str) -> int:
        return next(bits for name, bits in self.register_bits if _has(features, name))


def _has(features: str, name: str) -> bool:
    """`features` is a list as LLVM takes it: +sse2,-avx"""
    return not name or f"+{name}" in features.split(",")


@dataclass(frozen=True)
class Linking:
    """How the system makes and finds shared libraries."""

    libraries: tuple[str, ...]  # the C library and its mathematics, where the process itself does not export them
    cross_compiler: str  # the C compiler for this target on other machines
    flags: tuple[str, ...]  # of the C compiler
    file: str  # a library's file by its name


@dataclass(frozen=True)
class Target:
    """A kind of CPU under a system. `switch` is assembly that defines five functions, whose arguments come by the C convention:

    int lantern_enter(region, function, argument)
        Save what a C function must not change and the mode of floating-point operations (at @{FLOAT_MODE}), save the stack pointer
        at @{SAVED_SP}, go to the stack whose top is at @{TOP}, call function(argument), come back; the result is 0.
    lantern_abort(region)
        End the call that is under way in the region: lantern_enter returns 1. A signal handler lets interrupted code go on here.
    long lantern_outside(region, function, a, b, c, d)
        Call function(a, b, c, d) on the stack that lantern_enter has left, and come back to this one.
    void lantern_pause(region)
        Go back to the caller of lantern_enter, which returns 2; save what a C function must not change, and the stack pointer at
        @{PAUSED_SP}.
    int lantern_resume(region)
        Go on where the region has paused: as lantern_enter, and from any thread.
    """

    name: str  # for people
    system: str  # as platform.system() has it
    machines: tuple[str, ...]  # as platform.machine() has it
    triple: str
    short_triple: str  # as compilers are named by it
    cpus: tuple[tuple[str, str], ...]  # names as LLVM has them, and those of the features below that they have; the first is for all
    data_layout: str
    pointer_bytes: int
    cache_line: int  # bytes, to which arrays are aligned
    stack_pointer: str  # LLVM's name of the register
    frame_end: str  # LLVM's intrinsic for the end of a function's frame
    call_bytes: int  # from there to the stack pointer before the call
    switch: str
    hidden: str  # the assembler's directive for a name that a shared library does not show
    assembly_end: str  # the last lines of a file of assembly
    clock: str  # LLVM text that declares or defines the function that counts time
    ticks: str  # the function's name
    ticks_per_second: int  # about: how long calls have taken is judged by it
    floats_returned: int  # in registers for vectors, by the C convention
    wide_convention: str  # the calling convention that returns more, "" if there is none
    bool_extension: str  # LLVM's attribute of a bool that is passed, "" if the upper bits are any
    memory: Memory
    signals: Signals
    features: Features
    linking: Linking

    def cpu(self, name: str | None = None) -> Cpu:
        """One of the CPUs that have a name here; the one for all."""
        return next(Cpu(self, known, features) for known, features in self.cpus if name in (None, known))


@dataclass(frozen=True)
class Cpu:
    """A CPU of a target that code is made for; `features` as LLVM writes them, in addition to those of the name."""

    target: Target
    name: str
    features: str = ""

    @property
    def fused(self) -> bool:
        """Has it a fused multiply-add?"""
        return self.target.features.has_fused(self.features)

    @property
    def scale(self) -> str:
        """Its multiplication by a power of two, as LLVM's intrinsic; "" if it has none."""
        features = self.target.features
        return features.scale_intrinsic if features.has_scale(self.features) else ""

    @property
    def register_bits(self) -> int:
        return self.target.features.width(self.features)
