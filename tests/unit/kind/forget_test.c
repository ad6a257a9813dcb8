/* SPDX-License-Identifier: MIT */
/*
 * Description: what a guest's invalidation counts for, where a nested page table takes them: of a
 * handful of entries that its IOMMU may have cached, which are dropped, and which one of several
 * requests is the first that is refused.
 */
#include "forget.h"
#include "kind/amd.h"
#include "kind/vtd.h"
#include "obj/obj.h"
#include "tlp/nested.h"

#define X86 7ull /* present, writable, of users */

/* ---- VT-d: a page-selective invalidation is of one table ---- */

#define TOP 0x7ffffffff000ull

static const struct cached vtd_cached[] = {
	{'a', 0, 1, 0, X86},	    {'b', 0, 1, 0x1000, X86}, {'c', 0, 1, 0x2000, X86},
	{'d', 0, 1, 0x200000, X86}, {'e', 0, 2, 0, X86},      {'f', 0, 2, 0x200000, X86},
	{'g', 0, 1, TOP, X86},
};
static const struct kind vtd = {{.format = PT_X86_64, .aw = 48}, vtd_cached, 7};

static int vtd_do(const void *from, uint32_t nr, uint32_t type, uint32_t *done)
{
	struct kind_array array =
		array_of(type, from, sizeof(struct iommu_hwpt_vtd_s1_invalidate), nr);
	struct stage1 first = {.check = check};
	struct obj_hwpt hwpt = {.kind = &first};
	struct ioas_why why = {""};
	int rc = vtd_nested_invalidate(&hwpt, &array, &why);

	assert_int_equal(!rc, !why.text[0]);
	*done = array.done;
	return rc;
}

static void vtd_drops_pages_and_what_leads_to_them(void **state)
{
	static const struct {
		uint64_t addr, npages;
		bool leaf;
		const char *rest;
	} cases[] = {
		{0, 0, false, "abcdefg"},
		{0, 1, false, "bcdfg"},
		{0x1000, 1, true, "acdefg"},
		{0x1000, 2, false, "adfg"},
		{0x3000, 0x1fc, false, "abcdfg"},
		{0x3000, 0x1fd, false, "abcdfg"},
		{0x3000, 0x1fe, false, "abcg"},
		{0x200000, 1, false, "abceg"},
		{0x400000, 1, false, "abcdefg"},
		{0x1000, (1ull << 52) - 2, false, "a"},
		{0x1000, (1ull << 52) - 1, true, "aef"},
		{0x1000, UINT64_MAX - 1, true, "aef"},
		{0, UINT64_MAX, true, "ef"},
		{0, UINT64_MAX, false, ""},
		{TOP, 1, false, "abcdef"},
	};
	uint32_t done;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct iommu_hwpt_vtd_s1_invalidate one = {
			.addr = cases[i].addr,
			.npages = cases[i].npages,
			.flags = cases[i].leaf ? IOMMU_VTD_INV_FLAGS_LEAF : 0,
		};

		remember(&vtd);
		assert_int_equal(vtd_do(&one, 1, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, &done), 0);
		assert_int_equal(done, 1);
		assert_string_equal(rest(&vtd), cases[i].rest);
	}
}

static void vtd_stops_at_what_it_refuses(void **state)
{
	static const struct {
		struct iommu_hwpt_vtd_s1_invalidate one;
		int rc;
	} cases[] = {
		{{.npages = 1, .flags = 2}, -EOPNOTSUPP},
		{{.npages = 1, .flags = 3}, -EOPNOTSUPP},
		{{.npages = 1, .__reserved = 1}, -EOPNOTSUPP},
		{{.npages = 1, .addr = 0x800}, -EINVAL},
		{{.npages = UINT64_MAX, .addr = 0x1000}, -EINVAL},
	};
	uint32_t done;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct iommu_hwpt_vtd_s1_invalidate all[3] = {
			{.addr = 0x1000, .npages = 1, .flags = IOMMU_VTD_INV_FLAGS_LEAF},
			cases[i].one,
			{.npages = UINT64_MAX}};

		remember(&vtd);
		assert_int_equal(vtd_do(all, 3, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, &done),
				 cases[i].rc);
		assert_int_equal(done, 1);
		assert_string_equal(rest(&vtd), "acdefg");
		bad = 1;
		remember(&vtd);
		assert_int_equal(vtd_do(all, 3, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, &done), -EFAULT);
		bad = UINT32_MAX;
		assert_int_equal(done, 1);
		assert_string_equal(rest(&vtd), "acdefg");
		remember(&vtd);
		assert_int_equal(vtd_do(all, 1, IOAS_HWPT_INVALIDATE_DATA_AMD, &done), -EINVAL);
		assert_int_equal(done, 0);
		assert_string_equal(rest(&vtd), "abcdefg");
	}
}

/* ---- AMD: by PASID, and the GCR3 table's entries too ---- */

static const struct cached amd_cached[] = {
	{'a', 0, 1, 0, X86},	{'b', 0, 1, 0x1000, X86}, {'c', 0, 1, 0x8000, X86},
	{'d', 0, 2, 0, X86},	{'e', 0, 0, 0x9000, 1},	  {'f', 5, 1, 0, X86},
	{'g', 5, 0, 0x9028, 1}, {'h', 0, 1, TOP, X86},
};
static const struct kind amd = {{.format = PT_X86_64, .aw = 48}, amd_cached, 8};

static int amd_do(const void *from, uint32_t nr, uint32_t type, uint32_t *done)
{
	struct kind_array array = array_of(type, from, sizeof(struct ioas_amd_command), nr);
	struct stage1 first = {.check = check};
	struct obj_hwpt hwpt = {.kind = &first};
	struct ioas_why why = {""};
	int rc = amd_nested_invalidate(&hwpt, &array, &why);

	assert_int_equal(!rc, !why.text[0]);
	*done = array.done;
	return rc;
}

#define PAGES(pasid) ((uint64_t)IOAS_AMD_INVALIDATE_IOMMU_PAGES << 60 | (pasid))
#define S	     1ull
#define PDE	     2ull
#define GN	     4ull

static void amd_drops_by_the_size_in_the_address(void **state)
{
	static const struct {
		uint64_t word[2];
		const char *rest;
	} cases[] = {
		{{PAGES(0), S | PDE | ~0xfffull}, "abcdefgh"}, /* of the host's table */
		{{PAGES(0), GN}, "bcdefgh"},
		{{PAGES(0x3000ull << 32), GN | PDE | 0x1000}, "acefgh"},
		{{PAGES(0), GN | S}, "cdefgh"},
		{{PAGES(0), GN | S | 0x7000}, "defgh"},
		{{PAGES(0), GN | S | 0x3000}, "cdefgh"},
		{{PAGES(0), GN | S | 0x8000}, "abdefgh"},
		{{PAGES(0), GN | S | PDE | 0xa000}, "abcefgh"},
		{{PAGES(0), GN | S | PDE | 0x200000}, "abcdefgh"},
		{{PAGES(0), GN | S | PDE | (~0xfffull & INT64_MAX)}, "fg"},
		{{PAGES(0), GN | S | PDE | (~0xfffull & INT64_MAX >> 1)}, "fg"},
		{{PAGES(0), GN | S | PDE | (~0xfffull & INT64_MAX >> 2)}, "efg"},
		{{PAGES(0), GN | S | PDE | ~0xfffull}, "fg"},
		{{PAGES(0), GN | S | ~0xfffull}, "defg"},
		{{PAGES(5), GN}, "abcdegh"},
		{{PAGES(5), GN | S | PDE | ~0xfffull}, "abcdeh"},
		{{PAGES(0x10005), GN | S | PDE | ~0xfffull}, "abcdefgh"},
		{{(uint64_t)IOAS_AMD_INVALIDATE_DEVTAB_ENTRY << 60 | 0x1234, 0}, ""},
		{{(uint64_t)IOAS_AMD_INVALIDATE_IOMMU_ALL << 60, 0}, ""},
	};
	uint32_t done;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		remember(&amd);
		assert_int_equal(amd_do(cases[i].word, 1, IOAS_HWPT_INVALIDATE_DATA_AMD, &done), 0);
		assert_int_equal(done, 1);
		assert_string_equal(rest(&amd), cases[i].rest);
	}
}

static void amd_stops_at_what_it_refuses(void **state)
{
	static const struct {
		uint64_t word[2];
		int rc;
	} cases[] = {
		{{0, 0}, -EOPNOTSUPP},
		{{1ull << 60, 0}, -EOPNOTSUPP},
		{{4ull << 60, 0}, -EOPNOTSUPP},
		{{15ull << 60, 0}, -EOPNOTSUPP},
		{{PAGES(0x100000), GN}, -EINVAL},
		{{PAGES(1ull << 48), GN}, -EINVAL},
		{{PAGES(0), GN | 8}, -EINVAL},
		{{PAGES(0), GN | 0x800}, -EINVAL},
		{{(uint64_t)IOAS_AMD_INVALIDATE_DEVTAB_ENTRY << 60 | 0x10000, 0}, -EINVAL},
		{{(uint64_t)IOAS_AMD_INVALIDATE_DEVTAB_ENTRY << 60, 1}, -EINVAL},
		{{(uint64_t)IOAS_AMD_INVALIDATE_IOMMU_ALL << 60 | 1, 0}, -EINVAL},
		{{(uint64_t)IOAS_AMD_INVALIDATE_IOMMU_ALL << 60, 1}, -EINVAL},
	};
	uint32_t done;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t all[3][2] = {{PAGES(0), GN},
				      {cases[i].word[0], cases[i].word[1]},
				      {(uint64_t)IOAS_AMD_INVALIDATE_IOMMU_ALL << 60}};

		remember(&amd);
		assert_int_equal(amd_do(all, 3, IOAS_HWPT_INVALIDATE_DATA_AMD, &done), cases[i].rc);
		assert_int_equal(done, 1);
		assert_string_equal(rest(&amd), "bcdefgh");
	}
	remember(&amd);
	bad = 0;
	assert_int_equal(
		amd_do((uint64_t[2]){PAGES(0), GN}, 1, IOAS_HWPT_INVALIDATE_DATA_AMD, &done),
		-EFAULT);
	bad = UINT32_MAX;
	assert_int_equal(done, 0);
	assert_int_equal(
		amd_do((uint64_t[2]){PAGES(0), GN}, 1, IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, &done),
		-EINVAL);
	assert_int_equal(done, 0);
	assert_string_equal(rest(&amd), "abcdefgh");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vtd_drops_pages_and_what_leads_to_them),
		cmocka_unit_test(vtd_stops_at_what_it_refuses),
		cmocka_unit_test(amd_drops_by_the_size_in_the_address),
		cmocka_unit_test(amd_stops_at_what_it_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
