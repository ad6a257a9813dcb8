/* SPDX-License-Identifier: MIT */
/*
 * The windows that stand for one piece of this process' memory, in the order of where that begins.
 *
 * They are in a B+ tree, so that a window has no node of its own and looking one up meets few lines
 * of memory. Beside each node stands where what is below it ends at the latest: so what meets a
 * range is found in O(log n), however long others are, and however many show the same memory. What
 * goes in order, as it mostly does, is found where the last one went.
 *
 * The pins' lock protects all of it (pins.h).
 */
#ifndef MEM_HOSTS_H
#define MEM_HOSTS_H

#include <stdint.h>
#include "util/pool.h"

struct hosts_node;
struct mem_window;

struct hosts {
	struct hosts_node *root; /* NULL: there are none */
	uintptr_t high;		 /* where the last one ends; 0: there are none */
	struct hosts_node *near; /* the leaf that last one came to or left, or NULL */
	unsigned near_at;	 /* and where in it */
	struct pool *nodes;	 /* constant */
};

/* Of what a pool of nodes is one. */
size_t hosts_node_size(void);
void hosts_init(struct hosts *hosts, struct pool *nodes);
/* Adds a window that shows start..end-1, which is all of it. 0; -ENOMEM: it is not in. */
int hosts_insert(struct hosts *hosts, uintptr_t start, uintptr_t end,
		 const struct mem_window *window);
/* Takes out one that begins at `start`. Never fails. */
void hosts_remove(struct hosts *hosts, uintptr_t start, const struct mem_window *window);
/* Where the first one begins; UINTPTR_MAX: there are none. */
uintptr_t hosts_low(const struct hosts *hosts);

/* A walk through those that meet start..end-1, in order; they may come and go meanwhile. */
struct hosts_walk {
	uintptr_t start, end;
	uintptr_t at;			 /* where the newest begins */
	const struct mem_window *window; /* and it; NULL: none yet */
};

/* The next one, or NULL. */
struct mem_window *hosts_next(const struct hosts *hosts, struct hosts_walk *walk);

#endif
