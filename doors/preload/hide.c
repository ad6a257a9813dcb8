/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that the engine makes by other means than open: hidden where they are born.
 *
 * The linker leads the engine's calls here (--wrap); the program's own calls of the same functions
 * are not touched.
 */
#include <errno.h>
#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "preload.h"
#include "real.h"

int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags);
int __real_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
void __real_io_uring_queue_exit(struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring);

int __wrap_eventfd(unsigned value, int flags)
{
	int fd = __real_eventfd(value, flags);

	return fd < 0 ? fd : (int)door_result(hidden_add(fd));
}

/* A ring's memory is mapped already; only the number changes. */
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	int rc = __real_io_uring_queue_init(entries, ring, flags);
	int high;

	if (rc)
		return rc;
	high = real.fcntl(ring->ring_fd, F_DUPFD_CLOEXEC, 0);
	high = high < 0 ? -errno : hidden_add(high);
	if (high < 0) {
		__real_io_uring_queue_exit(ring);
		return high;
	}
	real.close(ring->ring_fd);
	ring->ring_fd = high;
	ring->enter_ring_fd = high;
	return 0;
}

void __wrap_io_uring_queue_exit(struct io_uring *ring)
{
	hidden_del(ring->ring_fd);
	__real_io_uring_queue_exit(ring);
}
