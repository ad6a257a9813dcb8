/* SPDX-License-Identifier: MIT */
/*
 * Description: memory that windows show is taken away by the program, or moved: the windows go on
 * with the same bytes, the program has its own way, and nothing is left when the windows end;
 * whatever of it the system refuses.
 * The linker puts __wrap_syscall in front of the system's calls (see meson.build).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <cmocka.h>
#include <ioas/door.h>
#include "iommu.h"
#include "mem/mem.h"
#include "mem/same.h"
#include "tests/unit/mapped.h"

#define PAGE  4096ull
#define PAGES 16
#define HUGE  (2ull << 20)

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

/* What is refused of the system's calls with that number: a letter a call, '.' is not; 'V' EINVAL,
 * 'F' EFAULT, 'M' ENOMEM. */
static long refused_nr;
static const char *refused = "";

long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	char how = nr == refused_nr && *refused ? *refused++ : '.';

	if (how == '.')
		return __real_syscall(nr, a, b, c, d, e, f);
	errno = how == 'V' ? EINVAL : how == 'F' ? EFAULT : ENOMEM;
	return -1;
}

static void refuse(long nr, const char *how)
{
	refused_nr = nr;
	refused = how;
}

static struct mem_map *map;
static struct inflight inflight;
static char *mem;
static struct mem_window window; /* of pages 1 to 14 */
static long mapped_before;

static void *pages(uint64_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static void show(struct mem_window *out, char *at, uint64_t len)
{
	struct mem_part part = {.host = at, .len = len};

	assert_int_equal(mem_window_begin(map, 0, &part, 1, NULL, out), 0);
}

static int setup(void **state)
{
	mapped_before = mapped();
	inflight_init(&inflight);
	assert_int_equal(mem_map_new(52, &map), 0);
	mem = pages(PAGES * PAGE);
	for (unsigned i = 0; i < PAGES; i++)
		memset(mem + i * PAGE, 'a' + (int)i, PAGE);
	show(&window, mem + PAGE, 14 * PAGE);
	return 0;
}

static int teardown(void **state)
{
	if (window.len)
		mem_window_end(map, &window);
	mem_map_destroy(map);
	inflight_fini(&inflight);
	munmap(mem, PAGES * PAGE);
	assert_int_equal(mapped(), mapped_before);
	return 0;
}

/* Where a window has its byte `off`. */
static char *host(struct mem_window *of, uint64_t off)
{
	uint64_t len = 1;

	return mem_window_at(of, off, &len);
}

/* The first bytes of all pages that the window shows. */
static const char *shown(void)
{
	static char text[PAGES];

	for (unsigned i = 0; i < 14; i++)
		text[i] = *host(&window, i * PAGE);
	return text;
}

/* How often a page of the program's counts as pinned. */
static unsigned pinned(const char *at)
{
	struct mem_shared none = {NULL};
	unsigned nr;

	assert_int_equal(pins_count(mem_map_pins(map), &none, (uintptr_t)at, &nr), 0);
	return nr;
}

static unsigned calls;

/* The program maps other pages in the place of both ranges. */
static long replace(void *arg, uint64_t *to)
{
	struct ioas_memory_range *range = arg;

	calls++;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t len = range[i].end - range[i].start;

		if (range[i].start >= range[i].end)
			continue;
		assert_ptr_not_equal(mmap((void *)range[i].start, len, PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
				     MAP_FAILED);
		memset((void *)range[i].start, '-', len);
	}
	return 77;
}

/* Everything is where it was. */
static long see_all(void *arg, uint64_t *to)
{
	calls++;
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(mem[i * PAGE], 'a' + (int)i);
	return 5;
}

static long refuse_call(void *arg, uint64_t *to)
{
	calls++;
	return -EAGAIN;
}

static struct ioas_memory_range range(unsigned page, unsigned nr)
{
	return (struct ioas_memory_range){(uintptr_t)mem + page * PAGE,
					  (uintptr_t)mem + (page + nr) * PAGE};
}

static long change(struct ioas_memory_change what)
{
	calls = 0;
	what.arg = what.gone;
	return pins_change(mem_map_pins(map), &inflight, &what);
}

static void windows_keep_what_the_program_gives_up(void **state)
{
	char *at[14];

	for (unsigned i = 0; i < 14; i++)
		at[i] = host(&window, i * PAGE);
	assert_int_equal(
		change((struct ioas_memory_change){.gone = {range(3, 2)}, .call = replace}), 77);
	assert_int_equal(calls, 1);
	assert_string_equal(shown(), "bcdefghijklmno");
	for (unsigned i = 0; i < 14; i++) {
		bool moved = i == 2 || i == 3;

		assert_int_equal(host(&window, i * PAGE) == at[i], !moved);
		assert_int_equal(pinned(at[i]), !moved);
		assert_int_equal(mem[(i + 1) * PAGE], moved ? '-' : 'b' + (int)i);
	}
	/* It can be written to, and to its last byte. */
	memset(host(&window, 3 * PAGE), 'X', PAGE);
	assert_int_equal(mem[5 * PAGE - 1], '-');
	assert_int_equal(mem[5 * PAGE], 'f');
	/* The new pages are nobody's: they can be given up as often as the program likes. */
	assert_int_equal(
		change((struct ioas_memory_change){.gone = {range(3, 2)}, .call = replace}), 77);
	assert_string_equal(shown(), "bcdXfghijklmno");
}

static void two_ranges_and_more_than_the_window(void **state)
{
	assert_int_equal(change((struct ioas_memory_change){.gone = {range(12, 4), range(0, 3)},
							    .call = replace}),
			 77);
	assert_string_equal(shown(), "bcdefghijklmno");
	for (unsigned i = 1; i < 15; i++)
		assert_int_equal(pinned(mem + i * PAGE), i >= 3 && i < 12);
	assert_int_equal(mem[0], '-');
	assert_int_equal(mem[15 * PAGE], '-');
}

static void a_call_that_fails_has_changed_nothing(void **state)
{
	assert_int_equal(change((struct ioas_memory_change){.gone = {range(2, 3), range(9, 1)},
							    .call = refuse_call}),
			 -EAGAIN);
	assert_int_equal(calls, 1);
	assert_string_equal(shown(), "bcdefghijklmno");
	for (unsigned i = 1; i < 15; i++) {
		assert_ptr_equal(host(&window, (i - 1) * PAGE), mem + i * PAGE);
		assert_int_equal(mem[i * PAGE], 'a' + (int)i);
		assert_int_equal(pinned(mem + i * PAGE), 1);
	}
}

static void what_no_window_shows_is_only_done(void **state)
{
	assert_int_equal(change((struct ioas_memory_change){.gone = {range(0, 1), range(15, 1)},
							    .call = replace}),
			 77);
	assert_int_equal(calls, 1);
	assert_int_equal(
		change((struct ioas_memory_change){.gone = {range(0, 1)}, .call = refuse_call}),
		-EAGAIN);
	assert_int_equal(change((struct ioas_memory_change){.gone = {range(4, 0), {UINT64_MAX, 0}},
							    .call = refuse_call}),
			 -EAGAIN);
	assert_ptr_equal(host(&window, 0), mem + PAGE);
}

/* mremap: where to is what the call says. */
static long to_other_place(void *arg, uint64_t *to)
{
	struct ioas_memory_change *what =
		(struct ioas_memory_change *)((char *)arg -
					      offsetof(struct ioas_memory_change, gone));
	void *at = mremap((void *)what->moved.start, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE);

	assert_ptr_not_equal(at, MAP_FAILED);
	if (at == (void *)what->moved.start) {
		void *room = pages(3 * PAGE);

		at = mremap(at, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room);
		assert_ptr_equal(at, room);
	}
	*to = (uintptr_t)at;
	return 0;
}

static void windows_follow_what_is_moved(void **state)
{
	char *at;

	assert_int_equal(change((struct ioas_memory_change){.gone = {range(9, 1)},
							    .moved = range(4, 3),
							    .call = to_other_place}),
			 0);
	assert_string_equal(shown(), "bcdefghijklmno");
	at = host(&window, 3 * PAGE);
	assert_ptr_equal(host(&window, 5 * PAGE), at + 2 * PAGE);
	assert_ptr_not_equal(at, mem + 4 * PAGE);
	/* It is the program's, and can be given up where it is now. */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pinned(at + i * PAGE), 1);
		assert_int_equal(pinned(mem + (4 + i) * PAGE), 0);
	}
	assert_int_equal(
		change((struct ioas_memory_change){
			.gone = {{(uintptr_t)at, (uintptr_t)at + 3 * PAGE}}, .call = replace}),
		77);
	assert_string_equal(shown(), "bcdefghijklmno");
	assert_int_equal(at[0], '-');
	assert_int_equal(pinned(at), 0);
	munmap(at, 3 * PAGE);
	/* A hole in the program's memory is there now. */
	mmap(mem + 4 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* Of one page for several windows, and of pieces that touch or overlap, there is one copy. */
static void windows_of_the_same_memory_keep_it_together(void **state)
{
	struct mem_window other, next;
	char *at;

	show(&other, mem + 4 * PAGE, 3 * PAGE);
	show(&next, mem + 15 * PAGE, PAGE);
	assert_int_equal(
		change((struct ioas_memory_change){.gone = {range(5, 11)}, .call = replace}), 77);
	at = host(&window, 4 * PAGE);
	assert_ptr_equal(host(&other, PAGE), at);
	assert_ptr_equal(host(&other, 2 * PAGE), at + PAGE);
	assert_ptr_equal(host(&next, 0), at + 10 * PAGE);
	assert_int_equal(*host(&next, 0), 'p');
	*host(&other, PAGE) = 'Y';
	assert_string_equal(shown(), "bcdeYghijklmno");
	/* Each keeps what it shows until it ends. */
	mem_window_end(map, &window);
	window.len = 0;
	assert_int_equal(*host(&other, PAGE), 'Y');
	assert_int_equal(*host(&other, 2 * PAGE), 'g');
	assert_int_equal(*host(&next, 0), 'p');
	mem_window_end(map, &other);
	assert_int_equal(*host(&next, 0), 'p');
	mem_window_end(map, &next);
}

/* What the program forbade itself, in several mappings of the kernel's. */
static void memory_of_several_kinds_moves_piece_by_piece(void **state)
{
	assert_int_equal(mprotect(mem + 4 * PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(mprotect(mem + 6 * PAGE, 2 * PAGE, PROT_NONE), 0);
	assert_int_equal(
		change((struct ioas_memory_change){.gone = {range(3, 8)}, .call = replace}), 77);
	assert_string_equal(shown(), "bcdefghijklmno");
	for (unsigned i = 2; i < 10; i++)
		*host(&window, i * PAGE) = (char)('A' + i);
	assert_string_equal(shown(), "bcCDEFGHIJlmno");
}

/* Memory that does not move stays where it is: all of it, though a part was moved already. */
static void what_cannot_be_moved_stays(void **state)
{
	static const char *const how[] = {
		"M",	 /* no memory */
		"VV",	 /* this kernel cannot leave the mapping there; nor move it at all */
		"F.M",	 /* of several mappings, whose first one moves */
		"FFM",	 /* and the first page of it does not */
		"F.F.M", /* or but the last */
	};

	for (unsigned i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		refuse(SYS_mremap, how[i]);
		assert_int_equal(
			change((struct ioas_memory_change){.gone = {range(3, 4)}, .call = see_all}),
			5);
		assert_string_equal(refused, "");
		assert_int_equal(calls, 1);
		for (unsigned k = 1; k < 15; k++) {
			assert_ptr_equal(host(&window, (k - 1) * PAGE), mem + k * PAGE);
			assert_int_equal(pinned(mem + k * PAGE), 1);
		}
	}
}

/* Of several mappings, and by a kernel that cannot leave them there. */
static void what_can_be_moved_somehow_is(void **state)
{
	static const char *const how[] = {"F", "FF", "F.F", "FF..F", "V", "FV.V"};

	for (unsigned i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		struct mem_window own;
		char *was = mem + 3 * PAGE;

		memset(was, 'a', PAGE);
		memset(was + 3 * PAGE, 'z', PAGE);
		show(&own, was, 4 * PAGE);
		refuse(SYS_mremap, how[i]);
		assert_int_equal(
			change((struct ioas_memory_change){.gone = {range(3, 4)}, .call = replace}),
			77);
		assert_string_equal(refused, "");
		assert_int_equal(pinned(was), 0);
		assert_int_equal(*host(&own, 0), 'a');
		assert_int_equal(*host(&own, 4 * PAGE - 1), 'z');
		mem_window_end(map, &own);
	}
}

static void nothing_is_called_without_memory(void **state)
{
	/* Each time one call further. */
	static const char calls_before[] = "........M";
	struct mem_window other;
	unsigned n;

	for (n = 0; n < 9; n++) {
		bool all;
		long rc;

		show(&other, mem + 2 * PAGE, 6 * PAGE);
		refuse(SYS_mmap, calls_before + 8 - n);
		rc = change((struct ioas_memory_change){
			.gone = {range(4, 1)}, .moved = range(6, 1), .call = refuse_call});
		all = *refused;
		refuse(SYS_mmap, "");
		/* Room is something that it can do without. */
		assert_int_equal(calls, rc != -ENOMEM);
		assert_string_equal(shown(), "bcdefghijklmno");
		for (unsigned i = 0; i < 6; i++)
			assert_ptr_equal(host(&other, i * PAGE), mem + (2 + i) * PAGE);
		mem_window_end(map, &other);
		if (all)
			break;
	}
	assert_in_range(n, 3, 8);
}

/* So that large pages stay ones. */
static void large_memory_keeps_its_place_in_large_pages(void **state)
{
	uint64_t len = 3 * HUGE;
	char *large = pages(len);
	struct mem_window own;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t off = i * 5 * PAGE, size = HUGE - (i ? 0 : PAGE) + (i ? PAGE : 0);
		char *was = large + off;

		show(&own, was, size);
		*was = 'L';
		was[size - 1] = 'M';
		assert_int_equal(change((struct ioas_memory_change){
					 .gone = {{(uintptr_t)was, (uintptr_t)was + size}},
					 .call = replace}),
				 77);
		assert_ptr_not_equal(host(&own, 0), was);
		if (i)
			assert_int_equal(((uintptr_t)host(&own, 0) - (uintptr_t)was) % HUGE, 0);
		assert_int_equal(*host(&own, 0), 'L');
		assert_int_equal(*host(&own, size - 1), 'M');
		mem_window_end(map, &own);
	}
	munmap(large, len);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(windows_keep_what_the_program_gives_up),
		TEST(two_ranges_and_more_than_the_window),
		TEST(a_call_that_fails_has_changed_nothing),
		TEST(what_no_window_shows_is_only_done),
		TEST(windows_follow_what_is_moved),
		TEST(windows_of_the_same_memory_keep_it_together),
		TEST(memory_of_several_kinds_moves_piece_by_piece),
		TEST(what_cannot_be_moved_stays),
		TEST(what_can_be_moved_somehow_is),
		TEST(nothing_is_called_without_memory),
		TEST(large_memory_keeps_its_place_in_large_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
