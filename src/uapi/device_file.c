/* SPDX-License-Identifier: MIT */
/* Files of devices: from a cdev, locked until bound, or from a group. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <ioas/uapi/vfio.h>
#include "route/route.h"
#include "uapi/device_file.h"
#include "uapi/type1.h"
#include "util/alloc.h"
#include "util/why.h"

static int device_open(struct ioas_file *file, struct ioas_why *why)
{
	struct ioas_pci *pci = pci_cdev_find(file->iommu, file->node.index);
	struct vfio_file *vfile;

	if (!pci)
		return why_set(why, -ENODEV, "no device has the number %u", file->node.index);
	vfile = alloc_zero(1, sizeof(*vfile));
	if (!vfile)
		return why_set(why, -ENOMEM, "no memory to open %s", file->node.path);
	vfile->pci = pci;
	file->priv = vfile;
	return 0;
}

static void close_in_group(struct vfio_file *vfile)
{
	vfile->vdev->group->device_nr--;
	vfio_pci_close(vfile->vdev);
}

/* The context stays the group's while another device of it is bound. */
static void close_cdev(struct vfio_file *vfile)
{
	struct vfio_group *group = vfile->vdev->group;

	if (!--group->cdev_nr)
		group->ctx = NULL;
	vfio_pci_close(vfile->vdev);
}

static void device_release(struct ioas_file *file)
{
	struct uapi *uapi = file->iommu->uapi;
	struct vfio_file *vfile = file->priv;

	pci_watch_forget(vfile->pci, file);
	pthread_mutex_lock(&uapi->vfio_lock);
	if (vfile->granted && vfile->group_file)
		close_in_group(vfile);
	else if (vfile->granted)
		close_cdev(vfile);
	pthread_mutex_unlock(&uapi->vfio_lock);
	if (vfile->group_file)
		ioas_file_put(vfile->group_file);
	free(vfile);
}

struct ioas_pci *device_file_pci(struct ioas_file *file)
{
	struct vfio_file *vfile = file->priv;

	return atomic_load_explicit(&vfile->granted, memory_order_acquire) ? vfile->pci : NULL;
}

const char *device_file_name(const struct ioas_file *file)
{
	const struct vfio_file *vfile = file->priv;

	return vfile ? vfile->pci->name : NULL;
}

/*
 * A cdev is useless, for known and unknown ioctls alike, until it is bound: all but those of ours,
 * which say what the device is.
 */
static long device_ioctl(struct uapi_call *call, uint32_t cmd)
{
	struct ioas_pci *pci;

	if (uapi_is_ext(cmd))
		return uapi_dispatch_ext(call, cmd);
	pci = device_file_pci(call->file);
	if (pci)
		pci_low_power_wake(pci);
	else if (cmd != VFIO_DEVICE_BIND_IOMMUFD)
		return why_set(call->why, -EINVAL, "%s is not bound yet (VFIO_DEVICE_BIND_IOMMUFD)",
			       call->file->node.path);
	return uapi_dispatch_vfio(call, &uapi_device_table, cmd);
}

const struct uapi_file_ops device_file_ops = {
	.open = device_open,
	.release = device_release,
	.ioctl = device_ioctl,
	.read = region_read,
	.write = region_write,
	.mmap = region_mmap,
	.access = region_access,
};

/* The route of a device that has just been opened; the group's space exists. */
static int route(struct vfio_pci *vdev, struct ioas_why *why)
{
	struct vfio_group *group = vdev->group;
	const struct ioas_range *reserved;
	size_t nr;
	uint32_t id;
	int rc;

	if (group->container) {
		rc = vfio_container_attach(group->container, ioas_pci_device(vdev->pci), why);
		return rc < 0 ? rc : 0;
	}
	id = type1_compat_id(group->ctx);
	reserved = vfio_pci_reserved(vdev, &nr);
	rc = obj_device_bind(group->ctx, ioas_pci_device(vdev->pci), &vdev->kind.base, reserved, nr,
			     &vdev->bound);
	if (rc)
		return rc;
	/* The program may have taken the IOAS away again: then it attaches nowhere. */
	rc = id ? obj_device_attach(vdev->bound, &id, why) : 0;
	return rc < 0 ? rc : 0;
}

static int open_locked(struct ioas_file *group_file, struct ioas_pci *pci, struct vfio_pci **out,
		       struct ioas_why *why)
{
	struct vfio_group *group = group_file->priv;
	struct vfio_pci *vdev = pci->vfio;
	int rc;

	if (!group->container && !group->ctx)
		return why_set(why, -EINVAL, "group %u is in no container", group->number);
	if (group->container && !group->container->type)
		return why_set(why, -EINVAL, "the container has no IOMMU yet (VFIO_SET_IOMMU)");
	if (vdev) {
		vdev->opens++;
		*out = vdev;
		return 0;
	}
	rc = vfio_pci_open(group->uapi, pci, &vdev, why);
	if (rc)
		return rc;
	rc = route(vdev, why);
	if (rc) {
		vfio_pci_close(vdev);
		return rc;
	}
	*out = vdev;
	return 0;
}

int device_file_open_in_group(struct uapi_call *call, struct ioas_pci *pci, struct ioas_file **out)
{
	struct ioas_file *group_file = call->file;
	struct uapi *uapi = group_file->iommu->uapi;
	struct ioas_node node = {.kind = IOAS_NODE_VFIO_DEVICE, .index = pci_cdev_index(pci)};
	struct vfio_file *vfile = alloc_zero(1, sizeof(*vfile));
	struct ioas_file *file;
	int rc;

	snprintf(node.path, sizeof(node.path), "anon_inode:[vfio-device]");
	file = uapi_file_new(group_file->iommu, call->caller, &node, &device_file_ops);
	if (!vfile || !file) {
		free(vfile);
		free(file);
		return -ENOMEM;
	}
	vfile->pci = pci;
	pthread_mutex_lock(&uapi->vfio_lock);
	rc = open_locked(group_file, pci, &vfile->vdev, call->why);
	if (!rc)
		vfile->vdev->group->device_nr++;
	pthread_mutex_unlock(&uapi->vfio_lock);
	if (rc) {
		free(vfile);
		free(file);
		return rc;
	}
	vfile->group_file = ioas_file_get(group_file);
	vfile->granted = true;
	file->priv = vfile;
	*out = file;
	return 0;
}
