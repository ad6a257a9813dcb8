/* SPDX-License-Identifier: MIT */
/* ATS: when it is on, translation requests, and what translated requests rest on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "iommu.h"
#include "mem/mem.h"
#include "pt/mark.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/check_dirty.h"
#include "tlp/nested.h"
#include "tlp/pri.h"
#include "util/alloc.h"
#include "util/lock.h"

#define COMPLETION_S	(1ull << 11)
#define COMPLETION_UNIT 4096ull

int ats_add(struct ioas_device *dev, unsigned unit_lg2)
{
	struct ats *ats = alloc_zero(1, sizeof(*ats));
	pthread_condattr_t attr;

	if (!ats)
		return -ENOMEM;
	ats->dev = dev;
	ats->unit_lg2 = unit_lg2;
	atomic_init(&ats->refs, 1);
	lock_init(&ats->turn, LOCK_ATS_TURN);
	lock_guards(&ats->turn, &ats->ops, &ats->state);
	lock_init(&ats->lock, LOCK_ATS);
	lock_guards(&ats->lock, &ats->state, ats + 1);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ats->answered, &attr);
	pthread_condattr_destroy(&attr);
	ats_track_init(&ats->track);
	dev->ats = ats;
	return 0;
}

void ats_put(struct ats *ats)
{
	if (!ats || atomic_fetch_sub_explicit(&ats->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_cond_destroy(&ats->answered);
	pthread_mutex_destroy(&ats->lock);
	pthread_mutex_destroy(&ats->turn);
	free(ats);
}

uint32_t ats_form(const struct ioas_device *dev, bool has_pasid, pasid_t pasid)
{
	return has_pasid && (pasid || !dev->pasid_0_same) ? pasid : ATS_NO_PASID;
}

void ats_attached(struct ioas_device *dev, bool on)
{
	struct ats *ats = dev->ats;
	bool first = on && ats && !ats->attached, last = !on && ats && ats->attached == 1;

	if (!ats)
		return;
	ats->attached += on ? 1 : UINT32_MAX;
	if (!first && !last)
		return;
	pthread_mutex_lock(&ats->lock);
	atomic_store(&ats->state, first ? ATS_ON : ATS_OFF);
	pthread_mutex_unlock(&ats->lock);
	if (first)
		pri_enabled(dev);
}

/* All of it ends. (lock) */
static void forget_all(struct ats *ats, enum ioas_ats_cause cause)
{
	struct tree_node *node;

	while ((node = ats->track.by_pa.root))
		ats_entry_end(ats, tree_entry(node, struct ats_entry, by_pa), cause);
}

/* Whoever waits for an answer has it: nothing is held any more. */
void ats_reset(struct ioas_device *dev)
{
	struct ats *ats = dev->ats;

	if (!ats)
		return;
	pthread_mutex_lock(&ats->lock);
	forget_all(ats, IOAS_ATS_BY_RESET);
	ats->tag_done = ats->tag;
	if (atomic_load(&ats->state) == ATS_BLOCKED)
		atomic_store(&ats->state, ATS_ON);
	pthread_cond_broadcast(&ats->answered);
	pthread_mutex_unlock(&ats->lock);
	/* What issuers remember of it ends, too. */
	inflight_wait(&dev->iommu->inflight);
}

int ioas_ats_open(struct ioas_device *dev, const struct ioas_ats_ops *ops, void *arg)
{
	struct ats *ats = dev->ats;
	int rc = 0;

	if (!ats)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&ats->turn);
	if (atomic_load(&ats->ops)) {
		rc = -EBUSY;
	} else {
		ats->arg = arg;
		atomic_store(&ats->ops, ops);
	}
	pthread_mutex_unlock(&ats->turn);
	return rc;
}

void ioas_ats_close(struct ioas_device *dev)
{
	struct ats *ats = dev->ats;

	if (!ats)
		return;
	pthread_mutex_lock(&ats->turn);
	atomic_store(&ats->ops, NULL);
	pthread_mutex_unlock(&ats->turn);
	/* Who saw it open may be handing out. */
	inflight_wait(&dev->iommu->inflight);
	ats_reset(dev);
}

void ioas_ats_done(struct ioas_device *dev, uint64_t tag)
{
	struct ats *ats = dev->ats;

	if (!ats)
		return;
	pthread_mutex_lock(&ats->lock);
	if (tag > ats->tag_done && tag <= ats->tag)
		ats->tag_done = tag;
	pthread_cond_broadcast(&ats->answered);
	pthread_mutex_unlock(&ats->lock);
}

bool ioas_ats_enabled(const struct ioas_device *dev)
{
	return dev->ats && atomic_load_explicit(&dev->ats->state, memory_order_acquire) == ATS_ON;
}

bool ats_is_open(const struct ioas_device *dev)
{
	return dev->ats && atomic_load_explicit(&dev->ats->ops, memory_order_acquire);
}

uint64_t ioas_ats_unit(const struct ioas_device *dev)
{
	return dev->ats ? 1ull << dev->ats->unit_lg2 : 0;
}

/* A completion goes to the requester ID on the wire: who claims another's gets none. */
enum ioas_fault_reason ats_check(const struct ioas_device *dev, const struct ioas_tlp *tlp,
				 const struct tlp_route *route)
{
	uint32_t state =
		dev->ats ? atomic_load_explicit(&dev->ats->state, memory_order_acquire) : ATS_OFF;

	if (state == ATS_BLOCKED)
		return IOAS_FAULT_ATS_BLOCKED;
	return state == ATS_OFF || route->claimed || tlp->at > IOAS_TLP_TRANSLATED
		       ? IOAS_FAULT_TRANSLATED
		       : IOAS_FAULT_NONE;
}

bool ats_holds(struct ioas_device *dev, pa_t pa, unsigned op, struct ioas_range *out, uint32_t *ops)
{
	struct ats *ats = dev->ats;
	struct ats_entry *entry;

	pthread_mutex_lock(&ats->lock);
	entry = ats_track_reach(&ats->track, pa, op);
	if (entry) {
		*out = (struct ioas_range){entry->pa, entry->pa + entry->len - 1};
		*ops = entry->ops;
	}
	pthread_mutex_unlock(&ats->lock);
	return entry != NULL;
}

void ats_wrote(struct ioas_issuer *issuer, pa_t pa, uint64_t len)
{
	struct ats *ats = issuer->dev->ats;
	struct ats_entry *entry;

	pthread_mutex_lock(&ats->lock);
	entry = ats_track_reach(&ats->track, pa, IOAS_TLP_WRITE);
	if (entry) {
		uint64_t before = pa - entry->pa, rest = entry->len - before;

		check_dirty_wrote(issuer->check, issuer->dev, entry->use->home->pt,
				  entry->table_first + before, len < rest ? len : rest,
				  entry->marked);
	}
	pthread_mutex_unlock(&ats->lock);
}

void ats_explain(struct ioas_fault *fault, struct ioas_device *dev, pa_t pa)
{
	struct ats *ats = dev->ats;
	uint64_t nr;

	if (!ats)
		return;
	pthread_mutex_lock(&ats->lock);
	nr = ats->gone_nr < ATS_GONE_NR ? ats->gone_nr : ATS_GONE_NR;
	for (uint64_t i = 1; i <= nr; i++) {
		const struct ats_gone *gone = &ats->gone[(ats->gone_nr - i) % ATS_GONE_NR];

		if (pa < gone->pa || pa - gone->pa >= gone->len)
			continue;
		fault->taken = (struct ioas_range){gone->first, gone->first + gone->len - 1};
		fault->taken_by = (uint16_t)gone->cause;
		break;
	}
	pthread_mutex_unlock(&ats->lock);
}

/* ---- translation requests ---- */

/* Memory for what is handed out, from before the mark is set. */
struct spare {
	struct ats_entry *entry;
	struct ats_use *use;
	struct ats_table *table;
};

static void spare_free(struct spare *spare)
{
	free(spare->entry);
	free(spare->use);
	free(spare->table);
}

static bool spare_get(struct spare *spare)
{
	spare->entry = alloc_zero(1, sizeof(*spare->entry));
	spare->use = alloc_zero(1, sizeof(*spare->use));
	spare->table = alloc_zero(1, sizeof(*spare->table));
	return spare->entry && spare->use && spare->table;
}

static struct ats_use *use_get(struct ats *ats, uint32_t form, const struct tlp_route *route,
			       struct spare *spare)
{
	const struct pt_target *table = route->stage1 ? &route->stage1->to : pt_target(route->pt);
	struct ats_use *use = ats_track_use(&ats->track, form, table);

	if (use)
		return use;
	use = spare->use;
	spare->use = NULL;
	use->form = form;
	use->table = table;
	use->nested = route->stage1 != NULL;
	use->ats = ats;
	ats_track_use_add(&ats->track, use);
	ats_use_enter(&ats->dev->iommu->ats, route->pt, use, &spare->table);
	return use;
}

/* What an entry is told each time that it is handed out. (lock) */
static void entry_handed(struct ats *ats, struct ats_entry *entry, const struct ioas_tlp *tlp,
			 iova_t table_first, uint64_t generation)
{
	lock_must_hold(&ats->lock);
	entry->plain |= !(tlp->flags & IOAS_TLP_PRIV);
	entry->priv |= (tlp->flags & IOAS_TLP_PRIV) != 0;
	entry->told = false;
	entry->table_first = table_first;
	entry->marked = generation;
}

/* Notes what is handed out; in flight, so that who changes the table finds it here. */
static void enter(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
		  const struct tlp_route *route, const struct ioas_ats_translation *found,
		  iova_t table_first, struct spare *spare)
{
	struct ats *ats = issuer->dev->ats;
	uint32_t form = ats_form(ats->dev, tlp->flags & IOAS_TLP_PASID, tlp->pasid);
	uint32_t ops = (found->flags & IOAS_ATS_READ ? 1u << IOAS_TLP_READ : 0) |
		       (found->flags & IOAS_ATS_WRITE ? 1u << IOAS_TLP_WRITE : 0);
	struct ats_entry *entry;
	struct ats_use *use;

	pthread_mutex_lock(&ats->lock);
	use = use_get(ats, form, route, spare);
	entry = ats_track_same(use, found->first, found->len, found->addr);
	if (entry) {
		ats_track_allow(&ats->track, entry, ops);
	} else {
		entry = spare->entry;
		spare->entry = NULL;
		entry->first = found->first;
		entry->len = found->len;
		entry->pa = found->addr;
		entry->ops = ops;
		ats_track_add(&ats->track, use, entry);
	}
	entry_handed(ats, entry, tlp, table_first, issuer->tlb.generation);
	pthread_mutex_unlock(&ats->lock);
}

static uint32_t allowed(const struct ioas_tlp *tlp, const struct pt *pt, uint32_t prot)
{
	bool snoops = pt_prot_fit(pt, 0) & PT_PROT_COHERENT;
	bool priv = tlp->flags & IOAS_TLP_PRIV;
	uint32_t no_exec = priv ? PT_PROT_NO_EXEC_PRIV : PT_PROT_NO_EXEC, flags = 0;

	if (prot & PT_PROT_PRIV && !priv)
		return 0;
	if (prot & IOAS_PROT_READ)
		flags |= IOAS_ATS_READ;
	if (prot & IOAS_PROT_WRITE && tlp->op == IOAS_TLP_WRITE)
		flags |= IOAS_ATS_WRITE;
	if (!flags)
		return 0;
	if (tlp->flags & IOAS_TLP_EXEC && prot & IOAS_PROT_READ && !(prot & no_exec))
		flags |= IOAS_ATS_EXEC;
	return flags | (priv ? IOAS_ATS_PRIV : 0) | (snoops ? IOAS_ATS_SNOOP : 0);
}

/* What page tables say that a page request may change. */
static bool is_missing(enum ioas_fault_reason reason)
{
	return reason == IOAS_FAULT_NOT_MAPPED || reason == IOAS_FAULT_NO_READ ||
	       reason == IOAS_FAULT_NO_WRITE || reason == IOAS_FAULT_NO_EXEC ||
	       reason == IOAS_FAULT_PRIVILEGE;
}

/*
 * Looks as the request wants to, and where it wants to write and may not, once more for reading. A
 * table of the program's is told by *plain what it is to allow, and mark.
 */
static enum ioas_fault_reason look(struct ioas_issuer *issuer, struct tlp_route *route,
				   struct ioas_tlp *plain, struct pt_walk *walk, iova_t *table_addr)
{
	enum ioas_fault_reason reason;

	route->tlp = plain;
	reason = tlp_look(issuer, route, plain->addr, walk, table_addr);
	if (reason != IOAS_FAULT_NO_WRITE)
		return reason;
	plain->op = IOAS_TLP_READ;
	return tlp_look(issuer, route, plain->addr, walk, table_addr);
}

/* In flight. What is not there is no fault: the device may request the page. */
static enum ioas_fault_reason hand_out(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
				       struct ioas_ats_translation *out, struct spare *spare)
{
	uint64_t unit = ioas_ats_unit(issuer->dev);
	struct ioas_tlp plain = *tlp;
	enum ioas_fault_reason reason;
	struct tlp_route route;
	struct pt_walk walk;
	iova_t table_addr;

	*out = (struct ioas_ats_translation){.first = tlp->addr & ~(unit - 1), .len = unit};
	/* What the rest of the range meets is the next answer's. */
	if (plain.len > unit - (tlp->addr - out->first))
		plain.len = unit - (tlp->addr - out->first);
	reason = tlp_find_route(issuer->dev, &plain, &route);
	if (reason == IOAS_FAULT_INTERRUPT) {
		out->flags = IOAS_ATS_UNTRANSLATED | IOAS_ATS_WRITE;
		return IOAS_FAULT_NONE;
	}
	if (!reason)
		reason = look(issuer, &route, &plain, &walk, &table_addr);
	if (reason)
		return is_missing(reason) ? IOAS_FAULT_NONE : reason;
	out->flags = allowed(&plain, route.pt, walk.prot);
	if (!out->flags)
		return IOAS_FAULT_NONE;
	out->first = walk.leaf_first;
	out->len = walk.leaf_len;
	out->addr = walk.pa - (tlp->addr - walk.leaf_first);
	enter(issuer, tlp, &route, out, table_addr - (tlp->addr - walk.leaf_first), spare);
	if (walk.tracked && out->flags & IOAS_ATS_WRITE)
		pt_dirty_mark(route.pt, &walk);
	return IOAS_FAULT_NONE;
}

/*
 * Of a range above the smallest, S is set, and its length is where the address has its lowest 0
 * among ones: one 0 at bit 12 and S mean 8 KiB.
 */
uint64_t ats_completion(const struct ioas_ats_translation *found)
{
	uint64_t value = found->flags;

	if (!found->flags || found->flags & IOAS_ATS_UNTRANSLATED)
		return value;
	value |= found->addr & ~(found->len - 1) & ~0xfffull;
	if (found->len > COMPLETION_UNIT)
		value |= COMPLETION_S | ((found->len / 2 - 1) & ~0xfffull);
	return value;
}

int ats_ask(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
	    struct ioas_ats_translation *out, struct ioas_fault *fault)
{
	enum ioas_fault_reason reason;
	struct spare spare = {0};
	bool again;

	if (!spare_get(&spare)) {
		spare_free(&spare);
		return -ENOMEM;
	}
	do {
		tlp_enter(issuer);
		reason = hand_out(issuer, tlp, out, &spare);
		fault_look_if(fault, issuer->dev, tlp, 0, reason, false);
		tlp_leave(issuer);
		again = reason == TLP_MOVING;
		reason = tlp_moved(issuer->dev, reason);
	} while (again);
	spare_free(&spare);
	return reason ? -EFAULT : 0;
}

int ioas_ats_translate(struct ioas_issuer *issuer, const struct ioas_tlp *tlp,
		       struct ioas_ats_translation *out, unsigned max)
{
	struct ioas_tlp ask = *tlp;
	iova_t last = tlp->addr + (tlp->len - 1);
	struct ioas_fault fault;
	unsigned nr = 0;

	if (!ats_is_open(issuer->dev))
		return -EOPNOTSUPP;
	if (!tlp_valid(tlp) || !max || last < tlp->addr)
		return -EINVAL;
	ask.at = IOAS_TLP_TRANSLATION_REQUEST;
	while (nr < max) {
		int rc;

		ask.len = last - ask.addr + 1;
		rc = ats_ask(issuer, &ask, &out[nr], &fault);
		if (rc && nr)
			break;
		if (rc)
			return rc == -EFAULT ? fault_record(issuer, &fault) : rc;
		ask.addr = out[nr].first + out[nr].len;
		if (!out[nr++].flags || out[nr - 1].first + (out[nr - 1].len - 1) >= last)
			break;
	}
	return (int)nr;
}
