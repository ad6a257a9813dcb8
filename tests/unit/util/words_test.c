/* SPDX-License-Identifier: MIT */
/* Description: a list is cut at its commas, of which two are one in a word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "util/words.h"

static void words_end_at_single_commas(void **state)
{
	static const struct {
		const char *text, *word[4];
	} cases[] = {
		{"", {""}},	     {"a", {"a"}},
		{"a,b", {"a", "b"}}, {"one,two,three", {"one", "two", "three"}},
		{"a,,b", {"a,b"}},   {"a,,,b", {"a,", "b"}},
		{",,", {","}},	     {"a,", {"a", ""}},
		{",a", {"", "a"}},   {"a,,,,b,c,,", {"a,,b", "c,"}},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[20], *at = text;

		strcpy(text, cases[i].text);
		for (unsigned k = 0; k < 4 && cases[i].word[k]; k++) {
			char *next;

			assert_non_null(at);
			next = words_cut(at);
			assert_string_equal(at, cases[i].word[k]);
			at = next;
		}
		assert_null(at);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_end_at_single_commas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
