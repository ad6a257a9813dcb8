/* SPDX-License-Identifier: MIT */
/*
 * Which translations a device holds: what was handed out by ATS and not taken back.
 *
 * A *translation* leads from a range of IOVAs to as many physical addresses. It is of a *use*: one
 * form of requests (a PASID, or none) through one page table. A device asks by physical address
 * (has it a right to that?), an invalidation by IOVA. Both take O(log n), whatever overlaps: each
 * tree is in order of where ranges begin, and knows of each subtree where the last one of it ends.
 *
 * Data only: the caller locks (struct ats, src/tlp/ats.h) and owns the memory.
 */
#ifndef TLP_ATS_TRACK_H
#define TLP_ATS_TRACK_H

#include <ioas/types.h>
#include "util/tree.h"

/* A form of request: a PASID, or this. */
#define ATS_NO_PASID UINT32_MAX

struct ats_table;

struct ats_use {
	struct tree_node by_form; /* in ats_track.uses */
	struct tree entries;	  /* struct ats_entry, by first IOVA */
	uint32_t form;		  /* constant */
	const void *table;	  /* constant: a struct pt_target, never looked into */
	/* For src/tlp/ats.c: who holds something of that table. */
	struct ats *ats;
	struct ats_table *home;
	struct tree_node by_id; /* in home->uses */
	uint64_t id;
	bool nested; /* constant: the IOVAs are not those of the home's page table */
};

struct ats_entry {
	struct tree_node by_pa, by_iova;
	struct ats_use *use;
	iova_t first;
	uint64_t len;
	pa_t pa;
	uint32_t ops; /* handed out for: 1 << enum ioas_tlp_op */
	/* For --check-dirty: `first` in the home's page table, and the generation of the mark. */
	iova_t table_first;
	uint64_t marked;
	bool leaving; /* the device has been asked to give it back */
	/* For --check-invalidation: asked for by requests without privilege, and with; and it was
	 * told that it is no longer right. */
	bool plain, priv, told;
	/* Summaries of the subtrees below both nodes. */
	pa_t pa_reach[2]; /* by op: the last PA of any; 0: none */
	iova_t iova_reach;
};

struct ats_track {
	struct tree by_pa;
	struct tree uses;
};

void ats_track_init(struct ats_track *track);

/* The use of that form and table, or NULL. */
struct ats_use *ats_track_use(const struct ats_track *track, uint32_t form, const void *table);
/* The first use at or after that form, of any table, or NULL. */
struct ats_use *ats_track_use_from(const struct ats_track *track, uint32_t form);
/* Enters a use, whose form and table are set and which is not there. */
void ats_track_use_add(struct ats_track *track, struct ats_use *use);
/* Takes out one without entries. */
void ats_track_use_del(struct ats_track *track, struct ats_use *use);

/* Enters a translation: first, len, pa and ops are set. */
void ats_track_add(struct ats_track *track, struct ats_use *use, struct ats_entry *entry);
/* The use's translation of exactly that range, or NULL. */
struct ats_entry *ats_track_same(const struct ats_use *use, iova_t first, uint64_t len, pa_t pa);
/* It is handed out for more. */
void ats_track_allow(struct ats_track *track, struct ats_entry *entry, uint32_t ops);
void ats_track_del(struct ats_track *track, struct ats_entry *entry);

/* Of the translations that hold pa and allow `op` the one that goes farthest, or NULL. */
struct ats_entry *ats_track_reach(const struct ats_track *track, pa_t pa, unsigned op);

/* The next, after `prev` (NULL: the first), of the translations that hold pa and allow `op`. */
struct ats_entry *ats_track_at(const struct ats_track *track, const struct ats_entry *prev, pa_t pa,
			       unsigned op);

/* The use's first translation, after `prev` (NULL: from the first), that meets first..last. */
struct ats_entry *ats_track_next(const struct ats_use *use, const struct ats_entry *prev,
				 iova_t first, iova_t last);

#endif
