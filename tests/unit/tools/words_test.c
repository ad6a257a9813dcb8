/* SPDX-License-Identifier: MIT */
/* Description: every value of the topology has a word, and each word leads back to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <ioas/topology.h>
#include "words.h"

static void each_word_leads_back(void **state)
{
	const struct word *const tables[] = {type_words, acs_words, quirk_words, cause_words};

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct word *w = tables[t]; w->name; w++) {
			uint32_t value = UINT32_MAX;

			assert_true(word_value(tables[t], w->name, &value));
			assert_int_equal(value, w->value);
			assert_string_equal(word_name(tables[t], value), w->name);
		}
	}
}

static void no_value_is_without_a_word(void **state)
{
	for (uint32_t i = 0; i < IOAS_TOPOLOGY_TYPE_NR; i++)
		assert_string_not_equal(word_name(type_words, i), "?");
	for (uint32_t i = 0; i < IOAS_CAUSE_NR; i++)
		assert_string_not_equal(word_name(cause_words, i), "?");
	for (uint32_t bit = 1; bit <= IOAS_ACS_DT; bit <<= 1)
		assert_string_not_equal(word_name(acs_words, bit), "?");
	assert_string_equal(word_name(type_words, IOAS_TOPOLOGY_TYPE_NR), "?");
}

static void words_are_joined_and_cut(void **state)
{
	char buf[WORDS_LEN];

	assert_string_equal(
		words_join(acs_words, IOAS_ACS_SV | IOAS_ACS_UF, ", ", buf, sizeof(buf)), "sv, uf");
	assert_string_equal(words_join(acs_words, 0, " ", buf, sizeof(buf)), "");
	assert_string_equal(words_join(acs_words, UINT32_MAX, " ", buf, 6), "sv tb");
	assert_true(strlen(words_list(type_words, buf, sizeof(buf))) < sizeof(buf) - 1);
}

static void case_and_dashes_do_not_matter(void **state)
{
	uint32_t value;

	assert_true(word_value(type_words, "Root_Port", &value));
	assert_int_equal(value, IOAS_TOPOLOGY_ROOT_PORT);
	assert_false(word_value(type_words, "root", &value));
	assert_false(word_value(type_words, "root-ports", &value));
	assert_false(word_value(type_words, "", &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_word_leads_back),
		cmocka_unit_test(no_value_is_without_a_word),
		cmocka_unit_test(words_are_joined_and_cut),
		cmocka_unit_test(case_and_dashes_do_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
