/* SPDX-License-Identifier: MIT */
/*
 * The descriptor of a queue of virtual events: reading takes whole events. It is a user of the
 * queue and keeps the context. Nothing here blocks.
 */
#include <errno.h>
#include <ioas/uapi/iommufd.h>
#include "obj/viommu.h"
#include "uapi/uapi.h"

static void veventq_release(struct ioas_file *file)
{
	struct obj_veventq *veventq = file->priv;
	struct obj *obj = obj_of_veventq(veventq);
	struct obj_ctx *ctx = obj->ctx;

	obj_veventq_watch(veventq, NULL, NULL);
	pthread_mutex_lock(&ctx->lock);
	obj_user_drop(obj);
	pthread_mutex_unlock(&ctx->lock);
	obj_ctx_put(ctx);
}

/* Where a reader wants what it reads. */
struct reader {
	struct ioas_caller *caller;
	uint64_t va;
};

static int give(void *arg, size_t at, const void *data, size_t len)
{
	const struct reader *reader = arg;

	return uapi_caller_write(reader->caller, reader->va + at, data, len);
}

/* Of more than the first event what fits is enough; an error after some are read waits. */
static ssize_t veventq_read(struct ioas_file *file, struct ioas_caller *caller, uint64_t va,
			    size_t len, uint64_t off)
{
	struct reader reader = {caller, va};
	size_t done = 0;
	ssize_t rc;

	if (off)
		return -ESPIPE;
	if (len < sizeof(struct iommufd_vevent_header))
		return -EINVAL;
	do {
		rc = obj_veventq_read(file->priv, len - done, give, &reader);
		if (rc > 0) {
			done += (size_t)rc;
			reader.va += (size_t)rc;
		}
	} while (rc > 0);
	return done ? (ssize_t)done : rc;
}

const struct uapi_file_ops veventq_file_ops = {
	.release = veventq_release,
	.read = veventq_read,
};
