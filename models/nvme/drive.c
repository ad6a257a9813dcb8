/* SPDX-License-Identifier: MIT */
/* The drive: opening it, and what is done to it at once rather than through the ring. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "nvme/drive.h"
#include "util/sys.h"
#include "util/why.h"

#define ZERO_LEN 65536

static int measure(struct nvme_drive *drive, const char *path, uint64_t *len, struct ioas_why *why)
{
	struct stat st;

	if (fstat(drive->fd, &st))
		return why_set(why, -errno, "drive=%s: %s", path, strerror(errno));
	*len = (uint64_t)st.st_size;
	drive->is_block = S_ISBLK(st.st_mode);
	if (drive->is_block && ioctl(drive->fd, BLKGETSIZE64, len))
		return why_set(why, -errno, "drive=%s: no size: %s", path, strerror(errno));
	if (!drive->is_block && !S_ISREG(st.st_mode))
		return why_set(why, -EINVAL, "drive=%s is neither a file nor a block device", path);
	return 0;
}

static int open_file(struct nvme_drive *drive, const char *path, uint64_t *len,
		     struct ioas_why *why)
{
	if (!drive->readonly)
		drive->fd = open(path, O_RDWR | O_CLOEXEC);
	if (drive->fd < 0 &&
	    (drive->readonly || errno == EACCES || errno == EROFS || errno == EPERM)) {
		drive->fd = open(path, O_RDONLY | O_CLOEXEC);
		drive->readonly = true;
	}
	if (drive->fd < 0)
		return why_set(why, -errno, "drive=%s: %s", path, strerror(errno));
	return measure(drive, path, len, why);
}

/*
 * A file that nobody else has, so that all but copying works as with any other. It is shared memory
 * since, after a fork, the drive may be the child's.
 */
static int open_ram(struct nvme_drive *drive, uint64_t len, struct ioas_why *why)
{
	char path[40];
	long fd = sys_call(SYS_memfd_create, "ioas-nvme-ram", MFD_CLOEXEC);

	if (fd < 0)
		return why_set(why, (int)fd, "drive=ram: %s", strerror((int)-fd));
	/* Opened once more by name: that is where a door hides what is not the program's. */
	snprintf(path, sizeof(path), "/proc/self/fd/%ld", fd);
	drive->fd = open(path, O_RDWR | O_CLOEXEC);
	sys_call(SYS_close, fd);
	if (drive->fd < 0 || ftruncate(drive->fd, (off_t)len))
		return why_set(why, -errno, "drive=ram: %s", strerror(errno));
	drive->memory = mmap(NULL, len, drive->readonly ? PROT_READ : PROT_READ | PROT_WRITE,
			     MAP_SHARED, drive->fd, 0);
	if (drive->memory == MAP_FAILED) {
		drive->memory = NULL;
		return why_set(why, -errno, "drive=ram: %s", strerror(errno));
	}
	madvise(drive->memory, len, MADV_HUGEPAGE); /* where the machine has some */
	return 0;
}

int drive_open(struct nvme_drive *drive, const struct nvme_drive_config *config,
	       struct ioas_why *why)
{
	uint64_t len = config->size;
	int rc = 0;

	*drive = (struct nvme_drive){
		.fd = -1,
		.readonly = config->readonly,
		.is_volatile = config->is_volatile,
		.at_hand = !config->is_volatile,
		.lba_lg2 = config->lba_lg2,
	};
	if (!strcmp(config->path, "ram"))
		rc = open_ram(drive, len, why);
	else if (strcmp(config->path, "null"))
		rc = open_file(drive, config->path, &len, why);
	drive->blocks = len >> drive->lba_lg2;
	if (!rc && !drive->blocks)
		rc = why_set(why, -EINVAL, "drive=%s holds no block of %u bytes", config->path,
			     1u << drive->lba_lg2);
	drive->memory_len = drive->memory ? len : 0;
	if (rc)
		drive_close(drive);
	return rc;
}

void drive_close(struct nvme_drive *drive)
{
	volatile_fini(&drive->cache);
	if (drive->memory)
		munmap(drive->memory, drive->memory_len);
	if (drive->fd >= 0)
		close(drive->fd);
}

int drive_read(struct nvme_drive *drive, void *buf, uint64_t len, uint64_t off)
{
	for (uint64_t done = 0; done < len;) {
		ssize_t n = pread(drive->fd, (char *)buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		done += (uint64_t)n;
	}
	return 0;
}

/* The part of extent `e` that lies in a range of bytes; false: none. */
static bool clip(const struct volatile_extent *e, uint64_t *off, uint64_t *len)
{
	uint64_t start = e->first << VOLATILE_PAGE_LG2, end = (e->first + e->nr)
							      << VOLATILE_PAGE_LG2;
	uint64_t from = start > *off ? start : *off;
	uint64_t to = end < *off + *len ? end : *off + *len;

	if (from >= to)
		return false;
	*off = from;
	*len = to - from;
	return true;
}

bool drive_cached(struct nvme_drive *drive, uint64_t off, uint64_t len, struct drive_cached *out)
{
	struct volatile_extent e;
	uint64_t at = off;

	while (at < off + len && volatile_next(&drive->cache, at >> VOLATILE_PAGE_LG2, &e)) {
		unsigned n = 0, sector;

		out->off = at;
		out->len = off + len - at;
		if (!clip(&e, &out->off, &out->len))
			return false;
		out->data = NULL;
		if (!e.page)
			return true;
		sector = out->off % VOLATILE_PAGE_LEN / 512;
		while (sector < 8 && !(e.page->valid >> sector & 1))
			sector++;
		at = (e.first << VOLATILE_PAGE_LG2) + sector * 512;
		while (sector + n < 8 && e.page->valid >> (sector + n) & 1 &&
		       at + n * 512 < off + len)
			n++;
		if (!n)
			continue; /* nothing more in this page, or in the range */
		*out = (struct drive_cached){at, n * 512, e.page->data + sector * 512};
		return true;
	}
	return false;
}

int drive_read_through(struct nvme_drive *drive, uint8_t *buf, uint64_t len, uint64_t off)
{
	int rc = drive_read(drive, buf, len, off);
	struct drive_cached piece;

	for (uint64_t at = off; !rc && drive_cached(drive, at, off + len - at, &piece);
	     at = piece.off + piece.len) {
		if (piece.data)
			memcpy(buf + (piece.off - off), piece.data, piece.len);
		else
			memset(buf + (piece.off - off), 0, piece.len);
	}
	return rc;
}

int drive_write(struct nvme_drive *drive, const void *buf, uint64_t len, uint64_t off, bool sync)
{
	for (uint64_t done = 0; done < len;) {
		struct iovec iov = {(char *)buf + done, len - done};
		ssize_t n = pwritev2(drive->fd, &iov, 1, (off_t)(off + done), sync ? RWF_DSYNC : 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		done += (uint64_t)n;
	}
	return 0;
}

static int write_zeroes(struct nvme_drive *drive, uint64_t off, uint64_t len)
{
	void *zero = calloc(1, ZERO_LEN);
	int rc = zero ? 0 : -ENOMEM;

	for (uint64_t done = 0; done < len && !rc; done += ZERO_LEN) {
		uint64_t n = len - done < ZERO_LEN ? len - done : ZERO_LEN;

		rc = drive_write(drive, zero, n, off + done, false);
	}
	free(zero);
	return rc;
}

bool drive_inside(struct nvme_drive *drive, uint64_t end)
{
	struct stat st;

	return drive->is_block || (!fstat(drive->fd, &st) && (uint64_t)st.st_size >= end);
}

static int allocate(struct nvme_drive *drive, int mode, uint64_t off, uint64_t len)
{
	int rc;

	do
		rc = fallocate(drive->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len);
	while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

int drive_zero(struct nvme_drive *drive, uint64_t off, uint64_t len, bool punch)
{
	int rc = -EOPNOTSUPP;

	if (drive_is_null(drive))
		return 0;
	if (!drive_inside(drive, off + len))
		return write_zeroes(drive, off, len);
	if (punch)
		rc = allocate(drive, FALLOC_FL_PUNCH_HOLE, off, len);
	if (rc == -EOPNOTSUPP)
		rc = allocate(drive, FALLOC_FL_ZERO_RANGE, off, len);
	if (rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EINVAL)
		rc = write_zeroes(drive, off, len);
	return rc;
}

/* One extent of the cache, as far as it lies in a range, goes to the file. */
static int write_back_one(struct nvme_drive *drive, const struct volatile_extent *e, uint64_t off,
			  uint64_t len)
{
	struct volatile_page *page = e->page;
	struct drive_cached piece;
	int rc;

	if (!page) { /* all of it: zeroes cannot be clipped */
		rc = drive_zero(drive, e->first << VOLATILE_PAGE_LG2, e->nr << VOLATILE_PAGE_LG2,
				true);
		if (!rc)
			volatile_drop(&drive->cache, e->first);
		return rc;
	}
	clip(e, &off, &len);
	for (uint64_t at = off; drive_cached(drive, at, off + len - at, &piece);
	     at = piece.off + piece.len) {
		rc = drive_write(drive, piece.data, piece.len, piece.off, false);
		if (rc)
			return rc;
	}
	page->valid &= ~volatile_mask(e->first, off, len);
	if (!page->valid)
		volatile_drop(&drive->cache, e->first);
	return 0;
}

int drive_write_back(struct nvme_drive *drive, uint64_t off, uint64_t len)
{
	uint64_t index = off >> VOLATILE_PAGE_LG2, last = (off + len - 1) >> VOLATILE_PAGE_LG2;
	struct volatile_extent e;

	while (volatile_next(&drive->cache, index, &e) && e.first <= last) {
		int rc = write_back_one(drive, &e, off, len);

		if (rc)
			return rc;
		index = e.first + e.nr;
	}
	return 0;
}

int drive_flush(struct nvme_drive *drive)
{
	int rc;

	if (drive_is_null(drive) || drive->readonly)
		return 0;
	rc = drive_write_back(drive, 0, drive->blocks << drive->lba_lg2);
	if (rc)
		return rc;
	do
		rc = fdatasync(drive->fd);
	while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

uint64_t drive_used(const struct nvme_drive *drive)
{
	struct stat st;
	uint64_t used;

	if (drive_is_null(drive) || drive->is_block || fstat(drive->fd, &st))
		return drive->blocks;
	used = ((uint64_t)st.st_blocks * 512) >> drive->lba_lg2;
	return used < drive->blocks ? used : drive->blocks;
}
