/* SPDX-License-Identifier: MIT */
/* VT-d: its mode, and first-stage tables that programs keep (vtd_nested.c), for its kind_ops. */
#ifndef KIND_VTD_H
#define KIND_VTD_H

#include "kind/unit.h"

/* Is it used in scalable mode? */
bool vtd_scalable(const struct kind_unit *unit);

int vtd_nested(struct kind_device *dev, struct obj_hwpt *hwpt, uint32_t flags,
	       const struct kind_data *data, struct ioas_why *why);
void vtd_nested_free(struct obj_hwpt *hwpt);
int vtd_nested_invalidate(struct obj_hwpt *hwpt, struct kind_array *array, struct ioas_why *why);

#endif
