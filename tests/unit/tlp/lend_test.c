/* SPDX-License-Identifier: MIT */
/* Description: lent spans are joined, undone on a fault, and keep UNMAP, DETACH and the bus
 * waiting. */
#include <pthread.h>
#include <unistd.h>
#include "tests/unit/tlp/rig.h"

#define BASE 0x100000ul
#define RW   (IOAS_PROT_READ | IOAS_PROT_WRITE)

static struct rig rig;
static struct ioas_dma dma;

static int setup(void **arg)
{
	rig_start(&rig, NULL);
	ioas_dma_init(&dma, rig.issuer);
	return 0;
}

static int teardown(void **arg)
{
	ioas_dma_fini(&dma);
	rig_stop(&rig);
	return 0;
}

static int add(iova_t addr, uint64_t len, unsigned op)
{
	struct ioas_tlp tlp = {.addr = addr, .len = len, .op = (uint8_t)op};

	return ioas_dma_add(&dma, &tlp);
}

static uint32_t lent(struct mem_lend *lend)
{
	return (atomic_load(&lend->count[0]) & MEM_LEND_HOLDS) +
	       (atomic_load(&lend->count[1]) & MEM_LEND_HOLDS);
}

/* Whose end comes once more has nothing more to give back. */
static void a_transfer_that_is_over_has_nothing(void **arg)
{
	struct mem_window *window = rig_map(&rig, BASE, rig_pages(1), PAGE, RW);

	assert_int_equal(add(BASE, 8, IOAS_TLP_WRITE), 0);
	ioas_dma_fini(&dma);
	assert_null(dma.iov);
	assert_null(dma.hold);
	assert_null(dma.written);
	assert_int_equal(dma.iov_cap + dma.hold_cap + dma.written_cap, 0);
	assert_int_equal(lent(&window->lend), 0);
	ioas_dma_end(&dma);
	ioas_dma_fini(&dma);
	ioas_dma_init(&dma, rig.issuer);
	assert_int_equal(add(BASE, 8, IOAS_TLP_WRITE), 0);
	assert_int_equal(dma.len, 8);
	ioas_dma_end(&dma);
	rig_unmap(&rig, BASE, window);
}

static void neighbours_in_host_memory_become_one_span(void **arg)
{
	char *memory = rig_pages(8);
	struct mem_window *first = rig_map(&rig, BASE, memory, 4 * PAGE, RW);
	struct mem_window *second = rig_map(&rig, BASE + 4 * PAGE, memory + 4 * PAGE, PAGE, RW);
	struct mem_window *apart = rig_map(&rig, BASE + 5 * PAGE, memory + 6 * PAGE, PAGE, RW);

	assert_int_equal(add(BASE + 100, 6 * PAGE - 100, IOAS_TLP_WRITE), 0);
	assert_int_equal(dma.iov_nr, 2);
	assert_ptr_equal(dma.iov[0].iov_base, memory + 100);
	assert_int_equal(dma.iov[0].iov_len, 5 * PAGE - 100);
	assert_ptr_equal(dma.iov[1].iov_base, memory + 6 * PAGE);
	assert_int_equal(dma.iov[1].iov_len, PAGE);
	assert_int_equal(dma.len, 6 * PAGE - 100);
	assert_int_equal(lent(&rig.dev->lent), 1);
	assert_int_equal(lent(&first->lend), 1);
	assert_int_equal(lent(&second->lend), 1);
	assert_int_equal(lent(&apart->lend), 1);
	ioas_dma_end(&dma);
	assert_int_equal(dma.iov_nr, 0);
	assert_int_equal(dma.len, 0);
	assert_int_equal(lent(&rig.dev->lent), 0);
	assert_int_equal(lent(&first->lend), 0);
	rig_unmap(&rig, BASE, first);
	rig_unmap(&rig, BASE + 4 * PAGE, second);
	rig_unmap(&rig, BASE + 5 * PAGE, apart);
	munmap(memory, 8 * PAGE);
}

static void a_fault_leaves_the_spans_as_they_were(void **arg)
{
	uint64_t faults = ioas_device_counters(rig.dev)->faults;
	char *memory = rig_pages(4);
	struct mem_window *window = rig_map(&rig, BASE, memory, 2 * PAGE, RW);
	struct mem_window *other = rig_map(&rig, BASE + 2 * PAGE, memory + 2 * PAGE, PAGE, RW);
	struct ioas_fault fault;

	assert_int_equal(add(BASE, 4 * PAGE, IOAS_TLP_READ), -EFAULT);
	assert_int_equal(dma.iov_nr, 0);
	assert_int_equal(dma.len, 0);
	assert_int_equal(lent(&rig.dev->lent), 0);
	assert_int_equal(lent(&window->lend), 0);
	assert_int_equal(add(BASE, 64, IOAS_TLP_READ), 0);
	/* The second TLP goes on where the first ended: its spans are joined, then cut again. */
	assert_int_equal(add(BASE + 64, 4 * PAGE, IOAS_TLP_READ), -EFAULT);
	assert_int_equal(dma.iov_nr, 1);
	assert_int_equal(dma.iov[0].iov_len, 64);
	assert_int_equal(dma.len, 64);
	assert_int_equal(lent(&window->lend), 1);
	assert_int_equal(lent(&other->lend), 0);
	fault = rig_fault(&rig, faults + 2);
	assert_int_equal(fault.tlp.addr, BASE + 64);
	assert_int_equal(fault.addr, BASE + 3 * PAGE);
	assert_int_equal(add(BASE, 0, IOAS_TLP_READ), -EINVAL);
	ioas_dma_end(&dma);
	rig_unmap(&rig, BASE, window);
	rig_unmap(&rig, BASE + 2 * PAGE, other);
	munmap(memory, 4 * PAGE);
}

static void thousands_of_scattered_pages_are_lent(void **arg)
{
	enum { NR = 3000 };
	struct mem_window **windows = calloc(NR, sizeof(*windows));
	char *memory = rig_pages(2 * NR);

	for (size_t i = 0; i < NR; i++)
		windows[i] = rig_map(&rig, BASE + i * PAGE, memory + 2 * i * PAGE, PAGE, RW);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(add(BASE, NR * PAGE, IOAS_TLP_WRITE), 0);
		assert_int_equal(dma.iov_nr, NR);
		assert_int_equal(dma.len, NR * PAGE);
		for (size_t i = 0; i < NR; i++)
			assert_ptr_equal(dma.iov[i].iov_base, memory + 2 * i * PAGE);
		ioas_dma_end(&dma);
	}
	for (size_t i = 0; i < NR; i++)
		rig_unmap(&rig, BASE + i * PAGE, windows[i]);
	munmap(memory, 2 * NR * PAGE);
	free(windows);
}

static void a_failed_span_is_recorded_at_the_page_that_is_gone(void **arg)
{
	uint64_t faults = ioas_device_counters(rig.dev)->faults;
	struct ioas_tlp tlp = {.addr = BASE + 8, .len = 4 * PAGE - 8, .op = IOAS_TLP_WRITE};
	char *memory = rig_pages(4);
	struct mem_window *window = rig_map(&rig, BASE, memory, 4 * PAGE, RW);
	struct ioas_fault fault;

	assert_int_equal(ioas_dma_add(&dma, &tlp), 0);
	munmap(memory + 3 * PAGE, PAGE);
	ioas_dma_failed(&dma, &tlp);
	ioas_dma_end(&dma);
	fault = rig_fault(&rig, faults + 1);
	assert_int_equal(fault.reason, IOAS_FAULT_MEMORY);
	assert_int_equal(fault.addr, BASE + 3 * PAGE);
	rig_unmap(&rig, BASE, window);
	munmap(memory, 3 * PAGE);
}

/* What may be read, but not written, is gone for writes alone; and to look changes nothing. */
static void memory_that_may_not_be_written_is_gone_for_writes(void **arg)
{
	uint64_t faults = ioas_device_counters(rig.dev)->faults;
	char *memory = rig_pages(4);
	struct mem_window *window = rig_map(&rig, BASE, memory, 4 * PAGE, RW);

	memory[2 * PAGE] = 'm';
	assert_int_equal(mprotect(memory + 2 * PAGE, PAGE, PROT_READ), 0);
	for (unsigned op = 0; op < 2; op++) {
		struct ioas_tlp tlp = {.addr = BASE + 8, .len = 4 * PAGE - 8, .op = (uint8_t)op};

		ioas_dma_failed(&dma, &tlp);
		assert_int_equal(rig_fault(&rig, ++faults).reason, IOAS_FAULT_MEMORY);
		assert_int_equal(rig_fault(&rig, faults).addr,
				 op == IOAS_TLP_WRITE ? BASE + 2 * PAGE : tlp.addr);
	}
	assert_int_equal(memory[2 * PAGE], 'm');
	rig_unmap(&rig, BASE, window);
	munmap(memory, 4 * PAGE);
}

struct waiter {
	pthread_t thread;
	void (*take_away)(struct waiter *waiter);
	struct mem_window *window;
	struct pt *pt;
	_Atomic int state; /* 1 began, 2 returned */
};

static void *run_waiter(void *arg)
{
	struct waiter *waiter = arg;

	atomic_store(&waiter->state, 1);
	waiter->take_away(waiter);
	atomic_store(&waiter->state, 2);
	return NULL;
}

static void unmap(struct waiter *waiter)
{
	rig_unmap(&rig, BASE, waiter->window);
}

static void detach(struct waiter *waiter)
{
	route_detach(rig.dev, NULL);
}

static void replace(struct waiter *waiter)
{
	assert_int_equal(route_attach(rig.dev, NULL, waiter->pt, NULL), 0);
}

static void close_bus(struct waiter *waiter)
{
	route_dma_enable(rig.dev, false);
}

/* New transactions are refused at once; the call that took it away returns after ioas_dma_end. */
static void lent_spans_are_waited_for(void **arg)
{
	static void (*const ways[])(struct waiter * waiter) = {close_bus, replace, detach, unmap};
	static const enum ioas_fault_reason reasons[] = {IOAS_FAULT_BUS_MASTER,
							 IOAS_FAULT_NOT_MAPPED, IOAS_FAULT_NO_ROUTE,
							 IOAS_FAULT_NOT_MAPPED};
	struct pt_config config = {.format = PT_AMDV1, .aw = 48};
	char *memory = rig_pages(1);
	struct waiter waiter = {.window = rig_map(&rig, BASE, memory, PAGE, RW)};

	assert_int_equal(pt_new(&config, &waiter.pt), 0);
	for (int i = 0; i < 4; i++) {
		char byte;

		waiter.take_away = ways[i];
		assert_int_equal(add(BASE, 64, IOAS_TLP_WRITE), 0);
		atomic_store(&waiter.state, 0);
		pthread_create(&waiter.thread, NULL, run_waiter, &waiter);
		while (!ioas_dma_read(rig.issuer, BASE, &byte, 1))
			sched_yield();
		assert_int_equal(rig_fault(&rig, ioas_device_counters(rig.dev)->faults).reason,
				 reasons[i]);
		usleep(10000);
		assert_int_equal(atomic_load(&waiter.state), 1);
		memset(dma.iov[0].iov_base, 0x33, dma.iov[0].iov_len);
		ioas_dma_end(&dma);
		pthread_join(waiter.thread, NULL);
		assert_int_equal(atomic_load(&waiter.state), 2);
		route_dma_enable(rig.dev, true);
		assert_int_equal(route_attach(rig.dev, NULL, rig.pt, NULL), 0);
	}
	pt_destroy(waiter.pt);
	munmap(memory, PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_transfer_that_is_over_has_nothing),
		cmocka_unit_test(neighbours_in_host_memory_become_one_span),
		cmocka_unit_test(a_fault_leaves_the_spans_as_they_were),
		cmocka_unit_test(thousands_of_scattered_pages_are_lent),
		cmocka_unit_test(a_failed_span_is_recorded_at_the_page_that_is_gone),
		cmocka_unit_test(memory_that_may_not_be_written_is_gone_for_writes),
		cmocka_unit_test(lent_spans_are_waited_for),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
