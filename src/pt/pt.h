/* SPDX-License-Identifier: MIT */
/*
 * Page tables: the one place where the two halves meet. A space enters translations, a route's
 * TLPs are translated by them.
 *
 * Words. IOVA: input address; PA: output address. An *entry* is 64 bits in a *table*; level 1 holds
 * the entries of the smallest pages. A *leaf* is an entry (or several identical ones, for page
 * sizes between two levels) that gives a PA. Page sizes are powers of two.
 *
 * Writers (pt_map, pt_unmap) are serialised by the caller (the space's lock). Readers
 * (pt_walk, pt_nearest) take no lock and run concurrently under an in-flight mark: entries are
 * atomics, tables are published with release order, and tables that a writer takes out are handed
 * back in a gather list to be freed after inflight_wait().
 *
 * A format is one header in fmt/ with the functions listed in fmt/README (entry encoding only);
 * ops.h holds map and unmap, walk.h the hardware's view (way.h the end of it), dirty.h dirty bits,
 * foreign_walk.h the hardware's view of tables that are not ours (foreign.h), all written once
 * against those functions and compiled once a format, so that no function pointer is on the walk's
 * inner loop.
 * docs/page-tables.md shows the formats in numbers.
 */
#ifndef PT_PT_H
#define PT_PT_H

#include <stdatomic.h>
#include <ioas/types.h>
#include <ioas/tlp.h>

struct inflight;
struct pt;
struct stage1;

enum pt_format {
	PT_AMDV1,	    /* AMD I/O Virtualization Technology Specification 48882, 2.2.3 */
	PT_VTD_SS,	    /* Intel VT-d D51397, 3.7: second stage */
	PT_X86_64,	    /* x86's own, VT-d's first stage, AMD's v2: four levels */
	PT_X86_64_5L,	    /* and five */
	PT_ARM_LPAE_S1_4K,  /* Arm DDI 0487, D8, stage 1, 4 KiB granule */
	PT_ARM_LPAE_S1_16K, /* Arm DDI 0487, D8, stage 1, 16 KiB granule */
	PT_ARM_LPAE_S1_64K, /* Arm DDI 0487, D8, stage 1, 64 KiB granule */
	PT_ARM_LPAE_S2_4K,  /* Arm DDI 0487, D8, stage 2, 4 KiB granule */
	PT_ARM_LPAE_S2_16K, /* Arm DDI 0487, D8, stage 2, 16 KiB granule */
	PT_ARM_LPAE_S2_64K, /* Arm DDI 0487, D8, stage 2, 64 KiB granule */
	PT_RISCV_SV39,	    /* RISC-V Sv39 */
	PT_RISCV_SV48,	    /* RISC-V Sv48 */
	PT_RISCV_SV57,	    /* RISC-V Sv57 */
	PT_RISCV_SV39X4,    /* RISC-V Sv39x4 */
	PT_RISCV_SV48X4,    /* RISC-V Sv48x4 */
	PT_RISCV_SV57X4,    /* RISC-V Sv57x4 */
	PT_FORMAT_NR_VENDOR,
	PT_AMDV1_2K =
		PT_FORMAT_NR_VENDOR, /* AMDv1 with 2 KiB pages: for tests, no hardware has it */
	PT_FORMAT_NR,
};

/*
 * What a leaf allows: enum ioas_prot, and these. A table's entry can only take away. Fetches are
 * requests with a PASID that ask for execution, privileged ones those that ask for that.
 */
enum pt_prot {
	PT_PROT_NO_EXEC = 4,	  /* no unprivileged fetch */
	PT_PROT_NO_EXEC_PRIV = 8, /* no privileged fetch */
	PT_PROT_PRIV = 16,	  /* reads and writes: privileged ones only */
	PT_PROT_COHERENT = 32,	  /* snoops caches, whatever the TLP says */
};

struct pt_config {
	enum pt_format format;
	/*
	 * Input address bits, 32..57 as far as the format goes (docs/page-tables.md). Where it
	 * sign-extends addresses only its lower half is used, as Linux does.
	 */
	unsigned aw;
	/* Largest leaf in log2 bytes; 0: the format's. pt_page_lg2 makes every leaf one page. */
	unsigned max_leaf_lg2;
	struct ioas_range aperture; /* where it may map; both 0: all of the width */
	bool dirty;		    /* dirty tracking can be switched on */
	bool coherent;		    /* every leaf is PT_PROT_COHERENT, if the format can say so */
};

/* What was unmapped and is not over yet: of which tables. */
struct pt_gather {
	struct pt *list; /* NULL: of none */
};

/* What a walk found. */
struct pt_walk {
	pa_t pa;	   /* of the address asked for */
	uint64_t leaf_len; /* bytes of the leaf */
	iova_t leaf_first; /* first IOVA the leaf translates */
	uint32_t prot;	   /* enum pt_prot: of all levels */
	uint16_t leaf_nr;  /* entries it takes */
	bool tracked;	   /* dirty tracking is on: who goes on to write calls pt_dirty_mark */
	/* For pt_dirty_mark: the leaf's first entry, and what it looked like. */
	_Atomic uint64_t *leaf;
	uint64_t entry;
};

/* One entry looked up, for fault records. */
struct pt_step {
	uint16_t level;
	uint16_t kind; /* enum ioas_fault_entry */
	uint32_t index;
	uint64_t entry;
};

/*
 * Makes an empty table. 0; -EINVAL a width or a largest leaf that the format has not, or an
 * aperture beyond the width; -ENOMEM.
 */
int pt_new(const struct pt_config *config, struct pt **out);
/* Frees all of it; nobody may be in flight through it. */
void pt_destroy(struct pt *pt);

/*
 * Maps iova .. iova + len - 1 to pa .. with the largest leaves that fit. All three are multiples
 * of the smallest page, nothing of the range is mapped, it lies inside the aperture. prot: enum
 * pt_prot, of which the format keeps pt_prot_fit; at least one of IOAS_PROT_READ and _WRITE.
 * 0, or nothing is mapped: -ENOMEM; -ERANGE an output address that the format cannot hold.
 */
int pt_map(struct pt *pt, iova_t iova, pa_t pa, uint64_t len, uint32_t prot);

/*
 * Clears every leaf inside first..last; the range cuts no leaf. pt_gather_free ends it, after
 * inflight_wait and before anything else is mapped there: it frees tables that became empty, and
 * forgets that what was here was dirty. Returns the bytes unmapped. Neither can fail.
 */
uint64_t pt_unmap(struct pt *pt, iova_t first, iova_t last, struct pt_gather *gather);
/* Frees what was gathered, when nobody is in flight through it any more. Mostly that is nothing. */
void pt_gather_free_all(struct pt_gather *gather);
static inline void pt_gather_free(struct pt_gather *gather)
{
	if (gather->list)
		pt_gather_free_all(gather);
}

/*
 * What a leaf made with that prot allows: formats that cannot refuse reads where they allow writes
 * allow both, and what a format has no bit for is not restricted.
 */
uint32_t pt_prot_fit(const struct pt *pt, uint32_t prot);

/* The hardware's view: 0, or -ENOENT not mapped, -ERANGE beyond the width. Lock-free. */
int pt_walk(const struct pt *pt, iova_t iova, struct pt_walk *out);
/*
 * Has the entries fetched that walks of these addresses will look at, level by level for all of
 * them, so that the processor waits once a level and not once an entry. Lock-free, as pt_walk.
 */
void pt_prefetch(const struct pt *pt, const iova_t *iova, unsigned nr);
/* The same walk, noting each entry looked up; returns how many (at most `max`). For faults. */
unsigned pt_trace(const struct pt *pt, iova_t iova, struct pt_step *steps, unsigned max);
/* The mapped leaf closest to iova, and its enum ioas_prot. 0; -ENOENT: the table is empty.
 * Lock-free. */
int pt_nearest(const struct pt *pt, iova_t iova, struct ioas_range *out, uint32_t *prot);

/*
 * Dirty tracking: which leaves were written through since their bits were last cleared. While it is
 * on, who walks for a write calls pt_dirty_mark (mark.h) after all other checks and before the
 * first byte moves. A new leaf is clean. The bits stand beside the tables, not in the entries
 * (dirty.h).
 *
 * Bits say that bytes may have been written. When a reading is over, the bytes behind what it told
 * are in memory, but for spans lent out: these are marked again at their end.
 */

/* Constant: as configured. A table that cannot track is never dirty. */
bool pt_dirty_possible(const struct pt *pt);
/*
 * On or off; bits stay as they are. Writes in flight at that moment may still be unmarked:
 * inflight_wait. From any thread.
 */
void pt_dirty_track(struct pt *pt, bool on);
bool pt_dirty_tracked(const struct pt *pt);

/*
 * Marks the leaf at iova, tracked or not (0 or -ENOENT), and every leaf of first..last. The caller
 * need not be in flight, if he serialises against pt_unmap, or something else keeps the tables of
 * what is mapped there.
 */
int pt_dirty_set(struct pt *pt, iova_t iova);
void pt_dirty_set_range(struct pt *pt, iova_t first, iova_t last);

/* A line: of 512 smallest pages in a row bit n says that the nth is dirty; none need be. */
typedef uint64_t pt_dirty_line[8] __attribute__((aligned(16)));

/* Lines that a reading found, still where they are kept. */
struct pt_dirty_take {
	iova_t first;		 /* of the first line */
	_Atomic uint64_t *words; /* of it */
	uint32_t nr;		 /* lines, one after the other; clean ones may lie between */
	uint32_t end;		 /* pt_dirty_read's own: so many could be told */
};

/* A range being read, piece by piece. */
struct pt_dirty {
	iova_t first, last;	   /* only what lies here is told */
	bool clear;		   /* leaves that lie wholly inside become clean */
	struct inflight *inflight; /* of who may be marking; NULL: nobody is in flight */
	struct ioas_range *runs;   /* receives dirty ranges, neighbours joined; NULL: none wanted */
	pt_dirty_line *lines;	   /* receives smallest pages, whole ones; NULL: told as ranges */
	iova_t *line_first;	   /* and of each line the first page */
	struct pt_dirty_take *takes; /* receives most of the lines that are cleared; NULL: none */
	size_t nr, max;		     /* ranges told by this call; there is room for */
	size_t line_nr, line_max;    /* and lines */
	size_t take_nr, take_max;    /* and takes */
	size_t take_lines;	     /* in all of them */
	uint64_t turned; /* generation of `inflight` in which later marks went elsewhere */
	/* The reading's own. */
	iova_t next;
	unsigned pass; /* 0: to be begun */
};

/*
 * Tells the dirty ranges. true: that was all; false: `runs` or `lines` is full, or there are enough
 * takes, call again for more. What was dirty twice, before an earlier reading that left it so and
 * after, is told twice. The caller serialises it against pt_map and pt_unmap, between the pieces he
 * need not; one reading at a time. Marking goes on meanwhile; those in flight are waited for.
 */
bool pt_dirty_read(struct pt *pt, struct pt_dirty *read);
/*
 * Lines from .. + nr - 1 of a take go to `lines` and become clean. Every line of every take, before
 * the next call of pt_dirty_read; not serialised against anything. Lines of what is unmapped
 * meanwhile may be told or not.
 */
void pt_dirty_move(const struct pt_dirty_take *take, size_t from, size_t nr, pt_dirty_line *lines);
/* Ends a reading with takes, when all of them have been moved. Serialised as pt_dirty_read. */
void pt_dirty_end(struct pt *pt);
/* Makes every leaf clean, as a reading. */
void pt_dirty_clear(struct pt *pt, struct inflight *inflight);

/* How much memory and how many leaves, for tests and benchmarks: it counts. Writers only. */
struct pt_stats {
	uint64_t tables;
	uint64_t leaves; /* translations, replicated entries counted once */
	uint64_t bytes;	 /* of memory, all that belongs to it */
};
void pt_stats(const struct pt *pt, struct pt_stats *out);

/* Page sizes of the format as a bit mask (bit n: 1 << n bytes). */
uint64_t pt_page_sizes(const struct pt *pt);

/* Which format it has. */
enum pt_format pt_format(const struct pt *pt);

/* log2 of the smallest page: 11, 12, 14 or 16. */
unsigned pt_page_lg2(const struct pt *pt);

/* Input address bits, as configured; and where it may map. */
unsigned pt_aw(const struct pt *pt);
struct ioas_range pt_aperture(const struct pt *pt);

/* What context structures of the hardware say of a table. */
struct pt_root {
	struct pt_table *table; /* at its address the root stands, aligned to its length */
	uint64_t len;		/* bytes of the root: more than of a table, if tables are joined */
	unsigned levels;	/* of the walk */
	uint64_t mode; /* how the vendor's structure says so: docs/page-tables.md has the fields */
};
void pt_root(const struct pt *pt, struct pt_root *out);

/* A format's name in settings, "amdv1"; NULL: there is none of that number. */
const char *pt_format_name(enum pt_format format);
/* The vendor's format of that name. 0; -ENOENT. */
int pt_format_find(const char *name, enum pt_format *out);

/* Facts of a format: log2 of its smallest page, bits of its output addresses. */
unsigned pt_format_page_lg2(enum pt_format format);
unsigned pt_format_pa_bits(enum pt_format format);
/* Has the format tables for this width? */
bool pt_format_has_aw(enum pt_format format, unsigned aw);
/* The page sizes of tables of that width, which there must be, as a bit mask. */
uint64_t pt_format_page_sizes(enum pt_format format, unsigned aw);

/*
 * What requests are led to: a page table by itself, or a stage 1 of the program's (tlp/nested.h)
 * whose outputs are that page table's inputs. Who reads a pointer to this sees both or neither.
 */
struct pt_target {
	struct pt *pt;	       /* constant */
	struct stage1 *stage1; /* constant; NULL: none, `pt` alone */
	uint32_t hwpt_id;      /* of its HWPT; 0: it has none */
};
/* That of a page table by itself; lives as long as it does. NULL for NULL. */
struct pt_target *pt_target(struct pt *pt);

/* Names of whom it serves, for fault records only. */
void pt_label(struct pt *pt, uint32_t ioas_id, uint32_t hwpt_id);
uint32_t pt_ioas_id(const struct pt *pt);
uint32_t pt_hwpt_id(const struct pt *pt);

#endif
