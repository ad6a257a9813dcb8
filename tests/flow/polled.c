/* SPDX-License-Identifier: MIT */
/*
 * What polling drivers (DPDK's EAL, SPDK) do from the bus scan to the last unmap: the same libc
 * calls in the same order, with IOVA = VA and 4 KiB a map.
 */
#define _LARGEFILE64_SOURCE
#include <dirent.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include "nvme.h"

#define BDF  "0000:01:00.0"
#define DEV  "/sys/bus/pci/devices/" BDF
#define MAPS 16384
#define HIGH ((void *)0x200000000000) /* 2^45 */

#define check(x)                                                                                  \
	do {                                                                                      \
		if (!(x)) {                                                                       \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #x, errno); \
			exit(1);                                                                  \
		}                                                                                 \
	} while (0)

static unsigned long attribute(const char *bdf, const char *name)
{
	char path[PATH_MAX], line[64], *end;
	unsigned long value;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	f = fopen64(path, "r");
	check(f && fgets(line, sizeof(line), f));
	fclose(f);
	value = strtoul(line, &end, 0);
	check(end != line && *end == '\n');
	return value;
}

/* Six lines and more of three hex numbers; the length of BAR 0. */
static uint64_t resource(const char *bdf)
{
	unsigned long long start, end, flags;
	char path[PATH_MAX], line[128];
	uint64_t len = 0;
	int lines;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", bdf);
	f = fopen64(path, "r");
	check(f);
	for (lines = 0; fgets(line, sizeof(line), f); lines++) {
		check(sscanf(line, "0x%llx 0x%llx 0x%llx", &start, &end, &flags) == 3);
		if (!lines && flags & 0x200)
			len = end - start + 1;
	}
	fclose(f);
	check(lines >= 6);
	return len;
}

static void scan_one(const char *bdf)
{
	static const char *const optional[] = {"max_vfs", "sriov_numvfs", "numa_node"};
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t len;

	check(attribute(bdf, "vendor") && attribute(bdf, "device"));
	attribute(bdf, "subsystem_vendor");
	attribute(bdf, "subsystem_device");
	check(attribute(bdf, "class"));
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, optional[i]);
		check(!access(path, F_OK) || errno == ENOENT);
	}
	if (strcmp(bdf, BDF) != 0)
		return;
	check(resource(bdf) >= 2 * NVME_PAGE);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);
	len = readlink(path, link, sizeof(link) - 1);
	check(len > 0);
	link[len] = 0;
	check(!strcmp(strrchr(link, '/'), "/vfio-pci"));
}

/* EAL takes virtual addresses as IOVAs if VT-d has 47 bits for them, or there is none. */
static void scan_vtd(void)
{
	FILE *file = fopen64(DEV "/iommu/intel-iommu/cap", "r");
	unsigned long long cap = 0;
	glob_t dmar;

	check(file || errno == ENOENT);
	check(glob("/sys/devices/virtual/iommu/dmar*/intel-iommu/cap", 0, NULL, &dmar) ==
	      (file ? 0 : GLOB_NOMATCH));
	if (!file)
		return;
	check(fscanf(file, "%llx", &cap) == 1 && (cap >> 16 & 0x3f) + 1 >= 47);
	fclose(file);
	globfree(&dmar);
}

static void scan(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	bool found = false;
	int groups = 0;

	check(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		scan_one(entry->d_name);
		found |= !strcmp(entry->d_name, BDF);
	}
	check(!closedir(dir) && found);
	scan_vtd();
	check(access("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", F_OK) ||
	      !access("/sys/module/vfio", F_OK));
	check(!access("/sys/module", F_OK) && !access("/sys/module/vfio", F_OK));
	check(!access("/sys/module/vfio_pci", F_OK));
	dir = opendir("/sys/kernel/iommu_groups");
	check(dir);
	while (readdir(dir))
		groups++;
	check(!closedir(dir) && groups > 2);
}

/* SPDK looks for the container that DPDK opened: by this text, 14 bytes and no more. */
static int container_of_this_process(void)
{
	DIR *dir = opendir("/proc/self/fd");
	char path[PATH_MAX], link[PATH_MAX];
	struct dirent *entry;
	int fd = -1;

	check(dir);
	while ((entry = readdir(dir))) {
		ssize_t len;

		if (entry->d_type != DT_LNK)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		len = readlink(path, link, sizeof(link));
		if (len == 14 && !memcmp(link, "/dev/vfio/vfio", 14))
			fd = atoi(entry->d_name);
	}
	closedir(dir);
	return fd;
}

static int open_group(void)
{
	char link[PATH_MAX], path[PATH_MAX];
	ssize_t len = readlink(DEV "/iommu_group", link, sizeof(link) - 1);

	check(len > 0);
	link[len] = 0;
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(link, '/'));
	return open64(path, O_RDWR);
}

static int open_device(int container)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};
	struct vfio_device_info device = {.argsz = sizeof(device)};
	int group, dev;

	check(!ioctl(container, VFIO_GET_API_VERSION));
	check(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU) == 1);
	check(!ioctl(container, VFIO_CHECK_EXTENSION, VFIO_SPAPR_TCE_v2_IOMMU));
	check(!ioctl(container, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU));
	group = open_group();
	check(group >= 0 && !ioctl(group, VFIO_GROUP_GET_STATUS, &status));
	check(status.flags == VFIO_GROUP_FLAGS_VIABLE);
	check(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	check(!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	check(!ioctl(container, VFIO_IOMMU_GET_INFO, &info) && info.iova_pgsizes & NVME_PAGE);
	dev = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, BDF);
	check(dev >= 0 && !ioctl(dev, VFIO_DEVICE_GET_INFO, &device));
	check(device.flags & VFIO_DEVICE_FLAGS_PCI && device.num_irqs > 4);
	return dev;
}

/* Address space first, then the BAR over it, where the MSI-X table may be mapped. */
static volatile uint8_t *map_bar(int dev)
{
	struct {
		struct vfio_region_info info;
		uint8_t caps[512];
	} bar = {.info.argsz = sizeof(bar)};
	struct vfio_info_cap_header *cap;
	bool mappable = false;
	void *at;

	check(!ioctl(dev, VFIO_DEVICE_GET_REGION_INFO, &bar));
	check(bar.info.flags & VFIO_REGION_INFO_FLAG_MMAP);
	for (uint32_t off = bar.info.cap_offset; off; off = cap->next) {
		cap = (void *)((uint8_t *)&bar + off);
		mappable |= cap->id == VFIO_REGION_INFO_CAP_MSIX_MAPPABLE;
	}
	check(mappable);
	at = mmap64(HIGH, bar.info.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(at != MAP_FAILED);
	check(mmap64(at, bar.info.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, dev,
		     (off64_t)bar.info.offset) == at);
	return at;
}

static void config(int dev)
{
	uint16_t command;

	check(pread64(dev, &command, 2, (7ll << 40) + 4) == 2);
	command |= 6;
	check(pwrite64(dev, &command, 2, (7ll << 40) + 4) == 2);
}

static void request_interrupt(int dev)
{
	struct {
		struct vfio_irq_set set;
		int fd;
	} irq = {{sizeof(irq), VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 4, 0, 1},
		 eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};

	check(irq.fd >= 0 && !ioctl(dev, VFIO_DEVICE_SET_IRQS, &irq));
	irq.set.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	irq.set.argsz = sizeof(irq.set);
	irq.set.count = 0;
	check(!ioctl(dev, VFIO_DEVICE_SET_IRQS, &irq.set));
	close(irq.fd);
}

static void map(int container, uint8_t *at)
{
	struct vfio_iommu_type1_dma_map dma = {.argsz = sizeof(dma),
					       .flags = VFIO_DMA_MAP_FLAG_READ |
							VFIO_DMA_MAP_FLAG_WRITE,
					       .vaddr = (uintptr_t)at,
					       .iova = (uintptr_t)at,
					       .size = NVME_PAGE};

	check(!ioctl(container, VFIO_IOMMU_MAP_DMA, &dma));
	check(ioctl(container, VFIO_IOMMU_MAP_DMA, &dma) && errno == EEXIST);
}

static void unmap(int container, uint8_t *at, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap dma = {
		.argsz = sizeof(dma), .iova = (uintptr_t)at, .size = len};

	check(!ioctl(container, VFIO_IOMMU_UNMAP_DMA, &dma) && dma.size == len);
}

int main(void)
{
	int container = open64("/dev/vfio/vfio", O_RDWR), dev, status;
	size_t len = (size_t)MAPS * NVME_PAGE;
	struct nvme nvme = {0};
	uint8_t *mem;

	scan();
	check(container >= 0 && container_of_this_process() == container);
	dev = open_device(container);
	config(dev);
	nvme.regs = map_bar(dev);
	request_interrupt(dev);
	mem = mmap(HIGH, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(mem != MAP_FAILED && (uintptr_t)mem >= (uintptr_t)HIGH);
	for (size_t i = 0; i < MAPS; i++)
		map(container, mem + i * NVME_PAGE);
	/* The device works on the last of them. */
	nvme.mem = mem + len - 3 * NVME_PAGE;
	nvme.iova = (uintptr_t)nvme.mem;
	check(!nvme_enable(&nvme) && !nvme_identify(&nvme));
	/* Unmapped means unmapped, and nothing else is. */
	unmap(container, mem, NVME_PAGE);
	check(!nvme_identify_to(&nvme, (uintptr_t)mem, &status) && status);
	for (size_t i = 1; i < MAPS - 3; i++)
		unmap(container, mem + i * NVME_PAGE, NVME_PAGE);
	check(!nvme_identify(&nvme));
	check(!ioctl(dev, VFIO_DEVICE_RESET) || errno == EINVAL);
	unmap(container, nvme.mem, 3 * NVME_PAGE);
	puts("all steps done");
	return 0;
}
