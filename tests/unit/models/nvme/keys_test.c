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

static int parse(const char *key, const char *value, struct nvme_keys *keys)
{
	const struct ioas_param params[] = {{"drive", "null"}, {"size", "1M"}, {key, value}};
	struct ioas_why why = {""};
	int rc = nvme_keys_parse(params, 3, keys, &why);

	assert_int_equal(!rc, !why.text[0]);
	return rc;
}

static void sizes_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t size; /* 0: refused */
	} cases[] = {
		{"1", 1},
		{"1023", 1023},
		{"1 ", 0},
		{"1 K", 0},
		{"1K ", 0},
		{"1K", 1 << 10},
		{"3m", 3 << 20},
		{"1G", 1 << 30},
		{"2t", 2ull << 40},
		{"8388607T", 8388607ull << 40},
		{"8388608T", 0},
		{"9223372036854775807", INT64_MAX},
		{"9223372036854775808", 0},
		{"99999999999999999999", 0},
		{"", 0},
		{"K", 0},
		{"+1", 0},
		{" 1", 0},
		{"-1", 0},
		{"1KB", 0},
		{"1P", 0},
		{"0x10", 0},
	};
	struct nvme_keys keys;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse("size", cases[i].text, &keys), cases[i].size ? 0 : -EINVAL);
		if (cases[i].size)
			assert_int_equal(keys.drive.size, cases[i].size);
	}
}

static void keys_have_their_values(void **state)
{
	struct nvme_keys keys;

	assert_int_equal(parse("lba", "512", &keys), 0);
	assert_int_equal(keys.drive.lba_lg2, 9);
	assert_true(keys.watch && !keys.ats && !keys.drive.readonly && !keys.drive.is_volatile);
	assert_int_equal(parse("lba", "4096", &keys), 0);
	assert_int_equal(keys.drive.lba_lg2, 12);
	assert_int_equal(parse("readonly", "", &keys), 0);
	assert_true(keys.drive.readonly && keys.drive.lba_lg2 == 9);
	assert_int_equal(parse("readonly", "off", &keys), 0);
	assert_false(keys.drive.readonly);
	assert_int_equal(parse("watch", "off", &keys), 0);
	assert_false(keys.watch);
	assert_int_equal(parse("ats", "on", &keys), 0);
	assert_true(keys.ats);
	assert_int_equal(parse("volatile", "off", &keys), 0);
	assert_int_equal(parse("volatile", "on", &keys), -EINVAL);
	assert_int_equal(parse("drive", "/some/file", &keys), -EINVAL);
	assert_int_equal(parse("drive", "", &keys), -EINVAL);
	assert_int_equal(parse("serial", "12345678901234567890", &keys), 0);
	assert_int_equal(parse("serial", " ~", &keys), 0);
	assert_string_equal(keys.serial, " ~");
	assert_int_equal(parse("serial", "a\x7f", &keys), -EINVAL);
	assert_int_equal(parse("serial", "a\x1f", &keys), -EINVAL);
	assert_int_equal(parse("serial", "", &keys), -EINVAL);
}

/* Of where it is, if nobody says another. */
static void drives_have_serial_numbers(void **state)
{
	const struct ioas_pci_addr addr = {.segment = 0x12, .bus = 0x34, .devfn = 0x1d << 3 | 5};
	char text[21];

	nvme_serial(text, NULL, addr);
	assert_string_equal(text, "IOAS0012341d5");
	nvme_serial(text, "12345678901234567890", addr);
	assert_string_equal(text, "12345678901234567890");
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
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(keys_have_their_values),
		cmocka_unit_test(drives_have_serial_numbers),
		cmocka_unit_test(wrong_keys_say_what_is_wrong),
		cmocka_unit_test(where_there_is_no_ats_the_drive_works_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
