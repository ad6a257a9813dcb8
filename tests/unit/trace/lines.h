/* SPDX-License-Identifier: MIT */
/* A line of the trace, parsed; and what it says. For tests. */
#ifndef TESTS_TRACE_LINES_H
#define TESTS_TRACE_LINES_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <ioas/device.h>
#include <ioas/uapi/iommufd_test.h>
#include <ioas/uapi/vfio.h>
#include "trace/fields.h"
#include "trace/trace.h"
#include "uapi/uapi.h"

static const struct ioas_trace_stamp stamp = {
	.seq = 7, .time_ns = 1000000005, .start_ns = 1000000000, .pid = 11, .tid = 12};

static const struct ioas_node device_node = {
	.kind = IOAS_NODE_VFIO_CDEV, .index = 3, .path = "/dev/vfio/devices/vfio3"};
static const struct ioas_node iommu_node = {.kind = IOAS_NODE_IOMMU, .path = "/dev/iommu"};

/* No object says a key twice: of two, readers take the first or the last. */
static void each_key_is_there_once(const cJSON *json)
{
	for (const cJSON *at = json->child; at; at = at->next) {
		for (const cJSON *other = at->next; at->string && other; other = other->next)
			assert_string_not_equal(at->string, other->string);
		each_key_is_there_once(at);
	}
}

/* The line, parsed and held against what is common to all. */
static cJSON *line_of(const struct ioas_trace_event *event, const char *kind)
{
	static char buf[IOAS_TRACE_LINE_MAX];
	size_t len = ioas_trace_format(event, &stamp, buf, sizeof(buf));
	const char *rest;
	cJSON *json;

	assert_true(len > 1);
	assert_int_equal(buf[len - 1], '\n');
	assert_null(memchr(buf, '\n', len - 1));
	json = cJSON_ParseWithLengthOpts(buf, len - 1, &rest, 0);
	assert_non_null(json);
	assert_ptr_equal(rest, buf + len - 1);
	each_key_is_there_once(json);
	assert_true(cJSON_GetObjectItem(json, "seq")->valuedouble == 7);
	assert_true(cJSON_GetObjectItem(json, "pid")->valuedouble == 11);
	assert_true(cJSON_GetObjectItem(json, "tid")->valuedouble == 12);
	assert_string_equal(cJSON_GetObjectItem(json, "time")->valuestring,
			    "1970-01-01T00:00:01.000000005Z");
	assert_true(cJSON_GetObjectItem(json, "t")->valuedouble == 5e-9);
	assert_string_equal(cJSON_GetObjectItem(json, "event")->valuestring, kind);
	return json;
}

/* A path of keys and list positions, "in.flags.0", as text; cJSON prints numbers. */
static void says(const cJSON *json, const char *path, const char *want)
{
	const cJSON *at = json;
	char key[32], *text;
	int used;

	for (const char *part = path; at && sscanf(part, "%31[^.]%n", key, &used) == 1;
	     part += used + (part[used] == '.')) {
		at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, atoi(key))
				       : cJSON_GetObjectItemCaseSensitive(at, key);
		if (!part[used])
			break;
	}
	if (!want) {
		assert_null(at);
		return;
	}
	if (!at)
		print_error("%s is not there\n", path);
	assert_non_null(at);
	text = cJSON_IsString(at) ? strdup(at->valuestring) : cJSON_PrintUnformatted(at);
	assert_string_equal(text, want);
	free(text);
}

#endif
