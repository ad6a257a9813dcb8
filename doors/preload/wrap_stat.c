/* SPDX-License-Identifier: MIT */
/*
 * stat and its relatives: nodes and stand-ins look like the character devices they stand for.
 */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "preload.h"
#include "real.h"
#include "wrap.h"

static void show_device(struct stat *st, dev_t rdev)
{
	st->st_mode = S_IFCHR | 0666;
	st->st_rdev = rdev;
	st->st_size = 0;
	st->st_blocks = 0;
}

/* What fstat says of a stand-in: only nodes with a path are character devices. */
static void show_obj(struct stat *st, const struct ioas_node *node)
{
	dev_t rdev;

	if (node->kind != IOAS_NODE_VFIO_DEVICE && path_rdev(node->path, &rdev)) {
		show_device(st, rdev);
		return;
	}
	if (!strncmp(node->path, "/proc/", 6)) {
		st->st_mode = S_IFREG | 0644;
		return;
	}
	st->st_mode = 0600; /* an anonymous inode has no type */
	st->st_size = 0;
	st->st_blocks = 0;
}

/* The node behind fd, copied; false: not ours after all. */
static bool node_of(int fd, struct ioas_node *out)
{
	struct door_call call;
	struct door_obj *obj = NULL;

	if (!table_maybe(fd) || !door_enter(&call))
		return false;
	obj = table_get(fd);
	if (obj) {
		*out = obj->node;
		stand_put(obj);
	}
	door_leave(&call);
	return obj;
}

static int fstat_any(int fd, struct stat *st)
{
	struct ioas_node node;
	int rc;

	real_need();
	rc = real.fstat(fd, st);
	if (!rc && unlikely(table_maybe(fd)) && node_of(fd, &node))
		show_obj(st, &node);
	return rc;
}

static int stat_any(int dirfd, const char *path, struct stat *st, int flags)
{
	struct ioas_node node;
	struct door_path ours;
	dev_t rdev;
	int rc;

	real_need();
	if (!path_ours(dirfd, path, &ours)) {
		rc = real.fstatat(dirfd, path, st, flags);
		if (!rc && flags & AT_EMPTY_PATH && path && !*path &&
		    unlikely(table_maybe(dirfd)) && node_of(dirfd, &node))
			show_obj(st, &node);
		return rc;
	}
	rc = real.fstatat(AT_FDCWD, ours.buf, st, flags);
	if (rc)
		return rc;
	if (ours.node && S_ISREG(st->st_mode) && path_rdev(ours.virt, &rdev))
		show_device(st, rdev);
	else if (ours.fd >= 0 && !(flags & AT_SYMLINK_NOFOLLOW) && node_of(ours.fd, &node))
		show_obj(st, &node);
	return 0;
}

int stat(const char *path, struct stat *st)
{
	return stat_any(AT_FDCWD, path, st, 0);
}
ALIAS(stat64, stat)

int lstat(const char *path, struct stat *st)
{
	return stat_any(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}
ALIAS(lstat64, lstat)

int fstat(int fd, struct stat *st)
{
	return fstat_any(fd, st);
}
ALIAS(fstat64, fstat)

int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return stat_any(dirfd, path, st, flags);
}
ALIAS(fstatat64, fstatat)

/* What programs linked before glibc 2.33 call; `version` says which struct, 1 on x86-64. */
int __xstat(int version, const char *path, struct stat *st)
{
	return stat_any(AT_FDCWD, path, st, 0);
}
ALIAS_NEW(__xstat64, __xstat)

int __lxstat(int version, const char *path, struct stat *st)
{
	return stat_any(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}
ALIAS_NEW(__lxstat64, __lxstat)

int __fxstat(int version, int fd, struct stat *st)
{
	return fstat_any(fd, st);
}
ALIAS_NEW(__fxstat64, __fxstat)

int __fxstatat(int version, int dirfd, const char *path, struct stat *st, int flags)
{
	return stat_any(dirfd, path, st, flags);
}
ALIAS_NEW(__fxstatat64, __fxstatat)

static void statx_fields(struct statx *stx, const struct stat *st)
{
	stx->stx_mode = (uint16_t)st->st_mode;
	stx->stx_rdev_major = major(st->st_rdev);
	stx->stx_rdev_minor = minor(st->st_rdev);
	stx->stx_size = 0;
	stx->stx_blocks = 0;
}

int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx)
{
	struct stat st = {0};
	struct ioas_node node;
	struct door_path ours;
	dev_t rdev;
	int rc;

	real_need();
	if (!path_ours(dirfd, path, &ours)) {
		rc = real.statx(dirfd, path, flags, mask, stx);
		if (!rc && flags & AT_EMPTY_PATH && path && !*path &&
		    unlikely(table_maybe(dirfd)) && node_of(dirfd, &node)) {
			show_obj(&st, &node);
			statx_fields(stx, &st);
		}
		return rc;
	}
	rc = real.statx(AT_FDCWD, ours.buf, flags, mask, stx);
	if (rc)
		return rc;
	if (ours.node && S_ISREG(stx->stx_mode) && path_rdev(ours.virt, &rdev)) {
		show_device(&st, rdev);
		statx_fields(stx, &st);
	} else if (ours.fd >= 0 && !(flags & AT_SYMLINK_NOFOLLOW) && node_of(ours.fd, &node)) {
		show_obj(&st, &node);
		statx_fields(stx, &st);
	}
	return 0;
}
