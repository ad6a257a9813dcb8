/* SPDX-License-Identifier: MIT */
/*
 * Memory that a device can reach already is mapped once more without asking the kernel. Here it has
 * changed meanwhile, in every way that a program has, and the answer is the kernel's.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "hostile.h"

#define LEN   (4ul << 20)
#define PAGE  4096ul
#define IOVA  (1ull << 32)
#define STEP  (1ull << 30)
#define GUARD 102 /* MADV_GUARD_INSTALL, Linux 6.13 */

#define READ  IOMMU_IOAS_MAP_READABLE
#define WRITE IOMMU_IOAS_MAP_WRITEABLE

static int map(void *mem, uint64_t iova, uint32_t flags)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | flags,
		.ioas_id = nvme.ioas,
		.user_va = (uintptr_t)mem,
		.length = LEN,
		.iova = iova,
	};

	return ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map) ? errno : 0;
}

static void unmap(uint64_t iova)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = nvme.ioas, .iova = iova, .length = LEN};

	check(!ioctl(nvme.iommufd, IOMMU_IOAS_UNMAP, &unmap));
}

/* Maps it and leaves it so, and often enough again that nothing need be asked. */
static void show(void *mem, uint32_t flags)
{
	check(!map(mem, IOVA, flags));
	for (int i = 0; i < 3; i++) {
		check(!map(mem, IOVA + STEP, flags));
		unmap(IOVA + STEP);
	}
}

static char *new_memory(int prot)
{
	char *mem = mmap(NULL, LEN, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(mem != MAP_FAILED);
	return mem;
}

static char *shown(void)
{
	char *mem;

	start();
	mem = new_memory(PROT_READ | PROT_WRITE);
	show(mem, READ | WRITE);
	return mem;
}

static void again(void *mem, uint32_t flags, int error)
{
	check(map(mem, IOVA + STEP, flags) == error);
	if (!error)
		unmap(IOVA + STEP);
}

static void forbidden(void)
{
	char *mem = shown();

	check(!mprotect(mem + LEN - PAGE, PAGE, PROT_NONE));
	again(mem, READ | WRITE, EFAULT);
	again(mem, READ, EFAULT);
	check(!mprotect(mem + LEN - PAGE, PAGE, PROT_READ));
	again(mem, READ | WRITE, EFAULT);
	again(mem, READ, 0);
	check(!mprotect(mem + LEN - PAGE, PAGE, PROT_READ | PROT_WRITE));
	again(mem, READ | WRITE, 0);
}

/* A call that fails has done some of it. */
static void forbidden_in_part(void)
{
	char *mem = shown();

	check(mprotect(mem, 1ul << 46, PROT_READ) == -1);
	again(mem, READ | WRITE, EFAULT);
}

static void forbidden_by_key(void)
{
	char *mem = shown();

	if (pkey_mprotect(mem, LEN, PROT_READ, -1) && errno == ENOSYS)
		return;
	again(mem, READ | WRITE, EFAULT);
}

static void read_only_from_the_start(void)
{
	char *mem = new_memory(PROT_READ);

	start();
	show(mem, READ);
	again(mem, READ | WRITE, EFAULT);
}

static void unmapped(void)
{
	char *mem = shown();

	check(!munmap(mem, LEN));
	again(mem, READ | WRITE, EFAULT);
	check(mmap(mem, LEN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	again(mem, READ | WRITE, EFAULT);
	again(mem, READ, 0);
}

static void mapped_over(void)
{
	char *mem = shown();

	check(mmap(mem, LEN / 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mem);
	again(mem, READ | WRITE, EFAULT);
}

static void moved(void)
{
	char *mem = shown(), *to = new_memory(PROT_NONE);

	check(mremap(mem, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	again(mem, READ | WRITE, EFAULT);
	again(to, READ | WRITE, 0);
	check(!mprotect(to, PAGE, PROT_READ));
	again(to, READ | WRITE, EFAULT);
}

/* Nobody forbids it: but it is other memory, and that is what the device gets. */
static void dropped(void)
{
	char *mem = shown();
	int status = -1;

	check(!madvise(mem, LEN, MADV_DONTNEED));
	check(!map(mem, IOVA + STEP, READ | WRITE));
	check(!nvme_identify_to(&nvme, IOVA, &status) && !status && !mem[4]);
	check(!nvme_identify_to(&nvme, IOVA + STEP, &status) && !status && mem[4]);
}

static void guarded(void)
{
	char *mem = shown();

	if (madvise(mem, PAGE, GUARD))
		return;
	again(mem, READ | WRITE, EFAULT);
}

/* What others can shorten is never taken for granted. */
static void truncated(int flags)
{
	int fd = memfd_create("proven", 0);
	char *mem;

	start();
	check(fd >= 0 && !ftruncate(fd, LEN));
	mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, flags, fd, 0);
	check(mem != MAP_FAILED);
	show(mem, READ | WRITE);
	check(!ftruncate(fd, LEN / 2));
	again(mem, READ | WRITE, EFAULT);
	check(!ftruncate(fd, LEN));
	again(mem, READ | WRITE, 0);
}

static void truncated_shared(void)
{
	truncated(MAP_SHARED);
}

static void truncated_private(void)
{
	truncated(MAP_PRIVATE);
}

/* What a parent keeps from its child, the child does not have when it takes over. */
static void child(int result)
{
	pid_t parent;
	char *mem;

	mem = shown();
	check(!madvise(mem, LEN, MADV_DONTFORK));
	again(mem, READ | WRITE, 0);
	again(mem, READ | WRITE, 0);
	parent = getpid();
	if (fork())
		_exit(0);
	while (getppid() == parent)
		usleep(1000);
	again(mem, READ | WRITE, EFAULT);
	check(write(result, "", 1) == 1);
}

static void forked(void)
{
	int result[2], status;
	char byte = 1;
	pid_t pid;

	check(!pipe(result));
	pid = fork();
	if (!pid) {
		close(result[0]);
		child(result[1]);
		_exit(0);
	}
	close(result[1]);
	check(waitpid(pid, &status, 0) == pid && !status);
	check(read(result[0], &byte, 1) == 1 && !byte);
}

static const struct hostile cases[] = {
	CASE(forbidden),
	CASE(forbidden_in_part),
	CASE(forbidden_by_key),
	CASE(unmapped),
	CASE(mapped_over),
	CASE(read_only_from_the_start),
	CASE(moved),
	CASE(dropped),
	CASE(guarded),
	CASE(truncated_shared),
	CASE(truncated_private),
	CASE(forked),
};

int main(int argc, char **argv)
{
	return hostile_main(cases, sizeof(cases) / sizeof(cases[0]), argc > 1 ? argv[1] : NULL);
}
