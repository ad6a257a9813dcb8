/* SPDX-License-Identifier: MIT */
/*
 * VFIO_DEVICE_FEATURE: what a device has (low power) and has not (migration, logging of dirty
 * pages, a VF token), and the order of checking.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include "iommufd.h"
#include "vfio.h"

#define GET   VFIO_DEVICE_FEATURE_GET
#define SET   VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

static int dev;

static long feature_len(uint32_t flags, const void *data, size_t len, uint32_t argsz)
{
	union {
		struct vfio_device_feature head;
		uint8_t bytes[64];
	} cmd = {.head = {.argsz = argsz, .flags = flags}};

	if (len)
		memcpy(cmd.bytes + sizeof(cmd.head), data, len);
	return call(dev, VFIO_DEVICE_FEATURE, &cmd);
}

static long feature(uint32_t flags, const void *data, size_t len)
{
	return feature_len(flags, data, len, (uint32_t)(sizeof(struct vfio_device_feature) + len));
}

static void absent(uint32_t nr, const char *name)
{
	uint8_t data[32] = {0};

	printf("# %s\n", name);
	check("get", feature(nr | GET, data, sizeof(data)), -ENOTTY);
	check("set", feature(nr | SET, data, sizeof(data)), -ENOTTY);
	check("probe", feature(nr | PROBE | GET, data, sizeof(data)), -ENOTTY);
	check("neither", feature(nr, data, sizeof(data)), -ENOTTY);
	check("get and set", feature(nr | GET | SET, data, sizeof(data)), -EINVAL);
	check("probe of both", feature(nr | PROBE | GET | SET, data, sizeof(data)), -ENOTTY);
}

/* What all have in common, asked of one that there is. */
static void forms(uint32_t nr, size_t len)
{
	uint8_t data[32] = {0};

	check("probe", feature(nr | PROBE, data, 0), 0);
	check("probe set", feature(nr | PROBE | SET, data, 0), 0);
	check("probe get", feature(nr | PROBE | GET, data, 0), -EINVAL);
	check("probe of both", feature(nr | PROBE | GET | SET, data, 0), -EINVAL);
	check("get", feature(nr | GET, data, len), -EINVAL);
	check("neither", feature(nr, data, len), -EINVAL);
	check("an unknown flag", feature(nr | SET | 1u << 30, data, len), -EINVAL);
	if (len)
		check("too short", feature(nr | SET, data, len - 1), -EINVAL);
	check("argsz below its own", feature_len(nr | SET, data, len, 7), -EINVAL);
}

static struct vfio_region_info region(uint32_t index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	check("where a region is", call(dev, VFIO_DEVICE_GET_REGION_INFO, &info), 0);
	return info;
}

static long read_at(uint64_t off)
{
	uint32_t value;

	return pread(dev, &value, sizeof(value), (off_t)off) < 0 ? -errno : 0;
}

static sigjmp_buf out;

static void jump(int sig)
{
	siglongjmp(out, sig);
}

/* The signal that an access to a mapped register got, or 0. */
static int signal_of(volatile uint32_t *bar)
{
	int sig = sigsetjmp(out, 1);

	if (!sig)
		(void)*bar;
	return sig;
}

static long count_of(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) < 0 ? -errno : (long)count;
}

static void low_power(void)
{
	uint64_t bar_at = region(VFIO_PCI_BAR0_REGION_INDEX).offset;
	uint64_t config_at = region(VFIO_PCI_CONFIG_REGION_INDEX).offset;
	uint32_t *bar = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, dev, (off_t)bar_at);

	puts("# low power");
	forms(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 0);
	forms(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, 0);
	check("map a BAR", bar != MAP_FAILED, 1);
	signal(SIGBUS, jump);
	check("it answers", signal_of(bar), 0);
	check("out of it", feature(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT | SET, NULL, 0), 0);
	check("into it", feature(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY | SET, NULL, 0), 0);
	check("a mapped BAR does not answer", signal_of(bar), SIGBUS);
	check("a read wakes the device", read_at(bar_at), 0);
	check("of config space, too", read_at(config_at), 0);
	check("it does not end", signal_of(bar), SIGBUS);
	check("into it twice", feature(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY | SET, NULL, 0),
	      -EINVAL);
	check("a reset does not end it", call(dev, VFIO_DEVICE_RESET, NULL), 0);
	check("it does not answer", signal_of(bar), SIGBUS);
	check("out of it", feature(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT | SET, NULL, 0), 0);
	check("it answers", signal_of(bar), 0);
}

static void low_power_with_wakeup(void)
{
	struct vfio_device_low_power_entry_with_wakeup with = {.wakeup_eventfd = -1};
	uint32_t nr = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
	uint64_t config_at = region(VFIO_PCI_CONFIG_REGION_INDEX).offset;

	puts("# low power with a wakeup");
	forms(nr, sizeof(with));
	check("no descriptor", feature(nr | SET, &with, sizeof(with)), -EINVAL);
	with.wakeup_eventfd = 999;
	check("one that is not open", feature(nr | SET, &with, sizeof(with)), -EBADF);
	with.wakeup_eventfd = dev;
	check("one that is no eventfd", feature(nr | SET, &with, sizeof(with)), -EINVAL);
	with.wakeup_eventfd = eventfd(0, EFD_NONBLOCK);
	check("an eventfd", feature(nr | SET, &with, sizeof(with)), 0);
	check("nothing woke it", count_of(with.wakeup_eventfd), -EAGAIN);
	/* Linux puts it to sleep when it comes to it. */
	usleep(300000);
	check("a read of config space", read_at(config_at), 0);
	check("wakes it", count_of(with.wakeup_eventfd), 1);
	check("which is the end of it", feature(nr | SET, &with, sizeof(with)), 0);
	usleep(300000);
	check("an ioctl wakes it, too", call(dev, VFIO_DEVICE_RESET, NULL), 0);
	check("and is told", count_of(with.wakeup_eventfd), 1);
	check("out of what it is not in",
	      feature(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT | SET, NULL, 0), 0);
	check("nobody is told", count_of(with.wakeup_eventfd), -EAGAIN);
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu");

	dev = open_cdev();
	check("before it is bound", feature(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT | SET, NULL, 0),
	      -EINVAL);
	check("bind", bind_iommufd(dev, fd, NULL), 0);
	check("wild", call(dev, VFIO_DEVICE_FEATURE, WILD), -EFAULT);
	absent(VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, "VF token");
	absent(VFIO_DEVICE_FEATURE_MIGRATION, "migration");
	absent(VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, "migration state");
	absent(VFIO_DEVICE_FEATURE_DMA_LOGGING_START, "logging starts");
	absent(VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, "logging stops");
	absent(VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, "logging reports");
	absent(VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, "migration size");
	absent(VFIO_DEVICE_FEATURE_MASK, "one that no kernel has");
	low_power();
	low_power_with_wakeup();
	return check_done();
}
