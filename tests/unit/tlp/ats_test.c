/* SPDX-License-Identifier: MIT */
/*
 * Description: translated requests pass if, and only if, what they use was handed out to the device
 * and not taken back; UNMAP, DETACH, a replace and dirty bits take it back and wait for the device;
 * one that does not answer is blocked. The linker puts a __wrap_ function in front of whether ATS
 * is enabled (see meson.build).
 */
#include "space/space.h"
#include "tlp/tlp.h"
#include "tests/unit/tlp/ats_rig.h"

static char *memory;

static int start(void **state)
{
	memory = rig_start_mapped(NULL);
	return 0;
}

static int start_impatient(void **state)
{
	const struct ioas_iommu_config config = {.ats_timeout_ms = 20};

	memory = rig_start_mapped(&config);
	return 0;
}

static int stop(void **state)
{
	rig_stop_mapped(memory);
	return 0;
}

static void what_was_handed_out_passes(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE + 10, 1, IOAS_TLP_WRITE);
	char byte = 'x';

	assert_true(ioas_ats_enabled(dev));
	assert_int_equal(found.flags & (IOAS_ATS_READ | IOAS_ATS_WRITE),
			 IOAS_ATS_READ | IOAS_ATS_WRITE);
	assert_true(found.first <= BASE + 10 && BASE + 10 - found.first < found.len);
	assert_int_equal(found.first % found.len, 0);
	assert_int_equal(rig_touch(found.addr + (BASE + 10 - found.first), IOAS_TLP_WRITE, &byte),
			 0);
	assert_int_equal(memory[10], 'x');
	memory[11] = 'y';
	assert_int_equal(rig_touch(found.addr + (BASE + 11 - found.first), IOAS_TLP_READ, &byte),
			 0);
	assert_int_equal(byte, 'y');
}

/* A batch begins with the newest of what is remembered, but not with that. */
static void what_is_translated_is_no_other_batchs_beginning(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	struct ioas_tlp tlp = {.addr = found.addr, .len = 8, .at = IOAS_TLP_TRANSLATED};
	struct ioas_batch batch;
	uint64_t len;
	void *host;

	ioas_batch_begin(&batch, issuer);
	assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), 0);
	assert_int_equal(issuer->tlb.hot->first, found.addr);
	ioas_batch_end(&batch);
	tlp.at = IOAS_TLP_UNTRANSLATED;
	ioas_batch_begin(&batch, issuer);
	assert_int_equal(batch.ops, 0);
	assert_int_equal(ioas_batch_at(&batch, &tlp, &host, &len), -EFAULT);
	ioas_batch_end(&batch);
}

/* What is lent outlives a translation. */
static void what_is_translated_is_not_lent(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	struct ioas_tlp tlp = {.addr = found.addr, .len = 8, .at = IOAS_TLP_TRANSLATED};
	struct ioas_dma dma;

	ioas_dma_init(&dma, issuer);
	assert_int_equal(ioas_dma_add(&dma, &tlp), -EOPNOTSUPP);
	assert_int_equal(dma.iov_nr, 0);
	ioas_dma_fini(&dma);
}

static bool not_yet; /* the next to ask gets the answer from just before ATS was enabled */

bool __real_ioas_ats_enabled(const struct ioas_device *of);
bool __wrap_ioas_ats_enabled(const struct ioas_device *of);
bool __wrap_ioas_ats_enabled(const struct ioas_device *of)
{
	bool enabled = __real_ioas_ats_enabled(of) && !not_yet;

	not_yet = false;
	return enabled;
}

/* Nor where ATS is enabled after it was found that it is not: then as if it were not. */
static void what_is_translated_just_now_is_not_lent(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	struct ioas_tlp tlp = {.addr = found.addr, .len = 8, .at = IOAS_TLP_TRANSLATED};
	struct ioas_dma dma;

	ioas_dma_init(&dma, issuer);
	not_yet = true;
	assert_int_equal(ioas_dma_add(&dma, &tlp), -EFAULT);
	assert_int_equal(rig_fault(1).reason, IOAS_FAULT_TRANSLATED);
	assert_int_equal(dma.iov_nr, 0);
	assert_int_equal(dma.hold_nr, 0);
	ioas_dma_fini(&dma);
}

static void what_was_not_handed_out_is_refused(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	struct ioas_fault fault;
	char byte = 'x';

	assert_int_equal(found.flags & IOAS_ATS_WRITE, 0);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), 0);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_WRITE, &byte), -EFAULT);
	fault = rig_fault(1);
	assert_int_equal(fault.reason, IOAS_FAULT_NOT_HELD);
	rig_says(&fault, "nothing that is there was handed out to it");
	assert_int_equal(rig_touch(found.addr + 64 * PAGE, IOAS_TLP_READ, &byte), -EFAULT);
	assert_int_equal(rig_touch(BASE, IOAS_TLP_READ, &byte), -EFAULT);
	assert_int_equal(rig_fault(3).reason, IOAS_FAULT_NOT_HELD);
}

static void what_is_not_mapped_has_no_translation_and_is_no_fault(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE + 4 * PAGE + 5, 1, IOAS_TLP_READ);

	assert_int_equal(found.flags, 0);
	assert_int_equal(found.first, BASE + 4 * PAGE);
	assert_int_equal(found.len, ioas_ats_unit(dev));
	assert_int_equal(ioas_device_counters(dev)->faults, 0);
}

static void a_request_of_many_pages_is_answered_up_to_a_hole(void **state)
{
	struct ioas_tlp tlp = {.addr = BASE + 1, .len = 8 * PAGE, .op = IOAS_TLP_WRITE};
	struct ioas_ats_translation found[8];
	int nr = ioas_ats_translate(issuer, &tlp, found, 8);
	iova_t next = found[0].first;

	assert_true(nr >= 2);
	for (int i = 0; i < nr; i++) {
		assert_int_equal(found[i].first, next);
		assert_int_equal(found[i].flags != 0, i < nr - 1);
		next += found[i].len;
	}
	assert_int_equal(found[nr - 1].first, BASE + 4 * PAGE);
	assert_int_equal(ioas_ats_translate(issuer, &tlp, found, 0), -EINVAL);
}

static void unmap_takes_it_back_and_says_so(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_WRITE);
	struct ioas_fault fault;
	char byte = 'x';

	assert_int_equal(rig_touch(found.addr, IOAS_TLP_WRITE, &byte), 0);
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + 4 * PAGE - 1, NULL, NULL), 0);
	assert_int_equal(side.asked, 1);
	assert_false(side.last.has_pasid);
	assert_int_equal(side.last.first, found.first);
	assert_int_equal(side.last.last, found.first + found.len - 1);
	memory[0] = 'm';
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_WRITE, &byte), -EFAULT);
	assert_int_equal(memory[0], 'm');
	fault = rig_fault(1);
	assert_int_equal(fault.reason, IOAS_FAULT_NOT_HELD);
	rig_says(&fault, "translation of 0x40000000..");
	rig_says(&fault, "invalidated by UNMAP");
}

/* Wherever in the mapping it lies, of which no leaf shows all. */
static void unmap_takes_back_each_page(void **state)
{
	const iova_t first = BASE + 65 * PAGE;
	char byte = 'x';

	for (unsigned page = 0; page < 3; page++) {
		char *other = rig_map(space, first, 3 * PAGE, RW);
		struct ioas_ats_translation found = rig_ask(first + page * PAGE, 1, IOAS_TLP_WRITE);

		assert_int_equal(ioas_space_unmap(space, first, first + 3 * PAGE - 1, NULL, NULL),
				 0);
		assert_int_equal(side.asked, page + 1);
		assert_int_equal(rig_touch(found.addr, IOAS_TLP_WRITE, &byte), -EFAULT);
		munmap(other, 3 * PAGE);
	}
}

static void who_holds_nothing_is_not_asked(void **state)
{
	char *other = rig_map(space, BASE + 64 * PAGE, PAGE, RW);

	rig_ask(BASE, 1, IOAS_TLP_READ);
	assert_int_equal(
		ioas_space_unmap(space, BASE + 64 * PAGE, BASE + 65 * PAGE - 1, NULL, NULL), 0);
	assert_int_equal(side.asked, 0);
	munmap(other, PAGE);
}

static void detach_and_replace_take_it_back(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	struct ioas_space *second;
	struct ioas_fault fault;
	char byte;

	assert_int_equal(ioas_space_new(iommu, &second), 0);
	assert_int_equal(ioas_device_attach(dev, second, NULL), 0);
	assert_int_equal(side.asked, 1);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), -EFAULT);
	fault = rig_fault(1);
	rig_says(&fault, "invalidated by a replace");
	assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
	assert_int_equal(side.asked, 1);
	found = rig_ask(BASE, 1, IOAS_TLP_READ);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), 0);
	ioas_device_detach(dev);
	assert_int_equal(side.asked, 2);
	assert_false(ioas_ats_enabled(dev));
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), -EFAULT);
	assert_int_equal(rig_fault(2).reason, IOAS_FAULT_TRANSLATED);
	ioas_space_put(second);
}

static void each_pasid_has_its_own(void **state)
{
	struct ioas_tlp tlp = {
		.addr = BASE, .len = 1, .flags = IOAS_TLP_PASID, .pasid = 5, .op = IOAS_TLP_WRITE};
	struct ioas_ats_translation found;
	struct ioas_space *second;
	char *other, byte = 'x';

	assert_int_equal(ioas_ats_translate(issuer, &tlp, &found, 1), -EFAULT);
	assert_int_equal(rig_fault(1).reason, IOAS_FAULT_NO_ROUTE);
	assert_int_equal(ioas_space_new(iommu, &second), 0);
	other = rig_map(second, BASE, PAGE, RW);
	assert_int_equal(ioas_device_attach_pasid(dev, 5, second, NULL), 0);
	assert_int_equal(ioas_ats_translate(issuer, &tlp, &found, 1), 1);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_WRITE, &byte), 0);
	assert_int_equal(other[0], 'x');
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + 4 * PAGE - 1, NULL, NULL), 0);
	assert_int_equal(side.asked, 0);
	ioas_device_detach_pasid(dev, 5);
	assert_int_equal(side.asked, 1);
	assert_true(side.last.has_pasid);
	assert_int_equal(side.last.pasid, 5);
	assert_true(ioas_ats_enabled(dev));
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_WRITE, &byte), -EFAULT);
	assert_int_equal(rig_fault(2).reason, IOAS_FAULT_NOT_HELD);
	ioas_space_put(second);
	munmap(other, PAGE);
}

/* The same memory by two ways: one of them goes, the other is good yet. */
static void memory_handed_out_twice_is_held_until_both_are_gone(void **state)
{
	struct ioas_ats_translation a = rig_ask(BASE, 1, IOAS_TLP_READ), b;
	iova_t iova = BASE + (1ul << 30);
	char byte;

	assert_int_equal(
		ioas_space_copy(space, &iova, space, BASE, 4 * PAGE, RW | IOAS_MAP_FIXED, NULL), 0);
	b = rig_ask(iova, 1, IOAS_TLP_READ);
	assert_int_equal(b.addr, a.addr);
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + 4 * PAGE - 1, NULL, NULL), 0);
	assert_int_equal(rig_touch(a.addr, IOAS_TLP_READ, &byte), 0);
	assert_int_equal(ioas_space_unmap(space, iova, iova + 4 * PAGE - 1, NULL, NULL), 0);
	assert_int_equal(rig_touch(a.addr, IOAS_TLP_READ, &byte), -EFAULT);
	assert_int_equal(side.asked, 2);
}

static void *answer_later(void *arg)
{
	char byte;

	while (!atomic_load(&side.asked))
		sched_yield();
	/* Until it has answered it may use what it has. */
	assert_int_equal(rig_touch(*(pa_t *)arg, IOAS_TLP_READ, &byte), 0);
	ioas_ats_done(dev, side.last.tag);
	return NULL;
}

static void unmap_waits_for_the_answer(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	pthread_t thread;
	char byte;

	side.answer = LATER;
	assert_int_equal(pthread_create(&thread, NULL, answer_later, &found.addr), 0);
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + 4 * PAGE - 1, NULL, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(ioas_device_counters(dev)->faults, 0);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), -EFAULT);
}

static void who_never_answers_is_blocked_until_it_is_reset(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	struct ioas_tlp ask = {.addr = BASE, .len = 1};
	struct ioas_fault fault;
	char byte;

	side.answer = NEVER;
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + 4 * PAGE - 1, NULL, NULL), 0);
	fault = rig_fault(1);
	assert_int_equal(fault.reason, IOAS_FAULT_ATS_TIMEOUT);
	rig_says(&fault, "for UNMAP");
	assert_false(ioas_ats_enabled(dev));
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), -EFAULT);
	assert_int_equal(rig_fault(2).reason, IOAS_FAULT_ATS_BLOCKED);
	assert_int_equal(ioas_ats_translate(issuer, &ask, &found, 1), -EFAULT);
	assert_int_equal(rig_fault(3).reason, IOAS_FAULT_ATS_BLOCKED);
	/* Nor does another form's attachment. */
	assert_int_equal(ioas_device_attach_pasid(dev, 5, space, NULL), 0);
	assert_false(ioas_ats_enabled(dev));
	ioas_device_detach_pasid(dev, 5);
	assert_false(ioas_ats_enabled(dev));
	/* An answer that comes too late opens nothing. */
	ioas_ats_done(dev, side.last.tag);
	assert_false(ioas_ats_enabled(dev));
	pci_reset(pci);
	assert_true(ioas_ats_enabled(dev));
	assert_int_equal(ioas_dma_read(issuer, BASE, &byte, 1), -EFAULT);
	assert_int_equal(rig_fault(4).reason, IOAS_FAULT_NOT_MAPPED);
}

static void a_reset_loses_all(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	struct ioas_fault fault;
	char byte;

	assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), 0);
	pci_reset(pci);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), -EFAULT);
	fault = rig_fault(1);
	rig_says(&fault, "invalidated by a reset of the device");
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + 4 * PAGE - 1, NULL, NULL), 0);
	assert_int_equal(side.asked, 0);
}

static void bus_mastering_and_binding_hold_for_ats_too(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	struct ioas_tlp ask = {.addr = BASE, .len = 1};
	uint16_t command = PCI_CMD_MEMORY;
	char byte;

	assert_int_equal(pci_config_write(pci, PCI_CFG_COMMAND, &command, 2), 2);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), -EFAULT);
	assert_int_equal(rig_fault(1).reason, IOAS_FAULT_BUS_MASTER);
	assert_int_equal(ioas_ats_translate(issuer, &ask, &found, 1), -EFAULT);
	assert_int_equal(rig_fault(2).reason, IOAS_FAULT_BUS_MASTER);
}

/* PCIe 10.2.3: R, W, S and where the address's lowest 0 is. */
static void a_raw_request_is_answered_as_on_the_bus(void **state)
{
	struct ioas_tlp tlp = {
		.addr = BASE, .len = 16, .op = IOAS_TLP_READ, .at = IOAS_TLP_TRANSLATION_REQUEST};
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	uint64_t entry[2], len;

	assert_int_equal(ioas_tlp_issue(issuer, &tlp, entry), 0);
	assert_int_equal(entry[0] & 3, IOAS_ATS_READ);
	len = 4096;
	for (unsigned bit = 12; entry[0] >> 11 & 1; bit++, len *= 2)
		if (!(entry[0] >> bit & 1)) {
			len *= 2;
			break;
		}
	assert_int_equal(len, found.len);
	assert_int_equal(entry[0] & ~(found.len - 1) & ~0xfffull, found.addr);
	tlp.addr = BASE + 4 * PAGE;
	assert_int_equal(ioas_tlp_issue(issuer, &tlp, entry), 0);
	assert_int_equal(entry[0], 0);
	tlp.len = 12;
	assert_int_equal(ioas_tlp_issue(issuer, &tlp, entry), -EINVAL);
}

static void writes_are_told_dirty_by_who_asked_to_write(void **state)
{
	const struct pt_config config = {
		.format = PT_AMDV1, .aw = 48, .max_leaf_lg2 = 12, .dirty = true};
	struct ioas_range runs[4];
	struct pt_dirty read = {
		.first = BASE, .last = BASE + 4 * PAGE - 1, .clear = true, .runs = runs, .max = 4};
	struct ioas_ats_translation found;
	struct pt *pt;
	char byte = 'x';

	ioas_device_detach(dev);
	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(space_domain_attach(space, pt, NULL), 0);
	assert_int_equal(route_attach(dev, NULL, pt, NULL), 0);
	found = rig_ask(BASE, 1, IOAS_TLP_WRITE);
	space_dirty_track(space, pt, true);
	assert_int_equal(side.asked, 1);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_WRITE, &byte), -EFAULT);
	rig_ask(BASE + PAGE, 1, IOAS_TLP_READ);
	found = rig_ask(BASE, 1, IOAS_TLP_WRITE);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_WRITE, &byte), 0);
	assert_true(space_dirty_read(space, pt, &read));
	assert_int_equal(read.nr, 1);
	assert_int_equal(runs[0].first, BASE);
	assert_int_equal(runs[0].last, BASE + PAGE - 1);
	assert_int_equal(side.asked, 2);
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_WRITE, &byte), -EFAULT);
	assert_int_equal(rig_fault(2).taken_by, IOAS_ATS_BY_DIRTY);
	ioas_device_detach(dev);
	space_domain_detach(space, pt);
	pt_destroy(pt);
}

static void config_space_shows_what_is_enabled(void **state)
{
	uint32_t header = 0, off = 0x100;
	uint16_t control = 0;

	for (; off; off = header >> 20) {
		assert_int_equal(pci_config_read(pci, off, &header, 4), 4);
		if ((header & 0xffff) == 0x000f)
			break;
	}
	assert_int_not_equal(off, 0);
	assert_int_equal(pci_config_read(pci, off + 6, &control, 2), 2);
	assert_int_equal(control, 0x8000);
	control = 0;
	assert_int_equal(pci_config_write(pci, off + 6, &control, 2), 2);
	assert_int_equal(pci_config_read(pci, off + 6, &control, 2), 2);
	assert_int_equal(control, 0x8000);
	ioas_device_detach(dev);
	assert_int_equal(pci_config_read(pci, off + 6, &control, 2), 2);
	assert_int_equal(control, 0);
}

#define TEST(name, how) cmocka_unit_test_setup_teardown(name, how, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_handed_out_passes, start),
		TEST(what_is_translated_is_no_other_batchs_beginning, start),
		TEST(what_is_translated_is_not_lent, start),
		TEST(what_is_translated_just_now_is_not_lent, start),
		TEST(what_was_not_handed_out_is_refused, start),
		TEST(what_is_not_mapped_has_no_translation_and_is_no_fault, start),
		TEST(a_request_of_many_pages_is_answered_up_to_a_hole, start),
		TEST(unmap_takes_it_back_and_says_so, start),
		TEST(unmap_takes_back_each_page, start),
		TEST(who_holds_nothing_is_not_asked, start),
		TEST(detach_and_replace_take_it_back, start),
		TEST(each_pasid_has_its_own, start),
		TEST(memory_handed_out_twice_is_held_until_both_are_gone, start),
		TEST(unmap_waits_for_the_answer, start),
		TEST(who_never_answers_is_blocked_until_it_is_reset, start_impatient),
		TEST(a_reset_loses_all, start),
		TEST(bus_mastering_and_binding_hold_for_ats_too, start),
		TEST(a_raw_request_is_answered_as_on_the_bus, start),
		TEST(writes_are_told_dirty_by_who_asked_to_write, start),
		TEST(config_space_shows_what_is_enabled, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
