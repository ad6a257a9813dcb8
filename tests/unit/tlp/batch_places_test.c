/* SPDX-License-Identifier: MIT */
/*
 * Description: a batch goes to and fro between two places without a look-up, as long as nothing was
 * unpublished, and the next one goes on with both; and it tells where TLPs pass, so that its sender
 * can see for himself that they do.
 */
#include <pthread.h>
#include <time.h>
#include "tests/unit/tlp/batch_rig.h"

#define FAR  (IOVA + (1ull << 30)) /* another mapping, of two pages that can only be read */
#define BOTH (1u << IOAS_TLP_READ | 1u << IOAS_TLP_WRITE)

static struct mem_window *far;

static int setup_two(void **arg)
{
	setup(arg);
	far = rig_map(&rig, FAR, memory + 4 * PAGE, 2 * PAGE, IOAS_PROT_READ);
	return 0;
}

static int teardown_two(void **arg)
{
	rig_unmap(&rig, FAR, far);
	return teardown(arg);
}

static void reads(struct ioas_batch *batch, iova_t addr, const void *want)
{
	uint64_t len;
	void *host;

	assert_int_equal(at(batch, addr, 8, IOAS_TLP_READ, &host, &len), 0);
	assert_ptr_equal(host, want);
}

static bool is_at(const struct ioas_batch *batch, iova_t addr, uint32_t ops)
{
	return batch->ops == ops && addr - batch->first <= batch->reach;
}

/* The newest is the mapping at IOVA, and the other is aside. */
static void begin_at_both(struct ioas_batch *batch)
{
	ioas_batch_begin(batch, rig.issuer);
	reads(batch, FAR, memory + 4 * PAGE);
	ioas_batch_swap(batch);
	reads(batch, IOVA, memory);
}

static void both_places_stay_and_so_they_do_in_the_next_batch(void **arg)
{
	struct ioas_device_counters before = *ioas_device_counters(rig.dev), after;
	struct ioas_batch batch;

	begin_at_both(&batch);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(is_at(&batch, IOVA, BOTH));
		ioas_batch_swap(&batch);
		assert_true(is_at(&batch, FAR, 1u << IOAS_TLP_READ));
		reads(&batch, FAR + PAGE, memory + 5 * PAGE);
		ioas_batch_swap(&batch);
		ioas_batch_renew(&batch);
		if (i % 2)
			continue;
		ioas_batch_end(&batch);
		assert_int_equal(batch.ops, 0);
		ioas_batch_swap(&batch);
		assert_int_equal(batch.ops, 0);
		ioas_batch_begin(&batch, rig.issuer);
	}
	ioas_batch_end(&batch);
	after = *ioas_device_counters(rig.dev);
	assert_int_equal(after.tlps - before.tlps, 6);
	assert_int_equal(after.read_len - before.read_len, 48);
}

static void nothing_is_aside_of_what_was_before_an_unmap(void **arg)
{
	struct ioas_batch batch;

	begin_at_both(&batch);
	ioas_batch_end(&batch);
	inflight_wait(&rig.iommu->inflight);
	ioas_batch_begin(&batch, rig.issuer);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(batch.ops, 0);
		ioas_batch_swap(&batch);
	}
	ioas_batch_end(&batch);
}

static void *unmapper(void *arg)
{
	inflight_wait(&rig.iommu->inflight);
	return arg;
}

static void nor_after_a_renewal_for_one(void **arg)
{
	uint64_t before = inflight_generation(&rig.iommu->inflight);
	struct timespec nap = {.tv_nsec = 1000000};
	struct ioas_batch batch;
	pthread_t thread;

	begin_at_both(&batch);
	assert_int_equal(pthread_create(&thread, NULL, unmapper, NULL), 0);
	while (inflight_generation(&rig.iommu->inflight) == before)
		nanosleep(&nap, NULL);
	ioas_batch_renew(&batch);
	pthread_join(thread, NULL);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(batch.ops, 0);
		assert_null(batch.near);
		ioas_batch_swap(&batch);
	}
	ioas_batch_end(&batch);
}

/* From then on each TLP is looked at. */
static void nothing_is_remembered_where_a_port_has_peers(void **arg)
{
	static const struct route_bus_ops ops;
	struct ioas_batch batch;

	begin_at_both(&batch);
	ioas_batch_end(&batch);
	atomic_store(&rig.dev->bus_ops, &ops);
	ioas_batch_begin(&batch, rig.issuer);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(batch.ops, 0);
		ioas_batch_swap(&batch);
	}
	ioas_batch_end(&batch);
	atomic_store(&rig.dev->bus_ops, NULL);
}

/* Where the tables are is of one form: it is not taken for another's. */
static void a_place_is_of_its_own_form(void **arg)
{
	struct ioas_tlp tagged = {
		.addr = IOVA, .len = 8, .flags = IOAS_TLP_PASID, .pasid = 3, .op = IOAS_TLP_READ};
	struct ioas_batch batch;
	uint64_t len;
	void *host;

	begin_at_both(&batch);
	assert_non_null(batch.near);
	batch.aside.form = (uint64_t)IOAS_TLP_PASID << 32 | 3;
	ioas_batch_swap(&batch);
	assert_null(batch.near);
	assert_int_equal(batch.form, (uint64_t)IOAS_TLP_PASID << 32 | 3);
	/* No window is of a form with flags. */
	assert_false(ioas_window_holds(
		(struct ioas_window[]){ioas_batch_window(&batch, IOAS_TLP_READ)}, FAR));
	ioas_batch_swap(&batch);
	assert_int_equal(ioas_batch_at(&batch, &tagged, &host, &len), -EFAULT);
	reads(&batch, IOVA, memory);
	ioas_batch_end(&batch);
}

static bool holds(const struct ioas_batch *batch, enum ioas_tlp_op op, iova_t addr)
{
	struct ioas_window pages = ioas_batch_window(batch, op);

	return ioas_window_holds(&pages, addr);
}

static void a_window_is_what_passes_by_the_newest_translation(void **arg)
{
	struct ioas_batch batch;

	ioas_batch_begin(&batch, rig.issuer);
	assert_false(holds(&batch, IOAS_TLP_READ, IOVA));
	ioas_batch_end(&batch);
	begin_at_both(&batch);
	for (iova_t addr = batch.first - 2 * PAGE; addr != batch.first + batch.reach + 2 * PAGE + 1;
	     addr += PAGE / 4) {
		bool in = addr - batch.first <= batch.reach;

		assert_int_equal(holds(&batch, IOAS_TLP_READ, addr), in);
		assert_int_equal(holds(&batch, IOAS_TLP_WRITE, addr), in);
		assert_false(holds(&batch, IOAS_TLP_WRITE + 1, addr));
	}
	ioas_batch_swap(&batch);
	assert_true(holds(&batch, IOAS_TLP_READ, FAR + 2 * PAGE - 1));
	assert_false(holds(&batch, IOAS_TLP_READ, FAR + 2 * PAGE));
	assert_false(holds(&batch, IOAS_TLP_READ, FAR - 1));
	assert_false(holds(&batch, IOAS_TLP_WRITE, FAR));
	ioas_batch_end(&batch);
}

/* Ends that are no pages' of 4 KiB belong to no page. */
static void a_window_has_whole_pages(void **arg)
{
	struct ioas_batch batch = {.ops = BOTH, .first = IOVA + 2048, .reach = 2 * PAGE - 1};

	for (iova_t addr = IOVA - PAGE; addr < IOVA + 4 * PAGE; addr += 512)
		assert_int_equal(holds(&batch, IOAS_TLP_READ, addr),
				 addr / PAGE == IOVA / PAGE + 1);
	batch.reach = PAGE - 1;
	for (iova_t addr = IOVA - PAGE; addr < IOVA + 4 * PAGE; addr += 512)
		assert_false(holds(&batch, IOAS_TLP_READ, addr));
	/* The end of all addresses. */
	batch.first = 0 - 2 * PAGE;
	batch.reach = 2 * PAGE - 1;
	assert_false(holds(&batch, IOAS_TLP_READ, 0));
	assert_false(holds(&batch, IOAS_TLP_READ, 0 - 3 * PAGE));
	batch.first = 0 - 2048ull;
	batch.reach = 2047;
	assert_false(holds(&batch, IOAS_TLP_READ, 0));
	assert_false(holds(&batch, IOAS_TLP_READ, 0 - 1ull));
}

static void what_its_sender_saw_pass_counts(void **arg)
{
	struct ioas_device_counters before = *ioas_device_counters(rig.dev), after;
	struct ioas_batch batch;

	begin_at_both(&batch);
	ioas_batch_passed(&batch, IOAS_TLP_READ, 5, 40);
	ioas_batch_passed(&batch, IOAS_TLP_WRITE, 2, 1000);
	ioas_batch_passed(&batch, IOAS_TLP_WRITE, 0, 0);
	ioas_batch_end(&batch);
	after = *ioas_device_counters(rig.dev);
	assert_int_equal(after.tlps - before.tlps, 9);
	assert_int_equal(after.translations - before.translations, 9);
	assert_int_equal(after.read_len - before.read_len, 56);
	assert_int_equal(after.write_len - before.write_len, 1000);
	assert_int_equal(after.faults, before.faults);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_two, teardown_two)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_places_stay_and_so_they_do_in_the_next_batch),
		TEST(nothing_is_aside_of_what_was_before_an_unmap),
		TEST(nor_after_a_renewal_for_one),
		TEST(nothing_is_remembered_where_a_port_has_peers),
		TEST(a_place_is_of_its_own_form),
		TEST(a_window_is_what_passes_by_the_newest_translation),
		TEST(a_window_has_whole_pages),
		TEST(what_its_sender_saw_pass_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
