/* SPDX-License-Identifier: MIT */
/* Description: binding declares, attaching routes, and a space's table is shared and freed with its
 * last user. */
#include "kind/unit.h"
#include "tests/unit/tlp/rig.h"
#include "util/inject.h"

static struct ioas_iommu *iommu;

static int setup(void **arg)
{
	return ioas_iommu_new(NULL, &iommu);
}

static int teardown(void **arg)
{
	ioas_iommu_destroy(iommu);
	return 0;
}

static struct ioas_device *device(rid_t rid)
{
	struct ioas_device *dev;

	assert_int_equal(route_device_new(iommu, "0000:01:00.0", 0, rid, &dev), 0);
	return dev;
}

static void a_device_binds_once_and_declares_known_forms(void **arg)
{
	struct ioas_device *dev = device(0x100);
	struct ioas_why why = {""};

	assert_string_equal(ioas_device_name(dev), "0000:01:00.0");
	assert_int_equal(ioas_device_rid(dev), 0x100);
	assert_int_equal(ioas_device_bind(dev, 1 << 5, 0, &why), -EINVAL);
	assert_non_null(strstr(why.text, "0x20"));
	assert_int_equal(ioas_device_bind(dev, 0, 0, &why), 0);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID, 0, &why), -EBUSY);
	assert_non_null(strstr(why.text, "0000:01:00.0"));
	ioas_device_unbind(dev);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID, 0, &why), 0);
	ioas_device_unbind(dev);
	route_device_destroy(dev);
}

static void only_a_device_that_sends_requests_is_attached(void **arg)
{
	struct ioas_device *dev = device(0x100);
	struct ioas_space space = {0};
	struct ioas_why why;

	assert_int_equal(ioas_device_attach(dev, &space, &why), -EINVAL);
	assert_non_null(strstr(why.text, "no driver"));
	assert_int_equal(ioas_device_bind(dev, 0, 0, NULL), 0);
	assert_int_equal(ioas_device_attach(dev, &space, &why), -EINVAL);
	assert_non_null(strstr(why.text, "declared no requests"));
	assert_int_equal(space.refs + space.domains, 0);
	ioas_device_detach(dev);
	ioas_device_unbind(dev);
	route_device_destroy(dev);
}

static void devices_of_one_space_share_a_table(void **arg)
{
	struct ioas_device *a = device(0x100), *b = device(0x101);
	struct ioas_space first = {0}, second = {0};

	assert_int_equal(ioas_device_bind(a, IOAS_FORM_RID, 0, NULL), 0);
	assert_int_equal(ioas_device_bind(b, IOAS_FORM_RID, 0, NULL), 0);
	assert_int_equal(ioas_device_attach(a, &first, NULL), 0);
	assert_int_equal(ioas_device_attach(b, &first, NULL), 0);
	assert_int_equal(ioas_device_attach(b, &first, NULL), 0);
	assert_int_equal(first.domains, 1);
	assert_int_equal(first.refs, 1);
	assert_ptr_equal(a->set->untagged.to, pt_target(first.last_pt));
	assert_ptr_equal(b->set->untagged.to, pt_target(first.last_pt));

	assert_int_equal(ioas_device_attach(b, &second, NULL), 0);
	assert_int_equal(first.domains, 1);
	assert_int_equal(second.domains, 1);
	assert_ptr_equal(b->set->untagged.to, pt_target(second.last_pt));
	ioas_device_detach(a);
	assert_null(a->set->untagged.to);
	assert_int_equal(first.domains, 0);
	assert_int_equal(first.refs, 0);
	ioas_device_detach(b);
	ioas_device_detach(b);
	assert_int_equal(second.domains, 0);
	assert_int_equal(second.refs, 0);
	ioas_device_unbind(a);
	ioas_device_unbind(b);
	route_device_destroy(a);
	route_device_destroy(b);
}

static void a_failed_attach_leaves_the_old_route(void **arg)
{
	struct ioas_device *dev = device(0x100);
	struct ioas_space good = {0}, bad = {.attach_error = -EADDRINUSE};

	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID, 0, NULL), 0);
	assert_int_equal(ioas_device_attach(dev, &good, NULL), 0);
	assert_int_equal(ioas_device_attach(dev, &bad, NULL), -EADDRINUSE);
	assert_ptr_equal(dev->set->untagged.to, pt_target(good.last_pt));
	assert_int_equal(good.domains, 1);
	assert_int_equal(bad.refs + bad.domains, 0);
	ioas_device_detach(dev);
	ioas_device_unbind(dev);
	route_device_destroy(dev);
}

static void a_table_of_ones_own_replaces_the_shared_one(void **arg)
{
	struct pt_config config = {.format = PT_AMDV1, .aw = 48};
	struct ioas_device *dev = device(0x100);
	struct ioas_space space = {0};
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID, 0, NULL), 0);
	assert_int_equal(ioas_device_attach(dev, &space, NULL), 0);
	assert_int_equal(route_attach(dev, NULL, pt, NULL), 0);
	assert_ptr_equal(dev->set->untagged.to, pt_target(pt));
	assert_int_equal(space.refs + space.domains, 0);
	route_detach(dev, NULL);
	ioas_device_unbind(dev);
	route_device_destroy(dev);
	pt_destroy(pt);
}

/* One that cannot be made is not known, by none of its requester IDs, which others may have then.
 */
static void a_device_is_made_whole_or_not_at_all(void **arg)
{
	static const uint32_t ids[] = {0x100, 0x4200, 0x8300};
	struct kind_unit unit;
	const struct ioas_topology_iommu spec = {.kind = "soft", .ats = true, .pri = true};
	struct route_identity who = {.name = "0000:01:00.0",
				     .id = 0x100,
				     .requester = ids,
				     .requester_nr = 3,
				     .unit = &unit,
				     .ats = true,
				     .page_request_nr = 4};
	struct ioas_device *dev, *other;
	unsigned n;
	int rc = -ENOMEM;

	assert_int_equal(kind_unit_init(&unit, iommu, &spec, 0, NULL), 0);
	for (n = 1; rc; n++) {
		inject_arm(n);
		rc = route_device_create(iommu, &who, &dev);
		inject_arm(0);
		assert_true(!rc || rc == -ENOMEM);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(route_find(iommu, ROUTE_PCI, ids[i]) != NULL, !rc);
	}
	assert_true(n > 5);
	assert_non_null(dev->counters);
	assert_non_null(dev->ats);
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(route_find(iommu, ROUTE_PCI, ids[i]), dev->set);
	assert_int_equal(route_device_new(iommu, "b", 0, 0x4200, &other), -EEXIST);
	route_device_destroy(dev);
	for (unsigned i = 0; i < 3; i++)
		assert_null(route_find(iommu, ROUTE_PCI, ids[i]));
	assert_int_equal(route_device_new(iommu, "b", 0, 0x4200, &other), 0);
	route_device_destroy(other);
	kind_unit_fini(&unit);
}

/* Behind whatever IOMMU: of the address bits that all of the machine's have. */
static void a_machine_wide_pasid_has_one_table(void **arg)
{
	const struct ioas_topology_iommu spec = {.kind = "soft", .aw = 39, .pasid_lg2 = 20};
	struct route_identity first = {.name = "a", .id = 0x100},
			      second = {.name = "b", .id = 0x200};
	struct ioas_space space = {0};
	struct ioas_device *a, *b;
	unsigned aw = iommu->aw;
	struct kind_unit unit;

	assert_int_equal(kind_unit_init(&unit, iommu, &spec, 1, NULL), 0);
	iommu->aw = 39;
	second.unit = &unit;
	assert_int_equal(route_device_create(iommu, &first, &a), 0);
	assert_int_equal(route_device_create(iommu, &second, &b), 0);
	assert_true(a->aw > b->aw);
	assert_int_equal(ioas_device_bind(a, IOAS_FORM_SHARED_QUEUE, 20, NULL), 0);
	assert_int_equal(ioas_device_bind(b, IOAS_FORM_SHARED_QUEUE, 20, NULL), 0);
	assert_int_equal(ioas_device_attach_pasid(a, 5, &space, NULL), 0);
	assert_int_equal(ioas_device_attach_pasid(b, 5, &space, NULL), 0);
	assert_int_equal(space.domains, 1);
	assert_int_equal(pt_aw(space.last_pt), 39);
	ioas_device_detach_pasid(a, 5);
	assert_int_equal(space.domains, 1);
	ioas_device_detach_pasid(b, 5);
	assert_int_equal(space.domains, 0);
	iommu->aw = aw;
	ioas_device_unbind(a);
	ioas_device_unbind(b);
	route_device_destroy(a);
	route_device_destroy(b);
	kind_unit_fini(&unit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_binds_once_and_declares_known_forms),
		cmocka_unit_test(only_a_device_that_sends_requests_is_attached),
		cmocka_unit_test(devices_of_one_space_share_a_table),
		cmocka_unit_test(a_failed_attach_leaves_the_old_route),
		cmocka_unit_test(a_device_is_made_whole_or_not_at_all),
		cmocka_unit_test(a_table_of_ones_own_replaces_the_shared_one),
		cmocka_unit_test(a_machine_wide_pasid_has_one_table),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
