/* SPDX-License-Identifier: MIT */
/* The life of a page table, and the way from a table to the operations of its format. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "pt/pt_private.h"
#include "util/alloc.h"

static const struct pt_ops *const formats[] = {
	[PT_AMDV1] = &pt_ops_amdv1,
	[PT_AMDV1_2K] = &pt_ops_amdv1_2k,
};

struct pt_table *pt_table_new(void)
{
	void *table;

	if (inject() || posix_memalign(&table, 1u << PT_TABLE_LG2, sizeof(struct pt_table)))
		return NULL;
	return memset(table, 0, sizeof(struct pt_table));
}

void pt_table_free_list(struct pt_table *list)
{
	while (list) {
		struct pt_table *next = list->next;

		free(list);
		list = next;
	}
}

static bool possible(const struct pt_config *config, const struct pt_ops *ops)
{
	const struct ioas_range *aperture = &config->aperture;

	if (config->aw < 32 || config->aw > 57 || !ops->levels(config->aw))
		return false;
	if (config->max_leaf_lg2 && config->max_leaf_lg2 < ops->granule_lg2)
		return false;
	return aperture->first <= aperture->last && aperture->last < 1ull << config->aw;
}

int pt_new(const struct pt_config *config, struct pt **out)
{
	const struct pt_ops *ops = formats[config->format];
	unsigned levels, leaf_lg2;
	struct pt *pt;

	if (!possible(config, ops))
		return -EINVAL;
	levels = ops->levels(config->aw);
	pt = alloc_zero(1, sizeof(*pt));
	if (!pt)
		return -ENOMEM;
	pt->root = pt_table_new();
	if (!pt->root) {
		free(pt);
		return -ENOMEM;
	}
	leaf_lg2 = ops->leaf_max_lg2(levels);
	if (leaf_lg2 > config->aw - 1)
		leaf_lg2 = config->aw - 1;
	if (config->max_leaf_lg2 && config->max_leaf_lg2 < leaf_lg2)
		leaf_lg2 = config->max_leaf_lg2;
	pt->ops = ops;
	pt->aw = config->aw;
	pt->levels = levels;
	pt->max_leaf_lg2 = leaf_lg2;
	pt->aperture = config->aperture;
	if (!pt->aperture.last)
		pt->aperture.last = pt_last(pt);
	pt->dirty_possible = config->dirty;
	pt->tables = 1;
	*out = pt;
	return 0;
}

void pt_destroy(struct pt *pt)
{
	struct pt_gather gather = {NULL};

	if (!pt)
		return;
	pt_unmap(pt, 0, UINT64_MAX, &gather);
	pt_gather_free(&gather);
	free(pt->root);
	free(pt);
}

int pt_map(struct pt *pt, iova_t iova, pa_t pa, uint64_t len, uint32_t prot)
{
	return len ? pt->ops->map(pt, iova, pa, len, prot) : 0;
}

uint64_t pt_unmap(struct pt *pt, iova_t first, iova_t last, struct pt_gather *gather)
{
	if (first > pt_last(pt))
		return 0;
	if (last > pt_last(pt))
		last = pt_last(pt);
	return pt->ops->unmap(pt, first, last, gather);
}

void pt_gather_free(struct pt_gather *gather)
{
	pt_table_free_list(gather->tables);
	gather->tables = NULL;
}

int pt_walk(const struct pt *pt, iova_t iova, struct pt_walk *out)
{
	if (iova > pt_last(pt))
		return -ERANGE;
	out->tracked = atomic_load_explicit(&pt->dirty_tracked, memory_order_relaxed);
	return pt->ops->walk(pt, iova, out);
}

unsigned pt_trace(const struct pt *pt, iova_t iova, struct pt_step *steps, unsigned max)
{
	if (iova > pt_last(pt))
		return 0;
	return pt->ops->trace(pt, iova, steps, max);
}

int pt_nearest(const struct pt *pt, iova_t iova, struct ioas_range *out, uint32_t *prot)
{
	return pt->ops->nearest(pt, iova, out, prot);
}

void pt_stats(const struct pt *pt, struct pt_stats *out)
{
	out->tables = pt->tables;
	out->leaves = pt->leaves;
}

uint64_t pt_page_sizes(const struct pt *pt)
{
	return ((2ull << pt->max_leaf_lg2) - 1) & ~((1ull << pt->ops->granule_lg2) - 1);
}

unsigned pt_page_lg2(const struct pt *pt)
{
	return pt->ops->granule_lg2;
}

unsigned pt_aw(const struct pt *pt)
{
	return pt->aw;
}

struct ioas_range pt_aperture(const struct pt *pt)
{
	return pt->aperture;
}

void pt_label(struct pt *pt, uint32_t ioas_id, uint32_t hwpt_id)
{
	pt->ioas_id = ioas_id;
	pt->hwpt_id = hwpt_id;
}

uint32_t pt_ioas_id(const struct pt *pt)
{
	return pt->ioas_id;
}

uint32_t pt_hwpt_id(const struct pt *pt)
{
	return pt->hwpt_id;
}
