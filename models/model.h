/* SPDX-License-Identifier: MIT */
/* Making a device from text out of any table of models, for ioas_model_create and its tests. */
#ifndef MODELS_MODEL_H
#define MODELS_MODEL_H

#include <ioas/model.h>

/* As ioas_model_create, with a table that ends with NULL. */
int model_create(const struct ioas_model *const *models, struct ioas_iommu *iommu, const char *text,
		 struct ioas_pci **out, struct ioas_why *why);

#endif
