/* SPDX-License-Identifier: MIT */
/*
 * What the tests of a space need: an instance of which only the parts a space uses are made, and a
 * caller whose memory is an arena, with every pin counted.
 */
#ifndef TESTS_SPACE_RIG_H
#define TESTS_SPACE_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "space/private.h"
#include "util/lock.h"

#define PAGE 4096ull
#define RW   (IOAS_MAP_READ | IOAS_MAP_WRITE)

/* Caller memory is at ARENA .. ARENA + ARENA_LEN - 1; nothing of it is ever touched. */
#define ARENA	  0x40000000ull
#define ARENA_LEN (64ull << 20)
#define ARENA_RO  (ARENA + ARENA_LEN - (1ull << 20)) /* from here on read-only */
#define HOST	  0x600000000000ull		     /* where "this process" sees it */

struct rig {
	struct ioas_caller caller; /* first */
	struct ioas_iommu iommu;
	struct ioas_space *space;
	struct ioas_why why;
	uint64_t pins;	    /* pages pinned now */
	uint64_t pins_ever; /* pins made */
	int64_t pins_left;  /* pins that succeed yet; negative: all */
};

static inline int rig_pin(struct ioas_caller *caller, uint64_t va, uint64_t len, bool write,
			  void **host)
{
	struct rig *rig = (struct rig *)caller;
	uint64_t end = write ? ARENA_RO : ARENA + ARENA_LEN;

	assert_true(va % PAGE == 0 && len % PAGE == 0);
	if (va < ARENA || va + len > end)
		return -EFAULT;
	if (rig->pins_left == 0)
		return -ENOMEM;
	if (rig->pins_left > 0)
		rig->pins_left--;
	rig->pins += len / PAGE;
	rig->pins_ever++;
	*host = (void *)(uintptr_t)(HOST + (va - ARENA));
	return 0;
}

static inline void rig_unpin(struct ioas_caller *caller, uint64_t va, uint64_t len, void *host)
{
	struct rig *rig = (struct rig *)caller;

	assert_true(host == (void *)(uintptr_t)(HOST + (va - ARENA)));
	assert_true(len && len % PAGE == 0 && rig->pins >= len / PAGE);
	rig->pins -= len / PAGE;
}

static const struct ioas_caller_ops rig_ops = {.pin = rig_pin, .unpin = rig_unpin};

/* Bytes that the caller pays for, who is of no process and so counts as this one. */
static inline uint64_t rig_charged(struct rig *rig)
{
	uint64_t pinned, locked;

	account_read(rig->iommu.account, getpid(), &pinned, &locked);
	return pinned;
}

static inline int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->caller.ops = &rig_ops;
	rig->pins_left = -1;
	inflight_init(&rig->iommu.inflight);
	lock_init(&rig->iommu.pages_lock, LOCK_PAGES);
	lock_init(&rig->iommu.dmabuf_lock, LOCK_DMABUFS);
	assert_int_equal(mem_map_new(52, &rig->iommu.mem), 0);
	space_pools_init(&rig->iommu);
	rig->iommu.config.memlock = true;
	assert_int_equal(account_new(&rig->iommu, &rig->iommu.account), 0);
	assert_int_equal(mem_files_new(&rig->iommu.files), 0);
	assert_int_equal(ioas_space_new(&rig->iommu, &rig->space), 0);
	*state = rig;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *rig = *state;

	ioas_space_put(rig->space);
	assert_int_equal(rig->pins, 0);
	mem_files_destroy(rig->iommu.files);
	account_destroy(rig->iommu.account);
	mem_map_destroy(rig->iommu.mem);
	assert_int_equal(rig->iommu.pages.used, 0);
	assert_int_equal(rig->iommu.firsts.used, 0);
	space_pools_fini(&rig->iommu);
	pthread_mutex_destroy(&rig->iommu.dmabuf_lock);
	pthread_mutex_destroy(&rig->iommu.pages_lock);
	inflight_fini(&rig->iommu.inflight);
	free(rig);
	return 0;
}

static inline struct pt *rig_pt(unsigned aw)
{
	struct pt_config config = {PT_AMDV1, aw, 0};
	struct pt *pt;

	assert_int_equal(pt_new(&config, &pt), 0);
	return pt;
}

static inline int rig_fixed(struct rig *rig, iova_t iova, uint64_t va, uint64_t len)
{
	iova_t at = iova;
	int rc;

	rig->why.text[0] = '\0';
	rc = ioas_space_map(rig->space, &rig->caller, &at, va, len, RW | IOAS_MAP_FIXED, &rig->why);
	assert_int_equal(at, iova);
	assert_true(!rc == !rig->why.text[0]);
	return rc;
}

/* Maps where there is room and returns the address; the map succeeds. */
static inline iova_t rig_auto(struct rig *rig, uint64_t va, uint64_t len)
{
	iova_t iova = 0;

	assert_int_equal(ioas_space_map(rig->space, &rig->caller, &iova, va, len, RW, &rig->why),
			 0);
	return iova;
}

static inline int rig_auto_error(struct rig *rig, uint64_t va, uint64_t len)
{
	iova_t iova = 77;
	int rc;

	rig->why.text[0] = '\0';
	rc = ioas_space_map(rig->space, &rig->caller, &iova, va, len, RW, &rig->why);
	assert_true(rc < 0);
	assert_int_equal(iova, 77);
	assert_true(rig->why.text[0]);
	return rc;
}

/* Unmaps start .. start + len - 1; the bytes must be `bytes`. */
static inline int rig_unmap(struct rig *rig, iova_t iova, uint64_t len, uint64_t bytes)
{
	uint64_t got = 99;
	int rc;

	rig->why.text[0] = '\0';
	rc = ioas_space_unmap(rig->space, iova, iova + len - 1, &got, &rig->why);
	assert_int_equal(got, bytes);
	assert_true(!rc == !rig->why.text[0]);
	return rc;
}

/* The caller address that an IOVA means in a table, 0: none. */
static inline uint64_t rig_lookup(struct rig *rig, struct pt *pt, iova_t iova, uint32_t *prot)
{
	struct mem_window *window;
	struct pt_walk walk;

	if (pt_walk(pt, iova, &walk))
		return 0;
	window = mem_window_find(rig->iommu.mem, walk.pa);
	assert_non_null(window);
	assert_true(walk.pa - window->pa < window->len);
	*prot = walk.prot;
	return window->host + (walk.pa - window->pa) - HOST + ARENA;
}

#endif
