; Loops whose parts several threads run: a pool of threads, which sleep when there is nothing to do.
;
; A job is a task with a number of parts, in memory of the call that waits for it. Parts are taken in their order, by whoever comes: the
; caller, who is at it from the beginning, and workers. Each runs its parts on a region of its own, so that a fault ends no
; more than a part; of the parts that fail, the first one's fault is the call's, as all parts before it have been run to their ends.
; What a part does must not depend on who runs it: results are the same with any number of threads.
; Jobs, and who is at which, change under @lantern_mutex alone; what a thread has written before it takes or releases it, the others see
; after. Workers let no signal through but, on a region, the one that ends parts after a Ctrl-C (signals.ll).
; There are no threads before the first job; lantern_join ends those that rest; the child of a fork has none (lantern_forked).

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @pthread_kill(i64, i32)
declare i32 @lantern_resume(ptr)
declare i32 @sigtimedwait(ptr, ptr, ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

@lantern_mutex = global [128 x i8] zeroinitializer, align 16
@lantern_come = global [128 x i8] zeroinitializer, align 16 ; there is a job
@lantern_over = global [128 x i8] zeroinitializer, align 16 ; a worker has left one
@lantern_jobs = global ptr null
@lantern_leave = global i64 0
@lantern_workers = global i64 0
@lantern_worker_ids = global [@{WORKERS} x i64] zeroinitializer
@lantern_at = global [@{WORKERS} x ptr] zeroinitializer ; the job of each worker
@lantern_told = global [@{WORKERS} x i64] zeroinitializer ; who has been sent a signal
@lantern_posted = global i64 0 ; how many jobs there have been
@lantern_helped = global i64 0 ; and how many of their parts have been run by workers

; Run the parts of a task, in a call that is under way on `region`: task(environment, part). In a part of another job they are run one after another.
define void @lantern_parallel(ptr %region, ptr %task, ptr %environment, i64 %parts, i64 %threads) nounwind {
entry:
 %job = alloca [@{JOB_BYTES} x i8], align 16
 %pjob = getelementptr i8, ptr %region, i64 @{JOB}
 %within = load ptr, ptr %pjob
 %inside = icmp ne ptr %within, null
 br i1 %inside, label %alone, label %take
alone:
 br label %next
next:
 %i = phi i64 [0, %alone], [%i1, %one]
 %more = icmp slt i64 %i, %parts
 br i1 %more, label %one, label %done
one:
 call void %task(ptr %environment, i64 %i)
 %i1 = add i64 %i, 1
 br label %next
take:
 %pbusy = getelementptr i8, ptr %region, i64 @{BUSY}
 store volatile i64 1, ptr %pbusy
 %own = call ptr @lantern_take()
 %none = icmp eq ptr %own, null
 br i1 %none, label %poor, label %post
poor:
 store volatile i64 0, ptr %pbusy
 br label %alone
post:
 call void @llvm.memset.p0.i64(ptr %job, i8 0, i64 @{JOB_BYTES}, i1 false)
 %ptask = getelementptr i8, ptr %job, i64 @{TASK}
 store ptr %task, ptr %ptask
 %penvironment = getelementptr i8, ptr %job, i64 @{ENVIRONMENT}
 store ptr %environment, ptr %penvironment
 %pparts = getelementptr i8, ptr %job, i64 @{PARTS}
 store i64 %parts, ptr %pparts
 %helpers = sub i64 %threads, 1
 %phelpers = getelementptr i8, ptr %job, i64 @{HELPERS}
 store i64 %helpers, ptr %phelpers
 %plast = getelementptr i8, ptr %job, i64 @{LAST}
 store i64 %parts, ptr %plast
 %pfailed = getelementptr i8, ptr %job, i64 @{FAILED}
 store i64 %parts, ptr %pfailed
 %pcaller = getelementptr i8, ptr %job, i64 @{CALLER}
 store ptr %region, ptr %pcaller
 call i32 @pthread_mutex_lock(ptr @lantern_mutex)
 call void @lantern_hire(i64 %helpers)
 %first = load ptr, ptr @lantern_jobs
 %plink = getelementptr i8, ptr %job, i64 @{LINK}
 store ptr %first, ptr %plink
 store volatile ptr %job, ptr %pjob
 store ptr %job, ptr @lantern_jobs
 %posted = load i64, ptr @lantern_posted
 %posted1 = add i64 %posted, 1
 store i64 %posted1, ptr @lantern_posted
 call i32 @pthread_cond_broadcast(ptr @lantern_come)
 call i32 @pthread_mutex_unlock(ptr @lantern_mutex)
 %ppending = getelementptr i8, ptr %region, i64 @{PENDING}
 %early = load volatile i64, ptr %ppending
 %hurry = icmp ne i64 %early, 0
 br i1 %hurry, label %end, label %begin
end:
 call void @lantern_end(ptr %job)
 br label %begin
begin:
 %fp1 = getelementptr i8, ptr %region, i64 @{BY_PYTHON}
 %v1 = load i64, ptr %fp1
 %fp2 = getelementptr i8, ptr %region, i64 @{BEGAN}
 %v2 = load i64, ptr %fp2
 %tp2 = getelementptr i8, ptr %own, i64 @{BEGAN}
 store volatile i64 %v2, ptr %tp2
 %fp3 = getelementptr i8, ptr %region, i64 @{PATIENCE}
 %v3 = load i64, ptr %fp3
 %tp3 = getelementptr i8, ptr %own, i64 @{PATIENCE}
 store volatile i64 %v3, ptr %tp3
 %mine = call i64 @lantern_serve(ptr %job, ptr %own, i64 %v1)
 call i32 @pthread_mutex_lock(ptr @lantern_mutex)
 call void @lantern_unpost(ptr %job)
 br label %look
look:
 %prunning = getelementptr i8, ptr %job, i64 @{RUNNING}
 %running = load i64, ptr %prunning
 %some = icmp ne i64 %running, 0
 br i1 %some, label %wait, label %finished
wait:
 call i32 @pthread_cond_wait(ptr @lantern_over, ptr @lantern_mutex)
 br label %look
finished:
 call i32 @pthread_mutex_unlock(ptr @lantern_mutex)
 store volatile ptr null, ptr %pjob
 store volatile i64 0, ptr %pbusy
 %pended = getelementptr i8, ptr %job, i64 @{ENDED}
 %ended = load volatile i64, ptr %pended
 %pending = load volatile i64, ptr %ppending
 %both = or i64 %ended, %pending
 %stopped = icmp ne i64 %both, 0
 br i1 %stopped, label %interrupted, label %judge
interrupted:
 %pc1 = getelementptr i8, ptr %region, i64 @{CODE}
 store i64 @{INTERRUPT}, ptr %pc1
 call void @lantern_abort(ptr %region)
 unreachable
judge:
 %failed = load i64, ptr %pfailed
 %good = icmp eq i64 %failed, %parts
 br i1 %good, label %done, label %bad
bad:
 %pfault = getelementptr i8, ptr %job, i64 @{FAULT}
 call void @lantern_tell(ptr %pfault, ptr %region)
 call void @lantern_abort(ptr %region)
 unreachable
done:
 ret void
}

; A fault, from a job into a region.
define internal void @lantern_tell(ptr %fault, ptr %region) nounwind {
 %code = load i64, ptr %fault
 %pcode = getelementptr i8, ptr %region, i64 @{CODE}
 store i64 %code, ptr %pcode
 %pfrom = getelementptr i8, ptr %fault, i64 8
 %pto = getelementptr i8, ptr %region, i64 @{VALUES}
 call void @llvm.memcpy.p0.p0.i64(ptr %pto, ptr %pfrom, i64 24, i1 false)
 %pat = getelementptr i8, ptr %fault, i64 32
 %site = load i64, ptr %pat
 %psite = getelementptr i8, ptr %region, i64 @{SITE}
 store i64 %site, ptr %psite
 ret void
}

; So many workers there should be. Where the system gives no more, those that there are do. (Under the mutex.)
define internal void @lantern_hire(i64 %wanted) nounwind {
entry:
 %all = alloca [@{SET_BYTES} x i8], align 8
 %before = alloca [@{SET_BYTES} x i8], align 8
 %there = load i64, ptr @lantern_workers
 %enough = icmp sge i64 %there, %wanted
 br i1 %enough, label %done, label %mask
mask:
 call void @llvm.memset.p0.i64(ptr %all, i8 -1, i64 @{SET_BYTES}, i1 false)
 store i64 @{SOME}, ptr %all
 call i32 @pthread_sigmask(i32 @{BLOCK}, ptr %all, ptr %before)
 br label %next
next:
 %n = phi i64 [%there, %mask], [%n1, %made]
 %few = icmp slt i64 %n, %wanted
 %fits = icmp slt i64 %n, @{WORKERS}
 %more = and i1 %few, %fits
 br i1 %more, label %make, label %restore
make:
 %place = getelementptr i64, ptr @lantern_worker_ids, i64 %n
 %number = inttoptr i64 %n to ptr
 %failed = call i32 @pthread_create(ptr %place, ptr null, ptr @lantern_worker, ptr %number)
 %ok = icmp eq i32 %failed, 0
 br i1 %ok, label %made, label %restore
made:
 %n1 = add i64 %n, 1
 store atomic i64 %n1, ptr @lantern_workers release, align 8
 br label %next
restore:
 call i32 @pthread_sigmask(i32 @{MASK}, ptr %before, ptr null)
 br label %done
done:
 ret void
}

; What a worker does as long as it lives.
define internal ptr @lantern_worker(ptr %number) nounwind {
entry:
 %n = ptrtoint ptr %number to i64
 %pat = getelementptr ptr, ptr @lantern_at, i64 %n
 call i32 @pthread_mutex_lock(ptr @lantern_mutex)
 br label %look
look:
 %leave = load i64, ptr @lantern_leave
 %go = icmp ne i64 %leave, 0
 br i1 %go, label %out, label %search
search:
 %p = phi ptr [@lantern_jobs, %look], [%plink, %other]
 %job = load ptr, ptr %p
 %end = icmp eq ptr %job, null
 br i1 %end, label %sleep, label %consider
consider:
 %phelpers = getelementptr i8, ptr %job, i64 @{HELPERS}
 %helpers = load i64, ptr %phelpers
 %wanted = icmp sgt i64 %helpers, 0
 br i1 %wanted, label %help, label %other
other:
 %plink = getelementptr i8, ptr %job, i64 @{LINK}
 br label %search
sleep:
 call i32 @pthread_cond_wait(ptr @lantern_come, ptr @lantern_mutex)
 br label %look
help:
 %less = sub i64 %helpers, 1
 store i64 %less, ptr %phelpers
 %prunning = getelementptr i8, ptr %job, i64 @{RUNNING}
 %running = load i64, ptr %prunning
 %running1 = add i64 %running, 1
 store i64 %running1, ptr %prunning
 store atomic ptr %job, ptr %pat release, align 8
 call i32 @pthread_mutex_unlock(ptr @lantern_mutex)
 %region = call ptr @lantern_take()
 %none = icmp eq ptr %region, null
 br i1 %none, label %served, label %serve
serve:
 %done = call i64 @lantern_serve(ptr %job, ptr %region, i64 0)
 br label %served
served:
 %parts = phi i64 [0, %help], [%done, %serve]
 call i32 @pthread_mutex_lock(ptr @lantern_mutex)
 store atomic ptr null, ptr %pat release, align 8
 %helped = load i64, ptr @lantern_helped
 %helped1 = add i64 %helped, %parts
 store i64 %helped1, ptr @lantern_helped
 %now = load i64, ptr %prunning
 %now1 = sub i64 %now, 1
 store i64 %now1, ptr %prunning
 %last = icmp eq i64 %now1, 0
 br i1 %last, label %tell, label %look
tell:
 call i32 @pthread_cond_broadcast(ptr @lantern_over)
 br label %look
out:
 call i32 @pthread_mutex_unlock(ptr @lantern_mutex)
 ret ptr null
}

; Take parts of a job, as long as there are some, and run them on this region, which is given back. How many they were.
define internal i64 @lantern_serve(ptr %job, ptr %region, i64 %by_python) nounwind {
 %share = alloca [4 x i64], align 8
 %set = alloca [@{SET_BYTES} x i8], align 8
 %zero = alloca [16 x i8], align 8
 store ptr %job, ptr %share
 %p1 = getelementptr i64, ptr %share, i64 1
 store ptr %region, ptr %p1
 %p3 = getelementptr i64, ptr %share, i64 3
 store i64 0, ptr %p3
 %pbusy = getelementptr i8, ptr %region, i64 @{BUSY}
 store volatile i64 0, ptr %pbusy
 %ppending = getelementptr i8, ptr %region, i64 @{PENDING}
 store volatile i64 0, ptr %ppending
 %pcaller = getelementptr i8, ptr %job, i64 @{CALLER}
 %caller = load ptr, ptr %pcaller
 %ptop = getelementptr i8, ptr %caller, i64 @{TOP}
 %top = load ptr, ptr %ptop
 %topi = ptrtoint ptr %top to i64
 %calleri = ptrtoint ptr %caller to i64
 %room = sub i64 %topi, %calleri
 %own_top = getelementptr i8, ptr %region, i64 %room
 %pown = getelementptr i8, ptr %region, i64 @{TOP}
 store ptr %own_top, ptr %pown
 %pjob = getelementptr i8, ptr %region, i64 @{JOB}
 store volatile ptr %job, ptr %pjob
 %ppython = getelementptr i8, ptr %region, i64 @{BY_PYTHON}
 store volatile i64 %by_python, ptr %ppython
 call void @llvm.memset.p0.i64(ptr %set, i8 0, i64 @{SET_BYTES}, i1 false)
 store i64 @{ONE}, ptr %set
 %number = call i64 @lantern_number()
 %worker = icmp sge i64 %number, 0
 br i1 %worker, label %prepare, label %run
prepare:
 %ptold = getelementptr i64, ptr @lantern_told, i64 %number
 %told = atomicrmw xchg ptr %ptold, i64 0 monotonic
 %late = icmp ne i64 %told, 0
 br i1 %late, label %drain, label %open
drain:
 call void @llvm.memset.p0.i64(ptr %zero, i8 0, i64 16, i1 false)
 call i32 @sigtimedwait(ptr %set, ptr null, ptr %zero) ; of an earlier job
 br label %open
open:
 call i32 @pthread_sigmask(i32 @{UNBLOCK}, ptr %set, ptr null)
 br label %run
run:
 %status = call i32 @lantern_enter(ptr %region, ptr @lantern_parts, ptr %share)
 store volatile i64 0, ptr %ppython
 br i1 %worker, label %close, label %after
close:
 call i32 @pthread_sigmask(i32 @{BLOCK}, ptr %set, ptr null)
 br label %after
after:
 %good = icmp eq i32 %status, 0
 br i1 %good, label %give, label %failed
failed:
 call i32 @pthread_mutex_lock(ptr @lantern_mutex)
 call void @lantern_failed(ptr %job, ptr %region, ptr %share)
 call i32 @pthread_mutex_unlock(ptr @lantern_mutex)
 br label %give
give:
 store volatile ptr null, ptr %pjob
 call void @lantern_free_blocks(ptr %region)
 call void @lantern_trim(ptr %region)
 call void @lantern_give(ptr %region)
 %n = load i64, ptr %p3
 ret i64 %n
}

; A part has been left: for a fault, or because a signal ends the call. (Under the mutex.)
define internal void @lantern_failed(ptr %job, ptr %region, ptr %share) nounwind {
 %pcode = getelementptr i8, ptr %region, i64 @{CODE}
 %code = load i64, ptr %pcode
 %signal = icmp eq i64 %code, @{INTERRUPT}
 br i1 %signal, label %ended, label %fault
ended:
 call void @lantern_end(ptr %job)
 ret void
fault:
 %ppart = getelementptr i64, ptr %share, i64 2
 %part = load i64, ptr %ppart
 %pfailed = getelementptr i8, ptr %job, i64 @{FAILED}
 %first = load i64, ptr %pfailed
 %before = icmp slt i64 %part, %first
 br i1 %before, label %note, label %done
note:
 store i64 %part, ptr %pfailed
 %plast = getelementptr i8, ptr %job, i64 @{LAST}
 %last = atomicrmw min ptr %plast, i64 %part monotonic
 %pfault = getelementptr i8, ptr %job, i64 @{FAULT}
 store i64 %code, ptr %pfault
 %pfrom = getelementptr i8, ptr %region, i64 @{VALUES}
 %pto = getelementptr i8, ptr %job, i64 @{FAULT_VALUES}
 call void @llvm.memcpy.p0.p0.i64(ptr %pto, ptr %pfrom, i64 24, i1 false)
 %psite = getelementptr i8, ptr %region, i64 @{SITE}
 %site = load i64, ptr %psite
 %pat = getelementptr i8, ptr %job, i64 @{FAULT_SITE}
 store i64 %site, ptr %pat
 br label %done
done:
 ret void
}

; On a region: take parts and run them, each in an empty arena.
define internal void @lantern_parts(ptr %share) nounwind {
entry:
 %job = load ptr, ptr %share
 %p1 = getelementptr i64, ptr %share, i64 1
 %region = load ptr, ptr %p1
 %p2 = getelementptr i64, ptr %share, i64 2
 %p3 = getelementptr i64, ptr %share, i64 3
 %ptask = getelementptr i8, ptr %job, i64 @{TASK}
 %task = load ptr, ptr %ptask
 %penvironment = getelementptr i8, ptr %job, i64 @{ENVIRONMENT}
 %environment = load ptr, ptr %penvironment
 %pparts = getelementptr i8, ptr %job, i64 @{PARTS}
 %parts = load i64, ptr %pparts
 %pnext = getelementptr i8, ptr %job, i64 @{NEXT}
 %plast = getelementptr i8, ptr %job, i64 @{LAST}
 %arena = getelementptr i8, ptr %region, i64 @{ARENA_START}
 %parena = getelementptr i8, ptr %region, i64 @{ARENA}
 %low = getelementptr i8, ptr %arena, i64 @{MARGIN}
 %plimit = getelementptr i8, ptr %region, i64 @{LIMIT}
 br label %next
next:
 %part = atomicrmw add ptr %pnext, i64 1 monotonic
 %there = icmp slt i64 %part, %parts
 %last = load atomic i64, ptr %plast monotonic, align 8
 %wanted = icmp sle i64 %part, %last
 %more = and i1 %there, %wanted
 br i1 %more, label %one, label %done
one:
 store volatile i64 %part, ptr %p2
 store ptr %arena, ptr %parena
 store ptr %low, ptr %plimit
 call void %task(ptr %environment, i64 %part)
 %n = load i64, ptr %p3
 %n1 = add i64 %n, 1
 store i64 %n1, ptr %p3
 br label %next
done:
 ret void
}

; Take a job out of the list: no worker comes any more. (Under the mutex.)
define internal void @lantern_unpost(ptr %job) nounwind {
entry:
 br label %next
next:
 %p = phi ptr [@lantern_jobs, %entry], [%plink, %other]
 %at = load ptr, ptr %p
 %plink = getelementptr i8, ptr %at, i64 @{LINK}
 %here = icmp eq ptr %at, %job
 br i1 %here, label %out, label %other
other:
 br label %next
out:
 %following = load ptr, ptr %plink
 store ptr %following, ptr %p
 ret void
}

; A signal ends the call that waits for this job: no part begins any more, and workers leave those that they are at, by a SIGINT, unless
; somebody else handles that. (A signal handler may call it.)
define internal void @lantern_end(ptr %job) nounwind {
entry:
 %action = alloca [@{ACTION_BYTES} x i8], align 8
 %pended = getelementptr i8, ptr %job, i64 @{ENDED}
 store volatile i64 1, ptr %pended
 %plast = getelementptr i8, ptr %job, i64 @{LAST}
 store atomic i64 -1, ptr %plast seq_cst, align 8
 call i32 @sigaction(i32 @{SIGINT}, ptr null, ptr %action)
 %handler = load ptr, ptr %action
 %ours = icmp eq ptr %handler, @lantern_on_signal
 br i1 %ours, label %count, label %done
count:
 %n = load atomic i64, ptr @lantern_workers acquire, align 8
 br label %next
next:
 %i = phi i64 [0, %count], [%i1, %other]
 %more = icmp slt i64 %i, %n
 br i1 %more, label %look, label %done
look:
 %pat = getelementptr ptr, ptr @lantern_at, i64 %i
 %at = load atomic ptr, ptr %pat acquire, align 8
 %here = icmp eq ptr %at, %job
 br i1 %here, label %call, label %other
call:
 %pid = getelementptr i64, ptr @lantern_worker_ids, i64 %i
 %id = load i64, ptr %pid
 %ptold = getelementptr i64, ptr @lantern_told, i64 %i
 store atomic i64 1, ptr %ptold monotonic, align 8
 call i32 @pthread_kill(i64 %id, i32 @{SIGINT})
 br label %other
other:
 %i1 = add i64 %i, 1
 br label %next
done:
 ret void
}

; The number of this thread in the pool; -1: it is another. (A signal handler may ask.)
define internal i64 @lantern_number() nounwind {
entry:
 %me = call i64 @pthread_self()
 %n = load atomic i64, ptr @lantern_workers acquire, align 8
 br label %next
next:
 %i = phi i64 [0, %entry], [%i1, %other]
 %more = icmp slt i64 %i, %n
 br i1 %more, label %look, label %no
look:
 %pid = getelementptr i64, ptr @lantern_worker_ids, i64 %i
 %id = load i64, ptr %pid
 %same = icmp eq i64 %id, %me
 br i1 %same, label %yes, label %other
other:
 %i1 = add i64 %i, 1
 br label %next
yes:
 ret i64 %i
no:
 ret i64 -1
}

; ---- parts with a way back: their frames and arrays stay on a region of their own until then

; In a part, on the region %here: run a function on a new region until it pauses or ends. The region is lent by the call, and in this slot.
define void @lantern_start(ptr %here, ptr %slot, ptr %function, ptr %argument) nounwind {
 %pbusy = getelementptr i8, ptr %here, i64 @{BUSY}
 store volatile i64 1, ptr %pbusy
 %region = call ptr @lantern_take()
 %none = icmp eq ptr %region, null
 br i1 %none, label %poor, label %lend
poor:
 store volatile i64 0, ptr %pbusy
 %pcode = getelementptr i8, ptr %here, i64 @{CODE}
 store i64 @{MEMORY}, ptr %pcode
 %psite = getelementptr i8, ptr %here, i64 @{SITE}
 store i64 0, ptr %psite
 call void @lantern_abort(ptr %here)
 unreachable
lend:
 %arena = getelementptr i8, ptr %region, i64 @{ARENA_START}
 %parena = getelementptr i8, ptr %region, i64 @{ARENA}
 store ptr %arena, ptr %parena
 %low = getelementptr i8, ptr %arena, i64 @{MARGIN}
 %plimit = getelementptr i8, ptr %region, i64 @{LIMIT}
 store ptr %low, ptr %plimit
 store ptr %region, ptr %slot
 %pjob = getelementptr i8, ptr %here, i64 @{JOB}
 %job = load ptr, ptr %pjob
 %alone = icmp eq ptr %job, null
 %pcaller = getelementptr i8, ptr %job, i64 @{CALLER}
 %place = select i1 %alone, ptr %slot, ptr %pcaller
 %read = load ptr, ptr %place
 %caller = select i1 %alone, ptr %here, ptr %read
 %plent = getelementptr i8, ptr %caller, i64 @{LENT}
 %pnext = getelementptr i8, ptr %region, i64 @{NEXT_LENT}
 call i32 @pthread_mutex_lock(ptr @lantern_mutex)
 %first = load ptr, ptr %plent
 store ptr %first, ptr %pnext
 store ptr %region, ptr %plent
 call i32 @pthread_mutex_unlock(ptr @lantern_mutex)
 call void @lantern_lend(ptr %here, ptr %region)
 store volatile i64 0, ptr %pbusy
 %ppending = getelementptr i8, ptr %here, i64 @{PENDING}
 %pending = load volatile i64, ptr %ppending
 %stop = icmp ne i64 %pending, 0
 br i1 %stop, label %interrupted, label %run
interrupted:
 %pcode2 = getelementptr i8, ptr %here, i64 @{CODE}
 store i64 @{INTERRUPT}, ptr %pcode2
 call void @lantern_abort(ptr %here)
 unreachable
run:
 %status = call i32 @lantern_enter(ptr %region, ptr %function, ptr %argument)
 call void @lantern_after(ptr %here, ptr %region, i32 %status)
 ret void
}

; In a part, on the region %here: run a function on the region in this slot, where there is what an earlier one has left in the arena.
define void @lantern_again(ptr %here, ptr %slot, ptr %function, ptr %argument) nounwind {
 %region = load ptr, ptr %slot
 call void @lantern_lend(ptr %here, ptr %region)
 %status = call i32 @lantern_enter(ptr %region, ptr %function, ptr %argument)
 call void @lantern_after(ptr %here, ptr %region, i32 %status)
 ret void
}

; In a part, on the region %here: let what has paused go on to its end.
define void @lantern_go_on(ptr %here, ptr %slot) nounwind {
 %region = load ptr, ptr %slot
 call void @lantern_lend(ptr %here, ptr %region)
 %status = call i32 @lantern_resume(ptr %region)
 call void @lantern_after(ptr %here, ptr %region, i32 %status)
 ret void
}

; What runs on %region is a part of the job that %here is at.
define internal void @lantern_lend(ptr %here, ptr %region) nounwind {
 %pbusy = getelementptr i8, ptr %region, i64 @{BUSY}
 store volatile i64 0, ptr %pbusy
 %ppending = getelementptr i8, ptr %region, i64 @{PENDING}
 store volatile i64 0, ptr %ppending
 %ptop = getelementptr i8, ptr %here, i64 @{TOP}
 %top = load i64, ptr %ptop
 %from = ptrtoint ptr %here to i64
 %room = sub i64 %top, %from
 %own = getelementptr i8, ptr %region, i64 %room
 %pown = getelementptr i8, ptr %region, i64 @{TOP}
 store ptr %own, ptr %pown
 %p1 = getelementptr i8, ptr %here, i64 @{JOB}
 %v1 = load i64, ptr %p1
 %q1 = getelementptr i8, ptr %region, i64 @{JOB}
 store volatile i64 %v1, ptr %q1
 %p2 = getelementptr i8, ptr %here, i64 @{BEGAN}
 %v2 = load i64, ptr %p2
 %q2 = getelementptr i8, ptr %region, i64 @{BEGAN}
 store volatile i64 %v2, ptr %q2
 %p3 = getelementptr i8, ptr %here, i64 @{PATIENCE}
 %v3 = load i64, ptr %p3
 %q3 = getelementptr i8, ptr %region, i64 @{PATIENCE}
 store volatile i64 %v3, ptr %q3
 %p4 = getelementptr i8, ptr %here, i64 @{BY_PYTHON}
 %v4 = load i64, ptr %p4
 %q4 = getelementptr i8, ptr %region, i64 @{BY_PYTHON}
 store volatile i64 %v4, ptr %q4
 ret void
}

; It has paused, or come to its end, or failed: then so does this part.
define internal void @lantern_after(ptr %here, ptr %region, i32 %status) nounwind {
 %ppython = getelementptr i8, ptr %region, i64 @{BY_PYTHON}
 store volatile i64 0, ptr %ppython
 %pjob = getelementptr i8, ptr %region, i64 @{JOB}
 store volatile ptr null, ptr %pjob
 %failed = icmp eq i32 %status, 1
 br i1 %failed, label %bad, label %good
bad:
 %pcode = getelementptr i8, ptr %region, i64 @{CODE}
 %code = load i64, ptr %pcode
 %pto = getelementptr i8, ptr %here, i64 @{CODE}
 store i64 %code, ptr %pto
 %pvalues = getelementptr i8, ptr %region, i64 @{VALUES}
 %ptold = getelementptr i8, ptr %here, i64 @{VALUES}
 call void @llvm.memcpy.p0.p0.i64(ptr %ptold, ptr %pvalues, i64 24, i1 false)
 %psite = getelementptr i8, ptr %region, i64 @{SITE}
 %site = load i64, ptr %psite
 %pat = getelementptr i8, ptr %here, i64 @{SITE}
 store i64 %site, ptr %pat
 call void @lantern_abort(ptr %here)
 unreachable
good:
 ret void
}

; All parts have come to their ends: their regions are idle, down to one that was lent before.
define void @lantern_ended(ptr %region, ptr %until) nounwind {
 %pbusy = getelementptr i8, ptr %region, i64 @{BUSY}
 store volatile i64 1, ptr %pbusy
 call void @lantern_dismiss(ptr %region, ptr %until)
 store volatile i64 0, ptr %pbusy
 %ppending = getelementptr i8, ptr %region, i64 @{PENDING}
 %pending = load volatile i64, ptr %ppending
 %stop = icmp ne i64 %pending, 0
 br i1 %stop, label %interrupted, label %done
interrupted:
 %pcode = getelementptr i8, ptr %region, i64 @{CODE}
 store i64 @{INTERRUPT}, ptr %pcode
 call void @lantern_abort(ptr %region)
 unreachable
done:
 ret void
}

; The process ends: so do workers. Those that are at a job, of a thread that Python does not wait for, end with the process.
define void @lantern_join() nounwind {
entry:
 call i32 @pthread_mutex_lock(ptr @lantern_mutex)
 store i64 1, ptr @lantern_leave
 call i32 @pthread_cond_broadcast(ptr @lantern_come)
 br label %next
next:
 %i = phi i64 [0, %entry], [%i1, %other]
 %n = load i64, ptr @lantern_workers
 %more = icmp slt i64 %i, %n
 br i1 %more, label %look, label %done
look:
 %pat = getelementptr ptr, ptr @lantern_at, i64 %i
 %at = load ptr, ptr %pat
 %rests = icmp eq ptr %at, null
 br i1 %rests, label %join, label %other
join:
 %pid = getelementptr i64, ptr @lantern_worker_ids, i64 %i
 %id = load i64, ptr %pid
 call i32 @pthread_mutex_unlock(ptr @lantern_mutex)
 call i32 @pthread_join(i64 %id, ptr null)
 call i32 @pthread_mutex_lock(ptr @lantern_mutex)
 br label %other
other:
 %i1 = add i64 %i, 1
 br label %next
done:
 call i32 @pthread_mutex_unlock(ptr @lantern_mutex)
 ret void
}

; The child of a fork has its one thread: everything is as before the first job.
define void @lantern_forked() nounwind {
 call void @llvm.memset.p0.i64(ptr @lantern_mutex, i8 0, i64 128, i1 false)
 call void @llvm.memset.p0.i64(ptr @lantern_come, i8 0, i64 128, i1 false)
 call void @llvm.memset.p0.i64(ptr @lantern_over, i8 0, i64 128, i1 false)
 store ptr null, ptr @lantern_jobs
 store atomic i64 0, ptr @lantern_workers release, align 8
 ret void
}
