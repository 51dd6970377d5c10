"""What Linux has in common on x86-64 and AArch64, with glibc or musl."""

from __future__ import annotations

from .target import Linking, Memory, Signals


def memory(page: int) -> Memory:
    return Memory(
        page=page,
        read_write=0x1 | 0x2,
        no_access=0,
        map_flags=0x2 | 0x20 | 0x4000,
        unneeded=4,
        huge_pages=14,
        small_pages=15,
        limit_files=("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        mapped_file="/proc/self/statm",
    )


def signals(stack_pointer: int, program_counter: int, first_argument: int) -> Signals:
    """Offsets in ucontext_t are given."""
    return Signals(
        interrupt=2,
        count=65,
        never=(0, 4, 5, 6, 7, 8, 9, 11, 19),  # ILL, TRAP, ABRT, BUS, FPE, KILL, SEGV, STOP
        action_bytes=152,
        action_flags=136,
        with_info=4,
        sent=8,
        to_thread=-6,
        block=0,
        unblock=1,
        mask=2,
        set_bytes=128,
        stack_pointer=stack_pointer,
        program_counter=program_counter,
        first_argument=first_argument,
    )


def linking(cross_compiler: str) -> Linking:
    return Linking(libraries=("libm.so.6", "libc.so.6"), cross_compiler=cross_compiler, flags=("-shared", "-Wl,-z,defs"), file="lib{}.so")
