/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is to work on a controller: its worker's, or that of a program's thread which rings
 * a doorbell. Only the worker waits for its turn; a doorbell's thread, which may be in a signal
 * handler, goes on with its own affairs when it is another's.
 */
#ifndef NVME_TURN_H
#define NVME_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* 0 is "taken": where there is no worker it is nobody's turn. */
enum nvme_turn_state {
	NVME_TURN_TAKEN,
	NVME_TURN_WANTED, /* taken, and the worker waits */
	NVME_TURN_FREE,
};

struct nvme_turn {
	_Atomic uint32_t state;
};

static inline bool nvme_turn_try(struct nvme_turn *turn)
{
	uint32_t is = NVME_TURN_FREE;

	return atomic_compare_exchange_strong(&turn->state, &is, NVME_TURN_TAKEN);
}

/* turn.c: wakes the one who waits. */
void nvme_turn_wake(struct nvme_turn *turn);
/* The worker's: waits until it is its turn. */
void nvme_turn_take(struct nvme_turn *turn);

/* Whoever looks afterwards for what came meanwhile misses nothing. */
static inline void nvme_turn_give(struct nvme_turn *turn)
{
	if (__builtin_expect(atomic_exchange(&turn->state, NVME_TURN_FREE) == NVME_TURN_WANTED, 0))
		nvme_turn_wake(turn);
}

#endif
