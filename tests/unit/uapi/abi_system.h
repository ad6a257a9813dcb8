/* SPDX-License-Identifier: MIT */
/* What abi_system.c says of the system's own headers. */
#ifndef ABI_SYSTEM_H
#define ABI_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/* One number of the ABI: a size, an offset, an ioctl number or a flag. */
struct abi_fact {
	const char *name;
	uint64_t value;
};

#define FACT(value)                       \
	{                                 \
#value, (uint64_t)(value) \
	}
#define SIZE(type)                                   \
	{                                            \
		"sizeof " #type, sizeof(struct type) \
	}
#define FIELD(type, field)                                     \
	{                                                      \
#type "." #field, offsetof(struct type, field) \
	}

/* clang-format off */
#define VFIO_FACTS \
	FACT(VFIO_GET_API_VERSION), FACT(VFIO_CHECK_EXTENSION), FACT(VFIO_SET_IOMMU), \
	FACT(VFIO_GROUP_GET_STATUS), FACT(VFIO_GROUP_SET_CONTAINER), \
	FACT(VFIO_GROUP_UNSET_CONTAINER), FACT(VFIO_GROUP_GET_DEVICE_FD), \
	FACT(VFIO_DEVICE_GET_INFO), FACT(VFIO_DEVICE_GET_REGION_INFO), \
	FACT(VFIO_DEVICE_GET_IRQ_INFO), FACT(VFIO_DEVICE_SET_IRQS), FACT(VFIO_DEVICE_RESET), \
	FACT(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO), FACT(VFIO_DEVICE_PCI_HOT_RESET), \
	FACT(VFIO_DEVICE_IOEVENTFD), FACT(VFIO_DEVICE_FEATURE), FACT(VFIO_IOMMU_GET_INFO), \
	FACT(VFIO_IOMMU_MAP_DMA), FACT(VFIO_IOMMU_UNMAP_DMA), FACT(VFIO_IOMMU_DIRTY_PAGES), \
	FACT(VFIO_TYPE1_IOMMU), FACT(VFIO_TYPE1v2_IOMMU), FACT(VFIO_DMA_CC_IOMMU), \
	FACT(VFIO_UNMAP_ALL), FACT(VFIO_UPDATE_VADDR), FACT(VFIO_NOIOMMU_IOMMU), \
	SIZE(vfio_group_status), SIZE(vfio_region_info), SIZE(vfio_irq_info), SIZE(vfio_irq_set), \
	SIZE(vfio_iommu_type1_info), SIZE(vfio_iommu_type1_dma_map), \
	SIZE(vfio_iommu_type1_dma_unmap), SIZE(vfio_info_cap_header), SIZE(vfio_iova_range), \
	SIZE(vfio_iommu_type1_info_cap_iova_range), SIZE(vfio_device_feature), \
	FIELD(vfio_device_info, num_regions), FIELD(vfio_device_info, num_irqs), \
	FIELD(vfio_device_info, cap_offset), FIELD(vfio_region_info, cap_offset), \
	FIELD(vfio_region_info, size), FIELD(vfio_region_info, offset), \
	FIELD(vfio_irq_info, count), FIELD(vfio_irq_set, count), FIELD(vfio_irq_set, data), \
	FIELD(vfio_iommu_type1_info, iova_pgsizes), FIELD(vfio_iommu_type1_info, cap_offset), \
	FIELD(vfio_iommu_type1_dma_map, vaddr), FIELD(vfio_iommu_type1_dma_map, size), \
	FIELD(vfio_iommu_type1_dma_unmap, iova), FIELD(vfio_iommu_type1_dma_unmap, size), \
	FIELD(vfio_iommu_type1_info_dma_avail, avail), \
	FIELD(vfio_iommu_type1_info_cap_iova_range, nr_iovas), \
	FIELD(vfio_iommu_type1_info_cap_iova_range, iova_ranges), \
	FACT(VFIO_GROUP_FLAGS_VIABLE), FACT(VFIO_GROUP_FLAGS_CONTAINER_SET), \
	FACT(VFIO_DEVICE_FLAGS_RESET), FACT(VFIO_DEVICE_FLAGS_PCI), FACT(VFIO_DEVICE_FLAGS_CAPS), \
	FACT(VFIO_REGION_INFO_FLAG_READ), FACT(VFIO_REGION_INFO_FLAG_WRITE), \
	FACT(VFIO_REGION_INFO_FLAG_MMAP), FACT(VFIO_REGION_INFO_FLAG_CAPS), \
	FACT(VFIO_REGION_INFO_CAP_MSIX_MAPPABLE), FACT(VFIO_IRQ_INFO_EVENTFD), \
	FACT(VFIO_IRQ_INFO_MASKABLE), FACT(VFIO_IRQ_INFO_AUTOMASKED), \
	FACT(VFIO_IRQ_INFO_NORESIZE), FACT(VFIO_IRQ_SET_DATA_TYPE_MASK), \
	FACT(VFIO_IRQ_SET_ACTION_TYPE_MASK), FACT(VFIO_IRQ_SET_ACTION_TRIGGER), \
	FACT(VFIO_PCI_NUM_REGIONS), FACT(VFIO_PCI_CONFIG_REGION_INDEX), FACT(VFIO_PCI_NUM_IRQS), \
	FACT(VFIO_PCI_REQ_IRQ_INDEX), FACT(VFIO_IOMMU_INFO_PGSIZES), FACT(VFIO_IOMMU_INFO_CAPS), \
	FACT(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE), FACT(VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL), \
	FACT(VFIO_DMA_MAP_FLAG_READ), FACT(VFIO_DMA_MAP_FLAG_WRITE), \
	FACT(VFIO_DMA_UNMAP_FLAG_ALL), FACT(VFIO_DEVICE_FEATURE_GET), \
	FACT(VFIO_DEVICE_FEATURE_SET), FACT(VFIO_DEVICE_FEATURE_PROBE)
/* clang-format on */

extern const struct abi_fact abi_system[];
extern const size_t abi_system_nr;

#endif
