/* SPDX-License-Identifier: MIT */
/* The engine without a door: descriptors are a table of its files. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ioas/door.h>
#include <ioas/iommu.h>
#include <ioas/model.h>
#include "mem/mem.h"
#include "sys.h"

#define FILES 64
#define FIRST 1000 /* like no descriptor of the process */

static struct ioas_iommu *iommu;
static struct ioas_caller_ops ops;
static struct ioas_caller caller = {.ops = &ops};
static struct ioas_file *files[FILES]; /* (lock) */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ioas_file *mapped;
static uint64_t mapped_off;

static int file_get(struct ioas_caller *who, int fd, struct ioas_file **out)
{
	int rc = -EBADF;

	pthread_mutex_lock(&lock);
	if (fd >= FIRST && fd < FIRST + FILES && files[fd - FIRST]) {
		*out = ioas_file_get(files[fd - FIRST]);
		rc = 0;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int file_install(struct ioas_caller *who, struct ioas_file *file)
{
	int fd = -EMFILE;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < FILES && fd < 0; i++)
		if (!files[i]) {
			files[i] = file;
			fd = FIRST + i;
		}
	pthread_mutex_unlock(&lock);
	return fd;
}

void sys_begin(const char *device)
{
	struct ioas_why why = {0};

	ops = *mem_self_caller()->ops;
	ops.file_get = file_get;
	ops.file_install = file_install;
	if (ioas_iommu_new(NULL, &iommu) || ioas_model_create(iommu, device, NULL, &why)) {
		fprintf(stderr, "%s: %s\n", device, why.text);
		exit(1);
	}
}

void sys_end(void)
{
	ioas_iommu_destroy(iommu);
}

int sys_open(const char *path)
{
	struct ioas_file *file;
	struct ioas_node node;
	int rc;

	for (size_t i = 0;; i++) {
		if (ioas_node_at(iommu, i, &node))
			return -ENOENT;
		if (!strcmp(node.path, path))
			break;
	}
	rc = ioas_file_open(iommu, &caller, &node, O_RDWR, &file, NULL);
	return rc ? rc : file_install(&caller, file);
}

void sys_close(int fd)
{
	struct ioas_file *file;

	pthread_mutex_lock(&lock);
	file = files[fd - FIRST];
	files[fd - FIRST] = NULL;
	pthread_mutex_unlock(&lock);
	ioas_file_put(file);
}

long sys_ioctl(int fd, unsigned long cmd, void *arg)
{
	struct ioas_file *file;
	long rc = file_get(&caller, fd, &file);

	if (rc)
		return rc;
	rc = ioas_file_ioctl(file, &caller, cmd, (uintptr_t)arg, NULL);
	ioas_file_put(file);
	return rc;
}

ssize_t sys_pwrite(int fd, const void *buf, size_t len, uint64_t off)
{
	struct ioas_file *file;
	ssize_t rc = file_get(&caller, fd, &file);

	if (rc)
		return rc;
	rc = ioas_file_pwrite(file, &caller, (uintptr_t)buf, len, off);
	ioas_file_put(file);
	return rc;
}

void sys_map(int fd, uint64_t off, size_t len)
{
	if (file_get(&caller, fd, &mapped))
		abort();
	mapped_off = off;
}

void sys_unmap(void)
{
	ioas_file_put(mapped);
}

static uint64_t access_region(unsigned off, bool write, uint64_t value, unsigned size)
{
	/* -EIO: memory decoding is off in the middle of a reset. Reads are all ones then. */
	if (ioas_file_access(mapped, mapped_off + off, write, &value, size))
		value = UINT64_MAX;
	return value;
}

uint32_t sys_load(unsigned off)
{
	return (uint32_t)access_region(off, false, 0, 4);
}

void sys_store(unsigned off, uint32_t value)
{
	access_region(off, true, value, 4);
}

void sys_store64(unsigned off, uint64_t value)
{
	access_region(off, true, value, 8);
}
