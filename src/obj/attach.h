/* SPDX-License-Identifier: MIT */
/*
 * What an attach keeps out of a space: what the device has reserved, and the others whose requests
 * go there with it. For attach.c. All with ctx->lock held.
 */
#ifndef OBJ_ATTACH_H
#define OBJ_ATTACH_H

#include "obj/obj.h"

/* The space's IOAS that a page table (NULL: none) is on, whatever it is nested on. */
static inline struct obj_ioas *attach_ioas_of(struct obj_hwpt *hwpt)
{
	return hwpt ? obj_hwpt_paging(hwpt)->ioas : NULL;
}

/*
 * The next attachment after `prev` (NULL: the first) that a replace of `attach` moves, too: those
 * of its share set, but not itself. NULL: no more.
 */
struct obj_attach *attach_next_peer(const struct obj_attach *attach, const struct obj_attach *prev);

/*
 * Before `attach` and its peers move there: keeps the space that requests without a PASID will go
 * to out of what their devices have reserved. 0; what space_reserve says, and nothing is kept.
 */
int attach_reserve(struct obj_attach *attach, struct obj_ioas *ioas, struct ioas_why *why);
/* The reverse, when the change did not come about. */
void attach_give_back(struct obj_attach *attach, struct obj_ioas *ioas);
/* One of them has left the space. */
void attach_unreserve(const struct obj_attach *attach, struct obj_ioas *ioas);

#endif
