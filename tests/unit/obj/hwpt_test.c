/* SPDX-License-Identifier: MIT */
/* Description: a page table is asked of the kind with all that counts, and is what the kind says.
 */
#include "rig.h"

static struct kind_paging says;
static uint32_t flags_seen;
static bool small_seen;

static int paging(struct kind_device *dev, uint32_t flags, const struct kind_data *data,
		  bool small_pages, struct kind_paging *out, struct ioas_why *why)
{
	flags_seen = flags;
	small_seen = small_pages;
	*out = says;
	return 0;
}

static const struct kind_ops ops = {.name = "asked", .paging = paging};

static void the_kind_says_what_it_is(void **state)
{
	struct rig *r = *state;
	struct kind_device kind = {&ops, r->iommu};
	struct obj_device *device;

	assert_int_equal(obj_device_bind(r->ctx, NULL, &kind, NULL, 0, &device), 0);
	for (unsigned i = 0; i < 8; i++) {
		bool small = i & 1, dirty = i & 2, coherent = i & 4;
		struct obj_hwpt_request request = {.device = device,
						   .flags = IOMMU_HWPT_ALLOC_PASID |
							    (i ? IOMMU_HWPT_FAULT_ID_VALID : 0)};
		struct obj_hwpt *hwpt;
		struct obj_ioas *ioas;

		says = (struct kind_paging){
			.pt = {PT_AMDV1, 48}, .dirty = dirty, .coherent = coherent};
		assert_int_equal(obj_ioas_alloc(r->ctx, &ioas), 0);
		obj_finalize(&ioas->obj);
		assert_int_equal(space_set_huge_pages(ioas->space, !small, NULL), 0);
		pthread_mutex_lock(&r->ctx->lock);
		assert_int_equal(obj_hwpt_alloc_locked(ioas, &request, &hwpt, &r->why), 0);
		obj_finalize(&hwpt->obj);
		pthread_mutex_unlock(&r->ctx->lock);
		assert_int_equal(small_seen, small);
		assert_int_equal(flags_seen, IOMMU_HWPT_ALLOC_PASID);
		assert_int_equal(hwpt->flags, request.flags);
		assert_int_equal(hwpt->dirty, dirty);
		assert_int_equal(hwpt->coherent, coherent);
		assert_int_equal(pt_dirty_possible(hwpt->pt), dirty);
		assert_int_equal(pt_ioas_id(hwpt->pt), ioas->obj.id);
		assert_int_equal(pt_hwpt_id(hwpt->pt), hwpt->obj.id);
		assert_ptr_equal(hwpt->to, pt_target(hwpt->pt));
		assert_int_equal(ioas->obj.users, 1);
		assert_int_equal(destroy(r, &ioas->obj), -EBUSY);
		assert_int_equal(destroy(r, &hwpt->obj), 0);
		assert_int_equal(destroy(r, &ioas->obj), 0);
	}
	obj_device_unbind(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_kind_says_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
