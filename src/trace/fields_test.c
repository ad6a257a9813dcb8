/* SPDX-License-Identifier: MIT */
/* The fields of IOMMU_TEST_CMD: a union, of which the struct's second word says the member. */
#include <ioas/uapi/iommufd_test.h>
#include "trace/fields.h"

#define LEN(member) sizeof(((struct iommu_test_cmd *)0)->member)
/* A member of the union's struct `in`, for one operation. */
#define OF(op, in, member, format, way)                                                           \
	{                                                                                         \
#member, offsetof(struct iommu_test_cmd, in.member), LEN(in.member), format, way, \
			op                                                                        \
	}
#define OP_NUM(op, in, member) OF(op, in, member, TRACE_NUMBER, TRACE_IN)
#define OP_HEX(op, in, member) OF(op, in, member, TRACE_HEX, TRACE_IN)
#define OP_OUT(op, in, member) OF(op, in, member, TRACE_NUMBER, TRACE_OUT)

/* clang-format off */
static const struct trace_name ops[] = {
	{TESTCMD_RESERVE, "RESERVE"},
	{TESTCMD_DEVICE, "DEVICE"},
	{TESTCMD_CHECK_MAP, "CHECK_MAP"},
	{TESTCMD_CHECK_PINS, "CHECK_PINS"},
	{TESTCMD_ACCESS, "ACCESS"},
	{TESTCMD_ACCESS_UNPIN, "ACCESS_UNPIN"},
	{TESTCMD_ACCESS_PIN, "ACCESS_PIN"},
	{TESTCMD_ACCESS_RW, "ACCESS_RW"},
	{TESTCMD_BATCH_LIMIT, "BATCH_LIMIT"},
	{TESTCMD_REPLACE, "REPLACE"},
	{TESTCMD_ACCESS_REPLACE, "ACCESS_REPLACE"},
	{TESTCMD_DEVICE_FLAGS, "DEVICE_FLAGS"},
	{TESTCMD_DIRTY, "DIRTY"},
	{TESTCMD_CHECK_IOTLB, "CHECK_IOTLB"},
	{TESTCMD_PAGE_REQUEST, "PAGE_REQUEST"},
	{TESTCMD_CHECK_CACHE, "CHECK_CACHE"},
	{TESTCMD_VEVENT, "VEVENT"},
	{TESTCMD_PASID_ATTACH, "PASID_ATTACH"},
	{TESTCMD_PASID_REPLACE, "PASID_REPLACE"},
	{TESTCMD_PASID_DETACH, "PASID_DETACH"},
	{TESTCMD_PASID_CHECK, "PASID_CHECK"},
	{TESTCMD_DMABUF, "DMABUF"},
	{TESTCMD_DMABUF_REVOKE, "DMABUF_REVOKE"},
	{0, NULL},
};

const struct trace_field trace_test_fields[] = {
	NUM(iommu_test_cmd, size),
	ENUM(iommu_test_cmd, op, ops),
	NUM(iommu_test_cmd, id),
	OP_HEX(TESTCMD_RESERVE, reserve, start),
	OP_NUM(TESTCMD_RESERVE, reserve, length),
	OP_OUT(TESTCMD_DEVICE, device, out_test_id),
	OP_OUT(TESTCMD_DEVICE, device, out_hwpt_id),
	OP_OUT(TESTCMD_DEVICE, device, out_device_id),
	OP_OUT(TESTCMD_DEVICE_FLAGS, device, out_test_id),
	OP_OUT(TESTCMD_DEVICE_FLAGS, device, out_hwpt_id),
	OP_OUT(TESTCMD_DEVICE_FLAGS, device, out_device_id),
	OP_HEX(TESTCMD_DEVICE_FLAGS, device, flags),
	OP_HEX(TESTCMD_CHECK_MAP, check_map, iova),
	OP_NUM(TESTCMD_CHECK_MAP, check_map, length),
	OP_HEX(TESTCMD_CHECK_MAP, check_map, uptr),
	OP_NUM(TESTCMD_CHECK_PINS, check_pins, length),
	OP_HEX(TESTCMD_CHECK_PINS, check_pins, uptr),
	OP_NUM(TESTCMD_CHECK_PINS, check_pins, pins),
	OF(TESTCMD_ACCESS, access, out_fd, TRACE_SIGNED, TRACE_OUT),
	OP_HEX(TESTCMD_ACCESS, access, flags),
	OP_NUM(TESTCMD_ACCESS_UNPIN, access_unpin, item),
	OP_HEX(TESTCMD_ACCESS_PIN, access_pin, flags),
	OP_OUT(TESTCMD_ACCESS_PIN, access_pin, out_item),
	OP_HEX(TESTCMD_ACCESS_PIN, access_pin, iova),
	OP_NUM(TESTCMD_ACCESS_PIN, access_pin, length),
	OP_HEX(TESTCMD_ACCESS_PIN, access_pin, uptr),
	OP_HEX(TESTCMD_ACCESS_RW, access_rw, iova),
	OP_NUM(TESTCMD_ACCESS_RW, access_rw, length),
	OP_HEX(TESTCMD_ACCESS_RW, access_rw, uptr),
	OP_HEX(TESTCMD_ACCESS_RW, access_rw, flags),
	OP_NUM(TESTCMD_BATCH_LIMIT, batch_limit, limit),
	OF(TESTCMD_REPLACE, replace, pt_id, TRACE_NUMBER, TRACE_INOUT),
	OP_NUM(TESTCMD_ACCESS_REPLACE, access_replace, ioas_id),
	OP_HEX(TESTCMD_DIRTY, dirty, flags),
	OP_HEX(TESTCMD_DIRTY, dirty, iova),
	OP_NUM(TESTCMD_DIRTY, dirty, length),
	OP_NUM(TESTCMD_DIRTY, dirty, page_size),
	OP_HEX(TESTCMD_DIRTY, dirty, uptr),
	OP_OUT(TESTCMD_DIRTY, dirty, out_nr),
	OP_NUM(TESTCMD_CHECK_IOTLB, check_word, index),
	OP_HEX(TESTCMD_CHECK_IOTLB, check_word, value),
	OP_NUM(TESTCMD_PAGE_REQUEST, page_request, device_id),
	OP_NUM(TESTCMD_PAGE_REQUEST, page_request, pasid),
	OP_NUM(TESTCMD_PAGE_REQUEST, page_request, group),
	OP_HEX(TESTCMD_PAGE_REQUEST, page_request, perm),
	OP_HEX(TESTCMD_PAGE_REQUEST, page_request, addr),
	OP_NUM(TESTCMD_CHECK_CACHE, check_word, index),
	OP_HEX(TESTCMD_CHECK_CACHE, check_word, value),
	OP_NUM(TESTCMD_VEVENT, vevent, device_id),
	OP_NUM(TESTCMD_PASID_ATTACH, pasid, pasid),
	OF(TESTCMD_PASID_ATTACH, pasid, pt_id, TRACE_NUMBER, TRACE_INOUT),
	OP_NUM(TESTCMD_PASID_REPLACE, pasid, pasid),
	OF(TESTCMD_PASID_REPLACE, pasid, pt_id, TRACE_NUMBER, TRACE_INOUT),
	OP_NUM(TESTCMD_PASID_DETACH, pasid, pasid),
	OP_NUM(TESTCMD_PASID_CHECK, pasid, pasid),
	OP_NUM(TESTCMD_PASID_CHECK, pasid, pt_id),
	OP_NUM(TESTCMD_DMABUF, dmabuf, length),
	OP_HEX(TESTCMD_DMABUF, dmabuf, open_flags),
	OF(TESTCMD_DMABUF_REVOKE, dmabuf_revoke, fd, TRACE_SIGNED, TRACE_IN),
	OP_NUM(TESTCMD_DMABUF_REVOKE, dmabuf_revoke, revoked),
	{NULL},
};
/* clang-format on */
