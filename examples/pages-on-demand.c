/* SPDX-License-Identifier: MIT */
/*
 * Memory that is mapped when a device asks for it: nothing at first, a page at each page request,
 * and the end of the story when the device asks for what it may not have. Linux's ABI and tlpgun's
 * registers: ioas run --device tlpgun,ats=on,pri=32 -- pages-on-demand 0000:01:00.0
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <ioas/tlpgun_regs.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/vfio.h>

#define PAGE		   4096
#define PAGES		   4
#define IOVA		   0x100000
#define REG(off)	   (*(volatile uint32_t *)(regs + (off)))
#define REG64(off)	   (*(volatile uint64_t *)(regs + (off)))
#define CALL(fd, cmd, arg) (ioctl(fd, cmd, &(arg)) ? err(1, #cmd) : (void)0)

static uint8_t memory[PAGES * PAGE] __attribute__((aligned(PAGE)));

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
		err(1, "usage: pages-on-demand ADDRESS; cannot open /dev/iommu or the device");
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};
	CALL(dev, VFIO_DEVICE_BIND_IOMMUFD, bind);
	struct vfio_region_info config = {sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
	CALL(dev, VFIO_DEVICE_GET_REGION_INFO, config);
	const uint16_t on = 6; /* memory, and bus master */
	if (pwrite(dev, &on, sizeof(on), (off_t)config.offset + 4) != sizeof(on))
		err(1, "config space");
	uint8_t *regs = map_bar(dev, IOAS_TLPGUN_BAR_REGS);
	memset(map_bar(dev, IOAS_TLPGUN_BAR_BUFFER), 'x', 2 * PAGE);
	/* A page table with a queue for page requests, and an empty address space under it. */
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	CALL(iommufd, IOMMU_IOAS_ALLOC, ioas);
	struct iommu_fault_alloc queue = {.size = sizeof(queue)};
	CALL(iommufd, IOMMU_FAULT_QUEUE_ALLOC, queue);
	struct iommu_hwpt_alloc table = {sizeof(table), IOMMU_HWPT_FAULT_ID_VALID};
	table.dev_id = bind.out_devid, table.pt_id = ioas.out_ioas_id;
	table.fault_id = queue.out_fault_id;
	CALL(iommufd, IOMMU_HWPT_ALLOC, table);
	struct vfio_device_attach_iommufd_pt attach = {sizeof(attach), 0, table.out_hwpt_id};
	CALL(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, attach);
	/* Writes of two pages each: two that lie in our memory, and one beyond. */
	REG64(IOAS_TLPGUN_ADDR) = IOVA, REG64(IOAS_TLPGUN_LEN) = 2 * PAGE;
	REG64(IOAS_TLPGUN_STRIDE) = 2 * PAGE, REG64(IOAS_TLPGUN_COUNT) = 3;
	REG(IOAS_TLPGUN_CTRL) = IOAS_TLPGUN_WRITE | IOAS_TLPGUN_BY_ATS | IOAS_TLPGUN_PAGES;
	REG(IOAS_TLPGUN_DOORBELL) = IOAS_TLPGUN_SHOOT;
	struct pollfd wait = {.fd = (int)queue.out_fault_fd, .events = POLLIN};
	while (REG(IOAS_TLPGUN_STATUS) & IOAS_TLPGUN_BUSY) {
		struct iommu_hwpt_pgfault request[8]; /* a group of the gun's is no longer */
		if (poll(&wait, 1, 10) < 0 || !(wait.revents & POLLIN))
			continue;
		ssize_t nr = read(wait.fd, request, sizeof(request)) / (ssize_t)sizeof(*request);
		struct iommu_hwpt_page_response answer = {.cookie = request[0].cookie};
		for (ssize_t i = 0; i < nr; i++) {
			uint64_t page = (request[i].addr - IOVA) / PAGE;
			struct iommu_ioas_map map = {sizeof(map), .ioas_id = ioas.out_ioas_id};
			map.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE;
			map.user_va = (uintptr_t)memory + page * PAGE, map.length = PAGE;
			map.iova = request[i].addr;
			if (page >= PAGES || ioctl(iommufd, IOMMU_IOAS_MAP, &map))
				answer.code = IOMMUFD_PAGE_RESP_INVALID;
			printf("group %u: page 0x%llx for writing%s\n", request[i].grpid,
			       (unsigned long long)request[i].addr, page < PAGES ? "" : ": no");
		}
		if (write(wait.fd, &answer, sizeof(answer)) != sizeof(answer))
			err(1, "answer");
	}
	uint8_t *left = memchr(memory, 0, PAGES * PAGE);
	printf("%llu pages were asked for, %td of our %d are written, %llu write was given up\n",
	       (unsigned long long)REG64(IOAS_TLPGUN_REQUESTED),
	       (left ? left - memory : PAGES * PAGE) / PAGE, PAGES,
	       (unsigned long long)REG64(IOAS_TLPGUN_FAULTED));
	return 0;
}
