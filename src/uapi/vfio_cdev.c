/* SPDX-License-Identifier: MIT */
/* /dev/vfio/devices/vfioN: giving a device to an iommufd context, and attaching it there. */
#include <errno.h>
#include <ioas/uapi/vfio.h>
#include "uapi/device_file.h"
#include "uapi/handlers.h"
#include "util/lock.h"
#include "util/why.h"

static int bind_device(struct uapi_call *call, struct vfio_file *vfile, struct obj_ctx *ctx)
{
	struct vfio_device_bind_iommufd *cmd = call->cmd;
	const struct ioas_range *reserved;
	struct vfio_pci *vdev;
	size_t nr;
	int rc = vfio_pci_open(call->file->iommu->uapi, vfile->pci, &vdev, call->why);

	if (rc)
		return rc;
	reserved = vfio_pci_reserved(vdev, &nr);
	rc = obj_device_bind(ctx, ioas_pci_device(vfile->pci), &vdev->kind.base, reserved, nr,
			     &vdev->bound);
	if (!rc) {
		cmd->out_devid = vdev->bound->obj.id;
		rc = uapi_respond_len(call, call->op->min);
	}
	if (rc) {
		vfio_pci_close(vdev);
		return rc;
	}
	vdev->group->ctx = ctx;
	vdev->group->cdev_nr++;
	vfile->vdev = vdev;
	atomic_store_explicit(&vfile->granted, true, memory_order_release);
	return 0;
}

/* The member of a group that a program has by its cdev; the one that is asked for has nobody. */
static int find_bound(struct ioas_pci *pci, void *arg)
{
	struct ioas_pci **at = arg;

	if (pci_group_of(pci) != pci_group_of(*at) || !pci->vfio)
		return 0;
	*at = pci;
	return 1;
}

static int refuse_owner(struct uapi_call *call, struct ioas_pci *pci, uint32_t number)
{
	struct ioas_pci *other = pci;

	ioas_pci_each(call->file->iommu, find_bound, &other);
	return why_set(call->why, -EPERM,
		       "%s of group %u, which has one owner, is bound to another iommufd",
		       other->name, number);
}

/* `file` is what the caller's descriptor stands for, or NULL and `file_rc` says why not. */
static int bind_locked(struct uapi_call *call, struct ioas_file *file, int file_rc)
{
	const struct vfio_device_bind_iommufd *cmd = call->cmd;
	struct vfio_file *vfile = call->file->priv;
	uint32_t number = pci_group_number(pci_group_of(vfile->pci));
	struct vfio_group *group = ids_get(&call->file->iommu->uapi->groups, number);
	int rc;

	lock_must_hold(&call->file->iommu->uapi->vfio_lock);
	if (group && group->opened)
		return why_set(call->why, -EBUSY, "group %u is open", number);
	if (vfile->granted)
		return why_set(call->why, -EINVAL, "the device file is bound already");
	if (!file)
		return why_set(call->why, file_rc, "descriptor %d is not an iommufd", cmd->iommufd);
	if (file->ops != &iommufd_file_ops)
		return why_set(call->why, -EBADFD, "descriptor %d is not an iommufd", cmd->iommufd);
	if (vfile->pci->vfio)
		return why_set(call->why, -EINVAL, "another file has the device");
	rc = pci_group_check(pci_group_of(vfile->pci), call->why);
	if (rc)
		return rc;
	if (group && group->cdev_nr && group->ctx != file->priv)
		return refuse_owner(call, vfile->pci, number);
	return bind_device(call, vfile, file->priv);
}

/* The file is put outside the lock: were it the last reference, closing it may take the lock. */
long vfio_device_bind_iommufd(struct uapi_call *call)
{
	const struct vfio_device_bind_iommufd *cmd = call->cmd;
	struct uapi *uapi = call->file->iommu->uapi;
	const struct vfio_file *vfile = call->file->priv;
	struct ioas_file *file = NULL;
	int file_rc;
	long rc;

	if (cmd->flags)
		return why_set(call->why, -EINVAL, "unknown flags 0x%x", cmd->flags);
	if (cmd->iommufd < 0)
		return why_set(call->why, -EINVAL, "%d cannot be a descriptor", cmd->iommufd);
	if (vfile->group_file)
		return why_set(call->why, -EINVAL, "the file came from a group, not from a cdev");
	file_rc = call->caller->ops->file_get(call->caller, cmd->iommufd, &file);
	if (file_rc)
		file = NULL;
	pthread_mutex_lock(&uapi->vfio_lock);
	rc = bind_locked(call, file, file_rc);
	pthread_mutex_unlock(&uapi->vfio_lock);
	if (file)
		ioas_file_put(file);
	return rc;
}

/* What a file from a group has not. */
int device_file_check_cdev(struct uapi_call *call)
{
	const struct vfio_file *vfile = call->file->priv;

	return vfile->group_file ? why_set(call->why, -ENOTTY, "only a cdev has this ioctl") : 0;
}

/*
 * The PASID of a call that has one: what follows the minimal struct. Linux 6.12 has none. In this
 * ABI PASID 0 is another word for none.
 */
static int read_pasid(struct uapi_call *call, uint32_t flags, uint32_t *pasid)
{
	uint32_t known = call->file->iommu->config.abi_6_12 ? 0 : VFIO_DEVICE_ATTACH_PASID;

	*pasid = 0;
	if (flags & ~known)
		return why_set(call->why, -EINVAL, "unknown flags 0x%x", flags & ~known);
	if (!flags)
		return 0;
	if (call->user_size < call->op->min + sizeof(*pasid))
		return why_set(call->why, -EINVAL, "argsz %u leaves no room for the PASID",
			       call->user_size);
	return uapi_copy_from(call, pasid, call->arg + call->op->min, sizeof(*pasid));
}

int device_file_attach(struct vfio_file *vfile, const uint32_t *pasid, uint32_t *pt_id,
		       struct ioas_why *why)
{
	return pasid ? obj_device_attach_pasid(vfile->vdev->bound, *pasid, OBJ_ATTACH_OR_REPLACE,
					       pt_id, why)
		     : obj_device_attach(vfile->vdev->bound, pt_id, why);
}

void device_file_detach(struct vfio_file *vfile, const uint32_t *pasid)
{
	if (pasid)
		obj_device_detach_pasid(vfile->vdev->bound, *pasid);
	else
		obj_device_detach(vfile->vdev->bound);
}

long vfio_device_attach_iommufd_pt(struct uapi_call *call)
{
	struct vfio_device_attach_iommufd_pt *cmd = call->cmd;
	const uint32_t *pasid;
	int rc = device_file_check_cdev(call);

	if (!rc)
		rc = read_pasid(call, cmd->flags, &cmd->pasid);
	if (rc)
		return rc;
	pasid = cmd->pasid ? &cmd->pasid : NULL;
	rc = device_file_attach(call->file->priv, pasid, &cmd->pt_id, call->why);
	if (rc < 0)
		return rc;
	rc = uapi_respond_len(call, call->op->min);
	if (rc)
		device_file_detach(call->file->priv, pasid);
	return rc;
}

long vfio_device_detach_iommufd_pt(struct uapi_call *call)
{
	struct vfio_device_detach_iommufd_pt *cmd = call->cmd;
	int rc = device_file_check_cdev(call);

	if (!rc)
		rc = read_pasid(call, cmd->flags, &cmd->pasid);
	if (!rc)
		device_file_detach(call->file->priv, cmd->pasid ? &cmd->pasid : NULL);
	return rc;
}
