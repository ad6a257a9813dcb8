/* SPDX-License-Identifier: MIT */
/*
 * The program as the engine sees it: its memory is ours, its descriptors are in the table.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/mem.h"
#include "map.h"
#include "preload.h"
#include "real.h"

static int file_get(struct ioas_caller *caller, int fd, struct ioas_file **out)
{
	struct door_obj *obj = table_get(fd);
	int rc;

	if (!obj)
		return hidden_has(fd) || real.fcntl(fd, F_GETFD) < 0 ? -EBADF : -EBADFD;
	rc = obj->tid ? -EBADFD : stand_ready(obj);
	if (!rc)
		*out = ioas_file_get(obj->file);
	stand_put(obj);
	return rc;
}

static int file_install(struct ioas_caller *caller, struct ioas_file *file)
{
	struct door_obj *obj;
	int fd;

	obj = stand_new(door_machine, file, ioas_file_node(file));
	if (!obj)
		return -ENOMEM;
	fd = stand_install(obj, true);
	if (fd < 0)
		free(obj);
	return fd;
}

/* A program may close its eventfd before we signal it, hence our own descriptor. */
static int eventfd_get(struct ioas_caller *caller, int fd)
{
	char link[40], text[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = real.readlinkat(AT_FDCWD, link, text, sizeof(text) - 1);
	if (len < 0 || hidden_has(fd))
		return -EBADF;
	text[len] = 0;
	if (strcmp(text, "anon_inode:[eventfd]"))
		return -EINVAL;
	fd = real.fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : hidden_add(fd);
}

static int fd_get(struct ioas_caller *caller, int fd)
{
	int copy;

	if (hidden_has(fd))
		return -EBADF;
	copy = real.fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return copy < 0 ? -errno : hidden_add(copy);
}

static const struct ioas_caller_ops *self;

/* malloc has to know. */
static int pin(struct ioas_caller *caller, uint64_t va, uint64_t len, bool write, void **host)
{
	/* Registers are no memory, not even while they are watched. */
	int rc = map_has_bar(va, va + len) ? -EFAULT : self->pin(caller, va, len, write, host);

	if (!rc)
		heap_pinned(va, va + len);
	return rc;
}

/* What the program does with its memory is told: wrap_mem.c. */
static void *host(struct ioas_caller *caller, uint64_t va)
{
	return (void *)(uintptr_t)va;
}

static void unpin(struct ioas_caller *caller, uint64_t va, uint64_t len, void *host)
{
	self->unpin(caller, va, len, host);
	heap_unpinned(va, va + len);
}

static int capable(struct ioas_caller *caller, int cap)
{
	return creds_capable(cap);
}

static uint32_t uid(struct ioas_caller *caller)
{
	return creds_uid();
}

static int fd_hide(struct ioas_caller *caller, int fd)
{
	return hidden_add(fd);
}

void caller_init(struct ioas_caller *caller)
{
	static struct ioas_caller_ops ops;

	self = mem_self_caller()->ops;
	ops = *self;
	ops.pin = pin;
	ops.unpin = unpin;
	ops.host = host;
	ops.file_get = file_get;
	ops.file_install = file_install;
	ops.eventfd_get = eventfd_get;
	ops.fd_get = fd_get;
	ops.fd_hide = fd_hide;
	ops.capable = capable;
	ops.uid = uid;
	ops.file_ready = poll_ready;
	ops.region_page = watch_page;
	ops.region_open = watch_open;
	*caller = *mem_self_caller();
	caller->ops = &ops;
}
