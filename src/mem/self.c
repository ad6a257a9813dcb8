/* SPDX-License-Identifier: MIT */
/*
 * The caller that is this process itself: a program that links the library and maps its own memory.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <ioas/door.h>
#include "mem/mem.h"
#include "util/sys.h"

/* Up to here touching each page is faster than asking the kernel to populate. */
#define TOUCH_MAX 65536ul

static void *pointer(uint64_t va)
{
	return (void *)(uintptr_t)va;
}

/* No memory ends beyond the address space. */
static bool wraps(uint64_t va, uint64_t len)
{
	return va + len < va || va + len > UINTPTR_MAX;
}

static int copy_from(struct ioas_caller *caller, void *dst, uint64_t va, size_t len)
{
	if (wraps(va, len))
		return -EFAULT;
	return mem_guard_copy(dst, pointer(va), len) == len ? 0 : -EFAULT;
}

static int copy_to(struct ioas_caller *caller, uint64_t va, const void *src, size_t len)
{
	if (wraps(va, len))
		return -EFAULT;
	return mem_guard_copy(pointer(va), src, len) == len ? 0 : -EFAULT;
}

static int or_to(struct ioas_caller *caller, uint64_t va, const void *bits, size_t len)
{
	if (wraps(va, len))
		return -EFAULT;
	return mem_guard_or(pointer(va), bits, len) == len ? 0 : -EFAULT;
}

static int pin(struct ioas_caller *caller, uint64_t va, uint64_t len, bool write, void **host)
{
	int rc;

	if (wraps(va, len))
		return -EFAULT;
	rc = len <= TOUCH_MAX ? mem_guard_touch(pointer(va), len, write)
			      : mem_guard_populate(pointer(va), len, write);
	if (!rc)
		*host = pointer(va);
	return rc;
}

/* Nothing keeps the pages: a program that unmaps them early gets fault records, not a crash. */
static void unpin(struct ioas_caller *caller, uint64_t va, uint64_t len, void *host)
{
}

static int file_get(struct ioas_caller *caller, int fd, struct ioas_file **out)
{
	return -EBADF;
}

static int file_install(struct ioas_caller *caller, struct ioas_file *file)
{
	return -EBADF;
}

static int eventfd_get(struct ioas_caller *caller, int fd)
{
	char path[32], link[32] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (sys_call(SYS_readlinkat, AT_FDCWD, path, link, sizeof(link) - 1) < 0)
		return -EBADF;
	if (strcmp(link, "anon_inode:[eventfd]"))
		return -EINVAL;
	return (int)sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

static int capable(struct ioas_caller *caller, int cap)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (cap < 0 || cap >= 64 || sys_call(SYS_capget, &header, data))
		return 0;
	return data[cap / 32].effective >> cap % 32 & 1;
}

static int fd_get(struct ioas_caller *caller, int fd)
{
	long copy = sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);

	return copy == -EINVAL ? -EBADF : (int)copy;
}

static uint32_t uid(struct ioas_caller *caller)
{
	return (uint32_t)sys_call(SYS_getuid);
}

static uint64_t memlock(struct ioas_caller *caller)
{
	struct rlimit limit;

	return sys_call(SYS_prlimit64, 0, RLIMIT_MEMLOCK, NULL, &limit) ? UINT64_MAX
									: limit.rlim_cur;
}

static const struct ioas_caller_ops ops = {
	.copy_from = copy_from,
	.copy_to = copy_to,
	.or_to = or_to,
	.pin = pin,
	.unpin = unpin,
	.file_get = file_get,
	.file_install = file_install,
	.eventfd_get = eventfd_get,
	.fd_get = fd_get,
	.capable = capable,
	.uid = uid,
	.memlock = memlock,
};

/* pid 0 is "this process" in every call that takes one, also in a child after fork. */
static const struct ioas_caller self = {.ops = &ops};

struct ioas_caller *mem_self_caller(void)
{
	return (struct ioas_caller *)&self;
}
