/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD's operations, and those that need no file of their own. */
#include <errno.h>
#include <inttypes.h>
#include "space/space.h"
#include "uapi/handlers.h"
#include "uapi/testcmd.h"
#include "util/why.h"

/* Reserved for good: the owner is the space itself. */
static long reserve(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint64_t first = cmd->reserve.start, length = cmd->reserve.length;
	struct obj_ioas *ioas;
	int rc;

	if (!length)
		return why_set(call->why, -EINVAL, "length 0");
	if (first + (length - 1) < first)
		return why_set(call->why, -EOVERFLOW, "%#" PRIx64 " + %#" PRIx64 " wraps", first,
			       length);
	ioas = obj_ioas_get(call->file->priv, cmd->id, call->why);
	if (!ioas)
		return -ENOENT;
	rc = space_reserve(ioas->space, first, first + (length - 1), ioas->space, call->why);
	obj_put(&ioas->obj);
	return rc;
}

/* Nothing here works in batches that a limit would make smaller. */
static long batch_limit(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;
	uint32_t least = sizeof(uint64_t) + sizeof(uint32_t);

	if (cmd->batch_limit.limit < least)
		return why_set(call->why, -EINVAL, "a limit is %u bytes at least", least);
	return 0;
}

/* By enum testcmd_op. */
static long (*const handlers[])(struct uapi_call *call) = {
	[TESTCMD_RESERVE] = reserve,
	[TESTCMD_DEVICE] = testcmd_device,
	[TESTCMD_CHECK_MAP] = testcmd_check_map,
	[TESTCMD_CHECK_PINS] = testcmd_check_pins,
	[TESTCMD_ACCESS] = testcmd_access,
	[TESTCMD_ACCESS_UNPIN] = testcmd_access_unpin,
	[TESTCMD_ACCESS_PIN] = testcmd_access_pin,
	[TESTCMD_ACCESS_RW] = testcmd_access_rw,
	[TESTCMD_BATCH_LIMIT] = batch_limit,
	[TESTCMD_REPLACE] = testcmd_replace,
	[TESTCMD_ACCESS_REPLACE] = testcmd_access_replace,
	[TESTCMD_DEVICE_FLAGS] = testcmd_device,
	[TESTCMD_DIRTY] = testcmd_dirty,
	[TESTCMD_CHECK_IOTLB] = testcmd_check_iotlb,
	[TESTCMD_PAGE_REQUEST] = testcmd_page_request,
	[TESTCMD_CHECK_CACHE] = testcmd_check_cache,
	[TESTCMD_VEVENT] = testcmd_vevent,
	[TESTCMD_PASID_ATTACH] = testcmd_pasid_attach,
	[TESTCMD_PASID_REPLACE] = testcmd_pasid_attach,
	[TESTCMD_PASID_DETACH] = testcmd_pasid_detach,
	[TESTCMD_PASID_CHECK] = testcmd_pasid_check,
	[TESTCMD_DMABUF] = testcmd_dmabuf,
	[TESTCMD_DMABUF_REVOKE] = testcmd_dmabuf_revoke,
};

long iommu_test_cmd(struct uapi_call *call)
{
	const struct iommu_test_cmd *cmd = call->cmd;

	if (cmd->op >= sizeof(handlers) / sizeof(handlers[0]) || !handlers[cmd->op])
		return why_set(call->why, -EOPNOTSUPP, "there is no operation %u", cmd->op);
	return handlers[cmd->op](call);
}
