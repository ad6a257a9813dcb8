/* SPDX-License-Identifier: MIT */
/*
 * Description: what IOMMU_TEST_CMD's accesses have pinned goes when an UNMAP meets it, by its first
 * byte or its last, and stays beside one.
 */
#include <string.h>
#include "testcmd.h"

#define AREAS 4

/* One mapping a page. */
static void map_areas(struct world *w, int fd, uint32_t ioas)
{
	for (unsigned i = 0; i < AREAS; i++) {
		uint64_t iova = IOVA + i * PAGE;

		assert_int_equal(w_map(w, fd, ioas, FIXED, w->page + i * PAGE, PAGE, &iova), 0);
	}
}

static uint32_t pin_at(struct world *w, int fd, int access, uint64_t iova, uint64_t len)
{
	struct iommu_test_cmd cmd = {.access_pin = {.iova = iova, .length = len}};

	assert_int_equal(testcmd(w, fd, TESTCMD_ACCESS_PIN, (uint32_t)access, &cmd), 0);
	return cmd.access_pin.out_item;
}

static long unpin(struct world *w, int fd, int access, uint32_t item)
{
	struct iommu_test_cmd cmd = {.access_unpin = {.item = item}};

	return testcmd(w, fd, TESTCMD_ACCESS_UNPIN, (uint32_t)access, &cmd);
}

static long unmap(struct world *w, int fd, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .iova = iova, .length = len};

	return w_ioctl(w, fd, IOMMU_IOAS_UNMAP, &cmd);
}

static const uint64_t at[] = {0,	PAGE - 1,     PAGE,	PAGE + 1,    2 * PAGE - 1,
			      2 * PAGE, 3 * PAGE - 1, 3 * PAGE, 4 * PAGE - 1};

#define NR (sizeof(at) / sizeof(at[0]))

/* Pins begin with a page; they end anywhere. */
static unsigned next_start(unsigned i)
{
	do
		i++;
	while (i < NR && at[i] % PAGE);
	return i;
}

/* Pins to bytes round each border of pages; then page 1 or 2 goes. */
static void an_unmap_takes_what_it_meets(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), access;
	uint32_t ioas = w_ioas(w, fd), item = 0;
	struct iommu_test_cmd cmd;

	assert_int_equal(access_new(w, fd, ioas, &cmd), 0);
	access = cmd.access.out_fd;
	for (unsigned gone = 1; gone <= 2; gone++) {
		uint64_t first = gone * PAGE, last = first + PAGE - 1;

		map_areas(w, fd, ioas);
		for (unsigned i = 0; i < NR; i = next_start(i))
			for (unsigned k = i; k < NR; k++)
				pin_at(w, fd, access, IOVA + at[i], at[k] - at[i] + 1);
		assert_int_equal(unmap(w, fd, ioas, IOVA + first, PAGE), 0);
		for (unsigned i = 0; i < NR; i = next_start(i))
			for (unsigned k = i; k < NR; k++)
				assert_int_equal(unpin(w, fd, access, item++),
						 at[i] <= last && at[k] >= first ? -ENOENT : 0);
		assert_int_equal(unpin(w, fd, access, item), -ENOENT);
		assert_int_equal(unmap(w, fd, ioas, 0, UINT64_MAX), 0);
	}
}

static void flags_are_known_one_by_one(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), access, plain;
	uint32_t ioas = w_ioas(w, fd);
	struct iommu_test_cmd cmd;
	char word[8] = "";

	map_areas(w, fd, ioas);
	assert_int_equal(access_new(w, fd, ioas, &cmd), 0);
	access = cmd.access.out_fd;
	for (unsigned bit = 0; bit < 32; bit++) {
		uint32_t flag = 1u << bit;
		bool rw =
			flag & (TESTCMD_ACCESS_WRITE | TESTCMD_ACCESS_SLOW | TESTCMD_ACCESS_FUZZED);

		assert_int_equal(access_rw(w, fd, access, flag,
					   flag == TESTCMD_ACCESS_FUZZED ? 0 : IOVA, 8, word),
				 rw ? 0 : -EOPNOTSUPP);
		cmd = (struct iommu_test_cmd){.access_pin = {.flags = flag, .length = 8}};
		if (flag != TESTCMD_ACCESS_FUZZED)
			cmd.access_pin.iova = IOVA;
		assert_int_equal(
			testcmd(w, fd, TESTCMD_ACCESS_PIN, (uint32_t)access, &cmd),
			flag & (TESTCMD_ACCESS_WRITE | TESTCMD_ACCESS_FUZZED) ? 0 : -EOPNOTSUPP);
		cmd = (struct iommu_test_cmd){.access = {.flags = flag}};
		assert_int_equal(testcmd(w, fd, TESTCMD_ACCESS, ioas, &cmd),
				 flag == TESTCMD_ACCESS_NEEDS_PIN ? 0 : -EOPNOTSUPP);
		if (flag == TESTCMD_ACCESS_NEEDS_PIN)
			w_close(w, cmd.access.out_fd);
	}
	/* One that was not made to pin does not. */
	cmd = (struct iommu_test_cmd){0};
	assert_int_equal(testcmd(w, fd, TESTCMD_ACCESS, ioas, &cmd), 0);
	plain = cmd.access.out_fd;
	assert_int_equal(access_pin(w, fd, plain, &cmd), -EOPNOTSUPP);
	assert_int_equal(access_rw(w, fd, plain, 0, IOVA, 8, word), 0);
}

/* Its descriptor says what it is, as Linux's does. */
static void a_descriptor_says_what_it_is(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	struct iommu_test_cmd cmd;

	assert_int_equal(access_new(w, fd, w_ioas(w, fd), &cmd), 0);
	assert_string_equal(ioas_file_node(w_file(w, cmd.access.out_fd))->path,
			    "anon_inode:[iommufd_test_staccess]");
}

/* 16 MiB are the most at a time, of memory that is there. */
static void lengths_are_limited(void **state)
{
	const uint64_t most = 16ull << 20;
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), access;
	uint32_t ioas = w_ioas(w, fd);
	struct iommu_test_cmd cmd;
	uint64_t iova = IOVA;
	char *memory = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(w_map(w, fd, ioas, FIXED, memory, most, &iova), 0);
	assert_int_equal(access_new(w, fd, ioas, &cmd), 0);
	access = cmd.access.out_fd;
	for (uint64_t more = 0; more <= 1; more++) {
		assert_int_equal(access_rw(w, fd, access, 0, IOVA, most + more, memory),
				 more ? -ENOMEM : 0);
		cmd = (struct iommu_test_cmd){.access_pin = {.iova = IOVA, .length = most + more}};
		assert_int_equal(testcmd(w, fd, TESTCMD_ACCESS_PIN, (uint32_t)access, &cmd),
				 more ? -ENOMEM : 0);
	}
	w_close(w, access);
	w_close(w, fd);
	munmap(memory, most);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup_selftest, world_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(an_unmap_takes_what_it_meets),
		TEST(flags_are_known_one_by_one),
		TEST(a_descriptor_says_what_it_is),
		TEST(lengths_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
