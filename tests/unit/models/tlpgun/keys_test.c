/* SPDX-License-Identifier: MIT */
/*
 * Description: what `--device tlpgun,...` can say: each key with its range, what goes together, and
 * one line that says why for whatever else.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "tlpgun/gun.h"
#include "tlpgun/keys.h"

static struct gun_shape shape;
static struct ioas_why why;

/* "key=value,..."; a key alone has an empty value. */
static int parse(const char *text)
{
	struct ioas_param params[8];
	static char copy[256];
	size_t nr = 0;
	char *next = copy;

	snprintf(copy, sizeof(copy), "%s", text);
	while (*next) {
		char *key = next, *value;

		next += strcspn(next, ",");
		if (*next)
			*next++ = '\0';
		value = key + strcspn(key, "=");
		if (*value)
			*value++ = '\0';
		params[nr++] = (struct ioas_param){key, value};
	}
	memset(&shape, 0xee, sizeof(shape));
	why.text[0] = '\0';
	return gun_keys_parse(params, nr, &shape, &why);
}

static void without_any_it_is_the_usual_one(void **state)
{
	assert_int_equal(parse(""), 0);
	assert_int_equal(shape.buf_len, 65536);
	assert_int_equal(shape.depth, 0);
	assert_int_equal(shape.portal_nr, 0);
	assert_int_equal(shape.pasid_lg2, 20);
	assert_false(shape.ats);
	assert_int_equal(shape.page_request_nr, 0);
}

static void a_shared_queue_has_a_depth_and_portals(void **state)
{
	assert_int_equal(parse("shared=on"), 0);
	assert_int_equal(shape.depth, 16);
	assert_int_equal(shape.portal_nr, 4);
	assert_int_equal(parse("shared,depth=1,portals=1"), 0);
	assert_int_equal(shape.depth, 1);
	assert_int_equal(shape.portal_nr, 1);
	assert_int_equal(parse("portals=64,depth=65535,shared=on"), 0);
	assert_int_equal(shape.depth, 65535);
	assert_int_equal(shape.portal_nr, 64);
	assert_int_equal(parse("shared=off"), 0);
	assert_int_equal(shape.depth, 0);
}

static void each_has_its_range(void **state)
{
	static const char *const good[] = {"pasid=0",
					   "pasid=20",
					   "bar=4096",
					   "bar=4K",
					   "bar=4k",
					   "bar=1G",
					   "bar=1073741824",
					   "bar=2m",
					   "ats=on",
					   "ats",
					   "ats=off",
					   "pri=0",
					   "ats=on,pri=1",
					   "ats=on,pri=512",
					   "shared=on,depth=1k"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(parse(good[i]), 0);
		assert_string_equal(why.text, "");
	}
	assert_int_equal(parse("bar=2m,ats=on,pri=512"), 0);
	assert_int_equal(shape.buf_len, 2 << 20);
	assert_true(shape.ats);
	assert_int_equal(shape.page_request_nr, 512);
}

static void what_is_not_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
		int rc;
	} cases[] = {
		{"pasid=21", "pasid=21: 0 to 20 bits", -EINVAL},
		{"pasid=", "pasid=: 0 to 20 bits", -EINVAL},
		{"pasid=-1", "pasid=-1: 0 to 20 bits", -EINVAL},
		{"pasid=1x", "pasid=1x: 0 to 20 bits", -EINVAL},
		{"pasid=0 ", "pasid=0 : 0 to 20 bits", -EINVAL},
		{"pasid=0KK", "pasid=0KK: 0 to 20 bits", -EINVAL},
		{"pasid=0x1", "pasid=0x1: 0 to 20 bits", -EINVAL},
		{"ats=on,pri=513", "pri=513: 0 to 512 page requests", -EINVAL},
		{"ats=on,pri=16777216 ", "pri=16777216 : 0 to 512 page requests", -EINVAL},
		{"pri=1", "pri= goes with ats=on", -EINVAL},
		{"ats=yes", "ats=yes: on or off", -EINVAL},
		{"shared=1", "shared=1: on or off", -EINVAL},
		{"depth=1", "depth= and portals= go with shared=on", -EINVAL},
		{"shared=off,portals=1", "depth= and portals= go with shared=on", -EINVAL},
		{"shared=on,depth=0", "depth=0: 1 to 65535 work items", -EINVAL},
		{"shared=on,depth=65536", "depth=65536: 1 to 65535 work items", -EINVAL},
		{"shared=on,depth=64K", "depth=64K: 1 to 65535 work items", -EINVAL},
		{"shared=on,portals=0", "portals=0: 1 to 64", -EINVAL},
		{"shared=on,portals=65", "portals=65: 1 to 64", -EINVAL},
		{"shared=on,pasid=0", "not pasid=0", -EINVAL},
		{"bar=2048", "bar=2048: a power of two from 4K to 1G", -EINVAL},
		{"bar=12288", "bar=12288: a power of two from 4K to 1G", -EINVAL},
		{"bar=2G", "bar=2G: a power of two from 4K to 1G", -EINVAL},
		{"bar=18446744073709551616", "a power of two from 4K to 1G", -EINVAL},
		{"drive=x", "tlpgun has no key \"drive\"", -ENOENT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = parse(cases[i].text);

		if (rc != cases[i].rc || !strstr(why.text, cases[i].why))
			fail_msg("%s: %d, \"%s\"", cases[i].text, rc, why.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_any_it_is_the_usual_one),
		cmocka_unit_test(a_shared_queue_has_a_depth_and_portals),
		cmocka_unit_test(each_has_its_range),
		cmocka_unit_test(what_is_not_is_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
