/* SPDX-License-Identifier: MIT */
/*
 * Groups: functions that cannot be isolated from one another.
 *
 * Linux looks for a group of each function as it finds it: at bridges that rename its TLPs, up to
 * where all ports isolate, at functions that use its requester ID, and at the other functions of
 * its device. Each of these is a relation of two functions that does not depend on the order, and a
 * group is what they connect; so here they are edges. An edge leads up to a bridge, never past it:
 * the bridge has its own edge further up.
 */
#include <errno.h>
#include "route/topology.h"

static int join(struct route_resolved *resolved, const struct route_node *a,
		const struct route_node *b, struct ioas_topology_edge edge)
{
	edge.a = a->function.addr;
	edge.b = b->function.addr;
	return route_partition_join(&resolved->groups, a->index, b->index, &edge);
}

static int join_renamer(struct route_resolved *resolved, const struct route_node *node)
{
	struct ioas_topology_requester requester;

	if (!node->renamer || !route_counts(node->renamer))
		return 0;
	requester = route_renamed(node->renamer);
	return join(resolved, node->renamer, node,
		    (struct ioas_topology_edge){
			    .at = requester.at,
			    .cause = requester.cause,
			    .rid = requester.rid,
		    });
}

/* Something on the way to the root does not isolate: what is below goes with the bridge above it.
 */
static int join_above(struct route_resolved *resolved, const struct route_node *node)
{
	const struct route_node *open = node->open;
	struct ioas_topology_edge edge = {0};

	if (!open || !route_counts(node->above))
		return 0;
	/* Said already, by what it puts on the wire. */
	if (open == node->renamer && open == node->above)
		return 0;
	edge.at = open->function.addr;
	edge.acs_missing = route_acs_missing(open);
	if (edge.acs_missing)
		edge.cause = open->function.type == IOAS_TOPOLOGY_UPSTREAM
				     ? IOAS_CAUSE_MULTIFUNCTION
				     : IOAS_CAUSE_NO_ACS_ABOVE;
	else
		edge.cause = IOAS_CAUSE_NOT_PCIE;
	return join(resolved, node->above, node, edge);
}

/* The functions of one device from `first` on that do not isolate. Returns the one after the
 * device. */
static int join_device(struct route_resolved *resolved, uint32_t first, uint32_t *after)
{
	const struct route_node *anchor = NULL;
	uint32_t i;
	int rc = 0;

	for (i = first; !rc && i < resolved->nr; i++) {
		const struct route_node *node = resolved->node[i];
		struct ioas_topology_edge edge = {
			.at = node->function.addr,
			.cause = IOAS_CAUSE_MULTIFUNCTION,
			.acs_missing = route_acs_missing(node),
		};

		if (!route_same_slot(node->function.addr, resolved->node[first]->function.addr))
			break;
		if (!route_counts(node) || route_isolates(node))
			continue;
		if (anchor)
			rc = join(resolved, anchor, node, edge);
		else
			anchor = node;
	}
	*after = i;
	return rc;
}

/* A requester ID in common is never in two groups. What bridges rename is in edges to them. */
static int join_shares(struct route_resolved *resolved)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < resolved->shares.link_nr; i++) {
		const struct ioas_topology_edge *edge = &resolved->shares.link[i].edge;
		uint32_t a = resolved->shares.link[i].thing;
		uint32_t b = resolved->shares.link[i].other;

		if (edge->cause != IOAS_CAUSE_PCIE_TO_PCI && edge->cause != IOAS_CAUSE_PCI_BRIDGE)
			rc = route_partition_join(&resolved->groups, a, b, edge);
		else if (!route_partition_same(&resolved->groups, a, b))
			rc = route_partition_join(&resolved->groups, a, b, edge);
	}
	return rc;
}

int route_group(struct route_resolved *resolved)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < resolved->nr; i++) {
		const struct route_node *node = resolved->node[i];

		if (!route_counts(node))
			continue;
		rc = join_renamer(resolved, node);
		if (!rc)
			rc = join_above(resolved, node);
	}
	for (uint32_t i = 0; !rc && i < resolved->nr;)
		rc = join_device(resolved, i, &i);
	return rc ? rc : join_shares(resolved);
}
