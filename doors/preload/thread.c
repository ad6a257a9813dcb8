/* SPDX-License-Identifier: MIT */
/*
 * Threads: what others have to know of one that is in the engine, and threads of the engine itself.
 *
 * A thread writes its own record with plain stores. Who must know what it does (fork, the last
 * close of an object, pthread_cancel) first stores what the thread will look at, then has every
 * running thread pass a barrier (membarrier), then reads the records: so it is the rare side that
 * pays.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include "preload.h"
#include "real.h"
#include "wrap.h"

#define SLAB_LEN 4096ul
#define FIRST_NR 8
#define SPINS	 256

__thread struct door_thread *door_self;

static struct door_thread first[FIRST_NR]; /* so that most programs need no more */
static struct door_thread *_Atomic all;
static pthread_key_t key;

/* The destructor: the record is free for another thread. */
static void end(void *arg)
{
	struct door_thread *self = arg;

	door_self = NULL;
	atomic_store_explicit(&self->taken, false, memory_order_release);
}

static void publish(struct door_thread *slab, size_t nr)
{
	struct door_thread *head = atomic_load(&all);

	for (size_t i = 1; i < nr; i++)
		slab[i - 1].next = &slab[i];
	do
		slab[nr - 1].next = head;
	while (!atomic_compare_exchange_weak(&all, &head, slab));
}

int thread_init(void)
{
	static bool done;
	int rc = done ? 0 : -pthread_key_create(&key, end);

	if (!rc && !done)
		publish(first, FIRST_NR);
	done |= !rc;
	return rc;
}

static struct door_thread *take(void)
{
	struct door_thread *at = atomic_load(&all);

	for (; at; at = at->next)
		if (!atomic_load_explicit(&at->taken, memory_order_relaxed) &&
		    !atomic_exchange(&at->taken, true))
			return at;
	return NULL;
}

static struct door_thread *take_or_make(void)
{
	struct door_thread *self;
	void *slab;

	while (!(self = take())) {
		slab = real.mmap(NULL, SLAB_LEN, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (slab == MAP_FAILED)
			return NULL;
		publish(slab, SLAB_LEN / sizeof(*self));
	}
	return self;
}

/* A handler that came between would take another one. */
struct door_thread *thread_self(void)
{
	struct door_thread *self = door_self;
	sigset_t all_but, old;

	if (likely(self != NULL))
		return self;
	sigfillset(&all_but);
	sigdelset(&all_but, SIGSEGV);
	sigdelset(&all_but, SIGBUS);
	real.pthread_sigmask(SIG_SETMASK, &all_but, &old);
	self = door_self ?: take_or_make();
	if (self && !door_self) {
		atomic_store(&self->thread, pthread_self());
		atomic_store(&self->cancel, 0);
		self->creds.seen = 0;
		self->errno_at = &errno;
		self->held = false;
		door_self = self;
		pthread_setspecific(key, self);
	}
	real.pthread_sigmask(SIG_SETMASK, &old, NULL);
	return self;
}

bool thread_uses(const struct door_obj *obj)
{
	for (struct door_thread *at = atomic_load(&all); at; at = at->next)
		if (atomic_load(&at->obj) == obj)
			return true;
	return false;
}

void thread_wait(void)
{
	struct timespec nap = {.tv_nsec = 50000};

	for (struct door_thread *at = atomic_load(&all); at; at = at->next)
		for (unsigned round = 0; at != door_self && atomic_load(&at->inside); round++) {
			if (round < SPINS)
				sched_yield();
			else
				nanosleep(&nap, NULL);
		}
}

void thread_child(void)
{
	creds_changed(); /* a clone may have become another user */
	for (struct door_thread *at = atomic_load(&all); at; at = at->next) {
		if (at == door_self)
			continue;
		atomic_store(&at->inside, 0);
		atomic_store(&at->obj, NULL);
		atomic_store(&at->taken, false);
	}
}

void thread_out(struct door_thread *self)
{
	if (self->held)
		signal_release(self);
	if (atomic_exchange(&self->cancel, 0) == pthread_self())
		real.pthread_cancel(pthread_self());
}

/*
 * The engine must not end in its middle. A thread that came in before the first cancellation holds
 * none off: it is asked to cancel itself when it is out. Whoever takes the request back does it.
 */
int pthread_cancel(pthread_t thread)
{
	struct door_thread *at;

	real_need();
	if (!atomic_load_explicit(&door.active, memory_order_acquire) || !door_own())
		return real.pthread_cancel(thread);
	door_hold(HOLD_CANCEL);
	for (at = atomic_load(&all); at; at = at->next)
		if (atomic_load(&at->taken) && pthread_equal(atomic_load(&at->thread), thread))
			break;
	if (!at || !atomic_load(&at->inside))
		return real.pthread_cancel(thread);
	atomic_store(&at->cancel, thread);
	door_barrier();
	if (!atomic_load(&at->inside) && atomic_exchange(&at->cancel, 0) == thread)
		return real.pthread_cancel(thread);
	return 0;
}

struct start {
	void *(*run)(void *);
	void *arg;
};

static void *inside(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	door_inside = 1;
	return start.run(start.arg);
}

/* Whoever starts a thread from inside the engine is the engine. A new thread takes over the mask.
 */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	struct start *start;
	sigset_t set, old;
	int rc;

	real_need();
	if (!door_inside)
		return real.pthread_create(thread, attr, run, arg);
	start = malloc(sizeof(*start));
	if (!start)
		return EAGAIN;
	*start = (struct start){run, arg};
	sigfillset(&set);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGBUS);
	real.pthread_sigmask(SIG_SETMASK, &set, &old);
	rc = real.pthread_create(thread, attr, inside, start);
	real.pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		free(start);
	return rc;
}
