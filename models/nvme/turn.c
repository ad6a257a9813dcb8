/* SPDX-License-Identifier: MIT */
/* Waiting for one's turn, and waking who waits. */
#include <linux/futex.h>
#include "nvme/turn.h"
#include "util/sys.h"

#define SPINS 100

void nvme_turn_wake(struct nvme_turn *turn)
{
	sys_call(SYS_futex, &turn->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void nvme_turn_take(struct nvme_turn *turn)
{
	for (unsigned i = 0; i < SPINS; i++)
		if (nvme_turn_try(turn))
			return;
	while (!nvme_turn_try(turn)) {
		uint32_t is = NVME_TURN_TAKEN;

		/* Given meanwhile: it stays so, or another has it now. */
		if (atomic_compare_exchange_strong(&turn->state, &is, NVME_TURN_WANTED) ||
		    is == NVME_TURN_WANTED)
			sys_call(SYS_futex, &turn->state, FUTEX_WAIT_PRIVATE, NVME_TURN_WANTED,
				 NULL, NULL, 0);
	}
}
