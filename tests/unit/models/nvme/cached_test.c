/* SPDX-License-Identifier: MIT */
/*
 * Description: reads of a file are done at once if the kernel has the bytes, and all of them; else,
 * and for whatever is no plain read, or memory that no batch reaches, the long way is taken, and
 * the bytes are the same.
 *
 * The linker puts __wrap_syscall in front of the system's calls: what the kernel has is up to us.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "models/nvme/driver.h"

#define LEN    (1u << 20)
#define BLOCKS (LEN / 512)

long __real_syscall(long nr, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

static struct driver drv;
static _Atomic unsigned asked;
static _Atomic int answer; /* -errno; 0: all of it; else that many bytes fewer */
static uint8_t twin[LEN];

long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	long rc;

	if (nr != SYS_preadv2)
		return __real_syscall(nr, a, b, c, d, e, f);
	assert_int_equal(f, RWF_NOWAIT);
	asked++;
	if (answer < 0) {
		errno = -answer;
		return -1;
	}
	rc = preadv((int)a, (const struct iovec *)b, (int)c, d);
	return rc < 0 ? rc : rc - answer;
}

static int setup(void **state)
{
	asked = 0;
	answer = 0;
	driver_open(&drv, LEN, "");
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, 8);
	assert_int_equal(pread(drv.fd, twin, LEN, 0), LEN);
	return 0;
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

/* Reads into, or writes from, two pages at most. Both are as the twin says. */
static void one(uint8_t opcode, bool fua, unsigned *seed, iova_t pages)
{
	uint32_t nr = 1 + (uint32_t)rand_r(seed) % 8, slba = (uint32_t)rand_r(seed) % (BLOCKS - nr);
	iova_t data = pages + (uint32_t)rand_r(seed) % 1024 * 4;
	struct nvme_cmd cmd = driver_rw(&drv, opcode, slba, nr, data);
	uint8_t *bytes = bus_at(data);

	cmd.cdw12 |= fua ? NVME_RW_FUA : 0;
	for (uint32_t i = 0; i < nr * 512; i++)
		bytes[i] = (uint8_t)rand_r(seed);
	if (opcode == NVME_IO_WRITE)
		memcpy(twin + slba * 512, bytes, nr * 512);
	assert_int_equal(driver_run(&drv, 1, cmd), 0);
	assert_memory_equal(bytes, twin + slba * 512, nr * 512);
}

static void only_plain_reads_are_of_what_the_kernel_has(void **state)
{
	iova_t pages = driver_alloc(&drv, 8192);
	unsigned seed = 4;

	for (unsigned round = 0; round < 400; round++) {
		bool write = rand_r(&seed) % 2, fua = rand_r(&seed) % 3 == 0;
		unsigned before = asked;

		one(write ? NVME_IO_WRITE : NVME_IO_READ, fua, &seed, pages);
		assert_int_equal(asked, before + (!write && !fua));
	}
}

/* Of nothing, or of all but a block or a byte. */
static void what_the_kernel_has_not_is_read_the_long_way(void **state)
{
	static const int answers[] = {-EAGAIN, 512, 1, -EINTR, -EIO};
	iova_t pages = driver_alloc(&drv, 8192);
	unsigned seed = 5;

	for (unsigned i = 0; i < 5; i++) {
		answer = answers[i];
		for (unsigned round = 0; round < 20; round++) {
			unsigned before = asked;

			one(NVME_IO_READ, false, &seed, pages);
			assert_true(asked > before); /* by the worker, too */
		}
	}
}

/* A file system that cannot say so is asked once, and writes are not for it to answer. */
static void who_does_not_know_is_not_asked_again(void **state)
{
	iova_t pages = driver_alloc(&drv, 8192);
	unsigned seed = 6;

	answer = -EOPNOTSUPP;
	for (unsigned round = 0; round < 40; round++) {
		one(round % 2 ? NVME_IO_READ : NVME_IO_WRITE, false, &seed, pages);
		assert_int_equal(asked, round >= 1);
	}
}

/* Of the queues and the data each by itself, and all together; more than once round the ring. */
static void what_no_batch_reaches_is_served_all_the_same(void **state)
{
	iova_t pages = driver_alloc(&drv, 8192);
	const iova_t far[] = {drv.queue[1].cq, drv.queue[1].sq, pages, pages + 4096};
	const uint8_t all = IOAS_PROT_READ | IOAS_PROT_WRITE;
	struct nvme_cmd null = {.opcode = NVME_IO_FLUSH, .nsid = 1};
	uint64_t *behind = bus_at(drv.queue[1].cq + (8 << NVME_CQE_LEN_LG2));
	unsigned seed = 7;

	*behind = 0x5555;
	for (unsigned which = 0; which < 16; which++) {
		for (unsigned i = 0; i < 4; i++)
			bus_protect(far[i], 4096, which >> i & 1 ? all | BUS_FAR : all);
		for (unsigned round = 0; round < 10; round++) {
			one(NVME_IO_READ, false, &seed, pages);
			one(NVME_IO_WRITE, false, &seed, pages);
			/* Several at a time. */
			for (unsigned i = 0; i < 5; i++)
				driver_put(&drv, 1,
					   (struct nvme_cmd[]){i % 2 ? null
								     : driver_rw(&drv, NVME_IO_READ,
										 i, 1, pages)});
			driver_ring(&drv, 1);
			for (unsigned i = 0; i < 5; i++)
				assert_int_equal(driver_take(&drv, 1).status, 0);
		}
	}
	assert_int_equal(*behind, 0x5555);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(only_plain_reads_are_of_what_the_kernel_has),
		TEST(what_the_kernel_has_not_is_read_the_long_way),
		TEST(what_no_batch_reaches_is_served_all_the_same),
		TEST(who_does_not_know_is_not_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
