/* SPDX-License-Identifier: MIT */
/*
 * A device's cache of translations, for models: what an ATC on a card does.
 *
 * Translations of one form do not overlap here (a new one takes the place of what it meets), so
 * that an ordered tree by form and address finds the one that holds an address. The lock is held
 * while a request is under way: who invalidates gets it when none is. What must not be done with it
 * is told to the host's hooks, therefore faults are recorded after it is left.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include "tlp/ats.h"
#include "util/alloc.h"
#include "util/lock.h"

struct atc_entry {
	struct tree_node node;
	TAILQ_ENTRY(atc_entry) in_order;
	uint64_t form;
	struct ioas_ats_translation found;
};

TAILQ_HEAD(atc_order, atc_entry);

struct ioas_atc {
	pthread_mutex_t lock;
	struct tree tree;	/* by form and first */
	struct atc_order used;	/* the least recently used first */
	struct atc_order spare; /* not in the tree */
	struct ioas_atc_stats stats;
	struct atc_entry entry[];
};

int ioas_atc_new(unsigned entry_nr, struct ioas_atc **out)
{
	struct ioas_atc *atc = alloc_zero(1, sizeof(*atc) + entry_nr * sizeof(atc->entry[0]));

	if (!atc)
		return -ENOMEM;
	lock_init(&atc->lock, LOCK_ATC);
	lock_guards(&atc->lock, &atc->tree, atc->entry);
	TAILQ_INIT(&atc->used);
	TAILQ_INIT(&atc->spare);
	for (unsigned i = 0; i < entry_nr; i++)
		TAILQ_INSERT_TAIL(&atc->spare, &atc->entry[i], in_order);
	*out = atc;
	return 0;
}

void ioas_atc_destroy(struct ioas_atc *atc)
{
	if (!atc)
		return;
	pthread_mutex_destroy(&atc->lock);
	free(atc);
}

static struct atc_entry *entry_of(struct tree_node *node)
{
	return tree_entry(node, struct atc_entry, node);
}

/* The flags that a translation was asked with belong to its form: privileged ones have their own.
 */
static uint64_t form_of(const struct ioas_tlp *tlp)
{
	uint64_t kept = tlp->flags & (IOAS_TLP_PASID | IOAS_TLP_PRIV);

	return kept << 32 | (kept & IOAS_TLP_PASID ? tlp->pasid : 0);
}

static bool before(const struct atc_entry *entry, uint64_t form, iova_t first)
{
	return entry->form != form ? entry->form < form : entry->found.first < first;
}

static iova_t last_of(const struct atc_entry *entry)
{
	return entry->found.first + (entry->found.len - 1);
}

/* The last entry of that form that begins at or before addr, or NULL. */
static struct atc_entry *at_or_before(struct ioas_atc *atc, uint64_t form, iova_t addr)
{
	struct tree_node *node = atc->tree.root;
	struct atc_entry *best = NULL;

	while (node) {
		struct atc_entry *entry = entry_of(node);
		bool after = entry->form != form ? entry->form > form : entry->found.first > addr;

		if (!after)
			best = entry;
		node = node->child[!after];
	}
	return best && best->form == form ? best : NULL;
}

static void drop(struct ioas_atc *atc, struct atc_entry *entry)
{
	tree_remove(&atc->tree, &entry->node);
	TAILQ_REMOVE(&atc->used, entry, in_order);
	TAILQ_INSERT_TAIL(&atc->spare, entry, in_order);
	atc->stats.held--;
}

/* The first entry of a form that meets first..last, or NULL. */
static struct atc_entry *meeting(struct ioas_atc *atc, uint64_t form, iova_t first, iova_t last)
{
	struct tree_node *node = atc->tree.root;
	struct atc_entry *entry = at_or_before(atc, form, first), *next = NULL;

	if (entry && last_of(entry) >= first)
		return entry;
	while (node) {
		bool is_before = before(entry_of(node), form, first);

		if (!is_before)
			next = entry_of(node);
		node = node->child[is_before];
	}
	return next && next->form == form && next->found.first <= last ? next : NULL;
}

static unsigned drop_range(struct ioas_atc *atc, uint64_t form, iova_t first, iova_t last)
{
	struct atc_entry *entry;
	unsigned nr = 0;

	for (; (entry = meeting(atc, form, first, last)); nr++)
		drop(atc, entry);
	return nr;
}

static void keep(struct ioas_atc *atc, uint64_t form, const struct ioas_ats_translation *found)
{
	struct tree_node *parent = NULL, *node;
	struct atc_entry *entry;
	int side = 0;

	drop_range(atc, form, found->first, found->first + (found->len - 1));
	if (TAILQ_EMPTY(&atc->spare))
		drop(atc, TAILQ_FIRST(&atc->used));
	entry = TAILQ_FIRST(&atc->spare);
	TAILQ_REMOVE(&atc->spare, entry, in_order);
	entry->form = form;
	entry->found = *found;
	for (node = atc->tree.root; node; node = node->child[side]) {
		side = before(entry_of(node), form, found->first);
		parent = node;
	}
	tree_insert(&atc->tree, &entry->node, parent, side);
	TAILQ_INSERT_TAIL(&atc->used, entry, in_order);
	atc->stats.held++;
}

static uint32_t needed(const struct ioas_tlp *tlp)
{
	return (tlp->op == IOAS_TLP_WRITE ? IOAS_ATS_WRITE : IOAS_ATS_READ) |
	       (tlp->flags & IOAS_TLP_EXEC ? IOAS_ATS_EXEC : 0);
}

static bool allows(const struct ioas_ats_translation *found, const struct ioas_tlp *tlp)
{
	return (found->flags & needed(tlp)) == needed(tlp);
}

/*
 * What leads on from tlp's first address: remembered, or asked for. 0; -EAGAIN there is none that
 * allows it; else as ats_ask.
 */
static int find(struct ioas_atc *atc, struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
		struct ioas_ats_translation *out, struct ioas_fault *fault)
{
	struct atc_entry *entry = at_or_before(atc, form_of(tlp), tlp->addr);
	struct ioas_tlp ask = *tlp;
	int rc;

	if (entry && last_of(entry) >= tlp->addr && allows(&entry->found, tlp)) {
		atc->stats.hits++;
		TAILQ_REMOVE(&atc->used, entry, in_order);
		TAILQ_INSERT_TAIL(&atc->used, entry, in_order);
		*out = entry->found;
		return 0;
	}
	ask.at = IOAS_TLP_TRANSLATION_REQUEST;
	atc->stats.asked++;
	rc = ats_ask(issuer, &ask, out, fault);
	if (rc)
		return rc;
	if (!allows(out, tlp))
		return -EAGAIN;
	if (!(out->flags & IOAS_ATS_UNTRANSLATED))
		keep(atc, form_of(tlp), out);
	return 0;
}

/* Sends what one translation is good for. *moved: bytes. 0, or a record is to be kept. */
static int send(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
		const struct ioas_ats_translation *found, void *buf, struct ioas_fault *fault,
		uint64_t *moved)
{
	uint64_t left = found->first + (found->len - 1) - tlp->addr;
	struct ioas_tlp piece = *tlp;

	if (piece.len - 1 > left)
		piece.len = left + 1;
	if (!(found->flags & IOAS_ATS_UNTRANSLATED)) {
		piece.at = IOAS_TLP_TRANSLATED;
		piece.addr = found->addr + (tlp->addr - found->first);
	}
	if (found->flags & IOAS_ATS_SNOOP)
		piece.flags &= ~(uint32_t)IOAS_TLP_NO_SNOOP;
	return tlp_issue_quiet(issuer, &piece, buf, fault, moved);
}

/* One step: as much as one translation has. */
static int step(struct ioas_atc *atc, struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
		void *buf, uint64_t *moved)
{
	struct ioas_ats_translation found;
	struct ioas_fault fault;
	int rc;

	*moved = 0;
	pthread_mutex_lock(&atc->lock);
	rc = find(atc, issuer, tlp, &found, &fault);
	if (!rc && send(issuer, tlp, &found, buf, &fault, moved))
		rc = -EFAULT;
	pthread_mutex_unlock(&atc->lock);
	return rc == -EFAULT ? fault_record(issuer, &fault) : rc;
}

int ioas_atc_issue(struct ioas_atc *atc, struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
		   void *buf, uint64_t *done)
{
	struct ioas_tlp rest = *tlp;
	uint64_t moved = 0;
	int rc = 0;

	if (done)
		*done = 0;
	if (!tlp_valid(tlp) || tlp->at || tlp->addr + (tlp->len - 1) < tlp->addr)
		return -EINVAL;
	if (!ats_is_open(issuer->dev))
		return -EOPNOTSUPP;
	while (!rc && rest.len) {
		rc = step(atc, issuer, &rest, buf, &moved);
		rest.addr += moved;
		rest.len -= moved;
		buf = (char *)buf + moved;
	}
	if (done)
		*done = tlp->len - rest.len;
	return rc;
}

void ioas_atc_invalidate(struct ioas_atc *atc, const struct ioas_ats_invalidation *what)
{
	struct ioas_tlp tlp = {
		.flags = what->has_pasid ? IOAS_TLP_PASID : 0,
		.pasid = what->pasid,
	};

	pthread_mutex_lock(&atc->lock);
	atc->stats.invalidated += drop_range(atc, form_of(&tlp), what->first, what->last);
	tlp.flags |= IOAS_TLP_PRIV;
	atc->stats.invalidated += drop_range(atc, form_of(&tlp), what->first, what->last);
	pthread_mutex_unlock(&atc->lock);
}

void ioas_atc_clear(struct ioas_atc *atc)
{
	struct atc_entry *entry;

	pthread_mutex_lock(&atc->lock);
	while ((entry = TAILQ_FIRST(&atc->used)))
		drop(atc, entry);
	pthread_mutex_unlock(&atc->lock);
}

void ioas_atc_stats(struct ioas_atc *atc, struct ioas_atc_stats *out)
{
	pthread_mutex_lock(&atc->lock);
	*out = atc->stats;
	pthread_mutex_unlock(&atc->lock);
}
