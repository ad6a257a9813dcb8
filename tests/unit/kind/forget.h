/* SPDX-License-Identifier: MIT */
/* What a guest's IOMMU may have cached, and requests to drop some of it. For tests. */
#ifndef TESTS_UNIT_KIND_FORGET_H
#define TESTS_UNIT_KIND_FORGET_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi_ext.h>
#include "kind/kind.h"
#include "tlp/check_stale.h"

/* An entry that may be cached; each has a letter. */
struct cached {
	char name;
	uint32_t space, level;
	iova_t first;
	uint64_t entry;
};

struct kind {
	struct pt_foreign table;
	const struct cached *cached;
	unsigned nr;
};

static struct check_stale *check;

static inline void remember(const struct kind *kind)
{
	assert_int_equal(check_stale_new(&check), 0);
	for (unsigned i = 0; i < kind->nr; i++) {
		const struct cached *c = &kind->cached[i];
		struct stale_entry entry = {c->space, c->level, c->first, 0x1000, c->entry, true};
		struct stale_found found;

		check_stale_walk(check, &kind->table, &entry, 1, &found);
		assert_false(found.found);
	}
}

/* The letters of those that are cached yet, which ends it. */
static inline const char *rest(const struct kind *kind)
{
	static char text[32];
	char *at = text;

	for (unsigned i = 0; i < kind->nr; i++) {
		const struct cached *c = &kind->cached[i];
		struct stale_entry gone = {c->space, c->level, c->first, 0x1000, 0, false};
		struct stale_found found;

		check_stale_walk(check, &kind->table, &gone, 1, &found);
		if (found.found)
			*at++ = c->name;
	}
	*at = '\0';
	check_stale_destroy(check);
	check = NULL;
	return text;
}

/* Requests of one size, side by side; the one at `bad` cannot be read. */
static const char *requests;
static size_t request_len;
static uint32_t bad = UINT32_MAX;

static inline int read_request(const struct kind_array *array, uint32_t index, void *dst,
			       size_t min, size_t known)
{
	assert_true(index < array->entry_nr);
	assert_true(!min || min == request_len);
	assert_int_equal(known, request_len);
	if (index == bad)
		return -EFAULT;
	memcpy(dst, requests + index * request_len, known);
	return 0;
}

static inline struct kind_array array_of(uint32_t type, const void *from, size_t len, uint32_t nr)
{
	requests = from;
	request_len = len;
	return (struct kind_array){.type = type,
				   .entry_len = (uint32_t)len,
				   .entry_nr = nr,
				   .done = 99,
				   .read = read_request};
}

#endif
