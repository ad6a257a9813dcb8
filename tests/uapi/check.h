/* SPDX-License-Identifier: MIT */
/*
 * What every program here needs: one ioctl, one expected answer, one line.
 *
 * The programs use the plain Linux uAPI, so that the same source runs under `ioas run` and, linked
 * statically, on a real kernel. Exit status: 0 all held, 1 something did not, 77 not applicable.
 */
#ifndef TESTS_UAPI_CHECK_H
#define TESTS_UAPI_CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXIT_SKIP 77
#define PAGE	  4096ul
/* An address at which no process has memory: the first page is never mapped. */
#define WILD wild()

/* Through a volatile, so that the compiler does not warn of what is meant. */
static inline void *wild(void)
{
	volatile uintptr_t address = 16;

	return (void *)address;
}

static int check_failed, check_passed;

static inline void check(const char *what, long got, long want)
{
	if (got == want) {
		check_passed++;
		printf("ok   %s: %ld\n", what, got);
		return;
	}
	check_failed++;
	printf("FAIL %s: got %ld (%s), want %ld (%s)\n", what, got,
	       got < 0 ? strerror((int)-got) : "no error", want,
	       want < 0 ? strerror((int)-want) : "no error");
}

/* ioctl with the kernel's own convention: a result or -errno. */
static inline long call(int fd, unsigned long cmd, void *arg)
{
	long rc = ioctl(fd, cmd, arg);

	return rc < 0 ? -errno : rc;
}

#define EXPECT(fd, cmd, arg, want, what) check(#cmd ": " what, call(fd, cmd, arg), want)

static inline int check_done(void)
{
	printf("%d held, %d did not\n", check_passed, check_failed);
	return check_failed ? 1 : 0;
}

static inline int open_or_skip(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("SKIP: %s: %s\n", path, strerror(errno));
		exit(EXIT_SKIP);
	}
	return fd;
}

/* Fresh private memory, present and zero; never freed, a test is short. */
static inline uint8_t *memory(size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (mem == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return mem;
}

#endif
