/* SPDX-License-Identifier: MIT */
/*
 * The engine's locks, each with a rank: the lock order of src/iommu.h, as numbers.
 *
 * In debug builds (meson's lock-order option) each lock and wait of the engine and the models is
 * checked against what the thread holds. A thread that takes a lock of a lower rank than one that
 * it holds is ended there, with the names of both, whether or not another thread is there to
 * deadlock with. Other builds have the plain calls.
 *
 * The same end has a thread that waits for those in flight while it is in flight itself, as a model
 * does that unmaps inside a batch.
 *
 * They also find what is written without the lock that protects it, with one thread and at any
 * speed: lock_guards says which bytes beside a lock are the lock's, whose sum is taken as it is
 * given back and compared as it is taken the next time. And lock_must_hold stands where the caller
 * has to hold one.
 *
 * The check needs no memory: rank, bytes and sum are kept in the lock itself, where glibc has room
 * that it uses for other kinds of lock only. Locks that nobody gave a rank (a test's) are not
 * checked.
 */
#ifndef UTIL_LOCK_H
#define UTIL_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* The outermost first. Those of one line are never held together. */
enum lock_rank {
	LOCK_UNRANKED,
	LOCK_VFIO,	  /* uapi: groups, and who has opened what */
	LOCK_PCI_CONTROL, /* a function's config space, BARs and power */
	LOCK_CONTAINER,	  /* VFIO type1 */
	LOCK_NEST,	  /* space: spaces nested in software */
	LOCK_MOVING,	  /* an access is replaced */
	LOCK_TEST_ACCESS, /* IOMMU_TEST_CMD: an access' pins */
	LOCK_CTX,	  /* obj: who needs which */
	LOCK_PCI_BUS,	  /* functions by requester ID */
	LOCK_SET,	  /* route: a share set */
	LOCK_WIDE,	  /* route: the set of machine-wide PASIDs */
	LOCK_SHARED,	  /* route: tables of shared queues */
	LOCK_DMABUFS,	  /* the list of spaces that have shown dma-bufs */
	LOCK_ACCESS,	  /* space: where an access is attached */
	LOCK_DIRTY,	  /* obj: who reads a page table's dirty bits */
	LOCK_SPACE,	  /* several at once, in the order of their ids */
	LOCK_PAGES,	  /* pages that several areas share */
	LOCK_IDS,	  /* obj: the table of ids */
	LOCK_ATS_TURN,	  /* tlp: who takes translations back from a device */
	LOCK_MODEL,	  /* a model's own */
	LOCK_TABLE,	  /* route: devices by requester ID */
	LOCK_ATC,	  /* tlp: a device's cache of translations */
	LOCK_PRI_SERVER,  /* tlp: who serves a device's page requests */
	LOCK_REQUESTS,	  /* obj: where they go */
	LOCK_QUEUE_READ,  /* obj: who takes events out of a queue */
	LOCK_PINS,	  /* mem: the physical map, and pinned memory of a program */
	LOCK_INFLIGHT,	  /* tlp: the list of issuers, and who waits for them */
	LOCK_EVENTS,	  /* obj: the queues of events of a viommu */
	LOCK_ATS,	  /* tlp: what a device has been handed out */
	LOCK_ATS_TABLES,  /* tlp: who holds something of which page table */
	LOCK_PRI,	  /* tlp: page requests of a device */
	LOCK_QUEUE,	  /* obj: page requests, or events */
	LOCK_ACCESS_PINS, /* space: what an access has pinned */
	LOCK_PCI_WATCH,	  /* whether a program's mapping of a BAR shows memory */
	LOCK_PCI_IRQ,	  /* a function's interrupts */
	LOCK_CHECK,	  /* tlp: what was written, for --check-dirty */
	LOCK_CHECK_STALE, /* tlp: what a guest may have cached */
	LOCK_FAULTS,	  /* tlp: the fault log */
	LOCK_ACCOUNT,	  /* mem: who pays */
	LOCK_FILES,	  /* mem: files that are mapped */
	LOCK_POOL,	  /* memory for pages, pieces, nodes */
	LOCK_RANKS,
};

#ifdef IOAS_LOCK_ORDER

void lock_init(pthread_mutex_t *lock, enum lock_rank rank);
void lock_init_rw(pthread_rwlock_t *lock, enum lock_rank rank);
void lock_rank(pthread_mutex_t *lock, enum lock_rank rank);
void lock_guards(pthread_mutex_t *lock, const void *from, const void *to);
void lock_guards_rw(pthread_rwlock_t *lock, const void *from, const void *to);
void lock_must_hold(const pthread_mutex_t *lock);
void lock_enter(enum lock_rank rank);
void lock_leave(enum lock_rank rank);
int lock_take(pthread_mutex_t *lock);
int lock_give(pthread_mutex_t *lock);
int lock_take_read(pthread_rwlock_t *lock);
int lock_take_write(pthread_rwlock_t *lock);
int lock_give_rw(pthread_rwlock_t *lock);
int lock_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int lock_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until);
void *lock_self(void);
void lock_not_of(const void *self);

/* The engine's calls come here; lock.c says (pthread_mutex_lock)(...) to make the real ones. */
#define pthread_mutex_lock(lock)		  lock_take(lock)
#define pthread_mutex_unlock(lock)		  lock_give(lock)
#define pthread_rwlock_rdlock(lock)		  lock_take_read(lock)
#define pthread_rwlock_wrlock(lock)		  lock_take_write(lock)
#define pthread_rwlock_unlock(lock)		  lock_give_rw(lock)
#define pthread_cond_wait(cond, lock)		  lock_wait(cond, lock)
#define pthread_cond_timedwait(cond, lock, until) lock_wait_until(cond, lock, until)

#else

/* As pthread_mutex_init and pthread_rwlock_init, of locks that are taken in this order. */
static inline void lock_init(pthread_mutex_t *lock, enum lock_rank rank)
{
	pthread_mutex_init(lock, NULL);
}

static inline void lock_init_rw(pthread_rwlock_t *lock, enum lock_rank rank)
{
	pthread_rwlock_init(lock, NULL);
}

/* Another rank, before it is first taken. */
static inline void lock_rank(pthread_mutex_t *lock, enum lock_rank rank)
{
}

/*
 * The bytes from..to, `to` not included, change only with the lock held (of the rwlock: for
 * writing). They lie in the same struct; fewer than 16 MiB (of the rwlock 4 KiB) before or behind
 * it. One range a lock. To be said again after a change without the lock, of what no other thread
 * knows.
 */
static inline void lock_guards(pthread_mutex_t *lock, const void *from, const void *to)
{
}

static inline void lock_guards_rw(pthread_rwlock_t *lock, const void *from, const void *to)
{
}

/* The caller's contract: this thread holds it. (Any of its rank will do.) */
static inline void lock_must_hold(const pthread_mutex_t *lock)
{
}

/* Of what is no lock of the C library's, but taken (before) and given back like one. */
static inline void lock_enter(enum lock_rank rank)
{
}

static inline void lock_leave(enum lock_rank rank)
{
}

/* The thread's own, which no other has at that time. NULL where nothing is checked. */
static inline void *lock_self(void)
{
	return NULL;
}

/* It is about to wait for who said so, in flight: for itself it would for ever. */
static inline void lock_not_of(const void *self)
{
}

#endif

#endif
