/* SPDX-License-Identifier: MIT */
/* Random machines: buses of every kind, functions of every type, quirks; the same for a seed. */
#ifndef TESTS_UNIT_ROUTE_RANDOM_TREE_H
#define TESTS_UNIT_ROUTE_RANDOM_TREE_H

#include "tests/unit/route/tree.h"

#define MAX 300

enum bus_kind { ROOT_BUS, LINK, INSIDE_SWITCH, CONVENTIONAL };

struct maker {
	struct ioas_topology *topology;
	uint32_t state;
	unsigned nr;
	unsigned next_bus;
	bool ghosts; /* aliases that lead nowhere, functions without an IOMMU, phantom functions */
};

static uint32_t dice(struct maker *m, uint32_t sides)
{
	m->state = m->state * 1664525 + 1013904223;
	return (m->state >> 8) % sides;
}

static void make_bus(struct maker *m, uint8_t bus, enum bus_kind kind, unsigned depth);

static enum bus_kind kind_below(uint8_t type)
{
	switch (type) {
	case IOAS_TOPOLOGY_UPSTREAM:
		return INSIDE_SWITCH;
	case IOAS_TOPOLOGY_PCI_BRIDGE:
	case IOAS_TOPOLOGY_PCIE_TO_PCI:
		return CONVENTIONAL;
	default:
		return LINK;
	}
}

static uint8_t pick_type(struct maker *m, enum bus_kind kind)
{
	static const uint8_t root[] = {
		IOAS_TOPOLOGY_ROOT_PORT,    IOAS_TOPOLOGY_ROOT_PORT,
		IOAS_TOPOLOGY_RC_ENDPOINT,  IOAS_TOPOLOGY_RC_EVENT_COLLECTOR,
		IOAS_TOPOLOGY_PCI_FUNCTION, IOAS_TOPOLOGY_PCI_BRIDGE,
		IOAS_TOPOLOGY_ENDPOINT,	    IOAS_TOPOLOGY_PCIE_TO_PCI,
	};
	static const uint8_t link[] = {
		IOAS_TOPOLOGY_ENDPOINT,	   IOAS_TOPOLOGY_ENDPOINT, IOAS_TOPOLOGY_LEGACY_ENDPOINT,
		IOAS_TOPOLOGY_PCIE_TO_PCI, IOAS_TOPOLOGY_UPSTREAM, IOAS_TOPOLOGY_PCI_BRIDGE,
	};
	static const uint8_t conventional[] = {
		IOAS_TOPOLOGY_PCI_FUNCTION, IOAS_TOPOLOGY_PCI_FUNCTION, IOAS_TOPOLOGY_PCI_BRIDGE,
		IOAS_TOPOLOGY_PCI_TO_PCIE,  IOAS_TOPOLOGY_ENDPOINT,
	};

	switch (kind) {
	case ROOT_BUS:
		return root[dice(m, sizeof(root))];
	case LINK:
		return link[dice(m, sizeof(link))];
	case INSIDE_SWITCH:
		return dice(m, 8) ? IOAS_TOPOLOGY_DOWNSTREAM : IOAS_TOPOLOGY_ENDPOINT;
	default:
		return conventional[dice(m, sizeof(conventional))];
	}
}

static void pick_acs(struct maker *m, struct ioas_topology_function *function)
{
	function->acs = dice(m, 4);
	if (!function->acs)
		return;
	function->acs_cap = dice(m, 3) ? ACS_ALL : (uint16_t)dice(m, 128);
	function->acs_ctrl = function->acs_cap;
	if (!dice(m, 4))
		function->acs_ctrl &= (uint16_t)dice(m, 128);
}

static void pick_quirks(struct maker *m, struct ioas_topology_function *function, rid_t *alias)
{
	unsigned nr = dice(m, 6) ? 0 : 1 + dice(m, 3);

	if (!dice(m, 12))
		function->quirks |= IOAS_QUIRK_ISOLATED;
	if (!dice(m, 8))
		function->quirks |= IOAS_QUIRK_PCIE_BRIDGE;
	if (!dice(m, 20))
		function->quirks |= IOAS_QUIRK_IOMMU_BELOW;
	if (!dice(m, 8))
		function->quirks |= IOAS_QUIRK_USES_FUNCTION_0;
	if (m->ghosts && !dice(m, 8))
		function->quirks |= IOAS_QUIRK_USES_FUNCTION_1;
	if (m->ghosts && !dice(m, 6) && (function->addr.devfn & 7) == 0)
		function->phantom_lg2 = (uint8_t)dice(m, 3);
	for (unsigned i = 0; i < nr; i++) {
		struct ioas_pci_addr other = function->addr;
		const struct ioas_topology_function *there;

		other.devfn = (uint8_t)dice(m, 40);
		there = ioas_topology_find(m->topology, other);
		if (m->ghosts || (there && !there->is_virtual))
			alias[function->alias_nr++] = (rid_t)(other.bus << 8 | other.devfn);
	}
	if (m->ghosts && !dice(m, 20))
		alias[function->alias_nr++] = (rid_t)dice(m, 0x1000);
	function->alias = alias;
}

static void make_virtual(struct maker *m, const struct ioas_topology_function *physical)
{
	struct ioas_topology_function vf = {
		.addr = physical->addr,
		.is_virtual = true,
		.physical = physical->addr,
		.quirks = dice(m, 20) ? 0 : IOAS_QUIRK_ISOLATED,
	};
	unsigned nr = 1 + dice(m, 3);

	pick_acs(m, &vf);
	if (dice(m, 2))
		vf.addr.bus = (uint8_t)m->next_bus++;
	vf.addr.devfn = (uint8_t)(128 + dice(m, 100));
	for (unsigned i = 0; i < nr; i++, vf.addr.devfn += 2)
		if (!ioas_topology_find(m->topology, vf.addr) && m->nr < MAX) {
			tree_add(m->topology, vf);
			m->nr++;
		}
}

static void make_function(struct maker *m, struct ioas_pci_addr addr, enum bus_kind kind,
			  unsigned depth, bool multifunction)
{
	struct ioas_topology_function function = {.addr = addr, .multifunction = multifunction};
	rid_t alias[8];

	if (m->nr >= MAX || m->next_bus > 240)
		return;
	m->nr++;
	function.type = pick_type(m, kind);
	pick_acs(m, &function);
	pick_quirks(m, &function, alias);
	if (m->ghosts && !dice(m, 10))
		function.iommu = IOAS_TOPOLOGY_NO_IOMMU;
	if (ioas_topology_is_bridge(&function)) {
		function.phantom_lg2 = 0;
		if (dice(m, 10) && depth < 6) {
			function.secondary = (uint8_t)m->next_bus++;
			make_bus(m, function.secondary, kind_below(function.type), depth + 1);
			function.subordinate = (uint8_t)(m->next_bus - 1);
		}
	}
	tree_add(m->topology, function);
	if (!ioas_topology_is_bridge(&function) && !dice(m, 6))
		make_virtual(m, &function);
}

static void make_bus(struct maker *m, uint8_t bus, enum bus_kind kind, unsigned depth)
{
	static const unsigned slots[] = {
		[ROOT_BUS] = 6, [LINK] = 1, [INSIDE_SWITCH] = 4, [CONVENTIONAL] = 4};
	unsigned nr = 1 + dice(m, slots[kind]);

	for (unsigned slot = 0; slot < nr; slot++) {
		bool multifunction = !dice(m, 3);
		unsigned numbers = kind == LINK && !dice(m, 3) ? 16 : 8;

		for (unsigned i = 0; i < numbers; i++) {
			struct ioas_pci_addr addr = {.bus = bus, .devfn = (uint8_t)(slot << 3 | i)};

			if (i == 0 || (multifunction && !dice(m, 3)))
				make_function(m, addr, kind, depth,
					      multifunction && (i == 0 || dice(m, 2)));
		}
	}
}

static struct ioas_topology *make(uint32_t seed, bool ghosts)
{
	struct maker m = {.topology = tree_new(), .state = seed, .ghosts = ghosts};

	for (unsigned roots = 1 + dice(&m, 3); roots > 0; roots--) {
		unsigned bus = m.next_bus++;

		make_bus(&m, (uint8_t)bus, ROOT_BUS, 0);
	}
	return m.topology;
}

#endif
