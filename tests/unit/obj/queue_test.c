/* SPDX-License-Identifier: MIT */
/* Description: queues of a viommu, of events and in hardware; and all of it at every failure. */
#include <sched.h>
#include "rig.h"

/* What was read. */
struct got {
	uint8_t bytes[64];
	int fail_at; /* the write of that number fails, from 1 */
};

static int store(void *arg, size_t at, const void *data, size_t len)
{
	struct got *got = arg;

	if (got->fail_at && !--got->fail_at)
		return -EFAULT;
	assert_true(at + len <= sizeof(got->bytes));
	memcpy(got->bytes + at, data, len);
	return 0;
}

static void expect_event(struct obj_veventq *queue, uint32_t sequence, uint32_t value)
{
	struct got got = {{0}};
	uint32_t words[3];

	assert_int_equal(obj_veventq_read(queue, sizeof(got.bytes), store, &got), 12);
	memcpy(words, got.bytes, 12);
	assert_int_equal(words[0], 0);
	assert_int_equal(words[1], sequence);
	assert_int_equal(words[2], value);
}

static void expect_lost(struct obj_veventq *queue, uint32_t sequence)
{
	struct got got = {{0}};
	uint32_t words[2];

	assert_int_equal(obj_veventq_read(queue, 8, store, &got), 8);
	memcpy(words, got.bytes, 8);
	assert_int_equal(words[0], IOMMU_VEVENTQ_FLAG_LOST_EVENTS);
	assert_int_equal(words[1], sequence);
}

static void expect_nothing(struct obj_veventq *queue)
{
	struct got got = {{0}};

	assert_int_equal(obj_veventq_read(queue, sizeof(got.bytes), store, &got), 0);
}

static void note_ready(void *arg, bool ready)
{
	*(int *)arg = ready;
}

static void lost_events_are_told_at_the_end(void **state)
{
	struct rig *r = *state;
	struct obj_veventq *queue, *second;
	int ready = -1;

	assert_int_equal(report(r, 1), -EOPNOTSUPP);
	assert_int_equal(events_new(r, 2, &queue), 0);
	assert_int_equal(events_new(r, 2, &second), -EEXIST);
	obj_veventq_watch(queue, note_ready, &ready);
	expect_nothing(queue);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(report(r, 100 + i), 0);
	assert_int_equal(ready, 1);
	expect_event(queue, 0, 100);
	expect_event(queue, 1, 101);
	expect_lost(queue, 4);
	expect_nothing(queue);
	assert_int_equal(ready, 0);
	/* The header goes when an event comes behind it: the gap says the same. */
	for (uint32_t i = 5; i < 8; i++)
		assert_int_equal(report(r, 100 + i), 0);
	expect_event(queue, 5, 105);
	assert_int_equal(report(r, 108), 0);
	expect_event(queue, 6, 106);
	expect_event(queue, 8, 108);
	expect_nothing(queue);
	assert_int_equal(destroy(r, &r->viommu->obj), -EBUSY);
	assert_int_equal(report(r, 1), 0);
	assert_int_equal(destroy(r, obj_of_veventq(queue)), 0);
}

static void an_event_that_is_not_taken_stays(void **state)
{
	struct rig *r = *state;
	struct obj_veventq *queue;
	struct got got = {.fail_at = 2};

	assert_int_equal(events_new(r, 1, &queue), 0);
	assert_int_equal(report(r, 7), 0);
	assert_int_equal(report(r, 8), 0);
	assert_int_equal(obj_veventq_read(queue, 11, store, &got), -EINVAL);
	assert_int_equal(obj_veventq_read(queue, 12, store, &got), -EFAULT);
	expect_event(queue, 0, 7);
	got.fail_at = 1;
	assert_int_equal(obj_veventq_read(queue, 8, store, &got), -EFAULT);
	expect_lost(queue, 1);
	inject_arm(1); /* no memory: lost, too */
	assert_int_equal(report(r, 9), -ENOMEM);
	inject_arm(0);
	expect_lost(queue, 2);
}

static void a_queue_locks_its_memory(void **state)
{
	struct rig *r = *state;
	struct obj_hw_queue *a, *b;

	assert_int_equal(queue_new(r, 0, IOVA - PAGE, 2 * PAGE, &a), -ENOENT);
	assert_int_equal(queue_new(r, 0, IOVA + 3 * PAGE, 2 * PAGE, &a), -ENOENT);
	assert_int_equal(queue_new(r, 9, IOVA - PAGE, PAGE, &a), -ENOENT); /* before the kind's */
	assert_int_equal(queue_new(r, 2, IOVA, PAGE, &a), -EINVAL);
	assert_int_equal(queue_new(r, 1, IOVA, PAGE, &a), -EIO);
	assert_int_equal(queue_new(r, 0, IOVA, PAGE, &a), 0);
	assert_int_equal(queue_new(r, 1, IOVA + 100, 100, &b), 0);
	assert_int_equal(destroy(r, &a->obj), -EBUSY);
	assert_int_equal(unmap(r, IOVA, 2 * PAGE), -EBUSY);
	assert_int_equal(unmap(r, IOVA, PAGE), -EBUSY); /* before that it would be cut */
	assert_int_equal(unmap(r, IOVA + 2 * PAGE, 2 * PAGE), 0);
	assert_int_equal(destroy(r, &b->obj), 0);
	assert_int_equal(unmap(r, IOVA, 2 * PAGE), -EBUSY);
	assert_int_equal(destroy(r, &a->obj), 0);
	assert_int_equal(unmap(r, IOVA, PAGE), -ENOENT);
	assert_int_equal(unmap(r, IOVA, 2 * PAGE), 0);
}

/* While one is there; and none comes while something is mapped that is not so. */
static void a_queue_needs_whole_pages(void **state)
{
	struct rig *r = *state;
	iova_t half = IOVA + 16 * PAGE + PAGE / 2;
	struct obj_hw_queue *queue;
	uint32_t flags = IOAS_MAP_READ | IOAS_MAP_FIXED;

	assert_int_equal(ioas_space_alignment(r->ioas->space), PAGE / 2);
	assert_int_equal(ioas_space_map(r->ioas->space, NULL, &half,
					(uintptr_t)r->memory + PAGE / 2, PAGE / 2, flags, &r->why),
			 0);
	assert_int_equal(queue_new(r, 0, IOVA, PAGE, &queue), -EADDRINUSE);
	assert_int_equal(unmap(r, half, PAGE / 2), 0);
	assert_int_equal(queue_new(r, 0, IOVA, PAGE, &queue), 0);
	assert_int_equal(ioas_space_alignment(r->ioas->space), PAGE);
	assert_int_equal(destroy(r, &queue->obj), 0);
	assert_int_equal(ioas_space_alignment(r->ioas->space), PAGE / 2);
}

/* Pieces of memory far from one another, mapped side by side. */
static void a_queue_must_be_contiguous(void **state)
{
	struct rig *r = *state;
	struct obj_hw_queue *queue;

	map(r, IOVA + 8 * PAGE, r->memory + 3 * PAGE, PAGE);
	map(r, IOVA + 9 * PAGE, r->memory, PAGE);
	assert_int_equal(queue_new(r, 0, IOVA + 8 * PAGE, PAGE + 1, &queue), -EFAULT);
	assert_int_equal(queue_new(r, 0, IOVA + 8 * PAGE, PAGE, &queue), 0);
	assert_int_equal(destroy(r, &queue->obj), 0);
}

/* All that was made goes, in whatever order it can. */
static void the_context_takes_all_along(void **state)
{
	struct rig *r = *state;
	struct obj_hw_queue *a, *b;
	struct obj_vdevice *vdevice;
	struct obj_veventq *events;

	assert_int_equal(vdevice_new(r, 0, 1, &vdevice), 0);
	assert_int_equal(events_new(r, 1, &events), 0);
	assert_int_equal(report(r, 1), 0);
	assert_int_equal(report(r, 1), 0);
	assert_int_equal(queue_new(r, 0, IOVA, PAGE, &a), 0);
	assert_int_equal(queue_new(r, 1, IOVA, 4 * PAGE, &b), -EFAULT);
	assert_int_equal(queue_new(r, 1, IOVA + PAGE, PAGE, &b), 0);
	assert_int_equal(map_region(r, PAGE, 2 * PAGE), 0);
}

/* One of each, as far as it goes; then they go, which takes no memory. */
static int life(struct rig *r)
{
	struct obj_viommu *first = r->viommu;
	struct obj *made[8];
	size_t nr = 0;
	int rc = viommu_new(r, r->parent, (struct obj_viommu **)&made[nr]);

	if (!rc) {
		r->viommu = (struct obj_viommu *)made[nr++];
		rc = vdevice_new(r, 0, 1, (struct obj_vdevice **)&made[nr]);
		nr += !rc;
	}
	if (!rc) {
		rc = events_new(r, 4, (struct obj_veventq **)&made[nr]);
		nr += !rc;
	}
	if (!rc)
		rc = report(r, 1);
	for (uint32_t i = 0; !rc && i < 2; i++) {
		rc = queue_new(r, i, IOVA, PAGE, (struct obj_hw_queue **)&made[nr]);
		nr += !rc;
	}
	if (inject_remaining())
		assert_int_equal(rc, 0);
	inject_arm(0);
	while (nr)
		assert_int_equal(destroy(r, made[--nr]), 0);
	r->viommu = first;
	return rc;
}

static void each_point_can_fail(void **state)
{
	struct rig *r = *state;
	unsigned nth = 1;
	int rc;

	do {
		inject_arm(nth++);
		rc = life(r);
		assert_true(!rc || rc == -ENOMEM || rc == -EFAULT);
	} while (rc);
	assert_true(nth > 8);
	assert_int_equal(unmap(r, IOVA, 4 * PAGE), 0);
	assert_int_equal(destroy(r, &r->viommu->obj), 0);
	assert_int_equal(destroy(r, &r->parent->obj), 0);
}

#define REPORTS 20000u

static void *reporter(void *arg)
{
	for (uint32_t i = 0; i < REPORTS; i++)
		assert_int_equal(report(arg, i), 0);
	return NULL;
}

static int keep(void *arg, size_t at, const void *data, size_t len)
{
	memcpy((char *)arg + at, data, len);
	return 0;
}

/* Numbers never go back, and an event's is its own. */
static void readers_and_reporters_meet(void **state)
{
	struct rig *r = *state;
	struct obj_veventq *queue;
	uint32_t words[3], next = 0;
	pthread_t thread;

	assert_int_equal(events_new(r, 3, &queue), 0);
	assert_int_equal(pthread_create(&thread, NULL, reporter, r), 0);
	while (next < REPORTS) {
		ssize_t got = obj_veventq_read(queue, sizeof(words), keep, words);

		assert_true(got == 0 || got == 8 || got == 12);
		if (!got)
			continue;
		assert_true(words[1] >= next);
		next = words[1] + 1;
		if (got == 12)
			assert_int_equal(words[2], words[1]);
	}
	pthread_join(thread, NULL);
}

/* As a device's thread does that has a fault: it takes no lock of the context's. */
struct fault_source {
	struct obj_events *events;
	_Atomic bool stop;
	_Atomic uint32_t told;
};

static void *tell_all_the_time(void *arg)
{
	struct fault_source *source = arg;

	for (uint32_t i = 0; !atomic_load(&source->stop); i++) {
		int rc = obj_events_report(source->events, EVENTS, &i, sizeof(i));

		assert_true(!rc || rc == -EOPNOTSUPP);
		if (!rc)
			atomic_fetch_add(&source->told, 1);
	}
	obj_events_put(source->events);
	return NULL;
}

/* Queues come and go meanwhile, and at last the viommu: who tells then tells nobody. */
static void queues_go_while_somebody_tells(void **state)
{
	struct rig *r = *state;
	struct fault_source source = {.events = obj_events_get(r->viommu->events)};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, tell_all_the_time, &source), 0);
	for (unsigned i = 0; i < 200; i++) {
		uint32_t before = atomic_load(&source.told);
		struct obj_veventq *queue;

		assert_int_equal(events_new(r, 3, &queue), 0);
		/* With the context's lock held it is told all the same. */
		pthread_mutex_lock(&r->ctx->lock);
		while (atomic_load(&source.told) == before)
			sched_yield();
		pthread_mutex_unlock(&r->ctx->lock);
		assert_int_equal(destroy(r, obj_of_veventq(queue)), 0);
	}
	assert_int_equal(destroy(r, &r->viommu->obj), 0);
	atomic_store(&source.stop, true);
	pthread_join(thread, NULL);
}

/* For refusals. */
static void every_type_has_a_name_of_its_own(void **state)
{
	for (unsigned type = 0; type < OBJ_TYPE_NR; type++)
		for (unsigned other = 0; other < type; other++)
			assert_string_not_equal(obj_type_name(type), obj_type_name(other));
	assert_string_equal(obj_type_name(OBJ_TYPE_NR), "object");
	assert_string_equal(obj_type_name(OBJ_IOAS), "IOAS");
}

static void what_was_never_made_can_go(void **state)
{
	obj_events_put(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lost_events_are_told_at_the_end),
		T(an_event_that_is_not_taken_stays),
		T(a_queue_locks_its_memory),
		T(a_queue_needs_whole_pages),
		T(a_queue_must_be_contiguous),
		T(the_context_takes_all_along),
		T(each_point_can_fail),
		T(readers_and_reporters_meet),
		T(queues_go_while_somebody_tells),
		cmocka_unit_test(every_type_has_a_name_of_its_own),
		cmocka_unit_test(what_was_never_made_can_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
