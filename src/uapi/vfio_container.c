/* SPDX-License-Identifier: MIT */
/* /dev/vfio/vfio: containers, and the ioctls that make one ready for type1's. */
#include <errno.h>
#include <stdlib.h>
#include <ioas/uapi/vfio.h>
#include "iommu.h"
#include "route/route.h"
#include "space/space.h"
#include "uapi/handlers.h"
#include "uapi/type1.h"
#include "util/alloc.h"
#include "util/why.h"
#include "vfio/vfio.h"
#include "util/lock.h"

static int container_open(struct ioas_file *file, struct ioas_why *why)
{
	struct vfio_container *container = alloc_zero(1, sizeof(*container));

	if (!container)
		return why_set(why, -ENOMEM, "no memory for a container");
	container->iommu = file->iommu;
	container->refs = 1;
	lock_init(&container->lock, LOCK_CONTAINER);
	lock_guards(&container->lock, &container->type, container + 1);
	file->priv = container;
	return 0;
}

static void container_put(struct vfio_container *container)
{
	lock_must_hold(&container->iommu->uapi->vfio_lock);
	if (--container->refs)
		return;
	pthread_mutex_destroy(&container->lock);
	free(container);
}

static void container_release(struct ioas_file *file)
{
	struct uapi *uapi = file->iommu->uapi;

	pthread_mutex_lock(&uapi->vfio_lock);
	container_put(file->priv);
	pthread_mutex_unlock(&uapi->vfio_lock);
}

static void end_space(struct vfio_container *container)
{
	pthread_mutex_lock(&container->lock);
	if (container->type) {
		space_domain_detach(container->space, container->pt);
		space_unreserve(container->space, container);
		pt_destroy(container->pt);
		ioas_space_put(container->space);
		container->space = NULL;
		container->pt = NULL;
		container->type = 0;
	}
	pthread_mutex_unlock(&container->lock);
}

void vfio_container_join(struct vfio_container *container, struct vfio_group *group)
{
	group->container = container;
	container->group_nr++;
	container->refs++;
}

void vfio_container_leave(struct vfio_group *group)
{
	struct vfio_container *container = group->container;

	group->container = NULL;
	if (!--container->group_nr)
		end_space(container);
	container_put(container);
}

/* Without an address space only three ioctls mean anything. */
static long container_ioctl(struct uapi_call *call, uint32_t cmd)
{
	struct vfio_container *container = call->file->priv;
	bool ready;

	if (cmd != VFIO_GET_API_VERSION && cmd != VFIO_CHECK_EXTENSION && cmd != VFIO_SET_IOMMU) {
		pthread_mutex_lock(&container->lock);
		ready = container->type;
		pthread_mutex_unlock(&container->lock);
		if (!ready)
			return why_set(call->why, -EINVAL,
				       "the container has no IOMMU yet (VFIO_SET_IOMMU)");
	}
	return uapi_dispatch_vfio(call, &uapi_container_table, cmd);
}

const struct uapi_file_ops container_file_ops = {
	.open = container_open,
	.release = container_release,
	.ioctl = container_ioctl,
};

long vfio_get_api_version(struct uapi_call *call)
{
	return VFIO_API_VERSION;
}

int vfio_container_attach(struct vfio_container *container, struct ioas_device *dev,
			  struct ioas_why *why)
{
	const struct pt_config *config = kind_unit_table(dev->unit, false);

	if (pt_format(container->pt) == config->format &&
	    dev->unit->spec.coherency == container->iommu->unit->spec.coherency)
		return route_attach(dev, NULL, container->pt, why);
	return ioas_device_attach(dev, container->space, why);
}

/* All of the machine's page tables must enforce it; a container without one cannot say so yet. */
static bool machine_coherent(struct ioas_iommu *iommu)
{
	const struct kind_unit *unit;
	bool all = true;

	for (size_t i = 0; all && (unit = pci_unit_at(iommu, i)); i++)
		all = unit->spec.coherency;
	return all;
}

static long coherent(struct uapi_call *call)
{
	struct vfio_container *container = call->file->priv;
	bool ready;

	if (call->file->node.kind == IOAS_NODE_IOMMU)
		return type1_compat_coherent(call);
	pthread_mutex_lock(&container->lock);
	ready = container->type;
	pthread_mutex_unlock(&container->lock);
	return ready && machine_coherent(container->iommu);
}

long vfio_check_extension(struct uapi_call *call)
{
	switch (call->arg) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_DMA_CC_IOMMU:
		return coherent(call);
	}
	return 0;
}

/* An empty space, its page table, and what devices cannot reach. */
static int begin_space(struct vfio_container *container, uint32_t type, struct ioas_why *why)
{
	struct pt_config config = *kind_unit_table(container->iommu->unit, false);
	const struct ioas_range *reserved;
	size_t nr;
	struct ioas_space *space;
	struct pt *pt;
	int rc = ioas_space_new(container->iommu, &space);

	if (rc)
		return rc;
	config.aw = container->iommu->aw;
	space_set_rule(space, ACCOUNT_VFIO);
	rc = pt_new(&config, &pt);
	if (rc)
		goto err_space;
	reserved = pci_reserved(container->iommu, &nr);
	for (size_t i = 0; !rc && i < nr; i++)
		rc = space_reserve(space, reserved[i].first, reserved[i].last, container, why);
	if (!rc)
		rc = space_domain_attach(space, pt, why);
	if (rc)
		goto err_pt;
	pthread_mutex_lock(&container->lock);
	container->space = space;
	container->pt = pt;
	container->type = type;
	pthread_mutex_unlock(&container->lock);
	return 0;

err_pt:
	space_unreserve(space, container);
	pt_destroy(pt);
err_space:
	ioas_space_put(space);
	return rc;
}

static long set_iommu_locked(struct uapi_call *call, struct vfio_container *container)
{
	lock_must_hold(&container->iommu->uapi->vfio_lock);
	if (!container->group_nr)
		return why_set(call->why, -EINVAL,
			       "no group is in the container (VFIO_GROUP_SET_CONTAINER)");
	if (container->type)
		return why_set(call->why, -EINVAL, "the container has its IOMMU already");
	switch (call->arg) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
		return begin_space(container, (uint32_t)call->arg, call->why);
	case VFIO_UNMAP_ALL:
		return why_set(call->why, -EINVAL, "UNMAP_ALL is an extension, not an IOMMU type");
	}
	return why_set(call->why, -ENODEV, "no IOMMU of type %llu; there are TYPE1 and TYPE1v2",
		       (unsigned long long)call->arg);
}

long vfio_set_iommu(struct uapi_call *call)
{
	struct uapi *uapi = call->file->iommu->uapi;
	long rc;

	if (call->file->node.kind == IOAS_NODE_IOMMU)
		return type1_compat_set_iommu(call);
	pthread_mutex_lock(&uapi->vfio_lock);
	rc = set_iommu_locked(call, call->file->priv);
	pthread_mutex_unlock(&uapi->vfio_lock);
	return rc;
}
