/* SPDX-License-Identifier: MIT */
/*
 * Taking translations back: the device is asked, and waited for.
 *
 * What is asked for stays the device's until it has answered: a request that it had under way then
 * is no breach. One that does not answer in time loses ATS until it is reset or attached anew, as a
 * real IOMMU stops serving it (VT-d: an invalidation time-out error).
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "iommu.h"
#include "pt/pt.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "util/lock.h"

#define TIMEOUT_MS 60000u /* of a device that says nothing: PCIe 10.3.1 */

/* What is to be taken back of one use of a device. */
struct ask {
	const void *table;
	uint32_t form;
	iova_t first, last;
	bool writes;
	enum ioas_ats_cause cause;
};

static struct ats_table *table_of(struct tree_node *node)
{
	return tree_entry(node, struct ats_table, node);
}

static struct ats_use *use_of_id(struct tree_node *node)
{
	return tree_entry(node, struct ats_use, by_id);
}

void ats_tables_init(struct ats_tables *tables)
{
	lock_init(&tables->lock, LOCK_ATS_TABLES);
	lock_guards(&tables->lock, &tables->nr, tables + 1);
	atomic_init(&tables->nr, 0);
}

void ats_tables_fini(struct ats_tables *tables)
{
	pthread_mutex_destroy(&tables->lock);
}

static struct ats_table *find_table(const struct ats_tables *tables, const struct pt *pt,
				    struct tree_node **parent, int *side)
{
	struct tree_node *node = tables->tree.root;

	*parent = NULL;
	*side = 0;
	while (node) {
		struct ats_table *at = table_of(node);

		if (at->pt == pt)
			return at;
		*parent = node;
		*side = (uintptr_t)pt > (uintptr_t)at->pt;
		node = node->child[*side];
	}
	return NULL;
}

static void use_enter_locked(struct ats_tables *tables, const struct pt *pt, struct ats_use *use,
			     struct ats_table **spare)
{
	struct ats_table *table;
	struct tree_node *parent;
	int side;

	lock_must_hold(&tables->lock);
	table = find_table(tables, pt, &parent, &side);
	if (!table) {
		table = *spare;
		*spare = NULL;
		*table = (struct ats_table){.pt = pt};
		tree_insert(&tables->tree, &table->node, parent, side);
		atomic_fetch_add_explicit(&tables->nr, 1, memory_order_release);
	}
	use->home = table;
	use->id = ++tables->next_id;
	tree_insert(&table->uses, &use->by_id, tree_end(&table->uses, 1), 1);
}

void ats_use_enter(struct ats_tables *tables, const struct pt *pt, struct ats_use *use,
		   struct ats_table **spare)
{
	pthread_mutex_lock(&tables->lock);
	use_enter_locked(tables, pt, use, spare);
	pthread_mutex_unlock(&tables->lock);
}

static void use_end(struct ats *ats, struct ats_use *use)
{
	struct ats_tables *tables = &ats->dev->iommu->ats;
	struct ats_table *table = use->home;

	ats_track_use_del(&ats->track, use);
	pthread_mutex_lock(&tables->lock);
	tree_remove(&table->uses, &use->by_id);
	if (!table->uses.root) {
		tree_remove(&tables->tree, &table->node);
		atomic_fetch_sub_explicit(&tables->nr, 1, memory_order_release);
		free(table);
	}
	pthread_mutex_unlock(&tables->lock);
	free(use);
}

void ats_entry_end(struct ats *ats, struct ats_entry *entry, enum ioas_ats_cause cause)
{
	struct ats_use *use = entry->use;

	ats->gone[ats->gone_nr++ % ATS_GONE_NR] = (struct ats_gone){
		.form = use->form,
		.cause = cause,
		.first = entry->first,
		.len = entry->len,
		.pa = entry->pa,
	};
	ats_track_del(&ats->track, entry);
	free(entry);
	if (!use->entries.root)
		use_end(ats, use);
}

static bool asked_for(const struct ats_entry *entry, const struct ask *ask)
{
	return !ask->writes || entry->ops >> IOAS_TLP_WRITE & 1;
}

/* Marks what is to be given back. False: nothing; else the range that has all of it. (lock) */
static bool mark_leaving(struct ats *ats, const struct ask *ask, struct ioas_ats_invalidation *what)
{
	struct ats_use *use = ats_track_use(&ats->track, ask->form, ask->table);
	struct ats_entry *entry = use ? ats_track_next(use, NULL, ask->first, ask->last) : NULL;
	bool any = false;

	*what = (struct ioas_ats_invalidation){
		.has_pasid = ask->form != ATS_NO_PASID,
		.pasid = ask->form != ATS_NO_PASID ? ask->form : 0,
		.first = UINT64_MAX,
	};
	for (; entry; entry = ats_track_next(use, entry, ask->first, ask->last)) {
		iova_t last = entry->first + entry->len - 1;

		if (!asked_for(entry, ask))
			continue;
		entry->leaving = any = true;
		what->first = entry->first < what->first ? entry->first : what->first;
		what->last = last > what->last ? last : what->last;
	}
	return any;
}

/* What a reset has not ended meanwhile. (lock) */
static void end_leaving(struct ats *ats, const struct ask *ask)
{
	struct ats_use *use = ats_track_use(&ats->track, ask->form, ask->table);
	struct ats_entry *entry = use ? ats_track_next(use, NULL, ask->first, ask->last) : NULL;

	while (entry) {
		struct ats_entry *next = ats_track_next(use, entry, ask->first, ask->last);

		if (entry->leaving)
			ats_entry_end(ats, entry, ask->cause);
		entry = next;
	}
}

static struct timespec deadline_of(const struct ioas_iommu *iommu)
{
	unsigned ms = iommu->config.ats_timeout_ms ? iommu->config.ats_timeout_ms : TIMEOUT_MS;
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

/* Asks, and waits. False: there was no answer in time, and the device is blocked now. (turn) */
static bool ask_device(struct ats *ats, const struct ioas_ats_ops *ops,
		       const struct ioas_ats_invalidation *what)
{
	struct timespec deadline = deadline_of(ats->dev->iommu);
	bool done = ops->invalidate(ats->arg, what), in_time = true;

	pthread_mutex_lock(&ats->lock);
	if (done && what->tag > ats->tag_done)
		ats->tag_done = what->tag;
	while (in_time && ats->tag_done < what->tag)
		in_time =
			pthread_cond_timedwait(&ats->answered, &ats->lock, &deadline) != ETIMEDOUT;
	in_time = ats->tag_done >= what->tag;
	if (!in_time)
		atomic_store(&ats->state, ATS_BLOCKED);
	pthread_mutex_unlock(&ats->lock);
	return in_time;
}

static void record_timeout(struct ats *ats, const struct ask *ask,
			   const struct ioas_ats_invalidation *what)
{
	struct ioas_tlp tlp = {
		.addr = what->first,
		.len = what->last - what->first + 1,
		.flags = what->has_pasid ? IOAS_TLP_PASID : 0,
		.pasid = what->pasid,
		.at = IOAS_TLP_TRANSLATED,
	};
	struct ioas_fault fault;

	fault_note(&fault, ats->dev, &tlp, IOAS_FAULT_ATS_TIMEOUT);
	fault.taken = (struct ioas_range){what->first, what->last};
	fault.taken_by = (uint16_t)ask->cause;
	fault_keep(ats->dev, &fault);
}

static void take(struct ats *ats, const struct ask *ask)
{
	struct ioas_ats_invalidation what;
	const struct ioas_ats_ops *ops;
	bool any, asked;

	pthread_mutex_lock(&ats->turn);
	ops = atomic_load(&ats->ops);
	pthread_mutex_lock(&ats->lock);
	any = mark_leaving(ats, ask, &what);
	asked = any && ops && atomic_load(&ats->state) == ATS_ON;
	if (asked)
		what.tag = ++ats->tag;
	pthread_mutex_unlock(&ats->lock);
	if (asked && !ask_device(ats, ops, &what))
		record_timeout(ats, ask, &what);
	if (any) {
		pthread_mutex_lock(&ats->lock);
		end_leaving(ats, ask);
		pthread_mutex_unlock(&ats->lock);
		inflight_wait(&ats->dev->iommu->inflight);
	}
	pthread_mutex_unlock(&ats->turn);
}

/*
 * The next use by way of the page table after number *id, whose device is kept, into *ask: of a
 * nested one all of it. NULL: there is none.
 */
static struct ats *next_user(struct ats_tables *tables, const struct pt *pt, uint64_t *id,
			     const struct ask *all, struct ask *ask)
{
	struct ats_use *found = NULL;
	struct tree_node *node;
	struct ats_table *at;
	int side;

	pthread_mutex_lock(&tables->lock);
	at = find_table(tables, pt, &node, &side);
	node = at ? at->uses.root : NULL;
	while (node) {
		bool before = use_of_id(node)->id <= *id;

		if (!before)
			found = use_of_id(node);
		node = node->child[before];
	}
	if (found) {
		*id = found->id;
		*ask = *all;
		ask->table = found->table;
		ask->form = found->form;
		if (found->nested) {
			ask->first = 0;
			ask->last = UINT64_MAX;
		}
		atomic_fetch_add_explicit(&found->ats->refs, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&tables->lock);
	return found ? found->ats : NULL;
}

/* Apart, so that who has nothing to take back saves no registers. */
static __attribute__((noinline)) void take_back(struct ioas_iommu *iommu, const struct pt *pt,
						const struct ask *all)
{
	struct ask ask;
	struct ats *ats;
	uint64_t id = 0;

	while ((ats = next_user(&iommu->ats, pt, &id, all, &ask))) {
		take(ats, &ask);
		ats_put(ats);
	}
}

void ats_take_back(struct ioas_iommu *iommu, const struct pt *pt, iova_t first, iova_t last,
		   bool writes, enum ioas_ats_cause cause)
{
	if (atomic_load_explicit(&iommu->ats.nr, memory_order_acquire)) {
		const struct ask all = {
			.first = first, .last = last, .writes = writes, .cause = cause};

		take_back(iommu, pt, &all);
	}
}

/* The first form at or after *form by which the device holds something of that table. */
static bool next_form(struct ats *ats, const void *table, uint64_t *form)
{
	struct ats_use *use = NULL;

	pthread_mutex_lock(&ats->lock);
	while (*form <= ATS_NO_PASID && (use = ats_track_use_from(&ats->track, (uint32_t)*form)) &&
	       !ats_track_use(&ats->track, use->form, table))
		*form = (uint64_t)use->form + 1;
	if (use && *form <= ATS_NO_PASID)
		*form = use->form;
	else
		use = NULL;
	pthread_mutex_unlock(&ats->lock);
	return use;
}

void ats_take_route(struct ioas_device *dev, const pasid_t *pasid, const struct pt_target *target,
		    enum ioas_ats_cause cause)
{
	struct ask ask = {.table = target, .last = UINT64_MAX, .cause = cause};
	uint64_t form = ats_form(dev, pasid != NULL, pasid ? *pasid : 0);

	if (!dev->ats || !target)
		return;
	ask.form = (uint32_t)form;
	take(dev->ats, &ask);
	if (!target->stage1)
		return;
	for (form = 0; next_form(dev->ats, target, &form); form++) {
		ask.form = (uint32_t)form;
		take(dev->ats, &ask);
	}
}

void ats_take_named(struct ioas_device *dev, const struct pt_target *target,
		    const struct ats_named *what)
{
	struct ask ask = {.table = target,
			  .first = what->first,
			  .last = what->last,
			  .cause = IOAS_ATS_BY_GUEST};
	uint64_t form = what->one_pasid ? ats_form(dev, true, what->pasid) : 0, only = form;

	if (!dev->ats || !target)
		return;
	for (; next_form(dev->ats, target, &form); form++) {
		if (what->one_pasid && form != only)
			return;
		if (what->any_pasid && form == ATS_NO_PASID)
			return;
		ask.form = (uint32_t)form;
		take(dev->ats, &ask);
	}
}
