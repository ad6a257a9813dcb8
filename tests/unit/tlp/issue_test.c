/* SPDX-License-Identifier: MIT */
/* Description: DMA by copy moves exactly its bytes, across leaves, until the first fault. */
#include "tests/unit/tlp/rig.h"

#define BASE 0x100000ul

static struct rig rig;

static int setup(void **arg)
{
	rig_start(&rig, &(struct ioas_iommu_config){.memory_told = true});
	return 0;
}

static int teardown(void **arg)
{
	rig_stop(&rig);
	return 0;
}

/* Scattered pages, each its own window, seen as one range: compared with a plain array. */
static void dma_across_leaves_agrees_with_plain_memory(void **arg)
{
	enum { NR = 200 };
	static unsigned char model[NR * PAGE], buf[NR * PAGE];
	struct mem_window *windows[NR];
	char *memory = rig_pages(NR);
	uint32_t state = 1;

	for (unsigned i = 0; i < NR; i++)
		windows[i] = rig_map(&rig, BASE + i * PAGE, memory + (i * 67 % NR) * PAGE, PAGE,
				     IOAS_PROT_READ | IOAS_PROT_WRITE);
	for (unsigned round = 0; round < 200; round++) {
		size_t at, len;

		state = state * 1664525 + 1013904223;
		at = state % sizeof(model);
		state = state * 1664525 + 1013904223;
		len = (state >> 7) % (round % 8 ? 9000 : sizeof(model)) + 1;
		if (len > sizeof(model) - at)
			len = sizeof(model) - at;
		memset(buf, (int)(round + 1), len);
		memcpy(model + at, buf, len);
		assert_int_equal(ioas_dma_write(rig.issuer, BASE + at, buf, len), 0);
	}
	assert_int_equal(ioas_dma_read(rig.issuer, BASE, buf, sizeof(buf)), 0);
	assert_memory_equal(buf, model, sizeof(buf));
	for (unsigned i = 0; i < NR; i++) {
		assert_memory_equal(memory + (i * 67 % NR) * PAGE, model + i * PAGE, PAGE);
		rig_unmap(&rig, BASE + i * PAGE, windows[i]);
	}
	munmap(memory, NR * PAGE);
}

static void a_fault_in_the_middle_names_the_first_bad_address(void **arg)
{
	char *memory = rig_pages(2), buf[3 * PAGE];
	struct mem_window *window =
		rig_map(&rig, BASE, memory, 2 * PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	struct ioas_device_counters before = *ioas_device_counters(rig.dev), after;
	struct ioas_fault fault;

	memset(buf, 0x77, sizeof(buf));
	assert_int_equal(ioas_dma_write(rig.issuer, BASE + PAGE, buf, 2 * PAGE), -EFAULT);
	assert_int_equal(memory[PAGE - 1], 0);
	assert_int_equal(memory[PAGE], 0x77);
	assert_int_equal(memory[2 * PAGE - 1], 0x77);
	after = *ioas_device_counters(rig.dev);
	fault = rig_fault(&rig, before.faults + 1);
	assert_int_equal(fault.reason, IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(fault.tlp.addr, BASE + PAGE);
	assert_int_equal(fault.tlp.len, 2 * PAGE);
	assert_int_equal(fault.addr, BASE + 2 * PAGE);
	assert_int_equal(after.tlps - before.tlps, 1);
	assert_int_equal(after.write_len - before.write_len, PAGE);
	assert_int_equal(after.read_len, before.read_len);
	assert_int_equal(after.translations - before.translations, 1);
	rig_unmap(&rig, BASE, window);
	munmap(memory, 2 * PAGE);
}

static void memory_that_the_program_took_away_is_a_fault(void **arg)
{
	uint64_t faults = ioas_device_counters(rig.dev)->faults;
	char *memory = rig_pages(4), buf[4 * PAGE];
	struct mem_window *window =
		rig_map(&rig, BASE, memory, 4 * PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	struct ioas_fault fault;

	munmap(memory + 2 * PAGE, PAGE);
	assert_int_equal(ioas_dma_read(rig.issuer, BASE + 16, buf, 3 * PAGE), -EFAULT);
	fault = rig_fault(&rig, faults + 1);
	assert_int_equal(fault.reason, IOAS_FAULT_MEMORY);
	assert_int_equal(fault.addr, BASE + 2 * PAGE);
	assert_int_equal(fault.level[fault.level_nr - 1].kind, IOAS_FAULT_ENTRY_LEAF);
	assert_int_equal(ioas_dma_store(rig.issuer, BASE + 2 * PAGE + 8, 1, 8), -EFAULT);
	assert_int_equal(rig_fault(&rig, faults + 2).addr, BASE + 2 * PAGE + 8);
	assert_int_equal(ioas_dma_read(rig.issuer, BASE, buf, 2 * PAGE), 0);
	rig_unmap(&rig, BASE, window);
	munmap(memory, 4 * PAGE);
}

/* What the program forbids itself it has not taken away. */
static void memory_that_the_program_protects_is_reached(void **arg)
{
	char *memory = rig_pages(2), buf[2 * PAGE] = "";
	struct mem_window *window =
		rig_map(&rig, BASE, memory, 2 * PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	uint64_t faults = ioas_device_counters(rig.dev)->faults, value = 0x1122334455667788;

	mprotect(memory, PAGE, PROT_NONE);
	mprotect(memory + PAGE, PAGE, PROT_READ);
	memset(buf + 8, 'x', 2 * PAGE - 8);
	assert_int_equal(ioas_dma_write(rig.issuer, BASE + 8, buf + 8, 2 * PAGE - 8), 0);
	assert_int_equal(ioas_dma_store(rig.issuer, BASE + 16, value, 8), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(ioas_dma_read(rig.issuer, BASE, buf, 2 * PAGE), 0);
	assert_memory_equal(buf + 16, &value, 8);
	assert_int_equal(buf[15], 'x');
	assert_int_equal(buf[24], 'x');
	mprotect(memory, 2 * PAGE, PROT_READ);
	assert_memory_equal(memory, buf, 2 * PAGE);
	assert_int_equal(ioas_device_counters(rig.dev)->faults, faults);
	rig_unmap(&rig, BASE, window);
	munmap(memory, 2 * PAGE);
}

/* Nobody said that the program put other memory there, which the device was never given. */
static void read_only_memory_that_came_later_is_not_written(void **arg)
{
	struct rig untold;
	uint64_t faults;
	char *memory, byte = 'x';
	struct mem_window *window;

	rig_start(&untold, NULL);
	memory = rig_pages(1);
	window = rig_map(&untold, BASE, memory, PAGE, IOAS_PROT_READ | IOAS_PROT_WRITE);
	faults = ioas_device_counters(untold.dev)->faults;
	assert_ptr_equal(
		mmap(memory, PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		memory);
	assert_int_equal(ioas_dma_write(untold.issuer, BASE, &byte, 1), -EFAULT);
	assert_int_equal(rig_fault(&untold, faults + 1).reason, IOAS_FAULT_MEMORY);
	assert_int_equal(ioas_dma_store(untold.issuer, BASE + 8, 1, 8), -EFAULT);
	assert_int_equal(rig_fault(&untold, faults + 2).reason, IOAS_FAULT_MEMORY);
	assert_int_equal(memory[0] | memory[8], 0);
	rig_unmap(&untold, BASE, window);
	munmap(memory, PAGE);
	rig_stop(&untold);
}

static void a_store_writes_its_size_and_checks_alignment(void **arg)
{
	char *memory = rig_pages(1);
	struct mem_window *window = rig_map(&rig, BASE, memory, PAGE, IOAS_PROT_WRITE);
	struct ioas_device_counters before = *ioas_device_counters(rig.dev), after;
	uint64_t value = 0x0807060504030201ull;

	for (unsigned size = 1; size <= 8; size *= 2) {
		memset(memory, 0xff, 64);
		assert_int_equal(ioas_dma_store(rig.issuer, BASE + 16, value, size), 0);
		assert_memory_equal(memory + 16, &value, size);
		assert_int_equal((unsigned char)memory[16 + size], 0xff);
		if (size > 1)
			assert_int_equal(ioas_dma_store(rig.issuer, BASE + 17, value, size),
					 -EINVAL);
	}
	assert_int_equal(ioas_dma_store(rig.issuer, BASE, value, 0), -EINVAL);
	assert_int_equal(ioas_dma_store(rig.issuer, BASE, value, 3), -EINVAL);
	assert_int_equal(ioas_dma_store(rig.issuer, BASE, value, 16), -EINVAL);
	assert_int_equal(ioas_dma_store(rig.issuer, BASE + PAGE, value, 8), -EFAULT);
	after = *ioas_device_counters(rig.dev);
	assert_int_equal(after.tlps - before.tlps, 5);
	assert_int_equal(after.translations - before.translations, 4);
	assert_int_equal(after.write_len - before.write_len, 1 + 2 + 4 + 8);
	assert_int_equal(after.read_len, before.read_len);
	rig_unmap(&rig, BASE, window);
	munmap(memory, PAGE);
}

static void malformed_tlps_are_refused_without_a_record(void **arg)
{
	uint64_t faults = ioas_device_counters(rig.dev)->faults;
	struct ioas_tlp tlp = {.addr = BASE, .len = 1, .op = 2};
	char byte;

	assert_int_equal(ioas_tlp_issue(rig.issuer, &tlp, &byte), -EINVAL);
	assert_int_equal(ioas_dma_read(rig.issuer, BASE, &byte, 0), -EINVAL);
	assert_int_equal(ioas_device_counters(rig.dev)->faults, faults);
}

static void a_range_that_wraps_is_beyond_the_width(void **arg)
{
	uint64_t faults = ioas_device_counters(rig.dev)->faults;
	char buf[64];

	assert_int_equal(ioas_dma_read(rig.issuer, UINT64_MAX - 3, buf, sizeof(buf)), -EFAULT);
	assert_int_equal(rig_fault(&rig, faults + 1).reason, IOAS_FAULT_WIDTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dma_across_leaves_agrees_with_plain_memory),
		cmocka_unit_test(a_fault_in_the_middle_names_the_first_bad_address),
		cmocka_unit_test(memory_that_the_program_took_away_is_a_fault),
		cmocka_unit_test(memory_that_the_program_protects_is_reached),
		cmocka_unit_test(read_only_memory_that_came_later_is_not_written),
		cmocka_unit_test(a_store_writes_its_size_and_checks_alignment),
		cmocka_unit_test(malformed_tlps_are_refused_without_a_record),
		cmocka_unit_test(a_range_that_wraps_is_beyond_the_width),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
