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
	if (!strcmp(rest, "status") && __atomic_load_n(&door.machines, __ATOMIC_RELAXED))
		return PROC_STATUS;
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

/* All of a file of /proc; NULL: not to be had. */
static char *slurp(int fd, size_t *len)
{
	size_t room = 4096, used = 0;
	char *text = NULL;
	ssize_t got;

	do {
		char *more = realloc(text, room *= 2);

		got = more ? real.pread(fd, more + used, room - 1 - used, (off_t)used) : -1;
		if (got < 0) {
			free(more ? more : text);
			return NULL;
		}
		text = more;
		used += (size_t)got;
	} while (got);
	text[used] = 0;
	*len = used;
	return text;
}

/* Writes the text with so many bytes more in its line `name`; returns where that line ends. */
static const char *add_to_line(FILE *to, const char *text, const char *name, uint64_t bytes)
{
	const char *line = strstr(text, name);
	unsigned long long was;

	if (!line)
		return text;
	line += strlen(name);
	was = strtoull(line, NULL, 10);
	fwrite(text, 1, (size_t)(line - text), to);
	fprintf(to, "\t%8llu kB", was + bytes / 1024);
	return strchrnul(line, '\n');
}

/* VmLck stands before VmPin. */
static void write_status(FILE *to, const char *text, uint64_t pinned, uint64_t locked)
{
	text = add_to_line(to, text, "\nVmLck:", locked);
	text = add_to_line(to, text, "\nVmPin:", pinned);
	fputs(text, to);
}

/* In the engine. A copy of the file, to be read only, with what is pinned added. Or -errno. */
static int copy_status(int fd, uint64_t pinned, uint64_t locked, int flags)
{
	char *text, *out = NULL, link[40];
	size_t len, out_len;
	FILE *to = NULL;
	int copy = -1, rc = -ENOMEM;

	text = slurp(fd, &len);
	if (text)
		to = open_memstream(&out, &out_len);
	if (to) {
		write_status(to, text, pinned, locked);
		if (!real.fclose(to))
			copy = memfd_create("status", MFD_CLOEXEC);
	}
	if (copy >= 0 && real.write(copy, out, out_len) == (ssize_t)out_len) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", copy);
		rc = real.openat(AT_FDCWD, link, O_RDONLY | (flags & O_CLOEXEC));
		if (rc < 0)
			rc = -errno;
	}
	if (copy >= 0)
		real.close(copy);
	free(out);
	free(text);
	return rc;
}

/* What cannot be changed is shown as it is. */
static int open_status(const struct door_path *path, int flags)
{
	int fd = real.openat(AT_FDCWD, path->buf, flags, 0), copy = -1;
	uint64_t pinned, locked;
	struct door_call call;

	if (fd < 0 || flags & (O_ACCMODE | O_PATH | O_DIRECTORY) || !door_enter(&call))
		return fd;
	pinned_account(&pinned, &locked);
	if (pinned)
		copy = copy_status(fd, pinned, locked, flags);
	/* At the number that the program would have got. */
	if (copy >= 0) {
		real.dup3(copy, fd, flags & O_CLOEXEC);
		real.close(copy);
	}
	door_leave(&call);
	return fd;
}

int proc_open(const struct door_path *path, int flags)
{
	struct door_call call;
	long rc;

	if (path->proc == PROC_STATUS)
		return open_status(path, flags);
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
