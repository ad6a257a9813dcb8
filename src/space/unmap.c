/* SPDX-License-Identifier: MIT */
/*
 * Unmapping: every area in a range, up to one that is locked, that the range cuts, or whose users
 * do not let go.
 *
 * Areas go in runs. At one that an access uses, the run before it is taken down first; then the
 * area is closing, so that nobody new gets to it, and the accesses are asked to let go, without
 * locks. Meanwhile anything may happen to the space: the search begins anew behind the run.
 */
#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include "space/access.h"
#include "space/nest.h"
#include "util/lock.h"
#include "util/why.h"

#define TRIES  100
#define NAP_NS 10000000l

struct unmap {
	struct ioas_space *space;
	iova_t start;	    /* of all that is asked for */
	iova_t first, last; /* what is left to unmap */
	uint64_t len;	    /* unmapped so far */
	iova_t asked;	    /* the area that was asked for last */
	unsigned tries;	    /* how often */
};

static int refuse(const struct space_area *area, const struct unmap *unmap, struct ioas_why *why)
{
	if (area->locks)
		return why_set(why, -EBUSY,
			       "mapping %#" PRIx64 "-%#" PRIx64 " has a hardware queue in it",
			       area->first, area->last);
	return why_set(why, -ENOENT,
		       "%#" PRIx64 "-%#" PRIx64 " would cut mapping %#" PRIx64 "-%#" PRIx64,
		       unmap->start, unmap->last, area->first, area->last);
}

static bool refused(const struct space_area *area, const struct unmap *unmap)
{
	return area->locks || area->first < unmap->first || area->last > unmap->last;
}

/*
 * Takes areas out of the tree, up to one that is refused or in use, which is returned. *list
 * receives them, linked by `next`.
 */
static struct space_area *take_out(struct unmap *unmap, struct space_area **list, iova_t *done)
{
	struct ioas_space *space = unmap->space;
	struct space_area *area = areas_seek(&space->areas, unmap->first);

	while (area && area->first <= unmap->last) {
		if (refused(area, unmap) || area->accesses || area->busy)
			return area;
		areas_remove(&space->areas, area);
		zones_loosen(&space->zones, area->first, area->last);
		unmap->len += area->last - area->first + 1;
		*done = area->last;
		area->next = NULL;
		*list = area;
		list = &area->next;
		area = *done < unmap->last ? areas_seek(&space->areas, *done + 1) : NULL;
	}
	return NULL;
}

/* One run of areas; what stopped it. */
static struct space_area *unmap_run(struct unmap *unmap)
{
	struct space_area *list = NULL, *stop;
	iova_t done = 0;

	stop = take_out(unmap, &list, &done);
	if (list) {
		fill_undo(unmap->space, list, list->first, done);
		areas_free(unmap->space, list);
	}
	/* What others map behind us is not meant. */
	if (stop && list)
		unmap->first = done + 1;
	return stop;
}

static void nap(struct ioas_space *space)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += NAP_NS;
	if (until.tv_nsec >= 1000000000l) {
		until.tv_nsec -= 1000000000l;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&space->idle, &space->lock, &until);
}

/* The area may be gone on return. 0: look again; -EDEADLOCK. */
static int make_idle(struct unmap *unmap, struct space_area *area, struct ioas_why *why)
{
	struct ioas_space *space = unmap->space;
	iova_t first = area->first, last = area->last;

	area->closing = true;
	if (!area->accesses) {
		pthread_cond_wait(&space->idle, &space->lock);
		return 0;
	}
	if (unmap->asked != first)
		unmap->tries = 0;
	unmap->asked = first;
	if (unmap->tries++ == TRIES) {
		area->closing = false;
		return why_set(why, -EDEADLOCK,
			       "an access does not let mapping %#" PRIx64 "-%#" PRIx64 " go", first,
			       last);
	}
	access_tell(space, first, last);
	area = areas_find(&space->areas, first);
	if (area && area->first == first && area->accesses)
		nap(space);
	return 0;
}

static int unmap_locked(struct unmap *unmap, bool all, struct ioas_why *why)
{
	struct space_area *stop;

	lock_must_hold(&unmap->space->lock);
	while ((stop = unmap_run(unmap))) {
		int rc = refused(stop, unmap) ? refuse(stop, unmap, why)
					      : make_idle(unmap, stop, why);

		if (rc)
			return rc;
	}
	if (!unmap->len && !all)
		return why_set(why, -ENOENT, "nothing is mapped in %#" PRIx64 "-%#" PRIx64,
			       unmap->start, unmap->last);
	return 0;
}

int space_unmap(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
		struct ioas_why *why)
{
	struct unmap unmap = {.space = space, .start = first, .first = first, .last = last};
	int rc;

	pthread_mutex_lock(&space->lock);
	rc = unmap_locked(&unmap, !first && last == UINT64_MAX, why);
	pthread_mutex_unlock(&space->lock);
	if (len)
		*len = unmap.len;
	return rc;
}

int ioas_space_unmap(struct ioas_space *space, iova_t first, iova_t last, uint64_t *len,
		     struct ioas_why *why)
{
	uint64_t done = 0;
	int rc;

	if (space->nest)
		rc = nest_unmap_child(space, first, last, &done, why);
	else if (nest_is_parent(space))
		rc = nest_unmap_parent(space, first, last, &done, why);
	else
		rc = space_unmap(space, first, last, &done, why);
	/* What a child that has just come has shown before. */
	if (done && !space->nest && nest_is_parent(space))
		nest_after_unmap(space, first, last);
	if (len)
		*len = done;
	return rc;
}
