/* SPDX-License-Identifier: MIT */
/*
 * Description: the bitmap of IOMMU_HWPT_GET_DIRTY_BITMAP against an array of pages: random writes
 * of a device, from a byte to much more than the engine's window onto the bitmap, read by bits of
 * any size, from a bitmap that has bits already, and into one that ends too early. All of it with
 * --check-dirty as well, which misses nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ioas/device.h>
#include <ioas/tlp.h>
#include "mem/mem.h"
#include "pci/pci.h"
#include "tests/unit/rnd.h"
#include "uapi/uapi.h"
#include "world.h"

#define PAGES  8192ul
#define LEN    (PAGES * PAGE)
#define IOVA   0x40000000ull
#define ROUNDS 60

static struct world *w;
static int fd;
static uint32_t hwpt;
static struct ioas_issuer *issuer;
static uint8_t *memory, *bits;
static bool dirty[PAGES];
static uint64_t state = 88172645463325252ull;

static uint64_t below(uint64_t nr)
{
	return (rnd_next(&state) >> 11) % nr;
}

static int setup_config(const struct ioas_iommu_config *config)
{
	uint16_t command = PCI_CMD_MASTER | PCI_CMD_MEMORY;
	struct iommu_option small = {.size = sizeof(small),
				     .option_id = IOMMU_OPTION_HUGE_PAGES,
				     .op = IOMMU_OPTION_OP_SET};
	struct iommu_hwpt_alloc alloc = {.size = sizeof(alloc),
					 .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING};
	struct iommu_hwpt_set_dirty_tracking track = {.size = sizeof(track),
						      .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE};
	uint64_t iova = IOVA;
	uint32_t ioas;
	int cdev;
	void *world;

	if (world_setup_config(&world, config))
		return -1;
	w = world;
	memory = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bits = mmap(NULL, 65 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(bits + 64 * PAGE, PAGE, PROT_NONE);
	fd = w_open(w, "/dev/iommu");
	cdev = w_open_cdev(w, 1);
	alloc.dev_id = w_bind(w, cdev, fd);
	ioas = w_ioas(w, fd);
	small.object_id = alloc.pt_id = ioas;
	assert_int_equal(w_ioctl(w, fd, IOMMU_OPTION, &small), 0);
	assert_int_equal(w_map(w, fd, ioas, 7, memory, LEN, &iova), 0);
	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_ALLOC, &alloc), 0);
	track.hwpt_id = hwpt = alloc.out_hwpt_id;
	assert_int_equal(w_attach(w, cdev, &alloc.out_hwpt_id), 0);
	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), 0);
	assert_int_equal(pci_config_write(w->dev[1].pci, PCI_CFG_COMMAND, &command, 2), 2);
	return ioas_issuer_new(ioas_pci_device(w->dev[1].pci), &issuer);
}

static int setup(void **unused)
{
	const struct ioas_iommu_config config = {.memlock = true};

	return setup_config(&config);
}

static int setup_checked(void **unused)
{
	struct ioas_iommu_config config = {.memlock = true};

	assert_int_equal(ioas_iommu_config_set(&config, "check-dirty", "on", NULL), 0);
	return setup_config(&config);
}

static int teardown(void **unused)
{
	void *world = w;

	memset(dirty, 0, sizeof(dirty));
	ioas_issuer_destroy(issuer);
	munmap(bits, 65 * PAGE);
	world_teardown(&world);
	munmap(memory, LEN);
	return 0;
}

/* A few writes, of which some are long. */
static void write_some(void)
{
	for (uint64_t i = 1 + below(4); i; i--) {
		uint64_t at = below(LEN), len = 1 + below(below(3) ? 3 * PAGE : LEN);
		struct ioas_tlp tlp = {.addr = IOVA + at, .op = IOAS_TLP_WRITE};

		tlp.len = len < LEN - at ? len : LEN - at;
		assert_int_equal(ioas_tlp_issue(issuer, &tlp, memory + at), 0);
		for (uint64_t p = at / PAGE; p <= (at + tlp.len - 1) / PAGE; p++)
			dirty[p] = true;
	}
}

static bool any_dirty(uint64_t start, uint64_t len)
{
	for (uint64_t p = start / PAGE; p <= (start + len - 1) / PAGE; p++)
		if (dirty[p])
			return true;
	return false;
}

static long read_bits(uint64_t start, uint64_t len, uint64_t unit, const void *to, bool clear)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = clear ? 0 : IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
		.iova = IOVA + start,
		.length = len,
		.page_size = unit,
		.data = (uintptr_t)to,
	};

	return w_ioctl(w, fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

static void reads_are_what_was_written(void **unused)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t unit = 64ull << below(12), units = LEN / unit, first = below(units);
		uint64_t nr = 1 + below(units - first);
		bool clear = below(2);
		uint8_t old = (uint8_t)below(256);

		write_some();
		/* Whole pages are cleared: bits of less than one are read of whole ones. */
		if (unit < PAGE) {
			first -= first % (PAGE / unit);
			nr = (nr + PAGE / unit - 1) / (PAGE / unit) * (PAGE / unit);
		}
		memset(bits, old, 64 * PAGE);
		assert_int_equal(read_bits(first * unit, nr * unit, unit, bits, clear), 0);
		for (uint64_t i = 0; i < 64 * PAGE * 8 && i < nr + 64; i++) {
			bool set = i < nr && any_dirty((first + i) * unit, unit);

			if ((bits[i / 8] >> i % 8 & 1) != (set || old >> i % 8 & 1))
				fail_msg("round %u, unit %#llx, bit %llu of %llu", round,
					 (unsigned long long)unit, (unsigned long long)i,
					 (unsigned long long)nr);
		}
		for (uint64_t p = first * unit / PAGE; clear && p < (first + nr) * unit / PAGE; p++)
			dirty[p] = false;
	}
}

/* What could not be told because the bitmap ends too early is told the next time. */
static void nothing_is_lost_with_the_bitmap(void **unused)
{
	struct ioas_tlp tlp = {.addr = IOVA, .len = LEN, .op = IOAS_TLP_WRITE};

	for (unsigned lost = 1; lost <= PAGES / 8; lost = lost * 3 + 1) {
		uint8_t *end = bits + 64 * PAGE, *at = end - (PAGES / 8 - lost);

		memset(bits, 0, 64 * PAGE);
		assert_int_equal(ioas_tlp_issue(issuer, &tlp, memory), 0);
		assert_int_equal(read_bits(0, LEN, PAGE, at, true), 0);
		assert_int_equal(read_bits(0, LEN, PAGE, bits, true), 0);
		for (unsigned i = 0; i < PAGES / 8; i++)
			assert_int_equal(bits[i] | (at + i < end ? at[i] : 0), 0xff);
		/* That page alone is not there, and is told. */
		assert_int_equal(bits[PAGES / 8 - 1], 0xff);
	}
	memset(bits, 0, 64 * PAGE);
	assert_int_equal(read_bits(0, LEN, PAGE, bits, true), 0);
	for (unsigned i = 0; i < PAGES / 8; i++)
		assert_int_equal(bits[i], 0);
}

/* Of a bitmap only the bytes are touched in which a bit is to be set: others need not be there. */
static void bytes_without_a_dirty_page_need_not_be_there(void **unused)
{
	/* Two pages a bit. Of each window of the engine's another part. */
	static const unsigned pages[] = {2000, 2046, 2047, 4100, 6143, 6144};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		struct ioas_tlp tlp = {
			.addr = IOVA + pages[i] * PAGE, .len = 1, .op = IOAS_TLP_WRITE};
		unsigned bit = pages[i] / 2;
		uint8_t *at = bits + PAGE - bit / 8, byte = 0;

		assert_int_equal(ioas_tlp_issue(issuer, &tlp, &byte), 0);
		bits[PAGE] = 0;
		assert_int_equal(mprotect(bits, PAGE, PROT_NONE), 0);
		assert_int_equal(read_bits(0, LEN, 2 * PAGE, at, true), 0);
		assert_int_equal(bits[PAGE], 1u << bit % 8);
		/* It has been told, and does not come again. */
		bits[PAGE] = 0;
		assert_int_equal(read_bits(0, LEN, 2 * PAGE, at, true), 0);
		assert_int_equal(bits[PAGE], 0);
		assert_int_equal(mprotect(bits, PAGE, PROT_READ | PROT_WRITE), 0);
	}
}

/* The last byte of all is part of a range that ends with it; one byte more, and it wraps. */
static void a_range_may_end_with_all_addresses(void **unused)
{
	assert_int_equal(read_bits(-IOVA - LEN, LEN, PAGE, bits, true), 0);
	assert_int_equal(read_bits(-IOVA - LEN, LEN + PAGE, PAGE, bits, true), -EOVERFLOW);
	assert_int_equal(read_bits(-IOVA - LEN, LEN + 1, PAGE, bits, true), -EOVERFLOW);
}

/* What a door without or_to has: the same bits, fetched and put back. */
static void bits_are_set_without_the_caller_s_help(void **unused)
{
	struct ioas_caller_ops ops = *mem_self_caller()->ops;
	struct ioas_caller caller = {.ops = &ops};
	uint8_t *end = bits + 64 * PAGE, set[700];

	ops.or_to = NULL;
	for (size_t i = 0; i < sizeof(set); i++)
		set[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t len = 0; len < sizeof(set); len = len * 2 + 1) {
		memset(bits, 0x82, 64 * PAGE);
		assert_int_equal(uapi_caller_or(&caller, (uintptr_t)bits + 3, set, len), 0);
		for (size_t i = 0; i < len + 5; i++)
			assert_int_equal(bits[i], i < 3 || i >= 3 + len ? 0x82 : 0x82 | set[i - 3]);
		assert_int_equal(uapi_caller_or(&caller, (uintptr_t)end - len, set, len + 1),
				 -EFAULT);
	}
}

/* Of a line no more is touched than up to its last bit, where the rest of it is not there. */
static void a_line_may_end_where_the_memory_does(void **unused)
{
	static const unsigned pages[] = {0, 7, 8, 511, 512, 1000, 1024 + 63, 8191};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		struct ioas_tlp tlp = {
			.addr = IOVA + pages[i] * PAGE, .len = 1, .op = IOAS_TLP_WRITE};
		uint8_t *end = bits + 64 * PAGE, byte = 0;

		memset(bits, 0, 64 * PAGE);
		assert_int_equal(ioas_tlp_issue(issuer, &tlp, &byte), 0);
		assert_int_equal(read_bits(0, LEN, PAGE, end - pages[i] / 8 - 1, true), 0);
		assert_int_equal(end[-1], 1u << pages[i] % 8);
		assert_int_equal(read_bits(0, LEN, PAGE, bits, true), 0);
		for (unsigned b = 0; b < PAGES / 8; b++)
			assert_int_equal(bits[b], 0);
	}
}

static void write_byte(unsigned page)
{
	struct ioas_tlp tlp = {.addr = IOVA + page * PAGE, .len = 1, .op = IOAS_TLP_WRITE};
	uint8_t byte = 0;

	assert_int_equal(ioas_tlp_issue(issuer, &tlp, &byte), 0);
}

/* A page has more bits then than the engine's window. */
static void a_bit_may_be_a_byte(void **unused)
{
	write_byte(3);
	memset(bits, 0, 64 * PAGE);
	assert_int_equal(read_bits(2 * PAGE, 3 * PAGE, 1, bits, true), 0);
	for (unsigned i = 0; i < PAGE; i++)
		assert_int_equal(bits[i], i / (PAGE / 8) == 1 ? 0xff : 0);
}

/* Nor need those be there that lie between two, whatever was set in another window before. */
static void bytes_between_two_need_not_be_there(void **unused)
{
	uint8_t *at = bits + PAGE - 20;

	memset(bits, 0, 64 * PAGE);
	write_byte(10);
	write_byte(4200);
	assert_int_equal(mprotect(bits + PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(read_bits(0, LEN, 512, at, true), 0);
	assert_int_equal(at[10], 0xff);
	assert_int_equal(at[4200], 0xff);
	at[10] = at[4200] = 0;
	assert_int_equal(read_bits(0, LEN, 512, at, true), 0);
	assert_int_equal(at[10] | at[4200], 0);
	assert_int_equal(mprotect(bits + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
}

static void nothing_is_lost_with_a_bitmap_of_larger_bits(void **unused)
{
	struct ioas_tlp tlp = {.addr = IOVA, .len = LEN, .op = IOAS_TLP_WRITE};
	uint8_t *end = bits + 64 * PAGE, *at = end - PAGES / 16 + 5;

	memset(bits, 0, 64 * PAGE);
	assert_int_equal(ioas_tlp_issue(issuer, &tlp, memory), 0);
	assert_int_equal(read_bits(0, LEN, 2 * PAGE, at, true), 0);
	assert_int_equal(read_bits(0, LEN, 2 * PAGE, bits, true), 0);
	for (unsigned i = 0; i < PAGES / 16; i++)
		assert_int_equal(bits[i] | (at + i < end ? at[i] : 0), 0xff);
}

static void what_is_not_there_has_a_reason(void **unused)
{
	uint32_t was = hwpt;

	hwpt = 4711;
	assert_int_equal(read_bits(0, LEN, PAGE, bits, true), -ENOENT);
	assert_non_null(strstr(w->why.text, "4711"));
	hwpt = was;
}

/* Of all of these, with --check-dirty. */
static void nothing_was_missed(void **unused)
{
	struct ioas_fault fault;
	uint64_t seq = 0;

	assert_int_equal(ioas_fault_read(w->iommu, &seq, &fault, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_are_what_was_written),
		cmocka_unit_test(nothing_is_lost_with_the_bitmap),
		cmocka_unit_test(bytes_without_a_dirty_page_need_not_be_there),
		cmocka_unit_test(a_range_may_end_with_all_addresses),
		cmocka_unit_test(bits_are_set_without_the_caller_s_help),
		cmocka_unit_test(a_line_may_end_where_the_memory_does),
		cmocka_unit_test(a_bit_may_be_a_byte),
		cmocka_unit_test(bytes_between_two_need_not_be_there),
		cmocka_unit_test(nothing_is_lost_with_a_bitmap_of_larger_bits),
		cmocka_unit_test(what_is_not_there_has_a_reason),
		cmocka_unit_test(nothing_was_missed),
	};

	return cmocka_run_group_tests_name("alone", tests, setup, teardown) +
	       cmocka_run_group_tests_name("checked", tests, setup_checked, teardown);
}
