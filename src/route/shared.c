/* SPDX-License-Identifier: MIT */
/*
 * One page table a space and form of tables for the programs that attach devices to spaces
 * directly, without HWPTs. The tables in use are in a balanced tree by both.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include "iommu.h"
#include "route/route.h"
#include "space/space.h"
#include "util/alloc.h"
#include "util/lock.h"

struct route_shared {
	struct ioas_space *space; /* constant, a reference; the key, with */
	struct pt_config config;  /* constant */
	struct pt *pt;		  /* constant */
	uint64_t refs;		  /* (shares.lock) */
};

struct route_shares {
	pthread_mutex_t lock; /* held while a table is filled, so that it is filled once */
	void *tree;	      /* of struct route_shared (lock) */
};

static int compare(const void *a, const void *b)
{
	const struct route_shared *left = a, *right = b;
	const struct pt_config *p = &left->config, *q = &right->config;
	const uint64_t x[] = {(uintptr_t)left->space, p->format, p->aw, p->max_leaf_lg2,
			      p->coherent};
	const uint64_t y[] = {(uintptr_t)right->space, q->format, q->aw, q->max_leaf_lg2,
			      q->coherent};
	size_t i = 0;

	while (i < sizeof(x) / sizeof(x[0]) - 1 && x[i] == y[i])
		i++;
	return (x[i] > y[i]) - (x[i] < y[i]);
}

static int shared_new(struct ioas_space *space, const struct pt_config *form,
		      struct route_shared **out, struct ioas_why *why)
{
	struct pt_config config = *form;
	struct route_shared *shared = alloc_zero(1, sizeof(*shared));
	int rc;

	if (!shared)
		return -ENOMEM;
	if (!space_huge_pages(space))
		config.max_leaf_lg2 = pt_format_page_lg2(config.format);
	rc = pt_new(&config, &shared->pt);
	if (rc) {
		free(shared);
		return rc;
	}
	rc = space_domain_attach(space, shared->pt, why);
	if (rc) {
		pt_destroy(shared->pt);
		free(shared);
		return rc;
	}
	shared->space = ioas_space_get(space);
	shared->config = *form;
	shared->refs = 1;
	*out = shared;
	return 0;
}

static void shared_free(struct route_shared *shared)
{
	space_domain_detach(shared->space, shared->pt);
	pt_destroy(shared->pt);
	ioas_space_put(shared->space);
	free(shared);
}

int route_shared_get(struct ioas_iommu *iommu, struct ioas_space *space,
		     const struct pt_config *form, struct route_shared **out, struct ioas_why *why)
{
	struct route_shares *shares = route_shares(iommu);
	struct route_shared key = {.space = space, .config = *form}, **found;
	int rc = 0;

	pthread_mutex_lock(&shares->lock);
	found = tfind(&key, &shares->tree, compare);
	if (found) {
		(*found)->refs++;
		*out = *found;
	} else {
		rc = shared_new(space, form, out, why);
		if (!rc && (inject() || !tsearch(*out, &shares->tree, compare))) {
			shared_free(*out);
			rc = -ENOMEM;
		}
	}
	pthread_mutex_unlock(&shares->lock);
	return rc;
}

void route_shared_put(struct ioas_iommu *iommu, struct route_shared *shared)
{
	struct route_shares *shares = route_shares(iommu);

	pthread_mutex_lock(&shares->lock);
	if (!--shared->refs) {
		tdelete(shared, &shares->tree, compare);
		shared_free(shared);
	}
	pthread_mutex_unlock(&shares->lock);
}

struct pt *route_shared_pt(const struct route_shared *shared)
{
	return shared->pt;
}

struct ioas_space *route_shared_space(const struct route_shared *shared)
{
	return shared->space;
}

int route_shares_new(struct route_shares **out)
{
	struct route_shares *shares = alloc_zero(1, sizeof(*shares));

	if (!shares)
		return -ENOMEM;
	lock_init(&shares->lock, LOCK_SHARED);
	lock_guards(&shares->lock, &shares->tree, shares + 1);
	*out = shares;
	return 0;
}

void route_shares_destroy(struct route_shares *shares)
{
	if (!shares)
		return;
	pthread_mutex_destroy(&shares->lock);
	free(shares);
}
