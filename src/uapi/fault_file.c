/* SPDX-License-Identifier: MIT */
/*
 * The descriptor of a queue of page requests: reading takes whole groups, writing answers them. It
 * is a user of the queue and keeps the context. Nothing here blocks.
 */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "uapi/uapi.h"

static void fault_release(struct ioas_file *file)
{
	struct obj_fault *fault = file->priv;
	struct obj *obj = obj_of_fault(fault);
	struct obj_ctx *ctx = obj->ctx;

	obj_fault_watch(fault, NULL, NULL);
	pthread_mutex_lock(&ctx->lock);
	obj_user_drop(obj);
	pthread_mutex_unlock(&ctx->lock);
	obj_ctx_put(ctx);
}

/* Of more than the first group what fits is enough; an error after some are read waits. */
static ssize_t fault_read(struct ioas_file *file, struct ioas_caller *caller, uint64_t va,
			  size_t len, uint64_t off)
{
	const size_t size = sizeof(struct iommu_hwpt_pgfault);
	struct obj_fault *fault = file->priv;
	size_t done = 0;
	int rc;

	if (off || len % size)
		return -ESPIPE;
	for (;;) {
		const struct iommu_hwpt_pgfault *records;
		struct obj_fault_group *group;
		size_t nr;

		rc = obj_fault_read(fault, (len - done) / size, &group);
		if (rc <= 0)
			break;
		records = obj_fault_records(group, &nr);
		rc = uapi_caller_write(caller, va + done, records, nr * size);
		obj_fault_read_end(fault, group, !rc);
		if (rc)
			break;
		done += nr * size;
	}
	return done ? (ssize_t)done : rc;
}

static ssize_t fault_write(struct ioas_file *file, struct ioas_caller *caller, uint64_t va,
			   size_t len, uint64_t off)
{
	struct iommu_hwpt_page_response response;
	size_t done = 0;
	int rc = 0;

	if (off || len % sizeof(response))
		return -ESPIPE;
	for (; !rc && done < len; done += rc ? 0 : sizeof(response)) {
		rc = uapi_caller_read(caller, &response, va + done, sizeof(response));
		if (!rc)
			rc = obj_fault_respond(file->priv, response.cookie, response.code);
	}
	return done ? (ssize_t)done : rc;
}

const struct uapi_file_ops fault_file_ops = {
	.release = fault_release,
	.read = fault_read,
	.write = fault_write,
};
