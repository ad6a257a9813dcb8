/* SPDX-License-Identifier: MIT */
/* Spaces nested in software (nest.c): for what else of this folder changes a space. */
#ifndef SPACE_NEST_H
#define SPACE_NEST_H

#include "space/private.h"

/* Has anything been nested on it? Then what changes it says so to the children. */
static inline bool nest_is_parent(const struct ioas_space *space)
{
	return atomic_load_explicit(&space->is_parent, memory_order_seq_cst);
}

static inline void nest_lock(struct ioas_space *space)
{
	pthread_mutex_lock(&space->iommu->nest_lock);
}

static inline void nest_unlock(struct ioas_space *space)
{
	pthread_mutex_unlock(&space->iommu->nest_lock);
}

/*
 * Something has been mapped in first..last: the children show it, too. 0; or what MAP answers for
 * memory that is not there: one of them cannot, and what was mapped is gone again. No space's lock
 * is held.
 */
int nest_after_map(struct ioas_space *space, iova_t first, iova_t last, struct ioas_why *why);
/* UNMAP of a parent: also -EBUSY or -EDEADLOCK, where a child's part is not let go. */
int nest_unmap_parent(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
		      struct ioas_why *why);
/* Something was unmapped while the first child came. */
void nest_after_unmap(struct ioas_space *space, iova_t first, iova_t last);
/* UNMAP of a nested space: whole maps, whatever of them is shown. */
int nest_unmap_child(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
		     struct ioas_why *why);
/* The space has no areas and nobody has a reference: takes it off its parent. */
void nest_end(struct ioas_space *space);

#endif
