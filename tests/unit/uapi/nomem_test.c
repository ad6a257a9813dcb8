/* SPDX-License-Identifier: MIT */
/*
 * A program's whole life, once for each allocation on its way: the first, second, ... nth one
 * fails. Each call then succeeds or says ENOMEM, what failed works when asked again, destroying and
 * unmapping never fail, and nothing is left behind (AddressSanitizer sees leaks).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <ioas/uapi_ext.h>
#include "tests/unit/alloc_fail.h"
#include "util/inject.h"
#include "world.h"

#define RW    (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIXED IOMMU_IOAS_MAP_FIXED_IOVA

/* Allocations until one fails; 0: none does. */
static unsigned countdown;
static bool failed;
static uint32_t list_nr[3]; /* entries that there were at first, and one */

static bool should_fail(void)
{
	if (!countdown || --countdown)
		return false;
	failed = true;
	return true;
}

/* Does a step, and does it again when memory failed it. */
static long must(struct world *w, int fd, unsigned long cmd, const void *arg)
{
	bool before = failed;
	long rc = w_ioctl(w, fd, cmd, arg);

	if (rc == -ENOMEM && failed && !before)
		rc = w_ioctl(w, fd, cmd, arg);
	if (rc < 0)
		fail_msg("%s", w->why.text);
	return rc;
}

static int must_open(struct world *w, const char *path, unsigned group)
{
	bool before = failed;
	int fd = path ? w_open(w, path) : group < 2 ? w_open_group(w, group) : w_open_cdev(w, 1);

	if (fd == -ENOMEM && failed && !before)
		fd = path	 ? w_open(w, path)
		     : group < 2 ? w_open_group(w, group)
				 : w_open_cdev(w, 1);
	assert_true(fd > 0);
	return fd;
}

static uint32_t ioas_with_a_map(struct world *w, int fd)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = RW,
		.user_va = (uintptr_t)w->page,
		.length = 4 * PAGE,
	};
	struct iommu_iova_range range = {.start = 0x100000, .last = 0xffffff};
	struct iommu_ioas_allow_iovas allow = {
		.size = sizeof(allow), .num_iovas = 1, .allowed_iovas = (uintptr_t)&range};

	must(w, fd, IOMMU_IOAS_ALLOC, &alloc);
	allow.ioas_id = map.ioas_id = alloc.out_ioas_id;
	must(w, fd, IOMMU_IOAS_ALLOW_IOVAS, &allow);
	must(w, fd, IOMMU_IOAS_MAP, &map);
	assert_int_equal(map.iova, 0x100000);
	return alloc.out_ioas_id;
}

static void live_with_iommufd(struct world *w)
{
	int fd = must_open(w, "/dev/iommu", 0), cdev = must_open(w, NULL, 2);
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = fd};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = 12};
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt)};
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy),
		.flags = FIXED | RW,
		.length = PAGE,
		.src_iova = 0x101000,
		.dst_iova = 0x40000,
	};
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .length = UINT64_MAX};

	attach.pt_id = copy.src_ioas_id = unmap.ioas_id = ioas_with_a_map(w, fd);
	hwpt.pt_id = copy.dst_ioas_id = ioas_with_a_map(w, fd);
	must(w, cdev, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	must(w, cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
	hwpt.dev_id = bind.out_devid;
	must(w, fd, IOMMU_HWPT_ALLOC, &hwpt);
	must(w, fd, IOMMU_IOAS_COPY, &copy);
	attach.pt_id = hwpt.out_hwpt_id;
	must(w, cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_UNMAP, &unmap), 0);
	assert_int_equal(unmap.length, 4 * PAGE);
	w_close(w, cdev);
	w_close(w, fd);
}

static void live_with_type1(struct world *w)
{
	int fd = must_open(w, "/dev/vfio/vfio", 0), group = must_open(w, NULL, 0);
	int32_t container = fd;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = 3,
		.vaddr = (uintptr_t)w->page,
		.iova = 0x10000,
		.size = 4 * PAGE,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof(unmap), .size = 1ull << 40};
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};
	int dev;

	must(w, group, VFIO_GROUP_SET_CONTAINER, &container);
	must(w, fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU);
	must(w, fd, VFIO_IOMMU_GET_INFO, &info);
	dev = (int)must(w, group, VFIO_GROUP_GET_DEVICE_FD, "0000:01:00.0");
	must(w, fd, VFIO_IOMMU_MAP_DMA, &map);
	must(w, dev, VFIO_DEVICE_RESET, NULL);
	assert_int_equal(w_ioctl(w, fd, VFIO_IOMMU_UNMAP_DMA, &unmap), 0);
	assert_int_equal(unmap.size, 4 * PAGE);
	w_close(w, dev);
	w_close(w, group);
	w_close(w, fd);
}

/* What a device has, in lists: no entry and no line of text is lost with the memory for it. */
static void live_with_lists(struct world *w)
{
	static const unsigned long calls[] = {IOAS_GET_REQUESTERS, IOAS_GET_MEMBERS,
					      IOAS_GET_REASONS};
	int fd = must_open(w, "/dev/iommu", 0), cdev = must_open(w, NULL, 2);
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = fd};

	must(w, cdev, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct ioas_get_list list = {.size = sizeof(list), .dev_id = bind.out_devid};

		must(w, fd, calls[i], &list);
		if (!list_nr[i])
			list_nr[i] = list.entry_nr + 1;
		assert_int_equal(list.entry_nr + 1, list_nr[i]);
		assert_int_equal(list.text_len > 1, list.entry_nr > 0);
	}
	assert_true(list_nr[0] > 1 && list_nr[1] > 1);
	w_close(w, cdev);
	w_close(w, fd);
}

/* Spaces in spaces, page tables that track, interrupts, and a queue of faults. */
static void live_with_all_else(struct world *w)
{
	int fd = must_open(w, "/dev/iommu", 0), cdev = must_open(w, NULL, 2), event;
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = fd};
	uint32_t ioas = ioas_with_a_map(w, fd);
	struct ioas_nest_alloc nest = {.size = sizeof(nest), .ioas_id = ioas};
	struct ioas_nest_map show = {
		.size = sizeof(show), .flags = RW, .parent_iova = 0x100000, .length = PAGE};
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt), .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING, .pt_id = ioas};
	struct iommu_hwpt_set_dirty_tracking track = {.size = sizeof(track),
						      .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE};
	struct iommu_hwpt_get_dirty_bitmap bitmap = {.size = sizeof(bitmap),
						     .iova = 0x100000,
						     .length = 4 * PAGE,
						     .page_size = PAGE,
						     .data = (uintptr_t)w->page};
	struct iommu_fault_alloc faults = {.size = sizeof(faults)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = 12};
	struct ioas_get_device info = {.size = sizeof(info)};
	struct {
		struct vfio_irq_set set;
		int32_t fd[2];
	} irqs = {.set = {.argsz = sizeof(irqs),
			  .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			  .index = VFIO_PCI_MSIX_IRQ_INDEX,
			  .count = 2}};

	must(w, cdev, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	info.dev_id = hwpt.dev_id = bind.out_devid;
	must(w, fd, IOAS_GET_DEVICE, &info);
	must(w, fd, IOAS_NEST_ALLOC, &nest);
	show.ioas_id = nest.out_ioas_id;
	must(w, fd, IOAS_NEST_MAP, &show);
	must(w, fd, IOMMU_HWPT_ALLOC, &hwpt);
	track.hwpt_id = bitmap.hwpt_id = attach.pt_id = hwpt.out_hwpt_id;
	must(w, fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &track);
	must(w, cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
	must(w, fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &bitmap);
	attach.pt_id = nest.out_ioas_id;
	must(w, cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
	must(w, fd, IOMMU_FAULT_QUEUE_ALLOC, &faults);
	event = eventfd(0, EFD_CLOEXEC);
	irqs.fd[0] = irqs.fd[1] = event;
	must(w, cdev, VFIO_DEVICE_SET_IRQS, &irqs);
	close(event);
	w_close(w, (int)faults.out_fault_fd);
	w_close(w, cdev);
	w_close(w, fd);
}

static void sweep(void **state, void (*live)(struct world *w))
{
	for (unsigned nth = 1;; nth++) {
		failed = false;
		countdown = nth;
		live(*state);
		countdown = 0;
		if (!failed) {
			assert_true(nth > 10);
			break;
		}
		assert_true(nth < 1000);
	}
}

static void iommufd_survives_every_failed_allocation(void **state)
{
	sweep(state, live_with_iommufd);
}

static void type1_survives_every_failed_allocation(void **state)
{
	sweep(state, live_with_type1);
}

static void lists_survive_every_failed_allocation(void **state)
{
	sweep(state, live_with_lists);
}

static void all_else_survives_every_failed_allocation(void **state)
{
	sweep(state, live_with_all_else);
}

/* Whatever is missing, there is none, and no half of one. */
static void an_instance_comes_whole_or_not_at_all(void **state)
{
	for (unsigned nth = 1, left = 0; !left; nth++) {
		struct ioas_iommu *iommu;
		int rc;

		inject_arm(nth);
		rc = ioas_iommu_new(NULL, &iommu);
		left = inject_remaining();
		inject_arm(0);
		assert_int_equal(rc, left ? 0 : -ENOMEM);
		if (!rc)
			ioas_iommu_destroy(iommu);
		assert_true(nth < 1000);
		assert_true(nth > 10 || !left);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(iommufd_survives_every_failed_allocation),
		TEST(type1_survives_every_failed_allocation),
		TEST(lists_survive_every_failed_allocation),
		TEST(all_else_survives_every_failed_allocation),
		cmocka_unit_test(an_instance_comes_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
