"""AArch64 under Linux, with glibc or musl: run by an emulator, not on a machine."""

from __future__ import annotations

from .linux import linking, memory, signals
from .target import Features, Target

# What a C function must not change: x19 to x30, and the lower halves of v8 to v15. 160 bytes.
_SWITCH = """
.text
.globl lantern_enter
.globl lantern_abort
.globl lantern_outside
.globl lantern_pause
.globl lantern_resume
.p2align 2
lantern_enter:
  stp x29, x30, [sp, #-160]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mrs x9, fpcr
  str x9, [x0, #@{FLOAT_MODE}]
  mov x9, sp
  str x9, [x0, #@{SAVED_SP}]
  ldr x9, [x0, #@{TOP}]
  mov sp, x9
  mov x19, x0
  mov x0, x2
  mov x29, xzr
  blr x1
  ldr x9, [x19, #@{SAVED_SP}]
  mov sp, x9
  mov w0, #0
  b .Llantern_leave
lantern_outside:
  stp x29, x30, [sp, #-16]!
  mov x29, sp
  ldr x9, [x0, #@{SAVED_SP}]
  mov sp, x9
  mov x9, x1
  mov x0, x2
  mov x1, x3
  mov x2, x4
  mov x3, x5
  blr x9
  mov sp, x29
  ldp x29, x30, [sp], #16
  ret
lantern_pause:
  stp x29, x30, [sp, #-160]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0, #@{PAUSED_SP}]
  ldr x9, [x0, #@{SAVED_SP}]
  mov sp, x9
  mov w0, #2
  b .Llantern_leave
lantern_resume:
  stp x29, x30, [sp, #-160]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mrs x9, fpcr
  str x9, [x0, #@{FLOAT_MODE}]
  mov x9, sp
  str x9, [x0, #@{SAVED_SP}]
  ldr x9, [x0, #@{PAUSED_SP}]
  mov sp, x9
  b .Llantern_leave
lantern_abort:
  ldr x9, [x0, #@{FLOAT_MODE}]
  msr fpcr, x9
  ldr x9, [x0, #@{SAVED_SP}]
  mov sp, x9
  mov w0, #1
.Llantern_leave:
  ldp x19, x20, [sp, #16]
  ldp x21, x22, [sp, #32]
  ldp x23, x24, [sp, #48]
  ldp x25, x26, [sp, #64]
  ldp x27, x28, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  ldp x29, x30, [sp], #160
  ret
"""

# The counter that user mode may read runs at 10 MHz to 1 GHz, which a register says: shifted to between 2**30 and 2**31 a second.
_CLOCK = """
declare i64 @llvm.ctlz.i64(i64, i1)
declare i64 @llvm.read_volatile_register.i64(metadata)
define internal i64 @lantern_ticks() alwaysinline nounwind {
 %rate = call i64 @llvm.read_volatile_register.i64(metadata !{!"cntfrq_el0"})
 %now = call i64 @llvm.read_volatile_register.i64(metadata !{!"cntvct_el0"})
 %zeros = call i64 @llvm.ctlz.i64(i64 %rate, i1 false)
 %shift0 = sub i64 %zeros, 33
 %shift = and i64 %shift0, 63
 %ticks = shl i64 %now, %shift
 ret i64 %ticks
}
"""
_CONTEXT = 176  # where ucontext_t has the machine's state: an address, x0 to x30, sp and pc

AARCH64_LINUX = Target(
    name="AArch64 Linux",
    system="Linux",
    machines=("aarch64", "arm64"),
    triple="aarch64-unknown-linux-gnu",
    short_triple="aarch64-linux-gnu",
    cpus=tuple((name, "") for name in ("generic", "cortex-a72", "cortex-a76", "neoverse-n1", "neoverse-v1", "neoverse-v2", "apple-m1")),
    data_layout="e-m:e-p270:32:32-p271:32:32-p272:64:64-i8:8:32-i16:16:32-i64:64-i128:128-n32:64-S128-Fn32",
    pointer_bytes=8,
    cache_line=64,
    stack_pointer="sp",
    frame_end="llvm.sponentry.p0",
    call_bytes=0,
    switch=_SWITCH,
    hidden=".hidden",
    assembly_end='.section .note.GNU-stack, "", %progbits\n',  # no memory is to be both written and run
    clock=_CLOCK,
    ticks="lantern_ticks",
    ticks_per_second=3 << 29,
    floats_returned=8,
    wide_convention="",
    bool_extension="",
    memory=memory(1 << 16),
    signals=signals(_CONTEXT + 8 * 32, _CONTEXT + 8 * 33, _CONTEXT + 8),
    features=Features(
        fused="",
        scale=(),
        scale_intrinsic="",
        register_bits=(("", 128),),
        constant_tables=True,
        strength_reduction=True,
    ),
    linking=linking("aarch64-linux-gnu-gcc"),
)
