/* SPDX-License-Identifier: MIT */
/*
 * Memory that the kernel need not be asked about again.
 *
 * A MAP has the kernel make its memory present, which takes longer the more there is. Memory that a
 * window stands for where the program sees it is there, if whoever uses the instance tells what the
 * program does with it (memory_told): what is taken away is in that place no more. So is a *proof*
 * possible: a piece has one when the kernel has been asked about all of it while it was there, and
 * the memory is the process' own, which no truncated file takes away. It ends with the piece, with
 * anything that is told of it, and in a child of fork.
 */
#ifndef MEM_PROOF_H
#define MEM_PROOF_H

#include <stdbool.h>
#include <stdint.h>

struct ioas_caller;
struct ioas_iommu;
struct mem_pins;

/* Shorter ranges are sooner asked about than /proc/self/maps is read. */
#define MEM_PROOF_MIN (2ull << 20)

/*
 * As the caller's pin, for one whose memory is told of, and no system call where a proof covers all
 * of it. Takes the pins' lock. May read /proc/self/maps, once for what is mapped the second time.
 */
int mem_proof_pin(struct ioas_iommu *iommu, struct ioas_caller *caller, uint64_t va, uint64_t len,
		  bool write, void **host);

/* What has a proof in start..end-1 has none any more. (pins lock) */
void pins_doubt(struct mem_pins *pins, uintptr_t start, uintptr_t end);

#endif
