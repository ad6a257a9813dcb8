/* SPDX-License-Identifier: MIT */
/* Description: devices are found by segment and requester ID, whatever came and went. */
#include "tests/unit/tlp/rig.h"

#define LIVE 200

static struct ioas_device *find_by_force(struct ioas_device **live, uint16_t segment, rid_t rid)
{
	for (int i = 0; i < LIVE; i++)
		if (live[i] && live[i]->segment == segment && live[i]->rid == rid)
			return live[i];
	return NULL;
}

static void lookups_agree_with_a_linear_search(void **arg)
{
	struct ioas_device *live[LIVE] = {0};
	struct ioas_iommu *iommu;
	uint32_t state = 7;

	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_null(route_find(iommu, 0, 0));
	assert_null(route_find(iommu, 0xffff, 0xffff));
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
			rid = live[at]->rid;
			route_device_destroy(live[at]);
			live[at] = NULL;
			assert_null(route_find(iommu, segment, rid));
		} else {
			struct ioas_device *known = find_by_force(live, segment, rid);
			int rc = route_device_new(iommu, "device", segment, rid, &live[at]);

			assert_int_equal(rc, known ? -EEXIST : 0);
		}
		state = state * 1664525 + 1013904223;
		segment = (uint16_t)((state >> 4) % 3 * 0x7f80);
		rid = (rid_t)(state >> 16 & 0x8187);
		assert_ptr_equal(route_find(iommu, segment, rid),
				 find_by_force(live, segment, rid));
	}
	for (int i = 0; i < LIVE; i++)
		route_device_destroy(live[i]);
	ioas_iommu_destroy(iommu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookups_agree_with_a_linear_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
