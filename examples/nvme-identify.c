/* SPDX-License-Identifier: MIT */
/*
 * A first user-space driver: reads an NVMe controller's identify data over iommufd, in plain Linux
 * uAPI. It runs on a real kernel (device bound to vfio-pci) and under `ioas run` alike.
 *   nvme-identify 0000:01:00.0             prints model, serial number and firmware
 *   nvme-identify 0000:01:00.0 0xdead0000  has the data sent to that IOVA instead: a wild DMA
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "linux-uapi.h" /* <linux/iommufd.h> and <linux/vfio.h>, or what older ones lack */

#define PAGE		   4096
#define REG(off)	   (*(volatile uint32_t *)(regs + (off)))
#define REG64(off)	   (*(volatile uint64_t *)(regs + (off)))
#define CALL(fd, cmd, arg) (ioctl(fd, cmd, &(arg)) ? err(1, #cmd) : (void)0)

/* Opens the device's own node, whose name sysfs tells: /dev/vfio/devices/vfio0. */
static int open_device(const char *address)
{
	char path[512];
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", address);
	DIR *dir = opendir(path);
	if (!dir)
		err(1, "%s (is it bound to vfio-pci?)", path);
	for (struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
	closedir(dir);
	return open(path, O_RDWR);
}

static off_t region(int dev, uint32_t index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};
	CALL(dev, VFIO_DEVICE_GET_REGION_INFO, info);
	return (off_t)info.offset;
}

/* Waits up to 10 s for the `mask` bits at `word` to be `value`. */
static void wait_for(volatile uint32_t *word, uint32_t mask, uint32_t value, const char *what)
{
	for (int ms = 0; (*word & mask) != value; ms++, usleep(1000))
		if (ms == 10000)
			errx(1, "timeout: %s", what);
}

int main(int argc, char **argv)
{
	int iommufd = open("/dev/iommu", O_RDWR), dev = argc > 1 ? open_device(argv[1]) : -1;
	if (iommufd < 0 || dev < 0)
		err(1, "usage: nvme-identify ADDRESS [IOVA]; cannot open /dev/iommu or the device");
	/* The device gets an address space of its own, and three pages of ours go into it. */
	uint8_t *sq = aligned_alloc(PAGE, 3 * PAGE), *cq = sq + PAGE, *data = cq + PAGE;
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	CALL(dev, VFIO_DEVICE_BIND_IOMMUFD, bind);
	CALL(iommufd, IOMMU_IOAS_ALLOC, ioas);
	struct vfio_device_attach_iommufd_pt attach = {sizeof(attach), .pt_id = ioas.out_ioas_id};
	CALL(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, attach);
	struct iommu_ioas_map map = {.size = sizeof(map), .ioas_id = ioas.out_ioas_id};
	map.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	map.user_va = (uintptr_t)sq, map.length = 3 * PAGE;
	CALL(iommufd, IOMMU_IOAS_MAP, map);
	memset(sq, 0, 3 * PAGE);
	/* PCI_COMMAND: memory decoding and bus mastering on. Then the registers, in BAR 0. */
	if (pwrite(dev, &(uint16_t){6}, 2, region(dev, VFIO_PCI_CONFIG_REGION_INDEX) + 4) != 2)
		err(1, "config space");
	uint8_t *regs =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev, region(dev, 0));
	if (regs == MAP_FAILED)
		err(1, "BAR 0");
	/* Reset; an admin queue of two entries; enable. Specification: NVM Express 1.4, 7.6.1. */
	REG(0x14) = 0;
	wait_for(&REG(0x1c), 1, 0, "reset");
	REG(0x24) = 1 << 16 | 1, REG64(0x28) = map.iova, REG64(0x30) = map.iova + PAGE;
	REG(0x14) = 4 << 20 | 6 << 16 | 1;
	wait_for(&REG(0x1c), 1, 1, "enable");
	/* Identify (6), the controller (1), into the third page; then the doorbell. */
	uint64_t target = argc > 2 ? strtoull(argv[2], NULL, 0) : map.iova + 2 * PAGE;
	memcpy(sq, &(uint32_t){6 | 1 << 16}, 4), memcpy(sq + 24, &target, 8), sq[40] = 1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	REG(PAGE) = 1;
	wait_for((volatile uint32_t *)(cq + 12), 1 << 16, 1 << 16, "completion");
	int status = (cq[14] | cq[15] << 8) >> 1;
	if (!status)
		printf("model %.40s\nserial %.20s\nfirmware %.8s\n", data + 24, data + 4,
		       data + 64);
	else
		printf("refused: the controller answered status 0x%x\n", status);
	REG(0x14) = 0; /* reset: no DMA from here on; exit closes the rest and so takes it down */
	return status ? 3 : 0;
}
