/* SPDX-License-Identifier: MIT */
/*
 * Description: what an issuer remembers is used, until somebody waits for those in flight: the root
 * of the page table is blanked behind its back, as nobody else would, and whoever still passes has
 * not walked. That answers are right either way other tests show; this is what makes them quick.
 */
#include "tests/unit/tlp/guest.h"
#include "tlp/check_stale.h"

#define RW (IOAS_PROT_READ | IOAS_PROT_WRITE)

static struct rig rig;

/* Of a page table: nothing is found from the root, or all of it again. */
static void blank(struct pt *pt, bool on)
{
	static uint64_t kept[512];
	struct pt_root root;
	_Atomic uint64_t *entry;

	pt_root(pt, &root);
	assert_int_equal(root.len, sizeof(kept));
	entry = (_Atomic uint64_t *)(void *)root.table;
	for (unsigned i = 0; i < 512; i++) {
		if (on)
			kept[i] = atomic_load(&entry[i]);
		atomic_store(&entry[i], on ? 0 : kept[i]);
	}
}

static enum ioas_fault_reason touch(struct ioas_issuer *issuer, iova_t addr, unsigned op)
{
	struct ioas_tlp tlp = {.addr = addr, .len = 1, .op = (uint8_t)op};
	uint64_t seq;
	char byte = 0;

	return ioas_tlp_issue(issuer, &tlp, &byte) ? ioas_issuer_fault(issuer, &seq)
						   : IOAS_FAULT_NONE;
}

static int setup(void **state)
{
	rig_start(&rig, NULL);
	return 0;
}

static int teardown(void **state)
{
	rig_stop(&rig);
	return 0;
}

/* Wherever in it, for what it allows, and whatever was met since. */
static void leaves_of_each_size_are_remembered(void **state)
{
	static const uint64_t lens[] = {PAGE, 2ull << 20, 1ull << 30};
	char *memory = mmap(NULL, 2ull << 30, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	for (unsigned i = 0; i < 3; i++) {
		const iova_t first = 5ull << 40, last = first + lens[i] - 1;
		const iova_t other = (7ull << 40) + 9 * PAGE; /* of another place */
		struct mem_window *windows[2] = {
			rig_map(&rig, first, memory, lens[i], RW),
			rig_map(&rig, other, memory, PAGE, IOAS_PROT_READ),
		};

		assert_int_equal(touch(rig.issuer, first + 9, IOAS_TLP_READ), IOAS_FAULT_NONE);
		assert_int_equal(touch(rig.issuer, other, IOAS_TLP_READ), IOAS_FAULT_NONE);
		blank(rig.pt, true);
		for (unsigned round = 0; round < 4; round++) {
			unsigned op = round & 1;

			assert_int_equal(touch(rig.issuer, first + 9, op), IOAS_FAULT_NONE);
			assert_int_equal(touch(rig.issuer, first, op), IOAS_FAULT_NONE);
			assert_int_equal(touch(rig.issuer, last, op), IOAS_FAULT_NONE);
			assert_int_equal(touch(rig.issuer, other, IOAS_TLP_READ), IOAS_FAULT_NONE);
			assert_int_equal(touch(rig.issuer, last + 1, op), IOAS_FAULT_NOT_MAPPED);
		}
		inflight_wait(&rig.iommu->inflight);
		assert_int_equal(touch(rig.issuer, first, IOAS_TLP_READ), IOAS_FAULT_NOT_MAPPED);
		blank(rig.pt, false);
		assert_int_equal(touch(rig.issuer, first, IOAS_TLP_READ), IOAS_FAULT_NONE);
		rig_unmap(&rig, first, windows[0]);
		rig_unmap(&rig, other, windows[1]);
	}
	munmap(memory, 2ull << 30);
}

/* Pages that were not met yet, by the table of those that were: of their window, and of others. */
static void tables_are_remembered(void **state)
{
	const struct pt_config config = {.format = PT_AMDV1, .aw = 48, .max_leaf_lg2 = 12};
	const iova_t first = 3ull << 40;
	const struct ioas_range none = rig.dev->msi;
	char *memory = rig_pages(16);
	struct mem_window *windows[3];
	struct pt *plain = rig.pt, *pages;
	struct ioas_batch batch;
	struct ioas_tlp tlps[12];
	uint64_t len, lens[12];
	void *host, *hosts[12];
	int rc;

	assert_int_equal(pt_new(&config, &pages), 0);
	rig.pt = pages;
	assert_int_equal(route_attach(rig.dev, NULL, pages, NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		windows[i] = rig_map(&rig, first + 4 * i * PAGE, memory + (5 * i + 1) * PAGE,
				     4 * PAGE, RW);
	for (unsigned how = 0; how < 3; how++) {
		struct ioas_device_counters before;

		inflight_wait(&rig.iommu->inflight);
		assert_int_equal(touch(rig.issuer, first + 5 * PAGE, IOAS_TLP_READ),
				 IOAS_FAULT_NONE);
		blank(pages, true);
		before = *ioas_device_counters(rig.dev);
		ioas_batch_begin(&batch, rig.issuer);
		for (unsigned i = 0; i < 12; i++) {
			tlps[i] = (struct ioas_tlp){.addr = first + i * PAGE + 8, .len = 8};
			if (how == 1)
				assert_int_equal(ioas_batch_at(&batch, &tlps[i], &host, &len), 0);
		}
		if (how == 2)
			assert_int_equal(ioas_batch_at_many(&batch, tlps, 12, hosts, lens, &rc),
					 12);
		ioas_batch_end(&batch);
		assert_int_equal(ioas_device_counters(rig.dev)->tlps - before.tlps, how ? 12 : 0);
		assert_int_equal(ioas_device_counters(rig.dev)->read_len - before.read_len,
				 how ? 12 * 8 : 0);
		for (unsigned i = 0; !how && i < 12; i++)
			assert_int_equal(touch(rig.issuer, first + i * PAGE, IOAS_TLP_WRITE),
					 IOAS_FAULT_NONE);
		/* None that are interrupts are looked for in tables. A device has had them always.
		 */
		blank(pages, false);
		rig.dev->msi = (struct ioas_range){first + 6 * PAGE, first + 7 * PAGE - 1};
		inflight_wait(&rig.iommu->inflight);
		assert_int_equal(touch(rig.issuer, first + 5 * PAGE, IOAS_TLP_READ),
				 IOAS_FAULT_NONE);
		blank(pages, true);
		ioas_batch_begin(&batch, rig.issuer);
		assert_int_equal(ioas_batch_at_many(&batch, tlps, 12, hosts, lens, &rc), 6);
		assert_int_equal(rc, -EFAULT);
		assert_int_equal(ioas_batch_at_many(&batch, NULL, 0, NULL, NULL, &rc), 0);
		assert_int_equal(rc, 0);
		ioas_batch_end(&batch);
		rig.dev->msi = none;
		/* Of the next table nothing is known. */
		assert_int_equal(touch(rig.issuer, first + (2ull << 20), IOAS_TLP_READ),
				 IOAS_FAULT_NOT_MAPPED);
		blank(pages, false);
	}
	for (unsigned i = 0; i < 3; i++)
		rig_unmap(&rig, first + 4 * i * PAGE, windows[i]);
	rig.pt = plain;
	assert_int_equal(route_attach(rig.dev, NULL, plain, NULL), 0);
	pt_destroy(pages);
	munmap(memory, 16 * PAGE);
}

/* Of a batch that nothing has been asked for yet. */
static void none_at_once_are_none(void **state)
{
	struct ioas_batch batch;
	int rc = 7;

	ioas_batch_begin(&batch, rig.issuer);
	assert_null(batch.near);
	assert_int_equal(ioas_batch_at_many(&batch, NULL, 0, NULL, NULL, &rc), 0);
	assert_int_equal(rc, 0);
	ioas_batch_end(&batch);
}

/* From its first TLP on, but where each is to be looked at or walked. */
static void a_batch_goes_by_tables(void **state)
{
	static struct rig checked;
	struct rig *rigs[] = {&rig, &checked};
	char *memory = rig_pages(1);
	struct ioas_tlp tlp = {.addr = 0x5000, .len = 1};
	struct ioas_batch batch;
	uint64_t len;
	void *host;

	rig_start(&checked, &(struct ioas_iommu_config){.check_dirty = true});
	for (unsigned i = 0; i < 2; i++) {
		struct mem_window *window = rig_map(rigs[i], 0x5000, memory, PAGE, RW);

		for (unsigned times = 0; times < 2; times++) {
			ioas_batch_begin(&batch, rigs[i]->issuer);
			assert_int_equal(batch.near != NULL, times && !i);
			assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), 0);
			assert_int_equal(batch.near != NULL, !i);
			assert_true(i || ((const struct psc_context *)batch.near)->plain);
			ioas_batch_end(&batch);
		}
		rig_unmap(rigs[i], 0x5000, window);
	}
	rig_stop(&checked);
	munmap(memory, PAGE);
}

/* Taken from the set without a word; what is asked for each time is not so. */
static void the_route_is_remembered(void **state)
{
	char *memory = rig_pages(1);
	struct mem_window *window = rig_map(&rig, 0x5000, memory, PAGE, RW);
	struct pt_target *to = atomic_load(&rig.dev->set->untagged.to);
	struct ioas_tlp tlp = {.addr = 0x5000, .len = 1, .flags = IOAS_TLP_NO_SNOOP};
	char byte;

	assert_int_equal(touch(rig.issuer, 0x5000, IOAS_TLP_READ), IOAS_FAULT_NONE);
	atomic_store(&rig.dev->set->untagged.to, NULL);
	assert_int_equal(touch(rig.issuer, 0x5000, IOAS_TLP_READ), IOAS_FAULT_NONE);
	assert_int_equal(ioas_tlp_issue(rig.issuer, &tlp, &byte), -EFAULT);
	inflight_wait(&rig.iommu->inflight);
	assert_int_equal(touch(rig.issuer, 0x5000, IOAS_TLP_READ), IOAS_FAULT_NO_ROUTE);
	atomic_store(&rig.dev->set->untagged.to, to);
	rig_unmap(&rig, 0x5000, window);
	munmap(memory, PAGE);
}

/* Both dimensions as one; but for --check-invalidation each request is to be walked. */
static void a_program_s_own_table_is_remembered(void **state)
{
	static struct guest guest;

	guest_start(&guest, 48, false);
	for (unsigned i = 0; i < GUEST_PAGES; i++)
		guest_show(&guest, i, RW);
	for (unsigned check = 0; check < 2; check++) {
		uint64_t *leaf = guest_lead(&guest, 4, 1, 0x5000, 1, 40 * PAGE | ALL | A | D, ALL);

		if (check)
			assert_int_equal(check_stale_new(&guest.s1.stage1.check), 0);
		guest_invalidate(&guest);
		assert_int_equal(touch(guest.rig.issuer, 0x5000, IOAS_TLP_READ), IOAS_FAULT_NONE);
		*leaf = 0;
		assert_int_equal(touch(guest.rig.issuer, 0x5000, IOAS_TLP_READ),
				 check ? IOAS_FAULT_NOT_MAPPED : IOAS_FAULT_NONE);
		guest_invalidate(&guest);
		assert_int_equal(touch(guest.rig.issuer, 0x5000, IOAS_TLP_READ),
				 IOAS_FAULT_NOT_MAPPED);
	}
	check_stale_destroy(guest.s1.stage1.check);
	guest.s1.stage1.check = NULL;
	guest_stop(&guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(leaves_of_each_size_are_remembered, setup,
						teardown),
		cmocka_unit_test_setup_teardown(tables_are_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(none_at_once_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(a_batch_goes_by_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(the_route_is_remembered, setup, teardown),
		cmocka_unit_test(a_program_s_own_table_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
