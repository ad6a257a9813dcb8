/* SPDX-License-Identifier: MIT */
/*
 * Description: MAP_FILE and CHANGE_PROCESS by ioctl, dma-bufs by descriptor, and which rule a
 * context or a container charges by.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "uapi/dmabuf_file.h"
#include "world.h"

#define FIXED IOMMU_IOAS_MAP_FIXED_IOVA
#define RW    (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

static long map_file(struct world *w, int iommufd, uint32_t ioas, int fd, uint64_t start,
		     uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = FIXED | RW,
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = len,
		.iova = iova,
	};

	return w_ioctl(w, iommufd, IOMMU_IOAS_MAP_FILE, &cmd);
}

static long change_process(struct world *w, int iommufd)
{
	struct iommu_ioas_change_process cmd = {.size = sizeof(cmd)};

	return w_ioctl(w, iommufd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

static void set_mode(struct world *w, int iommufd, uint64_t mode)
{
	struct iommu_option cmd = {.size = sizeof(cmd),
				   .option_id = IOMMU_OPTION_RLIMIT_MODE,
				   .op = IOMMU_OPTION_OP_SET,
				   .val64 = mode};

	assert_int_equal(w_ioctl(w, iommufd, IOMMU_OPTION, &cmd), 0);
}

/* dev[i] at a new IOAS of a new context. */
static uint32_t attached(struct world *w, int iommufd, unsigned i)
{
	int cdev = w_open_cdev(w, i);
	uint32_t ioas = w_ioas(w, iommufd), pt_id = ioas;

	w_bind(w, cdev, iommufd);
	assert_int_equal(w_attach(w, cdev, &pt_id), 0);
	return ioas;
}

static void expect(struct world *w, uint64_t pinned, uint64_t locked)
{
	uint64_t got[2];

	ioas_account_read(w->iommu, getpid(), &got[0], &got[1]);
	assert_int_equal(got[0], pinned * PAGE);
	assert_int_equal(got[1], locked * PAGE);
}

static int memfd(uint64_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static void files_are_found_by_descriptor(void **state)
{
	struct world *w = *state;
	int iommufd = w_open(w, "/dev/iommu"), fd = memfd(4 * PAGE);
	uint32_t ioas = attached(w, iommufd, 0);

	assert_int_equal(map_file(w, iommufd, 99, fd, 0, PAGE, 0x10000), -ENOENT);
	assert_int_equal(map_file(w, iommufd, ioas, -1, 0, 0, 0x10000), -EINVAL);
	assert_int_equal(map_file(w, iommufd, ioas, -1, -PAGE, 2 * PAGE, 0x10000), -EOVERFLOW);
	assert_int_equal(map_file(w, iommufd, ioas, -1, 0, PAGE, 0x10000), -EBADF);
	assert_int_equal(map_file(w, iommufd, ioas, 999, 0, PAGE, 0x10000), -EBADF);
	assert_int_equal(map_file(w, iommufd, ioas, iommufd, 0, PAGE, 0x10000), -EINVAL);
	assert_int_equal(map_file(w, iommufd, ioas, fd, 0, 5 * PAGE, 0x10000), -EINVAL);
	assert_int_equal(map_file(w, iommufd, ioas, fd, 0, 4 * PAGE, 0x10000), 0);
	close(fd);
	expect(w, 4, 0);
	assert_int_equal(change_process(w, iommufd), 0);
	expect(w, 4, 0);
	w_map(w, iommufd, ioas, FIXED | RW, w->page, PAGE, &(uint64_t){0x90000});
	assert_int_equal(change_process(w, iommufd), -EINVAL);
}

static int dmabuf(struct world *w, uint64_t len)
{
	struct ioas_file *file;
	int fd;

	assert_int_equal(uapi_dmabuf_new(w->iommu, &w->caller, len, &file), 0);
	fd = w->caller.ops->file_install(&w->caller, file);
	assert_true(fd >= 0);
	return fd;
}

static void dmabufs_are_found_by_descriptor(void **state)
{
	struct world *w = *state;
	int iommufd = w_open(w, "/dev/iommu"), fd = dmabuf(w, 2 * PAGE), mem = memfd(PAGE);
	uint32_t ioas = attached(w, iommufd, 0), bare = w_ioas(w, iommufd);

	assert_int_equal(map_file(w, iommufd, ioas, fd, PAGE, 2 * PAGE, 0x10000), -EINVAL);
	assert_int_equal(map_file(w, iommufd, bare, fd, PAGE, 2 * PAGE, 0x10000), -EINVAL);
	assert_int_equal(map_file(w, iommufd, ioas, fd, 0, 2 * PAGE, 0x10000), 0);
	expect(w, 0, 0);
	assert_int_equal(change_process(w, iommufd), -EINVAL);
	assert_int_equal(uapi_dmabuf_revoke(w->iommu, &w->caller, -1, true, NULL), -EBADF);
	assert_int_equal(uapi_dmabuf_revoke(w->iommu, &w->caller, mem, true, NULL), -EINVAL);
	assert_int_equal(uapi_dmabuf_revoke(w->iommu, &w->caller, iommufd, true, NULL), -EINVAL);
	assert_int_equal(uapi_dmabuf_revoke(w->iommu, &w->caller, fd, true, NULL), 0);
	assert_int_equal(map_file(w, iommufd, ioas, fd, 0, PAGE, 0x50000), -ENODEV);
	assert_int_equal(map_file(w, iommufd, bare, fd, 0, PAGE, 0x50000), -ENODEV);
	assert_int_equal(map_file(w, iommufd, ioas, fd, 0, 3 * PAGE, 0x50000), -EINVAL);
	assert_int_equal(uapi_dmabuf_revoke(w->iommu, &w->caller, fd, false, NULL), 0);
	assert_int_equal(map_file(w, iommufd, ioas, fd, 0, PAGE, 0x50000), 0);
	assert_int_equal(w_ioctl(w, fd, IOMMU_DESTROY, w->page), -ENOTTY);
	assert_int_equal(ioas_file_mmap(w_file(w, fd), 0, PAGE, PROT_READ, MAP_SHARED,
					&(struct ioas_mapping){0}, &w->why),
			 -EINVAL);
	assert_non_null(strstr(w->why.text, "exporter"));
	/* Mapped, it outlives its descriptor. */
	w_close(w, fd);
	close(mem);
}

static void a_context_charges_by_its_mode(void **state)
{
	struct world *w = *state;
	int by_user = w_open(w, "/dev/iommu"), by_process = w_open(w, "/dev/iommu");
	struct rlimit old, limit;
	uint32_t user, process;
	uint64_t iova = 0x10000;

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &old), 0);
	limit = (struct rlimit){4 * PAGE, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	set_mode(w, by_process, 1);
	user = attached(w, by_user, 0);
	process = attached(w, by_process, 1);
	w_map(w, by_user, user, FIXED | RW, w->page, 5 * PAGE, &iova);
	expect(w, 5, 0);
	w->privileged = false;
	iova = 0x20000;
	assert_int_equal(w_map(w, by_user, user, FIXED | RW, w->page, 5 * PAGE, &iova), -ENOMEM);
	assert_non_null(strstr(w->why.text, "16 KiB"));
	assert_int_equal(w_map(w, by_user, user, FIXED | RW, w->page, 4 * PAGE, &iova), 0);
	assert_int_equal(w_map(w, by_process, process, FIXED | RW, w->page, 5 * PAGE, &iova),
			 -ENOMEM);
	assert_int_equal(w_map(w, by_process, process, FIXED | RW, w->page, 3 * PAGE, &iova), 0);
	expect(w, 12, 3);
	w_close(w, by_user);
	setrlimit(RLIMIT_MEMLOCK, &old);
}

static void a_container_charges_as_vfio_does(void **state)
{
	struct world *w = *state;
	int container = w_open(w, "/dev/vfio/vfio"), group = w_open_group(w, 1);
	struct rlimit old, limit;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.vaddr = (uintptr_t)w->page,
		.iova = 0x10000,
		.size = 5 * PAGE,
	};

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &old), 0);
	limit = (struct rlimit){4 * PAGE, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	assert_int_equal(w_ioctl(w, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(w_ioctl(w, container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU), 0);
	w->privileged = false;
	assert_int_equal(w_ioctl(w, container, VFIO_IOMMU_MAP_DMA, &map), -ENOMEM);
	expect(w, 0, 0);
	w->privileged = true;
	assert_int_equal(w_ioctl(w, container, VFIO_IOMMU_MAP_DMA, &map), 0);
	expect(w, 0, 5);
	setrlimit(RLIMIT_MEMLOCK, &old);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(files_are_found_by_descriptor),
		TEST(dmabufs_are_found_by_descriptor),
		TEST(a_context_charges_by_its_mode),
		TEST(a_container_charges_as_vfio_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
