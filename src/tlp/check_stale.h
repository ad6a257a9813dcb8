/* SPDX-License-Identifier: MIT */
/*
 * --check-invalidation: which entries of a program's page tables its IOMMU may have cached, and
 * whether they are still what the tables say.
 *
 * A real IOMMU may keep, of any walk, any present entry that it read, leaf or not, until the
 * program invalidates what the entry was read for. So all of these are remembered, by where they
 * stand in the walk; and when a later walk comes by the same place and finds another entry that
 * takes something away (another address, nothing at all, less permission), the request would have
 * gone by the old one on real hardware, or may have. What was not present is not remembered: what
 * becomes present needs no invalidation.
 *
 * For debugging: it takes a lock and memory on the way of TLPs, and nothing else remembers
 * translations of nested page tables while it is on.
 */
#ifndef TLP_CHECK_STALE_H
#define TLP_CHECK_STALE_H

#include "pt/foreign.h"

struct check_stale;

/* An entry that a walk has read. */
struct stale_entry {
	/* Where it stands: in which address space of the guest's (as its kind counts them), on
	 * which level (0: a structure that leads to the page table), and the first address that it
	 * is for (level 0: its GPA). */
	uint32_t space, level;
	iova_t first;
	pa_t gpa;
	uint64_t entry;
	bool present;
};

/* One that was changed without an invalidation. */
struct stale_found {
	bool found;
	uint32_t level;
	pa_t gpa;
	uint64_t old, now;
};

/* 0; -ENOMEM. */
int check_stale_new(struct check_stale **out);
void check_stale_destroy(struct check_stale *check);

/*
 * A walk through a table of that format has read these. Compares them with what is remembered, and
 * remembers them. *out: the first one, from the top, that differs; each change is told once.
 */
void check_stale_walk(struct check_stale *check, const struct pt_foreign *table,
		      const struct stale_entry *entries, unsigned nr, struct stale_found *out);

/* What the program invalidates. */
struct stale_forget {
	bool any_space;
	uint32_t space;
	iova_t first, last;
	bool leaves;	 /* only leaves; else what leads to them, too */
	bool structures; /* what leads to the page table of those spaces, too */
	bool no_tables;	 /* only that */
	/* Of leaves that are global (pt_foreign_is_global), which stand where they were found
	 * first: none of them; or those of all other spaces as well. */
	bool not_global, global;
};
void check_stale_forget(struct check_stale *check, const struct stale_forget *what);

#endif
