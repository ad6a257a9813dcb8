/* SPDX-License-Identifier: MIT */
/* The fields of /dev/vfio's ioctls. */
#include <ioas/uapi/vfio.h>
#include "trace/fields.h"

/* clang-format off */
static const struct trace_name no_names[] = {{0, NULL}};

static const struct trace_name extensions[] = {
	{VFIO_TYPE1_IOMMU, "TYPE1_IOMMU"},
	{VFIO_SPAPR_TCE_IOMMU, "SPAPR_TCE_IOMMU"},
	{VFIO_TYPE1v2_IOMMU, "TYPE1v2_IOMMU"},
	{VFIO_DMA_CC_IOMMU, "DMA_CC_IOMMU"},
	{VFIO_EEH, "EEH"},
	{VFIO_TYPE1_NESTING_IOMMU, "TYPE1_NESTING_IOMMU"},
	{VFIO_SPAPR_TCE_v2_IOMMU, "SPAPR_TCE_v2_IOMMU"},
	{VFIO_NOIOMMU_IOMMU, "NOIOMMU_IOMMU"},
	{VFIO_UNMAP_ALL, "UNMAP_ALL"},
	{VFIO_UPDATE_VADDR, "UPDATE_VADDR"},
	{0, NULL},
};
static const struct trace_name info_flags[] = {
	{VFIO_IOMMU_INFO_PGSIZES, "PGSIZES"},
	{VFIO_IOMMU_INFO_CAPS, "CAPS"},
	{0, NULL},
};
static const struct trace_name map_flags[] = {
	{VFIO_DMA_MAP_FLAG_READ, "READ"},
	{VFIO_DMA_MAP_FLAG_WRITE, "WRITE"},
	{VFIO_DMA_MAP_FLAG_VADDR, "VADDR"},
	{0, NULL},
};
static const struct trace_name unmap_flags[] = {
	{VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, "GET_DIRTY_BITMAP"},
	{VFIO_DMA_UNMAP_FLAG_ALL, "ALL"},
	{VFIO_DMA_UNMAP_FLAG_VADDR, "VADDR"},
	{0, NULL},
};
static const struct trace_name group_flags[] = {
	{VFIO_GROUP_FLAGS_VIABLE, "VIABLE"},
	{VFIO_GROUP_FLAGS_CONTAINER_SET, "CONTAINER_SET"},
	{0, NULL},
};
static const struct trace_name device_flags[] = {
	{VFIO_DEVICE_FLAGS_RESET, "RESET"},
	{VFIO_DEVICE_FLAGS_PCI, "PCI"},
	{VFIO_DEVICE_FLAGS_CAPS, "CAPS"},
	{0, NULL},
};
static const struct trace_name region_flags[] = {
	{VFIO_REGION_INFO_FLAG_READ, "READ"},
	{VFIO_REGION_INFO_FLAG_WRITE, "WRITE"},
	{VFIO_REGION_INFO_FLAG_MMAP, "MMAP"},
	{VFIO_REGION_INFO_FLAG_CAPS, "CAPS"},
	{0, NULL},
};
static const struct trace_name regions[] = {
	{VFIO_PCI_BAR0_REGION_INDEX, "BAR0"},
	{VFIO_PCI_BAR1_REGION_INDEX, "BAR1"},
	{VFIO_PCI_BAR2_REGION_INDEX, "BAR2"},
	{VFIO_PCI_BAR3_REGION_INDEX, "BAR3"},
	{VFIO_PCI_BAR4_REGION_INDEX, "BAR4"},
	{VFIO_PCI_BAR5_REGION_INDEX, "BAR5"},
	{VFIO_PCI_ROM_REGION_INDEX, "ROM"},
	{VFIO_PCI_CONFIG_REGION_INDEX, "CONFIG"},
	{VFIO_PCI_VGA_REGION_INDEX, "VGA"},
	{0, NULL},
};
static const struct trace_name irqs[] = {
	{VFIO_PCI_INTX_IRQ_INDEX, "INTX"},
	{VFIO_PCI_MSI_IRQ_INDEX, "MSI"},
	{VFIO_PCI_MSIX_IRQ_INDEX, "MSIX"},
	{VFIO_PCI_ERR_IRQ_INDEX, "ERR"},
	{VFIO_PCI_REQ_IRQ_INDEX, "REQ"},
	{0, NULL},
};
static const struct trace_name irq_info_flags[] = {
	{VFIO_IRQ_INFO_EVENTFD, "EVENTFD"},
	{VFIO_IRQ_INFO_MASKABLE, "MASKABLE"},
	{VFIO_IRQ_INFO_AUTOMASKED, "AUTOMASKED"},
	{VFIO_IRQ_INFO_NORESIZE, "NORESIZE"},
	{0, NULL},
};
static const struct trace_name irq_set_flags[] = {
	{VFIO_IRQ_SET_DATA_NONE, "DATA_NONE"},
	{VFIO_IRQ_SET_DATA_BOOL, "DATA_BOOL"},
	{VFIO_IRQ_SET_DATA_EVENTFD, "DATA_EVENTFD"},
	{VFIO_IRQ_SET_ACTION_MASK, "ACTION_MASK"},
	{VFIO_IRQ_SET_ACTION_UNMASK, "ACTION_UNMASK"},
	{VFIO_IRQ_SET_ACTION_TRIGGER, "ACTION_TRIGGER"},
	{0, NULL},
};
static const struct trace_name feature_flags[] = {
	{VFIO_DEVICE_FEATURE_GET >> 16, "GET"},
	{VFIO_DEVICE_FEATURE_SET >> 16, "SET"},
	{VFIO_DEVICE_FEATURE_PROBE >> 16, "PROBE"},
	{0, NULL},
};
static const struct trace_name attach_flags[] = {
	{VFIO_DEVICE_ATTACH_PASID, "PASID"},
	{0, NULL},
};

/* What it has no argument. */
static const struct trace_field nothing[] = {{NULL}};

static const struct trace_field extension[] = {
	{"extension", 0, 0, TRACE_ARG_ENUM, TRACE_IN, 0, extensions},
	{NULL},
};
static const struct trace_field set_iommu[] = {
	{"type", 0, 0, TRACE_ARG_ENUM, TRACE_IN, 0, extensions},
	{NULL},
};
static const struct trace_field get_info[] = {
	BOTH(vfio_iommu_type1_info, argsz),
	NAMES(vfio_iommu_type1_info, flags, TRACE_FLAGS, TRACE_OUT, info_flags),
	FIELD(vfio_iommu_type1_info, iova_pgsizes, TRACE_HEX, TRACE_OUT),
	OUT(vfio_iommu_type1_info, cap_offset),
	{NULL},
};
static const struct trace_field map_dma[] = {
	NUM(vfio_iommu_type1_dma_map, argsz),
	FLAGS(vfio_iommu_type1_dma_map, flags, map_flags),
	HEX(vfio_iommu_type1_dma_map, vaddr),
	HEX(vfio_iommu_type1_dma_map, iova),
	NUM(vfio_iommu_type1_dma_map, size),
	{NULL},
};
static const struct trace_field unmap_dma[] = {
	NUM(vfio_iommu_type1_dma_unmap, argsz),
	FLAGS(vfio_iommu_type1_dma_unmap, flags, unmap_flags),
	HEX(vfio_iommu_type1_dma_unmap, iova),
	BOTH(vfio_iommu_type1_dma_unmap, size),
	{NULL},
};
static const struct trace_field group_status[] = {
	BOTH(vfio_group_status, argsz),
	NAMES(vfio_group_status, flags, TRACE_FLAGS, TRACE_OUT, group_flags),
	{NULL},
};
static const struct trace_field set_container[] = {
	{"container", 0, sizeof(int32_t), TRACE_SIGNED, TRACE_IN, 0, NULL},
	{NULL},
};
static const struct trace_field get_device_fd[] = {
	{"name", 0, 0, TRACE_TEXT, TRACE_IN, 0, NULL},
	{NULL},
};
static const struct trace_field device_info[] = {
	BOTH(vfio_device_info, argsz),
	NAMES(vfio_device_info, flags, TRACE_FLAGS, TRACE_OUT, device_flags),
	OUT(vfio_device_info, num_regions),
	OUT(vfio_device_info, num_irqs),
	OUT(vfio_device_info, cap_offset),
	{NULL},
};
static const struct trace_field region_info[] = {
	BOTH(vfio_region_info, argsz),
	NAMES(vfio_region_info, flags, TRACE_FLAGS, TRACE_OUT, region_flags),
	ENUM(vfio_region_info, index, regions),
	OUT(vfio_region_info, cap_offset),
	OUT(vfio_region_info, size),
	FIELD(vfio_region_info, offset, TRACE_HEX, TRACE_OUT),
	{NULL},
};
static const struct trace_field irq_info[] = {
	BOTH(vfio_irq_info, argsz),
	NAMES(vfio_irq_info, flags, TRACE_FLAGS, TRACE_OUT, irq_info_flags),
	ENUM(vfio_irq_info, index, irqs),
	OUT(vfio_irq_info, count),
	{NULL},
};
static const struct trace_field set_irqs[] = {
	NUM(vfio_irq_set, argsz),
	FLAGS(vfio_irq_set, flags, irq_set_flags),
	ENUM(vfio_irq_set, index, irqs),
	NUM(vfio_irq_set, start),
	NUM(vfio_irq_set, count),
	{"eventfds", offsetof(struct vfio_irq_set, data), 0, TRACE_FDS, TRACE_IN, 0, NULL},
	{NULL},
};
static const struct trace_field hot_reset_info[] = {
	BOTH(vfio_pci_hot_reset_info, argsz),
	FLAGS(vfio_pci_hot_reset_info, flags, no_names),
	OUT(vfio_pci_hot_reset_info, count),
	{NULL},
};
static const struct trace_field hot_reset[] = {
	NUM(vfio_pci_hot_reset, argsz),
	FLAGS(vfio_pci_hot_reset, flags, no_names),
	NUM(vfio_pci_hot_reset, count),
	{NULL},
};
static const struct trace_field feature[] = {
	NUM(vfio_device_feature, argsz),
	{"flags", offsetof(struct vfio_device_feature, flags) + 2, 2, TRACE_FLAGS, TRACE_IN, 0,
	 feature_flags},
	{"feature", offsetof(struct vfio_device_feature, flags), 2, TRACE_NUMBER, TRACE_IN, 0,
	 NULL},
	{NULL},
};
static const struct trace_field bind[] = {
	NUM(vfio_device_bind_iommufd, argsz),
	FLAGS(vfio_device_bind_iommufd, flags, no_names),
	FIELD(vfio_device_bind_iommufd, iommufd, TRACE_SIGNED, TRACE_IN),
	OUT(vfio_device_bind_iommufd, out_devid),
	{NULL},
};
static const struct trace_field attach[] = {
	NUM(vfio_device_attach_iommufd_pt, argsz),
	FLAGS(vfio_device_attach_iommufd_pt, flags, attach_flags),
	BOTH(vfio_device_attach_iommufd_pt, pt_id),
	NUM(vfio_device_attach_iommufd_pt, pasid),
	{NULL},
};
static const struct trace_field detach[] = {
	NUM(vfio_device_detach_iommufd_pt, argsz),
	FLAGS(vfio_device_detach_iommufd_pt, flags, attach_flags),
	NUM(vfio_device_detach_iommufd_pt, pasid),
	{NULL},
};

const struct trace_ioctl trace_vfio_ioctls[] = {
	{"VFIO_CHECK_EXTENSION", extension},
	{"VFIO_DEVICE_ATTACH_IOMMUFD_PT", attach},
	{"VFIO_DEVICE_BIND_IOMMUFD", bind},
	{"VFIO_DEVICE_DETACH_IOMMUFD_PT", detach},
	{"VFIO_DEVICE_FEATURE", feature},
	{"VFIO_DEVICE_GET_INFO", device_info},
	{"VFIO_DEVICE_GET_IRQ_INFO", irq_info},
	{"VFIO_DEVICE_GET_PCI_HOT_RESET_INFO", hot_reset_info},
	{"VFIO_DEVICE_GET_REGION_INFO", region_info},
	{"VFIO_DEVICE_IOEVENTFD", nothing},
	{"VFIO_DEVICE_PCI_HOT_RESET", hot_reset},
	{"VFIO_DEVICE_RESET", nothing},
	{"VFIO_DEVICE_SET_IRQS", set_irqs},
	{"VFIO_GET_API_VERSION", nothing},
	{"VFIO_GROUP_GET_DEVICE_FD", get_device_fd},
	{"VFIO_GROUP_GET_STATUS", group_status},
	{"VFIO_GROUP_SET_CONTAINER", set_container},
	{"VFIO_GROUP_UNSET_CONTAINER", nothing},
	{"VFIO_IOMMU_GET_INFO", get_info},
	{"VFIO_IOMMU_MAP_DMA", map_dma},
	{"VFIO_IOMMU_UNMAP_DMA", unmap_dma},
	{"VFIO_SET_IOMMU", set_iommu},
};
const size_t trace_vfio_ioctls_nr = sizeof(trace_vfio_ioctls) / sizeof(trace_vfio_ioctls[0]);
/* clang-format on */

bool trace_irq_has_fds(uint32_t flags)
{
	return (flags & VFIO_IRQ_SET_DATA_TYPE_MASK) == VFIO_IRQ_SET_DATA_EVENTFD;
}
