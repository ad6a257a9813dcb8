/* SPDX-License-Identifier: MIT */
/* Description: the lines of an lspci dump: what is kept, what is refused with which line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lspci_text.h"

#define ROW    "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff\n"
#define CONFIG "00: " ROW "10: " ROW "20: " ROW "30: " ROW

static const char whole[] = "00:1c.0 PCI bridge: Some port\n"
			    "\tControl: I/O+ Mem+\n"
			    "\tKernel driver in use: pcieport\n"
			    "\tKernel modules: shpchp\n" CONFIG "\n"
			    "0001:02:00.1 Network controller: Some card\r\n" CONFIG;

static int parse(const char *text, struct lspci_text *out, struct ioas_why *why)
{
	return lspci_text_parse("dump", text, strlen(text), out, why);
}

static void functions_bytes_and_drivers_are_found(void **state)
{
	struct ioas_pci_addr addr = {.segment = 1, .bus = 2, .devfn = 1};
	struct lspci_text text;
	struct ioas_why why;

	assert_int_equal(parse(whole, &text, &why), 0);
	assert_int_equal(text.nr, 2);
	assert_int_equal(text.functions[0].addr.devfn, 0xe0);
	assert_int_equal(text.functions[0].len, 64);
	assert_string_equal(text.functions[0].driver, "pcieport");
	assert_ptr_equal(lspci_text_find(&text, addr), &text.functions[1]);
	assert_string_equal(text.functions[1].driver, "");
	assert_int_equal(text.functions[1].line, 10);
	addr.bus = 3;
	assert_null(lspci_text_find(&text, addr));
	assert_null(memmem(text.kept, text.kept_len, "driver", 6));
	lspci_text_free(&text);
}

static void what_is_damaged_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *reason;
	} wrong[] = {
		{"", "dump:1: no device"},
		{"hello\n", "dump:1: no device"},
		{"00:00.0 Bridge\n", "dump:1: no config space"},
		{"00:00.0 Bridge\n\n00:01.0 Bridge\n" CONFIG, "dump:1: no config space"},
		{"00: " ROW, "dump:1: config space of no device"},
		{"00:00.0 Bridge\n00: 00 11\n", "dump:2: not sixteen"},
		{"00:00.0 Bridge\n00: 00 11", "dump:2: the dump ends"},
		{"00:00.0 Bridge\n00: 0x " ROW, "dump:2: not sixteen"},
		{"00:00.0 Bridge\n00: 00 " ROW, "dump:2: not sixteen"},
		{"00:00.0 Bridge\n00: " ROW "20: " ROW, "dump:3: bytes from 0x20"},
		{"00:00.0 Bridge\n00: " ROW "00: " ROW, "dump:3: bytes from 0"},
		{"00:00.0 Bridge\n00: " ROW "10: " ROW,
		 "dump:3: config space of 0000:00:00.0 ends"},
		{"00:20.0 Bridge\n" CONFIG, "dump:1: 00:20.0: there is no such address"},
		{"00:00.8 Bridge\n" CONFIG, "dump:1: 00:00.8: there is no such address"},
		{"10000:00:00.0 Bridge\n" CONFIG, "dump:1: segment"},
		{"00:00.0 A\n" CONFIG "0000:00:00.0 B\n" CONFIG, "is there twice"},
		{"00:00.0 A\n" CONFIG "01", "dump:6: the dump ends"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct lspci_text text;
		struct ioas_why why = {""};

		assert_int_equal(parse(wrong[i].text, &text, &why), -EINVAL);
		if (!strstr(why.text, wrong[i].reason))
			fail_msg("\"%s\" lacks \"%s\"", why.text, wrong[i].reason);
	}
}

/* libpci takes lines of up to 254 bytes, none of them zero, and nothing behind config space. */
static void lines_that_libpci_refuses(void **state)
{
	static const char zero[] = "00:00.0 A \0 B\n" CONFIG;
	char name[1024], row[1024];
	struct lspci_text text;
	struct ioas_why why = {""};

	assert_int_equal(lspci_text_parse("dump", zero, sizeof(zero) - 1, &text, &why), -EINVAL);
	assert_string_equal(why.text, "dump:1: a byte of zero: this is no text");
	snprintf(name, sizeof(name), "00:00.0 %0500d\n" CONFIG, 0);
	assert_int_equal(parse(name, &text, &why), 0);
	assert_true(strchr(text.kept, '\n') - text.kept < 250);
	lspci_text_free(&text);
	snprintf(row, sizeof(row), "00:00.0 A\n%s%300s\n   ", CONFIG, "");
	row[strlen("00:00.0 A\n" CONFIG) - 1] = ' ';
	assert_int_equal(parse(row, &text, &why), 0);
	assert_true(text.kept_len < 300);
	assert_null(memmem(text.kept, text.kept_len, "ff ", 3));
	lspci_text_free(&text);
}

/* Each prefix is either refused with a reason, or all of its functions are whole. */
static void every_prefix_is_whole_or_refused(void **state)
{
	for (size_t len = 0; len <= sizeof(whole) - 1; len++) {
		char *copy = malloc(len + 1);
		struct lspci_text text;
		struct ioas_why why = {""};
		int rc;

		memcpy(copy, whole, len);
		rc = lspci_text_parse("dump", copy, len, &text, &why);
		free(copy);
		if (rc) {
			assert_int_equal(rc, -EINVAL);
			assert_string_not_equal(why.text, "");
			continue;
		}
		for (size_t i = 0; i < text.nr; i++)
			assert_int_equal(text.functions[i].len, 64);
		lspci_text_free(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_bytes_and_drivers_are_found),
		cmocka_unit_test(what_is_damaged_is_named_with_its_line),
		cmocka_unit_test(lines_that_libpci_refuses),
		cmocka_unit_test(every_prefix_is_whole_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
