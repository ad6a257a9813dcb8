/* SPDX-License-Identifier: MIT */
/*
 * Debug builds: what the thread holds, by rank, and whether the next lock may follow. Counts are
 * enough, since what matters is only the innermost rank that is held. And of each lock that guards
 * bytes, what their sum was as it was last given back.
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
	[LOCK_PCI_WATCH] = "pci watch",
	[LOCK_PCI_IRQ] = "pci irq",
	[LOCK_CHECK] = "written pages",
	[LOCK_CHECK_STALE] = "check of invalidations",
	[LOCK_FAULTS] = "fault log",
	[LOCK_ACCOUNT] = "account",
	[LOCK_FILES] = "files",
	[LOCK_POOL] = "pool",
};

static __thread unsigned held[LOCK_RANKS] __attribute__((tls_model("initial-exec")));

/*
 * Where a robust mutex would have its list, which ours are not, and where a lock for several
 * processes has room. The sum is of all the bytes that are guarded; 0 before it is known.
 */
#ifdef __GLIBC__
static uint64_t *about(const pthread_mutex_t *lock)
{
	return (uint64_t *)&lock->__data.__list.__next;
}

static uint64_t *sum_of(pthread_mutex_t *lock)
{
	return (uint64_t *)&lock->__data.__list.__prev;
}

static unsigned *about_rw(pthread_rwlock_t *lock)
{
	return &lock->__data.__pad4;
}

static uint64_t *sum_of_rw(pthread_rwlock_t *lock)
{
	return (uint64_t *)&lock->__data.__pad2;
}
#else
#error "the lock-order option needs glibc"
#endif

/* The rank in the low byte, then where the guarded bytes begin, seen from the lock, and how many.
 */
enum { RANK_BITS = 8, PLACE_BITS = 28, PLACE_BITS_RW = 12 };

static uint64_t pack(enum lock_rank rank, int64_t at, uint64_t len, unsigned bits)
{
	const uint64_t mask = (1ull << bits) - 1;

	return rank | ((uint64_t)at & mask) << RANK_BITS | (len & mask) << (RANK_BITS + bits);
}

static enum lock_rank rank_of(const pthread_mutex_t *lock)
{
	return (enum lock_rank)(*about(lock) & 0xff);
}

static enum lock_rank rank_of_rw(pthread_rwlock_t *lock)
{
	return (enum lock_rank)(*about_rw(lock) & 0xff);
}

/* As FNV-1a, by words, whose high half comes down each time; never 0. */
static uint64_t sum(const void *lock, uint64_t place, unsigned bits)
{
	const int64_t at = (int64_t)(place << (64 - RANK_BITS - bits)) >> (64 - bits);
	const char *byte = (const char *)lock + at;
	uint64_t hash = 0xcbf29ce484222325;

	for (uint64_t left = place >> (RANK_BITS + bits), n; left; left -= n, byte += n) {
		uint64_t word = 0;

		n = left < sizeof(word) ? left : sizeof(word);
		memcpy(&word, byte, n);
		hash = (hash ^ word) * 0x100000001b3;
		hash ^= hash >> 32;
	}
	return hash | 1;
}

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

	wrong(text, snprintf(text, sizeof(text), "uiommufd: \"%s\" is not held\n", names[rank]));
}

/* Somebody had not taken it. */
static void changed(unsigned rank)
{
	char text[160];

	wrong(text,
	      snprintf(text, sizeof(text),
		       "uiommufd: what \"%s\" protects was changed without it\n", names[rank]));
}

/* Its lock_init was forgotten, and with it the check of its order. */
static void must_be_ranked(unsigned rank)
{
	static const char text[] = "uiommufd: a lock without a rank is to guard bytes\n";

	if (rank == LOCK_UNRANKED)
		wrong(text, (int)sizeof(text) - 1);
}

void *lock_self(void)
{
	return held;
}

void lock_not_of(const void *self)
{
	static const char text[] = "uiommufd: waits for those in flight, and is one of them\n";

	if (self == held)
		wrong(text, (int)sizeof(text) - 1);
}

/* The lock is held, still or again. */
static void seal(uint64_t *kept, const void *lock, uint64_t place, unsigned bits)
{
	if (place >> RANK_BITS)
		__atomic_store_n(kept, sum(lock, place, bits), __ATOMIC_RELAXED);
}

static void look(const uint64_t *kept, const void *lock, uint64_t place, unsigned bits)
{
	uint64_t was;

	if (!(place >> RANK_BITS))
		return;
	was = __atomic_load_n(kept, __ATOMIC_RELAXED);
	if (was && was != sum(lock, place, bits))
		changed(place & 0xff);
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

void lock_enter(enum lock_rank rank)
{
	if (rank == LOCK_UNRANKED)
		return;
	check(rank);
	held[rank]++;
}

void lock_leave(enum lock_rank rank)
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
	lock_rank(lock, rank);
}

void lock_init_rw(pthread_rwlock_t *lock, enum lock_rank rank)
{
	pthread_rwlock_init(lock, NULL);
	*about_rw(lock) = rank;
	*sum_of_rw(lock) = 0;
}

void lock_rank(pthread_mutex_t *lock, enum lock_rank rank)
{
	*about(lock) = rank;
	*sum_of(lock) = 0;
}

void lock_guards(pthread_mutex_t *lock, const void *from, const void *to)
{
	must_be_ranked(rank_of(lock));
	*about(lock) = pack(rank_of(lock), (const char *)from - (const char *)lock,
			    (uint64_t)((const char *)to - (const char *)from), PLACE_BITS);
	*sum_of(lock) = 0;
}

void lock_guards_rw(pthread_rwlock_t *lock, const void *from, const void *to)
{
	must_be_ranked(rank_of_rw(lock));
	*about_rw(lock) =
		(unsigned)pack(rank_of_rw(lock), (const char *)from - (const char *)lock,
			       (uint64_t)((const char *)to - (const char *)from), PLACE_BITS_RW);
	*sum_of_rw(lock) = 0;
}

void lock_must_hold(const pthread_mutex_t *lock)
{
	const enum lock_rank rank = rank_of(lock);

	if (rank != LOCK_UNRANKED && !held[rank])
		not_held(rank);
}

int lock_take(pthread_mutex_t *lock)
{
	int rc;

	lock_enter(rank_of(lock));
	rc = (pthread_mutex_lock)(lock);
	look(sum_of(lock), lock, *about(lock), PLACE_BITS);
	return rc;
}

int lock_give(pthread_mutex_t *lock)
{
	lock_leave(rank_of(lock));
	seal(sum_of(lock), lock, *about(lock), PLACE_BITS);
	return (pthread_mutex_unlock)(lock);
}

int lock_take_read(pthread_rwlock_t *lock)
{
	int rc;

	lock_enter(rank_of_rw(lock));
	rc = (pthread_rwlock_rdlock)(lock);
	look(sum_of_rw(lock), lock, *about_rw(lock), PLACE_BITS_RW);
	return rc;
}

int lock_take_write(pthread_rwlock_t *lock)
{
	int rc;

	lock_enter(rank_of_rw(lock));
	rc = (pthread_rwlock_wrlock)(lock);
	look(sum_of_rw(lock), lock, *about_rw(lock), PLACE_BITS_RW);
	return rc;
}

int lock_give_rw(pthread_rwlock_t *lock)
{
	lock_leave(rank_of_rw(lock));
	seal(sum_of_rw(lock), lock, *about_rw(lock), PLACE_BITS_RW);
	return (pthread_rwlock_unlock)(lock);
}

/* It is taken again at the end, with whatever else the thread holds by then. */
int lock_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	int rc;

	lock_leave(rank_of(lock));
	lock_enter(rank_of(lock));
	seal(sum_of(lock), lock, *about(lock), PLACE_BITS);
	rc = (pthread_cond_wait)(cond, lock);
	look(sum_of(lock), lock, *about(lock), PLACE_BITS);
	return rc;
}

int lock_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until)
{
	int rc;

	lock_leave(rank_of(lock));
	lock_enter(rank_of(lock));
	seal(sum_of(lock), lock, *about(lock), PLACE_BITS);
	rc = (pthread_cond_timedwait)(cond, lock, until);
	look(sum_of(lock), lock, *about(lock), PLACE_BITS);
	return rc;
}

#endif
