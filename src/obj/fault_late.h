/* SPDX-License-Identifier: MIT */
/*
 * Cookies whose groups had no answer in time (pri-timeout): what the program may yet say of them is
 * to meet nobody, and not the group that is read next. So they stay taken, without a value, until
 * the program has said it; of one that never does, until as many others are late.
 *
 * The lock of the queue protects them.
 */
#ifndef OBJ_FAULT_LATE_H
#define OBJ_FAULT_LATE_H

#include <string.h>
#include "obj/obj.h"

struct fault_late {
	uint32_t cookie[OBJ_FAULT_LATE]; /* the oldest first */
	unsigned nr;
};

static inline void fault_late_end(struct fault_late *late, struct ids *cookies, unsigned at)
{
	ids_drop(cookies, late->cookie[at] - 1);
	late->nr--;
	memmove(&late->cookie[at], &late->cookie[at + 1],
		(late->nr - at) * sizeof(late->cookie[0]));
}

static inline void fault_late_begin(struct fault_late *late, struct ids *cookies, uint32_t cookie)
{
	if (late->nr == OBJ_FAULT_LATE)
		fault_late_end(late, cookies, 0);
	ids_set(cookies, cookie - 1, NULL);
	late->cookie[late->nr++] = cookie;
}

/* The program has answered that cookie, which is no group's. */
static inline void fault_late_answer(struct fault_late *late, struct ids *cookies, uint32_t cookie)
{
	for (unsigned i = 0; i < late->nr; i++)
		if (late->cookie[i] == cookie) {
			fault_late_end(late, cookies, i);
			return;
		}
}

#endif
