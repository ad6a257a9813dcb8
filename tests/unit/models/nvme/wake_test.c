/* SPDX-License-Identifier: MIT */
/*
 * Description: a doorbell wakes the worker through an eventfd, and a stop of the worker closes it.
 * Whoever is about to write into it does so before: its number may be another file's afterwards,
 * which would get eight bytes from nowhere. The linker puts the __wrap_ functions in front of the C
 * library (see meson.build).
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "models/nvme/driver.h"

#define NO_QUEUE (NVME_REG_DOORBELLS + 8 * 7)
#define HELD_MS	 200 /* a stop that does not wait is over long before */

static _Atomic int event = -1;
static _Atomic bool held, closed, late;
static __thread bool is_bell;

int __real_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags)
{
	atomic_store(&closed, false);
	event = __real_eventfd(count, flags);
	return event;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	if (fd == event)
		atomic_store(&closed, true);
	return __real_close(fd);
}

/* The one that rings is kept from its write, until the eventfd is closed or for long enough. */
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	if (is_bell && fd == event) {
		atomic_store(&held, true);
		for (unsigned ms = 0; ms < HELD_MS && !closed; ms++)
			poll(NULL, 0, 1);
		if (closed) {
			late = true;
			errno = EBADF;
			return -1;
		}
	}
	return __real_write(fd, buf, len);
}

/* Rings, until the worker was found asleep. */
static void *ring(void *arg)
{
	is_bell = true;
	while (!held) {
		driver_write32(NO_QUEUE, 0);
		poll(NULL, 0, 1);
	}
	return NULL;
}

static void a_stop_waits_for_who_wakes_the_worker(void **state)
{
	struct driver drv;
	pthread_t bell;

	driver_open(&drv, 1 << 20, "");
	driver_enable(&drv, 16, 0);
	assert_int_equal(pthread_create(&bell, NULL, ring, NULL), 0);
	while (!held)
		poll(NULL, 0, 1);
	/* The worker is woken by another, as by I/O that ends, and needs the doorbell no more. */
	assert_int_equal(__real_write(event, &(uint64_t){1}, 8), 8);
	bus.ops->suspend(bus.model);
	pthread_join(bell, NULL);
	assert_true(closed);
	assert_false(late);
	bus.ops->resume(bus.model);
	driver_disable(&drv);
	driver_enable(&drv, 16, 0);
	driver_close(&drv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_waits_for_who_wakes_the_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
