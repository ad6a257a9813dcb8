/* SPDX-License-Identifier: MIT */
/* The last lines of a format's .c file: its table of operations. No include guard on purpose. */

const struct pt_ops FMT_CAT(pt_ops, PT_FMT) = {
	.granule_lg2 = PT_GRANULE_LG2,
	.levels = FMT(levels),
	.leaf_max_lg2 = FMT(leaf_max_lg2),
	.map = map,
	.unmap = unmap,
	.walk = walk,
	.trace = trace,
	.dirty_mark = dirty_mark,
	.dirty_read = dirty_read,
	.nearest = nearest,
};
