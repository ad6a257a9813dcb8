/* SPDX-License-Identifier: MIT */
/* Description: what a described machine refuses: contradictions, and trees that are none. */
#include <stdio.h>
#include "tests/unit/route/tree.h"

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

	/* The bridge that is told reaches furthest, though another has begun after it. */
	t = tree_new();
	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 9, false);
	bridge(t, "01:00.0", IOAS_TOPOLOGY_UPSTREAM, 2, 3, false);
	leaf(t, "09:00.0", IOAS_TOPOLOGY_ENDPOINT);
	assert_unresolvable(
		t,
		"bus 09 is one of 01 to 09, those below 0000:00:01.0, but no bridge leads to it");

	/* And it is one of that segment, though another's may reach further. */
	t = tree_new();
	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 0x20, false);
	bridge(t, "0001:00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 2, false);
	leaf(t, "0001:02:00.0", IOAS_TOPOLOGY_ENDPOINT);
	assert_unresolvable(
		t,
		"bus 02 is one of 01 to 02, those below 0001:00:01.0, but no bridge leads to it");

	t = tree_new();
	tree_add(t, (struct ioas_topology_function){
			    .addr = at("01:00.1"), .is_virtual = true, .physical = at("01:00.0")});
	assert_unresolvable(t, "0000:01:00.1: its physical function 0000:01:00.0 is missing");

	t = tree_new();
	tree_add(t, (struct ioas_topology_function){.addr = at("01:00.0"), .iommu = 1});
	assert_unresolvable(t, "0000:01:00.0: behind IOMMU 1 of 1");
}

/* A bus behind the range of all bridges, in front of it, or of another segment, is a root bus. */
static void root_buses_are_in_no_range(void **arg)
{
	struct ioas_topology *t = tree_new();

	bridge(t, "02:01.0", IOAS_TOPOLOGY_ROOT_PORT, 3, 9, false);
	bridge(t, "03:00.0", IOAS_TOPOLOGY_UPSTREAM, 4, 5, false);
	leaf(t, "01:00.0", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "0a:00.0", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "0001:05:00.0", IOAS_TOPOLOGY_ENDPOINT);
	resolve(t);
	assert_null(ioas_topology_above(t, at("01:00.0")));
	assert_null(ioas_topology_above(t, at("0a:00.0")));
	assert_null(ioas_topology_above(t, at("0001:05:00.0")));
	assert_ptr_equal(ioas_topology_above(t, at("03:00.0")),
			 ioas_topology_find(t, at("02:01.0")));
	ioas_topology_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(an_iommu_that_contradicts_itself_is_refused),
		cmocka_unit_test(a_tree_that_is_none_is_refused),
		cmocka_unit_test(root_buses_are_in_no_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
