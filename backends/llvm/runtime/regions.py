"""Regions, blocks of memory and the switch of stacks, as LLVM text: all that a program without Python needs.

A slot of the pool belongs to one region for ever. A thread takes a region by exchanging its slot with null and gives
it back by storing it there again: no lock, no ABA. Spare blocks of old results are kept in the same way.
"""

from __future__ import annotations

import re

from .support import CONTEXT_BYTES, GAVE, HEAP, INDEX, MXCSR, SAVED_SP, SPARE_SLOTS, TOP

KEEP = 64 << 20  # bytes that an idle region may keep of its stack and of its arena
REST = 1 << 31  # cycles, about a second: a region gives back at most so often (the next deep call takes the pages anew)
SLOTS = 4096  # regions of one process at the same time
SPARE_LIMIT = 64 << 20  # bytes of old results that are kept for the next ones

ASSEMBLY = f"""
.text
.globl lantern_enter
.globl lantern_abort
.globl lantern_outside
lantern_enter:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  stmxcsr {MXCSR}(%rdi)
  movq %rsp, {SAVED_SP}(%rdi)
  movq %rdi, %rbx
  movq {TOP}(%rdi), %rsp
  movq %rdx, %rdi
  xorl %ebp, %ebp
  callq *%rsi
  movq {SAVED_SP}(%rbx), %rsp
  xorl %eax, %eax
  jmp .Llantern_leave
lantern_outside:
  pushq %rbp
  movq %rsp, %rbp
  movq %rsi, %rax
  movq {SAVED_SP}(%rdi), %rsp
  andq $-16, %rsp
  movq %rdx, %rdi
  movq %rcx, %rsi
  movq %r8, %rdx
  movq %r9, %rcx
  callq *%rax
  movq %rbp, %rsp
  popq %rbp
  retq
lantern_abort:
  ldmxcsr {MXCSR}(%rdi)
  cld
  movq {SAVED_SP}(%rdi), %rsp
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


def field(p: str, base: str, offset: int) -> str:
    """%p = base + offset, in bytes."""
    return f" %{p} = getelementptr i8, ptr %{base}, i64 {offset}"


def regions(bits: int = 0, hidden: bool = False) -> str:
    """Regions, blocks and the switch of stacks: all that a program without Python needs. `bits` is log2 of a region's
    size; in an exported library nothing of this is to be seen."""
    lines = ASSEMBLY.strip().splitlines() + [".hidden lantern_enter", ".hidden lantern_abort", ".hidden lantern_outside"] * hidden
    assembly = "\n".join(f'module asm "{line}"' for line in lines)
    text = f"""{assembly}
declare ptr @mmap(ptr, i64, i32, i32, i32, i64)
declare i32 @munmap(ptr, i64)
declare i32 @mprotect(ptr, i64, i32)
declare i32 @madvise(ptr, i64, i32)
declare i32 @mincore(ptr, i64, ptr)
declare ptr @malloc(i64)
declare void @free(ptr)
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.readcyclecounter()
declare i32 @lantern_enter(ptr, ptr, ptr)
declare void @lantern_abort(ptr)

@lantern_bits = global i64 {bits}
@lantern_count = global i64 0
@lantern_keep = global i64 {KEEP}
@lantern_idle = global [{SLOTS} x ptr] zeroinitializer
@lantern_all = global [{SLOTS} x ptr] zeroinitializer
@lantern_spare_bytes = global i64 0
@lantern_spares = global [{SPARE_SLOTS} x ptr] zeroinitializer
@lantern_spare_sizes = global [{SPARE_SLOTS} x i64] zeroinitializer

define ptr @lantern_map(i64 %bits) nounwind {{
 %size = shl i64 1, %bits
 %twice = shl i64 %size, 1
 %raw = call ptr @mmap(ptr null, i64 %twice, i32 3, i32 {0x2 | 0x20 | 0x4000}, i32 -1, i64 0)
 %r = ptrtoint ptr %raw to i64
 %failed = icmp eq i64 %r, -1
 br i1 %failed, label %no, label %yes
no:
 ret ptr null
yes:
 %up = sub i64 %size, 1
 %r1 = add i64 %r, %up
 %mask = sub i64 0, %size
 %b = and i64 %r1, %mask
 %base = inttoptr i64 %b to ptr
 %head = sub i64 %b, %r
 %has_head = icmp ne i64 %head, 0
 br i1 %has_head, label %cut_head, label %look_tail
cut_head:
 call i32 @munmap(ptr %raw, i64 %head)
 br label %look_tail
look_tail:
 %tail = sub i64 %size, %head
 %end = getelementptr i8, ptr %base, i64 %size
 %has_tail = icmp ne i64 %tail, 0
 br i1 %has_tail, label %cut_tail, label %made
cut_tail:
 call i32 @munmap(ptr %end, i64 %tail)
 br label %made
made:
 %guard = getelementptr i8, ptr %base, i64 {CONTEXT_BYTES}
 call i32 @mprotect(ptr %guard, i64 4096, i32 0)
 call i32 @madvise(ptr %base, i64 %size, i32 14)
 %top = getelementptr i8, ptr %end, i64 -4096
{field("ptop", "base", TOP)}
 store ptr %top, ptr %ptop
 ret ptr %base
}}

define ptr @lantern_take() nounwind {{
entry:
 %count = load atomic i64, ptr @lantern_count acquire, align 8
 %n = call i64 @llvm.umin.i64(i64 %count, i64 {SLOTS})
 br label %next
next:
 %i = phi i64 [0, %entry], [%i1, %other]
 %more = icmp ult i64 %i, %n
 br i1 %more, label %look, label %fresh
look:
 %p = getelementptr ptr, ptr @lantern_idle, i64 %i
 %seen = load atomic ptr, ptr %p monotonic, align 8
 %empty = icmp eq ptr %seen, null
 br i1 %empty, label %other, label %try
try:
 %got = atomicrmw xchg ptr %p, ptr null acquire
 %lost = icmp eq ptr %got, null
 br i1 %lost, label %other, label %done
other:
 %i1 = add i64 %i, 1
 br label %next
fresh:
 %bits = load i64, ptr @lantern_bits
 %new = call ptr @lantern_map(i64 %bits)
 %bad = icmp eq ptr %new, null
 br i1 %bad, label %none, label %number
number:
 %at = atomicrmw add ptr @lantern_count, i64 1 acq_rel
 %fits = icmp ult i64 %at, {SLOTS}
 br i1 %fits, label %enlist, label %crowd
crowd:
 %size = shl i64 1, %bits
 call i32 @munmap(ptr %new, i64 %size)
 br label %none
none:
 ret ptr null
enlist:
{field("pindex", "new", INDEX)}
 store i64 %at, ptr %pindex
 %all = getelementptr ptr, ptr @lantern_all, i64 %at
 store atomic ptr %new, ptr %all release, align 8
 ret ptr %new
done:
 ret ptr %got
}}

define void @lantern_give(ptr %region) nounwind {{
{field("pindex", "region", INDEX)}
 %i = load i64, ptr %pindex
 %p = getelementptr ptr, ptr @lantern_idle, i64 %i
 store atomic ptr %region, ptr %p release, align 8
 ret void
}}

; give back what deep calls have touched beyond lantern_keep bytes at either end, unless the region has just done so
define void @lantern_trim(ptr %region) nounwind {{
 %seen = alloca i8
 %bits = load i64, ptr @lantern_bits
 %size = shl i64 1, %bits
 %keep = load i64, ptr @lantern_keep
 %low = getelementptr i8, ptr %region, i64 %keep
 %twice = shl i64 %keep, 1
 %length = sub i64 %size, %twice
 %some = icmp sgt i64 %length, 8192
 br i1 %some, label %look, label %done
look:
 %end = getelementptr i8, ptr %low, i64 %length
 %high = getelementptr i8, ptr %end, i64 -4096
 store i8 0, ptr %seen
 call i32 @mincore(ptr %low, i64 4096, ptr %seen)
 %a = load i8, ptr %seen
 call i32 @mincore(ptr %high, i64 4096, ptr %seen)
 %b = load i8, ptr %seen
 %ab = or i8 %a, %b
 %bit = and i8 %ab, 1
 %touched = icmp ne i8 %bit, 0
 br i1 %touched, label %rested, label %done
rested:
 %now = call i64 @llvm.readcyclecounter()
{field("pgave", "region", GAVE)}
 %gave = load i64, ptr %pgave
 %since = sub i64 %now, %gave
 %late = icmp ugt i64 %since, {REST}
 br i1 %late, label %free, label %done
free:
 store i64 %now, ptr %pgave
 call i32 @madvise(ptr %low, i64 %length, i32 4)
 br label %done
done:
 ret void
}}

define ptr @lantern_new_block(i64 %full) nounwind {{
entry:
 br label %next
next:
 %i = phi i64 [0, %entry], [%i1, %other]
 %more = icmp ult i64 %i, {SPARE_SLOTS}
 br i1 %more, label %look, label %fresh
look:
 %ps = getelementptr i64, ptr @lantern_spare_sizes, i64 %i
 %size = load atomic i64, ptr %ps monotonic, align 8
 %fitting = icmp eq i64 %size, %full
 br i1 %fitting, label %try, label %other
try:
 %p = getelementptr ptr, ptr @lantern_spares, i64 %i
 %got = atomicrmw xchg ptr %p, ptr null acquire
 %lost = icmp eq ptr %got, null
 br i1 %lost, label %other, label %check
check:
{field("pg", "got", 8)}
 %have = load i64, ptr %pg
 %less = atomicrmw sub ptr @lantern_spare_bytes, i64 %have monotonic
 %right = icmp eq i64 %have, %full
 br i1 %right, label %done, label %wrong
wrong:
 call void @free(ptr %got)
 br label %other
other:
 %i1 = add i64 %i, 1
 br label %next
fresh:
 %new = call ptr @malloc(i64 %full)
 %null = icmp eq ptr %new, null
 br i1 %null, label %none, label %fill
fill:
{field("pn", "new", 8)}
 store i64 %full, ptr %pn
 ret ptr %new
none:
 ret ptr null
done:
 ret ptr %got
}}

define void @lantern_drop_block(ptr %block) nounwind {{
entry:
{field("pb", "block", 8)}
 %size = load i64, ptr %pb
 %before = atomicrmw add ptr @lantern_spare_bytes, i64 %size monotonic
 %after = add i64 %before, %size
 %small = icmp ule i64 %after, {SPARE_LIMIT}
 br i1 %small, label %next, label %away
next:
 %i = phi i64 [0, %entry], [%i1, %other]
 %more = icmp ult i64 %i, {SPARE_SLOTS}
 br i1 %more, label %look, label %away
look:
 %p = getelementptr ptr, ptr @lantern_spares, i64 %i
 %r = cmpxchg ptr %p, ptr null, ptr %block release monotonic
 %ok = extractvalue {{ptr, i1}} %r, 1
 br i1 %ok, label %kept, label %other
other:
 %i1 = add i64 %i, 1
 br label %next
kept:
 %ps = getelementptr i64, ptr @lantern_spare_sizes, i64 %i
 store atomic i64 %size, ptr %ps monotonic, align 8
 ret void
away:
 %less = atomicrmw sub ptr @lantern_spare_bytes, i64 %size monotonic
 call void @free(ptr %block)
 ret void
}}

define i1 @lantern_unlink(ptr %region, ptr %block) nounwind {{
entry:
{field("ph", "region", HEAP)}
 br label %next
next:
 %link = phi ptr [%ph, %entry], [%at, %step]
 %at = load ptr, ptr %link
 %end = icmp eq ptr %at, null
 br i1 %end, label %no, label %compare
compare:
 %same = icmp eq ptr %at, %block
 br i1 %same, label %yes, label %step
step:
 br label %next
yes:
 %following = load ptr, ptr %block
 store ptr %following, ptr %link
 ret i1 true
no:
 ret i1 false
}}

define void @lantern_free_blocks(ptr %region) nounwind {{
entry:
{field("ph", "region", HEAP)}
 br label %next
next:
 %at = load ptr, ptr %ph
 %end = icmp eq ptr %at, null
 br i1 %end, label %done, label %drop
drop:
 %following = load ptr, ptr %at
 store ptr %following, ptr %ph
 call void @lantern_drop_block(ptr %at)
 br label %next
done:
 ret void
}}
"""
    if hidden:
        text = re.sub(r"^define ", "define hidden ", text, flags=re.MULTILINE)
        text = re.sub(r"^(@\w+) = global", r"\1 = hidden global", text, flags=re.MULTILINE)
    return text
