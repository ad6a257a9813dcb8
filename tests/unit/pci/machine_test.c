/* SPDX-License-Identifier: MIT */
/*
 * Description: a described machine: what it says of a function that gets a model, where none can
 * stand, and what its IOMMUs are.
 */
#include "pci/bus.h"
#include "tests/unit/route/tree.h"
#include "toy.h"

static struct ioas_iommu *iommu;
static unsigned fds;

/*
 * IOMMU 0: a port that validates sources, below which are a function and a bridge to a PCI bus with
 * one; a port that does not, with two functions; and a switch, whose ports validate. IOMMU 1: a
 * function, and one of the host's. A function without any.
 */
static struct ioas_topology *describe(void)
{
	static const struct ioas_range holes[] = {
		{0xe0000000, 0xe0000fff}, {0xe2000000, 0xe2ffffff}, {0xf0000000, 0xf0000fff}};
	struct ioas_topology *topology;
	const struct ioas_topology_iommu iommus[] = {
		{.kind = "soft",
		 .aw = 48,
		 .pasid_lg2 = 10,
		 .ats = true,
		 .reserved = holes,
		 .reserved_nr = 2},
		{.kind = "soft", .aw = 39, .reserved = holes + 2, .reserved_nr = 1},
	};

	assert_int_equal(ioas_topology_new(&topology), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(ioas_topology_add_iommu(topology, &iommus[i], NULL), 0);
	bridge(topology, "00:01.0", IOAS_TOPOLOGY_ROOT_PORT, 1, 3, true);
	leaf(topology, "01:00.0", IOAS_TOPOLOGY_ENDPOINT);
	bridge(topology, "01:00.1", IOAS_TOPOLOGY_PCIE_TO_PCI, 2, 2, false);
	leaf(topology, "02:03.0", IOAS_TOPOLOGY_PCI_FUNCTION);
	bridge(topology, "00:02.0", IOAS_TOPOLOGY_ROOT_PORT, 5, 6, false);
	leaf(topology, "05:00.0", IOAS_TOPOLOGY_ENDPOINT);
	tree_add(topology, (struct ioas_topology_function){
				   .addr = at("05:00.2"),
				   .type = IOAS_TOPOLOGY_ENDPOINT,
				   .quirks = IOAS_QUIRK_USES_FUNCTION_0,
			   });
	bridge(topology, "00:03.0", IOAS_TOPOLOGY_ROOT_PORT, 7, 9, true);
	bridge(topology, "07:00.0", IOAS_TOPOLOGY_UPSTREAM, 8, 9, false);
	bridge(topology, "08:00.0", IOAS_TOPOLOGY_DOWNSTREAM, 9, 9, true);
	leaf(topology, "09:00.0", IOAS_TOPOLOGY_ENDPOINT);
	tree_add(topology, (struct ioas_topology_function){
				   .addr = at("00:08.0"),
				   .type = IOAS_TOPOLOGY_RC_ENDPOINT,
				   .iommu = 1,
			   });
	tree_add(topology, (struct ioas_topology_function){
				   .addr = at("00:09.0"),
				   .type = IOAS_TOPOLOGY_RC_ENDPOINT,
				   .iommu = 1,
				   .driver = "nvme",
			   });
	tree_add(topology, (struct ioas_topology_function){
				   .addr = at("00:0a.0"),
				   .type = IOAS_TOPOLOGY_RC_ENDPOINT,
				   .iommu = IOAS_TOPOLOGY_NO_IOMMU,
			   });
	resolve(topology);
	return topology;
}

static int setup_with(const struct ioas_iommu_config *config)
{
	struct ioas_topology *topology = describe();
	int rc;

	fds = fds_open();
	assert_int_equal(ioas_iommu_new(config, &iommu), 0);
	rc = ioas_pci_machine(iommu, topology, NULL);
	ioas_topology_destroy(topology);
	return rc;
}

static int setup(void **state)
{
	return setup_with(NULL);
}

static int setup_strict(void **state)
{
	return setup_with(&(struct ioas_iommu_config){.groups_strict = true});
}

static int teardown(void **state)
{
	ioas_iommu_destroy(iommu);
	assert_int_equal(fds_open(), fds);
	return 0;
}

/* A function with ATS and a shared queue. */
static struct ioas_pci *add(const char *addr)
{
	struct ioas_pci_desc desc = toy_desc;
	struct toy *toy = calloc(1, sizeof(*toy));

	desc.ats = true;
	desc.shared_queue = true;
	assert_int_equal(ioas_pci_add(iommu, at(addr), &desc, &toy_ops, toy, &toy->pci, NULL), 0);
	return toy->pci;
}

static void only_its_free_functions_get_a_model(void **state)
{
	static const struct {
		const char *addr;
		int rc;
		const char *why;
	} cases[] = {
		{"00:04.0", -ENODEV, "0000:00:04.0: the machine has no function there"},
		{"00:01.0", -EINVAL, "which no model stands for"},
		{"01:00.1", -EINVAL, "which no model stands for"},
		{"00:0a.0", -ENODEV,
		 "0000:00:0a.0: no IOMMU is above it, so that no program can drive it"},
		{"00:09.0", -EBUSY, "0000:00:09.0: the host's driver nvme has it"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ioas_why why = {""};

		assert_int_equal(toy_add(iommu, cases[i].addr, NULL, &why), cases[i].rc);
		assert_non_null(strstr(why.text, cases[i].why));
	}
	assert_int_equal(toy_add(iommu, "00:08.0", NULL, NULL), 0);
	assert_int_equal(toy_add(iommu, "00:08.0", NULL, NULL), -EEXIST);
}

static void an_instance_has_one_machine(void **state)
{
	struct ioas_topology *topology = describe(), *empty;
	struct ioas_iommu *other = toy_iommu();
	struct ioas_why why;

	assert_int_equal(ioas_pci_machine(iommu, topology, &why), -EBUSY);
	assert_int_equal(ioas_topology_new(&empty), 0);
	assert_int_equal(ioas_topology_resolve(empty, NULL), 0);
	assert_null(ioas_pci_topology(other));
	assert_int_equal(ioas_pci_machine(other, empty, &why), -EINVAL);
	assert_string_equal(why.text, "the machine has no IOMMU");
	assert_int_equal(toy_add(other, "01:00.0", NULL, NULL), 0);
	assert_int_equal(ioas_pci_machine(other, topology, &why), -EBUSY);
	assert_null(ioas_pci_topology(other));
	assert_non_null(ioas_pci_topology(iommu));
	ioas_iommu_destroy(other);
	ioas_topology_destroy(empty);
	ioas_topology_destroy(topology);
}

static bool has(const struct ioas_range *ranges, size_t nr, uint64_t first)
{
	for (size_t i = 0; i < nr; i++)
		if (ranges[i].first == first)
			return true;
	return false;
}

static void all_of_its_iommus_reserve(void **state)
{
	const struct kind_unit *a = pci_unit_at(iommu, 0), *b = pci_unit_at(iommu, 1);
	struct ioas_pci *first = add("01:00.0"), *second = add("00:08.0");
	size_t nr;
	const struct ioas_range *all = pci_reserved(iommu, &nr);

	assert_true(a && b && a != b);
	assert_null(pci_unit_at(iommu, 2));
	assert_string_not_equal(a->name, b->name);
	assert_int_equal(nr, a->reserved_nr + b->reserved_nr);
	assert_true(has(all, nr, 0xe0000000) && has(all, nr, 0xe2000000) &&
		    has(all, nr, 0xf0000000));
	assert_true(has(first->reserved, first->reserved_nr, 0xe2000000));
	assert_false(has(first->reserved, first->reserved_nr, 0xf0000000));
	assert_true(has(second->reserved, second->reserved_nr, 0xf0000000));
	assert_false(has(second->reserved, second->reserved_nr, 0xe0000000));
	assert_ptr_equal(pci_group_unit(iommu, pci_group_number(pci_group_of(first))), a);
	assert_ptr_equal(pci_group_unit(iommu, pci_group_number(pci_group_of(second))), b);
	assert_ptr_equal(first->dev->unit, a);
	assert_ptr_equal(second->dev->unit, b);
	/* What goes through any of them is to go through all. */
	assert_int_equal(iommu->aw, 39);
	assert_ptr_equal(iommu->unit, a);
}

static void without_a_machine_there_is_one_iommu(void **state)
{
	struct ioas_iommu *other = toy_iommu();
	size_t nr;

	assert_ptr_equal(pci_unit_at(other, 0), &other->own);
	assert_null(pci_unit_at(other, 1));
	assert_ptr_equal(pci_group_unit(other, 7), &other->own);
	assert_ptr_equal(pci_reserved(other, &nr), other->own.reserved);
	assert_int_equal(nr, other->own.reserved_nr);
	ioas_iommu_destroy(other);
}

/* The port that validates lets out the bus numbers below it; what a bridge puts on TLPs is its. */
static void requester_ids_are_those_of_the_tree(void **state)
{
	struct ioas_pci *pci = add("01:00.0"), *old = add("02:03.0");
	struct ioas_pci *first = add("05:00.0"), *third = add("05:00.2"), *deep = add("09:00.0");

	assert_int_equal(deep->source.first, 9); /* the nearest one's */
	assert_int_equal(deep->source.last, 9);
	assert_int_equal(pci->source.first, 1);
	assert_int_equal(pci->source.last, 3);
	assert_false(pci->source.rewritten);
	assert_int_equal(pci->dev->id, 0x100);
	assert_int_equal(old->source.first, 1);
	assert_int_equal(old->source.last, 3);
	assert_true(old->source.rewritten);
	assert_int_equal(old->dev->id, 0x200);
	assert_int_equal(first->source.first, 0);
	assert_int_equal(first->source.last, 255);
	assert_int_equal(third->dev->id, 0x500);
	assert_ptr_equal(first->dev->set, third->dev->set);
	assert_ptr_not_equal(first->dev->set, pci->dev->set);
	/* Answers come only to who can be named. */
	assert_non_null(pci->dev->ats);
	assert_non_null(first->dev->ats);
	assert_null(old->dev->ats);
	assert_null(third->dev->ats);
}

/* As many as the IOMMU takes, and none where a bridge does not carry them. */
static void pasids_are_those_that_get_through(void **state)
{
	struct ioas_pci *pci = add("01:00.0"), *old = add("02:03.0"), *root = add("00:08.0");

	assert_int_equal(pci->desc.pasid_lg2, 10);
	assert_true(pci->desc.shared_queue);
	assert_int_equal(old->desc.pasid_lg2, 0);
	assert_false(old->desc.shared_queue);
	assert_int_equal(root->desc.pasid_lg2, 0); /* its IOMMU takes none */
	assert_int_equal(add("05:00.0")->desc.pasid_lg2, 10);
}

/* Where a group is one to the IOMMU, what does not come to it alone has none. */
static void strict_groups_share_what_they_have(void **state)
{
	struct ioas_pci *first = add("05:00.0"), *third = add("05:00.2"), *pci = add("01:00.0");

	assert_ptr_equal(first->dev->set, third->dev->set);
	assert_ptr_not_equal(pci->dev->set, first->dev->set);
	assert_int_equal(first->desc.pasid_lg2, 0);
	assert_int_equal(pci_pasid_lg2(first), 0);
	assert_int_equal(pci_pasid_lg2(pci), 10);
}

static void groups_that_the_host_is_in_are_not_viable(void **state)
{
	struct ioas_pci *pci = add("00:08.0");
	uint32_t number = ioas_topology_group_of(ioas_pci_topology(iommu), at("00:09.0"));
	struct pci_group *host = iommu->pci->by_number[number];
	struct ioas_why why = {""};

	assert_int_equal(pci_group_check(pci_group_of(pci), &why), 0);
	assert_string_equal(why.text, "");
	assert_int_equal(pci_group_check(host, &why), -EPERM);
	assert_non_null(strstr(why.text, "is not viable: the host's driver nvme has 0000:00:09.0"));
	/* Only those with a model are found. */
	assert_null(pci_group_find(iommu, number));
	assert_ptr_equal(pci_group_find(iommu, pci_group_number(pci_group_of(pci))),
			 pci_group_of(pci));
	assert_null(pci_group_find(iommu, iommu->pci->group_nr));
	assert_ptr_equal(pci_group_next(pci_group_of(pci), NULL), pci);
	assert_null(pci_group_next(pci_group_of(pci), pci));
	assert_null(pci_group_next(host, NULL));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(only_its_free_functions_get_a_model),
		TEST(an_instance_has_one_machine),
		TEST(all_of_its_iommus_reserve),
		TEST(without_a_machine_there_is_one_iommu),
		TEST(requester_ids_are_those_of_the_tree),
		TEST(pasids_are_those_that_get_through),
		cmocka_unit_test_setup_teardown(strict_groups_share_what_they_have, setup_strict,
						teardown),
		TEST(groups_that_the_host_is_in_are_not_viable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
