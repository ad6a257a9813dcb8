/* SPDX-License-Identifier: MIT */
/*
 * Description: dirty tracking from a device's write to the bits that a program reads: exactly the
 * pages written, and a copy made by the bits, while devices go on writing, ends up equal.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>
#include "dma_world.h"
#include "mem/mem.h"
#include "space/space.h"

#define NR   600u /* pages, in two tables */
#define BASE (0x40000000ul + 300 * PAGE)

static struct pt *pt;
static char *memory;

static int setup_dirty(void **arg)
{
	static const struct pt_config config = {
		.format = PT_AMDV1, .aw = 48, .max_leaf_lg2 = 12, .dirty = true};
	iova_t iova = BASE;

	setup(arg);
	ioas_device_detach(dev);
	assert_int_equal(pt_new(&config, &pt), 0);
	assert_int_equal(space_domain_attach(space, pt, NULL), 0);
	assert_int_equal(route_attach(dev, NULL, pt, NULL), 0);
	memory = mmap(NULL, NR * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(ioas_space_map(space, NULL, &iova, (uintptr_t)memory, NR * PAGE,
					RW | IOAS_MAP_FIXED, NULL),
			 0);
	return 0;
}

static int teardown_dirty(void **arg)
{
	ioas_device_detach(dev);
	space_domain_detach(space, pt);
	pt_destroy(pt);
	teardown(arg);
	munmap(memory, NR * PAGE);
	return 0;
}

/* Fills dirty[i] for each page; returns how many are. */
static unsigned read_dirty(bool *dirty, bool clear)
{
	struct ioas_range runs[16];
	struct pt_dirty read = {.first = BASE,
				.last = BASE + NR * PAGE - 1,
				.clear = clear,
				.runs = runs,
				.max = 16};
	unsigned nr = 0;
	bool all;

	memset(dirty, 0, NR);
	do {
		all = space_dirty_read(space, pt, &read);
		for (size_t i = 0; i < read.nr; i++) {
			for (iova_t at = runs[i].first; at <= runs[i].last; at += PAGE, nr++)
				dirty[(at - BASE) / PAGE] = true;
		}
	} while (!all);
	return nr;
}

static void only_writes_while_it_is_on_are_told(void **arg)
{
	bool dirty[NR];
	char buf[3 * PAGE] = {1};

	assert_int_equal(ioas_dma_write(issuer, BASE, buf, PAGE), 0);
	assert_int_equal(read_dirty(dirty, true), 0);
	space_dirty_track(space, pt, true);
	assert_int_equal(read_dirty(dirty, true), 0);
	assert_int_equal(ioas_dma_read(issuer, BASE, buf, sizeof(buf)), 0);
	assert_int_equal(read_dirty(dirty, true), 0);
	assert_int_equal(ioas_dma_write(issuer, BASE + 5 * PAGE + 1, buf, 2 * PAGE), 0);
	assert_int_equal(ioas_dma_store(issuer, BASE + 599 * PAGE + 8, 7, 8), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(read_dirty(dirty, i > 0), i < 2 ? 4 : 0);
		assert_int_equal(dirty[5] && dirty[6] && dirty[7] && dirty[599], i < 2);
	}
	assert_int_equal(ioas_dma_write(issuer, BASE, buf, 1), 0);
	space_dirty_track(space, pt, true);
	assert_int_equal(read_dirty(dirty, true), 0);
	space_dirty_track(space, pt, false);
	assert_int_equal(ioas_dma_write(issuer, BASE, buf, 1), 0);
	assert_int_equal(read_dirty(dirty, true), 0);
}

/* Who reads bit by bit and stops is told the next time what was written since. */
static void reading_a_part_begins_anew_for_it(void **arg)
{
	struct ioas_range run;
	struct pt_dirty read = {
		.first = BASE, .last = BASE + NR * PAGE - 1, .clear = true, .runs = &run, .max = 1};
	bool dirty[NR];
	char byte = 1;

	space_dirty_track(space, pt, true);
	assert_int_equal(ioas_dma_write(issuer, BASE + 40 * PAGE, &byte, 1), 0);
	assert_int_equal(ioas_dma_write(issuer, BASE + 30 * PAGE, &byte, 1), 0);
	assert_false(space_dirty_read(space, pt, &read));
	assert_int_equal(run.first, BASE + 30 * PAGE);
	assert_int_equal(ioas_dma_write(issuer, BASE + 30 * PAGE, &byte, 1), 0);
	assert_int_equal(read_dirty(dirty, true), 2);
	assert_true(dirty[30] && dirty[40]);
}

static void a_refused_write_is_not_told(void **arg)
{
	iova_t iova = BASE + 2 * NR * PAGE;
	struct ioas_range run;
	struct pt_dirty read = {.last = UINT64_MAX, .clear = true, .runs = &run, .max = 1};
	char byte = 1;

	assert_int_equal(ioas_space_map(space, NULL, &iova, (uintptr_t)memory, PAGE,
					IOAS_MAP_READ | IOAS_MAP_FIXED, NULL),
			 0);
	space_dirty_track(space, pt, true);
	assert_int_equal(ioas_dma_write(issuer, iova, &byte, 1), -EFAULT);
	assert_int_equal(ioas_dma_write(issuer, BASE - 1, &byte, 1), -EFAULT);
	assert_true(space_dirty_read(space, pt, &read));
	assert_int_equal(read.nr, 0);
}

static void a_span_is_dirty_when_lent_and_when_it_is_back(void **arg)
{
	struct ioas_tlp tlp = {.addr = BASE + 9 * PAGE, .len = 2 * PAGE, .op = IOAS_TLP_WRITE};
	struct ioas_dma dma;
	bool dirty[NR];

	ioas_dma_init(&dma, issuer);
	assert_int_equal(ioas_dma_add(&dma, &tlp), 0);
	/* Switched on under a span: its end counts. */
	space_dirty_track(space, pt, true);
	ioas_dma_end(&dma);
	assert_int_equal(read_dirty(dirty, true), 2);
	assert_int_equal(ioas_dma_add(&dma, &tlp), 0);
	assert_int_equal(read_dirty(dirty, true), 2);
	assert_int_equal(read_dirty(dirty, true), 0);
	ioas_dma_end(&dma);
	assert_int_equal(read_dirty(dirty, true), 2);
	assert_true(dirty[9] && dirty[10]);
	/* Lent for reading, or taken back because the rest is not there: nothing new. */
	tlp.op = IOAS_TLP_READ;
	assert_int_equal(ioas_dma_add(&dma, &tlp), 0);
	ioas_dma_end(&dma);
	assert_int_equal(read_dirty(dirty, true), 0);
	ioas_dma_fini(&dma);
}

struct unmapper {
	pthread_t thread;
	_Atomic bool done;
};

static void *unmap_all(void *arg)
{
	struct unmapper *unmapper = arg;

	assert_int_equal(ioas_space_unmap(space, BASE, BASE + NR * PAGE - 1, NULL, NULL), 0);
	atomic_store(&unmapper->done, true);
	return NULL;
}

/* The end of a span looks through tables that UNMAP has taken out, and still has to keep. */
static void a_span_comes_back_under_unmap(void **arg)
{
	struct ioas_tlp tlp = {.addr = BASE, .len = NR * PAGE, .op = IOAS_TLP_WRITE};
	struct unmapper unmapper = {0};
	struct pt_walk walk;
	struct ioas_dma dma;

	space_dirty_track(space, pt, true);
	ioas_dma_init(&dma, issuer);
	assert_int_equal(ioas_dma_add(&dma, &tlp), 0);
	assert_int_equal(pthread_create(&unmapper.thread, NULL, unmap_all, &unmapper), 0);
	while (!pt_walk(pt, BASE, &walk) || !pt_walk(pt, BASE + (NR - 1) * PAGE, &walk))
		sched_yield();
	assert_false(atomic_load(&unmapper.done));
	ioas_dma_end(&dma);
	pthread_join(unmapper.thread, NULL);
	ioas_dma_fini(&dma);
}

/* Writes random pieces in each of the ways a model can, until told to stop. */
struct writer {
	pthread_t thread;
	struct ioas_issuer *issuer;
	uint32_t seed;
	unsigned left; /* 0: until stop */
	_Atomic bool *stop;
	bool wrote[NR];
};

static uint32_t rnd(struct writer *writer, uint32_t below)
{
	writer->seed = writer->seed * 1664525 + 1013904223;
	return (writer->seed >> 8) % below;
}

static void write_once(struct writer *writer, struct ioas_dma *dma)
{
	struct ioas_tlp tlp = {.op = IOAS_TLP_WRITE};
	uint64_t off = rnd(writer, NR * PAGE), len = 1 + rnd(writer, 3 * PAGE);
	char buf[3 * PAGE];

	if (len > NR * PAGE - off)
		len = NR * PAGE - off;
	memset(buf, (int)rnd(writer, 256), len);
	switch (rnd(writer, 3)) {
	case 0:
		off &= ~7ul;
		len = 8;
		assert_int_equal(ioas_dma_store(writer->issuer, BASE + off, writer->seed, 8), 0);
		break;
	case 1:
		assert_int_equal(ioas_dma_write(writer->issuer, BASE + off, buf, len), 0);
		break;
	default:
		tlp.addr = BASE + off;
		tlp.len = len;
		assert_int_equal(ioas_dma_add(dma, &tlp), 0);
		sched_yield();
		/* As the engine copies: writers meet, and that is what is meant. */
		for (unsigned i = 0; i < dma->iov_nr; i++)
			mem_guard_copy(dma->iov[i].iov_base, buf, dma->iov[i].iov_len);
		ioas_dma_end(dma);
	}
	for (uint64_t page = off / PAGE; page <= (off + len - 1) / PAGE; page++)
		writer->wrote[page] = true;
}

static void *write_along(void *arg)
{
	struct writer *writer = arg;
	struct ioas_dma dma;

	ioas_dma_init(&dma, writer->issuer);
	for (unsigned i = 0; writer->left ? i < writer->left : !atomic_load(writer->stop); i++)
		write_once(writer, &dma);
	ioas_dma_fini(&dma);
	return NULL;
}

static void start(struct writer *writer, uint32_t seed, unsigned left, _Atomic bool *stop)
{
	*writer = (struct writer){.seed = seed, .left = left, .stop = stop};
	assert_int_equal(ioas_issuer_new(dev, &writer->issuer), 0);
	assert_int_equal(pthread_create(&writer->thread, NULL, write_along, writer), 0);
}

static void finish(struct writer *writer)
{
	pthread_join(writer->thread, NULL);
	ioas_issuer_destroy(writer->issuer);
}

static void several_writers_make_exactly_their_bits(void **arg)
{
	struct writer writer[3];
	bool dirty[NR], again[NR];

	space_dirty_track(space, pt, true);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 3; i++)
			start(&writer[i], round * 3 + i, 20, NULL);
		/* Read, not cleared, while they write: nothing that is not theirs. */
		read_dirty(again, false);
		for (unsigned i = 0; i < 3; i++)
			finish(&writer[i]);
		read_dirty(dirty, true);
		for (unsigned page = 0; page < NR; page++) {
			bool wrote = writer[0].wrote[page] || writer[1].wrote[page] ||
				     writer[2].wrote[page];

			assert_int_equal(dirty[page], wrote);
			assert_true(dirty[page] || !again[page]);
		}
	}
}

/* What a migration does. */
static void a_copy_made_by_the_bits_ends_up_equal(void **arg)
{
	static _Atomic bool stop;
	char *copy = calloc(NR, PAGE);
	struct writer writer[2];
	bool dirty[NR];

	space_dirty_track(space, pt, true);
	mem_guard_copy(copy, memory, NR * PAGE);
	for (unsigned i = 0; i < 2; i++)
		start(&writer[i], 77 + i, 0, &stop);
	for (unsigned round = 0; round < 400; round++) {
		if (round == 399) {
			atomic_store(&stop, true);
			finish(&writer[0]);
			finish(&writer[1]);
		}
		read_dirty(dirty, true);
		for (unsigned page = 0; page < NR; page++)
			if (dirty[page])
				mem_guard_copy(copy + page * PAGE, memory + page * PAGE, PAGE);
	}
	assert_memory_equal(copy, memory, NR * PAGE);
	free(copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_dirty, teardown_dirty)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(only_writes_while_it_is_on_are_told),
		TEST(reading_a_part_begins_anew_for_it),
		TEST(a_refused_write_is_not_told),
		TEST(a_span_is_dirty_when_lent_and_when_it_is_back),
		TEST(a_span_comes_back_under_unmap),
		TEST(several_writers_make_exactly_their_bits),
		TEST(a_copy_made_by_the_bits_ends_up_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
