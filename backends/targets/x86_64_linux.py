"""x86-64 under Linux, with glibc or musl."""

from __future__ import annotations

from .linux import linking, memory, signals
from .target import Features, Target

_SWITCH = """
.text
.globl lantern_enter
.globl lantern_abort
.globl lantern_outside
.globl lantern_pause
.globl lantern_resume
lantern_enter:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  stmxcsr @{FLOAT_MODE}(%rdi)
  movq %rsp, @{SAVED_SP}(%rdi)
  movq %rdi, %rbx
  movq @{TOP}(%rdi), %rsp
  movq %rdx, %rdi
  xorl %ebp, %ebp
  callq *%rsi
  movq @{SAVED_SP}(%rbx), %rsp
  xorl %eax, %eax
  jmp .Llantern_leave
lantern_outside:
  pushq %rbp
  movq %rsp, %rbp
  movq %rsi, %rax
  movq @{SAVED_SP}(%rdi), %rsp
  andq $-16, %rsp
  movq %rdx, %rdi
  movq %rcx, %rsi
  movq %r8, %rdx
  movq %r9, %rcx
  callq *%rax
  movq %rbp, %rsp
  popq %rbp
  retq
lantern_pause:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, @{PAUSED_SP}(%rdi)
  movq @{SAVED_SP}(%rdi), %rsp
  movl $2, %eax
  jmp .Llantern_leave
lantern_resume:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  stmxcsr @{FLOAT_MODE}(%rdi)
  movq %rsp, @{SAVED_SP}(%rdi)
  movq @{PAUSED_SP}(%rdi), %rsp
  jmp .Llantern_leave
lantern_abort:
  ldmxcsr @{FLOAT_MODE}(%rdi)
  cld
  movq @{SAVED_SP}(%rdi), %rsp
  movl $1, %eax
.Llantern_leave:
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  retq
"""
_REGISTERS = 40  # where ucontext_t has the general registers, 8 bytes each

X86_64_LINUX = Target(
    name="x86-64 Linux",
    system="Linux",
    machines=("x86_64", "AMD64"),
    triple="x86_64-unknown-linux-gnu",
    short_triple="x86_64-linux-gnu",
    cpus=(
        ("x86-64", ""),
        ("x86-64-v2", ""),
        ("x86-64-v3", "+avx,+avx2,+fma"),
        *((name, "+avx,+avx2,+fma,+avx512f,+avx512vl") for name in ("x86-64-v4", "skylake-avx512", "sapphirerapids", "znver4", "znver5")),
    ),
    data_layout="e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128",
    pointer_bytes=8,
    cache_line=64,
    stack_pointer="rsp",
    frame_end="llvm.addressofreturnaddress.p0",
    call_bytes=8,
    switch=_SWITCH,
    hidden=".hidden",
    assembly_end='.section .note.GNU-stack, "", %progbits\n',  # no memory is to be both written and run
    clock="declare i64 @llvm.readcyclecounter()",
    ticks="llvm.readcyclecounter",
    ticks_per_second=1 << 31,
    floats_returned=2,  # a third and a fourth come back on the stack of x87
    wide_convention="x86_regcallcc",
    bool_extension="zeroext ",
    memory=memory(4096),
    signals=signals(_REGISTERS + 8 * 15, _REGISTERS + 8 * 16, _REGISTERS + 8 * 8),
    features=Features(
        fused="fma",
        scale=("avx512f", "avx512vl"),
        scale_intrinsic="llvm.x86.avx512.mask.scalef",
        register_bits=(("avx512f", 512), ("avx", 256), ("", 128)),
        constant_tables=False,
        strength_reduction=False,
    ),
    linking=linking("x86_64-linux-gnu-gcc"),
)
