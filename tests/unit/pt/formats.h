/* SPDX-License-Identifier: MIT */
/*
 * Every format in every shape that differs: the least and the largest width of each number of
 * levels and each size of the root, with all its leaves, with pages only, and with some.
 */
#ifndef TESTS_UNIT_PT_FORMATS_H
#define TESTS_UNIT_PT_FORMATS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "pt/foreign.h"
#include "pt/pt.h"

#define CONFIGS_MAX 512

static struct pt_config configs[CONFIGS_MAX];
static unsigned config_nr;

static inline void add_config(enum pt_format format, unsigned aw, unsigned max_leaf_lg2)
{
	assert_true(config_nr < CONFIGS_MAX);
	configs[config_nr++] =
		(struct pt_config){.format = format, .aw = aw, .max_leaf_lg2 = max_leaf_lg2};
}

static inline uint64_t levels_of(enum pt_format format, unsigned aw)
{
	const struct pt_config config = {.format = format, .aw = aw};
	struct pt_root root;
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	pt_root(pt, &root);
	pt_destroy(pt);
	return root.levels * 1000000ull + root.len;
}

static inline void add_width(enum pt_format format, unsigned aw)
{
	unsigned page = pt_format_page_lg2(format);

	add_config(format, aw, 0);
	add_config(format, aw, page);
	add_config(format, aw, page + 1);
	add_config(format, aw, 21);
}

static inline int make_configs(void **state)
{
	(void)state;
	for (unsigned format = 0; format < PT_FORMAT_NR; format++) {
		for (unsigned aw = 32; aw <= 57; aw++) {
			if (!pt_format_has_aw(format, aw))
				continue;
			if (aw == 32 || !pt_format_has_aw(format, aw + 1) ||
			    levels_of(format, aw) != levels_of(format, aw - 1) ||
			    levels_of(format, aw) != levels_of(format, aw + 1))
				add_width(format, aw);
		}
	}
	return 0;
}

static uint64_t page_len; /* of the table made last */

static inline struct pt *pt_make(const struct pt_config *config)
{
	struct pt *pt;

	assert_int_equal(pt_new(config, &pt), 0);
	page_len = 1ull << pt_page_lg2(pt);
	return pt;
}

static inline void unmap_all(struct pt *pt)
{
	struct pt_gather gather = {NULL};

	pt_unmap(pt, 0, UINT64_MAX, &gather);
	pt_gather_free(&gather);
}

static inline struct pt_stats stats_of(const struct pt *pt)
{
	struct pt_stats stats;

	pt_stats(pt, &stats);
	return stats;
}

#endif
