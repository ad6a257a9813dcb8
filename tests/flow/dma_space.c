/* SPDX-License-Identifier: MIT */
/*
 * Description: a device's DMA meets a space's mappings: from MAP to UNMAP, no longer, whatever the
 * program does with its memory meanwhile. The library's own halves, without PCI and ioctls.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/guard.h>
#include <ioas/space.h>
#include "dma_world.h"

static char *pages(size_t nr)
{
	char *at =
		mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static int map_at(iova_t iova, void *memory, uint64_t len, uint32_t flags)
{
	return ioas_space_map(space, NULL, &iova, (uintptr_t)memory, len, flags | IOAS_MAP_FIXED,
			      NULL);
}

static void unmap(iova_t iova, uint64_t len)
{
	uint64_t done = 0;

	assert_int_equal(ioas_space_unmap(space, iova, iova + len - 1, &done, NULL), 0);
	assert_int_equal(done, len);
}

static struct ioas_fault newest_fault(void)
{
	uint64_t seq = ioas_device_counters(dev)->faults - 1;
	struct ioas_fault fault;

	assert_int_equal(ioas_fault_read(iommu, &seq, &fault, 1), 1);
	return fault;
}

static void bytes_go_where_the_program_mapped_them(void **arg)
{
	enum { NR = 64 };
	char *memory = pages(NR), buf[3 * PAGE], back[3 * PAGE];
	iova_t chosen;

	/* Page i of the IOVA range is page i * 37 % 64 of the memory. */
	for (size_t i = 0; i < NR; i++)
		assert_int_equal(
			map_at(0x10000000 + i * PAGE, memory + i * 37 % NR * PAGE, PAGE, RW), 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 31 + i / 253);
	assert_int_equal(ioas_dma_write(issuer, 0x10000000 + 9 * PAGE - 77, buf, sizeof(buf)), 0);
	assert_int_equal(ioas_dma_read(issuer, 0x10000000 + 9 * PAGE - 77, back, sizeof(back)), 0);
	assert_memory_equal(buf, back, sizeof(buf));
	assert_memory_equal(memory + 8 * 37 % NR * PAGE + PAGE - 77, buf, 77);
	assert_memory_equal(memory + 9 * 37 % NR * PAGE, buf + 77, PAGE);
	unmap(0x10000000, NR * PAGE);

	assert_int_equal(ioas_space_map(space, NULL, &chosen, (uintptr_t)memory, NR * PAGE,
					IOAS_MAP_READ, NULL),
			 0);
	assert_int_equal(ioas_dma_read(issuer, chosen, back, PAGE), 0);
	assert_memory_equal(back, memory, PAGE);
	assert_int_equal(ioas_dma_write(issuer, chosen, buf, 1), -EFAULT);
	assert_int_equal(newest_fault().reason, IOAS_FAULT_NO_WRITE);
	unmap(chosen, NR * PAGE);
	assert_int_equal(ioas_dma_read(issuer, chosen, back, 1), -EFAULT);
	assert_int_equal(newest_fault().reason, IOAS_FAULT_NOT_MAPPED);
	munmap(memory, NR * PAGE);
}

static void a_contiguous_range_is_lent_as_one_span_of_few_leaves(void **arg)
{
	size_t len = 64ul << 20;
	char *memory = pages(len / PAGE + 1) + PAGE; /* nothing is aligned but the IOVA */
	struct ioas_tlp tlp = {.addr = 0x40000000, .len = len, .op = IOAS_TLP_WRITE};
	uint64_t before = ioas_device_counters(dev)->translations;
	struct ioas_dma dma;

	assert_int_equal(map_at(tlp.addr, memory, len, RW), 0);
	ioas_dma_init(&dma, issuer);
	assert_int_equal(ioas_dma_add(&dma, &tlp), 0);
	assert_int_equal(dma.iov_nr, 1);
	assert_ptr_equal(dma.iov[0].iov_base, memory);
	assert_int_equal(dma.iov[0].iov_len, len);
	assert_true(ioas_device_counters(dev)->translations - before <= 4);
	ioas_dma_fini(&dma);
	unmap(tlp.addr, len);
	munmap(memory - PAGE, len + PAGE);
}

static void memory_that_is_not_there_cannot_be_mapped(void **arg)
{
	char *memory = pages(3);

	munmap(memory + PAGE, PAGE);
	mprotect(memory + 2 * PAGE, PAGE, PROT_READ);
	assert_int_equal(map_at(0x10000000, memory, 3 * PAGE, RW), -EFAULT);
	assert_int_equal(map_at(0x10000000, memory + 2 * PAGE, PAGE, RW), -EFAULT);
	assert_int_equal(map_at(0x10000000, memory + 2 * PAGE, PAGE, IOAS_MAP_READ), 0);
	unmap(0x10000000, PAGE);
	munmap(memory, PAGE);
	munmap(memory + 2 * PAGE, PAGE);
}

/* A second mapping of the same pages stays in steady use while the first is unmapped. */
struct user {
	pthread_t thread;
	struct ioas_issuer *issuer;
	iova_t iova;
	uint64_t len;
	_Atomic bool stop;
	_Atomic uint64_t passed;
};

/* Two transfers that overlap, so that the pages are lent out without a gap. */
static void *lend_without_a_gap(void *arg)
{
	struct user *user = arg;
	struct ioas_tlp tlp = {.addr = user->iova, .len = user->len, .op = IOAS_TLP_WRITE};
	struct ioas_dma dma[2];

	ioas_dma_init(&dma[0], user->issuer);
	ioas_dma_init(&dma[1], user->issuer);
	for (unsigned i = 0; !atomic_load(&user->stop); i++) {
		if (!ioas_dma_add(&dma[i % 2], &tlp))
			atomic_fetch_add(&user->passed, 1);
		ioas_dma_end(&dma[(i + 1) % 2]);
	}
	ioas_dma_fini(&dma[0]);
	ioas_dma_fini(&dma[1]);
	return NULL;
}

static void *copy_at_full_speed(void *arg)
{
	struct user *user = arg;
	char shells[2 * PAGE];

	memset(shells, 0xd1, sizeof(shells));
	while (!atomic_load(&user->stop))
		if (!ioas_dma_write(user->issuer, user->iova, shells, user->len))
			atomic_fetch_add(&user->passed, 1);
	return NULL;
}

static void start(struct user *user, void *(*run)(void *arg))
{
	assert_int_equal(ioas_issuer_new(dev, &user->issuer), 0);
	pthread_create(&user->thread, NULL, run, user);
}

static void stop(struct user *user)
{
	atomic_store(&user->stop, true);
	pthread_join(user->thread, NULL);
	ioas_issuer_destroy(user->issuer);
}

static void wait_for_use(struct user *user)
{
	uint64_t before = atomic_load(&user->passed);

	while (atomic_load(&user->passed) < before + 2)
		sched_yield();
}

static void unmap_ends_while_a_copy_of_the_mapping_is_in_steady_use(void **arg)
{
	struct user user = {.iova = 0x20000000, .len = 2 * PAGE};
	char *memory = pages(2);
	iova_t copy = user.iova;

	assert_int_equal(map_at(0x10000000, memory, 2 * PAGE, RW), 0);
	assert_int_equal(ioas_space_copy(space, &copy, space, 0x10000000, 2 * PAGE,
					 RW | IOAS_MAP_FIXED, NULL),
			 0);
	start(&user, lend_without_a_gap);
	for (int i = 0; i < 50; i++) {
		wait_for_use(&user);
		unmap(0x10000000, 2 * PAGE);
		copy = 0x10000000;
		assert_int_equal(ioas_space_copy(space, &copy, space, user.iova, 2 * PAGE,
						 RW | IOAS_MAP_FIXED, NULL),
				 0);
	}
	stop(&user);
	unmap(0x10000000, 2 * PAGE);
	unmap(user.iova, 2 * PAGE);
	munmap(memory, 2 * PAGE);
}

static void nothing_is_written_after_unmap_returns(void **arg)
{
	struct user user = {.iova = 0x30000000, .len = 2 * PAGE};
	char *memory = pages(2);

	start(&user, copy_at_full_speed);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(map_at(user.iova, memory, 2 * PAGE, RW), 0);
		wait_for_use(&user);
		unmap(user.iova, 2 * PAGE);
		memset(memory, 0x5c, 2 * PAGE);
		for (int look = 0; look < 3; look++) {
			for (size_t at = 0; at < 2 * PAGE; at++)
				if (memory[at] != 0x5c)
					fail_msg("byte %zu was overwritten", at);
			sched_yield();
		}
	}
	stop(&user);
	munmap(memory, 2 * PAGE);
}

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
	if (!ioas_guard_fixup(ucontext))
		_exit(99);
}

/* The page at `at` from now on: one that is there, or the page of an empty file. */
static void put_page(char *at, int file)
{
	int flags = MAP_FIXED | (file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);

	assert_ptr_equal(mmap(at, PAGE, PROT_READ | PROT_WRITE, flags, file, 0), at);
}

/* Memory comes and goes under DMA, without UNMAP: faults, and never a crash. */
static void memory_may_vanish_under_dma(void **arg)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	struct user user = {.iova = 0x30000000, .len = 2 * PAGE};
	int empty = memfd_create("empty", MFD_CLOEXEC);
	char *memory = pages(2);

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	ioas_guard_enable(true);
	assert_int_equal(map_at(user.iova, memory, 2 * PAGE, RW), 0);
	start(&user, copy_at_full_speed);
	for (int i = 0; i < 100; i++) {
		uint64_t faults =
			__atomic_load_n(&ioas_device_counters(dev)->faults, __ATOMIC_RELAXED);

		wait_for_use(&user);
		put_page(memory + PAGE, empty);
		while (__atomic_load_n(&ioas_device_counters(dev)->faults, __ATOMIC_RELAXED) ==
		       faults)
			sched_yield();
		put_page(memory + PAGE, -1);
	}
	stop(&user);
	close(empty);
	ioas_guard_enable(false);
	assert_int_equal(newest_fault().reason, IOAS_FAULT_MEMORY);
	/* The first byte that was refused: the page may have gone in the middle of a copy. */
	assert_in_range(newest_fault().addr, user.iova + PAGE, user.iova + 2 * PAGE - 1);
	unmap(user.iova, 2 * PAGE);
	munmap(memory, 2 * PAGE);
}

static void a_second_device_and_a_second_space_stay_apart(void **arg)
{
	struct ioas_space *other;
	struct ioas_device *second;
	struct ioas_issuer *from_second;
	char *memory = pages(2), byte = 0;
	iova_t iova = 0x50000000;

	assert_int_equal(ioas_space_new(iommu, &other), 0);
	assert_int_equal(route_device_new(iommu, "0000:02:00.0", 0, 0x200, &second), 0);
	assert_int_equal(ioas_device_bind(second, IOAS_FORM_RID, 0, NULL), 0);
	route_dma_enable(second, true);
	assert_int_equal(ioas_device_attach(second, other, NULL), 0);
	assert_int_equal(ioas_issuer_new(second, &from_second), 0);
	memory[0] = 1;
	memory[PAGE] = 2;
	assert_int_equal(map_at(iova, memory, PAGE, RW), 0);
	assert_int_equal(ioas_space_map(other, NULL, &iova, (uintptr_t)memory + PAGE, PAGE,
					RW | IOAS_MAP_FIXED, NULL),
			 0);
	assert_int_equal(ioas_dma_read(issuer, iova, &byte, 1), 0);
	assert_int_equal(byte, 1);
	assert_int_equal(ioas_dma_read(from_second, iova, &byte, 1), 0);
	assert_int_equal(byte, 2);
	/* Replace: from here on the second device sees what the first one does. */
	assert_int_equal(ioas_device_attach(second, space, NULL), 0);
	assert_int_equal(ioas_dma_read(from_second, iova, &byte, 1), 0);
	assert_int_equal(byte, 1);
	unmap(iova, PAGE);
	assert_int_equal(ioas_dma_read(from_second, iova, &byte, 1), -EFAULT);
	ioas_issuer_destroy(from_second);
	ioas_device_detach(second);
	ioas_device_unbind(second);
	route_device_destroy(second);
	ioas_space_put(other);
	munmap(memory, 2 * PAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_where_the_program_mapped_them),
		cmocka_unit_test(a_contiguous_range_is_lent_as_one_span_of_few_leaves),
		cmocka_unit_test(memory_that_is_not_there_cannot_be_mapped),
		cmocka_unit_test(unmap_ends_while_a_copy_of_the_mapping_is_in_steady_use),
		cmocka_unit_test(nothing_is_written_after_unmap_returns),
		cmocka_unit_test(memory_may_vanish_under_dma),
		cmocka_unit_test(a_second_device_and_a_second_space_stay_apart),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
