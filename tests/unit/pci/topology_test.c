/* SPDX-License-Identifier: MIT */
/* Where functions are, how they are numbered and grouped, and what is refused. */
#include <ioas/device.h>
#include <ioas/space.h>
#include <ioas/topology.h>
#include "pci/bus.h"
#include "space/space.h"
#include "toy.h"

struct order {
	char names[16][IOAS_NAME_LEN];
	unsigned nr;
};

static int note(struct ioas_pci *pci, void *arg)
{
	struct order *order = arg;

	ioas_pci_addr_format(ioas_pci_address(pci), order->names[order->nr++]);
	return 0;
}

static int stop_at_second(struct ioas_pci *pci, void *arg)
{
	return ++*(int *)arg == 2 ? 7 : 0;
}

static void addresses_are_parsed(void **state)
{
	static const char *const bad[] = {"",
					  "1",
					  "01:00",
					  "01:20.0",
					  "01:00.8",
					  "0000:01:00.0x",
					  "00000:01:00.0",
					  ":01:00.0",
					  "0000:01:00.",
					  "g1:00.0",
					  "001:00.0"};
	struct ioas_pci_addr addr;
	char text[IOAS_NAME_LEN];

	assert_int_equal(ioas_pci_addr_parse("12ab:fe:1f.7", &addr), 0);
	assert_string_equal(ioas_pci_addr_format(addr, text), "12ab:fe:1f.7");
	assert_int_equal(ioas_pci_addr_parse("01:02.3", &addr), 0);
	assert_string_equal(ioas_pci_addr_format(addr, text), "0000:01:02.3");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ioas_pci_addr_parse(bad[i], &addr), -EINVAL);
}

static void functions_come_in_order_of_address(void **state)
{
	static const char *const added[] = {"ffff:ff:1f.7", "0000:02:00.0", "0001:00:01.0",
					    "ffff:ff:1f.6", "0000:01:00.1", "0000:01:00.0"};
	static const char *const sorted[] = {"0000:01:00.0", "0000:01:00.1", "0000:02:00.0",
					     "0001:00:01.0", "ffff:ff:1f.6", "ffff:ff:1f.7"};
	struct ioas_iommu *iommu = toy_iommu();
	struct order order = {.nr = 0};
	int calls = 0;

	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(toy_add(iommu, added[i], NULL, NULL), 0);
	assert_int_equal(ioas_pci_each(iommu, note, &order), 0);
	assert_int_equal(order.nr, 6);
	for (unsigned i = 0; i < 6; i++) {
		struct ioas_pci_addr addr;

		assert_string_equal(order.names[i], sorted[i]);
		assert_int_equal(ioas_pci_addr_parse(sorted[i], &addr), 0);
		assert_string_equal(pci_find(iommu, addr)->name, sorted[i]);
		assert_ptr_equal(pci_cdev_find(iommu, i), pci_find(iommu, addr));
		assert_int_equal(pci_cdev_index(pci_find(iommu, addr)), i);
	}
	assert_null(pci_find(iommu, (struct ioas_pci_addr){.bus = 3}));
	assert_null(pci_cdev_find(iommu, 6));
	assert_int_equal(ioas_pci_each(iommu, stop_at_second, &calls), 7);
	ioas_iommu_destroy(iommu);
}

static void removing_frees_address_and_model(void **state)
{
	struct ioas_iommu *iommu = toy_iommu();
	bool destroyed = false;
	struct toy *toy, *other;
	struct ioas_why why = {""};
	uint32_t index;

	assert_int_equal(toy_add(iommu, "0000:01:00.0", &toy, NULL), 0);
	toy->destroyed = &destroyed;
	assert_int_equal(toy_add(iommu, "0000:01:00.0", NULL, &why), -EEXIST);
	assert_non_null(strstr(why.text, "0000:01:00.0"));
	assert_int_equal(toy_add(iommu, "0000:02:00.0", &other, NULL), 0);
	index = pci_cdev_index(other->pci);
	ioas_pci_remove(toy->pci);
	assert_true(destroyed);
	assert_null(pci_cdev_find(iommu, 0));
	assert_int_equal(toy_add(iommu, "0000:01:00.0", &toy, NULL), 0);
	assert_int_equal(pci_cdev_index(other->pci), index);
	destroyed = false;
	toy->destroyed = &destroyed;
	ioas_iommu_destroy(iommu);
	assert_true(destroyed);
}

static uint32_t group(struct toy *toy)
{
	return pci_group_number(pci_group_of(toy->pci));
}

static int count_groups(struct pci_group *one, void *arg)
{
	++*(int *)arg;
	return 0;
}

static void a_bus_is_a_group_and_so_is_a_device_on_bus_0(void **state)
{
	struct ioas_iommu *iommu = toy_iommu();
	struct toy *a0, *a1, *b, *c0, *c1, *d;
	int nr = 0;

	assert_int_equal(toy_add(iommu, "01:00.0", &a0, NULL), 0);
	assert_int_equal(toy_add(iommu, "01:03.1", &a1, NULL), 0);
	assert_int_equal(toy_add(iommu, "02:00.0", &b, NULL), 0);
	assert_int_equal(toy_add(iommu, "00:1d.0", &c0, NULL), 0);
	assert_int_equal(toy_add(iommu, "00:1d.2", &c1, NULL), 0);
	assert_int_equal(toy_add(iommu, "00:1e.0", &d, NULL), 0);
	/* 0 and 1 are the root ports of buses 1 and 2. */
	assert_int_equal(group(c0), 2);
	assert_int_equal(group(c1), 2);
	assert_int_equal(group(d), 3);
	assert_int_equal(group(a0), 4);
	assert_int_equal(group(a1), 4);
	assert_int_equal(group(b), 5);
	assert_null(pci_group_find(iommu, 0));
	assert_null(pci_group_find(iommu, 6));
	assert_ptr_equal(pci_group_find(iommu, 4), pci_group_of(a0->pci));
	assert_ptr_equal(pci_group_next(pci_group_of(a0->pci), NULL), a0->pci);
	assert_ptr_equal(pci_group_next(pci_group_of(a0->pci), a0->pci), a1->pci);
	assert_null(pci_group_next(pci_group_of(a0->pci), a1->pci));
	assert_ptr_equal(pci_group_next(pci_group_of(c0->pci), c0->pci), c1->pci);
	assert_null(pci_group_next(pci_group_of(c0->pci), c1->pci));
	pci_group_each(iommu, count_groups, &nr);
	assert_int_equal(nr, 4);
	ioas_pci_remove(b->pci);
	assert_null(pci_group_find(iommu, 5));
	assert_int_equal(toy_add(iommu, "00:1c.0", &b, NULL), 0);
	assert_int_equal(group(b), 6);
	assert_int_equal(group(a0), 4);
	ioas_iommu_destroy(iommu);
}

static void ports_have_places_of_their_own(void **state)
{
	struct ioas_iommu *iommu = toy_iommu();
	bool taken[256] = {true}; /* the host bridge */
	struct ioas_why why;

	for (unsigned bus = 1; bus < 256; bus++) {
		struct ioas_pci_addr port = pci_port_of(0, (uint8_t)bus);

		assert_int_equal(port.bus, 0);
		assert_false(taken[port.devfn]);
		taken[port.devfn] = true;
	}
	assert_int_equal(toy_add(iommu, "0a:00.0", NULL, NULL), 0);
	assert_int_equal(toy_add(iommu, "00:0a.0", NULL, &why), -EEXIST);
	assert_int_equal(toy_add(iommu, "00:0b.0", NULL, NULL), 0);
	assert_int_equal(toy_add(iommu, "0b:00.0", NULL, &why), -EEXIST);
	assert_int_equal(toy_add(iommu, "00:00.0", NULL, &why), -EEXIST);
	assert_int_equal(toy_add(iommu, "0001:00:0a.0", NULL, NULL), 0);
	ioas_iommu_destroy(iommu);
}

static int try_desc(struct ioas_iommu *iommu, const struct ioas_pci_desc *desc)
{
	struct ioas_pci *pci;
	struct ioas_why why = {""};
	int rc = ioas_pci_add(iommu, (struct ioas_pci_addr){.bus = 1}, desc, &toy_ops,
			      calloc(1, sizeof(struct toy)), &pci, &why);

	assert_true(rc == 0 || *why.text);
	if (!rc)
		ioas_pci_remove(pci);
	return rc;
}

static void contradictions_are_refused(void **state)
{
	struct ioas_iommu *iommu = toy_iommu();
	struct toy *model = calloc(1, sizeof(*model));
	struct ioas_pci_desc good = toy_desc, bad;
	struct ioas_pci_addr addr = {.bus = 1};
	struct ioas_pci *pci;
	struct ioas_why why;

#define REFUSED(...)                                                                           \
	do {                                                                                   \
		bad = good;                                                                    \
		__VA_ARGS__;                                                                   \
		assert_int_equal(ioas_pci_add(iommu, addr, &bad, &toy_ops, model, &pci, &why), \
				 -EINVAL);                                                     \
	} while (0)
	REFUSED(bad.bar[0].len = 0x3000);
	REFUSED(bad.bar[3].len = 2048);
	REFUSED(bad.bar[1].len = 4096);
	REFUSED(bad.bar[5].len = 4096, bad.bar[5].flags = IOAS_PCI_BAR_64);
	REFUSED(bad.bar[2].len = 512);
	REFUSED(bad.bar[2].flags |= IOAS_PCI_BAR_64);
	REFUSED(bad.bar[3].len = 1ull << 32);
	REFUSED(bad.msix_nr = 2049);
	REFUSED(bad.msix_bar = 6);
	REFUSED(bad.msix_bar = 2);
	REFUSED(bad.msix_bar = 4);
	REFUSED(bad.msix_table = 0x2004);
	REFUSED(bad.msix_table = 0x3ff0);
	REFUSED(bad.msix_pba = 0x2008);
	REFUSED(bad.intx_pin = 5);
	REFUSED(bad.vendor = 0xffff);
	REFUSED(bad.class_code = 1 << 24);
	REFUSED(bad.pasid_lg2 = 21);
	REFUSED(bad.pasid_lg2 = 0, bad.shared_queue = true);
#undef REFUSED
	free(model);
	assert_int_equal(try_desc(iommu, &good), 0);
	good.msix_nr = 0;
	good.intx_pin = 0;
	good.serial = 0;
	good.pasid_lg2 = 20;
	good.shared_queue = true;
	assert_int_equal(try_desc(iommu, &good), 0);
	ioas_iommu_destroy(iommu);
}

static void suspend_and_resume_reach_every_model(void **state)
{
	struct ioas_iommu *iommu = toy_iommu();
	struct toy *a, *b;

	assert_int_equal(toy_add(iommu, "01:00.0", &a, NULL), 0);
	assert_int_equal(toy_add(iommu, "02:00.0", &b, NULL), 0);
	ioas_iommu_suspend(iommu);
	assert_int_equal(a->suspends + b->suspends, 2);
	ioas_iommu_resume(iommu);
	assert_int_equal(a->resumes + b->resumes, 2);
	ioas_iommu_destroy(iommu);
}

/* With groups=strict a group is one to the IOMMU: its PASIDs could be anybody's. */
static void a_strict_group_has_one_way(void **state)
{
	for (int strict = 0; strict < 2; strict++) {
		struct ioas_iommu_config config = {.groups_strict = strict};
		struct toy *first, *second, *alone;
		struct ioas_iommu *iommu;

		assert_int_equal(ioas_iommu_new(&config, &iommu), 0);
		assert_int_equal(toy_add(iommu, "01:00.0", &first, NULL), 0);
		assert_int_equal(toy_add(iommu, "02:00.0", &alone, NULL), 0);
		assert_int_equal(pci_pasid_lg2(first->pci), 16);
		assert_int_equal(toy_add(iommu, "01:00.1", &second, NULL), 0);
		assert_int_equal(pci_pasid_lg2(first->pci), strict ? 0 : 16);
		assert_int_equal(pci_pasid_lg2(second->pci), strict ? 0 : 16);
		assert_int_equal(pci_pasid_lg2(alone->pci), 16);
		assert_int_equal(first->pci->dev->set == second->pci->dev->set, strict);
		assert_ptr_not_equal(first->pci->dev->set, alone->pci->dev->set);
		ioas_pci_remove(second->pci);
		assert_int_equal(pci_pasid_lg2(first->pci), 16);
		ioas_iommu_destroy(iommu);
	}
}

static int count_group(struct pci_group *group, void *arg)
{
	return ++*(int *)arg == 3 ? 7 : 0;
}

/* Ports have groups with numbers, too, but nobody in them. */
static void groups_of_functions_are_gone_through(void **state)
{
	struct ioas_iommu *iommu = toy_iommu();
	struct ioas_pci_addr port = pci_port_of(0, 1), other = pci_port_of(0, 2);
	struct toy *a, *b, *root;
	struct pci_group *group;
	uint32_t number;
	int nr = 0;

	assert_int_equal(toy_add(iommu, "01:00.1", &b, NULL), 0);
	assert_int_equal(toy_add(iommu, "01:00.0", &a, NULL), 0);
	assert_int_equal(toy_add(iommu, "00:1d.0", &root, NULL), 0);
	group = pci_group_of(a->pci);
	assert_ptr_equal(pci_group_of(b->pci), group);
	assert_ptr_equal(pci_group_next(group, NULL), a->pci);
	assert_ptr_equal(pci_group_next(group, a->pci), b->pci);
	assert_null(pci_group_next(group, b->pci));
	assert_int_equal(pci_group_each(iommu, count_group, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(pci_group_each(iommu, count_group, &nr), 7);
	assert_int_equal(nr, 3);
	number = pci_port_group(iommu, port);
	assert_true(number < 3);
	assert_null(pci_group_find(iommu, number));
	assert_null(pci_group_next(iommu->pci->by_number[number], NULL));
	assert_true(iommu->pci->by_number[number]->is_port);
	assert_int_equal(pci_port_group(iommu, other), UINT32_MAX);
	assert_int_equal(pci_port_group(iommu, root->pci->addr), UINT32_MAX);
	assert_int_equal(pci_port_group(iommu, a->pci->addr), UINT32_MAX);
	assert_ptr_equal(pci_group_find(iommu, pci_group_number(group)), group);
	assert_null(pci_group_find(iommu, 3));
	assert_null(pci_group_find(iommu, UINT32_MAX));
	ioas_pci_remove(a->pci);
	assert_ptr_equal(pci_group_next(group, NULL), b->pci);
	ioas_pci_remove(b->pci);
	assert_null(pci_group_find(iommu, pci_group_number(group)));
	ioas_iommu_destroy(iommu);
}

/* From bus 32 on ports are further functions of the devices that the first ones are. */
static void an_instance_describes_its_ports(void **state)
{
	static const struct {
		const char *addr;
		uint8_t bus;
	} cases[] = {{"1f:00.0", 0x1f}, {"20:00.0", 0x20}, {"21:00.0", 0x21}, {"ff:1f.7", 0xff}};
	struct ioas_iommu *iommu = toy_iommu();
	struct ioas_topology *topology;

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(toy_add(iommu, cases[i].addr, NULL, NULL), 0);
	assert_int_equal(ioas_pci_describe(iommu, &topology, NULL), 0);
	for (unsigned i = 0; i < 4; i++) {
		const struct ioas_topology_function *port =
			ioas_topology_find(topology, pci_port_of(0, cases[i].bus));

		assert_non_null(port);
		assert_int_equal(port->type, IOAS_TOPOLOGY_ROOT_PORT);
		assert_int_equal(port->multifunction, cases[i].bus >= 32);
		assert_int_equal(port->secondary, cases[i].bus);
		assert_int_equal(port->subordinate, cases[i].bus);
		assert_int_equal(ioas_topology_group_of(topology, port->addr) == UINT32_MAX, 0);
	}
	assert_int_equal(ioas_topology_iommu_nr(topology), 1);
	assert_int_equal(ioas_topology_iommu(topology, 0)->aw, iommu->own.table.aw);
	ioas_topology_destroy(topology);
	ioas_iommu_destroy(iommu);
}

/* By its number, and not by another. */
static void a_pasid_is_attached_by_its_number(void **state)
{
	const pasid_t five = 5, zero = 0;
	struct ioas_iommu *iommu = toy_iommu();
	struct ioas_space *space;
	struct ioas_device *dev;
	struct toy *toy;

	assert_int_equal(toy_add(iommu, "0000:01:00.0", &toy, NULL), 0);
	assert_int_equal(ioas_space_new(iommu, &space), 0);
	dev = ioas_pci_device(toy->pci);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 16, NULL), 0);
	assert_int_equal(ioas_pci_attach_pasid(toy->pci, five, space, NULL), 0);
	assert_non_null(route_entry_find(dev->set, &five)->to);
	assert_null(route_entry_find(dev->set, &zero)->to);
	assert_null(route_entry_find(dev->set, NULL)->to);
	assert_int_equal(ioas_pci_attach(toy->pci, space, NULL), 0);
	assert_non_null(route_entry_find(dev->set, NULL)->to);
	ioas_device_detach_pasid(dev, five);
	assert_null(route_entry_find(dev->set, &five));
	assert_non_null(route_entry_find(dev->set, NULL)->to);
	ioas_device_detach(dev);
	ioas_device_unbind(dev);
	ioas_space_put(space);
	ioas_iommu_destroy(iommu);
}

/* A table for a space that is to have no huge pages has none. */
static void tables_are_as_fine_as_their_space(void **state)
{
	for (unsigned huge = 0; huge < 2; huge++) {
		struct ioas_iommu *iommu = toy_iommu();
		struct ioas_space *space;
		struct ioas_device *dev;
		struct toy *toy;

		assert_int_equal(toy_add(iommu, "0000:01:00.0", &toy, NULL), 0);
		assert_int_equal(ioas_space_new(iommu, &space), 0);
		assert_int_equal(space_set_huge_pages(space, huge, NULL), 0);
		dev = ioas_pci_device(toy->pci);
		assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID, 0, NULL), 0);
		assert_int_equal(ioas_pci_attach(toy->pci, space, NULL), 0);
		assert_int_equal(pt_page_sizes(route_entry_find(dev->set, NULL)->to->pt) == 4096,
				 !huge);
		ioas_device_detach(dev);
		ioas_device_unbind(dev);
		ioas_space_put(space);
		ioas_iommu_destroy(iommu);
	}
}

static void what_was_never_made_can_go(void **state)
{
	pci_bus_destroy(NULL);
	pci_machine_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_parsed),
		cmocka_unit_test(functions_come_in_order_of_address),
		cmocka_unit_test(removing_frees_address_and_model),
		cmocka_unit_test(a_bus_is_a_group_and_so_is_a_device_on_bus_0),
		cmocka_unit_test(ports_have_places_of_their_own),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(suspend_and_resume_reach_every_model),
		cmocka_unit_test(a_strict_group_has_one_way),
		cmocka_unit_test(groups_of_functions_are_gone_through),
		cmocka_unit_test(an_instance_describes_its_ports),
		cmocka_unit_test(a_pasid_is_attached_by_its_number),
		cmocka_unit_test(tables_are_as_fine_as_their_space),
		cmocka_unit_test(what_was_never_made_can_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
