/* SPDX-License-Identifier: MIT */
/*
 * Files of /proc that the door shows otherwise: fail-nth, which no kernel has that was not built
 * for fault injection, and status, which knows nothing of what the engine has pinned.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include "preload.h"
#include "real.h"
#include "util/inject.h"

/* Takes "NUMBER/" off the front. */
static bool takes_number(const char **at, pid_t *out)
{
	char *end;
	long value;

	if (!isdigit((unsigned char)**at))
		return false;
	value = strtol(*at, &end, 10);
	if (*end != '/' || value <= 0 || value > INT32_MAX)
		return false;
	*out = (pid_t)value;
	*at = end + 1;
	return true;
}

static bool takes(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*at, word, len))
		return false;
	*at += len;
	return true;
}

const char *proc_own(const char *virt, pid_t *tid)
{
	const char *at = virt;

	if (!takes(&at, "/proc/"))
		return NULL;
	*tid = getpid();
	if (takes(&at, "thread-self/"))
		*tid = gettid();
	else if (!takes(&at, "self/") && (!takes_number(&at, tid) || *tid != getpid()))
		return NULL;
	if (takes(&at, "task/") && !takes_number(&at, tid))
		return NULL;
	return at;
}

enum door_proc proc_kind(const char *rest)
{
	if (!strcmp(rest, "fail-nth"))
		return door_selftest() ? PROC_FAIL_NTH : PROC_PLAIN;
	return PROC_PLAIN;
}

/* A stand-in that no file of the engine is behind. */
static int open_fail_nth(const struct door_path *path, int flags)
{
	struct ioas_node node = {.kind = IOAS_NODE_IOMMU};
	struct door_obj *obj;
	int fd;

	snprintf(node.path, sizeof(node.path), "/proc/%d/task/%d", getpid(), path->tid);
	if (real.access(node.path, F_OK))
		return -ENOENT;
	strcat(node.path, "/fail-nth");
	obj = stand_new(NULL, NULL, &node);
	if (!obj)
		return -ENOMEM;
	obj->tid = path->tid;
	fd = stand_install(obj, flags & O_CLOEXEC);
	if (fd < 0)
		stand_free(obj);
	return fd;
}

int proc_open(const struct door_path *path, int flags)
{
	struct door_call call;
	long rc;

	if (flags & O_DIRECTORY)
		return (int)door_result(-ENOTDIR);
	rc = door_activate();
	if (!rc && !door_enter(&call))
		rc = -EBUSY;
	if (rc)
		return (int)door_result(rc);
	rc = open_fail_nth(path, flags);
	door_leave(&call);
	return (int)door_result(rc);
}

/* As the kernel reads a number: base by prefix, a line break may follow. */
static ssize_t arm(const void *buf, size_t len)
{
	char text[32] = "", *end;
	unsigned long long nth;

	if (len >= sizeof(text))
		return -EINVAL;
	if (door.caller.ops->copy_from(&door.caller, text, (uintptr_t)buf, len))
		return -EFAULT;
	errno = 0;
	nth = isdigit((unsigned char)*text) ? strtoull(text, &end, 0) : 0;
	if (!isdigit((unsigned char)*text) || end[*end == '\n'])
		return -EINVAL;
	if (errno || nth > UINT32_MAX)
		return -ERANGE;
	inject_arm((unsigned)nth);
	return (ssize_t)len;
}

/* The count is the calling thread's own: no other can be reached. */
ssize_t proc_transfer(const struct door_obj *obj, void *buf, size_t len, int64_t off, bool write)
{
	char text[16];
	size_t size;

	if (gettid() != obj->tid)
		return -EPERM;
	if (write)
		return arm(buf, len);
	size = (size_t)snprintf(text, sizeof(text), "%u\n", inject_remaining());
	if ((uint64_t)off >= size)
		return 0;
	if (len > size - (size_t)off)
		len = size - (size_t)off;
	if (door.caller.ops->copy_to(&door.caller, (uintptr_t)buf, text + off, len))
		return -EFAULT;
	return (ssize_t)len;
}
