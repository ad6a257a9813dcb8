/* SPDX-License-Identifier: MIT */
/*
 * Description: every event becomes a line of JSON that says what is in it, and every ioctl has a
 * table of fields that covers its struct.
 */
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

static void note(struct ioas_trace_args *args, const void *bytes, size_t len, bool written)
{
	trace_copied(args, 0x1000, 0x1000, bytes, len, written);
}

static void an_ioctl_shows_what_went_in_and_out(void **state)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | 0x80,
		.ioas_id = 2,
		.user_va = 0x7f0000000000,
		.length = 1ull << 53,
		.iova = 0,
	};
	struct ioas_trace_args args = {.read = {0}};
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_IOCTL,
		.node = &iommu_node,
		.took_ns = 99,
		.ioctl = {"IOMMU_IOAS_MAP", IOMMU_IOAS_MAP, 0x1000, &args},
	};
	cJSON *json;

	note(&args, &map, sizeof(map), false);
	map.iova = 0x5000;
	note(&args, &map, sizeof(map), true);
	json = line_of(&event, "ioctl");
	says(json, "path", "/dev/iommu");
	says(json, "node", "iommu");
	says(json, "device", NULL);
	says(json, "name", "IOMMU_IOAS_MAP");
	says(json, "cmd", "0x3b85");
	says(json, "in.flags", "[\"READABLE\",\"0x80\"]");
	says(json, "in.ioas_id", "2");
	says(json, "in.user_va", "0x7f0000000000");
	says(json, "in.length", "0x20000000000000");
	says(json, "in.iova", "0x0");
	says(json, "out", "{\"iova\":\"0x5000\"}");
	says(json, "result", "0");
	says(json, "took_ns", "99");
	says(json, "error", NULL);
	cJSON_Delete(json);
}

static void a_refused_ioctl_says_why(void **state)
{
	struct ioas_trace_args args = {.read = {0}};
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_IOCTL,
		.node = &iommu_node,
		.result = -ENOENT,
		.reason = "no IOAS has id \"9\"\n",
		.ioctl = {"IOMMU_IOAS_UNMAP", IOMMU_IOAS_UNMAP, 0x1000, &args},
	};
	uint32_t size = 4;
	cJSON *json;

	note(&args, &size, sizeof(size), false);
	json = line_of(&event, "ioctl");
	says(json, "in", "{\"size\":4}");
	says(json, "out", "{}");
	says(json, "error", "ENOENT");
	says(json, "errno", "2");
	says(json, "reason", "no IOAS has id \"9\"\n");
	says(json, "result", NULL);
	cJSON_Delete(json);
	event.reason = "";
	json = line_of(&event, "ioctl");
	says(json, "reason", "No such file or directory");
	cJSON_Delete(json);
	event.ioctl.name = NULL;
	json = line_of(&event, "ioctl");
	says(json, "name", "unknown");
	says(json, "arg", "0x1000");
	says(json, "in", NULL);
	cJSON_Delete(json);
}

/* Numbers, texts and lists that are the argument, or behind the struct. */
static void arguments_of_other_shapes(void **state)
{
	struct {
		struct vfio_irq_set set;
		int32_t fds[3];
	} irqs = {{.argsz = 32,
		   .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		   .index = VFIO_PCI_MSIX_IRQ_INDEX,
		   .count = 3},
		  {5, -1, 6}};
	struct ioas_trace_args args = {.read = {0}};
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_IOCTL,
		.ioctl = {"VFIO_SET_IOMMU", VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU, &args}};
	cJSON *json = line_of(&event, "ioctl");

	says(json, "in", "{\"type\":\"TYPE1v2_IOMMU\"}");
	cJSON_Delete(json);
	event.ioctl.arg = 77;
	json = line_of(&event, "ioctl");
	says(json, "in", "{\"type\":77}");
	cJSON_Delete(json);

	event.ioctl.name = "VFIO_GROUP_GET_DEVICE_FD";
	note(&args, "0000:01:00.0\0rest", 17, false);
	json = line_of(&event, "ioctl");
	says(json, "in", "{\"name\":\"0000:01:00.0\"}");
	cJSON_Delete(json);

	event.ioctl.name = "VFIO_DEVICE_SET_IRQS";
	memset(&args, 0, sizeof(args));
	note(&args, &irqs, sizeof(irqs), false);
	json = line_of(&event, "ioctl");
	says(json, "in.flags", "[\"DATA_EVENTFD\",\"ACTION_TRIGGER\"]");
	says(json, "in.index", "MSIX");
	says(json, "in.eventfds", "[5,-1,6]");
	cJSON_Delete(json);
	irqs.set.flags = VFIO_IRQ_SET_DATA_BOOL;
	note(&args, &irqs, sizeof(irqs), false);
	json = line_of(&event, "ioctl");
	says(json, "in.eventfds", NULL);
	cJSON_Delete(json);
}

static void a_union_shows_the_operations_own(void **state)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = TESTCMD_CHECK_MAP,
		.id = 4,
		.check_map = {.iova = 0x1000, .length = 2, .uptr = 3},
	};
	struct ioas_trace_args args = {.read = {0}};
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_IOCTL,
		.ioctl = {"IOMMU_TEST_CMD", IOMMU_TEST_CMD, 0x1000, &args}};
	cJSON *json;

	note(&args, &cmd, sizeof(cmd), false);
	json = line_of(&event, "ioctl");
	says(json, "in",
	     "{\"size\":72,\"op\":\"CHECK_MAP\",\"id\":4,\"iova\":\"0x1000\",\"length\":2,"
	     "\"uptr\":\"0x3\"}");
	cJSON_Delete(json);
}

static void what_is_beyond_the_argument_is_not_taken_for_it(void **state)
{
	static const char bytes[2 * TRACE_ARGS_LEN] = {1, 2, 3};
	struct ioas_trace_args args = {.read = {0}}, none = {.read = {0}};

	trace_copied(&args, 0x1000, 0xfff, bytes, 8, false);
	trace_copied(&args, 0x1000, 0x1000 + TRACE_ARGS_LEN, bytes, 8, true);
	assert_memory_equal(&args, &none, sizeof(args));
	trace_copied(&args, 0x1000, 0x1000 + TRACE_ARGS_LEN - 2, bytes, sizeof(bytes), false);
	assert_int_equal(args.in[TRACE_ARGS_LEN - 1], 2);
	assert_true(args.read[1] == 3ull << 62 && !args.read[0] && !args.written[1]);
	assert_memory_equal(args.out, none.out, sizeof(args.out));
}

static void files_are_opened_mapped_and_closed(void **state)
{
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_OPEN, .node = &device_node, .device = "0000:01:00.0"};
	cJSON *json;

	event.open.flags = O_RDWR | O_CLOEXEC;
	json = line_of(&event, "open");
	says(json, "path", "/dev/vfio/devices/vfio3");
	says(json, "node", "device");
	says(json, "device", "0000:01:00.0");
	says(json, "access", "RDWR");
	says(json, "flags", "[\"CLOEXEC\"]");
	cJSON_Delete(json);

	event.kind = IOAS_TRACE_MMAP;
	event.mmap.off = 2ull << 40 | 0x3000;
	event.mmap.len = 4096;
	event.mmap.prot = PROT_READ | PROT_WRITE;
	event.mmap.flags = MAP_SHARED;
	json = line_of(&event, "mmap");
	says(json, "region", "2");
	says(json, "offset", "0x3000");
	says(json, "prot", "[\"READ\",\"WRITE\"]");
	says(json, "flags", "[\"SHARED\"]");
	cJSON_Delete(json);

	event.kind = IOAS_TRACE_READ;
	event.node = &iommu_node;
	event.transfer.off = 1ull << 41;
	event.result = -EINVAL;
	json = line_of(&event, "read");
	says(json, "region", NULL);
	says(json, "offset", "0x20000000000");
	says(json, "error", "EINVAL");
	cJSON_Delete(json);

	event.kind = IOAS_TRACE_CLOSE;
	cJSON_Delete(line_of(&event, "close"));
	event.kind = IOAS_TRACE_RESET;
	cJSON_Delete(line_of(&event, "reset"));
}

static void routes_say_from_where_to_where(void **state)
{
	pasid_t pasid = 0;
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_ROUTE,
		.device = "0000:3a:1f.7",
		.route = {.cause = IOAS_TRACE_REPLACE,
			  .id = 0x3aff,
			  .pasid = &pasid,
			  .from = {.there = true},
			  .to = {.there = true, .ioas_id = 2, .hwpt_id = 3}},
	};
	cJSON *json = line_of(&event, "route");

	says(json, "cause", "replace");
	says(json, "requester", "3a:1f.7");
	says(json, "pasid", "0");
	says(json, "from", "{\"ioas_id\":null,\"hwpt_id\":null}");
	says(json, "to", "{\"ioas_id\":2,\"hwpt_id\":3}");
	cJSON_Delete(json);
	event.route.cause = IOAS_TRACE_DETACH;
	event.route.pasid = NULL;
	event.route.to.there = false;
	event.route.stream = true;
	json = line_of(&event, "route");
	says(json, "requester", NULL);
	says(json, "stream_id", "0x3aff");
	says(json, "pasid", "null");
	says(json, "to", "null");
	cJSON_Delete(json);
	event.route.cause = IOAS_TRACE_BIND;
	event.route.forms = IOAS_FORM_RID | IOAS_FORM_SHARED_QUEUE;
	event.route.pasid_lg2 = 20;
	json = line_of(&event, "route");
	says(json, "forms", "[\"RID\",\"SHARED_QUEUE\"]");
	says(json, "pasid_bits", "20");
	says(json, "from", NULL);
	cJSON_Delete(json);
}

static struct ioas_fault some_fault(void)
{
	struct ioas_fault fault = {
		.seq = 5,
		.tlp = {.addr = 0x1000,
			.len = 8192,
			.op = IOAS_TLP_WRITE,
			.flags = IOAS_TLP_PASID,
			.pasid = 77},
		.addr = 0x2000,
		.device = "0000:01:00.0",
		.id = 0x100,
		.reason = IOAS_FAULT_NOT_MAPPED,
		.ioas_id = 2,
		.hwpt_id = 3,
		.level_nr = 2,
		.level = {{4, IOAS_FAULT_ENTRY_TABLE, 0, 0xabc}, {3, IOAS_FAULT_ENTRY_EMPTY, 1, 0}},
		.has_nearest = 1,
		.nearest_prot = IOAS_PROT_READ,
		.nearest = {0x8000, UINT64_MAX},
	};

	return fault;
}

static void a_fault_tells_all_of_its_record(void **state)
{
	struct ioas_fault fault = some_fault();
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_FAULT, .device = fault.device, .fault = &fault};
	cJSON *json = line_of(&event, "fault");

	says(json, "device", "0000:01:00.0");
	says(json, "fault", "5");
	says(json, "requester", "01:00.0");
	says(json, "pasid", "77");
	says(json, "access", "write");
	says(json, "iova", "0x2000");
	says(json, "tlp_iova", "0x1000");
	says(json, "tlp_bytes", "8192");
	says(json, "passed", "false");
	says(json, "reason", "not mapped");
	says(json, "walk.0", "{\"level\":4,\"index\":0,\"entry\":\"0xabc\",\"kind\":\"table\"}");
	says(json, "walk.1.kind", "empty");
	says(json, "nearest",
	     "{\"first\":\"0x8000\",\"last\":\"0xffffffffffffffff\",\"read\":true,"
	     "\"write\":false}");
	says(json, "other", NULL);
	says(json, "stage", NULL);
	cJSON_Delete(json);
	fault.stage = 2;
	fault.during = IOAS_FAULT_DURING_TABLE;
	fault.gpa = 0x5000;
	fault.stage1_nr = 1;
	fault.stage1[0].level = 4;
	fault.stage1[0].kind = IOAS_FAULT_ENTRY_TABLE;
	fault.stage1[0].gpa = 0x1008;
	fault.stage1[0].entry = 0x5007;
	json = line_of(&event, "fault");
	says(json, "stage", "2");
	says(json, "during", "table");
	says(json, "gpa", "0x5000");
	says(json, "stage1",
	     "[{\"level\":4,\"gpa\":\"0x1008\",\"entry\":\"0x5007\",\"kind\":\"table\"}]");
	cJSON_Delete(json);
	fault.stage = 0;
	fault.stage1_nr = 0;
	fault.tlp.flags = IOAS_TLP_PRIV | IOAS_TLP_EXEC;
	fault.tlp.at = IOAS_TLP_TRANSLATED;
	fault.has_nearest = 0;
	fault.level_nr = 0;
	fault.reason = IOAS_PASSED_PEER;
	strcpy(fault.other, "0000:02:00.0");
	json = line_of(&event, "fault");
	says(json, "pasid", "null");
	says(json, "tlp_flags", "[\"PRIV\",\"EXEC\"]");
	says(json, "at", "translated");
	says(json, "nearest", "null");
	says(json, "walk", "[]");
	says(json, "passed", "true");
	says(json, "other", "0000:02:00.0");
	cJSON_Delete(json);
}

static void a_run_its_processes_and_its_end(void **state)
{
	static char *program[] = {(char *)"prog\xff", (char *)"arg", NULL};
	static char *machine[] = {(char *)"aw=39", (char *)"nvme,drive=null", NULL};
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_RUN,
		.run = {.version = "1.2", .program = program, .machine = machine},
	};
	cJSON *json = line_of(&event, "run");

	says(json, "ioas", "1.2");
	says(json, "machine", "[\"aw=39\",\"nvme,drive=null\"]");
	says(json, "program.0", "prog\xef\xbf\xbd");
	says(json, "program.1", "arg");
	cJSON_Delete(json);
	event = (struct ioas_trace_event){.kind = IOAS_TRACE_END, .end = {137, 9}};
	json = line_of(&event, "end");
	says(json, "status", "137");
	says(json, "signal", "9");
	cJSON_Delete(json);
	event = (struct ioas_trace_event){.kind = IOAS_TRACE_START,
					  .process = {.program = "/bin/a b", .parent = 5}};
	json = line_of(&event, "start");
	says(json, "program", "/bin/a b");
	says(json, "parent", "5");
	cJSON_Delete(json);
	event = (struct ioas_trace_event){.kind = IOAS_TRACE_EXIT, .process = {.status = 3}};
	json = line_of(&event, "exit");
	says(json, "status", "3");
	cJSON_Delete(json);
	event = (struct ioas_trace_event){.kind = IOAS_TRACE_FORK, .process = {.parent = 1}};
	cJSON_Delete(line_of(&event, "fork"));
	event = (struct ioas_trace_event){.kind = IOAS_TRACE_TAKEOVER};
	cJSON_Delete(line_of(&event, "takeover"));
	event = (struct ioas_trace_event){.kind = IOAS_TRACE_REFUSAL,
					  .result = -EBUSY,
					  .process = {.call = "open", .path = "/dev/x"}};
	json = line_of(&event, "refusal");
	says(json, "call", "open");
	says(json, "path", "/dev/x");
	says(json, "error", "EBUSY");
	says(json, "reason", "Device or resource busy");
	cJSON_Delete(json);
}

/* The longest of everything still fits, and what does not fit at all is cut to be a line. */
static void no_line_is_too_long(void **state)
{
	static char wild[4096], *many[1000];
	struct ioas_node node = {.kind = IOAS_NODE_IOMMU};
	struct ioas_trace_args args;
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_IOCTL,
		.node = &node,
		.device = wild,
		.result = -EINVAL,
		.reason = wild,
		.ioctl = {"VFIO_DEVICE_SET_IRQS", UINT32_MAX, UINT64_MAX, &args},
	};
	char buf[IOAS_TRACE_LINE_MAX];
	cJSON *json;

	memset(&args, 0xff, sizeof(args));
	memset(wild, '\x01', sizeof(wild) - 1);
	memset(node.path, '\x01', sizeof(node.path) - 1);
	json = line_of(&event, "ioctl");
	says(json, "cut", NULL);
	cJSON_Delete(json);
	memset(args.in, 2, sizeof(args.in));
	event.ioctl.name = "VFIO_GROUP_GET_DEVICE_FD";
	json = line_of(&event, "ioctl");
	says(json, "cut", NULL);
	cJSON_Delete(json);
	for (size_t i = 0; i < 999; i++)
		many[i] = wild;
	event = (struct ioas_trace_event){.kind = IOAS_TRACE_RUN, .run = {"1", many, many}};
	json = line_of(&event, "run");
	says(json, "cut", "true");
	assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(json, "program")) > 0);
	cJSON_Delete(json);

	for (size_t len = 0; len < sizeof(buf); len++) {
		size_t used = ioas_trace_format(&event, &stamp, buf, len);

		assert_true(used <= len);
		if (used) {
			json = cJSON_ParseWithLength(buf, used);
			assert_non_null(json);
			says(json, "cut", "true");
			says(json, "event", "run");
			cJSON_Delete(json);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ioctl_shows_what_went_in_and_out),
		cmocka_unit_test(a_refused_ioctl_says_why),
		cmocka_unit_test(arguments_of_other_shapes),
		cmocka_unit_test(a_union_shows_the_operations_own),
		cmocka_unit_test(what_is_beyond_the_argument_is_not_taken_for_it),
		cmocka_unit_test(files_are_opened_mapped_and_closed),
		cmocka_unit_test(routes_say_from_where_to_where),
		cmocka_unit_test(a_fault_tells_all_of_its_record),
		cmocka_unit_test(a_run_its_processes_and_its_end),
		cmocka_unit_test(no_line_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
