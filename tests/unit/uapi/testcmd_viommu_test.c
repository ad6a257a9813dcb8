/* SPDX-License-Identifier: MIT */
/* IOMMU_TEST_CMD's viommus: caches, events, memory behind them and queues. */
#include <string.h>
#include <sys/mman.h>
#include "testcmd.h"
#include "uapi/uapi.h"

/* What a viommu of a device is made of, with all that it takes. */
struct guest {
	struct world *w;
	int fd;
	uint32_t ioas, test, device, parent, viommu, nested, vdevice;
};

static long viommu_alloc(struct guest *g, struct testcmd_viommu *data, uint32_t len)
{
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .type = TESTCMD_TYPE_VIOMMU,
					 .dev_id = g->device,
					 .hwpt_id = g->parent,
					 .data_len = len,
					 .data_uptr = (uintptr_t)data};
	long rc = w_ioctl(g->w, g->fd, IOMMU_VIOMMU_ALLOC, &cmd);

	g->viommu = cmd.out_viommu_id;
	return rc;
}

static long vdevice_alloc(struct guest *g, uint64_t virt_id)
{
	struct iommu_vdevice_alloc cmd = {.size = sizeof(cmd),
					  .viommu_id = g->viommu,
					  .dev_id = g->device,
					  .virt_id = virt_id};
	long rc = w_ioctl(g->w, g->fd, IOMMU_VDEVICE_ALLOC, &cmd);

	g->vdevice = cmd.out_vdevice_id;
	return rc;
}

static void guest_setup(struct guest *g, struct world *w)
{
	struct testcmd_hwpt data = {.iotlb = 1};
	struct iommu_hwpt_alloc parent = {.flags = IOMMU_HWPT_ALLOC_NEST_PARENT};
	struct iommu_hwpt_alloc nested = {.data_type = TESTCMD_TYPE_HWPT,
					  .data_len = sizeof(data),
					  .data_uptr = (uintptr_t)&data};
	struct iommu_test_cmd cmd;

	g->w = w;
	g->fd = w_open(w, "/dev/iommu");
	g->ioas = w_ioas(w, g->fd);
	assert_int_equal(device(w, g->fd, g->ioas, 0, &cmd), 0);
	g->test = cmd.device.out_test_id;
	g->device = cmd.device.out_device_id;
	parent.dev_id = nested.dev_id = g->device;
	parent.pt_id = g->ioas;
	assert_int_equal(hwpt_alloc(w, g->fd, &parent), 0);
	g->parent = parent.out_hwpt_id;
	assert_int_equal(SWEEP(w, g->fd, g->parent + 1, viommu_alloc(g, NULL, 0)), 0);
	nested.pt_id = g->viommu;
	assert_int_equal(SWEEP(w, g->fd, g->viommu + 1, hwpt_alloc(w, g->fd, &nested)), 0);
	g->nested = nested.out_hwpt_id;
}

static long attach(struct guest *g, uint32_t pt)
{
	struct iommu_test_cmd cmd = {.replace = {.pt_id = pt}};

	return testcmd(g->w, g->fd, TESTCMD_REPLACE, g->test, &cmd);
}

static long cache(struct guest *g, uint32_t index, uint32_t value)
{
	struct iommu_test_cmd cmd = {.check_word = {.index = index, .value = value}};

	return testcmd(g->w, g->fd, TESTCMD_CHECK_CACHE, g->device, &cmd);
}

static long invalidate(struct guest *g, struct testcmd_viommu_invalidate *entry, uint32_t *nr)
{
	struct iommu_hwpt_invalidate cmd = {.size = sizeof(cmd),
					    .hwpt_id = g->viommu,
					    .data_uptr = (uintptr_t)entry,
					    .data_type = TESTCMD_TYPE_INVALIDATE,
					    .entry_len = sizeof(*entry),
					    .entry_num = *nr};
	long rc = w_ioctl(g->w, g->fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*nr = cmd.entry_num;
	return rc;
}

static void test_viommu_caches(void **state)
{
	struct guest g;
	struct testcmd_viommu_invalidate entry[] = {
		{.virt_id = 77, .index = 1}, {.virt_id = 77, .index = 3}, {.virt_id = 78}};
	uint32_t nr = 3;

	guest_setup(&g, *state);
	assert_int_equal(attach(&g, g.nested), -ENOENT);
	assert_int_equal(SWEEP(g.w, g.fd, g.nested + 1, vdevice_alloc(&g, 77)), 0);
	assert_int_equal(attach(&g, g.nested), 0);
	assert_int_equal(cache(&g, 1, TESTCMD_CACHE_INITIAL), 0);
	assert_int_equal(cache(&g, 4, TESTCMD_CACHE_INITIAL), -EINVAL);
	assert_int_equal(invalidate(&g, entry, &nr), -EINVAL);
	assert_int_equal(nr, 2);
	assert_int_equal(cache(&g, 0, TESTCMD_CACHE_INITIAL), 0);
	assert_int_equal(cache(&g, 1, 0), 0);
	assert_int_equal(cache(&g, 3, 0), 0);
	entry[0] = (struct testcmd_viommu_invalidate){.flags = 1, .virt_id = 77};
	nr = 1;
	assert_int_equal(invalidate(&g, entry, &nr), 0);
	assert_int_equal(cache(&g, 0, 0), 0);
	entry[1].flags = 2;
	nr = 2;
	assert_int_equal(invalidate(&g, entry, &nr), -EOPNOTSUPP);
	assert_int_equal(nr, 1);
	entry[1] = (struct testcmd_viommu_invalidate){.virt_id = 77, .index = 4};
	nr = 2;
	assert_int_equal(invalidate(&g, entry, &nr), -EINVAL);
	assert_int_equal(nr, 1);

	/* The device takes its vdevice along, whose id stays taken. */
	assert_int_equal(destroy(g.w, g.fd, g.test), 0);
	assert_int_equal(destroy(g.w, g.fd, g.vdevice), -ENOENT);
	assert_int_equal(destroy(g.w, g.fd, g.nested), 0);
	assert_int_equal(destroy(g.w, g.fd, g.viommu), 0);
}

static void test_viommu_events(void **state)
{
	struct guest g;
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd), .type = TESTCMD_TYPE_VEVENTQ, .veventq_depth = 2};
	struct iommu_test_cmd event = {0};
	struct {
		struct iommufd_vevent_header header;
		struct testcmd_vevent data;
	} got = {0};

	guest_setup(&g, *state);
	event.vevent.device_id = g.device;
	assert_int_equal(testcmd(g.w, g.fd, TESTCMD_VEVENT, 0, &event), -ENOENT);
	assert_int_equal(vdevice_alloc(&g, 99), 0);
	assert_int_equal(testcmd(g.w, g.fd, TESTCMD_VEVENT, 0, &event), -ENOENT);
	assert_int_equal(attach(&g, g.nested), 0);
	assert_int_equal(testcmd(g.w, g.fd, TESTCMD_VEVENT, 0, &event), -EOPNOTSUPP);
	cmd.viommu_id = g.viommu;
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_VEVENTQ_ALLOC, &cmd), 0);
	assert_int_equal(testcmd(g.w, g.fd, TESTCMD_VEVENT, 0, &event), 0);
	assert_int_equal(ioas_file_pread(g.w->file[cmd.out_veventq_fd - 1000], &g.w->caller,
					 (uintptr_t)&got, sizeof(got), 0),
			 sizeof(got));
	assert_int_equal(got.header.sequence, 0);
	assert_int_equal(got.data.virt_id, 99);
	/* A queue has one end to read from. */
	assert_int_equal(testcmd(g.w, g.fd, TESTCMD_VEVENT, 0, &event), 0);
	assert_int_equal(ioas_file_pread(g.w->file[cmd.out_veventq_fd - 1000], &g.w->caller,
					 (uintptr_t)&got, sizeof(got), 1),
			 -ESPIPE);
	/* Less than a header is none; and takes none away. */
	assert_int_equal(ioas_file_pread(w_file(g.w, cmd.out_veventq_fd), &g.w->caller,
					 (uintptr_t)&got, sizeof(got.header) - 1, 0),
			 -EINVAL);
	assert_int_equal(ioas_file_pread(w_file(g.w, cmd.out_veventq_fd), &g.w->caller,
					 (uintptr_t)&got, 0, 0),
			 -EINVAL);
	assert_int_equal(ioas_file_pread(w_file(g.w, cmd.out_veventq_fd), &g.w->caller,
					 (uintptr_t)&got, sizeof(got), 0),
			 sizeof(got));
	assert_int_equal(got.header.sequence, 1);
}

static void test_viommu_memory(void **state)
{
	struct guest g;
	struct testcmd_viommu data = {.in_data = 0x1234};

	guest_setup(&g, *state);
	assert_int_equal(SWEEP(g.w, g.fd, g.nested + 1, viommu_alloc(&g, &data, sizeof(data))), 0);
	assert_int_equal(data.out_data, 0x1234);
	assert_int_equal(data.out_mmap_offset, 4096);
	assert_int_equal(data.out_mmap_length, 8192);
	assert_int_equal(viommu_alloc(&g, &data, 7), -EINVAL);
	assert_int_equal(viommu_alloc(&g, &data, 25), -EINVAL);
	/* What is asked for fits, but not the answer. */
	assert_int_equal(viommu_alloc(&g, &data, 8), -EINVAL);
}

static long hw_queue(struct guest *g, uint32_t index, uint64_t iova, uint32_t *id)
{
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .viommu_id = g->viommu,
					   .type = TESTCMD_TYPE_HW_QUEUE,
					   .index = index,
					   .nesting_parent_iova = iova,
					   .length = PAGE};
	long rc = w_ioctl(g->w, g->fd, IOMMU_HW_QUEUE_ALLOC, &cmd);

	*id = cmd.out_hw_queue_id;
	return rc;
}

static void test_viommu_queues(void **state)
{
	struct guest g;
	uint64_t iova = IOVA;
	uint32_t id[2], none;
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .iova = IOVA, .length = 2 * PAGE};
	struct iommu_hw_queue_alloc one = {.size = sizeof(one),
					   .type = TESTCMD_TYPE_HW_QUEUE,
					   .nesting_parent_iova = IOVA,
					   .length = 1};

	guest_setup(&g, *state);
	assert_int_equal(w_map(g.w, g.fd, g.ioas, FIXED, g.w->page, 2 * PAGE, &iova), 0);
	assert_int_equal(hw_queue(&g, 2, IOVA, &none), -EINVAL);
	assert_int_equal(hw_queue(&g, 2, IOVA - PAGE, &none), -ENOENT);
	assert_int_equal(hw_queue(&g, 1, IOVA, &none), -EIO);
	assert_int_equal(SWEEP(g.w, g.fd, g.nested + 1, hw_queue(&g, 0, IOVA, &id[0])), 0);
	assert_int_equal(hw_queue(&g, 0, IOVA, &none), -EEXIST);
	assert_int_equal(hw_queue(&g, 1, IOVA + PAGE, &id[1]), 0);
	assert_int_equal(destroy(g.w, g.fd, id[0]), -EBUSY);
	unmap.ioas_id = g.ioas;
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_IOAS_UNMAP, &unmap), -EBUSY);
	assert_int_equal(destroy(g.w, g.fd, id[1]), 0);
	assert_int_equal(destroy(g.w, g.fd, id[0]), 0);
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_IOAS_UNMAP, &unmap), 0);

	/* One byte is a range, even the last of all. */
	assert_int_equal(w_map(g.w, g.fd, g.ioas, FIXED, g.w->page, 2 * PAGE, &iova), 0);
	one.viommu_id = g.viommu;
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_HW_QUEUE_ALLOC, &one), 0);
	assert_int_equal(destroy(g.w, g.fd, one.out_hw_queue_id), 0);
	one.nesting_parent_iova = UINT64_MAX;
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_HW_QUEUE_ALLOC, &one), -ENOENT);
	one.length = 2;
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_HW_QUEUE_ALLOC, &one), -EOVERFLOW);
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_IOAS_UNMAP, &unmap), 0);

	/* Both end with the file, in whatever order. */
	assert_int_equal(w_map(g.w, g.fd, g.ioas, FIXED, g.w->page, 2 * PAGE, &iova), 0);
	assert_int_equal(hw_queue(&g, 0, IOVA, &id[0]), 0);
	assert_int_equal(hw_queue(&g, 1, IOVA + PAGE, &id[1]), 0);
	w_close(g.w, g.fd);
}

/* Ids that nothing has, flags, types and depths: each has its errno, and its reason. */
static void test_viommu_refusals(void **state)
{
	struct guest g;
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu), .type = TESTCMD_TYPE_VIOMMU};
	struct iommu_vdevice_alloc vdevice = {.size = sizeof(vdevice)};
	struct iommu_veventq_alloc events = {
		.size = sizeof(events), .type = TESTCMD_TYPE_VEVENTQ, .veventq_depth = 1};
	struct iommu_hw_queue_alloc queue = {
		.size = sizeof(queue), .type = TESTCMD_TYPE_HW_QUEUE, .length = PAGE};
	const struct {
		uint32_t *field, wrong;
		unsigned long cmd;
		void *arg;
		long rc;
	} cases[] = {
		{&viommu.dev_id, 4711, IOMMU_VIOMMU_ALLOC, &viommu, -ENOENT},
		{&viommu.hwpt_id, 4711, IOMMU_VIOMMU_ALLOC, &viommu, -ENOENT},
		{&viommu.flags, 1, IOMMU_VIOMMU_ALLOC, &viommu, -EOPNOTSUPP},
		{&viommu.type, 0, IOMMU_VIOMMU_ALLOC, &viommu, -EOPNOTSUPP},
		{&viommu.type, 0x7777, IOMMU_VIOMMU_ALLOC, &viommu, -EOPNOTSUPP},
		{&vdevice.viommu_id, 4711, IOMMU_VDEVICE_ALLOC, &vdevice, -ENOENT},
		{&vdevice.dev_id, 4711, IOMMU_VDEVICE_ALLOC, &vdevice, -ENOENT},
		{&events.viommu_id, 4711, IOMMU_VEVENTQ_ALLOC, &events, -ENOENT},
		{&events.flags, 1, IOMMU_VEVENTQ_ALLOC, &events, -EOPNOTSUPP},
		{&events.__reserved, 1, IOMMU_VEVENTQ_ALLOC, &events, -EOPNOTSUPP},
		{&events.type, 0, IOMMU_VEVENTQ_ALLOC, &events, -EOPNOTSUPP},
		{&events.veventq_depth, 0, IOMMU_VEVENTQ_ALLOC, &events, -EINVAL},
		{&events.veventq_depth, (1u << 19) + 1, IOMMU_VEVENTQ_ALLOC, &events, -EINVAL},
		{&queue.viommu_id, 4711, IOMMU_HW_QUEUE_ALLOC, &queue, -ENOENT},
		{&queue.flags, 1, IOMMU_HW_QUEUE_ALLOC, &queue, -EOPNOTSUPP},
		{&queue.type, 0, IOMMU_HW_QUEUE_ALLOC, &queue, -EOPNOTSUPP},
	};

	guest_setup(&g, *state);
	viommu.dev_id = vdevice.dev_id = g.device;
	viommu.hwpt_id = g.parent;
	vdevice.viommu_id = events.viommu_id = queue.viommu_id = g.viommu;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t right = *cases[i].field;

		*cases[i].field = cases[i].wrong;
		assert_int_equal(w_ioctl(g.w, g.fd, cases[i].cmd, cases[i].arg), cases[i].rc);
		if (cases[i].rc == -ENOENT)
			assert_non_null(strstr(g.w->why.text, "4711"));
		*cases[i].field = right;
	}
	queue.length = 0;
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_HW_QUEUE_ALLOC, &queue), -EINVAL);
	/* As they were they do; and a queue may be as deep as that. */
	events.veventq_depth = 1u << 19;
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_VEVENTQ_ALLOC, &events), 0);
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_VDEVICE_ALLOC, &vdevice), 0);
	assert_int_equal(w_ioctl(g.w, g.fd, IOMMU_VIOMMU_ALLOC, &viommu), 0);
}

/* What the caller cannot be told of, or has no descriptor for, is not there. */
static void test_viommu_answers(void **state)
{
	struct guest g;
	struct world *w = *state;
	struct iommu_viommu_alloc *viommu = (void *)w->page;
	struct iommu_veventq_alloc events = {
		.size = sizeof(events), .type = TESTCMD_TYPE_VEVENTQ, .veventq_depth = 1};
	struct ioas_file *file;
	int last = 0;

	guest_setup(&g, w);
	*viommu = (struct iommu_viommu_alloc){.size = sizeof(*viommu),
					      .type = TESTCMD_TYPE_VIOMMU,
					      .dev_id = g.device,
					      .hwpt_id = g.parent};
	assert_int_equal(mprotect(w->page, PAGE, PROT_READ), 0);
	assert_int_equal(w_ioctl(w, g.fd, IOMMU_VIOMMU_ALLOC, viommu), -EFAULT);
	assert_next_id(w, g.fd, g.nested + 1);
	assert_int_equal(mprotect(w->page, PAGE, PROT_READ | PROT_WRITE), 0);

	events.viommu_id = g.viommu;
	assert_int_equal(
		SWEEP(w, g.fd, g.nested + 1, w_ioctl(w, g.fd, IOMMU_VEVENTQ_ALLOC, &events)), 0);
	file = w->file[events.out_veventq_fd - 1000];
	assert_string_equal(file->node.path, "anon_inode:[iommufd-viommu-event]");
	/* The file is a user of the queue. */
	assert_int_equal(destroy(w, g.fd, events.out_veventq_id), -EBUSY);
	w_close(w, (int)events.out_veventq_fd);
	assert_int_equal(destroy(w, g.fd, events.out_veventq_id), 0);

	for (int next = w_open(w, "/dev/iommu"); next > 0; next = w_open(w, "/dev/iommu"))
		last = next;
	assert_int_equal(w_ioctl(w, g.fd, IOMMU_VEVENTQ_ALLOC, &events), -EMFILE);
	assert_next_id(w, g.fd, g.nested + 1);
	w_close(w, last);
	assert_int_equal(w_ioctl(w, g.fd, IOMMU_VEVENTQ_ALLOC, &events), 0);
	assert_int_equal(events.out_veventq_id, g.nested + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_viommu_caches, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_viommu_events, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_viommu_memory, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_viommu_refusals, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_viommu_answers, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_viommu_queues, world_setup_selftest,
						world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
