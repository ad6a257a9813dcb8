/* SPDX-License-Identifier: MIT */
/*
 * Where do a device's requests go? A tlpgun sends writes, with and without a PASID, while its
 * routes change. Linux's ABI (our declarations, since PASIDs are newer than most headers) and
 * registers: ioas run --device tlpgun -- tlp-routes 0000:01:00.0
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <ioas/tlpgun_regs.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/vfio.h>

#define PAGE		   4096
#define IOVA		   0x100000
#define REG(off)	   (*(volatile uint32_t *)(regs + (off)))
#define REG64(off)	   (*(volatile uint64_t *)(regs + (off)))
#define CALL(fd, cmd, arg) (ioctl(fd, cmd, &(arg)) ? err(1, #cmd) : (void)0)

static uint8_t *regs;
static volatile uint64_t *page[2]; /* what each address space has at IOVA */

/* A write of 8 bytes to `iova`, with a PASID unless that is negative. */
static void send(int pasid, uint64_t iova)
{
	page[0][0] = page[1][0] = 0;
	REG64(IOAS_TLPGUN_ADDR) = iova, REG64(IOAS_TLPGUN_LEN) = 8;
	REG(IOAS_TLPGUN_PASID) = pasid < 0 ? 0 : (uint32_t)pasid;
	REG(IOAS_TLPGUN_CTRL) = IOAS_TLPGUN_WRITE | (pasid < 0 ? 0 : IOAS_TLPGUN_WITH_PASID);
	REG(IOAS_TLPGUN_DOORBELL) = IOAS_TLPGUN_SHOOT;
	while (REG(IOAS_TLPGUN_STATUS) & IOAS_TLPGUN_BUSY)
		usleep(100);
	printf("  write to 0x%llx, ", (unsigned long long)iova);
	printf(pasid < 0 ? "no PASID: " : "PASID %d: ", pasid);
	if (REG64(IOAS_TLPGUN_FAULTED))
		printf("refused, fault %llu\n", (unsigned long long)REG64(IOAS_TLPGUN_RECORD));
	else
		printf("landed in address space %s\n", page[0][0] ? "A" : page[1][0] ? "B" : "?");
}

static uint8_t *map_bar(int dev, uint32_t index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};
	CALL(dev, VFIO_DEVICE_GET_REGION_INFO, info);
	return mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, dev, (off_t)info.offset);
}

int main(int argc, char **argv)
{
	char path[512];
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", argc > 1 ? argv[1] : "");
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
	int iommufd = open("/dev/iommu", O_RDWR), dev = open(path, O_RDWR);
	if (iommufd < 0 || dev < 0)
		err(1, "usage: tlp-routes ADDRESS; cannot open /dev/iommu or the device");
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};
	CALL(dev, VFIO_DEVICE_BIND_IOMMUFD, bind);
	struct vfio_region_info config = {sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
	CALL(dev, VFIO_DEVICE_GET_REGION_INFO, config);
	uint16_t command = 6; /* memory decoding and bus mastering */
	if (pwrite(dev, &command, 2, (off_t)config.offset + 4) != 2)
		err(1, "config space");
	regs = map_bar(dev, IOAS_TLPGUN_BAR_REGS);
	*(volatile uint64_t *)map_bar(dev, IOAS_TLPGUN_BAR_BUFFER) = 0x5a; /* what it sends */
	/* Two address spaces with a page of ours each, and page tables that PASIDs may use. */
	struct vfio_device_attach_iommufd_pt attach[2] = {{sizeof(*attach)}, {sizeof(*attach)}};
	for (int i = 0; i < 2; i++) {
		struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
		CALL(iommufd, IOMMU_IOAS_ALLOC, ioas);
		page[i] = aligned_alloc(PAGE, PAGE);
		struct iommu_ioas_map map = {sizeof(map), .ioas_id = ioas.out_ioas_id};
		map.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE;
		map.user_va = (uintptr_t)page[i], map.length = PAGE, map.iova = IOVA;
		CALL(iommufd, IOMMU_IOAS_MAP, map);
		struct iommu_hwpt_alloc table = {sizeof(table), IOMMU_HWPT_ALLOC_PASID};
		table.dev_id = bind.out_devid, table.pt_id = ioas.out_ioas_id;
		CALL(iommufd, IOMMU_HWPT_ALLOC, table);
		attach[i].pt_id = table.out_hwpt_id;
	}
	puts("bound, attached to nothing:"), send(-1, IOVA);
	CALL(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, attach[0]);
	puts("attached to A:"), send(-1, IOVA), send(-1, 2 * IOVA), send(5, IOVA);
	attach[1].flags = VFIO_DEVICE_ATTACH_PASID, attach[1].pasid = 5;
	CALL(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, attach[1]);
	puts("and its PASID 5 to B:"), send(-1, IOVA), send(5, IOVA), send(6, IOVA);
	struct vfio_device_detach_iommufd_pt detach = {.argsz = sizeof(detach)};
	CALL(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, detach);
	puts("detached from A:"), send(-1, IOVA), send(5, IOVA);
	return 0;
}
