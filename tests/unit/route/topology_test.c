/* SPDX-License-Identifier: MIT */
/* Description: which groups, share sets and requester IDs follow from each kind of bridge, port and
 * quirk. */
#include <stdio.h>
#include "tests/unit/route/tree.h"

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

/* What is PCIe below it, ports with ACS too, can be no finer a group than the bridge. */
static void below_a_bridge_from_pci_nothing_isolates(void **arg)
{
	struct ioas_topology *t = tree_new();

	bridge(t, "00:1e.0", IOAS_TOPOLOGY_PCI_TO_PCIE, 1, 3, false);
	bridge(t, "01:00.0", IOAS_TOPOLOGY_UPSTREAM, 2, 3, true);
	bridge(t, "02:00.0", IOAS_TOPOLOGY_DOWNSTREAM, 3, 3, true);
	leaf(t, "03:00.0", IOAS_TOPOLOGY_ENDPOINT);
	resolve(t);
	assert_requesters(t, "03:00.0", "03:00.0 00:1e.0");
	assert_int_equal(group(t, "03:00.0"), group(t, "00:1e.0"));
	assert_edge(t, group(t, "03:00.0"), false,
		    "0000:03:00.0 is below 0000:02:00.0, and on the way up the PCI-to-PCIe bridge "
		    "0000:00:1e.0 can have no ACS");
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
	struct ioas_topology_requester requester[4];
	struct ioas_why why;

	tree_add(t, function);
	resolve(t);
	assert_requesters(t, "00:01.1", "00:01.1 00:01.3 00:01.5 00:01.7");
	assert_int_equal(ioas_topology_requesters(t, function.addr, requester, 4), 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(requester[i].cause, i ? IOAS_CAUSE_PHANTOM : IOAS_CAUSE_OWN);
		assert_int_equal(requester[i].at.devfn, function.addr.devfn);
	}
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

/* Below a port that ends a link; the bus inside a switch has a device in each slot. */
static void on_a_link_all_numbers_are_of_one_device(void **arg)
{
	struct ioas_topology *t = tree_new();

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 3, true);
	bridge(t, "01:00.0", IOAS_TOPOLOGY_UPSTREAM, 2, 3, false);
	bridge(t, "02:00.0", IOAS_TOPOLOGY_DOWNSTREAM, 3, 3, true);
	leaf(t, "02:01.0", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "02:01.1", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "03:01.0", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "03:01.1", IOAS_TOPOLOGY_ENDPOINT);
	resolve(t);
	assert_int_not_equal(group(t, "02:01.0"), group(t, "02:01.1"));
	assert_int_equal(group(t, "03:01.0"), group(t, "03:01.1"));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_with_acs_part_what_is_below),
		cmocka_unit_test(each_bit_of_four_is_wanted_if_the_port_has_it),
		cmocka_unit_test(functions_of_one_device_stay_together_without_acs),
		cmocka_unit_test(root_complex_types_follow_their_rules),
		cmocka_unit_test(a_pcie_to_pci_bridge_puts_its_secondary_bus_on_the_wire),
		cmocka_unit_test(below_a_bridge_from_pci_nothing_isolates),
		cmocka_unit_test(a_function_at_the_bridge_s_own_number_is_no_extra_requester),
		cmocka_unit_test(a_bridge_that_hides_its_pcie_side_is_known_by_its_place),
		cmocka_unit_test(nothing_above_an_iommu_in_the_middle_renames),
		cmocka_unit_test(quirks_add_requester_ids_and_join),
		cmocka_unit_test(a_requester_id_that_nobody_owns_is_shared_as_well),
		cmocka_unit_test(phantom_functions_are_more_numbers_of_one),
		cmocka_unit_test(a_switch_is_as_open_as_its_most_open_port),
		cmocka_unit_test(on_a_link_all_numbers_are_of_one_device),
		cmocka_unit_test(virtual_functions_are_where_their_physical_one_is),
		cmocka_unit_test(without_an_iommu_there_is_no_group),
		cmocka_unit_test(members_and_functions_are_walked_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
