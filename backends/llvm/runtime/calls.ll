; Calls of a process with Python: the dispatcher, entering a program and leaving it, and results as Python objects.
;
; @service.NAME is the place of an address in the table lantern_services, that is filled by call/process.py: Python's functions, NumPy's, objects.

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i64 @lantern_outside(ptr, ptr, ptr, i64, ptr, ptr)

@lantern_services = global [@{SERVICES} x ptr] zeroinitializer
@lantern_capsule = constant [20 x i8] c"lantern_jit.result\00\00"
@lantern_table_offset = global i64 0 ; of the table of entries in a NativeCallable
@lantern_called = global ptr null ; the function that calls Python

; The call of every NativeCallable: the first entry of its table whose guards hold and that takes these arguments, else `_slow`.
define ptr @lantern_vectorcall(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames) nounwind {
entry:
 %offset = load i64, ptr @lantern_table_offset
 %pt = getelementptr i8, ptr %self, i64 %offset
 %table = load ptr, ptr %pt
 br label %next
next:
 %p = phi ptr [%table, %entry], [%p1, %other]
 %f = load ptr, ptr %p
 %last = icmp eq ptr %f, null
 br i1 %last, label %slow, label %guards
guards:
 %pcell = getelementptr ptr, ptr %p, i64 1
 %cell = load ptr, ptr %pcell
 %first = load ptr, ptr %cell
 br label %guard
guard:
 %g = phi ptr [%first, %guards], [%g1, %unchanged]
 %address = load ptr, ptr %g
 %all_hold = icmp eq ptr %address, null
 br i1 %all_hold, label %try, label %compare
compare:
 %pwas = getelementptr i64, ptr %g, i64 1
 %was = load i64, ptr %pwas
 %is = load i64, ptr %address
 %same = icmp eq i64 %is, %was
 br i1 %same, label %unchanged, label %other
unchanged:
 %g1 = getelementptr i64, ptr %g, i64 2
 br label %guard
try:
 %precord = getelementptr ptr, ptr %p, i64 2
 %record = load ptr, ptr %precord
 %r = call ptr %f(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames, ptr %record)
 %no = icmp eq ptr %r, inttoptr (i64 1 to ptr)
 br i1 %no, label %other, label %done
other:
 %p1 = getelementptr ptr, ptr %p, i64 3
 br label %next
done:
 ret ptr %r
slow:
 %n = and i64 %nargsf, 9223372036854775807
 %no_names = icmp eq ptr %kwnames, null
 br i1 %no_names, label %plain, label %names
names:
 %psize = getelementptr i8, ptr %kwnames, i64 @{HEADER}
 %named = load i64, ptr %psize
 br label %plain
plain:
 %k = phi i64 [0, %slow], [%named, %names]
 %all = add i64 %n, %k
 %room = add i64 %all, 1
 %new = alloca ptr, i64 %room
 store ptr %self, ptr %new
 %rest = getelementptr ptr, ptr %new, i64 1
 %bytes = mul i64 %all, 8
 call void @llvm.memcpy.p0.p0.i64(ptr %rest, ptr %args, i64 %bytes, i1 false)
 %n1 = add i64 %n, 1
 %name = load ptr, ptr @service.slow
 %PyObject_VectorcallMethod = load ptr, ptr @service.PyObject_VectorcallMethod
 %out = call ptr %PyObject_VectorcallMethod(ptr %name, ptr %new, i64 %n1, ptr %kwnames)
 %failed = icmp eq ptr %out, null
 br i1 %failed, label %failure, label %fine
failure:
 call void @lantern_hide_frame()
 ret ptr null
fine:
 ret ptr %out
}

; The outermost entry of the traceback under way is `_slow`, and goes.
define void @lantern_hide_frame() nounwind noinline {
 %type = alloca ptr
 %value = alloca ptr
 %first = alloca ptr
 %PyErr_Fetch = load ptr, ptr @service.PyErr_Fetch
 call void %PyErr_Fetch(ptr %type, ptr %value, ptr %first)
 %tb = load ptr, ptr %first
 %none = icmp eq ptr %tb, null
 br i1 %none, label %back, label %drop
drop:
 %pnext = getelementptr i8, ptr %tb, i64 @{HEADER}
 %next = load ptr, ptr %pnext
 store ptr %next, ptr %first
 %last = icmp eq ptr %next, null
 br i1 %last, label %forget, label %keep
keep:
 %Py_IncRef = load ptr, ptr @service.Py_IncRef
 call void %Py_IncRef(ptr %next)
 br label %forget
forget:
 %Py_DecRef = load ptr, ptr @service.Py_DecRef
 call void %Py_DecRef(ptr %tb)
 br label %back
back:
 %t = load ptr, ptr %type
 %v = load ptr, ptr %value
 %now = load ptr, ptr %first
 %PyErr_Restore = load ptr, ptr @service.PyErr_Restore
 call void %PyErr_Restore(ptr %t, ptr %v, ptr %now)
 ret void
}

; Run @entry on a region's stack, without the GIL where calls are long. The region, whose results are to be taken, or null with an
; exception, or 1 if the program is not the right one for these arguments. If Python makes no exception of a fault, a signal was not
; meant to end the call: run it again. The region of a call that has paused belongs to the exception which says so.
define ptr @lantern_run(ptr %record, ptr %entry, ptr %slots) nounwind {
start:
 %pusual = getelementptr i64, ptr %record, i64 @{USUAL}
 %plong = getelementptr i64, ptr %record, i64 @{LONG}
 %pfault = getelementptr ptr, ptr %record, i64 @{FAULT}
 %plimits = getelementptr i64, ptr %record, i64 @{LIMITS}
 %limits = load i64, ptr %plimits
 %writes = and i64 %limits, 1
 %room = xor i64 %limits, %writes
 %all = icmp eq i64 %room, 0
 %quick_mode = sub i64 1, %writes
 %timed_mode = add i64 1, %writes
 br label %again
again:
 %spent = phi i64 [0, %start], [%sum, %retry]
 %region = call ptr @lantern_take()
 %none = icmp eq ptr %region, null
 br i1 %none, label %raise, label %prepare
prepare:
 br i1 %all, label %ready, label %narrow
narrow:
 %top = getelementptr i8, ptr %region, i64 %room
 %ptop = getelementptr i8, ptr %region, i64 @{TOP}
 store ptr %top, ptr %ptop
 br label %ready
ready:
 %ppython = getelementptr i8, ptr %region, i64 @{BY_PYTHON}
 %pbegan = getelementptr i8, ptr %region, i64 @{BEGAN}
 %ppatience = getelementptr i8, ptr %region, i64 @{PATIENCE}
 store volatile i64 %spent, ptr %ppatience
 %usual = load i64, ptr %pusual
 %plain = icmp eq i64 %usual, @{PLAIN}
 br i1 %plain, label %quick, label %timed
quick:
 store volatile i64 0, ptr %pbegan
 store volatile i64 %quick_mode, ptr %ppython
 %status1 = call i32 @lantern_enter(ptr %region, ptr %entry, ptr %slots)
 br label %finished
timed:
 %t0 = call i64 @@{TICKS}()
 store volatile i64 %t0, ptr %pbegan
 store volatile i64 %timed_mode, ptr %ppython
 %watched = load i64, ptr @lantern_watched
 %since = sub i64 %t0, %watched
 %late = icmp ugt i64 %since, @{WATCH_TICKS}
 %limit = load i64, ptr %plong
 %long = icmp ugt i64 %usual, %limit
 br i1 %late, label %watch, label %lock
watch:
 store i64 %t0, ptr @lantern_watched
 call void @lantern_watch()
 call void @lantern_ask()
 call void @lantern_trim(ptr %region)
 ; all this takes its time: a signal that came meanwhile found nobody on a region, and the program may run for long
 %PyErr_CheckSignals = load ptr, ptr @service.PyErr_CheckSignals
 %raises = call i32 %PyErr_CheckSignals()
 %goes_on = icmp eq i32 %raises, 0
 br i1 %goes_on, label %lock, label %leave
leave:
 store volatile i64 0, ptr %ppython
 call void @lantern_free_blocks(ptr %region)
 call void @lantern_give(ptr %region)
 br label %failed
lock:
 br i1 %long, label %alone, label %held
held:
 %status2 = call i32 @lantern_enter(ptr %region, ptr %entry, ptr %slots)
 br label %time
alone:
 %PyEval_SaveThread = load ptr, ptr @service.PyEval_SaveThread
 %saved = call ptr %PyEval_SaveThread()
 %status3 = call i32 @lantern_enter(ptr %region, ptr %entry, ptr %slots)
 %PyEval_RestoreThread = load ptr, ptr @service.PyEval_RestoreThread
 call void %PyEval_RestoreThread(ptr %saved)
 br label %time
time:
 %status4 = phi i32 [%status2, %held], [%status3, %alone]
 %t1 = call i64 @@{TICKS}()
 %taken = sub i64 %t1, %t0
 store i64 %taken, ptr %pusual
 %late_end = icmp ugt i64 %taken, @{TRIM_TICKS}
 %over = icmp ne i32 %status4, 2
 %deep = and i1 %late_end, %over
 br i1 %deep, label %trim, label %finished
trim:
 call void @lantern_trim(ptr %region)
 br label %finished
finished:
 %status = phi i32 [%status1, %quick], [%status4, %time], [%status4, %trim]
 %attempt = phi i64 [0, %quick], [%taken, %time], [%taken, %trim]
 store volatile i64 0, ptr %ppython
 %good = icmp eq i32 %status, 0
 br i1 %good, label %done, label %bad
done:
 ret ptr %region
bad:
 %rests = icmp eq i32 %status, 2
 br i1 %rests, label %paused, label %raise
paused:
 %pcode = getelementptr i8, ptr %region, i64 @{CODE}
 store i64 @{PAUSED}, ptr %pcode
 br label %raise
raise:
 %latest = phi i64 [0, %again], [%attempt, %bad], [%attempt, %paused]
 %kept = phi i1 [false, %again], [false, %bad], [true, %paused]
 %address = ptrtoint ptr %region to i64
 %PyLong_FromLongLong = load ptr, ptr @service.PyLong_FromLongLong
 %base = call ptr %PyLong_FromLongLong(i64 %address)
 %fault = load ptr, ptr %pfault
 %PyObject_CallFunctionObjArgs = load ptr, ptr @service.PyObject_CallFunctionObjArgs
 %r = call ptr (ptr, ...) %PyObject_CallFunctionObjArgs(ptr %fault, ptr %base, ptr null)
 %Py_DecRef = load ptr, ptr @service.Py_DecRef
 call void %Py_DecRef(ptr %base)
 %taken_one = icmp ne ptr %region, null
 %lost = xor i1 %kept, true
 %free = and i1 %taken_one, %lost
 br i1 %free, label %give, label %judge
give:
 call void @lantern_free_blocks(ptr %region)
 call void @lantern_give(ptr %region)
 br label %judge
judge:
 %raised = icmp eq ptr %r, null
 br i1 %raised, label %failed, label %retry
retry:
 %sum = add i64 %spent, %latest
 %false = load ptr, ptr @service.false
 %stale = icmp eq ptr %r, %false
 %Py_DecRef.2 = load ptr, ptr @service.Py_DecRef
 call void %Py_DecRef.2(ptr %r)
 br i1 %stale, label %elsewhere, label %again
elsewhere:
 ret ptr inttoptr (i64 1 to ptr)
failed:
 ret ptr null
}

; Go on where the call on this region has paused, without the GIL: how it ends. It may not start again by itself.
define i32 @lantern_proceed(ptr %region) nounwind {
 %pbusy = getelementptr i8, ptr %region, i64 @{BUSY}
 store volatile i64 0, ptr %pbusy
 %ppending = getelementptr i8, ptr %region, i64 @{PENDING}
 store volatile i64 0, ptr %ppending
 %now = call i64 @@{TICKS}()
 %pbegan = getelementptr i8, ptr %region, i64 @{BEGAN}
 store volatile i64 %now, ptr %pbegan
 %ppatience = getelementptr i8, ptr %region, i64 @{PATIENCE}
 store volatile i64 0, ptr %ppatience
 %ppython = getelementptr i8, ptr %region, i64 @{BY_PYTHON}
 store volatile i64 2, ptr %ppython
 %status = call i32 @lantern_resume(ptr %region)
 store volatile i64 0, ptr %ppython
 ret i32 %status
}

; Call Python from compiled code, on the stack of the program's caller. 0, or 1 after an exception.
define i64 @lantern_host(ptr %region, ptr %record, i64 %recipe, ptr %slots) nounwind {
 %pfault = getelementptr ptr, ptr %record, i64 @{FAULT}
 %fault = load ptr, ptr %pfault
 %called = load ptr, ptr @lantern_called
 %performed = getelementptr i8, ptr %region, i64 @{PERFORMED}
 store volatile i64 0, ptr %performed
 %ignored = call i64 @lantern_outside(ptr %region, ptr %called, ptr %fault, i64 %recipe, ptr %slots, ptr %region)
 %good = load volatile i64, ptr %performed
 %failed = xor i64 %good, 1
 ret i64 %failed
}

; A NumPy array of its own: a large result that was made for leaving is taken over, others are copied.
define ptr @lantern_to_numpy(ptr %region, ptr %data, i32 %rank, ptr %dims, i64 %n, i32 %kind, i64 %size) nounwind {
 %type = load ptr, ptr @service.array_type
 %bytes = mul i64 %n, %size
 %big = icmp uge i64 %bytes, @{COPY_BELOW}
 br i1 %big, label %look, label %copy
look:
 %block = getelementptr i8, ptr %data, i64 -@{RESULT_HEADER}
 %mine = call i1 @lantern_unlink(ptr %region, ptr %block)
 br i1 %mine, label %wrap, label %copy
wrap:
 %PyCapsule_New = load ptr, ptr @service.PyCapsule_New
 %owner = call ptr %PyCapsule_New(ptr %block, ptr @lantern_capsule, ptr @lantern_drop_capsule)
 %no_owner = icmp eq ptr %owner, null
 br i1 %no_owner, label %lost, label %around
lost:
 call void @lantern_drop_block(ptr %block)
 ret ptr null
around:
 %PyArray_New = load ptr, ptr @service.PyArray_New
 %view = call ptr %PyArray_New(ptr %type, i32 %rank, ptr %dims, i32 %kind, ptr null, ptr %data, i32 0, i32 @{WRITABLE}, ptr null)
 %no_view = icmp eq ptr %view, null
 br i1 %no_view, label %drop_owner, label %tie
drop_owner:
 %Py_DecRef = load ptr, ptr @service.Py_DecRef
 call void %Py_DecRef(ptr %owner)
 ret ptr null
tie:
 %PyArray_SetBaseObject = load ptr, ptr @service.PyArray_SetBaseObject
 %tied = call i32 %PyArray_SetBaseObject(ptr %view, ptr %owner)
 ret ptr %view
copy:
 %PyArray_New.2 = load ptr, ptr @service.PyArray_New
 %new = call ptr %PyArray_New.2(ptr %type, i32 %rank, ptr %dims, i32 %kind, ptr null, ptr null, i32 0, i32 0, ptr null)
 %no_new = icmp eq ptr %new, null
 br i1 %no_new, label %none, label %fill
none:
 ret ptr null
fill:
 %pdata = getelementptr i8, ptr %new, i64 @{HEADER}
 %to = load ptr, ptr %pdata
 call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %data, i64 %bytes, i1 false)
 ret ptr %new
}

; The end of a result's owner: its block is free.
define void @lantern_drop_capsule(ptr %capsule) nounwind {
 %PyCapsule_GetPointer = load ptr, ptr @service.PyCapsule_GetPointer
 %block = call ptr %PyCapsule_GetPointer(ptr %capsule, ptr @lantern_capsule)
 call void @lantern_drop_block(ptr %block)
 ret void
}

; Let go of the results made so far, after one that could not be made.
define void @lantern_discard(ptr %objects, i64 %n) nounwind {
entry:
 br label %next
next:
 %i = phi i64 [0, %entry], [%i1, %other]
 %more = icmp ult i64 %i, %n
 br i1 %more, label %look, label %done
look:
 %p = getelementptr ptr, ptr %objects, i64 %i
 %x = load ptr, ptr %p
 %null = icmp eq ptr %x, null
 br i1 %null, label %other, label %drop
drop:
 %Py_DecRef = load ptr, ptr @service.Py_DecRef
 call void %Py_DecRef(ptr %x)
 br label %other
other:
 %i1 = add i64 %i, 1
 br label %next
done:
 ret void
}

; Copy n bytes, if all words before them are as they were: then they exist. Called with the lock held.
define i64 @lantern_read(ptr %words, ptr %address, i64 %n, ptr %out) nounwind {
entry:
 br label %next
next:
 %g = phi ptr [%words, %entry], [%g1, %same]
 %a = load ptr, ptr %g
 %last = icmp eq ptr %a, null
 br i1 %last, label %copy, label %compare
compare:
 %pwas = getelementptr i64, ptr %g, i64 1
 %was = load i64, ptr %pwas
 %is = load i64, ptr %a
 %equal = icmp eq i64 %is, %was
 br i1 %equal, label %same, label %moved
same:
 %g1 = getelementptr i64, ptr %g, i64 2
 br label %next
copy:
 call void @llvm.memcpy.p0.p0.i64(ptr %out, ptr %address, i64 %n, i1 false)
 ret i64 1
moved:
 ret i64 0
}
