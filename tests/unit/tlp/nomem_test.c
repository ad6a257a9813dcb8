/* SPDX-License-Identifier: MIT */
/*
 * Description: an instance, issuers, translations and transfers while the first, second, ... nth
 * allocation fails: each is made whole, or says ENOMEM and leaves what was there as it was. The
 * linker puts the __wrap_ functions in front of the allocator (see meson.build).
 */
#include <ioas/ats.h>
#include "tests/unit/alloc_fail.h"
#include "tests/unit/tlp/rig.h"
#include "tlp/ats.h"
#include "tlp/pri.h"

#define IOVA 0x200000ul
#define RW   (IOAS_PROT_READ | IOAS_PROT_WRITE)

/* Allocations until one fails; 0: none does. */
static unsigned countdown;

static bool should_fail(void)
{
	return countdown && !--countdown;
}

/* Is there another allocation to fail? Each before that was answered -ENOMEM, the last one 0. */
static bool goes_on(int rc)
{
	bool failed = !countdown;

	countdown = 0;
	assert_int_equal(rc, failed ? -ENOMEM : 0);
	return failed;
}

static void an_instance_is_made_whole_or_not_at_all(void **state)
{
	const struct ioas_iommu_config configs[] = {{.memory_told = true}, {.check_dirty = true}};
	struct ioas_iommu *iommu = NULL;

	for (unsigned i = 0; i < 2; i++) {
		unsigned nth = 0;

		do {
			assert_null(iommu);
			countdown = ++nth;
		} while (goes_on(ioas_iommu_new(&configs[i], &iommu)));
		assert_true(nth > 8);
		ioas_iommu_destroy(iommu);
		iommu = NULL;
	}
}

static void an_issuer_is_made_or_not(void **state)
{
	struct ioas_issuer *issuer = NULL;
	unsigned nth = 0;
	struct rig rig;

	rig_start(&rig, NULL);
	do {
		assert_null(issuer);
		/* For all that there are. */
		inflight_wait(&rig.iommu->inflight);
		countdown = ++nth;
	} while (goes_on(ioas_issuer_new(rig.dev, &issuer)));
	assert_true(nth > 1);
	ioas_issuer_destroy(issuer);
	rig_stop(&rig);
}

/* Of what was not made, and of what was all is given back. */
static void what_was_not_made_can_be_destroyed(void **state)
{
	const struct inflight_mark *before;
	struct ioas_issuer *issuer;
	struct rig rig;

	rig_start(&rig, NULL);
	before = rig.iommu->inflight.list;
	assert_int_equal(ioas_issuer_new(rig.dev, &issuer), 0);
	assert_ptr_equal(rig.iommu->inflight.list, &issuer->mark);
	ioas_issuer_destroy(issuer);
	assert_ptr_equal(rig.iommu->inflight.list, before);
	ioas_issuer_destroy(NULL);
	ioas_atc_destroy(NULL);
	ats_put(NULL);
	pri_free(NULL);
	fault_log_destroy(NULL);
	pt_destroy(NULL);
	rig_stop(&rig);
}

static void a_cache_of_translations_is_made_or_not(void **state)
{
	struct ioas_atc *atc = NULL;
	unsigned nth = 0;

	do {
		assert_null(atc);
		countdown = ++nth;
	} while (goes_on(ioas_atc_new(16, &atc)));
	assert_int_equal(nth, 2);
	ioas_atc_destroy(atc);
}

static bool invalidate(void *arg, const struct ioas_ats_invalidation *what)
{
	++*(unsigned *)arg;
	return true;
}

static void what_is_not_answered_is_not_handed_out(void **state)
{
	static const struct ioas_ats_ops side = {.invalidate = invalidate};
	struct ioas_tlp tlp = {.addr = IOVA, .len = 2 * PAGE, .op = IOAS_TLP_WRITE};
	struct ioas_tlp use = {.len = 8, .op = IOAS_TLP_WRITE, .at = IOAS_TLP_TRANSLATED};
	struct mem_window *windows[2];
	struct ioas_ats_translation found[2] = {0};
	uint64_t word = 1;
	unsigned asked = 0;
	struct rig rig;
	int nr;

	rig_start(&rig, NULL);
	route_detach(rig.dev, NULL);
	countdown = 1;
	assert_int_equal(ats_add(rig.dev, 12), -ENOMEM);
	assert_null(rig.dev->ats);
	assert_int_equal(ats_add(rig.dev, 12), 0);
	countdown = 1;
	assert_int_equal(pri_add(rig.dev, 32), -ENOMEM);
	assert_null(rig.dev->pri);
	assert_int_equal(ioas_ats_open(rig.dev, &side, &asked), 0);
	assert_int_equal(route_attach(rig.dev, NULL, rig.pt, NULL), 0);
	for (unsigned i = 0; i < 2; i++)
		windows[i] = rig_map(&rig, IOVA + i * PAGE, rig_pages(1), PAGE, RW);
	use.addr = windows[0]->pa;
	for (unsigned nth = 1; nth <= 3; nth++) {
		countdown = nth;
		assert_int_equal(ioas_ats_translate(rig.issuer, &tlp, found, 2), -ENOMEM);
		assert_int_equal(countdown, 0);
		assert_int_equal(ioas_tlp_issue(rig.issuer, &use, &word), -EFAULT);
	}
	/* What it has by then it may have. */
	countdown = 4;
	nr = ioas_ats_translate(rig.issuer, &tlp, found, 2);
	assert_int_equal(countdown, 0);
	assert_int_equal(nr, 1);
	assert_int_equal(found[0].first, IOVA);
	assert_int_equal(ioas_tlp_issue(rig.issuer, &use, &word), 0);
	use.addr = windows[1]->pa;
	assert_int_equal(ioas_tlp_issue(rig.issuer, &use, &word), -EFAULT);
	assert_int_equal(ioas_ats_translate(rig.issuer, &tlp, found, 2), 2);
	assert_int_equal(ioas_tlp_issue(rig.issuer, &use, &word), 0);
	assert_int_equal(asked, 0);
	route_detach(rig.dev, NULL);
	assert_int_equal(asked, 1);
	for (unsigned i = 0; i < 2; i++)
		rig_unmap(&rig, IOVA + i * PAGE, windows[i]);
	rig_stop(&rig);
}

/* Each of its arrays grows for the first time, and when what there was is full. */
static void spans_that_have_no_room_are_not_lent(void **state)
{
	char *memory = rig_pages(64);
	struct mem_window *windows[32];
	struct ioas_dma dma;
	struct rig rig;
	unsigned failed = 0;

	rig_start(&rig, NULL);
	for (unsigned i = 0; i < 32; i++)
		windows[i] = rig_map(&rig, IOVA + i * PAGE, memory + 2 * i * PAGE, PAGE, RW);
	ioas_dma_init(&dma, rig.issuer);
	for (unsigned i = 0; i < 32; i++) {
		struct ioas_tlp tlp = {.addr = IOVA + i * PAGE, .len = PAGE, .op = IOAS_TLP_WRITE};
		int rc;

		do {
			countdown = 1;
			rc = ioas_dma_add(&dma, &tlp);
			assert_int_equal(rc, countdown ? 0 : -ENOMEM);
			countdown = 0;
			if (!rc)
				break;
			failed++;
			assert_int_equal(dma.len, i * PAGE);
			assert_int_equal(dma.iov_nr, i);
			/* This time there is room, for one of them. */
			countdown = 2;
			rc = ioas_dma_add(&dma, &tlp);
			failed += rc != 0;
			countdown = 0;
		} while (rc);
		assert_int_equal(dma.len, (i + 1) * PAGE);
		assert_int_equal(dma.iov_nr, i + 1);
		assert_ptr_equal(dma.iov[i].iov_base, memory + 2 * i * PAGE);
	}
	assert_true(failed >= 6);
	ioas_dma_fini(&dma);
	for (unsigned i = 0; i < 32; i++)
		rig_unmap(&rig, IOVA + i * PAGE, windows[i]);
	rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_instance_is_made_whole_or_not_at_all),
		cmocka_unit_test(an_issuer_is_made_or_not),
		cmocka_unit_test(what_was_not_made_can_be_destroyed),
		cmocka_unit_test(a_cache_of_translations_is_made_or_not),
		cmocka_unit_test(what_is_not_answered_is_not_handed_out),
		cmocka_unit_test(spans_that_have_no_room_are_not_lent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
