/* SPDX-License-Identifier: MIT */
/* Our declarations of the ABI against the system's, and against the published sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ioas/uapi/iommufd.h>
#include <ioas/uapi/vfio.h>
#include "abi_system.h"

static const struct abi_fact ours[] = {VFIO_FACTS};

static void vfio_matches_the_system_header(void **state)
{
	assert_int_equal(sizeof(ours) / sizeof(ours[0]), abi_system_nr);
	for (size_t i = 0; i < abi_system_nr; i++) {
		if (ours[i].value != abi_system[i].value)
			print_error("%s\n", ours[i].name);
		assert_int_equal(ours[i].value, abi_system[i].value);
	}
}

/* Debian 12's linux-libc-dev has no iommufd.h: sizes as published. */
static void iommufd_has_the_published_sizes(void **state)
{
	_Static_assert(sizeof(struct iommu_destroy) == 8, "");
	_Static_assert(sizeof(struct iommu_ioas_alloc) == 12, "");
	_Static_assert(sizeof(struct iommu_ioas_allow_iovas) == 24, "");
	_Static_assert(sizeof(struct iommu_ioas_copy) == 40, "");
	_Static_assert(sizeof(struct iommu_ioas_iova_ranges) == 32, "");
	_Static_assert(sizeof(struct iommu_ioas_map) == 40, "");
	_Static_assert(sizeof(struct iommu_ioas_unmap) == 24, "");
	_Static_assert(sizeof(struct iommu_option) == 24, "");
	_Static_assert(sizeof(struct iommu_vfio_ioas) == 12, "");
	_Static_assert(sizeof(struct iommu_hwpt_alloc) == 48, "");
	_Static_assert(sizeof(struct iommu_hw_info) == 40, "");
	_Static_assert(sizeof(struct iommu_hw_info_vtd) == 24, "");
	_Static_assert(sizeof(struct iommu_hwpt_set_dirty_tracking) == 16, "");
	_Static_assert(sizeof(struct iommu_hwpt_get_dirty_bitmap) == 48, "");
	_Static_assert(sizeof(struct vfio_device_bind_iommufd) == 16, "");
	_Static_assert(sizeof(struct vfio_device_attach_iommufd_pt) == 16, "");
	_Static_assert(sizeof(struct vfio_device_detach_iommufd_pt) == 12, "");
	assert_int_equal(IOMMU_DESTROY, 0x3b80);
	assert_int_equal(IOMMU_IOAS_NOIOMMU_GET_PA, 0x3b95);
	assert_int_equal(VFIO_DEVICE_BIND_IOMMUFD, 0x3b76);
	assert_int_equal(offsetof(struct iommu_hw_info, out_capabilities), 32);
	assert_int_equal(offsetof(struct iommu_option, val64), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vfio_matches_the_system_header),
		cmocka_unit_test(iommufd_has_the_published_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
