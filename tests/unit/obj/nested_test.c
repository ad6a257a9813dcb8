/* SPDX-License-Identifier: MIT */
/*
 * Description: page tables nested on another: what refuses them, whom they use, and whose
 * translations are taken back when one is changed. The linker puts __wrap_ats_take_route and
 * __wrap_mem_lend_idle in front of the engine's (see meson.build).
 */
#include "rig.h"
#include "route/route.h"
#include "tlp/ats.h"
#include "tlp/nested.h"
#include "util/inject.h"
#include "util/why.h"

void __wrap_ats_take_route(struct ioas_device *dev, const pasid_t *pasid,
			   const struct pt_target *target, enum ioas_ats_cause cause);
void __wrap_mem_lend_idle(struct mem_lend *lend);

static struct {
	struct ioas_device *dev;
	bool has_pasid;
	pasid_t pasid;
	const struct pt_target *target;
} taken[4];

static struct ioas_device sender;
static unsigned taken_nr, idle_nr;

void __wrap_ats_take_route(struct ioas_device *dev, const pasid_t *pasid,
			   const struct pt_target *target, enum ioas_ats_cause cause)
{
	assert_int_equal(cause, IOAS_ATS_BY_GUEST);
	taken[taken_nr].dev = dev;
	taken[taken_nr].has_pasid = pasid;
	taken[taken_nr].pasid = pasid ? *pasid : 0;
	taken[taken_nr++].target = target;
}

void __wrap_mem_lend_idle(struct mem_lend *lend)
{
	idle_nr += lend == &sender.lent;
}

/* What a nested one of this kind is told by. */
static struct stage1 stage1;
static int refuse;
static unsigned freed;
static uint32_t flags_seen;

static int nested(struct kind_device *dev, struct obj_hwpt *hwpt, uint32_t flags,
		  const struct kind_data *data, struct ioas_why *why)
{
	if (refuse)
		return why_set(why, refuse, "not now");
	flags_seen = flags;
	stage1_init(&stage1, NULL, hwpt->parent->pt, hwpt->obj.id);
	hwpt->to = &stage1.to;
	return 0;
}

static void nested_free(struct obj_hwpt *hwpt)
{
	freed++;
}

static int info(struct kind_device *dev, uint32_t type, struct kind_hw_info *out,
		struct ioas_why *why)
{
	*out = (struct kind_hw_info){.max_pasid_lg2 = 3};
	return 0;
}

static const struct kind_ops nested_ops = {.name = "nesting",
					   .hw_info = info,
					   .paging = toy_paging,
					   .nested = nested,
					   .nested_free = nested_free};

static struct kind_device kind;
static struct obj_device *device;
static const struct kind_data data = {.type = 1};

static struct obj_hwpt *parent_of(struct rig *r, struct obj_device *dev, uint32_t flags)
{
	struct obj_hwpt_request request = {.device = dev, .flags = flags};
	struct obj_hwpt *hwpt;

	pthread_mutex_lock(&r->ctx->lock);
	assert_int_equal(obj_hwpt_alloc_locked(r->ioas, &request, &hwpt, &r->why), 0);
	obj_finalize(&hwpt->obj);
	pthread_mutex_unlock(&r->ctx->lock);
	return hwpt;
}

static struct obj_hwpt *begin(struct rig *r)
{
	kind = (struct kind_device){&nested_ops, r->iommu};
	refuse = 0;
	freed = taken_nr = idle_nr = 0;
	assert_int_equal(obj_device_bind(r->ctx, NULL, &kind, NULL, 0, &device), 0);
	return parent_of(r, device, IOMMU_HWPT_ALLOC_NEST_PARENT);
}

static int nest(struct rig *r, struct obj_hwpt *parent, struct obj_device *dev, uint32_t flags,
		const struct kind_data *with, struct obj_hwpt **out)
{
	struct obj_hwpt_request request = {.device = dev, .flags = flags, .data = with};
	int rc;

	r->why.text[0] = '\0';
	pthread_mutex_lock(&r->ctx->lock);
	rc = obj_nested_alloc_locked(parent, NULL, &request, out, &r->why);
	if (!rc)
		obj_finalize(&(*out)->obj);
	pthread_mutex_unlock(&r->ctx->lock);
	assert_int_equal(!rc, !r->why.text[0]);
	return rc;
}

static void each_refusal_leaves_nothing(void **state)
{
	struct rig *r = *state;
	struct obj_hwpt *parent = begin(r), *plain = parent_of(r, device, 0), *made = NULL;

	assert_int_equal(nest(r, parent, device, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &data, &made),
			 -EOPNOTSUPP);
	assert_non_null(strstr(r->why.text, "flags 0x2"));
	assert_int_equal(nest(r, parent, device, IOMMU_HWPT_ALLOC_NEST_PARENT, &data, &made),
			 -EOPNOTSUPP);
	assert_int_equal(nest(r, parent, device, 0, NULL, &made), -EOPNOTSUPP);
	assert_int_equal(nest(r, r->parent, r->device[0], 0, &data, &made), -EOPNOTSUPP);
	assert_int_equal(nest(r, plain, device, 0, &data, &made), -EINVAL);
	assert_int_equal(nest(r, r->parent, device, 0, &data, &made), -EINVAL);
	assert_non_null(strstr(r->why.text, "is for a toy, the device's is a nesting"));
	refuse = -EFAULT;
	assert_int_equal(nest(r, parent, device, 0, &data, &made), -EFAULT);
	refuse = 0;
	/* One that an attach made is none, whatever its flags. */
	plain->flags = IOMMU_HWPT_ALLOC_NEST_PARENT;
	plain->auto_domain = true;
	assert_int_equal(nest(r, plain, device, 0, &data, &made), -EINVAL);
	plain->auto_domain = false;
	assert_null(made);
	assert_int_equal(parent->obj.users, 0);
	assert_int_equal(plain->obj.users, 0);
	assert_int_equal(freed, 0);
	obj_device_unbind(device);
}

static void one_uses_its_parent(void **state)
{
	struct rig *r = *state;
	struct obj_hwpt *parent = begin(r), *made;

	assert_int_equal(nest(r, parent, device, IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_FAULT_ID_VALID,
			      &data, &made),
			 0);
	assert_int_equal(flags_seen, IOMMU_HWPT_ALLOC_PASID);
	assert_int_equal(made->flags, IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_FAULT_ID_VALID);
	assert_ptr_equal(made->parent, parent);
	assert_ptr_equal(obj_hwpt_paging(made), parent);
	assert_null(made->viommu);
	assert_null(stage1.check);
	assert_int_equal(parent->obj.users, 1);
	assert_int_equal(destroy(r, &parent->obj), -EBUSY);
	assert_int_equal(destroy(r, &made->obj), 0);
	assert_int_equal(freed, 1);
	assert_int_equal(parent->obj.users, 0);
	obj_device_unbind(device);
	assert_int_equal(destroy(r, &parent->obj), 0);
}

/* Where that is wanted, and made whole or not at all. */
static void a_check_of_invalidations_is_made_with_it(void **state)
{
	struct rig *r = *state;
	struct obj_hwpt *parent = begin(r), *made;
	unsigned failed = 0;
	int rc = 1;

	r->iommu->config.check_invalidation = true;
	while (rc) {
		inject_arm(failed + 1);
		rc = nest(r, parent, device, 0, &data, &made);
		inject_arm(0);
		if (!rc)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(parent->obj.users, 0);
		failed++;
	}
	assert_true(failed >= 2);
	assert_non_null(stage1.check);
	assert_int_equal(parent->obj.users, 1);
	freed = 0;
	assert_int_equal(destroy(r, &made->obj), 0);
	assert_int_equal(freed, 1);
	r->iommu->config.check_invalidation = false;
	obj_device_unbind(device);
}

/* Of each way that leads there; who sends no requests has none. */
static void translations_are_taken_back_by_each_way(void **state)
{
	struct rig *r = *state;
	struct obj_hwpt *parent = begin(r), *made;
	uint32_t id;

	assert_int_equal(nest(r, parent, device, IOMMU_HWPT_ALLOC_PASID, &data, &made), 0);
	id = made->obj.id;
	assert_int_equal(obj_device_attach(device, &id, &r->why), 0);
	assert_int_equal(obj_device_attach_pasid(device, 5, OBJ_ATTACH, &id, &r->why), 0);
	for (unsigned sends = 0; sends < 2; sends++) {
		device->dev = sends ? &sender : NULL;
		pthread_mutex_lock(&r->ctx->lock);
		obj_hwpt_drain_locked(made);
		pthread_mutex_unlock(&r->ctx->lock);
		assert_int_equal(taken_nr, sends ? 2 : 0);
		assert_int_equal(idle_nr, taken_nr);
	}
	device->dev = NULL;
	for (unsigned i = 0; i < 2; i++) {
		assert_ptr_equal(taken[i].dev, &sender);
		assert_ptr_equal(taken[i].target, made->to);
	}
	assert_int_not_equal(taken[0].has_pasid, taken[1].has_pasid);
	assert_int_equal(taken[0].pasid + taken[1].pasid, 5);
	/* Those that have left are no way any more. */
	obj_device_detach_pasid(device, 5);
	obj_device_detach(device);
	assert_true(LIST_EMPTY(&made->attached));
	obj_device_unbind(device);
	assert_int_equal(destroy(r, &made->obj), 0);
}

/* A viommu knows who its devices are; of one that sends no requests nothing is lent. */
static void what_is_lent_to_a_guests_devices_comes_back(void **state)
{
	struct rig *r = *state;
	struct obj_vdevice *vdevice;

	assert_int_equal(vdevice_new(r, 0, 5, &vdevice), 0);
	for (unsigned sends = 0; sends < 2; sends++) {
		idle_nr = 0;
		r->device[0]->dev = sends ? &sender : NULL;
		pthread_mutex_lock(&r->ctx->lock);
		obj_viommu_drain_locked(r->viommu);
		pthread_mutex_unlock(&r->ctx->lock);
		assert_int_equal(idle_nr, sends);
	}
	r->device[0]->dev = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_refusal_leaves_nothing),
		T(one_uses_its_parent),
		T(a_check_of_invalidations_is_made_with_it),
		T(translations_are_taken_back_by_each_way),
		T(what_is_lent_to_a_guests_devices_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
