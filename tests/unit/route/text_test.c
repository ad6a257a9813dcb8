/* SPDX-License-Identifier: MIT */
/* Description: a topology survives being written as lines and read again; damaged lines do not
 * pass. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ioas/topology_text.h>
#include "tests/unit/heap.h"

static const char *const lines[] = {
	"iommu kind=soft,aw=39,pasid=16,pasid0apart,ats,pri,dirty,nested,page_sizes=40201000,"
	"reserved=0xfee00000-0xfeefffff+0x0-0xfff",
	"iommu kind=soft",
	"function addr=0000:00:01.0,type=root port,secondary=1,subordinate=2,vendor=1b36,device=c,"
	"class=60400,acs,acs_cap=5f,acs_ctrl=1d,iommu=0,driver=pcieport",
	"function addr=0000:01:00.0,type=endpoint,multifunction,vendor=8086,device=10fb,"
	"class=20000,quirks=1,phantom=1,pasid=20,pri,ats,alias=0107+01ff,iommu=1,"
	"model=nvme,,drive=a,,,,b.img,name=a disk,, or not",
	"function addr=0000:00:00.0,type=PCI function,iommu=none",
};

#define NR (sizeof(lines) / sizeof(lines[0]))

static void lines_come_back_as_they_went(void **arg)
{
	struct ioas_topology *topology;
	const struct ioas_topology_function *function = NULL;
	struct ioas_why why = {""};
	char line[512], cut[512];

	assert_int_equal(ioas_topology_new(&topology), 0);
	for (size_t i = 0; i < NR; i++)
		if (ioas_topology_add_line(topology, lines[i], &why))
			fail_msg("%s: %s", lines[i], why.text);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ioas_topology_iommu_line(ioas_topology_iommu(topology, i), line,
							  sizeof(line)),
				 strlen(lines[i]));
		assert_string_equal(line, lines[i]);
	}
	for (size_t i = 0; (function = ioas_topology_next(topology, function)); i++) {
		const char *want = lines[i ? i + 1 : 4];
		int len = ioas_topology_function_line(function, line, sizeof(line));

		assert_string_equal(line, want);
		assert_int_equal(len, strlen(want));
		for (size_t size = 0; size < (size_t)len + 2; size++) {
			memset(cut, 'x', sizeof(cut));
			assert_int_equal(ioas_topology_function_line(function, cut, size), len);
			assert_int_equal(cut[size], 'x');
			if (size) {
				assert_memory_equal(cut, line, size - 1);
				assert_int_equal(cut[size <= (size_t)len ? size - 1 : (size_t)len],
						 0);
			}
		}
	}
	function = ioas_topology_find(topology, (struct ioas_pci_addr){.bus = 1});
	assert_string_equal(function->model, "nvme,drive=a,,b.img");
	assert_int_equal(function->alias[1], 0x1ff);
	ioas_topology_destroy(topology);
}

static void what_is_not_understood_is_refused_with_its_word(void **arg)
{
	static const struct {
		const char *line, *word;
		int rc;
	} bad[] = {
		{"", "neither", -ENOENT},
		{"functional addr=00:01.0", "neither", -ENOENT},
		{"function addr=00:01.0,color=red", "color", -ENOENT},
		{"function addr=nowhere", "nowhere", -EINVAL},
		{"function addr=00:01.0,type=toaster", "toaster", -EINVAL},
		{"function addr=00:01.0,secondary=100", "100", -EINVAL},
		{"function addr=00:01.0,vendor=-1", "-1", -EINVAL},
		{"function addr=00:01.0,vendor=", "vendor", -EINVAL},
		{"function addr=00:01.0,ats=on", "ats", -EINVAL},
		{"function addr=00:01.0,alias=1+", "alias", -EINVAL},
		{"function addr=00:01.0,alias=10000", "alias", -EINVAL},
		{"function addr=00:01.0,alias=1,alias=2", "alias", -EINVAL},
		{"function addr=00:01.0,alias=+1", "alias", -EINVAL},
		{"function addr=00:01.0,alias=1++2", "alias", -EINVAL},
		{"function addr=00:01.0,alias=1+ 2", "alias", -EINVAL},
		{"function addr=00:01.0,alias=-ffffffffffffffff", "alias", -EINVAL},
		{"iommu reserved=0x0--ffffffffffff0000", "reserved", -EINVAL},
		{"iommu reserved=0x0-0x1+ 0x4-0x5", "reserved", -EINVAL},
		{"iommu reserved=0x0-+1", "reserved", -EINVAL},
		{"function addr=00:01.0,iommu=some", "some", -EINVAL},
		{"iommu reserved=0x2000", "reserved", -EINVAL},
		{"iommu reserved=0x2000-0x1fff", "reserved", -EINVAL},
		{"iommu aw=x", "aw", -EINVAL},
	};
	struct ioas_topology *topology;

	assert_int_equal(ioas_topology_new(&topology), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ioas_why why = {""};
		int rc = ioas_topology_add_line(topology, bad[i].line, &why);

		if (rc != bad[i].rc || !strstr(why.text, bad[i].word))
			fail_msg("%s: %d, \"%s\"", bad[i].line, rc, why.text);
	}
	assert_null(ioas_topology_next(topology, NULL));
	assert_int_equal(ioas_topology_iommu_nr(topology), 0);
	ioas_topology_destroy(topology);
}

/* Every beginning of a line, and every line with one byte changed: no crash, no half function. */
static void damaged_lines_do_no_harm(void **arg)
{
	for (size_t i = 0; i < NR; i++) {
		size_t len = strlen(lines[i]);

		for (size_t at = 0; at < 2 * len; at++) {
			struct ioas_topology *topology;
			char *line = strdup(lines[i]);
			int rc;

			if (at < len)
				line[at] = 0;
			else
				line[at - len] ^= 0x11;
			assert_int_equal(ioas_topology_new(&topology), 0);
			rc = ioas_topology_add_line(topology, line, NULL);
			assert_true(rc == 0 || (!ioas_topology_next(topology, NULL) &&
						!ioas_topology_iommu_nr(topology)));
			ioas_topology_destroy(topology);
			free(line);
		}
	}
}

static void read_all_lines(void)
{
	struct ioas_topology *topology;

	assert_int_equal(ioas_topology_new(&topology), 0);
	for (size_t i = 0; i < NR; i++)
		assert_int_equal(ioas_topology_add_line(topology, lines[i], NULL), 0);
	for (size_t i = 0; i < NR; i++)
		ioas_topology_add_line(topology, lines[i], NULL);
	ioas_topology_destroy(topology);
}

/* Taken or not: their words and arrays are only for as long as they are read. */
static void what_lines_took_is_given_back(void **arg)
{
	size_t used;

	read_all_lines();
	used = heap_used();
	for (unsigned i = 0; i < 100; i++)
		read_all_lines();
	assert_false(heap_grew(used, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_back_as_they_went),
		cmocka_unit_test(what_is_not_understood_is_refused_with_its_word),
		cmocka_unit_test(damaged_lines_do_no_harm),
		cmocka_unit_test(what_lines_took_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
