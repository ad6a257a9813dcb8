/* SPDX-License-Identifier: MIT */
/* Type1's rules, in both versions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "container.h"

static long unmap(struct world *w, int fd, uint32_t flags, uint64_t iova, uint64_t *len)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd), .flags = flags, .iova = iova, .size = *len};
	long rc = w_ioctl(w, fd, VFIO_IOMMU_UNMAP_DMA, &cmd);

	*len = cmd.size;
	return rc;
}

static void info_lists_what_can_be_mapped(void **state)
{
	struct world *w = *state;
	int group, fd = ready(w, VFIO_TYPE1_IOMMU, &group);
	struct {
		struct vfio_iommu_type1_info info;
		struct vfio_iommu_type1_info_dma_avail avail;
		uint32_t pad;
		struct vfio_info_cap_header ranges;
		uint32_t nr, reserved;
		struct vfio_iova_range range[2];
		uint32_t beyond;
	} all = {.info.argsz = sizeof(struct vfio_iommu_type1_info), .beyond = 0x55555555};

	assert_int_equal(map(w, fd, RW, 0x10000, w->page, PAGE), 0);
	assert_int_equal(w_ioctl(w, fd, VFIO_IOMMU_GET_INFO, &all), 0);
	assert_int_equal(all.info.argsz, offsetof(typeof(all), beyond));
	assert_int_equal(all.info.cap_offset, 0);
	assert_int_equal(all.info.flags, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
	assert_true(all.info.iova_pgsizes & PAGE);
	assert_int_equal(w_ioctl(w, fd, VFIO_IOMMU_GET_INFO, &all), 0);
	assert_int_equal(all.info.cap_offset, sizeof(all.info));
	assert_int_equal(all.avail.header.id, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	assert_int_equal(all.avail.avail, 65534);
	assert_int_equal(all.avail.header.next, offsetof(typeof(all), ranges));
	assert_int_equal(all.ranges.id, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	assert_int_equal(all.ranges.next, 0);
	assert_int_equal(all.nr, 2);
	assert_int_equal(all.range[0].end, 0xfedfffff);
	assert_int_equal(all.range[1].start, 0xfef00000);
	assert_int_equal(all.range[1].end, (1ull << 48) - 1);
	assert_int_equal(all.beyond, 0x55555555);
	/* Who has more room than it takes is not told how much that is; who has less, is. */
	all.info.argsz = sizeof(all);
	assert_int_equal(w_ioctl(w, fd, VFIO_IOMMU_GET_INFO, &all), 0);
	assert_int_equal(all.info.argsz, sizeof(all));
	all.info.argsz = offsetof(typeof(all), beyond) - 1;
	all.nr = all.info.cap_offset = 0;
	assert_int_equal(w_ioctl(w, fd, VFIO_IOMMU_GET_INFO, &all), 0);
	assert_int_equal(all.info.argsz, offsetof(typeof(all), beyond));
	assert_int_equal(all.info.cap_offset, 0);
	assert_int_equal(all.nr, 0);
	all.info.argsz = 15;
	assert_int_equal(w_ioctl(w, fd, VFIO_IOMMU_GET_INFO, &all), -EINVAL);
}

static void map_errors_are_type1_s(void **state)
{
	struct world *w = *state;
	int group, fd = ready(w, VFIO_TYPE1_IOMMU, &group);

	assert_int_equal(map(w, fd, 8, 0, w->page, PAGE), -EINVAL);
	assert_int_equal(map(w, fd, 0, 0, w->page, PAGE), -EINVAL);
	assert_int_equal(map(w, fd, RW, 0, w->page, 0), -EINVAL);
	assert_int_equal(map(w, fd, RW, 0, w->page, 1), -EINVAL);
	assert_int_equal(map(w, fd, RW, 0, w->page + 1, PAGE), -EINVAL);
	assert_int_equal(map(w, fd, RW, 1, w->page, PAGE), -EINVAL);
	assert_int_equal(map(w, fd, RW, 0 - PAGE, w->page, 2 * PAGE), -EOVERFLOW);
	assert_int_equal(map(w, fd, RW, 0, (void *)(0 - PAGE), 2 * PAGE), -EOVERFLOW);
	/* Before flags are looked at; and it says which. */
	assert_int_equal(map(w, fd, 0, 0, (void *)(0 - PAGE), 2 * PAGE), -EOVERFLOW);
	assert_non_null(strstr(w->why.text, "vaddr + size"));
	assert_int_equal(map(w, fd, 0, 0 - PAGE, w->page, 2 * PAGE), -EOVERFLOW);
	assert_non_null(strstr(w->why.text, "iova + size"));
	assert_int_equal(map(w, fd, RW, 0, w_wild(w), PAGE), -EFAULT);
	assert_int_equal(map(w, fd, RW, 0, w->page + 15 * PAGE, 2 * PAGE), -EFAULT);
	assert_int_equal(map(w, fd, RW, 1ull << 48, w->page, PAGE), -EINVAL);
	assert_int_equal(map(w, fd, RW, 0 - PAGE, w->page, PAGE), -EINVAL);
	assert_int_equal(map(w, fd, RW, 0xfee00000, w->page, PAGE), -EINVAL);
	assert_int_equal(map(w, fd, RW, 0, w->page, 4 * PAGE), 0);
	assert_int_equal(map(w, fd, RW, 3 * PAGE, w->page, 4 * PAGE), -EEXIST);
	assert_int_equal(map(w, fd, RW, PAGE, w->page, PAGE), -EEXIST);
	assert_int_equal(map(w, fd, RW, 4 * PAGE, w->page, PAGE), 0);
}

static void version_2_refuses_to_cut(void **state)
{
	struct world *w = *state;
	int group, fd = ready(w, VFIO_TYPE1v2_IOMMU, &group);
	uint64_t len = PAGE;

	assert_int_equal(map(w, fd, RW, 0x10000, w->page, 4 * PAGE), 0);
	assert_int_equal(map(w, fd, RW, 0x20000, w->page, PAGE), 0);
	assert_int_equal(unmap(w, fd, 0, 0x10000, &len), -EINVAL);
	assert_non_null(strstr(w->why.text, "mapping at 0x10000"));
	assert_int_equal(unmap(w, fd, 0, 0x13000, &len), -EINVAL);
	assert_non_null(strstr(w->why.text, "mapping at 0x10000"));
	len = 2 * PAGE;
	assert_int_equal(unmap(w, fd, 0, 0x13000, &len), -EINVAL);
	len = PAGE;
	assert_int_equal(unmap(w, fd, 0, 0x40000, &len), 0);
	assert_int_equal(len, 0);
	len = 0x100000;
	assert_int_equal(unmap(w, fd, 0, 0, &len), 0);
	assert_int_equal(len, 5 * PAGE);
}

static void version_1_takes_a_mapping_whole_or_not_at_all(void **state)
{
	struct world *w = *state;
	int group, fd = ready(w, VFIO_TYPE1_IOMMU, &group);
	uint64_t len = PAGE;

	assert_int_equal(map(w, fd, RW, 0x10000, w->page, 4 * PAGE), 0);
	assert_int_equal(unmap(w, fd, 0, 0x11000, &len), 0);
	assert_int_equal(len, 0);
	len = PAGE;
	assert_int_equal(unmap(w, fd, 0, 0x10000, &len), 0);
	assert_int_equal(len, 4 * PAGE);
}

static void all_is_unmapped_by_flag_alone(void **state)
{
	struct world *w = *state;
	int group, fd = ready(w, VFIO_TYPE1v2_IOMMU, &group);
	uint64_t len = PAGE;

	assert_int_equal(map(w, fd, RW, 0, w->page, PAGE), 0);
	assert_int_equal(map(w, fd, RW, 0xffffffff0000, w->page, PAGE), 0);
	assert_int_equal(unmap(w, fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &len), -EINVAL);
	len = 0;
	assert_int_equal(unmap(w, fd, 4, 0, &len), -EINVAL);
	assert_int_equal(unmap(w, fd, 0, 0, &len), -EINVAL);
	assert_int_equal(unmap(w, fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &len), 0);
	assert_int_equal(len, 2 * PAGE);
	len = 2 * PAGE;
	assert_int_equal(unmap(w, fd, 0, 0 - PAGE, &len), -EOVERFLOW);
}

static void a_container_holds_65535_mappings(void **state)
{
	struct world *w = *state;
	int group, fd = ready(w, VFIO_TYPE1v2_IOMMU, &group);

	for (uint64_t i = 0; i < 65535; i++)
		if (map(w, fd, RW, i * 4 * PAGE, w->page, 3 * PAGE))
			fail_msg("map %llu: %s", (unsigned long long)i, w->why.text);
	assert_int_equal(map(w, fd, RW, 3 * PAGE, w->page, PAGE), -ENOSPC);
	/* That is looked for first, and what it overlaps goes on behind it. */
	assert_int_equal(map(w, fd, RW, 5 * PAGE, w->page, PAGE), -EEXIST);
	assert_non_null(strstr(w->why.text, "mapping at 0x4000"));
}

static void dma_reaches_what_the_container_maps(void **state)
{
	struct world *w = *state;
	int group, fd = ready(w, VFIO_TYPE1_IOMMU, &group), dev = device_fd(w, group);
	uint16_t command = 6;
	uint64_t len = PAGE;
	struct ioas_issuer *issuer;

	assert_int_equal(ioas_issuer_new(ioas_pci_device(w->dev[0].pci), &issuer), 0);
	assert_int_equal(map(w, fd, RW, 0x10000, w->page, PAGE), 0);
	assert_int_equal(ioas_dma_write(issuer, 0x10000, "abc", 4), -EFAULT);
	assert_int_equal(ioas_file_pwrite(w->file[dev - 1000], &w->caller, (uintptr_t)&command, 2,
					  (7ull << 40) + 4),
			 2);
	assert_int_equal(ioas_dma_write(issuer, 0x10000, "abc", 4), 0);
	assert_string_equal(w->page, "abc");
	assert_int_equal(unmap(w, fd, 0, 0x10000, &len), 0);
	assert_int_equal(ioas_dma_write(issuer, 0x10000, "abd", 4), -EFAULT);
	assert_string_equal(w->page, "abc");
	assert_int_equal(map(w, fd, RW, 0x10000, w->page, PAGE), 0);
	w_close(w, group);
	w_close(w, fd);
	assert_int_equal(ioas_dma_write(issuer, 0x10000, "abe", 4), 0);
	w_close(w, dev);
	assert_int_equal(ioas_dma_write(issuer, 0x10000, "abf", 4), -EFAULT);
	assert_string_equal(w->page, "abe");
	ioas_issuer_destroy(issuer);
}

static void dma_does_what_a_mapping_allows(void **state)
{
	struct world *w = *state;
	int group, fd = ready(w, VFIO_TYPE1_IOMMU, &group), dev = device_fd(w, group);
	uint16_t command = 6;
	struct ioas_issuer *issuer;
	char byte = 0;

	assert_int_equal(ioas_issuer_new(ioas_pci_device(w->dev[0].pci), &issuer), 0);
	assert_int_equal(ioas_file_pwrite(w->file[dev - 1000], &w->caller, (uintptr_t)&command, 2,
					  (7ull << 40) + 4),
			 2);
	for (uint32_t flags = 1; flags <= RW; flags++) {
		assert_int_equal(map(w, fd, flags, flags * PAGE, w->page, PAGE), 0);
		assert_int_equal(ioas_dma_read(issuer, flags * PAGE, &byte, 1),
				 flags & VFIO_DMA_MAP_FLAG_READ ? 0 : -EFAULT);
		assert_int_equal(ioas_dma_write(issuer, flags * PAGE, &byte, 1),
				 flags & VFIO_DMA_MAP_FLAG_WRITE ? 0 : -EFAULT);
	}
	ioas_issuer_destroy(issuer);
}

static void an_iommufd_serves_as_container(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), group = w_open_group(w, 0);
	struct iommu_vfio_ioas ioas = {.size = sizeof(ioas)};
	struct vfio_iommu_type1_info *info = (void *)w->page;
	uint64_t len = PAGE;

	assert_int_equal(w_ioctl(w, fd, VFIO_GET_API_VERSION, NULL), 0);
	assert_int_equal(w_ioctl(w, fd, VFIO_CHECK_EXTENSION, (void *)VFIO_DMA_CC_IOMMU), -ENODEV);
	assert_int_equal(set_iommu(w, fd, VFIO_TYPE1v2_IOMMU), -ENODEV);
	assert_int_equal(w_ioctl(w, fd, IOMMU_VFIO_IOAS, &ioas), -ENODEV);
	assert_int_equal(set_container(w, group, fd), 0);
	assert_int_equal(w_ioctl(w, fd, IOMMU_VFIO_IOAS, &ioas), 0);
	assert_int_equal(ioas.ioas_id, 1);
	assert_int_equal(set_iommu(w, fd, VFIO_TYPE1v2_IOMMU), 0);
	assert_true(device_fd(w, group) > 0);
	assert_int_equal(w_ioctl(w, fd, VFIO_CHECK_EXTENSION, (void *)VFIO_DMA_CC_IOMMU), 1);
	assert_int_equal(map(w, fd, RW, 0x10000, w->page, 2 * PAGE), 0);
	assert_int_equal(unmap(w, fd, 0, 0x40000, &len), 0);
	assert_int_equal(len, 0);
	len = 1;
	assert_int_equal(unmap(w, fd, 0, 0x40000, &len), 0);
	len = PAGE;
	assert_int_equal(unmap(w, fd, 0, 0x10000, &len), -ENOENT);
	assert_int_equal(len, 0);
	len = 2 * PAGE;
	assert_int_equal(unmap(w, fd, 0, 0x10000, &len), 0);
	assert_int_equal(len, 2 * PAGE);
	assert_int_equal(map(w, fd, 0, 0x10000, w->page, 2 * PAGE), -EINVAL);
	/* Unlike a container it says how much it takes to who has more room, too. */
	info->argsz = PAGE;
	assert_int_equal(w_ioctl(w, fd, VFIO_IOMMU_GET_INFO, info), 0);
	assert_in_range(info->argsz, sizeof(*info) + 1, PAGE - 1);
	assert_int_equal(info->cap_offset, sizeof(*info));
}

/* What cannot be cut at its end is not cut at its beginning, either, and nothing is unmapped. */
static void an_iommufd_cuts_at_ends_of_pages(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), group = w_open_group(w, 0);
	uint64_t len = 100;

	assert_int_equal(set_container(w, group, fd), 0);
	assert_int_equal(set_iommu(w, fd, VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(map(w, fd, RW, 0x10000, w->page, 4 * PAGE), 0);
	assert_int_equal(unmap(w, fd, 0, 0x11000, &len), -EINVAL);
	assert_int_equal(len, 100);
	len = PAGE;
	assert_int_equal(unmap(w, fd, 0, 0x10001, &len), -EINVAL);
	len = 0;
	assert_int_equal(unmap(w, fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &len), 0);
	assert_int_equal(len, 4 * PAGE);
}

/* Neither at the start of an argument nor in its middle. */
static void wild_pointers_are_efault_and_change_nothing(void **state)
{
	struct world *w = *state;
	int group, fd = ready(w, VFIO_TYPE1v2_IOMMU, &group), dev = device_fd(w, group);
	uint32_t *edge = (uint32_t *)(w->page + 16 * PAGE) - 1;
	const struct {
		int fd;
		unsigned long cmd;
	} ops[] = {
		{group, VFIO_GROUP_GET_STATUS},
		{group, VFIO_GROUP_GET_DEVICE_FD},
		{fd, VFIO_IOMMU_GET_INFO},
		{fd, VFIO_IOMMU_MAP_DMA},
		{fd, VFIO_IOMMU_UNMAP_DMA},
		{dev, VFIO_DEVICE_GET_INFO},
		{dev, VFIO_DEVICE_GET_REGION_INFO},
		{dev, VFIO_DEVICE_GET_IRQ_INFO},
		{dev, VFIO_DEVICE_SET_IRQS},
		{dev, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO},
		{dev, VFIO_DEVICE_PCI_HOT_RESET},
		{dev, VFIO_DEVICE_FEATURE},
		{dev, VFIO_DEVICE_BIND_IOMMUFD},
		{dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT},
		{dev, VFIO_DEVICE_DETACH_IOMMUFD_PT},
	};
	struct irq_set {
		uint32_t argsz, flags, index, start, count;
	} *irq = (void *)(w->page + 16 * PAGE - sizeof(*irq));

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		*edge = 0x40404040;
		assert_int_equal(w_ioctl(w, ops[i].fd, ops[i].cmd, w_wild(w)), -EFAULT);
		assert_int_equal(w_ioctl(w, ops[i].fd, ops[i].cmd, edge), -EFAULT);
		assert_int_equal(w_ioctl(w, ops[i].fd, ops[i].cmd, NULL), -EFAULT);
		assert_int_equal(w_ioctl(w, ops[i].fd, ops[i].cmd, (void *)UINTPTR_MAX), -EFAULT);
	}
	*irq = (struct irq_set){.argsz = sizeof(*irq) + 4, .flags = 0x24, .index = 2, .count = 1};
	assert_int_equal(w_ioctl(w, dev, VFIO_DEVICE_SET_IRQS, irq), -EFAULT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(info_lists_what_can_be_mapped),
		TEST(map_errors_are_type1_s),
		TEST(version_2_refuses_to_cut),
		TEST(version_1_takes_a_mapping_whole_or_not_at_all),
		TEST(all_is_unmapped_by_flag_alone),
		TEST(a_container_holds_65535_mappings),
		TEST(dma_reaches_what_the_container_maps),
		TEST(dma_does_what_a_mapping_allows),
		TEST(an_iommufd_serves_as_container),
		TEST(an_iommufd_cuts_at_ends_of_pages),
		TEST(wild_pointers_are_efault_and_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
