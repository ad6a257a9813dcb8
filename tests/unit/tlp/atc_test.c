/* SPDX-License-Identifier: MIT */
/*
 * Description: a model's cache asks once, is right about what it remembers, makes room, gives back
 * what it is asked for; and under fire, with threads that map and unmap, nothing of it is refused
 * and no byte lands in memory that was unmapped.
 */
#include <sched.h>
#include "tlp/ats.h"

/* After that, whose arguments have the names of its variables. */
#include "tests/unit/tlp/ats_rig.h"

#define PAGES	16
#define ENTRIES 4
#define ROUNDS	150
#define GUNNERS 2
#define SHELL	((char)0xd1)
#define CANARY	((char)0x5c)

static struct ioas_atc *atc;
static char *memory[PAGES];

/* A page each, with holes between them, so that each has a translation of its own. */
static iova_t at(unsigned page)
{
	return BASE + page * 2 * PAGE;
}

static int start(void **state)
{
	rig_start(NULL);
	for (unsigned i = 0; i < PAGES; i++)
		memory[i] = rig_map(space, at(i), PAGE, i & 1 ? IOAS_MAP_READ : RW);
	assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
	assert_int_equal(ioas_atc_new(ENTRIES, &atc), 0);
	side.atc = atc;
	return 0;
}

static int stop(void **state)
{
	rig_stop();
	ioas_atc_destroy(atc);
	for (unsigned i = 0; i < PAGES; i++)
		munmap(memory[i], PAGE);
	return 0;
}

static int send(iova_t addr, uint64_t len, unsigned op, void *buf, uint64_t *done)
{
	struct ioas_tlp tlp = {.addr = addr, .len = len, .op = (uint8_t)op};

	return ioas_atc_issue(atc, issuer, &tlp, buf, done);
}

static struct ioas_atc_stats stats(void)
{
	struct ioas_atc_stats out;

	ioas_atc_stats(atc, &out);
	return out;
}

static void it_asks_once(void **state)
{
	char byte = 'x';

	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(send(at(0) + i, 1, IOAS_TLP_WRITE, &byte, NULL), 0);
	assert_memory_equal(memory[0], "xxxxx", 5);
	assert_int_equal(stats().asked, 1);
	assert_int_equal(stats().hits, 4);
	/* To read is part of it; the reverse is not. */
	assert_int_equal(send(at(0), 1, IOAS_TLP_READ, &byte, NULL), 0);
	assert_int_equal(stats().asked, 1);
	assert_int_equal(send(at(2), 1, IOAS_TLP_READ, &byte, NULL), 0);
	assert_int_equal(send(at(2), 1, IOAS_TLP_WRITE, &byte, NULL), 0);
	assert_int_equal(stats().asked, 3);
	assert_int_equal(stats().held, 2);
}

static void what_is_not_there_is_for_a_page_request(void **state)
{
	char buf[2 * PAGE];
	uint64_t done;

	assert_int_equal(send(at(1), 1, IOAS_TLP_WRITE, buf, &done), -EAGAIN);
	assert_int_equal(done, 0);
	assert_int_equal(send(at(0), sizeof(buf), IOAS_TLP_READ, buf, &done), -EAGAIN);
	assert_int_equal(done, PAGE);
	assert_int_equal(ioas_device_counters(dev)->faults, 0);
	assert_int_equal(send(at(0), 0, IOAS_TLP_READ, buf, &done), -EINVAL);
	ioas_device_detach(dev);
	assert_int_equal(send(at(0), 1, IOAS_TLP_READ, buf, &done), -EFAULT);
	assert_int_equal(rig_fault(1).reason, IOAS_FAULT_TRANSLATED);
}

static void the_least_recently_used_makes_room(void **state)
{
	char byte;

	for (unsigned i = 0; i < ENTRIES; i++)
		assert_int_equal(send(at(i), 1, IOAS_TLP_READ, &byte, NULL), 0);
	assert_int_equal(send(at(0), 1, IOAS_TLP_READ, &byte, NULL), 0);
	assert_int_equal(send(at(ENTRIES), 1, IOAS_TLP_READ, &byte, NULL), 0);
	assert_int_equal(stats().asked, ENTRIES + 1);
	assert_int_equal(stats().held, ENTRIES);
	assert_int_equal(send(at(0), 1, IOAS_TLP_READ, &byte, NULL), 0);
	assert_int_equal(stats().asked, ENTRIES + 1);
	assert_int_equal(send(at(1), 1, IOAS_TLP_READ, &byte, NULL), 0);
	assert_int_equal(stats().asked, ENTRIES + 2);
}

static void it_gives_back_what_is_unmapped_and_keeps_the_rest(void **state)
{
	char byte;

	assert_int_equal(send(at(0), 1, IOAS_TLP_READ, &byte, NULL), 0);
	assert_int_equal(send(at(1), 1, IOAS_TLP_READ, &byte, NULL), 0);
	assert_int_equal(ioas_space_unmap(space, at(0), at(0) + PAGE - 1, NULL, NULL), 0);
	assert_int_equal(stats().invalidated, 1);
	assert_int_equal(stats().held, 1);
	assert_int_equal(send(at(1), 1, IOAS_TLP_READ, &byte, NULL), 0);
	assert_int_equal(stats().asked, 2);
	assert_int_equal(send(at(0), 1, IOAS_TLP_READ, &byte, NULL), -EAGAIN);
}

/* A cache that forgets to give back: its requests are refused, by name of what took it. */
static void a_cache_that_keeps_it_is_found_out(void **state)
{
	struct ioas_fault fault;
	char byte = 'x';

	side.atc = NULL;
	assert_int_equal(send(at(0), 1, IOAS_TLP_WRITE, &byte, NULL), 0);
	memory[0][0] = 'm';
	assert_int_equal(ioas_space_unmap(space, at(0), at(0) + PAGE - 1, NULL, NULL), 0);
	assert_int_equal(send(at(0), 1, IOAS_TLP_WRITE, &byte, NULL), -EFAULT);
	assert_int_equal(memory[0][0], 'm');
	fault = rig_fault(1);
	rig_says(&fault, "invalidated by UNMAP, and used after that");
}

/* All that the device holds ends behind its back; and nobody waits for those in flight. */
static void end_all(void)
{
	struct ats *ats = dev->ats;
	struct tree_node *node;

	pthread_mutex_lock(&ats->lock);
	while ((node = ats->track.by_pa.root))
		ats_entry_end(ats, tree_entry(node, struct ats_entry, by_pa), IOAS_ATS_BY_UNMAP);
	pthread_mutex_unlock(&ats->lock);
}

/* That a lookup was spared no answer shows but this; a large range is found wherever in it. */
static void what_is_held_is_remembered(void **state)
{
	static const uint64_t lens[] = {PAGE, 2ull << 20, 1ull << 30};

	for (unsigned i = 0; i < 3; i++) {
		char *region = mmap(NULL, lens[i], PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		iova_t iova = BASE * 4;
		struct ioas_ats_translation found, other = rig_ask(at(i), 1, IOAS_TLP_READ);
		char byte;

		assert_ptr_not_equal(region, MAP_FAILED);
		assert_int_equal(ioas_space_map(space, NULL, &iova, (uintptr_t)region, lens[i],
						RW | IOAS_MAP_FIXED, NULL),
				 0);
		found = rig_ask(iova, 1, IOAS_TLP_WRITE);
		assert_int_equal(found.len, lens[i]);
		assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), 0);
		assert_int_equal(rig_touch(other.addr + 9, IOAS_TLP_READ, &byte), 0);
		end_all();
		for (unsigned k = 0; k < 4; k++) {
			pa_t pa = found.addr + (lens[i] - 1) / 3 * k;

			assert_int_equal(rig_touch(other.addr, IOAS_TLP_READ, &byte), 0);
			assert_int_equal(rig_touch(pa, k & 1, &byte), 0);
		}
		assert_int_equal(rig_touch(found.addr + lens[i] - 1, IOAS_TLP_WRITE, &byte), 0);
		inflight_wait(&iommu->inflight);
		assert_int_equal(rig_touch(found.addr, IOAS_TLP_READ, &byte), -EFAULT);
		assert_int_equal(rig_fault(i + 1).reason, IOAS_FAULT_NOT_HELD);
		assert_int_equal(ioas_space_unmap(space, iova, iova + lens[i] - 1, NULL, NULL), 0);
		munmap(region, lens[i]);
	}
}

static _Atomic bool over;
static _Atomic uint64_t landed;

/* The device is detached at times; never has it used what it does not hold. */
static void check_refusal(struct ioas_issuer *mine)
{
	uint64_t seq;
	enum ioas_fault_reason reason = ioas_issuer_fault(mine, &seq);

	if (reason != IOAS_FAULT_NO_ROUTE && reason != IOAS_FAULT_TRANSLATED)
		fail_msg("%s", ioas_fault_reason_name(reason));
}

static void *fire(void *arg)
{
	struct ioas_issuer *mine;
	unsigned page = 0;
	int rc;

	assert_int_equal(ioas_issuer_new(dev, &mine), 0);
	while (!atomic_load(&over)) {
		struct ioas_tlp tlp = {
			.addr = at(page % 4 * 2) + page % PAGE, .len = 1, .op = IOAS_TLP_WRITE};
		char byte = SHELL;

		rc = ioas_atc_issue(atc, mine, &tlp, &byte, NULL);
		if (!rc)
			atomic_fetch_add(&landed, 1);
		else if (rc == -EFAULT)
			check_refusal(mine);
		else if (rc != -EAGAIN)
			fail_msg("%d", rc);
		page++;
	}
	ioas_issuer_destroy(mine);
	return NULL;
}

static void wait_for_fire(void)
{
	uint64_t before = atomic_load(&landed);

	while (atomic_load(&landed) - before < 8)
		sched_yield();
}

static void unmapped_memory_is_the_programs_own(void **state)
{
	pthread_t thread[GUNNERS];

	atomic_store(&over, false);
	for (unsigned i = 0; i < GUNNERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, fire, NULL), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned page = round % 4 * 2;
		iova_t iova = at(page);

		wait_for_fire();
		if (round % 8 == 7)
			ioas_device_detach(dev);
		assert_int_equal(ioas_space_unmap(space, iova, iova + PAGE - 1, NULL, NULL), 0);
		memset(memory[page], CANARY, PAGE);
		if (round % 8 == 7)
			assert_int_equal(ioas_device_attach(dev, space, NULL), 0);
		sched_yield();
		for (unsigned i = 0; i < PAGE; i++)
			assert_int_equal(memory[page][i], CANARY);
		assert_int_equal(ioas_space_map(space, NULL, &iova, (uintptr_t)memory[page], PAGE,
						RW | IOAS_MAP_FIXED, NULL),
				 0);
	}
	atomic_store(&over, true);
	for (unsigned i = 0; i < GUNNERS; i++)
		pthread_join(thread[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_asks_once),
		TEST(what_is_not_there_is_for_a_page_request),
		TEST(the_least_recently_used_makes_room),
		TEST(it_gives_back_what_is_unmapped_and_keeps_the_rest),
		TEST(a_cache_that_keeps_it_is_found_out),
		TEST(what_is_held_is_remembered),
		TEST(unmapped_memory_is_the_programs_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
