/* SPDX-License-Identifier: MIT */
/*
 * Description: memory that is mapped for DMA is pinned once more without a call of the caller's pin
 * where the instance is told what becomes of it, and only there; and unpinned as often as mapped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <ioas/door.h>
#include <ioas/guard.h>
#include "iommu.h"
#include "mem/mem.h"
#include "mem/proof.h"
#include "space/space.h"

#define LEN  (4ull << 20)
#define IOVA (1ull << 32)

static struct ioas_caller_ops ops;
static struct ioas_caller caller = {.ops = &ops};
static struct ioas_iommu *iommu;
static struct ioas_space *space;
static struct pt *pt;
static unsigned pins, unpins;
static void (*at_pin)(void); /* what somebody else does while the kernel is asked */
static char *mem;

static int pin(struct ioas_caller *self, uint64_t va, uint64_t len, bool write, void **host)
{
	int rc = mem_self_caller()->ops->pin(self, va, len, write, host);

	pins++;
	if (at_pin)
		at_pin();
	return rc;
}

static void unpin(struct ioas_caller *self, uint64_t va, uint64_t len, void *host)
{
	unpins++;
}

static void *host(struct ioas_caller *self, uint64_t va)
{
	return (void *)(uintptr_t)va;
}

static void begin(bool told, bool by_address)
{
	struct ioas_iommu_config config = {.memory_told = told};
	struct pt_config pt_config = {.format = PT_AMDV1, .aw = 48};

	ops = *mem_self_caller()->ops;
	ops.pin = pin;
	ops.unpin = unpin;
	ops.host = by_address ? host : NULL;
	at_pin = NULL;
	assert_int_equal(ioas_iommu_new(&config, &iommu), 0);
	assert_int_equal(ioas_space_new(iommu, &space), 0);
	assert_int_equal(pt_new(&pt_config, &pt), 0);
	assert_int_equal(space_domain_attach(space, pt, NULL), 0);
	mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
}

static void end(void)
{
	ioas_space_unmap(space, 0, UINT64_MAX, NULL, NULL);
	space_domain_detach(space, pt);
	pt_destroy(pt);
	ioas_space_put(space);
	ioas_iommu_destroy(iommu);
	munmap(mem, LEN);
}

/* How often it pinned. */
static unsigned map(iova_t iova, uint64_t off, uint64_t len, uint32_t flags)
{
	unsigned before = pins;

	assert_int_equal(ioas_space_map(space, &caller, &iova, (uintptr_t)mem + off, len,
					IOAS_MAP_FIXED | IOAS_MAP_READ | flags, NULL),
			 0);
	return pins - before;
}

static unsigned map_again(uint64_t off, uint64_t len, uint32_t flags)
{
	unsigned nr = map(2 * IOVA, off, len, flags), before = unpins;

	assert_int_equal(ioas_space_unmap(space, 2 * IOVA, 2 * IOVA + len - 1, NULL, NULL), 0);
	assert_int_equal(unpins - before, 1);
	return nr;
}

static void only_who_is_told_need_not_ask(void **state)
{
	for (unsigned how = 0; how < 4; how++) {
		begin(how & 1, how & 2);
		assert_int_equal(map(IOVA, 0, LEN, IOAS_MAP_WRITE), 1);
		assert_int_equal(map_again(0, LEN, IOAS_MAP_WRITE), 1);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(map_again(0, LEN, IOAS_MAP_WRITE), how != 3);
		end();
	}
}

static void a_part_is_proven_with_the_whole(void **state)
{
	begin(true, true);
	map(IOVA, 0, LEN, IOAS_MAP_WRITE);
	map_again(0, LEN, IOAS_MAP_WRITE);
	assert_int_equal(map_again(LEN / 4, LEN / 2, IOAS_MAP_WRITE), 0);
	assert_int_equal(map_again(0, LEN / 2, 0), 0);
	/* What ends with a piece, the other one cannot prove. */
	ioas_space_unmap(space, IOVA, IOVA + LEN - 1, NULL, NULL);
	assert_int_equal(map_again(0, LEN, 0), 1);
	end();
}

static void a_whole_needs_all_its_parts(void **state)
{
	begin(true, true);
	map(IOVA, 0, LEN / 2, IOAS_MAP_WRITE);
	assert_int_equal(map_again(0, LEN, IOAS_MAP_WRITE), 1);
	assert_int_equal(map_again(0, LEN, IOAS_MAP_WRITE), 1);
	map(IOVA + LEN, LEN / 2, LEN / 2, IOAS_MAP_WRITE);
	assert_int_equal(map_again(0, LEN, IOAS_MAP_WRITE), 1);
	assert_int_equal(map_again(0, LEN, IOAS_MAP_WRITE), 0);
	end();
}

static void tell(void)
{
	ioas_memory_protected(iommu, (uintptr_t)mem, (uintptr_t)mem + 4096);
}

static void tell_of_more(void)
{
	ioas_memory_protected(iommu, 0, UINT64_MAX);
}

static void what_is_told_meanwhile_counts(void **state)
{
	begin(true, true);
	map(IOVA, 0, LEN, IOAS_MAP_WRITE);
	for (unsigned i = 0; i < 4; i++) {
		at_pin = i & 1 ? tell : tell_of_more;
		assert_int_equal(map_again(0, LEN, IOAS_MAP_WRITE), 1);
	}
	at_pin = NULL;
	assert_int_equal(map_again(0, LEN, IOAS_MAP_WRITE), 1);
	assert_int_equal(map_again(0, LEN, IOAS_MAP_WRITE), 0);
	tell();
	assert_int_equal(map_again(0, LEN, IOAS_MAP_WRITE), 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_is_told_need_not_ask),
		cmocka_unit_test(a_part_is_proven_with_the_whole),
		cmocka_unit_test(a_whole_needs_all_its_parts),
		cmocka_unit_test(what_is_told_meanwhile_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
