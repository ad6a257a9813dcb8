/* SPDX-License-Identifier: MIT */
/* What the tests of files in a space need: people who pay, files, and maps of them. */
#ifndef TESTS_SPACE_FILE_RIG_H
#define TESTS_SPACE_FILE_RIG_H

#include <sys/mman.h>
#include <unistd.h>
#include "rig.h"

/* A process that never was: its number is above every pid_max. */
struct person {
	struct ioas_caller caller; /* first */
	uint64_t memlock;
	bool privileged;
};

static inline int capable(struct ioas_caller *caller, int cap)
{
	return ((struct person *)caller)->privileged;
}

static inline uint32_t uid(struct ioas_caller *caller)
{
	return (uint32_t)caller->pid;
}

static inline uint64_t memlock(struct ioas_caller *caller)
{
	return ((struct person *)caller)->memlock;
}

static const struct ioas_caller_ops ops = {.capable = capable, .uid = uid, .memlock = memlock};

static inline struct person person(pid_t pid, uint64_t pages)
{
	return (struct person){.caller = {.ops = &ops, .pid = pid}, .memlock = pages * PAGE};
}

static inline void expect(struct rig *rig, const struct person *person, uint64_t pinned,
			  uint64_t locked)
{
	uint64_t got[2];

	account_read(rig->iommu.account, person->caller.pid, &got[0], &got[1]);
	assert_int_equal(got[0], pinned * PAGE);
	assert_int_equal(got[1], locked * PAGE);
}

#define FIRST  0x7000001
#define SECOND 0x7000002

/* A memfd of `len` bytes as a file of the rig. */
static inline struct mem_file *file_new(struct rig *rig, uint64_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct mem_file *file;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	assert_int_equal(mem_file_open(rig->iommu.files, fd, &file), 0);
	return file;
}

static inline int map(struct rig *rig, struct person *who, struct mem_file *file, iova_t iova,
		      uint64_t start, uint64_t len)
{
	return space_map_file(rig->space, &who->caller, file, &iova, start, len,
			      RW | IOAS_MAP_FIXED, &rig->why);
}

static inline void unmap_all(struct rig *rig)
{
	assert_int_equal(ioas_space_unmap(rig->space, 0, UINT64_MAX, NULL, NULL), 0);
}

static inline bool entered(struct rig *rig, struct pt *pt, iova_t iova)
{
	struct pt_walk walk;

	return !pt_walk(pt, iova, &walk);
}

static inline void attach(struct rig *rig, struct pt *pt)
{
	assert_int_equal(space_domain_attach(rig->space, pt, &rig->why), 0);
}

#endif
