/* SPDX-License-Identifier: MIT */
/* Description: what I/O commands do to the drive file, and what malformed ones don't. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "models/nvme/driver.h"

#define LEN    (8u << 20)
#define BLOCKS (LEN / 512)

static struct driver drv;
static iova_t data;
static uint8_t *twin;

static void begin(const char *keys)
{
	driver_open(&drv, LEN, keys);
	twin = calloc(1, LEN);
	if (drv.fd >= 0)
		assert_int_equal(pread(drv.fd, twin, LEN, 0), LEN);
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, 128);
	data = driver_alloc(&drv, 4u << 20);
}

static void file_is_twin(void)
{
	uint8_t *now = malloc(LEN);

	assert_int_equal(pread(drv.fd, now, LEN, 0), LEN);
	assert_memory_equal(now, twin, LEN);
	free(now);
}

static void end(void)
{
	driver_close(&drv);
	free(twin);
}

static int setup(void **state)
{
	begin("");
	return 0;
}

static int teardown(void **state)
{
	end();
	return 0;
}

static uint16_t rw(uint8_t opcode, uint64_t slba, uint32_t nr, uint32_t flags)
{
	struct nvme_cmd cmd = driver_rw(&drv, opcode, slba, nr, data);

	cmd.cdw12 |= flags;
	return driver_run(&drv, 1, cmd);
}

static void reads_and_writes_reach_the_file(void **state)
{
	memset(bus_at(data), 0x5a, 16384);
	memset(twin + 512 * 7, 0x5a, 512 * 19);
	assert_int_equal(rw(NVME_IO_WRITE, 7, 19, 0), 0);
	assert_int_equal(rw(NVME_IO_WRITE, BLOCKS - 1, 1, NVME_RW_FUA), 0);
	memset(twin + LEN - 512, 0x5a, 512);
	file_is_twin();
	assert_int_equal(rw(NVME_IO_READ, 0, 4096, 0), 0);
	assert_memory_equal(bus_at(data), twin, 4096 * 512);
	assert_int_equal(rw(NVME_IO_READ, 0, 8, NVME_RW_FUA), 0);
	assert_int_equal(rw(NVME_IO_FLUSH, 0, 1, 0), 0);
	file_is_twin();
}

static void malformed_commands_change_nothing(void **state)
{
	struct {
		uint8_t opcode, flags;
		uint32_t nsid;
		uint64_t slba;
		uint32_t cdw12;
		uint64_t prp1, prp2;
		uint16_t status;
	} table[] = {
		{NVME_IO_WRITE, 0, 0, 0, 0, data, 0, DNR(0x0b)},
		{NVME_IO_WRITE, 0, 2, 0, 0, data, 0, DNR(0x0b)},
		{NVME_IO_WRITE, 0, NVME_NSID_ALL, 0, 0, data, 0, DNR(0x0b)},
		{NVME_IO_READ, 0, 7, 0, 0, data, 0, DNR(0x0b)},
		{NVME_IO_FLUSH, 0, 7, 0, 0, 0, 0, DNR(0x0b)},
		{NVME_IO_FLUSH, 0, NVME_NSID_ALL, 0, 0, 0, 0, 0},
		{NVME_IO_WRITE, 1, 1, 0, 0, data, 0, DNR(0x02)},
		{NVME_IO_WRITE, 2, 1, 0, 0, data, 0, DNR(0x02)},
		{NVME_IO_WRITE, 0x40, 1, 0, 0, data, 0, DNR(0x02)},
		{NVME_IO_WRITE, 0x80, 1, 0, 0, data, 0, DNR(0x02)},
		{NVME_IO_WRITE, 0, 1, BLOCKS, 0, data, 0, DNR(0x80)},
		{NVME_IO_WRITE, 0, 1, BLOCKS - 1, 1, data, 0, DNR(0x80)},
		{NVME_IO_WRITE, 0, 1, UINT64_MAX, 0, data, 0, DNR(0x80)},
		{NVME_IO_WRITE, 0, 1, UINT64_MAX - 3, 7, data, 0, DNR(0x80)},
		{NVME_IO_WRITE, 0, 1, 0, 4096, data, data, DNR(0x02)},
		{NVME_IO_WRITE, 0, 1, 0, 0xffff, data, data, DNR(0x02)},
		{NVME_IO_WRITE, 0, 1, 0, 1 << 29, data, 0, DNR(0x02)},
		{NVME_IO_WRITE, 0, 1, 0, 0, data + 1, 0, DNR(0x13)},
		{NVME_IO_WRITE, 0, 1, 0, 0, data + 2, 0, DNR(0x13)},
		{NVME_IO_WRITE, 0, 1, 0, 15, data, data + 512, DNR(0x13)},
		{NVME_IO_WRITE, 0, 1, 0, 31, data, data + 4, DNR(0x13)},
		{NVME_IO_WRITE, 0, 1, 0, 0, 0x1000, 0, 0x04},
		{NVME_IO_WRITE, 0, 1, 0, 15, data, 0x1000, 0x04},
		{NVME_IO_WRITE, 0, 1, 0, 31, data, 0x1000, 0x04},
		{NVME_IO_READ, 0, 1, 0, 7, 0x1000, 0, 0x04},
		{NVME_IO_COMPARE, 0, 1, 0, 7, 0x1000, 0, 0x04},
		{NVME_IO_COMPARE, 0, 1, 0, 4096, data, data, DNR(0x02)},
		{NVME_IO_COMPARE, 0, 1, BLOCKS, 0, data, data, DNR(0x80)},
		{NVME_IO_WRITE_ZEROES, 0, 1, BLOCKS, 0, 0, 0, DNR(0x80)},
		{NVME_IO_WRITE_ZEROES, 0, 1, 1, 0xffff, 0, 0, DNR(0x80)},
		{NVME_IO_WRITE_ZEROES, 0, 2, 0, 0, 0, 0, DNR(0x0b)},
		{0x03, 0, 1, 0, 0, data, 0, DNR(0x01)},
		{0x04, 0, 1, 0, 0, data, 0, DNR(0x01)},
		{0x0d, 0, 1, 0, 0, data, 0, DNR(0x01)},
		{0xff, 0, 1, 0, 0, data, 0, DNR(0x01)},
	};

	memset(bus_at(data), 0xee, 65536);
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct nvme_cmd cmd = {
			.opcode = table[i].opcode,
			.flags = table[i].flags,
			.nsid = table[i].nsid,
			.prp1 = table[i].prp1,
			.prp2 = table[i].prp2,
			.cdw10 = (uint32_t)table[i].slba,
			.cdw11 = (uint32_t)(table[i].slba >> 32),
			.cdw12 = table[i].cdw12,
		};
		uint16_t status = driver_run(&drv, 1, cmd);

		if (status != table[i].status)
			fail_msg("command %u: %x, not %x", i, status, table[i].status);
	}
	file_is_twin();
}

static void a_fault_in_the_last_page_writes_nothing(void **state)
{
	memset(bus_at(data), 0xee, 65536);
	bus_protect(data + 15 * 4096, 4096, IOAS_PROT_WRITE);
	assert_int_equal(rw(NVME_IO_WRITE, 0, 128, 0), 0x04);
	file_is_twin();
	bus_protect(data + 15 * 4096, 4096, IOAS_PROT_READ);
	assert_int_equal(rw(NVME_IO_READ, 0, 128, 0), 0x04);
	assert_int_equal(rw(NVME_IO_WRITE, 0, 128, 0), 0);
}

static void compare_tells_a_difference(void **state)
{
	memcpy(bus_at(data), twin + 100 * 512, 2048 * 512);
	assert_int_equal(rw(NVME_IO_COMPARE, 100, 2048, 0), 0);
	((uint8_t *)bus_at(data))[2048 * 512 - 1] ^= 1;
	assert_int_equal(rw(NVME_IO_COMPARE, 100, 2048, 0), DNR(0x285));
	assert_int_equal(rw(NVME_IO_COMPARE, 100, 2047, 0), 0);
	file_is_twin();
}

static void zeroes_and_discards_punch_holes(void **state)
{
	struct nvme_dsm_range *range = bus_at(data);
	struct nvme_cmd dsm = {.opcode = NVME_IO_DSM, .nsid = 1, .prp1 = data, .cdw11 = 4};
	struct stat before, after;

	fsync(drv.fd);
	fstat(drv.fd, &before);
	assert_int_equal(rw(NVME_IO_WRITE_ZEROES, 3, 5000, 0), 0);
	memset(twin + 3 * 512, 0, 5000 * 512);
	file_is_twin();
	assert_int_equal(rw(NVME_IO_WRITE_ZEROES, 6000, 8, NVME_RW_DEAC), 0);
	memset(twin + 6000 * 512, 0, 8 * 512);
	for (unsigned i = 0; i < 256; i++) {
		range[i] = (struct nvme_dsm_range){.slba = 8000 + i * 16, .nlb = 8};
		memset(twin + (8000 + i * 16) * 512, 0, 8 * 512);
	}
	dsm.cdw10 = 255;
	assert_int_equal(driver_run(&drv, 1, dsm), 0);
	file_is_twin();
	/* One bad range of many, and none of them goes. */
	range[0] = (struct nvme_dsm_range){.slba = 7000, .nlb = 100};
	range[255] = (struct nvme_dsm_range){.slba = BLOCKS - 1, .nlb = 2};
	assert_int_equal(driver_run(&drv, 1, dsm), DNR(0x80));
	range[255] = (struct nvme_dsm_range){.slba = UINT64_MAX, .nlb = 2};
	assert_int_equal(driver_run(&drv, 1, dsm), DNR(0x80));
	file_is_twin();
	/* Hints are only hints. */
	range[255].slba = 0;
	dsm.cdw11 = 3;
	assert_int_equal(driver_run(&drv, 1, dsm), 0);
	dsm.prp1 = 0x1000;
	dsm.cdw11 = 4;
	assert_int_equal(driver_run(&drv, 1, dsm), 0x04);
	file_is_twin();
	fstat(drv.fd, &after);
	if (after.st_blocks >= before.st_blocks)
		print_message("no holes on this file system\n");
}

/* Random commands, many at a time, against a copy in memory. */
static void random_traffic_matches_a_twin(void **state)
{
	unsigned seed = 1;

	for (unsigned round = 0; round < 60; round++) {
		uint32_t at[32], nr[32], read[32];
		uint32_t slot = BLOCKS / 32;

		for (unsigned i = 0; i < 32; i++) {
			iova_t buf = data + i * 131072 + (uint32_t)rand_r(&seed) % 4096 / 4 * 4;
			uint8_t *bytes = bus_at(buf);

			nr[i] = 1 + (uint32_t)rand_r(&seed) % 200;
			at[i] = i * slot + (uint32_t)rand_r(&seed) % (slot - 200);
			read[i] = rand_r(&seed) % 2;
			for (uint32_t b = 0; !read[i] && b < nr[i] * 512; b++)
				bytes[b] = (uint8_t)(b * 13 + i + round);
			if (!read[i])
				memcpy(twin + at[i] * 512, bytes, nr[i] * 512);
			drv.next = data + (32 * 131072 + 65536) + i * 8192;
			driver_put(&drv, 1,
				   (struct nvme_cmd[]){
					   driver_rw(&drv, read[i] ? NVME_IO_READ : NVME_IO_WRITE,
						     at[i], nr[i], buf)});
			read[i] = read[i] ? (uint32_t)(buf - data) + 1 : 0;
		}
		driver_ring(&drv, 1);
		for (unsigned i = 0; i < 32; i++)
			assert_int_equal(driver_take(&drv, 1).status, 0);
		for (unsigned i = 0; i < 32; i++)
			if (read[i])
				assert_memory_equal(bus_at(data + read[i] - 1), twin + at[i] * 512,
						    nr[i] * 512);
	}
	file_is_twin();
}

static void a_read_only_drive_says_so(void **state)
{
	struct nvme_cmd dsm = {.opcode = NVME_IO_DSM, .nsid = 1, .cdw11 = 4};
	struct nvme_cmd id = {.opcode = NVME_ADM_IDENTIFY, .nsid = 1};

	begin("readonly=on");
	id.prp1 = dsm.prp1 = data;
	assert_int_equal(rw(NVME_IO_WRITE, 0, 8, 0), DNR(0x20));
	assert_int_equal(rw(NVME_IO_WRITE_ZEROES, 0, 8, 0), DNR(0x20));
	*(struct nvme_dsm_range *)bus_at(data) = (struct nvme_dsm_range){.nlb = 8};
	assert_int_equal(driver_run(&drv, 1, dsm), DNR(0x20));
	assert_int_equal(rw(NVME_IO_FLUSH, 0, 1, 0), 0);
	assert_int_equal(rw(NVME_IO_READ, 0, 8, 0), 0);
	assert_memory_equal(bus_at(data), twin, 4096);
	assert_int_equal(driver_run(&drv, 0, id), 0);
	assert_int_equal(((uint8_t *)bus_at(data))[99], 1);
	file_is_twin();
	end();
}

static void a_drive_that_fails_has_media_errors(void **state)
{
	struct rlimit old;

	assert_int_equal(ftruncate(drv.fd, LEN / 2 + 100), 0);
	assert_int_equal(rw(NVME_IO_READ, BLOCKS / 2 - 8, 8, 0), 0);
	assert_int_equal(rw(NVME_IO_READ, BLOCKS / 2 - 4, 8, 0), 0x281);
	assert_int_equal(rw(NVME_IO_READ, BLOCKS - 8, 8, 0), 0x281);
	assert_int_equal(rw(NVME_IO_COMPARE, BLOCKS - 8, 8, 0), 0x281);
	/* No room to grow again: as a thin drive that is full. */
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){LEN / 2, old.rlim_max});
	assert_int_equal(rw(NVME_IO_WRITE, BLOCKS - 8, 8, 0), DNR(0x81));
	setrlimit(RLIMIT_FSIZE, &old);
	memset(bus_at(data), 0x77, 4096);
	assert_int_equal(rw(NVME_IO_WRITE_ZEROES, BLOCKS - 16, 8, 0), 0);
	assert_int_equal(rw(NVME_IO_WRITE, BLOCKS - 8, 8, 0), 0);
	assert_int_equal(rw(NVME_IO_READ, BLOCKS - 16, 16, 0), 0);
	assert_int_equal(((uint8_t *)bus_at(data))[4095], 0);
	assert_int_equal(((uint8_t *)bus_at(data))[4096], 0x77);
}

static void what_was_not_flushed_is_lost(void **state)
{
	begin("volatile=on");
	memset(bus_at(data), 0x11, 1 << 20);
	assert_int_equal(rw(NVME_IO_WRITE, 3, 1000, 0), 0);
	file_is_twin();
	assert_int_equal(rw(NVME_IO_READ, 0, 1010, 0), 0);
	assert_memory_equal(bus_at(data), twin, 3 * 512);
	assert_int_equal(((uint8_t *)bus_at(data))[3 * 512], 0x11);
	assert_int_equal(((uint8_t *)bus_at(data))[1003 * 512 - 1], 0x11);
	assert_memory_equal((uint8_t *)bus_at(data) + 1003 * 512, twin + 1003 * 512, 7 * 512);
	memset(bus_at(data), 0x11, 1 << 20);
	assert_int_equal(rw(NVME_IO_COMPARE, 3, 1000, 0), 0);
	assert_int_equal(rw(NVME_IO_FLUSH, 0, 1, 0), 0);
	memset(twin + 3 * 512, 0x11, 1000 * 512);
	file_is_twin();
	/* FUA goes through, over what the cache had. */
	memset(bus_at(data), 0x22, 4096);
	assert_int_equal(rw(NVME_IO_WRITE, 20, 8, 0), 0);
	memset(bus_at(data), 0x33, 4096);
	assert_int_equal(rw(NVME_IO_WRITE, 22, 2, NVME_RW_FUA), 0);
	memset(twin + 22 * 512, 0x33, 1024);
	file_is_twin();
	assert_int_equal(rw(NVME_IO_READ, 20, 8, 0), 0);
	assert_int_equal(((uint8_t *)bus_at(data))[1023], 0x22);
	assert_int_equal(((uint8_t *)bus_at(data))[1024], 0x33);
	assert_int_equal(((uint8_t *)bus_at(data))[2048], 0x22);
	/* A reset keeps it, the end of the process does not. */
	driver_disable(&drv);
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, 128);
	assert_int_equal(rw(NVME_IO_READ, 20, 8, 0), 0);
	assert_int_equal(((uint8_t *)bus_at(data))[1023], 0x22);
	bus_remove();
	driver_plug(&drv, "volatile=on");
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, 128);
	file_is_twin();
	/* Shutdown and a cache that is switched off keep it. */
	memset(bus_at(data), 0x44, 4096);
	memset(twin, 0x44, 4096);
	assert_int_equal(rw(NVME_IO_WRITE, 0, 8, 0), 0);
	assert_int_equal(
		driver_run(&drv, 0, (struct nvme_cmd){.opcode = NVME_ADM_SET_FEATURES, .cdw10 = 6}),
		0);
	file_is_twin();
	assert_int_equal(rw(NVME_IO_WRITE, 8, 8, 0), 0);
	memset(twin + 4096, 0x44, 4096);
	file_is_twin();
	driver_disable(&drv);
	driver_enable(&drv, 32, 0);
	driver_pair(&drv, 1, 128);
	assert_int_equal(rw(NVME_IO_WRITE, 16, 8, 0), 0);
	driver_write32(NVME_REG_CC, drv.cc | 1 << 14);
	driver_wait(NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_DONE);
	memset(twin + 8192, 0x44, 4096);
	file_is_twin();
	end();
}

static uint16_t discard(uint64_t slba, uint32_t nlb)
{
	iova_t at = data + (2u << 20);

	*(struct nvme_dsm_range *)bus_at(at) = (struct nvme_dsm_range){.slba = slba, .nlb = nlb};
	return driver_run(
		&drv, 1,
		(struct nvme_cmd){.opcode = NVME_IO_DSM, .nsid = 1, .prp1 = at, .cdw11 = 4});
}

static void drive_is_twin(void)
{
	for (uint32_t at = 0; at < BLOCKS; at += 2048) {
		assert_int_equal(rw(NVME_IO_READ, at, 2048, 0), 0);
		assert_memory_equal(bus_at(data), twin + at * 512, 2048 * 512);
		assert_int_equal(rw(NVME_IO_COMPARE, at, 2048, 0), 0);
	}
}

/* Zeroes and discards wait for a flush like the writes around them, in their order. */
static void what_was_zeroed_and_not_flushed_comes_back(void **state)
{
	uint8_t *file;

	begin("volatile=on");
	file = malloc(LEN);
	memcpy(file, twin, LEN);
	for (unsigned flushed = 0; flushed < 2; flushed++) {
		memset(bus_at(data), 0x11, 1 << 20);
		assert_int_equal(rw(NVME_IO_WRITE, 100, 1000, 0), 0);
		memset(twin + 100 * 512, 0x11, 1000 * 512);
		assert_int_equal(rw(NVME_IO_WRITE_ZEROES, 203, 500, 0), 0);
		memset(twin + 203 * 512, 0, 500 * 512);
		assert_int_equal(discard(3001, 7002), 0);
		memset(twin + 3001 * 512, 0, 7002 * 512);
		memset(bus_at(data), 0x22, 1 << 20);
		assert_int_equal(rw(NVME_IO_WRITE, 4000, 9, 0), 0);
		memset(twin + 4000 * 512, 0x22, 9 * 512);
		drive_is_twin();
		if (flushed) {
			assert_int_equal(rw(NVME_IO_FLUSH, 0, 1, 0), 0);
			file_is_twin();
		}
		bus_remove();
		driver_plug(&drv, "volatile=on");
		driver_enable(&drv, 32, 0);
		driver_pair(&drv, 1, 128);
		if (!flushed)
			memcpy(twin, file, LEN);
		file_is_twin();
		drive_is_twin();
	}
	/* FUA zeroes are there at once, and only they; with the cache off, all is. */
	memset(bus_at(data), 0x33, 1 << 20);
	assert_int_equal(rw(NVME_IO_WRITE, 8000, 8, 0), 0);
	assert_int_equal(rw(NVME_IO_WRITE_ZEROES, 8002, 3, NVME_RW_FUA), 0);
	memset(twin + 8002 * 512, 0, 3 * 512);
	file_is_twin();
	memset(twin + 8000 * 512, 0x33, 2 * 512);
	memset(twin + 8005 * 512, 0x33, 3 * 512);
	assert_int_equal(
		driver_run(&drv, 0, (struct nvme_cmd){.opcode = NVME_ADM_SET_FEATURES, .cdw10 = 6}),
		0);
	file_is_twin();
	assert_int_equal(discard(9000, 100), 0);
	memset(twin + 9000 * 512, 0, 100 * 512);
	file_is_twin();
	free(file);
	end();
}

static void a_null_drive_moves_nothing(void **state)
{
	begin("null");
	memset(bus_at(data), 0x66, 4096);
	assert_int_equal(rw(NVME_IO_READ, 0, 8, 0), 0);
	assert_int_equal(((uint8_t *)bus_at(data))[0], 0x66);
	assert_int_equal(rw(NVME_IO_WRITE, 0, 8, 0), 0);
	assert_int_equal(rw(NVME_IO_FLUSH, 0, 1, 0), 0);
	assert_int_equal(rw(NVME_IO_WRITE_ZEROES, 0, 8, 0), 0);
	assert_int_equal(rw(NVME_IO_WRITE, BLOCKS, 8, 0), DNR(0x80));
	bus_protect(data, 4096, 0);
	assert_int_equal(rw(NVME_IO_READ, 0, 8, 0), 0x04);
	end();
}

static void large_blocks_count_in_large_blocks(void **state)
{
	struct nvme_cmd cmd;

	begin("lba=4096");
	cmd = driver_rw(&drv, NVME_IO_READ, LEN / 4096 - 1, 1, data);
	assert_int_equal(driver_run(&drv, 1, cmd), 0);
	assert_memory_equal(bus_at(data), twin + LEN - 4096, 4096);
	cmd.cdw10++;
	assert_int_equal(driver_run(&drv, 1, cmd), DNR(0x80));
	assert_int_equal(rw(NVME_IO_WRITE_ZEROES, 7, 2, 0), 0);
	assert_int_equal(discard(100, 3), 0);
	memset(twin + 7 * 4096, 0, 2 * 4096);
	memset(twin + 100 * 4096, 0, 3 * 4096);
	file_is_twin();
	end();
}

/* As sandboxes do: no io_uring for this process. */
static int refuse_rings(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(filter) / sizeof(filter[0]), filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(reads_and_writes_reach_the_file),
		T(malformed_commands_change_nothing),
		T(a_fault_in_the_last_page_writes_nothing),
		T(compare_tells_a_difference),
		T(zeroes_and_discards_punch_holes),
		T(random_traffic_matches_a_twin),
		T(a_drive_that_fails_has_media_errors),
		cmocka_unit_test(a_read_only_drive_says_so),
		cmocka_unit_test(what_was_not_flushed_is_lost),
		cmocka_unit_test(what_was_zeroed_and_not_flushed_comes_back),
		cmocka_unit_test(a_null_drive_moves_nothing),
		cmocka_unit_test(large_blocks_count_in_large_blocks),
	};

	if (argc > 1 && !strcmp(argv[1], "sandboxed") && refuse_rings()) {
		printf("SKIP: no seccomp filter can be installed\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
