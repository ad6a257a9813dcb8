/* SPDX-License-Identifier: MIT */
/* VFIO device: information, regions, config space, interrupts, reset, through the cdev. */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include "iommufd.h"
#include "vfio.h"

#define CONFIG (7ull << 40)

static int dev;

static void information(void)
{
	struct vfio_device_info info = {.argsz = 8};
	struct vfio_region_info region = {.argsz = 8};
	struct vfio_irq_info irq = {.argsz = 8};

	EXPECT(dev, VFIO_DEVICE_GET_INFO, &info, -EINVAL, "short");
	EXPECT(dev, VFIO_DEVICE_GET_INFO, WILD, -EFAULT, "wild pointer");
	info.argsz = sizeof(info);
	EXPECT(dev, VFIO_DEVICE_GET_INFO, &info, 0, "whole");
	check("PCI", info.flags & VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_PCI);
	check("regions", info.num_regions, 9);
	check("interrupts", info.num_irqs, 5);

	EXPECT(dev, VFIO_DEVICE_GET_REGION_INFO, &region, -EINVAL, "short");
	EXPECT(dev, VFIO_DEVICE_GET_REGION_INFO, WILD, -EFAULT, "wild pointer");
	for (uint32_t i = 0; i < 8; i++) {
		region.argsz = offsetof(struct vfio_region_info, offset) + 8;
		region.index = i;
		EXPECT(dev, VFIO_DEVICE_GET_REGION_INFO, &region, 0, "each region");
		check("offset", (long)(region.offset >> 40), i);
	}
	region.argsz = sizeof(region);
	region.index = 64;
	EXPECT(dev, VFIO_DEVICE_GET_REGION_INFO, &region, -EINVAL, "no such region");

	EXPECT(dev, VFIO_DEVICE_GET_IRQ_INFO, &irq, -EINVAL, "short");
	EXPECT(dev, VFIO_DEVICE_GET_IRQ_INFO, WILD, -EFAULT, "wild pointer");
	irq.argsz = sizeof(irq);
	irq.index = VFIO_PCI_MSIX_IRQ_INDEX;
	EXPECT(dev, VFIO_DEVICE_GET_IRQ_INFO, &irq, 0, "MSI-X");
	check("by eventfd", irq.flags & VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_INFO_EVENTFD);
	check("vectors", irq.count > 1, 1);
	irq.index = 64;
	EXPECT(dev, VFIO_DEVICE_GET_IRQ_INFO, &irq, -EINVAL, "no such interrupt");
}

static uint32_t config_read(uint64_t off, size_t len)
{
	uint32_t value = 0;

	check("config read", pread(dev, &value, len, (off_t)(CONFIG + off)), (long)len);
	return value;
}

static void config_write(uint64_t off, uint32_t value, size_t len)
{
	check("config write", pwrite(dev, &value, len, (off_t)(CONFIG + off)), (long)len);
}

static void config_space(void)
{
	uint8_t all[4096];
	uint32_t bar, command;

	check("all of it", pread(dev, all, sizeof(all), CONFIG), 4096);
	check("past the end", pread(dev, all, 1, CONFIG + 4096) < 0, 1);
	command = config_read(4, 2);
	check("bus mastering is off", command & 4, 0);
	check("memory decoding is on", command & 2, 2);
	config_write(4, command | 4, 2);
	check("bus mastering is on", config_read(4, 2) & 4, 4);
	config_write(4, command, 2);
	config_write(0, 0, 4);
	check("the ids are not writable", config_read(0, 4) != 0, 1);
	bar = config_read(0x10, 4);
	config_write(0x10, ~0u, 4);
	check("a BAR tells its size", config_read(0x10, 4) != bar, 1);
	check("in its low bits", (config_read(0x10, 4) & 0xff0) == 0, 1);
	config_write(0x10, bar, 4);
	check("and remembers", config_read(0x10, 4) == bar, 1);
	check("wild pointer", pread(dev, WILD, 4, CONFIG) < 0 ? -errno : 0, -EFAULT);
}

static bool fired(int event)
{
	struct pollfd poll_fd = {.fd = event, .events = POLLIN};
	uint64_t count;

	return poll(&poll_fd, 1, 200) == 1 && read(event, &count, 8) == 8;
}

static long set_irqs(uint32_t index, uint32_t flags, uint32_t start, uint32_t count, const int *fds,
		     uint32_t argsz_extra)
{
	struct {
		struct vfio_irq_set set;
		int fds[8];
	} cmd = {.set = {.argsz = (uint32_t)(sizeof(cmd.set) + argsz_extra),
			 .flags = flags,
			 .index = index,
			 .start = start,
			 .count = count}};

	if (fds)
		memcpy(cmd.fds, fds, count * sizeof(int));
	return call(dev, VFIO_DEVICE_SET_IRQS, &cmd);
}

static void interrupts(void)
{
	const uint32_t x = VFIO_PCI_MSIX_IRQ_INDEX;
	const uint32_t eventfds = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	const uint32_t none = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	int fds[2] = {eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK)}, bad[1] = {9999};

	EXPECT(dev, VFIO_DEVICE_SET_IRQS, WILD, -EFAULT, "wild pointer");
	check("two vectors, room for none", set_irqs(x, eventfds, 0, 2, fds, 0), -EINVAL);
	check("no such index", set_irqs(64, eventfds, 0, 1, fds, 4), -EINVAL);
	check("vectors beyond the last", set_irqs(x, eventfds, 4096, 1, fds, 4), -EINVAL);
	check("two kinds of data", set_irqs(x, eventfds | VFIO_IRQ_SET_DATA_NONE, 0, 1, fds, 4),
	      -EINVAL);
	check("not a descriptor", set_irqs(x, eventfds, 0, 1, bad, 4), -EBADF);
	check("two vectors", set_irqs(x, eventfds, 0, 2, fds, 8), 0);
	check("trigger the second", set_irqs(x, none, 1, 1, NULL, 0), 0);
	check("it fires", fired(fds[1]), 1);
	check("alone", fired(fds[0]), 0);
	check("a larger argsz", set_irqs(x, eventfds, 0, 2, fds, 32), 0);
	check("disable", set_irqs(x, none, 0, 0, NULL, 0), 0);
	check("trigger a vector that is off", set_irqs(x, none, 1, 1, NULL, 0), -EINVAL);
	check("no more", fired(fds[1]), 0);
	check("the request interrupt", set_irqs(VFIO_PCI_REQ_IRQ_INDEX, eventfds, 0, 1, fds, 4), 0);
	check("off", set_irqs(VFIO_PCI_REQ_IRQ_INDEX, none, 0, 0, NULL, 0), 0);
}

static void refusals(void)
{
	struct vfio_device_feature feature = {.argsz = sizeof(feature)};

	feature.flags = 1u << 31;
	EXPECT(dev, VFIO_DEVICE_FEATURE, &feature, -EINVAL, "unknown flag");
	feature.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
	EXPECT(dev, VFIO_DEVICE_FEATURE, &feature, -EINVAL, "get and set");
	feature.flags = VFIO_DEVICE_FEATURE_GET | 0x1234;
	EXPECT(dev, VFIO_DEVICE_FEATURE, &feature, -ENOTTY, "unknown feature");
	check("mask MSI-X",
	      set_irqs(VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK,
		       0, 1, NULL, 0),
	      -ENOTTY);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");

	dev = open_cdev();
	check("bind", bind_iommufd(dev, fd, NULL), 0);
	information();
	config_space();
	interrupts();
	refusals();
	EXPECT(dev, VFIO_DEVICE_RESET, NULL, 0, "function-level reset");
	check("unknown ioctl", call(dev, _IO(';', 100 + 60), NULL), -ENOTTY);
	return check_done();
}
