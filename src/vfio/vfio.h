/* SPDX-License-Identifier: MIT */
/*
 * The drivers behind devices, and who owns a group.
 *
 * A group is the unit of ownership: either one open group file has it, for a container or an
 * iommufd, or devices of it are bound one by one through their cdevs, all to one iommufd context.
 * Where each device's TLPs go is decided per device.
 *
 * All of it is called, and all fields without another tag change, under uapi->vfio_lock.
 */
#ifndef VFIO_VFIO_H
#define VFIO_VFIO_H

#include "obj/obj.h"
#include "pci/pci.h"
#include "uapi/uapi.h"

struct vfio_container;

struct vfio_group {
	struct uapi *uapi;   /* constant */
	uint32_t number;     /* constant */
	uint32_t refs;	     /* the group file, and open devices */
	bool opened;	     /* its file is open */
	uint32_t device_nr;  /* open files of devices, by way of the group file */
	uint32_t cdev_nr;    /* devices bound through cdevs */
	struct obj_ctx *ctx; /* opened: the iommufd it is in (referenced); else its cdevs' */
	struct vfio_container *container; /* opened: the container it is in */
};

/* The group of that number with a reference, made when it is first used. 0; -ENOMEM. */
int vfio_group_get(struct uapi *uapi, uint32_t number, struct vfio_group **out);
void vfio_group_put(struct vfio_group *group);

/*
 * vfio-pci: the driver behind a PCI function that a program drives. It declares that the function
 * sends requests with its RID; with its RID and a PASID, too, where it has the PASID capability.
 */
struct vfio_pci {
	struct ioas_pci *pci;	  /* constant */
	struct vfio_group *group; /* constant; referenced */
	uint32_t opens;		  /* files that may use it */
	struct obj_device *bound; /* in an iommufd context; NULL: in a container */
	struct kind_own kind;	  /* constant: the IOMMU as the function sees it */
};

/*
 * Opens the function for the first time: claims and resets it, declares its TLPs; DMA is blocked.
 * 0; -EBUSY another process has it; -ENOMEM.
 */
int vfio_pci_open(struct uapi *uapi, struct ioas_pci *pci, struct vfio_pci **out,
		  struct ioas_why *why);
/* One file fewer; the last one resets the function, ends its route and frees the driver. */
void vfio_pci_close(struct vfio_pci *vdev);
/* Where a function cannot do DMA: what its IOMMU has reserved. */
const struct ioas_range *vfio_pci_reserved(const struct vfio_pci *vdev, size_t *nr);

/* An open device file, of a cdev or from VFIO_GROUP_GET_DEVICE_FD. */
struct vfio_file {
	struct ioas_pci *pci;	      /* constant */
	struct ioas_file *group_file; /* constant; kept open; NULL: a cdev */
	_Atomic bool granted;	      /* vdev is set and the device may be used */
	struct vfio_pci *vdev;	      /* constant once granted */
};

/* A container: the address space of the groups in it, with type1's rules. */
struct vfio_container {
	struct ioas_iommu *iommu; /* constant */
	uint32_t refs;		  /* its file, and groups in it */
	uint32_t group_nr;
	pthread_mutex_t lock; /* one type1 operation at a time */
	/* These change under vfio_lock and `lock`, so that either is enough to read them. */
	uint32_t type; /* VFIO_TYPE1_IOMMU or VFIO_TYPE1v2_IOMMU; 0: none yet */
	struct ioas_space *space;
	struct pt *pt;
};

/* Mappings that one container may hold, as vfio_iommu_type1's dma_entry_limit. */
#define VFIO_CONTAINER_ENTRIES 65535u

/*
 * Attaches a device to the container's address space: to its page table, or to another one on the
 * same space where its IOMMU needs another form. As route_attach.
 */
int vfio_container_attach(struct vfio_container *container, struct ioas_device *dev,
			  struct ioas_why *why);
/* A group enters or leaves; the last one that leaves ends the address space. */
void vfio_container_join(struct vfio_container *container, struct vfio_group *group);
void vfio_container_leave(struct vfio_group *group);

#endif
