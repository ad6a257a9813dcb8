/* SPDX-License-Identifier: MIT */
/* Description: which functions reach each other past the IOMMU; copies of a machine, without memory
 * too. */
#include <stdio.h>
#include "tests/unit/heap.h"
#include "tests/unit/route/tree.h"
#include "util/inject.h"

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

/* A function, and a port for what comes from below it and goes back there. */
static void a_quirk_keeps_apart_as_acs_does(void **arg)
{
	struct ioas_topology_function port = {.addr = at("00:01.0"),
					      .type = IOAS_TOPOLOGY_ROOT_PORT,
					      .secondary = 1,
					      .subordinate = 1};

	for (unsigned i = 0; i < 2; i++) {
		struct ioas_topology *t = tree_new();

		port.quirks = i ? IOAS_QUIRK_ISOLATED : 0;
		tree_add(t, port);
		tree_add(t, (struct ioas_topology_function){.addr = at("01:00.0"),
							    .multifunction = true,
							    .quirks = IOAS_QUIRK_ISOLATED});
		leaf(t, "01:00.1", IOAS_TOPOLOGY_ENDPOINT);
		resolve(t);
		assert_turn(t, "01:00.0", "01:00.1", i ? NULL : "0000:00:01.0");
		assert_turn(t, "01:00.1", "01:00.0", "0000:01:00.1");
		ioas_topology_destroy(t);
	}
}

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

/* With the 1st, 2nd, ... allocation failing, until all is there. */
static unsigned copy_without_memory(const struct ioas_topology *from)
{
	struct ioas_topology *copy;
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
	return nth;
}

/* And leaves nothing, but for what glibc keeps. */
static void no_memory_is_an_error_and_no_more(void **arg)
{
	struct ioas_topology *from = two_ports();
	struct ioas_topology_function many = {.addr = at("00:03.0"), .alias_nr = 20};
	size_t used = 0;
	rid_t alias[20];

	/* More requester IDs than have room without memory. */
	for (unsigned i = 0; i < many.alias_nr; i++)
		alias[i] = (rid_t)(0x0019 + i);
	many.alias = alias;
	tree_add(from, many);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(copy_without_memory(from) > 50);
		if (i == 10)
			used = heap_used();
	}
	assert_false(heap_grew(used, 9));
	ioas_topology_destroy(from);
}

static void resolved_anew_a_topology_takes_no_more(void **arg)
{
	struct ioas_topology *t = two_ports();
	size_t used = 0;

	leaf(t, "00:04.0", IOAS_TOPOLOGY_ENDPOINT);
	for (unsigned i = 0; i < 20; i++) {
		resolve(t);
		assert_int_equal(ioas_topology_set_acs(t, at("00:01.0"), i & 1, NULL), 0);
		resolve(t);
		if (i == 10)
			used = heap_used();
	}
	assert_false(heap_grew(used, 9));
	ioas_topology_destroy(t);
}

/* A virtual function is at the root that its physical one is at, by whatever bus number. */
static void virtual_functions_turn_at_their_root(void **arg)
{
	struct ioas_topology *t = tree_new();
	struct ioas_topology_function vf = {.is_virtual = true, .physical = at("00:02.0")};

	bridge(t, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 1, false);
	leaf(t, "01:00.0", IOAS_TOPOLOGY_ENDPOINT);
	leaf(t, "00:02.0", IOAS_TOPOLOGY_RC_ENDPOINT);
	leaf(t, "20:02.0", IOAS_TOPOLOGY_RC_ENDPOINT);
	vf.addr = at("20:00.0");
	tree_add(t, vf);
	resolve(t);
	assert_turn(t, "01:00.0", "00:02.0", "0000:00:01.0");
	assert_turn(t, "01:00.0", "20:00.0", "0000:00:01.0");
	assert_turn(t, "01:00.0", "20:02.0", NULL);
	ioas_topology_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(virtual_functions_turn_at_their_root),
		cmocka_unit_test(peers_meet_where_acs_is_off),
		cmocka_unit_test(a_quirk_keeps_apart_as_acs_does),
		cmocka_unit_test(a_copy_is_independent),
		cmocka_unit_test(resolved_anew_a_topology_takes_no_more),
		cmocka_unit_test(no_memory_is_an_error_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
