/* SPDX-License-Identifier: MIT */
/*
 * The requester IDs a function's TLPs may carry where they meet the IOMMU. Some it sends itself:
 * its own, those of its quirks and of its phantom functions. Others are put on its TLPs by bridges:
 * one from PCIe to PCI takes its secondary bus:00.0, since a conventional bus has no requester IDs;
 * a bridge whose upper side is conventional takes its own.
 */
#include <errno.h>
#include "route/topology.h"
#include "util/alloc.h"

struct writer {
	struct ioas_topology_requester *out;
	size_t nr, max;
};

static void add(struct writer *to, struct ioas_topology_requester requester)
{
	if (to->nr < to->max)
		to->out[to->nr] = requester;
	to->nr++;
}

static bool has_alias(const struct ioas_topology_function *function, rid_t rid)
{
	size_t low = 0, high = function->alias_nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (function->alias[middle] == rid)
			return true;
		if (function->alias[middle] < rid)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Own, or one of the other function numbers that quirks name. */
static bool is_named(const struct ioas_topology_function *function, rid_t rid)
{
	rid_t own = route_rid(function->addr), function_0 = own & (rid_t)~7;

	return rid == own || (function->quirks & IOAS_QUIRK_USES_FUNCTION_0 && rid == function_0) ||
	       (function->quirks & IOAS_QUIRK_USES_FUNCTION_1 && rid == (function_0 | 1));
}

bool route_is_phantom(const struct route_node *node, rid_t rid)
{
	const struct ioas_topology_function *function = &node->function;
	rid_t low = (rid_t)((8u >> function->phantom_lg2) - 1);
	rid_t own = route_rid(function->addr);

	return function->phantom_lg2 && rid >> 3 == own >> 3 && (rid & low) == (own & low);
}

bool route_sends(const struct route_node *node, rid_t rid)
{
	const struct ioas_topology_function *function = &node->function;

	return is_named(function, rid) || has_alias(function, rid) || route_is_phantom(node, rid);
}

static void add_phantoms(struct writer *to, struct ioas_topology_requester requester,
			 const struct ioas_topology_function *function)
{
	unsigned step = 8u >> function->phantom_lg2;
	rid_t own = requester.rid;

	requester.cause = IOAS_CAUSE_PHANTOM;
	for (unsigned number = step; function->phantom_lg2 && number < 8; number += step) {
		requester.rid = (rid_t)(own + number);
		if (!is_named(function, requester.rid) && !has_alias(function, requester.rid))
			add(to, requester);
	}
}

static void add_own(struct writer *to, const struct route_node *node)
{
	const struct ioas_topology_function *function = &node->function;
	struct ioas_topology_requester requester = {
		.segment = function->addr.segment,
		.rid = route_rid(function->addr),
		.cause = IOAS_CAUSE_OWN,
		.at = function->addr,
	};
	rid_t own = requester.rid, function_0 = own & (rid_t)~7;

	add(to, requester);
	if (function->quirks & IOAS_QUIRK_USES_FUNCTION_0 && own != function_0) {
		requester.rid = function_0;
		requester.cause = IOAS_CAUSE_FUNCTION_0;
		add(to, requester);
	}
	if (function->quirks & IOAS_QUIRK_USES_FUNCTION_1 && own != (function_0 | 1)) {
		requester.rid = function_0 | 1;
		requester.cause = IOAS_CAUSE_FUNCTION_1;
		add(to, requester);
	}
	requester.cause = IOAS_CAUSE_ALIAS;
	for (size_t i = 0; i < function->alias_nr; i++) {
		requester.rid = function->alias[i];
		if (!is_named(function, requester.rid))
			add(to, requester);
	}
	requester.rid = own;
	add_phantoms(to, requester, function);
}

size_t route_own_requesters(const struct route_node *node, struct ioas_topology_requester *out,
			    size_t max)
{
	struct writer to = {.out = out, .max = max};

	add_own(&to, node);
	return to.nr;
}

/* Does a bridge without a PCIe capability stand where only one with it can? */
static bool hides_pcie(const struct route_node *bridge)
{
	return bridge->function.type == IOAS_TOPOLOGY_PCI_BRIDGE &&
	       bridge->function.quirks & IOAS_QUIRK_PCIE_BRIDGE && bridge->above &&
	       route_is_pcie(bridge->above) &&
	       bridge->above->function.type != IOAS_TOPOLOGY_PCIE_TO_PCI;
}

bool route_renames(const struct route_node *bridge)
{
	return bridge->function.type == IOAS_TOPOLOGY_PCIE_TO_PCI ||
	       bridge->function.type == IOAS_TOPOLOGY_PCI_TO_PCIE ||
	       bridge->function.type == IOAS_TOPOLOGY_PCI_BRIDGE;
}

struct ioas_topology_requester route_renamed(const struct route_node *bridge)
{
	struct ioas_topology_requester requester = {
		.segment = bridge->function.addr.segment,
		.rid = route_rid(bridge->function.addr),
		.cause = IOAS_CAUSE_PCI_BRIDGE,
		.at = bridge->function.addr,
	};

	if (bridge->function.type == IOAS_TOPOLOGY_PCIE_TO_PCI || hides_pcie(bridge)) {
		requester.rid = (rid_t)(bridge->function.secondary << 8);
		requester.cause = IOAS_CAUSE_PCIE_TO_PCI;
	}
	return requester;
}

bool route_wire_rid(const struct ioas_topology *topology, struct ioas_pci_addr addr, rid_t *out)
{
	const struct route_node *bridge = route_node(topology, addr)->renamer;

	if (!bridge)
		return false;
	while (bridge->renamer)
		bridge = bridge->renamer;
	*out = route_renamed(bridge).rid;
	return true;
}

size_t ioas_topology_requesters(const struct ioas_topology *topology, struct ioas_pci_addr addr,
				struct ioas_topology_requester *out, size_t max)
{
	struct route_node *node = topology->resolved ? route_node(topology, addr) : NULL;
	struct writer to = {.out = out, .max = max};
	uint32_t before = UINT32_MAX;

	if (!node)
		return 0;
	add_own(&to, node);
	for (const struct route_node *bridge = node->renamer; bridge; bridge = bridge->renamer) {
		struct ioas_topology_requester requester = route_renamed(bridge);

		/* A bridge at 00.0 below another takes what that one takes. */
		if (requester.rid != before && !route_sends(node, requester.rid))
			add(&to, requester);
		before = requester.rid;
	}
	return to.nr;
}
