/* SPDX-License-Identifier: MIT */
/* Description: what the engine tells of ioctls, files, routes, resets and faults, in which order.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cjson/cJSON.h>
#include <ioas/device.h>
#include <ioas/space.h>
#include <ioas/tlp.h>
#include <ioas/trace.h>
#include "iommu.h"
#include "route/route.h"
#include "world.h"

#define RW (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

/* Events so far that nobody has looked at, as the lines they become. */
static cJSON *heard[256];
static unsigned first, nr;

static void hear(void *host, const struct ioas_trace_event *event)
{
	struct ioas_trace_stamp stamp = {.seq = nr + 1, .pid = 1, .tid = 1};
	char line[IOAS_TRACE_LINE_MAX];
	size_t len = ioas_trace_format(event, &stamp, line, sizeof(line));

	assert_true(nr < sizeof(heard) / sizeof(heard[0]));
	heard[nr] = cJSON_ParseWithLength(line, len);
	assert_non_null(heard[nr]);
	nr++;
}

static int setup(void **state)
{
	static const struct ioas_host_ops ops = {.trace = hear};
	static const struct ioas_iommu_config config = {.host_ops = &ops, .selftest = true};

	first = nr = 0;
	return world_setup_config(state, &config);
}

static void forget(void)
{
	for (unsigned i = 0; i < nr; i++)
		cJSON_Delete(heard[i]);
	first = nr = 0;
}

static int teardown(void **state)
{
	int rc = world_teardown(state);

	forget();
	return rc;
}

/* The next event is that kind, and each "key=value" of it is so; "key=" is not there. */
static void next(const char *kind, const char *pairs)
{
	cJSON *json;
	char key[40], want[200];
	int used;

	if (first == nr)
		print_error("no event, instead of %s %s\n", kind, pairs);
	assert_true(first < nr);
	json = heard[first++];
	assert_string_equal(cJSON_GetObjectItem(json, "event")->valuestring, kind);
	for (; sscanf(pairs, " %39[^=]=%n", key, &used) == 1; pairs += used + strlen(want)) {
		cJSON *at = cJSON_GetObjectItemCaseSensitive(json, key);
		char *text;

		if (sscanf(pairs + used, "%199[^ ]", want) != 1 || pairs[used] == ' ')
			want[0] = 0;
		if (!want[0]) {
			assert_null(at);
			continue;
		}
		assert_non_null(at);
		text = cJSON_IsString(at) ? strdup(at->valuestring) : cJSON_PrintUnformatted(at);
		assert_string_equal(text, want);
		free(text);
	}
}

static void nothing_more(void)
{
	if (first < nr) {
		char *text = cJSON_PrintUnformatted(heard[first]);

		print_error("one more: %s\n", text);
		free(text);
	}
	assert_int_equal(first, nr);
}

static void a_device_from_open_to_close(void **state)
{
	struct world *w = *state;
	struct vfio_device_detach_iommufd_pt detach = {.argsz = sizeof(detach) - 4};
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	uint32_t ioas, pt;

	next("open", "path=/dev/iommu node=iommu access=RDWR result=0 device=");
	next("open", "node=device device=0000:01:00.0 result=0");
	w_bind(w, cdev, fd);
	next("reset", "device=0000:01:00.0");
	next("route", "device=0000:01:00.0 cause=bind requester=01:00.0 forms=[\"RID\"] from=");
	next("ioctl", "name=VFIO_DEVICE_BIND_IOMMUFD device=0000:01:00.0 result=0");
	ioas = w_ioas(w, fd);
	next("ioctl", "name=IOMMU_IOAS_ALLOC node=iommu in={\"size\":12,\"flags\":[]} result=0");
	pt = ioas;
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	next("route", "device=0000:01:00.0 cause=attach pasid=null from=null "
		      "to={\"ioas_id\":2,\"hwpt_id\":3}");
	next("ioctl", "name=VFIO_DEVICE_ATTACH_IOMMUFD_PT out={\"pt_id\":3}");
	pt = ioas;
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	next("route", "cause=no-op from={\"ioas_id\":2,\"hwpt_id\":3} "
		      "to={\"ioas_id\":2,\"hwpt_id\":3}");
	next("ioctl", "name=VFIO_DEVICE_ATTACH_IOMMUFD_PT");
	pt = w_ioas(w, fd);
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	next("ioctl", "name=IOMMU_IOAS_ALLOC");
	next("route", "cause=replace from={\"ioas_id\":2,\"hwpt_id\":3} "
		      "to={\"ioas_id\":4,\"hwpt_id\":5}");
	next("ioctl", "name=VFIO_DEVICE_ATTACH_IOMMUFD_PT out={\"pt_id\":5}");
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
	next("route", "cause=detach from={\"ioas_id\":4,\"hwpt_id\":5} to=null");
	next("ioctl", "name=VFIO_DEVICE_DETACH_IOMMUFD_PT");
	assert_int_equal(w_ioctl(w, cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
	next("ioctl", "name=VFIO_DEVICE_DETACH_IOMMUFD_PT");
	w_close(w, cdev);
	next("close", "node=device device=0000:01:00.0");
	next("reset", "device=0000:01:00.0");
	next("route", "cause=unbind");
	w_close(w, fd);
	next("close", "path=/dev/iommu");
	nothing_more();
}

static void groups_and_containers(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/vfio/vfio"), group = w_open_group(w, 1), again, dev;
	int32_t container = fd;

	next("open", "node=container path=/dev/vfio/vfio");
	next("open", "node=group");
	again = w_open_group(w, 1);
	assert_int_equal(again, -EBUSY);
	next("open", "node=group error=EBUSY errno=16 result=");
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	next("ioctl", "name=VFIO_GROUP_SET_CONTAINER in={\"container\":1000} result=0");
	assert_int_equal(w_ioctl(w, fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU), 0);
	next("ioctl", "name=VFIO_SET_IOMMU in={\"type\":\"TYPE1_IOMMU\"}");
	dev = (int)w_ioctl(w, group, VFIO_GROUP_GET_DEVICE_FD, "0000:02:00.0");
	assert_true(dev > 0);
	next("reset", "");
	next("route", "cause=bind");
	next("route", "cause=attach from=null to={\"ioas_id\":null,\"hwpt_id\":null}");
	next("ioctl", "name=VFIO_GROUP_GET_DEVICE_FD in={\"name\":\"0000:02:00.0\"}");
	w_close(w, group);
	w_close(w, fd);
	w_close(w, dev);
	next("close", "node=container");
	next("close", "node=device device=0000:02:00.0");
	next("reset", "");
	next("route", "cause=detach from={\"ioas_id\":null,\"hwpt_id\":null} to=null");
	next("route", "cause=unbind");
	next("close", "node=group");
	nothing_more();
}

static void a_refusal_has_the_reason_and_what_was_asked(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = 7, .length = UINT64_MAX};
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = 9};

	next("open", "");
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_UNMAP, &unmap), -ENOENT);
	next("ioctl", "name=IOMMU_IOAS_UNMAP error=ENOENT errno=2 out={} result= "
		      "in={\"size\":24,\"ioas_id\":7,\"iova\":\"0x0\","
		      "\"length\":\"0xffffffffffffffff\"}");
	assert_string_equal(cJSON_GetObjectItem(heard[1], "reason")->valuestring,
			    "no IOAS has id 7");
	destroy.size = 4;
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, &destroy), -EINVAL);
	next("ioctl", "name=IOMMU_DESTROY error=EINVAL in={\"size\":4}");
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, w_wild(w)), -EFAULT);
	next("ioctl", "name=IOMMU_DESTROY error=EFAULT in={}");
	assert_int_equal(w_ioctl(w, fd, _IO(';', 0x9f), &destroy), -ENOTTY);
	next("ioctl", "name=unknown error=ENOTTY cmd=0x3b9f in=");
	nothing_more();
}

/* What the kernel writes back although it refuses is shown; what it does not write is not. */
static void answers_are_what_was_written(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	struct iommu_ioas_iova_ranges ranges = {.size = sizeof(ranges), .ioas_id = w_ioas(w, fd)};
	uint64_t iova = 0x5000;

	first = nr;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_IOVA_RANGES, &ranges), -EMSGSIZE);
	next("ioctl", "error=EMSGSIZE out={\"num_iovas\":1,\"out_iova_alignment\":1}");
	assert_int_equal(w_map(w, fd, ranges.ioas_id, RW, w->page, 0, &iova), -EINVAL);
	next("ioctl", "name=IOMMU_IOAS_MAP error=EINVAL out={}");
	nothing_more();
}

static void bus_mastering_and_faults(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	uint32_t pt = w_ioas(w, fd), ioas = pt;
	uint64_t iova = 0x10000, config = 7ull << 40;
	struct ioas_issuer *issuer;
	uint16_t command = 6;
	char bytes[64] = "";

	w_bind(w, cdev, fd);
	assert_int_equal(w_attach(w, cdev, &pt), 0);
	w_map(w, fd, ioas, RW | IOMMU_IOAS_MAP_FIXED_IOVA, w->page, PAGE, &iova);
	first = nr;
	for (int i = 0; i < 2; i++)
		assert_int_equal(ioas_file_pwrite(w->file[cdev - 1000], &w->caller,
						  (uintptr_t)&command, 2, config + 4),
				 2);
	next("route", "cause=bus-master-on device=0000:01:00.0 from= forms=");
	nothing_more();
	assert_int_equal(ioas_issuer_new(ioas_pci_device(w->dev[0].pci), &issuer), 0);
	assert_int_equal(ioas_dma_write(issuer, 0x10000, bytes, sizeof(bytes)), 0);
	nothing_more();
	assert_int_equal(ioas_dma_write(issuer, 0x11000, bytes, sizeof(bytes)), -EFAULT);
	next("fault", "device=0000:01:00.0 requester=01:00.0 access=write iova=0x11000 "
		      "tlp_bytes=64 passed=false ioas_id=1 hwpt_id=3 fault=1");
	assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(heard[nr - 1], "walk")) >= 2);
	assert_non_null(cJSON_GetObjectItem(cJSON_GetObjectItem(heard[nr - 1], "nearest"), "last"));
	ioas_issuer_destroy(issuer);
	command = 2;
	ioas_file_pwrite(w->file[cdev - 1000], &w->caller, (uintptr_t)&command, 2, config + 4);
	next("route", "cause=bus-master-off");
	nothing_more();
}

/* Registers are told of only when refused; queues always. */
static void transfers(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0), queue;
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	struct ioas_mapping map;
	uint32_t word;

	first = nr;
	assert_int_equal(ioas_file_pread(w->file[cdev - 1000], &w->caller, (uintptr_t)&word, 4, 0),
			 -EINVAL);
	next("read", "node=device region=0 offset=0x0 length=4 error=EINVAL");
	w_bind(w, cdev, fd);
	first = nr;
	assert_int_equal(ioas_file_pread(w->file[cdev - 1000], &w->caller, (uintptr_t)&word, 4, 0),
			 4);
	assert_int_equal(ioas_file_pwrite(w->file[cdev - 1000], &w->caller, (uintptr_t)&word, 4, 0),
			 4);
	nothing_more();
	assert_int_equal(
		ioas_file_mmap(w->file[cdev - 1000], 0, PAGE, PROT_READ, MAP_SHARED, &map, &w->why),
		0);
	next("mmap", "device=0000:01:00.0 region=0 length=4096 prot=[\"READ\"] result=0");
	assert_int_equal(ioas_file_mmap(w->file[cdev - 1000], 0, PAGE, PROT_READ, MAP_PRIVATE, &map,
					&w->why),
			 -EINVAL);
	next("mmap", "flags=[\"PRIVATE\"] error=EINVAL");
	assert_string_equal(cJSON_GetObjectItem(heard[nr - 1], "reason")->valuestring, w->why.text);
	assert_int_equal(w_ioctl(w, fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc), 0);
	next("ioctl", "name=IOMMU_FAULT_QUEUE_ALLOC");
	queue = (int)alloc.out_fault_fd;
	assert_int_equal(ioas_file_pread(w->file[queue - 1000], &w->caller, (uintptr_t)&word, 0, 0),
			 0);
	next("read", "node=fault_queue length=0 result=0");
	nothing_more();
}

/* Two devices that share requester IDs: joining is a no-op, a replace moves both. */
static void share_sets_move_together(void **state)
{
	struct world *w = *state;
	struct route_identity who = {.name = "0000:07:01.0", .id = 0x700};
	struct ioas_device *a, *b;
	struct ioas_space *space[2];
	pasid_t pasid = 0;

	for (int i = 0; i < 2; i++)
		assert_int_equal(ioas_space_new(w->iommu, &space[i]), 0);
	assert_int_equal(route_device_create(w->iommu, &who, &a), 0);
	who.name = "0000:07:02.0";
	who.set = a->set;
	assert_int_equal(route_device_create(w->iommu, &who, &b), 0);
	assert_int_equal(ioas_device_bind(a, IOAS_FORM_RID | IOAS_FORM_PASID, 8, NULL), 0);
	assert_int_equal(ioas_device_bind(b, IOAS_FORM_RID, 0, NULL), 0);
	next("route", "cause=bind forms=[\"RID\",\"PASID\"] pasid_bits=8");
	next("route", "cause=bind device=0000:07:02.0 pasid_bits=0");
	assert_int_equal(ioas_device_attach(a, space[0], NULL), 0);
	next("route", "cause=attach device=0000:07:01.0 requester=07:00.0");
	assert_int_equal(ioas_device_attach(b, space[0], NULL), 1);
	next("route", "cause=no-op device=0000:07:02.0");
	assert_int_equal(ioas_device_attach(b, space[1], NULL), 0);
	next("route", "cause=replace");
	next("route", "cause=replace");
	ioas_device_detach(a);
	next("route", "cause=leave device=0000:07:01.0");
	ioas_device_detach(b);
	next("route", "cause=detach device=0000:07:02.0 to=null");
	assert_int_equal(ioas_device_attach_pasid(a, pasid, space[0], NULL), 0);
	next("route", "cause=attach pasid=0");
	ioas_device_detach_pasid(a, pasid);
	next("route", "cause=detach pasid=0 to=null");
	ioas_device_unbind(a);
	ioas_device_unbind(b);
	next("route", "cause=unbind");
	next("route", "cause=unbind");
	route_device_destroy(b);
	route_device_destroy(a);
	for (int i = 0; i < 2; i++)
		ioas_space_put(space[i]);
	nothing_more();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_from_open_to_close),
		TEST(groups_and_containers),
		TEST(a_refusal_has_the_reason_and_what_was_asked),
		TEST(answers_are_what_was_written),
		TEST(bus_mastering_and_faults),
		TEST(transfers),
		TEST(share_sets_move_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
