/* SPDX-License-Identifier: MIT */
/*
 * Description: memory that is mapped for DMA outlives the program's munmap, MAP_FIXED, madvise and
 * mremap, and goes when it is unmapped for DMA. The library's own halves, with a door's calls.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/door.h>
#include <ioas/space.h>
#include "dma_world.h"

#define IOVA 0x10000000ul

/* The calls as a door makes them. */
struct args {
	char *addr, *to;
	size_t len, new_len;
	int flags;
	bool fail;
};

static long munmap_call(void *arg, uint64_t *to)
{
	struct args *args = arg;

	return args->fail ? -ENOMEM : munmap(args->addr, args->len);
}

static long canary_call(void *arg, uint64_t *to)
{
	struct args *args = arg;

	assert_ptr_equal(mmap(args->addr, args->len, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 args->addr);
	memset(args->addr, 0xca, args->len);
	return 0;
}

static long dontneed_call(void *arg, uint64_t *to)
{
	struct args *args = arg;

	return madvise(args->addr, args->len, MADV_DONTNEED);
}

static long mremap_call(void *arg, uint64_t *to)
{
	struct args *args = arg;

	args->to = mremap(args->addr, args->len, args->new_len, args->flags, args->to);
	*to = (uintptr_t)args->to;
	return args->to == MAP_FAILED ? -errno : 0;
}

static long take(char *addr, size_t len, long (*call)(void *arg, uint64_t *to), bool fail)
{
	struct args args = {.addr = addr, .len = len, .fail = fail};
	struct ioas_memory_change change = {
		.gone = {{(uintptr_t)addr, (uintptr_t)addr + len}}, .call = call, .arg = &args};

	return ioas_memory_change(iommu, &change);
}

static char *move(char *addr, size_t len, size_t new_len, char *to)
{
	struct args args = {
		addr, to, len, new_len, to ? MREMAP_FIXED | MREMAP_MAYMOVE : MREMAP_MAYMOVE, false};
	size_t kept = len < new_len ? len : new_len;
	struct ioas_memory_change change = {
		.moved = {(uintptr_t)addr, (uintptr_t)addr + kept},
		.gone = {{(uintptr_t)addr + kept, (uintptr_t)addr + len}},
		.call = mremap_call,
		.arg = &args,
	};

	if (to)
		change.gone[1] = (struct ioas_memory_range){(uintptr_t)to, (uintptr_t)to + new_len};
	assert_int_equal(ioas_memory_change(iommu, &change), 0);
	return args.to;
}

/* Page i is full of the byte `first` + i. */
static char *pages(size_t nr, int first)
{
	char *at =
		mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	for (size_t i = 0; i < nr; i++)
		memset(at + i * PAGE, first + (int)i, PAGE);
	return at;
}

static void map(iova_t iova, void *memory, uint64_t len)
{
	assert_int_equal(ioas_space_map(space, NULL, &iova, (uintptr_t)memory, len,
					RW | IOAS_MAP_FIXED, NULL),
			 0);
}

static void unmap(iova_t iova, uint64_t len)
{
	uint64_t done = 0;

	assert_int_equal(ioas_space_unmap(space, iova, iova + len - 1, &done, NULL), 0);
	assert_int_equal(done, len);
}

/* The device reads and writes each page from `first` on, all of which hold their own byte. */
static void device_sees(iova_t iova, size_t nr, int first)
{
	char buf[PAGE];

	for (size_t i = 0; i < nr; i++) {
		char want[PAGE];

		memset(want, first + (int)i, PAGE);
		assert_int_equal(ioas_dma_read(issuer, iova + i * PAGE, buf, PAGE), 0);
		assert_memory_equal(buf, want, PAGE);
		assert_int_equal(ioas_dma_write(issuer, iova + i * PAGE, want, PAGE), 0);
		assert_int_equal(ioas_dma_store(issuer, iova + i * PAGE + 8, 7, 8), 0);
		assert_int_equal(ioas_dma_write(issuer, iova + i * PAGE, want, PAGE), 0);
	}
}

static bool is_mapped(const void *at)
{
	unsigned char vec;

	return !mincore((void *)at, PAGE, &vec);
}

/* Where the engine sees an IOVA. */
static char *where(iova_t iova)
{
	struct ioas_tlp tlp = {.addr = iova, .len = 1, .op = IOAS_TLP_READ};
	struct ioas_dma dma;
	char *at;

	ioas_dma_init(&dma, issuer);
	assert_int_equal(ioas_dma_add(&dma, &tlp), 0);
	at = dma.iov[0].iov_base;
	ioas_dma_fini(&dma);
	return at;
}

static void pages_outlive_munmap_until_unmap(void **arg)
{
	char *memory = pages(8, 'a'), *hidden;

	map(IOVA, memory, 8 * PAGE);
	assert_true(ioas_memory_pinned(iommu, (uintptr_t)memory, (uintptr_t)memory + 1));
	/* What the program forbids itself before does not matter to the device after. */
	mprotect(memory + PAGE, PAGE, PROT_NONE);
	mprotect(memory + 5 * PAGE, 2 * PAGE, PROT_READ);
	assert_int_equal(take(memory, 8 * PAGE, munmap_call, false), 0);
	assert_false(is_mapped(memory));
	device_sees(IOVA, 8, 'a');
	hidden = where(IOVA);
	assert_ptr_not_equal(hidden, memory);
	unmap(IOVA, 8 * PAGE);
	for (int i = 0; i < 8; i++)
		assert_false(is_mapped(hidden + i * PAGE));
	assert_false(ioas_memory_pinned(iommu, 0, UINT64_MAX));
}

static void a_hole_in_the_middle_leaves_the_rest_where_it_is(void **arg)
{
	char *memory = pages(8, 'a');

	map(IOVA, memory, 8 * PAGE);
	assert_int_equal(take(memory + 3 * PAGE, 2 * PAGE, munmap_call, false), 0);
	device_sees(IOVA, 8, 'a');
	assert_false(is_mapped(memory + 3 * PAGE));
	assert_ptr_equal(where(IOVA + 2 * PAGE), memory + 2 * PAGE);
	assert_ptr_equal(where(IOVA + 5 * PAGE), memory + 5 * PAGE);
	/* A range over all of it; the hole is the program's again, before anybody else's. */
	assert_ptr_equal(mmap(memory + 3 * PAGE, 2 * PAGE, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 memory + 3 * PAGE);
	assert_int_equal(take(memory + 1 * PAGE, 6 * PAGE, canary_call, false), 0);
	device_sees(IOVA, 8, 'a');
	for (size_t i = PAGE; i < 7 * PAGE; i++)
		assert_int_equal((unsigned char)memory[i], 0xca);
	unmap(IOVA, 8 * PAGE);
	munmap(memory, 8 * PAGE);
}

static void new_memory_at_the_address_is_another_mapping(void **arg)
{
	char *memory = pages(4, 'a');

	map(IOVA, memory, 4 * PAGE);
	assert_int_equal(take(memory, 4 * PAGE, canary_call, false), 0);
	for (int i = 0; i < 4; i++)
		memset(memory + i * PAGE, 'p' + i, PAGE);
	map(2 * IOVA, memory, 4 * PAGE);
	device_sees(IOVA, 4, 'a');
	device_sees(2 * IOVA, 4, 'p');
	assert_int_equal(take(memory, 4 * PAGE, munmap_call, false), 0);
	device_sees(IOVA, 4, 'a');
	device_sees(2 * IOVA, 4, 'p');
	unmap(IOVA, 4 * PAGE);
	device_sees(2 * IOVA, 4, 'p');
	unmap(2 * IOVA, 4 * PAGE);
}

static void dontneed_gives_the_program_fresh_pages(void **arg)
{
	char *memory = pages(4, 'a');

	map(IOVA, memory, 4 * PAGE);
	assert_int_equal(take(memory + PAGE, PAGE, dontneed_call, false), 0);
	assert_int_equal(memory[0], 'a');
	assert_int_equal(memory[PAGE], 0);
	assert_int_equal(memory[2 * PAGE], 'c');
	memory[PAGE] = 'x';
	device_sees(IOVA, 4, 'a');
	assert_int_equal(memory[PAGE], 'x');
	unmap(IOVA, 4 * PAGE);
	munmap(memory, 4 * PAGE);
}

static void pages_are_followed_where_mremap_takes_them(void **arg)
{
	char *memory = pages(4, 'a'), *target = pages(8, 'p'), *at;

	map(IOVA, memory, 4 * PAGE);
	map(2 * IOVA, target, 8 * PAGE);
	/* Onto other pages that are mapped for DMA, which are hidden. */
	at = move(memory, 4 * PAGE, 6 * PAGE, target);
	assert_ptr_equal(at, target);
	device_sees(IOVA, 4, 'a');
	device_sees(2 * IOVA, 8, 'p');
	assert_int_equal(at[PAGE], 'b');
	assert_int_equal(ioas_dma_write(issuer, IOVA + PAGE, "z", 1), 0);
	assert_int_equal(at[PAGE], 'z');
	assert_int_equal(ioas_dma_write(issuer, IOVA + PAGE, "b", 1), 0);
	/* Shrunk: the tail is hidden. Then unmapped. */
	assert_ptr_equal(move(at, 6 * PAGE, 2 * PAGE, NULL), at);
	assert_ptr_equal(where(IOVA), at);
	assert_ptr_not_equal(where(IOVA + 2 * PAGE), at + 2 * PAGE);
	device_sees(IOVA, 4, 'a');
	assert_int_equal(take(at, 2 * PAGE, munmap_call, false), 0);
	device_sees(IOVA, 4, 'a');
	unmap(IOVA, 4 * PAGE);
	device_sees(2 * IOVA, 8, 'p');
	unmap(2 * IOVA, 8 * PAGE);
	munmap(target + 6 * PAGE, 2 * PAGE);
}

static void two_mappings_of_one_memory_share_what_is_hidden(void **arg)
{
	char *memory = pages(8, 'a'), *hidden;

	map(IOVA, memory, 6 * PAGE);
	map(2 * IOVA, memory + 4 * PAGE, 4 * PAGE);
	assert_int_equal(take(memory, 8 * PAGE, munmap_call, false), 0);
	device_sees(IOVA, 6, 'a');
	device_sees(2 * IOVA, 4, 'e');
	hidden = where(IOVA);
	assert_ptr_equal(where(2 * IOVA), hidden + 4 * PAGE);
	unmap(IOVA, 6 * PAGE);
	assert_false(is_mapped(hidden));
	assert_false(is_mapped(hidden + 3 * PAGE));
	assert_true(is_mapped(hidden + 4 * PAGE));
	device_sees(2 * IOVA, 4, 'e');
	unmap(2 * IOVA, 4 * PAGE);
	assert_false(is_mapped(hidden + 4 * PAGE));
	assert_false(is_mapped(hidden + 7 * PAGE));
}

static void a_copy_in_another_space_keeps_the_pages(void **arg)
{
	struct ioas_space *other;
	char *memory = pages(4, 'a');
	iova_t copy = 3 * IOVA;

	map(IOVA, memory, 4 * PAGE);
	assert_int_equal(ioas_space_new(iommu, &other), 0);
	assert_int_equal(
		ioas_space_copy(other, &copy, space, IOVA, 4 * PAGE, RW | IOAS_MAP_FIXED, NULL), 0);
	assert_int_equal(take(memory, 4 * PAGE, munmap_call, false), 0);
	unmap(IOVA, 4 * PAGE);
	/* Nothing is pinned now: `other` has no table. What it shows was unmapped for good. */
	assert_int_equal(ioas_device_attach(dev, other, NULL), -EFAULT);
	ioas_space_put(other);

	memory = pages(4, 'a');
	map(IOVA, memory, 4 * PAGE);
	assert_int_equal(
		ioas_space_copy(space, &copy, space, IOVA, 4 * PAGE, RW | IOAS_MAP_FIXED, NULL), 0);
	assert_int_equal(take(memory, 4 * PAGE, munmap_call, false), 0);
	unmap(IOVA, 4 * PAGE);
	device_sees(copy, 4, 'a');
	unmap(copy, 4 * PAGE);
}

static void memory_of_several_kinds_moves_piece_by_piece(void **arg)
{
	char *memory = pages(6, 'a');

	assert_ptr_equal(mmap(memory + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 memory + 2 * PAGE);
	memset(memory + 2 * PAGE, 'c', PAGE);
	madvise(memory + 4 * PAGE, PAGE, MADV_DONTDUMP);
	map(IOVA, memory, 6 * PAGE);
	assert_int_equal(take(memory, 6 * PAGE, canary_call, false), 0);
	device_sees(IOVA, 6, 'a');
	for (size_t i = 0; i < 6 * PAGE; i++)
		assert_int_equal((unsigned char)memory[i], 0xca);
	unmap(IOVA, 6 * PAGE);
	munmap(memory, 6 * PAGE);
}

static void a_call_that_fails_leaves_all_as_it_was(void **arg)
{
	char *memory = pages(4, 'a');

	map(IOVA, memory, 4 * PAGE);
	assert_int_equal(take(memory + PAGE, 2 * PAGE, munmap_call, true), -ENOMEM);
	for (int i = 0; i < 4; i++)
		assert_int_equal(memory[i * PAGE + 99], 'a' + i);
	device_sees(IOVA, 4, 'a');
	assert_ptr_equal(where(IOVA + PAGE), memory + PAGE);
	unmap(IOVA, 4 * PAGE);
	munmap(memory, 4 * PAGE);
}

/* A model that holds one span while it asks for the next, over and over. */
struct user {
	pthread_t thread;
	_Atomic bool stop;
	_Atomic uint64_t passed;
	bool failed;
};

static void *lend_two_at_a_time(void *arg)
{
	struct user *user = arg;
	struct ioas_issuer *own;
	struct ioas_dma dma[2];

	user->failed = ioas_issuer_new(dev, &own);
	ioas_dma_init(&dma[0], own);
	ioas_dma_init(&dma[1], own);
	for (unsigned i = 0; !atomic_load(&user->stop); i++) {
		struct ioas_tlp tlp = {
			.addr = IOVA + i % 4 * PAGE, .len = PAGE, .op = IOAS_TLP_WRITE};

		ioas_dma_end(&dma[i % 2]);
		if (ioas_dma_add(&dma[i % 2], &tlp) ||
		    ioas_dma_store(own, IOVA + i % 4 * PAGE, i, 8))
			user->failed = true;
		memset(dma[i % 2].iov[0].iov_base, 's', PAGE);
		atomic_fetch_add(&user->passed, 1);
		if (i % 256 == 255) {
			ioas_dma_end(&dma[0]);
			ioas_dma_end(&dma[1]);
			sched_yield();
		}
	}
	ioas_dma_fini(&dma[0]);
	ioas_dma_fini(&dma[1]);
	ioas_issuer_destroy(own);
	return NULL;
}

static void memory_moves_under_a_model_that_is_at_work(void **arg)
{
	struct user user = {0};
	char *memory = pages(4, 'a');

	map(IOVA, memory, 4 * PAGE);
	pthread_create(&user.thread, NULL, lend_two_at_a_time, &user);
	for (int round = 0; round < 4; round++) {
		uint64_t before = atomic_load(&user.passed);

		while (atomic_load(&user.passed) < before + 10)
			sched_yield();
		assert_int_equal(take(memory + round * PAGE, PAGE, canary_call, false), 0);
	}
	for (size_t i = 0; i < 4 * PAGE; i++)
		assert_int_equal((unsigned char)memory[i], 0xca);
	atomic_store(&user.stop, true);
	pthread_join(user.thread, NULL);
	assert_false(user.failed);
	for (size_t i = 0; i < 4 * PAGE; i++)
		assert_int_equal((unsigned char)memory[i], 0xca);
	unmap(IOVA, 4 * PAGE);
	munmap(memory, 4 * PAGE);
}

#define TWIN_PAGES 32

/* What each IOVA page must hold, and what the program's page holds, by the book. */
static void random_changes_agree_with_the_book(void **arg)
{
	unsigned char device[3][TWIN_PAGES], program[TWIN_PAGES], next = 1, buf[PAGE];
	char *memory = pages(TWIN_PAGES, 0);
	uint32_t state = 2463534242u;

	for (int i = 0; i < TWIN_PAGES; i++)
		program[i] = (unsigned char)i;
	for (int m = 0; m < 3; m++) {
		map(IOVA * (unsigned)(m + 1), memory, TWIN_PAGES * PAGE);
		memcpy(device[m], program, TWIN_PAGES);
		if (m < 2) { /* each mapping pins other pages than the one before */
			assert_int_equal(take(memory, TWIN_PAGES * PAGE, canary_call, false), 0);
			for (int i = 0; i < TWIN_PAGES; i++) {
				program[i] = (unsigned char)(100 * (m + 1) + i);
				memset(memory + (size_t)i * PAGE, program[i], PAGE);
			}
		}
	}
	for (int round = 0; round < 60; round++) {
		size_t first, nr;

		state = state * 1664525 + 1013904223;
		first = state >> 8 & (TWIN_PAGES - 1);
		nr = 1 + (state >> 16) % (TWIN_PAGES - first);
		if (state >> 31) {
			assert_int_equal(
				take(memory + first * PAGE, nr * PAGE, dontneed_call, false), 0);
			memset(program + first, 0, nr);
		} else {
			assert_int_equal(take(memory + first * PAGE, nr * PAGE, canary_call, false),
					 0);
			memset(program + first, 0xca, nr);
		}
		for (int i = 0; i < TWIN_PAGES; i++) {
			assert_int_equal((unsigned char)memory[(size_t)i * PAGE + 5], program[i]);
			for (unsigned m = 0; m < 3; m++) {
				assert_int_equal(ioas_dma_read(issuer,
							       IOVA * (m + 1) + (unsigned)i * PAGE,
							       buf, PAGE),
						 0);
				assert_int_equal(buf[77], device[m][i]);
			}
		}
		/* A new mapping of a page every other round, kept for the rest. */
		if (round % 20 == 19) {
			unmap(IOVA * 3, TWIN_PAGES * PAGE);
			map(IOVA * 3, memory, TWIN_PAGES * PAGE);
			memcpy(device[2], program, TWIN_PAGES);
		}
		memset(memory, ++next, PAGE);
		program[0] = next;
		if (where(IOVA * 3) == memory)
			device[2][0] = next;
	}
	for (unsigned m = 0; m < 3; m++)
		unmap(IOVA * (m + 1), TWIN_PAGES * PAGE);
	munmap(memory, TWIN_PAGES * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_outlive_munmap_until_unmap),
		cmocka_unit_test(a_hole_in_the_middle_leaves_the_rest_where_it_is),
		cmocka_unit_test(new_memory_at_the_address_is_another_mapping),
		cmocka_unit_test(dontneed_gives_the_program_fresh_pages),
		cmocka_unit_test(pages_are_followed_where_mremap_takes_them),
		cmocka_unit_test(two_mappings_of_one_memory_share_what_is_hidden),
		cmocka_unit_test(a_copy_in_another_space_keeps_the_pages),
		cmocka_unit_test(memory_of_several_kinds_moves_piece_by_piece),
		cmocka_unit_test(a_call_that_fails_leaves_all_as_it_was),
		cmocka_unit_test(memory_moves_under_a_model_that_is_at_work),
		cmocka_unit_test(random_changes_agree_with_the_book),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
