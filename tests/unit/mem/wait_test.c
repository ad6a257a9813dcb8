/* SPDX-License-Identifier: MIT */
/*
 * Description: who finds memory moving sleeps until it has moved, and is woken; and whatever the
 * engine opens for itself is closed in programs that are executed.
 * The linker puts __wrap_syscall in front of the system's calls (see meson.build).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/file.h"
#include "mem/mem.h"
#include "mem/same.h"

#define PAGE 4096ull

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

static struct mem_map *map;
static unsigned sleeps, wakes, opened;

/* One that would sleep finds out, after the second time, that it need not. */
static long sleep_once(void *word, long value)
{
	struct mem_pins *pins = mem_map_pins(map);

	assert_ptr_equal(word, &pins->busy);
	assert_int_equal(value, atomic_load(&pins->busy));
	assert_int_equal(atomic_load(&pins->wanted), 1);
	if (++sleeps == 2)
		atomic_store(&pins->busy, 0);
	return 0;
}

long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	if (nr == SYS_futex && b == FUTEX_WAIT_PRIVATE)
		return sleep_once((void *)a, c);
	if (nr == SYS_futex && b == FUTEX_WAKE_PRIVATE) {
		/* Only now: who was woken before would sleep again. */
		assert_ptr_equal((void *)a, &mem_map_pins(map)->busy);
		assert_int_equal(atomic_load(&mem_map_pins(map)->busy), 0);
		assert_true(c > 1000);
		wakes++;
	}
	if (nr == SYS_openat) {
		assert_true(c & O_CLOEXEC);
		opened++;
	}
	return __real_syscall(nr, a, b, c, d, e, f);
}

static int setup(void **state)
{
	sleeps = wakes = opened = 0;
	return mem_map_new(52, &map);
}

static int teardown(void **state)
{
	mem_map_destroy(map);
	return 0;
}

static void who_waits_sleeps_until_it_is_over(void **state)
{
	mem_map_wait(map);
	assert_int_equal(sleeps, 0);
	atomic_store(&mem_map_pins(map)->busy, 1);
	mem_map_wait(map);
	assert_int_equal(sleeps, 2);
}

static struct mem_window *moving;

/* While memory moves nobody is told where it is, and it is marked as busy. */
static long look(void *arg, uint64_t *to)
{
	uint64_t len = 1;

	assert_null(mem_window_at(moving, 0, &len));
	assert_int_equal(atomic_load(&mem_map_pins(map)->busy), 1);
	assert_int_equal(wakes, 0);
	return -EAGAIN;
}

static void all_who_wait_are_woken(void **state)
{
	struct ioas_memory_change change = {.call = look};
	struct inflight inflight;
	uint64_t len = 1;
	char *mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	inflight_init(&inflight);
	assert_int_equal(mem_window_new(map, 0, mem, PAGE, &moving), 0);
	change.gone[0] = (struct ioas_memory_range){(uintptr_t)mem, (uintptr_t)mem + PAGE};
	assert_int_equal(pins_change(mem_map_pins(map), &inflight, &change), -EAGAIN);
	assert_int_equal(wakes, 1);
	assert_ptr_equal(mem_window_at(moving, 0, &len), mem);
	mem_window_destroy(map, moving);
	inflight_fini(&inflight);
	munmap(mem, PAGE);
}

static void nothing_is_left_open_for_others(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC), ro;
	struct mem_files *files;
	struct mem_shared shared;
	struct mem_file *file;
	char path[40], byte = 'x', *text;
	unsigned before = 0;
	void *host;

	assert_int_equal(mem_force_copy(&byte, (char[]){'y'}, 1, true), 1);
	assert_int_equal(byte, 'y');
	assert_true(opened > before);
	before = opened;
	text = mem_read_file("/proc/self/maps");
	free(text);
	assert_true(opened > before);
	assert_int_equal(mem_shared_read(&shared), 0);
	mem_shared_free(&shared);
	/* Memory of a descriptor for reading, which is opened once more. */
	assert_int_equal(ftruncate(fd, PAGE), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	before = opened;
	assert_int_equal(mem_files_new(&files), 0);
	assert_int_equal(mem_file_open(files, ro, &file), 0);
	assert_int_equal(mem_file_pin(file, 0, PAGE, true, &host, NULL), 0);
	assert_int_equal(opened, before + 1);
	mem_file_unpin(file, 0, PAGE, host);
	mem_file_put(file);
	mem_files_destroy(files);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(who_waits_sleeps_until_it_is_over),
		TEST(all_who_wait_are_woken),
		TEST(nothing_is_left_open_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
