/* SPDX-License-Identifier: MIT */
/*
 * Description: a drive is its file with the volatile cache over it, sector by sector; what is
 * written back is what was asked for; what it opens goes with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "nvme/drive.h"
#include "tests/unit/fds.h"
#include "tests/unit/mapped.h"

#define PAGES	40u
#define SECTORS (PAGES * 8)
#define LEN	(SECTORS * 512u)
#define NOTHING -1 /* the cache has none of the sector */

static struct nvme_drive drive;
static char path[64];
static int file; /* the drive's, for us to look at */
static uint8_t stored[SECTORS];
static int cached[SECTORS]; /* a sector's byte, or NOTHING */

static void open_drive(bool is_volatile)
{
	struct nvme_drive_config config = {.path = path, .lba_lg2 = 9, .is_volatile = is_volatile};

	file = memfd_create("drive", MFD_CLOEXEC);
	assert_true(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	assert_int_equal(ftruncate(file, LEN), 0);
	assert_int_equal(drive_open(&drive, &config, NULL), 0);
	memset(stored, 0, sizeof(stored));
	for (unsigned s = 0; s < SECTORS; s++)
		cached[s] = NOTHING;
}

static void close_drive(void)
{
	drive_close(&drive);
	close(file);
}

static void assert_bytes(const uint8_t *data, uint8_t value)
{
	for (unsigned i = 0; i < 512; i++)
		if (data[i] != value)
			fail_msg("byte %u is %02x, not %02x", i, data[i], value);
}

static void assert_stored(void)
{
	static uint8_t data[LEN];

	assert_int_equal(pread(file, data, LEN, 0), LEN);
	for (unsigned s = 0; s < SECTORS; s++)
		assert_bytes(data + s * 512, stored[s]);
}

static void assert_read(unsigned first, unsigned nr)
{
	static uint8_t data[LEN];

	memset(data, 0xee, sizeof(data));
	assert_int_equal(drive_read_through(&drive, data, nr * 512, first * 512), 0);
	for (unsigned s = 0; s < nr; s++)
		assert_bytes(data + s * 512, cached[first + s] == NOTHING
						     ? stored[first + s]
						     : (uint8_t)cached[first + s]);
	assert_true(first + nr == SECTORS || data[nr * 512] == 0xee);
}

/* Piece by piece: in order, inside the range, and all that the cache has of it. */
static void assert_pieces(unsigned first, unsigned nr)
{
	uint64_t off = first * 512, end = off + nr * 512, at = off;
	struct drive_cached piece;

	for (unsigned s = first; s < first + nr; s++) {
		if (cached[s] == NOTHING)
			continue;
		if (at <= s * 512) {
			assert_true(drive_cached(&drive, at, end - at, &piece));
			assert_int_equal(piece.off, s * 512);
			at = piece.off + piece.len;
			assert_true(piece.len && piece.len % 512 == 0 && at <= end);
		}
		if (piece.data)
			assert_bytes(piece.data + (s * 512 - piece.off), (uint8_t)cached[s]);
		else
			assert_int_equal(cached[s], 0);
	}
	assert_true(at == end || !drive_cached(&drive, at, end - at, &piece));
}

static void write_cached(unsigned first, unsigned nr, uint8_t value)
{
	for (unsigned s = first; s < first + nr; s++) {
		struct volatile_page *page = volatile_get(&drive.cache, s / 8);

		page->valid |= (uint8_t)(1 << s % 8);
		memset(page->data + s % 8 * 512, value, 512);
		cached[s] = value;
	}
}

static void zero_cached(unsigned first, unsigned nr)
{
	assert_int_equal(volatile_zero(&drive.cache, first * 512, nr * 512), 0);
	for (unsigned s = first; s < first + nr; s++)
		cached[s] = 0;
}

/* Zeroes are written whole, as far as they reach; of pages only what is in the range. */
static void write_back(unsigned first, unsigned nr)
{
	unsigned low = first / 8, high = (first + nr - 1) / 8;
	struct volatile_extent e;

	for (uint64_t at = 0; volatile_next(&drive.cache, at, &e); at = e.first + e.nr)
		for (uint64_t s = e.first * 8; s < (e.first + e.nr) * 8; s++) {
			bool inside = e.page ? s >= first && s < first + nr
					     : e.first <= high && e.first + e.nr > low;

			if (!inside || cached[s] == NOTHING)
				continue;
			stored[s] = (uint8_t)cached[s];
			cached[s] = NOTHING;
		}
	assert_int_equal(drive_write_back(&drive, first * 512, nr * 512), 0);
}

/* A range of at most so many sectors. Half of all begin with a page, and half end with one. */
static void choose(unsigned *seed, unsigned most, unsigned *first, unsigned *nr)
{
	unsigned from = (unsigned)rand_r(seed) % SECTORS;
	unsigned to = from + 1 + (unsigned)rand_r(seed) % most;

	if (rand_r(seed) % 2)
		from &= ~7u;
	if (rand_r(seed) % 2)
		to = (to + 7) & ~7u;
	*first = from;
	*nr = (to < SECTORS ? to : SECTORS) - from;
}

static void a_drive_is_an_array_of_sectors(void **state)
{
	unsigned seed = 5;

	open_drive(true);
	for (unsigned round = 0; round < 1500; round++) {
		unsigned first, nr, what = rand_r(&seed) % 8;

		choose(&seed, what % 2 ? 10 : 60, &first, &nr);
		if (what < 3)
			write_cached(first, nr, (uint8_t)(1 + rand_r(&seed) % 250));
		else if (what < 5)
			zero_cached(first, nr);
		else
			write_back(first, nr);
		choose(&seed, SECTORS, &first, &nr);
		assert_pieces(first, nr);
		assert_read(first, nr);
		assert_stored();
	}
	write_back(0, SECTORS);
	assert_null(drive.cache.root);
	assert_stored();
	close_drive();
}

/* A flush is of all there is, and of nothing where nothing can be written. */
static void a_flush_leaves_nothing_in_the_cache(void **state)
{
	open_drive(true);
	write_cached(0, 1, 7);
	write_cached(SECTORS - 1, 1, 8);
	zero_cached(80, 100);
	memset(stored + 80, 0, 100);
	stored[0] = 7;
	stored[SECTORS - 1] = 8;
	assert_int_equal(drive_flush(&drive), 0);
	assert_null(drive.cache.root);
	assert_stored();
	write_cached(3, 1, 9);
	drive.readonly = true;
	assert_int_equal(drive_flush(&drive), 0);
	assert_non_null(drive.cache.root);
	assert_stored();
	close_drive();
}

/* Of the file, by hole or by zeroes, also where it has become shorter. */
static void zeroes_are_written_where_they_are_wanted(void **state)
{
	static const unsigned ranges[][2] = {{0, 1}, {8, 8}, {13, 30}, {SECTORS - 1, 1}, {3, 200}};

	for (unsigned punch = 0; punch < 2; punch++)
		for (unsigned i = 0; i < 5; i++) {
			unsigned first = ranges[i][0], nr = ranges[i][1];
			static uint8_t ones[LEN];

			open_drive(false);
			memset(ones, 1, LEN);
			assert_int_equal(drive_write(&drive, ones, LEN, 0, i & 1), 0);
			memset(stored, 1, sizeof(stored));
			assert_int_equal(drive_zero(&drive, first * 512, nr * 512, punch), 0);
			memset(stored + first, 0, nr);
			assert_stored();
			assert_true(drive_inside(&drive, LEN));
			assert_false(drive_inside(&drive, LEN + 1));
			/* It grows again as far as it is written. */
			assert_int_equal(ftruncate(file, first * 512), 0);
			assert_false(drive_inside(&drive, LEN));
			assert_int_equal(drive_zero(&drive, first * 512, nr * 512, punch), 0);
			assert_true(drive_inside(&drive, (first + nr) * 512));
			assert_false(drive_inside(&drive, (first + nr) * 512 + 1));
			close_drive();
		}
}

static void assert_open(const struct nvme_drive_config *config, uint64_t blocks)
{
	unsigned fds = fds_open();
	long pages = mapped();

	assert_int_equal(drive_open(&drive, config, NULL), 0);
	assert_int_equal(drive.blocks, blocks);
	assert_true(fcntl(drive.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fcntl(drive.fd, F_GETFL) & O_ACCMODE,
			 config->readonly && strcmp(config->path, "ram") ? O_RDONLY : O_RDWR);
	assert_int_equal(drive.readonly, config->readonly);
	assert_int_equal(drive.at_hand, !config->is_volatile);
	drive_close(&drive);
	assert_int_equal(fds_open(), fds);
	assert_int_equal(mapped(), pages);
}

static void what_a_drive_opens_goes_with_it(void **state)
{
	struct nvme_drive_config config = {.path = "ram", .size = LEN + 4095, .lba_lg2 = 9};

	assert_open(&config, LEN / 512 + 7);
	config.lba_lg2 = 12;
	assert_open(&config, LEN / 4096);
	config.readonly = true;
	assert_open(&config, LEN / 4096);
	file = memfd_create("drive", MFD_CLOEXEC);
	assert_int_equal(ftruncate(file, LEN + 4095), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	config.path = path;
	assert_open(&config, LEN / 4096);
	config.readonly = false;
	config.is_volatile = true;
	assert_open(&config, LEN / 4096);
	/* Not one block. */
	assert_int_equal(ftruncate(file, 4095), 0);
	assert_int_equal(drive_open(&drive, &config, NULL), -EINVAL);
	config.lba_lg2 = 9;
	assert_open(&config, 7);
	close(file);
}

/* Memory is a file, too, and the same one. */
static void memory_is_its_file(void **state)
{
	const struct nvme_drive_config config = {.path = "ram", .size = LEN, .lba_lg2 = 9};
	char word[6] = "";

	assert_int_equal(drive_open(&drive, &config, NULL), 0);
	assert_non_null(drive.memory);
	assert_int_equal(drive.memory_len, LEN);
	assert_int_equal(drive_write(&drive, "words", 5, LEN - 5, false), 0);
	assert_memory_equal(drive.memory + LEN - 5, "words", 5);
	memcpy(drive.memory, "below", 5);
	assert_int_equal(drive_read(&drive, word, 5, 0), 0);
	assert_string_equal(word, "below");
	assert_int_equal(drive_read(&drive, word, 5, LEN - 4), -ENODATA);
	assert_true(drive_used(&drive) >= 2 && drive_used(&drive) < LEN / 512);
	drive_close(&drive);
}

/* As a program that has closed its standard input gives out. */
static void descriptor_0_is_as_good_as_any(void **state)
{
	int input = dup(0), kept;

	open_drive(false);
	drive_close(&drive);
	close(0);
	assert_int_equal(
		drive_open(&drive, &(struct nvme_drive_config){.path = path, .lba_lg2 = 9}, NULL),
		0);
	kept = drive.fd;
	assert_true(drive_in_file(&drive));
	assert_false(drive_is_null(&drive));
	close_drive();
	if (input >= 0) {
		dup2(input, 0);
		close(input);
	}
	assert_int_equal(kept, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drive_is_an_array_of_sectors),
		cmocka_unit_test(descriptor_0_is_as_good_as_any),
		cmocka_unit_test(a_flush_leaves_nothing_in_the_cache),
		cmocka_unit_test(zeroes_are_written_where_they_are_wanted),
		cmocka_unit_test(what_a_drive_opens_goes_with_it),
		cmocka_unit_test(memory_is_its_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
