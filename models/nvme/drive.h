/* SPDX-License-Identifier: MIT */
/*
 * What a controller stores its blocks on: a file, a block device, memory, or nothing.
 */
#ifndef NVME_DRIVE_H
#define NVME_DRIVE_H

#include <stdatomic.h>
#include <sys/uio.h>
#include <ioas/types.h>
#include "nvme/volatile.h"

struct nvme_drive_config {
	const char *path; /* "null": moves no data; "ram": in memory */
	uint64_t size;	  /* of these, bytes */
	unsigned lba_lg2; /* 9 or 12 */
	bool readonly;
	bool is_volatile;
};

struct nvme_drive {
	int fd; /* -1: null */
	uint64_t memory_len;
	uint8_t *memory;      /* ram: all of it, which `fd` is a file of, too; else NULL */
	_Atomic bool at_hand; /* much can be done at once, without waiting for a disk (direct.c) */
	bool readonly;
	bool is_block;
	bool is_volatile;
	unsigned lba_lg2;
	uint64_t blocks;
	struct nvme_volatile cache; /* is_volatile: what was not flushed yet */
};

/* 0, or -errno and a line in `why`. */
int drive_open(struct nvme_drive *drive, const struct nvme_drive_config *config,
	       struct ioas_why *why);
/* What was not flushed is lost. */
void drive_close(struct nvme_drive *drive);

static inline bool drive_is_null(const struct nvme_drive *drive)
{
	return drive->fd < 0;
}

/* Are its blocks what only system calls lead to? */
static inline bool drive_in_file(const struct nvme_drive *drive)
{
	return drive->fd >= 0 && !drive->memory;
}

/*
 * Reads or writes all of len bytes at `off`: 0, or -errno (-ENODATA: the file ends before).
 * `sync`: also onto stable storage.
 */
int drive_read(struct nvme_drive *drive, void *buf, uint64_t len, uint64_t off);
/* drive_read of what the program wrote: the file, and what the volatile cache has over it. */
int drive_read_through(struct nvme_drive *drive, uint8_t *buf, uint64_t len, uint64_t off);
int drive_write(struct nvme_drive *drive, const void *buf, uint64_t len, uint64_t off, bool sync);
/* Is all before `end` inside the file, which may have shrunk? */
bool drive_inside(struct nvme_drive *drive, uint64_t end);
/* Makes a range of the file read as zeroes; `punch`: and gives its room back. 0 or -errno. */
int drive_zero(struct nvme_drive *drive, uint64_t off, uint64_t len, bool punch);
/* A piece that only the volatile cache has. */
struct drive_cached {
	uint64_t off, len;
	const uint8_t *data; /* NULL: zeroes */
};
/* The first such piece of a range of bytes; false: none. */
bool drive_cached(struct nvme_drive *drive, uint64_t off, uint64_t len, struct drive_cached *out);
/* Writes what the cache has of a range to the file, not yet onto stable storage. 0 or -errno. */
int drive_write_back(struct nvme_drive *drive, uint64_t off, uint64_t len);
/* Everything written so far is on stable storage, the volatile cache included. 0 or -errno. */
int drive_flush(struct nvme_drive *drive);
/* Blocks that take room. */
uint64_t drive_used(const struct nvme_drive *drive);

#endif
