/* SPDX-License-Identifier: MIT */
/* Description: the shared queue: portals, retries, work items and their completion records. */
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "rig.h"

static int setup(void **arg)
{
	rig_start("tlpgun,shared=on,depth=3,portals=3");
	attach_pasid(1, 1);
	attach_pasid(2, 2);
	return 0;
}

static int teardown(void **arg)
{
	rig_stop();
	return 0;
}

/* As a program does it: eight stores. */
static unsigned submit(unsigned portal, unsigned at, const struct ioas_tlpgun_item *item)
{
	uint64_t page = portal * 4096ull, words[8];

	memcpy(words, item, sizeof(words));
	for (unsigned i = 0; i < 8; i++)
		store(4, page + at + 8 * i, words[i], 8);
	return (unsigned)load(4, page, 4);
}

static struct ioas_tlpgun_item fill(pasid_t pasid, uint64_t pattern)
{
	return (struct ioas_tlpgun_item){
		.pasid = pasid,
		.op = IOAS_TLPGUN_FILL,
		.addr = IOVA + 64,
		.src = pattern,
		.len = 16,
		.record = IOVA,
	};
}

static void drain(void)
{
	await(IOAS_TLPGUN_QUEUED, 4, UINT32_MAX, 0);
}

static const struct ioas_tlpgun_record *record_in(unsigned space)
{
	return (const struct ioas_tlpgun_record *)rig.memory[space];
}

static void the_pasid_of_an_item_is_that_of_its_tlps(void **arg)
{
	struct ioas_tlpgun_item one = fill(1, 0x1111), two = fill(2, 0x2222);

	assert_int_equal(load(0, IOAS_TLPGUN_CAPS, 4), 20 | 3 << 8 | 3 << 16);
	assert_int_equal(submit(0, 0, &one), IOAS_TLPGUN_ACCEPTED);
	assert_int_equal(submit(2, 4096 - 64, &two), IOAS_TLPGUN_ACCEPTED);
	drain();
	assert_int_equal(*(uint64_t *)(rig.memory[1] + 64), 0x1111);
	assert_int_equal(*(uint64_t *)(rig.memory[1] + 72), 0x1111);
	assert_int_equal(*(uint64_t *)(rig.memory[1] + 80), 0);
	assert_int_equal(*(uint64_t *)(rig.memory[2] + 64), 0x2222);
	assert_int_equal(*(uint64_t *)(rig.memory[0] + 64), 0);
	assert_int_equal(record_in(1)->status, IOAS_TLPGUN_ITEM_DONE);
	assert_int_equal(record_in(1)->done, 16);
	assert_int_equal(record_in(2)->status, IOAS_TLPGUN_ITEM_DONE);
	assert_int_equal(record_in(0)->status, 0);
	assert_int_equal(load(0, IOAS_TLPGUN_ITEMS, 8), 2);
	assert_int_equal(load(4, 3 * 4096, 8), UINT64_MAX); /* beyond the last portal */
}

static void a_full_queue_asks_to_retry(void **arg)
{
	struct ioas_tlpgun_item item = fill(1, 1);

	store(0, IOAS_TLPGUN_QUEUE, IOAS_TLPGUN_HOLD, 4);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(submit(i, 0, &item), IOAS_TLPGUN_ACCEPTED);
	assert_int_equal(load(0, IOAS_TLPGUN_QUEUED, 4), 3);
	assert_int_equal(submit(1, 64, &item), IOAS_TLPGUN_RETRY);
	assert_int_equal(ioas_tlpgun_enqueue(rig.gun, &item), -EAGAIN);
	assert_int_equal(load(4, 4096 + IOAS_TLPGUN_PORTAL_ACCEPTED, 8), 1);
	assert_int_equal(load(4, 4096 + IOAS_TLPGUN_PORTAL_RETRIED, 8), 1);
	assert_int_equal(load(4, IOAS_TLPGUN_PORTAL_RETRIED, 8), 0);
	assert_int_equal(load(0, IOAS_TLPGUN_ITEMS, 8), 0);
	store(0, IOAS_TLPGUN_QUEUE, 0, 4);
	drain();
	assert_int_equal(ioas_tlpgun_enqueue(rig.gun, &item), 0);
	drain();
	assert_int_equal(load(0, IOAS_TLPGUN_ITEMS, 8), 4);
}

static void copies_and_reads_move_memory(void **arg)
{
	struct ioas_tlpgun_item item = {
		.pasid = 1,
		.op = IOAS_TLPGUN_COPY,
		.addr = IOVA + 2048,
		.src = IOVA + 1024,
		.len = 100,
		.record = IOVA,
	};

	memset(rig.memory[1] + 1024, 'x', 101);
	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain();
	assert_memory_equal(rig.memory[1] + 2048, rig.memory[1] + 1024, 100);
	assert_int_equal(rig.memory[1][2148], 0);
	assert_int_equal(record_in(1)->value, 0);
	item.op = IOAS_TLPGUN_READ;
	item.addr = IOVA + 1024;
	item.len = 3;
	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain();
	assert_int_equal(record_in(1)->value, 0x787878);
	assert_int_equal(record_in(1)->done, 3);
}

static void a_refused_tlp_ends_the_item_and_is_in_its_record(void **arg)
{
	struct ioas_tlpgun_item item = fill(2, 7);

	item.addr = IOVA;
	item.len = PAGE + 100; /* the second chunk is not mapped */
	item.record = IOVA + PAGE - 32;
	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain();
	const struct ioas_tlpgun_record *record = (const void *)(rig.memory[2] + PAGE - 32);

	assert_int_equal(record->status, IOAS_TLPGUN_ITEM_FAULT);
	assert_int_equal(record->reason, IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(record->addr, IOVA + PAGE);
	assert_int_equal(record->done, PAGE);
	assert_int_equal(rig.memory[2][0], 7);
}

static void where_a_pasid_has_no_route_nothing_is_written(void **arg)
{
	struct ioas_tlpgun_item item = fill(3 | IOAS_TLPGUN_PASID_PRIV, 9);
	struct ioas_fault fault;

	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain();
	fault = newest();
	assert_int_equal(fault.seq, 2); /* the data, and the record */
	assert_int_equal(fault.reason, IOAS_FAULT_NO_ROUTE);
	assert_int_equal(fault.tlp.pasid, 3);
	assert_int_equal(fault.tlp.flags, IOAS_TLP_PASID | IOAS_TLP_PRIV);
	for (unsigned i = 0; i < SPACES; i++)
		assert_int_equal(record_in(i)->status, 0);
	assert_int_equal(load(0, IOAS_TLPGUN_ITEMS, 8), 1);
}

static void invalid_items_move_nothing(void **arg)
{
	struct ioas_tlpgun_item item = fill(1, 9);

	item.op = 99;
	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain();
	assert_int_equal(record_in(1)->status, IOAS_TLPGUN_ITEM_INVALID);
	item = fill(1, 9);
	item.len = IOAS_TLPGUN_ITEM_MAX + 1;
	memset(rig.memory[1], 0, 64);
	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain();
	assert_int_equal(record_in(1)->status, IOAS_TLPGUN_ITEM_INVALID);
	item = fill(1, 9);
	item.record = IOVA + 8;
	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain();
	assert_int_equal(*(uint64_t *)(rig.memory[1] + 8), 0);
	assert_int_equal(*(uint64_t *)(rig.memory[1] + 64), 0);
	item = (struct ioas_tlpgun_item){.pasid = 1, .record = IOVA};
	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain();
	assert_int_equal(record_in(1)->status, IOAS_TLPGUN_ITEM_DONE);
}

static void only_the_last_store_submits(void **arg)
{
	struct ioas_tlpgun_item item = fill(1, 5);
	uint32_t words[16];

	memcpy(words, &item, sizeof(words));
	for (unsigned i = 0; i < 15; i++) {
		store(4, 4 * i, words[i], 4);
		assert_int_equal(load(4, 0, 4), IOAS_TLPGUN_NOTHING);
	}
	store(4, 60, words[15], 4);
	assert_int_equal(load(4, 0, 4), IOAS_TLPGUN_ACCEPTED);
	drain();
	assert_int_equal(rig.memory[1][64], 5);
}

static void an_item_sends_its_vector(void **arg)
{
	struct ioas_tlpgun_item item = fill(1, 5);
	int fd = eventfd(0, EFD_NONBLOCK), copy = dup(fd);
	uint64_t count = 0;

	assert_int_equal(pci_irq_set(rig.pci, PCI_IRQ_MSIX, 3, 1, &copy), 0);
	item.irq = 1;
	item.vector = 3;
	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain();
	assert_int_equal(read(fd, &count, 8), 8);
	assert_int_equal(count, 1);
	close(fd);
}

static void a_reset_empties_the_queue(void **arg)
{
	struct ioas_tlpgun_item item = fill(1, 5);

	store(0, IOAS_TLPGUN_QUEUE, IOAS_TLPGUN_HOLD, 4);
	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	store(4, 8, 1, 8); /* half a submission */
	pci_reset(rig.pci);
	assert_int_equal(load(0, IOAS_TLPGUN_QUEUED, 4), 0);
	assert_int_equal(load(0, IOAS_TLPGUN_QUEUE, 4), 0);
	assert_int_equal(load(4, 0, 8), IOAS_TLPGUN_NOTHING);
	assert_int_equal(submit(0, 0, &item), IOAS_TLPGUN_ACCEPTED);
	drain();
	assert_int_equal(load(0, IOAS_TLPGUN_ITEMS, 8), 1);
	assert_int_equal(rig.memory[1][64], 5);
}

static void held_items_survive_a_suspend(void **arg)
{
	struct ioas_tlpgun_item item = fill(1, 5);

	ioas_iommu_suspend(rig.iommu);
	ioas_tlpgun_hold(rig.gun, true);
	assert_int_equal(ioas_tlpgun_enqueue(rig.gun, &item), 0);
	ioas_iommu_resume(rig.iommu);
	assert_int_equal(load(0, IOAS_TLPGUN_QUEUED, 4), 1);
	ioas_tlpgun_hold(rig.gun, false);
	drain();
	assert_int_equal(rig.memory[1][64], 5);
}

#define SUBMITTERS 3
#define EACH	   200

static void *submit_many(void *arg)
{
	unsigned portal = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < EACH; i++) {
		struct ioas_tlpgun_item item = fill(1 + portal % 2, portal);

		item.addr = IOVA + 128 + 64 * portal;
		while (portal ? submit(portal, 0, &item) == IOAS_TLPGUN_RETRY
			      : ioas_tlpgun_enqueue(rig.gun, &item) == -EAGAIN)
			sched_yield();
	}
	return NULL;
}

static void submitters_share_the_queue(void **arg)
{
	pthread_t thread[SUBMITTERS];

	for (uintptr_t i = 0; i < SUBMITTERS; i++)
		pthread_create(&thread[i], NULL, submit_many, (void *)i);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		pthread_join(thread[i], NULL);
	drain();
	assert_int_equal(load(0, IOAS_TLPGUN_ITEMS, 8), SUBMITTERS * EACH);
	assert_int_equal(load(4, 4096 + IOAS_TLPGUN_PORTAL_ACCEPTED, 8), EACH);
	assert_int_equal(rig.memory[2][128 + 64], 1);
	assert_int_equal(rig.memory[1][128 + 128], 2);
	assert_int_equal(rig.memory[1][128 + 64], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_pasid_of_an_item_is_that_of_its_tlps),
		TEST(a_full_queue_asks_to_retry),
		TEST(copies_and_reads_move_memory),
		TEST(a_refused_tlp_ends_the_item_and_is_in_its_record),
		TEST(where_a_pasid_has_no_route_nothing_is_written),
		TEST(invalid_items_move_nothing),
		TEST(only_the_last_store_submits),
		TEST(an_item_sends_its_vector),
		TEST(a_reset_empties_the_queue),
		TEST(held_items_survive_a_suspend),
		TEST(submitters_share_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
