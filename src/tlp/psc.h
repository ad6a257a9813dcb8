/* SPDX-License-Identifier: MIT */
/*
 * What an issuer remembers of tables: its paging-structure cache. Where the IOTLB (iotlb.h) has
 * nothing, the table above the last is found here, and two entries are read instead of all; with
 * the window that leaves near by led to, that is all there is to a miss.
 *
 * Who is remembered for what: a *context* is a form of request in a generation, under a number of
 * its own. Entries carry that number beside their addresses, in one word, so that a lookup compares
 * it once, and none is true of another generation or another route. A number is given once; when
 * they have run out all is forgotten and they begin anew.
 *
 * Leaves are read each time, with acquire order, as pt_walk would read them: what was published,
 * changed or cleared since is seen. The tables and the window are as in that generation; who
 * unpublishes either begins another, and waits for those in flight.
 *
 * Of a batch, the way that was used last and is plain is looked through by ioas_batch_near, in
 * <ioas/batch.h>, without a call.
 *
 * Kept out of it, and so walked or looked for in the IOTLB: stage 1 of the program's, writes to
 * tables that track dirty bits, --check-dirty, windows in several pieces, and leaves that are not
 * one page.
 */
#ifndef TLP_PSC_H
#define TLP_PSC_H

#include <ioas/batch.h>
#include "mem/mem.h"
#include "pt/way.h"

#define PSC_LG2		7 /* ways: for pages of 4 KiB each serves 1 GiB */
#define PSC_CONTEXT_LG2 3
#define PSC_NUMBER_LG2	36 /* in a tag: below are addresses, of the widest table's ways */

struct psc_context {
	uint64_t form, generation; /* generation 0: none */
	uint64_t number;	   /* << PSC_NUMBER_LG2; never 0 */
	struct pt_shape shape;
	bool plain; /* the shape is PT_SHAPE_PLAIN */
};

/* A way, and the window that the newest leaf by it led to. */
struct psc_entry {
	/* tag: number of a context, and the way's addresses; 0: none. leaf: there need be none
	 * such. */
	struct ioas_batch_way way;
	struct mem_window *window;
};

struct psc {
	uint64_t number; /* the newest */
	struct psc_context context[1 << PSC_CONTEXT_LG2];
	struct psc_entry entry[1 << PSC_LG2] __attribute__((aligned(64)));
};

/* What was found. */
struct psc_found {
	iova_t first;	   /* of the page */
	uint64_t reach;	   /* its last address is first + reach */
	uintptr_t to_host; /* an IOVA of it plus this is where this process sees it */
	struct psc_entry *entry;
	uint64_t leaf;
};

/* PSC_OTHER: a way, and perhaps a leaf like those near by, but of another window. */
enum psc_answer { PSC_FOUND, PSC_OTHER, PSC_NOTHING };

static inline struct psc_context *psc_context_at(struct psc *psc, uint64_t form)
{
	return &psc->context[(form ^ form >> 32) & ((1u << PSC_CONTEXT_LG2) - 1)];
}

/* The context of a form; NULL: there is none in that generation. */
static inline const struct psc_context *psc_context(struct psc *psc, uint64_t form,
						    uint64_t generation)
{
	const struct psc_context *context = psc_context_at(psc, form);

	return context->form == form && context->generation == generation ? context : NULL;
}

static inline uint64_t psc_tag(const struct psc_context *context, struct pt_shape shape,
			       iova_t iova)
{
	return context->number | iova >> pt_way_lg2(shape);
}

/* Those side by side in addresses have different places, and so have those of PASIDs in a row. */
static inline struct psc_entry *psc_place(struct psc *psc, uint64_t tag)
{
	return &psc->entry[(tag ^ tag >> (PSC_NUMBER_LG2 - 3)) & ((1u << PSC_LG2) - 1)];
}

/* The same, made if there is none: the form is led to `pt` in that generation. */
const struct psc_context *psc_enter(struct psc *psc, uint64_t form, uint64_t generation,
				    const struct pt *pt);

/*
 * A walk by this form in this generation has found a leaf, which leads to `window` and is good for
 * these operations, and this way, with a table. Remembers it. `msi`: addresses that are none of
 * memory; a context's are always the same. In flight only.
 */
void psc_keep(struct psc *psc, uint64_t form, uint64_t generation, const struct pt *pt, iova_t iova,
	      const struct pt_way *way, struct mem_window *window, uint32_t ops,
	      struct ioas_range msi);

/* What entries say of the page at iova, read once. Whether it may be used out->entry says. */
static inline __attribute__((always_inline)) enum psc_answer
psc_look(struct psc *psc, const struct psc_context *context, struct pt_shape shape, iova_t iova,
	 struct psc_found *out)
{
	uint64_t tag = psc_tag(context, shape, iova), mask = (1ull << shape.page_lg2) - 1, nr;
	struct psc_entry *entry = psc_place(psc, tag);
	const _Atomic uint64_t *at;

	if (__builtin_expect(entry->way.tag != tag, 0))
		return PSC_NOTHING;
	at = pt_way_leaf(entry->way.table, entry->way.pointer, shape, iova);
	if (__builtin_expect(!at, 0))
		return PSC_NOTHING;
	out->entry = entry;
	out->leaf = atomic_load_explicit(at, memory_order_acquire);
	nr = pt_way_pages(out->leaf, entry->way.leaf, shape);
	if (__builtin_expect(nr > entry->way.last, 0))
		return PSC_OTHER;
	out->first = iova & ~mask;
	out->reach = mask;
	out->to_host = entry->way.to_host + (nr << shape.page_lg2) - out->first;
	return PSC_FOUND;
}

/* The shape of a context that is plain, as far as possible in constants. */
static inline struct pt_shape psc_plain(const struct psc_context *context)
{
	struct pt_shape shape = pt_shape_plain();

	shape.page_nr_bits = context->shape.page_nr_bits;
	return shape;
}

/* The page at iova, whatever it allows: out->entry says that. In flight only. */
static inline __attribute__((always_inline)) enum psc_answer
psc_find(struct psc *psc, const struct psc_context *context, iova_t iova, struct psc_found *out)
{
	if (__builtin_expect(context->plain, 1))
		return psc_look(psc, context, psc_plain(context), iova, out);
	return psc_look(psc, context, context->shape, iova, out);
}

/* The first whole page of a window. */
static inline pa_t psc_first_page(const struct mem_window *window, struct pt_shape shape)
{
	uint64_t mask = (1ull << shape.page_lg2) - 1;

	return (window->pa + mask) & ~mask;
}

/* Has an entry show a window, to whose page at `pa` such a leaf leads. false: as psc_turn. */
static inline bool psc_show(struct psc_entry *entry, struct pt_shape shape,
			    struct mem_window *window, uint64_t leaf, pa_t pa)
{
	uintptr_t host = atomic_load_explicit(&window->host, memory_order_acquire);
	pa_t first = psc_first_page(window, shape);
	uint64_t nr = (pa - first) >> shape.page_lg2;
	uint64_t whole = (window->pa + window->len - first) >> shape.page_lg2;

	if (host & MEM_SPLIT || nr >= whole)
		return false;
	entry->way.leaf = leaf - (nr << shape.leaf_lg2);
	entry->way.last = whole - 1;
	entry->way.to_host = host + (first - window->pa);
	entry->window = window;
	return true;
}

/*
 * After PSC_OTHER, of the entry and the leaf found: has the entry show the window that the leaf
 * leads to. false: it is no such leaf, or the window has several pieces, or is being moved. In
 * flight only.
 */
static inline __attribute__((always_inline)) bool psc_turn(struct mem_map *map,
							   struct pt_shape shape, iova_t iova,
							   struct psc_entry *entry, uint64_t leaf,
							   struct psc_found *out)
{
	uint64_t mask = (1ull << shape.page_lg2) - 1;
	pa_t pa = psc_first_page(entry->window, shape);
	struct mem_window *window;

	if (!pt_way_pa(leaf, entry->way.leaf, shape, &pa))
		return false;
	window = mem_window_find(map, pa);
	if (!window || !psc_show(entry, shape, window, leaf, pa))
		return false;
	out->first = iova & ~mask;
	out->reach = mask;
	out->to_host = entry->way.to_host + (pa - psc_first_page(window, shape)) - out->first;
	out->entry = entry;
	return true;
}

#endif
