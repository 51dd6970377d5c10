; What compiled code stands on inside its own module: faults, the arena, results, integer powers. A module takes the functions that it uses.
; Those that are not inlined stand once in a process; an exported library has them inside.
;
; One region of address space per call under way, aligned to its size, so that any code finds its context by masking the stack pointer.

declare i64 @llvm.read_register.i64(metadata)
declare ptr @@{FRAME_END}()
declare void @lantern_abort(ptr) noreturn
declare ptr @lantern_new_block(i64)
declare void @lantern_drop_block(ptr)
declare i64 @lantern_host(ptr, ptr, i64, ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
declare {i64, i1} @llvm.umul.with.overflow.i64(i64, i64)

!0 = !{!"@{STACK_POINTER}"}
!1 = !{!"branch_weights", i32 1000000, i32 1}
!2 = !{!"branch_weights", i32 1, i32 1000000}

; The context of the call under way: the start of the region that the stack is in.
define internal ptr @lantern.context() alwaysinline nounwind {
 %sp = call i64 @llvm.read_register.i64(metadata !0)
 %b = and i64 %sp, @{MASK}
 %p = inttoptr i64 %b to ptr
 ret ptr %p
}

; Leave native code with a fault: its kind, place and values stay in the context.
define internal void @lantern.fail(i64 %code, i64 %site, i64 %x, i64 %y, i64 %z) noreturn noinline cold nounwind {
 %c = call ptr @lantern.context()
 %pc = getelementptr i8, ptr %c, i64 @{CODE}
 store i64 %code, ptr %pc
 %px = getelementptr i8, ptr %c, i64 @{VALUE_0}
 store i64 %x, ptr %px
 %py = getelementptr i8, ptr %c, i64 @{VALUE_1}
 store i64 %y, ptr %py
 %pz = getelementptr i8, ptr %c, i64 @{VALUE_2}
 store i64 %z, ptr %pz
 %ps = getelementptr i8, ptr %c, i64 @{SITE}
 store i64 %site, ptr %ps
 call void @lantern_abort(ptr %c)
 unreachable
}

; A fault if the stack has come near the arena. Functions that may be deep in a recursion begin with it.
define internal void @lantern.check_stack(i64 %site) alwaysinline nounwind {
 %c = call ptr @lantern.context()
 %pl = getelementptr i8, ptr %c, i64 @{LIMIT}
 %limit = load i64, ptr %pl
 %sp = call i64 @llvm.read_register.i64(metadata !0)
 %over = icmp ult i64 %sp, %limit
 br i1 %over, label %bad, label %ok, !prof !2
bad:
 %ra = call ptr @@{FRAME_END}()
 %rai = ptrtoint ptr %ra to i64
 %frame0 = sub i64 %rai, %sp
 %frame = add i64 %frame0, @{CALL_BYTES}
 call void @lantern.fail(i64 @{STACK}, i64 %site, i64 %frame, i64 %sp, i64 0)
 unreachable
ok:
 ret void
}

; The start of a call: nothing is in the arena, and no signal waits.
define internal void @lantern.begin() alwaysinline nounwind {
 %c = call ptr @lantern.context()
 %top = getelementptr i8, ptr %c, i64 @{ARENA_START}
 %pb = getelementptr i8, ptr %c, i64 @{BUSY}
 store i64 0, ptr %pb
 %pp = getelementptr i8, ptr %c, i64 @{PENDING}
 store i64 0, ptr %pp
 call void @lantern.release(ptr %top)
 ret void
}

; Where the arena ends now.
define internal ptr @lantern.mark() alwaysinline nounwind {
 %c = call ptr @lantern.context()
 %pt = getelementptr i8, ptr %c, i64 @{ARENA}
 %top = load ptr, ptr %pt
 ret ptr %top
}

; The arena ends here again.
define internal void @lantern.release(ptr %top) alwaysinline nounwind {
 %c = call ptr @lantern.context()
 %pt = getelementptr i8, ptr %c, i64 @{ARENA}
 store ptr %top, ptr %pt
 %pl = getelementptr i8, ptr %c, i64 @{LIMIT}
 %t = ptrtoint ptr %top to i64
 %l = add i64 %t, @{MARGIN}
 store i64 %l, ptr %pl
 ret void
}

; Memory for n elements in the arena, from a cache line's start. A fault if there is none between it and the stack.
define internal ptr @lantern.alloc(i64 %n, i64 %size, i64 %site) noinline nounwind {
 %m = call {i64, i1} @llvm.umul.with.overflow.i64(i64 %n, i64 %size)
 %bytes0 = extractvalue {i64, i1} %m, 0
 %o = extractvalue {i64, i1} %m, 1
 %huge = icmp ugt i64 %bytes0, 4611686018427387904
 %no = or i1 %o, %huge
 br i1 %no, label %bad, label %fits
fits:
 %bytes1 = add i64 %bytes0, @{LINE_END}
 %bytes = and i64 %bytes1, @{LINE_MASK}
 %c = call ptr @lantern.context()
 %pt = getelementptr i8, ptr %c, i64 @{ARENA}
 %top = load ptr, ptr %pt
 %t0 = ptrtoint ptr %top to i64
 %t1 = add i64 %t0, @{LINE_END}
 %ti = and i64 %t1, @{LINE_MASK}
 %start = inttoptr i64 %ti to ptr
 %new = add i64 %ti, %bytes
 %l = add i64 %new, @{MARGIN}
 %sp = call i64 @llvm.read_register.i64(metadata !0)
 %over = icmp ugt i64 %l, %sp
 br i1 %over, label %bad, label %ok
bad:
 call void @lantern.fail(i64 @{MEMORY}, i64 %site, i64 0, i64 0, i64 0)
 unreachable
ok:
 %np = inttoptr i64 %new to ptr
 store ptr %np, ptr %pt
 %pl = getelementptr i8, ptr %c, i64 @{LIMIT}
 store i64 %l, ptr %pl
 ret ptr %start
}

; Room for an entry of a tape, of so many bytes, which are words. A fault if there is none.
define internal ptr @lantern.push(i64 %bytes) alwaysinline nounwind {
 %c = call ptr @lantern.context()
 %pt = getelementptr i8, ptr %c, i64 @{ARENA}
 %top = load ptr, ptr %pt
 %new = getelementptr i8, ptr %top, i64 %bytes
 %ni = ptrtoint ptr %new to i64
 %l = add i64 %ni, @{MARGIN}
 %sp = call i64 @llvm.read_register.i64(metadata !0)
 %over = icmp ugt i64 %l, %sp
 br i1 %over, label %bad, label %ok, !prof !2
bad:
 call void @lantern.fail(i64 @{MEMORY}, i64 0, i64 0, i64 0, i64 0)
 unreachable
ok:
 store ptr %new, ptr %pt
 %pl = getelementptr i8, ptr %c, i64 @{LIMIT}
 store i64 %l, ptr %pl
 ret ptr %top
}

; From here to lantern.ready a Ctrl-C waits, because what runs there must not be left half done.
define internal void @lantern.busy() alwaysinline nounwind {
 %c = call ptr @lantern.context()
 %pb = getelementptr i8, ptr %c, i64 @{BUSY}
 store volatile i64 1, ptr %pb
 ret void
}

; The end of what must not be left half done: an interrupt that has waited ends the call.
define internal void @lantern.ready() alwaysinline nounwind {
 %c = call ptr @lantern.context()
 %pb = getelementptr i8, ptr %c, i64 @{BUSY}
 store volatile i64 0, ptr %pb
 %pp = getelementptr i8, ptr %c, i64 @{PENDING}
 %pending = load volatile i64, ptr %pp
 %stop = icmp ne i64 %pending, 0
 br i1 %stop, label %yes, label %no, !prof !2
yes:
 call void @lantern.fail(i64 @{INTERRUPT}, i64 0, i64 0, i64 0, i64 0)
 unreachable
no:
 ret void
}

; Let Python perform a recipe on the values in these slots. An exception is a fault.
define internal void @lantern.host(ptr %record, i64 %recipe, i64 %site, ptr %slots) noinline nounwind {
 %c = call ptr @lantern.context()
 %failed = call i64 @lantern_host(ptr %c, ptr %record, i64 %recipe, ptr %slots)
 %good = icmp eq i64 %failed, 0
 br i1 %good, label %ok, label %bad
bad:
 %region = ptrtoint ptr %c to i64
 call void @lantern.fail(i64 @{HOST}, i64 %site, i64 %region, i64 0, i64 0)
 unreachable
ok:
 ret void
}

; A block outside the arena, in the list of results of this call.
define internal ptr @lantern.new_block(i64 %full, i64 %site) noinline nounwind {
 call void @lantern.busy()
 %p = call ptr @lantern_new_block(i64 %full)
 %null = icmp eq ptr %p, null
 br i1 %null, label %bad, label %ok
bad:
 call void @lantern.fail(i64 @{MEMORY}, i64 %site, i64 0, i64 0, i64 0)
 unreachable
ok:
 %c = call ptr @lantern.context()
 %ph = getelementptr i8, ptr %c, i64 @{HEAP}
 %head = load ptr, ptr %ph
 store ptr %head, ptr %p
 store ptr %p, ptr %ph
 call void @lantern.ready()
 %body = getelementptr i8, ptr %p, i64 @{RESULT_HEADER}
 ret ptr %body
}

; Memory for n elements outside the arena: a result that leaves the program.
define internal ptr @lantern.alloc_result(i64 %n, i64 %size, i64 %site) noinline nounwind {
 %m = call {i64, i1} @llvm.umul.with.overflow.i64(i64 %n, i64 %size)
 %bytes = extractvalue {i64, i1} %m, 0
 %o = extractvalue {i64, i1} %m, 1
 %huge = icmp ugt i64 %bytes, 4611686018427387904
 %no = or i1 %o, %huge
 br i1 %no, label %bad, label %fits
fits:
 %full = add i64 %bytes, @{RESULT_HEADER}
 %p = call ptr @lantern.new_block(i64 %full, i64 %site)
 ret ptr %p
bad:
 call void @lantern.fail(i64 @{MEMORY}, i64 %site, i64 0, i64 0, i64 0)
 unreachable
}

; x times y, the number of elements so far times a size. A negative or absurd one is a fault.
define internal i64 @lantern.count(i64 %x, i64 %y, i64 %site) alwaysinline nounwind {
 %neg = icmp slt i64 %y, 0
 %m = call {i64, i1} @llvm.umul.with.overflow.i64(i64 %x, i64 %y)
 %p = extractvalue {i64, i1} %m, 0
 %o = extractvalue {i64, i1} %m, 1
 %bad = or i1 %neg, %o
 br i1 %bad, label %fail, label %ok, !prof !2
fail:
 call void @lantern.fail(i64 @{SIZE}, i64 %site, i64 %y, i64 0, i64 0)
 unreachable
ok:
 ret i64 %p
}

; x to the power of n, which is not negative, modulo 2**64.
define internal i64 @lantern.ipow(i64 %x, i64 %n) nounwind {
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
}

; A copy outside the arena of what is about to be released with it.
define internal ptr @lantern.keep(ptr %data, i64 %bytes) noinline nounwind {
 %full = add i64 %bytes, @{RESULT_HEADER}
 %body = call ptr @lantern.new_block(i64 %full, i64 0)
 call void @llvm.memcpy.p0.p0.i64(ptr %body, ptr %data, i64 %bytes, i1 false)
 ret ptr %body
}

; What `keep` has kept, in the arena as it is now.
define internal ptr @lantern.bring_back(ptr %body, i64 %n, i64 %size) noinline nounwind {
 %q = call ptr @lantern.alloc(i64 %n, i64 %size, i64 0)
 %bytes = mul i64 %n, %size
 call void @llvm.memcpy.p0.p0.i64(ptr %q, ptr %body, i64 %bytes, i1 false)
 %c = call ptr @lantern.context()
 %ph = getelementptr i8, ptr %c, i64 @{HEAP}
 %head = load ptr, ptr %ph
 %p = getelementptr i8, ptr %body, i64 -@{RESULT_HEADER}
 %mine = icmp eq ptr %head, %p
 br i1 %mine, label %drop, label %done
drop:
 call void @lantern.busy()
 %next = load ptr, ptr %p
 store ptr %next, ptr %ph
 call void @lantern_drop_block(ptr %p)
 call void @lantern.ready()
 br label %done
done:
 ret ptr %q
}
