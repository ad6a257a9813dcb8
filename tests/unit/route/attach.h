/* SPDX-License-Identifier: MIT */
/* Devices of made-up requester IDs, and three page tables for them: 11, 12 and 13. */
#ifndef TESTS_ROUTE_ATTACH_H
#define TESTS_ROUTE_ATTACH_H

#include "tests/unit/tlp/rig.h"

static struct ioas_iommu *iommu;
static struct pt *pt[3];

static inline int start(const struct ioas_iommu_config *config)
{
	struct pt_config pt_config = {.format = PT_AMDV1, .aw = 48};
	int rc = ioas_iommu_new(config, &iommu);

	for (unsigned i = 0; !rc && i < 3; i++) {
		rc = pt_new(&pt_config, &pt[i]);
		if (!rc)
			pt_label(pt[i], i + 1, i + 11);
	}
	return rc;
}

static inline int setup(void **arg)
{
	return start(NULL);
}

static inline int setup_same(void **arg)
{
	return start(&(struct ioas_iommu_config){.pasid_0_same = true});
}

static inline int teardown(void **arg)
{
	for (unsigned i = 0; i < 3; i++)
		pt_destroy(pt[i]);
	ioas_iommu_destroy(iommu);
	return 0;
}

static inline struct ioas_device *device(rid_t rid, struct route_set *set, uint32_t forms,
					 unsigned lg2)
{
	char name[IOAS_NAME_LEN];
	struct route_identity who = {
		.name = name,
		.id = rid,
		.set = set,
	};
	struct ioas_device *dev;

	snprintf(name, sizeof(name), "0000:%02x:%02x.%x", rid >> 8, rid >> 3 & 31, rid & 7);
	assert_int_equal(route_device_create(iommu, &who, &dev), 0);
	assert_int_equal(ioas_device_bind(dev, forms, lg2, NULL), 0);
	return dev;
}

static inline void end(struct ioas_device *dev)
{
	ioas_device_unbind(dev);
	route_device_destroy(dev);
}

static inline int attach(struct ioas_device *dev, int pasid, unsigned to, struct ioas_why *why)
{
	pasid_t number = (pasid_t)pasid;

	return route_attach(dev, pasid < 0 ? NULL : &number, pt[to], why);
}

static inline void detach(struct ioas_device *dev, int pasid)
{
	pasid_t number = (pasid_t)pasid;

	route_detach(dev, pasid < 0 ? NULL : &number);
}

static inline struct pt *route_of(struct ioas_device *dev, int pasid)
{
	pasid_t number = (pasid_t)pasid;
	struct route_entry *entry = route_entry_find(dev->set, pasid < 0 ? NULL : &number);

	return entry && entry->to ? entry->to->pt : NULL;
}

#define BOTH (IOAS_FORM_RID | IOAS_FORM_PASID)

#endif
