/* SPDX-License-Identifier: MIT */
/*
 * Dirty tracking of a space's page tables. The space's lock keeps tables in place while bits are
 * read; devices go on meanwhile.
 *
 * When reading with `clear` is over, the bytes behind every bit told are in memory: who set the bit
 * was in flight, and is waited for. Spans lent out are not waited for, as that may take as long as
 * a disk: they are marked when they are lent and again when they are back (src/tlp/lend.c), so that
 * bytes which land after a reading are told by the next.
 */
#include "space/private.h"

void space_dirty_track(struct ioas_space *space, struct pt *pt, bool on)
{
	pthread_mutex_lock(&space->lock);
	if (on)
		pt_dirty_clear(pt);
	pt_dirty_track(pt, on);
	pthread_mutex_unlock(&space->lock);
	/* Writes that met it switched off have landed before the caller can think that it is on. */
	inflight_wait(&space->iommu->inflight);
}

bool space_dirty_read(struct ioas_space *space, struct pt *pt, struct pt_dirty *read)
{
	bool all;

	read->nr = 0;
	if (!pt_dirty_tracked(pt))
		return true;
	pthread_mutex_lock(&space->lock);
	all = pt_dirty_read(pt, read);
	pthread_mutex_unlock(&space->lock);
	/* Who remembers that a bit is set must look again, and what he wrote be in memory. */
	if (read->clear)
		inflight_wait(&space->iommu->inflight);
	return all;
}

void space_dirty_put_back(struct ioas_space *space, struct pt *pt, const struct ioas_range *runs,
			  size_t nr)
{
	pthread_mutex_lock(&space->lock);
	for (size_t i = 0; i < nr; i++)
		pt_dirty_set_range(pt, runs[i].first, runs[i].last);
	pthread_mutex_unlock(&space->lock);
}

int space_dirty_set(struct ioas_space *space, struct pt *pt, iova_t iova)
{
	int rc;

	pthread_mutex_lock(&space->lock);
	rc = pt_dirty_set(pt, iova);
	pthread_mutex_unlock(&space->lock);
	return rc;
}
