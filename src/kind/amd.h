/* SPDX-License-Identifier: MIT */
/* Guest translation of AMD's IOMMU (amd_nested.c), for its kind_ops. */
#ifndef KIND_AMD_H
#define KIND_AMD_H

#include "kind/kind.h"

int amd_nested(struct kind_device *dev, struct obj_hwpt *hwpt, uint32_t flags,
	       const struct kind_data *data, struct ioas_why *why);
void amd_nested_free(struct obj_hwpt *hwpt);
int amd_nested_invalidate(struct obj_hwpt *hwpt, struct kind_array *array, struct ioas_why *why);
int amd_attach(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
	       struct obj_hwpt *old, struct ioas_why *why);

#endif
