/* SPDX-License-Identifier: MIT */
/*
 * Dirty tracking: HWPT_SET_DIRTY_TRACKING, HWPT_GET_DIRTY_BITMAP.
 *
 * Dirty pages are found with the space locked, two million at a time, or some hundred ranges, and
 * told to the caller with no lock held but that of the page table's readings. Most are fetched
 * without the space's, too, by pieces so short that the processor fetches the next one from memory
 * while one is or-ed into the bitmap. Bits are
 * only ever set in the caller's bitmap, as the kernel does, so that one bitmap can collect from
 * several page tables; where nothing is dirty it is not touched. Where the caller's memory cannot
 * be written the call succeeds all the same, again as in the kernel; but what was not told stays
 * dirty here.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/uapi/iommufd.h>
#include "obj/obj.h"
#include "iommu.h"
#include "space/space.h"
#include "tlp/check_dirty.h"
#include "uapi/handlers.h"
#include "uapi/uapi.h"
#include "util/alloc.h"
#include "util/lock.h"
#include "util/why.h"

#define RUN_NR	   256u
#define LINE_NR	   128u
#define TAKE_NR	   256u
#define PIECE_NR   32u /* lines of a take */
#define LINE_LEN   64u /* bytes of a bitmap whose bits are the table's pages */
#define AHEAD	   16u /* takes */
#define WINDOW_LEN 256u

/* A call of GET_DIRTY_BITMAP at work. */
struct bitmap {
	struct uapi_call *call;
	uint64_t data, len;	    /* the caller's bitmap, bytes of it */
	iova_t iova;		    /* of bit 0 */
	unsigned bit_lg2, page_lg2; /* of the bitmap, of the page table */
	/* Bits to be set in bytes window .. + WINDOW_LEN - 1 of it, a multiple of WINDOW_LEN. */
	uint64_t window;
	uint8_t set[WINDOW_LEN];
	size_t start, end; /* bytes of `set` that are not 0 lie here; end 0: none */
	bool failed;	   /* some could not be written */
	struct check_dirty *check;
	struct ioas_range run[RUN_NR];
	struct pt_dirty_take take[TAKE_NR];
	iova_t line_first[LINE_NR];
	pt_dirty_line line[LINE_NR], piece[PIECE_NR];
};

static struct obj_hwpt *get_paging(struct uapi_call *call, uint32_t id)
{
	struct obj *obj = obj_get(call->file->priv, id, OBJ_HWPT);

	if (!obj)
		why_set(call->why, -ENOENT, "no page table on an IOAS has id %u", id);
	return (struct obj_hwpt *)obj;
}

static int refuse_untracked(struct uapi_call *call, uint32_t id)
{
	return why_set(call->why, -EOPNOTSUPP,
		       "page table %u was not made with IOMMU_HWPT_ALLOC_DIRTY_TRACKING", id);
}

long iommu_hwpt_set_dirty_tracking(struct uapi_call *call)
{
	const struct iommu_hwpt_set_dirty_tracking *cmd = call->cmd;
	struct obj_hwpt *hwpt;
	long rc = 0;

	if (cmd->flags & ~(uint32_t)IOMMU_HWPT_DIRTY_TRACKING_ENABLE)
		return why_set(call->why, -EOPNOTSUPP, "unknown flags 0x%x", cmd->flags);
	hwpt = get_paging(call, cmd->hwpt_id);
	if (!hwpt)
		return -ENOENT;
	if (hwpt->dirty) {
		pthread_mutex_lock(&hwpt->dirty_lock);
		space_dirty_track(hwpt->ioas->space, hwpt->pt,
				  cmd->flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
		pthread_mutex_unlock(&hwpt->dirty_lock);
	} else
		rc = refuse_untracked(call, cmd->hwpt_id);
	obj_put(&hwpt->obj);
	return rc;
}

/* Sets the window's bits in the caller's bitmap; it is empty afterwards. */
static void flush(struct bitmap *map)
{
	if (!map->end)
		return;
	if (uapi_caller_or(map->call->caller, map->data + map->window + map->start,
			   map->set + map->start, map->end - map->start))
		map->failed = true;
	memset(map->set + map->start, 0, map->end - map->start);
	map->end = 0;
}

/* Sets bits first..last of the window, counted from its start. */
static void set_bits(struct bitmap *map, unsigned first, unsigned last)
{
	unsigned from = first / 8, to = last / 8;
	uint8_t head = (uint8_t)(0xff << first % 8), tail = (uint8_t)(0xff >> (7 - last % 8));

	if (from == to) {
		map->set[from] |= head & tail;
	} else {
		map->set[from] |= head;
		memset(map->set + from + 1, 0xff, to - from - 1);
		map->set[to] |= tail;
	}
	if (!map->end || from < map->start)
		map->start = from;
	if (to + 1 > map->end)
		map->end = to + 1;
}

static void tell(struct bitmap *map, const struct ioas_range *run)
{
	uint64_t bit = (run->first - map->iova) >> map->bit_lg2;
	uint64_t last = (run->last - map->iova) >> map->bit_lg2;

	for (;;) {
		uint64_t window = bit / 8 / WINDOW_LEN * WINDOW_LEN;
		uint64_t end = window * 8 + (WINDOW_LEN * 8 - 1);

		if (window != map->window) {
			flush(map);
			map->window = window;
		}
		set_bits(map, (unsigned)(bit - window * 8),
			 (unsigned)((last < end ? last : end) - window * 8));
		if (last <= end)
			return;
		bit = end + 1;
	}
}

/* One line, where the bitmap's bits are not the table's pages, or do not stand as they do. */
static void tell_bits(struct bitmap *map, const pt_dirty_line line, iova_t begin)
{
	for (unsigned w = 0; w < LINE_LEN / 8; w++)
		for (uint64_t left = line[w]; left; left &= left - 1) {
			unsigned i = w * 64 + (unsigned)__builtin_ctzll(left);
			iova_t first = begin + ((iova_t)i << map->page_lg2);
			struct ioas_range run = {first, first + (1ull << map->page_lg2) - 1};

			tell(map, &run);
		}
}

/* Are lines whole bytes of the bitmap, which can be set as they are? All begin at multiples of 8.
 */
static bool is_plain(const struct bitmap *map)
{
	return map->bit_lg2 == map->page_lg2 && !(map->iova >> map->page_lg2 & 7);
}

/* Bytes of a line up to the last that is not 0. */
static size_t used_len(const pt_dirty_line line)
{
	const uint8_t *last = (const uint8_t *)line;
	size_t len = LINE_LEN;

	while (len && !last[len - 1])
		len--;
	return len;
}

/* Where a page's bit belongs, whole bytes from the start of the bitmap. */
static uint64_t place_of(const struct bitmap *map, iova_t first)
{
	return ((first - map->iova) >> map->page_lg2) / 8;
}

/*
 * Sets the bits of lines side by side; the bitmap may end in the last. Where that fails, of each
 * line no more than it needs. false: so could not all of them be set.
 */
static bool set_lines(struct bitmap *map, const pt_dirty_line *lines, size_t nr, iova_t first)
{
	uint64_t at = place_of(map, first), len = nr * LINE_LEN;
	bool all = true;

	if (len > map->len - at)
		len = map->len - at;
	if (!uapi_caller_or(map->call->caller, map->data + at, lines, len))
		return true;
	for (size_t i = 0; i < nr; i++)
		if (uapi_caller_or(map->call->caller, map->data + at + i * LINE_LEN, lines[i],
				   used_len(lines[i])))
			all = false;
	return all;
}

static void tell_line(struct bitmap *map, const pt_dirty_line *line, iova_t first)
{
	if (!is_plain(map) || first < map->iova)
		tell_bits(map, *line, first);
	else if (!set_lines(map, line, 1, first))
		map->failed = true;
}

/* Under --check-dirty: what was told of a page is what the caller's bitmap says now. */
static void check_page(const struct bitmap *map, struct obj_hwpt *hwpt,
		       const struct check_reading *reading, iova_t page)
{
	uint64_t bit = (page - map->iova) >> map->bit_lg2;
	uint8_t byte;

	if (!uapi_caller_read(map->call->caller, &byte, map->data + bit / 8, 1) &&
	    byte >> bit % 8 & 1)
		check_dirty_told(map->check, reading, hwpt->pt, page,
				 page + (1ull << map->page_lg2) - 1);
}

static void check_lines(const struct bitmap *map, struct obj_hwpt *hwpt,
			const struct check_reading *reading, const pt_dirty_line *lines, size_t nr,
			iova_t first)
{
	for (size_t i = 0; i < nr * LINE_LEN * 8; i++)
		if (lines[i / 8 / LINE_LEN][i / 64 % (LINE_LEN / 8)] >> i % 64 & 1)
			check_page(map, hwpt, reading, first + ((iova_t)i << map->page_lg2));
}

static void check_piece(const struct bitmap *map, struct obj_hwpt *hwpt,
			struct check_reading *reading, const struct pt_dirty *read)
{
	reading->spoilt |= map->failed;
	for (size_t i = 0; i < read->nr; i++)
		for (iova_t at = read->runs[i].first; at <= read->runs[i].last;
		     at += 1ull << map->page_lg2)
			check_page(map, hwpt, reading, at);
	for (size_t i = 0; i < read->line_nr; i++)
		check_lines(map, hwpt, reading, &read->lines[i], 1, read->line_first[i]);
}

static void tell_take(struct bitmap *map, struct obj_hwpt *hwpt, struct check_reading *reading,
		      const struct pt_dirty_take *take)
{
	for (size_t from = 0, nr; from < take->nr; from += nr) {
		iova_t first = take->first + ((iova_t)from * LINE_LEN * 8 << map->page_lg2);

		nr = take->nr - from < PIECE_NR ? take->nr - from : PIECE_NR;
		pt_dirty_move(take, from, nr, map->piece);
		if (!set_lines(map, map->piece, nr, first)) {
			reading->spoilt = true;
			space_dirty_put_back_lines(hwpt->ioas->space, hwpt->pt, map->piece, nr,
						   first);
		}
		if (map->check)
			check_lines(map, hwpt, reading, map->piece, nr, first);
	}
}

static void read_dirty(struct bitmap *map, struct obj_hwpt *hwpt, struct pt_dirty *read)
{
	struct ioas_space *space = hwpt->ioas->space;
	struct check_reading reading;
	bool all;

	lock_must_hold(&hwpt->dirty_lock);
	check_dirty_begin(map->check, &reading);
	do {
		all = space_dirty_read(space, hwpt->pt, read);
		map->failed = false;
		for (size_t i = 0; i < read->take_nr; i++) {
			if (i + AHEAD < read->take_nr)
				__builtin_prefetch(read->takes[i + AHEAD].words, 1);
			tell_take(map, hwpt, &reading, &read->takes[i]);
		}
		for (size_t i = 0; i < read->nr; i++)
			tell(map, &read->runs[i]);
		for (size_t i = 0; i < read->line_nr; i++)
			tell_line(map, &read->lines[i], read->line_first[i]);
		flush(map);
		if (map->failed && read->clear)
			space_dirty_put_back(space, hwpt->pt, read);
		if (map->check)
			check_piece(map, hwpt, &reading, read);
	} while (!all);
	if (read->takes)
		space_dirty_end(space, hwpt->pt);
	check_dirty_end(map->check, &reading, hwpt->pt, read->first, read->last,
			read->clear ? read->turned : 0);
}

static int check_range(struct uapi_call *call, const struct iommu_hwpt_get_dirty_bitmap *cmd,
		       uint64_t alignment)
{
	uint64_t end = cmd->iova + cmd->length;

	if (!cmd->length)
		return why_set(call->why, -EINVAL, "length 0");
	if (cmd->length - 1 > UINT64_MAX - cmd->iova)
		return why_set(call->why, -EOVERFLOW, "IOVA 0x%llx + length 0x%llx wraps",
			       (unsigned long long)cmd->iova, (unsigned long long)cmd->length);
	if ((cmd->iova | end) & (alignment - 1))
		return why_set(call->why, -EINVAL,
			       "IOVA 0x%llx or its end 0x%llx is not a multiple of %llu",
			       (unsigned long long)cmd->iova, (unsigned long long)end,
			       (unsigned long long)alignment);
	if (!cmd->page_size)
		return why_set(call->why, -EINVAL, "page_size 0");
	if ((cmd->iova | end) & (cmd->page_size - 1))
		return why_set(call->why, -EINVAL,
			       "IOVA 0x%llx or its end 0x%llx is not a multiple of page_size %llu",
			       (unsigned long long)cmd->iova, (unsigned long long)end,
			       (unsigned long long)cmd->page_size);
	return 0;
}

static int get_bitmap(struct uapi_call *call, struct obj_hwpt *hwpt)
{
	const struct iommu_hwpt_get_dirty_bitmap *cmd = call->cmd;
	struct bitmap *map;
	struct pt_dirty read;
	int rc = check_range(call, cmd, ioas_space_alignment(hwpt->ioas->space));

	if (rc)
		return rc;
	if (!hwpt->dirty)
		return refuse_untracked(call, cmd->hwpt_id);
	/* Most of it is never touched where little is dirty. */
	map = alloc_raw(sizeof(*map));
	if (!map)
		return why_set(call->why, -ENOMEM, "out of memory");
	memset(map, 0, offsetof(struct bitmap, run));
	map->call = call;
	map->data = cmd->data;
	map->check = hwpt->obj.ctx->iommu->check_dirty;
	map->iova = cmd->iova;
	/* A page size is a power of two; of another number the kernel takes the lowest bit. */
	map->bit_lg2 = (unsigned)__builtin_ctzll(cmd->page_size);
	map->page_lg2 = pt_page_lg2(hwpt->pt);
	map->len = (((cmd->length - 1) >> map->bit_lg2) + 8) / 8;
	read = (struct pt_dirty){
		.first = cmd->iova,
		.last = cmd->iova + cmd->length - 1,
		.clear = !(cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR),
		.runs = map->run,
		.max = RUN_NR,
		.lines = map->line,
		.line_first = map->line_first,
		.line_max = LINE_NR,
		.takes = is_plain(map) ? map->take : NULL,
		.take_max = TAKE_NR,
	};
	pthread_mutex_lock(&hwpt->dirty_lock);
	read_dirty(map, hwpt, &read);
	pthread_mutex_unlock(&hwpt->dirty_lock);
	free(map);
	return 0;
}

long iommu_hwpt_get_dirty_bitmap(struct uapi_call *call)
{
	const struct iommu_hwpt_get_dirty_bitmap *cmd = call->cmd;
	struct obj_hwpt *hwpt;
	long rc;

	if (cmd->flags & ~(uint32_t)IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR || cmd->__reserved)
		return why_set(call->why, -EOPNOTSUPP,
			       "unknown flags 0x%x, or a reserved field is not 0", cmd->flags);
	hwpt = get_paging(call, cmd->hwpt_id);
	if (!hwpt)
		return -ENOENT;
	rc = get_bitmap(call, hwpt);
	obj_put(&hwpt->obj);
	return rc;
}
