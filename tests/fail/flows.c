/* SPDX-License-Identifier: MIT */
/*
 * Description: every way through the ioctls, once for each thing on it that may fail: the first,
 * second, ... allocation, lookup, pin, charge and filled page table (/proc/self/fail-nth). A call
 * then says ENOMEM, ENOENT or EFAULT, what had been made before goes, nothing stays pinned, no
 * descriptor stays open, and the same way is free the next time. Linux's own iommufd_fail_nth does
 * this for some ioctls; here are the flows that programs are made of.
 *
 * Each flow cleans up behind itself with failures switched off, as a program would whose calls
 * fail.
 */
#include <dirent.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <ioas/uapi_ext.h>
#include "tests/uapi/vfio.h"
#include "tests/uapi/viommu.h"

#define IOVA 0x1000000ul
#define LEN  (64 * PAGE)

static int knob = -1;
static uint8_t *mem;
static char bdf[16], group_path[64];
static unsigned left; /* of the count, when the flow was over: 0, the failure has come */
static unsigned long operations, failures;

static void give_up(const char *what)
{
	printf("FAIL %s: %s\n", what, strerror(errno));
	exit(1);
}

static void arm(unsigned nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(knob, text, (size_t)len, 0) != len)
		give_up("fail-nth");
}

static unsigned remaining(void)
{
	char text[16] = "";

	if (pread(knob, text, sizeof(text) - 1, 0) <= 0)
		give_up("fail-nth");
	return (unsigned)atoi(text);
}

static long op(int fd, unsigned long cmd, void *arg)
{
	long rc = call(fd, cmd, arg);

	operations++;
	/* What it says of a page table or an IOAS that it cannot find. */
	return rc == -EINVAL && cmd == IOMMU_HWPT_ALLOC ? -ENOENT : rc;
}

/* The first refusal ends the flow. */
#define DO(fd, cmd, arg)               \
	do {                           \
		rc = op(fd, cmd, arg); \
		if (rc < 0)            \
			goto out;      \
	} while (0)

static int open_op(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	operations++;
	return fd < 0 ? -errno : fd;
}

/* From here on without failures: what must work whatever has failed. */
static void undo(void)
{
	left = remaining();
	arm(0);
}

static void close_all(int a, int b, int c)
{
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
	if (c >= 0)
		close(c);
}

/* ---- flows: 0, or the -errno of the call that failed ---- */

static long spaces(void)
{
	struct iommu_ioas_alloc a = {.size = sizeof(a)}, b = {.size = sizeof(b)};
	struct iommu_iova_range range = {.start = IOVA, .last = IOVA + (1 << 24) - 1}, seen[4];
	struct iommu_ioas_allow_iovas allow = {
		.size = sizeof(allow), .num_iovas = 1, .allowed_iovas = (uintptr_t)&range};
	struct iommu_ioas_iova_ranges ranges = {
		.size = sizeof(ranges), .num_iovas = 4, .allowed_iovas = (uintptr_t)seen};
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)mem,
		.length = LEN,
	};
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy), .flags = IOMMU_IOAS_MAP_READABLE, .length = LEN};
	struct iommu_option option = {.size = sizeof(option), .option_id = IOMMU_OPTION_HUGE_PAGES};
	struct iommu_ioas_map_file file = {
		.size = sizeof(file), .flags = IOMMU_IOAS_MAP_READABLE, .length = 4 * PAGE};
	int fd = open_op("/dev/iommu"), memfd = memfd_create("m", MFD_CLOEXEC);
	struct iommu_destroy gone = {.size = sizeof(gone)};
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .length = UINT64_MAX};
	long rc = fd;

	if (fd < 0 || ftruncate(memfd, 4 * PAGE))
		goto out;
	DO(fd, IOMMU_IOAS_ALLOC, &a);
	DO(fd, IOMMU_IOAS_ALLOC, &b);
	allow.ioas_id = map.ioas_id = ranges.ioas_id = copy.src_ioas_id = a.out_ioas_id;
	copy.dst_ioas_id = option.object_id = file.ioas_id = b.out_ioas_id;
	DO(fd, IOMMU_IOAS_ALLOW_IOVAS, &allow);
	DO(fd, IOMMU_OPTION, &option);
	DO(fd, IOMMU_IOAS_MAP, &map);
	copy.src_iova = map.iova;
	DO(fd, IOMMU_IOAS_COPY, &copy);
	file.fd = memfd;
	DO(fd, IOMMU_IOAS_MAP_FILE, &file);
	DO(fd, IOMMU_IOAS_IOVA_RANGES, &ranges);
	unmap.ioas_id = a.out_ioas_id;
	DO(fd, IOMMU_IOAS_UNMAP, &unmap);
	gone.id = b.out_ioas_id;
	DO(fd, IOMMU_DESTROY, &gone);
	rc = 0;
out:
	undo();
	close_all(fd, memfd, -1);
	return rc;
}

/* An IOAS with the memory mapped. */
static long space_with_memory(int fd, uint32_t *ioas)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	long rc = op(fd, IOMMU_IOAS_ALLOC, &alloc);

	*ioas = alloc.out_ioas_id;
	if (!rc) {
		operations++;
		rc = map_fixed(fd, *ioas, mem, IOVA, LEN);
	}
	return rc;
}

static int cdev_open(void)
{
	return open_op("/dev/vfio/devices/vfio0");
}

static long device_and_tables(void)
{
	struct vfio_device_attach_iommufd_pt att = {.argsz = sizeof(att)};
	struct vfio_device_detach_iommufd_pt det = {.argsz = sizeof(det)};
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt),
					.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING};
	struct iommu_hwpt_set_dirty_tracking track = {.size = sizeof(track),
						      .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE};
	uint64_t bits[LEN / PAGE / 64 + 1] = {0};
	struct iommu_hwpt_get_dirty_bitmap dirty = {.size = sizeof(dirty),
						    .iova = IOVA,
						    .length = LEN,
						    .page_size = PAGE,
						    .data = (uintptr_t)bits};
	struct iommu_hw_info info = {.size = sizeof(info)};
	int fd = open_op("/dev/iommu"), dev = fd < 0 ? fd : cdev_open();
	uint32_t id, ioas, second;
	long rc = dev;

	if (dev < 0)
		goto out;
	rc = bind_iommufd(dev, fd, &id);
	if (rc || (rc = space_with_memory(fd, &ioas)) || (rc = space_with_memory(fd, &second)))
		goto out;
	info.dev_id = hwpt.dev_id = id;
	DO(fd, IOMMU_GET_HW_INFO, &info);
	att.pt_id = ioas;
	DO(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att);
	hwpt.pt_id = second;
	DO(fd, IOMMU_HWPT_ALLOC, &hwpt);
	att.pt_id = hwpt.out_hwpt_id;
	DO(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att);
	track.hwpt_id = dirty.hwpt_id = hwpt.out_hwpt_id;
	DO(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &track);
	rc = map_fixed(fd, second, mem, 2 * IOVA, LEN);
	if (rc)
		goto out;
	DO(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &dirty);
	rc = unmap(fd, second, IOVA, LEN, NULL);
	if (rc)
		goto out;
	DO(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &det);
	rc = 0;
out:
	undo();
	close_all(dev, fd, -1);
	return rc;
}

static long pasids(void)
{
	struct vfio_device_attach_iommufd_pt att = {.argsz = sizeof(att)};
	struct vfio_device_detach_iommufd_pt det = {.argsz = sizeof(det),
						    .flags = VFIO_DEVICE_DETACH_PASID};
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt), .flags = IOMMU_HWPT_ALLOC_PASID};
	struct ioas_attach exact = {.size = sizeof(exact), .flags = IOAS_ATTACH_PASID};
	int fd = open_op("/dev/iommu"), dev = fd < 0 ? fd : cdev_open();
	uint32_t ioas[2], table[2];
	long rc = dev;

	if (dev < 0)
		goto out;
	rc = bind_iommufd(dev, fd, &hwpt.dev_id);
	for (unsigned i = 0; i < 2 && !rc; i++) {
		rc = space_with_memory(fd, &ioas[i]);
		hwpt.pt_id = ioas[i];
		if (!rc)
			rc = op(fd, IOMMU_HWPT_ALLOC, &hwpt);
		table[i] = hwpt.out_hwpt_id;
	}
	if (rc)
		goto out;
	att.pt_id = table[0];
	DO(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att);
	att.flags = VFIO_DEVICE_ATTACH_PASID;
	for (att.pasid = 1; att.pasid < 1 << 20; att.pasid *= 9) {
		att.pt_id = table[1];
		DO(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att);
	}
	att.pasid = 9;
	att.pt_id = table[0];
	DO(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att);
	exact.pasid = 3;
	exact.pt_id = table[0];
	DO(dev, IOAS_ATTACH, &exact);
	det.pasid = 9;
	DO(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &det);
	rc = 0;
out:
	undo();
	close_all(dev, fd, -1);
	return rc;
}

static long registers_and_interrupts(void)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	struct vfio_region_info bar = {.argsz = sizeof(bar)};
	struct {
		struct vfio_irq_set set;
		int32_t fd[2];
	} irqs = {.set = {.argsz = sizeof(irqs),
			  .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			  .index = VFIO_PCI_MSIX_IRQ_INDEX,
			  .count = 2}};
	int fd = open_op("/dev/iommu"), dev = fd < 0 ? fd : cdev_open();
	int event = eventfd(0, EFD_CLOEXEC);
	void *map = MAP_FAILED;
	size_t len = 0;
	uint16_t command = 6;
	long rc = dev;

	if (dev < 0)
		goto out;
	rc = bind_iommufd(dev, fd, NULL);
	if (rc)
		goto out;
	DO(dev, VFIO_DEVICE_GET_INFO, &info);
	DO(dev, VFIO_DEVICE_GET_REGION_INFO, &bar);
	len = bar.size;
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, dev, (off_t)bar.offset);
	rc = map == MAP_FAILED ? -errno : 0;
	if (rc)
		goto out;
	irqs.fd[0] = irqs.fd[1] = event;
	DO(dev, VFIO_DEVICE_SET_IRQS, &irqs);
	bar.index = VFIO_PCI_CONFIG_REGION_INDEX;
	DO(dev, VFIO_DEVICE_GET_REGION_INFO, &bar);
	if (pwrite(dev, &command, 2, (off_t)bar.offset + 4) != 2) {
		rc = -errno;
		goto out;
	}
	DO(dev, VFIO_DEVICE_RESET, NULL);
	rc = 0;
out:
	undo();
	if (map != MAP_FAILED)
		munmap(map, len);
	close_all(dev, fd, event);
	return rc;
}

static long type1(void)
{
	struct vfio_iommu_type1_dma_map map = {.argsz = sizeof(map),
					       .flags = VFIO_DMA_MAP_FLAG_READ |
							VFIO_DMA_MAP_FLAG_WRITE,
					       .vaddr = (uintptr_t)mem,
					       .iova = IOVA,
					       .size = LEN};
	struct vfio_iommu_type1_dma_unmap gone = {.argsz = sizeof(gone), .iova = IOVA, .size = LEN};
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};
	int container = open_op("/dev/vfio/vfio"), group = -1, dev = -1;
	long rc = container;

	if (container < 0)
		goto out;
	rc = group = open_op(group_path);
	if (rc < 0)
		goto out;
	DO(group, VFIO_GROUP_SET_CONTAINER, &container);
	rc = op(container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU);
	if (rc)
		goto out;
	DO(container, VFIO_IOMMU_GET_INFO, &info);
	DO(container, VFIO_IOMMU_MAP_DMA, &map);
	dev = (int)op(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	rc = dev;
	if (rc < 0)
		goto out;
	map.iova += LEN;
	DO(container, VFIO_IOMMU_MAP_DMA, &map);
	DO(container, VFIO_IOMMU_UNMAP_DMA, &gone);
	rc = 0;
out:
	undo();
	close_all(dev, group, container);
	return rc;
}

static long guests(void)
{
	struct iommu_fault_alloc queue = {.size = sizeof(queue)};
	struct iommu_veventq_alloc events = {
		.size = sizeof(events), .type = TESTCMD_TYPE_VEVENTQ, .veventq_depth = 4};
	struct iommu_hwpt_alloc parent = {.size = sizeof(parent),
					  .flags = IOMMU_HWPT_ALLOC_NEST_PARENT};
	int fd = open_op("/dev/iommu");
	uint32_t ioas, viommu, vdevice, nested;
	struct test_ids ids;
	long rc = fd;

	queue.out_fault_fd = events.out_veventq_fd = (uint32_t)-1;
	if (fd < 0)
		goto out;
	rc = space_with_memory(fd, &ioas);
	if (rc || (rc = test_device(fd, ioas, 0, &ids)))
		goto out;
	parent.dev_id = ids.device;
	parent.pt_id = ioas;
	DO(fd, IOMMU_HWPT_ALLOC, &parent);
	DO(fd, IOMMU_FAULT_QUEUE_ALLOC, &queue);
	rc = viommu_alloc(fd, ids.device, parent.out_hwpt_id, &viommu);
	if (rc || (rc = vdevice_alloc(fd, viommu, ids.device, 7, &vdevice)))
		goto out;
	events.viommu_id = viommu;
	DO(fd, IOMMU_VEVENTQ_ALLOC, &events);
	rc = nested_alloc(fd, viommu, ids.device, &nested);
	if (rc == -EINVAL) /* as above */
		rc = -ENOENT;
	if (!rc)
		rc = replace(fd, ids.test, nested, NULL);
out:
	undo();
	close_all((int)queue.out_fault_fd, (int)events.out_veventq_fd, fd);
	return rc;
}

/* ---- sweeps ---- */

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static bool plausible(long rc)
{
	return !rc || rc == -ENOMEM || rc == -ENOENT || rc == -EFAULT;
}

/* Fails the 1st, 2nd, ... point of a flow, of which there must be some. */
static void sweep(const char *name, long (*flow)(void), unsigned least)
{
	int fd = open_testcmd_or_skip();
	unsigned files, nth, wrong = 0;

	check(name, flow(), 0); /* what is made once, is made */
	files = open_files();
	for (nth = 1;; nth++) {
		long rc, pins;

		arm(nth);
		rc = flow();
		pins = check_pins(fd, mem, LEN, 0);
		if (open_files() != files || pins || !(left ? !rc : plausible(rc))) {
			printf("     %s, failure %u: %ld, %u files (%u before), pins %ld\n", name,
			       nth, rc, open_files(), files, pins);
			wrong++;
		}
		if (left)
			break;
		failures++;
	}
	check("failures that left something, or were told wrongly", (long)wrong, 0);
	check("there were as many as there should be", nth > least, 1);
	check("and once more without", flow(), 0);
	close(fd);
}

static void find_group(void)
{
	char link[128], target[256];
	ssize_t len;

	close(open_group(bdf, sizeof(bdf)));
	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		give_up(link);
	target[len] = '\0';
	snprintf(group_path, sizeof(group_path), "/dev/vfio%.40s", strrchr(target, '/'));
}

int main(void)
{
	find_group();
	knob = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (knob < 0) {
		puts("SKIP: no /proc/thread-self/fail-nth");
		return EXIT_SKIP;
	}
	mem = memory(LEN);
	sweep("spaces", spaces, 20);
	sweep("a device and page tables", device_and_tables, 40);
	sweep("PASIDs", pasids, 40);
	sweep("registers and interrupts", registers_and_interrupts, 5);
	sweep("type1", type1, 20);
	sweep("a guest", guests, 20);
	printf("tried: %lu operations, %lu failures on purpose\n", operations, failures);
	return check_done();
}
