/* SPDX-License-Identifier: MIT */
/*
 * Description: a context finds objects by id and type, gives none out without memory for its
 * number, and with its end each goes after those that use it. The linker puts the __wrap_ functions
 * in front of those that end objects (see meson.build).
 */
#include "rig.h"
#include "util/inject.h"

#define WRAP(name)                               \
	void __real_##name(struct obj *obj);     \
	void __wrap_##name(struct obj *obj);     \
	void __wrap_##name(struct obj *obj)      \
	{                                        \
		assert_int_equal(obj->users, 0); \
		gone |= 1u << obj->type;         \
		__real_##name(obj);              \
	}

static unsigned gone; /* types */

WRAP(obj_ioas_destroy)
WRAP(obj_hwpt_destroy)
WRAP(obj_nested_destroy)
WRAP(obj_fault_destroy)
WRAP(obj_viommu_destroy)
WRAP(obj_vdevice_destroy)
WRAP(obj_veventq_destroy)

static struct obj *peek(struct obj_ctx *ctx, uint32_t id, enum obj_type type)
{
	struct obj *obj;

	pthread_mutex_lock(&ctx->lock);
	obj = obj_peek(ctx, id, type);
	pthread_mutex_unlock(&ctx->lock);
	return obj;
}

static struct obj_ioas *nested_new(struct rig *r, struct obj_ioas *parent)
{
	struct obj_ioas *ioas;

	pthread_mutex_lock(&r->ctx->lock);
	assert_int_equal(obj_ioas_alloc_nested_locked(parent, &ioas, NULL), 0);
	assert_ptr_equal(ioas->parent, parent);
	assert_true(parent->obj.users);
	obj_finalize(&ioas->obj);
	pthread_mutex_unlock(&r->ctx->lock);
	return ioas;
}

static struct obj_fault *fault_new(struct rig *r)
{
	struct obj_fault *fault;

	assert_int_equal(obj_fault_alloc(r->ctx, &fault), 0);
	obj_finalize(obj_of_fault(fault));
	return fault;
}

/* One of each kind that can be had here. */
static void one_of_each(struct rig *r, struct obj **out)
{
	struct obj_vdevice *vdevice;
	struct obj_veventq *veventq;
	struct obj_hw_queue *queue;

	assert_int_equal(vdevice_new(r, 0, 7, &vdevice), 0);
	assert_int_equal(events_new(r, 5, &veventq), 0);
	assert_int_equal(queue_new(r, 0, IOVA, PAGE, &queue), 0);
	*out++ = &r->ioas->obj;
	*out++ = &r->parent->obj;
	*out++ = &r->device[0]->obj;
	*out++ = obj_of_fault(fault_new(r));
	*out++ = &r->viommu->obj;
	*out++ = &vdevice->obj;
	*out++ = obj_of_veventq(veventq);
	*out = &queue->obj;
}

static void only_its_own_type_finds_an_object(void **state)
{
	struct rig *r = *state;
	struct obj *obj[8];

	one_of_each(r, obj);
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned type = 0; type < OBJ_TYPE_NR; type++) {
			bool is = type == OBJ_ANY || type == obj[i]->type;
			struct obj *got = obj_get(r->ctx, obj[i]->id, type);

			assert_ptr_equal(got, is ? obj[i] : NULL);
			if (got)
				obj_put(got);
			assert_ptr_equal(peek(r->ctx, obj[i]->id, type), is ? obj[i] : NULL);
		}
		assert_int_equal(obj[i]->gets, obj[i]->puts);
		assert_null(peek(r->ctx, obj[i]->id + 1000, obj[i]->type));
	}
	r->why.text[0] = '\0';
	assert_ptr_equal(obj_ioas_get(r->ctx, obj[0]->id, &r->why), r->ioas);
	obj_put(&r->ioas->obj);
	assert_string_equal(r->why.text, "");
	assert_null(obj_ioas_get(r->ctx, obj[1]->id, &r->why));
	assert_non_null(strstr(r->why.text, "no IOAS has id"));
	assert_null(peek(r->ctx, 0, OBJ_ANY));
	assert_null(peek(r->ctx, UINT32_MAX, OBJ_ANY));
	for (unsigned i = 0; i < 8; i++) {
		inject_arm(1);
		assert_null(obj_get(r->ctx, obj[i]->id, OBJ_ANY));
		inject_arm(1);
		assert_null(peek(r->ctx, obj[i]->id, OBJ_ANY));
	}
}

/* What is used is not destroyed, with its reason; a device goes with its owner only. */
static void what_is_used_stays(void **state)
{
	struct rig *r = *state;
	struct obj *obj[8];
	static const bool can[8] = {false, false, false, true, false, true, true, true};

	one_of_each(r, obj);
	for (unsigned i = 0; i < 8; i++) {
		uint32_t id = obj[i]->id;

		r->why.text[0] = '\0';
		assert_int_equal(obj_destroy(r->ctx, id, &r->why), can[i] ? 0 : -EBUSY);
		assert_int_equal(r->why.text[0] == '\0', can[i]);
		if (!can[i])
			assert_non_null(strstr(r->why.text, obj_type_name(obj[i]->type)));
		assert_int_equal(peek(r->ctx, id, OBJ_ANY) == NULL, can[i]);
		if (can[i])
			assert_int_equal(obj_destroy(r->ctx, id, &r->why), -ENOENT);
	}
	assert_string_equal(obj_type_name(OBJ_TYPE_NR), "object");
}

/* With the context: whatever order they were made in. */
static void users_go_before_what_they_use(void **state)
{
	struct rig *r = *state;
	struct obj *obj[8];
	struct obj_ioas *ioas = r->ioas, *first;
	struct obj_hwpt *hwpt;
	struct obj_ctx *ctx;
	uint32_t id;

	one_of_each(r, obj);
	hwpt = hwpt_new(r, 0);
	pthread_mutex_lock(&r->ctx->lock);
	obj_hwpt_set_fault_locked(hwpt, (struct obj_fault *)obj[3]);
	pthread_mutex_unlock(&r->ctx->lock);
	for (unsigned i = 0; i < 4; i++)
		ioas = nested_new(r, ioas);
	/* One with a low number that is nested on one with a high number. */
	assert_int_equal(obj_ioas_alloc(r->ctx, &first), 0);
	obj_finalize(&first->obj);
	id = first->obj.id;
	ioas = nested_new(r, nested_new(r, ioas));
	assert_int_equal(destroy(r, &first->obj), 0);
	ioas = nested_new(r, ioas);
	assert_int_equal(ioas->obj.id, id);
	gone = 0;
	ctx = r->ctx;
	for (unsigned i = 0; i < 3; i++) {
		obj_device_unbind(r->device[i]);
		r->device[i] = NULL;
	}
	assert_int_equal(obj_ctx_new(r->iommu, NULL, &r->ctx), 0);
	obj_ctx_put(ctx);
	assert_int_equal(gone, 1u << OBJ_VDEVICE | 1u << OBJ_IOAS | 1u << OBJ_HWPT |
				       1u << OBJ_FAULT | 1u << OBJ_VIOMMU | 1u << OBJ_VEVENTQ);
}

static void without_memory_for_its_number_there_is_no_object(void **state)
{
	struct rig *r = *state;
	struct obj_ctx *ctx;
	struct obj *obj = NULL;

	assert_int_equal(obj_ctx_new(r->iommu, NULL, &ctx), 0);
	for (unsigned nth = 1; nth <= 2; nth++) {
		inject_arm(nth);
		assert_int_equal(obj_alloc(ctx, OBJ_FAULT, sizeof(*obj), &obj), -ENOMEM);
		assert_int_equal(inject_remaining(), 0);
		assert_null(obj);
		assert_int_equal(ctx->ids_nr, 0);
	}
	assert_int_equal(obj_alloc(ctx, OBJ_FAULT, sizeof(*obj), &obj), 0);
	assert_int_equal(obj->id, 1);
	assert_int_equal(ctx->ids_nr, 1);
	/* Nobody finds it before it is finished. */
	assert_null(peek(ctx, 1, OBJ_ANY));
	obj_abort(obj);
	assert_int_equal(ctx->ids_nr, 0);
	assert_null(ctx->ids.root);
	obj_ctx_put(ctx);
}

/* Also what came to nothing, and a device that its driver lets go; a tombstone keeps it. */
static void numbers_are_given_back(void **state)
{
	struct rig *r = *state;
	struct obj_vdevice *vdevice, *other;
	uint32_t nr = r->ctx->ids_nr, id = r->device[1]->obj.id;

	assert_int_equal(vdevice_new(r, 0, 5, &vdevice), 0);
	assert_int_equal(vdevice_new(r, 1, 5, &other), -EEXIST);
	assert_int_equal(vdevice_new(r, 0, 6, &other), -EEXIST);
	assert_int_equal(r->ctx->ids_nr, nr + 1);
	obj_device_unbind(r->device[1]);
	r->device[1] = NULL;
	assert_int_equal(r->ctx->ids_nr, nr);
	assert_null(peek(r->ctx, id, OBJ_ANY));
	obj_device_unbind(r->device[0]);
	r->device[0] = NULL;
	assert_int_equal(r->ctx->ids_nr, nr - 1);
}

/* The one that VFIO's own calls go to is so until it ends. */
static void what_is_compatible_ends_with_its_ioas(void **state)
{
	struct rig *r = *state;
	struct obj_ioas *ioas[2];

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(obj_ioas_alloc(r->ctx, &ioas[i]), 0);
		obj_finalize(&ioas[i]->obj);
	}
	pthread_mutex_lock(&r->ctx->ids_lock);
	r->ctx->compat = ioas[0];
	pthread_mutex_unlock(&r->ctx->ids_lock);
	assert_int_equal(destroy(r, &ioas[1]->obj), 0);
	assert_ptr_equal(r->ctx->compat, ioas[0]);
	assert_int_equal(destroy(r, &ioas[0]->obj), 0);
	assert_null(r->ctx->compat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(only_its_own_type_finds_an_object),
		T(what_is_used_stays),
		T(users_go_before_what_they_use),
		T(without_memory_for_its_number_there_is_no_object),
		T(numbers_are_given_back),
		T(what_is_compatible_ends_with_its_ioas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
