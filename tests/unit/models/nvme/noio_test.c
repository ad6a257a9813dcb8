/* SPDX-License-Identifier: MIT */
/*
 * Description: each call to the drive is made to fail in turn, with EIO or ENOSPC, to be cut short
 * or interrupted: a command then ends with the status that says so, or carries on where it was cut
 * short, and never as if all were well. A controller whose thread, eventfd or file is not to be had
 * is not made, and leaves nothing open. The linker puts the __wrap_ functions in front of the C
 * library (see meson.build).
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>
#include "models/nvme/driver.h"
#include "tests/soak.h"
#include "tests/unit/fds.h"

#define BLOCKS 64u
#define LEN    (BLOCKS * 512u)
#define SHORT  (-1) /* the call does a part of it */

/* The nth call from now fails (0: none) with `error`, and if `lasting` all that follow. */
static _Atomic int fuse, error;
static _Atomic bool lasting;
static _Atomic bool struck_once;
static unsigned failures;

/* 0, or how this call is to fail. */
static int trouble(void)
{
	int left = atomic_load(&fuse);

	if (left <= 0)
		return 0;
	if (left > 1 || !atomic_load(&lasting))
		atomic_fetch_sub(&fuse, 1);
	if (left > 1)
		return 0;
	atomic_store(&struck_once, true);
	return atomic_load(&error);
}

#define WRAP(type, name, parameters, arguments, shortened) \
	type __real_##name parameters;                     \
	type __wrap_##name parameters;                     \
	type __wrap_##name parameters                      \
	{                                                  \
		int how = trouble();                       \
                                                           \
		if (how == SHORT)                          \
			return shortened;                  \
		if (how) {                                 \
			errno = how;                       \
			return -1;                         \
		}                                          \
		return __real_##name arguments;            \
	}

/* A call that moves a part of the first piece, to a sector's end. */
static struct iovec part_of(const struct iovec *iov)
{
	return (struct iovec){iov->iov_base, iov->iov_len > 512 ? 512 : iov->iov_len};
}

WRAP(ssize_t, preadv64, (int fd, const struct iovec *iov, int nr, off_t off), (fd, iov, nr, off),
     __real_preadv64(fd, &(struct iovec){part_of(iov).iov_base, part_of(iov).iov_len}, 1, off))
WRAP(ssize_t, pwritev64v2, (int fd, const struct iovec *iov, int nr, off_t off, int flags),
     (fd, iov, nr, off, flags),
     __real_pwritev64v2(fd, &(struct iovec){part_of(iov).iov_base, part_of(iov).iov_len}, 1, off,
			flags))
WRAP(ssize_t, pread64, (int fd, void *buf, size_t len, off_t off), (fd, buf, len, off),
     __real_pread64(fd, buf, len > 512 ? 512 : len, off))
WRAP(int, fdatasync, (int fd), (fd), __real_fdatasync(fd))
WRAP(int, fallocate64, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len),
     __real_fallocate64(fd, mode, off, len))
WRAP(int, eventfd, (unsigned count, int flags), (count, flags), __real_eventfd(count, flags))

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	int how = trouble();

	if (how)
		errno = how;
	return how ? -1 : __real_open64(path, flags);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *arg)
{
	int how = trouble();

	return how ? how : __real_pthread_create(thread, attr, run, arg);
}

/* All drive I/O by plain calls, which can be wrapped. */
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	return -EPERM;
}

/* No array grows, while it is set. */
static _Atomic bool no_growth;
void *__real_realloc(void *old, size_t len);
void *__wrap_realloc(void *old, size_t len);
void *__wrap_realloc(void *old, size_t len)
{
	return atomic_load(&no_growth) ? NULL : __real_realloc(old, len);
}

static void arm(int nth, int how, bool and_on)
{
	error = how;
	lasting = and_on;
	struck_once = false;
	fuse = nth;
}

/* Whether a call failed since arm(); none does from now on. */
static bool disarm(void)
{
	fuse = 0;
	failures += struck_once;
	return struck_once;
}

/* ---- making a controller ---- */

static void nothing_is_left_of_what_could_not_be_made(void **state)
{
	char path[] = "/tmp/ioas-noio-XXXXXX";
	struct ioas_param params[] = {{"drive", path}};
	int file = mkstemp(path), rc = -1, nth;
	unsigned files;

	assert_int_equal(ftruncate(file, 1 << 20), 0);
	bus_open();
	files = fds_open();
	for (nth = 1; rc; nth++) {
		struct ioas_why why = {0};

		arm(nth, EMFILE, true);
		rc = bus_create(params, 1, &why);
		disarm();
		assert_true(rc == 0 || rc == -EMFILE);
		assert_int_equal(rc != 0, why.text[0] != '\0');
		if (rc)
			assert_int_equal(fds_open(), files);
	}
	assert_true(nth > 2);
	bus_remove();
	assert_int_equal(fds_open(), files);
	bus_close();
	close(file);
	unlink(path);
}

/* A controller whose thread or eventfd is not to be had is a dead one, until it is reset. */
static void without_a_thread_it_is_dead(void **state)
{
	struct driver drv;
	int nth;

	for (nth = 1;; nth++) {
		driver_open(&drv, 1 << 20, "");
		arm(nth, EAGAIN, false);
		driver_write32(NVME_REG_CC, NVME_CC_EN | 6 << 16 | 4 << 20);
		if (!disarm())
			break;
		assert_true(driver_read32(NVME_REG_CSTS) & NVME_CSTS_CFS);
		driver_disable(&drv);
		driver_enable(&drv, 16, 0);
		driver_close(&drv);
	}
	assert_int_equal(nth, 3);
	driver_close(&drv);
}

/* ---- commands ---- */

static struct driver drv;
static iova_t data;

static int setup(void **state)
{
	driver_open(&drv, 1 << 20, "");
	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 16);
	data = driver_alloc(&drv, 2 * LEN);
	return 0;
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

static uint16_t rw(uint8_t opcode, uint64_t slba, iova_t at, uint32_t flags)
{
	struct nvme_cmd cmd = driver_rw(&drv, opcode, slba, BLOCKS, at);

	cmd.cdw12 |= flags;
	return driver_run(&drv, 1, cmd);
}

static uint16_t write_it(void)
{
	return rw(NVME_IO_WRITE, 128, data, 0);
}

static uint16_t write_through(void)
{
	return rw(NVME_IO_WRITE, 128, data, NVME_RW_FUA);
}

static uint16_t write_zeroes(void)
{
	return driver_run(&drv, 1,
			  (struct nvme_cmd){.opcode = NVME_IO_WRITE_ZEROES,
					    .nsid = 1,
					    .cdw10 = 256,
					    .cdw12 = BLOCKS - 1});
}

static uint16_t flush(void)
{
	return driver_run(&drv, 1, (struct nvme_cmd){.opcode = NVME_IO_FLUSH, .nsid = 1});
}

static uint16_t write_and_flush(void)
{
	uint16_t status = write_it();

	return status ? status : flush();
}

static uint16_t read_it(void)
{
	memset(bus_at(data + LEN), 0xee, LEN);
	return rw(NVME_IO_READ, 128, data + LEN, 0);
}

static uint16_t read_after_sync(void)
{
	memset(bus_at(data + LEN), 0xee, LEN);
	return rw(NVME_IO_READ, 128, data + LEN, NVME_RW_FUA);
}

static uint16_t compare(void)
{
	return rw(NVME_IO_COMPARE, 128, data, 0);
}

static const struct {
	uint16_t (*run)(void);
	bool write;
} commands[] = {
	{write_it, true}, {write_through, true}, {write_zeroes, true},	  {write_and_flush, true},
	{read_it, false}, {compare, false},	 {read_after_sync, true},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* What a command may say when a call failed with that. */
static bool says(uint16_t status, int how, bool write, bool reads_too)
{
	if (how == ENOSPC && write && status == DNR(NVME_CAPACITY_EXCEEDED))
		return true;
	return status == NVME_WRITE_FAULT ? write
					  : status == NVME_READ_ERROR && (!write || reads_too);
}

static void fill(unsigned seed)
{
	for (unsigned i = 0; i < LEN; i++)
		((uint8_t *)bus_at(data))[i] = (uint8_t)(i * 7 + seed + i / 512);
}

/* Every call of every command in turn: how many there were. */
static unsigned sweep(int how, bool and_on)
{
	unsigned struck = 0;

	for (size_t c = 0; c < COMMANDS; c++)
		for (int nth = 1;; nth++) {
			uint16_t status;
			bool hit;

			fill((unsigned)nth);
			assert_int_equal(write_it(), 0);
			arm(nth, how, and_on);
			status = commands[c].run();
			hit = disarm();
			if (!hit || how == SHORT || how == EINTR)
				assert_int_equal(status, 0);
			else if (status) /* a call whose failure is made good: fallocate by writes
					  */
				assert_true(says(status, how, commands[c].write, c == 6));
			if (!status &&
			    (commands[c].run == read_it || commands[c].run == read_after_sync))
				assert_memory_equal(bus_at(data + LEN), bus_at(data), LEN);
			assert_int_equal(read_it(), 0);
			assert_memory_equal(bus_at(data + LEN), bus_at(data), LEN);
			if (!hit)
				break;
			struck++;
			if (and_on)
				assert_int_not_equal(status, 0);
		}
	return struck;
}

static void a_failed_call_fails_its_command(void **state)
{
	for (unsigned i = 0; i < soak_times(); i++) {
		assert_true(sweep(EIO, true) >= COMMANDS);
		assert_true(sweep(ENOSPC, true) >= COMMANDS);
		assert_true(sweep(EIO, false) >= COMMANDS);
	}
}

static void what_is_cut_short_goes_on(void **state)
{
	assert_true(sweep(SHORT, false) > 4);
	assert_true(sweep(EINTR, false) > 4);
}

/* There is no memory for what is left of it: the command says so, and the next one has it. */
static void what_is_cut_short_without_memory_ends(void **state)
{
	fill(3);
	assert_int_equal(write_it(), 0);
	assert_int_equal(read_it(), 0);
	for (unsigned i = 0; i < 2; i++) {
		arm(1, SHORT, false);
		atomic_store(&no_growth, true);
		assert_int_equal(i ? write_it() : read_it(), NVME_INTERNAL_ERROR);
		atomic_store(&no_growth, false);
		assert_true(disarm());
	}
	assert_int_equal(write_it(), 0);
	assert_int_equal(read_it(), 0);
	assert_memory_equal(bus_at(data + LEN), bus_at(data), LEN);
}

/* The file has become shorter than the drive. */
static void what_is_not_there_is_a_read_error(void **state)
{
	fill(1);
	assert_int_equal(write_it(), 0);
	assert_int_equal(ftruncate(drv.fd, 128 * 512 + LEN / 2), 0);
	assert_int_equal(read_it(), NVME_READ_ERROR);
	assert_int_equal(ftruncate(drv.fd, 1 << 20), 0);
	assert_int_equal(read_it(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_of_what_could_not_be_made),
		cmocka_unit_test(without_a_thread_it_is_dead),
		TEST(a_failed_call_fails_its_command),
		TEST(what_is_cut_short_goes_on),
		TEST(what_is_cut_short_without_memory_ends),
		TEST(what_is_not_there_is_a_read_error),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	printf("tried: %u failures on purpose\n", failures);
	return rc;
}
