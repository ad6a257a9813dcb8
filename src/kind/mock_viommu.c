/* SPDX-License-Identifier: MIT */
/* The mock IOMMU's viommus: invalidating the caches of devices, and two hardware queues each. */
#include <errno.h>
#include "iommu.h"
#include "kind/mock.h"
#include "obj/viommu.h"
#include "util/alloc.h"
#include "util/why.h"

#define REGION_LEN 8192

/* What is behind a viommu. */
struct share {
	struct obj_hw_queue *queue[TESTCMD_HW_QUEUE_NR]; /* (ctx->lock) by index */
};

/*
 * With data, the share has memory that the program maps. A word at its start says what the program
 * said, as does out_data.
 */
static int init_region(struct obj_viommu *viommu, const struct kind_data *data,
		       struct ioas_why *why)
{
	struct testcmd_viommu cfg;
	uint64_t offset;
	void *host;
	int rc = data->read(data, &cfg, sizeof(cfg.in_data) + sizeof(cfg.out_data), sizeof(cfg));

	if (rc)
		return why_set(why, rc, "the data (%u bytes) cannot be read", data->len);
	if (data->len < sizeof(cfg))
		return why_set(why, -EINVAL, "the answer is of %zu bytes, not %u", sizeof(cfg),
			       data->len);
	rc = obj_region_alloc_locked(viommu, REGION_LEN, &offset, &host);
	if (rc)
		return why_set(why, rc, "no memory for %d bytes to be mapped", REGION_LEN);
	memcpy(host, &cfg.in_data, sizeof(cfg.in_data));
	cfg.out_data = cfg.in_data;
	cfg.out_mmap_offset = offset;
	cfg.out_mmap_length = REGION_LEN;
	rc = data->write(data, &cfg, sizeof(cfg));
	return rc ? why_set(why, rc, "the data cannot be written") : 0;
}

static int init(struct obj_viommu *viommu, struct kind_device *dev, const struct kind_data *data,
		struct ioas_why *why)
{
	struct share *share = alloc_zero(1, sizeof(*share));
	int rc = 0;

	if (!share)
		return why_set(why, -ENOMEM, "no memory for a viommu");
	if (data)
		rc = init_region(viommu, data, why);
	if (rc)
		free(share);
	else
		viommu->kind = share;
	return rc;
}

static void fini(struct obj_viommu *viommu)
{
	free(viommu->kind);
}

static int nested(struct obj_viommu *viommu, struct obj_hwpt *hwpt, uint32_t flags,
		  const struct kind_data *data, struct ioas_why *why)
{
	return mock_nested(NULL, hwpt, flags, data, why);
}

static int invalidate_one(struct obj_viommu *viommu, const struct testcmd_viommu_invalidate *entry,
			  struct ioas_why *why)
{
	struct obj_vdevice *vdevice;
	struct mock_device *mock;

	if (entry->flags & ~TESTCMD_INVALIDATE_ALL)
		return why_set(why, -EOPNOTSUPP, "unknown flags 0x%x", entry->flags);
	if (entry->index >= TESTCMD_CACHE_NR)
		return why_set(why, -EINVAL, "the cache has no word %u", entry->index);
	vdevice = obj_vdevice_find_locked(viommu, entry->virt_id);
	if (!vdevice)
		return why_set(why, -EINVAL, "the viommu has no device 0x%x", entry->virt_id);
	mock = (struct mock_device *)vdevice->device->kind;
	if (entry->flags & TESTCMD_INVALIDATE_ALL)
		memset(mock->cache, 0, sizeof(mock->cache));
	else
		mock->cache[entry->index] = 0;
	return 0;
}

/* All requests are read before the first one is carried out. */
static int invalidate(struct obj_viommu *viommu, struct kind_array *array, struct ioas_why *why)
{
	struct testcmd_viommu_invalidate *entries;
	int rc = 0;

	array->done = 0;
	if (array->type != TESTCMD_TYPE_INVALIDATE)
		return why_set(why, -EINVAL, "requests are of type 0x%x, not 0x%x",
			       TESTCMD_TYPE_INVALIDATE, array->type);
	if (!array->entry_nr)
		return 0;
	entries = alloc_zero(array->entry_nr, sizeof(*entries));
	if (!entries)
		return why_set(why, -ENOMEM, "no memory for %u requests", array->entry_nr);
	for (uint32_t i = 0; !rc && i < array->entry_nr; i++) {
		rc = array->read(array, i, &entries[i], 0, sizeof(entries[i]));
		if (rc)
			why_set(why, rc, "request %u cannot be read", i);
	}
	while (!rc && array->done < array->entry_nr) {
		rc = invalidate_one(viommu, &entries[array->done], why);
		if (!rc)
			array->done++;
	}
	free(entries);
	return rc;
}

static bool hw_queue_type(struct obj_viommu *viommu, uint32_t type)
{
	return type == TESTCMD_TYPE_HW_QUEUE;
}

/* The second queue needs the first one. */
static int hw_queue_init(struct obj_hw_queue *queue, pa_t pa, struct ioas_why *why)
{
	struct share *share = queue->viommu->kind;

	if (queue->index >= TESTCMD_HW_QUEUE_NR)
		return why_set(why, -EINVAL, "there are %d hardware queues, not %u",
			       TESTCMD_HW_QUEUE_NR, queue->index);
	if (share->queue[queue->index])
		return why_set(why, -EEXIST, "hardware queue %u is in use", queue->index);
	if (queue->index) {
		if (!share->queue[queue->index - 1])
			return why_set(why, -EIO, "hardware queue %u needs queue %u first",
				       queue->index, queue->index - 1);
		obj_hw_queue_depend_locked(queue, share->queue[queue->index - 1]);
	}
	share->queue[queue->index] = queue;
	return 0;
}

static void hw_queue_fini(struct obj_hw_queue *queue)
{
	struct share *share = queue->viommu->kind;

	share->queue[queue->index] = NULL;
}

static const struct kind_viommu_ops ops = {
	.init = init,
	.fini = fini,
	.nested = nested,
	.invalidate = invalidate,
	.hw_queue_type = hw_queue_type,
	.hw_queue_init = hw_queue_init,
	.hw_queue_fini = hw_queue_fini,
};

const struct kind_viommu_ops *mock_viommu(struct kind_device *dev, uint32_t type)
{
	return type == TESTCMD_TYPE_VIOMMU ? &ops : NULL;
}
