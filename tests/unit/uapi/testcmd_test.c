/* SPDX-License-Identifier: MIT */
/*
 * IOMMU_TEST_CMD's devices: their whole life once for each point at which something can fail, what
 * a nested page table's IOTLB and a device's PASIDs hold, and the one PASID that fails on purpose.
 */
#include <string.h>
#include <sys/mman.h>
#include <ioas/uapi/iommufd_test.h>
#include "util/inject.h"
#include "world.h"

#define IOVA  ((uint64_t)TESTCMD_APERTURE_FIRST)
#define FIXED (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_FIXED_IOVA)

static long testcmd(struct world *w, int fd, uint32_t op, uint32_t id, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return w_ioctl(w, fd, IOMMU_TEST_CMD, cmd);
}

static long device(struct world *w, int fd, uint32_t pt, uint32_t flags, struct iommu_test_cmd *cmd)
{
	*cmd = (struct iommu_test_cmd){.device = {.flags = flags}};
	return testcmd(w, fd, TESTCMD_DEVICE_FLAGS, pt, cmd);
}

static long destroy(struct world *w, int fd, uint32_t id)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = id};

	return w_ioctl(w, fd, IOMMU_DESTROY, &cmd);
}

static long hwpt_alloc(struct world *w, int fd, struct iommu_hwpt_alloc *cmd)
{
	cmd->size = sizeof(*cmd);
	return w_ioctl(w, fd, IOMMU_HWPT_ALLOC, cmd);
}

static long pasid(struct world *w, int fd, uint32_t op, uint32_t test, uint32_t nr, uint32_t pt)
{
	struct iommu_test_cmd cmd = {.pasid = {.pasid = nr, .pt_id = pt}};

	return testcmd(w, fd, op, test, &cmd);
}

static long iotlb(struct world *w, int fd, uint32_t hwpt, uint32_t index, uint32_t value)
{
	struct iommu_test_cmd cmd = {.check_word = {.index = index, .value = value}};

	return testcmd(w, fd, TESTCMD_CHECK_IOTLB, hwpt, &cmd);
}

/* The next id says whether anything was left behind. */
static void assert_next_id(struct world *w, int fd, uint32_t id)
{
	assert_int_equal(w_ioas(w, fd), id);
	assert_int_equal(destroy(w, fd, id), 0);
}

/* Makes `call` fail at its first, second, ... point until it does not; says how it ended. */
#define SWEEP(w, fd, next, call)                                                          \
	({                                                                                \
		long rc_;                                                                 \
		for (unsigned nth_ = 1;; nth_++) {                                        \
			unsigned left_;                                                   \
			inject_arm(nth_);                                                 \
			rc_ = (call);                                                     \
			left_ = inject_remaining();                                       \
			inject_arm(0);                                                    \
			if (left_ || !rc_)                                                \
				break;                                                    \
			assert_true(rc_ == -ENOMEM || rc_ == -ENOENT || rc_ == -EFAULT || \
				    rc_ == -EINVAL);                                      \
			if (next)                                                         \
				assert_next_id(w, fd, next);                              \
		}                                                                         \
		rc_;                                                                      \
	})

static void test_fails_anywhere(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd), other = w_ioas(w, fd);
	struct iommu_hwpt_alloc parent = {.flags = IOMMU_HWPT_ALLOC_NEST_PARENT};
	struct testcmd_hwpt data = {.iotlb = 7};
	struct iommu_hwpt_alloc nested = {.data_type = TESTCMD_TYPE_HWPT,
					  .data_len = sizeof(data),
					  .data_uptr = (uintptr_t)&data};
	struct iommu_test_cmd cmd, move = {.replace = {.pt_id = other}};
	uint64_t iova = IOVA;

	assert_int_equal(w_map(w, fd, ioas, FIXED, w->page, 4 * PAGE, &iova), 0);
	assert_int_equal(w_map(w, fd, other, FIXED, w->page, 4 * PAGE, &iova), 0);
	assert_int_equal(SWEEP(w, fd, 3, device(w, fd, ioas, 0, &cmd)), 0);
	parent.dev_id = nested.dev_id = cmd.device.out_device_id;
	parent.pt_id = ioas;
	assert_int_equal(SWEEP(w, fd, 6, hwpt_alloc(w, fd, &parent)), 0);
	nested.pt_id = parent.out_hwpt_id;
	assert_int_equal(SWEEP(w, fd, 7, hwpt_alloc(w, fd, &nested)), 0);
	assert_int_equal(iotlb(w, fd, nested.out_hwpt_id, 3, 7), 0);
	assert_int_equal(
		SWEEP(w, fd, 8, testcmd(w, fd, TESTCMD_REPLACE, cmd.device.out_test_id, &move)), 0);
	assert_int_equal(destroy(w, fd, nested.out_hwpt_id), 0);
	assert_int_equal(destroy(w, fd, parent.out_hwpt_id), 0);
	assert_int_equal(destroy(w, fd, cmd.device.out_test_id), 0);
	assert_int_equal(destroy(w, fd, ioas), 0);
	assert_int_equal(destroy(w, fd, other), 0);
	assert_next_id(w, fd, 1);
}

/* Devices end with their file, whatever they are attached to. */
static void test_closed_as_it_is(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd);
	struct iommu_hwpt_alloc paging = {.flags = IOMMU_HWPT_ALLOC_PASID, .pt_id = ioas};
	struct iommu_test_cmd a, b;

	assert_int_equal(device(w, fd, ioas, TESTCMD_DEVICE_PASID, &a), 0);
	assert_int_equal(device(w, fd, ioas, 0, &b), 0);
	paging.dev_id = a.device.out_device_id;
	assert_int_equal(hwpt_alloc(w, fd, &paging), 0);
	b.replace.pt_id = paging.out_hwpt_id;
	assert_int_equal(testcmd(w, fd, TESTCMD_REPLACE, a.device.out_test_id, &b), 0);
	assert_int_equal(
		pasid(w, fd, TESTCMD_PASID_ATTACH, a.device.out_test_id, 5, paging.out_hwpt_id), 0);
	w_close(w, fd);
}

static void test_pasids(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd), test, pt[2];
	struct iommu_test_cmd cmd;

	assert_int_equal(device(w, fd, ioas, TESTCMD_DEVICE_PASID, &cmd), 0);
	test = cmd.device.out_test_id;
	for (unsigned i = 0; i < 2; i++) {
		struct iommu_hwpt_alloc paging = {.flags = IOMMU_HWPT_ALLOC_PASID,
						  .pt_id = ioas,
						  .dev_id = cmd.device.out_device_id};

		assert_int_equal(hwpt_alloc(w, fd, &paging), 0);
		pt[i] = paging.out_hwpt_id;
	}
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_ATTACH, test, 5, pt[0]), -EINVAL);
	cmd.replace.pt_id = pt[0];
	assert_int_equal(testcmd(w, fd, TESTCMD_REPLACE, test, &cmd), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, 0), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_REPLACE, test, 5, pt[0]), -EINVAL);
	assert_int_equal(SWEEP(w, fd, 0, pasid(w, fd, TESTCMD_PASID_ATTACH, test, 5, pt[0])), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_ATTACH, test, 5, pt[0]), -EBUSY);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, pt[0]), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, pt[1]), -EINVAL);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, 0), -EINVAL);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, 5, 99), -ENOENT);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_DETACH, test, 5, 0), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_DETACH, test, 5, 0), 0);

	/* The one that fails the second time, and only then. */
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_ATTACH, test, TESTCMD_PASID_FAULTY, pt[0]), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_REPLACE, test, TESTCMD_PASID_FAULTY, pt[1]),
			 -ENOMEM);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_CHECK, test, TESTCMD_PASID_FAULTY, pt[0]), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_REPLACE, test, TESTCMD_PASID_FAULTY, pt[1]), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_DETACH, test, TESTCMD_PASID_FAULTY, 0), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_ATTACH, test, TESTCMD_PASID_FAULTY, pt[0]), 0);
	assert_int_equal(pasid(w, fd, TESTCMD_PASID_DETACH, test, TESTCMD_PASID_FAULTY, 0), 0);
}

/* The page tables that flags and data choose. */
static void test_page_tables(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu");
	uint32_t ioas = w_ioas(w, fd);
	struct testcmd_hwpt data = {.pt_type = TESTCMD_PT_HUGE};
	struct iommu_hwpt_alloc huge = {.pt_id = ioas,
					.data_type = TESTCMD_TYPE_HWPT,
					.data_len = sizeof(data),
					.data_uptr = (uintptr_t)&data};
	struct iommu_hwpt_alloc dirty = {.pt_id = ioas, .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING};
	struct iommu_test_cmd plain, lame;

	assert_int_equal(device(w, fd, ioas, 1u << 5, &lame), -EINVAL);
	assert_int_equal(device(w, fd, ioas, TESTCMD_DEVICE_NO_DIRTY, &lame), 0);
	assert_int_equal(device(w, fd, ioas, 0, &plain), 0);
	huge.dev_id = plain.device.out_device_id;
	assert_int_equal(hwpt_alloc(w, fd, &huge), 0);
	data.pt_type = 2;
	assert_int_equal(hwpt_alloc(w, fd, &huge), -EOPNOTSUPP);
	huge.data_type++;
	assert_int_equal(hwpt_alloc(w, fd, &huge), -EOPNOTSUPP);

	dirty.dev_id = lame.device.out_device_id;
	assert_int_equal(hwpt_alloc(w, fd, &dirty), -EOPNOTSUPP);
	dirty.dev_id = plain.device.out_device_id;
	assert_int_equal(hwpt_alloc(w, fd, &dirty), 0);
	plain.replace.pt_id = dirty.out_hwpt_id;
	assert_int_equal(testcmd(w, fd, TESTCMD_REPLACE, lame.device.out_test_id, &plain), -EINVAL);
}

static void test_dmabufs(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), buf;
	struct iommu_test_cmd cmd = {.dmabuf = {.length = PAGE + 1}};
	struct iommu_ioas_map_file map = {.size = sizeof(map),
					  .flags = FIXED,
					  .ioas_id = w_ioas(w, fd),
					  .length = 2 * PAGE,
					  .iova = IOVA};

	buf = (int)testcmd(w, fd, TESTCMD_DMABUF, 0, &cmd);
	assert_true(buf >= 0);
	cmd.dmabuf.length = 0;
	assert_int_equal(testcmd(w, fd, TESTCMD_DMABUF, 0, &cmd), -EINVAL);
	cmd.dmabuf.length = 512 * PAGE + 1;
	assert_int_equal(testcmd(w, fd, TESTCMD_DMABUF, 0, &cmd), -EINVAL);
	map.fd = buf;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_MAP_FILE, &map), 0);
	cmd.dmabuf_revoke.fd = buf;
	cmd.dmabuf_revoke.revoked = 1;
	assert_int_equal(testcmd(w, fd, TESTCMD_DMABUF_REVOKE, 0, &cmd), 0);
	map.iova += 2 * PAGE;
	assert_int_equal(w_ioctl(w, fd, IOMMU_IOAS_MAP_FILE, &map), -ENODEV);
	cmd.dmabuf_revoke.fd = fd;
	assert_int_equal(testcmd(w, fd, TESTCMD_DMABUF_REVOKE, 0, &cmd), -EINVAL);
	cmd.dmabuf_revoke.fd = -1;
	assert_int_equal(testcmd(w, fd, TESTCMD_DMABUF_REVOKE, 0, &cmd), -EBADF);
}

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

	/* Both end with the file, in whatever order. */
	assert_int_equal(w_map(g.w, g.fd, g.ioas, FIXED, g.w->page, 2 * PAGE, &iova), 0);
	assert_int_equal(hw_queue(&g, 0, IOVA, &id[0]), 0);
	assert_int_equal(hw_queue(&g, 1, IOVA + PAGE, &id[1]), 0);
	w_close(g.w, g.fd);
}

static long access_new(struct world *w, int fd, uint32_t ioas, struct iommu_test_cmd *cmd)
{
	*cmd = (struct iommu_test_cmd){.access = {.flags = TESTCMD_ACCESS_NEEDS_PIN}};
	return testcmd(w, fd, TESTCMD_ACCESS, ioas, cmd);
}

static long access_pin(struct world *w, int fd, int access, struct iommu_test_cmd *cmd)
{
	*cmd = (struct iommu_test_cmd){.access_pin = {.flags = TESTCMD_ACCESS_WRITE,
						      .iova = IOVA,
						      .length = 3 * PAGE,
						      .uptr = (uintptr_t)w->page}};
	return testcmd(w, fd, TESTCMD_ACCESS_PIN, (uint32_t)access, cmd);
}

static long access_rw(struct world *w, int fd, int access, uint32_t flags, uint64_t iova,
		      uint64_t len, void *buf)
{
	struct iommu_test_cmd cmd = {
		.access_rw = {.iova = iova, .length = len, .uptr = (uintptr_t)buf, .flags = flags}};

	return testcmd(w, fd, TESTCMD_ACCESS_RW, (uint32_t)access, &cmd);
}

static long pins(struct world *w, int fd, void *va, uint32_t nr)
{
	struct iommu_test_cmd cmd = {
		.check_pins = {.length = PAGE, .uptr = (uintptr_t)va, .pins = nr}};

	return testcmd(w, fd, TESTCMD_CHECK_PINS, 0, &cmd);
}

static void test_accesses(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), access;
	uint32_t ioas = w_ioas(w, fd), other = w_ioas(w, fd);
	struct iommu_test_cmd cmd, move = {.access_replace = {.ioas_id = other}};
	uint64_t iova = IOVA;
	char word[8] = "written";

	/* Two areas, so that the second one can fail after the first one is pinned. */
	assert_int_equal(w_map(w, fd, ioas, FIXED, w->page, 2 * PAGE, &iova), 0);
	iova += 2 * PAGE;
	assert_int_equal(w_map(w, fd, ioas, FIXED, w->page + 2 * PAGE, PAGE, &iova), 0);
	assert_int_equal(SWEEP(w, fd, 3, access_new(w, fd, ioas, &cmd)), 0);
	access = cmd.access.out_fd;
	assert_int_equal(destroy(w, fd, 3), -EBUSY);
	assert_int_equal(destroy(w, fd, ioas), -EBUSY);

	assert_int_equal(SWEEP(w, fd, 4, access_pin(w, fd, access, &cmd)), 0);
	assert_int_equal(cmd.access_pin.out_item, 0);
	assert_int_equal(pins(w, fd, w->page + 2 * PAGE, 1), 0);
	assert_int_equal(
		SWEEP(w, fd, 4,
		      access_rw(w, fd, access, TESTCMD_ACCESS_WRITE, IOVA + 4092, 8, word)),
		0);
	assert_string_equal(w->page + 4092, "written");

	/* Mapping 1, byte 4092 of mapping 0, and one that there is not. */
	assert_int_equal(access_rw(w, fd, access, TESTCMD_ACCESS_FUZZED, 1, 8, word), 0);
	assert_string_equal(word, "");
	assert_int_equal(access_rw(w, fd, access, TESTCMD_ACCESS_FUZZED, 4092ull << 32, 8, word),
			 0);
	assert_string_equal(word, "written");
	assert_int_equal(access_rw(w, fd, access, TESTCMD_ACCESS_FUZZED, 2, 8, word), -ENOENT);

	assert_int_equal(
		SWEEP(w, fd, 4, testcmd(w, fd, TESTCMD_ACCESS_REPLACE, (uint32_t)access, &move)),
		0);
	assert_int_equal(pins(w, fd, w->page, 0), 0);
	assert_int_equal(destroy(w, fd, ioas), 0);
	assert_int_equal(destroy(w, fd, other), -EBUSY);
	iova = IOVA;
	assert_int_equal(w_map(w, fd, other, FIXED, w->page, 3 * PAGE, &iova), 0);
	assert_int_equal(access_pin(w, fd, access, &cmd), 0);
	assert_int_equal(cmd.access_pin.out_item, 1);

	/* The access outlives the iommufd, and ends with what it has pinned. */
	w_close(w, fd);
	w_close(w, access);
	fd = w_open(w, "/dev/iommu");
	assert_int_equal(pins(w, fd, w->page, 0), 0);
}

static void test_absent(void **state)
{
	struct world *w = *state;
	struct iommu_test_cmd cmd = {0};
	int fd = w_open(w, "/dev/iommu");

	assert_int_equal(testcmd(w, fd, TESTCMD_BATCH_LIMIT, 0, &cmd), -ENOTTY);
	assert_int_equal(w_ioctl(w, fd, IOMMU_TEST_CMD, w_wild(w)), -ENOTTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fails_anywhere, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_closed_as_it_is, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_pasids, world_setup_selftest, world_teardown),
		cmocka_unit_test_setup_teardown(test_page_tables, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_dmabufs, world_setup_selftest, world_teardown),
		cmocka_unit_test_setup_teardown(test_viommu_caches, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_viommu_events, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_viommu_memory, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_viommu_queues, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_accesses, world_setup_selftest,
						world_teardown),
		cmocka_unit_test_setup_teardown(test_absent, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
