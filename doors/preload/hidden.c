/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of the engine, out of the program's way.
 *
 * They live at high numbers, so that the program is handed the numbers it would get without us, and
 * the interposed close functions pass them over. A bitmap by number; growing it never moves what
 * readers look at.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "preload.h"
#include "real.h"

#define BASE_MAX 960 /* stays below FD_SETSIZE, for nothing but tidiness in ls -l */
#define WORD	 64
#define TOP_NR	 4096
#define LEAF_NR	 1024 /* words in a leaf: 65,536 descriptors */

static _Atomic uint64_t *_Atomic top[TOP_NR];
static _Atomic int count;
_Atomic int hidden_low = INT_MAX;

static _Atomic uint64_t *word_of(int fd)
{
	_Atomic uint64_t *leaf;

	if (fd < 0 || fd / WORD / LEAF_NR >= TOP_NR)
		return NULL;
	leaf = atomic_load_explicit(&top[fd / WORD / LEAF_NR], memory_order_acquire);
	return leaf ? &leaf[fd / WORD % LEAF_NR] : NULL;
}

static _Atomic uint64_t *word_make(int fd)
{
	_Atomic uint64_t *leaf, *expected = NULL;
	size_t len = LEAF_NR * sizeof(*leaf);

	if (fd / WORD / LEAF_NR >= TOP_NR)
		return NULL;
	if (!word_of(fd)) {
		leaf = real.mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				 0);
		if (leaf == MAP_FAILED)
			return NULL;
		if (!atomic_compare_exchange_strong(&top[fd / WORD / LEAF_NR], &expected, leaf))
			real.munmap((void *)leaf, len);
	}
	return word_of(fd);
}

/* Where hidden numbers begin. */
static int base(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	return limit.rlim_cur > BASE_MAX + 64 ? BASE_MAX
					      : (int)(limit.rlim_cur - limit.rlim_cur / 4);
}

static int set(int fd)
{
	_Atomic uint64_t *word = word_make(fd);
	int low = atomic_load(&hidden_low);

	if (!word)
		return -ENOMEM;

	while (fd < low && !atomic_compare_exchange_weak(&hidden_low, &low, fd))
		;
	if (!(atomic_fetch_or(word, 1ull << fd % WORD) >> fd % WORD & 1))
		atomic_fetch_add(&count, 1);
	return 0;
}

int hidden_add(int fd)
{
	int high = real.fcntl(fd, F_DUPFD_CLOEXEC, base());
	int rc = high < 0 ? -errno : set(high);

	if (rc == -EMFILE) { /* nothing free up there: it stays where it is */
		rc = set(fd);
		if (!rc)
			return fd;
	}
	real.close(fd);
	if (!rc)
		return high;
	if (high >= 0)
		real.close(high);
	return rc;
}

bool hidden_look(int fd)
{
	_Atomic uint64_t *word = word_of(fd);

	return word && (atomic_load(word) >> fd % WORD & 1);
}

void hidden_del(int fd)
{
	_Atomic uint64_t *word = word_of(fd);

	if (word && (atomic_fetch_and(word, ~(1ull << fd % WORD)) >> fd % WORD & 1))
		atomic_fetch_sub(&count, 1);
}

int hidden_next(int fd)
{
	for (int left = atomic_load(&count); left && fd / WORD / LEAF_NR < TOP_NR;) {
		_Atomic uint64_t *word = word_of(fd);
		uint64_t bits;

		if (!word) {
			fd = (fd / WORD / LEAF_NR + 1) * WORD * LEAF_NR;
			continue;
		}
		bits = atomic_load(word) >> fd % WORD;
		if (bits)
			return fd + __builtin_ctzll(bits);
		fd = (fd / WORD + 1) * WORD;
	}
	return -1;
}

int hidden_move(int fd)
{
	_Atomic int *const ours[] = {&door.lock_fd, &door.fault_fd, &door.trace_fd};
	_Atomic int *holder = NULL;
	int high;

	for (size_t i = 0; !holder && i < sizeof(ours) / sizeof(ours[0]); i++)
		if (fd == atomic_load(ours[i]))
			holder = ours[i];
	if (!holder)
		return -EBUSY; /* a drive's file or an eventfd: only its user knows the number */
	high = real.fcntl(fd, F_DUPFD_CLOEXEC, base());
	if (high < 0)
		return -errno;
	if (set(high)) {
		real.close(high);
		return -ENOMEM;
	}
	atomic_store(holder, high);
	hidden_del(fd);
	real.close(fd);
	if (holder == &door.lock_fd)
		owner_relock();
	return 0;
}
