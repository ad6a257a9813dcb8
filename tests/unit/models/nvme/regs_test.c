/* SPDX-License-Identifier: MIT */
/*
 * Description: the registers are an array of words, some bits of which can be written, read and
 * written in any width; a head doorbell takes what is there to be taken, and no more.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "models/nvme/driver.h"
#include "nvme/nvme.h"

#define WORDS 16 /* 0x00 .. 0x3f */

static struct driver drv;
static uint32_t twin[WORDS];

static struct nvme *model(void)
{
	return bus.model;
}

/* While the controller is off, and no shutdown is asked for: then nothing follows from a write. */
static void write_word(uint64_t off, uint32_t value)
{
	switch (off) {
	case NVME_REG_INTMS:
	case NVME_REG_INTMC:
		twin[3] = off == NVME_REG_INTMS ? twin[3] | value : twin[3] & ~value;
		twin[4] = twin[3];
		break;
	case NVME_REG_CC:
		twin[5] = value & NVME_CC_WRITABLE;
		break;
	case NVME_REG_AQA:
		twin[9] = value & 0x0fff0fff;
		break;
	case NVME_REG_ASQ:
	case NVME_REG_ACQ:
		twin[off / 4] = value & 0xfffff000;
		break;
	case NVME_REG_ASQ + 4:
	case NVME_REG_ACQ + 4:
		twin[off / 4] = value;
	}
}

static void assert_all(void)
{
	for (unsigned size = 1; size <= 8; size *= 2)
		for (uint64_t off = 0; off < sizeof(twin); off += size) {
			uint64_t want = 0;

			memcpy(&want, (uint8_t *)twin + off, size);
			if (bus.ops->bar_read(model(), 0, off, size) != want)
				fail_msg("%u bytes at %#lx are %#lx, not %#lx", size, (long)off,
					 (long)bus.ops->bar_read(model(), 0, off, size),
					 (long)want);
			assert_int_equal(bus.ops->bar_read(model(), 1, off, size), 0);
		}
}

static void registers_are_an_array_of_words(void **state)
{
	uint64_t cap;
	unsigned seed = 9;

	driver_open(&drv, 1u << 20, "null");
	cap = bus.ops->bar_read(model(), 0, NVME_REG_CAP, 8);
	memset(twin, 0, sizeof(twin));
	memcpy(twin, &cap, 8);
	twin[2] = 0x10400;
	assert_all();
	for (unsigned round = 0; round < 4000; round++) {
		unsigned size = 1u << rand_r(&seed) % 4, bar = rand_r(&seed) % 8 == 0;
		uint64_t off = (unsigned)rand_r(&seed) % sizeof(twin) / size * size;
		uint64_t value = (uint64_t)rand_r(&seed) << 33 ^ (unsigned)rand_r(&seed);

		/* CC.EN and CC.SHN stay 0. */
		if (off == NVME_REG_CC)
			value &= ~0xc001ull;
		if (off == NVME_REG_CC - 4 && size == 8)
			value &= ~(0xc001ull << 32);
		bus.ops->bar_write(model(), bar, off, value, size);
		if (!bar && size >= 4)
			write_word(off, (uint32_t)value);
		if (!bar && size == 8)
			write_word(off + 4, (uint32_t)(value >> 32));
		assert_all();
	}
	driver_close(&drv);
}

static void wait_for_tail(uint32_t tail)
{
	while (atomic_load(&model()->cq[1].tail) != tail)
		sched_yield();
}

#define SIZE 5u

/* Each value of a head doorbell, for each place where head and tail can be. */
static void a_head_goes_as_far_as_the_tail(void **state)
{
	driver_open(&drv, 1u << 20, "null");
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, SIZE);
	for (uint32_t head = 0, tail = 0; head < SIZE; head++) {
		for (uint32_t there = 0; there < SIZE; there++) {
			_Atomic uint32_t *at = &model()->cq[1].head;

			/* One more completion, up to a full queue. */
			if (there) {
				struct nvme_cmd flush = {.opcode = NVME_IO_FLUSH, .nsid = 1};

				driver_put(&drv, 1, &flush);
				driver_ring(&drv, 1);
				tail = (tail + 1) % SIZE;
				wait_for_tail(tail);
			}
			for (uint32_t value = 0; value < SIZE + 2; value++) {
				bool fits = value < SIZE && (value + SIZE - head) % SIZE <= there;

				driver_doorbell(3, value);
				assert_int_equal(atomic_load(at), fits ? value : head);
				atomic_store(at, head);
			}
		}
		/* All are taken but one place further on, where the next round begins. */
		driver_doorbell(3, tail);
		for (uint32_t more = 0; more < 2; more++) {
			struct nvme_cmd flush = {.opcode = NVME_IO_FLUSH, .nsid = 1};

			driver_put(&drv, 1, &flush);
			driver_ring(&drv, 1);
			tail = (tail + 1) % SIZE;
			wait_for_tail(tail);
		}
		driver_doorbell(3, tail);
		assert_int_equal(tail, (head + 1) % SIZE);
	}
	driver_close(&drv);
}

/* What is written to the doorbells of a controller that is off is for nobody, in any width. */
static void doorbells_of_one_that_is_off_are_for_nobody(void **state)
{
	driver_open(&drv, 1u << 20, "null");
	for (unsigned size = 1; size <= 8; size *= 2)
		for (uint64_t off = NVME_REG_DOORBELLS; off < 0x4000; off += 8)
			bus.ops->bar_write(model(), 0, off, 1, size);
	assert_false(nvme_runs(model()));
	assert_int_equal(atomic_load(&model()->db_errors), 0);
	driver_enable(&drv, 32, 0);
	/* Of one that is on each half counts. */
	driver_pair(&drv, 1, 8);
	bus.ops->bar_write(model(), 0, NVME_REG_DOORBELLS + 8, 0, 8);
	assert_int_equal(atomic_load(&model()->sq[1].tail), 0);
	for (unsigned i = 0; i < 3; i++)
		driver_put(&drv, 1, (struct nvme_cmd[]){{.opcode = NVME_IO_FLUSH, .nsid = 1}});
	bus.ops->bar_write(model(), 0, NVME_REG_DOORBELLS + 8, 3, 8);
	wait_for_tail(3);
	bus.ops->bar_write(model(), 0, NVME_REG_DOORBELLS + 8, 2ull << 32 | 3, 8);
	assert_int_equal(atomic_load(&model()->cq[1].head), 2);
	driver_close(&drv);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_are_an_array_of_words),
		cmocka_unit_test(a_head_goes_as_far_as_the_tail),
		cmocka_unit_test(doorbells_of_one_that_is_off_are_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
