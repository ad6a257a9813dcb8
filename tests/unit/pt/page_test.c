/* SPDX-License-Identifier: MIT */
/*
 * Description: a page that is mapped into the table used last, and unmapped there, without its
 * format being asked, has the entry that the format gives it, in every format and shape, for all
 * that may be allowed and up to the last output address.
 */
#include <errno.h>
#include "tests/unit/pt/formats.h"
#include "tests/unit/rnd.h"

#define STEPS 8 /* more than there are levels */

static uint64_t rng = 88172645463325252ull;

static uint64_t rnd(uint64_t below)
{
	return (rnd_next(&rng) >> 11) % below;
}

static uint64_t entry_of(const struct pt *pt, iova_t iova)
{
	struct pt_step step[STEPS];
	unsigned nr = pt_trace(pt, iova, step, STEPS);

	assert_int_equal(step[nr - 1].level, 1);
	assert_int_equal(step[nr - 1].kind, IOAS_FAULT_ENTRY_LEAF);
	return step[nr - 1].entry;
}

/* The entry of the first page of a table, for which the format is asked. */
static uint64_t entry_alone(const struct pt_config *config, iova_t iova, pa_t pa, uint32_t prot)
{
	struct pt *pt = pt_make(config);
	uint64_t entry;

	assert_int_equal(pt_map(pt, iova, pa, page_len, prot), 0);
	entry = entry_of(pt, iova);
	unmap_all(pt);
	pt_destroy(pt);
	return entry;
}

static void check_page(struct pt *pt, const struct pt_config *config, iova_t iova, pa_t pa,
		       uint32_t prot)
{
	iova_t beside = iova ^ page_len;
	struct pt_gather gather = {NULL};
	struct pt_walk walk;

	assert_int_equal(pt_map(pt, beside, page_len * rnd(1000), page_len, prot), 0);
	assert_int_equal(pt_map(pt, iova, pa, page_len, prot), 0);
	assert_int_equal(pt_walk(pt, iova, &walk), 0);
	assert_int_equal(walk.pa, pa);
	assert_int_equal(walk.leaf_len, page_len);
	assert_int_equal(walk.prot, pt_prot_fit(pt, prot));
	assert_int_equal(entry_of(pt, iova), entry_alone(config, iova, pa, prot));
	assert_int_equal(pt_unmap(pt, iova, iova + page_len - 1, &gather), page_len);
	assert_int_equal(pt_walk(pt, iova, &walk), -ENOENT);
	assert_int_equal(pt_unmap(pt, iova, iova + page_len - 1, &gather), 0);
	assert_int_equal(pt_walk(pt, beside, &walk), 0);
	/* The last of a table goes with it, but for a root. */
	assert_int_equal(pt_unmap(pt, beside, beside + page_len - 1, &gather), page_len);
	assert_int_equal(pt_walk(pt, beside, &walk), -ENOENT);
	pt_gather_free(&gather);
	assert_int_equal(stats_of(pt).tables, 1);
	assert_int_equal(stats_of(pt).leaves, 0);
}

static void a_page_has_the_entry_that_its_format_gives_it(void **state)
{
	for (unsigned c = 0; c < config_nr; c++)
		for (uint32_t prot = 1; prot < 4 * 4; prot++) {
			struct pt_config config = configs[c];
			unsigned bits = pt_format_pa_bits(config.format);
			iova_t last;
			struct pt *pt;

			if (!(prot & 3))
				continue;
			config.dirty = prot >> 2 & 1;
			config.coherent = prot >> 3 & 1;
			pt = pt_make(&config);
			last = pt_aperture(pt).last & ~(page_len - 1);
			check_page(pt, &config, 0, (1ull << bits) - page_len, prot & 3);
			check_page(pt, &config, last, (1ull << (bits - 1)) - page_len, prot & 3);
			for (unsigned i = 0; i < 4; i++)
				check_page(pt, &config, rnd(last / page_len) * page_len,
					   rnd(1ull << bits) & ~(page_len - 1), prot & 3);
			pt_destroy(pt);
		}
}

/* What only some formats can say of a page is theirs to say, beside others or not. */
static void a_page_keeps_what_else_was_asked_of_it(void **state)
{
	const uint32_t prot = IOAS_PROT_READ | IOAS_PROT_WRITE | PT_PROT_NO_EXEC | PT_PROT_PRIV;

	for (unsigned c = 0; c < config_nr; c++) {
		struct pt *pt = pt_make(&configs[c]);

		check_page(pt, &configs[c], 0, page_len, prot);
		pt_destroy(pt);
	}
}

static void there_is_no_page_beyond_the_output_addresses(void **state)
{
	for (unsigned c = 0; c < config_nr; c++) {
		struct pt *pt = pt_make(&configs[c]);
		pa_t end = 1ull << pt_format_pa_bits(configs[c].format);

		assert_int_equal(pt_map(pt, 0, 0, page_len, IOAS_PROT_READ), 0);
		assert_int_equal(pt_map(pt, page_len, end, page_len, IOAS_PROT_READ), -ERANGE);
		assert_int_equal(pt_map(pt, page_len, end - page_len, page_len, IOAS_PROT_READ), 0);
		unmap_all(pt);
		pt_destroy(pt);
	}
}

/* Who is told of one page of a larger leaf unmaps all of it, since there are no parts of one. */
static void a_leaf_goes_as_a_whole(void **state)
{
	unsigned nr = 0;

	for (unsigned c = 0; c < config_nr; c++) {
		struct pt *pt = pt_make(&configs[c]);
		uint64_t sizes = pt_page_sizes(pt) & ~page_len, len = sizes & -sizes;
		struct pt_gather gather = {NULL};
		struct pt_walk walk;

		assert_int_equal(pt_map(pt, 0, 0, page_len, IOAS_PROT_READ), 0);
		assert_int_equal(pt_map(pt, len, 0, len, IOAS_PROT_READ), 0);
		if (len && !pt_walk(pt, len, &walk) && walk.leaf_nr > 1) {
			nr++;
			assert_int_equal(walk.leaf_len, len);
			assert_int_equal(pt_unmap(pt, len, len + page_len - 1, &gather), len);
			for (iova_t iova = len; iova < 2 * len; iova += page_len)
				assert_int_equal(pt_walk(pt, iova, &walk), -ENOENT);
			assert_int_equal(pt_walk(pt, 0, &walk), 0);
		}
		pt_gather_free(&gather);
		unmap_all(pt);
		pt_destroy(pt);
	}
	assert_true(nr > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_has_the_entry_that_its_format_gives_it),
		cmocka_unit_test(a_page_keeps_what_else_was_asked_of_it),
		cmocka_unit_test(there_is_no_page_beyond_the_output_addresses),
		cmocka_unit_test(a_leaf_goes_as_a_whole),
	};

	return cmocka_run_group_tests(tests, make_configs, NULL);
}
