/* SPDX-License-Identifier: MIT */
/*
 * ioasbench: latency of the public /dev/iommu (iommufd) uAPI, and of nothing else: so that it runs
 * on a real kernel, too, as a static program without this project (tests/twin/oracle.sh).
 */
#ifndef BENCH_IOASBENCH_H
#define BENCH_IOASBENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <ioas/uapi/iommufd.h>

#define KiB    1024ull
#define MiB    (1024ull * KiB)
#define GiB    (1024ull * MiB)
#define RW     (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define FIXED  (RW | IOMMU_IOAS_MAP_FIXED_IOVA)
#define IOVA0  (4ull * GiB) /* above the MSI window, inside 39 bits */
#define MAXREP 64

/* uapi.c: thin wrappers. Those that return int: as ioctl(2). */
extern int fd, devfd; /* /dev/iommu and the device; -1: none */
/* Prints why and errno's text, and ends the program. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);
int destroy(uint32_t id);
uint32_t ioas_alloc(void);
int map(uint32_t ioas, uint32_t flags, void *va, uint64_t len, uint64_t *iova);
int unmap(uint32_t ioas, uint64_t iova, uint64_t len, uint64_t *done);
int copy(uint32_t dst, uint64_t *dst_iova, uint32_t src, uint64_t src_iova, uint64_t len,
	 uint32_t flags);
int set_huge(uint32_t ioas, uint64_t on);
int attach(uint32_t pt, uint32_t *out);
int detach(void);
int hwpt_alloc(uint32_t dev, uint32_t pt, uint32_t flags, uint32_t *out);
int ranges(uint32_t ioas, struct iommu_iova_range *r, uint32_t *n, uint64_t *align);

/* measure.c */
extern uint64_t target_ns; /* of a batch */
extern int repeats;	   /* batches */
uint64_t now(void);
/* One line of the output; sorts the n values. */
void report(const char *name, double *v, int n, uint64_t ops);

/*
 * An op adds the time of up to three phases to ph[]; phase 0 is always the whole op. The two clock
 * reads inside an op are only paid by ops that split.
 */
struct ctx {
	uint32_t ioas, ioas2, dev;
	uint64_t iova, len, src_iova;
	char *va;
	uint32_t flags;
	uint64_t ph[3];
};
typedef void (*opfn)(struct ctx *);

/* n1, n2: names of phases 1 and 2; NULL: there are none. */
void bench(const char *name, const char *n1, const char *n2, opfn op, struct ctx *c,
	   uint64_t max_iters);

/* calls.c: what the least calls cost, and ranges. maps.c: MAP, UNMAP, COPY. device.c: the rest. */
void time_calls(void);
void time_ranges(const char *tag, const char *name, uint32_t ioas);
/* MAP and UNMAP of rising sizes. */
void time_maps(const char *tag, uint32_t ioas, char *va, uint64_t iova, uint32_t flags,
	       uint64_t maxlen);
/* 10,000 MAPs of 4 KiB, and one UNMAP of them all. */
void time_many(const char *tag, uint32_t ioas, char *va, uint32_t flags);
/* From `src` to `dst`, and the UNMAP of it. */
void time_copy(const char *name, uint32_t src, uint64_t src_iova, uint32_t dst, uint64_t iova);
/* What is done without a device, and with the one at `cdev`: of 1 GiB and of 64 MiB of memory. */
void time_without_device(char *huge, char *small);
void time_device(const char *cdev, char *huge, char *small);

#endif
