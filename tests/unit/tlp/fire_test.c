/* SPDX-License-Identifier: MIT */
/*
 * Description: under DMA at full speed, memory is the program's own again from the moment UNMAP,
 * DETACH or closing the bus returns.
 */
#include <pthread.h>
#include <sched.h>
#include "tests/unit/tlp/rig.h"

#define BASE   0x200000ul
#define PAGES  4
#define ROUNDS 60
#define CANARY 0x5c
#define SHELL  0xd1 /* what the device writes */

static struct rig rig;
static char *memory;

struct gunner {
	pthread_t thread;
	struct ioas_issuer *issuer;
	bool by_span;
	_Atomic bool stop;
	_Atomic uint64_t hits; /* TLPs that passed */
};

static void fire_copy(struct gunner *gunner)
{
	static const char shells[PAGES * PAGE] = {[0 ... PAGES * PAGE - 1] = (char)SHELL};

	if (!ioas_dma_write(gunner->issuer, BASE, shells, sizeof(shells)))
		atomic_fetch_add(&gunner->hits, 1);
}

/* One byte a page, stored as a device's engine would after the mark was left. */
static void fire_span(struct gunner *gunner, struct ioas_dma *dma)
{
	struct ioas_tlp tlp = {.addr = BASE, .len = PAGES * PAGE, .op = IOAS_TLP_WRITE};

	if (!ioas_dma_add(dma, &tlp)) {
		sched_yield();
		for (unsigned i = 0; i < dma->iov_nr; i++)
			for (size_t at = 0; at < dma->iov[i].iov_len; at += PAGE)
				mem_guard_store((char *)dma->iov[i].iov_base + at, SHELL, 1);
		atomic_fetch_add(&gunner->hits, 1);
	}
	ioas_dma_end(dma);
}

static void *fire(void *arg)
{
	struct gunner *gunner = arg;
	struct ioas_dma dma;

	ioas_dma_init(&dma, gunner->issuer);
	while (!atomic_load(&gunner->stop))
		if (gunner->by_span)
			fire_span(gunner, &dma);
		else
			fire_copy(gunner);
	ioas_dma_fini(&dma);
	return NULL;
}

static void start(struct gunner *gunner, bool by_span)
{
	atomic_store(&gunner->stop, false);
	atomic_store(&gunner->hits, 0);
	gunner->by_span = by_span;
	assert_int_equal(ioas_issuer_new(rig.dev, &gunner->issuer), 0);
	pthread_create(&gunner->thread, NULL, fire, gunner);
}

static void stop(struct gunner *gunner)
{
	atomic_store(&gunner->stop, true);
	pthread_join(gunner->thread, NULL);
	ioas_issuer_destroy(gunner->issuer);
}

static void wait_for_hits(struct gunner *gunner)
{
	uint64_t before = atomic_load(&gunner->hits);

	while (atomic_load(&gunner->hits) < before + 2)
		sched_yield();
}

/* The memory is ours: what we write stays, however long the guns go on. */
static void check_quiet(void)
{
	memset(memory, CANARY, PAGES * PAGE);
	for (int look = 0; look < 3; look++) {
		for (size_t i = 0; i < PAGES * PAGE; i++)
			if (memory[i] != CANARY)
				fail_msg("byte %zu was overwritten", i);
		sched_yield();
	}
}

static struct mem_window *map(void)
{
	return rig_map(&rig, BASE, memory, PAGES * PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
}

static void nothing_is_written_after_unmap(void **arg)
{
	struct gunner copier, spanner;

	start(&copier, false);
	start(&spanner, true);
	for (int i = 0; i < ROUNDS; i++) {
		struct mem_window *window = map();

		wait_for_hits(i % 2 ? &copier : &spanner);
		rig_unmap(&rig, BASE, window);
		check_quiet();
	}
	stop(&copier);
	stop(&spanner);
}

static void nothing_is_written_after_detach(void **arg)
{
	struct mem_window *window = map();
	struct gunner copier, spanner;

	start(&copier, false);
	start(&spanner, true);
	for (int i = 0; i < ROUNDS; i++) {
		wait_for_hits(i % 2 ? &copier : &spanner);
		route_detach(rig.dev, NULL);
		check_quiet();
		assert_int_equal(route_attach(rig.dev, NULL, rig.pt, NULL), 0);
	}
	stop(&copier);
	stop(&spanner);
	rig_unmap(&rig, BASE, window);
}

static void nothing_is_written_after_the_bus_is_closed(void **arg)
{
	struct mem_window *window = map();
	struct gunner copier, spanner;

	start(&copier, false);
	start(&spanner, true);
	for (int i = 0; i < ROUNDS; i++) {
		wait_for_hits(i % 2 ? &copier : &spanner);
		route_dma_enable(rig.dev, false);
		check_quiet();
		route_dma_enable(rig.dev, true);
	}
	stop(&copier);
	stop(&spanner);
	rig_unmap(&rig, BASE, window);
}

/* Tables that a replace took out are freed at once, as DETACH and DESTROY do. */
static void a_replaced_table_can_be_freed_at_once(void **arg)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 48};
	struct mem_window *window = map();
	struct pt *pt = rig.pt, *next;
	struct gunner copier, spanner;

	start(&copier, false);
	start(&spanner, true);
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(pt_new(&config, &next), 0);
		assert_int_equal(pt_map(next, BASE, window->pa, window->len,
					IOAS_PROT_READ | IOAS_PROT_WRITE),
				 0);
		assert_int_equal(route_attach(rig.dev, NULL, next, NULL), 0);
		pt_destroy(pt);
		pt = next;
		wait_for_hits(i % 2 ? &copier : &spanner);
	}
	stop(&copier);
	stop(&spanner);
	rig.pt = pt;
	rig_unmap(&rig, BASE, window);
}

static int setup(void **arg)
{
	rig_start(&rig, NULL);
	memory = rig_pages(PAGES);
	return 0;
}

static int teardown(void **arg)
{
	rig_stop(&rig);
	munmap(memory, PAGES * PAGE);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_written_after_unmap),
		cmocka_unit_test(nothing_is_written_after_detach),
		cmocka_unit_test(nothing_is_written_after_the_bus_is_closed),
		cmocka_unit_test(a_replaced_table_can_be_freed_at_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
