/* SPDX-License-Identifier: MIT */
/*
 * Kinds of IOMMU: what differs between vendors, behind ioctls that are alike for all.
 *
 * A kind says what GET_HW_INFO tells of it, which page tables it can make, how it reads the
 * program's own data for nested page tables and viommus, and which attachments it can do. The
 * objects that programs see are src/obj/'s; a kind keeps its part of each in their `kind` members.
 *
 *   unit.c  the IOMMUs that the instance's own devices are behind: unit.h has their kinds
 *   mock.c  the one that IOMMU_TEST_CMD's devices are behind: what the kernel's selftests expect
 *
 * Callbacks are called with the context's lock held unless they say otherwise, and must not call
 * back into src/obj/ but for what obj/viommu.h has for them.
 */
#ifndef KIND_KIND_H
#define KIND_KIND_H

#include <ioas/device.h>
#include "pt/pt.h"

struct kind_ops;
struct kind_viommu_ops;
struct obj_hwpt;
struct obj_hw_queue;
struct obj_vdevice;
struct obj_viommu;

/* An IOMMU as one device sees it. Embedded first in a kind's own struct, if it has one. */
struct kind_device {
	const struct kind_ops *ops; /* constant */
	struct ioas_iommu *iommu;   /* constant */
};

/* A struct of the program's in a format of the kind's. Reading it is usercopy.c's work. */
struct kind_data {
	uint32_t type; /* IOMMU_..._TYPE_... */
	uint32_t len;
	/*
	 * Copies the whole struct to dst, `known` bytes, the rest zero. 0; -EINVAL len is below
	 * `min` or above `known`; -EFAULT.
	 */
	int (*read)(const struct kind_data *data, void *dst, size_t min, size_t known);
	/* Copies the first min(len, `known`) bytes back. 0; -EFAULT. */
	int (*write)(const struct kind_data *data, const void *src, size_t known);
};

/* Requests of the program's in a format of the kind's, one after the other. */
struct kind_array {
	uint32_t type;
	uint32_t entry_len, entry_nr;
	uint32_t done; /* how many were carried out: the kind counts */
	/*
	 * Copies entry `index` to dst, `known` bytes, the rest zero. 0; -EINVAL entry_len is below
	 * `min`; -E2BIG it is above `known` and the rest is not zero; -EFAULT.
	 */
	int (*read)(const struct kind_array *array, uint32_t index, void *dst, size_t min,
		    size_t known);
};

/* What GET_HW_INFO tells. */
struct kind_hw_info {
	uint32_t type; /* IOMMU_HW_INFO_TYPE_* */
	uint32_t len;  /* of data */
	uint8_t data[64];
	uint64_t capabilities; /* IOMMU_HW_CAP_* */
	uint8_t max_pasid_lg2; /* 0: the device sends no PASIDs */
	bool pasid_0_apart;    /* PASID 0 is one, and not the same as no PASID */
};

/* What page table a request gets. */
struct kind_paging {
	struct pt_config pt;
	bool dirty;    /* dirty tracking can be switched on (pt.dirty need not be set) */
	bool coherent; /* requests snoop caches, whatever they say of it */
};

struct kind_ops {
	const char *name; /* for reasons */

	/* `type`: the data asked for, 0 the kind's own. 0; -EOPNOTSUPP no such type. */
	int (*hw_info)(struct kind_device *dev, uint32_t type, struct kind_hw_info *out,
		       struct ioas_why *why);

	/*
	 * A page table on an IOAS. `flags`: IOMMU_HWPT_ALLOC_* without FAULT_ID_VALID; `data` NULL:
	 * none given. `small_pages`: the IOAS forbids leaves above 4 KiB. 0; -EOPNOTSUPP; -EINVAL;
	 * -EFAULT.
	 */
	int (*paging)(struct kind_device *dev, uint32_t flags, const struct kind_data *data,
		      bool small_pages, struct kind_paging *out, struct ioas_why *why);

	/*
	 * A page table in the program's memory on top of hwpt->parent: sets hwpt->kind, and
	 * hwpt->to where devices' requests are to be translated (tlp/nested.h). NULL: the kind
	 * cannot nest, -EOPNOTSUPP.
	 */
	int (*nested)(struct kind_device *dev, struct obj_hwpt *hwpt, uint32_t flags,
		      const struct kind_data *data, struct ioas_why *why);
	void (*nested_free)(struct obj_hwpt *hwpt);
	/*
	 * -EINVAL, -EOPNOTSUPP, -EFAULT; array->done says how far it came. Who calls this has seen
	 * to it that nothing remembered before is used any more (obj_hwpt_drain_locked); what the
	 * program meant is for check_stale_forget.
	 */
	int (*nested_invalidate)(struct obj_hwpt *hwpt, struct kind_array *array,
				 struct ioas_why *why);

	/*
	 * May the device's requests (of *pasid; NULL: without one) go to `hwpt` from now on,
	 * instead of `old` (NULL: nowhere)? The last check before they do: after 0 nothing fails
	 * any more, and `old` has its users yet. detach: from now on they go nowhere. NULL:
	 * always.
	 */
	int (*attach)(struct kind_device *dev, const pasid_t *pasid, struct obj_hwpt *hwpt,
		      struct obj_hwpt *old, struct ioas_why *why);
	void (*detach)(struct kind_device *dev, const pasid_t *pasid);

	/* The operations of viommus of that type; NULL (or a NULL callback): no such type. */
	const struct kind_viommu_ops *(*viommu)(struct kind_device *dev, uint32_t type);
};

/* Callbacks that are NULL: nothing to do, or (nested, invalidate, hw_queue) -EOPNOTSUPP. */
struct kind_viommu_ops {
	/*
	 * A share of the IOMMU that `dev` is behind. `data` NULL: none given. Sets viommu->kind.
	 */
	int (*init)(struct obj_viommu *viommu, struct kind_device *dev,
		    const struct kind_data *data, struct ioas_why *why);
	void (*fini)(struct obj_viommu *viommu);
	/* May that device, which is of the same kind, be one of the guest's? 0; -EINVAL. */
	int (*vdevice)(struct obj_viommu *viommu, struct kind_device *dev, struct ioas_why *why);
	/* As the kind's nested; hwpt->viommu is set. nested_free and the like stay the kind's. */
	int (*nested)(struct obj_viommu *viommu, struct obj_hwpt *hwpt, uint32_t flags,
		      const struct kind_data *data, struct ioas_why *why);
	int (*invalidate)(struct obj_viommu *viommu, struct kind_array *array,
			  struct ioas_why *why);
	/* A guest's queue in memory: `type` known? then checks queue->index, sets queue->kind. */
	bool (*hw_queue_type)(struct obj_viommu *viommu, uint32_t type);
	int (*hw_queue_init)(struct obj_hw_queue *queue, pa_t pa, struct ioas_why *why);
	void (*hw_queue_fini)(struct obj_hw_queue *queue);
};

/* unit.c: the one that a device of the instance's own is behind. */
struct kind_own {
	struct kind_device base;
	struct ioas_device *dev; /* constant */
};
void kind_own_init(struct kind_own *own, struct ioas_device *dev);

#endif
