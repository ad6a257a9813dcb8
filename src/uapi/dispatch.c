/* SPDX-License-Identifier: MIT */
/*
 * The tables: every ioctl's number, struct, minimum size and handler; and the size rules, which are
 * applied here once for all.
 *
 * iommufd: the size is read first (EFAULT), then the number is looked up (ENOTTY), a short struct
 * is EINVAL, a longer one must end in zeros (E2BIG), what a short one leaves out is zero.
 * VFIO: the minimum is read (EFAULT), argsz below it is EINVAL, what argsz covers beyond it is the
 * handler's business.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/iommufd_test.h>
#include <ioas/uapi/vfio.h>
#include <ioas/uapi_ext.h>
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/why.h"

#define NR(cmd)		 ((cmd)&0xff)
#define END(type, field) (offsetof(struct type, field) + sizeof(((struct type *)0)->field))
/* A struct longer than the buffer for it would divide by zero, which does not compile. */
#define SIZE(type)   (sizeof(struct type) / (sizeof(struct type) <= UAPI_CMD_MAX))
#define IOMMUFD_BASE 0x80
/* Where the table ends for who has no use for IOMMU_TEST_CMD. */
#define IOMMUFD_LAST	  NR(IOMMU_IOAS_NOIOMMU_GET_PA)
#define IOMMUFD_LAST_6_12 NR(IOMMU_FAULT_QUEUE_ALLOC)

/* clang-format off */
static const struct uapi_op iommufd_ops[] = {
#define I(cmd, type, last, fn) \
	[NR(cmd) - IOMMUFD_BASE] = {#cmd, cmd, SIZE(type), END(type, last), fn}
	I(IOMMU_DESTROY, iommu_destroy, id, iommu_destroy),
	I(IOMMU_IOAS_ALLOC, iommu_ioas_alloc, out_ioas_id, iommu_ioas_alloc),
	I(IOMMU_IOAS_ALLOW_IOVAS, iommu_ioas_allow_iovas, allowed_iovas, iommu_ioas_allow_iovas),
	I(IOMMU_IOAS_COPY, iommu_ioas_copy, src_iova, iommu_ioas_copy),
	I(IOMMU_IOAS_IOVA_RANGES, iommu_ioas_iova_ranges, out_iova_alignment,
	  iommu_ioas_iova_ranges),
	I(IOMMU_IOAS_MAP, iommu_ioas_map, iova, iommu_ioas_map),
	I(IOMMU_IOAS_UNMAP, iommu_ioas_unmap, length, iommu_ioas_unmap),
	I(IOMMU_OPTION, iommu_option, val64, iommu_option),
	I(IOMMU_VFIO_IOAS, iommu_vfio_ioas, __reserved, iommu_vfio_ioas),
	I(IOMMU_HWPT_ALLOC, iommu_hwpt_alloc, __reserved, iommu_hwpt_alloc),
	I(IOMMU_GET_HW_INFO, iommu_hw_info, __reserved, iommu_get_hw_info),
	I(IOMMU_HWPT_SET_DIRTY_TRACKING, iommu_hwpt_set_dirty_tracking, __reserved,
	  iommu_hwpt_set_dirty_tracking),
	I(IOMMU_HWPT_GET_DIRTY_BITMAP, iommu_hwpt_get_dirty_bitmap, data,
	  iommu_hwpt_get_dirty_bitmap),
	I(IOMMU_HWPT_INVALIDATE, iommu_hwpt_invalidate, __reserved, iommu_hwpt_invalidate),
	I(IOMMU_FAULT_QUEUE_ALLOC, iommu_fault_alloc, out_fault_fd, iommu_fault_queue_alloc),
	I(IOMMU_IOAS_MAP_FILE, iommu_ioas_map_file, iova, iommu_ioas_map_file),
	I(IOMMU_VIOMMU_ALLOC, iommu_viommu_alloc, out_viommu_id, iommu_viommu_alloc),
	I(IOMMU_VDEVICE_ALLOC, iommu_vdevice_alloc, virt_id, iommu_vdevice_alloc),
	I(IOMMU_IOAS_CHANGE_PROCESS, iommu_ioas_change_process, __reserved,
	  iommu_ioas_change_process),
	I(IOMMU_VEVENTQ_ALLOC, iommu_veventq_alloc, out_veventq_fd, iommu_veventq_alloc),
	I(IOMMU_HW_QUEUE_ALLOC, iommu_hw_queue_alloc, length, iommu_hw_queue_alloc),
	I(IOMMU_IOAS_NOIOMMU_GET_PA, iommu_ioas_noiommu_get_pa, out_phys, iommu_unsupported),
	I(IOMMU_TEST_CMD, iommu_test_cmd, last, iommu_test_cmd),
#undef I
};

#define V(cmd, type, last, fn) \
	[NR(cmd) - VFIO_BASE] = {#cmd, cmd, SIZE(type), END(type, last), fn}
#define P(cmd, fn) [NR(cmd) - VFIO_BASE] = {#cmd, cmd, 0, 0, fn}
static const struct uapi_op container_ops[] = {
	P(VFIO_GET_API_VERSION, vfio_get_api_version),
	P(VFIO_CHECK_EXTENSION, vfio_check_extension),
	P(VFIO_SET_IOMMU, vfio_set_iommu),
	V(VFIO_IOMMU_GET_INFO, vfio_iommu_type1_info, iova_pgsizes, vfio_iommu_get_info),
	V(VFIO_IOMMU_MAP_DMA, vfio_iommu_type1_dma_map, size, vfio_iommu_map_dma),
	V(VFIO_IOMMU_UNMAP_DMA, vfio_iommu_type1_dma_unmap, size, vfio_iommu_unmap_dma),
};

static const struct uapi_op group_ops[] = {
	V(VFIO_GROUP_GET_STATUS, vfio_group_status, flags, vfio_group_get_status),
	P(VFIO_GROUP_SET_CONTAINER, vfio_group_set_container),
	P(VFIO_GROUP_UNSET_CONTAINER, vfio_group_unset_container),
	P(VFIO_GROUP_GET_DEVICE_FD, vfio_group_get_device_fd),
};

static const struct uapi_op device_ops[] = {
	V(VFIO_DEVICE_GET_INFO, vfio_device_info, num_irqs, vfio_device_get_info),
	V(VFIO_DEVICE_GET_REGION_INFO, vfio_region_info, offset, vfio_device_get_region_info),
	V(VFIO_DEVICE_GET_IRQ_INFO, vfio_irq_info, count, vfio_device_get_irq_info),
	V(VFIO_DEVICE_SET_IRQS, vfio_irq_set, count, vfio_device_set_irqs),
	P(VFIO_DEVICE_RESET, vfio_device_reset),
	V(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, vfio_pci_hot_reset_info, count,
	  vfio_device_get_pci_hot_reset_info),
	V(VFIO_DEVICE_PCI_HOT_RESET, vfio_pci_hot_reset, count, vfio_device_pci_hot_reset),
	P(VFIO_DEVICE_IOEVENTFD, vfio_device_ioeventfd),
	V(VFIO_DEVICE_FEATURE, vfio_device_feature, flags, vfio_device_feature),
	V(VFIO_DEVICE_BIND_IOMMUFD, vfio_device_bind_iommufd, out_devid, vfio_device_bind_iommufd),
	V(VFIO_DEVICE_ATTACH_IOMMUFD_PT, vfio_device_attach_iommufd_pt, pt_id,
	  vfio_device_attach_iommufd_pt),
	V(VFIO_DEVICE_DETACH_IOMMUFD_PT, vfio_device_detach_iommufd_pt, flags,
	  vfio_device_detach_iommufd_pt),
};
#undef V
#undef P

/* Ours; IOAS_LAST_REFUSAL is the door's. */
static const struct uapi_op ext_ops[] = {
#define X(cmd, type, last, fn) \
	[NR(cmd) - NR(IOAS_GET_DEVICE)] = {#cmd, cmd, SIZE(type), END(type, last), fn}
	X(IOAS_GET_DEVICE, ioas_get_device, __reserved, ioas_get_device),
	X(IOAS_GET_ROUTES, ioas_get_routes, cursor, ioas_get_routes),
	X(IOAS_GET_REQUESTERS, ioas_get_list, __reserved, ioas_get_requesters),
	X(IOAS_GET_MEMBERS, ioas_get_list, __reserved, ioas_get_members),
	X(IOAS_GET_REASONS, ioas_get_list, __reserved, ioas_get_reasons),
	X(IOAS_ATTACH, ioas_attach, __reserved, ioas_attach),
	X(IOAS_DETACH, ioas_detach, __reserved, ioas_detach),
	X(IOAS_NEST_ALLOC, ioas_nest_alloc, out_ioas_id, ioas_nest_alloc),
	X(IOAS_NEST_MAP, ioas_nest_map, iova, ioas_nest_map),
	X(IOAS_NEST_INFO, ioas_nest_info_cmd, out_shown_length, ioas_nest_info),
#undef X
};
/* clang-format on */

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Each table's lines follow the last one's in the counters; the line after all is "unknown". */
const struct uapi_table uapi_iommufd_table = {iommufd_ops, IOMMUFD_BASE, LEN(iommufd_ops), 0};
const struct uapi_table uapi_container_table = {container_ops, VFIO_BASE, LEN(container_ops),
						LEN(iommufd_ops)};
const struct uapi_table uapi_group_table = {group_ops, VFIO_BASE, LEN(group_ops),
					    LEN(iommufd_ops) + LEN(container_ops)};
const struct uapi_table uapi_device_table = {device_ops, VFIO_BASE, LEN(device_ops),
					     LEN(iommufd_ops) + LEN(container_ops) +
						     LEN(group_ops)};
const struct uapi_table uapi_ext_table = {ext_ops, NR(IOAS_GET_DEVICE), LEN(ext_ops),
					  LEN(iommufd_ops) + LEN(container_ops) + LEN(group_ops) +
						  LEN(device_ops)};

static const struct uapi_table *const tables[] = {&uapi_iommufd_table, &uapi_container_table,
						  &uapi_group_table, &uapi_device_table,
						  &uapi_ext_table};

#define ROWS                                                                                       \
	(LEN(iommufd_ops) + LEN(container_ops) + LEN(group_ops) + LEN(device_ops) + LEN(ext_ops) + \
	 1)

/* 0 for success, then every errno of Linux. */
#define ERRNOS 134

size_t uapi_counts_len(void)
{
	return ROWS * ERRNOS * sizeof(uint64_t);
}

static const char *row_name(size_t row)
{
	for (size_t i = 0; i < LEN(tables); i++)
		if (row >= tables[i]->row && row - tables[i]->row < tables[i]->nr)
			return tables[i]->ops[row - tables[i]->row].name;
	return "unknown";
}

void uapi_count(const struct uapi_call *call, long result)
{
	size_t row = call->op ? call->row : ROWS - 1;
	size_t error = result < 0 ? (size_t)-result : 0;

	if (error >= ERRNOS)
		error = ERRNOS - 1;
	atomic_fetch_add_explicit(&call->file->iommu->uapi->counts[row * ERRNOS + error], 1,
				  memory_order_relaxed);
}

size_t ioas_ioctl_counts_decode(const void *block, size_t len, struct ioas_ioctl_count *out,
				size_t max)
{
	const _Atomic uint64_t *counts = block;
	size_t nr = 0;

	for (size_t i = 0; i < ROWS * ERRNOS && (i + 1) * sizeof(*counts) <= len; i++) {
		uint64_t count = atomic_load_explicit(&counts[i], memory_order_relaxed);
		const char *name = row_name(i / ERRNOS);

		if (!count || !name)
			continue;
		if (nr < max) {
			snprintf(out[nr].name, sizeof(out[nr].name), "%s", name);
			out[nr].error = (int32_t)(i % ERRNOS);
			out[nr].count = count;
		}
		nr++;
	}
	return nr;
}

size_t ioas_ioctl_counts(struct ioas_iommu *iommu, struct ioas_ioctl_count *out, size_t max)
{
	return ioas_ioctl_counts_decode((const void *)iommu->uapi->counts, uapi_counts_len(), out,
					max);
}

/* The line of the ioctl, which the call gets, or NULL. No hole has a number of its table's. */
static const struct uapi_op *find(struct uapi_call *call, const struct uapi_table *table,
				  uint32_t cmd)
{
	uint32_t index = NR(cmd) - table->first;

	if (index >= table->nr || table->ops[index].cmd != cmd)
		return NULL;
	call->op = &table->ops[index];
	call->row = table->row + index;
	return call->op;
}

static long unknown(struct uapi_call *call, uint32_t cmd)
{
	return why_set(call->why, -ENOTTY, "%s has no ioctl 0x%x", call->file->node.path, cmd);
}

/* Copies the caller's struct by the rules of an extensible one. */
static int copy_struct(struct uapi_call *call)
{
	const struct uapi_op *op = call->op;
	uint32_t size = call->user_size;
	int rc;

	if (size < op->min)
		return why_set(call->why, -EINVAL, "size %u is below the minimum of %u", size,
			       op->min);
	if (size > op->size) {
		rc = uapi_check_zero(call, call->arg + op->size, size - op->size);
		if (rc)
			return rc;
		size = op->size;
	}
	return uapi_copy_from(call, call->cmd, call->arg, size);
}

/*
 * Reads a struct that is as long as it must be at least, which most are, at one go. false: it is
 * not, or not all there; or a trace wants it in the order in which it is read.
 */
static bool read_at_once(struct uapi_call *call, void *buf)
{
	if (!call->op || call->trace ||
	    uapi_caller_read(call->caller, buf, call->arg, call->op->min))
		return false;
	memcpy(&call->user_size, buf, sizeof(call->user_size));
	return call->user_size == call->op->min;
}

/* An extensible struct: its size comes first, before even the number is looked at. */
static long dispatch_sized(struct uapi_call *call, uint32_t cmd)
{
	uint64_t buf[UAPI_CMD_MAX / 8] = {0};
	int rc;

	call->cmd = buf;
	if (read_at_once(call, buf))
		return call->op->handler(call);
	rc = uapi_copy_from(call, &call->user_size, call->arg, sizeof(call->user_size));
	if (rc)
		return rc;
	if (!call->op)
		return unknown(call, cmd);
	rc = copy_struct(call);
	return rc ? rc : call->op->handler(call);
}

/*
 * Is the number within the table? Then the call gets its line, if there is such an ioctl.
 * IOMMU_TEST_CMD, beyond a hole at the table's end, is for who has a use for it.
 */
static bool find_iommufd(struct uapi_call *call, uint32_t cmd)
{
	const struct ioas_iommu *iommu = call->file->iommu;
	uint32_t known = iommu->config.abi_6_12 ? IOMMUFD_LAST_6_12 : IOMMUFD_LAST;
	uint32_t last = iommu->config.selftest ? NR(IOMMU_TEST_CMD) : known;

	if (NR(cmd) > last)
		return false;
	if (NR(cmd) <= known || cmd == IOMMU_TEST_CMD)
		find(call, &uapi_iommufd_table, cmd);
	return true;
}

long uapi_dispatch_iommufd(struct uapi_call *call, uint32_t cmd)
{
	if (NR(cmd) < IOMMUFD_BASE)
		return uapi_dispatch_vfio(call, &uapi_container_table, cmd);
	if (find_iommufd(call, cmd))
		return dispatch_sized(call, cmd);
	if (uapi_is_ext(cmd))
		return uapi_dispatch_ext(call, cmd);
	return uapi_dispatch_vfio(call, &uapi_container_table, cmd);
}

bool uapi_is_ext(uint32_t cmd)
{
	uint32_t index = NR(cmd) - uapi_ext_table.first;

	return index < uapi_ext_table.nr && ext_ops[index].cmd == cmd;
}

long uapi_dispatch_ext(struct uapi_call *call, uint32_t cmd)
{
	find(call, &uapi_ext_table, cmd);
	return dispatch_sized(call, cmd);
}

/* VFIO's: argsz comes first. Apart, so that an ioctl without a struct has no room for one. */
static __attribute__((noinline)) long dispatch_argsz(struct uapi_call *call)
{
	uint64_t buf[UAPI_CMD_MAX / 8] = {0};
	uint32_t argsz;
	int rc;

	call->cmd = buf;
	rc = uapi_copy_from(call, buf, call->arg, call->op->min);
	if (rc)
		return rc;
	memcpy(&argsz, buf, sizeof(argsz));
	if (argsz < call->op->min)
		return why_set(call->why, -EINVAL, "argsz %u is below the minimum of %u", argsz,
			       call->op->min);
	call->user_size = argsz;
	return call->op->handler(call);
}

long uapi_dispatch_vfio(struct uapi_call *call, const struct uapi_table *table, uint32_t cmd)
{
	const struct uapi_op *op = find(call, table, cmd);

	if (!op)
		return unknown(call, cmd);
	return op->min ? dispatch_argsz(call) : op->handler(call);
}
