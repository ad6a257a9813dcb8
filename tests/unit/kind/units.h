/* SPDX-License-Identifier: MIT */
/* IOMMUs of a kind in every form, each with a device behind it, and their registers read back. */
#ifndef TESTS_UNIT_KIND_UNITS_H
#define TESTS_UNIT_KIND_UNITS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <ioas/uapi/iommufd.h>
#include "iommu.h"
#include "kind/unit.h"
#include "route/route.h"

#define K4   (1ull << 12)
#define K16  (1ull << 14)
#define K64  (1ull << 16)
#define M2   (1ull << 21)
#define M32  (1ull << 25)
#define M512 (1ull << 29)
#define G1   (1ull << 30)

#define DIRTY IOMMU_HWPT_ALLOC_DIRTY_TRACKING
#define PASID IOMMU_HWPT_ALLOC_PASID
#define NEST  IOMMU_HWPT_ALLOC_NEST_PARENT

/* A unit, a device behind it that takes all the PASIDs there are, and what GET_HW_INFO tells. */
struct rig {
	struct ioas_iommu *iommu;
	struct kind_unit unit;
	struct ioas_device *dev;
	struct kind_own own;
	struct kind_hw_info info;
};

static inline uint64_t bits(uint64_t value, unsigned high, unsigned low)
{
	return value >> low & UINT64_MAX >> (63 - (high - low));
}

static inline void rig_begin(struct rig *rig, const struct ioas_topology_iommu *spec)
{
	const struct ioas_iommu_config config = {.aw = 57};
	struct route_identity who = {.name = "0000:01:00.0", .id = 0x100, .unit = &rig->unit};
	struct ioas_why why = {""};

	*rig = (struct rig){0};
	assert_int_equal(ioas_iommu_new(&config, &rig->iommu), 0);
	if (kind_unit_init(&rig->unit, rig->iommu, spec, 0, &why))
		fail_msg("%s", why.text);
	assert_int_equal(route_device_create(rig->iommu, &who, &rig->dev), 0);
	assert_int_equal(ioas_device_bind(rig->dev,
					  IOAS_FORM_RID | (spec->pasid_lg2 ? IOAS_FORM_PASID : 0),
					  spec->pasid_lg2, NULL),
			 0);
	kind_own_init(&rig->own, rig->dev);
	assert_int_equal(rig->own.base.ops->hw_info(&rig->own.base, 0, &rig->info, NULL), 0);
}

static inline void rig_end(struct rig *rig)
{
	ioas_device_unbind(rig->dev);
	route_device_destroy(rig->dev);
	kind_unit_fini(&rig->unit);
	ioas_iommu_destroy(rig->iommu);
}

/* The page table that a program gets with those flags, or NULL. */
static inline struct pt *rig_table(struct rig *rig, uint32_t flags)
{
	struct kind_paging paging;
	struct pt *pt = NULL;
	int rc = rig->own.base.ops->paging(&rig->own.base, flags, NULL, false, &paging, NULL);

	if (rc) {
		assert_int_equal(rc, -EOPNOTSUPP);
		return NULL;
	}
	paging.pt.dirty = paging.dirty;
	assert_int_equal(pt_new(&paging.pt, &pt), 0);
	return pt;
}

/* Does a program get such a one? */
static inline bool rig_grants(struct rig *rig, uint32_t flags)
{
	struct pt *pt = rig_table(rig, flags);

	pt_destroy(pt);
	return pt;
}

/* Calls `check` for a description, and with all there is to be or not to be. */
static inline void units_of(const struct ioas_topology_iommu *spec, void (*check)(struct rig *rig))
{
	for (unsigned flags = 0; flags < 32; flags++) {
		struct ioas_topology_iommu one = *spec;
		struct rig rig;

		one.ats = flags & 1;
		one.pri = flags & 2;
		one.dirty = flags & 4;
		one.coherency = flags & 8 && kind_find(spec->kind)->coherency;
		one.nested = flags & 16 && kind_find(spec->kind)->nests;
		rig_begin(&rig, &one);
		check(&rig);
		rig_end(&rig);
	}
}

/* For each width with each width of PASIDs and each set of pages. 0 ends them: left out, at last.
 */
static inline void units_each(const char *kind, const uint8_t *aw, const uint8_t *pasids,
			      const uint64_t *pages, void (*check)(struct rig *rig))
{
	unsigned i = 0, k = 0, p = 0;

	while (true) {
		const struct ioas_topology_iommu spec = {
			.kind = kind,
			.aw = aw[i],
			.pasid_lg2 = pasids[k],
			.page_sizes = pages[p],
		};

		units_of(&spec, check);
		if (pages[p++])
			continue;
		p = 0;
		if (pasids[k++])
			continue;
		k = 0;
		if (!aw[i++])
			return;
	}
}

/* What all kinds have in common: the answers follow from the description. */
static inline void check_common(struct rig *rig)
{
	const struct ioas_topology_iommu *spec = &rig->unit.spec;
	struct pt *pt = rig_table(rig, 0), *tracking = rig_table(rig, DIRTY);

	assert_non_null(pt);
	assert_int_equal(!!tracking, spec->dirty);
	assert_int_equal(
		rig->info.capabilities,
		(spec->dirty ? IOMMU_HW_CAP_DIRTY_TRACKING : 0) |
			(spec->pasid_lg2 ? IOMMU_HW_CAP_PCI_PASID_EXEC | IOMMU_HW_CAP_PCI_PASID_PRIV
					 : 0) |
			IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED);
	assert_int_equal(rig->info.max_pasid_lg2, spec->pasid_lg2);
	assert_int_equal(rig_grants(rig, PASID), spec->pasid_lg2 > 0);
	assert_int_equal(rig_grants(rig, NEST), rig->unit.spec.nested);
	assert_false(rig_grants(rig, 1u << 9));
	assert_int_equal(pt_aw(pt), rig->dev->aw);
	assert_int_equal(rig->unit.page_sizes, pt_page_sizes(pt));
	pt_destroy(pt);
	pt_destroy(tracking);
}

#endif
