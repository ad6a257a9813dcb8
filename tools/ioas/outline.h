/* SPDX-License-Identifier: MIT */
/*
 * A topology as a tree to be walked from the top: root buses, what is on them, what is below each
 * bridge, and the virtual functions below their physical one. For everything that prints or draws.
 */
#ifndef TOOLS_OUTLINE_H
#define TOOLS_OUTLINE_H

#include <ioas/topology.h>

#define OUTLINE_NONE SIZE_MAX

struct outline_node {
	const struct ioas_topology_function *function; /* NULL: a root bus */
	uint16_t segment;			       /* of a root bus */
	uint8_t bus;
	unsigned depth;
	size_t parent, child, next; /* indices: above, the first below, the next beside it */
};

struct outline {
	const struct ioas_topology *topology;
	struct outline_node *nodes; /* the functions in order of address, then the root buses */
	size_t functions_nr, nr;
	size_t first; /* root bus */
};

/* Of a resolved topology, which must outlive it. 0; -ENOMEM. */
int outline_new(struct outline *outline, const struct ioas_topology *topology);
void outline_free(struct outline *outline);

/* The node after `index` depth first, as one would read it; OUTLINE_NONE at the end. */
size_t outline_walk(const struct outline *outline, size_t index);
/* OUTLINE_NONE: there is no such function. */
size_t outline_find(const struct outline *outline, struct ioas_pci_addr addr);
/* The IOMMU that a function's TLPs meet. */
uint32_t outline_iommu(const struct outline *outline, size_t index);

/* A number that orders addresses. */
uint32_t addr_key(struct ioas_pci_addr addr);

#endif
