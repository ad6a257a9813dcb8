/* SPDX-License-Identifier: MIT */
/*
 * The last lines of a format's .c file: its operations, compiled for the format, and the table of
 * them. No include guard on purpose.
 */
#include "pt/ops.h"
#include "pt/walk.h"
#include "pt/dirty.h"
#include "pt/foreign_walk.h"

const struct pt_ops FMT_CAT(pt_ops, PT_FMT) = {
	.name = PT_NAME,
	.granule_lg2 = PT_GRANULE_LG2,
	.index_lg2 = PT_INDEX_LG2,
	.pa_bits = PT_PA_BITS,
	.signed_bits = PT_SIGNED_BITS,
	.root_short = PT_ROOT_SHORT,
	.levels = FMT(levels),
	.root_lg2 = FMT(root_lg2),
	.leaf_fit = FMT(leaf_fit),
	.root_mode = FMT(root_mode),
	.prot_fit = FMT(prot_fit),
	.map = map,
	.unmap = unmap,
	.leaves = leaves,
	.page = page,
	.walk = walk,
	.shape = shape,
	.walk_way = walk_way,
	.prefetch = prefetch,
	.trace = trace,
	.dirty_read = dirty_read,
	.dirty_forget = dirty_forget,
	.nearest = nearest,
	.foreign = foreign,
	.foreign_is = foreign_is,
	.foreign_changed = foreign_changed,
};
