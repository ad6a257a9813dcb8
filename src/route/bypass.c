/* SPDX-License-Identifier: MIT */
/*
 * Where a request for a peer turns. It climbs from its sender towards the root; at each step
 * either something there leads it down to its peer, or it goes on. What has climbed past the root
 * port meets the IOMMU.
 */
#include <errno.h>
#include "route/topology.h"

/* Is it on the bus below a bridge, or further down? `node` itself is not below itself. */
static bool is_below(const struct route_node *node, const struct route_node *bridge)
{
	while (node->above && node->above != bridge)
		node = node->above;
	return node->above == bridge;
}

/* The ancestor of `node`, or itself, that is on a bus below `bridge` (NULL: on a root bus). */
static const struct route_node *branch(const struct route_node *node,
				       const struct route_node *bridge)
{
	while (node->above != bridge)
		node = node->above;
	return node;
}

/* A bus on which every request is seen by all: one that is not a link or inside a switch. */
static bool is_shared_bus(const struct route_node *bridge)
{
	return bridge->function.type == IOAS_TOPOLOGY_PCI_BRIDGE ||
	       bridge->function.type == IOAS_TOPOLOGY_PCIE_TO_PCI;
}

static bool is_port(const struct route_node *node)
{
	return node->function.type == IOAS_TOPOLOGY_ROOT_PORT ||
	       node->function.type == IOAS_TOPOLOGY_DOWNSTREAM;
}

/* Is the peer below the root bus that `at` is on, and so of the same root complex? */
static bool same_root(const struct ioas_topology *topology, const struct route_node *at,
		      const struct route_node *peer)
{
	peer = branch(peer, NULL);
	/* A virtual function may have a bus number of its own there. As `at` it turns nothing. */
	if (peer->function.is_virtual)
		peer = route_node(topology, peer->function.physical);
	return route_key(at->function.addr) >> 8 == route_key(peer->function.addr) >> 8;
}

/* Two functions of one device: on a link there is no other, else a slot is one. */
static bool same_device(const struct route_node *a, const struct route_node *b)
{
	return a->above == b->above && ((a->above && is_port(a->above)) ||
					route_same_slot(a->function.addr, b->function.addr));
}

/*
 * `at` is the sender or a bridge it came through, and sends the request up on its own bus, where
 * the peer or a bridge to it is, too: `beside`. Does the request turn at `at`?
 */
static bool turns_beside(const struct route_node *at, const struct route_node *beside)
{
	if (is_port(at))
		return !route_acs_on(at, IOAS_ACS_RR);
	return at != beside && same_device(at, beside) && !at->function.is_virtual &&
	       !beside->function.is_virtual && route_is_multifunction(at) &&
	       !route_acs_on(at, IOAS_ACS_RR);
}

/* Where a request that is at `node` on its way up turns: there, at the bridge above, or NULL. */
static const struct route_node *turn(const struct ioas_topology *topology,
				     const struct route_node *node, const struct route_node *peer)
{
	const struct route_node *above = node->above;

	/* Down the port it comes from: only upstream forwarding sends it up all the same. */
	if (is_port(node) && is_below(peer, node))
		return route_acs_on(node, IOAS_ACS_UF) ? NULL : node;
	if (!above)
		return same_root(topology, node, peer) && turns_beside(node, branch(peer, NULL))
			       ? node
			       : NULL;
	if (peer != above && !is_below(peer, above))
		return NULL;
	if (is_shared_bus(above))
		return above;
	/* The bridge above is the peer: on a link it is asked itself, in the next step. */
	if (peer == above)
		return is_port(node) && !route_acs_on(node, IOAS_ACS_RR) ? node : NULL;
	return turns_beside(node, branch(peer, above)) ? node : NULL;
}

int ioas_topology_bypass(const struct ioas_topology *topology, struct ioas_pci_addr from,
			 struct ioas_pci_addr to, struct ioas_pci_addr *at)
{
	const struct route_node *node = route_node(topology, from);
	const struct route_node *peer = route_node(topology, to);
	const struct route_node *where = NULL;

	if (!topology->resolved || !node || !peer)
		return -ENOENT;
	for (; node && !where; node = node->above)
		where = turn(topology, node, peer);
	if (!where)
		return 0;
	*at = where->function.addr;
	return 1;
}
