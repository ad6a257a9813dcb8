/* SPDX-License-Identifier: MIT */
/*
 * Description: what an issuer has remembered is found again, wherever in its range, and nothing
 * else is. That answers are right either way iotlb_test.c shows; this is what makes them quick.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "tlp/iotlb.h"

#define READ  IOAS_TLP_READ
#define WRITE IOAS_TLP_WRITE

static struct iotlb tlb;

static int setup(void **state)
{
	memset(&tlb, 0, sizeof(tlb));
	iotlb_init(&tlb);
	tlb.generation = 7;
	return 0;
}

static uint64_t form_of(uint32_t flags, pasid_t pasid)
{
	const struct ioas_tlp tlp = {.flags = flags, .pasid = pasid};

	return iotlb_form(&tlp);
}

static struct iotlb_entry *remember(uint64_t form, iova_t first, uint64_t len, uint32_t ops)
{
	struct iotlb_entry *entry = iotlb_place(&tlb, form, first, len);

	*entry = (struct iotlb_entry){
		.generation = 7,
		.form = form,
		.first = first,
		.last = first + len - 1,
		.ops = ops,
	};
	return entry;
}

/* Once as the newest hit, and once after another one. */
static void finds(uint64_t form, iova_t addr, struct iotlb_entry *entry)
{
	struct iotlb_entry other = {0};

	assert_ptr_equal(iotlb_find(&tlb, form, addr, READ), entry);
	assert_ptr_equal(iotlb_find(&tlb, form, addr, READ), entry);
	tlb.hot = &other;
	assert_ptr_equal(iotlb_find(&tlb, form, addr, READ), entry);
	assert_ptr_equal(tlb.hot, entry ? entry : &other);
	iotlb_init(&tlb);
}

static void all_of_a_leaf_is_found(void **state)
{
	static const uint64_t lens[] = {0x1000, 0x200000, 0x8000000, 0x40000000};
	uint64_t form = form_of(0, 0);

	for (unsigned i = 0; i < 4; i++) {
		iova_t first = 0x700000000000 + (lens[i] << 3);
		struct iotlb_entry *entry = remember(form, first, lens[i], 1 << READ);

		finds(form, first, entry);
		finds(form, first + lens[i] / 2, entry);
		finds(form, first + lens[i] - 1, entry);
		finds(form, first - 1, NULL);
		finds(form, first + lens[i], NULL);
		entry->generation = 0;
	}
}

/* By its length, from the least of a kind to the most; and addresses side by side have all of it.
 */
static void kinds_are_apart(void **state)
{
	unsigned taken[IOTLB_NR] = {0};

	for (unsigned i = 0; i < IOTLB_KINDS; i++) {
		const struct iotlb_kind kind = iotlb_kinds[i];
		uint64_t page = 1ull << kind.page_lg2;
		unsigned nr = 1u << kind.index_lg2;

		for (unsigned k = 0; k < 2 * nr; k++) {
			struct iotlb_entry *entry = iotlb_at(&tlb, kind, form_of(0, 0), k * page);
			ptrdiff_t at = entry - tlb.entry;

			assert_in_range(at, kind.first, kind.first + nr - 1);
			taken[at]++;
			assert_ptr_equal(iotlb_place(&tlb, form_of(0, 0), k * page, page), entry);
			assert_ptr_equal(
				iotlb_place(&tlb, form_of(0, 0), k * page + page - 1, page), entry);
			if (i)
				assert_true(iotlb_place(&tlb, form_of(0, 0), k * page, page - 1) <
					    &tlb.entry[kind.first]);
		}
	}
	for (unsigned i = 0; i < IOTLB_NR; i++)
		assert_int_equal(taken[i], 2);
	assert_ptr_equal(iotlb_place(&tlb, form_of(0, 0), 0x5000, 1),
			 iotlb_place(&tlb, form_of(0, 0), 0x5000, 0x1000));
}

/* Regions of a machine's memory, whichever is used next. */
static void several_regions_are_found(void **state)
{
	uint64_t form = form_of(0, 0);
	struct iotlb_entry *entry[8];

	for (unsigned i = 0; i < 8; i++)
		entry[i] = remember(form, (iova_t)i << 28, 1ull << 27, 1 << READ);
	for (unsigned i = 0; i < 64; i++)
		finds(form, ((iova_t)(i % 8) << 28) + i * 0x1f0000, entry[i % 8]);
}

static void only_what_is_meant_is_found(void **state)
{
	uint64_t form = form_of(IOAS_TLP_PASID, 5);
	struct iotlb_entry *entry = remember(form, 0x5000, 0x1000, 1 << READ);

	finds(form, 0x5000, entry);
	finds(form_of(IOAS_TLP_PASID, 6), 0x5000, NULL);
	finds(form_of(0, 0), 0x5000, NULL);
	assert_null(iotlb_find(&tlb, form, 0x5000, WRITE));
	entry->ops |= 1 << WRITE;
	assert_ptr_equal(iotlb_find(&tlb, form, 0x5000, WRITE), entry);
	tlb.generation++;
	finds(form, 0x5000, NULL);
}

/* No PASID, and PASID 0, are two; a requester ID that is claimed is not remembered. */
static void forms_are_apart(void **state)
{
	assert_int_not_equal(form_of(0, 0), form_of(IOAS_TLP_PASID, 0));
	assert_int_equal(form_of(0, 1), form_of(0, 2));
	assert_int_not_equal(form_of(IOAS_TLP_PASID, 1), form_of(IOAS_TLP_PASID, 2));
	assert_int_equal(form_of(IOAS_TLP_RID, 0), 0);
}

/* Many at a time: pages in a row, and the same page of PASIDs in a row. */
static void neighbours_do_not_drive_each_other_out(void **state)
{
	uint64_t form = form_of(0, 0);
	struct iotlb_entry *entry[16];

	for (unsigned i = 0; i < 16; i++)
		entry[i] = remember(form, 0x10000 + i * 0x1000, 0x1000, 1 << READ);
	for (unsigned i = 0; i < 16; i++)
		finds(form, 0x10000 + i * 0x1000, entry[i]);
	setup(NULL);
	for (unsigned i = 0; i < 4; i++)
		entry[i] = remember(form_of(IOAS_TLP_PASID, i), 0x10000, 0x1000, 1 << READ);
	for (unsigned i = 0; i < 4; i++)
		finds(form_of(IOAS_TLP_PASID, i), 0x10000, entry[i]);
}

/* Of the paging-structure cache: within it, and PASIDs side by side do not share one. */
static void forms_have_contexts(void **state)
{
	unsigned taken = 0;

	for (pasid_t pasid = 0; pasid < 4096; pasid++) {
		ptrdiff_t at =
			psc_context_at(&tlb.psc, form_of(IOAS_TLP_PASID, pasid)) - tlb.psc.context;

		assert_in_range(at, 0, (1 << PSC_CONTEXT_LG2) - 1);
		if (pasid < 1 << PSC_CONTEXT_LG2)
			taken |= 1u << at;
	}
	assert_int_equal(taken, (1u << (1 << PSC_CONTEXT_LG2)) - 1);
}

/* Pages that lie in it wholly; no other leads to it, be its neighbours' as near. */
static void windows_are_shown_by_their_whole_pages(void **state)
{
	static const struct {
		pa_t pa;
		uint64_t len;
		pa_t first; /* page; and how many */
		uint64_t nr;
	} all[] = {{0x10000, 0x3000, 0x10000, 3},
		   {0x10800, 0x2800, 0x11000, 2},
		   {0x10000, 0x1000, 0x10000, 1},
		   {0x10000, 0x2fff, 0x10000, 2}};
	const struct pt_shape shape = pt_shape_plain();

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct mem_window window = {.pa = all[i].pa, .len = all[i].len};

		atomic_store(&window.host, 0x700000000000 + all[i].pa % 0x1000);
		for (pa_t pa = 0xf000; pa < 0x15000; pa += 0x1000) {
			struct psc_entry entry = {0};
			uint64_t nr = (pa - all[i].first) >> 12;

			assert_int_equal(psc_show(&entry, shape, &window, pa | 7, pa),
					 nr < all[i].nr);
			if (nr >= all[i].nr)
				continue;
			assert_int_equal(entry.way.last, all[i].nr - 1);
			assert_int_equal(entry.way.leaf, all[i].first | 7);
			assert_int_equal(entry.way.to_host,
					 0x700000000000 + all[i].first - (all[i].pa & ~0xfffull));
			assert_ptr_equal(entry.window, &window);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_of_a_leaf_is_found),	 TEST(kinds_are_apart),
		TEST(several_regions_are_found), TEST(only_what_is_meant_is_found),
		TEST(forms_are_apart),		 TEST(neighbours_do_not_drive_each_other_out),
		TEST(forms_have_contexts),	 TEST(windows_are_shown_by_their_whole_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
