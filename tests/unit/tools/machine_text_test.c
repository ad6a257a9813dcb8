/* SPDX-License-Identifier: MIT */
/* Description: values of a machine file from text, what is taken and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "machine_text.h"

static void numbers_are_decimal_or_after_0x(void **state)
{
	static const char *const wrong[] = {"",	   " 1",   "1 ",  "-1",
					    "+1",  "1k",   "0x",  "0x1g",
					    "f",   "1.0",  "1_0", "18446744073709551616",
					    "256", "0x100"};
	uint64_t value;

	assert_true(text_number("08", 255, &value) && value == 8);
	assert_true(text_number("0x1F", 255, &value) && value == 31);
	assert_true(text_number("255", 255, &value) && value == 255);
	assert_true(text_number("18446744073709551615", UINT64_MAX, &value) && value == UINT64_MAX);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(text_number(wrong[i], 255, &value));
}

static void hexadecimal_needs_no_0x(void **state)
{
	uint64_t value;

	assert_true(text_hex("08", 255, &value) && value == 8);
	assert_true(text_hex("fF", 255, &value) && value == 255);
	assert_true(text_hex("0x10", 255, &value) && value == 16);
	assert_false(text_hex("100", 255, &value));
	assert_false(text_hex("g", 255, &value));
	assert_false(text_hex("", 255, &value));
}

static void switches_have_many_names(void **state)
{
	bool on = false;

	assert_true(text_switch("yes", &on) && on);
	assert_true(text_switch("OFF", &on) && !on);
	assert_true(text_switch("True", &on) && on);
	assert_false(text_switch("1", &on));
	assert_false(text_switch("", &on));
	assert_false(text_switch("yesno", &on));
}

static void sizes_are_powers_of_two(void **state)
{
	unsigned lg2;

	assert_true(text_size_lg2("4096", &lg2) && lg2 == 12);
	assert_true(text_size_lg2("4K", &lg2) && lg2 == 12);
	assert_true(text_size_lg2("2m", &lg2) && lg2 == 21);
	assert_true(text_size_lg2("512G", &lg2) && lg2 == 39);
	assert_true(text_size_lg2("1", &lg2) && lg2 == 0);
	assert_true(text_size_lg2("8192P", &lg2) && lg2 == 63);
	assert_false(text_size_lg2("16384P", &lg2));
	assert_false(text_size_lg2("3K", &lg2));
	assert_false(text_size_lg2("0", &lg2));
	assert_false(text_size_lg2("K", &lg2));
	assert_false(text_size_lg2("", &lg2));
	assert_false(text_size_lg2("4KB", &lg2));
}

static void ranges_are_inclusive(void **state)
{
	struct ioas_range range;

	assert_true(text_range("0xfee00000-0xfeefffff", &range));
	assert_int_equal(range.first, 0xfee00000);
	assert_int_equal(range.last, 0xfeefffff);
	assert_true(text_range("0-0", &range));
	assert_true(text_range("0-0xffffffffffffffff", &range) && range.last == UINT64_MAX);
	assert_false(text_range("2-1", &range));
	assert_false(text_range("1", &range));
	assert_false(text_range("-1", &range));
	assert_false(text_range("1-", &range));
	assert_false(text_range("1-2-3", &range));
}

static void ids_are_two_numbers(void **state)
{
	uint16_t vendor, device;

	assert_true(text_id("8086:1521", &vendor, &device) && vendor == 0x8086 && device == 0x1521);
	assert_false(text_id("8086", &vendor, &device));
	assert_false(text_id("8086:", &vendor, &device));
	assert_false(text_id(":1521", &vendor, &device));
	assert_false(text_id("18086:1521", &vendor, &device));
}

static void places_may_be_partial(void **state)
{
	static const char *const wrong[] = {"",	     ".",	  "20",		  "1f.8",    "1.",
					    ".10",   ":1.0",	  "1:.0",	  "100:1.0", "x",
					    "1.0.0", "1:2:3:4.0", "10000:00:1.0", "1 .0"};
	struct text_place place;

	assert_true(text_place("1c", &place));
	assert_true(place.has_device && !place.has_function && !place.has_bus);
	assert_int_equal(place.device, 0x1c);
	assert_true(text_place("1c.7", &place) && place.has_function && place.function == 7);
	assert_true(text_place(".3", &place) && !place.has_device && place.function == 3);
	assert_true(text_place("fe:1f.1", &place) && place.has_bus && !place.has_segment);
	assert_int_equal(place.bus, 0xfe);
	assert_true(text_place("0001:02:03.4", &place) && place.has_segment);
	assert_int_equal(place.segment, 1);
	assert_int_equal(place.bus, 2);
	assert_int_equal(place.device, 3);
	assert_int_equal(place.function, 4);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(text_place(wrong[i], &place));
}

static void buses_are_one_or_a_span(void **state)
{
	uint8_t first, last;

	assert_true(text_buses("02", &first, &last) && first == 2 && last == 2);
	assert_true(text_buses("08-1f", &first, &last) && first == 8 && last == 0x1f);
	assert_false(text_buses("05-02", &first, &last));
	assert_false(text_buses("100", &first, &last));
	assert_false(text_buses("02-", &first, &last));
	assert_false(text_buses("", &first, &last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_decimal_or_after_0x),
		cmocka_unit_test(hexadecimal_needs_no_0x),
		cmocka_unit_test(switches_have_many_names),
		cmocka_unit_test(sizes_are_powers_of_two),
		cmocka_unit_test(ranges_are_inclusive),
		cmocka_unit_test(ids_are_two_numbers),
		cmocka_unit_test(places_may_be_partial),
		cmocka_unit_test(buses_are_one_or_a_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
