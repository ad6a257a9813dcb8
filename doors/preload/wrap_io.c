/* SPDX-License-Identifier: MIT */
/* The interposed functions that use a descriptor: ioctl, read, write and their relatives. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <ioas/guard.h>
#include "mem/mem.h"
#include <ioas/uapi_ext.h>
#include "preload.h"
#include "quick.h"
#include "real.h"
#include "wrap.h"

/* A call on one of our descriptors: begin, use obj->file, end. */
struct use {
	struct door_call call;
	struct door_obj *obj;
};

enum used {
	USE_OURS,  /* go on, then use_end */
	USE_ERROR, /* errno is set */
	USE_LIBC,  /* not ours after all */
};

static enum used use_begin(struct use *use, int fd)
{
	int rc;

	if (!door_enter(&use->call))
		return USE_LIBC;
	use->obj = table_get(fd);
	if (!use->obj) {
		door_leave(&use->call);
		return USE_LIBC;
	}
	rc = use->obj->tid ? 0 : stand_ready(use->obj);
	if (!rc) {
		door_machine = use->obj->machine;
		return USE_OURS;
	}
	tell_refusal(rc, "ioctl, read or write", use->obj->node.path,
		     "another process of the run owns what is behind the descriptor");
	stand_put(use->obj);
	door_leave(&use->call);
	door_result(rc);
	return USE_ERROR;
}

static long use_end(struct use *use, long rc)
{
	stand_put(use->obj);
	heap_drain();
	door_leave(&use->call);
	return door_result(rc);
}

static int ioctl_ours(int fd, unsigned long cmd, void *arg, bool *libc)
{
	struct ioas_why why = {""};
	struct use use;
	long rc;

	*libc = false;
	switch (use_begin(&use, fd)) {
	case USE_LIBC:
		*libc = true;
		return 0;
	case USE_ERROR:
		return -1;
	case USE_OURS:
		break;
	}
	if (use.obj->tid)
		return (int)use_end(&use, -ENOTTY);
	if (cmd == IOAS_LAST_REFUSAL)
		return (int)use_end(&use, refusal_last(arg));
	rc = ioas_file_ioctl(use.obj->file, &door.caller, cmd, (uintptr_t)arg, &why);
	return (int)use_end(&use, refusal_note(rc, NULL, &why));
}

/* What the kernel answers for every descriptor before it asks the driver. */
static bool generic(unsigned long cmd)
{
	return cmd == FIOCLEX || cmd == FIONCLEX || cmd == FIONBIO;
}

/* By the long way: one of ours that needs more, or what may be ours. */
static __attribute__((noinline)) int ioctl_any(int fd, unsigned long cmd, void *arg)
{
	bool libc;
	int rc = -1;

	real_need();
	if (unlikely(hidden_has(fd)) && !door_inside)
		return (int)door_result(-EBADF);
	do {
		libc = true;
		if (unlikely(table_maybe(fd)) && !generic(cmd))
			rc = ioctl_ours(fd, cmd, arg, &libc);
		if (libc)
			rc = real.ioctl(fd, cmd, arg);
	} while (libc && unlikely(rc < 0) && _IOC_TYPE(cmd) == ';' && errno == ENOTTY &&
		 owner_adopt_fd(fd));
	return rc;
}

/*
 * An ioctl that none but ours understand, on an object that is in order: the short way. What the
 * table says of the number need not be checked.
 */
static __attribute__((noinline)) int ioctl_maybe(int fd, unsigned long cmd, void *arg)
{
	struct door_call call;
	struct door_obj *obj;
	struct ioas_why why;
	long rc;

	if (_IOC_TYPE(cmd) != ';' || cmd == IOAS_LAST_REFUSAL || !quick_enter(&call))
		return ioctl_any(fd, cmd, arg);
	obj = quick_use(call.self, fd);
	if (unlikely(!obj || obj->tid ||
		     !atomic_load_explicit(&obj->usable, memory_order_acquire))) {
		quick_unuse(call.self);
		quick_leave(&call);
		return ioctl_any(fd, cmd, arg);
	}
	door_machine = obj->machine;
	why.text[0] = '\0';
	rc = ioas_file_ioctl(obj->file, &door.caller, cmd, (uintptr_t)arg, &why);
	if (unlikely(rc < 0))
		refusal_note(rc, NULL, &why);
	quick_unuse(call.self);
	heap_drain();
	quick_leave(&call);
	return (int)door_result(rc);
}

/*
 * Every ioctl of the program comes here, and most are not ours: three loads and a jump. One
 * argument in place of the dots is the same to the caller.
 */
int wrap_ioctl(int fd, unsigned long cmd, void *arg);
int wrap_ioctl(int fd, unsigned long cmd, void *arg)
{
	if (table_maybe(fd))
		return ioctl_maybe(fd, cmd, arg);
	if (unlikely(!real.ioctl || hidden_has(fd) || _IOC_TYPE(cmd) == ';'))
		return ioctl_any(fd, cmd, arg);
	return real.ioctl(fd, cmd, arg);
}
ALIAS(ioctl, wrap_ioctl)

enum { OFF_NONE = -1 }; /* read() and write(): at the file's own position; a queue has none */

/* One transfer; read() and write() move the position that all duplicates share. */
static ssize_t transfer(struct door_obj *obj, void *buf, size_t len, off_t off, bool write)
{
	int64_t at = off == OFF_NONE ? atomic_load(&obj->pos) : off;
	ssize_t rc;

	if (off < OFF_NONE)
		return -EINVAL;
	if (off != OFF_NONE && poll_kind(obj->node.kind))
		return -ESPIPE;
	if (obj->tid)
		rc = proc_transfer(obj, buf, len, at, write);
	else if (write)
		rc = ioas_file_pwrite(obj->file, &door.caller, (uintptr_t)buf, len, (uint64_t)at);
	else
		rc = ioas_file_pread(obj->file, &door.caller, (uintptr_t)buf, len, (uint64_t)at);
	if (rc > 0 && off == OFF_NONE && !poll_kind(obj->node.kind))
		atomic_store(&obj->pos, at + rc);
	return rc;
}

/* As the kernel does for drivers without vectored calls: one after the other, until a short one. */
static ssize_t transfer_vec(struct door_obj *obj, const struct iovec *iov, int nr, off_t off,
			    bool write)
{
	ssize_t done = 0;

	if (nr < 0 || nr > IOV_MAX)
		return -EINVAL;
	for (int i = 0; i < nr; i++) {
		struct iovec piece;
		ssize_t rc;

		if (mem_guard_copy(&piece, &iov[i], sizeof(piece)) != sizeof(piece))
			return done ? done : -EFAULT;
		if (!piece.iov_len)
			continue;
		rc = transfer(obj, piece.iov_base, piece.iov_len, off, write);
		if (rc < 0)
			return done ? done : rc;
		done += rc;
		if (off != OFF_NONE)
			off += rc;
		if ((size_t)rc < piece.iov_len)
			break;
	}
	return done;
}

/* `vec`: buf is an iovec array of len. */
static ssize_t io_ours(int fd, const void *buf, size_t len, off_t off, bool write, bool vec,
		       bool *libc)
{
	struct use use;
	ssize_t rc;

	*libc = false;
	switch (use_begin(&use, fd)) {
	case USE_LIBC:
		*libc = true;
		return 0;
	case USE_ERROR:
		return -1;
	case USE_OURS:
		break;
	}
	if (vec)
		rc = transfer_vec(use.obj, buf, len > INT_MAX ? -1 : (int)len, off, write);
	else
		rc = transfer(use.obj, (void *)(uintptr_t)buf, len, off, write);
	return use_end(&use, rc);
}

/* The body of every function below: ours, or libc's with the same arguments. */
#define IO(fd, buf, len, off, write, vec, call)                             \
	do {                                                                \
		bool libc = true;                                           \
		ssize_t rc = 0;                                             \
		real_need();                                                \
		if (unlikely(table_maybe(fd)))                              \
			rc = io_ours(fd, buf, len, off, write, vec, &libc); \
		return libc ? (call) : rc;                                  \
	} while (0)

/* A negative offset is EINVAL, and must not look like "no offset". */
static off_t checked(off_t off)
{
	return off < 0 ? OFF_NONE - 1 : off;
}

ssize_t read(int fd, void *buf, size_t len)
{
	IO(fd, buf, len, OFF_NONE, false, false, real.read(fd, buf, len));
}

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room)
		__chk_fail();
	IO(fd, buf, len, OFF_NONE, false, false, real.read(fd, buf, len));
}

ssize_t write(int fd, const void *buf, size_t len)
{
	IO(fd, buf, len, OFF_NONE, true, false, real.write(fd, buf, len));
}

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	IO(fd, buf, len, checked(off), false, false, real.pread(fd, buf, len, off));
}
ALIAS(pread64, pread)

ssize_t __pread_chk(int fd, void *buf, size_t len, off_t off, size_t room)
{
	if (len > room)
		__chk_fail();
	IO(fd, buf, len, checked(off), false, false, real.pread(fd, buf, len, off));
}
ALIAS_NEW(__pread64_chk, __pread_chk)

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	IO(fd, buf, len, checked(off), true, false, real.pwrite(fd, buf, len, off));
}
ALIAS(pwrite64, pwrite)

ssize_t readv(int fd, const struct iovec *iov, int nr)
{
	IO(fd, iov, (size_t)nr, OFF_NONE, false, true, real.readv(fd, iov, nr));
}

ssize_t writev(int fd, const struct iovec *iov, int nr)
{
	IO(fd, iov, (size_t)nr, OFF_NONE, true, true, real.writev(fd, iov, nr));
}

ssize_t preadv(int fd, const struct iovec *iov, int nr, off_t off)
{
	IO(fd, iov, (size_t)nr, checked(off), false, true, real.preadv(fd, iov, nr, off));
}
ALIAS(preadv64, preadv)

ssize_t pwritev(int fd, const struct iovec *iov, int nr, off_t off)
{
	IO(fd, iov, (size_t)nr, checked(off), true, true, real.pwritev(fd, iov, nr, off));
}
ALIAS(pwritev64, pwritev)
