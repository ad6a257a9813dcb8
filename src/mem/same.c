/* SPDX-License-Identifier: MIT */
/* Page identity by /proc/self/pagemap, or by what /proc/self/maps says of shared files. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "mem/same.h"
#include "util/alloc.h"
#include "util/sys.h"

#define PAGE 4096ull

/* Bits 0..54 of an entry are the page frame, bit 63 says that there is one. */
#define FRAME_MASK    ((1ull << 55) - 1)
#define FRAME_PRESENT (1ull << 63)

/* 0: not told. */
static uint64_t frame(int fd, uintptr_t page)
{
	uint64_t entry;
	long rc = sys_call(SYS_pread64, fd, &entry, sizeof(entry), page * sizeof(entry));

	return rc == sizeof(entry) && entry & FRAME_PRESENT ? entry & FRAME_MASK : 0;
}

/* 1, 0, or -1: the system does not tell. */
static int same_frame(uintptr_t a, uintptr_t b)
{
	int fd = (int)sys_call(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t frame_a, frame_b;

	if (fd < 0)
		return -1;
	frame_a = frame(fd, a);
	frame_b = frame(fd, b);
	sys_call(SYS_close, fd);
	return frame_a && frame_b ? frame_a == frame_b : -1;
}

/* What a shared mapping shows at an address. */
struct place {
	unsigned long dev[2], inode, page;
};

static char *line_end(char *line)
{
	return strchr(line, '\n');
}

/* Reads all of a file of /proc into memory that the caller frees; NULL: no. */
static char *read_all(const char *path)
{
	int fd = (int)sys_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	size_t cap = 65536, len = 0;
	char *text = fd < 0 ? NULL : alloc_raw(cap);
	long rc = 1;

	while (text && (rc = sys_call(SYS_read, fd, text + len, cap - 1 - len)) > 0) {
		char *more = text;

		len += (size_t)rc;
		if (len == cap - 1)
			more = alloc_resize(text, cap *= 2);
		if (!more)
			break;
		text = more;
	}
	if (fd >= 0)
		sys_call(SYS_close, fd);
	if (text)
		text[len] = '\0';
	if (rc) {
		free(text);
		return NULL;
	}
	return text;
}

static bool find(char *maps, uintptr_t at, struct place *out)
{
	unsigned long start, end, off;
	char shared;

	for (char *line = maps; line && *line; line = line_end(line) ? line_end(line) + 1 : NULL) {
		if (sscanf(line, "%lx-%lx %*3c%c %lx %lx:%lx %lu", &start, &end, &shared, &off,
			   &out->dev[0], &out->dev[1], &out->inode) != 7)
			continue;
		if (at < start || at >= end)
			continue;
		out->page = (off + (at - start)) / PAGE;
		return shared == 's' && out->inode;
	}
	return false;
}

static bool same_file(uintptr_t a, uintptr_t b)
{
	struct place place_a = {0}, place_b = {0};
	char *maps = read_all("/proc/self/maps");
	bool same = maps && find(maps, a, &place_a) && find(maps, b, &place_b) &&
		    !memcmp(&place_a, &place_b, sizeof(place_a));

	free(maps);
	return same;
}

bool mem_same_page(const void *a, const void *b)
{
	uintptr_t page_a = (uintptr_t)a / PAGE, page_b = (uintptr_t)b / PAGE;
	int same;

	if (page_a == page_b)
		return true;
	same = same_frame(page_a, page_b);
	return same >= 0 ? same : same_file((uintptr_t)a, (uintptr_t)b);
}
