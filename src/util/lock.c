/* SPDX-License-Identifier: MIT */
/*
 * Debug builds: what the thread holds, by rank, and whether the next lock may follow. Counts are
 * enough, since what matters is only the innermost rank that is held.
 */
#include "util/lock.h"

#ifdef IOAS_LOCK_ORDER

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const names[LOCK_RANKS] = {
	[LOCK_VFIO] = "vfio",
	[LOCK_PCI_CONTROL] = "pci control",
	[LOCK_TEST_ACCESS] = "test access",
	[LOCK_CONTAINER] = "container",
	[LOCK_NEST] = "nested spaces",
	[LOCK_MOVING] = "moving access",
	[LOCK_CTX] = "context",
	[LOCK_SET] = "share set",
	[LOCK_WIDE] = "machine-wide set",
	[LOCK_SHARED] = "shared tables",
	[LOCK_DMABUFS] = "dma-bufs",
	[LOCK_ACCESS] = "access",
	[LOCK_DIRTY] = "a page table's dirty bits",
	[LOCK_SPACE] = "space",
	[LOCK_PAGES] = "pages",
	[LOCK_IDS] = "ids",
	[LOCK_ATS_TURN] = "turn of a device with ATS",
	[LOCK_MODEL] = "model",
	[LOCK_ATC] = "cache of translations",
	[LOCK_PRI_SERVER] = "server of page requests",
	[LOCK_REQUESTS] = "where page requests go",
	[LOCK_ATS] = "translations of a device",
	[LOCK_ATS_TABLES] = "translations by page table",
	[LOCK_PRI] = "page requests",
	[LOCK_PCI_BUS] = "pci bus",
	[LOCK_TABLE] = "route table",
	[LOCK_QUEUE_READ] = "reader of a queue",
	[LOCK_PINS] = "pins",
	[LOCK_INFLIGHT] = "in flight",
	[LOCK_EVENTS] = "queues of a viommu",
	[LOCK_QUEUE] = "queue",
	[LOCK_ACCESS_PINS] = "pins of an access",
	[LOCK_PCI_IRQ] = "pci irq",
	[LOCK_CHECK] = "written pages",
	[LOCK_CHECK_STALE] = "check of invalidations",
	[LOCK_FAULTS] = "fault log",
	[LOCK_ACCOUNT] = "account",
	[LOCK_FILES] = "files",
	[LOCK_POOL] = "pool",
};

static __thread unsigned held[LOCK_RANKS] __attribute__((tls_model("initial-exec")));

/* The rank is where a robust mutex would have its list, which ours are not. */
#ifdef __GLIBC__
static void set_rank(pthread_mutex_t *lock, enum lock_rank rank)
{
	lock->__data.__list.__next = (void *)(uintptr_t)rank;
}

static enum lock_rank rank_of(const pthread_mutex_t *lock)
{
	return (enum lock_rank)(uintptr_t)lock->__data.__list.__next;
}

static void set_rank_rw(pthread_rwlock_t *lock, enum lock_rank rank)
{
	lock->__data.__pad4 = rank;
}

static enum lock_rank rank_of_rw(const pthread_rwlock_t *lock)
{
	return (enum lock_rank)lock->__data.__pad4;
}
#else
#error "the lock-order option needs glibc"
#endif

/* Ends the program. */
static void wrong(const char *text, int len)
{
	if (write(STDERR_FILENO, text, (size_t)len) != len || len)
		__builtin_trap();
}

/* Two threads that do this may wait for one another for ever. */
static void out_of_order(unsigned rank, unsigned under)
{
	char text[160];

	wrong(text,
	      snprintf(text, sizeof(text), "uiommufd: lock order: takes \"%s\" with \"%s\" held\n",
		       names[rank], names[under]));
}

/* What it protects was not protected. */
static void not_held(unsigned rank)
{
	char text[160];

	wrong(text, snprintf(text, sizeof(text), "uiommufd: gives \"%s\" back, which is not held\n",
			     names[rank]));
}

/* Several spaces are locked together, by their ids. */
static void check(enum lock_rank rank)
{
	for (unsigned r = LOCK_RANKS - 1; r > rank; r--)
		if (held[r])
			out_of_order(rank, r);
	if (held[rank] && rank != LOCK_SPACE)
		out_of_order(rank, rank);
}

static void enter(enum lock_rank rank)
{
	if (rank == LOCK_UNRANKED)
		return;
	check(rank);
	held[rank]++;
}

static void leave(enum lock_rank rank)
{
	if (rank == LOCK_UNRANKED)
		return;
	if (!held[rank])
		not_held(rank);
	held[rank]--;
}

void lock_init(pthread_mutex_t *lock, enum lock_rank rank)
{
	pthread_mutex_init(lock, NULL);
	set_rank(lock, rank);
}

void lock_init_rw(pthread_rwlock_t *lock, enum lock_rank rank)
{
	pthread_rwlock_init(lock, NULL);
	set_rank_rw(lock, rank);
}

void lock_rank(pthread_mutex_t *lock, enum lock_rank rank)
{
	set_rank(lock, rank);
}

int lock_take(pthread_mutex_t *lock)
{
	enter(rank_of(lock));
	return (pthread_mutex_lock)(lock);
}

int lock_give(pthread_mutex_t *lock)
{
	leave(rank_of(lock));
	return (pthread_mutex_unlock)(lock);
}

int lock_take_read(pthread_rwlock_t *lock)
{
	enter(rank_of_rw(lock));
	return (pthread_rwlock_rdlock)(lock);
}

int lock_take_write(pthread_rwlock_t *lock)
{
	enter(rank_of_rw(lock));
	return (pthread_rwlock_wrlock)(lock);
}

int lock_give_rw(pthread_rwlock_t *lock)
{
	leave(rank_of_rw(lock));
	return (pthread_rwlock_unlock)(lock);
}

/* It is taken again at the end, with whatever else the thread holds by then. */
int lock_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	leave(rank_of(lock));
	enter(rank_of(lock));
	return (pthread_cond_wait)(cond, lock);
}

int lock_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until)
{
	leave(rank_of(lock));
	enter(rank_of(lock));
	return (pthread_cond_timedwait)(cond, lock, until);
}

#endif
