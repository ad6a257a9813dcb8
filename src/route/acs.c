/* SPDX-License-Identifier: MIT */
/* Who isolates: the ACS registers, and what Linux 6.12 makes of them for each type of function. */
#include "route/topology.h"

bool route_is_pcie(const struct route_node *node)
{
	return node->function.type != IOAS_TOPOLOGY_PCI_FUNCTION &&
	       node->function.type != IOAS_TOPOLOGY_PCI_BRIDGE;
}

/* Its bus is a link, on which there is only one device: all function numbers are of that (ARI). */
static bool on_link(const struct route_node *node)
{
	return node->above && (node->above->function.type == IOAS_TOPOLOGY_ROOT_PORT ||
			       node->above->function.type == IOAS_TOPOLOGY_DOWNSTREAM);
}

bool route_is_multifunction(const struct route_node *node)
{
	const struct ioas_topology_function *function = &node->function;

	if (function->is_virtual)
		return false;
	return function->multifunction || function->addr.devfn & 7 ||
	       (function->addr.devfn && on_link(node));
}

/* Bits of `bits` that the capability has and the registers do not have on. */
static uint16_t bits_off(const struct route_node *node, uint16_t bits)
{
	const struct ioas_topology_function *function = &node->function;

	return bits & function->acs_cap & ~function->acs_ctrl;
}

bool route_acs_on(const struct route_node *node, uint16_t bit)
{
	const struct ioas_topology_function *function = &node->function;

	if (function->quirks & IOAS_QUIRK_ISOLATED)
		return true;
	return function->acs && !bits_off(node, bit);
}

static bool isolates(const struct route_node *node, uint16_t bits)
{
	if (node->function.quirks & IOAS_QUIRK_ISOLATED)
		return true;
	switch (node->function.type) {
	case IOAS_TOPOLOGY_ROOT_PORT:
	case IOAS_TOPOLOGY_DOWNSTREAM:
		return node->function.acs && !bits_off(node, bits);
	case IOAS_TOPOLOGY_ENDPOINT:
	case IOAS_TOPOLOGY_LEGACY_ENDPOINT:
	case IOAS_TOPOLOGY_UPSTREAM:
	case IOAS_TOPOLOGY_RC_ENDPOINT:
		/* Alone in its device, it has no peer to reach but through the port above. */
		if (!route_is_multifunction(node))
			return true;
		return node->function.acs && !bits_off(node, bits);
	default:
		return false;
	}
}

bool route_isolates(const struct route_node *node)
{
	return isolates(node, ROUTE_ACS);
}

uint16_t route_acs_missing(const struct route_node *node)
{
	switch (node->function.type) {
	case IOAS_TOPOLOGY_ROOT_PORT:
	case IOAS_TOPOLOGY_DOWNSTREAM:
		return node->function.acs ? bits_off(node, ROUTE_ACS) : ROUTE_ACS;
	case IOAS_TOPOLOGY_ENDPOINT:
	case IOAS_TOPOLOGY_LEGACY_ENDPOINT:
	case IOAS_TOPOLOGY_UPSTREAM:
	case IOAS_TOPOLOGY_RC_ENDPOINT:
		/* Source validation and upstream forwarding are for ports with buses below. */
		return node->function.acs ? bits_off(node, ROUTE_ACS) : IOAS_ACS_RR | IOAS_ACS_CR;
	default:
		return 0;
	}
}

/* The next one up on the way to the IOMMU, or NULL: it is there. */
static const struct route_node *next_up(const struct route_node *node)
{
	return node->above && node->above->function.quirks & IOAS_QUIRK_IOMMU_BELOW ? NULL
										    : node->above;
}

bool route_carries_pasids(const struct ioas_topology *topology, struct ioas_pci_addr addr)
{
	const struct route_node *node = route_node(topology, addr);

	while (node && route_is_pcie(node) && !route_renames(node))
		node = next_up(node);
	return !node;
}

bool route_redirects(const struct ioas_topology *topology, struct ioas_pci_addr addr)
{
	const struct route_node *node = route_node(topology, addr);

	while (node && isolates(node, IOAS_ACS_RR | IOAS_ACS_UF))
		node = next_up(node);
	return !node;
}
