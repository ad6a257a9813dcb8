/* SPDX-License-Identifier: MIT */
/* Description: who listens is told of each change of a route, once for each device that it is of.
 */
#include <ioas/trace.h>
#include "tests/unit/tlp/rig.h"

static struct ioas_iommu *iommu;
static struct pt *pt[2];
static struct route_set *set;
static struct ioas_device *dev[3];
static char told[600];

/* As "1a:77 attach 0>11": the function, the PASID (-: none), and page tables by their ids. */
static void listen(void *host, const struct ioas_trace_event *event)
{
	static const char *const causes[] = {"attach", "replace", "detach", "no-op", "leave",
					     "bind",   "unbind",  "on",	    "off"};
	size_t at = strlen(told);
	char pasid[12] = "-";

	if (event->kind != IOAS_TRACE_ROUTE)
		return;
	if (event->route.pasid)
		snprintf(pasid, sizeof(pasid), "%u", *event->route.pasid);
	assert_false(event->route.stream);
	assert_int_equal(event->route.from.there, event->route.from.hwpt_id != 0);
	assert_int_equal(event->route.to.there, event->route.to.hwpt_id != 0);
	snprintf(told + at, sizeof(told) - at, "%x:%s %s %u>%u;", event->route.id & 0xff, pasid,
		 causes[event->route.cause], event->route.from.hwpt_id, event->route.to.hwpt_id);
}

static const char *said(void)
{
	static char text[sizeof(told)];

	memcpy(text, told, sizeof(text));
	told[0] = '\0';
	return text;
}

static int setup(void **arg)
{
	static const struct ioas_host_ops ops = {.trace = listen};
	struct ioas_iommu_config config = {.host_ops = &ops};
	struct pt_config pt_config = {.format = PT_AMDV1, .aw = 48};

	assert_int_equal(ioas_iommu_new(&config, &iommu), 0);
	assert_int_equal(route_set_new(iommu, &set), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pt_new(&pt_config, &pt[i]), 0);
		pt_label(pt[i], i + 1, i + 11);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct route_identity who = {.name = "a", .id = 0x201 + i, .set = set};

		assert_int_equal(route_device_create(iommu, &who, &dev[i]), 0);
		assert_int_equal(
			ioas_device_bind(dev[i], IOAS_FORM_RID | IOAS_FORM_PASID, 20, NULL), 0);
	}
	assert_string_equal(said(), "1:- bind 0>0;2:- bind 0>0;3:- bind 0>0;");
	return 0;
}

static int teardown(void **arg)
{
	for (unsigned i = 0; i < 3; i++) {
		ioas_device_unbind(dev[i]);
		route_device_destroy(dev[i]);
	}
	assert_string_equal(said(), "1:- unbind 0>0;2:- unbind 0>0;3:- unbind 0>0;");
	pt_destroy(pt[0]);
	pt_destroy(pt[1]);
	route_set_put(set);
	ioas_iommu_destroy(iommu);
	return 0;
}

static void each_device_is_told_of(const pasid_t *pasid, const char *const want[7])
{
	assert_int_equal(route_attach(dev[0], pasid, pt[0], NULL), 0);
	assert_string_equal(said(), want[0]);
	assert_int_equal(route_attach(dev[1], pasid, pt[0], NULL), 1);
	assert_int_equal(route_attach(dev[2], pasid, pt[0], NULL), 1);
	assert_string_equal(said(), want[1]);
	assert_int_equal(route_attach(dev[1], pasid, pt[1], NULL), 0);
	assert_string_equal(said(), want[2]);
	assert_int_equal(route_attach(dev[0], pasid, pt[1], NULL), 0);
	assert_string_equal(said(), want[3]);
	route_detach(dev[0], pasid);
	route_detach(dev[0], pasid);
	assert_string_equal(said(), want[4]);
	route_detach(dev[1], pasid);
	assert_string_equal(said(), want[5]);
	route_detach(dev[2], pasid);
	assert_string_equal(said(), want[6]);
}

static void routes_without_pasids(void **arg)
{
	static const char *const want[] = {
		"1:- attach 0>11;",
		"2:- no-op 11>11;3:- no-op 11>11;",
		"1:- replace 11>12;3:- replace 11>12;2:- replace 11>12;",
		"1:- no-op 12>12;3:- no-op 12>12;2:- no-op 12>12;",
		"1:- leave 12>12;",
		"2:- leave 12>12;",
		"3:- detach 12>0;",
	};

	each_device_is_told_of(NULL, want);
}

static void routes_of_pasids(void **arg)
{
	static const char *const want[] = {
		"1:77 attach 0>11;",
		"2:77 no-op 11>11;3:77 no-op 11>11;",
		"1:77 replace 11>12;3:77 replace 11>12;2:77 replace 11>12;",
		"1:77 no-op 12>12;3:77 no-op 12>12;2:77 no-op 12>12;",
		"1:77 leave 12>12;",
		"2:77 leave 12>12;",
		"3:77 detach 12>0;",
	};

	each_device_is_told_of(&(pasid_t){77}, want);
}

/* What is refused has changed nothing. */
static void nothing_is_told_of_refusals(void **arg)
{
	const pasid_t far = 1 << 20;

	assert_int_equal(route_attach(dev[0], NULL, pt[0], NULL), 0);
	said();
	assert_int_equal(route_attach(dev[1], NULL, pt[1], NULL), -EINVAL);
	assert_int_equal(route_attach(dev[1], &far, pt[1], NULL), -EINVAL);
	route_detach(dev[1], NULL);
	assert_string_equal(said(), "");
	route_detach(dev[0], NULL);
	assert_string_equal(said(), "1:- detach 11>0;");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(routes_without_pasids),
		TEST(routes_of_pasids),
		TEST(nothing_is_told_of_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
