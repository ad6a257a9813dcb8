/* SPDX-License-Identifier: MIT */
/*
 * Description: spaces nested in software. A twin: a parent, a child and a child of that, each with
 * a page table, after thousands of random maps and unmaps at all levels show what the composition
 * of what each maps says, page by page, and permissions too. What may refuse, refuses before.
 */
#include <sys/mman.h>
#include <ioas/access.h>
#include "mem/file.h"
#include "tests/unit/rnd.h"
#include "tests/unit/space/rig.h"
#include "util/inject.h"
#include "util/lock.h"

#define PAGES 48
#define LEVEL 3
#define STEPS 12000
#define BASE  0x10000000ull
#define NONE  (~0u)

/* What a space maps, page by page: the page of what is below, and of which map it is. */
struct twin {
	struct ioas_space *space;
	struct pt *pt;
	struct {
		unsigned below, first, last; /* of the map; below NONE: not mapped */
		uint32_t prot;
	} page[PAGES];
};

static struct rig *rig;
static struct twin twin[LEVEL];
static uint64_t state_of_rnd = 88172645463325252ull;

static uint64_t rnd(uint64_t below)
{
	return (rnd_next(&state_of_rnd) >> 11) % below;
}

static iova_t address(unsigned page)
{
	return BASE + page * PAGE;
}

static int setup(void **state)
{
	int rc = rig_setup(state);

	rig = *state;
	lock_init(&rig->iommu.nest_lock, LOCK_NEST);
	memset(twin, 0, sizeof(twin));
	for (unsigned i = 0; i < LEVEL; i++) {
		if (!i)
			twin[i].space = ioas_space_get(rig->space);
		else
			assert_int_equal(
				ioas_space_new_nested(twin[i - 1].space, &twin[i].space, &rig->why),
				0);
		twin[i].pt = rig_pt(48);
		assert_int_equal(space_domain_attach(twin[i].space, twin[i].pt, NULL), 0);
		for (unsigned p = 0; p < PAGES; p++)
			twin[i].page[p].below = NONE;
	}
	return rc;
}

static int teardown(void **state)
{
	for (unsigned i = LEVEL; i--;) {
		space_domain_detach(twin[i].space, twin[i].pt);
		pt_destroy(twin[i].pt);
		ioas_space_put(twin[i].space);
	}
	return rig_teardown(state);
}

/* Where a page of a space leads in the end: an address of the arena, 0 nowhere. */
static uint64_t composed(unsigned level, unsigned page, uint32_t *prot)
{
	*prot = RW;
	for (;; level--) {
		if (page >= PAGES || twin[level].page[page].below == NONE)
			return 0;
		*prot &= twin[level].page[page].prot;
		page = twin[level].page[page].below;
		if (!level)
			return *prot ? ARENA + page * PAGE : 0;
	}
}

static void compare(void)
{
	for (unsigned i = 0; i < LEVEL; i++)
		for (unsigned p = 0; p < PAGES; p++) {
			uint32_t want_prot, prot = 0;
			uint64_t want = composed(i, p, &want_prot);

			assert_int_equal(rig_lookup(rig, twin[i].pt, address(p), &prot), want);
			if (want)
				assert_int_equal(prot & RW, want_prot);
		}
}

static bool overlaps(const struct twin *of, unsigned first, unsigned nr)
{
	for (unsigned p = first; p < first + nr; p++)
		if (of->page[p].below != NONE)
			return true;
	return false;
}

static void map(unsigned level)
{
	unsigned nr = 1 + (unsigned)rnd(6), first = (unsigned)rnd(PAGES - nr + 1);
	/* What is below need not be there; of memory there is enough. */
	unsigned below = (unsigned)rnd(PAGES);
	uint32_t prot = 1 + (uint32_t)rnd(3);
	iova_t iova = address(first);
	int want = overlaps(&twin[level], first, nr) ? -EEXIST : 0, rc;

	if (level)
		rc = ioas_space_nest_map(twin[level].space, iova, address(below), nr * PAGE, prot,
					 NULL);
	else
		rc = ioas_space_map(twin[0].space, &rig->caller, &iova, ARENA + below * PAGE,
				    nr * PAGE, prot | IOAS_MAP_FIXED, NULL);
	assert_int_equal(rc, want);
	for (unsigned p = first; !rc && p < first + nr; p++) {
		twin[level].page[p].below = below + (p - first);
		twin[level].page[p].first = first;
		twin[level].page[p].last = first + nr - 1;
		twin[level].page[p].prot = prot;
	}
}

/* Whole maps from the lowest on, up to one that the range cuts. */
static void unmap(unsigned level)
{
	unsigned nr = 1 + (unsigned)rnd(8), first = (unsigned)rnd(PAGES - nr + 1), done = 0;
	uint64_t len;
	int want = 0, rc;

	if (rnd(2) && twin[level].page[first].below != NONE) {
		nr = twin[level].page[first].last - twin[level].page[first].first + 1;
		first = twin[level].page[first].first;
	}
	for (unsigned p = first; p < first + nr && !want; p++) {
		unsigned from = twin[level].page[p].first, to = twin[level].page[p].last;

		if (twin[level].page[p].below == NONE)
			continue;
		if (from < first || to >= first + nr) {
			want = -ENOENT;
			break;
		}
		for (unsigned q = from; q <= to; q++, done++)
			twin[level].page[q].below = NONE;
		p = to;
	}
	rc = ioas_space_unmap(twin[level].space, address(first), address(first + nr) - 1, &len,
			      NULL);
	assert_int_equal(rc, want ? want : done ? 0 : -ENOENT);
	assert_int_equal(len, done * PAGE);
}

static void all_levels_show_the_composition(void **state)
{
	struct ioas_nest_info info;
	uint64_t shown = 0;

	for (unsigned i = 0; i < STEPS; i++) {
		unsigned level = (unsigned)rnd(LEVEL);

		if (rnd(2))
			map(level);
		else
			unmap(level);
		compare();
	}
	assert_int_equal(ioas_space_nest_info(twin[1].space, &info), 0);
	for (unsigned p = 0; p < PAGES; p++) {
		uint32_t prot;

		shown += composed(1, p, &prot) ? PAGE : 0;
		info.len -= twin[1].page[p].below != NONE ? PAGE : 0;
	}
	assert_int_equal(info.shown_len, shown);
	assert_int_equal(info.len, 0);
	assert_int_equal(ioas_space_nest_info(twin[0].space, &info), -EINVAL);
}

static void what_is_refused(void **state)
{
	struct ioas_space *child = twin[1].space, *deeper[8], *one;
	iova_t iova = BASE;

	assert_int_equal(ioas_space_nest_map(rig->space, BASE, BASE, PAGE, RW, NULL), -EINVAL);
	assert_int_equal(ioas_space_nest_map(child, BASE, BASE, PAGE, 8, NULL), -EOPNOTSUPP);
	assert_int_equal(ioas_space_nest_map(child, BASE, BASE, PAGE, 0, NULL), -EINVAL);
	assert_int_equal(ioas_space_nest_map(child, BASE, BASE, 0, RW, NULL), -EINVAL);
	assert_int_equal(ioas_space_nest_map(child, BASE, BASE, PAGE + 1, RW, NULL), -EINVAL);
	assert_int_equal(ioas_space_nest_map(child, BASE + 1, BASE, PAGE, RW, NULL), -EINVAL);
	assert_int_equal(ioas_space_nest_map(child, BASE, BASE + 1, PAGE, RW, NULL), -EINVAL);
	assert_int_equal(ioas_space_nest_map(child, BASE, 0 - PAGE, 2 * PAGE, RW, NULL),
			 -EOVERFLOW);
	assert_int_equal(ioas_space_nest_map(child, 1ull << 48, BASE, PAGE, RW, NULL), -EINVAL);
	assert_int_equal(ioas_space_map(child, &rig->caller, &iova, ARENA, PAGE, RW, &rig->why),
			 -EINVAL);
	assert_non_null(strstr(rig->why.text, "nested"));
	assert_int_equal(rig_fixed(rig, BASE, ARENA, PAGE), 0);
	assert_int_equal(ioas_space_copy(child, &iova, rig->space, BASE, PAGE, RW, NULL), -EINVAL);
	deeper[1] = twin[2].space;
	for (unsigned i = 2; i < 8; i++)
		assert_int_equal(ioas_space_new_nested(deeper[i - 1], &deeper[i], NULL), 0);
	assert_int_equal(ioas_space_new_nested(deeper[7], &one, &rig->why), -EINVAL);
	assert_string_equal(rig->why.text, "spaces are nested 8 deep already");
	/* A child keeps its parent. */
	for (unsigned i = 2; i < 7; i++)
		ioas_space_put(deeper[i]);
	assert_int_equal(ioas_space_nest_map(deeper[7], BASE, BASE, PAGE, RW, NULL), 0);
	ioas_space_put(deeper[7]);
	assert_int_equal(rig_unmap(rig, BASE, PAGE, PAGE), 0);
}

/* Memory for a child's share fails: the parent's map fails with it, and nothing is left. */
static void a_child_that_cannot_show_it_undoes_the_map(void **state)
{
	assert_int_equal(ioas_space_nest_map(twin[1].space, BASE, BASE, 4 * PAGE, RW, NULL), 0);
	for (unsigned fail = 0;; fail++) {
		int rc;

		inject_arm(fail + 1);
		rc = rig_fixed(rig, BASE, ARENA, 4 * PAGE);
		inject_arm(0);
		if (!rc)
			break;
		assert_true(rc == -ENOMEM || rc == -EFAULT);
		for (unsigned p = 0; p < 4; p++) {
			uint32_t prot;

			assert_int_equal(rig_lookup(rig, twin[0].pt, address(p), &prot), 0);
			assert_int_equal(rig_lookup(rig, twin[1].pt, address(p), &prot), 0);
		}
		assert_true(fail < 100);
	}
	assert_int_equal(rig_unmap(rig, BASE, 4 * PAGE, 4 * PAGE), 0);
}

/* A locked part of a child keeps the parent's UNMAP back, before anything has gone. */
static void a_locked_part_keeps_its_parent(void **state)
{
	uint32_t prot;
	pa_t pa;

	assert_int_equal(rig_fixed(rig, BASE, ARENA, 4 * PAGE), 0);
	assert_int_equal(ioas_space_nest_map(twin[1].space, BASE, BASE, 4 * PAGE, RW, NULL), 0);
	assert_int_equal(space_lock_range(twin[1].space, BASE, BASE + PAGE - 1, &pa, NULL), 0);
	assert_int_equal(rig_unmap(rig, BASE, 4 * PAGE, 0), -EBUSY);
	for (unsigned p = 0; p < 4; p++)
		assert_int_equal(rig_lookup(rig, twin[1].pt, address(p), &prot), ARENA + p * PAGE);
	space_unlock_range(twin[1].space, BASE, BASE + PAGE - 1);
	assert_int_equal(rig_unmap(rig, BASE, 4 * PAGE, 4 * PAGE), 0);
	assert_int_equal(rig_lookup(rig, twin[1].pt, BASE, &prot), 0);
}

/* An UNMAP that stops at a mapping leaves what children show of that as it is. */
static void what_stays_is_shown_all_the_time(void **state)
{
	uint32_t prot;

	assert_int_equal(rig_fixed(rig, BASE, ARENA, 2 * PAGE), 0);
	assert_int_equal(rig_fixed(rig, BASE + 2 * PAGE, ARENA + 2 * PAGE, 2 * PAGE), 0);
	assert_int_equal(ioas_space_nest_map(twin[1].space, BASE, BASE, 4 * PAGE, RW, NULL), 0);
	assert_int_equal(rig_unmap(rig, BASE, 3 * PAGE - 7, 2 * PAGE), -ENOENT);
	assert_int_equal(rig_lookup(rig, twin[1].pt, BASE, &prot), 0);
	for (unsigned p = 2; p < 4; p++)
		assert_int_equal(rig_lookup(rig, twin[1].pt, BASE + p * PAGE, &prot),
				 ARENA + p * PAGE);
}

static bool shows(const struct ioas_space *space, iova_t iova)
{
	const struct space_area *area = areas_find(&space->areas, iova);

	return area && area->first <= iova;
}

/* An address after the last is none: the page at 0 has nothing to do with the one at the end. */
static void nothing_comes_after_the_last_page(void **state)
{
	struct ioas_space *child;

	assert_int_equal(ioas_space_new_nested(rig->space, &child, NULL), 0);
	assert_int_equal(rig_fixed(rig, BASE, ARENA, PAGE), 0);
	assert_int_equal(rig_fixed(rig, BASE + 4 * PAGE, ARENA + 4 * PAGE, PAGE), 0);
	assert_int_equal(ioas_space_nest_map(child, 0, BASE + 4 * PAGE, PAGE, RW, NULL), 0);
	assert_int_equal(ioas_space_nest_map(child, -PAGE, BASE, PAGE, RW, NULL), 0);
	assert_true(shows(child, 0) && shows(child, -PAGE));
	assert_int_equal(rig_unmap(rig, BASE, PAGE, PAGE), 0);
	assert_true(shows(child, 0));
	assert_false(shows(child, -PAGE));
	ioas_space_put(child);
}

/* A file that is too short for a child's page table is refused, as it is for one of one's own. */
static void a_short_file_is_refused(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct ioas_nest_info info;
	struct mem_file *file;
	iova_t iova = BASE;

	space_domain_detach(twin[0].space, twin[0].pt);
	assert_int_equal(mem_file_open(rig->iommu.files, fd, &file), 0);
	assert_int_equal(space_map_file(twin[0].space, &rig->caller, file, &iova, 0, PAGE,
					RW | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(ioas_space_nest_map(twin[1].space, BASE, BASE, PAGE, RW, NULL), -EINVAL);
	assert_int_equal(ioas_space_nest_info(twin[1].space, &info), 0);
	assert_int_equal(info.maps, 0);
	assert_int_equal(rig_unmap(rig, BASE, PAGE, PAGE), 0);
	assert_int_equal(ioas_space_nest_map(twin[1].space, BASE, BASE, PAGE, RW, NULL), 0);
	assert_int_equal(space_map_file(twin[0].space, &rig->caller, file, &iova, 0, PAGE,
					RW | IOAS_MAP_FIXED, NULL),
			 -EINVAL);
	assert_int_equal(rig_unmap(rig, BASE, PAGE, 0), -ENOENT);
	mem_file_put(file);
	assert_int_equal(space_domain_attach(twin[0].space, twin[0].pt, NULL), 0);
}

/* Word by word: whoever reads it has nothing else to go by. */
static void a_refusal_names_its_numbers(void **state)
{
	struct ioas_space *space = twin[1].space;
	struct ioas_why why;
	uint64_t len = 0;

	assert_int_equal(ioas_space_nest_map(space, BASE, BASE, 0x1800, RW, &why), -EINVAL);
	assert_string_equal(why.text,
			    "length 0x1800 or the parent's 0x10000000: not a multiple of 4096");
	assert_int_equal(ioas_space_nest_map(space, BASE, BASE + 8, PAGE, RW, &why), -EINVAL);
	assert_string_equal(why.text,
			    "length 0x1000 or the parent's 0x10000008: not a multiple of 4096");
	assert_int_equal(ioas_space_nest_map(space, BASE, BASE, 0, RW, &why), -EINVAL);
	assert_string_equal(why.text, "length 0");
	assert_int_equal(ioas_space_nest_map(space, BASE, BASE, PAGE, 0, &why), -EINVAL);
	assert_string_equal(why.text, "neither readable nor writable");
	assert_int_equal(ioas_space_nest_map(space, BASE, BASE, PAGE, RW | 8, &why), -EOPNOTSUPP);
	assert_string_equal(why.text, "unknown map flags 0xb");
	assert_int_equal(ioas_space_nest_map(space, BASE, -PAGE, 2 * PAGE, RW, &why), -EOVERFLOW);
	assert_string_equal(why.text, "the parent's 0xfffffffffffff000 + length 0x2000 wraps");
	assert_int_equal(ioas_space_nest_map(space, BASE, -PAGE, PAGE, RW, &why), 0);
	assert_int_equal(ioas_space_nest_map(space, BASE - PAGE, BASE, 2 * PAGE, RW, &why),
			 -EEXIST);
	assert_string_equal(why.text,
			    "0xffff000-0x10000fff overlaps mapping 0x10000000-0x10000fff");
	assert_int_equal(ioas_space_unmap(space, BASE + 1, BASE + PAGE - 1, &len, &why), -ENOENT);
	assert_string_equal(why.text,
			    "0x10000001-0x10000fff would cut mapping 0x10000000-0x10000fff");
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + PAGE - 2, &len, &why), -ENOENT);
	assert_string_equal(why.text,
			    "0x10000000-0x10000ffe would cut mapping 0x10000000-0x10000fff");
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + PAGE - 1, &len, &why), 0);
	assert_int_equal(len, PAGE);
	assert_int_equal(ioas_space_unmap(space, BASE, BASE + PAGE - 1, &len, &why), -ENOENT);
	assert_string_equal(why.text, "nothing is mapped in 0x10000000-0x10000fff");
	assert_int_equal(ioas_space_unmap(space, 0, UINT64_MAX, &len, &why), 0);
	assert_int_equal(len, 0);
	assert_int_equal(ioas_space_nest_map(rig->space, BASE, BASE, PAGE, RW, &why), -EINVAL);
	assert_string_equal(why.text, "the space is not nested on another one");
}

/* What is shown of a child counts areas, what it maps counts maps. */
static void it_is_told_how_much_is_shown(void **state)
{
	struct ioas_nest_info info;

	assert_int_equal(ioas_space_nest_info(rig->space, &info), -EINVAL);
	assert_int_equal(ioas_space_nest_map(twin[1].space, BASE, BASE, 4 * PAGE, RW, NULL), 0);
	assert_int_equal(
		ioas_space_nest_map(twin[1].space, BASE + 8 * PAGE, BASE, 2 * PAGE, RW, NULL), 0);
	assert_int_equal(rig_fixed(rig, BASE + PAGE, ARENA, PAGE), 0);
	assert_int_equal(ioas_space_nest_info(twin[1].space, &info), 0);
	assert_int_equal(info.maps, 2);
	assert_int_equal(info.len, 6 * PAGE);
	assert_int_equal(info.shown_len, 2 * PAGE);
	assert_int_equal(rig_unmap(rig, BASE + PAGE, PAGE, PAGE), 0);
	assert_int_equal(ioas_space_nest_info(twin[1].space, &info), 0);
	assert_int_equal(info.shown_len, 0);
	assert_int_equal(info.len, 6 * PAGE);
}

/* A map that cannot be made is none, and shows nothing. */
static void a_map_without_memory_is_undone(void **state)
{
	struct ioas_nest_info info;
	unsigned fail;
	int rc = -ENOMEM;

	assert_int_equal(rig_fixed(rig, BASE, ARENA, 4 * PAGE), 0);
	for (fail = 1; rc; fail++) {
		inject_arm(fail);
		rc = ioas_space_nest_map(twin[1].space, BASE, BASE, 4 * PAGE, RW, &rig->why);
		inject_arm(0);
		assert_true(!rc || rc == -ENOMEM || rc == -EFAULT);
		assert_int_equal(ioas_space_nest_info(twin[1].space, &info), 0);
		assert_int_equal(info.maps, !rc);
		assert_int_equal(info.shown_len, rc ? 0 : 4 * PAGE);
		assert_true(!shows(twin[1].space, BASE) == !!rc);
	}
	assert_true(fail > 3);
	assert_int_equal(rig_unmap(rig, BASE, 4 * PAGE, 4 * PAGE), 0);
	assert_false(shows(twin[1].space, BASE));
}

static struct {
	struct ioas_space *parent, *child;
	struct ioas_access *access;
	struct ioas_access_pin *pin;
} late;

/* Who is asked to let go nests a space on the one that is being unmapped, first. */
static void come_late(void *arg, iova_t first, iova_t last)
{
	if (!late.pin)
		return;
	assert_int_equal(ioas_space_new_nested(late.parent, &late.child, NULL), 0);
	for (iova_t at = BASE; at < BASE + 3 * PAGE; at += PAGE)
		assert_int_equal(ioas_space_nest_map(late.child, at, at, PAGE, RW, NULL), 0);
	ioas_access_unpin(late.pin);
	late.pin = NULL;
}

static void a_child_that_comes_in_an_unmap_shows_nothing_of_it(void **state)
{
	static const struct ioas_access_ops ops = {.unmap = come_late};
	iova_t iova = BASE;
	uint64_t len;

	assert_int_equal(ioas_space_new(&rig->iommu, &late.parent), 0);
	assert_int_equal(ioas_access_new(&rig->iommu, &ops, NULL, IOAS_ACCESS_PINS, &late.access),
			 0);
	assert_int_equal(ioas_access_attach(late.access, late.parent, NULL), 0);
	assert_int_equal(ioas_space_map(late.parent, &rig->caller, &iova, ARENA, 3 * PAGE,
					RW | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(ioas_access_pin(late.access, BASE, PAGE, 0, &late.pin, NULL), 0);
	assert_int_equal(ioas_space_unmap(late.parent, BASE, BASE + 3 * PAGE - 1, &len, NULL), 0);
	assert_int_equal(len, 3 * PAGE);
	assert_int_equal(space_area_nr(late.child), 0);
	ioas_access_destroy(late.access);
	ioas_space_put(late.child);
	ioas_space_put(late.parent);
}

/* One area of a child over what its parent has in two: the other half stays. */
static void what_was_cut_goes_in_parts(void **state)
{
	uint32_t prot;

	for (unsigned half = 0; half < 2; half++) {
		assert_int_equal(space_set_huge_pages(rig->space, false, NULL), 0);
		assert_int_equal(rig_fixed(rig, BASE, ARENA, 4 * PAGE), 0);
		assert_int_equal(ioas_space_nest_map(twin[1].space, BASE, BASE, 4 * PAGE, RW, NULL),
				 0);
		assert_int_equal(space_cut(rig->space, BASE + 2 * PAGE - 1, NULL), 0);
		assert_int_equal(rig_unmap(rig, BASE + half * 2 * PAGE, 2 * PAGE, 2 * PAGE), 0);
		for (unsigned p = 0; p < 4; p++)
			assert_int_equal(rig_lookup(rig, twin[1].pt, address(p), &prot),
					 p / 2 == half ? 0 : ARENA + p * PAGE);
		assert_int_equal(rig_unmap(rig, BASE, 4 * PAGE, 2 * PAGE), 0);
		assert_int_equal(
			ioas_space_unmap(twin[1].space, BASE, BASE + 4 * PAGE - 1, NULL, NULL), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_levels_show_the_composition, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_child_that_cannot_show_it_undoes_the_map, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_refusal_names_its_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_told_how_much_is_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(a_locked_part_keeps_its_parent, setup, teardown),
		cmocka_unit_test_setup_teardown(what_stays_is_shown_all_the_time, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_cut_goes_in_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_comes_after_the_last_page, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_map_without_memory_is_undone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_child_that_comes_in_an_unmap_shows_nothing_of_it,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
