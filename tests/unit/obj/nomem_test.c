/* SPDX-License-Identifier: MIT */
/*
 * Description: a context and what is in it, while the first, second, ... nth allocation fails: each
 * is made, or says ENOMEM and leaves nothing. The linker puts the __wrap_ functions in front of the
 * allocator (see meson.build).
 */
#include "tests/unit/alloc_fail.h"
#include "tests/unit/obj/rig.h"

/* Allocations until one fails; 0: none does. */
static unsigned countdown;

static bool should_fail(void)
{
	return countdown && !--countdown;
}

/* Is there another allocation to fail? Each before that was answered -ENOMEM, the last one 0. */
static bool goes_on(int rc)
{
	bool failed = !countdown;

	countdown = 0;
	assert_int_equal(rc, failed ? -ENOMEM : 0);
	return failed;
}

static void a_context_is_made_or_not(void **state)
{
	struct rig *r = *state;
	struct obj_ctx *ctx = NULL;
	unsigned nth = 0;

	do {
		assert_null(ctx);
		countdown = ++nth;
	} while (goes_on(obj_ctx_new(r->iommu, NULL, &ctx)));
	assert_true(nth > 1);
	obj_ctx_put(ctx);
}

static int make(struct rig *r, unsigned what, struct obj **out)
{
	struct obj_hwpt_request request = {.device = r->device[0],
					   .flags = IOMMU_HWPT_ALLOC_NEST_PARENT};
	struct obj_ioas *ioas = NULL;
	struct obj_fault *fault = NULL;
	struct obj_hwpt *hwpt = NULL;
	struct obj_viommu *viommu = NULL;
	struct obj_device *device = NULL;
	int rc;

	switch (what) {
	case 0:
		rc = obj_ioas_alloc(r->ctx, &ioas);
		*out = rc ? NULL : &ioas->obj;
		return rc;
	case 1:
		rc = obj_fault_alloc(r->ctx, &fault);
		*out = rc ? NULL : obj_of_fault(fault);
		return rc;
	case 2:
		pthread_mutex_lock(&r->ctx->lock);
		rc = obj_hwpt_alloc_locked(r->ioas, &request, &hwpt, &r->why);
		pthread_mutex_unlock(&r->ctx->lock);
		*out = rc ? NULL : &hwpt->obj;
		return rc;
	case 3:
		pthread_mutex_lock(&r->ctx->lock);
		rc = obj_viommu_alloc_locked(r->device[0]->kind, &toy_viommu_ops, TYPE, r->parent,
					     NULL, &viommu, &r->why);
		pthread_mutex_unlock(&r->ctx->lock);
		*out = rc ? NULL : &viommu->obj;
		return rc;
	default:
		rc = obj_device_bind(r->ctx, NULL, &r->kind[0], NULL, 0, &device);
		*out = rc ? NULL : &device->obj;
		return rc;
	}
}

static void each_object_is_made_or_not(void **state)
{
	struct rig *r = *state;

	for (unsigned what = 0; what < 5; what++) {
		struct obj *obj;
		unsigned nth = 0;

		do
			countdown = ++nth;
		while (goes_on(make(r, what, &obj)));
		assert_true(nth > 1);
		if (what == 4) {
			obj_device_unbind((struct obj_device *)obj);
			continue;
		}
		obj_finalize(obj);
		assert_int_equal(destroy(r, obj), 0);
	}
	/* Nobody is left of those that came to nothing. */
	assert_int_equal(destroy(r, &r->viommu->obj), 0);
	assert_int_equal(destroy(r, &r->parent->obj), 0);
	assert_int_equal(destroy(r, &r->ioas->obj), 0);
}

/* Neither the attachment nor its place in the table of PASIDs. */
static void a_pasid_is_attached_or_not(void **state)
{
	struct rig *r = *state;

	for (unsigned nth = 1; nth <= 2; nth++) {
		uint32_t pt_id = r->ioas->obj.id;

		countdown = nth;
		assert_int_equal(
			obj_device_attach_pasid(r->device[0], 5, OBJ_ATTACH, &pt_id, &r->why),
			-ENOMEM);
		assert_int_equal(countdown, 0);
		assert_null(ids_get(&r->device[0]->pasids, 5));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_context_is_made_or_not, setup, teardown),
		cmocka_unit_test_setup_teardown(each_object_is_made_or_not, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pasid_is_attached_or_not, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
