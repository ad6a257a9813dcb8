/* SPDX-License-Identifier: MIT */
/* Description: the last value of each argument that is taken, the first that is not, and why. */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "iommu.h"
#include "pci/pci.h"
#include "uapi/uapi.h"
#include "util/why.h"
#include "world.h"

/* An iommufd is mapped shared, of whole pages, and not to be run; and then only what it lends. */
static void an_iommufd_is_mapped_as_it_allows(void **state)
{
	static const struct {
		uint64_t off, len;
		int prot, flags;
		const char *why;
	} cases[] = {
		{1, PAGE, PROT_READ, MAP_SHARED, "whole pages"},
		{0, PAGE + 1, PROT_READ, MAP_SHARED, "whole pages"},
		{PAGE - 1, PAGE - 1, PROT_READ, MAP_SHARED, "whole pages"},
		{0, PAGE, PROT_READ, MAP_PRIVATE, "mapped MAP_SHARED"},
		{0, PAGE, PROT_READ, 0, "mapped MAP_SHARED"},
		{0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, "PROT_EXEC"},
		{0, PAGE, PROT_EXEC, MAP_SHARED_VALIDATE, "PROT_EXEC"},
		{0, PAGE, PROT_READ, MAP_SHARED, "can be mapped at 0"},
		{0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE, "can be mapped at 0"},
		{PAGE, 2 * PAGE, 0, MAP_SHARED, "can be mapped at 0x1000"},
	};
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ioas_mapping map;

		w->why.text[0] = '\0';
		assert_int_not_equal(ioas_file_mmap(w_file(w, fd), cases[i].off, cases[i].len,
						    cases[i].prot, cases[i].flags, &map, &w->why),
				     0);
		if (!strstr(w->why.text, cases[i].why))
			fail_msg("case %zu: \"%s\"", i, w->why.text);
		assert_int_equal(map.fd, -1);
	}
}

static long invalidate(struct world *w, int fd, uint32_t len, uint32_t nr, uint64_t va)
{
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = 77,
					    .data_uptr = va,
					    .entry_len = len,
					    .entry_num = nr};

	return w_ioctl(w, fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

/* An array that cannot be one is refused before what it is for is looked for. */
static void arrays_of_requests_have_limits(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");

	assert_int_equal(invalidate(w, fd, 4096, 1, 1), -ENOENT);
	assert_int_equal(invalidate(w, fd, 4097, 1, 1), -EINVAL);
	assert_int_equal(invalidate(w, fd, 0, 1, 1), -EINVAL);
	assert_int_equal(invalidate(w, fd, 1, 1u << 19, 1), -ENOENT);
	assert_int_equal(invalidate(w, fd, 1, (1u << 19) + 1, 1), -EINVAL);
	assert_int_equal(invalidate(w, fd, 1, 1, 0), -EINVAL);
	/* None at all needs neither. */
	assert_int_equal(invalidate(w, fd, 0, 0, 0), -ENOENT);
}

/* Whatever it is that is to be done with it. */
static void there_is_no_ioas_but_those_that_were_made(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t there = w_ioas(w, fd), none = there + 1;
	uint64_t iova = 0;
	struct iommu_ioas_allow_iovas allow = {.size = sizeof(allow), .ioas_id = none};
	struct iommu_ioas_iova_ranges ranges = {.size = sizeof(ranges), .ioas_id = none};
	struct iommu_ioas_copy copy = {.size = sizeof(copy),
				       .flags = IOMMU_IOAS_MAP_READABLE,
				       .length = PAGE,
				       .src_ioas_id = none,
				       .dst_ioas_id = there};
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = none, .length = PAGE};
	struct iommu_option option = {
		.size = sizeof(option), .option_id = IOMMU_OPTION_HUGE_PAGES, .object_id = none};
	struct iommu_vfio_ioas vfio = {
		.size = sizeof(vfio), .op = IOMMU_VFIO_IOAS_SET, .ioas_id = none};

	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_ALLOW_IOVAS, &allow), -ENOENT);
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_IOVA_RANGES, &ranges), -ENOENT);
	assert_int_equal(w_map(w, fd, none, IOMMU_IOAS_MAP_READABLE, w->page, PAGE, &iova),
			 -ENOENT);
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_COPY, &copy), -ENOENT);
	assert_non_null(strstr(w->why.text, "no IOAS has id"));
	assert_int_equal(w_map(w, fd, there, IOMMU_IOAS_MAP_READABLE, w->page, PAGE, &iova), 0);
	copy.src_iova = iova;
	copy.src_ioas_id = there;
	copy.dst_ioas_id = none;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_COPY, &copy), -ENOENT);
	assert_non_null(strstr(w->why.text, "no IOAS has id"));
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_UNMAP, &unmap), -ENOENT);
	assert_non_null(strstr(w->why.text, "no IOAS has id"));
	assert_int_equal(w_ioctl(w, fd, IOMMU_OPTION, &option), -ENOENT);
	assert_int_equal(w_ioctl(w, fd, IOMMU_VFIO_IOAS, &vfio), -ENOENT);
	copy.dst_ioas_id = there;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_COPY, &copy), 0);
}

/* None, two or three are refused for that before anything else is said of them. */
static void interrupts_take_one_type_of_data(void **state)
{
	static const uint32_t types[] = {VFIO_IRQ_SET_DATA_NONE, VFIO_IRQ_SET_DATA_BOOL,
					 VFIO_IRQ_SET_DATA_EVENTFD};
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	struct {
		struct vfio_irq_set set;
		int32_t fds[2];
	} cmd = {.fds = {-1, -1}};

	w_bind(w, cdev, fd);
	for (unsigned i = 0; i < 8; i++) {
		bool one = i && !(i & (i - 1));

		cmd.set = (struct vfio_irq_set){.argsz = sizeof(cmd),
						.flags = VFIO_IRQ_SET_ACTION_TRIGGER,
						.index = VFIO_PCI_MSIX_IRQ_INDEX,
						.count = 1};
		for (unsigned k = 0; k < 3; k++)
			cmd.set.flags |= i >> k & 1 ? types[k] : 0;
		w->why.text[0] = '\0';
		if (!one)
			assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_SET_IRQS, &cmd), -EINVAL);
		else
			w_ioctl(w, cdev, VFIO_DEVICE_SET_IRQS, &cmd);
		assert_int_equal(!strstr(w->why.text, "exactly one type"), one);
	}
}

struct feature {
	struct vfio_device_feature head;
	struct vfio_device_low_power_entry_with_wakeup data;
};

/* GET, SET and PROBE of a feature, `len` bytes long. */
static long feature(struct world *w, int cdev, uint32_t flags, uint32_t len, int event)
{
	struct feature cmd = {.head = {.argsz = len, .flags = flags}, .data = {event, 0}};

	return w_ioctl(w, cdev, VFIO_DEVICE_FEATURE, &cmd);
}

/* Low power is entered and left by SET; a PROBE asks whether there is such a SET, or GET. */
static void features_are_probed_and_set(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0), event = eventfd(0, 0);
	const uint32_t all = sizeof(struct feature);

	w_bind(w, cdev, fd);
	for (uint32_t i = 0; i < 8; i++) {
		uint32_t flags = (i & 1 ? VFIO_DEVICE_FEATURE_GET : 0) |
				 (i & 2 ? VFIO_DEVICE_FEATURE_SET : 0) |
				 (i & 4 ? VFIO_DEVICE_FEATURE_PROBE : 0);
		bool odd = (i & 3) == 3 && !(i & 4);
		long want = i & 1 ? -EINVAL : i & 4 || i & 2 ? 0 : -EINVAL;

		for (uint32_t nr = 0; nr < 12; nr++) {
			bool low = nr >= VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY &&
				   nr <= VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;

			assert_int_equal(feature(w, cdev, flags | nr, all, event), odd	 ? -EINVAL
										   : low ? want
											 : -ENOTTY);
			assert_int_equal(atomic_load(&w->dev[0].pci->low_power) != 0,
					 i == 2 && low && nr != VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
			pci_low_power_leave(w->dev[0].pci);
		}
	}
	close(event);
}

static void a_wakeup_needs_an_eventfd(void **state)
{
	const uint32_t set =
		VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
	const uint32_t all = sizeof(struct feature);
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0), event = eventfd(0, 0);

	w_bind(w, cdev, fd);
	assert_int_equal(feature(w, cdev, set, all - 1, event), -EINVAL);
	assert_int_equal(feature(w, cdev, set, all, -1), -EINVAL);
	assert_non_null(strstr(w->why.text, "-1 cannot be a descriptor"));
	assert_int_equal(feature(w, cdev, set, all, 999), -EBADF);
	assert_int_equal(feature(w, cdev, set, all, event), 0);
	/* It is in low power already. */
	assert_int_equal(pci_low_power_enter(w->dev[0].pci, -1), -EINVAL);
	pci_low_power_leave(w->dev[0].pci);
	close(event);
}

/* Whoever asks by way of type1 is told of the same pages. */
static void pages_are_of_the_alignment(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	struct iommu_vfio_ioas vfio = {.size = sizeof(vfio), .op = IOMMU_VFIO_IOAS_SET};
	struct iommu_ioas_iova_ranges ranges = {.size = sizeof(ranges)};
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};

	vfio.ioas_id = ranges.ioas_id = w_ioas(w, fd);
	assert_int_equal(w_ioctl(w, fd, IOMMU_VFIO_IOAS, &vfio), 0);
	w_ioctl(w, fd, IOMMU_IOAS_IOVA_RANGES, &ranges);
	assert_int_equal(w_ioctl(w, fd, VFIO_IOMMU_GET_INFO, &info), 0);
	assert_int_equal(info.iova_pgsizes, ~(ranges.out_iova_alignment - 1));
	assert_int_equal(info.iova_pgsizes & PAGE, PAGE);
}

#define CONFIG ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)

/* In low power, whose end the program wants to be told of: by a byte that is read or written. */
static void a_region_that_is_read_wakes_its_function(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	struct ioas_pci *pci = w->dev[0].pci;
	uint64_t count;
	char byte;

	w_bind(w, cdev, fd);
	for (unsigned i = 0; i < 3; i++) {
		int told = eventfd(0, EFD_NONBLOCK), copy = dup(told);

		assert_int_equal(pci_low_power_enter(pci, copy), 0);
		/* Nothing of it is nothing. */
		assert_int_equal(
			ioas_file_pread(w_file(w, cdev), &w->caller, (uintptr_t)&byte, 0, CONFIG),
			0);
		assert_int_not_equal(atomic_load(&pci->low_power), 0);
		if (i == 0)
			assert_int_equal(ioas_file_pread(w_file(w, cdev), &w->caller,
							 (uintptr_t)&byte, 1, CONFIG),
					 1);
		else if (i == 1)
			assert_int_equal(ioas_file_pwrite(w_file(w, cdev), &w->caller,
							  (uintptr_t)&byte, 1, CONFIG),
					 1);
		else /* beyond its end, too */
			assert_int_equal(ioas_file_pread(w_file(w, cdev), &w->caller,
							 (uintptr_t)&byte, 1, CONFIG + (1 << 20)),
					 -EFAULT);
		assert_int_equal(atomic_load(&pci->low_power), 0);
		assert_int_equal(read(told, &count, sizeof(count)), sizeof(count));
		assert_int_equal(count, 1);
		close(told);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(an_iommufd_is_mapped_as_it_allows),
		TEST(arrays_of_requests_have_limits),
		TEST(there_is_no_ioas_but_those_that_were_made),
		TEST(interrupts_take_one_type_of_data),
		TEST(features_are_probed_and_set),
		TEST(a_wakeup_needs_an_eventfd),
		TEST(pages_are_of_the_alignment),
		TEST(a_region_that_is_read_wakes_its_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
