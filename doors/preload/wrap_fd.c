/* SPDX-License-Identifier: MIT */
/*
 * The interposed functions that change which number means which descriptor.
 *
 * The kernel's change and the table's are one step under door.lock, so that a number that another
 * thread is handed at once never has the old object behind it.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "preload.h"
#include "real.h"
#include "wrap.h"

static int close_ours(int fd)
{
	struct door_call call;
	struct door_obj *obj;
	int err, rc;

	if (!door_enter(&call))
		return real.close(fd);
	pthread_mutex_lock(&door.lock);
	obj = table_set(fd, NULL, &err);
	rc = real.close(fd) ? -errno : 0;
	pthread_mutex_unlock(&door.lock);
	if (obj)
		stand_put(obj);
	heap_drain();
	door_leave(&call);
	return (int)door_result(rc);
}

int close(int fd)
{
	real_need();
	if (unlikely(hidden_has(fd))) {
		if (!door_inside)
			return (int)door_result(-EBADF);
		hidden_del(fd);
	}
	if (unlikely(table_maybe(fd)))
		return close_ours(fd);
	return real.close(fd);
}

int fclose(FILE *file)
{
	struct door_call call;
	struct door_obj *obj = NULL;
	int fd, err, rc;

	real_need();
	fd = door.run ? fileno_unlocked(file) : -1;
	if (!table_maybe(fd) || !door_enter(&call))
		return real.fclose(file);
	pthread_mutex_lock(&door.lock);
	obj = table_set(fd, NULL, &err);
	pthread_mutex_unlock(&door.lock);
	rc = real.fclose(file) ? -errno : 0;
	if (obj)
		stand_put(obj);
	door_leave(&call);
	return (int)door_result(rc);
}

/* Forgets what is ours in first..last; the caller closes the numbers. Not under door.lock. */
static void forget_range(int first, int last)
{
	for (;;) {
		struct door_obj *obj = NULL;
		int fd, err;

		pthread_mutex_lock(&door.lock);
		fd = table_next(first, last);
		if (fd >= 0) {
			obj = table_set(fd, NULL, &err);
			real.close(fd);
		}
		pthread_mutex_unlock(&door.lock);
		if (obj)
			stand_put(obj);
		if (fd < 0)
			return;
		first = fd;
	}
}

/* The range in pieces that pass over hidden descriptors. */
static int close_pieces(unsigned first, unsigned last, int flags)
{
	for (;;) {
		int skip = first > INT_MAX ? -1 : hidden_next((int)first);
		int rc;

		if (skip < 0 || (unsigned)skip > last)
			return real.close_range(first, last, flags) ? -errno : 0;
		rc = (unsigned)skip > first ? real.close_range(first, (unsigned)skip - 1, flags)
					    : 0;
		if (rc)
			return -errno;
		if ((unsigned)skip == last)
			return 0;
		first = (unsigned)skip + 1;
	}
}

int close_range(unsigned first, unsigned last, int flags)
{
	struct door_call call;
	int rc;

	real_need();
	if (!door.run || first > last || flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) ||
	    door_inside || (!table_maybe_any() && hidden_next(0) < 0) || !door_enter(&call))
		return real.close_range(first, last, flags);
	if (!(flags & CLOSE_RANGE_CLOEXEC) && first <= INT_MAX)
		forget_range((int)first, last > INT_MAX ? INT_MAX : (int)last);
	rc = close_pieces(first, last, flags);
	door_leave(&call);
	return (int)door_result(rc);
}

void closefrom(int first)
{
	close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0);
}

/* Enters `fd`, a fresh duplicate of old's object; on failure it is closed. (lock) */
static int enter_dup(struct door_obj *obj, int fd, struct door_obj **stale)
{
	int err;

	stand_get(obj);
	*stale = table_set(fd, obj, &err);
	if (!err)
		return fd;
	real.close(fd);
	*stale = obj; /* the reference just taken */
	return err;
}

static int dup_ours(int fd, int cmd, int min)
{
	struct door_obj *obj, *stale = NULL;
	struct door_call call;
	int rc;

	if (!door_enter(&call))
		return real.fcntl(fd, cmd, min);
	obj = table_get(fd);
	pthread_mutex_lock(&door.lock);
	rc = real.fcntl(fd, cmd, min);
	if (rc < 0)
		rc = -errno;
	else if (obj)
		rc = enter_dup(obj, rc, &stale);
	pthread_mutex_unlock(&door.lock);
	if (stale)
		stand_put(stale);
	if (obj)
		stand_put(obj);
	door_leave(&call);
	return (int)door_result(rc);
}

int dup(int fd)
{
	real_need();
	if (unlikely(hidden_has(fd)) && !door_inside)
		return (int)door_result(-EBADF);
	return unlikely(table_maybe(fd)) ? dup_ours(fd, F_DUPFD, 0) : table_fresh(real.dup(fd));
}

/* dup2 when either number is ours, or the target is hidden. */
static int dup3_ours(int from, int to, int flags, bool dup2_rules)
{
	struct door_obj *obj, *old = NULL;
	struct door_call call;
	int rc = 0;

	if (!door_enter(&call))
		return dup2_rules ? real.dup2(from, to) : real.dup3(from, to, flags);
	obj = table_get(from);
	pthread_mutex_lock(&door.lock);
	if (hidden_has(from))
		rc = -EBADF;
	else if (hidden_has(to) && real.fcntl(from, F_GETFD) >= 0)
		rc = hidden_move(to);
	if (!rc) {
		rc = dup2_rules ? real.dup2(from, to) : real.dup3(from, to, flags);
		if (rc < 0)
			rc = -errno;
		else if (obj)
			rc = enter_dup(obj, to, &old);
		else
			old = table_set(to, NULL, &(int){0});
	}
	pthread_mutex_unlock(&door.lock);
	if (old)
		stand_put(old);
	if (obj)
		stand_put(obj);
	door_leave(&call);
	return (int)door_result(rc);
}

static bool dup_concerns_us(int from, int to)
{
	return unlikely(table_maybe(from)) || unlikely(table_maybe(to)) ||
	       ((unlikely(hidden_has(to)) || unlikely(hidden_has(from))) && !door_inside);
}

int dup2(int from, int to)
{
	real_need();
	if (from == to || !dup_concerns_us(from, to))
		return real.dup2(from, to);
	return dup3_ours(from, to, 0, true);
}

int dup3(int from, int to, int flags)
{
	real_need();
	if (from == to || !dup_concerns_us(from, to))
		return real.dup3(from, to, flags);
	return dup3_ours(from, to, flags, false);
}

int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	real_need();
	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (unlikely(hidden_has(fd)) && !door_inside)
		return (int)door_result(-EBADF);
	if (cmd != F_DUPFD && cmd != F_DUPFD_CLOEXEC)
		return real.fcntl(fd, cmd, arg);
	return unlikely(table_maybe(fd)) ? dup_ours(fd, cmd, (int)(intptr_t)arg)
					 : table_fresh(real.fcntl(fd, cmd, arg));
}
ALIAS(fcntl64, fcntl)

/* Descriptors that came with a message. */
static void fresh_rights(struct msghdr *msg)
{
	for (struct cmsghdr *at = CMSG_FIRSTHDR(msg); at; at = CMSG_NXTHDR(msg, at)) {
		int *fds = (int *)(void *)CMSG_DATA(at);

		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(*fds)) <= at->cmsg_len; i++)
			table_fresh(fds[i]);
	}
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t rc;

	real_need();
	rc = real.recvmsg(fd, msg, flags);
	if (rc >= 0 && unlikely(table_maybe_any()))
		fresh_rights(msg);
	return rc;
}

int recvmmsg(int fd, struct mmsghdr *msgs, unsigned nr, int flags, struct timespec *timeout)
{
	int rc;

	real_need();
	rc = real.recvmmsg(fd, msgs, nr, flags, timeout);
	for (int i = 0; i < rc && unlikely(table_maybe_any()); i++)
		fresh_rights(&msgs[i].msg_hdr);
	return rc;
}

/* None of the devices can seek. */
off_t lseek(int fd, off_t off, int whence)
{
	real_need();
	if (unlikely(table_maybe(fd)))
		return door_result(-ESPIPE);
	return real.lseek(fd, off, whence);
}
ALIAS(lseek64, lseek)
