/* SPDX-License-Identifier: MIT */
/*
 * What is refused here and may be served elsewhere: flags and fields that nobody knows yet in the
 * ioctls that are newer than Linux 6.12, and what our devices cannot do. A real kernel fails in the
 * lines that docs/compat.md lists.
 */
#include "iommufd.h"
#include "vfio.h"

#define UNKNOWN (1u << 30)

static void newer(int fd)
{
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu), .flags = UNKNOWN};
	struct iommu_veventq_alloc veventq = {.size = sizeof(veventq), .flags = UNKNOWN};
	struct iommu_hw_queue_alloc queue = {.size = sizeof(queue), .flags = UNKNOWN};
	struct iommu_fault_alloc fault = {.size = sizeof(fault), .flags = UNKNOWN};
	struct iommu_ioas_noiommu_get_pa phys = {.size = sizeof(phys), .flags = UNKNOWN};
	struct iommu_hwpt_invalidate invalidate = {.size = sizeof(invalidate), .__reserved = 1};

	EXPECT(fd, IOMMU_FAULT_QUEUE_ALLOC, &fault, -EOPNOTSUPP, "unknown flag");
	EXPECT(fd, IOMMU_HWPT_INVALIDATE, &invalidate, -EOPNOTSUPP, "reserved field");
	EXPECT(fd, IOMMU_VIOMMU_ALLOC, &viommu, -EOPNOTSUPP, "unknown flag");
	EXPECT(fd, IOMMU_VEVENTQ_ALLOC, &veventq, -EOPNOTSUPP, "unknown flag");
	EXPECT(fd, IOMMU_HW_QUEUE_ALLOC, &queue, -EOPNOTSUPP, "unknown flag");
	EXPECT(fd, IOMMU_IOAS_NOIOMMU_GET_PA, &phys, -EOPNOTSUPP, "unknown flag");
}

static void devices(int dev)
{
	struct vfio_pci_hot_reset_info info = {.argsz = sizeof(info)};
	struct vfio_pci_hot_reset reset = {.argsz = sizeof(reset)};
	struct vfio_device_detach_iommufd_pt leave = {
		.argsz = sizeof(leave), .flags = VFIO_DEVICE_DETACH_PASID, .pasid = 1};
	struct vfio_device_attach_iommufd_pt enter = {
		.argsz = sizeof(enter), .flags = VFIO_DEVICE_ATTACH_PASID, .pasid = 1, .pt_id = 1};

	EXPECT(dev, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info, -ENODEV, "nothing to reset");
	EXPECT(dev, VFIO_DEVICE_PCI_HOT_RESET, &reset, -ENODEV, "nothing to reset");
	EXPECT(dev, VFIO_DEVICE_IOEVENTFD, NULL, -EOPNOTSUPP, "not here");
	EXPECT(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &enter, -EINVAL, "it sends no PASIDs");
	EXPECT(dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &leave, 0, "nothing is attached");
}

int main(void)
{
	int fd = open_or_skip("/dev/iommu"), dev = open_cdev();

	check("bind", bind_iommufd(dev, fd, NULL), 0);
	newer(fd);
	devices(dev);
	return check_done();
}
