/* SPDX-License-Identifier: MIT */
/* Description: fault records say what was looked up, are kept in order, and read well. */
#include "tests/unit/tlp/rig.h"

static struct rig rig;
static uint64_t told;

static void on_fault(void *host, const struct ioas_fault *fault)
{
	assert_ptr_equal(host, &rig);
	told = fault->seq;
}

static int setup(void **arg)
{
	static const struct ioas_host_ops ops = {.fault = on_fault};
	struct ioas_iommu_config config = {.host_ops = &ops, .host = &rig};

	rig_start(&rig, &config);
	return 0;
}

static int teardown(void **arg)
{
	rig_stop(&rig);
	return 0;
}

static void format(const struct ioas_fault *fault, char *buf, size_t len)
{
	assert_true(ioas_fault_format(fault, buf, len) < (int)len);
}

static void a_record_holds_the_walk_and_the_nearest_mapping(void **arg)
{
	char *memory = rig_pages(1), buf[16] = "", text[2048];
	struct mem_window *window = rig_map(&rig, 0x12340000, memory, PAGE, IOAS_PROT_READ);
	struct ioas_fault fault;

	assert_int_equal(ioas_dma_write(rig.issuer, 0x12345000, buf, 16), -EFAULT);
	fault = rig_fault(&rig, 1);
	assert_int_equal(told, 1);
	assert_string_equal(fault.device, "0000:01:00.0");
	assert_int_equal(fault.id, 0x100);
	assert_int_equal(fault.reason, IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(fault.ioas_id, 7);
	assert_int_equal(fault.hwpt_id, 9);
	assert_int_equal(fault.tlp.op, IOAS_TLP_WRITE);
	assert_true(fault.time_ns > 0);
	assert_int_equal(fault.level_nr, 4);
	for (unsigned i = 0; i < 4; i++) {
		unsigned level = 4 - i;

		assert_int_equal(fault.level[i].level, level);
		assert_int_equal(fault.level[i].index, 0x12345000ull >> (3 + 9 * level) & 511);
		assert_int_equal(fault.level[i].kind,
				 i < 3 ? IOAS_FAULT_ENTRY_TABLE : IOAS_FAULT_ENTRY_EMPTY);
	}
	assert_true(fault.has_nearest);
	assert_int_equal(fault.nearest.first, 0x12340000);
	assert_int_equal(fault.nearest.last, 0x12340fff);
	assert_int_equal(fault.nearest_prot, IOAS_PROT_READ);
	format(&fault, text, sizeof(text));
	assert_ptr_equal(strstr(text, "fault 1: 0000:01:00.0 (RID 01:00.0, no PASID) write of 16 "
				      "bytes at IOVA 0x12345000: not mapped\n"
				      "  address space 7, page table (HWPT) 9\n"
				      "  level 4, entry   0: 0x"),
			 text);
	assert_non_null(strstr(text, "\n  level 1, entry 325: 0x0000000000000000 not present\n"));
	assert_non_null(strstr(text, "\n  nearest mapping: 0x12340000..0x12340fff (read only), "
				     "which ends 0x4000 bytes before"));

	assert_int_equal(ioas_dma_write(rig.issuer, 0x12340ff8, buf, 8), -EFAULT);
	fault = rig_fault(&rig, 2);
	format(&fault, text, sizeof(text));
	assert_non_null(strstr(text, ": mapped without write permission\n"));
	assert_non_null(strstr(text, " leaf\n"));
	assert_non_null(strstr(text, "which holds the address"));
	assert_int_equal(ioas_dma_read(rig.issuer, 0x12340ff8, buf, 16), -EFAULT);
	fault = rig_fault(&rig, 3);
	format(&fault, text, sizeof(text));
	assert_non_null(strstr(text, "read of 16 bytes at IOVA 0x12340ff8, failed at 0x12341000: "
				     "not mapped\n"));
	rig_unmap(&rig, 0x12340000, window);
	assert_int_equal(ioas_dma_read(rig.issuer, 0x12340ff8, buf, 16), -EFAULT);
	fault = rig_fault(&rig, 4);
	assert_false(fault.has_nearest);
	format(&fault, text, sizeof(text));
	assert_non_null(strstr(text, "\n  nothing is mapped"));
	munmap(memory, PAGE);
}

static void a_tlp_that_met_no_table_is_one_line(void **arg)
{
	uint64_t seq = ioas_device_counters(rig.dev)->faults;
	struct ioas_tlp tlp = {.addr = 0x1000,
			       .len = 1,
			       .flags = IOAS_TLP_PASID | IOAS_TLP_RID,
			       .pasid = 0x1234,
			       .rid = 0x1ff};
	char byte, text[512], want[512];
	struct ioas_fault fault;

	assert_int_equal(ioas_tlp_issue(rig.issuer, &tlp, &byte), -EFAULT);
	fault = rig_fault(&rig, seq + 1);
	assert_int_equal(fault.reason, IOAS_FAULT_UNKNOWN_RID);
	assert_int_equal(fault.level_nr, 0);
	format(&fault, text, sizeof(text));
	snprintf(want, sizeof(want),
		 "fault %llu: 0000:01:00.0 (RID 01:1f.7, PASID 0x1234) read of 1 byte at IOVA "
		 "0x1000: the requester ID is no device's",
		 (unsigned long long)fault.seq);
	assert_string_equal(text, want);
}

static void text_is_cut_to_the_buffer_and_its_length_is_told(void **arg)
{
	struct ioas_fault fault = {.seq = 1, .device = "d", .reason = IOAS_FAULT_MEMORY};
	char whole[1024], cut[1024];
	int len = ioas_fault_format(&fault, whole, sizeof(whole));

	assert_int_equal(len, strlen(whole));
	assert_int_equal(ioas_fault_format(&fault, NULL, 0), len);
	for (size_t size = 1; size < (size_t)len + 3; size++) {
		memset(cut, 'x', sizeof(cut));
		assert_int_equal(ioas_fault_format(&fault, cut, size), len);
		assert_int_equal(strlen(cut), size - 1 < (size_t)len ? size - 1 : (size_t)len);
		assert_memory_equal(cut, whole, strlen(cut));
		assert_int_equal(cut[size], 'x');
	}
}

static void the_newest_1024_are_kept_in_order(void **arg)
{
	static struct ioas_fault faults[1100];
	uint64_t start = ioas_device_counters(rig.dev)->faults, seq = 0;
	char byte;

	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(ioas_dma_read(rig.issuer, i * PAGE, &byte, 1), -EFAULT);
	assert_int_equal(ioas_fault_read(rig.iommu, &seq, faults, 24), 24);
	assert_int_equal(ioas_fault_read(rig.iommu, &seq, faults + 24, 1100 - 24), 1000);
	assert_int_equal(seq, start + 2000);
	for (unsigned i = 0; i < 1024; i++) {
		assert_int_equal(faults[i].seq, start + 2000 - 1024 + i + 1);
		assert_int_equal(faults[i].addr, (2000 - 1024 + i) * PAGE);
	}
	assert_int_equal(ioas_fault_read(rig.iommu, &seq, faults, 10), 0);
}

static void every_reason_has_a_name(void **arg)
{
	for (int i = 0; i <= IOAS_PASSED_ATS_STALE; i++)
		assert_true(strlen(ioas_fault_reason_name(i)) > 5);
	assert_string_equal(ioas_fault_reason_name(999), "unknown reason");
}

/* The same number is something else to each vendor, or nothing. */
static void a_code_is_its_vendors_own(void **arg)
{
	static const struct {
		enum ioas_fault_vendor vendor;
		unsigned code;
		const char *name;
	} some[] = {
		{IOAS_FAULT_OF_VTD, 0x05, "no write permission"},
		{IOAS_FAULT_OF_VTD, 0x86, "scalable mode: no read permission"},
		{IOAS_FAULT_OF_AMD, 0x7, "IOTLB_INV_TIMEOUT"},
		{IOAS_FAULT_OF_SMMUV3, 0x05, "F_BAD_ATS_TREQ"},
		{IOAS_FAULT_OF_SMMUV3, 0x07, "F_TRANSL_FORBIDDEN"},
		{IOAS_FAULT_OF_RISCV, 13, "read page fault"},
		{IOAS_FAULT_OF_VTD, 0x07, NULL},
		{IOAS_FAULT_OF_AMD, 0x05, NULL},
		{IOAS_FAULT_OF_SMMUV3, 13, NULL},
		{IOAS_FAULT_OF_RISCV, 0x86, NULL},
		{IOAS_FAULT_OF_NOBODY, 0x05, NULL},
	};

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		const char *name = ioas_fault_code_name(some[i].vendor, some[i].code);

		if (some[i].name)
			assert_string_equal(name, some[i].name);
		else
			assert_null(name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_holds_the_walk_and_the_nearest_mapping),
		cmocka_unit_test(a_tlp_that_met_no_table_is_one_line),
		cmocka_unit_test(text_is_cut_to_the_buffer_and_its_length_is_told),
		cmocka_unit_test(the_newest_1024_are_kept_in_order),
		cmocka_unit_test(every_reason_has_a_name),
		cmocka_unit_test(a_code_is_its_vendors_own),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
