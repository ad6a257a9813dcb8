/* SPDX-License-Identifier: MIT */
/* A system call that answers -errno and leaves the program's errno alone. */
#ifndef UTIL_SYS_H
#define UTIL_SYS_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* sys_call(SYS_name, arguments...): the result, or -errno. */
#define sys_call(...)                                \
	({                                           \
		int saved_errno_ = errno;            \
		long result_ = syscall(__VA_ARGS__); \
		if (result_ < 0) {                   \
			result_ = -errno;            \
			errno = saved_errno_;        \
		}                                    \
		result_;                             \
	})

#endif
