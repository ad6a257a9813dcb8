/* SPDX-License-Identifier: MIT */
/*
 * Description: dirty bits while devices write and the program unmaps. Two threads write in flight
 * to pages of many tables, each page again as soon as it was told; a third unmaps and maps ranges;
 * a reader collects in small pieces. A write that was over when a reading began must be told by it
 * unless its page was unmapped; and told is only what was written, once a write.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "formats.h"
#include "pt/mark.h"
#include "tests/unit/rnd.h"
#include "tlp/inflight.h"

#define PA_BASE (1ull << 40)
#define PAGES	4096u
#define RANGE	64u /* pages mapped and unmapped at a time */
#define STRIDE	(1ull << 29)
#define ROUNDS	60u
#define RW	(IOAS_PROT_READ | IOAS_PROT_WRITE)
#define WRITERS 2u
#define LINES	3u
#define TAKES	2u

struct world {
	struct pt *pt;
	struct inflight inflight;
	pthread_mutex_t lock;		  /* the space's: reading, mapping and unmapping */
	unsigned remapped[PAGES / RANGE]; /* how often (lock) */
	_Atomic bool written[PAGES];	  /* and not told yet */
	bool due[PAGES];		  /* (lock) and must be told by the reading that goes on */
	_Atomic unsigned pieces;	  /* that were read */
	_Atomic bool stop;
	uint64_t page_len;
};

struct writer {
	struct world *world;
	uint64_t seed;
	unsigned first; /* of its pages, every WRITERS-th */
};

static uint64_t next(uint64_t *seed)
{
	return rnd_next(seed);
}

/* Ranges lie far apart, so that each has tables of its own at several levels. */
static iova_t iova_of(const struct world *world, unsigned page)
{
	return page / RANGE * STRIDE + page % RANGE * world->page_len;
}

static unsigned page_of(const struct world *world, iova_t iova)
{
	return (unsigned)(iova / STRIDE * RANGE + iova % STRIDE / world->page_len);
}

static void *write_along(void *arg)
{
	struct writer *writer = arg;
	struct world *world = writer->world;
	struct inflight_mark mark = {0};

	inflight_add(&world->inflight, &mark);
	while (!atomic_load_explicit(&world->stop, memory_order_relaxed)) {
		unsigned page = next(&writer->seed) % (PAGES / WRITERS) * WRITERS + writer->first;
		struct pt_walk walk;

		inflight_enter(&mark);
		if (!atomic_load_explicit(&world->written[page], memory_order_relaxed) &&
		    !pt_walk(world->pt, iova_of(world, page), &walk)) {
			pt_dirty_mark(world->pt, &walk);
			atomic_store_explicit(&world->written[page], true, memory_order_relaxed);
		}
		inflight_leave(&mark);
	}
	inflight_del(&world->inflight, &mark);
	return NULL;
}

static void map_range(struct world *world, unsigned range)
{
	iova_t iova = iova_of(world, range * RANGE);

	assert_int_equal(pt_map(world->pt, iova, PA_BASE + iova, RANGE * world->page_len, RW), 0);
}

static void *unmap_along(void *arg)
{
	struct writer *writer = arg;
	struct world *world = writer->world;
	unsigned seen = 0;

	while (!atomic_load_explicit(&world->stop, memory_order_relaxed)) {
		unsigned range = (unsigned)(next(&writer->seed) % (PAGES / RANGE));
		iova_t first = iova_of(world, range * RANGE);
		struct pt_gather gather = {NULL};

		pthread_mutex_lock(&world->lock);
		pt_unmap(world->pt, first, first + RANGE * world->page_len - 1, &gather);
		inflight_wait(&world->inflight);
		pt_gather_free(&gather);
		/* Whoever wrote has left: nobody will hear of it. */
		for (unsigned page = range * RANGE; page < (range + 1) * RANGE; page++) {
			atomic_store_explicit(&world->written[page], false, memory_order_relaxed);
			world->due[page] = false;
		}
		map_range(world, range);
		world->remapped[range]++;
		pthread_mutex_unlock(&world->lock);
		/* In turns: a lock alone lets one of two starve. */
		while (atomic_load(&world->pieces) - seen < 8 && !atomic_load(&world->stop))
			sched_yield();
		seen = atomic_load(&world->pieces);
	}
	return NULL;
}

/* Who marked these has left, so that he has noted it, too. remapped: when they were read. */
static void told(struct world *world, const pt_dirty_line line, iova_t first,
		 const unsigned *remapped)
{
	for (unsigned bit = 0; bit < 512; bit++) {
		iova_t iova = first + bit * world->page_len;
		unsigned page;

		if (!(line[bit / 64] >> bit % 64 & 1))
			continue;
		page = page_of(world, iova);
		assert_true(iova % STRIDE < RANGE * world->page_len);
		if (world->remapped[page / RANGE] != remapped[page / RANGE])
			continue;
		world->due[page] = false;
		assert_true(atomic_exchange(&world->written[page], false));
	}
}

/* Without the lock, while others unmap, and tables and their bits come to be others'. */
static void take(struct world *world, const struct pt_dirty *read, const unsigned *remapped)
{
	for (size_t i = 0; i < read->take_nr; i++)
		for (size_t k = 0; k < read->takes[i].nr; k++) {
			pt_dirty_line line;

			pt_dirty_move(&read->takes[i], k, 1, &line);
			pthread_mutex_lock(&world->lock);
			told(world, line, read->takes[i].first + k * 512 * world->page_len,
			     remapped);
			pthread_mutex_unlock(&world->lock);
		}
}

static void collect(struct world *world, bool takes)
{
	struct ioas_range runs[1];
	iova_t line_first[LINES];
	pt_dirty_line lines[LINES];
	struct pt_dirty_take where[TAKES];
	struct pt_dirty read = {.last = UINT64_MAX,
				.clear = true,
				.inflight = &world->inflight,
				.runs = runs,
				.max = 1,
				.lines = lines,
				.line_first = line_first,
				.line_max = LINES,
				.takes = takes ? where : NULL,
				.take_max = TAKES};
	unsigned remapped[PAGES / RANGE];
	bool all;

	pthread_mutex_lock(&world->lock);
	for (unsigned page = 0; page < PAGES; page++)
		world->due[page] = atomic_load(&world->written[page]);
	do {
		all = pt_dirty_read(world->pt, &read);
		memcpy(remapped, world->remapped, sizeof(remapped));
		assert_int_equal(read.nr, 0);
		for (size_t i = 0; i < read.line_nr; i++)
			told(world, lines[i], line_first[i], remapped);
		pthread_mutex_unlock(&world->lock);
		atomic_fetch_add(&world->pieces, 1);
		sched_yield();
		take(world, &read, remapped);
		pthread_mutex_lock(&world->lock);
	} while (!all);
	if (takes)
		pt_dirty_end(world->pt);
	for (unsigned page = 0; page < PAGES; page++)
		assert_false(world->due[page]);
	pthread_mutex_unlock(&world->lock);
}

static void run(struct world *world)
{
	struct writer writer[WRITERS + 1];
	pthread_t thread[WRITERS + 1];

	for (unsigned i = 0; i <= WRITERS; i++) {
		writer[i] = (struct writer){world, 88172645463325252ull + i, i};
		assert_int_equal(pthread_create(&thread[i], NULL,
						i < WRITERS ? write_along : unmap_along,
						&writer[i]),
				 0);
	}
	for (unsigned round = 0; round < ROUNDS; round++)
		collect(world, round % 4);
	atomic_store(&world->stop, true);
	for (unsigned i = 0; i <= WRITERS; i++)
		pthread_join(thread[i], NULL);
	collect(world, true);
	for (unsigned page = 0; page < PAGES; page++)
		assert_false(atomic_load(&world->written[page]));
}

static void a_write_is_told_once_whatever_goes_on(void **state)
{
	static const struct pt_config config[] = {
		{PT_AMDV1, 48, 12, .dirty = true},
		{PT_ARM_LPAE_S2_16K, 40, 14, .dirty = true},
	};

	for (unsigned c = 0; c < 2; c++) {
		struct world *world = calloc(1, sizeof(*world));

		assert_non_null(world);
		assert_int_equal(pt_new(&config[c], &world->pt), 0);
		world->page_len = 1ull << pt_page_lg2(world->pt);
		inflight_init(&world->inflight);
		pthread_mutex_init(&world->lock, NULL);
		for (unsigned range = 0; range < PAGES / RANGE; range++)
			map_range(world, range);
		run(world);
		pthread_mutex_destroy(&world->lock);
		inflight_fini(&world->inflight);
		pt_destroy(world->pt);
		free(world);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_is_told_once_whatever_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
