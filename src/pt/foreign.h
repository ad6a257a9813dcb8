/* SPDX-License-Identifier: MIT */
/*
 * The hardware's view of a table that is not ours: a program or its guest keeps it in its own
 * memory, in a vendor's format, and may put there what it likes. Every entry is read by a callback,
 * which is also where a second dimension comes in: of a nested table all addresses, those of its
 * tables too, are inputs of the table below, and the callback translates them.
 *
 * Whatever the table holds, a walk reads at most one entry a level (and starts again when an entry
 * changes between its reading and the writing of its accessed or dirty bit), and ends with a
 * translation or a fault. What software says of neighbours (Arm's contiguous hint) is not believed:
 * the leaf told is what the one entry that was read says.
 */
#ifndef PT_FOREIGN_H
#define PT_FOREIGN_H

#include "pt/pt.h"

/* What a request wants; at least one of the first three. */
enum pt_access {
	PT_ACCESS_READ = 1,
	PT_ACCESS_WRITE = 2,
	PT_ACCESS_EXEC = 4,
	PT_ACCESS_PRIV = 8, /* it is privileged */
};

/* Why a walk ended without a translation. */
enum pt_fault {
	PT_FAULT_NONE,
	PT_FAULT_INPUT,	      /* the address is beyond the width, or not sign-extended */
	PT_FAULT_READ,	      /* an entry could not be read or written: `error` says why */
	PT_FAULT_NOT_PRESENT, /* an entry leads nowhere */
	PT_FAULT_RESERVED,    /* an entry has what the format reserves */
	PT_FAULT_OUTPUT,      /* an entry's address is beyond the output's width */
	PT_FAULT_PERMISSION,  /* the translation does not allow that access */
	PT_FAULT_ACCESSED,    /* the accessed or dirty bit is clear and nobody sets it */
};

struct pt_foreign {
	enum pt_format format;
	unsigned aw; /* input bits, 32..59, of Arm's stage 1 25..52; sign-extended: all there are */
	unsigned pa_bits; /* output bits; 0: as many as the format has */
	bool update;	  /* the hardware sets accessed and dirty bits */
	uint64_t used;	  /* with `update`: bits it sets besides, in every entry that it uses */
	bool priv_writes; /* privileged requests may write what is read-only */
	/* What only Arm's stage 1 has (IHI 0070, 5.4): */
	bool clean;	      /* with `update`: it sets no dirty bits, so DBM allows no writes */
	bool accessed_unused; /* without it: a clear accessed bit is no fault */
	bool flat;	      /* entries that point to tables take no permissions away */
	bool write_no_exec;   /* what may be written is not to be fetched */
	/* Privileged reads and writes are not for what the unprivileged may read. */
	bool priv_apart;
	/* The root, aligned: pt_foreign_root_align. */
	pa_t root;
	/* Reads the entry at `pa`. 0, or -errno: the walk ends with PT_FAULT_READ. */
	int (*read)(void *ctx, pa_t pa, uint64_t *entry);
	/*
	 * Puts `value` where `old` is, atomically. 0; -EAGAIN it is another by now; -errno as for
	 * read. Needed with `update` only.
	 */
	int (*exchange)(void *ctx, pa_t pa, uint64_t old, uint64_t value);
	void *ctx;
};

/* What a walk found; on a fault the entry that caused it, as far as the walk came. */
struct pt_foreign_walk {
	enum pt_fault fault;
	int error;	   /* of PT_FAULT_READ */
	unsigned level;	   /* of the entry looked up last; 1 holds the smallest pages; 0: none */
	pa_t entry_pa;	   /* where it is */
	uint64_t entry;	   /* what it was */
	pa_t pa;	   /* of the address asked for */
	iova_t leaf_first; /* first IOVA the leaf translates */
	uint64_t leaf_len; /* bytes of the leaf */
	uint32_t prot;	   /* enum pt_prot: of all levels */
};

/* Of a present entry `old` of that level, read before: does `now` in its place take anything away?
 * Another address, less permission, nothing at all; accessed and dirty bits do not count. */
bool pt_foreign_changed(const struct pt_foreign *table, unsigned level, uint64_t old, uint64_t now);
/* Of an entry of that level: does it lead anywhere; and if so, is it a leaf? */
bool pt_foreign_present(const struct pt_foreign *table, uint64_t entry);
bool pt_foreign_is_leaf(const struct pt_foreign *table, unsigned level, uint64_t entry);
/* Is it a leaf that a cache may keep for all address spaces at once? */
bool pt_foreign_is_global(const struct pt_foreign *table, unsigned level, uint64_t entry);
/* log2 of what an entry of that level is for. */
unsigned pt_foreign_level_lg2(enum pt_format format, unsigned level);
#define PT_FOREIGN_LEVELS 5 /* at most */

/* Bytes of the root; 0: the format has not that width. */
uint64_t pt_foreign_root_len(enum pt_format format, unsigned aw);
/* The same of its alignment: less where the width needs but a few of its entries. */
uint64_t pt_foreign_root_align(enum pt_format format, unsigned aw);

/*
 * Translates iova for `access` (enum pt_access). 0, or -EFAULT and out->fault says why; -EINVAL the
 * format has not that width, or the root is not aligned.
 */
int pt_foreign_walk(const struct pt_foreign *table, iova_t iova, uint32_t access,
		    struct pt_foreign_walk *out);

#endif
