/* SPDX-License-Identifier: MIT */
/* The door's start: without a run folder it stays shut. */
#include <errno.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <ioas/run.h>
#include "preload.h"
#include "real.h"

/* A stand-in that came through exec: the same name, freshly opened when it is first used. */
static struct door_obj *adopted(const char *name, size_t len, const struct stat *st)
{
	struct ioas_node node = {0};
	struct door_obj *obj;

	for (obj = door.objs; obj; obj = obj->next)
		if (obj->ino == st->st_ino && obj->dev == st->st_dev) {
			stand_get(obj);
			return obj;
		}
	if (len >= sizeof(node.path))
		return NULL;
	memcpy(node.path, name, len);
	node.kind = IOAS_NODE_VFIO_CDEV; /* refined when it is opened */
	if (*name != '/') {
		node.kind = IOAS_NODE_VFIO_DEVICE;
		snprintf(node.path, sizeof(node.path), "/dev/vfio/devices/vfio%s",
			 strrchr(name, ':') ? strrchr(name, ':') + 1 : "");
	}
	obj = stand_new(NULL, NULL, &node);
	if (!obj)
		return NULL;
	obj->dev = st->st_dev;
	obj->ino = st->st_ino;
	stand_link(obj);
	return obj;
}

static void adopt_one(int fd)
{
	static const char head[] = "/memfd:" MEMFD_TAG, tail[] = " (deleted)";
	size_t head_len = sizeof(head) - 1, tail_len = sizeof(tail) - 1;
	struct door_obj *obj;
	char link[40], text[128];
	struct stat st;
	ssize_t len;
	int err;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = real.readlinkat(AT_FDCWD, link, text, sizeof(text) - 1);
	if (len <= (ssize_t)(head_len + tail_len) || memcmp(text, head, head_len) ||
	    real.fstat(fd, &st))
		return;
	text[(size_t)len - tail_len] = 0;
	obj = adopted(text + head_len, (size_t)len - head_len - tail_len, &st);
	if (!obj)
		return;
	table_set(fd, obj, &err);
	if (err)
		stand_put(obj);
}

struct entry {
	ino64_t ino;
	off64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* Plain system calls and no allocation: this runs in every program that never touches a node. */
void owner_adopt(void)
{
	char buf[1024] __attribute__((aligned(8)));
	int dir = real.openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long len;

	if (dir < 0)
		return;
	while ((len = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
		for (long at = 0; at < len;) {
			struct entry *entry = (void *)(buf + at);

			if (entry->name[0] != '.' && atoi(entry->name) > STDERR_FILENO &&
			    atoi(entry->name) != dir)
				adopt_one(atoi(entry->name));
			at += entry->len;
		}
	real.close(dir);
}

static __attribute__((constructor)) void init(void)
{
	const char *run = getenv(IOAS_RUN_DIR_ENV);
	int err = errno;
	char *path;

	real_need();
	if (!run || *run != '/')
		return;
	path = real.realpath(run, NULL);
	if (path && strlen(path) < PATH_LEN / 2) {
		door.run_len = strlen(path);
		owner_adopt();
		door.run = path;
	} else {
		door_say("%s=%s is not a usable folder", IOAS_RUN_DIR_ENV, run);
		free(path);
	}
	errno = err;
}
