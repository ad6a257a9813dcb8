/* SPDX-License-Identifier: MIT */
/*
 * The walk of tables that are not ours, written once for all formats (see foreign.h and
 * fmt/README.md). Included by template.h.
 */
#ifndef PT_FOREIGN_WALK_H
#define PT_FOREIGN_WALK_H

#include <errno.h>
#include "pt/walk.h"

/* What a format says of a leaf by the tables above it, before its permissions are looked at. */
#ifndef PT_LEAF_BELOW
#define PT_LEAF_BELOW(any, entry) (entry)
#endif

/* An entry that changes all the time is somebody's attack on the walker. */
#define FOREIGN_TRIES 16

static int foreign_fault(struct pt_foreign_walk *out, enum pt_fault fault)
{
	out->fault = fault;
	return -EFAULT;
}

/* Inputs end with the width; where they are signed, the bits above repeat the highest. */
static bool foreign_input(unsigned aw, iova_t iova)
{
	if (!PT_SIGNED_BITS)
		return !(iova >> aw);
	return !(iova >> (aw - 1)) || iova >> (aw - 1) == UINT64_MAX >> (aw - 1);
}

static bool foreign_allows(const struct pt_foreign *table, uint32_t prot, uint32_t access)
{
	bool priv = access & PT_ACCESS_PRIV;

	if (access & PT_ACCESS_READ && !(prot & IOAS_PROT_READ))
		return false;
	if (access & PT_ACCESS_WRITE && !(prot & IOAS_PROT_WRITE) && !(priv && table->priv_writes))
		return false;
	if (access & PT_ACCESS_EXEC && prot & (priv ? PT_PROT_NO_EXEC_PRIV : PT_PROT_NO_EXEC))
		return false;
	if (!(access & (PT_ACCESS_READ | PT_ACCESS_WRITE)))
		return true;
	return priv ? !table->priv_apart || prot & PT_PROT_PRIV : !(prot & PT_PROT_PRIV);
}

/* All of the leaf and what leads to it. */
static uint32_t foreign_prot(const struct pt_foreign *table, uint64_t all, uint64_t any,
			     const struct pt_foreign_walk *leaf)
{
	bool dirty = table->update && !table->clean;
	uint64_t alone = dirty ? leaf->entry : FMT(without_tracking)(leaf->entry);
	uint64_t entry = table->flat ? alone : PT_LEAF_BELOW(any, alone);
	uint32_t prot = FMT(prot)(entry, leaf->level);

	if (!table->flat)
		prot = FMT(prot_below)(all, any, prot);
	if (table->write_no_exec && prot & IOAS_PROT_WRITE)
		prot |= PT_PROT_NO_EXEC_PRIV | (prot & PT_PROT_PRIV ? 0 : PT_PROT_NO_EXEC);
	return prot;
}

/* Writes the bits that a use of the entry sets. 0; -EAGAIN: walk again; -EFAULT. */
static int foreign_use(const struct pt_foreign *table, struct pt_foreign_walk *out, bool leaf,
		       bool write)
{
	uint64_t value = out->entry;
	int rc;

	if (leaf || PT_TABLES_ACCESSED)
		value = FMT(set_accessed)(value);
	if (leaf && write && !table->clean)
		value = FMT(set_dirty)(value);
	if (table->update)
		value |= table->used;
	if (value == out->entry)
		return 0;
	if (!table->update)
		return leaf && PT_ACCESSED_FAULTS && !table->accessed_unused
			       ? foreign_fault(out, PT_FAULT_ACCESSED)
			       : 0;
	rc = table->exchange(table->ctx, out->entry_pa, out->entry, value);
	if (!rc)
		out->entry = value;
	if (!rc || rc == -EAGAIN)
		return rc;
	out->error = rc;
	return foreign_fault(out, PT_FAULT_READ);
}

static int foreign_leaf(const struct pt_foreign *table, iova_t iova, uint32_t access,
			struct pt_foreign_walk *out)
{
	unsigned lg2 =
		PT_LEAF_HINT ? PT_LEVEL_LG2(out->level) : FMT(leaf_lg2)(out->entry, out->level);
	uint64_t mask = (1ull << lg2) - 1;
	pa_t pa;

	if (FMT(leaf_fit)(out->level, lg2) != lg2)
		return foreign_fault(out, PT_FAULT_RESERVED);
	pa = FMT(leaf_pa)(out->entry, lg2) | (iova & mask);
	if (pa >> table->pa_bits)
		return foreign_fault(out, PT_FAULT_OUTPUT);
	/* Arm's order; elsewhere both are one fault. */
	if (PT_ACCESSED_FAULTS && !table->update && !table->accessed_unused &&
	    FMT(set_accessed)(out->entry) != out->entry)
		return foreign_fault(out, PT_FAULT_ACCESSED);
	if (!foreign_allows(table, out->prot, access))
		return foreign_fault(out, PT_FAULT_PERMISSION);
	/* Of a leaf that goes on beyond the output's width, what is inside. */
	while ((pa | mask) >> table->pa_bits)
		mask >>= 1;
	out->pa = pa;
	out->leaf_first = iova & ~mask;
	out->leaf_len = mask + 1;
	return foreign_use(table, out, true, access & PT_ACCESS_WRITE);
}

/* Where the table is that the entry points to, and its level. */
static int foreign_next(const struct pt_foreign *table, iova_t iova, struct pt_foreign_walk *out,
			pa_t *next, unsigned *level)
{
	unsigned below = FMT(table_level)(out->entry, out->level);

	*next = FMT(table_pa)(out->entry);
	*level = below;
	if (!below || below >= out->level)
		return foreign_fault(out, PT_FAULT_RESERVED);
	if (PT_SKIPS && (iova & ((1ull << PT_LEVEL_LG2(out->level)) - 1)) >> PT_LEVEL_LG2(below) >>
				PT_INDEX_LG2)
		return foreign_fault(out, PT_FAULT_RESERVED);
	if (*next >> table->pa_bits)
		return foreign_fault(out, PT_FAULT_OUTPUT);
	return foreign_use(table, out, false, false);
}

static int foreign_try(const struct pt_foreign *table, iova_t iova, uint32_t access,
		       struct pt_foreign_walk *out)
{
	unsigned level = FMT(levels)(table->aw);
	uint64_t index = (iova & (UINT64_MAX >> (64 - table->aw))) >> PT_LEVEL_LG2(level);
	uint64_t all = UINT64_MAX, any = 0;
	pa_t at = table->root;
	int rc;

	for (;;) {
		uint64_t entry;

		out->level = level;
		out->entry_pa = at + index * 8;
		out->error = table->read(table->ctx, out->entry_pa, &entry);
		if (out->error)
			return foreign_fault(out, PT_FAULT_READ);
		out->entry = entry;
		if (!FMT(present)(entry))
			return foreign_fault(out, PT_FAULT_NOT_PRESENT);
		if (FMT(reserved)(entry, level))
			return foreign_fault(out, PT_FAULT_RESERVED);
		if (FMT(is_leaf)(entry, level)) {
			out->prot = foreign_prot(table, all, any, out);
			return foreign_leaf(table, iova, access, out);
		}
		all &= entry;
		any |= entry;
		rc = foreign_next(table, iova, out, &at, &level);
		if (rc)
			return rc;
		index = iova >> PT_LEVEL_LG2(level) & (PT_TABLE_ENTRIES - 1);
	}
}

static bool foreign_is(enum foreign_question question, unsigned level, uint64_t entry)
{
	if (question == FOREIGN_PRESENT)
		return FMT(present)(entry);
	if (!FMT(is_leaf)(entry, level))
		return false;
	return question == FOREIGN_LEAF || (PT_NOT_GLOBAL && !(entry & PT_NOT_GLOBAL));
}

/* What an entry allows, or lets those below allow. */
static uint32_t foreign_gives(bool update, unsigned level, uint64_t entry)
{
	uint32_t all = IOAS_PROT_READ | IOAS_PROT_WRITE;

	if (!FMT(is_leaf)(entry, level))
		return FMT(prot_below)(entry, entry, all);
	return FMT(prot)(update ? entry : FMT(without_tracking)(entry), level);
}

static bool foreign_same_place(unsigned level, uint64_t old, uint64_t now)
{
	unsigned lg2;

	if (FMT(is_leaf)(old, level) != FMT(is_leaf)(now, level))
		return false;
	if (!FMT(is_leaf)(old, level))
		return FMT(table_pa)(old) == FMT(table_pa)(now) &&
		       FMT(table_level)(old, level) == FMT(table_level)(now, level);
	lg2 = PT_LEAF_HINT ? PT_LEVEL_LG2(level) : FMT(leaf_lg2)(old, level);
	return (PT_LEAF_HINT || FMT(leaf_lg2)(now, level) == lg2) &&
	       FMT(leaf_pa)(old, lg2) == FMT(leaf_pa)(now, lg2);
}

static uint64_t foreign_used(uint64_t entry)
{
	return FMT(set_dirty)(FMT(set_accessed)(entry));
}

static bool foreign_changed(bool update, unsigned level, uint64_t old, uint64_t now)
{
	uint32_t limits = PT_PROT_NO_EXEC | PT_PROT_NO_EXEC_PRIV | PT_PROT_PRIV;
	uint32_t had, has;

	/* Others who walk the same tables may set these bits, where this one does not. */
	if (foreign_used(old) == foreign_used(now))
		return false;
	if (!FMT(present)(now) || FMT(reserved)(now, level) || !foreign_same_place(level, old, now))
		return true;
	had = foreign_gives(update, level, old);
	has = foreign_gives(update, level, now);
	return had & ~has & (IOAS_PROT_READ | IOAS_PROT_WRITE) || has & ~had & limits;
}

static int foreign(const struct pt_foreign *table, iova_t iova, uint32_t access,
		   struct pt_foreign_walk *out)
{
	int rc = -EAGAIN;

	if (!foreign_input(table->aw, iova))
		return foreign_fault(out, PT_FAULT_INPUT);
	for (unsigned i = 0; rc == -EAGAIN && i < FOREIGN_TRIES; i++)
		rc = foreign_try(table, iova, access, out);
	if (rc != -EAGAIN)
		return rc;
	out->error = rc;
	return foreign_fault(out, PT_FAULT_READ);
}

#endif
