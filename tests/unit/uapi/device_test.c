/* SPDX-License-Identifier: MIT */
/* A device through its cdev: binding, attaching, regions, interrupts, DMA. */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <ioas/device.h>
#include "tests/unit/fds.h"
#include "world.h"

#define RW	  (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIXED	  IOMMU_IOAS_MAP_FIXED_IOVA
#define REGION(i) ((uint64_t)(i) << 40)

static ssize_t dev_read(struct world *w, int fd, void *buf, size_t len, uint64_t off)
{
	return ioas_file_pread(w->file[fd - 1000], &w->caller, (uintptr_t)buf, len, off);
}

static ssize_t dev_write(struct world *w, int fd, const void *buf, size_t len, uint64_t off)
{
	return ioas_file_pwrite(w->file[fd - 1000], &w->caller, (uintptr_t)buf, len, off);
}

static long bind(struct world *w, int cdev, int iommufd)
{
	struct vfio_device_bind_iommufd cmd = {.argsz = sizeof(cmd), .iommufd = iommufd};

	return w_ioctl(w, cdev, VFIO_DEVICE_BIND_IOMMUFD, &cmd);
}

static void an_unbound_cdev_refuses_everything(void **state)
{
	struct ioas_mapping how;
	struct world *w = *state;
	int cdev = w_open_cdev(w, 0);
	char buf[64] = {64};

	for (unsigned long nr = VFIO_BASE; nr < VFIO_BASE + 30; nr++)
		if (nr != VFIO_BASE + 18)
			assert_int_equal(w_ioctl(w, cdev, _IO(VFIO_TYPE, nr), buf), -EINVAL);
	assert_int_equal(dev_read(w, cdev, buf, 4, REGION(7)), -EINVAL);
	assert_int_equal(dev_write(w, cdev, buf, 4, REGION(7)), -EINVAL);
	assert_int_equal(
		ioas_file_mmap(w->file[cdev - 1000], 0, PAGE, PROT_READ, MAP_SHARED, &how, NULL),
		-EINVAL);
}

static void bind_wants_a_real_iommufd_once(void **state)
{
	struct world *w = *state;
	int cdev = w_open_cdev(w, 0), other = w_open_cdev(w, 0), fd = w_open(w, "/dev/iommu");
	struct vfio_device_bind_iommufd cmd = {.argsz = 15, .iommufd = fd};

	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_BIND_IOMMUFD, &cmd), -EINVAL);
	cmd.argsz = 16;
	cmd.flags = 2;
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_BIND_IOMMUFD, &cmd), -EINVAL);
	assert_int_equal(bind(w, cdev, -2), -EINVAL);
	assert_int_equal(bind(w, cdev, 999), -EBADF);
	assert_int_equal(bind(w, cdev, STDIN_FILENO), -EBADFD);
	assert_int_equal(bind(w, cdev, cdev), -EBADFD);
	assert_int_equal(bind(w, cdev, fd), 0);
	assert_int_equal(bind(w, cdev, fd), -EINVAL);
	assert_int_equal(bind(w, other, fd), -EINVAL);
	w_close(w, cdev);
	assert_int_equal(bind(w, other, fd), 0);
}

static void attach_moves_and_detach_blocks(void **state)
{
	struct world *w = *state;
	int cdev = w_open_cdev(w, 0), fd = w_open(w, "/dev/iommu");
	uint32_t a = w_ioas(w, fd), b = w_ioas(w, fd), dev = w_bind(w, cdev, fd), pt = 99;
	struct iommu_destroy destroy = {.size = sizeof(destroy)};
	struct vfio_device_detach_iommufd_pt detach = {.argsz = 8};

	assert_int_equal(w_attach(w, cdev, &pt), -ENOENT);
	pt = dev;
	assert_int_equal(w_attach(w, cdev, &pt), -EINVAL);
	pt = a;
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	assert_int_equal(pt, 4);
	destroy.id = a;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), -EBUSY);
	destroy.id = pt;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), -EBUSY);
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	pt = b;
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	assert_int_equal(pt, 5);
	destroy.id = a;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), 0);
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
	destroy.id = 5;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), -ENOENT);
	destroy.id = b;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), 0);
}

static void two_devices_share_an_ioas_s_page_table(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), one = w_open_cdev(w, 0), two = w_open_cdev(w, 1);
	uint32_t ioas = w_ioas(w, fd), pt1 = ioas, pt2 = ioas;

	w_bind(w, one, fd);
	w_bind(w, two, fd);
	assert_int_equal(w_attach(w, one, &pt1), 0);
	assert_int_equal(w_attach(w, two, &pt2), 0);
	assert_int_equal(pt1, pt2);
	w_close(w, fd);
	w_close(w, one);
	pt2 = ioas;
	assert_int_equal(w_attach(w, two, &pt2), 0);
	assert_int_equal(pt2, pt1);
}

static void attach_refuses_memory_that_is_not_there(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	uint32_t ioas = w_ioas(w, fd), pt = ioas;
	uint64_t hole = 0x10000, msi = 0xfee00000;
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = hole, .length = PAGE};

	w_bind(w, cdev, fd);
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w_wild(w), PAGE, &hole), 0);
	assert_int_equal(w_attach(w, cdev, &pt), -EFAULT);
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_UNMAP, &unmap), 0);
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w->page, PAGE, &msi), 0);
	assert_int_equal(w_attach(w, cdev, &pt), -EADDRINUSE);
	unmap.iova = msi;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_UNMAP, &unmap), 0);
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w_wild(w), PAGE, &hole), -EFAULT);
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w->page, PAGE, &msi), -EINVAL);
	mprotect(w->page, PAGE, PROT_READ);
	assert_int_equal(w_map(w, fd, ioas, FIXED | RW, w->page, PAGE, &hole), -EFAULT);
	assert_int_equal(w_map(w, fd, ioas, FIXED | IOMMU_IOAS_MAP_READABLE, w->page, PAGE, &hole),
			 0);
}

static void dma_follows_the_attachment(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	uint32_t a = w_ioas(w, fd), b = w_ioas(w, fd), pt = a;
	uint64_t iova = 0x10000, seq = 0;
	uint16_t command = 6;
	struct vfio_device_detach_iommufd_pt detach = {.argsz = 8};
	struct ioas_issuer *issuer;
	struct ioas_fault fault;

	w_bind(w, cdev, fd);
	assert_int_equal(ioas_issuer_new(ioas_pci_device(w->dev[0].pci), &issuer), 0);
	assert_int_equal(dev_write(w, cdev, &command, 2, REGION(7) + 4), 2);
	assert_int_equal(w_map(w, fd, a, FIXED | RW, w->page, PAGE, &iova), 0);
	assert_int_equal(w_map(w, fd, b, FIXED | RW, w->page + PAGE, PAGE, &iova), 0);
	assert_int_equal(ioas_dma_write(issuer, iova, "x", 2), -EFAULT);
	assert_int_equal(ioas_fault_read(w->iommu, &seq, &fault, 1), 1);
	assert_int_equal(fault.reason, IOAS_FAULT_NO_ROUTE);
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	assert_int_equal(ioas_dma_write(issuer, iova, "a", 2), 0);
	pt = b;
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	assert_int_equal(ioas_dma_write(issuer, iova, "b", 2), 0);
	assert_string_equal(w->page, "a");
	assert_string_equal(w->page + PAGE, "b");
	assert_int_equal(ioas_dma_write(issuer, 0x20000, "c", 2), -EFAULT);
	assert_int_equal(ioas_fault_read(w->iommu, &seq, &fault, 1), 1);
	assert_int_equal(fault.reason, IOAS_FAULT_NOT_MAPPED);
	assert_int_equal(fault.ioas_id, b);
	assert_int_equal(fault.hwpt_id, pt);
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
	assert_int_equal(ioas_dma_write(issuer, iova, "d", 2), -EFAULT);
	ioas_issuer_destroy(issuer);
}

static void a_group_has_one_owner_but_its_devices_go_where_they_like(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), other = w_open(w, "/dev/iommu");
	int one = w_open_cdev(w, 0), two = w_open_cdev(w, 2);
	uint32_t a = w_ioas(w, fd), b = w_ioas(w, fd);
	unsigned resets = w->dev[2].resets;

	w_bind(w, one, fd);
	assert_int_equal(bind(w, two, other), -EPERM);
	assert_non_null(strstr(w->why.text, "0000:01:00.0 of group"));
	assert_int_equal(w->dev[2].resets, resets);
	w_bind(w, two, fd);
	assert_int_equal(w_attach(w, one, &a), 0);
	assert_int_equal(w_attach(w, two, &b), 0);
	assert_int_not_equal(a, b);
	w_close(w, one);
	one = w_open_cdev(w, 0);
	assert_int_equal(bind(w, one, other), -EPERM);
	assert_non_null(strstr(w->why.text, "0000:01:00.1 of group"));
	assert_int_equal(w_open_group(w, 0), -EBUSY);
	w_close(w, two);
	assert_int_equal(bind(w, one, other), 0);
}

static int ready(struct world *w)
{
	int cdev = w_open_cdev(w, 0);

	w_bind(w, cdev, w_open(w, "/dev/iommu"));
	return cdev;
}

static void regions_are_bars_and_config(void **state)
{
	struct world *w = *state;
	int cdev = ready(w);
	static const uint64_t size[8] = {BAR_LEN, 0, PORTS_LEN, [7] = 4096};
	struct vfio_device_info dev = {.argsz = 20, .pad = 0x55};
	struct {
		struct vfio_region_info info;
		struct vfio_info_cap_header cap;
	} r = {.info.argsz = 31};

	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_GET_INFO, &dev), 0);
	assert_int_equal(dev.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(dev.num_regions, 9);
	assert_int_equal(dev.num_irqs, 5);
	assert_int_equal(dev.pad, 0x55);
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_GET_REGION_INFO, &r), -EINVAL);
	for (uint32_t i = 0; i < 8; i++) {
		r.info = (struct vfio_region_info){.argsz = 32, .index = i};
		assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_GET_REGION_INFO, &r), 0);
		assert_int_equal(r.info.offset, REGION(i));
		assert_int_equal(r.info.size, size[i]);
		assert_int_equal(r.info.flags, i == 0 ? 15 : size[i] ? 3 : 0);
		assert_int_equal(r.info.argsz, i == 0 ? 40 : 32);
	}
	r.info = (struct vfio_region_info){.argsz = sizeof(r)};
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_GET_REGION_INFO, &r), 0);
	assert_int_equal(r.info.cap_offset, 32);
	assert_int_equal(r.cap.id, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
	r.info.index = 8;
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_GET_REGION_INFO, &r), -EINVAL);
	r.info.index = UINT32_MAX;
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_GET_REGION_INFO, &r), -EINVAL);
}

/* An instance whose registers cannot be mapped says so, and has no table of MSI-X to show. */
static void regions_that_are_not_to_be_mapped(void **state)
{
	struct world *w = *state;
	struct vfio_region_info info = {.argsz = sizeof(info)};

	assert_int_equal(w_ioctl(w, ready(w), VFIO_DEVICE_GET_REGION_INFO, &info), 0);
	assert_int_equal(info.size, BAR_LEN);
	assert_int_equal(info.flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE);
	assert_int_equal(info.argsz, sizeof(info));
}

static int setup_unmapped(void **state)
{
	return world_setup_config(state, &(struct ioas_iommu_config){.no_region_mmap = true});
}

static void registers_are_read_and_written_up_to_the_region_s_end(void **state)
{
	struct world *w = *state;
	int cdev = ready(w);
	char *buf = w->page, *back = w->page + PAGE;

	for (int i = 0; i < 1000; i++)
		buf[i] = (char)i;
	assert_int_equal(dev_write(w, cdev, buf, 1000, 3), 1000);
	assert_memory_equal((char *)w->dev[0].regs + 3, buf, 1000);
	assert_int_equal(dev_read(w, cdev, back, 1000, 3), 1000);
	assert_memory_equal(back, buf, 1000);
	assert_int_equal(dev_read(w, cdev, back, 100, BAR_LEN - 4), 4);
	assert_int_equal(dev_read(w, cdev, back, 100, BAR_LEN), -EINVAL);
	assert_int_equal(dev_read(w, cdev, back, 0, BAR_LEN), 0);
	assert_int_equal(dev_read(w, cdev, back, 4, REGION(1)), -EINVAL);
	assert_int_equal(dev_read(w, cdev, back, 4, REGION(9)), -EINVAL);
	assert_int_equal(dev_read(w, cdev, back, 4, UINT64_MAX), -EINVAL);
	assert_int_equal(dev_read(w, cdev, back, 4096, REGION(7)), 4096);
	assert_int_equal(*(uint32_t *)back, 0x11e81b36);
	assert_int_equal(dev_read(w, cdev, back, 8, REGION(7) + 4092), -EFAULT);
	assert_int_equal(dev_read(w, cdev, w_wild(w), 8, 0), -EFAULT);
	assert_int_equal(dev_write(w, cdev, w_wild(w), 8, 0), -EFAULT);
}

static void only_whole_bars_are_mapped(void **state)
{
	struct ioas_mapping how;
	struct world *w = *state;
	struct ioas_file *file = w->file[ready(w) - 1000];
	uint64_t value = 0x1234;

	assert_int_equal(ioas_file_mmap(file, 0, BAR_LEN, PROT_READ, MAP_SHARED, &how, NULL), 0);
	assert_int_equal(ioas_file_mmap(file, PAGE, PAGE, PROT_WRITE, MAP_SHARED, &how, NULL), 0);
	assert_int_equal(ioas_file_mmap(file, PAGE, BAR_LEN, PROT_READ, MAP_SHARED, &how, NULL),
			 -EINVAL);
	assert_int_equal(ioas_file_mmap(file, 0, PAGE, PROT_READ, MAP_PRIVATE, &how, NULL),
			 -EINVAL);
	for (unsigned i = 1; i < 10; i++)
		assert_int_equal(
			ioas_file_mmap(file, REGION(i), PAGE, PROT_READ, MAP_SHARED, &how, NULL),
			-EINVAL);
	assert_int_equal(ioas_file_mmap(file, BAR_LEN, 0, PROT_READ, MAP_SHARED, &how, NULL), 0);
	assert_int_equal(ioas_file_mmap(file, BAR_LEN + PAGE, 0, PROT_READ, MAP_SHARED, &how, NULL),
			 -EINVAL);
	assert_int_equal(ioas_file_access(file, 8, true, &value, 4), 0);
	assert_int_equal(w->dev[0].regs[1], 0x1234);
	assert_int_equal(ioas_file_access(file, BAR_LEN, false, &value, 4), -EFAULT);
	assert_int_equal(ioas_file_access(file, REGION(7), false, &value, 4), -EFAULT);
}

struct irq_set {
	struct vfio_irq_set set;
	int32_t fd[8];
};

static long set_irqs(struct world *w, int cdev, uint32_t flags, uint32_t index, uint32_t start,
		     uint32_t count, int32_t fd)
{
	struct irq_set cmd = {.set = {.argsz = sizeof(cmd),
				      .flags = flags,
				      .index = index,
				      .start = start,
				      .count = count}};

	for (int i = 0; i < 8; i++)
		cmd.fd[i] = fd;
	return w_ioctl(w, cdev, VFIO_DEVICE_SET_IRQS, &cmd);
}

static void interrupts_reach_their_eventfds(void **state)
{
	struct world *w = *state;
	int cdev = ready(w), fd = eventfd(0, EFD_NONBLOCK);
	const uint32_t trigger = VFIO_IRQ_SET_ACTION_TRIGGER;
	const uint32_t set = trigger | VFIO_IRQ_SET_DATA_EVENTFD;
	struct vfio_irq_info info = {.argsz = 16, .index = 2};
	eventfd_t got;

	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_GET_IRQ_INFO, &info), 0);
	assert_int_equal(info.count, 4);
	assert_true(info.flags & VFIO_IRQ_INFO_EVENTFD);
	info.index = 5;
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_GET_IRQ_INFO, &info), -EINVAL);
	assert_int_equal(set_irqs(w, cdev, set, 2, 0, 5, fd), -EINVAL);
	assert_int_equal(set_irqs(w, cdev, set, 2, 4, 0, fd), -EINVAL);
	assert_int_equal(set_irqs(w, cdev, set, 2, UINT32_MAX, 2, fd), -EINVAL);
	assert_int_equal(set_irqs(w, cdev, set, 5, 0, 1, fd), -EINVAL);
	assert_int_equal(set_irqs(w, cdev, 0x80 | set, 2, 0, 1, fd), -EINVAL);
	assert_int_equal(set_irqs(w, cdev, trigger, 2, 0, 1, fd), -EINVAL);
	assert_int_equal(set_irqs(w, cdev, VFIO_IRQ_SET_DATA_EVENTFD, 2, 0, 1, fd), -ENOTTY);
	assert_int_equal(set_irqs(w, cdev, set, 2, 0, 1, STDIN_FILENO), -EINVAL);
	assert_int_equal(set_irqs(w, cdev, set, 2, 0, 1, 999), -EBADF);
	assert_int_equal(set_irqs(w, cdev, set, 2, 0, 4, fd), 0);
	ioas_pci_msix_send(w->dev[0].pci, 3);
	assert_int_equal(eventfd_read(fd, &got), 0);
	assert_int_equal(got, 1);
	assert_int_equal(set_irqs(w, cdev, trigger | VFIO_IRQ_SET_DATA_NONE, 2, 0, 2, 0), 0);
	assert_int_equal(eventfd_read(fd, &got), 0);
	assert_int_equal(got, 2);
	/* From beyond the last, none are switched off. */
	assert_int_equal(set_irqs(w, cdev, trigger | VFIO_IRQ_SET_DATA_NONE, 2, 4, 0, 0), -EINVAL);
	ioas_pci_msix_send(w->dev[0].pci, 3);
	assert_int_equal(eventfd_read(fd, &got), 0);
	assert_int_equal(set_irqs(w, cdev, trigger | VFIO_IRQ_SET_DATA_NONE, 2, 0, 0, 0), 0);
	ioas_pci_msix_send(w->dev[0].pci, 3);
	assert_int_equal(eventfd_read(fd, &got), -1);
	assert_int_equal(set_irqs(w, cdev, set, 4, 0, 1, fd), 0);
	close(fd);
}

/* One that is no eventfd: none of those before it is kept, nor used. */
static void eventfds_are_taken_all_or_none(void **state)
{
	struct world *w = *state;
	int cdev = ready(w), fd = eventfd(0, EFD_NONBLOCK);
	unsigned open = fds_open();
	eventfd_t got;

	for (int bad = 0; bad < 4; bad++) {
		struct irq_set cmd = {
			.set = {.argsz = sizeof(cmd),
				.flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD,
				.index = 2,
				.count = 4}};

		for (int i = 0; i < 4; i++)
			cmd.fd[i] = i == bad ? -2 : i == 1 ? -1 : fd;
		assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_SET_IRQS, &cmd), -EINVAL);
		cmd.fd[bad] = 999;
		assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_SET_IRQS, &cmd), -EBADF);
		assert_int_equal(fds_open(), open);
		ioas_pci_msix_send(w->dev[0].pci, 0);
		assert_int_equal(eventfd_read(fd, &got), -1);
	}
	assert_int_equal(set_irqs(w, cdev, VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_DATA_EVENTFD, 0,
				  0, 1, fd),
			 -ENOTTY);
	assert_int_equal(fds_open(), open);
	close(fd);
}

static void reset_and_features_answer_as_vfio_pci(void **state)
{
	struct world *w = *state;
	int cdev = ready(w);
	unsigned resets = w->dev[0].resets;
	struct vfio_device_feature feature = {.argsz = 8, .flags = VFIO_DEVICE_FEATURE_PROBE | 1};

	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(w->dev[0].resets, resets + 1);
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_FEATURE, &feature), -ENOTTY);
	feature.flags = 1u << 20;
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_FEATURE, &feature), -EINVAL);
	feature.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_FEATURE, &feature), -EINVAL);
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_PCI_HOT_RESET, &feature), -EINVAL);
	assert_int_equal(w_ioctl(w, cdev, _IO(VFIO_TYPE, VFIO_BASE + 30), NULL), -ENOTTY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unbound_cdev_refuses_everything),
		TEST(bind_wants_a_real_iommufd_once),
		TEST(attach_moves_and_detach_blocks),
		TEST(two_devices_share_an_ioas_s_page_table),
		TEST(attach_refuses_memory_that_is_not_there),
		TEST(dma_follows_the_attachment),
		TEST(a_group_has_one_owner_but_its_devices_go_where_they_like),
		TEST(regions_are_bars_and_config),
		cmocka_unit_test_setup_teardown(regions_that_are_not_to_be_mapped, setup_unmapped,
						world_teardown),
		TEST(registers_are_read_and_written_up_to_the_region_s_end),
		TEST(only_whole_bars_are_mapped),
		TEST(interrupts_reach_their_eventfds),
		TEST(eventfds_are_taken_all_or_none),
		TEST(reset_and_features_answer_as_vfio_pci),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
