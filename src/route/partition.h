/* SPDX-License-Identifier: MIT */
/*
 * Things 0 .. nr-1 put together by edges: sets that are joined while it is built, then numbered
 * and laid out for reading. Each set keeps its edges.
 */
#ifndef ROUTE_PARTITION_H
#define ROUTE_PARTITION_H

#include <ioas/topology.h>

#define ROUTE_NO_SET UINT32_MAX

struct route_link {
	uint32_t thing, other; /* its two ends */
	struct ioas_topology_edge edge;
};

struct route_partition {
	uint32_t thing_nr;
	uint32_t *set_of;   /* by thing: while built its parent in the set's tree, then the set */
	uint32_t set_nr;    /* below: once laid out */
	uint32_t *start;    /* by set, and one more: its first member in `member` */
	uint32_t *member;   /* things by set, in order of number */
	uint32_t *place;    /* by thing: its place in `member` */
	size_t *edge_start; /* by set, and one more */
	struct route_link *link;
	size_t link_nr, link_cap;
};

/* 0; -ENOMEM. */
int route_partition_init(struct route_partition *partition, uint32_t thing_nr);
void route_partition_fini(struct route_partition *partition);
/* Puts the sets of a and b together, for that reason. 0; -ENOMEM. */
int route_partition_join(struct route_partition *partition, uint32_t a, uint32_t b,
			 const struct ioas_topology_edge *edge);
/* Are a and b in one set already? While it is built. */
bool route_partition_same(struct route_partition *partition, uint32_t a, uint32_t b);
/*
 * Numbers the sets in the order of `order` (nr things; those that are not in it are in no set) and
 * lays them out. 0; -ENOMEM.
 */
int route_partition_finish(struct route_partition *partition, const uint32_t *order, uint32_t nr);

/* The member after thing `prev` (ROUTE_NO_SET: the first) of a set, or ROUTE_NO_SET. */
uint32_t route_partition_next(const struct route_partition *partition, uint32_t set, uint32_t prev);
/* Writes up to max edges of a set, returns how many there are. */
size_t route_partition_edges(const struct route_partition *partition, uint32_t set,
			     struct ioas_topology_edge *out, size_t max);

#endif
