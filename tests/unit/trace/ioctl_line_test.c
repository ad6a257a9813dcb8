/* SPDX-License-Identifier: MIT */
/*
 * Description: an ioctl's line says what went in and came out, by name, and why it was refused;
 * what lies beyond its argument is not taken for it.
 */
#include "lines.h"

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

/* One that has no end in what was copied ends there. */
static void a_text_ends_with_the_argument(void **state)
{
	struct ioas_trace_args args;
	struct ioas_trace_event event = {
		.kind = IOAS_TRACE_IOCTL,
		.node = &device_node,
		.ioctl = {"VFIO_GROUP_GET_DEVICE_FD", 1, 0, &args},
	};
	cJSON *json;

	memset(&args, 0xff, sizeof(args));
	memset(args.in, 'x', sizeof(args.in));
	json = line_of(&event, "ioctl");
	assert_int_equal(
		strlen(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "in"), "name")->valuestring),
		TRACE_ARGS_LEN);
	cJSON_Delete(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ioctl_shows_what_went_in_and_out),
		cmocka_unit_test(a_refused_ioctl_says_why),
		cmocka_unit_test(arguments_of_other_shapes),
		cmocka_unit_test(a_union_shows_the_operations_own),
		cmocka_unit_test(what_is_beyond_the_argument_is_not_taken_for_it),
		cmocka_unit_test(a_text_ends_with_the_argument),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
