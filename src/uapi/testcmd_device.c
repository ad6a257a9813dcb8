/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD's devices: how they come and go, where they are attached, what they hold. */
#include <errno.h>
#include "uapi/testcmd.h"
#include "util/why.h"

/* All but the object itself. Detaches the device; ctx->lock held. */
static void unmake_locked(struct test_device *test)
{
	if (test->device)
		obj_device_unbind_locked(test->device);
	kind_mock_free(test->mock);
}

void obj_selftest_destroy(struct obj *obj)
{
	unmake_locked((struct test_device *)obj);
}

/*
 * A test device ends with its context, as all objects do, and does not hold it as other devices do.
 * The context has the file that the call came by.
 */
static int make(struct test_device *test, uint32_t flags, struct ioas_why *why)
{
	struct obj_ctx *ctx = test->obj.ctx;
	int rc = kind_mock_new(ctx->iommu, flags, &test->mock, why);

	if (rc)
		return rc;
	rc = obj_device_bind(ctx, NULL, &test->mock->kind, NULL, 0, &test->device);
	if (rc)
		return why_set(why, rc, "no memory for a mock device");
	obj_ctx_put(ctx);
	return 0;
}

static int attach_and_respond(struct uapi_call *call, struct test_device *test)
{
	struct iommu_test_cmd *cmd = call->cmd;
	uint32_t pt_id = cmd->id;
	int rc = obj_device_attach(test->device, &pt_id, call->why);

	if (rc < 0)
		return rc;
	cmd->device.out_test_id = test->obj.id;
	cmd->device.out_device_id = test->device->obj.id;
	cmd->device.out_hwpt_id = pt_id;
	return uapi_respond(call);
}

long testcmd_device(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint32_t flags = cmd->op == TESTCMD_DEVICE_FLAGS ? cmd->device.flags : 0;
	struct obj_ctx *ctx = call->file->priv;
	struct test_device *test;
	struct obj *obj;
	int rc = obj_alloc(ctx, OBJ_SELFTEST, sizeof(*test), &obj);

	if (rc)
		return why_set(call->why, rc, "no memory for a test device");
	test = (struct test_device *)obj;
	rc = make(test, flags, call->why);
	if (!rc)
		rc = attach_and_respond(call, test);
	if (!rc) {
		obj_finalize(obj);
		return 0;
	}
	pthread_mutex_lock(&ctx->lock);
	unmake_locked(test);
	obj_ctx_unlock(ctx);
	obj_abort(obj);
	return rc;
}

/*
 * Test devices go by IOMMU_DESTROY alone, which takes the context's lock; so does what is done with
 * one. So it is not kept busy over such a call, but found with the lock held.
 */
long testcmd_replace(struct uapi_call *call)
{
	struct iommu_test_cmd *cmd = call->cmd;
	struct obj_ctx *ctx = call->file->priv;
	struct obj *obj;
	int rc;

	pthread_mutex_lock(&ctx->lock);
	obj = obj_peek(ctx, cmd->id, OBJ_SELFTEST);
	if (obj)
		rc = obj_device_attach_locked(((struct test_device *)obj)->device,
					      &cmd->replace.pt_id, call->why);
	else
		rc = why_set(call->why, -ENOENT, "no test device has id %u", cmd->id);
	obj_ctx_unlock(ctx);
	return rc < 0 ? rc : uapi_respond(call);
}

long testcmd_check_iotlb(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	struct obj_ctx *ctx = call->file->priv;
	struct obj_hwpt *hwpt;
	int rc;

	pthread_mutex_lock(&ctx->lock);
	hwpt = (struct obj_hwpt *)obj_peek(ctx, cmd->id, OBJ_NESTED);
	if (!hwpt)
		rc = why_set(call->why, -ENOENT, "no nested page table has id %u", cmd->id);
	else if (!kind_is_mock(hwpt->ops))
		rc = why_set(call->why, -EINVAL, "page table %u is not the mock's", cmd->id);
	else
		rc = kind_mock_check_iotlb(hwpt, cmd->check_word.index, cmd->check_word.value,
					   call->why);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

long testcmd_check_cache(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	struct obj_ctx *ctx = call->file->priv;
	struct obj_device *device;
	int rc;

	pthread_mutex_lock(&ctx->lock);
	device = (struct obj_device *)obj_peek(ctx, cmd->id, OBJ_DEVICE);
	if (!device)
		rc = why_set(call->why, -ENOENT, "no device has id %u", cmd->id);
	else if (!kind_is_mock(device->kind->ops))
		rc = why_set(call->why, -EINVAL, "device %u is not a mock", cmd->id);
	else
		rc = kind_mock_check_cache((struct mock_device *)device->kind,
					   cmd->check_word.index, cmd->check_word.value, call->why);
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}
