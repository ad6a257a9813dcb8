/* SPDX-License-Identifier: MIT */
/* Page identity by /proc/self/pagemap, or by what /proc/self/maps says of shared files. */
#include <errno.h>
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

static char *line_end(char *line)
{
	return strchr(line, '\n');
}

char *mem_read_file(const char *path)
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

/* Reads one line of /proc/self/maps. False: no shared mapping of a file. */
static bool parse(const char *line, struct mem_shared_at *out)
{
	char shared;

	return sscanf(line, "%lx-%lx %*3c%c %lx %lx:%lx %lu", &out->start, &out->end, &shared,
		      &out->off, &out->dev[0], &out->dev[1], &out->inode) == 7 &&
	       shared == 's' && out->inode;
}

int mem_shared_read(struct mem_shared *out)
{
	char *text = mem_read_file("/proc/self/maps");
	size_t lines = 1;

	*out = (struct mem_shared){NULL};
	for (char *at = text; at && *at; at++)
		lines += *at == '\n';
	out->at = text ? alloc_zero(lines, sizeof(*out->at)) : NULL;
	for (char *line = text; out->at && line; line = line_end(line)) {
		line += *line == '\n';
		out->nr += parse(line, &out->at[out->nr]);
	}
	free(text);
	return out->at ? 0 : -ENOMEM;
}

void mem_shared_free(struct mem_shared *shared)
{
	free(shared->at);
}

const struct mem_shared_at *mem_shared_find(const struct mem_shared *shared, uintptr_t at)
{
	for (size_t i = 0; i < shared->nr; i++)
		if (at >= shared->at[i].start && at < shared->at[i].end)
			return &shared->at[i];
	return NULL;
}

uintptr_t mem_shared_alias(const struct mem_shared_at *is, uintptr_t at,
			   const struct mem_shared_at *other)
{
	unsigned long off = is->off + (at - is->start);

	if (is->inode != other->inode || memcmp(is->dev, other->dev, sizeof(is->dev)) ||
	    off < other->off || off - other->off >= other->end - other->start)
		return 0;
	return other->start + (off - other->off);
}

static bool same_file(uintptr_t a, uintptr_t b)
{
	struct mem_shared shared;
	const struct mem_shared_at *at_a, *at_b;
	bool same;

	if (mem_shared_read(&shared))
		return false;
	at_a = mem_shared_find(&shared, a);
	at_b = mem_shared_find(&shared, b);
	same = at_a && at_b && mem_shared_alias(at_a, a, at_b) / PAGE == b / PAGE;
	mem_shared_free(&shared);
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
