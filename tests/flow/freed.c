/* SPDX-License-Identifier: MIT */
/*
 * A driver that gives memory back to malloc, under `ioas run`, while its device still uses it: libc
 * unmaps, moves and shrinks inside itself. Exit 0: the device used the old pages, what came to lie
 * elsewhere was not touched, and the memory went once it was unmapped.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include "tests/flow/nvme.h"

#define BIG    (1ul << 20)
#define SMALL  (16ul * NVME_PAGE)
#define TARGET (1ul << 28)

static struct nvme nvme;
static const char *step;

static int failed(const char *what)
{
	printf("%s: %s (%s)\n", step, what, strerror(errno));
	return 1;
}

#define must(x)                            \
	do {                               \
		if (!(x))                  \
			return failed(#x); \
	} while (0)

static bool all(const uint8_t *at, size_t len, uint8_t byte)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] != byte)
			return false;
	return true;
}

static int map(const void *page)
{
	struct iommu_ioas_map map = {.size = sizeof(map)};

	map.ioas_id = nvme.ioas;
	map.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_FIXED_IOVA;
	map.user_va = (uintptr_t)page;
	map.length = NVME_PAGE;
	map.iova = TARGET;
	return ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map);
}

static int unmap(void)
{
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap)};

	unmap.ioas_id = nvme.ioas;
	unmap.iova = TARGET;
	unmap.length = NVME_PAGE;
	return ioctl(nvme.iommufd, IOMMU_IOAS_UNMAP, &unmap);
}

/* The device writes its identify data to TARGET, without a fault. */
static bool written(void)
{
	int status;

	return !nvme_identify_to(&nvme, TARGET, &status) && !status;
}

static uint8_t *page_in(void *block)
{
	return (uint8_t *)(((uintptr_t)block + 2 * NVME_PAGE) & ~(NVME_PAGE - 1ul));
}

static bool is_there(const uint8_t *page)
{
	unsigned char state;

	return !mincore((void *)(uintptr_t)page, NVME_PAGE, &state);
}

static int a_large_block_is_freed(void)
{
	uint8_t *block = malloc(BIG), *page = page_in(block), *other;

	step = "a large block is freed";
	must(block && !map(page));
	free(block);
	other = malloc(BIG);
	must(other);
	memset(other, 0xca, BIG);
	must(written() && all(other, BIG, 0xca));
	must(page[24] > ' '); /* kept where it was */
	must(is_there(page) && !unmap() && !is_there(page));
	free(other);
	return 0;
}

static int a_block_of_the_heap_is_freed(void)
{
	uint8_t *block, *page, *other;
	void *end = sbrk(0);

	step = "a block of the heap is freed";
	must(!posix_memalign((void **)&block, NVME_PAGE, SMALL));
	page = block;
	must(sbrk(0) >= end && !map(page));
	free(block);
	malloc_trim(0);
	must(!posix_memalign((void **)&other, NVME_PAGE, SMALL) && other != block);
	memset(other, 0xcb, SMALL);
	must(written() && all(other, SMALL, 0xcb) && !unmap());
	free(other);
	return 0;
}

/* As mremap does, which libc does it with: the pages move, and the device with them. */
static int a_large_block_grows(void)
{
	uint8_t *block = malloc(BIG), *page, *grown;
	size_t off;

	step = "a large block grows";
	must(block);
	page = page_in(block);
	off = (size_t)(page - block);
	memset(block, 0xcc, BIG);
	must(!map(page));
	grown = realloc(block, 64 * BIG);
	must(grown && all(grown, BIG, 0xcc) && written());
	must(grown[off + 24] > ' ' && grown[off + 24] != 0xcc);
	must(all(grown, off, 0xcc) && all(grown + off + NVME_PAGE, 1000, 0xcc));
	free(grown);
	must(written() && !unmap() && !is_there(grown + off));
	return 0;
}

static int a_block_of_the_heap_grows(void)
{
	uint8_t *block, *grown;

	step = "a block of the heap grows";
	must(!posix_memalign((void **)&block, NVME_PAGE, SMALL));
	memset(block, 0xcd, SMALL);
	must(!map(block));
	must(realloc(block, SMALL / 2) == block); /* in use: it does not shrink */
	grown = reallocarray(block, 2, SMALL);
	must(grown && grown != block && all(grown, SMALL, 0xcd));
	must(written() && all(grown, SMALL, 0xcd) && !unmap());
	free(grown);
	return 0;
}

static int a_hole_is_punched(void)
{
	uint8_t *page =
		mmap(NULL, NVME_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	step = "a hole is punched";
	must(page != MAP_FAILED);
	memset(page, 0xce, NVME_PAGE);
	must(!map(page) && !madvise(page, NVME_PAGE, MADV_REMOVE));
	must(all(page, NVME_PAGE, 0) && written() && all(page, NVME_PAGE, 0));
	must(!unmap() && !munmap(page, NVME_PAGE));
	return 0;
}

/* Many at once, let go in another order. */
static int many_are_kept(void)
{
	enum { NR = 300 };
	static uint8_t *blocks[NR];
	struct iommu_ioas_map map = {.size = sizeof(map)};
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap)};

	step = "many are kept";
	map.ioas_id = unmap.ioas_id = nvme.ioas;
	map.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_FIXED_IOVA;
	map.length = unmap.length = BIG / 2;
	for (unsigned i = 0; i < NR; i++) {
		blocks[i] = malloc(BIG);
		must(blocks[i]);
		map.user_va = (uintptr_t)page_in(blocks[i]);
		map.iova = TARGET + i * BIG;
		must(!ioctl(nvme.iommufd, IOMMU_IOAS_MAP, &map));
		free(blocks[i]);
	}
	for (unsigned i = 0; i < NR; i++) {
		unsigned at = i * 7 % NR;

		unmap.iova = TARGET + at * BIG;
		must(is_there(page_in(blocks[at])));
		must(!ioctl(nvme.iommufd, IOMMU_IOAS_UNMAP, &unmap));
		must(!is_there(page_in(blocks[at])));
	}
	return 0;
}

int main(void)
{
	static int (*const steps[])(void) = {
		a_large_block_is_freed,	   many_are_kept,
		a_large_block_grows,	   a_block_of_the_heap_is_freed,
		a_block_of_the_heap_grows, a_hole_is_punched,
	};

	/* Large is what libc maps apart, whatever it saw before. */
	mallopt(M_MMAP_THRESHOLD, (int)(4 * SMALL));
	step = "open";
	errno = -nvme_open(&nvme);
	must(!errno);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i]())
			return 1;
	puts("PASS");
	return 0;
}
