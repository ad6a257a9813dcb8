/* SPDX-License-Identifier: MIT */
/*
 * Description: what a page-table format offers and what it refuses: widths, page sizes, output
 * addresses, apertures. Runs on every format in every shape (formats.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "formats.h"

#define PA_BASE (1ull << 40)
#define RW	(IOAS_PROT_READ | IOAS_PROT_WRITE)

static const struct pt_config amdv1 = {PT_AMDV1, 48, 0};

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
