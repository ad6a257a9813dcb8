/* SPDX-License-Identifier: MIT */
/*
 * Dirty tracking of a space's page tables. The space's lock keeps tables in place while bits are
 * read; devices go on meanwhile.
 *
 * When reading is over, the bytes behind every bit told are in memory: who set the bit was in
 * flight, and was waited for; and who remembers that he set one (src/tlp/iotlb.h) must look again.
 * Spans lent out are not waited for, as that may take as long as a disk: they are marked when they
 * are lent and again when they are back (src/tlp/lend.c), so that bytes which land after a reading
 * are told by the next.
 *
 * A device with ATS writes by what it was translated before. Its leaf was marked then; so when bits
 * are cleared it has to give that back, and ask again before it writes on.
 */
#include "space/private.h"
#include "tlp/check_dirty.h"

void space_dirty_track(struct ioas_space *space, struct pt *pt, bool on)
{
	pthread_mutex_lock(&space->lock);
	if (on)
		pt_dirty_clear(pt, &space->iommu->inflight);
	pt_dirty_track(pt, on);
	check_dirty_track(space->iommu->check_dirty, pt, on && pt_dirty_tracked(pt),
			  inflight_generation(&space->iommu->inflight));
	pthread_mutex_unlock(&space->lock);
	/* Writes that met it switched off have landed before the caller can think that it is on. */
	inflight_wait(&space->iommu->inflight);
	if (on)
		ats_take_back(space->iommu, pt, 0, UINT64_MAX, true, IOAS_ATS_BY_DIRTY);
}

bool space_dirty_read(struct ioas_space *space, struct pt *pt, struct pt_dirty *read)
{
	bool all;

	read->nr = read->line_nr = read->take_nr = 0;
	if (!pt_dirty_tracked(pt))
		return true;
	read->inflight = &space->iommu->inflight;
	pthread_mutex_lock(&space->lock);
	all = pt_dirty_read(pt, read);
	pthread_mutex_unlock(&space->lock);
	if (read->clear)
		ats_take_back(space->iommu, pt, read->first, read->last, true, IOAS_ATS_BY_DIRTY);
	return all;
}

static void put_back_line(struct pt *pt, const pt_dirty_line line, iova_t first)
{
	for (unsigned i = 0; i < 512; i++)
		if (line[i / 64] >> i % 64 & 1)
			pt_dirty_set(pt, first + ((iova_t)i << pt_page_lg2(pt)));
}

void space_dirty_put_back(struct ioas_space *space, struct pt *pt, const struct pt_dirty *read)
{
	pthread_mutex_lock(&space->lock);
	for (size_t i = 0; i < read->nr; i++)
		pt_dirty_set_range(pt, read->runs[i].first, read->runs[i].last);
	for (size_t i = 0; i < read->line_nr; i++)
		put_back_line(pt, read->lines[i], read->line_first[i]);
	pthread_mutex_unlock(&space->lock);
}

void space_dirty_put_back_lines(struct ioas_space *space, struct pt *pt, const pt_dirty_line *lines,
				size_t nr, iova_t first)
{
	pthread_mutex_lock(&space->lock);
	for (size_t i = 0; i < nr; i++)
		put_back_line(pt, lines[i], first + ((iova_t)i * 512 << pt_page_lg2(pt)));
	pthread_mutex_unlock(&space->lock);
}

void space_dirty_end(struct ioas_space *space, struct pt *pt)
{
	pthread_mutex_lock(&space->lock);
	pt_dirty_end(pt);
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
