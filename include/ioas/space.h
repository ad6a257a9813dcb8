/* SPDX-License-Identifier: MIT */
/*
 * IO address spaces: which IOVA means which memory. One half of the problem; route.h is the other.
 *
 * A space is bookkeeping until a page table is attached to it (a device is attached, or an HWPT is
 * allocated): only then is memory looked at, pinned and entered into tables.
 */
#ifndef IOAS_SPACE_H
#define IOAS_SPACE_H

#include <ioas/iommu.h>

IOAS_BEGIN

struct ioas_space;
struct ioas_caller;

/* Makes an empty space. Returns 0 and one reference in *out, or -ENOMEM. */
int ioas_space_new(struct ioas_iommu *iommu, struct ioas_space **out);
struct ioas_space *ioas_space_get(struct ioas_space *space);
/* Drops a reference; the last one unmaps everything. No page table may be attached then. */
void ioas_space_put(struct ioas_space *space);

enum ioas_map_flags {
	IOAS_MAP_READ = IOAS_PROT_READ,
	IOAS_MAP_WRITE = IOAS_PROT_WRITE,
	IOAS_MAP_FIXED = 4, /* at *iova; else the lowest free range that fits is chosen */
};

/*
 * Maps `len` bytes of the caller's memory at `va`. `caller` NULL: this process.
 * With IOAS_MAP_FIXED *iova is the address, else it receives it (only on success).
 * The checks and their order are those of IOMMU_IOAS_MAP (docs/errno.md):
 * -EOVERFLOW va + len wraps; -EINVAL len 0, or len, va or iova not aligned to the space's
 * alignment, or a reserved range is touched, or the wanted alignment is impossible; -EEXIST a
 * mapping overlaps; -ENOSPC no room; -EFAULT the memory is not there or not writable (only when a
 * page table is attached); -ENOMEM. A map that fails changes nothing. Takes the space's lock.
 */
int ioas_space_map(struct ioas_space *space, struct ioas_caller *caller, iova_t *iova, uint64_t va,
		   uint64_t len, uint32_t flags, struct ioas_why *why);

/*
 * Unmaps every mapping inside first..last. *len receives the bytes unmapped, also on an error.
 * -ENOENT nothing is mapped there, or a mapping is cut by an end of the range (those before it are
 * gone). first 0, last UINT64_MAX unmaps all and succeeds on an empty space.
 * On return no transaction uses the old translation any more. Never fails for lack of memory.
 */
int ioas_space_unmap(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
		     struct ioas_why *why);

/*
 * Maps in `dst` the memory that `src` maps at src_iova .. src_iova + len - 1 (may be one space);
 * it shares the pages. Destination rules and flags as ioas_space_map; -ENOENT a hole in the
 * source; -EPERM write wanted and the source's pages are read-only.
 */
int ioas_space_copy(struct ioas_space *dst, iova_t *dst_iova, struct ioas_space *src,
		    iova_t src_iova, uint64_t len, uint32_t flags, struct ioas_why *why);

/*
 * The ranges in which something can be mapped: everything but reserved ranges. Writes up to `max`
 * and returns how many there are.
 */
size_t ioas_space_ranges(struct ioas_space *space, struct ioas_range *out, size_t max);
/* Every IOVA, address and length must be a multiple of this. */
uint64_t ioas_space_alignment(struct ioas_space *space);
/*
 * Replaces the ranges from which addresses are chosen (nr 0: all). -EINVAL first >= last, or
 * entries overlap; -EADDRINUSE an entry meets a reserved range; -ENOMEM. An error changes nothing.
 */
int ioas_space_allow(struct ioas_space *space, const struct ioas_range *ranges, size_t nr,
		     struct ioas_why *why);

/*
 * Spaces nested in software: what is mapped in one leads to addresses of its parent, where a
 * request finds what the parent maps at the time, with the permissions of both. Page tables of a
 * nested space hold the result, so that devices behind any IOMMU can be attached to it.
 *
 * new_nested: an empty one, with a reference on its parent. 0; -EINVAL the parent is nested too
 * deep (8); -ENOMEM.
 */
int ioas_space_new_nested(struct ioas_space *parent, struct ioas_space **out, struct ioas_why *why);
/*
 * Maps iova .. iova + len - 1 of a nested space to the parent's addresses from parent_iova on.
 * `flags`: IOAS_MAP_READ, IOAS_MAP_WRITE. Whether the parent maps anything there does not matter:
 * what it does not map, or not any more, or where both allow nothing, is blocked until it does, and
 * what it maps later is shown from the moment its own call returns. An UNMAP of the parent removes
 * the translation, not the map. Unmapped again by ioas_space_unmap, in whole maps; ioas_space_map
 * and _copy into a nested space are -EINVAL.
 * 0; -EOPNOTSUPP other flags; -EINVAL no flags, len 0, the space is not nested, a reserved range is
 * touched, or misaligned; -EOVERFLOW; -EEXIST a map overlaps; -ENOMEM; -EFAULT memory is not there
 * (only when a page table is attached). An error changes nothing. Takes the instance's nest lock,
 * as do map and unmap in parents.
 */
int ioas_space_nest_map(struct ioas_space *space, iova_t iova, iova_t parent_iova, uint64_t len,
			uint32_t flags, struct ioas_why *why);
/* What a nested space has: len is of all its maps, shown_len of what is not blocked just now. */
struct ioas_nest_info {
	uint64_t maps, len, shown_len;
};
/* 0; -EINVAL it is not nested. It counts. */
int ioas_space_nest_info(struct ioas_space *space, struct ioas_nest_info *out);

/* The IOVA's memory right now: 0 and the address in the physical map; -ENOENT not mapped in any
 * attached page table. */
int ioas_space_iova_to_phys(struct ioas_space *space, iova_t iova, pa_t *out);

IOAS_END

#endif
