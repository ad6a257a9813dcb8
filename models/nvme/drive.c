/* SPDX-License-Identifier: MIT */
/* The drive: opening it, and what is done to it at once rather than through the ring. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "nvme/drive.h"
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

int drive_open(struct nvme_drive *drive, const struct nvme_drive_config *config,
	       struct ioas_why *why)
{
	uint64_t len = config->size;
	int rc = 0;

	*drive = (struct nvme_drive){
		.fd = -1,
		.readonly = config->readonly,
		.is_volatile = config->is_volatile,
		.lba_lg2 = config->lba_lg2,
	};
	if (strcmp(config->path, "null")) {
		if (!drive->readonly)
			drive->fd = open(config->path, O_RDWR | O_CLOEXEC);
		if (drive->fd < 0 &&
		    (drive->readonly || errno == EACCES || errno == EROFS || errno == EPERM)) {
			drive->fd = open(config->path, O_RDONLY | O_CLOEXEC);
			drive->readonly = true;
		}
		if (drive->fd < 0)
			return why_set(why, -errno, "drive=%s: %s", config->path, strerror(errno));
		rc = measure(drive, config->path, &len, why);
	}
	drive->blocks = len >> drive->lba_lg2;
	if (!rc && !drive->blocks)
		rc = why_set(why, -EINVAL, "drive=%s holds no block of %u bytes", config->path,
			     1u << drive->lba_lg2);
	if (rc && drive->fd >= 0)
		close(drive->fd);
	return rc;
}

void drive_close(struct nvme_drive *drive)
{
	volatile_fini(&drive->cache);
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

int drive_read_through(struct nvme_drive *drive, uint8_t *buf, uint64_t len, uint64_t off)
{
	uint64_t index = off >> VOLATILE_PAGE_LG2;
	struct volatile_page *page;
	int rc = drive_read(drive, buf, len, off);

	for (; !rc && (page = volatile_next(&drive->cache, &index)); index++) {
		uint64_t start = index << VOLATILE_PAGE_LG2;

		if (start >= off + len)
			break;
		for (uint64_t i = 0, at = start; i < 8; i++, at += 512)
			if (page->valid >> i & 1 && at >= off && at < off + len)
				memcpy(buf + (at - off), page->data + i * 512, 512);
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

/* Is all of the range inside the file? Beyond a file that shrank there is nothing to punch. */
static bool inside(struct nvme_drive *drive, uint64_t end)
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
	volatile_forget(&drive->cache, off, len);
	if (!inside(drive, off + len))
		return write_zeroes(drive, off, len);
	if (punch)
		rc = allocate(drive, FALLOC_FL_PUNCH_HOLE, off, len);
	if (rc == -EOPNOTSUPP)
		rc = allocate(drive, FALLOC_FL_ZERO_RANGE, off, len);
	if (rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EINVAL)
		rc = write_zeroes(drive, off, len);
	return rc;
}

/* PUNCH_HOLE on block devices too: unlike BLKDISCARD it promises zeroes, as Identify does. */
int drive_discard(struct nvme_drive *drive, uint64_t off, uint64_t len)
{
	int rc;

	if (drive_is_null(drive) || !len)
		return 0;
	rc = allocate(drive, FALLOC_FL_PUNCH_HOLE, off, len);
	if (!rc)
		volatile_forget(&drive->cache, off, len);
	return rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EINVAL ? 0 : rc;
}

static int write_page(struct nvme_drive *drive, uint64_t index, struct volatile_page *page)
{
	for (unsigned i = 0; i < 8;) {
		unsigned n = 0;
		int rc;

		while (i + n < 8 && page->valid >> (i + n) & 1)
			n++;
		if (n) {
			rc = drive_write(drive, page->data + i * 512, n * 512,
					 (index << VOLATILE_PAGE_LG2) + i * 512, false);
			if (rc)
				return rc;
		}
		i += n + 1;
	}
	return 0;
}

int drive_flush(struct nvme_drive *drive)
{
	struct volatile_page *page;
	uint64_t index = 0;

	if (drive_is_null(drive) || drive->readonly)
		return 0;
	while ((page = volatile_next(&drive->cache, &index))) {
		int rc = write_page(drive, index, page);

		if (rc)
			return rc;
		volatile_drop(&drive->cache, index);
	}
	return fdatasync(drive->fd) ? -errno : 0;
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
