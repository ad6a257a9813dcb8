/* SPDX-License-Identifier: MIT */
/* vfio-pci: says what a PCI function will send, and takes it from one program to the next. */
#include <errno.h>
#include <stdlib.h>
#include "route/route.h"
#include "util/alloc.h"
#include "vfio/vfio.h"

/* Memory writes there are interrupts on x86: Intel SDM volume 3, 11.11 (MSI address format). */
static const struct ioas_range reserved[] = {{0xfee00000, 0xfeefffff}};

const struct ioas_range *vfio_pci_reserved(size_t *nr)
{
	*nr = sizeof(reserved) / sizeof(reserved[0]);
	return reserved;
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
	rc = ioas_device_bind(ioas_pci_device(pci), IOAS_FORM_RID, why);
	if (rc)
		goto err_close;
	vdev->opens = 1;
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
		route_detach(dev);
	ioas_device_unbind(dev);
	vfio_group_put(vdev->group);
	free(vdev);
}
