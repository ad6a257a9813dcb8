/* SPDX-License-Identifier: MIT */
/* Building topologies in tests, a line a function. */
#ifndef TESTS_ROUTE_TREE_H
#define TESTS_ROUTE_TREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ioas/topology.h>

#define ACS_ALL (IOAS_ACS_SV | IOAS_ACS_RR | IOAS_ACS_CR | IOAS_ACS_UF)

static inline struct ioas_pci_addr at(const char *text)
{
	struct ioas_pci_addr addr;

	assert_int_equal(ioas_pci_addr_parse(text, &addr), 0);
	return addr;
}

/* A topology with one IOMMU. */
static inline struct ioas_topology *tree_new(void)
{
	struct ioas_topology *topology;
	const struct ioas_topology_iommu iommu = {.kind = "soft"};

	assert_int_equal(ioas_topology_new(&topology), 0);
	assert_int_equal(ioas_topology_add_iommu(topology, &iommu, NULL), 0);
	return topology;
}

static inline void tree_add(struct ioas_topology *topology, struct ioas_topology_function function)
{
	struct ioas_why why = {""};

	if (ioas_topology_add(topology, &function, &why))
		fail_msg("%s", why.text);
}

/* A function without anything below. */
static inline void leaf(struct ioas_topology *topology, const char *addr, uint8_t type)
{
	tree_add(topology, (struct ioas_topology_function){.addr = at(addr), .type = type});
}

/* A port or bridge with all ACS bits that isolation takes on (acs), or without the capability. */
static inline void bridge(struct ioas_topology *topology, const char *addr, uint8_t type,
			  uint8_t secondary, uint8_t subordinate, bool acs)
{
	tree_add(topology, (struct ioas_topology_function){
				   .addr = at(addr),
				   .type = type,
				   .secondary = secondary,
				   .subordinate = subordinate,
				   .acs = acs,
				   .acs_cap = acs ? ACS_ALL : 0,
				   .acs_ctrl = acs ? ACS_ALL : 0,
			   });
}

static inline void resolve(struct ioas_topology *topology)
{
	struct ioas_why why = {""};

	if (ioas_topology_resolve(topology, &why))
		fail_msg("%s", why.text);
}

static inline uint32_t group(const struct ioas_topology *topology, const char *addr)
{
	return ioas_topology_group_of(topology, at(addr));
}

static inline uint32_t share(const struct ioas_topology *topology, const char *addr)
{
	return ioas_topology_share_set_of(topology, at(addr));
}

#endif
