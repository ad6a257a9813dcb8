/* SPDX-License-Identifier: MIT */
/* Also run with: process */
/*
 * RLIMIT_MEMLOCK: what a process without CAP_IPC_LOCK may pin by MAP and COPY, in both modes of
 * IOMMU_OPTION_RLIMIT_MODE.
 */
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "testcmd.h"

#define LIMIT 16ul /* pages */

static uint8_t *mem;

static void limit_pages(unsigned long pages)
{
	struct rlimit limit;

	getrlimit(RLIMIT_MEMLOCK, &limit);
	limit.rlim_cur = pages * PAGE;
	if (setrlimit(RLIMIT_MEMLOCK, &limit)) {
		perror("SKIP: setrlimit");
		exit(EXIT_SKIP);
	}
}

/* Effective only: it can be taken back by who has it. False: there is none to take. */
static int privilege(int on)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return 0;
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	data[0].effective |= on ? data[0].permitted & 1u << CAP_IPC_LOCK : 0;
	syscall(SYS_capset, &header, data);
	return on && data[0].effective & 1u << CAP_IPC_LOCK;
}

static uint64_t at(unsigned long page)
{
	return TEST_IOVA + page * PAGE;
}

static long map_pages(int fd, uint32_t ioas, unsigned long page, unsigned long nr)
{
	return map_fixed(fd, ioas, mem, at(page), nr * PAGE);
}

static long unmap_pages(int fd, uint32_t ioas, unsigned long page, unsigned long nr)
{
	return unmap(fd, ioas, at(page), nr * PAGE, NULL);
}

static long copy_page(int fd, uint32_t ioas, unsigned long from, unsigned long to)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = ioas,
		.src_ioas_id = ioas,
		.length = PAGE,
		.dst_iova = at(to),
		.src_iova = at(from),
	};

	return call(fd, IOMMU_IOAS_COPY, &cmd);
}

/* An IOAS with a page table, and what fills the limit to the brim. */
static void one_space(int fd)
{
	uint32_t ioas = ioas_alloc(fd);

	check("a device", attach_new(fd, ioas, NULL), 0);
	check("up to the limit", map_pages(fd, ioas, 0, LIMIT), 0);
	check("one page more", map_pages(fd, ioas, 100, 1), -ENOMEM);
	check("a copy pins nothing", copy_page(fd, ioas, 0, 50), 0);
	check("the same memory by another map", map_pages(fd, ioas, 100, 1), -ENOMEM);
	check("unmap", unmap_pages(fd, ioas, 0, LIMIT), 0);
	check("what the copy shows stays pinned", map_pages(fd, ioas, 0, LIMIT), -ENOMEM);
	check("unmap the copy", unmap_pages(fd, ioas, 50, 1), 0);
	check("again", map_pages(fd, ioas, 0, LIMIT), 0);
	limit_pages(LIMIT + 1);
	check("a limit raised between maps", map_pages(fd, ioas, 100, 1), 0);
	limit_pages(1);
	check("and lowered", map_pages(fd, ioas, 200, 1), -ENOMEM);
	check("unmap", unmap_pages(fd, ioas, 100, 1), 0);
	limit_pages(LIMIT);
}

/* Only pinned memory counts. */
static void without_a_table(int fd)
{
	uint32_t ioas = ioas_alloc(fd), test;

	check("more than the limit, not pinned", map_pages(fd, ioas, 0, LIMIT + 1), 0);
	check("an attach that would pin it", attach_new(fd, ioas, NULL), -ENOMEM);
	check("unmap", unmap_pages(fd, ioas, 0, LIMIT + 1), 0);
	check("an attach without it", attach_new(fd, ioas, &test), 0);
	check("detach", destroy(fd, test), 0);
	check("the IOAS", destroy(fd, ioas), 0);
}

/* It counts that there was the privilege when the memory was mapped. */
static void with_privilege(int fd)
{
	uint32_t ioas = ioas_alloc(fd), test = 0;
	int has = privilege(1);

	check("mapped with CAP_IPC_LOCK", map_pages(fd, ioas, 0, LIMIT + 1), 0);
	privilege(0);
	check("pinned without it", attach_new(fd, ioas, &test), has ? 0 : -ENOMEM);
	if (!has)
		return;
	check("mapped without it", map_pages(fd, ioas, 100, LIMIT + 1), -ENOMEM);
	check("detach", destroy(fd, test), 0);
}

static int by_user(void)
{
	int fd = open_testcmd_or_skip(), more = open_testcmd_or_skip();
	uint32_t ioas;

	without_a_table(fd);
	with_privilege(fd);
	one_space(fd);
	ioas = ioas_alloc(more);
	check("a device of another context", attach_new(more, ioas, NULL), 0);
	check("which shares the limit", map_pages(more, ioas, 0, 1), -ENOMEM);
	close(fd);
	check("the other is closed", map_pages(more, ioas, 0, LIMIT), 0);
	return check_done();
}

static int by_process(void)
{
	struct iommu_option mode = {.size = sizeof(mode),
				    .option_id = IOMMU_OPTION_RLIMIT_MODE,
				    .op = IOMMU_OPTION_OP_SET,
				    .val64 = 1};
	int fd = open_testcmd_or_skip();

	if (call(fd, IOMMU_OPTION, &mode)) {
		puts("SKIP: RLIMIT_MODE needs CAP_SYS_RESOURCE");
		return EXIT_SKIP;
	}
	without_a_table(fd);
	with_privilege(fd);
	one_space(fd);
	return check_done();
}

/* With an argument: the limit is the process', not the user's. */
int main(int argc, char **argv)
{
	mem = memory((LIMIT + 1) * PAGE);
	limit_pages(LIMIT);
	privilege(0);
	return argc > 1 ? by_process() : by_user();
}
