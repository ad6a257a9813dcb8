/* SPDX-License-Identifier: MIT */
/*
 * Description: the whole line of a fault, for each kind of fault: what belongs to it is there, and
 * what belongs to others is not.
 */
#include <ioas/ats.h>
#include "lines.h"

/* All that comes behind the requester, and before the walk. */
static void tells(const struct ioas_fault *fault, const char *want)
{
	struct ioas_trace_event event = {.kind = IOAS_TRACE_FAULT, .fault = fault};
	char buf[IOAS_TRACE_LINE_MAX], *begin, *end;

	cJSON_Delete(line_of(&event, "fault"));
	buf[ioas_trace_format(&event, &stamp, buf, sizeof(buf) - 1)] = '\0';
	begin = strstr(buf, "\"requester\"");
	end = strstr(buf, ",\"walk\"");
	assert_non_null(begin);
	assert_non_null(end);
	*end = '\0';
	assert_string_equal(begin, want);
}

static struct ioas_fault read_fault(enum ioas_fault_reason reason)
{
	struct ioas_fault fault = {
		.tlp = {.addr = 0x1000, .len = 64, .op = IOAS_TLP_READ},
		.addr = 0x1020,
		.id = 0x1a3,
		.reason = (uint32_t)reason,
		.ioas_id = 2,
		.hwpt_id = 3,
	};

	return fault;
}

#define READ                                                                          \
	"\"requester\":\"01:14.3\",\"pasid\":null,\"access\":\"read\",\"tlp_flags\":" \
	"[],\"iova\":\"0x1020\",\"tlp_iova\":\"0x1000\",\"tlp_bytes\":64,"
#define ROUTED "\"ioas_id\":2,\"hwpt_id\":3"

static void a_read_of_what_is_not_there(void **state)
{
	struct ioas_fault fault = read_fault(IOAS_FAULT_NOT_MAPPED);

	tells(&fault, READ "\"passed\":false,\"reason\":\"not mapped\"," ROUTED);
}

static void what_an_iommu_would_have_said(void **state)
{
	struct ioas_fault fault = read_fault(IOAS_FAULT_NOT_MAPPED);

	fault.vendor = IOAS_FAULT_OF_SMMUV3;
	fault.code = 0x10;
	tells(&fault, READ "\"passed\":false,\"reason\":\"not mapped\"," ROUTED
			   ",\"vendor_code\":16,\"vendor_text\":\"F_TRANSLATION\"");
}

static void what_was_remembered_and_is_no_longer_so(void **state)
{
	struct ioas_fault fault = read_fault(IOAS_PASSED_STALE);
	char want[512];

	fault.stale_level = 2;
	fault.stale_gpa = 0x5008;
	fault.stale_old = 0x7003;
	fault.stale_now = 0x8003;
	snprintf(want, sizeof(want),
		 READ "\"passed\":true,\"reason\":\"%s\"," ROUTED ",\"stale_level\":2,"
		      "\"stale_gpa\":\"0x5008\",\"stale_old\":\"0x7003\",\"stale_now\":\"0x8003\"",
		 ioas_fault_reason_name(IOAS_PASSED_STALE));
	tells(&fault, want);
}

/* A range is told even where nothing took it back; then nobody is named. */
static void what_was_handed_out_and_taken_back(void **state)
{
	struct ioas_fault fault = read_fault(IOAS_PASSED_ATS_STALE);
	char want[512];

	fault.taken = (struct ioas_range){0x1000, 0x1fff};
	snprintf(want, sizeof(want),
		 READ "\"passed\":true,\"reason\":\"%s\"," ROUTED
		      ",\"taken\":{\"first\":\"0x1000\",\"last\":\"0x1fff\"}",
		 ioas_fault_reason_name(IOAS_PASSED_ATS_STALE));
	tells(&fault, want);
	fault.reason = IOAS_FAULT_ATS_TIMEOUT;
	fault.taken_by = IOAS_ATS_BY_UNMAP;
	snprintf(want, sizeof(want),
		 READ "\"passed\":false,\"reason\":\"%s\"," ROUTED ",\"taken_by\":\"UNMAP\","
		      "\"taken\":{\"first\":\"0x1000\",\"last\":\"0x1fff\"}",
		 ioas_fault_reason_name(IOAS_FAULT_ATS_TIMEOUT));
	tells(&fault, want);
}

#define NOT_MAPPED READ "\"passed\":false,\"reason\":\"not mapped\"," ROUTED

/* In the program's own tables there is no guest-physical address yet that could be missing. */
static void each_stage_of_a_nested_walk(void **state)
{
	static const char *const during[] = {"data", "table", "structure"};
	struct ioas_fault fault = read_fault(IOAS_FAULT_NOT_MAPPED);

	fault.gpa = 0x9000;
	fault.during = IOAS_FAULT_DURING_STRUCTURE;
	fault.stage = 1;
	tells(&fault, NOT_MAPPED ",\"stage\":1,\"stage1\":[]");
	fault.stage = 2;
	for (uint16_t i = 0; i < 3; i++) {
		char want[512];

		fault.during = i;
		snprintf(want, sizeof(want),
			 NOT_MAPPED ",\"stage\":2,\"during\":\"%s\",\"gpa\":\"0x9000\",\"stage1\":"
				    "[]",
			 during[i]);
		tells(&fault, want);
	}
	fault.stage = 0;
	fault.stage1_nr = 1;
	fault.stage1[0].level = 1;
	fault.stage1[0].kind = IOAS_FAULT_ENTRY_TABLE;
	tells(&fault, NOT_MAPPED ",\"stage\":0,\"gpa\":\"0x9000\",\"stage1\":[{\"level\":1,\"gpa\":"
				 "\"0x0\",\"entry\":\"0x0\",\"kind\":\"table\"}]");
}

/* That there is a PASID, or another's requester ID, is told elsewhere and no flag. */
static void how_a_request_was_made(void **state)
{
	struct ioas_fault fault = read_fault(IOAS_FAULT_NOT_MAPPED);
	struct ioas_trace_event event = {.kind = IOAS_TRACE_FAULT, .fault = &fault};
	cJSON *json;

	fault.tlp.flags = IOAS_TLP_PASID | IOAS_TLP_RID | IOAS_TLP_NO_SNOOP;
	fault.tlp.pasid = 9;
	fault.tlp.at = IOAS_TLP_TRANSLATION_REQUEST;
	fault.stream = true;
	fault.has_nearest = 1;
	fault.nearest_prot = IOAS_PROT_WRITE;
	json = line_of(&event, "fault");
	says(json, "requester", NULL);
	says(json, "stream_id", "0x1a3");
	says(json, "pasid", "9");
	says(json, "tlp_flags", "[\"NO_SNOOP\"]");
	says(json, "at", "translation request");
	says(json, "nearest", "{\"first\":\"0x0\",\"last\":\"0x0\",\"read\":false,\"write\":true}");
	cJSON_Delete(json);
}

/* Lists have an end of their own, whatever a record says of their length. */
static void no_list_is_longer_than_its_record(void **state)
{
	struct ioas_fault fault = read_fault(IOAS_FAULT_NOT_MAPPED);
	struct ioas_trace_event event = {.kind = IOAS_TRACE_FAULT, .fault = &fault};
	cJSON *json;

	fault.level_nr = fault.stage1_nr = UINT8_MAX;
	json = line_of(&event, "fault");
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "walk")), IOAS_FAULT_LEVELS);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "stage1")),
			 IOAS_FAULT_STAGE1);
	cJSON_Delete(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_of_what_is_not_there),
		cmocka_unit_test(what_an_iommu_would_have_said),
		cmocka_unit_test(what_was_remembered_and_is_no_longer_so),
		cmocka_unit_test(what_was_handed_out_and_taken_back),
		cmocka_unit_test(each_stage_of_a_nested_walk),
		cmocka_unit_test(how_a_request_was_made),
		cmocka_unit_test(no_list_is_longer_than_its_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
