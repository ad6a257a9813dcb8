/* SPDX-License-Identifier: MIT */
/* Description: what a drive can be told when it is made. */
#include <errno.h>
#include <string.h>
#include "models/nvme/driver.h"
#include "nvme/nvme.h"

static void wrong_keys_say_what_is_wrong(void **state)
{
	static const struct {
		struct ioas_param param[3];
		int rc;
	} table[] = {
		{{{"serial", "x"}}, -EINVAL},
		{{{"drive", "/nonexistent/disk"}}, -ENOENT},
		{{{"drive", "/"}}, -EISDIR},
		{{{"drive", "/dev/zero"}}, -EINVAL},
		{{{"drive", "null"}}, -EINVAL},
		{{{"drive", "null"}, {"size", "12Q"}}, -EINVAL},
		{{{"drive", "null"}, {"size", "-1"}}, -EINVAL},
		{{{"drive", "null"}, {"size", "99999999T"}}, -EINVAL},
		{{{"drive", "null"}, {"size", "511"}}, -EINVAL},
		{{{"drive", "null"}, {"size", "1M"}, {"lba", "1024"}}, -EINVAL},
		{{{"drive", "null"}, {"size", "1M"}, {"readonly", "maybe"}}, -EINVAL},
		{{{"drive", "null"}, {"size", "1M"}, {"watch", "x"}}, -EINVAL},
		{{{"drive", "null"}, {"size", "1M"}, {"serial", "123456789012345678901"}}, -EINVAL},
		{{{"drive", "null"}, {"size", "1M"}, {"colour", "red"}}, -ENOENT},
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ioas_why why = {""};
		size_t nr = 0;

		while (nr < 3 && table[i].param[nr].key)
			nr++;
		assert_int_equal(bus_create(table[i].param, nr, &why), table[i].rc);
		assert_true(*why.text && !strchr(why.text, '\n'));
	}
}

/* ats=on is what the function can do; whether its IOMMU can is the machine's to say. */
static void where_there_is_no_ats_the_drive_works_without(void **state)
{
	struct driver drv;
	iova_t data;

	driver_open(&drv, 1u << 20, "null,ats=on");
	assert_true(bus.desc.ats);
	assert_null(((struct nvme *)bus.model)->atc);
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, 8);
	data = driver_alloc(&drv, 4096);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, NVME_IO_READ, 0, 1, data)), 0);
	driver_close(&drv);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_keys_say_what_is_wrong),
		cmocka_unit_test(where_there_is_no_ats_the_drive_works_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
