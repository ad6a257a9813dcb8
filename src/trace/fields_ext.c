/* SPDX-License-Identifier: MIT */
/* The fields of the ioctls that Linux does not have. */
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi_ext.h>
#include "trace/fields.h"

/* clang-format off */
static const struct trace_name no_names[] = {{0, NULL}};
static const struct trace_name device_flags[] = {
	{IOAS_DEVICE_BOUND, "BOUND"},
	{IOAS_DEVICE_PASID_0_APART, "PASID_0_APART"},
	{IOAS_DEVICE_BUS_PCI, "BUS_PCI"},
	{0, NULL},
};
static const struct trace_name sends[] = {
	{IOAS_SENDS_RID, "RID"},
	{IOAS_SENDS_PASID, "PASID"},
	{IOAS_SENDS_SHARED_QUEUE, "SHARED_QUEUE"},
	{0, NULL},
};
static const struct trace_name attach_flags[] = {
	{IOAS_ATTACH_PASID, "PASID"},
	{0, NULL},
};
static const struct trace_name attach_results[] = {
	{IOAS_ATTACH_NO_OP, "NO_OP"},
	{0, NULL},
};

static const struct trace_field attach[] = {
	NUM(ioas_attach, size),
	FLAGS(ioas_attach, flags, attach_flags),
	BOTH(ioas_attach, pt_id),
	NUM(ioas_attach, pasid),
	NAMES(ioas_attach, out_flags, TRACE_FLAGS, TRACE_OUT, attach_results),
	{NULL},
};
static const struct trace_field detach[] = {
	NUM(ioas_detach, size),
	FLAGS(ioas_detach, flags, attach_flags),
	NUM(ioas_detach, pasid),
	{NULL},
};
static const struct trace_field device[] = {
	NUM(ioas_get_device, size),
	FLAGS(ioas_get_device, flags, no_names),
	NUM(ioas_get_device, dev_id),
	NAMES(ioas_get_device, out_flags, TRACE_FLAGS, TRACE_OUT, device_flags),
	FIELD(ioas_get_device, out_function, TRACE_HEX, TRACE_OUT),
	FIELD(ioas_get_device, out_requester, TRACE_HEX, TRACE_OUT),
	NAMES(ioas_get_device, out_sends, TRACE_FLAGS, TRACE_OUT, sends),
	OUT(ioas_get_device, out_pasid_lg2),
	OUT(ioas_get_device, out_aw),
	OUT(ioas_get_device, out_group),
	OUT(ioas_get_device, out_share_set),
	{NULL},
};
static const struct trace_field list[] = {
	NUM(ioas_get_list, size),
	FLAGS(ioas_get_list, flags, no_names),
	NUM(ioas_get_list, dev_id),
	BOTH(ioas_get_list, entry_nr),
	HEX(ioas_get_list, entries_uptr),
	HEX(ioas_get_list, text_uptr),
	BOTH(ioas_get_list, text_len),
	{NULL},
};
static const struct trace_field routes[] = {
	NUM(ioas_get_routes, size),
	FLAGS(ioas_get_routes, flags, no_names),
	NUM(ioas_get_routes, dev_id),
	BOTH(ioas_get_routes, entry_nr),
	HEX(ioas_get_routes, entries_uptr),
	BOTH(ioas_get_routes, cursor),
	{NULL},
};
static const struct trace_name nest_flags[] = {
	{IOMMU_IOAS_MAP_READABLE, "READABLE"},
	{IOMMU_IOAS_MAP_WRITEABLE, "WRITEABLE"},
	{0, NULL},
};
static const struct trace_field nest_alloc[] = {
	NUM(ioas_nest_alloc, size),
	FLAGS(ioas_nest_alloc, flags, no_names),
	NUM(ioas_nest_alloc, ioas_id),
	OUT(ioas_nest_alloc, out_ioas_id),
	{NULL},
};
static const struct trace_field nest_map[] = {
	NUM(ioas_nest_map, size),
	FLAGS(ioas_nest_map, flags, nest_flags),
	NUM(ioas_nest_map, ioas_id),
	HEX(ioas_nest_map, parent_iova),
	HEX(ioas_nest_map, length),
	HEX(ioas_nest_map, iova),
	{NULL},
};
static const struct trace_field nest_info[] = {
	NUM(ioas_nest_info_cmd, size),
	FLAGS(ioas_nest_info_cmd, flags, no_names),
	NUM(ioas_nest_info_cmd, ioas_id),
	OUT(ioas_nest_info_cmd, out_maps),
	FIELD(ioas_nest_info_cmd, out_length, TRACE_HEX, TRACE_OUT),
	FIELD(ioas_nest_info_cmd, out_shown_length, TRACE_HEX, TRACE_OUT),
	{NULL},
};

const struct trace_ioctl trace_ext_ioctls[] = {
	{"IOAS_ATTACH", attach},
	{"IOAS_DETACH", detach},
	{"IOAS_GET_DEVICE", device},
	{"IOAS_GET_MEMBERS", list},
	{"IOAS_GET_REASONS", list},
	{"IOAS_GET_REQUESTERS", list},
	{"IOAS_GET_ROUTES", routes},
	{"IOAS_NEST_ALLOC", nest_alloc},
	{"IOAS_NEST_INFO", nest_info},
	{"IOAS_NEST_MAP", nest_map},
};
const size_t trace_ext_ioctls_nr = sizeof(trace_ext_ioctls) / sizeof(trace_ext_ioctls[0]);
/* clang-format on */
