/* SPDX-License-Identifier: MIT */
/* What is remembered of tables: the part of it that is not on each lookup's way. */
#include <string.h>
#include "tlp/psc.h"

/* The first whole page of a window. */
static pa_t first_page(const struct mem_window *window, struct pt_shape shape)
{
	uint64_t mask = (1ull << shape.page_lg2) - 1;

	return (window->pa + mask) & ~mask;
}

/* `leaf` leads to `pa`, a page. */
static bool show(struct psc_entry *entry, struct pt_shape shape, struct mem_window *window,
		 uint64_t leaf, pa_t pa)
{
	uintptr_t host = atomic_load_explicit(&window->host, memory_order_acquire);
	pa_t first = first_page(window, shape);
	uint64_t nr = (pa - first) >> shape.page_lg2;
	uint64_t whole = (window->pa + window->len - first) >> shape.page_lg2;

	if (host & MEM_SPLIT || nr >= whole)
		return false;
	entry->leaf = leaf - (nr << shape.leaf_lg2);
	entry->last = whole - 1;
	entry->to_host = host + (first - window->pa);
	entry->window = window;
	return true;
}

/* The same for a leaf by the entry's way. */
static bool turn(struct mem_map *map, struct psc_entry *entry, struct pt_shape shape, uint64_t leaf)
{
	pa_t pa = first_page(entry->window, shape);
	struct mem_window *window;

	if (!pt_way_pa(leaf, entry->leaf, shape, &pa))
		return false;
	window = mem_window_find(map, pa);
	return window && show(entry, shape, window, leaf, pa);
}

bool psc_turn(struct mem_map *map, struct psc *psc, const struct psc_context *context, iova_t iova,
	      struct psc_found *out)
{
	struct pt_shape shape = context->shape;
	enum psc_answer answer = psc_look(psc, context, shape, iova, out);

	if (answer == PSC_OTHER && turn(map, out->entry, shape, out->leaf))
		answer = psc_look(psc, context, shape, iova, out);
	return answer == PSC_FOUND;
}

static bool is_plain(struct pt_shape shape)
{
	const struct pt_shape plain = pt_shape_plain();

	return shape.page_lg2 == plain.page_lg2 && shape.index_lg2 == plain.index_lg2 &&
	       shape.leaf_lg2 == plain.leaf_lg2 && shape.pointer_lg2 == plain.pointer_lg2;
}

static const struct psc_context *make_context(struct psc *psc, uint64_t form, uint64_t generation,
					      const struct pt *pt)
{
	struct psc_context *context = psc_context_at(psc, form);

	psc->number += 1ull << PSC_NUMBER_LG2;
	if (!psc->number) {
		memset(psc, 0, sizeof(*psc));
		psc->number = 1ull << PSC_NUMBER_LG2;
	}
	context->form = form;
	context->generation = generation;
	context->number = psc->number;
	context->shape = pt_shape(pt);
	context->plain = is_plain(context->shape);
	return context;
}

void psc_keep(struct psc *psc, uint64_t form, uint64_t generation, const struct pt *pt, iova_t iova,
	      const struct pt_way *way, struct mem_window *window, uint32_t ops)
{
	const struct psc_context *context = psc_context(psc, form, generation);
	struct psc_entry *entry;
	uint64_t tag;

	if (!way->table)
		return;
	if (!context)
		context = make_context(psc, form, generation, pt);
	tag = psc_tag(context, context->shape, iova);
	entry = psc_place(psc, tag);
	entry->tag = 0;
	if (!show(entry, context->shape, window, way->leaf, way->pa))
		return;
	entry->tag = tag;
	entry->table = way->table;
	entry->pointer = way->pointer;
	entry->ops = ops;
}
