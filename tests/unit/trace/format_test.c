/* SPDX-License-Identifier: MIT */
/*
 * Description: every event becomes a line of JSON that says what is in it, of a length that a pipe
 * takes in one piece.
 */
#include "lines.h"

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
	says(json, "cut", NULL);
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

/* All of a line that is not its stamp. */
static void is(const struct ioas_trace_event *event, const char *kind, const char *want)
{
	char buf[IOAS_TRACE_LINE_MAX], *body;

	cJSON_Delete(line_of(event, kind));
	buf[ioas_trace_format(event, &stamp, buf, sizeof(buf) - 1)] = '\0';
	body = strstr(buf, "\"event\":");
	assert_non_null(body);
	assert_string_equal(strchr(body, ','), want);
}

static void a_file_is_told_with_what_was_asked_of_it(void **state)
{
	static const struct ioas_node group_device = {.kind = IOAS_NODE_VFIO_DEVICE};
	struct ioas_trace_event event = {.kind = IOAS_TRACE_OPEN, .node = &iommu_node, .result = 3};

	event.open.flags = O_WRONLY | O_NONBLOCK | O_TRUNC;
	is(&event, "open",
	   ",\"path\":\"/dev/iommu\",\"node\":\"iommu\",\"access\":\"WRONLY\","
	   "\"flags\":[\"NONBLOCK\",\"TRUNC\"],\"result\":3}\n");
	event = (struct ioas_trace_event){
		.kind = IOAS_TRACE_MMAP,
		.node = &group_device,
		.mmap = {(1ull << 40) - 1, 8192, PROT_EXEC, MAP_SHARED_VALIDATE | MAP_POPULATE}};
	is(&event, "mmap",
	   ",\"path\":\"\",\"node\":\"device\",\"region\":0,\"offset\":\"0xffffffffff\","
	   "\"length\":8192,\"prot\":[\"EXEC\"],\"flags\":[\"SHARED_VALIDATE\",\"POPULATE\"],"
	   "\"result\":0}\n");
	event = (struct ioas_trace_event){
		.kind = IOAS_TRACE_WRITE, .node = &group_device, .transfer = {7ull << 40 | 4, 2}};
	is(&event, "write",
	   ",\"path\":\"\",\"node\":\"device\",\"region\":7,\"offset\":\"0x4\",\"length\":2,"
	   "\"result\":0}\n");
	event.kind = IOAS_TRACE_READ;
	event.node = NULL;
	event.result = -4000;
	is(&event, "read",
	   ",\"offset\":\"0x70000000004\",\"length\":2,\"error\":\"unknown\",\"errno\":4000,"
	   "\"reason\":\"refused\"}\n");
}

/* Where requests go is told of what changes it; what they may look like when a driver says so. */
static void each_cause_of_a_route_tells_what_it_changes(void **state)
{
	static const char *const changes[] = {"attach", "replace", "detach", "no-op", "leave"};
	static const char *const others[] = {"bind", "unbind", "bus-master-on", "bus-master-off"};
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_ROUTE,
		.route = {.id = 0x8008, .from = {.there = true, .ioas_id = 4}, .pasid_lg2 = 5},
	};
	char want[256];

	for (unsigned i = 0; i < 5; i++) {
		event.route.cause = (enum ioas_trace_cause)(IOAS_TRACE_ATTACH + i);
		snprintf(want, sizeof(want),
			 ",\"cause\":\"%s\",\"requester\":\"80:01.0\",\"pasid\":null,\"from\":{"
			 "\"ioas_id\":4,\"hwpt_id\":null},\"to\":null}\n",
			 changes[i]);
		is(&event, "route", want);
	}
	for (unsigned i = 0; i < 4; i++) {
		event.route.cause = (enum ioas_trace_cause)(IOAS_TRACE_BIND + i);
		snprintf(want, sizeof(want), ",\"cause\":\"%s\",\"requester\":\"80:01.0\"%s}\n",
			 others[i], i ? "" : ",\"forms\":[],\"pasid_bits\":5");
		is(&event, "route", want);
	}
}

static void a_process_tells_what_is_known_of_it(void **state)
{
	struct ioas_trace_event event = {.kind = IOAS_TRACE_START, .process = {.parent = 5}};

	is(&event, "start", ",\"parent\":5}\n");
	event.kind = IOAS_TRACE_FORK;
	event.process.program = "/bin/a";
	is(&event, "fork", ",\"parent\":5}\n");
	event.kind = IOAS_TRACE_EXIT;
	event.process.status = -1;
	is(&event, "exit", ",\"status\":-1}\n");
	event = (struct ioas_trace_event){
		.kind = IOAS_TRACE_REFUSAL, .node = &iommu_node, .process = {.call = "mmap"}};
	is(&event, "refusal",
	   ",\"path\":\"/dev/iommu\",\"node\":\"iommu\",\"call\":\"mmap\",\"result\":0}\n");
	event = (struct ioas_trace_event){.kind = IOAS_TRACE_END};
	is(&event, "end", ",\"status\":0,\"signal\":null}\n");
}

/* A run's beginning may be unknown, and a clock may be set back: no time is below zero. */
static void the_time_since_the_beginning(void **state)
{
	struct ioas_trace_event event = {.kind = IOAS_TRACE_TAKEOVER};
	struct ioas_trace_stamp at = {.time_ns = 3};
	char buf[IOAS_TRACE_LINE_MAX];

	buf[ioas_trace_format(&event, &at, buf, sizeof(buf) - 1)] = '\0';
	assert_string_equal(buf, "{\"seq\":0,\"time\":\"1970-01-01T00:00:00.000000003Z\","
				 "\"pid\":0,\"tid\":0,\"event\":\"takeover\"}\n");
	at.start_ns = 4;
	buf[ioas_trace_format(&event, &at, buf, sizeof(buf) - 1)] = '\0';
	assert_non_null(strstr(buf, ",\"t\":0.000000000,"));
	at.time_ns = 6;
	buf[ioas_trace_format(&event, &at, buf, sizeof(buf) - 1)] = '\0';
	assert_non_null(strstr(buf, ",\"t\":0.000000002,"));
}

/* Of flags with several bits, some are not the flag; and a number that has no name is told, too. */
static void what_has_no_name_is_called_unknown(void **state)
{
	struct ioas_node node = {.kind = (enum ioas_node_kind)(IOAS_NODE_DMABUF + 1)};
	struct ioas_trace_event event = {.kind = IOAS_TRACE_MMAP, .node = &node};
	cJSON *json;

	event.mmap.flags = MAP_PRIVATE | 0x40000000;
	json = line_of(&event, "mmap");
	says(json, "node", "unknown");
	says(json, "flags", "[\"PRIVATE\",\"0x40000000\"]");
	cJSON_Delete(json);
	event.kind = IOAS_TRACE_ROUTE;
	event.node = NULL;
	event.route.cause = (enum ioas_trace_cause)(IOAS_TRACE_BUS_MASTER_OFF + 1);
	is(&event, "route", ",\"cause\":\"unknown\",\"requester\":\"00:00.0\"}\n");
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

/* To the byte: with room for it a line is whole, with less it says that it is cut, then it is none.
 */
static void a_line_that_does_not_fit_is_cut(void **state)
{
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_OPEN, .node = &device_node, .device = "0000:01:00.0"};
	static const char cut[] =
		"{\"seq\":7,\"time\":\"1970-01-01T00:00:01.000000005Z\",\"t\":0.000000005,"
		"\"pid\":11,\"tid\":12,\"event\":\"open\",\"cut\":true}\n";
	size_t cut_len = sizeof(cut) - 1, whole_len;
	char buf[IOAS_TRACE_LINE_MAX];

	whole_len = ioas_trace_format(&event, &stamp, buf, sizeof(buf));
	assert_true(whole_len > cut_len);
	for (size_t len = 0; len < sizeof(buf); len++) {
		size_t used = ioas_trace_format(&event, &stamp, buf, len);

		if (len >= whole_len) {
			assert_int_equal(used, whole_len);
		} else if (len >= cut_len) {
			assert_int_equal(used, cut_len);
			assert_memory_equal(buf, cut, cut_len);
		} else {
			assert_int_equal(used, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_opened_mapped_and_closed),
		cmocka_unit_test(routes_say_from_where_to_where),
		cmocka_unit_test(a_fault_tells_all_of_its_record),
		cmocka_unit_test(a_run_its_processes_and_its_end),
		cmocka_unit_test(a_file_is_told_with_what_was_asked_of_it),
		cmocka_unit_test(each_cause_of_a_route_tells_what_it_changes),
		cmocka_unit_test(a_process_tells_what_is_known_of_it),
		cmocka_unit_test(the_time_since_the_beginning),
		cmocka_unit_test(what_has_no_name_is_called_unknown),
		cmocka_unit_test(no_line_is_too_long),
		cmocka_unit_test(a_line_that_does_not_fit_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
