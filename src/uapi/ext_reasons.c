/* SPDX-License-Identifier: MIT */
/* Which requester IDs a device's TLPs carry, and what holds its share set and its group together.
 */
#include <errno.h>
#include <stdlib.h>
#include "uapi/ext.h"
#include "uapi/handlers.h"
#include "util/alloc.h"

/* Longer than any reason of ioas_topology_edge_format. */
#define LINE_LEN 512

_Static_assert((int)IOAS_GET_OWN == (int)IOAS_CAUSE_OWN &&
		       (int)IOAS_GET_PCIE_TO_PCI == (int)IOAS_CAUSE_PCIE_TO_PCI &&
		       (int)IOAS_GET_PCI_BRIDGE == (int)IOAS_CAUSE_PCI_BRIDGE &&
		       (int)IOAS_GET_FUNCTION_0 == (int)IOAS_CAUSE_FUNCTION_0 &&
		       (int)IOAS_GET_FUNCTION_1 == (int)IOAS_CAUSE_FUNCTION_1 &&
		       (int)IOAS_GET_ALIAS == (int)IOAS_CAUSE_ALIAS &&
		       (int)IOAS_GET_PHANTOM == (int)IOAS_CAUSE_PHANTOM &&
		       (int)IOAS_GET_NO_ACS_ABOVE == (int)IOAS_CAUSE_NO_ACS_ABOVE &&
		       (int)IOAS_GET_MULTIFUNCTION == (int)IOAS_CAUSE_MULTIFUNCTION &&
		       (int)IOAS_GET_NOT_PCIE == (int)IOAS_CAUSE_NOT_PCIE &&
		       (int)IOAS_GET_NOT_PCIE + 1 == (int)IOAS_CAUSE_NR,
	       "the ABI's causes are the topology's");

static int gather_requesters(const struct ext_device *device, struct ext_list *list)
{
	struct ioas_pci_addr addr = ioas_pci_address(device->pci);
	size_t nr = ioas_topology_requesters(device->topology, addr, NULL, 0);
	struct ioas_topology_requester *found = alloc_zero(nr + 1, sizeof(*found));
	int rc = found ? 0 : -ENOMEM;

	if (found)
		nr = ioas_topology_requesters(device->topology, addr, found, nr);
	for (size_t i = 0; !rc && i < nr; i++) {
		struct ioas_get_requester entry = {
			.requester = (uint32_t)found[i].segment << 16 | found[i].rid,
			.cause = found[i].cause,
			.at = ext_address(found[i].at),
		};
		char line[LINE_LEN];

		ioas_topology_requester_format(&found[i], line, sizeof(line));
		rc = ext_list_add(list, &entry, line);
	}
	free(found);
	return rc;
}

long ioas_get_requesters(struct uapi_call *call)
{
	return ext_list_call(call, sizeof(struct ioas_get_requester), gather_requesters);
}

static int add_edge(const struct ext_device *device, struct ext_list *list, bool share_set,
		    const struct ioas_topology_edge *edge)
{
	struct ioas_get_reason entry = {
		.a = ext_address(edge->a),
		.b = ext_address(edge->b),
		.at = ext_address(edge->at),
		.cause = edge->cause,
		.flags = share_set ? IOAS_REASON_SHARE_SET : 0,
		.acs_missing = edge->acs_missing,
		.requester = share_set ? (uint32_t)edge->a.segment << 16 | edge->rid : 0,
	};
	char line[LINE_LEN];

	ioas_topology_edge_format(device->topology, edge, line, sizeof(line));
	return ext_list_add(list, &entry, line);
}

typedef size_t edges_fn(const struct ioas_topology *topology, uint32_t number,
			struct ioas_topology_edge *out, size_t max);

static int add_edges(const struct ext_device *device, struct ext_list *list, bool share_set,
		     uint32_t number)
{
	edges_fn *get = share_set ? ioas_topology_share_set_edges : ioas_topology_group_edges;
	size_t nr = get(device->topology, number, NULL, 0);
	struct ioas_topology_edge *edges = alloc_zero(nr + 1, sizeof(*edges));
	int rc = edges ? 0 : -ENOMEM;

	if (edges)
		nr = get(device->topology, number, edges, nr);
	for (size_t i = 0; !rc && i < nr; i++)
		rc = add_edge(device, list, share_set, &edges[i]);
	free(edges);
	return rc;
}

static int gather_reasons(const struct ext_device *device, struct ext_list *list)
{
	struct ioas_pci_addr addr = ioas_pci_address(device->pci);
	int rc = add_edges(device, list, true, ioas_topology_share_set_of(device->topology, addr));

	return rc ? rc
		  : add_edges(device, list, false, ioas_topology_group_of(device->topology, addr));
}

long ioas_get_reasons(struct uapi_call *call)
{
	return ext_list_call(call, sizeof(struct ioas_get_reason), gather_reasons);
}
