/* SPDX-License-Identifier: MIT */
/*
 * Description: as detach_under_fire, with the engine inside and the requests of a platform device:
 * a thread sends without a PASID, another one with, while a third replaces and detaches both
 * routes. Once a call has returned no byte arrives by the old one. Thread sanitizers see all of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/iommu.h>
#include <ioas/tlpgun.h>
#include "tests/soak.h"

#define LEN    0x10000u
#define IOVA   0x100000ull
#define ROUNDS 16 /* even: the routes end where they began */
#define CANARY 0xc0ffee0ddba11ull
#define PASID  7

static struct ioas_iommu *iommu;
static struct ioas_tlpgun *gun;
static struct ioas_device *dev;
/* Attached to all spaces by PASID: no page table goes because a route does, which waits by itself.
 */
static struct ioas_device *keeper;

/* One of the two that send, and the two spaces that its requests go to in turn. */
struct sender {
	bool tagged;
	struct ioas_space *space[2];
	uint64_t *mem[2];
	pthread_t thread;
	_Atomic uint64_t sent, refused;
	_Atomic bool stop;
};

static struct sender senders[2] = {{.tagged = false}, {.tagged = true}};

static void *fire(void *arg)
{
	struct sender *sender = arg;
	struct ioas_tlp tlp = {
		.addr = IOVA,
		.len = LEN,
		.op = IOAS_TLP_WRITE,
		.flags = sender->tagged ? IOAS_TLP_PASID : 0,
		.pasid = PASID,
	};
	char *shot = malloc(LEN);

	memset(shot, 0x5a, LEN);
	while (!atomic_load(&sender->stop)) {
		if (ioas_tlpgun_issue(gun, &tlp, shot, NULL))
			atomic_fetch_add(&sender->refused, 1);
		atomic_fetch_add(&sender->sent, 1);
	}
	free(shot);
	return NULL;
}

/* Until one TLP that began later than now has ended, and one more. */
static void go_on(struct sender *sender)
{
	uint64_t goal = atomic_load(&sender->sent) + 3;

	while (atomic_load(&sender->sent) < goal)
		usleep(20);
}

static void to(struct sender *sender, unsigned space)
{
	int rc = sender->tagged ? ioas_device_attach_pasid(dev, PASID, sender->space[space], NULL)
				: ioas_device_attach(dev, sender->space[space], NULL);

	assert_int_equal(rc, 0);
}

static void off(struct sender *sender)
{
	if (sender->tagged)
		ioas_device_detach_pasid(dev, PASID);
	else
		ioas_device_detach(dev);
}

/* Nothing may arrive there any more: from its end, towards what may still be under way. */
static void assert_left_alone(struct sender *sender, unsigned space)
{
	uint64_t *mem = sender->mem[space];

	for (size_t i = LEN / 8; i--;)
		mem[i] = CANARY;
	go_on(sender);
	for (size_t i = 0; i < LEN / 8; i++)
		if (mem[i] != CANARY)
			fail_msg("byte %zu has %#llx", i * 8, (unsigned long long)mem[i]);
}

static int setup(void **state)
{
	assert_int_equal(ioas_iommu_new(NULL, &iommu), 0);
	assert_int_equal(ioas_tlpgun_stream_new(iommu, "gun@9000", 3, NULL, &gun), 0);
	dev = ioas_tlpgun_device(gun);
	assert_int_equal(ioas_device_bind(dev, IOAS_FORM_RID | IOAS_FORM_PASID, 8, NULL), 0);
	assert_int_equal(ioas_stream_new(iommu, "keeper", 4, &keeper), 0);
	assert_int_equal(ioas_device_bind(keeper, IOAS_FORM_PASID, 8, NULL), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct sender *sender = &senders[i / 2];
		iova_t iova = IOVA;

		sender->mem[i % 2] = aligned_alloc(4096, LEN);
		memset(sender->mem[i % 2], 0, LEN);
		assert_int_equal(ioas_space_new(iommu, &sender->space[i % 2]), 0);
		assert_int_equal(ioas_space_map(sender->space[i % 2], NULL, &iova,
						(uintptr_t)sender->mem[i % 2], LEN,
						IOAS_MAP_WRITE | IOAS_MAP_FIXED, NULL),
				 0);
		assert_int_equal(ioas_device_attach_pasid(keeper, i, sender->space[i % 2], NULL),
				 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		to(&senders[i], 0);
		assert_int_equal(pthread_create(&senders[i].thread, NULL, fire, &senders[i]), 0);
	}
	return 0;
}

static int teardown(void **state)
{
	printf("tried: %llu TLPs, %llu faults\n",
	       (unsigned long long)(senders[0].sent + senders[1].sent),
	       (unsigned long long)(senders[0].refused + senders[1].refused));
	for (unsigned i = 0; i < 2; i++) {
		atomic_store(&senders[i].stop, true);
		pthread_join(senders[i].thread, NULL);
		off(&senders[i]);
	}
	ioas_device_unbind(dev);
	ioas_tlpgun_stream_destroy(gun);
	for (unsigned i = 0; i < 4; i++)
		ioas_device_detach_pasid(keeper, i);
	ioas_device_unbind(keeper);
	ioas_stream_destroy(keeper);
	for (unsigned i = 0; i < 4; i++) {
		ioas_space_put(senders[i / 2].space[i % 2]);
		free(senders[i / 2].mem[i % 2]);
	}
	ioas_iommu_destroy(iommu);
	return 0;
}

static void a_replaced_route_moves_nothing(void **state)
{
	for (unsigned round = 0; round < ROUNDS * soak_times(); round++)
		for (unsigned i = 0; i < 2; i++) {
			to(&senders[i], (round + 1) % 2);
			assert_left_alone(&senders[i], round % 2);
		}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(atomic_load(&senders[i].refused), 0);
}

static void a_detached_route_moves_nothing(void **state)
{
	for (unsigned round = 0; round < ROUNDS * soak_times(); round++)
		for (unsigned i = 0; i < 2; i++) {
			struct sender *sender = &senders[i], *other = &senders[!i];
			uint64_t refused = atomic_load(&other->refused);

			off(sender);
			assert_left_alone(sender, 0);
			assert_true(atomic_load(&sender->refused) > 0);
			/* What has another PASID, or none, does not notice. */
			go_on(other);
			assert_int_equal(atomic_load(&other->refused), refused);
			to(sender, 0);
			go_on(sender);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_replaced_route_moves_nothing),
		cmocka_unit_test(a_detached_route_moves_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
