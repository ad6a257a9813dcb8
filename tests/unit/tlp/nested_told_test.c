/* SPDX-License-Identifier: MIT */
/*
 * Description: a guest is told of faults of walks through tables of its own, once each, with the
 * number by which it knows the device, whether or not a batch is open; of no other faults, of
 * nothing that passed, and of nothing that is no longer its own by then.
 */
#include "tests/unit/tlp/guest.h"
#include "tlp/check_stale.h"

#define IOVA 0x7f0123456000ul
#define DATA 40
#define NAME 0x1234567 /* of the device, for its guest */

static struct guest guest;
static struct ioas_fault told;		/* the newest event's */
static unsigned asked_nr, delivered_nr; /* events */
static bool silent;			/* there is nothing to tell of it */

static void deliver(struct stage1_event *event)
{
	assert_ptr_equal(event->to, &guest);
	delivered_nr++;
}

static void event_of(const struct stage1 *stage1, const struct ioas_fault *fault, uint64_t guest_id,
		     struct stage1_event *out)
{
	assert_ptr_equal(stage1, &guest.s1.stage1);
	assert_int_equal(guest_id, NAME);
	assert_true(inflight_entered(&guest.rig.issuer->mark));
	assert_null(out->deliver);
	told = *fault;
	asked_nr++;
	out->deliver = silent ? NULL : deliver;
	out->to = &guest;
}

static const struct stage1_ops ops = {.find = guest_find, .event = event_of};

static uint64_t *begin(void)
{
	guest_start(&guest, 48, false);
	for (unsigned i = 0; i < GUEST_PAGES; i++)
		guest_show(&guest, i, IOAS_PROT_READ | IOAS_PROT_WRITE);
	guest.s1.stage1.ops = &ops;
	atomic_store(&guest.rig.dev->set->guest_id, NAME);
	asked_nr = delivered_nr = 0;
	silent = false;
	return guest_lead(&guest, 4, 1, IOVA, 1, 0, ALL | A);
}

static enum ioas_fault_reason touch(void)
{
	uint64_t seq;
	char byte = 0;

	return ioas_dma_read(guest.rig.issuer, IOVA, &byte, 1)
		       ? ioas_issuer_fault(guest.rig.issuer, &seq)
		       : IOAS_FAULT_NONE;
}

static void of_both_stages(void **state)
{
	uint64_t *leaf = begin();

	for (unsigned i = 1; i <= 4; i++) {
		*leaf = i & 1 ? 0 : 99 * PAGE | ALL | A;
		assert_int_equal(touch(), IOAS_FAULT_NOT_MAPPED);
		assert_false(inflight_entered(&guest.rig.issuer->mark));
		assert_int_equal(asked_nr, i);
		assert_int_equal(delivered_nr, i);
		assert_int_equal(told.stage, i & 1 ? 1 : 2);
		assert_int_equal(told.seq, i);
	}
	silent = true;
	assert_int_equal(touch(), IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(asked_nr, 5);
	assert_int_equal(delivered_nr, 4);
	guest_stop(&guest);
}

static void in_a_batch_which_goes_on(void **state)
{
	struct ioas_tlp tlp = {.addr = IOVA, .len = 1};
	struct ioas_batch batch;
	uint64_t len;
	void *host;

	begin();
	ioas_batch_begin(&batch, guest.rig.issuer);
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), -EFAULT);
		assert_int_equal(delivered_nr, i);
		assert_true(inflight_entered(&guest.rig.issuer->mark));
	}
	ioas_batch_end(&batch);
	guest_stop(&guest);
}

/* Memory that is lost, and what passes: with a changed entry, or with none that is wrong. */
static void of_nothing_else(void **state)
{
	uint64_t seq = 0, *leaf = begin();
	struct ioas_fault fault[4];
	char *page = guest.memory + DATA * PAGE;

	*leaf = DATA * PAGE | ALL | A;
	assert_int_equal(touch(), IOAS_FAULT_NONE);
	munmap(page, PAGE);
	assert_int_equal(touch(), IOAS_FAULT_MEMORY);
	assert_ptr_equal(mmap(page, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 page);
	assert_int_equal(asked_nr, 0);
	assert_int_equal(check_stale_new(&guest.s1.stage1.check), 0);
	guest_invalidate(&guest);
	assert_int_equal(touch(), IOAS_FAULT_NONE);
	/* Gone, and nobody was told: two records, of which the guest hears of the fault. */
	*leaf = 0;
	assert_int_equal(touch(), IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(ioas_fault_read(guest.rig.iommu, &seq, fault, 4), 3);
	assert_int_equal(fault[1].reason, IOAS_PASSED_STALE);
	assert_int_equal(fault[1].stage, 1);
	assert_int_equal(fault[1].stale_level, 1);
	assert_ptr_equal(guest.memory + fault[1].stale_gpa, leaf);
	assert_int_equal(fault[1].stale_old, DATA * PAGE | ALL | A);
	assert_int_equal(fault[1].stale_now, 0);
	assert_int_equal(asked_nr, 1);
	assert_int_equal(told.reason, IOAS_FAULT_NOT_MAPPED);
	check_stale_destroy(guest.s1.stage1.check);
	guest.s1.stage1.check = NULL;
	guest_stop(&guest);
}

/* A hook that sends the device's requests elsewhere as soon as there is a record. */
static struct pt_target *elsewhere;

static void reroute(void *host, const struct ioas_fault *fault)
{
	struct ioas_device *dev = guest.rig.dev;

	if (!elsewhere)
		route_detach(dev, NULL);
	else
		assert_int_equal(route_attach_to(dev, NULL, elsewhere, NULL), 0);
}

static void only_whose_tables_they_are(void **state)
{
	static const struct ioas_host_ops hooks = {.fault = reroute};
	struct stage1 other;

	begin();
	atomic_store(&guest.rig.dev->set->guest_id, ROUTE_NO_GUEST);
	assert_int_equal(touch(), IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(asked_nr, 0);
	atomic_store(&guest.rig.dev->set->guest_id, NAME);
	guest.rig.iommu->config.host_ops = &hooks;
	stage1_init(&other, &ops, guest.rig.pt, 13);
	for (unsigned i = 0; i < 4; i++) {
		struct pt_target *const all[] = {NULL, pt_target(guest.rig.pt), &other.to,
						 &guest.s1.stage1.to};

		assert_int_equal(route_attach_to(guest.rig.dev, NULL, &guest.s1.stage1.to, NULL),
				 0);
		atomic_store(&guest.rig.dev->set->guest_id, NAME);
		elsewhere = all[i];
		assert_int_equal(touch(), IOAS_FAULT_NOT_MAPPED);
		assert_int_equal(asked_nr, i == 3);
	}
	guest.rig.iommu->config.host_ops = NULL;
	guest_stop(&guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_both_stages),
		cmocka_unit_test(in_a_batch_which_goes_on),
		cmocka_unit_test(of_nothing_else),
		cmocka_unit_test(only_whose_tables_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
