/* SPDX-License-Identifier: MIT */
/*
 * Description: what is copied from a caller and to it, byte by byte, up to the last that there is:
 * zeros, tails, strings, answers, and structs and arrays in a format of a kind's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "trace/trace.h"
#include "uapi/uapi.h"

/* The caller has this memory from VA on, and no other. */
#define LEN 2048u
#define VA  0x12340000ull
#define END (VA + LEN)

static uint8_t memory[LEN];
static uint64_t read_end; /* how far it was read */

static int copy_from(struct ioas_caller *caller, void *dst, uint64_t va, size_t len)
{
	assert_true(len);
	if (va < VA || va > END || len > END - va)
		return -EFAULT;
	if (va + len > read_end)
		read_end = va + len;
	memcpy(dst, memory + (va - VA), len);
	return 0;
}

static int copy_to(struct ioas_caller *caller, uint64_t va, const void *src, size_t len)
{
	assert_true(len);
	if (va < VA || va > END || len > END - va)
		return -EFAULT;
	memcpy(memory + (va - VA), src, len);
	return 0;
}

static const struct ioas_caller_ops ops = {.copy_from = copy_from, .copy_to = copy_to};
static struct ioas_caller caller = {.ops = &ops};
static struct ioas_why why;
static struct ioas_trace_args trace;
static struct uapi_call call = {.caller = &caller, .why = &why, .arg = VA, .trace = &trace};

static int setup(void **unused)
{
	memset(memory, 0xaa, sizeof(memory));
	memset(&trace, 0, sizeof(trace));
	why.text[0] = '\0';
	read_end = 0;
	return 0;
}

/* Bytes start .. end - 1 are `value`, and all others as before. */
static void expect_only(size_t start, size_t end, uint8_t value)
{
	for (size_t i = 0; i < LEN; i++)
		assert_int_equal(memory[i], i >= start && i < end ? value : 0xaa);
}

static void zeros_reach_each_byte_and_no_other(void **state)
{
	for (size_t len = 0; len < 1100; len += len < 4 ? 1 : 51) {
		setup(state);
		assert_int_equal(uapi_zero(&call, VA + 3, len), 0);
		expect_only(3, 3 + len, 0);
		setup(state);
		assert_int_equal(uapi_zero(&call, END - len, len), 0);
		expect_only(LEN - len, LEN, 0);
		assert_int_equal(uapi_zero(&call, END - len, len + 1), -EFAULT);
	}
}

static void one_byte_of_a_tail_counts(void **state)
{
	for (size_t len = 0; len < 600; len += len < 4 ? 1 : 85) {
		memset(memory, 0, sizeof(memory));
		memory[4] = 1;
		memory[5 + len] = 0x80;
		assert_int_equal(uapi_check_zero(&call, VA + 5, len), 0);
		memory[4] = memory[5 + len] = 0;
		for (size_t i = 0; i < len; i++) {
			memory[5 + i] = 0x80;
			assert_int_equal(uapi_check_zero(&call, VA + 5, len), -E2BIG);
			memory[5 + i] = 0;
		}
		assert_int_equal(uapi_check_zero(&call, END - len, len), 0);
		assert_int_equal(uapi_check_zero(&call, END - len, len + 1), -EFAULT);
	}
	assert_non_null(strstr(why.text, "cannot read"));
}

/* What follows the aligned piece with the NUL is not looked at: it may not exist. */
static void strings_end_anywhere(void **state)
{
	char dst[160], expect[160];

	for (size_t at = 0; at < 70; at++)
		for (size_t nr = 0; nr < 150; nr += nr < 3 ? 1 : 7)
			for (size_t max = 1; max < sizeof(dst); max += max < 3 ? 1 : 13) {
				uint64_t nul = VA + at + nr, limit = (nul | 63) + 1;
				int rc;

				memset(memory, 'x', sizeof(memory));
				memory[at + nr] = '\0';
				memset(dst, 'y', sizeof(dst));
				read_end = 0;
				rc = uapi_copy_string(&call, dst, VA + at, max);
				assert_int_equal(rc, nr < max ? 0 : -EINVAL);
				assert_in_range(read_end, VA, limit);
				assert_in_range(read_end, VA, VA + at + max);
				memset(expect, 'x', nr);
				expect[nr] = '\0';
				if (!rc)
					assert_string_equal(dst, expect);
				for (size_t i = max; i < sizeof(dst); i++)
					assert_int_equal(dst[i], 'y');
			}
	/* It ends with the memory; it would go on behind it. */
	memset(memory, 'x', sizeof(memory));
	assert_int_equal(uapi_copy_string(&call, dst, END - 70, 71), -EFAULT);
	memory[LEN - 1] = '\0';
	assert_int_equal(uapi_copy_string(&call, dst, END - 70, 71), 0);
	assert_int_equal(strlen(dst), 69);
}

static void an_answer_is_as_long_as_was_asked_for_and_as_is_known(void **state)
{
	const struct uapi_op op = {.size = 40, .min = 8};
	uint8_t cmd[UAPI_CMD_MAX];

	memset(cmd, 0x11, sizeof(cmd));
	call.op = &op;
	call.cmd = cmd;
	for (uint32_t size = 8; size < UAPI_CMD_MAX; size++) {
		setup(state);
		call.user_size = size;
		assert_int_equal(uapi_respond(&call), 0);
		expect_only(0, size < 40 ? size : 40, 0x11);
	}
	setup(state);
	assert_int_equal(uapi_respond_len(&call, 50), 0);
	expect_only(0, 50, 0x11);
}

/* Refusals name the bytes; a trace gets what was copied, and nothing of what was not. */
static void copies_are_traced_and_refusals_say_what(void **state)
{
	uint8_t bytes[4] = {1, 2, 3, 4};

	assert_int_equal(uapi_copy_from(&call, bytes, END - 3, 4), -EFAULT);
	assert_string_equal(why.text, "cannot read 4 bytes of the caller's at 0x123407fd");
	assert_int_equal(uapi_copy_to(&call, END - 2, bytes, 3), -EFAULT);
	assert_string_equal(why.text, "cannot write 3 bytes of the caller's at 0x123407fe");
	call.arg = END - 8;
	assert_int_equal(uapi_copy_from(&call, bytes, END - 3, 4), -EFAULT);
	assert_int_equal(uapi_copy_to(&call, END - 3, bytes, 4), -EFAULT);
	assert_int_equal(trace.read[0], 0);
	assert_int_equal(trace.written[0], 0);
	assert_int_equal(uapi_copy_to(&call, END - 4, bytes, 2), 0);
	assert_int_equal(trace.read[0], 0);
	assert_int_equal(trace.written[0], 0x30);
	assert_memory_equal(trace.out + 4, bytes, 2);
	assert_int_equal(uapi_copy_from(&call, bytes, END - 5, 3), 0);
	assert_int_equal(trace.read[0], 0x38);
	assert_int_equal(trace.written[0], 0x30);
	assert_memory_equal(trace.in + 3, bytes, 3);
	/* And without a trace. */
	call.trace = NULL;
	assert_int_equal(uapi_copy_from(&call, bytes, END - 4, 2), 0);
	assert_int_equal(uapi_copy_to(&call, END - 4, bytes, 2), 0);
	assert_int_equal(bytes[0], 1);
	call.trace = &trace;
	call.arg = VA;
}

static void a_struct_has_all_that_must_be_and_no_more_than_is_known(void **state)
{
	struct uapi_data data;
	uint8_t dst[32];

	for (uint32_t len = 0; len < 32; len++) {
		setup(state);
		uapi_data_init(&data, &call, 7, END - len, len);
		memset(dst, 0x55, sizeof(dst));
		if (len < 8 || len > 24) {
			assert_int_equal(data.data.read(&data.data, dst, 8, 24), -EINVAL);
			assert_non_null(strstr(why.text, "type 0x7 has 8 to 24 bytes"));
		} else {
			assert_int_equal(data.data.read(&data.data, dst, 8, 24), 0);
			for (size_t i = 0; i < sizeof(dst); i++)
				assert_int_equal(dst[i], i < len ? 0xaa : i < 24 ? 0 : 0x55);
		}
		memset(dst, 0x55, sizeof(dst));
		assert_int_equal(data.data.write(&data.data, dst, 24), 0);
		expect_only(LEN - len, LEN - len + (len < 24 ? len : 24), 0x55);
	}
	uapi_data_init(&data, &call, 7, END - 10, 11);
	assert_int_equal(data.data.read(&data.data, dst, 8, 24), -EFAULT);
	assert_int_equal(data.data.write(&data.data, dst, 24), -EFAULT);
	assert_int_equal(data.data.write(&data.data, dst, 10), 0);
}

static void entries_of_an_array_may_be_longer_than_is_known(void **state)
{
	struct uapi_array array;
	uint8_t dst[32];

	for (uint32_t len = 0; len < 32; len++) {
		uapi_array_init(&array, &call, 9, END - 3 * len, len, 3);
		assert_int_equal(array.array.read(&array.array, 3, dst, 8, 24), -EINVAL);
		assert_non_null(strstr(why.text, "no entry 3"));
		for (uint32_t index = 0; index < 3; index++) {
			uint8_t *entry = memory + LEN - (3 - index) * len;

			setup(state);
			memset(dst, 0x55, sizeof(dst));
			if (len < 8) {
				assert_int_equal(array.array.read(&array.array, index, dst, 8, 24),
						 -EINVAL);
				assert_non_null(strstr(why.text, "type 0x9 have at least 8 bytes"));
				continue;
			}
			memset(entry, 0, len);
			memset(entry, 0x66, len < 24 ? len : 24);
			assert_int_equal(array.array.read(&array.array, index, dst, 8, 24), 0);
			for (size_t i = 0; i < sizeof(dst); i++)
				assert_int_equal(dst[i], i >= 24 ? 0x55 : i < len ? 0x66 : 0);
			entry[len - 1] = 1;
			assert_int_equal(array.array.read(&array.array, index, dst, 8, 24),
					 len > 24 ? -E2BIG : 0);
		}
	}
	uapi_array_init(&array, &call, 9, END - 50, 30, 2);
	memset(memory, 0, sizeof(memory));
	assert_int_equal(array.array.read(&array.array, 0, dst, 8, 24), 0);
	assert_int_equal(array.array.read(&array.array, 1, dst, 8, 24), -EFAULT);
	/* Far behind the first: its address takes more than 32 bits. */
	uapi_array_init(&array, &call, 9, VA - 0x1fffffffeull, UINT32_MAX, 3);
	assert_int_equal(array.array.read(&array.array, 2, dst, 8, 24), -EFAULT);
	uapi_array_init(&array, &call, 9, VA - 0x200000000ull, 0x20, 0x10000001);
	assert_int_equal(array.array.read(&array.array, 0x10000000, dst, 8, 32), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(zeros_reach_each_byte_and_no_other, setup),
		cmocka_unit_test_setup(one_byte_of_a_tail_counts, setup),
		cmocka_unit_test_setup(strings_end_anywhere, setup),
		cmocka_unit_test_setup(an_answer_is_as_long_as_was_asked_for_and_as_is_known,
				       setup),
		cmocka_unit_test_setup(copies_are_traced_and_refusals_say_what, setup),
		cmocka_unit_test_setup(a_struct_has_all_that_must_be_and_no_more_than_is_known,
				       setup),
		cmocka_unit_test_setup(entries_of_an_array_may_be_longer_than_is_known, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
