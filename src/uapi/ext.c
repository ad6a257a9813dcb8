/* SPDX-License-Identifier: MIT */
/* Which device an ioctl of ours means, and answers that are lists. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "route/route.h"
#include "uapi/ext.h"
#include "util/alloc.h"
#include "util/why.h"

static int by_id(struct uapi_call *call, uint32_t dev_id, struct ext_device *out)
{
	struct obj_ctx *ctx = call->file->priv;
	struct obj_device *device;

	pthread_mutex_lock(&ctx->lock);
	device = (struct obj_device *)obj_peek(ctx, dev_id, OBJ_DEVICE);
	if (device)
		out->dev = device->dev;
	pthread_mutex_unlock(&ctx->lock);
	if (!device)
		return why_set(call->why, -ENOENT, "no device has id %u", dev_id);
	if (out->dev && out->dev->bus == ROUTE_PCI)
		out->pci = out->dev->bus_arg;
	out->ctx = ctx;
	return 0;
}

static int by_file(struct uapi_call *call, uint32_t dev_id, struct ext_device *out)
{
	const struct vfio_file *vfile = call->file->priv;

	if (dev_id)
		return why_set(call->why, -EINVAL,
			       "%s is a device by itself: dev_id is 0 there, not %u",
			       call->file->node.path, dev_id);
	out->pci = vfile->pci;
	out->dev = ioas_pci_device(vfile->pci);
	if (vfile->granted && vfile->vdev->bound)
		out->ctx = vfile->vdev->bound->obj.ctx;
	return 0;
}

/* A machine that was described has it at hand; else it is made for the call, and is small. */
int ext_find_topology(struct uapi_call *call, struct ext_device *device)
{
	int rc;

	device->topology = ioas_pci_topology(call->file->iommu);
	if (device->topology)
		return 0;
	rc = ioas_pci_describe(call->file->iommu, &device->copy, call->why);
	device->topology = device->copy;
	return rc;
}

int ext_begin(struct uapi_call *call, uint32_t dev_id, struct ext_device *out)
{
	struct uapi *uapi = call->file->iommu->uapi;
	int rc;

	*out = (struct ext_device){0};
	pthread_mutex_lock(&uapi->vfio_lock);
	rc = call->file->ops == &device_file_ops ? by_file(call, dev_id, out)
						 : by_id(call, dev_id, out);
	if (rc)
		pthread_mutex_unlock(&uapi->vfio_lock);
	return rc;
}

void ext_end(struct uapi_call *call, struct ext_device *device)
{
	pthread_mutex_unlock(&call->file->iommu->uapi->vfio_lock);
	ioas_topology_destroy(device->copy);
	device->topology = device->copy = NULL;
}

uint32_t ext_address(struct ioas_pci_addr addr)
{
	return (uint32_t)addr.segment << 16 | (uint32_t)addr.bus << 8 | addr.devfn;
}

static bool reserve(char **block, size_t *cap, size_t len)
{
	size_t want = *cap ? *cap * 2 : 512;
	char *grown;

	if (len <= *cap)
		return true;
	if (want < len)
		want = len;
	grown = alloc_resize(*block, want);
	if (!grown)
		return false;
	*block = grown;
	*cap = want;
	return true;
}

int ext_list_add(struct ext_list *list, const void *entry, const char *line)
{
	size_t at = list->nr * list->entry_len, len = strlen(line);

	if (!reserve(&list->entries, &list->entries_cap, at + list->entry_len) ||
	    !reserve(&list->text, &list->text_cap, list->text_len + len + 1))
		return -ENOMEM;
	memcpy(list->entries + at, entry, list->entry_len);
	memcpy(list->text + list->text_len, line, len);
	list->text[list->text_len + len] = '\n';
	list->text_len += len + 1;
	list->nr++;
	return 0;
}

void ext_list_free(struct ext_list *list)
{
	free(list->entries);
	free(list->text);
}

static int check(struct uapi_call *call)
{
	const struct ioas_get_list *cmd = call->cmd;

	if (cmd->flags || cmd->__reserved)
		return why_set(call->why, -EOPNOTSUPP, "flags or a reserved field are not 0");
	if (!cmd->entry_nr != !cmd->entries_uptr)
		return why_set(call->why, -EINVAL, "entries_uptr and entry_nr go together");
	if (!cmd->text_len != !cmd->text_uptr)
		return why_set(call->why, -EINVAL, "text_uptr and text_len go together");
	return 0;
}

/* What fits of the text, and the zero that ends it. */
static int answer_text(struct uapi_call *call, const struct ext_list *list)
{
	const struct ioas_get_list *cmd = call->cmd;
	size_t len = list->text_len < cmd->text_len ? list->text_len : cmd->text_len - 1;
	int rc;

	if (!cmd->text_len)
		return 0;
	rc = uapi_copy_to(call, cmd->text_uptr, list->text, len);
	return rc ? rc : uapi_zero(call, cmd->text_uptr + len, 1);
}

static int answer(struct uapi_call *call, const struct ext_list *list)
{
	struct ioas_get_list *cmd = call->cmd;
	size_t room = cmd->entry_nr, fits = list->nr < room ? list->nr : room;
	int rc = uapi_copy_to(call, cmd->entries_uptr, list->entries, fits * list->entry_len);

	if (!rc)
		rc = answer_text(call, list);
	if (rc)
		return rc;
	cmd->entry_nr = (uint32_t)list->nr;
	cmd->text_len = (uint32_t)list->text_len + 1;
	rc = uapi_respond(call);
	if (!rc && room && list->nr > room)
		rc = why_set(call->why, -EMSGSIZE, "there are %zu entries, room for %zu", list->nr,
			     room);
	return rc;
}

long ext_list_call(struct uapi_call *call, size_t entry_len,
		   int (*gather)(const struct ext_device *device, struct ext_list *list))
{
	const struct ioas_get_list *cmd = call->cmd;
	struct ext_list list = {.entry_len = entry_len};
	struct ext_device device;
	int rc = check(call);

	if (!rc)
		rc = ext_begin(call, cmd->dev_id, &device);
	if (rc)
		return rc;
	if (device.pci)
		rc = ext_find_topology(call, &device);
	if (device.pci && !rc)
		rc = gather(&device, &list);
	ext_end(call, &device);
	if (!rc)
		rc = answer(call, &list);
	ext_list_free(&list);
	return rc == -ENOMEM ? why_set(call->why, rc, "no memory for the list") : rc;
}
