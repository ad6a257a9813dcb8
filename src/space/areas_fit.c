/* SPDX-License-Identifier: MIT */
/* Bounds of what free ranges have room for, and where in one a request is placed. */
#include <string.h>
#include "space/areas.h"

#define PAGE_LG2 12

static uint32_t pages_up(uint64_t len)
{
	uint64_t pages = (len >> PAGE_LG2) + !!(len & (AREAS_ALIGN_MIN - 1));

	return pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;
}

static unsigned order_of(uint64_t align)
{
	return align > AREAS_ALIGN_MIN ? (unsigned)__builtin_ctzll(align) - PAGE_LG2 : 0;
}

int64_t areas_fit_pages(const struct areas_fit *fit, unsigned order)
{
	int skip = order > 1 ? fit->skip[order - 2] : order ? fit->skip_odd : 0;

	return (int64_t)fit->pages - skip;
}

/* Of a page's number: how far it is into each alignment of 16 KiB and more, in pages. */
static const int16_t mask[AREAS_ORDERS - 2] = {3, 7, 15, 31, 63, 127, 255, 511};

void areas_fit_gap(iova_t first, iova_t last, struct areas_fit *out)
{
	/* The first whole page, and how far it is to where larger alignments begin. */
	uint64_t page = (first >> PAGE_LG2) + !!(first & (AREAS_ALIGN_MIN - 1));
	int16_t to_next = (int16_t)(-page & mask[AREAS_ORDERS - 3]);
	int16_t broken;

	*out = (struct areas_fit){.pages = UINT32_MAX};
	if (last - first != UINT64_MAX)
		out->pages = pages_up(last - first + 1);
	if (out->pages == UINT32_MAX)
		return;
	/* One page more, if only the length of all is rounded up: none that is whole counts. */
	broken = (int16_t)(out->pages - (uint32_t)((last >> PAGE_LG2) + 1 - page));
	out->skip_odd = (to_next & 1) + broken;
	for (int i = 0; i < AREAS_ORDERS - 2; i++)
		out->skip[i] = (int16_t)((to_next & mask[i]) + broken);
}

void areas_fit_merge(struct areas_fit *restrict fit, const struct areas_fit *restrict other)
{
	int64_t more = (int64_t)other->pages - fit->pages;
	int16_t ours = 0, theirs = 0;

	if (more <= -AREAS_FIT_FAR)
		return;
	if (more >= AREAS_FIT_FAR) {
		*fit = *other;
		return;
	}
	if (more > 0) {
		fit->pages = other->pages;
		ours = (int16_t)more;
	} else {
		theirs = (int16_t)-more;
	}
	for (int i = 0; i < AREAS_ORDERS - 2; i++) {
		int16_t a = (int16_t)(fit->skip[i] + ours);
		int16_t b = (int16_t)(other->skip[i] + theirs);

		fit->skip[i] = a < b ? a : b;
	}
	fit->skip_odd = fit->skip_odd + ours < other->skip_odd + theirs ? fit->skip_odd + ours
									: other->skip_odd + theirs;
}

bool areas_fits(const struct areas_fit *fit, const struct areas_request *req)
{
	return areas_fit_pages(fit, order_of(req->align)) >= pages_up(req->len);
}

/*
 * As Linux places a mapping: aligned up, then the page offset ORed in, and a range must be longer
 * than one byte.
 */
bool areas_place(const struct areas_request *req, iova_t first, iova_t last, iova_t *out)
{
	iova_t start = (first + req->align - 1) & ~(req->align - 1);

	if (start < first)
		return false;
	start |= req->offset;
	if (start >= last || last - start < req->len - 1)
		return false;
	*out = start;
	return true;
}
