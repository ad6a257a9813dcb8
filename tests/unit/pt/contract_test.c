/* SPDX-License-Identifier: MIT */
/*
 * Description: what every page-table format must do, checked against a brute-force twin: a plain
 * array with one output address a page. Runs on every format in every shape (formats.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "formats.h"

#define TWIN_NR	  (1u << 14) /* pages: 64 MiB, so that leaves of several levels occur */
#define PA_BASE	  (1ull << 40)
#define MAX_AREAS 64
#define RW	  (IOAS_PROT_READ | IOAS_PROT_WRITE)

static const struct pt_config amdv1 = {PT_AMDV1, 48, 0};

struct area {
	uint64_t page, nr;
};

/* The twin: what each page of the range from `base` means. */
struct twin {
	iova_t base;
	pa_t pa[TWIN_NR]; /* 0: not mapped */
	uint32_t prot[TWIN_NR];
	struct area area[MAX_AREAS];
	unsigned area_nr;
};

static uint64_t seed;
static uint64_t page_len; /* of the table made last */

static uint64_t rnd(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static struct pt *pt_make(const struct pt_config *config)
{
	struct pt *pt;

	assert_int_equal(pt_new(config, &pt), 0);
	page_len = 1ull << pt_page_lg2(pt);
	return pt;
}

static void unmap_all(struct pt *pt)
{
	struct pt_gather gather = {NULL};

	pt_unmap(pt, 0, UINT64_MAX, &gather);
	pt_gather_free(&gather);
}

static struct pt_stats stats_of(const struct pt *pt)
{
	struct pt_stats stats;

	pt_stats(pt, &stats);
	return stats;
}

static bool overlaps(const struct twin *twin, uint64_t page, uint64_t nr)
{
	for (uint64_t i = page; i < page + nr; i++)
		if (twin->pa[i])
			return true;
	return false;
}

static void random_map(struct pt *pt, struct twin *twin)
{
	uint64_t nr = 1 + rnd(1ull << rnd(14));
	uint64_t align = 1ull << rnd(14);
	uint64_t page, pa;
	uint32_t prot = 1 + (uint32_t)rnd(3);

	if (rnd(2))
		prot |= (uint32_t)rnd(16) * PT_PROT_NO_EXEC;
	if (nr > TWIN_NR || twin->area_nr == MAX_AREAS)
		return;
	page = rnd(TWIN_NR - nr + 1) & ~(align - 1);
	if (overlaps(twin, page, nr))
		return;
	/* Half of them congruent with their address, as windows of the physical map are. */
	pa = PA_BASE + (rnd(2) ? page : rnd(TWIN_NR)) * page_len;
	assert_int_equal(pt_map(pt, twin->base + page * page_len, pa, nr * page_len, prot), 0);
	for (uint64_t i = 0; i < nr; i++) {
		twin->pa[page + i] = pa + i * page_len;
		twin->prot[page + i] = pt_prot_fit(pt, prot);
	}
	twin->area[twin->area_nr++] = (struct area){page, nr};
}

static void random_unmap(struct pt *pt, struct twin *twin)
{
	struct pt_gather gather = {NULL};
	struct area area;
	unsigned i;

	if (!twin->area_nr)
		return;
	i = (unsigned)rnd(twin->area_nr);
	area = twin->area[i];
	twin->area[i] = twin->area[--twin->area_nr];
	assert_int_equal(pt_unmap(pt, twin->base + area.page * page_len,
				  twin->base + (area.page + area.nr) * page_len - 1, &gather),
			 area.nr * page_len);
	pt_gather_free(&gather);
	memset(&twin->pa[area.page], 0, area.nr * sizeof(twin->pa[0]));
}

static void check_page(struct pt *pt, const struct twin *twin, uint64_t page)
{
	iova_t iova = twin->base + page * page_len + rnd(page_len);
	struct pt_walk walk;
	struct pt_step steps[8];
	int rc = pt_walk(pt, iova, &walk);

	assert_true(pt_trace(pt, iova, steps, 8) > 0);
	if (!twin->pa[page]) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(walk.pa, twin->pa[page] + iova % page_len);
	assert_int_equal(walk.prot, twin->prot[page]);
	assert_true(walk.leaf_first <= iova && iova - walk.leaf_first < walk.leaf_len);
	assert_true(pt_page_sizes(pt) & walk.leaf_len);
	/* The whole leaf means one contiguous piece of the twin. */
	for (uint64_t a = walk.leaf_first; a < walk.leaf_first + walk.leaf_len; a += page_len)
		assert_int_equal(twin->pa[(a - twin->base) / page_len] - a,
				 twin->pa[page] - (iova & ~(page_len - 1)));
}

/* The nearest leaf by scanning pages both ways. */
static void check_nearest(struct pt *pt, const struct twin *twin)
{
	uint64_t page = rnd(TWIN_NR), below = 0, above = 0;
	iova_t iova = twin->base + page * page_len;
	struct ioas_range range;
	uint32_t prot;
	int rc = pt_nearest(pt, iova, &range, &prot);
	uint64_t gap;

	while (below <= page && !twin->pa[page - below])
		below++;
	while (page + above < TWIN_NR && !twin->pa[page + above])
		above++;
	if (below > page)
		below = UINT64_MAX;
	if (page + above == TWIN_NR)
		above = UINT64_MAX;
	gap = below < above ? below : above;
	if (gap == UINT64_MAX) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	assert_int_equal(rc, 0);
	if (!gap)
		assert_true(range.first <= iova && iova <= range.last);
	else if (range.first > iova)
		assert_int_equal(range.first - iova, above * page_len);
	else
		assert_int_equal(iova - range.last, (below - 1) * page_len + 1);
	assert_true(range.first > iova ? above <= below : below <= above);
	page = ((range.first > iova ? range.first : range.last) - twin->base) / page_len;
	assert_int_equal(prot, twin->prot[page] & RW);
}

static void agrees_with_the_twin_under_random_operations(void **state)
{
	struct twin *twin = malloc(sizeof(*twin));

	for (size_t c = 0; c < config_nr; c++) {
		/* Across the boundary of a top-level entry, where all tables change. */
		for (unsigned at = 0; at < 2; at++) {
			struct pt *pt = pt_make(&configs[c]);

			seed = 88172645463325252ull + c;
			memset(twin, 0, sizeof(*twin));
			if (at)
				twin->base =
					(pt_aperture(pt).last >> 1) + 1 - TWIN_NR / 2 * page_len;
			for (unsigned i = 0; i < 400; i++) {
				if (rnd(5) < 3)
					random_map(pt, twin);
				else
					random_unmap(pt, twin);
				for (unsigned k = 0; k < 8; k++)
					check_page(pt, twin, rnd(TWIN_NR));
				check_nearest(pt, twin);
			}
			while (twin->area_nr)
				random_unmap(pt, twin);
			assert_int_equal(stats_of(pt).leaves, 0);
			assert_int_equal(stats_of(pt).tables, 1);
			pt_destroy(pt);
		}
	}
	free(twin);
}

/* Brute force: at each address the largest power of two that is aligned and fits. */
static uint64_t ref_leaves(const struct pt *pt, iova_t iova, pa_t pa, uint64_t len)
{
	uint64_t nr = 0;

	while (len) {
		uint64_t size = page_len;

		for (uint64_t s = page_len; s <= len && s; s <<= 1)
			if ((pt_page_sizes(pt) & s) && !(iova % s) && !(pa % s))
				size = s;
		iova += size;
		pa += size;
		len -= size;
		nr++;
	}
	return nr;
}

static void uses_the_fewest_leaves(void **state)
{
	seed = 42;
	for (size_t c = 0; c < config_nr; c++) {
		for (unsigned i = 0; i < 100; i++) {
			struct pt *pt = pt_make(&configs[c]);
			uint64_t len = (1 + rnd(1ull << rnd(13))) * page_len;
			iova_t iova = rnd(1ull << 14) * page_len;
			pa_t pa = PA_BASE + (rnd(3) ? iova : iova + (page_len << rnd(12)));

			assert_int_equal(pt_map(pt, iova, pa, len, RW), 0);
			assert_int_equal(stats_of(pt).leaves, ref_leaves(pt, iova, pa, len));
			pt_destroy(pt);
		}
	}
}

static void a_contiguous_gigabyte_takes_a_handful_of_leaves(void **state)
{
	struct pt *pt = pt_make(&amdv1);
	iova_t iova = 0x7f1234567000;

	assert_int_equal(pt_map(pt, 1ull << 30, 5ull << 30, 1ull << 30, RW), 0);
	assert_int_equal(stats_of(pt).leaves, 1);
	assert_int_equal(stats_of(pt).tables, 2);
	unmap_all(pt);
	/* Wherever malloc put it, if the physical map is congruent. */
	assert_int_equal(pt_map(pt, iova, (1ull << 47) + iova, 1ull << 30, RW), 0);
	assert_true(stats_of(pt).leaves <= 36);
	assert_true(stats_of(pt).tables <= 6);
	pt_destroy(pt);
}

static void honours_the_largest_leaf_allowed(void **state)
{
	static const struct pt_config small = {PT_AMDV1, 48, 12};
	struct pt *pt = pt_make(&small);

	assert_int_equal(pt_page_sizes(pt), page_len);
	assert_int_equal(pt_map(pt, 0, PA_BASE, 4ull << 20, RW), 0);
	assert_int_equal(stats_of(pt).leaves, 1024);
	pt_destroy(pt);
}

static void a_gather_holds_every_table_taken_out(void **state)
{
	struct pt *pt = pt_make(&amdv1);
	struct pt_gather gather = {NULL};

	assert_int_equal(pt_map(pt, 0x1000, PA_BASE, page_len, RW), 0);
	assert_int_equal(stats_of(pt).tables, 4);
	assert_int_equal(pt_unmap(pt, 0x1000, 0x1fff, &gather), page_len);
	assert_int_equal(stats_of(pt).tables, 1);
	assert_non_null(gather.tables);
	pt_gather_free(&gather);
	assert_null(gather.tables);
	assert_int_equal(pt_unmap(pt, 0, UINT64_MAX, &gather), 0);
	assert_null(gather.tables);
	pt_destroy(pt);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void ends_at_its_width(void **state)
{
	for (size_t c = 0; c < config_nr; c++) {
		struct pt *pt = pt_make(&configs[c]);
		iova_t end = pt_aperture(pt).last + 1;
		uint64_t all = least(end, 1ull << least(51, pt_format_pa_bits(configs[c].format)));
		struct ioas_range range;
		struct pt_walk walk;
		uint32_t prot;

		assert_int_equal(pt_map(pt, end - page_len, PA_BASE, page_len, IOAS_PROT_READ), 0);
		assert_int_equal(pt_walk(pt, end - 1, &walk), 0);
		assert_int_equal(walk.pa, PA_BASE + page_len - 1);
		assert_int_equal(walk.prot, pt_prot_fit(pt, IOAS_PROT_READ));
		assert_int_equal(pt_walk(pt, end, &walk), -ERANGE);
		assert_int_equal(pt_walk(pt, UINT64_MAX, &walk), -ERANGE);
		assert_int_equal(pt_nearest(pt, UINT64_MAX, &range, &prot), 0);
		assert_int_equal(range.last, end - 1);
		/* All of it in as few leaves as there can be (else it would be millions). */
		unmap_all(pt);
		if (!configs[c].max_leaf_lg2 && all >> 17 <= pt_page_sizes(pt)) {
			assert_int_equal(pt_map(pt, 0, 0, all, RW), 0);
			assert_int_equal(stats_of(pt).leaves, ref_leaves(pt, 0, 0, all));
		}
		pt_destroy(pt);
	}
}

static void refuses_widths_it_has_not(void **state)
{
	static const struct {
		enum pt_format format;
		unsigned max;
	} widest[] = {
		{PT_AMDV1, 57},		  {PT_AMDV1_2K, 56},	    {PT_VTD_SS, 57},
		{PT_X86_64, 48},	  {PT_X86_64_5L, 57},	    {PT_ARM_LPAE_S1_4K, 48},
		{PT_ARM_LPAE_S1_16K, 48}, {PT_ARM_LPAE_S1_64K, 52}, {PT_ARM_LPAE_S2_4K, 48},
		{PT_ARM_LPAE_S2_16K, 48}, {PT_ARM_LPAE_S2_64K, 52}, {PT_RISCV_SV39, 39},
		{PT_RISCV_SV48, 48},	  {PT_RISCV_SV57, 57},	    {PT_RISCV_SV39X4, 41},
		{PT_RISCV_SV48X4, 50},	  {PT_RISCV_SV57X4, 57},
	};
	struct pt *pt;

	assert_int_equal(sizeof(widest) / sizeof(widest[0]), PT_FORMAT_NR);
	for (size_t i = 0; i < PT_FORMAT_NR; i++) {
		for (unsigned aw = 0; aw <= 70; aw++) {
			struct pt_config config = {widest[i].format, aw, 0};
			int rc = pt_new(&config, &pt);

			assert_int_equal(rc, aw >= 32 && aw <= widest[i].max ? 0 : -EINVAL);
			assert_int_equal(pt_format_has_aw(widest[i].format, aw), !rc);
			if (!rc)
				pt_destroy(pt);
		}
	}
	assert_int_equal(pt_new(&(struct pt_config){PT_FORMAT_NR, 48, 0}, &pt), -EINVAL);
	pt_destroy(NULL);
}

static void refuses_leaves_below_its_pages(void **state)
{
	struct pt *pt;

	for (unsigned format = 0; format < PT_FORMAT_NR; format++) {
		struct pt_config config = {format, 39, pt_format_page_lg2(format) - 1};

		assert_int_equal(pt_new(&config, &pt), -EINVAL);
	}
}

/* Nothing is mapped, and no table left over. */
static void refuses_output_addresses_it_cannot_hold(void **state)
{
	for (size_t c = 0; c < config_nr; c++) {
		struct pt *pt = pt_make(&configs[c]);
		pa_t end = 1ull << pt_format_pa_bits(configs[c].format);
		struct pt_walk walk;

		assert_int_equal(pt_map(pt, 0, end, page_len, RW), -ERANGE);
		assert_int_equal(pt_map(pt, 0, end - page_len, 2 * page_len, RW), -ERANGE);
		assert_int_equal(pt_walk(pt, 0, &walk), -ENOENT);
		assert_int_equal(stats_of(pt).tables, 1);
		assert_int_equal(pt_map(pt, page_len, end - page_len, page_len, RW), 0);
		assert_int_equal(pt_walk(pt, page_len, &walk), 0);
		assert_int_equal(walk.pa, end - page_len);
		pt_destroy(pt);
	}
}

static void has_a_name(void **state)
{
	enum pt_format found;

	for (unsigned format = 0; format < PT_FORMAT_NR_VENDOR; format++) {
		assert_int_equal(pt_format_find(pt_format_name(format), &found), 0);
		assert_int_equal(found, format);
	}
	assert_null(pt_format_name(PT_FORMAT_NR));
	assert_int_equal(pt_format_find("", &found), -ENOENT);
	/* Formats for tests are none to choose. */
	assert_int_equal(pt_format_find("amdv1-2k", &found), -ENOENT);
}

static void coherence_is_in_every_leaf_if_asked_for(void **state)
{
	for (unsigned format = 0; format < PT_FORMAT_NR; format++) {
		struct pt_config config = {.format = format, .aw = 39, .coherent = true};
		struct pt *pt = pt_make(&config);
		bool can = format == PT_AMDV1 || format == PT_AMDV1_2K || format == PT_VTD_SS;
		struct pt_walk walk;

		assert_int_equal(pt_map(pt, 0, PA_BASE, 1ull << 30, RW), 0);
		assert_int_equal(pt_walk(pt, 5 * page_len, &walk), 0);
		assert_int_equal(!!(walk.prot & PT_PROT_COHERENT), can);
		assert_int_equal(!!(pt_prot_fit(pt, RW) & PT_PROT_COHERENT), can);
		pt_destroy(pt);
	}
}

static void page_sizes_are_those_of_the_granule(void **state)
{
	static const struct {
		struct pt_config config;
		uint64_t sizes;
	} want[] = {
		{{PT_AMDV1, 48, 12}, 0x1000},
		{{PT_AMDV1, 48, 20}, 0x1ff000},
		{{PT_AMDV1_2K, 48, 11}, 0x800},
		{{PT_AMDV1_2K, 48, 12}, 0x1800},
		{{PT_AMDV1_2K, 48, 20}, 0x1ff800},
		{{PT_AMDV1, 48, 0}, 0xfffffffff000},
		{{PT_VTD_SS, 39, 0}, 0x40201000},
		{{PT_VTD_SS, 57, 0}, 0x40201000},
		{{PT_VTD_SS, 48, 29}, 0x201000},
		{{PT_X86_64, 48, 0}, 0x40201000},
		{{PT_X86_64_5L, 57, 0}, 0x40201000},
		{{PT_ARM_LPAE_S1_4K, 48, 0}, 0x442211000},
		{{PT_ARM_LPAE_S2_4K, 32, 0}, 0x2211000},
		{{PT_ARM_LPAE_S1_16K, 48, 0}, 0x42204000},
		{{PT_ARM_LPAE_S2_16K, 40, 0}, 0x42204000},
		{{PT_ARM_LPAE_S1_64K, 48, 0}, 0x40420210000},
		{{PT_ARM_LPAE_S2_64K, 46, 0}, 0x420210000},
		{{PT_RISCV_SV39, 39, 0}, 0x40211000},
		{{PT_RISCV_SV48, 48, 0}, 0x8040211000},
		{{PT_RISCV_SV57, 57, 0}, 0x1008040211000},
		{{PT_RISCV_SV39X4, 41, 0}, 0x40211000},
		{{PT_RISCV_SV57X4, 57, 0}, 0x1008040211000},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct pt *pt = pt_make(&want[i].config);

		assert_int_equal(pt_page_sizes(pt), want[i].sizes);
		assert_int_equal(page_len, want[i].sizes & -want[i].sizes);
		pt_destroy(pt);
	}
}

static void an_aperture_lies_in_the_width(void **state)
{
	struct pt_config config = {PT_AMDV1, 39, 0};
	struct pt *pt = pt_make(&config);

	assert_int_equal(pt_aperture(pt).first, 0);
	assert_int_equal(pt_aperture(pt).last, (1ull << 39) - 1);
	pt_destroy(pt);
	config.aperture = (struct ioas_range){0x1000000, 0x7fffffff};
	pt = pt_make(&config);
	assert_int_equal(pt_aperture(pt).first, 0x1000000);
	assert_int_equal(pt_aperture(pt).last, 0x7fffffff);
	pt_destroy(pt);
	config.aperture = (struct ioas_range){0x1000, 1ull << 39};
	assert_int_equal(pt_new(&config, &pt), -EINVAL);
	config.aperture = (struct ioas_range){0x2000, 0x1000};
	assert_int_equal(pt_new(&config, &pt), -EINVAL);
}

static void carries_its_labels(void **state)
{
	struct pt *pt = pt_make(&amdv1);

	pt_label(pt, 3, 7);
	assert_int_equal(pt_ioas_id(pt), 3);
	assert_int_equal(pt_hwpt_id(pt), 7);
	assert_int_equal(pt_aw(pt), 48);
	pt_destroy(pt);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_twin_under_random_operations),
		cmocka_unit_test(uses_the_fewest_leaves),
		cmocka_unit_test(a_contiguous_gigabyte_takes_a_handful_of_leaves),
		cmocka_unit_test(honours_the_largest_leaf_allowed),
		cmocka_unit_test(a_gather_holds_every_table_taken_out),
		cmocka_unit_test(ends_at_its_width),
		cmocka_unit_test(refuses_widths_it_has_not),
		cmocka_unit_test(refuses_leaves_below_its_pages),
		cmocka_unit_test(refuses_output_addresses_it_cannot_hold),
		cmocka_unit_test(has_a_name),
		cmocka_unit_test(coherence_is_in_every_leaf_if_asked_for),
		cmocka_unit_test(page_sizes_are_those_of_the_granule),
		cmocka_unit_test(an_aperture_lies_in_the_width),
		cmocka_unit_test(carries_its_labels),
	};

	return cmocka_run_group_tests(tests, make_configs, NULL);
}
