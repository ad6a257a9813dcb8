/* SPDX-License-Identifier: MIT */
/* The life of a page table, and the way from a table to the operations of its format. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "pt/pt_private.h"
#include "util/alloc.h"

static const struct pt_ops *const formats[] = {
	[PT_AMDV1] = &pt_ops_amdv1,
	[PT_VTD_SS] = &pt_ops_vtd_ss,
	[PT_X86_64] = &pt_ops_x86_64,
	[PT_X86_64_5L] = &pt_ops_x86_64_5l,
	[PT_ARM_LPAE_S1_4K] = &pt_ops_arm_lpae_s1_4k,
	[PT_ARM_LPAE_S1_16K] = &pt_ops_arm_lpae_s1_16k,
	[PT_ARM_LPAE_S1_64K] = &pt_ops_arm_lpae_s1_64k,
	[PT_ARM_LPAE_S2_4K] = &pt_ops_arm_lpae_s2_4k,
	[PT_ARM_LPAE_S2_16K] = &pt_ops_arm_lpae_s2_16k,
	[PT_ARM_LPAE_S2_64K] = &pt_ops_arm_lpae_s2_64k,
	[PT_RISCV_SV39] = &pt_ops_riscv_sv39,
	[PT_RISCV_SV48] = &pt_ops_riscv_sv48,
	[PT_RISCV_SV57] = &pt_ops_riscv_sv57,
	[PT_RISCV_SV39X4] = &pt_ops_riscv_sv39x4,
	[PT_RISCV_SV48X4] = &pt_ops_riscv_sv48x4,
	[PT_RISCV_SV57X4] = &pt_ops_riscv_sv57x4,
	[PT_AMDV1_2K] = &pt_ops_amdv1_2k,
};

const struct pt_ops *pt_ops_of(enum pt_format format)
{
	return (unsigned)format < PT_FORMAT_NR ? formats[format] : NULL;
}

const char *pt_format_name(enum pt_format format)
{
	const struct pt_ops *ops = pt_ops_of(format);

	return ops ? ops->name : NULL;
}

int pt_format_find(const char *name, enum pt_format *out)
{
	for (unsigned i = 0; i < PT_FORMAT_NR_VENDOR; i++)
		if (!strcmp(name, formats[i]->name)) {
			*out = (enum pt_format)i;
			return 0;
		}
	return -ENOENT;
}

unsigned pt_format_page_lg2(enum pt_format format)
{
	return formats[format]->granule_lg2;
}

unsigned pt_format_pa_bits(enum pt_format format)
{
	return formats[format]->pa_bits;
}

bool pt_format_has_aw(enum pt_format format, unsigned aw)
{
	return aw >= 32 && aw <= 57 && formats[format]->levels(aw);
}

void pt_free_tables(struct pt *pt, struct pt_meta *list)
{
	while (list) {
		struct pt_meta *next = list->next;

		pt_store_give(&pt->store, list);
		list = next;
	}
}

/* The page sizes of all levels; and they end with half of the width, or below. */
static uint64_t page_sizes(const struct pt_ops *ops, unsigned levels, unsigned max)
{
	uint64_t sizes = 0;

	for (unsigned level = 1; level <= levels; level++)
		for (unsigned lg2 = max; lg2; lg2 = ops->leaf_fit(level, lg2 - 1))
			if (ops->leaf_fit(level, lg2) == lg2)
				sizes |= 1ull << lg2;
	return sizes;
}

uint64_t pt_format_page_sizes(enum pt_format format, unsigned aw)
{
	return page_sizes(formats[format], formats[format]->levels(aw), aw - 1);
}

static bool possible(const struct pt_config *config, const struct pt_ops *ops)
{
	const struct ioas_range *aperture = &config->aperture;

	if (!ops || !pt_format_has_aw(config->format, config->aw))
		return false;
	if (config->max_leaf_lg2 && config->max_leaf_lg2 < ops->granule_lg2)
		return false;
	return aperture->first <= aperture->last && aperture->last < 1ull << config->aw;
}

static void configure(struct pt *pt, const struct pt_config *config, const struct pt_ops *ops)
{
	unsigned bits = config->aw, max = config->aw - 1;

	if (ops->signed_bits && bits > ops->signed_bits - 1)
		bits = ops->signed_bits - 1;
	if (config->max_leaf_lg2 && config->max_leaf_lg2 < max)
		max = config->max_leaf_lg2;
	pt->ops = ops;
	pt->target.pt = pt;
	pt->aw = config->aw;
	pt->last = (1ull << bits) - 1;
	pt->levels = ops->levels(config->aw);
	pt->page_sizes = page_sizes(ops, pt->levels, max);
	pt->max_leaf_lg2 = 63 - (unsigned)__builtin_clzll(pt->page_sizes);
	pt->prot_all = config->coherent ? PT_PROT_COHERENT : 0;
	pt->prot_all |= config->dirty ? PT_PROT_TRACK : 0;
	pt->root_entries = 1u << ops->root_lg2(config->aw);
	pt->aperture = config->aperture;
	if (!pt->aperture.last || pt->aperture.last > pt->last)
		pt->aperture.last = pt->last;
	pt->dirty_possible = config->dirty;
	pt->tables = 1;
	pt->gone_first = UINT64_MAX;
	ops->page(pt->prot_all, &pt->page);
}

int pt_new(const struct pt_config *config, struct pt **out)
{
	const struct pt_ops *ops = pt_ops_of(config->format);
	struct pt *pt;

	if (!possible(config, ops))
		return -EINVAL;
	pt = alloc_zero(1, sizeof(*pt));
	if (!pt)
		return -ENOMEM;
	configure(pt, config, ops);
	if (pt_store_init(&pt->store, ops->index_lg2 + 3, pt->root_entries * sizeof(uint64_t),
			  config->dirty, &pt->root)) {
		free(pt);
		return -ENOMEM;
	}
	*out = pt;
	return 0;
}

/* Whatever is mapped: all tables go with the store. */
void pt_destroy(struct pt *pt)
{
	if (!pt)
		return;
	pt_store_fini(&pt->store);
	free(pt);
}

/*
 * One page in the table used last is most of what there is to do: no call, nothing saved, and not
 * by way of its format, since a jump that leads to many costs as much as all the rest.
 */
static inline bool map_page(struct pt *pt, iova_t iova, pa_t pa, uint32_t prot)
{
	const struct pt_page *page = &pt->page;
	uint64_t at = iova - pt->recent.first;

	if (at >= pt->recent.len || pa >= page->pa_end || prot > PT_PROT_RW)
		return false;
	atomic_store_explicit(&pt->recent.table->entry[at >> page->lg2],
			      page->leaf[prot] + pt_rotate(pa, page->turn), memory_order_release);
	pt->recent.meta->live++;
	return true;
}

int pt_map(struct pt *pt, iova_t iova, pa_t pa, uint64_t len, uint32_t prot)
{
	if (len == pt->page.len && map_page(pt, iova, pa, prot))
		return 0;
	return len ? pt->ops->map(pt, iova, pa, len, prot) : 0;
}

/* The same the other way: a page's own leaf, if it is not its table's last. */
static inline bool unmap_page(struct pt *pt, iova_t iova)
{
	uint64_t at = iova - pt->recent.first, entry;
	_Atomic uint64_t *leaf;

	if (at >= pt->recent.len || pt->recent.meta->live == 1)
		return false;
	leaf = &pt->recent.table->entry[at >> pt->page.lg2];
	entry = atomic_load_explicit(leaf, memory_order_relaxed);
	if (!entry || entry & pt->page.sized)
		return false;
	atomic_store_explicit(leaf, 0, memory_order_release);
	pt->recent.meta->live--;
	return true;
}

/* Its bits are for pt_gather_free to forget. */
static void note_gone(struct pt *pt, iova_t first, iova_t last, struct pt_gather *gather)
{
	pt_gather_add(gather, pt);
	if (first < pt->gone_first)
		pt->gone_first = first;
	if (last > pt->gone_last)
		pt->gone_last = last;
}

uint64_t pt_unmap(struct pt *pt, iova_t first, iova_t last, struct pt_gather *gather)
{
	if (first > pt->last)
		return 0;
	if (last > pt->last)
		last = pt->last;
	if (pt->dirty_possible)
		note_gone(pt, first, last, gather);
	if (last - first == pt->page.len - 1 && unmap_page(pt, first))
		return pt->page.len;
	return pt->ops->unmap(pt, first, last, gather);
}

void pt_gather_add(struct pt_gather *gather, struct pt *pt)
{
	if (pt->in_gather)
		return;
	pt->in_gather = true;
	pt->next_gather = gather->list;
	gather->list = pt;
}

/* First what the tables that stay say of those that go. */
void pt_gather_free_all(struct pt_gather *gather)
{
	struct pt *pt;

	while ((pt = gather->list)) {
		gather->list = pt->next_gather;
		pt->in_gather = false;
		if (pt->gone_first <= pt->gone_last)
			pt->ops->dirty_forget(pt, pt->gone_first, pt->gone_last);
		pt->gone_first = UINT64_MAX;
		pt->gone_last = 0;
		pt_free_tables(pt, pt->gone);
		pt->gone = NULL;
	}
}

int pt_walk(const struct pt *pt, iova_t iova, struct pt_walk *out)
{
	if (iova > pt->last)
		return -ERANGE;
	out->tracked = atomic_load_explicit(&pt->dirty_tracked, memory_order_relaxed);
	return pt->ops->walk(pt, iova, out);
}

int pt_walk_way(const struct pt *pt, iova_t iova, struct pt_walk *out, struct pt_way *way)
{
	way->table = NULL;
	if (iova > pt->last)
		return -ERANGE;
	out->tracked = atomic_load_explicit(&pt->dirty_tracked, memory_order_relaxed);
	return pt->ops->walk_way(pt, iova, out, way);
}

struct pt_shape pt_shape(const struct pt *pt)
{
	return pt->ops->shape();
}

void pt_prefetch(const struct pt *pt, const iova_t *iova, unsigned nr)
{
	unsigned some;

	for (; nr; nr -= some, iova += some) {
		some = nr < PT_PREFETCH_NR ? nr : PT_PREFETCH_NR;
		pt->ops->prefetch(pt, iova, some);
	}
}

unsigned pt_trace(const struct pt *pt, iova_t iova, struct pt_step *steps, unsigned max)
{
	if (iova > pt->last)
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
	out->leaves = pt->ops->leaves(pt);
	out->bytes = sizeof(*pt) + pt->store.len;
}

uint64_t pt_page_sizes(const struct pt *pt)
{
	return pt->page_sizes;
}

enum pt_format pt_format(const struct pt *pt)
{
	unsigned i = 0;

	while (formats[i] != pt->ops)
		i++;
	return (enum pt_format)i;
}

uint32_t pt_prot_fit(const struct pt *pt, uint32_t prot)
{
	return pt->ops->prot_fit(prot | (pt->prot_all & PT_PROT_COHERENT));
}

void pt_root(const struct pt *pt, struct pt_root *out)
{
	out->table = pt->root;
	out->len = pt->root_entries * sizeof(uint64_t);
	out->levels = pt->levels;
	out->mode = pt->ops->root_mode(pt->aw);
}

uint64_t pt_foreign_root_len(enum pt_format format, unsigned aw)
{
	const struct pt_ops *ops = pt_ops_of(format);

	if (!ops || aw < (ops->root_short ? 25 : 32) || aw > 59 || !ops->levels(aw))
		return 0;
	if (ops->signed_bits && aw != ops->signed_bits)
		return 0;
	return 8ull << ops->root_lg2(aw);
}

uint64_t pt_foreign_root_align(enum pt_format format, unsigned aw)
{
	const struct pt_ops *ops = pt_ops_of(format);
	uint64_t len = pt_foreign_root_len(format, aw);

	if (!len || !ops->root_short)
		return len;
	return 8ull << (aw - ops->granule_lg2 - ops->index_lg2 * (ops->levels(aw) - 1));
}

int pt_foreign_walk(const struct pt_foreign *table, iova_t iova, uint32_t access,
		    struct pt_foreign_walk *out)
{
	uint64_t align = pt_foreign_root_align(table->format, table->aw);
	struct pt_foreign narrowed = *table;

	*out = (struct pt_foreign_walk){0};
	if (!align || table->root & (align - 1))
		return -EINVAL;
	if (!table->pa_bits || table->pa_bits > formats[table->format]->pa_bits)
		narrowed.pa_bits = formats[table->format]->pa_bits;
	return formats[table->format]->foreign(&narrowed, iova, access, out);
}

bool pt_foreign_changed(const struct pt_foreign *table, unsigned level, uint64_t old, uint64_t now)
{
	return formats[table->format]->foreign_changed(table->update && !table->clean, level, old,
						       now);
}

bool pt_foreign_present(const struct pt_foreign *table, uint64_t entry)
{
	return formats[table->format]->foreign_is(FOREIGN_PRESENT, 0, entry);
}

bool pt_foreign_is_leaf(const struct pt_foreign *table, unsigned level, uint64_t entry)
{
	return formats[table->format]->foreign_is(FOREIGN_LEAF, level, entry);
}

bool pt_foreign_is_global(const struct pt_foreign *table, unsigned level, uint64_t entry)
{
	return formats[table->format]->foreign_is(FOREIGN_GLOBAL, level, entry);
}

unsigned pt_foreign_level_lg2(enum pt_format format, unsigned level)
{
	return formats[format]->granule_lg2 + formats[format]->index_lg2 * (level - 1);
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

struct pt_target *pt_target(struct pt *pt)
{
	return pt ? &pt->target : NULL;
}

void pt_label(struct pt *pt, uint32_t ioas_id, uint32_t hwpt_id)
{
	pt->ioas_id = ioas_id;
	pt->target.hwpt_id = hwpt_id;
}

uint32_t pt_ioas_id(const struct pt *pt)
{
	return pt->ioas_id;
}

uint32_t pt_hwpt_id(const struct pt *pt)
{
	return pt->target.hwpt_id;
}
