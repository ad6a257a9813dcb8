/* SPDX-License-Identifier: MIT */
/*
 * In and out of the engine.
 *
 * A program may take SIGALRM inside our pwrite and call pwrite again from the handler, on the same
 * thread, so signals are blocked around everything that takes a lock: all but SIGSEGV and SIGBUS,
 * which a guarded copy raises on purpose. Cancellation is held off for the same reason.
 * The gate is held for reading meanwhile; fork takes it for writing.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <ioas/guard.h>
#include <ioas/run.h>
#include "preload.h"
#include "real.h"

struct door door = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.machine_mtx = PTHREAD_MUTEX_INITIALIZER,
	.gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP,
	.lock_fd = -1,
	.fault_fd = -1,
	.trace_fd = -1,
};
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
	if (unlikely(!atomic_load_explicit(door.alive, memory_order_relaxed)))
		owner_lone_child();
	return getpid() == door.pid;
}

bool door_enter_masked(struct door_call *call)
{
	call->err = errno;
	if (!door_own())
		return false;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &call->cancel);
	pthread_rwlock_rdlock(&door.gate);
	door_inside++;
	return true;
}

void door_leave_masked(struct door_call *call)
{
	door_inside--;
	pthread_rwlock_unlock(&door.gate);
	pthread_setcancelstate(call->cancel, NULL);
	errno = call->err;
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
	door.alive = page;
	return 0;
}

/* What failed may be tried again: each step is done once. */
static int activate(void)
{
	int rc = door.alive ? 0 : watch_forks();

	if (rc)
		return rc;
	atomic_store(door.alive, 1);
	door.pid = getpid();
	caller_init(&door.caller);
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
