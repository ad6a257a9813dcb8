/* SPDX-License-Identifier: MIT */
/* vfio-pci: says what a PCI function will send, and takes it from one program to the next. */
#include <errno.h>
#include <stdlib.h>
#include "iommu.h"
#include "route/route.h"
#include "util/alloc.h"
#include "vfio/vfio.h"

const struct ioas_range *vfio_pci_reserved(const struct vfio_pci *vdev, size_t *nr)
{
	*nr = vdev->pci->reserved_nr;
	return vdev->pci->reserved;
}

/* PASIDs are the device's own or come with its work; both need the capability. */
static int declare(struct ioas_pci *pci, struct ioas_why *why)
{
	uint32_t forms = IOAS_FORM_RID;
	unsigned lg2 = pci_pasid_lg2(pci);

	if (lg2)
		forms |= pci->desc.shared_queue ? IOAS_FORM_PASID | IOAS_FORM_SHARED_QUEUE
						: IOAS_FORM_PASID;
	return ioas_device_bind(ioas_pci_device(pci), forms, lg2, why);
}

int vfio_pci_open(struct uapi *uapi, struct ioas_pci *pci, struct vfio_pci **out,
		  struct ioas_why *why)
{
	struct vfio_pci *vdev = alloc_zero(1, sizeof(*vdev));
	int rc;

	if (!vdev)
		return -ENOMEM;
	vdev->pci = pci;
	rc = vfio_group_get(uapi, pci_group_number(pci_group_of(pci)), &vdev->group);
	if (rc)
		goto err_free;
	rc = pci_open(pci, why);
	if (rc)
		goto err_group;
	rc = declare(pci, why);
	if (rc)
		goto err_close;
	vdev->opens = 1;
	kind_own_init(&vdev->kind, ioas_pci_device(pci));
	pci->vfio = vdev;
	*out = vdev;
	return 0;

err_close:
	pci_close(pci);
err_group:
	vfio_group_put(vdev->group);
err_free:
	free(vdev);
	return rc;
}

/* Bus mastering ends before the route: what the device still sends is not reported as a fault. */
void vfio_pci_close(struct vfio_pci *vdev)
{
	struct ioas_device *dev = ioas_pci_device(vdev->pci);

	if (--vdev->opens)
		return;
	vdev->pci->vfio = NULL;
	pci_close(vdev->pci);
	if (vdev->bound)
		obj_device_unbind(vdev->bound);
	else
		route_detach(dev, NULL);
	ioas_device_unbind(dev);
	vfio_group_put(vdev->group);
	free(vdev);
}
