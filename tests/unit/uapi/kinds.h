/* SPDX-License-Identifier: MIT */
/* A kind of IOMMU that nests, tracks PASIDs and can be told to refuse; and devices behind it. */
#ifndef KINDS_H
#define KINDS_H

#include "obj/obj.h"
#include "uapi/uapi.h"
#include "util/alloc.h"
#include "util/inject.h"
#include "world.h"

#define FILE_BASE  1000
#define DATA_TYPE  0x77u
#define PASID_LG2  4
#define NO_REFUSAL UINT32_MAX

struct test_kind {
	struct kind_device kind; /* first */
	uint32_t refused;	 /* page table id that attach refuses with refusal */
	int refusal;
	unsigned attached, detached;
};

static inline int kinds_hw_info(struct kind_device *dev, uint32_t type, struct kind_hw_info *out,
				struct ioas_why *why)
{
	if (type)
		return -EOPNOTSUPP;
	*out = (struct kind_hw_info){.type = 9, .len = 8, .max_pasid_lg2 = PASID_LG2};
	memset(out->data, 0xab, 8);
	out->capabilities = IOMMU_HW_CAP_PCI_PASID_EXEC;
	return 0;
}

static inline int kinds_paging(struct kind_device *dev, uint32_t flags,
			       const struct kind_data *data, bool small_pages,
			       struct kind_paging *out, struct ioas_why *why)
{
	*out = (struct kind_paging){.pt = {.format = PT_AMDV1, .aw = 48}};
	return 0;
}

static inline int kinds_nested(struct kind_device *dev, struct obj_hwpt *hwpt, uint32_t flags,
			       const struct kind_data *data, struct ioas_why *why)
{
	uint32_t word[2];
	int rc = data->type == DATA_TYPE ? data->read(data, word, 4, 8) : -EOPNOTSUPP;

	if (rc)
		return rc;
	hwpt->kind = alloc_zero(1, 8);
	if (!hwpt->kind)
		return -ENOMEM;
	memcpy(hwpt->kind, word, 8);
	return 0;
}

static inline void kinds_nested_free(struct obj_hwpt *hwpt)
{
	free(hwpt->kind);
}

/* An entry is a number below 100. */
static inline int kinds_invalidate(struct obj_hwpt *hwpt, struct kind_array *array,
				   struct ioas_why *why)
{
	for (; array->done < array->entry_nr; array->done++) {
		uint64_t number;
		int rc = array->read(array, array->done, &number, 4, 8);

		if (rc || number >= 100)
			return rc ? rc : -EINVAL;
	}
	return 0;
}

static inline int kinds_attach(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
			       struct obj_hwpt *old, struct ioas_why *why)
{
	struct test_kind *t = (struct test_kind *)dev;

	if (hwpt->obj.id == t->refused)
		return t->refusal;
	t->attached++;
	return 0;
}

static inline void kinds_detach(struct kind_device *dev, const pasid_t *pasid)
{
	((struct test_kind *)dev)->detached++;
}

static const struct kind_ops kinds_ops = {
	.name = "test IOMMU",
	.hw_info = kinds_hw_info,
	.paging = kinds_paging,
	.nested = kinds_nested,
	.nested_free = kinds_nested_free,
	.nested_invalidate = kinds_invalidate,
	.attach = kinds_attach,
	.detach = kinds_detach,
};

static inline struct obj_ctx *kinds_ctx(struct world *w, int iommufd)
{
	return w->file[iommufd - FILE_BASE]->priv;
}

static inline void kinds_init(struct test_kind *t, struct world *w)
{
	*t = (struct test_kind){
		.kind = {.ops = &kinds_ops, .iommu = w->iommu},
		.refused = NO_REFUSAL,
	};
}

/* A device that sends no TLPs, in the context of the iommufd. */
static inline struct obj_device *kinds_bind(struct world *w, int iommufd, struct test_kind *t)
{
	static const struct ioas_range reserved[] = {{0x100000, 0x1fffff}};
	struct obj_device *device;

	assert_int_equal(
		obj_device_bind(kinds_ctx(w, iommufd), NULL, &t->kind, reserved, 1, &device), 0);
	return device;
}

/* An id, or -errno. `word` NULL: no data. */
static inline long kinds_hwpt(struct world *w, int iommufd, uint32_t dev, uint32_t pt,
			      uint32_t flags, const uint64_t *word, uint32_t fault)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = dev,
		.pt_id = pt,
		.data_type = word ? DATA_TYPE : 0,
		.data_len = word ? 8 : 0,
		.data_uptr = (uintptr_t)word,
		.fault_id = fault,
	};
	long rc = w_ioctl(w, iommufd, IOMMU_HWPT_ALLOC, &cmd);

	return rc ? rc : cmd.out_hwpt_id;
}

static inline long kinds_destroy(struct world *w, int iommufd, uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	return w_ioctl(w, iommufd, IOMMU_DESTROY, &cmd);
}

/* A fault queue's id; *out receives its descriptor. */
static inline uint32_t kinds_fault(struct world *w, int iommufd, int *out)
{
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd)};

	assert_int_equal(w_ioctl(w, iommufd, IOMMU_FAULT_QUEUE_ALLOC, &cmd), 0);
	*out = (int)cmd.out_fault_fd;
	return cmd.out_fault_id;
}

#endif
