/* SPDX-License-Identifier: MIT */
/* VFIO cdev: nothing before BIND, once; ATTACH to an IOAS or a page table, replace, DETACH. */
#include "iommufd.h"
#include "vfio.h"

static int fd, dev;
static uint32_t dev_id;

static void binding(void)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	struct vfio_device_bind_iommufd cmd = {.argsz = sizeof(cmd) - 1, .iommufd = fd};
	uint32_t pt = 1;
	uint8_t byte;

	EXPECT(dev, VFIO_DEVICE_GET_INFO, &info, -EINVAL, "before bind");
	check("read before bind", pread(dev, &byte, 1, 7ull << 40) < 0 ? -errno : 0, -EINVAL);
	check("attach before bind", attach(dev, &pt), -EINVAL);
	EXPECT(dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd, -EINVAL, "short");
	EXPECT(dev, VFIO_DEVICE_BIND_IOMMUFD, WILD, -EFAULT, "wild pointer");
	cmd.argsz = sizeof(cmd);
	cmd.flags = 1u << 30;
	EXPECT(dev, VFIO_DEVICE_BIND_IOMMUFD, &cmd, -EINVAL, "unknown flag");
	check("bind to -2", bind_iommufd(dev, -2, NULL), -EINVAL);
	check("bind to what is not open", bind_iommufd(dev, 999, NULL), -EBADF);
	check("bind to a device", bind_iommufd(dev, dev, NULL), -EBADFD);
	check("bind", bind_iommufd(dev, fd, &dev_id), 0);
	check("an id", dev_id != 0, 1);
	check("bind twice", bind_iommufd(dev, fd, NULL), -EINVAL);
	EXPECT(dev, VFIO_DEVICE_GET_INFO, &info, 0, "after bind");
	check("a second open", open("/dev/vfio/devices/vfio0", O_RDWR) < 0, 0);
	check("a device is not the user's to destroy", destroy(fd, dev_id), -EBUSY);
}

/* A device that sends none. Linux 6.12 does not know the flag. */
static void pasids(void)
{
	struct vfio_device_attach_iommufd_pt in = {
		.argsz = 12, .flags = VFIO_DEVICE_ATTACH_PASID, .pt_id = ioas_alloc(fd)};
	struct vfio_device_detach_iommufd_pt out = {.argsz = 8, .flags = VFIO_DEVICE_DETACH_PASID};

	EXPECT(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &in, -EINVAL, "a PASID beyond argsz");
	in.argsz = sizeof(in);
	in.pasid = 1;
	EXPECT(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &in, -EINVAL, "a PASID");
	in.flags = 2;
	EXPECT(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &in, -EINVAL, "unknown flag");
	EXPECT(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &out, -EINVAL, "a PASID beyond argsz");
	check("destroy", destroy(fd, in.pt_id), 0);
}

static void attaching(void)
{
	uint32_t first = ioas_alloc(fd), second = ioas_alloc(fd), pt = 9999, hwpt;
	uint8_t *mem = memory(4 * PAGE), *rom;

	check("attach to nothing", attach(dev, &pt), -ENOENT);
	pt = dev_id;
	check("attach to a device", attach(dev, &pt), -EINVAL);
	check("map without a device: a hole",
	      map_fixed(fd, first, (uint8_t *)WILD - 16, 0x20000, PAGE), 0);
	pt = first;
	check("attach: memory is not there", attach(dev, &pt), -EFAULT);
	check("take the hole away", unmap(fd, first, 0x20000, PAGE, NULL), 0);
	check("map", map_fixed(fd, first, mem, 0x10000, 2 * PAGE), 0);
	pt = first;
	check("attach", attach(dev, &pt), 0);
	check("says which page table", pt != first, 1);
	hwpt = pt;
	check("the page table is in use", destroy(fd, hwpt), -EBUSY);
	check("the space too", destroy(fd, first), -EBUSY);

	munmap(mem + 2 * PAGE, PAGE);
	check("map a hole", map_fixed(fd, first, mem + 2 * PAGE, 0x30000, PAGE), -EFAULT);
	check("map half a hole", map_fixed(fd, first, mem + PAGE, 0x30000, 2 * PAGE), -EFAULT);
	rom = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check("map read-only memory for writing", map_fixed(fd, first, rom, 0x30000, PAGE),
	      -EFAULT);
	check("misaligned address", map_fixed(fd, first, mem, 0x30010, PAGE), -EINVAL);
	check("misaligned length", map_fixed(fd, first, mem, 0x30000, PAGE + 16), -EINVAL);
	check("misaligned memory", map_fixed(fd, first, mem + 16, 0x30000, PAGE), -EINVAL);
	check("nothing of it stayed", map_fixed(fd, first, mem, 0x30000, PAGE), 0);

	pt = second;
	check("replace", attach(dev, &pt), 0);
	check("another page table", pt != hwpt, 1);
	check("the old one is gone", destroy(fd, hwpt), -ENOENT);
	check("and its space free", destroy(fd, first), 0);
	check("detach", detach(dev), 0);
	check("detach twice", detach(dev), 0);
	check("the other space is free, too", destroy(fd, second), 0);
}

static void page_tables(void)
{
	uint32_t ioas = ioas_alloc(fd), other = ioas_alloc(fd), pt;
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd), .dev_id = dev_id, .pt_id = ioas};

	cmd.flags = 1u << 30;
	EXPECT(fd, IOMMU_HWPT_ALLOC, &cmd, -EOPNOTSUPP, "unknown flag");
	cmd.flags = 0;
	cmd.__reserved = 1;
	EXPECT(fd, IOMMU_HWPT_ALLOC, &cmd, -EOPNOTSUPP, "reserved field");
	cmd.__reserved = 0;
	cmd.data_len = 8;
	EXPECT(fd, IOMMU_HWPT_ALLOC, &cmd, -EINVAL, "data without a type");
	cmd.data_len = 0;
	cmd.dev_id = 9999;
	EXPECT(fd, IOMMU_HWPT_ALLOC, &cmd, -ENOENT, "no such device");
	cmd.dev_id = dev_id;
	cmd.pt_id = 9999;
	EXPECT(fd, IOMMU_HWPT_ALLOC, &cmd, -EINVAL, "no such space");
	cmd.pt_id = dev_id;
	EXPECT(fd, IOMMU_HWPT_ALLOC, &cmd, -EINVAL, "a device for a space");
	cmd.pt_id = ioas;
	EXPECT(fd, IOMMU_HWPT_ALLOC, &cmd, 0, "plain");
	check("it keeps its space", destroy(fd, ioas), -EBUSY);
	pt = cmd.out_hwpt_id;
	check("attach", attach(dev, &pt), 0);
	check("to that one", pt, cmd.out_hwpt_id);
	check("in use", destroy(fd, cmd.out_hwpt_id), -EBUSY);
	pt = other;
	check("replace", attach(dev, &pt), 0);
	check("one's own stays", destroy(fd, cmd.out_hwpt_id), 0);
	check("its space is free", destroy(fd, ioas), 0);
	check("detach", detach(dev), 0);
	check("the other, too", destroy(fd, other), 0);
}

/* A page table with a queue of page requests is for devices that send such. */
static void with_faults(void)
{
	struct iommu_fault_alloc fault = {.size = sizeof(fault)};
	uint32_t ioas = ioas_alloc(fd), pt;
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd), .dev_id = dev_id, .pt_id = ioas};

	check("fault queue", call(fd, IOMMU_FAULT_QUEUE_ALLOC, &fault), 0);
	cmd.flags = IOMMU_HWPT_FAULT_ID_VALID;
	cmd.fault_id = fault.out_fault_id;
	if (call(fd, IOMMU_HWPT_ALLOC, &cmd) == -EOPNOTSUPP) {
		puts("not here  a page table of an IOAS with a fault queue");
		return;
	}
	pt = cmd.out_hwpt_id;
	check("attach: no page requests here", attach(dev, &pt), -ENODEV);
	close((int)fault.out_fault_fd);
	check("the page table", destroy(fd, cmd.out_hwpt_id), 0);
	check("the queue", destroy(fd, fault.out_fault_id), 0);
	check("the space", destroy(fd, ioas), 0);
}

static void hw_info(void)
{
	uint8_t data[64];
	struct iommu_hw_info cmd = {.size = sizeof(cmd),
				    .dev_id = dev_id,
				    .data_len = sizeof(data),
				    .data_uptr = (uintptr_t)data};

	memset(data, 0xee, sizeof(data));
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, 0, "with room");
	check("what the kernel does not know is zeroed", data[63], 0);
	cmd.data_len = 0;
	cmd.data_uptr = 0;
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, 0, "without room");
	cmd.dev_id = 9999;
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, -ENOENT, "no such device");
	cmd.dev_id = dev_id;
	cmd.flags = 1u << 30;
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, -EOPNOTSUPP, "unknown flag");
	cmd.flags = 0;
	cmd.data_len = 64;
	cmd.data_uptr = 16;
	EXPECT(fd, IOMMU_GET_HW_INFO, &cmd, -EFAULT, "wild array");
}

/* x86 keeps this range for interrupts: nothing may be mapped there for a device. */
#define MSI_FIRST 0xfee00000ull

static void reserved(void)
{
	uint32_t ioas = ioas_alloc(fd), other = ioas_alloc(fd), pt = ioas;
	struct iommu_iova_range range = {.start = MSI_FIRST, .last = MSI_FIRST + PAGE - 1};
	struct iommu_ioas_allow_iovas allow = {
		.size = sizeof(allow), .num_iovas = 1, .allowed_iovas = (uintptr_t)&range};
	struct iommu_hwpt_alloc alloc = {.size = sizeof(alloc), .dev_id = dev_id, .pt_id = ioas};
	struct vfio_device_detach_iommufd_pt leave = {.argsz = sizeof(leave), .flags = 1u << 30};
	uint8_t *mem = memory(PAGE);

	check("map over the interrupts' range", map_fixed(fd, ioas, mem, MSI_FIRST, PAGE), 0);
	check("attach: it is reserved", attach(dev, &pt), -EADDRINUSE);
	EXPECT(fd, IOMMU_HWPT_ALLOC, &alloc, 0, "only attaching reserves");
	check("goes", destroy(fd, alloc.out_hwpt_id), 0);
	check("take it away", unmap(fd, ioas, MSI_FIRST, PAGE, NULL), 0);
	check("attach", attach(dev, &pt), 0);
	check("map there now", map_fixed(fd, ioas, mem, MSI_FIRST, PAGE), -EINVAL);
	allow.ioas_id = ioas;
	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &allow, -EADDRINUSE, "a reserved range");
	allow.ioas_id = other;
	EXPECT(fd, IOMMU_IOAS_ALLOW_IOVAS, &allow, 0, "without a device");
	pt = other;
	check("attach: what is allowed is reserved", attach(dev, &pt), -EADDRINUSE);
	EXPECT(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &leave, -EINVAL, "unknown flag");
	check("detach", detach(dev), 0);
	check("the spaces are free", destroy(fd, ioas) | destroy(fd, other), 0);
}

int main(void)
{
	fd = open_or_skip("/dev/iommu");
	dev = open_cdev();
	binding();
	pasids();
	attaching();
	page_tables();
	reserved();
	with_faults();
	hw_info();
	close(dev);
	check("closing the device frees its id", destroy(fd, dev_id), -ENOENT);
	return check_done();
}
