/* SPDX-License-Identifier: MIT */
/*
 * Description: what a translation says besides where it leads (execute, privileged, snoop,
 * untranslated only), that a model's cache goes by it, and the edges of both: the end of addresses,
 * answers to what was never asked, forms that are apart.
 */
#include "space/space.h"
#include "tlp/ats.h"

/* After those, whose arguments have the names of its variables. */
#include "tests/unit/tlp/ats_rig.h"

#define WINDOW 0xfee00000ull /* interrupts */

static struct ioas_atc *atc;
static char *memory;

static int start_with(uint32_t timeout_ms)
{
	const struct ioas_iommu_config config = {.ats_timeout_ms = timeout_ms};

	memory = rig_start_mapped(&config);
	assert_int_equal(ioas_atc_new(8, &atc), 0);
	side.atc = atc;
	return 0;
}

static int start(void **state)
{
	return start_with(0);
}

static int start_impatient(void **state)
{
	return start_with(20);
}

static int stop(void **state)
{
	rig_stop();
	ioas_atc_destroy(atc);
	munmap(memory, 4 * PAGE);
	return 0;
}

static uint32_t flags_of(iova_t addr, unsigned op, uint32_t flags)
{
	struct ioas_tlp tlp = {.addr = addr, .len = 1, .op = (uint8_t)op, .flags = (uint8_t)flags};
	struct ioas_ats_translation found;

	assert_int_equal(ioas_ats_translate(issuer, &tlp, &found, 1), 1);
	return found.flags;
}

static int send(iova_t addr, uint64_t len, unsigned op, uint32_t flags, void *buf, uint64_t *done)
{
	struct ioas_tlp tlp = {
		.addr = addr, .len = len, .op = (uint8_t)op, .flags = (uint8_t)flags};

	return ioas_atc_issue(atc, issuer, &tlp, buf, done);
}

static struct ioas_atc_stats stats(void)
{
	struct ioas_atc_stats out;

	ioas_atc_stats(atc, &out);
	return out;
}

static void it_allows_what_was_asked_for_and_no_more(void **state)
{
	assert_int_equal(flags_of(BASE, IOAS_TLP_READ, 0), IOAS_ATS_SNOOP | IOAS_ATS_READ);
	assert_int_equal(flags_of(BASE, IOAS_TLP_WRITE, 0),
			 IOAS_ATS_SNOOP | IOAS_ATS_READ | IOAS_ATS_WRITE);
	assert_int_equal(flags_of(BASE, IOAS_TLP_READ, IOAS_TLP_EXEC),
			 IOAS_ATS_SNOOP | IOAS_ATS_READ | IOAS_ATS_EXEC);
	assert_int_equal(flags_of(BASE, IOAS_TLP_READ, IOAS_TLP_PRIV),
			 IOAS_ATS_SNOOP | IOAS_ATS_READ | IOAS_ATS_PRIV);
	assert_int_equal(flags_of(BASE + 4 * PAGE, IOAS_TLP_READ, IOAS_TLP_PRIV), 0);
	assert_int_equal(flags_of(WINDOW, IOAS_TLP_WRITE, 0),
			 IOAS_ATS_UNTRANSLATED | IOAS_ATS_WRITE);
}

/* A page of its own each: read only, and write only. */
static void it_allows_what_the_table_allows(void **state)
{
	char *read_only = rig_map(space, BASE + 64 * PAGE, PAGE, IOAS_MAP_READ);
	char *write_only = rig_map(space, BASE + 66 * PAGE, PAGE, IOAS_MAP_WRITE);
	char byte = 'x';

	assert_int_equal(flags_of(BASE + 64 * PAGE, IOAS_TLP_WRITE, 0),
			 IOAS_ATS_SNOOP | IOAS_ATS_READ);
	assert_int_equal(flags_of(BASE + 66 * PAGE, IOAS_TLP_WRITE, IOAS_TLP_EXEC),
			 IOAS_ATS_SNOOP | IOAS_ATS_WRITE);
	assert_int_equal(flags_of(BASE + 66 * PAGE, IOAS_TLP_READ, 0), 0);
	assert_int_equal(send(BASE + 64 * PAGE, 1, IOAS_TLP_WRITE, 0, &byte, NULL), -EAGAIN);
	assert_int_equal(send(BASE + 66 * PAGE, 1, IOAS_TLP_READ, 0, &byte, NULL), -EAGAIN);
	assert_int_equal(send(BASE + 66 * PAGE, 1, IOAS_TLP_WRITE, 0, &byte, NULL), 0);
	assert_int_equal(write_only[0], 'x');
	assert_int_equal(stats().held, 1);
	/* Nor do requests pass that go by what was handed out, and say more of it. */
	for (unsigned op = 0; op < 2; op++) {
		pa_t read = rig_ask(BASE + 64 * PAGE, 1, IOAS_TLP_WRITE).addr;
		pa_t write = rig_ask(BASE + 66 * PAGE, 1, IOAS_TLP_WRITE).addr;

		assert_int_equal(rig_touch(read, op, &byte), op == IOAS_TLP_READ ? 0 : -EFAULT);
		assert_int_equal(rig_touch(write, op, &byte), op == IOAS_TLP_READ ? -EFAULT : 0);
		assert_int_equal(rig_fault(op + 1).reason, IOAS_FAULT_NOT_HELD);
	}
	munmap(read_only, PAGE);
	munmap(write_only, PAGE);
}

static void what_enforces_coherency_snoops(void **state)
{
	const struct pt_config config = {.format = PT_AMDV1, .aw = 48};
	const struct ioas_device_counters *counters = ioas_device_counters(dev);
	char abc[] = "abc";
	struct pt *pt;

	assert_int_equal(send(BASE, 3, IOAS_TLP_WRITE, IOAS_TLP_NO_SNOOP, abc, NULL), 0);
	assert_int_equal(counters->unsnooped_len, 0);
	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(space_domain_attach(space, pt, NULL), 0);
	assert_int_equal(route_attach(dev, NULL, pt, NULL), 0);
	assert_int_equal(flags_of(BASE, IOAS_TLP_READ, 0), IOAS_ATS_READ);
	assert_int_equal(send(BASE, 2, IOAS_TLP_WRITE, IOAS_TLP_NO_SNOOP, abc, NULL), 0);
	assert_int_equal(counters->unsnooped_len, 2);
	assert_int_equal(counters->snooped_len, 0);
	assert_int_equal(send(BASE, 3, IOAS_TLP_WRITE, 0, abc, NULL), 0);
	assert_int_equal(send(BASE, 3, IOAS_TLP_WRITE, IOAS_TLP_PRIV, abc, NULL), 0);
	assert_int_equal(counters->unsnooped_len, 2);
	ioas_device_detach(dev);
	space_domain_detach(space, pt);
	pt_destroy(pt);
}

/* Interrupts go untranslated, and are not remembered. */
static void interrupts_are_sent_untranslated(void **state)
{
	struct ioas_fault fault;
	uint32_t data = 0;

	assert_int_equal(send(WINDOW, 4, IOAS_TLP_WRITE, 0, &data, NULL), -EFAULT);
	fault = rig_fault(1);
	rig_says(&fault, "write of 4 bytes at IOVA 0xfee00000: no interrupt remapping entry");
	assert_int_equal(fault.tlp.at, 0);
	assert_int_equal(stats().held, 0);
	assert_int_equal(stats().asked, 1);
}

static void each_form_has_translations_of_its_own(void **state)
{
	struct ioas_tlp tlp = {.addr = BASE, .len = 1, .flags = IOAS_TLP_PASID, .pasid = 5};
	struct ioas_space *second;
	char *other, byte;

	assert_int_equal(ioas_space_new(iommu, &second), 0);
	other = rig_map(second, BASE, PAGE, RW);
	assert_int_equal(ioas_device_attach_pasid(dev, 5, second, NULL), 0);
	memory[0] = 'm';
	other[0] = 'o';
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, 0, &byte, NULL), 0);
	assert_int_equal(byte, 'm');
	assert_int_equal(ioas_atc_issue(atc, issuer, &tlp, &byte, NULL), 0);
	assert_int_equal(byte, 'o');
	tlp.flags |= IOAS_TLP_PRIV;
	assert_int_equal(ioas_atc_issue(atc, issuer, &tlp, &byte, NULL), 0);
	assert_int_equal(byte, 'o');
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, IOAS_TLP_PRIV, &byte, NULL), 0);
	assert_int_equal(byte, 'm');
	assert_int_equal(stats().asked, 4);
	assert_int_equal(stats().held, 4);
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, IOAS_TLP_PRIV, &byte, NULL), 0);
	assert_int_equal(stats().hits, 1);
	/* Without the flag a PASID is none. */
	tlp.flags = IOAS_TLP_PRIV;
	assert_int_equal(ioas_atc_issue(atc, issuer, &tlp, &byte, NULL), 0);
	assert_int_equal(byte, 'm');
	assert_int_equal(stats().hits, 2);
	/* Privileged or not, it is taken back; of the other PASID nothing is. */
	assert_int_equal(ioas_space_unmap(second, BASE, BASE + PAGE - 1, NULL, NULL), 0);
	assert_int_equal(stats().invalidated, 2);
	assert_int_equal(stats().held, 2);
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, IOAS_TLP_PRIV, &byte, NULL), 0);
	assert_int_equal(stats().hits, 3);
	ioas_device_detach_pasid(dev, 5);
	ioas_space_put(second);
	munmap(other, PAGE);
}

/* Who may execute must not be told by what was asked for reading alone. */
static void to_execute_is_asked_for(void **state)
{
	char byte;

	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, 0, &byte, NULL), 0);
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, IOAS_TLP_EXEC, &byte, NULL), 0);
	assert_int_equal(stats().asked, 2);
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, IOAS_TLP_EXEC, &byte, NULL), 0);
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, 0, &byte, NULL), 0);
	assert_int_equal(stats().asked, 2);
	assert_int_equal(stats().held, 1);
}

/* Two pages that touch, of memory that does not. */
static void a_request_goes_on_where_the_next_translation_begins(void **state)
{
	const iova_t at = BASE + 64 * PAGE;
	char *high = rig_map(space, at + PAGE, PAGE, RW), *low = rig_map(space, at, PAGE, RW);
	char out[2 * PAGE], in[2 * PAGE];
	uint64_t done;

	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 256);
	assert_int_equal(send(at, sizeof(out), IOAS_TLP_WRITE, 0, out, &done), 0);
	assert_int_equal(done, sizeof(out));
	assert_memory_equal(low, out, PAGE);
	assert_memory_equal(high, out + PAGE, PAGE);
	assert_int_equal(stats().asked, 2);
	for (iova_t first = PAGE - 2; first < PAGE + 2; first++)
		for (uint64_t len = 1; len < 5; len++) {
			assert_int_equal(send(at + first, len, IOAS_TLP_READ, 0, in, &done), 0);
			assert_int_equal(done, len);
			assert_memory_equal(in, out + first, len);
		}
	assert_int_equal(stats().asked, 2);
	/* One range that ends in the first page, and one that ends with it. */
	assert_int_equal(ioas_space_unmap(space, at, at + PAGE - 1, NULL, NULL), 0);
	assert_int_equal(stats().invalidated, 1);
	assert_int_equal(send(at + PAGE - 1, 2, IOAS_TLP_READ, 0, in, &done), -EAGAIN);
	assert_int_equal(done, 0);
	assert_int_equal(send(at + PAGE, 2, IOAS_TLP_READ, 0, in, &done), 0);
	munmap(low, PAGE);
	munmap(high, PAGE);
}

static void an_invalidation_takes_all_of_its_range(void **state)
{
	struct ioas_ats_invalidation what = {0};
	char *page[4], byte;

	for (unsigned i = 0; i < 4; i++) {
		page[i] = rig_map(space, BASE + (64 + 2 * i) * PAGE, PAGE, RW);
		assert_int_equal(send(BASE + (64 + 2 * i) * PAGE, 1, IOAS_TLP_READ, 0, &byte, NULL),
				 0);
	}
	assert_int_equal(stats().held, 4);
	/* From the last byte of one to the first of another; then of one, inside of it. */
	what.first = BASE + 65 * PAGE;
	what.last = BASE + 66 * PAGE - 1;
	ioas_atc_invalidate(atc, &what);
	assert_int_equal(stats().held, 4);
	what.first--;
	what.last++;
	ioas_atc_invalidate(atc, &what);
	assert_int_equal(stats().held, 2);
	what.first = what.last = BASE + 70 * PAGE + 5;
	ioas_atc_invalidate(atc, &what);
	assert_int_equal(stats().held, 1);
	assert_int_equal(stats().invalidated, 3);
	what.has_pasid = true;
	what.last = UINT64_MAX;
	what.first = 0;
	ioas_atc_invalidate(atc, &what);
	assert_int_equal(stats().held, 1);
	what.has_pasid = false;
	ioas_atc_invalidate(atc, &what);
	assert_int_equal(stats().held, 0);
	for (unsigned i = 0; i < 4; i++)
		munmap(page[i], PAGE);
}

static void what_is_cleared_is_asked_for_again(void **state)
{
	char byte;

	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, 0, &byte, NULL), 0);
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, IOAS_TLP_PRIV, &byte, NULL), 0);
	ioas_atc_clear(atc);
	assert_int_equal(stats().held, 0);
	assert_int_equal(stats().invalidated, 0);
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, 0, &byte, NULL), 0);
	assert_int_equal(stats().asked, 3);
}

static void what_cannot_be_sent_is_refused(void **state)
{
	struct ioas_tlp tlp = {.addr = BASE, .len = 1, .at = IOAS_TLP_TRANSLATED};
	struct ioas_ats_translation found;
	uint64_t done = 7;
	char buf[16];

	assert_int_equal(ioas_atc_issue(atc, issuer, &tlp, buf, &done), -EINVAL);
	assert_int_equal(done, 0);
	assert_int_equal(send(UINT64_MAX - 7, 9, IOAS_TLP_READ, 0, buf, NULL), -EINVAL);
	assert_int_equal(send(UINT64_MAX - 7, 8, IOAS_TLP_READ, 0, buf, NULL), -EFAULT);
	tlp = (struct ioas_tlp){.addr = UINT64_MAX - 7, .len = 9};
	assert_int_equal(ioas_ats_translate(issuer, &tlp, &found, 1), -EINVAL);
	tlp.len = 0;
	assert_int_equal(ioas_ats_translate(issuer, &tlp, &found, 1), -EINVAL);
	assert_int_equal(ioas_ats_open(dev, &side_ops, &side), -EBUSY);
	ioas_ats_close(dev);
	tlp = (struct ioas_tlp){.addr = BASE, .len = 1};
	assert_int_equal(ioas_ats_translate(issuer, &tlp, &found, 1), -EOPNOTSUPP);
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, 0, buf, NULL), -EOPNOTSUPP);
	assert_int_equal(ioas_ats_open(dev, &side_ops, &side), 0);
	assert_int_equal(send(BASE, 1, IOAS_TLP_READ, 0, buf, NULL), 0);
}

/* A request as on the bus has a completion of one entry for each unit from the first one on. */
static void a_raw_request_is_of_units(void **state)
{
	struct ioas_tlp tlp = {.addr = BASE + 2 * PAGE + 0x128,
			       .len = 5 * sizeof(uint64_t),
			       .at = IOAS_TLP_TRANSLATION_REQUEST};
	uint64_t entries[6] = {7, 7, 7, 7, 7, 7}, before = ioas_device_counters(dev)->tlps;

	assert_int_equal(ioas_tlp_issue(issuer, &tlp, entries), 0);
	assert_int_equal(ioas_device_counters(dev)->tlps, before + 1);
	assert_int_equal(ioas_device_counters(dev)->translations, 0);
	for (unsigned i = 0; i < 5; i++) {
		struct ioas_ats_translation found =
			rig_ask(BASE + (2 + i) * PAGE, 1, IOAS_TLP_READ);

		assert_int_equal(found.flags != 0, i < 2);
		assert_int_equal(entries[i], ats_completion(&found));
	}
	assert_int_equal(entries[5], 7);
	/* From wherever in a unit, be its number odd. */
	tlp.addr = BASE + PAGE + 0x128;
	assert_int_equal(ioas_tlp_issue(issuer, &tlp, entries), 0);
	for (unsigned i = 0; i < 5; i++) {
		struct ioas_ats_translation found =
			rig_ask(BASE + (1 + i) * PAGE, 1, IOAS_TLP_READ);

		assert_int_equal(entries[i], ats_completion(&found));
	}
	tlp.op = IOAS_TLP_WRITE;
	assert_int_equal(ioas_tlp_issue(issuer, &tlp, entries), -EINVAL);
	tlp.op = IOAS_TLP_READ;
	tlp.len++;
	assert_int_equal(ioas_tlp_issue(issuer, &tlp, entries), -EINVAL);
	assert_int_equal(ioas_device_counters(dev)->faults, 0);
	/* A record is of a unit, too. */
	tlp = (struct ioas_tlp){.addr = BASE + PAGE + 0x128,
				.len = 2 * sizeof(uint64_t),
				.flags = IOAS_TLP_PASID,
				.pasid = 5,
				.at = IOAS_TLP_TRANSLATION_REQUEST};
	assert_int_equal(ioas_tlp_issue(issuer, &tlp, entries), -EFAULT);
	assert_int_equal(rig_fault(1).reason, IOAS_FAULT_NO_ROUTE);
	assert_int_equal(rig_fault(1).tlp.addr, BASE + PAGE);
	assert_int_equal(rig_fault(1).tlp.len, PAGE);
}

static void a_device_without_ats_has_none(void **state)
{
	static const struct ioas_pci_ops none = {0};
	static const struct ioas_pci_desc desc = {.vendor = 0x1b36, .device = 0x1234};
	struct ioas_device *plain;
	struct ioas_pci *other;

	assert_int_equal(ioas_pci_add(iommu, (struct ioas_pci_addr){.bus = 2}, &desc, &none, NULL,
				      &other, NULL),
			 0);
	plain = ioas_pci_device(other);
	assert_int_equal(ioas_ats_open(plain, &side_ops, &side), -EOPNOTSUPP);
	assert_int_equal(ioas_ats_unit(plain), 0);
	assert_int_equal(ioas_ats_unit(dev), PAGE);
	assert_false(ioas_ats_enabled(plain));
	ioas_ats_done(plain, 1);
	ioas_ats_close(plain);
	ioas_pci_remove(other);
}

/* Neither before it was asked, nor to what it was asked before. */
static void only_what_was_asked_is_answered(void **state)
{
	struct ioas_fault fault;

	rig_ask(BASE, 1, IOAS_TLP_READ);
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + 4 * PAGE - 1, NULL, NULL), 0);
	assert_int_equal(side.asked, 1);
	ioas_ats_done(dev, side.last.tag + 1);
	ioas_ats_done(dev, 0);
	ioas_ats_done(dev, side.last.tag);
	munmap(memory, 4 * PAGE);
	memory = rig_map(space, BASE, 4 * PAGE, RW);
	rig_ask(BASE, 1, IOAS_TLP_READ);
	side.answer = NEVER;
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + 4 * PAGE - 1, NULL, NULL), 0);
	fault = rig_fault(1);
	assert_int_equal(fault.reason, IOAS_FAULT_ATS_TIMEOUT);
	assert_int_equal(fault.taken.first, side.last.first);
	assert_int_equal(fault.taken.last, side.last.last);
	assert_int_equal(fault.tlp.addr, side.last.first);
	assert_int_equal(fault.tlp.len, side.last.last - side.last.first + 1);
}

/* The newest of what took an address back is what a record names; 256 are remembered. */
static void a_record_names_what_took_it_back_last(void **state)
{
	struct ioas_ats_translation found = rig_ask(BASE, 1, IOAS_TLP_READ);
	uint64_t faults = 0;
	char byte;

	pci_reset(pci);
	rig_ask(BASE, 1, IOAS_TLP_READ);
	ioas_device_detach(dev);
	assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		const pa_t at[] = {found.addr, found.addr + found.len - 1, found.addr + found.len};

		assert_int_equal(rig_touch(at[i], IOAS_TLP_READ, &byte), -EFAULT);
		assert_int_equal(rig_fault(++faults).taken_by,
				 i < 2 ? IOAS_ATS_BY_DETACH : IOAS_ATS_BY_NOTHING);
	}
	assert_int_equal(rig_fault(faults).taken.last, 0);
	for (unsigned i = 0; i < 256; i++) {
		assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), -EFAULT);
		assert_int_equal(rig_fault(++faults).taken_by, IOAS_ATS_BY_DETACH);
		assert_int_equal(rig_fault(faults).taken.last, found.first + found.len - 1);
		rig_map(space, BASE + 64 * PAGE, PAGE, RW);
		rig_ask(BASE + 64 * PAGE, 1, IOAS_TLP_READ);
		assert_int_equal(
			ioas_space_unmap(space, BASE + 64 * PAGE, BASE + 65 * PAGE - 1, NULL, NULL),
			0);
	}
	assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), -EFAULT);
	assert_int_equal(rig_fault(++faults).taken_by, IOAS_ATS_BY_NOTHING);
}

#define TEST(name, how) cmocka_unit_test_setup_teardown(name, how, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_allows_what_was_asked_for_and_no_more, start),
		TEST(it_allows_what_the_table_allows, start),
		TEST(what_enforces_coherency_snoops, start),
		TEST(interrupts_are_sent_untranslated, start),
		TEST(each_form_has_translations_of_its_own, start),
		TEST(to_execute_is_asked_for, start),
		TEST(a_request_goes_on_where_the_next_translation_begins, start),
		TEST(an_invalidation_takes_all_of_its_range, start),
		TEST(what_is_cleared_is_asked_for_again, start),
		TEST(what_cannot_be_sent_is_refused, start),
		TEST(a_raw_request_is_of_units, start),
		TEST(a_device_without_ats_has_none, start),
		TEST(only_what_was_asked_is_answered, start_impatient),
		TEST(a_record_names_what_took_it_back_last, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
