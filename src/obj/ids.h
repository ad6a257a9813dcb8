/* SPDX-License-Identifier: MIT */
/*
 * Numbers for things: the lowest free one is given out, and what a number stands for is found
 * again, both in O(log n), with no limit but 31 bits.
 *
 * A tree of 64-way nodes that grows upwards. Each node notes which of its slots are taken
 * completely, so the lowest free number is found by one bit search a level.
 */
#ifndef OBJ_IDS_H
#define OBJ_IDS_H

#include <stdint.h>

struct ids_node;

/* Zero-initialised it is empty. Not locked: the owner's lock protects it. */
struct ids {
	struct ids_node *root;
	unsigned height; /* levels below and including root; 0: no root */
};

#define IDS_MAX 0x7fffffffu

/* Takes the lowest free number from 0, without a value (ids_get: NULL). 0; -ENOMEM; -ENOSPC. */
int ids_take(struct ids *ids, uint32_t *out);
/* Takes a number of the caller's choice. 0; -EEXIST; -ENOMEM; -ENOSPC above IDS_MAX. */
int ids_take_at(struct ids *ids, uint32_t id);
/* Sets the value of a taken number. Cannot fail. */
void ids_set(struct ids *ids, uint32_t id, void *value);
/* Its value; NULL: free, or taken without a value. */
void *ids_get(const struct ids *ids, uint32_t id);
/* Frees a taken number. Cannot fail. */
void ids_drop(struct ids *ids, uint32_t id);
/* The first number at or after *id that has a value, into *id, and its value; NULL: none. */
void *ids_next(const struct ids *ids, uint32_t *id);
/* Frees the tree's memory, not the values. */
void ids_fini(struct ids *ids);

#endif
