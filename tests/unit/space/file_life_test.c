/* SPDX-License-Identifier: MIT */
/*
 * Description: how long a file or a dma-buf is kept that a space maps: no shorter than anybody
 * shows it, and no longer, also where a map fails.
 */
#include <dirent.h>
#include <stdio.h>
#include "file_rig.h"
#include "tests/unit/mapped.h"
#include "util/inject.h"

#define BUF_LEN (16ull << 20)

/* How many descriptors are open. */
static long open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	long nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* A file is kept by its descriptor, a dma-buf by its memory, which is large. */
struct kept {
	long files, pages;
};

static struct kept kept(void)
{
	return (struct kept){open_files(), mapped()};
}

static void expect_kept(const struct kept *before, bool dmabuf, bool is)
{
	struct kept now = kept();

	assert_int_equal(now.files, before->files + (is && !dmabuf));
	if (before->pages)
		assert_int_equal(now.pages - before->pages > (long)(BUF_LEN / PAGE / 2),
				 is && dmabuf);
}

static struct mem_file *one_of(struct rig *rig, bool dmabuf)
{
	struct mem_file *file;

	if (!dmabuf)
		return file_new(rig, PAGE);
	assert_int_equal(mem_dmabuf_new(rig->iommu.files, BUF_LEN, &file), 0);
	return file;
}

/* What is mapped is kept as long as that, or as somebody at work has the pages. */
static void files_go_with_what_shows_them(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 5);
	struct kept before = kept();
	struct pt *pt = rig_pt(48);

	for (unsigned round = 0; round < 8; round++) {
		bool table = round & 1, dmabuf = round & 2, more = round & 4;
		struct mem_file *file = one_of(rig, dmabuf);
		struct space_pages *pages;

		if (table)
			attach(rig, pt);
		assert_int_equal(map(rig, &who, file, 0x10000, 0, PAGE), 0);
		mem_file_put(file);
		pages = more ? pages_get(area_pages(areas_find(&rig->space->areas, 0))) : NULL;
		expect_kept(&before, dmabuf, true);
		unmap_all(rig);
		expect_kept(&before, dmabuf, more);
		pages_put(&rig->iommu, pages);
		expect_kept(&before, dmabuf, false);
		if (table)
			space_domain_detach(rig->space, pt);
	}
	pt_destroy(pt);
}

/* Without memory, wherever that is noticed, nothing is mapped and nothing is kept. */
static void a_map_without_memory_keeps_no_file(void **state)
{
	struct rig *rig = *state;
	struct person who = person(FIRST, 5);

	for (unsigned dmabuf = 0; dmabuf < 2; dmabuf++) {
		struct kept before = kept();
		unsigned nth = 0;
		int rc;

		do {
			struct mem_file *file = one_of(rig, dmabuf);

			inject_arm(++nth);
			rc = map(rig, &who, file, 0x10000, 0, PAGE);
			inject_arm(0);
			mem_file_put(file);
			assert_true(!rc || rc == -ENOMEM);
			assert_int_equal(space_area_nr(rig->space), !rc);
			expect_kept(&before, dmabuf, !rc);
		} while (rc);
		assert_true(nth > 1 + dmabuf);
		unmap_all(rig);
		expect_kept(&before, dmabuf, false);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(files_go_with_what_shows_them),
		TEST(a_map_without_memory_keeps_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
