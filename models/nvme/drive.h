/* SPDX-License-Identifier: MIT */
/*
 * What a controller stores its blocks on: a file, a block device, or nothing.
 */
#ifndef NVME_DRIVE_H
#define NVME_DRIVE_H

#include <sys/uio.h>
#include <ioas/types.h>
#include "nvme/volatile.h"

struct nvme_drive_config {
	const char *path; /* "null": moves no data */
	uint64_t size;	  /* of null, bytes */
	unsigned lba_lg2; /* 9 or 12 */
	bool readonly;
	bool is_volatile;
};

struct nvme_drive {
	int fd; /* -1: null */
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

/*
 * Reads or writes all of len bytes at `off`: 0, or -errno (-ENODATA: the file ends before).
 * `sync`: also onto stable storage.
 */
int drive_read(struct nvme_drive *drive, void *buf, uint64_t len, uint64_t off);
/* drive_read of what the program wrote: the file, and what the volatile cache has over it. */
int drive_read_through(struct nvme_drive *drive, uint8_t *buf, uint64_t len, uint64_t off);
int drive_write(struct nvme_drive *drive, const void *buf, uint64_t len, uint64_t off, bool sync);
/* Makes a range read as zeroes; `punch`: and gives its room back. 0 or -errno. */
int drive_zero(struct nvme_drive *drive, uint64_t off, uint64_t len, bool punch);
/* Gives a range's room back where that can be done; a hint. 0 or -errno. */
int drive_discard(struct nvme_drive *drive, uint64_t off, uint64_t len);
/* Everything written so far is on stable storage, the volatile cache included. 0 or -errno. */
int drive_flush(struct nvme_drive *drive);
/* Blocks that take room. */
uint64_t drive_used(const struct nvme_drive *drive);

#endif
