/* SPDX-License-Identifier: MIT */
/*
 * Description: what the NVMe model asks of io_uring, entry by entry; a ring that is full, refuses
 * entries or does a part of them; and a kernel that has none, where plain calls do the same. The
 * linker puts the __wrap_ functions in front of liburing and the C library (see meson.build).
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
#include "tests/unit/fds.h"

#define LEN   (1u << 20)
#define PAGES 8u
#define PUNCH (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)
#define ZERO  (FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)

/* What was asked of the kernel, of a ring or by a call. */
struct asked {
	uint8_t op; /* IORING_OP_... */
	uint32_t flags;
	uint64_t off;
};

static struct asked asked[1024];
static _Atomic unsigned asked_nr, by_call;
static _Atomic bool no_ring, no_eventfd;
static _Atomic unsigned refusals; /* of the next entries, with */
static _Atomic int refusal;
static _Atomic unsigned most; /* entries at a time */
static _Atomic uint32_t part; /* bytes of a vector that are done at a time; 0: all */
static _Atomic bool then_not; /* behind the first of them the kernel may not go on */
static struct iovec less[PAGES];

static void note(uint8_t op, uint32_t flags, uint64_t off)
{
	unsigned at = atomic_fetch_add(&asked_nr, 1);

	if (at < sizeof(asked) / sizeof(asked[0]))
		asked[at] = (struct asked){op, flags, off};
}

static unsigned first_of(const struct iovec *iov, unsigned nr, uint64_t len)
{
	unsigned i = 0;

	for (; i < nr && i < PAGES && len; i++) {
		less[i] = iov[i];
		if (less[i].iov_len > len)
			less[i].iov_len = len;
		len -= less[i].iov_len;
	}
	return i;
}

static void note_entry(struct io_uring_sqe *sqe)
{
	bool vector = sqe->opcode == IORING_OP_READV || sqe->opcode == IORING_OP_WRITEV;
	uint32_t flags = sqe->opcode == IORING_OP_FALLOCATE ? sqe->len : (uint32_t)sqe->rw_flags;

	note(sqe->opcode, flags, sqe->off);
	if (sqe->opcode == IORING_OP_FALLOCATE &&
	    flags == ZERO) /* which not each file system has */
		sqe->len = PUNCH;
	if (vector && part) {
		sqe->len = first_of((const struct iovec *)(uintptr_t)sqe->addr, sqe->len, part);
		sqe->addr = (uintptr_t)less;
		if (then_not && asked_nr > 1)
			less[0].iov_base = (void *)8;
	}
}

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
	unsigned nr = io_uring_sq_ready(ring);

	if (nr && refusals) {
		refusals--;
		return refusal;
	}
	if (nr > most)
		most = nr;
	for (unsigned i = ring->sq.sqe_tail - nr; i != ring->sq.sqe_tail; i++)
		note_entry(&ring->sq.sqes[i & *ring->sq.kring_mask]);
	return __real_io_uring_submit(ring);
}

int __real_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	return no_ring ? -EPERM : __real_io_uring_queue_init(entries, ring, flags);
}

int __real_io_uring_register_eventfd(struct io_uring *ring, int fd);
int __wrap_io_uring_register_eventfd(struct io_uring *ring, int fd);
int __wrap_io_uring_register_eventfd(struct io_uring *ring, int fd)
{
	return no_eventfd ? -EINVAL : __real_io_uring_register_eventfd(ring, fd);
}

ssize_t __real_pwritev64v2(int fd, const struct iovec *iov, int nr, off_t off, int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int nr, off_t off, int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int nr, off_t off, int flags)
{
	by_call++;
	note(IORING_OP_WRITEV, (uint32_t)flags, (uint64_t)off);
	return __real_pwritev64v2(fd, iov, nr, off, flags);
}

ssize_t __real_preadv64(int fd, const struct iovec *iov, int nr, off_t off);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int nr, off_t off);
ssize_t __wrap_preadv64(int fd, const struct iovec *iov, int nr, off_t off)
{
	by_call++;
	note(IORING_OP_READV, 0, (uint64_t)off);
	return __real_preadv64(fd, iov, nr, off);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	by_call++;
	note(IORING_OP_FSYNC, IORING_FSYNC_DATASYNC, 0);
	return __real_fdatasync(fd);
}

int __real_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t off, off_t len)
{
	by_call++;
	note(IORING_OP_FALLOCATE, (uint32_t)mode, (uint64_t)off);
	return __real_fallocate64(fd, mode == ZERO ? PUNCH : mode, off, len);
}

/* ---- a controller ---- */

static struct driver drv;
static iova_t data, list;

static void begin(void)
{
	asked_nr = by_call = most = 0;
}

static void open_drive(void)
{
	driver_open(&drv, LEN, "");
	driver_enable(&drv, 16, 0);
	driver_pair(&drv, 1, 16);
	data = driver_alloc(&drv, 2 * PAGES * 4096);
	list = driver_alloc(&drv, 4096);
	begin();
}

static int setup(void **state)
{
	struct io_uring ring;

	if (__real_io_uring_queue_init(8, &ring, 0))
		skip();
	io_uring_queue_exit(&ring);
	open_drive();
	return 0;
}

static int teardown(void **state)
{
	driver_close(&drv);
	return 0;
}

static uint16_t run(uint8_t opcode, uint64_t slba, uint32_t nr, uint32_t flags)
{
	struct nvme_cmd cmd = driver_rw(&drv, opcode, slba, nr, data);

	cmd.cdw12 |= flags;
	return driver_run(&drv, 1, cmd);
}

static struct nvme_cmd discard(unsigned nr, iova_t ranges)
{
	return (struct nvme_cmd){
		.opcode = NVME_IO_DSM, .nsid = 1, .prp1 = ranges, .cdw10 = nr - 1, .cdw11 = 4};
}

static void expect(unsigned from, struct asked what)
{
	assert_true(from < asked_nr);
	assert_int_equal(asked[from].op, what.op);
	assert_int_equal(asked[from].flags, what.flags);
	assert_int_equal(asked[from].off, what.off);
}

/* Each command, and the first of what the kernel is asked for it; `nr` in all. */
static void ask_all(void)
{
	static const struct {
		uint8_t opcode;
		uint32_t flags;
		unsigned nr;
		struct asked first;
	} table[] = {
		{NVME_IO_WRITE, 0, 1, {IORING_OP_WRITEV, 0, 7 * 512}},
		{NVME_IO_WRITE, NVME_RW_FUA, 1, {IORING_OP_WRITEV, RWF_DSYNC, 7 * 512}},
		{NVME_IO_WRITE_ZEROES, 0, 1, {IORING_OP_FALLOCATE, ZERO, 7 * 512}},
		{NVME_IO_WRITE_ZEROES, NVME_RW_DEAC, 1, {IORING_OP_FALLOCATE, PUNCH, 7 * 512}},
		{NVME_IO_WRITE_ZEROES,
		 NVME_RW_DEAC | NVME_RW_FUA,
		 2,
		 {IORING_OP_FALLOCATE, PUNCH, 7 * 512}},
		{NVME_IO_FLUSH, 0, 1, {IORING_OP_FSYNC, IORING_FSYNC_DATASYNC, 0}},
		{NVME_IO_READ, NVME_RW_FUA, 2, {IORING_OP_FSYNC, IORING_FSYNC_DATASYNC, 0}},
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		asked_nr = 0;
		assert_int_equal(run(table[i].opcode, 7, 8, table[i].flags), 0);
		assert_int_equal(asked_nr, table[i].nr);
		expect(0, table[i].first);
	}
	expect(1, (struct asked){IORING_OP_READV, 0, 7 * 512});
}

/* Without a write cache all is stable before it completes. */
static void ask_all_without_cache(void)
{
	struct nvme_dsm_range *range = bus_at(list);
	struct nvme_cmd off = {.opcode = NVME_ADM_SET_FEATURES, .cdw10 = 6};

	assert_int_equal(driver_run(&drv, 0, off), 0);
	asked_nr = 0;
	assert_int_equal(run(NVME_IO_WRITE, 9, 8, 0), 0);
	assert_int_equal(asked_nr, 1);
	expect(0, (struct asked){IORING_OP_WRITEV, RWF_DSYNC, 9 * 512});
	for (unsigned i = 0; i < 3; i++)
		range[i] = (struct nvme_dsm_range){.slba = 100 * i, .nlb = i == 1 ? 0 : 8};
	assert_int_equal(driver_run(&drv, 1, discard(3, list)), 0);
	assert_int_equal(asked_nr, 4);
	expect(1, (struct asked){IORING_OP_FALLOCATE, PUNCH, 0});
	expect(2, (struct asked){IORING_OP_FALLOCATE, PUNCH, 200 * 512});
	expect(3, (struct asked){IORING_OP_FSYNC, IORING_FSYNC_DATASYNC, 0});
}

static void a_ring_gets_what_a_command_wants(void **state)
{
	ask_all();
	assert_int_equal(by_call, 1); /* the sync before a read: it has to be over by then */
	ask_all_without_cache();
	assert_int_equal(by_call, 2); /* and one before there is no cache */
}

/* No ring, or one that cannot tell of ends: the calls want the same, and no ring stays open. */
static void without_a_ring_calls_do_the_same(void **state)
{
	unsigned files[2];

	for (unsigned i = 0; i < 2; i++) {
		no_ring = i == 0;
		no_eventfd = i == 1;
		open_drive();
		ask_all();
		ask_all_without_cache();
		assert_true(by_call > 4);
		assert_int_equal(most, 0);
		files[i] = fds_open();
		driver_close(&drv);
	}
	no_eventfd = false;
	assert_int_equal(files[0], files[1]);
}

/* More ranges at once than a ring has entries. */
static void a_full_ring_is_emptied(void **state)
{
	iova_t ranges = driver_alloc(&drv, 3 * 4096);
	uint8_t *now = malloc(LEN);

	for (unsigned c = 0; c < 3; c++) {
		struct nvme_dsm_range *range = bus_at(ranges + c * 4096);
		struct nvme_cmd cmd = discard(256, ranges + c * 4096);

		for (unsigned i = 0; i < 256; i++)
			range[i] = (struct nvme_dsm_range){.slba = (c * 256 + i) * 2, .nlb = 1};
		driver_put(&drv, 1, &cmd);
	}
	driver_ring(&drv, 1);
	for (unsigned c = 0; c < 3; c++)
		assert_int_equal(driver_take(&drv, 1).status, 0);
	assert_int_equal(asked_nr, 3 * 256);
	assert_int_equal(by_call, 0);
	assert_int_equal(most, 256);
	assert_int_equal(pread(drv.fd, now, LEN, 0), LEN);
	for (unsigned i = 0; i < LEN; i++) {
		bool gone = i / 1024 < 3 * 256 && i % 1024 < 512;

		assert_int_equal(now[i], gone ? 0 : (uint8_t)(i * 31 + (i >> 9) * 7 + (i >> 17)));
	}
	free(now);
}

/* As many blocks as there are, and one more than that. */
static void a_range_may_be_the_whole_drive(void **state)
{
	struct nvme_dsm_range *range = bus_at(list);

	assert_int_equal(run(NVME_IO_WRITE_ZEROES, 0, LEN / 512, 0), 0);
	assert_int_equal(asked_nr, 1);
	assert_int_equal(run(NVME_IO_WRITE_ZEROES, 1, LEN / 512, 0), DNR(0x80));
	assert_int_equal(run(NVME_IO_WRITE_ZEROES, 0, LEN / 512 + 1, 0), DNR(0x80));
	/* One that is stable at once, which the next one need not be. */
	assert_int_equal(run(NVME_IO_WRITE, 0, 8, NVME_RW_FUA), 0);
	*range = (struct nvme_dsm_range){.nlb = LEN / 512};
	assert_int_equal(driver_run(&drv, 1, discard(1, list)), 0);
	assert_int_equal(asked_nr, 3);
	range->nlb++;
	assert_int_equal(driver_run(&drv, 1, discard(1, list)), DNR(0x80));
	assert_int_equal(asked_nr, 3);
}

/* The kernel takes no entry for a while. */
static void what_is_refused_is_tried_again(void **state)
{
	static const int how[] = {0, -EINTR, -EAGAIN, -EBUSY};

	for (unsigned i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		uint8_t now[512];

		memset(bus_at(data), 0x70 + (int)i, 512);
		refusal = how[i];
		refusals = 3;
		assert_int_equal(run(NVME_IO_WRITE, i, 1, 0), 0);
		assert_int_equal(refusals, 0);
		assert_int_equal(asked_nr, i + 1);
		assert_int_equal(pread(drv.fd, now, 512, i * 512), 512);
		assert_memory_equal(now, bus_at(data), 512);
	}
}

/* Pages in disorder, so that each is a piece, done in parts of any length. */
static void what_is_done_in_parts_goes_on_behind_them(void **state)
{
	static const uint32_t parts[] = {512, 1536, 4096, 4608, 8192, 12800, 28672, 32256};
	struct nvme_cmd cmd = {
		.opcode = NVME_IO_WRITE, .nsid = 1, .prp2 = list, .cdw10 = 16, .cdw12 = 63};
	uint8_t now[PAGES * 4096];

	for (unsigned i = 0; i < 2 * sizeof(parts) / sizeof(parts[0]); i++) {
		uint64_t *prp = bus_at(list);
		uint8_t *bytes = bus_at(data);

		for (unsigned b = 0; b < 2 * PAGES * 4096; b++)
			bytes[b] = (uint8_t)(b * 13 + (b >> 9) + i);
		for (unsigned p = 1; p < PAGES; p++)
			prp[p - 1] = data + (PAGES - 1 - p) * 4096;
		cmd.prp1 = data + (PAGES - 1) * 4096;
		cmd.opcode = NVME_IO_WRITE;
		cmd.cdw12 = 63;
		asked_nr = 0;
		part = parts[i / 2];
		then_not = i % 2;
		assert_int_equal(driver_run(&drv, 1, cmd), 0);
		if (!then_not)
			assert_int_equal(asked_nr, (PAGES * 4096 + part - 1) / part);
		for (unsigned a = 0; a < asked_nr && !then_not; a++)
			expect(a, (struct asked){IORING_OP_WRITEV, 0, 16 * 512 + a * part});
		assert_int_equal(pread(drv.fd, now, sizeof(now), 16 * 512), sizeof(now));
		for (unsigned p = 0; p < PAGES; p++)
			assert_memory_equal(now + p * 4096, bytes + (PAGES - 1 - p) * 4096, 4096);
		for (unsigned p = 1; p < PAGES; p++)
			prp[p - 1] = data + (2 * PAGES - 1 - p) * 4096;
		cmd.prp1 = data + (2 * PAGES - 1) * 4096;
		cmd.opcode = NVME_IO_READ;
		asked_nr = 0;
		assert_int_equal(driver_run(&drv, 1, cmd), 0);
		assert_memory_equal(bytes + PAGES * 4096, bytes, PAGES * 4096);
		part = 0;
		assert_int_equal(by_call != 0, i % 2);
		by_call = 0;
	}
	then_not = false;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_ring_gets_what_a_command_wants),
		cmocka_unit_test(without_a_ring_calls_do_the_same),
		T(a_full_ring_is_emptied),
		T(a_range_may_be_the_whole_drive),
		T(what_is_refused_is_tried_again),
		T(what_is_done_in_parts_goes_on_behind_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
