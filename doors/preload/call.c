/* SPDX-License-Identifier: MIT */
/*
 * In and out of the engine.
 *
 * A program may take SIGALRM inside our pwrite and call pwrite again from the handler, on the same
 * thread, so signals are blocked around everything that takes a lock: all but SIGSEGV and SIGBUS,
 * which a guarded copy raises on purpose.
 *
 * The short way in is one store, that this thread is inside, and one load, that nothing is the
 * matter. What may be the matter (door.hold) shuts it: fork waits until nobody is inside; once the
 * program cancels threads, cancellation is held off for each call; a child of vfork or fork, whose
 * engine this is not, is found out by its number.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ioas/guard.h>
#include <ioas/run.h>
#include "preload.h"
#include "real.h"

static struct door_page shut;				     /* until the door is active */
static pthread_mutex_t hold_mtx = PTHREAD_MUTEX_INITIALIZER; /* innermost */

struct door door = {
	.page = &shut,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.machine_mtx = PTHREAD_MUTEX_INITIALIZER,
	.fork_mtx = PTHREAD_MUTEX_INITIALIZER,
	.lock_fd = -1,
	.fault_fd = -1,
	.trace_fd = -1,
};
__thread int door_vforks;
__thread int door_inside;
__thread struct machine *door_machine;

static void block_signals(sigset_t *old)
{
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGBUS);
	real.pthread_sigmask(SIG_SETMASK, &set, old);
}

/*
 * A child of vfork shares our memory and has its own descriptors: it must change nothing here. A
 * child that fork handlers did not see (clone, _Fork) has a wiped page.
 */
bool door_own(void)
{
	if (unlikely(!atomic_load_explicit(&door.page->alive, memory_order_relaxed)))
		owner_lone_child();
	return (likely(!door_vforks) && !(atomic_load(&door.hold) & HOLD_TWINS)) ||
	       getpid() == door.pid;
}

void door_barrier(void)
{
	if (atomic_load(&door.hold) & HOLD_FENCE)
		atomic_thread_fence(memory_order_seq_cst);
	else
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/* (hold_mtx) */
static void set_quick(void)
{
	atomic_store(&door.page->quick, atomic_load(&door.active) && !atomic_load(&door.hold));
}

void door_hold(uint32_t reason)
{
	sigset_t mask;

	block_signals(&mask);
	pthread_mutex_lock(&hold_mtx);
	if (!(atomic_fetch_or(&door.hold, reason) & reason)) {
		set_quick();
		door_barrier();
	}
	pthread_mutex_unlock(&hold_mtx);
	real.pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

void door_unhold(uint32_t reason)
{
	sigset_t mask;

	block_signals(&mask);
	pthread_mutex_lock(&hold_mtx);
	atomic_fetch_and(&door.hold, ~reason);
	set_quick();
	pthread_mutex_unlock(&hold_mtx);
	real.pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

void door_fork_begin(void)
{
	pthread_mutex_lock(&door.fork_mtx);
	door_hold(HOLD_FORK);
	thread_wait();
}

void door_fork_end(void)
{
	door_unhold(HOLD_FORK);
	pthread_mutex_unlock(&door.fork_mtx);
}

void door_child(void)
{
	pthread_mutex_init(&hold_mtx, NULL);
	pthread_mutex_init(&door.fork_mtx, NULL);
	thread_child();
	door.pid = getpid();
	atomic_store(&door.page->alive, 1);
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		atomic_fetch_or(&door.hold, HOLD_FENCE);
	door_unhold(HOLD_FORK | HOLD_TWINS);
}

static void come_in(struct door_thread *self, uint32_t inside)
{
	atomic_store_explicit(&self->inside, inside, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/*
 * The type as well: glibc's handler of an asynchronous cancellation that is on its way does not ask
 * whether cancellation has been disabled meanwhile.
 */
static void hold_cancellation(struct door_call *call)
{
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &call->cancel_type);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &call->cancel);
}

static void allow_cancellation(const struct door_call *call)
{
	pthread_setcancelstate(call->cancel, NULL);
	pthread_setcanceltype(call->cancel_type, NULL);
}

/* Nobody comes in while a thread forks, but who is in already may come in again. */
static bool long_way(struct door_call *call, uint32_t inside)
{
	struct door_thread *self = call->self;

	for (;;) {
		come_in(self, inside);
		if (!door_own())
			return false;
		hold_cancellation(call);
		come_in(self, inside + 1);
		atomic_thread_fence(memory_order_seq_cst);
		if (inside || !(atomic_load(&door.hold) & HOLD_FORK))
			return true;
		come_in(self, inside);
		pthread_mutex_lock(&door.fork_mtx);
		pthread_mutex_unlock(&door.fork_mtx);
		allow_cancellation(call);
	}
}

bool door_enter_masked(struct door_call *call)
{
	struct door_thread *self = thread_self();
	uint32_t inside;

	if (unlikely(!self))
		return false;
	call->err = errno;
	call->self = self;
	inside = atomic_load_explicit(&self->inside, memory_order_relaxed);
	come_in(self, inside + 1);
	call->quick = atomic_load_explicit(&door.page->quick, memory_order_relaxed) && !door_vforks;
	if (unlikely(!call->quick) && !long_way(call, inside))
		return false;
	door_inside++;
	return true;
}

void door_leave_masked(struct door_call *call)
{
	struct door_thread *self = call->self;

	door_inside--;
	atomic_store_explicit(&self->inside,
			      atomic_load_explicit(&self->inside, memory_order_relaxed) - 1,
			      memory_order_release);
	errno = call->err;
	if (unlikely(!call->quick))
		allow_cancellation(call);
	if (unlikely(atomic_load_explicit(&self->cancel, memory_order_relaxed)))
		thread_out(self);
}

bool door_enter(struct door_call *call)
{
	if (unlikely(!atomic_load_explicit(&door.active, memory_order_acquire)) && door_activate())
		return false;
	block_signals(&call->mask);
	if (door_enter_masked(call))
		return true;
	real.pthread_sigmask(SIG_SETMASK, &call->mask, NULL);
	return false;
}

void door_leave(struct door_call *call)
{
	door_leave_masked(call);
	real.pthread_sigmask(SIG_SETMASK, &call->mask, NULL);
}

long door_result(long rc)
{
	if (rc >= 0)
		return rc;
	errno = (int)-rc;
	return -1;
}

/* A page that is all zero in a child, whoever made it. */
static int watch_forks(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (page == MAP_FAILED)
		return -errno;
	if (madvise(page, 4096, MADV_WIPEONFORK)) {
		rc = -errno;
		munmap(page, 4096);
		return rc;
	}
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		atomic_fetch_or(&door.hold, HOLD_FENCE);
	door.page = page;
	return 0;
}

/* What failed may be tried again: each step is done once. */
static int activate(void)
{
	int rc = door.page != &shut ? 0 : watch_forks();

	if (rc)
		return rc;
	atomic_store(&door.page->alive, 1);
	door.pid = getpid();
	caller_init(&door.caller);
	rc = thread_init();
	if (!rc)
		rc = owner_init();
	if (!rc)
		rc = signal_init();
	if (!rc)
		ioas_guard_enable(true);
	return rc;
}

int door_activate(void)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	sigset_t mask;
	int rc = 0;

	if (!door.run)
		return -ENODEV;
	block_signals(&mask);
	pthread_mutex_lock(&once);
	if (!atomic_load(&door.active)) {
		door_inside++;
		rc = activate();
		door_inside--;
		if (rc)
			door_say("cannot start in %s: %s", door.run, strerror(-rc));
		else
			atomic_store_explicit(&door.active, true, memory_order_release);
		door_unhold(0); /* quick from now on, if it can be */
	}
	pthread_mutex_unlock(&once);
	real.pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return rc;
}

bool door_selftest(void)
{
	static _Atomic int known; /* 0: not asked yet, 1: no, 2: yes */
	int is = atomic_load_explicit(&known, memory_order_relaxed);
	char path[PATH_LEN];
	int err = errno;

	if (!is && door.run) {
		snprintf(path, sizeof(path), "%s/" IOAS_RUN_SELFTEST, door.run);
		is = real.access(path, F_OK) ? 1 : 2;
		atomic_store_explicit(&known, is, memory_order_relaxed);
		errno = err;
	}
	return is == 2;
}

void door_say(const char *fmt, ...)
{
	char line[320] = "ioas: ";
	int err = errno;
	size_t len = 6;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	if (n > 0)
		len += (size_t)n < sizeof(line) - len - 2 ? (size_t)n : sizeof(line) - len - 2;
	line[len++] = '\n';
	if (real.write(STDERR_FILENO, line, len) < 0)
		errno = err; /* nobody listens */
	errno = err;
}
