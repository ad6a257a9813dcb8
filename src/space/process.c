/* SPDX-License-Identifier: MIT */
/*
 * CHANGE_PROCESS: another process pays for what a context has mapped, a program that replaced
 * itself for the most part. First everything is counted, then the new payers are charged for the
 * sums, which can fail; only then each page object moves over.
 */
#include <errno.h>
#include <inttypes.h>
#include "space/private.h"
#include "util/lock.h"
#include "util/why.h"

#define RULE_NR (ACCOUNT_VFIO + 1)

/* Who is to pay, by the rule of what is paid for. */
struct payers {
	struct account_share *payer[RULE_NR];
	uint64_t len[RULE_NR]; /* what they are charged at once */
};

typedef void each_fn(struct payers *payers, struct space_pages *pages);

static void each(struct ioas_space *const *spaces, size_t nr, struct payers *payers, each_fn *fn)
{
	for (size_t i = 0; i < nr; i++)
		for (struct space_area *area = areas_find(&spaces[i]->areas, 0); area;
		     area = areas_next(&spaces[i]->areas, area))
			fn(payers, area_pages(area));
}

/* What nobody limits stays with who pinned it. */
static bool moves(const struct payers *payers, const struct space_pages *pages)
{
	enum account_rule rule = pages->payer->payer.rule;

	return rule != ACCOUNT_UNLIMITED &&
	       !account_payer_same(&pages->payer->payer, &payers->payer[rule]->payer);
}

/* A page object may be met several times, since COPY shares them. */
static void count(struct payers *payers, struct space_pages *pages)
{
	if (pages->moving || !moves(payers, pages))
		return;
	pages->moving = true;
	payers->len[pages->payer->payer.rule] += pages_pinned(pages);
}

static void give_up(struct payers *payers, struct space_pages *pages)
{
	pages->moving = false;
}

static void move(struct payers *payers, struct space_pages *pages)
{
	struct account_share *from = pages->payer;

	if (!pages->moving)
		return;
	pages->moving = false;
	account_uncharge(&from->payer, pages_pinned(pages));
	pages->payer = account_share_get(payers->payer[from->payer.rule]);
	account_share_put(from);
}

/* All or none. */
static int charge(struct payers *payers, struct ioas_why *why)
{
	for (int rule = 0; rule < RULE_NR; rule++) {
		int rc = payers->len[rule] ? account_charge(&payers->payer[rule]->payer,
							    payers->len[rule], why)
					   : 0;

		if (!rc)
			continue;
		while (rule--)
			if (payers->len[rule])
				account_uncharge(&payers->payer[rule]->payer, payers->len[rule]);
		return rc;
	}
	return 0;
}

/*
 * A page object pays by the rule it was mapped under, also where the new process would be let off:
 * its payer is made limited again, and passes or not by its limit.
 */
static int payers_init(struct account *account, struct ioas_caller *caller, struct payers *out)
{
	*out = (struct payers){0};
	for (int rule = 0; rule < RULE_NR; rule++) {
		out->payer[rule] = account_share_new_as(account, (enum account_rule)rule, caller);
		if (!out->payer[rule])
			return -ENOMEM;
	}
	return 0;
}

static void payers_fini(struct payers *payers)
{
	for (int rule = 0; rule < RULE_NR; rule++)
		account_share_put(payers->payer[rule]);
}

static int check_files(struct ioas_space *space, struct ioas_why *why)
{
	struct space_area *area = areas_find(&space->areas, 0);

	for (; area; area = areas_next(&space->areas, area))
		if (!pages_file(area_pages(area)) || pages_dmabuf(area_pages(area)))
			return why_set(why, -EINVAL,
				       "mapping %#" PRIx64 "-%#" PRIx64
				       " is of %s, not of a file (IOMMU_IOAS_MAP_FILE)",
				       area->first, area->last,
				       pages_file(area_pages(area)) ? "a dma-buf"
								    : "a process' memory");
	return 0;
}

static int change_locked(struct ioas_space *const *spaces, size_t nr, struct payers *payers,
			 struct ioas_why *why)
{
	int rc = 0;

	lock_must_hold(&spaces[0]->iommu->pages_lock);
	for (size_t i = 0; !rc && i < nr; i++)
		rc = check_files(spaces[i], why);
	if (rc)
		return rc;
	each(spaces, nr, payers, count);
	rc = charge(payers, why);
	each(spaces, nr, payers, rc ? give_up : move);
	return rc;
}

int space_change_process(struct ioas_space *const *spaces, size_t nr, struct ioas_caller *caller,
			 struct ioas_why *why)
{
	struct payers payers;
	int rc;

	if (!nr)
		return 0;
	rc = payers_init(spaces[0]->iommu->account, caller, &payers);
	if (rc) {
		payers_fini(&payers);
		return why_set(why, rc, "out of memory");
	}
	for (size_t i = 0; i < nr; i++)
		pthread_mutex_lock(&spaces[i]->lock);
	pthread_mutex_lock(&spaces[0]->iommu->pages_lock);
	rc = change_locked(spaces, nr, &payers, why);
	pthread_mutex_unlock(&spaces[0]->iommu->pages_lock);
	for (size_t i = nr; i--;)
		pthread_mutex_unlock(&spaces[i]->lock);
	payers_fini(&payers);
	return rc;
}
