/* SPDX-License-Identifier: MIT */
/*
 * --check-dirty: were all writes told? A record of what devices wrote through page tables that
 * track it, page by page, apart from the tables' own bits and from what issuers remember; and at
 * the end of each reading of dirty bits a comparison of both.
 *
 * When has a reading to tell of a write?
 *
 * - It was noted before the reading began. A write is noted where it gets its address, after it has
 *   marked its page or found that remembered, and under the same in-flight mark.
 * - No earlier reading that cleared has told of it. One that told of the page has told of writes
 *   whose generation (tlp/inflight.h) is not above that in which it turned the maps
 *   (pt_dirty.turned): who came later marked for the next reading. A write of that generation
 *   which came between may have marked for the next one, too, and is let off if its page was told.
 * - Its page has been mapped since, and tracking has been on.
 *
 * So nothing that is in order is ever reported. Locks: the record's own comes last of all; issuers
 * take it in flight, which only this mode allows itself.
 */
#ifndef TLP_CHECK_DIRTY_H
#define TLP_CHECK_DIRTY_H

#include <ioas/device.h>
#include <ioas/types.h>

struct check_dirty;
struct ioas_iommu;
struct pt;

/* A reading of one table's bits. */
struct check_reading {
	uint64_t nr;	/* which one it is */
	uint64_t begun; /* what was noted up to here must be told */
	bool spoilt;	/* the caller's memory was not all there: nothing is missing */
};

/* Made and ended with the instance. */
int check_dirty_new(struct ioas_iommu *iommu, struct check_dirty **out);
void check_dirty_destroy(struct check_dirty *check);

/* In all that follows `check` may be NULL: nothing happens. */

/*
 * Tracking of a table is on since that generation, or off. With the space locked, before the wait
 * that ends the change.
 */
void check_dirty_track(struct check_dirty *check, const struct pt *pt, bool on,
		       uint64_t generation);
/* What lies there was unmapped, and is in flight no more. With the space locked. */
void check_dirty_forget(struct check_dirty *check, const struct pt *pt, iova_t first, iova_t last);
/* The device got addr .. addr + len - 1 of the table for writing, under that generation. */
void check_dirty_wrote(struct check_dirty *check, const struct ioas_device *dev,
		       const struct pt *pt, iova_t addr, uint64_t len, uint64_t generation);

/* A reading begins; has told of first..last, bits that the caller has now; and has ended. */
void check_dirty_begin(struct check_dirty *check, struct check_reading *reading);
void check_dirty_told(struct check_dirty *check, const struct check_reading *reading,
		      const struct pt *pt, iova_t first, iova_t last);
/*
 * The reading was of first..last, and cleared in generation `turned` (0: it did not clear). What is
 * missing is put on record (IOAS_PASSED_UNTOLD), once.
 */
void check_dirty_end(struct check_dirty *check, const struct check_reading *reading,
		     const struct pt *pt, iova_t first, iova_t last, uint64_t turned);

#endif
