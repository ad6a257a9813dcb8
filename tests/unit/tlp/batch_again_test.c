/* SPDX-License-Identifier: MIT */
/*
 * Description: one batch begins with what the one before it has found, as long as that is so; and
 * an UNMAP waits for the end of one, or until it is renewed.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include "tests/unit/tlp/batch_rig.h"

static _Atomic bool unmapped;
static struct mem_window *going;

static void *unmapper(void *arg)
{
	rig_unmap(&rig, IOVA + 5 * PAGE, going);
	atomic_store(&unmapped, true);
	return arg;
}

/* As long as nothing was unpublished. */
static void a_batch_begins_where_the_last_one_ended(void **arg)
{
	struct ioas_device_counters before = *ioas_device_counters(rig.dev), after;
	struct ioas_batch batch;
	uint64_t len;
	void *host;

	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(batch.ops, 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(at(&batch, IOVA + 2 * PAGE, 8, IOAS_TLP_READ, &host, &len), 0);
		assert_ptr_equal(host, memory + 2 * PAGE);
		if (i % 2) {
			ioas_batch_renew(&batch);
		} else {
			ioas_batch_end(&batch);
			ioas_batch_begin(&batch, rig.issuer);
		}
		assert_int_equal(batch.ops, 1u << IOAS_TLP_READ | 1u << IOAS_TLP_WRITE);
		assert_true(IOVA + 2 * PAGE - batch.first <= batch.reach);
		assert_ptr_equal(IOVA + 2 * PAGE + batch.to_host, memory + 2 * PAGE);
		assert_int_equal(batch.form, 0);
	}
	ioas_batch_end(&batch);
	after = *ioas_device_counters(rig.dev);
	assert_int_equal(after.tlps - before.tlps, 4);
	assert_int_equal(after.read_len - before.read_len, 32);
	inflight_wait(&rig.iommu->inflight);
	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(batch.ops, 0);
	assert_null(batch.near);
	ioas_batch_end(&batch);
}

/* A batch that has found a page, and a thread that waits to have it unmapped. */
static pthread_t unmap_under(struct ioas_batch *batch)
{
	struct timespec nap = {.tv_nsec = 1000000};
	uint64_t len, before;
	pthread_t thread;
	void *host;

	atomic_store(&unmapped, false);
	going = rig_map(&rig, IOVA + 5 * PAGE, memory + 5 * PAGE, PAGE, IOAS_PROT_READ);
	ioas_batch_begin(batch, rig.issuer);
	assert_int_equal(at(batch, IOVA + 5 * PAGE, 8, IOAS_TLP_READ, &host, &len), 0);
	before = inflight_generation(&rig.iommu->inflight);
	assert_int_equal(pthread_create(&thread, NULL, unmapper, NULL), 0);
	while (inflight_generation(&rig.iommu->inflight) == before)
		nanosleep(&nap, NULL);
	return thread;
}

static void an_unmap_waits_for_its_end(void **arg)
{
	struct timespec nap = {.tv_nsec = 1000000};
	struct ioas_batch batch;
	pthread_t thread;
	uint64_t len;
	void *host;

	thread = unmap_under(&batch);
	for (unsigned i = 0; i < 20; i++) {
		nanosleep(&nap, NULL);
		assert_false(atomic_load(&unmapped));
	}
	ioas_batch_end(&batch);
	pthread_join(thread, NULL);
	ioas_batch_begin(&batch, rig.issuer);
	assert_int_equal(at(&batch, IOVA + 5 * PAGE, 8, IOAS_TLP_READ, &host, &len), -EFAULT);
	ioas_batch_end(&batch);
}

static void an_unmap_waits_for_no_more_than_a_renewal(void **arg)
{
	struct ioas_batch batch;
	pthread_t thread;
	uint64_t len;
	void *host;

	thread = unmap_under(&batch);
	assert_false(atomic_load(&unmapped));
	ioas_batch_renew(&batch);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&unmapped));
	assert_int_equal(at(&batch, IOVA + 5 * PAGE, 8, IOAS_TLP_READ, &host, &len), -EFAULT);
	ioas_batch_end(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_batch_begins_where_the_last_one_ended, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_unmap_waits_for_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(an_unmap_waits_for_no_more_than_a_renewal, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
