/* SPDX-License-Identifier: MIT */
/*
 * Many threads on one context: ids come and go, spaces are mapped while they are destroyed, a
 * device moves between them and does DMA all the time. Nothing may crash, deadlock or leak, and the
 * end must be orderly. Meant for ThreadSanitizer and AddressSanitizer.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <ioas/device.h>
#include "world.h"

#define RW     (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define ROUNDS 300

struct shared {
	struct world *w;
	struct ioas_file *iommufd, *cdev;
	_Atomic bool done;
};

/* Thread-safe: keeps no reason. */
static long call(struct shared *s, struct ioas_file *file, unsigned long cmd, void *arg)
{
	return ioas_file_ioctl(file, &s->w->caller, cmd, (uintptr_t)arg, NULL);
}

static void map_some(struct shared *s, uint32_t ioas, unsigned seed)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = RW | IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.user_va = (uintptr_t)s->w->page,
		.length = PAGE,
		.iova = (seed % 8 + 1) * PAGE,
	};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = map.iova, .length = PAGE};

	call(s, s->iommufd, IOMMU_IOAS_MAP, &map);
	if (seed & 8)
		call(s, s->iommufd, IOMMU_IOAS_UNMAP, &unmap);
}

static void *make_and_destroy(void *arg)
{
	struct shared *s = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
		struct iommu_destroy destroy = {.size = sizeof(destroy)};

		call(s, s->iommufd, IOMMU_IOAS_ALLOC, &alloc);
		map_some(s, i % 8 + 1, i);
		destroy.id = i % 8 + 1;
		call(s, s->iommufd, IOMMU_DESTROY, &destroy);
		destroy.id = alloc.out_ioas_id;
		call(s, s->iommufd, IOMMU_DESTROY, &destroy);
	}
	return NULL;
}

static void *move(void *arg)
{
	struct shared *s = arg;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct vfio_device_attach_iommufd_pt attach = {.argsz = 12, .pt_id = i % 8 + 1};
		struct vfio_device_detach_iommufd_pt detach = {.argsz = 8};
		struct iommu_hwpt_alloc alloc = {
			.size = sizeof(alloc), .dev_id = 1, .pt_id = i % 8 + 1};

		call(s, s->cdev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
		call(s, s->iommufd, IOMMU_HWPT_ALLOC, &alloc);
		map_some(s, i % 8 + 1, i + 8);
		if (i % 5 == 0)
			call(s, s->cdev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
	}
	return NULL;
}

static void *fire(void *arg)
{
	struct shared *s = arg;
	struct ioas_issuer *issuer;
	uint64_t value = 0;

	if (ioas_issuer_new(ioas_pci_device(s->w->dev[0].pci), &issuer))
		return NULL;
	while (!s->done)
		for (uint64_t i = 1; i <= 8; i++)
			ioas_dma_read(issuer, i * PAGE, &value, sizeof(value));
	ioas_issuer_destroy(issuer);
	return NULL;
}

static void threads_on_one_context_end_in_order(void **state)
{
	struct world *w = *state;
	int fd = w_open(w, "/dev/iommu"), cdev = w_open_cdev(w, 0);
	struct shared s = {.w = w, .iommufd = w->file[fd - 1000], .cdev = w->file[cdev - 1000]};
	uint16_t command = 6;
	pthread_t maker[2], mover, firer;

	assert_int_equal(w_bind(w, cdev, fd), 1);
	assert_int_equal(
		ioas_file_pwrite(s.cdev, &w->caller, (uintptr_t)&command, 2, (7ull << 40) + 4), 2);
	pthread_create(&firer, NULL, fire, &s);
	pthread_create(&mover, NULL, move, &s);
	for (int i = 0; i < 2; i++)
		pthread_create(&maker[i], NULL, make_and_destroy, &s);
	for (int i = 0; i < 2; i++)
		pthread_join(maker[i], NULL);
	pthread_join(mover, NULL);
	s.done = true;
	pthread_join(firer, NULL);
	w_close(w, fd);
	w_close(w, cdev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(threads_on_one_context_end_in_order, world_setup,
						world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
