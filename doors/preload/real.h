/* SPDX-License-Identifier: MIT */
/* libc's own functions behind the interposed ones. */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

struct __user_cap_header_struct;
struct __user_cap_data_struct;

typedef int real_filter(const struct dirent *);
typedef int real_compare(const struct dirent **, const struct dirent **);

/* Result, name, arguments. */
#define REAL_FUNCTIONS(X)                                                                        \
	X(int, openat, (int, const char *, int, ...))                                            \
	X(FILE *, fopen, (const char *, const char *))                                           \
	X(FILE *, freopen, (const char *, const char *, FILE *))                                 \
	X(int, fclose, (FILE *))                                                                 \
	X(DIR *, opendir, (const char *))                                                        \
	X(int, scandir, (const char *, struct dirent ***, real_filter *, real_compare *))        \
	X(int, chdir, (const char *))                                                            \
	X(int, fchdir, (int))                                                                    \
	X(char *, getcwd, (char *, size_t))                                                      \
	X(ssize_t, readlinkat, (int, const char *, char *, size_t))                              \
	X(int, fstatat, (int, const char *, struct stat *, int))                                 \
	X(int, fstat, (int, struct stat *))                                                      \
	X(int, statx, (int, const char *, int, unsigned, struct statx *))                        \
	X(int, access, (const char *, int))                                                      \
	X(int, faccessat, (int, const char *, int, int))                                         \
	X(int, euidaccess, (const char *, int))                                                  \
	X(ssize_t, getxattr, (const char *, const char *, void *, size_t))                       \
	X(ssize_t, lgetxattr, (const char *, const char *, void *, size_t))                      \
	X(ssize_t, listxattr, (const char *, char *, size_t))                                    \
	X(ssize_t, llistxattr, (const char *, char *, size_t))                                   \
	X(char *, realpath, (const char *, char *))                                              \
	X(int, glob, (const char *, int, int (*)(const char *, int), glob_t *))                  \
	X(int, close, (int))                                                                     \
	X(int, close_range, (unsigned, unsigned, int))                                           \
	X(int, dup, (int))                                                                       \
	X(int, dup2, (int, int))                                                                 \
	X(int, dup3, (int, int, int))                                                            \
	X(int, fcntl, (int, int, ...))                                                           \
	X(off_t, lseek, (int, off_t, int))                                                       \
	X(int, ioctl, (int, unsigned long, ...))                                                 \
	X(ssize_t, read, (int, void *, size_t))                                                  \
	X(ssize_t, write, (int, const void *, size_t))                                           \
	X(ssize_t, pread, (int, void *, size_t, off_t))                                          \
	X(ssize_t, pwrite, (int, const void *, size_t, off_t))                                   \
	X(ssize_t, readv, (int, const struct iovec *, int))                                      \
	X(ssize_t, writev, (int, const struct iovec *, int))                                     \
	X(ssize_t, preadv, (int, const struct iovec *, int, off_t))                              \
	X(ssize_t, pwritev, (int, const struct iovec *, int, off_t))                             \
	X(void *, mmap, (void *, size_t, int, int, int, off_t))                                  \
	X(int, munmap, (void *, size_t))                                                         \
	X(void *, mremap, (void *, size_t, size_t, int, ...))                                    \
	X(int, mprotect, (void *, size_t, int))                                                  \
	X(int, pkey_mprotect, (void *, size_t, int, int))                                        \
	X(int, madvise, (void *, size_t, int))                                                   \
	X(void, free, (void *))                                                                  \
	X(void *, realloc, (void *, size_t))                                                     \
	X(size_t, malloc_usable_size, (void *))                                                  \
	X(int, malloc_trim, (size_t))                                                            \
	X(int, sigaction, (int, const struct sigaction *, struct sigaction *))                   \
	X(sighandler_t, signal, (int, sighandler_t))                                             \
	X(sighandler_t, sysv_signal, (int, sighandler_t))                                        \
	X(sighandler_t, sigset, (int, sighandler_t))                                             \
	X(int, siginterrupt, (int, int))                                                         \
	X(int, sigprocmask, (int, const sigset_t *, sigset_t *))                                 \
	X(ssize_t, recvmsg, (int, struct msghdr *, int))                                         \
	X(int, recvmmsg, (int, struct mmsghdr *, unsigned, int, struct timespec *))              \
	X(int, setuid, (uid_t))                                                                  \
	X(int, seteuid, (uid_t))                                                                 \
	X(int, setreuid, (uid_t, uid_t))                                                         \
	X(int, setresuid, (uid_t, uid_t, uid_t))                                                 \
	X(int, capset, (struct __user_cap_header_struct *, struct __user_cap_data_struct *))     \
	X(int, unshare, (int))                                                                   \
	X(int, setns, (int, int))                                                                \
	X(int, clone, (int (*)(void *), void *, int, void *, ...))                               \
	X(int, pthread_cancel, (pthread_t))                                                      \
	X(int, pthread_create, (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)) \
	X(int, pthread_sigmask, (int, const sigset_t *, sigset_t *))

struct real {
#define X(result, name, args) result(*name) args;
	REAL_FUNCTIONS(X)
#undef X
};

extern struct real real;
/* Looks all of them up. */
void real_init(void);
/* For every interposed function: other libraries' constructors run before ours. */
static inline void real_need(void)
{
	if (__builtin_expect(!real.pthread_sigmask, 0))
		real_init();
}

#endif
