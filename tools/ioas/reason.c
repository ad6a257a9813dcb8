/* SPDX-License-Identifier: MIT */
/* Why functions belong together, in sentences. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "outline.h"
#include "reason.h"
#include "words.h"

#define FUNCTION_LEN 64

/* ---- gathering ---- */

static int compare(const void *a, const void *b)
{
	const struct ioas_topology_edge *x = a, *y = b;

	if (addr_key(x->at) != addr_key(y->at))
		return addr_key(x->at) < addr_key(y->at) ? -1 : 1;
	if (x->cause != y->cause)
		return x->cause < y->cause ? -1 : 1;
	if (x->acs_missing != y->acs_missing)
		return x->acs_missing < y->acs_missing ? -1 : 1;
	if (x->rid != y->rid)
		return x->rid < y->rid ? -1 : 1;
	return 0;
}

typedef size_t edges_fn(const struct ioas_topology *topology, uint32_t nr,
			struct ioas_topology_edge *out, size_t max);

static int gather(const struct ioas_topology *topology, edges_fn *edges_of, uint32_t index,
		  struct reasons *out)
{
	size_t nr = edges_of(topology, index, NULL, 0);
	struct ioas_topology_edge *edges = calloc(nr + 1, sizeof(*edges));

	*out = (struct reasons){.items = calloc(nr + 1, sizeof(*out->items))};
	if (!edges || !out->items) {
		free(edges);
		reasons_free(out);
		return -ENOMEM;
	}
	nr = edges_of(topology, index, edges, nr);
	qsort(edges, nr, sizeof(*edges), compare);
	for (size_t i = 0; i < nr; i++) {
		if (!out->nr || compare(&out->items[out->nr - 1].edge, &edges[i]))
			out->items[out->nr++].edge = edges[i];
		out->items[out->nr - 1].edge_nr++;
	}
	free(edges);
	return 0;
}

int reasons_of_group(const struct ioas_topology *topology, uint32_t group, struct reasons *out)
{
	return gather(topology, ioas_topology_group_edges, group, out);
}

int reasons_of_share_set(const struct ioas_topology *topology, uint32_t share_set,
			 struct reasons *out)
{
	return gather(topology, ioas_topology_share_set_edges, share_set, out);
}

void reasons_free(struct reasons *reasons)
{
	free(reasons->items);
	*reasons = (struct reasons){0};
}

/* ---- telling ---- */

char *function_text(const struct ioas_topology *topology, struct ioas_pci_addr addr, char *buf,
		    size_t len)
{
	const struct ioas_topology_function *function = ioas_topology_find(topology, addr);
	char name[IOAS_NAME_LEN];

	snprintf(buf, len, "%s (%s)", ioas_pci_addr_format(addr, name),
		 !function		? "nothing there"
		 : function->is_virtual ? "virtual function"
					: ioas_topology_type_name(function->type));
	return buf;
}

char *acs_text(const struct ioas_topology_function *function, char *buf, size_t len)
{
	if (!function->acs || !function->acs_ctrl)
		snprintf(buf, len, "%s", function->acs ? "off" : "-");
	else
		words_join(acs_words, function->acs_ctrl, " ", buf, len);
	return buf;
}

static char *rid_text(rid_t rid, char *buf)
{
	snprintf(buf, IOAS_NAME_LEN, "%02x:%02x.%x", rid >> 8, rid >> 3 & 31, rid & 7);
	return buf;
}

/* "its ACS bits rr, cr are off", "it has no ACS", "its ACS lacks the bits uf". */
static void acs_state(const struct ioas_topology *topology, const struct ioas_topology_edge *edge,
		      char *buf, size_t len)
{
	const struct ioas_topology_function *at = ioas_topology_find(topology, edge->at);
	char bits[WORDS_LEN];

	if (!edge->acs_missing)
		snprintf(buf, len, "its kind cannot have ACS");
	else if (!at || !at->acs)
		snprintf(buf, len, "it has no ACS capability");
	else if (edge->acs_missing & ~at->acs_cap)
		snprintf(buf, len, "its ACS capability lacks %s",
			 words_join(acs_words, edge->acs_missing & ~at->acs_cap, ", ", bits,
				    sizeof(bits)));
	else
		snprintf(buf, len, "its ACS bits %s are off",
			 words_join(acs_words, edge->acs_missing, ", ", bits, sizeof(bits)));
}

char *reason_text(const struct ioas_topology *topology, const struct reason *reason, char *buf,
		  size_t len)
{
	const struct ioas_topology_edge *edge = &reason->edge;
	char at[FUNCTION_LEN], acs[WORDS_LEN + 64], rid[IOAS_NAME_LEN];

	function_text(topology, edge->at, at, sizeof(at));
	rid_text(edge->rid, rid);
	acs_state(topology, edge, acs, sizeof(acs));
	switch (edge->cause) {
	case IOAS_CAUSE_NO_ACS_ABOVE:
		snprintf(buf, len, "requests can turn at %s before they meet the IOMMU: %s", at,
			 acs);
		break;
	case IOAS_CAUSE_MULTIFUNCTION:
		snprintf(buf, len, "functions of one device can reach one another through %s: %s",
			 at, acs);
		break;
	case IOAS_CAUSE_NOT_PCIE:
		snprintf(buf, len, "below %s is a conventional PCI bus, which parts nothing", at);
		break;
	case IOAS_CAUSE_PCIE_TO_PCI:
		snprintf(buf, len, "%s sends all that comes from below with one requester ID, %s",
			 at, rid);
		break;
	case IOAS_CAUSE_PCI_BRIDGE:
		snprintf(buf, len,
			 "%s sends all that comes from below with its own requester ID, %s", at,
			 rid);
		break;
	case IOAS_CAUSE_FUNCTION_0:
	case IOAS_CAUSE_FUNCTION_1:
		snprintf(buf, len,
			 "%s is known to send with requester ID %s, which is function "
			 "%u's, too",
			 at, rid, edge->cause == IOAS_CAUSE_FUNCTION_1);
		break;
	case IOAS_CAUSE_ALIAS:
		snprintf(buf, len, "%s is known to send with requester ID %s, too", at, rid);
		break;
	case IOAS_CAUSE_PHANTOM:
		snprintf(buf, len, "%s uses requester ID %s for a phantom function", at, rid);
		break;
	default:
		ioas_topology_edge_format(topology, edge, buf, len);
	}
	return buf;
}

bool reason_has_switch(const struct ioas_topology *topology, const struct reason *reason)
{
	const struct ioas_topology_edge *edge = &reason->edge;
	const struct ioas_topology_function *at = ioas_topology_find(topology, edge->at);

	if (edge->cause != IOAS_CAUSE_NO_ACS_ABOVE && edge->cause != IOAS_CAUSE_MULTIFUNCTION)
		return false;
	return at && at->acs && edge->acs_missing && !(edge->acs_missing & ~at->acs_cap);
}

char *reason_remedy(const struct ioas_topology *topology, const struct reason *reason, char *buf,
		    size_t len)
{
	const struct ioas_topology_edge *edge = &reason->edge;
	char at[IOAS_NAME_LEN], bits[WORDS_LEN];

	ioas_pci_addr_format(edge->at, at);
	words_join(acs_words, edge->acs_missing, ", ", bits, sizeof(bits));
	if (reason_has_switch(topology, reason)) {
		snprintf(buf, len,
			 "turn on ACS %s at %s: it can do that (Linux does at boot, when "
			 "the IOMMU is on; firmware or a kernel option turned it off)",
			 bits, at);
		return buf;
	}
	switch (edge->cause) {
	case IOAS_CAUSE_NO_ACS_ABOVE:
		snprintf(buf, len,
			 "no setting changes that; another slot may, one whose port has "
			 "ACS");
		break;
	case IOAS_CAUSE_MULTIFUNCTION:
		snprintf(buf, len,
			 "no setting changes that: they are one device, to be given away "
			 "together");
		break;
	case IOAS_CAUSE_NOT_PCIE:
	case IOAS_CAUSE_PCIE_TO_PCI:
	case IOAS_CAUSE_PCI_BRIDGE:
		snprintf(buf, len,
			 "no setting changes that: all below %s is to be given away "
			 "together; a PCI Express slot would help",
			 at);
		break;
	default:
		snprintf(buf, len, "no setting changes that: the device itself sends so");
	}
	return buf;
}

char *requester_text(const struct ioas_topology *topology,
		     const struct ioas_topology_requester *requester, char *buf, size_t len)
{
	char at[FUNCTION_LEN];

	function_text(topology, requester->at, at, sizeof(at));
	switch (requester->cause) {
	case IOAS_CAUSE_OWN:
		snprintf(buf, len, "its own");
		break;
	case IOAS_CAUSE_PCIE_TO_PCI:
		snprintf(buf, len, "put on the wire by %s: its secondary bus, device 0", at);
		break;
	case IOAS_CAUSE_PCI_BRIDGE:
		snprintf(buf, len, "put on the wire by %s: the bridge's own", at);
		break;
	case IOAS_CAUSE_FUNCTION_0:
	case IOAS_CAUSE_FUNCTION_1:
		snprintf(buf, len, "quirk: it uses the one of function %u",
			 requester->cause == IOAS_CAUSE_FUNCTION_1);
		break;
	case IOAS_CAUSE_ALIAS:
		snprintf(buf, len, "quirk: a further one that it is known to use");
		break;
	case IOAS_CAUSE_PHANTOM:
		snprintf(buf, len, "a phantom function of its own");
		break;
	default:
		ioas_topology_requester_format(requester, buf, len);
	}
	return buf;
}
