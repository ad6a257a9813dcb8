/* SPDX-License-Identifier: MIT */
/* Description: each cause of a requester ID and of an edge, in words, and cut to any length. */
#include <stdio.h>
#include "tests/unit/route/tree.h"

#define RID 0x0509

static struct ioas_topology *two_bridges(void)
{
	struct ioas_topology *t = tree_new();

	bridge(t, "00:01.0", IOAS_TOPOLOGY_PCIE_TO_PCI, 1, 1, false);
	bridge(t, "00:02.0", IOAS_TOPOLOGY_ROOT_PORT, 2, 2, true);
	return t;
}

static void requester_ids_are_explained(void **arg)
{
	static const struct {
		enum ioas_topology_cause cause;
		const char *text;
	} cases[] = {
		{IOAS_CAUSE_OWN, "0001:05:01.1: its own"},
		{IOAS_CAUSE_PCIE_TO_PCI,
		 "0001:05:01.1: the secondary bus of 0001:00:02.0, a bridge from PCIe to PCI, "
		 "which puts it on what comes from below"},
		{IOAS_CAUSE_PCI_BRIDGE,
		 "0001:05:01.1: the bridge 0001:00:02.0 puts its own on what comes from below"},
		{IOAS_CAUSE_FUNCTION_0,
		 "0001:05:01.1: 0001:00:02.0 is known to use that of function 0, too"},
		{IOAS_CAUSE_FUNCTION_1,
		 "0001:05:01.1: 0001:00:02.0 is known to use that of function 1, too"},
		{IOAS_CAUSE_ALIAS, "0001:05:01.1: 0001:00:02.0 is known to use it, too"},
		{IOAS_CAUSE_PHANTOM, "0001:05:01.1: a phantom function of 0001:00:02.0"},
		{IOAS_CAUSE_NR, "0001:05:01.1"},
	};
	char text[300];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct ioas_topology_requester requester = {.segment = 1,
								  .rid = RID,
								  .cause = cases[i].cause,
								  .at = at("0001:00:02.0")};
		int len = ioas_topology_requester_format(&requester, text, sizeof(text));

		assert_string_equal(text, cases[i].text);
		assert_int_equal(len, strlen(text));
		assert_int_equal(ioas_topology_requester_format(&requester, text, 5), len);
		assert_string_equal(text, "0001");
	}
}

#define ALL_BITS                                                                             \
	(IOAS_ACS_SV | IOAS_ACS_TB | IOAS_ACS_RR | IOAS_ACS_CR | IOAS_ACS_UF | IOAS_ACS_EC | \
	 IOAS_ACS_DT)
#define ALL_NAMES                                                                          \
	"source validation, translation blocking, request redirect, completion redirect, " \
	"upstream forwarding, egress control, direct translated peer-to-peer"

/* Between 05:00.0 and 05:00.1. */
static const struct {
	const char *at;
	enum ioas_topology_cause cause;
	uint16_t missing;
	const char *text;
} edges[] = {
	{"00:01.0", IOAS_CAUSE_PCIE_TO_PCI, 0,
	 "0000:05:00.0 and 0000:05:00.1: the PCIe-to-PCI bridge 0000:00:01.0 puts its secondary "
	 "bus, 05:00.0, on what comes from below as the requester ID"},
	{"00:02.0", IOAS_CAUSE_PCI_BRIDGE, 0,
	 "0000:05:00.0 and 0000:05:00.1: the root port 0000:00:02.0 puts its own requester ID on "
	 "what comes from below"},
	{"00:05.0", IOAS_CAUSE_PCI_BRIDGE, 0,
	 "0000:05:00.0 and 0000:05:00.1: the function 0000:00:05.0 puts its own requester ID on "
	 "what comes from below"},
	{"00:02.0", IOAS_CAUSE_FUNCTION_0, 0,
	 "0000:05:00.0 and 0000:05:00.1: 0000:00:02.0 uses the requester ID of function 0, too"},
	{"00:02.0", IOAS_CAUSE_FUNCTION_1, 0,
	 "0000:05:00.0 and 0000:05:00.1: 0000:00:02.0 uses the requester ID of function 1, too"},
	{"00:02.0", IOAS_CAUSE_ALIAS, 0,
	 "0000:05:00.0 and 0000:05:00.1: 0000:00:02.0 is known to use the requester ID 05:01.1, "
	 "too"},
	{"00:02.0", IOAS_CAUSE_PHANTOM, 0,
	 "0000:05:00.0 and 0000:05:00.1: 05:01.1 is a phantom function of 0000:00:02.0"},
	{"00:02.0", IOAS_CAUSE_NO_ACS_ABOVE, ALL_BITS,
	 "0000:05:00.1 is below 0000:05:00.0, and on the way up the root port 0000:00:02.0 has "
	 "switched off " ALL_NAMES},
	{"00:01.0", IOAS_CAUSE_NO_ACS_ABOVE, IOAS_ACS_UF | IOAS_ACS_DT,
	 "0000:05:00.1 is below 0000:05:00.0, and on the way up the PCIe-to-PCI bridge "
	 "0000:00:01.0 has no ACS capability and so lacks upstream forwarding, direct translated "
	 "peer-to-peer"},
	{"00:05.0", IOAS_CAUSE_NO_ACS_ABOVE, 0,
	 "0000:05:00.1 is below 0000:05:00.0, and on the way up the function 0000:00:05.0 has no "
	 "ACS capability and so lacks "},
	{"00:01.0", IOAS_CAUSE_MULTIFUNCTION, 0,
	 "0000:05:00.0 and 0000:05:00.1 are functions of one device, and as a PCIe-to-PCI bridge "
	 "0000:00:01.0 cannot keep to itself"},
	{"05:00.1", IOAS_CAUSE_MULTIFUNCTION, IOAS_ACS_RR,
	 "0000:05:00.0 and 0000:05:00.1 are functions of one device, of which 0000:05:00.1 has no "
	 "ACS capability and so lacks request redirect"},
	{"00:02.0", IOAS_CAUSE_MULTIFUNCTION, IOAS_ACS_CR,
	 "0000:05:00.1 is below 0000:05:00.0, and on the way up 0000:00:02.0, one function of "
	 "several of a device, has switched off completion redirect"},
	{"00:01.0", IOAS_CAUSE_NOT_PCIE, 0,
	 "0000:05:00.1 is below 0000:05:00.0, and on the way up the PCIe-to-PCI bridge "
	 "0000:00:01.0 can have no ACS"},
	{"00:01.0", IOAS_CAUSE_NR, 0, "0000:05:00.0 and 0000:05:00.1"},
};

static void edges_are_explained(void **arg)
{
	struct ioas_topology *t = two_bridges();
	char text[400];

	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		const struct ioas_topology_edge edge = {.a = at("05:00.0"),
							.b = at("05:00.1"),
							.at = at(edges[i].at),
							.cause = edges[i].cause,
							.acs_missing = edges[i].missing,
							.rid = RID};
		int len = ioas_topology_edge_format(t, &edge, text, sizeof(text));

		assert_string_equal(text, edges[i].text);
		assert_int_equal(len, strlen(text));
		assert_int_equal(ioas_topology_edge_format(t, &edge, text, 5), len);
		assert_string_equal(text, "0000");
	}
	ioas_topology_destroy(t);
}

/* What is not worked out yet, or no longer, and what there is none of. */
static void of_what_is_not_there_nothing_is_told(void **arg)
{
	struct ioas_topology *t = two_bridges();
	struct ioas_topology_requester requester;
	struct ioas_topology_edge edge;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ioas_topology_group_nr(t), 0);
		assert_int_equal(ioas_topology_share_set_nr(t), 0);
		assert_int_equal(group(t, "00:02.0"), UINT32_MAX);
		assert_int_equal(share(t, "00:02.0"), UINT32_MAX);
		assert_null(ioas_topology_group_next(t, 0, NULL));
		assert_null(ioas_topology_share_set_next(t, 0, NULL));
		assert_int_equal(ioas_topology_group_edges(t, 0, &edge, 1), 0);
		assert_int_equal(ioas_topology_share_set_edges(t, 0, &edge, 1), 0);
		assert_int_equal(ioas_topology_requesters(t, at("00:02.0"), &requester, 1), 0);
		resolve(t);
		assert_int_equal(ioas_topology_group_nr(t), 2);
		assert_int_equal(group(t, "00:03.0"), UINT32_MAX);
		assert_int_equal(share(t, "00:03.0"), UINT32_MAX);
		assert_int_equal(ioas_topology_group_edges(t, 2, &edge, 1), 0);
		assert_int_equal(ioas_topology_share_set_edges(t, 2, &edge, 1), 0);
		assert_int_equal(ioas_topology_requesters(t, at("00:03.0"), &requester, 1), 0);
		assert_int_equal(ioas_topology_requesters(t, at("00:02.0"), &requester, 1), 1);
		assert_int_equal(requester.rid, 0x10);
		assert_int_equal(ioas_topology_set_acs(t, at("00:02.0"), 0, NULL), 0);
	}
	assert_string_equal(ioas_topology_type_name(IOAS_TOPOLOGY_TYPE_NR), "unknown");
	assert_string_equal(ioas_topology_type_name(IOAS_TOPOLOGY_TYPE_NR - 1), "PCI bridge");
	ioas_topology_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requester_ids_are_explained),
		cmocka_unit_test(edges_are_explained),
		cmocka_unit_test(of_what_is_not_there_nothing_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
