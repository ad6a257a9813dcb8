/* SPDX-License-Identifier: MIT */
/* A system call that answers -errno and leaves the program's errno alone. */
#ifndef UTIL_SYS_H
#define UTIL_SYS_H

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline long sys_call_long(long nr, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	long result = syscall(nr, a, b, c, d, e, f);

	if (result < 0) {
		result = -errno;
		errno = saved;
	}
	return result;
}

/*
 * sys_call(SYS_name, arguments...): the result, or -errno. Each argument is a whole register: of an
 * int that is passed as it is, syscall(2) finds any bits in the upper half.
 */
#define sys_call(...) SYS_CALL_LONGS(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define SYS_CALL_LONGS(nr, a, b, c, d, e, f, ...) \
	sys_call_long(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* Of a call whose result is an address: is it an error? */
static inline bool sys_failed(long result)
{
	return (unsigned long)result > -4096ul;
}

#endif
