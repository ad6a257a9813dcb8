/* SPDX-License-Identifier: MIT */
/*
 * The walk in two dimensions. Stage 1 is walked by pt_foreign_walk, which reads entries here: each
 * read is a small transaction of its own, with stage 2's translation and permission, and so is each
 * update of an accessed or dirty bit, which stage 2 must allow to be written. The address that
 * comes out is translated by stage 2 as the last one.
 *
 * The tables are the program's, which may change or unmap them at any time: entries are read and
 * exchanged as 8 bytes at once, and what is not there is a fault.
 */
#include <errno.h>
#include "iommu.h"
#include "mem/mem.h"
#include "pt/mark.h"
#include "route/route.h"
#include "tlp/check_dirty.h"
#include "tlp/nested.h"
#include "tlp/tlp.h"

/* A walk on its way. */
struct nested {
	struct ioas_iommu *iommu;
	const struct pt *parent;
	const struct ioas_issuer *issuer; /* of the request, or NULL */
	struct ioas_fault *note;
	enum ioas_fault_reason reason; /* why stage 2 refused */
	bool structures;	       /* find is at work */
	struct check_stale *check;     /* NULL: nobody wants to know what was read: */
	unsigned seen_nr, structure_nr;
	struct stale_entry seen[IOAS_FAULT_STAGE1];
};

static void see(struct nested *nested, pa_t gpa, uint64_t entry, bool present)
{
	if (nested->check && nested->seen_nr < IOAS_FAULT_STAGE1)
		nested->seen[nested->seen_nr++] = (struct stale_entry){
			.first = gpa, .gpa = gpa, .entry = entry, .present = present};
}

void nested_seen(struct nested *nested, pa_t gpa, uint64_t entry, bool valid)
{
	see(nested, gpa, entry, valid);
	nested->structure_nr = nested->seen_nr;
}

/* Stage 2 refused. */
static int refused(struct nested *nested, enum ioas_fault_reason reason, pa_t gpa)
{
	nested->reason = reason;
	if (nested->note) {
		nested->note->stage = 2;
		nested->note->gpa = gpa;
		nested->note->during =
			nested->structures ? IOAS_FAULT_DURING_STRUCTURE : IOAS_FAULT_DURING_TABLE;
	}
	return -EFAULT;
}

/* Where this process sees the 8 bytes at a GPA. A page holds all of them. */
static int reach(struct nested *nested, unsigned op, pa_t gpa, struct pt_walk *walk, void **host)
{
	enum ioas_fault_reason reason = tlp_walk(nested->parent, op, gpa, walk);
	struct mem_window *window;
	uint64_t len = 8;

	if (reason)
		return refused(nested, reason, gpa);
	window = mem_window_find(nested->iommu->mem, walk->pa);
	if (!window)
		return refused(nested, IOAS_FAULT_MEMORY, gpa);
	*host = mem_window_at(window, walk->pa - window->pa, &len);
	return *host ? 0 : refused(nested, TLP_MOVING, gpa);
}

/* For records: an entry was read. Which level it is of is known at the end. */
static void note_entry(struct nested *nested, pa_t gpa, uint64_t entry)
{
	struct ioas_fault *note = nested->note;

	if (!note || note->stage1_nr == IOAS_FAULT_STAGE1)
		return;
	note->stage1[note->stage1_nr].gpa = gpa;
	note->stage1[note->stage1_nr].entry = entry;
	note->stage1[note->stage1_nr].level = 0;
	note->stage1[note->stage1_nr].kind =
		nested->structures ? IOAS_FAULT_ENTRY_STRUCTURE : IOAS_FAULT_ENTRY_TABLE;
	note->stage1_nr++;
}

static int read_entry(void *ctx, pa_t gpa, uint64_t *entry)
{
	struct nested *nested = ctx;
	struct pt_walk walk;
	void *host;
	int rc = reach(nested, IOAS_TLP_READ, gpa, &walk, &host);

	if (rc)
		return rc;
	if (mem_pinned_copy(host, entry, sizeof(*entry), false,
			    nested->iommu->config.memory_told) != sizeof(*entry))
		return refused(nested, IOAS_FAULT_MEMORY, gpa);
	note_entry(nested, gpa, *entry);
	if (!nested->structures)
		see(nested, gpa, *entry, true);
	return 0;
}

static int exchange_entry(void *ctx, pa_t gpa, uint64_t old, uint64_t value)
{
	struct nested *nested = ctx;
	struct pt_walk walk;
	void *host;
	int rc = reach(nested, IOAS_TLP_WRITE, gpa, &walk, &host);

	/* For a record nothing is done, but what would hinder it is told. */
	if (rc || nested->note)
		return rc;
	if (walk.tracked)
		pt_dirty_mark(nested->parent, &walk);
	rc = mem_pinned_exchange(host, old, value, nested->iommu->config.memory_told);
	if (!rc && nested->issuer && nested->issuer->check)
		check_dirty_wrote(nested->issuer->check, nested->issuer->dev, nested->parent, gpa,
				  sizeof(value), nested->issuer->tlb.generation);
	/* The walk begins again. */
	if (rc == -EAGAIN)
		nested->seen_nr = nested->structure_nr;
	return rc == -EFAULT ? refused(nested, IOAS_FAULT_MEMORY, gpa) : rc;
}

enum ioas_fault_reason nested_read(struct nested *nested, pa_t gpa, uint64_t *out)
{
	return read_entry(nested, gpa, out) ? nested->reason : IOAS_FAULT_NONE;
}

/* Which permission it was: the first of these that is missing. */
static enum ioas_fault_reason denied(uint32_t access, uint32_t prot)
{
	if (!(access & PT_ACCESS_PRIV) && prot & PT_PROT_PRIV)
		return IOAS_FAULT_PRIVILEGE;
	if (access & PT_ACCESS_WRITE && !(prot & IOAS_PROT_WRITE))
		return IOAS_FAULT_NO_WRITE;
	if (access & PT_ACCESS_READ && !(prot & IOAS_PROT_READ))
		return IOAS_FAULT_NO_READ;
	/* What is left: no fetch; or what the unprivileged may read is kept from the privileged. */
	return access & PT_ACCESS_EXEC ? IOAS_FAULT_NO_EXEC : IOAS_FAULT_PRIVILEGE;
}

static enum ioas_fault_reason why_not(const struct nested *nested, uint32_t access,
				      const struct pt_foreign_walk *walk)
{
	static const enum ioas_fault_reason reasons[] = {
		[PT_FAULT_INPUT] = IOAS_FAULT_WIDTH,
		[PT_FAULT_READ] = IOAS_FAULT_CHANGING,
		[PT_FAULT_NOT_PRESENT] = IOAS_FAULT_NOT_MAPPED,
		[PT_FAULT_RESERVED] = IOAS_FAULT_RESERVED,
		[PT_FAULT_OUTPUT] = IOAS_FAULT_OUTPUT,
		[PT_FAULT_ACCESSED] = IOAS_FAULT_ACCESSED,
	};

	if (nested->reason)
		return nested->reason;
	return walk->fault == PT_FAULT_PERMISSION ? denied(access, walk->prot)
						  : reasons[walk->fault];
}

/* The entries that were read, from the last one up, which the walk knows. */
static void note_levels(struct ioas_fault *note, const struct pt_foreign_walk *walk)
{
	bool leaf = walk->fault == PT_FAULT_NONE || walk->fault == PT_FAULT_PERMISSION ||
		    walk->fault == PT_FAULT_ACCESSED;
	uint32_t nr = note->stage1_nr;
	/* An entry that could not be read is not in the list. */
	bool last_read = nr && note->stage1[nr - 1].gpa == walk->entry_pa;
	unsigned level = last_read ? walk->level : walk->level + 1;

	for (uint32_t i = nr; i-- && note->stage1[i].kind != IOAS_FAULT_ENTRY_STRUCTURE;)
		note->stage1[i].level = (uint16_t)level++;
	if (!last_read || walk->fault == PT_FAULT_READ || walk->fault == PT_FAULT_INPUT)
		return;
	note->stage1[nr - 1].kind = walk->fault == PT_FAULT_NOT_PRESENT ? IOAS_FAULT_ENTRY_EMPTY
				    : leaf				? IOAS_FAULT_ENTRY_LEAF
									: IOAS_FAULT_ENTRY_INVALID;
}

/* The dimension of the program's. */
static enum ioas_fault_reason stage_1(struct nested *nested, const struct stage1 *stage1,
				      const struct nested_request *request,
				      struct nested_table *table, struct pt_foreign_walk *walk)
{
	enum ioas_fault_reason reason;
	int rc;

	table->input = table->named = request->iova;
	table->space = stage1->pasids && request->has_pasid ? request->pasid : 0;
	table->structures = table->space;
	nested->structures = true;
	reason = stage1->ops->find(stage1, nested, request, table);
	nested->structures = false;
	if (reason || table->bypass)
		return reason;
	table->table.read = read_entry;
	table->table.exchange = exchange_entry;
	table->table.ctx = nested;
	*walk = (struct pt_foreign_walk){0};
	rc = pt_foreign_walk(&table->table, table->input, request->access, walk);
	if (nested->note && rc != -EINVAL)
		note_levels(nested->note, walk);
	/* The kind has checked what it takes from the program, but for what it read just now. */
	if (rc == -EINVAL)
		return IOAS_FAULT_RESERVED;
	return rc ? why_not(nested, request->access, walk) : IOAS_FAULT_NONE;
}

/*
 * What the walk read, with the places it stands at. The last entry's level is known, as in
 * note_levels, and each before it is one above.
 */
static void check(struct nested *nested, const struct nested_table *table,
		  const struct pt_foreign_walk *walk, struct stale_found *out)
{
	/* What leads nowhere is not cached: of the last entry the walk says so. */
	bool bad = walk->fault == PT_FAULT_RESERVED || walk->fault == PT_FAULT_OUTPUT;
	unsigned nr = nested->seen_nr, level = walk->level;

	if (nr > nested->structure_nr && nested->seen[nr - 1].gpa != walk->entry_pa)
		level++;
	for (unsigned i = nr; i-- > nested->structure_nr; level++) {
		struct stale_entry *entry = &nested->seen[i];
		unsigned lg2 = pt_foreign_level_lg2(table->table.format, level);

		entry->level = level;
		entry->first = table->named >> lg2 << lg2;
		entry->present =
			pt_foreign_present(&table->table, entry->entry) && !(bad && i == nr - 1);
	}
	for (unsigned i = 0; i < nr; i++)
		nested->seen[i].space = i < nested->structure_nr ? table->structures : table->space;
	check_stale_walk(nested->check, &table->table, nested->seen, nr, out);
}

/* The smaller of both leaves, by the address asked for. */
static void join(iova_t iova, const struct pt_foreign_walk *first, struct nested_found *out)
{
	struct pt_walk *walk = &out->walk;

	if (walk->leaf_len > first->leaf_len)
		walk->leaf_len = first->leaf_len;
	walk->leaf_first = iova & ~(walk->leaf_len - 1);
	walk->prot &= first->prot;
}

enum ioas_fault_reason nested_walk(struct ioas_iommu *iommu, const struct stage1 *stage1,
				   const struct nested_request *request, struct nested_found *out,
				   struct ioas_fault *note)
{
	struct nested nested;
	bool write = request->access & PT_ACCESS_WRITE;
	struct nested_table table = {0};
	struct pt_foreign_walk first = {0};
	enum ioas_fault_reason reason;

	/* But for `seen`, which is long. */
	nested.iommu = iommu;
	nested.parent = stage1->to.pt;
	nested.issuer = request->issuer;
	nested.note = note;
	nested.reason = IOAS_FAULT_NONE;
	nested.check = note ? NULL : stage1->check;
	nested.seen_nr = nested.structure_nr = 0;
	reason = stage_1(&nested, stage1, request, &table, &first);
	out->stale.found = false;
	if (__builtin_expect(nested.check != NULL, 0))
		check(&nested, &table, &first, &out->stale);
	if (reason) {
		if (note && !note->stage)
			note->stage = 1;
		return reason;
	}
	out->gpa = table.bypass ? request->iova : first.pa;
	out->clean = !table.bypass && table.table.update && !write;
	reason = tlp_walk(nested.parent, write ? IOAS_TLP_WRITE : IOAS_TLP_READ, out->gpa,
			  &out->walk);
	if (note) {
		note->stage = reason ? 2 : 0;
		note->gpa = out->gpa;
	}
	if (!reason && !table.bypass)
		join(request->iova, &first, out);
	return reason;
}
