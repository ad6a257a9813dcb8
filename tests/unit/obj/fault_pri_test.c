/* SPDX-License-Identifier: MIT */
/*
 * Description: page requests of the instance's own devices come to the queue with all that the
 * device said, are given up by their form, and the answer comes to the device. The linker puts
 * __wrap_pri_serve and __wrap_pri_answer in front of the engine's (see meson.build).
 */
#include "rig.h"
#include "route/route.h"
#include "tlp/pri.h"

#define PASID 2u

void __wrap_pri_serve(struct ioas_device *dev, const struct pri_server *server, void *arg);
void __wrap_pri_answer(struct ioas_device *dev, uint64_t tag, uint32_t group,
		       enum ioas_page_code code);

static const struct pri_server *serves;
static void *serves_arg;
static unsigned answers;
static uint64_t answer_tag;
static uint32_t answer_group;
static enum ioas_page_code answer_code;

void __wrap_pri_serve(struct ioas_device *dev, const struct pri_server *server, void *arg)
{
	serves = server;
	serves_arg = arg;
}

void __wrap_pri_answer(struct ioas_device *dev, uint64_t tag, uint32_t group,
		       enum ioas_page_code code)
{
	answers++;
	answer_tag = tag;
	answer_group = group;
	answer_code = code;
}

static int info(struct kind_device *dev, uint32_t type, struct kind_hw_info *out,
		struct ioas_why *why)
{
	*out = (struct kind_hw_info){.max_pasid_lg2 = 3};
	return 0;
}

static const struct kind_ops ops = {.name = "pri", .hw_info = info, .paging = toy_paging};
static struct kind_device kind;
static struct ioas_device sender;
static struct route_set set;
static struct obj_device *device;

/* Its requests, of one PASID or with none, go to a queue; it sends nothing while it attaches. */
static struct obj_fault *begin(struct rig *r)
{
	struct obj_hwpt_request request = {.flags = IOMMU_HWPT_ALLOC_PASID};
	struct obj_fault *fault;
	struct obj_hwpt *hwpt;
	uint32_t id;

	kind = (struct kind_device){&ops, r->iommu};
	sender.set = &set;
	answers = 0;
	assert_int_equal(obj_device_bind(r->ctx, &sender, &kind, NULL, 0, &device), 0);
	assert_non_null(serves);
	assert_ptr_equal(serves_arg, device);
	device->dev = NULL;
	assert_int_equal(obj_fault_alloc(r->ctx, &fault), 0);
	obj_finalize(obj_of_fault(fault));
	request.device = device;
	pthread_mutex_lock(&r->ctx->lock);
	assert_int_equal(obj_hwpt_alloc_locked(r->ioas, &request, &hwpt, NULL), 0);
	obj_hwpt_set_fault_locked(hwpt, fault);
	obj_finalize(&hwpt->obj);
	pthread_mutex_unlock(&r->ctx->lock);
	id = hwpt->obj.id;
	assert_int_equal(obj_device_attach(device, &id, NULL), 0);
	assert_int_equal(obj_device_attach_pasid(device, PASID, OBJ_ATTACH, &id, NULL), 0);
	return fault;
}

static void end(void)
{
	obj_device_detach_pasid(device, PASID);
	obj_device_detach(device);
	device->dev = &sender;
	obj_device_unbind(device);
	assert_null(serves);
}

static int take(uint32_t flags, pasid_t pasid, uint16_t group, uint64_t tag)
{
	const struct ioas_page_request sent = {
		.addr = 0x123456, .flags = flags, .pasid = pasid, .group = group};

	return serves->take(serves_arg, &sent, tag);
}

static bool drop(uint32_t flags, pasid_t pasid, uint16_t group, uint64_t tag)
{
	const struct ioas_page_request of = {.flags = flags, .pasid = pasid, .group = group};

	return serves->drop(serves_arg, &of, tag);
}

/* Every combination of what is wanted, with a PASID and without. */
static void all_that_is_asked_for_is_in_the_record(void **state)
{
	struct obj_fault *fault = begin(*state);
	struct obj_fault_group *group;

	for (uint32_t flags = 0; flags < 64; flags++) {
		const struct iommu_hwpt_pgfault *record;
		bool pasid = flags & IOAS_PAGE_PASID, success = flags & IOAS_PAGE_WRITE;
		uint32_t perm = 0;
		size_t nr;

		if (!(flags & IOAS_PAGE_LAST))
			continue;
		perm |= flags & IOAS_PAGE_READ ? IOMMU_PGFAULT_PERM_READ : 0;
		perm |= flags & IOAS_PAGE_WRITE ? IOMMU_PGFAULT_PERM_WRITE : 0;
		perm |= flags & IOAS_PAGE_EXEC ? IOMMU_PGFAULT_PERM_EXEC : 0;
		perm |= flags & IOAS_PAGE_PRIV ? IOMMU_PGFAULT_PERM_PRIV : 0;
		assert_int_equal(take(flags, pasid ? PASID : 0, 9, flags), 0);
		assert_int_equal(obj_fault_read(fault, 1, &group), 1);
		record = obj_fault_records(group, &nr);
		assert_int_equal(nr, 1);
		assert_int_equal(record->perm, perm);
		assert_int_equal(record->addr, 0x123000);
		assert_int_equal(record->grpid, 9);
		assert_int_equal(record->pasid, pasid ? PASID : 0);
		assert_int_equal(!!(record->flags & IOMMU_PGFAULT_FLAGS_PASID_VALID), pasid);
		answers = 0;
		assert_int_equal(obj_fault_respond(fault, record->cookie,
						   success ? IOMMUFD_PAGE_RESP_SUCCESS
							   : IOMMUFD_PAGE_RESP_INVALID),
				 0);
		obj_fault_read_end(fault, group, true);
		assert_int_equal(answers, 1);
		assert_int_equal(answer_tag, flags);
		assert_int_equal(answer_group, 9);
		assert_int_equal(answer_code, success ? IOAS_PAGE_SUCCESS : IOAS_PAGE_INVALID);
	}
	end();
}

/* And nobody is called then. */
static void a_group_is_given_up_by_its_form(void **state)
{
	struct obj_fault *fault = begin(*state);
	struct obj_fault_group *group;

	assert_int_equal(take(IOAS_PAGE_LAST, 0, 7, 1), 0);
	assert_int_equal(take(IOAS_PAGE_LAST | IOAS_PAGE_PASID, PASID, 7, 2), 0);
	assert_int_equal(take(IOAS_PAGE_LAST | IOAS_PAGE_PASID, PASID + 1, 7, 2), 1);
	assert_false(drop(IOAS_PAGE_PASID, PASID, 7, 1));
	assert_false(drop(0, 0, 7, 2));
	assert_false(drop(0, 0, 8, 1));
	assert_false(drop(IOAS_PAGE_PASID, PASID + 1, 7, 2));
	assert_true(drop(IOAS_PAGE_PASID, PASID, 7, 2));
	assert_false(drop(IOAS_PAGE_PASID, PASID, 7, 2));
	assert_true(drop(0, PASID, 7, 1));
	assert_int_equal(obj_fault_read(fault, 1, &group), 0);
	assert_int_equal(answers, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_that_is_asked_for_is_in_the_record),
		T(a_group_is_given_up_by_its_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
