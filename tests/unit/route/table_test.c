/* SPDX-License-Identifier: MIT */
/* Description: devices are found by segment and requester ID, whatever came and went. */
#include <ioas/topology.h>
#include "tests/unit/tlp/rig.h"

#define LIVE 200

static struct route_set *find_by_force(struct ioas_device **live, uint16_t segment, rid_t rid)
{
	for (int i = 0; i < LIVE; i++)
		if (live[i] && live[i]->id == route_pci_id(segment, rid))
			return live[i]->set;
	return NULL;
}

static struct route_set *find(struct ioas_iommu *iommu, uint16_t segment, rid_t rid)
{
	return route_find(iommu, ROUTE_PCI, route_pci_id(segment, rid));
}

static void lookups_agree_with_a_linear_search(void **arg)
{
	struct ioas_device *live[LIVE] = {0};
	struct ioas_iommu *iommu;
	uint32_t state = 7;

	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_null(find(iommu, 0, 0));
	assert_null(find(iommu, 0xffff, 0xffff));
	for (int round = 0; round < 5000; round++) {
		unsigned at;
		uint16_t segment;
		rid_t rid;

		state = state * 1664525 + 1013904223;
		at = (state >> 8) % LIVE;
		segment = (uint16_t)((state >> 4) % 3 * 0x7f80);
		rid = (rid_t)(state >> 16 & 0x8187);
		if (live[at]) {
			segment = live[at]->segment;
			rid = (rid_t)live[at]->id;
			route_device_destroy(live[at]);
			live[at] = NULL;
			assert_null(find(iommu, segment, rid));
		} else {
			struct route_set *known = find_by_force(live, segment, rid);
			int rc = route_device_new(iommu, "device", segment, rid, &live[at]);

			assert_int_equal(rc, known ? -EEXIST : 0);
		}
		state = state * 1664525 + 1013904223;
		segment = (uint16_t)((state >> 4) % 3 * 0x7f80);
		rid = (rid_t)(state >> 16 & 0x8187);
		assert_ptr_equal(find(iommu, segment, rid), find_by_force(live, segment, rid));
	}
	for (int i = 0; i < LIVE; i++)
		route_device_destroy(live[i]);
	ioas_iommu_destroy(iommu);
}

/* A set is found by every requester ID of its devices, until the last one that has it goes. */
static void devices_of_a_set_share_requester_ids(void **arg)
{
	static const uint32_t both[] = {0x200, 0x208}, first[] = {0x200};
	struct ioas_device *a, *b, *c;
	struct ioas_iommu *iommu;
	struct route_set *set;
	struct route_identity who = {.name = "0000:02:00.0", .id = 0x200};

	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_int_equal(route_set_new(iommu, &set), 0);
	who.set = set;
	who.requester = both;
	who.requester_nr = 2;
	assert_int_equal(route_device_create(iommu, &who, &a), 0);
	who.requester = first;
	who.requester_nr = 1;
	assert_int_equal(route_device_create(iommu, &who, &b), 0);
	assert_ptr_equal(find(iommu, 0, 0x200), set);
	assert_ptr_equal(find(iommu, 0, 0x208), set);
	assert_int_equal(route_device_new(iommu, "other", 0, 0x208, &c), -EEXIST);

	route_device_destroy(a);
	assert_ptr_equal(find(iommu, 0, 0x200), set);
	assert_null(find(iommu, 0, 0x208));
	route_device_destroy(b);
	assert_null(find(iommu, 0, 0x200));
	route_set_put(set);
	ioas_iommu_destroy(iommu);
}

static void stream_ids_and_requester_ids_are_apart(void **arg)
{
	struct ioas_device *pci, *stream, *second;
	struct ioas_iommu *iommu;

	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_int_equal(route_device_new(iommu, "0000:01:00.0", 0, 0x100, &pci), 0);
	assert_int_equal(ioas_stream_new(iommu, "dma@fe000000", 0x100, &stream), 0);
	assert_int_equal(ioas_stream_new(iommu, "dma@fe001000", 0x100, &second), -EEXIST);
	assert_int_equal(ioas_stream_new(iommu, "dma@fe001000", UINT32_MAX, &second), 0);
	assert_ptr_equal(route_find(iommu, ROUTE_PCI, 0x100), pci->set);
	assert_ptr_equal(route_find(iommu, ROUTE_STREAM, 0x100), stream->set);
	assert_ptr_equal(route_find(iommu, ROUTE_STREAM, UINT32_MAX), second->set);
	assert_int_equal(ioas_device_id(second), UINT32_MAX);
	/* No writes that it means for memory are messages. */
	assert_int_equal(pci->msi.first, pci->unit->msi.first);
	assert_true(pci->msi.first <= pci->msi.last);
	assert_true(second->msi.first > second->msi.last);
	ioas_stream_destroy(stream);
	ioas_stream_destroy(second);
	assert_null(route_find(iommu, ROUTE_STREAM, 0x100));
	route_device_destroy(pci);
	ioas_iommu_destroy(iommu);
}

/* By its segment a machine knows it, by the requester ID its bus. */
static void a_function_s_id_is_its_requester_id(void **arg)
{
	struct ioas_device *dev;
	struct ioas_iommu *iommu;

	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_int_equal(route_device_new(iommu, "0003:01:00.0", 3, 0x100, &dev), 0);
	assert_int_equal(ioas_device_id(dev), 0x100);
	assert_int_equal(ioas_device_rid(dev), 0x100);
	assert_ptr_equal(find(iommu, 3, 0x100), dev->set);
	assert_null(find(iommu, 0, 0x100));
	route_device_destroy(dev);
	ioas_iommu_destroy(iommu);
}

/* As who makes several and fails at one lets all of them go. */
static void what_was_never_made_can_go(void **arg)
{
	route_table_destroy(NULL);
	route_wide_destroy(NULL);
	route_shares_destroy(NULL);
	route_set_put(NULL);
	route_device_destroy(NULL);
	ioas_stream_destroy(NULL);
	ioas_topology_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookups_agree_with_a_linear_search),
		cmocka_unit_test(devices_of_a_set_share_requester_ids),
		cmocka_unit_test(stream_ids_and_requester_ids_are_apart),
		cmocka_unit_test(a_function_s_id_is_its_requester_id),
		cmocka_unit_test(what_was_never_made_can_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
