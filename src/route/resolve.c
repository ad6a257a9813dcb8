/* SPDX-License-Identifier: MIT */
/* From a description to what follows from it: the tree is checked, put in order and walked down. */
#include <errno.h>
#include "route/topology.h"
#include "util/alloc.h"
#include "util/why.h"

void route_resolved_free(struct route_resolved *resolved)
{
	if (!resolved)
		return;
	route_partition_fini(&resolved->groups);
	route_partition_fini(&resolved->shares);
	free(resolved->node);
	free(resolved->order);
	free(resolved);
}

static int lay_out(const struct ioas_topology *topology, struct route_resolved *resolved)
{
	struct tree_node *at = tree_end(&topology->functions, 0);

	resolved->nr = topology->function_nr;
	/* One more: allocating nothing may give NULL. */
	resolved->node = alloc_zero((size_t)resolved->nr + 1, sizeof(*resolved->node));
	resolved->order = alloc_zero((size_t)resolved->nr + 1, sizeof(*resolved->order));
	if (!resolved->node || !resolved->order)
		return -ENOMEM;
	for (uint32_t i = 0; at; i++, at = tree_step(at, 1)) {
		resolved->node[i] = tree_entry(at, struct route_node, by_addr.node);
		resolved->node[i]->index = i;
	}
	return 0;
}

/* ---- checks ---- */

static int check_virtual(const struct ioas_topology *topology, const struct route_node *node,
			 struct ioas_why *why)
{
	const struct ioas_topology_function *physical;
	char name[IOAS_NAME_LEN], other[IOAS_NAME_LEN];

	ioas_pci_addr_format(node->function.addr, name);
	ioas_pci_addr_format(node->function.physical, other);
	physical = ioas_topology_find(topology, node->function.physical);
	if (!physical)
		return why_set(why, -EINVAL, "%s: its physical function %s is missing", name,
			       other);
	if (physical->is_virtual || ioas_topology_is_bridge(physical))
		return why_set(why, -EINVAL, "%s: %s is no physical function, but %s", name, other,
			       physical->is_virtual ? "virtual itself" : "a bridge");
	return 0;
}

/*
 * A root bus is in the range of no bridge. Buses and bridges are gone through side by side;
 * `widest` is the bridge that reaches furthest of those whose range has begun.
 */
static int check_roots(const struct ioas_topology *topology, const struct route_resolved *resolved,
		       struct ioas_why *why)
{
	struct tree_node *at = tree_end(&topology->buses, 0);
	const struct ioas_topology_function *widest = NULL;
	char name[IOAS_NAME_LEN];

	for (uint32_t i = 0; i < resolved->nr; i++) {
		const struct route_node *node = resolved->node[i];
		struct ioas_pci_addr addr = node->function.addr;
		uint64_t bus = route_key(addr) >> 8;

		for (; at; at = tree_step(at, 1)) {
			const struct route_node *bridge;

			bridge = tree_entry(at, struct route_node, by_bus.node);
			if (bridge->by_bus.key > bus)
				break;
			if (!widest || widest->addr.segment != bridge->function.addr.segment ||
			    widest->subordinate < bridge->function.subordinate)
				widest = &bridge->function;
		}
		if (node->above || node->function.is_virtual || !widest ||
		    widest->addr.segment != addr.segment || widest->subordinate < addr.bus)
			continue;
		return why_set(
			why, -EINVAL,
			"bus %02x is one of %02x to %02x, those below %s, but no bridge leads "
			"to it",
			addr.bus, widest->secondary, widest->subordinate,
			ioas_pci_addr_format(widest->addr, name));
	}
	return 0;
}

static int check_phantoms(const struct route_resolved *resolved, uint32_t index,
			  struct ioas_why *why)
{
	const struct route_node *node = resolved->node[index];
	char name[IOAS_NAME_LEN], other[IOAS_NAME_LEN];

	for (uint32_t i = index + 1; node->function.phantom_lg2 && i < resolved->nr; i++) {
		struct ioas_pci_addr addr = resolved->node[i]->function.addr;

		if (!route_same_slot(addr, node->function.addr))
			break;
		if (route_is_phantom(node, route_rid(addr)))
			return why_set(why, -EINVAL,
				       "%s is a phantom function of %s, and a real one",
				       ioas_pci_addr_format(addr, name),
				       ioas_pci_addr_format(node->function.addr, other));
	}
	return 0;
}

static int check_node(const struct ioas_topology *topology, const struct route_resolved *resolved,
		      uint32_t index, struct ioas_why *why)
{
	const struct route_node *node = resolved->node[index];
	char name[IOAS_NAME_LEN], other[IOAS_NAME_LEN];
	const struct route_node *first;

	ioas_pci_addr_format(node->function.addr, name);
	if (node->bus_taken) {
		first = route_bridge_to(topology, node->function.addr.segment,
					node->function.secondary);
		ioas_pci_addr_format(first->function.addr, other);
		return why_set(why, -EINVAL, "two bridges lead to bus %02x: %s and %s",
			       node->function.secondary, other, name);
	}
	if (node->function.is_virtual)
		return check_virtual(topology, node, why);
	if (!node->above && node->function.iommu >= topology->iommu_nr && route_counts(node))
		return why_set(why, -EINVAL, "%s: behind IOMMU %u of %zu", name,
			       node->function.iommu, topology->iommu_nr);
	return check_phantoms(resolved, index, why);
}

/* ---- order ---- */

/* The first function of a bus or after it. */
static uint32_t bus_first(const struct route_resolved *resolved, uint16_t segment, uint8_t bus)
{
	uint32_t key = (uint32_t)segment << 16 | (uint32_t)bus << 8;
	uint32_t low = 0, high = resolved->nr;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (resolved->node[middle]->by_addr.key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool on_bus(const struct route_node *node, uint16_t segment, uint8_t bus)
{
	return node->function.addr.segment == segment && node->function.addr.bus == bus;
}

/*
 * Puts a bus in order: its functions, then what is below its bridges, one after the other. One
 * bridge at most leads to a bus, and none to a root bus: the recursion ends, at most 256 deep.
 */
static uint32_t scan(struct route_resolved *resolved, uint32_t first, uint32_t nr)
{
	uint16_t segment = resolved->node[first]->function.addr.segment;
	uint8_t bus = resolved->node[first]->function.addr.bus;
	uint32_t end = first;

	for (; end < resolved->nr && on_bus(resolved->node[end], segment, bus); end++)
		if (!resolved->node[end]->function.is_virtual)
			resolved->order[nr++] = resolved->node[end];
	for (uint32_t i = first; i < end; i++) {
		uint8_t below = resolved->node[i]->function.secondary;
		uint32_t at;

		if (!below)
			continue;
		at = bus_first(resolved, segment, below);
		if (at < resolved->nr && on_bus(resolved->node[at], segment, below))
			nr = scan(resolved, at, nr);
	}
	return nr;
}

static int put_in_order(const struct ioas_topology *topology, struct route_resolved *resolved,
			struct ioas_why *why)
{
	uint32_t nr = 0, real = 0;
	char name[IOAS_NAME_LEN];

	for (uint32_t i = 0; i < resolved->nr; i++) {
		const struct ioas_pci_addr addr = resolved->node[i]->function.addr;
		bool first = !i || !on_bus(resolved->node[i - 1], addr.segment, addr.bus);

		real += !resolved->node[i]->function.is_virtual;
		if (first && !route_bridge_to(topology, addr.segment, addr.bus))
			nr = scan(resolved, i, nr);
	}
	if (nr != real) {
		for (uint32_t i = 0; i < nr; i++)
			resolved->order[i]->index = UINT32_MAX;
		for (uint32_t i = 0; i < resolved->nr; i++)
			if (resolved->node[i]->index == i &&
			    !resolved->node[i]->function.is_virtual)
				return why_set(
					why, -EINVAL,
					"%s is below itself: its bridges lead round in a loop",
					ioas_pci_addr_format(resolved->node[i]->function.addr,
							     name));
	}
	for (uint32_t i = 0; i < resolved->nr; i++)
		if (resolved->node[i]->function.is_virtual)
			resolved->order[nr++] = resolved->node[i];
	return 0;
}

/* ---- what a function has from the bridge above ---- */

static void inherit(const struct ioas_topology *topology, struct route_node *node)
{
	struct route_node *above = node->above;
	const struct route_node *physical;

	node->renamer = node->open = NULL;
	if (node->function.is_virtual) {
		physical = route_node(topology, node->function.physical);
		node->function.iommu = physical->function.iommu;
		node->function.pasid_lg2 = physical->function.pasid_lg2;
		node->function.pri = physical->function.pri;
	}
	if (!above)
		return;
	node->function.iommu = above->function.iommu;
	node->open = route_isolates(above) ? above->open : above;
	if (above->function.quirks & IOAS_QUIRK_IOMMU_BELOW)
		return;
	node->renamer = route_renames(above) ? above : above->renamer;
}

static int finish(struct route_resolved *resolved)
{
	uint32_t *order = alloc_raw(((size_t)resolved->nr + 1) * sizeof(*order));
	uint32_t nr = 0;
	int rc;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < resolved->nr; i++)
		if (route_counts(resolved->order[i]))
			order[nr++] = resolved->order[i]->index;
	rc = route_partition_init(&resolved->shares, resolved->nr);
	if (!rc)
		rc = route_partition_init(&resolved->groups, resolved->nr);
	if (!rc)
		rc = route_share(resolved);
	if (!rc)
		rc = route_group(resolved);
	if (!rc)
		rc = route_partition_finish(&resolved->shares, order, nr);
	if (!rc)
		rc = route_partition_finish(&resolved->groups, order, nr);
	free(order);
	return rc;
}

static int resolve(const struct ioas_topology *topology, struct route_resolved *resolved,
		   struct ioas_why *why)
{
	int rc = lay_out(topology, resolved);

	for (uint32_t i = 0; !rc && i < resolved->nr; i++) {
		struct route_node *node = resolved->node[i];

		node->above = route_above(topology, node);
	}
	for (uint32_t i = 0; !rc && i < resolved->nr; i++)
		rc = check_node(topology, resolved, i, why);
	if (!rc)
		rc = check_roots(topology, resolved, why);
	if (!rc)
		rc = put_in_order(topology, resolved, why);
	for (uint32_t i = 0; !rc && i < resolved->nr; i++)
		inherit(topology, resolved->order[i]);
	return rc ? rc : finish(resolved);
}

int ioas_topology_resolve(struct ioas_topology *topology, struct ioas_why *why)
{
	struct route_resolved *resolved = alloc_zero(1, sizeof(*resolved));
	int rc;

	if (!resolved)
		return -ENOMEM;
	rc = resolve(topology, resolved, why);
	route_resolved_free(rc ? resolved : topology->resolved);
	topology->resolved = rc ? NULL : resolved;
	return rc;
}
