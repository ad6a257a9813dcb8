/* SPDX-License-Identifier: MIT */
/* Description: page requests of a device in a queue: whole groups, as they came, or none. */
#include "rig.h"
#include "route/route.h"
#include "util/inject.h"

struct answers {
	unsigned nr;
	uint64_t tag;
	uint32_t grpid, code;
};

static void respond(void *arg, uint64_t tag, uint32_t grpid, uint32_t code)
{
	struct answers *answers = arg;

	*answers = (struct answers){answers->nr + 1, tag, grpid, code};
}

/* The first device's requests go to a page table with a queue. */
static struct obj_fault *queue_for(struct rig *r)
{
	struct obj_hwpt *hwpt = hwpt_new(r, 0);
	struct obj_fault *fault;
	uint32_t pt_id = hwpt->obj.id;

	assert_int_equal(obj_fault_alloc(r->ctx, &fault), 0);
	obj_finalize(obj_of_fault(fault));
	pthread_mutex_lock(&r->ctx->lock);
	obj_hwpt_set_fault_locked(hwpt, fault);
	pthread_mutex_unlock(&r->ctx->lock);
	assert_int_equal(obj_device_attach(r->device[0], &pt_id, &r->why), 0);
	return fault;
}

static int send(struct rig *r, uint32_t grpid, uint64_t tag, uint64_t addr, bool last,
		struct answers *answers)
{
	const struct obj_page_request request = {
		.grpid = grpid, .addr = addr, .tag = tag, .last = last, .perm = 1};

	return obj_fault_report(r->device[0], false, 0, &request, respond, answers);
}

/* The next group has these addresses, and is answered. */
static void expect_group(struct obj_fault *fault, uint32_t grpid, const uint64_t *addr, size_t nr)
{
	struct obj_fault_group *group;
	const struct iommu_hwpt_pgfault *record;
	size_t got;
	uint32_t cookie;

	assert_int_equal(obj_fault_read(fault, nr, &group), 1);
	record = obj_fault_records(group, &got);
	assert_int_equal(got, nr);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(record[i].addr, addr[i]);
		assert_int_equal(record[i].grpid, grpid);
		assert_int_equal(!!(record[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE), i == nr - 1);
	}
	cookie = record[0].cookie;
	obj_fault_read_end(fault, group, true);
	assert_int_equal(obj_fault_respond(fault, cookie, IOMMUFD_PAGE_RESP_SUCCESS), 0);
	assert_int_equal(obj_fault_respond(fault, cookie, IOMMUFD_PAGE_RESP_SUCCESS), -EINVAL);
}

static void expect_none(struct obj_fault *fault)
{
	struct obj_fault_group *group;

	assert_int_equal(obj_fault_read(fault, 100, &group), 0);
}

static void a_group_comes_when_it_is_whole(void **state)
{
	static const uint64_t first[] = {0x1000, 0x2000, 0x3000}, second[] = {0x9000};
	struct rig *r = *state;
	struct obj_fault *fault = queue_for(r);
	struct obj_fault_group *group;
	struct answers answers = {0};

	assert_int_equal(send(r, 7, 1, 0x1000, false, &answers), 0);
	assert_int_equal(send(r, 7, 1, 0x2000, false, &answers), 0);
	expect_none(fault);
	assert_int_equal(send(r, 8, 1, 0x9000, true, &answers), 0);
	assert_int_equal(send(r, 7, 1, 0x3000, true, &answers), 0);
	expect_group(fault, 8, second, 1);
	assert_int_equal(answers.grpid, 8);
	assert_int_equal(obj_fault_read(fault, 2, &group), -EINVAL); /* no room */
	expect_group(fault, 7, first, 3);
	assert_int_equal(answers.nr, 2);
	assert_int_equal(answers.grpid, 7);
	assert_int_equal(answers.code, IOMMUFD_PAGE_RESP_SUCCESS);
	expect_none(fault);
}

/* Another tag begins the group anew. */
static void what_was_begun_anew_has_no_old_part(void **state)
{
	static const uint64_t want[] = {0x2000, 0x3000};
	struct rig *r = *state;
	struct obj_fault *fault = queue_for(r);
	struct answers answers = {0};

	assert_int_equal(send(r, 7, 1, 0x1000, false, &answers), 0);
	assert_int_equal(send(r, 7, 2, 0x2000, false, &answers), 0);
	assert_int_equal(send(r, 7, 2, 0x3000, true, &answers), 0);
	expect_group(fault, 7, want, 2);
	assert_int_equal(answers.tag, 2);
}

/* Nothing is kept of a group that has no memory for one of its requests. */
static void a_request_without_memory_ends_its_group(void **state)
{
	static const uint64_t want[] = {0x8000};
	struct rig *r = *state;
	struct obj_fault *fault = queue_for(r);
	struct answers answers = {0};

	for (unsigned nth = 1; nth <= 2; nth++)
		for (unsigned last = 0; last < 2; last++) {
			inject_arm(nth); /* the group; its record */
			assert_int_equal(send(r, 7, 1, 0x1000, last, &answers), -ENOMEM);
			assert_int_equal(inject_remaining(), 0);
			inject_arm(0);
			expect_none(fault);
		}
	assert_int_equal(send(r, 7, 1, 0x1000, false, &answers), 0);
	inject_arm(1); /* room for a second one */
	assert_int_equal(send(r, 7, 1, 0x2000, true, &answers), -ENOMEM);
	inject_arm(0);
	expect_none(fault);
	assert_int_equal(answers.nr, 0);
	assert_int_equal(send(r, 7, 1, 0x8000, true, &answers), 0);
	expect_group(fault, 7, want, 1);
	assert_int_equal(answers.nr, 1);
}

/* Whoever cannot be read to gets it again; and with the route the requests end, refused. */
static void what_is_left_is_refused_with_the_route(void **state)
{
	struct rig *r = *state;
	struct obj_fault *fault = queue_for(r);
	struct obj_fault_group *group;
	struct answers answers = {0};

	assert_int_equal(send(r, 7, 1, 0x1000, true, &answers), 0);
	assert_int_equal(obj_fault_read(fault, 1, &group), 1);
	expect_none(fault);
	obj_fault_read_end(fault, group, false);
	assert_int_equal(obj_fault_read(fault, 1, &group), 1);
	obj_fault_read_end(fault, group, true);
	assert_int_equal(send(r, 8, 1, 0x1000, false, &answers), 0);
	obj_device_detach(r->device[0]);
	assert_int_equal(answers.nr, 1);
	assert_int_equal(answers.grpid, 7);
	assert_int_equal(answers.code, IOMMUFD_PAGE_RESP_INVALID);
	assert_int_equal(obj_fault_respond(fault, 1, IOMMUFD_PAGE_RESP_SUCCESS), -EINVAL);
	/* Nobody is there to take one. */
	assert_int_equal(send(r, 9, 1, 0x1000, true, &answers), 0);
	assert_int_equal(answers.nr, 2);
	assert_int_equal(answers.code, IOMMUFD_PAGE_RESP_INVALID);
	assert_int_equal(send(r, 9, 1, 0x1000, false, &answers), 0);
	assert_int_equal(answers.nr, 2);
}

/* The group stays the next one. */
static void without_memory_for_a_cookie_nothing_is_read(void **state)
{
	static const uint64_t want[] = {0x1000};
	struct rig *r = *state;
	struct obj_fault *fault = queue_for(r);
	struct obj_fault_group *group;
	struct answers answers = {0};

	assert_int_equal(send(r, 5, 1, 0x1000, true, &answers), 0);
	inject_arm(1);
	assert_int_equal(obj_fault_read(fault, 1, &group), -ENOMEM);
	assert_int_equal(inject_remaining(), 0);
	expect_group(fault, 5, want, 1);
	assert_int_equal(answers.nr, 1);
}

/* Where PASID 0 is none, requests with it are requests without one; no other's are. */
static void pasid_0_is_none_where_they_are_the_same(void **state)
{
	const struct obj_page_request request = {.last = true};
	struct ioas_device same = {.pasid_0_same = true}, apart = {.pasid_0_same = false};
	struct rig *r = *state;
	struct obj_device *device = r->device[0];

	queue_for(r);
	for (pasid_t pasid = 0; pasid < 2; pasid++) {
		device->dev = &same;
		assert_int_equal(obj_fault_take(device, true, pasid, &request, NULL, NULL), pasid);
		device->dev = &apart;
		assert_int_equal(obj_fault_take(device, true, pasid, &request, NULL, NULL), 1);
		assert_int_equal(obj_fault_take(device, false, pasid, &request, NULL, NULL), 0);
		device->dev = NULL;
		assert_int_equal(obj_fault_take(device, true, pasid, &request, NULL, NULL), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_group_comes_when_it_is_whole),
		T(what_was_begun_anew_has_no_old_part),
		T(a_request_without_memory_ends_its_group),
		T(without_memory_for_a_cookie_nothing_is_read),
		T(pasid_0_is_none_where_they_are_the_same),
		T(what_is_left_is_refused_with_the_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
