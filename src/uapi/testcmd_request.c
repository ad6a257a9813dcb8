/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD: what its devices request, pages or with a PASID, and what viommus tell. */
#include <errno.h>
#include "obj/viommu.h"
#include "uapi/testcmd.h"
#include "util/why.h"

/* A request that nobody takes is dropped, as the device does not wait for an answer. */
long testcmd_page_request(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	struct obj_page_request request = {
		.grpid = cmd->page_request.group,
		.perm = cmd->page_request.perm,
		.addr = cmd->page_request.addr,
		.last = true,
	};
	struct obj_ctx *ctx = call->file->priv;
	struct obj_device *device;
	int rc = 0;

	pthread_mutex_lock(&ctx->lock);
	device = (struct obj_device *)obj_peek(ctx, cmd->page_request.device_id, OBJ_DEVICE);
	if (!device)
		rc = why_set(call->why, -ENOENT, "no device has id %u",
			     cmd->page_request.device_id);
	else if (!kind_is_mock(device->kind->ops))
		rc = why_set(call->why, -EINVAL, "device %u is not a mock",
			     cmd->page_request.device_id);
	else
		obj_fault_report(device, cmd->page_request.pasid != 0, cmd->page_request.pasid,
				 &request, NULL, NULL);
	obj_ctx_unlock(ctx);
	return rc;
}

static int vevent_locked(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint32_t id = cmd->vevent.device_id;
	struct obj_device *device = (struct obj_device *)obj_peek(call->file->priv, id, OBJ_DEVICE);
	struct obj_hwpt *hwpt = device ? obj_device_hwpt_locked(device, false, 0) : NULL;
	struct testcmd_vevent event;
	int rc;

	if (!device || !kind_is_mock(device->kind->ops))
		return why_set(call->why, -ENOENT, "no mock device has id %u", id);
	if (!hwpt || !hwpt->viommu)
		return why_set(call->why, -ENOENT, "device %u is attached to no viommu's table",
			       id);
	if (!device->vdevice || !device->vdevice->by_virt_id.key)
		return why_set(call->why, -ENOENT, "the guest knows device %u by no id", id);
	event.virt_id = (uint32_t)device->vdevice->by_virt_id.key;
	rc = obj_veventq_report_locked(hwpt->viommu, TESTCMD_TYPE_VEVENTQ, &event, sizeof(event));
	return rc ? why_set(call->why, rc, "the event has no queue, or no memory") : 0;
}

long testcmd_vevent(struct uapi_call *call)
{
	struct obj_ctx *ctx = call->file->priv;
	int rc;

	pthread_mutex_lock(&ctx->lock);
	rc = vevent_locked(call);
	obj_ctx_unlock(ctx);
	return rc;
}

/* The device that `id` stands for, with ctx->lock held; NULL has filled why. */
static struct obj_device *find_locked(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	struct obj *obj = obj_peek(call->file->priv, cmd->id, OBJ_SELFTEST);

	if (obj)
		return ((struct test_device *)obj)->device;
	why_set(call->why, -ENOENT, "no test device has id %u", cmd->id);
	return NULL;
}

long testcmd_pasid_attach(struct uapi_call *call)
{
	struct iommu_test_cmd *cmd = call->cmd;
	enum obj_attach_how how = cmd->op == TESTCMD_PASID_ATTACH ? OBJ_ATTACH : OBJ_REPLACE;
	struct obj_ctx *ctx = call->file->priv;
	struct obj_device *device;
	int rc = -ENOENT;

	pthread_mutex_lock(&ctx->lock);
	device = find_locked(call);
	if (device)
		rc = obj_device_attach_pasid_locked(device, cmd->pasid.pasid, how,
						    &cmd->pasid.pt_id, call->why);
	if (rc >= 0) {
		rc = uapi_respond(call);
		if (rc && how == OBJ_ATTACH)
			obj_device_detach_pasid_locked(device, cmd->pasid.pasid);
	}
	obj_ctx_unlock(ctx);
	return rc;
}

long testcmd_pasid_detach(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	struct obj_ctx *ctx = call->file->priv;
	struct obj_device *device;

	pthread_mutex_lock(&ctx->lock);
	device = find_locked(call);
	if (device)
		obj_device_detach_pasid_locked(device, cmd->pasid.pasid);
	obj_ctx_unlock(ctx);
	return device ? 0 : -ENOENT;
}

static int check_pasid(struct uapi_call *call, struct obj_device *device)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	struct obj_hwpt *hwpt = obj_device_hwpt_locked(device, true, cmd->pasid.pasid);
	uint32_t want = cmd->pasid.pt_id;
	struct obj *obj = want ? obj_peek(call->file->priv, want, OBJ_ANY) : NULL;

	if (want && (!obj || (obj->type != OBJ_HWPT && obj->type != OBJ_NESTED)))
		return why_set(call->why, -ENOENT, "no page table has id %u", want);
	if (hwpt == (struct obj_hwpt *)obj)
		return 0;
	return why_set(call->why, -EINVAL, "PASID %u goes to page table %u, not %u",
		       cmd->pasid.pasid, hwpt ? hwpt->obj.id : 0, want);
}

long testcmd_pasid_check(struct uapi_call *call)
{
	struct obj_ctx *ctx = call->file->priv;
	struct obj_device *device;
	int rc = -ENOENT;

	pthread_mutex_lock(&ctx->lock);
	device = find_locked(call);
	if (device)
		rc = check_pasid(call, device);
	obj_ctx_unlock(ctx);
	return rc;
}
