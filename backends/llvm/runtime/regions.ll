; Regions, blocks of memory and the switch of stacks: all that a program without Python needs.
;
; A slot of the pool belongs to one region for ever. A thread takes a region by exchanging its slot with null and gives it back by
; storing it there again: no lock, no ABA. Spare blocks of old results are kept in the same way.
;
; What orders memory between threads, by pairs (`release` makes all that was written before it seen by who reads it with `acquire`):
; the store of lantern_give and the exchange of lantern_take, a region with its context; the cmpxchg of lantern_drop_block and the exchange
; of lantern_new_block, a block with its size, and that nobody reads its old contents any more; the addition in lantern_take and the load at
; its beginning, the number of regions. A `monotonic` look is a guess, which the exchange behind it proves or not.
; A region is aligned to its size: context | guard | arena (arrays) grows up ->    <- stack grows down | top.

declare ptr @mmap(ptr, i64, i32, i32, i32, i64)
declare i32 @munmap(ptr, i64)
declare i32 @mprotect(ptr, i64, i32)
declare i32 @madvise(ptr, i64, i32)
declare i32 @mincore(ptr, i64, ptr)
declare ptr @malloc(i64)
declare void @free(ptr)
declare i64 @llvm.umin.i64(i64, i64)
declare i32 @lantern_enter(ptr, ptr, ptr)
declare void @lantern_abort(ptr)

@lantern_bits = global i64 @{BITS}
@lantern_count = global i64 0
@lantern_keep = global i64 @{KEEP}
@lantern_idle = global [@{SLOTS} x ptr] zeroinitializer
@lantern_all = global [@{SLOTS} x ptr] zeroinitializer
@lantern_spare_bytes = global i64 0
@lantern_spares = global [@{SPARE_SLOTS} x ptr] zeroinitializer
@lantern_spare_sizes = global [@{SPARE_SLOTS} x i64] zeroinitializer

; A new region of 2**bits bytes, null if there is no room. Twice the size is mapped, and cut to what is aligned.
define ptr @lantern_map(i64 %bits) nounwind {
 %size = shl i64 1, %bits
 %twice = shl i64 %size, 1
 %raw = call ptr @mmap(ptr null, i64 %twice, i32 @{READ_WRITE}, i32 @{MAP_FLAGS}, i32 -1, i64 0)
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
 %guard = getelementptr i8, ptr %base, i64 @{CONTEXT_BYTES}
 call i32 @mprotect(ptr %guard, i64 @{PAGE}, i32 @{NO_ACCESS})
 call i32 @madvise(ptr %base, i64 %size, i32 @{HUGE_PAGES})
 %top = getelementptr i8, ptr %end, i64 -@{PAGE}
 %ptop = getelementptr i8, ptr %base, i64 @{TOP}
 store ptr %top, ptr %ptop
 ret ptr %base
}

; A region for one call: an idle one, else a new one. Null if there is no room for it, or no slot.
define ptr @lantern_take() nounwind {
entry:
 %count = load atomic i64, ptr @lantern_count acquire, align 8
 %n = call i64 @llvm.umin.i64(i64 %count, i64 @{SLOTS})
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
 %fits = icmp ult i64 %at, @{SLOTS}
 br i1 %fits, label %enlist, label %crowd
crowd:
 %size = shl i64 1, %bits
 call i32 @munmap(ptr %new, i64 %size)
 br label %none
none:
 ret ptr null
enlist:
 %pindex = getelementptr i8, ptr %new, i64 @{INDEX}
 store i64 %at, ptr %pindex
 %all = getelementptr ptr, ptr @lantern_all, i64 %at
 store atomic ptr %new, ptr %all release, align 8
 ret ptr %new
done:
 %known = load i64, ptr @lantern_bits
 %all_of_it = shl i64 1, %known
 %last = getelementptr i8, ptr %got, i64 %all_of_it
 %top = getelementptr i8, ptr %last, i64 -@{PAGE}
 %ptop = getelementptr i8, ptr %got, i64 @{TOP}
 store ptr %top, ptr %ptop
 ret ptr %got
}

; The call is over: the region is idle.
define void @lantern_give(ptr %region) nounwind {
 %pindex = getelementptr i8, ptr %region, i64 @{INDEX}
 %i = load i64, ptr %pindex
 %p = getelementptr ptr, ptr @lantern_idle, i64 %i
 store atomic ptr %region, ptr %p release, align 8
 ret void
}

; Give back what deep calls have touched beyond lantern_keep bytes at either end, unless the region has just done so.
define void @lantern_trim(ptr %region) nounwind {
 %keep = load i64, ptr @lantern_keep
 call void @lantern_trim_to(ptr %region, i64 %keep)
 ret void
}

; The same beyond so many bytes.
define void @lantern_trim_to(ptr %region, i64 %keep) nounwind {
 %seen = alloca i8
 %bits = load i64, ptr @lantern_bits
 %size = shl i64 1, %bits
 %low = getelementptr i8, ptr %region, i64 %keep
 %twice = shl i64 %keep, 1
 %length = sub i64 %size, %twice
 %some = icmp sgt i64 %length, @{TWO_PAGES}
 br i1 %some, label %look, label %done
look:
 %end = getelementptr i8, ptr %low, i64 %length
 %high = getelementptr i8, ptr %end, i64 -@{PAGE}
 store i8 0, ptr %seen
 call i32 @mincore(ptr %low, i64 1, ptr %seen)
 %a = load i8, ptr %seen
 call i32 @mincore(ptr %high, i64 1, ptr %seen)
 %b = load i8, ptr %seen
 %ab = or i8 %a, %b
 %bit = and i8 %ab, 1
 %touched = icmp ne i8 %bit, 0
 br i1 %touched, label %rested, label %done
rested:
 %now = call i64 @@{TICKS}()
 %pgave = getelementptr i8, ptr %region, i64 @{GAVE}
 %gave = load i64, ptr %pgave
 %since = sub i64 %now, %gave
 %late = icmp ugt i64 %since, @{REST}
 br i1 %late, label %free, label %done
free:
 store i64 %now, ptr %pgave
 call i32 @madvise(ptr %low, i64 %length, i32 @{UNNEEDED})
 br label %done
done:
 ret void
}

; A block of memory with that many bytes: a spare one of just that size, else a new one. Null if there is none.
; Its first word is for the list that it is in, its second word is its size.
define ptr @lantern_new_block(i64 %full) nounwind {
entry:
 br label %next
next:
 %i = phi i64 [0, %entry], [%i1, %other]
 %more = icmp ult i64 %i, @{SPARE_SLOTS}
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
 %pg = getelementptr i8, ptr %got, i64 8
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
 %pn = getelementptr i8, ptr %new, i64 8
 store i64 %full, ptr %pn
 ret ptr %new
none:
 ret ptr null
done:
 ret ptr %got
}

; A block that nobody needs: kept as a spare one while these are few.
define void @lantern_drop_block(ptr %block) nounwind {
entry:
 %pb = getelementptr i8, ptr %block, i64 8
 %size = load i64, ptr %pb
 %before = atomicrmw add ptr @lantern_spare_bytes, i64 %size monotonic
 %after = add i64 %before, %size
 %small = icmp ule i64 %after, @{SPARE_LIMIT}
 br i1 %small, label %next, label %away
next:
 %i = phi i64 [0, %entry], [%i1, %other]
 %more = icmp ult i64 %i, @{SPARE_SLOTS}
 br i1 %more, label %look, label %away
look:
 %p = getelementptr ptr, ptr @lantern_spares, i64 %i
 %r = cmpxchg ptr %p, ptr null, ptr %block release monotonic
 %ok = extractvalue {ptr, i1} %r, 1
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
}

; Take a block out of the region's list of results. Was it there?
define i1 @lantern_unlink(ptr %region, ptr %block) nounwind {
entry:
 %ph = getelementptr i8, ptr %region, i64 @{HEAP}
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
}

; Drop all results that nobody has taken over.
define void @lantern_free_blocks(ptr %region) nounwind {
entry:
 %ph = getelementptr i8, ptr %region, i64 @{HEAP}
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
 call void @lantern_dismiss(ptr %region, ptr null)
 ret void
}

; Give back regions that have been lent to the parts of loops, down to one of them, with what is on them.
define void @lantern_dismiss(ptr %region, ptr %until) nounwind {
entry:
 %plent = getelementptr i8, ptr %region, i64 @{LENT}
 br label %next
next:
 %at = load ptr, ptr %plent
 %all = icmp eq ptr %at, %until
 br i1 %all, label %done, label %one
one:
 %pnext = getelementptr i8, ptr %at, i64 @{NEXT_LENT}
 %following = load ptr, ptr %pnext
 store ptr %following, ptr %plent
 call void @lantern_free_blocks(ptr %at)
 %keep = load i64, ptr @lantern_keep
 %less = lshr i64 %keep, @{LENT_SHARE} ; there are many
 call void @lantern_trim_to(ptr %at, i64 %less)
 call void @lantern_give(ptr %at)
 br label %next
done:
 ret void
}
