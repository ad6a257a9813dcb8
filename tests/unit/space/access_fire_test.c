/* SPDX-License-Identifier: MIT */
/*
 * Description: one thread maps, gives up memory, attaches tables and unmaps while others copy, pin
 * and lend: UNMAP comes to its end, and what it returned no access touches again.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <ioas/access.h>
#include <ioas/door.h>
#include "space/space.h"

#define PAGE	4096ull
#define PAGES	4
#define BASE	0x100000ull
#define ROUNDS	60
#define THREADS 3

struct shooter {
	struct ioas_access *access;
	pthread_mutex_t lock; /* pinning, and letting go */
	struct ioas_access_pin *pin;
	pthread_t thread;
	_Atomic uint64_t hits;
};

static struct {
	struct ioas_iommu *iommu;
	struct ioas_space *space;
	char *mem;
	_Atomic bool stop;
	struct shooter shooters[THREADS];
} t;

static void let_go(void *arg, iova_t first, iova_t last)
{
	struct shooter *shooter = arg;

	pthread_mutex_lock(&shooter->lock);
	ioas_access_unpin(shooter->pin);
	shooter->pin = NULL;
	pthread_mutex_unlock(&shooter->lock);
}

static const struct ioas_access_ops ops = {.unmap = let_go};

/* Others write there, too, as devices may. */
static void fill(char *at, size_t len)
{
	while (len--)
		__atomic_store_n(at++, 0x11, __ATOMIC_RELAXED);
}

static void shoot_pinned(struct shooter *shooter, struct ioas_access_loan *loan)
{
	pthread_mutex_lock(&shooter->lock);
	if (!shooter->pin && ioas_access_pin(shooter->access, BASE + PAGE, 2 * PAGE,
					     IOAS_ACCESS_WRITE, &shooter->pin, NULL))
		shooter->pin = NULL;
	if (shooter->pin && !ioas_access_begin(shooter->pin, 0, 2 * PAGE, loan)) {
		for (unsigned i = 0; i < loan->iov_nr; i++)
			fill(loan->iov[i].iov_base, loan->iov[i].iov_len);
		ioas_access_end(loan);
		atomic_fetch_add(&shooter->hits, 1);
	}
	pthread_mutex_unlock(&shooter->lock);
}

static void *shoot(void *arg)
{
	static const char shells[PAGES * PAGE] = {[0 ... PAGES * PAGE - 1] = 0x11};
	struct shooter *shooter = arg;
	struct ioas_access_loan loan = {NULL};

	for (unsigned i = 0; !atomic_load(&t.stop); i++) {
		if (i % 2)
			shoot_pinned(shooter, &loan);
		else if (!ioas_access_rw(shooter->access, BASE, (void *)shells, sizeof(shells),
					 IOAS_ACCESS_WRITE, NULL))
			atomic_fetch_add(&shooter->hits, 1);
	}
	ioas_access_loan_fini(&loan);
	return NULL;
}

static long replace(void *arg, uint64_t *to)
{
	void *got = mmap(t.mem + PAGE, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return got == MAP_FAILED ? -ENOMEM : 0;
}

static void round_of(unsigned nr)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 40};
	struct ioas_memory_change change = {
		.gone[0] = {(uintptr_t)t.mem + PAGE, (uintptr_t)t.mem + 3 * PAGE},
		.call = replace,
	};
	uint64_t hits = atomic_load(&t.shooters[0].hits);
	iova_t iova = BASE;
	struct pt *pt;

	assert_int_equal(ioas_space_map(t.space, NULL, &iova, (uintptr_t)t.mem, PAGES * PAGE,
					IOAS_MAP_READ | IOAS_MAP_WRITE | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(pt_new(&config, &pt), 0);
	if (nr % 3)
		assert_int_equal(space_domain_attach(t.space, pt, NULL), 0);
	while (atomic_load(&t.shooters[0].hits) < hits + 4)
		sched_yield();
	if (nr % 2)
		assert_int_equal(ioas_memory_change(t.iommu, &change), 0);
	if (nr % 3 == 1)
		space_domain_detach(t.space, pt);
	assert_int_equal(ioas_space_unmap(t.space, BASE, BASE + PAGES * PAGE - 1, NULL, NULL), 0);
	memset(t.mem, 0, PAGES * PAGE);
	if (nr % 3 == 2)
		space_domain_detach(t.space, pt);
	pt_destroy(pt);
	sched_yield();
	for (unsigned i = 0; i < PAGES * PAGE; i++)
		assert_int_equal(t.mem[i], 0);
}

static void unmapped_memory_is_not_touched(void **state)
{
	assert_int_equal(ioas_iommu_new(NULL, &t.iommu), 0);
	assert_int_equal(ioas_space_new(t.iommu, &t.space), 0);
	t.mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	for (struct shooter *s = t.shooters; s < t.shooters + THREADS; s++) {
		pthread_mutex_init(&s->lock, NULL);
		assert_int_equal(ioas_access_new(t.iommu, &ops, s, IOAS_ACCESS_PINS, &s->access),
				 0);
		assert_int_equal(ioas_access_attach(s->access, t.space, NULL), 0);
		assert_int_equal(pthread_create(&s->thread, NULL, shoot, s), 0);
	}
	for (unsigned i = 0; i < ROUNDS; i++)
		round_of(i);
	atomic_store(&t.stop, true);
	for (struct shooter *s = t.shooters; s < t.shooters + THREADS; s++) {
		pthread_join(s->thread, NULL);
		ioas_access_destroy(s->access);
		pthread_mutex_destroy(&s->lock);
	}
	ioas_space_put(t.space);
	ioas_iommu_destroy(t.iommu);
	munmap(t.mem, PAGES * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unmapped_memory_is_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
