/* SPDX-License-Identifier: MIT */
/*
 * Description: under DMA at full speed through both stages, entries change: from the moment an
 * invalidation returns no byte goes to the old page; and stage 2 takes tables and data away, gives
 * them back, and no byte goes to what is not shown.
 */
#include <pthread.h>
#include <signal.h>
#include <ioas/guard.h>
#include "tests/unit/tlp/guest.h"

#define IOVA   0x7f0000000000ul
#define DATA   40
#define ROUNDS 60

static struct guest guest;

struct gunner {
	pthread_t thread;
	struct ioas_issuer *issuer;
	_Atomic bool stop;
	_Atomic uint64_t hits, misses;
};

/* As a door has it, so that words are exchanged at once, and not bit by bit by the kernel. */
static void handler(int sig, siginfo_t *info, void *ucontext)
{
	if (!ioas_guard_fixup(ucontext))
		_exit(99);
}

static int guard(void **state)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	ioas_guard_enable(true);
	return 0;
}

static void *fire(void *arg)
{
	struct gunner *gunner = arg;
	static const uint64_t shells[64] = {[0 ... 63] = 0xd1d1d1d1d1d1d1d1};

	while (!atomic_load(&gunner->stop)) {
		int rc = ioas_dma_write(gunner->issuer, IOVA + 512, shells, sizeof(shells));

		atomic_fetch_add(rc ? &gunner->misses : &gunner->hits, 1);
	}
	return NULL;
}

/* As a guest's kernel writes an entry; the walker exchanges it meanwhile. */
static void set_entry(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static uint64_t sum(unsigned page)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < 64; i++)
		all |= __atomic_load_n(guest_at(&guest, page * PAGE + 512) + i, __ATOMIC_RELAXED);
	return all;
}

static void clear(unsigned page)
{
	for (unsigned i = 0; i < 64; i++)
		__atomic_store_n(guest_at(&guest, page * PAGE + 512) + i, 0, __ATOMIC_RELAXED);
}

static void wait_for(_Atomic uint64_t *counter)
{
	uint64_t before = atomic_load(counter);

	while (atomic_load(counter) == before)
		sched_yield();
}

static void begin(struct gunner gunners[2], uint64_t **entry)
{
	guest_start(&guest, 48, false);
	for (unsigned i = 0; i < GUEST_PAGES; i++)
		guest_show(&guest, i, IOAS_PROT_READ | IOAS_PROT_WRITE);
	*entry = guest_lead(&guest, 4, 1, IOVA, 1, DATA * PAGE | ALL, ALL);
	for (unsigned i = 0; i < 2; i++) {
		gunners[i] = (struct gunner){0};
		assert_int_equal(ioas_issuer_new(guest.rig.dev, &gunners[i].issuer), 0);
		pthread_create(&gunners[i].thread, NULL, fire, &gunners[i]);
	}
}

static void end(struct gunner gunners[2])
{
	for (unsigned i = 0; i < 2; i++) {
		atomic_store(&gunners[i].stop, true);
		pthread_join(gunners[i].thread, NULL);
		ioas_issuer_destroy(gunners[i].issuer);
	}
	guest_stop(&guest);
}

static void an_invalidation_holds_under_fire(void **state)
{
	struct gunner gunners[2];
	uint64_t *entry;

	begin(gunners, &entry);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned old = DATA + (i & 1), next = DATA + !(i & 1);

		wait_for(&gunners[i & 1].hits);
		/* By way of nothing, as a careful guest does, or directly. */
		if (i & 2)
			set_entry(entry, 0);
		set_entry(entry, next * PAGE | ALL);
		guest_invalidate(&guest);
		clear(old);
		wait_for(&gunners[i >> 1 & 1].hits);
		assert_int_equal(sum(old), 0);
	}
	end(gunners);
}

/* The walker exchanges entries that change all the time: never is a bit set in what it did not see.
 */
static void no_bit_is_set_in_another_entry(void **state)
{
	struct gunner gunners[2];
	uint64_t *entry;

	begin(gunners, &entry);
	for (unsigned i = 0; i < 30 * ROUNDS; i++) {
		uint64_t found;

		set_entry(entry, DATA * PAGE | ALL);
		found = __atomic_exchange_n(entry, 0, __ATOMIC_ACQ_REL);
		assert_int_equal(found & ~(A | D), DATA * PAGE | ALL);
		if (!(i % 7))
			guest_invalidate(&guest);
		assert_int_equal(__atomic_load_n(entry, __ATOMIC_ACQUIRE), 0);
	}
	end(gunners);
}

/* Page 2 has a table, DATA the bytes: away, checked, and back. */
static void stage_2_changes_under_fire(void **state)
{
	struct gunner gunners[2];
	uint64_t *entry;

	begin(gunners, &entry);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned page = i & 1 ? DATA : 2;

		wait_for(&gunners[i & 1].hits);
		guest_hide(&guest, page);
		clear(DATA);
		wait_for(&gunners[i >> 1 & 1].misses);
		assert_int_equal(sum(DATA), 0);
		guest_show(&guest, page, IOAS_PROT_READ | IOAS_PROT_WRITE);
	}
	end(gunners);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invalidation_holds_under_fire),
		cmocka_unit_test(no_bit_is_set_in_another_entry),
		cmocka_unit_test(stage_2_changes_under_fire),
	};

	return cmocka_run_group_tests(tests, guard, NULL);
}
