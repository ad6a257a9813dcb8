/* SPDX-License-Identifier: MIT */
/* Description: what a described machine refuses, and which groups, share sets and requester IDs
 * follow from each kind of bridge, port and quirk. */
#include <stdio.h>
#include "tests/unit/route/tree.h"
#include "util/inject.h"

static void assert_requesters(const struct ioas_topology *topology, const char *addr,
			      const char *expected)
{
	struct ioas_topology_requester requester[300];
	size_t nr = ioas_topology_requesters(topology, at(addr), requester, 300);
	char text[4096] = "", *end = text;

	assert_true(nr <= 300);
	assert_int_equal(ioas_topology_requesters(topology, at(addr), NULL, 0), nr);
	for (size_t i = 0; i < nr; i++)
		end += sprintf(end, "%s%02x:%02x.%x", i ? " " : "", requester[i].rid >> 8,
			       requester[i].rid >> 3 & 0x1f, requester[i].rid & 7);
	assert_string_equal(text, expected);
}

static void assert_edge(const struct ioas_topology *topology, uint32_t set, bool shares,
			const char *expected)
{
	struct ioas_topology_edge edge[64];
	size_t nr = shares ? ioas_topology_share_set_edges(topology, set, edge, 64)
			   : ioas_topology_group_edges(topology, set, edge, 64);
	char text[400];

	assert_true(nr <= 64);
	for (size_t i = 0; i < nr; i++) {
		int len = ioas_topology_edge_format(topology, &edge[i], text, sizeof(text));

		assert_true(len > 0 && len < (int)sizeof(text) && !strchr(text, '\n'));
		if (strcmp(text, expected) == 0)
			return;
	}
	for (size_t i = 0; i < nr; i++) {
		ioas_topology_edge_format(topology, &edge[i], text, sizeof(text));
		print_message("there is: %s\n", text);
	}
	fail_msg("there is no edge: %s", expected);
}

static void ports_with_acs_part_what_is_below(void **arg)
{
	struct ioas_topology *t = tree_new();

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 1, true);
	bridge(t, "00:02.0", IOAS_TOPOLOGY_ROOT_PORT, 2, 2, false);
	leaf(t, "01:00.0", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "02:00.0", IOAS_TOPOLOGY_ENDPOINT);
	assert_int_equal(group(t, "01:00.0"), UINT32_MAX);
	assert_int_equal(ioas_topology_group_nr(t), 0);
	resolve(t);
	assert_int_equal(ioas_topology_group_nr(t), 3);
	assert_int_equal(group(t, "00:01.0"), 0);
	assert_int_equal(group(t, "00:02.0"), 1);
	assert_int_equal(group(t, "01:00.0"), 2);
	assert_int_equal(group(t, "02:00.0"), 1);
	assert_int_equal(ioas_topology_share_set_nr(t), 4);
	assert_edge(t, 1, false,
		    "0000:02:00.0 is below 0000:00:02.0, and on the way up the root port "
		    "0000:00:02.0 has no ACS capability and so lacks source validation, request "
		    "redirect, completion redirect, upstream forwarding");
	ioas_topology_destroy(t);
}

static void each_bit_of_four_is_wanted_if_the_port_has_it(void **arg)
{
	static const uint16_t wanted[] = {IOAS_ACS_SV, IOAS_ACS_RR, IOAS_ACS_CR, IOAS_ACS_UF};
	struct ioas_topology *t = tree_new();
	struct ioas_why why;

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 1, true);
	leaf(t, "01:00.0", IOAS_TOPOLOGY_ENDPOINT);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(ioas_topology_set_acs(t, at("00:01.0"),
						       (uint16_t)(ACS_ALL & ~wanted[i]), &why),
				 0);
		assert_int_equal(group(t, "01:00.0"), UINT32_MAX);
		resolve(t);
		assert_int_equal(ioas_topology_group_nr(t), 1);
	}
	assert_edge(t, 0, false,
		    "0000:01:00.0 is below 0000:00:01.0, and on the way up the root port "
		    "0000:00:01.0 has switched off upstream forwarding");
	assert_int_equal(ioas_topology_set_acs(t, at("00:01.0"), ACS_ALL | IOAS_ACS_TB, &why),
			 -EINVAL);
	assert_string_equal(why.text, "0000:00:01.0: its ACS capability lacks the bits 0x2");
	assert_int_equal(ioas_topology_set_acs(t, at("01:00.0"), IOAS_ACS_RR, &why), -EINVAL);
	assert_int_equal(ioas_topology_set_acs(t, at("02:00.0"), 0, &why), -ENOENT);
	ioas_topology_destroy(t);

	/* What the capability lacks is wired. */
	t = tree_new();
	tree_add(t, (struct ioas_topology_function){.addr = at("00:01.0"),
						    .type = IOAS_TOPOLOGY_ROOT_PORT,
						    .secondary = 1,
						    .subordinate = 1,
						    .acs = true,
						    .acs_cap = IOAS_ACS_RR | IOAS_ACS_EC,
						    .acs_ctrl = IOAS_ACS_RR});
	leaf(t, "01:00.0", IOAS_TOPOLOGY_ENDPOINT);
	resolve(t);
	assert_int_equal(ioas_topology_group_nr(t), 2);
	ioas_topology_destroy(t);
}

static void functions_of_one_device_stay_together_without_acs(void **arg)
{
	struct ioas_topology *t = tree_new();

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 1, true);
	tree_add(t, (struct ioas_topology_function){.addr = at("01:00.0"), .multifunction = true});
	leaf(t, "01:00.1", IOAS_TOPOLOGY_ENDPOINT);
	tree_add(t, (struct ioas_topology_function){.addr = at("01:00.2"),
						    .acs = true,
						    .acs_cap = IOAS_ACS_RR | IOAS_ACS_CR,
						    .acs_ctrl = IOAS_ACS_RR | IOAS_ACS_CR});
	tree_add(t, (struct ioas_topology_function){.addr = at("01:00.3"),
						    .quirks = IOAS_QUIRK_ISOLATED});
	leaf(t, "01:01.0", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "01:01.1", IOAS_TOPOLOGY_ENDPOINT);
	resolve(t);
	assert_int_equal(group(t, "01:00.0"), group(t, "01:00.1"));
	assert_int_not_equal(group(t, "01:00.0"), group(t, "01:00.2"));
	assert_int_not_equal(group(t, "01:00.0"), group(t, "01:00.3"));
	assert_edge(t, group(t, "01:00.0"), false,
		    "0000:01:00.0 and 0000:01:00.1 are functions of one device, of which "
		    "0000:01:00.1 has no ACS capability and so lacks request redirect, completion "
		    "redirect");
	/* On a link all numbers are of one device, so 01:01.0 is one of several functions (ARI). */
	assert_int_equal(group(t, "01:01.0"), group(t, "01:01.1"));
	/* Each has its own requester ID all the same. */
	assert_int_not_equal(share(t, "01:00.0"), share(t, "01:00.1"));
	ioas_topology_destroy(t);
}

static void root_complex_types_follow_their_rules(void **arg)
{
	struct ioas_topology *t = tree_new();

	/* Endpoints alone in their slot are apart, conventional functions of one slot are not. */
	leaf(t, "00:00.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	leaf(t, "00:01.0", IOAS_TOPOLOGY_RC_ENDPOINT);
	leaf(t, "00:02.0", IOAS_TOPOLOGY_RC_ENDPOINT);
	tree_add(t, (struct ioas_topology_function){.addr = at("00:1f.0"),
						    .type = IOAS_TOPOLOGY_PCI_FUNCTION,
						    .multifunction = true});
	leaf(t, "00:1f.2", IOAS_TOPOLOGY_PCI_FUNCTION);
	leaf(t, "00:1f.3", IOAS_TOPOLOGY_RC_EVENT_COLLECTOR);
	resolve(t);
	assert_int_equal(ioas_topology_group_nr(t), 4);
	assert_int_equal(group(t, "00:1f.0"), 3);
	assert_int_equal(group(t, "00:1f.2"), 3);
	assert_int_equal(group(t, "00:1f.3"), 3);
	assert_edge(t, 3, false,
		    "0000:00:1f.0 and 0000:00:1f.2 are functions of one device, and as a PCI "
		    "function 0000:00:1f.2 cannot keep to itself");
	ioas_topology_destroy(t);
}

static void a_pcie_to_pci_bridge_puts_its_secondary_bus_on_the_wire(void **arg)
{
	struct ioas_topology *t = tree_new();
	uint32_t set;

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 3, true);
	bridge(t, "01:00.0", IOAS_TOPOLOGY_PCIE_TO_PCI, 2, 3, false);
	leaf(t, "02:01.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	leaf(t, "02:02.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	bridge(t, "02:03.0", IOAS_TOPOLOGY_PCI_BRIDGE, 3, 3, false);
	leaf(t, "03:00.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	resolve(t);
	assert_requesters(t, "01:00.0", "01:00.0");
	assert_requesters(t, "02:01.0", "02:01.0 02:00.0");
	assert_requesters(t, "03:00.0", "03:00.0 02:03.0 02:00.0");
	set = share(t, "02:01.0");
	assert_int_equal(share(t, "02:02.0"), set);
	assert_int_equal(share(t, "02:03.0"), set);
	assert_int_equal(share(t, "03:00.0"), set);
	/* The bridge has a requester ID of its own: finer than the group. */
	assert_int_not_equal(share(t, "01:00.0"), set);
	assert_int_equal(group(t, "01:00.0"), group(t, "03:00.0"));
	assert_int_not_equal(group(t, "00:01.0"), group(t, "01:00.0"));
	assert_edge(t, set, true,
		    "0000:02:01.0 and 0000:02:02.0: the PCIe-to-PCI bridge 0000:01:00.0 puts its "
		    "secondary bus, 02:00.0, on what comes from below as the requester ID");
	assert_edge(t, set, true,
		    "0000:02:03.0 and 0000:03:00.0: the PCI bridge 0000:02:03.0 puts its own "
		    "requester ID on what comes from below");
	ioas_topology_destroy(t);
}

static void a_function_at_the_bridge_s_own_number_is_no_extra_requester(void **arg)
{
	struct ioas_topology *t = tree_new();

	bridge(t, "00:01.0", IOAS_TOPOLOGY_PCIE_TO_PCI, 1, 2, false);
	bridge(t, "01:00.0", IOAS_TOPOLOGY_PCI_BRIDGE, 2, 2, false);
	leaf(t, "02:00.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	leaf(t, "01:01.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	resolve(t);
	assert_requesters(t, "01:00.0", "01:00.0");
	assert_requesters(t, "01:01.0", "01:01.0 01:00.0");
	assert_requesters(t, "02:00.0", "02:00.0 01:00.0");
	assert_int_equal(ioas_topology_share_set_nr(t), 2);
	ioas_topology_destroy(t);
}

static void a_bridge_that_hides_its_pcie_side_is_known_by_its_place(void **arg)
{
	struct ioas_topology *t = tree_new();
	struct ioas_topology_function hidden = {
		.addr = at("01:00.0"),
		.type = IOAS_TOPOLOGY_PCI_BRIDGE,
		.secondary = 2,
		.subordinate = 2,
		.quirks = IOAS_QUIRK_PCIE_BRIDGE,
	};

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 2, true);
	tree_add(t, hidden);
	leaf(t, "02:05.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	/* On the root bus it is what it says. */
	hidden.addr = at("00:1e.0");
	hidden.secondary = hidden.subordinate = 3;
	tree_add(t, hidden);
	leaf(t, "03:05.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	resolve(t);
	assert_requesters(t, "02:05.0", "02:05.0 02:00.0");
	assert_requesters(t, "03:05.0", "03:05.0 00:1e.0");
	ioas_topology_destroy(t);
}

static void nothing_above_an_iommu_in_the_middle_renames(void **arg)
{
	struct ioas_topology *t = tree_new();

	tree_add(t, (struct ioas_topology_function){.addr = at("00:01.0"),
						    .type = IOAS_TOPOLOGY_PCI_BRIDGE,
						    .secondary = 1,
						    .subordinate = 3,
						    .quirks = IOAS_QUIRK_IOMMU_BELOW});
	leaf(t, "01:01.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	bridge(t, "01:02.0", IOAS_TOPOLOGY_PCI_BRIDGE, 2, 2, false);
	leaf(t, "02:01.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	resolve(t);
	assert_requesters(t, "01:01.0", "01:01.0");
	assert_requesters(t, "02:01.0", "02:01.0 01:02.0");
	ioas_topology_destroy(t);
}

static void quirks_add_requester_ids_and_join(void **arg)
{
	static const rid_t alias[] = {0x0112, 0x0108, 0x0112, 0x0100};
	struct ioas_topology *t = tree_new();

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 1, true);
	bridge(t, "00:02.0", IOAS_TOPOLOGY_ROOT_PORT, 2, 2, true);
	tree_add(t, (struct ioas_topology_function){.addr = at("01:00.0"),
						    .quirks = IOAS_QUIRK_USES_FUNCTION_1,
						    .alias = alias,
						    .alias_nr = 4});
	tree_add(t, (struct ioas_topology_function){.addr = at("02:00.0"),
						    .multifunction = true,
						    .quirks = IOAS_QUIRK_ISOLATED |
							      IOAS_QUIRK_USES_FUNCTION_0});
	tree_add(t, (struct ioas_topology_function){.addr = at("02:00.3"),
						    .quirks = IOAS_QUIRK_ISOLATED |
							      IOAS_QUIRK_USES_FUNCTION_0});
	resolve(t);
	assert_requesters(t, "01:00.0", "01:00.0 01:00.1 01:01.0 01:02.2");
	assert_requesters(t, "02:00.0", "02:00.0");
	assert_requesters(t, "02:00.3", "02:00.3 02:00.0");
	assert_int_equal(share(t, "02:00.0"), share(t, "02:00.3"));
	assert_int_equal(group(t, "02:00.0"), group(t, "02:00.3"));
	assert_edge(t, group(t, "02:00.0"), false,
		    "0000:02:00.0 and 0000:02:00.3: 0000:02:00.3 uses the requester ID of function "
		    "0, too");
	ioas_topology_destroy(t);
}

static void a_requester_id_that_nobody_owns_is_shared_as_well(void **arg)
{
	static const rid_t ghost[] = {0x0508};
	struct ioas_topology *t = tree_new();

	tree_add(t, (struct ioas_topology_function){
			    .addr = at("00:01.0"), .alias = ghost, .alias_nr = 1});
	tree_add(t, (struct ioas_topology_function){
			    .addr = at("00:02.0"), .alias = ghost, .alias_nr = 1});
	resolve(t);
	assert_int_equal(share(t, "00:01.0"), share(t, "00:02.0"));
	assert_int_equal(group(t, "00:01.0"), group(t, "00:02.0"));
	assert_edge(t, 0, true,
		    "0000:00:01.0 and 0000:00:02.0: 0000:00:02.0 is known to use the requester ID "
		    "05:01.0, too");
	ioas_topology_destroy(t);
}

static void phantom_functions_are_more_numbers_of_one(void **arg)
{
	struct ioas_topology *t = tree_new();
	struct ioas_topology_function function = {
		.addr = at("00:01.1"),
		.multifunction = true,
		.phantom_lg2 = 2,
	};
	struct ioas_why why;

	tree_add(t, function);
	resolve(t);
	assert_requesters(t, "00:01.1", "00:01.1 00:01.3 00:01.5 00:01.7");
	assert_int_equal(ioas_topology_share_set_nr(t), 1);
	leaf(t, "00:01.5", IOAS_TOPOLOGY_ENDPOINT);
	assert_int_equal(ioas_topology_resolve(t, &why), -EINVAL);
	assert_string_equal(why.text,
			    "0000:00:01.5 is a phantom function of 0000:00:01.1, and a real one");
	ioas_topology_destroy(t);
}

static void a_switch_is_as_open_as_its_most_open_port(void **arg)
{
	struct ioas_topology *t = tree_new();

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 4, true);
	bridge(t, "01:00.0", IOAS_TOPOLOGY_UPSTREAM, 2, 4, false);
	bridge(t, "02:00.0", IOAS_TOPOLOGY_DOWNSTREAM, 3, 3, true);
	bridge(t, "02:01.0", IOAS_TOPOLOGY_DOWNSTREAM, 4, 4, true);
	leaf(t, "03:00.0", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "04:00.0", IOAS_TOPOLOGY_ENDPOINT);
	resolve(t);
	assert_int_equal(ioas_topology_group_nr(t), 6);
	assert_int_equal(ioas_topology_set_acs(t, at("00:01.0"), 0, NULL), 0);
	resolve(t);
	assert_int_equal(ioas_topology_group_nr(t), 1);
	assert_edge(t, 0, false,
		    "0000:04:00.0 is below 0000:02:01.0, and on the way up the root port "
		    "0000:00:01.0 has switched off source validation, request redirect, completion "
		    "redirect, upstream forwarding");
	ioas_topology_destroy(t);
}

static void virtual_functions_are_where_their_physical_one_is(void **arg)
{
	struct ioas_topology *t = tree_new();
	struct ioas_topology_function vf = {.is_virtual = true, .physical = at("01:00.0")};

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 2, true);
	tree_add(t, (struct ioas_topology_function){
			    .addr = at("01:00.0"), .pasid_lg2 = 20, .pri = true});
	leaf(t, "00:02.0", IOAS_TOPOLOGY_RC_ENDPOINT);
	vf.addr = at("01:00.1");
	tree_add(t, vf);
	vf.addr = at("02:00.0");
	tree_add(t, vf);
	assert_ptr_equal(ioas_topology_above(t, vf.addr), ioas_topology_find(t, at("00:01.0")));
	resolve(t);
	assert_int_equal(ioas_topology_group_nr(t), 5);
	assert_int_equal(group(t, "01:00.0"), 2);
	assert_int_equal(group(t, "01:00.1"), 3);
	assert_int_equal(group(t, "02:00.0"), 4);
	assert_int_equal(ioas_topology_find(t, vf.addr)->pasid_lg2, 20);
	assert_true(ioas_topology_find(t, vf.addr)->pri);
	ioas_topology_destroy(t);
}

static void without_an_iommu_there_is_no_group(void **arg)
{
	struct ioas_topology *t = tree_new();

	tree_add(t, (struct ioas_topology_function){.addr = at("00:01.0"),
						    .type = IOAS_TOPOLOGY_ROOT_PORT,
						    .secondary = 1,
						    .subordinate = 1,
						    .iommu = IOAS_TOPOLOGY_NO_IOMMU});
	leaf(t, "01:00.0", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "00:02.0", IOAS_TOPOLOGY_ENDPOINT);
	resolve(t);
	assert_int_equal(group(t, "01:00.0"), UINT32_MAX);
	assert_int_equal(share(t, "01:00.0"), UINT32_MAX);
	assert_int_equal(group(t, "00:02.0"), 0);
	assert_int_equal(ioas_topology_group_nr(t), 1);
	ioas_topology_destroy(t);
}

static void members_and_functions_are_walked_in_order(void **arg)
{
	struct ioas_topology *t = tree_new();
	const struct ioas_topology_function *member;

	leaf(t, "00:1f.3", IOAS_TOPOLOGY_PCI_FUNCTION);
	leaf(t, "00:02.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	leaf(t, "00:1f.2", IOAS_TOPOLOGY_PCI_FUNCTION);
	leaf(t, "00:1f.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	member = ioas_topology_next(t, NULL);
	assert_int_equal(member->addr.devfn, 0x10);
	assert_int_equal(ioas_topology_next(t, member)->addr.devfn, 0xf8);
	assert_null(ioas_topology_group_next(t, 0, NULL));
	resolve(t);
	member = ioas_topology_group_next(t, 1, NULL);
	assert_int_equal(member->addr.devfn, 0xf8);
	member = ioas_topology_group_next(t, 1, member);
	assert_int_equal(member->addr.devfn, 0xfa);
	member = ioas_topology_group_next(t, 1, member);
	assert_int_equal(member->addr.devfn, 0xfb);
	assert_null(ioas_topology_group_next(t, 1, member));
	assert_null(ioas_topology_group_next(t, 0, member));
	assert_null(ioas_topology_group_next(t, 2, NULL));
	assert_null(ioas_topology_group_next(t, UINT32_MAX, NULL));
	member = ioas_topology_share_set_next(t, 3, NULL);
	assert_int_equal(member->addr.devfn, 0xfb);
	assert_null(ioas_topology_share_set_next(t, 3, member));
	ioas_topology_destroy(t);
}

/* ---- refusals ---- */

static void contradictions_are_refused(void **arg)
{
	static const rid_t alias[1];
	const struct {
		struct ioas_topology_function function;
		const char *why;
	} cases[] = {
		{{.type = IOAS_TOPOLOGY_TYPE_NR}, "unknown type"},
		{{.secondary = 1, .subordinate = 1}, "it is no bridge"},
		{{.type = IOAS_TOPOLOGY_ROOT_PORT, .secondary = 5, .subordinate = 4}, "end before"},
		{{.addr.bus = 4, .type = IOAS_TOPOLOGY_ROOT_PORT, .secondary = 4, .subordinate = 4},
		 "which it is on"},
		{{.acs_cap = 1}, "no ACS capability"},
		{{.acs = true, .acs_cap = 4, .acs_ctrl = 8}, "0x8 that its capability lacks"},
		{{.quirks = 0x80000000}, "unknown quirks"},
		{{.class_code = 0x1000000}, "24 bits"},
		{{.pasid_lg2 = 21}, "at most 20"},
		{{.phantom_lg2 = 4}, "3 bits"},
		{{.addr.devfn = 4, .phantom_lg2 = 1}, "its own number is below 4"},
		{{.alias_nr = 1}, "aliases are missing"},
		{{.is_virtual = true}, "another one of the same segment"},
		{{.is_virtual = true, .physical.segment = 1, .alias = alias}, "same segment"},
		{{.is_virtual = true, .physical.devfn = 1, .type = IOAS_TOPOLOGY_UPSTREAM},
		 "no virtual function"},
	};
	struct ioas_topology *t = tree_new();
	struct ioas_why why;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ioas_topology_add(t, &cases[i].function, &why), -EINVAL);
		if (!strstr(why.text, cases[i].why))
			fail_msg("\"%s\" does not say \"%s\"", why.text, cases[i].why);
	}
	assert_null(ioas_topology_next(t, NULL));
	leaf(t, "00:00.0", IOAS_TOPOLOGY_ENDPOINT);
	assert_int_equal(ioas_topology_add(t, &(struct ioas_topology_function){0}, &why), -EEXIST);
	assert_string_equal(why.text, "0000:00:00.0: there is a function at this address already");
	ioas_topology_destroy(t);
}

static void an_iommu_that_contradicts_itself_is_refused(void **arg)
{
	const struct ioas_range backwards = {.first = 2, .last = 1};
	const struct ioas_topology_iommu cases[] = {
		{.kind = NULL},
		{.kind = ""},
		{.kind = "soft", .aw = 65},
		{.kind = "soft", .pasid_lg2 = 21},
		{.kind = "soft", .reserved_nr = 1},
		{.kind = "soft", .reserved = &backwards, .reserved_nr = 1},
	};
	struct ioas_topology *t = tree_new();
	struct ioas_why why;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(ioas_topology_add_iommu(t, &cases[i], &why), -EINVAL);
	assert_int_equal(ioas_topology_iommu_nr(t), 1);
	assert_string_equal(ioas_topology_iommu(t, 0)->kind, "soft");
	assert_null(ioas_topology_iommu(t, 1));
	ioas_topology_destroy(t);
}

static void assert_unresolvable(struct ioas_topology *t, const char *expected)
{
	struct ioas_why why;

	assert_int_equal(ioas_topology_resolve(t, &why), -EINVAL);
	assert_string_equal(why.text, expected);
	assert_int_equal(ioas_topology_group_nr(t), 0);
	ioas_topology_destroy(t);
}

static void a_tree_that_is_none_is_refused(void **arg)
{
	struct ioas_topology *t = tree_new();

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 1, false);
	bridge(t, "00:02.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 1, false);
	assert_unresolvable(t, "two bridges lead to bus 01: 0000:00:01.0 and 0000:00:02.0");

	t = tree_new();
	bridge(t, "01:00.0", IOAS_TOPOLOGY_PCI_BRIDGE, 2, 2, false);
	bridge(t, "02:00.0", IOAS_TOPOLOGY_PCI_BRIDGE, 1, 1, false);
	leaf(t, "00:00.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	assert_unresolvable(t, "0000:01:00.0 is below itself: its bridges lead round in a loop");

	t = tree_new();
	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 5, false);
	leaf(t, "03:00.0", IOAS_TOPOLOGY_ENDPOINT);
	assert_unresolvable(
		t,
		"bus 03 is one of 01 to 05, those below 0000:00:01.0, but no bridge leads to it");

	t = tree_new();
	tree_add(t, (struct ioas_topology_function){
			    .addr = at("01:00.1"), .is_virtual = true, .physical = at("01:00.0")});
	assert_unresolvable(t, "0000:01:00.1: its physical function 0000:01:00.0 is missing");

	t = tree_new();
	tree_add(t, (struct ioas_topology_function){.addr = at("01:00.0"), .iommu = 1});
	assert_unresolvable(t, "0000:01:00.0: behind IOMMU 1 of 1");
}

/* ---- peers ---- */

static void assert_turn(const struct ioas_topology *t, const char *from, const char *to,
			const char *turn)
{
	struct ioas_pci_addr where;
	char name[IOAS_NAME_LEN];
	int rc = ioas_topology_bypass(t, at(from), at(to), &where);

	assert_int_equal(rc, turn ? 1 : 0);
	if (turn)
		assert_string_equal(ioas_pci_addr_format(where, name), turn);
}

static struct ioas_topology *two_ports(void)
{
	struct ioas_topology *t = tree_new();

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 4, true);
	bridge(t, "01:00.0", IOAS_TOPOLOGY_UPSTREAM, 2, 4, false);
	bridge(t, "02:00.0", IOAS_TOPOLOGY_DOWNSTREAM, 3, 3, true);
	bridge(t, "02:01.0", IOAS_TOPOLOGY_DOWNSTREAM, 4, 4, true);
	tree_add(t, (struct ioas_topology_function){.addr = at("03:00.0"), .multifunction = true});
	leaf(t, "03:00.1", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "04:00.0", IOAS_TOPOLOGY_ENDPOINT);
	bridge(t, "00:02.0", IOAS_TOPOLOGY_ROOT_PORT, 5, 6, true);
	bridge(t, "05:00.0", IOAS_TOPOLOGY_PCIE_TO_PCI, 6, 6, false);
	leaf(t, "06:01.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	leaf(t, "06:02.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	return t;
}

static void peers_meet_where_acs_is_off(void **arg)
{
	struct ioas_topology *t = two_ports();
	struct ioas_pci_addr where;

	assert_int_equal(ioas_topology_bypass(t, at("03:00.0"), at("04:00.0"), &where), -ENOENT);
	resolve(t);
	assert_turn(t, "03:00.0", "04:00.0", NULL);
	assert_turn(t, "03:00.0", "06:01.0", NULL);
	assert_turn(t, "03:00.0", "03:00.0", NULL);
	assert_turn(t, "03:00.0", "03:00.1", "0000:03:00.0");
	assert_turn(t, "06:01.0", "06:02.0", "0000:05:00.0");
	assert_turn(t, "06:01.0", "04:00.0", NULL);
	assert_int_equal(ioas_topology_bypass(t, at("07:00.0"), at("04:00.0"), &where), -ENOENT);

	/* The port a request comes in by decides. */
	assert_int_equal(ioas_topology_set_acs(t, at("02:00.0"), ACS_ALL & ~IOAS_ACS_RR, NULL), 0);
	resolve(t);
	assert_turn(t, "03:00.0", "04:00.0", "0000:02:00.0");
	assert_turn(t, "04:00.0", "03:00.0", NULL);
	assert_turn(t, "03:00.0", "06:01.0", NULL);
	assert_turn(t, "03:00.0", "01:00.0", "0000:02:00.0");

	/* Redirected by the switch, and yet the root port sends it back down. */
	assert_int_equal(ioas_topology_set_acs(t, at("02:00.0"), ACS_ALL, NULL), 0);
	assert_int_equal(ioas_topology_set_acs(t, at("00:01.0"), ACS_ALL & ~IOAS_ACS_UF, NULL), 0);
	resolve(t);
	assert_turn(t, "03:00.0", "04:00.0", "0000:00:01.0");
	assert_turn(t, "03:00.0", "06:01.0", NULL);
	assert_turn(t, "03:00.0", "03:00.0", "0000:00:01.0");

	assert_int_equal(ioas_topology_set_acs(t, at("00:01.0"), 0, NULL), 0);
	resolve(t);
	assert_turn(t, "03:00.0", "06:01.0", "0000:00:01.0");
	assert_turn(t, "06:01.0", "03:00.0", NULL);
	ioas_topology_destroy(t);
}

/* ---- copies, and no memory ---- */

static void a_copy_is_independent(void **arg)
{
	static const rid_t alias[] = {0x0123};
	const struct ioas_range msi = {.first = 0xfee00000, .last = 0xfeefffff};
	const struct ioas_topology_iommu iommu = {
		.kind = "soft", .aw = 48, .reserved = &msi, .reserved_nr = 1};
	struct ioas_topology *t = tree_new(), *copy;
	const struct ioas_topology_function *function;

	assert_int_equal(ioas_topology_add_iommu(t, &iommu, NULL), 0);
	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 1, true);
	tree_add(t, (struct ioas_topology_function){.addr = at("01:00.0"),
						    .alias = alias,
						    .alias_nr = 1,
						    .name = "disk",
						    .driver = "nvme"});
	resolve(t);
	assert_int_equal(ioas_topology_copy(t, &copy), 0);
	assert_int_equal(ioas_topology_set_acs(copy, at("00:01.0"), 0, NULL), 0);
	ioas_topology_destroy(t);
	resolve(copy);
	assert_int_equal(ioas_topology_group_nr(copy), 1);
	function = ioas_topology_find(copy, at("01:00.0"));
	assert_string_equal(function->name, "disk");
	assert_string_equal(function->driver, "nvme");
	assert_string_equal(function->model, "");
	assert_int_equal(function->alias[0], 0x0123);
	assert_int_equal(ioas_topology_iommu(copy, 1)->reserved[0].last, 0xfeefffff);
	ioas_topology_destroy(copy);
}

static void no_memory_is_an_error_and_no_more(void **arg)
{
	struct ioas_topology *from = two_ports(), *copy;
	unsigned nth = 0;
	int rc;

	do {
		inject_arm(++nth);
		rc = ioas_topology_copy(from, &copy);
		if (!rc) {
			rc = ioas_topology_resolve(copy, NULL);
			if (rc)
				assert_int_equal(ioas_topology_group_nr(copy), 0);
			ioas_topology_destroy(copy);
		}
		assert_true(rc == 0 || rc == -ENOMEM);
		assert_true(nth < 1000);
	} while (rc);
	assert_true(inject_remaining() > 0);
	inject_arm(0);
	assert_true(nth > 50);
	ioas_topology_destroy(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_with_acs_part_what_is_below),
		cmocka_unit_test(each_bit_of_four_is_wanted_if_the_port_has_it),
		cmocka_unit_test(functions_of_one_device_stay_together_without_acs),
		cmocka_unit_test(root_complex_types_follow_their_rules),
		cmocka_unit_test(a_pcie_to_pci_bridge_puts_its_secondary_bus_on_the_wire),
		cmocka_unit_test(a_function_at_the_bridge_s_own_number_is_no_extra_requester),
		cmocka_unit_test(a_bridge_that_hides_its_pcie_side_is_known_by_its_place),
		cmocka_unit_test(nothing_above_an_iommu_in_the_middle_renames),
		cmocka_unit_test(quirks_add_requester_ids_and_join),
		cmocka_unit_test(a_requester_id_that_nobody_owns_is_shared_as_well),
		cmocka_unit_test(phantom_functions_are_more_numbers_of_one),
		cmocka_unit_test(a_switch_is_as_open_as_its_most_open_port),
		cmocka_unit_test(virtual_functions_are_where_their_physical_one_is),
		cmocka_unit_test(without_an_iommu_there_is_no_group),
		cmocka_unit_test(members_and_functions_are_walked_in_order),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(an_iommu_that_contradicts_itself_is_refused),
		cmocka_unit_test(a_tree_that_is_none_is_refused),
		cmocka_unit_test(peers_meet_where_acs_is_off),
		cmocka_unit_test(a_copy_is_independent),
		cmocka_unit_test(no_memory_is_an_error_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
