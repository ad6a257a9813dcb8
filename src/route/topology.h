/* SPDX-License-Identifier: MIT */
/*
 * What the files that implement ioas/topology.h share.
 *
 * Functions hang in a tree by address and bridges in a second one by the bus they lead to; both
 * hold while the topology is being described. Resolving lays the functions out in arrays, and
 * answers come from those:
 *
 *   index   a function's place in order of address
 *   above   the bridge that leads to its bus
 *   renamer the nearest bridge above that puts a requester ID of its own on its TLPs
 *   open    the nearest bridge above that does not isolate: NULL, and the path to the root does
 *
 * Each of the last two is one step from what the bridge above has, so that no function walks to
 * the root, however deep the tree is.
 */
#ifndef ROUTE_TOPOLOGY_H
#define ROUTE_TOPOLOGY_H

#include <ioas/topology.h>
#include "route/partition.h"
#include "util/keys.h"

/* The ACS bits that Linux wants before it takes two functions for isolated. */
#define ROUTE_ACS (IOAS_ACS_SV | IOAS_ACS_RR | IOAS_ACS_CR | IOAS_ACS_UF)

struct route_node {
	struct key_node by_addr; /* first; key: route_key(address) */
	struct key_node by_bus;	 /* of a bridge; key: segment << 8 | secondary */
	bool bus_taken;		 /* another bridge leads to the same bus: not in that tree */
	struct ioas_topology_function function; /* owns its strings and aliases */
	/* Below: of ioas_topology_resolve. */
	uint32_t index;
	struct route_node *above;
	struct route_node *renamer;
	struct route_node *open;
	bool entered; /* of a renamer: share.c has entered what it and those above it do */
};

struct route_resolved {
	struct route_node **node;  /* in order of address */
	struct route_node **order; /* as Linux would find them */
	uint32_t nr;
	struct route_partition groups;
	struct route_partition shares;
};

struct ioas_topology {
	struct tree functions; /* route_node.by_addr */
	struct tree buses;     /* route_node.by_bus */
	uint32_t function_nr;
	struct ioas_topology_iommu *iommu; /* owns its strings and arrays */
	size_t iommu_nr;
	struct route_resolved *resolved; /* NULL: not yet, or changed since */
};

static inline rid_t route_rid(struct ioas_pci_addr addr)
{
	return (rid_t)(addr.bus << 8 | addr.devfn);
}

static inline uint32_t route_key(struct ioas_pci_addr addr)
{
	return (uint32_t)addr.segment << 16 | route_rid(addr);
}

static inline struct ioas_pci_addr route_addr(uint32_t key)
{
	return (struct ioas_pci_addr){
		.segment = (uint16_t)(key >> 16),
		.bus = (uint8_t)(key >> 8),
		.devfn = (uint8_t)key,
	};
}

static inline bool route_addr_same(struct ioas_pci_addr a, struct ioas_pci_addr b)
{
	return route_key(a) == route_key(b);
}

/* The same device, as a slot of one bus has it. */
static inline bool route_same_slot(struct ioas_pci_addr a, struct ioas_pci_addr b)
{
	return route_key(a) >> 3 == route_key(b) >> 3;
}

struct route_node *route_node(const struct ioas_topology *topology, struct ioas_pci_addr addr);
struct route_node *route_node_of(const struct ioas_topology_function *function);
/* The bridge that leads to a bus, or NULL. */
struct route_node *route_bridge_to(const struct ioas_topology *topology, uint16_t segment,
				   uint8_t bus);
/* As ioas_topology_above; NULL, too, for a virtual function without its physical one. */
struct route_node *route_above(const struct ioas_topology *topology, const struct route_node *node);
void route_resolved_free(struct route_resolved *resolved);

/* Has it an IOMMU, and so a place in groups and share sets? */
static inline bool route_counts(const struct route_node *node)
{
	return node->function.iommu != IOAS_TOPOLOGY_NO_IOMMU;
}

/* alias.c: the requester IDs of a function. */

/* Those it sends itself, as ioas_topology_requesters. */
size_t route_own_requesters(const struct route_node *node, struct ioas_topology_requester *out,
			    size_t max);
/* Does it send that one itself? */
bool route_sends(const struct route_node *node, rid_t rid);
/* Is that one a phantom function of it (or itself, where it has some)? */
bool route_is_phantom(const struct route_node *node, rid_t rid);
/* Does a bridge put a requester ID of its own on the TLPs from below? */
bool route_renames(const struct route_node *bridge);
/* The one it puts there. */
struct ioas_topology_requester route_renamed(const struct route_node *bridge);
/*
 * The requester ID that all of a function's TLPs carry where they meet the IOMMU, since the last
 * bridge on the way puts it there. False: there is no such bridge.
 */
bool route_wire_rid(const struct ioas_topology *topology, struct ioas_pci_addr addr, rid_t *out);

/* acs.c: who isolates. */

bool route_is_pcie(const struct route_node *node);
bool route_is_multifunction(const struct route_node *node);
/* Does it keep its neighbours' and its own peer-to-peer requests apart, as Linux judges? */
bool route_isolates(const struct route_node *node);
/* Of one that does not: the ACS bits that it would take, 0: it can have none. */
uint16_t route_acs_missing(const struct route_node *node);
/* Is one ACS feature on? What the capability lacks counts as wired to be on. */
bool route_acs_on(const struct route_node *node, uint16_t bit);
/* Does a PASID come from a function to its IOMMU? A conventional bus carries none. */
bool route_carries_pasids(const struct ioas_topology *topology, struct ioas_pci_addr addr);
/* Do all on the way send requests up to the root? Linux has PASIDs only there. */
bool route_redirects(const struct ioas_topology *topology, struct ioas_pci_addr addr);

/* share.c, group.c: fill resolved->shares, then resolved->groups. 0; -ENOMEM. */
int route_share(struct route_resolved *resolved);
int route_group(struct route_resolved *resolved);

#endif
