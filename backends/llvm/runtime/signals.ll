; Signals of a process with Python.
;
; A handler interrupts its own thread, whose writes it sees as they stand in the program: `volatile` keeps LLVM from moving those to a context.
; What another thread writes: lantern_watch stores a handler (release) before sigaction makes it known, lantern_on_signal loads it (acquire), with
; its flags; lantern_take lists a region (release) before its thread, or another that takes it later (acquire), can be interrupted on it, so
; that the look at the list may be monotonic, as at single words that stand for themselves alone.
;
; lantern_on_signal runs before Python's own handler, for each signal that Python has one for; handlers of others are left alone. If
; it finds the main thread on a region, it lets the interrupted code go on at lantern_abort; compiled loops do not poll. Then Python's
; handler runs, and ends the call by an exception, or the call starts again. A call that has started again is not left before it has
; run as long as all attempts before it, but for SIGINT: under a timer that ticks for ever it ends, after twice its time or so. A call
; from C is left alone: nobody there would repeat it. A call that writes into its arguments cannot start again: it is left only for a
; SIGINT that Python's own handler turns into KeyboardInterrupt; other signals wait for its end.
; In parallel code (threads.ll) the call's job is ended, which lets the workers that are at it, too, go on at lantern_abort. A SIGINT that the
; system gives to a worker goes on to the main thread; what a worker is sent by lantern_end says so itself.
; lantern_watch puts it in front of Python's handler: before the next call after a call of signal.signal, and every millisecond or two,
; should others have changed something (looking takes longer than many programs).

declare i32 @sigaction(i32, ptr, ptr)
declare i64 @pthread_self()

@lantern_main_thread = global i64 0
@lantern_python_handler = global ptr null
@lantern_old_handlers = global [@{SIGNALS} x ptr] zeroinitializer
@lantern_old_flags = global [@{SIGNALS} x i32] zeroinitializer
@lantern_watched = global i64 0 ; when lantern_watch has looked
@lantern_interrupts = global i1 false ; a SIGINT raises KeyboardInterrupt
@lantern_set_signal = global ptr null ; the C function behind signal.signal

; In the place of the C function behind signal.signal, which it calls.
define ptr @lantern_signal(ptr %module, ptr %args, i64 %n) nounwind {
 store i64 0, ptr @lantern_watched
 %f = load ptr, ptr @lantern_set_signal
 %r = call ptr %f(ptr %module, ptr %args, i64 %n)
 store i64 0, ptr @lantern_watched
 ret ptr %r
}

; Before Python's handler of a signal. If the main thread is on a region, and the call may be left, the interrupted code goes on at
; lantern_abort, or later where it is in the midst of what must not be left half done. Then Python's handler runs.
define void @lantern_on_signal(i32 %sig, ptr %info, ptr %uc) nounwind {
 %me = call i64 @pthread_self()
 %main = load atomic i64, ptr @lantern_main_thread monotonic, align 8
 %is_main = icmp eq i64 %me, %main
 br i1 %is_main, label %where, label %other_thread
other_thread:
 %number = call i64 @lantern_number()
 %worker = icmp sge i64 %number, 0
 br i1 %worker, label %where, label %chain
where:
 %helps = phi i1 [false, %0], [true, %other_thread]
 %prsp = getelementptr i8, ptr %uc, i64 @{STACK_POINTER}
 %sp = load i64, ptr %prsp
 %bits = load i64, ptr @lantern_bits
 %size = shl i64 1, %bits
 %mask = sub i64 0, %size
 %b = and i64 %sp, %mask
 %base = inttoptr i64 %b to ptr
 %count = load atomic i64, ptr @lantern_count monotonic, align 8
 %n = call i64 @llvm.umin.i64(i64 %count, i64 @{SLOTS})
 br label %next
next:
 %i = phi i64 [0, %where], [%i1, %other]
 %more = icmp ult i64 %i, %n
 br i1 %more, label %look, label %nowhere
nowhere:
 br i1 %helps, label %stray, label %chain
look:
 %p = getelementptr ptr, ptr @lantern_all, i64 %i
 %region = load atomic ptr, ptr %p monotonic, align 8
 %here = icmp eq ptr %region, %base
 br i1 %here, label %found, label %other
other:
 %i1 = add i64 %i, 1
 br label %next
found:
 %pjob = getelementptr i8, ptr %base, i64 @{JOB}
 %job = load volatile ptr, ptr %pjob
 %alone_at_it = icmp eq ptr %job, null
 br i1 %helps, label %part, label %call
part:
 br i1 %alone_at_it, label %stray, label %ask
ask:
 %pended = getelementptr i8, ptr %job, i64 @{ENDED}
 %ended = load volatile i64, ptr %pended
 %leaves = icmp ne i64 %ended, 0
 br i1 %leaves, label %end, label %stray
stray:
 %psent = getelementptr i8, ptr %info, i64 @{SENT}
 %sent = load i32, ptr %psent
 %to_me = icmp eq i32 %sent, @{TO_THREAD}
 br i1 %to_me, label %out, label %forward
forward:
 call i32 @pthread_kill(i64 %main, i32 %sig)
 br label %out
out:
 ret void
call:
 %ppython = getelementptr i8, ptr %base, i64 @{BY_PYTHON}
 %python = load i64, ptr %ppython
 %urgent = icmp eq i32 %sig, @{SIGINT}
 %interrupts = load i1, ptr @lantern_interrupts
 %raises = and i1 %urgent, %interrupts
 %writes = icmp eq i64 %python, 2
 %goes_on = xor i1 %raises, true
 %kept = and i1 %writes, %goes_on
 %foreign = icmp eq i64 %python, 0
 %alone = or i1 %foreign, %kept
 br i1 %alone, label %chain, label %mine
mine:
 %pbegan = getelementptr i8, ptr %base, i64 @{BEGAN}
 %began = load i64, ptr %pbegan
 %ppatience = getelementptr i8, ptr %base, i64 @{PATIENCE}
 %patience = load i64, ptr %ppatience
 %time = call i64 @@{TICKS}()
 %elapsed = sub i64 %time, %began
 %enough = icmp uge i64 %elapsed, %patience
 %stop = or i1 %urgent, %enough
 br i1 %stop, label %stopping, label %chain
stopping:
 br i1 %alone_at_it, label %end, label %tell
tell:
 call void @lantern_end(ptr %job)
 br label %end
end:
 %pbusy = getelementptr i8, ptr %base, i64 @{BUSY}
 %busy = load volatile i64, ptr %pbusy
 %wait = icmp ne i64 %busy, 0
 br i1 %wait, label %later, label %now
later:
 %ppending = getelementptr i8, ptr %base, i64 @{PENDING}
 store volatile i64 1, ptr %ppending
 br i1 %helps, label %out, label %chain
now:
 %pcode = getelementptr i8, ptr %base, i64 @{CODE}
 store i64 @{INTERRUPT}, ptr %pcode
 %prip = getelementptr i8, ptr %uc, i64 @{PROGRAM_COUNTER}
 store i64 ptrtoint (ptr @lantern_abort to i64), ptr %prip
 %prdi = getelementptr i8, ptr %uc, i64 @{FIRST_ARGUMENT}
 store i64 %b, ptr %prdi
 br i1 %helps, label %out, label %chain
chain:
 %s = zext i32 %sig to i64
 %pold = getelementptr ptr, ptr @lantern_old_handlers, i64 %s
 %old = load atomic ptr, ptr %pold acquire, align 8
 %pflags = getelementptr i32, ptr @lantern_old_flags, i64 %s
 %flags = load atomic i32, ptr %pflags monotonic, align 4
 %long = and i32 %flags, @{WITH_INFO}
 %is_long = icmp ne i32 %long, 0
 br i1 %is_long, label %with_info, label %plain
with_info:
 call void %old(i32 %sig, ptr %info, ptr %uc)
 ret void
plain:
 call void %old(i32 %sig)
 ret void
}

; Put lantern_on_signal in front of each handler that is Python's (of SIGINT's, whosever it is).
define void @lantern_watch() nounwind {
entry:
 %now = alloca [@{ACTION_BYTES} x i8], align 8
 %python = load ptr, ptr @lantern_python_handler
 br label %next
next:
 %n = phi i32 [1, %entry], [%n1, %other]
 %more = icmp ult i32 %n, @{SIGNALS}
 br i1 %more, label %choose, label %done
choose:
 %wide = zext i32 %n to i128
 %shifted = lshr i128 @{NEVER}, %wide
 %never = trunc i128 %shifted to i1
 br i1 %never, label %other, label %ask
ask:
 %failed = call i32 @sigaction(i32 %n, ptr null, ptr %now)
 %there = icmp eq i32 %failed, 0
 br i1 %there, label %look, label %other
look:
 %handler = load ptr, ptr %now
 %of_python = icmp eq ptr %handler, %python
 %h = ptrtoint ptr %handler to i64
 %some = icmp ugt i64 %h, 1
 %others = icmp ne ptr %handler, @lantern_on_signal
 %is_interrupt = icmp eq i32 %n, @{SIGINT}
 %foreign = and i1 %others, %is_interrupt
 %take = or i1 %of_python, %foreign
 %front = and i1 %take, %some
 br i1 %front, label %install, label %other
install:
 %pflags = getelementptr i8, ptr %now, i64 @{ACTION_FLAGS}
 %flags = load i32, ptr %pflags
 %at = zext i32 %n to i64
 %pold = getelementptr ptr, ptr @lantern_old_handlers, i64 %at
 %pold_flags = getelementptr i32, ptr @lantern_old_flags, i64 %at
 store atomic i32 %flags, ptr %pold_flags monotonic, align 4
 store atomic ptr %handler, ptr %pold release, align 8
 %with = or i32 %flags, @{WITH_INFO}
 store i32 %with, ptr %pflags
 store ptr @lantern_on_signal, ptr %now
 call i32 @sigaction(i32 %n, ptr %now, ptr null)
 br label %other
other:
 %n1 = add i32 %n, 1
 br label %next
done:
 ret void
}

; Does a SIGINT raise KeyboardInterrupt, and come to Python alone?
define void @lantern_ask() nounwind {
 %sigint = load ptr, ptr @service.sigint
 %ask = load ptr, ptr @service.getsignal
 %PyObject_CallFunctionObjArgs = load ptr, ptr @service.PyObject_CallFunctionObjArgs
 %set = call ptr (ptr, ...) %PyObject_CallFunctionObjArgs(ptr %ask, ptr %sigint, ptr null)
 %usual = load ptr, ptr @service.default_int_handler
 %default = icmp eq ptr %set, %usual
 %Py_DecRef = load ptr, ptr @service.Py_DecRef
 call void %Py_DecRef(ptr %set)
 %pold = getelementptr ptr, ptr @lantern_old_handlers, i64 @{SIGINT}
 %old = load ptr, ptr %pold
 %python = load ptr, ptr @lantern_python_handler
 %alone = icmp eq ptr %old, %python
 %both = and i1 %default, %alone
 store i1 %both, ptr @lantern_interrupts
 ret void
}
