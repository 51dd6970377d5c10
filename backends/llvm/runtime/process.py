"""What one process with Python in it needs once, as LLVM text: the dispatcher, signals, and results as Python objects.

Compiled modules find it through symbols (blocks of memory, the way out for faults) and through `lantern_services`, a
table of addresses that also holds what they need of CPython and NumPy, so that their machine code depends on neither.

Signals: `lantern_on_signal` runs before Python's own handler, for each signal that Python has one for; handlers of others
are left alone. If it finds the main thread on a region, it lets the interrupted code go on at `lantern_abort`; compiled
loops do not poll. Then Python's handler runs, and ends the call by an exception, or the call starts again. A call that has
started again is not left before it has run as long as all attempts before it, but for SIGINT: under a timer that ticks
for ever it ends, after twice its time or so. A call from C is left alone: nobody there would repeat it. A call that writes into its
arguments cannot start again: it is left only for a SIGINT that Python's own handler turns into KeyboardInterrupt; other signals
wait for its end.
`lantern_watch` puts it in front of Python's handler: before the next call after a call of signal.signal, and every
millisecond or two, should others have changed something (looking takes longer than many programs).
"""

from __future__ import annotations

from .regions import SLOTS, field
from .support import BEGAN, BUSY, BY_PYTHON, CODE, INTERRUPT, PATIENCE, PENDING, RESULT_HEADER

COPY_BELOW = 1 << 15  # bytes: a smaller result is cheaper to copy than to wrap

SERVICES = (
    "run", "give", "to_numpy", "free_blocks", "discard",
    "float64_type", "float32_type", "int64_type", "bool_type", "python_float", "python_int", "array_type",
    "float64_descr", "float32_descr", "int64_descr", "int32_descr", "bool_descr", "true", "false",
    "PyFloat_FromDouble", "PyLong_FromLongLong", "PyLong_AsLongLongAndOverflow", "PyBool_FromLong", "PyTuple_New", "PyTuple_SetItem",
    "PyList_New", "PyList_SetItem", "PyDict_New", "PyDict_SetItem", "Py_IncRef", "Py_DecRef", "PyObject_VectorcallMethod", "PyObject_CallFunctionObjArgs",
    "PyEval_SaveThread", "PyEval_RestoreThread", "PyCapsule_New", "PyCapsule_GetPointer", "PyArray_New", "PyArray_SetBaseObject",
    "PyArray_Scalar", "slow", "PyErr_Fetch", "PyErr_Restore", "getsignal", "sigint", "default_int_handler",
)  # fmt: skip
# A module's record: 8-byte places after the address of the services, which is the first.
FAULT, FINISH, USUAL, LONG, CALLS, WRITES, FIXED = 1, 2, 3, 4, 5, 6, 7  # WRITES: 1 if a call may not start again, else 0
PLAIN = -1  # in USUAL: a program without loops, whose calls are not timed
WATCH_CYCLES = 1 << 22  # 1 to 2 ms: how often calls look whether signals still come here first
TRIM_CYCLES = 1 << 22  # only a call as long as this can have touched much memory
SERVICE = {name: i for i, name in enumerate(SERVICES)}

# ucontext_t of Linux on x86-64: 8-byte registers from offset 40
_RDI, _RSP, _RIP = 40 + 8 * 8, 40 + 8 * 15, 40 + 8 * 16
# struct sigaction of glibc and musl: handler, 128 bytes of mask, flags
_FLAGS, _SIGACTION = 136, 152
_SIGINT, _SA_SIGINFO = 2, 4
_SIGNALS = 65
# Faults of the machine, and what cannot be caught: these are not asked for. (SIGILL, TRAP, ABRT, BUS, FPE, KILL, SEGV, STOP.)
_NEVER = sum(1 << n for n in (0, 4, 5, 6, 7, 8, 9, 11, 19))


def call_service(name: str, signature: str, args: str, out: str = "") -> str:
    """LLVM lines that call a service; `out` names the result."""
    i = SERVICE[name]
    p = f"%svc{_fresh()}"
    return (
        f" {p}.p = getelementptr ptr, ptr @lantern_services, i64 {i}\n {p} = load ptr, ptr {p}.p\n"
        f" {out + ' = ' if out else ''}call {signature} {p}({args})"
    )


_COUNT = [0]


def _fresh() -> int:
    _COUNT[0] += 1
    return _COUNT[0]


def python() -> str:
    """What a program called from Python needs besides: signals, the dispatcher, results as objects."""
    return f"""
declare i32 @sigaction(i32, ptr, ptr)
declare i64 @pthread_self()
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

@lantern_services = global [{len(SERVICES)} x ptr] zeroinitializer
@lantern_capsule = constant [20 x i8] c"lantern_jit.result\\00\\00"
@lantern_main_thread = global i64 0
@lantern_python_handler = global ptr null
@lantern_old_handlers = global [{_SIGNALS} x ptr] zeroinitializer
@lantern_old_flags = global [{_SIGNALS} x i32] zeroinitializer
@lantern_watched = global i64 0
@lantern_interrupts = global i1 false ; a SIGINT raises KeyboardInterrupt
@lantern_set_signal = global ptr null
@lantern_called = global ptr null

declare i64 @lantern_outside(ptr, ptr, ptr, i64, ptr, ptr)

; call Python from compiled code (host.py), on the stack of the program's caller
define i64 @lantern_host(ptr %region, ptr %record, i64 %recipe, ptr %slots) nounwind {{
{field("pfault", "record", 8 * FAULT)}
 %fault = load ptr, ptr %pfault
 %called = load ptr, ptr @lantern_called
 %failed = call i64 @lantern_outside(ptr %region, ptr %called, ptr %fault, i64 %recipe, ptr %slots, ptr %region)
 ret i64 %failed
}}

; in the place of the C function behind signal.signal, which it calls
define ptr @lantern_signal(ptr %module, ptr %args, i64 %n) nounwind {{
 store i64 0, ptr @lantern_watched
 %f = load ptr, ptr @lantern_set_signal
 %r = call ptr %f(ptr %module, ptr %args, i64 %n)
 store i64 0, ptr @lantern_watched
 ret ptr %r
}}

define void @lantern_on_signal(i32 %sig, ptr %info, ptr %uc) nounwind {{
 %me = call i64 @pthread_self()
 %main = load i64, ptr @lantern_main_thread
 %is_main = icmp eq i64 %me, %main
 br i1 %is_main, label %where, label %chain
where:
{field("prsp", "uc", _RSP)}
 %sp = load i64, ptr %prsp
 %bits = load i64, ptr @lantern_bits
 %size = shl i64 1, %bits
 %mask = sub i64 0, %size
 %b = and i64 %sp, %mask
 %base = inttoptr i64 %b to ptr
 %count = load i64, ptr @lantern_count
 %n = call i64 @llvm.umin.i64(i64 %count, i64 {SLOTS})
 br label %next
next:
 %i = phi i64 [0, %where], [%i1, %other]
 %more = icmp ult i64 %i, %n
 br i1 %more, label %look, label %chain
look:
 %p = getelementptr ptr, ptr @lantern_all, i64 %i
 %region = load ptr, ptr %p
 %here = icmp eq ptr %region, %base
 br i1 %here, label %found, label %other
other:
 %i1 = add i64 %i, 1
 br label %next
found:
{field("ppython", "base", BY_PYTHON)}
 %python = load i64, ptr %ppython
 %urgent = icmp eq i32 %sig, {_SIGINT}
 %interrupts = load i1, ptr @lantern_interrupts
 %raises = and i1 %urgent, %interrupts
 %writes = icmp eq i64 %python, 2
 %goes_on = xor i1 %raises, true
 %kept = and i1 %writes, %goes_on
 %foreign = icmp eq i64 %python, 0
 %alone = or i1 %foreign, %kept
 br i1 %alone, label %chain, label %mine
mine:
{field("pbegan", "base", BEGAN)}
 %began = load i64, ptr %pbegan
{field("ppatience", "base", PATIENCE)}
 %patience = load i64, ptr %ppatience
 %time = call i64 @llvm.readcyclecounter()
 %elapsed = sub i64 %time, %began
 %enough = icmp uge i64 %elapsed, %patience
 %stop = or i1 %urgent, %enough
 br i1 %stop, label %stopping, label %chain
stopping:
{field("pbusy", "base", BUSY)}
 %busy = load volatile i64, ptr %pbusy
 %wait = icmp ne i64 %busy, 0
 br i1 %wait, label %later, label %now
later:
{field("ppending", "base", PENDING)}
 store volatile i64 1, ptr %ppending
 br label %chain
now:
{field("pcode", "base", CODE)}
 store i64 {INTERRUPT}, ptr %pcode
{field("prip", "uc", _RIP)}
 store i64 ptrtoint (ptr @lantern_abort to i64), ptr %prip
{field("prdi", "uc", _RDI)}
 store i64 %b, ptr %prdi
 br label %chain
chain:
 %s = zext i32 %sig to i64
 %pold = getelementptr ptr, ptr @lantern_old_handlers, i64 %s
 %old = load ptr, ptr %pold
 %pflags = getelementptr i32, ptr @lantern_old_flags, i64 %s
 %flags = load i32, ptr %pflags
 %long = and i32 %flags, {_SA_SIGINFO}
 %is_long = icmp ne i32 %long, 0
 br i1 %is_long, label %with_info, label %plain
with_info:
 call void %old(i32 %sig, ptr %info, ptr %uc)
 ret void
plain:
 call void %old(i32 %sig)
 ret void
}}

define void @lantern_watch() nounwind {{
entry:
 %now = alloca [{_SIGACTION} x i8], align 8
 %python = load ptr, ptr @lantern_python_handler
 br label %next
next:
 %n = phi i32 [1, %entry], [%n1, %other]
 %more = icmp ult i32 %n, {_SIGNALS}
 br i1 %more, label %choose, label %done
choose:
 %wide = zext i32 %n to i128
 %shifted = lshr i128 {_NEVER}, %wide
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
 %is_interrupt = icmp eq i32 %n, {_SIGINT}
 %foreign = and i1 %others, %is_interrupt
 %take = or i1 %of_python, %foreign
 %front = and i1 %take, %some
 br i1 %front, label %install, label %other
install:
{field("pflags", "now", _FLAGS)}
 %flags = load i32, ptr %pflags
 %at = zext i32 %n to i64
 %pold = getelementptr ptr, ptr @lantern_old_handlers, i64 %at
 store ptr %handler, ptr %pold
 %pold_flags = getelementptr i32, ptr @lantern_old_flags, i64 %at
 store i32 %flags, ptr %pold_flags
 %with = or i32 %flags, {_SA_SIGINFO}
 store i32 %with, ptr %pflags
 store ptr @lantern_on_signal, ptr %now
 call i32 @sigaction(i32 %n, ptr %now, ptr null)
 br label %other
other:
 %n1 = add i32 %n, 1
 br label %next
done:
 ret void
}}

; does a SIGINT raise KeyboardInterrupt, and come to Python alone?
define void @lantern_ask() nounwind {{
 %psigint = getelementptr ptr, ptr @lantern_services, i64 {SERVICE["sigint"]}
 %sigint = load ptr, ptr %psigint
 %pask = getelementptr ptr, ptr @lantern_services, i64 {SERVICE["getsignal"]}
 %ask = load ptr, ptr %pask
{call_service("PyObject_CallFunctionObjArgs", "ptr (ptr, ...)", "ptr %ask, ptr %sigint, ptr null", "%set")}
 %pusual = getelementptr ptr, ptr @lantern_services, i64 {SERVICE["default_int_handler"]}
 %usual = load ptr, ptr %pusual
 %default = icmp eq ptr %set, %usual
{call_service("Py_DecRef", "void", "ptr %set")}
 %pold = getelementptr ptr, ptr @lantern_old_handlers, i64 {_SIGINT}
 %old = load ptr, ptr %pold
 %python = load ptr, ptr @lantern_python_handler
 %alone = icmp eq ptr %old, %python
 %both = and i1 %default, %alone
 store i1 %both, ptr @lantern_interrupts
 ret void
}}

define ptr @lantern_vectorcall(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames) nounwind {{
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
 %r = call ptr %f(ptr %self, ptr %args, i64 %nargsf, ptr %kwnames)
 %no = icmp eq ptr %r, inttoptr (i64 1 to ptr)
 br i1 %no, label %other, label %done
other:
 %p1 = getelementptr ptr, ptr %p, i64 2
 br label %next
done:
 ret ptr %r
slow:
 %n = and i64 %nargsf, 9223372036854775807
 %no_names = icmp eq ptr %kwnames, null
 br i1 %no_names, label %plain, label %names
names:
 %psize = getelementptr i8, ptr %kwnames, i64 {object.__basicsize__}
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
 %pname = getelementptr ptr, ptr @lantern_services, i64 {SERVICE["slow"]}
 %name = load ptr, ptr %pname
{call_service("PyObject_VectorcallMethod", "ptr", "ptr %name, ptr %new, i64 %n1, ptr %kwnames", "%out")}
 %failed = icmp eq ptr %out, null
 br i1 %failed, label %failure, label %fine
failure:
 call void @lantern_hide_frame()
 ret ptr null
fine:
 ret ptr %out
}}

; The outermost entry of the traceback under way is `_slow`, and goes.
define void @lantern_hide_frame() nounwind noinline {{
 %type = alloca ptr
 %value = alloca ptr
 %first = alloca ptr
{call_service("PyErr_Fetch", "void", "ptr %type, ptr %value, ptr %first")}
 %tb = load ptr, ptr %first
 %none = icmp eq ptr %tb, null
 br i1 %none, label %back, label %drop
drop:
 %pnext = getelementptr i8, ptr %tb, i64 {object.__basicsize__}
 %next = load ptr, ptr %pnext
 store ptr %next, ptr %first
 %last = icmp eq ptr %next, null
 br i1 %last, label %forget, label %keep
keep:
{call_service("Py_IncRef", "void", "ptr %next")}
 br label %forget
forget:
{call_service("Py_DecRef", "void", "ptr %tb")}
 br label %back
back:
 %t = load ptr, ptr %type
 %v = load ptr, ptr %value
 %now = load ptr, ptr %first
{call_service("PyErr_Restore", "void", "ptr %t, ptr %v, ptr %now")}
 ret void
}}

; Copy n bytes, if all words before them are as they were: then they exist. Called with the lock held.
define i64 @lantern_read(ptr %words, ptr %address, i64 %n, ptr %out) nounwind {{
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
}}

@lantern_table_offset = global i64 0

define void @lantern_drop_capsule(ptr %capsule) nounwind {{
{call_service("PyCapsule_GetPointer", "ptr", "ptr %capsule, ptr @lantern_capsule", "%block")}
 call void @lantern_drop_block(ptr %block)
 ret void
}}

define void @lantern_discard(ptr %objects, i64 %n) nounwind {{
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
{call_service("Py_DecRef", "void", "ptr %x")}
 br label %other
other:
 %i1 = add i64 %i, 1
 br label %next
done:
 ret void
}}

; Run @entry on a region's stack, without the GIL where calls are long. The region, whose results are to be taken, or
; null with an exception, or 1 if the program is not the right one for these arguments. If Python makes no exception of a fault, a signal was not meant to end the call: run it again.
define ptr @lantern_run(ptr %record, ptr %entry, ptr %slots) nounwind {{
start:
{field("pusual", "record", 8 * USUAL)}
{field("plong", "record", 8 * LONG)}
{field("pfault", "record", 8 * FAULT)}
{field("pwrites", "record", 8 * WRITES)}
 %writes = load i64, ptr %pwrites
 %quick_mode = sub i64 1, %writes
 %timed_mode = add i64 1, %writes
 br label %again
again:
 %spent = phi i64 [0, %start], [%sum, %retry]
 %region = call ptr @lantern_take()
 %none = icmp eq ptr %region, null
 br i1 %none, label %raise, label %prepare
prepare:
{field("ppython", "region", BY_PYTHON)}
{field("pbegan", "region", BEGAN)}
{field("ppatience", "region", PATIENCE)}
 store volatile i64 %spent, ptr %ppatience
 %usual = load i64, ptr %pusual
 %plain = icmp eq i64 %usual, {PLAIN}
 br i1 %plain, label %quick, label %timed
quick:
 store volatile i64 0, ptr %pbegan
 store volatile i64 %quick_mode, ptr %ppython
 %status1 = call i32 @lantern_enter(ptr %region, ptr %entry, ptr %slots)
 br label %finished
timed:
 %t0 = call i64 @llvm.readcyclecounter()
 store volatile i64 %t0, ptr %pbegan
 store volatile i64 %timed_mode, ptr %ppython
 %watched = load i64, ptr @lantern_watched
 %since = sub i64 %t0, %watched
 %late = icmp ugt i64 %since, {WATCH_CYCLES}
 %limit = load i64, ptr %plong
 %long = icmp ugt i64 %usual, %limit
 br i1 %late, label %watch, label %lock
watch:
 store i64 %t0, ptr @lantern_watched
 call void @lantern_watch()
 call void @lantern_ask()
 call void @lantern_trim(ptr %region)
 br label %lock
lock:
 br i1 %long, label %alone, label %held
held:
 %status2 = call i32 @lantern_enter(ptr %region, ptr %entry, ptr %slots)
 br label %time
alone:
{call_service("PyEval_SaveThread", "ptr", "", "%saved")}
 %status3 = call i32 @lantern_enter(ptr %region, ptr %entry, ptr %slots)
{call_service("PyEval_RestoreThread", "void", "ptr %saved")}
 br label %time
time:
 %status4 = phi i32 [%status2, %held], [%status3, %alone]
 %t1 = call i64 @llvm.readcyclecounter()
 %taken = sub i64 %t1, %t0
 store i64 %taken, ptr %pusual
 %deep = icmp ugt i64 %taken, {TRIM_CYCLES}
 br i1 %deep, label %trim, label %finished
trim:
 call void @lantern_trim(ptr %region)
 br label %finished
finished:
 %status = phi i32 [%status1, %quick], [%status4, %time], [%status4, %trim]
 %attempt = phi i64 [0, %quick], [%taken, %time], [%taken, %trim]
 store volatile i64 0, ptr %ppython
 %good = icmp eq i32 %status, 0
 br i1 %good, label %done, label %raise
done:
 ret ptr %region
raise:
 %latest = phi i64 [0, %again], [%attempt, %finished]
 %address = ptrtoint ptr %region to i64
{call_service("PyLong_FromLongLong", "ptr", "i64 %address", "%base")}
 %fault = load ptr, ptr %pfault
{call_service("PyObject_CallFunctionObjArgs", "ptr (ptr, ...)", "ptr %fault, ptr %base, ptr null", "%r")}
{call_service("Py_DecRef", "void", "ptr %base")}
 %taken_one = icmp ne ptr %region, null
 br i1 %taken_one, label %give, label %judge
give:
 call void @lantern_free_blocks(ptr %region)
 call void @lantern_give(ptr %region)
 br label %judge
judge:
 %raised = icmp eq ptr %r, null
 br i1 %raised, label %failed, label %retry
retry:
 %sum = add i64 %spent, %latest
 %pfalse = getelementptr ptr, ptr @lantern_services, i64 {SERVICE["false"]}
 %false = load ptr, ptr %pfalse
 %stale = icmp eq ptr %r, %false
{call_service("Py_DecRef", "void", "ptr %r")}
 br i1 %stale, label %elsewhere, label %again
elsewhere:
 ret ptr inttoptr (i64 1 to ptr)
failed:
 ret ptr null
}}

; a NumPy array of its own: a large result that was made for leaving is taken over, others are copied
define ptr @lantern_to_numpy(ptr %region, ptr %data, i32 %rank, ptr %dims, i64 %n, i32 %kind, i64 %size) nounwind {{
 %ptype = getelementptr ptr, ptr @lantern_services, i64 {SERVICE["array_type"]}
 %type = load ptr, ptr %ptype
 %bytes = mul i64 %n, %size
 %big = icmp uge i64 %bytes, {COPY_BELOW}
 br i1 %big, label %look, label %copy
look:
 %block = getelementptr i8, ptr %data, i64 -{RESULT_HEADER}
 %mine = call i1 @lantern_unlink(ptr %region, ptr %block)
 br i1 %mine, label %wrap, label %copy
wrap:
{call_service("PyCapsule_New", "ptr", "ptr %block, ptr @lantern_capsule, ptr @lantern_drop_capsule", "%owner")}
 %no_owner = icmp eq ptr %owner, null
 br i1 %no_owner, label %lost, label %around
lost:
 call void @lantern_drop_block(ptr %block)
 ret ptr null
around:
{call_service("PyArray_New", "ptr", f"ptr %type, i32 %rank, ptr %dims, i32 %kind, ptr null, ptr %data, i32 0, i32 {0x501}, ptr null", "%view")}
 %no_view = icmp eq ptr %view, null
 br i1 %no_view, label %drop_owner, label %tie
drop_owner:
{call_service("Py_DecRef", "void", "ptr %owner")}
 ret ptr null
tie:
{call_service("PyArray_SetBaseObject", "i32", "ptr %view, ptr %owner", "%tied")}
 ret ptr %view
copy:
{call_service("PyArray_New", "ptr", "ptr %type, i32 %rank, ptr %dims, i32 %kind, ptr null, ptr null, i32 0, i32 0, ptr null", "%new")}
 %no_new = icmp eq ptr %new, null
 br i1 %no_new, label %none, label %fill
none:
 ret ptr null
fill:
 %pdata = getelementptr i8, ptr %new, i64 {object.__basicsize__}
 %to = load ptr, ptr %pdata
 call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %data, i64 %bytes, i1 false)
 ret ptr %new
}}
"""
