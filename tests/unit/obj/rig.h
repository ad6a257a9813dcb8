/* SPDX-License-Identifier: MIT */
/* What the tests of viommus need: a context with a kind of IOMMU made for this. */
#ifndef TESTS_OBJ_RIG_H
#define TESTS_OBJ_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "obj/viommu.h"
#include "space/space.h"
#include "tests/unit/fds.h"
#include "util/alloc.h"

#define PAGE   4096ull
#define TYPE   7u
#define EVENTS 9u
#define QUEUE  8u
#define IOVA   0x100000ull

struct rig {
	struct ioas_iommu *iommu;
	struct obj_ctx *ctx;
	unsigned fds;		    /* open before it */
	struct kind_device kind[2]; /* of the toy; of another that is none */
	struct obj_ioas *ioas;
	struct obj_hwpt *parent;
	struct obj_device *device[3]; /* the last is behind the other */
	struct obj_viommu *viommu;
	char *memory; /* 4 pages, mapped at IOVA in two mappings */
	struct ioas_why why;
};

/* What a toy viommu has. */
struct toy {
	struct obj_hw_queue *queue[2];
	uint64_t offset;
	uint64_t *words;
};

static inline int toy_init(struct obj_viommu *viommu, struct kind_device *dev,
			   const struct kind_data *data, struct ioas_why *why)
{
	struct toy *toy = alloc_zero(1, sizeof(*toy));
	void *host;
	int rc;

	if (!toy)
		return -ENOMEM;
	rc = obj_region_alloc_locked(viommu, 2 * PAGE, &toy->offset, &host);
	if (!rc)
		rc = obj_region_alloc_locked(viommu, PAGE, &(uint64_t){0}, &(void *){NULL});
	if (rc) {
		free(toy);
		return rc;
	}
	toy->words = host;
	viommu->kind = toy;
	return 0;
}

static inline void toy_fini(struct obj_viommu *viommu)
{
	struct toy *toy = viommu->kind;

	assert_null(toy->queue[0]);
	assert_null(toy->queue[1]);
	free(toy);
}

static inline bool toy_queue_type(struct obj_viommu *viommu, uint32_t type)
{
	return type == QUEUE;
}

static inline int toy_queue_init(struct obj_hw_queue *queue, pa_t pa, struct ioas_why *why)
{
	struct toy *toy = queue->viommu->kind;

	if (queue->index > 1)
		return -EINVAL;
	if (queue->index && !toy->queue[0])
		return -EIO;
	toy->queue[queue->index] = queue;
	if (queue->index)
		obj_hw_queue_depend_locked(queue, toy->queue[0]);
	return 0;
}

static inline void toy_queue_fini(struct obj_hw_queue *queue)
{
	struct toy *toy = queue->viommu->kind;

	assert_ptr_equal(toy->queue[queue->index], queue);
	toy->queue[queue->index] = NULL;
}

static const struct kind_viommu_ops toy_viommu_ops = {
	.init = toy_init,
	.fini = toy_fini,
	.hw_queue_type = toy_queue_type,
	.hw_queue_init = toy_queue_init,
	.hw_queue_fini = toy_queue_fini,
};

static inline int toy_paging(struct kind_device *dev, uint32_t flags, const struct kind_data *data,
			     bool small_pages, struct kind_paging *out, struct ioas_why *why)
{
	*out = (struct kind_paging){.pt = {.format = PT_AMDV1_2K, .aw = 48}};
	return 0;
}

static inline const struct kind_viommu_ops *toy_viommu(struct kind_device *dev, uint32_t type)
{
	return type == TYPE ? &toy_viommu_ops : NULL;
}

static const struct kind_ops toy_ops = {.name = "toy", .paging = toy_paging, .viommu = toy_viommu};
static const struct kind_ops other_ops = {.name = "other", .paging = toy_paging};

static inline void map(struct rig *r, iova_t iova, char *va, uint64_t len)
{
	assert_int_equal(ioas_space_map(r->ioas->space, NULL, &iova, (uintptr_t)va, len,
					IOAS_MAP_READ | IOAS_MAP_WRITE | IOAS_MAP_FIXED, &r->why),
			 0);
}

static inline int viommu_new(struct rig *r, struct obj_hwpt *parent, struct obj_viommu **out)
{
	int rc;

	pthread_mutex_lock(&r->ctx->lock);
	rc = obj_viommu_alloc_locked(r->device[0]->kind, &toy_viommu_ops, TYPE, parent, NULL, out,
				     &r->why);
	if (!rc)
		obj_finalize(&(*out)->obj);
	pthread_mutex_unlock(&r->ctx->lock);
	return rc;
}

static inline struct obj_hwpt *hwpt_new(struct rig *r, uint32_t flags)
{
	struct obj_hwpt_request request = {.device = r->device[0], .flags = flags};
	struct obj_hwpt *hwpt;

	pthread_mutex_lock(&r->ctx->lock);
	assert_int_equal(obj_hwpt_alloc_locked(r->ioas, &request, &hwpt, &r->why), 0);
	obj_finalize(&hwpt->obj);
	pthread_mutex_unlock(&r->ctx->lock);
	return hwpt;
}

static inline int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->fds = fds_open();
	assert_int_equal(ioas_iommu_new(NULL, &r->iommu), 0);
	assert_int_equal(obj_ctx_new(r->iommu, NULL, &r->ctx), 0);
	r->kind[0] = (struct kind_device){&toy_ops, r->iommu};
	r->kind[1] = (struct kind_device){&other_ops, r->iommu};
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			obj_device_bind(r->ctx, NULL, &r->kind[i / 2], NULL, 0, &r->device[i]), 0);
	assert_int_equal(obj_ioas_alloc(r->ctx, &r->ioas), 0);
	obj_finalize(&r->ioas->obj);
	r->parent = hwpt_new(r, IOMMU_HWPT_ALLOC_NEST_PARENT);
	r->memory =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map(r, IOVA, r->memory, 2 * PAGE);
	map(r, IOVA + 2 * PAGE, r->memory + 2 * PAGE, 2 * PAGE);
	assert_int_equal(viommu_new(r, r->parent, &r->viommu), 0);
	*state = r;
	return 0;
}

/* Whatever a test leaves goes with its context. */
static inline int teardown(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 3; i++)
		if (r->device[i])
			obj_device_unbind(r->device[i]);
	obj_ctx_put(r->ctx);
	ioas_iommu_destroy(r->iommu);
	munmap(r->memory, 4 * PAGE);
	assert_int_equal(fds_open(), r->fds);
	free(r);
	return 0;
}

static inline int destroy(struct rig *r, struct obj *obj)
{
	return obj_destroy(r->ctx, obj->id, &r->why);
}

static inline int vdevice_new(struct rig *r, int i, uint64_t virt_id, struct obj_vdevice **out)
{
	int rc;

	pthread_mutex_lock(&r->ctx->lock);
	rc = obj_vdevice_alloc_locked(r->viommu, r->device[i], virt_id, out, &r->why);
	if (!rc)
		obj_finalize(&(*out)->obj);
	pthread_mutex_unlock(&r->ctx->lock);
	return rc;
}

static inline int queue_new(struct rig *r, uint32_t index, iova_t iova, uint64_t len,
			    struct obj_hw_queue **out)
{
	int rc;

	pthread_mutex_lock(&r->ctx->lock);
	rc = obj_hw_queue_alloc_locked(r->viommu, QUEUE, index, iova, len, out, &r->why);
	if (!rc)
		obj_finalize(&(*out)->obj);
	pthread_mutex_unlock(&r->ctx->lock);
	return rc;
}

static inline int events_new(struct rig *r, uint32_t depth, struct obj_veventq **out)
{
	int rc;

	pthread_mutex_lock(&r->ctx->lock);
	rc = obj_veventq_alloc_locked(r->viommu, EVENTS, depth, out, &r->why);
	if (!rc)
		obj_finalize(obj_of_veventq(*out));
	pthread_mutex_unlock(&r->ctx->lock);
	return rc;
}

static inline int report(struct rig *r, uint32_t value)
{
	int rc;

	pthread_mutex_lock(&r->ctx->lock);
	rc = obj_veventq_report_locked(r->viommu, EVENTS, &value, sizeof(value));
	pthread_mutex_unlock(&r->ctx->lock);
	return rc;
}

static inline int unmap(struct rig *r, iova_t first, uint64_t len)
{
	return ioas_space_unmap(r->ioas->space, first, first + len - 1, NULL, &r->why);
}

static inline int map_region(struct rig *r, uint64_t offset, uint64_t len)
{
	int fd = -1, rc = obj_region_map(r->ctx, offset, len, &fd, &r->why);

	assert_true(!rc == (fd >= 0));
	return rc;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
