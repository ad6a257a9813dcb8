/* SPDX-License-Identifier: MIT */
/*
 * Description: whose TLP it is decides where it goes: PASIDs, claimed requester IDs and what ports
 * make of them, the interrupt window, address types, StreamIDs.
 */
#include "tests/unit/tlp/rig.h"

static struct rig rig;
static char memory[4][PAGE] __attribute__((aligned(PAGE)));

/* A second device of another bus number, with a table of its own, as rig has one. */
static struct ioas_device *other;
static struct pt *tables[3];
static struct mem_window *windows[3];

static void fill(struct pt *pt, unsigned at, iova_t iova)
{
	struct pt *own = rig.pt;

	memset(memory[at], 'a' + (int)at, PAGE);
	rig.pt = pt;
	windows[at] = rig_map(&rig, iova, memory[at], PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	rig.pt = own;
}

static int start(const struct ioas_iommu_config *config, uint32_t forms, unsigned lg2)
{
	struct pt_config pt_config = {.format = PT_AMDV1, .aw = 48};

	rig_start(&rig, config);
	route_detach(rig.dev, NULL);
	ioas_device_unbind(rig.dev);
	assert_int_equal(ioas_device_bind(rig.dev, forms, lg2, NULL), 0);
	assert_int_equal(route_device_new(rig.iommu, "0000:02:00.0", 0, 0x200, &other), 0);
	assert_int_equal(ioas_device_bind(other, IOAS_FORM_RID, 0, NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pt_new(&pt_config, &tables[i]), 0);
		pt_label(tables[i], i + 1, i + 11);
		fill(tables[i], i, 0x5000);
	}
	assert_int_equal(route_attach(other, NULL, tables[2], NULL), 0);
	return 0;
}

static int setup(void **arg)
{
	return start(NULL, IOAS_FORM_RID | IOAS_FORM_PASID, 16);
}

static int setup_same(void **arg)
{
	struct ioas_iommu_config config = {.pasid_0_same = true};

	return start(&config, IOAS_FORM_RID | IOAS_FORM_PASID, 16);
}

static int teardown(void **arg)
{
	pasid_t pasid = 0;

	for (; route_entry_next(rig.dev->set, &pasid); pasid++)
		route_detach(rig.dev, &pasid);
	route_detach(other, NULL);
	ioas_device_unbind(other);
	route_device_destroy(other);
	route_detach(rig.dev, NULL);
	for (unsigned i = 0; i < 3; i++) {
		struct pt *own = rig.pt;

		rig.pt = tables[i];
		rig_unmap(&rig, 0x5000, windows[i]);
		rig.pt = own;
		pt_destroy(tables[i]);
	}
	rig_stop(&rig);
	return 0;
}

static struct ioas_tlp read_of(uint32_t flags, pasid_t pasid, rid_t rid)
{
	return (struct ioas_tlp){
		.addr = 0x5000, .len = 1, .flags = flags, .pasid = pasid, .rid = rid};
}

/* The byte that comes back, or minus the reason of the fault on record. */
static int answer(const struct ioas_tlp *tlp)
{
	static struct ioas_fault fault;
	uint64_t seq = 0;
	char byte = 0;
	int rc = ioas_tlp_issue(rig.issuer, tlp, &byte);

	while (ioas_fault_read(rig.iommu, &seq, &fault, 1))
		;
	return rc ? -(int)fault.reason : byte;
}

static struct ioas_fault newest(void)
{
	struct ioas_fault fault = {0};
	uint64_t seq = 0;

	while (ioas_fault_read(rig.iommu, &seq, &fault, 1))
		;
	return fault;
}

static void each_pasid_and_none_meet_their_own_tables(void **arg)
{
	struct ioas_tlp none = read_of(0, 0, 0), zero = read_of(IOAS_TLP_PASID, 0, 0);
	struct ioas_tlp nine = read_of(IOAS_TLP_PASID, 9, 0);
	struct ioas_tlp wide = read_of(IOAS_TLP_PASID, 1 << 16, 0);

	assert_int_equal(answer(&none), -IOAS_FAULT_NO_ROUTE);
	assert_int_equal(route_attach(rig.dev, NULL, tables[0], NULL), 0);
	assert_int_equal(answer(&none), 'a');
	assert_int_equal(answer(&zero), -IOAS_FAULT_NO_ROUTE);
	assert_int_equal(route_attach(rig.dev, &zero.pasid, tables[1], NULL), 0);
	assert_int_equal(route_attach(rig.dev, &nine.pasid, tables[2], NULL), 0);
	assert_int_equal(answer(&none), 'a');
	assert_int_equal(answer(&zero), 'b');
	assert_int_equal(answer(&nine), 'c');
	assert_int_equal(answer(&wide), -IOAS_FAULT_PASID_WIDTH);
	route_detach(rig.dev, &zero.pasid);
	assert_int_equal(answer(&zero), -IOAS_FAULT_NO_ROUTE);
	assert_int_equal(answer(&none), 'a');
}

static void a_store_takes_the_route_of_its_pasid(void **arg)
{
	struct ioas_tlp tlp = {
		.addr = 0x5000, .len = 4, .op = IOAS_TLP_WRITE, .flags = IOAS_TLP_PASID};
	struct ioas_tlp odd;
	uint32_t value;

	tlp.pasid = 9;
	assert_int_equal(route_attach(rig.dev, NULL, tables[0], NULL), 0);
	assert_int_equal(route_attach(rig.dev, &tlp.pasid, tables[1], NULL), 0);
	assert_int_equal(ioas_tlp_store(rig.issuer, &tlp, 0x11223344), 0);
	memcpy(&value, memory[1], 4);
	assert_int_equal(value, 0x11223344);
	assert_int_equal(memory[0][0], 'a');
	odd = tlp, odd.op = IOAS_TLP_READ;
	assert_int_equal(ioas_tlp_store(rig.issuer, &odd, 0), -EINVAL);
	odd = tlp, odd.addr = 0x5002;
	assert_int_equal(ioas_tlp_store(rig.issuer, &odd, 0), -EINVAL);
	odd = tlp, odd.len = 16;
	assert_int_equal(ioas_tlp_store(rig.issuer, &odd, 0), -EINVAL);
}

static void an_issuer_knows_its_newest_record(void **arg)
{
	struct ioas_tlp none = read_of(0, 0, 0), claim = read_of(IOAS_TLP_RID, 0, 0x200);
	uint64_t seq = 1;
	char byte;

	assert_int_equal(ioas_issuer_fault(rig.issuer, &seq), IOAS_FAULT_NONE);
	assert_int_equal(seq, 0);
	assert_int_equal(ioas_tlp_issue(rig.issuer, &none, &byte), -EFAULT);
	assert_int_equal(ioas_issuer_fault(rig.issuer, &seq), IOAS_FAULT_NO_ROUTE);
	assert_int_equal(seq, 1);
	assert_int_equal(ioas_tlp_issue(rig.issuer, &claim, &byte), 0);
	assert_int_equal(ioas_issuer_fault(rig.issuer, &seq), IOAS_PASSED_CLAIMED);
	assert_int_equal(seq, 2);
}

static void where_pasid_0_is_none_it_takes_that_route(void **arg)
{
	struct ioas_tlp none = read_of(0, 0, 0), zero = read_of(IOAS_TLP_PASID, 0, 0);

	assert_int_equal(route_attach(rig.dev, NULL, tables[1], NULL), 0);
	assert_int_equal(answer(&none), 'b');
	assert_int_equal(answer(&zero), 'b');
}

static void a_claimed_requester_id_takes_its_owners_route_on_record(void **arg)
{
	struct ioas_tlp claim = read_of(IOAS_TLP_RID, 0, 0x200),
			nobody = read_of(IOAS_TLP_RID, 0, 0x300);
	struct route_source source = {.first = 1, .last = 1};
	struct ioas_fault fault;
	char text[512];

	assert_int_equal(route_attach(rig.dev, NULL, tables[0], NULL), 0);
	assert_int_equal(answer(&claim), 'c');
	fault = newest();
	assert_int_equal(fault.reason, IOAS_PASSED_CLAIMED);
	assert_string_equal(fault.other, "0000:02:00.0");
	assert_string_equal(fault.device, "0000:01:00.0");
	assert_int_equal(fault.id, 0x200);
	assert_int_equal(fault.hwpt_id, 13);
	assert_int_equal(ioas_device_counters(rig.dev)->around, 1);
	assert_int_equal(ioas_device_counters(rig.dev)->faults, 0);
	ioas_fault_format(&fault, text, sizeof(text));
	assert_ptr_equal(strstr(text, "passed by 1: 0000:01:00.0 (RID 02:00.0"), text);
	assert_int_equal(answer(&nobody), -IOAS_FAULT_UNKNOWN_RID);

	/* A port that validates sources lets nothing out but what is below it. */
	atomic_store(&rig.dev->source, &source);
	assert_int_equal(answer(&claim), -IOAS_FAULT_SOURCE);
	source.last = 2;
	assert_int_equal(answer(&claim), 'c');
	/* Behind a bridge that rewrites, the claim does not survive. */
	source.rewritten = true;
	assert_int_equal(answer(&claim), 'a');
	atomic_store(&rig.dev->source, NULL);
}

static void a_claim_is_measured_by_what_the_owner_declared(void **arg)
{
	struct ioas_tlp claim = read_of(IOAS_TLP_RID | IOAS_TLP_PASID, 9, 0x200);

	assert_int_equal(answer(&claim), -IOAS_FAULT_UNDECLARED);
	route_detach(other, NULL);
	ioas_device_unbind(other);
	assert_int_equal(answer(&claim), -IOAS_FAULT_NOT_BOUND);
	assert_int_equal(ioas_device_bind(other, IOAS_FORM_RID | IOAS_FORM_PASID, 4, NULL), 0);
	assert_int_equal(answer(&claim), -IOAS_FAULT_NO_ROUTE);
	assert_int_equal(route_attach(other, &claim.pasid, tables[1], NULL), 0);
	assert_int_equal(answer(&claim), 'b');
	route_detach(other, &claim.pasid);
}

/* What was declared, by each form of request: with a PASID at the ends of its width, and without.
 */
static void forms_are_passed_as_they_were_declared(void **arg)
{
	static const uint32_t forms[] = {
		0,
		IOAS_FORM_RID,
		IOAS_FORM_PASID,
		IOAS_FORM_SHARED_QUEUE,
		IOAS_FORM_RID | IOAS_FORM_SHARED_QUEUE,
		IOAS_FORM_RID | IOAS_FORM_PASID,
	};
	static const uint32_t pasids = IOAS_FORM_PASID | IOAS_FORM_SHARED_QUEUE;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		for (unsigned lg2 = 1; lg2 <= 20; lg2 += 19) {
			struct ioas_tlp none = read_of(0, UINT32_MAX, 0);
			struct ioas_tlp last = read_of(IOAS_TLP_PASID, (1u << lg2) - 1, 0);
			struct ioas_tlp past = read_of(IOAS_TLP_PASID, 1u << lg2, 0);
			bool wide = forms[i] & pasids;

			ioas_device_unbind(rig.dev);
			assert_int_equal(ioas_device_bind(rig.dev, forms[i], wide ? lg2 : 0, NULL),
					 0);
			assert_int_equal(answer(&none), forms[i] & IOAS_FORM_RID
								? -IOAS_FAULT_NO_ROUTE
								: -IOAS_FAULT_UNDECLARED);
			assert_int_equal(answer(&last),
					 wide ? -IOAS_FAULT_NO_ROUTE : -IOAS_FAULT_UNDECLARED);
			assert_int_equal(answer(&past),
					 wide ? -IOAS_FAULT_PASID_WIDTH : -IOAS_FAULT_UNDECLARED);
		}
	ioas_device_unbind(rig.dev);
	assert_int_equal(answer(&(struct ioas_tlp){.addr = 0x5000, .len = 1}),
			 -IOAS_FAULT_NOT_BOUND);
	assert_int_equal(ioas_device_bind(rig.dev, IOAS_FORM_RID | IOAS_FORM_PASID, 16, NULL), 0);
}

/* Below a port lie some buses in a row: each bus number is let out if it is one of them. */
static void a_port_lets_out_the_bus_numbers_below_it(void **arg)
{
	struct ioas_tlp claim = read_of(IOAS_TLP_RID, 0, 0x2ff);
	static struct route_source source;

	atomic_store(&rig.dev->source, &source);
	for (unsigned first = 0; first < 5; first++)
		for (unsigned last = first; last < 5; last++) {
			source.first = (uint8_t)first;
			source.last = (uint8_t)last;
			assert_int_equal(answer(&claim), first <= 2 && last >= 2
								 ? -IOAS_FAULT_UNKNOWN_RID
								 : -IOAS_FAULT_SOURCE);
			assert_int_equal(newest().id, 0x2ff);
		}
	atomic_store(&rig.dev->source, NULL);
}

/* Of a route that is remembered, and of one that is not. */
static void a_remembered_route_is_not_for_interrupts(void **arg)
{
	struct ioas_tlp tlp = read_of(0, 0, 0), window = tlp, claim = tlp;

	window.addr = 0xfee00000;
	claim.flags = IOAS_TLP_RID;
	claim.rid = 0x200;
	assert_int_equal(route_attach(rig.dev, NULL, tables[0], NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(answer(&tlp), 'a');
		assert_int_equal(answer(&window), -IOAS_FAULT_INTERRUPT);
		assert_int_equal(answer(&claim), 'c');
	}
	claim.flags |= IOAS_TLP_PASID;
	claim.pasid = 1u << 20;
	ioas_device_unbind(other);
	assert_int_equal(ioas_device_bind(other, IOAS_FORM_RID | IOAS_FORM_PASID, 4, NULL), 0);
	assert_int_equal(answer(&claim), -IOAS_FAULT_PASID_WIDTH);
	claim.pasid--;
	assert_int_equal(answer(&claim), -IOAS_FAULT_NO_ROUTE);
}

static void nothing_is_translated_in_the_interrupt_window(void **arg)
{
	static const iova_t inside[] = {0xfee00000, 0xfeefffff, 0xfedffffc};
	static const iova_t outside[] = {0xfedffff8, 0xfef00000};

	assert_int_equal(route_attach(rig.dev, NULL, tables[0], NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct ioas_tlp tlp = {.addr = inside[i], .len = 8, .op = IOAS_TLP_WRITE};

		assert_int_equal(answer(&tlp), -IOAS_FAULT_INTERRUPT);
	}
	for (int i = 0; i < 2; i++) {
		struct ioas_tlp tlp = {.addr = outside[i], .len = 8, .op = IOAS_TLP_WRITE};

		assert_int_equal(answer(&tlp), -IOAS_FAULT_NOT_MAPPED);
	}
}

static void address_types_other_than_untranslated_need_ats(void **arg)
{
	struct ioas_tlp tlp = read_of(0, 0, 0);

	assert_int_equal(route_attach(rig.dev, NULL, tables[0], NULL), 0);
	tlp.at = IOAS_TLP_TRANSLATED;
	assert_int_equal(answer(&tlp), -IOAS_FAULT_TRANSLATED);
	tlp.at = IOAS_TLP_TRANSLATION_REQUEST;
	assert_int_equal(answer(&tlp), -IOAS_FAULT_TRANSLATED);
}

static void a_stream_id_routes_like_a_requester_id(void **arg)
{
	struct ioas_issuer *pci = rig.issuer, *issuer;
	struct ioas_tlp none = read_of(0, 0, 0), sub = read_of(IOAS_TLP_PASID, 3, 0);
	struct ioas_tlp window = {.addr = 0xfee00000, .len = 4};
	struct ioas_fault fault;
	struct ioas_device *dev;
	char text[512];

	assert_int_equal(ioas_stream_new(rig.iommu, "dma@fe000000", 0x12345678, &dev), 0);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 8, NULL), 0);
	assert_int_equal(ioas_issuer_new(dev, &issuer), 0);
	rig.issuer = issuer;
	assert_int_equal(route_attach(dev, NULL, tables[0], NULL), 0);
	assert_int_equal(answer(&none), 'a');
	assert_int_equal(answer(&sub), -IOAS_FAULT_NO_ROUTE);
	fault = newest();
	assert_int_equal(fault.id, 0x12345678);
	ioas_fault_format(&fault, text, sizeof(text));
	assert_non_null(strstr(text, "(StreamID 0x12345678, SubstreamID 0x3)"));
	assert_int_equal(route_attach(dev, &sub.pasid, tables[1], NULL), 0);
	assert_int_equal(answer(&sub), 'b');
	/* x86's window of interrupts is PCI's. */
	assert_int_equal(answer(&window), -IOAS_FAULT_NOT_MAPPED);
	route_detach(dev, &sub.pasid);
	route_detach(dev, NULL);
	ioas_issuer_destroy(issuer);
	rig.issuer = pci;
	ioas_device_unbind(dev);
	ioas_stream_destroy(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_pasid_and_none_meet_their_own_tables, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_store_takes_the_route_of_its_pasid, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_issuer_knows_its_newest_record, setup, teardown),
		cmocka_unit_test_setup_teardown(where_pasid_0_is_none_it_takes_that_route,
						setup_same, teardown),
		cmocka_unit_test_setup_teardown(
			a_claimed_requester_id_takes_its_owners_route_on_record, setup, teardown),
		cmocka_unit_test_setup_teardown(a_claim_is_measured_by_what_the_owner_declared,
						setup, teardown),
		cmocka_unit_test_setup_teardown(forms_are_passed_as_they_were_declared, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_port_lets_out_the_bus_numbers_below_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_remembered_route_is_not_for_interrupts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nothing_is_translated_in_the_interrupt_window,
						setup, teardown),
		cmocka_unit_test_setup_teardown(address_types_other_than_untranslated_need_ats,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_stream_id_routes_like_a_requester_id, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
