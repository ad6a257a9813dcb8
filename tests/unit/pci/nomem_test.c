/* SPDX-License-Identifier: MIT */
/*
 * Description: a function is added with the first, second, ... allocation failing until none fails:
 * every failure is -ENOMEM with a reason, and leaves the address free. Numbering never allocates. A
 * machine that cannot be had leaves the instance one without; a view of /sys says that it is not
 * whole. The linker puts the __wrap_ functions in front of the allocator (see meson.build).
 */
#include <ftw.h>
#include "toy.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/route/tree.h"

static int fuse;  /* allocations until one fails, and all after it; 0: none does */
static bool once; /* only that one */

static bool should_fail(void)
{
	if (fuse != 1) {
		fuse -= fuse > 1;
		return false;
	}
	if (once)
		fuse = 0;
	return true;
}

static void a_failed_add_leaves_nothing(void **state)
{
	struct ioas_iommu *iommu = toy_iommu();
	struct toy *toy = calloc(1, sizeof(*toy));
	struct ioas_pci_addr addr = {.segment = 7, .bus = 9};
	int tries = 0, rc;

	do {
		struct ioas_why why = {""};

		fuse = ++tries;
		rc = ioas_pci_add(iommu, addr, &toy_desc, &toy_ops, toy, &toy->pci, &why);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			assert_true(*why.text);
			assert_null(pci_find(iommu, addr));
		}
	} while (rc);
	/* Levels and groups that were made stay for the next try. */
	assert_true(tries > 4);
	fuse = 1;
	assert_int_equal(pci_cdev_index(toy->pci), 0);
	assert_int_equal(pci_group_number(pci_group_of(toy->pci)), 1);
	fuse = 0;
	ioas_iommu_destroy(iommu);
}

/* When there is memory again right after it, too. */
static void expect_all_said(bool strict)
{
	struct ioas_pci_addr addr = {.segment = 7, .bus = 9};
	struct ioas_iommu_config config = {.groups_strict = strict};
	int tries = 0, rc;

	once = true;
	do {
		struct toy *toy = calloc(1, sizeof(*toy));
		struct ioas_why why = {""};
		struct ioas_iommu *iommu;

		assert_int_equal(ioas_iommu_new(&config, &iommu), 0);
		fuse = ++tries;
		rc = ioas_pci_add(iommu, addr, &toy_desc, &toy_ops, toy, &toy->pci, &why);
		assert_int_equal(rc, fuse ? 0 : -ENOMEM);
		fuse = 0;
		if (rc)
			free(toy);
		ioas_iommu_destroy(iommu);
	} while (rc);
	once = false;
	assert_true(tries > 8);
}

static void whatever_fails_is_said(void **state)
{
	expect_all_said(false);
	expect_all_said(true); /* where a group has routes of its own */
}

static void numbers_survive_hunger(void **state)
{
	struct ioas_iommu *iommu = toy_iommu();
	struct toy *toys[100];
	char addr[IOAS_NAME_LEN];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(addr, sizeof(addr), "%02x:00.0", i + 1);
		assert_int_equal(toy_add(iommu, addr, &toys[i], NULL), 0);
	}
	ioas_pci_remove(toys[50]->pci);
	fuse = 1;
	for (unsigned i = 0; i < 100; i++) {
		if (i == 50)
			continue;
		assert_int_equal(pci_cdev_index(toys[i]->pci), i < 50 ? i : i - 1);
		assert_int_equal(pci_group_number(pci_group_of(toys[i]->pci)), 100 + i);
	}
	fuse = 0;
	ioas_iommu_destroy(iommu);
}

static struct ioas_topology *two_ports(void)
{
	struct ioas_topology *topology = tree_new();

	bridge(topology, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 1, true);
	leaf(topology, "01:00.0", IOAS_TOPOLOGY_ENDPOINT);
	bridge(topology, "00:02.0", IOAS_TOPOLOGY_ROOT_PORT, 2, 2, true);
	leaf(topology, "02:00.0", IOAS_TOPOLOGY_ENDPOINT);
	resolve(topology);
	return topology;
}

/* Whatever it had got of it: functions go where they would go without. */
static void a_failed_machine_leaves_none(void **state)
{
	struct ioas_topology *topology = two_ports();
	int tries = 0, rc;

	once = true;
	do {
		struct ioas_iommu *iommu = toy_iommu();
		struct toy *toy;

		fuse = ++tries;
		rc = ioas_pci_machine(iommu, topology, NULL);
		assert_int_equal(rc, fuse ? 0 : -ENOMEM);
		fuse = 0;
		/* Where only an instance without one has room. */
		assert_int_equal(toy_add(iommu, "03:00.0", &toy, NULL), rc ? 0 : -ENODEV);
		if (rc)
			assert_int_equal(pci_group_number(pci_group_of(toy->pci)), 1);
		ioas_iommu_destroy(iommu);
	} while (rc);
	once = false;
	assert_true(tries > 12);
	ioas_topology_destroy(topology);
}

/* At the second attempt it is had. */
static void a_machine_can_be_asked_for_again(void **state)
{
	struct ioas_topology *topology = two_ports();
	struct ioas_iommu *iommu = toy_iommu();
	int tries = 0, rc;
	struct toy *toy;

	do {
		fuse = ++tries;
		rc = ioas_pci_machine(iommu, topology, NULL);
		fuse = 0;
	} while (rc);
	assert_int_equal(toy_add(iommu, "02:00.0", &toy, NULL), 0);
	assert_int_equal(pci_group_number(pci_group_of(toy->pci)),
			 ioas_topology_group_of(topology, at("02:00.0")));
	ioas_iommu_destroy(iommu);
	ioas_topology_destroy(topology);
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(name);
}

static void a_view_that_is_not_whole_is_an_error(void **state)
{
	char root[] = "/tmp/ioas-nomem-XXXXXX";
	struct ioas_iommu *iommu = toy_iommu();
	int tries = 0, rc;

	assert_non_null(mkdtemp(root));
	assert_int_equal(toy_add(iommu, "01:00.0", NULL, NULL), 0);
	once = true;
	do {
		fuse = ++tries;
		rc = ioas_pci_sysfs_write(iommu, root);
		assert_int_equal(rc, fuse ? 0 : -ENOMEM);
		fuse = 0;
	} while (rc);
	once = false;
	assert_true(tries > 6);
	assert_int_equal(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	ioas_iommu_destroy(iommu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_add_leaves_nothing),
		cmocka_unit_test(whatever_fails_is_said),
		cmocka_unit_test(numbers_survive_hunger),
		cmocka_unit_test(a_failed_machine_leaves_none),
		cmocka_unit_test(a_machine_can_be_asked_for_again),
		cmocka_unit_test(a_view_that_is_not_whole_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
