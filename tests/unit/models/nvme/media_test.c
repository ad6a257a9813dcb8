/* SPDX-License-Identifier: MIT */
/*
 * Description: each result that the drive's file may have for a call, and what the command then
 * says, what it counts, and what is in the file. The linker puts the __wrap_ functions in front of
 * the C library (see meson.build).
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "models/nvme/driver.h"

#define LEN    (2u << 20)
#define AT     128u /* the blocks that all this is about */
#define BLOCKS 24u
#define ALL    1000

enum call { NONE, PREADV, PWRITEV, PREAD, SYNC, ALLOCATE };

/* The next `times` calls of this kind have that error; 0: they do nothing, and that is no error. */
static _Atomic int kind, times, error;
static _Atomic int later; /* and those that follow have this one, if any */

static bool fails(enum call call)
{
	if ((int)call != kind || !(times || later))
		return false;
	errno = times ? error : later;
	times -= times > 0;
	return true;
}

#define WRAP(type, name, call, parameters, arguments) \
	type __real_##name parameters;                \
	type __wrap_##name parameters;                \
	type __wrap_##name parameters                 \
	{                                             \
		if (fails(call))                      \
			return error ? -1 : 0;        \
		return __real_##name arguments;       \
	}

WRAP(ssize_t, preadv64, PREADV, (int fd, const struct iovec *iov, int nr, off_t off),
     (fd, iov, nr, off))
WRAP(ssize_t, pwritev64v2, PWRITEV, (int fd, const struct iovec *iov, int nr, off_t off, int flags),
     (fd, iov, nr, off, flags))
WRAP(ssize_t, pread64, PREAD, (int fd, void *buf, size_t len, off_t off), (fd, buf, len, off))
WRAP(int, fdatasync, SYNC, (int fd), (fd))

static int modes[16]; /* of the calls that make room or holes */
static _Atomic unsigned modes_nr;

int __real_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len)
{
	modes[modes_nr++ % 16] = mode;
	return fails(ALLOCATE) ? -1 : __real_fallocate64(fd, mode, off, len);
}

/* All drive I/O by plain calls. */
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	return -EPERM;
}

static struct driver drv;
static iova_t data, aside;
static uint8_t before[BLOCKS * 512], now[BLOCKS * 512];

static void begin(const char *keys)
{
	kind = NONE;
	driver_open(&drv, LEN, keys);
	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 16);
	data = driver_alloc(&drv, LEN / 2);
	aside = driver_alloc(&drv, 8192);
}

static struct nvme_smart counts(void)
{
	struct nvme_cmd cmd = {.opcode = NVME_ADM_GET_LOG,
			       .nsid = NVME_NSID_ALL,
			       .prp1 = aside + 4096,
			       .cdw10 = 2 | 127 << 16};
	struct nvme_smart smart;

	assert_int_equal(driver_run(&drv, 0, cmd), 0);
	memcpy(&smart, bus_at(aside + 4096), sizeof(smart));
	return smart;
}

/* Two ranges and one of nothing, which are all the blocks together. */
static struct nvme_cmd discard(void)
{
	struct nvme_dsm_range *range = bus_at(aside);

	range[0] = (struct nvme_dsm_range){.slba = AT, .nlb = 8};
	range[1] = (struct nvme_dsm_range){.slba = AT + 4};
	range[2] = (struct nvme_dsm_range){.slba = AT + 8, .nlb = BLOCKS - 8};
	return (struct nvme_cmd){
		.opcode = NVME_IO_DSM, .nsid = 1, .prp1 = aside, .cdw10 = 2, .cdw11 = 4};
}

static uint16_t run(uint8_t opcode, uint32_t flags)
{
	iova_t next = drv.next;
	struct nvme_cmd cmd = driver_rw(&drv, opcode, AT, BLOCKS, data);

	cmd.cdw12 |= flags;
	if (opcode == NVME_IO_DSM)
		cmd = discard();
	drv.next = next;
	return driver_run(&drv, 1, cmd);
}

/* What is in the file afterwards: what was there, what was written, nothing; or any of it. */
enum { OLD, NEW, ZERO, ANY };

struct row {
	uint8_t opcode;
	uint32_t flags;
	enum call call;
	int error, times;
	uint16_t status;
	uint8_t file;
};

#define FUA	NVME_RW_FUA
#define DEAC	NVME_RW_DEAC
#define FULL	DNR(NVME_CAPACITY_EXCEEDED)
#define W	NVME_IO_WRITE
#define R	NVME_IO_READ
#define C	NVME_IO_COMPARE
#define Z	NVME_IO_WRITE_ZEROES
#define D	NVME_IO_DSM
#define F	NVME_IO_FLUSH
#define BAD	NVME_WRITE_FAULT
#define UNREAD	NVME_READ_ERROR
#define NO_DATA NVME_DATA_TRANSFER_ERROR
#define NO_MEM	NVME_INTERNAL_ERROR

static void is_in_file(unsigned what)
{
	uint8_t *zero = calloc(1, sizeof(now));

	assert_int_equal(__real_pread64(drv.fd, now, sizeof(now), AT * 512), sizeof(now));
	if (what == OLD)
		assert_memory_equal(now, before, sizeof(now));
	else if (what == NEW)
		assert_memory_equal(now, bus_at(data), sizeof(now));
	else if (what == ZERO)
		assert_memory_equal(now, zero, sizeof(now));
	free(zero);
}

static void try_row(const struct row *row, unsigned seed)
{
	bool media = row->status == BAD || row->status == UNREAD, done = !row->status;
	bool write = row->opcode == W || row->opcode == Z;
	bool read = row->opcode == R || row->opcode == C;
	struct nvme_smart was, is;
	uint16_t status;

	for (unsigned i = 0; i < sizeof(before); i++)
		before[i] = (uint8_t)(i * 7 + (i >> 9) + seed);
	assert_int_equal(pwrite(drv.fd, before, sizeof(before), AT * 512), sizeof(before));
	memcpy(bus_at(data), before, sizeof(before));
	if (row->opcode == R || row->opcode == W)
		memset(bus_at(data), 0x80 + (int)seed % 64, sizeof(before));
	was = counts();
	error = row->error;
	times = row->times;
	kind = (int)row->call;
	status = run(row->opcode, row->flags);
	kind = NONE;
	if (status != row->status)
		fail_msg("%x after errno %d of call %u: %x, not %x", row->opcode, row->error,
			 row->call, status, row->status);
	is_in_file(row->file);
	if (row->opcode == R && done)
		assert_memory_equal(bus_at(data), before, sizeof(before));
	is = counts();
	assert_int_equal(is.media_errors[0] - was.media_errors[0], media);
	/* Zeroes that are in the file count, stable or not. */
	if (row->call == SYNC)
		done = true;
	assert_int_equal(is.host_writes[0] - was.host_writes[0], write && done);
	assert_int_equal(is.host_reads[0] - was.host_reads[0], read && !row->status);
}

static void each_result_of_a_call_has_its_status(void **state)
{
	static const struct row table[] = {
		{W, 0, PWRITEV, EIO, ALL, BAD, OLD},
		{W, 0, PWRITEV, ENOSPC, ALL, FULL, OLD},
		{W, 0, PWRITEV, EDQUOT, ALL, FULL, OLD},
		{W, 0, PWRITEV, EFBIG, ALL, FULL, OLD},
		{W, 0, PWRITEV, ENOMEM, ALL, NO_MEM, OLD},
		{W, 0, PWRITEV, EAGAIN, 3, 0, NEW},
		{W, 0, PWRITEV, EINTR, 3, 0, NEW},
		{W, 0, PWRITEV, EFAULT, 1, 0, NEW},
		{W, FUA, PWRITEV, EFAULT, 1, 0, NEW},
		{W, 0, PWRITEV, EFAULT, ALL, NO_DATA, OLD},
		{W, 0, PWRITEV, 0, 1, FULL, OLD},
		{R, 0, PREADV, EIO, ALL, UNREAD, OLD},
		{R, 0, PREADV, ENOSPC, ALL, UNREAD, OLD},
		{R, 0, PREADV, EDQUOT, ALL, UNREAD, OLD},
		{R, 0, PREADV, EFBIG, ALL, UNREAD, OLD},
		{R, 0, PREADV, ENOMEM, ALL, NO_MEM, OLD},
		{R, 0, PREADV, EAGAIN, 3, 0, OLD},
		{R, 0, PREADV, EINTR, 3, 0, OLD},
		{R, 0, PREADV, EFAULT, 1, 0, OLD},
		{R, 0, PREADV, 0, 1, UNREAD, OLD},
		{R, FUA, SYNC, ENOSPC, 1, BAD, OLD},
		{C, 0, PREAD, EIO, 1, UNREAD, OLD},
		{C, 0, PREAD, ENOMEM, 1, NO_MEM, OLD},
		{C, 0, PREAD, EINTR, 3, 0, OLD},
		{C, 0, PREAD, 0, 1, UNREAD, OLD},
		{F, 0, SYNC, EIO, 1, BAD, OLD},
		{F, 0, SYNC, ENOSPC, 1, FULL, OLD},
		{F, 0, SYNC, EINTR, 2, 0, OLD},
		{Z, 0, ALLOCATE, EOPNOTSUPP, 1, 0, ZERO},
		{Z, 0, ALLOCATE, EOPNOTSUPP, ALL, 0, ZERO},
		{Z, 0, ALLOCATE, ENOSYS, ALL, 0, ZERO},
		{Z, 0, ALLOCATE, EINVAL, ALL, 0, ZERO},
		{Z, 0, ALLOCATE, EINTR, 3, 0, ZERO},
		{Z, 0, ALLOCATE, EAGAIN, 1, 0, ZERO},
		{Z, 0, ALLOCATE, EAGAIN, ALL, NO_MEM, OLD},
		{Z, 0, ALLOCATE, EIO, 1, BAD, OLD},
		{Z, 0, ALLOCATE, ENOSPC, 1, FULL, OLD},
		{Z, FUA, SYNC, EIO, 1, BAD, ZERO},
		{Z, DEAC, ALLOCATE, EOPNOTSUPP, 1, 0, ZERO},
		{Z, DEAC, ALLOCATE, EOPNOTSUPP, ALL, 0, ZERO},
		{Z, DEAC, ALLOCATE, EINVAL, ALL, 0, ZERO},
		{Z, DEAC, ALLOCATE, EIO, 1, BAD, OLD},
		{D, 0, NONE, 0, 0, 0, ZERO},
		{D, 0, ALLOCATE, EOPNOTSUPP, ALL, 0, OLD},
		{D, 0, ALLOCATE, ENOSYS, ALL, 0, OLD},
		{D, 0, ALLOCATE, EINVAL, ALL, 0, OLD},
		{D, 0, ALLOCATE, EAGAIN, ALL, 0, OLD},
		{D, 0, ALLOCATE, EINTR, 3, 0, ZERO},
		{D, 0, ALLOCATE, EIO, 1, BAD, ANY},
		{D, 0, ALLOCATE, EIO, ALL, BAD, OLD},
		{D, 0, ALLOCATE, ENOSPC, ALL, FULL, OLD},
	};

	begin("");
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		try_row(&table[i], i);
	driver_close(&drv);
}

/* What was a hole is one when it is tried again, and what was none is none. */
static void zeroes_are_tried_again_as_before(void **state)
{
	static const int hole = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
	static const int no_hole = FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE;

	begin("");
	for (unsigned i = 0; i < 2; i++) {
		modes_nr = 0;
		error = EAGAIN;
		times = 1;
		kind = ALLOCATE;
		assert_int_equal(run(Z, i ? DEAC : 0), 0);
		kind = NONE;
		assert_int_equal(modes_nr, 2);
		assert_int_equal(modes[0], i ? hole : no_hole);
		assert_int_equal(modes[1], i ? hole : no_hole);
		is_in_file(ZERO);
	}
	/* Without holes zeroes are made, without those they are written. */
	modes_nr = 0;
	error = EOPNOTSUPP;
	times = ALL;
	kind = ALLOCATE;
	assert_int_equal(run(Z, DEAC), 0);
	kind = NONE;
	assert_int_equal(modes_nr, 3);
	assert_int_equal(modes[1], hole);
	assert_int_equal(modes[2], no_hole);
	driver_close(&drv);
}

/* Of many ranges the first one that failed says why. */
static void the_first_error_is_told(void **state)
{
	begin("");
	for (unsigned i = 0; i < 2; i++) {
		error = i ? ENOSPC : EIO;
		later = i ? EIO : ENOSPC;
		times = 1;
		kind = ALLOCATE;
		assert_int_equal(run(D, 0), i ? FULL : BAD);
		kind = NONE;
		later = 0;
	}
	driver_close(&drv);
}

/* With a cache of its own: what is stable by then was first written back. */
static void what_cannot_be_written_back_is_told(void **state)
{
	static const struct row table[] = {
		{W, 0, PWRITEV, EIO, ALL, 0, OLD},	 {F, 0, PWRITEV, EIO, ALL, BAD, OLD},
		{F, 0, PWRITEV, ENOSPC, ALL, FULL, OLD}, {R, FUA, PWRITEV, EIO, ALL, BAD, OLD},
		{W, FUA, PWRITEV, EIO, ALL, BAD, OLD},	 {W, FUA, SYNC, EIO, 1, BAD, NEW},
		{R, FUA, SYNC, EIO, 1, BAD, ANY},
	};

	begin("volatile=on");
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct nvme_smart was = counts();
		uint16_t status;

		assert_int_equal(__real_pread64(drv.fd, before, sizeof(before), AT * 512),
				 sizeof(before));
		memset(bus_at(data), 0x80 + (int)i, sizeof(before));
		error = table[i].error;
		times = table[i].times;
		kind = (int)table[i].call;
		status = run(table[i].opcode, table[i].flags);
		kind = NONE;
		if (status != table[i].status)
			fail_msg("row %u: %x, not %x", i, status, table[i].status);
		is_in_file(table[i].file);
		assert_int_equal(counts().media_errors[0] - was.media_errors[0], status == BAD);
	}
	/* And it is still there for the next time. */
	assert_int_equal(run(W, 0), 0);
	error = EIO;
	times = ALL;
	kind = PWRITEV;
	assert_int_equal(run(F, 0), BAD);
	kind = NONE;
	assert_int_equal(run(F, 0), 0);
	is_in_file(NEW);
	driver_close(&drv);
}

/* What is cached lies over what is read, however that comes about. */
static void a_cache_lies_over_what_is_read(void **state)
{
	static const struct row table[] = {
		{R, 0, NONE, 0, 0, 0, OLD},	      {R, 0, PREAD, EFAULT, 1, 0, OLD},
		{R, 0, PREAD, EINTR, 3, 0, OLD},      {R, 0, PREAD, EFAULT, ALL, NO_DATA, OLD},
		{R, 0, PREAD, EIO, ALL, UNREAD, OLD}, {R, 0, PREAD, ENOMEM, ALL, NO_MEM, OLD},
		{R, 0, PREAD, 0, 1, UNREAD, OLD},
	};
	uint8_t want[sizeof(now)];

	begin("volatile=on");
	memset(bus_at(data), 0x55, 7 * 512);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, W, AT + 3, 7, data)), 0);
	assert_int_equal(__real_pread64(drv.fd, before, sizeof(before), AT * 512), sizeof(before));
	memcpy(want, before, sizeof(want));
	memset(want + 3 * 512, 0x55, 7 * 512);
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct nvme_smart was = counts();
		uint16_t status;

		memset(bus_at(data), 0xee, sizeof(want));
		error = table[i].error;
		times = table[i].times;
		kind = (int)table[i].call;
		status = run(R, 0);
		kind = NONE;
		if (status != table[i].status)
			fail_msg("row %u: %x, not %x", i, status, table[i].status);
		if (!status)
			assert_memory_equal(bus_at(data), want, sizeof(want));
		assert_int_equal(counts().media_errors[0] - was.media_errors[0], status == UNREAD);
		assert_int_equal(counts().host_reads[0] - was.host_reads[0], !status);
		is_in_file(table[i].file);
	}
	driver_close(&drv);
}

/* What a read was given before is no longer its own. */
static void a_read_goes_where_it_was_told_to(void **state)
{
	struct nvme_cmd cmd;
	uint64_t *prp;

	begin("volatile=on");
	/* Three pages in disorder, each a piece of its own. */
	cmd = driver_rw(&drv, R, AT, BLOCKS, data);
	cmd.prp1 = data + 4 * 4096;
	prp = bus_at(cmd.prp2);
	prp[0] = data + 2 * 4096;
	prp[1] = data;
	assert_int_equal(driver_run(&drv, 1, cmd), 0);
	memset(bus_at(data), 0xee, 5 * 4096);
	assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, R, AT, 8, data + 8 * 4096)), 0);
	for (unsigned i = 0; i < 5 * 4096; i++)
		assert_int_equal(((uint8_t *)bus_at(data))[i], 0xee);
	driver_close(&drv);
}

/* A file that has shrunk: zeroes have to be there, and a hint does not make it grow. */
static void only_zeroes_make_a_file_grow(void **state)
{
	const off_t len = AT * 512 + 100;

	begin("");
	assert_int_equal(ftruncate(drv.fd, len), 0);
	assert_int_equal(run(D, 0), 0);
	assert_int_equal(lseek(drv.fd, 0, SEEK_END), len);
	assert_int_equal(run(Z, 0), 0);
	assert_int_equal(lseek(drv.fd, 0, SEEK_END), (AT + BLOCKS) * 512);
	is_in_file(ZERO);
	driver_close(&drv);
}

/* Nothing to compare with or to make stable, but something to read from memory. */
static void a_null_drive_does_nothing_at_all(void **state)
{
	begin("null");
	assert_int_equal(run(C, 0), 0);
	assert_int_equal(bus.lent, 0);
	assert_int_equal(run(Z, FUA), 0);
	assert_int_equal(
		driver_run(&drv, 0, (struct nvme_cmd){.opcode = NVME_ADM_SET_FEATURES, .cdw10 = 6}),
		0);
	assert_int_equal(run(D, 0), 0);
	assert_int_equal(run(Z, 0), 0);
	bus_protect(data + 2 * 4096, 4096, 0);
	assert_int_equal(run(C, 0), NO_DATA);
	driver_close(&drv);
}

/* In thousands of 512 bytes, however large a block is, and rounded up. */
static void units_are_counted_in_sectors(void **state)
{
	static const char *const keys[] = {"", "volatile=on", "ram", "null", "lba=4096"};

	for (unsigned k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		unsigned size = k == 4 ? 8 : 1;
		struct nvme_smart is;

		begin(keys[k]);
		for (unsigned i = 0; i < 3; i++) {
			struct nvme_cmd cmd = driver_rw(&drv, W, 0, 1000, data);

			cmd.cdw12 = 1000 / size - 1;
			memset(bus_at(data), 0x40 + (int)i, 1000 * 512);
			assert_int_equal(driver_run(&drv, 1, cmd), 0);
			cmd.opcode = R;
			memset(bus_at(data), 0xee, 1000 * 512);
			if (i < 2)
				assert_int_equal(driver_run(&drv, 1, cmd), 0);
			for (unsigned b = 0; i < 2 && b < 1000 * 512; b++)
				assert_int_equal(((uint8_t *)bus_at(data))[b],
						 k == 3 ? 0xee : 0x40 + i);
			is = counts();
			assert_int_equal(is.data_units_written[0], i + 1);
			assert_int_equal(is.data_units_read[0], i < 2 ? i + 1 : 2);
		}
		assert_int_equal(driver_run(&drv, 1, driver_rw(&drv, R, 0, 1, data)), 0);
		is = counts();
		assert_int_equal(is.data_units_read[0], 3);
		assert_int_equal(is.host_reads[0], 3);
		assert_int_equal(is.host_writes[0], 3);
		driver_close(&drv);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_result_of_a_call_has_its_status),
		cmocka_unit_test(zeroes_are_tried_again_as_before),
		cmocka_unit_test(the_first_error_is_told),
		cmocka_unit_test(what_cannot_be_written_back_is_told),
		cmocka_unit_test(a_cache_lies_over_what_is_read),
		cmocka_unit_test(a_read_goes_where_it_was_told_to),
		cmocka_unit_test(only_zeroes_make_a_file_grow),
		cmocka_unit_test(a_null_drive_does_nothing_at_all),
		cmocka_unit_test(units_are_counted_in_sectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
