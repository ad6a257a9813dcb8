/* SPDX-License-Identifier: MIT */
/* /dev/vfio/N: taking a group, putting it into an address space, and opening its devices. */
#include <errno.h>
#include <string.h>
#include <ioas/uapi/vfio.h>
#include "uapi/device_file.h"
#include "uapi/handlers.h"
#include "uapi/type1.h"
#include "util/lock.h"
#include "util/why.h"
#include "vfio/vfio.h"

/* Longest name that GET_DEVICE_FD reads, options included. */
#define NAME_MAX_LEN 256

static int group_open_locked(struct ioas_file *file, struct ioas_why *why)
{
	struct vfio_group *group;
	int rc;

	lock_must_hold(&file->iommu->uapi->vfio_lock);
	if (!pci_group_find(file->iommu, file->node.index))
		return why_set(why, -ENODEV, "group %u has no device", file->node.index);
	rc = vfio_group_get(file->iommu->uapi, file->node.index, &group);
	if (rc)
		return rc;
	if (group->opened)
		rc = why_set(why, -EBUSY, "group %u is open already", group->number);
	else if (group->cdev_nr)
		rc = why_set(why, -EBUSY, "a device of group %u is bound through its cdev",
			     group->number);
	if (rc) {
		vfio_group_put(group);
		return rc;
	}
	group->opened = true;
	file->priv = group;
	return 0;
}

static int group_open(struct ioas_file *file, struct ioas_why *why)
{
	struct uapi *uapi = file->iommu->uapi;
	int rc;

	pthread_mutex_lock(&uapi->vfio_lock);
	rc = group_open_locked(file, why);
	pthread_mutex_unlock(&uapi->vfio_lock);
	return rc;
}

static bool in_space(const struct vfio_group *group)
{
	lock_must_hold(&group->uapi->vfio_lock);
	return group->container || group->ctx;
}

/* 0; -EPERM a driver of the host has a member. */
static int viable(const struct vfio_group *group, struct ioas_why *why)
{
	struct pci_group *members = pci_group_find(group->uapi->iommu, group->number);

	return members ? pci_group_check(members, why) : 0;
}

static void leave_space(struct vfio_group *group)
{
	lock_must_hold(&group->uapi->vfio_lock);
	if (group->container)
		vfio_container_leave(group);
	if (group->ctx)
		obj_ctx_put(group->ctx);
	group->ctx = NULL;
}

/* Devices opened through the group keep its file, so there are none left here. */
static void group_release(struct ioas_file *file)
{
	struct uapi *uapi = file->iommu->uapi;
	struct vfio_group *group = file->priv;

	pthread_mutex_lock(&uapi->vfio_lock);
	leave_space(group);
	group->opened = false;
	vfio_group_put(group);
	pthread_mutex_unlock(&uapi->vfio_lock);
}

static long group_ioctl(struct uapi_call *call, uint32_t cmd)
{
	return uapi_dispatch_vfio(call, &uapi_group_table, cmd);
}

const struct uapi_file_ops group_file_ops = {
	.open = group_open,
	.release = group_release,
	.ioctl = group_ioctl,
};

long vfio_group_get_status(struct uapi_call *call)
{
	struct uapi *uapi = call->file->iommu->uapi;
	struct vfio_group_status *status = call->cmd;

	pthread_mutex_lock(&uapi->vfio_lock);
	if (!viable(call->file->priv, NULL))
		status->flags = VFIO_GROUP_FLAGS_VIABLE;
	if (in_space(call->file->priv))
		status->flags |= VFIO_GROUP_FLAGS_CONTAINER_SET;
	pthread_mutex_unlock(&uapi->vfio_lock);
	return uapi_respond_len(call, call->op->size);
}

static int join(struct uapi_call *call, struct vfio_group *group, struct ioas_file *file)
{
	struct obj_ctx *ctx = file->priv;
	int rc;

	if (in_space(group))
		return why_set(call->why, -EINVAL, "group %u is in a container already",
			       group->number);
	rc = viable(group, call->why);
	if (rc)
		return rc;
	if (file->ops == &container_file_ops) {
		vfio_container_join(file->priv, group);
		return 0;
	}
	if (file->ops != &iommufd_file_ops)
		return why_set(call->why, -EBADFD,
			       "the descriptor is neither /dev/vfio/vfio nor /dev/iommu");
	rc = type1_compat_create(ctx);
	if (!rc)
		group->ctx = obj_ctx_get(ctx);
	return rc;
}

long vfio_group_set_container(struct uapi_call *call)
{
	struct uapi *uapi = call->file->iommu->uapi;
	struct ioas_file *file;
	int32_t fd;
	int rc = uapi_copy_from(call, &fd, call->arg, sizeof(fd));

	if (rc)
		return rc;
	rc = call->caller->ops->file_get(call->caller, fd, &file);
	if (rc == -EBADFD)
		return why_set(call->why, rc, "descriptor %d is not one of VFIO's", fd);
	if (rc)
		return why_set(call->why, rc, "%d is not an open descriptor", fd);
	pthread_mutex_lock(&uapi->vfio_lock);
	rc = join(call, call->file->priv, file);
	pthread_mutex_unlock(&uapi->vfio_lock);
	ioas_file_put(file);
	return rc;
}

long vfio_group_unset_container(struct uapi_call *call)
{
	struct uapi *uapi = call->file->iommu->uapi;
	struct vfio_group *group = call->file->priv;
	int rc = 0;

	pthread_mutex_lock(&uapi->vfio_lock);
	if (!in_space(group))
		rc = why_set(call->why, -EINVAL, "group %u is in no container", group->number);
	else if (group->container && group->device_nr)
		rc = why_set(call->why, -EBUSY, "%u device file(s) of group %u are open",
			     group->device_nr, group->number);
	else
		leave_space(group);
	pthread_mutex_unlock(&uapi->vfio_lock);
	return rc;
}

static bool is_uuid(const char *text)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]) || !text[i])
			return false;
	}
	return true;
}

/* What may follow the address: "vf_token=UUID", which only SR-IOV functions take. */
static int check_options(const char *text, struct ioas_why *why)
{
	bool token = false;

	while (*text) {
		if (*text == ' ') {
			text++;
			continue;
		}
		if (token || strncmp(text, "vf_token=", 9) || !is_uuid(text + 9))
			return why_set(why, -EINVAL, "\"%s\" is not vf_token=UUID", text);
		token = true;
		text += 9 + 36;
	}
	return token ? why_set(why, -EINVAL, "the device takes no VF token") : 0;
}

static struct ioas_pci *find_named(struct ioas_iommu *iommu, uint32_t number, const char *name)
{
	struct pci_group *group = pci_group_find(iommu, number);
	struct ioas_pci *pci = NULL;

	while (group && (pci = pci_group_next(group, pci))) {
		size_t len = strlen(pci->name);

		if (!strncmp(pci->name, name, len) && (!name[len] || name[len] == ' '))
			return pci;
	}
	return NULL;
}

long vfio_group_get_device_fd(struct uapi_call *call)
{
	struct vfio_group *group = call->file->priv;
	struct ioas_file *file;
	struct ioas_pci *pci;
	char name[NAME_MAX_LEN];
	int rc = uapi_copy_string(call, name, call->arg, sizeof(name));

	if (rc)
		return rc;
	pci = find_named(call->file->iommu, group->number, name);
	if (!pci)
		return why_set(call->why, -ENODEV, "group %u has no device \"%s\"", group->number,
			       name);
	rc = check_options(name + strlen(pci->name), call->why);
	if (!rc)
		rc = device_file_open_in_group(call, pci, &file);
	if (rc)
		return rc;
	rc = call->caller->ops->file_install(call->caller, file);
	if (rc < 0)
		ioas_file_put(file);
	return rc;
}
