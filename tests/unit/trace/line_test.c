/* SPDX-License-Identifier: MIT */
/* Description: a line is JSON whatever is put into it, and never longer than its buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include "trace/line.h"

static char buf[4096];

static struct trace_line begin(size_t cap)
{
	struct trace_line line = {.buf = buf, .cap = cap};

	line_open(&line, NULL, '{');
	return line;
}

static cJSON *end(struct trace_line *line)
{
	const char *rest;
	cJSON *json;

	line_close(line, '}');
	assert_false(line->full);
	json = cJSON_ParseWithLengthOpts(line->buf, line->len, &rest, 0);
	assert_non_null(json);
	assert_ptr_equal(rest, line->buf + line->len);
	return json;
}

/* What a reader gets of a text. */
static void reads(const char *text, size_t len, size_t max, const char *want)
{
	struct trace_line line = begin(sizeof(buf));
	cJSON *json;

	line_text(&line, "k", text, len, max);
	json = end(&line);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "k")), want);
	cJSON_Delete(json);
}

static void texts_are_escaped(void **state)
{
	reads("plain", 5, 100, "plain");
	reads("a\"b\\c", 5, 100, "a\"b\\c");
	reads("line\nfeed\ttab\x1b[0m\x7f", 18, 100, "line\nfeed\ttab\x1b[0m\x7f");
	reads("ends\0here", 9, 100, "ends");
	reads("cut", 2, 100, "cu");
	reads("", 0, 100, "");
}

/* The four lengths, the ends of each, and what only looks like one: Unicode 3.9. */
static void what_is_no_utf8_becomes_a_mark(void **state)
{
	static const char *const good[] = {
		"\xc2\x80",	    "\xdf\xbf",		"\xe0\xa0\x80",
		"\xed\x9f\xbf",	    "\xee\x80\x80",	"\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "Z\xc3\xbcrich \xe2\x82\xac",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		reads(good[i], strlen(good[i]), 100, good[i]);
	reads("a\x80z", 3, 100, "a\xef\xbf\xbdz");
	reads("\xc0\xaf", 2, 100, "\xef\xbf\xbd\xef\xbf\xbd");
	reads("\xe2\x82", 2, 100, "\xef\xbf\xbd\xef\xbf\xbd");
	reads("\xe2\x82\xac", 2, 100, "\xef\xbf\xbd\xef\xbf\xbd");
	reads("\xed\xa0\x80", 3, 100, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	reads("\xf4\x90\x80\x80", 4, 100, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	reads("\xff", 1, 100, "\xef\xbf\xbd");
}

static void a_text_is_cut_between_characters(void **state)
{
	reads("abcdef", 6, 3, "abc");
	reads("ab\xe2\x82\xac", 5, 4, "ab");
	reads("ab\n", 3, 7, "ab");
	reads("ab\n", 3, 8, "ab\n");
}

static void numbers_that_json_loses_are_strings(void **state)
{
	struct trace_line line = begin(sizeof(buf));
	cJSON *json, *item;

	line_number(&line, "zero", 0);
	line_number(&line, "last", (1ull << 53) - 1);
	line_number(&line, "first", 1ull << 53);
	line_number(&line, "all", UINT64_MAX);
	line_signed(&line, "minus", -1);
	line_signed(&line, "least", INT32_MIN);
	line_hex(&line, "hex", 0xfee00000);
	line_hex(&line, "nil", 0);
	json = end(&line);
	assert_true(cJSON_GetNumberValue(cJSON_GetObjectItem(json, "zero")) == 0);
	item = cJSON_GetObjectItem(json, "last");
	assert_true(cJSON_IsNumber(item) && item->valuedouble == 9007199254740991.0);
	assert_string_equal(cJSON_GetObjectItem(json, "first")->valuestring, "0x20000000000000");
	assert_string_equal(cJSON_GetObjectItem(json, "all")->valuestring, "0xffffffffffffffff");
	assert_true(cJSON_GetObjectItem(json, "minus")->valuedouble == -1);
	assert_true(cJSON_GetObjectItem(json, "least")->valuedouble == INT32_MIN);
	assert_string_equal(cJSON_GetObjectItem(json, "hex")->valuestring, "0xfee00000");
	assert_string_equal(cJSON_GetObjectItem(json, "nil")->valuestring, "0x0");
	cJSON_Delete(json);
}

static void is_at(uint64_t second, const char *want)
{
	struct trace_line line = begin(sizeof(buf));
	cJSON *json;

	line_time(&line, "t", second * 1000000000 + 7);
	json = end(&line);
	assert_string_equal(cJSON_GetObjectItem(json, "t")->valuestring, want);
	cJSON_Delete(json);
}

/* As `date -u -d @SECOND` has them. */
static void dates_are_right(void **state)
{
	is_at(0, "1970-01-01T00:00:00.000000007Z");
	is_at(951782399, "2000-02-28T23:59:59.000000007Z");
	is_at(951782400, "2000-02-29T00:00:00.000000007Z");
	is_at(951868800, "2000-03-01T00:00:00.000000007Z");
	is_at(1709164800, "2024-02-29T00:00:00.000000007Z");
	is_at(1735689599, "2024-12-31T23:59:59.000000007Z");
	is_at(1795429230, "2026-11-23T10:20:30.000000007Z");
	is_at(4107542400, "2100-03-01T00:00:00.000000007Z");
}

static void seconds_have_nine_digits(void **state)
{
	struct trace_line line = begin(sizeof(buf));

	line_seconds(&line, "t", 12000000345);
	cJSON_Delete(end(&line));
	assert_memory_equal(buf, "{\"t\":12.000000345}", 18);
}

static void lists_and_objects_nest(void **state)
{
	struct trace_line line = begin(sizeof(buf));
	static const char want[] =
		"{\"a\":[],\"b\":[1,{\"c\":null,\"d\":true},\"x\"],\"e\":{},\"f\":false}";

	line_open(&line, "a", '[');
	line_close(&line, ']');
	line_open(&line, "b", '[');
	line_number(&line, NULL, 1);
	line_open(&line, NULL, '{');
	line_null(&line, "c");
	line_bool(&line, "d", true);
	line_close(&line, '}');
	line_string(&line, NULL, "x");
	line_close(&line, ']');
	line_open(&line, "e", '{');
	line_close(&line, '}');
	line_bool(&line, "f", false);
	cJSON_Delete(end(&line));
	assert_int_equal(line.len, sizeof(want) - 1);
	assert_memory_equal(buf, want, line.len);
}

/* At every size: it is full, or it is all there; and nothing is written behind the end. */
static void a_line_never_leaves_its_buffer(void **state)
{
	size_t whole = 0;

	for (size_t cap = 1; !whole; cap++) {
		struct trace_line line;

		memset(buf, '#', sizeof(buf));
		line = begin(cap);
		line_text(&line, "text", "a\n\xff", 3, 100);
		line_number(&line, "number", 12345);
		line_hex(&line, "hex", UINT64_MAX);
		line_close(&line, '}');
		assert_int_equal(buf[cap], '#');
		assert_true(line.len <= cap);
		whole = line.full ? 0 : line.len;
		assert_true(cap < 200);
	}
	assert_int_equal(buf[whole - 1], '}');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_escaped),
		cmocka_unit_test(what_is_no_utf8_becomes_a_mark),
		cmocka_unit_test(a_text_is_cut_between_characters),
		cmocka_unit_test(numbers_that_json_loses_are_strings),
		cmocka_unit_test(dates_are_right),
		cmocka_unit_test(seconds_have_nine_digits),
		cmocka_unit_test(lists_and_objects_nest),
		cmocka_unit_test(a_line_never_leaves_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
