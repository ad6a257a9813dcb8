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
	const struct {
		struct ioas_topology_iommu iommu;
		const char *why;
	} cases[] = {
		{{.kind = NULL}, "an IOMMU without a kind"},
		{{.kind = ""}, "an IOMMU without a kind"},
		{{.kind = "soft", .aw = 65}, "IOMMU soft: an address width of 65 bits, at most 64"},
		{{.kind = "soft", .pasid_lg2 = 21}, "IOMMU soft: PASIDs of 21 bits, at most 20"},
		{{.kind = "soft", .reserved_nr = 1}, "IOMMU soft: reserved ranges are missing"},
		{{.kind = "soft", .reserved = &backwards, .reserved_nr = 1},
		 "IOMMU soft: the reserved range 0x2-0x1 ends before it begins"},
	};
	struct ioas_topology *t = tree_new();
	struct ioas_why why;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ioas_topology_add_iommu(t, &cases[i].iommu, &why), -EINVAL);
		assert_string_equal(why.text, cases[i].why);
	}
	assert_int_equal(ioas_topology_iommu_nr(t), 1);
	assert_string_equal(ioas_topology_iommu(t, 0)->kind, "soft");
	assert_null(ioas_topology_iommu(t, 1));
	ioas_topology_destroy(t);
}

/* Each limit is the last that is taken. */
static void what_is_just_within_the_limits_is_taken(void **arg)
{
	static const rid_t alias[1];
	static const struct ioas_range one = {.first = 2, .last = 2};
	const struct ioas_topology_iommu wide = {.kind = "soft",
						 .aw = 64,
						 .pasid_lg2 = IOAS_PASID_BITS,
						 .reserved = &one,
						 .reserved_nr = 1};
	const struct ioas_topology_function functions[] = {
		{.addr = at("00:01.0"), .type = IOAS_TOPOLOGY_TYPE_NR - 1},
		{.addr = at("00:02.0"),
		 .type = IOAS_TOPOLOGY_ROOT_PORT,
		 .secondary = 1,
		 .subordinate = 1},
		{.addr = at("00:03.0"), .type = IOAS_TOPOLOGY_ROOT_PORT, .subordinate = 0},
		{.addr = at("00:04.0"), .class_code = 0xffffff},
		{.addr = at("00:05.0"), .pasid_lg2 = IOAS_PASID_BITS},
		{.addr = at("00:06.0"), .phantom_lg2 = 3},
		{.addr = at("00:07.3"), .phantom_lg2 = 1},
		{.addr = at("00:08.7"), .quirks = 1},
		{.addr = at("00:09.0"), .alias = alias, .alias_nr = 1},
		{.addr = at("00:0a.0"), .acs = true, .acs_cap = 4, .acs_ctrl = 4},
		{.addr = at("00:0b.0"), .acs = true, .acs_cap = 4},
		{.addr = at("00:0c.1"), .is_virtual = true, .physical = at("00:0c.0")},
		{.addr = at("00:0d.1"),
		 .type = IOAS_TOPOLOGY_RC_ENDPOINT,
		 .is_virtual = true,
		 .physical = at("00:0c.0")},
	};
	struct ioas_topology *t = tree_new();

	assert_int_equal(ioas_topology_add_iommu(t, &wide, NULL), 0);
	assert_int_equal(ioas_topology_iommu(t, 1)->reserved[0].last, 2);
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		tree_add(t, functions[i]);
	ioas_topology_destroy(t);
}

static void acs_is_switched_as_far_as_there_is_any(void **arg)
{
	struct ioas_topology *t = tree_new();
	struct ioas_why why;

	leaf(t, "00:01.0", IOAS_TOPOLOGY_ENDPOINT);
	assert_int_equal(ioas_topology_set_acs(t, at("00:01.0"), 0, NULL), 0);
	assert_int_equal(ioas_topology_set_acs(t, at("00:01.0"), 1, &why), -EINVAL);
	assert_string_equal(why.text, "0000:00:01.0: has no ACS capability");
	assert_int_equal(ioas_topology_set_acs(t, at("00:02.0"), 0, &why), -ENOENT);
	assert_string_equal(why.text, "0000:00:02.0: there is no such function");
	bridge(t, "00:02.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 1, true);
	resolve(t);
	assert_int_equal(ioas_topology_set_acs(t, at("00:02.0"), IOAS_ACS_RR, NULL), 0);
	assert_int_equal(ioas_topology_find(t, at("00:02.0"))->acs_ctrl, IOAS_ACS_RR);
	assert_int_equal(ioas_topology_group_nr(t), 0);
	resolve(t);
	assert_int_equal(ioas_topology_set_acs(t, at("00:02.0"), IOAS_ACS_TB, NULL), -EINVAL);
	assert_int_equal(ioas_topology_find(t, at("00:02.0"))->acs_ctrl, IOAS_ACS_RR);
	assert_int_not_equal(ioas_topology_group_nr(t), 0);
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

	/* The upper one of two that reach as far. */
	t = tree_new();
	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 9, false);
	bridge(t, "01:00.0", IOAS_TOPOLOGY_UPSTREAM, 2, 9, false);
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

/* Of all numbers beside each that can have phantom functions: those are refused, no others. */
static void a_phantom_function_is_no_real_one(void **arg)
{
	char name[IOAS_NAME_LEN];

	for (unsigned lg2 = 1; lg2 <= 3; lg2++)
		for (unsigned own = 0; own < 8u >> lg2; own++)
			for (unsigned other = own + 1; other < 8; other++) {
				struct ioas_topology *t = tree_new();
				bool phantom = other % (8u >> lg2) == own;

				tree_add(t, (struct ioas_topology_function){
						    .addr.devfn = (uint8_t)(8 + own),
						    .phantom_lg2 = (uint8_t)lg2});
				snprintf(name, sizeof(name), "00:01.%u", other);
				leaf(t, name, IOAS_TOPOLOGY_ENDPOINT);
				leaf(t, "00:02.7", IOAS_TOPOLOGY_ENDPOINT);
				assert_int_equal(ioas_topology_resolve(t, NULL),
						 phantom ? -EINVAL : 0);
				ioas_topology_destroy(t);
			}
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
		cmocka_unit_test(what_is_just_within_the_limits_is_taken),
		cmocka_unit_test(acs_is_switched_as_far_as_there_is_any),
		cmocka_unit_test(a_tree_that_is_none_is_refused),
		cmocka_unit_test(a_phantom_function_is_no_real_one),
		cmocka_unit_test(root_buses_are_in_no_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
