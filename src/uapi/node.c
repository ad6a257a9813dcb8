/* SPDX-License-Identifier: MIT */
/* The instance's part of this folder, and the device nodes it shows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <ioas/run.h>
#include "pci/pci.h"
#include "uapi/uapi.h"
#include "util/alloc.h"
#include "util/lock.h"

#define MISC_MAJOR  10
#define IOMMU_MINOR 127
#define VFIO_MINOR  196
#define CDEV_MAJOR  510
#define GROUP_MAJOR 511

int uapi_new(struct ioas_iommu *iommu, struct uapi **out)
{
	struct uapi *uapi = alloc_zero(1, sizeof(*uapi));

	if (!uapi)
		return -ENOMEM;
	uapi->iommu = iommu;
	uapi->counts = iommu_counters_alloc(iommu, IOAS_RUN_IOCTLS, uapi_counts_len());
	if (!uapi->counts) {
		free(uapi);
		return -ENOMEM;
	}
	lock_init(&uapi->vfio_lock, LOCK_VFIO);
	lock_guards(&uapi->vfio_lock, &uapi->groups, uapi + 1);
	*out = uapi;
	return 0;
}

void uapi_destroy(struct uapi *uapi)
{
	if (!uapi)
		return;
	pthread_mutex_destroy(&uapi->vfio_lock);
	ids_fini(&uapi->groups);
	iommu_counters_free(uapi->iommu, (void *)uapi->counts);
	free(uapi);
}

static void fill(struct ioas_node *node, enum ioas_node_kind kind, uint32_t index, uint32_t major,
		 uint32_t minor)
{
	*node = (struct ioas_node){.kind = kind, .index = index, .major = major, .minor = minor};
}

/* Counts down to the one that is wanted. */
struct search {
	size_t left;
	struct ioas_node *out;
};

static int count_group(struct pci_group *group, void *arg)
{
	struct search *search = arg;
	uint32_t number = pci_group_number(group);

	if (search->left--)
		return 0;
	fill(search->out, IOAS_NODE_VFIO_GROUP, number, GROUP_MAJOR, number);
	snprintf(search->out->path, sizeof(search->out->path), "/dev/vfio/%u", number);
	return 1;
}

static int count_cdev(struct ioas_pci *pci, void *arg)
{
	struct search *search = arg;
	uint32_t index;

	if (search->left--)
		return 0;
	index = pci_cdev_index(pci);
	fill(search->out, IOAS_NODE_VFIO_CDEV, index, CDEV_MAJOR, index);
	snprintf(search->out->path, sizeof(search->out->path), "/dev/vfio/devices/vfio%u", index);
	return 1;
}

int ioas_node_at(struct ioas_iommu *iommu, size_t index, struct ioas_node *out)
{
	struct search search = {.left = index - 2, .out = out};

	switch (index) {
	case 0:
		fill(out, IOAS_NODE_IOMMU, 0, MISC_MAJOR, IOMMU_MINOR);
		snprintf(out->path, sizeof(out->path), "/dev/iommu");
		return 0;
	case 1:
		fill(out, IOAS_NODE_VFIO, 0, MISC_MAJOR, VFIO_MINOR);
		snprintf(out->path, sizeof(out->path), "/dev/vfio/vfio");
		return 0;
	}
	if (pci_group_each(iommu, count_group, &search))
		return 0;
	return ioas_pci_each(iommu, count_cdev, &search) ? 0 : -ENOENT;
}
