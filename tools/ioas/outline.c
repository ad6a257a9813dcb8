/* SPDX-License-Identifier: MIT */
/* A topology as a tree to be walked from the top. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "outline.h"

uint32_t addr_key(struct ioas_pci_addr addr)
{
	return (uint32_t)addr.segment << 16 | (uint32_t)addr.bus << 8 | addr.devfn;
}

size_t outline_find(const struct outline *outline, struct ioas_pci_addr addr)
{
	size_t first = 0, end = outline->functions_nr;
	uint32_t key = addr_key(addr);

	while (first < end) {
		size_t mid = first + (end - first) / 2;

		if (addr_key(outline->nodes[mid].function->addr) < key)
			first = mid + 1;
		else
			end = mid;
	}
	if (first < outline->functions_nr && addr_key(outline->nodes[first].function->addr) == key)
		return first;
	return OUTLINE_NONE;
}

/* The function that this one hangs below, or OUTLINE_NONE: a root bus. */
static size_t parent_of(const struct outline *outline, const struct outline_node *node)
{
	const struct ioas_topology_function *above;

	if (node->function->is_virtual) {
		size_t physical = outline_find(outline, node->function->physical);

		if (physical != OUTLINE_NONE && outline->nodes + physical != node)
			return physical;
	}
	above = ioas_topology_above(outline->topology, node->function->addr);
	return above ? outline_find(outline, above->addr) : OUTLINE_NONE;
}

/* The root bus of a function without anything above: the last one made, or a new one. */
static size_t root_of(struct outline *outline, struct ioas_pci_addr addr)
{
	struct outline_node *last = &outline->nodes[outline->nr - 1];

	if (outline->nr == outline->functions_nr || last->segment != addr.segment ||
	    last->bus != addr.bus) {
		last = &outline->nodes[outline->nr++];
		*last = (struct outline_node){.segment = addr.segment,
					      .bus = addr.bus,
					      .parent = OUTLINE_NONE,
					      .child = OUTLINE_NONE,
					      .next = OUTLINE_NONE};
	}
	return (size_t)(last - outline->nodes);
}

/* From the last to the first, so that children come to stand in order of address. */
static void link_all(struct outline *outline)
{
	outline->first = OUTLINE_NONE;
	for (size_t i = outline->nr; i-- > 0;) {
		struct outline_node *node = &outline->nodes[i];
		size_t *list = node->parent == OUTLINE_NONE ? &outline->first
							    : &outline->nodes[node->parent].child;

		node->next = *list;
		*list = i;
	}
}

static void set_depths(struct outline *outline)
{
	for (size_t i = outline->first; i != OUTLINE_NONE; i = outline_walk(outline, i)) {
		struct outline_node *node = &outline->nodes[i];

		node->depth =
			node->parent == OUTLINE_NONE ? 0 : outline->nodes[node->parent].depth + 1;
	}
}

int outline_new(struct outline *outline, const struct ioas_topology *topology)
{
	size_t nr = 0;

	memset(outline, 0, sizeof(*outline));
	outline->topology = topology;
	for (const struct ioas_topology_function *f = ioas_topology_next(topology, NULL); f;
	     f = ioas_topology_next(topology, f))
		nr++;
	outline->nodes = calloc(2 * nr + 1, sizeof(*outline->nodes));
	if (!outline->nodes)
		return -ENOMEM;
	for (const struct ioas_topology_function *f = ioas_topology_next(topology, NULL); f;
	     f = ioas_topology_next(topology, f))
		outline->nodes[outline->functions_nr++] = (struct outline_node){
			.function = f, .child = OUTLINE_NONE, .next = OUTLINE_NONE};
	outline->nr = nr;
	for (size_t i = 0; i < nr; i++) {
		struct outline_node *node = &outline->nodes[i];

		node->parent = parent_of(outline, node);
		if (node->parent == OUTLINE_NONE)
			node->parent = root_of(outline, node->function->addr);
	}
	link_all(outline);
	set_depths(outline);
	return 0;
}

void outline_free(struct outline *outline)
{
	free(outline->nodes);
	memset(outline, 0, sizeof(*outline));
}

size_t outline_walk(const struct outline *outline, size_t index)
{
	const struct outline_node *node = &outline->nodes[index];

	if (node->child != OUTLINE_NONE)
		return node->child;
	while (node->next == OUTLINE_NONE && node->parent != OUTLINE_NONE)
		node = &outline->nodes[node->parent];
	return node->next;
}

uint32_t outline_iommu(const struct outline *outline, size_t index)
{
	const struct outline_node *node = &outline->nodes[index];

	while (node->parent != OUTLINE_NONE && outline->nodes[node->parent].function)
		node = &outline->nodes[node->parent];
	return node->function ? node->function->iommu : IOAS_TOPOLOGY_NO_IOMMU;
}
