/* SPDX-License-Identifier: MIT */
/* A program like any other. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "sys.h"

static volatile uint8_t *region;
static size_t region_len;

void sys_begin(const char *device)
{
}

void sys_end(void)
{
}

int sys_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void sys_close(int fd)
{
	close(fd);
}

long sys_ioctl(int fd, unsigned long cmd, void *arg)
{
	long rc = ioctl(fd, cmd, arg);

	return rc < 0 ? -errno : rc;
}

ssize_t sys_pwrite(int fd, const void *buf, size_t len, uint64_t off)
{
	ssize_t rc = pwrite(fd, buf, len, (off_t)off);

	return rc < 0 ? -errno : rc;
}

void sys_map(int fd, uint64_t off, size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)off);

	if (at == MAP_FAILED)
		abort();
	region = at;
	region_len = len;
}

void sys_unmap(void)
{
	munmap((void *)region, region_len);
}

uint32_t sys_load(unsigned off)
{
	return *(volatile uint32_t *)(region + off);
}

void sys_store(unsigned off, uint32_t value)
{
	*(volatile uint32_t *)(region + off) = value;
}

void sys_store64(unsigned off, uint64_t value)
{
	*(volatile uint64_t *)(region + off) = value;
}
