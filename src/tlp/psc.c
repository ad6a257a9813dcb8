/* SPDX-License-Identifier: MIT */
/* What is remembered of tables: the part of it that is not on each lookup's way. */
#include <string.h>
#include "tlp/psc.h"

static bool is_plain(struct pt_shape shape)
{
	const struct pt_shape plain = pt_shape_plain();

	return shape.page_lg2 == plain.page_lg2 && shape.index_lg2 == plain.index_lg2 &&
	       shape.leaf_lg2 == plain.leaf_lg2 && shape.pointer_lg2 == plain.pointer_lg2;
}

const struct psc_context *psc_enter(struct psc *psc, uint64_t form, uint64_t generation,
				    const struct pt *pt)
{
	struct psc_context *context = psc_context_at(psc, form);

	if (context->form == form && context->generation == generation)
		return context;
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

/* Are the way's addresses nothing but memory? */
static bool apart(struct pt_shape shape, iova_t iova, struct ioas_range msi)
{
	iova_t rest = (1ull << pt_way_lg2(shape)) - 1;

	return (iova | rest) < msi.first || (iova & ~rest) > msi.last;
}

void psc_keep(struct psc *psc, uint64_t form, uint64_t generation, const struct pt *pt, iova_t iova,
	      const struct pt_way *way, struct mem_window *window, uint32_t ops,
	      struct ioas_range msi)
{
	const struct psc_context *context = psc_enter(psc, form, generation, pt);
	struct psc_entry *entry;
	uint64_t tag;

	tag = psc_tag(context, context->shape, iova);
	entry = psc_place(psc, tag);
	if (!psc_show(entry, context->shape, window, way->leaf, way->pa))
		return;
	entry->way.tag = tag;
	entry->way.table = way->table;
	entry->way.pointer = way->pointer;
	entry->way.ops = ops;
	entry->way.alone = apart(context->shape, iova, msi) ? ops : 0;
}
