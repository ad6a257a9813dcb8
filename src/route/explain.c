/* SPDX-License-Identifier: MIT */
/* What was worked out, read: by number, by member, by edge, and in words. */
#include <errno.h>
#include <stdio.h>
#include "route/topology.h"

static const struct route_partition *groups(const struct ioas_topology *topology)
{
	return topology->resolved ? &topology->resolved->groups : NULL;
}

static const struct route_partition *shares(const struct ioas_topology *topology)
{
	return topology->resolved ? &topology->resolved->shares : NULL;
}

static uint32_t set_of(const struct ioas_topology *topology,
		       const struct route_partition *partition, struct ioas_pci_addr addr)
{
	const struct route_node *node = partition ? route_node(topology, addr) : NULL;

	return node ? partition->set_of[node->index] : ROUTE_NO_SET;
}

static const struct ioas_topology_function *next_member(const struct ioas_topology *topology,
							const struct route_partition *partition,
							uint32_t set,
							const struct ioas_topology_function *prev)
{
	uint32_t at = prev ? route_node_of(prev)->index : ROUTE_NO_SET;

	if (!partition)
		return NULL;
	at = route_partition_next(partition, set, at);
	return at == ROUTE_NO_SET ? NULL : &topology->resolved->node[at]->function;
}

uint32_t ioas_topology_group_of(const struct ioas_topology *topology, struct ioas_pci_addr addr)
{
	return set_of(topology, groups(topology), addr);
}

uint32_t ioas_topology_share_set_of(const struct ioas_topology *topology, struct ioas_pci_addr addr)
{
	return set_of(topology, shares(topology), addr);
}

uint32_t ioas_topology_group_nr(const struct ioas_topology *topology)
{
	return topology->resolved ? groups(topology)->set_nr : 0;
}

uint32_t ioas_topology_share_set_nr(const struct ioas_topology *topology)
{
	return topology->resolved ? shares(topology)->set_nr : 0;
}

const struct ioas_topology_function *
ioas_topology_group_next(const struct ioas_topology *topology, uint32_t group,
			 const struct ioas_topology_function *prev)
{
	return next_member(topology, groups(topology), group, prev);
}

const struct ioas_topology_function *
ioas_topology_share_set_next(const struct ioas_topology *topology, uint32_t share_set,
			     const struct ioas_topology_function *prev)
{
	return next_member(topology, shares(topology), share_set, prev);
}

size_t ioas_topology_group_edges(const struct ioas_topology *topology, uint32_t group,
				 struct ioas_topology_edge *out, size_t max)
{
	return topology->resolved ? route_partition_edges(groups(topology), group, out, max) : 0;
}

size_t ioas_topology_share_set_edges(const struct ioas_topology *topology, uint32_t share_set,
				     struct ioas_topology_edge *out, size_t max)
{
	return topology->resolved ? route_partition_edges(shares(topology), share_set, out, max)
				  : 0;
}

/* ---- words ---- */

const char *ioas_topology_type_name(enum ioas_topology_type type)
{
	static const char *const names[IOAS_TOPOLOGY_TYPE_NR] = {
		[IOAS_TOPOLOGY_ENDPOINT] = "endpoint",
		[IOAS_TOPOLOGY_LEGACY_ENDPOINT] = "legacy endpoint",
		[IOAS_TOPOLOGY_ROOT_PORT] = "root port",
		[IOAS_TOPOLOGY_UPSTREAM] = "upstream port",
		[IOAS_TOPOLOGY_DOWNSTREAM] = "downstream port",
		[IOAS_TOPOLOGY_PCIE_TO_PCI] = "PCIe-to-PCI bridge",
		[IOAS_TOPOLOGY_PCI_TO_PCIE] = "PCI-to-PCIe bridge",
		[IOAS_TOPOLOGY_RC_ENDPOINT] = "root complex endpoint",
		[IOAS_TOPOLOGY_RC_EVENT_COLLECTOR] = "root complex event collector",
		[IOAS_TOPOLOGY_PCI_FUNCTION] = "PCI function",
		[IOAS_TOPOLOGY_PCI_BRIDGE] = "PCI bridge",
	};

	return (unsigned)type < IOAS_TOPOLOGY_TYPE_NR ? names[type] : "unknown";
}

static const struct {
	uint16_t bit;
	const char *name;
} acs_names[] = {
	{IOAS_ACS_SV, "source validation"},
	{IOAS_ACS_TB, "translation blocking"},
	{IOAS_ACS_RR, "request redirect"},
	{IOAS_ACS_CR, "completion redirect"},
	{IOAS_ACS_UF, "upstream forwarding"},
	{IOAS_ACS_EC, "egress control"},
	{IOAS_ACS_DT, "direct translated peer-to-peer"},
};

#define ACS_TEXT_LEN 160

/* "request redirect, upstream forwarding"; longest: all seven. */
static const char *acs_text(uint16_t bits, char *buf)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(acs_names) / sizeof(acs_names[0]); i++)
		if (bits & acs_names[i].bit)
			used += (size_t)snprintf(buf + used, ACS_TEXT_LEN - used, "%s%s",
						 used ? ", " : "", acs_names[i].name);
	return buf;
}

static const char *type_at(const struct ioas_topology *topology, struct ioas_pci_addr addr)
{
	const struct ioas_topology_function *function = ioas_topology_find(topology, addr);

	return function ? ioas_topology_type_name(function->type) : "function";
}

/* What keeps an ACS feature from being on: there is no capability, or it is switched off. */
static const char *acs_state(const struct ioas_topology *topology, struct ioas_pci_addr addr)
{
	const struct ioas_topology_function *function = ioas_topology_find(topology, addr);

	return function && function->acs ? "has switched off"
					 : "has no ACS capability and so lacks";
}

/* Both ends, and the place: names are short, so the text fits a line. */
struct edge_names {
	char a[IOAS_NAME_LEN], b[IOAS_NAME_LEN], at[IOAS_NAME_LEN];
	char acs[ACS_TEXT_LEN];
};

static int format_device(const struct ioas_topology *topology,
			 const struct ioas_topology_edge *edge, const struct edge_names *names,
			 char *buf, size_t len)
{
	if (!edge->acs_missing)
		return snprintf(buf, len,
				"%s and %s are functions of one device, and as a %s %s cannot keep "
				"to itself",
				names->a, names->b, type_at(topology, edge->at), names->at);
	if (route_addr_same(edge->at, edge->b))
		return snprintf(
			buf, len, "%s and %s are functions of one device, of which %s %s %s",
			names->a, names->b, names->at, acs_state(topology, edge->at), names->acs);
	return snprintf(
		buf, len,
		"%s is below %s, and on the way up %s, one function of several of a device, "
		"%s %s",
		names->b, names->a, names->at, acs_state(topology, edge->at), names->acs);
}

int ioas_topology_edge_format(const struct ioas_topology *topology,
			      const struct ioas_topology_edge *edge, char *buf, size_t len)
{
	struct edge_names names;
	const char *type = type_at(topology, edge->at);

	ioas_pci_addr_format(edge->a, names.a);
	ioas_pci_addr_format(edge->b, names.b);
	ioas_pci_addr_format(edge->at, names.at);
	acs_text(edge->acs_missing, names.acs);
	switch (edge->cause) {
	case IOAS_CAUSE_PCIE_TO_PCI:
		return snprintf(buf, len,
				"%s and %s: the %s %s puts its secondary bus, %02x:00.0, on what "
				"comes from below as the requester ID",
				names.a, names.b, type, names.at, edge->rid >> 8);
	case IOAS_CAUSE_PCI_BRIDGE:
		return snprintf(buf, len,
				"%s and %s: the %s %s puts its own requester ID on what comes from "
				"below",
				names.a, names.b, type, names.at);
	case IOAS_CAUSE_FUNCTION_0:
	case IOAS_CAUSE_FUNCTION_1:
		return snprintf(buf, len, "%s and %s: %s uses the requester ID of function %u, too",
				names.a, names.b, names.at, edge->cause == IOAS_CAUSE_FUNCTION_1);
	case IOAS_CAUSE_ALIAS:
		return snprintf(buf, len,
				"%s and %s: %s is known to use the requester ID %02x:%02x.%x, too",
				names.a, names.b, names.at, edge->rid >> 8, edge->rid >> 3 & 0x1f,
				edge->rid & 7);
	case IOAS_CAUSE_PHANTOM:
		return snprintf(buf, len, "%s and %s: %02x:%02x.%x is a phantom function of %s",
				names.a, names.b, edge->rid >> 8, edge->rid >> 3 & 0x1f,
				edge->rid & 7, names.at);
	case IOAS_CAUSE_NO_ACS_ABOVE:
		return snprintf(buf, len, "%s is below %s, and on the way up the %s %s %s %s",
				names.b, names.a, type, names.at, acs_state(topology, edge->at),
				names.acs);
	case IOAS_CAUSE_MULTIFUNCTION:
		return format_device(topology, edge, &names, buf, len);
	case IOAS_CAUSE_NOT_PCIE:
		return snprintf(buf, len,
				"%s is below %s, and on the way up the %s %s can have no ACS",
				names.b, names.a, type, names.at);
	default:
		return snprintf(buf, len, "%s and %s", names.a, names.b);
	}
}

int ioas_topology_requester_format(const struct ioas_topology_requester *requester, char *buf,
				   size_t len)
{
	char rid[IOAS_NAME_LEN], at[IOAS_NAME_LEN];

	ioas_pci_addr_format(route_addr((uint32_t)requester->segment << 16 | requester->rid), rid);
	ioas_pci_addr_format(requester->at, at);
	switch (requester->cause) {
	case IOAS_CAUSE_OWN:
		return snprintf(buf, len, "%s: its own", rid);
	case IOAS_CAUSE_PCIE_TO_PCI:
		return snprintf(
			buf, len,
			"%s: the secondary bus of %s, a bridge from PCIe to PCI, which puts "
			"it on what comes from below",
			rid, at);
	case IOAS_CAUSE_PCI_BRIDGE:
		return snprintf(buf, len, "%s: the bridge %s puts its own on what comes from below",
				rid, at);
	case IOAS_CAUSE_FUNCTION_0:
	case IOAS_CAUSE_FUNCTION_1:
		return snprintf(buf, len, "%s: %s is known to use that of function %u, too", rid,
				at, requester->cause == IOAS_CAUSE_FUNCTION_1);
	case IOAS_CAUSE_ALIAS:
		return snprintf(buf, len, "%s: %s is known to use it, too", rid, at);
	case IOAS_CAUSE_PHANTOM:
		return snprintf(buf, len, "%s: a phantom function of %s", rid, at);
	default:
		return snprintf(buf, len, "%s", rid);
	}
}
