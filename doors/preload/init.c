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

/* The object of that identity with a reference, unless its last close has begun. */
static bool known(const struct stat *st, struct door_obj **out)
{
	struct door_obj *obj;
	uint32_t refs;

	for (obj = door.objs; obj; obj = obj->next)
		if (obj->ino == st->st_ino && obj->dev == st->st_dev)
			break;
	*out = NULL;
	if (!obj)
		return false;
	refs = atomic_load(&obj->refs);
	while (refs && !atomic_compare_exchange_weak(&obj->refs, &refs, refs + 1))
		;
	if (refs)
		*out = obj;
	return true;
}

/* Is it a stand-in? Then its name goes to `text`, and *name points to it there. */
static bool stand_in_name(int fd, char *text, size_t text_len, const char **name)
{
	static const char head[] = "/memfd:" MEMFD_TAG, tail[] = " (deleted)";
	size_t head_len = sizeof(head) - 1, tail_len = sizeof(tail) - 1;
	char link[40];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = real.readlinkat(AT_FDCWD, link, text, text_len - 1);
	if (len > 8 && !memcmp(text, "socket:[", 8))
		return poll_name(fd, text, text_len, name);
	if (len <= (ssize_t)(head_len + tail_len) || memcmp(text, head, head_len))
		return false;
	text[(size_t)len - tail_len] = 0;
	*name = text + head_len;
	return true;
}

/* Not opened yet. */
static struct door_obj *unopened(const char *name, const struct stat *st)
{
	struct ioas_node node = {.kind = IOAS_NODE_VFIO_CDEV}; /* refined when it is opened */
	struct door_obj *obj;

	if (strlen(name) >= sizeof(node.path))
		return NULL;
	strcpy(node.path, name);
	if (!strncmp(name, DEVICE_NAME, sizeof(DEVICE_NAME) - 1)) {
		node.kind = IOAS_NODE_VFIO_DEVICE;
		snprintf(node.path, sizeof(node.path), "/dev/vfio/devices/vfio%s",
			 strrchr(name, ':') ? strrchr(name, ':') + 1 : "");
	}
	obj = stand_new(NULL, NULL, &node);
	if (obj) {
		obj->dev = st->st_dev;
		obj->ino = st->st_ino;
	}
	return obj;
}

/*
 * A stand-in that came through exec or a socket: the same object where this process has it, else
 * the same name, freshly opened when it is first used, if its last owner is gone by then.
 * No allocation under the lock: whoever unmaps takes it inside malloc.
 */
static bool adopt_one(int fd)
{
	struct door_obj *fresh, *obj, *old = NULL;
	const char *name;
	char text[128];
	struct stat st, now;
	bool found = true;
	int err = 0;

	if (!stand_in_name(fd, text, sizeof(text), &name) || real.fstat(fd, &st))
		return true;
	fresh = unopened(name, &st);
	if (!fresh)
		return false;
	pthread_mutex_lock(&door.lock);
	if (real.fstat(fd, &now) || now.st_ino != st.st_ino || now.st_dev != st.st_dev) {
		obj = NULL; /* closed meanwhile: another one, if any */
	} else if (known(&st, &obj)) {
		found = obj;
	} else {
		stand_link(fresh);
		obj = fresh;
		fresh = NULL;
	}
	if (obj)
		old = table_set(fd, obj, &err);
	pthread_mutex_unlock(&door.lock);
	free(fresh);
	if (err)
		old = obj;
	if (old)
		stand_put(old);
	return found && !err;
}

bool owner_adopt_fd(int fd)
{
	struct door_call call;
	const char *name;
	int err = errno;
	char text[128];
	bool found;

	if (!door.run || door_inside)
		return false;
	errno = 0;
	if (!stand_in_name(fd, text, sizeof(text), &name)) {
		found = errno == ENOENT;
		errno = err;
		return found;
	}
	errno = err;
	if (!door_enter(&call))
		return false;
	found = adopt_one(fd);
	door_leave(&call);
	return found;
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
		tell_start();
	} else {
		door_say("%s=%s is not a usable folder", IOAS_RUN_DIR_ENV, run);
		free(path);
	}
	errno = err;
}
