/* SPDX-License-Identifier: MIT */
/* The ioctls of /dev/iommu: sizes, ids, options, maps and page tables. */
#include <stdlib.h>
#include <string.h>
#include "uapi/uapi.h"
#include "world.h"

#define FIXED IOMMU_IOAS_MAP_FIXED_IOVA
#define RW    (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

/* Number, size and minimum of every ioctl in the range. */
static const struct {
	unsigned long cmd;
	uint32_t size, min;
} ops[] = {
	{IOMMU_DESTROY, 8, 8},
	{IOMMU_IOAS_ALLOC, 12, 12},
	{IOMMU_IOAS_ALLOW_IOVAS, 24, 24},
	{IOMMU_IOAS_COPY, 40, 40},
	{IOMMU_IOAS_IOVA_RANGES, 32, 32},
	{IOMMU_IOAS_MAP, 40, 40},
	{IOMMU_IOAS_UNMAP, 24, 24},
	{IOMMU_OPTION, 24, 24},
	{IOMMU_VFIO_IOAS, 12, 12},
	{IOMMU_HWPT_ALLOC, 48, 24},
	{IOMMU_GET_HW_INFO, 40, 32},
	{IOMMU_HWPT_SET_DIRTY_TRACKING, 16, 16},
	{IOMMU_HWPT_GET_DIRTY_BITMAP, 48, 48},
	{IOMMU_HWPT_INVALIDATE, 32, 32},
	{IOMMU_FAULT_QUEUE_ALLOC, 16, 16},
	{IOMMU_IOAS_MAP_FILE, 40, 40},
	{IOMMU_VIOMMU_ALLOC, 40, 24},
	{IOMMU_VDEVICE_ALLOC, 24, 24},
	{IOMMU_IOAS_CHANGE_PROCESS, 8, 8},
	{IOMMU_VEVENTQ_ALLOC, 32, 28},
	{IOMMU_HW_QUEUE_ALLOC, 40, 40},
	{IOMMU_IOAS_NOIOMMU_GET_PA, 40, 40},
};

static void sizes_are_checked_before_anything_else(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		uint32_t *buf = (uint32_t *)w->page;

		memset(buf, 0xff, 256);
		buf[0] = ops[i].min - 1;
		assert_int_equal(w_ioctl(w, fd, ops[i].cmd, buf), -EINVAL);
		buf[0] = 0;
		assert_int_equal(w_ioctl(w, fd, ops[i].cmd, buf), -EINVAL);
		buf[0] = ops[i].size + 1;
		assert_int_equal(w_ioctl(w, fd, ops[i].cmd, buf), -E2BIG);
		buf[0] = UINT32_MAX;
		assert_int_equal(w_ioctl(w, fd, ops[i].cmd, buf), -E2BIG);
		assert_int_equal(w_ioctl(w, fd, ops[i].cmd, w_wild(w)), -EFAULT);
		buf = (uint32_t *)(w->page + 16 * PAGE - 4);
		*buf = ops[i].size;
		assert_int_equal(w_ioctl(w, fd, ops[i].cmd, buf), -EFAULT);
		assert_int_equal(w_ioctl(w, fd, ops[i].cmd | 0x40000000, w->page), -ENOTTY);
	}
}

static void a_zero_tail_is_accepted(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	struct {
		struct iommu_ioas_alloc cmd;
		char tail[500];
	} big = {.cmd.size = sizeof(big)};

	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_ALLOC, &big), 0);
	assert_int_equal(big.cmd.out_ioas_id, 1);
	big.tail[499] = 1;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_ALLOC, &big), -E2BIG);
}

static void unknown_numbers_are_enotty_but_a_bad_pointer_is_seen_first(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t size = 8;

	assert_int_equal(w_ioctl(w, fd, 0x3b96, &size), -ENOTTY);
	assert_int_equal(w_ioctl(w, fd, 0x3b96, w_wild(w)), -ENOTTY);
	assert_int_equal(w_ioctl(w, fd, 0x3c80, &size), -ENOTTY);
	assert_int_equal(w_ioctl(w, fd, 0x3c80, w_wild(w)), -EFAULT);
	assert_int_equal(w_ioctl(w, fd, 0x3b7f, &size), -ENOTTY);
}

static void ids_are_lowest_free_and_reused_at_once(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = 2};

	for (uint32_t i = 1; i <= 200; i++)
		assert_int_equal(w_ioas(w, fd), i);
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), 0);
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), -ENOENT);
	destroy.id = 70;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), 0);
	assert_int_equal(w_ioas(w, fd), 2);
	assert_int_equal(w_ioas(w, fd), 70);
	destroy.id = 0;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), -ENOENT);
	destroy.id = UINT32_MAX;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), -ENOENT);
}

static void a_caller_that_cannot_be_answered_gets_nothing(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd);
	uint64_t iova = 0x10000;
	static const struct iommu_ioas_alloc rodata = {.size = sizeof(rodata)};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .length = UINT64_MAX};

	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_ALLOC, &rodata), -EFAULT);
	assert_int_equal(w_ioas(w, fd), 2);
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w->page, PAGE, &iova), 0);
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_UNMAP, &unmap), 0);
	assert_int_equal(unmap.length, PAGE);
}

static void map_checks_in_the_contract_s_order(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd);
	uint64_t iova = UINT64_MAX;

	assert_int_equal(w_map(w, fd, 77, 8, w->page, PAGE, &iova), -EOPNOTSUPP);
	assert_int_equal(w_map(w, fd, 77, FIXED, w->page, PAGE, &iova), -EOVERFLOW);
	iova = 0;
	assert_int_equal(w_map(w, fd, 77, FIXED, w->page, UINT64_MAX, &iova), -EOVERFLOW);
	assert_int_equal(w_map(w, fd, 77, FIXED, w->page, PAGE, &iova), -EINVAL);
	assert_int_equal(w_map(w, fd, 77, FIXED | RW, w->page, PAGE, &iova), -ENOENT);
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, (void *)UINT64_MAX, PAGE, &iova),
			 -EOVERFLOW);
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w->page, 0, &iova), -EINVAL);
	iova = UINT64_MAX - PAGE + 1;
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w->page, 2 * PAGE, &iova), -EOVERFLOW);
	iova = 0x10000;
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w->page, 2 * PAGE, &iova), 0);
	iova = 0x11000;
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w->page, PAGE, &iova), -EEXIST);
}

static void copy_shares_what_another_ioas_maps(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t a = w_ioas(w, fd), b = w_ioas(w, fd);
	uint64_t iova = 0x10000;
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy),
		.flags = FIXED | RW,
		.src_ioas_id = a,
		.dst_ioas_id = b,
		.length = 2 * PAGE,
		.src_iova = iova,
		.dst_iova = 0x40000,
	};

	assert_int_equal(w_map(w, fd, a, FIXED | RW, w->page, 2 * PAGE, &iova), 0);
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_COPY, &copy), 0);
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_COPY, &copy), -EEXIST);
	copy.length = 3 * PAGE;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_COPY, &copy), -ENOENT);
	copy.length = 0;
	copy.dst_ioas_id = 99;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_COPY, &copy), -EINVAL);
	copy.length = PAGE;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_COPY, &copy), -ENOENT);
}

static long unmap(struct world *w, int fd, uint32_t ioas, uint64_t iova, uint64_t *len)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .iova = iova, .length = *len};
	long rc = w_ioctl(w, fd, IOMMU_IOAS_UNMAP, &cmd);

	*len = cmd.length;
	return rc;
}

static void unmap_refuses_cuts_and_holes_but_not_an_empty_all(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd);
	uint64_t iova = 0x10000, len = UINT64_MAX;

	assert_int_equal(unmap(w, fd, ioas, 0, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w->page, 2 * PAGE, &iova), 0);
	len = PAGE;
	assert_int_equal(unmap(w, fd, ioas, iova, &len), -ENOENT);
	assert_int_equal(unmap(w, fd, ioas, 0x40000, &len), -ENOENT);
	len = 0;
	assert_int_equal(unmap(w, fd, ioas, iova, &len), -EINVAL);
	len = 2 * PAGE;
	assert_int_equal(unmap(w, fd, ioas, UINT64_MAX - PAGE + 1, &len), -EOVERFLOW);
	len = UINT64_MAX;
	assert_int_equal(unmap(w, fd, ioas, PAGE, &len), -EOVERFLOW);
	len = 2 * PAGE;
	assert_int_equal(unmap(w, fd, ioas, iova, &len), 0);
	assert_int_equal(len, 2 * PAGE);
}

static void ranges_say_how_many_there_are(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	uint32_t ioas = w_ioas(w, fd), pt = ioas;
	struct iommu_iova_range ranges[4];
	struct iommu_ioas_iova_ranges cmd = {.size = sizeof(cmd), .ioas_id = ioas};

	w_bind(w, cdev, fd);
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_IOVA_RANGES, &cmd), -EMSGSIZE);
	assert_int_equal(cmd.num_iovas, 2);
	assert_int_equal(cmd.out_iova_alignment, PAGE);
	cmd.num_iovas = 4;
	cmd.allowed_iovas = (uintptr_t)ranges;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_IOVA_RANGES, &cmd), 0);
	assert_int_equal(ranges[0].start, 0);
	assert_int_equal(ranges[0].last, 0xfedfffff);
	assert_int_equal(ranges[1].start, 0xfef00000);
	assert_int_equal(ranges[1].last, (1ull << 48) - 1);
	cmd.num_iovas = 2;
	cmd.allowed_iovas = (uintptr_t)w_wild(w);
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_IOVA_RANGES, &cmd), -EFAULT);
}

static void allowed_ranges_restrict_what_is_chosen(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd);
	uint64_t iova = 0;
	struct iommu_iova_range range = {.start = 0x800000, .last = 0x800fff};
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)&range,
	};

	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd), 0);
	assert_int_equal(w_map(w, fd, ioas, RW, w->page, PAGE, &iova), 0);
	assert_int_equal(iova, 0x800000);
	assert_int_equal(w_map(w, fd, ioas, RW, w->page, PAGE, &iova), -ENOSPC);
	range.last = range.start;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd), -EINVAL);
	cmd.num_iovas = UINT32_MAX;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd), -EFAULT);
	cmd.num_iovas = 0;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd), 0);
	assert_int_equal(w_map(w, fd, ioas, RW, w->page, PAGE, &iova), 0);
}

static long option(struct world *w, int fd, uint32_t id, uint16_t op, uint32_t object,
		   uint64_t *value)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = id,
		.op = op,
		.object_id = object,
		.val64 = *value,
	};
	long rc = w_ioctl(w, fd, IOMMU_OPTION, &cmd);

	*value = cmd.val64;
	return rc;
}

static void options_follow_their_rules(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint64_t value = 1;
	uint32_t ioas;

	assert_int_equal(option(w, fd, 0, 0, 5, &value), -EOPNOTSUPP);
	assert_int_equal(option(w, fd, 7, 0, 0, &value), -EOPNOTSUPP);
	assert_int_equal(option(w, fd, 0, 7, 0, &value), -EOPNOTSUPP);
	w->privileged = false;
	assert_int_equal(option(w, fd, 0, 0, 0, &value), -EPERM);
	w->privileged = true;
	assert_int_equal(option(w, fd, 0, 0, 0, &value), 0);
	value = 0;
	assert_int_equal(option(w, fd, 0, 1, 0, &value), 0);
	assert_int_equal(value, 1);
	value = 2;
	assert_int_equal(option(w, fd, 0, 0, 0, &value), -EINVAL);
	ioas = w_ioas(w, fd);
	assert_int_equal(option(w, fd, 0, 0, 0, &value), -EBUSY);
	assert_int_equal(option(w, fd, 1, 0, 99, &value), -ENOENT);
	assert_int_equal(option(w, fd, 1, 0, ioas, &value), -EINVAL);
	assert_int_equal(option(w, fd, 1, 1, ioas, &value), 0);
	assert_int_equal(value, 1);
	value = 0;
	assert_int_equal(option(w, fd, 1, 0, ioas, &value), 0);
	assert_int_equal(option(w, fd, 1, 1, ioas, &value), 0);
	assert_int_equal(value, 0);
}

static void a_page_table_holds_its_ioas_and_a_device_its_page_table(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	uint32_t ioas = w_ioas(w, fd), dev = w_bind(w, cdev, fd), pt;
	struct iommu_hwpt_alloc alloc = {.size = sizeof(alloc), .dev_id = 99, .pt_id = ioas};
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = ioas};
	struct vfio_device_detach_iommufd_pt detach = {.argsz = 8};

	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_ALLOC, &alloc), -ENOENT);
	alloc.dev_id = dev;
	alloc.pt_id = 99;
	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_ALLOC, &alloc), -EINVAL);
	alloc.pt_id = dev;
	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_ALLOC, &alloc), -EINVAL);
	alloc.pt_id = ioas;
	alloc.flags = 1u << 31;
	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_ALLOC, &alloc), -EOPNOTSUPP);
	alloc.flags = 0;
	alloc.data_len = 4;
	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_ALLOC, &alloc), -EINVAL);
	alloc.data_len = 0;
	assert_int_equal(w_ioctl(w, fd, IOMMU_HWPT_ALLOC, &alloc), 0);
	pt = alloc.out_hwpt_id;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), -EBUSY);
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	assert_int_equal(pt, alloc.out_hwpt_id);
	destroy.id = pt;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), -EBUSY);
	destroy.id = dev;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), -EBUSY);
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
	destroy.id = pt;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), 0);
	destroy.id = ioas;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), 0);
}

static void hw_info_of_no_type_zeroes_the_buffer(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	struct iommu_hw_info info = {.size = sizeof(info), .dev_id = 99, .data_len = 24};
	char data[24];

	memset(data, 0x55, sizeof(data));
	assert_int_equal(w_ioctl(w, fd, IOMMU_GET_HW_INFO, &info), -ENOENT);
	info.dev_id = w_bind(w, cdev, fd);
	info.data_uptr = (uintptr_t)w_wild(w);
	assert_int_equal(w_ioctl(w, fd, IOMMU_GET_HW_INFO, &info), -EFAULT);
	info.data_uptr = (uintptr_t)data;
	info.flags = 2;
	assert_int_equal(w_ioctl(w, fd, IOMMU_GET_HW_INFO, &info), -EOPNOTSUPP);
	info.flags = 0;
	assert_int_equal(w_ioctl(w, fd, IOMMU_GET_HW_INFO, &info), 0);
	assert_int_equal(info.data_len, 0);
	assert_int_equal(info.out_data_type, IOMMU_HW_INFO_TYPE_NONE);
	for (size_t i = 0; i < sizeof(data); i++)
		assert_int_equal(data[i], 0);
}

static void ioctls_are_counted_by_result(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	struct ioas_ioctl_count counts[4];
	struct uapi_call call = {.op = &uapi_iommufd_table.ops[0]};
	uint32_t size = 1;

	w_ioas(w, fd);
	w_ioas(w, fd);
	w_ioctl(w, fd, IOMMU_IOAS_ALLOC, &size);
	w_ioctl(w, fd, 0x1234, &size);
	assert_int_equal(ioas_ioctl_counts(w->iommu, counts, 4), 3);
	assert_string_equal(counts[0].name, "IOMMU_IOAS_ALLOC");
	assert_int_equal(counts[0].error, 0);
	assert_int_equal(counts[0].count, 2);
	assert_int_equal(counts[1].error, EINVAL);
	assert_string_equal(counts[2].name, "unknown");
	assert_int_equal(counts[2].error, ENOTTY);
	/* Numbers that are no errno are the last one of the same ioctl. */
	call.file = w->file[fd - 1000];
	uapi_count(&call, -EHWPOISON - 1);
	uapi_count(&call, -4000);
	assert_int_equal(ioas_ioctl_counts(w->iommu, counts, 4), 4);
	assert_string_equal(counts[0].name, uapi_iommufd_table.ops[0].name);
	assert_int_equal(counts[0].error, EHWPOISON);
	assert_int_equal(counts[0].count, 2);
}

/* Of a block that is shorter or longer than the counters, those that are whole and are there. */
static void counts_are_decoded_as_far_as_they_go(void **state)
{
	size_t len = uapi_counts_len(), nr = len / 8, all;
	struct ioas_ioctl_count out[3], mark;
	uint64_t *block = malloc(len + 16);

	assert_non_null(block);
	for (size_t i = 0; i < nr + 2; i++)
		block[i] = i + 1;
	for (size_t part = 0; part < 50; part++)
		assert_int_equal(ioas_ioctl_counts_decode(block, part, out, 3), part / 8);
	all = ioas_ioctl_counts_decode(block, len, out, 3);
	assert_int_equal(ioas_ioctl_counts_decode(block, len - 1, out, 3), all - 1);
	assert_int_equal(ioas_ioctl_counts_decode(block, len + 16, out, 3), all);
	/* No more than there is room for is written. */
	memset(&mark, 0x55, sizeof(mark));
	out[2] = mark;
	assert_int_equal(ioas_ioctl_counts_decode(block, len, out, 2), all);
	assert_string_equal(out[1].name, uapi_iommufd_table.ops[0].name);
	assert_int_equal(out[1].error, 1);
	assert_int_equal(out[1].count, 2);
	assert_memory_equal(&out[2], &mark, sizeof(mark));
	/* The last of all is of numbers that are no ioctl. */
	memset(block, 0, (nr - 1) * 8);
	assert_int_equal(ioas_ioctl_counts_decode(block, len, out, 1), 1);
	assert_string_equal(out[0].name, "unknown");
	assert_int_equal(out[0].error, EHWPOISON);
	free(block);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sizes_are_checked_before_anything_else),
		TEST(a_zero_tail_is_accepted),
		TEST(unknown_numbers_are_enotty_but_a_bad_pointer_is_seen_first),
		TEST(ids_are_lowest_free_and_reused_at_once),
		TEST(a_caller_that_cannot_be_answered_gets_nothing),
		TEST(map_checks_in_the_contract_s_order),
		TEST(copy_shares_what_another_ioas_maps),
		TEST(unmap_refuses_cuts_and_holes_but_not_an_empty_all),
		TEST(ranges_say_how_many_there_are),
		TEST(allowed_ranges_restrict_what_is_chosen),
		TEST(options_follow_their_rules),
		TEST(a_page_table_holds_its_ioas_and_a_device_its_page_table),
		TEST(hw_info_of_no_type_zeroes_the_buffer),
		TEST(ioctls_are_counted_by_result),
		cmocka_unit_test(counts_are_decoded_as_far_as_they_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
