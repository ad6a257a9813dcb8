/* SPDX-License-Identifier: MIT */
/* Open files: counting references, and handing calls to what kind of file it is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "trace/trace.h"
#include "uapi/device_file.h"
#include "uapi/uapi.h"
#include "util/alloc.h"
#include "util/why.h"

/* By enum ioas_node_kind. */
static const struct uapi_file_ops *const kinds[] = {
	[IOAS_NODE_IOMMU] = &iommufd_file_ops,	    [IOAS_NODE_VFIO] = &container_file_ops,
	[IOAS_NODE_VFIO_GROUP] = &group_file_ops,   [IOAS_NODE_VFIO_CDEV] = &device_file_ops,
	[IOAS_NODE_VFIO_DEVICE] = &device_file_ops,
};

struct ioas_file *uapi_file_new(struct ioas_iommu *iommu, struct ioas_caller *caller,
				const struct ioas_node *node, const struct uapi_file_ops *ops)
{
	struct ioas_file *file = alloc_zero(1, sizeof(*file));

	if (!file)
		return NULL;
	file->ops = ops;
	file->iommu = iommu;
	file->caller = caller;
	file->node = *node;
	atomic_init(&file->refs, 1);
	return file;
}

/* What every event of a file says. */
static struct ioas_trace_event event_of(const struct ioas_file *file, enum ioas_trace_kind kind)
{
	return (struct ioas_trace_event){
		.kind = kind,
		.node = &file->node,
		.device = file->ops == &device_file_ops ? device_file_name(file) : NULL,
	};
}

static void trace_open(struct ioas_iommu *iommu, const struct ioas_node *node, int oflags,
		       struct ioas_file *file, int rc, const struct ioas_why *why)
{
	struct ioas_trace_event event = {.kind = IOAS_TRACE_OPEN, .node = node};

	if (!rc)
		event = event_of(file, IOAS_TRACE_OPEN);
	event.result = rc;
	event.reason = why ? why->text : NULL;
	event.open.flags = oflags;
	trace_event(iommu, &event);
}

static int open_node(struct ioas_iommu *iommu, struct ioas_caller *caller,
		     const struct ioas_node *node, struct ioas_file **out, struct ioas_why *why)
{
	struct ioas_file *file;
	int rc;

	if (node->kind > IOAS_NODE_VFIO_CDEV)
		return why_set(why, -ENODEV, "%s is not a node that can be opened", node->path);
	file = uapi_file_new(iommu, caller, node, kinds[node->kind]);
	if (!file)
		return why_set(why, -ENOMEM, "no memory to open %s", node->path);
	rc = file->ops->open(file, why);
	if (rc) {
		free(file);
		return rc;
	}
	*out = file;
	return 0;
}

int ioas_file_open(struct ioas_iommu *iommu, struct ioas_caller *caller,
		   const struct ioas_node *node, int oflags, struct ioas_file **out,
		   struct ioas_why *why)
{
	int rc = open_node(iommu, caller, node, out, why);

	if (trace_on(iommu))
		trace_open(iommu, node, oflags, *out, rc, why);
	return rc;
}

struct ioas_file *ioas_file_get(struct ioas_file *file)
{
	atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
	return file;
}

void ioas_file_put(struct ioas_file *file)
{
	if (atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (trace_on(file->iommu)) {
		struct ioas_trace_event event = event_of(file, IOAS_TRACE_CLOSE);

		trace_event(file->iommu, &event);
	}
	file->ops->release(file);
	free(file);
}

const struct ioas_node *ioas_file_node(const struct ioas_file *file)
{
	return &file->node;
}

/*
 * A descriptor that has been given cannot be taken back, so whether the answer can be written is
 * tried before.
 */
int uapi_file_answer(struct uapi_call *call, struct ioas_file *file, uint32_t *fd)
{
	int rc = uapi_respond(call);

	if (!rc) {
		rc = call->caller->ops->file_install(call->caller, file);
		if (rc < 0)
			why_set(call->why, rc, "no descriptor is free");
	}
	if (rc < 0) {
		ioas_file_put(file);
		return rc;
	}
	*fd = (uint32_t)rc;
	return uapi_respond(call);
}

/* The ioctl's name goes before the reason, and a refusal without one gets its errno's name. */
static void say_why(struct ioas_why *why, const struct uapi_op *op, uint32_t cmd, long rc,
		    const struct ioas_why *inner)
{
	const char *text = inner->text[0] ? inner->text : strerrordesc_np((int)-rc);

	if (op)
		why_set(why, 0, "%s: %s", op->name, text ? text : "refused");
	else
		why_set(why, 0, "ioctl 0x%x: %s", cmd, text ? text : "refused");
}

static inline long run_ioctl(struct uapi_call *call, uint32_t cmd)
{
	struct ioas_file *file = call->file;
	long rc = file->ops->ioctl
			  ? file->ops->ioctl(call, cmd)
			  : why_set(call->why, -ENOTTY, "%s has no ioctls", file->node.path);

	uapi_count(call, rc);
	return rc;
}

/* Apart, so that the usual way has no room for copies on its stack. */
static __attribute__((noinline)) long traced_ioctl(struct uapi_call *call, uint32_t cmd)
{
	struct ioas_trace_event event = event_of(call->file, IOAS_TRACE_IOCTL);
	struct ioas_trace_args args = {.read = {0}};
	uint64_t start = trace_now();

	/* cppcheck-suppress autoVariables */
	call->trace = &args; /* the call ends before they do */
	event.result = run_ioctl(call, cmd);
	event.took_ns = trace_now() - start;
	event.reason = call->why->text;
	event.ioctl.name = call->op ? call->op->name : NULL;
	event.ioctl.cmd = cmd;
	event.ioctl.arg = call->arg;
	event.ioctl.args = &args;
	trace_event(call->file->iommu, &event);
	return event.result;
}

long ioas_file_ioctl(struct ioas_file *file, struct ioas_caller *caller, unsigned long cmd,
		     uint64_t arg, struct ioas_why *why)
{
	struct ioas_why inner;
	struct uapi_call call = {.file = file, .caller = caller, .why = &inner, .arg = arg};
	long rc;

	inner.text[0] = '\0';
	rc = trace_on(file->iommu) ? traced_ioctl(&call, (uint32_t)cmd)
				   : run_ioctl(&call, (uint32_t)cmd);
	if (rc < 0)
		say_why(why, call.op, (uint32_t)cmd, rc, &inner);
	return rc;
}

/*
 * Of queues every transfer is told of; of registers what was refused, since the rest is the
 * device's business and would drown the others.
 */
static ssize_t traced(struct ioas_file *file, enum ioas_trace_kind kind, size_t len, uint64_t off,
		      ssize_t rc)
{
	struct ioas_trace_event event = event_of(file, kind);

	if (rc >= 0 && file->ops == &device_file_ops)
		return rc;
	event.result = rc;
	event.transfer.off = off;
	event.transfer.len = len;
	trace_event(file->iommu, &event);
	return rc;
}

ssize_t ioas_file_pread(struct ioas_file *file, struct ioas_caller *caller, uint64_t va, size_t len,
			uint64_t off)
{
	ssize_t rc = file->ops->read ? file->ops->read(file, caller, va, len, off) : -EINVAL;

	return trace_on(file->iommu) ? traced(file, IOAS_TRACE_READ, len, off, rc) : rc;
}

ssize_t ioas_file_pwrite(struct ioas_file *file, struct ioas_caller *caller, uint64_t va,
			 size_t len, uint64_t off)
{
	ssize_t rc = file->ops->write ? file->ops->write(file, caller, va, len, off) : -EINVAL;

	return trace_on(file->iommu) ? traced(file, IOAS_TRACE_WRITE, len, off, rc) : rc;
}

int ioas_file_mmap(struct ioas_file *file, uint64_t off, uint64_t len, int prot, int flags,
		   struct ioas_mapping *out, struct ioas_why *why)
{
	struct ioas_trace_event event;
	int rc;

	*out = (struct ioas_mapping){.fd = -1};
	rc = file->ops->mmap ? file->ops->mmap(file, off, len, prot, flags, out, why)
			     : why_set(why, -ENODEV, "%s cannot be mapped", file->node.path);
	if (!trace_on(file->iommu))
		return rc;
	event = event_of(file, IOAS_TRACE_MMAP);
	event.result = rc;
	event.reason = why ? why->text : NULL;
	event.mmap.off = off;
	event.mmap.len = len;
	event.mmap.prot = prot;
	event.mmap.flags = flags;
	trace_event(file->iommu, &event);
	return rc;
}

void ioas_file_munmap(struct ioas_file *file, uint64_t off, uint64_t len)
{
	if (file->ops->munmap)
		file->ops->munmap(file, off, len);
}

int ioas_file_access(struct ioas_file *file, uint64_t off, bool write, uint64_t *value,
		     unsigned size)
{
	return file->ops->access ? file->ops->access(file, off, write, value, size) : -EFAULT;
}
