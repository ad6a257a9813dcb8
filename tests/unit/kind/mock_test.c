/* SPDX-License-Identifier: MIT */
/*
 * Description: the mock IOMMU: which page tables it has for which request, and the words that stand
 * for its caches.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "iommu.h"
#include "kind/mock.h"
#include "obj/obj.h"

static struct ioas_iommu iommu = {.config = {.aw = 40}};
static struct testcmd_hwpt given;

static int read_given(const struct kind_data *data, void *dst, size_t min, size_t known)
{
	if (data->len < min || data->len > known)
		return -EINVAL;
	memset(dst, 0, known);
	memcpy(dst, &given, data->len);
	return 0;
}

static struct kind_data data_of(uint32_t type, uint32_t len)
{
	return (struct kind_data){.type = type, .len = len, .read = read_given};
}

static int paging(uint32_t device_flags, uint32_t flags, const struct kind_data *data,
		  bool small_pages, struct kind_paging *out)
{
	struct mock_device *mock;
	struct ioas_why why = {""};
	int rc;

	assert_int_equal(kind_mock_new(&iommu, device_flags, &mock, NULL), 0);
	rc = mock->kind.ops->paging(&mock->kind, flags, data, small_pages, out, &why);
	assert_int_equal(!rc, !why.text[0]);
	kind_mock_free(mock);
	return rc;
}

/* Half a page of the processor's, unless it is not to be smaller; or large ones. */
static void pages_are_as_small_as_asked_for(void **state)
{
	struct kind_data data = data_of(TESTCMD_TYPE_HWPT, sizeof(given));
	struct kind_paging out;

	for (unsigned small = 0; small < 2; small++) {
		given.pt_type = TESTCMD_PT_DEFAULT;
		assert_int_equal(paging(0, 0, NULL, small, &out), 0);
		assert_int_equal(out.pt.format, PT_AMDV1_2K);
		assert_int_equal(out.pt.aw, 32);
		assert_int_equal(out.pt.aperture.first, TESTCMD_APERTURE_FIRST);
		assert_int_equal(out.pt.aperture.last, TESTCMD_APERTURE_LAST);
		assert_int_equal(out.pt.max_leaf_lg2, small ? 12 : 11);
		assert_true(out.coherent);
		assert_false(out.dirty);
		assert_int_equal(paging(0, 0, &data, small, &out), 0);
		assert_int_equal(out.pt.max_leaf_lg2, small ? 12 : 11);
		assert_int_equal(paging(TESTCMD_DEVICE_HUGE, 0, NULL, small, &out), 0);
		assert_int_equal(out.pt.format, PT_AMDV1_2K);
		assert_int_equal(out.pt.max_leaf_lg2, small ? 12 : 20);
		given.pt_type = TESTCMD_PT_HUGE;
		assert_int_equal(paging(0, 0, &data, small, &out), 0);
		assert_int_equal(out.pt.format, PT_AMDV1);
		assert_int_equal(out.pt.aw, 40);
		assert_int_equal(out.pt.aperture.last, 0);
		assert_int_equal(out.pt.max_leaf_lg2, small ? 12 : 20);
	}
	given.pt_type = TESTCMD_PT_HUGE + 1;
	assert_int_equal(paging(0, 0, &data, false, &out), -EOPNOTSUPP);
	data.len = 4; /* as it was once */
	assert_int_equal(paging(0, 0, &data, false, &out), 0);
	data.len = 3;
	assert_int_equal(paging(0, 0, &data, false, &out), -EINVAL);
	data = data_of(TESTCMD_TYPE_HWPT + 1, sizeof(given));
	assert_int_equal(paging(0, 0, &data, false, &out), -EOPNOTSUPP);
}

static void flags_are_those_of_the_device_and_the_time(void **state)
{
	const uint32_t dirty = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	struct kind_data data = data_of(TESTCMD_TYPE_HWPT, sizeof(given));
	struct mock_device *mock;
	struct kind_paging out;

	given.pt_type = TESTCMD_PT_DEFAULT;
	assert_int_equal(paging(0, dirty, NULL, false, &out), 0);
	assert_true(out.dirty);
	assert_int_equal(paging(TESTCMD_DEVICE_NO_DIRTY, dirty, NULL, false, &out), -EOPNOTSUPP);
	assert_int_equal(paging(TESTCMD_DEVICE_HUGE, dirty, NULL, false, &out), 0);
	assert_int_equal(paging(TESTCMD_DEVICE_PASID, dirty, NULL, false, &out), 0);
	assert_int_equal(paging(TESTCMD_DEVICE_NO_DIRTY, 0, NULL, false, &out), 0);
	assert_int_equal(paging(0, IOMMU_HWPT_ALLOC_NEST_PARENT, NULL, false, &out), 0);
	assert_int_equal(paging(0, IOMMU_HWPT_ALLOC_PASID, NULL, false, &out), 0);
	assert_int_equal(paging(0, 1u << 20, NULL, false, &out), -EOPNOTSUPP);
	iommu.config.abi_6_12 = true;
	assert_int_equal(paging(0, IOMMU_HWPT_ALLOC_NEST_PARENT, NULL, false, &out), 0);
	assert_int_equal(paging(0, IOMMU_HWPT_ALLOC_PASID, NULL, false, &out), -EOPNOTSUPP);
	assert_int_equal(paging(0, 0, &data, false, &out), -EOPNOTSUPP);
	iommu.config.abi_6_12 = false;
	assert_int_equal(kind_mock_new(&iommu, 8, &mock, NULL), -EINVAL);
}

/* Each flag of a device for itself; and in Linux 6.12 nothing was told of ATS. */
static void a_device_tells_what_it_is(void **state)
{
	for (uint32_t flags = 0; flags < 8; flags++) {
		uint64_t dirty = flags & TESTCMD_DEVICE_NO_DIRTY ? 0 : IOMMU_HW_CAP_DIRTY_TRACKING;
		struct testcmd_hw_info info;
		struct kind_hw_info out;
		struct mock_device *mock;

		iommu.config.abi_6_12 = flags & 1;
		assert_int_equal(kind_mock_new(&iommu, flags, &mock, NULL), 0);
		assert_int_equal(mock->kind.ops->hw_info(&mock->kind, 0, &out, NULL), 0);
		assert_int_equal(out.type, TESTCMD_TYPE_HW_INFO);
		assert_int_equal(out.len, sizeof(info));
		memcpy(&info, out.data, sizeof(info));
		assert_int_equal(info.test_reg, TESTCMD_HW_INFO_REG);
		assert_int_equal(
			out.capabilities,
			dirty | (iommu.config.abi_6_12 ? 0 : IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED));
		assert_int_equal(out.max_pasid_lg2,
				 flags & TESTCMD_DEVICE_PASID ? TESTCMD_PASID_LG2 : 0);
		assert_int_equal(
			mock->kind.ops->hw_info(&mock->kind, TESTCMD_TYPE_HW_INFO, &out, NULL), 0);
		assert_int_equal(
			mock->kind.ops->hw_info(&mock->kind, TESTCMD_TYPE_HW_INFO + 1, &out, NULL),
			-EOPNOTSUPP);
		kind_mock_free(mock);
	}
	iommu.config.abi_6_12 = false;
}

static struct testcmd_hwpt_invalidate entries[3];

static int read_entry(const struct kind_array *array, uint32_t index, void *dst, size_t min,
		      size_t known)
{
	assert_int_equal(known, sizeof(entries[0]));
	if (index == 2)
		return -EFAULT;
	memcpy(dst, &entries[index], known);
	return 0;
}

static void expect_words(const struct obj_hwpt *hwpt, const uint32_t words[TESTCMD_IOTLB_NR])
{
	struct ioas_why why;

	for (uint32_t i = 0; i < TESTCMD_IOTLB_NR; i++) {
		assert_int_equal(kind_mock_check_iotlb(hwpt, i, words[i], &why), 0);
		assert_int_equal(kind_mock_check_iotlb(hwpt, i, words[i] + 1, &why), -EINVAL);
		assert_non_null(strstr(why.text, "word"));
	}
	assert_int_equal(kind_mock_check_iotlb(hwpt, TESTCMD_IOTLB_NR, 0, &why), -EINVAL);
}

static void words_are_invalidated_one_by_one(void **state)
{
	struct kind_data data = data_of(TESTCMD_TYPE_HWPT, sizeof(given));
	struct obj_ctx ctx = {.iommu = &iommu};
	struct obj_hwpt hwpt = {.obj.ctx = &ctx};
	struct kind_array array = {.type = TESTCMD_TYPE_INVALIDATE,
				   .entry_len = sizeof(entries[0]),
				   .read = read_entry};

	given = (struct testcmd_hwpt){.iotlb = 7};
	assert_int_equal(mock_nested(NULL, &hwpt, 0, NULL, NULL), -EOPNOTSUPP);
	assert_int_equal(mock_nested(NULL, &hwpt, 1u << 20, &data, NULL), -EOPNOTSUPP);
	assert_int_equal(mock_nested(NULL, &hwpt, 0, &data, NULL), 0);
	expect_words(&hwpt, (uint32_t[]){7, 7, 7, 7});
	assert_int_equal(mock_nested_invalidate(&hwpt, &array, NULL), 0);
	entries[0] = (struct testcmd_hwpt_invalidate){.index = 3};
	entries[1] = (struct testcmd_hwpt_invalidate){.index = 1};
	array.entry_nr = 2;
	assert_int_equal(mock_nested_invalidate(&hwpt, &array, NULL), 0);
	assert_int_equal(array.done, 2);
	expect_words(&hwpt, (uint32_t[]){7, 0, 7, 0});
	entries[0].index = 0;
	entries[1].index = TESTCMD_IOTLB_NR;
	assert_int_equal(mock_nested_invalidate(&hwpt, &array, NULL), -EINVAL);
	assert_int_equal(array.done, 1);
	expect_words(&hwpt, (uint32_t[]){0, 0, 7, 0});
	entries[1] = (struct testcmd_hwpt_invalidate){.flags = 2};
	assert_int_equal(mock_nested_invalidate(&hwpt, &array, NULL), -EOPNOTSUPP);
	assert_int_equal(array.done, 1);
	entries[1] = (struct testcmd_hwpt_invalidate){.flags = TESTCMD_INVALIDATE_ALL};
	array.entry_nr = 3;
	assert_int_equal(mock_nested_invalidate(&hwpt, &array, NULL), -EFAULT);
	assert_int_equal(array.done, 2);
	expect_words(&hwpt, (uint32_t[]){0, 0, 0, 0});
	array.entry_len++;
	assert_int_equal(mock_nested_invalidate(&hwpt, &array, NULL), -EINVAL);
	assert_int_equal(array.done, 0);
	array.type++;
	assert_int_equal(mock_nested_invalidate(&hwpt, &array, NULL), -EINVAL);
	mock_nested_free(&hwpt);
}

/* The second attachment of one PASID fails, once. */
static void an_attachment_fails_on_purpose(void **state)
{
	const pasid_t faulty = TESTCMD_PASID_FAULTY, other = 5;
	struct obj_hwpt hwpt = {.dirty = true};
	struct mock_device *mock, *old;
	const struct kind_ops *ops;
	uint32_t words = TESTCMD_CACHE_NR;
	struct ioas_why why;
	char want[64];

	snprintf(want, sizeof(want), "PASID %u fails on purpose", faulty);
	assert_int_equal(kind_mock_new(&iommu, TESTCMD_DEVICE_PASID, &mock, NULL), 0);
	assert_int_equal(kind_mock_new(&iommu, TESTCMD_DEVICE_NO_DIRTY, &old, NULL), 0);
	ops = mock->kind.ops;
	assert_true(kind_is_mock(ops));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ops->attach(&mock->kind, &faulty, &hwpt, NULL, NULL), 0);
		assert_int_equal(ops->attach(&mock->kind, &other, &hwpt, NULL, NULL), 0);
		assert_int_equal(ops->attach(&mock->kind, NULL, &hwpt, NULL, NULL), 0);
		ops->detach(&mock->kind, &other);
		ops->detach(&mock->kind, NULL);
		assert_int_equal(ops->attach(&mock->kind, &faulty, &hwpt, NULL, &why), -ENOMEM);
		assert_string_equal(why.text, want);
	}
	assert_int_equal(ops->attach(&mock->kind, &faulty, &hwpt, NULL, NULL), 0);
	ops->detach(&mock->kind, &faulty);
	assert_int_equal(ops->attach(&mock->kind, &faulty, &hwpt, NULL, NULL), 0);
	assert_int_equal(ops->attach(&old->kind, NULL, &hwpt, NULL, NULL), -EINVAL);
	hwpt.parent = &hwpt;
	assert_int_equal(ops->attach(&old->kind, NULL, &hwpt, NULL, NULL), 0);
	for (uint32_t i = 0; i < words; i++) {
		assert_int_equal(kind_mock_check_cache(mock, i, TESTCMD_CACHE_INITIAL, NULL), 0);
		assert_int_equal(kind_mock_check_cache(mock, i, 0, NULL), -EINVAL);
	}
	assert_int_equal(kind_mock_check_cache(mock, words, 0, NULL), -EINVAL);
	kind_mock_free(mock);
	kind_mock_free(old);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_as_small_as_asked_for),
		cmocka_unit_test(a_device_tells_what_it_is),
		cmocka_unit_test(flags_are_those_of_the_device_and_the_time),
		cmocka_unit_test(words_are_invalidated_one_by_one),
		cmocka_unit_test(an_attachment_fails_on_purpose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
