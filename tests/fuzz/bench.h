/* SPDX-License-Identifier: MIT */
/*
 * One device model in a program's hands: bound, attached, with memory to send to, and memory behind
 * it that no mapping has, which stays as it is whatever the device is told.
 */
#ifndef TESTS_FUZZ_BENCH_H
#define TESTS_FUZZ_BENCH_H

#include <ioas/door.h>
#include "fuzz.h"
#include "input.h"

#define BENCH_PAGE  4096ul
#define BENCH_PAGES 12u /* mapped, from BENCH_IOVA on; as many again are not */
#define BENCH_IOVA  0x100000ul

struct bench {
	struct ioas_caller caller; /* first */
	struct input in;
	struct ioas_iommu *iommu;
	struct ioas_file *ctx, *dev;
	struct ioas_why why;
	uint8_t *memory;
};

/* `model` as ioas_model_create takes it. */
void bench_open(struct bench *bench, const char *model, const uint8_t *data, size_t len);
/* Looks at the memory that is not mapped. */
void bench_close(struct bench *bench);
_Noreturn void bench_wrong(const char *what, long long value);

/* Registers, up to 8 bytes, little-endian; `region` as VFIO counts them, 7 is config space. */
uint64_t bench_read(struct bench *bench, unsigned region, uint64_t off, unsigned size);
void bench_write(struct bench *bench, unsigned region, uint64_t off, uint64_t value, unsigned size);
/* Waits for (register & mask) == want, 10 seconds at most. */
void bench_wait(struct bench *bench, uint64_t off, uint32_t mask, uint32_t want);
long bench_ioctl(struct bench *bench, unsigned long cmd, void *arg);
/* As it was bound, with bus mastering. */
void bench_reset(struct bench *bench);

/* Config space, BARs and ioctls of the device, in any way. */
void bench_step_registers(struct bench *bench);
void bench_step_tlpgun(struct bench *bench);
/* NVMe: queues are set up, and a command goes into one. */
void bench_nvme_enable(struct bench *bench);
void bench_step_nvme(struct bench *bench);

/* After a reset it works: these end the program if not. */
void bench_check_nvme(struct bench *bench);
void bench_check_tlpgun(struct bench *bench);

#endif
