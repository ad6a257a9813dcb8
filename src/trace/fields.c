/* SPDX-License-Identifier: MIT */
/* The fields of /dev/iommu's ioctls, and finding those of any. */
#include <stdlib.h>
#include <string.h>
#include <ioas/uapi/iommufd.h>
#include "trace/fields.h"

/* clang-format off */
static const struct trace_name no_names[] = {{0, NULL}};

static const struct trace_name map_flags[] = {
	{IOMMU_IOAS_MAP_FIXED_IOVA, "FIXED_IOVA"},
	{IOMMU_IOAS_MAP_WRITEABLE, "WRITEABLE"},
	{IOMMU_IOAS_MAP_READABLE, "READABLE"},
	{0, NULL},
};
static const struct trace_name options[] = {
	{IOMMU_OPTION_RLIMIT_MODE, "RLIMIT_MODE"},
	{IOMMU_OPTION_HUGE_PAGES, "HUGE_PAGES"},
	{0, NULL},
};
static const struct trace_name option_ops[] = {
	{IOMMU_OPTION_OP_SET, "SET"},
	{IOMMU_OPTION_OP_GET, "GET"},
	{0, NULL},
};
static const struct trace_name vfio_ioas_ops[] = {
	{IOMMU_VFIO_IOAS_GET, "GET"},
	{IOMMU_VFIO_IOAS_SET, "SET"},
	{IOMMU_VFIO_IOAS_CLEAR, "CLEAR"},
	{0, NULL},
};
static const struct trace_name hwpt_flags[] = {
	{IOMMU_HWPT_ALLOC_NEST_PARENT, "NEST_PARENT"},
	{IOMMU_HWPT_ALLOC_DIRTY_TRACKING, "DIRTY_TRACKING"},
	{IOMMU_HWPT_FAULT_ID_VALID, "FAULT_ID_VALID"},
	{IOMMU_HWPT_ALLOC_PASID, "PASID"},
	{0, NULL},
};
static const struct trace_name hwpt_data[] = {
	{IOMMU_HWPT_DATA_NONE, "NONE"},
	{IOMMU_HWPT_DATA_VTD_S1, "VTD_S1"},
	{IOMMU_HWPT_DATA_ARM_SMMUV3, "ARM_SMMUV3"},
	{IOMMU_HWPT_DATA_AMD_GUEST, "AMD_GUEST"},
	{0, NULL},
};
static const struct trace_name hw_info_flags[] = {
	{IOMMU_HW_INFO_FLAG_INPUT_TYPE, "INPUT_TYPE"},
	{0, NULL},
};
static const struct trace_name hw_info_types[] = {
	{IOMMU_HW_INFO_TYPE_NONE, "NONE"},
	{IOMMU_HW_INFO_TYPE_INTEL_VTD, "INTEL_VTD"},
	{IOMMU_HW_INFO_TYPE_ARM_SMMUV3, "ARM_SMMUV3"},
	{IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV, "TEGRA241_CMDQV"},
	{IOMMU_HW_INFO_TYPE_AMD, "AMD"},
	{0, NULL},
};
static const struct trace_name hw_caps[] = {
	{IOMMU_HW_CAP_DIRTY_TRACKING, "DIRTY_TRACKING"},
	{IOMMU_HW_CAP_PCI_PASID_EXEC, "PCI_PASID_EXEC"},
	{IOMMU_HW_CAP_PCI_PASID_PRIV, "PCI_PASID_PRIV"},
	{IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED, "PCI_ATS_NOT_SUPPORTED"},
	{0, NULL},
};
static const struct trace_name dirty_flags[] = {
	{IOMMU_HWPT_DIRTY_TRACKING_ENABLE, "ENABLE"},
	{0, NULL},
};
static const struct trace_name bitmap_flags[] = {
	{IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, "NO_CLEAR"},
	{0, NULL},
};
static const struct trace_name viommu_types[] = {
	{IOMMU_VIOMMU_TYPE_DEFAULT, "DEFAULT"},
	{IOMMU_VIOMMU_TYPE_ARM_SMMUV3, "ARM_SMMUV3"},
	{IOMMU_VIOMMU_TYPE_TEGRA241_CMDQV, "TEGRA241_CMDQV"},
	{0, NULL},
};
static const struct trace_name veventq_types[] = {
	{IOMMU_VEVENTQ_TYPE_DEFAULT, "DEFAULT"},
	{IOMMU_VEVENTQ_TYPE_ARM_SMMUV3, "ARM_SMMUV3"},
	{IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, "TEGRA241_CMDQV"},
	{0, NULL},
};
static const struct trace_name hw_queue_types[] = {
	{IOMMU_HW_QUEUE_TYPE_DEFAULT, "DEFAULT"},
	{IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV, "TEGRA241_CMDQV"},
	{0, NULL},
};

static const struct trace_field destroy[] = {
	NUM(iommu_destroy, size),
	NUM(iommu_destroy, id),
	{NULL},
};
static const struct trace_field ioas_alloc[] = {
	NUM(iommu_ioas_alloc, size),
	FLAGS(iommu_ioas_alloc, flags, no_names),
	OUT(iommu_ioas_alloc, out_ioas_id),
	{NULL},
};
static const struct trace_field allow_iovas[] = {
	NUM(iommu_ioas_allow_iovas, size),
	NUM(iommu_ioas_allow_iovas, ioas_id),
	NUM(iommu_ioas_allow_iovas, num_iovas),
	HEX(iommu_ioas_allow_iovas, allowed_iovas),
	{NULL},
};
static const struct trace_field ioas_copy[] = {
	NUM(iommu_ioas_copy, size),
	FLAGS(iommu_ioas_copy, flags, map_flags),
	NUM(iommu_ioas_copy, dst_ioas_id),
	NUM(iommu_ioas_copy, src_ioas_id),
	NUM(iommu_ioas_copy, length),
	BOTH_HEX(iommu_ioas_copy, dst_iova),
	HEX(iommu_ioas_copy, src_iova),
	{NULL},
};
static const struct trace_field iova_ranges[] = {
	NUM(iommu_ioas_iova_ranges, size),
	NUM(iommu_ioas_iova_ranges, ioas_id),
	BOTH(iommu_ioas_iova_ranges, num_iovas),
	HEX(iommu_ioas_iova_ranges, allowed_iovas),
	OUT(iommu_ioas_iova_ranges, out_iova_alignment),
	{NULL},
};
static const struct trace_field ioas_map[] = {
	NUM(iommu_ioas_map, size),
	FLAGS(iommu_ioas_map, flags, map_flags),
	NUM(iommu_ioas_map, ioas_id),
	HEX(iommu_ioas_map, user_va),
	NUM(iommu_ioas_map, length),
	BOTH_HEX(iommu_ioas_map, iova),
	{NULL},
};
static const struct trace_field ioas_unmap[] = {
	NUM(iommu_ioas_unmap, size),
	NUM(iommu_ioas_unmap, ioas_id),
	HEX(iommu_ioas_unmap, iova),
	BOTH(iommu_ioas_unmap, length),
	{NULL},
};
static const struct trace_field option[] = {
	NUM(iommu_option, size),
	ENUM(iommu_option, option_id, options),
	ENUM(iommu_option, op, option_ops),
	NUM(iommu_option, object_id),
	BOTH(iommu_option, val64),
	{NULL},
};
static const struct trace_field vfio_ioas[] = {
	NUM(iommu_vfio_ioas, size),
	BOTH(iommu_vfio_ioas, ioas_id),
	ENUM(iommu_vfio_ioas, op, vfio_ioas_ops),
	{NULL},
};
static const struct trace_field hwpt_alloc[] = {
	NUM(iommu_hwpt_alloc, size),
	FLAGS(iommu_hwpt_alloc, flags, hwpt_flags),
	NUM(iommu_hwpt_alloc, dev_id),
	NUM(iommu_hwpt_alloc, pt_id),
	OUT(iommu_hwpt_alloc, out_hwpt_id),
	ENUM(iommu_hwpt_alloc, data_type, hwpt_data),
	NUM(iommu_hwpt_alloc, data_len),
	HEX(iommu_hwpt_alloc, data_uptr),
	NUM(iommu_hwpt_alloc, fault_id),
	{NULL},
};
static const struct trace_field hw_info[] = {
	NUM(iommu_hw_info, size),
	FLAGS(iommu_hw_info, flags, hw_info_flags),
	NUM(iommu_hw_info, dev_id),
	BOTH(iommu_hw_info, data_len),
	HEX(iommu_hw_info, data_uptr),
	ENUM(iommu_hw_info, in_data_type, hw_info_types),
	NAMES(iommu_hw_info, out_data_type, TRACE_ENUM, TRACE_OUT, hw_info_types),
	OUT(iommu_hw_info, out_max_pasid_log2),
	NAMES(iommu_hw_info, out_capabilities, TRACE_FLAGS, TRACE_OUT, hw_caps),
	{NULL},
};
static const struct trace_field set_dirty_tracking[] = {
	NUM(iommu_hwpt_set_dirty_tracking, size),
	FLAGS(iommu_hwpt_set_dirty_tracking, flags, dirty_flags),
	NUM(iommu_hwpt_set_dirty_tracking, hwpt_id),
	{NULL},
};
static const struct trace_field get_dirty_bitmap[] = {
	NUM(iommu_hwpt_get_dirty_bitmap, size),
	NUM(iommu_hwpt_get_dirty_bitmap, hwpt_id),
	FLAGS(iommu_hwpt_get_dirty_bitmap, flags, bitmap_flags),
	HEX(iommu_hwpt_get_dirty_bitmap, iova),
	NUM(iommu_hwpt_get_dirty_bitmap, length),
	NUM(iommu_hwpt_get_dirty_bitmap, page_size),
	HEX(iommu_hwpt_get_dirty_bitmap, data),
	{NULL},
};
static const struct trace_field invalidate[] = {
	NUM(iommu_hwpt_invalidate, size),
	NUM(iommu_hwpt_invalidate, hwpt_id),
	HEX(iommu_hwpt_invalidate, data_uptr),
	NUM(iommu_hwpt_invalidate, data_type),
	NUM(iommu_hwpt_invalidate, entry_len),
	BOTH(iommu_hwpt_invalidate, entry_num),
	{NULL},
};
static const struct trace_field fault_alloc[] = {
	NUM(iommu_fault_alloc, size),
	FLAGS(iommu_fault_alloc, flags, no_names),
	OUT(iommu_fault_alloc, out_fault_id),
	OUT(iommu_fault_alloc, out_fault_fd),
	{NULL},
};
static const struct trace_field map_file[] = {
	NUM(iommu_ioas_map_file, size),
	FLAGS(iommu_ioas_map_file, flags, map_flags),
	NUM(iommu_ioas_map_file, ioas_id),
	FIELD(iommu_ioas_map_file, fd, TRACE_SIGNED, TRACE_IN),
	NUM(iommu_ioas_map_file, start),
	NUM(iommu_ioas_map_file, length),
	BOTH_HEX(iommu_ioas_map_file, iova),
	{NULL},
};
static const struct trace_field viommu_alloc[] = {
	NUM(iommu_viommu_alloc, size),
	FLAGS(iommu_viommu_alloc, flags, no_names),
	ENUM(iommu_viommu_alloc, type, viommu_types),
	NUM(iommu_viommu_alloc, dev_id),
	NUM(iommu_viommu_alloc, hwpt_id),
	OUT(iommu_viommu_alloc, out_viommu_id),
	NUM(iommu_viommu_alloc, data_len),
	HEX(iommu_viommu_alloc, data_uptr),
	{NULL},
};
static const struct trace_field vdevice_alloc[] = {
	NUM(iommu_vdevice_alloc, size),
	NUM(iommu_vdevice_alloc, viommu_id),
	NUM(iommu_vdevice_alloc, dev_id),
	OUT(iommu_vdevice_alloc, out_vdevice_id),
	HEX(iommu_vdevice_alloc, virt_id),
	{NULL},
};
static const struct trace_field change_process[] = {
	NUM(iommu_ioas_change_process, size),
	{NULL},
};
static const struct trace_field veventq_alloc[] = {
	NUM(iommu_veventq_alloc, size),
	FLAGS(iommu_veventq_alloc, flags, no_names),
	NUM(iommu_veventq_alloc, viommu_id),
	ENUM(iommu_veventq_alloc, type, veventq_types),
	NUM(iommu_veventq_alloc, veventq_depth),
	OUT(iommu_veventq_alloc, out_veventq_id),
	OUT(iommu_veventq_alloc, out_veventq_fd),
	{NULL},
};
static const struct trace_field hw_queue_alloc[] = {
	NUM(iommu_hw_queue_alloc, size),
	FLAGS(iommu_hw_queue_alloc, flags, no_names),
	NUM(iommu_hw_queue_alloc, viommu_id),
	ENUM(iommu_hw_queue_alloc, type, hw_queue_types),
	NUM(iommu_hw_queue_alloc, index),
	OUT(iommu_hw_queue_alloc, out_hw_queue_id),
	HEX(iommu_hw_queue_alloc, nesting_parent_iova),
	NUM(iommu_hw_queue_alloc, length),
	{NULL},
};
static const struct trace_field noiommu_get_pa[] = {
	NUM(iommu_ioas_noiommu_get_pa, size),
	FLAGS(iommu_ioas_noiommu_get_pa, flags, no_names),
	NUM(iommu_ioas_noiommu_get_pa, ioas_id),
	HEX(iommu_ioas_noiommu_get_pa, iova),
	BOTH(iommu_ioas_noiommu_get_pa, length),
	FIELD(iommu_ioas_noiommu_get_pa, out_phys, TRACE_HEX, TRACE_OUT),
	{NULL},
};

/* Sorted by name. */
static const struct trace_ioctl iommufd_ioctls[] = {
	{"IOMMU_DESTROY", destroy},
	{"IOMMU_FAULT_QUEUE_ALLOC", fault_alloc},
	{"IOMMU_GET_HW_INFO", hw_info},
	{"IOMMU_HWPT_ALLOC", hwpt_alloc},
	{"IOMMU_HWPT_GET_DIRTY_BITMAP", get_dirty_bitmap},
	{"IOMMU_HWPT_INVALIDATE", invalidate},
	{"IOMMU_HWPT_SET_DIRTY_TRACKING", set_dirty_tracking},
	{"IOMMU_HW_QUEUE_ALLOC", hw_queue_alloc},
	{"IOMMU_IOAS_ALLOC", ioas_alloc},
	{"IOMMU_IOAS_ALLOW_IOVAS", allow_iovas},
	{"IOMMU_IOAS_CHANGE_PROCESS", change_process},
	{"IOMMU_IOAS_COPY", ioas_copy},
	{"IOMMU_IOAS_IOVA_RANGES", iova_ranges},
	{"IOMMU_IOAS_MAP", ioas_map},
	{"IOMMU_IOAS_MAP_FILE", map_file},
	{"IOMMU_IOAS_NOIOMMU_GET_PA", noiommu_get_pa},
	{"IOMMU_IOAS_UNMAP", ioas_unmap},
	{"IOMMU_OPTION", option},
	{"IOMMU_TEST_CMD", trace_test_fields},
	{"IOMMU_VDEVICE_ALLOC", vdevice_alloc},
	{"IOMMU_VEVENTQ_ALLOC", veventq_alloc},
	{"IOMMU_VFIO_IOAS", vfio_ioas},
	{"IOMMU_VIOMMU_ALLOC", viommu_alloc},
};
/* clang-format on */

static int by_name(const void *key, const void *item)
{
	return strcmp(key, ((const struct trace_ioctl *)item)->name);
}

const struct trace_field *trace_fields(const char *name)
{
	size_t nr = sizeof(iommufd_ioctls) / sizeof(iommufd_ioctls[0]);
	const struct trace_ioctl *found;

	found = bsearch(name, iommufd_ioctls, nr, sizeof(*found), by_name);
	if (!found)
		found = bsearch(name, trace_vfio_ioctls, trace_vfio_ioctls_nr, sizeof(*found),
				by_name);
	if (!found)
		found = bsearch(name, trace_ext_ioctls, trace_ext_ioctls_nr, sizeof(*found),
				by_name);
	return found ? found->fields : NULL;
}
