/* SPDX-License-Identifier: MIT */
/* A machine described: its IOMMUs and functions, held by address, and read back. */
#include <errno.h>
#include <inttypes.h>
#include "route/topology.h"
#include "util/alloc.h"
#include "util/why.h"

#define ALL_QUIRKS                                                                       \
	(IOAS_QUIRK_USES_FUNCTION_0 | IOAS_QUIRK_USES_FUNCTION_1 | IOAS_QUIRK_ISOLATED | \
	 IOAS_QUIRK_PCIE_BRIDGE | IOAS_QUIRK_IOMMU_BELOW)

int ioas_topology_new(struct ioas_topology **out)
{
	struct ioas_topology *topology = alloc_zero(1, sizeof(*topology));

	if (!topology)
		return -ENOMEM;
	*out = topology;
	return 0;
}

static void iommu_fini(struct ioas_topology_iommu *iommu)
{
	free((char *)iommu->kind);
	free((struct ioas_range *)iommu->reserved);
}

static void node_free(struct route_node *node)
{
	free((rid_t *)node->function.alias);
	free((char *)node->function.model);
	free((char *)node->function.driver);
	free((char *)node->function.name);
	free(node);
}

void ioas_topology_destroy(struct ioas_topology *topology)
{
	struct tree_node *at;

	if (!topology)
		return;
	route_resolved_free(topology->resolved);
	while ((at = topology->functions.root)) {
		tree_remove(&topology->functions, at);
		node_free(tree_entry(at, struct route_node, by_addr.node));
	}
	for (size_t i = 0; i < topology->iommu_nr; i++)
		iommu_fini(&topology->iommu[i]);
	free(topology->iommu);
	free(topology);
}

static void unresolve(struct ioas_topology *topology)
{
	route_resolved_free(topology->resolved);
	topology->resolved = NULL;
}

int ioas_topology_copy(const struct ioas_topology *from, struct ioas_topology **out)
{
	const struct ioas_topology_function *function = NULL;
	struct ioas_topology *copy;
	int rc = ioas_topology_new(&copy);

	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < from->iommu_nr; i++)
		rc = ioas_topology_add_iommu(copy, &from->iommu[i], NULL);
	while (!rc && (function = ioas_topology_next(from, function)))
		rc = ioas_topology_add(copy, function, NULL);
	if (rc) {
		ioas_topology_destroy(copy);
		return rc;
	}
	*out = copy;
	return 0;
}

/* ---- IOMMUs ---- */

static int check_iommu(const struct ioas_topology_iommu *iommu, struct ioas_why *why)
{
	if (!iommu->kind || !*iommu->kind)
		return why_set(why, -EINVAL, "an IOMMU without a kind");
	if (iommu->aw > 64)
		return why_set(why, -EINVAL, "IOMMU %s: an address width of %u bits, at most 64",
			       iommu->kind, iommu->aw);
	if (iommu->pasid_lg2 > IOAS_PASID_BITS)
		return why_set(why, -EINVAL, "IOMMU %s: PASIDs of %u bits, at most %u", iommu->kind,
			       iommu->pasid_lg2, IOAS_PASID_BITS);
	if (iommu->reserved_nr && !iommu->reserved)
		return why_set(why, -EINVAL, "IOMMU %s: reserved ranges are missing", iommu->kind);
	for (size_t i = 0; i < iommu->reserved_nr; i++)
		if (iommu->reserved[i].first > iommu->reserved[i].last)
			return why_set(why, -EINVAL,
				       "IOMMU %s: the reserved range %#" PRIx64 "-%#" PRIx64
				       " ends before it begins",
				       iommu->kind, iommu->reserved[i].first,
				       iommu->reserved[i].last);
	return 0;
}

int ioas_topology_add_iommu(struct ioas_topology *topology, const struct ioas_topology_iommu *iommu,
			    struct ioas_why *why)
{
	struct ioas_topology_iommu copy = *iommu, *all;
	size_t len = iommu->reserved_nr * sizeof(*iommu->reserved);
	struct ioas_range *reserved = NULL;
	int rc = check_iommu(iommu, why);

	if (rc)
		return rc;
	/* An IOMMU is added once in a machine's life: one more at a time will do. */
	all = alloc_resize(topology->iommu, (topology->iommu_nr + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	topology->iommu = all;
	copy.kind = alloc_string(iommu->kind);
	if (len) {
		reserved = alloc_raw(len);
		if (reserved)
			memcpy(reserved, iommu->reserved, len);
	}
	copy.reserved = reserved;
	if (!copy.kind || (len && !reserved)) {
		iommu_fini(&copy);
		return -ENOMEM;
	}
	all[topology->iommu_nr++] = copy;
	unresolve(topology);
	return 0;
}

size_t ioas_topology_iommu_nr(const struct ioas_topology *topology)
{
	return topology->iommu_nr;
}

const struct ioas_topology_iommu *ioas_topology_iommu(const struct ioas_topology *topology,
						      size_t index)
{
	return index < topology->iommu_nr ? &topology->iommu[index] : NULL;
}

/* ---- functions ---- */

static int check_bus(const struct ioas_topology_function *function, const char *name,
		     struct ioas_why *why)
{
	if (!ioas_topology_is_bridge(function)) {
		if (function->secondary || function->subordinate)
			return why_set(why, -EINVAL, "%s: bus numbers below, but it is no bridge",
				       name);
		return 0;
	}
	if (!function->secondary)
		return 0;
	if (function->secondary == function->addr.bus)
		return why_set(why, -EINVAL, "%s: leads to bus %02x, which it is on", name,
			       function->secondary);
	if (function->subordinate < function->secondary)
		return why_set(why, -EINVAL, "%s: buses %02x to %02x below end before they begin",
			       name, function->secondary, function->subordinate);
	return 0;
}

static int check_virtual(const struct ioas_topology_function *function, const char *name,
			 struct ioas_why *why)
{
	if (!function->is_virtual)
		return 0;
	if (function->type != IOAS_TOPOLOGY_ENDPOINT && function->type != IOAS_TOPOLOGY_RC_ENDPOINT)
		return why_set(why, -EINVAL, "%s: a %s is no virtual function", name,
			       ioas_topology_type_name(function->type));
	if (function->physical.segment != function->addr.segment ||
	    route_addr_same(function->physical, function->addr))
		return why_set(why, -EINVAL,
			       "%s: its physical function is another one of the same segment",
			       name);
	return 0;
}

static int check_abilities(const struct ioas_topology_function *function, const char *name,
			   struct ioas_why *why)
{
	unsigned number = function->addr.devfn & 7;

	if (function->quirks & ~(uint32_t)ALL_QUIRKS)
		return why_set(why, -EINVAL, "%s: unknown quirks %#x", name,
			       function->quirks & ~(uint32_t)ALL_QUIRKS);
	if (function->class_code > 0xffffff)
		return why_set(why, -EINVAL, "%s: a class code has 24 bits, not %#x", name,
			       function->class_code);
	if (!function->acs && (function->acs_cap || function->acs_ctrl))
		return why_set(why, -EINVAL, "%s: ACS bits, but no ACS capability", name);
	if (function->acs_ctrl & ~function->acs_cap)
		return why_set(why, -EINVAL, "%s: ACS control bits %#x that its capability lacks",
			       name, function->acs_ctrl & ~function->acs_cap);
	if (function->pasid_lg2 > IOAS_PASID_BITS)
		return why_set(why, -EINVAL, "%s: PASIDs of %u bits, at most %u", name,
			       function->pasid_lg2, IOAS_PASID_BITS);
	if (function->phantom_lg2 > 3)
		return why_set(why, -EINVAL,
			       "%s: a function number has 3 bits, no %u for phantom functions",
			       name, function->phantom_lg2);
	if (function->phantom_lg2 && number >= 8u >> function->phantom_lg2)
		return why_set(why, -EINVAL,
			       "%s: with %u bits for phantom functions its own number is below %u",
			       name, function->phantom_lg2, 8u >> function->phantom_lg2);
	if (function->alias_nr && !function->alias)
		return why_set(why, -EINVAL, "%s: its aliases are missing", name);
	return 0;
}

static int check_function(const struct ioas_topology_function *function, struct ioas_why *why)
{
	char name[IOAS_NAME_LEN];
	int rc;

	ioas_pci_addr_format(function->addr, name);
	if (function->type >= IOAS_TOPOLOGY_TYPE_NR)
		return why_set(why, -EINVAL, "%s: unknown type %u", name, function->type);
	rc = check_bus(function, name, why);
	if (!rc)
		rc = check_virtual(function, name, why);
	if (!rc)
		rc = check_abilities(function, name, why);
	return rc;
}

static int compare_rid(const void *a, const void *b)
{
	return *(const rid_t *)a - *(const rid_t *)b;
}

/* Sorted, each once. */
static int copy_aliases(struct ioas_topology_function *function)
{
	size_t nr = 0;
	rid_t *alias;

	if (!function->alias_nr) {
		function->alias = NULL;
		return 0;
	}
	alias = alloc_raw(function->alias_nr * sizeof(*alias));
	if (!alias) {
		function->alias = NULL;
		return -ENOMEM;
	}
	memcpy(alias, function->alias, function->alias_nr * sizeof(*alias));
	qsort(alias, function->alias_nr, sizeof(*alias), compare_rid);
	for (size_t i = 0; i < function->alias_nr; i++)
		if (!i || alias[i] != alias[nr - 1])
			alias[nr++] = alias[i];
	function->alias = alias;
	function->alias_nr = nr;
	return 0;
}

static struct route_node *node_new(const struct ioas_topology_function *function)
{
	struct route_node *node = alloc_zero(1, sizeof(*node));
	struct ioas_topology_function *own;

	if (!node)
		return NULL;
	own = &node->function;
	*own = *function;
	own->model = alloc_string(function->model ? function->model : "");
	own->driver = alloc_string(function->driver ? function->driver : "");
	own->name = alloc_string(function->name ? function->name : "");
	if (copy_aliases(own) || !own->model || !own->driver || !own->name) {
		node_free(node);
		return NULL;
	}
	return node;
}

int ioas_topology_add(struct ioas_topology *topology, const struct ioas_topology_function *function,
		      struct ioas_why *why)
{
	char name[IOAS_NAME_LEN];
	struct route_node *node;
	int rc = check_function(function, why);

	if (rc)
		return rc;
	if (route_node(topology, function->addr))
		return why_set(why, -EEXIST, "%s: there is a function at this address already",
			       ioas_pci_addr_format(function->addr, name));
	node = node_new(function);
	if (!node)
		return -ENOMEM;
	node->by_addr.key = route_key(function->addr);
	keys_insert(&topology->functions, &node->by_addr);
	topology->function_nr++;
	if (function->secondary) {
		node->by_bus.key = (uint64_t)function->addr.segment << 8 | function->secondary;
		node->bus_taken = keys_insert(&topology->buses, &node->by_bus);
	}
	unresolve(topology);
	return 0;
}

int ioas_topology_set_acs(struct ioas_topology *topology, struct ioas_pci_addr addr, uint16_t ctrl,
			  struct ioas_why *why)
{
	struct route_node *node = route_node(topology, addr);
	struct ioas_topology_function *function = node ? &node->function : NULL;
	char name[IOAS_NAME_LEN];

	ioas_pci_addr_format(addr, name);
	if (!node)
		return why_set(why, -ENOENT, "%s: there is no such function", name);
	if (ctrl && !function->acs)
		return why_set(why, -EINVAL, "%s: has no ACS capability", name);
	if (ctrl & ~function->acs_cap)
		return why_set(why, -EINVAL, "%s: its ACS capability lacks the bits %#x", name,
			       ctrl & ~function->acs_cap);
	function->acs_ctrl = ctrl;
	unresolve(topology);
	return 0;
}

struct route_node *route_node(const struct ioas_topology *topology, struct ioas_pci_addr addr)
{
	struct key_node *key = keys_find(&topology->functions, route_key(addr));

	return key ? tree_entry(key, struct route_node, by_addr) : NULL;
}

struct route_node *route_node_of(const struct ioas_topology_function *function)
{
	return tree_entry(function, struct route_node, function);
}

struct route_node *route_bridge_to(const struct ioas_topology *topology, uint16_t segment,
				   uint8_t bus)
{
	struct key_node *key = keys_find(&topology->buses, (uint64_t)segment << 8 | bus);

	return key ? tree_entry(key, struct route_node, by_bus) : NULL;
}

struct route_node *route_above(const struct ioas_topology *topology, const struct route_node *node)
{
	const struct ioas_topology_function *function = &node->function;
	struct route_node *above =
		route_bridge_to(topology, function->addr.segment, function->addr.bus);

	if (above || !function->is_virtual)
		return above;
	return route_bridge_to(topology, function->physical.segment, function->physical.bus);
}

const struct ioas_topology_function *ioas_topology_find(const struct ioas_topology *topology,
							struct ioas_pci_addr addr)
{
	struct route_node *node = route_node(topology, addr);

	return node ? &node->function : NULL;
}

const struct ioas_topology_function *ioas_topology_next(const struct ioas_topology *topology,
							const struct ioas_topology_function *prev)
{
	struct tree_node *at = prev ? tree_step(&route_node_of(prev)->by_addr.node, 1)
				    : tree_end(&topology->functions, 0);

	return at ? &tree_entry(at, struct route_node, by_addr.node)->function : NULL;
}

const struct ioas_topology_function *ioas_topology_above(const struct ioas_topology *topology,
							 struct ioas_pci_addr addr)
{
	struct route_node *node = route_node(topology, addr);
	struct route_node *above = node ? route_above(topology, node) : NULL;

	return above ? &above->function : NULL;
}

bool ioas_topology_is_bridge(const struct ioas_topology_function *function)
{
	switch (function->type) {
	case IOAS_TOPOLOGY_ROOT_PORT:
	case IOAS_TOPOLOGY_UPSTREAM:
	case IOAS_TOPOLOGY_DOWNSTREAM:
	case IOAS_TOPOLOGY_PCIE_TO_PCI:
	case IOAS_TOPOLOGY_PCI_TO_PCIE:
	case IOAS_TOPOLOGY_PCI_BRIDGE:
		return true;
	default:
		return false;
	}
}
