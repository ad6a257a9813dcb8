/* SPDX-License-Identifier: MIT */
/* What MAP, MAP_FILE and COPY have in common. */
#ifndef UAPI_IOAS_MAP_H
#define UAPI_IOAS_MAP_H

#include <ioas/space.h>

struct uapi_call;

/* What they check of their numbers before any object is looked for. */
int ioas_map_check(struct uapi_call *call, uint32_t flags, uint64_t iova, uint64_t iova2,
		   uint64_t len);
/* IOMMU_IOAS_MAP_* as enum ioas_map_flags. */
uint32_t ioas_map_flags(uint32_t flags);
/* Answers; a caller that cannot hear where its mapping is gets none. */
int ioas_map_respond(struct uapi_call *call, struct ioas_space *space, iova_t iova, uint64_t len);

#endif
