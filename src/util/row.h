/* SPDX-License-Identifier: MIT */
/*
 * Things in a row, in arrays that share their slots. The row need not begin where the arrays do: so
 * that whatever goes or comes moves the shorter side only, and at the ends nothing.
 *
 * Each of these says what its owner is to move, in all of the arrays; `begin` is right after that.
 */
#ifndef UTIL_ROW_H
#define UTIL_ROW_H

#include <stdbool.h>
#include <stdint.h>

/* So many slots, between places in the arrays; they may overlap. */
struct row_move {
	unsigned to, from, nr;
};

/* One is to come to slot `at` of a row of `nr`, for which there are `max` slots, more than `nr`. */
static inline struct row_move row_open(uint16_t *begin, unsigned nr, unsigned max, unsigned at)
{
	unsigned from = *begin, behind = nr - at;

	if (from && (at < behind || from + nr == max)) {
		*begin = (uint16_t)(from - 1);
		return (struct row_move){from - 1, from, at};
	}
	return (struct row_move){from + at + 1, from + at, behind};
}

/* The one in slot `at` of a row of `nr` goes. */
static inline struct row_move row_close(uint16_t *begin, unsigned nr, unsigned at)
{
	unsigned from = *begin, behind = nr - 1 - at;

	if (at < behind) {
		*begin = (uint16_t)(from + 1);
		return (struct row_move){from + 1, from, at};
	}
	return (struct row_move){from + at, from + at + 1, behind};
}

/* So many are to come before the first and behind the last: there is room for them in all. */
static inline struct row_move row_center(uint16_t *begin, unsigned nr, unsigned max,
					 unsigned before, unsigned behind)
{
	unsigned from = *begin, to = from;

	if (to < before)
		to = before;
	if (to + nr + behind > max)
		to = max - nr - behind;
	*begin = (uint16_t)to;
	return (struct row_move){to, from, to == from ? 0 : nr};
}

/*
 * How a full row gets room, in a tree of such rows: it passes some to the end of the one before or
 * to the front of the one behind; or is cut in two; or two that are full become three.
 */
struct row_relief {
	enum { ROW_BACK, ROW_ON, ROW_CUT, ROW_THIRD } how;
	unsigned nr;	/* that are passed, or stay before the cut */
	bool to_second; /* what is to come will be the first behind the cut */
};

/*
 * One is to come to slot `at`, the last one came to slot `newest` or so. `before` and `behind` are
 * the room of the neighbours, -1 where there is none. So rows are full to five sixths in whatever
 * order things come; and where they come in order, either way, those are full that they leave
 * behind: what they will not touch again is passed on, or cut off, and nothing moves thereafter.
 */
static inline struct row_relief row_relieve(unsigned max, unsigned at, unsigned newest, int before,
					    int behind)
{
	bool up = at == newest + 1, down = at == newest;
	unsigned rest = max - at;

	if ((!at && (down || before < 0)) || (at == max && (up || behind < 0)))
		return (struct row_relief){ROW_CUT, at, at == max};
	if (up && before < 2)
		return (struct row_relief){behind > (int)rest ? ROW_ON : ROW_CUT,
					   behind > (int)rest ? rest : at, false};
	if (down && behind < 2)
		return (struct row_relief){before > (int)at ? ROW_BACK : ROW_CUT, at, true};
	if (before < 0 && behind < 0)
		return (struct row_relief){ROW_CUT, max / 2, false};
	if (before < 2 && behind < 2)
		return (struct row_relief){ROW_THIRD, 0, false};
	if (up || (!down && before > behind))
		return (struct row_relief){ROW_BACK, (unsigned)before / 2, false};
	return (struct row_relief){ROW_ON, (unsigned)behind / 2, false};
}

#endif
